// How fast one number may speak: a bucket for the number, a bucket for each citizen, and the pace that yields when Meta says
// "slower". All are functions of the time they are handed; none keeps a timer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "belfry/clock.h"

namespace belfry::whatsapp {

// Tokens: `burst` at most, refilled at `per_second`. May go into debt by as much again, so that what must be counted is.
class Bucket {
 public:
  Bucket(double per_second, double burst, Instant start) : per_second_(per_second), burst_(burst), tokens_(burst), at_(start) {}

  double tokens(Instant now) const;
  void take(Instant now, double count);
  void set_rate(Instant now, double per_second);
  // When there will be a whole token.
  Instant next(Instant now) const;

 private:
  double per_second_;
  double burst_;
  double tokens_;
  Instant at_;
};

// The throughput of one number, in and out together.
//
// In any second at most `rate` messages leave: a burst of a twentieth, and a refill of the rest. So little is saved up that an
// alert behind a burst waits for one refill only. What comes in is charged to the same bucket, but never takes the last tenth of
// the outgoing rate: a flood of citizens must not silence an alert.
//
// Additive increase, multiplicative decrease: 130429 halves the rate, once a second at most and not below a sixteenth; each
// second without another gives a tenth of the full rate back.
class Pace {
 public:
  Pace(int rate, Instant start);

  int ready(Instant now) const;  // whole messages that may leave now
  Instant next(Instant now) const;
  void sent(Instant now);
  void received(Instant now);
  void slow_down(Instant now);
  double rate(Instant now) const;  // of this moment, in messages a second

 private:
  Bucket bucket_at(Instant now) const;
  static double refill(double rate);
  static double burst(double rate);
  std::int64_t share_ms() const;  // between the messages that inbound traffic cannot take

  double full_;
  double rate_;
  Instant changed_;  // when rate_ was true
  Instant cut_;      // of the last slow_down
  Instant last_sent_;
  Bucket bucket_;
};

// One message per 6 s to the same citizen, 45 of them borrowed from the future; and the longer waits that 131056 demands of one.
// A citizen is forgotten once he has nothing left to pay back; since a message pays back in 6 s, there are at most six times the
// rate of them, and a hard bound besides.
class Pairs {
 public:
  static constexpr std::int64_t kEveryMs = 6'000;
  static constexpr int kBurst = 45;
  static constexpr std::size_t kMax = 100'000;

  // When the next message to this address may leave: `now` or later. Past kMax strangers wait.
  Instant next(Instant now, const std::string& address) const;
  void sent(Instant now, const std::string& address);
  // Meta refused (131056): waits 4^n s, n counting the refusals since the last message that got through. How many that were.
  int refused(Instant now, const std::string& address);
  void accepted(const std::string& address);
  std::size_t size() const { return pairs_.size(); }

 private:
  struct Pair {
    Instant paid;     // the theoretical arrival time of the generic cell rate algorithm
    Instant blocked;  // until when, after a refusal
    int refusals = 0;
  };
  void forget(Instant now);

  std::unordered_map<std::string, Pair> pairs_;
  std::size_t forget_above_ = 1'024;
};

}  // namespace belfry::whatsapp
