// The Redis protocol (RESP2) as values, without a socket: commands become bytes, bytes become replies.
//
// The decoder is hiredis's own reader, bounded: what Redis or somebody in its place sends can neither fill our memory nor
// recurse. RESP3 is not spoken (hiredis 0.14 has none), so a subscribed link is a link of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::routing {

// One reply, or one element of an array reply.
struct Value {
  enum class Kind : std::uint8_t { kNil, kInteger, kString, kStatus, kError, kArray };

  Kind kind = Kind::kNil;
  std::int64_t integer = 0;  // of kInteger
  std::string text;          // of kString, kStatus and kError
  std::vector<Value> array;  // of kArray

  bool is_nil() const { return kind == Kind::kNil; }
  bool is_error() const { return kind == Kind::kError; }
  bool is_array() const { return kind == Kind::kArray; }
  bool is_text() const { return kind == Kind::kString || kind == Kind::kStatus; }
  bool is_integer() const { return kind == Kind::kInteger; }
  friend bool operator==(const Value&, const Value&) = default;
};

// What an error reply asks of us. The first word of the text decides; the table is in resp.cc.
enum class Refusal : std::uint8_t {
  kNone,         // not an error
  kLoading,      // LOADING, MASTERDOWN, CLUSTERDOWN: this server is not up yet; try again soon
  kReadonly,     // READONLY: this is a replica now; find the primary
  kMisconf,      // MISCONF: it cannot write its disk; nothing is acknowledged
  kOutOfMemory,  // OOM: over maxmemory; shed
  kNoReplicas,   // NOREPLICAS: fewer replicas than asked for
  kBusy,         // BUSY: a script runs too long; try again
  kMoved,        // MOVED: another node of a cluster owns the slot
  kMoving,       // ASK, TRYAGAIN: the slot is on its way to another node
  kNoFunction,   // 'Function not found': load the library and repeat
  kNoScript,     // NOSCRIPT
  kAuth,         // NOAUTH, WRONGPASS, NOPERM: a matter for the operator
  kOther,        // an answer about this command
};
Refusal refusal_of(const Value& reply);
Refusal refusal_of(std::string_view error_text);

// The error a caller hears for such a reply: kUnavailable, kBusy, kUnauthorized or kInternal. Never its text's arguments:
// only its first word goes into `detail`, because Redis quotes our data in some messages.
Error error_of(const Value& reply);

// Whether this encoded command may change the data; what is not known to read only, may.
bool may_write(std::string_view encoded);

// Appends one command to `out`. This is the hot path: one growth of `out`, no other allocation.
void append_command(std::string& out, std::span<const std::string_view> args);
std::string encode(std::span<const std::string_view> args);
inline std::string encode(const std::vector<std::string_view>& args) { return encode(std::span<const std::string_view>(args)); }
inline std::string encode(std::initializer_list<std::string_view> args) {
  return encode(std::span<const std::string_view>(args.begin(), args.size()));
}
inline void append_command(std::string& out, std::initializer_list<std::string_view> args) {
  append_command(out, std::span<const std::string_view>(args.begin(), args.size()));
}

struct DecoderLimits {
  std::size_t max_reply = 64UL << 20;    // octets of one reply as it stands on the wire
  std::size_t max_elements = 1UL << 20;  // values of one reply, however nested
  std::size_t max_line = 64UL << 10;     // octets of a status, an error or a length
};
// Arrays nest at most seven deep (hiredis's own stack).

class Decoder {
 public:
  explicit Decoder(DecoderLimits limits = {});
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // Copies the bytes; any split is legal.
  void feed(std::string_view bytes);
  // The next whole reply, or nothing yet. After an error (kBadInput, kTooLarge) the stream is lost: every later call
  // answers the same error, and the link is to be closed.
  Result<std::optional<Value>> next();
  // Octets fed and not yet part of a reply that was handed out.
  std::size_t buffered() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace belfry::routing
