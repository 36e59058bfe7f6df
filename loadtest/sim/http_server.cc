// HttpServer over Boost.Beast.
#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <optional>
#include <utility>

#include "asio_loop.h"
#include "http.h"

namespace sim {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::asio::ip::tcp;

namespace {

constexpr std::size_t kMaxConnections = 4096;
constexpr std::uint64_t kMaxBody = 110ULL << 20;  // Meta takes documents of 100 MB

class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(tcp::socket socket, HttpServer::Handler& handler, std::shared_ptr<std::size_t> open)
      : stream_(std::move(socket)), handler_(handler), open_(std::move(open)) {
    ++*open_;
  }
  ~Session() { --*open_; }

  void read() {
    parser_.emplace();
    parser_->body_limit(kMaxBody);
    parser_->header_limit(32 * 1024);
    stream_.expires_after(std::chrono::seconds(120));
    http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->close();
      if (self->parser_->get()[http::field::expect] == "100-continue") return self->say_continue();
      self->read_body();
    });
  }

 private:
  void say_continue() {
    auto line = std::make_shared<std::string>("HTTP/1.1 100 Continue\r\n\r\n");
    boost::asio::async_write(stream_, boost::asio::buffer(*line),
                             [self = shared_from_this(), line](beast::error_code error, std::size_t) {
                               if (error) return self->close();
                               self->read_body();
                             });
  }

  void read_body() {
    http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->close();
      self->handle();
    });
  }

  void handle() {
    auto request = parser_->release();
    keep_alive_ = request.keep_alive();
    HttpAsk ask;
    ask.method = std::string(request.method_string());
    ask.target = std::string(request.target());
    for (const auto& each : request) {
      std::string name(each.name_string());
      std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      ask.fields.emplace(std::move(name), std::string(each.value()));
    }
    ask.body = std::move(request.body());
    stream_.expires_never();
    handler_(std::move(ask), [self = shared_from_this()](HttpSay say) { self->write(std::move(say)); });
  }

  void write(HttpSay say) {
    if (say.drop) return close();
    response_ = {};
    response_.version(11);
    response_.result(static_cast<unsigned>(say.status));
    response_.set(http::field::content_type, say.type);
    for (const auto& [name, value] : say.fields) response_.insert(name, value);
    response_.body() = std::move(say.body);
    response_.keep_alive(keep_alive_);
    response_.prepare_payload();
    stream_.expires_after(std::chrono::seconds(60));
    http::async_write(stream_, response_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error || !self->keep_alive_) return self->close();
      self->read();
    });
  }

  void close() {
    beast::error_code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    stream_.close();
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  HttpServer::Handler& handler_;  // lives in the server, which outlives the loop's run
  std::shared_ptr<std::size_t> open_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  bool keep_alive_ = true;
};

}  // namespace

struct HttpServer::Impl : std::enable_shared_from_this<HttpServer::Impl> {
  Impl(Loop& loop, std::uint16_t port, Handler to)
      : acceptor(loop.impl().io), handler(std::move(to)), open(std::make_shared<std::size_t>(0)) {
    const tcp::endpoint at(boost::asio::ip::address_v4::loopback(), port);
    try {
      acceptor.open(at.protocol());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      acceptor.bind(at);
      acceptor.listen(1024);
    } catch (const boost::system::system_error& error) {
      throw Failure("cannot listen on 127.0.0.1:" + std::to_string(port) + ": " + error.code().message() +
                    "; choose another port, or 0 for any");
    }
  }

  void accept() {
    acceptor.async_accept([self = shared_from_this()](beast::error_code error, tcp::socket socket) {
      if (error == boost::asio::error::operation_aborted) return;
      if (!error && *self->open < kMaxConnections) {
        beast::error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        std::make_shared<Session>(std::move(socket), self->handler, self->open)->read();
      }
      self->accept();
    });
  }

  tcp::acceptor acceptor;
  Handler handler;
  std::shared_ptr<std::size_t> open;
};

HttpServer::HttpServer(Loop& loop, std::uint16_t port, Handler handler)
    : impl_(std::make_shared<Impl>(loop, port, std::move(handler))) {
  impl_->accept();
}
HttpServer::~HttpServer() {
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
}
std::uint16_t HttpServer::port() const { return impl_->acceptor.local_endpoint().port(); }

std::string field(const HttpFields& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

}  // namespace sim
