// Small things every role of belfry-sim needs: addresses, secrets, digests, clocks, chance. Nothing here is shared with belfryd.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

struct evp_mac_st;
struct evp_mac_ctx_st;

namespace sim {

// A wrong option or an impossible request of the person at the keyboard: printed with its remedy, exit 2.
struct Refusal : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What the world refused us (a port in use, a file that cannot be read, a server that is away): exit 3.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Url {
  bool tls = false;
  std::string host;  // 127.0.0.0/8 or ::1, always a literal
  std::uint16_t port = 0;
  std::string target = "/";  // path and query
  std::string authority() const;
  std::string origin() const;  // scheme://host:port
};

// Throws Refusal for anything that is not http, https, ws or wss on loopback: the simulator never leaves the machine.
Url parse_url(std::string_view text, std::string_view option);

// The first line of a secret file, without its line end.
std::string read_secret(const std::string& path, std::string_view option);
std::vector<std::string> read_lines(const std::string& path, std::string_view option);
std::string read_file(const std::string& path);

std::string to_hex(std::string_view bytes);
std::string to_base64(std::string_view bytes);
std::string sha256(std::string_view bytes);
std::string random_bytes(std::size_t count);
std::string percent_decode(std::string_view text);
std::map<std::string, std::string> parse_query(std::string_view target);  // of a target with ?a=b&c=d

// HMAC-SHA256 with one key, keyed once: a signature costs about what the hash costs.
class Signer {
 public:
  explicit Signer(std::string_view key);
  ~Signer();
  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;
  void sign(std::string_view bytes, char* hex64);  // writes 64 lower-case hex digits
  std::string header(std::string_view bytes);      // "sha256=<hex>"

 private:
  evp_mac_st* mac_;
  evp_mac_ctx_st* context_;
};

std::int64_t wall_ms();
std::int64_t mono_ns();

// One source of chance a role, so that a seed means the same choices.
class Chance {
 public:
  explicit Chance(std::uint64_t seed) : engine_(seed) {}
  bool happens(double rate) { return rate > 0 && unit() < rate; }
  double unit() { return static_cast<double>(engine_() >> 11) * 0x1.0p-53; }
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  template <class T>
  const T& pick(const std::vector<T>& from) {
    return from[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(from.size()) - 1))];
  }
  std::uint64_t bits() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

// Counts microseconds in buckets 1.6 % wide: constant memory, whatever the number of samples.
class Histogram {
 public:
  void add(std::int64_t us);
  void merge(const Histogram& other);
  double quantile_ms(double q) const;
  double max_ms() const { return static_cast<double>(max_) / 1000.0; }
  std::uint64_t count() const { return count_; }

 private:
  std::vector<std::uint64_t> buckets_ = std::vector<std::uint64_t>(64 * 40);
  std::uint64_t count_ = 0;
  std::int64_t max_ = 0;
};

}  // namespace sim
