// A waiting conversation's place, and how long it will wait, by a published formula. Pure values and functions.
//
//   position   one more than the items that will be served before it by the agents who may serve it: of its own queue those with
//              a better place; of another queue, which shares agents with this one, those with a better place times the part of
//              that queue's slots that the shared agents have
//   wait       AHT * max(0, position - free slots) / sum over agents of slots * share
//              (Genesys Stat Server: AHT * CIQU / (AA * EP))
//   range      the median and the 90th percentile of the queue's last waits; none below 20 of them: then we say no estimate
//
// AHT is the mean time that a conversation takes a slot, from accepted to closed (pace.h); 90 s before there was one. Slots are
// those of agents who are ready and connected: capacity / weight of a conversation, floored; free ones by their load now.
// share is 1 of an agent who may answer the queue as it asks at first: what his other queues put before this conversation stands
// in its position already, and he must not be counted twice. Of one who may help only at a later step, it is 1 part of his own
// queues and this one (Google CCAI counts shared agents by fraction).
//
// Worked: 4 agents of 1 slot, all busy, AHT 100 s; they alone serve two queues with 10 waiting each, in turn. The last of them
// has position 20 and waits 100 * 20 / 4 = 500 s. Had the other queue 12 agents more, a quarter of its slots would be shared:
// position 10 + 10/4 = 12, wait 300 s.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "belfry/clock.h"
#include "routing/store.h"

namespace belfry::routing {

inline constexpr std::int64_t kDefaultHandleMs = 90'000;
inline constexpr std::size_t kSamplesWanted = 20;

// Nothing if there is no slot at all.
std::optional<std::int64_t> wait_ms(std::int64_t handle_ms, double position, double free_slots, double slots);

struct Place {
  std::string conversation;
  std::int64_t eff = 0, since = 0;
  double ahead = 0;  // items, those of other queues in part
  std::int64_t position() const { return static_cast<std::int64_t>(ahead) + 1; }
};
// Who may serve a queue now, weighed by share.
struct Staff {
  std::int64_t agents = 0;  // ready and connected
  double slots = 0, free_slots = 0;
};

// All that waits and all who serve, at one moment: made in one pass over a mirror, then asked cheaply. It keeps copies of what it
// needs: nothing of the mirror need live on.
class Lineup {
 public:
  Lineup() = default;
  Lineup(Lineup&&) = default;
  Lineup& operator=(Lineup&&) = default;
  Lineup(const std::vector<const QueueState*>& queues, const std::vector<const AgentState*>& agents,
         const std::vector<const Waiting*>& waiting);

  const Staff& staff(std::string_view queue) const;
  std::size_t waiting(std::string_view queue) const;
  // The places of a queue, best first: from `after` on (that one not included), at most `most`.
  std::vector<Place> places(std::string_view queue, const std::optional<std::pair<std::int64_t, std::string>>& after,
                            std::size_t most) const;
  // What stands before a place of this queue, whether or not it is in the picture.
  double ahead(std::string_view queue, std::int64_t eff, std::string_view conversation) const;
  // When each began to wait, ascending.
  const std::vector<std::int64_t>& sinces(std::string_view queue) const;

 private:
  struct Item {
    std::int64_t eff = 0, since = 0;
    std::string conversation;
  };
  struct Line {
    Staff staff;
    std::vector<Item> items;  // by place
    std::vector<std::int64_t> sinces;
    std::vector<std::pair<const Line*, double>> others;  // queues that share agents, and the part of their slots that is shared
  };
  static std::size_t before(const Line& line, std::int64_t eff, std::string_view conversation);
  const Line* find(std::string_view queue) const;

  std::map<std::string, Line, std::less<>> lines_;  // nodes stay where they are, so a Lineup may be moved; it is not copied
};

// Of some waits the given part (0.5: the median), by the nearest rank; 0 of none.
std::int64_t percentile(std::vector<std::int64_t> waits, double part);

}  // namespace belfry::routing
