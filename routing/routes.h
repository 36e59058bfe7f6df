// Which queue a new conversation goes to: that of the first route whose conditions all hold; if none, its account's own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::routing {

inline constexpr std::size_t kMaxRoutes = 100;
inline constexpr std::size_t kMaxRouteWords = 50;

struct Route {
  std::string account, channel, language;  // "": any. A language is its code, as in es
  std::string contact;                     // an address like wa:city:4915...; with * at its end, all that begin so
  std::vector<std::string> words;          // one of them stands in the first message, whole, whatever its case
  std::string queue;
  std::int64_t priority = 0;  // minutes, besides the queue's
  bool life_safety = false;   // before all else
  std::string bot;            // the agent, a program, that answers first if it is there; it hands over to the queue
  friend bool operator==(const Route&, const Route&) = default;
};

// Of the first message, as far as routes ask.
struct Arrival {
  std::string_view account, channel, language, address, text;
};
// Null: none holds. It lives as long as `routes`.
const Route* route_of(const std::vector<Route>& routes, const Arrival& arrival);
// The languages they ask for; none: nobody need find it out.
std::vector<std::string> languages_of(const std::vector<Route>& routes);

// As the store keeps them: a line a route. What cannot be read is left out.
std::vector<Route> parse_routes(std::string_view text);
std::string write_routes(const std::vector<Route>& routes);

}  // namespace belfry::routing
