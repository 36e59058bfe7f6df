#include "gateway/queue_watch.h"

#include <algorithm>

#include "adapters/desk/frames.h"

namespace belfry::gateway {

std::vector<std::string> QueueWatch::news(const routing::Mirror& mirror, WallTime now) {
  std::vector<std::string> out;
  if (!mirror.ready()) return out;
  const auto show = [&](const std::string& id, std::string frame) {
    if (out.size() >= kAtOnce) return;
    std::string& before = shown_[id];
    if (before == frame) return;
    out.push_back(frame);
    before = std::move(frame);
  };
  const auto agents = mirror.agents();
  std::map<std::string, std::size_t> ready;
  for (const routing::AgentState* agent : agents) {
    if (!routing::is_present(*agent)) continue;
    for (const std::string& queue : agent->queues) ++ready[queue];
  }
  for (const routing::QueueState* queue : mirror.queues()) {
    show(queue_id(queue->id), desk::write_queue({queue->id, queue->name, mirror.waiting_in(queue->id), ready[queue->id],
                                                 mirror.oldest_in(queue->id), routing::is_open(*queue, now)}));
  }
  for (const routing::AgentState* agent : agents) {
    show(agent_id(agent->id),
         desk::write_presence({agent->id, agent->availability, agent->sessions > 0, agent->load, agent->capacity}));
  }
  return out;
}

}  // namespace belfry::gateway
