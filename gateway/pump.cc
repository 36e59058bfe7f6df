// See pump.h. One class for all: with an SSL* what is read and written passes through it, over a BIO that only sees memory.
//
// Order kept here: a callback may write, pause, finish or close its own Pump, so every call out is followed by a look at
// closed_; a write fails or overflows in flush(), never inside the owner's write(), so on_down never comes from inside a call.
#include "gateway/pump.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "gateway/ticks.h"

namespace belfry::gateway {
namespace {

constexpr std::size_t kReadSize = 64UL * 1024;
constexpr std::size_t kEncryptAhead = 128UL * 1024;      // ciphertext of one Pump waiting for its socket
constexpr std::size_t kFlushAtMost = 1024UL * 1024;      // of one Pump in one turn, so that the others have theirs
constexpr std::size_t kDrainAtMost = 4UL * 1024 * 1024;  // read and thrown away after finish()
constexpr std::size_t kSpareBuffers = 64;
constexpr std::size_t kSpareCapacity = 64UL * 1024;

class SocketPump;

// What the pumps of one shard share: a buffer to read into, one to decrypt into, spare write buffers, and who has to flush.
class PumpRoom : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;
  explicit PumpRoom(asio::execution_context& context)
      : asio::execution_context::service(context), loop(static_cast<asio::io_context&>(context)), ticks(Ticks::of(loop)) {}

  void flush_later(std::shared_ptr<SocketPump> pump);

  std::string borrow() {
    if (spares_.empty()) return {};
    std::string buffer = std::move(spares_.back());
    spares_.pop_back();
    return buffer;
  }
  void give_back(std::string&& buffer) {
    if (buffer.capacity() > kSpareCapacity || spares_.size() >= kSpareBuffers) {
      std::string().swap(buffer);
      return;
    }
    buffer.clear();
    spares_.push_back(std::move(buffer));
    buffer = {};
  }

  asio::io_context& loop;
  Ticks& ticks;
  std::vector<char> wire = std::vector<char>(kReadSize);
  std::vector<char> plain;  // made with the first TLS connection

 private:
  void shutdown() override { waiting_.clear(); }

  std::vector<std::shared_ptr<SocketPump>> waiting_;
  std::vector<std::shared_ptr<SocketPump>> flushing_;
  std::vector<std::string> spares_;
  bool posted_ = false;
};
asio::execution_context::id PumpRoom::id;

struct FreeSsl {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

// The first reason of OpenSSL's queue; the queue is emptied.
std::string tls_reason() {
  const unsigned long code = ERR_peek_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "tls" : std::string("tls: ") + reason;
}

class SocketPump final : public Pump, private Ticked {
 public:
  SocketPump(PumpRoom& room, StreamSocket socket, SSL_CTX* tls, bool server, std::size_t max_queued)
      : room_(room), socket_(std::move(socket)), max_queued_(max_queued) {
    const int one = 1;
    ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // refused by unix sockets: fine
    if (tls == nullptr) return;
    if (room_.plain.empty()) room_.plain.resize(kReadSize);
    ssl_.reset(SSL_new(tls));
    BIO* bio = ssl_ ? BIO_new(bio_method()) : nullptr;
    if (bio == nullptr) {
      overflowed_ = true;  // no memory: the first flush says so
      return;
    }
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    server ? SSL_set_accept_state(ssl_.get()) : SSL_set_connect_state(ssl_.get());
  }
  ~SocketPump() override { room_.ticks.remove(*this); }

  void start(PumpHandlers handlers) override {
    handlers_ = std::move(handlers);
    started_ = true;
    if (ssl_ && (!held_.empty() || SSL_is_init_finished(ssl_.get()) != 0)) {
      decrypt_later();
    } else {
      arm_read();
    }
  }

  void write(std::string_view bytes) override {
    if (closed_ || finishing_ || bytes.empty()) return;
    if (queued() + bytes.size() > max_queued_) overflowed_ = true;
    if (!overflowed_) {
      if (out_.empty() && out_.capacity() < 64) out_ = room_.borrow();
      out_ += bytes;
    }
    flush_soon();
  }

