// The road out: routing/functions/30_send.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

namespace {
constexpr std::size_t kMostSends = 1'000;
}

void Memory::reply(const Reply& what, Done<Outcome> done) {
  now_ = clock_().ms;
  done(replied(what));
}

void Memory::note(const Command& by, std::string_view client_id, std::string_view author, std::string_view entry,
                  Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(author, client_id)) return done(std::move(*before));
  Conversation* c = look(w_.conversations, by.conversation);
  if (c == nullptr || c->state == "sends") return done(missing());
  if (!by.agent.empty() && c->owner != by.agent) return done(stale(*c));
  const std::int64_t n = append(*c, State::kStored, entry);
  remember(author, client_id, {c->id, n});
  if (!c->owner.empty()) tell(c->owner, 'm', *c, n, "i", "", entry);
  Outcome out = ok();
  out.ref = {c->id, n};
  done(std::move(out));
}

void Memory::send(const Send& what, Done<Outcome> done) {
  now_ = clock_().ms;
  if (auto before = done_before(what.author, what.client_id)) return done(std::move(*before));
  const Address* address = look(w_.addresses, what.address);
  const std::string contact = address != nullptr ? address->contact : "";
  // Into what is open: where the address led last, else the contact's own.
  const std::int64_t* kept = address != nullptr ? look(address->windows, what.account) : nullptr;
  std::int64_t window = kept != nullptr ? *kept : 0;
  Conversation* into = nullptr;
  const auto consider = [&](const std::string* conversation) {
    if (into != nullptr || conversation == nullptr) return;
    Conversation* c = look(w_.conversations, *conversation);
    if (c == nullptr) return;
    window = std::max(window, c->window_until);
    if (c->state != "closed") into = c;
  };
  if (address != nullptr && !address->elsewhere.contains(what.account)) consider(look(address->latest, what.account));
  if (!contact.empty()) consider(look(w_.contacts[contact].open, what.account));
  if (what.needs_window && now_ >= window) return done(closed_window(window));
  if (into != nullptr) {
    Reply as_reply;
    as_reply.by.conversation = into->id;
    as_reply.client_id = what.client_id;
    as_reply.author = what.author;
    as_reply.entry = what.entry;
    as_reply.lane = what.lane;
    as_reply.lease = what.lease;
    return done(replied(as_reply));
  }
  if (address != nullptr && address->refuses && what.lane != Lane::kAlert && !what.despite_refusal)
    return done(refused("consent"));
  Conversation* log = log_of_sends(what);
  if (log == nullptr) return done(refused("full"));
  const auto before = address != nullptr && address->sends.contains(what.account)
                          ? std::optional<MessageRef>(address->sends.at(what.account))
                          : std::nullopt;
  const bool waits = before && is_on_its_way(what.account, *before);
  const bool claimed = !waits && at_once(what.account, what.lane, what.lease);
  const MessageRef ref{log->id, append(*log, claimed ? State::kClaimed : State::kQueued, what.entry)};
  ++log->open;
  log->last = now_;
  w_.addresses[what.address].sends[what.account] = ref;
  if (waits) {
    w_.behind[item_of(*before)].emplace_back(static_cast<int>(what.lane), ref);
  } else {
    set_off(what.account, ref, what.lane, claimed, what.lease);
  }
  remember(what.author, what.client_id, ref);
  Outcome out = ok();
  out.ref = ref;
  out.claimed = claimed;
  out.address = what.address;
  done(std::move(out));
}

Conversation* Memory::log_of_sends(const Send& what) {
  const std::string slot = what.account + "|" + what.lease.shard;
  const std::int64_t day = now_ / kDay;
  if (const auto* used = look(w_.sends, slot); used != nullptr && used->second == day) {
    Conversation* c = look(w_.conversations, used->first);
    if (c != nullptr && c->state == "sends" && c->log.size() < kMostSends) return c;
  }
  if (!what.room) return nullptr;
  Conversation c;
  c.id = text(++w_.last_id);
  c.state = "sends";
  c.channel = what.channel;
  c.account = what.account;
  c.first = c.eff = c.last = now_;
  c.slot = slot;
  w_.sends[slot] = {c.id, day};
  w_.closed.insert({now_, c.id});
  return &(w_.conversations[c.id] = c);
}

