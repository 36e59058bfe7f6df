// Messages: send one, ask what became of it.
#include <algorithm>

#include "adapters/desk/frames.h"
#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/api/archived.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/idempotency.h"
#include "gateway/api/sending.h"
#include "gateway/api/uploads.h"
#include "gateway/desk_hub.h"
#include "routing/record.h"

namespace belfry::gateway::api {
namespace {

constexpr std::size_t kMaxMessage = 64 * 1024;

struct Sending {
  std::string account, to, conversation, client_id;
  Content content;
  routing::Card card;                               // of `conversation`
  std::function<void(const MessageRef& ref)> then;  // instead of the usual answer
};
using SendingPtr = std::shared_ptr<Sending>;

void accepted(const CallPtr& call, const SendingPtr& s, const MessageRef& ref) {
  if (s->then) return s->then(ref);
  const std::string id = public_id(ref);
  HttpResponse response{
      202, {}, "{\"id\":\"" + id + "\",\"conversation\":\"" + conversation_id(ref.conversation) + "\",\"state\":\"queued\"}"};
  response.headers.add("content-type", "application/json");
  response.headers.add("cache-control", "no-store");
  response.headers.add("location", "/api/v1/messages/" + id);
  call->answer(std::move(response));
}

wire::Problem window_closed(WallTime until) {
  wire::Problem problem =
      wire::problem(409, "window_closed",
                    (until.ms > 0 ? "The 24 hours after the citizen's last message ended at " + wire::rfc3339(until)
                                  : std::string("The citizen has not written in the last 24 hours")) +
                        ", so the provider takes no free message. Send an approved template; his answer opens the window again.");
  problem.more = "\"remedy\":\"template\"";
  if (until.ms > 0) problem.more += ",\"window_until\":\"" + wire::rfc3339(until) + "\"";
  return problem;
}

void conclude(Room& room, const CallPtr& call, const SendingPtr& s, WallTime at, Result<routing::Outcome> outcome) {
  if (!outcome && outcome.error().code != Errc::kUnavailable && outcome.error().code != Errc::kBusy) {
    room.services.outbox.lease_in_doubt(s->account);
  }
  using What = routing::Outcome::What;
  if (!outcome) return call->error(outcome.error());
  switch (outcome->what) {
    case What::kOk:
      if (outcome->claimed) {
        room.services.outbox.hand_over(
            {outcome->ref, s->account, outcome->address, std::move(s->content), Lane::kConversation, at});
      }
      return accepted(call, s, outcome->ref);
    case What::kRepeat: return accepted(call, s, outcome->ref);
    case What::kStale: return call->problem(stale(*outcome));
    case What::kMissing: return call->problem(not_found("conversation"));
    case What::kWindow: return call->problem(window_closed(outcome->window_until));
    case What::kRefused:
      if (outcome->why == "full") return call->problem(no_room(Level::kNoOpening));
      if (outcome->why == "consent")
        return call->problem(
            wire::problem(409, "consent_refused",
                          "This person asked not to be written to. Only an alert, or an answer to a message of his, "
                          "may go there until he says START."));
      return call->problem(
          wire::problem(409, "refused", "The conversation does not take this now: " + outcome->why + ". Read it again."));
    case What::kLost: return call->error({Errc::kUnavailable, "lease lost"});
  }
}

// `to`: of a send to an address, which may go to a log of sends.
std::string entry_of(const Call& call, const Sending& s, WallTime at, std::string to) {
  routing::Entry entry;
  entry.dir = routing::Dir::kOut;
  entry.content = s.content;
  entry.at = at;
  entry.agent = call.subject.agent;
  entry.to = std::move(to);
  return routing::encode_entry(entry);
}

// Another name space than the desk's client ids: an agent and his key may choose the same words.
std::string author_of(const Call& call) { return "api." + call.subject.id; }

void to_conversation(Room& room, const CallPtr& call, const SendingPtr& s) {
  const WallTime at = room.services.now().wall;
  routing::Reply reply;
  reply.by.conversation = s->conversation;
  if (!call->subject.agent.empty()) {
    reply.by.agent = call->subject.agent;
    reply.by.gen = s->card.gen;
  }
  reply.client_id = s->client_id;
  reply.author = author_of(*call);
  reply.entry = entry_of(*call, *s, at, "");
  reply.account = s->account;
  reply.needs_window = room.services.outbox.needs_window(s->account, s->content);
  reply.lease = room.services.outbox.lease(s->account);
  room.services.store.reply(
      reply, [&room, call, s, at](Result<routing::Outcome> outcome) { conclude(room, call, s, at, std::move(outcome)); });
}

void to_address(Room& room, const CallPtr& call, const SendingPtr& s, std::string address) {
  const WallTime at = room.services.now().wall;
  const AccountInfo* account = room.services.outbox.account(s->account);
  routing::Send send;
  send.account = s->account;
  send.channel = account == nullptr ? "" : account->channel;
  send.address = std::move(address);
  send.client_id = s->client_id;
  send.author = author_of(*call);
  send.entry = entry_of(*call, *s, at, send.address);
  send.needs_window = room.services.outbox.needs_window(s->account, s->content);
  send.room = room.services.level() < Level::kNoOpening;
  send.lease = room.services.outbox.lease(s->account);
  room.services.store.send(
      send, [&room, call, s, at](Result<routing::Outcome> outcome) { conclude(room, call, s, at, std::move(outcome)); });
}

// The content is whole and somebody may send it: where does it go?
void dispatch(Room& room, const CallPtr& call, const SendingPtr& s) {
  if (const auto fine = room.services.outbox.check(s->account, s->content); !fine) {
    return call->problem(wire::problem(422, "invalid_content", fine.error().detail));
  }
  std::string address;
  if (!s->to.empty()) {
    auto found = room.services.outbox.address(s->account, s->to);
    if (!found) return call->problem(wire::problem(422, "invalid_recipient", "`to`: " + found.error().detail));
    address = std::move(*found);
  }
  if (s->conversation.empty()) return to_address(room, call, s, std::move(address));
  if (!address.empty() && address != s->card.address) {
    return call->problem(
        wire::problem(422, "other_recipient", "`to` is not whom this conversation is with. Leave out `to` or `conversation`."));
  }
  to_conversation(room, call, s);
}

void with_media(Room& room, const CallPtr& call, const SendingPtr& s) {
  admit_upload(room.services.outbox, room.commands, call->subject, s->account, std::move(s->content),
               [&room, call, s](tl::expected<Content, wire::Problem> content) {
                 if (!content) return call->problem(std::move(content.error()));
                 s->content = std::move(*content);
                 dispatch(room, call, s);
               });
}

// Whose message may this be? In a conversation: of who holds it, and of programs. To an address: of programs.
void permit(Room& room, const CallPtr& call, const SendingPtr& s) {
  if (s->conversation.empty()) {
    const AccountInfo* account = room.services.outbox.account(s->account);
    if (account == nullptr)
      return call->problem(
          wire::problem(422, "unknown_account", "`account` names none of our accounts. GET /api/v1/accounts lists them."));
    if (!call->may(Action::kWrite, {"messages"})) return;
    return with_media(room, call, s);
  }
  room.services.store.cards({s->conversation}, [&room, call, s](Result<std::vector<routing::Card>> cards) {
    if (!cards) return call->error(cards.error());
    if (cards->empty() ||
        !authorize(call->subject, Action::kRead, {"conversations", cards->front().owner, cards->front().queue})) {
      return call->problem(not_found("conversation"));
    }
    s->card = std::move(cards->front());
    if (!call->may(Action::kWrite, {"messages", s->card.owner, s->card.queue})) return;
    if (s->account.empty()) s->account = s->card.account;
    if (s->account != s->card.account) {
      return call->problem(wire::problem(
          422, "other_account", "`account` is not the account of this conversation, " + s->card.account + ". Leave it out."));
    }
    with_media(room, call, s);
  });
}

void post_message(Room& room, const CallPtr& call) {
  if (const Level level = room.services.level(); level >= Level::kAlertsOnly) return call->problem(no_room(level));
  const std::string& text = call->request().body;
  if (text.size() > kMaxMessage)
    return call->problem(wire::problem(413, "too_large", "A message has at most 64 KiB. Send files to POST /api/v1/media."));
  Body body(text);
  const auto conversation = body.text("conversation", {.max = 60});
  const auto account = body.text("account", {.required = !conversation, .max = 60});
  const auto to = body.text("to", {.required = !conversation, .max = 200});
  for (const std::string_view member :
       {"text", "template", "media", "buttons", "list", "location", "contacts", "reaction", "link", "flow", "reply_to", "sms"})
    body.known(member);
  auto s = std::make_shared<Sending>();
  if (conversation) {
    const auto id = parse_conversation_id(*conversation);
    if (id) s->conversation = *id;
    if (!id) body.complain("conversation", "is not an id: it looks like conv_12");
  }
  if (auto wrong = body.finish()) return call->problem(*wrong);
  s->account = account.value_or("");
  s->to = to.value_or("");
  auto content = desk::read_content(text);
  if (!content) return call->problem(wire::problem(422, "invalid_content", content.error().detail + "."));
  s->content = std::move(*content);
  once(room, call, [&room, call, s](std::string client_id) {
    s->client_id = std::move(client_id);
    permit(room, call, s);
  });
}

void get_message(Room& room, const CallPtr& call) {
  const auto ref = parse_message_id(call->args[0]);
  if (!ref) return call->problem(not_found("message"));
  room.services.store.cards({ref->conversation}, [&room, call, ref](Result<std::vector<routing::Card>> cards) {
    if (!cards) return call->error(cards.error());
    if (cards->empty()) {
      return with_archived(room, call, ref->conversation, "messages", "message",
                           [call, ref](const ArchivedConversation& archived) {
                             const auto n = static_cast<std::size_t>(ref->n);
                             if (n < 1 || n > archived.messages.size()) return call->problem(not_found("message"));
                             call->json(200, archived.messages[n - 1]);
                           });
    }
    if (!authorize(call->subject, Action::kRead, {"messages", cards->front().owner, cards->front().queue})) {
      return call->problem(not_found("message"));
    }
    room.services.store.entries(ref->conversation, {ref->n}, [call, ref](Result<std::vector<routing::Line>> lines) {
      if (!lines) return call->error(lines.error());
      if (lines->empty() || lines->front().entry.empty()) return call->problem(not_found("message"));
      std::string out;
      desk::append(out, view_of(*ref, lines->front()));
      call->json(200, std::move(out));
    });
  });
}

}  // namespace

void send_to(Room& room, const CallPtr& call, const std::string& account, const std::string& address, Content content,
             std::function<void(const MessageRef& ref)> then) {
  auto s = std::make_shared<Sending>();
  s->account = account;
  s->content = std::move(content);
  s->then = std::move(then);
  to_address(room, call, s, address);
}

std::vector<Route> message_routes() {
  return {{"POST", "/messages", Takes::kJson, Who::kKnown, post_message},
          {"GET", "/messages/{id}", Takes::kNothing, Who::kKnown, get_message}};
}

}  // namespace belfry::gateway::api
