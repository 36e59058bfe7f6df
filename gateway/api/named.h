// Skills, queues and programs as bodies name them, and only those that there are.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/api/body.h"
#include "gateway/api/call.h"

namespace belfry::gateway::api {

// With their levels, as they were said; complains of those that cannot be.
std::optional<std::vector<std::string>> read_skills(Body& body, std::string_view member, bool with_levels = true);
// `then` if there are all these queues, programs, or skills; answers 422 otherwise.
void with_queues(Room& room, const CallPtr& call, const std::vector<std::string>& queues, std::function<void()> then);
void with_bots(Room& room, const CallPtr& call, const std::vector<std::string>& agents, std::function<void()> then);
void with_skills(Room& room, const CallPtr& call, const std::vector<std::string>& skills, std::function<void()> then);

}  // namespace belfry::gateway::api
