#include "gateway/metrics.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace belfry::gateway {
namespace {

// The line of that series, without the newline.
std::string line(const std::string& scraped, const std::string& start) {
  const auto at = scraped.find("\n" + start + " ");
  if (at == std::string::npos) return "none";
  return scraped.substr(at + 1, scraped.find('\n', at + 1) - at - 1);
}

TEST(Metrics, ShardsAreSummed) {
  Metrics metrics(3);
  const auto accepted = metrics.counter("belfry_webhooks_total", "Webhooks.", {{"account", "city"}, {"answer", "yes"}});
  const auto open = metrics.gauge("belfry_connections", "Open.");
  std::vector<std::thread> shards;
  for (int shard = 0; shard < 3; ++shard) {
    shards.emplace_back([=] {
      Metrics::i_am_shard(shard);
      for (int i = 0; i < 10'000; ++i) accepted.add();
      open.set(shard + 1);
    });
  }
  for (auto& shard : shards) shard.join();
  accepted.add(5);  // no shard: cell 0
  const auto text = metrics.scrape();
  EXPECT_EQ(line(text, "belfry_webhooks_total{account=\"city\",answer=\"yes\"}"),
            "belfry_webhooks_total{account=\"city\",answer=\"yes\"} 30005");
  EXPECT_EQ(line(text, "belfry_connections"), "belfry_connections 6");
  EXPECT_NE(text.find("# HELP belfry_webhooks_total Webhooks.\n# TYPE belfry_webhooks_total counter\n"), std::string::npos);
  EXPECT_NE(text.find("# TYPE belfry_connections gauge\n"), std::string::npos);
}

TEST(Metrics, TheSameSeriesTwice) {
  Metrics metrics(1);
  metrics.counter("belfry_a_total", "A.", {{"x", "1"}, {"y", "2"}}).add();
  metrics.counter("belfry_a_total", "A.", {{"y", "2"}, {"x", "1"}}).add();
  EXPECT_EQ(line(metrics.scrape(), "belfry_a_total{x=\"1\",y=\"2\"}"), "belfry_a_total{x=\"1\",y=\"2\"} 2");
}

TEST(Metrics, Histograms) {
  Metrics metrics(2);
  const auto wait = metrics.histogram("belfry_wait_seconds", "Wait.", {0.5, 1, 2});
  wait.observe(0.5);  // a bound belongs to its bucket
  wait.observe(1.5);
  std::thread([&] {
    Metrics::i_am_shard(1);
    wait.observe(100);
    wait.observe(0.25);
  }).join();
  const auto text = metrics.scrape();
  EXPECT_EQ(line(text, "belfry_wait_seconds_bucket{le=\"0.5\"}"), "belfry_wait_seconds_bucket{le=\"0.5\"} 2");
  EXPECT_EQ(line(text, "belfry_wait_seconds_bucket{le=\"1\"}"), "belfry_wait_seconds_bucket{le=\"1\"} 2");
  EXPECT_EQ(line(text, "belfry_wait_seconds_bucket{le=\"2\"}"), "belfry_wait_seconds_bucket{le=\"2\"} 3");
  EXPECT_EQ(line(text, "belfry_wait_seconds_bucket{le=\"+Inf\"}"), "belfry_wait_seconds_bucket{le=\"+Inf\"} 4");
  EXPECT_EQ(line(text, "belfry_wait_seconds_count"), "belfry_wait_seconds_count 4");
  EXPECT_EQ(line(text, "belfry_wait_seconds_sum"), "belfry_wait_seconds_sum 102.25");
}

TEST(Metrics, ManySeriesEndInOther) {
  Metrics metrics(1);
  for (std::size_t i = 0; i < Metrics::kMaxSeries + 50; ++i)
    metrics.counter("belfry_b_total", "B.", {{"id", std::to_string(i)}}).add();
  EXPECT_EQ(line(metrics.scrape(), "belfry_b_total{id=\"other\"}"), "belfry_b_total{id=\"other\"} 50");
}

TEST(Metrics, WithoutARegistryNothingIsCounted) {
  Counter().add();
  Gauge().set(3);
  Histogram().observe(1);
}

TEST(Metrics, TheProcess) {
  const auto text = Metrics(1).scrape();
  for (const char* name : {"process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_cpu_seconds_total"}) {
    EXPECT_NE(text.find(std::string("\n").append(name).append(" ")), std::string::npos) << name;
  }
}

TEST(MetricsDeathTest, NamesOfOurs) {
  Metrics metrics(1);
  metrics.counter("belfry_c_total", "C.");
  EXPECT_DEATH(metrics.counter("belfry_c", "C."), "ends in _total");
  EXPECT_DEATH(metrics.gauge("belfry_c_total", "C."), "two kinds");
  EXPECT_DEATH(metrics.gauge("c", "C."), "belfry_");
}

}  // namespace
}  // namespace belfry::gateway
