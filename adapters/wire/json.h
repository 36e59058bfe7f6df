// JSON at the edges: simdjson reads, nlohmann writes. The one place that dumps, so that no broken UTF-8 can make a dump throw.
//
// A reader accepts all that is grammatical JSON (RFC 8259) down to 64 levels. simdjson refuses two things the grammar allows: an
// escaped half of a surrogate pair (a name cut in the middle of an emoji) and a number beyond 64 bits. One such field must not
// cost a batch of a thousand, so the reader mends a copy and reads again.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::wire {

inline constexpr std::size_t kMaxJsonDepth = 64;

// One per thread or per document. What read() returned, and every view into it, lives until the next read().
class JsonReader {
 public:
  JsonReader();
  ~JsonReader();
  JsonReader(const JsonReader&) = delete;
  JsonReader& operator=(const JsonReader&) = delete;

  // kBadInput: not JSON, or too deep; `detail` says which and never quotes the text.
  Result<simdjson::dom::element> read(const std::string& text);

 private:
  // Made, used and destroyed in json.cc only: its size hangs on a macro (SIMDJSON_THREADS_ENABLED) that not all who include this
  // set.
  std::unique_ptr<simdjson::dom::parser> parser_;
  std::string mended_;
};

// A copy in which a lone surrogate escape is \ufffd and a number beyond double's or 64 bits' range is a string of its digits.
std::string mend_json(std::string_view text);

// Lookups that take absence and another type for the same thing: nothing there.
std::string_view text_of(simdjson::dom::element value);
std::string_view text_at(simdjson::dom::object object, std::string_view key);
std::optional<std::int64_t> int_at(simdjson::dom::object object, std::string_view key);
bool true_at(simdjson::dom::object object, std::string_view key);
std::optional<simdjson::dom::object> object_at(simdjson::dom::object object, std::string_view key);
std::optional<simdjson::dom::array> array_at(simdjson::dom::object object, std::string_view key);

// Where a value stands in the text itself, for text that a reader has accepted: how the very bytes of one element are kept.
// Empty if it is not there (or its key is written with escapes).
std::string_view raw_member(std::string_view object, std::string_view key);
std::vector<std::string_view> raw_elements(std::string_view array);

// Compact JSON of what was read.
std::string to_text(simdjson::dom::element value);
std::string to_text(simdjson::dom::object value);
// Appends `text` as a JSON string, quotes included.
void append_quoted(std::string& out, std::string_view text);

// Compact JSON of what we made. Broken UTF-8 becomes U+FFFD.
std::string to_text(const nlohmann::json& value);

}  // namespace belfry::wire
