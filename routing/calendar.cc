#include "routing/calendar.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace belfry::routing {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kHorizonMs = Calendar::kHorizonDays * kDayMs;

std::int64_t bounded(WallTime t) { return std::clamp(t.ms, Zone::kFirstMs, Zone::kLastMs); }

std::chrono::sys_days date_of(std::int64_t local_day) {
  return std::chrono::sys_days(std::chrono::days(static_cast<int>(local_day)));
}

}  // namespace

std::string_view name_of(Standing::Why why) {
  switch (why) {
    case Standing::Why::kRegular: return "regular";
    case Standing::Why::kHoliday: return "holiday";
    case Standing::Why::kEmergency: return "emergency";
  }
  return "regular";
}

Result<Calendar> Calendar::parse(std::string_view hours, std::string_view zone) {
  auto timetable = Timetable::parse(hours);
  if (!timetable) return tl::unexpected<Error>(std::move(timetable.error()));
  auto located = Zone::locate(zone);
  if (!located) return tl::unexpected<Error>(std::move(located.error()));
  Calendar out;
  out.timetable_ = std::move(*timetable);
  out.zone_ = std::move(*located);
  return out;
}

Calendar::Stretch Calendar::at(std::int64_t utc_ms) const {
  Stretch out;
  std::int64_t limit_ms = Zone::kLastMs;
  if (emergency_) {
    const std::int64_t end_ms = emergency_->until ? emergency_->until->ms : Zone::kLastMs;
    if (utc_ms < emergency_->since.ms) {
      limit_ms = std::min(limit_ms, emergency_->since.ms);
    } else if (utc_ms < end_ms) {
      return {emergency_->open, Standing::Why::kEmergency, std::min(end_ms, limit_ms)};
    }
  }
  const Zone::Offset offset = zone_.at(utc_ms);
  const std::int64_t local_ms = utc_ms + offset.ms;
  out.local_day = local_ms / kDayMs - (local_ms % kDayMs < 0 ? 1 : 0);  // 1970-01-01 west of Greenwich is still 1969
  const std::int64_t midnight_ms = out.local_day * kDayMs;
  const Timetable::Day day = timetable_.on(date_of(out.local_day));
  out.by = day.by;
  out.why = day.by == Timetable::Day::By::kWeekday ? Standing::Why::kRegular : Standing::Why::kHoliday;
  std::int64_t until_ms = midnight_ms + kDayMs;
  for (const Interval& i : *day.hours) {
    if (local_ms < midnight_ms + i.from * kMinuteMs) {
      until_ms = midnight_ms + i.from * kMinuteMs;
      break;
    }
    if (local_ms < midnight_ms + i.to * kMinuteMs) {
      out.open = true;
      until_ms = midnight_ms + i.to * kMinuteMs;
      break;
    }
  }
  out.until_ms = std::min({until_ms - offset.ms, offset.until_ms, limit_ms});
  return out;
}

Standing Calendar::is_open(WallTime t) const {
  const Stretch now = at(std::min(bounded(t), Zone::kLastMs - 1));
  Standing out{now.open, now.why, {}};
  if (now.why == Standing::Why::kEmergency) out.note = emergency_->reason;
  if (now.why == Standing::Why::kHoliday) {
    const auto date = date_of(now.local_day);
    out.note = now.by == Timetable::Day::By::kDate ? write_date(date) : write_yearly(date);
  }
  return out;
}

std::optional<std::int64_t> Calendar::first(bool open, std::int64_t utc_ms) const {
  const std::int64_t end_ms = std::min(utc_ms + kHorizonMs, Zone::kLastMs);
  while (utc_ms < end_ms) {
    const Stretch now = at(utc_ms);
    if (now.open == open) return utc_ms;
    utc_ms = now.until_ms;
  }
  return {};
}

std::optional<WallTime> Calendar::next_opening(WallTime t) const {
  const auto found = first(true, bounded(t));
  if (!found) return {};
  return WallTime{*found};
}

std::optional<WallTime> Calendar::next_change(WallTime t) const {
  const std::int64_t from_ms = bounded(t);
  if (from_ms >= Zone::kLastMs) return {};
  const auto found = first(!at(from_ms).open, from_ms);
  if (!found) return {};
  return WallTime{*found};
}

std::int64_t Calendar::business_ms(WallTime from, WallTime to) const {
  const std::int64_t end_ms = bounded(to);
  std::int64_t sum_ms = 0;
  for (std::int64_t at_ms = bounded(from); at_ms < end_ms;) {
    const Stretch now = at(at_ms);
    const std::int64_t until_ms = std::min(now.until_ms, end_ms);
    if (now.open) sum_ms += until_ms - at_ms;
    at_ms = until_ms;
  }
  return sum_ms;
}

std::optional<WallTime> Calendar::add_business(WallTime from, std::int64_t ms) const {
  if (ms <= 0) return from;
  for (std::int64_t at_ms = bounded(from);;) {
    const auto opening = first(true, at_ms);
    if (!opening) return {};
    const std::int64_t until_ms = at(*opening).until_ms;
    if (ms <= until_ms - *opening) return WallTime{*opening + ms};
    ms -= until_ms - *opening;
    at_ms = until_ms;
  }
}

}  // namespace belfry::routing
