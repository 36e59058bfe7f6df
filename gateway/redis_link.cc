#include "gateway/redis_link.h"

#include <algorithm>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <deque>
#include <map>
#include <utility>

#include "gateway/pump.h"

namespace belfry::gateway {

using routing::Refusal;
using routing::Value;

Result<RedisTarget> parse_redis_url(std::string_view url) {
  const auto bad = [](std::string why) { return fail(Errc::kBadInput, std::move(why)); };
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad("not a URL");
  const std::string_view scheme = url.substr(0, scheme_end);
  std::string_view rest = url.substr(scheme_end + 3);
  RedisTarget target;
  if (scheme == "unix") {
    if (!rest.starts_with('/')) return bad("a unix URL names an absolute path: unix:///path");
    if (rest.size() > 107) return bad("the path of a unix socket has at most 107 octets");
    target.address = "unix:" + std::string(rest);
    return target;
  }
  if (scheme == "redis+sentinel" || scheme == "redis+cluster") {
    return fail(Errc::kUnsupported, "Sentinel and Cluster are not offered yet");
  }
  if (scheme != "redis" && scheme != "rediss") return bad("unknown scheme");
  target.secure = scheme == "rediss";
  if (rest.ends_with('/')) rest.remove_suffix(1);
  if (rest.find('@') != std::string_view::npos)
    return bad("no user or password in the URL: use redis.user and redis.password_file");
  if (rest.find_first_of("/?#") != std::string_view::npos) return bad("only host and port: Belfry uses database 0");
  std::string_view host = rest;
  std::string_view port = "6379";
  if (host.starts_with('[')) {
    const auto close = host.find(']');
    if (close == std::string_view::npos) return bad("an IPv6 address ends with ]");
    const std::string_view after = host.substr(close + 1);
    if (!after.empty() && after.front() != ':') return bad("after ] comes :port");
    if (!after.empty()) port = after.substr(1);
    target.server_name = host.substr(1, close - 1);
    host = host.substr(0, close + 1);
  } else {
    const auto colon = host.find(':');
    if (colon != std::string_view::npos) {
      port = host.substr(colon + 1);
      host = host.substr(0, colon);
    }
    target.server_name = host;
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number < 1 || number > 65535)
    return bad("the port is 1 to 65535");
  if (target.server_name.empty()) return bad("the host is missing");
  target.address = std::string(host) + ":" + std::string(port);
  return target;
}

namespace {

std::int64_t mono_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct RedisLink::Body : std::enable_shared_from_this<RedisLink::Body> {
  // kChecking: connected, and Redis said LOADING or is a replica; it is asked again.
  enum class Phase : std::uint8_t { kIdle, kWaiting, kConnecting, kChecking, kUp, kStopped };

  struct Open {
    Done done;  // empty: an answer of our own housekeeping nobody waits for
    std::int64_t deadline;
    std::size_t octets;
  };

  struct Channel {
    bool confirmed = false;
    bool leaving = false;
    std::function<void(Result<void>)> done;
  };

  Body(RedisLink& owner, asio::io_context& io, RedisTarget t, RedisLinkOptions o)
      : link(&owner), loop(io), target(std::move(t)), options(std::move(o)), ticker(io), waiter(io), decoder(options.limits) {}

  RedisLink* link;  // null once the owner is gone
  asio::io_context& loop;
  const RedisTarget target;
  const RedisLinkOptions options;

  Phase phase = Phase::kIdle;
  std::shared_ptr<Pump> pump;
  asio::steady_timer ticker;  // runs while connected: deadlines and heartbeat
  asio::steady_timer waiter;  // backoff, and the next check
  routing::Decoder decoder;
  std::uint64_t life = 0;  // one more for each connection: late completions of an older one are ignored

  std::deque<Open> open;
  std::size_t open_octets = 0;
  std::int64_t earliest = 0;  // no deadline is before this one; 0: none is open
  std::int64_t last_sent = 0;
  int failures = 0;
  std::int64_t up_since = 0;
  std::int64_t checking_since = 0;
  int checks_open = 0;
  bool check_failed = false;
  Error error{Errc::kUnavailable, "not connected yet"};
  Counts counts;

  bool subscriber = false;
  std::map<std::string, Channel, std::less<>> channels;
  std::size_t unconfirmed = 0;

  // ---- life of a connection

  void connect() {
    phase = Phase::kConnecting;
    const auto current = ++life;
    ConnectOptions how;
    how.tls = target.secure ? target.tls : nullptr;
    how.server_name = target.server_name;
    how.timeout_ms = options.connect_timeout_ms;
    how.max_queued = options.max_octets + (4UL << 20);
    if (target.secure && target.tls == nullptr) {
      drop({Errc::kUnavailable, "redis wants TLS and there is no context for it"});
      return;
    }
    connect_pump(loop, target.address, how, [self = shared_from_this(), current](Result<std::shared_ptr<Pump>> fresh) {
      if (current != self->life || self->phase != Phase::kConnecting) {
        if (fresh) (*fresh)->close();
        return;
      }
      if (!fresh) {
        self->drop({Errc::kUnavailable, "cannot connect to redis: " + fresh.error().detail});
        return;
      }
      self->connected(std::move(*fresh));
    });
  }

  void connected(std::shared_ptr<Pump> made) {
    pump = std::move(made);
    ++counts.connects;
    decoder = routing::Decoder(options.limits);
    const auto current = life;
    // The handlers hold us weakly: we own the Pump.
    const std::weak_ptr<Body> weak = weak_from_this();
    PumpHandlers handlers;
    handlers.on_bytes = [weak, current](std::string_view bytes) {
      if (const auto self = weak.lock(); self && self->life == current) self->on_bytes(bytes);
    };
    handlers.on_down = [weak, current](const Error& why) {
      if (const auto self = weak.lock(); self && self->life == current) {
        self->drop({Errc::kClosed, "redis closed the link: " + why.detail});
      }
    };
    pump->start(std::move(handlers));
    last_sent = mono_ms();
    arm_tick();
    if (!target.password.empty()) {
      const std::string& password = target.password.reveal();
      const auto done = [this](Result<Value> reply) {
        if (reply && reply->is_error()) drop({Errc::kUnauthorized, "redis refused our user or password"});
      };
      if (target.user.empty()) {
        send(routing::encode({"AUTH", password}), done, options.connect_timeout_ms);
      } else {
        send(routing::encode({"AUTH", target.user, password}), done, options.connect_timeout_ms);
      }
    }
    // A name is a courtesy to the operator: an ACL may refuse it.
    send(routing::encode({"CLIENT", "SETNAME", options.name}), {}, options.connect_timeout_ms);
    phase = Phase::kChecking;
    checking_since = mono_ms();
    check();
  }

  // Is it up, and is it the primary? PING is refused while LOADING, ROLE is not; an ACL may refuse ROLE, which decides nothing.
  void check() {
    checks_open = 2;
    check_failed = false;
    send(
        routing::encode({"PING"}), [this](Result<Value> reply) { checked(std::move(reply), false); }, options.connect_timeout_ms);
    send(
        routing::encode({"ROLE"}), [this](Result<Value> reply) { checked(std::move(reply), true); }, options.connect_timeout_ms);
  }

  void checked(Result<Value> reply, bool role) {
    if (phase != Phase::kChecking) return;
    if (!reply) {
      error = reply.error();
      check_failed = true;
    } else if (!role && reply->is_error()) {
      error = routing::error_of(*reply);
      check_failed = true;
    } else if (role && options.primary_only && reply->is_array() && !reply->array.empty() && reply->array[0].text != "master") {
      error = {Errc::kUnavailable, "redis is a replica"};
      check_failed = true;
      // Its address may lead to the new primary by now.
      if (mono_ms() - checking_since > 1'000) {
        drop(error);
        return;
      }
    }
    if (--checks_open > 0) return;
    if (!check_failed) {
      resubscribe();
      return;
    }
    waiter.expires_after(std::chrono::milliseconds(options.check_every_ms));
    waiter.async_wait([self = shared_from_this(), current = life](const std::error_code& stopped) {
      if (!stopped && current == self->life && self->phase == Phase::kChecking) self->check();
    });
  }

  void resubscribe() {
    unconfirmed = 0;
    std::erase_if(channels, [](const auto& entry) { return entry.second.leaving; });
    for (auto& [name, channel] : channels) {
      channel.confirmed = false;
      ++unconfirmed;
      push_subscription("SUBSCRIBE", name);
    }
    if (unconfirmed == 0) rise();
  }

  void rise() {
    phase = Phase::kUp;
    up_since = mono_ms();
    if (link != nullptr && link->on_up) link->on_up();
  }

  // The end of this connection, or of the attempt. Everything outstanding hears `why`.
  void drop(Error why) {
    if (phase == Phase::kStopped || phase == Phase::kWaiting) return;
    const auto keep = shared_from_this();
    const bool was_up = phase == Phase::kUp;
    if (was_up && mono_ms() - up_since >= 1'000) failures = 0;
    ++life;
    phase = Phase::kWaiting;
    error = why;
    ticker.cancel();
    waiter.cancel();
    if (pump) pump->close();
    pump.reset();
    // First the timer, then the callbacks: they may stop the link.
    const int doublings = std::min(failures++, 20);
    const double whole = static_cast<double>(std::min(options.first_backoff_ms << doublings, options.last_backoff_ms));
    const double part = options.jitter ? 0.5 + 0.5 * options.jitter() : 1.0;
    waiter.expires_after(std::chrono::milliseconds(static_cast<std::int64_t>(whole * part)));
    waiter.async_wait([self = keep, current = life](const std::error_code& stopped) {
      if (!stopped && current == self->life && self->phase == Phase::kWaiting) self->connect();
    });
    fail_open(why);
    if (was_up && link != nullptr && link->on_down) link->on_down(why);
  }

  void fail_open(const Error& why) {
    auto lost = std::exchange(open, {});
    open_octets = 0;
    earliest = 0;
    for (auto& [name, channel] : channels) {
      channel.confirmed = false;
      if (channel.done) {
        lost.push_back(
            {[done = std::move(channel.done)](Result<Value>) { done(fail(Errc::kUnavailable, "redis went away")); }, 0, 0});
        channel.done = nullptr;
      }
    }
    for (auto& call : lost) {
      if (link == nullptr) return;
      if (call.done) call.done(tl::unexpected<Error>(why));
    }
  }

  // ---- commands

  void send(std::string_view encoded, Done done, std::int64_t deadline_ms) {
    const auto now = mono_ms();
    const auto deadline = now + deadline_ms;
    if (earliest == 0 || deadline < earliest) earliest = deadline;
    open.push_back({std::move(done), deadline, encoded.size()});
    open_octets += encoded.size();
    last_sent = now;
    pump->write(encoded);
  }

  void refuse(Done done, Errc code, std::string why) {
    asio::post(loop, [self = shared_from_this(), done = std::move(done), code, why = std::move(why)] {
      if (self->link != nullptr && done) done(fail(code, why));
    });
  }

  void arm_tick() {
    ticker.expires_after(std::chrono::milliseconds(options.tick_ms));
    ticker.async_wait([self = shared_from_this(), current = life](const std::error_code& stopped) {
      if (stopped || current != self->life) return;
      self->tick();
    });
  }

  void tick() {
    const auto now = mono_ms();
    if (earliest != 0 && now >= earliest) {
      // `earliest` is a lower bound: answered calls did not raise it.
      std::int64_t next = 0;
      for (const auto& call : open) {
        if (next == 0 || call.deadline < next) next = call.deadline;
      }
      earliest = next;
      if (next != 0 && now >= next) {
        ++counts.timeouts;
        drop({Errc::kTimeout, "redis did not answer in time"});
        return;
      }
    }
    if (open.empty() && now - last_sent >= options.heartbeat_ms) {
      send(routing::encode({"PING"}), {}, options.heartbeat_deadline_ms);
    }
    arm_tick();
  }

  // ---- replies

  void on_bytes(std::string_view bytes) {
    const auto keep = shared_from_this();
    const auto current = life;
    decoder.feed(bytes);
    while (current == life) {
      auto reply = decoder.next();
      if (!reply) {
        drop({Errc::kClosed, reply.error().detail});
        return;
      }
      if (!*reply) return;
      on_reply(std::move(**reply));
    }
  }

  void on_reply(Value reply) {
    if (subscriber && on_push(reply)) return;
    if (open.empty()) {
      // Redis says goodbye this way too: "-ERR max number of clients reached".
      drop({Errc::kClosed, reply.is_error() ? routing::error_of(reply).detail : "redis answered what nobody asked"});
      return;
    }
    Open call = std::move(open.front());
    open.pop_front();
    open_octets -= call.octets;
    if (open.empty()) earliest = 0;
    const Refusal refusal = routing::refusal_of(reply);
    switch (refusal) {
      case Refusal::kNone:
      case Refusal::kOther:
      case Refusal::kNoFunction:
      case Refusal::kNoScript:
      case Refusal::kAuth:
        if (call.done) call.done(std::move(reply));
        return;
      case Refusal::kLoading:
      case Refusal::kReadonly:
      case Refusal::kMisconf:
      case Refusal::kOutOfMemory:
      case Refusal::kNoReplicas:
      case Refusal::kBusy:
      case Refusal::kMoved: break;
    }
    if (phase == Phase::kUp) ++counts.refused;
    const Error why = routing::error_of(reply);
    if ((refusal == Refusal::kLoading || refusal == Refusal::kReadonly) && phase == Phase::kUp) {
      // Not up any more; the connection stays, because others on it still get their answers.
      error = why;
      phase = Phase::kChecking;
      checking_since = mono_ms();
      const auto current = life;
      if (call.done) call.done(tl::unexpected<Error>(why));
      if (current == life && link != nullptr && link->on_down) link->on_down(why);
      if (current == life && phase == Phase::kChecking) check();
      return;
    }
    if (call.done) call.done(tl::unexpected<Error>(why));
  }

  // ---- subscriptions. Their confirmations are pushes too, so they are not among `open`.

  void push_subscription(std::string_view verb, const std::string& name) {
    const std::string encoded = routing::encode({verb, name});
    last_sent = mono_ms();
    pump->write(encoded);
  }

  // True if the reply is a push of a subscribed link, or the PING of one.
  bool on_push(Value& reply) {
    if (!reply.is_array() || reply.array.empty() || !reply.array[0].is_text()) return false;
    const std::string& kind = reply.array[0].text;
    if (reply.array.size() == 3 && kind == "message") {
      ++counts.messages;
      if (link != nullptr && link->on_message) link->on_message(reply.array[1].text, reply.array[2].text);
      return true;
    }
    if (reply.array.size() != 3 || (kind != "subscribe" && kind != "unsubscribe")) return false;  // "pong" answers a PING
    const auto found = channels.find(reply.array[1].text);
    if (found == channels.end()) return true;
    if (kind == "unsubscribe") {
      if (found->second.leaving) channels.erase(found);
      return true;
    }
    Channel& channel = found->second;
    if (channel.confirmed) return true;
    channel.confirmed = true;
    if (channel.leaving) push_subscription("UNSUBSCRIBE", found->first);
    if (auto done = std::exchange(channel.done, nullptr)) done({});
    if (phase == Phase::kChecking && unconfirmed > 0 && --unconfirmed == 0) rise();
    return true;
  }
};

RedisLink::RedisLink(asio::io_context& loop, RedisTarget target, RedisLinkOptions options)
    : body_(std::make_shared<Body>(*this, loop, std::move(target), std::move(options))) {}

RedisLink::~RedisLink() {
  body_->link = nullptr;
  body_->open.clear();
  body_->channels.clear();
  stop();
}

void RedisLink::start() {
  if (body_->phase == Body::Phase::kIdle) body_->connect();
}

void RedisLink::stop() {
  Body& b = *body_;
  if (b.phase == Body::Phase::kStopped) return;
  b.phase = Body::Phase::kStopped;
  ++b.life;
  b.ticker.cancel();
  b.waiter.cancel();
  if (b.pump) b.pump->close();
  b.pump.reset();
  b.error = {Errc::kUnavailable, "the link was stopped"};
  b.fail_open({Errc::kClosed, "the link was stopped"});
}

void RedisLink::command(std::string_view encoded, Done done, std::int64_t deadline_ms) {
  Body& b = *body_;
  if (b.subscriber) {
    b.refuse(std::move(done), Errc::kUnsupported, "a subscribed link takes no commands");
    return;
  }
  if (b.phase != Body::Phase::kUp) {
    b.refuse(std::move(done), Errc::kUnavailable, "redis is away");
    return;
  }
  if (b.open.size() >= b.options.max_commands || b.open_octets + encoded.size() > b.options.max_octets) {
    ++b.counts.busy;
    b.refuse(std::move(done), Errc::kBusy, "too many calls to redis are open");
    return;
  }
  ++b.counts.commands;
  b.send(encoded, std::move(done), deadline_ms);
}

void RedisLink::subscribe(std::string channel, std::function<void(Result<void>)> confirmed) {
  Body& b = *body_;
  b.subscriber = true;
  const auto [place, fresh] = b.channels.try_emplace(channel);
  auto& entry = place->second;
  const bool again = entry.confirmed && !entry.leaving;
  entry.leaving = false;
  if (b.phase != Body::Phase::kUp) {
    // Taken up by the next connection; one that is confirming its channels right now waits for this one too.
    if (b.phase == Body::Phase::kChecking && b.unconfirmed > 0 && fresh) {
      ++b.unconfirmed;
      b.push_subscription("SUBSCRIBE", channel);
    }
    if (confirmed)
      b.refuse([confirmed](Result<Value>) { confirmed(fail(Errc::kUnavailable, "redis is away")); }, Errc::kUnavailable, "");
    return;
  }
  if (again) {
    if (confirmed) b.refuse([confirmed](Result<Value>) { confirmed({}); }, Errc::kUnavailable, "");
    return;
  }
  entry.confirmed = false;
  entry.done = std::move(confirmed);
  b.push_subscription("SUBSCRIBE", channel);
}

void RedisLink::unsubscribe(const std::string& channel) {
  Body& b = *body_;
  const auto found = b.channels.find(channel);
  if (found == b.channels.end()) return;
  if (b.phase != Body::Phase::kUp) {
    found->second.leaving = true;
    return;
  }
  found->second.leaving = true;
  b.push_subscription("UNSUBSCRIBE", channel);
}

bool RedisLink::up() const { return body_->phase == Body::Phase::kUp; }
std::size_t RedisLink::outstanding() const { return body_->open.size(); }
const Error& RedisLink::last_error() const { return body_->error; }
const RedisLink::Counts& RedisLink::counts() const { return body_->counts; }

}  // namespace belfry::gateway
