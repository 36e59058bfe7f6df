// A shard's picture of who is ready and what waits: a snapshot, then the transition stream. It is only ever a little late;
// the store refuses what it gets wrong.
//
// Each queue has a pool for each of its steps: who waits there, and an ordered index of the agents who could take it, so that
// a choice costs the same with ten agents and with ten thousand, and with ten waiting or a hundred thousand.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "routing/bands.h"
#include "routing/pick.h"
#include "routing/resp.h"
#include "routing/store.h"

namespace belfry::routing {

class Mirror {
 public:
  void reset(Snapshot snapshot);
  // The same in pieces, so that a hundred thousand who wait do not hold the shard up: reset() without them, then so many at a
  // time, all before the stream is read on. `fade` takes a mirror that is no longer wanted to pieces; false once nothing is left.
  void add(Waiting waiting) { add_waiting(std::move(waiting)); }
  bool fade(std::size_t most);
  // One entry of the stream: its id, then its fields and values in turn. False: it asks for a new snapshot.
  bool apply(const Value& stream_entry);
  const std::string& stream_id() const { return stream_id_; }
  bool ready() const { return ready_; }

  // Who should get it, as pick() says: only those who could take it are looked at, best first.
  std::optional<Choice> choose(const Waiting& waiting, WallTime now) const;
  // For a conversation about to open in `queue`; nothing if anyone waits in a queue of the chosen agent.
  std::optional<Hint> hint(std::string_view queue, int weight, WallTime now) const;

  // Conversations and agents to bring together now, at most `most`. Each is taken to be done until the stream says else, so
  // that the next call proposes others. `failed` puts one back and takes its weight off the agent again.
  std::vector<Offer> match(WallTime now, int most);
  void failed(const Offer& offer);

  const QueueState* queue(std::string_view id) const;
  const std::vector<Route>& routes() const { return routes_; }
  const AgentState* agent(std::string_view id) const;
  std::size_t waiting() const { return waiting_.size(); }
  std::size_t waiting_in(std::string_view queue) const;
  std::size_t ready_agents() const { return present_; }
  std::vector<const QueueState*> queues() const;  // by id
  // Since when the next of this queue waits; 0: nobody does.
  WallTime oldest_in(std::string_view queue) const;
  // As it is now, in no order: for estimates. They live until the mirror changes.
  std::vector<const AgentState*> agents() const;
  std::vector<const Waiting*> all_waiting() const;
  const Waiting* waiting_of(const std::string& conversation) const;

 private:
  using Place = std::pair<std::int64_t, std::string>;  // eff, conversation
  struct BySeat {
    bool operator()(const Seat& a, const Seat& b) const { return better(a, b); }
  };
  struct Pool {
    Demand demand;
    std::size_t step = 0;
    std::set<Seat, BySeat> free;  // present, with room for one more
    std::size_t present = 0;      // however busy
    std::set<Place> order;        // who waits at this step, as far as match() has looked
  };
  struct Line {
    QueueState settings;
    std::vector<std::unique_ptr<Pool>> pools;  // by step; the last is met by most
    // Who may answer at a step: those of a later one if nobody present meets it.
    const Pool& answering(std::size_t step) const;
  };
  // An agent in a pool whose demand he meets.
  struct Chair {
    Pool* pool = nullptr;
    int relaxed = 0, levels = 0;
  };
  struct Person {
    AgentState state;
    std::vector<Chair> chairs;
    bool counted = false, seated = false;  // in `present`, in `free` of each
    // The load as told, and what is promised besides: how much, the latest when, how many.
    std::int64_t load = 0, last = 0;
    std::int64_t promised = 0, promised_at = 0, promises = 0;
  };
  struct Item {
    Waiting what;
    Pool* pool = nullptr;  // null while an agent is promised to it
  };
  // What match proposed and the stream has not spoken of: such a conversation is in no pool, and until then the agent is seen as
  // carrying it. Apart from what the stream told, or a lost answer would leave him too full for ever.
  struct Promise {
    std::string agent;
    std::int64_t at = 0, weight = 0;
  };

  Line& line(const std::string& queue);
  const Line* find_line(std::string_view queue) const;
  void make_pools(Line& line);
  void give_chairs(Person& person);
  void sit(Person& person);
  void stand(Person& person);
  void show(Person& person);
  void set_load(const std::string& agent, std::int64_t load, std::int64_t last);

  void add_waiting(Waiting waiting);
  void drop_waiting(const std::string& conversation, std::string_view shown_after = {});
  void put(Item& item, Pool& pool);
  void put_back(Item& item);
  void take_out(Item& item);
  void widen(WallTime now);

  std::optional<Seat> seat_in(const Line& line, const Pool& pool, const Waiting& waiting, WallTime now, bool& sticky) const;
  void promise(const Waiting& waiting, const std::string& agent, WallTime now);
  // `shown_after`: an agent whom the caller shows anyway.
  void drop_promise(const std::string& conversation, std::string_view shown_after = {});

  bool ready_ = false;
  std::vector<Route> routes_;
  std::size_t present_ = 0;  // agents
  std::string stream_id_ = "0-0";
  std::unordered_map<std::string, Person> people_;
  std::map<std::string, Line, std::less<>> lines_;                      // by queue
  std::map<std::string, std::vector<Pool*>, std::less<>> answered_by_;  // queue -> the pools that its members may answer
  std::unordered_map<std::string, Item> waiting_;
  std::set<Place> widening_;  // when a conversation's next step comes in force; at once where only match() can tell
  std::unordered_map<std::string, Promise> promises_;  // by conversation
  Bands bands_;                                        // of what match() proposed last
};

}  // namespace belfry::routing
