// Members of a JSON object that is being written as text: each is appended with its comma, the first after '{' without one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"

namespace belfry::wire {

void member(std::string& out, std::string_view name, std::string_view value);
void member(std::string& out, std::string_view name, const std::vector<std::string>& values);
void member_if(std::string& out, std::string_view name, std::string_view value);  // not an empty one
void member_int(std::string& out, std::string_view name, std::int64_t value);
void member_time(std::string& out, std::string_view name, WallTime value);  // not 0

}  // namespace belfry::wire
