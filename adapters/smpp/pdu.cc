#include "adapters/smpp/pdu.h"

#include <algorithm>
#include <array>
#include <type_traits>

namespace belfry::smpp {
namespace {

constexpr std::size_t kHeader = 16;
constexpr std::uint32_t kInvMsgLen = 0x01, kInvCmdLen = 0x02, kInvOptParStream = 0xC0;

std::uint32_t u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void byte(std::uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void word(std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) out_.push_back(static_cast<char>((value >> shift) & 0xFF));
  }
  // A NUL ends it, so none may stand in it.
  void text(const std::string& value, std::size_t most) {
    out_.append(value, 0, std::min({value.find('\0'), value.size(), most - 1}));
    out_.push_back('\0');
  }
  void octets(const std::string& value) {
    const std::size_t size = std::min<std::size_t>(value.size(), 255);
    byte(static_cast<std::uint8_t>(size));
    out_.append(value, 0, size);
  }
  void rest(const Tlvs& tlvs) {
    for (const Tlv& each : tlvs) {
      const std::size_t size = std::min<std::size_t>(each.value.size(), 0xFFFF);
      word((static_cast<std::uint32_t>(each.tag) << 16) | static_cast<std::uint32_t>(size));
      out_.append(each.value, 0, size);
    }
  }
  template <class T, class Each>
  void list(const std::vector<T>& all, Each each) {
    byte(static_cast<std::uint8_t>(std::min<std::size_t>(all.size(), 255)));
    for (std::size_t i = 0; i < std::min<std::size_t>(all.size(), 255); ++i) each(all[i]);
  }

 private:
  std::string& out_;
};

// Reads inside one PDU and never past it. `lenient`: an answer, or deliver_sm.
class Reader {
 public:
  Reader(std::string_view bytes, bool lenient) : bytes_(bytes), lenient_(lenient) {}
  std::uint32_t fault() const { return lenient_ ? 0 : fault_; }

  void byte(std::uint8_t& value) {
    if (at_ < bytes_.size())
      value = static_cast<unsigned char>(bytes_[at_++]);
    else
      missing(kInvCmdLen);
  }
  void word(std::uint32_t& value) {
    if (bytes_.size() - at_ < 4) return missing(kInvCmdLen);
    value = u32(bytes_, at_);
    at_ += 4;
  }
  void text(std::string& value, std::size_t) {
    const std::size_t end = bytes_.find('\0', at_);
    if (end == std::string_view::npos) {
      value = bytes_.substr(at_);
      return missing(kInvCmdLen);
    }
    value = bytes_.substr(at_, end - at_);
    at_ = end + 1;
  }
  void octets(std::string& value) {
    std::uint8_t size = 0;
    byte(size);
    if (bytes_.size() - at_ < size) {
      value = bytes_.substr(at_);
      return missing(kInvMsgLen);
    }
    value = bytes_.substr(at_, size);
    at_ += size;
  }
  void rest(Tlvs& tlvs) {
    while (bytes_.size() - at_ >= 4) {
      const std::uint32_t head = u32(bytes_, at_);
      const std::size_t size = head & 0xFFFF;
      if (bytes_.size() - at_ - 4 < size) return missing(kInvOptParStream);
      tlvs.push_back({static_cast<std::uint16_t>(head >> 16), std::string(bytes_.substr(at_ + 4, size))});
      at_ += 4 + size;
    }
    if (at_ < bytes_.size()) missing(kInvOptParStream);
  }
  template <class T, class Each>
  void list(std::vector<T>& all, Each each) {
    std::uint8_t count = 0;
    byte(count);
    for (int i = 0; i < count && at_ < bytes_.size(); ++i) each(all.emplace_back());
    if (all.size() < count) missing(kInvCmdLen);
  }

