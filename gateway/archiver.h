// An end to memory, on the shard that holds the lease `archive`: conversations closed long enough, and logs of sends nobody wrote
// to for as long, are written to the archive and only then deleted from Redis. The lease is for efficiency only: two at once
// would write one line, and delete once.
//
// - Only what is final is archived. What waits for news (a message not yet delivered, a media not yet fetched) is looked at
// again.
// - A message without news for 31 days is closed as `expired`, reason no_news: of the final states the one of the lowest rank, so
//   that a receipt which still comes is believed. Wherever it is: all conversations are walked through once an hour.
// - Media whose conversation is in Redis are kept: on that walk their files' time begins anew, and when a conversation is
// archived.
//   After each whole walk the files whose time was over go.
// - At most a hundred conversations and a few megabytes a second; the disk is touched on the work pool.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "gateway/services.h"
#include "routing/store.h"

namespace belfry::gateway {

class Archiver {
 public:
  struct Deps {
    asio::io_context& loop;
    routing::Store& store;
    WorkPool& work;
    std::function<Now()> now;
    std::string dir;  // of the archive
    int closed_days = 30, archive_months = 24;
    std::int64_t every_ms = 1'000;
    std::string media_dir;  // of the media store; empty: left alone
    int keep_days = 30;     // media
  };
  explicit Archiver(Deps deps);

  void start();
  void stop();
  // Nothing of ours is under way: no answer will come.
  bool idle() const { return !busy_; }
  void on_lease(bool held, Instant until);

  struct Counts {
    std::uint64_t archived = 0;  // deleted from Redis
    std::uint64_t written = 0;   // lines
    std::uint64_t changed = 0;   // moved on while they were being written: looked at again
    std::uint64_t expired = 0;   // messages without news
    std::uint64_t media_removed = 0;
    std::uint64_t failed = 0;  // batches that the disk or the store did not take
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Batch;
  using BatchPtr = std::shared_ptr<Batch>;
  void tick();
  void begin();
  void walk(const BatchPtr& batch);
  void learn(const BatchPtr& batch);
  void next(const BatchPtr& batch);
  void read(const BatchPtr& batch);
  void judge(const BatchPtr& batch);
  void expire(const BatchPtr& batch, std::vector<routing::Settled> items);
  void later(const BatchPtr& batch, WallTime at);
  void write(const BatchPtr& batch);
  void drop(const BatchPtr& batch);
  void end(const Error* error);
  void prune();
  void prune_media_files();

  Deps deps_;
  asio::steady_timer timer_;
  bool stopped_ = false;
  bool busy_ = false;
  bool held_ = false;
  bool walked_all_ = false;  // since the media were last looked through
  bool skipped_ = false;     // and something of that walk was left out
  Instant until_;
  Instant walk_at_, prune_at_;
  std::string walked_;       // up to here, in the present walk
  std::string first_alive_;  // where the next walk begins
  bool alive_seen_ = false;
  Counts counts_;
};

}  // namespace belfry::gateway
