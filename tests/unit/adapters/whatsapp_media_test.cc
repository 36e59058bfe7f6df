// Fetching a citizen's file: the two steps, each failing in turn, and who is shown the token.
#include "adapters/whatsapp/media.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace belfry::whatsapp {
namespace {

using nlohmann::json;

Account account() {
  Account made;
  made.id = "city";
  made.phone_number_id = "1065";
  made.access_token = Secret("secret-token");
  return made;
}

HttpResponse resolved(const std::string& url = "https://lookaside.fbsbx.com/x?mid=1", std::int64_t size = 10) {
  HttpResponse made;
  made.body =
      json{{"url", url}, {"mime_type", "image/png"}, {"sha256", std::string(64, 'c')}, {"file_size", size}, {"id", "77"}}.dump();
  return made;
}
HttpResponse status(int code, const json& body = {}) {
  HttpResponse made;
  made.status = code;
  made.body = body.is_null() ? std::string() : body.dump();
  return made;
}

struct World {
  explicit World(Account of = account()) : fetcher(std::move(of), 1'000'000) {}

  Now now() const { return {{ms}, {ms}}; }
  void take(Effects effects) {
    call.reset();
    fetch.reset();
    wake.reset();
    for (Effect& effect : effects) {
      if (auto* c = std::get_if<Call>(&effect)) call = std::move(*c);
      if (auto* f = std::get_if<Fetch>(&effect)) fetch = std::move(*f);
      if (auto* w = std::get_if<Wake>(&effect)) wake = w->at;
    }
  }
  void want(const std::string& sha256 = std::string(64, 'b')) {
    Effects effects;
    EXPECT_TRUE(fetcher.want(now(), {"msg_1", "77", sha256}, effects));
    take(std::move(effects));
  }
  void hear(Result<HttpResponse> answer) {
    ASSERT_TRUE(call);
    Effects effects;
    fetcher.on_response(now(), call->id, std::move(answer), effects);
    take(std::move(effects));
  }
  void fetched(Result<StoredFile> file) {
    ASSERT_TRUE(fetch);
    Effects effects;
    fetcher.on_fetched(now(), fetch->id, std::move(file), effects);
    take(std::move(effects));
  }
  void sleep() {
    ASSERT_TRUE(wake);
    ms = wake->ms;
    Effects effects;
    fetcher.on_wake(now(), effects);
    take(std::move(effects));
  }
  std::string done() {
    const auto all = fetcher.take_done();
    if (all.empty()) return "";
    EXPECT_EQ(all.size(), 1U);
    EXPECT_EQ(all[0].key, "msg_1");
    EXPECT_EQ(fetcher.jobs(), 0U);
    return all[0].file ? all[0].file->sha256 : std::string(name_of(all[0].file.error().code));
  }

