// A citizen and all his conversations, by all his contacts, the newest first, live and archived: each names the one before it.
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
#include "gateway/api/citizen.h"
#include "gateway/api/render.h"
#include "gateway/desk_hub.h"

namespace belfry::gateway::api {
namespace {

constexpr std::int64_t kSilence = 90LL * 24 * 3'600'000;
constexpr int kMost = 200;  // conversations, those that the asker may not see included

// One request on its way back through a citizen's conversations.
struct Walk {
  routing::Citizen citizen;
  std::vector<std::string> heads;  // of each of his contacts, the next conversation to look at
  std::string at;                  // the newest of them, looked at now
  bool unfolded = false, folded = false;
  int read = 0;
  WallTime newer;  // when the conversation after the one at hand began; 0: none
  bool may_all = false;
  std::vector<std::string> items;
};
using WalkPtr = std::shared_ptr<Walk>;

void walk(Room& room, const CallPtr& call, const WalkPtr& w);

void finish(Room& room, const CallPtr& call, const WalkPtr& w) {
  // Who may see none of them hears nothing of the citizen either.
  if (w->items.empty() && !w->may_all) return call->problem(not_found("contact"));
  std::string out = "{";
  append_citizen(out, room, w->citizen);
  out += ",\"conversations\":[";
  for (const std::string& item : w->items) out.append(out.ends_with('[') ? "" : ",").append(item);
  out.append("],\"folded\":").append(w->folded ? "true" : "false");
  call->json(200, out + "}");
}

// True if the way back goes on.
bool take(const CallPtr& call, const WalkPtr& w, WallTime first, WallTime last, std::string_view owner, std::string_view queue,
          std::string json) {
  const bool silent = w->newer.ms > 0 && w->newer - last > kSilence;
  if (!w->unfolded && (silent || last < w->citizen.folded)) {
    w->folded = true;
    return false;
  }
  w->newer = first;
  if (authorize(call->subject, Action::kRead, {"conversations", owner, queue})) w->items.push_back(std::move(json));
  return true;
}

void go_on(Room& room, const CallPtr& call, const WalkPtr& w, std::string previous) {
  if (!previous.empty()) w->heads.push_back(std::move(previous));
  if (w->heads.empty() || ++w->read >= kMost) return finish(room, call, w);
  // Their numbers tell which is the newest.
  const auto newest = std::max_element(w->heads.begin(), w->heads.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  w->at = std::move(*newest);
  w->heads.erase(newest);
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
      if (!take(call, w, card.first, card.last, card.owner, card.queue, std::move(json))) return finish(room, call, w);
      return go_on(room, call, w, card.previous);
    }
    find_archived(room, w->at, [&room, call, w](Result<ArchivedConversation> found) {
      if (!found) return go_on(room, call, w, {});  // older than the archive is kept
      const std::string_view json = found->conversation;
      std::string previous(wire::raw_member(json, "previous"));
      std::erase(previous, '"');
      if (!take(call, w, time_in(json, "first_at"), time_in(json, "last_at"), found->owner, found->queue, found->conversation))
        return finish(room, call, w);
      go_on(room, call, w, parse_conversation_id(previous).value_or(""));
    });
  });
}

void begin(Room& room, const CallPtr& call, bool unfolded) {
  find_citizen(room, call, [&room, call, unfolded](routing::Citizen citizen) {
    auto w = std::make_shared<Walk>();
    w->unfolded = unfolded;
    w->may_all = authorize(call->subject, Action::kRead, {"contacts"}).has_value();
    for (const routing::ContactPart& part : citizen.parts) {
      if (!part.latest.empty()) w->heads.push_back(part.latest);
    }
    w->citizen = std::move(citizen);
    go_on(room, call, w, {});
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
