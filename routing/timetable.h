// The opening hours of each day, as a person writes them on one line:
//
//   mon-fri 08:00-12:00,13:00-17:00; sat 09:00-12:00; 12-25,12-26 closed; 2026-12-24 09:00-12:00; 2026-08-03..2026-08-14 closed
//
// Rules stand between semicolons; a rule is days, a space, then times with commas between or "closed".
//   days   weekdays (mon, monday; mon-fri, sat-mon), yearly dates (12-25; 12-24..01-02) or dates (2026-12-24;
//   2026-08-03..2026-08-14),
//          with commas between
//   times  HH:MM-HH:MM, local wall time, the end not included; 24:00 is the end of a day
//   always, never   alone as a rule: every weekday, whole or not at all; dates may follow ("always; 12-25 closed")
//
// A weekday that no rule names is closed. A date replaces its weekday, and a date of one year a yearly one; so each day owns its
// hours, and an interval over midnight is written as two ("fri 20:00-24:00; sat 00:00-04:00"): a closed day is then closed from
// midnight to midnight. Rules for the same day add up; hours that overlap, and a day both closed and open, are refused.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::routing {

// Minutes since midnight on the wall clock: open from `from` until just before `to`.
struct Interval {
  std::uint16_t from = 0;
  std::uint16_t to = 1440;
  friend bool operator==(const Interval&, const Interval&) = default;
};
// Ascending, never touching. None: closed all day.
using Hours = std::vector<Interval>;

// Immutable once parsed: any thread may read it.
class Timetable {
 public:
  static constexpr std::size_t kMaxText = 16'384;
  static constexpr std::size_t kMaxDates = 4'000;   // days that rules name, each of a range counted
  static constexpr std::size_t kMaxIntervals = 24;  // a day

  Timetable() { week_.fill({{0, 1440}}); }  // always
  // An error's detail says the column (in bytes, from 1), what is wrong there and what to write instead.
  static Result<Timetable> parse(std::string_view text);
  // The canonical text: what it says parses to the same timetable, and equal timetables say the same.
  std::string write() const;

  // The hours of a local date; `date` is the rule's own ("12-25", "2026-12-24") or empty if the weekday decides.
  struct Day {
    const Hours* hours = nullptr;  // lives as long as the timetable
    enum class By : std::uint8_t { kWeekday, kYearly, kDate } by = By::kWeekday;
  };
  Day on(std::chrono::sys_days date) const;

  friend bool operator==(const Timetable&, const Timetable&) = default;

 private:
  struct Dated {
    std::int32_t day = 0;  // since 1970-01-01; of a yearly date, month * 32 + day
    Hours hours;
    friend bool operator==(const Dated&, const Dated&) = default;
  };
  static const Hours* find(const std::vector<Dated>& dates, std::int32_t day);

  std::array<Hours, 7> week_;  // Monday first
  std::vector<Dated> yearly_;  // ascending, as are dates_
  std::vector<Dated> dates_;
};

// "2026-12-24" and "12-24".
std::string write_date(std::chrono::year_month_day date);
std::string write_yearly(std::chrono::year_month_day date);

}  // namespace belfry::routing
