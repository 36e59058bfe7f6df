// The few lines of code behind the values of this floor.
#include <algorithm>
#include <charconv>

#include "belfry/http.h"
#include "belfry/list.h"
#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry {

std::string_view name_of(Errc code) {
  switch (code) {
    case Errc::kBadInput: return "bad_input";
    case Errc::kUnauthorized: return "unauthorized";
    case Errc::kForbidden: return "forbidden";
    case Errc::kNotFound: return "not_found";
    case Errc::kConflict: return "conflict";
    case Errc::kTooLarge: return "too_large";
    case Errc::kBusy: return "busy";
    case Errc::kUnavailable: return "unavailable";
    case Errc::kTimeout: return "timeout";
    case Errc::kClosed: return "closed";
    case Errc::kUnsupported: return "unsupported";
    case Errc::kInternal: return "internal";
  }
  return "internal";
}

void Headers::set(std::string_view name, std::string value) {
  std::erase_if(fields_, [&](const auto& field) { return field.first == name; });
  fields_.emplace_back(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& [key, value] : fields_) {
    if (key == name) return value;
  }
  return {};
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
  return static_cast<std::size_t>(std::count_if(fields_.begin(), fields_.end(), [&](const auto& f) { return f.first == name; }));
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "";
  }
}

namespace {
int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}
}  // namespace

bool percent_decode(std::string_view in, std::string& out, bool plus_is_space) {
  out.clear();
  out.reserve(in.size());
  for (std::size_t i = 0; i < in.size(); ++i) {
    char c = in[i];
    if (c == '%') {
      if (i + 2 >= in.size()) return false;
      const int high = hex_digit(in[i + 1]);
      const int low = hex_digit(in[i + 2]);
      if (high < 0 || low < 0) return false;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    } else if (c == '+' && plus_is_space) {
      c = ' ';
    }
    if (c == '\0') return false;
    out.push_back(c);
  }
  return true;
}

std::string query_value(std::string_view query, std::string_view name, bool* found) {
  if (found != nullptr) *found = false;
  while (!query.empty()) {
    const auto amp = query.find('&');
    const std::string_view pair = query.substr(0, amp);
    query = amp == std::string_view::npos ? std::string_view{} : query.substr(amp + 1);
    const auto eq = pair.find('=');
    if (pair.substr(0, eq) != name) continue;
    std::string value;
    if (eq != std::string_view::npos && !percent_decode(pair.substr(eq + 1), value, true)) return {};
    if (found != nullptr) *found = true;
    return value;
  }
  return {};
}

std::string public_id(const MessageRef& ref) { return "msg_" + ref.conversation + "." + std::to_string(ref.n); }

std::string conversation_id(std::string_view conversation) { return "conv_" + std::string(conversation); }

namespace {
// What stands in Redis keys is short and of a closed alphabet, so that an id can never reach into another key.
bool is_key_part(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
  });
}
}  // namespace

std::optional<MessageRef> parse_message_id(std::string_view text) {
  if (!text.starts_with("msg_")) return std::nullopt;
  text.remove_prefix(4);
  const auto dot = text.rfind('.');
  if (dot == std::string_view::npos || !is_key_part(text.substr(0, dot))) return std::nullopt;
  MessageRef ref{std::string(text.substr(0, dot)), 0};
  const std::string_view number = text.substr(dot + 1);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), ref.n);
  if (error != std::errc{} || end != number.data() + number.size() || ref.n < 1) return std::nullopt;
  return ref;
}

std::optional<std::string> parse_conversation_id(std::string_view text) {
  if (!text.starts_with("conv_") || !is_key_part(text.substr(5))) return std::nullopt;
  return std::string(text.substr(5));
}

namespace {
constexpr std::string_view kAgentPrefix = "agent_", kQueuePrefix = "queue_";

std::string spoken(std::string_view prefix, std::string_view id) {
  return id.empty() ? std::string() : std::string(prefix).append(id);
}
std::optional<std::string> heard(std::string_view prefix, std::string_view text) {
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  if (!is_key_part(text)) return std::nullopt;
  return std::string(text);
}
}  // namespace

std::string agent_id(std::string_view agent) { return spoken(kAgentPrefix, agent); }
std::string queue_id(std::string_view queue) { return spoken(kQueuePrefix, queue); }
std::optional<std::string> parse_agent_id(std::string_view text) { return heard(kAgentPrefix, text); }
std::optional<std::string> parse_queue_id(std::string_view text) { return heard(kQueuePrefix, text); }

int rank(State state) {
  switch (state) {
    case State::kStored: return 0;
    case State::kQueued: return 1;
    case State::kClaimed: return 2;
    case State::kSent: return 3;
    case State::kUncertain: return 4;
    case State::kExpired: return 5;
    case State::kFailed: return 6;
    case State::kDelivered: return 7;
    case State::kRead: return 8;
  }
  return 0;
}

std::string_view shown(State state) {
  switch (state) {
    case State::kStored: return "stored";
    case State::kQueued:
    case State::kClaimed: return "queued";
    case State::kSent: return "sent";
    case State::kUncertain: return "uncertain";
    case State::kExpired: return "expired";
    case State::kFailed: return "failed";
    case State::kDelivered: return "delivered";
    case State::kRead: return "read";
  }
  return "stored";
}

std::optional<State> state_of(char byte) {
  for (const char known : std::string_view("iqcsuxfdr")) {
    if (byte == known) return static_cast<State>(byte);
  }
  return std::nullopt;
}

std::vector<std::string> split_list(std::string_view list) {
  std::vector<std::string> items;
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (comma != 0) items.emplace_back(list.substr(0, comma));
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return items;
}

std::string join_list(const std::vector<std::string>& items) {
  std::string list;
  for (const std::string& item : items) list.append(list.empty() ? "" : ",").append(item);
  return list;
}

}  // namespace belfry
