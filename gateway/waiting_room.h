// What a shard knows of waiting: places, estimates, service levels, from its mirror and the pace of its queues. Every shard has
// one and comes to the same numbers, for all watch the same transition stream.
//
// After a start it begins with what the stream still holds of the last two hours, at most 20,000 entries; a picture that the
// mirror takes anew is caught up with in the same way.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "belfry/clock.h"
#include "gateway/metrics.h"
#include "routing/estimate.h"
#include "routing/mirror.h"
#include "routing/pace.h"
#include "routing/store_redis.h"

namespace belfry::gateway {

class WaitingRoom {
 public:
  struct Deps {
    const routing::Mirror& mirror;
    routing::Carry carry;
    std::string prefix;
    Metrics& metrics;
    std::function<Now()> now;
    // Whether this shard brings conversations and agents together: the one that counts for all.
    std::function<bool()> owner;
    // Hears each entry once, in order, those that the mirror jumped over as well.
    std::function<void(const routing::Value& entry)> on_entry;
  };
  explicit WaitingRoom(Deps deps);

  // The mirror is as the stream was at this entry. Then every entry that it applies, in order.
  void on_snapshot(const std::string& stream_id);
  void on_entries(const std::vector<routing::Value>& entries);

  struct Estimate {
    std::int64_t position = 1;
    std::int64_t wait_ms = 0, p50_ms = 0, p90_ms = 0;
  };
  // For a citizen who waits (the web channel's `event queue`): what he is told, and remembered, so that its error is measured.
  // Nothing: he does not wait, or there is no estimate (nobody is there to serve him, fewer than 20 waits are known).
  std::optional<Estimate> estimate_for(std::string_view queue, const std::string& conversation);

  // A conversation in its queue, for who looks on; `estimate` is told with it.
  struct Waits {
    routing::Place place;
    std::optional<Estimate> estimate;
  };
  std::vector<Waits> waiting(std::string_view queue, const std::optional<std::pair<std::int64_t, std::string>>& after,
                             std::size_t most);
  struct Queue {
    std::size_t waiting = 0;
    std::optional<std::int64_t> oldest;  // since when the longest waits
    routing::Staff staff;
    std::optional<Estimate> estimate;  // of one who would come now
    routing::Pace::Level level;
    std::optional<WallTime> next_due;  // of the first replies of those who wait, counted from when they began to
    std::int64_t overdue = 0;
  };
  Queue queue(const routing::QueueState& settings);

  // For the clocks of a waiting conversation: an estimate even of few waits, told to nobody.
  routing::Outlook outlook(std::string_view queue, const std::string& conversation, bool waits);

  // Once a second, into the metrics.
  void publish();

 private:
  struct Series {
    Gauge waiting, longest_s, wanted_percent;
    Counter in_time, late, uncounted, abandoned, abandoned_short;
    Histogram error, wait;
  };
  void catch_up(const std::string& from, const std::string& to, const std::string& before, std::vector<routing::Value> found,
                int chunks);
  void hear(const routing::Value& entry, bool counts);
  const routing::Lineup& lineup();
  std::optional<Estimate> estimate(std::string_view queue, double ahead);
  Series& series(const std::string& queue);

  Deps deps_;
  routing::Pace pace_;
  routing::Lineup lineup_;
  Instant line_up_after_, longest_after_;
  bool catching_ = false;
  std::optional<std::string> catch_to_;  // a newer picture came meanwhile
  bool has_history_ = false;
  std::vector<routing::Value> early_;  // heard while we catch up
  std::map<std::string, Series> series_;
  Counter unfollowed_;
  std::uint64_t unfollowed_told_ = 0;
};

}  // namespace belfry::gateway
