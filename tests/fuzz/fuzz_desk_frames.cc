// Any text frame of an agent's desk. What is read can be said again and reads the same; what is refused says why; and whatever an
// agent may write, the frames that carry it to the other desks are JSON.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "adapters/desk/frames.h"
#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"

namespace {

using namespace belfry;

void require(bool ok) {
  if (!ok) std::abort();
}

// The frame as a desk would write it. Only the fuzzer needs an encoder of this side.
std::string say(const desk::Frame& f) {
  constexpr const char* kWords[] = {"hello",    "availability", "accept", "decline", "resolve", "park",
                                    "transfer", "reply",        "note",   "typing",  "read",    "ping"};
  std::string out = std::string("{\"t\":\"") + kWords[static_cast<std::size_t>(f.kind)] + "\",\"gen\":" + std::to_string(f.gen);
  const auto member = [&out](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out.append(",\"").append(name).append("\":");
    wire::append_quoted(out, value);
  };
  member("client_id", f.client_id);
  if (!f.conversation.empty()) member("conversation", conversation_id(f.conversation));
  member("last_id", f.last_id);
  member("value", f.value);
  member("reason", f.reason);
  member("code", f.code);
  if (f.until.ms != 0) member("until", wire::rfc3339(f.until));
  if (f.kind == desk::Frame::Kind::kTransfer) {
    out += ",\"to\":{\"\":0";
    member("agent", agent_id(f.to_agent));
    member("queue", queue_id(f.to_queue));
    out += '}';
  }
  member("text", f.text);
  member("text", f.content.text);
  member("message", f.message);
  member("reply_to", f.content.reply_to);
  if (!f.content.detail.empty()) {
    out.append(f.content.media ? ",\"media\":" : ",\"" + f.content.type + "\":").append(f.content.detail);
  }
  return out + "}";
}

bool same(const Media& a, const Media& b) {
  return a.provider_id == b.provider_id && a.url == b.url && a.mime == b.mime && a.sha256 == b.sha256 &&
         a.filename == b.filename && a.voice == b.voice;
}
bool same(const Content& a, const Content& b) {
  return a.type == b.type && a.text == b.text && a.detail == b.detail && a.reply_to == b.reply_to &&
         a.media.has_value() == b.media.has_value() && (!a.media || same(*a.media, *b.media));
}
bool same(const desk::Frame& a, const desk::Frame& b) {
  return a.kind == b.kind && a.client_id == b.client_id && a.conversation == b.conversation && a.gen == b.gen &&
         a.last_id == b.last_id && a.value == b.value && a.reason == b.reason && a.code == b.code && a.until.ms == b.until.ms &&
         a.to_agent == b.to_agent && a.to_queue == b.to_queue && a.text == b.text && a.message == b.message &&
         same(a.content, b.content);
}

void require_json(const std::string& frame) { require(nlohmann::json::accept(frame)); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto frame = desk::read(text);
  const std::string whom = desk::client_id_of(text);
  require(whom.size() <= 100);
  if (!frame) {
    require(frame.error().code == Errc::kBadInput && !frame.error().detail.empty());
    require_json(desk::write_nack(whom, wire::problem(400, "bad_frame", frame.error().detail)));
    return 0;
  }
  require(frame->client_id == whom);
  require(frame->reason.size() <= 200 && frame->code.size() <= 64);
  require_json(desk::write_ack(frame->client_id, conversation_id(frame->conversation)));
  const auto again = desk::read(say(*frame));
  require(again && same(*frame, *again));
  if (frame->kind != desk::Frame::Kind::kReply) return 0;

  const auto content = desk::read_content(text);
  require(content && same(*content, frame->content));
  require(!content->type.empty() && !desk::preview_of(*content).empty());
  desk::MessageView message;
  message.ref = {frame->conversation, 1};
  message.dir = "out";
  message.content = *content;
  message.client_id = frame->client_id;
  require_json(desk::write_message(1, message, {}));
  desk::ConversationView conversation;
  conversation.id = frame->conversation;
  conversation.preview = desk::preview_of(*content);
  require_json(desk::write_offer(1, conversation));
  return 0;
}
