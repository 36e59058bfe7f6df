// A small bounded pool for work that would stall a shard: argon2, P-256, RSA, files. One a process, shared by its shards.
#pragma once

#include <asio/io_context.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace belfry::gateway {

class WorkPool {
 public:
  explicit WorkPool(int threads, std::size_t max_waiting = 256);
  ~WorkPool();  // waits for what is running; what waits is dropped
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  // Runs `work` on a thread of the pool, then `done` on `loop`. False: the queue is full, nothing will be called; say "later".
  bool post(asio::io_context& loop, std::function<void()> work, std::function<void()> done);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace belfry::gateway
