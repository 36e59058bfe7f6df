// The protocol data units of SMPP 3.4 (and of 5.0 what is new there), as values and as bytes. One description of each body's
// fields, in pdu.cc, writes and reads it.
//
// +----------------+------------+----------------+-----------------+--------------------------------+
// | command_length | command_id | command_status | sequence_number | mandatory fields, then tag,    |
// | u32, the whole | u32        | u32            | u32             | length (u16 each), value       |
// +----------------+------------+----------------+-----------------+--------------------------------+
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace belfry::smpp {

enum class Command : std::uint32_t {  // an answer is its request with the highest bit set
  kBindReceiver = 0x01,
  kBindTransmitter = 0x02,
  kQuerySm = 0x03,
  kSubmitSm = 0x04,
  kDeliverSm = 0x05,
  kUnbind = 0x06,
  kReplaceSm = 0x07,
  kCancelSm = 0x08,
  kBindTransceiver = 0x09,
  kOutbind = 0x0B,
  kEnquireLink = 0x15,
  kSubmitMulti = 0x21,
  kAlertNotification = 0x102,
  kDataSm = 0x103,
  kBroadcastSm = 0x111,
  kQueryBroadcastSm = 0x112,
  kCancelBroadcastSm = 0x113,
  kGenericNack = 0x80000000,
};
inline constexpr std::uint32_t kAnswer = 0x80000000;
constexpr Command answer_to(Command c) { return static_cast<Command>(static_cast<std::uint32_t>(c) | kAnswer); }
constexpr bool is_answer(Command c) { return (static_cast<std::uint32_t>(c) & kAnswer) != 0; }
// Whether the sheet knows this request, and whether it has an answer (outbind and alert_notification have none).
bool is_known(Command request);
bool has_answer(Command request);

namespace tag {
inline constexpr std::uint16_t kDestAddrSubunit = 0x0005, kAdditionalStatusInfoText = 0x001D, kReceiptedMessageId = 0x001E,
                               kUserMessageReference = 0x0204, kSarMsgRefNum = 0x020C, kSarTotalSegments = 0x020E,
                               kSarSegmentSeqnum = 0x020F, kScInterfaceVersion = 0x0210, kNetworkErrorCode = 0x0423,
                               kMessagePayload = 0x0424, kDeliveryFailureReason = 0x0425, kMessageState = 0x0427,
                               kCongestionState = 0x0428;
}  // namespace tag

struct Tlv {
  std::uint16_t tag = 0;
  std::string value;
  friend bool operator==(const Tlv&, const Tlv&) = default;
};
using Tlvs = std::vector<Tlv>;
// The first of that tag.
const std::string* find(const Tlvs& tlvs, std::uint16_t tag);
// Its value as a number of one, two or four octets; nothing if it is absent or of another length.
std::optional<std::uint32_t> number_in(const Tlvs& tlvs, std::uint16_t tag);
Tlv number_tlv(std::uint16_t tag, std::uint32_t value, int octets);

struct Address {
  std::uint8_t ton = 0, npi = 0;
  std::string digits;
  friend bool operator==(const Address&, const Address&) = default;
};

struct Bind {
  std::string system_id, password, system_type;
  std::uint8_t interface_version = 0x34;
  Address range;  // `digits` is address_range
  friend bool operator==(const Bind&, const Bind&) = default;
};
struct BindAnswer {
  std::string system_id;
  Tlvs tlvs;
  friend bool operator==(const BindAnswer&, const BindAnswer&) = default;
};
struct Outbind {
  std::string system_id, password;
  friend bool operator==(const Outbind&, const Outbind&) = default;
};
// submit_sm, deliver_sm and data_sm; data_sm has neither protocol_id, priority, times, replace flag, default id nor
// short_message.
struct Message {
  std::string service_type;
  Address source, destination;
  std::uint8_t esm_class = 0, protocol_id = 0, priority = 0;
  std::string schedule, validity;
  std::uint8_t registered_delivery = 0, replace_if_present = 0, data_coding = 0, default_message = 0;
  std::string short_message;
  Tlvs tlvs;
  friend bool operator==(const Message&, const Message&) = default;
};
struct MessageAnswer {
  std::string message_id;
  Tlvs tlvs;
  friend bool operator==(const MessageAnswer&, const MessageAnswer&) = default;
};
struct Destination {
  std::uint8_t flag = 1;  // 1: an address, 2: the name of a list in `address.digits`
  Address address;
  friend bool operator==(const Destination&, const Destination&) = default;
};
struct SubmitMulti {
  Message message;  // but for its destination
  std::vector<Destination> destinations;
  friend bool operator==(const SubmitMulti&, const SubmitMulti&) = default;
};
struct Unsuccessful {
  Address address;
  std::uint32_t status = 0;
  friend bool operator==(const Unsuccessful&, const Unsuccessful&) = default;
};
struct SubmitMultiAnswer {
  std::string message_id;
  std::vector<Unsuccessful> unsuccessful;
  Tlvs tlvs;
  friend bool operator==(const SubmitMultiAnswer&, const SubmitMultiAnswer&) = default;
};
struct Query {  // query_sm, query_broadcast_sm
  std::string message_id;
  Address source;
  Tlvs tlvs;
  friend bool operator==(const Query&, const Query&) = default;
};
struct QueryAnswer {
  std::string message_id, final_date;
  std::uint8_t state = 0, error = 0;
  Tlvs tlvs;
  friend bool operator==(const QueryAnswer&, const QueryAnswer&) = default;
};
struct Cancel {  // cancel_sm; of cancel_broadcast_sm there is no destination
  std::string service_type, message_id;
  Address source, destination;
  Tlvs tlvs;
  friend bool operator==(const Cancel&, const Cancel&) = default;
};
struct Replace {
  std::string message_id;
  Address source;
  std::string schedule, validity;
  std::uint8_t registered_delivery = 0, default_message = 0;
  std::string short_message;
  Tlvs tlvs;
  friend bool operator==(const Replace&, const Replace&) = default;
};
struct AlertNotification {
  Address source, esme;
  Tlvs tlvs;
  friend bool operator==(const AlertNotification&, const AlertNotification&) = default;
};
struct Broadcast {
  std::string service_type;
  Address source;
  std::string message_id;
  std::uint8_t priority = 0;
  std::string schedule, validity;
  std::uint8_t replace_if_present = 0, data_coding = 0, default_message = 0;
  Tlvs tlvs;
  friend bool operator==(const Broadcast&, const Broadcast&) = default;
};
struct Empty {  // unbind, enquire_link, generic_nack, their answers; answers of cancel and replace; an answer without its body
  friend bool operator==(const Empty&, const Empty&) = default;
};

struct Header {
  Command command = Command::kGenericNack;
  std::uint32_t status = 0, sequence = 0;
  friend bool operator==(const Header&, const Header&) = default;
};
struct Pdu {
  Header header;
  std::variant<Empty, Bind, BindAnswer, Outbind, Message, MessageAnswer, SubmitMulti, SubmitMultiAnswer, Query, QueryAnswer,
               Cancel, Replace, AlertNotification, Broadcast>
      body;
  friend bool operator==(const Pdu&, const Pdu&) = default;
};

// The body must be the command's own.
std::string encode(const Pdu& pdu);

// What came of one whole PDU. A fault is told by its command_status (section 5.1.3); the header is good even then, so the right
// answer can be given and the session goes on.
struct Read {
  Pdu pdu;
  std::uint32_t fault = 0;  // 0: none
};
// `bytes` begins with the header and is as long as command_length says. Lenient where peers are known to be careless: an answer
// with half a body or without it, a string without its NUL, a parameter of deliver_sm that reaches past the end.
Read decode(std::string_view bytes);

// short_message, or message_payload where sm_length is 0 (both together: short_message counts).
std::string_view text_of(const Message& message);

// Cuts a stream into PDUs.
class Frames {
 public:
  static constexpr std::uint32_t kMost = 64 * 1024;
  void feed(std::string_view bytes);
  // The next whole PDU; the view lives until the next call of feed(). Nothing: not yet, or broken().
  std::optional<std::string_view> next();
  // A command_length below 16 or above kMost: where the next PDU begins is not known any more.
  bool broken() const { return broken_; }
  std::size_t held() const { return buffer_.size() - at_; }

 private:
  std::string buffer_;
  std::size_t at_ = 0;
  bool broken_ = false;
};

}  // namespace belfry::smpp
