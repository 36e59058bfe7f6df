// Coarse time for everything of one shard that has a deadline: one timer every 250 ms walks a list, so that a request re-arms
// nothing and reads no clock. A deadline kept here passes up to half a second late, never early.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "belfry/clock.h"

namespace belfry::gateway {

// Something that is asked at every tick. It may add and remove itself and others from inside on_tick.
class Ticked {
 public:
  Ticked() = default;
  virtual ~Ticked() = default;
  Ticked(const Ticked&) = delete;
  Ticked& operator=(const Ticked&) = delete;
  virtual void on_tick(std::int64_t now_ms) = 0;

 private:
  friend class Ticks;
  Ticked* before_ = nullptr;
  Ticked* after_ = nullptr;
  bool listed_ = false;
};

class Ticks : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  static constexpr std::int64_t kEveryMs = 250;

  explicit Ticks(asio::execution_context& loop);
  static Ticks& of(asio::io_context& loop) { return asio::use_service<Ticks>(loop); }

  // Monotonic milliseconds as of the last tick.
  std::int64_t now_ms() const { return now_ms_; }
  // Both clocks, as of the last tick.
  Now now() const { return {Instant{now_ms_}, WallTime{wall_ms_}}; }
  // The first tick at which `in_ms` have passed for certain.
  std::int64_t after(std::int64_t in_ms) const { return now_ms_ + in_ms + kEveryMs; }
  // The Date field of HTTP, right to the second and a tick.
  const std::string& date() const { return date_; }

  // While anything is listed the loop has work. Both may be called twice.
  void add(Ticked& ticked);
  void remove(Ticked& ticked);

 private:
  void shutdown() override;
  void arm();
  void refresh();

  std::optional<asio::steady_timer> timer_;
  Ticked* first_ = nullptr;
  Ticked* next_ = nullptr;  // of the walk that is going on
  bool armed_ = false;
  std::int64_t now_ms_ = 0;
  std::int64_t wall_ms_ = 0;
  std::int64_t date_second_ = -1;
  std::string date_;
};

}  // namespace belfry::gateway
