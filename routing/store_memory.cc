#include "routing/store_memory.h"

#include <algorithm>
#include <charconv>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

using model::Agent;
using model::Conversation;
using model::Flight;
using model::Road;

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kBan = 120'000;          // not offered again to whom let it go
constexpr std::int64_t kAbsence = 600'000;      // an agent without a session keeps his work this long
constexpr std::int64_t kSticky = 72 * kHour;    // so long the agent of the last conversation is asked first
constexpr std::int64_t kUncertainFor = 10'000;  // then the next of the conversation may be sent
constexpr std::size_t kReplayed = 500;

std::string text(std::int64_t number) { return std::to_string(number); }
std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
std::string item_of(const MessageRef& ref) { return ref.conversation + "." + text(ref.n); }
MessageRef ref_of(std::string_view item) {
  const auto dot = item.rfind('.');
  return {std::string(item.substr(0, dot)), number(item.substr(dot + 1))};
}

// Messages that still wait for news: what `open` counts.
bool is_open(State state) {
  return state == State::kQueued || state == State::kClaimed || state == State::kSent || state == State::kUncertain;
}

std::size_t index_of(Lane lane) { return static_cast<std::size_t>(lane); }

template <class Map>
auto* look(Map& map, const typename std::remove_const_t<Map>::key_type& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

Outcome ok(std::int64_t gen = 0, std::string state = {}) {
  Outcome out;
  out.gen = gen;
  out.state = std::move(state);
  return out;
}
Outcome ended(Outcome::What what) {
  Outcome out;
  out.what = what;
  return out;
}
Outcome missing() { return ended(Outcome::What::kMissing); }
Outcome lost() { return ended(Outcome::What::kLost); }
Outcome refused(std::string why) {
  Outcome out = ended(Outcome::What::kRefused);
  out.why = std::move(why);
  return out;
}
Outcome stale(const Conversation& c) {
  Outcome out = ended(Outcome::What::kStale);
  out.gen = c.gen;
  out.state = c.state;
  out.owner = c.owner;
  return out;
}

Card card_of(const Conversation& c) {
  Card card;
  card.conversation = c.id;
  card.state = c.state;
  card.owner = c.owner;
  card.queue = c.queue;
  card.channel = c.channel;
  card.account = c.account;
  card.contact = c.contact;
  card.name = c.name;
  card.address = c.address;
  card.why = c.why;
  card.gen = c.gen;
  card.n = static_cast<std::int64_t>(c.log.size());
  card.open = c.open;
  card.first = WallTime{c.first};
  card.window_until = WallTime{c.window_until};
  card.given = WallTime{c.given};
  card.last = WallTime{c.last};
  if (!c.log.empty()) card.last_entry = c.log.back().entry;
  return card;
}

Line line_of(const Conversation* c, std::int64_t n) {
  Line line;
  line.n = n;
  if (c == nullptr || n < 1 || n > static_cast<std::int64_t>(c->log.size())) return line;
  const model::LogLine& at = c->log[static_cast<std::size_t>(n - 1)];
  line.state = at.state;
  line.entry = at.entry;
  line.provider_id = at.provider_id;
  line.reason = at.reason;
  return line;
}

class Memory final : public MemoryStore {
 public:
  explicit Memory(std::function<WallTime()> now) : clock_(std::move(now)) {}

  const model::World& world() const override { return w_; }

  // ---- the road in ----

  void ingest(const Ingest& what, Done<Ingested> done) override {
    now_ = clock_().ms;
    done(ingested(what));
  }

  void quarantine(std::string_view bytes, std::string_view why, Done<Outcome> done) override {
    now_ = clock_().ms;
    w_.quarantine.push_front(text(now_) + "|" + std::string(why) + "|" + std::string(bytes));
    if (w_.quarantine.size() > 10'000) w_.quarantine.pop_back();
    done(ok());
  }

  // ---- the life of a conversation ----

  void offer(const Offer& what, Done<Outcome> done) override {
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

  void accept(const Command& by, Done<Outcome> done) override {
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

  void decline(const Command& by, std::string_view, Done<Outcome> done) override {
    now_ = clock_().ms;
    if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
    done = remembering(by, std::move(done));
    Conversation* c = look(w_.conversations, by.conversation);
    if (c == nullptr) return done(missing());
    if (c->state != "offered" || c->owner != by.agent || c->gen != by.gen) return done(stale(*c));
    requeue(*c, "declined", true);
    done(ok(c->gen));
  }

  void close(const Command& by, std::string_view code, std::int64_t wrap_ms, Done<Outcome> done) override {
    now_ = clock_().ms;
    if (auto before = done_before(by.agent, by.client_id)) return done(std::move(*before));
    done = remembering(by, std::move(done));
    Conversation* c = look(w_.conversations, by.conversation);
    if (c == nullptr) return done(missing());
    if (c->gen != by.gen || c->state == "closed" || (!by.agent.empty() && c->owner != by.agent)) return done(stale(*c));
    if (wrap_ms < 0) {
      const auto* queue = look(w_.queues, c->queue);
      const std::string* says = queue != nullptr ? look(*queue, "wrap_ms") : nullptr;
      wrap_ms = says != nullptr ? number(*says) : 60'000;
    }
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

  void park(const Command& by, WallTime until, Done<Outcome> done) override {
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

  void transfer(const Command& by, std::string_view to_queue, std::string_view to_agent, std::int64_t ttl_ms,
                Done<Outcome> done) override {
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

  // ---- the road out ----

  void reply(const Reply& what, Done<Outcome> done) override {
    now_ = clock_().ms;
    done(replied(what));
  }

  void note(const Command& by, std::string_view client_id, std::string_view author, std::string_view entry,
            Done<Outcome> done) override {
    now_ = clock_().ms;
    if (auto before = done_before(author, client_id)) return done(std::move(*before));
    Conversation* c = look(w_.conversations, by.conversation);
    if (c == nullptr) return done(missing());
    if (!by.agent.empty() && c->owner != by.agent) return done(stale(*c));
    const std::int64_t n = append(*c, State::kStored, entry);
    remember(author, client_id, {c->id, n});
    if (!c->owner.empty()) tell(c->owner, 'm', *c, n, "i", "", entry);
    Outcome out = ok();
    out.ref = {c->id, n};
    done(std::move(out));
  }

  void send(const Send& what, Done<Outcome> done) override {
    now_ = clock_().ms;
    if (auto before = done_before(what.author, what.client_id)) return done(std::move(*before));
    const model::Address* address = look(w_.addresses, what.address);
    std::string contact = address != nullptr ? address->contact : "";
    // Into what is open: where the address led last, else the contact's own.
    std::int64_t window = 0;
    Conversation* into = nullptr;
    const auto consider = [&](const std::string* conversation) {
      if (into != nullptr || conversation == nullptr) return;
      Conversation* c = look(w_.conversations, *conversation);
      if (c == nullptr) return;
      window = std::max(window, c->window_until);
      if (c->state != "closed") into = c;
    };
    if (address != nullptr) consider(look(address->latest, what.account));
    if (!contact.empty()) consider(look(w_.contacts[contact].open, what.account));
    if (what.needs_window && now_ >= window) return done(closed_window(window));
    if (into == nullptr && address != nullptr) {
      if (const std::string* sends = look(address->sends, what.account)) {
        Conversation* c = look(w_.conversations, *sends);
        if (c != nullptr && c->state == "sends") into = c;
      }
    }
    if (into == nullptr) {
      if (!what.room) return done(refused("full"));
      Conversation c;
      c.id = text(++w_.last_id);
      if (contact.empty()) {
        contact = c.id;
        w_.contacts[contact];
        w_.addresses[what.address].contact = contact;
      }
      w_.addresses[what.address].sends[what.account] = c.id;
      c.state = "sends";
      c.channel = what.channel;
      c.account = what.account;
      c.contact = contact;
      c.address = what.address;
      c.name = what.name;
      c.first = c.eff = c.last = now_;
      c.window_until = window;
      into = &(w_.conversations[c.id] = c);
      w_.closed.insert({now_, c.id});
    }
    Reply as_reply;
    as_reply.by.conversation = into->id;
    as_reply.client_id = what.client_id;
    as_reply.author = what.author;
    as_reply.entry = what.entry;
    as_reply.lane = what.lane;
    as_reply.lease = what.lease;
    done(replied(as_reply));
  }

  void claim(std::string_view account, const LeaseRef& lease, int most, Done<Claims> done) override {
    now_ = clock_().ms;
    Claims out;
    if (!owns(account, lease)) {
      out.lost = true;
      return done(std::move(out));
    }
    Road& road = w_.roads[std::string(account)];
    auto room = static_cast<std::size_t>(std::max(most, 0));
    const auto take = [&](const MessageRef& ref, std::size_t lane) {
      const auto [moved, from] = advance(ref, State::kClaimed);
      if (!moved && from != State::kClaimed) return;  // settled since it was put here
      Conversation& c = w_.conversations.at(ref.conversation);
      if (c.turn == 0) c.turn = ref.n;
      fly(road, ref, lease.epoch, static_cast<int>(lane));
      out.items.push_back({ref, c.address, c.log[static_cast<std::size_t>(ref.n - 1)].entry, static_cast<Lane>(lane)});
      --room;
    };
    for (std::size_t lane = 0; lane < 3; ++lane) {
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

  void settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) override {
    now_ = clock_().ms;
    std::vector<bool> out;
    out.reserve(items.size());
    for (const Settled& item : items) {
      const auto [moved, from] = advance(item.ref, item.state);
      Conversation* c = look(w_.conversations, item.ref.conversation);
      model::LogLine* line = from ? &c->log[static_cast<std::size_t>(item.ref.n - 1)] : nullptr;
      if (line != nullptr && from != State::kStored && line->provider_id.empty()) line->provider_id = item.provider_id;
      if (item.state == State::kUncertain) {
        if (moved) add_deadline(now_ + kUncertainFor, {"unc", std::string(account), item_of(item.ref)});
      } else if (from == State::kClaimed || from == State::kUncertain || from == State::kQueued) {
        land(account, item.ref);
      }
      if (moved) {
        if (!item.reason.empty()) line->reason = item.reason;
        if (!c->owner.empty()) {
          tell(c->owner, 'r', *c, item.ref.n, std::string(1, static_cast<char>(item.state)), item.reason);
        }
      }
      out.push_back(moved);
    }
    done(std::move(out));
  }

  void put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items, Done<Outcome> done) override {
    now_ = clock_().ms;
    Road& road = w_.roads[std::string(account)];
    for (const PutBack& item : items) {
      const auto it = std::find_if(road.flights.begin(), road.flights.end(), [&](const Flight& f) { return f.ref == item.ref; });
      if (it == road.flights.end() || it->epoch != lease.epoch) continue;
      road.later[static_cast<std::size_t>(it->lane)].insert({item.not_before.ms, item_of(item.ref)});
      road.flights.erase(it);
    }
    done(ok());
  }

  void renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held, Done<Outcome> done) override {
    now_ = clock_().ms;
    if (!owns(account, lease)) return done(lost());
    const std::int64_t epoch = ++w_.leases.at("acct:" + std::string(account)).epoch;
    Road& road = w_.roads[std::string(account)];
    std::vector<Flight> kept;
    for (Flight flight : road.flights) {
      const bool mine = flight.epoch == lease.epoch;
      const bool holds = std::find(held.begin(), held.end(), flight.ref) != held.end();
      if (mine && !holds) {
        road.lanes[static_cast<std::size_t>(flight.lane)].push_front(flight.ref);
        continue;
      }
      if (mine) flight.epoch = epoch;
      kept.push_back(flight);
    }
    road.flights = kept;
    done(ok(epoch));
  }

  void orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) override {
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

  // ---- agents, sessions, shards ----

  void media_due(std::string_view account, const LeaseRef& lease, int most, Done<std::vector<MediaJob>> done) override {
    now_ = clock_().ms;
    std::vector<MediaJob> jobs;
    if (!owns(account, lease)) return done(std::move(jobs));
    auto& waiting = w_.media[std::string(account)];
    std::erase_if(waiting, [&](const model::MediaWait& wait) { return !w_.conversations.contains(wait.ref.conversation); });
    for (model::MediaWait& wait : waiting) {
      if (wait.next > now_ || static_cast<int>(jobs.size()) >= most) continue;
      wait.next = now_ + 900'000;
      const auto& log = w_.conversations.at(wait.ref.conversation).log;
      jobs.push_back({wait.ref, log[static_cast<std::size_t>(wait.ref.n - 1)].entry});
    }
    done(std::move(jobs));
  }

  void media_done(std::string_view account, const MessageRef& ref, std::string_view sha256, std::int64_t size,
                  std::string_view failed, Done<Outcome> done) override {
    now_ = clock_().ms;
    std::erase_if(w_.media[std::string(account)], [&](const model::MediaWait& wait) { return wait.ref == ref; });
    Conversation* archivable = look(w_.conversations, ref.conversation);
    if (archivable == nullptr) return done(ok(0));  // archived meanwhile
    Conversation& c = *archivable;
    c.log[static_cast<std::size_t>(ref.n - 1)].reason =
        failed.empty() ? "media:" + std::string(sha256) + "|" + text(size) : "media_failed:" + std::string(failed);
    if (!c.owner.empty()) tell(c.owner, 'm', c, ref.n, "i", text(c.window_until));
    done(ok(0));
  }

  void agent_put(std::string_view id, const Fields& fields, Done<Outcome> done) override {
    now_ = clock_().ms;
    const std::string key(id);
    const bool created = !w_.agents.contains(key);
    Agent& agent = w_.agents[key];
    for (const auto& [field, value] : fields) {
      if (field == "name") agent.name = value;
      if (field == "roles") agent.roles = value;
      if (field == "queues") agent.queues = value;
      if (field == "skills") agent.skills = value;
      if (field == "cap") agent.capacity = number(value);
    }
    ++agent.gen;
    agent_news(key, "config");
    done(ok(created ? 1 : 0));
  }

  void agent_set(std::string_view id, std::string_view availability, std::string_view reason, Done<Outcome> done) override {
    now_ = clock_().ms;
    const std::string key(id);
    Agent* agent = look(w_.agents, key);
    if (agent == nullptr) return done(missing());
    agent->availability = std::string(availability);
    agent->reason = std::string(reason);
    agent->missed = 0;
    ++agent->gen;
    if (availability == "offline" || availability == "paused") withdraw_offers(key, std::string(availability));
    agent_news(key, std::string(availability));
    done(ok());
  }

  void queue_put(std::string_view id, const Fields& fields, Done<Outcome> done) override {
    now_ = clock_().ms;
    const std::string key(id);
    const bool created = !w_.queues.contains(key);
    auto& queue = w_.queues[key];
    for (const auto& [field, value] : fields) queue[field] = value;
    if (on_transition) transition("queue", "", 0, "", key, {{"x", created ? "created" : "changed"}});
    done(ok(created ? 1 : 0));
  }

  void session(std::string_view shard, std::int64_t shard_epoch, std::string_view agent_id, std::string_view session_id,
               bool open, Done<Outcome> done) override {
    now_ = clock_().ms;
    const std::string key(agent_id);
    Agent* agent = look(w_.agents, key);
    if (agent == nullptr) return done(missing());
    model::Shard* on = look(w_.shards, std::string(shard));
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

  void node_start(std::string_view shard, std::int64_t ttl_ms, Done<Outcome> done) override {
    now_ = clock_().ms;
    were_away(ttl_ms);
    w_.alive = now_;
    model::Shard& s = shard_gone(std::string(shard));
    s.until = now_ + ttl_ms;
    done(ok(s.epoch));
  }

  void node_beat(std::string_view shard, std::int64_t epoch, std::int64_t ttl_ms, const std::vector<std::string>& wanted,
                 Done<Beat> done) override {
    now_ = clock_().ms;
    Beat out;
    const std::string me(shard);
    model::Shard* s = look(w_.shards, me);
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

  void node_stop(std::string_view shard, std::int64_t epoch, Done<Outcome> done) override {
    now_ = clock_().ms;
    const std::string me(shard);
    const model::Shard* s = look(w_.shards, me);
    if (s == nullptr || s->epoch != epoch) return done(lost());
    for (auto& [name, lease] : w_.leases) {
      if (lease.shard == me) lease.until = 0;
    }
    shard_gone(me);
    done(ok());
  }

  void sweep(int most, std::int64_t ttl_ms, Done<Outcome> done) override {
    now_ = clock_().ms;
    if (were_away(ttl_ms)) return done(ok(0, "0"));
    std::vector<std::pair<std::int64_t, model::Deadline>> due;
    for (const auto& [when, deadline] : w_.deadlines) {
      if (when.first > now_ || static_cast<int>(due.size()) >= most) break;
      due.emplace_back(when.first, deadline);
    }
    for (const auto& [at, deadline] : due) {
      w_.deadlines.erase({at, deadline.text()});
      fall_due(deadline);
    }
    std::vector<std::pair<std::int64_t, std::string>> lapsed;
    for (const auto& [id, shard] : w_.shards) {
      if (shard.until && *shard.until <= now_) lapsed.emplace_back(*shard.until, id);
    }
    std::sort(lapsed.begin(), lapsed.end());
    for (const auto& [until, id] : lapsed) shard_gone(id);
    done(ok(static_cast<std::int64_t>(due.size()), static_cast<int>(due.size()) == most ? "1" : "0"));
  }

  void archive_due(WallTime before, int most, Done<std::vector<Due>> done) override {
    std::vector<Due> out;
    for (const auto& [at, id] : w_.closed) {
      if (at > before.ms || static_cast<int>(out.size()) >= most) break;
      const Conversation& c = w_.conversations.at(id);
      out.push_back({id, c.gen, WallTime{c.closed}, WallTime{c.accepted}});
    }
    done(std::move(out));
  }

  void archive_later(const std::vector<std::string>& conversations, WallTime at, Done<Outcome> done) override {
    for (const std::string& id : conversations) {
      if (unshelve(id)) w_.closed.insert({at.ms, id});
    }
    done(ok());
  }

  void archive_done(const Archived& what, Done<Outcome> done) override {
    const Conversation* c = look(w_.conversations, what.conversation);
    if (c == nullptr) return done(missing());
    std::vector<Line> lines;
    for (std::size_t i = 0; i < c->log.size(); ++i) lines.push_back(line_of(c, static_cast<std::int64_t>(i + 1)));
    const Archived now = archived(c->id, c->gen, lines);
    if ((c->state != "closed" && c->state != "sends") || now.gen != what.gen || now.states != what.states ||
        now.facts != what.facts || c->open > 0) {
      return done(stale(*c));
    }
    unshelve(c->id);
    auto& address = w_.addresses[c->address];
    for (auto* pointers : {&address.latest, &address.sends, &w_.contacts[c->contact].open}) {
      const auto it = pointers->find(c->account);
      if (it != pointers->end() && it->second == c->id) pointers->erase(it);
    }
    w_.conversations.erase(what.conversation);
    done(ok());
  }

  void recount(std::string_view conversation, Done<Outcome> done) override {
    const Conversation* c = look(w_.conversations, std::string(conversation));
    if (c == nullptr) return done(missing());
    const auto open = std::count_if(c->log.begin(), c->log.end(), [](const model::LogLine& l) { return is_open(l.state); });
    done(ok(std::abs(c->open - static_cast<std::int64_t>(open))));
  }

  // ---- reading ----

  void cards(const std::vector<std::string>& conversations, Done<std::vector<Card>> done) override {
    std::vector<Card> out;
    for (const std::string& id : conversations) {
      if (const Conversation* c = look(w_.conversations, id)) out.push_back(card_of(*c));
    }
    done(std::move(out));
  }

  void desk(std::string_view id, Done<DeskView> done) override {
    DeskView out;
    const Agent* agent = look(w_.agents, std::string(id));
    out.missing = agent == nullptr;
    if (agent != nullptr) {
      out.seq = agent->seq;
      out.availability = agent->availability;
      out.reason = agent->reason;
      out.name = agent->name;
      out.roles = agent->roles;
      out.queues = agent->queues;
      for (const std::string& conversation : agent->held) {
        if (out.held.size() < 200) out.held.push_back(card_of(w_.conversations.at(conversation)));
      }
    }
    done(std::move(out));
  }

  void replay(std::string_view id, std::int64_t after, Done<Replay> done) override {
    now_ = clock_().ms;
    Replay out;
    const Agent* agent = look(w_.agents, std::string(id));
    out.seq = agent != nullptr ? agent->seq : 0;
    if (after > out.seq || out.seq - after > static_cast<std::int64_t>(kReplayed)) {
      out.reset = true;
    } else if (after < out.seq) {
      const auto count = static_cast<std::size_t>(out.seq - after);
      out.events.assign(agent->replay.end() - static_cast<std::ptrdiff_t>(count), agent->replay.end());
      if (now_ - out.events.front().at.ms > kDay) {
        out.reset = true;
        out.events.clear();
      }
    }
    done(std::move(out));
  }

  void entries(std::string_view conversation, const std::vector<std::int64_t>& ns, Done<std::vector<Line>> done) override {
    const Conversation* c = look(w_.conversations, std::string(conversation));
    std::vector<Line> out;
    out.reserve(ns.size());
    for (const std::int64_t n : ns) out.push_back(line_of(c, n));
    done(std::move(out));
  }

  void page(std::string_view conversation, std::int64_t after, int limit, Done<Page> done) override {
    const Conversation* c = look(w_.conversations, std::string(conversation));
    Page out;
    out.total = c != nullptr ? static_cast<std::int64_t>(c->log.size()) : 0;
    for (std::int64_t n = after + 1; n <= std::min(after + limit, out.total); ++n) out.lines.push_back(line_of(c, n));
    done(std::move(out));
  }

  void conversations(std::string_view after, int limit, Done<Conversations> done) override {
    Conversations out;
    std::int64_t at = number(after);
    for (int tried = 0; at < w_.last_id && static_cast<int>(out.cards.size()) < limit && tried < 1000; ++tried) {
      if (const Conversation* c = look(w_.conversations, text(++at))) out.cards.push_back(card_of(*c));
    }
    if (at < w_.last_id && at > 0) out.next = text(at);
    done(std::move(out));
  }

  void snapshot(Done<Snapshot> done) override {
    Snapshot out;
    out.stream_id = text(transitions_) + "-0";
    for (const auto& [id, a] : w_.agents) {
      out.agents.push_back({id, a.availability, a.sessions, a.load, a.capacity, a.gen, a.last_assigned, split_list(a.queues),
                            parse_skills(a.skills)});
    }
    for (const auto& [id, fields] : w_.queues) {
      QueueState queue;
      queue.id = id;
      const auto field = [&, f = &fields](const char* name) {
        const std::string* value = look(*f, name);
        return value != nullptr ? *value : std::string();
      };
      queue.name = field("name");
      queue.auto_accept = field("mode") == "auto";
      if (!field("offer_ms").empty()) queue.offer_ms = number(field("offer_ms"));
      if (!field("wrap_ms").empty()) queue.wrap_ms = number(field("wrap_ms"));
      if (!field("priority").empty()) queue.priority = number(field("priority"));
      if (!field("sticky_ms").empty()) queue.sticky_ms = number(field("sticky_ms"));
      queue.skills = parse_skills(field("skills"));
      queue.steps = parse_steps(field("steps"));
      queue.hours = hours_of(field("hours"), field("zone"), field("emergency"));
      out.queues.push_back(std::move(queue));
      const auto* waiting = look(w_.waiting, id);
      if (waiting == nullptr) continue;
      for (const auto& [eff, conversation] : *waiting) {
        const Conversation& c = w_.conversations.at(conversation);
        out.waiting.push_back({c.id, c.queue, c.excluded, c.gen, c.eff, c.weight, c.since, c.sticky});
      }
    }
    done(std::move(out));
  }

 private:
  // ---- telling the world ----

  void transition(std::string_view kind, const std::string& conversation, std::int64_t gen, const std::string& agent,
                  const std::string& queue, const Fields& more) {
    ++transitions_;
    if (!on_transition) return;
    Fields fields{{"k", std::string(kind)}, {"v", conversation}, {"g", text(gen)}, {"a", agent}, {"q", queue}, {"t", text(now_)}};
    fields.insert(fields.end(), more.begin(), more.end());
    on_transition(fields);
  }
  void transition(std::string_view kind, const Conversation& c, const std::string& agent, const Fields& more = {}) {
    transition(kind, c.id, c.gen, agent, c.queue, more);
  }

  // One event for an agent: counted, kept for replay, published. `body` is published only.
  void tell(const std::string& id, char kind, const Conversation& c, std::int64_t x, std::string y, std::string extra,
            std::string_view body = {}) {
    Agent& agent = w_.agents[id];
    AgentEvent event;
    event.seq = ++agent.seq;
    event.kind = kind;
    event.conversation = c.id;
    event.x = text(x);
    event.y = std::move(y);
    event.extra = std::move(extra);
    event.at = WallTime{now_};
    agent.replay.push_back(event);
    if (agent.replay.size() > kReplayed) agent.replay.pop_front();
    if (!on_event) return;
    event.body = std::string(body);
    on_event(id, event);
  }

  void agent_news(const std::string& id, std::string why) {
    const Agent& a = w_.agents.at(id);
    transition("agent", "", 0, id, a.queues,
               {{"av", a.availability},
                {"se", text(a.sessions)},
                {"l", text(a.load)},
                {"cp", text(a.capacity)},
                {"ag", text(a.gen)},
                {"la", text(a.last_assigned)},
                {"sk", a.skills},
                {"x", std::move(why)}});
  }

  // ---- deadlines ----

  void add_deadline(std::int64_t at, model::Deadline deadline) { w_.deadlines[{at, deadline.text()}] = std::move(deadline); }
  void drop_deadline(const model::Deadline& deadline) {
    std::erase_if(w_.deadlines, [what = deadline.text()](const auto& d) { return d.first.second == what; });
  }

  // Where no shard lived for a whole lease, what agents owed meanwhile is due later by as much.
  bool were_away(std::int64_t ttl_ms) {
    const std::int64_t away = now_ - w_.alive.value_or(now_);
    if (away <= ttl_ms) return false;
    w_.alive = now_;
    std::vector<std::pair<std::int64_t, model::Deadline>> moved;
    for (const auto& [when, deadline] : w_.deadlines) {
      if (deadline.kind == "offer" || deadline.kind == "gone") moved.emplace_back(when.first, deadline);
    }
    for (const auto& [at, deadline] : moved) w_.deadlines.erase({at, deadline.text()});
    for (const auto& [at, deadline] : moved) w_.deadlines[{at + away, deadline.text()}] = deadline;
    return true;
  }

  void fall_due(const model::Deadline& deadline) {
    if (deadline.kind == "gone") {
      Agent& agent = w_.agents.at(deadline.id);
      if (text(agent.absences) != deadline.stamp || agent.sessions > 0) return;
      const auto held = agent.held;
      for (const std::string& id : held) {
        Conversation& c = w_.conversations.at(id);
        if (c.state == "wrapup") {
          shut(c, "");
        } else if (c.state == "active" || c.state == "parked") {
          requeue(c, "agent_lost", false);
        }
      }
      agent.availability = "offline";
      agent_news(deadline.id, "lost");
      return;
    }
    if (deadline.kind == "unc") return land(deadline.id, ref_of(deadline.stamp));
    Conversation* c = look(w_.conversations, deadline.id);
    if (c == nullptr || text(c->gen) != deadline.stamp) return;  // its state moved on
    if (deadline.kind == "offer" && c->state == "offered") {
      const std::string id = c->owner;
      requeue(*c, "timeout", true);
      Agent& agent = w_.agents.at(id);
      ++agent.missed;
      agent.availability = "not_responding";
      agent.reason = "missed_offer";
      ++agent.gen;
      agent_news(id, "missed");
    } else if (deadline.kind == "wrap" && c->state == "wrapup") {
      shut(*c, "");
    } else if (deadline.kind == "park" && c->state == "parked") {
      wake(*c, "park_over");
    }
  }

  // ---- who carries what ----

  bool can_take(const std::string& id, std::int64_t weight) const {
    const Agent* agent = look(w_.agents, id);
    return agent != nullptr && agent->availability == "ready" && agent->sessions > 0 && agent->load + weight <= agent->capacity;
  }
  bool is_excluded(const Conversation& c, const std::string& agent) const {
    const auto bans = split_list(c.excluded);
    return std::any_of(bans.begin(), bans.end(), [&](const std::string& ban) {
      const auto colon = ban.rfind(':');
      return colon != std::string::npos && ban.substr(0, colon) == agent &&
             number(std::string_view(ban).substr(colon + 1)) > now_;
    });
  }

  // Its owner carries it with another weight from now on. Answers his load.
  std::int64_t reweigh(Conversation& c, std::int64_t weight) {
    Agent& agent = w_.agents.at(c.owner);
    agent.load += weight - c.weight;
    c.weight = weight;
    return agent.load;
  }
  std::int64_t let_go(const Conversation& c) {
    Agent& agent = w_.agents.at(c.owner);
    agent.held.erase(c.id);
    return agent.load -= c.weight;
  }

  void give(Conversation& c, const std::string& id, std::int64_t ttl_ms, bool at_once, const std::string& why) {
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

  // Back to its queue with the same place: eff never changes.
  void requeue(Conversation& c, const std::string& why, bool ban) {
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

  // A parked conversation, or one in wrap-up, has news: back to its agent if he can take it, else to its queue.
  void wake(Conversation& c, const std::string& why) {
    if (!can_take(c.owner, c.base - c.weight)) return requeue(c, why, false);
    c.state = "active";
    ++c.gen;
    const std::int64_t load = reweigh(c, c.base);
    tell(c.owner, 'c', c, c.gen, "active", why);
    transition("woken", c, c.owner, {{"l", text(load)}, {"x", why}});
  }

  // The last owner's name stays on it: he still hears what becomes of his messages.
  void shut(Conversation& c, std::string why) {
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

  // Answers whether the archive was to look at it.
  bool unshelve(const std::string& id) {
    return std::erase_if(w_.closed, [&](const auto& at) { return at.second == id; }) > 0;
  }

  // ---- presence ----

  void withdraw_offers(const std::string& id, const std::string& why) {
    const auto held = w_.agents.at(id).held;
    for (const std::string& conversation : held) {
      Conversation& c = w_.conversations.at(conversation);
      if (c.state == "offered") requeue(c, why, false);
    }
  }
  void session_gone(const std::string& id) {
    Agent& agent = w_.agents.at(id);
    if (--agent.sessions > 0) return;
    ++agent.gen;
    ++agent.absences;
    withdraw_offers(id, "agent_gone");
    add_deadline(now_ + kAbsence, {"gone", id, text(agent.absences)});
    agent_news(id, "gone");
  }
  // Its epoch ends with it: if it was only slow, it hears `lost`.
  model::Shard& shard_gone(const std::string& id) {
    model::Shard& shard = w_.shards[id];
    for (const auto& [agent, session_id] : shard.sessions) session_gone(agent);
    shard.sessions.clear();
    shard.until.reset();
    ++shard.epoch;
    return shard;
  }
  bool owns(std::string_view account, const LeaseRef& ref) const {
    const model::Lease* lease = look(w_.leases, "acct:" + std::string(account));
    return ref.epoch > 0 && lease != nullptr && lease->shard == ref.shard && lease->epoch == ref.epoch && now_ < lease->until;
  }

  // ---- the log ----

  std::int64_t append(Conversation& c, State state, std::string_view entry) {
    c.log.push_back({state, std::string(entry), "", ""});
    return static_cast<std::int64_t>(c.log.size());
  }

  // Forward only, and `open` with it. Answers whether it moved, and from where; nothing if there is no such entry.
  std::pair<bool, std::optional<State>> advance(const MessageRef& ref, State to) {
    Conversation* c = look(w_.conversations, ref.conversation);
    if (c == nullptr || ref.n < 1 || ref.n > static_cast<std::int64_t>(c->log.size())) return {false, std::nullopt};
    State& state = c->log[static_cast<std::size_t>(ref.n - 1)].state;
    const State from = state;
    if (from == State::kStored || rank(to) <= rank(from)) return {false, from};
    state = to;
    if (is_open(from) && !is_open(to)) --c->open;
    return {true, from};
  }

  static void fly(Road& road, const MessageRef& ref, std::int64_t epoch, int lane) {
    const auto it = std::find_if(road.flights.begin(), road.flights.end(), [&](const Flight& f) { return f.ref == ref; });
    if (it != road.flights.end()) {
      *it = {ref, epoch, lane};
    } else {
      road.flights.push_back({ref, epoch, lane});
    }
  }

  // The one in flight has its answer: the next that still waits gets the turn.
  void land(std::string_view account, const MessageRef& ref) {
    Road& road = w_.roads[std::string(account)];
    std::erase_if(road.flights, [&](const Flight& f) { return f.ref == ref; });
    Conversation* const found = look(w_.conversations, ref.conversation);
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

  std::optional<Outcome> done_before(std::string_view author, std::string_view client_id) {
    if (client_id.empty()) return std::nullopt;
    const model::Once* once = look(w_.once, {std::string(author), std::string(client_id)});
    if (once == nullptr || once->until <= now_) return std::nullopt;
    Outcome out = ended(Outcome::What::kRepeat);
    out.ref = once->ref;
    return out;
  }
  void remember(std::string_view author, std::string_view client_id, const MessageRef& ref) {
    if (!client_id.empty()) w_.once[{std::string(author), std::string(client_id)}] = {ref, now_ + kDay};
  }
  // What was done is remembered under its client_id; a refusal is decided anew.
  Done<Outcome> remembering(const Command& by, Done<Outcome> done) {
    return [this, by, done = std::move(done)](Result<Outcome> out) {
      if (out && out->what == Outcome::What::kOk) remember(by.agent, by.client_id, {by.conversation, 0});
      done(std::move(out));
    };
  }
  static Outcome closed_window(std::int64_t until) {
    Outcome out = ended(Outcome::What::kWindow);
    out.window_until = WallTime{until};
    return out;
  }

  Outcome replied(const Reply& what) {
    if (auto before = done_before(what.author, what.client_id)) return std::move(*before);
    Conversation* c = look(w_.conversations, what.by.conversation);
    if (c == nullptr) return missing();
    const bool as_owner = !what.by.agent.empty();
    if (as_owner && (c->state != "active" || c->owner != what.by.agent || c->gen != what.by.gen)) return stale(*c);
    if (!as_owner && c->state == "closed") return stale(*c);
    if (what.needs_window && now_ >= c->window_until) return closed_window(c->window_until);
    Road& road = w_.roads[c->account];
    const std::size_t lane = index_of(what.lane);
    // Claimed at once if nothing of this conversation is in flight and nobody waits in the lanes before it.
    const bool claimed = c->turn == 0 && owns(c->account, what.lease) && road.lanes[0].empty() && road.lanes[lane].empty();
    const std::int64_t n = append(*c, claimed ? State::kClaimed : State::kQueued, what.entry);
    const MessageRef ref{c->id, n};
    ++c->open;
    if (c->turn != 0) {
      c->hold.push_back({static_cast<int>(lane), n});
    } else {
      c->turn = n;
      if (claimed) {
        fly(road, ref, what.lease.epoch, static_cast<int>(lane));
      } else {
        road.lanes[lane].push_back(ref);
        if (on_lane) on_lane(c->account);
      }
    }
    remember(what.author, what.client_id, ref);
    if (!c->owner.empty()) tell(c->owner, 'm', *c, n, "q", text(c->window_until), what.entry);
    Outcome out = ok();
    out.ref = ref;
    out.claimed = claimed;
    out.address = c->address;
    return out;
  }

  // ---- ingest ----

  bool seen_before(const Ingest& what) {
    const std::int64_t day = what.at.ms / kDay;
    model::Bucket& bucket = w_.seen[{what.channel, day}];
    if (bucket.until <= now_) bucket.members.clear();
    if (!bucket.members.insert(what.account + "|" + what.dedupe).second) return true;
    bucket.until = std::max((day + 1) * kDay, now_) + 8 * kDay;
    return false;
  }

  // The contact these addresses lead to, "" if none; missing addresses are written. Also the conversation the first one led to
  // last.
  std::pair<std::string, Conversation*> contact_of(const Ingest& what, const std::array<std::string, 3>& addresses) {
    const std::string aliases = addresses[1] + " " + addresses[2];
    std::string contact;
    Conversation* latest = nullptr;
    if (const model::Address* main = look(w_.addresses, addresses[0])) {
      contact = main->contact;
      if (const std::string* id = look(main->latest, what.account)) latest = look(w_.conversations, *id);
      if (aliases == " " || main->aliases == aliases) return {contact, latest};
    }
    for (const std::string& known : {addresses[1], addresses[2], what.old_address}) {
      if (!contact.empty() || known.empty()) continue;
      if (const model::Address* address = look(w_.addresses, known)) contact = address->contact;
    }
    if (contact.empty()) return {contact, nullptr};
    for (const std::string& address : addresses) {
      if (!address.empty() && w_.addresses[address].contact.empty()) w_.addresses[address].contact = contact;
    }
    if (aliases != " ") w_.addresses[addresses[0]].aliases = aliases;
    return {contact, latest};
  }

  // Nobody is overtaken: none of the agent's queues may hold a waiting conversation.
  bool hint_holds(const Ingest& what) const {
    if (!what.hint || !can_take(what.hint->agent, kWeight)) return false;
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

  Ingested ingested(const Ingest& what) {
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
    Conversation* into = latest != nullptr && latest->state != "closed" ? latest : nullptr;
    if (into == nullptr && !contact.empty()) {
      if (const std::string* id = look(w_.contacts[contact].open, what.account)) {
        into = &w_.conversations.at(*id);
        w_.addresses[addresses[0]].latest[what.account] = into->id;
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
      c.window_until = std::max(c.window_until, what.window_until.ms);
      c.last = now_;
      if (!what.old_address.empty()) c.address = addresses[0];
      if (!c.owner.empty()) {
        tell(c.owner, 'm', c, n, "i", text(c.window_until), what.entry);
        if ((c.state == "parked" || c.state == "wrapup") && what.may_open) wake(c, "message");
      }
      return describe(c, n, Ingested::Kind::kOk);
    }
    if (what.may_open && !what.room) {
      w_.seen[{what.channel, what.at.ms / kDay}].members.erase(what.account + "|" + what.dedupe);
      out.kind = Ingested::Kind::kFull;
      return out;
    }
    if (!what.may_open) {
      // A change of something already closed joins that log and wakes nobody.
      if (latest == nullptr) {
        // Nothing was kept, so nothing is remembered.
        w_.seen[{what.channel, what.at.ms / kDay}].members.erase(what.account + "|" + what.dedupe);
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
    citizen.open[what.account] = id;
    w_.addresses[addresses[0]].latest[what.account] = id;
    Conversation& c = w_.conversations[id];
    c.id = id;
    c.state = "queued";
    c.queue = what.queue;
    c.channel = what.channel;
    c.account = what.account;
    c.contact = contact;
    c.address = addresses[0];
    c.name = what.name;
    c.first = c.since = c.last = now_;
    c.eff = now_ - 60'000 * what.priority;
    c.weight = c.base = kWeight;
    c.window_until = what.window_until.ms;
    const std::string known = now_ - citizen.last_at < kSticky ? citizen.last_agent : "";
    append(c, State::kStored, what.entry);
    if (what.has_media) w_.media[what.account].push_back({{c.id, 1}, now_});
    if ((known.empty() || known == what.hint.value_or(Hint{}).agent) && hint_holds(what)) {
      give(c, what.hint->agent, what.offer_ttl_ms, what.auto_accept, what.hint->reasons);
    } else {
      c.sticky = known;
      w_.waiting[c.queue].insert({c.eff, c.id});
      Fields place{{"e", text(c.eff)}, {"w", text(c.weight)}};
      if (!known.empty()) place.emplace_back("y", known);
      transition("queued", c, "", place);
    }
    return describe(c, 1, Ingested::Kind::kNew);
  }

  std::function<WallTime()> clock_;
  std::int64_t now_ = 0;  // of the command under way
  std::int64_t transitions_ = 0;
  model::World w_;
};

}  // namespace

std::unique_ptr<MemoryStore> make_memory_store(std::function<WallTime()> now) { return std::make_unique<Memory>(std::move(now)); }

}  // namespace belfry::routing
