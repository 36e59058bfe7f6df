// One account at an SMSC, as configured, and how it writes addresses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/smpp/pdu.h"
#include "adapters/smpp/receipt.h"
#include "adapters/smpp/text.h"
#include "adapters/smpp/words.h"
#include "belfry/private.h"
#include "belfry/result.h"

namespace belfry::smpp {

enum class BindAs : std::uint8_t { kTransceiver, kPair, kTransmitter, kReceiver };  // a pair: a transmitter and a receiver
enum class Receipts : std::uint8_t { kAll, kLast, kNone };                          // of which segments one is asked for

// "0.045 EUR" -> 45,000 millionths and EUR.
struct Price {
  std::int64_t micros = 0;
  std::string currency;
};
std::optional<Price> read_price(std::string_view text);

struct Account {
  std::string id;
  std::string host;
  std::uint16_t port = 2775;
  bool tls = false;
  std::string system_id;
  Secret password;
  std::string system_type;
  std::uint8_t version = 0x34;
  BindAs bind = BindAs::kTransceiver;
  int binds = 1;  // of each kind
  Address source;
  std::string country;  // calling code, "49": for senders who write their number without it; empty: left as it is
  int window = 10;      // submits without an answer, a bind
  int rate = 100;       // segments a second, of the account
  std::int64_t enquire_link_ms = 30'000;
  std::int64_t response_timeout_ms = 10'000;
  std::int64_t validity_ms = 0;  // 0: as the SMSC has it
  Receipts receipts = Receipts::kAll;
  TextPolicy text;
  IdFormat id_format = IdFormat::kSame;
  Words words;
  std::optional<Price> segment_price;
};

// What a message may ask for besides its text: the member `sms` of what the API took.
struct Wishes {
  bool flash = false;
  int priority = 0;              // 0 to 3
  std::int64_t validity_ms = 0;  // 0: as the account has it
  std::string sender;            // a number, a short code, or a name of at most 11 characters; empty: the account's
};
// From Content::detail. The error is for who wrote it.
Result<Wishes> read_wishes(std::string_view detail);

// How a sender is written (3.4 5.2.5): a name is alphanumeric, digits are a number with its country code, or a short code if they
// are few. kBadInput: it is none of these.
Result<Address> sender_from(std::string_view text);

// tel:+<E.164> for a number with its country code, sms:<account>:<raw> for a short code or a name.
std::string address_of(const Account& account, const Address& from);
// "+49 151 ..." or a short code, as the API names a recipient.
Result<std::string> address_from(const Account& account, std::string_view to);
// The recipient of an address; nothing if it is of another channel or account.
std::optional<Address> recipient_of(const Account& account, std::string_view address);
// The last digits, which a receipt must show too: a name of an SMSC's may be used anew. Empty: it has none.
std::string tail_of(std::string_view digits);

}  // namespace belfry::smpp
