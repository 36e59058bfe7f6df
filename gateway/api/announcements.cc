// Announcements: what every page of the web chat shows over everything, from now until it expires. One that ends early is told as
// well.
//
// A public alert, which two people approve, goes over every channel and has objects of its own; this is the house's own notice
// board.
#include <algorithm>

#include "adapters/wire/rfc3339.h"
#include "belfry/list.h"
#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/render.h"
#include "gateway/chat/announcements.h"

namespace belfry::gateway::api {
namespace {

constexpr std::int64_t kMost = 20;  // at a time: a page shows them one over the other
constexpr std::int64_t kLongest = 31LL * 86'400'000;

std::string shown(const Announcement& a) {
  std::string out = a.json;
  out.pop_back();
  if (!a.inboxes.empty()) member(out, "inboxes", split_list(a.inboxes));
  return out + "}";
}

void list(Room& room, const CallPtr& call) {
  if (!paging(*call, 100) || !call->may(Action::kRead, {"announcements"})) return;
  read_announcements(room.services, [&room, call](Result<std::vector<Announcement>> all) {
    if (!all) return call->error(all.error());
    std::vector<std::string> items;
    for (const Announcement& each : *all) {
      if (each.expires > room.services.now().wall) items.push_back(shown(each));
    }
    call->json(200, list_json(items, {}));
  });
}

void put(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"announcements"})) return;
  const WallTime now = room.services.now().wall;
  Announcement what;
  what.id = call->args[0];
  if (!is_id(what.id))
    return call->problem(wire::problem(422, "invalid_id", "An announcement's id has 1 to 40 of a-z, 0-9 and -."));
  Body body(call->request().body);
  const auto severity = body.one_of("severity", true, {"extreme", "severe", "moderate", "minor"});
  const auto headline = body.text("headline", {.required = true, .max = 160});
  const auto text = body.text("text", {.max = 2'000, .may_be_empty = true});
  const auto url = body.text("url", {.max = 500});
  const auto expires = body.text("expires", {.required = true, .max = 40});
  const auto inboxes = body.texts("inboxes", 50, 40);
  if (url && !url->starts_with("https://")) body.complain("url", "must begin with https://");
  if (expires) {
    const auto at = wire::parse_rfc3339(*expires);
    if (!at || at->ms <= now.ms || at->ms > now.ms + kLongest)
      body.complain("expires", "must be a time of RFC 3339 within the next 31 days, like 2026-01-31T12:00:00Z");
    else
      what.expires = *at;
  }
  if (inboxes) {
    for (const std::string& each : *inboxes) {
      const AccountInfo* account = room.services.outbox.account(each);
      if (account == nullptr || account->channel != "web")
        body.complain("inboxes", "names " + each + ", which is no inbox of the web chat");
    }
    what.inboxes = join_list(*inboxes);
  }
  if (auto wrong = body.finish()) return call->problem(*wrong);
  what.json = "{";
  member(what.json, "id", what.id);
  member(what.json, "severity", *severity);
  member(what.json, "headline", *headline);
  if (text) member(what.json, "text", *text);
  if (url) member(what.json, "url", *url);
  member(what.json, "expires", wire::rfc3339(what.expires));
  what.json += '}';
  read_announcements(room.services, [&room, call, what, now](Result<std::vector<Announcement>> all) {
    if (!all) return call->error(all.error());
    const bool is_new = std::none_of(all->begin(), all->end(), [&](const Announcement& each) { return each.id == what.id; });
    const auto in_force = std::count_if(all->begin(), all->end(), [now](const Announcement& each) { return each.expires > now; });
    if (is_new && in_force >= kMost)
      return call->problem(
          wire::problem(409, "full", "There are 20 announcements in force, which is as many as there may be. End some."));
    room.commands.all(keep_announcement(room.services, what, *all),
                      [&room, call, what, is_new](const Result<std::vector<routing::Value>>& kept) {
                        if (!kept) return call->error(kept.error());
                        note_change(room, call, "announcement.set", what.id, what.inboxes.empty() ? "all inboxes" : what.inboxes,
                                    [call, what, is_new] { call->json(is_new ? 201 : 200, shown(what)); });
                      });
  });
}

void remove(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"announcements"})) return;
  const std::string id = call->args[0];
  read_announcements(room.services, [&room, call, id](Result<std::vector<Announcement>> all) {
    if (!all) return call->error(all.error());
    const auto it = std::find_if(all->begin(), all->end(), [&](const Announcement& each) { return each.id == id; });
    if (it == all->end()) return call->problem(not_found("announcement"));
    room.commands.all(end_announcement(room.services, *it), [&room, call, id](const Result<std::vector<routing::Value>>& gone) {
      if (!gone) return call->error(gone.error());
      note_change(room, call, "announcement.end", id, "", [call] { call->nothing(); });
    });
  });
}

}  // namespace

std::vector<Route> announcement_routes() {
  return {{"GET", "/announcements", Takes::kNothing, Who::kKnown, list},
          {"PUT", "/announcements/{id}", Takes::kJson, Who::kKnown, put},
          {"DELETE", "/announcements/{id}", Takes::kNothing, Who::kKnown, remove}};
}

}  // namespace belfry::gateway::api
