// What who wrote STOP, START or HELP hears.
#pragma once

#include <string>
#include <string_view>

#include "belfry/message.h"
#include "gateway/services.h"

namespace belfry::gateway {

// The operator's words, else ours in the language of the word that he wrote.
std::string answer_to(Wish wish, std::string_view text, const AccountInfo& account);

}  // namespace belfry::gateway
