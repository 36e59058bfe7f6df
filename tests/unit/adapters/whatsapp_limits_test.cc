// Rates: what leaves in any second, who waits for whom, and what 130429 and 131056 change.
#include "adapters/whatsapp/limits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

namespace belfry::whatsapp {
namespace {

// Sends whatever may leave, asking again when told to, for `ms`; the most that left within any second, and in all.
struct Flood {
  int most_in_a_second = 0;
  int total = 0;
};
Flood flood(Pace& pace, Instant from, std::int64_t ms) {
  Flood result;
  std::deque<Instant> recent;
  for (Instant now = from; now < from + ms;) {
    for (int ready = pace.ready(now); ready > 0; --ready) {
      pace.sent(now);
      recent.push_back(now);
      ++result.total;
    }
    while (!recent.empty() && now - recent.front() >= 1'000) recent.pop_front();
    result.most_in_a_second = std::max(result.most_in_a_second, static_cast<int>(recent.size()));
    const Instant next = pace.next(now);
    EXPECT_GT(next, now);
    now = std::max(next, now + 1);
  }
  return result;
}

TEST(WhatsappPace, NeverMoreThanTheRateInAnySecond) {
  for (const int rate : {1, 2, 5, 20, 80, 1000}) {
    Pace pace(rate, {0});
    const Flood result = flood(pace, {0}, 10'000);
    EXPECT_LE(result.most_in_a_second, rate) << rate;
    EXPECT_GE(result.total, rate * 10 * (rate >= 20 ? 90 : 50) / 100) << rate;
  }
}

TEST(WhatsappPace, ABurstIsSmallSoAnAlertBehindItWaitsLittle) {
  Pace pace(80, {0});
  EXPECT_EQ(pace.ready({10'000}), 4);
  for (int i = 0; i < 4; ++i) pace.sent({10'000});
  EXPECT_EQ(pace.ready({10'000}), 0);
  EXPECT_LE(pace.next({10'000}) - Instant{10'000}, 14);
}

TEST(WhatsappPace, InboundCountsButLeavesATenth) {
  Pace quiet(80, {0});
  Pace busy(80, {0});
  int sent = 0;
  for (std::int64_t ms = 0; ms < 10'000; ++ms) {
    if (ms % 25 == 0) busy.received({ms});  // 40 a second
    for (int ready = busy.ready({ms}); ready > 0; --ready, ++sent) busy.sent({ms});
  }
  EXPECT_GE(sent, 350);
  EXPECT_LE(sent, 410);  // in and out together: 80 a second
  Pace flooded(80, {0});
  sent = 0;
  for (std::int64_t ms = 0; ms < 10'000; ++ms) {
    for (int i = 0; i < 3; ++i) flooded.received({ms});
    for (int ready = flooded.ready({ms}); ready > 0; --ready, ++sent) flooded.sent({ms});
  }
  EXPECT_GE(sent, 79);
  EXPECT_LE(sent, 84);
}

TEST(WhatsappPace, HalvesOnceASecondAndRecovers) {
  Pace pace(80, {0});
  EXPECT_EQ(pace.rate({0}), 80);
  for (int i = 0; i < 50; ++i) pace.slow_down({5'000 + i});
  EXPECT_EQ(pace.rate({5'050}), 40);
  pace.slow_down({6'000});
  EXPECT_EQ(pace.rate({6'000}), 24);  // 40 + 8, halved
  EXPECT_EQ(pace.ready({6'000}), 0);
  for (int i = 1; i < 30; ++i) pace.slow_down({6'000 + i * 1'000});
  EXPECT_GE(pace.rate({36'000}), 5);
  EXPECT_EQ(pace.rate({60'000}), 80);
  const Flood slow = flood(pace, {60'000}, 5'000);
  EXPECT_LE(slow.most_in_a_second, 80);
}

TEST(WhatsappPairs, FortyFiveThenOneInSixSeconds) {
  Pairs pairs;
  const std::string ann = "wa:p1:1";
  for (int i = 0; i < 45; ++i) {
    EXPECT_EQ(pairs.next({100}, ann), Instant{100}) << i;
    pairs.sent({100}, ann);
  }
  EXPECT_EQ(pairs.next({100}, ann), Instant{6'100});
  EXPECT_EQ(pairs.next({6'100}, ann), Instant{6'100});
  pairs.sent({6'100}, ann);
  EXPECT_EQ(pairs.next({6'100}, ann), Instant{12'100});
  EXPECT_EQ(pairs.next({100}, "wa:p1:2"), Instant{100});
  EXPECT_EQ(pairs.next({600'000}, ann), Instant{600'000});
}

TEST(WhatsappPairs, ARefusalWaitsFourToTheN) {
  Pairs pairs;
  const std::string ann = "wa:p1:1";
  Instant now{0};
  for (const std::int64_t seconds : {1, 4, 16, 64, 256, 1024, 4096, 4096}) {
    pairs.refused(now, ann);
    EXPECT_EQ(pairs.next(now, ann) - now, seconds * 1'000);
    now = pairs.next(now, ann);
  }
  pairs.accepted(ann);
  EXPECT_EQ(pairs.refused(now, ann), 1);
  EXPECT_EQ(pairs.next(now, ann) - now, 1'000);
}

TEST(WhatsappPairs, ForgetsWhoOwesNothing) {
  Pairs pairs;
  for (int i = 0; i < 200'000; ++i) pairs.sent({i * 12}, "wa:p1:" + std::to_string(i));  // 83 a second
  EXPECT_LE(pairs.size(), 2'048U);
}

}  // namespace
}  // namespace belfry::whatsapp
