// Frames, bodies and alphabets of SMPP 3.4.
#include "smpp_wire.h"

#include <array>
#include <cstring>
#include <unordered_map>

namespace sim::smpp {

namespace {

// Reads fields in order; past the end everything is empty and `good` is false.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  int u8() {
    if (at_ >= bytes_.size()) return fail(), 0;
    return static_cast<unsigned char>(bytes_[at_++]);
  }
  int u16() {
    const int high = u8();
    return high << 8 | u8();
  }
  std::string text(std::size_t most) {
    const auto end = bytes_.find('\0', at_);
    if (end == std::string_view::npos || end - at_ >= most) return fail(), std::string();
    std::string out(bytes_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  std::string octets(std::size_t count) {
    if (bytes_.size() - at_ < count) return fail(), std::string();
    std::string out(bytes_.substr(at_, count));
    at_ += count;
    return out;
  }
  Address address(std::size_t most) {
    Address out;
    out.ton = u8();
    out.npi = u8();
    out.digits = text(most);
    return out;
  }
  std::vector<Tlv> tlvs() {
    std::vector<Tlv> out;
    while (good_ && at_ < bytes_.size()) {
      Tlv one;
      one.tag = static_cast<std::uint16_t>(u16());
      const auto size = static_cast<std::size_t>(u16());
      one.value = octets(size);
      if (good_) out.push_back(std::move(one));
    }
    return out;
  }
  bool good() const { return good_; }

 private:
  void fail() {
    good_ = false;
    at_ = bytes_.size();
  }
  std::string_view bytes_;
  std::size_t at_ = 0;
  bool good_ = true;
};

void add_u8(std::string& out, int value) { out += static_cast<char>(value); }

void add_u16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8 & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

void add_address(std::string& out, const Address& address) {
  add_u8(out, address.ton);
  add_u8(out, address.npi);
  add_string(out, address.digits);
}

// One code point from UTF-8, advancing; U+FFFD for what is none.
char32_t next_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(at++);
  if (first < 0x80) return first;
  const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC2 ? 1 : 0;
  if (more == 0 || at + more > text.size()) return 0xFFFD;
  char32_t point = first & (0x3FU >> more);
  for (std::size_t i = 0; i < more; ++i) {
    if ((byte(at) & 0xC0U) != 0x80) return 0xFFFD;
    point = point << 6 | (byte(at++) & 0x3FU);
  }
  return point;
}

void add_point(std::string& out, char32_t point) {
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xC0 | point >> 6);
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else if (point < 0x10000) {
    out += static_cast<char>(0xE0 | point >> 12);
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | point >> 18);
    out += static_cast<char>(0x80 | (point >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (point >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (point & 0x3F));
  }
}

// GSM 03.38, in the order of its codes; 0x1B stands for the escape.
constexpr std::u32string_view kGsm =
    U"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1BÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    U"abcdefghijklmnopqrstuvwxyzäöñüà";
static_assert(kGsm.size() == 128);

struct Extended {
  unsigned char code;
  char32_t point;
};
constexpr std::array<Extended, 10> kGsmExtension = {{{0x0A, U'\f'},
                                                     {0x14, U'^'},
                                                     {0x28, U'{'},
                                                     {0x29, U'}'},
                                                     {0x2F, U'\\'},
                                                     {0x3C, U'['},
                                                     {0x3D, U'~'},
                                                     {0x3E, U']'},
                                                     {0x40, U'|'},
                                                     {0x65, U'€'}}};

const std::unordered_map<char32_t, std::string>& gsm_codes() {
  static const auto codes = [] {
    std::unordered_map<char32_t, std::string> out;
    for (std::size_t i = 0; i < kGsm.size(); ++i) {
      if (i != 0x1B) out[kGsm[i]] = std::string(1, static_cast<char>(i));
    }
    for (const auto& each : kGsmExtension) out[each.point] = std::string("\x1B") + static_cast<char>(each.code);
    return out;
  }();
  return codes;
}

}  // namespace

std::uint32_t read_u32(const char* at) {
  const auto byte = [&](int i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(at[i])); };
  return byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
}

void write_u32(char* at, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(value >> (24 - 8 * i) & 0xFF);
}

Header read_header(const char* at) { return {read_u32(at), read_u32(at + 4), read_u32(at + 8), read_u32(at + 12)}; }

void add_header(std::string& out, std::uint32_t length, std::uint32_t id, std::uint32_t status, std::uint32_t sequence) {
  char bytes[kHeader];
  write_u32(bytes, length);
  write_u32(bytes + 4, id);
  write_u32(bytes + 8, status);
  write_u32(bytes + 12, sequence);
  out.append(bytes, sizeof bytes);
}

void add_pdu(std::string& out, std::uint32_t id, std::uint32_t status, std::uint32_t sequence, std::string_view body) {
  add_header(out, static_cast<std::uint32_t>(kHeader + body.size()), id, status, sequence);
  out += body;
}

