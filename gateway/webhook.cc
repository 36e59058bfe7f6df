#include "gateway/webhook.h"

#include <algorithm>
#include <utility>

#include "gateway/config.h"

namespace belfry::gateway {
namespace {

constexpr std::string_view kPrefix = "/webhooks/whatsapp/";

// One constant body for whoever fails authentication: what was wrong is in our log.
HttpResponse unauthorized() { return {401, {}, "unauthorized\n"}; }

HttpResponse later() {
  HttpResponse response{503, {}, "try again\n"};
  response.headers.add("retry-after", "2");
  return response;
}

}  // namespace

// One POST on its way: answered when the last of its events is kept, or as soon as one is refused... but never before the
// last has been answered, so that the count of open events stays true.
struct Webhook::Delivery {
  std::shared_ptr<Exchange> exchange;
  HttpResponse yes, no;
  std::size_t waiting = 0;
  bool refused = false;
};

Webhook::Webhook(Services& services, Intake& intake, const std::vector<whatsapp::Account>& accounts, Report report)
    : services_(services), intake_(intake), report_(std::move(report)) {
  set_accounts(accounts);
}

// A receiver reads a POST in one go and keeps nothing, so it is replaced between two of them.
void Webhook::set_accounts(const std::vector<whatsapp::Account>& accounts) {
  for (const whatsapp::Account& account : accounts) {
    receivers_[account.id] = std::make_unique<whatsapp::Receiver>(account, accounts);
  }
}

bool Webhook::known(std::string_view path) const {
  return path.starts_with(kPrefix) && receivers_.find(path.substr(kPrefix.size())) != receivers_.end();
}

void Webhook::serve(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  const auto found = receivers_.find(std::string_view(request.path).substr(kPrefix.size()));
  const whatsapp::Receiver& receiver = *found->second;
  if (request.method == "GET") {
    auto answer = receiver.handshake(request);
    return exchange->answer(answer ? std::move(*answer) : HttpResponse{403, {}, ""});
  }
  if (request.method != "POST") {
    HttpResponse response{405, {}, ""};
    response.headers.add("allow", "GET, POST");
    return exchange->answer(std::move(response));
  }
  auto intake = receiver.read(services_.now(), request);
  if (!intake) {
    if (intake.error().code == Errc::kUnauthorized) {
      ++counts_.refused_auth;
      return exchange->answer(unauthorized());
    }
    ++counts_.refused_bad;
    report_("webhook_malformed", found->first, intake.error().detail);
    return exchange->answer({400, {}, "bad request\n"});
  }
  if (!intake_.room_for(intake->events.size())) {
    ++counts_.refused_later;
    return exchange->answer(later());
  }
  // News of what we sent take no room; they make it, in the end.
  const bool only_receipts = std::all_of(intake->events.begin(), intake->events.end(),
                                         [](const Event& event) { return std::holds_alternative<Receipt>(event); });
  if (const Level level = services_.level(); level >= Level::kNothing || (level >= Level::kAlertsOnly && !only_receipts)) {
    ++counts_.refused_later;
    return exchange->answer(later());
  }
  auto delivery = std::make_shared<Delivery>();
  delivery->exchange = std::move(exchange);
  delivery->yes = std::move(intake->yes);
  delivery->no = later();
  delivery->waiting = intake->events.size() + 1;  // the one is ours, until all are handed to the store

  // The receipts of one POST settle in one call an account.
  std::map<std::string, std::vector<routing::Settled>> receipts;
  for (Event& event : intake->events) {
    if (auto* receipt = std::get_if<Receipt>(&event); receipt != nullptr && receipt->ref) {
      --delivery->waiting;
      receipts[receipt->account].push_back(
          {std::move(*receipt->ref), receipt->state, std::move(receipt->provider_id), std::move(receipt->reason), {}});
    } else {
      intake_.take(std::move(event), [this, delivery](const Error* error) { kept(*delivery, error); });
    }
  }
  delivery->waiting += receipts.size();
  for (auto& [account, settled] : receipts)
    intake_.settle(account, settled, [this, delivery](const Error* error) { kept(*delivery, error); });
  kept(*delivery, nullptr);
}

void Webhook::kept(Delivery& delivery, const Error* error) {
  if (error != nullptr) delivery.refused = true;
  if (--delivery.waiting > 0) return;
  if (delivery.refused) {
    ++counts_.refused_later;
    delivery.exchange->answer(std::move(delivery.no));
  } else {
    ++counts_.accepted;
    delivery.exchange->answer(std::move(delivery.yes));
  }
}

}  // namespace belfry::gateway
