// What falls due: `sweep` in routing/functions/40_agents.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::add_deadline(std::int64_t at, Deadline deadline) { w_.deadlines[{at, deadline.text()}] = std::move(deadline); }

void Memory::drop_deadline(const Deadline& deadline) {
  std::erase_if(w_.deadlines, [what = deadline.text()](const auto& d) { return d.first.second == what; });
}

bool Memory::were_away(std::int64_t ttl_ms) {
  const std::int64_t away = now_ - w_.alive.value_or(now_);
  if (away <= ttl_ms) return false;
  w_.alive = now_;
  std::vector<std::pair<std::int64_t, Deadline>> moved;
  for (const auto& [when, deadline] : w_.deadlines) {
    if (deadline.kind == "offer" || deadline.kind == "warm" || deadline.kind == "gone") moved.emplace_back(when.first, deadline);
  }
  for (const auto& [at, deadline] : moved) w_.deadlines.erase({at, deadline.text()});
  for (const auto& [at, deadline] : moved) w_.deadlines[{at + away, deadline.text()}] = deadline;
  return true;
}

void Memory::missed(const std::string& id) {
  Agent& agent = w_.agents.at(id);
  ++agent.missed;
  w_.draining.erase(id);
  agent.availability = "not_responding";
  agent.reason = "missed_offer";
  ++agent.gen;
  agent_news(id, "missed");
}

void Memory::opens(Conversation& c) {
  leave_line(c);
  c.state = "queued";
  ++c.gen;
  c.since = now_;
  w_.waiting[c.queue].insert({c.eff, c.id});
  transition("queued", c, "", {{"e", text(c.eff)}, {"w", text(c.base)}, {"y", c.sticky}, {"x", "opened"}});
}

void Memory::fall_due(const Deadline& deadline) {
  if (deadline.kind == "gone") {
    Agent& agent = w_.agents.at(deadline.id);
    if (text(agent.absences) != deadline.stamp || agent.sessions > 0) return;
    const auto held = agent.held;
    for (const std::string& id : held) {
      Conversation& c = w_.conversations.at(id);
      if (c.state == "wrapup") {
        shut(c, "");
      } else if (c.state == "active" || c.state == "parked") {
        requeue(c, "agent_lost", false);
      }
    }
    agent.availability = "offline";
    w_.draining.erase(deadline.id);
    agent_news(deadline.id, "lost");
    return;
  }
  if (deadline.kind == "back") {
    if (!is_there(deadline.id)) withdraw_offers(deadline.id, deadline.stamp);
    return;
  }
  if (deadline.kind == "unc") return land(deadline.id, ref_of(deadline.stamp));
  Conversation* c = look(w_.conversations, deadline.id);
  if (c == nullptr || text(c->gen) != deadline.stamp) return;  // its state moved on
  if (deadline.kind == "offer" && c->state == "offered") {
    const std::string id = c->owner;
    requeue(*c, "timeout", true);
    missed(id);
  } else if (deadline.kind == "warm" && !c->invited.empty()) {
    const std::string id = c->invited;
    not_taken_over(*c, "timeout");
    missed(id);
  } else if (deadline.kind == "open" && c->state == "after_hours") {
    opens(*c);
  } else if (deadline.kind == "wrap" && c->state == "wrapup") {
    shut(*c, "");
  } else if (deadline.kind == "park" && c->state == "parked") {
    wake(*c, "park_over");
  }
}

}  // namespace belfry::routing::model
