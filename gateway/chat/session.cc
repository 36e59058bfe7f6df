#include "gateway/chat/session.h"

#include <chrono>
#include <utility>

namespace belfry::gateway {
namespace {

using webchat::Frame;

constexpr std::chrono::seconds kHelloWithin{2};
constexpr int kMaxOpenFrames = 8;
constexpr int kMaxBad = 20;
constexpr std::uint16_t kOriginRefused = 4003, kTooMuch = 4008, kTooManyTabs = 4009, kTryLater = 1013;

class SocketStream final : public ChatStream {
 public:
  explicit SocketStream(std::shared_ptr<WebSocket> socket) : socket_(std::move(socket)) {
    socket_->on_text = [this](std::string&& text) {
      if (on_text) on_text(std::move(text));
    };
    socket_->on_close = [this](std::uint16_t) {
      if (on_close) on_close();
    };
  }
  ~SocketStream() override {
    socket_->on_text = nullptr;
    socket_->on_close = nullptr;
  }
  void send(std::string_view frame) override { socket_->send(frame); }
  void close(std::uint16_t code, std::string_view reason) override { socket_->close(code, reason); }
  void pause() override { socket_->pause(); }
  void resume() override { socket_->resume(); }

 private:
  std::shared_ptr<WebSocket> socket_;
};

// WHATWG HTML 9.2: one event a frame. Its id, where it has one, is the frame's own, and comes back as Last-Event-ID.
class EventStream final : public ChatStream {
 public:
  explicit EventStream(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {
    exchange_->on_gone = [this] { over(); };
    HttpResponse head{200, {}, ""};
    head.headers.add("content-type", "text/event-stream; charset=utf-8");
    head.headers.add("cache-control", "no-store, no-transform");
    head.headers.add("x-accel-buffering", "no");
    head.headers.add("x-content-type-options", "nosniff");
    exchange_->begin(std::move(head));
    exchange_->write("retry: 3000\n\n");
  }
  ~EventStream() override {
    exchange_->on_gone = nullptr;
    if (open_) exchange_->end();
  }
  void send(std::string_view frame) override {
    if (!open_) return over();  // it may have ended before anybody listened
    std::string out = "event: belfry\n";
    constexpr std::string_view kId = R"(,"id":")";
    // Only an event of the log has an id of its own right after its kind.
    if (frame.starts_with(R"({"t":"event","kind":"message")")) {
      const auto at = frame.find(kId) + kId.size();
      out.append("id: ").append(frame.substr(at, frame.find('"', at) - at)).append("\n");
    }
    out.append("data: ").append(frame).append("\n\n");
    if (!exchange_->write(out)) close(0, {});
  }
  void close(std::uint16_t, std::string_view) override {
    if (open_) exchange_->end();
    over();
  }
  void beat() override {
    if (open_ && !exchange_->write(": \n\n")) close(0, {});
  }

 private:
  // on_close may destroy us: it is called from outside.
  void over() {
    open_ = false;
    if (const auto told = std::exchange(on_close, nullptr)) told();
  }

  std::shared_ptr<Exchange> exchange_;
  bool open_ = true;
};

}  // namespace

std::unique_ptr<ChatStream> stream_over(std::shared_ptr<WebSocket> socket) {
  return std::make_unique<SocketStream>(std::move(socket));
}
std::unique_ptr<ChatStream> stream_over(std::shared_ptr<Exchange> exchange) {
  return std::make_unique<EventStream>(std::move(exchange));
}

ChatSession::ChatSession(Deps deps, std::unique_ptr<ChatStream> stream, std::string peer)
    : visitors_(deps.visitors), gone_(std::move(deps.gone)), stream_(std::move(stream)), guest_(std::make_shared<Guest>()) {
  door_.reset(new Door{asio::steady_timer(visitors_.services().loop), std::move(deps.may_embed)});
  guest_->peer = std::move(peer);
}

ChatSession::~ChatSession() = default;

void ChatSession::start() {
  stream_->on_text = [weak = weak_from_this()](std::string&& text) {
    if (const auto self = weak.lock()) self->on_text(std::move(text));
  };
  stream_->on_close = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->ended();
  };
  door_->timer.expires_after(kHelloWithin);
  door_->timer.async_wait([weak = weak_from_this()](std::error_code error) {
    const auto self = weak.lock();
    if (self && !error && self->phase_ == Phase::kNew) self->stream_->close(1008, "no hello within two seconds");
  });
}

