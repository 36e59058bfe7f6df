#include "gateway/notify.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <asio/io_context.hpp>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace belfry::gateway {
namespace {

using namespace std::chrono_literals;

// A supervisor in small: a datagram socket, as systemd's.
class Supervisor {
 public:
  Supervisor() {
    char name[] = "/tmp/belfry-notify-XXXXXX";
    dir_ = ::mkdtemp(name);
    fd_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = dir_ + "/s";
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~Supervisor() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(fd_);
    std::filesystem::remove_all(dir_);
  }
  std::vector<std::string> heard() const {
    std::vector<std::string> out;
    char text[512];
    for (ssize_t n; (n = ::recv(fd_, text, sizeof text, 0)) >= 0;) out.emplace_back(text, static_cast<std::size_t>(n));
    return out;
  }

 private:
  std::string dir_;
  int fd_;
};

TEST(Notify, WhatTheSupervisorHears) {
  const Supervisor supervisor;
  notify_ready();
  notify_status("two\nlines");
  notify_reloading();
  notify_stopping();
  notify_extend(5'000);
  const auto heard = supervisor.heard();
  ASSERT_EQ(heard.size(), 5U);
  EXPECT_EQ(heard[0], "READY=1");
  EXPECT_EQ(heard[1], "STATUS=two lines");
  EXPECT_EQ(heard[2].rfind("RELOADING=1\nMONOTONIC_USEC=", 0), 0U);
  EXPECT_EQ(heard[3], "STOPPING=1");
  EXPECT_EQ(heard[4], "EXTEND_TIMEOUT_USEC=5000000");
}

TEST(Notify, WithoutASupervisorNothingHappens) {
  notify_ready();
  asio::io_context loop;
  Watchdog dog(loop);
  dog.start();
  EXPECT_EQ(dog.every_ms(), 0);
  EXPECT_EQ(loop.run(), 0U);
}

TEST(Notify, TheWatchdogIsPetWhileHealthy) {
  const Supervisor supervisor;
  ::setenv("WATCHDOG_USEC", "60000", 1);
  asio::io_context loop;
  Watchdog dog(loop);
  EXPECT_EQ(dog.every_ms(), 20);
  bool healthy = true;
  dog.healthy = [&] { return healthy; };
  dog.start();
  loop.run_for(90ms);
  const auto pets = supervisor.heard();
  EXPECT_GE(pets.size(), 3U);
  EXPECT_EQ(pets.at(0), "WATCHDOG=1");
  healthy = false;
  loop.run_for(60ms);
  EXPECT_TRUE(supervisor.heard().empty());
  dog.stop();
  loop.run();
}

TEST(SignalsTest, StopTwiceAndReload) {
  asio::io_context loop;
  Signals signals(loop);
  std::vector<std::string> told;
  signals.on_stop = [&](int times) { told.push_back("stop " + std::to_string(times)); };
  signals.on_reload = [&] { told.push_back("reload"); };
  signals.start();
  const auto raise = [&](int number) {
    ::kill(::getpid(), number);
    loop.run_for(20ms);
  };
  raise(SIGHUP);
  raise(SIGTERM);
  raise(SIGHUP);
  raise(SIGINT);
  raise(SIGPIPE);
  EXPECT_EQ(told, (std::vector<std::string>{"reload", "stop 1", "reload", "stop 2"}));
  signals.stop();
  loop.run();
}

}  // namespace
}  // namespace belfry::gateway
