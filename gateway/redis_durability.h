// How durable an external Redis is: read at start and shown, because an acknowledgement of ours is worth what its answer is.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "belfry/result.h"
#include "gateway/redis_link.h"

namespace belfry::gateway {

// From weak to strong; the order decides whether what is there is enough for what was asked.
enum class Durability : std::uint8_t {
  kNone,      // memory, or a snapshot now and then
  kOs,        // an append-only file that the kernel flushes when it likes
  kEverysec,  // a crash of the machine may lose a second
  kAlways,    // what Redis answered is on disk
};
std::string_view name_of(Durability durability);  // "none" "os" "everysec" "always"

struct RedisFacts {
  Durability durability = Durability::kNone;
  bool known = false;   // an ACL may hide the configuration: then only whether there is an append-only file is known
  std::string version;  // "7.0.15"
  int replicas = 0;
  bool noeviction = true;      // any other policy silently deletes conversations
  std::int64_t maxmemory = 0;  // 0: no limit
  std::int64_t used_memory = 0;
};

// Asks over a link that is up. `done` once.
void read_redis_facts(RedisLink& link, std::function<void(Result<RedisFacts>)> done);

// Why belfryd must not start on such a server, in words for the operator; empty if it may. `wanted`: redis.durability.
std::string refusal_to_start(const RedisFacts& facts, std::string_view wanted);

}  // namespace belfry::gateway
