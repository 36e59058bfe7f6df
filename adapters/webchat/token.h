// Who a visitor is: a token that we signed (no cookie), what the agency's own server says of him (a JWT that it signed), and
// the work that a page does where an address opens too many conversations. All keys are HMAC-SHA256's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/webchat/frames.h"
#include "belfry/clock.h"
#include "belfry/result.h"

namespace belfry::webchat {

struct Visitor {
  std::string inbox;
  std::string id;                    // 32 hex digits
  std::string person;                // sub of a JWT that the agency signed; empty: nobody vouched for him
  std::shared_ptr<const Form> form;  // what he said of himself; null: nothing
  WallTime since;                    // first seen: a token is renewed for 30 days from then
  const Form& said() const;
};

// base64url(JSON) "." base64url(HMAC). It is good for 24 hours, and in each welcome there is a new one.
std::string sign(std::string_view key, const Visitor& visitor, WallTime now);
// kUnauthorized: not ours, of another inbox, or its time is over.
Result<Visitor> verify(std::string_view key, std::string_view inbox, std::string_view token, WallTime now);

struct Identity {
  std::string person, name;
};
// HS256 only, whatever the header says; `aud` must be the inbox, `exp` at most ten minutes from now (a minute of clocks that
// differ is forgiven). The error's detail is for the page's maker.
Result<Identity> read_identity(std::string_view key, std::string_view inbox, std::string_view jwt, WallTime now);

// The visitor that this person is, in whatever browser.
std::string visitor_of(std::string_view key, std::string_view person);

// A challenge for this visitor, good for ten minutes; nothing is kept of it.
Challenge challenge(std::string_view key, std::string_view visitor, int bits, WallTime now);
bool solves(std::string_view key, std::string_view visitor, std::string_view salt, int bits, std::string_view nonce,
            WallTime now);

inline constexpr std::int64_t kMediaFor = 86'400'000;  // ms
// An expiring path to one file: /chat/media/<until>.<mac>/<sha256>
std::string media_path(std::string_view key, std::string_view sha256, WallTime until);
// The file's name if the path is ours and its time is not over.
Result<std::string> media_of(std::string_view key, std::string_view path, WallTime now);

}  // namespace belfry::webchat
