#include "gateway/log.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace belfry::gateway {
namespace {

class LogTest : public testing::Test {
 protected:
  void SetUp() override { set_log_thinning(20, 10'000); }
  void TearDown() override {
    set_log("info", "text");
    set_log_thinning(20, 10'000);
  }
  LogCapture log_;
};

TEST_F(LogTest, OneEventALine) {
  const std::string id = "city";
  log_info("webhook_refused",
           {{"account", id}, {"reason", "signature"}, {"count", 3}, {"size", std::size_t{7}}, {"ok", false}, {"took_ms", 1.5}});
  log_debug("plain");
  EXPECT_EQ(log_.lines(),
            (std::vector<std::string>{"info webhook_refused account=city reason=signature count=3 size=7 ok=false took_ms=1.5",
                                      "debug plain"}));
}

TEST_F(LogTest, WhateverAValueHolds) {
  log_info("e", {{"a", ""},
                 {"b", "two words"},
                 {"c", "x=\"y\"\\"},
                 {"d", "line\nline\r\tend\x01\x7f"},
                 {"e", std::string_view("nul\0nul", 7)},
                 {"f", "água ☎"},
                 {"g", "\xff\xc0\xaf cut\xe2\x80"},
                 {"h", "\xe2\x80\xa8sep\xe2\x80\xaeturned"},
                 {"i", std::string(3'000, 'x')}});
  const auto lines = log_.lines();
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0], R"(info e a="" b="two words" c="x=\"y\"\\" d="line\nline\r\tend\u0001\u007f" e="nul\u0000nul" f="água ☎" )"
                      R"(g="\xff\xc0\xaf cut\xe2\x80" h="\u2028sep\u202eturned" i=")" +
                          std::string(1024, 'x') + "…\"");
}

TEST_F(LogTest, PrivateStaysPrivate) {
  log_info("login", {{"token", Secret("hunter2")}});
  EXPECT_EQ(log_.lines().at(0), "info login token=<7 bytes>");
  EXPECT_FALSE(log_.said("hunter2"));
}

TEST_F(LogTest, JsonIsJson) {
  set_log("debug", "json");
  log_warning("e", {{"text", "a\"b\\c\n\x01\xff☎"},
                    {"n", -5},
                    {"u", std::numeric_limits<std::uint64_t>::max()},
                    {"yes", true},
                    {"x", std::numeric_limits<double>::infinity()},
                    {"secret", Secret("abc")}});
  const auto json = nlohmann::json::parse(log_.lines().at(0));
  EXPECT_EQ(json["level"], "warning");
  EXPECT_EQ(json["event"], "e");
  EXPECT_EQ(json["text"], "a\"b\\c\n\x01\xef\xbf\xbd☎");
  EXPECT_EQ(json["n"], -5);
  EXPECT_EQ(json["u"], std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(json["x"].is_null());
  EXPECT_EQ(json["secret"], "<3 bytes>");
}

TEST_F(LogTest, Levels) {
  set_log("warning", "text");
  log_debug("a");
  log_info("b");
  log_warning("c");
  log_error("d");
  EXPECT_EQ(log_.lines(), (std::vector<std::string>{"warning c", "error d"}));
}

TEST_F(LogTest, RepeatedWarningsAreThinnedByName) {
  set_log_thinning(3, 50);
  for (int i = 0; i < 10; ++i) log_warning("noisy", {{"i", i}});
  for (int i = 0; i < 10; ++i) log_info("info_is_not");
  log_error("other");
  EXPECT_EQ(log_.count("noisy"), 3);
  EXPECT_EQ(log_.count("info_is_not"), 10);
  EXPECT_EQ(log_.count("other"), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(60));
  log_warning("noisy", {{"i", 10}});
  EXPECT_EQ(log_.lines().back(), "warning noisy i=10 unsaid=7");
}

TEST_F(LogTest, AnyThread) {
  set_log_thinning(0, 0);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) log_warning("from_a_thread", {{"i", i}});
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(log_.count("from_a_thread"), 800);
}

// To stderr itself: time, level, event, one line each.
TEST(LogToStderr, TimeAndLine) {
  testing::internal::CaptureStderr();
  log_info("hello", {{"a", 1}});
  log_debug("off");
  const std::string text = testing::internal::GetCapturedStderr();
  if (std::getenv("JOURNAL_STREAM") != nullptr) {
    EXPECT_EQ(text, "<6>info hello a=1\n");
  } else {
    ASSERT_EQ(text.size(), std::string("2026-01-01T00:00:00.000Z info hello a=1\n").size()) << text;
    EXPECT_EQ(text.substr(10, 1), "T");
    EXPECT_EQ(text.substr(23), "Z info hello a=1\n");
  }
}

}  // namespace
}  // namespace belfry::gateway
