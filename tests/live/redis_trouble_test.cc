// The link over TCP and TLS, and a disk that is full.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "gateway/redis_durability.h"
#include "gateway/redis_link.h"
#include "gateway/redis_server.h"
#include "gateway/tls.h"

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using routing::Value;

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(fd);
  return ::ntohs(address.sin_port);
}

std::string key(int i) { return std::string("k").append(std::to_string(i)); }

class RedisTrouble : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/belfry-trouble-XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  void TearDown() override {
    if (server_) {
      bool stopped = false;
      server_->stop([&](Result<void>) { stopped = true; });
      EXPECT_TRUE(until([&] { return stopped; }, 10s));
    }
    if (mounted_) ::umount2(dir_.c_str(), MNT_DETACH);
    fs::remove_all(dir_);
  }

  void start_server(std::vector<std::string> more) {
    RedisServerOptions o;
    o.state_dir = dir_;
    o.maxmemory = 100 << 20;
    o.more = std::move(more);
    server_ = std::make_unique<RedisServer>(loop_, std::move(o));
    server_->on_news = [this](const RedisServer::News& news) { deaths_ += news.what == RedisServer::What::kDied ? 1 : 0; };
    ASSERT_TRUE(server_->start().has_value());
  }

  bool until(const std::function<bool()>& what, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!what()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop_.restart();
      loop_.run_for(5ms);
    }
    return true;
  }

  Result<Value> ask(RedisLink& link, std::vector<std::string_view> words) {
    std::optional<Result<Value>> answer;
    link.command(routing::encode(words), [&](Result<Value> reply) { answer = std::move(reply); });
    EXPECT_TRUE(until([&] { return answer.has_value(); }, 20s));
    return answer.value_or(fail(Errc::kInternal, "no answer"));
  }

  asio::io_context loop_{1};
  std::string dir_;
  std::unique_ptr<RedisServer> server_;
  int deaths_ = 0;
  bool mounted_ = false;
};

TEST_F(RedisTrouble, OverTcp) {
  const std::string port = std::to_string(free_port());
  start_server({"--port", port, "--bind", "127.0.0.1"});
  RedisLink link(loop_, parse_redis_url("redis://localhost:" + port).value());
  link.start();
  ASSERT_TRUE(until([&] { return link.up(); }, 5s)) << link.last_error().detail;
  const std::string big(5'000'000, 'x');
  EXPECT_EQ(ask(link, {"SET", "big", big})->text, "OK");
  EXPECT_EQ(ask(link, {"GET", "big"})->text, big);
  link.stop();
  EXPECT_FALSE(link.up());
  EXPECT_EQ(ask(link, {"PING"}).error().code, Errc::kUnavailable);
}

TEST_F(RedisTrouble, OverTlsOnlyToWhomWeTrust) {
  const auto files = self_signed(dir_, {"localhost", "127.0.0.1"});
  ASSERT_TRUE(files.has_value());
  const std::string port = std::to_string(free_port());
  start_server({"--tls-port", port, "--tls-cert-file", files->cert_file, "--tls-key-file", files->key_file, "--tls-auth-clients",
                "no", "--bind", "127.0.0.1"});
  const auto trusting = make_client_tls(files->cert_file);
  const auto strict = make_client_tls("");
  ASSERT_TRUE(trusting.has_value() && strict.has_value());
  auto target = parse_redis_url("rediss://127.0.0.1:" + port).value();
  target.tls = trusting->get();
  RedisLink link(loop_, target);
  target.tls = strict->get();
  RedisLink refusing(loop_, target);
  target.tls = nullptr;
  RedisLink without(loop_, target);
  link.start();
  refusing.start();
  without.start();
  ASSERT_TRUE(until([&] { return link.up(); }, 5s)) << link.last_error().detail;
  EXPECT_EQ(ask(link, {"SET", "k", "v"})->text, "OK");
  const std::string big(3'000'000, 'y');
  EXPECT_EQ(ask(link, {"ECHO", big})->text, big);
  EXPECT_FALSE(until([&] { return refusing.up() || without.up(); }, 500ms));
  EXPECT_EQ(refusing.last_error().code, Errc::kUnavailable);
}

