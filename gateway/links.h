// The sockets of one sender: what its Dial, Transmit and Hangup become.
#pragma once

#include <asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "belfry/adapter.h"
#include "belfry/effect.h"
#include "gateway/tls.h"

namespace belfry::gateway {

class Links {
 public:
  // Neither is called from inside a call of Links, nor of a link after its hangup, nor after Links is gone.
  struct Heard {
    std::function<void(LinkId, LinkState)> state;  // kUp once, then kDown at most once; or kDown alone
    std::function<void(LinkId, std::string_view)> bytes;
    std::function<void(const Error&)> failed{};  // why a dialled link did not come up, before its kDown; may be absent
  };
  virtual ~Links() = default;
  virtual void dial(const Dial& wanted) = 0;
  virtual void transmit(const Transmit& what) = 0;  // of a link that is not up: dropped, for its end is told anyway
  // What was written is sent first, for two seconds at most.
  virtual void hangup(LinkId link) = 0;
  // Backpressure: nothing is read from any of them until false.
  virtual void pause(bool on) = 0;
};
using MakeLinks = std::function<std::unique_ptr<Links>(std::string_view account, Links::Heard heard)>;

// TCP, or TLS with this context, on the shard's loop.
std::unique_ptr<Links> make_links(asio::io_context& loop, TlsContext tls, Links::Heard heard);

}  // namespace belfry::gateway
