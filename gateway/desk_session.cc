#include "gateway/desk_session.h"

#include <algorithm>
#include <asio/post.hpp>
#include <chrono>
#include <utility>

#include "belfry/list.h"
#include "gateway/api/uploads.h"
#include "gateway/directive.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr std::uint16_t kSignedOut = 4401;
constexpr std::chrono::seconds kDoubtRetry{1};
constexpr std::chrono::seconds kWatchEvery{1};
constexpr int kMaxOpenFrames = 8;
constexpr std::size_t kMaxEarly = 1'000;

// Of an address of the web chat: the visitor.
std::optional<std::string> visitor_of(std::string_view address) {
  constexpr std::string_view kWeb = "web:";
  if (!address.starts_with(kWeb)) return std::nullopt;
  return std::string(address.substr(kWeb.size()));
}

}  // namespace

DeskSession::DeskSession(Deps deps, std::shared_ptr<WebSocket> socket, Subject subject, std::string session_id)
    : deps_(std::move(deps)),
      socket_(std::move(socket)),
      subject_(std::move(subject)),
      agent_(subject_.agent),
      commands_(deps_.services),
      session_id_(std::move(session_id)),
      doubt_timer_(deps_.services.loop),
      watch_timer_(deps_.services.loop) {}

void DeskSession::start() {
  // The socket holds these for its life; the session is held by its registry until `gone`.
  socket_->on_text = [self = weak_from_this()](std::string&& text) {
    if (const auto s = self.lock()) s->on_text(std::move(text));
  };
  socket_->on_close = [self = weak_from_this()](std::uint16_t code) {
    if (const auto s = self.lock()) s->ended(code);
  };
}

void DeskSession::close(std::uint16_t code, std::string_view reason) { socket_->close(code, reason); }

void DeskSession::finish(std::uint16_t code, std::string_view reason) {
  if (open_ == 0) return close(code, reason);
  finishing_ = true;
  finish_code_ = code;
  finish_reason_ = reason;
  socket_->pause();
}

void DeskSession::hold() {
  if (++open_ >= kMaxOpenFrames) socket_->pause();
}

void DeskSession::release() {
  --open_;
  if (phase_ == Phase::kClosed) return;
  if (finishing_) {
    // The answer itself is sent right after this; the close goes behind it.
    if (open_ == 0) {
      asio::post(deps_.services.loop, [self = shared_from_this()] {
        if (self->open_ == 0) self->close(self->finish_code_, self->finish_reason_);
      });
    }
    return;
  }
  if (open_ == kMaxOpenFrames - 1) socket_->resume();
}

void DeskSession::on_text(std::string&& text) {
  auto frame = desk::read(text);
  if (!frame) {
    // What cannot be read at all has an empty client_id.
    return nack(desk::client_id_of(text), wire::problem(400, "bad_frame", frame.error().detail));
  }
  if (frame->kind == desk::Frame::Kind::kPing) return socket_->send(desk::write_pong());
  if (frame->kind == desk::Frame::Kind::kHello) return hello(*frame);
  if (phase_ == Phase::kNew) return nack(frame->client_id, wire::problem(409, "hello_first", "Send hello first."));
  handle(*frame);
}

void DeskSession::hello(const desk::Frame& frame) {
  if (phase_ != Phase::kNew)
    return nack(frame.client_id, wire::problem(409, "hello_again", "hello was said before on this socket."));
  phase_ = Phase::kJoining;
  const std::int64_t after = frame.last_id.empty() ? -1 : std::stoll(frame.last_id);
  deps_.hub.join(agent_, this, [self = shared_from_this(), after](Result<void> subscribed) {
    if (self->phase_ != Phase::kJoining) return;
    if (!subscribed) return self->close(1013, "store away");
    self->on_doubt();  // what was said on the channel before we heard it
    Services& s = self->deps_.services;
    s.store.session(s.shard, s.shard_epoch(), self->agent_, self->session_id_, true, [self, after](Result<Outcome> out) {
      if (self->phase_ != Phase::kJoining) return;
      if (!out || out->what == Outcome::What::kLost) return self->close(1013, "store away");
      if (out->what == Outcome::What::kMissing) return self->close(1008, "no such agent");
      self->catch_up(after);
    });
  });
}

void DeskSession::announce() {
  if (phase_ != Phase::kLive) return;
  Services& s = deps_.services;
  s.store.session(s.shard, s.shard_epoch(), agent_, session_id_, true, [](const Result<Outcome>&) {});
}

