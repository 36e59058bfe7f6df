// A citizen and all his conversations, the newest first, live and archived: each names the one before it.
//
// Numbers are given to other people: what lies more than 90 days of silence back is folded, and shown only to who says why he
// wants to see it. That stands in the audit log.
#include <algorithm>
#include <memory>

#include "adapters/desk/frames.h"
#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/api/archived.h"
#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/render.h"
#include "gateway/desk_hub.h"

namespace belfry::gateway::api {
namespace {

constexpr std::int64_t kSilence = 90LL * 24 * 3'600'000;
constexpr int kMost = 200;  // conversations, those that the asker may not see included

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 15 && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// One request on its way back through a citizen's conversations.
struct Walk {
  std::string contact, name, at;  // at: the next conversation to look at; empty: that was all
  bool unfolded = false, folded = false;
  int read = 0;
  WallTime newer;  // when the conversation after the one at hand began; 0: none
  bool may_all = false;
  std::vector<std::string> items;
};
using WalkPtr = std::shared_ptr<Walk>;

void walk(Room& room, const CallPtr& call, const WalkPtr& w);

void finish(const CallPtr& call, const WalkPtr& w) {
  // Who may see none of them hears nothing of the citizen either.
  if (w->items.empty() && !w->may_all) return call->problem(not_found("contact"));
  std::string out = "{";
  member(out, "id", w->contact);
  member(out, "name", w->name);
  out += ",\"conversations\":[";
  for (const std::string& item : w->items) out.append(out.ends_with('[') ? "" : ",").append(item);
  out.append("],\"folded\":").append(w->folded ? "true" : "false");
  call->json(200, out + "}");
}

// True if the way back goes on.
bool take(const CallPtr& call, const WalkPtr& w, WallTime first, WallTime last, std::string_view owner, std::string_view queue,
          std::string json) {
  if (!w->unfolded && w->newer.ms > 0 && w->newer - last > kSilence) {
    w->folded = true;
    return false;
  }
  w->newer = first;
  if (authorize(call->subject, Action::kRead, {"conversations", owner, queue})) w->items.push_back(std::move(json));
  return true;
}

void go_on(Room& room, const CallPtr& call, const WalkPtr& w, std::string previous) {
  w->at = std::move(previous);
  if (w->at.empty() || ++w->read >= kMost) return finish(call, w);
  walk(room, call, w);
}

WallTime time_in(std::string_view conversation, std::string_view name) {
  std::string text(wire::raw_member(conversation, name));
  std::erase(text, '"');
  return wire::parse_rfc3339(text).value_or(WallTime{});
}

void walk(Room& room, const CallPtr& call, const WalkPtr& w) {
  room.services.store.cards({w->at}, [&room, call, w](Result<std::vector<routing::Card>> cards) {
    if (!cards) return call->error(cards.error());
    if (!cards->empty()) {
      const routing::Card& card = cards->front();
      std::string json;
      desk::append(json, view_of(card));
      if (!take(call, w, card.first, card.last, card.owner, card.queue, std::move(json))) return finish(call, w);
      return go_on(room, call, w, card.previous);
    }
    find_archived(room, w->at, [&room, call, w](Result<ArchivedConversation> found) {
      if (!found) return finish(call, w);  // older than the archive is kept
      const std::string_view json = found->conversation;
      std::string previous(wire::raw_member(json, "previous"));
      std::erase(previous, '"');
      if (!take(call, w, time_in(json, "first_at"), time_in(json, "last_at"), found->owner, found->queue, found->conversation))
        return finish(call, w);
      go_on(room, call, w, parse_conversation_id(previous).value_or(""));
    });
  });
}

void begin(Room& room, const CallPtr& call, bool unfolded) {
  const std::string id = call->args[0];
  if (!is_number(id)) return call->problem(not_found("contact"));
  auto w = std::make_shared<Walk>();
  w->contact = id;
  w->unfolded = unfolded;
  w->may_all = authorize(call->subject, Action::kRead, {"contacts"}).has_value();
  room.commands.run({"HMGET", room.commands.key("contact:" + id), "name", "lc"}, [&room, call, w](Result<routing::Value> row) {
    if (!row) return call->error(row.error());
    if (row->array.size() != 2 || row->array[0].is_nil()) return call->problem(not_found("contact"));
    w->name = text_at(*row, 0);
    w->at = text_at(*row, 1);
    if (w->at.empty()) return finish(call, w);
    walk(room, call, w);
  });
}

void get(Room& room, const CallPtr& call) { begin(room, call, false); }

void unfold(Room& room, const CallPtr& call) {
  Body body(call->request().body);
  const auto reason = body.text("reason", {.required = true, .max = 200});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  // Who may read contacts at all, or is an agent, who sees those of his queues.
  if (call->subject.agent.empty() && !call->may(Action::kRead, {"contacts"})) return;
  note_change(room, call, "contact.unfold", call->args[0], *reason, [&room, call] { begin(room, call, true); });
}

}  // namespace

std::vector<Route> contact_routes() {
  return {{"GET", "/contacts/{id}", Takes::kNothing, Who::kKnown, get},
          {"POST", "/contacts/{id}/unfold", Takes::kJson, Who::kKnown, unfold}};
}

}  // namespace belfry::gateway::api
