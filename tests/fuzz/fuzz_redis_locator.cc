// First line: a redis.url. Then what sentinels and nodes of a cluster answer, one after another. Whatever they say, a search
// ends, and nobody is asked or connected to but what an address is made of.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gateway/redis_locator.h"
#include "routing/resp.h"

namespace {

using belfry::gateway::RedisLocator;
using belfry::gateway::RedisTarget;
using What = RedisLocator::Next::What;

// 64 nodes at most, twice each, for one may want a password.
constexpr int kMostQuestions = 2 * 64;

bool is_address(std::string_view address) {
  return !address.empty() && std::none_of(address.begin(), address.end(), [](unsigned char c) { return c <= ' ' || c == 0x7F; });
}

void check(const RedisLocator::Next& next, const RedisTarget& target) {
  if (next.what == What::kNobody) {
    if (next.why.detail.empty()) std::abort();
    return;
  }
  if (target.kind != RedisTarget::Kind::kServer && !is_address(next.address)) std::abort();
  if (next.what == What::kAsk && next.question.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 8000) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto line = std::min(bytes.find('\n'), bytes.size());
  auto target = belfry::gateway::parse_redis_url(bytes.substr(0, line));
  if (!target) return 0;
  target->tag = "{belfry}";
  target->password = belfry::Secret(size % 2 == 0 ? "" : "secret");
  bytes.remove_prefix(std::min(line + 1, bytes.size()));

  RedisLocator locator(*target);
  belfry::routing::Decoder decoder({.max_reply = 1 << 16, .max_elements = 4000, .max_line = 1 << 12});
  decoder.feed(bytes);
  auto next = locator.begin();
  int questions = 0;
  for (;;) {
    check(next, *target);
    const auto reply = decoder.next();
    if (!reply || !*reply) return 0;
    if (next.what == What::kAsk) {
      if (++questions > kMostQuestions) std::abort();
      next = locator.answered(**reply);
      continue;
    }
    // Connected, or at an end: what comes now is the server's own, and then another search begins.
    if (next.what == What::kConnect && (*reply)->is_error()) {
      locator.moved((*reply)->text, next.address);
    } else if (next.what == What::kConnect) {
      locator.served();
    }
    questions = 0;
    next = locator.begin();
  }
}