  std::int64_t ms = 0;
  MediaFetcher fetcher;
  std::optional<Call> call;
  std::optional<Fetch> fetch;
  std::optional<Instant> wake;
};

TEST(WhatsappMedia, ResolvesThenFetches) {
  World world;
  world.want();
  EXPECT_EQ(world.call->method, "GET");
  EXPECT_EQ(world.call->url, "https://graph.facebook.com/v26.0/77?phone_number_id=1065");
  EXPECT_EQ(world.call->headers.get("authorization"), "Bearer secret-token");
  world.hear(resolved());
  ASSERT_TRUE(world.fetch);
  EXPECT_EQ(world.fetch->url, "https://lookaside.fbsbx.com/x?mid=1");
  EXPECT_EQ(world.fetch->sha256, std::string(64, 'b'));
  EXPECT_EQ(world.fetch->headers.get("authorization"), "Bearer secret-token");
  EXPECT_THAT(world.fetch->allowed_hosts, testing::ElementsAre("lookaside.fbsbx.com", "graph.facebook.com"));
  EXPECT_EQ(world.fetch->max_bytes, 1'000'000);
  world.fetched(StoredFile{std::string(64, 'b'), 10, "image/png"});
  EXPECT_EQ(world.done(), std::string(64, 'b'));
}

TEST(WhatsappMedia, TakesGraphsDigestIfTheWebhookGaveNone) {
  World world;
  world.want("");
  world.hear(resolved());
  EXPECT_EQ(world.fetch->sha256, std::string(64, 'c'));
}

// Section 12, item 12.
TEST(WhatsappMedia, AnExpiredAddressIsResolvedAgainAtOnce) {
  World world;
  world.want();
  world.hear(resolved());
  world.fetched(fail(Errc::kNotFound, "404"));
  ASSERT_TRUE(world.call);
  world.hear(resolved());
  world.fetched(StoredFile{std::string(64, 'b'), 10, "image/png"});
  EXPECT_EQ(world.done(), std::string(64, 'b'));
}

TEST(WhatsappMedia, ThreeTriesInADay) {
  World world;
  world.want();
  for (int i = 0; i < 2; ++i) {
    world.hear(status(404));
    EXPECT_EQ(world.done(), "");
    world.sleep();
    EXPECT_LE(world.ms, 24LL * 3'600'000);
  }
  world.hear(status(404));
  EXPECT_EQ(world.done(), "not_found");
  EXPECT_FALSE(world.wake);
}

TEST(WhatsappMedia, WhatNeverReachedMetaIsNoTry) {
  World world;
  world.want();
  for (int i = 0; i < 10; ++i) {
    world.hear(fail(Errc::kUnavailable, ""));
    world.sleep();
  }
  world.hear(status(401, {{"error", {{"code", 190}}}}));
  world.sleep();
  world.hear(resolved());
  world.fetched(fail(Errc::kUnavailable, ""));
  world.sleep();
  world.hear(resolved());
  world.fetched(StoredFile{std::string(64, 'b'), 10, ""});
  EXPECT_EQ(world.done(), std::string(64, 'b'));
  World forever;
  forever.want();
  for (int i = 0; i < 1'000 && forever.fetcher.jobs() > 0; ++i) {
    forever.hear(fail(Errc::kUnavailable, ""));
    if (forever.fetcher.jobs() > 0) forever.sleep();
  }
  EXPECT_EQ(forever.done(), "unavailable");
}

TEST(WhatsappMedia, AMediaHostInTroubleIsAskedThreeTimesOnly) {
  World world;
  world.want();
  for (int i = 0; i < 2; ++i) {
    world.hear(resolved());
    world.fetched(fail(Errc::kUnavailable, "status 503"));
    EXPECT_FALSE(world.call);
    world.sleep();
  }
  world.hear(resolved());
  world.fetched(fail(Errc::kUnavailable, "status 503"));
  EXPECT_EQ(world.done(), "not_found");
}

TEST(WhatsappMedia, TheTokenGoesToNobodyElse) {
  for (const char* const url :
       {"https://evil.example/x", "http://lookaside.fbsbx.com/x", "https://lookaside.fbsbx.com@evil.example/",
        "https://lookaside.fbsbx.com.evil.example/", "//lookaside.fbsbx.com/", "", "https:///x",
        "https://evil.example\\@lookaside.fbsbx.com/", "https://evil.example#@lookaside.fbsbx.com/",
        "https://evil.example?.lookaside.fbsbx.com", "ftp://lookaside.fbsbx.com/"}) {
    World world;
    world.want();
    world.hear(resolved(url));
    EXPECT_FALSE(world.fetch) << url;
    EXPECT_EQ(world.done(), "forbidden") << url;
  }
  World upper;
  upper.want();
  upper.hear(resolved("https://LookAside.fbsbx.com:443/x"));
  EXPECT_TRUE(upper.fetch);
  Account local = account();
  local.graph_url = "http://127.0.0.1:8080";
  World loopback(local);
  loopback.want();
  loopback.hear(resolved("http://127.0.0.1:8080/download/1"));
  EXPECT_TRUE(loopback.fetch);
}

TEST(WhatsappMedia, RefusesWhatIsTooLargeOrBroken) {
  World large;
  large.want();
  large.hear(resolved("https://lookaside.fbsbx.com/x", 1'000'001));
  EXPECT_EQ(large.done(), "too_large");
  World late;
  late.want();
  late.hear(resolved());
  late.fetched(fail(Errc::kTooLarge, ""));
  EXPECT_EQ(late.done(), "too_large");
  World broken;
  broken.want();
  broken.hear(resolved());
  broken.fetched(fail(Errc::kBadInput, "digest"));
  broken.hear(resolved());
  broken.fetched(fail(Errc::kBadInput, "digest"));
  broken.sleep();
  broken.hear(resolved());
  broken.fetched(fail(Errc::kBadInput, "digest"));
  EXPECT_EQ(broken.done(), "bad_input");
  World odd;
  odd.want();
  odd.hear(status(200));
  EXPECT_EQ(odd.done(), "");
  EXPECT_TRUE(odd.wake);
}

TEST(WhatsappMedia, RefusesIdsThatAreNone) {
  World world;
  Effects effects;
  for (const char* const id : {"", "../1", "1?x=2", "1/2", "a b", "1#", "%2e"}) {
    EXPECT_FALSE(world.fetcher.want(world.now(), {"k", id, ""}, effects)) << id;
  }
  EXPECT_TRUE(effects.empty());
}

TEST(WhatsappMedia, FetchesEightAtATime) {
  World world;
  Effects effects;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(world.fetcher.want(world.now(), {std::to_string(i), std::to_string(i), ""}, effects));
  std::vector<CallId> calls;
  for (const Effect& effect : effects) {
    if (const auto* call = std::get_if<Call>(&effect)) calls.push_back(call->id);
  }
  EXPECT_EQ(calls.size(), MediaFetcher::kMaxOpen);
  effects.clear();
  world.fetcher.on_response(world.now(), calls[0], status(500), effects);
  EXPECT_TRUE(std::holds_alternative<Call>(effects.at(0)));
  EXPECT_EQ(world.fetcher.jobs(), 20U);
}

}  // namespace
}  // namespace belfry::whatsapp