void ChatSession::start(const Inbox& inbox, const webchat::Visitor& who, std::int64_t last_id) {
  stream_->on_close = [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->ended();
  };
  guest_->inbox = &inbox;
  guest_->who = who;
  begin(last_id);
}

void ChatSession::greet(const Inbox& inbox, const webchat::Visitor& who, std::int64_t last_id) {
  only_welcome_ = true;
  start(inbox, who, last_id);
}

void ChatSession::bye(std::uint16_t code, std::string_view reason, int retry_after_s) {
  if (phase_ == Phase::kClosed) return;
  stream_->send(webchat::write_bye(code, retry_after_s));
  stream_->close(code, reason);
}

void ChatSession::give_up() { bye(kTryLater, "the store is away", 2); }

void ChatSession::on_text(std::string&& text) {
  if (phase_ == Phase::kNew && text.size() > webchat::kMaxHello) return stream_->close(1009, "a hello is at most 4 KiB");
  auto frame = webchat::read(text);
  if (!frame) {
    if (++bad_ > kMaxBad) return bye(kTooMuch, "too many frames that cannot be read");
    return stream_->send(webchat::write_nack(webchat::client_id_of(text), wire::problem(400, "bad_frame", frame.error().detail)));
  }
  if (frame->kind == Frame::Kind::kPing) return stream_->send(webchat::write_pong());
  if (frame->kind == Frame::Kind::kHello) return hello(*frame);
  if (phase_ != Phase::kLive) {
    return stream_->send(
        webchat::write_nack(frame->client_id, wire::problem(409, "hello_first", "Send hello, and wait for its welcome.")));
  }
  if (++open_ >= kMaxOpenFrames) stream_->pause();
  // Who he is changes in a copy, so that the hub knows this tab by one name until it is told another.
  const bool identifies = frame->kind == Frame::Kind::kIdentify;
  const auto guest = identifies ? std::make_shared<Guest>(*guest_) : guest_;
  visitors_.act(guest, *frame, [weak = weak_from_this(), identifies, guest](const Visitors::Answer& answer) {
    const auto self = weak.lock();
    if (!self || self->phase_ == Phase::kClosed) return;
    if (--self->open_ == kMaxOpenFrames - 1) self->stream_->resume();
    if (!answer.frame.empty()) self->stream_->send(answer.frame);
    if (identifies && !answer.problem) self->become(guest->who);
  });
}

// He signed in on the host page: from now on this tab is one of that person's.
void ChatSession::become(const webchat::Visitor& who) {
  const bool another = who.id != guest_->who.id;
  if (another) visitors_.hub().leave(this);
  guest_->who = who;
  if (!another) return;
  if (!visitors_.hub().join(this)) return bye(kTooManyTabs, "too many tabs");
  catch_up();
}

void ChatSession::hello(const Frame& frame) {
  if (phase_ != Phase::kNew)
    return stream_->send(webchat::write_nack({}, wire::problem(409, "hello_again", "hello was said before on this socket.")));
  const Inbox* inbox = visitors_.inbox(frame.inbox);
  if (inbox == nullptr || !door_->may_embed(*inbox)) return bye(kOriginRefused, "this inbox is not for this page");
  guest_->inbox = inbox;
  guest_->who = visitors_.known_or_new(*inbox, frame.token);
  guest_->language = frame.language;
  guest_->page = frame.page;
  begin(frame.last_id);
}

