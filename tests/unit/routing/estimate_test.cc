#include "routing/estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "routing/pick.h"

namespace belfry::routing {
namespace {

// What a Lineup is made of, built up by hand.
struct Town {
  std::vector<std::unique_ptr<QueueState>> queues;
  std::vector<std::unique_ptr<AgentState>> agents;
  std::vector<std::unique_ptr<Waiting>> waiting;

  QueueState& queue(std::string id) {
    queues.push_back(std::make_unique<QueueState>());
    queues.back()->id = std::move(id);
    return *queues.back();
  }
  AgentState& agent(std::vector<std::string> serves, std::int64_t slots = 1, std::int64_t busy = 0) {
    agents.push_back(std::make_unique<AgentState>());
    AgentState& a = *agents.back();
    a.id = "a" + std::to_string(agents.size());
    a.availability = "ready";
    a.sessions = 1;
    a.capacity = slots * kWeight;
    a.load = busy * kWeight;
    a.queues = std::move(serves);
    return a;
  }
  void waits(const std::string& queue, std::int64_t eff) {
    waiting.push_back(std::make_unique<Waiting>());
    *waiting.back() = {std::to_string(waiting.size()), queue, "", 1, eff, kWeight, eff, ""};
  }
  Lineup lineup() const {
    const auto all = [](const auto& owned) {
      std::vector<const typename std::decay_t<decltype(owned)>::value_type::element_type*> out;
      for (const auto& each : owned) out.push_back(each.get());
      return out;
    };
    return Lineup(all(queues), all(agents), all(waiting));
  }
};

TEST(WaitFormula, WorkedExamples) {
  EXPECT_EQ(wait_ms(90'000, 1, 0, 1), 90'000);
  EXPECT_EQ(wait_ms(90'000, 3, 1, 2), 90'000);  // one is served at once, two share two slots
  EXPECT_EQ(wait_ms(100'000, 20, 0, 4), 500'000);
  EXPECT_EQ(wait_ms(90'000, 2, 5, 5), 0);  // a free slot for each
  EXPECT_EQ(wait_ms(90'000, 1, 0, 0), std::nullopt);
  EXPECT_EQ(wait_ms(90'000, 1e18, 0, 1), 30LL * 24 * 3'600'000);
}

TEST(Percentile, ByTheNearestRank) {
  std::vector<std::int64_t> waits(200);
  for (std::size_t i = 0; i < 200; ++i) waits[i] = static_cast<std::int64_t>(200 - i);
  EXPECT_EQ(percentile(waits, 0.5), 100);
  EXPECT_EQ(percentile(waits, 0.9), 180);
  EXPECT_EQ(percentile({7}, 0.9), 7);
  EXPECT_EQ(percentile({}, 0.9), 0);
}

TEST(Lineup, TwoQueuesOfTheSameAgentsAreOneLine) {
  Town town;
  town.queue("east");
  town.queue("west");
  for (int i = 0; i < 4; ++i) town.agent({"east", "west"}, 1, 1);
  for (int i = 0; i < 10; ++i) {
    town.waits("east", 1'000 + 20 * i);
    town.waits("west", 1'010 + 20 * i);
  }
  const Lineup line = town.lineup();
  const auto west = line.places("west", std::nullopt, 99);
  ASSERT_EQ(west.size(), 10U);
  EXPECT_EQ(west[0].position(), 2);
  EXPECT_EQ(west[9].position(), 20);
  EXPECT_EQ(line.staff("west").slots, 4);
  EXPECT_EQ(line.staff("west").free_slots, 0);
  EXPECT_EQ(wait_ms(100'000, static_cast<double>(west[9].position()), 0, line.staff("west").slots), 500'000);
}

TEST(Lineup, AnotherQueueCountsByThePartOfItsSlotsThatIsShared) {
  Town town;
  town.queue("east");
  town.queue("west");
  for (int i = 0; i < 4; ++i) town.agent({"east", "west"}, 1, 1);
  for (int i = 0; i < 12; ++i) town.agent({"west"}, 1, 1);
  for (int i = 0; i < 10; ++i) town.waits("west", 1'000 + i);
  for (int i = 0; i < 10; ++i) town.waits("east", 2'000 + i);
  const Lineup line = town.lineup();
  const auto east = line.places("east", std::nullopt, 99);
  // 10 of the west, a quarter of whose slots serve the east too.
  EXPECT_DOUBLE_EQ(east[0].ahead, 2.5);
  EXPECT_EQ(east[0].position(), 3);
  EXPECT_DOUBLE_EQ(line.ahead("east", 2'000, east[0].conversation), 2.5);
  EXPECT_EQ(east[9].position(), 12);
  EXPECT_EQ(wait_ms(100'000, static_cast<double>(east[9].position()), 0, line.staff("east").slots), 300'000);
  // Who comes later elsewhere is before nobody here.
  EXPECT_EQ(line.places("west", std::nullopt, 99)[9].position(), 10);
}

TEST(Lineup, WhoServesIsReadySkilledAndCountsHisFreeSlots) {
  Town town;
  QueueState& pipes = town.queue("pipes");
  pipes.skills = {{"water", 3}};
  pipes.steps = {{60'000, 2, {}, ""}, {120'000, 0, {"water"}, "hall"}};
  town.queue("hall");
  town.agent({"pipes"}, 3, 1).skills = {{"water", 4}};
  town.agent({"pipes"}, 3).skills = {{"water", 1}};  // good enough at the first step: half, for he has no other queue
  town.agent({"hall"}, 4);                           // may help at the second
  town.agent({"pipes"}, 9).availability = "paused";
  town.agent({"pipes"}, 9).sessions = 0;
  town.agent({}, 9);
  const Lineup line = town.lineup();
  EXPECT_EQ(line.staff("pipes").agents, 3);
  EXPECT_DOUBLE_EQ(line.staff("pipes").slots, 3 + 1.5 + 2);
  EXPECT_DOUBLE_EQ(line.staff("pipes").free_slots, 2 + 1.5 + 2);
  EXPECT_EQ(line.staff("hall").agents, 1);
  EXPECT_EQ(line.staff("nowhere").agents, 0);
}

TEST(Lineup, PagesAndPlacesAgree) {
  Town town;
  town.queue("a");
  town.queue("b");
  town.agent({"a", "b"});
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) town.waits(random() % 2 == 0 ? "a" : "b", static_cast<std::int64_t>(random() % 50));
  const Lineup line = town.lineup();
  const auto whole = line.places("a", std::nullopt, 999);
  EXPECT_EQ(whole.size(), line.waiting("a"));
  std::vector<Place> paged;
  std::optional<std::pair<std::int64_t, std::string>> after;
  for (;;) {
    const auto page = line.places("a", after, 7);
    if (page.empty()) break;
    paged.insert(paged.end(), page.begin(), page.end());
    after = {page.back().eff, page.back().conversation};
  }
  ASSERT_EQ(paged.size(), whole.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(paged[i].conversation, whole[i].conversation);
    EXPECT_EQ(whole[i].ahead, line.ahead("a", whole[i].eff, whole[i].conversation));
    // The plain count.
    const auto ahead = std::count_if(town.waiting.begin(), town.waiting.end(), [&](const auto& w) {
      return std::pair(w->eff, w->conversation) < std::pair(whole[i].eff, whole[i].conversation);
    });
    EXPECT_EQ(whole[i].ahead, static_cast<double>(ahead));
  }
  EXPECT_TRUE(std::is_sorted(line.sinces("a").begin(), line.sinces("a").end()));
}

// The formula against a town that is played out: one slot an agent, each handle as long as the mean. What was promised at the
// start is never further off than one handle.
TEST(Lineup, TheFormulaIsCloseToWhatHappens) {
  for (const int agents : {1, 3, 10}) {
    Town town;
    town.queue("east");
    town.queue("west");
    for (int i = 0; i < agents; ++i) town.agent({"east", "west"}, 1, 1);
    for (int i = 0; i < 40; ++i) town.waits(i % 3 == 0 ? "east" : "west", i);
    const Lineup line = town.lineup();
    constexpr std::int64_t kHandle = 100;
    std::vector<std::int64_t> free_at;
    for (int i = 0; i < agents; ++i) free_at.push_back(kHandle * (i + 1) / agents);
    for (int i = 0; i < 40; ++i) {
      const auto next = std::min_element(free_at.begin(), free_at.end());
      const std::int64_t real = *next;
      *next += kHandle;
      const Waiting& w = *town.waiting[static_cast<std::size_t>(i)];
      const double position = line.ahead(w.queue, w.eff, w.conversation) + 1;
      const auto told = wait_ms(kHandle, position, 0, line.staff(w.queue).slots);
      EXPECT_NEAR(static_cast<double>(*told), static_cast<double>(real), kHandle) << i << " of " << agents;
    }
  }
}

}  // namespace
}  // namespace belfry::routing
