// Agents: who they are, what they may do, which queues they serve and what they can.
#include <algorithm>
#include <charconv>

#include "adapters/wire/json.h"
#include "belfry/list.h"
#include "gateway/api/audit.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/api/named.h"
#include "gateway/api/render.h"
#include "gateway/auth/password.h"
#include "gateway/directive.h"

namespace belfry::gateway::api {
namespace {

constexpr int kMaxCapacity = 100;       // conversations
constexpr std::size_t kMaxQueues = 50;  // of one agent

std::vector<std::string> queue_ids(const std::vector<std::string>& queues) {
  std::vector<std::string> out;
  out.reserve(queues.size());
  for (const std::string& queue : queues) out.push_back(queue_id(queue));
  return out;
}

// ------------------------------------------------------------------------------------------------------------- agents

struct Person {
  std::string id, name, login, roles, queues, skills, availability, reason;
  std::int64_t sessions = 0, load = 0, capacity = 0;
  bool bot = false;
};

std::vector<std::string> read_person(Room& room, const std::string& id) {
  return {"HMGET",  room.commands.key("agent:" + id),
          "name",   "login",
          "roles",  "queues",
          "avail",  "reason",
          "ses",    "load",
          "cap",    "removed",
          "skills", "bot"};
}

std::optional<Person> person_of(const std::string& id, const routing::Value& row) {
  if (row.array.size() != 12 || row.array[8].is_nil() || text_at(row, 9) == "1") return std::nullopt;
  return Person{id,
                text_at(row, 0),
                text_at(row, 1),
                text_at(row, 2),
                text_at(row, 3),
                text_at(row, 10),
                text_at(row, 4),
                text_at(row, 5),
                to_int(text_at(row, 6)),
                to_int(text_at(row, 7)),
                to_int(text_at(row, 8)),
                text_at(row, 11) == "1"};
}

std::string person_json(const Person& p, bool with_login) {
  std::string out = "{";
  member(out, "id", agent_id(p.id));
  member(out, "name", p.name);
  if (with_login) member(out, "login", p.login);
  if (p.bot) out += ",\"bot\":true";
  member(out, "roles", split_list(p.roles));
  member(out, "queues", queue_ids(split_list(p.queues)));
  member(out, "skills", split_list(p.skills));
  number(out, "capacity", in_conversations(p.capacity));
  number(out, "load", in_conversations(p.load));
  member(out, "availability", p.availability);
  if (!p.reason.empty()) member(out, "reason", p.reason);
  out.append(",\"connected\":").append(p.sessions > 0 ? "true" : "false");
  return out + "}";
}

bool sees_logins(const CallPtr& call) { return authorize(call->subject, Action::kWrite, {"agents"}).has_value(); }

void list_agents(Room& room, const CallPtr& call) {
  auto page = paging(*call, 500);
  if (!page || !call->may(Action::kRead, {"agents"}) || !read_cursor(*call, *page, parse_agent_id)) return;
  room.commands.run({"SMEMBERS", room.commands.key("agents")}, [&room, call, page](Result<routing::Value> members) {
    if (!members) return call->error(members.error());
    std::string next;
    auto ids = page_of(*members, *page, next);
    std::vector<std::vector<std::string>> reads;
    for (const std::string& id : ids) reads.push_back(read_person(room, id));
    room.commands.all(reads, [call, ids = std::move(ids), next](Result<std::vector<routing::Value>> rows) {
      if (!rows) return call->error(rows.error());
      std::vector<std::string> items;
      for (std::size_t i = 0; i < ids.size(); ++i) {
        if (const auto person = person_of(ids[i], (*rows)[i])) items.push_back(person_json(*person, sees_logins(call)));
      }
      call->json(200, list_json(items, agent_id(next)));
    });
  });
}

void with_person(Room& room, const CallPtr& call, const std::string& id, std::function<void(const Person&)> then) {
  const auto read = read_person(room, id);
  room.commands.all({read}, [call, id, then = std::move(then)](Result<std::vector<routing::Value>> rows) {
    if (!rows) return call->error(rows.error());
    const auto person = person_of(id, rows->front());
    if (!person) return call->problem(not_found("agent"));
    then(*person);
  });
}

void answer_person(Room& room, const CallPtr& call, const std::string& id, int status) {
  with_person(room, call, id,
              [call, status](const Person& person) { call->json(status, person_json(person, sees_logins(call))); });
}

void get_agent(Room& room, const CallPtr& call) {
  const auto id = agent_in_path(*call);
  if (!id || !call->may(Action::kRead, {"agents", *id})) return;
  answer_person(room, call, *id, 200);
}

// What a body says about an agent; what it does not say stays as it is.
struct Wish {
  std::string id, login;
  std::optional<std::string> new_login, password;
  bool bot = false;
  routing::Fields fields;
  std::vector<std::string> queues, skills;
};

void read_wish(Body& body, Wish& wish, bool is_new) {
  // A program comes with a key: it need not sign in.
  wish.bot = body.flag("bot");
  if (body.has("bot")) wish.fields.emplace_back("bot", wish.bot ? "1" : "0");
  wish.new_login = body.text("login", {.required = is_new && !wish.bot, .max = 64});
  if (wish.new_login) {
    for (char& c : *wish.new_login) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
  }
  if (wish.new_login && !std::all_of(wish.new_login->begin(), wish.new_login->end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == '@' || c == '+';
      })) {
    body.complain("login", "may have a-z, 0-9 and . - _ @ +");
  }
  if (const auto name = body.text("name", {.required = is_new, .max = 100})) wish.fields.emplace_back("name", *name);
  if (const auto queues = body.queues("queues", kMaxQueues)) {
    wish.queues = *queues;
    wish.fields.emplace_back("queues", join_list(*queues));
  }
  if (const auto skills = read_skills(body, "skills")) {
    wish.skills = *skills;
    wish.fields.emplace_back("skills", join_list(*skills));
  }
  if (const auto roles = body.texts("roles", 10, 20)) {
    const auto wrong = std::find_if_not(roles->begin(), roles->end(), [](const std::string& role) { return is_role(role); });
    if (roles->empty()) body.complain("roles", "is empty: name at least one");
    if (wrong != roles->end())
      body.complain(
          "roles",
          "holds a word that is no role; roles are agent, supervisor, alert_author, alert_approver, admin, auditor, integration");
    wish.fields.emplace_back("roles", join_list(*roles));
  } else if (is_new) {
    wish.fields.emplace_back("roles", "agent");
  }
  const auto capacity = body.integer("capacity", {.min = 0, .max = kMaxCapacity});
  if (capacity || is_new) wish.fields.emplace_back("cap", std::to_string(capacity.value_or(5) * routing::kWeight));
  wish.password = body.text("password", {.max = kMaxPassword});
  if (wish.password && wish.password->size() < kMinPassword)
    body.complain("password", "is shorter than " + std::to_string(kMinPassword) + " characters");
}

std::string id_from_login(std::string_view login) {
  std::string id;
  for (const char c : login) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      id.push_back(c);
    } else if (!id.empty() && id.back() != '-') {
      id.push_back('-');
    }
  }
  id.resize(std::min<std::size_t>(id.size(), 40));
  while (id.ends_with('-')) id.pop_back();
  return id;
}

