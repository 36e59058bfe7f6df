// Any octets, in any split, at any time: the HTTP/2 server neither crashes nor forgets a stream.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "adapters/wire/http2.h"

namespace {

using belfry::wire::Http2Server;
using belfry::wire::StreamId;

struct Owner : belfry::wire::ServerEvents {
  Http2Server* codec = nullptr;
  std::set<StreamId> open;
  std::uint8_t mode = 0;

  std::size_t on_head(StreamId id, belfry::HttpRequest&) override {
    if ((mode & 1) != 0 && id % 4 == 1) {
      codec->respond(id, {403, {}, {}});
      return 0;
    }
    open.insert(id);
    return (mode & 2) != 0 ? 100 : 1 << 20;
  }
  void on_request(StreamId id, belfry::HttpRequest request) override {
    if (open.erase(id) == 0) std::abort();
    if ((mode & 4) != 0 && id % 4 == 3) {
      codec->begin(id, {});
      codec->write(id, request.body);
      codec->end(id);
    } else {
      codec->respond(id, {200, {}, request.body + request.path});
    }
  }
  void on_tunnel(StreamId id, belfry::HttpRequest) override {
    open.insert(id);
    codec->accept_tunnel(id, {});
  }
  void on_tunnel_bytes(StreamId id, std::string_view bytes) override {
    if (!open.contains(id)) std::abort();
    codec->tunnel_write(id, bytes);
    if ((mode & 8) != 0) codec->tunnel_consumed(id, bytes.size());
  }
  void on_tunnel_end(StreamId id) override {
    if (!open.contains(id)) std::abort();
    codec->tunnel_end(id);
    open.erase(id);
  }
  void on_gone(StreamId id) override {
    if (open.erase(id) == 0) std::abort();
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  Owner owner;
  owner.mode = data[0];
  const std::size_t step = data[1] == 0 ? size : data[1];
  Http2Server codec(owner, {}, "https");
  owner.codec = &codec;
  belfry::Now now{{1}, {1}};
  codec.tick(now);
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string with_preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if ((owner.mode & 16) == 0) {
    // Most inputs should come past the preface.
    with_preface += std::string("\0\0\0\4\0\0\0\0\0", 9);
    with_preface += bytes;
    bytes = with_preface;
  }
  bool open = true;
  while (open && !bytes.empty()) {
    open = codec.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    while (!codec.take().empty()) {}
    now.mono = now.mono + 200;
    codec.tick(now);
  }
  now.mono = now.mono + 60'000;
  codec.tick(now);
  codec.take();
  if (codec.wants_close() && !owner.open.empty() && !open) std::abort();
  return 0;
}
