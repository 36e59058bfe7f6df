// What an HTTP server codec tells the connection above it, the same for HTTP/1.1 and HTTP/2.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include "belfry/http.h"
namespace belfry::wire {
using StreamId = std::uint32_t;  // HTTP/1.1 counts its exchanges from 1
class ServerEvents {
 public:
  virtual ~ServerEvents() = default;
  // The head is in. Returns how large the body may be; to refuse, call respond() from inside and return 0.
  virtual std::size_t on_head(StreamId stream, HttpRequest& head) = 0;
  virtual void on_request(StreamId stream, HttpRequest request) = 0;  // whole, body included
  virtual void on_tunnel(StreamId stream, HttpRequest request) = 0;   // a well-formed WebSocket request: accept_tunnel or respond
  virtual void on_tunnel_bytes(StreamId stream, std::string_view bytes) = 0;
  virtual void on_tunnel_end(StreamId stream) = 0;  // peer's END_STREAM / FIN
  virtual void on_gone(StreamId stream) = 0;        // reset, or the connection fell, before the answer was whole
};
// What the connection may be waiting for: it decides which deadline counts.
enum class Phase : std::uint8_t {
  kIdle,    // nothing has begun
  kHead,    // a head is in pieces
  kBody,    // a body is in pieces
  kBusy,    // the site owes an answer
  kTunnel,  // the octets belong to a WebSocket
};
class ServerCodec {
 public:
  virtual ~ServerCodec() = default;
  virtual bool feed(std::string_view bytes) = 0;  // false: fatal; send what take() gives, then close
  virtual std::string take() = 0;                 // bytes to send now (bounded: at most ~256 KiB a call; call again when drained)
  virtual bool wants_close() const = 0;           // nothing more will come: close after take()
  virtual void respond(StreamId, HttpResponse) = 0;           // whole answer
  virtual void begin(StreamId, HttpResponse head) = 0;        // streamed answer
  virtual std::size_t write(StreamId, std::string_view) = 0;  // returns octets of that stream still unsent
  virtual void end(StreamId) = 0;
  virtual void accept_tunnel(StreamId, HttpResponse head) = 0;  // 101 or 200; then tunnel_write
  virtual std::size_t tunnel_write(StreamId, std::string_view) = 0;
  virtual void tunnel_end(StreamId) = 0;                    // clean END_STREAM / FIN
  virtual void reset(StreamId) = 0;                         // RST_STREAM / drop
  virtual void tunnel_consumed(StreamId, std::size_t) = 0;  // flow control: the socket's owner has taken so many octets
  virtual void shutdown() = 0;                              // graceful: GOAWAY / Connection: close after the present exchange
  virtual bool idle() const = 0;                            // no open exchange
  // What HTTP/1.1 needs beyond that; HTTP/2 has streams and windows instead.
  virtual Phase phase() const { return idle() ? Phase::kIdle : Phase::kBusy; }
  virtual bool wants_bytes() const { return true; }  // false: stop reading until it is true again
  virtual void timed_out() {}                        // the head or the body took too long: say 408, then close
  virtual void input_ended() {}                      // the peer's FIN: what is whole is still answered, then wants_close()
};
}  // namespace belfry::wire
