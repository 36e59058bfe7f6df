#include "adapters/smpp/channel.h"

#include "adapters/smpp/inbound.h"
#include "adapters/smpp/sender.h"

namespace belfry::smpp {

Result<void> Channel::check(const Content& content) const {
  if (content.type != "text")
    return fail(Errc::kUnsupported, "an SMS carries text only: send `text`, or choose an account of another channel");
  if (auto wishes = read_wishes(content.detail); !wishes) return tl::unexpected(std::move(wishes.error()));
  if (auto planned = plan(content.text, account_.text); !planned) return tl::unexpected(std::move(planned.error()));
  if (account_.bind == BindAs::kReceiver)
    return fail(Errc::kUnsupported, "this account only receives (bind = \"receiver\"): choose another");
  return {};
}

// Also one as it stands in an address of ours, of which only digits can be written to.
Result<std::string> Channel::address(std::string_view to) const { return address_from(account_, to); }

std::optional<Inbound> Channel::join(const std::map<int, std::string>& parts, int of, WallTime at) const {
  return join_parts(account_, parts, of, at);
}

std::unique_ptr<belfry::Sender> Channel::sender(Now now) const { return std::make_unique<Sender>(account_, now); }

// As a transmitter, which is sent no citizen's message.
std::unique_ptr<belfry::Sender> Channel::tester(Now now) const {
  Account account = account_;
  account.binds = 1;
  account.bind = account_.bind == BindAs::kReceiver ? BindAs::kReceiver : BindAs::kTransmitter;
  return std::make_unique<Sender>(std::move(account), now);
}

// Whoever holds a sender of this account got it from a Channel of this account.
bool Channel::renew(Now now, belfry::Sender& sender) const { return static_cast<Sender&>(sender).set_secrets(now, account_); }

Result<Preview> Channel::preview(std::string_view text) const {
  auto planned = plan(text, account_.text);
  if (!planned) return tl::unexpected(std::move(planned.error()));
  Preview out;
  out.encoding = name_of(planned->coding);
  if (planned->tables != Tables{}) out.encoding += " with national tables";
  out.segments = static_cast<int>(planned->parts.size());
  out.units = planned->units;
  out.room = planned->room;
  out.forced = planned->forced;
  if (account_.segment_price) {
    out.cost_micros = account_.segment_price->micros * out.segments;
    out.currency = account_.segment_price->currency;
  }
  return out;
}

}  // namespace belfry::smpp
