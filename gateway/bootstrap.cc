#include "gateway/bootstrap.h"

#include <chrono>
#include <utility>

#include "adapters/wire/crypto.h"
#include "belfry/list.h"
#include "gateway/log.h"
#include "routing/store_redis.h"

namespace belfry::gateway {

Bootstrap::Bootstrap(asio::io_context& loop, RedisTarget target, const Config& config, std::string settings,
                     std::function<void(Result<Site>)> done)
    : config_(config), settings_(std::move(settings)), done_(std::move(done)), link_(loop, std::move(target)), timer_(loop) {
  store_ = routing::make_redis_store(
      [this](std::string command, std::function<void(Result<routing::Value>)> answer) {
        link_.command(command, std::move(answer));
      },
      {config.redis.prefix, {}});
  // Whatever step a fall of the link interrupts, the next rise begins again: each step may be repeated.
  link_.on_up = [this] { begin(); };
  link_.on_down = [this](const Error& why) {
    busy_ = false;
    log_warning("redis_not_there_yet", {{"why", why.detail}});
  };
  link_.start();
}

Bootstrap::~Bootstrap() = default;

void Bootstrap::begin() {
  if (busy_ || !done_) return;
  busy_ = true;
  if (settings_.empty()) return check_durability();
  link_.command(settings_, [this](const Result<routing::Value>& reply) {
    if (!reply) return again(reply.error());
    if (reply->is_error()) log_warning("redis_settings_refused", {{"why", reply->text}});
    check_durability();
  });
}

// A link that is up may still refuse: too few replicas, a disk that is full, a cluster on the move. The operator mends it
// meanwhile.
void Bootstrap::again(const Error& why) {
  busy_ = false;
  if (link_.up()) {
    refused_ = why;
    log_warning("redis_not_ready_yet", {{"why", why.detail}});
  }
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](std::error_code stopped) {
    if (!stopped && link_.up()) begin();
  });
}

void Bootstrap::check_durability() {
  link_.command(routing::encode({"CONFIG", "GET", "append*"}), [this](const Result<routing::Value>& reply) {
    if (!reply) return again(reply.error());
    bool append = false;
    std::string fsync = "unknown";
    if (reply->is_array()) {
      for (std::size_t i = 0; i + 1 < reply->array.size(); i += 2) {
        if (reply->array[i].text == "appendonly") append = reply->array[i + 1].text == "yes";
        if (reply->array[i].text == "appendfsync") fsync = reply->array[i + 1].text;
      }
      if (!append && fsync != "unknown") fsync = "no";
    }
    site_.durability = fsync;
    site_.replicas = link_.replicas_wanted();
    const bool enough =
        fsync == "always" || fsync == "unknown" || (fsync == "everysec" && config_.redis.durability == "everysec");
    if (!enough) {
      return finish(
          fail(Errc::kForbidden, "Redis keeps its log with appendfsync " + fsync +
                                     "; an acknowledged message could be lost; set appendonly yes and appendfsync always "
                                     "there, or accept it with redis.durability = \"everysec\""));
    }
    make_key();
  });
}

void Bootstrap::make_key() {
  const std::string key = routing::key_of(config_.redis.prefix, "refkey");
  const std::string fresh = wire::to_hex(wire::random_bytes(32));
  link_.command(routing::encode({"SET", key, fresh, "NX"}), [this, key](const Result<routing::Value>& set) {
    if (!set) return again(set.error());
    link_.command(routing::encode({"GET", key}), [this](Result<routing::Value> reply) {
      if (!reply) return again(reply.error());
      if (!reply->is_text() || reply->text.size() < 32) {
        busy_ = false;
        return log_error("site_key_missing", {{"why", reply->is_error() ? reply->text.substr(0, 40) : "not a key"}});
      }
      site_.ref_key = Secret(std::move(reply->text));
      make_queues(0);
    });
  });
}

void Bootstrap::make_queues(std::size_t index) {
  if (index == config_.queues.size()) return finish(site_);
  const QueueConfig& queue = config_.queues[index];
  const std::string key = routing::key_of(config_.redis.prefix, "queue:" + queue.id);
  link_.command(routing::encode({"EXISTS", key}), [this, index, &queue](const Result<routing::Value>& reply) {
    if (!reply) return again(reply.error());
    if (reply->integer == 1) return make_queues(index + 1);
    const routing::Fields fields{{"name", queue.name.empty() ? queue.id : queue.name},
                                 {"mode", queue.mode},
                                 {"offer_ms", std::to_string(queue.offer_timeout_ms)},
                                 {"wrap_ms", std::to_string(queue.wrapup_ms)},
                                 {"priority", std::to_string(queue.priority)},
                                 {"skills", join_list(queue.skills)},
                                 {"sticky_ms", std::to_string(queue.sticky_ms)},
                                 {"steps", routing::write_steps(queue.steps)},
                                 {"hours", queue.hours},
                                 {"zone", queue.zone},
                                 {"sla", routing::write_goals(queue.goals)}};
    // A skill named here is there from now on; its name may be given later.
    for (const routing::Skill& skill : routing::parse_skills(join_list(queue.skills))) {
      link_.command(routing::encode({"HSETNX", routing::key_of(config_.redis.prefix, "skills"), skill.id, skill.id}),
                    [](const Result<routing::Value>&) {});
    }
    store_->queue_put(queue.id, fields, [this, index](const Result<routing::Outcome>& out) {
      if (!out) return again(out.error());
      make_queues(index + 1);
    });
  });
}

void Bootstrap::finish(Result<Site> site) {
  if (!done_) return;
  auto done = std::exchange(done_, nullptr);
  done(std::move(site));
}

}  // namespace belfry::gateway
