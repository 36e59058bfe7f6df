#include "gateway/shard.h"

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <deque>
#include <utility>

#include "adapters/wire/crypto.h"
#include "gateway/api/api.h"
#include "gateway/archiver.h"
#include "gateway/auth/auth.h"
#include "gateway/chat/site.h"
#include "gateway/desk_hub.h"
#include "gateway/historian.h"
#include "gateway/http_call.h"
#include "gateway/intake.h"
#include "gateway/links.h"
#include "gateway/listener.h"
#include "gateway/log.h"
#include "gateway/matcher.h"
#include "gateway/media_fetch.h"
#include "gateway/media_store.h"
#include "gateway/outgoing.h"
#include "gateway/public_site.h"
#include "gateway/shard_metrics.h"
#include "gateway/sla_timers.h"
#include "gateway/waiting_room.h"
#include "gateway/webhook.h"
#include "gateway/work_pool.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kBeat = 1'000;
constexpr std::int64_t kMaxFromCitizens = 16LL << 20;  // one file of the web chat

Now read_clock() {
  using namespace std::chrono;
  return {Instant{duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count()},
          WallTime{duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count()}};
}

void notice(const std::string& event, const std::string& account, const std::string& detail) {
  log_warning("account_notice", {{"account", account}, {"what", event}, {"detail", detail}});
}

RedisLinkOptions link_options(const std::string& name) {
  RedisLinkOptions options;
  options.name = name;
  options.jitter = [] { return static_cast<double>(static_cast<unsigned char>(wire::random_bytes(1)[0])) / 256.0; };
  return options;
}

}  // namespace

// belfryctl's side door: who may open the socket is the operator.
class OperatorSite : public Site {
 public:
  explicit OperatorSite(Api& api) : api_(api) {}
  Admission admit(const HttpRequest& head) override {
    return Api::handles(head.path) ? api_.admit(head) : Admission(HttpResponse{404, {}, ""});
  }
  void serve(std::shared_ptr<Exchange> exchange) override { api_.serve_as(std::move(exchange), operator_subject()); }

 private:
  Api& api_;
};

// Members are built in this order and unwound in reverse: sockets go before what they use.
struct Shard::Body {
  Body(const Plan& p, int i);

  void timed(const std::string& command, RedisLink::Done done);
  void after(std::int64_t ms, std::function<void()> what);
  void on_store_up();
  void on_store_down(const Error& why);
  void begin_epoch();
  void beat();
  void beat_later();
  void subscribe_all();
  void on_message(std::string_view channel, std::string_view payload);
  void tell_owner(std::string_view account, const std::string& payload);
  void end_session(const std::string& agent, const std::string& session);
  void retry_ended_sessions();
  void publish_counts();
  void finish_stop();
  std::unique_ptr<Links> links_of(std::string_view account, Links::Heard heard);

  const Plan& plan;
  int index;
  std::string id;
  asio::io_context loop{1};
  std::string prefix;

  RedisLink commands;
  RedisLink subscriber;
  RedisLink stream;
  std::unique_ptr<routing::Store> store;
  routing::Mirror mirror;
  std::unique_ptr<MediaStore> files;
  std::unique_ptr<HttpClient> http;
  std::unique_ptr<Outgoing> outgoing;
  Headroom headroom;
  Services services;
  DeskHub hub;
  std::unique_ptr<MediaFetch> media;
  Auth auth;
  Api api;
  OperatorSite operator_site;
  Intake intake;
  Webhook webhook;
  ChatHub chat_hub;
  Visitors visitors;
  ChatSite chat;
  PublicSite site;
  Matcher matcher;
  WaitingRoom room;
  SlaTimers sla;
  Archiver archiver;
  Historian historian;
  std::vector<std::unique_ptr<Listener>> listeners;
  asio::steady_timer beat_timer;
  asio::steady_timer stop_timer;

  std::int64_t epoch = 0;  // 0: the store does not know us yet
  bool starting = false;   // node_start is under way
  bool beating = false;
  Instant lease_until;
  std::deque<std::pair<std::string, std::string>> ended;  // sessions whose end the store has not heard
  bool stopping = false;
  Instant stop_by;
  std::function<void()> stopped;
  std::atomic<bool> redis_up{false};
  std::atomic<bool> listening{false};  // the link that hears of new events: without it no desk opens
  std::atomic<bool> leased{false};
  std::atomic<bool> replicated{true};  // as many replicas as are wanted had the last write
  ShardMetrics metrics;
};

