// SMPP as belfry-sim speaks it: frames, the few PDUs an SMSC needs, alphabets, user data headers. None of it is belfryd's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sim {

namespace smpp {

inline constexpr std::uint32_t kBindReceiver = 0x1, kBindTransmitter = 0x2, kQuerySm = 0x3, kSubmitSm = 0x4, kDeliverSm = 0x5,
                               kUnbind = 0x6, kReplaceSm = 0x7, kCancelSm = 0x8, kBindTransceiver = 0x9, kEnquireLink = 0x15,
                               kSubmitMulti = 0x21, kDataSm = 0x103, kGenericNack = 0x80000000, kResp = 0x80000000;
inline constexpr std::uint32_t kOk = 0, kBadLength = 0x2, kBadCommand = 0x3, kBadState = 0x4, kAlreadyBound = 0x5,
                               kBadSource = 0xA, kBadDestination = 0xB, kBadId = 0xC, kBindFailed = 0xD, kBadPassword = 0xE,
                               kBadSystemId = 0xF, kQueueFull = 0x14, kThrottled = 0x58, kTemporary = 0x64, kQueryFailed = 0x67,
                               kBadParameterLength = 0xC2;
inline constexpr std::uint16_t kTagReceiptedId = 0x1E, kTagReference = 0x204, kTagSarRef = 0x20C, kTagSarTotal = 0x20E,
                               kTagSarPart = 0x20F, kTagVersion = 0x210, kTagNetworkError = 0x423, kTagPayload = 0x424,
                               kTagState = 0x427, kTagCongestion = 0x428;
inline constexpr std::size_t kHeader = 16, kMaxPdu = 80 * 1024;

struct Header {
  std::uint32_t length = 0, id = 0, status = 0, sequence = 0;
};

struct Address {
  int ton = 0, npi = 0;
  std::string digits;
  bool operator==(const Address&) const = default;
};

struct Tlv {
  std::uint16_t tag = 0;
  std::string value;
  bool operator==(const Tlv&) const = default;
};

// submit_sm and deliver_sm; data_sm without what it has not.
struct Sm {
  std::string service_type;
  Address source, destination;
  int esm_class = 0, protocol_id = 0, priority = 0;
  std::string schedule, validity;
  int registered_delivery = 0, replace = 0, data_coding = 0, default_id = 0;
  std::string short_message;
  std::vector<Tlv> tlvs;
  bool operator==(const Sm&) const = default;
  const std::string* tlv(std::uint16_t tag) const;
  // The octets of the message, wherever they stand.
  const std::string& content() const;
};

struct Bind {
  std::string system_id, password, system_type;
  int version = 0;
  Address range;
};

std::uint32_t read_u32(const char* at);
void write_u32(char* at, std::uint32_t value);
Header read_header(const char* at);  // of 16 octets
void add_header(std::string& out, std::uint32_t length, std::uint32_t id, std::uint32_t status, std::uint32_t sequence);
// A PDU whose body is ready.
void add_pdu(std::string& out, std::uint32_t id, std::uint32_t status, std::uint32_t sequence, std::string_view body = {});
void add_string(std::string& out, std::string_view text);  // with its NUL
void add_tlv(std::string& out, std::uint16_t tag, std::string_view value);

std::string sm_body(const Sm& sm);
std::string data_sm_body(const Sm& sm);
// Nothing where a field or a TLV would reach past the end.
std::optional<Sm> read_sm(std::string_view body);
std::optional<Sm> read_data_sm(std::string_view body);
std::optional<Bind> read_bind(std::string_view body);
// message_id, source_addr
std::optional<std::pair<std::string, Address>> read_query(std::string_view body);

// ---- texts: UTF-8 inside, octets outside ----

enum class Alphabet { kGsm, kAscii, kLatin1, kUcs2, kBinary };
Alphabet alphabet_of(int data_coding);

std::optional<std::string> to_gsm(std::string_view utf8);  // unpacked; nothing if a character has no place in it
std::string from_gsm(std::string_view octets);
std::optional<std::string> to_latin1(std::string_view utf8);
std::string from_latin1(std::string_view octets);
std::string to_ucs2(std::string_view utf8);  // big-endian, with surrogate pairs
std::string from_ucs2(std::string_view octets);
std::string decode(Alphabet alphabet, std::string_view octets);  // binary as hex

// Cuts octets into parts of at most `most`, never inside an escape or a surrogate pair.
std::vector<std::string> cut(Alphabet alphabet, std::string_view octets, std::size_t most);

struct Concat {
  int width = 0;  // of the reference in bits; 0: a single message; 1: sar_*
  int reference = 0, total = 1, part = 1;
  std::size_t header = 0;  // octets of the user data header in the content
};
Concat concat_of(const Sm& sm);

}  // namespace smpp

}  // namespace sim
