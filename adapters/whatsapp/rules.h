// Rules of single words that Graph keeps and a person breaks easily: told before the message is acknowledged, not after.
#pragma once

#include <string_view>

namespace belfry::whatsapp {

// A whole address with a host: https://host…, and http:// where it is no file that Meta must fetch.
bool is_link(std::string_view text, bool plain_too = false);

// A day that exists, as YYYY-MM-DD.
bool is_date(std::string_view text);

// One emoji as a person counts: a pictograph with its skin tone or variant, any number of them joined (a family, a profession), a
// flag, or a keycap. Which pictographs there are changes every year, so whole blocks of symbols pass; letters and digits do not.
bool is_one_emoji(std::string_view text);

}  // namespace belfry::whatsapp
