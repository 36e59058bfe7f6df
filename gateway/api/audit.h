// Who changed what: agents, queues, skills, keys. Conversations have the transition log.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "gateway/api/call.h"

namespace belfry::gateway::api {

// Notes a change that was made, then calls `then`; answers 503 if it cannot be noted, and the repeat notes it. `action` is a
// literal like "queue.set", `object` an id, `what` names what was changed; never a secret, never what a person is called.
void note_change(Room& room, const CallPtr& call, std::string_view action, const std::string& object, const std::string& what,
                 std::function<void()> then);
// "hours=...,zone=...": for fields that are nobody's secret.
std::string told(const routing::Fields& fields);
// "name,login": which, not what.
std::string named(const routing::Fields& fields);

}  // namespace belfry::gateway::api
