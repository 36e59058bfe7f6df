// Times as text: RFC 3339, UTC, milliseconds.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "belfry/clock.h"

namespace belfry::wire {

std::string rfc3339(WallTime time);
// Takes any offset and any number of fraction digits.
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace belfry::wire
