// What travels: a citizen's message in, an agent's answer out, and the news about both.
//
// A channel turns its bytes into these values and back; nothing above an adapter knows a channel's field names.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "belfry/clock.h"

namespace belfry {

// A message's public id is msg_<conversation>.<n>, n counting the conversation's log from 1: no map is needed to find it.
struct MessageRef {
  std::string conversation;  // without the prefix conv_
  std::int64_t n = 0;
  friend bool operator==(const MessageRef&, const MessageRef&) = default;
};
std::string public_id(const MessageRef& ref);
std::optional<MessageRef> parse_message_id(std::string_view text);
std::string conversation_id(std::string_view conversation);  // conv_<conversation>
std::optional<std::string> parse_conversation_id(std::string_view text);

// Agents and queues are what their makers named them, [a-z0-9-]{1,40}: so in Redis, in routing and in the configuration. Outside
// they are agent_<id> and queue_<id>; the underscore is no letter of an id, so a prefix is never part of one. Who reads from
// outside takes the plain id, too, because people and files write it so; the other kind's prefix is none.
std::string agent_id(std::string_view agent);  // of nobody, nothing
std::string queue_id(std::string_view queue);
std::optional<std::string> parse_agent_id(std::string_view text);
std::optional<std::string> parse_queue_id(std::string_view text);

// One byte in `st:<conv>`. It only ever moves to a higher rank; the order of these lines is the rank.
// Outbound: queued < claimed < sent < uncertain < expired < failed < delivered < read. Inbound: stored.
enum class State : char {
  kStored = 'i',     // inbound, or a note: nothing more will happen to it
  kQueued = 'q',     // durable, waiting for its lane
  kClaimed = 'c',    // a sender holds it; shown outside as queued
  kSent = 's',       // the provider accepted it
  kUncertain = 'u',  // handed over, no answer: it may or may not have arrived
  kExpired = 'x',    // its time passed before it was sent
  kFailed = 'f',     // refused, with a reason
  kDelivered = 'd',  // on the citizen's device
  kRead = 'r',       // seen (a played voice note counts as read)
};
int rank(State state);                // 0 for stored, then 1 for queued up to 8 for read
std::string_view shown(State state);  // the word of the API: claimed is "queued"
std::optional<State> state_of(char byte);

struct Media {
  std::string provider_id;  // how the provider names it
  std::string url;          // where the provider keeps it, if it said so
  std::string mime;         // as sent, parameters included
  std::string sha256;       // lower-case hex; empty if the provider gave none
  std::string filename;     // untrusted: no path, no control characters
  std::int64_t size = 0;    // octets, 0 if unknown
  bool voice = false;
  bool animated = false;
};

// What a message says. `type` is the channel-neutral word: text image audio video document sticker location contacts
// interactive button reaction order system template edit revoke request_welcome unsupported, or the provider's own.
struct Content {
  std::string type;
  std::string text;  // the words a person reads: body, caption, title of the tapped button
  std::optional<Media> media;
  std::string detail;    // JSON: every field of the payload, in the provider's (in) or the API's (out) shape
  std::string reply_to;  // provider's id of the message this one answers
  bool forwarded = false;
};

// What some words of a citizen mean by law or custom: write to me no more, again, or: who are you?
enum class Wish : std::uint8_t { kNone, kStop, kStart, kHelp };

// Inbound: a new message of a citizen.
struct Inbound {
  std::string account;
  std::string provider_id;             // unique per account: the dedupe key
  std::vector<std::string> addresses;  // the citizen, most specific first, at most three, e.g. wa:<portfolio>:<user id>
  std::string name;                    // as the citizen calls himself; may be empty
  WallTime at;                         // the provider's own time, the same in every redelivery
  Content content;
  bool may_repeat = false;  // provider_id is a hash of the bytes: the same bytes are a repeat only until our yes was sent
  bool fresh = false;       // with may_repeat: our yes to the same bytes went over this very link before, so this is another
  Wish wish = Wish::kNone;
};

// News of one message that we sent. `ref` is set when the provider echoed our id (authenticated), else provider_id decides.
struct Receipt {
  std::string account;
  std::optional<MessageRef> ref;
  std::string provider_id;
  State state = State::kSent;
  WallTime at;
  std::string reason;  // of a failure: the provider's code and its class, no personal data
  // What he will call it in later news, if he does not echo our id: one name for each of its parts. Kept for a week. In such
  // news: the one name that he says.
  std::vector<std::string> names;
  std::string to;                     // whom it went to, in digits: a name that he has used anew is not taken for the old one
  std::optional<MessageRef> suspect;  // if nobody knows the name: of whose fate we are uncertain, and it went there
};

// One part of a long message. It is kept until the last has come; then the channel makes one Inbound of all (Channel::join).
struct Part {
  std::string account;
  std::string set;    // the same for all its parts: who, to whom, and the number he gave it
  int n = 0, of = 0;  // from 1
  std::string bytes;  // in the channel's own writing
  WallTime at;
};

// A change of an earlier message: edit, revoke or reaction. Kept as an entry of the same conversation's log.
struct Change {
  Inbound message;       // content.type is "edit", "revoke" or "reaction"
  std::string original;  // provider's id of the message it changes
};

// The citizen got a new address; the old one leads to the same contact. It opens no conversation.
struct Identity {
  Inbound message;  // addresses holds the new ones; content.type is "system"
  std::string old_address;
};

// The citizen's wish: stop or resume a category of messages.
struct Consent {
  std::string account;
  std::string address;
  std::string category;
  bool given = false;
  WallTime at;
  std::string proof;  // JSON of the update that said so
};

// News about our own account (bans, quality, limits, templates): for the operator.
struct AccountNews {
  std::string account;
  std::string kind;    // the provider's word, e.g. template_category_update
  std::string detail;  // JSON, verbatim
  WallTime at;
};

// One update that could not be read: its bytes go to quarantine, and the provider hears yes.
struct Raw {
  std::string account;
  std::string why;  // what did not fit; no content
  std::string bytes;
};

using Event = std::variant<Inbound, Part, Receipt, Change, Identity, Consent, AccountNews, Raw>;

// The class decides whose turn it is: alerts go first, then conversations, then bulk.
enum class Lane : std::uint8_t { kAlert, kConversation, kBulk };

// Outbound: one message that is claimed and durable, about to be handed to a provider.
struct Outbound {
  MessageRef ref;
  std::string account;
  std::string address;  // wa:<portfolio>:<user id> and so on
  Content content;
  Lane lane = Lane::kConversation;
  WallTime queued_at;
};

}  // namespace belfry
