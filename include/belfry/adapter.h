// The faces of a channel. All are state machines over values: no socket, clock, thread, file, Redis or chance.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
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

// How many messages may be handed over now, and when to ask again if that is none. One slot in ten of every window, at least one,
// is for alerts: so of alerts there may be more.
struct Credit {
  int messages = 0;
  int alerts = 0;  // with those of `messages`
  Instant ask_again;
};
// What of a window of `slots` all but alerts may use. A window of one has no slot to spare: an alert waits for one answer there.
constexpr int without_alerts(int slots) { return slots < 2 ? slots : slots - (slots + 9) / 10; }

enum class LinkState : std::uint8_t { kUp, kDown };

// Hands messages to a provider. One instance per account, owned by one shard through a lease: so the number's rate, its pair
// limits, its binds and its window have one owner. Every call takes the present time and appends to `effects`.
class Sender {
 public:
  virtual ~Sender() = default;
  // The account is ours until then: links are opened, and kept. What is not an answer to the peer leaves only while that is more
  // than a second away. Instant{}: it is not ours any more, and its links are dropped at once.
  virtual void on_lease(Now, Instant, Effects&) {}
  virtual Credit credit(Now now) const = 0;
  // Cannot fail here: the answer is a Settle, sooner or later exactly one for each message.
  virtual void send(Now now, Outbound message, Effects& effects) = 0;
  virtual void on_link(Now, LinkId, LinkState, Effects&) {}
  virtual void on_bytes(Now, LinkId, std::string_view, Effects&) {}         // any split is legal
  virtual void on_response(Now, CallId, Result<HttpResponse>, Effects&) {}  // NOLINT: bodies move it
  // What was delivered under this token is kept, or could not be: now the peer may hear yes or "later", in arrival order.
  virtual void on_stored(Now, Token, bool, Effects&) {}
  virtual void on_wake(Now, Effects&) {}
  // No further send will come; settle or return what can be. Then links are closed politely, until drained().
  virtual void drain(Now, Effects&) {}
  virtual bool drained() const { return true; }
  // Its own links, for an operator: how many are up, of how many, and in words why not.
  struct Links {
    int up = 0, all = 0;
    std::string words;
  };
  virtual Links links(Now) const { return {}; }

  // What a provider may want to know besides. Best effort.
  virtual void on_inbound(Now, const std::string&) {}  // the citizen at this address wrote to us
  virtual void mark_read(Now, std::string_view, Effects&) {}
  virtual void typing(Now, std::string_view, Effects&) {}
};

// What a text becomes before it is sent: shown to who writes it.
struct Preview {
  std::string encoding;  // "GSM 7-bit", "UCS-2", ...
  int segments = 1;
  std::vector<int> units;           // of each segment: septets, octets or UCS-2 units
  int room = 0;                     // units that each holds
  std::vector<std::string> forced;  // characters that a cheaper encoding does not have
  std::int64_t cost_micros = 0;     // millionths of the currency; 0 and no currency: not known
  std::string currency;
};

// One account as everybody sees it: what its channel can carry, whom it reaches, and how its Sender is made. Stateless, so the
// same on every shard and in every thread.
class Channel {
 public:
  virtual ~Channel() = default;
  // May it be sent? The error's detail is for the person who wrote it: what is wrong, and the remedy.
  virtual Result<void> check(const Content& content) const = 0;
  // The upload that a content names, in whatever place this channel knows.
  virtual std::optional<Media> file_named(const Content&) const { return std::nullopt; }
  // Whether it wants an open window for this; and how long a window a citizen's message opens. 0: there are none here.
  virtual bool needs_window(const Content&) const { return false; }
  virtual WallTime window_until(const Inbound&) const { return {}; }
  // The address of a recipient as the API names him ("+49 151..." or a provider's user id).
  virtual Result<std::string> address(std::string_view to) const = 0;
  // The parts of a long message, by number, as they were kept; some may be missing. Nothing if there is nothing to read in them.
  virtual std::optional<Inbound> join(const std::map<int, std::string>&, int, WallTime) const { return std::nullopt; }
  // kUnsupported: this channel does not count.
  virtual Result<Preview> preview(std::string_view) const { return fail(Errc::kUnsupported, "this channel has no segments"); }
  virtual std::unique_ptr<Sender> sender(Now now) const = 0;
  // One that only tries its link, for an operator who asks; null: this channel has none of its own.
  virtual std::unique_ptr<Sender> tester(Now) const { return nullptr; }
  // The secrets of today for a sender that an earlier Channel of this account made. Answers whether it may try anew at once.
  virtual bool renew(Now, Sender&) const { return false; }
};

}  // namespace belfry
