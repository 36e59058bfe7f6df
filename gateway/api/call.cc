#include "gateway/api/call.h"

#include <algorithm>
#include <charconv>

#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"

namespace belfry::gateway::api {

void Call::answer(HttpResponse response) {
  if (on_answer) on_answer(response);
  on_answer = nullptr;
  exchange->answer(std::move(response));
}

void Call::json(int status, std::string body) {
  HttpResponse response{status, {}, std::move(body)};
  response.headers.add("content-type", "application/json");
  response.headers.add("cache-control", "no-store");
  answer(std::move(response));
}

void Call::nothing() {
  HttpResponse response{204, {}, {}};
  response.headers.add("cache-control", "no-store");
  answer(std::move(response));
}

void Call::error(const Error& error) { problem(wire::problem_of(error)); }

bool Call::may(Action action, const Object& object) {
  if (authorize(subject, action, object)) return true;
  std::string roles;
  for (const std::string& role : subject.roles) roles.append(roles.empty() ? "" : ", ").append(role);
  problem(wire::problem(403, "forbidden",
                        "Your role (" + roles + ") may not do this with " + std::string(object.kind) +
                            (object.owner.empty() && object.queue.empty() ? "" : " that are not yours") +
                            ". Ask an administrator for it."));
  return false;
}

bool known_parameters(Call& call, const std::vector<std::string_view>& known) {
  for (std::string_view rest = call.request().query; !rest.empty();) {
    const auto amp = rest.find('&');
    const std::string_view name = rest.substr(0, std::min(rest.find('='), amp));
    rest = amp == std::string_view::npos ? std::string_view{} : rest.substr(amp + 1);
    if (name.empty() || std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string all;
    for (const std::string_view word : known) all.append(all.empty() ? "" : ", ").append(word);
    call.problem(wire::problem(422, "unknown_parameter",
                               "`" + std::string(name.substr(0, 60)) + "` is not known here; known are " + all + "."));
    return false;
  }
  return true;
}

std::optional<Paging> paging(Call& call, int max_limit, std::initializer_list<std::string_view> also) {
  const std::string_view query = call.request().query;
  std::vector<std::string_view> known{"after", "limit"};
  known.insert(known.end(), also);
  if (!known_parameters(call, known)) return std::nullopt;
  Paging paging;
  paging.after = query_value(query, "after");
  bool found = false;
  const std::string limit = query_value(query, "limit", &found);
  if (found) {
    const auto [end, error] = std::from_chars(limit.data(), limit.data() + limit.size(), paging.limit);
    if (error != std::errc{} || end != limit.data() + limit.size() || paging.limit < 1) {
      call.problem(
          wire::problem(422, "invalid_parameter", "`limit` must be a whole number from 1 to " + std::to_string(max_limit) + "."));
      return std::nullopt;
    }
  }
  paging.limit = std::min(paging.limit, max_limit);
  return paging;
}

std::string list_json(const std::vector<std::string>& items, std::string_view next) {
  std::string out = "{\"items\":[";
  for (std::size_t i = 0; i < items.size(); ++i) out.append(i == 0 ? "" : ",").append(items[i]);
  out += "],\"next\":";
  if (next.empty()) {
    out += "null";
  } else {
    wire::append_quoted(out, next);
  }
  return out + "}";
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::optional<std::string> agent_in_path(Call& call) {
  auto id = parse_agent_id(call.args[0]);
  if (!id) call.problem(wire::problem(404, "not_found", "This is not an agent's id, which is " + std::string(kAgentIds) + "."));
  return id;
}

std::optional<std::string> queue_in_path(Call& call) {
  auto id = parse_queue_id(call.args[0]);
  if (!id) call.problem(wire::problem(404, "not_found", "This is not a queue's id, which is " + std::string(kQueueIds) + "."));
  return id;
}

wire::Problem not_found(std::string_view what) {
  return wire::problem(404, "not_found", "There is no such " + std::string(what) + ", or it is not yours to see. Check the id.");
}

wire::Problem stale(const routing::Outcome& outcome) {
  wire::Problem problem = wire::problem(
      409, "stale_generation", "The conversation moved on: it is " + outcome.state + " now. Read it again, then decide.");
  problem.more = "\"now\":{\"gen\":" + std::to_string(outcome.gen) + ",\"state\":";
  wire::append_quoted(problem.more, outcome.state);
  problem.more += ",\"owner\":";
  wire::append_quoted(problem.more, agent_id(outcome.owner));
  problem.more += "}";
  return problem;
}

}  // namespace belfry::gateway::api
