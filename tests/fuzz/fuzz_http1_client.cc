// Any octets as an answer, in any split: the HTTP/1.1 client ends each request once, and never speaks of one that is over.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "adapters/wire/http1_client.h"

namespace {

using belfry::wire::RequestId;

struct Heard : belfry::wire::ClientEvents {
  RequestId open = 0;
  bool head = false;
  void on_head(RequestId id, belfry::HttpResponse response) override {
    if (id != open || head || response.status < 200) std::abort();
    head = true;
  }
  void on_body(RequestId id, std::string_view bytes) override {
    if (id != open || !head || bytes.empty()) std::abort();
  }
  void on_done(RequestId id) override {
    if (id != open || !head) std::abort();
    open = 0;
  }
  void on_failed(RequestId id, belfry::Error) override {
    if (id != open) std::abort();
    open = 0;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::size_t step = data[0] == 0 ? size : data[0];
  const std::uint8_t mode = data[1];
  std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  Heard heard;
  belfry::wire::Http1Client codec(heard);
  bool open = true;
  while (open && !bytes.empty()) {
    if (codec.room() > 0) {
      belfry::HttpRequest request;
      request.method = (mode & 1) != 0 ? "HEAD" : "GET";
      request.target = "/";
      request.authority = "x";
      heard.head = false;
      heard.open = codec.send(request);
      codec.take();
    }
    open = codec.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  codec.input_ended();
  if (heard.open != 0 || !codec.wants_close()) std::abort();
  return 0;
}
