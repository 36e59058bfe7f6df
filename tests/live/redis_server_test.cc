// The embedded Redis and the link to it, over a real redis-server: what dies, what stays, what comes back.
#include "gateway/redis_server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "gateway/redis_link.h"

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using routing::Value;

// The processes whose working directory is `dir`: redis-server lives in its data directory.
std::vector<int> living_in(const std::string& dir) {
  std::vector<int> pids;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const auto cwd = fs::read_symlink(entry.path() / "cwd", error);
    if (!error && cwd == dir) pids.push_back(std::stoi(name));
  }
  return pids;
}

class RedisServerTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/belfry-redis-XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  void TearDown() override {
    link_.reset();
    server_.reset();
    for (const int pid : living_in(data())) ::kill(pid, SIGKILL);
    until([&] { return living_in(data()).empty(); }, 5s);
    fs::remove_all(dir_);
  }

  std::string data() const { return dir_ + "/redis"; }

  RedisServerOptions options() const {
    RedisServerOptions o;
    o.state_dir = dir_;
    o.maxmemory = 100 << 20;
    o.look_every_ms = 50;
    return o;
  }

  void start_server(RedisServerOptions o) {
    server_ = std::make_unique<RedisServer>(loop_, std::move(o));
    server_->on_news = [this](const RedisServer::News& news) { news_.push_back(news); };
    const auto started = server_->start();
    ASSERT_TRUE(started.has_value()) << started.error().detail;
  }

  void start_link(RedisLinkOptions o = {}) {
    link_ = std::make_unique<RedisLink>(loop_, parse_redis_url("unix://" + server_->socket_path()).value(), std::move(o));
    link_->on_up = [this] { ++ups_; };
    link_->on_down = [this](const Error& why) { downs_.push_back(why); };
    link_->start();
  }

  // Runs the loop until `what` holds.
  bool until(const std::function<bool()>& what, std::chrono::milliseconds patience) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!what()) {
      if (std::chrono::steady_clock::now() >= end) return false;
      loop_.restart();
      loop_.run_for(5ms);
    }
    return true;
  }

  Result<Value> ask(std::initializer_list<std::string_view> words, std::int64_t deadline_ms = 5'000) {
    std::optional<Result<Value>> answer;
    link_->command(
        routing::encode(words), [&](Result<Value> reply) { answer = std::move(reply); }, deadline_ms);
    EXPECT_FALSE(answer.has_value()) << "answered from inside the call";
    EXPECT_TRUE(until([&] { return answer.has_value(); }, 20s));
    return answer.value_or(fail(Errc::kInternal, "no answer"));
  }

  std::string text(std::initializer_list<std::string_view> words) {
    const auto reply = ask(words);
    if (!reply) return std::string(name_of(reply.error().code));
    if (reply->is_nil()) return "nil";
    if (reply->is_integer()) return std::to_string(reply->integer);
    if (reply->is_array()) return reply->array.size() > 1 ? reply->array[1].text : "?";
    return reply->text;
  }

  int count(RedisServer::What what) const {
    return static_cast<int>(std::count_if(news_.begin(), news_.end(), [&](const auto& n) { return n.what == what; }));
  }

  asio::io_context loop_{1};
  std::string dir_;
  std::unique_ptr<RedisServer> server_;
  std::unique_ptr<RedisLink> link_;
  std::vector<RedisServer::News> news_;
  std::vector<Error> downs_;
  int ups_ = 0;
};

