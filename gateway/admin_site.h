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
  // `reasons` answers why this process is not ready; empty: it is.
  AdminSite(Metrics& metrics, std::function<std::vector<std::string>()> reasons)
      : metrics_(metrics), reasons_(std::move(reasons)) {}
  Admission admit(const HttpRequest&) override { return std::size_t{0}; }
  void serve(std::shared_ptr<Exchange> exchange) override;

 private:
  Metrics& metrics_;
  std::function<std::vector<std::string>()> reasons_;
};

}  // namespace belfry::gateway
