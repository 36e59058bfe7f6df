// A conversation with a program: routing/functions/35_bot.lua.
#include <algorithm>

#include "routing/model/memory.h"

namespace belfry::routing::model {

bool Memory::is_there(const std::string& bot) const {
  const Agent* agent = look(w_.agents, bot);
  return agent != nullptr && agent->bot && agent->availability == "ready" && agent->sessions > 0;
}

void Memory::open_with(Conversation& c, const std::string& bot, std::string_view entry) {
  c.state = "bot";
  c.owner = bot;
  c.weight = 0;
  c.given = now_;
  Agent& agent = w_.agents.at(bot);
  agent.held.insert(c.id);
  tell(bot, 'g', c, c.gen, "bot", "");
  tell(bot, 'm', c, 1, "i", text(c.window_until), entry);
  transition("bot", c, bot, {{"l", text(agent.load)}, {"w", "0"}, {"e", text(c.eff)}});
}

void Memory::unsent(const MessageRef& ref) {
  Conversation& c = w_.conversations.at(ref.conversation);
  advance(ref, State::kFailed);
  c.log[static_cast<std::size_t>(ref.n - 1)].reason = "handed_over";
  if (!c.owner.empty()) tell(c.owner, 'r', c, ref.n, "f", "handed_over");
  land(c.account, ref);
}

void Memory::silence(Conversation& c) {
  c.handed_over = now_;
  const auto& flights = w_.roads[c.account].flights;
  // From the last to the first: no turn passes to one that is to fail.
  for (auto n = static_cast<std::int64_t>(c.log.size()); n > 0; --n) {
    const LogLine& line = c.log[static_cast<std::size_t>(n - 1)];
    const MessageRef ref{c.id, n};
    const bool flies = std::any_of(flights.begin(), flights.end(), [&](const Flight& f) { return f.ref == ref; });
    if (line.by_bot && (line.state == State::kQueued || (line.state == State::kClaimed && !flies))) unsent(ref);
  }
}

bool Memory::is_too_late(const MessageRef& ref) {
  const Conversation* c = look(w_.conversations, ref.conversation);
  if (c == nullptr || c->state == "bot") return false;
  const LogLine& line = c->log[static_cast<std::size_t>(ref.n - 1)];
  if (!line.by_bot || line.state != State::kClaimed) return false;
  unsent(ref);
  return true;
}

void Memory::leave_until(Conversation& c, std::int64_t opens) {
  silence(c);
  ++c.gen;
  let_go(c);
  const std::string bot = std::exchange(c.owner, "");
  tell(bot, 'x', c, c.gen, "after_hours", "transferred");
  c.state = "after_hours";
  c.weight = c.base;
  c.opens = opens;
  w_.closed_for[c.queue].insert({opens, c.id});
  add_deadline(opens, {"open", c.id, text(c.gen)});
  transition("after_hours", c, bot, {{"e", text(c.eff)}, {"w", text(c.weight)}, {"nb", text(opens)}, {"x", "transferred"}});
}

}  // namespace belfry::routing::model
