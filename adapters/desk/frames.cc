#include "adapters/desk/frames.h"

#include <algorithm>
#include <array>
#include <utility>

#include "adapters/wire/json.h"
#include "adapters/wire/members.h"
#include "adapters/wire/rfc3339.h"

namespace belfry::desk {
namespace {

namespace dom = simdjson::dom;

struct KindRow {
  std::string_view word;
  Frame::Kind kind;
  bool names_conversation, needs_gen, needs_client_id;
};
constexpr std::array kKinds{
    KindRow{"hello", Frame::Kind::kHello, false, false, false},
    KindRow{"availability", Frame::Kind::kAvailability, false, false, true},
    KindRow{"accept", Frame::Kind::kAccept, true, true, true},
    KindRow{"decline", Frame::Kind::kDecline, true, true, true},
    KindRow{"resolve", Frame::Kind::kResolve, true, true, true},
    KindRow{"park", Frame::Kind::kPark, true, true, true},
    KindRow{"transfer", Frame::Kind::kTransfer, true, true, true},
    KindRow{"take", Frame::Kind::kTake, true, false, true},
    KindRow{"assign", Frame::Kind::kAssign, true, false, true},
    KindRow{"requeue", Frame::Kind::kRequeue, true, false, true},
    KindRow{"close", Frame::Kind::kClose, true, false, true},
    KindRow{"priority", Frame::Kind::kPriority, true, false, true},
    KindRow{"reopen", Frame::Kind::kReopen, true, false, true},
    KindRow{"merge", Frame::Kind::kMerge, true, false, true},
    KindRow{"switch", Frame::Kind::kSwitch, true, true, true},
    KindRow{"watch", Frame::Kind::kWatch, false, false, true},
    KindRow{"reply", Frame::Kind::kReply, true, true, true},
    KindRow{"note", Frame::Kind::kNote, true, false, true},
    KindRow{"typing", Frame::Kind::kTyping, true, false, false},
    KindRow{"read", Frame::Kind::kRead, true, false, false},
    KindRow{"ping", Frame::Kind::kPing, false, false, false},
};

constexpr std::int64_t kMaxPriority = 1'000;  // minutes
constexpr std::size_t kMaxClientId = 100;     // octets

tl::unexpected<Error> bad(std::string detail) { return fail(Errc::kBadInput, std::move(detail)); }

// The first octets of a text, whole characters only: half of one in a frame, and the browser drops the socket (RFC 6455, 8.1).
std::string first_of(std::string_view text, std::size_t octets) {
  if (text.size() > octets) {
    while (octets > 0 && (static_cast<unsigned char>(text[octets]) & 0xC0) == 0x80) --octets;
  }
  return std::string(text.substr(0, octets));
}

wire::JsonReader& reader() {
  thread_local wire::JsonReader mine;
  return mine;
}

// The members of the API that say what a message is; `text` may stand beside all but itself, as its words.
constexpr std::array<std::string_view, 9> kContents{"template", "media",    "buttons", "list", "location",
                                                    "contacts", "reaction", "link",    "flow"};

constexpr std::array<std::string_view, 5> kMediaKinds{"image", "audio", "video", "document", "sticker"};

tl::expected<Content, Error> content_of(dom::object object) {
  std::string_view found;
  dom::element value;
  for (const std::string_view name : kContents) {
    dom::element candidate;
    if (object.at_key(name).get(candidate) != simdjson::SUCCESS || candidate.is_null()) continue;
    if (!found.empty()) {
      return bad("a message has both `" + std::string(found) + "` and `" + std::string(name) + "`: send one of them");
    }
    found = name;
    value = candidate;
  }
  Content content;
  content.reply_to = std::string(wire::text_at(object, "reply_to"));
  dom::element text;
  if (object.at_key("text").get(text) == simdjson::SUCCESS && !text.is_null()) {
    if (!text.is_string()) return bad("`text` must be a string");
    content.text = std::string(wire::text_of(text));
  }
  if (found.empty()) {
    content.type = "text";
    if (content.text.find_first_not_of(" \t\r\n") == std::string::npos) {
      return bad("a message needs text, or one of template, media, buttons, list, location, contacts, reaction: write something");
    }
    // What the text asks of SMS besides; the channel reads it.
    dom::element sms;
    if (object.at_key("sms").get(sms) == simdjson::SUCCESS && !sms.is_null())
      content.detail = "{\"sms\":" + wire::to_text(sms) + "}";
    return content;
  }
  content.type = std::string(found);
  content.detail = wire::to_text(value);
  dom::object inner;
  const bool is_object = value.get(inner) == simdjson::SUCCESS;
  if (!is_object && !value.is_array()) return bad("`" + std::string(found) + "` must be an object");
  if (found == "media" && is_object) {
    if (const std::string_view kind = wire::text_at(inner, "kind"); !kind.empty()) {
      // Any other word would make it another content than the one that was checked as media.
      if (std::find(kMediaKinds.begin(), kMediaKinds.end(), kind) == kMediaKinds.end()) {
        return bad("`media.kind` must be image, audio, video, document or sticker, or left out");
      }
      content.type = std::string(kind);
    }
    Media about;
    std::string_view id = wire::text_at(inner, "id");
    if (id.starts_with("media_")) id.remove_prefix(6);
    if (id.size() == 64) {
      about.sha256 = std::string(id);
    } else {
      about.provider_id = std::string(id);
    }
    about.url = std::string(wire::text_at(inner, "link"));
    about.mime = std::string(wire::text_at(inner, "mime"));
    about.filename = std::string(wire::text_at(inner, "filename"));
    about.voice = wire::true_at(inner, "voice");
    content.media = std::move(about);
    if (content.text.empty()) content.text = std::string(wire::text_at(inner, "caption"));
  }
  if (found == "reaction" && is_object) {
    if (const std::string_view of = wire::text_at(inner, "message_id"); !of.empty()) content.reply_to = std::string(of);
  }
  return content;
}

using wire::member;
using wire::member_if;
using wire::member_int;
using wire::member_time;

std::string event(std::int64_t id, std::string_view kind) {
  std::string out;
  out.reserve(512);
  out.append("{\"t\":\"event\",\"kind\":\"").append(kind).append("\",\"id\":\"").append(std::to_string(id)).append("\"");
  return out;
}

Result<void> read_to(dom::object object, Frame& frame) {
  const auto to = wire::object_at(object, "to");
  if (!to) return {};
  const std::string_view agent = wire::text_at(*to, "agent"), queue = wire::text_at(*to, "queue");
  if (!agent.empty() && queue.empty()) {
    const auto id = parse_agent_id(agent);
    if (!id) return bad("`to.agent` is not an agent's id: it looks like agent_ana");
    frame.to_agent = *id;
  } else if (agent.empty() && !queue.empty()) {
    const auto id = parse_queue_id(queue);
    if (!id) return bad("`to.queue` is not a queue's id: it looks like queue_city");
    frame.to_queue = *id;
  }
  return {};
}

}  // namespace

Result<Frame> read(const std::string& text) {
  auto document = reader().read(text);
  if (!document) return bad("the frame is not JSON: send one JSON object a frame");
  dom::object object;
  if (document->get(object) != simdjson::SUCCESS) return bad("the frame is not a JSON object");
  const std::string_view word = wire::text_at(object, "t");
  const auto row = std::find_if(kKinds.begin(), kKinds.end(), [&](const KindRow& r) { return r.word == word; });
  Frame frame;
  if (row == kKinds.end()) return bad("`t` names no frame of belfry.desk.v1");
  frame.kind = row->kind;
  const std::string_view client_id = wire::text_at(object, "client_id");
  if (client_id.size() > kMaxClientId) return bad("`client_id` is longer than 100 octets: use a UUID");
  frame.client_id = std::string(client_id);
  if (row->needs_client_id && frame.client_id.empty())
    return bad("`client_id` is missing: send a UUID, the same again when you repeat");
  if (row->names_conversation) {
    const auto id = parse_conversation_id(wire::text_at(object, "conversation"));
    if (!id) return bad("`conversation` is not an id: it looks like conv_12");
    frame.conversation = *id;
  }
  const auto gen = wire::int_at(object, "gen");
  if (row->needs_gen && (!gen || *gen < 1)) return bad("`gen` is missing: send the generation you saw");
  if (gen && *gen > 0) frame.gen = *gen;
  frame.reason = first_of(wire::text_at(object, "reason"), 200);
  switch (frame.kind) {
    case Frame::Kind::kHello: {
      dom::element last;
      if (object.at_key("last_id").get(last) == simdjson::SUCCESS && !last.is_null()) {
        const std::string_view digits = wire::text_of(last);
        if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string_view::npos) {
          return bad("`last_id` is not an event id: send the last one you saw, as the string it came as, or leave it out");
        }
        frame.last_id = std::string(digits);
      }
      break;
    }
    case Frame::Kind::kAvailability:
      frame.value = std::string(wire::text_at(object, "value"));
      if (frame.value != "ready" && frame.value != "paused" && frame.value != "draining" && frame.value != "offline") {
        return bad("`value` must be ready, paused, draining or offline");
      }
      if (const std::string_view agent = wire::text_at(object, "agent"); !agent.empty()) {
        const auto id = parse_agent_id(agent);
        if (!id) return bad("`agent` is not an agent's id: it looks like agent_ana");
        frame.agent = *id;
      }
      break;
    case Frame::Kind::kClose:
    case Frame::Kind::kResolve: frame.code = first_of(wire::text_at(object, "code"), 64); break;
    case Frame::Kind::kPark: {
      const std::string_view until = wire::text_at(object, "until");
      const auto at = wire::parse_rfc3339(until);
      if (!until.empty() && !at) return bad("`until` is not a time of RFC 3339, like 2026-01-31T12:00:00Z");
      if (at) frame.until = *at;
      break;
    }
    case Frame::Kind::kTransfer:
      if (auto to = read_to(object, frame); !to) return tl::unexpected(std::move(to.error()));
      if (frame.to_agent.empty() && frame.to_queue.empty()) return bad("`to` needs either agent or queue");
      frame.warm = wire::true_at(object, "warm");
      break;
    case Frame::Kind::kAssign:
      if (auto to = read_to(object, frame); !to) return tl::unexpected(std::move(to.error()));
      if (frame.to_agent.empty()) return bad("`to` needs an agent");
      break;
    case Frame::Kind::kRequeue:
    case Frame::Kind::kReopen:
      if (auto to = read_to(object, frame); !to) return tl::unexpected(std::move(to.error()));
      if (!frame.to_agent.empty()) return bad("`to` names a queue here, or is left out");
      break;
    case Frame::Kind::kPriority: {
      frame.life_safety = wire::true_at(object, "life_safety");
      const auto minutes = wire::int_at(object, "minutes");
      if (!frame.life_safety && (!minutes || *minutes < 0 || *minutes > kMaxPriority))
        return bad("`minutes` must be a whole number from 0 to 1000, or `life_safety` true");
      frame.minutes = minutes.value_or(0);
      break;
    }
    case Frame::Kind::kMerge: {
      const auto into = parse_conversation_id(wire::text_at(object, "into"));
      if (!into) return bad("`into` is not an id: it looks like conv_12");
      frame.into = *into;
      break;
    }
    case Frame::Kind::kSwitch:
      frame.account = std::string(wire::text_at(object, "account"));
      frame.address = std::string(wire::text_at(object, "address"));
      if (frame.account.empty() || frame.address.empty())
        return bad("`switch` needs `account` and `address`: one of those that GET /api/v1/contacts/{id} lists for the citizen");
      break;
    case Frame::Kind::kWatch: frame.on = wire::true_at(object, "on"); break;
    case Frame::Kind::kReply: {
      auto content = content_of(object);
      if (!content) return tl::unexpected(std::move(content.error()));
      frame.content = std::move(*content);
      break;
    }
    case Frame::Kind::kNote:
      frame.text = std::string(wire::text_at(object, "text"));
      if (frame.text.empty()) return bad("`text` is empty: write something");
      break;
    case Frame::Kind::kRead: frame.message = std::string(wire::text_at(object, "message")); break;
    default: break;
  }
  return frame;
}

