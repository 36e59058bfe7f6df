#include "gateway/auth/limiter.h"

#include <algorithm>

namespace belfry::gateway {

bool Limiter::take(std::string_view name, Instant now, std::int64_t* wait_ms) {
  const std::string key(name);
  auto found = names_.find(key);
  if (found == names_.end()) {
    if (names_.size() >= max_names_) {
      names_.erase(by_use_.back().name);
      by_use_.pop_back();
    }
    by_use_.push_front({key, now});
    found = names_.emplace(key, by_use_.begin()).first;
  } else {
    by_use_.splice(by_use_.begin(), by_use_, found->second);
  }
  Name& entry = *found->second;
  // The bucket as a debt that time pays off: each take adds every_ms, and the debt may reach burst times that.
  const Instant from = std::max(entry.paid_at, now);
  const std::int64_t debt = from - now + every_ms_;
  if (debt > every_ms_ * burst_) {
    if (wait_ms != nullptr) *wait_ms = debt - every_ms_ * burst_;
    return false;
  }
  entry.paid_at = from + every_ms_;
  return true;
}

void Limiter::forget(std::string_view name) {
  const auto found = names_.find(std::string(name));
  if (found == names_.end()) return;
  by_use_.erase(found->second);
  names_.erase(found);
}

}  // namespace belfry::gateway
