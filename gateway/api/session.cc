// Signing in and out, and tickets for sockets.
#include "adapters/wire/json.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"

namespace belfry::gateway::api {
namespace {

std::string session_json(const Subject& subject) {
  std::string out = "{\"kind\":";
  switch (subject.kind) {
    case Subject::Kind::kAgent: out += "\"agent\""; break;
    case Subject::Kind::kKey: out += "\"key\""; break;
    case Subject::Kind::kOperator: out += "\"operator\""; break;
  }
  out += ",\"id\":";
  wire::append_quoted(out, subject.kind == Subject::Kind::kAgent ? agent_id(subject.id) : subject.id);
  if (!subject.agent.empty()) {
    out += ",\"agent\":{\"id\":";
    wire::append_quoted(out, agent_id(subject.agent));
    out += ",\"name\":";
    wire::append_quoted(out, subject.name);
    out += '}';
  }
  out += ",\"roles\":[";
  for (std::size_t i = 0; i < subject.roles.size(); ++i) {
    if (i > 0) out += ',';
    wire::append_quoted(out, subject.roles[i]);
  }
  return out + "]}";
}

void sign_in(Room& room, const CallPtr& call) {
  // Nobody else's page signs a person in here (as somebody else).
  if (call->request().headers.has("origin") && !room.auth.own_origin(call->request())) {
    return call->problem(wire::problem(403, "cross_site", "Sign in from our own page."));
  }
  Body body(call->request().body);
  auto login = body.text("login", {.required = true, .max = 100});
  auto password = body.text("password", {.required = true, .max = 1024});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  room.auth.login(std::move(*login), std::move(*password), call->request().peer, [&room, call](Result<Auth::Session> session) {
    if (!session && session.error().code == Errc::kUnauthorized) {
      return call->problem(wire::problem(401, "wrong_credentials",
                                         "Login or password is wrong. Check both; an administrator can set a new password."));
    }
    if (!session && session.error().code == Errc::kBusy) {
      HttpResponse response = wire::to_response(
          wire::problem(429, "too_many_attempts", "Too many attempts to sign in. Wait half a minute, then try once more."));
      response.headers.add("retry-after", "30");
      return call->answer(std::move(response));
    }
    if (!session) return call->error(session.error());
    HttpResponse response{200, {}, session_json(session->subject)};
    response.headers.add("content-type", "application/json");
    response.headers.add("cache-control", "no-store");
    response.headers.add("set-cookie", room.auth.cookie(call->request(), session->token));
    call->answer(std::move(response));
  });
}

void who_am_i(Room&, const CallPtr& call) { call->json(200, session_json(call->subject)); }

void sign_out(Room& room, const CallPtr& call) {
  room.auth.logout(call->subject, [&room, call](Result<void> gone) {
    if (!gone) return call->error(gone.error());
    HttpResponse response{204, {}, {}};
    response.headers.add("cache-control", "no-store");
    response.headers.add("set-cookie", room.auth.end_cookie(call->request()));
    call->answer(std::move(response));
  });
}

void make_ticket(Room& room, const CallPtr& call) {
  Body body(call->request().body);
  body.one_of("for", true, {"desk"});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  if (call->subject.agent.empty()) {
    return call->problem(
        wire::problem(403, "no_agent", "A desk belongs to an agent. Sign in as one, or use a key of role agent."));
  }
  room.auth.issue_ticket(call->subject, call->request().headers.get("origin"), [call](Result<std::string> ticket) {
    if (!ticket) return call->error(ticket.error());
    call->json(201, "{\"ticket\":\"" + *ticket + "\",\"expires_in\":30}");
  });
}

}  // namespace

std::vector<Route> session_routes() {
  return {{"POST", "/session", Takes::kJson, Who::kAnyone, sign_in},
          {"GET", "/session", Takes::kNothing, Who::kKnown, who_am_i},
          {"DELETE", "/session", Takes::kNothing, Who::kKnown, sign_out},
          {"POST", "/tickets", Takes::kJson, Who::kKnown, make_ticket},
          {"GET", "/openapi.json", Takes::kNothing, Who::kAnyone, nullptr}};
}

}  // namespace belfry::gateway::api
