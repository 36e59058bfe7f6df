// How much may be taken on: by the memory of Redis, and by the disk under the embedded one. What is refused hears "later" (503);
// what was acknowledged is safe already.
//
//   memory of maxmemory   70 %  no bulk        85 %  nothing that opens a conversation      95 %  nothing but alerts
//   free disk             below reserve + one log of Redis: no bulk                         below reserve: nothing at all
#pragma once

#include <asio/io_context.hpp>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/problem.h"
#include "routing/store_redis.h"

namespace belfry::gateway {

class WorkPool;

// Each refuses what the one before it refuses.
enum class Level : std::uint8_t {
  kAll,
  kNoBulk,
  kNoOpening,   // conversations that run go on
  kAlertsOnly,  // and receipts, and what ends a conversation
  kNothing,     // a Redis that cannot write its log ends
};
std::string_view name_of(Level level);  // "all" "no_bulk" "no_opening" "alerts_only" "nothing"
wire::Problem no_room(Level level);     // 503
std::string words_for(Level level);     // a sentence for the operator; empty: all is taken

struct Fullness {
  std::int64_t used = 0;        // octets that count against maxmemory
  std::int64_t max = 0;         // 0: no limit
  std::int64_t disk_free = -1;  // under the log of Redis; -1: that disk is not ours
  std::int64_t log_size = 0;    // a rewrite of the log needs as much again
};
Level level_of(const Fullness& fullness, std::int64_t disk_reserve);

// Looks when it is asked to, about once a second. On its shard's loop; level() from any thread.
class Headroom {
 public:
  struct Deps {
    asio::io_context& loop;
    routing::Carry carry;
    WorkPool& work;
    std::string dir;  // of the embedded server's files; empty: an external Redis
    std::int64_t disk_reserve = 1LL << 30;
    bool tells = false;  // one shard of a process logs changes
  };
  explicit Headroom(Deps deps) : deps_(std::move(deps)) {}

  void look();
  // Nothing of ours is under way.
  bool idle() const { return !looking_; }
  Level level() const { return level_.load(std::memory_order_relaxed); }
  const Fullness& seen() const { return seen_; }

 private:
  void judge();

  Deps deps_;
  bool looking_ = false;
  bool told_no_limit_ = false;
  Fullness seen_;
  std::atomic<Level> level_{Level::kAll};
};

}  // namespace belfry::gateway
