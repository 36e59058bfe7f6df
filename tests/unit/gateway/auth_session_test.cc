#include "tests/unit/gateway/api_house.h"

namespace belfry::gateway {
namespace {

class AuthTest : public ApiHouse {
 protected:
  Answer login(const std::string& name, const std::string& password, const std::string& peer = "127.0.0.1",
               const std::string& origin = {}) {
    HttpRequest r = request("POST", "/api/v1/session", nlohmann::json{{"login", name}, {"password", password}}.dump());
    r.peer = peer;
    if (!origin.empty()) r.headers.add("origin", origin);
    return send(std::move(r));
  }
  static std::string cookie_of(const Answer& answer) {
    const std::string set(answer.headers.get("set-cookie"));
    return set.substr(0, set.find(';'));
  }
  HttpRequest with_cookie(const std::string& cookie, HttpRequest r, bool csrf = true) {
    r.headers.add("cookie", "other=1; " + cookie);
    if (csrf) r.headers.add("x-belfry-csrf", "1");
    return r;
  }
  Result<Subject> redeem(const std::string& ticket, const std::string& origin) {
    Result<Subject> out = fail(Errc::kInternal, "not called");
    auth.redeem_ticket(ticket, origin, [&](Result<Subject> subject) { out = std::move(subject); });
    return out;
  }
};

TEST_F(AuthTest, SignInWhoAmISignOut) {
  add_agent("ana@city");
  const Answer in = login("Ana@City", "correct horse");
  ASSERT_EQ(in.status, 200) << in.body;
  EXPECT_EQ(in.json["agent"]["id"], "agent_ana-city");
  EXPECT_EQ(in.json["id"], "agent_ana-city");
  EXPECT_EQ(in.json["roles"], nlohmann::json({"agent"}));
  const std::string cookie = cookie_of(in);
  EXPECT_TRUE(cookie.starts_with("belfry=")) << cookie;
  EXPECT_NE(in.headers.get("set-cookie").find("; HttpOnly; Path=/; SameSite=Strict"), std::string_view::npos);
  EXPECT_FALSE(redis.anywhere(cookie.substr(7))) << "the token itself is stored";
  EXPECT_FALSE(redis.anywhere("correct horse")) << "the password itself is stored";

  const Answer me = send(with_cookie(cookie, request("GET", "/api/v1/session"), false));
  EXPECT_EQ(me.status, 200);
  EXPECT_EQ(me.json["agent"]["name"], "The ana@city");
  EXPECT_EQ(send(request("GET", "/api/v1/session")).status, 401);

  const Answer out = send(with_cookie(cookie, request("DELETE", "/api/v1/session")));
  EXPECT_EQ(out.status, 204);
  EXPECT_NE(out.headers.get("set-cookie").find("Max-Age=0"), std::string_view::npos);
  EXPECT_EQ(send(with_cookie(cookie, request("GET", "/api/v1/session"))).status, 401);
}

TEST_F(AuthTest, UnknownLoginAndWrongPasswordAnswerAlike) {
  add_agent("ana");
  const Answer wrong = login("ana", "wrong horse");
  const Answer unknown = login("nobody", "wrong horse");
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.body, unknown.body);
  EXPECT_EQ(wrong.headers.size(), unknown.headers.size());
  EXPECT_EQ(wrong.code(), "wrong_credentials");
}

TEST_F(AuthTest, TriesAreLimitedByLoginAndByAddress) {
  for (int i = 0; i < 10; ++i) EXPECT_EQ(login("ana", "xxxxxxxx").status, 401);
  const Answer limited = login("ana", "xxxxxxxx");
  EXPECT_EQ(limited.status, 429);
  EXPECT_FALSE(limited.headers.get("retry-after").empty());
  EXPECT_EQ(login("bob", "xxxxxxxx").status, 401) << "another login is not touched";
  wall.ms += 6'001;
  EXPECT_EQ(login("ana", "xxxxxxxx").status, 401);
  // From elsewhere: an IPv6 /64 is one address.
  int refused = 0;
  for (int i = 0; i < 32; ++i)
    refused += login("u" + std::to_string(i), "xxxxxxxx", "2001:db8:1:2::" + std::to_string(i)).status == 429 ? 1 : 0;
  EXPECT_EQ(refused, 2);
  EXPECT_EQ(login("v", "xxxxxxxx", "2001:db8:1:3::1").status, 401);
}

TEST_F(AuthTest, HttpsCookieIsHostBound) {
  add_agent("ana");
  HttpRequest r = request("POST", "/api/v1/session", R"({"login":"ana","password":"correct horse"})");
  r.scheme = "https";
  const Answer in = send(std::move(r));
  EXPECT_TRUE(in.headers.get("set-cookie").starts_with("__Host-belfry="));
  EXPECT_NE(in.headers.get("set-cookie").find("Secure; "), std::string_view::npos);
  // The https cookie is not believed on http, nor the other way round.
  EXPECT_EQ(send(with_cookie(cookie_of(in), request("GET", "/api/v1/session"))).status, 401);
  HttpRequest secure = with_cookie(cookie_of(in), request("GET", "/api/v1/session"));
  secure.scheme = "https";
  EXPECT_EQ(send(std::move(secure)).status, 200);
}

TEST_F(AuthTest, CookieThatChangesStateNeedsHeaderAndOwnOrigin) {
  add_agent("ana");
  const std::string cookie = cookie_of(login("ana", "correct horse"));
  const auto ticket = [&](bool csrf, const std::string& origin) {
    HttpRequest r = with_cookie(cookie, request("POST", "/api/v1/tickets", R"({"for":"desk"})"), csrf);
    if (!origin.empty()) r.headers.add("origin", origin);
    return send(std::move(r));
  };
  EXPECT_EQ(ticket(false, "").code(), "cross_site");
  EXPECT_EQ(ticket(true, "https://evil.example").code(), "cross_site");
  EXPECT_EQ(ticket(true, "null").code(), "cross_site");
  EXPECT_EQ(ticket(true, "https://chat.city.example.evil.example").code(), "cross_site");
  EXPECT_EQ(ticket(true, "").status, 201);
  EXPECT_EQ(ticket(true, "https://CHAT.city.example:443").status, 201) << "public_url";
  EXPECT_EQ(ticket(true, "http://127.0.0.1:8443").status, 201) << "the address it was sent to";
  EXPECT_EQ(login("ana", "correct horse", "127.0.0.1", "https://evil.example").status, 403);
}

TEST_F(AuthTest, CookieOpensNoSocket) {
  add_agent("ana");
  HttpRequest r = with_cookie(cookie_of(login("ana", "correct horse")), request("GET", "/ws/desk"));
  r.protocol = "websocket";
  bool called = false;
  auth.authenticate(r, [&](Result<Subject> subject) {
    called = true;
    EXPECT_FALSE(subject);
  });
  EXPECT_TRUE(called);
}

TEST_F(AuthTest, TicketIsSingleUseBoundToOriginAndShort) {
  add_agent("ana");
  const std::string cookie = cookie_of(login("ana", "correct horse"));
  const auto ticket = [&] {
    HttpRequest r = with_cookie(cookie, request("POST", "/api/v1/tickets", R"({"for":"desk"})"));
    r.headers.add("origin", "https://chat.city.example");
    return send(std::move(r)).json.value("ticket", "");
  };
  const std::string good = ticket();
  const auto subject = redeem(good, "https://chat.city.example");
  ASSERT_TRUE(subject);
  EXPECT_EQ(subject->agent, "ana");
  EXPECT_EQ(subject->queues, std::vector<std::string>{"hall"});
  EXPECT_EQ(redeem(good, "https://chat.city.example").error().code, Errc::kUnauthorized) << "used";
  EXPECT_EQ(redeem(ticket(), "https://evil.example").error().code, Errc::kForbidden);
  EXPECT_EQ(redeem("x", "https://chat.city.example").error().code, Errc::kUnauthorized);
  const std::string late = ticket();
  wall.ms += 30'001;
  EXPECT_EQ(redeem(late, "https://chat.city.example").error().code, Errc::kUnauthorized);
  const std::string orphan = ticket();
  EXPECT_EQ(send(with_cookie(cookie, request("DELETE", "/api/v1/session"))).status, 204);
  EXPECT_EQ(redeem(orphan, "https://chat.city.example").error().code, Errc::kUnauthorized) << "its session ended";
}

TEST_F(AuthTest, SessionSlidesAndEnds) {
  add_agent("ana");
  const std::string cookie = cookie_of(login("ana", "correct horse"));
  const auto alive = [&] { return send(with_cookie(cookie, request("GET", "/api/v1/session"))).status == 200; };
  for (int i = 0; i < 5; ++i) {
    wall.ms += 11 * 3'600'000LL;
    EXPECT_TRUE(alive()) << i;
  }
  wall.ms += 12 * 3'600'000LL;
  EXPECT_FALSE(alive());
}

TEST_F(AuthTest, NewPasswordAndRemovalEndSessions) {
  add_agent("ana");
  const std::string first = cookie_of(login("ana", "correct horse"));
  EXPECT_EQ(as_operator(request("PUT", "/api/v1/agents/ana/password", R"({"password":"battery staple"})")).status, 204);
  EXPECT_EQ(send(with_cookie(first, request("GET", "/api/v1/session"))).status, 401);
  EXPECT_EQ(login("ana", "correct horse").status, 401);
  const std::string second = cookie_of(login("ana", "battery staple"));
  EXPECT_EQ(send(with_cookie(second, request("GET", "/api/v1/session"))).status, 200);
  const std::string key = key_of_role("agent", "ana");
  EXPECT_EQ(as(key, request("GET", "/api/v1/session")).status, 200);
  EXPECT_EQ(as_operator(request("DELETE", "/api/v1/agents/ana")).status, 204);
  EXPECT_EQ(send(with_cookie(second, request("GET", "/api/v1/session"))).status, 401);
  EXPECT_EQ(login("ana", "battery staple").status, 401);
  EXPECT_EQ(as(key, request("GET", "/api/v1/session")).status, 401) << "a key in his name";
  EXPECT_EQ(as_operator(request("GET", "/api/v1/agents/ana")).status, 404);
}

TEST_F(AuthTest, KeysWorkAreListedAndRevoked) {
  const std::string key = key_of_role("integration");
  EXPECT_TRUE(key.starts_with("bfk_"));
  EXPECT_EQ(key.size(), 47U);
  EXPECT_FALSE(redis.anywhere(key.substr(4)));
  const Answer me = as(key, request("GET", "/api/v1/session"));
  EXPECT_EQ(me.json["kind"], "key");
  EXPECT_EQ(me.json["roles"], nlohmann::json({"integration"}));
  const Answer list = as_operator(request("GET", "/api/v1/keys"));
  ASSERT_EQ(list.json["items"].size(), 1U);
  EXPECT_FALSE(list.json["items"][0].contains("key"));
  const std::string id = list.json["items"][0]["id"];
  EXPECT_EQ(as(key, request("DELETE", "/api/v1/keys/" + id)).status, 403);
  EXPECT_EQ(as_operator(request("DELETE", "/api/v1/keys/" + id)).status, 204);
  EXPECT_EQ(as(key, request("GET", "/api/v1/session")).status, 401);
  EXPECT_EQ(as_operator(request("DELETE", "/api/v1/keys/" + id)).status, 404);
}

// Whatever takes away what a desk was opened with says so on the agent's channel, after it is taken away.
TEST_F(AuthTest, WhatEndsAccessTellsTheOpenDesks) {
  const std::pair<std::string, std::string> told{"{belfry}:a:ana", "look again"};
  const auto says = [&](const std::string& what, const Answer& answer) {
    EXPECT_EQ(answer.status / 100, 2) << what;
    ASSERT_FALSE(redis.published.empty()) << what;
    EXPECT_EQ(redis.published.back(), told) << what;
    redis.published.clear();
  };
  add_agent("ana");
  redis.published.clear();
  const std::string cookie = cookie_of(login("ana", "correct horse"));
  EXPECT_TRUE(redis.published.empty());
  says("sign-out", send(with_cookie(cookie, request("DELETE", "/api/v1/session"))));
  const std::string key = key_of_role("agent", "ana");
  const std::string id = as_operator(request("GET", "/api/v1/keys")).json["items"][0]["id"];
  says("a revoked key", as_operator(request("DELETE", "/api/v1/keys/" + id)));
  says("a new password", as_operator(request("PUT", "/api/v1/agents/ana/password", R"({"password":"battery staple"})")));
  says("a removed agent", as_operator(request("DELETE", "/api/v1/agents/ana")));
  key_of_role("integration");
  const std::string program = as_operator(request("GET", "/api/v1/keys")).json["items"][0]["id"];
  EXPECT_EQ(as_operator(request("DELETE", "/api/v1/keys/" + program)).status, 204);
  ASSERT_EQ(redis.published.size(), 1U) << "of no agent: only what shards believe of keys is forgotten";
  EXPECT_EQ(redis.published.front().first, "{belfry}:auth");
}

TEST_F(AuthTest, BadCredentialsAllLookAlike) {
  const std::string key = key_of_role("admin");
  const std::string good = "Bearer " + key;
  for (const std::string& header :
       {std::string("Bearer bfk_" + std::string(43, 'A')), std::string("Bearer x"), std::string("Basic YTpi"), key,
        "Bearer " + key + "x", std::string("Bearer"), std::string("")}) {
    HttpRequest r = request("GET", "/api/v1/session");
    r.headers.add("authorization", header);
    const Answer answer = send(std::move(r));
    EXPECT_EQ(answer.status, 401) << header;
    EXPECT_EQ(answer.code(), "unauthorized");
  }
  HttpRequest twice = request("GET", "/api/v1/session");
  twice.headers.add("authorization", good);
  twice.headers.add("authorization", good);
  EXPECT_EQ(send(std::move(twice)).status, 401);
}

TEST_F(AuthTest, StoreDownIs503) {
  const std::string key = key_of_role("admin");
  redis.down = true;
  wall.ms += 6'000;  // past the cache
  const Answer answer = as(key, request("GET", "/api/v1/session"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_FALSE(answer.headers.get("retry-after").empty());
  redis.down = false;
  store_up = false;
  EXPECT_EQ(as(key, request("GET", "/api/v1/session")).status, 503);
  EXPECT_EQ(send(request("GET", "/api/v1/openapi.json")).status, 200) << "needs no store";
}

TEST(Origin, Normalised) {
  EXPECT_EQ(origin_of("https://Chat.City.example:443/x?y"), "https://chat.city.example");
  EXPECT_EQ(origin_of("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
  EXPECT_EQ(origin_of("http://[::1]:80"), "http://[::1]");
  EXPECT_EQ(origin_of("wss://a.example"), "https://a.example");
  for (const char* bad : {"", "null", "a.example", "file:///x", "https://", "https://user@a.example"})
    EXPECT_EQ(origin_of(bad), "") << bad;
}

}  // namespace
}  // namespace belfry::gateway
