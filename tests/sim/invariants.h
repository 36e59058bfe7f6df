// The invariants of reference/routing.md over the reference model, one small named function each. A function adds what it finds
// wrong to `found`; nothing found means that it holds. Watch keeps what an invariant over time needs.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "routing/store_memory.h"

namespace belfry::routing::invariant {

using Found = std::vector<std::string>;
using model::World;

inline bool is_given(const std::string& state) {
  return state == "bot" || state == "offered" || state == "active" || state == "parked" || state == "wrapup";
}

// I1: an owner is one agent, and he knows of it.
inline void one_owner(const World& w, Found& found) {
  for (const auto& [id, c] : w.conversations) {
    if (is_given(c.state) == c.owner.empty() && c.state != "closed") found.push_back("I1 owner of " + id + " in " + c.state);
    int holders = 0;
    for (const auto& [agent, a] : w.agents) {
      if (!a.held.contains(id)) continue;
      ++holders;
      if (c.owner != agent) found.push_back("I1 " + agent + " holds " + id + " of " + c.owner);
    }
    if (holders != (is_given(c.state) ? 1 : 0))
      found.push_back("I1 " + id + " " + c.state + " is held by " + std::to_string(holders));
  }
}

// I2: load is the sum of what he holds. (That it stays within the capacity is Watch's: an administrator may lower it under his
// feet.)
inline void loads_add_up(const World& w, Found& found) {
  for (const auto& [agent, a] : w.agents) {
    std::int64_t sum = 0;
    for (const auto& id : a.held) sum += w.conversations.at(id).weight;
    if (sum != a.load) found.push_back("I2 " + agent + " load " + std::to_string(a.load) + ", holds " + std::to_string(sum));
  }
}

// I3: every open conversation is in exactly one queue or with exactly one agent, a person or a program. With a program it weighs
// nothing, and a program has nothing else.
inline void one_place(const World& w, Found& found) {
  std::map<std::string, int> places;
  for (const auto& [queue, waiting] : w.waiting) {
    for (const auto& [eff, id] : waiting) {
      ++places[id];
      const auto& c = w.conversations.at(id);
      if (c.state != "queued" || c.queue != queue || c.eff != eff)
        found.push_back("I3 " + id + " waits in " + queue + " and is " + c.state);
    }
  }
  for (const auto& [queue, waiting] : w.closed_for) {
    for (const auto& [at, id] : waiting) {
      ++places[id];
      const auto& c = w.conversations.at(id);
      if (c.state != "after_hours" || c.queue != queue || c.opens != at)
        found.push_back("I3 " + id + " waits for " + queue + " to open and is " + c.state);
    }
  }
  for (const auto& [agent, a] : w.agents) {
    for (const auto& id : a.held) ++places[id];
  }
  std::set<std::string> leaving;  // with so many conversations that the sweeps take the rest
  for (const auto& [key, d] : w.deadlines) {
    if (d.kind == "back") leaving.insert(d.id);
  }
  for (const auto& [id, c] : w.conversations) {
    const auto owner = w.agents.find(c.owner);
    if (c.state == "bot" && (owner == w.agents.end() || !owner->second.bot || c.weight != 0))
      found.push_back("I3 " + id + " is with the program " + c.owner + " and weighs " + std::to_string(c.weight));
    const bool there = owner != w.agents.end() && owner->second.sessions > 0 && owner->second.availability == "ready";
    if (c.state == "bot" && !there && !leaving.contains(c.owner))
      found.push_back("I3 " + id + " is with " + c.owner + ", which is not there");
    const bool open = c.state != "closed" && c.state != "sends";
    if (places[id] != (open ? 1 : 0))
      found.push_back("I3 " + id + " " + c.state + " is in " + std::to_string(places[id]) + " places");
  }
}

// I4: what is offered, what somebody is invited to, and what waits for its queue to open, has exactly one deadline of its
// generation.
inline void offers_end(const World& w, Found& found) {
  std::map<std::string, std::map<std::string, int>> deadlines;  // kind, conversation
  for (const auto& [key, d] : w.deadlines) {
    const auto c = w.conversations.find(d.id);
    if (c != w.conversations.end() && std::to_string(c->second.gen) == d.stamp) ++deadlines[d.kind][d.id];
  }
  const auto expect = [&](const std::string& kind, const model::Conversation& c, bool one) {
    if (deadlines[kind][c.id] == (one ? 1 : 0)) return;
    found.push_back("I4 " + c.id + " " + c.state + " has " + std::to_string(deadlines[kind][c.id]) + " deadlines " + kind);
  };
  for (const auto& [id, c] : w.conversations) {
    expect("offer", c, c.state == "offered");
    expect("warm", c, !c.invited.empty());
    expect("open", c, c.state == "after_hours");
  }
}

// Who is invited knows of it, and only what is active can be passed on so.
inline void invitations_hold(const World& w, Found& found) {
  std::map<std::string, std::string> known;
  for (const auto& [agent, a] : w.agents) {
    for (const auto& id : a.invited) known[id] += agent;
  }
  for (const auto& [id, c] : w.conversations) {
    if (known[id] != c.invited) found.push_back(id + " invites " + c.invited + ", and " + known[id] + " knows of it");
    if (!c.invited.empty() && (c.state != "active" || c.owner == c.invited)) found.push_back(id + " invites while " + c.state);
  }
}

// I7: a citizen has at most one open conversation an account.
inline void one_conversation(const World& w, Found& found) {
  std::map<std::pair<std::string, std::string>, std::string> open;
  for (const auto& [id, c] : w.conversations) {
    if (c.state == "closed" || c.state == "sends") continue;
    if (const auto [it, fresh] = open.insert({{c.contact, c.account}, id}); !fresh) {
      found.push_back("I7 contact " + c.contact + " has " + it->second + " and " + id);
    }
    const auto& mine = w.contacts.at(c.contact).open;
    if (const auto it = mine.find(c.account); it == mine.end() || it->second != id)
      found.push_back("I7 contact " + c.contact + " lost " + id);
  }
}

// I8, the order: one outbound entry of a conversation has the turn; the rest wait for it in log order, and none is forgotten. In
// a log of sends each citizen's waits for his own before it, and none is forgotten either.
inline void one_turn(const World& w, Found& found) {
  std::map<std::string, int> places;  // of the entry whose turn it is
  for (const auto& [account, road] : w.roads) {
    for (const auto& lane : road.lanes) {
      for (const auto& ref : lane) ++places[ref.conversation + "." + std::to_string(ref.n)];
    }
    for (const auto& later : road.later) {
      for (const auto& [at, item] : later) ++places[item];
    }
    for (const auto& flight : road.flights) ++places[flight.ref.conversation + "." + std::to_string(flight.ref.n)];
  }
  for (const auto& [before, line] : w.behind) {
    for (const auto& [lane, ref] : line) ++places[ref.conversation + "." + std::to_string(ref.n)];
  }
  std::set<std::string> landing;
  for (const auto& [key, d] : w.deadlines) {
    if (d.kind == "unc") landing.insert(d.stamp);
  }
  for (const auto& [id, c] : w.conversations) {
    if (c.state == "sends") {
      for (std::size_t i = 0; i < c.log.size(); ++i) {
        const std::string item = id + "." + std::to_string(i + 1);
        const bool waits = c.log[i].state == State::kQueued || c.log[i].state == State::kClaimed;
        if (waits && places[item] != 1) found.push_back("I8 " + item + " waits in " + std::to_string(places[item]) + " places");
      }
      continue;
    }
    std::vector<std::int64_t> queued;
    for (std::size_t i = 0; i < c.log.size(); ++i) {
      const auto n = static_cast<std::int64_t>(i + 1);
      if (c.log[i].state == State::kQueued && n != c.turn) queued.push_back(n);
      if (c.log[i].state == State::kClaimed && n != c.turn)
        found.push_back("I8 " + id + "." + std::to_string(n) + " is claimed out of turn");
    }
    std::vector<std::int64_t> held;
    for (const auto& h : c.hold) {
      if (c.log[static_cast<std::size_t>(h.n - 1)].state == State::kQueued) held.push_back(h.n);
    }
    if (held != queued) found.push_back("I8 " + id + " does not hold what is queued, in order");
    if (c.turn == 0) {
      if (!queued.empty()) found.push_back("I8 " + id + " has queued entries and no turn");
      continue;
    }
    const std::string item = id + "." + std::to_string(c.turn);
    const State state = c.log[static_cast<std::size_t>(c.turn - 1)].state;
    if ((state == State::kQueued || state == State::kClaimed) && places[item] != 1) {
      found.push_back("I8 " + item + " has the turn in " + std::to_string(places[item]) + " places");
    }
    if (state == State::kUncertain && !landing.contains(item))
      found.push_back("I8 " + item + " is uncertain and keeps the turn for ever");
    if (state != State::kQueued && state != State::kClaimed && state != State::kUncertain)
      found.push_back("I8 " + item + " has its answer and the turn");
  }
}

// The counter of open messages is what the states say.
inline void counters_hold(const World& w, Found& found) {
  for (const auto& [id, c] : w.conversations) {
    const auto open = std::count_if(c.log.begin(), c.log.end(), [](const model::LogLine& l) {
      return l.state == State::kQueued || l.state == State::kClaimed || l.state == State::kSent || l.state == State::kUncertain;
    });
    if (open != c.open) found.push_back("open of " + id + " is " + std::to_string(c.open) + ", not " + std::to_string(open));
  }
}

// An agent has as many sessions as the shards say; a shard that does not run has none.
inline void presence_holds(const World& w, Found& found) {
  std::map<std::string, std::int64_t> sessions;
  for (const auto& [id, shard] : w.shards) {
    for (const auto& [agent, session] : shard.sessions) ++sessions[agent];
    if (!shard.until && !shard.sessions.empty()) found.push_back("sessions on " + id + ", which is gone");
  }
  for (const auto& [agent, a] : w.agents) {
    if (a.sessions != sessions[agent])
      found.push_back(agent + " has " + std::to_string(a.sessions) + " sessions, not " + std::to_string(sessions[agent]));
  }
}

class Watch {
 public:
  // `store` must live as long. Takes on_event and on_transition of the store and passes them on to `event` and `transition`.
  explicit Watch(MemoryStore& store) : store_(store) {}

