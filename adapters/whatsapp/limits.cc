// See limits.h.
#include "adapters/whatsapp/limits.h"

#include <algorithm>
#include <cmath>

namespace belfry::whatsapp {

double Bucket::tokens(Instant now) const {
  const double gained = static_cast<double>(std::max<std::int64_t>(0, now - at_)) * per_second_ / 1000;
  return std::min(burst_, tokens_ + gained);
}

void Bucket::take(Instant now, double count) {
  tokens_ = std::max(tokens(now) - count, -burst_);
  at_ = std::max(at_, now);
}

void Bucket::set_rate(Instant now, double per_second) {
  take(now, 0);
  per_second_ = per_second;
}

Instant Bucket::next(Instant now) const {
  const double missing = 1 - tokens(now);
  if (missing <= 0) return now;
  return now + static_cast<std::int64_t>(std::ceil(missing * 1000 / per_second_));
}

double Pace::burst(double rate) { return std::max(1.0, std::floor(rate / 20)); }
double Pace::refill(double rate) { return std::max(rate - burst(rate), rate / 2); }

Pace::Pace(int rate, Instant start)
    : full_(std::max(1, rate)),
      rate_(full_),
      changed_(start),
      cut_(start + -1'000),
      last_sent_(start),
      bucket_(refill(full_), burst(full_), start) {}

double Pace::rate(Instant now) const {
  const double seconds = static_cast<double>(std::max<std::int64_t>(0, now - changed_)) / 1000;
  return std::min(full_, rate_ + std::floor(seconds) * full_ / 10);
}

Bucket Pace::bucket_at(Instant now) const {
  Bucket bucket = bucket_;
  bucket.set_rate(now, refill(rate(now)));
  return bucket;
}

std::int64_t Pace::share_ms() const { return static_cast<std::int64_t>(10'000 / rate_); }

int Pace::ready(Instant now) const {
  const int whole = static_cast<int>(std::max(0.0, bucket_at(now).tokens(now) + 1e-9));
  return whole == 0 && now - last_sent_ >= share_ms() ? 1 : whole;
}

Instant Pace::next(Instant now) const {
  if (ready(now) > 0) return now;
  return std::max(now + 1, std::min(bucket_at(now).next(now), last_sent_ + share_ms()));
}

void Pace::sent(Instant now) {
  bucket_.set_rate(now, refill(rate(now)));
  bucket_.take(now, 1);
  last_sent_ = now;
}

void Pace::received(Instant now) {
  bucket_.set_rate(now, refill(rate(now)));
  bucket_.take(now, 1);
}

void Pace::slow_down(Instant now) {
  // All messages of one burst are refused together: that is one reason to slow down, not many.
  if (now - cut_ < 1'000) return;
  rate_ = std::max(rate(now) / 2, full_ / 16);
  changed_ = cut_ = last_sent_ = now;
  bucket_.set_rate(now, refill(rate_));
  bucket_.take(now, std::max(0.0, bucket_.tokens(now)));
}

Instant Pairs::next(Instant now, const std::string& address) const {
  const auto found = pairs_.find(address);
  if (found == pairs_.end()) return pairs_.size() < kMax ? now : now + kEveryMs;
  const Pair& pair = found->second;
  return std::max({now, pair.paid + -kEveryMs * (kBurst - 1), pair.blocked});
}

void Pairs::sent(Instant now, const std::string& address) {
  if (pairs_.size() >= forget_above_) forget(now);
  Pair& pair = pairs_[address];
  pair.paid = std::max(pair.paid, now) + kEveryMs;
}

int Pairs::refused(Instant now, const std::string& address) {
  constexpr int kMost = 6;  // 4^6 s is over an hour
  Pair& pair = pairs_[address];
  const std::int64_t wait_ms = std::int64_t{1'000} << (2 * std::min(pair.refusals, kMost));
  pair.blocked = std::max(pair.blocked, now + wait_ms);
  return ++pair.refusals;
}

void Pairs::accepted(const std::string& address) {
  const auto found = pairs_.find(address);
  if (found != pairs_.end()) found->second.refusals = 0;
}

void Pairs::forget(Instant now) {
  // A refusal is remembered for an hour beyond its wait, or the next one would count from nought.
  constexpr std::int64_t kMemoryMs = 3'600'000;
  std::erase_if(pairs_, [&](const auto& each) {
    const Pair& pair = each.second;
    return pair.paid <= now && pair.blocked + (pair.refusals > 0 ? kMemoryMs : 0) <= now;
  });
  forget_above_ = std::max<std::size_t>(1'024, pairs_.size() * 2);
}

}  // namespace belfry::whatsapp
