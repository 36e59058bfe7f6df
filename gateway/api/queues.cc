// Queues and skills: what an operator edits while everything runs.
#include <algorithm>
#include <array>
#include <memory>

#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "belfry/list.h"
#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/named.h"
#include "gateway/api/render.h"
#include "routing/demand.h"
#include "routing/service_level.h"

namespace belfry::gateway::api {
namespace {

// ------------------------------------------------------------------------------------------------------------- queues

std::vector<std::string> read_queue(Room& room, const std::string& id) {
  return {"HMGET",     room.commands.key("queue:" + id),
          "name",      "mode",
          "offer_ms",  "wrap_ms",
          "priority",  "skills",
          "sticky_ms", "steps",
          "hours",     "zone",
          "emergency", "weights",
          "sla"};
}

// Conversations' weights as a queue may set them: of a channel, in wrap-up and parked. Ten is one conversation.
std::string weights_json(std::string_view list) {
  std::string out = "{";
  for (const auto& [what, weight] : routing::parse_weights(list)) {
    out.append(out.size() > 1 ? "," : "").append("\"").append(what).append("\":").append(in_conversations(weight));
  }
  return out + "}";
}

std::string step_json(const routing::Step& step) {
  std::string out = "{\"after_s\":" + std::to_string(step.after_ms / 1000);
  number(out, "lower_levels", std::to_string(step.lower_levels));
  member(out, "drop", step.drop);
  if (!step.add.empty()) member(out, "add", queue_id(step.add));
  return out + "}";
}

// Whether it is open now, why, and when that changes next.
void hours_json(std::string& out, const routing::Value& row, WallTime now) {
  const std::string& hours = text_at(row, 8);
  const auto calendar = routing::hours_of(hours, text_at(row, 9), text_at(row, 10)).value_or(routing::Calendar());
  const routing::Standing standing = calendar.is_open(now);
  member(out, "hours", hours.empty() ? "always" : std::string_view(hours));
  member(out, "zone", calendar.zone());
  out.append(",\"open\":").append(standing.open ? "true" : "false");
  member(out, "open_why", routing::name_of(standing.why));
  if (!standing.note.empty()) member(out, "open_note", standing.note);
  if (hours.empty() && !calendar.emergency()) return;
  if (const auto next = calendar.next_change(now)) member(out, "next_change", wire::rfc3339(*next));
}

std::string goals_json(const routing::Goals& goals) {
  std::string out = "{";
  const auto add = [&](std::string_view name, std::int64_t value) {
    if (value > 0) out.append(out.size() > 1 ? ",\"" : "\"").append(name).append("\":").append(std::to_string(value));
  };
  add("answer_s", goals.answer_ms / 1000);
  add("first_reply_s", goals.first_reply_ms / 1000);
  add("next_reply_s", goals.next_reply_ms / 1000);
  add("resolve_s", goals.resolve_ms / 1000);
  add("within_percent", goals.within_percent);
  return out + "}";
}

std::string queue_json(const std::string& id, const routing::Value& row, WallTime now) {
  const auto or_else = [&](std::size_t i, std::int64_t fallback) {
    return text_at(row, i).empty() ? fallback : to_int(text_at(row, i));
  };
  std::string out = "{";
  member(out, "id", queue_id(id));
  member(out, "name", text_at(row, 0).empty() ? id : text_at(row, 0));
  member(out, "mode", text_at(row, 1).empty() ? "offer" : std::string_view(text_at(row, 1)));
  number(out, "offer_timeout_s", std::to_string(or_else(2, 45'000) / 1000));
  number(out, "wrapup_s", std::to_string(or_else(3, 60'000) / 1000));
  number(out, "priority", std::to_string(or_else(4, 0)));
  member(out, "skills", split_list(text_at(row, 5)));
  number(out, "sticky_s", std::to_string(or_else(6, 0) / 1000));
  out += ",\"steps\":[";
  for (const routing::Step& step : routing::parse_steps(text_at(row, 7))) {
    out.append(out.ends_with('[') ? "" : ",").append(step_json(step));
  }
  out += ']';
  if (!text_at(row, 11).empty()) out.append(",\"weights\":").append(weights_json(text_at(row, 11)));
  hours_json(out, row, now);
  out.append(",\"sla\":").append(goals_json(routing::parse_goals(text_at(row, 12))));
  return out + "}";
}

void list_queues(Room& room, const CallPtr& call) {
  auto page = paging(*call, 500);
  if (!page || !call->may(Action::kRead, {"queues"}) || !read_cursor(*call, *page, parse_queue_id)) return;
  room.commands.run({"SMEMBERS", room.commands.key("queues")}, [&room, call, page](Result<routing::Value> members) {
    if (!members) return call->error(members.error());
    std::string next;
    auto ids = page_of(*members, *page, next);
    std::vector<std::vector<std::string>> reads;
    for (const std::string& id : ids) reads.push_back(read_queue(room, id));
    room.commands.all(reads, [&room, call, ids = std::move(ids), next](Result<std::vector<routing::Value>> rows) {
      if (!rows) return call->error(rows.error());
      std::vector<std::string> items;
      for (std::size_t i = 0; i < ids.size(); ++i) items.push_back(queue_json(ids[i], (*rows)[i], room.services.now().wall));
      call->json(200, list_json(items, queue_id(next)));
    });
  });
}

void answer_queue(Room& room, const CallPtr& call, const std::string& id, int status) {
  room.commands.all({{"SISMEMBER", room.commands.key("queues"), id}, read_queue(room, id)},
                    [&room, call, id, status](Result<std::vector<routing::Value>> rows) {
                      if (!rows) return call->error(rows.error());
                      if (rows->front().integer == 0) return call->problem(not_found("queue"));
                      call->json(status, queue_json(id, rows->back(), room.services.now().wall));
                    });
}

void get_queue(Room& room, const CallPtr& call) {
  const auto id = queue_in_path(*call);
  if (id && call->may(Action::kRead, {"queues"})) answer_queue(room, call, *id, 200);
}

// What a body says of a queue; `queues` and `skills` are those it names besides.
struct Wish {
  routing::Fields fields;
  std::vector<std::string> queues, skills;
};

void read_steps(Body& body, Wish& wish) {
  std::vector<routing::Step> steps;
  const bool said = body.objects("steps", routing::kMaxSteps, [&](Body& item) {
    routing::Step step;
    step.after_ms = item.integer("after_s", {.required = true, .max = 86'400}).value_or(0) * 1000;
    step.lower_levels = static_cast<int>(item.integer("lower_levels", {.max = routing::kMaxLevel - 1}).value_or(0));
    step.drop = read_skills(item, "drop", false).value_or(std::vector<std::string>{});
    if (const auto add = item.text("add", {.max = 60})) {
      if (const auto id = parse_queue_id(*add)) {
        step.add = *id;
        wish.queues.push_back(*id);
      } else {
        item.complain("add", "is not a queue's id: use " + std::string(kQueueIds));
      }
    }
    wish.skills.insert(wish.skills.end(), step.drop.begin(), step.drop.end());
    steps.push_back(std::move(step));
  });
  if (!said) return;
  if (const std::string wrong = routing::wrong_with(steps); !wrong.empty()) body.complain("steps", wrong);
  wish.fields.emplace_back("steps", routing::write_steps(steps));
}

// {"wa":1,"sms":0.5,"wrapup":0.3,"parked":0}: in tenths of a conversation.
void read_weights(Body& body, Wish& wish) {
  struct Row {
    std::string_view what;
    double least;  // a channel's weighs something, or capacity means nothing
  };
  constexpr std::array<Row, 5> kRows{{{"wa", 0.1}, {"sms", 0.1}, {"web", 0.1}, {"wrapup", 0}, {"parked", 0}}};
  std::string kept;
  const bool said = body.object("weights", [&](Body& inner) {
    for (const auto& [what, least] : kRows) {
      const auto weight = inner.number(what, {least, 10});
      if (!weight) continue;
      const auto tenths = static_cast<int>(*weight * routing::kWeight + 0.5);
      kept.append(kept.empty() ? "" : ",").append(what).append("=").append(std::to_string(tenths));
    }
  });
  if (said) wish.fields.emplace_back("weights", kept);
}

void read_hours(Body& body, Wish& wish) {
  const auto hours = body.text("hours", {.max = 16'000});
  const auto zone = body.text("zone", {.required = hours.has_value(), .max = 60});
  if (!zone) return;
  if (!hours) return body.complain("zone", "means nothing without `hours`: send both");
  if (const auto calendar = routing::Calendar::parse(*hours, *zone)) {
    wish.fields.emplace_back("hours", calendar->write());
    wish.fields.emplace_back("zone", *zone);
  } else {
    body.complain("hours", "cannot be read: " + calendar.error().detail);
  }
}

// What is said replaces all that was; {} takes the goals away.
void read_goals(Body& body, Wish& wish) {
  routing::Goals goals;
  const bool said = body.object("sla", [&](Body& inner) {
    const auto seconds = [&](std::string_view member) {
      return inner.integer(member, {.min = 1, .max = routing::kLongestGoal / 1000}).value_or(0) * 1000;
    };
    goals.answer_ms = seconds("answer_s");
    goals.first_reply_ms = seconds("first_reply_s");
    goals.next_reply_ms = seconds("next_reply_s");
    goals.resolve_ms = seconds("resolve_s");
    goals.within_percent = static_cast<int>(inner.integer("within_percent", {.min = 1, .max = 100}).value_or(0));
  });
  if (!said) return;
  if (const std::string wrong = routing::wrong_with(goals); !wrong.empty()) body.complain("sla", wrong);
  wish.fields.emplace_back("sla", routing::write_goals(goals));
}

// Open or closed whatever the hours say, until somebody says else or the time is over.
void put_emergency(Room& room, const CallPtr& call) {
  const auto id = queue_in_path(*call);
  if (!id || !call->may(Action::kWrite, {"queues"})) return;
  Body body(call->request().body);
  const auto state = body.one_of("state", true, {"open", "closed", "none"});
  const auto reason = body.text("reason", {.required = state && *state != "none", .max = 200});
  const auto for_s = body.integer("for_s", {.min = 60, .max = 30 * 86'400});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  std::string kept;
  if (*state != "none") {
    routing::Emergency emergency{*state == "open", reason.value_or(""), room.services.now().wall, {}};
    if (for_s) emergency.until = emergency.since + *for_s * 1000;
    kept = routing::write_emergency(emergency);
  }
  room.commands.all(
      {{"SISMEMBER", room.commands.key("queues"), *id}}, [&room, call, id = *id, kept](Result<std::vector<routing::Value>> rows) {
        if (!rows) return call->error(rows.error());
        if (rows->front().integer == 0) return call->problem(not_found("queue"));
        room.services.store.queue_put(id, {{"emergency", kept}}, [&room, call, id, kept](Result<routing::Outcome> put) {
          if (!put) return call->error(put.error());
          note_change(room, call, "queue.emergency", queue_id(id), kept.empty() ? "none" : kept,
                      [&room, call, id] { answer_queue(room, call, id, 200); });
        });
      });
}

void put_queue(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"queues"})) return;
  const auto id = parse_queue_id(call->args[0]);
  if (!id) return call->problem(wire::problem(422, "invalid_id", "A queue's id is " + std::string(kQueueIds) + "."));
  Body body(call->request().body);
  auto wish = std::make_shared<Wish>();
  routing::Fields& fields = wish->fields;
  if (const auto name = body.text("name", {.max = 100})) fields.emplace_back("name", *name);
  if (const auto mode = body.one_of("mode", false, {"offer", "auto"})) fields.emplace_back("mode", *mode);
  if (const auto s = body.integer("offer_timeout_s", {.min = 5, .max = 3600}))
    fields.emplace_back("offer_ms", std::to_string(*s * 1000));
  if (const auto s = body.integer("wrapup_s", {.min = 0, .max = 3600})) fields.emplace_back("wrap_ms", std::to_string(*s * 1000));
  if (const auto priority = body.integer("priority", {.min = 0, .max = 100}))
    fields.emplace_back("priority", std::to_string(*priority));
  if (const auto skills = read_skills(body, "skills")) {
    wish->skills = *skills;
    fields.emplace_back("skills", join_list(*skills));
  }
  if (const auto s = body.integer("sticky_s", {.min = 0, .max = 3600}))
    fields.emplace_back("sticky_ms", std::to_string(*s * 1000));
  read_steps(body, *wish);
  read_hours(body, *wish);
  read_weights(body, *wish);
  read_goals(body, *wish);
  if (auto wrong = body.finish()) return call->problem(*wrong);
  with_queues(room, call, wish->queues, [&room, call, id = *id, wish] {
    with_skills(room, call, wish->skills, [&room, call, id, wish] {
      room.services.store.queue_put(id, wish->fields, [&room, call, id, wish](Result<routing::Outcome> kept) {
        if (!kept) return call->error(kept.error());
        note_change(room, call, "queue.set", queue_id(id), told(wish->fields),
                    [&room, call, id, status = kept->gen == 1 ? 201 : 200] { answer_queue(room, call, id, status); });
      });
    });
  });
}

// ------------------------------------------------------------------------------------------------------------- skills

std::string skill_json(const std::string& id, const std::string& name) {
  std::string out = "{";
  member(out, "id", id);
  member(out, "name", name);
  return out + "}";
}

void list_skills(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 500);
  if (!page || !call->may(Action::kRead, {"skills"})) return;
  room.commands.run({"HGETALL", room.commands.key("skills")}, [call, page](Result<routing::Value> all) {
    if (!all) return call->error(all.error());
    auto pairs = pairs_of(*all);
    std::sort(pairs.begin(), pairs.end());
    std::vector<std::string> items;
    std::string next, last;
    for (const auto& [id, name] : pairs) {
      if (id <= page->after) continue;
      if (items.size() == static_cast<std::size_t>(page->limit)) {
        next = last;
        break;
      }
      items.push_back(skill_json(id, name));
      last = id;
    }
    call->json(200, list_json(items, next));
  });
}

void put_skill(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"skills"})) return;
  const std::string id = call->args[0];
  if (!is_id(id)) return call->problem(wire::problem(422, "invalid_id", "A skill's id has 1 to 40 of a-z, 0-9 and -."));
  Body body(call->request().body);
  const auto name = body.text("name", {.required = true, .max = 100});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  room.commands.run({"HSET", room.commands.key("skills"), id, *name}, [&room, call, id, name](Result<routing::Value> kept) {
    if (!kept) return call->error(kept.error());
    note_change(room, call, "skill.set", id, *name,
                [call, id, name, status = kept->integer == 1 ? 201 : 200] { call->json(status, skill_json(id, *name)); });
  });
}

void delete_skill(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"skills"})) return;
  room.commands.run({"HDEL", room.commands.key("skills"), call->args[0]}, [&room, call](Result<routing::Value> gone) {
    if (!gone) return call->error(gone.error());
    if (gone->integer == 0) return call->problem(not_found("skill"));
    note_change(room, call, "skill.remove", call->args[0], "", [call] { call->nothing(); });
  });
}

}  // namespace

std::vector<Route> queue_routes() {
  return {{"GET", "/queues", Takes::kNothing, Who::kKnown, list_queues},
          {"GET", "/queues/{id}", Takes::kNothing, Who::kKnown, get_queue},
          {"PUT", "/queues/{id}", Takes::kJson, Who::kKnown, put_queue},
          {"PUT", "/queues/{id}/emergency", Takes::kJson, Who::kKnown, put_emergency},
          {"GET", "/skills", Takes::kNothing, Who::kKnown, list_skills},
          {"PUT", "/skills/{id}", Takes::kJson, Who::kKnown, put_skill},
          {"DELETE", "/skills/{id}", Takes::kNothing, Who::kKnown, delete_skill}};
}

}  // namespace belfry::gateway::api
