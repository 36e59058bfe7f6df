// HTTP/1.1 for clients (RFC 9112): one request at a time, its answer by llhttp. No socket, no clock.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/client_codec.h"

namespace belfry::wire {

class Http1Client final : public ClientCodec {
 public:
  // `events` must outlive the codec; it is called from inside feed() and input_ended() and may call back.
  explicit Http1Client(ClientEvents& events, const ClientLimits& limits = {});
  ~Http1Client() override;
  Http1Client(const Http1Client&) = delete;
  Http1Client& operator=(const Http1Client&) = delete;

  std::size_t room() const override;
  RequestId send(HttpRequest request) override;
  bool feed(std::string_view bytes) override;
  void input_ended() override;
  std::string take() override;
  bool wants_close() const override;
  bool written(RequestId id) const override;
  // An answer under way cannot be called back: the connection is done.
  void cancel(RequestId id) override;
  void consumed(RequestId, std::size_t) override {}

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace belfry::wire
