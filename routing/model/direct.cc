// What supervisors, programs and the house direct: routing/functions/15_direct.lua.
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::direct(const Directive& what, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(what.by, what.client_id)) return done(std::move(*before));
  actor_ = what.by;
  Outcome out = directed(what);
  actor_.clear();
  if (out.what == Outcome::What::kOk) remember(what.by, what.client_id, {what.conversation, 0});
  done(std::move(out));
}

Outcome Memory::directed(const Directive& what) {
  using Verb = Directive::Verb;
  Conversation* c = look(w_.conversations, what.conversation);
  if (c == nullptr || c->state == "sends") return missing();
  const bool gone = what.gen && *what.gen != c->gen;
  if (gone || (c->state == "closed") != (what.verb == Verb::kReopen) || (!what.agent.empty() && c->owner != what.agent)) {
    return stale(*c);
  }
  switch (what.verb) {
    case Verb::kTake:
    case Verb::kAssign: return hand_to(*c, what);
    case Verb::kRequeue: return move_to(*c, what);
    case Verb::kClose: shut(*c, what.target); return ok(c->gen, c->state);
    case Verb::kPriority: return prioritise(*c, what);
    case Verb::kReopen: return reopen(*c, what);
    case Verb::kMerge: return merge(*c, what);
    case Verb::kDescribe: return describe(*c, what);
    case Verb::kSwitch: return switch_to(*c, what);
  }
  return missing();
}

Outcome Memory::hand_to(Conversation& c, const Directive& what) {
  if (c.owner == what.target && c.state == "active") return refused("same_agent");
  const bool at_once = what.verb == Directive::Verb::kTake;
  const std::int64_t more = c.base - (c.owner == what.target ? c.weight : 0);
  const Agent* agent = look(w_.agents, what.target);
  const bool room = agent != nullptr && !agent->bot && agent->sessions > 0 && agent->load + more <= agent->capacity;
  if (at_once ? !room : !can_take(what.target, more)) return refused("not_ready");
  requeue(c, "directed", false);
  w_.waiting[c.queue].erase({c.eff, c.id});
  give(c, what.target, at_once ? 0 : what.ttl_ms, at_once, "directed");
  return ok(c.gen, c.state);
}

Outcome Memory::move_to(Conversation& c, const Directive& what) {
  const std::string to = what.target.empty() ? c.queue : what.target;
  if (to == c.queue && c.state == "queued") return refused("same_queue");
  if (!is_queue(to)) return refused("no_queue");
  if (to != c.queue) {
    leave_line(c);
    if (c.owner.empty()) c.state = "moving";
    c.queue = to;
  }
  requeue(c, "directed", !c.owner.empty());
  return ok(c.gen, "queued");
}

Outcome Memory::prioritise(Conversation& c, const Directive& what) {
  if (c.state != "queued") return refused("not_waiting");
  ++c.gen;
  w_.waiting[c.queue].erase({c.eff, c.id});
  c.eff = (c.arrived > 0 ? c.arrived : c.first) - 60'000 * number(what.target);
  w_.waiting[c.queue].insert({c.eff, c.id});
  transition("prioritised", c, "", {{"e", text(c.eff)}});
  return ok(c.gen, c.state);
}

Outcome Memory::reopen(Conversation& c, const Directive& what) {
  const std::string to = what.target.empty() ? c.queue : what.target;
  if (!is_queue(to)) return refused("no_queue");
  auto& open = w_.contacts.at(c.contact).open;
  if (open.contains(c.account)) return refused("other_open");
  unshelve(c.id);
  c.state = "queued";
  ++c.gen;
  c.sticky = std::exchange(c.owner, "");
  c.queue = to;
  c.weight = c.base;
  c.eff = c.arrived = c.since = now_;
  c.excluded.clear();
  c.failures = c.closed = 0;
  c.why.clear();
  c.code.clear();
  open[c.account] = c.id;
  lead(c, c.id, false);
  w_.waiting[to].insert({c.eff, c.id});
  transition("queued", c, "", {{"e", text(c.eff)}, {"w", text(c.base)}, {"y", c.sticky}, {"x", "reopened"}});
  return ok(c.gen, "queued");
}

Outcome Memory::merge(Conversation& c, const Directive& what) {
  const Conversation* into = look(w_.conversations, what.target);
  if (into == nullptr || into->state == "closed" || into->state == "sends" || into->id == c.id) return refused("not_open");
  if (root_of(into->contact) != root_of(c.contact)) return refused("other_contact");
  c.into = into->id;
  shut(c, "merged");
  const bool same = into->account == c.account && into->contact == c.contact;
  if (same) w_.contacts.at(c.contact).open[c.account] = into->id;
  lead(c, into->id, !same);
  return ok(c.gen, "closed");
}

Outcome Memory::describe(Conversation& c, const Directive& what) {
  const auto bar = what.target.find('|');
  const std::string queue = what.target.substr(0, bar);
  c.attributes = what.target.substr(bar + 1);
  if (queue.empty() || queue == c.queue || !is_queue(queue)) return ok(c.gen, c.state);
  if (c.state == "queued" || c.state == "after_hours") {
    Directive there = what;
    there.target = queue;
    return move_to(c, there);
  }
  if (c.state == "bot") c.queue = queue;
  return ok(c.gen, c.state);
}

Outcome Memory::switch_to(Conversation& c, const Directive& what) {
  if (c.state != "active" && c.state != "queued") return refused("not_active");
  const auto bar = what.target.find('|'), second = what.target.find('|', bar + 1);
  const std::string account = what.target.substr(0, bar), channel = what.target.substr(bar + 1, second - bar - 1);
  const std::string address = what.target.substr(second + 1);
  if (account == c.account && address == c.address) return refused("same_address");
  const Address* to = look(w_.addresses, address);
  if (to == nullptr || to->contact.empty() || root_of(to->contact) != root_of(c.contact)) return refused("not_his");
  if (c.turn != 0) return refused("sending");
  const std::int64_t* kept = look(to->windows, account);
  std::int64_t window = kept != nullptr ? *kept : 0;
  const auto other_open = [&](const std::string* id) {
    if (id == nullptr || *id == c.id) return false;
    const Conversation* other = look(w_.conversations, *id);
    return other != nullptr && other->state != "closed";
  };
  const std::string* there = look(to->latest, account);
  if (other_open(there)) return refused("other_open");
  if (there != nullptr && *there != c.id && kept == nullptr) {
    if (const Conversation* before = look(w_.conversations, *there)) window = before->window_until;
  }
  for (const std::string& contact : {c.contact, to->contact}) {
    if (other_open(look(w_.contacts.at(contact).open, account))) return refused("other_open");
  }
  ++c.gen;
  disinvite(c, "switched");
  lead(c, c.id, true);
  w_.addresses[c.address].windows[c.account] = c.window_until;
  auto& open = w_.contacts.at(c.contact).open;
  if (const auto it = open.find(c.account); it != open.end() && it->second == c.id) open.erase(it);
  open[account] = c.id;
  c.account = account;
  c.channel = channel;
  c.address = address;
  c.window_until = window;
  lead(c, c.id, false);
  w_.addresses[address].windows.erase(account);
  if (c.state == "active") tell(c.owner, 'c', c, c.gen, "active", "switched");
  transition("switched", c, c.owner, {{"x", account}});
  return ok(c.gen, c.state);
}

}  // namespace belfry::routing::model
