#include "gateway/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>
#include <system_error>

namespace belfry::gateway {

namespace metrics_detail {
thread_local unsigned cell = 0;
}

using metrics_detail::Cell;

struct Histogram::Body {
  // What one thread observed: how many fell into each bucket (one more than bounds), and their sum.
  struct Histo {
    explicit Histo(std::size_t buckets) : counts(std::make_unique<std::atomic<std::uint64_t>[]>(buckets)) {}
    std::unique_ptr<std::atomic<std::uint64_t>[]> counts;
    std::atomic<double> sum{0};
  };
  Body(std::vector<double> b, std::size_t cells) : bounds(std::move(b)) {
    shards.reserve(cells);
    for (std::size_t i = 0; i < cells; ++i) shards.push_back(std::make_unique<Histo>(bounds.size() + 1));
  }
  const std::vector<double> bounds;
  std::vector<std::unique_ptr<Histo>> shards;
};

void Histogram::observe(double value) const {
  if (body_ == nullptr) return;
  const auto bucket =
      static_cast<std::size_t>(std::lower_bound(body_->bounds.begin(), body_->bounds.end(), value) - body_->bounds.begin());
  Body::Histo& mine = *body_->shards[metrics_detail::cell];
  mine.counts[bucket].fetch_add(1, std::memory_order_relaxed);
  mine.sum.fetch_add(value, std::memory_order_relaxed);
}

namespace {

[[noreturn]] void broken(std::string_view what, std::string_view name) {
  std::fprintf(stderr, "metrics: %.*s: %.*s\n", static_cast<int>(name.size()), name.data(), static_cast<int>(what.size()),
               what.data());
  std::abort();
}

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

prometheus::ClientMetric sample(const Metrics::Labels& labels) {
  prometheus::ClientMetric metric;
  for (const auto& [name, value] : labels) metric.label.push_back({name, value});
  return metric;
}

prometheus::MetricFamily process(const char* name, const char* help, bool counter, double value) {
  prometheus::MetricFamily family{name, help, counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge, {}};
  prometheus::ClientMetric metric;
  (counter ? metric.counter.value : metric.gauge.value) = value;
  family.metric.push_back(metric);
  return family;
}

// The names that every Prometheus client uses for these.
void append_process(std::vector<prometheus::MetricFamily>& families) {
  long pages = 0;
  long resident = 0;
  if (std::ifstream file("/proc/self/statm"); file >> pages >> resident) {
    families.push_back(process("process_resident_memory_bytes", "Resident memory size in bytes.", false,
                               static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE))));
  }
  std::error_code error;
  std::filesystem::directory_iterator entry("/proc/self/fd", error);
  std::int64_t open = -1;  // the directory itself
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) ++open;
  if (!error)
    families.push_back(process("process_open_fds", "Number of open file descriptors.", false, static_cast<double>(open)));
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    families.push_back(
        process("process_max_fds", "Maximum number of open file descriptors.", false, static_cast<double>(limit.rlim_cur)));
  }
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0) {
    const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
    families.push_back(process("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", true,
                               seconds(used.ru_utime) + seconds(used.ru_stime)));
  }
}

}  // namespace

