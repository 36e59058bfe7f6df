// What supervisors do with conversations that are not theirs, and agents with their own, outside the desk.
#include "adapters/desk/frames.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/desk_hub.h"
#include "gateway/directive.h"
#include "routing/record.h"

namespace belfry::gateway::api {
namespace {

using Verb = routing::Directive::Verb;

constexpr std::int64_t kMaxPriority = 1'000;  // minutes

void answer_card(Room& room, const CallPtr& call, const std::string& id) {
  room.services.store.cards({id}, [call](Result<std::vector<routing::Card>> cards) {
    if (!cards) return call->error(cards.error());
    if (cards->empty()) return call->problem(not_found("conversation"));
    std::string out;
    desk::append(out, view_of(cards->front()));
    call->json(200, std::move(out));
  });
}

void conclude(Room& room, const CallPtr& call, const std::string& id, const Result<routing::Outcome>& outcome) {
  using What = routing::Outcome::What;
  if (!outcome) return call->error(outcome.error());
  switch (outcome->what) {
    case What::kOk:
    case What::kRepeat: return answer_card(room, call, id);
    case What::kStale: return call->problem(stale_problem(*outcome));
    case What::kRefused: return call->problem(refused_problem(outcome->why));
    case What::kMissing: return call->problem(not_found("conversation"));
    case What::kWindow:
    case What::kLost: return call->error({Errc::kUnavailable, "the store does not know this shard"});
  }
}

std::optional<std::string> queue_of(Body& body) {
  const auto said = body.text("queue", {.max = 60});
  if (!said) return std::nullopt;
  const auto id = parse_queue_id(*said);
  if (!id) body.complain("queue", "is not a queue's id: use " + std::string(kQueueIds));
  return id;
}

// What `target` is, by verb.
void read_target(Body& body, routing::Directive& what) {
  switch (what.verb) {
    case Verb::kTake:
    case Verb::kAssign: what.target = body.agent("agent", what.verb == Verb::kAssign).value_or(""); break;
    case Verb::kRequeue:
    case Verb::kReopen: what.target = queue_of(body).value_or(""); break;
    case Verb::kClose: what.target = body.text("code", {.max = 64}).value_or(""); break;
    case Verb::kPriority: {
      const bool life = body.flag("life_safety");
      const auto minutes = body.integer("minutes", {.required = !life, .min = 0, .max = kMaxPriority});
      if (life && minutes) body.complain("minutes", "means nothing beside `life_safety`: send one of them");
      what.target = std::to_string(life ? routing::kLifeSafety : minutes.value_or(0));
      break;
    }
    case Verb::kSwitch: break;
    case Verb::kMerge:
      if (const auto into = body.text("into", {.required = true, .max = 40})) {
        const auto id = parse_conversation_id(*into);
        if (!id) body.complain("into", "is not an id: it looks like conv_12");
        what.target = id.value_or("");
      }
      break;
  }
}

void direct(Room& room, const CallPtr& call, Verb verb) {
  routing::Directive what;
  what.verb = verb;
  const auto id = parse_conversation_id(call->args[0]);
  if (!id) return call->problem(not_found("conversation"));
  what.conversation = *id;
  Body body(call->request().body);
  what.gen = body.integer("gen", {.min = 1, .max = 1'000'000'000});
  read_target(body, what);
  if (verb == Verb::kTake && what.target.empty()) {
    what.target = call->subject.agent;
    if (what.target.empty() && !body.has("agent")) body.complain("agent", "is missing: you are no agent yourself");
  }
  if (verb == Verb::kSwitch) {
    const auto account = body.text("account", {.required = true, .max = 60});
    const auto address = body.text("address", {.required = true, .max = 200});
    if (account && address) {
      auto target = switch_target(room.services.outbox, *account, *address);
      if (!target) return call->problem(wire::problem(422, "invalid_recipient", target.error().detail));
      what.target = std::move(*target);
    }
  }
  if (auto wrong = body.finish()) return call->problem(*wrong);
  if (auto may = permit(call->subject, what); !may) return call->error(may.error());
  room.services.store.direct(
      what, [&room, call, id = *id](const Result<routing::Outcome>& outcome) { conclude(room, call, id, outcome); });
}

template <Verb verb>
void handler(Room& room, const CallPtr& call) {
  direct(room, call, verb);
}

// Whispered: the agent who has it sees it, the citizen does not.
void note(Room& room, const CallPtr& call) {
  const auto id = parse_conversation_id(call->args[0]);
  if (!id) return call->problem(not_found("conversation"));
  Body body(call->request().body);
  const auto text = body.text("text", {.required = true, .max = 4'000});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  routing::Directive as;  // who may direct it may write a note in it
  if (auto may = permit(call->subject, as); !may) return call->error(may.error());
  routing::Entry entry;
  entry.dir = routing::Dir::kNote;
  entry.content.type = "text";
  entry.content.text = *text;
  entry.at = room.services.now().wall;
  entry.agent = call->subject.agent;
  room.services.store.note({*id, 0, as.agent}, {}, as.by, routing::encode_entry(entry), [call](Result<routing::Outcome> outcome) {
    if (!outcome) return call->error(outcome.error());
    if (outcome->what == routing::Outcome::What::kStale) return call->problem(stale_problem(*outcome));
    if (outcome->what == routing::Outcome::What::kMissing) return call->problem(not_found("conversation"));
    call->json(201, "{\"id\":\"" + public_id(outcome->ref) + "\"}");
  });
}

}  // namespace

std::vector<Route> directive_routes() {
  return {{"POST", "/conversations/{id}/take", Takes::kJson, Who::kKnown, handler<Verb::kTake>},
          {"POST", "/conversations/{id}/assign", Takes::kJson, Who::kKnown, handler<Verb::kAssign>},
          {"POST", "/conversations/{id}/requeue", Takes::kJson, Who::kKnown, handler<Verb::kRequeue>},
          {"POST", "/conversations/{id}/close", Takes::kJson, Who::kKnown, handler<Verb::kClose>},
          {"POST", "/conversations/{id}/priority", Takes::kJson, Who::kKnown, handler<Verb::kPriority>},
          {"POST", "/conversations/{id}/reopen", Takes::kJson, Who::kKnown, handler<Verb::kReopen>},
          {"POST", "/conversations/{id}/merge", Takes::kJson, Who::kKnown, handler<Verb::kMerge>},
          {"POST", "/conversations/{id}/switch", Takes::kJson, Who::kKnown, handler<Verb::kSwitch>},
          {"POST", "/conversations/{id}/notes", Takes::kJson, Who::kKnown, note}};
}

}  // namespace belfry::gateway::api
