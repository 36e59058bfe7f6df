#include "routing/mirror.h"

#include <algorithm>
#include <charconv>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

// A proposal that nothing came of in so long is proposed again.
constexpr std::int64_t kPromiseMs = 5'000;
// Of one call of match(): how many may be looked at that nobody can take just now (excluded agents, a sticky one awaited).
constexpr int kFruitless = 2'000;
// Of one call of match(): how many go on to their next step. A crowd that came together gets there together.
constexpr int kWidened = 2'000;

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

// ---- queues and their pools ----

const Mirror::Pool& Mirror::Line::answering(std::size_t step) const {
  while (step + 1 < pools.size() && pools[step]->present == 0) ++step;
  return *pools[step];
}

const Mirror::Line* Mirror::find_line(std::string_view queue) const {
  const auto it = lines_.find(queue);
  return it == lines_.end() ? nullptr : &it->second;
}

// A queue that nobody told of has nothing but its members.
Mirror::Line& Mirror::line(const std::string& queue) {
  const auto [it, is_new] = lines_.try_emplace(queue);
  if (!is_new) return it->second;
  it->second.settings.id = queue;
  make_pools(it->second);
  for (auto& [id, person] : people_) {
    stand(person);
    give_chairs(person);
    sit(person);
  }
  return it->second;
}

void Mirror::make_pools(Line& line) {
  const QueueState& q = line.settings;
  for (std::size_t step = 0; step <= q.steps.size(); ++step) {
    auto pool = std::make_unique<Pool>();
    pool->demand = demand_of(q.id, q.skills, q.steps, step);
    pool->step = step;
    for (const std::string& queue : pool->demand.queues) answered_by_[queue].push_back(pool.get());
    line.pools.push_back(std::move(pool));
  }
}

void Mirror::reset(Snapshot snapshot) {
  people_.clear();
  lines_.clear();
  answered_by_.clear();
  waiting_.clear();
  widening_.clear();
  promises_.clear();
  present_ = 0;
  stream_id_ = std::move(snapshot.stream_id);
  routes_ = std::move(snapshot.routes);
  for (QueueState& queue : snapshot.queues) {
    Line& line = lines_[queue.id];
    line.settings = std::move(queue);
    make_pools(line);
  }
  for (AgentState& agent : snapshot.agents) {
    for (const std::string& queue : agent.queues) line(queue);
    Person& person = people_[agent.id];
    stand(person);  // a snapshot may hold him twice
    person.state = std::move(agent);
    person.load = person.state.load;
    person.last = person.state.last_assigned;
    give_chairs(person);
    sit(person);
  }
  for (Waiting& waiting : snapshot.waiting) add_waiting(std::move(waiting));
  ready_ = true;
}