bool Memory::is_on_its_way(const std::string& account, const MessageRef& ref) const {
  const Conversation* c = look(w_.conversations, ref.conversation);
  if (c == nullptr) return false;
  const State state = c->log[static_cast<std::size_t>(ref.n - 1)].state;
  if (state == State::kQueued || state == State::kClaimed) return true;
  const std::string waiting = Deadline{"unc", account, item_of(ref)}.text();
  return state == State::kUncertain &&
         std::any_of(w_.deadlines.begin(), w_.deadlines.end(), [&](const auto& d) { return d.first.second == waiting; });
}

bool Memory::at_once(const std::string& account, Lane lane, const LeaseRef& lease) const {
  const Road* road = look(w_.roads, account);
  return owns(account, lease) && (road == nullptr || (road->lanes[0].empty() && road->lanes[index_of(lane)].empty()));
}

void Memory::set_off(const std::string& account, const MessageRef& ref, Lane lane, bool claimed, const LeaseRef& lease) {
  Road& road = w_.roads[account];
  if (claimed) return fly(road, ref, lease.epoch, static_cast<int>(lane));
  road.lanes[index_of(lane)].push_back(ref);
  if (on_lane) on_lane(account);
}

void Memory::claim(std::string_view account, const LeaseRef& lease, const Room& most, Done<Claims> done) {
  now_ = clock_().ms;
  Claims out;
  if (!owns(account, lease)) {
    out.lost = true;
    return done(std::move(out));
  }
  Road& road = w_.roads[std::string(account)];
  auto room = static_cast<std::size_t>(std::max(most.alerts, 0));
  const auto take = [&](const MessageRef& ref, std::size_t lane) {
    const auto [moved, from] = advance(ref, State::kClaimed);
    if (!moved && from != State::kClaimed) return;  // settled since it was put here
    Conversation& c = w_.conversations.at(ref.conversation);
    if (c.turn == 0 && c.state != "sends") c.turn = ref.n;
    fly(road, ref, lease.epoch, static_cast<int>(lane));
    out.items.push_back({ref, c.address, c.log[static_cast<std::size_t>(ref.n - 1)].entry, static_cast<Lane>(lane)});
    --room;
  };
  for (std::size_t lane = 0; lane < 3; ++lane) {
    if (lane == 1) {
      const auto all = static_cast<std::size_t>(std::max(most.messages, 0));
      room = std::min(room, all - std::min(all, out.items.size()));
    }
    std::vector<std::pair<std::int64_t, std::string>> due;
    for (const auto& waiting : road.later[lane]) {
      if (waiting.first <= now_ && due.size() < room) due.push_back(waiting);
    }
    for (const auto& waiting : due) {
      road.later[lane].erase(waiting);
      take(ref_of(waiting.second), lane);
    }
    while (room > 0 && !road.lanes[lane].empty()) {
      const MessageRef ref = road.lanes[lane].front();
      road.lanes[lane].pop_front();
      take(ref, lane);
    }
  }
  done(std::move(out));
}

void Memory::settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) {
  now_ = clock_().ms;
  std::vector<bool> out;
  out.reserve(items.size());
  for (const Settled& item : items) out.push_back(settled(account, item));
  done(std::move(out));
}

bool Memory::settled(std::string_view account, const Settled& item) {
  const auto [moved, from] = advance(item.ref, item.state);
  Conversation* c = look(w_.conversations, item.ref.conversation);
  LogLine* line = from ? &c->log[static_cast<std::size_t>(item.ref.n - 1)] : nullptr;
  if (line != nullptr && from != State::kStored && line->provider_id.empty()) line->provider_id = item.provider_id;
  if (item.state == State::kUncertain) {
    if (moved) add_deadline(now_ + kUncertainFor, {"unc", std::string(account), item_of(item.ref)});
  } else if (from == State::kClaimed || from == State::kUncertain || from == State::kQueued) {
    land(account, item.ref);
  }
  if (moved) {
    if (!item.reason.empty()) line->reason = item.reason;
    if (!c->owner.empty()) tell(c->owner, 'r', *c, item.ref.n, std::string(1, static_cast<char>(item.state)), item.reason);
  }
  if (line != nullptr && from != State::kStored && !item.names.empty()) learn(account, item);
  return moved;
}

