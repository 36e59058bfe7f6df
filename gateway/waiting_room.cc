#include "gateway/waiting_room.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "gateway/log.h"

namespace belfry::gateway {
namespace {

constexpr int kChunk = 1'000;
constexpr int kChunks = 20;
constexpr std::int64_t kHistoryMs = 2 * 3'600'000;
// What may be heard while we catch up; beyond it the history is given up.
constexpr std::size_t kEarly = 50'000;
// A picture of all that waits is used so long, and at least two hundred times as long as it took to make: with 10,000 agents and
// 100,000 waiting that takes 30 ms, in which nobody is offered anything.
constexpr std::int64_t kLineUpEvery = 500;
constexpr std::size_t kMany = 5'000;

}  // namespace

WaitingRoom::WaitingRoom(Deps deps)
    : deps_(std::move(deps)), pace_([this](std::string_view queue) { return deps_.mirror.queue(queue); }) {
  unfollowed_ =
      deps_.metrics.counter("belfry_waiting_unfollowed_total",
                            "Conversations beyond what a shard follows: they count in no estimate and no service level.");
}

// ---- the stream ----

void WaitingRoom::on_snapshot(const std::string& stream_id) {
  if (routing::parse_stream_id(stream_id) <= pace_.seen()) return;
  if (catching_) {
    catch_to_ = stream_id;
    return;
  }
  catching_ = true;
  const routing::StreamId seen = pace_.seen();
  std::string from = has_history_ ? "(" + std::to_string(seen.ms) + "-" + std::to_string(seen.n)
                                  : std::to_string(std::max<std::int64_t>(0, deps_.now().wall.ms - kHistoryMs));
  catch_up(from, stream_id, stream_id, {}, 0);
}

// Backwards, so that the latest is had whatever the bound.
void WaitingRoom::catch_up(const std::string& from, const std::string& to, const std::string& before,
                           std::vector<routing::Value> found, int chunks) {
  deps_.carry(routing::encode({"XREVRANGE", routing::key_of(deps_.prefix, "ev"), before, from, "COUNT", std::to_string(kChunk)}),
              [this, from, to, found = std::move(found), chunks](Result<routing::Value> reply) mutable {
                const bool had = reply && reply->is_array();
                const std::size_t count = had ? reply->array.size() : 0;
                if (had) std::move(reply->array.begin(), reply->array.end(), std::back_inserter(found));
                if (count == static_cast<std::size_t>(kChunk) && chunks + 1 < kChunks && !found.back().array.empty()) {
                  const std::string next = "(" + found.back().array[0].text;
                  return catch_up(from, to, next, std::move(found), chunks + 1);
                }
                // What is from before our start was counted by whoever was there.
                for (auto entry = found.rbegin(); entry != found.rend(); ++entry) hear(*entry, has_history_);
                has_history_ = true;
                pace_.skip_to(routing::parse_stream_id(to));
                for (const routing::Waiting* waiting : deps_.mirror.all_waiting()) pace_.seed(*waiting);
                catching_ = false;
                for (const routing::Value& entry : std::exchange(early_, {})) hear(entry, true);
                if (catch_to_) on_snapshot(*std::exchange(catch_to_, std::nullopt));
              });
}

void WaitingRoom::on_entries(const std::vector<routing::Value>& entries) {
  if (!catching_ && has_history_) {
    for (const routing::Value& entry : entries) hear(entry, true);
    return;
  }
  if (early_.size() + entries.size() <= kEarly) early_.insert(early_.end(), entries.begin(), entries.end());
}

void WaitingRoom::hear(const routing::Value& entry, bool counts) {
  if (entry.array.size() != 2 || routing::parse_stream_id(entry.array[0].text) <= pace_.seen()) return;
  const auto ended = pace_.apply(entry);
  if (!counts) return;
  if (deps_.on_entry) deps_.on_entry(entry);
  using How = routing::Pace::Ended::How;
  if (!ended || ended->how == How::kHandled) return;
  Series& s = series(ended->queue);
  if (ended->error_ms) s.error.observe(static_cast<double>(*ended->error_ms) / 1000);
  if (!deps_.owner()) return;
  if (ended->how == How::kInTime) s.in_time.add();
  if (ended->how == How::kLate) s.late.add();
  if (ended->how == How::kAnswered) s.uncounted.add();
  if (ended->how == How::kAbandoned) s.abandoned.add();
  if (ended->how == How::kShort) s.abandoned_short.add();
  if (ended->how != How::kAbandoned && ended->how != How::kShort) s.wait.observe(static_cast<double>(ended->wait_ms) / 1000);
}

// ---- what is asked ----

const routing::Lineup& WaitingRoom::lineup() {
  const Instant now = deps_.now().mono;
  if (now < line_up_after_) return lineup_;
  using std::chrono::steady_clock;
  const auto began = steady_clock::now();
  lineup_ = routing::Lineup(deps_.mirror.queues(), deps_.mirror.agents(), deps_.mirror.all_waiting());
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - began).count();
  line_up_after_ = now + std::max(kLineUpEvery, static_cast<std::int64_t>(took) * 200);
  return lineup_;
}

std::optional<WaitingRoom::Estimate> WaitingRoom::estimate(std::string_view queue, double ahead) {
  const auto range = pace_.range(queue);
  if (!range) return std::nullopt;
  const routing::Staff& staff = lineup().staff(queue);
  const auto position = static_cast<std::int64_t>(ahead) + 1;
  const auto wait = routing::wait_ms(pace_.handle_ms(queue), static_cast<double>(position), staff.free_slots, staff.slots);
  if (!wait) return std::nullopt;
  return Estimate{position, *wait, range->p50_ms, range->p90_ms};
}

