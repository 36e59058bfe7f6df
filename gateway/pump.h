// A Pump moves bytes between one socket and one owner: read, a bounded write queue, a deadline, close. TCP, unix and TLS
// look the same from above. It is the only file that sees Asio's reads and writes.
//
// - Thread: the shard's, always.
// - Ownership: shared, because an async read and a close race: a completion that comes after close() must find a live object.
//   The owner keeps one reference; close() drops the handlers, so a closed Pump never calls back.
// - An idle Pump owns no read buffer: it waits for "readable", then reads into the shard's buffer.
// - What is written in one loop turn leaves in one write.
#pragma once

#include <asio/generic/stream_protocol.hpp>
#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "belfry/result.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace belfry::gateway {

using StreamSocket = asio::generic::stream_protocol::socket;  // TCP or unix

struct PumpHandlers {
  // Bytes came. The view is valid during the call only.
  std::function<void(std::string_view)> on_bytes;
  // The peer finished sending (FIN or close_notify); writing is still possible. Unset: the Pump closes.
  std::function<void()> on_end;
  // The link fell, or the deadline passed. Comes at most once, and last. Not called after close().
  std::function<void(const Error&)> on_down;
  // The write queue is empty again, after queued() was above zero.
  std::function<void()> on_drained;
};

class Pump : public std::enable_shared_from_this<Pump> {
 public:
  virtual ~Pump() = default;

  virtual void start(PumpHandlers handlers) = 0;
  // Queues bytes; flushed at the end of this loop turn. Above `max_queued` the link is dropped: kBusy goes to on_down.
  virtual void write(std::string_view bytes) = 0;
  virtual std::size_t queued() const = 0;
  // Stops and resumes reading: backpressure.
  virtual void pause() = 0;
  virtual void resume() = 0;
  // on_down with kTimeout unless set again before; 0 clears it.
  virtual void set_deadline(std::int64_t in_ms) = 0;
  // Sends what is queued, then FIN (TLS: close_notify first); the link is dropped after `linger_ms` at the latest.
  virtual void finish(std::int64_t linger_ms = 2'000) = 0;
  // At once; nothing is called afterwards.
  virtual void close() = 0;

  // "h2", "http/1.1" or empty; valid from the first on_bytes or from on_ready of connect.
  virtual std::string_view alpn() const = 0;
  virtual bool secure() const = 0;
};

// Accepted sockets. With `tls` the handshake is the Pump's own business, bounded by the deadline set by its owner.
std::shared_ptr<Pump> make_server_pump(asio::io_context& loop, StreamSocket socket, SSL_CTX* tls, std::size_t max_queued);

// Outgoing. `target`: "host:port", "[v6]:port" or "unix:/path". With `tls` the certificate is verified for `server_name`.
// `done` is called exactly once, never from inside this call; the Pump it hands over has not been started.
using Connected = std::function<void(Result<std::shared_ptr<Pump>>)>;
struct ConnectOptions {
  SSL_CTX* tls = nullptr;
  std::string server_name;
  std::string alpn;                 // comma-separated, in order of preference: "h2,http/1.1"
  std::int64_t timeout_ms = 5'000;  // name resolution, connect and handshake together
  std::size_t max_queued = 64UL << 20;
};
void connect_pump(asio::io_context& loop, const std::string& target, ConnectOptions options, Connected done);

}  // namespace belfry::gateway
