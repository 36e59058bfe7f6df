// Group fsync on a thread of its own.
#include "journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base.h"

namespace sim {

namespace {

constexpr std::size_t kMaxGathered = 64U << 20;

[[noreturn]] void lost(const char* what) {
  // A journal that cannot be written makes every later comparison a lie, so the run ends here.
  std::fprintf(stderr, "belfry-sim: journal: %s: %s; free the disk and start again\n", what, std::strerror(errno));
  std::_Exit(3);
}

}  // namespace

Journal::Journal(std::string path, Loop* loop) : loop_(loop) {
  if (path.empty()) return;
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file_ < 0)
    throw Failure("cannot write the journal " + path + ": " + std::strerror(errno) + "; name a file in a directory that exists");
  thread_ = std::thread([this] { work(); });
}

Journal::~Journal() {
  if (file_ < 0) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
  ::close(file_);
}

void Journal::append(std::string line, std::function<void()> then) {
  if (file_ < 0) {
    ++safe_;
    if (then) then();
    return;
  }
  std::unique_lock lock(mutex_);
  drained_.wait(lock, [this] { return lines_.size() < kMaxGathered; });
  lines_ += line;
  lines_ += '\n';
  ++appended_;
  if (then) thens_.push_back(std::move(then));
  lock.unlock();
  wake_.notify_one();
}

void Journal::flush() {
  if (file_ < 0) return;
  std::unique_lock lock(mutex_);
  const auto wanted = appended_;
  drained_.wait(lock, [&] { return safe_.load() >= wanted; });
}

void Journal::work() {
  while (true) {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return stop_ || !lines_.empty(); });
    if (lines_.empty()) return;
    std::string batch;
    batch.swap(lines_);
    std::vector<std::function<void()>> thens;
    thens.swap(thens_);
    const auto up_to = appended_;
    lock.unlock();
    for (std::size_t at = 0; at < batch.size();) {
      const auto wrote = ::write(file_, batch.data() + at, batch.size() - at);
      if (wrote < 0 && errno != EINTR) lost("write");
      if (wrote > 0) at += static_cast<std::size_t>(wrote);
    }
    if (::fdatasync(file_) != 0) lost("fdatasync");
    {
      const std::lock_guard again(mutex_);
      safe_ = up_to;
    }
    drained_.notify_all();
    if (!thens.empty() && loop_ != nullptr) {
      loop_->post([thens = std::move(thens)] {
        for (const auto& each : thens) each();
      });
    }
  }
}

}  // namespace sim
