// What a deliver_sm or data_sm means: a citizen's message, a part of one, or a receipt.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/smpp/account.h"
#include "adapters/smpp/pdu.h"
#include "belfry/message.h"

namespace belfry::smpp {

struct Arrival {
  std::optional<Event> event;  // none: there is nothing to keep (a message-waiting sign, a receipt on its way)
  std::string hash;            // of an Inbound: its provider_id
};
// `bytes`: the whole PDU.
Arrival read_arrival(const Account& account, const Message& message, std::string_view bytes, WallTime now);

// The parts of one set, by number, as Part::bytes has them. What is missing is said in the text.
std::optional<Inbound> join_parts(const Account& account, const std::map<int, std::string>& parts, int of, WallTime at);

}  // namespace belfry::smpp
