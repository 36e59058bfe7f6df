// Where the locator goes, told as a table: what it asks, what it hears, what it answers.
#include "gateway/redis_locator.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::gateway {
namespace {

using routing::Value;

Value text(std::string_view said) { return {Value::Kind::kString, 0, std::string(said), {}}; }
Value error(std::string_view said) { return {Value::Kind::kError, 0, std::string(said), {}}; }
Value number(std::int64_t value) { return {Value::Kind::kInteger, value, {}, {}}; }
Value list(std::vector<Value> items) { return {Value::Kind::kArray, 0, {}, std::move(items)}; }
Value primary(std::string_view host, std::string_view port) { return list({text(host), text(port)}); }
Value node(std::string_view host, std::int64_t port) { return list({text(host), number(port), text("id")}); }

std::string told(const RedisLocator::Next& next) {
  switch (next.what) {
    case RedisLocator::Next::What::kAsk: return "ask " + next.address + (next.with_login ? " with login" : "");
    case RedisLocator::Next::What::kConnect: return "connect " + next.address;
    case RedisLocator::Next::What::kNobody: return "nobody: " + next.why.detail;
  }
  return "?";
}

RedisTarget target(std::string_view url, std::string_view password = "") {
  auto made = parse_redis_url(url).value();
  made.tag = "{belfry}";
  made.password = Secret(std::string(password));
  return made;
}

TEST(RedisLocator, OneServerIsWhereItIs) {
  RedisLocator locator(target("redis://db"));
  EXPECT_FALSE(locator.searches());
  EXPECT_EQ(told(locator.begin()), "connect db:6379");
  EXPECT_EQ(told(locator.begin()), "connect db:6379");
  EXPECT_FALSE(locator.moved("MOVED 1 b:1", "db:6379"));
  EXPECT_EQ(locator.probe(), "");
}

TEST(RedisLocator, SentinelsAreAskedInTurnUntilOneKnows) {
  RedisLocator locator(target("redis+sentinel://a,b:5,[::1]:6/main"));
  EXPECT_TRUE(locator.searches());
  const auto first = locator.begin();
  EXPECT_EQ(told(first), "ask a:26379");
  EXPECT_EQ(first.question, routing::encode({"SENTINEL", "get-master-addr-by-name", "main"}));
  EXPECT_EQ(told(locator.failed({Errc::kUnavailable, "refused"})), "ask b:5");
  EXPECT_EQ(told(locator.answered(Value{})), "ask [::1]:6");
  EXPECT_EQ(told(locator.answered(primary("10.0.0.1", "6379"))), "connect 10.0.0.1:6379");
  locator.served();
  EXPECT_EQ(told(locator.begin()), "ask [::1]:6") << "who knew last time";
  EXPECT_EQ(told(locator.answered(primary("fe80::1", "7"))), "connect [fe80::1]:7");
  EXPECT_EQ(told(locator.begin()), "ask a:26379") << "where he led us nobody served";
}

TEST(RedisLocator, ASearchEnds) {
  RedisLocator locator(target("redis+sentinel://a,b/main"));
  locator.begin();
  EXPECT_EQ(told(locator.answered(error("ERR No such master with that name"))), "ask b:26379");
  EXPECT_EQ(told(locator.answered(Value{})), "nobody: no sentinel knows the primary: it watches nothing of that name");
  EXPECT_EQ(told(locator.begin()).substr(0, 3), "ask");
}

TEST(RedisLocator, OddAnswersOfASentinelAreNone) {
  for (const Value& odd :
       {text("x"), list({}), list({text("h")}), primary("", "1"), primary("h", ""), primary("h", "0"), primary("h", "65536"),
        primary("h", "1x"), primary("h/x", "1"), primary("a b", "1"), list({number(1), number(2)}), error("BUSY x")}) {
    RedisLocator locator(target("redis+sentinel://a/main"));
    locator.begin();
    EXPECT_EQ(told(locator.answered(odd)).substr(0, 6), "nobody") << odd.text;
  }
}

TEST(RedisLocator, ASentinelHearsThePasswordOnlyIfItAsksForOne) {
  RedisLocator locator(target("redis+sentinel://a,b/main", "secret"));
  EXPECT_EQ(told(locator.begin()), "ask a:26379");
  EXPECT_EQ(told(locator.answered(error("NOAUTH Authentication required."))), "ask a:26379 with login");
  EXPECT_EQ(told(locator.answered(error("WRONGPASS no"))), "ask b:26379") << "once";
  RedisLocator without(target("redis+sentinel://a,b/main"));
  without.begin();
  EXPECT_EQ(told(without.answered(error("NOAUTH Authentication required."))), "ask b:26379");
}

TEST(RedisLocator, SlotsAreTheDocumentedOnes) {
  EXPECT_EQ(slot_of("123456789"), 12739);  // the cluster specification's check value, 0x31C3
  EXPECT_EQ(slot_of("{123456789}:x"), 12739);
  EXPECT_EQ(slot_of("a{123456789}{x}"), 12739);
  EXPECT_EQ(slot_of("{}123"), slot_of("{}123"));
  EXPECT_NE(slot_of("{}1"), slot_of("{}2")) << "an empty tag is none";
  EXPECT_EQ(slot_of("foo"), 12182);
}

TEST(RedisLocator, TheOwnerOfOurSlot) {
  const std::int64_t ours = slot_of("{belfry}");
  RedisLocator locator(target("redis+cluster://a:1,b:1", "secret"));
  const auto first = locator.begin();
  EXPECT_EQ(told(first), "ask a:1 with login");
  EXPECT_EQ(first.question, routing::encode({"CLUSTER", "SLOTS"}));
  EXPECT_EQ(locator.probe(), routing::encode({"EXISTS", "{belfry}"}));
  const auto slots = list({list({number(0), number(ours - 1), node("x", 1), node("y", 1)}),
                           list({number(ours), number(ours), node("o", 1), node("p", 1)}),
                           list({number(ours + 1), number(16383), node("z", 1)})});
  EXPECT_EQ(told(locator.answered(slots)), "connect o:1");
  locator.served();
  // All nodes that we heard of are asked now: the seeds may be gone.
  EXPECT_EQ(told(locator.begin()), "ask a:1 with login");
  for (const char* next : {"b:1", "x:1", "y:1", "o:1", "p:1", "z:1"})
    EXPECT_EQ(told(locator.failed({Errc::kUnavailable, "away"})), "ask " + std::string(next) + " with login");
  EXPECT_EQ(told(locator.failed({Errc::kUnavailable, "away"})), "nobody: no node knows who owns our slot: away");
}

TEST(RedisLocator, OddSlotsAreNone) {
  const std::int64_t ours = slot_of("{belfry}");
  const auto asked = [](const Value& slots) {
    RedisLocator locator(target("redis+cluster://seed:1"));
    locator.begin();
    return told(locator.answered(slots)).substr(0, 12);
  };
  EXPECT_EQ(asked(list({list({number(0), number(16383), node("", 7)})})), "connect seed") << "no host: who was asked";
  EXPECT_EQ(asked(list({list({number(0), number(16383), list({Value{}, number(7)})})})), "connect seed");
  for (const Value& odd :
       {list({}), text("x"), list({text("x")}), list({list({number(0), number(16383)})}),
        list({list({number(ours), text("x"), node("h", 1)})}), list({list({number(0), number(16383), node("?", 1)})}),
        list({list({number(0), number(16383), node("h", 0)})}), list({list({number(0), number(16383), text("h")})}),
        error("ERR This instance has cluster support disabled")})
    EXPECT_EQ(asked(odd), "nobody: no n");
}

TEST(RedisLocator, MovedNamesTheOwner) {
  const auto after = [](std::string_view said) {
    RedisLocator locator(target("redis+cluster://seed:1"));
    const std::string sense = locator.moved(said, "from:1") ? "" : "no; ";
    return sense + told(locator.begin());
  };
  EXPECT_EQ(after("MOVED 866 10.0.0.2:6381"), "connect 10.0.0.2:6381");
  EXPECT_EQ(after("MOVED 866 :6381"), "connect from:6381") << "no host: the same";
  EXPECT_EQ(after("MOVED 866 fe80::2:6381"), "connect [fe80::2]:6381");
  EXPECT_EQ(after("MOVED 866 db.city.example:6381"), "connect db.city.example:6381");
  for (const char* odd : {"MOVED", "MOVED ", "MOVED 866", "MOVED 866 h", "MOVED 866 h:", "MOVED 866 h:x", "MOVED 866 ?:1",
                          "MOVED 866 from:1", "ASK 866 h:1", "ERR x"})
    EXPECT_EQ(after(odd), "no; ask seed:1") << odd;
  // Nobody there: the others are asked again.
  RedisLocator locator(target("redis+cluster://seed:1"));
  locator.moved("MOVED 866 h:1", "from:1");
  EXPECT_EQ(told(locator.begin()), "connect h:1");
  EXPECT_EQ(told(locator.begin()).substr(0, 3), "ask");
}

TEST(RedisLocator, WhatItLearnsIsBounded) {
  RedisLocator locator(target("redis+cluster://seed:1"));
  for (int i = 1; i <= 500; ++i) locator.moved("MOVED 866 h:" + std::to_string(i), "from:1");
  locator.begin();
  std::string said = told(locator.begin());
  int asked = 0;
  while (said.starts_with("ask ")) {
    ++asked;
    said = told(locator.failed({Errc::kUnavailable, "away"}));
  }
  EXPECT_EQ(asked, 64);
}

TEST(RedisUrl, SeveralHosts) {
  const auto said = [](std::string_view url) {
    const auto made = parse_redis_url(url);
    if (!made) return made.error().detail;
    std::string all = made->secure ? "tls " : "";
    for (const auto& seed : made->seeds) all += seed + " ";
    return all + made->service;
  };
  EXPECT_EQ(said("redis+sentinel://a,b:5,[::1]/main"), "a:26379 b:5 [::1]:26379 main");
  EXPECT_EQ(said("rediss+sentinel://a/main"), "tls a:26379 main");
  EXPECT_EQ(said("redis+cluster://a,b:7000/"), "a:6379 b:7000 ");
  EXPECT_EQ(said("rediss+cluster://a,a"), "tls a:6379 ");
  EXPECT_EQ(said("redis+sentinel://a,b"),
            "after the sentinels comes the name they watch the primary under: redis+sentinel://host,host/name");
  EXPECT_EQ(said("redis+sentinel://a/m/n"), "the name after the sentinels has letters, digits, dots, - and _");
  EXPECT_EQ(said("redis+sentinel://u:p@a/main"), "no user or password in the URL: use redis.user and redis.password_file");
  EXPECT_EQ(said("redis+cluster://a,b c"), "a host is of letters, digits, '.', '-' and '_', or an IPv6 address");
  EXPECT_EQ(said("redis+sentinel://a,,b/main"), "the host is missing");
  EXPECT_EQ(said("redis+cluster://"), "the host is missing");
  EXPECT_EQ(said("redis+cluster://a,b:0"), "the port is 1 to 65535");
  EXPECT_EQ(said("redis+cluster://a/0"), "only host and port: Belfry uses database 0");
  EXPECT_EQ(said("redis+ring://a"), "unknown scheme");
  EXPECT_EQ(said("redis://a,b"), "one host only; several of them are redis+sentinel:// or redis+cluster://");
  std::string many = "redis+cluster://a";
  for (int i = 0; i < 40; ++i) many += ",a" + std::to_string(i);
  EXPECT_EQ(said(many), "at most 32 hosts; a few are enough, they tell of the others");
}

TEST(MayWrite, KnowsWhatOnlyReads) {
  for (const auto& reads : {std::vector<std::string_view>{"GET", "k"},
                            {"FCALL", "page_0a1b2c3d", "1", "{belfry}"},
                            {"XREAD", "BLOCK", "1"},
                            {"FCALL", "recount_0a1b2c3d", "1", "{belfry}", "7"},
                            {"PING"}})
    EXPECT_FALSE(routing::may_write(routing::encode(reads))) << reads[0];
  for (const auto& writes : {std::vector<std::string_view>{"SET", "k", "GET"},
                             {"FCALL", "ingest_0a1b2c3d", "1", "{belfry}", "page_1"},
                             {"GETDEL", "k"},
                             {"FUNCTION", "LOAD", "x"},
                             {"FCALL"},
                             {""},
                             {"FCALL", "pages_0a1b2c3d"}})
    EXPECT_TRUE(routing::may_write(routing::encode(writes))) << writes[0];
  EXPECT_TRUE(routing::may_write(""));
}

}  // namespace
}  // namespace belfry::gateway
