#include "routing/zone.h"

#include <date/tz.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <stdexcept>

namespace belfry::routing {
namespace {

using std::chrono::sys_days;
using std::chrono::weekday;
using std::chrono::year;

constexpr std::int64_t kDayMs = 86'400'000;

std::int64_t ms_of(date::sys_seconds t) { return std::int64_t{t.time_since_epoch().count()} * 1000; }
date::sys_seconds seconds_of(std::int64_t ms) { return date::sys_seconds(std::chrono::seconds(ms / 1000)); }
std::int64_t ms_of(year y, unsigned month) {
  return std::int64_t{sys_days(y / std::chrono::month(month) / 1).time_since_epoch().count()} * kDayMs;
}
weekday weekday_of(year y, unsigned month) { return weekday(sys_days(y / std::chrono::month(month) / 1)); }

// Zone files list changes up to 2037 and give a rule for later years, which the library does not read. Every weekday on which a
// year can begin is among 2027-2037, so a later year repeats the one whose calendar is the same: whose January begins on the same
// weekday, and from March on whose March does.
void repeat_the_last_years(std::vector<Shift>& shifts) {
  constexpr year kKnown{2037};
  const std::int64_t known_ms = ms_of(kKnown + std::chrono::years(1), 1);
  if (shifts.back().begin_ms >= known_ms || shifts.back().begin_ms < ms_of(kKnown, 1)) return;
  const std::vector<Shift> known = shifts;
  const auto copy = [&](year y, unsigned from_month, std::int64_t end_ms) {
    year model = kKnown;
    while (weekday_of(model, from_month) != weekday_of(y, from_month)) --model;
    const std::int64_t moved_ms = ms_of(y, from_month) - ms_of(model, from_month);
    for (const Shift& shift : known) {
      const Shift moved{shift.begin_ms + moved_ms, shift.offset_ms};
      if (moved.begin_ms >= ms_of(y, from_month) && moved.begin_ms < end_ms) shifts.push_back(moved);
    }
  };
  for (year y = kKnown + std::chrono::years(1); ms_of(y, 1) < Zone::kLastMs; ++y) {
    copy(y, 1, ms_of(y, 3));
    copy(y, 3, ms_of(y + std::chrono::years(1), 1));
  }
}

// "berlin" and "europe/berlin" are meant for Europe/Berlin.
std::string like(const date::tzdb& zones, std::string_view wanted) {
  const auto lower = [](std::string_view s) {
    std::string out(s);
    std::replace(out.begin(), out.end(), ' ', '_');
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
  };
  const std::string key = lower(wanted);
  for (const auto& zone : zones.zones) {
    const std::string name = lower(zone.name());
    if (name == key || name.substr(name.rfind('/') + 1) == key) return zone.name();
  }
  return {};
}

std::string printable(std::string_view s) {
  std::string out(s.substr(0, 40));
  for (char& c : out) c = c >= ' ' && c <= '~' && c != '"' ? c : '?';
  return out;
}

}  // namespace

Result<Zone> Zone::locate(std::string_view name) {
  try {
    const date::tzdb& zones = date::get_tzdb();
    // "localtime" is this machine's setting: no name that another node would understand alike.
    const auto found = std::find_if(zones.zones.begin(), zones.zones.end(), [&](const auto& z) { return z.name() == name; });
    if (found == zones.zones.end() || name == "localtime") {
      const std::string meant = like(zones, name);
      return fail(Errc::kBadInput, "zone: \"" + printable(name) + "\" is not a time zone: " +
                                       (meant.empty() || meant == "localtime"
                                            ? std::string("write an IANA name such as \"Europe/Berlin\" or \"UTC\"")
                                            : "did you mean \"" + meant + "\"?"));
    }
    Zone zone;
    zone.name_ = name;
    zone.shifts_.clear();
    for (std::int64_t at_ms = kFirstMs; at_ms < kLastMs;) {
      const date::sys_info info = found->get_info(seconds_of(at_ms));
      const std::int64_t offset_ms = std::int64_t{info.offset.count()} * 1000;
      // A change of nothing but the name ("CET" to "MEZ") is none to us.
      if (zone.shifts_.empty() || zone.shifts_.back().offset_ms != offset_ms) zone.shifts_.push_back({at_ms, offset_ms});
      if (info.end >= seconds_of(kLastMs)) break;
      if (ms_of(info.end) <= at_ms) throw std::runtime_error("a zone whose changes do not ascend");
      at_ms = ms_of(info.end);
    }
    repeat_the_last_years(zone.shifts_);
    return zone;
  } catch (const std::exception&) {
    // The library's own words hold paths of its build machine.
    return fail(Errc::kUnavailable, "zone: this machine's time zone data cannot be read: is the package tzdata installed?");
  }
}

Zone::Offset Zone::at(std::int64_t utc_ms) const {
  const auto next = std::upper_bound(shifts_.begin() + 1, shifts_.end(), utc_ms,
                                     [](std::int64_t ms, const Shift& shift) { return ms < shift.begin_ms; });
  return {(next - 1)->offset_ms, next == shifts_.end() ? kLastMs : next->begin_ms};
}

}  // namespace belfry::routing
