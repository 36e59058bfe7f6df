// The admin listener (loopback, plain): /metrics, /healthz (this process turns), /readyz (it may be given work, else why not).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gateway/exchange.h"
#include "gateway/metrics.h"

namespace belfry::gateway {

class AdminSite : public Site {
 public:
  // `reasons` answers why this process is not ready; empty: it is. `notes`: what is to be known though it is.
  AdminSite(
      Metrics& metrics, std::function<std::vector<std::string>()> reasons,
      std::function<std::vector<std::string>()> notes = [] { return std::vector<std::string>(); })
      : metrics_(metrics), reasons_(std::move(reasons)), notes_(std::move(notes)) {}
  Admission admit(const HttpRequest&) override { return std::size_t{0}; }
  void serve(std::shared_ptr<Exchange> exchange) override;

 private:
  Metrics& metrics_;
  std::function<std::vector<std::string>()> reasons_, notes_;
};

}  // namespace belfry::gateway
