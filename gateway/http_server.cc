// See http_server.h. The rule of this file: codecs call events from inside feed() and from inside answers, so nothing here
// touches the Pump in an event; sync() does, once, when the outermost call returns.
#include "gateway/http_server.h"

#include <algorithm>
#include <asio/post.hpp>
#include <utility>
#include <vector>

#include "adapters/wire/http1.h"
#include "adapters/wire/http2.h"
#include "adapters/wire/server_codec.h"
#include "adapters/wire/websocket.h"
#include "gateway/ticks.h"

namespace belfry::gateway {
namespace {

constexpr std::size_t kPumpAhead = 256UL * 1024;     // octets of a connection that wait in its Pump; the rest stays in its codec
constexpr std::size_t kPumpAheadH2 = 64UL * 1024;    // above it a peer that asks and does not read is not heard
constexpr std::size_t kStreamAhead = 1024UL * 1024;  // of a streamed answer
constexpr std::size_t kPumpLimit = 16UL * 1024 * 1024;  // never reached: a bound all the same
constexpr std::size_t kFramesAtOnce = 64UL * 1024;      // of a socket, before they go to the codec
constexpr std::int64_t kLingerMs = 2'000;
constexpr std::int64_t kMinRateGraceMs = 5'000;
constexpr std::int64_t kMinBytesPerSecond = 1024;
constexpr std::int64_t kPingWindowMs = 10'000;
constexpr int kPingsPerWindow = 5'000;
constexpr int kUnansweredPings = 2;
constexpr std::string_view kPrefaceStart = "PRI ";

class Socket;
class HttpExchange;

}  // namespace

class HttpConnection final : public wire::ServerEvents, private Ticked, public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(asio::io_context& loop, std::shared_ptr<Pump> pump, std::string peer, std::string bucket,
                 std::shared_ptr<HttpHost> host)
      : loop_(loop),
        ticks_(Ticks::of(loop)),
        pump_(std::move(pump)),
        host_(std::move(host)),
        peer_(std::move(peer)),
        bucket_(std::move(bucket)) {}
  ~HttpConnection() override { leave(); }

  void start();
  void drain();
  void drop();

  // For exchanges and sockets.
  wire::ServerCodec* codec() { return open_ ? codec_.get() : nullptr; }
  asio::io_context& loop() { return loop_; }
  Ticks& ticks() { return ticks_; }
  HttpHost& host() { return *host_; }
  void sync();
  // Octets of a stream that no peer has taken, given what its codec still holds.
  std::size_t unsent(std::size_t in_codec) const { return in_codec + (http2_ != nullptr ? 0 : pump_->queued()); }
  // HTTP/2 hands over a tunnel's early octets only when told the time.
  void tell_time() {
    if (http2_ == nullptr || !open_) return;
    const Turn turn(*this);
    http2_->tick(ticks_.now());
  }
  void forget(HttpExchange* exchange);
  std::shared_ptr<Socket> make_socket(wire::StreamId stream, const WebSocketLimits& limits);
  void forget(Socket* socket);

 private:
  std::size_t on_head(wire::StreamId stream, HttpRequest& head) override;
  void on_request(wire::StreamId stream, HttpRequest request) override;
  void on_tunnel(wire::StreamId stream, HttpRequest request) override;
  void on_tunnel_bytes(wire::StreamId stream, std::string_view bytes) override;
  void on_tunnel_end(wire::StreamId stream) override;
  void on_gone(wire::StreamId stream) override;
  void on_tick(std::int64_t now_ms) override;

  void bytes(std::string_view bytes);
  void input_ended();
  bool choose_codec(std::string_view bytes);
  void gone();
  void tell_gone();
  void leave();
  void finish();
  void expire();
  Socket* socket_of(wire::StreamId stream);

  // Calls that lead into a codec count here; the outermost one syncs.
  struct Turn {
    explicit Turn(HttpConnection& c) : connection(c) { ++connection.depth_; }
    ~Turn() { --connection.depth_; }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    HttpConnection& connection;
  };

