// What an SMS says, as octets and back: alphabets, segments, lengths (3GPP TS 23.038, 23.040; SMPP 3.4 5.2.19). Pure; no message
// is ever changed to fit: what an alphabet cannot say is said in UCS-2, and no character becomes a question mark.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/smpp/gsm7.h"
#include "belfry/result.h"

namespace belfry::smpp {

// What data_coding 0 means at this SMSC.
enum class Alphabet : std::uint8_t { kGsm7, kLatin1, kAscii };
// How a text of several segments travels: a header in each (concat with 8 or 16 bits), sar_* parameters, or whole in
// message_payload.
enum class Long : std::uint8_t { kUdh8, kUdh16, kSar, kPayload };

struct TextPolicy {
  Alphabet alphabet = Alphabet::kGsm7;
  std::vector<std::uint8_t> national;  // ids of languages whose tables this route carries; none: default alphabet, else UCS-2
  Long how = Long::kUdh8;
};

enum class Coding : std::uint8_t { kGsm7, kLatin1, kAscii, kUcs2 };
std::string_view name_of(Coding coding);  // "GSM 7-bit", "Latin-1", "ASCII", "UCS-2": for a person

struct Plan {
  Coding coding = Coding::kGsm7;
  Tables tables;                    // of GSM 7-bit
  std::vector<std::string> parts;   // encoded, without header: one octet a septet, two a UCS-2 unit
  std::vector<int> units;           // of each part: septets (the pair of an escape counts two), octets, or UCS-2 units
  int room = 0;                     // units that a part of this length of message holds
  std::vector<std::string> forced;  // the first characters (UTF-8, at most 8) that the cheaper alphabet does not have
};
// The cheapest by segments that the policy allows. kBadInput: not UTF-8, or empty. kTooLarge: more than 255 segments; the detail
// says how many it would need.
Result<Plan> plan(std::string_view utf8, const TextPolicy& policy);

// One submit_sm's worth of it.
struct Segment {
  std::uint8_t esm_class = 0;  // 0x40 with a header
  std::uint8_t data_coding = 0;
  std::string short_message;  // header and text
  std::string payload;        // for message_payload instead, when short_message is empty
  std::uint16_t sar_ref = 0;  // with sar_total > 1: the three sar_* parameters
  std::uint8_t sar_total = 0, sar_seq = 0;
};
// `ref` names the message among those to this recipient; of 8 bits its low octet is used. `flash`: shown at once and not kept
// (class 0: data_coding 0x10, of UCS-2 0x18).
std::vector<Segment> segments(const Plan& plan, const TextPolicy& policy, std::uint16_t ref, bool flash);

// What came, by its data_coding (SMPP 3.4 5.2.19, TS 23.038 4).
struct Decoded {
  enum class Kind : std::uint8_t { kText, kBinary, kWaiting } kind = Kind::kText;  // kWaiting: "message waiting, discard"
  std::string text;  // UTF-8; octets that mean nothing become U+FFFD
  bool flash = false;
};
Decoded decode_text(std::uint8_t data_coding, std::string_view octets, Alphabet alphabet, Tables tables = {});
// Whether parts with this data_coding are to be joined as octets before they are decoded: a surrogate pair may be cut in two.
bool is_ucs2(std::uint8_t data_coding);

}  // namespace belfry::smpp
