// What an HTTP client codec tells the connection above it, the same for HTTP/1.1 and HTTP/2.
//
// The connection hands over requests while room() says so, carries take() out and feed() in, and hears of each request: one
// on_head, any number of on_body, then on_done; or on_failed at any point instead. After cancel() it hears nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "belfry/http.h"
#include "belfry/result.h"

namespace belfry::wire {

using RequestId = std::uint32_t;  // of one connection

class ClientEvents {
 public:
  virtual ~ClientEvents() = default;
  virtual void on_head(RequestId id, HttpResponse head) = 0;  // final: 1xx are skipped; body empty
  virtual void on_body(RequestId id, std::string_view bytes) = 0;
  virtual void on_done(RequestId id) = 0;
  // kUnavailable: the peer says that it did nothing with it (REFUSED_STREAM, GOAWAY): it may be repeated elsewhere.
  // kClosed: it was cut off, what it did is unknown. kBadInput: the answer is malformed, what it did is unknown.
  virtual void on_failed(RequestId id, Error error) = 0;
};

struct ClientLimits {
  std::size_t max_head = 32UL * 1024;
  std::size_t max_headers = 128;
};

class ClientCodec {
 public:
  virtual ~ClientCodec() = default;
  // How many more requests may be sent now.
  virtual std::size_t room() const = 0;
  // Queues a request; room() must be above 0 and unsendable() empty. The codec adds Host (or :authority) and Content-Length.
  virtual RequestId send(HttpRequest request) = 0;
  virtual bool feed(std::string_view bytes) = 0;  // false: fatal, every request was failed; send take(), then close
  virtual void input_ended() = 0;                 // the peer's FIN: ends an answer of unknown length, fails the others
  virtual std::string take() = 0;                 // at most ~256 KiB a call
  virtual bool wants_close() const = 0;           // no request is open and none will be taken any more
  virtual bool written(RequestId id) const = 0;   // an octet of it has left by take()
  virtual void cancel(RequestId id) = 0;
  virtual void consumed(RequestId id, std::size_t octets) = 0;  // HTTP/2 flow control: the owner has taken so much of the body
};

// Why a request cannot be sent as it stands (a line break in a field, a space in the target …), or empty.
std::string_view unsendable(const HttpRequest& request);

// A field the codec writes itself, or that speaks of one HTTP/1.1 connection: the caller's is left out.
bool is_codecs_own(std::string_view lower_name);

// GET, HEAD, PUT, DELETE, OPTIONS, TRACE (RFC 9110 section 9.2.2).
bool is_idempotent(std::string_view method);

}  // namespace belfry::wire