  asio::io_context& loop_;
  Ticks& ticks_;
  std::shared_ptr<Pump> pump_;
  std::shared_ptr<HttpHost> host_;
  std::unique_ptr<wire::ServerCodec> codec_;
  wire::Http2Server* http2_ = nullptr;  // codec_, if that is what it is
  const std::string peer_;
  const std::string bucket_;
  std::string preface_;  // the first octets of a plain link, until they tell HTTP/2 from HTTP/1.1
  std::vector<HttpExchange*> exchanges_;
  std::vector<std::shared_ptr<Socket>> sockets_;
  std::uint64_t requests_ = 0;
  std::uint64_t taken_in_ = 0;  // octets read
  std::uint64_t written_ = 0;   // octets given to the Pump
  std::int64_t since_ms_ = 0;   // of the present phase
  std::uint64_t since_in_ = 0;  // taken_in_ at its start
  std::uint64_t since_requests_ = 0;
  std::uint64_t progress_ = 0;    // octets the peer had taken
  std::int64_t progress_ms_ = 0;  // when that last changed
  wire::Phase phase_ = wire::Phase::kIdle;
  int depth_ = 0;
  bool open_ = true;  // the Pump may be written to
  bool listed_ = false;
  bool fatal_ = false;  // the codec gave up on its peer
  bool held_ = false;   // reading is paused
  bool draining_ = false;
};

namespace {

class HttpExchange final : public Exchange {
 public:
  HttpExchange(std::shared_ptr<HttpConnection> connection, wire::StreamId stream, HttpRequest request, bool tunnel)
      : connection_(std::move(connection)), request_(std::move(request)), stream_(stream), tunnel_(tunnel) {}
  ~HttpExchange() override {
    connection_->forget(this);
    if (state_ == State::kOwed) {
      HttpResponse response;
      response.status = 500;
      respond(std::move(response));
    } else if (state_ == State::kStreaming) {
      if (auto* codec = connection_->codec()) {
        codec->reset(stream_);  // a cut answer must look cut
        connection_->sync();
      }
    }
  }

  const HttpRequest& request() const override { return request_; }
  bool wants_websocket() const override { return tunnel_; }

  void answer(HttpResponse response) override {
    if (state_ == State::kOwed) respond(std::move(response));
  }

  std::shared_ptr<WebSocket> upgrade(std::string_view subprotocol, const WebSocketLimits& limits) override;

  void begin(HttpResponse head) override {
    if (state_ != State::kOwed) return;
    state_ = State::kStreaming;
    if (auto* codec = connection_->codec()) {
      codec->begin(stream_, std::move(head));
      connection_->sync();
    }
  }

  bool write(std::string_view chunk) override {
    if (state_ != State::kStreaming) return false;
    auto* codec = connection_->codec();
    if (codec == nullptr) return false;
    const std::size_t left = codec->write(stream_, chunk);
    connection_->sync();
    return connection_->unsent(left) <= kStreamAhead;
  }

  void end() override {
    if (state_ != State::kStreaming) return;
    state_ = State::kDone;
    if (auto* codec = connection_->codec()) {
      codec->end(stream_);
      connection_->sync();
    }
  }

  wire::StreamId stream() const { return stream_; }

  // The peer left. The caller holds the connection.
  void gone() {
    if (state_ == State::kDone) return;
    state_ = State::kDone;
    if (auto told = std::exchange(on_gone, nullptr)) told();
  }

 private:
  enum class State : std::uint8_t { kOwed, kStreaming, kDone };

  void respond(HttpResponse response) {
    state_ = State::kDone;
    if (auto* codec = connection_->codec()) {
      codec->respond(stream_, std::move(response));
      connection_->sync();
    }
  }

  const std::shared_ptr<HttpConnection> connection_;
  HttpRequest request_;
  const wire::StreamId stream_;
  const bool tunnel_;
  State state_ = State::kOwed;
};

class Socket final : public WebSocket, public wire::WebSocketEvents, public std::enable_shared_from_this<Socket> {
 public:
  Socket(std::shared_ptr<HttpConnection> connection, wire::StreamId stream, const WebSocketLimits& limits)
      : connection_(std::move(connection)),
        stream_(stream),
        limits_(limits),
        protocol_(*this, {limits.max_message, limits.max_frames, limits.max_pending_pongs}) {
    if (!connection_) return;
    ++connection_->host().stats.sockets;
    const std::int64_t now = connection_->ticks().now_ms();
    next_ping_ms_ = now + limits_.ping_every_ms;
    ping_window_ms_ = now + kPingWindowMs;
  }

