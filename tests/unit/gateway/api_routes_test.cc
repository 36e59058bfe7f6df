#include "routing/history.h"
#include "tests/unit/gateway/api_house.h"

namespace belfry::gateway {
namespace {

using nlohmann::json;

class ApiTest : public ApiHouse {
 protected:
  std::string admin = key_of_role("admin");
  Answer post_message(const std::string& key, const json& body, const std::string& idempotency = {}) {
    HttpRequest r = request("POST", "/api/v1/messages", body.dump());
    if (!idempotency.empty()) r.headers.add("idempotency-key", idempotency);
    return as(key, std::move(r));
  }
};

TEST_F(ApiTest, UnknownRouteMethodAndType) {
  EXPECT_EQ(as(admin, request("GET", "/api/v1/nothing")).code(), "unknown_route");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/messages/")).status, 404);
  const Answer method = as(admin, request("PATCH", "/api/v1/agents"));
  EXPECT_EQ(method.status, 405);
  EXPECT_EQ(method.headers.get("allow"), "GET, HEAD, POST");
  HttpRequest r = request("POST", "/api/v1/agents", "{}");
  r.headers.set("content-type", "text/plain");
  EXPECT_EQ(as(admin, std::move(r)).status, 415);
  HttpRequest charset = request("POST", "/api/v1/agents", "{}");
  charset.headers.set("content-type", "Application/JSON; charset=utf-8");
  EXPECT_EQ(as(admin, std::move(charset)).status, 422);
  EXPECT_EQ(as(admin, request("HEAD", "/api/v1/session")).status, 200);
}

TEST_F(ApiTest, BodiesAreReadStrictly) {
  const auto detail = [&](const std::string& body) { return as(admin, request("POST", "/api/v1/agents", body)); };
  EXPECT_EQ(detail("[1]").status, 400);
  EXPECT_EQ(detail("{").status, 400);
  const Answer many =
      detail(R"({"login":"a b","capacity":"five","colour":"red","colour":"blue","queues":["Hall!"],"password":"short"})");
  EXPECT_EQ(many.status, 422);
  std::set<std::string> members;
  for (const auto& error : many.json["errors"]) members.insert(error["member"]);
  EXPECT_EQ(members, (std::set<std::string>{"login", "capacity", "colour", "queues", "password", "name"})) << many.body;
  EXPECT_NE(many.json["detail"].get<std::string>().find("`colour` is not known here"), std::string::npos);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/agents?colour=red")).code(), "unknown_parameter");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/agents?limit=0")).code(), "invalid_parameter");
}

TEST_F(ApiTest, AgentsFromCradleToGrave) {
  add_agent("ana@city");
  const Answer got = as(admin, request("GET", "/api/v1/agents/ana-city"));
  EXPECT_EQ(got.json["capacity"], 5);
  EXPECT_EQ(got.json["login"], "ana@city");
  EXPECT_EQ(got.json["id"], "agent_ana-city");
  EXPECT_EQ(got.json["queues"], json({"queue_hall"}));
  EXPECT_EQ(got.json["availability"], "offline");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/agents/agent_ana-city")).body, got.body) << "with its prefix or plain";
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"login":"ana@city","name":"Another"})")).code(), "agent_exists");
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"login":"ana@city","name":"Another","id":"other"})")).code(),
            "login_taken");
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"login":"bob","name":"Bob","queues":["nowhere"]})")).code(),
            "unknown_queue");
  const Answer changed = as(admin, request("PUT", "/api/v1/agents/ana-city", R"({"capacity":3,"roles":["agent","supervisor"]})"));
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_EQ(changed.json["capacity"], 3);
  EXPECT_EQ(changed.json["roles"], json({"agent", "supervisor"}));
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/agents/ana-city/availability", R"({"value":"ready"})")).json["availability"],
            "ready");
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/agents/nobody/availability", R"({"value":"ready"})")).status, 404);

  const std::string conversation = citizen_writes("hello");
  give(conversation, "ana-city");
  EXPECT_EQ(as(admin, request("DELETE", "/api/v1/agents/ana-city")).status, 204);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/agents")).json["items"].size(), 0U);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/conversations/conv_" + conversation)).json["state"], "queued")
      << "what he held is free";
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"login":"ana@city","name":"Ana again"})")).status, 201);
}

TEST_F(ApiTest, AProgramIsAnAgentThatNeedNotSignIn) {
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"name":"Guide","bot":true})")).code(), "invalid_body");
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"name":"Guide"})")).code(), "invalid_body");
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"id":"guide","name":"Guide","bot":"yes"})")).code(), "invalid_body");
  EXPECT_EQ(
      as(admin, request("POST", "/api/v1/agents", R"({"id":"guide","name":"Guide","bot":true,"password":"12345678"})")).code(),
      "invalid_body");
  const Answer made = as(admin, request("POST", "/api/v1/agents", R"({"id":"guide","name":"Guide","bot":true})"));
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json["bot"], true);
  EXPECT_EQ(as(admin, request("POST", "/api/v1/agents", R"({"id":"other","name":"Other","bot":true})")).status, 201)
      << "an absent login is nobody's";
  add_agent("ana");
  EXPECT_FALSE(as(admin, request("GET", "/api/v1/agents/ana")).json.contains("bot"));
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/agents/ana", R"({"bot":true})")).json["bot"], true);
  EXPECT_FALSE(as(admin, request("PUT", "/api/v1/agents/ana", R"({"bot":false})")).json.contains("bot"));

  const auto route = [&](const std::string& bot) {
    return as(admin, request("PUT", "/api/v1/routes", R"({"items":[{"queue":"hall","channel":"wa","bot":")" + bot + R"("}]})"));
  };
  EXPECT_EQ(route("agent_ana").code(), "unknown_bot");
  EXPECT_EQ(route("queue_x").code(), "invalid_body");
  EXPECT_EQ(route("guide").json["items"][0]["bot"], "agent_guide");
  EXPECT_EQ(as(admin, request("DELETE", "/api/v1/agents/guide")).status, 204);
  EXPECT_EQ(route("guide").code(), "unknown_bot") << "it was removed";
}

