// The end of memory, and the recount: routing/functions/60_archive.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::archive_due(WallTime before, int most, Done<std::vector<Due>> done) {
  std::vector<Due> out;
  for (const auto& [at, id] : w_.closed) {
    if (at > before.ms || static_cast<int>(out.size()) >= most) break;
    const Conversation& c = w_.conversations.at(id);
    out.push_back({id, c.gen, WallTime{c.closed}, WallTime{c.accepted}});
  }
  done(std::move(out));
}

void Memory::archive_later(const std::vector<std::string>& conversations, WallTime at, Done<Outcome> done) {
  for (const std::string& id : conversations) {
    if (unshelve(id)) w_.closed.insert({at.ms, id});
  }
  done(ok());
}

void Memory::archive_done(const Archived& what, Done<Outcome> done) {
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
  if (!c->slot.empty()) {
    if (const auto* used = look(w_.sends, c->slot); used != nullptr && used->first == c->id) w_.sends.erase(c->slot);
    w_.conversations.erase(what.conversation);
    return done(ok());
  }
  auto& address = w_.addresses[c->address];
  for (auto* pointers : {&address.latest, &w_.contacts[c->contact].open}) {
    const auto it = pointers->find(c->account);
    if (it != pointers->end() && it->second == c->id) pointers->erase(it);
  }
  w_.conversations.erase(what.conversation);
  done(ok());
}

void Memory::recount(std::string_view conversation, Done<Outcome> done) {
  const Conversation* c = look(w_.conversations, std::string(conversation));
  if (c == nullptr) return done(missing());
  const auto open = std::count_if(c->log.begin(), c->log.end(), [](const LogLine& l) { return is_open(l.state); });
  done(ok(std::abs(c->open - static_cast<std::int64_t>(open))));
}

bool Memory::unshelve(const std::string& id) {
  return std::erase_if(w_.closed, [&](const auto& at) { return at.second == id; }) > 0;
}

}  // namespace belfry::routing::model
