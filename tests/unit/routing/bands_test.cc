#include "routing/bands.h"

#include <gtest/gtest.h>

#include <string>

#include "routing/mirror.h"

namespace belfry::routing {
namespace {

constexpr WallTime kNow{1'800'000'000'000};
constexpr std::int64_t kUrgent = kNow.ms - kLifeSafety * 60'000;

TEST(Bands, AFifthIsForTheRest) {
  Bands bands;
  std::string given;
  for (int i = 0; i < 12; ++i) {
    const bool urgent = !bands.is_ordinarys_turn();
    given += urgent ? 'u' : 'o';
    bands.offered(urgent, true);
  }
  EXPECT_EQ(given, "uuuuouuuuouu");
}

TEST(Bands, WhereNobodyElseWaitsNothingIsCounted) {
  Bands bands;
  for (int i = 0; i < 100; ++i) bands.offered(true, false);
  EXPECT_FALSE(bands.is_ordinarys_turn());
}

TEST(Bands, ATurnThatNobodyCanUseEnds) {
  Bands bands;
  for (int i = 0; i < Bands::kInARow; ++i) bands.offered(true, true);
  for (int i = 0; i < Bands::kTries; ++i) {
    EXPECT_TRUE(bands.is_ordinarys_turn());
    bands.in_vain();
  }
  EXPECT_FALSE(bands.is_ordinarys_turn());
}

TEST(Bands, TheBorderIsFarFromBoth) {
  EXPECT_LT(kUrgent, end_of_life_safety(kNow));
  const std::int64_t month = 30LL * 24 * 3'600'000;
  EXPECT_GT(kNow.ms - month - 60'000 * 1'100, end_of_life_safety(kNow)) << "who waits for a month, with all there is of priority";
  EXPECT_LT(kUrgent + month, end_of_life_safety(kNow)) << "danger to life, a month in the future by another machine's clock";
}

AgentState agent(const std::string& queue, std::int64_t capacity, std::string id = "ana") {
  AgentState a;
  a.id = std::move(id);
  a.availability = "ready";
  a.sessions = 1;
  a.capacity = capacity;
  a.queues = {queue};
  return a;
}
Waiting waits(std::string id, std::string queue, std::int64_t eff, std::string excluded = {}) {
  return {std::move(id), std::move(queue), std::move(excluded), 1, eff, kWeight, kNow.ms, ""};
}
// What is offered, a call of match() for each: as when one agent after the other is free.
std::string offered(Mirror& mirror, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    for (const Offer& offer : mirror.match(kNow, 1)) out += offer.conversation.front();
  }
  return out;
}

TEST(Bands, TheMatcherKeepsThem) {
  Snapshot snapshot;
  snapshot.agents = {agent("q", 1'000)};
  for (int i = 0; i < 10; ++i) snapshot.waiting.push_back(waits("u" + std::to_string(i), "q", kUrgent + i));
  for (int i = 0; i < 3; ++i) snapshot.waiting.push_back(waits("o" + std::to_string(i), "q", kNow.ms - 10 + i));
  Mirror mirror;
  mirror.reset(snapshot);
  EXPECT_EQ(offered(mirror, 20), "uuuuouuuuouuo");
  // In one call it is the same.
  Mirror at_once;
  at_once.reset(snapshot);
  std::string out;
  for (const Offer& offer : at_once.match(kNow, 20)) out += offer.conversation.front();
  EXPECT_EQ(out, "uuuuouuuuouuo");
}

TEST(Bands, WhomNobodyCanTakeDoesNotHoldUpDangerToLife) {
  const std::string ban = "ana:" + std::to_string(kNow.ms + 60'000);
  Snapshot snapshot;
  snapshot.agents = {agent("q", 1'000)};
  for (int i = 0; i < 10; ++i) snapshot.waiting.push_back(waits("u" + std::to_string(i), "q", kUrgent + i));
  for (int i = 0; i < 5'000; ++i) snapshot.waiting.push_back(waits("o" + std::to_string(i), "q", kNow.ms + i, ban));
  snapshot.waiting.push_back(waits("elsewhere", "other", kNow.ms));  // where nobody answers
  Mirror mirror;
  mirror.reset(std::move(snapshot));
  EXPECT_EQ(offered(mirror, 12), "uuuuuuuuuu");
}

}  // namespace
}  // namespace belfry::routing
