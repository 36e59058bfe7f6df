// The first octet chooses how the rest is cut; whole and cut must give the same replies, or the same failure.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "routing/resp.h"

namespace {

struct Outcome {
  std::vector<belfry::routing::Value> values;
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome run(std::string_view bytes, std::size_t step) {
  belfry::routing::Decoder decoder({.max_reply = 1 << 16, .max_elements = 1000, .max_line = 1 << 12});
  Outcome outcome;
  for (;;) {
    auto reply = decoder.next();
    if (!reply) {
      outcome.failed = true;
      return outcome;
    }
    if (*reply) {
      outcome.values.push_back(std::move(**reply));
    } else if (bytes.empty()) {
      return outcome;
    } else {
      decoder.feed(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4000) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (run(bytes, bytes.size() + 1) != run(bytes, 1U + data[0])) std::abort();
  return 0;
}
