// The two faces of a channel. Both are state machines over values: no socket, clock, thread, file, Redis or chance.
#pragma once

#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "belfry/effect.h"
#include "belfry/http.h"
#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry {

// What one POST of a provider means, and what he hears: `yes` once every event is kept, `no` (503) if the store refused one.
struct Intake {
  std::vector<Event> events;
  HttpResponse yes;
  HttpResponse no;
};

// Reads what providers post to us. Pure and stateless: any shard of any node may receive it.
class Receiver {
 public:
  virtual ~Receiver() = default;
  // Authenticates the raw bytes, then parses. An error is answered by its code: kUnauthorized 401, kBadInput 400.
  virtual Result<Intake> read(Now now, const HttpRequest& request) const = 0;
};

// How many messages may be handed over now, and when to ask again if that is none.
struct Credit {
  int messages = 0;
  Instant ask_again;
};

enum class LinkState : std::uint8_t { kUp, kDown };

// Hands messages to a provider. One instance per account, owned by one shard through a lease: so the number's rate, its pair
// limits and its window have one owner. Every call takes the present time and appends to `effects`.
class Sender {
 public:
  virtual ~Sender() = default;
  virtual Credit credit(Now now) const = 0;
  // Cannot fail here: the answer is a Settle, sooner or later exactly one for each message.
  virtual void send(Now now, Outbound message, Effects& effects) = 0;
  virtual void on_link(Now, LinkId, LinkState, Effects&) {}
  virtual void on_bytes(Now, LinkId, std::string_view, Effects&) {}         // any split is legal
  virtual void on_response(Now, CallId, Result<HttpResponse>, Effects&) {}  // NOLINT: bodies move it
  virtual void on_stored(Now, Token, bool, Effects&) {}
  virtual void on_wake(Now, Effects&) {}
  // No further send will come; settle or return what can be.
  virtual void drain(Now, Effects&) {}
};

}  // namespace belfry