  void send(std::string_view text) override { put(true, text); }
  void send_binary(std::string_view bytes) override { put(false, bytes); }

  void close(std::uint16_t code, std::string_view reason) override {
    if (!connection_ || protocol_.closing()) return;
    protocol_.close(code, reason);
    close_by_ms_ = connection_->ticks().after(limits_.close_timeout_ms);
    paused_ = false;  // its close frame has to be read
    transmit();
    listen_later();
  }

  void pause() override { paused_ = true; }
  void resume() override {
    if (!paused_) return;
    paused_ = false;
    listen_later();
  }

  std::size_t queued() const override {
    auto* codec = connection_ ? connection_->codec() : nullptr;
    return codec == nullptr ? 0 : connection_->unsent(codec->tunnel_write(stream_, {}));
  }

  wire::StreamId stream() const { return stream_; }

  // An upgrade leaves its caller time to set on_text: nothing is handed over before the next turn.
  void begin() { listen_later(); }

  void tunnel_bytes(std::string_view bytes) {
    if (waiting_ || paused_ || !raw_.empty()) {
      raw_ += bytes;  // bounded: what is not consumed stops the reading of the link
      return;
    }
    take_in(bytes);
  }

  void tunnel_ended() { end(static_cast<std::uint16_t>(wire::CloseCode::kAbnormal)); }

  // The link fell: no codec is left to talk to.
  void gone() { end(static_cast<std::uint16_t>(overflowed_ ? wire::CloseCode::kTryLater : wire::CloseCode::kAbnormal)); }

  void drained() { protocol_.drained(); }

  void tick(std::int64_t now_ms) {
    if (!connection_) return;
    const auto keep = shared_from_this();
    if (protocol_.closing()) {
      if (now_ms >= close_by_ms_) end(static_cast<std::uint16_t>(wire::CloseCode::kAbnormal));
      return;
    }
    if (now_ms >= ping_window_ms_) {
      ping_window_ms_ = now_ms + kPingWindowMs;
      if (protocol_.pings_seen() > kPingsPerWindow) return close(static_cast<std::uint16_t>(wire::CloseCode::kPolicy), "pings");
      protocol_.forget_pings();
    }
    if (limits_.ping_every_ms > 0 && now_ms >= next_ping_ms_) {
      next_ping_ms_ = now_ms + limits_.ping_every_ms;
      if (paused_) return;  // pongs wait with the rest
      if (unanswered_pings_ >= kUnansweredPings) return end(static_cast<std::uint16_t>(wire::CloseCode::kAbnormal));
      ++unanswered_pings_;
      protocol_.ping();
      transmit();
    }
  }

 private:
  void on_message(bool text, std::string&& message) override {
    if (paused_ || !held_.empty()) {
      held_.emplace_back(text, std::move(message));  // at most what one read held
    } else {
      deliver(text, std::move(message));
    }
  }
  void on_pong() override { unanswered_pings_ = 0; }
  void on_closed(std::uint16_t code) override { closed_code_ = code; }

  void deliver(bool text, std::string&& message) {
    if (protocol_.closing()) return;
    if (text) {
      if (on_text) on_text(std::move(message));
    } else if (on_binary) {
      on_binary(std::move(message));
    } else {
      close(static_cast<std::uint16_t>(wire::CloseCode::kUnsupportedData), "text only");
    }
  }

  void take_in(std::string_view bytes) {
    const auto keep = shared_from_this();
    feeding_ = true;
    protocol_.feed(bytes);
    feeding_ = false;
    if (!connection_) return;
    if (auto* codec = connection_->codec()) codec->tunnel_consumed(stream_, bytes.size());
    settle();
  }

  void settle() {
    transmit();
    if (protocol_.closed() && held_.empty()) end(closed_code_);
  }

