#include "gateway/redis_target.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace belfry::gateway {
namespace {

constexpr std::size_t kMostSeeds = 32;

tl::unexpected<Error> bad(std::string why) { return fail(Errc::kBadInput, std::move(why)); }

// "host", "host:port", "[v6]" or "[v6]:port" as an address.
Result<std::string> address_of(std::string_view text, std::string_view port) {
  std::string_view host = text;
  if (host.starts_with('[')) {
    const auto close = host.find(']');
    if (close == std::string_view::npos) return bad("an IPv6 address ends with ]");
    const std::string_view after = host.substr(close + 1);
    if (!after.empty() && after.front() != ':') return bad("after ] comes :port");
    if (!after.empty()) port = after.substr(1);
    host = host.substr(1, close - 1);
  } else if (const auto colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon + 1);
    host = host.substr(0, colon);
  }
  unsigned number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc{} || end != port.data() + port.size() || number < 1 || number > 65535)
    return bad("the port is 1 to 65535");
  if (host.empty()) return bad("the host is missing");
  if (!is_host(host)) return bad("a host is of letters, digits, '.', '-' and '_', or an IPv6 address");
  return redis_address(host, port);
}

bool is_service_name(std::string_view name) {
  return !name.empty() && name.size() <= 100 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
}

}  // namespace

bool is_host(std::string_view host) {
  return !host.empty() && host.size() <= 253 && std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
           c == ':' || c == '%';
  });
}

std::string redis_address(std::string_view host, std::string_view port) {
  std::string address;
  address.reserve(host.size() + port.size() + 3);
  const bool v6 = host.find(':') != std::string_view::npos;
  if (v6) address += '[';
  address.append(host);
  if (v6) address += ']';
  return address.append(":").append(port);
}

std::string host_of(std::string_view address) {
  if (address.starts_with("unix:")) return {};
  std::string_view host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

Result<RedisTarget> parse_redis_url(std::string_view url) {
  const auto scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return bad("not a URL");
  std::string_view scheme = url.substr(0, scheme_end);
  std::string_view rest = url.substr(scheme_end + 3);
  RedisTarget target;
  if (scheme == "unix") {
    if (!rest.starts_with('/')) return bad("a unix URL names an absolute path: unix:///path");
    if (rest.size() > 107) return bad("the path of a unix socket has at most 107 octets");
    target.address = "unix:" + std::string(rest);
    return target;
  }
  if (scheme.starts_with("rediss")) {
    target.secure = true;
    scheme.remove_prefix(6);
  } else if (scheme.starts_with("redis")) {
    scheme.remove_prefix(5);
  } else {
    return bad("unknown scheme");
  }
  if (scheme == "+sentinel") {
    target.kind = RedisTarget::Kind::kSentinel;
  } else if (scheme == "+cluster") {
    target.kind = RedisTarget::Kind::kCluster;
  } else if (!scheme.empty()) {
    return bad("unknown scheme");
  }
  if (rest.find('@') != std::string_view::npos)
    return bad("no user or password in the URL: use redis.user and redis.password_file");
  if (target.kind == RedisTarget::Kind::kSentinel) {
    const auto slash = rest.find('/');
    if (slash == std::string_view::npos || slash + 1 == rest.size())
      return bad("after the sentinels comes the name they watch the primary under: redis+sentinel://host,host/name");
    target.service = rest.substr(slash + 1);
    if (!is_service_name(target.service)) return bad("the name after the sentinels has letters, digits, dots, - and _");
    rest = rest.substr(0, slash);
  } else if (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  if (rest.find_first_of("/?#") != std::string_view::npos) return bad("only host and port: Belfry uses database 0");
  const bool many = target.kind != RedisTarget::Kind::kServer;
  if (!many && rest.find(',') != std::string_view::npos)
    return bad("one host only; several of them are redis+sentinel:// or redis+cluster://");
  for (;;) {
    const auto comma = rest.find(',');
    auto address = address_of(rest.substr(0, comma), target.kind == RedisTarget::Kind::kSentinel ? "26379" : "6379");
    if (!address) return tl::unexpected(std::move(address.error()));
    if (!many) {
      target.address = std::move(*address);
      return target;
    }
    if (std::find(target.seeds.begin(), target.seeds.end(), *address) == target.seeds.end())
      target.seeds.push_back(std::move(*address));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (target.seeds.size() > kMostSeeds) return bad("at most 32 hosts; a few are enough, they tell of the others");
  return target;
}

}  // namespace belfry::gateway
