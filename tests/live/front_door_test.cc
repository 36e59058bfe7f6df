// The front door over real sockets: what a codec's unit test cannot see. Timeouts, limits, TLS, slow peers, graceful stop.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gateway/listener.h"
#include "gateway/tls.h"

namespace belfry::gateway {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;
using namespace std::chrono_literals;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

HttpResponse text(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

// What a test does with a request; by path. All on the server's thread.
class TestSite : public Site {
 public:
  Admission admit(const HttpRequest& head) override {
    if (head.path == "/forbidden") return text(403, "no");
    return std::size_t{16UL * 1024 * 1024};
  }
  void serve(std::shared_ptr<Exchange> exchange) override {
    const std::string path = exchange->request().path;
    exchange->on_gone = [this] { ++gone; };
    if (path == "/dropped") return;
    if (path == "/held") {
      held = std::move(exchange);
      ++holding;
      return;
    }
    if (path == "/large") return exchange->answer(text(200, std::string(3'000'000, 'L')));
    if (path == "/stream") {
      exchange->begin({});
      exchange->write("one ");
      exchange->write("two");
      return exchange->end();
    }
    if (path == "/flood") {
      exchange->begin({});
      const std::string piece(64 * 1024, 'f');
      while (exchange->write(piece)) ++flood_pieces;
      return;  // let go unfinished: the peer must see a cut
    }
    if (exchange->wants_websocket()) {
      auto socket = exchange->upgrade(exchange->request().headers.get("sec-websocket-protocol"), socket_limits);
      WebSocket* out = socket.get();
      socket->on_close = [this](std::uint16_t code) {
        close_code = code;
        last_socket = nullptr;
      };
      socket->on_text = [this, out](std::string&& message) {
        if (message == "pause") {
          out->pause();
          paused = true;
        }
        ++messages;
        if (message == "bury me") {
          for (int i = 0; i < 10'000 && close_code == 0; ++i) out->send(std::string(1000, 'b'));
          return;
        }
        out->send(message);
      };
      last_socket = socket;
      return;
    }
    exchange->answer(
        text(200, exchange->request().method + " " + path + " " + exchange->request().body + " " + exchange->request().peer));
  }

  std::shared_ptr<Exchange> held;
  std::shared_ptr<WebSocket> last_socket;
  WebSocketLimits socket_limits;
  std::atomic<int> gone = 0, holding = 0, flood_pieces = 0, close_code = 0, messages = 0;
  std::atomic<bool> paused = false;
};

// A listener on a thread of its own.
class Server {
 public:
  explicit Server(ServerLimits limits = {}, TlsContext tls = nullptr, const std::string& address = "127.0.0.1:0") {
    auto opened = Listener::open(loop, address, std::move(tls), site, limits);
    if (!opened) throw std::runtime_error(opened.error().detail);
    listener = std::move(*opened);
    thread = std::thread([this] { loop.run(); });
  }
  ~Server() {
    run([this] {
      site.held = nullptr;
      site.last_socket = nullptr;
      listener = nullptr;
    });
    work.reset();
    loop.stop();
    thread.join();
  }
  void run(const std::function<void()>& what) {
    std::promise<void> done;
    asio::post(loop, [&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }
  // Graceful; returns how long it took.
  std::int64_t stop(std::int64_t within_ms = 8'000) {
    const std::int64_t start = now_ms();
    auto done = std::make_shared<std::promise<void>>();
    auto future = done->get_future();
    asio::post(loop, [this, done, within_ms] { listener->stop(within_ms, [done] { done->set_value(); }); });
    EXPECT_EQ(future.wait_for(20s), std::future_status::ready);
    return now_ms() - start;
  }
  std::uint16_t port() const { return listener->port(); }

  asio::io_context loop{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{loop.get_executor()};
  TestSite site;
  std::unique_ptr<Listener> listener;
  std::thread thread;
};

// A blocking client; every read has a deadline.
class Client {
 public:
  explicit Client(std::uint16_t port, int receive_buffer = 0) : fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (receive_buffer > 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  ~Client() { ::close(fd); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  void drip(std::string_view bytes) {
    for (const char c : bytes) {
      send({&c, 1});
      std::this_thread::sleep_for(200us);
    }
  }
  // Reads until `enough` says so, the end, or five seconds.
  std::string read(const std::function<bool(const std::string&)>& enough, int within_ms = 5'000) {
    std::string all;
    const std::int64_t until = now_ms() + within_ms;
    while (!enough(all)) {
      pollfd wait{fd, POLLIN, 0};
      const std::int64_t left = until - now_ms();
      if (left <= 0 || ::poll(&wait, 1, static_cast<int>(left)) <= 0) break;
      char buffer[65536];
      const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
      if (n <= 0) {
        ended = true;
        break;
      }
      all.append(buffer, static_cast<std::size_t>(n));
    }
    return all;
  }
  std::string read_to(const std::string& end) {
    return read([&](const std::string& s) { return s.ends_with(end); });
  }
  std::string read_all(int within_ms = 5'000) {
    return read([](const std::string&) { return false; }, within_ms);
  }

  int fd;
  bool connected = false;
  bool ended = false;
};

std::string get(const std::string& path) { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n"; }

const std::string kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: belfry.desk.v1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

// A client's frame under a mask of zeros.
std::string frame(unsigned first, const std::string& payload) {
  std::string out{static_cast<char>(first), static_cast<char>(0x80 | payload.size())};
  out.append(4, '\0');
  return out += payload;
}

bool wait_for(const std::function<bool()>& what, std::int64_t within_ms = 5'000) {
  for (const std::int64_t until = now_ms() + within_ms; now_ms() < until; std::this_thread::sleep_for(5ms)) {
    if (what()) return true;
  }
  return what();
}

TEST(FrontDoor, AnswersPipelinedAndDripped) {
  Server server;
  for (const bool whole : {true, false}) {
    Client client(server.port());
    const std::string bytes = get("/1") + "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" +
                              "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n" +
                              "GET /4 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    whole ? client.send(bytes) : client.drip(bytes);
    const std::string all = client.read_all();
    EXPECT_TRUE(client.ended);
    EXPECT_LT(all.find("GET /1  127.0.0.1"), all.find("POST /2 abc 127.0.0.1"));
    EXPECT_LT(all.find("POST /2 abc"), all.find("POST /3 def"));
    EXPECT_THAT(all, EndsWith("GET /4  127.0.0.1"));
    EXPECT_THAT(all, HasSubstr("\r\nDate: "));
  }
}

TEST(FrontDoor, LargeAnswersStreamsAndOwnersWhoForget) {
  Server server;
  Client client(server.port());
  client.send(get("/large") + get("/stream") + get("/dropped") + get("/forbidden"));
  const std::string all = client.read_to("no");
  EXPECT_GT(all.size(), 3'000'000U);
  EXPECT_THAT(all.substr(2'999'999), HasSubstr("4\r\none \r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 500 "));
  EXPECT_THAT(all.substr(2'999'999), HasSubstr("HTTP/1.1 403 "));
  EXPECT_EQ(server.site.gone, 0);
}

TEST(FrontDoor, AHalfClosedPeerStillHearsItsAnswer) {
  Server server;
  Client client(server.port());
  client.send(get("/1") + get("/2"));
  ::shutdown(client.fd, SHUT_WR);
  EXPECT_THAT(client.read_all(), EndsWith("GET /2  127.0.0.1"));
  EXPECT_TRUE(client.ended);
}

TEST(FrontDoor, TellsTheSiteThatThePeerLeft) {
  Server server;
  {
    Client client(server.port());
    client.send(get("/held"));
    EXPECT_TRUE(wait_for([&] { return server.site.holding == 1; }));
    const linger hard{1, 0};
    ::setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  EXPECT_TRUE(wait_for([&] { return server.site.gone == 1; }));
  server.run([&] { server.site.held->answer(text(200, "nobody hears")); });
  EXPECT_TRUE(wait_for([&] { return server.listener->connections() == 0; }));
}

TEST(FrontDoor, SlowHeadsBodiesAndIdlersAreCut) {
  ServerLimits limits;
  limits.head_timeout_ms = 500;
  limits.body_timeout_ms = 500;
  limits.idle_timeout_ms = 1'500;
  Server server(limits);
  Client head(server.port());
  Client body(server.port());
  Client silent(server.port());
  Client kept(server.port());
  head.send("GET / HTTP/1.1\r\nHost: x\r\n");
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  kept.send(get("/k"));
  std::atomic<bool> stop = false;
  std::thread dribble([&] {
    while (!stop) {
      head.send("X");
      std::this_thread::sleep_for(50ms);
    }
  });
  EXPECT_THAT(head.read_all(), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(head.ended);
  stop = true;
  dribble.join();
  EXPECT_THAT(body.read_all(), StartsWith("HTTP/1.1 408 "));
  EXPECT_TRUE(body.ended);
  EXPECT_EQ(silent.read_all(), "");
  EXPECT_TRUE(silent.ended);
  EXPECT_THAT(kept.read_all(), EndsWith("GET /k  127.0.0.1"));
  EXPECT_TRUE(kept.ended);
  EXPECT_TRUE(wait_for([&] { return server.listener->connections() == 0; }));
}

TEST(FrontDoor, APeerThatNeverReadsIsNotReadAndThenCut) {
  ServerLimits limits;
  limits.write_timeout_ms = 1'000;
  Server server(limits);
  Client client(server.port(), 4096);
  ::fcntl(client.fd, F_SETFL, O_NONBLOCK);
  const std::string request = get("/large");
  std::size_t sent = 0;
  for (int i = 0; i < 20'000; ++i) {
    const ssize_t n = ::send(client.fd, request.data(), request.size(), MSG_NOSIGNAL);
    if (n < 0) break;
    sent += static_cast<std::size_t>(n);
  }
  EXPECT_TRUE(wait_for([&] { return server.listener->connections() == 0; }));
  EXPECT_EQ(server.listener->stats().timeouts, 1U);
  EXPECT_LT(server.listener->stats().requests, 10U);

  Client flood(server.port(), 4096);
  flood.send(get("/flood"));
  EXPECT_TRUE(wait_for([&] { return server.site.flood_pieces > 0; }));
  EXPECT_LT(server.site.flood_pieces, 100);
  EXPECT_TRUE(wait_for([&] { return server.listener->connections() == 0; }));
}

TEST(FrontDoor, LimitsConnections) {
  ServerLimits limits;
  limits.max_per_address = 2;
  Server server(limits);
  Client a(server.port());
  auto b = std::make_unique<Client>(server.port());
  a.send(get("/a"));
  b->send(get("/b"));
  a.read_to("127.0.0.1");
  b->read_to("127.0.0.1");
  Client c(server.port());
  c.send(get("/c"));
  EXPECT_EQ(c.read_all(), "");
  EXPECT_TRUE(c.ended);
  b.reset();
  EXPECT_TRUE(wait_for([&] { return server.listener->connections() == 1; }));
  Client d(server.port());
  d.send(get("/d"));
  EXPECT_THAT(d.read_to("127.0.0.1"), HasSubstr("GET /d"));
  EXPECT_EQ(server.listener->stats().refused, 1U);
}

TEST(FrontDoor, WebSocketEchoesPausesAndCloses) {
  Server server;
  Client client(server.port());
  client.send(kUpgrade + frame(0x81, "early"));  // what follows the head belongs to the socket
  const std::string head = client.read_to("early");
  EXPECT_THAT(head, StartsWith("HTTP/1.1 101 "));
  EXPECT_THAT(head, HasSubstr("sec-websocket-protocol: belfry.desk.v1\r\n"));
  client.drip(frame(0x81, "dripped") + frame(0x89, "p"));
  EXPECT_EQ(client.read_to("p"),
            "\x81\x07"
            "dripped\x8a\x01p");
  client.send(frame(0x81, "pause") + frame(0x81, "after1") + frame(0x81, "after2"));
  EXPECT_TRUE(wait_for([&] { return server.site.paused.load(); }));
  EXPECT_EQ(client.read_to("pause"), "\x81\x05pause");
  client.send(frame(0x81, "after3"));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(server.site.messages, 3);
  server.run([&] { server.site.last_socket->resume(); });
  EXPECT_EQ(client.read_to("after3"),
            "\x81\x06"
            "after1\x81\x06"
            "after2\x81\x06"
            "after3");
  server.run([&] {  // short writes of one turn wait together
    for (int i = 0; i < 100; ++i) server.site.last_socket->send("a");
    server.site.last_socket->send("z");
  });
  EXPECT_EQ(client.read_to("z").size(), 303U);
  client.send(frame(0x88, "\x03\xe9"));
  EXPECT_EQ(client.read_all(), "\x88\x02\x03\xe9");
  EXPECT_TRUE(client.ended);
  EXPECT_TRUE(wait_for([&] { return server.site.close_code == 1001; }));

  Client binary(server.port());
  binary.send(kUpgrade + frame(0x82, "x"));
  EXPECT_THAT(binary.read([](const std::string& s) { return s.find("text only") != std::string::npos; }),
              EndsWith("\x03\xebtext only"));
  EXPECT_EQ(server.listener->stats().sockets, 1);
  server.site.close_code = 0;
  ::shutdown(binary.fd, SHUT_WR);
  EXPECT_TRUE(wait_for([&] { return server.site.close_code == 1006; }));
}

TEST(FrontDoor, WebSocketsThatAreDeadSlowOrDoNotClose) {
  Server server;
  server.site.socket_limits.ping_every_ms = 300;
  server.site.socket_limits.close_timeout_ms = 300;
  Client dead(server.port());
  dead.send(kUpgrade);
  const std::string all = dead.read_all();
  EXPECT_THAT(all, EndsWith(std::string("\x89\x00\x89\x00", 4)));
  EXPECT_TRUE(dead.ended);
  EXPECT_TRUE(wait_for([&] { return server.site.close_code == 1006; }));

  server.run([&] { server.site.socket_limits.ping_every_ms = 0; });
  server.site.close_code = 0;
  Client slow(server.port(), 4096);
  slow.send(kUpgrade + frame(0x81, "bury me"));
  EXPECT_TRUE(wait_for([&] { return server.site.close_code == 1013; }));
  EXPECT_EQ(server.listener->stats().slow_consumers, 1U);

  server.site.close_code = 0;
  Client stubborn(server.port());
  stubborn.send(kUpgrade);
  EXPECT_TRUE(wait_for([&] { return server.listener->stats().sockets == 1; }));
  server.run([&] { server.site.last_socket->close(4001, "token expired"); });
  EXPECT_THAT(stubborn.read_all(), EndsWith("\x0f\xa1token expired"));
  EXPECT_TRUE(stubborn.ended);
  EXPECT_TRUE(wait_for([&] { return server.site.close_code == 1006; }));
}

TEST(FrontDoor, StopsGracefully) {
  Server server;
  Client idle(server.port());
  Client busy(server.port());
  Client socket(server.port());
  idle.send(get("/i"));
  idle.read_to("127.0.0.1");
  socket.send(kUpgrade + frame(0x81, "hi"));
  socket.read_to("hi");
  busy.send(get("/held"));
  ASSERT_TRUE(wait_for([&] { return server.site.holding == 1; }));
  std::thread answer([&] {
    std::this_thread::sleep_for(300ms);
    server.run([&] { server.site.held->answer(text(200, "late")); });
  });
  std::thread polite([&] {
    EXPECT_EQ(socket.read([](const std::string& s) { return s.size() >= 14; }), "\x88\x0c\x03\xe9restarting");
    socket.send(frame(0x88, "\x03\xe9"));
  });
  const std::int64_t took = server.stop();
  answer.join();
  polite.join();
  EXPECT_GE(took, 250);
  EXPECT_LT(took, 3'000);
  const std::string last = busy.read_all();
  EXPECT_THAT(last, HasSubstr("Connection: close"));
  EXPECT_THAT(last, EndsWith("late"));
  idle.read_all();
  EXPECT_TRUE(idle.ended);
  EXPECT_FALSE(Client(server.port()).connected);
}

TEST(FrontDoor, StopsEvenIfNobodyEnds) {
  Server server;
  Client busy(server.port());
  busy.send(get("/held"));
  ASSERT_TRUE(wait_for([&] { return server.site.holding == 1; }));
  EXPECT_LT(server.stop(500), 2'000);
  EXPECT_EQ(server.site.gone, 1);
}

// --- TLS

class Tls : public testing::Test {
 protected:
  void SetUp() override {
    std::string dir = "/tmp/belfry-tls-XXXXXX";
    ASSERT_NE(mkdtemp(dir.data()), nullptr);
    dir_ = dir;
    const auto files = self_signed(dir_, {"localhost", "127.0.0.1"});
    ASSERT_TRUE(files) << files.error().detail;
    files_ = *files;
    const auto made = make_server_tls(files_, true);
    ASSERT_TRUE(made) << made.error().detail;
    context_ = *made;
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }

  // Sends over one version of TLS and returns what comes back, or the reason for none.
  static std::string ask(std::uint16_t port, int version, const char* ciphers, const std::string& request,
                         const std::string& alpn = {}) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    if (ciphers != nullptr) SSL_CTX_set_cipher_list(context.get(), ciphers);
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
    if (!alpn.empty())
      SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
    Client client(port);
    SSL_set_fd(ssl.get(), client.fd);
    if (SSL_connect(ssl.get()) != 1) return "refused";
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl.get(), &chosen, &size);
    std::string all;
    if (size > 0) all = std::string(reinterpret_cast<const char*>(chosen), size) + " ";
    for (std::size_t at = 0; at < request.size();) {
      const int n =
          SSL_write(ssl.get(), request.data() + at, static_cast<int>(std::min<std::size_t>(request.size() - at, 100'000)));
      if (n <= 0) return "cannot write";
      at += static_cast<std::size_t>(n);
    }
    char buffer[16384];
    int n = 0;
    while ((n = SSL_read(ssl.get(), buffer, sizeof buffer)) > 0) all.append(buffer, static_cast<std::size_t>(n));
    if (SSL_get_error(ssl.get(), n) != SSL_ERROR_ZERO_RETURN) all += " cut";
    return all;
  }

  std::string dir_;
  CertificateFiles files_;
  TlsContext context_;
};

TEST_F(Tls, VersionsCiphersAndAlpn) {
  struct stat found {};
  ASSERT_EQ(::stat(files_.key_file.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600U);
  EXPECT_EQ(self_signed(dir_, {})->cert_file, files_.cert_file);  // the second start keeps the pair

  Server server({}, context_);
  const std::string request = "GET /t HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    EXPECT_THAT(ask(server.port(), version, nullptr, request), EndsWith("GET /t  127.0.0.1"));
    EXPECT_THAT(ask(server.port(), version, nullptr, request, "\x08http/1.1"), StartsWith("http/1.1 HTTP/1.1 200 OK"));
    EXPECT_EQ(ask(server.port(), version, nullptr, request,
                  "\x03"
                  "foo"),
              "refused");
    const std::string large(5'000'000, 'x');
    const std::string post = "POST /l HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n";
    EXPECT_THAT(ask(server.port(), version, nullptr, post + large).size(), testing::Ge(large.size()));
  }
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION})
    EXPECT_EQ(ask(server.port(), version, "ALL:@SECLEVEL=0", request), "refused");
  for (const char* weak : {"AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"}) {
    EXPECT_EQ(ask(server.port(), TLS1_2_VERSION, weak, request), "refused") << weak;
  }
  Client plain(server.port());
  plain.send(request);
  plain.read_all();
  EXPECT_TRUE(plain.ended);
}

TEST_F(Tls, AHandshakeHasATime) {
  ServerLimits limits;
  limits.handshake_timeout_ms = 300;
  Server server(limits, context_);
  Client mute(server.port());
  Client half(server.port());
  half.send(std::string("\x16\x03\x01\x02\x00\x01\x00", 7));
  EXPECT_EQ(mute.read_all(), "");
  EXPECT_TRUE(mute.ended);
  half.read_all();
  EXPECT_TRUE(half.ended);
}

TEST_F(Tls, OutgoingLinksVerifyTheirPeer) {
  Server server({}, context_);
  const auto trusting = make_client_tls(files_.cert_file);
  ASSERT_TRUE(trusting) << trusting.error().detail;
  const auto strange = make_client_tls("");
  ASSERT_TRUE(strange);
  const std::string target = "127.0.0.1:" + std::to_string(server.port());
  const auto ask_as = [&](SSL_CTX* tls, const std::string& name) {
    asio::io_context loop{1};
    std::string heard = "nothing";
    ConnectOptions options;
    options.tls = tls;
    options.server_name = name;
    options.alpn = "http/1.1";
    std::shared_ptr<Pump> pump;
    connect_pump(loop, target, options, [&](Result<std::shared_ptr<Pump>> connected) {
      if (!connected) {
        heard = "refused";
        return;
      }
      heard = std::string((*connected)->alpn()) + " ";
      pump = *connected;
      pump->start({.on_bytes = [&](std::string_view bytes) { heard += bytes; },
                   .on_end = nullptr,
                   .on_down = [&](const Error&) { heard += " end"; },
                   .on_drained = nullptr});
      pump->write("GET /c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    loop.run_for(10s);
    return heard;
  };
  EXPECT_THAT(ask_as(trusting->get(), "localhost"), EndsWith("GET /c  127.0.0.1 end"));
  EXPECT_THAT(ask_as(trusting->get(), "127.0.0.1"), StartsWith("http/1.1 HTTP/1.1 200"));
  EXPECT_EQ(ask_as(trusting->get(), "example.org"), "refused");
  EXPECT_EQ(ask_as(strange->get(), "localhost"), "refused");
}

// --- HTTP/2, enough to see that it is wired: frames by hand.

std::string h2_frame(unsigned type, unsigned flags, unsigned stream, const std::string& payload) {
  std::string out{static_cast<char>(payload.size() >> 16), static_cast<char>(payload.size() >> 8),
                  static_cast<char>(payload.size()), static_cast<char>(type), static_cast<char>(flags)};
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(stream >> shift);
  return out += payload;
}
// A literal field without indexing (RFC 7541 section 6.2.2).
std::string field(const std::string& name, const std::string& value) {
  std::string out(1, '\0');
  out += static_cast<char>(name.size());
  out += name;
  out += static_cast<char>(value.size());
  return out += value;
}
// The payloads of DATA frames on `stream`.
std::string h2_data(const std::string& bytes, unsigned stream) {
  std::string out;
  for (std::size_t at = 0; at + 9 <= bytes.size();) {
    const auto octet = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + i])); };
    const std::size_t size = octet(0) << 16 | octet(1) << 8 | octet(2);
    if (octet(3) == 0 && octet(8) == stream) out += bytes.substr(at + 9, size);
    at += 9 + size;
  }
  return out;
}

TEST(FrontDoor, SpeaksHttp2AndItsWebSocket) {
  Server server;
  for (const bool whole : {true, false}) {
    Client client(server.port());
    const std::string bytes =
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(4, 0, 0, "") +
        h2_frame(1, 5, 1,
                 field(":method", "GET") + field(":scheme", "http") + field(":path", "/two") + field(":authority", "x")) +
        h2_frame(1, 4, 3,
                 field(":method", "CONNECT") + field(":protocol", "websocket") + field(":scheme", "http") +
                     field(":path", "/ws") + field(":authority", "x") + field("sec-websocket-version", "13")) +
        h2_frame(0, 0, 3, frame(0x81, "early"));
    whole ? client.send(bytes) : client.drip(bytes);
    std::string all = client.read([](const std::string& s) { return h2_data(s, 3).ends_with("early"); });
    EXPECT_EQ(h2_data(all, 1), "GET /two  127.0.0.1");
    EXPECT_EQ(h2_data(all, 3),
              "\x81\x05"
              "early");
    client.send(h2_frame(0, 0, 3, frame(0x81, "again") + frame(0x88, "\x03\xe8")));
    all = client.read([](const std::string& s) { return h2_data(s, 3).ends_with("\x03\xe8"); });
    EXPECT_EQ(h2_data(all, 3),
              "\x81\x05"
              "again\x88\x02\x03\xe8");
    EXPECT_TRUE(wait_for([&] { return server.site.close_code == 1000; }));
    server.site.close_code = 0;
  }
  Client client(server.port());
  client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(4, 0, 0, ""));
  client.read([](const std::string& s) { return s.size() > 9; });
  std::thread reader([&] { client.read_all(); });
  EXPECT_LT(server.stop(), 9'000);
  reader.join();
  EXPECT_TRUE(client.ended);
}

TEST(FrontDoor, ListensOnAUnixSocket) {
  const std::string path = "/tmp/belfry-front-" + std::to_string(::getpid()) + ".sock";
  {
    Server server({}, nullptr, "unix:" + path);
    struct stat found {};
    ASSERT_EQ(::stat(path.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600U);
    asio::io_context loop{1};
    std::string heard;
    connect_pump(loop, "unix:" + path, {}, [&](Result<std::shared_ptr<Pump>> connected) {
      ASSERT_TRUE(connected) << connected.error().detail;
      (*connected)
          ->start({.on_bytes = [&](std::string_view bytes) { heard += bytes; },
                   .on_end = nullptr,
                   .on_down = nullptr,
                   .on_drained = nullptr});
      (*connected)->write("GET /u HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    });
    loop.run_for(5s);
    EXPECT_THAT(heard, EndsWith("GET /u  unix"));
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST(FrontDoor, RefusesBadAddresses) {
  asio::io_context loop{1};
  TestSite site;
  for (const std::string address : {"", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "nohost:1", "unix:"}) {
    EXPECT_FALSE(Listener::open(loop, address, nullptr, site, {})) << address;
  }
}

}  // namespace
}  // namespace belfry::gateway
