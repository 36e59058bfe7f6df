// Everything under /api/v1, one instance a shard. What it offers is described in openapi.json, which it serves itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "gateway/auth/auth.h"
#include "gateway/exchange.h"
#include "gateway/services.h"

namespace belfry::gateway {

class MediaStore;

struct ApiOptions {
  MediaStore* media = nullptr;                  // lives longer than the Api
  std::size_t max_media = 100UL << 20;          // of one upload
  std::size_t max_media_waiting = 512UL << 20;  // of uploads still coming in, and of files being read, on this shard
};

class Api {
 public:
  Api(Services& services, Auth& auth, ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  static bool handles(std::string_view path) { return path == "/api/v1" || path.starts_with("/api/v1/"); }
  Admission admit(const HttpRequest& head);
  // Finds out who asks, then answers.
  void serve(std::shared_ptr<Exchange> exchange);
  // The asker is known by other means: belfryctl on the admin socket is operator_subject().
  void serve_as(std::shared_ptr<Exchange> exchange, const Subject& subject);

 private:
  struct Inside;
  std::unique_ptr<Inside> inside_;
};

// The text of openapi.json (generated from gateway/api/openapi.json at configure time).
std::string_view openapi_json();

}  // namespace belfry::gateway