void keep_agent(Room& room, const CallPtr& call, const std::shared_ptr<Wish>& wish, int status) {
  room.services.store.agent_put(wish->id, wish->fields, [&room, call, wish, status](Result<routing::Outcome> kept) {
    if (!kept) return call->error(kept.error());
    room.auth.look_again(wish->id);  // his open desks learn what he may do now
    const std::string what = named(wish->fields) + (wish->password ? ",password" : "");
    note_change(room, call, status == 201 ? "agent.add" : "agent.set", agent_id(wish->id), what, [&room, call, wish, status] {
      if (!wish->password) return answer_person(room, call, wish->id, status);
      room.auth.set_password(wish->login, wish->id, std::move(*wish->password), [&room, call, wish, status](Result<void> set) {
        if (!set) return call->error(set.error());
        answer_person(room, call, wish->id, status);
      });
    });
  });
}

void with_queues_and_skills(Room& room, const CallPtr& call, const Wish& wish, std::function<void()> then) {
  with_queues(room, call, wish.queues,
              [&room, call, skills = wish.skills, then = std::move(then)] { with_skills(room, call, skills, then); });
}

wire::Problem login_taken() { return wire::problem(409, "login_taken", "Another agent has this login. Choose another."); }

void post_agent(Room& room, const CallPtr& call) {
  if (!call->may(Action::kManage, {"agents"})) return;
  Body body(call->request().body);
  auto wish = std::make_shared<Wish>();
  read_wish(body, *wish, true);
  const auto id = body.agent("id", false);
  wish->login = wish->new_login.value_or("");
  wish->id = id ? *id : id_from_login(wish->login);
  if (wish->bot && !wish->new_login && !id) body.complain("id", "is missing: without a login it cannot be made");
  if (wish->bot && !wish->new_login && wish->password) body.complain("password", "is of no use without a login");
  if (wish->new_login && wish->id.empty()) body.complain("id", "cannot be made from this login: name one of a-z, 0-9 and -");
  if (auto wrong = body.finish()) return call->problem(*wrong);
  wish->fields.emplace_back("login", wish->login);
  wish->fields.emplace_back("removed", "0");
  with_queues_and_skills(room, call, *wish, [&room, call, wish] {
    const auto read = read_person(room, wish->id);
    room.commands.all({read}, [&room, call, wish](Result<std::vector<routing::Value>> rows) {
      if (!rows) return call->error(rows.error());
      if (person_of(wish->id, rows->front())) {
        return call->problem(wire::problem(409, "agent_exists",
                                           "There is an agent " + agent_id(wish->id) +
                                               " already. Change him with PUT /api/v1/agents/" + agent_id(wish->id) +
                                               ", or name another `id`."));
      }
      if (wish->login.empty()) return keep_agent(room, call, wish, 201);
      room.auth.claim_login(wish->login, wish->id, [&room, call, wish](Result<void> claimed) {
        if (!claimed && claimed.error().code == Errc::kConflict) return call->problem(login_taken());
        if (!claimed) return call->error(claimed.error());
        keep_agent(room, call, wish, 201);
      });
    });
  });
}

