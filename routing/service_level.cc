#include "routing/service_level.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace belfry::routing {
namespace {

constexpr std::int64_t kLookAtMostEvery = 1'000;

struct Name {
  std::string_view word;
  std::int64_t Goals::*ms;
};
constexpr Name kNames[] = {{"answer", &Goals::answer_ms},
                           {"first_reply", &Goals::first_reply_ms},
                           {"next_reply", &Goals::next_reply_ms},
                           {"resolve", &Goals::resolve_ms}};

std::int64_t expected(const Outlook& outlook, Clock clock, std::int64_t goal_ms) {
  std::int64_t ms = goal_ms / 5;
  if (outlook.nobody) ms = goal_ms / 2;
  const std::int64_t work = clock == Clock::kResolve ? outlook.handle_ms : 0;
  return std::max(ms, (outlook.waits ? outlook.wait_ms : 0) + work);
}

}  // namespace

Goals parse_goals(std::string_view text) {
  Goals goals;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view part = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view word = part.substr(0, equals), digits = part.substr(equals + 1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc{} || end != digits.data() + digits.size() || value < 0 || value > kLongestGoal) continue;
    for (const Name& name : kNames) {
      if (name.word == word) goals.*name.ms = value;
    }
    if (word == "within" && value <= 100) goals.within_percent = static_cast<int>(value);
  }
  return goals;
}

std::string write_goals(const Goals& goals) {
  std::string out;
  const auto add = [&](std::string_view word, std::int64_t value) {
    if (value > 0) out.append(out.empty() ? "" : ",").append(word).append("=").append(std::to_string(value));
  };
  for (const Name& name : kNames) add(name.word, goals.*name.ms);
  add("within", goals.within_percent);
  return out;
}

std::string wrong_with(const Goals& goals) {
  for (const Name& name : kNames) {
    const std::int64_t ms = goals.*name.ms;
    if (ms < 0 || ms > kLongestGoal || (ms > 0 && ms < 1'000))
      return "asks for " + std::string(name.word) + " outside of 1 second to 30 days";
  }
  if (goals.within_percent < 0 || goals.within_percent > 100) return "wants a share that is none of 1 to 100 percent";
  if (goals.within_percent > 0 && goals.in_time_ms() == 0)
    return "wants a share of answers in time without saying what that is: add answer, or first_reply";
  if (goals.answer_ms > 0 && goals.first_reply_ms > 0 && goals.answer_ms > goals.first_reply_ms)
    return "allows an answer to take longer than the first reply, which comes after it";
  if (goals.resolve_ms > 0 && std::max(goals.answer_ms, goals.first_reply_ms) > goals.resolve_ms)
    return "allows the first reply to take longer than resolving, which comes after it";
  return {};
}

std::string_view name_of(Clock clock) {
  switch (clock) {
    case Clock::kFirstReply: return "first_reply";
    case Clock::kNextReply: return "next_reply";
    case Clock::kResolve: break;
  }
  return "resolve";
}

std::string_view name_of(TermState state) {
  switch (state) {
    case TermState::kMet: return "met";
    case TermState::kDue: return "due";
    case TermState::kPredicted: return "predicted";
    case TermState::kBreached: break;
  }
  return "breached";
}

std::int64_t open_ms(const std::optional<Calendar>& hours, WallTime from, WallTime to) {
  return hours ? hours->business_ms(from, to) : std::max<std::int64_t>(0, to.ms - from.ms);
}

std::optional<WallTime> after_open_ms(const std::optional<Calendar>& hours, WallTime from, std::int64_t ms) {
  return hours ? hours->add_business(from, ms) : WallTime{from.ms + std::max<std::int64_t>(0, ms)};
}

std::vector<Term> terms_of(const Goals& goals, const std::optional<Calendar>& hours, const Course& course, const Outlook& outlook,
                           WallTime now) {
  std::vector<Term> terms;
  const bool open = !hours || hours->is_open(now).open;
  // `stopped` by what was promised, or by the end of the conversation.
  const auto add = [&](Clock clock, std::int64_t goal_ms, WallTime since, WallTime stopped) {
    if (goal_ms <= 0) return;
    Term term;
    term.clock = clock;
    term.since = since;
    term.due = after_open_ms(hours, since, goal_ms);
    const WallTime end = stopped.ms > 0 ? stopped : course.closed.ms > 0 ? course.closed : now;
    term.left_ms = goal_ms - open_ms(hours, since, end);
    // Closed hours are nobody's fault: a reply on Sunday to what was due on Friday evening is late only if Friday was over.
    const bool over = term.due && end > *term.due;
    if (over) {
      term.state = TermState::kBreached;
      if (term.left_ms >= 0) term.left_ms = -1;
    } else if (stopped.ms > 0) {
      term.state = TermState::kMet;
    } else if (course.closed.ms > 0) {
      return;
    } else {
      term.expected_ms = expected(outlook, clock, goal_ms);
      if (open && term.expected_ms > term.left_ms) term.state = TermState::kPredicted;
    }
    terms.push_back(term);
  };
  add(Clock::kFirstReply, goals.first_reply_ms, course.first, course.first_reply);
  if (goals.next_reply_ms > 0 && course.first_reply.ms > 0) {
    if (course.unanswered.ms > 0) {
      add(Clock::kNextReply, goals.next_reply_ms, course.unanswered, {});
    } else {
      terms.push_back({Clock::kNextReply, TermState::kMet, {}, {}, 0, 0});
    }
  }
  add(Clock::kResolve, goals.resolve_ms, course.first, course.closed);
  return terms;
}

std::optional<WallTime> next_look(const Goals& goals, const std::optional<Calendar>& hours, const Course& course,
                                  const std::vector<Term>& terms, WallTime now) {
  std::optional<WallTime> next;
  if (course.closed.ms > 0) return next;
  const auto at = [&](std::optional<WallTime> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  if (goals.next_reply_ms > 0) at(after_open_ms(hours, now, std::max(kLookAtMostEvery, goals.next_reply_ms * 4 / 5)));
  for (const Term& term : terms) {
    if (term.state == TermState::kPredicted) {
      if (term.due) at(WallTime{term.due->ms + 1});
    } else if (term.state == TermState::kDue) {
      at(after_open_ms(hours, now, std::max(kLookAtMostEvery, (term.left_ms - term.expected_ms) / 2)));
      if (term.due) at(WallTime{term.due->ms + 1});
    }
  }
  return next;
}

}  // namespace belfry::routing