  std::size_t queued() const override { return out_.size() - out_at_ + cipher_.size() - cipher_at_; }

  void pause() override { paused_ = true; }
  void resume() override {
    if (!paused_) return;
    paused_ = false;
    if (closed_ || finishing_) return;
    if (ssl_) {
      decrypt_later();  // what was read before the pause may be all that comes
    } else {
      arm_read();
    }
  }

  void set_deadline(std::int64_t in_ms) override {
    if (closed_ || finishing_) return;
    put_deadline(in_ms);
  }

  void finish(std::int64_t linger_ms) override {
    if (closed_ || finishing_) return;
    finishing_ = true;
    put_deadline(std::max<std::int64_t>(linger_ms, 1));
    flush_soon();
  }

  void close() override {
    if (closed_) return;
    closed_ = true;
    room_.ticks.remove(*this);
    std::error_code ignored;
    socket_.close(ignored);
    held_ = {};
    out_ = {};
    cipher_ = {};
    out_at_ = cipher_at_ = 0;
    on_ready_ = nullptr;
    if (calls_ == 0) handlers_ = {};
  }

  std::string_view alpn() const override {
    if (!ssl_) return {};
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }
  bool secure() const override { return ssl_ != nullptr; }

  // A client's handshake, before start(). `ready` comes once.
  using Ready = std::function<void(Result<void>)>;
  SSL* ssl() { return ssl_.get(); }
  void handshake(Ready ready) {
    on_ready_ = std::move(ready);
    decrypt({});
    flush_soon();
    arm_read();
  }

  void flush();

 private:
  std::shared_ptr<SocketPump> self() { return std::static_pointer_cast<SocketPump>(shared_from_this()); }

  // While one lives, handlers_ stay: a std::function must not be destroyed while it runs.
  struct Calling {
    explicit Calling(SocketPump& p) : pump(p) { ++pump.calls_; }
    ~Calling() {
      if (--pump.calls_ == 0 && pump.closed_) pump.handlers_ = {};
    }
    Calling(const Calling&) = delete;
    Calling& operator=(const Calling&) = delete;
    SocketPump& pump;
  };

  bool handshaking() const { return ssl_ && SSL_is_init_finished(ssl_.get()) == 0; }

  void put_deadline(std::int64_t in_ms) {
    if (in_ms <= 0) {
      room_.ticks.remove(*this);
      return;
    }
    room_.ticks.add(*this);  // first: an idle clock is set right by it
    deadline_ms_ = room_.ticks.after(in_ms);
  }

  void on_tick(std::int64_t now_ms) override {
    if (now_ms < deadline_ms_) return;
    const auto keep = shared_from_this();
    down(finishing_ ? Errc::kClosed : Errc::kTimeout, finishing_ ? "lingered" : "deadline");
  }

  void down(Errc code, std::string why) {
    if (closed_) return;
    auto on_down = std::exchange(handlers_.on_down, nullptr);
    auto on_ready = std::exchange(on_ready_, nullptr);
    close();
    if (on_ready) on_ready(fail(code, why));
    if (on_down) on_down(Error{code, std::move(why)});
  }

  void flush_soon() {
    if (dirty_) return;
    dirty_ = true;
    if (!inside_) room_.flush_later(self());
  }

  void arm_read() {
    if (reading_ || closed_ || eof_) return;
    if (!finishing_ && (paused_ || (!started_ && !on_ready_))) return;
    reading_ = true;
    socket_.async_wait(StreamSocket::wait_read, [me = self()](const std::error_code& error) { me->readable(error); });
  }