 private:
  void missing(std::uint32_t fault) {
    if (fault_ == 0) fault_ = fault;
    at_ = bytes_.size();
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool lenient_;
  std::uint32_t fault_ = 0;
};

// Each body's fields in the order of section 4 of the specification, for both directions. Sizes include the NUL.
template <class A, class T>
void address(A& a, T& v, std::size_t most) {
  a.byte(v.ton);
  a.byte(v.npi);
  a.text(v.digits, most);
}
template <class A, class T>
void fields(A& a, T& v, Command command) {
  using B = std::remove_const_t<T>;
  if constexpr (std::is_same_v<B, Bind>) {
    a.text(v.system_id, 16);
    a.text(v.password, 9);
    a.text(v.system_type, 13);
    a.byte(v.interface_version);
    address(a, v.range, 41);
  } else if constexpr (std::is_same_v<B, BindAnswer>) {
    a.text(v.system_id, 16);
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, Outbind>) {
    a.text(v.system_id, 16);
    a.text(v.password, 9);
  } else if constexpr (std::is_same_v<B, Message>) {
    const bool data = command == Command::kDataSm;
    a.text(v.service_type, 6);
    address(a, v.source, data ? 65 : 21);
    address(a, v.destination, data ? 65 : 21);
    a.byte(v.esm_class);
    if (!data) {
      a.byte(v.protocol_id);
      a.byte(v.priority);
      a.text(v.schedule, 17);
      a.text(v.validity, 17);
    }
    a.byte(v.registered_delivery);
    if (!data) a.byte(v.replace_if_present);
    a.byte(v.data_coding);
    if (!data) {
      a.byte(v.default_message);
      a.octets(v.short_message);
    }
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, MessageAnswer>) {
    a.text(v.message_id, 65);
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, SubmitMulti>) {
    auto& m = v.message;
    a.text(m.service_type, 6);
    address(a, m.source, 21);
    a.list(v.destinations, [&a](auto& each) {
      a.byte(each.flag);
      if (each.flag == 2) return a.text(each.address.digits, 21);
      address(a, each.address, 21);
    });
    a.byte(m.esm_class);
    a.byte(m.protocol_id);
    a.byte(m.priority);
    a.text(m.schedule, 17);
    a.text(m.validity, 17);
    a.byte(m.registered_delivery);
    a.byte(m.replace_if_present);
    a.byte(m.data_coding);
    a.byte(m.default_message);
    a.octets(m.short_message);
    a.rest(m.tlvs);
  } else if constexpr (std::is_same_v<B, SubmitMultiAnswer>) {
    a.text(v.message_id, 65);
    a.list(v.unsuccessful, [&a](auto& each) {
      address(a, each.address, 21);
      a.word(each.status);
    });
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, Query>) {
    a.text(v.message_id, 65);
    address(a, v.source, 21);
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, QueryAnswer>) {
    a.text(v.message_id, 65);
    if (command != answer_to(Command::kQueryBroadcastSm)) {
      a.text(v.final_date, 17);
      a.byte(v.state);
      a.byte(v.error);
    }
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, Cancel>) {
    a.text(v.service_type, 6);
    a.text(v.message_id, 65);
    address(a, v.source, 21);
    if (command == Command::kCancelSm) address(a, v.destination, 21);
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, Replace>) {
    a.text(v.message_id, 65);
    address(a, v.source, 21);
    a.text(v.schedule, 17);
    a.text(v.validity, 17);
    a.byte(v.registered_delivery);
    a.byte(v.default_message);
    a.octets(v.short_message);
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, AlertNotification>) {
    address(a, v.source, 65);
    address(a, v.esme, 65);
    a.rest(v.tlvs);
  } else if constexpr (std::is_same_v<B, Broadcast>) {
    a.text(v.service_type, 6);
    address(a, v.source, 21);
    a.text(v.message_id, 65);
    a.byte(v.priority);
    a.text(v.schedule, 17);
    a.text(v.validity, 17);
    a.byte(v.replace_if_present);
    a.byte(v.data_coding);
    a.byte(v.default_message);
    a.rest(v.tlvs);
  } else {
    static_assert(std::is_same_v<B, Empty>);
  }
}

template <class Body>
Read read_as(const Header& header, std::string_view bytes, bool lenient) {
  Read out;
  out.pdu.header = header;
  Reader reader(bytes, lenient);
  Body body;
  fields(reader, body, header.command);
  out.fault = reader.fault();
  out.pdu.body = std::move(body);
  return out;
}

}  // namespace

bool is_known(Command request) {
  switch (request) {
    case Command::kBindReceiver:
    case Command::kBindTransmitter:
    case Command::kBindTransceiver:
    case Command::kQuerySm:
    case Command::kSubmitSm:
    case Command::kDeliverSm:
    case Command::kUnbind:
    case Command::kReplaceSm:
    case Command::kCancelSm:
    case Command::kOutbind:
    case Command::kEnquireLink:
    case Command::kSubmitMulti:
    case Command::kAlertNotification:
    case Command::kDataSm:
    case Command::kBroadcastSm:
    case Command::kQueryBroadcastSm:
    case Command::kCancelBroadcastSm: return true;
    case Command::kGenericNack: return false;
  }
  return false;
}

bool has_answer(Command request) {
  return is_known(request) && request != Command::kOutbind && request != Command::kAlertNotification;
}

const std::string* find(const Tlvs& tlvs, std::uint16_t tag) {
  const auto it = std::find_if(tlvs.begin(), tlvs.end(), [tag](const Tlv& each) { return each.tag == tag; });
  return it == tlvs.end() ? nullptr : &it->value;
}

std::optional<std::uint32_t> number_in(const Tlvs& tlvs, std::uint16_t tag) {
  const std::string* value = find(tlvs, tag);
  if (value == nullptr || (value->size() != 1 && value->size() != 2 && value->size() != 4)) return std::nullopt;
  std::uint32_t number = 0;
  for (const char c : *value) number = (number << 8) | static_cast<unsigned char>(c);
  return number;
}

Tlv number_tlv(std::uint16_t tag, std::uint32_t value, int octets) {
  Tlv out{tag, {}};
  for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) out.value.push_back(static_cast<char>((value >> shift) & 0xFF));
  return out;
}