  void listen_later() {
    if (waiting_ || !connection_) return;
    waiting_ = true;
    asio::post(connection_->loop(), [me = shared_from_this()] {
      me->waiting_ = false;
      if (!me->connection_) return;
      const auto connection = me->connection_;
      while (me->connection_ && !me->paused_ && !me->held_.empty()) {
        auto [text, message] = std::move(me->held_.front());
        me->held_.erase(me->held_.begin());
        me->deliver(text, std::move(message));
      }
      if (me->connection_ && !me->paused_ && me->held_.empty()) {
        const std::string raw = std::exchange(me->raw_, {});
        if (!raw.empty()) {
          me->take_in(raw);
        } else {
          me->settle();
        }
        connection->tell_time();
      }
      connection->sync();
    });
  }

  void put(bool text, std::string_view message) {
    if (!connection_ || protocol_.closing()) return;
    protocol_.send(text, message);
    transmit();
  }

  // Hands frames to the codec. A reader too slow for its bound is cut off: what it has not taken would grow without end.
  void transmit() {
    if (!connection_ || overflowed_) return;
    if (feeding_ && protocol_.pending() < kFramesAtOnce) return;  // small answers of one read leave together
    auto* codec = connection_->codec();
    if (codec == nullptr) return;
    const std::string frames = protocol_.take();
    if (frames.empty()) return;
    const std::size_t left = codec->tunnel_write(stream_, frames);
    connection_->sync();
    if (!connection_ || connection_->unsent(left) <= limits_.max_queued || queued() <= limits_.max_queued) return;
    overflowed_ = true;
    ++connection_->host().stats.slow_consumers;
    protocol_.close(static_cast<std::uint16_t>(wire::CloseCode::kTryLater), "too slow");
    codec->reset(stream_);
    // Its owner is in the middle of send(): it hears of the end in the next turn.
    asio::post(connection_->loop(),
               [me = shared_from_this()] { me->end(static_cast<std::uint16_t>(wire::CloseCode::kTryLater)); });
    connection_->sync();
  }

  void end(std::uint16_t code) {
    if (!connection_) return;
    const auto keep = shared_from_this();
    const auto connection = std::exchange(connection_, nullptr);
    --connection->host().stats.sockets;
    if (auto* codec = connection->codec()) {
      const std::string frames = protocol_.take();
      if (!frames.empty()) codec->tunnel_write(stream_, frames);
      codec->tunnel_end(stream_);
    }
    connection->forget(this);
    on_text = nullptr;
    on_binary = nullptr;
    if (auto told = std::exchange(on_close, nullptr)) told(code);
    connection->sync();
  }

  std::shared_ptr<HttpConnection> connection_;  // null once over
  const wire::StreamId stream_;
  const WebSocketLimits limits_;
  wire::WebSocketServer protocol_;
  std::string raw_;                                 // octets not yet given to the protocol
  std::vector<std::pair<bool, std::string>> held_;  // messages that came after a pause
  std::int64_t next_ping_ms_ = 0;
  std::int64_t ping_window_ms_ = 0;
  std::int64_t close_by_ms_ = 0;
  int unanswered_pings_ = 0;
  std::uint16_t closed_code_ = 0;
  bool paused_ = false;
  bool waiting_ = false;  // a turn is posted that will listen
  bool feeding_ = false;
  bool overflowed_ = false;
};

std::shared_ptr<WebSocket> HttpExchange::upgrade(std::string_view subprotocol, const WebSocketLimits& limits) {
  auto* codec = connection_->codec();
  if (state_ != State::kOwed || !tunnel_ || codec == nullptr) {
    // The peer is gone: a socket that closes in the next turn.
    auto dead = std::make_shared<Socket>(nullptr, stream_, limits);
    asio::post(connection_->loop(), [dead] {
      if (auto told = std::exchange(dead->on_close, nullptr)) told(static_cast<std::uint16_t>(wire::CloseCode::kAbnormal));
    });
    return dead;
  }
  state_ = State::kDone;
  const auto socket = connection_->make_socket(stream_, limits);
  HttpResponse head;
  if (!subprotocol.empty()) head.headers.add("sec-websocket-protocol", std::string(subprotocol));
  socket->begin();
  codec->accept_tunnel(stream_, std::move(head));
  connection_->sync();
  return socket;
}

}  // namespace

