// A shard's picture of who is ready and what waits: a snapshot, then the transition stream. It is only ever a little late;
// the store refuses what it gets wrong. Agents that could take something stand in an ordered index per queue, so that a
// choice costs the same with ten agents and with ten thousand.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "routing/pick.h"
#include "routing/resp.h"
#include "routing/store.h"

namespace belfry::routing {

class Mirror {
 public:
  void reset(Snapshot snapshot);
  // One entry of the stream: its id, then its fields and values in turn. False: it asks for a new snapshot.
  bool apply(const Value& stream_entry);
  const std::string& stream_id() const { return stream_id_; }
  bool ready() const { return ready_; }

  // Who should get it. Only agents of the waiting conversation's queue are looked at, best first.
  std::optional<Choice> choose(const Waiting& waiting, WallTime now) const;
  // For a conversation about to open in `queue`; nothing if anyone waits in a queue of the chosen agent.
  std::optional<Hint> hint(std::string_view queue, WallTime now) const;

  // Conversations and agents to bring together now, at most `most`. Each is taken to be done until the stream says else, so
  // that the next call proposes others. `failed` puts one back and takes its weight off the agent again.
  std::vector<Offer> match(WallTime now, int most);
  void failed(const Offer& offer);

  const QueueState* queue(std::string_view id) const;
  const AgentState* agent(std::string_view id) const;
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t waiting_in(std::string_view queue) const;
  std::size_t ready_agents() const;
  const std::map<std::string, QueueState, std::less<>>& queues() const { return queues_; }

 private:
  struct ByPreference {
    bool operator()(const AgentState* a, const AgentState* b) const { return better(*a, *b); }
  };
  void index(AgentState& agent);
  void unindex(const AgentState& agent);
  void add_waiting(Waiting waiting);
  void drop_waiting(const std::string& conversation);
  void set_load(const std::string& agent, std::int64_t told, std::int64_t last);
  void promise(const Waiting& waiting, const std::string& agent, WallTime now);
  void drop_promise(const std::string& conversation);

  bool ready_ = false;
  std::string stream_id_ = "0-0";
  std::unordered_map<std::string, AgentState> agents_;
  std::map<std::string, std::set<const AgentState*, ByPreference>, std::less<>> free_;  // by queue
  std::unordered_map<std::string, Waiting> waiting_;
  std::map<std::string, std::set<std::pair<std::int64_t, std::string>>, std::less<>> by_queue_;  // eff, conversation

  // What match proposed and the stream has not spoken of: such a conversation is out of by_queue_, and its weight is part of
  // the agent's load here. Kept apart from what the stream told, or a lost answer would leave the agent too full for ever.
  struct Promise {
    std::string agent;
    std::int64_t at = 0, weight = 0, last_before = 0;
  };
  std::unordered_map<std::string, Promise> promises_;          // by conversation
  std::unordered_map<std::string, std::int64_t> promised_to_;  // by agent, their weight
  std::map<std::string, QueueState, std::less<>> queues_;
};

}  // namespace belfry::routing
