// belfry-echo: the front door of belfryd under echo handlers, for conformance suites and benches.
//
//   belfry-echo --port N [--tls] [--shards N] [--host ADDRESS]
//
// GET / is 200 and HEAD like it, POST / returns its body, other paths are 404, other methods on / 405; /echo is a WebSocket that
// echoes. Prints `listening port=N` when ready; SIGTERM and SIGINT stop it gracefully.
#include <unistd.h>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "gateway/listener.h"
#include "gateway/tls.h"

namespace {

using namespace belfry;
using namespace belfry::gateway;

constexpr std::size_t kMaxMessage = 16UL * 1024 * 1024;
constexpr std::int64_t kStopWithinMs = 8'000;

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers.add("content-type", "text/plain");
  response.body = std::move(body);
  return response;
}

class EchoSite : public Site {
 public:
  Admission admit(const HttpRequest&) override { return kMaxMessage; }

  void serve(std::shared_ptr<Exchange> exchange) override {
    const HttpRequest& request = exchange->request();
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (request.path == "/echo") return serve_echo(*exchange, get);
    if (request.path != "/") return exchange->answer(text(404, "Not Found\n"));
    if (get) return exchange->answer(text(200, "Belfry\n"));
    if (request.method == "POST") {
      HttpResponse response;
      if (const auto type = request.headers.get("content-type"); !type.empty())
        response.headers.add("content-type", std::string(type));
      response.body = std::move(exchange->mutable_request().body);
      return exchange->answer(std::move(response));
    }
    refuse_method(*exchange, "GET, HEAD, POST");
  }

 private:
  static void refuse_method(Exchange& exchange, const char* allowed) {
    HttpResponse response = text(405, "Method Not Allowed\n");
    response.headers.add("allow", allowed);
    exchange.answer(std::move(response));
  }

  static void serve_echo(Exchange& exchange, bool get) {
    if (!exchange.wants_websocket()) {
      if (!get) return refuse_method(exchange, "GET");
      HttpResponse response = text(426, "This is a WebSocket\n");
      response.headers.add("upgrade", "websocket");
      return exchange.answer(std::move(response));
    }
    // The first subprotocol offered, if any: some browsers fail when they offered one and got none.
    std::string_view offered = exchange.request().headers.get("sec-websocket-protocol");
    std::string chosen(offered.substr(0, offered.find(',')));
    while (!chosen.empty() && (chosen.back() == ' ' || chosen.back() == '\t')) chosen.pop_back();
    WebSocketLimits limits;
    limits.max_message = kMaxMessage;
    limits.max_frames = 0;
    limits.max_queued = 8 * kMaxMessage;
    const auto socket = exchange.upgrade(chosen, limits);
    // The callbacks are dropped when the socket closes, so a plain pointer is safe and no cycle arises.
    WebSocket* out = socket.get();
    socket->on_text = [out](std::string&& message) { out->send(message); };
    socket->on_binary = [out](std::string&& message) { out->send_binary(message); };
  }
};

int fail_with(const std::string& why) {
  std::fprintf(stderr, "belfry-echo: %s\n", why.c_str());
  return 1;
}

bool number(const char* text, int& out) {
  const std::string_view s = text;
  const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), out);
  return error == std::errc() && end == s.data() + s.size();
}

}  // namespace

int main(int argc, char** argv) {
  int port = -1;
  int shards = 1;
  bool tls = false;
  std::string host = "127.0.0.1";
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    const bool more = i + 1 < argc;
    if (arg == "--tls") {
      tls = true;
    } else if (arg == "--port" && more && number(argv[i + 1], port)) {
      ++i;
    } else if (arg == "--shards" && more && number(argv[i + 1], shards) && shards > 0) {
      ++i;
    } else if (arg == "--host" && more) {
      host = argv[++i];
    } else {
      port = -1;
      break;
    }
  }
  if (port < 0 || port > 65535) {
    std::fprintf(stderr, "usage: belfry-echo --port N [--tls] [--shards N] [--host ADDRESS]\n");
    return 64;
  }

  ServerLimits limits;
  limits.max_per_address = 0;
  TlsContext context;
  if (tls) {
    std::string dir = (std::filesystem::temp_directory_path() / "belfry-echo-XXXXXX").string();
    if (mkdtemp(dir.data()) == nullptr) return fail_with("cannot make a directory for the certificate");
    const auto files = self_signed(dir, {"localhost", "127.0.0.1", "::1"});
    auto made = files ? make_server_tls(*files, limits.h2) : tl::unexpected<Error>(files.error());
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
    if (!made) return fail_with(made.error().detail);
    context = *made;
  }

  EchoSite site;
  struct Shard {
    asio::io_context loop{1};
    std::unique_ptr<Listener> listener;
  };
  std::vector<std::unique_ptr<Shard>> all;
  for (int i = 0; i < shards; ++i) {
    all.push_back(std::make_unique<Shard>());
    auto opened = Listener::open(all.back()->loop, host + ":" + std::to_string(port), context, site, limits);
    if (!opened) return fail_with(opened.error().detail);
    all.back()->listener = std::move(*opened);
    port = all.back()->listener->port();
  }
  std::printf("listening port=%d\n", port);
  std::fflush(stdout);

  asio::signal_set signals(all.front()->loop, SIGTERM, SIGINT);
  signals.async_wait([&](const std::error_code& error, int) {
    if (error) return;
    for (const auto& shard : all) {
      asio::post(shard->loop, [&shard] { shard->listener->stop(kStopWithinMs, [&shard] { shard->loop.stop(); }); });
    }
  });
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < all.size(); ++i) threads.emplace_back([&shard = *all[i]] { shard.loop.run(); });
  all.front()->loop.run();
  for (std::thread& thread : threads) thread.join();
  return 0;
}
