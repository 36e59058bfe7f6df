// Digests, MACs and encodings over libcrypto's EVP: what every protocol here needs. Pure: bytes in, bytes out.
//
// Digests are raw octets in a std::string; say to_hex() where text is wanted. Fetched algorithms are cached per thread, because
// fetching costs three times the hash itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belfry::wire {

std::string sha1(std::string_view data);    // 20 octets. Only for Sec-WebSocket-Accept
std::string sha256(std::string_view data);  // 32 octets
std::string hmac_sha256(std::string_view key, std::string_view data);

// A digest over a body that comes in pieces (media on its way to disk).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view data);
  std::string finish();  // once

 private:
  void* context_;
};

std::string to_hex(std::string_view bytes);                  // lower case
std::optional<std::string> from_hex(std::string_view text);  // either case, even length

// base64 of RFC 4648 section 4, padded; and section 5 (URL alphabet), unpadded. Decoding is strict: no white space, no other
// alphabet, no stray bits; base64url_decode also takes correct padding.
std::string base64_encode(std::string_view bytes);
std::optional<std::string> base64_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);
std::optional<std::string> base64url_decode(std::string_view text);

// True if equal. Its time depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);

// Octets from the system's generator: for keys and tokens. A generator that fails is a bug of the machine, so this aborts.
std::string random_bytes(std::size_t count);

}  // namespace belfry::wire
