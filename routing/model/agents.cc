// Agents, their sessions, and the shards that hold them: routing/functions/40_agents.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::agent_put(std::string_view id, const Fields& fields, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string key(id);
  const bool created = !w_.agents.contains(key);
  Agent& agent = w_.agents[key];
  const bool was_bot = agent.bot;
  for (const auto& [field, value] : fields) {
    if (field == "name") agent.name = value;
    if (field == "roles") agent.roles = value;
    if (field == "queues") agent.queues = value;
    if (field == "skills") agent.skills = value;
    if (field == "cap") agent.capacity = number(value);
    if (field == "bot") agent.bot = value == "1";
  }
  ++agent.gen;
  if (agent.bot != was_bot) withdraw_offers(key, "config");
  agent_news(key, "config");
  done(ok(created ? 1 : 0));
}

void Memory::agent_set(std::string_view id, std::string_view availability, std::string_view reason, std::string_view by,
                       Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string key(id);
  Agent* agent = look(w_.agents, key);
  if (agent == nullptr) return done(missing());
  actor_ = std::string(by);
  agent->availability = std::string(availability);
  agent->reason = std::string(reason);
  agent->missed = 0;
  ++agent->gen;
  if (availability == "draining") {
    w_.draining.insert(key);
  } else {
    w_.draining.erase(key);
  }
  const bool keeps = availability == "ready" || (availability == "draining" && !agent->bot);
  if (!keeps) withdraw_offers(key, std::string(availability));
  agent_news(key, std::string(availability));
  actor_.clear();
  done(ok());
}

void Memory::queue_put(std::string_view id, const Fields& fields, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string key(id);
  const bool created = !w_.queues.contains(key);
  auto& queue = w_.queues[key];
  for (const auto& [field, value] : fields) {
    queue[field] = value;
    if (field != "hours" && field != "zone" && field != "emergency") continue;
    for (const auto& [at, conversation] : w_.closed_for[key]) {
      const Deadline opening{"open", conversation, text(w_.conversations.at(conversation).gen)};
      drop_deadline(opening);
      add_deadline(now_, opening);
    }
  }
  if (on_transition) transition("queue", "", 0, "", key, {{"x", created ? "created" : "changed"}});
  done(ok(created ? 1 : 0));
}

void Memory::routes_put(const std::vector<Route>& routes, Done<Outcome> done) {
  now_ = clock_().ms;
  w_.routes = routes;
  if (on_transition) transition("queue", "", 0, "", "", {{"x", "routes"}});
  done(ok());
}

void Memory::session(std::string_view shard, std::int64_t shard_epoch, std::string_view agent_id, std::string_view session_id,
                     bool open, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string key(agent_id);
  Agent* agent = look(w_.agents, key);
  if (agent == nullptr) return done(missing());
  Shard* on = look(w_.shards, std::string(shard));
  if (on == nullptr || on->epoch != shard_epoch) return done(lost());
  const std::pair member{key, std::string(session_id)};
  if (open) {
    if (on->sessions.insert(member).second && ++agent->sessions == 1) {
      ++agent->gen;
      agent_news(key, "here");
    }
  } else if (on->sessions.erase(member) == 1) {
    session_gone(key);
  }
  done(ok(agent->seq));
}

void Memory::node_start(std::string_view shard, std::int64_t ttl_ms, Done<Outcome> done) {
  now_ = clock_().ms;
  were_away(ttl_ms);
  w_.alive = now_;
  Shard& s = shard_gone(std::string(shard));
  s.until = now_ + ttl_ms;
  done(ok(s.epoch));
}