// Replay first, then the view: so the view is never older than the last event of the replay.
void DeskSession::catch_up(std::int64_t after) {
  const auto then = [self = shared_from_this(), after](Result<routing::Replay> replay) {
    if (!replay) return self->close(1013, "store away");
    self->deps_.services.store.desk(
        self->agent_, [self, after, replay = std::move(*replay)](Result<routing::DeskView> view) mutable {
          if (self->phase_ != Phase::kJoining) return;
          if (!view || view->missing) return self->close(1013, "store away");
          if (after < 0) replay.seq = view->seq;
          auto events = std::move(replay.events);
          render(self->deps_.services.store, std::move(events),
                 [self, after, replay = std::move(replay), view = std::move(*view)](Result<Rendered> frames) {
                   if (self->phase_ != Phase::kJoining) return;
                   if (!frames) return self->close(1013, "store away");
                   self->welcome(view, replay, after >= 0);
                   for (std::string& frame : *frames) self->socket_->send(frame);
                   self->phase_ = Phase::kLive;
                   for (auto& [seq, frame] : std::exchange(self->early_, {})) self->on_event(seq, frame);
                 });
        });
  };
  if (after < 0) return then(routing::Replay{});
  deps_.services.store.replay(agent_, after, then);
}

void DeskSession::welcome(const routing::DeskView& view, const routing::Replay& replay, bool asked) {
  desk::Welcome w;
  w.agent = agent_;
  w.name = view.name;
  w.availability = view.availability;
  w.roles = split_list(view.roles);
  w.reset = asked && replay.reset;
  // After a reset the view is the start; else the replay that follows ends at this id.
  w.last_id = w.reset ? view.seq : replay.seq;
  sent_ = w.last_id;
  deps_.hub.joined(agent_, sent_);
  for (const routing::Card& card : view.held) {
    accounts_[card.conversation] = {card.account, card.address};
    if (card.state == "offered" || card.invited == agent_) {
      desk::ConversationView offer = view_of(card);
      offer.expires = card.given + 45'000;
      if (const auto* queue = deps_.services.mirror.queue(card.queue)) offer.expires = card.given + queue->offer_ms;
      w.offers.push_back(std::move(offer));
    } else {
      w.conversations.push_back(view_of(card));
    }
  }
  socket_->send(desk::write(w));
}

void DeskSession::on_event(std::int64_t seq, const std::string& frame) {
  if (phase_ == Phase::kJoining) {
    if (early_.size() < kMaxEarly) early_.emplace_back(seq, frame);
    return;
  }
  if (phase_ != Phase::kLive || seq <= sent_) return;
  if (seq != sent_ + 1) return on_lost();
  sent_ = seq;
  socket_->send(frame);
}

void DeskSession::on_passing(const std::string& frame) {
  if (phase_ == Phase::kLive) socket_->send(frame);
}

void DeskSession::on_lost() { close(4010, "events were lost; connect again with last_id"); }

void DeskSession::on_doubt() {
  deps_.confirm(subject_, [weak = weak_from_this()](Result<Subject> now) {
    const auto self = weak.lock();
    if (!self || self->phase_ == Phase::kClosed) return;
    if (now) {
      self->subject_ = std::move(*now);
      return;
    }
    if (now.error().code == Errc::kUnauthorized) return self->finish(kSignedOut, "signed out");
    self->doubt_timer_.expires_after(kDoubtRetry);
    self->doubt_timer_.async_wait([weak](std::error_code error) {
      if (const auto again = weak.lock(); again && !error && again->phase_ != Phase::kClosed) again->on_doubt();
    });
  });
}

