// SmppServer over Boost.Asio.
#include "smpp_link.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <utility>

#include "asio_loop.h"
#include "base.h"

namespace sim {

using boost::asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr std::size_t kMaxLinks = 1024;
constexpr std::size_t kMaxUnread = 64U << 20;  // a peer that reads nothing for so long is dropped
constexpr std::size_t kRead = 256U << 10;

class Link final : public SmppLink, public std::enable_shared_from_this<Link> {
 public:
  Link(tcp::socket socket, boost::asio::ssl::context* tls, SmppServer::Handlers& handlers, std::shared_ptr<std::size_t> count)
      : socket_(std::move(socket)), handlers_(handlers), count_(std::move(count)) {
    if (tls != nullptr) tls_.emplace(socket_, *tls);
    ++*count_;
  }
  ~Link() override { --*count_; }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  void begin() {
    if (!tls_) return ready();
    tls_->async_handshake(boost::asio::ssl::stream_base::server, [self = shared_from_this()](const error_code& error) {
      if (error) {
        self->open = false;
        error_code ignored;
        self->socket_.close(ignored);
        return;
      }
      self->ready();
    });
  }

  void flush() override {
    if (!open || writing_ || out.empty()) return;
    if (out.size() > kMaxUnread) return drop();
    writing_ = true;
    going_.clear();
    going_.swap(out);
    auto done = [self = shared_from_this()](const error_code& error, std::size_t) {
      self->writing_ = false;
      if (error || (self->closing_ && self->out.empty())) return self->drop();
      self->flush();
    };
    if (tls_) {
      boost::asio::async_write(*tls_, boost::asio::buffer(going_), std::move(done));
    } else {
      // Nearly always the socket takes all of it, and the loop is not asked.
      error_code error;
      const auto wrote = socket_.write_some(boost::asio::buffer(going_), error);
      if (!error && wrote == going_.size()) {
        writing_ = false;
        if (closing_) drop();
        return;
      }
      if (error && error != boost::asio::error::would_block) {
        writing_ = false;
        return drop();
      }
      boost::asio::async_write(socket_, boost::asio::buffer(going_) + (error ? 0 : wrote), std::move(done));
    }
  }

  void close() override {
    closing_ = true;
    if (out.empty() && !writing_) return drop();
    flush();
  }

  void drop() override {
    if (!open) return;
    open = false;
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_both, ignored);
    socket_.close(ignored);
    // Not from inside a handler of this link: whoever drops it may stand in the middle of its state.
    boost::asio::post(socket_.get_executor(), [self = shared_from_this()] {
      self->handlers_.closed(self);
      self->state.reset();
    });
  }

 private:
  void ready() {
    error_code ignored;
    socket_.non_blocking(true, ignored);
    handlers_.opened(shared_from_this());
    in_.resize(kRead);
    read();
  }

  void read() {
    auto done = [self = shared_from_this()](const error_code& error, std::size_t count) {
      if (!self->open) return;
      if (error) return self->drop();
      self->filled_ += count;
      self->take();
      if (self->open) self->read();
    };
    auto room = boost::asio::buffer(in_.data() + filled_, in_.size() - filled_);
    if (tls_) {
      tls_->async_read_some(room, std::move(done));
    } else {
      socket_.async_read_some(room, std::move(done));
    }
  }

  void take() {
    std::size_t whole = 0;
    bool garbage = false;
    while (filled_ - whole >= 4) {
      const auto length = smpp::read_u32(in_.data() + whole);
      garbage = length < smpp::kHeader || length > smpp::kMaxPdu;
      if (garbage || filled_ - whole < length) break;
      whole += length;
    }
    if (whole != 0) handlers_.pdus(shared_from_this(), {in_.data(), whole});
    if (garbage && open) {
      handlers_.garbage(shared_from_this());
      return close();
    }
    if (open) flush();
    if (whole != 0) {
      filled_ -= whole;
      std::memmove(in_.data(), in_.data() + whole, filled_);
    }
  }

  tcp::socket socket_;
  std::optional<boost::asio::ssl::stream<tcp::socket&>> tls_;
  SmppServer::Handlers& handlers_;
  std::shared_ptr<std::size_t> count_;
  std::string in_, going_;
  std::size_t filled_ = 0;
  bool writing_ = false, closing_ = false;
};

}  // namespace

struct SmppServer::Impl : std::enable_shared_from_this<SmppServer::Impl> {
  Impl(Loop& loop, std::uint16_t port, const std::string& cert, const std::string& key, Handlers to)
      : acceptor(loop.impl().io), handlers(std::move(to)), count(std::make_shared<std::size_t>(0)) {
    if (!cert.empty()) {
      tls.emplace(boost::asio::ssl::context::tls_server);
      SSL_CTX_set_min_proto_version(tls->native_handle(), TLS1_2_VERSION);
      error_code error;
      tls->use_certificate_chain_file(cert, error);
      if (!error) tls->use_private_key_file(key, boost::asio::ssl::context::pem, error);
      if (error)
        throw Failure("cannot load --cert-file " + cert + " and --key-file " + key + ": " + error.message() + "; give PEM files");
    }
    const tcp::endpoint at(boost::asio::ip::address_v4::loopback(), port);
    try {
      acceptor.open(at.protocol());
      acceptor.set_option(tcp::acceptor::reuse_address(true));
      acceptor.bind(at);
      acceptor.listen(256);
    } catch (const boost::system::system_error& error) {
      throw Failure("cannot listen on 127.0.0.1:" + std::to_string(port) + ": " + error.code().message() +
                    "; choose another port, or 0 for any");
    }
  }

  void accept() {
    acceptor.async_accept([self = shared_from_this()](const error_code& error, tcp::socket socket) {
      if (error == boost::asio::error::operation_aborted) return;
      if (!error && *self->count < kMaxLinks) {
        error_code ignored;
        socket.set_option(tcp::no_delay(true), ignored);
        std::make_shared<Link>(std::move(socket), self->tls ? &*self->tls : nullptr, self->handlers, self->count)->begin();
      }
      self->accept();
    });
  }

  tcp::acceptor acceptor;
  std::optional<boost::asio::ssl::context> tls;
  Handlers handlers;
  std::shared_ptr<std::size_t> count;
};

SmppServer::SmppServer(Loop& loop, std::uint16_t port, const std::string& cert, const std::string& key, Handlers handlers)
    : impl_(std::make_shared<Impl>(loop, port, cert, key, std::move(handlers))) {
  impl_->accept();
}
SmppServer::~SmppServer() {
  error_code ignored;
  impl_->acceptor.close(ignored);
}
std::uint16_t SmppServer::port() const { return impl_->acceptor.local_endpoint().port(); }

}  // namespace sim
