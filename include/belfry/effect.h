// What an adapter wants done. It returns these values; the gateway carries them out and tells the outcome.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "belfry/clock.h"
#include "belfry/http.h"
#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry {

using CallId = std::uint64_t;  // chosen by the adapter, unique among its open calls
using LinkId = std::uint32_t;
using Token = std::uint64_t;  // names one Deliver, until on_stored

// Opens a link; on_link tells how it went. The certificate of a TLS peer is verified for `host`.
struct Dial {
  LinkId link;
  std::string host;
  std::uint16_t port;
  bool tls;
};
struct Transmit {
  LinkId link;
  std::string bytes;
};
struct Hangup {
  LinkId link;
};

// One HTTP request with a small answer (at most 256 KiB), answered by on_response exactly once.
struct Call {
  CallId id;
  std::string method;
  std::string url;  // https://…; no secret ever stands in it
  Headers headers;
  std::string body;
  std::int64_t timeout_ms = 30'000;
};

// A large body, straight into the media store. Redirects are refused; the token goes to `allowed_hosts` only.
struct Fetch {
  CallId id;
  std::string url;
  Headers headers;
  std::string sha256;  // lower-case hex to verify, or empty
  std::int64_t max_bytes;
  std::vector<std::string> allowed_hosts;
  std::int64_t timeout_ms = 60'000;
};

// One file of the media store as the middle of a request's body (multipart/form-data): `before`, the file, `after`. Answered by
// on_response like a Call; kNotFound if the store has no such file.
struct Upload {
  CallId id;
  std::string url;
  Headers headers;
  std::string before;
  std::string sha256;  // lower-case hex: the file's name in the store
  std::string after;
  std::int64_t timeout_ms = 120'000;
};

struct Deliver {
  Token token;
  Event event;
};
// The peer's yes to the Inbound of this provider_id stands in a Transmit before: should the same bytes come again, they are
// another.
struct Acknowledged {
  std::string provider_id;
};

// The provider's answer to one send, or the message back in its lane until `not_before`.
struct Returned {
  MessageRef ref;
  WallTime not_before;
  std::string reason;
};
struct Settle {
  std::variant<Receipt, Returned> what;
};

// Ask for on_wake no later than `at`.
struct Wake {
  Instant at;
};

// The whole account is in trouble (bad token, blocked number): nothing is handed over until then, and an operator hears.
struct Hold {
  WallTime until;
  std::string reason;
};

using Effect = std::variant<Dial, Transmit, Hangup, Call, Fetch, Upload, Deliver, Acknowledged, Settle, Wake, Hold>;
using Effects = std::vector<Effect>;

}  // namespace belfry
