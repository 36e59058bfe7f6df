// The simulator's own truth: one JSON line for each yes heard and each send seen, on disk before it counts.
//
// Lines gather while the disk writes and go down together (group fsync); `then` runs on the loop once its line is safe.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "loop.h"

namespace sim {

class Journal {
 public:
  // Appends to `path`. An empty path keeps nothing: every line is "safe" at once.
  Journal(std::string path, Loop* loop);
  ~Journal();  // writes what is left
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  bool on() const { return file_ >= 0; }
  void append(std::string line, std::function<void()> then = {});
  std::uint64_t safe_lines() const { return safe_.load(); }
  void flush();  // returns when all appended so far is safe

 private:
  void work();
  int file_ = -1;
  Loop* loop_;
  std::mutex mutex_;
  std::condition_variable wake_, drained_;
  std::string lines_;
  std::uint64_t appended_ = 0;
  std::vector<std::function<void()>> thens_;
  bool stop_ = false;
  std::atomic<std::uint64_t> safe_{0};
  std::thread thread_;
};

}  // namespace sim