TEST_F(RedisServerTest, StartsWithTheSettingsThatMeanDurable) {
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s)) << link_->last_error().detail;
  EXPECT_EQ(count(RedisServer::What::kStarted), 1);
  const std::pair<const char*, const char*> wanted[] = {{"appendonly", "yes"},
                                                        {"appendfsync", "always"},
                                                        {"save", ""},
                                                        {"maxmemory", "104857600"},
                                                        {"maxmemory-policy", "noeviction"},
                                                        {"aof-load-truncated", "yes"},
                                                        {"no-appendfsync-on-rewrite", "no"},
                                                        {"port", "0"},
                                                        {"unixsocketperm", "700"}};
  for (const auto& [key, value] : wanted) EXPECT_EQ(text({"CONFIG", "GET", key}), value) << key;
  // What an adopted server is told is all it can be told.
  std::optional<Result<Value>> answer;
  link_->command(server_->settings_command(), [&](Result<Value> reply) { answer = std::move(reply); });
  ASSERT_TRUE(until([&] { return answer.has_value(); }, 5s));
  EXPECT_EQ((*answer)->text, "OK");

  // The link's own way with commands: order, many in flight, errors about the command as values.
  std::vector<std::int64_t> order;
  for (int i = 0; i < 9'000; ++i) {
    link_->command(routing::encode({"INCR", "n"}), [&](Result<Value> reply) { order.push_back(reply ? reply->integer : -1); });
  }
  EXPECT_EQ(link_->outstanding(), 9'000U);
  ASSERT_TRUE(until([&] { return order.size() == 9'000U; }, 20s));
  for (std::size_t i = 0; i < order.size(); ++i) ASSERT_EQ(order[i], static_cast<std::int64_t>(i) + 1);
  EXPECT_EQ(text({"FCALL", "nothing", "0"}), "ERR Function not found");
  EXPECT_EQ(text({"CLIENT", "GETNAME"}), "belfry");
  EXPECT_EQ(routing::refusal_of(*ask({"FCALL", "nothing", "0"})), routing::Refusal::kNoFunction);

  // Nothing of ours leaks into the server but the lock.
  const int pid = living_in(data()).at(0);
  int listeners = 0;
  bool lock = false;
  for (const auto& fd : fs::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    std::error_code error;
    const std::string to = fs::read_symlink(fd, error);
    lock = lock || to == data();
    listeners += to.starts_with("socket:") ? 1 : 0;
  }
  EXPECT_TRUE(lock);
  EXPECT_LE(listeners, 2);  // its own, and our link
}

TEST_F(RedisServerTest, BoundsWhatIsOutstanding) {
  start_server(options());
  RedisLinkOptions small;
  small.max_commands = 10;
  small.max_octets = 1'000;
  start_link(small);
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  int busy = 0, fine = 0;
  const auto done = [&](Result<Value> reply) {
    if (reply) {
      ++fine;
    } else {
      EXPECT_EQ(reply.error().code, Errc::kBusy);
      ++busy;
    }
  };
  for (int i = 0; i < 15; ++i) link_->command(routing::encode({"PING"}), done);
  EXPECT_EQ(busy, 0);  // never from inside the call
  ASSERT_TRUE(until([&] { return busy + fine == 15; }, 5s));
  EXPECT_EQ(busy, 5);
  link_->command(routing::encode({"ECHO", std::string(2'000, 'x')}), done);
  ASSERT_TRUE(until([&] { return busy == 6; }, 5s));
}

TEST_F(RedisServerTest, TenKilledParentsLeaveOneServer) {
  int server_pid = 0;
  for (int round = 0; round < 10; ++round) {
    const pid_t parent = ::fork();
    ASSERT_GE(parent, 0);
    if (parent == 0) {
      // A belfryd in small: starts or adopts, and never gets to say goodbye.
      asio::io_context loop(1);
      RedisServer server(loop, options());
      if (!server.start()) ::_exit(1);
      loop.run();
      ::_exit(2);
    }
    // Some die before the server is born, some in the middle, some after.
    std::this_thread::sleep_for(std::chrono::milliseconds(round % 3 == 0 ? 3 : 15 * round));
    ::kill(parent, SIGKILL);
    int status = 0;
    ::waitpid(parent, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "round " << round << " ended by itself with " << WEXITSTATUS(status);
  }
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s)) << link_->last_error().detail;
  const auto pids = living_in(data());
  ASSERT_EQ(pids.size(), 1U);
  server_pid = pids[0];
  EXPECT_EQ(count(RedisServer::What::kStarted), 0);
  ASSERT_TRUE(until([&] { return count(RedisServer::What::kAdopted) == 1; }, 2s));
  EXPECT_EQ(news_.back().pid, server_pid);
  // An adopted server ends when asked, though it is nobody's child.
  bool stopped = false;
  server_->stop([&](Result<void> how) { stopped = how.has_value(); });
  ASSERT_TRUE(until([&] { return stopped; }, 10s));
  EXPECT_TRUE(living_in(data()).empty());
}

TEST_F(RedisServerTest, WaitsWhileSomebodyHoldsTheLock) {
  fs::create_directory(data());
  const int fd = ::open(data().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  ASSERT_EQ(::flock(fd, LOCK_EX), 0);
  auto o = options();
  o.silent_ms = 800;
  start_server(o);
  start_link();
  EXPECT_FALSE(until([&] { return link_->up(); }, 500ms));
  EXPECT_TRUE(news_.empty());  // neither started nor adopted
  EXPECT_EQ(ask({"PING"}).error().code, Errc::kUnavailable);
  // An operator hears why nothing happens.
  ASSERT_TRUE(until([&] { return !news_.empty(); }, 2s));
  EXPECT_EQ(news_[0].what, RedisServer::What::kCannotStart);
  ::close(fd);
  EXPECT_TRUE(until([&] { return link_->up(); }, 3s));
  EXPECT_EQ(count(RedisServer::What::kStarted), 1);
}

TEST_F(RedisServerTest, AcknowledgedWritesOutliveKill) {
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  int acknowledged = 0, unknown = 0;
  for (int i = 0; i < 3'000; ++i) {
    link_->command(routing::encode({"SADD", "s", std::to_string(i)}),
                   [&](Result<Value> reply) { ++(reply ? acknowledged : unknown); });
  }
  ASSERT_TRUE(until([&] { return acknowledged > 500; }, 10s));
  ::kill(living_in(data()).at(0), SIGKILL);
  ASSERT_TRUE(until([&] { return !link_->up(); }, 5s));
  EXPECT_EQ(acknowledged + unknown, 3'000);
  const auto died = std::chrono::steady_clock::now();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s)) << link_->last_error().detail;
  EXPECT_LT(std::chrono::steady_clock::now() - died, 2s);
  EXPECT_EQ(count(RedisServer::What::kDied), 1);
  EXPECT_EQ(count(RedisServer::What::kStarted), 2);
  EXPECT_GE(std::stoi(text({"SCARD", "s"})), acknowledged);
  EXPECT_EQ(living_in(data()).size(), 1U);
}

TEST_F(RedisServerTest, StopIsAShutdownThatKeepsEverything) {
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  EXPECT_EQ(text({"SET", "k", "v"}), "OK");
  bool stopped = false;
  server_->stop([&](Result<void> how) { stopped = how.has_value(); });
  ASSERT_TRUE(until([&] { return stopped; }, 10s));
  EXPECT_TRUE(living_in(data()).empty());
  link_.reset();
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  EXPECT_EQ(text({"GET", "k"}), "v");
}

TEST_F(RedisServerTest, AStoppedRedisClosesTheLinkAndItComesBack) {
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  const int pid = living_in(data()).at(0);
  ::kill(pid, SIGSTOP);
  std::vector<Errc> codes;
  for (int i = 0; i < 3; ++i) {
    link_->command(
        routing::encode({"SET", "k" + std::to_string(i), "v"}),
        [&](Result<Value> reply) { codes.push_back(reply ? Errc::kConflict : reply.error().code); }, i == 1 ? 300 : 5'000);
  }
  // One call past its deadline takes the connection, and the others, with it: their outcome is unknown too.
  ASSERT_TRUE(until([&] { return codes.size() == 3; }, 1s));
  EXPECT_EQ(codes, (std::vector<Errc>{Errc::kTimeout, Errc::kTimeout, Errc::kTimeout}));
  EXPECT_FALSE(link_->up());
  ASSERT_EQ(downs_.size(), 1U);
  EXPECT_EQ(downs_[0].code, Errc::kTimeout);
  EXPECT_EQ(ask({"PING"}).error().code, Errc::kUnavailable);  // at once, never queued
  EXPECT_FALSE(until([&] { return link_->up(); }, 4s));
  EXPECT_EQ(living_in(data()).size(), 1U);  // a server that stands still is not replaced
  ::kill(pid, SIGCONT);
  const auto back = std::chrono::steady_clock::now();
  ASSERT_TRUE(until([&] { return link_->up(); }, 4s));
  EXPECT_LT(std::chrono::steady_clock::now() - back, 2s);
  EXPECT_EQ(text({"PING"}), "PONG");
  // Unknown means unknown: here all three had been done.
  EXPECT_EQ(text({"EXISTS", "k0", "k1", "k2"}), "3");
}

// Nothing is sent, and still the link notices within heartbeat and deadline.
TEST_F(RedisServerTest, AnIdleLinkNoticesSilence) {
  start_server(options());
  RedisLinkOptions quick;
  quick.heartbeat_ms = 200;
  quick.heartbeat_deadline_ms = 300;
  start_link(quick);
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  EXPECT_FALSE(until([&] { return !link_->up(); }, 1s));
  ::kill(living_in(data()).at(0), SIGSTOP);
  EXPECT_TRUE(until([&] { return !link_->up(); }, 1s));
}

TEST_F(RedisServerTest, LoadingIsNotUp) {
  auto slow = options();
  start_server(slow);
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  for (int i = 0; i < 6'000; ++i) link_->command(routing::encode({"SET", "key" + std::to_string(i), "v"}), {});
  EXPECT_EQ(text({"DBSIZE"}), "6000");
  // Stand in the way of the restart, so that the next start is ours and slow: 0.4 ms a key. Redis looks at
  // its sockets every 1024 commands of the file, so here every 0.4 s.
  bool stopped = false;
  server_->stop([&](Result<void>) { stopped = true; });
  ASSERT_TRUE(until([&] { return stopped; }, 10s));
  slow.more = {"--key-load-delay", "400"};
  start_server(slow);
  bool loading = false;
  EXPECT_FALSE(until(
      [&] {
        loading = loading || link_->last_error().detail == "redis says LOADING";
        return link_->up();
      },
      1'200ms));
  EXPECT_TRUE(loading) << link_->last_error().detail;
  EXPECT_EQ(ask({"GET", "key1"}).error().code, Errc::kUnavailable);
  EXPECT_TRUE(until([&] { return link_->up(); }, 10s));
  EXPECT_EQ(text({"DBSIZE"}), "6000");
}

TEST_F(RedisServerTest, RefusalsOfItsStateAreErrors) {
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  EXPECT_EQ(text({"CONFIG", "SET", "maxmemory", "1"}), "OK");
  EXPECT_EQ(text({"SET", "k", "v"}), "unavailable");
  EXPECT_TRUE(link_->up());
  EXPECT_EQ(text({"CONFIG", "SET", "maxmemory", "0", "min-replicas-to-write", "1"}), "OK");
  EXPECT_EQ(text({"SET", "k", "v"}), "unavailable");
  EXPECT_EQ(text({"CONFIG", "SET", "min-replicas-to-write", "0"}), "OK");
  EXPECT_EQ(text({"SET", "k", "v"}), "OK");
  // A replica is not up, whatever it was before.
  EXPECT_EQ(text({"REPLICAOF", "127.0.0.1", "1"}), "OK");
  EXPECT_EQ(text({"SET", "k", "v"}), "unavailable");
  EXPECT_FALSE(link_->up());
  EXPECT_FALSE(until([&] { return link_->up(); }, 1'500ms));
  EXPECT_EQ(link_->last_error().detail, "redis is a replica");
  const std::string no_more = "redis-cli -s " + server_->socket_path() + " REPLICAOF NO ONE > /dev/null";
  ASSERT_EQ(std::system(no_more.c_str()), 0);
  EXPECT_TRUE(until([&] { return link_->up(); }, 2s));
}

TEST_F(RedisServerTest, UserAndPassword) {
  auto guarded = options();
  guarded.more = {"--user", "belfry", "on", ">correct horse", "~*", "&*", "+@all", "--requirepass", "other"};
  start_server(guarded);
  auto target = parse_redis_url("unix://" + server_->socket_path()).value();
  RedisLink nobody(loop_, target);
  nobody.start();
  target.user = "belfry";
  target.password = Secret("wrong");
  RedisLink wrong(loop_, target);
  wrong.start();
  target.password = Secret("correct horse");
  RedisLink right(loop_, target);
  right.start();
  target.user.clear();
  target.password = Secret("other");
  RedisLink other(loop_, target);
  other.start();
  ASSERT_TRUE(until([&] { return right.up() && other.up(); }, 5s)) << right.last_error().detail;
  ASSERT_TRUE(until(
      [&] { return wrong.last_error().code == Errc::kUnauthorized && nobody.last_error().code == Errc::kUnauthorized; }, 3s));
  EXPECT_FALSE(wrong.up());
  EXPECT_FALSE(nobody.up());
  EXPECT_EQ(wrong.last_error().detail.find("wrong"), std::string::npos);
}

TEST_F(RedisServerTest, ASubscriberHearsAndComesBack) {
  start_server(options());
  start_link();
  RedisLinkOptions quick;
  quick.heartbeat_ms = 100;
  RedisLink subscriber(loop_, parse_redis_url("unix://" + server_->socket_path()).value(), quick);
  std::vector<std::string> heard;
  int ups = 0;
  subscriber.on_up = [&] { ++ups; };
  subscriber.on_message = [&](std::string_view channel, std::string_view payload) {
    heard.push_back(std::string(channel) + "=" + std::string(payload));
  };
  subscriber.subscribe("one");
  subscriber.subscribe("two");
  subscriber.start();
  ASSERT_TRUE(until([&] { return subscriber.up() && link_->up(); }, 5s));
  // on_up means that every subscription is confirmed.
  EXPECT_EQ(text({"PUBLISH", "one", "a"}), "1");
  EXPECT_EQ(text({"PUBLISH", "two", std::string("b\0\r\n", 4)}), "1");
  ASSERT_TRUE(until([&] { return heard.size() == 2; }, 5s));
  EXPECT_EQ(heard[1], std::string("two=b\0\r\n", 8));
  bool confirmed = false;
  subscriber.subscribe("three", [&](Result<void> how) { confirmed = how.has_value(); });
  ASSERT_TRUE(until([&] { return confirmed; }, 5s));
  subscriber.unsubscribe("two");
  ASSERT_TRUE(until([&] { return text({"PUBLISH", "two", "x"}) == "0"; }, 5s));
  EXPECT_EQ(text({"PUBLISH", "three", "c"}), "1");
  // Pings of its own go through between messages.
  EXPECT_FALSE(until([&] { return !subscriber.up(); }, 500ms));
  ::kill(living_in(data()).at(0), SIGKILL);
  ASSERT_TRUE(until([&] { return ups == 2 && link_->up(); }, 5s));
  EXPECT_EQ(text({"PUBLISH", "one", "d"}), "1");
  EXPECT_EQ(text({"PUBLISH", "three", "e"}), "1");
  EXPECT_EQ(text({"PUBLISH", "two", "x"}), "0");
  ASSERT_TRUE(until([&] { return heard.size() == 5; }, 5s));
  EXPECT_EQ(heard.back(), "three=e");
  std::optional<Result<Value>> refused;
  subscriber.command(routing::encode({"GET", "k"}), [&](Result<Value> reply) { refused = std::move(reply); });
  ASSERT_TRUE(until([&] { return refused.has_value(); }, 5s));
  EXPECT_EQ(refused->error().code, Errc::kUnsupported);
}

TEST_F(RedisServerTest, ALinkMayEndInsideItsOwnCallback) {
  start_server(options());
  start_link();
  ASSERT_TRUE(until([&] { return link_->up(); }, 5s));
  int late = 0;
  link_->command(routing::encode({"PING"}), [&](Result<Value>) { link_.reset(); });
  link_->command(routing::encode({"PING"}), [&](Result<Value>) { ++late; });
  ASSERT_TRUE(until([&] { return link_ == nullptr; }, 5s));
  EXPECT_FALSE(until([&] { return late > 0; }, 100ms));
}

TEST_F(RedisServerTest, MistakesThatNoRepetitionMends) {
  auto o = options();
  o.state_dir = dir_ + "/" + std::string(120, 'x');
  EXPECT_EQ(RedisServer(loop_, o).start().error().code, Errc::kBadInput);
  o = options();
  o.program = "no-such-redis-server";
  const auto missing = RedisServer(loop_, o).start();
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().detail.find("no-such-redis-server"), std::string::npos);
  o = options();
  std::ofstream(dir_ + "/file") << "x";
  o.name = "file";
  EXPECT_FALSE(RedisServer(loop_, o).start().has_value());
}

TEST(UsableMemory, IsSomething) {
  EXPECT_GT(usable_memory(), 64LL << 20);
  EXPECT_LE(usable_memory(), static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE));
}

TEST(RedisUrl, Forms) {
  const auto address = [](std::string_view url) {
    const auto target = parse_redis_url(url);
    return target ? (target->secure ? "tls " : "") + target->address + " " + host_of(target->address)
                  : std::string(name_of(target.error().code));
  };
  EXPECT_EQ(address("unix:///run/redis.sock"), "unix:/run/redis.sock ");
  EXPECT_EQ(address("redis://db"), "db:6379 db");
  EXPECT_EQ(address("redis://db:7000/"), "db:7000 db");
  EXPECT_EQ(address("rediss://[::1]:7000"), "tls [::1]:7000 ::1");
  for (const char* wrong : {"", "db:6379", "unix://x", "redis://", "redis://db:0", "redis://db:70000", "redis://db:x",
                            "redis://db/3", "redis://u:p@db", "http://db"}) {
    EXPECT_EQ(address(wrong), "bad_input") << wrong;
  }
}

}  // namespace
}  // namespace belfry::gateway
