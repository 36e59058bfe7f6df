// Addresses, secrets, digests and clocks of belfry-sim.
#include "base.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <sstream>

namespace sim {

std::string Url::authority() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::string Url::origin() const { return (tls ? "https://" : "http://") + authority(); }

namespace {

bool is_loopback_v4(std::string_view host) {
  if (host.substr(0, 4) != "127.") return false;
  int parts = 0;
  std::size_t at = 0;
  while (at <= host.size()) {
    const auto dot = std::min(host.find('.', at), host.size());
    int value = -1;
    const auto [end, error] = std::from_chars(host.data() + at, host.data() + dot, value);
    if (error != std::errc{} || end != host.data() + dot || value < 0 || value > 255) return false;
    ++parts;
    at = dot + 1;
  }
  return parts == 4;
}

}  // namespace

Url parse_url(std::string_view text, std::string_view option) {
  const auto bad = [&](const std::string& why) {
    return Refusal(std::string(option) + " " + std::string(text) + ": " + why + "; give it as http://127.0.0.1:PORT/path");
  };
  Url url;
  std::string_view rest = text;
  const auto scheme_end = rest.find("://");
  if (scheme_end == std::string_view::npos) throw bad("no scheme");
  const auto scheme = rest.substr(0, scheme_end);
  if (scheme == "https" || scheme == "wss") {
    url.tls = true;
  } else if (scheme != "http" && scheme != "ws") {
    throw bad("the scheme is none of http, https, ws, wss");
  }
  rest.remove_prefix(scheme_end + 3);
  const auto slash = rest.find_first_of("/?");
  std::string_view authority = rest.substr(0, slash);
  if (slash != std::string_view::npos) url.target = (rest[slash] == '?' ? "/" : "") + std::string(rest.substr(slash));
  std::string_view port;
  if (!authority.empty() && authority[0] == '[') {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) throw bad("the address has no closing bracket");
    url.host = authority.substr(1, close - 1);
    port = authority.substr(close + 1);
    if (!port.empty() && port[0] == ':') port.remove_prefix(1);
  } else {
    const auto colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) port = authority.substr(colon + 1);
  }
  if (url.host == "localhost") url.host = "127.0.0.1";
  if (!is_loopback_v4(url.host) && url.host != "::1") {
    throw Refusal(std::string(option) + " " + std::string(text) +
                  ": belfry-sim speaks to this machine only; use 127.0.0.1, ::1 or localhost");
  }
  if (port.empty()) {
    url.port = url.tls ? 443 : 80;
  } else {
    int value = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
    if (error != std::errc{} || end != port.data() + port.size() || value < 1 || value > 65535) {
      throw bad("the port is not a number from 1 to 65535");
    }
    url.port = static_cast<std::uint16_t>(value);
  }
  return url;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw Failure("cannot read " + path + "; check that it exists and that you may read it");
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> read_lines(const std::string& path, std::string_view option) {
  std::istringstream in(read_file(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  if (lines.empty()) throw Refusal(std::string(option) + " " + path + " holds no line; write one secret a line into it");
  return lines;
}

std::string read_secret(const std::string& path, std::string_view option) { return read_lines(path, option).front(); }

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string sha256(std::string_view bytes) {
  std::string out(32, '\0');
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &size, EVP_sha256(), nullptr) != 1) {
    throw Failure("SHA-256 is not available in this OpenSSL");
  }
  return out;
}

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(count)) != 1) {
    throw Failure("the system gives no random bytes");
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0) {
      out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

std::map<std::string, std::string> parse_query(std::string_view target) {
  std::map<std::string, std::string> out;
  const auto mark = target.find('?');
  if (mark == std::string_view::npos) return out;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const auto pair = rest.substr(0, end);
    const auto equals = std::min(pair.find('='), pair.size());
    if (!pair.empty())
      out[percent_decode(pair.substr(0, equals))] = percent_decode(pair.substr(std::min(equals + 1, pair.size())));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

Signer::Signer(std::string_view key) : mac_(EVP_MAC_fetch(nullptr, "HMAC", nullptr)), context_(EVP_MAC_CTX_new(mac_)) {
  char digest[] = "SHA256";
  const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (context_ == nullptr ||
      EVP_MAC_init(context_, reinterpret_cast<const unsigned char*>(key.data()), key.size(), params) != 1) {
    throw Failure("HMAC-SHA256 is not available in this OpenSSL");
  }
}

Signer::~Signer() {
  EVP_MAC_CTX_free(context_);
  EVP_MAC_free(mac_);
}

void Signer::sign(std::string_view bytes, char* hex64) {
  static constexpr char kDigits[] = "0123456789abcdef";
  unsigned char out[32];
  std::size_t size = 0;
  EVP_MAC_init(context_, nullptr, 0, nullptr);  // the key schedule stays
  EVP_MAC_update(context_, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  EVP_MAC_final(context_, out, &size, sizeof out);
  for (std::size_t i = 0; i < sizeof out; ++i) {
    hex64[2 * i] = kDigits[out[i] >> 4];
    hex64[2 * i + 1] = kDigits[out[i] & 15];
  }
}

std::string Signer::header(std::string_view bytes) {
  std::string out = "sha256=" + std::string(64, '0');
  sign(bytes, out.data() + 7);
  return out;
}

std::int64_t wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::int64_t mono_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Histogram::add(std::int64_t us) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0));
  // Below 64 each microsecond has a bucket; above, 64 buckets to each doubling.
  std::size_t index = value;
  if (value >= 64) {
    const auto shift = static_cast<std::size_t>(std::bit_width(value)) - 7;
    index = 64 * (shift + 1) + (value >> shift) - 64;
  }
  ++buckets_[std::min(index, buckets_.size() - 1)];
  ++count_;
  max_ = std::max(max_, us);
}

void Histogram::merge(const Histogram& other) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
}

double Histogram::quantile_ms(double q) const {
  if (count_ == 0) return 0;
  const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(count_ - 1)) + 1;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen < wanted) continue;
    if (i < 64) return static_cast<double>(i) / 1000.0;
    const auto shift = i / 64 - 1;
    return std::min(static_cast<double>((i % 64 + 64) << shift) / 1000.0, max_ms());
  }
  return max_ms();
}

}  // namespace sim