std::optional<WaitingRoom::Estimate> WaitingRoom::estimate_for(std::string_view queue, const std::string& conversation) {
  const routing::Waiting* waiting = deps_.mirror.waiting_of(conversation);
  if (waiting == nullptr || waiting->queue != queue) return std::nullopt;
  auto out = estimate(queue, lineup().ahead(queue, waiting->eff, conversation));
  if (out) pace_.told(conversation, out->wait_ms, deps_.now().wall);
  return out;
}

std::vector<WaitingRoom::Waits> WaitingRoom::waiting(std::string_view queue,
                                                     const std::optional<std::pair<std::int64_t, std::string>>& after,
                                                     std::size_t most) {
  std::vector<Waits> out;
  for (routing::Place& place : lineup().places(queue, after, most)) {
    auto told = estimate(queue, place.ahead);
    if (told) pace_.told(place.conversation, told->wait_ms, deps_.now().wall);
    out.push_back({std::move(place), told});
  }
  return out;
}

WaitingRoom::Queue WaitingRoom::queue(const routing::QueueState& settings) {
  Queue out;
  const routing::Lineup& line = lineup();
  const WallTime now = deps_.now().wall;
  out.waiting = deps_.mirror.waiting_in(settings.id);
  out.staff = line.staff(settings.id);
  out.estimate = estimate(settings.id, static_cast<double>(line.waiting(settings.id)));
  out.level = pace_.level(settings.id, now);
  const auto& sinces = line.sinces(settings.id);
  if (!sinces.empty()) out.oldest = sinces.front();
  if (settings.goals.first_reply_ms > 0) {
    // Who began to wait earlier is due no later, so the first that is not overdue is found by halving.
    const auto due = [&](std::int64_t since) {
      return routing::after_open_ms(settings.hours, WallTime{since}, settings.goals.first_reply_ms);
    };
    const auto next = std::partition_point(sinces.begin(), sinces.end(), [&](std::int64_t since) {
      const auto at = due(since);
      return at && *at < now;
    });
    out.overdue = next - sinces.begin();
    if (next != sinces.end()) out.next_due = due(*next);
  }
  return out;
}

routing::Outlook WaitingRoom::outlook(std::string_view queue, const std::string& conversation, bool waits) {
  routing::Outlook out;
  out.waits = waits;
  out.handle_ms = pace_.handle_ms(queue);
  if (!waits) return out;
  const routing::Lineup& line = lineup();
  const routing::Waiting* waiting = deps_.mirror.waiting_of(conversation);
  const double ahead = waiting == nullptr ? 0 : std::floor(line.ahead(queue, waiting->eff, conversation));
  const routing::Staff& staff = line.staff(queue);
  const auto wait = routing::wait_ms(out.handle_ms, ahead + 1, staff.free_slots, staff.slots);
  out.nobody = !wait;
  out.wait_ms = wait.value_or(0);
  return out;
}

// ---- metrics ----

WaitingRoom::Series& WaitingRoom::series(const std::string& queue) {
  const auto found = series_.find(queue);
  if (found != series_.end()) return found->second;
  Metrics& m = deps_.metrics;
  Series s;
  s.waiting = m.gauge("belfry_queue_waiting", "Conversations that wait in a queue.", {{"queue", queue}});
  s.longest_s = m.gauge("belfry_queue_longest_wait_seconds", "Since when the longest of them waits, by the wall clock.",
                        {{"queue", queue}});
  s.wanted_percent = m.gauge("belfry_queue_service_level_wanted_percent",
                             "Of the answers, so many are to come in time; 0: no goal.", {{"queue", queue}});
  const auto level = [&](const char* result) {
    return m.counter("belfry_queue_service_level_total",
                     "How waiting ended: in time, late, answered (where no goal counts), abandoned, abandoned within 10 s.",
                     {{"queue", queue}, {"result", result}});
  };
  s.in_time = level("in_time");
  s.late = level("late");
  s.uncounted = level("answered");
  s.abandoned = level("abandoned");
  s.abandoned_short = level("abandoned_short");
  s.error = m.histogram("belfry_queue_wait_estimate_error_seconds",
                        "How far a wait was from the first estimate that was told of it.", kSecondsLong, {{"queue", queue}});
  s.wait =
      m.histogram("belfry_queue_wait_seconds", "Waits that an agent ended, in opening hours.", kSecondsLong, {{"queue", queue}});
  return series_.emplace(queue, std::move(s)).first->second;
}

void WaitingRoom::publish() {
  unfollowed_.add(static_cast<std::int64_t>(pace_.unfollowed() - unfollowed_told_));
  unfollowed_told_ = pace_.unfollowed();
  if (!deps_.mirror.ready()) return;
  const bool owner = deps_.owner();
  const Now now = deps_.now();
  // All of them are looked at, so not each second if they are many.
  const bool looks = owner && now.mono >= longest_after_;
  std::map<std::string_view, std::int64_t> oldest;
  if (looks) {
    longest_after_ = now.mono + (deps_.mirror.waiting() > kMany ? 15'000 : 900);
    for (const routing::Waiting* each : deps_.mirror.all_waiting()) {
      std::int64_t& since = oldest.try_emplace(each->queue, each->since).first->second;
      since = std::min(since, each->since);
    }
  }
  for (const routing::QueueState* queue : deps_.mirror.queues()) {
    Series& s = series(queue->id);
    s.waiting.set(owner ? static_cast<std::int64_t>(deps_.mirror.waiting_in(queue->id)) : 0);
    s.wanted_percent.set(owner ? queue->goals.within_percent : 0);
    const auto since = oldest.find(queue->id);
    if (!owner || looks)
      s.longest_s.set(since == oldest.end() ? 0 : std::max<std::int64_t>(0, now.wall.ms - since->second) / 1000);
  }
}

}  // namespace belfry::gateway
