#include "adapters/smpp/flow.h"

#include <algorithm>
#include <cmath>

namespace belfry::smpp {
namespace {

constexpr double kBurst = 0.05;  // of a second: many SMSCs count in slices of a tenth
constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kPause = 200;
constexpr double kLeast = 1;

double burst_of(double rate) { return std::max(1.0, rate * kBurst); }

}  // namespace

Flow::Flow(int per_second, Instant start)
    : full_(per_second),
      rate_(per_second),
      tokens_(burst_of(per_second)),
      at_(start),
      pause_(start),
      cut_(start + -kSecond),
      second_(start) {}

double Flow::rate(Instant now) const { return std::min(full_, rate_ + step_ * static_cast<double>(now - at_) / 1'000); }

int Flow::taken(Instant now) const { return now - second_ < 2 * kSecond ? std::max(taken_before_, taken_) : 0; }

double Flow::tokens(Instant now) const {
  return std::min(burst_of(rate_), tokens_ + rate(now) * static_cast<double>(now - at_) / 1'000);
}

void Flow::refill(Instant now) {
  if (now <= at_) return;
  tokens_ = tokens(now);
  rate_ = rate(now);
  at_ = now;
}

int Flow::ready(Instant now) const { return now < pause_ ? 0 : static_cast<int>(std::max(0.0, tokens(now) + 1e-6)); }

Instant Flow::next(Instant now) const {
  const double missing = 1 - tokens(now);
  const Instant due = missing <= 0 ? now : now + static_cast<std::int64_t>(std::ceil(missing * 1'000 / rate(now)));
  return std::max(due, pause_);
}

void Flow::sent(Instant now) {
  refill(now);
  tokens_ -= 1;
}

void Flow::accepted(Instant now) {
  if (now - second_ >= kSecond) {
    taken_before_ = now - second_ < 2 * kSecond ? taken_ : 0;
    taken_ = 0;
    second_ = now;
  }
  ++taken_;
}

void Flow::throttled(Instant now) {
  refill(now);
  pause_ = std::max(pause_, now + kPause);
  if (now - cut_ < kSecond) return;
  cut_ = now;
  const double took = std::max(taken_before_, taken_);
  rate_ = std::max(kLeast, std::clamp(took * 0.9, rate_ * 0.5, rate_ * 0.95));
  step_ = rate_ * 0.01;
  tokens_ = std::min(tokens_, 1.0);
}

void Flow::congestion(Instant now, int percent) {
  if (percent > 90 && now - cut_ >= kSecond) {
    refill(now);
    cut_ = now;
    rate_ = std::max(kLeast, rate_ * (percent >= 100 ? 0.5 : 0.9));
    step_ = rate_ * 0.01;
  }
}

}  // namespace belfry::smpp
