// A shard: one thread with its own loop, connections to Redis, adapters, sockets and agents. To Redis it is a node: an id, one
// lease renewed every second, one epoch. Shards share nothing but the work pool; they meet in Redis.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/whatsapp/account.h"
#include "gateway/chat/inbox.h"
#include "gateway/config.h"
#include "gateway/exchange.h"
#include "gateway/metrics.h"
#include "gateway/redis_link.h"
#include "gateway/services.h"
#include "gateway/static_files.h"
#include "gateway/tls.h"

namespace belfry::gateway {

// What every shard of a process is built from. Lives as long as the shards.
struct Plan {
  const Config& config;  // main changes [log], [tls] and the accounts' secrets while we run: no shard reads those
  RedisTarget redis;
  TlsContext server_tls;
  TlsContext client_tls;
  const StaticFiles& files;
  WorkPool& work;
  Metrics& metrics;
  std::vector<whatsapp::Account> whatsapp;        // those of the accounts that are WhatsApp's
  std::vector<AccountInfo> accounts;              // all
  std::vector<Inbox> inboxes;                     // those of the accounts that are the web chat's
  std::map<std::string, TlsContext> account_tls;  // whom an account's own links trust, where that is not client_tls
  std::string node;                               // "host"
  std::string public_origin;
};

class Shard {
 public:
  // What is true of a shard right now, for /readyz.
  struct Health {
    bool redis = false;
    bool leased = false;
    std::string why;
    Level level = Level::kAll;  // what it takes
  };

  Shard(const Plan& plan, int index);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  asio::io_context& loop();
  const std::string& id() const;
  int index() const;

  // Before the loop runs. Answers the port that was got, so that the other shards may share it.
  Result<std::uint16_t> listen(const ListenAddress& address);
  // The REST API for whoever may open this unix socket: the operator (belfryctl).
  Result<void> listen_operator(const std::string& socket_path);
  // SIGHUP: new certificates for connections from now on. On this shard's loop.
  void set_tls(TlsContext tls);
  // SIGHUP: the same accounts with the secrets they have now. On this shard's loop.
  void set_secrets(const std::vector<whatsapp::Account>& whatsapp, const std::vector<AccountInfo>& accounts);

  void start();           // links, timers; then run the loop
  bool up() const;        // from any thread: Redis answered and the lease is held
  Health health() const;  // from any thread

  // Stops in order: no new connections and claims, answers finished, sockets closed with 1001, leases given back.
  // `done` is called on this loop, within 8 s whatever happens.
  void stop(std::function<void()> done);

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace belfry::gateway