void ChatSession::begin(std::int64_t last_id) {
  phase_ = Phase::kJoining;
  // First the hub, then the log: what comes between is read again.
  door_.reset();
  if (!visitors_.hub().join(this)) return bye(kTooManyTabs, "too many tabs");
  if (!visitors_.services().store_up()) return give_up();
  visitors_.look(*guest_, webchat::ref_of(last_id), [self = shared_from_this()](Result<Visitors::Shown> shown) {
    if (self->phase_ != Phase::kJoining) return;
    if (!shown) return self->give_up();
    const std::string owner = shown->card ? shown->card->owner : std::string();
    self->visitors_.hub().name_of(owner, [self, shown = std::move(*shown)](const std::string& agent) mutable {
      if (self->phase_ == Phase::kJoining) self->welcome(std::move(shown), agent);
    });
  });
}

void ChatSession::take_up(const routing::Card& card) {
  state_ = card.state;
  queue_ = card.queue;
  guest_->stand(card);
  visitors_.hub().follow(guest_->conversation, this);
}

void ChatSession::welcome(Visitors::Shown shown, const std::string& agent) {
  Visitors& v = visitors_;
  const WallTime now = v.services().now().wall;
  const WebConfig& config = guest_->inbox->config;
  webchat::Welcome w;
  w.token = v.token_of(*guest_);
  w.visitor = guest_->who.id;
  w.reset = shown.reset;
  std::string queue;
  if (const AccountInfo* account = v.services().outbox.account(config.id)) queue = account->queue;
  if (shown.card) {
    take_up(*shown.card);
    last_ = {shown.card->conversation, shown.last};
    w.conversation = shown.card->conversation;
    w.state = shown.card->state;
    if (shown.card->state == "active" || shown.card->state == "bot" || shown.card->state == "parked") w.agent = agent;
    w.last_id = webchat::event_id(last_);
    w.queue = v.place(shown.card->queue, shown.card->conversation);
    told_ = w.queue;
    queue = shown.card->queue;
  }
  if (shown.reset) {
    for (const webchat::MessageView& m : shown.messages) w.messages.push_back(webchat::write(m));
  }
  if (const auto* settings = v.services().mirror.queue(queue)) {
    w.open = routing::is_open(*settings, now);
    if (!w.open) w.opens_at = routing::opens_at(*settings, now);
  }
  if (guest_->who.said().empty() && guest_->who.person.empty() && w.conversation.empty()) {
    for (const std::string& each : config.form) {
      const bool required = !each.ends_with('?');
      w.form.push_back({required ? each : each.substr(0, each.size() - 1), required});
    }
  }
  w.languages = config.languages;
  w.go_on = v.ways_on(*guest_->inbox);
  w.media_max = v.media_max();
  w.alerts = v.hub().notices().in_force(config.id, now);
  stream_->send(webchat::write(w));
  if (only_welcome_) return stream_->close(1000, {});
  if (!shown.reset) {
    for (const webchat::MessageView& m : shown.messages) stream_->send(webchat::write_message(m));
  }
  phase_ = Phase::kLive;
  if (again_) catch_up();
}

void ChatSession::show(const webchat::MessageView& message) { stream_->send(webchat::write_message(message)); }

void ChatSession::on_entry(const MessageRef& ref, State state, const std::string& entry) {
  if (phase_ == Phase::kJoining || reading_) {
    again_ = true;
    return;
  }
  if (phase_ != Phase::kLive) return;
  if (ref.conversation == last_.conversation && ref.n <= last_.n) return;
  if (ref.conversation != last_.conversation || ref.n != last_.n + 1) return catch_up();
  last_ = ref;
  reading_ = true;
  visitors_.view(*guest_, ref, state, entry, [self = shared_from_this()](const std::optional<webchat::MessageView>& message) {
    self->reading_ = false;
    if (self->phase_ != Phase::kLive) return;
    if (message) self->show(*message);
    if (std::exchange(self->again_, false)) self->catch_up();
  });
}

