// Both HTTP client codecs, whole and one octet at a time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <map>
#include <optional>

#include "adapters/wire/http1_client.h"
#include "adapters/wire/http2.h"
#include "adapters/wire/http2_client.h"

namespace belfry::wire {
namespace {

struct Heard : ClientEvents {
  std::map<RequestId, HttpResponse> answers;
  std::map<RequestId, int> done;
  std::map<RequestId, Errc> failed;
  ClientCodec* codec = nullptr;
  bool cancel_at_body = false;
  bool consume = true;

  void on_head(RequestId id, HttpResponse head) override {
    EXPECT_FALSE(answers.contains(id));
    answers[id] = std::move(head);
  }
  void on_body(RequestId id, std::string_view bytes) override {
    EXPECT_TRUE(answers.contains(id));
    answers[id].body += bytes;
    if (consume) codec->consumed(id, bytes.size());
    if (cancel_at_body) codec->cancel(id);
  }
  void on_done(RequestId id) override { ++done[id]; }
  void on_failed(RequestId id, Error error) override {
    EXPECT_FALSE(failed.contains(id));
    failed[id] = error.code;
  }
};

HttpRequest request(std::string method, std::string target = "/", std::string body = {}) {
  HttpRequest r;
  r.method = std::move(method);
  r.target = std::move(target);
  r.authority = "graph.example";
  r.body = std::move(body);
  return r;
}

// ---- HTTP/1.1

struct One {
  One() : codec(heard) { heard.codec = &codec; }
  bool feed(std::string_view bytes, std::size_t step) {
    bool open = true;
    while (!bytes.empty() && open) {
      open = codec.feed(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
    }
    return open;
  }
  Heard heard;
  Http1Client codec;
};

enum class End : std::uint8_t { kReusable, kOver, kFailed };

struct Case {
  const char* name;
  const char* method;
  std::string bytes;
  bool then_eof;
  End end;
  int status;
  std::string body;
};

const std::vector<Case> kCases{
    {"content-length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false, End::kReusable, 200, "hello"},
    {"no reason", "GET", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", false, End::kReusable, 200, ""},
    {"chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", false,
     End::kReusable, 200, "hello!"},
    {"chunked with trailers", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n",
     false, End::kReusable, 200, "a"},
    {"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nall of it", true, End::kOver, 200, "all of it"},
    {"HTTP/1.0 until close", "GET", "HTTP/1.0 200 OK\r\n\r\nold", true, End::kOver, 200, "old"},
    {"connection close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false, End::kOver, 200,
     "ok"},
    {"HTTP/1.0 keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", false,
     End::kReusable, 200, "ok"},
    {"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", false, End::kReusable, 200, ""},
    {"head chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", false, End::kReusable, 200, ""},
    {"204", "POST", "HTTP/1.1 204 No Content\r\n\r\n", false, End::kReusable, 204, ""},
    {"304 with length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", false, End::kReusable, 304, ""},
    {"interim answers", "POST",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
     false, End::kReusable, 200, "x"},
    {"interim with a length", "GET",
     "HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, End::kReusable,
     200, "x"},
    {"interim with a body", "GET",
     "HTTP/1.1 102 Processing\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false, End::kFailed,
     0, ""},
    {"redirect", "GET", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", false, End::kReusable, 302, ""},
    {"upgrade offered", "GET", "HTTP/1.1 200 OK\r\nUpgrade: h2\r\nConnection: Upgrade\r\nContent-Length: 1\r\n\r\nx", false,
     End::kReusable, 200, "x"},
    {"something after", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n", false, End::kOver, 200, "x"},
    {"switching unasked", "GET", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", false,
     End::kFailed, 0, ""},
    {"cut in head", "GET", "HTTP/1.1 200 OK\r\nContent-Le", true, End::kFailed, 0, ""},
    {"cut in body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", true, End::kFailed, 200, "hel"},
    {"cut in chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", true, End::kFailed, 200, "hel"},
    {"cut before last chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", true, End::kFailed, 200,
     "hel"},
    {"nothing at all", "GET", "", true, End::kFailed, 0, ""},
    {"another protocol", "GET", "SSH-2.0-OpenSSH\r\n", false, End::kFailed, 0, ""},
    {"status of 99", "GET", "HTTP/1.1 099 Odd\r\n\r\n", false, End::kFailed, 0, ""},
    {"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", false, End::kFailed, 0, ""},
    {"length and chunks", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false,
     End::kFailed, 0, ""},
    {"length of -1", "GET", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", false, End::kFailed, 0, ""},
    {"chunk of no number", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", false, End::kFailed, 200, ""},
    {"chunk size overflow", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", false,
     End::kFailed, 200, ""},
    {"head too large", "GET", "HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'y') + "\r\n\r\n", false, End::kFailed, 0, ""},
    {"too many fields", "GET",
     [] {
       std::string out = "HTTP/1.1 200 OK\r\n";
       for (int i = 0; i < 200; ++i) out += "a: b\r\n";
       return out + "\r\n";
     }(),
     false, End::kFailed, 0, ""},
    {"interim without end", "GET",
     [] {
       std::string out;
       for (int i = 0; i < 20; ++i) out += "HTTP/1.1 102 Processing\r\n\r\n";
       return out;
     }(),
     false, End::kFailed, 0, ""},
};

TEST(Http1Client, AnswersOfEveryShape) {
  for (const std::size_t step : {std::size_t{1} << 20, std::size_t{1}, std::size_t{5}}) {
    for (const Case& c : kCases) {
      SCOPED_TRACE(std::string(c.name) + ", step " + std::to_string(step));
      One one;
      ASSERT_EQ(one.codec.room(), 1U);
      const RequestId id = one.codec.send(request(c.method));
      EXPECT_FALSE(one.codec.written(id));
      one.codec.take();
      EXPECT_TRUE(one.codec.written(id));
      EXPECT_EQ(one.codec.room(), 0U);
      one.feed(c.bytes, step);
      if (c.then_eof) one.codec.input_ended();
      EXPECT_EQ(one.heard.done.contains(id), c.end != End::kFailed);
      EXPECT_EQ(one.heard.failed.contains(id), c.end == End::kFailed);
      EXPECT_EQ(one.codec.room(), c.end == End::kReusable ? 1U : 0U);
      EXPECT_EQ(one.codec.wants_close(), c.end != End::kReusable);
      if (c.status != 0) {
        EXPECT_EQ(one.heard.answers[id].status, c.status);
        EXPECT_EQ(one.heard.answers[id].body, c.body);
      } else {
        EXPECT_TRUE(one.heard.answers.empty());
      }
    }
  }
}

TEST(Http1Client, WhatIsWritten) {
  One one;
  HttpRequest r = request("POST", "/v20/messages?x=1", "{\"a\":1}");
  r.headers.add("Authorization", "Bearer t");
  r.headers.add("Host", "evil.example");
  r.headers.add("Content-Length", "1");
  r.headers.add("Connection", "close");
  one.codec.send(r);
  EXPECT_EQ(
      one.codec.take(),
      "POST /v20/messages?x=1 HTTP/1.1\r\nHost: graph.example\r\nAuthorization: Bearer t\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
  one.feed("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Two:  spaced \t\r\n\r\n", 1);
  EXPECT_EQ(one.heard.answers[1].headers.get("x-two"), "spaced");
  one.codec.send(request("GET"));
  EXPECT_EQ(one.codec.take(), "GET / HTTP/1.1\r\nHost: graph.example\r\n\r\n");
  EXPECT_EQ(one.codec.take(), "");
}

TEST(Http1Client, ALargeBodyLeavesInPieces) {
  One one;
  one.codec.send(request("PUT", "/", std::string(1'000'000, 'b')));
  std::size_t total = 0;
  for (std::string bytes = one.codec.take(); !bytes.empty(); bytes = one.codec.take()) {
    EXPECT_LE(bytes.size(), 256 * 1024U);
    total += bytes.size();
  }
  EXPECT_GT(total, 1'000'000U);
  EXPECT_TRUE(one.codec.written(1));
}

TEST(Http1Client, AnAnswerBeforeTheRequestIsWholeEndsTheConnection) {
  One one;
  one.codec.send(request("PUT", "/", std::string(1'000'000, 'b')));
  one.codec.take();
  EXPECT_TRUE(one.feed("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", 1000));
  EXPECT_EQ(one.heard.done[1], 1);
  EXPECT_TRUE(one.codec.wants_close());
}

TEST(Http1Client, OctetsNobodyAskedForEndIt) {
  One one;
  EXPECT_FALSE(one.codec.feed("HTTP/1.1 408 Request Timeout\r\n\r\n"));
  EXPECT_TRUE(one.codec.wants_close());
  EXPECT_EQ(one.codec.room(), 0U);
}

TEST(Http1Client, CancelledFromInside) {
  One one;
  one.heard.cancel_at_body = true;
  one.codec.send(request("GET"));
  one.codec.take();
  EXPECT_FALSE(one.feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1000));
  EXPECT_TRUE(one.heard.done.empty());
  EXPECT_TRUE(one.heard.failed.empty());
  EXPECT_TRUE(one.codec.wants_close());
}

TEST(ClientCodec, WhatCannotBeSent) {
  EXPECT_EQ(unsendable(request("GET", "/a?b=%20")), "");
  for (const auto& r : {request("GE T"), request(""), request("CONNECT"), request("GET", "x"), request("GET", "/a b"),
                        request("GET", "/a\r\nb"), request("GET", "/a#b"), request("GET", "")}) {
    EXPECT_NE(unsendable(r), "");
  }
  for (const char* authority : {"", "a b", "u@h", "h/x", "h\r\n"}) {
    HttpRequest r = request("GET");
    r.authority = authority;
    EXPECT_NE(unsendable(r), "");
  }
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"", "x"}, {"a b", "x"}, {"a:", "x"}, {"a", "x\r\ny"}, {"a", " x"}, {"a", std::string("x\0y", 3)}}) {
    HttpRequest r = request("GET");
    r.headers.add(name, value);
    EXPECT_NE(unsendable(r), "");
  }
}

// ---- HTTP/2, against our own server codec (itself tested against nghttp2's client and raw frames)

struct Owner : ServerEvents {
  Http2Server* codec = nullptr;
  std::vector<StreamId> kept;
  std::map<StreamId, HttpRequest> requests;
  std::size_t on_head(StreamId, HttpRequest&) override { return 8 << 20; }
  void on_request(StreamId id, HttpRequest request) override {
    requests[id] = request;
    if (request.path == "/keep") {
      kept.push_back(id);
    } else if (request.path == "/reset") {
      codec->reset(id);
    } else if (request.path == "/large") {
      codec->respond(id, {200, {}, std::string(3'000'000, 'l')});
    } else if (request.path == "/fields") {
      HttpResponse response;
      for (int i = 0; i < 200; ++i) response.headers.add("x-" + std::to_string(i), "y");
      codec->respond(id, response);
    } else {
      codec->respond(id, {200, {}, request.method + request.body});
    }
  }
  void on_tunnel(StreamId, HttpRequest) override {}
  void on_tunnel_bytes(StreamId, std::string_view) override {}
  void on_tunnel_end(StreamId) override {}
  void on_gone(StreamId) override {}
};

struct Two {
  explicit Two(Http2Limits limits = {}) : server(owner, limits, "https"), codec(heard, "https") {
    owner.codec = &server;
    heard.codec = &codec;
  }
  void run(std::size_t step = 1 << 20) {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::string bytes = codec.take(); !bytes.empty(); bytes = codec.take()) {
        moved = true;
        if (!server.feed(bytes)) break;
      }
      for (std::string bytes = server.take(); !bytes.empty(); bytes = server.take()) {
        moved = true;
        std::string_view left = bytes;
        while (!left.empty()) {
          open = codec.feed(left.substr(0, step)) && open;
          left.remove_prefix(std::min(step, left.size()));
        }
      }
    }
  }
  Owner owner;
  Heard heard;
  Http2Server server;
  Http2Client codec;
  bool open = true;
};

TEST(Http2ClientCodec, RequestsAndAnswers) {
  for (const std::size_t step : {std::size_t{1} << 20, std::size_t{1}}) {
    Two two;
    EXPECT_EQ(two.codec.room(), 1U);  // until SETTINGS come
    two.run(step);
    EXPECT_EQ(two.codec.room(), 100U);
    std::vector<RequestId> ids;
    for (int i = 0; i < 50; ++i) {
      HttpRequest r = request("POST", "/a?b", std::string(static_cast<std::size_t>(i) * 3'000, 'p'));
      r.headers.add("Authorization", "Bearer t");
      r.headers.add("Connection", "close");
      ids.push_back(two.codec.send(r));
      EXPECT_FALSE(two.codec.written(ids.back()));
    }
    EXPECT_EQ(two.codec.room(), 50U);
    two.run(step);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      EXPECT_EQ(two.heard.done[ids[i]], 1);
      EXPECT_EQ(two.heard.answers[ids[i]].body, "POST" + std::string(i * 3'000, 'p'));
    }
    EXPECT_EQ(two.owner.requests[1].headers.get("authorization"), "Bearer t");
    EXPECT_EQ(two.owner.requests[1].authority, "graph.example");
    EXPECT_EQ(two.owner.requests[1].target, "/a?b");
    EXPECT_EQ(two.codec.room(), 100U);
    EXPECT_FALSE(two.codec.wants_close());
  }
}

TEST(Http2ClientCodec, ThePeersStreamLimitIsKept) {
  Http2Limits limits;
  limits.max_streams = 3;
  Two two(limits);
  two.run();
  std::size_t sent = 0;
  while (two.heard.done.size() < 50) {
    EXPECT_EQ(two.codec.room(), 3U);
    for (; two.codec.room() > 0; ++sent) two.codec.send(request("GET"));
    two.run();
    ASSERT_EQ(two.heard.done.size(), sent);
  }
  EXPECT_TRUE(two.heard.failed.empty());
}

TEST(Http2ClientCodec, ResetsRefusalsAndLargeHeads) {
  Two two;
  two.run();
  const RequestId reset = two.codec.send(request("GET", "/reset"));
  const RequestId fields = two.codec.send(request("GET", "/fields"));
  const RequestId fine = two.codec.send(request("GET"));
  two.run();
  EXPECT_EQ(two.heard.failed[reset], Errc::kClosed);
  EXPECT_EQ(two.heard.failed[fields], Errc::kBadInput);
  EXPECT_EQ(two.heard.done[fine], 1);
  EXPECT_EQ(two.codec.room(), 100U);
}

TEST(Http2ClientCodec, AGoawayNamesWhatMayBeRepeated) {
  Two two;
  two.run();
  const RequestId first = two.codec.send(request("GET", "/keep"));
  two.run();
  const RequestId second = two.codec.send(request("POST", "/keep"));
  two.codec.take();  // on its way
  EXPECT_TRUE(two.codec.written(second));
  const RequestId third = two.codec.send(request("GET", "/keep"));  // not even that
  // GOAWAY, last stream 1, NO_ERROR: the second was never seen.
  std::string goaway("\0\0\x08\x07\0\0\0\0\0\0\0\0\x01\0\0\0\0", 17);
  EXPECT_TRUE(two.codec.feed(goaway));
  two.codec.take();
  EXPECT_EQ(two.heard.failed[second], Errc::kUnavailable);
  EXPECT_EQ(two.heard.failed[third], Errc::kUnavailable);
  EXPECT_EQ(two.codec.room(), 0U);
  EXPECT_FALSE(two.codec.wants_close());
  two.server.respond(two.owner.kept.at(0), {200, {}, "late"});
  two.run();
  EXPECT_EQ(two.heard.answers[first].body, "late");
  EXPECT_TRUE(two.codec.wants_close());
}

TEST(Http2ClientCodec, TheConnectionEnds) {
  Two two;
  two.run();
  const RequestId id = two.codec.send(request("GET", "/keep"));
  two.run();
  two.codec.input_ended();
  EXPECT_EQ(two.heard.failed[id], Errc::kClosed);
  EXPECT_TRUE(two.codec.wants_close());
  Two other;
  other.run();
  const RequestId lost = other.codec.send(request("GET", "/keep"));
  other.run();
  EXPECT_TRUE(!other.codec.feed(std::string("\0\0\x01\x06\0\0\0\0\0x", 10)) ||
              !other.codec.take().empty());  // a PING of one octet
  EXPECT_EQ(other.heard.failed[lost], Errc::kBadInput);
  EXPECT_TRUE(other.codec.wants_close());
}

TEST(Http2ClientCodec, WhoDoesNotConsumeIsNotFlooded) {
  Two two;
  two.heard.consume = false;
  two.run();
  const RequestId slow = two.codec.send(request("GET", "/large"));
  const RequestId other = two.codec.send(request("GET", "/large"));
  two.run();
  EXPECT_EQ(two.heard.answers[slow].body.size(), 256 * 1024U);
  EXPECT_EQ(two.heard.answers[other].body.size(), 256 * 1024U);
  while (two.heard.done[slow] == 0) {
    const std::size_t before = two.heard.answers[slow].body.size();
    two.codec.consumed(slow, 256UL * 1024);
    two.run();
    ASSERT_GT(two.heard.answers[slow].body.size(), before);
  }
  EXPECT_EQ(two.heard.answers[slow].body.size(), 3'000'000U);
  two.codec.cancel(other);
  two.run();
  EXPECT_TRUE(two.server.idle());
  EXPECT_EQ(two.codec.room(), 100U);
}

TEST(Http2ClientCodec, CancelledBeforeItLeft) {
  Two two;
  two.run();
  const RequestId id = two.codec.send(request("GET"));
  two.codec.cancel(id);
  two.run();
  EXPECT_TRUE(two.owner.requests.empty());
  EXPECT_TRUE(two.heard.done.empty());
  EXPECT_TRUE(two.heard.failed.empty());
  EXPECT_EQ(two.codec.room(), 100U);
}

}  // namespace
}  // namespace belfry::wire
