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
  give(*c, what.agent, what.ttl_ms, what.auto_accept, what.reasons, true);
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
  if (!c->invited.empty() && c->invited == by.agent && c->gen == by.gen) return done(take_over(*c, by.agent));
  if (c->state != "offered" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  drop_deadline({"offer", c->id, text(c->gen)});
  c->state = "active";
  ++c->gen;
  c->accepted = now_;
  c->failures = 0;
  w_.agents[by.agent].missed = 0;
  tell(by.agent, 'g', *c, c->gen, "active", "", card_line(card_of(*c)));
  transition("accepted", *c, by.agent);
  done(ok(c->gen));
}

void Memory::decline(const Command& by, std::string_view reason, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  if (!c->invited.empty() && c->invited == by.agent && c->gen == by.gen) {
    not_taken_over(*c, "declined");
    return done(ok(c->gen));
  }
  if (c->state != "offered" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  requeue(*c, "declined", true, std::string(reason));
  done(ok(c->gen));
}

void Memory::close(const Command& by, std::string_view code, const Wrap& wrap, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr || c->state == "sends") return done(missing());
  if (c->gen != by.gen || c->state == "closed" || (!by.agent.empty() && c->owner != by.agent)) return done(stale(*c));
  std::int64_t ms = wrap.ms;
  int weight = wrap.weight;
  if (ms < 0) {
    const std::string says = queue_field(c->queue, "wrap_ms");
    ms = says.empty() ? 60'000 : number(says);
    weight = weight_in(c->queue, "wrapup", kWrapWeight);
  }
  if (c->state == "active" && ms > 0 && code != "spam") {
    ++c->gen;
    disinvite(*c, "wrapup");
    c->state = "wrapup";
    c->code = std::string(code);
    const std::int64_t load = reweigh(*c, weight);
    add_deadline(now_ + ms, {"wrap", c->id, text(c->gen)});
    tell(c->owner, 'c', *c, c->gen, "wrapup", "");
    transition("wrapup", *c, c->owner, {{"l", text(load)}, {"x", c->code}});
  } else {
    shut(*c, std::string(code));
  }
  done(ok(c->gen, c->state));
}