  void readable(const std::error_code& error) {
    reading_ = false;
    if (closed_) return;
    if (error) return down(Errc::kClosed, error.message());
    if (paused_ && !finishing_) return;
    const ssize_t got = ::recv(socket_.native_handle(), room_.wire.data(), room_.wire.size(), 0);
    if (got < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return arm_read();
      return down(Errc::kClosed, std::strerror(errno));
    }
    inside_ = true;
    if (got == 0) {
      eof_ = true;
      if (finishing_) {
        if (fin_sent_) down(Errc::kClosed, "finished");
      } else if (handshaking() || ssl_ || !handlers_.on_end) {
        down(Errc::kClosed, "closed by the peer");  // TLS without close_notify is a cut
      } else {
        const Calling calling(*this);
        handlers_.on_end();
      }
    } else if (finishing_) {
      thrown_away_ += static_cast<std::size_t>(got);
      if (thrown_away_ > kDrainAtMost) down(Errc::kClosed, "sends without end");
    } else if (ssl_) {
      decrypt({room_.wire.data(), static_cast<std::size_t>(got)});
    } else {
      const Calling calling(*this);
      handlers_.on_bytes({room_.wire.data(), static_cast<std::size_t>(got)});
    }
    inside_ = false;
    if (dirty_) flush();
    arm_read();
  }

  // Gives ciphertext to OpenSSL and hands on what comes out, until it has nothing left or the owner pauses.
  void decrypt(std::string_view wire) {
    bio_in_ = wire;
    ERR_clear_error();
    if (handshaking()) {
      const int result = SSL_do_handshake(ssl_.get());
      if (result != 1) {
        const int error = SSL_get_error(ssl_.get(), result);
        if (!cipher_.empty()) flush_soon();
        if (error != SSL_ERROR_WANT_READ) return tls_failed();
        return;
      }
      flush_soon();
      if (auto ready = std::exchange(on_ready_, nullptr)) {
        held_.assign(bio_in_);
        bio_in_ = {};
        return ready({});
      }
    }
    while (!paused_ && !closed_ && !finishing_ && started_) {
      std::size_t filled = 0;
      int error = SSL_ERROR_NONE;
      while (filled < room_.plain.size()) {
        const int got = SSL_read(ssl_.get(), room_.plain.data() + filled, static_cast<int>(room_.plain.size() - filled));
        if (got <= 0) {
          error = SSL_get_error(ssl_.get(), got);
          break;
        }
        filled += static_cast<std::size_t>(got);
      }
      if (!cipher_.empty()) flush_soon();  // a key update answered
      if (filled > 0) {
        const Calling calling(*this);
        handlers_.on_bytes({room_.plain.data(), filled});
        if (closed_) return;
      }
      if (error == SSL_ERROR_NONE) continue;
      if (error == SSL_ERROR_WANT_READ) break;
      if (error == SSL_ERROR_ZERO_RETURN) {
        eof_ = true;
        if (finishing_) break;
        if (!handlers_.on_end) return down(Errc::kClosed, "closed by the peer");
        const Calling calling(*this);
        handlers_.on_end();
        break;
      }
      return tls_failed();
    }
    held_.assign(bio_in_);
    bio_in_ = {};
  }

  // The alert that OpenSSL wrote still goes out.
  void tls_failed() {
    std::string why = tls_reason();
    if (const long verified = SSL_get_verify_result(ssl_.get()); verified != X509_V_OK)
      why.append(": ").append(X509_verify_cert_error_string(verified));
    if (cipher_.size() > cipher_at_) {
      ::send(socket_.native_handle(), cipher_.data() + cipher_at_, cipher_.size() - cipher_at_, MSG_NOSIGNAL);
      // Closing with octets unread would reset the connection and take the alert with it.
      ::shutdown(socket_.native_handle(), SHUT_WR);
      while (::recv(socket_.native_handle(), room_.wire.data(), room_.wire.size(), MSG_DONTWAIT) > 0) {}
    }
    down(Errc::kClosed, std::move(why));
  }

  void decrypt_later() {
    asio::post(room_.loop, [me = self()] {
      if (me->closed_ || me->finishing_ || me->paused_) return;
      const std::string held = std::exchange(me->held_, {});
      me->inside_ = true;
      me->decrypt(held);
      me->inside_ = false;
      if (me->dirty_) me->flush();
      me->arm_read();
    });
  }

