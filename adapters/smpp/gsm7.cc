#include "adapters/smpp/gsm7.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "adapters/smpp/gsm7_tables.h"
#include "adapters/smpp/utf8.h"

namespace belfry::smpp {
namespace {

constexpr char kEscape = 0x1B;
constexpr char32_t kReplacement = 0xFFFD;

std::u16string_view main_of(std::uint8_t language) {
  const std::u16string_view table = language < kLanguages ? kMain[language] : kMain[0];
  return table.empty() ? kMain[0] : table;
}
std::u16string_view shifted_of(std::uint8_t language) { return language < kLanguages ? kShifted[language] : kShifted[0]; }

// Character -> code, of one table; made at first use. What most texts are made of needs no search.
class Codes {
 public:
  Codes() { latin_.fill(kNone); }
  void emplace(char16_t character, char code) {
    if (character >= latin_.size()) {
      rest_.emplace(character, code);
    } else if (latin_[character] == kNone) {
      latin_[character] = code;
    }
  }
  std::optional<char> find(char16_t character) const {
    if (character < latin_.size()) return latin_[character] == kNone ? std::nullopt : std::optional(latin_[character]);
    const auto it = rest_.find(character);
    return it == rest_.end() ? std::nullopt : std::optional(it->second);
  }

 private:
  static constexpr char kNone = static_cast<char>(0xFF);  // no septet
  std::array<char, 256> latin_{};
  std::unordered_map<char16_t, char> rest_;
};
Codes codes_of_main(std::u16string_view table) {
  Codes codes;
  for (std::size_t code = 0; code < table.size(); ++code) {
    if (code != static_cast<std::size_t>(kEscape)) codes.emplace(table[code], static_cast<char>(code));
  }
  return codes;
}
Codes codes_of_shifted(std::u16string_view pairs) {
  Codes codes;
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) codes.emplace(pairs[i + 1], static_cast<char>(pairs[i]));
  return codes;
}
template <auto Make, auto Table>
const std::array<Codes, kLanguages>& all_codes() {
  static const std::array<Codes, kLanguages> all = [] {
    std::array<Codes, kLanguages> out;
    for (std::uint8_t i = 0; i < kLanguages; ++i) out[i] = Make(Table(i));
    return out;
  }();
  return all;
}

}  // namespace

bool append_septets(std::string& out, char32_t character, Tables tables) {
  if (character > 0xFFFF) return false;
  const auto unit = static_cast<char16_t>(character);
  const Codes& main = all_codes<codes_of_main, main_of>()[tables.locking < kLanguages ? tables.locking : 0];
  if (const auto code = main.find(unit)) {
    out.push_back(*code);
    return true;
  }
  const Codes& shifted = all_codes<codes_of_shifted, shifted_of>()[tables.single < kLanguages ? tables.single : 0];
  const auto code = shifted.find(unit);
  if (!code) return false;
  out.push_back(kEscape);
  out.push_back(*code);
  return true;
}

std::string decode_septets(std::string_view septets, Tables tables) {
  const std::u16string_view main = main_of(tables.locking), shifted = shifted_of(tables.single);
  std::string out;
  out.reserve(septets.size());
  const auto plain = [&](char c) {
    const auto code = static_cast<unsigned char>(c);
    append_utf8(out, code > 0x7F ? kReplacement : static_cast<char32_t>(main[code]));
  };
  for (std::size_t i = 0; i < septets.size(); ++i) {
    if (septets[i] != kEscape) {
      plain(septets[i]);
      continue;
    }
    if (++i == septets.size()) break;
    if (septets[i] == kEscape) {
      out.push_back(' ');
      continue;
    }
    bool found = false;
    for (std::size_t at = 0; at + 1 < shifted.size() && !found; at += 2) {
      found = shifted[at] == static_cast<unsigned char>(septets[i]);
      if (found) append_utf8(out, shifted[at + 1]);
    }
    if (!found) plain(septets[i]);
  }
  return out;
}

std::optional<std::uint8_t> language_id(std::string_view code) {
  constexpr std::array<std::string_view, kLanguages> kCodes{"",   "tr", "es", "pt", "bn", "gu", "hi",
                                                            "kn", "ml", "or", "pa", "ta", "te", "ur"};
  const auto* it = std::find(kCodes.begin() + 1, kCodes.end(), code);
  if (it == kCodes.end()) return std::nullopt;
  return static_cast<std::uint8_t>(it - kCodes.begin());
}

bool has_main_table(std::uint8_t language) { return language < kLanguages && !kMain[language].empty(); }

}  // namespace belfry::smpp
