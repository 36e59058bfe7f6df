// The way out of one shard: the senders of the accounts that this shard owns by lease, fed from their lanes in Redis.
//
//   claim (or a reply that came back claimed) -> Sender::send -> effects -> Settle -> one settle call a loop turn
//
// - A lane is touched only while its lease ends more than a second from now on this shard's own monotonic clock.
// - What was claimed is settled or put back, whatever happens to the lease meanwhile: the store sorts out the rest.
// - Settles that the store could not take are kept and repeated; there are never more of them than the sender's window.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/adapter.h"
#include "gateway/links.h"
#include "gateway/services.h"
#include "routing/store.h"

namespace belfry::gateway {

class HttpClient;
class MediaStore;

class Outgoing : public Outbox {
 public:
  struct Deps {
    // Calls back on this thread, never from inside; 0 ms: at the end of this loop turn. Not called any more once Outgoing is
    // gone.
    std::function<void(std::int64_t ms, std::function<void()> what)> after;
    routing::LaneStore& store;
    HttpClient& http;
    MediaStore& files;
    std::function<Now()> now;
    std::string shard;
    // Tells the owner of a lane something that only he can do: "read <wamid>", "typing <wamid>", "in <count>".
    std::function<void(std::string_view account, std::string payload)> tell_owner;
    // What came over a sender's own links, or a provider's answer told besides: kept, or not for now.
    std::function<void(Event event, std::function<void(bool kept)> done)> deliver;
    MakeLinks make_links;
    // Something an operator should see in the log.
    std::function<void(const std::string& event, const std::string& account, const std::string& detail)> report;
  };
  Outgoing(Deps deps, const std::vector<AccountInfo>& accounts);
  ~Outgoing() override;

  const AccountInfo* account(std::string_view id) const override;
  std::vector<AccountInfo> accounts() const override;
  Result<void> check(std::string_view account, const Content& content) const override;
  std::optional<Media> file_named(std::string_view account, const Content& content) const override;
  bool needs_window(std::string_view account, const Content& content) const override;
  Result<std::string> address(std::string_view account, std::string_view to) const override;
  routing::LeaseRef lease(std::string_view account) override;
  void lease_in_doubt(std::string_view account) override;
  void hand_over(Outbound message) override;

  // After each beat: what this shard holds, and until when. An account not named is not ours any more.
  void on_leases(const std::vector<routing::Granted>& leases, Instant until);
  // Something was queued in a lane, or an owner's errand came.
  void on_lane(std::string_view account, std::string_view payload);
  void on_store_up();
  // An inbound message of an account was read on this shard: it counts against the number's rate.
  void on_inbound(std::string_view account, const std::string& address);
  // SIGHUP: the secrets of the accounts that we have; the rest is as it was.
  void set_secrets(const std::vector<AccountInfo>& fresh);
  // No more claims. True when nothing is in flight any more.
  bool drain();
  std::size_t in_flight() const;
  // The binds of each SMS account, as far as they are this shard's: of an account that another one owns, none.
  struct Binds {
    std::string_view account;
    int up = 0, down = 0;
  };
  std::vector<Binds> binds() const;

  struct Counts {
    std::uint64_t sent = 0, failed = 0, uncertain = 0, returned = 0, settle_retries = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Lane;
  Lane* owned(std::string_view account);
  void recover(Lane& lane);
  void pump(Lane& lane);
  void deliver(Lane& lane, Outbound message);
  void run(Lane& lane, Effects effects);
  Links::Heard links_heard(Lane& lane);
  void call(Lane& lane, const Call& call);
  void keep(Lane& lane, Token token, const Event& event, Instant since);
  void stored(Lane& lane, Token token, bool kept);
  void acknowledge_later(Lane& lane, std::string provider_id);
  void answered(Lane& lane, CallId id, Result<HttpResponse> response);
  void flush(Lane& lane);
  void flush_later(Lane& lane);
  void wake_at(Lane& lane, Instant at);

  Deps deps_;
  std::map<std::string, std::unique_ptr<Lane>, std::less<>> lanes_;
  bool draining_ = false;
  Counts counts_;
};

}  // namespace belfry::gateway
