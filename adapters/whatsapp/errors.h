// Meta's error codes as a table: what each means in one word, and what we do about it.
//
// The same codes come in the answer to a send (GraphError) and, minutes or days later, in a failed status. Decide on `code`;
// Meta deprecates the titles.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "belfry/http.h"

namespace belfry::whatsapp {

// The next act, in the four words of the design: retry, wait, fix, give up.
enum class Act : std::uint8_t {
  kRetry,     // retry: temporary; with backoff, at most five times
  kOnce,      // retry: one more try (media), then give up
  kSlow,      // wait: the number is too fast; shrink the rate, then retry
  kPair,      // wait: this recipient only, 4^n seconds
  kThrottle,  // wait: the app is throttled; the whole account pauses for minutes
  kLimit,     // wait: spam or portfolio limit; bulk waits hours, an alert or a reply fails at once so that another road is taken
  kHold,      // fix: credentials, account or number; nothing is lost, everything waits for the operator
  kTell,      // fix: this message fails and the operator hears why (display name, template, country)
  kOptOut,    // give up: the citizen refused this category; his wish is recorded
  kGiveUp,    // give up: permanent for this message
};

struct Fault {
  int first;
  int last;
  Act act;
  std::string_view word;  // stable: part of Receipt.reason, of metrics and of problem documents
};

// The row of a code. An unknown code is kRetry if `transient` (HTTP 5xx or is_transient), else kGiveUp.
Fault fault_of(int code, bool transient = false);

// "131047 window_closed"
std::string reason_of(int code, bool transient = false);

// The error object of a Graph answer.
struct GraphError {
  int code = 0;
  bool transient = false;
  std::string trace;  // fbtrace_id, for the log
};
// Nothing if the body is not a Graph error: then whoever answered was not Graph.
std::optional<GraphError> graph_error(const HttpResponse& response);

}  // namespace belfry::whatsapp
