#include "adapters/webchat/frames.h"

#include <algorithm>
#include <array>
#include <utility>

#include "adapters/wire/json.h"
#include "adapters/wire/members.h"
#include "adapters/wire/rfc3339.h"

namespace belfry::webchat {
namespace {

namespace dom = simdjson::dom;

struct KindRow {
  std::string_view word;
  Frame::Kind kind;
  bool needs_client_id;
};
constexpr std::array kKinds{
    KindRow{"hello", Frame::Kind::kHello, false},   KindRow{"message", Frame::Kind::kMessage, true},
    KindRow{"form", Frame::Kind::kForm, true},      KindRow{"identify", Frame::Kind::kIdentify, true},
    KindRow{"solve", Frame::Kind::kSolve, true},    KindRow{"continue", Frame::Kind::kContinue, true},
    KindRow{"typing", Frame::Kind::kTyping, false}, KindRow{"read", Frame::Kind::kRead, false},
    KindRow{"end", Frame::Kind::kEnd, true},        KindRow{"ping", Frame::Kind::kPing, false},
};

constexpr std::size_t kMaxClientId = 64;
constexpr std::int64_t kEntries = 10'000'000;  // of one conversation, in an event's id

tl::unexpected<Error> bad(std::string detail) { return fail(Errc::kBadInput, std::move(detail)); }

wire::JsonReader& reader() {
  thread_local wire::JsonReader mine;
  return mine;
}

std::size_t octets_of(unsigned char first) { return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

std::size_t characters_in(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// What would turn the words around it, or stand for nothing: C0 but tab and line feed, DEL, C1, U+202A-202E, U+2066-2069.
bool is_control(std::string_view character) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(character[i]); };
  if (character.size() == 1) return (octet(0) < 0x20 && character[0] != '\n' && character[0] != '\t') || octet(0) == 0x7F;
  if (character.size() == 2) return octet(0) == 0xC2 && octet(1) < 0xA0;
  if (character.size() != 3 || octet(0) != 0xE2) return false;
  return (octet(1) == 0x80 && octet(2) >= 0xAA && octet(2) <= 0xAE) || (octet(1) == 0x81 && octet(2) >= 0xA6 && octet(2) <= 0xA9);
}

bool is_client_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxClientId && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
  });
}

using wire::member;
using wire::member_if;
using wire::member_time;

void member_agent(std::string& out, std::string_view name) {
  if (name.empty()) return;
  out.append(",\"agent\":{\"name\":");
  wire::append_quoted(out, name);
  out += '}';
}
std::string event(std::string_view kind) { return "{\"t\":\"event\",\"kind\":\"" + std::string(kind) + "\""; }

Result<void> read_hello(dom::object object, Frame& frame) {
  frame.inbox = std::string(wire::text_at(object, "inbox"));
  frame.token = std::string(wire::text_at(object, "token"));
  frame.language = clean(wire::text_at(object, "language"), 35);
  frame.page = clean(wire::text_at(object, "page"), 500);
  dom::element last;
  if (object.at_key("last_id").get(last) == simdjson::SUCCESS && !last.is_null()) {
    const std::string_view digits = wire::text_of(last);
    if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string_view::npos)
      return bad("`last_id` is not an event id: send the last one you saw, as the string it came as, or leave it out");
    frame.last_id = std::stoll(std::string(digits));
  }
  return {};
}

Result<void> read_message(dom::object object, Frame& frame) {
  const std::string_view text = wire::text_at(object, "text");
  if (characters_in(text) > kMaxText) return bad("`text` is longer than 4,000 characters: send it in parts, or as a file");
  frame.text = clean(text, kMaxText);
  if (const auto media = wire::object_at(object, "media")) {
    frame.media = std::string(wire::text_at(*media, "id"));
    if (frame.media.empty()) return bad("`media` needs the `id` that the upload answered");
  }
  if (frame.media.empty() && frame.text.find_first_not_of(" \t\n") == std::string::npos)
    return bad("a message needs `text` or `media`: write something");
  return {};
}

Result<void> read_form(dom::object object, Frame& frame) {
  const auto fields = wire::object_at(object, "fields");
  if (!fields) return bad("`fields` is missing: an object with name, phone, email or language");
  frame.form.name = clean(wire::text_at(*fields, "name"), 80);
  frame.form.phone = clean(wire::text_at(*fields, "phone"), 30);
  frame.form.email = clean(wire::text_at(*fields, "email"), 120);
  frame.form.language = clean(wire::text_at(*fields, "language"), 35);
  std::replace(frame.form.name.begin(), frame.form.name.end(), '\n', ' ');
  return {};
}

}  // namespace

