#include "gateway/admin_site.h"

namespace belfry::gateway {
namespace {

HttpResponse plain(int status, std::string body) {
  HttpResponse response{status, {}, std::move(body)};
  response.headers.add("content-type", "text/plain; charset=utf-8");
  response.headers.add("cache-control", "no-store");
  return response;
}

}  // namespace

void AdminSite::serve(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse response = plain(405, "only GET\n");
    response.headers.add("allow", "GET, HEAD");
    return exchange->answer(std::move(response));
  }
  if (request.path == "/healthz") return exchange->answer(plain(200, "alive\n"));
  if (request.path == "/readyz") {
    std::string why;
    for (const std::string& reason : reasons_()) why += reason + "\n";
    if (!why.empty()) return exchange->answer(plain(503, why));
    std::string ready = "ready\n";
    for (const std::string& note : notes_()) ready += note + "\n";
    return exchange->answer(plain(200, ready));
  }
  if (request.path == "/metrics") {
    HttpResponse response{200, {}, metrics_.scrape()};
    response.headers.add("content-type", std::string(Metrics::kContentType));
    return exchange->answer(std::move(response));
  }
  exchange->answer(plain(404, "there is /metrics, /healthz and /readyz\n"));
}

}  // namespace belfry::gateway