  // Moves plaintext of out_ through OpenSSL into cipher_. False: the link is unusable.
  bool encrypt() {
    ERR_clear_error();
    while (out_at_ < out_.size() && cipher_.size() - cipher_at_ < kEncryptAhead) {
      const std::size_t size = std::min<std::size_t>(out_.size() - out_at_, 16UL * 1024);
      const int put = SSL_write(ssl_.get(), out_.data() + out_at_, static_cast<int>(size));
      if (put <= 0) return false;
      out_at_ += static_cast<std::size_t>(put);
    }
    if (out_at_ == out_.size()) {
      room_.give_back(std::move(out_));
      out_ = {};
      out_at_ = 0;
    }
    return true;
  }

  void say_goodbye() {
    if (goodbye_said_) return;
    goodbye_said_ = true;
    if (ssl_ && !handshaking()) {
      ERR_clear_error();
      SSL_shutdown(ssl_.get());
    }
  }

  static BIO_METHOD* bio_method() {
    static BIO_METHOD* method = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "belfry pump");
      BIO_meth_set_read(m, [](BIO* bio, char* to, int size) -> int {
        auto& me = *static_cast<SocketPump*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        const std::size_t n = std::min(static_cast<std::size_t>(size), me.bio_in_.size());
        if (n == 0) {
          BIO_set_retry_read(bio);
          return -1;
        }
        std::memcpy(to, me.bio_in_.data(), n);
        me.bio_in_.remove_prefix(n);
        return static_cast<int>(n);
      });
      BIO_meth_set_write(m, [](BIO* bio, const char* from, int size) -> int {
        auto& me = *static_cast<SocketPump*>(BIO_get_data(bio));
        BIO_clear_retry_flags(bio);
        if (me.cipher_.empty() && me.cipher_.capacity() < 64) me.cipher_ = me.room_.borrow();
        me.cipher_.append(from, static_cast<std::size_t>(size));
        return size;
      });
      BIO_meth_set_ctrl(m, [](BIO*, int command, long, void*) -> long { return command == BIO_CTRL_FLUSH ? 1 : 0; });
      return m;
    }();
    return method;
  }

  PumpRoom& room_;
  StreamSocket socket_;
  const std::size_t max_queued_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  PumpHandlers handlers_;
  Ready on_ready_;
  std::string out_;  // what the owner wrote; with TLS not yet encrypted
  std::size_t out_at_ = 0;
  std::string cipher_;
  std::size_t cipher_at_ = 0;
  std::string held_;         // ciphertext read before a pause
  std::string_view bio_in_;  // ciphertext that OpenSSL may take; set during decrypt() only
  std::size_t thrown_away_ = 0;
  std::int64_t deadline_ms_ = 0;
  int calls_ = 0;
  bool started_ = false, paused_ = false, closed_ = false, finishing_ = false, goodbye_said_ = false, fin_sent_ = false,
       eof_ = false;
  bool reading_ = false;  // a wait for readable is out
  bool writing_ = false;  // a wait for writable is out
  bool inside_ = false;   // its own read is being handled: it flushes at the end of that
  bool dirty_ = false;    // it has to flush in this turn
  bool moved_ = false;    // octets left since on_drained was last called
  bool overflowed_ = false;
};

