// What a supervisor who watches sees: every queue and every agent once, then those of which something changed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "belfry/clock.h"
#include "routing/mirror.h"

namespace belfry::gateway {

class QueueWatch {
 public:
  // Frames of the desk socket, of what is not as it was shown last; at most kAtOnce, the rest the next time. Cheap enough for
  // once a second.
  static constexpr std::size_t kAtOnce = 500;
  std::vector<std::string> news(const routing::Mirror& mirror, WallTime now);

 private:
  std::map<std::string, std::string> shown_;  // by queue_... and agent_...
};

}  // namespace belfry::gateway
