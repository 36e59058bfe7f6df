// Any answer of Graph's to a send, an upload or a media request, and any content that our API may hand to the channel.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "adapters/whatsapp/media.h"
#include "adapters/whatsapp/request.h"
#include "adapters/whatsapp/sender.h"

namespace {

using namespace belfry;

void require(bool ok) {
  if (!ok) std::abort();
}

whatsapp::Account account() {
  whatsapp::Account made;
  made.id = "a";
  made.portfolio = "p";
  made.phone_number_id = "1";
  made.ref_key = Secret("k");
  made.access_token = Secret("t");
  return made;
}

int settled(const Effects& effects) {
  int count = 0;
  for (const Effect& effect : effects) count += std::holds_alternative<Settle>(effect) ? 1 : 0;
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 3), size - 3);
  HttpResponse answer;
  answer.status = data[0] % 2 == 0 ? 200 : 100 + data[0] * 2;
  answer.headers.add("x-business-use-case-usage", text);
  answer.headers.add("retry-after", text);
  answer.body = text;
  const Now now{{1'000}, {1'000}};

  whatsapp::Sender sender(account(), now);
  Outbound message;
  message.ref = {"c", 1};
  message.address = "wa:p:1";
  message.content.type = "text";
  message.content.text = "x";
  message.lane = static_cast<Lane>(data[1] % 3);
  if (data[2] % 2 == 1) {
    message.content.type = "image";
    message.content.media = Media{"", "", "image/png", std::string(64, 'a'), text, 1, false, false};
  }
  Effects effects;
  sender.send(now, message, effects);
  require(effects.size() == 1);
  for (CallId id = 1; id < 3; ++id) sender.on_response(now, id, answer, effects);
  require(settled(effects) + static_cast<int>(sender.in_flight()) == 1);

  whatsapp::MediaFetcher fetcher(account(), 1'000);
  effects.clear();
  if (fetcher.want(now, {"k", "7", ""}, effects)) fetcher.on_response(now, 1, answer, effects);
  for (const Effect& effect : effects) {
    if (const auto* fetch = std::get_if<Fetch>(&effect)) {
      require(fetch->url.starts_with("https://lookaside.fbsbx.com") || fetch->url.starts_with("https://graph.facebook.com") ||
              fetch->url.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") != std::string::npos);
    }
  }

  constexpr const char* kTypes[] = {"text", "media",    "image", "location", "contacts", "reaction",   "buttons",
                                    "list", "template", "link",  "flow",     "sticker",  "interactive"};
  message.content.type = kTypes[data[2] % std::size(kTypes)];
  message.content.detail = text;
  message.content.media.reset();
  const auto body = whatsapp::message_body(account(), message, "9");
  require(body.has_value() == whatsapp::check(message.content).has_value());
  return 0;
}
