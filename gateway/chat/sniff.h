// What a file is, by its own octets, whatever its name or its sender says. Kinds that a browser could run as ours (HTML, SVG,
// scripts) are in no row, so they are refused.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace belfry::gateway {

// A media type, or nothing: not a kind that citizens may send.
std::optional<std::string> sniff(std::string_view bytes);

}  // namespace belfry::gateway
