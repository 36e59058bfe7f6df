#include "adapters/language/language.h"

#include <gtest/gtest.h>

namespace belfry::language {
namespace {

TEST(Language, OfShortCivicMessages) {
  struct Case {
    const char *text, *code;
  };
  for (const Case& c : {
           Case{"There is no water in our street since this morning", "en"},
           Case{"No hay agua en mi calle desde ayer por la mañana", "es"},
           Case{"A rua está alagada e não conseguimos sair de casa", "pt"},
           Case{"нет света с 6 утра, когда включат?", "ru"},
           Case{"У нас немає води, коли її увімкнуть?", "uk"},
           Case{"لا يوجد ماء منذ الصباح", "ar"},
           Case{"آب قطع است، چه کار کنیم؟", "fa"},
           Case{"Bei uns ist seit heute Morgen der Strom ausgefallen", "de"},
           Case{"", ""},
           Case{"ok", ""},
           Case{"12345 !!!", ""},
           Case{"👍👍", ""},
       }) {
    EXPECT_EQ(of(c.text), c.code) << c.text;
  }
}

TEST(Language, WhatIsWantedCountsFirst) {
  const std::string words = "sem luz desde as 6";  // taken for Galician
  EXPECT_EQ(of(words, {"pt", "es"}), "pt");
}

TEST(Language, HalfACharacterAtTheEndDoesNoHarm) {
  std::string text;
  while (text.size() < 5000) text += "нет воды ";
  for (std::size_t cut = 0; cut < 4; ++cut) EXPECT_EQ(of(std::string_view(text).substr(cut)), "ru");
}

}  // namespace
}  // namespace belfry::language
