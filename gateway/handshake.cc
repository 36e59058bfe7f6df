#include "gateway/handshake.h"

#include <algorithm>

#include "adapters/wire/problem.h"
#include "belfry/list.h"

namespace belfry::gateway {

std::vector<std::string> offered_protocols(const HttpRequest& request) {
  std::vector<std::string> out;
  for (const auto& [name, value] : request.headers) {
    if (name != "sec-websocket-protocol") continue;
    for (const std::string& each : split_list(value)) {
      std::string_view token = each;
      while (!token.empty() && (token.front() == ' ' || token.front() == '\t')) token.remove_prefix(1);
      while (!token.empty() && (token.back() == ' ' || token.back() == '\t')) token.remove_suffix(1);
      if (!token.empty()) out.emplace_back(token);
    }
  }
  return out;
}

bool asks_for_socket(const std::shared_ptr<Exchange>& exchange, std::string_view protocol) {
  if (!exchange->wants_websocket()) {
    HttpResponse response = wire::to_response(wire::problem(
        426, "upgrade_required", "This is a WebSocket: connect with wss and the subprotocol " + std::string(protocol) + "."));
    response.headers.add("upgrade", "websocket");
    response.headers.add("sec-websocket-version", "13");
    exchange->answer(std::move(response));
    return false;
  }
  const std::vector<std::string> offered = offered_protocols(exchange->request());
  if (std::find(offered.begin(), offered.end(), protocol) != offered.end()) return true;
  exchange->answer(
      wire::to_response(wire::problem(400, "no_subprotocol", "Offer the subprotocol " + std::string(protocol) + ".")));
  return false;
}

bool own_origin(const HttpRequest& request, std::string_view public_origin) {
  const std::string_view origin = request.headers.get("origin");
  return origin == public_origin || origin == request.scheme + "://" + request.authority;
}

}  // namespace belfry::gateway
