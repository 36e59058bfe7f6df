#include "routing/estimate.h"

#include <algorithm>
#include <cmath>

#include "routing/pick.h"

namespace belfry::routing {
namespace {

// A wait beyond all reason is said as this: thirty days.
constexpr double kLongest = 30.0 * 24 * 3'600'000;

}  // namespace

std::optional<std::int64_t> wait_ms(std::int64_t handle_ms, double position, double free_slots, double slots) {
  if (slots <= 0) return std::nullopt;
  const double wait = static_cast<double>(handle_ms) * std::max(0.0, position - free_slots) / slots;
  return static_cast<std::int64_t>(std::min(wait, kLongest));
}

std::int64_t percentile(std::vector<std::int64_t> waits, double part) {
  if (waits.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(waits.size())));
  const std::size_t at = std::min(waits.size() - 1, rank > 0 ? rank - 1 : 0);
  std::nth_element(waits.begin(), waits.begin() + static_cast<std::ptrdiff_t>(at), waits.end());
  return waits[at];
}

Lineup::Lineup(const std::vector<const QueueState*>& queues, const std::vector<const AgentState*>& agents,
               const std::vector<const Waiting*>& waiting) {
  struct Asks {
    Line* line = nullptr;
    Demand first, last;  // before any step, and after all: what one step allows, the later ones allow as well
  };
  std::vector<Asks> asks;
  asks.reserve(queues.size());
  std::map<std::string_view, std::vector<std::size_t>> answered_by;  // queue -> the queues that its members may answer
  for (const QueueState* queue : queues) {
    Asks each{&lines_[queue->id], demand_of(queue->id, queue->skills, queue->steps, 0),
              demand_of(queue->id, queue->skills, queue->steps, queue->steps.size())};
    asks.push_back(std::move(each));
    for (const std::string& member : asks.back().last.queues) answered_by[member].push_back(asks.size() - 1);
  }
  for (const Waiting* each : waiting) lines_[each->queue].items.push_back({each->eff, each->since, each->conversation});
  for (auto& [id, line] : lines_) {
    std::sort(line.items.begin(), line.items.end(),
              [](const Item& a, const Item& b) { return a.eff != b.eff ? a.eff < b.eff : a.conversation < b.conversation; });
    line.sinces.reserve(line.items.size());
    for (const Item& item : line.items) line.sinces.push_back(item.since);
    std::sort(line.sinces.begin(), line.sinces.end());
  }

  std::map<std::pair<Line*, Line*>, double> shared;  // slots, of two queues in this order
  std::vector<std::size_t> his;
  for (const AgentState* agent : agents) {
    if (!is_present(*agent)) continue;
    his.clear();
    for (const std::string& queue : agent->queues) {
      const auto found = answered_by.find(queue);
      if (found != answered_by.end()) his.insert(his.end(), found->second.begin(), found->second.end());
    }
    std::sort(his.begin(), his.end());
    his.erase(std::unique(his.begin(), his.end()), his.end());
    const auto slots = static_cast<double>(std::max<std::int64_t>(0, agent->capacity / kWeight));
    const auto room = static_cast<double>(std::max<std::int64_t>(0, (agent->capacity - agent->load) / kWeight));
    std::vector<std::pair<Line*, double>> serves;
    for (const std::size_t i : his) {
      const Fit at_first = fit_of(asks[i].first, agent->queues, agent->skills);
      double share = 1;
      if (!at_first.member || !at_first.skilled) {
        if (!fit_of(asks[i].last, agent->queues, agent->skills).skilled) continue;
        share = 1.0 / static_cast<double>(agent->queues.size() + 1);
      }
      Line& line = *asks[i].line;
      ++line.staff.agents;
      line.staff.slots += slots * share;
      line.staff.free_slots += room * share;
      serves.emplace_back(&line, slots * share);
    }
    // Only a queue where somebody waits can put something before others.
    for (const auto& [other, weighs] : serves) {
      if (other->items.empty()) continue;
      for (const auto& [line, ignored] : serves) {
        if (line != other) shared[{line, other}] += weighs;
      }
    }
  }
  for (const auto& [pair, slots] : shared) {
    const auto& [line, other] = pair;
    if (other->staff.slots > 0) line->others.emplace_back(other, std::min(1.0, slots / other->staff.slots));
  }
}

const Lineup::Line* Lineup::find(std::string_view queue) const {
  const auto it = lines_.find(queue);
  return it == lines_.end() ? nullptr : &it->second;
}

const Staff& Lineup::staff(std::string_view queue) const {
  static const Staff kNone;
  const Line* line = find(queue);
  return line == nullptr ? kNone : line->staff;
}

std::size_t Lineup::waiting(std::string_view queue) const {
  const Line* line = find(queue);
  return line == nullptr ? 0 : line->items.size();
}

const std::vector<std::int64_t>& Lineup::sinces(std::string_view queue) const {
  static const std::vector<std::int64_t> kNone;
  const Line* line = find(queue);
  return line == nullptr ? kNone : line->sinces;
}

std::size_t Lineup::before(const Line& line, std::int64_t eff, std::string_view conversation) {
  const auto at = std::partition_point(line.items.begin(), line.items.end(), [&](const Item& item) {
    return item.eff != eff ? item.eff < eff : item.conversation < conversation;
  });
  return static_cast<std::size_t>(at - line.items.begin());
}

double Lineup::ahead(std::string_view queue, std::int64_t eff, std::string_view conversation) const {
  const Line* line = find(queue);
  if (line == nullptr) return 0;
  auto ahead = static_cast<double>(before(*line, eff, conversation));
  for (const auto& [other, part] : line->others) ahead += part * static_cast<double>(before(*other, eff, conversation));
  return ahead;
}

std::vector<Place> Lineup::places(std::string_view queue, const std::optional<std::pair<std::int64_t, std::string>>& after,
                                  std::size_t most) const {
  std::vector<Place> out;
  const Line* line = find(queue);
  if (line == nullptr) return out;
  std::size_t i = 0;
  if (after) {
    i = before(*line, after->first, after->second);
    if (i < line->items.size() && line->items[i].eff == after->first && line->items[i].conversation == after->second) ++i;
  }
  for (; i < line->items.size() && out.size() < most; ++i) {
    const Item& item = line->items[i];
    auto ahead = static_cast<double>(i);
    for (const auto& [other, part] : line->others)
      ahead += part * static_cast<double>(before(*other, item.eff, item.conversation));
    out.push_back({item.conversation, item.eff, item.since, ahead});
  }
  return out;
}

}  // namespace belfry::routing