std::string encode(const Pdu& pdu) {
  std::string out;
  out.reserve(256);
  Writer writer(out);
  writer.word(0);
  writer.word(static_cast<std::uint32_t>(pdu.header.command));
  writer.word(pdu.header.status);
  writer.word(pdu.header.sequence);
  std::visit([&](const auto& body) { fields(writer, body, pdu.header.command); }, pdu.body);
  const auto size = static_cast<std::uint32_t>(out.size());
  for (std::size_t i = 0; i < 4; ++i) out[i] = static_cast<char>((size >> (24 - 8 * i)) & 0xFF);
  return out;
}

Read decode(std::string_view bytes) {
  const Header header{static_cast<Command>(u32(bytes, 4)), u32(bytes, 8), u32(bytes, 12)};
  const std::string_view body = bytes.substr(kHeader);
  Read empty;
  empty.pdu.header = header;
  const bool answer = is_answer(header.command);
  if (answer && body.empty()) return empty;
  switch (static_cast<Command>(static_cast<std::uint32_t>(header.command) & ~kAnswer)) {
    case Command::kBindReceiver:
    case Command::kBindTransmitter:
    case Command::kBindTransceiver: return answer ? read_as<BindAnswer>(header, body, true) : read_as<Bind>(header, body, false);
    case Command::kSubmitSm:
    case Command::kDataSm: return answer ? read_as<MessageAnswer>(header, body, true) : read_as<Message>(header, body, false);
    case Command::kDeliverSm: {
      if (answer) return read_as<MessageAnswer>(header, body, true);
      // What is careless about it must not cost a citizen's message; what has not even its fixed fields is none.
      Read read = read_as<Message>(header, body, false);
      if (read.fault == kInvMsgLen || read.fault == kInvOptParStream) read.fault = 0;
      return read;
    }
    case Command::kSubmitMulti:
      return answer ? read_as<SubmitMultiAnswer>(header, body, true) : read_as<SubmitMulti>(header, body, false);
    case Command::kQuerySm:
    case Command::kQueryBroadcastSm:
      return answer ? read_as<QueryAnswer>(header, body, true) : read_as<Query>(header, body, false);
    case Command::kCancelSm:
    case Command::kCancelBroadcastSm: return answer ? empty : read_as<Cancel>(header, body, false);
    case Command::kReplaceSm: return answer ? empty : read_as<Replace>(header, body, false);
    case Command::kBroadcastSm:
      return answer ? read_as<MessageAnswer>(header, body, true) : read_as<Broadcast>(header, body, false);
    case Command::kOutbind: return answer ? empty : read_as<Outbind>(header, body, false);
    case Command::kAlertNotification: return answer ? empty : read_as<AlertNotification>(header, body, false);
    case Command::kUnbind:
    case Command::kEnquireLink:
    case Command::kGenericNack: return empty;
  }
  return empty;
}

std::string_view text_of(const Message& message) {
  if (!message.short_message.empty()) return message.short_message;
  const std::string* payload = find(message.tlvs, tag::kMessagePayload);
  return payload == nullptr ? std::string_view() : std::string_view(*payload);
}

void Frames::feed(std::string_view bytes) {
  if (broken_) return;
  if (at_ > 0 && at_ * 2 >= buffer_.size()) {
    buffer_.erase(0, at_);
    at_ = 0;
  }
  buffer_.append(bytes);
}

std::optional<std::string_view> Frames::next() {
  if (broken_ || held() < 4) return std::nullopt;
  const std::uint32_t size = u32(buffer_, at_);
  if (size < kHeader || size > kMost) {
    broken_ = true;
    buffer_.clear();
    at_ = 0;
    return std::nullopt;
  }
  if (held() < size) return std::nullopt;
  const std::string_view out = std::string_view(buffer_).substr(at_, size);
  at_ += size;
  return out;
}

}  // namespace belfry::smpp
