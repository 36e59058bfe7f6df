// See errors.h.
#include "adapters/whatsapp/errors.h"

#include <algorithm>
#include <array>

#include "adapters/wire/json.h"

namespace belfry::whatsapp {
namespace {

// Sorted, disjoint. Where one code stands inside a family (133004, 133016), the family is cut around it.
constexpr std::array kFaults = {
    Fault{0, 0, Act::kHold, "credential"},
    Fault{1, 2, Act::kRetry, "temporary"},
    Fault{3, 3, Act::kHold, "credential"},
    Fault{4, 4, Act::kThrottle, "app_throttled"},
    Fault{10, 10, Act::kHold, "credential"},
    Fault{100, 100, Act::kGiveUp, "bad_request"},
    Fault{190, 190, Act::kHold, "credential"},
    Fault{200, 299, Act::kHold, "credential"},
    Fault{368, 368, Act::kHold, "account_blocked"},
    Fault{80007, 80008, Act::kThrottle, "app_throttled"},
    Fault{130429, 130429, Act::kSlow, "throughput"},
    Fault{130472, 130472, Act::kGiveUp, "experiment"},
    // A country is closed to us: that ends this message, not the channel.
    Fault{130497, 130497, Act::kTell, "country_blocked"},
    Fault{130501, 130501, Act::kGiveUp, "type_not_supported"},
    Fault{131000, 131000, Act::kRetry, "temporary"},
    Fault{131005, 131005, Act::kHold, "credential"},
    Fault{131008, 131009, Act::kGiveUp, "bad_request"},
    Fault{131016, 131016, Act::kRetry, "temporary"},
    Fault{131021, 131021, Act::kGiveUp, "sent_to_self"},
    Fault{131026, 131026, Act::kGiveUp, "undeliverable"},
    Fault{131030, 131030, Act::kGiveUp, "not_on_test_list"},
    Fault{131031, 131031, Act::kHold, "account_locked"},
    Fault{131037, 131037, Act::kTell, "display_name"},
    Fault{131042, 131042, Act::kHold, "payment"},
    Fault{131044, 131044, Act::kHold, "payment"},
    Fault{131045, 131045, Act::kHold, "certificate"},
    Fault{131047, 131047, Act::kGiveUp, "window_closed"},
    Fault{131048, 131048, Act::kLimit, "spam_limit"},
    Fault{131049, 131049, Act::kGiveUp, "marketing_cap"},
    Fault{131050, 131050, Act::kOptOut, "opt_out"},
    Fault{131051, 131051, Act::kGiveUp, "type_not_supported"},
    Fault{131052, 131053, Act::kOnce, "media"},
    Fault{131056, 131056, Act::kPair, "pair_rate"},
    Fault{131057, 131057, Act::kRetry, "temporary"},
    Fault{131062, 131063, Act::kGiveUp, "bad_request"},
    Fault{131064, 131064, Act::kLimit, "portfolio_limit"},
    Fault{132000, 132000, Act::kGiveUp, "template_parameters"},
    Fault{132001, 132001, Act::kTell, "template_missing"},
    Fault{132005, 132005, Act::kGiveUp, "template_too_long"},
    Fault{132007, 132007, Act::kTell, "template_policy"},
    Fault{132008, 132008, Act::kGiveUp, "template_parameters"},
    Fault{132012, 132012, Act::kGiveUp, "template_parameters"},
    Fault{132015, 132015, Act::kTell, "template_paused"},
    Fault{132016, 132016, Act::kTell, "template_disabled"},
    Fault{132018, 132018, Act::kGiveUp, "template_parameters"},
    Fault{132068, 132068, Act::kTell, "flow_blocked"},
    Fault{132069, 132069, Act::kTell, "flow_throttled"},
    Fault{133000, 133003, Act::kHold, "registration"},
    Fault{133004, 133004, Act::kRetry, "temporary"},
    Fault{133005, 133015, Act::kHold, "registration"},
    Fault{133016, 133016, Act::kHold, "registration_flood"},
    Fault{135000, 135000, Act::kGiveUp, "bad_request"},
    Fault{137000, 137000, Act::kTell, "identity_changed"},
};

constexpr bool sorted() {
  for (std::size_t i = 1; i < kFaults.size(); ++i) {
    if (kFaults[i].first <= kFaults[i - 1].last) return false;
  }
  return true;
}
static_assert(sorted());

}  // namespace

Fault fault_of(int code, bool transient) {
  const auto* const row =
      std::lower_bound(kFaults.begin(), kFaults.end(), code, [](const Fault& fault, int wanted) { return fault.last < wanted; });
  if (row != kFaults.end() && row->first <= code) return *row;
  return transient ? Fault{code, code, Act::kRetry, "temporary"} : Fault{code, code, Act::kGiveUp, "refused"};
}

std::string reason_of(int code, bool transient) {
  return std::to_string(code).append(" ").append(fault_of(code, transient).word);
}

std::optional<GraphError> graph_error(const HttpResponse& response) {
  wire::JsonReader reader;
  const auto root = reader.read(response.body);
  simdjson::dom::object top;
  if (!root || root->get(top) != simdjson::SUCCESS) return std::nullopt;
  const auto error = wire::object_at(top, "error");
  if (!error) return std::nullopt;
  const auto code = wire::int_at(*error, "code");
  if (!code || *code < 0 || *code > 10'000'000) return std::nullopt;
  return GraphError{static_cast<int>(*code), response.status >= 500 || wire::true_at(*error, "is_transient"),
                    std::string(wire::text_at(*error, "fbtrace_id").substr(0, 64))};
}

}  // namespace belfry::whatsapp
