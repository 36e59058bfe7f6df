// How it goes: counts, accounts, the transition log, and whom routing would choose.
#include <algorithm>
#include <charconv>
#include <map>

#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "belfry/list.h"
#include "gateway/api/call.h"
#include "gateway/api/render.h"
#include "gateway/api/waiting.h"

namespace belfry::gateway::api {
namespace {

constexpr int kScanChunk = 1000;
constexpr int kScanMost = 20;  // chunks a request may read: a filter that finds nothing must end, too

void text(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":");
  wire::append_quoted(out, value);
}
void plain(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":").append(value);
}

void stats(Room& room, const CallPtr& call) {
  if (!call->may(Action::kRead, {"stats"})) return;
  const routing::Mirror& mirror = room.services.mirror;
  if (!mirror.ready()) return call->error({Errc::kUnavailable, "the mirror is not there yet"});
  std::vector<std::string> queues;
  for (const routing::QueueState* queue : mirror.queues()) {
    std::string& out = queues.emplace_back("{");
    text(out, "id", queue_id(queue->id));
    text(out, "name", queue->name);
    plain(out, "waiting", std::to_string(mirror.waiting_in(queue->id)));
    append_waiting(room, *queue, out);
    out += '}';
  }
  std::string out = "{\"at\":\"" + wire::rfc3339(room.services.now().wall) + "\"";
  plain(out, "waiting", std::to_string(mirror.waiting()));
  plain(out, "agents_ready", std::to_string(mirror.ready_agents()));
  out += ",\"queues\":[";
  for (std::size_t i = 0; i < queues.size(); ++i) out.append(i == 0 ? "" : ",").append(queues[i]);
  call->json(200, out + "]}");
}

// What belfryctl status prints. The store answered, or this would not have been reached.
void status(Room& room, const CallPtr& call) {
  if (!call->may(Action::kRead, {"stats"})) return;
  room.commands.run({"PING"}, [&room, call](Result<routing::Value> pong) {
    if (!pong) return call->error(pong.error());
    const routing::Mirror& mirror = room.services.mirror;
    std::string out = "{";
    plain(out, "ready", mirror.ready() && room.services.shard_epoch() > 0 ? "true" : "false");
    text(out, "store", "up");
    text(out, "routing", mirror.ready() ? "ready" : "reading its snapshot");
    text(out, "shard", room.services.shard);
    plain(out, "shard_epoch", std::to_string(room.services.shard_epoch()));
    plain(out, "waiting", std::to_string(mirror.waiting()));
    plain(out, "agents_ready", std::to_string(mirror.ready_agents()));
    plain(out, "accounts", std::to_string(room.services.outbox.accounts().size()));
    text(out, "at", wire::rfc3339(room.services.now().wall));
    call->json(200, out + "}");
  });
}

void choice(Room& room, const CallPtr& call) {
  const auto id = queue_in_path(*call);
  if (!id || !call->may(Action::kRead, {"queues"})) return;
  const routing::Mirror& mirror = room.services.mirror;
  if (!mirror.ready()) return call->error({Errc::kUnavailable, "the mirror is not there yet"});
  if (mirror.queue(*id) == nullptr) return call->problem(not_found("queue"));
  routing::Waiting waiting;
  waiting.queue = *id;
  const WallTime now = room.services.now().wall;
  waiting.since = now.ms;
  const auto chosen = mirror.choose(waiting, now);
  std::string out = "{";
  text(out, "queue", queue_id(*id));
  plain(out, "waiting", std::to_string(mirror.waiting_in(*id)));
  if (chosen) {
    text(out, "agent", agent_id(chosen->agent));
    plain(out, "reasons", routing::to_json(chosen->reasons));
  } else {
    plain(out, "agent", "null");
  }
  // Who would get it if it were still there when each step comes in force.
  out += ",\"steps\":[";
  for (const routing::Step& step : mirror.queue(*id)->steps) {
    waiting.since = now.ms - step.after_ms;
    const auto then = mirror.choose(waiting, now);
    out.append(out.ends_with('[') ? "{" : ",{");
    plain(out, "after_s", std::to_string(step.after_ms / 1000));
    if (then) {
      text(out, "agent", agent_id(then->agent));
      plain(out, "reasons", routing::to_json(then->reasons));
    } else {
      plain(out, "agent", "null");
    }
    out += '}';
  }
  call->json(200, out + "]}");
}

// ------------------------------------------------------------------------------------------------------- transitions

struct Scan {
  std::string conversation, after, last;
  std::size_t limit = 50;
  int chunks = 0;
  std::vector<std::string> items;
};