TEST_F(ApiTest, RolesDecide) {
  add_agent("ana");
  const std::string ana = key_of_role("agent", "ana");
  const std::string author = key_of_role("alert_author");
  EXPECT_EQ(as(ana, request("POST", "/api/v1/agents", R"({"login":"x","name":"X"})")).status, 403);
  EXPECT_EQ(as(ana, request("PUT", "/api/v1/agents/ana/availability", R"({"value":"paused"})")).status, 200);
  EXPECT_FALSE(as(ana, request("GET", "/api/v1/agents/ana")).json.contains("login"));
  EXPECT_EQ(as(ana, request("GET", "/api/v1/keys")).status, 403);
  EXPECT_EQ(as(ana, request("GET", "/api/v1/audit/transitions")).status, 403);
  EXPECT_EQ(as(author, request("GET", "/api/v1/conversations")).status, 403);
  const std::string mine = citizen_writes("to the hall");
  services.store.queue_put("water", {{"name", "Water"}}, [](auto) {});
  const std::string other = citizen_writes("to the works", "491519999999", "water");
  const Answer list = as(ana, request("GET", "/api/v1/conversations"));
  ASSERT_EQ(list.json["items"].size(), 1U) << list.body;
  EXPECT_EQ(list.json["items"][0]["id"], "conv_" + mine);
  EXPECT_EQ(as(ana, request("GET", "/api/v1/conversations/conv_" + mine)).status, 200);
  EXPECT_EQ(as(ana, request("GET", "/api/v1/conversations/conv_" + other)).status, 404) << "not told from what is not there";
  EXPECT_EQ(as(ana, request("GET", "/api/v1/messages/msg_" + other + ".1")).status, 404);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/conversations")).json["items"].size(), 2U);
}

TEST_F(ApiTest, ConversationsAndMessagesArePaged) {
  const std::string id = citizen_writes("one");
  for (const char* text : {"two", "three"}) citizen_writes(text);
  const Answer first = as(admin, request("GET", "/api/v1/conversations/conv_" + id + "/messages?after=&limit=2"));
  ASSERT_EQ(first.json["items"].size(), 2U) << first.body;
  EXPECT_EQ(first.json["items"][0]["text"], "one");
  EXPECT_EQ(first.json["items"][0]["dir"], "in");
  EXPECT_EQ(first.json["items"][0]["state"], "stored");
  EXPECT_EQ(first.json["next"], "2");
  const Answer second = as(admin, request("GET", "/api/v1/conversations/conv_" + id + "/messages?after=2&limit=2"));
  ASSERT_EQ(second.json["items"].size(), 1U);
  EXPECT_TRUE(second.json["next"].is_null());
  EXPECT_EQ(as(admin, request("GET", "/api/v1/messages/msg_" + id + ".3")).json["text"], "three");
  for (const char* bad : {"msg_99.1", "msg_1.0", "msg_1.99", "x", "msg_", "conv_1"}) {
    EXPECT_EQ(as(admin, request("GET", std::string("/api/v1/messages/") + bad)).status, 404) << bad;
  }
  for (const char* bad : {"conv_99", "1", "conv_..", "conv_A"})
    EXPECT_EQ(as(admin, request("GET", std::string("/api/v1/conversations/") + bad)).status, 404) << bad;
  EXPECT_EQ(as(admin, request("GET", "/api/v1/conversations?after=x")).code(), "invalid_parameter");
}

TEST_F(ApiTest, SendsOnceForOneKey) {
  const std::string id = citizen_writes("hello");
  const json body{{"account", "wa-main"}, {"to", "+491511234567"}, {"text", "Good day"}};
  const Answer first = post_message(admin, body, "k1");
  ASSERT_EQ(first.status, 202) << first.body;
  EXPECT_EQ(first.json["id"], "msg_" + id + ".2");
  EXPECT_EQ(first.headers.get("location"), "/api/v1/messages/msg_" + id + ".2");
  const Answer again = post_message(admin, body, "k1");
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.headers.get("idempotency-replayed"), "true");
  json other = body;
  other["text"] = "Good night";
  EXPECT_EQ(post_message(admin, other, "k1").code(), "idempotency_key_reused");
  EXPECT_EQ(post_message(admin, body, "k2").json["id"], "msg_" + id + ".3");
  EXPECT_EQ(post_message(key_of_role("integration"), body, "k1").json["id"], "msg_" + id + ".4") << "keys are each subject's own";
  EXPECT_EQ(post_message(admin, body).json["id"], "msg_" + id + ".5");
  wall.ms += 86'400'001;
  EXPECT_EQ(post_message(admin, body, std::string(256, 'x')).code(), "invalid_idempotency_key");
  const Answer shown = as(admin, request("GET", "/api/v1/messages/msg_" + id + ".2"));
  EXPECT_EQ(shown.json["state"], "queued");
  EXPECT_EQ(shown.json["dir"], "out");
}

