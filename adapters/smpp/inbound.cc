#include "adapters/smpp/inbound.h"

#include <utility>

#include "adapters/smpp/udh.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/json.h"

namespace belfry::smpp {
namespace {

constexpr std::size_t kHeader = 16;
constexpr std::uint8_t kHasHeader = 0x40;

// The number of a part: from a header in the text, or from the sar_* parameters, of which all three are needed.
struct Numbered {
  std::string width;
  Concat concat;
};
std::optional<Numbered> numbered(const Message& message, const UserData& data) {
  if (data.header.concat) return Numbered{data.header.concat->wide ? "16" : "8", *data.header.concat};
  const auto ref = number_in(message.tlvs, tag::kSarMsgRefNum);
  const auto total = number_in(message.tlvs, tag::kSarTotalSegments);
  const auto seq = number_in(message.tlvs, tag::kSarSegmentSeqnum);
  if (!ref || !total || !seq || *seq == 0 || *seq > *total || *total > 255) return std::nullopt;
  return Numbered{"sar",
                  {static_cast<std::uint16_t>(*ref), static_cast<std::uint8_t>(*total), static_cast<std::uint8_t>(*seq), false}};
}

UserData data_of(const Message& message) {
  if ((message.esm_class & kHasHeader) != 0) return read_user_data(text_of(message));
  return {{}, text_of(message)};
}

void add(std::string& json, std::string_view name, std::string_view value) {
  json += json.empty() ? "{\"" : ",\"";
  json.append(name).append("\":");
  wire::append_quoted(json, value);
}

Inbound inbound(const Account& account, const Message& message, WallTime at) {
  Inbound out;
  out.account = account.id;
  out.addresses.push_back(address_of(account, message.source));
  out.at = at;
  out.content.type = "text";
  add(out.content.detail, "to", message.destination.digits);
  return out;
}

void finish(const Account& account, Inbound& out) {
  out.wish = read_wish(out.content.text, account.words);
  out.content.detail += '}';
}

Receipt receipt_of(const Account& account, const Message& message, const ReceiptNews& news, WallTime now) {
  Receipt out;
  out.account = account.id;
  out.names.push_back(name_from_receipt(news.id, account.id_format));
  out.to = message.source.digits + " " + message.destination.digits + " ";
  out.state = state_of(news.state).value_or(State::kSent);
  out.at = news.done.value_or(now);
  if (out.state == State::kFailed) {
    out.reason = news.word.empty() ? std::string(name_of(news.state)) : news.word;
    if (!news.error.empty()) out.reason += " err " + news.error;
  }
  return out;
}

}  // namespace

Arrival read_arrival(const Account& account, const Message& message, std::string_view bytes, WallTime now) {
  Arrival out;
  if (const auto news = read_receipt(message, account.text.alphabet, now)) {
    out.event = receipt_of(account, message, *news, now);
    return out;
  }
  if (says_receipt(message.esm_class)) {
    out.event = Raw{account.id, "a receipt that names no message", std::string(bytes)};
    return out;
  }
  const UserData data = data_of(message);
  if (const auto part = numbered(message, data); part && part->concat.total > 1) {
    Part piece;
    piece.account = account.id;
    piece.set = part->width + ":" + std::to_string(part->concat.ref) + ":" + std::to_string(part->concat.total) + ":" +
                address_of(account, message.source) + ":" + address_of(account, message.destination);
    piece.n = part->concat.seq;
    piece.of = part->concat.total;
    piece.bytes = bytes;
    piece.bytes.replace(8, 8, 8, '\0');  // a repeat has another sequence_number
    piece.at = now;
    out.event = std::move(piece);
    return out;
  }
  const Decoded decoded = decode_text(message.data_coding, data.text, account.text.alphabet, data.header.tables);
  if (decoded.kind == Decoded::Kind::kWaiting) return out;
  Inbound message_in = inbound(account, message, now);
  message_in.content.text = decoded.text;
  if (decoded.flash) message_in.content.detail += ",\"flash\":true";
  if (decoded.kind == Decoded::Kind::kBinary) {
    message_in.content.type = "binary";
    message_in.content.text.clear();
    add(message_in.content.detail, "hex", wire::to_hex(data.text));
  }
  finish(account, message_in);
  // All but its header, of which the sequence_number is another in a repeat.
  out.hash = wire::to_hex(std::string_view(wire::sha256(bytes.substr(kHeader))).substr(0, 16));
  message_in.provider_id = out.hash;
  message_in.may_repeat = true;
  out.event = std::move(message_in);
  return out;
}

std::optional<Inbound> join_parts(const Account& account, const std::map<int, std::string>& parts, int of, WallTime at) {
  std::optional<Inbound> out;
  std::string octets, missing;
  std::uint8_t coding = 0;
  // UCS-2 is joined before it is decoded, for a character may be cut in two; all else is decoded part by part.
  const auto flush = [&] {
    if (!octets.empty()) out->content.text += decode_text(coding, octets, account.text.alphabet).text;
    octets.clear();
  };
  for (int n = 1; n <= of; ++n) {
    const auto it = parts.find(n);
    if (it == parts.end()) {
      if (out) flush();
      missing += (missing.empty() ? "" : ",") + std::to_string(n);
      if (out) out->content.text += "[part " + std::to_string(n) + " missing]";
      continue;
    }
    if (it->second.size() < kHeader) continue;
    const Read read = decode(it->second);
    const auto* message = std::get_if<Message>(&read.pdu.body);
    if (message == nullptr) continue;
    if (!out) {
      out = inbound(account, *message, at);
      for (int before = 1; before < n; ++before) out->content.text += "[part " + std::to_string(before) + " missing]";
    }
    const UserData data = data_of(*message);
    if (is_ucs2(message->data_coding)) {
      coding = message->data_coding;
      octets += data.text;
    } else {
      flush();
      out->content.text += decode_text(message->data_coding, data.text, account.text.alphabet, data.header.tables).text;
    }
  }
  if (!out) return out;
  flush();
  out->content.detail += ",\"parts\":" + std::to_string(of);
  if (!missing.empty()) out->content.detail += ",\"missing\":[" + missing + "]";
  finish(account, *out);
  return out;
}

}  // namespace belfry::smpp
