// Any line of opening hours. What is read is written, and reads the same; what is refused says where; and what a calendar answers
// agrees with itself. Up to the first newline stands the zone, if it names one.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "routing/calendar.h"

namespace {

using namespace belfry;
using routing::Calendar;

void require(bool ok) {
  if (!ok) std::abort();
}

constexpr std::int64_t kDayMs = 86'400'000;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::size_t newline = text.find('\n');
  std::string zone = newline == std::string::npos ? std::string("Europe/Berlin") : text.substr(0, newline);
  const std::string hours = newline == std::string::npos ? text : text.substr(newline + 1);
  if (const auto located = routing::Zone::locate(zone); !located) {
    require(located.error().code == Errc::kBadInput && located.error().detail.starts_with("zone: "));
    zone = "Australia/Lord_Howe";
  }
  const auto calendar = Calendar::parse(hours, zone);
  if (!calendar) {
    require(calendar.error().code == Errc::kBadInput || calendar.error().code == Errc::kTooLarge);
    require(calendar.error().detail.size() < 400);
    for (const char c : calendar.error().detail) require(c >= ' ' && c <= '~');
    return 0;
  }
  const std::string written = calendar->write();
  const auto again = Calendar::parse(written, zone);
  require(again && *again == *calendar && again->write() == written);

  // Moments that the input chooses, from 2001 to 2036.
  std::uint64_t seed = 14'695'981'039'346'656'037U;
  for (const char c : text) seed = (seed ^ static_cast<unsigned char>(c)) * 1'099'511'628'211U;
  const WallTime from{978'307'200'000 + static_cast<std::int64_t>(seed % (36 * 365 * static_cast<std::uint64_t>(kDayMs)))};
  const bool open = calendar->is_open(from).open;
  if (const auto change = calendar->next_change(from)) {
    require(*change > from && calendar->is_open(*change).open != open && calendar->is_open(*change + -1).open == open);
    require(calendar->business_ms(from, *change) == (open ? *change - from : 0));
  }
  const auto opening = calendar->next_opening(from);
  require(!opening || (*opening >= from && calendar->is_open(*opening).open));
  const std::int64_t ms = static_cast<std::int64_t>(seed >> 32U) % (10 * kDayMs) + 1;
  if (const auto due = calendar->add_business(from, ms)) {
    require(calendar->business_ms(from, *due) == ms && calendar->business_ms(from, *due + -1) == ms - 1);
  }
  return 0;
}
