// The words by which a citizen says that he does not want to be written to, that he does again, or that he needs help.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "belfry/message.h"

namespace belfry::smpp {

// What of a text counts for this: letters and digits, folded.
std::u32string fold_word(std::string_view text);

struct Words {
  std::vector<std::u32string> stop, start, help;  // folded
};
// English, Spanish, Portuguese, Russian and Arabic.
const Words& usual_words();

// The whole message is one of the words: case, blanks at its ends, punctuation around it and Arabic marks do not count.
Wish read_wish(std::string_view text, const Words& words);

}  // namespace belfry::smpp
