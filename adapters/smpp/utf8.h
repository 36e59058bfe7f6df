// UTF-8 in and out, by one character (RFC 3629).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace belfry::smpp {

// The character at `at`, which moves behind it. Nothing: not UTF-8 (overlong forms and surrogates are none).
std::optional<char32_t> next_utf8(std::string_view text, std::size_t& at);
// U+FFFD for what is no character.
void append_utf8(std::string& out, char32_t character);

}  // namespace belfry::smpp
