#include "adapters/wire/problem.h"

#include <utility>

#include "adapters/wire/json.h"

namespace belfry::wire {

Problem problem(int status, std::string code, std::string detail) {
  return {status, std::move(code), std::string(reason_phrase(status)), std::move(detail), {}};
}

Problem problem_of(const Error& error) {
  switch (error.code) {
    case Errc::kBadInput: return problem(400, "bad_input", "The request is malformed. Check it against /api/v1/openapi.json.");
    case Errc::kUnauthorized: return problem(401, "unauthorized", "Sign in, or send a valid key as Authorization: Bearer.");
    case Errc::kForbidden: return problem(403, "forbidden", "Your role does not allow this. Ask an administrator for it.");
    case Errc::kNotFound: return problem(404, "not_found", "There is no such thing, or it is not yours to see.");
    case Errc::kConflict: return problem(409, "conflict", "It changed in the meantime. Read it again, then repeat.");
    case Errc::kTooLarge: return problem(413, "too_large", "It is larger than this route takes.");
    case Errc::kBusy: return problem(503, "busy", "Too much is waiting right now. Nothing was kept; repeat it in a moment.");
    case Errc::kUnavailable: return problem(503, "unavailable", "The store is away. Nothing was kept; repeat it in a moment.");
    case Errc::kTimeout:
    case Errc::kClosed:
      return problem(503, "outcome_unknown", "The store did not answer in time. Repeat it with the same key: it is done once.");
    case Errc::kUnsupported: return problem(501, "unsupported", "This is not offered here.");
    case Errc::kInternal: return problem(500, "internal", "Something of ours went wrong; it is in the gateway's log.");
  }
  return problem(500, "internal", "Something of ours went wrong; it is in the gateway's log.");
}

std::string to_json(const Problem& p) {
  std::string out = "{\"type\":\"about:blank\",\"title\":";
  append_quoted(out, p.title);
  out += ",\"status\":" + std::to_string(p.status) + ",\"code\":";
  append_quoted(out, p.code);
  out += ",\"detail\":";
  append_quoted(out, p.detail);
  if (!p.more.empty()) out += "," + p.more;
  out += '}';
  return out;
}

HttpResponse to_response(const Problem& p) {
  HttpResponse response{p.status, {}, to_json(p)};
  response.headers.add("content-type", "application/problem+json");
  response.headers.add("cache-control", "no-store");
  if (p.status == 503) response.headers.add("retry-after", "2");
  if (p.status == 401) response.headers.add("www-authenticate", "Bearer");
  return response;
}

}  // namespace belfry::wire