Shard::Body::Body(const Plan& p, int i)
    : plan(p),
      index(i),
      id(p.node + "." + std::to_string(i)),
      prefix(p.config.redis.prefix),
      commands(loop, p.redis, link_options("belfry-" + id)),
      subscriber(loop, p.redis, link_options("belfry-" + id + "-sub")),
      stream(loop, p.redis, link_options("belfry-" + id + "-ev")),
      store(routing::make_redis_store(
          [this](std::string command, std::function<void(Result<routing::Value>)> done) { timed(command, std::move(done)); },
          {prefix, {}})),
      files(make_media_store(loop, p.config.server.state_dir + "/media")),
      http(make_http_client(loop, p.client_tls.get(), files.get())),
      outgoing(std::make_unique<Outgoing>(
          Outgoing::Deps{
              [this](std::int64_t ms, std::function<void()> what) { after(ms, std::move(what)); }, *store, *http, *files,
              read_clock, id, [this](std::string_view account, std::string payload) { tell_owner(account, payload); },
              [this](Event event, std::function<void(bool)> done) {
                intake.take(std::move(event), [done = std::move(done)](const Error* error) { done(error == nullptr); });
              },
              [this](std::string_view account, Links::Heard heard) { return links_of(account, std::move(heard)); }, notice},
          p.accounts)),
      headroom({loop,
                [this](std::string command,
                       std::function<void(Result<routing::Value>)> done) { commands.command(command, std::move(done)); },
                p.work, p.config.redis.embedded() ? p.config.server.state_dir : std::string(), p.config.limits.disk_reserve,
                i == 0}),
      services{loop,
               p.config,
               prefix,
               *store,
               [this](std::string command, std::function<void(Result<routing::Value>)> done) {
                 commands.command(command, std::move(done));
               },
               mirror,
               p.work,
               *http,
               *outgoing,
               read_clock,
               [this] { return redis_up.load(std::memory_order_relaxed); },
               id,
               [this] { return epoch; },
               [this] { return headroom.level(); },
               [this](std::string_view account, Links::Heard heard) { return links_of(account, std::move(heard)); }},
      hub(DeskHub::Deps{*store, [this](std::int64_t ms, std::function<void()> what) { after(ms, std::move(what)); },
                        [this](const std::string& agent, std::function<void(Result<void>)> done) {
                          subscriber.subscribe(routing::agent_channel(prefix, agent), std::move(done));
                        },
                        [this](const std::string& agent) { subscriber.unsubscribe(routing::agent_channel(prefix, agent)); }}),
      media(std::make_unique<MediaFetch>(services, p.whatsapp, p.config.media.max)),
      auth(services, AuthOptions{p.config.server.public_url}),
      api(services, auth, ApiOptions{files.get(), static_cast<std::size_t>(p.config.media.max)}),
      operator_site(api),
      intake(
          services, [this](std::string_view account, const std::string& address) { outgoing->on_inbound(account, address); },
          notice),
      webhook(services, intake, p.whatsapp, notice),
      chat_hub(ChatHub::Deps{services.carry, prefix, read_clock}),
      visitors(
          Visitors::Deps{services, intake, chat_hub, p.inboxes, std::min<std::int64_t>(p.config.media.max, kMaxFromCitizens)}),
      chat(ChatSite::Deps{services, visitors, files.get(), p.files, p.public_origin, p.metrics}),
      site(PublicSite::Deps{services, webhook, api, auth, hub, chat, p.files, p.public_origin,
                            [this](std::string_view account, std::string payload) { tell_owner(account, payload); },
                            [this](const std::string& agent, const std::string& session) { end_session(agent, session); }}),
      matcher(Matcher::Deps{loop, *store, stream, mirror, prefix, read_clock,
                            [this](const std::string& stream_id) {
                              room.on_snapshot(stream_id);
                              sla.on_snapshot();
                              chat_hub.on_doubt();
                            },
                            [this](const std::vector<routing::Value>& entries) {
                              room.on_entries(entries);
                              chat_hub.on_entries(entries);
                            }}),
      room(WaitingRoom::Deps{mirror, services.carry, prefix, p.metrics, read_clock, [this] { return matcher.owner(); },
                             [this](const routing::Value& entry) { sla.on_entry(entry); }}),
      sla(SlaTimers::Deps{loop, *store, mirror, room, services.carry, prefix, p.metrics, read_clock,
                          [this] { return matcher.owner(); }}),
      archiver(Archiver::Deps{loop, *store, p.work, read_clock, p.config.server.state_dir + "/archive",
                              p.config.retention.closed_days, p.config.retention.archive_months, 1'000,
                              p.config.server.state_dir + "/media", p.config.media.keep_days}),
      historian(services),
      beat_timer(loop),
      stop_timer(loop),
      metrics(p.metrics) {
  services.waiting_room = &room;
  commands.on_up = [this] { on_store_up(); };
  commands.on_down = [this](const Error& why) { on_store_down(why); };
  commands.on_replicas = [this](bool kept) {
    replicated = kept;
    if (kept)
      log_info("redis_replicas_back", {{"shard", id}});
    else
      log_error("redis_replicas_missing", {{"shard", id}, {"wanted", commands.replicas_wanted()}});
  };
  subscriber.on_up = [this] {
    listening = true;
    hub.on_resubscribed();
    if (plan.inboxes.empty()) return;
    chat_hub.on_doubt();
    read_announcements(services, [this](const Result<std::vector<Announcement>>& all) {
      if (all) chat_hub.set_notices(*all);
    });
  };
  subscriber.on_down = [this](const Error&) { listening = false; };
  subscriber.on_message = [this](std::string_view channel, std::string_view payload) { on_message(channel, payload); };
  stream.on_up = [this] { matcher.on_stream_up(); };
}

