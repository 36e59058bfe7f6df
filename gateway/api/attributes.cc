#include "gateway/api/attributes.h"

#include <algorithm>

#include "gateway/api/render.h"

namespace belfry::gateway::api {
namespace {

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

}  // namespace

routing::Attributes read_attributes(Body& body) {
  routing::Attributes out;
  body.object("attributes", [&out](Body& inner) {
    for (const std::string& name : inner.names()) {
      const auto value = inner.text(name, {.max = 100, .may_be_empty = true});
      if (!is_name(name)) inner.complain(name, "is no name of an attribute: use 1 to 40 of a-z, 0-9, _ and -");
      if (!value) continue;
      if (value->find_first_of(",\t\n\r") != std::string::npos) inner.complain(name, "may hold no comma, tab or new line");
      out[name] = *value;
    }
    if (out.size() > routing::kMaxAttributes) inner.complain(inner.names().back(), "is one too many: 20 at most");
  });
  return out;
}

std::string attributes_json(const routing::Attributes& attributes) {
  std::string out = "{";
  for (const auto& [name, value] : attributes) member(out, name, value);
  return out + "}";
}

}  // namespace belfry::gateway::api
