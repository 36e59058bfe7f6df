// Single Redis commands for what is not routing: sessions, keys, tickets, idempotency. An error reply becomes an Error.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "belfry/result.h"
#include "gateway/services.h"
#include "routing/resp.h"
#include "routing/store_redis.h"

namespace belfry::gateway {

class Commands {
 public:
  using Done = std::function<void(Result<routing::Value>)>;
  explicit Commands(Services& services) : services_(services) {}

  std::string key(std::string_view rest) const { return routing::key_of(services_.prefix, rest); }
  void run(std::initializer_list<std::string_view> args, Done done) const;
  // The answers in the order of the commands, or the first error. Sent in order; not one transaction.
  using AllDone = std::function<void(Result<std::vector<routing::Value>>)>;
  void all(const std::vector<std::vector<std::string>>& commands, AllDone done) const;

 private:
  Services& services_;
};

// Element `i` of an array reply as text; empty for nil and for what is not there.
const std::string& text_at(const routing::Value& array, std::size_t i);
// A flat array of names and values (HGETALL) as pairs.
std::vector<std::pair<std::string, std::string>> pairs_of(const routing::Value& array);

}  // namespace belfry::gateway