TEST_F(ApiTest, InProgressAndAfterACrash) {
  const std::string id = citizen_writes("hello");
  const json body{{"account", "wa-main"}, {"to", "+491511234567"}, {"text", "Good day"}};
  ASSERT_EQ(post_message(admin, body, "k1").status, 202);
  // Another process is at it: it set its mark, and has not answered.
  std::string* mark = nullptr;
  for (auto& [key, value] : redis.strings) {
    if (key.find(":idem:") == std::string::npos) continue;
    mark = &value;
    redis.until[key] = wall.ms + 30'000;
  }
  ASSERT_NE(mark, nullptr);
  const std::string hash = mark->substr(2, 64);
  *mark = "p|" + hash;
  const Answer busy = post_message(admin, body, "k1");
  EXPECT_EQ(busy.status, 409);
  EXPECT_EQ(busy.code(), "in_progress");
  // It died after the message was stored: its mark runs out, and the store remembers.
  wall.ms += 30'001;
  EXPECT_EQ(post_message(admin, body, "k1").json["id"], "msg_" + id + ".2");
  // The outcome was unknown: a repeat may go on at once.
  for (auto& [key, value] : redis.strings) {
    if (key.find(":idem:") != std::string::npos) value = "u|" + hash;
  }
  EXPECT_EQ(post_message(admin, body, "k1").json["id"], "msg_" + id + ".2");
}

TEST_F(ApiTest, RefusedSendsSayWhyAndFreeTheirKey) {
  citizen_writes("hello");
  wall.ms += 25 * 3'600'000LL;
  json body{{"account", "wa-main"}, {"to", "+491511234567"}, {"text", "Too late"}};
  const Answer closed = post_message(admin, body, "k1");
  EXPECT_EQ(closed.status, 409);
  EXPECT_EQ(closed.code(), "window_closed");
  EXPECT_EQ(closed.json["remedy"], "template");
  EXPECT_NE(closed.json["detail"].get<std::string>().find("template"), std::string::npos);
  citizen_writes("I am here again");
  EXPECT_EQ(post_message(admin, body, "k1").status, 202) << "the refusal did not burn the key";
  body = {{"account", "wa-main"}, {"to", "+4930123"}, {"template", {{"name", "hello"}, {"language", "de"}}}};
  EXPECT_EQ(post_message(admin, body).status, 202) << "a template needs no window";

  const auto code = [&](json b) { return post_message(admin, b).code(); };
  EXPECT_EQ(code({{"account", "nope"}, {"to", "+49"}, {"text", "x"}}), "unknown_account");
  EXPECT_EQ(code({{"account", "wa-main"}, {"to", "anna"}, {"text", "x"}}), "invalid_recipient");
  EXPECT_EQ(code({{"account", "wa-main"}, {"to", "+49"}, {"text", "unsendable"}}), "invalid_content");
  EXPECT_EQ(code({{"account", "wa-main"}, {"to", "+49"}}), "invalid_content");
  EXPECT_EQ(code(json::parse(R"({"account":"wa-main","to":"+49","media":{"id":"1"},"location":{"latitude":1}})")),
            "invalid_content");
  EXPECT_EQ(code({{"account", "wa-main"}, {"to", "+49"}, {"text", "x"}, {"extra", 1}}), "invalid_body");
  EXPECT_EQ(code({{"to", "+49"}, {"text", "x"}}), "invalid_body");
  EXPECT_EQ(code({{"conversation", "12"}, {"text", "x"}}), "invalid_body");
  EXPECT_EQ(code({{"conversation", "conv_99"}, {"text", "x"}}), "not_found");
  EXPECT_EQ(code(json::parse(R"({"account":"wa-main","to":"+49","media":{"id":"media_)" + std::string(64, 'a') + R"("}})")),
            "unknown_media");
}

TEST_F(ApiTest, AgentsWriteWhereTheyHold) {
  add_agent("ana");
  const std::string ana = key_of_role("agent", "ana");
  const std::string id = citizen_writes("hello");
  EXPECT_EQ(post_message(ana, {{"conversation", "conv_" + id}, {"text", "x"}}).status, 403) << "waiting: seen, not hers";
  EXPECT_EQ(post_message(ana, {{"account", "wa-main"}, {"to", "+491511234567"}, {"text", "x"}}).status, 403);
  give(id, "ana");
  const Answer sent = post_message(ana, {{"conversation", "conv_" + id}, {"text", "Good day"}});
  ASSERT_EQ(sent.status, 202) << sent.body;
  EXPECT_EQ(as(ana, request("GET", "/api/v1/messages/" + sent.json["id"].get<std::string>())).json["agent"], "agent_ana");
  const Answer held = as(ana, request("GET", "/api/v1/conversations/conv_" + id));
  EXPECT_EQ(held.json["owner"], "agent_ana");
  EXPECT_EQ(held.json["queue"], "queue_hall");
  EXPECT_EQ(post_message(ana, {{"conversation", "conv_" + id}, {"account", "other"}, {"text", "x"}}).code(), "other_account");
  EXPECT_EQ(post_message(ana, {{"conversation", "conv_" + id}, {"to", "+4940"}, {"text", "x"}}).code(), "other_recipient");
  EXPECT_EQ(post_message(admin, {{"conversation", "conv_" + id}, {"text", "From the house"}}).status, 202);
}

