// What the paths that become WebSockets ask alike: the subprotocol that must be offered, and whose page may open one.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/exchange.h"

namespace belfry::gateway {

// The tokens of Sec-WebSocket-Protocol, over all its lines.
std::vector<std::string> offered_protocols(const HttpRequest& request);
// Whether the request may become a socket of this subprotocol; answers 426 or 400 otherwise.
bool asks_for_socket(const std::shared_ptr<Exchange>& exchange, std::string_view protocol);
// Whether the page that asks is ours: of public_url (`public_origin`), or of the address that was asked.
bool own_origin(const HttpRequest& request, std::string_view public_origin);

}  // namespace belfry::gateway
