#include "gateway/api/render.h"

#include <algorithm>
#include <charconv>

#include "adapters/wire/json.h"
#include "adapters/wire/problem.h"

namespace belfry::gateway::api {

std::string in_conversations(std::int64_t weight) {
  std::string out = std::to_string(weight / routing::kWeight);
  if (weight % routing::kWeight != 0) out += "." + std::to_string(weight % routing::kWeight);
  return out;
}

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

void number(std::string& out, std::string_view name, std::string_view digits) {
  out.append(",\"").append(name).append("\":").append(digits);
}

bool read_cursor(Call& call, Paging& page, std::optional<std::string> (*parse)(std::string_view)) {
  if (page.after.empty()) return true;
  auto id = parse(page.after);
  if (!id) {
    call.problem(
        wire::problem(422, "invalid_parameter", "`after` is not a cursor of this list. Send what `next` said, or leave it out."));
    return false;
  }
  page.after = std::move(*id);
  return true;
}

std::vector<std::string> page_of(const routing::Value& members, const Paging& page, std::string& next) {
  std::vector<std::string> ids;
  for (const routing::Value& member : members.array) {
    if (member.text > page.after) ids.push_back(member.text);
  }
  std::sort(ids.begin(), ids.end());
  if (ids.size() > static_cast<std::size_t>(page.limit)) {
    ids.resize(static_cast<std::size_t>(page.limit));
    next = ids.back();
  }
  return ids;
}

}  // namespace belfry::gateway::api