  void on_transition(const Fields& fields) {
    const std::string& kind = fields[0].second;
    const std::string& conversation = fields[1].second;
    if (kind == "offered" || kind == "assigned") {
      // I1: no `offered` between an `offered` and what ends it.
      const bool handed = std::any_of(fields.begin(), fields.end(), [](const auto& f) { return f.first == "fa"; });
      if (!given_.insert(conversation).second && !handed) found_.push_back("I1 " + conversation + " was given twice");
      // I13: not to an agent who is not ready, unless a supervisor takes it for him.
      const bool directed = fields.back().first == "by";
      const auto& agent = store_.world().agents.at(fields[3].second);
      if ((agent.availability != "ready" && !directed) || agent.sessions < 1)
        found_.push_back("I13 " + conversation + " was given to " + fields[3].second);
      if (agent.bot) found_.push_back("I13 " + conversation + " was given to a program, " + fields[3].second);
    }
    if (kind == "requeued" || kind == "closed") given_.erase(conversation);
    // I5: only who directs it gives it another place.
    const bool reopened = kind == "queued" && fields.back() == std::pair<std::string, std::string>{"by", fields.back().second};
    if (kind == "prioritised" || reopened) past_[conversation].eff = store_.world().conversations.at(conversation).eff;
  }

  void on_event(const std::string& agent, const AgentEvent& event) {
    if (event.seq != ++seq_[agent]) found_.push_back("a gap in the events of " + agent);
    if (event.kind != 'm') return;
    // I8, to desktop: in log order.
    std::int64_t& last = shown_[{agent, event.conversation}];
    const std::int64_t n = std::stoll(event.x);
    if (n <= last) found_.push_back("I8 " + agent + " sees " + event.conversation + "." + event.x + " late");
    last = n;
  }

