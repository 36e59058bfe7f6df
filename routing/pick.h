// Which agent for a conversation, and why. Pure functions over values; the store validates what they choose.
//
// Eligible: ready, connected, member of the queue, load + weight within capacity, not excluded. Among those the best has
// the lowest load for its capacity, then the longest time since the last assignment (not since login), then the lower id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "routing/store.h"

namespace belfry::routing {

// Why this agent: the vector that is stored with the offer and printed by `explain`.
struct Reasons {
  std::int64_t candidates = 0;  // agents that were compared
  std::int64_t load = 0;        // before this conversation
  std::int64_t capacity = 0;
  std::int64_t idle_ms = 0;  // since the last assignment; -1: never had one
};
std::string to_json(const Reasons& reasons);

struct Choice {
  std::string agent;
  std::int64_t agent_gen = 0;
  Reasons reasons;
};

// Why an agent cannot take a conversation; kEligible if he can.
enum class Bar : std::uint8_t { kEligible, kNotReady, kNotConnected, kNotMember, kFull, kExcluded };
Bar bar_of(const AgentState& agent, const Waiting& waiting, WallTime now);

// True: a is to be preferred to b.
bool better(const AgentState& a, const AgentState& b);

// The plain form, a scan; Mirror keeps the same order in an index.
std::optional<Choice> pick(const std::vector<const AgentState*>& agents, const Waiting& waiting, WallTime now);

}  // namespace belfry::routing
