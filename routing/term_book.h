// When to look at which conversation again: an ordered set of (time, conversation), and what was told of each. Nothing is polled:
// who takes what is due touches only that. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "belfry/clock.h"
#include "routing/service_level.h"

namespace belfry::routing {

class TermBook {
 public:
  static constexpr std::size_t kMost = 200'000;  // conversations; one beyond that is not watched, and `refused` counts it

  explicit TermBook(std::size_t most = kMost) : most_(most) {}

  // Look at it then, or sooner if that was said before.
  void look(const std::string& conversation, WallTime at);
  // Look at it then, whatever was said before.
  void look_instead(const std::string& conversation, WallTime at);
  // It stays known, with what was told of it, but is not looked at until somebody says so.
  void rest(const std::string& conversation);
  void drop(const std::string& conversation);
  void clear();
  // Taken out of the order, but still known: say when to look again, or drop it.
  std::vector<std::string> due(WallTime now, std::size_t most);

  // Whether this of its clock is news; a breach is, after its prediction, and not the other way round. `told` remembers it.
  bool is_news(const std::string& conversation, const Term& term) const;
  void told(const std::string& conversation, const Term& term);

  std::size_t size() const { return known_.size(); }
  std::size_t ordered() const { return order_.size(); }
  std::uint64_t refused() const { return refused_; }

 private:
  struct Known {
    std::int64_t at = -1;  // -1: not in the order
    struct {
      std::int64_t since = -1;
      TermState state = TermState::kMet;
    } told[3];
  };
  Known* know(const std::string& conversation);

  std::size_t most_;
  std::set<std::pair<std::int64_t, std::string>> order_;
  std::unordered_map<std::string, Known> known_;
  std::uint64_t refused_ = 0;
};

}  // namespace belfry::routing