TEST_F(ApiTest, MediaGoesUpIsSentAndComesDownAsADownload) {
  add_agent("ana");
  const std::string ana = key_of_role("agent", "ana");
  const std::string bob = (add_agent("bob"), key_of_role("agent", "bob"));
  HttpRequest up = request("POST", "/api/v1/media?filename=..%2Fa%22b%C3%A4.svg", "<svg onload=alert(1)>");
  up.headers.set("content-type", "image/svg+xml");
  const Answer stored = as(ana, std::move(up));
  ASSERT_EQ(stored.status, 201) << stored.body;
  const std::string id = stored.json["id"];
  const Answer down = as(ana, request("GET", "/api/v1/media/" + id));
  EXPECT_EQ(down.status, 200);
  EXPECT_EQ(down.body, "<svg onload=alert(1)>");
  EXPECT_EQ(down.headers.get("content-type"), "image/svg+xml");
  EXPECT_EQ(down.headers.get("x-content-type-options"), "nosniff");
  EXPECT_EQ(down.headers.get("content-security-policy"), "sandbox; default-src 'none'");
  EXPECT_EQ(down.headers.get("content-disposition"), "attachment; filename=\"a_b__.svg\"; filename*=UTF-8''a%22b%C3%A4.svg");
  EXPECT_EQ(as(bob, request("GET", "/api/v1/media/" + id)).status, 404) << "somebody else's upload";
  EXPECT_EQ(as(admin, request("GET", "/api/v1/media/" + id)).status, 200);
  for (const char* bad : {"media_x", "media_../../etc/passwd", "x", "msg_1.1"})
    EXPECT_EQ(as(admin, request("GET", std::string("/api/v1/media/") + bad)).status, 404) << bad;

  const std::string conversation = citizen_writes("hello");
  give(conversation, "ana");
  const Answer sent =
      as(ana, request("POST", "/api/v1/messages",
                      json{{"conversation", "conv_" + conversation}, {"media", {{"id", id}, {"kind", "image"}}}}.dump()));
  ASSERT_EQ(sent.status, 202) << sent.body;
  const Answer shown = as(ana, request("GET", "/api/v1/messages/" + sent.json["id"].get<std::string>()));
  EXPECT_EQ(shown.json["media"]["sha256"], id.substr(6));
  EXPECT_EQ(as(bob, request("GET", "/api/v1/media/" + sent.json["id"].get<std::string>())).status, 200) << "of his queue";

  // Named in a header it is her file all the same, with its type, and nobody else's.
  HttpRequest another = request("POST", "/api/v1/media?filename=plan.png", "no picture");
  another.headers.set("content-type", "image/png");
  const std::string bobs = as(bob, std::move(another)).json["id"];
  const auto headed = [&](const std::string& key, const std::string& file, const std::string& where) {
    json body = where == "template"
                    ? json{{"template", {{"name", "n"}, {"language", "en"}, {"header", {{"media", {{"id", file}}}}}}}}
                    : json::parse(R"({"text":"x","buttons":{"buttons":[{"id":"y","title":"Yes"}],"header":{"media":{}}}})");
    if (where == "buttons") body["buttons"]["header"]["media"]["id"] = file;
    body["conversation"] = "conv_" + conversation;
    return post_message(key, body);
  };
  for (const char* const where : {"template", "buttons"}) {
    EXPECT_EQ(headed(ana, bobs, where).code(), "unknown_media") << where;
    EXPECT_EQ(headed(ana, bobs.substr(6), where).code(), "unknown_media") << where;
    EXPECT_EQ(headed(ana, "media_" + std::string(64, '0'), where).code(), "unknown_media") << where;
    const Answer went = headed(admin, bobs, where);
    ASSERT_EQ(went.status, 202) << where << went.body;
    const Answer seen = as(ana, request("GET", "/api/v1/messages/" + went.json["id"].get<std::string>()));
    EXPECT_EQ(seen.json["media"]["sha256"], bobs.substr(6)) << where;
    EXPECT_EQ(seen.json["media"]["mime"], "image/png") << where;
  }

  HttpRequest big = request("POST", "/api/v1/media");
  big.headers.add("content-length", std::to_string((1 << 20) + 1));
  big.headers.set("content-type", "image/png");
  EXPECT_EQ(send(big).status, 401) << "no credentials, no body is read";
  big.headers.add("authorization", "Bearer " + ana);
  EXPECT_EQ(send(big).status, 413);
}

TEST_F(ApiTest, UploadsUnderWayAreBounded) {
  HttpRequest head = request("POST", "/api/v1/media");
  head.headers.add("authorization", "Bearer x");
  head.headers.add("content-length", std::to_string(1 << 20));
  int admitted = 0;
  for (int i = 0; i < 600; ++i) admitted += std::holds_alternative<std::size_t>(api->admit(head)) ? 1 : 0;
  EXPECT_EQ(admitted, 512);
  wall.ms += 61'000;
  EXPECT_TRUE(std::holds_alternative<std::size_t>(api->admit(head))) << "those that never came are forgotten";
}

