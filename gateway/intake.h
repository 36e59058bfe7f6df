// What channels tell us, made durable: the one road of an Event into the store, whether a provider posted it or a link brought
// it.
//
// Only an error about one event's content puts that event into quarantine, and it counts as kept: so that one poison update
// cannot make a provider repeat it for seven days.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/message.h"
#include "gateway/services.h"

namespace belfry::gateway {

class Intake {
 public:
  struct Counts {
    std::uint64_t messages = 0, duplicates = 0, receipts = 0, unmatched = 0, changes = 0, quarantined = 0, news = 0, parts = 0;
  };
  // `on_inbound` hears of each inbound message, for the number's rate.
  using OnInbound = std::function<void(std::string_view account, const std::string& address)>;
  using Report = std::function<void(const std::string& event, const std::string& account, const std::string& detail)>;
  // Null: it is kept. Otherwise nothing of it is, and it may come again.
  using Done = std::function<void(const Error* error)>;

  Intake(Services& services, OnInbound on_inbound, Report report)
      : services_(services), on_inbound_(std::move(on_inbound)), report_(std::move(report)) {}

  // Is there room for so many more? Admitted whole or not at all.
  bool room_for(std::size_t events) const;
  void take(Event event, Done done);
  // A message that a page of ours brought: its sender hears where it stands, and gets its entry's bytes. An error: it is not
  // kept.
  using Kept = std::function<void(Result<routing::Ingested> where, const std::string& entry)>;
  void receive(Inbound message, Kept kept);
  // Receipts that say which message they are about, of one account: one call.
  void settle(const std::string& account, const std::vector<routing::Settled>& receipts, Done done);
  // Long messages of which a part has not come in time are delivered with a gap. Once a beat, by the account's owner.
  void look_for_gaps(const std::string& account);

  const Counts& counts() const { return counts_; }
  std::size_t open() const { return open_; }

 private:
  void choose_queue(routing::Ingest& what, const Content& content) const;
  void ingest(Inbound message, std::string of, bool may_open, std::string old_address, Done done, Kept kept = {});
  // STOP, START, HELP: the wish is kept and answered before the message is.
  void heed(Inbound message, Done done);
  void answer(const Inbound& message, const AccountInfo& account, Done done);
  void part(const Part& part, Done done);
  void join(const std::string& account, const routing::PartSet& set, Done done);
  void receipt(Receipt receipt, Done done);
  void flush_receipts(const std::string& account);
  void command(const std::string& encoded, Done done);
  void keep_aside(std::string bytes, const std::string& why, Done done);
  Done counted(Done done);

  Services& services_;
  OnInbound on_inbound_;
  Report report_;
  Counts counts_;
  std::size_t open_ = 0;
  // Receipts by the provider's own names: those of one loop turn settle in one call an account.
  struct Batch {
    std::vector<routing::NamedReceipt> receipts;
    std::vector<Done> done;
  };
  std::map<std::string, Batch> batches_;
};

}  // namespace belfry::gateway
