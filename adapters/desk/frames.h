// The desk socket's words (belfry.desk.v1): what an agent's desk sends, and what it hears. JSON text frames of at most 64 KiB.
//
// Ids are plain in these values and get their prefix where they are written: conv_, agent_, queue_.
// The same views of a message and of a conversation are the REST API's, so that a page reads one shape everywhere.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wire/problem.h"
#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry::desk {

struct Frame {
  enum class Kind : std::uint8_t {
    kHello,
    kAvailability,
    kAccept,
    kDecline,
    kResolve,
    kPark,
    kTransfer,
    kTake,
    kAssign,
    kRequeue,
    kClose,
    kPriority,
    kReopen,
    kMerge,
    kSwitch,
    kWatch,
    kReply,
    kNote,
    kTyping,
    kRead,
    kPing
  } kind = Kind::kPing;
  std::string client_id;     // of all that change something
  std::string conversation;  // without conv_
  std::int64_t gen = 0;
  std::string last_id;  // hello: decimal, or empty
  std::string value;    // availability
  std::string agent;    // availability of another, by a supervisor
  std::string reason;   // availability, decline
  std::string code;     // resolve, close
  WallTime until;       // park
  // Of a transfer one of them; assign names an agent, requeue and reopen may name a queue.
  std::string to_agent, to_queue;
  bool warm = false;             // transfer to an agent: keep it until he accepts
  std::int64_t minutes = 0;      // priority: by which it counts as older than it is
  bool life_safety = false;      // priority: before all else
  std::string into;              // merge: without conv_
  std::string account, address;  // switch: where it goes on
  bool on = false;               // watch
  std::string text;              // note
  std::string message;           // read: msg_...
  Content content;               // reply
};

// An error's detail is for the desk: what is wrong, and what to send instead.
Result<Frame> read(const std::string& text);
// Of a frame that read() refused: whom to answer. Empty if it names none.
std::string client_id_of(const std::string& text);

// The content of a reply or of POST /api/v1/messages, from the JSON object that has text, or one of template, media, buttons,
// list, location, contacts, reaction, link, flow (text beside it is its words). Content.type is that member's name (of media its
// kind), Content.detail its value: what the channel's check() knows.
Result<Content> read_content(const std::string& json_object);

struct MessageView {
  MessageRef ref;
  std::string_view dir;  // in, out, note
  Content content;
  std::string provider_id;
  std::string of;  // provider's id of the message that this edit, revoke or reaction changes
  WallTime at;
  State state = State::kStored;
  std::string client_id, agent, reason;
  std::string to;  // of a message without a conversation: the address it went to
};
struct ConversationView {
  std::string id;  // without conv_
  std::int64_t gen = 0, messages = 0;
  std::string state, owner, queue, channel, account, contact, name, preview, why;
  std::string invited;                // the agent who is asked to take it over
  std::string into;                   // the conversation it was merged into, without conv_
  std::string previous;               // the citizen's conversation before it
  std::optional<MessageRef> answers;  // what we had sent there last without a conversation
  std::map<std::string, std::string, std::less<>> attributes;
  WallTime first, last, window_until, expires;
};

void append(std::string& out, const MessageView& message);
void append(std::string& out, const ConversationView& conversation);

// The first words of a message, for a list: never more than 120 characters, never half a character.
std::string preview_of(const Content& content);

struct Welcome {
  std::string agent, name, availability;
  std::vector<std::string> roles;
  std::int64_t last_id = 0;
  bool reset = false;
  std::vector<ConversationView> conversations, offers;
};
std::string write(const Welcome& welcome);

// Events. `id` counts by one per agent; frames without it are never replayed.
std::string write_message(std::int64_t id, const MessageView& message, WallTime window_until);
std::string write_receipt(std::int64_t id, const MessageRef& ref, State state, std::string_view reason, WallTime at);
std::string write_offer(std::int64_t id, const ConversationView& conversation);
std::string write_rescinded(std::int64_t id, std::string_view conversation, std::int64_t gen, std::string_view why);
std::string write_assigned(std::int64_t id, const ConversationView& conversation);
std::string write_conversation(std::int64_t id, std::string_view conversation, std::int64_t gen, std::string_view state,
                               std::string_view owner, std::string_view queue, WallTime window_until);
// What a supervisor watches; no id, never replayed.
struct QueueView {
  std::string id, name;
  std::size_t waiting = 0, members_ready = 0;
  WallTime oldest;  // 0: nobody waits
  bool open = true;
};
struct PresenceView {
  std::string agent, availability;
  bool connected = false;
  std::int64_t load = 0, capacity = 0;  // weights: ten to one conversation
};
std::string write_queue(const QueueView& queue);
std::string write_presence(const PresenceView& presence);
std::string write_typing(std::string_view conversation);  // the citizen is; it holds for six seconds
std::string write_ack(std::string_view client_id, std::string_view id);
std::string write_nack(std::string_view client_id, const wire::Problem& problem);
std::string write_pong();

}  // namespace belfry::desk