  // A caller was told to hand this over to the provider.
  void on_handed(const MessageRef& ref) {
    // I8, to provider: in log order.
    const bool sends = store_.world().conversations.at(ref.conversation).state == "sends";
    std::int64_t& last = handed_last_[ref.conversation];
    if (ref.n < last && !sends) found_.push_back("I8 " + ref.conversation + "." + std::to_string(ref.n) + " is handed over late");
    last = std::max(last, ref.n);
    // I14: nothing is handed over twice, unless its sender gave it back.
    if (!handed_.insert({ref.conversation, ref.n}).second) {
      found_.push_back("I14 " + ref.conversation + "." + std::to_string(ref.n) + " is handed over twice");
    }
  }
  void on_put_back(const MessageRef& ref) { handed_.erase({ref.conversation, ref.n}); }

  // I11, and I6: this inbound message is kept, there, once. Its entry is like no other's.
  void on_kept(const MessageRef& ref, const std::string& entry) { kept_[entry] = {ref.conversation, ref.n}; }

  bool knows(const std::string& entry) const { return entries_.contains(entry); }

  // After a step. What is answered holds; what is not is listed.
  Found check() {
    const World& w = store_.world();
    Found found = std::exchange(found_, {});
    one_owner(w, found);
    loads_add_up(w, found);
    one_place(w, found);
    offers_end(w, found);
    invitations_hold(w, found);
    one_conversation(w, found);
    one_turn(w, found);
    counters_hold(w, found);
    presence_holds(w, found);
    within_capacity(w, found);
    silent_bots(w, found);
    over_time(w, found);
    return found;
  }