void DeskSession::handle(const desk::Frame& f) {
  Services& s = deps_.services;
  using Kind = desk::Frame::Kind;
  if (!s.store_up() && !f.client_id.empty()) return nack(f.client_id, wire::problem_of({Errc::kUnavailable, ""}));
  // Answers and notes take room; what ends a conversation makes some.
  const Level level = s.level();
  const bool writes = f.kind == Kind::kReply || f.kind == Kind::kNote;
  if (!f.client_id.empty() && (level >= Level::kNothing || (level >= Level::kAlertsOnly && writes))) {
    return nack(f.client_id, no_room(level));
  }
  const routing::Command by{f.conversation, f.gen, agent_, f.client_id};
  switch (f.kind) {
    case Kind::kAvailability: return set_availability(f);
    case Kind::kAccept: return s.store.accept(by, answer(f));
    case Kind::kDecline: return s.store.decline(by, f.reason, answer(f));
    case Kind::kResolve: return s.store.close(by, f.code, routing::kAsQueueSays, answer(f));
    case Kind::kPark: {
      const WallTime tomorrow = s.now().wall + 24 * 3'600'000LL;
      return s.store.park(by, f.until.ms > 0 ? f.until : tomorrow, routing::kAsQueueSays.weight, answer(f));
    }
    case Kind::kTransfer: {
      routing::Transfer what{by, f.to_queue, f.to_agent, 45'000, f.warm, {}};
      if (f.warm && f.to_agent.empty()) {
        what.to_agent = next_to_ask(f);
        if (what.to_agent.empty()) {
          return nack(f.client_id,
                      wire::problem(409, "nobody_free",
                                    "Nobody else of that queue is free to be asked. Pass it on without `warm`: it keeps "
                                    "its place in line."));
        }
      }
      if (const auto* queue = s.mirror.queue(f.to_queue)) what.opens = routing::opens_at(*queue, s.now().wall);
      return s.store.transfer(what, answer(f));
    }
    case Kind::kTake:
    case Kind::kAssign:
    case Kind::kRequeue:
    case Kind::kClose:
    case Kind::kPriority:
    case Kind::kReopen:
    case Kind::kMerge:
    case Kind::kSwitch: return direct(f);
    case Kind::kWatch: return watch(f);
    case Kind::kReply: return reply(f);
    case Kind::kNote: {
      routing::Entry entry;
      entry.dir = routing::Dir::kNote;
      entry.content.type = "text";
      entry.content.text = f.text;
      entry.at = s.now().wall;
      entry.agent = agent_;
      entry.client_id = f.client_id;
      // A supervisor's note reaches whoever has the conversation.
      const bool any = authorize(subject_, Action::kWrite, {"conversations"}).has_value();
      return s.store.note({f.conversation, f.gen, any ? std::string() : agent_}, f.client_id, agent_,
                          routing::encode_entry(entry), answer(f));
    }
    case Kind::kTyping: return typing(f);
    case Kind::kRead: return mark(f);
    default: return;
  }
}

// Warm, to a queue: the one of it who would get it now is asked first. Whom this desk asked for it in the last two minutes and
// who let it go is not asked again.
std::string DeskSession::next_to_ask(const desk::Frame& f) {
  const WallTime now = deps_.services.now().wall;
  const auto* queue = deps_.services.mirror.queue(f.to_queue);
  if (queue == nullptr) return {};
  const std::string until = ":" + std::to_string(now.ms + 120'000);
  if (asked_.size() > 100) asked_.clear();
  std::string& asked = asked_[f.conversation];
  routing::Waiting waiting;
  waiting.conversation = f.conversation;
  waiting.queue = f.to_queue;
  waiting.excluded = agent_ + until + "," + asked;
  waiting.since = now.ms;
  const auto choice = deps_.services.mirror.choose(waiting, now);
  if (!choice) return {};
  asked = choice->agent + until + "," + asked.substr(0, 500);
  return choice->agent;
}

// His own, or, of who may, another's.
void DeskSession::set_availability(const desk::Frame& f) {
  const std::string& whose = f.agent.empty() ? agent_ : f.agent;
  if (auto may = authorize(subject_, Action::kWrite, {"agents", whose}); !may)
    return nack(f.client_id, wire::problem_of(may.error()));
  deps_.services.store.agent_set(whose, f.value, f.reason, whose == agent_ ? std::string() : name_of(subject_), answer(f));
}

void DeskSession::direct(const desk::Frame& f) {
  using Kind = desk::Frame::Kind;
  using Verb = routing::Directive::Verb;
  routing::Directive what;
  what.conversation = f.conversation;
  if (f.gen > 0) what.gen = f.gen;
  what.client_id = f.client_id;
  switch (f.kind) {
    case Kind::kTake:
      what.verb = Verb::kTake;
      what.target = agent_;
      break;
    case Kind::kAssign:
      what.verb = Verb::kAssign;
      what.target = f.to_agent;
      break;
    case Kind::kClose:
      what.verb = Verb::kClose;
      what.target = f.code;
      break;
    case Kind::kPriority:
      what.verb = Verb::kPriority;
      what.target = std::to_string(f.life_safety ? routing::kLifeSafety : f.minutes);
      break;
    case Kind::kReopen:
      what.verb = Verb::kReopen;
      what.target = f.to_queue;
      break;
    case Kind::kMerge:
      what.verb = Verb::kMerge;
      what.target = f.into;
      break;
    case Kind::kSwitch: {
      what.verb = Verb::kSwitch;
      auto target = switch_target(deps_.services.outbox, f.account, f.address);
      if (!target) return nack(f.client_id, wire::problem(422, "invalid_recipient", target.error().detail));
      what.target = std::move(*target);
      accounts_.erase(f.conversation);
      break;
    }
    default:
      what.verb = Verb::kRequeue;
      what.target = f.to_queue;
      break;
  }
  if (auto may = permit(subject_, what); !may) return nack(f.client_id, wire::problem_of(may.error()));
  deps_.services.store.direct(what, answer(f));
}

void DeskSession::watch(const desk::Frame& f) {
  if (auto may = authorize(subject_, Action::kWrite, {"agents"}); !may) return nack(f.client_id, wire::problem_of(may.error()));
  ack(f.client_id, {});
  watch_timer_.cancel();
  watch_.reset();
  if (!f.on) return;
  watch_ = std::make_unique<QueueWatch>();
  show_watched();
}

void DeskSession::show_watched() {
  if (phase_ != Phase::kLive || !watch_) return;
  for (const std::string& frame : watch_->news(deps_.services.mirror, deps_.services.now().wall)) socket_->send(frame);
  watch_timer_.expires_after(kWatchEvery);
  watch_timer_.async_wait([weak = weak_from_this()](std::error_code error) {
    if (const auto self = weak.lock(); self && !error) self->show_watched();
  });
}

void DeskSession::reply(desk::Frame f) {
  const auto found = accounts_.find(f.conversation);
  if (found == accounts_.end()) {
    // Learn which account the conversation belongs to, once.
    hold();
    return deps_.services.store.cards({f.conversation}, [self = shared_from_this(), f](Result<std::vector<routing::Card>> cards) {
      self->release();
      if (!cards) return self->nack(f.client_id, wire::problem_of(cards.error()));
      if (!cards->empty() && cards->front().gen != f.gen) {  // it was his, and moved on
        Outcome now;
        now.gen = cards->front().gen;
        now.state = cards->front().state;
        now.owner = cards->front().owner;
        return self->nack(f.client_id, stale_problem(now));
      }
      if (cards->empty() || cards->front().owner != self->agent_) {
        return self->nack(f.client_id,
                          wire::problem(403, "not_yours", "This conversation is not yours. Accept its offer first."));
      }
      if (self->accounts_.size() > 1'000) self->accounts_.clear();
      self->accounts_[f.conversation] = {cards->front().account, cards->front().address};
      self->reply(f);
    });
  }
  const std::string account = found->second.first;
  // Only a file is asked about; all else goes on at once.
  const bool asks = deps_.services.outbox.file_named(account, f.content).has_value();
  if (asks) hold();
  Content content = std::move(f.content);
  api::admit_upload(
      deps_.services.outbox, commands_, subject_, account, std::move(content),
      [self = shared_from_this(), f = std::move(f), account, asks](tl::expected<Content, wire::Problem> admitted) mutable {
        if (asks) self->release();
        if (!admitted) return self->nack(f.client_id, admitted.error());
        f.content = std::move(*admitted);
        self->send(f, account);
      });
}

void DeskSession::send(const desk::Frame& f, const std::string& account) {
  Services& s = deps_.services;
  if (auto fine = s.outbox.check(account, f.content); !fine) {
    return nack(f.client_id, wire::problem(422, "content_refused", fine.error().detail));
  }
  routing::Entry entry;
  entry.dir = routing::Dir::kOut;
  entry.content = f.content;
  entry.at = s.now().wall;
  entry.agent = agent_;
  entry.client_id = f.client_id;
  routing::Reply what;
  what.by = {f.conversation, f.gen, agent_, ""};
  what.client_id = f.client_id;
  what.author = agent_;
  what.entry = routing::encode_entry(entry);
  what.needs_window = s.outbox.needs_window(account, f.content);
  what.account = account;
  what.lease = s.outbox.lease(account);
  auto done = answer(f);
  s.store.reply(what, [self = shared_from_this(), f, account = account, at = entry.at, leased = what.lease.epoch > 0,
                       done = std::move(done)](Result<Outcome> out) {
    if (!out && leased && out.error().code != Errc::kUnavailable && out.error().code != Errc::kBusy) {
      self->deps_.services.outbox.lease_in_doubt(account);
    }
    if (out && out->what == Outcome::What::kRefused && out->why == "switched") {
      // It is answered elsewhere than we thought, and nothing was kept: once more, as that account wants it.
      self->accounts_.erase(f.conversation);
      self->release();
      return self->reply(f);
    }
    if (out && out->what == Outcome::What::kOk && out->claimed) {
      self->deps_.services.outbox.hand_over({out->ref, account, out->address, f.content, Lane::kConversation, at});
    }
    done(std::move(out));
  });
}

void DeskSession::typing(const desk::Frame& f) {
  // WhatsApp shows typing in answer to a message of the citizen: his last one.
  Services& s = deps_.services;
  s.store.cards({f.conversation}, [self = shared_from_this()](const Result<std::vector<routing::Card>>& cards) {
    if (!cards || cards->empty() || cards->front().owner != self->agent_) return;
    if (const auto visitor = visitor_of(cards->front().address)) return self->deps_.visitor_typing(*visitor, self->agent_);
    const auto entry = routing::decode_entry(cards->front().last_entry);
    if (entry && entry->dir == routing::Dir::kIn && !entry->provider_id.empty()) {
      self->deps_.tell_owner(cards->front().account, "typing " + entry->provider_id);
    }
  });
}

void DeskSession::mark(const desk::Frame& f) {
  const auto ref = parse_message_id(f.message);
  if (!ref || ref->conversation != f.conversation) return;
  Services& s = deps_.services;
  s.store.cards({f.conversation}, [self = shared_from_this(), ref = *ref](const Result<std::vector<routing::Card>>& cards) {
    if (!cards || cards->empty() || cards->front().owner != self->agent_) return;
    if (const auto visitor = visitor_of(cards->front().address)) return self->deps_.visitor_read(*visitor, ref);
    self->deps_.services.store.entries(ref.conversation, {ref.n},
                                       [self, account = cards->front().account](const Result<std::vector<routing::Line>>& lines) {
                                         if (!lines || lines->empty()) return;
                                         const auto entry = routing::decode_entry(lines->front().entry);
                                         if (entry && entry->dir == routing::Dir::kIn && !entry->provider_id.empty())
                                           self->deps_.tell_owner(account, "read " + entry->provider_id);
                                       });
  });
}

routing::Store::Done<routing::Outcome> DeskSession::answer(const desk::Frame& frame) {
  hold();
  return [self = shared_from_this(), client_id = frame.client_id, conversation = frame.conversation](Result<Outcome> out) {
    self->release();
    if (!out) return self->nack(client_id, wire::problem_of(out.error()));
    switch (out->what) {
      case Outcome::What::kOk:
      case Outcome::What::kRepeat:
        return self->ack(client_id, out->ref.n > 0         ? public_id(out->ref)
                                    : conversation.empty() ? std::string()
                                                           : conversation_id(conversation));
      case Outcome::What::kStale: return self->nack(client_id, stale_problem(*out));
      case Outcome::What::kMissing:
        return self->nack(client_id, wire::problem(404, "not_found", "There is no such conversation, or it is archived."));
      case Outcome::What::kRefused: return self->nack(client_id, refused_problem(out->why));
      case Outcome::What::kWindow:
        return self->nack(client_id,
                          wire::problem(409, "window_closed",
                                        "The citizen's last message is more than 24 hours old, so WhatsApp takes no free "
                                        "text. Send an approved template instead."));
      case Outcome::What::kLost: return self->nack(client_id, wire::problem_of({Errc::kUnavailable, ""}));
    }
  };
}

void DeskSession::ack(const std::string& client_id, const std::string& id) { socket_->send(desk::write_ack(client_id, id)); }
void DeskSession::nack(const std::string& client_id, const wire::Problem& problem) {
  socket_->send(desk::write_nack(client_id, problem));
}

void DeskSession::ended(std::uint16_t) {
  if (phase_ == Phase::kClosed) return;
  const bool joined = phase_ != Phase::kNew;
  phase_ = Phase::kClosed;
  doubt_timer_.cancel();
  watch_timer_.cancel();
  if (joined) {
    deps_.hub.leave(agent_, this);
    deps_.end_session(agent_, session_id_);
  }
  const auto self = shared_from_this();  // `gone` drops the registry's reference
  deps_.gone(this);
}

}  // namespace belfry::gateway
