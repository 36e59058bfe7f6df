#include "gateway/auth/password.h"

#include <argon2.h>

#include <array>

#include "adapters/wire/crypto.h"

namespace belfry::gateway {
namespace {
constexpr std::uint32_t kPasses = 2;
constexpr std::uint32_t kMemoryKiB = 19 * 1024;
constexpr std::uint32_t kLanes = 1;
constexpr std::size_t kSalt = 16;
constexpr std::size_t kHash = 32;
}  // namespace

Result<std::string> hash_password(std::string_view password) {
  const std::string salt = wire::random_bytes(kSalt);
  std::array<char, 256> encoded{};
  const int code = argon2id_hash_encoded(kPasses, kMemoryKiB, kLanes, password.data(), password.size(), salt.data(), salt.size(),
                                         kHash, encoded.data(), encoded.size());
  if (code != ARGON2_OK) return fail(Errc::kInternal, std::string("argon2: ") + argon2_error_message(code));
  return std::string(encoded.data());
}

bool verify_password(std::string_view password, const std::string& encoded) {
  return argon2id_verify(encoded.c_str(), password.data(), password.size()) == ARGON2_OK;
}

const std::string& nobodys_hash() {
  static const std::string hash = hash_password(wire::random_bytes(32)).value_or(std::string());
  return hash;
}

}  // namespace belfry::gateway
