#include "routing/pick.h"

#include <algorithm>
#include <charconv>

namespace belfry::routing {
namespace {

// "ana:1690000000000,bob:1690000001000": agents not to be asked again before that time.
bool is_excluded(std::string_view list, std::string_view agent, WallTime now) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const std::string_view item = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    const auto colon = item.rfind(':');
    if (colon == std::string_view::npos || item.substr(0, colon) != agent) continue;
    std::int64_t until = 0;
    std::from_chars(item.data() + colon + 1, item.data() + item.size(), until);
    if (until > now.ms) return true;
  }
  return false;
}

}  // namespace

std::string to_json(const Reasons& r) {
  return "{\"candidates\":" + std::to_string(r.candidates) + ",\"load\":" + std::to_string(r.load) +
         ",\"capacity\":" + std::to_string(r.capacity) + ",\"idle_ms\":" + std::to_string(r.idle_ms) + "}";
}

Bar bar_of(const AgentState& agent, const Waiting& waiting, WallTime now) {
  if (agent.availability != "ready") return Bar::kNotReady;
  if (agent.sessions <= 0) return Bar::kNotConnected;
  if (std::find(agent.queues.begin(), agent.queues.end(), waiting.queue) == agent.queues.end()) return Bar::kNotMember;
  if (agent.load + waiting.weight > agent.capacity) return Bar::kFull;
  if (is_excluded(waiting.excluded, agent.id, now)) return Bar::kExcluded;
  return Bar::kEligible;
}

bool better(const AgentState& a, const AgentState& b) {
  // load/capacity compared without division; a capacity of 0 is never eligible.
  const std::int64_t left = a.load * b.capacity;
  const std::int64_t right = b.load * a.capacity;
  if (left != right) return left < right;
  if (a.last_assigned != b.last_assigned) return a.last_assigned < b.last_assigned;
  return a.id < b.id;
}

std::optional<Choice> pick(const std::vector<const AgentState*>& agents, const Waiting& waiting, WallTime now) {
  const AgentState* best = nullptr;
  Reasons reasons;
  for (const AgentState* agent : agents) {
    if (bar_of(*agent, waiting, now) != Bar::kEligible) continue;
    ++reasons.candidates;
    if (best == nullptr || better(*agent, *best)) best = agent;
  }
  if (best == nullptr) return std::nullopt;
  reasons.load = best->load;
  reasons.capacity = best->capacity;
  reasons.idle_ms = best->last_assigned == 0 ? -1 : now.ms - best->last_assigned;
  return Choice{best->id, best->gen, reasons};
}

}  // namespace belfry::routing
