#include "gateway/directive.h"

#include <algorithm>
#include <array>

#include "belfry/message.h"

namespace belfry::gateway {
namespace {

struct Refusal {
  std::string_view why;
  int status;
  std::string_view code, detail;
};
constexpr std::array kRefusals{
    Refusal{"not_ready", 409, "not_ready",
            "That agent is not ready, not connected, full, or a program. Choose another, or a queue."},
    Refusal{"excluded", 409, "excluded", "That agent let it go a moment ago. Choose another, or a queue."},
    Refusal{"no_queue", 422, "unknown_queue", "There is no such queue. See GET /api/v1/queues for those there are."},
    Refusal{"same_agent", 422, "same_agent", "He has it already. Choose another agent, or a queue."},
    Refusal{"same_queue", 409, "same_queue", "It waits in that queue already. Choose another, or let it wait."},
    Refusal{"other_open", 409, "other_open",
            "The citizen has another open conversation there. Go on in that one; it says what came before."},
    Refusal{"not_open", 422, "not_open", "`into` is not an open conversation. Choose one that is."},
    Refusal{"not_waiting", 409, "not_waiting", "It does not wait in a queue now, so it has no place to change."},
    Refusal{"other_contact", 422, "other_contact",
            "`into` is another citizen's. If both are one person, merge the contacts first."},
    Refusal{"not_his", 422, "not_his",
            "That address is not known to be this citizen's. Verify it by a code, or merge the contacts, first."},
    Refusal{"same_address", 409, "same_address", "It is answered there already. Choose another of the citizen's addresses."},
    Refusal{"sending", 409, "sending", "A message of it is on its way. Try again when that has its answer."},
    Refusal{"not_active", 409, "not_active",
            "Only a conversation that an agent has accepted goes on elsewhere. Accept it first."},
    Refusal{"switched", 409, "switched", "It is answered at another address now. Read it again, and write for that channel."},
    Refusal{"same_contact", 409, "same_contact", "They are one citizen already."},
    Refusal{"too_many", 409, "too_many", "One citizen has at most 50 contacts. Part some of them first."},
    Refusal{"too_many_numbers", 409, "too_many_numbers",
            "Ten numbers are noted for this contact already. Attach another contact to him."},
    Refusal{"not_merged", 409, "not_merged", "It is attached to no other contact, so there is nothing to undo."},
    Refusal{"too_often", 429, "too_often", "Three codes were sent for this citizen within an hour. Wait, or ask a supervisor."},
};

}  // namespace

bool can_write_to(const Outbox& outbox, std::string_view account, std::string_view address) {
  const auto reached = outbox.address(account, address.substr(address.rfind(':') + 1));
  return reached && *reached == address;
}

Result<std::string> switch_target(const Outbox& outbox, std::string_view account, std::string_view address) {
  const AccountInfo* info = outbox.account(account);
  if (info == nullptr) return fail(Errc::kNotFound, "`account` names none of our accounts. GET /api/v1/accounts lists them.");
  if (!can_write_to(outbox, account, address))
    return fail(Errc::kBadInput, "`address` is not one that `account` can write to. Choose an account of its channel.");
  return std::string(account).append("|").append(info->channel).append("|").append(address);
}

std::string name_of(const Subject& subject) {
  return subject.kind == Subject::Kind::kAgent ? agent_id(subject.agent) : subject.id;
}

Result<void> permit(const Subject& subject, routing::Directive& directive) {
  directive.by = name_of(subject);
  auto all = authorize(subject, Action::kWrite, {"conversations"});
  if (all) return {};
  if (subject.agent.empty() || directive.verb == routing::Directive::Verb::kTake) return all;
  if (auto own = authorize(subject, Action::kWrite, {"conversations", subject.agent}); !own) return own;
  directive.agent = subject.agent;
  return {};
}

wire::Problem stale_problem(const routing::Outcome& out) {
  std::string why = "The conversation moved on while you looked at it";
  if (out.state == "closed")
    why += ": it is closed.";
  else if (!out.owner.empty())
    why += ": " + agent_id(out.owner) + " has it (" + out.state + ").";
  else
    why += ": it is " + out.state + ".";
  wire::Problem p = wire::problem(409, "stale_generation", why + " Take the state in `now` and decide again.");
  p.more = "\"now\":{\"gen\":" + std::to_string(out.gen) + ",\"state\":\"" + out.state + "\",\"owner\":\"" + agent_id(out.owner) +
           "\"}";
  return p;
}

wire::Problem refused_problem(const std::string& why) {
  const auto it = std::find_if(kRefusals.begin(), kRefusals.end(), [&](const Refusal& r) { return r.why == why; });
  if (it != kRefusals.end()) return wire::problem(it->status, std::string(it->code), std::string(it->detail));
  return wire::problem(409, why, "It was refused: " + why + ".");
}

}  // namespace belfry::gateway