void put_agent(Room& room, const CallPtr& call) {
  const auto id = agent_in_path(*call);
  if (!id) return;
  Body body(call->request().body);
  auto wish = std::make_shared<Wish>();
  read_wish(body, *wish, false);
  if (wish->new_login && !wish->password && !body.has("password")) body.complain("password", "is missing: a new login needs one");
  const bool delicate = body.has("roles") || body.has("login") || body.has("password") || body.has("bot");
  if (!call->may(delicate ? Action::kManage : Action::kWrite, {"agents"})) return;
  if (auto wrong = body.finish()) return call->problem(*wrong);
  wish->id = *id;
  with_queues_and_skills(room, call, *wish, [&room, call, wish] {
    with_person(room, call, wish->id, [&room, call, wish](const Person& person) {
      wish->login = person.login;
      if (!wish->new_login || *wish->new_login == person.login) return keep_agent(room, call, wish, 200);
      wish->login = *wish->new_login;
      wish->fields.emplace_back("login", wish->login);
      room.auth.claim_login(wish->login, wish->id, [&room, call, wish, old = person.login](Result<void> claimed) {
        if (!claimed && claimed.error().code == Errc::kConflict) return call->problem(login_taken());
        if (!claimed) return call->error(claimed.error());
        if (old.empty()) return keep_agent(room, call, wish, 200);
        room.auth.drop_login(old, [&room, call, wish](Result<void> dropped) {
          if (!dropped) return call->error(dropped.error());
          keep_agent(room, call, wish, 200);
        });
      });
    });
  });
}

