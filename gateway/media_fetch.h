// Brings the media of inbound messages into the media store, for the accounts that this shard owns: jobs from the store,
// whatsapp::MediaFetcher decides, the HTTP client fetches, and the desk hears when the file is there.
#pragma once

#include <asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "adapters/whatsapp/account.h"
#include "adapters/whatsapp/media.h"
#include "gateway/services.h"

namespace belfry::gateway {

class MediaFetch {
 public:
  MediaFetch(Services& services, const std::vector<whatsapp::Account>& accounts, std::int64_t max_bytes);
  ~MediaFetch();

  void on_leases(const std::vector<routing::Granted>& leases, Instant until);
  // SIGHUP: the secrets of the accounts that we have; the rest is as it was.
  void set_secrets(const std::vector<whatsapp::Account>& fresh);

  struct Counts {
    std::uint64_t fetched = 0, failed = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Lane;
  void look(Lane& lane);
  void run(Lane& lane, Effects effects);
  void collect(Lane& lane);

  Services& services_;
  std::map<std::string, std::unique_ptr<Lane>> lanes_;
  Counts counts_;
};

}  // namespace belfry::gateway
