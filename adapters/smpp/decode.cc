// The way in of text.h: what a data_coding says about the octets (SMPP 3.4 5.2.19; TS 23.038 4 for the values that SMPP leaves
// open).
#include <iconv.h>

#include <array>

#include "adapters/smpp/text.h"
#include "adapters/smpp/utf8.h"

namespace belfry::smpp {
namespace {

std::string from_latin1(std::string_view octets) {
  std::string out;
  for (const char c : octets) append_utf8(out, static_cast<unsigned char>(c));
  return out;
}

std::string from_ascii(std::string_view octets) {
  std::string out;
  for (const char c : octets) append_utf8(out, static_cast<unsigned char>(c) < 0x80 ? static_cast<unsigned char>(c) : 0xFFFDU);
  return out;
}

// Big-endian unless a byte order mark says else. Half a pair, and half a unit at the end, become U+FFFD.
std::string from_ucs2(std::string_view octets) {
  bool little = false;
  if (octets.starts_with("\xFE\xFF")) {
    octets.remove_prefix(2);
  } else if (octets.starts_with("\xFF\xFE")) {
    octets.remove_prefix(2);
    little = true;
  }
  std::string out;
  const auto unit = [&](std::size_t at) {
    const auto first = static_cast<unsigned char>(octets[at]), second = static_cast<unsigned char>(octets[at + 1]);
    return static_cast<char32_t>(little ? second * 256U + first : first * 256U + second);
  };
  std::size_t at = 0;
  for (; at + 2 <= octets.size(); at += 2) {
    char32_t c = unit(at);
    if (c >= 0xD800 && c <= 0xDBFF && at + 4 <= octets.size()) {
      const char32_t low = unit(at + 2);
      if (low >= 0xDC00 && low <= 0xDFFF) {
        c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        at += 2;
      }
    }
    append_utf8(out, c);
  }
  if (at < octets.size()) append_utf8(out, 0xFFFD);
  return out;
}

// A charset that only the C library knows. What it cannot read becomes U+FFFD, octet by octet.
std::string from_charset(const char* name, std::string_view octets) {
  const iconv_t how = iconv_open("UTF-8", name);
  if (how == reinterpret_cast<iconv_t>(-1)) return from_latin1(octets);  // NOLINT: as POSIX has it
  std::string in(octets), out;
  char* from = in.data();
  std::size_t left = in.size();
  while (left > 0) {
    std::array<char, 1024> buffer;
    char* to = buffer.data();
    std::size_t room = buffer.size();
    const std::size_t said = iconv(how, &from, &left, &to, &room);
    out.append(buffer.data(), buffer.size() - room);
    if (said != static_cast<std::size_t>(-1) || left == 0) continue;
    if (errno == E2BIG) continue;
    append_utf8(out, 0xFFFD);
    ++from;
    --left;
  }
  iconv_close(how);
  return out;
}

std::string from_default(std::string_view octets, Alphabet alphabet, Tables tables) {
  switch (alphabet) {
    case Alphabet::kLatin1: return from_latin1(octets);
    case Alphabet::kAscii: return from_ascii(octets);
    case Alphabet::kGsm7: break;
  }
  // Who sends eight bits where seven were agreed speaks Latin-1, whatever his configuration says.
  for (const char c : octets) {
    if (static_cast<unsigned char>(c) > 0x7F) return from_latin1(octets);
  }
  return decode_septets(octets, tables);
}

}  // namespace

bool is_ucs2(std::uint8_t coding) {
  if (coding == 0x08 || (coding & 0xF0) == 0xE0) return true;
  return coding >= 0x10 && coding < 0x40 && (coding & 0x0C) == 0x08;
}

Decoded decode_text(std::uint8_t coding, std::string_view octets, Alphabet alphabet, Tables tables) {
  Decoded out;
  const auto binary = [&out] {
    out.kind = Decoded::Kind::kBinary;
    return out;
  };
  if (is_ucs2(coding)) {
    out.text = from_ucs2(octets);
    out.flash = coding >= 0x10 && coding < 0x40 && (coding & 0x13) == 0x10;
    return out;
  }
  if (coding >= 0xC0 && coding <= 0xCF) {
    out.kind = Decoded::Kind::kWaiting;
    return out;
  }
  if (coding >= 0xF0) {
    if ((coding & 0x04) != 0) return binary();
    out.flash = (coding & 0x03) == 0;
    out.text = from_default(octets, alphabet, tables);
    return out;
  }
  if (coding >= 0x10 && coding < 0x40) {
    if ((coding & 0x0C) == 0x04 || (coding & 0x20) != 0) return binary();  // 8-bit, or compressed
    out.flash = (coding & 0x13) == 0x10;
    out.text = from_default(octets, alphabet, tables);
    return out;
  }
  switch (coding) {
    case 0x01: out.text = from_ascii(octets); break;
    case 0x02:
    case 0x04: return binary();
    case 0x03: out.text = from_latin1(octets); break;
    case 0x05: out.text = from_charset("SHIFT_JIS", octets); break;
    case 0x06: out.text = from_charset("ISO-8859-5", octets); break;
    case 0x07: out.text = from_charset("ISO-8859-8", octets); break;
    case 0x0A: out.text = from_charset("ISO-2022-JP", octets); break;
    case 0x0D: out.text = from_charset("EUC-JP", octets); break;
    case 0x0E: out.text = from_charset("EUC-KR", octets); break;
    default: out.text = from_default(octets, alphabet, tables);
  }
  return out;
}

}  // namespace belfry::smpp
