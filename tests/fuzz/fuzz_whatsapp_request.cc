// Whatever a desk or a program asks to be sent: the first line is the content's type, the next its words, the rest its detail in
// JSON. What check() lets through becomes a body that is JSON; what it refuses says why in plain words and quotes nothing.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "adapters/whatsapp/request.h"
#include "adapters/wire/json.h"

namespace {

using namespace belfry;

void require(bool ok) {
  if (!ok) std::abort();
}

std::string line_of(std::string_view& text) {
  const auto end = text.find('\n');
  std::string line(text.substr(0, end));
  text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Outbound message;
  message.content.type = line_of(text);
  message.content.text = line_of(text);
  message.content.detail = std::string(text);
  message.ref = {"7", 1};
  message.address = "wa:city:491511234567";
  const auto fine = whatsapp::check(message.content);
  if (!fine) {
    require((fine.error().code == Errc::kBadInput || fine.error().code == Errc::kUnsupported) && !fine.error().detail.empty() &&
            fine.error().detail.size() < 1'000);
    return 0;
  }
  (void)whatsapp::file_named(message.content);
  (void)whatsapp::stored_file(message.content);
  whatsapp::Account account;
  account.id = "city";
  account.portfolio = "city";
  const auto body = whatsapp::message_body(account, message, "1234");
  if (!body) return 0;
  wire::JsonReader reader;
  require(reader.read(*body).has_value());
  return 0;
}
