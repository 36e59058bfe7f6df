#include "routing/routes.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

// Small letters for Latin and Cyrillic, and a space for the punctuation that is no ASCII: enough to find a word in a short
// message. Other scripts have no case, or are compared as they are.
std::string fold(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto a = static_cast<unsigned char>(text[i]);
    const auto b = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : static_cast<unsigned char>(0);
    const auto put = [&](int first, int second) {
      out.push_back(static_cast<char>(first));
      out.push_back(static_cast<char>(second));
      ++i;
    };
    if (a < 0x80) {
      out.push_back(a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : text[i]);
    } else if (a == 0xC2 || (a == 0xD8 && (b == 0x8C || b == 0x9B || b == 0x9F))) {  // ¡ ¿ « » ، ؛ ؟
      out.push_back(' ');
      ++i;
    } else if (a == 0xE2 && b == 0x80) {  // dashes and quotation marks
      out.push_back(' ');
      i += 2;
    } else if (a == 0xC3 && b >= 0x80 && b <= 0x9E && b != 0x97) {
      put(a, b + 0x20);
    } else if (a == 0xD0 && b >= 0x90 && b <= 0x9F) {
      put(a, b + 0x20);
    } else if (a == 0xD0 && b >= 0xA0 && b <= 0xAF) {
      put(0xD1, b - 0x20);
    } else if (a == 0xD0 && b >= 0x80 && b <= 0x8F) {
      put(0xD1, b + 0x10);
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

bool is_letter(char c) {
  const auto u = static_cast<unsigned char>(c);
  return u >= 0x80 || (u >= 'a' && u <= 'z') || (u >= '0' && u <= '9');
}

// Both folded.
bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_letter(text[at - 1])) && (end == text.size() || !is_letter(text[end]))) return true;
  }
  return false;
}

bool is_or_begins(std::string_view wanted, std::string_view address) {
  if (wanted.ends_with('*')) return address.starts_with(wanted.substr(0, wanted.size() - 1));
  return wanted == address;
}

std::string_view part_of(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

}  // namespace

const Route* route_of(const std::vector<Route>& routes, const Arrival& arrival) {
  std::string folded;
  for (const Route& route : routes) {
    if (!route.account.empty() && route.account != arrival.account) continue;
    if (!route.channel.empty() && route.channel != arrival.channel) continue;
    if (!route.language.empty() && route.language != arrival.language) continue;
    if (!route.contact.empty() && !is_or_begins(route.contact, arrival.address)) continue;
    if (!route.words.empty()) {
      if (folded.empty()) folded = fold(arrival.text);
      if (std::none_of(route.words.begin(), route.words.end(),
                       [&](const std::string& word) { return has_word(folded, fold(word)); }))
        continue;
    }
    return &route;
  }
  return nullptr;
}

std::vector<std::string> languages_of(const std::vector<Route>& routes) {
  std::vector<std::string> out;
  for (const Route& route : routes) {
    if (!route.language.empty() && std::find(out.begin(), out.end(), route.language) == out.end()) out.push_back(route.language);
  }
  return out;
}

std::vector<Route> parse_routes(std::string_view text) {
  std::vector<Route> out;
  while (!text.empty()) {
    std::string_view line = part_of(text, '\n');
    std::array<std::string_view, 9> part;
    for (std::string_view& each : part) each = part_of(line, '\t');
    if (part[5].empty()) continue;
    Route route{std::string(part[0]),
                std::string(part[1]),
                std::string(part[2]),
                std::string(part[3]),
                split_list(part[4]),
                std::string(part[5]),
                0,
                part[7] == "1",
                std::string(part[8])};
    std::from_chars(part[6].data(), part[6].data() + part[6].size(), route.priority);
    out.push_back(std::move(route));
  }
  return out;
}

std::string write_routes(const std::vector<Route>& routes) {
  std::string out;
  for (const Route& r : routes) {
    for (const std::string& each : {r.account, r.channel, r.language, r.contact, join_list(r.words), r.queue}) out += each + "\t";
    out += std::to_string(r.priority) + "\t" + (r.life_safety ? "1" : "0");
    if (!r.bot.empty()) out += "\t" + r.bot;
    out += "\n";
  }
  return out;
}

}  // namespace belfry::routing
