#include "routing/routes.h"

#include <gtest/gtest.h>

namespace belfry::routing {
namespace {

Route to(std::string queue) {
  Route route;
  route.queue = std::move(queue);
  return route;
}
Route with_words(std::string queue, std::vector<std::string> words) {
  Route route = to(std::move(queue));
  route.words = std::move(words);
  return route;
}

std::string queue_of(const std::vector<Route>& routes, const Arrival& arrival) {
  const Route* route = route_of(routes, arrival);
  return route == nullptr ? "-" : route->queue;
}

TEST(Routes, TheFirstThatHoldsWins) {
  Route spanish = to("es");
  spanish.language = "es";
  Route number = to("vip");
  number.contact = "wa:city:4915*";
  Route account = to("night");
  account.account = "two";
  const std::vector<Route> routes{number, account, spanish};
  EXPECT_EQ(queue_of(routes, {"one", "wa", "", "wa:city:491512", "hi"}), "vip");
  EXPECT_EQ(queue_of(routes, {"two", "wa", "es", "wa:city:44", "hola"}), "night");
  EXPECT_EQ(queue_of(routes, {"one", "wa", "es", "wa:city:44", "hola"}), "es");
  EXPECT_EQ(queue_of(routes, {"one", "wa", "", "wa:city:44", "hola"}), "-");
  Route both = spanish;
  both.account = "two";
  EXPECT_EQ(queue_of({both}, {"one", "wa", "es", "", ""}), "-") << "all its conditions";
}

TEST(Routes, WordsAreWholeInAnyCaseAndScript) {
  struct Case {
    const char *word, *text;
    bool found;
  };
  for (const Case& c :
       {Case{"fire", "FIRE!", true}, Case{"fire", "there's a fire, help", true}, Case{"fire", "firefly", false},
        Case{"fire", "a campfire", false}, Case{"fuego", "¡Fuego!", true}, Case{"agua", "«Agua»", true},
        Case{"inundação", "INUNDAÇÃO na rua", true}, Case{"пожар", "ПОЖАР!", true}, Case{"пожар", "Пожарный", false},
        Case{"ёлка", "Ёлка", true}, Case{"حريق", "حريق، النجدة", true}, Case{"gas leak", "A Gas Leak here", true},
        Case{"gas leak", "gas is leaking", false}, Case{"feu", "—feu—", true}, Case{"x", "", false}}) {
    EXPECT_EQ(queue_of({with_words("q", {"nothing", c.word})}, {"", "", "", "", c.text}) == "q", c.found)
        << c.word << " in " << c.text;
  }
}

TEST(Routes, AreReadAsTheyWereWritten) {
  Route one = with_words("fire", {"fire", "gas leak"});
  one.life_safety = true;
  Route two = to("vip");
  two.contact = "wa:city:*";
  two.priority = 30;
  two.channel = "wa";
  two.bot = "guide";
  EXPECT_EQ(parse_routes(write_routes({one, two})), (std::vector<Route>{one, two}));
  EXPECT_EQ(parse_routes("\twa\t\t\t\thall\t0\t0\n").at(0).bot, "") << "written before there were programs";
  EXPECT_TRUE(parse_routes("").empty());
  EXPECT_TRUE(parse_routes("nonsense\n\t\t\n").empty()) << "without a queue";
  EXPECT_TRUE(languages_of({one, two}).empty());
}

}  // namespace
}  // namespace belfry::routing
