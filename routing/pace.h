// The pace of each queue, watched from the transition stream: how long a conversation takes a slot, how long citizens waited, how
// many were answered in time, and how wrong we were when we told somebody his wait. Pure; every shard watches the same stream and
// so comes to the same numbers.
//
// A wait is counted in the queue's open time, from the moment a conversation joined the queue (transferred or lost by an agent,
// it waits anew; a declined offer does not end a wait) until an agent accepted. A handle is an agent's stint, from accepted to
// closed or given back, wrap-up included, parked time not.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "belfry/clock.h"
#include "routing/estimate.h"
#include "routing/resp.h"
#include "routing/store.h"

namespace belfry::routing {

// The place of an entry in the stream: "1700000000000-3".
struct StreamId {
  std::uint64_t ms = 0, n = 0;
  friend auto operator<=>(const StreamId&, const StreamId&) = default;  // NOLINT: clang-tidy 14 takes <=> for a null pointer
};
StreamId parse_stream_id(std::string_view text);

class Pace {
 public:
  static constexpr std::size_t kFollowed =
      200'000;                                // conversations; one beyond that counts in no number, and `unfollowed` says so
  static constexpr std::size_t kWaits = 200;  // of a queue
  static constexpr std::int64_t kWindowMs = 3'600'000;                   // of the service level, in steps of five minutes
  static constexpr std::int64_t kShortMs = 10'000;                       // who leaves sooner has abandoned nothing
  using FindQueue = std::function<const QueueState*(std::string_view)>;  // settings now: hours, goals

  explicit Pace(FindQueue find, std::size_t most = kFollowed) : find_(std::move(find)), most_(most) {}

  // What an entry meant for a queue: a wait ended, or an agent's stint (kHandled).
  struct Ended {
    enum class How : std::uint8_t { kInTime, kLate, kAnswered, kAbandoned, kShort, kHandled } how = How::kAnswered;
    std::string queue;
    std::int64_t wait_ms = 0;
    std::int64_t handled_ms = 0;
    bool timed = false;                    // the queue has a goal; of an answer without one `how` is kAnswered
    std::optional<std::int64_t> error_ms;  // |told - real|, if it was told
  };
  // One entry, in the stream's order; one that was seen before is nothing.
  std::optional<Ended> apply(const Value& stream_entry);
  // From a snapshot: it waits, and its entries are too old for us.
  void seed(const Waiting& waiting);
  const StreamId& seen() const { return seen_; }
  // Entries up to there cannot be had any more.
  void skip_to(const StreamId& id) {
    if (seen_ < id) seen_ = id;
  }

  std::int64_t handle_ms(std::string_view queue) const;  // kDefaultHandleMs before there was one
  // Median and 90th percentile of the last waits; none if there are too few.
  struct Range {
    std::int64_t p50_ms = 0, p90_ms = 0;
  };
  std::optional<Range> range(std::string_view queue) const;
  // Of the last hour. `answered` has those that no goal counted, too.
  struct Level {
    std::int64_t answered = 0, in_time = 0, abandoned = 0, abandoned_short = 0;
  };
  Level level(std::string_view queue, WallTime now) const;

  // The citizen was told this; the first time counts.
  void told(std::string_view conversation, std::int64_t wait_ms, WallTime now);

  std::size_t followed() const { return followed_.size(); }
  std::uint64_t unfollowed() const { return unfollowed_; }

 private:
  struct Bucket {
    std::int64_t at = 0;  // in steps
    Level level;
  };
  struct Line {
    std::string id;
    double handle_ms = 0;
    std::uint64_t handles = 0;
    std::deque<std::int64_t> waits;
    std::deque<Bucket> buckets;
  };
  enum class Phase : std::uint8_t { kWaits, kWorks, kParked };
  struct Followed {
    Line* line = nullptr;
    Phase phase = Phase::kWaits;
    std::int64_t since = 0;    // it waits, or the agent works on it; kWaits 0: unknown
    std::int64_t handled = 0;  // before it was parked
    std::int64_t told_ms = -1, told_at = 0;
  };
  Line& line(std::string_view queue);
  Followed* follow(std::string_view conversation, std::string_view queue);
  Ended answered(Followed& f, std::int64_t t);
  std::optional<Ended> handled(Followed& f, std::int64_t t);
  Level& bucket(Line& line, std::int64_t t);

  FindQueue find_;
  std::size_t most_;
  StreamId seen_;
  std::map<std::string, Line, std::less<>> lines_;
  std::unordered_map<std::int64_t, Followed> followed_;  // by the number that a conversation's id is
  std::uint64_t unfollowed_ = 0;
};

}  // namespace belfry::routing