void HttpConnection::start() {
  host_->connections.insert(this);
  ++host_->per_address[bucket_];
  listed_ = true;
  ticks_.add(*this);
  since_ms_ = progress_ms_ = ticks_.now_ms();
  if (pump_->secure()) pump_->set_deadline(host_->limits.handshake_timeout_ms);
  const auto me = shared_from_this();
  PumpHandlers handlers;
  handlers.on_bytes = [me](std::string_view bytes) { me->bytes(bytes); };
  handlers.on_end = [me] { me->input_ended(); };
  handlers.on_down = [me](const Error&) { me->gone(); };
  handlers.on_drained = [me] {
    for (const auto& socket : me->sockets_) socket->drained();
    me->sync();
  };
  pump_->start(std::move(handlers));
}

bool HttpConnection::choose_codec(std::string_view bytes) {
  bool h2 = false;
  if (pump_->secure()) {
    pump_->set_deadline(0);  // the handshake is done
    h2 = pump_->alpn() == "h2";
  } else if (host_->limits.h2) {
    preface_ += bytes;
    const std::size_t size = std::min(preface_.size(), kPrefaceStart.size());
    const bool alike = preface_.compare(0, size, kPrefaceStart.substr(0, size)) == 0;
    if (alike && size < kPrefaceStart.size()) return false;  // POST begins like PRI: wait for the next octet
    h2 = alike;
  }
  if (h2) {
    const ServerLimits& limits = host_->limits;
    wire::Http2Limits bounds;
    bounds.max_streams = static_cast<std::uint32_t>(limits.max_streams);
    bounds.max_head = limits.max_head;
    bounds.max_headers = limits.max_headers;
    bounds.websocket = limits.h2_websocket;
    bounds.head_timeout_ms = limits.head_timeout_ms;
    bounds.body_timeout_ms = limits.body_timeout_ms;
    bounds.write_timeout_ms = limits.write_timeout_ms;
    auto codec = std::make_unique<wire::Http2Server>(*this, bounds, pump_->secure() ? "https" : "http");
    http2_ = codec.get();
    codec_ = std::move(codec);
    return true;
  }
  wire::Http1Config config;
  config.max_request_line = host_->limits.max_request_line;
  config.max_head = host_->limits.max_head;
  config.max_headers = host_->limits.max_headers;
  config.secure = pump_->secure();
  config.peer = peer_;
  config.date = &ticks_.date();
  codec_ = wire::make_http1_server(*this, std::move(config));
  return true;
}

void HttpConnection::bytes(std::string_view bytes) {
  const auto keep = shared_from_this();
  taken_in_ += bytes.size();
  {
    const Turn turn(*this);
    std::string first;
    if (!codec_) {
      if (!choose_codec(bytes)) return;
      if (!preface_.empty()) {
        first = std::exchange(preface_, {});
        bytes = first;
      }
    }
    if (http2_ != nullptr) http2_->tick(ticks_.now());
    if (!codec_->feed(bytes)) fatal_ = true;
  }
  sync();
}

void HttpConnection::input_ended() {
  const auto keep = shared_from_this();
  if (!codec_) {
    pump_->close();
    return gone();
  }
  {
    const Turn turn(*this);
    if (http2_ != nullptr) {
      fatal_ = true;  // half of a connection has no use in HTTP/2
    } else {
      codec_->input_ended();
    }
  }
  sync();
}

void HttpConnection::sync() {
  if (depth_ > 0 || !open_ || !codec_) return;
  const auto keep = shared_from_this();
  {
    const Turn turn(*this);  // HTTP/2 has events even in take()
    while (pump_->queued() < kPumpAhead) {
      const std::string piece = codec_->take();
      if (piece.empty()) break;
      written_ += piece.size();
      pump_->write(piece);
    }
  }
  if (codec_->wants_close() || (fatal_ && pump_->queued() < kPumpAhead)) return finish();
  // A peer that asks without reading the answers is not asked for more. A socket's reader has a bound of its own, and must be
  // heard while it is slow: its pongs, its close.
  const bool behind = pump_->queued() >= (http2_ != nullptr ? kPumpAheadH2 : kPumpAhead);
  const bool hold = !codec_->wants_bytes() || (behind && codec_->phase() != wire::Phase::kTunnel);
  if (hold != held_) {
    held_ = hold;
    hold ? pump_->pause() : pump_->resume();
  }
  const wire::Phase phase = codec_->phase();
  if (phase != phase_ || since_requests_ != requests_) {
    phase_ = phase;
    since_requests_ = requests_;
    since_ms_ = ticks_.now_ms();
    since_in_ = taken_in_;
  }
}

