#include "gateway/chat/visitors.h"

#include <algorithm>
#include <utility>

#include "adapters/phone/number.h"
#include "adapters/webchat/channel.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/members.h"
#include "gateway/api/uploads.h"
#include "gateway/config.h"
#include "gateway/proof.h"
#include "gateway/waiting_room.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

using webchat::Frame;
using wire::problem;

constexpr std::int64_t kDay = 86'400'000;
constexpr int kShown = 200;  // entries of a log that a page begins with
constexpr int kMissed = 500;
constexpr int kReadBack = 64;  // entries that one read mark settles
constexpr int kDefaultOpens = 20;
constexpr std::size_t kMaxAsked = 10'000;
constexpr std::int64_t kSolvedFor = 600'000;

Visitors::Answer refuse(const Frame& frame, const wire::Problem& why) { return {webchat::write_nack(frame.client_id, why), why}; }

}  // namespace

std::string Guest::address() const { return webchat::address_of(who.id); }

void Guest::stand(const routing::Card& card) {
  const bool here = card.state != "closed" && card.account == inbox->config.id;
  conversation = here ? card.conversation : std::string();
  owner = here ? card.owner : std::string();
}

Visitors::Visitors(Deps deps) : deps_(std::move(deps)), commands_(deps_.services) {
  for (const Inbox& inbox : deps_.inboxes) {
    const int most = inbox.config.challenge_after >= 0 ? inbox.config.challenge_after : kDefaultOpens;
    messages_[inbox.config.id] =
        std::make_unique<Limiter>(inbox.config.message_burst, std::max(1, 1'000 / inbox.config.message_rate), 100'000);
    if (most > 0) opens_[inbox.config.id] = std::make_unique<Limiter>(most, 3'600'000 / most);
  }
}

const Inbox* Visitors::inbox(std::string_view id) const {
  for (const Inbox& each : deps_.inboxes) {
    if (each.config.id == id) return &each;
  }
  return nullptr;
}

webchat::Visitor Visitors::known_or_new(const Inbox& inbox, std::string_view token) const {
  const WallTime now = deps_.services.now().wall;
  if (!token.empty()) {
    if (auto known = webchat::verify(inbox.key.reveal(), inbox.config.id, token, now)) return std::move(*known);
  }
  webchat::Visitor fresh;
  fresh.inbox = inbox.config.id;
  fresh.id = wire::to_hex(wire::random_bytes(16));
  fresh.since = now;
  return fresh;
}

std::string Visitors::token_of(const Guest& guest) const {
  return webchat::sign(guest.inbox->key.reveal(), guest.who, deps_.services.now().wall);
}

// An address of this machine is a proxy's, before many citizens: it is counted only where the operator said how many.
bool Visitors::counts(const Guest& guest) const { return guest.inbox->config.challenge_after >= 0 || !is_loopback(guest.peer); }

// A conversation that he has already counts as well where this road does not know of it yet: at worst his page works once.
bool Visitors::may_open(const Guest& guest) {
  const Instant now = deps_.services.now().mono;
  if (!counts(guest)) return true;
  if (const auto it = solved_.find(guest.who.id); it != solved_.end() && now < it->second) return true;
  const auto opens = opens_.find(guest.inbox->config.id);
  return opens == opens_.end() || opens->second->take(guest.peer, now);
}

wire::Problem Visitors::challenge(const Guest& guest) {
  const auto asked =
      webchat::challenge(guest.inbox->key.reveal(), guest.who.id, guest.inbox->config.challenge_bits, deps_.services.now().wall);
  if (asked_.size() >= kMaxAsked) asked_.clear();
  asked_[guest.who.id] = asked.salt;
  wire::Problem why =
      problem(429, "challenge", "Many conversations were opened from here. Your browser must do a little work first.");
  why.more = webchat::challenge_member(asked);
  return why;
}

bool Visitors::solve(const Guest& guest, const Frame& frame) {
  const Now now = deps_.services.now();
  const auto asked = asked_.find(guest.who.id);
  const std::string salt = !frame.salt.empty() ? frame.salt : asked == asked_.end() ? std::string() : asked->second;
  if (!webchat::solves(guest.inbox->key.reveal(), guest.who.id, salt, guest.inbox->config.challenge_bits, frame.nonce, now.wall))
    return false;
  if (solved_.size() >= kMaxAsked) solved_.clear();
  solved_[guest.who.id] = now.mono + kSolvedFor;
  if (asked != asked_.end()) asked_.erase(asked);
  return true;
}

void Visitors::act(const std::shared_ptr<Guest>& guest, const Frame& frame, Done done) {
  Services& s = deps_.services;
  const WallTime now = s.now().wall;
  const auto ack = [&](std::string token) { done({webchat::write_ack(frame.client_id, {}, token), {}}); };
  switch (frame.kind) {
    case Frame::Kind::kMessage: return message(guest, frame, std::move(done));
    case Frame::Kind::kForm: {
      webchat::Form form = frame.form;
      if (!form.phone.empty()) {
        auto number = phone::e164(form.phone);
        if (!number) return done(refuse(frame, problem(422, "invalid_form", "`phone`: " + number.error().detail)));
        form.phone = std::move(*number);
      }
      for (const std::string& each : guest->inbox->config.form) {
        const std::string& value = each == "name"    ? form.name
                                   : each == "phone" ? form.phone
                                   : each == "email" ? form.email
                                                     : form.language;
        if (!each.ends_with('?') && value.empty())
          return done(refuse(frame, problem(422, "invalid_form", "`" + each + "` is asked for here: fill it in.")));
      }
      guest->who.form = form.empty() ? nullptr : std::make_shared<const webchat::Form>(std::move(form));
      return ack(token_of(*guest));
    }
    case Frame::Kind::kIdentify: {
      auto identity = webchat::read_identity(guest->inbox->config.identity_key.reveal(), guest->inbox->config.id, frame.jwt, now);
      if (!identity) return done(refuse(frame, problem(403, "identity_refused", identity.error().detail)));
      return identify(guest, frame, *identity, std::move(done));
    }
    case Frame::Kind::kSolve: {
      if (!solve(*guest, frame)) {
        wire::Problem why = challenge(*guest);  // another one, to try again
        why.code = "not_solved";
        why.status = 422;
        why.detail = "This nonce does not solve the challenge, or its ten minutes are over.";
        return done(refuse(frame, why));
      }
      return ack({});
    }
    case Frame::Kind::kContinue: return go_on(guest, frame, std::move(done));
    case Frame::Kind::kTyping: typing(*guest); return done({});
    case Frame::Kind::kRead: return read(guest, frame.message, std::move(done));
    case Frame::Kind::kEnd: return end(guest, frame, std::move(done));
    default: return done({});
  }
}

// The same person is the same visitor, in whatever browser. What he has open comes along.
void Visitors::identify(const std::shared_ptr<Guest>& guest, const Frame& frame, const webchat::Identity& identity, Done done) {
  webchat::Visitor who = guest->who;
  who.id = webchat::visitor_of(guest->inbox->key.reveal(), identity.person);
  who.person = identity.person;
  if (!identity.name.empty()) {
    webchat::Form form = who.said();
    form.name = identity.name;
    who.form = std::make_shared<const webchat::Form>(std::move(form));
  }
  const auto become = [this, guest, who, frame](const Done& then) {
    guest->who = who;
    then({webchat::write_ack(frame.client_id, {}, token_of(*guest)), {}});
  };
  if (who.id == guest->who.id || guest->conversation.empty()) return become(done);
  Identity news;
  news.old_address = guest->address();
  news.message.account = guest->inbox->config.id;
  news.message.provider_id = "identified:" + who.id + ":" + guest->who.id;
  news.message.addresses.push_back(webchat::address_of(who.id));
  news.message.name = who.said().name;
  news.message.at = deps_.services.now().wall;
  news.message.content.type = "system";
  news.message.content.text =
      "Signed in at the office's own site" + (identity.name.empty() ? std::string() : ": " + identity.name);
  deps_.intake.take(std::move(news), [frame, become, done = std::move(done)](const Error* error) {
    if (error != nullptr) return done(refuse(frame, wire::problem_of(*error)));
    become(done);
  });
}

void Visitors::message(const std::shared_ptr<Guest>& guest, const Frame& frame, Done done) {
  Services& s = deps_.services;
  const Now now = s.now();
  if (!s.store_up()) return done(refuse(frame, wire::problem_of({Errc::kUnavailable, ""})));
  if (s.level() >= Level::kAlertsOnly || !deps_.intake.room_for(1))
    return done(refuse(frame, wire::problem_of({Errc::kBusy, ""})));
  std::int64_t wait = 0;
  if (!messages_.at(guest->inbox->config.id)->take(guest->who.id, now.mono, &wait)) {
    return done(refuse(frame, problem(429, "too_fast",
                                      "You write faster than it can be read. Wait " + std::to_string(wait / 1000 + 1) +
                                          " s; the page sends it again.")));
  }
  if (guest->conversation.empty() && !may_open(*guest)) return done(refuse(frame, challenge(*guest)));
  with_file(guest, frame, [this, guest, frame, done = std::move(done)](Result<Content> content) {
    if (!content && content.error().code == Errc::kNotFound)
      return done(refuse(frame, problem(422, "unknown_media", "`media.id` names no file that you sent. Upload it first.")));
    if (!content) return done(refuse(frame, wire::problem_of(content.error())));
    keep(guest, frame, std::move(*content), done);
  });
}

void Visitors::with_file(const std::shared_ptr<Guest>& guest, const Frame& frame, std::function<void(Result<Content>)> then) {
  Content content;
  content.type = "text";
  content.text = frame.text;
  if (frame.media.empty()) return then(std::move(content));
  api::find_upload(commands_, guest->address(), frame.media,
                   [content = std::move(content), then = std::move(then)](Result<Media> file) mutable {
                     if (!file) return then(tl::unexpected(std::move(file.error())));
                     content.type = api::kind_of(file->mime);
                     content.media = std::move(*file);
                     then(std::move(content));
                   });
}

void Visitors::keep(const std::shared_ptr<Guest>& guest, const Frame& frame, Content content, const Done& done) {
  Services& s = deps_.services;
  Inbound in;
  in.account = guest->inbox->config.id;
  // A client_id is the visitor's own: nobody else's message is taken for its repeat.
  in.provider_id = guest->who.id + ":" + frame.client_id;
  in.addresses.push_back(guest->address());
  in.name = guest->who.said().name;
  in.at = s.now().wall;
  in.content = std::move(content);
  if (guest->conversation.empty()) {
    // What the page and its form say, once, with the first words.
    std::string about = "{";
    wire::member_if(about, "page", guest->page);
    wire::member_if(about, "language", guest->who.said().language.empty() ? guest->language : guest->who.said().language);
    wire::member_if(about, "email", guest->who.said().email);
    wire::member_if(about, "person", guest->who.person);
    if (about.size() > 1) in.content.detail = about + "}";
  }
  deps_.intake.receive(std::move(in), [this, guest, frame, done](Result<routing::Ingested> kept, const std::string& entry) {
    using Kind = routing::Ingested::Kind;
    if (!kept) return done(refuse(frame, wire::problem_of(kept.error())));
    if (kept->kind == Kind::kFull) return done(refuse(frame, wire::problem_of({Errc::kBusy, ""})));
    if (kept->kind == Kind::kDuplicate) return done({webchat::write_ack(frame.client_id, {}, {}), {}});  // it was kept before
    if (kept->kind == Kind::kNone) return done(refuse(frame, wire::problem_of({Errc::kInternal, ""})));
    guest->conversation = kept->ref.conversation;
    guest->owner = kept->owner;
    if (kept->kind == Kind::kNew && !guest->who.said().phone.empty())
      deps_.services.store.contact_said(kept->contact, guest->who.said().phone, [](const Result<routing::Outcome>&) {});
    deps_.hub.tell(guest->who.id, kept->ref, entry);
    done({webchat::write_ack(frame.client_id, public_id(kept->ref), {}), {}});
  });
}

// All that we sent up to there is read now. Answered when it is: a page that says so a thousand times is not read faster.
void Visitors::read(const std::shared_ptr<Guest>& guest, const MessageRef& upto, Done done) {
  const auto over = [done = std::move(done)] { done({}); };
  if (upto.conversation != guest->conversation) return over();
  const std::int64_t from = std::max<std::int64_t>(0, upto.n - kReadBack);
  deps_.services.store.page(
      upto.conversation, from, static_cast<int>(upto.n - from), [this, guest, upto, over](Result<routing::Page> page) {
        if (!page) return over();
        std::vector<routing::Settled> seen;
        for (const routing::Line& line : page->lines) {
          // What was sent here: nothing else is his to call read.
          if (line.state == State::kSent) seen.push_back({{upto.conversation, line.n}, State::kRead, {}, {}, {}});
        }
        if (seen.empty()) return over();
        deps_.services.store.settle(guest->inbox->config.id, seen, [over](const Result<std::vector<bool>>&) { over(); });
      });
}

void Visitors::typing(const Guest& guest) {
  if (guest.owner.empty() || guest.conversation.empty() || !typing_.take(guest.who.id, deps_.services.now().mono)) return;
  deps_.services.carry(
      routing::encode({"PUBLISH", routing::agent_channel(deps_.services.prefix, guest.owner), "typing|" + guest.conversation}),
      [](const Result<routing::Value>&) {});
}

void Visitors::end(const std::shared_ptr<Guest>& guest, const Frame& frame, Done done) {
  look(*guest, std::nullopt, [this, guest, frame, done = std::move(done)](Result<Shown> shown) {
    if (!shown) return done(refuse(frame, wire::problem_of(shown.error())));
    if (!shown->card || shown->card->state == "closed") return done({webchat::write_ack(frame.client_id, {}, {}), {}});
    routing::Directive what;
    what.verb = routing::Directive::Verb::kClose;
    what.conversation = shown->card->conversation;
    what.target = "ended";
    what.by = "citizen";
    deps_.services.store.direct(what, [guest, frame, done](const Result<routing::Outcome>& out) {
      if (!out) return done(refuse(frame, wire::problem_of(out.error())));
      guest->conversation.clear();
      guest->owner.clear();
      done({webchat::write_ack(frame.client_id, {}, {}), {}});
    });
  });
}

std::vector<std::string> Visitors::ways_on(const Inbox& inbox) const {
  std::vector<std::string> ways;
  for (const std::string& id : inbox.config.go_on) {
    const AccountInfo* account = deps_.services.outbox.account(id);
    if (account == nullptr) continue;
    const std::string way = account->channel == "wa" ? "whatsapp" : account->channel;
    if (std::find(ways.begin(), ways.end(), way) == ways.end()) ways.push_back(way);
  }
  return ways;
}

// A code goes to the number; when he sends it back here the number is his, and the conversation goes on there (proof.cc).
void Visitors::go_on(const std::shared_ptr<Guest>& guest, const Frame& frame, Done done) {
  const AccountInfo* account = nullptr;
  for (const std::string& id : guest->inbox->config.go_on) {
    const AccountInfo* each = deps_.services.outbox.account(id);
    if (each != nullptr && each->channel == (frame.channel == "whatsapp" ? "wa" : "sms")) account = each;
    if (account != nullptr) break;
  }
  if (account == nullptr)
    return done(refuse(frame, problem(422, "not_offered", "This office does not offer to go on by " + frame.channel + ".")));
  auto number = phone::e164(frame.number);
  if (!number) return done(refuse(frame, problem(422, "invalid_number", "`number`: " + number.error().detail)));
  auto address = account->face->address(*number);
  if (!address) return done(refuse(frame, problem(422, "invalid_number", "`number`: " + address.error().detail)));
  if (!codes_.take(guest->who.id, deps_.services.now().mono))
    return done(refuse(frame, problem(429, "too_often", "Three codes were sent in an hour. Wait, or write on here.")));
  look(*guest, std::nullopt,
       [this, guest, frame, account = account->id, channel = account->channel, address = *address,
        done = std::move(done)](Result<Shown> shown) {
         if (!shown) return done(refuse(frame, wire::problem_of(shown.error())));
         if (!shown->card || shown->card->state == "closed")
           return done(refuse(frame, problem(409, "no_conversation", "Write your question first; then it can go on elsewhere.")));
         const std::string digits = fresh_code();
         const std::string contact = shown->card->contact;
         deps_.services.store.contact_ask(
             contact, address, digits, "citizen",
             [this, guest, frame, account, channel, address, contact, digits, done](const Result<routing::Outcome>& out) {
               if (!out) return done(refuse(frame, wire::problem_of(out.error())));
               if (out->what != routing::Outcome::What::kOk)
                 return done(
                     refuse(frame, problem(429, "too_often", "Too many codes went to this number. Try again in an hour.")));
               routing::Entry entry;
               entry.dir = routing::Dir::kOut;
               entry.content.type = "text";
               entry.content.text = digits + " - " + guest->inbox->config.id + " web chat";
               entry.at = deps_.services.now().wall;
               entry.to = address;
               routing::Send send;
               send.account = account;
               send.channel = channel;
               send.address = address;
               send.author = "citizen";
               send.entry = routing::encode_entry(entry);
               send.needs_window = deps_.services.outbox.needs_window(account, entry.content);
               send.lease = {deps_.services.shard, 0};
               deps_.services.store.send(send, [this, frame, account, channel, address, contact,
                                                done](const Result<routing::Outcome>& sent) {
                 if (!sent) return done(refuse(frame, wire::problem_of(sent.error())));
                 if (sent->what == routing::Outcome::What::kWindow)
                   return done(
                       refuse(frame, problem(409, "write_there_first",
                                             "WhatsApp lets us write only to who wrote there today: send us any message there "
                                             "first, then ask again.")));
                 if (sent->what != routing::Outcome::What::kOk && sent->what != routing::Outcome::What::kRepeat)
                   return done(
                       refuse(frame, problem(409, "not_reached", "This number cannot be written to: it asked for no messages.")));
                 commands_.run({"SET", commands_.key("go:" + contact), account + "|" + channel + "|" + address, "PX", "600000"},
                               [frame, done](const Result<routing::Value>& kept) {
                                 if (!kept) return done(refuse(frame, wire::problem_of(kept.error())));
                                 done({webchat::write_ack(frame.client_id, {}, {}), {}});
                               });
               });
             });
       });
}

webchat::QueueView Visitors::place(const std::string& queue, const std::string& conversation) {
  webchat::QueueView out;
  WaitingRoom* room = deps_.services.waiting_room;
  if (room == nullptr || deps_.services.mirror.waiting_of(conversation) == nullptr) return out;
  out.position = 1;
  if (const auto estimate = room->estimate_for(queue, conversation)) {
    out.position = std::max<std::int64_t>(1, estimate->position);
    out.wait_s = (estimate->wait_ms + 999) / 1000;
  }
  return out;
}

void Visitors::view(const Guest& guest, const MessageRef& ref, State state, const std::string& bytes,
                    std::function<void(std::optional<webchat::MessageView>)> done) {
  auto entry = routing::decode_entry(bytes);
  if (!entry || entry->dir == routing::Dir::kNote) return done(std::nullopt);
  webchat::MessageView m;
  m.ref = ref;
  m.his = entry->dir == routing::Dir::kIn;
  m.type = entry->content.type;
  m.text = std::move(entry->content.text);
  m.at = entry->at;
  m.state = state;
  if (m.his) {
    const auto colon = entry->provider_id.find(':');
    if (colon != std::string::npos) m.client_id = entry->provider_id.substr(colon + 1);
  } else if (m.type == "buttons" || m.type == "list" || m.type == "link") {
    m.detail = std::move(entry->content.detail);
  }
  if (entry->content.media && !entry->content.media->sha256.empty()) {
    const Media& media = *entry->content.media;
    m.media_id = "media_" + media.sha256;
    m.media_name = media.filename;
    m.media_type = media.mime;
    m.media_size = media.size;
    m.media_url = webchat::media_path(guest.inbox->key.reveal(), media.sha256, deps_.services.now().wall + webchat::kMediaFor);
  }
  deps_.hub.name_of(entry->agent, [m = std::move(m), done = std::move(done)](const std::string& name) mutable {
    m.agent = name;
    done(std::move(m));
  });
}

void Visitors::lines(const Guest& guest, const std::string& conversation, std::int64_t after, int limit, Shown so_far,
                     std::function<void(Result<Shown>)> done) {
  deps_.services.store.page(
      conversation, after, limit,
      [this, guest, conversation, so_far = std::move(so_far), done = std::move(done)](Result<routing::Page> page) mutable {
        if (!page) return done(tl::unexpected(std::move(page.error())));
        struct Gathering {
          Shown shown;
          std::vector<std::optional<webchat::MessageView>> views;
          std::size_t left = 0;
          std::function<void(Result<Shown>)> done;
        };
        auto all = std::make_shared<Gathering>();
        all->shown = std::move(so_far);
        all->views.resize(page->lines.size());
        all->left = page->lines.size() + 1;
        all->done = std::move(done);
        const auto arrived = [all] {
          if (--all->left > 0) return;
          for (auto& view : all->views) {
            if (view) all->shown.messages.push_back(std::move(*view));
          }
          all->done(std::move(all->shown));
        };
        for (std::size_t i = 0; i < page->lines.size(); ++i) {
          const routing::Line& line = page->lines[i];
          all->shown.last = std::max(all->shown.last, line.n);
          view(guest, {conversation, line.n}, line.state, line.entry, [all, i, arrived](std::optional<webchat::MessageView> m) {
            all->views[i] = std::move(m);
            arrived();
          });
        }
        arrived();
      });
}

void Visitors::locate(Guest& guest, std::function<void(const Error*)> done) {
  commands_.run({"HGET", commands_.key("addr:" + guest.address()), "v:" + guest.inbox->config.id},
                [this, &guest, done = std::move(done)](const Result<routing::Value>& found) {
                  if (!found) return done(&found.error());
                  if (found->text.empty()) return done(nullptr);
                  std::string conversation = found->text;
                  if (conversation.ends_with('+')) conversation.pop_back();
                  deps_.services.store.cards({conversation}, [&guest, done](const Result<std::vector<routing::Card>>& cards) {
                    if (!cards) return done(&cards.error());
                    if (!cards->empty()) guest.stand(cards->front());
                    done(nullptr);
                  });
                });
}

void Visitors::look(const Guest& guest, const std::optional<MessageRef>& after, std::function<void(Result<Shown>)> done) {
  // The address leads to his latest conversation; a + after it: it goes on at another address of his.
  commands_.run({"HGET", commands_.key("addr:" + guest.address()), "v:" + guest.inbox->config.id},
                [this, guest, after, done = std::move(done)](Result<routing::Value> found) mutable {
                  if (!found) return done(tl::unexpected(std::move(found.error())));
                  std::string conversation = found->text;
                  if (conversation.ends_with('+')) conversation.pop_back();
                  if (conversation.empty()) return done(Shown{});
                  deps_.services.store.cards({conversation}, [this, guest, after, done = std::move(done)](
                                                                 Result<std::vector<routing::Card>> cards) mutable {
                    if (!cards) return done(tl::unexpected(std::move(cards.error())));
                    if (cards->empty()) return done(Shown{});
                    routing::Card& card = cards->front();
                    if (card.state == "closed" && deps_.services.now().wall.ms - card.closed.ms > kDay) return done(Shown{});
                    Shown shown;
                    shown.reset =
                        !after || after->conversation != card.conversation || after->n > card.n || card.n - after->n > kMissed;
                    const std::int64_t from = shown.reset ? std::max<std::int64_t>(0, card.n - kShown) : after->n;
                    shown.last = from;
                    const std::string id = card.conversation;
                    shown.card = std::move(card);
                    lines(guest, id, from, shown.reset ? kShown : kMissed, std::move(shown), std::move(done));
                  });
                });
}

}  // namespace belfry::gateway
