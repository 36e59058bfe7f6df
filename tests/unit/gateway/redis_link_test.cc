// The link against a peer that misbehaves. What a real Redis does is in tests/live.
#include "gateway/redis_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <asio/io_context.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace belfry::gateway {
namespace {

using namespace std::chrono_literals;
using Socket = asio::local::stream_protocol::socket;

constexpr std::string_view kHandshake = "+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";  // SETNAME, PING, ROLE

class RedisLinkTest : public testing::Test {
 protected:
  struct Peer {
    explicit Peer(Socket s) : socket(std::move(s)) {}
    Socket socket;
    std::string heard;
    bool gone = false;
    std::array<char, 65536> buffer{};
    void say(std::string_view bytes) {
      std::error_code ignored;
      asio::write(socket, asio::buffer(bytes), ignored);
    }
  };

  void SetUp() override {
    char name[] = "/tmp/belfry-link-XXXXXX";
    dir_ = ::mkdtemp(name);
    acceptor_ =
        std::make_unique<asio::local::stream_protocol::acceptor>(loop_, asio::local::stream_protocol::endpoint(dir_ + "/s"));
    accept();
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  void accept() {
    acceptor_->async_accept([this](const std::error_code& error, Socket socket) {
      if (error) return;
      peers_.push_back(std::make_shared<Peer>(std::move(socket)));
      read(peers_.back());
      if (on_peer_) on_peer_(*peers_.back());
      accept();
    });
  }
  void read(const std::shared_ptr<Peer>& peer) {
    peer->socket.async_read_some(asio::buffer(peer->buffer), [this, peer](const std::error_code& error, std::size_t size) {
      if (error) {
        peer->gone = true;
        return;
      }
      peer->heard.append(peer->buffer.data(), size);
      read(peer);
    });
  }

  RedisLinkOptions options() const {
    RedisLinkOptions o;
    o.first_backoff_ms = 10;
    o.last_backoff_ms = 40;
    o.connect_timeout_ms = 200;
    o.tick_ms = 10;
    o.limits = {.max_reply = 1000, .max_elements = 50, .max_line = 500};
    return o;
  }
  std::unique_ptr<RedisLink> make(RedisLinkOptions o) {
    RedisTarget target;
    target.address = "unix:" + dir_ + "/s";
    auto link = std::make_unique<RedisLink>(loop_, target, std::move(o));
    link->on_up = [this] { ++ups_; };
    link->on_down = [this](const Error& why) { downs_.push_back(why); };
    return link;
  }
  bool until(const std::function<bool()>& what, std::chrono::milliseconds patience = 3s) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!what()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop_.restart();
      loop_.run_for(2ms);
    }
    return true;
  }
  // A link that is up, and its peer.
  std::unique_ptr<RedisLink> up() {
    on_peer_ = [](Peer& peer) { peer.say(kHandshake); };
    auto link = make(options());
    link->start();
    EXPECT_TRUE(until([&] { return link->up(); }));
    return link;
  }

  asio::io_context loop_{1};
  std::string dir_;
  std::unique_ptr<asio::local::stream_protocol::acceptor> acceptor_;
  std::vector<std::shared_ptr<Peer>> peers_;
  std::function<void(Peer&)> on_peer_;
  int ups_ = 0;
  std::vector<Error> downs_;
};

TEST_F(RedisLinkTest, TheHandshakeAndOneWriteForOneTurn) {
  RedisTarget target;
  target.address = "unix:" + dir_ + "/s";
  target.user = "me";
  target.password = Secret("secret");
  on_peer_ = [](Peer& peer) { peer.say(std::string("+OK\r\n").append(kHandshake)); };
  RedisLink link(loop_, target, options());
  link.start();
  ASSERT_TRUE(until([&] { return link.up(); }));
  EXPECT_EQ(peers_[0]->heard, routing::encode({"AUTH", "me", "secret"}) + routing::encode({"CLIENT", "SETNAME", "belfry"}) +
                                  routing::encode({"PING"}) + routing::encode({"ROLE"}));
}

