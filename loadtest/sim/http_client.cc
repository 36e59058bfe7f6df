// HttpClient over Boost.Beast: a pool of keep-alive connections, plain or TLS.
#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "any_stream.h"
#include "asio_loop.h"
#include "http.h"
#include "tls.h"

namespace sim {

namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;

namespace {

struct Job {
  HttpAsk ask;
  std::int64_t timeout_ms;
  HttpClient::Then then;
  bool repeated = false;
};

}  // namespace

struct HttpClient::Impl : std::enable_shared_from_this<HttpClient::Impl> {
  struct Connection {
    virtual ~Connection() = default;
    virtual void run(Job job) = 0;
    virtual void shut() = 0;
  };

  Impl(Loop& loop, Url to, const Trust& trust, std::size_t most)
      : io(loop.impl().io), server(std::move(to)), limit(most), tls(client_tls(trust)) {}

  void next();
  void done(const std::shared_ptr<Connection>& connection, bool reusable) {
    if (reusable && !closed) {
      idle.push_back(connection);
    } else {
      --open;
    }
    next();
  }

  boost::asio::io_context& io;
  Url server;
  std::size_t limit;
  ssl::context tls;
  std::deque<Job> queue;
  std::vector<std::shared_ptr<Connection>> idle;
  std::size_t open = 0;
  bool closed = false;
};

namespace {

class Line final : public HttpClient::Impl::Connection, public std::enable_shared_from_this<Line> {
 public:
  explicit Line(std::shared_ptr<HttpClient::Impl> pool)
      : pool_(pool), stream_(pool->io, pool->server.tls ? &pool->tls : nullptr) {}

  void run(Job job) override {
    job_.emplace(std::move(job));
    fresh_ = !connected_;
    stream_.tcp().expires_after(std::chrono::milliseconds(job_->timeout_ms));
    if (connected_) return write();
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(pool_->server.host, error);
    stream_.tcp().async_connect(tcp::endpoint(address, pool_->server.port),
                                [self = shared_from_this()](beast::error_code failed) {
                                  if (failed) return self->fail(failed);
                                  self->on_connect();
                                });
  }

  void shut() override { stream_.tcp().close(); }

 private:
  void on_connect() {
    beast::error_code ignored;
    stream_.tcp().socket().set_option(tcp::no_delay(true), ignored);
    connected_ = true;
    if (!stream_.tls()) return write();
    stream_.async_handshake([self = shared_from_this()](beast::error_code error) {
      if (error) return self->fail(error);
      self->write();
    });
  }

  void write() {
    request_ = {};
    request_.version(11);
    request_.method_string(job_->ask.method);
    request_.target(job_->ask.target);
    request_.set(http::field::host, pool_->server.authority());
    for (const auto& [name, value] : job_->ask.fields) request_.insert(name, value);
    request_.body() = job_->ask.body;
    if (!request_.body().empty() || job_->ask.method != "GET") request_.prepare_payload();
    http::async_write(stream_, request_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->fail(error);
      self->read();
    });
  }

  void read() {
    parser_.emplace();
    parser_->body_limit(64ULL << 20);
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->fail(error);
      self->finish();
    });
  }

  void finish() {
    auto response = parser_->release();
    HttpGot got;
    got.status = static_cast<int>(response.result_int());
    for (const auto& each : response) {
      std::string name(each.name_string());
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      got.fields.emplace(std::move(name), std::string(each.value()));
    }
    got.body = std::move(response.body());
    const bool reusable = response.keep_alive();
    stream_.tcp().expires_never();
    if (!reusable) shut();
    auto then = std::move(job_->then);
    job_.reset();
    pool_->done(shared_from_this(), reusable);
    then(std::move(got));
  }

  void fail(beast::error_code error) {
    shut();
    Job job = std::move(*job_);
    job_.reset();
    // A server may close a kept connection just as we write to it; that is no answer to anything, so ask once more. Only a
    // request that changes nothing, or whose caller would repeat it anyway, may be asked twice: here, GET.
    if (!fresh_ && !job.repeated && job.ask.method == "GET" && !pool_->closed) {
      job.repeated = true;
      pool_->queue.push_front(std::move(job));
      pool_->done(shared_from_this(), false);
      return;
    }
    pool_->done(shared_from_this(), false);
    HttpGot got;
    got.error = error == beast::error::timeout ? "no answer in time" : error.message();
    job.then(std::move(got));
  }

  std::shared_ptr<HttpClient::Impl> pool_;
  AnyStream stream_;
  beast::flat_buffer buffer_;
  std::optional<Job> job_;
  http::request<http::string_body> request_;
  std::optional<http::response_parser<http::string_body>> parser_;
  bool connected_ = false;
  bool fresh_ = true;
};

}  // namespace

void HttpClient::Impl::next() {
  while (!queue.empty()) {
    std::shared_ptr<Connection> connection;
    if (!idle.empty()) {
      connection = std::move(idle.back());
      idle.pop_back();
    } else if (open < limit) {
      ++open;
      connection = std::make_shared<Line>(shared_from_this());
    } else {
      return;
    }
    Job job = std::move(queue.front());
    queue.pop_front();
    connection->run(std::move(job));
  }
}

HttpClient::HttpClient(Loop& loop, Url server, Trust trust, std::size_t connections)
    : impl_(std::make_shared<Impl>(loop, std::move(server), std::move(trust), connections)) {}

HttpClient::~HttpClient() {
  impl_->closed = true;
  impl_->queue.clear();
  for (const auto& each : impl_->idle) each->shut();
  impl_->idle.clear();  // each holds the pool: this ends the circle
}

void HttpClient::ask(HttpAsk ask, std::int64_t timeout_ms, Then then) {
  impl_->queue.push_back({std::move(ask), timeout_ms, std::move(then)});
  impl_->next();
}

std::size_t HttpClient::waiting() const { return impl_->queue.size(); }

HttpGot ask_once(const Url& server, const Trust& trust, HttpAsk ask, std::int64_t timeout_ms) {
  Loop loop;
  HttpClient client(loop, server, trust, 1);
  HttpGot out;
  client.ask(std::move(ask), timeout_ms, [&](HttpGot got) {
    out = std::move(got);
    loop.stop();
  });
  loop.run();
  return out;
}

}  // namespace sim
