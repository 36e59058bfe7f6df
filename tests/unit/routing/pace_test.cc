#include "routing/pace.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace belfry::routing {
namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;

struct Stream {
  std::map<std::string, QueueState, std::less<>> queues;
  Pace pace{[this](std::string_view id) -> const QueueState* {
    const auto it = queues.find(id);
    return it == queues.end() ? nullptr : &it->second;
  }};
  std::int64_t now = kStart;
  int n = 0;

  Stream() { queues["hall"].goals.answer_ms = 60'000; }
  static Value text(std::string words) { return {.kind = Value::Kind::kString, .text = std::move(words)}; }
  Value entry(const std::string& kind, int conversation, int gen, const std::string& queue, const Fields& more) {
    Value list{.kind = Value::Kind::kArray};
    Fields fields{{"k", kind},  {"v", std::to_string(conversation)}, {"g", std::to_string(gen)}, {"a", "ana"},
                  {"q", queue}, {"t", std::to_string(now)}};
    fields.insert(fields.end(), more.begin(), more.end());
    for (const auto& [name, value] : fields) {
      list.array.push_back(text(name));
      list.array.push_back(text(value));
    }
    return {.kind = Value::Kind::kArray, .array = {text(std::to_string(now) + "-" + std::to_string(++n)), std::move(list)}};
  }
  std::optional<Pace::Ended> hear(std::int64_t after_s, const std::string& kind, int conversation = 1, int gen = 1,
                                  const std::string& queue = "hall", const Fields& more = {}) {
    now += after_s * 1000;
    return pace.apply(entry(kind, conversation, gen, queue, more));
  }
  Pace::Level level(const std::string& queue = "hall") const { return pace.level(queue, WallTime{now}); }
};
using How = Pace::Ended::How;

TEST(Pace, AWaitEndsWithAcceptingAndAHandleWithClosing) {
  Stream s;
  EXPECT_EQ(s.pace.handle_ms("hall"), 90'000);
  s.hear(0, "queued");
  s.hear(10, "offered", 1, 2);
  const auto answered = s.hear(5, "accepted", 1, 3);
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->wait_ms, 15'000);
  EXPECT_EQ(answered->how, How::kInTime);
  EXPECT_FALSE(answered->error_ms);
  s.hear(100, "wrapup", 1, 4);
  s.hear(20, "closed", 1, 5);
  EXPECT_EQ(s.pace.handle_ms("hall"), 120'000) << "active and wrap-up";
  EXPECT_EQ(s.pace.followed(), 0U);
}

TEST(Pace, NobodyWaitsWhileAProgramHasIt) {
  Stream s;
  s.hear(0, "bot");
  const auto ended = s.hear(3, "closed", 1, 2);
  EXPECT_FALSE(ended) << "nobody gave up";
  s.hear(0, "bot", 2, 1);
  s.hear(300, "requeued", 2, 2, "hall", {{"s", std::to_string(s.now + 300'000)}});
  s.hear(5, "offered", 2, 3);
  const auto answered = s.hear(5, "accepted", 2, 4);
  ASSERT_TRUE(answered);
  EXPECT_EQ(answered->wait_ms, 10'000) << "since the handover";
  s.hear(0, "bot", 3, 1);
  s.hear(60, "after_hours", 3, 2);
  s.hear(3600, "queued", 3, 3);
  EXPECT_EQ(s.hear(7, "assigned", 3, 4)->wait_ms, 7'000) << "since the opening";
  EXPECT_EQ(s.level().abandoned + s.level().abandoned_short, 0);
}

TEST(Pace, ParkedTimeTakesNoSlot) {
  Stream s;
  s.hear(0, "assigned", 1, 2);  // opened with a hint: no entry before
  s.hear(30, "parked", 1, 3);
  s.hear(900, "woken", 1, 4);
  s.hear(10, "wrapup", 1, 5);
  s.hear(5, "woken", 1, 6);  // the citizen wrote again: wrap-up had its slot
  s.hear(15, "closed", 1, 7);
  EXPECT_EQ(s.pace.handle_ms("hall"), 60'000);
  EXPECT_EQ(s.level().answered, 1);
}

TEST(Pace, AFailedOfferEndsNoWaitATransferBeginsOne) {
  Stream s;
  s.queues["works"];
  const std::string began = std::to_string(kStart);
  s.hear(0, "queued");
  s.hear(10, "offered", 1, 2);
  s.hear(45, "requeued", 1, 3, "hall", {{"s", began}, {"x", "timeout"}});
  s.hear(0, "offered", 1, 4);
  EXPECT_EQ(s.hear(10, "accepted", 1, 5)->wait_ms, 65'000);
  EXPECT_EQ(s.level().in_time, 0);
  s.hear(40, "requeued", 1, 6, "works", {{"s", std::to_string(s.now + 40'000)}, {"x", "transferred"}});
  EXPECT_EQ(s.pace.handle_ms("hall"), 40'000) << "a stint of the hall's";
  s.hear(0, "offered", 1, 7, "works");
  const auto second = s.hear(20, "accepted", 1, 8, "works");
  EXPECT_EQ(second->wait_ms, 20'000);
  EXPECT_EQ(second->queue, "works");
  EXPECT_EQ(second->how, How::kAnswered) << "no goal to count by";
  s.hear(50, "closed", 1, 9, "works");
  EXPECT_EQ(s.pace.handle_ms("works"), 50'000);
  EXPECT_EQ(s.pace.handle_ms("hall"), 40'000);
}

TEST(Pace, TheServiceLevelCountsAnHour) {
  Stream s;
  s.hear(0, "queued", 1);
  s.hear(60, "assigned", 1, 2);
  s.hear(0, "queued", 2);
  EXPECT_EQ(s.hear(61, "assigned", 2, 2)->how, How::kLate);
  s.hear(0, "queued", 3);
  EXPECT_EQ(s.hear(9, "closed", 3, 2)->how, How::kShort);
  s.hear(0, "queued", 4);
  EXPECT_EQ(s.hear(30, "closed", 4, 2, "hall", {{"x", "abandoned"}})->how, How::kAbandoned);
  s.hear(0, "queued", 5);
  EXPECT_FALSE(s.hear(30, "closed", 5, 2, "hall", {{"x", "spam"}}));
  const auto level = s.level();
  EXPECT_EQ(std::tuple(level.answered, level.in_time, level.abandoned, level.abandoned_short), std::tuple(2, 1, 1, 1));
  s.now += Pace::kWindowMs + 300'000;
  EXPECT_EQ(s.level().answered, 0);
  EXPECT_EQ(s.level("nowhere").answered, 0);
}

TEST(Pace, NoRangeBelowTwentyWaitsAndTheLastTwoHundredThen) {
  Stream s;
  for (int i = 1; i <= 19; ++i) {
    s.hear(0, "queued", i);
    s.hear(i, "assigned", i, 2);
  }
  EXPECT_FALSE(s.pace.range("hall"));
  s.hear(0, "queued", 20);
  s.hear(20, "assigned", 20, 2);
  ASSERT_TRUE(s.pace.range("hall"));
  EXPECT_EQ(s.pace.range("hall")->p50_ms, 10'000);
  EXPECT_EQ(s.pace.range("hall")->p90_ms, 18'000);
  for (int i = 21; i <= 220; ++i) {
    s.hear(0, "queued", i);
    s.hear(7, "assigned", i, 2);
  }
  EXPECT_EQ(s.pace.range("hall")->p90_ms, 7'000) << "the first twenty are forgotten";
}

TEST(Pace, WaitsAreCountedInOpeningHours) {
  Stream s;
  QueueState& hall = s.queues["hall"];
  hall.hours = Calendar::parse("never", "UTC").value();
  hall.hours->set_emergency(Emergency{true, "flood", WallTime{kStart + 50'000}, {}});
  s.hear(0, "queued");
  EXPECT_EQ(s.hear(90, "assigned", 1, 2)->wait_ms, 40'000);
}

TEST(Pace, TheErrorIsOfTheFirstEstimateThatWasTold) {
  Stream s;
  s.hear(0, "queued");
  s.pace.told("1", 60'000, WallTime{s.now});
  s.pace.told("1", 10'000, WallTime{s.now});
  s.pace.told("77", 10'000, WallTime{s.now});
  EXPECT_EQ(s.hear(100, "assigned", 1, 2)->error_ms, 40'000);
  s.pace.told("1", 5'000, WallTime{s.now});  // he does not wait
  s.hear(1, "requeued", 1, 3, "hall", {{"s", std::to_string(s.now + 1'000)}});
  s.pace.told("1", 30'000, WallTime{s.now});
  EXPECT_EQ(s.hear(10, "assigned", 1, 4)->error_ms, 20'000);
}

TEST(Pace, WhatItHasSeenItHearsOnce) {
  Stream s;
  s.hear(0, "queued");
  const Value accepted = s.entry("assigned", 1, 2, "hall", {});
  EXPECT_TRUE(s.pace.apply(accepted));
  EXPECT_FALSE(s.pace.apply(accepted));
  EXPECT_EQ(s.level().answered, 1);
  s.pace.skip_to({9'000'000'000'000, 0});
  EXPECT_FALSE(s.hear(1, "queued", 2));
  EXPECT_EQ(parse_stream_id("12-3"), (StreamId{12, 3}));
  EXPECT_LT(parse_stream_id("9-99"), parse_stream_id("10-0"));
}

// It came to us in the middle: what began before counts nowhere as a wait, and as a handle from where we saw it.
TEST(Pace, WhatBeganBeforeUsIsGuessedAtNowhere) {
  Stream s;
  EXPECT_FALSE(s.hear(0, "offered", 1, 6));
  EXPECT_FALSE(s.hear(5, "accepted", 1, 7));
  EXPECT_FALSE(s.hear(5, "accepted", 2, 3));
  EXPECT_FALSE(s.hear(5, "closed", 3, 9));
  s.hear(15, "closed", 1, 8);
  EXPECT_EQ(s.pace.handle_ms("hall"), 25'000);
  // A snapshot says since when it waits.
  s.pace.seed({"4", "hall", "", 1, 0, kWeight, s.now - 30'000, ""});
  EXPECT_EQ(s.hear(10, "assigned", 4, 2)->wait_ms, 40'000);
}

TEST(Pace, IsBounded) {
  Pace pace([](std::string_view) { return nullptr; }, 2);
  Stream s;
  for (int i = 1; i <= 3; ++i) pace.apply(s.entry("queued", i, 1, "hall", {}));
  EXPECT_EQ(pace.followed(), 2U);
  EXPECT_EQ(pace.unfollowed(), 1U);
  EXPECT_FALSE(pace.apply(s.entry("assigned", 3, 2, "hall", {})));
  pace.apply(s.entry("closed", 1, 2, "hall", {}));
  pace.apply(s.entry("queued", 4, 1, "hall", {}));
  EXPECT_EQ(pace.followed(), 2U);
}

TEST(Pace, OddEntriesAreNothing) {
  Pace pace([](std::string_view) { return nullptr; });
  EXPECT_FALSE(pace.apply({}));
  EXPECT_FALSE(pace.apply({.kind = Value::Kind::kArray, .array = {Stream::text("5-0"), {}}}));
  EXPECT_EQ(pace.followed(), 0U);
}

}  // namespace
}  // namespace belfry::routing
