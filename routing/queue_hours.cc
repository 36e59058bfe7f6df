// A queue's opening hours as they are kept in its fields, and what routing asks of them.
#include <algorithm>
#include <charconv>

#include "routing/store.h"

namespace belfry::routing {
namespace {

// Nobody waits longer than this for an agent; and what is looked at grows with it.
constexpr std::int64_t kLongestWait = 40LL * 24 * 3'600'000;

std::string_view part_of(std::string_view& text) {
  const auto at = text.find('|');
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string write_emergency(const Emergency& emergency) {
  return std::string(emergency.open ? "open|" : "closed|") + std::to_string(emergency.since.ms) + "|" +
         (emergency.until ? std::to_string(emergency.until->ms) : std::string()) + "|" + emergency.reason;
}

std::optional<Calendar> hours_of(std::string_view hours, std::string_view zone, std::string_view emergency) {
  if (hours.empty() && emergency.empty()) return std::nullopt;
  Calendar out;
  if (auto calendar = Calendar::parse(hours.empty() ? "always" : hours, zone.empty() ? "UTC" : zone)) out = std::move(*calendar);
  if (!emergency.empty()) {
    Emergency now;
    now.open = part_of(emergency) == "open";
    now.since = WallTime{to_int(part_of(emergency))};
    if (const std::string_view until = part_of(emergency); !until.empty()) now.until = WallTime{to_int(until)};
    now.reason = std::string(emergency);
    out.set_emergency(std::move(now));
  }
  return out;
}

bool is_open(const QueueState& queue, WallTime now) { return !queue.hours || queue.hours->is_open(now).open; }

WallTime opens_at(const QueueState& queue, WallTime now) {
  return is_open(queue, now) ? WallTime{} : queue.hours->next_change(now).value_or(WallTime{});
}

std::int64_t waited_ms(const QueueState& queue, const Waiting& waiting, WallTime now) {
  if (!queue.hours) return now.ms - waiting.since;
  return queue.hours->business_ms(WallTime{std::max(waiting.since, now.ms - kLongestWait)}, now);
}

}  // namespace belfry::routing
