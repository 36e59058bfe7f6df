#include "adapters/whatsapp/rules.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <string>
#include <utility>

namespace belfry::whatsapp {
namespace {

constexpr char32_t kJoiner = 0x200D;
constexpr char32_t kKeycap = 0x20E3;

// Blocks with emoji in them. (Regional indicators stand in the last one; two of them are a flag and go their own way.)
constexpr std::array<std::pair<char32_t, char32_t>, 15> kPictographs = {{{0xA9, 0xA9},
                                                                         {0xAE, 0xAE},
                                                                         {0x203C, 0x203C},
                                                                         {0x2049, 0x2049},
                                                                         {0x2122, 0x2122},
                                                                         {0x2139, 0x2139},
                                                                         {0x2190, 0x21FF},
                                                                         {0x2300, 0x23FF},
                                                                         {0x24C2, 0x24C2},
                                                                         {0x25A0, 0x27BF},
                                                                         {0x2900, 0x297F},
                                                                         {0x2B00, 0x2BFF},
                                                                         {0x3030, 0x303D},
                                                                         {0x3297, 0x3299},
                                                                         {0x1F000, 0x1FAFF}}};

bool is_regional(char32_t c) { return c >= 0x1F1E6 && c <= 0x1F1FF; }
bool is_pictograph(char32_t c) {
  return !is_regional(c) && std::any_of(kPictographs.begin(), kPictographs.end(),
                                        [c](const auto& block) { return c >= block.first && c <= block.second; });
}
bool is_variant(char32_t c) { return c == 0xFE0E || c == 0xFE0F; }
bool is_skin_tone(char32_t c) { return c >= 0x1F3FB && c <= 0x1F3FF; }
bool is_tag(char32_t c) { return c >= 0xE0020 && c <= 0xE007F; }  // the flags of England and others
bool is_keycap_base(char32_t c) { return (c >= U'0' && c <= U'9') || c == U'#' || c == U'*'; }

// Nothing of a text that is no UTF-8. Whether a form is the shortest does not matter here.
std::u32string code_points(std::string_view text) {
  std::u32string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80U   ? 1
                               : first < 0xC0U ? 0
                               : first < 0xE0U ? 2
                               : first < 0xF0U ? 3
                               : first < 0xF8U ? 4
                                               : 0;
    if (length == 0 || i + length > text.size()) return {};
    char32_t point = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t k = 1; k < length; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xC0U) != 0x80U) return {};
      point = (point << 6U) | (next & 0x3FU);
    }
    out.push_back(point);
    i += length;
  }
  return out;
}

int number(std::string_view digits) {
  int value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return error == std::errc() && end == digits.data() + digits.size() ? value : -1;
}

}  // namespace

bool is_link(std::string_view text, bool plain_too) {
  if (text.starts_with("https://")) {
    text.remove_prefix(8);
  } else if (plain_too && text.starts_with("http://")) {
    text.remove_prefix(7);
  } else {
    return false;
  }
  if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20U || c == 0x7F; }))
    return false;
  std::string_view host = text.substr(0, text.find_first_of("/?#"));
  if (const auto at = host.rfind('@'); at != std::string_view::npos) host.remove_prefix(at + 1);
  return !host.empty() && host.find_first_of(":.-<>()\"\\{}|^`") != 0;
}

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const int year = number(text.substr(0, 4));
  const int month = number(text.substr(5, 2));
  const int day = number(text.substr(8, 2));
  if (year < 0 || month < 1 || month > 12) return false;
  constexpr std::array kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day >= 1 && day <= kDays.at(static_cast<std::size_t>(month) - 1) + (month == 2 && leap ? 1 : 0);
}

bool is_one_emoji(std::string_view text) {
  std::u32string points = code_points(text);
  if (points.empty()) return false;
  if (is_regional(points[0])) return points.size() == 2 && is_regional(points[1]);
  points.push_back(0);  // no emoji, and the end
  std::size_t at = 0;
  if (is_keycap_base(points[0])) {
    at = is_variant(points[1]) ? 2 : 1;
    return points[at] == kKeycap && at + 2 == points.size();
  }
  while (is_pictograph(points[at])) {
    ++at;
    if (is_variant(points[at])) ++at;
    if (is_skin_tone(points[at])) ++at;
    while (is_tag(points[at])) ++at;
    if (at + 1 == points.size()) return true;
    if (points[at++] != kJoiner) return false;
  }
  return false;
}

}  // namespace belfry::whatsapp