void put_password(Room& room, const CallPtr& call) {
  const auto id = agent_in_path(*call);
  if (!id || !call->may(Action::kManage, {"agents"})) return;
  Body body(call->request().body);
  auto password = body.text("password", {.required = true, .max = kMaxPassword});
  if (password && password->size() < kMinPassword)
    body.complain("password", "is shorter than " + std::to_string(kMinPassword) + " characters");
  if (auto wrong = body.finish()) return call->problem(*wrong);
  with_person(room, call, *id, [&room, call, password = std::move(*password)](const Person& person) {
    if (person.login.empty())
      return call->problem(wire::problem(
          409, "no_login", "This agent has no login. Give him one with PUT /api/v1/agents/" + agent_id(person.id) + "."));
    room.auth.claim_login(person.login, person.id, [&room, call, person, password](Result<void> claimed) {
      if (!claimed && claimed.error().code == Errc::kConflict) return call->problem(login_taken());
      if (!claimed) return call->error(claimed.error());
      room.auth.set_password(person.login, person.id, password, [&room, call, id = person.id](Result<void> set) {
        if (!set) return call->error(set.error());
        note_change(room, call, "agent.password", agent_id(id), "", [call] { call->nothing(); });
      });
    });
  });
}

void put_availability(Room& room, const CallPtr& call) {
  const auto id = agent_in_path(*call);
  if (!id || !call->may(Action::kWrite, {"agents", *id})) return;
  Body body(call->request().body);
  const auto value = body.one_of("value", true, {"ready", "paused", "draining", "offline"});
  const auto reason = body.text("reason", {.max = 200});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  with_person(room, call, *id, [&room, call, value, reason](const Person& person) {
    room.services.store.agent_set(person.id, *value, reason.value_or(""),
                                  call->subject.agent == person.id ? std::string() : name_of(call->subject),
                                  [&room, call, id = person.id](Result<routing::Outcome> set) {
                                    if (!set) return call->error(set.error());
                                    answer_person(room, call, id, 200);
                                  });
  });
}

// His history stays; he can no longer sign in or be offered anything, and what he holds goes back to its queue.
void delete_agent(Room& room, const CallPtr& call) {
  const auto id = agent_in_path(*call);
  if (!id || !call->may(Action::kManage, {"agents"})) return;
  with_person(room, call, *id, [&room, call](const Person& person) {
    const routing::Fields fields{{"removed", "1"}, {"queues", ""}, {"roles", ""}, {"cap", "0"}};
    room.services.store.agent_put(person.id, fields, [&room, call, person](Result<routing::Outcome> put) {
      if (!put) return call->error(put.error());
      room.services.store.agent_set(
          person.id, "offline", "removed", name_of(call->subject), [&room, call, person](Result<routing::Outcome> set) {
            if (!set) return call->error(set.error());
            room.auth.look_again(person.id);  // at once, whatever becomes of the rest
            room.services.store.desk(person.id, [&room, call, person](Result<routing::DeskView> desk) {
              if (!desk) return call->error(desk.error());
              const auto ignore = [](const Result<routing::Outcome>&) {};  // one that moved on meanwhile is no longer his
              for (const routing::Card& card : desk->held) {
                const routing::Command by{card.conversation, card.gen, person.id};
                if (card.state == "active") room.services.store.transfer({by, card.queue, {}}, ignore);
                if (card.state == "wrapup") room.services.store.close(by, {}, {}, ignore);
              }
              room.auth.forget_agent(person.login, person.id, [&room, call, id = person.id](Result<void> forgotten) {
                if (!forgotten) return call->error(forgotten.error());
                note_change(room, call, "agent.remove", agent_id(id), "", [call] { call->nothing(); });
              });
            });
          });
    });
  });
}

}  // namespace

std::vector<Route> people_routes() {
  return {{"GET", "/agents", Takes::kNothing, Who::kKnown, list_agents},
          {"POST", "/agents", Takes::kJson, Who::kKnown, post_agent},
          {"GET", "/agents/{id}", Takes::kNothing, Who::kKnown, get_agent},
          {"PUT", "/agents/{id}", Takes::kJson, Who::kKnown, put_agent},
          {"DELETE", "/agents/{id}", Takes::kNothing, Who::kKnown, delete_agent},
          {"PUT", "/agents/{id}/availability", Takes::kJson, Who::kKnown, put_availability},
          {"PUT", "/agents/{id}/password", Takes::kJson, Who::kKnown, put_password}};
}

}  // namespace belfry::gateway::api
