// A problem document (RFC 9457): how every error looks from outside, in the REST API and in the sockets' nacks.
// `detail` says what, why, and what to do next; it is written for the person at the other end and holds no secret.
#pragma once

#include <string>

#include "belfry/http.h"
#include "belfry/result.h"

namespace belfry::wire {

struct Problem {
  int status = 400;
  std::string code;   // stable, for programs: "stale_generation"
  std::string title;  // the status in a few words
  std::string detail;
  std::string more;  // further members, as JSON without braces: "\"now\":{...}"
};

Problem problem(int status, std::string code, std::string detail);
// For an Error of ours: the code becomes the status; its detail stays in our log and is replaced by a sentence.
Problem problem_of(const Error& error);

std::string to_json(const Problem& problem);
HttpResponse to_response(const Problem& problem);

}  // namespace belfry::wire