std::unique_ptr<Links> Shard::Body::links_of(std::string_view account, Links::Heard heard) {
  const auto own = plan.account_tls.find(std::string(account));
  return make_links(loop, own == plan.account_tls.end() ? plan.client_tls : own->second, std::move(heard));
}

void Shard::Body::after(std::int64_t ms, std::function<void()> what) {
  if (ms <= 0) return asio::post(loop, std::move(what));
  const auto timer = std::make_shared<asio::steady_timer>(loop, std::chrono::milliseconds(ms));
  timer->async_wait([timer, what = std::move(what)](std::error_code error) {
    if (!error) what();
  });
}

void Shard::Body::timed(const std::string& command, RedisLink::Done done) {
  commands.command(command,
                   [this, done = std::move(done), since = std::chrono::steady_clock::now()](Result<routing::Value> reply) {
                     metrics.redis_call.observe(std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count());
                     done(std::move(reply));
                   });
}

void Shard::Body::on_store_up() {
  log_info("redis_up", {{"shard", id}});
  redis_up = true;
  // After a fall of the link the epoch is still ours, unless a beat says else.
  if (epoch == 0) {
    begin_epoch();
  } else {
    beat();
  }
  matcher.on_store_up();
  outgoing->on_store_up();
  retry_ended_sessions();
}

void Shard::Body::on_store_down(const Error& why) {
  if (redis_up.exchange(false)) log_warning("redis_down", {{"shard", id}, {"why", why.detail}});
}

void Shard::Body::begin_epoch() {
  if (starting || stopping) return;
  starting = true;
  store->node_start(id, kLeaseTtl, [this](const Result<routing::Outcome>& out) {
    starting = false;
    if (!out) return;  // the next beat tries again
    epoch = out->gen;
    log_info("shard_started", {{"shard", id}, {"epoch", std::to_string(epoch)}});
    site.announce_desks();
    beat();
  });
}

void Shard::Body::beat_later() {
  beat_timer.expires_after(std::chrono::milliseconds(kBeat));
  beat_timer.async_wait([this](std::error_code error) {
    if (error || stopping) return;
    beat();
    beat_later();
  });
}

void Shard::Body::publish_counts() {
  room.publish();
  metrics.publish({webhook.counts(), intake.counts(), outgoing->counts(), matcher.counts(), media->counts(), intake.open(),
                   outgoing->in_flight(), site.desks(), commands.outstanding(), redis_up, leased, matcher.owner(),
                   mirror.waiting(), mirror.ready_agents(), matcher.unaccounted(), archiver.counts(), historian.counts(),
                   index == 0 ? &headroom : nullptr, outgoing->binds()});
}