TEST_F(RedisLinkTest, RepliesInAnySplit) {
  on_peer_ = [&](Peer& peer) {
    for (const char c : kHandshake) {
      peer.say({&c, 1});
      loop_.poll();
    }
  };
  auto link = make(options());
  link->start();
  ASSERT_TRUE(until([&] { return link->up(); }));
  std::vector<std::string> texts;
  for (int i = 0; i < 3; ++i)
    link->command(routing::encode({"X"}), [&](Result<routing::Value> r) { texts.push_back(r ? r->text : "error"); });
  for (const char c : std::string_view("+a\r\n$2\r\nbb\r\n-ERR c\r\n")) {
    peers_[0]->say({&c, 1});
    loop_.restart();
    loop_.poll();
  }
  ASSERT_TRUE(until([&] { return texts.size() == 3; }));
  EXPECT_EQ(texts, (std::vector<std::string>{"a", "bb", "ERR c"}));
}

// Whatever ends the connection, each call hears it once, and the link comes back on a new one.
TEST_F(RedisLinkTest, WhateverEndsAConnection) {
  const std::vector<std::pair<std::string, std::function<void(Peer&)>>> ends = {
      {"closed", [](Peer& p) { p.socket.close(); }},
      {"nonsense", [](Peer& p) { p.say("hello?\r\n"); }},
      {"half a reply, then closed",
       [](Peer& p) {
         p.say("$5\r\nab");
         p.socket.close();
       }},
      {"too large", [](Peer& p) { p.say(std::string("$5000\r\n").append(std::string(2'000, 'x'))); }},
      {"an endless line", [](Peer& p) { p.say(std::string(900, 'x').insert(0, 1, '+')); }},
      {"more answers than questions", [](Peer& p) { p.say("+a\r\n+b\r\n+c\r\n"); }},
  };
  for (const auto& [name, end] : ends) {
    peers_.clear();
    downs_.clear();
    auto link = up();
    std::vector<Result<routing::Value>> heard;
    for (int i = 0; i < 2; ++i)
      link->command(routing::encode({"X"}), [&](Result<routing::Value> r) { heard.push_back(std::move(r)); });
    ASSERT_TRUE(until([&] { return peers_.at(0)->heard.ends_with("X\r\n"); })) << name;
    const int before = ups_;
    end(*peers_[0]);
    ASSERT_TRUE(until([&] { return ups_ == before + 1; })) << name;
    ASSERT_EQ(heard.size(), 2U) << name;
    if (name != "more answers than questions") {
      EXPECT_EQ(heard[0].error().code, Errc::kClosed) << name;
      EXPECT_EQ(heard[1].error().code, Errc::kClosed) << name;
    }
    EXPECT_EQ(downs_.size(), 1U) << name;
    EXPECT_EQ(link->outstanding(), 0U) << name;
    EXPECT_EQ(peers_.size(), 2U) << name;
  }
}

TEST_F(RedisLinkTest, AnUnsaidHandshakeIsTriedAgainWithBackoff) {
  std::vector<std::chrono::steady_clock::time_point> arrivals;
  on_peer_ = [&](Peer& peer) {
    arrivals.push_back(std::chrono::steady_clock::now());
    peer.socket.close();
  };
  auto o = options();
  o.first_backoff_ms = 20;
  o.last_backoff_ms = 160;
  double next = 0.0;
  o.jitter = [&] { return next = next == 0.0 ? 0.999 : 0.0; };
  auto link = make(o);
  link->start();
  ASSERT_TRUE(until([&] { return arrivals.size() == 8; }, 10s));
  EXPECT_EQ(ups_, 0);
  EXPECT_TRUE(downs_.empty());  // it was never up
  const auto gap = [&](std::size_t i) { return arrivals[i + 1] - arrivals[i]; };
  EXPECT_GE(gap(0), 19ms);  // all of 20
  EXPECT_GE(gap(1), 19ms);  // half of 40
  EXPECT_GE(gap(4), 150ms);
  EXPECT_GE(gap(5), 75ms);
  EXPECT_LT(gap(5), 150ms);  // half of 160, and never more than the last
}

TEST_F(RedisLinkTest, APeerThatSaysNothingIsLeft) {
  auto link = make(options());
  link->start();
  ASSERT_TRUE(until([&] { return peers_.size() >= 2 && peers_[0]->gone; }));
  EXPECT_EQ(ups_, 0);
  EXPECT_EQ(link->last_error().code, Errc::kTimeout);
}

TEST_F(RedisLinkTest, ADeadlineTakesTheConnectionWithIt) {
  auto link = up();
  std::vector<std::pair<int, Errc>> heard;
  const auto ask = [&](int n, std::int64_t deadline_ms) {
    link->command(
        routing::encode({"X"}),
        [&heard, n](Result<routing::Value> r) { heard.emplace_back(n, r ? Errc::kConflict : r.error().code); }, deadline_ms);
  };
  ask(0, 10'000);
  ask(1, 60);
  ask(2, 10'000);
  peers_[0]->say("+first\r\n");
  ASSERT_TRUE(until([&] { return heard.size() == 3; }));
  EXPECT_EQ(heard, (std::vector<std::pair<int, Errc>>{{0, Errc::kConflict}, {1, Errc::kTimeout}, {2, Errc::kTimeout}}));
  EXPECT_EQ(link->counts().timeouts, 1U);
  ASSERT_TRUE(until([&] { return peers_[0]->gone && link->up(); }));
  // A late answer on the old connection reaches nobody; the new one starts clean.
  ask(3, 10'000);
  ASSERT_TRUE(until([&] { return peers_.back()->heard.ends_with("X\r\n"); }));
  peers_.back()->say("+again\r\n");
  ASSERT_TRUE(until([&] { return heard.size() == 4; }));
  EXPECT_EQ(heard[3], (std::pair{3, Errc::kConflict}));
}

TEST_F(RedisLinkTest, CallbacksMayDoAnything) {
  auto link = up();
  int calls = 0, refused = 0;
  // Asking from an answer, from a failure, and from on_down.
  std::function<void(Result<routing::Value>)> again = [&](Result<routing::Value>) {
    if (++calls < 5) link->command(routing::encode({"X"}), again);
  };
  link->on_down = [&](const Error&) {
    link->command(routing::encode({"X"}), [&](Result<routing::Value> r) { refused += r ? 100 : 1; });
  };
  link->command(routing::encode({"X"}), again);
  peers_[0]->say("+a\r\n");
  ASSERT_TRUE(until([&] { return calls == 1; }));
  peers_[0]->socket.close();
  ASSERT_TRUE(until([&] { return calls == 5 && refused == 1; })) << calls;
  link->on_down = [&](const Error&) { link.reset(); };
  ASSERT_TRUE(until([&] { return link->up(); }));
  peers_.back()->socket.close();
  EXPECT_TRUE(until([&] { return link == nullptr; }));
}

TEST_F(RedisLinkTest, StopIsTheEnd) {
  auto link = up();
  std::vector<Errc> heard;
  link->command(routing::encode({"X"}), [&](Result<routing::Value> r) { heard.push_back(r.error().code); });
  link->stop();
  EXPECT_EQ(heard, (std::vector<Errc>{Errc::kClosed}));
  EXPECT_FALSE(link->up());
  EXPECT_FALSE(until([&] { return peers_.size() > 1; }, 200ms));
}

// A server with one replica; every call is answered with +ok, each WAIT with what the test says.
class ReplicaTest : public RedisLinkTest {
 protected:
  static constexpr std::string_view kWithReplica =
      "+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$1\r\nh\r\n$1\r\n1\r\n$1\r\n0\r\n";

  std::unique_ptr<RedisLink> up_with(std::string_view handshake, std::optional<int> min_replicas) {
    on_peer_ = [handshake](Peer& peer) { peer.say(handshake); };
    RedisTarget target;
    target.address = "unix:" + dir_ + "/s";
    target.min_replicas = min_replicas;
    auto link = std::make_unique<RedisLink>(loop_, target, options());
    link->start();
    EXPECT_TRUE(until([&] { return link->up(); }));
    peers_.back()->heard.clear();
    return link;
  }
  void call(RedisLink& link, std::initializer_list<std::string_view> words) {
    link.command(routing::encode(words),
                 [this](Result<routing::Value> r) { heard_.push_back(r ? r->text : std::string(name_of(r.error().code))); });
  }
  bool peer_hears(const std::string& bytes) {
    const bool yes = until([&] { return peers_.back()->heard.size() >= bytes.size(); });
    EXPECT_EQ(peers_.back()->heard, bytes);
    return yes;
  }
  void settle() {
    for (int i = 0; i < 20; ++i) {
      loop_.restart();
      loop_.run_for(1ms);
    }
  }
  std::vector<std::string> heard_;
  using Heard = std::vector<std::string>;
  const std::string set_ = routing::encode({"SET", "k", "v"}), get_ = routing::encode({"GET", "k"}),
                    wait_ = routing::encode({"WAIT", "1", "1000"});
};

TEST_F(ReplicaTest, OneWaitForAllThatWasWrittenInOneTurn) {
  auto link = up_with(kWithReplica, 1);
  call(*link, {"SET", "k", "v"});
  call(*link, {"GET", "k"});
  call(*link, {"SET", "k", "v"});
  ASSERT_TRUE(peer_hears(set_ + get_ + set_ + wait_));
  peers_[0]->say("+a\r\n+b\r\n+c\r\n");
  settle();
  EXPECT_EQ(heard_, Heard{}) << "no replica has it yet";
  EXPECT_EQ(link->outstanding(), 4U);
  peers_[0]->say(":1\r\n");
  ASSERT_TRUE(until([&] { return heard_.size() == 3; }));
  EXPECT_EQ(heard_, (Heard{"a", "b", "c"}));
  EXPECT_EQ(link->outstanding(), 0U);
}

TEST_F(ReplicaTest, TooFewReplicasFailWhatWroteAndNothingElse) {
  auto link = up_with(kWithReplica, 1);
  std::vector<bool> told;
  link->on_replicas = [&](bool kept) { told.push_back(kept); };
  for (const char* answer : {":0\r\n", "-UNBLOCKED force unblock\r\n", ":1\r\n"}) {
    heard_.clear();
    peers_[0]->heard.clear();
    call(*link, {"SET", "k", "v"});
    call(*link, {"GET", "k"});
    call(*link, {"SET", "k", "v"});
    ASSERT_TRUE(peer_hears(set_ + get_ + set_ + wait_));
    peers_[0]->say(std::string("+a\r\n+b\r\n-WRONGTYPE c\r\n") + answer);
    ASSERT_TRUE(until([&] { return heard_.size() == 3; }));
    EXPECT_EQ(heard_, (Heard{std::string_view(answer) == ":1\r\n" ? "a" : "timeout", "b", "WRONGTYPE c"})) << answer;
  }
  EXPECT_TRUE(link->up());
  EXPECT_EQ(link->counts().unreplicated, 2U);
  EXPECT_EQ(told, (std::vector<bool>{false, true}));
}

TEST_F(ReplicaTest, WhatIsWrittenWhileItWaitsSharesTheNext) {
  auto link = up_with(kWithReplica, 1);
  call(*link, {"SET", "k", "v"});
  ASSERT_TRUE(peer_hears(set_ + wait_));
  peers_[0]->say("+a\r\n");
  for (int i = 0; i < 3; ++i) {
    call(*link, {"SET", "k", "v"});
    settle();
  }
  ASSERT_TRUE(peer_hears(set_ + wait_ + set_ + set_ + set_));
  peers_[0]->say(":1\r\n");
  ASSERT_TRUE(peer_hears(set_ + wait_ + set_ + set_ + set_ + wait_));
  EXPECT_EQ(heard_, Heard{"a"});
  peers_[0]->say("+b\r\n+c\r\n+d\r\n:1\r\n");
  ASSERT_TRUE(until([&] { return heard_.size() == 4; }));
  EXPECT_EQ(heard_, (Heard{"a", "b", "c", "d"}));
}

TEST_F(ReplicaTest, ReadsAloneAreNotWaitedFor) {
  auto link = up_with(kWithReplica, 1);
  call(*link, {"GET", "k"});
  ASSERT_TRUE(peer_hears(get_));
  peers_[0]->say("+a\r\n");
  ASSERT_TRUE(until([&] { return heard_.size() == 1; }));
  settle();
  EXPECT_EQ(peers_[0]->heard, get_);
}

TEST_F(ReplicaTest, ALinkThatFallsBeforeTheReplicaAnsweredLeavesItUnknown) {
  auto link = up_with(kWithReplica, 1);
  call(*link, {"SET", "k", "v"});
  call(*link, {"GET", "k"});
  call(*link, {"SET", "k", "v"});
  ASSERT_TRUE(peer_hears(set_ + get_ + set_ + wait_));
  peers_[0]->say("+a\r\n+b\r\n");
  settle();
  peers_[0]->socket.close();
  ASSERT_TRUE(until([&] { return heard_.size() == 3; }));
  EXPECT_EQ(heard_, (Heard{"closed", "b", "closed"}));
  EXPECT_TRUE(until([&] { return link->up(); }));
}

TEST_F(ReplicaTest, ALinkThatIsDestroyedTellsNobody) {
  auto link = up_with(kWithReplica, 1);
  call(*link, {"SET", "k", "v"});
  ASSERT_TRUE(peer_hears(set_ + wait_));
  peers_[0]->say("+a\r\n");
  settle();
  link.reset();
  settle();
  EXPECT_EQ(heard_, Heard{});
}

TEST_F(ReplicaTest, WhoIsWaitedFor) {
  const struct {
    const char* what;
    std::string_view handshake;
    std::optional<int> min_replicas;
    int wanted;
  } rows[] = {
      {"never, and there is one", kWithReplica, 0, 0},
      {"never, and there is none", kHandshake, 0, 0},
      {"unset, and there is one", kWithReplica, std::nullopt, 1},
      {"unset, and there is none", kHandshake, std::nullopt, 0},
      {"two, and there is one", kWithReplica, 2, 2},
      {"one, and there is none", kHandshake, 1, 1},
      {"unset, and an ACL hides it", "+OK\r\n+PONG\r\n-NOPERM no\r\n", std::nullopt, 0},
  };
  for (const auto& row : rows) {
    auto link = up_with(row.handshake, row.min_replicas);
    EXPECT_EQ(link->replicas_wanted(), row.wanted) << row.what;
    call(*link, {"SET", "k", "v"});
    ASSERT_TRUE(until([&] { return peers_.back()->heard.size() >= set_.size(); }));
    settle();
    EXPECT_EQ(peers_.back()->heard.substr(set_.size()),
              row.wanted == 0 ? std::string() : routing::encode({"WAIT", std::to_string(row.wanted), "1000"}))
        << row.what;
  }
}

TEST_F(ReplicaTest, AServerWithoutItsReplicaIsStillWaitedOn) {
  auto link = up_with(kWithReplica, std::nullopt);
  on_peer_ = [](Peer& peer) { peer.say(kHandshake); };
  peers_[0]->socket.close();
  ASSERT_TRUE(until([&] { return peers_.size() == 2 && link->up(); }));
  EXPECT_EQ(link->replicas_wanted(), 1);
}

}  // namespace
}  // namespace belfry::gateway
