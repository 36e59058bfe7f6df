// One connection of the front door: a Pump below, an HTTP codec on it, Exchanges and WebSockets above (exchange.h).
//
// The connection owns itself: it lives while its Pump is open or an Exchange of it is held. Which codec it speaks is decided by
// ALPN on TLS, by the preface of HTTP/2 on a plain link.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "gateway/exchange.h"
#include "gateway/pump.h"

namespace belfry::gateway {

class HttpConnection;

// Counted for /metrics; read on the shard's thread.
struct ServerStats {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;  // over a limit of connections
  std::uint64_t requests = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t slow_consumers = 0;
  std::int64_t sockets = 0;  // open WebSockets
};

// What the connections of one listener share. `site` outlives them all.
struct HttpHost {
  HttpHost(Site& s, const ServerLimits& l) : site(s), limits(l) {}
  Site& site;
  const ServerLimits limits;
  std::unordered_set<HttpConnection*> connections;
  std::unordered_map<std::string, int> per_address;
  ServerStats stats;
  std::function<void()> on_empty;  // called when the last connection ends
};

// Takes an accepted socket. `peer`: the address without port; `bucket`: what max_per_address counts it under.
void serve_http(asio::io_context& loop, StreamSocket socket, SSL_CTX* tls, std::string peer, std::string bucket,
                const std::shared_ptr<HttpHost>& host);

// Every connection finishes what it owes: GOAWAY or Connection: close, sockets closed with 1001.
void drain_http(HttpHost& host);
// Every connection ends now.
void drop_http(HttpHost& host);

}  // namespace belfry::gateway
