// The agents' events on one shard: one subscription an agent, however many tabs he has open here.
//
// The log is the truth, the publish is a hint: each event carries the agent's sequence number, and a gap (a lost publish, a
// resubscribe) is filled from his replay list before anything later is shown. Events are rendered once and shared by his tabs.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "adapters/desk/frames.h"
#include "belfry/result.h"
#include "routing/store.h"

namespace belfry::gateway {

desk::ConversationView view_of(const routing::Card& card);
desk::MessageView view_of(const MessageRef& ref, const routing::Line& line);

// Turns event lines into frames, reading what they need (entries for replayed messages, cards for offers) in few calls.
// `done` gets one frame an event, in order; one that leads nowhere any more says `closed`.
using Rendered = std::vector<std::string>;
void render(routing::Store& store, std::vector<routing::AgentEvent> events, std::function<void(Result<Rendered>)> done);

// Whoever shows an agent's events: a desk session.
class DeskListener {
 public:
  virtual ~DeskListener() = default;
  virtual void on_event(std::int64_t seq, const std::string& frame) = 0;
  // The events after the last one cannot be had any more: the session is to be closed, the client starts again.
  virtual void on_lost() = 0;
  // What he signed in with may be worth nothing now.
  virtual void on_doubt() = 0;
  // Not counted, never replayed: a citizen types.
  virtual void on_passing(const std::string& frame) = 0;
};

class DeskHub {
 public:
  struct Deps {
    routing::Store& store;
    std::function<void(std::int64_t ms, std::function<void()>)> after;
    std::function<void(const std::string& agent, std::function<void(Result<void>)>)> subscribe;
    std::function<void(const std::string& agent)> unsubscribe;
  };
  explicit DeskHub(Deps deps) : deps_(std::move(deps)) {}

  // `ready` is called once the agent's channel is subscribed: from then on nothing is missed.
  void join(const std::string& agent, DeskListener* listener, std::function<void(Result<void>)> ready);
  void leave(const std::string& agent, DeskListener* listener);
  // A session begins after `seq`: should nothing be published before the link breaks, it is from there that we fill.
  void joined(const std::string& agent, std::int64_t seq);

  void on_publish(std::string_view agent, std::string_view payload);
  // The subscriber link came back: messages in between were lost.
  void on_resubscribed();

  std::size_t sessions() const;

 private:
  struct Slot {
    routing::AgentEvent event;
    std::string frame;
    bool ready = false;
  };
  struct Agent {
    std::string id;
    std::vector<DeskListener*> listeners;
    std::vector<std::function<void(Result<void>)>> waiting;
    bool subscribed = false;
    std::int64_t last = -1;   // -1: nobody has joined yet; after it, what is in `slots` counts as seen
    std::int64_t shown = -1;  // what the listeners have heard
    bool filling = false;     // a replay is under way
    bool fill_again = false;
    bool retrying = false;
    std::deque<Slot> slots;  // in order of seq; shown from the front as they become ready
  };
  using AgentPtr = std::shared_ptr<Agent>;
  void enqueue(const AgentPtr& agent, std::vector<routing::AgentEvent> events);
  void show(const AgentPtr& agent);
  static void tell(const AgentPtr& agent, std::int64_t seq, const std::string& frame);
  void fill(const AgentPtr& agent);
  // The store did not answer: from the last one shown, once more, soon.
  void retry(const AgentPtr& agent);
  bool present(const AgentPtr& agent) const;
  static void doubt(const AgentPtr& agent);

  Deps deps_;
  std::map<std::string, AgentPtr, std::less<>> agents_;
};

}  // namespace belfry::gateway
