// What the front door hands to the rooms behind it, the same over HTTP/1.1 and HTTP/2.
//
// A Site answers requests; an Exchange is one request and the answer it is owed; a WebSocket is what an Exchange may become.
// Everything here lives on one shard's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "belfry/http.h"

namespace belfry::gateway {

// Bounds of one socket. Past each of them the socket is closed with the code named in protocols/web.md section 2.
struct WebSocketLimits {
  std::size_t max_message = 64 * 1024;   // 1009 above it
  std::size_t max_frames = 64;           // of one message; 0: no cap. 1008 above it
  std::size_t max_queued = 1024 * 1024;  // octets waiting for a slow reader: 1013 above it
  int max_pending_pongs = 16;            // 1008 above it
  std::int64_t ping_every_ms = 25'000;   // 0: never. Dropped after two without a pong
  std::int64_t close_timeout_ms = 5'000;
};

// An open socket. The owner holds a shared_ptr because a late read and a close race; on_close comes exactly once, last.
class WebSocket {
 public:
  virtual ~WebSocket() = default;
  // Queues one text message. Does nothing once closing. `text` is valid UTF-8.
  virtual void send(std::string_view text) = 0;
  virtual void send_binary(std::string_view bytes) = 0;
  // Starts the closing handshake; on_close follows.
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  // Stops and resumes reading: how a session says that too much of what it read is not stored yet.
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual std::size_t queued() const = 0;

  std::function<void(std::string&& text)> on_text;
  std::function<void(std::string&& bytes)> on_binary;  // unset: a binary message closes with 1003
  std::function<void(std::uint16_t code)> on_close;    // 1006 when the link fell without a close frame
};

// One request. Exactly one of answer(), upgrade() or begin() is called, once, at any time; if the owner lets the last
// reference go without, the peer hears 500. If the peer left, the calls do nothing.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const HttpRequest& request() const = 0;
  HttpRequest& mutable_request() { return const_cast<HttpRequest&>(request()); }  // to move the body out

  virtual void answer(HttpResponse response) = 0;

  // True for a well-formed WebSocket request (RFC 6455 section 4.2.1 or RFC 8441 section 5).
  virtual bool wants_websocket() const = 0;
  // Accepts it. `subprotocol` must be one that the peer offered, or empty.
  virtual std::shared_ptr<WebSocket> upgrade(std::string_view subprotocol, const WebSocketLimits& limits) = 0;

  // An answer of unknown length (server-sent events). False from write(): the peer is gone or 1 MiB behind; stop.
  virtual void begin(HttpResponse head) = 0;
  virtual bool write(std::string_view chunk) = 0;
  virtual void end() = 0;

  std::function<void()> on_gone;  // the peer left before the answer was whole
};

// Said when the head of a request is in and its body is not: how large may that body be, or the answer already.
// A refusal here is sent before `100 Continue`, so that a large body is never read in vain.
using Admission = std::variant<std::size_t, HttpResponse>;

class Site {
 public:
  virtual ~Site() = default;
  virtual Admission admit(const HttpRequest& head) = 0;
  virtual void serve(std::shared_ptr<Exchange> exchange) = 0;
};

// Limits of a listener. Timeouts in milliseconds; 0 means none.
struct ServerLimits {
  std::size_t max_request_line = 8 * 1024;
  std::size_t max_head = 16 * 1024;
  std::size_t max_headers = 64;
  std::int64_t head_timeout_ms = 10'000;       // first byte to whole head
  std::int64_t body_timeout_ms = 30'000;       // whole head to whole body; a body must also arrive at 1 KiB/s or better
  std::int64_t idle_timeout_ms = 60'000;       // between requests
  std::int64_t handshake_timeout_ms = 10'000;  // TLS
  std::int64_t write_timeout_ms = 30'000;      // without one octet taken by the peer
  int max_connections = 19'000;
  int max_per_address = 1'000;  // 0: no limit
  int max_streams = 100;        // open HTTP/2 streams a connection
  bool h2 = true;               // by ALPN on TLS, by prior knowledge on plain
  bool h2_websocket = true;     // SETTINGS_ENABLE_CONNECT_PROTOCOL
};

}  // namespace belfry::gateway
