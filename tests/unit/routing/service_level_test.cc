#include "routing/service_level.h"

#include <gtest/gtest.h>

#include <string>

#include "routing/term_book.h"

namespace belfry::routing {
namespace {

constexpr std::int64_t kMinute = 60'000, kHour = 60 * kMinute;
// Friday 2026-10-09 16:00:00 UTC.
constexpr WallTime kFriday{1'791'561'600'000};
const std::optional<Calendar> kAlways;

std::optional<Calendar> office() { return Calendar::parse("mon-fri 08:00-17:00", "UTC").value(); }

std::string said(const std::vector<Term>& terms) {
  std::string out;
  for (const Term& t : terms)
    out += std::string(out.empty() ? "" : " ") + std::string(name_of(t.clock)) + ":" + std::string(name_of(t.state));
  return out;
}
Outlook held() { return {}; }
Outlook waits(std::int64_t ms) { return {.waits = true, .wait_ms = ms}; }
Outlook nobody() { return {.waits = true, .nobody = true}; }

TEST(Goals, AreReadAsTheyAreWritten) {
  const Goals all{60'000, 300'000, 600'000, 28'800'000, 80};
  EXPECT_EQ(write_goals(all), "answer=60000,first_reply=300000,next_reply=600000,resolve=28800000,within=80");
  EXPECT_EQ(parse_goals(write_goals(all)), all);
  EXPECT_EQ(write_goals({}), "");
  EXPECT_EQ(parse_goals(""), Goals{});
  EXPECT_EQ(parse_goals("first_reply=300000"), (Goals{.first_reply_ms = 300'000}));
  EXPECT_EQ(parse_goals("first_reply=-1,next_reply=5m,within=101,what=3,,resolve=9000000000,answer=1000"),
            (Goals{.answer_ms = 1'000}));
}

TEST(Goals, ThatCannotBe) {
  EXPECT_EQ(wrong_with({}), "");
  EXPECT_EQ(wrong_with({60'000, 300'000, 600'000, 28'800'000, 80}), "");
  EXPECT_NE(wrong_with({.first_reply_ms = 999}), "");
  EXPECT_NE(wrong_with({.first_reply_ms = -1}), "");
  EXPECT_NE(wrong_with({.resolve_ms = kLongestGoal + 1}), "");
  EXPECT_NE(wrong_with({.within_percent = 80}), "");
  EXPECT_NE(wrong_with({.answer_ms = 1'000, .within_percent = 101}), "");
  EXPECT_NE(wrong_with({.answer_ms = 10'000, .first_reply_ms = 5'000}), "");
  EXPECT_NE(wrong_with({.first_reply_ms = 10'000, .resolve_ms = 5'000}), "");
}

TEST(Terms, TheFirstReply) {
  const Goals goals{.first_reply_ms = 10 * kMinute};
  Course course{.first = kFriday};
  const auto at = [&](std::int64_t ms, const Outlook& outlook) {
    return said(terms_of(goals, kAlways, course, outlook, kFriday + ms));
  };
  // A fifth of the goal is always expected: 8 of 10 minutes may pass.
  EXPECT_EQ(at(8 * kMinute, held()), "first_reply:due");
  EXPECT_EQ(at(8 * kMinute + 1, held()), "first_reply:predicted");
  // Six minutes of line before him: after four it will be late.
  EXPECT_EQ(at(4 * kMinute, waits(6 * kMinute)), "first_reply:due");
  EXPECT_EQ(at(4 * kMinute + 1, waits(6 * kMinute)), "first_reply:predicted");
  EXPECT_EQ(at(5 * kMinute, nobody()), "first_reply:due");
  EXPECT_EQ(at(5 * kMinute + 1, nobody()), "first_reply:predicted");
  EXPECT_EQ(at(0, waits(11 * kMinute)), "first_reply:predicted");
  // At the due time itself it is not late yet.
  EXPECT_EQ(at(10 * kMinute, held()), "first_reply:predicted");
  EXPECT_EQ(at(10 * kMinute + 1, held()), "first_reply:breached");
  course.first_reply = kFriday + 10 * kMinute;
  EXPECT_EQ(at(kHour, held()), "first_reply:met");
  course.first_reply = kFriday + 10 * kMinute + 1;
  EXPECT_EQ(at(kHour, held()), "first_reply:breached") << "late, whatever came after";
  course.first_reply = {};
  course.closed = kFriday + kMinute;
  EXPECT_EQ(at(kHour, held()), "") << "it ended before anything was owed";
  course.closed = kFriday + 11 * kMinute;
  EXPECT_EQ(at(kHour, held()), "first_reply:breached");
}

TEST(Terms, TheNextReplyRunsFromTheOldestUnanswered) {
  const Goals goals{.next_reply_ms = 10 * kMinute};
  Course course{.first = kFriday};
  EXPECT_EQ(said(terms_of(goals, kAlways, course, held(), kFriday + kHour)), "") << "the first reply has a goal of its own";
  course.first_reply = kFriday + kMinute;
  EXPECT_EQ(said(terms_of(goals, kAlways, course, held(), kFriday + kHour)), "next_reply:met");
  course.unanswered = kFriday + kHour;
  const auto terms = terms_of(goals, kAlways, course, held(), kFriday + kHour + 9 * kMinute);
  EXPECT_EQ(said(terms), "next_reply:predicted");
  EXPECT_EQ(terms[0].due, kFriday + kHour + 10 * kMinute);
  EXPECT_EQ(terms[0].left_ms, kMinute);
}

TEST(Terms, ResolvingCountsTheWorkThatIsLeft) {
  const Goals goals{.resolve_ms = kHour};
  Course course{.first = kFriday};
  Outlook outlook = waits(20 * kMinute);
  outlook.handle_ms = 10 * kMinute;
  EXPECT_EQ(said(terms_of(goals, kAlways, course, outlook, kFriday + 30 * kMinute)), "resolve:due");
  EXPECT_EQ(said(terms_of(goals, kAlways, course, outlook, kFriday + 30 * kMinute + 1)), "resolve:predicted");
  course.closed = kFriday + kHour;
  EXPECT_EQ(said(terms_of(goals, kAlways, course, held(), kFriday + 2 * kHour)), "resolve:met");
  course.closed = kFriday + kHour + 1;
  EXPECT_EQ(said(terms_of(goals, kAlways, course, held(), kFriday + 2 * kHour)), "resolve:breached");
}

TEST(Terms, ClosedHoursDoNotCount) {
  const Goals goals{.first_reply_ms = 2 * kHour};
  const Course course{.first = kFriday};  // an hour before the weekend
  const auto hours = office();
  constexpr WallTime kMonday = kFriday + 64 * kHour;  // 08:00
  const auto terms = terms_of(goals, hours, course, held(), kFriday + kHour);
  EXPECT_EQ(terms[0].due, kMonday + kHour);
  EXPECT_EQ(terms[0].left_ms, kHour);
  EXPECT_EQ(said(terms_of(goals, hours, course, waits(90 * kMinute), kFriday + 30 * kHour)), "first_reply:due")
      << "nothing is predicted on Saturday";
  EXPECT_EQ(said(terms_of(goals, hours, course, held(), kMonday + 37 * kMinute)), "first_reply:predicted");
  EXPECT_EQ(said(terms_of(goals, hours, course, held(), kMonday + kHour + 1)), "first_reply:breached");
  // Due exactly when it closes: a reply on Saturday comes too late, one at the stroke does not.
  const Goals hour{.first_reply_ms = kHour};
  EXPECT_EQ(said(terms_of(hour, hours, {.first = kFriday, .first_reply = kFriday + kHour}, held(), kMonday)), "first_reply:met");
  EXPECT_EQ(said(terms_of(hour, hours, {.first = kFriday, .first_reply = kFriday + 20 * kHour}, held(), kMonday)),
            "first_reply:breached");
  const std::optional<Calendar> never = Calendar::parse("never", "UTC").value();
  EXPECT_EQ(said(terms_of(goals, never, course, nobody(), kFriday + 900 * kHour)), "first_reply:due");
  EXPECT_FALSE(terms_of(goals, never, course, nobody(), kFriday)[0].due);
}

// Whoever looks when he is told to, and only then, sees a prediction before the breach, and the breach as it comes.
TEST(Terms, LooksMissNothing) {
  struct Case {
    const char* what;
    Goals goals;
    std::int64_t asked_again;  // after the first message; answered at once before
    Outlook outlook;
    std::optional<Calendar> hours;
  };
  const Case cases[] = {{"held", {.first_reply_ms = 5 * kMinute}, 0, held(), kAlways},
                        {"nobody", {.first_reply_ms = 5 * kMinute}, 0, nobody(), kAlways},
                        {"a line", {.first_reply_ms = 5 * kMinute}, 0, waits(2 * kMinute), kAlways},
                        {"over the weekend", {.first_reply_ms = 5 * kHour}, 0, waits(2 * kMinute), office()},
                        {"resolve", {.resolve_ms = 30 * kHour}, 0, held(), office()},
                        {"next", {.next_reply_ms = 10 * kMinute}, 7 * kMinute, held(), kAlways},
                        {"next, much later", {.next_reply_ms = 10 * kMinute}, 9 * kHour + 1, held(), kAlways},
                        {"next, over the weekend", {.next_reply_ms = 10 * kMinute}, 57 * kMinute, held(), office()}};
  for (const Case& c : cases) {
    Course course{.first = kFriday};
    if (c.asked_again > 0) course.first_reply = kFriday + 1;
    WallTime now = kFriday;
    std::optional<WallTime> predicted, breached;
    int looks = 0;
    for (; looks < 400; ++looks) {
      Course then = course;
      if (c.asked_again > 0 && now.ms >= kFriday.ms + c.asked_again) then.unanswered = kFriday + c.asked_again;
      const auto terms = terms_of(c.goals, c.hours, then, c.outlook, now);
      for (const Term& t : terms) {
        if (t.state == TermState::kPredicted && !predicted) predicted = now;
        if (t.state == TermState::kBreached && !breached) {
          breached = now;
          EXPECT_EQ(now.ms - t.due->ms, 1) << c.what;
          ASSERT_TRUE(predicted) << c.what;
          // In time: a tenth of the goal before, at least.
          const std::int64_t goal = c.goals.first_reply_ms + c.goals.next_reply_ms + c.goals.resolve_ms;
          EXPECT_GE(open_ms(c.hours, *predicted, *t.due), goal / 10) << c.what;
        }
      }
      if (breached) break;
      const auto next = next_look(c.goals, c.hours, then, terms, now);
      ASSERT_TRUE(next) << c.what;
      ASSERT_GT(next->ms, now.ms) << c.what;
      now = *next;
    }
    EXPECT_TRUE(breached) << c.what;
    EXPECT_LT(looks, 120) << c.what;
  }
}

TEST(Terms, NothingIsLookedAtForNothing) {
  const Goals goals{.first_reply_ms = kMinute};
  const Course answered{.first = kFriday, .first_reply = kFriday + 1};
  EXPECT_FALSE(next_look(goals, kAlways, answered, terms_of(goals, kAlways, answered, held(), kFriday + 2), kFriday + 2));
  const Course open{.first = kFriday};
  const std::optional<Calendar> never = Calendar::parse("never", "UTC").value();
  EXPECT_FALSE(next_look(goals, never, open, terms_of(goals, never, open, held(), kFriday), kFriday));
  // Breached and not yet answered: a later question has a clock of its own, which must be found.
  const Goals both{.first_reply_ms = kMinute, .next_reply_ms = kMinute};
  EXPECT_TRUE(next_look(both, kAlways, open, terms_of(both, kAlways, open, held(), kFriday + kHour), kFriday + kHour));
}

TEST(TermBook, KeepsTheOrderAndIsBounded) {
  TermBook book(2);
  book.look("a", WallTime{30});
  book.look("b", WallTime{20});
  book.look("c", WallTime{10});
  EXPECT_EQ(book.refused(), 1U);
  book.look("a", WallTime{40});  // sooner was said before
  EXPECT_EQ(book.due(WallTime{19}, 9), std::vector<std::string>{});
  EXPECT_EQ(book.due(WallTime{30}, 1), std::vector<std::string>{"b"});
  book.look("a", WallTime{5});
  EXPECT_EQ(book.due(WallTime{30}, 9), std::vector<std::string>{"a"});
  EXPECT_EQ(book.size(), 2U);
  EXPECT_EQ(book.ordered(), 0U);
  book.drop("a");
  book.look("c", WallTime{10});
  EXPECT_EQ(book.due(WallTime{30}, 9), std::vector<std::string>{"c"});
}

TEST(TermBook, ToldOnce) {
  TermBook book;
  book.look("a", WallTime{1});
  Term term{Clock::kNextReply, TermState::kPredicted, WallTime{7}, WallTime{9}, 0, 0};
  EXPECT_TRUE(book.is_news("a", term));
  book.told("a", term);
  EXPECT_FALSE(book.is_news("a", term));
  term.state = TermState::kBreached;
  EXPECT_TRUE(book.is_news("a", term));
  book.told("a", term);
  term.state = TermState::kPredicted;
  EXPECT_FALSE(book.is_news("a", term)) << "not after its breach";
  term.since = WallTime{8};
  EXPECT_TRUE(book.is_news("a", term)) << "another question";
  term.clock = Clock::kResolve;
  EXPECT_TRUE(book.is_news("a", term));
  term.state = TermState::kDue;
  EXPECT_FALSE(book.is_news("a", term));
}

}  // namespace
}  // namespace belfry::routing
