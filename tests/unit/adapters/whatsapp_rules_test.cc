// Each rule of a single word: what passes and what does not.
#include "adapters/whatsapp/rules.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::whatsapp {
namespace {

TEST(WhatsappRules, OneEmojiAsAPersonCounts) {
  for (const char* const one : {"👍",
                                "😀",
                                "❤",
                                "❤️",
                                "👍🏽",
                                "👩‍🚀",
                                "👩🏽‍🚀",
                                "👨‍👩‍👧‍👦",
                                "🏳️‍🌈",
                                "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
                                "🇩🇪",
                                "1️⃣",
                                "#⃣",
                                "❤️‍🔥",
                                "☎️",
                                "©️",
                                "㊗️",
                                "〰️",
                                "⭐",
                                "🫠",
                                "🅰️",
                                "⏰",
                                "↩️",
                                "🤝🏿"}) {
    EXPECT_TRUE(is_one_emoji(one)) << one;
  }
  for (const char* const none : {"",
                                 "yes",
                                 "a",
                                 "ä",
                                 "1",
                                 "#",
                                 "👍👍",
                                 "👍a",
                                 "a👍",
                                 " 👍",
                                 "👍 ",
                                 "🇩",
                                 "🇩🇪🇫🇷",
                                 "🇩a",
                                 "1️⃣2️⃣",
                                 "1️",
                                 "👍‍",
                                 "‍👍",
                                 "️",
                                 ":)",
                                 "👍\xff",
                                 "\xf0\x9f\x91",
                                 "\xf0\x9f",
                                 "世",
                                 "👍🏽🏽"}) {
    EXPECT_FALSE(is_one_emoji(none)) << none;
  }
  EXPECT_FALSE(is_one_emoji(std::string("1⃣\0", 5)));
}

TEST(WhatsappRules, ADayThatExists) {
  for (const char* const day : {"1980-02-03", "2000-02-29", "2024-02-29", "1999-12-31", "0001-01-01"})
    EXPECT_TRUE(is_date(day)) << day;
  for (const char* const none :
       {"", "in May", "1980-2-3", "1980/02/03", "1980-13-01", "1980-00-01", "1980-01-00", "1900-02-29", "2023-02-29",
        "1980-04-31", "1980-02-03T", "-980-02-03", "1980--2-03", "1980-02-+3", "03-02-1980"}) {
    EXPECT_FALSE(is_date(none)) << none;
  }
}

TEST(WhatsappRules, AnAddressWithAHost) {
  for (const char* const link : {"https://a", "https://files.example.org/a?b=c#d", "https://[::1]:8443/a",
                                 "https://u:p@a.example/", "https://Mühlgasse.example/ü"})
    EXPECT_TRUE(is_link(link)) << link;
  for (const char* const none :
       {"", "https://", "https:///a", "https://?a", "https://#a", "https://:443/a", "https://u@/a", "https://a b", "https://a/\n",
        "http://a", "HTTPS", "javascript:1", "nowhere", "https://./", "https://-"})
    EXPECT_FALSE(is_link(none)) << none;
  EXPECT_TRUE(is_link("http://a", true));
  EXPECT_FALSE(is_link("http://", true));
}

}  // namespace
}  // namespace belfry::whatsapp