bool Mirror::fade(std::size_t most) {
  for (; most > 0 && !waiting_.empty(); --most) {
    take_out(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
  }
  for (; most > 0 && !widening_.empty(); --most) widening_.erase(widening_.begin());
  for (; most > 0 && !people_.empty(); --most) {
    stand(people_.begin()->second);
    people_.erase(people_.begin());
  }
  return !waiting_.empty() || !widening_.empty() || !people_.empty();
}

// ---- agents ----

void Mirror::give_chairs(Person& person) {
  person.chairs.clear();
  std::set<Pool*> seen;
  for (const std::string& queue : person.state.queues) {
    const auto pools = answered_by_.find(queue);
    if (pools == answered_by_.end()) continue;
    for (Pool* pool : pools->second) {
      if (!seen.insert(pool).second) continue;
      const Fit fit = fit_of(pool->demand, person.state.queues, person.state.skills);
      if (fit.skilled) person.chairs.push_back({pool, fit.relaxed, fit.levels});
    }
  }
}

void Mirror::sit(Person& person) {
  person.counted = is_present(person.state);
  if (person.counted) ++present_;
  person.seated = person.counted && person.state.load + kWeight <= person.state.capacity;
  for (const Chair& chair : person.chairs) {
    if (person.counted) ++chair.pool->present;
    if (person.seated) chair.pool->free.insert({&person.state, chair.relaxed, chair.levels});
  }
}

// Before anything changes by which he is ordered.
void Mirror::stand(Person& person) {
  for (const Chair& chair : person.chairs) {
    if (person.counted) --chair.pool->present;
    if (person.seated) chair.pool->free.erase({&person.state, chair.relaxed, chair.levels});
  }
  if (person.counted) --present_;
  person.counted = person.seated = false;
}

// The agent as he is seen: what was told of him, and what is promised.
void Mirror::show(Person& person) {
  stand(person);
  person.state.load = person.load + person.promised;
  person.state.last_assigned = person.promises > 0 ? std::max(person.last, person.promised_at) : person.last;
  sit(person);
}

void Mirror::set_load(const std::string& id, std::int64_t load, std::int64_t last) {
  const auto it = people_.find(id);
  if (it == people_.end()) return;
  it->second.load = load;
  if (last > 0) it->second.last = last;
  show(it->second);
}

void Mirror::promise(const Waiting& waiting, const std::string& id, WallTime now) {
  promises_[waiting.conversation] = {id, now.ms, waiting.weight};
  Person& person = people_.at(id);
  person.promised += waiting.weight;
  person.promised_at = now.ms;
  ++person.promises;
  show(person);
}

void Mirror::drop_promise(const std::string& conversation, std::string_view shown_after) {
  const auto it = promises_.find(conversation);
  if (it == promises_.end()) return;
  const Promise was = std::move(it->second);
  promises_.erase(it);
  const auto person = people_.find(was.agent);
  if (person == people_.end()) return;
  person->second.promised -= was.weight;
  --person->second.promises;
  if (was.agent != shown_after) show(person->second);
}

// ---- who waits ----

void Mirror::put(Item& item, Pool& pool) {
  item.pool = &pool;
  pool.order.insert({item.what.eff, item.what.conversation});
}

// To the first step; match() takes it on to the one that is its.
void Mirror::put_back(Item& item) {
  Line& its = line(item.what.queue);
  put(item, *its.pools.front());
  if (its.pools.size() == 1) return;
  // Around the clock the next step's time is known at once.
  const bool at_once = its.settings.hours || item.what.failures >= kOffersAStep;
  const std::int64_t then = at_once ? 0 : item.what.since + its.settings.steps.front().after_ms;
  widening_.insert({then, item.what.conversation});
}

void Mirror::take_out(Item& item) {
  if (item.pool != nullptr) item.pool->order.erase({item.what.eff, item.what.conversation});
  item.pool = nullptr;
}

void Mirror::add_waiting(Waiting waiting) {
  drop_waiting(waiting.conversation);
  Item& item = waiting_[waiting.conversation];
  item.what = std::move(waiting);
  put_back(item);
}

void Mirror::drop_waiting(const std::string& conversation, std::string_view shown_after) {
  drop_promise(conversation, shown_after);
  const auto it = waiting_.find(conversation);
  if (it == waiting_.end()) return;
  take_out(it->second);
  waiting_.erase(it);
}

// Who has waited long enough for the next step goes on to it.
void Mirror::widen(WallTime now) {
  for (int most = kWidened; most > 0 && !widening_.empty() && widening_.begin()->first <= now.ms; --most) {
    const std::string conversation = widening_.extract(widening_.begin()).value().second;
    const auto it = waiting_.find(conversation);
    if (it == waiting_.end()) continue;
    Item& item = it->second;
    const Line& its = line(item.what.queue);
    const std::int64_t waited = waited_ms(its.settings, item.what, now);
    const std::size_t step = step_of(its.settings, item.what, now);
    if (step < its.settings.steps.size()) {
      const std::int64_t left = its.settings.steps[step].after_ms - waited;
      const auto then = its.settings.hours ? its.settings.hours->add_business(now, left) : now + left;
      if (then) widening_.insert({then->ms, conversation});  // else it never opens again
    }
    if (item.pool == nullptr) continue;  // promised
    take_out(item);
    put(item, *its.pools[step]);
  }
}

// ---- the stream ----

bool Mirror::apply(const Value& stream_entry) {
  if (!stream_entry.is_array() || stream_entry.array.size() != 2) return false;
  stream_id_ = stream_entry.array[0].text;
  const auto& fields = stream_entry.array[1].array;
  const auto field = [&](std::string_view name) -> std::string_view {
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
      if (fields[i].text == name) return fields[i + 1].text;
    }
    return {};
  };
  const std::string_view kind = field("k");
  const std::string conversation(field("v"));
  const std::string agent(field("a"));
  if (kind == "queued" || kind == "requeued") {
    if (kind == "requeued" && !agent.empty()) set_load(agent, to_int(field("l")), 0);
    const std::string_view since = field("s");
    add_waiting({conversation, std::string(field("q")), std::string(field("n")), to_int(field("g")), to_int(field("e")),
                 to_int(field("w")), to_int(since.empty() ? field("t") : since), std::string(field("y")), to_int(field("nf"))});
  } else if (kind == "offered" || kind == "assigned") {
    drop_waiting(conversation, agent);
    set_load(agent, to_int(field("l")), to_int(field("t")));
    if (const std::string from(field("fa")); !from.empty()) set_load(from, to_int(field("fl")), 0);
  } else if (kind == "closed") {
    drop_waiting(conversation);
    if (!agent.empty()) set_load(agent, to_int(field("l")), 0);
  } else if (kind == "prioritised" || kind == "switched") {
    if (const auto it = waiting_.find(conversation); it != waiting_.end()) {
      Waiting waiting = it->second.what;
      if (kind == "prioritised") waiting.eff = to_int(field("e"));
      waiting.gen = to_int(field("g"));
      drop_waiting(conversation);
      add_waiting(std::move(waiting));
    }
  } else if (kind == "wrapup" || kind == "parked" || kind == "woken") {
    set_load(agent, to_int(field("l")), 0);
  } else if (kind == "agent") {
    auto queues = split_list(field("q"));
    for (const std::string& queue : queues) line(queue);
    Person& person = people_[agent];
    stand(person);
    person.state.id = agent;
    person.state.availability = std::string(field("av"));
    person.state.sessions = to_int(field("se"));
    person.state.capacity = to_int(field("cp"));
    person.state.gen = to_int(field("ag"));
    person.state.bot = field("bt") == "1";
    auto skills = parse_skills(field("sk"));
    if (queues != person.state.queues || skills != person.state.skills) {
      person.state.queues = std::move(queues);
      person.state.skills = std::move(skills);
      give_chairs(person);
    }
    person.load = to_int(field("l"));
    person.last = to_int(field("la"));
    show(person);
  } else if (kind == "queue") {
    return false;  // rare, and its fields are read from the queue itself
  }
  return true;
}

