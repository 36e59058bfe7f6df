// Metrics: cells per shard, summed when somebody asks.
//
// - A change is one relaxed atomic in a cell of this thread's own; no lock, no shared cache line. A thread that never said
//   which shard it is (the worker pool, main) uses cell 0.
// - Names are belfry_<what>_<unit>[_total]; help is a sentence for the operator.
// - Label values come from configuration (accounts, queues) or from our own closed lists (reasons, codes), never from
//   messages or people. Still each name has at most kMaxSeries series: what is beyond falls into one whose values are "other".
// - Handles are small, copyable, and live as long as the Metrics.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belfry::gateway {

namespace metrics_detail {

extern thread_local unsigned cell;  // which cell this thread writes

struct alignas(64) Cell {
  std::atomic<std::int64_t> value{0};
};

}  // namespace metrics_detail

class Counter {
 public:
  Counter() = default;
  void add(std::int64_t n = 1) const {
    if (cells_ != nullptr) cells_[metrics_detail::cell].value.fetch_add(n, std::memory_order_relaxed);
  }

 private:
  friend class Metrics;
  explicit Counter(metrics_detail::Cell* cells) : cells_(cells) {}
  metrics_detail::Cell* cells_ = nullptr;  // without a registry (a unit test) it counts nothing
};

// A gauge is the sum of what its shards say.
class Gauge {
 public:
  Gauge() = default;
  void add(std::int64_t n) const {
    if (cells_ != nullptr) cells_[metrics_detail::cell].value.fetch_add(n, std::memory_order_relaxed);
  }
  void set(std::int64_t n) const {
    if (cells_ != nullptr) cells_[metrics_detail::cell].value.store(n, std::memory_order_relaxed);
  }

 private:
  friend class Metrics;
  explicit Gauge(metrics_detail::Cell* cells) : cells_(cells) {}
  metrics_detail::Cell* cells_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  void observe(double value) const;

 private:
  friend class Metrics;
  struct Body;
  explicit Histogram(Body* body) : body_(body) {}
  Body* body_ = nullptr;
};

// Seconds, for waits that are to be short (answers, disk) and for those of people.
inline const std::vector<double> kSecondsShort{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};
inline const std::vector<double> kSecondsLong{1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600};

class Metrics {
 public:
  static constexpr std::size_t kMaxSeries = 500;  // of one name

  explicit Metrics(int shards);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  // From now on this thread writes the cells of that shard (0 …).
  static void i_am_shard(int shard) { metrics_detail::cell = static_cast<unsigned>(shard) + 1; }

  using Labels = std::vector<std::pair<std::string, std::string>>;
  // Asked twice for the same name and labels they answer the same series. Any thread; takes a lock, so ask once and keep it.
  Counter counter(std::string_view name, std::string_view help, Labels labels = {});
  Gauge gauge(std::string_view name, std::string_view help, Labels labels = {});
  Histogram histogram(std::string_view name, std::string_view help, const std::vector<double>& bounds, Labels labels = {});

  // Everything in the Prometheus text format 0.0.4, with the process's own memory, descriptors and CPU. Any thread.
  std::string scrape() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Body;
  std::unique_ptr<Body> body_;
};

}  // namespace belfry::gateway