void SocketPump::flush() {
  dirty_ = false;
  if (closed_) return;
  if (overflowed_) return down(Errc::kBusy, "write queue is full");
  if (writing_) return;
  std::size_t sent = 0;
  while (true) {
    if (ssl_ && !handshaking() && !encrypt()) return down(Errc::kClosed, tls_reason());
    std::string& queue = ssl_ ? cipher_ : out_;
    std::size_t& at = ssl_ ? cipher_at_ : out_at_;
    if (at < queue.size()) {
      const ssize_t put = ::send(socket_.native_handle(), queue.data() + at, queue.size() - at, MSG_NOSIGNAL);
      if (put < 0) {
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) return down(Errc::kClosed, std::strerror(errno));
        writing_ = true;
        socket_.async_wait(StreamSocket::wait_write, [me = self()](const std::error_code& error) {
          me->writing_ = false;
          if (me->closed_) return;
          if (error) return me->down(Errc::kClosed, error.message());
          me->flush();
        });
        return;
      }
      moved_ = true;
      at += static_cast<std::size_t>(put);
      sent += static_cast<std::size_t>(put);
      if (at == queue.size()) {
        room_.give_back(std::move(queue));
        queue = {};
        at = 0;
      }
      if (sent > kFlushAtMost) return flush_soon();
      continue;
    }
    if (queued() > 0) return;  // the handshake comes first
    if (finishing_) {
      if (!goodbye_said_) {
        say_goodbye();
        continue;
      }
      if (!fin_sent_) {
        fin_sent_ = true;
        ::shutdown(socket_.native_handle(), SHUT_WR);
      }
      if (eof_) return down(Errc::kClosed, "finished");
      return arm_read();  // the rest of what the peer sends is thrown away, lest a reset destroys our last answer
    }
    if (!moved_ || !handlers_.on_drained) return;
    moved_ = false;
    const bool was_inside = std::exchange(inside_, true);
    {
      const auto keep = shared_from_this();
      const Calling calling(*this);
      handlers_.on_drained();
    }
    inside_ = was_inside;
    if (!dirty_ || closed_) return;
    dirty_ = false;
    if (overflowed_) return down(Errc::kBusy, "write queue is full");
  }
}

void PumpRoom::flush_later(std::shared_ptr<SocketPump> pump) {
  waiting_.push_back(std::move(pump));
  if (posted_) return;
  posted_ = true;
  asio::post(loop, [this] {
    posted_ = false;
    flushing_.swap(waiting_);
    for (const auto& one : flushing_) one->flush();
    flushing_.clear();
  });
}

// Resolution, connect and handshake of one outgoing link, under one timer.
class Connector : public std::enable_shared_from_this<Connector> {
 public:
  Connector(asio::io_context& loop, ConnectOptions options, Connected done)
      : loop_(loop), options_(std::move(options)), done_(std::move(done)), resolver_(loop), timer_(loop), socket_(loop) {}

