#include "gateway/api/body.h"

#include <algorithm>

#include "gateway/api/call.h"

namespace belfry::gateway::api {
Body::Body(const std::string& text) {
  const auto root = reader_.read(text);
  simdjson::dom::object object;
  if (!root) {
    refusal_ = "The body is not JSON. Send one JSON object.";
  } else if (root->get(object) != simdjson::SUCCESS) {
    refusal_ = "The body is JSON, but not an object. Send one JSON object.";
  } else {
    object_ = object;
  }
}

bool Body::has(std::string_view member) const {
  simdjson::dom::element value;
  return object_ && object_->at_key(member).get(value) == simdjson::SUCCESS && !value.is_null();
}

std::vector<std::string> Body::names() const {
  std::vector<std::string> out;
  if (!object_) return out;
  for (const auto& [name, value] : *object_) out.emplace_back(name);
  return out;
}

std::optional<simdjson::dom::element> Body::find(std::string_view member, bool required) {
  known(member);
  if (!object_) return std::nullopt;
  simdjson::dom::element value;
  if (object_->at_key(member).get(value) != simdjson::SUCCESS || value.is_null()) {
    if (required) complain(member, "is missing");
    return std::nullopt;
  }
  return value;
}

std::optional<std::string> Body::text(std::string_view member, Text rule) {
  const auto value = find(member, rule.required);
  if (!value) return std::nullopt;
  if (!value->is_string()) {
    complain(member, "must be a string");
    return std::nullopt;
  }
  const std::string_view text = wire::text_of(*value);
  if (text.size() > rule.max) {
    complain(member, "is longer than " + std::to_string(rule.max) + " octets");
  } else if (text.empty() && !rule.may_be_empty) {
    complain(member, "is empty");
  } else if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    complain(member, "has control characters");
  } else {
    return std::string(text);
  }
  return std::nullopt;
}

std::optional<std::string> Body::agent(std::string_view member, bool required) {
  const auto said = text(member, {.required = required, .max = 60});
  if (!said) return std::nullopt;
  auto id = parse_agent_id(*said);
  if (!id) complain(member, "is not an agent's id: use " + std::string(kAgentIds));
  return id;
}

std::optional<std::string> Body::one_of(std::string_view member, bool required, const std::vector<std::string_view>& words) {
  const auto said = text(member, {.required = required, .max = 60});
  if (!said || std::find(words.begin(), words.end(), *said) != words.end()) return said;
  std::string what = "must be one of";
  for (const std::string_view word : words) what.append(what.ends_with("of") ? " " : ", ").append(word);
  complain(member, std::move(what));
  return std::nullopt;
}

std::optional<std::int64_t> Body::integer(std::string_view member, Integer rule) {
  const auto value = find(member, rule.required);
  if (!value) return std::nullopt;
  std::int64_t number = 0;
  if (value->get(number) != simdjson::SUCCESS || number < rule.min || number > rule.max) {
    complain(member, "must be a whole number from " + std::to_string(rule.min) + " to " + std::to_string(rule.max));
    return std::nullopt;
  }
  return number;
}

std::optional<double> Body::number(std::string_view member, Number rule) {
  const auto value = find(member, false);
  if (!value) return std::nullopt;
  double number = 0;
  if (value->get(number) != simdjson::SUCCESS || number < rule.min || number > rule.max) {
    const auto shown = [](double bound) { return bound == 0 || bound >= 1 ? std::to_string(static_cast<int>(bound)) : "0.1"; };
    complain(member, "must be a number from " + shown(rule.min) + " to " + shown(rule.max));
    return std::nullopt;
  }
  return number;
}

bool Body::flag(std::string_view member) {
  const auto value = find(member, false);
  if (!value) return false;
  bool out = false;
  if (value->get(out) != simdjson::SUCCESS) complain(member, "must be true or false");
  return out;
}

