#include "routing/pace.h"

#include <algorithm>
#include <charconv>

#include "routing/service_level.h"

namespace belfry::routing {
namespace {

constexpr std::int64_t kStepMs = 300'000;
// The mean of the first so many handles, then each new one weighs a sixteenth.
constexpr std::uint64_t kMeanOf = 16;
// What takes longer says nothing about the pace: an agent who forgot to close it over the weekend.
constexpr std::int64_t kLongestHandle = 8LL * 3'600'000;

template <class Int>
Int to_number(std::string_view text) {
  Int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

StreamId parse_stream_id(std::string_view text) {
  const auto dash = text.find('-');
  return {to_number<std::uint64_t>(text.substr(0, dash)),
          dash == std::string_view::npos ? 0 : to_number<std::uint64_t>(text.substr(dash + 1))};
}

Pace::Line& Pace::line(std::string_view queue) {
  const auto found = lines_.find(queue);
  if (found != lines_.end()) return found->second;
  Line& line = lines_[std::string(queue)];
  line.id = std::string(queue);
  return line;
}

// Null if there is no room for one more.
Pace::Followed* Pace::follow(std::string_view conversation, std::string_view queue) {
  const auto id = to_number<std::int64_t>(conversation);
  const auto found = followed_.find(id);
  if (found == followed_.end() && followed_.size() >= most_) {
    ++unfollowed_;
    return nullptr;
  }
  Followed& f = found == followed_.end() ? followed_[id] : found->second;
  f.line = &line(queue);
  return &f;
}

Pace::Level& Pace::bucket(Line& line, std::int64_t t) {
  const std::int64_t at = t / kStepMs;
  if (line.buckets.empty() || line.buckets.back().at < at) {
    line.buckets.push_back({at, {}});
    while (line.buckets.front().at + kWindowMs / kStepMs <= at) line.buckets.pop_front();
  }
  return line.buckets.back().level;
}

std::optional<Pace::Ended> Pace::handled(Followed& f, std::int64_t t) {
  if (f.phase == Phase::kWorks && f.since > 0) f.handled += std::max<std::int64_t>(0, t - f.since);
  const std::int64_t took = std::exchange(f.handled, 0);
  if (f.phase == Phase::kWaits || took <= 0) return std::nullopt;
  Line& l = *f.line;
  Ended out{.how = Ended::How::kHandled, .queue = l.id, .wait_ms = 0, .handled_ms = took, .error_ms = std::nullopt};
  if (took > kLongestHandle) return out;
  const auto weight = 1.0 / static_cast<double>(std::min(++l.handles, kMeanOf));
  l.handle_ms += (static_cast<double>(took) - l.handle_ms) * weight;
  return out;
}

Pace::Ended Pace::answered(Followed& f, std::int64_t t) {
  const QueueState* settings = find_(f.line->id);
  const std::optional<Calendar> always;
  Ended out;
  out.queue = f.line->id;
  out.wait_ms = open_ms(settings != nullptr ? settings->hours : always, WallTime{f.since}, WallTime{t});
  Line& l = *f.line;
  l.waits.push_back(out.wait_ms);
  if (l.waits.size() > kWaits) l.waits.pop_front();
  const std::int64_t goal = settings != nullptr ? settings->goals.in_time_ms() : 0;
  Level& level = bucket(l, t);
  ++level.answered;
  out.timed = goal > 0;
  if (goal > 0) {
    out.how = out.wait_ms <= goal ? Ended::How::kInTime : Ended::How::kLate;
    if (out.how == Ended::How::kInTime) ++level.in_time;
  }
  if (f.told_ms >= 0) out.error_ms = std::abs(f.told_at + f.told_ms - t);
  f.told_ms = -1;
  f.phase = Phase::kWorks;
  f.since = t;
  f.handled = 0;
  return out;
}

void Pace::seed(const Waiting& waiting) {
  const bool known = followed_.contains(to_number<std::int64_t>(waiting.conversation));
  if (known) return;
  if (Followed* f = follow(waiting.conversation, waiting.queue)) f->since = waiting.since;
}

std::optional<Pace::Ended> Pace::apply(const Value& stream_entry) {
  if (!stream_entry.is_array() || stream_entry.array.size() != 2) return std::nullopt;
  const StreamId id = parse_stream_id(stream_entry.array[0].text);
  if (id <= seen_) return std::nullopt;
  seen_ = id;
  const auto& fields = stream_entry.array[1].array;
  const auto field = [&](std::string_view name) -> std::string_view {
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
      if (fields[i].text == name) return fields[i + 1].text;
    }
    return {};
  };
  const std::string_view conversation = field("v"), kind = field("k");
  if (conversation.empty()) return std::nullopt;
  const auto t = to_number<std::int64_t>(field("t"));
  const auto found = followed_.find(to_number<std::int64_t>(conversation));
  Followed* f = found == followed_.end() ? nullptr : &found->second;

  if (kind == "queued") {
    if (Followed* anew = follow(conversation, field("q"))) {
      *anew = Followed{.line = anew->line, .since = t};
    }
  } else if (kind == "offered" || kind == "assigned") {
    // One that was offered as it opened has no entry before: its generation is 2. Of another whose beginning we have not seen
    // nothing is known but that it is handled from now on.
    if (f == nullptr) {
      f = follow(conversation, field("q"));
      if (f == nullptr) return std::nullopt;
      if (field("g") == "2") f->since = t;
    }
    if (kind == "assigned") {
      if (f->phase == Phase::kWaits && f->since > 0) return answered(*f, t);
      *f = Followed{.line = f->line, .phase = Phase::kWorks, .since = t};
    }
  } else if (kind == "accepted") {
    if (f != nullptr && f->phase == Phase::kWaits && f->since > 0) return answered(*f, t);
    if (f == nullptr) f = follow(conversation, field("q"));
    if (f != nullptr) *f = Followed{.line = f->line, .phase = Phase::kWorks, .since = t};
  } else if (kind == "requeued") {
    std::optional<Ended> stint;
    if (f != nullptr) stint = handled(*f, t);
    const std::string_view since = field("s");
    if (Followed* waits = follow(conversation, field("q"))) {
      waits->phase = Phase::kWaits;
      waits->since = since.empty() ? t : to_number<std::int64_t>(since);
    }
    return stint;
  } else if (f == nullptr) {
    return std::nullopt;
  } else if (kind == "parked") {
    if (f->phase == Phase::kWorks && f->since > 0) f->handled += std::max<std::int64_t>(0, t - f->since);
    f->phase = Phase::kParked;
  } else if (kind == "woken") {
    if (f->phase == Phase::kParked) f->since = t;
    f->phase = Phase::kWorks;
  } else if (kind == "closed") {
    std::optional<Ended> ended;
    const std::string_view why = field("x");
    if (f->phase == Phase::kWaits) {
      // Nobody gave up who was no citizen, or goes on waiting in another conversation.
      if (why != "spam" && why != "merged" && f->since > 0) {
        const bool brief = t - f->since < kShortMs;
        Level& level = bucket(*f->line, t);
        ++(brief ? level.abandoned_short : level.abandoned);
        const QueueState* settings = find_(f->line->id);
        ended = Ended{.how = brief ? Ended::How::kShort : Ended::How::kAbandoned,
                      .queue = f->line->id,
                      .wait_ms = t - f->since,
                      .timed = settings != nullptr && settings->goals.in_time_ms() > 0,
                      .error_ms = std::nullopt};
      }
    } else {
      ended = handled(*f, t);
    }
    followed_.erase(found);
    return ended;
  }
  return std::nullopt;
}

std::int64_t Pace::handle_ms(std::string_view queue) const {
  const auto it = lines_.find(queue);
  if (it == lines_.end() || it->second.handles == 0) return kDefaultHandleMs;
  return static_cast<std::int64_t>(it->second.handle_ms);
}

std::optional<Pace::Range> Pace::range(std::string_view queue) const {
  const auto it = lines_.find(queue);
  if (it == lines_.end() || it->second.waits.size() < kSamplesWanted) return std::nullopt;
  const std::vector<std::int64_t> waits(it->second.waits.begin(), it->second.waits.end());
  return Range{percentile(waits, 0.5), percentile(waits, 0.9)};
}

Pace::Level Pace::level(std::string_view queue, WallTime now) const {
  Level sum;
  const auto it = lines_.find(queue);
  if (it == lines_.end()) return sum;
  for (const Bucket& bucket : it->second.buckets) {
    if (bucket.at + kWindowMs / kStepMs <= now.ms / kStepMs) continue;
    sum.answered += bucket.level.answered;
    sum.in_time += bucket.level.in_time;
    sum.abandoned += bucket.level.abandoned;
    sum.abandoned_short += bucket.level.abandoned_short;
  }
  return sum;
}

void Pace::told(std::string_view conversation, std::int64_t wait, WallTime now) {
  const auto it = followed_.find(to_number<std::int64_t>(conversation));
  if (it == followed_.end() || it->second.phase != Phase::kWaits || it->second.told_ms >= 0) return;
  it->second.told_ms = wait;
  it->second.told_at = now.ms;
}

}  // namespace belfry::routing
