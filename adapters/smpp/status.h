// command_status (SMPP 3.4 5.1.3, 5.0 4.7.6): what a number means for a submit, and in words for an operator.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace belfry::smpp {

enum class Verdict : std::uint8_t {
  kDone,
  kPermanent,  // this message will never go
  kRecipient,  // nothing will go to this number
  kConfig,     // our settings are wrong: it fails, and an operator hears
  kBug,        // we wrote a PDU that is none: it fails, and an operator hears
  kTemporary,  // later, a few times
  kQueueFull,  // later, and slower
  kThrottled,  // later, and much slower
  kRebind,     // not on this session: bind anew
  kStop,       // it does not know us: no retry until somebody has looked
};

struct Status {
  std::uint32_t code = 0;
  std::string_view name;  // without ESME_
  Verdict verdict = Verdict::kTemporary;
  int most_tries = 0;  // of kTemporary and kQueueFull; 0: as the account says
  std::string_view words;
};
// Of a code that nobody has heard of: temporary, three tries.
Status status_of(std::uint32_t code);
// "RTHROTTLED (0x58)", or "0x4FF".
std::string shown_status(std::uint32_t code);

inline constexpr std::uint32_t kOk = 0x00, kInvCommand = 0x03, kInvBindState = 0x04, kAlreadyBound = 0x05, kSystemError = 0x08,
                               kBindFailed = 0x0D, kInvPassword = 0x0E, kInvSystemId = 0x0F, kQueueFull = 0x14, kThrottled = 0x58,
                               kTemporaryAppError = 0x64, kPermanentAppError = 0x65, kRejectedAppError = 0x66,
                               kInvOptionalStream = 0xC0, kOptionalNotAllowed = 0xC1;

}  // namespace belfry::smpp
