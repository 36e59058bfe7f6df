#include "routing/history.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::routing {
namespace {

constexpr std::int64_t kStart = 1'800'000'000'000;

TEST(Counts, GoThroughTheStoreAsTheyAre) {
  Counts counts;
  counts.add(Tally::kOpened, 12);
  counts.add(Tally::kRequeued);
  counts.add(Span::kWait, 7'000);
  counts.add(Span::kHandle, 200'000'000);
  EXPECT_EQ(counts.write(), "0=12,7=1,8=7,10=1,50=200000,70=1");
  EXPECT_EQ(Counts::parse(counts.write()), counts);
  EXPECT_EQ(Counts::parse("0=1,900=7,x,=,3"), Counts::parse("0=1")) << "what a newer version counts is left out";
  EXPECT_TRUE(Counts::parse("").empty());
  Counts sum = counts;
  sum += counts;
  EXPECT_EQ(sum.of(Tally::kOpened), 24);
  EXPECT_EQ(sum.of(Span::kWait)->count, 2);
}

TEST(Counts, PercentilesAreEndsOfBuckets) {
  Counts counts;
  EXPECT_FALSE(counts.of(Span::kWait));
  for (int i = 0; i < 8; ++i) counts.add(Span::kWait, 12'000);
  counts.add(Span::kWait, 50'000);
  counts.add(Span::kWait, 400'000);
  const auto wait = counts.of(Span::kWait);
  ASSERT_TRUE(wait);
  EXPECT_EQ(wait->count, 10);
  EXPECT_EQ(wait->mean_s, 55);
  EXPECT_EQ(wait->p50_s, 15);
  EXPECT_EQ(wait->p90_s, 60);
  EXPECT_EQ(wait->max_s, 600);
  Counts one;
  one.add(Span::kWait, 5'000);
  EXPECT_EQ(one.of(Span::kWait)->max_s, 5) << "an end belongs to its bucket";
  one.add(Span::kWait, 100'000'000);
  EXPECT_EQ(one.of(Span::kWait)->max_s, 86'400);
}

TEST(History, DaysAndFields) {
  const std::int64_t hour = kStart / 3'600'000;  // 2027-01-15 08:00
  EXPECT_EQ(day_of(hour), "20270115");
  EXPECT_EQ(day_of(hour + 16), "20270116");
  const Corner corner{hour, "hall", "wa", ""};
  EXPECT_EQ(field_of(corner), "08|hall|wa|");
  EXPECT_EQ(parse_field(hour - 8, "08|hall|wa|"), corner);
  for (const char* bad : {"", "08", "08|hall|wa", "08|hall|wa|es|x", "8|hall|wa|es", "24|hall|wa|es", "-1|hall|wa|es"})
    EXPECT_FALSE(parse_field(0, bad)) << bad;
}

struct Stream {
  std::map<std::string, QueueState, std::less<>> queues;
  History history{[this](std::string_view id) -> const QueueState* {
    const auto it = queues.find(id);
    return it == queues.end() ? nullptr : &it->second;
  }};
  std::int64_t now = kStart;
  int n = 0;
  Counts sum;

  Stream() { queues["hall"].goals.answer_ms = 60'000; }
  static Value text(std::string words) { return {.kind = Value::Kind::kString, .text = std::move(words)}; }
  std::optional<History::Noted> hear(std::int64_t after_s, const std::string& kind, int conversation, int gen,
                                     const Fields& more = {}, const std::string& queue = "hall") {
    now += after_s * 1000;
    Value list{.kind = Value::Kind::kArray};
    Fields fields{{"k", kind},
                  {"v", conversation == 0 ? "" : std::to_string(conversation)},
                  {"g", std::to_string(gen)},
                  {"a", "ana"},
                  {"q", queue},
                  {"t", std::to_string(now)}};
    fields.insert(fields.end(), more.begin(), more.end());
    for (const auto& [name, value] : fields) {
      list.array.push_back(text(name));
      list.array.push_back(text(value));
    }
    auto noted = history.apply(
        {.kind = Value::Kind::kArray, .array = {text(std::to_string(now) + "-" + std::to_string(++n)), std::move(list)}});
    if (noted) sum += noted->counts;
    return noted;
  }
};

TEST(History, ALifeIsCountedAtEachOfItsTurns) {
  Stream s;
  s.hear(0, "queued", 1, 1);
  EXPECT_EQ(s.sum.of(Tally::kOpened), 1);
  const auto offered = s.hear(20, "offered", 1, 2);
  ASSERT_TRUE(offered);
  EXPECT_TRUE(offered->opens_if_first) << "only its card knows whether it was opened so";
  EXPECT_TRUE(offered->counts.empty());
  EXPECT_FALSE(s.hear(5, "requeued", 1, 3, {{"s", std::to_string(kStart)}})) << "a declined offer is no work given back";
  s.hear(5, "offered", 1, 4);
  s.hear(10, "accepted", 1, 5);
  EXPECT_EQ(s.sum.of(Tally::kAnswered), 1);
  EXPECT_EQ(s.sum.of(Tally::kInTime), 1);
  EXPECT_EQ(s.sum.of(Tally::kTimed), 1);
  EXPECT_EQ(s.sum.of(Span::kWait)->mean_s, 40);
  s.hear(100, "requeued", 1, 6, {{"s", std::to_string(s.now + 100'000)}, {"x", "transferred"}}, "works");
  EXPECT_EQ(s.sum.of(Tally::kRequeued), 1);
  EXPECT_EQ(s.sum.of(Span::kHandle)->mean_s, 100);
  s.hear(70, "offered", 1, 7, {}, "works");
  const auto again = s.hear(0, "accepted", 1, 8, {}, "works");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->queue, "works");
  EXPECT_EQ(s.sum.of(Tally::kAnswered), 2);
  EXPECT_EQ(s.sum.of(Tally::kTimed), 1) << "works has no goal";
  const auto closed = s.hear(30, "closed", 1, 9, {}, "works");
  ASSERT_TRUE(closed);
  EXPECT_TRUE(closed->closed);
  EXPECT_EQ(s.sum.of(Tally::kClosed), 1);
  EXPECT_EQ(s.sum.of(Span::kHandle)->count, 2);
  EXPECT_EQ(s.sum.of(Tally::kOpened), 1);
  EXPECT_EQ(s.sum.of(Tally::kAbandoned), 0);
}

TEST(History, WhoLeavesIsCountedByHowLongHeWaited) {
  Stream s;
  s.hear(0, "queued", 1, 1);
  s.hear(60, "closed", 1, 2, {{"x", "abandoned"}});
  s.hear(0, "queued", 2, 1);
  s.hear(3, "closed", 2, 2);
  s.hear(0, "queued", 3, 1);
  s.hear(60, "closed", 3, 2, {{"x", "spam"}});
  EXPECT_EQ(s.sum.of(Tally::kOpened), 3);
  EXPECT_EQ(s.sum.of(Tally::kClosed), 3);
  EXPECT_EQ(s.sum.of(Tally::kAbandoned), 1);
  EXPECT_EQ(s.sum.of(Tally::kTimed), 1);
  EXPECT_EQ(s.sum.of(Tally::kAbandonedShort), 1);
  EXPECT_EQ(s.sum.of(Tally::kInTime), 0);
}

TEST(History, WhatIsNoConversationOrWasHeardBeforeCountsNothing) {
  Stream s;
  EXPECT_FALSE(s.hear(0, "agent", 0, 0));
  EXPECT_FALSE(s.hear(0, "queue", 0, 0));
  EXPECT_FALSE(s.hear(0, "prioritised", 1, 2));
  s.hear(0, "after_hours", 1, 1);
  s.hear(3'600, "queued", 1, 2, {{"x", "opened"}});
  s.hear(0, "bot", 2, 1);
  EXPECT_EQ(s.sum.of(Tally::kOpened), 2) << "waiting for the opening is no second conversation";
}

}  // namespace
}  // namespace belfry::routing
