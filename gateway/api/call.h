// One request under /api/v1 on its way through a handler, and what handlers share. Internal to gateway/api.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wire/problem.h"
#include "gateway/api/api.h"
#include "gateway/auth/commands.h"

namespace belfry::gateway::api {

struct Room {
  Services& services;
  Auth& auth;
  Commands commands;
  ApiOptions options;
  std::size_t reading = 0;  // octets of media on their way from disk to an answer
};

struct Call {
  std::shared_ptr<Exchange> exchange;
  Subject subject;
  std::vector<std::string> args;  // what stood for {…} in the route's pattern
  // Hears the answer before it is sent: how an Idempotency-Key keeps it.
  std::function<void(const HttpResponse&)> on_answer;

  const HttpRequest& request() const { return exchange->request(); }
  void answer(HttpResponse response);
  void json(int status, std::string body);
  void nothing();  // 204
  void problem(wire::Problem problem) { answer(wire::to_response(problem)); }
  void error(const Error& error);
  // True if it may; answers 403 otherwise.
  bool may(Action action, const Object& object);
};
using CallPtr = std::shared_ptr<Call>;

enum class Takes : std::uint8_t { kNothing, kJson, kBytes };
enum class Who : std::uint8_t { kAnyone, kKnown };
using Handler = void (*)(Room&, const CallPtr&);
struct Route {
  std::string_view method;
  std::string_view pattern;  // "/messages/{id}"
  Takes takes;
  Who who;
  Handler handler;
};
std::vector<Route> session_routes();
std::vector<Route> message_routes();
std::vector<Route> conversation_routes();
std::vector<Route> directive_routes();
std::vector<Route> contact_routes();
std::vector<Route> contact_link_routes();
std::vector<Route> audit_routes();
std::vector<Route> route_routes();  // to queues
std::vector<Route> canned_routes();
std::vector<Route> announcement_routes();
std::vector<Route> people_routes();
std::vector<Route> queue_routes();
std::vector<Route> key_routes();
std::vector<Route> media_routes();
std::vector<Route> insight_routes();
std::vector<Route> account_routes();
std::vector<Route> waiting_routes();
std::vector<Route> history_routes();

// Whether the query has no other parameters than these; answers 422 otherwise.
bool known_parameters(Call& call, const std::vector<std::string_view>& known);
// `after` and `limit` of a list. Answers 422 and gives nothing if the query has anything else.
struct Paging {
  std::string after;
  int limit = 50;
};
std::optional<Paging> paging(Call& call, int max_limit, std::initializer_list<std::string_view> also = {});

// {"items":[...],"next":"..."}; next is null on the last page.
std::string list_json(const std::vector<std::string>& items, std::string_view next);

// Ids of agents, queues and skills are what their makers named them: [a-z0-9-]{1,40}.
bool is_id(std::string_view text);
// What the path's {id} names, plain. Answers 404 and gives nothing if it cannot be the id of one: it may be of another kind.
std::optional<std::string> agent_in_path(Call& call);
std::optional<std::string> queue_in_path(Call& call);
inline constexpr std::string_view kAgentIds = "agent_ and 1 to 40 of a-z, 0-9 and -, as in agent_ana";
inline constexpr std::string_view kQueueIds = "queue_ and 1 to 40 of a-z, 0-9 and -, as in queue_city";

wire::Problem not_found(std::string_view what);
// 409 that tells what is true now.
wire::Problem stale(const routing::Outcome& outcome);

}  // namespace belfry::gateway::api