void add_string(std::string& out, std::string_view text) {
  out += text;
  out += '\0';
}

void add_tlv(std::string& out, std::uint16_t tag, std::string_view value) {
  add_u16(out, tag);
  add_u16(out, value.size());
  out += value;
}

const std::string* Sm::tlv(std::uint16_t tag) const {
  for (const auto& each : tlvs) {
    if (each.tag == tag) return &each.value;
  }
  return nullptr;
}

const std::string& Sm::content() const {
  const auto* payload = tlv(kTagPayload);
  return short_message.empty() && payload != nullptr ? *payload : short_message;
}

std::string sm_body(const Sm& sm) {
  std::string out;
  add_string(out, sm.service_type);
  add_address(out, sm.source);
  add_address(out, sm.destination);
  add_u8(out, sm.esm_class);
  add_u8(out, sm.protocol_id);
  add_u8(out, sm.priority);
  add_string(out, sm.schedule);
  add_string(out, sm.validity);
  add_u8(out, sm.registered_delivery);
  add_u8(out, sm.replace);
  add_u8(out, sm.data_coding);
  add_u8(out, sm.default_id);
  add_u8(out, static_cast<int>(sm.short_message.size()));
  out += sm.short_message;
  for (const auto& each : sm.tlvs) add_tlv(out, each.tag, each.value);
  return out;
}

std::string data_sm_body(const Sm& sm) {
  std::string out;
  add_string(out, sm.service_type);
  add_address(out, sm.source);
  add_address(out, sm.destination);
  add_u8(out, sm.esm_class);
  add_u8(out, sm.registered_delivery);
  add_u8(out, sm.data_coding);
  for (const auto& each : sm.tlvs) add_tlv(out, each.tag, each.value);
  return out;
}

std::optional<Sm> read_sm(std::string_view body) {
  Fields in(body);
  Sm sm;
  sm.service_type = in.text(6);
  sm.source = in.address(21);
  sm.destination = in.address(21);
  sm.esm_class = in.u8();
  sm.protocol_id = in.u8();
  sm.priority = in.u8();
  sm.schedule = in.text(17);
  sm.validity = in.text(17);
  sm.registered_delivery = in.u8();
  sm.replace = in.u8();
  sm.data_coding = in.u8();
  sm.default_id = in.u8();
  const auto size = static_cast<std::size_t>(in.u8());
  sm.short_message = in.octets(size);
  sm.tlvs = in.tlvs();
  if (!in.good()) return std::nullopt;
  return sm;
}

std::optional<Sm> read_data_sm(std::string_view body) {
  Fields in(body);
  Sm sm;
  sm.service_type = in.text(6);
  sm.source = in.address(65);
  sm.destination = in.address(65);
  sm.esm_class = in.u8();
  sm.registered_delivery = in.u8();
  sm.data_coding = in.u8();
  sm.tlvs = in.tlvs();
  if (!in.good()) return std::nullopt;
  return sm;
}

std::optional<Bind> read_bind(std::string_view body) {
  Fields in(body);
  Bind out;
  out.system_id = in.text(16);
  out.password = in.text(9);
  out.system_type = in.text(13);
  out.version = in.u8();
  out.range = in.address(41);
  if (!in.good()) return std::nullopt;
  return out;
}

std::optional<std::pair<std::string, Address>> read_query(std::string_view body) {
  Fields in(body);
  std::pair<std::string, Address> out;
  out.first = in.text(65);
  out.second = in.address(21);
  if (!in.good()) return std::nullopt;
  return out;
}

Alphabet alphabet_of(int coding) {
  switch (coding) {
    case 0x01: return Alphabet::kAscii;
    case 0x03: return Alphabet::kLatin1;
    case 0x02:
    case 0x04: return Alphabet::kBinary;
    case 0x08: return Alphabet::kUcs2;
    default: break;
  }
  if (coding >= 0xF0) return (coding & 4) != 0 ? Alphabet::kBinary : Alphabet::kGsm;
  if (coding >= 0xE0) return Alphabet::kUcs2;
  if (coding >= 0x10 && coding < 0x40) {
    const int bits = coding >> 2 & 3;
    return bits == 1 ? Alphabet::kBinary : bits == 2 ? Alphabet::kUcs2 : Alphabet::kGsm;
  }
  return Alphabet::kGsm;
}

std::optional<std::string> to_gsm(std::string_view utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto found = gsm_codes().find(next_point(utf8, at));
    if (found == gsm_codes().end()) return std::nullopt;
    out += found->second;
  }
  return out;
}

std::string from_gsm(std::string_view octets) {
  std::string out;
  for (std::size_t i = 0; i < octets.size(); ++i) {
    const auto code = static_cast<unsigned char>(octets[i]);
    if (code >= 0x80) {
      add_point(out, code);
    } else if (code != 0x1B) {
      add_point(out, kGsm[code]);
    } else if (++i < octets.size()) {
      const auto extended = static_cast<unsigned char>(octets[i]);
      char32_t point = extended == 0x1B ? U' ' : kGsm[extended & 0x7FU];
      for (const auto& each : kGsmExtension) {
        if (each.code == extended) point = each.point;
      }
      add_point(out, point);
    }
  }
  return out;
}

