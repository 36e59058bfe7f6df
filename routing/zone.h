// A time zone as a table of offsets from UTC, read once from the system's zone data (Debian's tzdata); from then on a plain
// value. What tzdata learns later is seen by processes started later.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::routing {

// From begin_ms (UTC) until the next shift, local time is UTC plus offset_ms.
struct Shift {
  std::int64_t begin_ms = 0;
  std::int64_t offset_ms = 0;
  friend bool operator==(const Shift&, const Shift&) = default;
};

// Immutable once located: any thread may read it.
class Zone {
 public:
  // What is asked of a moment outside of these two is answered for the nearer one.
  static constexpr std::int64_t kFirstMs = 0;                 // 1970-01-01
  static constexpr std::int64_t kLastMs = 4'102'444'800'000;  // 2100-01-01

  Zone() = default;  // UTC
  // By its IANA name, links ("Asia/Katmandu") included. kBadInput: there is no such zone; kUnavailable: the machine has no zone
  // data.
  static Result<Zone> locate(std::string_view name);

  const std::string& name() const { return name_; }

  // The offset at a moment, and until when it holds (kLastMs if it does not end).
  struct Offset {
    std::int64_t ms = 0;
    std::int64_t until_ms = kLastMs;
  };
  Offset at(std::int64_t utc_ms) const;

  friend bool operator==(const Zone&, const Zone&) = default;

 private:
  std::string name_ = "UTC";
  std::vector<Shift> shifts_{{kFirstMs, 0}};  // ascending; the first begins at kFirstMs
};

}  // namespace belfry::routing
