// The HTTP client over real sockets, against node's own http, https and http2 servers (a test-time dependency).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "adapters/wire/crypto.h"
#include "gateway/http_call.h"
#include "gateway/media_store.h"
#include "gateway/tls.h"

namespace belfry::gateway {
namespace {

using std::chrono::milliseconds;

// One process, four servers: plain HTTP/1.1, HTTPS that speaks HTTP/1.1 only, HTTPS that speaks HTTP/2, raw TCP that misbehaves.
constexpr const char* kScript = R"js(
const http = require('http'), https = require('https'), http2 = require('http2'), net = require('net'), fs = require('fs');
const dir = process.argv[1];
const tls = {cert: fs.readFileSync(dir + '/server.crt'), key: fs.readFileSync(dir + '/server.key')};
const seen = {connections: 0, requests: 0, posts: 0, sessions: 0};
let sessions = [];
function serve(req, res) {
  seen.requests++;
  if (req.method === 'POST') seen.posts++;
  const url = new URL(req.url, 'http://x');
  const n = Number(url.searchParams.get('n') || 0);
  switch (url.pathname) {
    case '/seen': res.setHeader('content-type', 'application/json'); return res.end(JSON.stringify(seen));
    case '/echo': {
      let parts = [];
      req.on('data', d => parts.push(d));
      req.on('end', () => { res.setHeader('x-type', req.headers['content-type'] || 'none'); res.end(Buffer.concat(parts)); });
      return;
    }
    case '/headers': return res.end(JSON.stringify(req.headers));
    case '/chunked': res.write('one,'); setTimeout(() => { res.write('two,'); setTimeout(() => res.end('three'), 20); }, 20); return;
    case '/large': res.setHeader('content-length', String(n)); return res.end(Buffer.alloc(n, 'x'));
    case '/endless': { const go = () => { while (res.write(Buffer.alloc(65536, 'x'))); }; res.on('drain', go); return go(); }
    case '/stall': return;
    case '/slow': setTimeout(() => res.end('slow'), n); return;
    case '/slowbody': res.write('begun'); setTimeout(() => res.end(' ended'), n); return;
    case '/cut': res.setHeader('content-length', '100'); res.write('begun'); setTimeout(() => res.stream ? res.stream.close(2) : req.socket.destroy(), 20); return;
    case '/drop': return req.socket.destroy();
    case '/close': res.setHeader('connection', 'close'); return res.end('bye');
    case '/none': res.statusCode = 204; return res.end();
    case '/hints': if (res.writeEarlyHints) res.writeEarlyHints({link: '</x>; rel=preload'}); return res.end('after hints');
    case '/redirect': res.statusCode = 302; res.setHeader('location', '/hello'); return res.end();
    case '/missing': res.statusCode = 404; return res.end('no');
    case '/media': {
      res.setHeader('content-type', 'image/png');
      let left = n;
      const go = () => {
        while (left > 0) {
          const size = Math.min(left, 65536);
          left -= size;
          if (!res.write(Buffer.alloc(size, 'm'))) return res.once('drain', go);
        }
        res.end();
      };
      return go();
    }
    case '/goaway': res.end('going'); setTimeout(() => sessions.forEach(s => s.close()), 5); return;
    default: return res.end('hello ' + req.method + ' ' + req.httpVersion);
  }
}
const plain = http.createServer(serve);
plain.on('connection', () => seen.connections++);
const brief = http.createServer({keepAliveTimeout: 200}, serve);   // closes idle connections soon, and says so
const secure = https.createServer({...tls, ALPNProtocols: ['http/1.1']}, serve);
const two = http2.createSecureServer({...tls, allowHTTP1: true}, serve);
const narrow = http2.createSecureServer({...tls, settings: {maxConcurrentStreams: 3}}, serve);
two.on('session', s => { seen.sessions++; sessions.push(s); s.on('error', () => {}); });
two.on('sessionError', () => {});
// Answers once, then closes at the second request without a word: a keep-alive race.
let onceSeen = [];
const once = net.createServer(s => {
  let n = 0;
  s.on('error', () => {});
  s.on('data', d => {
    onceSeen.push(String(d).split(' ')[0]);
    if (String(d).includes('/all')) return s.end('HTTP/1.1 200 OK\r\nContent-Length: ' + JSON.stringify(onceSeen).length + '\r\nConnection: close\r\n\r\n' + JSON.stringify(onceSeen));
    if (++n === 1) s.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'); else s.destroy();
  });
});
// Speaks until it closes, and speaks nonsense.
const raw = net.createServer(s => {
  s.on('error', () => {});
  s.once('data', d => {
    const path = String(d).split(' ')[1];
    if (path === '/eof') return s.end('HTTP/1.1 200 OK\r\n\r\nuntil the end');
    if (path === '/twice') return s.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
    if (path === '/nonsense') return s.end('220 mail.example ESMTP\r\n');
    if (path === '/both') return s.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n');
    if (path === '/head') return s.end('HTTP/1.1 200 OK\r\nX: ' + 'y'.repeat(100000) + '\r\n\r\n');
    if (path === '/dribble') { const t = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n'; let i = 0; const f = () => { if (i < t.length) { s.write(t[i++]); setImmediate(f); } }; return f(); }
  });
});
let left = 0;
const servers = {plain, brief, secure, two, narrow, once, raw};
const ports = {};
for (const [name, s] of Object.entries(servers)) { left++; s.listen(0, '127.0.0.1', () => { ports[name] = s.address().port; if (--left === 0) console.log(JSON.stringify(ports)); }); }
)js";

class Node {
 public:
  explicit Node(const std::string& dir) {
    int out[2];
    EXPECT_EQ(::pipe(out), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that crashes leaves nobody behind
      ::dup2(out[1], 1);
      ::close(out[0]);
      ::close(out[1]);
      ::execlp("node", "node", "-e", kScript, dir.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(out[1]);
    std::string line;
    char c = 0;
    while (::read(out[0], &c, 1) == 1 && c != '\n') line.push_back(c);
    out_ = out[0];
    ports = nlohmann::json::parse(line, nullptr, false);
  }
  ~Node() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::close(out_);
  }
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  std::string url(const std::string& server, const std::string& path, const std::string& host = "127.0.0.1") const {
    const bool tls = server == "secure" || server == "two" || server == "narrow";
    return (tls ? "https://" : "http://") + host + ":" + std::to_string(ports.at(server).get<int>()) + path;
  }
  nlohmann::json ports;

 private:
  pid_t pid_ = 0;
  int out_ = -1;
};

void shell(const std::string& command) { ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command; }

class HttpClientTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    char name[] = "/tmp/belfry-http-client-XXXXXX";
    dir = ::mkdtemp(name);
    // A private authority, and a certificate of it for localhost and 127.0.0.1.
    const std::string at = "cd " + dir + " && ";
    shell(at +
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=belfry-test-ca -keyout ca.key "
          "-out ca.crt");
    shell(at +
          "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout server.key -out server.csr");
    std::ofstream(dir + "/ext") << "subjectAltName=DNS:localhost,IP:127.0.0.1\n";
    shell(at + "openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt");
    shell(at +
          "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other-ca -keyout other.key "
          "-out other.crt");
    node = new Node(dir);
    ASSERT_FALSE(node->ports.is_discarded()) << "node did not start";
  }
  static void TearDownTestSuite() {
    delete node;
    std::filesystem::remove_all(dir);
  }

