// A rate limit per name (a login, an address), in bounded memory: the name unused for longest is forgotten first.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

#include "belfry/clock.h"

namespace belfry::gateway {

class Limiter {
 public:
  // `burst` at once, then one each `every_ms`.
  Limiter(int burst, std::int64_t every_ms, std::size_t max_names = 10'000)
      : burst_(burst), every_ms_(every_ms), max_names_(max_names) {}

  // Takes one. False: too many; ask again after `wait_ms`.
  bool take(std::string_view name, Instant now, std::int64_t* wait_ms = nullptr);
  void forget(std::string_view name);
  std::size_t size() const { return names_.size(); }

 private:
  struct Name {
    std::string name;
    Instant paid_at;  // when all that was taken is paid off: one number is the whole bucket
  };
  int burst_;
  std::int64_t every_ms_;
  std::size_t max_names_;
  std::list<Name> by_use_;  // latest first
  std::unordered_map<std::string, std::list<Name>::iterator> names_;
};

}  // namespace belfry::gateway
