// What Meta posts to us: the handshake of the callback, and batches of updates.
//
// One POST holds up to a thousand updates of several numbers: {object, entry[].changes[].{field, value}}. Each update becomes one
// event, read alone: one that cannot be read becomes Raw (quarantine) and does not touch its neighbours.
//
// - Thread: any. A Receiver is immutable; the JSON parser it reuses is the thread's.
// - The path names the account, and so the secrets; the number named inside only decides under which account an update is filed,
//   and only among accounts that share a secret with the path's. Any other number is Raw.
// - The body is authenticated before it is parsed, as it came: Meta escapes non-ASCII, so nothing re-serialised would match.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "adapters/whatsapp/account.h"
#include "belfry/adapter.h"

namespace belfry::whatsapp {

// Documented: 1,000. Beyond this many the POST is refused whole.
inline constexpr std::size_t kMaxUpdates = 10'000;

class Receiver : public belfry::Receiver {
 public:
  // `path`: the account named by the URL. `all`: every account configured, in any order (`path` may be among them).
  Receiver(Account path, std::vector<Account> all);

  // GET: 200 with the challenge, else 403. Never an error.
  Result<HttpResponse> handshake(const HttpRequest& request) const;

  // POST. kUnauthorized: no or a wrong signature. kBadInput: not a JSON object, too deep, or more than kMaxUpdates.
  // What comes out:
  //   messages[]  Inbound, Change (edit, revoke, reaction) or Identity (a number or user id changed)
  //   statuses[]  Receipt; `deleted` and `warning` are dropped. A refusal for opt-out (131050) adds a Consent
  //   errors[]    AccountNews of kind "errors"
  //   user_preferences[]  Consent
  //   any other field     AccountNews of that kind, detail = its value; smb_message_echoes too: what our own staff sent from the
  //                       phone app is for the record, not a message to answer
  // Content.detail is compact JSON of every field of the message but from*, id, timestamp and type: {"image":{…},"context":{…}}.
  // A text's {"body"} is left out, for it is Content.text: so most texts have no detail. "contact" is added if the sender's
  // contact says more than name and ids.
  Result<Intake> read(Now now, const HttpRequest& request) const override;

 private:
  Account path_;
  std::vector<Account> others_;  // those that share a secret with path_
};

// Until when a free-form answer is allowed after this message: 24 hours from the provider's own time, less a minute of margin.
WallTime window_until(const Inbound& message);

// A name to show: no control characters, nothing that turns the direction of text, at most 100 characters.
std::string clean_name(std::string_view name);
// A file name to show and to offer: no path, no control characters, no leading dot, at most 200 octets; the extension is kept.
std::string clean_filename(std::string_view name);

}  // namespace belfry::whatsapp
