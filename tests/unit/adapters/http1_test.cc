// The HTTP/1.1 codec against tables of requests, each whole and one octet at a time, and against sites that answer at once,
// later, or in pieces.
#include "adapters/wire/http1.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::wire {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

// A site that keeps what it hears and, unless told to wait, answers with "<method> <path> <body>".
class Peer : public ServerEvents {
 public:
  explicit Peer(Http1Config config = {}) {
    config.date = &kDate;
    codec = make_http1_server(*this, std::move(config));
  }
  std::size_t on_head(StreamId stream, HttpRequest& head) override {
    ++heads;
    if (refuse_with != 0) {
      HttpResponse response;
      response.status = refuse_with;
      codec->respond(stream, std::move(response));
      return 0;
    }
    if (head.path == "/none") return 0;
    return max_body;
  }
  void on_request(StreamId stream, HttpRequest request) override {
    requests.push_back(std::move(request));
    last = stream;
    if (!wait) answer(stream);
  }
  void on_tunnel(StreamId stream, HttpRequest request) override {
    requests.push_back(std::move(request));
    last = stream;
    if (!wait) codec->accept_tunnel(stream, {});
  }
  void on_tunnel_bytes(StreamId stream, std::string_view bytes) override {
    tunnel += bytes;
    codec->tunnel_consumed(stream, bytes.size());
    codec->tunnel_write(stream, bytes);
  }
  void on_tunnel_end(StreamId) override { tunnel_ended = true; }
  void on_gone(StreamId) override {}

  void answer(StreamId stream) {
    HttpResponse response;
    const HttpRequest& request = requests[stream - 1 - (stream - requests.size())];
    response.body = request.method + " " + request.path + " " + request.body;
    codec->respond(stream, std::move(response));
  }
  std::string feed(std::string_view bytes) {
    ok = codec->feed(bytes) && ok;
    return take();
  }
  std::string take() {
    std::string all;
    for (std::string piece = codec->take(); !piece.empty(); piece = codec->take()) all += piece;
    return all;
  }

  std::unique_ptr<ServerCodec> codec;
  std::vector<HttpRequest> requests;
  std::string tunnel;
  std::size_t max_body = 1000;
  StreamId last = 0;
  int heads = 0;
  int refuse_with = 0;
  bool wait = false;
  bool ok = true;
  bool tunnel_ended = false;
};

std::string drip(Peer& peer, std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    out += peer.feed({&c, 1});
    if (peer.codec->wants_close()) break;
  }
  return out;
}

int status_of(const std::string& answer) {
  return answer.size() < 12 || !answer.starts_with("HTTP/1.1 ") ? -1 : std::stoi(answer.substr(9, 3));
}

TEST(Http1, AnswersAGet) {
  Peer peer;
  EXPECT_EQ(peer.feed("GET /a%20b?q=1&r HTTP/1.1\r\nHost: x.example:80\r\nX-Y: \t  z \t\r\nEmpty:\r\n\r\n"),
            "HTTP/1.1 200 OK\r\nDate: " + kDate + "\r\nContent-Length: 11\r\n\r\nGET /a%20b ");
  ASSERT_EQ(peer.requests.size(), 1U);
  const HttpRequest& request = peer.requests[0];
  EXPECT_EQ(request.target, "/a%20b?q=1&r");
  EXPECT_EQ(request.path, "/a%20b");
  EXPECT_EQ(request.query, "q=1&r");
  EXPECT_EQ(request.authority, "x.example:80");
  EXPECT_EQ(request.scheme, "http");
  EXPECT_EQ(request.headers.get("x-y"), "z");
  EXPECT_TRUE(request.headers.has("empty"));
  EXPECT_EQ(request.headers.size(), 3U);
  EXPECT_FALSE(peer.codec->wants_close());
  EXPECT_TRUE(peer.codec->idle());
}

struct Refusal {
  const char* why;
  std::string head;
  int status;
};

