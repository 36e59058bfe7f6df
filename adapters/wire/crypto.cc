// See crypto.h.
#include "adapters/wire/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

namespace belfry::wire {
namespace {

// libcrypto's own failure (no provider, no memory) is not an error of the world that a caller could handle.
void require(bool ok) {
  if (!ok) std::abort();
}

const unsigned char* octets(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }

struct FreeMd {
  void operator()(EVP_MD* p) const { EVP_MD_free(p); }
};
struct FreeMdContext {
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
};
struct FreeMac {
  void operator()(EVP_MAC* p) const { EVP_MAC_free(p); }
};
struct FreeMacContext {
  void operator()(EVP_MAC_CTX* p) const { EVP_MAC_CTX_free(p); }
};

// One fetched digest with a context, a thread.
class Digest {
 public:
  explicit Digest(const char* name) : md_(EVP_MD_fetch(nullptr, name, nullptr)), context_(EVP_MD_CTX_new()) {
    require(md_ && context_);
  }
  std::string of(std::string_view data) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    unsigned int size = 0;
    require(EVP_DigestInit_ex2(context_.get(), md_.get(), nullptr) == 1 &&
            EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1 &&
            EVP_DigestFinal_ex(context_.get(), out.data(), &size) == 1);
    return {reinterpret_cast<const char*>(out.data()), size};
  }
  const EVP_MD* md() const { return md_.get(); }

 private:
  std::unique_ptr<EVP_MD, FreeMd> md_;
  std::unique_ptr<EVP_MD_CTX, FreeMdContext> context_;
};

Digest& sha256_of_thread() {
  thread_local Digest digest("SHA256");
  return digest;
}

// HMAC with its digest set once: each use is then init, update, final. The key of last time is not expanded again: one account's
// webhooks come one after the other.
class Hmac {
 public:
  Hmac() : mac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)) {
    require(mac_ != nullptr);
    context_.reset(EVP_MAC_CTX_new(mac_.get()));
    require(context_ != nullptr);
    std::string name = "SHA256";
    const std::array<OSSL_PARAM, 2> params{OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0),
                                           OSSL_PARAM_construct_end()};
    require(EVP_MAC_CTX_set_params(context_.get(), params.data()) == 1);
  }
  std::string of(std::string_view key, std::string_view data) {
    static const unsigned char kNoKey = 0;
    const unsigned char* k = key.empty() ? &kNoKey : octets(key);
    if (keyed_ && key == key_) {
      k = nullptr;  // to OpenSSL, "the key of last time"
    } else {
      OPENSSL_cleanse(key_.data(), key_.size());
      key_ = key;
      keyed_ = true;
    }
    std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
    std::size_t size = 0;
    require(EVP_MAC_init(context_.get(), k, k == nullptr ? 0 : key.size(), nullptr) == 1 &&
            EVP_MAC_update(context_.get(), octets(data), data.size()) == 1 &&
            EVP_MAC_final(context_.get(), out.data(), &size, out.size()) == 1);
    return {reinterpret_cast<const char*>(out.data()), size};
  }

 private:
  std::unique_ptr<EVP_MAC, FreeMac> mac_;
  std::unique_ptr<EVP_MAC_CTX, FreeMacContext> context_;
  std::string key_;
  bool keyed_ = false;
};

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kBase64Url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> inverse(std::string_view alphabet) {
  std::array<std::int8_t, 256> table{};
  for (auto& entry : table) entry = -1;
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  }
  return table;
}
constexpr auto kFromBase64 = inverse(kBase64);
constexpr auto kFromBase64Url = inverse(kBase64Url);

std::string encode64(std::string_view bytes, std::string_view alphabet, bool padded) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    held += 8;
    while (held >= 6) {
      held -= 6;
      out += alphabet[(bits >> held) & 63U];
    }
  }
  if (held > 0) out += alphabet[(bits << (6 - held)) & 63U];
  while (padded && out.size() % 4 != 0) out += '=';
  return out;
}

// `text` without padding.
std::optional<std::string> decode64(std::string_view text, const std::array<std::int8_t, 256>& table) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  int held = 0;
  for (const char c : text) {
    const std::int8_t value = table[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>((bits >> held) & 0xFFU);
    }
  }
  // Two texts must never mean the same octets, else a signed or single-use text has twins.
  if ((bits & ((1U << held) - 1U)) != 0) return std::nullopt;
  return out;
}

std::string_view without_padding(std::string_view text) {
  for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  return text;
}

// A table, for random digits are what a branch predictor cannot learn.
constexpr auto kFromHex = [] {
  std::array<signed char, 256> table{};
  table.fill(-1);
  signed char value = 0;
  for (const char c : std::string_view("0123456789")) table[static_cast<unsigned char>(c)] = value++;
  for (const char c : std::string_view("abcdef")) table[static_cast<unsigned char>(c)] = value++;
  value = 10;
  for (const char c : std::string_view("ABCDEF")) table[static_cast<unsigned char>(c)] = value++;
  return table;
}();
int hex_value(char c) { return kFromHex[static_cast<unsigned char>(c)]; }

EVP_MD_CTX* as_context(void* p) { return static_cast<EVP_MD_CTX*>(p); }

}  // namespace

std::string sha1(std::string_view data) {
  thread_local Digest digest("SHA1");
  return digest.of(data);
}

std::string sha256(std::string_view data) { return sha256_of_thread().of(data); }

std::string hmac_sha256(std::string_view key, std::string_view data) {
  thread_local Hmac hmac;
  return hmac.of(key, data);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  require(context_ != nullptr && EVP_DigestInit_ex2(as_context(context_), sha256_of_thread().md(), nullptr) == 1);
}
Sha256::~Sha256() { EVP_MD_CTX_free(as_context(context_)); }
Sha256::Sha256(Sha256&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
Sha256& Sha256::operator=(Sha256&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}
void Sha256::add(std::string_view data) { require(EVP_DigestUpdate(as_context(context_), data.data(), data.size()) == 1); }
std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned int size = 0;
  require(EVP_DigestFinal_ex(as_context(context_), out.data(), &size) == 1);
  return {reinterpret_cast<const char*>(out.data()), size};
}

std::string to_hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto octet = static_cast<unsigned char>(c);
    out += kDigits[octet >> 4U];
    out += kDigits[octet & 15U];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out(text.size() / 2, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = hex_value(text[2 * i]);
    const int low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string base64_encode(std::string_view bytes) { return encode64(bytes, kBase64, true); }
std::string base64url_encode(std::string_view bytes) { return encode64(bytes, kBase64Url, false); }

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  return decode64(without_padding(text), kFromBase64);
}

std::optional<std::string> base64url_decode(std::string_view text) {
  const std::string_view bare = without_padding(text);
  if (bare.size() != text.size() && text.size() % 4 != 0) return std::nullopt;
  return decode64(bare, kFromBase64Url);
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && (a.empty() || CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0);
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  require(count == 0 || RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) == 1);
  return out;
}

}  // namespace belfry::wire
