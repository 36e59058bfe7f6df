// Which band an offer is taken from: danger to life goes before all else, but not for ever. After four offers of it in a row
// while somebody else could have been offered, the next is his: a flood of urgent cases leaves the rest a fifth
// (reference/routing.md, 2.4).
#pragma once

#include <cstdint>

#include "belfry/clock.h"
#include "routing/store.h"

namespace belfry::routing {

// Places before this one are danger to life: no other priority comes near it.
inline std::int64_t end_of_life_safety(WallTime now) { return now.ms - kLifeSafety / 2 * 60'000; }

class Bands {
 public:
  static constexpr int kInARow = 4;
  // So many of the rest that nobody can take after all end their turn: they do not hold up danger to life.
  static constexpr int kTries = 20;

  // If there is somebody in both bands.
  bool is_ordinarys_turn() const { return urgent_ >= kInARow; }
  void offered(bool urgent, bool ordinary_waits) {
    tries_ = 0;
    urgent_ = urgent && ordinary_waits ? urgent_ + 1 : 0;
  }
  // Whose turn it was could not be taken.
  void in_vain() {
    if (!is_ordinarys_turn() || ++tries_ < kTries) return;
    tries_ = urgent_ = 0;
  }

 private:
  int urgent_ = 0;  // offers in a row, while others waited
  int tries_ = 0;
};

}  // namespace belfry::routing
