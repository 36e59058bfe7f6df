// The citizen's socket in words (belfry.chat.v1, README.md here): what a page sends, and what it hears.
//
// Ids are plain in these values and get their prefix where they are written. The same frames go over WebSocket and over SSE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wire/problem.h"
#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry::webchat {

inline constexpr std::size_t kMaxFrame = 16'384;  // octets
inline constexpr std::size_t kMaxHello = 4'096;
inline constexpr std::size_t kMaxText = 4'000;  // characters

// What a visitor says of himself; nobody vouches for it.
struct Form {
  std::string name, phone, email, language;
  bool empty() const { return name.empty() && phone.empty() && email.empty() && language.empty(); }
};

struct Frame {
  enum class Kind : std::uint8_t {
    kHello,
    kMessage,
    kForm,
    kIdentify,
    kSolve,
    kContinue,
    kTyping,
    kRead,
    kEnd,
    kPing
  } kind = Kind::kPing;
  std::string client_id;
  std::string inbox, token, language, page;  // hello; continue: language of what is sent
  std::int64_t last_id = 0;                  // hello; 0: none
  std::string text;                          // message
  std::string media;                         // message: of an upload, media_<sha256>
  Form form;
  std::string jwt;              // identify
  std::string salt, nonce;      // solve
  std::string channel, number;  // continue
  MessageRef message;           // read
};

// An error's detail is for the page: what is wrong, and what to send instead.
Result<Frame> read(const std::string& text);
// Of a frame that read() refused: whom to answer. Empty if it names none.
std::string client_id_of(const std::string& text);
// Text as it is kept: without control characters, and no longer than `characters`.
std::string clean(std::string_view text, std::size_t characters);

// One entry of the log as the citizen sees it: never a note.
struct MessageView {
  MessageRef ref;
  bool his = true;
  std::string type, text, detail;
  std::string media_id, media_name, media_type, media_url;  // all empty: none
  std::int64_t media_size = 0;
  WallTime at;
  State state = State::kStored;
  std::string client_id;
  std::string agent;  // the name that citizens see
};
struct QueueView {
  std::int64_t position = 0;  // 0: he does not wait
  std::optional<std::int64_t> wait_s;
};
struct Challenge {
  std::string salt;
  int bits = 0;
};
struct FormField {
  std::string name;
  bool required = false;
};
struct Welcome {
  std::string token, visitor;
  std::int64_t last_id = 0;
  bool reset = false;
  std::string conversation, state, agent;  // the open one, or the one just over; empty: none
  std::vector<std::string> messages;       // each by write(MessageView)
  bool open = true;
  WallTime opens_at;
  QueueView queue;
  std::vector<FormField> form;
  std::optional<Challenge> challenge;
  std::vector<std::string> languages, go_on;
  std::int64_t media_max = 0;
  std::string alerts;  // a JSON list; empty: none
};

// An event's id: it grows with the citizen's conversations and with each entry, and skips what is not his to see.
std::int64_t event_id(const MessageRef& ref);
std::optional<MessageRef> ref_of(std::int64_t event_id);

std::string write(const MessageView& message);
std::string write(const Welcome& welcome);
std::string write_message(const MessageView& message);
std::string write_receipt(const MessageRef& ref, State state, WallTime at);
std::string write_assigned(std::string_view conversation, std::string_view agent);
std::string write_closed(std::string_view conversation, std::string_view why);
std::string write_moved(std::string_view conversation, std::string_view channel, std::string_view address);
std::string write_queue(const QueueView& queue);
std::string write_alert(std::string_view json);
std::string write_typing(std::string_view agent);
// `token`: the visitor's new one, of what changes who he is; empty: as it was.
std::string write_ack(std::string_view client_id, std::string_view id, std::string_view token);
std::string write_nack(std::string_view client_id, const wire::Problem& problem);
std::string write_bye(std::uint16_t code, int retry_after_s);
std::string write_pong();
// As the member of a nack's problem.
std::string challenge_member(const Challenge& challenge);

}  // namespace belfry::webchat
