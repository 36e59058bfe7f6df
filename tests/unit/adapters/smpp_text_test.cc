// Texts of SMS: alphabets, lengths (TS 23.040 9.2.3.24), where they are cut, and back.
#include "adapters/smpp/text.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "adapters/smpp/udh.h"
#include "adapters/smpp/utf8.h"
#include "adapters/smpp/words.h"

namespace belfry::smpp {
namespace {

std::string repeated(std::string_view what, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += what;
  return out;
}

std::size_t count(const std::string& text, const TextPolicy& policy) {
  const auto planned = plan(text, policy);
  return planned ? planned->parts.size() : 0;
}

TEST(SmppText, EachWayHasItsLengths) {
  struct Row {
    std::string_view letter;
    TextPolicy policy;
    std::size_t one, many;
  };
  const std::vector<Row> rows{
      {"a", {Alphabet::kGsm7, {}, Long::kUdh8}, 160, 153},
      {"a", {Alphabet::kGsm7, {}, Long::kUdh16}, 160, 152},
      {"a", {Alphabet::kAscii, {}, Long::kUdh8}, 160, 153},
      {"a", {Alphabet::kLatin1, {}, Long::kUdh8}, 140, 134},
      {"a", {Alphabet::kLatin1, {}, Long::kUdh16}, 140, 133},
      {"я", {Alphabet::kGsm7, {}, Long::kUdh8}, 70, 67},
      {"я", {Alphabet::kGsm7, {}, Long::kUdh16}, 70, 66},
      {"ş", {Alphabet::kGsm7, {1}, Long::kUdh8}, 152, 146},  // the main table: 155 with one header, cheaper than an escape each
  };
  for (const Row& row : rows) {
    if (row.letter != "ş") {
      EXPECT_EQ(count(repeated(row.letter, row.one), row.policy), 1U) << row.letter << row.one;
      EXPECT_EQ(count(repeated(row.letter, row.one + 1), row.policy), 2U) << row.letter << row.one;
      EXPECT_EQ(count(repeated(row.letter, row.many * 2), row.policy), 2U) << row.letter << row.many;
      EXPECT_EQ(count(repeated(row.letter, row.many * 2 + 1), row.policy), 3U) << row.letter << row.many;
      EXPECT_EQ(count(repeated(row.letter, row.many * 255), row.policy), 255U);
      EXPECT_EQ(plan(repeated(row.letter, row.many * 255 + 1), row.policy).error().code, Errc::kTooLarge);
    } else {
      EXPECT_EQ(count(repeated(row.letter, 155), row.policy), 1U);
      EXPECT_EQ(count(repeated(row.letter, 156), row.policy), 2U);
      EXPECT_EQ(count(repeated(row.letter, 149 * 2), row.policy), 2U);
      EXPECT_EQ(count(repeated(row.letter, 149 * 2 + 1), row.policy), 3U);
    }
  }
}

TEST(SmppText, NothingIsCutInTwoThatAPersonSeesAsOne) {
  // An escape and its code go together: 152 septets, then the pair.
  auto euro = plan(repeated("a", 152) + "€" + repeated("b", 20), {});
  ASSERT_EQ(euro->parts.size(), 2U);
  EXPECT_EQ(euro->units, (std::vector<int>{152, 22}));
  // A pair of surrogates too.
  auto emoji = plan(repeated("я", 66) + "🚰" + repeated("я", 20), {});
  EXPECT_EQ(emoji->units, (std::vector<int>{66, 22}));
  // And a family, a flag, a letter with its mark.
  auto family = plan(repeated("я", 62) + "👨‍👩‍👧" + repeated("я", 20), {});
  EXPECT_EQ(family->units, (std::vector<int>{62, 28}));
  auto flag = plan(repeated("я", 65) + "🇩🇪" + repeated("я", 20), {});
  EXPECT_EQ(flag->units, (std::vector<int>{65, 24}));
  auto mark = plan(repeated("я", 66) + "и\xCC\x86" + repeated("я", 20), {});
  EXPECT_EQ(mark->units, (std::vector<int>{66, 22}));
}

TEST(SmppText, NoCharacterBecomesAnother) {
  auto umlaut = plan("Größe: 5 €", {});
  EXPECT_EQ(umlaut->coding, Coding::kGsm7);
  auto acute = plan("ÁÉ1", {});
  EXPECT_EQ(acute->coding, Coding::kUcs2);
  EXPECT_EQ(acute->forced, (std::vector<std::string>{"Á"}));
  EXPECT_EQ(plan("ÁÉ1", {Alphabet::kLatin1, {}, Long::kUdh8})->coding, Coding::kLatin1);
  EXPECT_EQ(plan("é", {Alphabet::kAscii, {}, Long::kUdh8})->coding, Coding::kUcs2);
  EXPECT_EQ(plan("ÁÍ", {Alphabet::kGsm7, {2}, Long::kUdh8})->tables, (Tables{2, 0}));
  EXPECT_EQ(plan("\xC3", {}).error().code, Errc::kBadInput);
  EXPECT_EQ(plan("", {}).error().code, Errc::kBadInput);
}

TEST(SmppText, SegmentsJoinToTheText) {
  const std::string text = repeated("вода и мост 🚰 ", 30);
  for (const Long how : {Long::kUdh8, Long::kUdh16, Long::kSar, Long::kPayload}) {
    const TextPolicy policy{Alphabet::kGsm7, {}, how};
    const auto planned = plan(text, policy);
    std::string octets;
    for (const Segment& segment : segments(*planned, policy, 0x1234, false)) {
      EXPECT_EQ(segment.data_coding, 0x08);
      std::string_view part = segment.short_message.empty() ? segment.payload : segment.short_message;
      if (segment.esm_class == 0x40) {
        const UserData data = read_user_data(part);
        EXPECT_EQ(data.header.concat->ref, how == Long::kUdh16 ? 0x1234 : 0x34);
        part = data.text;
      }
      octets += part;
    }
    EXPECT_EQ(decode_text(0x08, octets, Alphabet::kGsm7).text, text);
  }
  EXPECT_EQ(segments(*plan("x", {}), {}, 1, true).front().data_coding, 0x10);
  EXPECT_EQ(segments(*plan("я", {}), {}, 1, true).front().data_coding, 0x18);
}

TEST(SmppText, EveryTableIsTheStandards) {
  std::ifstream file(std::string(BELFRY_SHARED_DATA) + "/smpp/text/gsm-tables.tsv");
  if (!file) GTEST_SKIP() << "no tables beside this tree";
  std::string line;
  int rows = 0;
  while (std::getline(file, line)) {
    if (line.starts_with("#")) continue;
    std::istringstream in(line);
    std::string kind, id, name, code, unicode;
    for (std::string* each : {&kind, &id, &name, &code, &unicode}) std::getline(in, *each, '\t');
    const auto language = static_cast<std::uint8_t>(std::stoi(id));
    const auto octet = static_cast<char>(std::stoi(code, nullptr, 16));
    const auto character = static_cast<char32_t>(std::stoi(unicode.substr(2), nullptr, 16));
    std::string wanted;
    append_utf8(wanted, character);
    const bool single = kind == "single";
    const Tables tables = single ? Tables{language, 0} : Tables{0, language};
    EXPECT_EQ(decode_septets(single ? std::string("\x1B") + octet : std::string(1, octet), tables), wanted) << line;
    std::string septets;
    EXPECT_TRUE(append_septets(septets, character, tables)) << line;
    EXPECT_EQ(decode_septets(septets, tables), wanted) << line;
    ++rows;
  }
  EXPECT_GT(rows, 2'400);
}

TEST(SmppText, BengaliDigitsStandInItsShiftedRow) {  // TS 23.038 A.2.4
  EXPECT_EQ(decode_septets("\x1B\x19\x1B\x1A\x1B\x1C\x1B\x1D\x1B\x1E\x1B\x1F\x1B\x20", Tables{4, 0}), "০১২৩৪৫৬");
  EXPECT_EQ(decode_septets("\x1B\x10\x1B\x11\x1B\x12\x1B\x14\x1B\x16\x1B\x17\x1B\x18", Tables{4, 0}), "<=>^_#*");
  std::string septets;
  for (const char32_t digit : std::u32string(U"০৫")) EXPECT_TRUE(append_septets(septets, digit, Tables{4, 0}));
  EXPECT_EQ(septets, "\x1B\x19\x1B\x1F");
}

TEST(SmppText, WhatComesIsReadByItsCoding) {
  struct Row {
    int coding;
    std::string octets;
    std::string text;
  };
  using namespace std::string_literals;
  const std::vector<Row> rows{{0x00, "\0\x02\x1B\x65"s, "@$€"},
                              {0x00, "caf\xE9"s, "café"},
                              {0x01, "a@b"s, "a@b"},
                              {0x03, "\xE1"s, "á"},
                              {0x06, "\xBF\xE0"s, "Пр"},
                              {0x08, "\x04\x12"s, "В"},
                              {0x08, "\xFE\xFF\x04\x12"s, "В"},
                              {0x08, "\xFF\xFE\x12\x04"s, "В"},
                              {0x08, "\xD8\x3D\xDE\xB0"s, "🚰"},
                              {0x08, "\xD8\x3D"s, "\xEF\xBF\xBD"},
                              {0x08, "\x04\x12\x04"s, "В\xEF\xBF\xBD"},
                              {0x18, "\x04\x12"s, "В"},
                              {0xF0, "hi"s, "hi"},
                              {0xE0, "\x04\x12"s, "В"},
                              {0xD0, "hi"s, "hi"}};
  for (const Row& row : rows)
    EXPECT_EQ(decode_text(static_cast<std::uint8_t>(row.coding), row.octets, Alphabet::kGsm7).text, row.text) << row.coding;
  EXPECT_TRUE(decode_text(0x18, "", Alphabet::kGsm7).flash);
  EXPECT_TRUE(decode_text(0xF0, "", Alphabet::kGsm7).flash);
  EXPECT_FALSE(decode_text(0xF1, "", Alphabet::kGsm7).flash);
  EXPECT_EQ(decode_text(0x04, "x", Alphabet::kGsm7).kind, Decoded::Kind::kBinary);
  EXPECT_EQ(decode_text(0xC8, "x", Alphabet::kGsm7).kind, Decoded::Kind::kWaiting);
}

TEST(SmppText, AHeaderThatIsNoneIsText) {
  EXPECT_EQ(read_user_data("\x05hi").text, "\x05hi");
  const UserData zero = read_user_data(std::string_view("\x05\x00\x03\x07\x00\x01hi", 8));
  EXPECT_FALSE(zero.header.concat);
  EXPECT_EQ(zero.text, "hi");
}

TEST(SmppText, WordsAreHeardHoweverTheyAreWritten) {
  for (const std::string_view stop : {"STOP", " stop. ", "Stop!", "СТОП", "стоп", "إِيقَاف", "Baja", "sair", "STOP\nALL", "pare"})
    EXPECT_EQ(read_wish(stop, usual_words()), Wish::kStop) << stop;
  for (const std::string_view start : {"start", "СТАРТ", "ابدأ", "Começar"})
    EXPECT_EQ(read_wish(start, usual_words()), Wish::kStart) << start;
  for (const std::string_view help : {"help?", "Ayuda", "ПОМОЩЬ", "مساعدة"})
    EXPECT_EQ(read_wish(help, usual_words()), Wish::kHelp) << help;
  for (const std::string_view none :
       {"", "!!!", "stop the water in Mill Lane", "stopp", "Start tomorrow", "\xFF", "cancel", "End"})
    EXPECT_EQ(read_wish(none, usual_words()), Wish::kNone) << none;
}

}  // namespace
}  // namespace belfry::smpp