  // At the end: every message that was acknowledged is where it was said to be.
  Found check_kept() {
    Found found;
    for (const auto& [entry, at] : kept_) {
      const auto it = entries_.find(entry);
      if (it == entries_.end()) {
        found.push_back("I11 " + at.first + "." + std::to_string(at.second) + " is lost");
      } else if (it->second != at) {
        found.push_back("I11 " + at.first + "." + std::to_string(at.second) + " is elsewhere");
      }
    }
    return found;
  }

 private:
  // I2: a load never grows beyond the capacity.
  void within_capacity(const World& w, Found& found) {
    for (const auto& [agent, a] : w.agents) {
      std::int64_t& before = load_[agent];
      if (a.load > a.capacity && a.load > before) found.push_back("I2 " + agent + " carries " + std::to_string(a.load));
      before = a.load;
    }
  }
  // I9: once a program has handed it over, what it wrote waits nowhere, and nothing of it is claimed that was not already.
  void silent_bots(const World& w, Found& found) {
    std::set<std::pair<std::string, std::int64_t>> flying;
    for (const auto& [account, road] : w.roads) {
      for (const auto& flight : road.flights) {
        const auto& c = w.conversations.at(flight.ref.conversation);
        if (!c.log[static_cast<std::size_t>(flight.ref.n - 1)].by_bot) continue;
        const std::pair at{c.id, flight.ref.n};
        flying.insert(at);
        if (c.state != "bot" && !flew_.contains(at))
          found.push_back("I9 " + c.id + "." + std::to_string(flight.ref.n) + " is claimed after the handover");
      }
    }
    for (const auto& [id, c] : w.conversations) {
      if (c.state == "bot") continue;
      for (std::size_t i = 0; i < c.log.size(); ++i) {
        const State state = c.log[i].state;
        const std::pair at{id, static_cast<std::int64_t>(i + 1)};
        if (c.log[i].by_bot && (state == State::kQueued || (state == State::kClaimed && !flying.contains(at))))
          found.push_back("I9 " + id + "." + std::to_string(i + 1) + " still waits after the handover");
      }
    }
    flew_ = std::move(flying);
  }
  void over_time(const World& w, Found& found) {
    for (const auto& [id, c] : w.conversations) {
      Past& past = past_[id];
      if (past.states.empty()) past.eff = c.eff;
      // I5: the place in the queue is kept.
      if (past.eff != c.eff) found.push_back("I5 " + id + " lost its place");
      if (c.gen < past.gen) found.push_back(id + " went back a generation");
      if (c.state != past.state && past.gen == c.gen) found.push_back(id + " changed its state, not its generation");
      past.gen = c.gen;
      past.state = c.state;
      for (std::size_t i = 0; i < c.log.size(); ++i) {
        const int now = rank(c.log[i].state);
        if (i < past.states.size()) {
          if (now < past.states[i]) found.push_back(id + "." + std::to_string(i + 1) + " went back a state");
          past.states[i] = now;
          continue;
        }
        past.states.push_back(now);
        // I6: one message, one entry.
        const std::pair at{id, static_cast<std::int64_t>(i + 1)};
        if (!entries_.insert({c.log[i].entry, at}).second)
          found.push_back("I6 " + id + "." + std::to_string(i + 1) + " is kept twice");
      }
    }
  }

  struct Past {
    std::int64_t eff = 0, gen = 0;
    std::string state;
    std::vector<int> states;
  };

  MemoryStore& store_;
  Found found_;
  std::set<std::string> given_;
  std::map<std::string, std::int64_t> seq_, load_, handed_last_;
  std::map<std::pair<std::string, std::string>, std::int64_t> shown_;
  std::set<std::pair<std::string, std::int64_t>> handed_;
  std::set<std::pair<std::string, std::int64_t>> flew_;  // of programs, at the last step
  std::map<std::string, std::pair<std::string, std::int64_t>> kept_, entries_;
  std::map<std::string, Past> past_;
};

}  // namespace belfry::routing::invariant