void Shard::Body::beat() {
  publish_counts();
  leased = epoch != 0 && read_clock().mono < lease_until;
  if (!redis_up) return;
  headroom.look();
  if (beating) return;
  if (epoch == 0) return begin_epoch();
  std::vector<std::string> wanted{"matcher", "archive", "history"};
  for (const AccountInfo& account : plan.accounts) {
    if (account.channel != "web") wanted.push_back("acct:" + account.id);  // of the web chat every shard is the provider
  }
  beating = true;
  const Instant asked = read_clock().mono;
  store->node_beat(id, epoch, kLeaseTtl, wanted, [this, asked](const Result<routing::Beat>& out) {
    beating = false;
    if (!out) return;
    if (out->lost) {
      // Swept while we stood still, or another process took our id: start anew, and tell our sessions again.
      log_warning("lease_lost", {{"shard", id}});
      epoch = 0;
      outgoing->on_leases({}, asked);
      matcher.on_lease(false, asked);
      archiver.on_lease(false, asked);
      historian.on_lease(false, asked);
      return begin_epoch();
    }
    lease_until = asked + kLeaseTtl;
    leased = true;
    const auto holds = [&](std::string_view name) {
      return std::any_of(out->leases.begin(), out->leases.end(), [&](const auto& lease) { return lease.name == name; });
    };
    outgoing->on_leases(out->leases, lease_until);
    for (const AccountInfo& account : plan.accounts) {
      if (account.channel == "sms" && holds("acct:" + account.id)) intake.look_for_gaps(account.id);
    }
    media->on_leases(out->leases, lease_until);
    matcher.on_lease(holds("matcher"), lease_until);
    archiver.on_lease(holds("archive"), lease_until);
    historian.on_lease(holds("history"), lease_until);
    retry_ended_sessions();
  });
}

void Shard::Body::subscribe_all() {
  for (const AccountInfo& account : plan.accounts) subscriber.subscribe(routing::lane_channel(prefix, account.id));
  if (!plan.inboxes.empty()) subscriber.subscribe(routing::chat_channel(prefix));
  subscriber.subscribe(Auth::channel(prefix));
}

void Shard::Body::on_message(std::string_view channel, std::string_view payload) {
  const std::string agents = routing::agent_channel(prefix, "");
  const std::string lanes = routing::lane_channel(prefix, "");
  if (channel.starts_with(agents)) {
    hub.on_publish(channel.substr(agents.size()), payload);
  } else if (channel.starts_with(lanes)) {
    outgoing->on_lane(channel.substr(lanes.size()), payload);
  } else if (channel == routing::chat_channel(prefix)) {
    chat_hub.on_publish(payload);
  } else if (channel == Auth::channel(prefix)) {
    auth.forget_cached();
  }
}

void Shard::Body::tell_owner(std::string_view account, const std::string& payload) {
  commands.command(routing::encode({"PUBLISH", routing::lane_channel(prefix, account), payload}),
                   [](const Result<routing::Value>&) {});
}

void Shard::Body::end_session(const std::string& agent, const std::string& session) {
  ended.emplace_back(agent, session);
  retry_ended_sessions();
}

// Bounded by the sessions that were open; after a lost epoch the store has dropped them all anyway.
void Shard::Body::retry_ended_sessions() {
  if (!redis_up || epoch == 0) return;
  for (auto& [agent, session] : std::exchange(ended, {})) {
    store->session(id, epoch, agent, session, false,
                   [this, agent = agent, session = session](const Result<routing::Outcome>& out) {
                     if (!out) ended.emplace_back(agent, session);
                   });
  }
}

void Shard::Body::finish_stop() {
  if (!stopped) return;
  stop_timer.cancel();
  const auto done = std::exchange(stopped, nullptr);
  const auto end = [this, done] {
    commands.stop();
    subscriber.stop();
    stream.stop();
    done();
  };
  if (epoch == 0 || !redis_up) return end();
  store->node_stop(id, epoch, [end](const Result<routing::Outcome>&) { end(); });
}

Shard::Shard(const Plan& plan, int index) : body_(std::make_unique<Body>(plan, index)) {}
Shard::~Shard() = default;

asio::io_context& Shard::loop() { return body_->loop; }
const std::string& Shard::id() const { return body_->id; }
int Shard::index() const { return body_->index; }
bool Shard::up() const { return body_->redis_up && body_->listening && body_->leased; }

