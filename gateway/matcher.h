// Keeps this shard's mirror close to the truth and, on the shard that holds the lease `matcher`, brings waiting
// conversations and free agents together and sweeps what is due. The lease is for efficiency only: two matchers at once
// would make stale offers, which the store refuses, and never a second owner.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/redis_link.h"
#include "gateway/services.h"
#include "routing/mirror.h"
#include "routing/store.h"

namespace belfry::gateway {

class Matcher {
 public:
  struct Deps {
    asio::io_context& loop;
    routing::Store& store;
    RedisLink& stream;  // of its own: it waits in XREAD
    routing::Mirror& mirror;
    std::string prefix;
    std::function<Now()> now;
    // The mirror was made anew as of this entry of the stream; these were read after it.
    std::function<void(const std::string& stream_id)> on_snapshot;
    std::function<void(const std::vector<routing::Value>& entries)> on_entries;
  };
  explicit Matcher(Deps deps);

  void start();
  void stop();
  // Whether this shard holds the lease, and until when.
  void on_lease(bool held, Instant until);
  void on_stream_up();
  void on_store_up();

  struct Counts {
    std::uint64_t offers = 0, offers_refused = 0, swept = 0, snapshots = 0, recounted = 0, offers_failed = 0;
  };
  const Counts& counts() const { return counts_; }
  // The sum of what counters say and bytes do not: stays 0.
  std::int64_t unaccounted() const;
  bool owner() const;

 private:
  void read();
  // Supervisors hear of a conversation whose offers nobody takes.
  void heed(const routing::Value& entry);
  void resync();
  void build();
  void fade();
  void refused(const routing::Offer& offer);
  void match();
  void tick();
  void sweep();
  void recount();
  void skip_archived();

  Deps deps_;
  asio::steady_timer timer_;
  bool stopped_ = false;
  bool reading_ = false;
  bool syncing_ = false;
  bool held_ = false;
  Instant until_;
  Instant store_up_since_;
  Instant last_sync_;
  bool sync_wanted_ = false;
  // A picture under way: those who wait are added a few at a time, and the old one goes as slowly.
  std::unique_ptr<routing::Mirror> next_, old_;
  std::vector<routing::Waiting> to_add_;
  bool caught_up_ = false;  // with the stream, since the last picture
  // Refused pairs of conversation and agent, since when: the stream tells why within moments, or our picture is wrong.
  std::map<std::pair<std::string, std::string>, Instant> refused_;
  bool changed_ = false;  // a queue: its settings are read anew
  int matching_ = 0;      // offers in the store's hands
  bool sweeping_ = false;
  bool counting_ = false;
  std::int64_t count_at_ = 0;
  std::int64_t count_first_ = 0;  // the first that was there in this round
  std::map<std::int64_t, std::int64_t> unaccounted_;
  Counts counts_;
};

}  // namespace belfry::gateway
