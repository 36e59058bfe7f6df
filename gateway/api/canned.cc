// Canned replies: what agents say often, found by their shortcut. Placeholders in them ({name}, {agent}, {queue}) are the desk's
// to fill in; here they are text.
#include <algorithm>

#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/render.h"

namespace belfry::gateway::api {
namespace {

constexpr std::size_t kMost = 2'000;  // of a site: a page reads them all

void list(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 500);
  if (!page || !call->may(Action::kRead, {"templates"})) return;
  room.commands.run({"HGETALL", room.commands.key("canned")}, [call, page](Result<routing::Value> all) {
    if (!all) return call->error(all.error());
    auto pairs = pairs_of(*all);
    std::sort(pairs.begin(), pairs.end());
    std::vector<std::string> items;
    std::string next, last;
    for (auto& [id, json] : pairs) {
      if (id <= page->after) continue;
      if (items.size() == static_cast<std::size_t>(page->limit)) {
        next = last;
        break;
      }
      items.push_back(std::move(json));
      last = id;
    }
    call->json(200, list_json(items, next));
  });
}

bool is_shortcut(std::string_view text) { return text.find_first_of(" \t\r\n/{}") == std::string_view::npos; }

void put(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"templates"})) return;
  const std::string id = call->args[0];
  if (!is_id(id)) return call->problem(wire::problem(422, "invalid_id", "A canned reply's id has 1 to 40 of a-z, 0-9 and -."));
  Body body(call->request().body);
  const auto shortcut = body.text("shortcut", {.required = true, .max = 40});
  const auto text = body.text("text", {.required = true, .max = 4'000});
  const auto language = body.text("language", {.max = 3, .may_be_empty = true});
  const auto queues = body.queues("queues", 50);
  if (shortcut && !is_shortcut(*shortcut))
    body.complain("shortcut", "is what an agent types after /: one word, without blanks, / or braces");
  if (language && !std::all_of(language->begin(), language->end(), [](char c) { return c >= 'a' && c <= 'z'; }))
    body.complain("language", "is not a code of ISO 639, as in es");
  if (auto wrong = body.finish()) return call->problem(*wrong);
  std::string json = "{";
  member(json, "id", id);
  member(json, "shortcut", *shortcut);
  member(json, "text", *text);
  if (language && !language->empty()) member(json, "language", *language);
  if (queues && !queues->empty()) {
    std::vector<std::string> ids;
    for (const std::string& queue : *queues) ids.push_back(queue_id(queue));
    member(json, "queues", ids);
  }
  json += '}';
  room.commands.all(
      {{"HLEN", room.commands.key("canned")}, {"HEXISTS", room.commands.key("canned"), id}},
      [&room, call, id, json](const Result<std::vector<routing::Value>>& there) {
        if (!there) return call->error(there.error());
        const bool is_new = (*there)[1].integer == 0;
        if (is_new && (*there)[0].integer >= static_cast<std::int64_t>(kMost)) {
          return call->problem(
              wire::problem(409, "full", "There are 2,000 canned replies, which is as many as there may be. Remove some."));
        }
        room.commands.run(
            {"HSET", room.commands.key("canned"), id, json}, [&room, call, id, json, is_new](const Result<routing::Value>& kept) {
              if (!kept) return call->error(kept.error());
              note_change(room, call, "canned.set", id, id, [call, json, is_new] { call->json(is_new ? 201 : 200, json); });
            });
      });
}

void remove(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"templates"})) return;
  room.commands.run({"HDEL", room.commands.key("canned"), call->args[0]}, [&room, call](const Result<routing::Value>& gone) {
    if (!gone) return call->error(gone.error());
    if (gone->integer == 0) return call->problem(not_found("canned reply"));
    note_change(room, call, "canned.remove", call->args[0], "", [call] { call->nothing(); });
  });
}

}  // namespace

std::vector<Route> canned_routes() {
  return {{"GET", "/canned", Takes::kNothing, Who::kKnown, list},
          {"PUT", "/canned/{id}", Takes::kJson, Who::kKnown, put},
          {"DELETE", "/canned/{id}", Takes::kNothing, Who::kKnown, remove}};
}

}  // namespace belfry::gateway::api