// The last octets are in the Pump: it sends them, then FIN.
void HttpConnection::finish() {
  if (!open_) return;
  open_ = false;
  pump_->finish(kLingerMs);
  tell_gone();
}

// One that hears it may let go of the others: each is taken from the list before it is told.
void HttpConnection::tell_gone() {
  while (!exchanges_.empty()) {
    HttpExchange* exchange = exchanges_.back();
    exchanges_.pop_back();
    exchange->gone();
  }
  while (!sockets_.empty()) {
    const auto socket = std::move(sockets_.back());
    sockets_.pop_back();
    socket->gone();
  }
}

void HttpConnection::gone() {
  const auto keep = shared_from_this();
  leave();
  open_ = false;
  tell_gone();
}

void HttpConnection::leave() {
  if (!listed_) return;
  listed_ = false;
  ticks_.remove(*this);
  host_->connections.erase(this);
  if (const auto it = host_->per_address.find(bucket_); it != host_->per_address.end() && --it->second == 0)
    host_->per_address.erase(it);
  if (host_->connections.empty() && host_->on_empty) host_->on_empty();
}

void HttpConnection::drain() {
  if (draining_) return;
  draining_ = true;
  const auto keep = shared_from_this();
  if (!codec_) return drop();
  if (!open_) return;
  {
    const Turn turn(*this);
    const auto sockets = sockets_;
    for (const auto& socket : sockets) socket->close(static_cast<std::uint16_t>(wire::CloseCode::kGoingAway), "restarting");
    codec_->shutdown();
  }
  sync();
}

void HttpConnection::drop() {
  const auto keep = shared_from_this();
  pump_->close();
  gone();
}

void HttpConnection::expire() {
  ++host_->stats.timeouts;
  {
    const Turn turn(*this);
    phase_ == wire::Phase::kIdle ? codec_->shutdown() : codec_->timed_out();
  }
  sync();
}

void HttpConnection::on_tick(std::int64_t now_ms) {
  if (!open_) return;  // the Pump lingers under its own deadline
  const ServerLimits& limits = host_->limits;
  const std::int64_t age = now_ms - since_ms_;
  const auto over = [](std::int64_t spent, std::int64_t limit) { return limit > 0 && spent >= limit; };
  const auto keep = shared_from_this();
  if (!codec_) {
    if (!pump_->secure() && over(age, preface_.empty() ? limits.idle_timeout_ms : limits.head_timeout_ms)) {
      ++host_->stats.timeouts;
      drop();
    }
    return;
  }
  if (http2_ != nullptr) {
    tell_time();
    sync();
    if (!open_) return;
  }
  const std::uint64_t progress = written_ - std::min<std::uint64_t>(written_, pump_->queued());
  if (pump_->queued() == 0 || progress != progress_) {
    progress_ = progress;
    progress_ms_ = now_ms;
  } else if (over(now_ms - progress_ms_, limits.write_timeout_ms)) {
    ++host_->stats.timeouts;
    return drop();
  }
  switch (phase_) {
    case wire::Phase::kIdle:
      if (over(age, limits.idle_timeout_ms)) return expire();
      break;
    case wire::Phase::kHead:
      if (over(age, limits.head_timeout_ms)) return expire();
      break;
    case wire::Phase::kBody: {
      const auto came = static_cast<std::int64_t>(taken_in_ - since_in_);
      const std::int64_t counted = age - kMinRateGraceMs;
      if (over(age, limits.body_timeout_ms) || (counted > 0 && came < counted * kMinBytesPerSecond / 1000)) return expire();
      break;
    }
    case wire::Phase::kBusy:
    case wire::Phase::kTunnel: break;
  }
  for (std::size_t i = sockets_.size(); i-- > 0;) {
    if (i < sockets_.size()) sockets_[i]->tick(now_ms);  // any of them may end, and others with it
  }
}

