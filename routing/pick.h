// Which agent for a conversation, and why. Pure functions over values; the store validates what they choose.
//
// Eligible: ready, connected, member of a queue that may answer now, skilled as is asked now, load + weight within capacity, not
// excluded. The agent of the citizen's last conversation goes first; then who lacks least of what was asked at first, has the
// highest levels in it, the lowest load for his capacity, the longest time since his last assignment (not since login), the
// lower id (reference/routing.md, 2.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "routing/demand.h"
#include "routing/store.h"

namespace belfry::routing {

// Why this agent: the vector that is stored with the offer and printed by `explain`.
struct Reasons {
  std::int64_t candidates = 0;  // agents that were compared
  std::int64_t load = 0;        // before this conversation
  std::int64_t capacity = 0;
  std::int64_t idle_ms = 0;  // since the last assignment; -1: never had one
  std::int64_t step = 0;     // steps of the queue in force
  int relaxed = 0;           // what he lacks of what was asked at first
  int levels = 0;            // his levels in it, summed
  bool sticky = false;       // the citizen's last conversation was his
};
// What is nought after idle_ms is left out.
std::string to_json(const Reasons& reasons);

struct Choice {
  std::string agent;
  std::int64_t agent_gen = 0;
  Reasons reasons;
};

// Ready and connected, however busy, and no program.
bool is_present(const AgentState& agent);
// Why an agent cannot take a conversation; kEligible if he can.
enum class Bar : std::uint8_t { kEligible, kNotReady, kNotConnected, kNotMember, kNotSkilled, kFull, kExcluded };
Bar bar_of(const AgentState& agent, const Demand& demand, const Waiting& waiting, WallTime now);
// What is left of it when membership, skills and presence are known.
Bar room_of(const AgentState& agent, const Waiting& waiting, WallTime now);

// True: a is to be preferred to b, by what he knows of what is asked, then by his load.
struct Seat {
  const AgentState* agent = nullptr;
  int relaxed = 0;
  int levels = 0;
};
bool better(const Seat& a, const Seat& b);

// The steps of its queue that are in force for it: by its waiting, and one more for each three offers in a row that nobody took.
inline constexpr std::int64_t kOffersAStep = 3;
std::size_t step_of(const QueueState& queue, const Waiting& waiting, WallTime now);

// For so long a wait, in opening hours, only the agent of the last conversation is asked, if the queue says so and he is there.
bool waits_for_sticky(const QueueState& queue, const Waiting& waiting, const AgentState* sticky, WallTime now);
Reasons reasons_of(const Seat& seat, std::size_t candidates, std::size_t step, bool sticky, WallTime now);

// Nobody while the queue is closed. The plain form, a scan; Mirror keeps the same order in an index. A step that nobody present
// meets is skipped at once.
std::optional<Choice> pick(const std::vector<const AgentState*>& agents, const QueueState& queue, const Waiting& waiting,
                           WallTime now);

}  // namespace belfry::routing
