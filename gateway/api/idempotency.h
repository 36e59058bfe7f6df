// Idempotency-Key: the same request twice is done once, and hears the same answer, for 24 hours.
//
// Two nets. In Redis stands what came of a key (idem:<subject>:<sha256 of the key>): p in progress, u outcome unknown, d done
// with its answer; always with the body's hash. Below it the store itself remembers the key as client_id, so that a process that
// dies between doing and noting it leads to no second message.
#pragma once

#include <functional>
#include <string>

#include "gateway/api/call.h"

namespace belfry::gateway::api {

// Calls `proceed` with the client_id for the store (empty without the header) if the request is to be done now; answers
// otherwise: 409 still in progress, 422 same key with another body, or what was answered before.
void once(Room& room, const CallPtr& call, std::function<void(std::string client_id)> proceed);

}  // namespace belfry::gateway::api
