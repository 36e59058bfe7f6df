// The clocks of a queue's goals: routing/functions/55_terms.lua.
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::sla_tell(std::string_view conversation, const Term& term, Done<Outcome> done) {
  now_ = clock_().ms;
  Conversation* c = look(w_.conversations, std::string(conversation));
  if (c == nullptr) return done(missing());
  bool runs = c->state != "closed" && c->state != "sends" && c->state != "bot";
  if (term.clock == Clock::kFirstReply) runs = runs && c->first_reply == 0;
  const std::int64_t since = term.clock == Clock::kNextReply ? c->unanswered : c->handed_over > 0 ? c->handed_over : c->first;
  if (!runs || since != term.since.ms || since == 0) return done(stale(*c));
  std::string& told = c->told[std::string(name_of(term.clock))];
  const std::string begun = text(since) + "|", level(name_of(term.state));
  if (told == begun + "breached" || told == begun + level) return done(refused("told"));
  told = begun + level;
  transition("sla", *c, c->owner,
             {{"c", std::string(name_of(term.clock))}, {"d", text(term.due.value_or(WallTime{}).ms)}, {"x", level}});
  done(ok(c->gen));
}

}  // namespace belfry::routing::model
