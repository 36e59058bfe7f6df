#include "gateway/api/waiting.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "adapters/wire/rfc3339.h"
#include "belfry/list.h"
#include "gateway/api/render.h"
#include "gateway/waiting_room.h"

namespace belfry::gateway::api {
namespace {

std::string seconds(std::int64_t ms) { return std::to_string((ms + 500) / 1000); }

void estimate_json(std::string& out, const std::optional<WaitingRoom::Estimate>& estimate) {
  if (!estimate) {
    out += ",\"estimate\":null";
    return;
  }
  out.append(",\"estimate\":{\"seconds\":").append(seconds(estimate->wait_ms));
  number(out, "p50_s", seconds(estimate->p50_ms));
  number(out, "p90_s", seconds(estimate->p90_ms));
  out += '}';
}

// A place in the list: eff and conversation, as in 1700000000000.12.
std::optional<std::pair<std::int64_t, std::string>> parse_place(std::string_view text) {
  const auto dot = text.find('.');
  if (dot == std::string_view::npos || text.size() > 40) return std::nullopt;
  std::int64_t eff = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + dot, eff);
  const std::string_view id = text.substr(dot + 1);
  if (error != std::errc{} || end != text.data() + dot || id.empty() ||
      id.find_first_not_of("0123456789") != std::string_view::npos)
    return std::nullopt;
  return std::pair{eff, std::string(id)};
}

void waiting(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 200);
  const auto id = page ? queue_in_path(*call) : std::nullopt;
  if (!id || !call->may(Action::kRead, {"queues"})) return;
  const routing::Mirror& mirror = room.services.mirror;
  if (!mirror.ready() || room.services.waiting_room == nullptr)
    return call->error({Errc::kUnavailable, "the mirror is not there yet"});
  if (mirror.queue(*id) == nullptr) return call->problem(not_found("queue"));
  std::optional<std::pair<std::int64_t, std::string>> after;
  if (!page->after.empty()) {
    after = parse_place(page->after);
    if (!after) {
      return call->problem(wire::problem(422, "invalid_parameter",
                                         "`after` is not a cursor of this list. Send what `next` said, or leave it out."));
    }
  }
  const auto most = static_cast<std::size_t>(page->limit);
  auto found = std::make_shared<std::vector<WaitingRoom::Waits>>(room.services.waiting_room->waiting(*id, after, most + 1));
  std::string next;
  if (found->size() > most) {
    found->pop_back();
    next = std::to_string(found->back().place.eff) + "." + found->back().place.conversation;
  }
  std::vector<std::string> ids;
  for (const WaitingRoom::Waits& each : *found) ids.push_back(each.place.conversation);
  if (ids.empty()) return call->json(200, list_json({}, {}));
  room.services.store.cards(ids, [&room, call, found, next](Result<std::vector<routing::Card>> cards) {
    if (!cards) return call->error(cards.error());
    std::map<std::string_view, const routing::Card*> by_id;
    for (const routing::Card& card : *cards) by_id.emplace(card.conversation, &card);
    std::vector<std::string> items;
    for (const WaitingRoom::Waits& each : *found) {
      const auto card = by_id.find(each.place.conversation);
      // The picture is a moment old: who has got an agent since waits no more.
      if (card == by_id.end() || (card->second->state != "queued" && card->second->state != "offered")) continue;
      std::string& out = items.emplace_back("{");
      member(out, "conversation", conversation_id(each.place.conversation));
      number(out, "position", std::to_string(each.place.position()));
      member(out, "since", wire::rfc3339(WallTime{each.place.since}));
      estimate_json(out, each.estimate);
      append_sla(room, *card->second, out);
      out += '}';
    }
    call->json(200, list_json(items, next));
  });
}

}  // namespace

void append_waiting(Room& room, const routing::QueueState& settings, std::string& out) {
  if (room.services.waiting_room == nullptr) return;
  const WaitingRoom::Queue queue = room.services.waiting_room->queue(settings);
  const std::int64_t now = room.services.now().wall.ms;
  number(out, "longest_wait_s", seconds(queue.oldest ? std::max<std::int64_t>(0, now - *queue.oldest) : 0));
  number(out, "agents_ready", std::to_string(queue.staff.agents));
  // Of an agent who helps out a part only; people are told whole ones.
  number(out, "slots", std::to_string(static_cast<std::int64_t>(queue.staff.slots)));
  number(out, "free_slots", std::to_string(static_cast<std::int64_t>(queue.staff.free_slots)));
  estimate_json(out, queue.estimate);
  const routing::Pace::Level& level = queue.level;
  out.append(",\"service_level\":{\"answered\":").append(std::to_string(level.answered));
  number(out, "abandoned", std::to_string(level.abandoned));
  number(out, "abandoned_short", std::to_string(level.abandoned_short));
  const std::int64_t goal = settings.goals.in_time_ms(), all = level.answered + level.abandoned;
  if (goal > 0) {
    number(out, "in_time", std::to_string(level.in_time));
    number(out, "within_s", seconds(goal));
    number(out, "percent", all > 0 ? std::to_string(level.in_time * 100 / all) : "null");
    if (settings.goals.within_percent > 0) number(out, "wanted_percent", std::to_string(settings.goals.within_percent));
  }
  out += '}';
  if (queue.next_due) {
    member(out, "next_due", wire::rfc3339(*queue.next_due));
  } else {
    number(out, "next_due", "null");
  }
  number(out, "overdue", std::to_string(queue.overdue));
}

void append_sla(Room& room, const routing::Card& card, std::string& out) {
  const routing::QueueState* queue = room.services.mirror.queue(card.queue);
  if (queue == nullptr || !queue->goals.has_clocks() || card.state == "sends" || card.state == "bot") return;
  routing::Outlook outlook;
  const bool waits = card.state == "queued" || card.state == "offered";
  if (room.services.waiting_room != nullptr) outlook = room.services.waiting_room->outlook(card.queue, card.conversation, waits);
  const auto terms = routing::terms_of(queue->goals, queue->hours, routing::course_of(card), outlook, room.services.now().wall);
  out += ",\"sla\":{";
  for (const routing::Term& term : terms) {
    out.append(out.ends_with('{') ? "\"" : ",\"").append(routing::name_of(term.clock)).append("\":{");
    member(out, "state", routing::name_of(term.state));
    if (term.due) member(out, "due", wire::rfc3339(*term.due));
    out += '}';
  }
  out += '}';
}

std::vector<Route> waiting_routes() { return {{"GET", "/queues/{id}/waiting", Takes::kNothing, Who::kKnown, waiting}}; }

}  // namespace belfry::gateway::api
