// See listener.h.
#include "gateway/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <asio/ip/address.hpp>
#include <asio/post.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <utility>

namespace belfry::gateway {
namespace {

constexpr int kBacklog = 4096;
constexpr int kAcceptsPerTurn = 64;
constexpr auto kOutOfFiles = std::chrono::milliseconds(100);

struct Peer {
  std::string address;
  std::string bucket;  // an IPv6 customer owns a /64, so that is what is counted
  bool counted = true;
};

Peer peer_of(const sockaddr_storage& from) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (from.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &from, sizeof v4);
    inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return {text.data(), text.data()};
  }
  if (from.ss_family != AF_INET6) return {"unix", "unix", false};
  sockaddr_in6 v6{};
  std::memcpy(&v6, &from, sizeof v6);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, &v6.sin6_addr.s6_addr[12], text.data(), text.size());
    return {text.data(), text.data()};
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
  return {text.data(), std::string(reinterpret_cast<const char*>(v6.sin6_addr.s6_addr), 8)};
}

tl::unexpected<Error> system_error(const std::string& what) {
  return fail(errno == EADDRINUSE || errno == EACCES ? Errc::kConflict : Errc::kUnavailable, what + ": " + std::strerror(errno));
}

}  // namespace

Listener::Listener(asio::io_context& loop, TlsContext tls, Site& site, const ServerLimits& limits)
    : loop_(loop), tls_(std::move(tls)), host_(std::make_shared<HttpHost>(site, limits)), socket_(loop), timer_(loop) {}

Listener::~Listener() {
  *alive_ = false;
  host_->on_empty = nullptr;
  std::error_code ignored;
  socket_.close(ignored);
  if (!unlink_.empty()) ::unlink(unlink_.c_str());
  drop_http(*host_);
}

Result<std::unique_ptr<Listener>> Listener::open(asio::io_context& loop, const std::string& address, TlsContext tls, Site& site,
                                                 const ServerLimits& limits) {
  std::unique_ptr<Listener> listener(new Listener(loop, std::move(tls), site, limits));
  if (auto bound = listener->bind(address); !bound) return tl::unexpected<Error>(bound.error());
  listener->wait();
  return listener;
}

Result<void> Listener::bind(const std::string& address) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (address.starts_with("unix:")) {
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    const std::string path = address.substr(5);
    if (path.empty() || path.size() >= sizeof un.sun_path) return fail(Errc::kBadInput, address + ": bad path for a unix socket");
    std::memcpy(un.sun_path, path.c_str(), path.size() + 1);
    std::memcpy(&storage, &un, sizeof un);
    size = sizeof un;
    struct stat found {};
    if (::lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) ::unlink(path.c_str());
  } else {
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos) return fail(Errc::kBadInput, address + ": no port");
    std::string host = address.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    if (host == "localhost") host = "127.0.0.1";
    std::uint16_t port = 0;
    const auto [end, bad] = std::from_chars(address.data() + colon + 1, address.data() + address.size(), port);
    std::error_code error;
    const auto ip = asio::ip::make_address(host, error);
    if (error || bad != std::errc() || end != address.data() + address.size() || colon + 1 == address.size()) {
      return fail(Errc::kBadInput, address + ": not address:port");
    }
    if (ip.is_v4()) {
      sockaddr_in v4{};
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      v4.sin_addr.s_addr = htonl(ip.to_v4().to_uint());
      std::memcpy(&storage, &v4, sizeof v4);
      size = sizeof v4;
    } else {
      sockaddr_in6 v6{};
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      const auto octets = ip.to_v6().to_bytes();
      std::memcpy(&v6.sin6_addr, octets.data(), octets.size());
      v6.sin6_scope_id = static_cast<std::uint32_t>(ip.to_v6().scope_id());
      std::memcpy(&storage, &v6, sizeof v6);
      size = sizeof v6;
    }
  }
  family_ = storage.ss_family;
  const int fd = ::socket(family_, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return system_error(address);
  std::error_code error;
  socket_.assign(asio::generic::stream_protocol(family_, family_ == AF_UNIX ? 0 : IPPROTO_TCP), fd, error);
  if (error) {
    ::close(fd);
    return fail(Errc::kUnavailable, address + ": " + error.message());
  }
  const int one = 1;
  if (family_ != AF_UNIX) {
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) return system_error(address);
  }
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) != 0) return system_error(address);
  // Nobody connects before listen(), so the mode is right from the first peer on.
  if (family_ == AF_UNIX && ::chmod(address.c_str() + 5, 0600) != 0) return system_error(address);
  if (::listen(fd, kBacklog) != 0) return system_error(address);
  if (family_ == AF_UNIX) {
    address_ = address;
    unlink_ = address.substr(5);
    return {};
  }
  sockaddr_storage bound{};
  socklen_t bound_size = sizeof bound;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &bound_size) != 0) return system_error(address);
  if (family_ == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &bound, sizeof v4);
    port_ = ntohs(v4.sin_port);
  } else {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &bound, sizeof v6);
    port_ = ntohs(v6.sin6_port);
  }
  address_ = address.substr(0, address.rfind(':') + 1) + std::to_string(port_);
  return {};
}

void Listener::wait() {
  socket_.async_wait(StreamSocket::wait_read, [this, alive = alive_](const std::error_code& error) {
    if (!*alive || stopping_ || error) return;
    accept();
  });
}

void Listener::accept() {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const int fd = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) break;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // The peer stays in the kernel's queue until somebody else has left.
        timer_.expires_after(kOutOfFiles);
        timer_.async_wait([this, alive = alive_](const std::error_code& error) {
          if (!error && *alive && !stopping_) wait();
        });
        return;
      }
      continue;  // that one peer is gone already
    }
    Peer peer = peer_of(from);
    const ServerLimits& limits = host_->limits;
    bool full = limits.max_connections > 0 && host_->connections.size() >= static_cast<std::size_t>(limits.max_connections);
    if (peer.counted && limits.max_per_address > 0 && !full) {
      const auto it = host_->per_address.find(peer.bucket);
      full = it != host_->per_address.end() && it->second >= limits.max_per_address;
    }
    if (full) {
      ++host_->stats.refused;
      ::close(fd);
      continue;
    }
    StreamSocket socket(loop_);
    std::error_code error;
    socket.assign(asio::generic::stream_protocol(family_, family_ == AF_UNIX ? 0 : IPPROTO_TCP), fd, error);
    if (error) {
      ::close(fd);
      continue;
    }
    ++host_->stats.accepted;
    serve_http(loop_, std::move(socket), tls_.get(), std::move(peer.address), std::move(peer.bucket), host_);
  }
  wait();
}

void Listener::stop(std::int64_t within_ms, std::function<void()> done) {
  if (stopping_) return;
  stopping_ = true;
  std::error_code ignored;
  socket_.close(ignored);
  if (!unlink_.empty()) ::unlink(std::exchange(unlink_, {}).c_str());
  host_->on_empty = [this, done = std::move(done)]() mutable {
    timer_.cancel();
    // Called from a connection's end: not the place to destroy a listener.
    asio::post(loop_, std::exchange(done, nullptr));
    asio::post(loop_, [this, alive = alive_] {
      if (*alive) host_->on_empty = nullptr;
    });
  };
  timer_.expires_after(std::chrono::milliseconds(within_ms));
  timer_.async_wait([this, alive = alive_](const std::error_code& error) {
    if (!error && *alive) drop_http(*host_);
  });
  if (host_->connections.empty()) return host_->on_empty();
  drain_http(*host_);
}

}  // namespace belfry::gateway
