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
  std::string out = "{\"candidates\":" + std::to_string(r.candidates) + ",\"load\":" + std::to_string(r.load) +
                    ",\"capacity\":" + std::to_string(r.capacity) + ",\"idle_ms\":" + std::to_string(r.idle_ms);
  if (r.step != 0) out += ",\"step\":" + std::to_string(r.step);
  if (r.relaxed != 0) out += ",\"relaxed\":" + std::to_string(r.relaxed);
  if (r.levels != 0) out += ",\"levels\":" + std::to_string(r.levels);
  if (r.sticky) out += ",\"sticky\":true";
  return out + "}";
}

bool is_present(const AgentState& agent) { return agent.availability == "ready" && agent.sessions > 0 && !agent.bot; }

Bar room_of(const AgentState& agent, const Waiting& waiting, WallTime now) {
  if (agent.load + waiting.weight > agent.capacity) return Bar::kFull;
  if (is_excluded(waiting.excluded, agent.id, now)) return Bar::kExcluded;
  return Bar::kEligible;
}

Bar bar_of(const AgentState& agent, const Demand& demand, const Waiting& waiting, WallTime now) {
  if (agent.availability != "ready" || agent.bot) return Bar::kNotReady;
  if (agent.sessions <= 0) return Bar::kNotConnected;
  const Fit fit = fit_of(demand, agent.queues, agent.skills);
  if (!fit.member) return Bar::kNotMember;
  if (!fit.skilled) return Bar::kNotSkilled;
  return room_of(agent, waiting, now);
}

bool better(const Seat& a, const Seat& b) {
  if (a.relaxed != b.relaxed) return a.relaxed < b.relaxed;
  if (a.levels != b.levels) return a.levels > b.levels;
  // load/capacity compared without division; a capacity of 0 is never eligible.
  const std::int64_t left = a.agent->load * b.agent->capacity;
  const std::int64_t right = b.agent->load * a.agent->capacity;
  if (left != right) return left < right;
  if (a.agent->last_assigned != b.agent->last_assigned) return a.agent->last_assigned < b.agent->last_assigned;
  return a.agent->id < b.agent->id;
}

bool waits_for_sticky(const QueueState& queue, const Waiting& waiting, const AgentState* sticky, WallTime now) {
  return queue.sticky_ms > 0 && sticky != nullptr && is_present(*sticky) && waited_ms(queue, waiting, now) < queue.sticky_ms &&
         !is_excluded(waiting.excluded, sticky->id, now);
}

Reasons reasons_of(const Seat& seat, std::size_t candidates, std::size_t step, bool sticky, WallTime now) {
  const AgentState& agent = *seat.agent;
  return {static_cast<std::int64_t>(candidates),
          agent.load,
          agent.capacity,
          agent.last_assigned == 0 ? -1 : now.ms - agent.last_assigned,
          static_cast<std::int64_t>(step),
          seat.relaxed,
          seat.levels,
          sticky};
}

std::size_t step_of(const QueueState& queue, const Waiting& waiting, WallTime now) {
  const std::size_t waited = steps_after(queue.steps, waited_ms(queue, waiting, now));
  const auto failed = static_cast<std::size_t>(waiting.failures / kOffersAStep);
  return std::min(std::max(waited, failed), queue.steps.size());
}

std::optional<Choice> pick(const std::vector<const AgentState*>& agents, const QueueState& queue, const Waiting& waiting,
                           WallTime now) {
  const auto demand_at = [&](std::size_t step) { return demand_of(waiting.queue, queue.skills, queue.steps, step); };
  const auto meets = [](const AgentState& agent, const Demand& demand) {
    const Fit fit = fit_of(demand, agent.queues, agent.skills);
    return fit.member && fit.skilled;
  };
  if (!is_open(queue, now)) return std::nullopt;
  std::size_t step = step_of(queue, waiting, now);
  Demand demand = demand_at(step);
  const auto nobody_is_there = [&] {
    return std::none_of(agents.begin(), agents.end(),
                        [&](const AgentState* agent) { return is_present(*agent) && meets(*agent, demand); });
  };
  while (step < queue.steps.size() && nobody_is_there()) demand = demand_at(++step);

  const AgentState* sticky = nullptr;
  std::optional<Seat> best;
  std::size_t candidates = 0;
  for (const AgentState* agent : agents) {
    if (!waiting.sticky.empty() && agent->id == waiting.sticky && meets(*agent, demand)) sticky = agent;
    if (bar_of(*agent, demand, waiting, now) != Bar::kEligible) continue;
    ++candidates;
    const Fit fit = fit_of(demand, agent->queues, agent->skills);
    const Seat seat{agent, fit.relaxed, fit.levels};
    if (!best || better(seat, *best)) best = seat;
  }
  const bool take_sticky = sticky != nullptr && bar_of(*sticky, demand, waiting, now) == Bar::kEligible;
  if (take_sticky) {
    const Fit fit = fit_of(demand, sticky->queues, sticky->skills);
    best = Seat{sticky, fit.relaxed, fit.levels};
  } else if (waits_for_sticky(queue, waiting, sticky, now)) {
    return std::nullopt;
  }
  if (!best) return std::nullopt;
  return Choice{best->agent->id, best->agent->gen, reasons_of(*best, candidates, step, take_sticky, now)};
}

}  // namespace belfry::routing
