#include "gateway/proof.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

#include "adapters/wire/crypto.h"

#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr std::size_t kDigits = 6;

// The value of the digit that begins the text, and its octets; none: -1. Arabic-Indic (U+0660) and Persian (U+06F0) digits are
// what the keyboards of half our citizens write.
std::pair<int, std::size_t> digit_at(std::string_view text) {
  const auto octet = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (octet(0) >= '0' && octet(0) <= '9') return {octet(0) - '0', 1};
  if (text.size() < 2) return {-1, 0};
  if (octet(0) == 0xD9 && octet(1) >= 0xA0 && octet(1) <= 0xA9) return {octet(1) - 0xA0, 2};
  if (octet(0) == 0xDB && octet(1) >= 0xB0 && octet(1) <= 0xB9) return {octet(1) - 0xB0, 2};
  return {-1, 0};
}

}  // namespace

std::string fresh_code() {
  std::uint32_t value = 0;
  const std::string bytes = wire::random_bytes(sizeof(value));
  std::memcpy(&value, bytes.data(), sizeof(value));
  std::array<char, 8> digits{};
  std::snprintf(digits.data(), digits.size(), "%06u", value % 1'000'000U);
  return digits.data();
}

std::string code_in(std::string_view text) {
  std::string code;
  while (!text.empty()) {
    if (text.front() == ' ' || text.front() == '-' || text.front() == '\n' || text.front() == '.') {
      text.remove_prefix(1);
      continue;
    }
    const auto [value, octets] = digit_at(text);
    if (value < 0 || code.size() == kDigits) return {};
    code += static_cast<char>('0' + value);
    text.remove_prefix(octets);
  }
  return code.size() == kDigits ? code : std::string();
}

namespace {

// The citizen asked to go on at that address, and it is his: the conversation moves with its place.
void go_on_there(Services& services, const std::string& contact, const std::string& conversation) {
  services.carry(routing::encode({"GETDEL", routing::key_of(services.prefix, "go:" + contact)}),
                 [&services, conversation](const Result<routing::Value>& wanted) {
                   if (!wanted || !wanted->is_text() || wanted->text.empty()) return;
                   routing::Directive what;
                   what.verb = routing::Directive::Verb::kSwitch;
                   what.conversation = conversation;
                   what.target = wanted->text;
                   what.by = "citizen";
                   services.store.direct(what, [](const Result<routing::Outcome>&) {});
                 });
}

}  // namespace

void prove(Services& services, const std::string& contact, const std::string& conversation, const std::string& code) {
  services.store.contact_prove(contact, code, [&services, contact, conversation](const Result<routing::Outcome>& out) {
    if (!out || out->what != routing::Outcome::What::kOk) return;
    go_on_there(services, contact, conversation);
    services.carry(
        routing::encode({"XADD", routing::key_of(services.prefix, "audit"), "*", "t", std::to_string(services.now().wall.ms),
                         "by", "citizen", "do", "contact.proved", "of", contact}),
        [](const Result<routing::Value>&) {});
    routing::Entry entry;
    entry.dir = routing::Dir::kNote;
    entry.content.type = "text";
    entry.content.text = "The code came back: both addresses are this citizen's.";
    entry.at = services.now().wall;
    services.store.note({conversation, 0, ""}, {}, "belfry", routing::encode_entry(entry),
                        [](const Result<routing::Outcome>&) {});
  });
}

}  // namespace belfry::gateway
