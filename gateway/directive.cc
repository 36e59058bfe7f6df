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
};

}  // namespace

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
