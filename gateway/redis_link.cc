#include "gateway/redis_link.h"

#include <algorithm>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include "gateway/pump.h"
#include "gateway/redis_ask.h"
#include "gateway/redis_locator.h"

namespace belfry::gateway {

using routing::Refusal;
using routing::Value;

namespace {

// A call that is answered only when a replica has it waits so long, as every call behind it on the link.
constexpr std::int64_t kReplicaWithinMs = 1'000;

// The rest of the line that begins so, in an answer of INFO; empty if there is none.
std::string_view info_field(const Value& answer, std::string_view begins) {
  if (!answer.is_text()) return {};
  const std::string_view info = answer.text;
  for (auto at = info.find(begins); at != std::string_view::npos; at = info.find(begins, at + 1)) {
    if (at != 0 && info[at - 1] != '\n') continue;
    const auto from = at + begins.size();
    return info.substr(from, info.find_first_of("\r\n", from) - from);
  }
  return {};
}

std::int64_t mono_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

struct RedisLink::Body : std::enable_shared_from_this<RedisLink::Body> {
  // kChecking: connected, and Redis said LOADING or is a replica; it is asked again.
  enum class Phase : std::uint8_t { kIdle, kWaiting, kConnecting, kChecking, kUp, kStopped };

  // kOwn: housekeeping, told at once. kWrite: told when replicas have it.
  enum class Mark : std::uint8_t { kOwn, kRead, kWrite };

  struct Open {
    Done done;  // empty: an answer of our own housekeeping nobody waits for
    std::int64_t deadline;
    std::size_t octets;
    Mark mark;
  };

  // Answered by Redis, and not told yet: a write that no replica is known to have, or what came behind one.
  struct Held {
    Done done;
    Result<Value> answer;
    bool write;  // ... and a yes that counts on a replica
  };

  struct Channel {
    bool confirmed = false;
    bool leaving = false;
    std::function<void(Result<void>)> done;
  };

  Body(RedisLink& owner, asio::io_context& io, RedisTarget t, RedisLinkOptions o)
      : link(&owner),
        loop(io),
        target(std::move(t)),
        options(std::move(o)),
        locator(target),
        watcher(target),
        ticker(io),
        waiter(io),
        decoder(options.limits) {}

  RedisLink* link;  // null once the owner is gone
  asio::io_context& loop;
  const RedisTarget target;
  const RedisLinkOptions options;
  RedisLocator locator;
  RedisLocator watcher;  // asks the sentinels while we are up
  bool watching = false;
  std::int64_t watched = 0;
  std::string run_id;   // of the server we are on, where sentinels are watched: one server may have two names
  std::string address;  // of this connection, or of the last one

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
  bool settle = false;  // the next search begins late
  std::int64_t role_asked = 0;

  int wanted = 0;  // replicas that must have a write before it is told; 0: nobody waits
  bool replica_seen = false;
  std::size_t replicas = 0;  // of the server we are on, the most that were seen
  std::deque<Held> held;     // in the order of the calls
  bool uncovered = false;    // a write was sent and no WAIT behind it yet
  int waits_open = 0;
  bool kept = false;  // what the last WAIT said
  bool were_kept = true;
  bool wait_posted = false;
  Error error{Errc::kUnavailable, "not connected yet"};
  Counts counts;

  bool subscriber = false;
  std::map<std::string, Channel, std::less<>> channels;
  std::size_t unconfirmed = 0;

  // ---- life of a connection

  void connect() {
    phase = Phase::kConnecting;
    ++life;
    if (target.secure && target.tls == nullptr) {
      drop({Errc::kUnavailable, "redis wants TLS and there is no context for it"});
      return;
    }
    follow(locator.begin());
  }

  // One step of the search for the server.
  void follow(RedisLocator::Next next) {
    switch (next.what) {
      case RedisLocator::Next::What::kConnect: connect_to(std::move(next.address)); return;
      case RedisLocator::Next::What::kNobody: drop(std::move(next.why)); return;
      case RedisLocator::Next::What::kAsk: break;
    }
    ask_redis(loop, target, next.address, std::move(next.question), next.with_login, options.ask_timeout_ms,
              [self = shared_from_this(), current = life](Result<Value> answer) {
                if (current != self->life || self->phase != Phase::kConnecting) return;
                self->follow(answer ? self->locator.answered(*answer) : self->locator.failed(answer.error()));
              });
  }