std::string client_id_of(const std::string& text) {
  auto document = reader().read(text);
  dom::object object;
  if (!document || document->get(object) != simdjson::SUCCESS) return {};
  return first_of(wire::text_at(object, "client_id"), kMaxClientId);
}

Result<Content> read_content(const std::string& json_object) {
  auto document = reader().read(json_object);
  if (!document) return bad("the body is not JSON");
  dom::object object;
  if (document->get(object) != simdjson::SUCCESS) return bad("the body is not a JSON object");
  return content_of(object);
}

std::string preview_of(const Content& content) {
  std::string_view text = content.text;
  if (text.empty()) return content.type.empty() ? std::string() : "[" + content.type + "]";
  std::size_t end = 0;
  for (int characters = 0; end < text.size() && characters < 120; ++characters) {
    do ++end;
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  }
  return std::string(text.substr(0, end));
}

void append(std::string& out, const MessageView& m) {
  out.append("{\"id\":\"").append(public_id(m.ref)).append("\",\"conversation\":\"").append(conversation_id(m.ref.conversation));
  out.append("\",\"n\":").append(std::to_string(m.ref.n)).append(",\"dir\":\"").append(m.dir).append("\"");
  member(out, "type", m.content.type);
  if (!m.content.text.empty()) member(out, "text", m.content.text);
  if (m.content.media) {
    const Media& media = *m.content.media;
    out += ",\"media\":{\"mime\":";
    wire::append_quoted(out, media.mime);
    if (!media.sha256.empty()) {
      out.append(",\"id\":\"").append(public_id(m.ref)).append("\"");
      member(out, "sha256", media.sha256);
    }
    member_if(out, "filename", media.filename);
    if (media.size > 0) member_int(out, "size", media.size);
    if (media.voice) out += ",\"voice\":true";
    if (media.animated) out += ",\"animated\":true";
    out += '}';
  }
  if (!m.content.detail.empty()) out.append(",\"detail\":").append(m.content.detail);
  member_if(out, "reply_to", m.content.reply_to);
  if (m.content.forwarded) out += ",\"forwarded\":true";
  member_time(out, "at", m.at);
  out.append(",\"state\":\"").append(shown(m.state)).append("\"");
  member_if(out, "provider_id", m.provider_id);
  member_if(out, "of", m.of);
  member_if(out, "client_id", m.client_id);
  member_if(out, "agent", agent_id(m.agent));
  member_if(out, "reason", m.reason);
  member_if(out, "to", m.to);
  out += '}';
}