// From the last entry on; or anew, if it is another conversation by now.
void ChatSession::catch_up() {
  again_ = false;
  if (reading_) {
    again_ = true;
    return;
  }
  reading_ = true;
  const auto after = last_.conversation.empty() ? std::nullopt : std::optional<MessageRef>(last_);
  visitors_.look(*guest_, after, [self = shared_from_this()](Result<Visitors::Shown> shown) {
    self->reading_ = false;
    if (self->phase_ != Phase::kLive) return;
    if (!shown) return self->give_up();  // he comes back with last_id
    if (shown->card) {
      self->take_up(*shown->card);
      self->last_ = {shown->card->conversation, shown->last};
      for (const webchat::MessageView& m : shown->messages) self->show(m);
      self->tell_place();
    }
    if (std::exchange(self->again_, false)) self->catch_up();
  });
}

void ChatSession::look_again() {
  if (phase_ == Phase::kLive) catch_up();
  if (phase_ == Phase::kJoining) again_ = true;
}

void ChatSession::on_seen(const MessageRef& ref) {
  if (phase_ == Phase::kLive) stream_->send(webchat::write_receipt(ref, State::kRead, visitors_.services().now().wall));
}

void ChatSession::on_typing(const std::string& agent) {
  if (phase_ == Phase::kLive) stream_->send(webchat::write_typing(agent));
}

void ChatSession::on_change(std::string_view kind, const std::string& agent, const std::string& queue, const std::string& why) {
  if (phase_ != Phase::kLive) {
    again_ = true;
    return;
  }
  if (!queue.empty()) queue_ = queue;
  const std::string conversation = guest_->conversation;
  if (kind == "assigned" || kind == "accepted" || kind == "bot") {
    guest_->owner = agent;
    state_ = kind == "bot" ? "bot" : "active";
    told_ = {};
    visitors_.hub().name_of(agent, [self = shared_from_this(), conversation](const std::string& name) {
      if (self->phase_ == Phase::kLive) self->stream_->send(webchat::write_assigned(conversation, name));
    });
  } else if (kind == "closed") {
    state_ = "closed";
    guest_->conversation.clear();
    guest_->owner.clear();
    visitors_.hub().follow({}, this);
    stream_->send(webchat::write_closed(conversation, why));
  } else if (kind == "queued" || kind == "requeued" || kind == "after_hours") {
    state_ = kind == "requeued" ? "queued" : std::string(kind);
    guest_->owner.clear();
    tell_place();
  } else if (kind == "switched") {
    // It is answered elsewhere now; what he writes here still comes into it.
    visitors_.services().store.cards(
        {conversation}, [self = shared_from_this()](const Result<std::vector<routing::Card>>& cards) {
          if (!cards || cards->empty() || self->phase_ != Phase::kLive) return;
          const routing::Card& card = cards->front();
          const std::size_t shown = std::min<std::size_t>(3, card.address.size());
          self->stream_->send(webchat::write_moved(card.conversation, card.channel == "wa" ? "whatsapp" : card.channel,
                                                   "…" + card.address.substr(card.address.size() - shown)));
        });
  }
}

void ChatSession::on_pulse() {
  if (phase_ == Phase::kLive && state_ != "active" && state_ != "closed") tell_place();
}

void ChatSession::tell_place() {
  if (guest_->conversation.empty()) return;
  const webchat::QueueView now = visitors_.place(queue_, guest_->conversation);
  if (now.position == 0 || (now.position == told_.position && now.wait_s == told_.wait_s)) return;
  told_ = now;
  stream_->send(webchat::write_queue(now));
}

void ChatSession::announce(const Announcement& what, const std::string& frame) {
  if (phase_ == Phase::kLive && is_for(what, guest_->inbox->config.id)) stream_->send(frame);
}

void ChatSession::ended() {
  if (phase_ == Phase::kClosed) return;
  const bool joined = phase_ != Phase::kNew;
  phase_ = Phase::kClosed;
  door_.reset();
  if (joined) visitors_.hub().leave(this);
  const auto self = shared_from_this();  // `gone` drops the registry's reference
  gone_(this);
}

}  // namespace belfry::gateway
