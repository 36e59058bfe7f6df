#include "gateway/api/named.h"

#include <algorithm>

#include "routing/demand.h"

namespace belfry::gateway::api {
namespace {

constexpr std::size_t kMaxSkills = 50;

}  // namespace

std::optional<std::vector<std::string>> read_skills(Body& body, std::string_view member, bool with_levels) {
  const auto said = body.texts(member, kMaxSkills, 50);
  if (!said) return std::nullopt;
  std::vector<std::string> seen;
  for (const std::string& each : *said) {
    const auto skill = routing::parse_skill(each);
    if (!skill || !is_id(skill->id) || (!with_levels && skill->id != each)) {
      body.complain(
          member, with_levels ? "holds something that is no skill: use its id, with a level of 1 to 5 if you like, as in water:3"
                              : "holds something that is no skill: use its id, as in water");
      return std::nullopt;
    }
    if (std::find(seen.begin(), seen.end(), skill->id) != seen.end()) {
      body.complain(member, "names " + skill->id + " twice");
      return std::nullopt;
    }
    seen.push_back(skill->id);
  }
  return said;
}

void with_queues(Room& room, const CallPtr& call, const std::vector<std::string>& queues, std::function<void()> then) {
  if (queues.empty()) return then();
  std::vector<std::vector<std::string>> reads;
  for (const std::string& queue : queues) reads.push_back({"SISMEMBER", room.commands.key("queues"), queue});
  room.commands.all(reads, [call, queues, then = std::move(then)](Result<std::vector<routing::Value>> there) {
    if (!there) return call->error(there.error());
    for (std::size_t i = 0; i < queues.size(); ++i) {
      if ((*there)[i].integer != 0) continue;
      return call->problem(wire::problem(422, "unknown_queue",
                                         "The body names " + queue_id(queues[i]) +
                                             ", and there is no such queue. Make it first: PUT /api/v1/queues/" +
                                             queue_id(queues[i]) + "."));
    }
    then();
  });
}

void with_bots(Room& room, const CallPtr& call, const std::vector<std::string>& agents, std::function<void()> then) {
  if (agents.empty()) return then();
  std::vector<std::vector<std::string>> reads;
  for (const std::string& agent : agents) reads.push_back({"HMGET", room.commands.key("agent:" + agent), "bot", "removed"});
  room.commands.all(reads, [call, agents, then = std::move(then)](Result<std::vector<routing::Value>> there) {
    if (!there) return call->error(there.error());
    for (std::size_t i = 0; i < agents.size(); ++i) {
      const auto& row = (*there)[i].array;
      if (row.size() == 2 && row[0].text == "1" && row[1].text != "1") continue;
      return call->problem(wire::problem(422, "unknown_bot",
                                         "The body names " + agent_id(agents[i]) +
                                             " as a bot, and no such agent is a program. Make it one first: PUT /api/v1/agents/" +
                                             agent_id(agents[i]) + " {\"bot\": true}."));
    }
    then();
  });
}

void with_skills(Room& room, const CallPtr& call, const std::vector<std::string>& skills, std::function<void()> then) {
  if (skills.empty()) return then();
  std::vector<std::string> ask{"HMGET", room.commands.key("skills")};
  for (const std::string& skill : skills) ask.push_back(skill.substr(0, skill.find(':')));
  room.commands.all({ask}, [call, ask, then = std::move(then)](Result<std::vector<routing::Value>> reply) {
    if (!reply) return call->error(reply.error());
    const std::vector<routing::Value>& names = reply->front().array;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!names[i].is_nil()) continue;
      const std::string& id = ask[i + 2];
      return call->problem(wire::problem(422, "unknown_skill",
                                         "The body names " + id +
                                             ", and there is no such skill. Make it first: PUT /api/v1/skills/" + id +
                                             " {\"name\": \"…\"}."));
    }
    then();
  });
}

}  // namespace belfry::gateway::api
