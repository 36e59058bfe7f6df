// Any text frame of a page, any token, any identity. What is read can be kept and shown again: it has no control characters, its
// ids are ours, and every frame that carries it is JSON.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "adapters/webchat/frames.h"
#include "adapters/webchat/token.h"

namespace {

using namespace belfry;

void require(bool ok) {
  if (!ok) std::abort();
}
bool is_json(const std::string& text) { return nlohmann::json::accept(text); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  constexpr WallTime kNow{1'790'000'000'000};
  const auto frame = webchat::read(text);
  if (!frame) require(!frame.error().detail.empty());
  require(is_json(
      webchat::write_nack(webchat::client_id_of(text), wire::problem(400, "bad_frame", frame ? "" : frame.error().detail))));
  if (frame) {
    webchat::MessageView m;
    m.ref = {"1", 1};
    m.type = "text";
    m.text = frame->text;
    m.client_id = frame->client_id;
    m.media_id = frame->media;
    require(is_json(webchat::write_message(m)));
    require(webchat::clean(frame->text, webchat::kMaxText) == frame->text);
    webchat::Visitor who;
    who.inbox = "portal";
    who.id = std::string(32, 'a');
    who.form = std::make_shared<const webchat::Form>(frame->form);
    who.since = kNow;
    const auto back = webchat::verify("key", "portal", webchat::sign("key", who, kNow), kNow);
    require(back && back->said().name == frame->form.name && back->said().email == frame->form.email);
  }
  // Nobody but who holds the key makes any of these.
  require(!webchat::verify("key", "portal", text, kNow));
  require(!webchat::read_identity("key", "portal", text, kNow));
  require(!webchat::media_of("key", text, kNow));
  return 0;
}
