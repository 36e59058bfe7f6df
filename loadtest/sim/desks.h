// Desk sockets that only listen: for webhook-to-desk latency under load. They live on a thread of their own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base.h"
#include "http.h"

namespace sim {

class Desks {
 public:
  struct Result {
    Histogram latency;
    std::uint64_t messages = 0;  // marked texts received
    std::uint64_t offers = 0;
    std::uint64_t violations = 0;
    std::uint64_t disconnects = 0;
  };
  // Opens `count` sockets with the keys in turn, says ready, accepts every offer. Throws Failure if they are not all ready in
  // time.
  Desks(const Url& server, const Trust& trust, const std::vector<std::string>& keys, std::size_t count,
        std::int64_t ready_within_ms);
  ~Desks();
  // Waits until `expected` texts came or nothing came for `quiet_ms`, then closes.
  Result finish(std::uint64_t expected, std::int64_t quiet_ms);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sim
