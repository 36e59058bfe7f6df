// Where Redis is: what redis.url says, in parts.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/private.h"
#include "belfry/result.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace belfry::gateway {

struct RedisTarget {
  enum class Kind : std::uint8_t { kServer, kSentinel, kCluster };
  Kind kind = Kind::kServer;
  std::string address;             // of a kServer, for connect_pump: "host:port", "[v6]:port" or "unix:/path"
  std::vector<std::string> seeds;  // of the other two: whom to ask, "host:port" or "[v6]:port"
  std::string service;             // of kSentinel: the name that the sentinels watch the primary under
  std::string tag;                 // of kCluster: the hash tag of all our keys, "{belfry}"; it decides the slot
  bool secure = false;             // rediss://: TLS to every data node, sentinel and seed
  SSL_CTX* tls = nullptr;          // lives longer than the link; needed if secure
  // Of the data nodes. A sentinel hears them only if it asks for a password (NOAUTH).
  std::string user;  // ACL user; empty with a password: "default"
  Secret password;
  // How many replicas must have a write before it is answered. Unset: one, as soon as a replica was seen, and then for as long as
  // the link lives: a primary that has lost its last one answers no write any more.
  std::optional<int> min_replicas = 0;
};

// "unix:///path", "redis://host[:port]", "redis+sentinel://host[:port],…/name", "redis+cluster://host[:port],…"; with rediss for
// redis: TLS. A password in the URL is refused: secrets are files.
Result<RedisTarget> parse_redis_url(std::string_view url);

// What a configuration or Redis itself calls a host goes to the resolver: nothing but what hosts are made of, 253 octets at most.
bool is_host(std::string_view host);
// "host:port" or "[v6]:port" for connect_pump; the brackets are made where they are needed.
std::string redis_address(std::string_view host, std::string_view port);
// The host of such an address, without brackets; empty of "unix:/path". Whose certificate is expected.
std::string host_of(std::string_view address);

}  // namespace belfry::gateway