std::optional<std::vector<std::string>> Body::texts(std::string_view member, std::size_t max_items, std::size_t max_length) {
  const auto value = find(member, false);
  if (!value) return std::nullopt;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS) {
    complain(member, "must be an array of strings");
    return std::nullopt;
  }
  std::vector<std::string> items;
  for (const simdjson::dom::element item : array) {
    const std::string_view text = wire::text_of(item);
    if (text.empty() || text.size() > max_length) {
      complain(member, "must hold strings of 1 to " + std::to_string(max_length) + " octets");
      return std::nullopt;
    }
    if (std::find(items.begin(), items.end(), text) == items.end()) items.emplace_back(text);
    if (items.size() > max_items) {
      complain(member, "holds more than " + std::to_string(max_items) + " items");
      return std::nullopt;
    }
  }
  return items;
}

std::optional<std::vector<std::string>> Body::queues(std::string_view member, std::size_t max_items) {
  const auto items = texts(member, max_items, 60);
  if (!items) return std::nullopt;
  std::vector<std::string> ids;
  for (const std::string& item : *items) {
    auto id = parse_queue_id(item);
    if (!id) {
      complain(member, "holds something that is not a queue's id: use " + std::string(kQueueIds));
      return std::nullopt;
    }
    if (std::find(ids.begin(), ids.end(), *id) == ids.end()) ids.push_back(std::move(*id));
  }
  return ids;
}

void Body::complain(std::string_view member, std::string what) { complaints_.emplace_back(member, std::move(what)); }

void Body::read_inner(const std::string& name, const simdjson::dom::element& value,
                      const std::function<void(Body& inner)>& read) {
  simdjson::dom::object object;
  if (value.get(object) != simdjson::SUCCESS) return complain(name, "must be an object");
  Body body(object);
  read(body);
  body.complain_of_members();
  for (auto& [inner, what] : body.complaints_) complain(name + "." + inner, std::move(what));
}

bool Body::object(std::string_view member, const std::function<void(Body& inner)>& read) {
  const auto value = find(member, false);
  if (!value) return false;
  read_inner(std::string(member), *value, read);
  return true;
}

bool Body::objects(std::string_view member, std::size_t max_items, const std::function<void(Body& item)>& read) {
  const auto value = find(member, false);
  if (!value) return false;
  simdjson::dom::array array;
  if (value->get(array) != simdjson::SUCCESS || array.size() > max_items) {
    complain(member, "must be an array of at most " + std::to_string(max_items) + " objects");
    return false;
  }
  std::size_t i = 0;
  for (const simdjson::dom::element item : array) {
    const std::string name = std::string(member) + "[" + std::to_string(i++) + "]";
    read_inner(name, item, read);
  }
  return true;
}

void Body::complain_of_members() {
  std::vector<std::string_view> seen;
  for (const auto field : *object_) {
    if (std::find(seen.begin(), seen.end(), field.key) != seen.end()) complain(field.key, "stands there twice");
    seen.push_back(field.key);
    if (std::find(known_.begin(), known_.end(), field.key) != known_.end()) continue;
    std::string what = "is not known here; known are";
    for (const std::string& name : known_) what.append(what.ends_with("are") ? " " : ", ").append(name);
    complain(field.key.substr(0, 60), std::move(what));
  }
}

std::optional<wire::Problem> Body::finish() {
  if (!object_) return wire::problem(400, "not_json", refusal_);
  complain_of_members();
  if (complaints_.empty()) return std::nullopt;
  wire::Problem problem = wire::problem(422, "invalid_body", {});
  problem.more = "\"errors\":[";
  for (const auto& [member, what] : complaints_) {
    problem.detail.append(problem.detail.empty() ? "" : " ").append("`").append(member).append("` ").append(what).append(".");
    problem.more.append(problem.more.ends_with('[') ? "" : ",").append("{\"member\":");
    wire::append_quoted(problem.more, member);
    problem.more.append(",\"detail\":");
    wire::append_quoted(problem.more, what);
    problem.more.append("}");
  }
  problem.more.append("]");
  return problem;
}

}  // namespace belfry::gateway::api
