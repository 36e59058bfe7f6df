// The GSM 7-bit alphabet and its national tables (3GPP TS 23.038 6.2.1): one octet a septet, unpacked, as SMPP carries it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belfry::smpp {

// National language identifiers of TS 23.038 6.2.1.2.4: 1 Turkish, 2 Spanish, 3 Portuguese, 4 Bengali, 5 Gujarati, 6 Hindi,
// 7 Kannada, 8 Malayalam, 9 Oriya, 10 Punjabi, 11 Tamil, 12 Telugu, 13 Urdu. 0: the default tables.
struct Tables {
  std::uint8_t single = 0, locking = 0;
  friend bool operator==(const Tables&, const Tables&) = default;
};

// Appends the septets of one character, one, or an escape and one. False: these tables do not have it.
bool append_septets(std::string& out, char32_t character, Tables tables = {});
// To UTF-8. An unknown code after an escape is the main table's character; an escape at the end is dropped; two are a blank; an
// octet above 0x7F becomes U+FFFD.
std::string decode_septets(std::string_view septets, Tables tables = {});

// "tr", "es", "pt", "bn", "gu", "hi", "kn", "ml", "or", "pa", "ta", "te", "ur" -> id; nothing if there are no tables.
std::optional<std::uint8_t> language_id(std::string_view code);
// Spanish has only what follows an escape.
bool has_main_table(std::uint8_t language);

}  // namespace belfry::smpp