void Memory::park(const Command& by, WallTime until, int weight, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  if (c->state != "active" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  ++c->gen;
  disinvite(*c, "parked");
  c->state = "parked";
  const std::int64_t load = reweigh(*c, weight < 0 ? weight_in(c->queue, "parked", kParkWeight) : weight);
  add_deadline(until.ms, {"park", c->id, text(c->gen)});
  tell(by.agent, 'c', *c, c->gen, "parked", "");
  transition("parked", *c, by.agent, {{"l", text(load)}});
  done(ok(c->gen));
}

void Memory::transfer(const Transfer& what, Done<Outcome> done) {
  now_ = clock_().ms;
  const Command& by = what.by;
  if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
  done = remembering(by, std::move(done));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr) return done(missing());
  const bool with_bot = c->state == "bot";
  if ((c->state != "active" && !with_bot) || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
  if (!what.to_agent.empty()) {
    if (what.to_agent == by.agent) return done(refused("same_agent"));
    if (!can_take(what.to_agent, c->base)) return done(refused("not_ready"));
    if (what.warm && !with_bot) {
      if (!what.to_queue.empty() && !is_queue(what.to_queue)) return done(refused("no_queue"));
      ++c->gen;
      disinvite(*c, "rescinded");
      c->invited = what.to_agent;
      c->invited_to = what.to_queue;
      w_.agents.at(c->invited).invited.insert(c->id);
      add_deadline(now_ + what.ttl_ms, {"warm", c->id, text(c->gen)});
      tell(c->invited, 'o', *c, c->gen, text(now_ + what.ttl_ms), "");
      tell(by.agent, 'c', *c, c->gen, "active", "invited");
      transition("invited", *c, c->invited);
      return done(ok(c->gen));
    }
  } else if (!what.to_queue.empty()) {
    if (!is_queue(what.to_queue)) return done(refused("no_queue"));
    c->queue = what.to_queue;
  }
  if (with_bot && what.to_agent.empty() && what.opens.ms > now_) {
    leave_until(*c, what.opens.ms);
    return done(ok(c->gen));
  }
  requeue(*c, "transferred", what.to_agent.empty());
  if (!what.to_agent.empty()) {
    w_.waiting[c->queue].erase({c->eff, c->id});
    give(*c, what.to_agent, what.ttl_ms, false, "transfer");
  }
  done(ok(c->gen));
}

std::string Memory::queue_field(const std::string& id, const std::string& field) const {
  const auto* queue = look(w_.queues, id);
  const std::string* value = queue != nullptr ? look(*queue, field) : nullptr;
  return value != nullptr ? *value : std::string();
}

int Memory::weight_in(const std::string& queue, const std::string& what, int otherwise) const {
  const auto weights = parse_weights(queue_field(queue, "weights"));
  const auto it = weights.find(what);
  return it != weights.end() ? it->second : otherwise;
}

bool Memory::is_queue(const std::string& id) const {
  const auto* queue = look(w_.queues, id);
  return queue != nullptr && !queue->empty();
}

bool Memory::can_take(const std::string& id, std::int64_t weight) const {
  const Agent* agent = look(w_.agents, id);
  return agent != nullptr && agent->availability == "ready" && agent->sessions > 0 && !agent->bot &&
         agent->load + weight <= agent->capacity;
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

void Memory::give(Conversation& c, const std::string& id, std::int64_t ttl_ms, bool at_once, const std::string& why,
                  bool with_card) {
  c.state = at_once ? "active" : "offered";
  ++c.gen;
  c.owner = id;
  c.given = now_;
  Agent& agent = w_.agents.at(id);
  agent.held.insert(c.id);
  agent.load += c.weight;
  agent.last_assigned = now_;
  const std::string card = with_card ? card_line(card_of(c)) : "";
  if (at_once) {
    tell(id, 'g', c, c.gen, "active", "", card);
  } else {
    add_deadline(now_ + ttl_ms, {"offer", c.id, text(c.gen)});
    tell(id, 'o', c, c.gen, text(now_ + ttl_ms), "", card);
  }
  transition(at_once ? "assigned" : "offered", c, id, {{"l", text(agent.load)}, {"w", text(c.weight)}, {"x", why}});
}

void Memory::leave_line(const Conversation& c) {
  if (c.state == "queued") w_.waiting[c.queue].erase({c.eff, c.id});
  if (c.state == "after_hours") {
    w_.closed_for[c.queue].erase({c.opens, c.id});
    drop_deadline({"open", c.id, text(c.gen)});
  }
}

void Memory::disinvite(Conversation& c, const std::string& why) {
  if (c.invited.empty()) return;
  const std::string id = std::exchange(c.invited, "");
  c.invited_to.clear();
  w_.agents.at(id).invited.erase(c.id);
  drop_deadline({"warm", c.id, text(c.gen - 1)});
  tell(id, 'x', c, c.gen, c.state, why);
}

Outcome Memory::take_over(Conversation& c, const std::string& id) {
  if (!can_take(id, c.base)) return refused("not_ready");
  drop_deadline({"warm", c.id, text(c.gen)});
  ++c.gen;
  c.invited.clear();
  if (!c.invited_to.empty()) c.queue = std::exchange(c.invited_to, "");
  w_.agents.at(id).invited.erase(c.id);
  const std::string was = c.owner;
  const std::int64_t left = let_go(c);
  tell(was, 'x', c, c.gen, "active", "transferred");
  c.owner = id;
  c.given = now_;
  c.weight = c.base;
  Agent& agent = w_.agents.at(id);
  agent.held.insert(c.id);
  agent.load += c.weight;
  agent.last_assigned = now_;
  agent.missed = 0;
  tell(id, 'g', c, c.gen, "active", "");
  transition("assigned", c, id,
             {{"l", text(agent.load)}, {"w", text(c.weight)}, {"x", "invited"}, {"fa", was}, {"fl", text(left)}});
  return ok(c.gen);
}

void Memory::not_taken_over(Conversation& c, const std::string& why) {
  ++c.gen;
  const std::string id = c.invited;
  disinvite(c, why);
  tell(c.owner, 'c', c, c.gen, "active", why);
  transition("uninvited", c, id, {{"x", why}});
}

void Memory::requeue(Conversation& c, const std::string& why, bool ban, const std::string& reason) {
  const bool from_bot = c.state == "bot";
  if (from_bot) silence(c);
  leave_line(c);
  drop_deadline({"offer", c.id, text(c.gen)});
  ++c.gen;
  disinvite(c, why);
  const std::string owner = c.owner;
  std::int64_t load = 0;
  if (!owner.empty()) {
    load = let_go(c);
    tell(owner, 'x', c, c.gen, "queued", why);
  }
  if (why == "declined" || why == "timeout") ++c.failures;
  if (ban && !from_bot) c.excluded = owner + ":" + text(now_ + kBan) + "," + c.excluded.substr(0, 200);
  if (from_bot) {
    c.since = now_;
  } else if (c.state != "offered") {
    c.since = now_;
    c.sticky = why == "transferred" || why == "directed" ? "" : owner;
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
              {"x", why},
              {"nf", text(c.failures)},
              {"rs", reason}});
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
  const bool from_bot = c.state == "bot";
  if (from_bot) silence(c);
  leave_line(c);
  ++c.gen;
  disinvite(c, why);
  std::int64_t load = 0;
  if (!c.owner.empty()) {
    load = let_go(c);
    tell(c.owner, 'c', c, c.gen, "closed", why);
    if (c.state != "offered" && !from_bot && why != "spam") {
      for (const std::string& his : {c.contact, root_of(c.contact)}) {
        w_.contacts.at(his).last_agent = c.owner;
        w_.contacts.at(his).last_at = now_;
      }
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