void append(std::string& out, const ConversationView& c) {
  out.append("{\"id\":\"").append(conversation_id(c.id)).append("\",\"gen\":").append(std::to_string(c.gen));
  member(out, "state", c.state);
  member_if(out, "owner", agent_id(c.owner));
  member_if(out, "queue", queue_id(c.queue));
  member(out, "channel", c.channel);
  member(out, "account", c.account);
  out += ",\"contact\":{\"id\":";
  wire::append_quoted(out, c.contact);
  member(out, "name", c.name);
  out += '}';
  member_int(out, "messages", c.messages);
  member_if(out, "preview", c.preview);
  member_if(out, "why", c.why);
  member_if(out, "invited", agent_id(c.invited));
  if (!c.into.empty()) member(out, "into", conversation_id(c.into));
  if (!c.previous.empty()) member(out, "previous", conversation_id(c.previous));
  if (c.answers) member(out, "answers", public_id(*c.answers));
  if (!c.attributes.empty()) {
    out += ",\"attributes\":{";
    for (const auto& [name, value] : c.attributes) {
      if (!out.ends_with('{')) out += ',';
      wire::append_quoted(out, name);
      out += ':';
      wire::append_quoted(out, value);
    }
    out += '}';
  }
  member_time(out, "first_at", c.first);
  member_time(out, "last_at", c.last);
  member_time(out, "window_until", c.window_until);
  member_time(out, "expires_at", c.expires);
  out += '}';
}