std::size_t HttpConnection::on_head(wire::StreamId stream, HttpRequest& head) {
  if (head.peer.empty()) head.peer = peer_;
  ++requests_;
  ++host_->stats.requests;
  Admission admission = host_->site.admit(head);
  if (const auto* size = std::get_if<std::size_t>(&admission)) return *size;
  codec_->respond(stream, std::move(std::get<HttpResponse>(admission)));
  return 0;
}

void HttpConnection::on_request(wire::StreamId stream, HttpRequest request) {
  if (request.peer.empty()) request.peer = peer_;
  if (request.path == "*") {
    // What the server as a whole can do (RFC 9110 section 9.3.7).
    HttpResponse response;
    response.status = 204;
    response.headers.add("allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
    codec_->respond(stream, std::move(response));
    return;
  }
  auto exchange = std::make_shared<HttpExchange>(shared_from_this(), stream, std::move(request), false);
  exchanges_.push_back(exchange.get());
  host_->site.serve(std::move(exchange));
}

void HttpConnection::on_tunnel(wire::StreamId stream, HttpRequest request) {
  if (request.peer.empty()) request.peer = peer_;
  auto exchange = std::make_shared<HttpExchange>(shared_from_this(), stream, std::move(request), true);
  exchanges_.push_back(exchange.get());
  host_->site.serve(std::move(exchange));
}

void HttpConnection::on_tunnel_bytes(wire::StreamId stream, std::string_view bytes) {
  if (Socket* socket = socket_of(stream)) {
    const auto keep = socket->shared_from_this();
    socket->tunnel_bytes(bytes);
  } else {
    codec_->tunnel_consumed(stream, bytes.size());
  }
}

void HttpConnection::on_tunnel_end(wire::StreamId stream) {
  if (Socket* socket = socket_of(stream)) socket->tunnel_ended();
}

void HttpConnection::on_gone(wire::StreamId stream) {
  const auto it =
      std::find_if(exchanges_.begin(), exchanges_.end(), [&](const HttpExchange* e) { return e->stream() == stream; });
  if (it != exchanges_.end()) {
    HttpExchange* exchange = *it;
    exchanges_.erase(it);
    exchange->gone();
  }
  if (Socket* socket = socket_of(stream)) socket->gone();
}

void HttpConnection::forget(HttpExchange* exchange) {
  const auto it = std::find(exchanges_.begin(), exchanges_.end(), exchange);
  if (it == exchanges_.end()) return;
  *it = exchanges_.back();
  exchanges_.pop_back();
}

std::shared_ptr<Socket> HttpConnection::make_socket(wire::StreamId stream, const WebSocketLimits& limits) {
  sockets_.push_back(std::make_shared<Socket>(shared_from_this(), stream, limits));
  return sockets_.back();
}

void HttpConnection::forget(Socket* socket) {
  std::erase_if(sockets_, [&](const auto& one) { return one.get() == socket; });
}

Socket* HttpConnection::socket_of(wire::StreamId stream) {
  const auto it = std::find_if(sockets_.begin(), sockets_.end(), [&](const auto& s) { return s->stream() == stream; });
  return it == sockets_.end() ? nullptr : it->get();
}

void serve_http(asio::io_context& loop, StreamSocket socket, SSL_CTX* tls, std::string peer, std::string bucket,
                const std::shared_ptr<HttpHost>& host) {
  auto pump = make_server_pump(loop, std::move(socket), tls, kPumpLimit);
  std::make_shared<HttpConnection>(loop, std::move(pump), std::move(peer), std::move(bucket), host)->start();
}

namespace {
// Connections leave the set while it is walked.
std::vector<std::shared_ptr<HttpConnection>> all_of(HttpHost& host) {
  std::vector<std::shared_ptr<HttpConnection>> all;
  all.reserve(host.connections.size());
  for (HttpConnection* connection : host.connections) all.push_back(connection->shared_from_this());
  return all;
}
}  // namespace

void drain_http(HttpHost& host) {
  for (const auto& connection : all_of(host)) connection->drain();
}

void drop_http(HttpHost& host) {
  for (const auto& connection : all_of(host)) connection->drop();
}

}  // namespace belfry::gateway