TEST_F(RedisTrouble, HowDurableItIs) {
  start_server({"--user", "blind", "on", "nopass", "~*", "&*", "+@all", "-config"});
  auto target = parse_redis_url("unix://" + server_->socket_path()).value();
  RedisLink link(loop_, target);
  target.user = "blind";
  target.password = Secret("any");
  RedisLink blind(loop_, target);
  link.start();
  blind.start();
  ASSERT_TRUE(until([&] { return link.up() && blind.up(); }, 5s));
  const auto facts = [&](RedisLink& over) {
    std::optional<Result<RedisFacts>> read;
    read_redis_facts(over, [&](Result<RedisFacts> found) { read = std::move(found); });
    EXPECT_TRUE(until([&] { return read.has_value(); }, 5s));
    EXPECT_TRUE(read && read->has_value());
    return read->value_or(RedisFacts{});
  };
  auto f = facts(link);
  EXPECT_EQ(name_of(f.durability), "always");
  EXPECT_TRUE(f.known);
  EXPECT_EQ(f.version.substr(0, 2), "7.");
  EXPECT_EQ(f.maxmemory, 100 << 20);
  EXPECT_GT(f.used_memory, 0);
  EXPECT_EQ(refusal_to_start(f, "always"), "");
  EXPECT_FALSE(facts(blind).known);
  EXPECT_NE(refusal_to_start(facts(blind), "everysec").find("CONFIG GET"), std::string::npos);
  ask(link, {"CONFIG", "SET", "appendfsync", "everysec"});
  f = facts(link);
  EXPECT_EQ(name_of(f.durability), "everysec");
  EXPECT_EQ(refusal_to_start(f, "everysec"), "");
  EXPECT_NE(refusal_to_start(f, "always").find("redis.durability = \"everysec\""), std::string::npos);
  ask(link, {"CONFIG", "SET", "appendonly", "no", "maxmemory-policy", "allkeys-lru"});
  f = facts(link);
  EXPECT_EQ(name_of(f.durability), "none");
  EXPECT_NE(refusal_to_start(f, "everysec").find("noeviction"), std::string::npos);
  // Our own server is put right again.
  std::optional<Result<Value>> answer;
  link.command(server_->settings_command(), [&](Result<Value> reply) { answer = std::move(reply); });
  ASSERT_TRUE(until([&] { return answer.has_value(); }, 10s));
  EXPECT_EQ(refusal_to_start(facts(link), "always"), "");
}

// Under `always` a failed write ends redis-server: nothing it acknowledged is lost, and it works again once there is room.
TEST_F(RedisTrouble, AFullDiskLosesNothingAcknowledged) {
  if (::mount("tmpfs", dir_.c_str(), "tmpfs", 0, "size=8m") != 0) GTEST_SKIP() << "needs the right to mount";
  mounted_ = true;
  start_server({});
  const auto ballast = [&](int mib) {
    std::ofstream(dir_ + "/ballast") << std::string(static_cast<std::size_t>(mib) << 20, 'b');
  };
  ballast(4);
  RedisLink link(loop_, parse_redis_url("unix://" + server_->socket_path()).value());
  link.start();
  ASSERT_TRUE(until([&] { return link.up(); }, 5s));
  const std::string body(50'000, 'x');
  std::set<int> acknowledged;
  int refused = 0;
  for (int i = 0; i < 200; ++i) {
    link.command(routing::encode({"SET", key(i), body}), [&, i](Result<Value> reply) {
      if (reply && !reply->is_error()) {
        acknowledged.insert(i);
      } else {
        ++refused;
      }
    });
  }
  ASSERT_TRUE(until([&] { return static_cast<int>(acknowledged.size()) + refused == 200; }, 10s));
  EXPECT_GT(acknowledged.size(), 10U);
  EXPECT_GT(refused, 10);
  ASSERT_TRUE(until([&] { return deaths_ > 0; }, 5s));
  fs::remove(dir_ + "/ballast");
  const auto roomy = std::chrono::steady_clock::now();
  ASSERT_TRUE(until([&] { return link.up(); }, 10s)) << link.last_error().detail;
  EXPECT_LT(std::chrono::steady_clock::now() - roomy, 6s);
  EXPECT_EQ(ask(link, {"SET", "after", body})->text, "OK");
  for (const int i : acknowledged) EXPECT_EQ(ask(link, {"STRLEN", key(i)})->integer, 50'000) << i;
}

}  // namespace
}  // namespace belfry::gateway