std::string transition_json(const routing::Value& entry) {
  std::map<std::string, std::string, std::less<>> f;
  for (auto& [name, value] : pairs_of(entry.array[1])) f[name] = value;
  std::string out = "{";
  text(out, "id", entry.array[0].text);
  std::int64_t at = 0;
  std::from_chars(f["t"].data(), f["t"].data() + f["t"].size(), at);
  text(out, "at", wire::rfc3339(WallTime{at}));
  text(out, "kind", f["k"]);
  if (!f["v"].empty()) {
    text(out, "conversation", conversation_id(f["v"]));
    plain(out, "gen", f["g"].empty() ? "0" : f["g"]);
  }
  if (!f["a"].empty()) text(out, "agent", agent_id(f["a"]));
  // News of an agent name all his queues.
  std::string queues;
  for (const std::string& queue : split_list(f["q"])) queues.append(queues.empty() ? "" : ",").append(queue_id(queue));
  if (!queues.empty()) text(out, "queue", queues);
  // What was true after it, as numbers where they are: see transition() and agent_news() in routing/functions.
  constexpr std::pair<std::string_view, std::string_view> kNumbers[] = {{"l", "load"},      {"w", "weight"}, {"cp", "capacity"},
                                                                        {"se", "sessions"}, {"e", "eff"},    {"nf", "failures"}};
  for (const auto& [field, name] : kNumbers) {
    if (const auto it = f.find(field); it != f.end() && !it->second.empty()) plain(out, name, it->second);
  }
  if (!f["av"].empty()) text(out, "availability", f["av"]);
  if (f["bt"] == "1") plain(out, "bot", "true");
  if (!f["fa"].empty()) text(out, "from", agent_id(f["fa"]));
  if (!f["rs"].empty()) text(out, "reason", f["rs"]);
  if (!f["by"].empty()) text(out, "by", f["by"]);
  if (f["k"] == "contact") {
    text(out, "contact", f["c"]);
    text(out, "to", f["to"]);
  }
  if (f["k"] == "sla") {
    text(out, "clock", f["c"]);
    text(out, "due", wire::rfc3339(WallTime{to_int(f["d"])}));
  }
  const std::string& why = f["x"];
  if (why.starts_with('{')) {
    plain(out, "reasons", why);
  } else if (!why.empty()) {
    text(out, "why", why);
  }
  return out + "}";
}

bool is_stream_id(std::string_view id) {
  const auto dash = id.find('-');
  const auto digits = [](std::string_view part) {
    return !part.empty() && part.size() <= 19 && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  return digits(id.substr(0, dash)) && (dash == std::string_view::npos || digits(id.substr(dash + 1)));
}

void scan(Room& room, const CallPtr& call, const std::shared_ptr<Scan>& s) {
  const std::string from = s->after.empty() ? std::string("-") : "(" + s->after;
  const std::size_t ask = s->conversation.empty() ? s->limit + 1 : static_cast<std::size_t>(kScanChunk);
  room.commands.run({"XRANGE", room.commands.key("ev"), from, "+", "COUNT", std::to_string(ask)},
                    [&room, call, s, ask](Result<routing::Value> found) {
                      if (!found) return call->error(found.error());
                      const std::string wanted = s->conversation;
                      for (const routing::Value& entry : found->array) {
                        if (entry.array.size() != 2) continue;
                        if (s->items.size() == s->limit) return call->json(200, list_json(s->items, s->after));
                        s->after = entry.array[0].text;
                        if (!wanted.empty()) {
                          const auto pairs = pairs_of(entry.array[1]);
                          const auto v =
                              std::find_if(pairs.begin(), pairs.end(), [](const auto& pair) { return pair.first == "v"; });
                          if (v == pairs.end() || v->second != wanted) continue;
                        }
                        s->items.push_back(transition_json(entry));
                      }
                      if (found->array.size() < ask) return call->json(200, list_json(s->items, {}));
                      if (++s->chunks == kScanMost) return call->json(200, list_json(s->items, s->after));
                      scan(room, call, s);
                    });
}

// ?after= goes on; ?last=N begins with the N latest, so that a follower has where to go on from.
void transitions(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 1000, {"conversation", "last"});
  if (!page || !call->may(Action::kRead, {"audit"})) return;
  auto s = std::make_shared<Scan>();
  s->limit = static_cast<std::size_t>(page->limit);
  s->after = page->after;
  const auto wrong = [&](std::string detail) { call->problem(wire::problem(422, "invalid_parameter", std::move(detail))); };
  if (!s->after.empty() && !is_stream_id(s->after))
    return wrong("`after` is not the id of a transition, like 1700000000000-0. Send what `next` or an item's `id` said.");
  const std::string conversation = query_value(call->request().query, "conversation");
  if (!conversation.empty()) {
    const auto id = parse_conversation_id(conversation);
    if (!id) return wrong("`conversation` is not an id: it looks like conv_12.");
    s->conversation = *id;
  }
  const std::string last = query_value(call->request().query, "last");
  if (last.empty()) return scan(room, call, s);
  if (last.size() > 4 || last.find_first_not_of("0123456789") != std::string::npos || std::stoi(last) < 1 ||
      std::stoi(last) > 1000 || !s->conversation.empty()) {
    return wrong("`last` must be a whole number from 1 to 1000, without `conversation`.");
  }
  room.commands.run({"XREVRANGE", room.commands.key("ev"), "+", "-", "COUNT", last}, [call](Result<routing::Value> found) {
    if (!found) return call->error(found.error());
    std::vector<std::string> items;
    for (auto it = found->array.rbegin(); it != found->array.rend(); ++it) {
      if (it->array.size() == 2) items.push_back(transition_json(*it));
    }
    call->json(200, list_json(items, {}));
  });
}

}  // namespace

std::vector<Route> insight_routes() {
  return {{"GET", "/stats", Takes::kNothing, Who::kKnown, stats},
          {"GET", "/status", Takes::kNothing, Who::kKnown, status},
          {"GET", "/queues/{id}/choice", Takes::kNothing, Who::kKnown, choice},
          {"GET", "/audit/transitions", Takes::kNothing, Who::kKnown, transitions}};
}

}  // namespace belfry::gateway::api