Shard::Health Shard::health() const {
  Health health{body_->redis_up, body_->leased, "", body_->headroom.level()};
  if (!health.redis)
    health.why = "Redis does not answer";
  else if (!body_->listening)
    health.why = "Redis does not answer on the link for subscriptions";
  else if (!body_->replicated)
    health.why = "no replica of Redis has what we write, so nothing is acknowledged (redis.min_replicas)";
  else if (!health.leased)
    health.why = "no lease yet";
  return health;
}

Result<std::uint16_t> Shard::listen(const ListenAddress& address) {
  Body& b = *body_;
  const LimitsConfig& limits = b.plan.config.limits;
  ServerLimits server;
  server.head_timeout_ms = limits.head_timeout_ms;
  server.body_timeout_ms = limits.body_timeout_ms;
  server.idle_timeout_ms = limits.idle_timeout_ms;
  server.max_connections = limits.connections;
  server.max_per_address = is_loopback(address.host) ? 0 : limits.per_address;  // a proxy on this machine is one address
  server.h2_websocket = b.plan.config.listen.h2_websocket;
  const std::string host = address.host.find(':') == std::string::npos ? address.host : "[" + address.host + "]";
  auto listener = Listener::open(b.loop, host + ":" + std::to_string(address.port), address.tls ? b.plan.server_tls : nullptr,
                                 b.site, server);
  if (!listener) return tl::unexpected(std::move(listener.error()));
  const std::uint16_t port = (*listener)->port();
  b.listeners.push_back(std::move(*listener));
  return port;
}

Result<void> Shard::listen_operator(const std::string& socket_path) {
  auto listener = Listener::open(body_->loop, "unix:" + socket_path, nullptr, body_->operator_site, {});
  if (!listener) return tl::unexpected(std::move(listener.error()));
  body_->listeners.push_back(std::move(*listener));
  return {};
}

void Shard::set_tls(TlsContext tls) {
  for (auto& listener : body_->listeners) listener->set_tls(tls);
}

void Shard::set_secrets(const std::vector<whatsapp::Account>& whatsapp, const std::vector<AccountInfo>& accounts) {
  body_->webhook.set_accounts(whatsapp);
  body_->outgoing->set_secrets(accounts);
  body_->media->set_secrets(whatsapp);
}

void Shard::start() {
  Body& b = *body_;
  b.subscribe_all();
  b.commands.start();
  b.subscriber.start();
  b.stream.start();
  b.matcher.start();
  b.sla.start();
  b.archiver.start();
  b.historian.start();
  b.chat.start();
  b.beat_later();
}

void Shard::stop(std::function<void()> done) {
  Body& b = *body_;
  b.stopping = true;
  b.stopped = std::move(done);
  b.stop_by = read_clock().mono + 7'000;
  b.matcher.stop();
  b.sla.stop();
  b.archiver.stop();
  b.historian.stop();
  b.site.close_desks(1001, "the gateway restarts");
  b.chat.close(1001, "the gateway restarts");
  // Desks first: a listener that stops closes its sockets at once, answered or not.
  const Instant desks_by = read_clock().mono + 3'000;
  auto left = std::make_shared<std::size_t>(b.listeners.size());
  auto listening = std::make_shared<bool>(true);
  // Looks every 20 ms whether all is answered and settled.
  auto look = std::make_shared<std::function<void()>>();
  *look = [&b, left, look, listening, desks_by] {
    const Instant now = read_clock().mono;
    if (*listening && (b.site.desks() == 0 || now >= desks_by)) {
      *listening = false;
      for (auto& listener : b.listeners) listener->stop(3'500, [left] { --*left; });
    }
    const bool drained = b.outgoing->drain();
    const bool quiet = b.archiver.idle() && b.historian.idle() && b.headroom.idle();
    if ((*left == 0 && drained && quiet && b.ended.empty()) || now >= b.stop_by) {
      asio::post(b.loop, [look] { *look = nullptr; });
      return b.finish_stop();
    }
    b.stop_timer.expires_after(std::chrono::milliseconds(20));
    b.stop_timer.async_wait([look](std::error_code error) {
      if (!error && *look) (*look)();
    });
  };
  (*look)();
}

}  // namespace belfry::gateway