  HttpClientTest() : tls(make_client_tls(dir + "/ca.crt").value()), files(make_media_store(loop, dir + "/media")) { make({}); }
  void make(HttpClientLimits limits) { client = make_http_client(loop, tls.get(), files.get(), limits); }

  void run_until(const std::function<bool()>& done, milliseconds most = milliseconds(15'000)) {
    const auto end = std::chrono::steady_clock::now() + most;
    while (!done() && std::chrono::steady_clock::now() < end) {
      loop.restart();
      loop.run_one_for(milliseconds(100));
    }
    EXPECT_TRUE(done());
  }
  void wait(milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end) {
      loop.restart();
      loop.run_one_for(milliseconds(10));
    }
  }

  Call get(const std::string& url) { return {++id, "GET", url, {}, {}, 10'000}; }
  Call post(const std::string& url, std::string body) {
    Call call{++id, "POST", url, {}, std::move(body), 10'000};
    call.headers.add("Content-Type", "application/json");
    return call;
  }
  Result<HttpResponse> ask(const Call& call) {
    std::optional<Result<HttpResponse>> out;
    client->call(call, [&out](Result<HttpResponse> r) {
      EXPECT_FALSE(out.has_value());
      out = std::move(r);
    });
    EXPECT_FALSE(out.has_value()) << "answered from inside the call";
    run_until([&] { return out.has_value(); });
    return out ? *out : fail(Errc::kInternal, "never answered");
  }
  Result<HttpClient::Fetched> fetch(Fetch what) {
    std::optional<Result<HttpClient::Fetched>> out;
    client->fetch(what, [&out](Result<HttpClient::Fetched> r) { out = std::move(r); });
    run_until([&] { return out.has_value(); });
    return out ? *out : fail(Errc::kInternal, "never answered");
  }
  Fetch media(const std::string& url, std::int64_t max = 100 << 20) {
    return {++id, url, {}, "", max, {"127.0.0.1", "LOCALHOST"}, 20'000};
  }
  nlohmann::json seen() { return nlohmann::json::parse(ask(get(node->url("plain", "/seen")))->body); }

  static std::string dir;
  static Node* node;
  asio::io_context loop{1};
  TlsContext tls;
  std::unique_ptr<MediaStore> files;
  std::unique_ptr<HttpClient> client;
  CallId id = 0;
};
std::string HttpClientTest::dir;
Node* HttpClientTest::node = nullptr;

#define EXPECT_ERROR(result, expected)                                           \
  do {                                                                           \
    const auto& r_ = (result);                                                   \
    ASSERT_FALSE(r_.has_value());                                                \
    EXPECT_EQ(name_of(r_.error().code), name_of(expected)) << r_.error().detail; \
  } while (false)

TEST_F(HttpClientTest, AnswersOfEveryShape) {
  for (const std::string server : {"plain", "secure", "two"}) {
    SCOPED_TRACE(server);
    const auto hello = ask(get(node->url(server, "/hello?a=b")));
    ASSERT_TRUE(hello.has_value()) << hello.error().detail;
    EXPECT_EQ(hello->body, server == "two" ? "hello GET 2.0" : "hello GET 1.1");
    EXPECT_EQ(ask(get(node->url(server, "/chunked")))->body, "one,two,three");
    EXPECT_EQ(ask(get(node->url(server, "/none")))->status, 204);
    EXPECT_EQ(ask(get(node->url(server, "/hints")))->body, "after hints");
    EXPECT_EQ(ask(get(node->url(server, "/slowbody?n=300")))->body, "begun ended");
    const auto redirect = ask(get(node->url(server, "/redirect")));
    EXPECT_EQ(redirect->status, 302);  // told, not followed
    EXPECT_EQ(redirect->headers.get("location"), "/hello");
    Call head = get(node->url(server, "/large?n=300000"));
    head.method = "HEAD";
    const auto headed = ask(head);
    ASSERT_TRUE(headed.has_value()) << headed.error().detail;
    EXPECT_EQ(headed->headers.get("content-length"), "300000");
    EXPECT_EQ(headed->body, "");
    const auto echo = ask(post(node->url(server, "/echo"), std::string(200'000, 'e')));
    ASSERT_TRUE(echo.has_value()) << echo.error().detail;
    EXPECT_EQ(echo->body.size(), 200'000U);
    EXPECT_EQ(echo->headers.get("x-type"), "application/json");
    Call framed = get(node->url(server, "/headers"));
    framed.headers.add("Authorization", "Bearer t");
    framed.headers.add("Transfer-Encoding", "chunked");
    framed.headers.add("Content-Length", "77");
    const auto headers = nlohmann::json::parse(ask(framed)->body);
    EXPECT_EQ(headers["authorization"], "Bearer t");
    EXPECT_FALSE(headers.contains("transfer-encoding"));
    EXPECT_FALSE(headers.contains("content-length"));
  }
  EXPECT_EQ(ask(get(node->url("raw", "/eof")))->body, "until the end");
  EXPECT_EQ(ask(get(node->url("raw", "/dribble")))->body, "hello");
}

TEST_F(HttpClientTest, ConnectionsAreKeptAndReused) {
  const int before = seen()["connections"].get<int>();
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ask(get(node->url("plain", "/hello"))).has_value());
  EXPECT_EQ(seen()["connections"].get<int>(), before);
  EXPECT_EQ(ask(get(node->url("plain", "/close")))->body, "bye");
  EXPECT_EQ(seen()["connections"].get<int>(), before + 1);
}

TEST_F(HttpClientTest, ManyCallsShareAtMostTheLimit) {
  make({.connections_per_origin = 4});
  const int before = seen()["connections"].get<int>();
  int answered = 0;
  for (int i = 0; i < 200; ++i) {
    client->call(get(node->url("plain", "/hello")), [&](Result<HttpResponse> r) { answered += r.has_value() ? 1 : 0; });
  }
  run_until([&] { return answered == 200; });
  EXPECT_LE(seen()["connections"].get<int>(), before + 3);  // one was there from seen()
}

TEST_F(HttpClientTest, HttpTwoCarriesManyOverOne) {
  const int before = seen()["sessions"].get<int>();
  int answered = 0;
  for (int i = 0; i < 300; ++i) {
    client->call(post(node->url("two", "/echo"), std::to_string(i)), [&, i](Result<HttpResponse> r) {
      ASSERT_TRUE(r.has_value()) << r.error().detail;
      EXPECT_EQ(r->body, std::to_string(i));
      ++answered;
    });
  }
  run_until([&] { return answered == 300; });
  EXPECT_LE(seen()["sessions"].get<int>(), before + 4);
}

TEST_F(HttpClientTest, TheServersStreamLimitIsKept) {
  int answered = 0;
  for (int i = 0; i < 30; ++i) {
    client->call(get(node->url("narrow", "/slow?n=20")), [&](Result<HttpResponse> r) {
      ASSERT_TRUE(r.has_value()) << r.error().detail;
      ++answered;
    });
  }
  run_until([&] { return answered == 30; });
}

TEST_F(HttpClientTest, AfterGoawayCallsGoElsewhere) {
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(ask(get(node->url("two", "/goaway")))->body, "going");
    int answered = 0;
    for (int i = 0; i < 20; ++i) {
      client->call(post(node->url("two", "/echo"), "x"), [&](Result<HttpResponse> r) {
        EXPECT_TRUE(r.has_value()) << r.error().detail;
        ++answered;
      });
      wait(milliseconds(1));
    }
    run_until([&] { return answered == 20; });
  }
}

TEST_F(HttpClientTest, AnIdleConnectionThatTheServerClosesIsNoTrouble) {
  for (int i = 0; i < 4; ++i) {
    const auto answer = ask(post(node->url("brief", "/echo"), "x"));
    ASSERT_TRUE(answer.has_value()) << answer.error().detail;
    wait(milliseconds(i * 100));
  }
}

TEST_F(HttpClientTest, ACutBeforeTheAnswerIsRepeatedForGetAndNeverForPost) {
  const std::string url = node->url("once", "/");
  ASSERT_EQ(ask(get(url))->body, "ok");
  EXPECT_EQ(ask(get(url))->body, "ok");               // the second on that connection was cut: repeated on a new one
  EXPECT_ERROR(ask(post(url, "{}")), Errc::kClosed);  // the second on the new one
  wait(milliseconds(50));
  const auto all = nlohmann::json::parse(ask(get(node->url("once", "/all")))->body);
  EXPECT_EQ(all, nlohmann::json({"GET", "GET", "GET", "POST", "GET"}));
  // On a fresh connection not even a GET is repeated.
  const int before = seen()["requests"].get<int>();
  make({});
  EXPECT_ERROR(ask(get(node->url("plain", "/drop"))), Errc::kClosed);
  EXPECT_EQ(seen()["requests"].get<int>(), before + 2);
  for (const char* server : {"plain", "secure", "two"}) EXPECT_ERROR(ask(get(node->url(server, "/cut"))), Errc::kClosed);
}

TEST_F(HttpClientTest, Deadlines) {
  for (const char* server : {"plain", "two"}) {
    Call stall = get(node->url(server, "/stall"));
    stall.timeout_ms = 200;
    EXPECT_ERROR(ask(stall), Errc::kTimeout);
    Call slow = get(node->url(server, "/slowbody?n=5000"));
    slow.timeout_ms = 300;
    EXPECT_ERROR(ask(slow), Errc::kTimeout);
    EXPECT_TRUE(ask(get(node->url(server, "/hello"))).has_value());
  }
  // One that never got a connection was not sent.
  make({.connections_per_origin = 1});
  int done = 0;
  client->call(get(node->url("plain", "/slow?n=600")), [&](Result<HttpResponse> r) {
    EXPECT_TRUE(r.has_value());
    ++done;
  });
  Call second = get(node->url("plain", "/hello"));
  second.timeout_ms = 200;
  EXPECT_ERROR(ask(second), Errc::kUnavailable);
  run_until([&] { return done == 1; });
}

TEST_F(HttpClientTest, BoundsHold) {
  for (const char* server : {"plain", "secure", "two"}) {
    EXPECT_ERROR(ask(get(node->url(server, "/large?n=300000"))), Errc::kTooLarge);
    EXPECT_ERROR(ask(get(node->url(server, "/endless"))), Errc::kTooLarge);
    EXPECT_EQ(ask(get(node->url(server, "/large?n=262144")))->body.size(), 262'144U);
  }
  make({.connections_per_origin = 1, .waiting_per_origin = 3});
  std::vector<std::string> codes;
  for (int i = 0; i < 6; ++i) {
    client->call(get(node->url("plain", "/slow?n=50")),
                 [&](Result<HttpResponse> r) { codes.emplace_back(r ? "ok" : std::string(name_of(r.error().code))); });
  }
  run_until([&] { return codes.size() == 6; });
  EXPECT_EQ(std::count(codes.begin(), codes.end(), "ok"), 3);
  EXPECT_EQ(std::count(codes.begin(), codes.end(), "busy"), 3);
}

TEST_F(HttpClientTest, NonsenseIsNoAnswer) {
  for (const char* path : {"/nonsense", "/both", "/head"}) EXPECT_ERROR(ask(get(node->url("raw", path))), Errc::kClosed);
  EXPECT_EQ(ask(get(node->url("raw", "/twice")))->body, "ok");
  EXPECT_EQ(ask(get(node->url("raw", "/eof")))->body, "until the end");  // not "evil"
}

TEST_F(HttpClientTest, NothingIsSentWhereNobodyListens) {
  EXPECT_ERROR(ask(get("http://127.0.0.1:1/")), Errc::kUnavailable);
  for (const char* url :
       {"ftp://x/", "http://", "http://u@h/", "http://h:0/", "http://h:99999/", "http://h/#f", "http://h/a b", "https:///x"}) {
    EXPECT_ERROR(ask(get(url)), Errc::kBadInput);
  }
  Call split = get(node->url("plain", "/hello"));
  split.headers.add("x", "a\r\nb: c");
  EXPECT_ERROR(ask(split), Errc::kBadInput);
}

TEST_F(HttpClientTest, CertificatesAreVerified) {
  EXPECT_TRUE(ask(get(node->url("secure", "/hello", "localhost"))).has_value());
  EXPECT_ERROR(ask(get(node->url("secure", "/hello", "127.0.0.2"))), Errc::kUnavailable);  // not in the certificate
  const TlsContext other = make_client_tls(dir + "/other.crt").value();
  client = make_http_client(loop, other.get(), nullptr);
  EXPECT_ERROR(ask(get(node->url("secure", "/hello"))), Errc::kUnavailable);
  EXPECT_ERROR(ask(get(node->url("two", "/hello"))), Errc::kUnavailable);
}

TEST_F(HttpClientTest, FetchedBodiesAreInTheStore) {
  for (const char* server : {"plain", "secure", "two"}) {
    SCOPED_TRACE(server);
    const std::int64_t size = 20'000'001;
    const std::string sha256 = wire::to_hex(wire::sha256(std::string(size, 'm')));
    Fetch what = media(node->url(server, "/media?n=" + std::to_string(size)));
    what.sha256 = sha256;
    const auto fetched = fetch(what);
    ASSERT_TRUE(fetched.has_value()) << fetched.error().detail;
    EXPECT_EQ(fetched->sha256, sha256);
    EXPECT_EQ(fetched->size, size);
    EXPECT_EQ(fetched->mime, "image/png");
    const std::string path = dir + "/media/" + sha256.substr(0, 2) + "/" + sha256;
    EXPECT_EQ(std::filesystem::file_size(path), static_cast<std::uintmax_t>(size));
    std::filesystem::remove(path);
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir + "/media/tmp"));
}

TEST_F(HttpClientTest, AFetchThatFailsLeavesNothing) {
  EXPECT_ERROR(fetch(media(node->url("plain", "/media?n=5000"), 4'999)), Errc::kTooLarge);
  EXPECT_ERROR(fetch(media(node->url("two", "/large?n=5000"), 4'999)), Errc::kTooLarge);
  EXPECT_ERROR(fetch(media(node->url("plain", "/endless"), 3'000'000)), Errc::kTooLarge);
  EXPECT_ERROR(fetch(media(node->url("plain", "/missing"))), Errc::kNotFound);
  EXPECT_ERROR(fetch(media(node->url("plain", "/redirect"))), Errc::kForbidden);
  EXPECT_ERROR(fetch(media(node->url("plain", "/cut"))), Errc::kClosed);
  Fetch late = media(node->url("plain", "/slowbody?n=5000"));
  late.timeout_ms = 200;
  EXPECT_ERROR(fetch(late), Errc::kTimeout);
  Fetch other = media(node->url("plain", "/media?n=10"));
  other.sha256 = std::string(64, '0');
  EXPECT_ERROR(fetch(other), Errc::kBadInput);
  Fetch elsewhere = media(node->url("plain", "/media?n=10"));
  elsewhere.allowed_hosts = {"lookaside.fbsbx.com", "127.0.0.1.example", "27.0.0.1"};
  EXPECT_ERROR(fetch(elsewhere), Errc::kForbidden);
  Fetch bare = media("http://192.0.2.1/x");
  bare.allowed_hosts = {"192.0.2.1"};
  EXPECT_ERROR(fetch(bare), Errc::kForbidden);
  wait(milliseconds(100));
  EXPECT_TRUE(std::filesystem::is_empty(dir + "/media/tmp"));
}

TEST_F(HttpClientTest, AClientMayGoWhileCallsAreOpen) {
  int told = 0;
  for (const char* server : {"plain", "secure", "two"}) {
    for (int i = 0; i < 10; ++i) {
      client->call(get(node->url(server, i % 2 == 0 ? "/slow?n=30" : "/hello")), [&](Result<HttpResponse>) { ++told; });
      client->fetch(media(node->url(server, "/media?n=1000000")), [&](Result<HttpClient::Fetched>) { ++told; });
    }
    wait(milliseconds(15));
    client.reset();
    const int before = told;
    wait(milliseconds(100));
    EXPECT_EQ(told, before);
    make({});
  }
}

TEST_F(HttpClientTest, TheMediaStoreByItself) {
  auto store = make_media_store(loop, dir + "/store");
  const std::string content = "a picture of a belfry";
  const std::string sha256 = wire::to_hex(wire::sha256(content));
  std::optional<Result<StoredMedia>> stored;
  auto upload = store->create(100);
  for (const char c : content) upload->write({&c, 1});
  upload->finish("", [&](Result<StoredMedia> r) { stored = std::move(r); });
  run_until([&] { return stored.has_value(); });
  ASSERT_TRUE(stored->has_value());
  EXPECT_EQ((*stored)->sha256, sha256);
  std::optional<Result<std::string>> read;
  store->read(sha256, 2, 7, [&](Result<std::string> r) { read = std::move(r); });
  run_until([&] { return read.has_value(); });
  EXPECT_EQ(**read, "picture");
  for (const std::string& name : {std::string("../../etc/passwd"), std::string(64, 'a'), std::string(), std::string(64, '/')}) {
    read.reset();
    store->read(name, 0, 10, [&](Result<std::string> r) { read = std::move(r); });
    run_until([&] { return read.has_value(); });
    EXPECT_ERROR(*read, Errc::kNotFound);
  }
  std::optional<Result<std::int64_t>> size;
  store->size(sha256, [&](Result<std::int64_t> r) { size = std::move(r); });
  run_until([&] { return size.has_value(); });
  EXPECT_EQ(**size, static_cast<std::int64_t>(content.size()));
  std::optional<Result<bool>> gone;
  store->remove(sha256, [&](Result<bool> r) { gone = std::move(r); });
  run_until([&] { return gone.has_value(); });
  EXPECT_TRUE(**gone);
  // Dropped before its end: nothing stays.
  upload = store->create(100);
  upload->write("half");
  upload.reset();
  store.reset();
  EXPECT_TRUE(std::filesystem::is_empty(dir + "/store/tmp"));
}

}  // namespace
}  // namespace belfry::gateway
