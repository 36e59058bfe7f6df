// Telling the world: transitions, and the events of agents (00_keys.lua).
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::transition(std::string_view kind, const std::string& conversation, std::int64_t gen, const std::string& agent,
                        const std::string& queue, const Fields& more) {
  ++transitions_;
  if (!on_transition) return;
  Fields fields{{"k", std::string(kind)}, {"v", conversation}, {"g", text(gen)}, {"a", agent}, {"q", queue}, {"t", text(now_)}};
  fields.insert(fields.end(), more.begin(), more.end());
  if (!actor_.empty()) fields.emplace_back("by", actor_);
  on_transition(fields);
}

void Memory::transition(std::string_view kind, const Conversation& c, const std::string& agent, const Fields& more) {
  transition(kind, c.id, c.gen, agent, c.queue, more);
}

void Memory::tell(const std::string& id, char kind, const Conversation& c, std::int64_t x, std::string y, std::string extra,
                  std::string_view body) {
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

void Memory::agent_news(const std::string& id, std::string why) {
  const Agent& a = w_.agents.at(id);
  transition("agent", "", 0, id, a.queues,
             {{"av", a.availability},
              {"se", text(a.sessions)},
              {"l", text(a.load)},
              {"cp", text(a.capacity)},
              {"ag", text(a.gen)},
              {"la", text(a.last_assigned)},
              {"sk", a.skills},
              {"bt", a.bot ? "1" : ""},
              {"x", std::move(why)}});
}

}  // namespace belfry::routing::model
