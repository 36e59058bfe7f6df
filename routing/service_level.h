// What a queue promises of its answers, and how a conversation stands to it. Pure values and functions.
//
// Three clocks run on the queue's opening hours; each is derived from what the store keeps of a conversation, so that a restart
// changes no due time:
//   first reply   from the citizen's first message to the first reply of an agent
//   next reply    after that, from the oldest message of his that nobody has answered to the next reply
//   resolve       from the first message until the conversation is closed, wrap-up included
// Replies are those of agents: neither notes nor what a program sends through the API stops a clock.
//
// A clock is `breached` once its due time is over, whatever came after, and `predicted` before that, when what is still to be
// expected (Outlook) is longer than the open time that is left. A fifth of the goal is always expected, so that a breach is
// predicted before it happens even where nobody waits. Nothing is predicted while the queue is closed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "routing/calendar.h"

namespace belfry::routing {

// Open time; 0: no such goal.
struct Goals {
  std::int64_t answer_ms = 0;  // until an agent has accepted: what the service level counts; no clock of a conversation
  std::int64_t first_reply_ms = 0;
  std::int64_t next_reply_ms = 0;
  std::int64_t resolve_ms = 0;
  int within_percent = 0;  // of the answers are to come in time: the service level that is wanted
  bool has_clocks() const { return first_reply_ms > 0 || next_reply_ms > 0 || resolve_ms > 0; }
  // What the service level counts by; 0: nothing is counted by.
  std::int64_t in_time_ms() const { return answer_ms > 0 ? answer_ms : first_reply_ms; }
  friend bool operator==(const Goals&, const Goals&) = default;
};
inline constexpr std::int64_t kLongestGoal = 30LL * 24 * 3'600'000;
// As the store keeps them: answer=60000,first_reply=300000,within=80. What cannot be read is left out: whoever writes checks
// first.
Goals parse_goals(std::string_view text);
std::string write_goals(const Goals& goals);
// Why these goals cannot be; empty if they can.
std::string wrong_with(const Goals& goals);

enum class Clock : std::uint8_t { kFirstReply, kNextReply, kResolve };
std::string_view name_of(Clock clock);  // "first_reply", "next_reply", "resolve"
enum class TermState : std::uint8_t { kMet, kDue, kPredicted, kBreached };
std::string_view name_of(TermState state);

// Of a conversation, from the store; 0: not yet.
struct Course {
  WallTime first, first_reply, unanswered, closed;
};
// What is to be expected now: so long until an agent has it, if nobody has, and so long until it is done then.
struct Outlook {
  bool waits = false;   // in the queue: else an agent has it
  bool nobody = false;  // and there is no agent to take it: then half of a goal is kept for his coming
  std::int64_t wait_ms = 0;
  std::int64_t handle_ms = 90'000;
};

struct Term {
  Clock clock = Clock::kFirstReply;
  TermState state = TermState::kDue;
  WallTime since;                // 0: nothing runs, all is answered
  std::optional<WallTime> due;   // none: nothing runs, or the queue never opens again
  std::int64_t left_ms = 0;      // open time; negative: so much too late
  std::int64_t expected_ms = 0;  // of a clock that runs: the Outlook's, for this goal
};
// The clocks of a queue with these goals that run, or have run to their end. One that was stopped by the end of the conversation
// before it was due is left out: nothing is owed any more. So is the next reply before the first.
std::vector<Term> terms_of(const Goals& goals, const std::optional<Calendar>& hours, const Course& course, const Outlook& outlook,
                           WallTime now);

// When to look again: at the latest when a clock is over, and before that often enough (half of what is left to the prediction,
// at least a second) for a wait that grows not to go unseen. Whether a next reply is owed is looked at so often that
// one asked for right after this look is seen before its prediction. None: nothing can change but by a change of the queue.
std::optional<WallTime> next_look(const Goals& goals, const std::optional<Calendar>& hours, const Course& course,
                                  const std::vector<Term>& terms, WallTime now);

// Open time between two moments, and the moment when so much of it is over; a queue without hours is always open.
std::int64_t open_ms(const std::optional<Calendar>& hours, WallTime from, WallTime to);
std::optional<WallTime> after_open_ms(const std::optional<Calendar>& hours, WallTime from, std::int64_t ms);

}  // namespace belfry::routing
