#include "routing/pick.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::routing {
namespace {

constexpr WallTime kNow{1'700'000'000'000};

AgentState ready(std::string id, std::int64_t load = 0, std::int64_t capacity = 50, std::int64_t last = 0) {
  AgentState agent;
  agent.id = std::move(id);
  agent.availability = "ready";
  agent.sessions = 1;
  agent.load = load;
  agent.capacity = capacity;
  agent.gen = 7;
  agent.last_assigned = last;
  agent.queues = {"roads", "water"};
  return agent;
}

Waiting waiting(std::string excluded = "", std::int64_t weight = kWeight) {
  return {"1", "water", std::move(excluded), 1, 0, weight, kNow.ms, ""};
}

const Demand kWater = demand_of("water", {}, {}, 0);

struct BarCase {
  std::string name;
  AgentState agent;
  Waiting waiting;
  Bar bar;
};

AgentState with(AgentState agent, void (*change)(AgentState&)) {
  change(agent);
  return agent;
}

TEST(Pick, WhoCannotTakeItAndWhy) {
  const std::string later = std::to_string(kNow.ms + 1);
  const std::string past = std::to_string(kNow.ms);
  const std::vector<BarCase> cases{
      {"free", ready("ana"), waiting(), Bar::kEligible},
      {"paused", with(ready("ana"), [](AgentState& a) { a.availability = "paused"; }), waiting(), Bar::kNotReady},
      {"not responding", with(ready("ana"), [](AgentState& a) { a.availability = "not_responding"; }), waiting(), Bar::kNotReady},
      {"no session", with(ready("ana"), [](AgentState& a) { a.sessions = 0; }), waiting(), Bar::kNotConnected},
      {"a program", with(ready("ana"), [](AgentState& a) { a.bot = true; }), waiting(), Bar::kNotReady},
      {"not a member", with(ready("ana"), [](AgentState& a) { a.queues = {"roads"}; }), waiting(), Bar::kNotMember},
      {"no queue at all", with(ready("ana"), [](AgentState& a) { a.queues.clear(); }), waiting(), Bar::kNotMember},
      {"exactly room", ready("ana", 40), waiting(), Bar::kEligible},
      {"one too many", ready("ana", 41), waiting(), Bar::kFull},
      {"room for a light one", ready("ana", 47), waiting("", kWrapWeight), Bar::kEligible},
      {"capacity nought", ready("ana", 0, 0), waiting(), Bar::kFull},
      {"excluded", ready("ana"), waiting("ana:" + later), Bar::kExcluded},
      {"excluded until now", ready("ana"), waiting("ana:" + past), Bar::kEligible},
      {"another is excluded", ready("ana"), waiting("bob:" + later), Bar::kEligible},
      {"a name that begins alike", ready("ana"), waiting("anabel:" + later), Bar::kEligible},
      {"second of the list", ready("ana"), waiting("bob:" + later + ",ana:" + later + ","), Bar::kExcluded},
      {"an old ban and a new one", ready("ana"), waiting("ana:" + past + ",ana:" + later), Bar::kExcluded},
      {"a ban cut short", ready("ana"), waiting("bob:" + later + ",ana:17"), Bar::kEligible},
      {"a name cut short", ready("ana"), waiting("bob:" + later + ",ana"), Bar::kEligible},
  };
  for (const auto& c : cases) EXPECT_EQ(bar_of(c.agent, kWater, c.waiting, kNow), c.bar) << c.name;
}

struct BetterCase {
  std::string name;
  AgentState a;
  AgentState b;
};

TEST(Pick, WhoIsPreferred) {
  const std::vector<BetterCase> cases{
      {"less to do", ready("zoe", 10), ready("ana", 20)},
      {"less for his capacity", ready("zoe", 20, 100), ready("ana", 20, 50)},
      {"a third is less than a half", ready("zoe", 10, 30), ready("ana", 10, 20)},
      {"never had one", ready("zoe", 10, 50, 0), ready("ana", 10, 50, 5)},
      {"longer without one", ready("zoe", 10, 50, 5), ready("ana", 10, 50, 6)},
      {"the lower id", ready("ana", 10), ready("zoe", 10)},
      {"equal shares of unequal capacity: longer without one", ready("zoe", 20, 40, 1), ready("ana", 10, 20, 2)},
  };
  for (const auto& c : cases) {
    EXPECT_TRUE(better({&c.a}, {&c.b})) << c.name;
    EXPECT_FALSE(better({&c.b}, {&c.a})) << c.name;
    EXPECT_FALSE(better({&c.a}, {&c.a})) << c.name;
  }
}

TEST(Pick, TheBestOfTheEligibleAndTheReasons) {
  const AgentState full = ready("full", 50);
  const AgentState busy = ready("busy", 30, 50, kNow.ms - 9'000);
  const AgentState best = ready("idle", 10, 50, kNow.ms - 4'000);
  const auto choice = pick({&full, &busy, &best}, QueueState{"water"}, waiting(), kNow);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->agent, "idle");
  EXPECT_EQ(choice->agent_gen, 7);
  EXPECT_EQ(to_json(choice->reasons), R"({"candidates":2,"load":10,"capacity":50,"idle_ms":4000})");
  EXPECT_FALSE(pick({&full}, QueueState{"water"}, waiting(), kNow));
  EXPECT_FALSE(pick({}, QueueState{"water"}, waiting(), kNow));
  const AgentState first = ready("new");
  EXPECT_EQ(pick({&first}, QueueState{"water"}, waiting(), kNow)->reasons.idle_ms, -1);
}

// I12: a thousand equal conversations over equal agents, each closed before the next, go round.
TEST(Pick, EqualAgentsTakeTurns) {
  std::vector<AgentState> agents;
  for (int i = 0; i < 7; ++i) agents.push_back(ready(std::string("agent").append(std::to_string(i))));
  std::vector<int> got(agents.size());
  std::vector<const AgentState*> all;
  for (const auto& agent : agents) all.push_back(&agent);
  for (int i = 1; i <= 1000; ++i) {
    const auto choice = pick(all, QueueState{"water"}, waiting(), kNow + i);
    ASSERT_TRUE(choice);
    for (std::size_t k = 0; k < agents.size(); ++k) {
      if (agents[k].id != choice->agent) continue;
      ++got[k];
      agents[k].last_assigned = kNow.ms + i;
    }
  }
  const auto [least, most] = std::minmax_element(got.begin(), got.end());
  EXPECT_LE(*most - *least, 1);
}

}  // namespace
}  // namespace belfry::routing
