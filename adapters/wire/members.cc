#include "adapters/wire/members.h"

#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"

namespace belfry::wire {
namespace {

void begin(std::string& out, std::string_view name) { out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":"); }

}  // namespace

void member(std::string& out, std::string_view name, std::string_view value) {
  begin(out, name);
  append_quoted(out, value);
}
void member(std::string& out, std::string_view name, const std::vector<std::string>& values) {
  begin(out, name);
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_quoted(out, values[i]);
  }
  out += ']';
}
void member_if(std::string& out, std::string_view name, std::string_view value) {
  if (!value.empty()) member(out, name, value);
}
void member_int(std::string& out, std::string_view name, std::int64_t value) {
  begin(out, name);
  out += std::to_string(value);
}
void member_time(std::string& out, std::string_view name, WallTime value) {
  if (value.ms > 0) member(out, name, rfc3339(value));
}

}  // namespace belfry::wire
