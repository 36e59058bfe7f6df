// HTTP/2 for clients (RFC 9113) over nghttp2: many requests at a time. No socket, no clock.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/client_codec.h"

namespace belfry::wire {

class Http2Client final : public ClientCodec {
 public:
  // `events` must outlive the codec; it is called from inside feed(), take() and input_ended() and may call back.
  // `max_streams`: our own bound, below the peer's.
  explicit Http2Client(ClientEvents& events, std::string scheme, const ClientLimits& limits = {}, std::size_t max_streams = 100);
  ~Http2Client() override;
  Http2Client(const Http2Client&) = delete;
  Http2Client& operator=(const Http2Client&) = delete;

  std::size_t room() const override;
  RequestId send(HttpRequest request) override;
  bool feed(std::string_view bytes) override;
  void input_ended() override;
  std::string take() override;
  bool wants_close() const override;
  bool written(RequestId id) const override;
  void cancel(RequestId id) override;
  void consumed(RequestId id, std::size_t octets) override;
  // After it no request is taken; those open go on, then wants_close().
  void shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace belfry::wire