void Memory::node_beat(std::string_view shard, std::int64_t epoch, std::int64_t ttl_ms, const std::vector<std::string>& wanted,
                       Done<Beat> done) {
  now_ = clock_().ms;
  Beat out;
  const std::string me(shard);
  Shard* s = look(w_.shards, me);
  if (s == nullptr || s->epoch != epoch) {
    out.lost = true;
    return done(std::move(out));
  }
  were_away(ttl_ms);
  w_.alive = now_;
  s->until = now_ + ttl_ms;
  for (const std::string& name : wanted) {
    model::Lease* held = look(w_.leases, name);
    const bool mine = held != nullptr && held->shard == me && held->shard_epoch == epoch;
    // Free when nobody holds it, when it ran out, or when its shard has started again or ended since.
    const bool free = held == nullptr || held->until <= now_ || w_.shards[held->shard].epoch != held->shard_epoch;
    if (!mine && !free) continue;
    model::Lease& lease = w_.leases[name];
    if (!mine) ++lease.epoch;
    lease.shard = me;
    lease.shard_epoch = epoch;
    lease.until = now_ + ttl_ms;
    out.leases.push_back({name, lease.epoch});
  }
  done(std::move(out));
}

void Memory::node_stop(std::string_view shard, std::int64_t epoch, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string me(shard);
  const Shard* s = look(w_.shards, me);
  if (s == nullptr || s->epoch != epoch) return done(lost());
  for (auto& [name, lease] : w_.leases) {
    if (lease.shard == me) lease.until = 0;
  }
  shard_gone(me);
  done(ok());
}

void Memory::sweep(int most, std::int64_t ttl_ms, Done<Outcome> done) {
  now_ = clock_().ms;
  if (were_away(ttl_ms)) return done(ok(0, "0"));
  std::vector<std::pair<std::int64_t, Deadline>> due;
  for (const auto& [when, deadline] : w_.deadlines) {
    if (when.first > now_ || static_cast<int>(due.size()) >= most) break;
    due.emplace_back(when.first, deadline);
  }
  for (const auto& [at, deadline] : due) {
    w_.deadlines.erase({at, deadline.text()});
    fall_due(deadline);
  }
  const auto draining = w_.draining;
  for (const std::string& id : draining) {
    Agent& agent = w_.agents.at(id);
    if (!agent.held.empty()) continue;
    w_.draining.erase(id);
    agent.availability = "offline";
    agent.reason = "drained";
    ++agent.gen;
    agent_news(id, "drained");
  }
  std::vector<std::pair<std::int64_t, std::string>> lapsed;
  for (const auto& [id, shard] : w_.shards) {
    if (shard.until && *shard.until <= now_) lapsed.emplace_back(*shard.until, id);
  }
  std::sort(lapsed.begin(), lapsed.end());
  for (const auto& [until, id] : lapsed) shard_gone(id);
  done(ok(static_cast<std::int64_t>(due.size()), static_cast<int>(due.size()) == most ? "1" : "0"));
}

void Memory::withdraw_offers(const std::string& id, const std::string& why) {
  const auto held = w_.agents.at(id).held;
  int room = kBackAtOnce;
  for (const std::string& conversation : held) {
    Conversation& c = w_.conversations.at(conversation);
    if (c.state != "offered" && c.state != "bot") continue;
    if (room-- == 0) {
      add_deadline(now_, {"back", id, why});
      break;
    }
    requeue(c, why, false);
  }
  const auto invited = w_.agents.at(id).invited;
  for (const std::string& conversation : invited) not_taken_over(w_.conversations.at(conversation), why);
}

void Memory::session_gone(const std::string& id) {
  Agent& agent = w_.agents.at(id);
  if (--agent.sessions > 0) return;
  ++agent.gen;
  ++agent.absences;
  withdraw_offers(id, "agent_gone");
  add_deadline(now_ + kAbsence, {"gone", id, text(agent.absences)});
  agent_news(id, "gone");
}

Shard& Memory::shard_gone(const std::string& id) {
  Shard& shard = w_.shards[id];
  for (const auto& [agent, session_id] : shard.sessions) session_gone(agent);
  shard.sessions.clear();
  shard.until.reset();
  ++shard.epoch;
  return shard;
}

bool Memory::owns(std::string_view account, const LeaseRef& ref) const {
  const model::Lease* lease = look(w_.leases, "acct:" + std::string(account));
  return ref.epoch > 0 && lease != nullptr && lease->shard == ref.shard && lease->epoch == ref.epoch && now_ < lease->until;
}

}  // namespace belfry::routing::model
