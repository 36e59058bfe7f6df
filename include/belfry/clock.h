// Time as a value. Nothing below the gateway reads a clock: it is handed a Now.
#pragma once

#include <compare>
#include <cstdint>

namespace belfry {

// Monotonic milliseconds since an arbitrary start: timers, deadlines, leases.
struct Instant {
  std::int64_t ms = 0;
  friend constexpr auto operator<=>(Instant, Instant) = default;  // NOLINT: clang-tidy 14 takes <=> for a null pointer
  constexpr Instant operator+(std::int64_t delta_ms) const { return {ms + delta_ms}; }
  constexpr std::int64_t operator-(Instant earlier) const { return ms - earlier.ms; }
};

// Milliseconds since the Unix epoch, UTC: what is shown, signed or stored.
struct WallTime {
  std::int64_t ms = 0;
  friend constexpr auto operator<=>(WallTime, WallTime) = default;  // NOLINT: the same
  constexpr WallTime operator+(std::int64_t delta_ms) const { return {ms + delta_ms}; }
  constexpr std::int64_t operator-(WallTime earlier) const { return ms - earlier.ms; }
};

struct Now {
  Instant mono;
  WallTime wall;
};

}  // namespace belfry
