// Accepts connections on one address and serves a Site on them: HTTP/1.1, HTTP/2 and WebSocket, plain or TLS.
//
// One a shard and address; the shards of a process bind the same port (SO_REUSEPORT) and the kernel spreads connections.
// Everything happens on the shard's thread: open(), stop() and the destructor too.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "belfry/result.h"
#include "gateway/exchange.h"
#include "gateway/http_server.h"
#include "gateway/pump.h"
#include "gateway/tls.h"

namespace belfry::gateway {

class Listener {
 public:
  // `address`: "127.0.0.1:0", "[::]:8443" or "unix:/path" (mode 0600; a stale socket file is replaced). Port 0 takes a free one.
  // Without `tls` it is plain. `site` outlives the loop's last connection.
  static Result<std::unique_ptr<Listener>> open(asio::io_context& loop, const std::string& address, TlsContext tls, Site& site,
                                                const ServerLimits& limits);
  // Ends what is left, at once.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  std::uint16_t port() const { return port_; }             // the one that was taken; 0 for unix
  const std::string& address() const { return address_; }  // with that port
  const ServerStats& stats() const { return host_->stats; }
  std::size_t connections() const { return host_->connections.size(); }

  // For connections accepted from now on (SIGHUP).
  void set_tls(TlsContext tls) {
    if (tls_) tls_ = std::move(tls);  // a plain listener stays plain
  }

  // Stops accepting, lets every exchange finish and every socket close; what is left after `within_ms` is cut. Then `done`,
  // once, never from inside this call.
  void stop(std::int64_t within_ms, std::function<void()> done);

 private:
  Listener(asio::io_context& loop, TlsContext tls, Site& site, const ServerLimits& limits);
  Result<void> bind(const std::string& address);
  void wait();
  void accept();

  asio::io_context& loop_;
  TlsContext tls_;
  std::shared_ptr<HttpHost> host_;
  StreamSocket socket_;  // the listening one: Asio only watches it
  int family_ = 0;
  asio::steady_timer timer_;
  std::uint16_t port_ = 0;
  std::string address_;
  std::string unlink_;  // the file of a unix socket
  bool stopping_ = false;
  // Handlers in flight outlive this object; they look here first.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace belfry::gateway
