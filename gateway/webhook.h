// What providers post to us: read by the channel's Receiver, kept by the store, and only then acknowledged.
//
// A POST is admitted whole or refused whole (503), by the count of events not yet stored on this shard. A store that is away
// means 503 for the whole.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/whatsapp/receiver.h"
#include "gateway/exchange.h"
#include "gateway/intake.h"
#include "gateway/services.h"

namespace belfry::gateway {

class Webhook {
 public:
  struct Counts {
    std::uint64_t accepted = 0;       // requests answered 200
    std::uint64_t refused_auth = 0;   // 401
    std::uint64_t refused_bad = 0;    // 400
    std::uint64_t refused_later = 0;  // 503
  };
  using Report = std::function<void(const std::string& event, const std::string& account, const std::string& detail)>;

  Webhook(Services& services, Intake& intake, const std::vector<whatsapp::Account>& accounts, Report report);

  // SIGHUP: who signs and asks with which secrets from now on. The same accounts as before.
  void set_accounts(const std::vector<whatsapp::Account>& accounts);

  // `path` is /webhooks/whatsapp/<account>.
  bool known(std::string_view path) const;
  void serve(std::shared_ptr<Exchange> exchange);
  const Counts& counts() const { return counts_; }

 private:
  struct Delivery;
  void kept(Delivery& delivery, const Error* error);

  Services& services_;
  Intake& intake_;
  std::map<std::string, std::unique_ptr<whatsapp::Receiver>, std::less<>> receivers_;
  Report report_;
  Counts counts_;
};

}  // namespace belfry::gateway