std::optional<std::string> to_latin1(std::string_view utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    const auto point = next_point(utf8, at);
    if (point > 0xFF) return std::nullopt;
    out += static_cast<char>(point);
  }
  return out;
}

std::string from_latin1(std::string_view octets) {
  std::string out;
  for (const char c : octets) add_point(out, static_cast<unsigned char>(c));
  return out;
}

std::string to_ucs2(std::string_view utf8) {
  std::string out;
  for (std::size_t at = 0; at < utf8.size();) {
    auto point = next_point(utf8, at);
    if (point >= 0x10000) {
      point -= 0x10000;
      add_u16(out, 0xD800 | point >> 10);
      point = 0xDC00 | (point & 0x3FF);
    }
    add_u16(out, point);
  }
  return out;
}

std::string from_ucs2(std::string_view octets) {
  const auto unit = [&](std::size_t i) {
    return static_cast<char32_t>(static_cast<unsigned char>(octets[i]) << 8 | static_cast<unsigned char>(octets[i + 1]));
  };
  std::string out;
  for (std::size_t i = 0; i + 1 < octets.size(); i += 2) {
    auto point = unit(i);
    if (point >= 0xD800 && point < 0xE000) {
      const bool pair = point < 0xDC00 && i + 3 < octets.size() && unit(i + 2) >= 0xDC00 && unit(i + 2) < 0xE000;
      if (!pair) {
        point = 0xFFFD;
      } else {
        point = 0x10000 + ((point & 0x3FF) << 10) + (unit(i + 2) & 0x3FF);
        i += 2;
      }
    }
    add_point(out, point);
  }
  return out;
}

std::string decode(Alphabet alphabet, std::string_view octets) {
  switch (alphabet) {
    case Alphabet::kGsm: return from_gsm(octets);
    case Alphabet::kUcs2: return from_ucs2(octets);
    case Alphabet::kBinary: {
      static constexpr char kDigits[] = "0123456789abcdef";
      std::string out;
      for (const char c : octets) {
        out += kDigits[static_cast<unsigned char>(c) >> 4];
        out += kDigits[static_cast<unsigned char>(c) & 15];
      }
      return out;
    }
    case Alphabet::kAscii:
    case Alphabet::kLatin1: break;
  }
  return from_latin1(octets);
}

std::vector<std::string> cut(Alphabet alphabet, std::string_view octets, std::size_t most) {
  if (alphabet == Alphabet::kUcs2) most &= ~std::size_t{1};
  std::vector<std::string> out;
  while (!octets.empty()) {
    auto size = std::min(most, octets.size());
    if (size < octets.size()) {
      if (alphabet == Alphabet::kGsm && octets[size - 1] == '\x1B') --size;
      if (alphabet == Alphabet::kUcs2 && (static_cast<unsigned char>(octets[size - 2]) & 0xFC) == 0xD8) size -= 2;
    }
    out.emplace_back(octets.substr(0, size));
    octets.remove_prefix(size);
  }
  return out;
}

Concat concat_of(const Sm& sm) {
  Concat out;
  const auto byte = [](const std::string& of, std::size_t i) { return static_cast<int>(static_cast<unsigned char>(of[i])); };
  const auto *ref = sm.tlv(kTagSarRef), *total = sm.tlv(kTagSarTotal), *part = sm.tlv(kTagSarPart);
  if (ref != nullptr && total != nullptr && part != nullptr && ref->size() == 2 && total->size() == 1 && part->size() == 1) {
    out = {1, byte(*ref, 0) << 8 | byte(*ref, 1), byte(*total, 0), byte(*part, 0), 0};
  }
  const auto& content = sm.content();
  if ((sm.esm_class & 0x40) != 0 && !content.empty() && static_cast<std::size_t>(byte(content, 0)) < content.size()) {
    out.header = static_cast<std::size_t>(byte(content, 0)) + 1;
    for (std::size_t at = 1; at + 1 < out.header;) {
      const auto size = static_cast<std::size_t>(byte(content, at + 1));
      if (at + 2 + size > out.header) break;
      if (byte(content, at) == 0x00 && size == 3) {
        out = {8, byte(content, at + 2), byte(content, at + 3), byte(content, at + 4), out.header};
      } else if (byte(content, at) == 0x08 && size == 4) {
        out = {16, byte(content, at + 2) << 8 | byte(content, at + 3), byte(content, at + 4), byte(content, at + 5), out.header};
      }
      at += 2 + size;
    }
  }
  if (out.total < 1 || out.part < 1 || out.part > out.total) out = {0, 0, 1, 1, out.header};
  return out;
}

}  // namespace sim::smpp
