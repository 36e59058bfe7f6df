#include "adapters/wire/rfc3339.h"

#include <algorithm>
#include <charconv>
#include <chrono>

namespace belfry::wire {

std::string rfc3339(WallTime time) {
  using namespace std::chrono;
  const sys_time<milliseconds> at{milliseconds{time.ms}};
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const hh_mm_ss clock{at - day};
  // By hand: printf was a quarter of a message's way to a desk.
  std::string text = "0000-00-00T00:00:00.000Z";
  const auto put = [&text](std::size_t from, std::size_t digits, std::int64_t value) {
    for (std::size_t i = digits; i-- > 0; value /= 10) text[from + i] = static_cast<char>('0' + value % 10);
  };
  put(0, 4, std::clamp(static_cast<int>(date.year()), 0, 9999));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, clock.hours().count());
  put(14, 2, clock.minutes().count());
  put(17, 2, clock.seconds().count());
  put(20, 3, clock.subseconds().count());
  return text;
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  using namespace std::chrono;
  const auto number = [&](std::size_t at, std::size_t count) -> std::optional<int> {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    const char* from = text.data() + at;
    const auto [end, error] = std::from_chars(from, from + count, value);
    if (error != std::errc{} || end != from + count || *from == '-') return std::nullopt;
    return value;
  };
  const auto is = [&](std::size_t at, char wanted) { return at < text.size() && (text[at] | 0x20) == (wanted | 0x20); };
  const auto y = number(0, 4), mo = number(5, 2), d = number(8, 2), h = number(11, 2), mi = number(14, 2), s = number(17, 2);
  if (!y || !mo || !d || !h || !mi || !s || !is(4, '-') || !is(7, '-') || !is(10, 'T') || !is(13, ':') || !is(16, ':'))
    return std::nullopt;
  const year_month_day date{year{*y}, month{static_cast<unsigned>(*mo)}, day{static_cast<unsigned>(*d)}};
  if (!date.ok() || *h > 23 || *mi > 59 || *s > 60) return std::nullopt;
  std::int64_t ms = duration_cast<milliseconds>(sys_days{date}.time_since_epoch()).count();
  ms += (*h * 3600LL + *mi * 60LL + *s) * 1000LL;
  std::size_t at = 19;
  if (is(at, '.')) {
    int scale = 100;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
      ms += static_cast<std::int64_t>(text[at] - '0') * scale;
      scale /= 10;
    }
  }
  // An offset must not lead out of the years that four digits can say.
  constexpr std::int64_t kFirst = -62'167'219'200'000, kLast = 253'402'300'799'999;
  const auto within = [](std::int64_t at_ms) -> std::optional<WallTime> {
    if (at_ms < kFirst || at_ms > kLast) return std::nullopt;
    return WallTime{at_ms};
  };
  if (is(at, 'Z') && at + 1 == text.size()) return within(ms);
  if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':') return std::nullopt;
  const auto oh = number(at + 1, 2), om = number(at + 4, 2);
  if (!oh || !om || *oh > 23 || *om > 59) return std::nullopt;
  const std::int64_t offset = (*oh * 60LL + *om) * 60'000LL;
  return within(text[at] == '+' ? ms - offset : ms + offset);
}

}  // namespace belfry::wire
