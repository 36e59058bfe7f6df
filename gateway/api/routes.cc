// Which queue a new conversation goes to, beyond its account's own: an ordered list, read and written whole, for its order
// counts.
#include <algorithm>
#include <memory>

#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/named.h"
#include "gateway/api/render.h"
#include "gateway/headroom.h"

namespace belfry::gateway::api {
namespace {

constexpr std::int64_t kMaxPriority = 100;  // minutes

std::string route_json(const routing::Route& route) {
  std::string out = "{";
  member(out, "queue", queue_id(route.queue));
  const auto said = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) member(out, name, value);
  };
  said("account", route.account);
  said("channel", route.channel);
  said("language", route.language);
  said("contact", route.contact);
  if (!route.words.empty()) member(out, "words", route.words);
  if (route.priority > 0) number(out, "priority", std::to_string(route.priority));
  if (route.life_safety) out += ",\"life_safety\":true";
  if (!route.bot.empty()) member(out, "bot", agent_id(route.bot));
  return out + "}";
}

void answer(const CallPtr& call, const std::vector<routing::Route>& routes) {
  std::vector<std::string> items;
  for (const routing::Route& route : routes) items.push_back(route_json(route));
  call->json(200, list_json(items, {}));
}

void get(Room& room, const CallPtr& call) {
  if (!call->may(Action::kRead, {"queues"})) return;
  room.commands.run({"GET", room.commands.key("routes")}, [call](Result<routing::Value> kept) {
    if (!kept) return call->error(kept.error());
    answer(call, routing::parse_routes(kept->text));
  });
}

bool is_plain(std::string_view text) { return text.find_first_of("\t\n\r,") == std::string_view::npos; }

routing::Route read_route(Room& room, Body& item, std::vector<std::string>& queues, std::vector<std::string>& bots) {
  routing::Route route;
  const auto text = [&](std::string_view name, std::size_t max) {
    const std::string said = item.text(name, {.max = max}).value_or("");
    if (!is_plain(said)) item.complain(name, "may hold no comma, tab or new line");
    return said;
  };
  if (const auto queue = item.text("queue", {.required = true, .max = 60})) {
    if (const auto id = parse_queue_id(*queue)) {
      route.queue = *id;
      queues.push_back(*id);
    } else {
      item.complain("queue", "is not a queue's id: use " + std::string(kQueueIds));
    }
  }
  route.account = text("account", 60);
  if (!route.account.empty() && room.services.outbox.account(route.account) == nullptr)
    item.complain("account", "is no account; GET /api/v1/accounts lists them");
  route.channel = item.one_of("channel", false, {"wa", "sms", "web"}).value_or("");
  route.language = text("language", 3);
  const bool code = route.language.size() != 1 &&
                    std::all_of(route.language.begin(), route.language.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  if (!code) item.complain("language", "is not a code of ISO 639, as in es");
  route.contact = text("contact", 200);
  route.words = item.texts("words", routing::kMaxRouteWords, 60).value_or(std::vector<std::string>{});
  if (!std::all_of(route.words.begin(), route.words.end(), is_plain))
    item.complain("words", "may hold no comma, tab or new line");
  route.priority = item.integer("priority", {.min = 0, .max = kMaxPriority}).value_or(0);
  route.life_safety = item.flag("life_safety");
  if (const auto bot = item.agent("bot", false)) {
    route.bot = *bot;
    bots.push_back(*bot);
  }
  if (route.account.empty() && route.channel.empty() && route.language.empty() && route.contact.empty() && route.words.empty())
    item.complain("queue",
                  "has no condition beside it: it would take everything. Set the account's queue in the configuration instead");
  return route;
}

void put(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"queues"})) return;
  Body body(call->request().body);
  auto routes = std::make_shared<std::vector<routing::Route>>();
  std::vector<std::string> queues, bots;
  const bool said =
      body.objects("items", routing::kMaxRoutes, [&](Body& item) { routes->push_back(read_route(room, item, queues, bots)); });
  if (!said && !body.has("items")) body.complain("items", "is missing: send all routes in their order, or [] for none");
  if (auto wrong = body.finish()) return call->problem(*wrong);
  const auto keep = [&room, call, routes] {
    room.services.store.routes_put(*routes, [&room, call, routes](Result<routing::Outcome> kept) {
      if (!kept) return call->error(kept.error());
      note_change(room, call, "routes.set", "routes", std::to_string(routes->size()) + " routes",
                  [call, routes] { answer(call, *routes); });
    });
  };
  with_queues(room, call, queues, [&room, call, bots, keep] { with_bots(room, call, bots, keep); });
}

}  // namespace

std::vector<Route> route_routes() {
  return {{"GET", "/routes", Takes::kNothing, Who::kKnown, get}, {"PUT", "/routes", Takes::kJson, Who::kKnown, put}};
}

}  // namespace belfry::gateway::api
