// The life of a conversation and who carries what: routing/functions/10_conversation.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::offer(const Offer& what, Done<Outcome> done) {
  now_ = clock_().ms;
  Conversation* c = look(w_.conversations, what.conversation);
  if (c == nullptr) return done(missing());
  if (c->state != "queued" || c->gen != what.gen) return done(stale(*c));
  if (is_excluded(*c, what.agent)) return done(refused("excluded"));
  if (!can_take(what.agent, c->weight)) return done(refused("not_ready"));
  w_.waiting[c->queue].erase({c->eff, c->id});
  give(*c, what.agent, what.ttl_ms, what.auto_accept, what.reasons);
  done(ok(c->gen, c->state));
}

void Memory::accept(const Command& by, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  // A repeat of what he already did.
  if (c->state == "active" && c->owner == by.agent && c->gen == by.gen + 1) return done(ok(c->gen));
  if (c->state != "offered" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  drop_deadline({"offer", c->id, text(c->gen)});
  c->state = "active";
  ++c->gen;
  c->accepted = now_;
  w_.agents[by.agent].missed = 0;
  tell(by.agent, 'g', *c, c->gen, "active", "");
  transition("accepted", *c, by.agent);
  done(ok(c->gen));
}

void Memory::decline(const Command& by, std::string_view, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  if (c->state != "offered" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  requeue(*c, "declined", true);
  done(ok(c->gen));
}

void Memory::close(const Command& by, std::string_view code, std::int64_t wrap_ms, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  if (c->gen != by.gen || c->state == "closed" || (!by.agent.empty() && c->owner != by.agent)) return done(stale(*c));
  if (c->state == "active" && wrap_ms > 0) {
    c->state = "wrapup";
    ++c->gen;
    c->code = std::string(code);
    const std::int64_t load = reweigh(*c, kWrapWeight);
    add_deadline(now_ + wrap_ms, {"wrap", c->id, text(c->gen)});
    tell(c->owner, 'c', *c, c->gen, "wrapup", "");
    transition("wrapup", *c, c->owner, {{"l", text(load)}, {"x", c->code}});
  } else {
    shut(*c, std::string(code));
  }
  done(ok(c->gen, c->state));
}

void Memory::park(const Command& by, WallTime until, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  if (c->state != "active" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  c->state = "parked";
  ++c->gen;
  const std::int64_t load = reweigh(*c, 0);
  add_deadline(until.ms, {"park", c->id, text(c->gen)});
  tell(by.agent, 'c', *c, c->gen, "parked", "");
  transition("parked", *c, by.agent, {{"l", text(load)}});
  done(ok(c->gen));
}

void Memory::transfer(const Command& by, std::string_view to_queue, std::string_view to_agent, std::int64_t ttl_ms,
                      Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  if (c->state != "active" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  if (!to_agent.empty()) {
    if (to_agent == by.agent) return done(refused("same_agent"));
    if (!can_take(std::string(to_agent), c->base)) return done(refused("not_ready"));
  } else if (!to_queue.empty()) {
    const auto* queue = look(w_.queues, std::string(to_queue));
    if (queue == nullptr || queue->empty()) return done(refused("no_queue"));
    c->queue = std::string(to_queue);
  }
  requeue(*c, "transferred", to_agent.empty());
  if (!to_agent.empty()) {
    w_.waiting[c->queue].erase({c->eff, c->id});
    give(*c, std::string(to_agent), ttl_ms, false, "transfer");
  }
  done(ok(c->gen));
}

bool Memory::can_take(const std::string& id, std::int64_t weight) const {
  const Agent* agent = look(w_.agents, id);
  return agent != nullptr && agent->availability == "ready" && agent->sessions > 0 && agent->load + weight <= agent->capacity;
}

bool Memory::is_excluded(const Conversation& c, const std::string& agent) const {
  const auto bans = split_list(c.excluded);
  return std::any_of(bans.begin(), bans.end(), [&](const std::string& ban) {
    const auto colon = ban.rfind(':');
    return colon != std::string::npos && ban.substr(0, colon) == agent && number(std::string_view(ban).substr(colon + 1)) > now_;
  });
}

std::int64_t Memory::reweigh(Conversation& c, std::int64_t weight) {
  Agent& agent = w_.agents.at(c.owner);
  agent.load += weight - c.weight;
  c.weight = weight;
  return agent.load;
}

std::int64_t Memory::let_go(const Conversation& c) {
  Agent& agent = w_.agents.at(c.owner);
  agent.held.erase(c.id);
  return agent.load -= c.weight;
}

void Memory::give(Conversation& c, const std::string& id, std::int64_t ttl_ms, bool at_once, const std::string& why) {
  c.state = at_once ? "active" : "offered";
  ++c.gen;
  c.owner = id;
  c.given = now_;
  Agent& agent = w_.agents.at(id);
  agent.held.insert(c.id);
  agent.load += c.weight;
  agent.last_assigned = now_;
  if (at_once) {
    tell(id, 'g', c, c.gen, "active", "");
  } else {
    add_deadline(now_ + ttl_ms, {"offer", c.id, text(c.gen)});
    tell(id, 'o', c, c.gen, text(now_ + ttl_ms), "");
  }
  transition(at_once ? "assigned" : "offered", c, id, {{"l", text(agent.load)}, {"w", text(c.weight)}, {"x", why}});
}

void Memory::requeue(Conversation& c, const std::string& why, bool ban) {
  drop_deadline({"offer", c.id, text(c.gen)});
  ++c.gen;
  const std::string owner = c.owner;
  const std::int64_t load = let_go(c);
  tell(owner, 'x', c, c.gen, "queued", why);
  if (ban) c.excluded = owner + ":" + text(now_ + kBan) + "," + c.excluded.substr(0, 200);
  if (c.state != "offered") {
    c.since = now_;
    c.sticky = why == "transferred" ? "" : owner;
  }
  c.state = "queued";
  c.owner.clear();
  c.weight = c.base;
  w_.waiting[c.queue].insert({c.eff, c.id});
  transition("requeued", c, owner,
             {{"l", text(load)},
              {"w", text(c.base)},
              {"e", text(c.eff)},
              {"n", c.excluded},
              {"s", text(c.since)},
              {"y", c.sticky},
              {"x", why}});
}

void Memory::wake(Conversation& c, const std::string& why) {
  if (!can_take(c.owner, c.base - c.weight)) return requeue(c, why, false);
  c.state = "active";
  ++c.gen;
  const std::int64_t load = reweigh(c, c.base);
  tell(c.owner, 'c', c, c.gen, "active", why);
  transition("woken", c, c.owner, {{"l", text(load)}, {"x", why}});
}

void Memory::shut(Conversation& c, std::string why) {
  if (why.empty() && c.state == "wrapup") why = c.code;
  if (why.empty()) why = "resolved";
  if (c.state == "queued") w_.waiting[c.queue].erase({c.eff, c.id});
  ++c.gen;
  std::int64_t load = 0;
  if (!c.owner.empty()) {
    load = let_go(c);
    tell(c.owner, 'c', c, c.gen, "closed", why);
    if (c.state != "offered") {
      w_.contacts.at(c.contact).last_agent = c.owner;
      w_.contacts.at(c.contact).last_at = now_;
    }
  }
  c.state = "closed";
  c.weight = 0;
  c.why = why;
  c.closed = now_;
  unshelve(c.id);  // the house may close a log of sends
  w_.closed.insert({now_, c.id});
  auto& open = w_.contacts.at(c.contact).open;
  if (const auto it = open.find(c.account); it != open.end() && it->second == c.id) open.erase(it);
  transition("closed", c, c.owner, {{"l", text(load)}, {"x", why}});
}

}  // namespace belfry::routing::model
