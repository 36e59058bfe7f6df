// One connection to Redis, pipelined, that comes back by itself.
//
// - A call is answered exactly once, in order, never from inside command(). What an Error means:
//     kUnavailable, kBusy: nothing was kept: Redis was down, refused the write for its own state, or our queue is full.
//     kTimeout, kClosed: the outcome is unknown: the command may have run. Repeat it with the same key.
//   An error reply about the command itself (a wrong argument, 'Function not found') is a Value of kind kError.
// - While the link is down a command fails at once. Nothing waits for a later connection, so nothing is acknowledged blindly.
// - A call past its deadline closes the connection: replies carry no number, so a link with a lost reply must not be reused.
// - Before each connect the server is looked for (redis_locator.h): a Sentinel's primary, or the node of a cluster that owns our
//   slot. A link that is told of another one (READONLY, ROLE, MOVED) goes down and looks again.
// - In a cluster the call that hears MOVED, ASK, TRYAGAIN or CLUSTERDOWN was not executed and is not repeated here: it fails with
//   kUnavailable, as all calls do until the slot is whole somewhere. ASK is not followed on purpose: our functions find keys
//   inside, and one that ran on half a slot would see half a site: a contact twice, a message noted as known and not kept.
// - Where a replica is wanted (RedisTarget::min_replicas) a call that may write is told its yes only after a WAIT; if not enough
//   replicas have it within a second it fails with kTimeout. Calls behind it wait too: answers keep their order.
//   With Sentinel and Cluster a primary that has lost a replica is left for two seconds: the lost one may have taken its place.
// - A subscriber is a link of its own (RESP2): after the first subscribe() it takes no commands.
// - Thread: the shard's. Destroying a link calls nothing back.
#pragma once

#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "belfry/result.h"
#include "gateway/redis_target.h"
#include "routing/resp.h"

namespace belfry::gateway {

struct RedisLinkOptions {
  std::string name = "belfry";              // CLIENT SETNAME: no spaces
  std::size_t max_commands = 10'000;        // outstanding; kBusy above it
  std::size_t max_octets = 64UL << 20;      // of outstanding commands; kBusy above it
  std::int64_t connect_timeout_ms = 1'500;  // connect and handshake together
  std::int64_t first_backoff_ms = 50;       // doubles up to the last
  std::int64_t last_backoff_ms = 1'000;     // so service is back within 2 s of Redis answering
  std::int64_t ask_timeout_ms = 500;        // of one sentinel, or one node of a cluster
  std::int64_t last_search_ms = 250;        // the last backoff where another server may have taken over
  std::int64_t settle_ms = 2'000;           // how long sentinels and nodes may take to agree on a new primary
  std::int64_t check_every_ms = 100;        // while Redis says LOADING or is not the primary
  std::int64_t tick_ms = 50;                // how coarse deadlines are
  std::int64_t heartbeat_ms = 2'000;        // PING after this much silence
  std::int64_t heartbeat_deadline_ms = 5'000;
  bool primary_only = true;        // a replica is not up
  std::function<double()> jitter;  // uniform in [0,1); unset: none. Waits half to the whole of a backoff
  routing::DecoderLimits limits;
};

class RedisLink {
 public:
  using Done = std::function<void(Result<routing::Value>)>;

  RedisLink(asio::io_context& loop, RedisTarget target, RedisLinkOptions options = {});
  ~RedisLink();
  RedisLink(const RedisLink&) = delete;
  RedisLink& operator=(const RedisLink&) = delete;

  // Set before start(). on_up: Redis answered, is not loading, is a primary, and every subscription is confirmed.
  std::function<void()> on_up;
  std::function<void(const Error& why)> on_down;
  std::function<void(std::string_view channel, std::string_view payload)> on_message;

  // Too few replicas had a batch of writes in time, or enough of them have one again: told once each way.
  std::function<void(bool kept)> on_replicas;

  void start();
  // Ends the link for good; what is outstanding fails with kClosed.
  void stop();

  // `encoded` is one command (routing::encode). Commands of one loop turn leave in one write.
  void command(std::string_view encoded, Done done, std::int64_t deadline_ms = 5'000);

  // Kept across reconnects. `confirmed` (may be empty) is called when Redis confirmed this one, or with an Error if it was
  // not sent; after a reconnect on_up tells that all are confirmed again, and that messages in between were lost.
  void subscribe(std::string channel, std::function<void(Result<void>)> confirmed = {});
  void unsubscribe(const std::string& channel);

  bool up() const;
  std::size_t outstanding() const;  // commands sent and not answered
  const Error& last_error() const;  // why it is down: for /readyz
  int replicas_wanted() const;      // how many must have a write now; 0: none is waited for

  struct Counts {
    std::uint64_t commands = 0, messages = 0, connects = 0, timeouts = 0, busy = 0, refused = 0;
    std::uint64_t unreplicated = 0;  // WAITs that too few replicas answered
  };
  const Counts& counts() const;

 private:
  struct Body;
  // Shared with its own completion handlers only: a timer or a connect may complete after the link is gone.
  std::shared_ptr<Body> body_;
};

}  // namespace belfry::gateway