std::string clean(std::string_view text, std::size_t characters) {
  std::string out;
  out.reserve(std::min(text.size(), characters * 4));
  for (std::size_t at = 0, taken = 0; at < text.size() && taken < characters;) {
    const std::string_view one = text.substr(at, octets_of(static_cast<unsigned char>(text[at])));
    at += one.size();
    if (is_control(one)) continue;
    out += one;
    ++taken;
  }
  return out;
}

Result<Frame> read(const std::string& text) {
  if (text.size() > kMaxFrame) return bad("the frame is longer than 16 KiB");
  auto document = reader().read(text);
  if (!document) return bad("the frame is not JSON: send one JSON object a frame");
  dom::object object;
  if (document->get(object) != simdjson::SUCCESS) return bad("the frame is not a JSON object");
  const std::string_view word = wire::text_at(object, "t");
  const auto row = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& r) { return r.word == word; });
  if (row == kKinds.end()) return bad("`t` names no frame of belfry.chat.v1");
  Frame frame;
  frame.kind = row->kind;
  const std::string_view client_id = wire::text_at(object, "client_id");
  if (row->needs_client_id && !is_client_id(client_id))
    return bad("`client_id` must be a UUID (at most 64 of letters, digits, - and _), the same again when you repeat");
  if (is_client_id(client_id)) frame.client_id = std::string(client_id);
  Result<void> fine;
  switch (frame.kind) {
    case Frame::Kind::kHello:
      if (text.size() > kMaxHello) return bad("a hello is at most 4 KiB");
      fine = read_hello(object, frame);
      break;
    case Frame::Kind::kMessage: fine = read_message(object, frame); break;
    case Frame::Kind::kForm: fine = read_form(object, frame); break;
    case Frame::Kind::kIdentify:
      frame.jwt = std::string(wire::text_at(object, "jwt"));
      if (frame.jwt.empty()) return bad("`jwt` is missing");
      break;
    case Frame::Kind::kSolve:
      frame.salt = std::string(wire::text_at(object, "salt"));
      frame.nonce = std::string(wire::text_at(object, "nonce"));
      if (frame.nonce.empty() || frame.nonce.size() > 20) return bad("`nonce` must be a decimal number, as a string");
      break;
    case Frame::Kind::kContinue:
      frame.channel = std::string(wire::text_at(object, "channel"));
      frame.number = clean(wire::text_at(object, "number"), 30);
      if (frame.channel != "whatsapp" && frame.channel != "sms") return bad("`channel` must be whatsapp or sms");
      if (frame.number.empty()) return bad("`number` is missing: the phone number, with its country code");
      break;
    case Frame::Kind::kRead: {
      const auto ref = parse_message_id(wire::text_at(object, "message"));
      if (!ref) return bad("`message` is not an id: it looks like msg_12.3");
      frame.message = *ref;
      break;
    }
    default: break;
  }
  if (!fine) return tl::unexpected(std::move(fine.error()));
  return frame;
}

std::string client_id_of(const std::string& text) {
  auto document = reader().read(text);
  dom::object object;
  if (!document || document->get(object) != simdjson::SUCCESS) return {};
  const std::string_view id = wire::text_at(object, "client_id");
  return is_client_id(id) ? std::string(id) : std::string();
}

std::int64_t event_id(const MessageRef& ref) { return std::stoll(ref.conversation) * kEntries + ref.n; }

std::optional<MessageRef> ref_of(std::int64_t id) {
  if (id <= kEntries) return std::nullopt;
  return MessageRef{std::to_string(id / kEntries), id % kEntries};
}

std::string write(const MessageView& m) {
  std::string out = "{\"id\":\"" + public_id(m.ref) + "\",\"n\":" + std::to_string(m.ref.n);
  member(out, "dir", m.his ? "in" : "out");
  member(out, "type", m.type);
  member_if(out, "text", m.text);
  if (!m.media_id.empty()) {
    out += ",\"media\":{\"id\":";
    wire::append_quoted(out, m.media_id);
    member_if(out, "name", m.media_name);
    member(out, "type", m.media_type);
    out.append(",\"size\":").append(std::to_string(m.media_size));
    member(out, "url", m.media_url);
    out += '}';
  }
  if (!m.detail.empty()) out.append(",\"detail\":").append(m.detail);
  member_time(out, "at", m.at);
  member(out, "state", shown(m.state));
  member_if(out, "client_id", m.client_id);
  member_agent(out, m.agent);
  return out + "}";
}

