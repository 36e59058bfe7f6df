// A JSON body, read strictly: every complaint names its member, unknown members are errors, and all are told at once (422).
//
//   Body body(call->request().body);
//   const auto name = body.text("name", {.required = true, .max = 100});
//   if (auto wrong = body.finish()) return call->problem(*wrong);
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/wire/json.h"
#include "adapters/wire/problem.h"

namespace belfry::gateway::api {

class Body {
 public:
  explicit Body(const std::string& text);

  struct Text {
    bool required = false;
    std::size_t max = 200;
    bool may_be_empty = false;
  };
  struct Integer {
    bool required = false;
    std::int64_t min = 0;
    std::int64_t max = 0;
  };
  bool has(std::string_view member) const;
  std::optional<std::string> text(std::string_view member, Text rule);
  // Ids of agents and queues, with their prefix or plain; plain they come back.
  std::optional<std::string> agent(std::string_view member, bool required);
  std::optional<std::string> one_of(std::string_view member, bool required, const std::vector<std::string_view>& words);
  std::optional<std::int64_t> integer(std::string_view member, Integer rule);
  struct Number {
    double min = 0, max = 0;
  };
  std::optional<double> number(std::string_view member, Number rule);
  std::vector<std::string> names() const;  // of all members, as they came
  bool flag(std::string_view member);      // false if it is not there
  std::optional<std::vector<std::string>> texts(std::string_view member, std::size_t max_items, std::size_t max_length);
  std::optional<std::vector<std::string>> queues(std::string_view member, std::size_t max_items);
  // An array of objects, each read like a body of its own; its complaints name it: `steps[0].after_s`. False: there is none, or
  // it is no such array.
  bool objects(std::string_view member, std::size_t max_items, const std::function<void(Body& item)>& read);
  // The same of one object; its complaints name it: `sla.resolve_s`.
  bool object(std::string_view member, const std::function<void(Body& inner)>& read);
  // Known here, and read elsewhere.
  void known(std::string_view member) { known_.emplace_back(member); }

  void complain(std::string_view member, std::string what);
  // 400 if it was no JSON object, 422 with all complaints, or nothing.
  std::optional<wire::Problem> finish();

 private:
  explicit Body(const simdjson::dom::object& object) : object_(object) {}
  void complain_of_members();
  void read_inner(const std::string& name, const simdjson::dom::element& value, const std::function<void(Body& inner)>& read);
  std::optional<simdjson::dom::element> find(std::string_view member, bool required);

  wire::JsonReader reader_;
  std::optional<simdjson::dom::object> object_;
  std::string refusal_;
  std::vector<std::string> known_;
  std::vector<std::pair<std::string, std::string>> complaints_;
};

}  // namespace belfry::gateway::api