TEST_F(ApiTest, QueuesSkillsAccounts) {
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/water", R"({"skills":["pipes:2"]})")).code(), "unknown_skill");
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/skills/pipes", R"({"name":"Pipes"})")).status, 201);
  const Answer made =
      as(admin, request("PUT", "/api/v1/queues/water",
                        R"({"name":"Waterworks","offer_timeout_s":30,"wrapup_s":0,"mode":"auto","skills":["pipes:2"]})"));
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(
      made.json,
      json::parse(
          R"({"id":"queue_water","name":"Waterworks","mode":"auto","offer_timeout_s":30,"wrapup_s":0,"priority":0,"skills":["pipes:2"],"sticky_s":0,"steps":[],"hours":"always","zone":"UTC","open":true,"open_why":"regular","sla":{}})"));
  const char* const steps =
      R"([{"after_s":30,"lower_levels":1,"drop":[]},{"after_s":60,"lower_levels":0,"drop":["pipes"],"add":"queue_hall"}])";
  EXPECT_EQ(
      as(admin, request("PUT", "/api/v1/queues/water", std::string(R"({"sticky_s":20,"steps":)") + steps + "}")).json["steps"],
      json::parse(steps));
  struct Wrong {
    const char* body;
    const char* says;
  };
  for (const Wrong& wrong :
       {Wrong{R"({"skills":["pipes:6"]})", "with a level of 1 to 5"},
        Wrong{R"({"skills":["pipes:1","pipes:2"]})", "names pipes twice"},
        Wrong{R"({"skills":["art"]})", "there is no such skill"}, Wrong{R"({"sticky_s":-1})", "`sticky_s`"},
        Wrong{R"({"steps":[{"after_s":30,"lower_levels":5}]})", "`steps[0].lower_levels`"},
        Wrong{R"({"steps":[{"lower_levels":1}]})", "`steps[0].after_s` is missing"},
        Wrong{R"({"steps":[{"after_s":3}]})", "ask for nothing less in step 1"},
        Wrong{R"({"steps":[{"after_s":3,"lower_levels":1},{"after_s":3,"lower_levels":2}]})", "are not in order: step 2"},
        Wrong{R"({"steps":[{"after_s":3,"add":"nowhere"}]})", "there is no such queue"},
        Wrong{R"({"steps":[{"after_s":3,"drop":["art"]}]})", "there is no such skill"},
        Wrong{R"({"steps":[{"after_s":3,"lower":1}]})", "`steps[0].lower` is not known here"},
        Wrong{R"({"steps":[7]})", "`steps[0]` must be an object"}, Wrong{R"({"steps":7})", "`steps` must be an array"},
        Wrong{R"({"hours":"mon-fri 08:00-17:00"})", "`zone` is missing"},
        Wrong{R"({"zone":"Europe/Berlin"})", "`zone` means nothing without"},
        Wrong{R"({"hours":"mon-fri 08:00-12:00,11:00-17:00","zone":"Europe/Berlin"})", "overlaps"},
        Wrong{R"({"hours":"mon-fri 08:00-17:00","zone":"Europe/Berlim"})", "Berlim"}}) {
    const Answer refused = as(admin, request("PUT", "/api/v1/queues/water", wrong.body));
    EXPECT_EQ(refused.status, 422) << wrong.body;
    EXPECT_NE(refused.body.find(wrong.says), std::string::npos) << wrong.body << " -> " << refused.body;
  }
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/water")).json["steps"], json::parse(steps)) << "nothing changed";
  // Hours, and what goes before them.
  const Answer hours =
      as(admin, request("PUT", "/api/v1/queues/water", R"({"hours":"never; 2020-01-01 08:00-09:00","zone":"Europe/Berlin"})"));
  EXPECT_EQ(hours.json["open"], false) << hours.body;
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/water/emergency", R"({"state":"open"})")).status, 422) << "without a reason";
  const Answer flood =
      as(admin, request("PUT", "/api/v1/queues/water/emergency", R"({"state":"open","reason":"flood, as told","for_s":3600})"));
  EXPECT_EQ(flood.json["open"], true) << flood.body;
  EXPECT_EQ(flood.json["open_why"], "emergency");
  EXPECT_EQ(flood.json["open_note"], "flood, as told");
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/water/emergency", R"({"state":"none"})")).json["open"], false);
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/none/emergency", R"({"state":"none"})")).status, 404);
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/water", R"({"priority":3})")).json["priority"], 3);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues?limit=1")).json["next"], "queue_hall");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues?after=queue_hall")).json["items"][0]["id"], "queue_water");
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/Wasser!", "{}")).code(), "invalid_id");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/none")).status, 404);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/skills")).json["items"][0]["name"], "Pipes");
  EXPECT_EQ(as(admin, request("DELETE", "/api/v1/skills/pipes")).status, 204);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/accounts")).json["items"][0]["id"], "wa-main");
}

TEST_F(ApiTest, CannedReplies) {
  const auto put = [this](const std::string& as_whom, const std::string& body) {
    return as(as_whom, request("PUT", "/api/v1/canned/hello", body));
  };
  EXPECT_EQ(put(admin, R"({"shortcut":"hi","text":"Good day {name}","queues":["queue_hall"]})").status, 201);
  EXPECT_EQ(put(admin, R"({"shortcut":"hi","text":"Good day, {name}","language":"en"})").status, 200);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/canned")).body,
            R"({"items":[{"id":"hello","shortcut":"hi","text":"Good day, {name}","language":"en"}],"next":null})");
  EXPECT_EQ(put(admin, R"({"shortcut":"two words","text":"x"})").status, 422);
  EXPECT_EQ(put(admin, R"({"shortcut":"x"})").status, 422);
  EXPECT_EQ(put(admin, R"({"shortcut":"x","text":"x","language":"English"})").status, 422);
  EXPECT_EQ(as(admin, request("DELETE", "/api/v1/canned/hello")).status, 204);
  EXPECT_EQ(as(admin, request("DELETE", "/api/v1/canned/hello")).status, 404);
}

