// Delivery receipts: what an SMSC tells about a message it took. The text form is "vendor specific" by the specification (3.4
// appendix B), so it is read as the many dialects of it are written; parameters count before text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/smpp/pdu.h"
#include "adapters/smpp/text.h"
#include "belfry/clock.h"
#include "belfry/message.h"

namespace belfry::smpp {

// How ids are written: as in the answer, or in another radix in the receipt.
enum class IdFormat : std::uint8_t { kSame, kAnswerHexReceiptDec, kAnswerDecReceiptHex };

// message_state of 3.4 5.2.28 and 5.0.
enum class MessageState : std::uint8_t {
  kScheduled = 0,
  kEnroute = 1,
  kDelivered = 2,
  kExpired = 3,
  kDeleted = 4,
  kUndeliverable = 5,
  kAccepted = 6,
  kUnknown = 7,
  kRejected = 8,
  kSkipped = 9,
};

struct ReceiptNews {
  std::string id;
  MessageState state = MessageState::kUnknown;
  std::string word;   // of the text, as it was written: an operator may know it
  std::string error;  // of the text, or "3:27" from network_error_code
  std::optional<WallTime> done;
};

// Whether esm_class says that it is one, or news on its way (bits 5-2: 0x04, 0x20; the others are of handsets).
bool says_receipt(std::uint8_t esm_class);
// Nothing: it is none, whatever esm_class says. Without that word it must have both id and stat, for a citizen may write `id:`.
std::optional<ReceiptNews> read_receipt(const Message& message, Alphabet alphabet, WallTime now);

// Our state for it, forward only. Nothing: it says nothing (UNKNOWN, ACCEPTED and whatever is on its way).
std::optional<State> state_of(MessageState state);
std::string_view name_of(MessageState state);

// By what a message is looked up: the same text from the answer and from the receipt, whatever padding, case or radix they
// choose.
std::string name_from_answer(std::string_view id, IdFormat format);
std::string name_from_receipt(std::string_view id, IdFormat format);

// "YYMMDDhhmmsstnnp" of 3.4 7.1.1 relative to now, "000000001500000R"; at most 99 days.
std::string relative_time(std::int64_t ms);
// The dates of receipts: YYMMDDhhmm, 12 digits in either meaning (the one that is nearer to now), or YYYYMMDDhhmmss. UTC.
std::optional<WallTime> receipt_time(std::string_view digits, WallTime now);

}  // namespace belfry::smpp
