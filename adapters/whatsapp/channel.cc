#include "adapters/whatsapp/channel.h"

#include "adapters/whatsapp/receiver.h"
#include "adapters/whatsapp/request.h"
#include "adapters/whatsapp/sender.h"

namespace belfry::whatsapp {

Result<void> Channel::check(const Content& content) const { return whatsapp::check(content); }
std::optional<Media> Channel::file_named(const Content& content) const { return whatsapp::file_named(content); }
bool Channel::needs_window(const Content& content) const { return content.type != "template"; }
WallTime Channel::window_until(const Inbound& message) const { return whatsapp::window_until(message); }

Result<std::string> Channel::address(std::string_view to) const {
  std::string id(to);
  if (id.starts_with("+")) {
    std::erase_if(id, [](char c) { return c == '+' || c == ' ' || c == '-' || c == '(' || c == ')'; });
    if (id.size() < 7 || id.size() > 15 || id.find_first_not_of("0123456789") != std::string::npos) {
      return fail(Errc::kBadInput, "`to` is not a phone number: write it as +<country code><number>, 7 to 15 digits");
    }
  }
  if (!is_safe_id(id)) return fail(Errc::kBadInput, "`to` is neither a phone number (+49...) nor a WhatsApp user id");
  return address_of(account_.portfolio, id);
}

std::unique_ptr<belfry::Sender> Channel::sender(Now now) const { return std::make_unique<Sender>(account_, now); }

// Whoever holds a sender of this account got it from a Channel of this account.
bool Channel::renew(Now now, belfry::Sender& sender) const { return static_cast<Sender&>(sender).set_secrets(now, account_); }

}  // namespace belfry::whatsapp