  void connect_to(std::string where) {
    const auto current = life;
    address = std::move(where);
    ConnectOptions how;
    how.tls = target.secure ? target.tls : nullptr;
    how.server_name = host_of(address);
    how.timeout_ms = options.connect_timeout_ms;
    how.max_queued = options.max_octets + (4UL << 20);
    connect_pump(loop, address, how, [self = shared_from_this(), current](Result<std::shared_ptr<Pump>> fresh) {
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
    replicas = 0;
    arm_tick();
    if (const std::string login = login_of(target); !login.empty()) {
      const auto done = [this](Result<Value> reply) {
        if (reply && reply->is_error()) drop({Errc::kUnauthorized, "redis refused our user or password"});
      };
      send(login, done, options.connect_timeout_ms);
    }
    // A name is a courtesy to the operator: an ACL may refuse it.
    send(routing::encode({"CLIENT", "SETNAME", options.name}), {}, options.connect_timeout_ms);
    phase = Phase::kChecking;
    checking_since = mono_ms();
    check();
  }

  // Is it up, is it the primary, and in a cluster: is our slot here? PING is refused while LOADING, ROLE is not; an ACL may
  // refuse ROLE, which decides nothing.
  void check() {
    send_wait();  // before it may turn out that we go elsewhere: what was done here gets its answer here
    check_failed = false;
    const bool watches = target.kind == RedisTarget::Kind::kSentinel;
    checks_open = 2 + (locator.probe().empty() ? 0 : 1) + (watches ? 1 : 0);
    const auto current = life;
    const auto ask = [this, current](std::string_view question, void (Body::*heard)(const Value&)) {
      if (current != life) return;
      const auto done = [this, heard](const Result<Value>& reply) {
        if (phase != Phase::kChecking) return;
        if (reply)
          (this->*heard)(*reply);
        else
          check_fails(reply.error());
        if (phase == Phase::kChecking && --checks_open == 0) checked();
      };
      send(question, done, options.connect_timeout_ms);
    };
    ask(routing::encode({"PING"}), &Body::heard_ping);
    ask(routing::encode({"ROLE"}), &Body::heard_role);
    if (!locator.probe().empty()) ask(locator.probe(), &Body::heard_probe);
    if (watches) ask(routing::encode({"INFO", "server"}), &Body::heard_info);
  }

  void heard_info(const Value& reply) { run_id = info_field(reply, "run_id:"); }

  void check_fails(Error why) {
    error = std::move(why);
    check_failed = true;
  }

  void heard_ping(const Value& reply) {
    if (reply.is_error()) check_fails(routing::error_of(reply));
  }

  void heard_role(const Value& reply) {
    if (!options.primary_only || !reply.is_array() || reply.array.empty()) return;
    if (reply.array[0].text == "master") return count_replicas(reply);
    check_fails({Errc::kUnavailable, "redis is a replica"});
    // Its address may lead to the new primary by now; and who told us of it may know better the next time.
    if (locator.searches() || mono_ms() - checking_since > 1'000) drop(error);
  }

  void heard_probe(const Value& reply) {
    switch (routing::refusal_of(reply)) {
      case Refusal::kMoved:
        locator.moved(reply.text, address);
        drop({Errc::kUnavailable, "our slot is on another node"});
        return;
      case Refusal::kMoving: check_fails({Errc::kUnavailable, "our slot is moving to another node"}); return;
      case Refusal::kLoading:
        check_fails(routing::error_of(reply));
        if (mono_ms() - checking_since > 1'000) drop(error);  // this node may be the one that is cut off
        return;
      default: return;
    }
  }

  void checked() {
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
    up_since = role_asked = watched = mono_ms();
    watching = false;
    locator.served();
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
    const auto last = locator.searches() ? std::min(options.last_backoff_ms, options.last_search_ms) : options.last_backoff_ms;
    const double whole = static_cast<double>(std::min(options.first_backoff_ms << doublings, last));
    const double part = options.jitter ? 0.5 + 0.5 * options.jitter() : 1.0;
    const auto pause = std::max(static_cast<std::int64_t>(whole * part), std::exchange(settle, false) ? options.settle_ms : 0);
    waiter.expires_after(std::chrono::milliseconds(pause));
    waiter.async_wait([self = keep, current = life](const std::error_code& stopped) {
      if (!stopped && current == self->life && self->phase == Phase::kWaiting) self->connect();
    });
    fail_open(why);
    if (was_up && link != nullptr && link->on_down) link->on_down(why);
  }

  void fail_open(const Error& why) {
    auto lost = std::exchange(open, {});
    auto told = std::exchange(held, {});
    open_octets = 0;
    earliest = 0;
    uncovered = false;
    waits_open = 0;
    for (auto& [name, channel] : channels) {
      channel.confirmed = false;
      if (channel.done) {
        lost.push_back({[done = std::move(channel.done)](Result<Value>) { done(fail(Errc::kUnavailable, "redis went away")); }, 0,
                        0, Mark::kOwn});
        channel.done = nullptr;
      }
    }
    // Redis did these, and whether a replica has them nobody knows.
    tell(std::move(told), why.code == Errc::kTimeout ? why : Error{Errc::kClosed, why.detail});
    for (auto& call : lost) {
      if (link == nullptr) return;
      if (call.done) call.done(tl::unexpected<Error>(why));
    }
  }

  // ---- commands

  void send(std::string_view encoded, Done done, std::int64_t deadline_ms, Mark mark = Mark::kOwn) {
    const auto now = mono_ms();
    const auto deadline = now + deadline_ms;
    if (earliest == 0 || deadline < earliest) earliest = deadline;
    open.push_back({std::move(done), deadline, encoded.size(), mark});
    open_octets += encoded.size();
    last_sent = now;
    pump->write(encoded);
  }

  // ---- replicas. A write is told when they have it: one WAIT behind all that was sent in one turn, one at a time, so that what
  // comes meanwhile shares the next. Redis reads nothing more of this link while it waits; so nothing overtakes.

  void count_replicas(const Value& role) {
    const std::size_t count = role.array.size() > 2 ? role.array[2].array.size() : 0;
    if (target.min_replicas) {
      wanted = *target.min_replicas;
    } else {
      // For good, and on whatever server comes next: the one that has none may be a primary that was replaced behind our back.
      if (count > 0) replica_seen = true;
      wanted = replica_seen ? 1 : 0;
    }
    if (count < replicas && wanted > 0 && locator.searches()) {
      // It went away, or it has taken over while this one stood still, and another replica that has not heard of it yet would
      // still answer our WAIT. Who it is now is known when the sentinels or the nodes have spoken about it.
      settle = true;
      drop({Errc::kTimeout, "a replica of redis went away: it may be the primary now"});
      return;
    }
    replicas = std::max(replicas, count);
  }

  void wrote() {
    uncovered = true;
    if (wait_posted || waits_open > 0) return;
    wait_posted = true;
    asio::post(loop, [self = shared_from_this()] {
      self->wait_posted = false;
      if (self->waits_open == 0) self->send_wait();
    });
  }

  void send_wait() {
    if (!uncovered || !pump) return;
    uncovered = false;
    ++waits_open;
    const bool also_role = locator.searches();
    const auto waited = [this, also_role](const Result<Value>& reply) {
      if (!reply) return;  // fail_open tells them
      kept = reply->is_integer() && reply->integer >= wanted;
      if (!kept) ++counts.unreplicated;
      if (!also_role) covered();
    };
    send(routing::encode({"WAIT", std::to_string(wanted), std::to_string(kReplicaWithinMs)}), waited,
         kReplicaWithinMs + options.heartbeat_deadline_ms);
    if (!also_role) return;
    // Asked behind the WAIT: has it all its replicas still?
    const auto role = [this](const Result<Value>& reply) {
      if (!reply) return;
      const auto current = life;
      if (reply->is_array() && !reply->array.empty() && reply->array[0].text == "master")
        count_replicas(*reply);
      else if (!reply->is_error())
        kept = false;
      if (current == life) covered();
    };
    send(routing::encode({"ROLE"}), role, kReplicaWithinMs + options.heartbeat_deadline_ms);
  }

  void covered() {
    --waits_open;
    if (kept != std::exchange(were_kept, kept) && link != nullptr && link->on_replicas) link->on_replicas(kept);
    if (uncovered && waits_open == 0) send_wait();
    std::optional<Error> instead;
    if (!kept) instead = Error{Errc::kTimeout, "no replica of redis has it"};
    tell(std::exchange(held, {}), instead);
  }

  // With `instead`, a write hears that instead of its yes.
  void tell(std::deque<Held> answers, const std::optional<Error>& instead) {
    for (auto& each : answers) {
      if (link == nullptr) return;
      if (!each.done) continue;
      if (instead && each.write)
        each.done(tl::unexpected<Error>(*instead));
      else
        each.done(std::move(each.answer));
    }
  }

  void deliver(Open call, Result<Value> answer) {
    if (call.mark == Mark::kOwn || (call.mark == Mark::kRead && held.empty())) {
      if (call.done) call.done(std::move(answer));
      return;
    }
    const bool yes = answer && !answer->is_error();
    held.push_back({std::move(call.done), std::move(answer), call.mark == Mark::kWrite && yes});
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
    if (phase == Phase::kUp && watches_role() && now - role_asked >= options.heartbeat_ms) {
      role_asked = now;
      const auto done = [this](const Result<Value>& reply) {
        if (!reply || phase != Phase::kUp || !reply->is_array() || reply->array.empty()) return;
        if (reply->array[0].text == "master") return count_replicas(*reply);
        fall({Errc::kUnavailable, "redis is a replica"});
      };
      send(routing::encode({"ROLE"}), done, options.heartbeat_deadline_ms);
    }
    if (target.kind == RedisTarget::Kind::kSentinel && phase == Phase::kUp && !watching &&
        now - watched >= options.heartbeat_ms) {
      watching = true;
      watched = now;
      watch(watcher.begin());
    }
    if (open.empty() && now - last_sent >= options.heartbeat_ms) {
      send(routing::encode({"PING"}), {}, options.heartbeat_deadline_ms);
    }
    arm_tick();
  }

  // Do the sentinels still name the server we are on? One that was replaced while it was cut off, or stood still, takes itself
  // for the primary until they find the time to tell it; ten seconds were seen.
  void watch(RedisLocator::Next next) {
    if (next.what == RedisLocator::Next::What::kNobody) {
      watching = false;
      return;
    }
    const bool asking = next.what == RedisLocator::Next::What::kAsk;
    if (!asking) {
      watcher.served();
      if (next.address == address) {
        watching = false;
        return;
      }
    }
    // A sentinel that is behind the times may name one that is a primary no more.
    ask_redis(loop, target, next.address, asking ? std::move(next.question) : routing::encode({"INFO"}),
              asking ? next.with_login : true, options.ask_timeout_ms,
              [self = shared_from_this(), current = life, asking](const Result<Value>& answer) {
                if (current != self->life || self->phase != Phase::kUp) return;
                if (asking) return self->watch(answer ? self->watcher.answered(*answer) : self->watcher.failed(answer.error()));
                self->watching = false;
                if (answer && info_field(*answer, "role:") == "master" && info_field(*answer, "run_id:") != self->run_id)
                  self->drop({Errc::kClosed, "the sentinels name another primary"});
              });
  }

  // A replica may join, or the primary may have lost its place without a word. Nothing of it on our own embedded server.
  bool watches_role() const { return !subscriber && options.primary_only && (!target.min_replicas || locator.searches()); }

  // Not up any more; the connection stays, because others on it still get their answers.
  void fall(const Error& why) {
    const auto current = life;
    error = why;
    phase = Phase::kChecking;
    checking_since = mono_ms();
    if (link != nullptr && link->on_down) link->on_down(why);
    if (current == life && phase == Phase::kChecking) check();
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
    bool falls = false;
    switch (refusal) {
      case Refusal::kNone:
      case Refusal::kOther:
      case Refusal::kNoFunction:
      case Refusal::kNoScript:
      case Refusal::kAuth: deliver(std::move(call), std::move(reply)); return;
      case Refusal::kLoading:
      case Refusal::kReadonly: falls = true; break;
      case Refusal::kMoved:
      case Refusal::kMoving: falls = target.kind == RedisTarget::Kind::kCluster; break;
      case Refusal::kMisconf:
      case Refusal::kOutOfMemory:
      case Refusal::kNoReplicas:
      case Refusal::kBusy: break;
    }
    if (call.mark == Mark::kOwn) {
      if (call.done) call.done(std::move(reply));  // it reads the error itself
      return;
    }
    if (phase == Phase::kUp) ++counts.refused;
    Error why = routing::error_of(reply);
    if (!falls && (refusal == Refusal::kMoved || refusal == Refusal::kMoving))
      why.detail = "this redis is a node of a cluster: redis.url must begin with redis+cluster://";
    const auto current = life;
    deliver(std::move(call), tl::unexpected<Error>(why));
    if (falls && current == life && phase == Phase::kUp) fall(why);
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
  body_->held.clear();
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
  if (b.open.size() + b.held.size() >= b.options.max_commands || b.open_octets + encoded.size() > b.options.max_octets) {
    ++b.counts.busy;
    b.refuse(std::move(done), Errc::kBusy, "too many calls to redis are open");
    return;
  }
  ++b.counts.commands;
  const bool write = b.wanted > 0 && routing::may_write(encoded);
  if (write) b.wrote();
  b.send(encoded, std::move(done), deadline_ms, write ? Body::Mark::kWrite : Body::Mark::kRead);
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
std::size_t RedisLink::outstanding() const { return body_->open.size() + body_->held.size(); }
const Error& RedisLink::last_error() const { return body_->error; }
int RedisLink::replicas_wanted() const { return body_->wanted; }
const RedisLink::Counts& RedisLink::counts() const { return body_->counts; }

}  // namespace belfry::gateway
