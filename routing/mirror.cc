#include "routing/mirror.h"

#include <algorithm>
#include <charconv>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

void Mirror::reset(Snapshot snapshot) {
  free_.clear();
  agents_.clear();
  waiting_.clear();
  by_queue_.clear();
  promises_.clear();
  accounts_.clear();
  queues_.clear();
  stream_id_ = std::move(snapshot.stream_id);
  for (AgentState& agent : snapshot.agents) {
    auto& slot = agents_[agent.id];
    slot = std::move(agent);
    accounts_[slot.id].load = slot.load;
    accounts_[slot.id].last = slot.last_assigned;
    index(slot);
  }
  for (Waiting& waiting : snapshot.waiting) add_waiting(std::move(waiting));
  for (QueueState& queue : snapshot.queues) queues_[queue.id] = std::move(queue);
  ready_ = true;
}

void Mirror::index(AgentState& agent) {
  if (agent.availability != "ready" || agent.sessions <= 0 || agent.load >= agent.capacity) return;
  for (const std::string& queue : agent.queues) free_[queue].insert(&agent);
}

void Mirror::unindex(const AgentState& agent) {
  for (const std::string& queue : agent.queues) {
    if (const auto it = free_.find(queue); it != free_.end()) it->second.erase(&agent);
  }
}

void Mirror::add_waiting(Waiting waiting) {
  drop_waiting(waiting.conversation);
  by_queue_[waiting.queue].insert({waiting.eff, waiting.conversation});
  std::string id = waiting.conversation;
  waiting_[std::move(id)] = std::move(waiting);
}

void Mirror::drop_waiting(const std::string& conversation) {
  drop_promise(conversation);
  const auto it = waiting_.find(conversation);
  if (it == waiting_.end()) return;
  if (const auto q = by_queue_.find(it->second.queue); q != by_queue_.end()) q->second.erase({it->second.eff, conversation});
  waiting_.erase(it);
}

// The agent as he is seen: what was told of him, and what is promised.
void Mirror::show(AgentState& agent) {
  const Account& account = accounts_[agent.id];
  unindex(agent);
  agent.load = account.load + account.weight;
  agent.last_assigned = account.open > 0 ? std::max(account.last, account.at) : account.last;
  index(agent);
}

void Mirror::set_load(const std::string& id, std::int64_t load, std::int64_t last) {
  const auto it = agents_.find(id);
  if (it == agents_.end()) return;
  Account& account = accounts_[id];
  account.load = load;
  if (last > 0) account.last = last;
  show(it->second);
}

void Mirror::promise(const Waiting& waiting, const std::string& id, WallTime now) {
  promises_[waiting.conversation] = {id, now.ms, waiting.weight};
  Account& account = accounts_[id];
  account.weight += waiting.weight;
  account.at = now.ms;
  ++account.open;
  show(agents_.at(id));
}

void Mirror::drop_promise(const std::string& conversation) {
  const auto it = promises_.find(conversation);
  if (it == promises_.end()) return;
  const Promise was = std::move(it->second);
  promises_.erase(it);
  Account& account = accounts_[was.agent];
  account.weight -= was.weight;
  --account.open;
  if (const auto agent = agents_.find(was.agent); agent != agents_.end()) show(agent->second);
}

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
    add_waiting({conversation, std::string(field("q")), std::string(field("n")), to_int(field("g")), to_int(field("e")),
                 to_int(field("w"))});
  } else if (kind == "offered" || kind == "assigned") {
    drop_waiting(conversation);
    set_load(agent, to_int(field("l")), to_int(field("t")));
  } else if (kind == "closed") {
    drop_waiting(conversation);
    if (!agent.empty()) set_load(agent, to_int(field("l")), 0);
  } else if (kind == "wrapup" || kind == "parked" || kind == "woken") {
    set_load(agent, to_int(field("l")), 0);
  } else if (kind == "agent") {
    AgentState& slot = agents_[agent];
    unindex(slot);
    slot.id = agent;
    slot.availability = std::string(field("av"));
    slot.sessions = to_int(field("se"));
    slot.capacity = to_int(field("cp"));
    slot.gen = to_int(field("ag"));
    slot.queues = split_list(field("q"));
    accounts_[agent].load = to_int(field("l"));
    accounts_[agent].last = to_int(field("la"));
    show(slot);
  } else if (kind == "queue") {
    return false;  // rare, and its fields are read from the queue itself
  }
  return true;
}

