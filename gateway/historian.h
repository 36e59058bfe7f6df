// Counts what happens, for the history of API and console, on the shard that holds the lease `history`: it walks the
// transition stream behind everybody else and adds each step's counts to the store together with the place where the step
// ended. So a step is counted once, whoever dies when, and two at once would only see each other's steps refused.
//
// - Small steps with pauses, so that no offer waits for them: a step finds out languages on the shard's own thread. A
//   backlog waits in the stream; what that has cut off before it was counted is missing, and `gaps` says that it happened.
// - Who takes over first reads the kBefore entries before the place reached, to know since when what waits now has waited.
//   A wait that is older has no length in the history.
#pragma once

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/auth/commands.h"
#include "gateway/services.h"
#include "routing/history.h"
#include "routing/store.h"

namespace belfry::gateway {

class Historian {
 public:
  explicit Historian(Services& services);

  void start();
  void stop();
  bool idle() const { return !busy_; }
  void on_lease(bool held, Instant until);

  struct Counts {
    std::uint64_t entries = 0;  // counted
    std::uint64_t gaps = 0;     // the stream was cut before us
    std::uint64_t failed = 0;   // steps that the store did not take; they are tried again
  };
  const Counts& counts() const { return counts_; }

 private:
  static constexpr int kStep = 50;
  static constexpr int kBefore = 20'000;

  struct Facts;  // of a conversation
  struct Step;   // of the stream, until it is counted
  using StepPtr = std::shared_ptr<Step>;
  void tick();
  void begin();
  void learn_place();
  void warm_up(const std::string& before, std::vector<routing::Value> found);
  void read();
  void look_up(const StepPtr& step);
  void count(const StepPtr& step);
  void add();
  void end(const Error* error);
  static Facts facts_of(const routing::Value& row);
  std::string language_of(std::string_view channel, const routing::Value& first) const;

  Services& services_;
  Commands commands_;
  asio::steady_timer timer_;
  bool stopped_ = false, busy_ = false, held_ = false;
  bool more_ = false;  // the last step was a whole one
  Instant until_;
  std::unique_ptr<routing::History> history_;
  std::optional<std::string> place_;                        // the entry counted last; none: to be asked for
  StepPtr step_;                                            // counted, and on its way into the store
  std::unordered_map<std::string, std::string> languages_;  // of conversations met lately: it is found out once
  Counts counts_;
};

}  // namespace belfry::gateway
