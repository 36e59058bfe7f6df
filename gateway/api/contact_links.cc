// Which contacts are one citizen: found, merged by an agent or by a code that came back, and parted again. All of it is audited.
//
// A supervisor may do so for anybody; an agent for whom he is writing with: he names a conversation of his with that citizen.
#include <algorithm>
#include <array>
#include <memory>

#include "adapters/desk/frames.h"
#include "adapters/phone/number.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/citizen.h"
#include "gateway/api/render.h"
#include "gateway/api/sending.h"
#include "gateway/directive.h"
#include "gateway/proof.h"

namespace belfry::gateway::api {
namespace {

constexpr std::int64_t kCodeFor = 600'000;  // as contact_ask has it

// Of an agent, the conversation in which he has to do with the citizen.
std::optional<std::string> conversation_in(Body& body) {
  const auto said = body.text("conversation", {.max = 40});
  if (!said) return std::nullopt;
  const auto id = parse_conversation_id(*said);
  if (!id) body.complain("conversation", "is not an id: it looks like conv_12");
  return id;
}

// `then`, if the citizen is there and the subject may change what is known of him; else answers.
void for_citizen(Room& room, const CallPtr& call, const std::optional<std::string>& conversation,
                 std::function<void(routing::Citizen citizen)> then) {
  const bool all = authorize(call->subject, Action::kWrite, {"contacts"}).has_value();
  if (!all && !conversation) {
    return call->problem(wire::problem(403, "forbidden",
                                       "You may do this only for a citizen with whom you have an open conversation: name it in "
                                       "`conversation`."));
  }
  find_citizen(room, call, [&room, call, all, conversation, then = std::move(then)](routing::Citizen citizen) {
    if (all) return then(std::move(citizen));
    room.services.store.cards(
        {*conversation}, [call, then, citizen = std::move(citizen)](Result<std::vector<routing::Card>> cards) mutable {
          if (!cards) return call->error(cards.error());
          bool his = false;
          for (const routing::Card& card : *cards) {
            for (const routing::ContactPart& part : citizen.parts) {
              his = his || (card.contact == part.id && card.state != "closed" && card.owner == call->subject.agent);
            }
          }
          if (!his || call->subject.agent.empty()) return call->problem(not_found("contact"));
          then(std::move(citizen));
        });
  });
}

// The citizen as he is now.
void show(Room& room, const CallPtr& call) {
  find_citizen(room, call, [&room, call](const routing::Citizen& citizen) {
    std::string out = "{";
    append_citizen(out, room, citizen);
    call->json(200, out + "}");
  });
}

routing::Store::Done<routing::Outcome> concluded(const CallPtr& call, std::function<void()> then) {
  return [call, then = std::move(then)](const Result<routing::Outcome>& out) {
    using What = routing::Outcome::What;
    if (!out) return call->error(out.error());
    if (out->what == What::kRefused) return call->problem(refused_problem(out->why));
    if (out->what != What::kOk) return call->problem(not_found("contact"));
    then();
  };
}

// By an address as the store keeps it: the one citizen, or nobody.
void find(Room& room, const CallPtr& call) {
  if (!paging(*call, 1, {"address"})) return;
  const std::string address = query_value(call->request().query, "address");
  if (address.empty() || address.size() > 200) {
    return call->problem(wire::problem(422, "invalid_parameter", "Send `address`, as in ?address=wa:city:4915112345678."));
  }
  if (!call->may(Action::kRead, {"contacts"})) return;
  room.services.store.contact_at(address, [&room, call](Result<std::string> id) {
    if (!id) return call->error(id.error());
    if (id->empty()) return call->json(200, list_json({}, {}));
    call->args = {*id};
    find_citizen(room, call, [&room, call](const routing::Citizen& citizen) {
      std::string out = "{";
      append_citizen(out, room, citizen);
      call->json(200, list_json({out + "}"}, {}));
    });
  });
}

void merge(Room& room, const CallPtr& call) {
  Body body(call->request().body);
  const auto other = body.text("with", {.required = true, .max = 15});
  const auto reason = body.text("reason", {.required = true, .max = 200});
  const auto conversation = conversation_in(body);
  if (other && !is_contact(*other)) body.complain("with", "is not a contact's id: those of GET /contacts/{id} look like 17");
  if (auto wrong = body.finish()) return call->problem(*wrong);
  for_citizen(room, call, conversation, [&room, call, other = *other, reason = *reason](const routing::Citizen& citizen) {
    room.services.store.contact_join(other, citizen.id, name_of(call->subject), concluded(call, [&room, call, other, reason] {
                                       note_change(room, call, "contact.merge", call->args[0], "with " + other + ": " + reason,
                                                   [&room, call] { show(room, call); });
                                     }));
  });
}

// Undoes the merging that attached this contact.
void part(Room& room, const CallPtr& call) {
  Body body(call->request().body);
  const auto reason = body.text("reason", {.required = true, .max = 200});
  const auto conversation = conversation_in(body);
  if (auto wrong = body.finish()) return call->problem(*wrong);
  for_citizen(room, call, conversation, [&room, call, reason = *reason](const routing::Citizen&) {
    room.services.store.contact_part(call->args[0], name_of(call->subject), concluded(call, [&room, call, reason] {
                                       note_change(room, call, "contact.part", call->args[0], reason,
                                                   [&room, call] { show(room, call); });
                                     }));
  });
}

void numbers(Room& room, const CallPtr& call) {
  Body body(call->request().body);
  const auto text = body.text("number", {.required = true, .max = 60});
  const auto conversation = conversation_in(body);
  std::string number;
  if (text) {
    auto read = phone::e164(*text);
    if (read) {
      number = std::move(*read);
    } else {
      body.complain("number", read.error().detail);
    }
  }
  if (auto wrong = body.finish()) return call->problem(*wrong);
  for_citizen(room, call, conversation, [&room, call, number](const routing::Citizen&) {
    room.services.store.contact_said(call->args[0], number, concluded(call, [&room, call] {
                                       note_change(room, call, "contact.number", call->args[0], "",
                                                   [&room, call] { show(room, call); });
                                     }));
  });
}

struct Words {
  std::string_view language, text;
};
constexpr std::array kWords{
    Words{"en", "Your code is {code}. Please send it back in the conversation in which you were asked for it."},
    Words{"es", "Su código es {code}. Envíelo, por favor, en la conversación en la que se lo pidieron."},
    Words{"pt", "O seu código é {code}. Envie-o, por favor, na conversa em que lho pediram."},
    Words{"ru", "Ваш код: {code}. Пожалуйста, отправьте его в том разговоре, где вас о нём попросили."},
    Words{"ar", "رمزك هو {code}. يرجى إرساله في المحادثة التي طُلب منك فيها."},
};

// What is sent: the caller's own content, or our words. Wherever it says {code}, the code.
Result<Content> with_code(const std::string& json, bool own, std::string_view language, const std::string& code) {
  constexpr std::string_view kMark = "{code}";
  std::string text = json;
  if (!own) {
    const auto words = std::find_if(kWords.begin(), kWords.end(), [&](const Words& each) { return each.language == language; });
    text = "{\"text\":\"" + std::string(words->text) + "\"}";
  }
  auto at = text.find(kMark);
  if (at == std::string::npos)
    return fail(Errc::kBadInput, "the message does not say {code}: write that where the code is to stand");
  for (; at != std::string::npos; at = text.find(kMark, at)) text.replace(at, kMark.size(), code);
  return desk::read_content(text);
}

// Sends a code to an address; who sends it back in this citizen's conversation has both.
void verify(Room& room, const CallPtr& call) {
  const std::string& json = call->request().body;
  Body body(json);
  const auto account = body.text("account", {.required = true, .max = 60});
  const auto to = body.text("to", {.required = true, .max = 200});
  const auto language = body.one_of("language", false, {"en", "es", "pt", "ru", "ar"});
  const auto conversation = conversation_in(body);
  const bool own = body.has("text") || body.has("template");
  for (const std::string_view member : {"text", "template"}) body.known(member);
  if (auto wrong = body.finish()) return call->problem(*wrong);
  const std::string code = fresh_code();
  auto content = with_code(json, own, language.value_or("en"), code);
  if (!content) return call->problem(wire::problem(422, "invalid_content", content.error().detail + "."));
  const Outbox& outbox = room.services.outbox;
  if (outbox.account(*account) == nullptr) {
    return call->problem(
        wire::problem(422, "unknown_account", "`account` names none of our accounts. GET /api/v1/accounts lists them."));
  }
  const auto address = outbox.address(*account, *to);
  if (!address) return call->problem(wire::problem(422, "invalid_recipient", "`to`: " + address.error().detail));
  if (auto fine = outbox.check(*account, *content); !fine)
    return call->problem(wire::problem(422, "invalid_content", fine.error().detail));
  for_citizen(room, call, conversation,
              [&room, call, account = *account, address = *address, code, content = *content](const routing::Citizen& citizen) {
                room.services.store.contact_ask(
                    citizen.id, address, code, name_of(call->subject), concluded(call, [&room, call, account, address, content] {
                      send_to(room, call, account, address, content, [&room, call, account](const MessageRef& ref) {
                        note_change(room, call, "contact.verify", call->args[0], "by account " + account, [&room, call, ref] {
                          std::string out = "{";
                          member(out, "message", public_id(ref));
                          member(out, "expires_at", wire::rfc3339(WallTime{room.services.now().wall.ms + kCodeFor}));
                          call->json(202, out + "}");
                        });
                      });
                    }));
              });
}

}  // namespace

std::vector<Route> contact_link_routes() {
  return {{"GET", "/contacts", Takes::kNothing, Who::kKnown, find},
          {"POST", "/contacts/{id}/merge", Takes::kJson, Who::kKnown, merge},
          {"POST", "/contacts/{id}/part", Takes::kJson, Who::kKnown, part},
          {"POST", "/contacts/{id}/numbers", Takes::kJson, Who::kKnown, numbers},
          {"POST", "/contacts/{id}/verify", Takes::kJson, Who::kKnown, verify}};
}

}  // namespace belfry::gateway::api
