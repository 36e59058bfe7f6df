#include "gateway/work_pool.h"

#include <asio/post.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace belfry::gateway {

struct WorkPool::State {
  struct Job {
    asio::io_context* loop;
    std::function<void()> work, done;
  };
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;  // guarded by mutex, as is stopping
  bool stopping = false;
  std::size_t max_waiting;
  std::vector<std::thread> threads;

  void run() {
    for (;;) {
      Job job;
      {
        std::unique_lock lock(mutex);
        wake.wait(lock, [&] { return stopping || !jobs.empty(); });
        if (stopping) return;
        job = std::move(jobs.front());
        jobs.pop_front();
      }
      job.work();
      asio::post(*job.loop, std::move(job.done));
    }
  }
};

WorkPool::WorkPool(int threads, std::size_t max_waiting) : state_(std::make_unique<State>()) {
  state_->max_waiting = max_waiting;
  for (int i = 0; i < threads; ++i) state_->threads.emplace_back([state = state_.get()] { state->run(); });
}

WorkPool::~WorkPool() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (std::thread& thread : state_->threads) thread.join();
}

bool WorkPool::post(asio::io_context& loop, std::function<void()> work, std::function<void()> done) {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->jobs.size() >= state_->max_waiting) return false;
    state_->jobs.push_back({&loop, std::move(work), std::move(done)});
  }
  state_->wake.notify_one();
  return true;
}

}  // namespace belfry::gateway