std::string write(const Welcome& w) {
  std::string out = "{\"t\":\"welcome\",\"agent\":{\"id\":";
  wire::append_quoted(out, agent_id(w.agent));
  member(out, "name", w.name);
  out += "},\"roles\":[";
  for (std::size_t i = 0; i < w.roles.size(); ++i) {
    if (i > 0) out += ',';
    wire::append_quoted(out, w.roles[i]);
  }
  out += ']';
  member(out, "availability", w.availability);
  out.append(",\"last_id\":\"").append(std::to_string(w.last_id)).append("\",\"reset\":").append(w.reset ? "true" : "false");
  const auto list = [&](std::string_view name, const std::vector<ConversationView>& views) {
    out.append(",\"").append(name).append("\":[");
    for (std::size_t i = 0; i < views.size(); ++i) {
      if (i > 0) out += ',';
      append(out, views[i]);
    }
    out += ']';
  };
  list("conversations", w.conversations);
  list("offers", w.offers);
  out += '}';
  return out;
}

std::string write_message(std::int64_t id, const MessageView& m, WallTime window_until) {
  std::string out = event(id, "message");
  out.append(",\"conversation\":\"").append(conversation_id(m.ref.conversation)).append("\",\"message\":");
  append(out, m);
  member_time(out, "window_until", window_until);
  out += '}';
  return out;
}

