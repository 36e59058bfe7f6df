// A message of a citizen comes in: routing/functions/20_ingest.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::ingest(const Ingest& what, Done<Ingested> done) {
  now_ = clock_().ms;
  done(ingested(what));
}

void Memory::quarantine(std::string_view bytes, std::string_view why, Done<Outcome> done) {
  now_ = clock_().ms;
  w_.quarantine.push_front(text(now_) + "|" + std::string(why) + "|" + std::string(bytes));
  if (w_.quarantine.size() > 10'000) w_.quarantine.pop_back();
  done(ok());
}

void Memory::acknowledged(std::string_view account, const std::vector<std::string>& dedupe) {
  now_ = clock_().ms;
  auto& open = w_.unacknowledged[std::string(account)];
  for (const std::string& member : dedupe) open.erase(member);
  if (open.size() > 2'000) std::erase_if(open, [this](const auto& at) { return now_ - at.second >= kOpen; });
}

bool Memory::seen_before(const Ingest& what) {
  if (what.may_repeat) {
    auto& open = w_.unacknowledged[what.account];
    const auto it = open.find(what.dedupe);
    if (!what.fresh && it != open.end() && now_ - it->second < kOpen) return true;
    open[what.dedupe] = now_;
    return false;
  }
  const std::int64_t day = what.at.ms / kDay;
  if (what.channel == "web") {  // a page's repeats are of the day they come
    const Bucket* before = look(w_.seen, {what.channel, day - 1});
    if (before != nullptr && before->until > now_ && before->members.contains(what.account + "|" + what.dedupe)) return true;
  }
  Bucket& bucket = w_.seen[{what.channel, day}];
  if (bucket.until <= now_) bucket.members.clear();
  if (!bucket.members.insert(what.account + "|" + what.dedupe).second) return true;
  bucket.until = std::max((day + 1) * kDay, now_) + 8 * kDay;
  return false;
}

void Memory::unsee(const Ingest& what) {
  if (what.may_repeat) {
    w_.unacknowledged[what.account].erase(what.dedupe);
  } else {
    w_.seen[{what.channel, what.at.ms / kDay}].members.erase(what.account + "|" + what.dedupe);
  }
}

std::pair<std::string, Conversation*> Memory::contact_of(const Ingest& what, const std::array<std::string, 3>& addresses) {
  const std::string aliases = addresses[1] + " " + addresses[2];
  std::string contact;
  Conversation* latest = nullptr;
  if (const Address* main = look(w_.addresses, addresses[0])) {
    contact = main->contact;
    if (const std::string* id = look(main->latest, what.account)) latest = look(w_.conversations, *id);
    if (!contact.empty() && (aliases == " " || main->aliases == aliases)) return {contact, latest};
  }
  for (const std::string& known : {addresses[1], addresses[2], what.old_address}) {
    if (!contact.empty() || known.empty()) continue;
    if (const Address* address = look(w_.addresses, known)) contact = address->contact;
  }
  if (contact.empty()) return {contact, nullptr};
  if (!what.old_address.empty()) w_.contacts[contact].address = addresses[0];
  for (const std::string& address : addresses) {
    if (!address.empty() && w_.addresses[address].contact.empty()) w_.addresses[address].contact = contact;
  }
  if (aliases != " ") w_.addresses[addresses[0]].aliases = aliases;
  return {contact, latest};
}

bool Memory::hint_holds(const Ingest& what) const {
  if (!what.hint || !can_take(what.hint->agent, what.weight)) return false;
  const Agent& agent = w_.agents.at(what.hint->agent);
  if (agent.gen != what.hint->agent_gen) return false;
  bool member = false;
  for (const std::string& queue : split_list(agent.queues)) {
    const auto* waiting = look(w_.waiting, queue);
    if (waiting != nullptr && !waiting->empty()) return false;
    member = member || queue == what.queue;
  }
  return member;
}

Ingested Memory::ingested(const Ingest& what) {
  Ingested out;
  if (seen_before(what)) {
    out.kind = Ingested::Kind::kDuplicate;
    return out;
  }
  std::array<std::string, 3> addresses;
  for (std::size_t i = 0; i < 3 && i < what.addresses.size(); ++i) addresses[i] = what.addresses[i];
  const auto found = contact_of(what, addresses);
  std::string contact = found.first;
  Conversation* const latest = found.second;
  const auto* from = look(w_.addresses, addresses[0]);
  bool elsewhere = from != nullptr && from->elsewhere.contains(what.account);  // answered at another address of his
  if (what.old_address == addresses[0] && !contact.empty()) w_.contacts[contact].folded = now_;
  Conversation* into = latest != nullptr && latest->state != "closed" ? latest : nullptr;
  if (into == nullptr && !contact.empty()) {
    if (const std::string* id = look(w_.contacts[contact].open, what.account)) {
      into = &w_.conversations.at(*id);
      w_.addresses[addresses[0]].latest[what.account] = into->id;
      w_.addresses[addresses[0]].elsewhere.erase(what.account);
      elsewhere = false;
    }
  }
  const auto describe = [&out, &contact](const Conversation& c, std::int64_t n, Ingested::Kind kind) {
    out.kind = kind;
    out.ref = {c.id, n};
    out.contact = contact;
    out.gen = c.gen;
    out.state = c.state;
    out.owner = c.state == "closed" ? "" : c.owner;
    return out;
  };
  if (into != nullptr) {
    Conversation& c = *into;
    const std::int64_t n = append(c, State::kStored, what.entry);
    if (what.has_media) w_.media[what.account].push_back({{c.id, n}, now_});
    if (!elsewhere) c.window_until = std::max(c.window_until, what.window_until.ms);
    if (elsewhere && what.window_until.ms > 0) w_.addresses[addresses[0]].windows[what.account] = what.window_until.ms;
    c.last = now_;
    if (c.first_reply > 0 && c.unanswered == 0 && what.may_open) c.unanswered = now_;
    if (!what.old_address.empty() && !elsewhere) c.address = addresses[0];
    if (!c.owner.empty()) {
      tell(c.owner, 'm', c, n, "i", text(c.window_until), what.entry);
      if ((c.state == "parked" || c.state == "wrapup") && what.may_open) wake(c, "message");
    }
    return describe(c, n, Ingested::Kind::kOk);
  }
  if (what.may_open && !what.room) {
    unsee(what);
    out.kind = Ingested::Kind::kFull;
    return out;
  }
  if (!what.may_open) {
    // A change of something already closed joins that log and wakes nobody.
    if (latest == nullptr) {
      // Nothing was kept, so nothing is remembered.
      unsee(what);
      return out;
    }
    return describe(*latest, append(*latest, State::kStored, what.entry), Ingested::Kind::kOk);
  }
  const std::string id = text(++w_.last_id);
  if (contact.empty()) {
    contact = id;
    for (const std::string& address : addresses) {
      if (!address.empty()) w_.addresses[address].contact = contact;
    }
    if (!addresses[1].empty()) w_.addresses[addresses[0]].aliases = addresses[1] + " " + addresses[2];
  }
  model::Contact& citizen = w_.contacts[contact];
  citizen.name = what.name;
  if (citizen.address.empty()) citizen.address = addresses[0];
  const std::string before = std::exchange(citizen.latest, id);
  citizen.open[what.account] = id;
  w_.addresses[addresses[0]].latest[what.account] = id;
  w_.addresses[addresses[0]].elsewhere.erase(what.account);
  Conversation& c = w_.conversations[id];
  c.id = id;
  c.state = "queued";
  c.queue = what.queue;
  c.channel = what.channel;
  c.account = what.account;
  c.contact = contact;
  c.address = addresses[0];
  c.name = what.name;
  c.previous = before;
  if (const MessageRef* sent = look(w_.addresses[addresses[0]].sends, what.account)) c.answers = *sent;
  c.first = c.since = c.last = now_;
  c.eff = now_ - 60'000 * what.priority;
  c.weight = c.base = what.weight;
  c.window_until = what.window_until.ms;
  // Of all his contacts, the one that stands for them knows the agent of the last.
  const model::Contact& root = w_.contacts.at(root_of(contact));
  const model::Contact& knows = root.last_at > citizen.last_at ? root : citizen;
  const std::string known = now_ - knows.last_at < kSticky ? knows.last_agent : "";
  append(c, State::kStored, what.entry);
  if (what.has_media) w_.media[what.account].push_back({{c.id, 1}, now_});
  if (is_there(what.bot)) {
    c.sticky = known;
    open_with(c, what.bot, what.entry);
  } else if (what.opens.ms > now_) {
    c.state = "after_hours";
    c.sticky = known;
    c.opens = what.opens.ms;
    w_.closed_for[c.queue].insert({c.opens, c.id});
    add_deadline(c.opens, {"open", c.id, "1"});
    transition("after_hours", c, "", {{"e", text(c.eff)}, {"w", text(c.weight)}, {"nb", text(c.opens)}});
  } else if ((known.empty() || known == what.hint.value_or(Hint{}).agent) && hint_holds(what)) {
    give(c, what.hint->agent, what.offer_ttl_ms, what.auto_accept, what.hint->reasons, !c.answers);
  } else {
    c.sticky = known;
    w_.waiting[c.queue].insert({c.eff, c.id});
    Fields place{{"e", text(c.eff)}, {"w", text(c.weight)}};
    if (!known.empty()) place.emplace_back("y", known);
    transition("queued", c, "", place);
  }
  return describe(c, 1, Ingested::Kind::kNew);
}

}  // namespace belfry::routing::model
