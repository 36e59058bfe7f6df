// The clocks of the queues' goals, on the shard that brings conversations and agents together: it tells once that a goal will be
// missed, and once that it was. A log line, a count by queue, clock and kind, and an entry `sla` of the transition stream.
//
// Who is due stands in an ordered book; what is true of him is read from the store when his time comes, so nothing of the road in
// or out knows of clocks. A shard that becomes the owner fills its book with all that is open. A prediction comes a second late
// at most if the wait grows slowly; if all agents leave at once, within half of the time that seemed left.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "belfry/clock.h"
#include "gateway/metrics.h"
#include "gateway/waiting_room.h"
#include "routing/mirror.h"
#include "routing/store.h"
#include "routing/store_redis.h"
#include "routing/term_book.h"

namespace belfry::gateway {

class SlaTimers {
 public:
  struct Deps {
    asio::io_context& loop;
    routing::Store& store;
    const routing::Mirror& mirror;
    WaitingRoom& room;
    routing::Carry carry;
    std::string prefix;
    Metrics& metrics;
    std::function<Now()> now;
    std::function<bool()> owner;
  };
  explicit SlaTimers(Deps deps);

  void start();
  void stop();
  void on_snapshot();
  void on_entry(const routing::Value& entry);  // each once, in order

 private:
  void tick();
  void fill();
  void look();
  void looked(const std::vector<std::string>& asked, const std::vector<routing::Card>& cards);
  void tell(const routing::Card& card, const routing::Term& term);

  Deps deps_;
  asio::steady_timer timer_;
  routing::TermBook book_;
  bool stopped_ = false;
  bool filled_ = false;
  bool changed_ = false;             // a queue: its goals or its hours
  std::vector<std::string> to_ask_;  // agents whose conversations are not in the book yet
  int asking_ = 0;
  bool looking_ = false;
  std::uint64_t round_ = 0;  // of filling: what was asked before it counts no more
  std::uint64_t refused_told_ = 0;
  std::map<std::tuple<std::string, routing::Clock, routing::TermState>, Counter> counters_;
};

}  // namespace belfry::gateway
