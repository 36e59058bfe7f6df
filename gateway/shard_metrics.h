// What a shard tells Prometheus. Parts count in plain integers of their own; once a second the differences go into the cells.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gateway/archiver.h"
#include "gateway/headroom.h"
#include "gateway/historian.h"
#include "gateway/intake.h"
#include "gateway/matcher.h"
#include "gateway/media_fetch.h"
#include "gateway/metrics.h"
#include "gateway/outgoing.h"
#include "gateway/webhook.h"

namespace belfry::gateway {

class ShardMetrics {
 public:
  explicit ShardMetrics(Metrics& metrics);

  struct Now {
    const Webhook::Counts& webhook;
    const Intake::Counts& intake;
    const Outgoing::Counts& outgoing;
    const Matcher::Counts& matcher;
    const MediaFetch::Counts& media;
    std::size_t open_tokens = 0, in_flight = 0, desks = 0, redis_outstanding = 0;
    bool redis_up = false, leased = false, matching = false;
    std::size_t waiting = 0, ready_agents = 0;  // told by the matcher's owner only
    std::int64_t unaccounted = 0;
    Archiver::Counts archiver;
    Historian::Counts historian;
    const Headroom* headroom = nullptr;  // of the one shard that tells
    std::vector<Outgoing::Binds> binds;
  };
  void publish(const Now& now);
  // From a command being handed to the link to its answer.
  Histogram redis_call;

 private:
  struct Series {
    Counter counter;
    std::uint64_t told = 0;
    void at(std::uint64_t value) {
      counter.add(static_cast<std::int64_t>(value - told));
      told = value;
    }
  };
  Series accepted_, refused_auth_, refused_bad_, refused_later_;
  Series messages_, duplicates_, receipts_, unmatched_, changes_, quarantined_, news_;
  Series sent_, failed_, uncertain_, returned_, settle_retries_;
  Series offers_, offers_refused_, offers_failed_, swept_, recounted_, media_fetched_, media_failed_;
  Series archived_, archive_lines_, archive_failures_, no_news_;
  Series history_entries_, history_gaps_, history_failures_;
  struct Binds {
    Gauge up, down;
  };
  Metrics& metrics_;
  std::map<std::string, Binds, std::less<>> binds_;
  Gauge memory_used_, memory_max_, disk_free_, admission_level_;
  Gauge open_tokens_, in_flight_, desks_, redis_up_, leased_, outstanding_, waiting_, ready_, unaccounted_;
};

}  // namespace belfry::gateway