TEST_F(ApiTest, IdsOfAgentsAndQueuesHaveAPrefixAndAreTakenPlainToo) {
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/queue_water", "{}")).json["id"], "queue_water");
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/water", "{}")).status, 200) << "the same one";
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues")).json["items"].size(), 2U);
  const Answer made =
      as(admin, request("POST", "/api/v1/agents",
                        R"({"login":"a","name":"Ana","id":"agent_ana","queues":["queue_water","water","hall"]})"));
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json["id"], "agent_ana");
  EXPECT_EQ(made.json["queues"], json({"queue_water", "queue_hall"}));
  EXPECT_NE(
      as(admin, request("POST", "/api/v1/agents", R"({"login":"b","name":"B","id":"ana"})")).body.find("agent agent_ana already"),
      std::string::npos);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/agents?after=agent_ana")).json["items"].size(), 0U);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/agents?after=queue_ana")).code(), "invalid_parameter");
  for (const char* agent : {"ana", "agent_ana"}) {
    const Answer key = as(admin, request("POST", "/api/v1/keys", json{{"role", "agent"}, {"agent", agent}}.dump()));
    ASSERT_EQ(key.status, 201) << key.body;
    EXPECT_EQ(key.json["agent"], "agent_ana");
    EXPECT_EQ(as(key.json["key"], request("GET", "/api/v1/session")).json["agent"]["id"], "agent_ana");
  }
  EXPECT_EQ(as(admin, request("GET", "/api/v1/accounts")).json["items"][0]["queue"], "queue_hall");
}

TEST_F(ApiTest, AnIdOfTheOtherKindIsRefused) {
  add_agent("ana");
  for (const char* path : {"/api/v1/agents/queue_ana", "/api/v1/agents/agent_agent_ana"}) {
    EXPECT_EQ(as(admin, request("GET", path)).code(), "not_found") << path;
    EXPECT_EQ(as(admin, request("PUT", path, "{}")).code(), "not_found") << path;
    EXPECT_EQ(as(admin, request("DELETE", path)).code(), "not_found") << path;
  }
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/agent_hall")).code(), "not_found");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/agent_hall/choice")).code(), "not_found");
  for (const char* id : {"agent_hall", "queue_queue_hall", "queue_agent_hall", "queue_"})
    EXPECT_EQ(as(admin, request("PUT", std::string("/api/v1/queues/") + id, "{}")).code(), "invalid_id") << id;
  for (const char* id : {"queue_bob", "agent_agent_bob", "agent_queue_bob"}) {
    const Answer made = as(admin, request("POST", "/api/v1/agents", json{{"login", "bob"}, {"name", "Bob"}, {"id", id}}.dump()));
    EXPECT_EQ(made.status, 422) << id;
    EXPECT_NE(made.body.find("`id` is not an agent's id"), std::string::npos) << made.body;
  }
  const Answer lost = as(admin, request("PUT", "/api/v1/agents/ana", R"({"queues":["agent_hall"]})"));
  EXPECT_EQ(lost.status, 422);
  EXPECT_NE(lost.body.find("`queues` holds something that is not a queue's id"), std::string::npos) << lost.body;
  EXPECT_EQ(as(admin, request("POST", "/api/v1/keys", R"({"role":"agent","agent":"queue_hall"})")).status, 422);
}

TEST_F(ApiTest, TransitionsArePagedAndFiltered) {
  for (int i = 1; i <= 5; ++i) {
    redis.stream.push_back({"100000000000" + std::to_string(i) + "-0",
                            {"k", "queued", "v", i % 2 == 0 ? "2" : "1", "g", "1", "a", "", "q", "hall", "t", "1800000000000",
                             "x", i == 3 ? R"({"load":1})" : "why"}});
  }
  const Answer first = as(admin, request("GET", "/api/v1/audit/transitions?limit=2"));
  ASSERT_EQ(first.json["items"].size(), 2U) << first.body;
  EXPECT_EQ(first.json["items"][0]["conversation"], "conv_1");
  EXPECT_EQ(first.json["items"][0]["queue"], "queue_hall");
  EXPECT_FALSE(first.json["items"][0].contains("agent"));
  EXPECT_EQ(first.json["items"][0]["at"], "2027-01-15T08:00:00.000Z");
  const Answer second = as(admin, request("GET", "/api/v1/audit/transitions?after=" + first.json["next"].get<std::string>()));
  EXPECT_EQ(second.json["items"].size(), 3U);
  EXPECT_EQ(second.json["items"][0]["reasons"]["load"], 1);
  EXPECT_TRUE(second.json["next"].is_null());
  EXPECT_EQ(as(admin, request("GET", "/api/v1/audit/transitions?conversation=conv_2")).json["items"].size(), 2U);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/audit/transitions?last=1")).json["items"][0]["id"], "1000000000005-0");
  redis.stream.push_back(
      {"1000000000006-0", {"k", "agent", "v", "", "g", "0", "a", "ana", "q", "hall,water", "t", "1800000000000"}});
  const Answer news = as(admin, request("GET", "/api/v1/audit/transitions?last=1"));
  EXPECT_EQ(news.json["items"][0]["agent"], "agent_ana");
  EXPECT_EQ(news.json["items"][0]["queue"], "queue_hall,queue_water") << "all of his";
  EXPECT_EQ(as(admin, request("GET", "/api/v1/audit/transitions?after=x")).code(), "invalid_parameter");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/audit/transitions?last=0")).code(), "invalid_parameter");
}