std::optional<Choice> Mirror::choose(const Waiting& waiting, WallTime now) const {
  const auto it = free_.find(waiting.queue);
  if (it == free_.end()) return std::nullopt;
  for (const AgentState* agent : it->second) {
    if (bar_of(*agent, waiting, now) != Bar::kEligible) continue;
    Reasons reasons;
    reasons.candidates = static_cast<std::int64_t>(it->second.size());
    reasons.load = agent->load;
    reasons.capacity = agent->capacity;
    reasons.idle_ms = agent->last_assigned == 0 ? -1 : now.ms - agent->last_assigned;
    return Choice{agent->id, agent->gen, reasons};
  }
  return std::nullopt;
}

std::optional<Hint> Mirror::hint(std::string_view queue, WallTime now) const {
  if (!ready_ || waiting_in(queue) > 0) return std::nullopt;
  const auto choice = choose({"", std::string(queue), "", 0, now.ms, kWeight}, now);
  if (!choice) return std::nullopt;
  for (const std::string& other : agents_.at(choice->agent).queues) {
    if (waiting_in(other) > 0) return std::nullopt;
  }
  return Hint{choice->agent, choice->agent_gen, to_json(choice->reasons)};
}

std::vector<Offer> Mirror::match(WallTime now, int most) {
  std::vector<Offer> offers;
  // A proposal that nothing came of in five seconds is proposed again.
  std::vector<std::string> overdue;
  for (const auto& [conversation, made] : promises_) {
    if (now.ms - made.at > 5'000) overdue.push_back(conversation);
  }
  for (const std::string& conversation : overdue) {
    drop_promise(conversation);
    if (const auto w = waiting_.find(conversation); w != waiting_.end())
      by_queue_[w->second.queue].insert({w->second.eff, conversation});
  }
  // Over all queues, who has waited longest goes first: one queue's crowd must not take the agents it shares with another.
  std::set<std::pair<std::int64_t, std::string>> heads;  // the next to be looked at of each queue that has a free agent
  const auto look_at = [&](const std::string& queue, std::set<std::pair<std::int64_t, std::string>>::const_iterator at) {
    const auto free = free_.find(queue);
    if (at != by_queue_[queue].end() && free != free_.end() && !free->second.empty()) heads.insert(*at);
  };
  for (const auto& [queue, order] : by_queue_) look_at(queue, order.begin());
  while (!heads.empty() && static_cast<int>(offers.size()) < most) {
    const auto head = heads.extract(heads.begin()).value();
    const Waiting& waiting = waiting_.at(head.second);
    auto& order = by_queue_[waiting.queue];
    const auto it = order.find(head);
    const auto choice = choose(waiting, now);
    if (!choice) {
      look_at(waiting.queue, std::next(it));
      continue;
    }
    Offer offer{waiting.conversation, waiting.gen, choice->agent, 45'000, false, to_json(choice->reasons)};
    if (const auto settings = queues_.find(waiting.queue); settings != queues_.end()) {
      offer.ttl_ms = settings->second.offer_ms;
      offer.auto_accept = settings->second.auto_accept;
    }
    promise(waiting, choice->agent, now);
    look_at(waiting.queue, order.erase(it));
    offers.push_back(std::move(offer));
  }
  return offers;
}

void Mirror::failed(const Offer& offer) {
  // Only what is still promised: the stream may have spoken since, or another proposal been made.
  const auto made = promises_.find(offer.conversation);
  if (made == promises_.end() || made->second.agent != offer.agent) return;
  drop_promise(offer.conversation);
  if (const auto w = waiting_.find(offer.conversation); w != waiting_.end())
    by_queue_[w->second.queue].insert({w->second.eff, offer.conversation});
}

const QueueState* Mirror::queue(std::string_view id) const {
  const auto it = queues_.find(id);
  return it == queues_.end() ? nullptr : &it->second;
}
const AgentState* Mirror::agent(std::string_view id) const {
  const auto it = agents_.find(std::string(id));
  return it == agents_.end() ? nullptr : &it->second;
}
std::size_t Mirror::waiting_in(std::string_view queue) const {
  const auto it = by_queue_.find(queue);
  return it == by_queue_.end() ? 0 : it->second.size();
}
std::size_t Mirror::ready_agents() const {
  return static_cast<std::size_t>(std::count_if(
      agents_.begin(), agents_.end(), [](const auto& a) { return a.second.availability == "ready" && a.second.sessions > 0; }));
}

}  // namespace belfry::routing
