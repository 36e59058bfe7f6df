// What the rooms of the API write alike: members of a JSON object, pages of a set of ids.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wire/members.h"
#include "gateway/api/call.h"

namespace belfry::gateway::api {

std::int64_t to_int(std::string_view digits);  // 0 for what is no number

// Weights as conversations: 13 is 1.3.
std::string in_conversations(std::int64_t weight);

// Each appends to an object that was begun with '{'.
using wire::member;
void number(std::string& out, std::string_view name, std::string_view digits);

// `after` of these lists is the last id of the page before, as it was said: made plain here. Answers 422 otherwise.
bool read_cursor(Call& call, Paging& page, std::optional<std::string> (*parse)(std::string_view));
// What was asked for may be a page of a sorted set of ids.
std::vector<std::string> page_of(const routing::Value& members, const Paging& page, std::string& next);

}  // namespace belfry::gateway::api