TEST_F(ApiTest, GoalsAreCheckedAndKept) {
  const Answer made = as(
      admin, request("PUT", "/api/v1/queues/hall",
                     R"({"sla":{"answer_s":60,"first_reply_s":300,"next_reply_s":600,"resolve_s":28800,"within_percent":80}})"));
  EXPECT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json["sla"].dump(),
            R"({"answer_s":60,"first_reply_s":300,"next_reply_s":600,"resolve_s":28800,"within_percent":80})");
  struct Wrong {
    const char* sla;
    const char* says;
  };
  for (const auto& [sla, says] :
       {Wrong{R"("5m")", "`sla` must be an object"}, Wrong{R"([])", "`sla` must be an object"},
        Wrong{R"({"first_reply_s":0})", "`sla.first_reply_s` must be a whole number from 1"},
        Wrong{R"({"resolve_s":-1})", "`sla.resolve_s` must be"}, Wrong{R"({"resolve_s":"8h"})", "`sla.resolve_s` must be"},
        Wrong{R"({"first_replie_s":9})", "`sla.first_replie_s` is not known"},
        Wrong{R"({"within_percent":80})", "without saying what that is"},
        Wrong{R"({"answer_s":9,"first_reply_s":3})", "longer than the first reply"}}) {
    const Answer wrong = as(admin, request("PUT", "/api/v1/queues/hall", std::string(R"({"sla":)") + sla + "}"));
    EXPECT_EQ(wrong.status, 422) << sla;
    EXPECT_NE(wrong.json["detail"].get<std::string>().find(says), std::string::npos) << wrong.body;
  }
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/hall")).json["sla"]["answer_s"], 60) << "nothing was changed";
  EXPECT_EQ(as(admin, request("PUT", "/api/v1/queues/hall", R"({"sla":{}})")).json["sla"].dump(), "{}");
}

TEST_F(ApiTest, WhoWaitsAndHowItStands) {
  as(admin, request("PUT", "/api/v1/queues/hall", R"({"sla":{"first_reply_s":300,"resolve_s":3600}})"));
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/hall/waiting")).status, 503) << "no snapshot yet";
  citizen_writes("hello");
  store->snapshot([&](Result<routing::Snapshot> snapshot) { mirror.reset(std::move(*snapshot)); });
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/none/waiting")).status, 404);
  EXPECT_EQ(as(admin, request("GET", "/api/v1/queues/hall/waiting?after=1.x")).status, 422);
  EXPECT_EQ(send(request("GET", "/api/v1/queues/hall/waiting")).status, 401);
  const Answer list = as(admin, request("GET", "/api/v1/queues/hall/waiting"));
  ASSERT_EQ(list.json["items"].size(), 1U) << list.body;
  const auto one = list.json["items"][0];
  EXPECT_EQ(one["position"], 1);
  EXPECT_TRUE(one["estimate"].is_null());
  EXPECT_EQ(one["sla"]["first_reply"]["state"], "due");
  EXPECT_EQ(list.body.find("hello"), std::string::npos);
  const std::string path = "/api/v1/conversations/" + one["conversation"].get<std::string>();
  EXPECT_EQ(as(admin, request("GET", path)).json["sla"], one["sla"]);
  wall.ms += 150'001;
  EXPECT_EQ(as(admin, request("GET", path)).json["sla"]["first_reply"]["state"], "predicted")
      << "half of it is over, and nobody is there";
  wall.ms += 150'000;
  EXPECT_EQ(as(admin, request("GET", path)).json["sla"]["first_reply"]["state"], "breached");
  EXPECT_EQ(as(admin, request("GET", path)).json["sla"]["resolve"]["state"], "due");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/stats")).json["queues"][0]["overdue"], 1);
}

TEST_F(ApiTest, StatsComeFromTheMirror) {
  EXPECT_EQ(as(admin, request("GET", "/api/v1/stats")).status, 503) << "no snapshot yet";
  citizen_writes("hello");
  store->snapshot([&](Result<routing::Snapshot> snapshot) { mirror.reset(std::move(*snapshot)); });
  const Answer stats = as(admin, request("GET", "/api/v1/stats"));
  EXPECT_EQ(stats.json["waiting"], 1);
  EXPECT_EQ(stats.json["queues"][0]["waiting"], 1);
  EXPECT_EQ(stats.json["queues"][0]["id"], "queue_hall");
  EXPECT_EQ(as(admin, request("GET", "/api/v1/status")).json["ready"], true);
  EXPECT_TRUE(stats.json["queues"][0]["estimate"].is_null());
  EXPECT_EQ(stats.json["queues"][0]["slots"], 0);
  EXPECT_FALSE(stats.json["queues"][0]["service_level"].contains("percent")) << "no goal";
  const Answer choice = as(admin, request("GET", "/api/v1/queues/queue_hall/choice"));
  EXPECT_TRUE(choice.json["agent"].is_null());
  EXPECT_EQ(choice.json["queue"], "queue_hall");
}