// ---- choosing ----

std::optional<Seat> Mirror::seat_in(const Line& line, const Pool& pool, const Waiting& waiting, WallTime now,
                                    bool& sticky) const {
  sticky = false;
  if (!waiting.sticky.empty()) {
    const auto it = people_.find(waiting.sticky);
    const Chair* chair = nullptr;
    if (it != people_.end()) {
      for (const Chair& each : it->second.chairs) {
        if (each.pool == &pool) chair = &each;
      }
    }
    if (chair != nullptr && is_present(it->second.state)) {
      if (room_of(it->second.state, waiting, now) == Bar::kEligible) {
        sticky = true;
        return Seat{&it->second.state, chair->relaxed, chair->levels};
      }
      if (waits_for_sticky(line.settings, waiting, &it->second.state, now)) return std::nullopt;
    }
  }
  for (const Seat& seat : pool.free) {
    if (room_of(*seat.agent, waiting, now) == Bar::kEligible) return seat;
  }
  return std::nullopt;
}

std::optional<Choice> Mirror::choose(const Waiting& waiting, WallTime now) const {
  const Line* its = find_line(waiting.queue);
  if (its == nullptr || !is_open(its->settings, now)) return std::nullopt;
  const Pool& pool = its->answering(step_of(its->settings, waiting, now));
  bool sticky = false;
  const auto seat = seat_in(*its, pool, waiting, now, sticky);
  if (!seat) return std::nullopt;
  return Choice{seat->agent->id, seat->agent->gen, reasons_of(*seat, pool.free.size(), pool.step, sticky, now)};
}

std::optional<Hint> Mirror::hint(std::string_view queue, int weight, WallTime now) const {
  if (!ready_ || waiting_in(queue) > 0) return std::nullopt;
  const auto choice = choose({"", std::string(queue), "", 0, now.ms, weight, now.ms, "", 0}, now);
  if (!choice) return std::nullopt;
  for (const std::string& other : people_.at(choice->agent).state.queues) {
    if (waiting_in(other) > 0) return std::nullopt;
  }
  return Hint{choice->agent, choice->agent_gen, to_json(choice->reasons)};
}

