// The HTTP/1.1 codec: any octets in any split, under a site that answers at once, later, in pieces or not at all.
// Beyond memory errors: at most one answer is owed, a refused peer is not heard again, and the split changes nothing.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/http1.h"

namespace {
using namespace belfry;
using namespace belfry::wire;

class Site : public ServerEvents {
 public:
  explicit Site(unsigned manner) : manner_(manner), codec(make_http1_server(*this, {})) {}
  std::size_t on_head(StreamId stream, HttpRequest& head) override {
    if (head.path.size() % 7 == 3) {
      HttpResponse no;
      no.status = 403;
      codec->respond(stream, no);
      return 0;
    }
    return 5000;
  }
  void on_request(StreamId stream, HttpRequest request) override {
    if (owed != 0 || request.body.size() > 5000) abort();
    seen += request.method + '\n' + request.target + '\n' + request.body + '\n';
    for (const auto& [name, value] : request.headers) {
      if (name.find_first_of(" \r\n\t:") != std::string::npos || value.find_first_of("\r\n") != std::string::npos) abort();
    }
    owed = stream;
    if (manner_ % 3 != 0) settle();
  }
  void on_tunnel(StreamId stream, HttpRequest) override {
    seen += "tunnel\n";
    codec->accept_tunnel(stream, {});
  }
  void on_tunnel_bytes(StreamId stream, std::string_view bytes) override {
    seen += bytes;
    codec->tunnel_consumed(stream, bytes.size());
  }
  void on_tunnel_end(StreamId) override {}
  void on_gone(StreamId) override {}
  void settle() {
    if (owed == 0) return;
    const StreamId stream = std::exchange(owed, 0);
    if (manner_ % 3 == 1) {
      codec->begin(stream, {});
      codec->write(stream, "x");
      codec->end(stream);
    } else {
      codec->respond(stream, {});
    }
  }
  void feed(std::string_view bytes) {
    codec->feed(bytes);
    for (int i = 0; i < 1000 && owed != 0; ++i) settle();
    while (!codec->take().empty()) {}
    for (int i = 0; i < 1000 && owed != 0; ++i) settle();
  }

 private:
  unsigned manner_;

 public:
  std::unique_ptr<ServerCodec> codec;
  std::string seen;
  StreamId owed = 0;
};
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned manner = data[0];
  const std::size_t step = data[1] + 1U;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  Site pieces(manner);
  for (std::size_t at = 0; at < input.size(); at += step) pieces.feed(input.substr(at, step));
  Site whole(manner);
  whole.feed(input);
  if (pieces.seen != whole.seen || pieces.codec->wants_close() != whole.codec->wants_close()) abort();
  whole.codec->input_ended();
  pieces.codec->timed_out();
  pieces.codec->shutdown();
  return 0;
}
