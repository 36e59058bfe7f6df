// What must be true of Redis before the first shard starts: it answers, it is as durable as the configuration says, the site's
// own key is made, the queues of the configuration are there.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "belfry/private.h"
#include "belfry/result.h"
#include "gateway/config.h"
#include "gateway/redis_link.h"
#include "routing/store.h"

namespace belfry::gateway {

class Bootstrap {
 public:
  struct Site {
    Secret ref_key;          // keys the MAC over our message ids; the same for every node of the site
    std::string durability;  // "always", "everysec", "no" or "unknown", as Redis says
    int replicas = 0;        // how many must have a write before it is acknowledged
  };
  // `settings`: a CONFIG SET for an embedded server, or empty. `done` is called once: kForbidden when the durability is less
  // than was asked for; other errors are waited out, however long, because Redis may come later than we.
  Bootstrap(asio::io_context& loop, RedisTarget target, const Config& config, std::string settings,
            std::function<void(Result<Site>)> done);
  ~Bootstrap();

  const Error& last_error() const { return link_.up() && !refused_.detail.empty() ? refused_ : link_.last_error(); }

 private:
  void begin();
  void again(const Error& why);
  void check_durability();
  void make_key();
  void make_queues(std::size_t index);
  void finish(Result<Site> site);

  const Config& config_;
  std::string settings_;
  std::function<void(Result<Site>)> done_;
  RedisLink link_;
  std::unique_ptr<routing::Store> store_;
  Site site_;
  bool busy_ = false;
  Error refused_;  // why the last step failed
  asio::steady_timer timer_;
};

}  // namespace belfry::gateway