// Every line is refused whole and octet by octet, the site never hears of it, and the connection ends.
const Refusal kRefusals[] = {
    {"bare LF after the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n", 400},
    {"bare LF after a field", "GET / HTTP/1.1\r\nHost: x\n\r\n", 400},
    {"bare LF at the end", "GET / HTTP/1.1\r\nHost: x\r\n\n", 400},
    {"bare LF before the request line", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},
    {"CVE-2023-30589", "POST / HTTP/1.1\r\nHost: x\r\nX-Abc: \rxTransfer-Encoding: chunked\r\n\r\n", 400},
    {"too many empty lines", "\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"HTTP/0.9", "GET /\r\n\r\n", 400},
    {"HTTP/0.9 with fields", "GET /x\r\nHost: x\r\n\r\n", 400},
    {"no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"space at the end", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
    {"space at the start", " GET / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"tab between", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"fragment", "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"non-ASCII target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"relative target", "GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"other scheme", "GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"no host in an absolute target", "GET http:/// HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"user in an absolute target", "GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"asterisk with GET", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"method is no token", "GE(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"lower-case version", "GET / http/1.1\r\nHost: x\r\n\r\n", 400},
    {"version without minor", "GET / HTTP/1\r\nHost: x\r\n\r\n", 400},
    {"version 1.10", "GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400},
    {"version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
    {"version 1.9", "GET / HTTP/1.9\r\nHost: x\r\n\r\n", 505},
    {"version 2.0", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
    {"version 0.9", "GET / HTTP/0.9\r\nHost: x\r\n\r\n", 505},
    {"TLS hello", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n", 12), 400},
    {"unknown method", "BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    {"llhttp's odd method", "SOURCE / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    {"lower-case method", "get / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    {"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 501},
    {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
    {"no Host with an absolute target", "GET http://x/ HTTP/1.1\r\n\r\n", 400},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
    {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"Host with a path", "GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
    {"Host with a user", "GET / HTTP/1.1\r\nHost: u@x\r\n\r\n", 400},
    {"Host with a space", "GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400},
    {"Host with a bad port", "GET / HTTP/1.1\r\nHost: x:y\r\n\r\n", 400},
    {"Host list", "GET / HTTP/1.1\r\nHost: x, y:\r\n\r\n", 400},
    {"Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
    {"obs-fold", "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
    {"fold before the first field", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
    {"space before the colon", "GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400},
    {"no colon", "GET / HTTP/1.1\r\nHost: x\r\nAbc\r\n\r\n", 400},
    {"empty name", "GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400},
    {"NUL in a value", std::string("GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n", 36), 400},
    {"NUL in a name", std::string("GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n", 35), 400},
    {"control in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400},
    {"DEL in a value", "GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n", 400},
    {"non-ASCII name", "GET / HTTP/1.1\r\nHost: x\r\n\xc3\xa4: b\r\n\r\n", 400},
    {"length and chunks", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"chunks and length", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400},
    {"two lengths", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 400},
    {"the same length twice", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
    {"length list", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n", 400},
    {"plus length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\n", 400},
    {"minus length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", 400},
    {"hex length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0x3\r\n\r\n", 400},
    {"length of two words", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3 3\r\n\r\n", 400},
    {"empty length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400},
    {"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 400},
    {"identity", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n", 400},
    {"chunked is not last", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400},
    {"chunked twice", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"two codings in two lines", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
     400},
    {"vertical tab in a coding",
     "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     400},
    {"coding before chunked", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"coding in 1.0", "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"expectation we do not know", "GET / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n\r\n", 417},
    {"WebSocket without a key",
     "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", 400},
    {"WebSocket with a short key",
     "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
     "AAAA\r\n\r\n",
     400},
    {"WebSocket with two keys",
     "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     400},
    {"WebSocket with a body",
     "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nContent-Length: 1\r\n\r\n",
     400},
    {"WebSocket of version 8",
     "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n"
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     426},
};

TEST(Http1, RefusesWhatTheTableSays) {
  for (const Refusal& refusal : kRefusals) {
    SCOPED_TRACE(refusal.why);
    for (const bool whole : {true, false}) {
      Peer peer;
      const std::string answer = whole ? peer.feed(refusal.head) : drip(peer, refusal.head);
      EXPECT_EQ(status_of(answer), refusal.status);
      EXPECT_THAT(answer, HasSubstr("close\r\n"));
      EXPECT_THAT(answer, HasSubstr("Date: "));
      EXPECT_TRUE(peer.codec->wants_close());
      EXPECT_TRUE(peer.requests.empty());
      EXPECT_EQ(peer.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "");
    }
  }
}

struct Body {
  const char* why;
  std::string bytes;  // after "Transfer-Encoding: chunked" and the empty line
  int status;
  std::string body;
};
const Body kBodies[] = {
    {"one chunk", "3\r\nabc\r\n0\r\n\r\n", 200, "abc"},
    {"two chunks, hex in both cases", "a\r\n0123456789\r\nA\r\nabcdefghij\r\n0\r\n\r\n", 200, "0123456789abcdefghij"},
    {"leading zeros", "003\r\nabc\r\n000\r\n\r\n", 200, "abc"},
    {"extension", "3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", 200, "abc"},
    {"trailers are dropped", "3\r\nabc\r\n0\r\nHost: evil\r\nX: y\r\n\r\n", 200, "abc"},
    {"empty", "0\r\n\r\n", 200, ""},
    {"folded trailer", "0\r\nA: b\r\n c\r\n\r\n", 400, ""},
    {"trailer with a bare LF", "0\r\nA: b\n\r\n", 400, ""},
    {"trailer without a colon", "0\r\nAb\r\n\r\n", 400, ""},
    {"space before an extension", "3 ;a\r\nabc\r\n0\r\n\r\n", 200, "abc"},
    {"words after the size", "3 a\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"no size", "\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"size is no number", "g\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"0x", "0x3\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"minus", "-3\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"plus", "+3\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"size overflows", "ffffffffffffffff1\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"bare LF after the size", "3\nabc\r\n0\r\n\r\n", 400, ""},
    {"bare LF after the data", "3\r\nabc\n0\r\n\r\n", 400, ""},
    {"other octets after the data", "3\r\nabcXX0\r\n\r\n", 400, ""},
    {"LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"data longer than its chunk", "2\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"extensions without end", "3;" + std::string(1200, 'a') + "\r\nabc\r\n0\r\n\r\n", 400, ""},
    {"extensions in every chunk",
     [] {
       std::string s;
       for (int i = 0; i < 40; ++i) s += "1;" + std::string(60, 'a') + "\r\nx\r\n";
       return s + "0\r\n\r\n";
     }(),
     400, ""},
    {"trailers too long", "0\r\nA: " + std::string(17000, 'a') + "\r\n\r\n", 431, ""},
    {"too large in one chunk", "3e9\r\n", 413, ""},
    {"too large in two chunks", "3e8\r\n" + std::string(1000, 'a') + "\r\n1\r\na\r\n0\r\n\r\n", 413, ""},
    {"just not too large", "3e8\r\n" + std::string(1000, 'a') + "\r\n0\r\n\r\n", 200, std::string(1000, 'a')},
};

TEST(Http1, ReadsChunks) {
  for (const Body& body : kBodies) {
    SCOPED_TRACE(body.why);
    for (const bool whole : {true, false}) {
      Peer peer;
      const std::string bytes = "POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n" + body.bytes;
      const std::string answer = whole ? peer.feed(bytes) : drip(peer, bytes);
      EXPECT_EQ(status_of(answer), body.status);
      if (body.status == 200) {
        ASSERT_EQ(peer.requests.size(), 1U);
        EXPECT_EQ(peer.requests[0].body, body.body);
        EXPECT_TRUE(peer.codec->idle());
        EXPECT_EQ(status_of(peer.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
      } else {
        EXPECT_TRUE(peer.codec->wants_close());
        EXPECT_THAT(answer, HasSubstr("Connection: close"));
        EXPECT_TRUE(peer.requests.empty());
      }
    }
  }
}

TEST(Http1, Pipelines) {
  const std::string three =
      "\r\nGET /1 HTTP/1.1\r\nHost: x\r\n\r\nPOST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "POST /3 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ndef\r\n0\r\n\r\n";
  for (const bool whole : {true, false}) {
    Peer peer;
    const std::string out = whole ? peer.feed(three) : drip(peer, three);
    ASSERT_EQ(peer.requests.size(), 3U);
    EXPECT_LT(out.find("GET /1 "), out.find("POST /2 abc"));
    EXPECT_LT(out.find("POST /2 abc"), out.find("POST /3 def"));
  }
  // The same with a site that takes its time: one exchange at a time, in order.
  Peer peer;
  peer.wait = true;
  EXPECT_EQ(peer.feed(three), "");
  EXPECT_EQ(peer.requests.size(), 1U);
  EXPECT_EQ(peer.codec->phase(), Phase::kBusy);
  peer.answer(1);
  EXPECT_THAT(peer.take(), EndsWith("GET /1 "));
  EXPECT_EQ(peer.requests.size(), 2U);
  peer.answer(2);
  peer.answer(2);  // a second answer is nobody's
  EXPECT_THAT(peer.take(), EndsWith("POST /2 abc"));
  peer.answer(3);
  EXPECT_THAT(peer.take(), EndsWith("POST /3 def"));
  EXPECT_TRUE(peer.codec->idle());
}

TEST(Http1, StopsReadingAheadOfABusySite) {
  Peer peer;
  peer.wait = true;
  peer.feed("GET /1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(peer.codec->wants_bytes());
  std::string more;
  while (more.size() < 70'000) more += "GET /n HTTP/1.1\r\nHost: x\r\n\r\n";
  peer.feed(more);
  EXPECT_FALSE(peer.codec->wants_bytes());
  peer.wait = false;
  peer.answer(1);
  EXPECT_TRUE(peer.codec->wants_bytes());
  EXPECT_EQ(peer.requests.size(), 1 + more.size() / 28);
}

TEST(Http1, DoesNotPileUpAnswers) {
  class Large : public Peer {
   public:
    void on_request(StreamId stream, HttpRequest request) override {
      requests.push_back(std::move(request));
      HttpResponse response;
      response.body.assign(200'000, 'x');
      codec->respond(stream, std::move(response));
    }
  };
  Large peer;
  std::string many;
  for (int i = 0; i < 100; ++i) many += "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
  peer.codec->feed(many);
  EXPECT_EQ(peer.requests.size(), 2U);
  EXPECT_FALSE(peer.codec->wants_bytes());
  peer.codec->input_ended();
  EXPECT_FALSE(peer.codec->wants_close());
  EXPECT_GT(peer.take().size(), 20'000'000U);
  EXPECT_EQ(peer.requests.size(), 100U);
  EXPECT_TRUE(peer.codec->wants_close());
}

TEST(Http1, PersistsAsAsked) {
  const std::pair<std::string, bool> table[] = {
      {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, CLOSE\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: x\r\nConnection: foo\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (const auto& [head, persists] : table) {
    Peer peer;
    const std::string answer = peer.feed(head);
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_EQ(peer.codec->wants_close(), !persists) << head;
    EXPECT_EQ(answer.find("Connection: close") != std::string::npos, !persists) << head;
    EXPECT_EQ(answer.find("Connection: keep-alive") != std::string::npos, persists && head.find("1.0") != std::string::npos);
  }
}

TEST(Http1, HeadHasTheLengthAndNoBody) {
  Peer peer;
  const std::string answer = peer.feed("HEAD /h HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Content-Length: 8\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\n"));
  EXPECT_EQ(status_of(peer.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), 200);
}

TEST(Http1, AnswersWithoutABody) {
  for (const int status : {204, 304}) {
    Peer peer;
    peer.wait = true;
    peer.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    HttpResponse response;
    response.status = status;
    response.body = "never";
    response.headers.add("etag", "\"a\"");
    response.headers.add("evil", "a\r\nSet-Cookie: b");
    response.headers.add("transfer-encoding", "chunked");
    peer.codec->respond(1, std::move(response));
    const std::string answer = peer.take();
    EXPECT_THAT(answer, Not(HasSubstr("ontent-")));
    EXPECT_THAT(answer, Not(HasSubstr("never")));
    EXPECT_THAT(answer, Not(HasSubstr("Cookie")));
    EXPECT_THAT(answer, Not(HasSubstr("ransfer-")));
    EXPECT_THAT(answer, HasSubstr("etag: \"a\"\r\n"));
    EXPECT_TRUE(peer.codec->idle());
  }
}

TEST(Http1, ExpectContinue) {
  const std::string head = "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n";
  Peer peer;
  EXPECT_EQ(peer.feed(head), "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_THAT(peer.feed("abc"), EndsWith("POST /e abc"));
  // The body came along: no invitation is needed.
  EXPECT_THAT(peer.feed(head + "abc"), StartsWith("HTTP/1.1 200"));
  // No body: nothing to invite.
  EXPECT_THAT(peer.feed("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"), StartsWith("HTTP/1.1 200"));
  // Refused before the invitation; whether the body comes is unknown, so the connection ends.
  peer.refuse_with = 401;
  EXPECT_THAT(peer.feed(head), StartsWith("HTTP/1.1 401"));
  EXPECT_TRUE(peer.codec->wants_close());

  Peer large;
  const std::string answer = large.feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(status_of(answer), 413);
  EXPECT_TRUE(large.codec->wants_close());

  Peer old;
  EXPECT_EQ(old.feed("POST / HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"), "");
  EXPECT_EQ(status_of(old.feed("abc")), 200);
}

TEST(Http1, ARefusedShortBodyKeepsTheConnection) {
  Peer peer;
  peer.refuse_with = 404;
  const std::string answer = peer.feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
  EXPECT_EQ(status_of(answer), 404);
  EXPECT_THAT(answer, Not(HasSubstr("close")));
  peer.refuse_with = 0;
  EXPECT_EQ(peer.feed("cd"), "");
  EXPECT_THAT(peer.feed("eGET /next HTTP/1.1\r\nHost: x\r\n\r\n"), EndsWith("GET /next "));
  peer.refuse_with = 404;
  EXPECT_THAT(peer.feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\nab"), HasSubstr("Connection: close"));
  EXPECT_TRUE(peer.codec->wants_close());
}

TEST(Http1, TargetsOfAllForms) {
  struct Case {
    std::string line, path, query, target, authority;
  };
  const Case table[] = {
      {"GET http://Y.example:8/p?q HTTP/1.1", "/p", "q", "/p?q", "Y.example:8"},
      {"GET HTTPS://y HTTP/1.1", "/", "", "/", "y"},
      {"GET http://y?q HTTP/1.1", "/", "q", "/?q", "y"},
      {"OPTIONS * HTTP/1.1", "*", "", "*", "x"},
      {"OPTIONS http://y HTTP/1.1", "*", "", "*", "y"},
      {"GET //a//b?? HTTP/1.1", "//a//b", "?", "//a//b??", "x"},
  };
  for (const Case& c : table) {
    Peer peer;
    peer.feed(c.line + "\r\nHost: x\r\n\r\n");
    ASSERT_EQ(peer.requests.size(), 1U) << c.line;
    EXPECT_EQ(peer.requests[0].path, c.path);
    EXPECT_EQ(peer.requests[0].query, c.query);
    EXPECT_EQ(peer.requests[0].target, c.target);
    EXPECT_EQ(peer.requests[0].authority, c.authority);
  }
}

TEST(Http1, HostsThatAreRight) {
  for (const std::string host :
       {"x", "x.example", "x:80", "x:", "[::1]", "[::1]:8443", "127.0.0.1:1", "xn--bcher-kva.example", "a_b", "%41"}) {
    EXPECT_TRUE(is_authority(host)) << host;
  }
  for (const std::string host : {"", ":80", "x:1:2", "[]", "[x]", "[::1", "[::1]x", "%4", "%zz", "a b", "x:123456", "u@x"}) {
    EXPECT_FALSE(is_authority(host)) << host;
  }
}

TEST(Http1, Bounds) {
  const auto status = [](const std::string& bytes) {
    Peer whole;
    Peer slow;
    const int answer = status_of(whole.feed(bytes));
    EXPECT_EQ(status_of(drip(slow, bytes)), answer);
    return answer;
  };
  EXPECT_EQ(status("GET /" + std::string(8192 - 14, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
  EXPECT_EQ(status("GET /" + std::string(8192 - 13, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n"), 414);
  EXPECT_EQ(status("GET /" + std::string(9000, 'a')), 414);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(17000, 'a') + "\r\n\r\n"), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(17000, 'a')), 431);
  std::string many = "GET / HTTP/1.1\r\nHost: x\r\n";
  for (int i = 0; i < 63; ++i) many += "A: b\r\n";
  EXPECT_EQ(status(many + "\r\n"), 200);
  EXPECT_EQ(status(many + "A: b\r\n\r\n"), 431);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n"), 413);
  EXPECT_EQ(status("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n") / 100, 4);
  EXPECT_EQ(status("POST /none HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"), 413);
}

TEST(Http1, StreamsAnAnswer) {
  for (const bool old : {false, true}) {
    Peer peer;
    peer.wait = true;
    peer.feed(old ? "GET / HTTP/1.0\r\n\r\n" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    HttpResponse head;
    head.headers.add("content-type", "text/event-stream");
    peer.codec->begin(1, std::move(head));
    peer.codec->write(1, "hello ");
    peer.codec->write(1, "");
    EXPECT_EQ(peer.codec->write(1, "0123456789abcdef") > 16, true);
    peer.codec->end(1);
    const std::string answer = peer.take();
    EXPECT_EQ(answer.find("Transfer-Encoding: chunked") == std::string::npos, old);
    EXPECT_THAT(answer,
                EndsWith(old ? "\r\n\r\nhello 0123456789abcdef" : "\r\n\r\n6\r\nhello \r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"));
    EXPECT_EQ(peer.codec->wants_close(), old);
  }
  Peer peer;
  peer.wait = true;
  peer.feed("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.codec->begin(1, {});
  peer.codec->write(1, "never");
  peer.codec->end(1);
  EXPECT_THAT(peer.take(), EndsWith("\r\n\r\n"));
  EXPECT_TRUE(peer.codec->idle());
}

TEST(Http1, GivesLargeAnswersInPieces) {
  Peer peer;
  peer.wait = true;
  peer.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  HttpResponse response;
  response.body.assign(3'000'000, 'x');
  peer.codec->respond(1, std::move(response));
  std::size_t total = 0;
  for (std::string piece = peer.codec->take(); !piece.empty(); piece = peer.codec->take()) {
    EXPECT_LE(piece.size(), 256U * 1024);
    total += piece.size();
  }
  EXPECT_GT(total, 3'000'000U);
}

const std::string kUpgrade =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUPGRADE: foo, WebSocket\r\nConnection: keep-alive, upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

TEST(Http1, BecomesATunnel) {
  EXPECT_EQ(websocket_accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  for (const bool whole : {true, false}) {
    Peer peer;
    const std::string out = whole ? peer.feed(kUpgrade + "GET /") : drip(peer, kUpgrade + "GET /");
    EXPECT_THAT(out, StartsWith("HTTP/1.1 101 Switching Protocols\r\n"));
    EXPECT_THAT(out, HasSubstr("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    EXPECT_THAT(out, EndsWith("\r\n\r\nGET /"));
    EXPECT_EQ(peer.tunnel, "GET /");
    EXPECT_EQ(peer.requests[0].protocol, "websocket");
    EXPECT_EQ(peer.codec->phase(), Phase::kTunnel);
    peer.codec->tunnel_write(1, "bye");
    peer.codec->tunnel_end(1);
    EXPECT_FALSE(peer.codec->wants_close());
    EXPECT_EQ(peer.take(), "bye");
    EXPECT_TRUE(peer.codec->wants_close());
  }
  // Accepted later: what came meanwhile is kept.
  Peer peer;
  peer.wait = true;
  EXPECT_EQ(peer.feed(kUpgrade + "ab"), "");
  EXPECT_EQ(peer.feed("c"), "");
  peer.codec->accept_tunnel(1, {});
  EXPECT_EQ(peer.tunnel, "abc");
  peer.codec->input_ended();
  EXPECT_TRUE(peer.tunnel_ended);
}

TEST(Http1, ARefusedTunnelIsAnExchange) {
  Peer peer;
  peer.wait = true;
  peer.feed(kUpgrade);
  HttpResponse no;
  no.status = 403;
  peer.codec->respond(1, std::move(no));
  EXPECT_EQ(status_of(peer.take()), 403);
  EXPECT_TRUE(peer.codec->idle());
  peer.wait = false;
  EXPECT_EQ(status_of(peer.feed("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n")), 200);
  EXPECT_EQ(status_of(peer.feed("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n")), 200);
}

TEST(Http1, EndsGracefully) {
  Peer idle;
  idle.codec->shutdown();
  EXPECT_TRUE(idle.codec->wants_close());

  Peer busy;
  busy.wait = true;
  busy.feed("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  busy.codec->shutdown();
  EXPECT_FALSE(busy.codec->wants_close());
  busy.answer(1);
  EXPECT_THAT(busy.take(), HasSubstr("Connection: close"));
  EXPECT_TRUE(busy.codec->wants_close());

  Peer half;
  half.feed("GET / HTT");
  half.codec->shutdown();
  EXPECT_FALSE(half.codec->wants_close());
  EXPECT_THAT(half.feed("P/1.1\r\nHost: x\r\n\r\n"), HasSubstr("Connection: close"));
}

TEST(Http1, ThePeerEndsOrIsSlow) {
  Peer busy;
  busy.wait = true;
  busy.feed("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\nGET /");
  busy.codec->input_ended();
  EXPECT_FALSE(busy.codec->wants_close());
  busy.answer(1);
  busy.answer(2);
  EXPECT_THAT(busy.take(), EndsWith("GET /2 "));
  EXPECT_TRUE(busy.codec->wants_close());

  Peer slow;
  slow.feed("GET / HTT");
  EXPECT_EQ(slow.codec->phase(), Phase::kHead);
  slow.codec->timed_out();
  EXPECT_EQ(status_of(slow.take()), 408);
  EXPECT_TRUE(slow.codec->wants_close());

  Peer body;
  body.feed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na");
  EXPECT_EQ(body.codec->phase(), Phase::kBody);
  body.codec->timed_out();
  EXPECT_EQ(status_of(body.take()), 408);

  Peer idle;
  idle.codec->timed_out();
  EXPECT_EQ(idle.take(), "");
  EXPECT_TRUE(idle.codec->wants_close());
}

}  // namespace
}  // namespace belfry::wire
