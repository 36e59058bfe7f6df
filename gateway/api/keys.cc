// API keys: made, listed, revoked. The key itself is said once.
#include <algorithm>

#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"

namespace belfry::gateway::api {
namespace {

std::string key_json(const ApiKey& key, std::string_view secret = {}) {
  std::string out = "{\"id\":";
  wire::append_quoted(out, key.id);
  const auto member = [&](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out.append(",\"").append(name).append("\":");
    wire::append_quoted(out, value);
  };
  member("role", key.role);
  member("agent", agent_id(key.agent));
  member("name", key.name);
  member("created_at", wire::rfc3339(key.created));
  member("key", secret);
  return out + "}";
}

void make(Room& room, const CallPtr& call) {
  if (!call->may(Action::kManage, {"keys"})) return;
  Body body(call->request().body);
  ApiKey about;
  const auto role = body.one_of("role", true, {std::begin(kRoles), std::end(kRoles)});
  const auto agent = body.agent("agent", role == "agent");
  const auto name = body.text("name", {.max = 100});
  if (role && role != "agent" && body.has("agent")) body.complain("agent", "goes with role agent only");
  if (auto wrong = body.finish()) return call->problem(*wrong);
  about.role = *role;
  about.agent = agent.value_or("");
  about.name = name.value_or("");
  const auto add = [&room, call, about] {
    room.auth.add_key(about, [&room, call](Result<Auth::NewKey> made) {
      if (!made) return call->error(made.error());
      note_change(room, call, "key.add", made->about.id, "role=" + made->about.role,
                  [call, made = *made] { call->json(201, key_json(made.about, made.key)); });
    });
  };
  if (about.agent.empty()) return add();
  room.commands.run(
      {"HMGET", room.commands.key("agent:" + about.agent), "name", "removed"}, [call, add](Result<routing::Value> found) {
        if (!found) return call->error(found.error());
        if (text_at(*found, 0).empty() || text_at(*found, 1) == "1") {
          return call->problem(wire::problem(422, "unknown_agent", "`agent` names no agent. GET /api/v1/agents lists them."));
        }
        add();
      });
}

void list(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 200);
  if (!page || !call->may(Action::kRead, {"keys"})) return;
  room.auth.list_keys([call, page](Result<std::vector<ApiKey>> keys) {
    if (!keys) return call->error(keys.error());
    auto from = keys->begin();
    if (!page->after.empty()) {
      from = std::find_if(keys->begin(), keys->end(), [&](const ApiKey& key) { return key.id == page->after; });
      if (from != keys->end()) ++from;
    }
    std::vector<std::string> items;
    std::string next;
    for (; from != keys->end(); ++from) {
      if (items.size() == static_cast<std::size_t>(page->limit)) {
        next = (from - 1)->id;
        break;
      }
      items.push_back(key_json(*from));
    }
    call->json(200, list_json(items, next));
  });
}

void revoke(Room& room, const CallPtr& call) {
  if (!call->may(Action::kManage, {"keys"})) return;
  room.auth.revoke_key(call->args[0], [&room, call](Result<void> gone) {
    if (!gone && gone.error().code == Errc::kNotFound) return call->problem(not_found("key"));
    if (!gone) return call->error(gone.error());
    note_change(room, call, "key.remove", call->args[0], "", [call] { call->nothing(); });
  });
}

}  // namespace

std::vector<Route> key_routes() {
  return {{"POST", "/keys", Takes::kJson, Who::kKnown, make},
          {"GET", "/keys", Takes::kNothing, Who::kKnown, list},
          {"DELETE", "/keys/{id}", Takes::kNothing, Who::kKnown, revoke}};
}

}  // namespace belfry::gateway::api
