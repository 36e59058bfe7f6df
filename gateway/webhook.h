// What providers post to us: read by the channel's Receiver, kept by the store, and only then acknowledged.
//
// A POST is admitted whole or refused whole (503), by the count of events not yet stored on this shard. A store that is away
// means 503 for the whole; only an error about one update's content puts that update into quarantine and counts as kept, so
// that one poison update cannot make a provider retry for seven days.
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
#include "gateway/services.h"

namespace belfry::gateway {

class Webhook {
 public:
  struct Counts {
    std::uint64_t accepted = 0;       // requests answered 200
    std::uint64_t refused_auth = 0;   // 401
    std::uint64_t refused_bad = 0;    // 400
    std::uint64_t refused_later = 0;  // 503
    std::uint64_t messages = 0, duplicates = 0, receipts = 0, unmatched = 0, changes = 0, quarantined = 0, news = 0;
  };
  // `on_inbound` hears of each inbound message, for the number's rate.
  using OnInbound = std::function<void(std::string_view account, const std::string& address)>;
  using Report = std::function<void(const std::string& event, const std::string& account, const std::string& detail)>;

  Webhook(Services& services, const std::vector<whatsapp::Account>& accounts, OnInbound on_inbound, Report report);

  // SIGHUP: who signs and asks with which secrets from now on. The same accounts as before.
  void set_accounts(const std::vector<whatsapp::Account>& accounts);

  // `path` is /webhooks/whatsapp/<account>.
  bool known(std::string_view path) const;
  void serve(std::shared_ptr<Exchange> exchange);
  // The same for what a provider told in its answer to a send: kept if the store can, and nobody waits for it.
  void keep(Event event);
  const Counts& counts() const { return counts_; }
  std::size_t open_tokens() const { return open_; }

 private:
  struct Delivery;
  void take(const std::shared_ptr<Delivery>& delivery, Event event);
  void choose_queue(routing::Ingest& what, const Content& content) const;
  void ingest(const std::shared_ptr<Delivery>& delivery, Inbound message, std::string of, bool may_open, std::string old_address);
  void keep_aside(const std::shared_ptr<Delivery>& delivery, std::string bytes, const std::string& why);
  void kept(const std::shared_ptr<Delivery>& delivery, const Error* error);

  Services& services_;
  std::map<std::string, std::unique_ptr<whatsapp::Receiver>, std::less<>> receivers_;
  OnInbound on_inbound_;
  Report report_;
  Counts counts_;
  std::size_t open_ = 0;
};

}  // namespace belfry::gateway
