// The store over Redis: each command is one FCALL of the library in routing/functions. No socket here: the caller carries
// encoded commands to Redis and replies back.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "routing/resp.h"
#include "routing/store.h"

namespace belfry::routing {

// Carries one encoded command; calls back exactly once. Error replies of Redis come as values.
using Carry = std::function<void(std::string command, std::function<void(Result<Value>)> done)>;

struct RedisStoreOptions {
  std::string prefix = "belfry";  // the site; its hash tag is {prefix}
  std::function<WallTime()> now;  // tests pass a clock; unset: Redis' own TIME
};

std::unique_ptr<Store> make_redis_store(Carry carry, RedisStoreOptions options);

// The channel on which an agent's events are published, the one that wakes the owner of an account's lane, the stream.
std::string agent_channel(std::string_view prefix, std::string_view agent);
std::string lane_channel(std::string_view prefix, std::string_view account);
std::string chat_channel(std::string_view prefix);                   // what visitors of the web chat are to see at once
std::string key_of(std::string_view prefix, std::string_view rest);  // {prefix}:rest
// Said on an agent's channel among his events, and none of them: whoever acts for him on a socket shows again that he may.
inline constexpr std::string_view kLookAgain = "look again";

}  // namespace belfry::routing