std::vector<Offer> Mirror::match(WallTime now, int most) {
  std::vector<Offer> offers;
  std::vector<std::string> overdue;
  for (const auto& [conversation, made] : promises_) {
    if (now.ms - made.at > kPromiseMs) overdue.push_back(conversation);
  }
  for (const std::string& conversation : overdue) {
    drop_promise(conversation);
    if (const auto it = waiting_.find(conversation); it != waiting_.end()) put_back(it->second);
  }
  widen(now);
  // Over all queues, who has waited longest goes first: one queue's crowd must not take the agents it shares with another.
  // The next to be looked at, of each pool whose conversations a free agent may answer: danger to life apart from the rest.
  std::set<Place> urgent, ordinary;
  const std::int64_t border = end_of_life_safety(now);
  const auto look_at = [&](const Line& its, const Pool& pool, std::set<Place>::const_iterator at, bool is_urgent) {
    if (at == pool.order.end() || its.answering(pool.step).free.empty()) return;
    if (!is_urgent) ordinary.insert(*at);
    if (is_urgent && at->first < border) urgent.insert(*at);
  };
  for (const auto& [queue, its] : lines_) {
    if (!is_open(its.settings, now)) continue;
    for (const auto& pool : its.pools) {
      look_at(its, *pool, pool->order.begin(), true);
      look_at(its, *pool, pool->order.lower_bound({border, ""}), false);
    }
  }
  int fruitless = 0;
  while (!(urgent.empty() && ordinary.empty()) && static_cast<int>(offers.size()) < most && fruitless < kFruitless) {
    const bool is_urgent = ordinary.empty() || (!urgent.empty() && !bands_.is_ordinarys_turn());
    std::set<Place>& heads = is_urgent ? urgent : ordinary;
    const Place head = heads.extract(heads.begin()).value();
    Item& item = waiting_.at(head.second);
    Pool& pool = *item.pool;
    const auto it = pool.order.find(head);
    const Line& its = lines_.find(item.what.queue)->second;
    const Pool& answering = its.answering(pool.step);
    bool sticky = false;
    const auto seat = seat_in(its, answering, item.what, now, sticky);
    if (!seat) {
      ++fruitless;
      if (!is_urgent) bands_.in_vain();
      look_at(its, pool, std::next(it), is_urgent);
      continue;
    }
    const Reasons reasons = reasons_of(*seat, answering.free.size(), answering.step, sticky, now);
    offers.push_back({item.what.conversation, item.what.gen, seat->agent->id, its.settings.offer_ms, its.settings.auto_accept,
                      to_json(reasons)});
    const auto next = std::next(it);
    take_out(item);
    promise(item.what, offers.back().agent, now);
    bands_.offered(is_urgent, !ordinary.empty());
    look_at(its, pool, next, is_urgent);
  }
  return offers;
}

void Mirror::failed(const Offer& offer) {
  // Only what is still promised: the stream may have spoken since, or another proposal been made.
  const auto made = promises_.find(offer.conversation);
  if (made == promises_.end() || made->second.agent != offer.agent) return;
  drop_promise(offer.conversation);
  if (const auto it = waiting_.find(offer.conversation); it != waiting_.end()) put_back(it->second);
}

const QueueState* Mirror::queue(std::string_view id) const {
  const Line* its = find_line(id);
  return its == nullptr ? nullptr : &its->settings;
}
const AgentState* Mirror::agent(std::string_view id) const {
  const auto it = people_.find(std::string(id));
  return it == people_.end() ? nullptr : &it->second.state;
}
std::size_t Mirror::waiting_in(std::string_view queue) const {
  const Line* its = find_line(queue);
  if (its == nullptr) return 0;
  std::size_t sum = 0;
  for (const auto& pool : its->pools) sum += pool->order.size();
  return sum;
}
std::vector<const QueueState*> Mirror::queues() const {
  std::vector<const QueueState*> out;
  for (const auto& [id, its] : lines_) out.push_back(&its.settings);
  return out;
}
std::vector<const AgentState*> Mirror::agents() const {
  std::vector<const AgentState*> out;
  out.reserve(people_.size());
  for (const auto& [id, person] : people_) out.push_back(&person.state);
  return out;
}
WallTime Mirror::oldest_in(std::string_view queue) const {
  const Line* its = find_line(queue);
  const Item* next = nullptr;
  if (its == nullptr) return {};
  for (const auto& pool : its->pools) {
    if (pool->order.empty()) continue;
    const Item& first = waiting_.at(pool->order.begin()->second);
    if (next == nullptr || first.what.eff < next->what.eff) next = &first;
  }
  return next == nullptr ? WallTime{} : WallTime{next->what.since};
}
std::vector<const Waiting*> Mirror::all_waiting() const {
  std::vector<const Waiting*> out;
  out.reserve(waiting_.size());
  for (const auto& [id, item] : waiting_) out.push_back(&item.what);
  return out;
}
const Waiting* Mirror::waiting_of(const std::string& conversation) const {
  const auto it = waiting_.find(conversation);
  return it == waiting_.end() ? nullptr : &it->second.what;
}

}  // namespace belfry::routing