void Memory::put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items, Done<Outcome> done) {
  now_ = clock_().ms;
  Road& road = w_.roads[std::string(account)];
  for (const PutBack& item : items) {
    const auto it = std::find_if(road.flights.begin(), road.flights.end(), [&](const Flight& f) { return f.ref == item.ref; });
    if (it == road.flights.end() || it->epoch != lease.epoch || is_too_late(item.ref)) continue;
    road.later[static_cast<std::size_t>(it->lane)].insert({item.not_before.ms, item_of(item.ref)});
    road.flights.erase(it);
  }
  done(ok());
}

void Memory::renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held, Done<Outcome> done) {
  now_ = clock_().ms;
  if (!owns(account, lease)) return done(lost());
  const std::int64_t epoch = ++w_.leases.at("acct:" + std::string(account)).epoch;
  Road& road = w_.roads[std::string(account)];
  const std::vector<Flight> all = road.flights;
  for (const Flight& flight : all) {
    if (flight.epoch != lease.epoch) continue;
    if (std::find(held.begin(), held.end(), flight.ref) != held.end()) {
      fly(road, flight.ref, epoch, flight.lane);
    } else if (!is_too_late(flight.ref)) {
      std::erase_if(road.flights, [&](const Flight& f) { return f.ref == flight.ref; });
      road.lanes[static_cast<std::size_t>(flight.lane)].push_front(flight.ref);
    }
  }
  done(ok(epoch));
}

void Memory::orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) {
  now_ = clock_().ms;
  if (!owns(account, lease)) return done(lost());
  Road& road = w_.roads[std::string(account)];
  std::int64_t count = 0;
  const std::vector<Flight> all = road.flights;
  for (const Flight& flight : all) {
    if (flight.epoch == lease.epoch) continue;
    std::erase_if(road.flights, [&](const Flight& f) { return f.ref == flight.ref; });
    if (!advance(flight.ref, State::kUncertain).first) continue;
    add_deadline(now_ + kUncertainFor, {"unc", std::string(account), item_of(flight.ref)});
    Conversation& c = w_.conversations.at(flight.ref.conversation);
    if (!c.owner.empty()) tell(c.owner, 'r', c, flight.ref.n, "u", "owner_lost");
    ++count;
  }
  done(ok(count));
}

std::int64_t Memory::append(Conversation& c, State state, std::string_view entry) {
  c.log.push_back({state, std::string(entry), "", ""});
  return static_cast<std::int64_t>(c.log.size());
}

std::pair<bool, std::optional<State>> Memory::advance(const MessageRef& ref, State to) {
  Conversation* c = look(w_.conversations, ref.conversation);
  if (c == nullptr || ref.n < 1 || ref.n > static_cast<std::int64_t>(c->log.size())) return {false, std::nullopt};
  State& state = c->log[static_cast<std::size_t>(ref.n - 1)].state;
  const State from = state;
  if (from == State::kStored || rank(to) <= rank(from)) return {false, from};
  state = to;
  if (is_open(from) && !is_open(to)) --c->open;
  return {true, from};
}

void Memory::fly(Road& road, const MessageRef& ref, std::int64_t epoch, int lane) {
  const auto it = std::find_if(road.flights.begin(), road.flights.end(), [&](const Flight& f) { return f.ref == ref; });
  if (it != road.flights.end()) {
    *it = {ref, epoch, lane};
  } else {
    road.flights.push_back({ref, epoch, lane});
  }
}

