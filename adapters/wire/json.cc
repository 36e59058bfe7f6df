// See json.h.
#include "adapters/wire/json.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

namespace belfry::wire {
namespace {

// A parser keeps memory of twenty times its largest document: one that grew beyond this is dropped at the next small one.
constexpr std::size_t kKept = 256UL * 1024;

int hex_of(std::string_view four) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(four.data(), four.data() + four.size(), value, 16);
  if (four.size() != 4 || error != std::errc{} || end != four.data() + 4) return -1;
  return static_cast<int>(value);
}

// The value of \uXXXX at `at`, or -1.
int escape_at(std::string_view text, std::size_t at) {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return -1;
  return hex_of(text.substr(at + 2, 4));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The length of a grammatical number at the start of `text`, or 0.
std::size_t number_length(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && is_digit(text[i])) ++i;
    return i - from;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const bool zero = i < text.size() && text[i] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return 0;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return 0;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return 0;
  }
  return i;
}

bool fits(std::string_view number) {
  const char* const first = number.data();
  const char* const last = first + number.size();
  if (number.find_first_of(".eE") == std::string_view::npos) {
    std::int64_t with_sign = 0;
    std::uint64_t without = 0;
    return std::from_chars(first, last, with_sign).ec == std::errc{} || std::from_chars(first, last, without).ec == std::errc{};
  }
  double value = 0;
  return std::from_chars(first, last, value).ec == std::errc{};
}

// A walk over JSON that is known to be well formed, so that brackets and quotes are all there is to see.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) { space(); }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  // Steps over one character and the space after it.
  void step() {
    ++at_;
    space();
  }
  // Steps over one whole value and the space after it.
  std::string_view value() {
    const std::size_t from = at_;
    std::size_t depth = 0;
    do {
      switch (peek()) {
        case '{':
        case '[':
          ++depth;
          ++at_;
          break;
        case '}':
        case ']':
          if (depth == 0) return {};
          --depth;
          ++at_;
          break;
        case '"': string(); break;
        default:
          if (depth == 0) {
            at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size());
          } else {
            at_ = std::min(text_.find_first_of("{}[]\"", at_), text_.size());
          }
      }
    } while (depth != 0 && at_ < text_.size());
    const std::string_view found = text_.substr(from, at_ - from);
    space();
    return found;
  }

 private:
  void string() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;
    }
    at_ = std::min(at_ + 1, text_.size());
  }
  void space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::string_view raw_member(std::string_view object, std::string_view key) {
  Walk walk(object);
  if (walk.peek() != '{') return {};
  walk.step();
  while (walk.peek() == '"') {
    std::string_view name = walk.value();
    name = name.substr(1, name.size() - 2);
    if (walk.peek() != ':') return {};
    walk.step();
    const std::string_view value = walk.value();
    if (name == key) return value;
    if (walk.peek() != ',') return {};
    walk.step();
  }
  return {};
}

std::vector<std::string_view> raw_elements(std::string_view array) {
  std::vector<std::string_view> all;
  Walk walk(array);
  if (walk.peek() != '[') return all;
  walk.step();
  while (walk.peek() != ']' && walk.peek() != '\0') {
    all.push_back(walk.value());
    if (all.back().empty() || walk.peek() != ',') break;
    walk.step();
  }
  return all;
}

std::string mend_json(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 16);
  bool quoted = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (c == '"') {
      quoted = !quoted;
    } else if (quoted && c == '\\') {
      const int code = escape_at(text, i);
      if (code >= 0xd800 && code < 0xe000) {
        const int low = code < 0xdc00 ? escape_at(text, i + 6) : -1;
        const bool pair = low >= 0xdc00 && low < 0xe000;
        out.append(pair ? text.substr(i, 12) : std::string_view("\\ufffd"));
        i += pair ? 12 : 6;
      } else {
        const std::string_view two = text.substr(i, 2);  // so that \" does not close the string
        out.append(two);
        i += two.size();
      }
      continue;
    } else if (!quoted && (c == '-' || is_digit(c))) {
      const std::size_t length = number_length(text.substr(i));
      if (length != 0) {
        const std::string_view number = text.substr(i, length);
        if (fits(number)) {
          out.append(number);
        } else {
          out.append("\"").append(number).append("\"");
        }
        i += length;
        // What follows a number is left for the parser to judge: "1x" and "012" stay broken.
        while (i < text.size() && (is_digit(text[i]) || text[i] == '.')) out.push_back(text[i++]);
        continue;
      }
    }
    out.push_back(c);
    ++i;
  }
  return out;
}

JsonReader::JsonReader() = default;
JsonReader::~JsonReader() = default;

Result<simdjson::dom::element> JsonReader::read(const std::string& text) {
  if (!parser_ || (parser_->capacity() > kKept && text.size() <= kKept)) {
    parser_ = std::make_unique<simdjson::dom::parser>();
    if (parser_->allocate(4096, kMaxJsonDepth) != simdjson::SUCCESS) return fail(Errc::kInternal, "no memory to read JSON");
  }
  simdjson::dom::element root;
  simdjson::error_code error = parser_->parse(text).get(root);
  if (error == simdjson::STRING_ERROR || error == simdjson::NUMBER_ERROR) {
    mended_ = mend_json(text);
    error = parser_->parse(mended_).get(root);
    mended_ = std::string();
  }
  if (error == simdjson::DEPTH_ERROR) return fail(Errc::kBadInput, "JSON too deep");
  if (error != simdjson::SUCCESS) return fail(Errc::kBadInput, "not JSON");
  return root;
}

std::string_view text_of(simdjson::dom::element value) {
  std::string_view text;
  return value.get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

std::string_view text_at(simdjson::dom::object object, std::string_view key) {
  std::string_view text;
  return object.at_key(key).get(text) == simdjson::SUCCESS ? text : std::string_view{};
}

std::optional<std::int64_t> int_at(simdjson::dom::object object, std::string_view key) {
  std::int64_t value = 0;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

bool true_at(simdjson::dom::object object, std::string_view key) {
  bool value = false;
  return object.at_key(key).get(value) == simdjson::SUCCESS && value;
}

std::optional<simdjson::dom::object> object_at(simdjson::dom::object object, std::string_view key) {
  simdjson::dom::object value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::optional<simdjson::dom::array> array_at(simdjson::dom::object object, std::string_view key) {
  simdjson::dom::array value;
  if (object.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return value;
}

std::string to_text(simdjson::dom::element value) { return simdjson::minify(value); }
std::string to_text(simdjson::dom::object value) { return simdjson::minify(value); }

void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto plain = [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\'; };
  out.reserve(out.size() + text.size() + 2);
  out.push_back('"');
  while (!text.empty()) {
    // Nearly all of a text needs nothing: it goes in runs.
    const auto run = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), plain) - text.begin());
    out.append(text.substr(0, run));
    if (run == text.size()) break;
    const char c = text[run];
    text.remove_prefix(run + 1);
    switch (c) {
      case '"': out.append("\\\""); break;
      case '\\': out.append("\\\\"); break;
      case '\n': out.append("\\n"); break;
      case '\r': out.append("\\r"); break;
      case '\t': out.append("\\t"); break;
      default:
        out.append("\\u00");
        out.push_back(kHex[static_cast<unsigned char>(c) >> 4]);
        out.push_back(kHex[static_cast<unsigned char>(c) & 15]);
    }
  }
  out.push_back('"');
}

std::string to_text(const nlohmann::json& value) { return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace); }

}  // namespace belfry::wire
