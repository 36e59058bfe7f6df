// What both client codecs must know of a request before they write it.
#include "adapters/wire/client_codec.h"

#include <algorithm>

namespace belfry::wire {

namespace {

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool is_visible(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool is_value(std::string_view text) {
  const auto bad = [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; };
  if (std::any_of(text.begin(), text.end(), bad)) return false;
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  return text.empty() || (!blank(text.front()) && !blank(text.back()));
}

}  // namespace

std::string_view unsendable(const HttpRequest& request) {
  if (!is_token(request.method)) return "method is not a token";
  if (request.method == "CONNECT") return "CONNECT is not offered";
  if (!is_visible(request.target) || request.target.front() != '/' || request.target.find('#') != std::string::npos) {
    return "target is not a path";
  }
  if (!is_visible(request.authority) || request.authority.find_first_of("@/?#") != std::string::npos)
    return "authority is not a host";
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return "a field name is not a token";
    if (!is_value(value)) return "a field value has control characters";
  }
  return {};
}

bool is_codecs_own(std::string_view name) {
  return name == "host" || name == "content-length" || name == "connection" || name == "keep-alive" ||
         name == "proxy-connection" || name == "transfer-encoding" || name == "upgrade" || name == "te" || name == "expect" ||
         name == "trailer";
}

bool is_idempotent(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "PUT" || method == "DELETE" || method == "OPTIONS" || method == "TRACE";
}

}  // namespace belfry::wire