void Memory::land(std::string_view account, const MessageRef& ref) {
  Road& road = w_.roads[std::string(account)];
  std::erase_if(road.flights, [&](const Flight& f) { return f.ref == ref; });
  Conversation* const found = look(w_.conversations, ref.conversation);
  if (found != nullptr && found->state == "sends") {
    auto& next = w_.behind[item_of(ref)];
    if (next.empty()) return;
    road.lanes[static_cast<std::size_t>(next.front().first)].push_front(next.front().second);
    next.pop_front();
    if (on_lane) on_lane(std::string(account));
    return;
  }
  if (found == nullptr || found->turn != ref.n) return;
  Conversation& c = *found;
  c.turn = 0;
  while (!c.hold.empty() && c.turn == 0) {
    const model::Held next = c.hold.front();
    c.hold.pop_front();
    if (c.log[static_cast<std::size_t>(next.n - 1)].state != State::kQueued) continue;
    c.turn = next.n;
    road.lanes[static_cast<std::size_t>(next.lane)].push_front({c.id, next.n});
    if (on_lane) on_lane(std::string(account));
  }
}

std::optional<Outcome> Memory::done_before(std::string_view author, std::string_view client_id) {
  if (client_id.empty()) return std::nullopt;
  const model::Once* once = look(w_.once, {std::string(author), std::string(client_id)});
  if (once == nullptr || once->until <= now_) return std::nullopt;
  Outcome out = ended(Outcome::What::kRepeat);
  out.ref = once->ref;
  return out;
}

void Memory::remember(std::string_view author, std::string_view client_id, const MessageRef& ref) {
  if (!client_id.empty()) w_.once[{std::string(author), std::string(client_id)}] = {ref, now_ + kDay};
}

Store::Done<Outcome> Memory::remembering(const Command& by, Done<Outcome> done) {
  return [this, by, done = std::move(done)](Result<Outcome> out) {
    if (out && out->what == Outcome::What::kOk) remember(by.agent, by.client_id, {by.conversation, 0});
    done(std::move(out));
  };
}

Outcome Memory::closed_window(std::int64_t until) {
  Outcome out = ended(Outcome::What::kWindow);
  out.window_until = WallTime{until};
  return out;
}

Outcome Memory::replied(const Reply& what) {
  if (auto before = done_before(what.author, what.client_id)) return std::move(*before);
  Conversation* c = look(w_.conversations, what.by.conversation);
  if (c == nullptr || c->state == "sends") return missing();
  const bool as_owner = !what.by.agent.empty();
  const bool by_bot = as_owner && c->state == "bot";
  if (as_owner && ((c->state != "active" && !by_bot) || c->owner != what.by.agent || c->gen != what.by.gen)) return stale(*c);
  if (!as_owner && c->state == "closed") return stale(*c);
  if (!what.account.empty() && what.account != c->account) return refused("switched");
  if (what.needs_window && now_ >= c->window_until) return closed_window(c->window_until);
  const bool web = c->address.starts_with("web:");  // we are the provider: what is kept is sent
  const bool claimed = !web && c->turn == 0 && at_once(c->account, what.lane, what.lease);
  const State state = web ? State::kSent : claimed ? State::kClaimed : State::kQueued;
  const std::int64_t n = append(*c, state, what.entry);
  const MessageRef ref{c->id, n};
  c->log.back().by_bot = by_bot;
  ++c->open;
  if (web) {
    // Nothing is in flight: the publish is a hint, and the log is there.
  } else if (c->turn != 0) {
    c->hold.push_back({static_cast<int>(what.lane), n});
  } else {
    c->turn = n;
    set_off(c->account, ref, what.lane, claimed, what.lease);
  }
  if (as_owner && !by_bot) {
    if (c->first_reply == 0) c->first_reply = now_;
    c->unanswered = 0;
  }
  remember(what.author, what.client_id, ref);
  if (!c->owner.empty()) tell(c->owner, 'm', *c, n, web ? "s" : "q", text(c->window_until), what.entry);
  Outcome out = ok();
  out.ref = ref;
  out.claimed = claimed;
  out.address = c->address;
  return out;
}

}  // namespace belfry::routing::model
