// Passwords: argon2id with OWASP's parameters (19 MiB, two passes, one lane). Slow on purpose: call it from the WorkPool.
#pragma once

#include <string>
#include <string_view>

#include "belfry/result.h"

namespace belfry::gateway {

inline constexpr std::size_t kMinPassword = 8;
inline constexpr std::size_t kMaxPassword = 1024;

// The encoded form, parameters and salt included: what is stored.
Result<std::string> hash_password(std::string_view password);
bool verify_password(std::string_view password, const std::string& encoded);
// A hash of nothing anyone knows, with the same parameters: verifying against it costs what a real one costs, so an unknown
// login takes as long as a wrong password.
const std::string& nobodys_hash();

}  // namespace belfry::gateway
