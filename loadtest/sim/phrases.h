// What people of the town say, in five languages: en es pt ru ar.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base.h"

namespace sim {

struct Tongue {
  std::string language;
  std::vector<std::string> openings, details, thanks, impatience, answers, names;
  std::vector<std::string> prefixes;  // of phone numbers
};

const std::vector<Tongue>& tongues();
const Tongue& tongue(std::string_view language);  // en if unknown

// The language of something a citizen of this town said; en if it is nobody's phrase.
const std::string& language_of(std::string_view text);

// An agent's words for the n-th answer, in that language.
std::string agent_phrase(Chance& chance, int turn, std::string_view language = "en");

}  // namespace sim
