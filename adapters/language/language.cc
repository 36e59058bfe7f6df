#include "adapters/language/language.h"

#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
#include <cstdio>  // compact_lang_det.h needs it and does not include it

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace belfry::language {
namespace {

constexpr std::size_t kEnough = 4000;  // octets that are looked at: the first words say it
constexpr int kLeastLetters = 3;

struct Letters {
  int latin = 0, cyrillic = 0, arabic = 0, persian = 0, ukrainian = 0;
};

// Two octets make a letter of Cyrillic (D0, D1, D2) and Arabic (D8 to DB).
Letters count(std::string_view text) {
  Letters out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto a = static_cast<unsigned char>(text[i]);
    const auto b = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : static_cast<unsigned char>(0);
    if ((a >= 'a' && a <= 'z') || (a >= 'A' && a <= 'Z') || (a >= 0xC3 && a <= 0xC9)) ++out.latin;
    if (a >= 0xD0 && a <= 0xD2) ++out.cyrillic;
    if (a >= 0xD8 && a <= 0xDB) ++out.arabic;
    const auto is = [&](unsigned char first, unsigned char second) { return a == first && b == second; };
    if (is(0xD9, 0xBE) || is(0xDA, 0x86) || is(0xDA, 0x98) || is(0xDA, 0xAF)) ++out.persian;    // پ چ ژ گ
    if (is(0xD1, 0x96) || is(0xD1, 0x97) || is(0xD1, 0x94) || is(0xD2, 0x91)) ++out.ukrainian;  // і ї є ґ
    if (is(0xD0, 0x86) || is(0xD0, 0x87) || is(0xD0, 0x84) || is(0xD2, 0x90)) ++out.ukrainian;
  }
  return out;
}

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kClose{
    {{"gl", "pt"}, {"ca", "es"}, {"ast", "es"}, {"bg", "ru"}, {"mk", "ru"}}};

bool holds(const std::vector<std::string>& all, std::string_view one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

std::string of(std::string_view text, const std::vector<std::string>& wanted) {
  text = text.substr(0, kEnough);
  while (!text.empty() && text.size() == kEnough && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80)
    text.remove_suffix(1);
  const Letters letters = count(text);
  if (letters.latin + letters.cyrillic + letters.arabic < kLeastLetters) return {};
  if (letters.arabic > letters.latin && letters.arabic >= letters.cyrillic) return letters.persian > 0 ? "fa" : "ar";
  if (letters.cyrillic > letters.latin) return letters.ukrainian > 0 ? "uk" : "ru";

  const CLD2::CLDHints hints{nullptr, "", CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  std::array<CLD2::Language, 3> found{};
  std::array<int, 3> percent{};
  std::array<double, 3> score{};
  int octets = 0, valid = 0;
  bool reliable = false;
  // The one that checks UTF-8: what citizens' programs send is not always whole, and the others read on.
  const CLD2::Language best =
      CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), static_cast<int>(text.size()), true, &hints, CLD2::kCLDFlagBestEffort,
                                              found.data(), percent.data(), score.data(), nullptr, &octets, &reliable, &valid);
  for (const CLD2::Language each : found) {
    std::string code = CLD2::LanguageCode(each);
    if (each != CLD2::UNKNOWN_LANGUAGE && holds(wanted, code)) return code;
  }
  if (best == CLD2::UNKNOWN_LANGUAGE) return {};
  std::string code = CLD2::LanguageCode(best);
  for (const auto& [close, stands_for] : kClose) {
    if (code == close) return std::string(stands_for);
  }
  return code;
}

}  // namespace belfry::language
