// The WebSocket codec: any octets in any split, echoed. The split changes neither the messages nor the close code.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "adapters/wire/websocket.h"

namespace {
using namespace belfry::wire;

class Echo : public WebSocketEvents {
 public:
  void on_message(bool text, std::string&& message) override {
    if (closed != 0 || message.size() > 1000) abort();
    seen += (text ? 'T' : 'B') + message + '\n';
    socket.send(text, message);
    if (message == "bye") socket.close(1000, "bye");
  }
  void on_pong() override { seen += "P\n"; }
  void on_closed(std::uint16_t code) override {
    if (closed != 0) abort();
    closed = code;
  }
  void feed(std::string_view bytes) {
    socket.feed(bytes);
    out += socket.take();
    socket.drained();
  }
  WebSocketServer socket{*this, {1000, 8, 1 << 20}};
  std::string seen, out;
  unsigned closed = 0;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::size_t step = data[0] + 1U;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);
  Echo pieces, whole;
  for (std::size_t at = 0; at < input.size(); at += step) pieces.feed(input.substr(at, step));
  whole.feed(input);
  if (pieces.seen != whole.seen || pieces.closed != whole.closed || pieces.out != whole.out) abort();
  return 0;
}
