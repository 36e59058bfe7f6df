// What is said of waiting: places, estimates, service levels, and how conversations stand to what their queue promises.
#pragma once

#include <string>

#include "gateway/api/call.h"
#include "routing/store.h"

namespace belfry::gateway::api {

// ,"longest_wait_s":…,…,"overdue":0   of a queue; nothing on a shard without a waiting room
void append_waiting(Room& room, const routing::QueueState& queue, std::string& out);
// ,"sla":{"first_reply":{"due":…,"state":"due"},…}   of a conversation whose queue has such goals; else nothing
void append_sla(Room& room, const routing::Card& card, std::string& out);

}  // namespace belfry::gateway::api
