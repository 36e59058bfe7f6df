// WebSocket over Boost.Beast.
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>
#include <utility>

#include "any_stream.h"
#include "asio_loop.h"
#include "tls.h"
#include "ws.h"

namespace sim {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;

struct WebSocketDialer::Impl {
  boost::asio::io_context& io;
  ssl::context tls;
};

namespace {

constexpr std::size_t kMaxQueued = 4U << 20;

class Socket final : public WebSocket, public std::enable_shared_from_this<Socket> {
 public:
  Socket(WebSocketDialer::Impl& dialer, Url url, HttpFields fields, std::string protocols, Hear hear)
      : stream_(dialer.io, url.tls ? &dialer.tls : nullptr),
        url_(std::move(url)),
        fields_(std::move(fields)),
        protocols_(std::move(protocols)),
        hear_(std::move(hear)) {}

  void start() {
    stream_.next_layer().tcp().expires_after(std::chrono::seconds(15));
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(url_.host, error);
    stream_.next_layer().tcp().async_connect(tcp::endpoint(address, url_.port),
                                             [self = shared_from_this()](beast::error_code failed) {
                                               if (failed) return self->end(failed.message());
                                               beast::error_code ignored;
                                               self->stream_.next_layer().tcp().socket().set_option(tcp::no_delay(true), ignored);
                                               if (!self->stream_.next_layer().tls()) return self->upgrade();
                                               self->stream_.next_layer().async_handshake([self](beast::error_code refused) {
                                                 if (refused) return self->end("TLS: " + refused.message());
                                                 self->upgrade();
                                               });
                                             });
  }

  void send(std::string text) override {
    if (ended_) return;
    queued_ += text.size();
    if (queued_ > kMaxQueued) return end("the server does not read");
    queue_.push_back(std::move(text));
    if (open_ && queue_.size() == 1) write();
  }

  void close() override {
    if (ended_) return;
    if (!open_) return end("closed by us");
    if (closing_) return;
    closing_ = true;
    // A write may be under way; Beast lets a close join it.
    stream_.async_close(websocket::close_code::normal,
                        [self = shared_from_this()](beast::error_code) { self->end("closed by us"); });
  }

  void cut() override { end("cut by us"); }

 private:
  void upgrade() {
    stream_.next_layer().tcp().expires_never();
    stream_.set_option(websocket::stream_base::timeout{std::chrono::seconds(15), websocket::stream_base::none(), false});
    stream_.read_message_max(1U << 20);
    stream_.text(true);
    stream_.set_option(websocket::stream_base::decorator([this](websocket::request_type& request) {
      for (const auto& [name, value] : fields_) request.insert(name, value);
      if (!protocols_.empty()) request.set(http::field::sec_websocket_protocol, protocols_);
    }));
    stream_.async_handshake(answer_, url_.authority(), url_.target, [self = shared_from_this()](beast::error_code error) {
      if (error == websocket::error::upgrade_declined)
        return self->end("refused with status " + std::to_string(self->answer_.result_int()));
      if (error) return self->end("handshake: " + error.message());
      const auto selected = std::string(self->answer_[http::field::sec_websocket_protocol]);
      if (selected != self->protocols_.substr(0, self->protocols_.find(',')))
        return self->end("the server selected the protocol '" + selected + "'");
      // What open() sends is queued, and written once below: open_ before it would write the same frame twice.
      if (self->hear_.open) self->hear_.open();
      self->open_ = true;
      if (!self->ended_ && !self->queue_.empty()) self->write();
      self->read();
    });
  }

  void read() {
    if (ended_) return;
    stream_.async_read(buffer_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->end(self->reason(error));
      const auto bytes = self->buffer_.data();
      if (!self->ended_ && self->hear_.text) self->hear_.text({static_cast<const char*>(bytes.data()), bytes.size()});
      self->buffer_.consume(self->buffer_.size());
      self->read();
    });
  }

  void write() {
    stream_.async_write(boost::asio::buffer(queue_.front()), [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return self->end(error.message());
      self->queued_ -= self->queue_.front().size();
      self->queue_.pop_front();
      if (!self->queue_.empty() && !self->ended_ && !self->closing_) self->write();
    });
  }

  std::string reason(beast::error_code error) {
    if (error != websocket::error::closed) return error.message();
    return "close " + std::to_string(stream_.reason().code) + " " + std::string(stream_.reason().reason.c_str());
  }

  void end(const std::string& why) {
    if (ended_) return;
    ended_ = true;
    open_ = false;
    stream_.next_layer().tcp().close();
    auto closed = std::move(hear_.closed);
    hear_ = {};
    if (closed) closed(why);
  }

  websocket::stream<AnyStream, false> stream_;
  Url url_;
  HttpFields fields_;
  std::string protocols_;
  Hear hear_;
  websocket::response_type answer_;
  beast::flat_buffer buffer_;
  std::deque<std::string> queue_;  // never cleared while a write reads from its front
  std::size_t queued_ = 0;
  bool open_ = false, closing_ = false, ended_ = false;
};

}  // namespace

WebSocketDialer::WebSocketDialer(Loop& loop, const Trust& trust) : impl_(new Impl{loop.impl().io, client_tls(trust)}) {}
WebSocketDialer::~WebSocketDialer() = default;

std::shared_ptr<WebSocket> WebSocketDialer::dial(const Url& url, HttpFields fields, const std::string& protocols,
                                                 WebSocket::Hear hear) {
  auto socket = std::make_shared<Socket>(*impl_, url, std::move(fields), protocols, std::move(hear));
  socket->start();
  return socket;
}

}  // namespace sim
