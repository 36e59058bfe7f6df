// The HTTP client behind effect::Call and effect::Fetch: HTTP/1.1 and HTTP/2, pooled, verified, bounded, with deadlines.
// One instance a shard, on that shard's thread.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "belfry/effect.h"
#include "belfry/result.h"

typedef struct ssl_ctx_st SSL_CTX;

namespace belfry::gateway {

class MediaStore;

struct HttpClientLimits {
  int connections_per_origin = 64;         // HTTP/1.1: one call each; HTTP/2: one connection carries up to 100 streams
  std::size_t waiting_per_origin = 1'000;  // calls waiting for a connection: above it kBusy at once
  std::size_t max_answer = 256 * 1024;     // kTooLarge above it
  std::int64_t idle_ms = 60'000;           // a pooled connection is closed after this
};

class HttpClient {
 public:
  using Done = std::function<void(Result<HttpResponse>)>;
  // A fetched body is in the media store under its own SHA-256 (lower-case hex).
  struct Fetched {
    std::string sha256;
    std::int64_t size;
    std::string mime;
  };
  using FetchDone = std::function<void(Result<Fetched>)>;

  virtual ~HttpClient() = default;
  // `done` is called exactly once, never from inside the call. kTimeout and kClosed after the first octet of the request
  // was written mean that the outcome is unknown; kUnavailable means that nothing was sent.
  virtual void call(const Call& call, Done done) = 0;
  virtual void fetch(const Fetch& fetch, FetchDone done) = 0;
};

// `tls` trusts what [outgoing] ca_file (or the system) says. `media` is where fetched bodies go; it lives as long
// as the client. Without it every fetch fails.
std::unique_ptr<HttpClient> make_http_client(asio::io_context& loop, SSL_CTX* tls, MediaStore* media,
                                             HttpClientLimits limits = {});

}  // namespace belfry::gateway
