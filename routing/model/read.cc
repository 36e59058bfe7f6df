// What a desk and a mirror read: routing/functions/50_read.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::cards(const std::vector<std::string>& conversations, Done<std::vector<Card>> done) {
  std::vector<Card> out;
  for (const std::string& id : conversations) {
    if (const Conversation* c = look(w_.conversations, id)) out.push_back(card_of(*c));
  }
  done(std::move(out));
}

void Memory::desk(std::string_view id, Done<DeskView> done) {
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
    std::set<std::string, ByNumber> all = agent->held;
    all.insert(agent->invited.begin(), agent->invited.end());
    for (const std::string& conversation : all) {
      if (out.held.size() < 200) out.held.push_back(card_of(w_.conversations.at(conversation)));
    }
  }
  done(std::move(out));
}

void Memory::replay(std::string_view id, std::int64_t after, Done<Replay> done) {
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

void Memory::entries(std::string_view conversation, const std::vector<std::int64_t>& ns, Done<std::vector<Line>> done) {
  const Conversation* c = look(w_.conversations, std::string(conversation));
  std::vector<Line> out;
  out.reserve(ns.size());
  for (const std::int64_t n : ns) out.push_back(line_of(c, n));
  done(std::move(out));
}

void Memory::page(std::string_view conversation, std::int64_t after, int limit, Done<Page> done) {
  const Conversation* c = look(w_.conversations, std::string(conversation));
  Page out;
  out.total = c != nullptr ? static_cast<std::int64_t>(c->log.size()) : 0;
  for (std::int64_t n = after + 1; n <= std::min(after + limit, out.total); ++n) out.lines.push_back(line_of(c, n));
  done(std::move(out));
}

void Memory::conversations(std::string_view after, int limit, Done<Conversations> done) {
  Conversations out;
  std::int64_t at = number(after);
  for (int tried = 0; at < w_.last_id && static_cast<int>(out.cards.size()) < limit && tried < 1000; ++tried) {
    if (const Conversation* c = look(w_.conversations, text(++at))) out.cards.push_back(card_of(*c));
  }
  if (at < w_.last_id && at > 0) out.next = text(at);
  done(std::move(out));
}

void Memory::snapshot(Done<Snapshot> done) {
  Snapshot out;
  out.stream_id = text(transitions_) + "-0";
  out.routes = w_.routes;
  for (const auto& [id, a] : w_.agents) {
    out.agents.push_back({id, a.availability, a.sessions, a.load, a.capacity, a.gen, a.last_assigned, split_list(a.queues),
                          parse_skills(a.skills), a.bot});
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
    queue.weights = parse_weights(field("weights"));
    queue.goals = parse_goals(field("sla"));
    out.queues.push_back(std::move(queue));
    const auto* waiting = look(w_.waiting, id);
    if (waiting == nullptr) continue;
    for (const auto& [eff, conversation] : *waiting) {
      const Conversation& c = w_.conversations.at(conversation);
      out.waiting.push_back({c.id, c.queue, c.excluded, c.gen, c.eff, c.weight, c.since, c.sticky, c.failures});
    }
  }
  done(std::move(out));
}

}  // namespace belfry::routing::model