namespace {
void append_queue(std::string& out, const QueueView& queue) {
  out.append("\"position\":").append(std::to_string(queue.position));
  if (queue.wait_s) out.append(",\"wait_s\":").append(std::to_string(*queue.wait_s));
}
}  // namespace

std::string challenge_member(const Challenge& challenge) {
  std::string out = "\"challenge\":{\"salt\":";
  wire::append_quoted(out, challenge.salt);
  return out + ",\"bits\":" + std::to_string(challenge.bits) + "}";
}

std::string write(const Welcome& w) {
  std::string out = "{\"t\":\"welcome\"";
  member(out, "token", w.token);
  member(out, "visitor", w.visitor);
  member(out, "last_id", std::to_string(w.last_id));
  out += w.reset ? ",\"reset\":true" : ",\"reset\":false";
  if (!w.conversation.empty()) {
    out += ",\"conversation\":{\"id\":";
    wire::append_quoted(out, conversation_id(w.conversation));
    member(out, "state", w.state);
    member_agent(out, w.agent);
    out += '}';
  }
  out += ",\"messages\":[";
  for (std::size_t i = 0; i < w.messages.size(); ++i) out.append(i > 0 ? "," : "").append(w.messages[i]);
  out += ']';
  out += w.open ? ",\"open\":true" : ",\"open\":false";
  member_time(out, "opens_at", w.opens_at);
  if (w.queue.position > 0) {
    out += ",\"queue\":{";
    append_queue(out, w.queue);
    out += '}';
  }
  if (!w.form.empty()) {
    out += ",\"form\":{\"fields\":[";
    for (std::size_t i = 0; i < w.form.size(); ++i) {
      out.append(i > 0 ? "," : "").append("{\"name\":");
      wire::append_quoted(out, w.form[i].name);
      out += w.form[i].required ? ",\"required\":true}" : ",\"required\":false}";
    }
    out += "]}";
  }
  if (w.challenge) out.append(",").append(challenge_member(*w.challenge));
  member(out, "languages", w.languages);
  member(out, "continue", w.go_on);
  out.append(",\"text_max\":").append(std::to_string(kMaxText));
  out.append(",\"media_max\":").append(std::to_string(w.media_max));
  if (!w.alerts.empty()) out.append(",\"alerts\":").append(w.alerts);
  return out + "}";
}

std::string write_message(const MessageView& message) {
  return event("message") + ",\"id\":\"" + std::to_string(event_id(message.ref)) + "\",\"message\":" + write(message) + "}";
}
std::string write_receipt(const MessageRef& ref, State state, WallTime at) {
  std::string out = event("receipt");
  member(out, "message", public_id(ref));
  member(out, "state", shown(state));
  member_time(out, "at", at);
  return out + "}";
}
std::string write_assigned(std::string_view conversation, std::string_view agent) {
  std::string out = event("assigned");
  member(out, "conversation", conversation_id(conversation));
  member_agent(out, agent);
  return out + "}";
}
std::string write_closed(std::string_view conversation, std::string_view why) {
  std::string out = event("closed");
  member(out, "conversation", conversation_id(conversation));
  member_if(out, "why", why);
  return out + "}";
}
std::string write_moved(std::string_view conversation, std::string_view channel, std::string_view address) {
  std::string out = event("moved");
  member(out, "conversation", conversation_id(conversation));
  member(out, "channel", channel);
  member_if(out, "address", address);
  return out + "}";
}
std::string write_queue(const QueueView& queue) {
  std::string out = event("queue") + ",";
  append_queue(out, queue);
  return out + "}";
}
std::string write_alert(std::string_view json) { return event("alert") + ",\"alert\":" + std::string(json) + "}"; }
std::string write_typing(std::string_view agent) {
  std::string out = event("typing");
  member_agent(out, agent);
  return out + "}";
}
std::string write_ack(std::string_view client_id, std::string_view id, std::string_view token) {
  std::string out = "{\"t\":\"ack\"";
  member(out, "client_id", client_id);
  member_if(out, "id", id);
  member_if(out, "token", token);
  return out + "}";
}
std::string write_nack(std::string_view client_id, const wire::Problem& problem) {
  std::string out = "{\"t\":\"nack\"";
  member(out, "client_id", client_id);
  return out + ",\"problem\":" + wire::to_json(problem) + "}";
}
std::string write_bye(std::uint16_t code, int retry_after_s) {
  std::string out = "{\"t\":\"bye\",\"code\":" + std::to_string(code);
  if (retry_after_s > 0) out.append(",\"retry_after\":").append(std::to_string(retry_after_s));
  return out + "}";
}
std::string write_pong() { return R"({"t":"pong"})"; }

}  // namespace belfry::webchat