std::string write_receipt(std::int64_t id, const MessageRef& ref, State state, std::string_view reason, WallTime at) {
  std::string out = event(id, "receipt");
  out.append(",\"conversation\":\"").append(conversation_id(ref.conversation)).append("\",\"message\":\"").append(public_id(ref));
  out.append("\",\"state\":\"").append(shown(state)).append("\"");
  member_if(out, "reason", reason);
  member_time(out, "at", at);
  out += '}';
  return out;
}

std::string write_offer(std::int64_t id, const ConversationView& c) {
  std::string out = event(id, "offer");
  out.append(",\"conversation\":\"").append(conversation_id(c.id)).append("\"");
  member_int(out, "gen", c.gen);
  member(out, "queue", queue_id(c.queue));
  member(out, "channel", c.channel);
  out += ",\"contact\":{\"id\":";
  wire::append_quoted(out, c.contact);
  member(out, "name", c.name);
  out += '}';
  member(out, "preview", c.preview);
  member_time(out, "expires_at", c.expires);
  out += '}';
  return out;
}

std::string write_rescinded(std::int64_t id, std::string_view conversation, std::int64_t gen, std::string_view why) {
  std::string out = event(id, "rescinded");
  out.append(",\"conversation\":\"").append(conversation_id(conversation)).append("\"");
  member_int(out, "gen", gen);
  member(out, "why", why);
  out += '}';
  return out;
}

std::string write_assigned(std::int64_t id, const ConversationView& c) {
  std::string out = event(id, "assigned");
  out.append(",\"conversation\":\"").append(conversation_id(c.id)).append("\"");
  member_int(out, "gen", c.gen);
  out += ",\"view\":";
  append(out, c);
  out += '}';
  return out;
}

std::string write_conversation(std::int64_t id, std::string_view conversation, std::int64_t gen, std::string_view state,
                               std::string_view owner, std::string_view queue, WallTime window_until) {
  std::string out = event(id, "conversation");
  out.append(",\"conversation\":\"").append(conversation_id(conversation)).append("\"");
  member_int(out, "gen", gen);
  member(out, "state", state);
  member_if(out, "owner", agent_id(owner));
  member_if(out, "queue", queue_id(queue));
  member_time(out, "window_until", window_until);
  out += '}';
  return out;
}

std::string write_queue(const QueueView& q) {
  std::string out = "{\"t\":\"event\",\"kind\":\"queue\"";
  member(out, "queue", queue_id(q.id));
  member(out, "name", q.name);
  member_int(out, "waiting", static_cast<std::int64_t>(q.waiting));
  member_int(out, "members_ready", static_cast<std::int64_t>(q.members_ready));
  out.append(",\"open\":").append(q.open ? "true" : "false");
  member_time(out, "oldest_at", q.oldest);
  return out + "}";
}

std::string write_presence(const PresenceView& p) {
  std::string out = "{\"t\":\"event\",\"kind\":\"presence\"";
  member(out, "agent", agent_id(p.agent));
  member(out, "availability", p.availability);
  out.append(",\"connected\":").append(p.connected ? "true" : "false");
  member_int(out, "load", p.load);
  member_int(out, "capacity", p.capacity);
  return out + "}";
}

std::string write_typing(std::string_view conversation) {
  return R"({"t":"event","kind":"typing","conversation":")" + conversation_id(conversation) + "\"}";
}

std::string write_ack(std::string_view client_id, std::string_view id) {
  std::string out = "{\"t\":\"ack\"";
  member(out, "client_id", client_id);
  member(out, "id", id);
  out += '}';
  return out;
}

std::string write_nack(std::string_view client_id, const wire::Problem& problem) {
  std::string out = "{\"t\":\"nack\"";
  member(out, "client_id", client_id);
  out.append(",\"problem\":").append(wire::to_json(problem)).append("}");
  return out;
}

std::string write_pong() { return "{\"t\":\"pong\"}"; }

}  // namespace belfry::desk
