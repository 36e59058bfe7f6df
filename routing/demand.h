// What a queue asks of an agent, and how it asks for less the longer somebody waits. Pure values and functions.
//
// A skill has a level: of an agent how good he is, 1 to 5, of a queue how good he must be at least. A queue may have up to six
// steps, each in force so long after a conversation began to wait: skills that are no longer asked for, levels lowered by so many
// (never below 1), another queue whose members may answer too. What one step allows, the later ones allow as well.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::routing {

inline constexpr int kMaxLevel = 5;
inline constexpr std::size_t kMaxSteps = 6;

struct Skill {
  std::string id;
  int level = 1;
  friend bool operator==(const Skill&, const Skill&) = default;
};
// "water:3,roads": a skill without a level has 1. What cannot be read is left out: whoever writes such a list checks it first.
std::vector<Skill> parse_skills(std::string_view list);
// One of them; kBadInput says what is wrong with it.
Result<Skill> parse_skill(std::string_view text);

struct Step {
  std::int64_t after_ms = 0;  // of waiting
  int lower_levels = 0;
  std::vector<std::string> drop;  // skills
  std::string add;                // a queue whose members may answer too
  friend bool operator==(const Step&, const Step&) = default;
};
// As the store keeps them: after|lower|drop,drop|add;... What cannot be read is left out.
std::vector<Step> parse_steps(std::string_view text);
std::string write_steps(const std::vector<Step>& steps);
// Why these steps cannot be; empty if they can: at most six, each later than the one before, each asking for less.
std::string wrong_with(const std::vector<Step>& steps);

// What is asked with the first `step` steps in force.
struct Demand {
  std::string queue;
  std::vector<Skill> exact;         // before any step
  std::vector<std::string> queues;  // whose members may answer
  std::vector<Skill> skills;
};
Demand demand_of(std::string_view queue, const std::vector<Skill>& skills, const std::vector<Step>& steps, std::size_t step);
// How many steps are in force after so long a wait.
std::size_t steps_after(const std::vector<Step>& steps, std::int64_t waited_ms);

// How an agent meets a demand.
struct Fit {
  bool member = false;   // of one of its queues
  bool skilled = false;  // as asked now
  int relaxed = 0;       // what he lacks of what was asked at first; a member of another queue lacks one more
  int levels = 0;        // his levels in what was asked at first, summed
};
Fit fit_of(const Demand& demand, const std::vector<std::string>& queues, const std::vector<Skill>& skills);

}  // namespace belfry::routing
