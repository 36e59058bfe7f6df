// Sending to an address, for handlers that send as a part of something else.
#pragma once

#include <functional>
#include <string>

#include "belfry/message.h"
#include "gateway/api/call.h"

namespace belfry::gateway::api {

// `content` has passed the account's check. Answers the call only if it cannot be sent; `then` hears what it became.
void send_to(Room& room, const CallPtr& call, const std::string& account, const std::string& address, Content content,
             std::function<void(const MessageRef& ref)> then);

}  // namespace belfry::gateway::api