struct Metrics::Body {
  enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };
  struct Series {
    Labels labels;
    std::unique_ptr<Cell[]> cells;
    std::unique_ptr<Histogram::Body> histogram;
  };
  struct Family {
    Kind kind;
    std::string help;
    std::vector<double> bounds;
    std::vector<std::unique_ptr<Series>> series;  // pointers: handles outlive growth
  };

  explicit Body(int shards) : cells(static_cast<std::size_t>(shards) + 1) {}

  Series& find(Kind kind, std::string_view name, std::string_view help, Labels labels, const std::vector<double>& bounds) {
    // Bugs of ours, all of them, and they show on the first start.
    if (!name.starts_with("belfry_") || !is_word(name)) broken("a name is belfry_ and a-z, 0-9, _", name);
    if (kind == Kind::kCounter && !name.ends_with("_total")) broken("a counter ends in _total", name);
    for (const auto& [label, value] : labels) {
      if (!is_word(label) || label == "le") broken("a label's name is a-z, 0-9, _", name);
    }
    std::sort(labels.begin(), labels.end());
    const std::lock_guard guard(mutex);
    auto [place, fresh] = families.try_emplace(std::string(name), Family{kind, std::string(help), bounds, {}});
    Family& family = place->second;
    if (family.kind != kind || family.bounds != bounds) broken("one name, two kinds", name);
    const auto same = [&] {
      return std::find_if(family.series.begin(), family.series.end(),
                          [&](const auto& series) { return series->labels == labels; });
    };
    auto found = same();
    if (found == family.series.end() && family.series.size() >= kMaxSeries) {
      for (auto& [label, value] : labels) value = "other";
      found = same();
    }
    if (found != family.series.end()) return **found;
    auto made = std::make_unique<Series>();
    made->labels = std::move(labels);
    if (kind == Kind::kHistogram) {
      made->histogram = std::make_unique<Histogram::Body>(bounds, cells);
    } else {
      made->cells = std::make_unique<Cell[]>(cells);
    }
    family.series.push_back(std::move(made));
    return *family.series.back();
  }

  const std::size_t cells;
  mutable std::mutex mutex;  // of the shape; the cells need none
  std::map<std::string, Family, std::less<>> families;
};

Metrics::Metrics(int shards) : body_(std::make_unique<Body>(shards)) {}
Metrics::~Metrics() = default;

Counter Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  return Counter(body_->find(Body::Kind::kCounter, name, help, std::move(labels), {}).cells.get());
}

Gauge Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  return Gauge(body_->find(Body::Kind::kGauge, name, help, std::move(labels), {}).cells.get());
}

Histogram Metrics::histogram(std::string_view name, std::string_view help, const std::vector<double>& bounds, Labels labels) {
  return Histogram(body_->find(Body::Kind::kHistogram, name, help, std::move(labels), bounds).histogram.get());
}

std::string Metrics::scrape() const {
  std::vector<prometheus::MetricFamily> out;
  {
    const std::lock_guard guard(body_->mutex);
    out.reserve(body_->families.size() + 4);
    for (const auto& [name, family] : body_->families) {
      prometheus::MetricFamily written{name, family.help, prometheus::MetricType::Counter, {}};
      if (family.kind == Body::Kind::kGauge) written.type = prometheus::MetricType::Gauge;
      if (family.kind == Body::Kind::kHistogram) written.type = prometheus::MetricType::Histogram;
      for (const auto& series : family.series) {
        auto metric = sample(series->labels);
        if (family.kind == Body::Kind::kHistogram) {
          auto& histogram = metric.histogram;
          std::uint64_t below = 0;
          for (std::size_t b = 0; b <= family.bounds.size(); ++b) {
            for (const auto& shard : series->histogram->shards) below += shard->counts[b].load(std::memory_order_relaxed);
            // The serializer writes +Inf itself, from the count.
            if (b < family.bounds.size()) histogram.bucket.push_back({below, family.bounds[b]});
          }
          histogram.sample_count = below;
          histogram.sample_sum = 0;
          for (const auto& shard : series->histogram->shards) histogram.sample_sum += shard->sum.load(std::memory_order_relaxed);
        } else {
          std::int64_t sum = 0;
          for (std::size_t i = 0; i < body_->cells; ++i) sum += series->cells[i].value.load(std::memory_order_relaxed);
          (family.kind == Body::Kind::kCounter ? metric.counter.value : metric.gauge.value) = static_cast<double>(sum);
        }
        written.metric.push_back(std::move(metric));
      }
      out.push_back(std::move(written));
    }
  }
  append_process(out);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, out);
  return std::move(text).str();
}

}  // namespace belfry::gateway