  void start(const std::string& target) {
    timer_.expires_after(std::chrono::milliseconds(options_.timeout_ms));
    timer_.async_wait([me = shared_from_this()](const std::error_code& error) {
      if (!error) me->finish(fail(Errc::kTimeout, "connect"));
    });
    if (target.starts_with("unix:")) {
      asio::local::stream_protocol::endpoint endpoint;
      try {
        endpoint.path(target.substr(5));
      } catch (const std::exception&) {
        return finish_later(fail(Errc::kBadInput, "path of a unix socket is too long"));
      }
      endpoints_.emplace_back(endpoint);
      return connect_next();
    }
    const std::size_t colon = target.rfind(':');
    if (colon == std::string::npos) return finish_later(fail(Errc::kBadInput, "target has no port"));
    std::string host = target.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    // Loopback by definition (RFC 6761 section 6.3): no question asked, and none needed where /etc/hosts is missing.
    if (std::uint16_t port = 0; host == "localhost") {
      const char* const end = target.data() + target.size();
      const auto [stop, error] = std::from_chars(target.data() + colon + 1, end, port);
      if (error != std::errc{} || stop != end) return finish_later(fail(Errc::kBadInput, "target has no port"));
      endpoints_.emplace_back(asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port));
      endpoints_.emplace_back(asio::ip::tcp::endpoint(asio::ip::address_v6::loopback(), port));
      return connect_next();
    }
    resolver_.async_resolve(
        host, target.substr(colon + 1), asio::ip::resolver_base::numeric_service,
        [me = shared_from_this()](const std::error_code& error, const asio::ip::tcp::resolver::results_type& found) {
          if (me->finished_) return;
          if (error) return me->finish(fail(Errc::kUnavailable, "resolve: " + error.message()));
          for (const auto& entry : found) me->endpoints_.emplace_back(entry.endpoint());
          me->connect_next();
        });
  }

 private:
  void connect_next() {
    if (finished_) return;
    if (next_ >= endpoints_.size()) return finish_later(fail(Errc::kUnavailable, "connect: " + last_error_));
    const auto endpoint = endpoints_[next_++];
    socket_ = StreamSocket(loop_);
    socket_.async_connect(endpoint, [me = shared_from_this()](const std::error_code& error) {
      if (me->finished_) return;
      if (error) {
        me->last_error_ = error.message();
        return me->connect_next();
      }
      me->connected();
    });
  }

  void connected() {
    std::error_code error;
    socket_.non_blocking(true, error);
    if (error) return finish(fail(Errc::kUnavailable, error.message()));
    pump_ = std::make_shared<SocketPump>(asio::use_service<PumpRoom>(loop_), std::move(socket_), options_.tls, false,
                                         options_.max_queued);
    if (options_.tls == nullptr) return finish(pump_);
    if (!prepare(pump_->ssl())) return finish(fail(Errc::kInternal, tls_reason()));
    pump_->handshake([me = shared_from_this()](Result<void> ready) {
      if (!ready)
        return me->finish(tl::unexpected<Error>(
            ready.error().code == Errc::kTimeout ? ready.error() : Error{Errc::kUnavailable, ready.error().detail}));
      // Not from inside of the Pump's own read.
      asio::post(me->loop_, [me] { me->finish(me->pump_); });
    });
  }

  // Name to verify and to send, and protocols to offer.
  bool prepare(SSL* ssl) {
    if (ssl == nullptr) return false;
    const std::string& name = options_.server_name;
    if (!name.empty()) {
      std::error_code not_an_address;
      asio::ip::make_address(name, not_an_address);
      if (not_an_address) {
        if (SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, options_.server_name.data()) != 1 ||
            SSL_set1_host(ssl, name.c_str()) != 1)
          return false;
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      } else if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) != 1) {
        return false;
      }
    }
    std::string protocols;
    std::string_view rest = options_.alpn;
    while (!rest.empty()) {
      const std::size_t comma = std::min(rest.find(','), rest.size());
      protocols += static_cast<char>(comma);
      protocols += rest.substr(0, comma);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    return protocols.empty() || SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(protocols.data()),
                                                    static_cast<unsigned>(protocols.size())) == 0;
  }

  void finish_later(Result<std::shared_ptr<Pump>> result) {
    asio::post(loop_, [me = shared_from_this(), result = std::move(result)]() mutable { me->finish(std::move(result)); });
  }

  void finish(Result<std::shared_ptr<Pump>> result) {
    if (finished_) return;
    finished_ = true;
    timer_.cancel();
    resolver_.cancel();
    std::error_code ignored;
    socket_.close(ignored);
    const auto pump = std::exchange(pump_, nullptr);
    if (!result && pump) pump->close();
    std::exchange(done_, nullptr)(std::move(result));
  }

  asio::io_context& loop_;
  ConnectOptions options_;
  Connected done_;
  asio::ip::tcp::resolver resolver_;
  asio::steady_timer timer_;
  StreamSocket socket_;
  std::vector<asio::generic::stream_protocol::endpoint> endpoints_;
  std::size_t next_ = 0;
  std::string last_error_ = "no address";
  std::shared_ptr<SocketPump> pump_;
  bool finished_ = false;
};

}  // namespace

std::shared_ptr<Pump> make_server_pump(asio::io_context& loop, StreamSocket socket, SSL_CTX* tls, std::size_t max_queued) {
  std::error_code ignored;
  socket.non_blocking(true, ignored);
  return std::make_shared<SocketPump>(asio::use_service<PumpRoom>(loop), std::move(socket), tls, true, max_queued);
}

void connect_pump(asio::io_context& loop, const std::string& target, ConnectOptions options, Connected done) {
  std::make_shared<Connector>(loop, std::move(options), std::move(done))->start(target);
}

}  // namespace belfry::gateway
