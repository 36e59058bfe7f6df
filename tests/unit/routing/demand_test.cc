#include "routing/demand.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::routing {
namespace {

TEST(Demand, ASkillMayHaveALevel) {
  EXPECT_EQ(*parse_skill("water"), (Skill{"water", 1}));
  EXPECT_EQ(*parse_skill("water:5"), (Skill{"water", 5}));
  for (const char* wrong : {"", ":3", "water:", "water:0", "water:6", "water:33", "water:-1", "water:x"}) {
    EXPECT_FALSE(parse_skill(wrong)) << wrong;
  }
  EXPECT_EQ(parse_skills("water:3,,x:9,de"), (std::vector<Skill>{{"water", 3}, {"de", 1}}));
}

TEST(Demand, StepsComeBackAsTheyWereWritten) {
  const std::vector<Step> steps{{0, 1, {}, ""}, {30'000, 0, {"de", "pipes"}, ""}, {60'000, 4, {"x"}, "overflow"}};
  EXPECT_EQ(write_steps(steps), "0|1||;30000|0|de,pipes|;60000|4|x|overflow");
  EXPECT_EQ(parse_steps(write_steps(steps)), steps);
  EXPECT_TRUE(parse_steps("").empty());
  EXPECT_EQ(parse_steps("x|1||;5|1||;-5|1||;7").size(), 1U) << "what cannot be read is left out";
}

TEST(Demand, WhatIsWrongWithSteps) {
  EXPECT_EQ(wrong_with({}), "");
  EXPECT_EQ(wrong_with({{0, 1, {}, ""}, {1, 0, {"x"}, ""}}), "");
  EXPECT_EQ(wrong_with({{5, 1, {}, ""}, {5, 2, {}, ""}}), "are not in order: step 2 must come after the one before");
  EXPECT_EQ(wrong_with({{5, 0, {}, ""}}), "ask for nothing less in step 1: give it lower_levels, drop or add");
  EXPECT_NE(wrong_with(std::vector<Step>(7, Step{0, 1, {}, ""})), "");
}

TEST(Demand, AsksForLessStepByStep) {
  const std::vector<Skill> skills{{"pipes", 4}, {"de", 2}};
  const std::vector<Step> steps{{10, 1, {}, ""}, {20, 3, {}, "overflow"}, {30, 0, {"de"}, ""}};
  EXPECT_EQ(demand_of("water", skills, steps, 0).skills, skills);
  EXPECT_EQ(demand_of("water", skills, steps, 1).skills, (std::vector<Skill>{{"pipes", 3}, {"de", 1}}));
  EXPECT_EQ(demand_of("water", skills, steps, 2).skills, (std::vector<Skill>{{"pipes", 1}, {"de", 1}})) << "never below 1";
  const Demand last = demand_of("water", skills, steps, 9);
  EXPECT_EQ(last.skills, (std::vector<Skill>{{"pipes", 1}}));
  EXPECT_EQ(last.queues, (std::vector<std::string>{"water", "overflow"}));
  EXPECT_EQ(last.exact, skills);
  EXPECT_EQ(steps_after(steps, 9), 0U);
  EXPECT_EQ(steps_after(steps, 10), 1U);
  EXPECT_EQ(steps_after(steps, 1'000), 3U);
}

TEST(Demand, HowAnAgentMeetsIt) {
  const std::vector<Skill> skills{{"pipes", 4}, {"de", 2}};
  const Demand now = demand_of("water", skills, {{0, 1, {}, "overflow"}}, 1);
  const auto fit = [&](const char* queue, const char* has) { return fit_of(now, {queue}, parse_skills(has)); };
  EXPECT_TRUE(fit("water", "pipes:5,de:2").skilled);
  EXPECT_EQ(fit("water", "pipes:5,de:2").relaxed, 0);
  EXPECT_EQ(fit("water", "pipes:5,de:2,art:5").levels, 7) << "of what is asked";
  EXPECT_TRUE(fit("water", "pipes:3,de:1").skilled);
  EXPECT_EQ(fit("water", "pipes:3,de:1").relaxed, 2);
  EXPECT_FALSE(fit("water", "pipes:2,de:5").skilled);
  EXPECT_FALSE(fit("water", "de:5").skilled);
  EXPECT_TRUE(fit("overflow", "pipes:4,de:2").member);
  EXPECT_EQ(fit("overflow", "pipes:4,de:2").relaxed, 1);
  EXPECT_FALSE(fit("roads", "pipes:4,de:2").member);
}

}  // namespace
}  // namespace belfry::routing