TEST_F(ApiTest, HistoryIsSummedBySteps) {
  routing::Counts morning, evening;
  morning.add(routing::Tally::kOpened, 3);
  morning.add(routing::Span::kWait, 12'000);
  evening.add(routing::Tally::kOpened, 2);
  redis.hashes["{belfry}:hist:20270115"] = {{"08|hall|wa|es", morning.write()}, {"23|hall|wa|es", evening.write()}, {"x", "0=9"}};
  redis.hashes["{belfry}:hist:20270116"] = {{"02|works|sms|", evening.write()}, {"09|hall|wa|en", morning.write()}};
  redis.strings["{belfry}:histat"] = "1800000000000-3";
  const std::string path = "/api/v1/stats/history?from=2027-01-15T00:00:00Z&to=2027-01-17T00:00:00Z";
  const auto opened = [&](const std::string& query) {
    const Answer answer = as(admin, request("GET", path + query));
    EXPECT_EQ(answer.status, 200) << answer.body;
    std::map<std::string, int> out;
    for (const auto& item : answer.json["items"])
      out[item["at"].get<std::string>().substr(0, 16) + " " + item["key"].get<std::string>()] = item["opened"];
    return out;
  };
  using Opened = std::map<std::string, int>;
  EXPECT_EQ(opened(""), (Opened{{"2027-01-15T00:00 ", 5}, {"2027-01-16T00:00 ", 5}}));
  EXPECT_EQ(
      opened("&step=hour&by=channel"),
      (Opened{{"2027-01-15T08:00 wa", 3}, {"2027-01-15T23:00 wa", 2}, {"2027-01-16T02:00 sms", 2}, {"2027-01-16T09:00 wa", 3}}));
  EXPECT_EQ(opened("&zone=America/Lima&by=language"),
            (Opened{{"2027-01-15T05:00 es", 5}, {"2027-01-15T05:00 ", 2}, {"2027-01-16T05:00 en", 3}}))
      << "02:00 there is still the day before";
  EXPECT_EQ(opened("&step=week&by=queue"), (Opened{{"2027-01-11T00:00 queue_hall", 8}, {"2027-01-11T00:00 queue_works", 2}}));
  EXPECT_EQ(opened("&step=month&zone=Europe/Madrid"), (Opened{{"2026-12-31T23:00 ", 10}}));
  EXPECT_EQ(opened("&queue=queue_hall&language=es"), (Opened{{"2027-01-15T00:00 ", 5}}));
  EXPECT_EQ(opened("&channel=web"), Opened{});
  const Answer all = as(admin, request("GET", path));
  EXPECT_EQ(all.json["counted_to"], "2027-01-15T08:00:00.000Z");
  EXPECT_EQ(all.json["totals"][0]["opened"], 10);
  EXPECT_EQ(all.json["totals"][0]["wait"], json({{"count", 2}, {"mean_s", 12}, {"p50_s", 15}, {"p90_s", 15}, {"max_s", 15}}));
  EXPECT_TRUE(all.json["totals"][0]["handle"].is_null());
  const Answer csv = as(admin, request("GET", path + "&format=csv&by=queue"));
  EXPECT_EQ(csv.headers.get("content-disposition"), "attachment; filename=\"history.csv\"");
  EXPECT_EQ(csv.body.substr(0, csv.body.find(',')), "at");
  EXPECT_NE(csv.body.find("2027-01-15T00:00:00.000Z,\"queue_hall\",\"\",5,0"), std::string::npos) << csv.body;
  for (const char* wrong : {"&from=yesterday", "&step=minute", "&by=agent", "&zone=Mars/Base", "&queue=A!", "&format=xls",
                            "&to=2026-01-01T00:00:00Z", "&to=2029-01-01T00:00:00Z", "&step=hour&to=2027-03-01T00:00:00Z"}) {
    std::string query = path;
    const std::string name = std::string(wrong).substr(1, std::string(wrong).find('=') - 1);
    if (const auto at = query.find("&to="); at != std::string::npos && std::string(wrong).find("to=") != std::string::npos)
      query.resize(at);
    if (name == "from") query = "/api/v1/stats/history?";
    EXPECT_EQ(as(admin, request("GET", query + wrong)).code(), "invalid_parameter") << wrong;
  }
  EXPECT_EQ(as(admin, request("GET", "/api/v1/stats/history?colour=red")).code(), "unknown_parameter");
  EXPECT_EQ(as(key_of_role("integration"), request("GET", path)).status, 200);
}

TEST_F(ApiTest, TheDescriptionIsTrue) {
  const Answer answer = send(request("GET", "/api/v1/openapi.json"));
  ASSERT_EQ(answer.status, 200);
  EXPECT_EQ(answer.json["openapi"], "3.1.0");
  // What it describes is there, and takes what it says. (That all that is there is described is checked by the count.)
  int operations = 0;
  for (const auto& [path, item] : answer.json["paths"].items()) {
    std::string target = "/api/v1" + path;
    for (auto at = target.find('{'); at != std::string::npos; at = target.find('{'))
      target.replace(at, target.find('}') - at + 1, "x");
    std::set<std::string> described;
    for (const auto& [method, operation] : item.items()) {
      if (method == "parameters") continue;
      ++operations;
      std::string upper = method;
      for (char& c : upper) c = static_cast<char>(std::toupper(c));
      described.insert(upper);
      EXPECT_TRUE(operation.contains("responses")) << method << " " << path;
    }
    const Answer wrong = as(admin, request("BREW", target));
    EXPECT_EQ(wrong.status, 405) << path;
    std::set<std::string> allowed;
    std::string list(wrong.headers.get("allow"));
    for (std::size_t at = 0; at < list.size();) {
      const auto comma = std::min(list.find(", ", at), list.size());
      if (list.substr(at, comma - at) != "HEAD") allowed.insert(list.substr(at, comma - at));
      at = comma + 2;
    }
    EXPECT_EQ(described, allowed) << path;
  }
  EXPECT_EQ(operations, 64);
}

}  // namespace
}  // namespace belfry::gateway
