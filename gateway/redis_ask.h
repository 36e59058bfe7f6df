// One question to one server on a connection of its own: what a locator asks.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "belfry/result.h"
#include "gateway/redis_target.h"
#include "routing/resp.h"

namespace belfry::gateway {

// `done` once, never from inside this call, within `within_ms`; an error reply is a Value. `target` says how: TLS, user,
// password.
void ask_redis(asio::io_context& loop, const RedisTarget& target, const std::string& address, std::string question,
               bool with_login, std::int64_t within_ms, std::function<void(Result<routing::Value>)> done);

// AUTH for this target; empty without a password.
std::string login_of(const RedisTarget& target);

}  // namespace belfry::gateway
