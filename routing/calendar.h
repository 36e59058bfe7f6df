// When a queue is open, and time that counts only while it is: a timetable on the wall clock of a zone, and what supervisors
// decided.
//
// Open is what the wall clock reads: at a moment whose local date and time lie within that date's hours. So where clocks are set
// forward the missing hour is nobody's, and where they are set back an hour that is read twice is open twice. Emergency
// decisions go before all; then dates, yearly dates, weekdays.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "belfry/clock.h"
#include "belfry/result.h"
#include "routing/timetable.h"
#include "routing/zone.h"

namespace belfry::routing {

// Open or closed whatever the timetable says, from `since` until just before `until`; without one, until further notice.
// What was before `since` stays as it was: a deadline that began then is not rewritten.
struct Emergency {
  bool open = false;
  std::string reason;
  WallTime since;
  std::optional<WallTime> until;
  friend bool operator==(const Emergency&, const Emergency&) = default;
};

// Why a queue is open or closed.
struct Standing {
  enum class Why : std::uint8_t { kRegular, kHoliday, kEmergency };
  bool open = false;
  Why why = Why::kRegular;
  std::string note;  // the holiday as its rule has it ("12-25", "2026-12-24") or the emergency's reason; regular: empty
};
std::string_view name_of(Standing::Why why);  // "regular", "holiday", "emergency"

// A value: immutable but for set_emergency, so any thread may read it. A default one is always open.
//
// Moments are answered for from 1970 to 2099; one outside is taken for the nearer end. Questions that look ahead give up after
// kHorizonDays without a change.
class Calendar {
 public:
  static constexpr int kHorizonDays = 400;

  Calendar() = default;
  // The hours as timetable.h describes, the zone by its IANA name. Looks the zone up, once.
  static Result<Calendar> parse(std::string_view hours, std::string_view zone);
  std::string write() const { return timetable_.write(); }  // the hours; not the emergency
  const std::string& zone() const { return zone_.name(); }

  const std::optional<Emergency>& emergency() const { return emergency_; }
  void set_emergency(std::optional<Emergency> emergency) { emergency_ = std::move(emergency); }

  Standing is_open(WallTime at) const;
  // `at` itself if open then, else the next moment it opens.
  std::optional<WallTime> next_opening(WallTime at) const;
  // The next moment, after `at`, at which open becomes closed or closed open.
  std::optional<WallTime> next_change(WallTime at) const;
  // Open milliseconds in [from, to); 0 if to is not after from. Costs a step a boundary: mind what a peer may ask.
  std::int64_t business_ms(WallTime from, WallTime to) const;
  // The earliest moment, not before `from`, at which ms open milliseconds have gone by: business_ms(from, add_business(from, ms))
  // is ms. So what is due in exactly the time left today is due when we close, not when we open next. ms <= 0: from.
  std::optional<WallTime> add_business(WallTime from, std::int64_t ms) const;

  friend bool operator==(const Calendar&, const Calendar&) = default;

 private:
  // Open or closed at a moment, and until when nothing can change that.
  struct Stretch {
    bool open = false;
    Standing::Why why = Standing::Why::kRegular;
    std::int64_t until_ms = 0;
    Timetable::Day::By by = Timetable::Day::By::kWeekday;
    std::int64_t local_day = 0;
  };
  Stretch at(std::int64_t utc_ms) const;
  // The first moment from utc_ms on at which it is open (or closed).
  std::optional<std::int64_t> first(bool open, std::int64_t utc_ms) const;

  Timetable timetable_;
  Zone zone_;
  std::optional<Emergency> emergency_;
};

}  // namespace belfry::routing
