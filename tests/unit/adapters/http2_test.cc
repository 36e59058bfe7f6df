// The HTTP/2 server against raw frames (what an honest library never sends) and against nghttp2's own client.
#include "adapters/wire/http2.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

namespace belfry::wire {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// ---- raw frames

enum : std::uint8_t { kData, kHeaders, kPriority, kRst, kSettings, kPush, kPing, kGoaway, kWindow, kContinuation };
enum : std::uint8_t { kEndStream = 1, kAck = 1, kEndHeaders = 4, kPadded = 8, kPrio = 0x20 };
constexpr std::uint32_t kNoError = 0, kProtocol = 1, kFlow = 3, kClosedCode = 5, kFrameSize = 6, kRefusedCode = 7,
                        kCancelCode = 8, kCompression = 9, kCalm = 11;

std::string be(std::uint64_t value, int octets) {
  std::string out;
  for (int i = octets - 1; i >= 0; --i) out.push_back(static_cast<char>(value >> (8 * i)));
  return out;
}

std::string frame(std::uint8_t type, std::uint8_t flags, StreamId id, std::string_view payload = {}) {
  return be(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) + be(id, 4) + std::string(payload);
}

std::string number(std::size_t value, int prefix, std::uint8_t first) {  // RFC 7541 section 5.1
  const std::size_t max = (1U << prefix) - 1;
  std::string out;
  if (value < max) return out + static_cast<char>(first | value);
  out += static_cast<char>(first | max);
  for (value -= max; value >= 128; value /= 128) out += static_cast<char>(value % 128 + 128);
  return out + static_cast<char>(value);
}

std::string literal(std::string_view name, std::string_view value) {
  return number(0, 4, 0) + number(name.size(), 7, 0) + std::string(name) + number(value.size(), 7, 0) + std::string(value);
}

std::string block(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += literal(name, value);
  return out;
}

const Fields kGet{{":method", "GET"}, {":scheme", "https"}, {":path", "/"}, {":authority", "city.example"}};
const Fields kPost{{":method", "POST"}, {":scheme", "https"}, {":path", "/"}, {":authority", "city.example"}};
const Fields kConnect{{":method", "CONNECT"}, {":protocol", "websocket"},     {":scheme", "https"},
                      {":path", "/echo"},     {":authority", "city.example"}, {"sec-websocket-version", "13"}};

Fields with(Fields base, const Fields& more) {
  base.insert(base.end(), more.begin(), more.end());
  return base;
}
Fields without(Fields base, std::string_view name) {
  std::erase_if(base, [&](const auto& f) { return f.first == name; });
  return base;
}
Fields instead(Fields base, std::string_view name, std::string_view value) {
  for (auto& f : base) {
    if (f.first == name) f.second = value;
  }
  return base;
}

std::string headers(StreamId id, const Fields& fields, std::uint8_t flags = kEndHeaders | kEndStream) {
  return frame(kHeaders, flags, id, block(fields));
}
std::string data(StreamId id, std::string_view bytes, std::uint8_t flags = 0) { return frame(kData, flags, id, bytes); }
std::string setting(std::uint16_t id, std::uint32_t value) { return be(id, 2) + be(value, 4); }
std::string window(StreamId id, std::uint32_t by) { return frame(kWindow, 0, id, be(by, 4)); }
std::string rst(StreamId id, std::uint32_t code = kCancelCode) { return frame(kRst, 0, id, be(code, 4)); }

const std::string kMagic = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const std::string kHello = kMagic + frame(kSettings, 0, 0);

struct Frame {
  std::uint8_t type;
  std::uint8_t flags;
  StreamId id;
  std::string payload;
};

std::vector<Frame> frames(std::string_view bytes) {
  std::vector<Frame> out;
  while (bytes.size() >= 9) {
    const auto at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])); };
    const std::size_t length = (at(0) << 16) | (at(1) << 8) | at(2);
    const StreamId id = (at(5) << 24) | (at(6) << 16) | (at(7) << 8) | at(8);
    EXPECT_GE(bytes.size(), 9 + length);
    out.push_back({static_cast<std::uint8_t>(at(3)), static_cast<std::uint8_t>(at(4)), id, std::string(bytes.substr(9, length))});
    bytes.remove_prefix(std::min(bytes.size(), 9 + length));
  }
  EXPECT_TRUE(bytes.empty());
  return out;
}

std::uint32_t u32(std::string_view bytes, std::size_t at) {
  std::uint32_t out = 0;
  for (std::size_t i = 0; i < 4; ++i) out = out << 8 | static_cast<std::uint8_t>(bytes[at + i]);
  return out;
}

// ---- the owner: answers GET / with 200 "hello", POST / with its body, and keeps what happened.

struct Owner : ServerEvents {
  Http2Server* codec = nullptr;
  std::size_t body_limit = 64 * 1024;
  bool answer = true;
  bool refuse = false;
  std::string payload = "hello";
  std::vector<std::string> log;
  std::map<StreamId, HttpRequest> requests;
  std::map<StreamId, std::string> tunnel;
  int gone = 0;
  bool accept = true;

  std::size_t on_head(StreamId id, HttpRequest& head) override {
    log.push_back("head " + std::to_string(id) + " " + head.method);
    head.peer = "192.0.2.1";
    if (!refuse) return body_limit;
    codec->respond(id, {403, {}, "no"});
    return 0;
  }
  void on_request(StreamId id, HttpRequest request) override {
    log.push_back("request " + std::to_string(id) + " " + std::to_string(request.body.size()));
    requests[id] = request;
    if (answer) codec->respond(id, {200, {}, request.method == "POST" ? request.body : payload});
  }
  void on_tunnel(StreamId id, HttpRequest request) override {
    log.push_back("tunnel " + std::to_string(id));
    requests[id] = std::move(request);
    if (accept) codec->accept_tunnel(id, {});
  }
  void on_tunnel_bytes(StreamId id, std::string_view bytes) override { tunnel[id] += bytes; }
  void on_tunnel_end(StreamId id) override { log.push_back("end " + std::to_string(id)); }
  void on_gone(StreamId id) override {
    ++gone;
    log.push_back("gone " + std::to_string(id));
  }
};

// A server with what it sent, decoded.
struct Rig {
  explicit Rig(Http2Limits limits = {}) : codec(owner, limits, "https") {
    owner.codec = &codec;
    codec.tick(now);
    nghttp2_hd_inflate_new(&inflater);
  }
  ~Rig() { nghttp2_hd_inflate_del(inflater); }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  bool feed(std::string_view bytes, std::size_t step = 0) {
    bool open = true;
    if (step == 0) {
      open = codec.feed(bytes);
      drain();
      return open;
    }
    while (!bytes.empty() && open) {
      open = codec.feed(bytes.substr(0, step));
      bytes.remove_prefix(std::min(step, bytes.size()));
      drain();
    }
    return open;
  }
  void drain() {
    for (;;) {
      const std::string bytes = codec.take();
      if (bytes.empty()) return;
      octets += bytes.size();
      for (Frame& f : frames(bytes)) {
        if (f.type == kHeaders) {
          Fields fields = inflate(f.payload);
          if (!fields.empty() && fields[0].second != "100") status[f.id] = std::stoi(fields[0].second);
          if (!fields.empty() && fields[0].second == "100") ++continues;
          answers[f.id] = fields;
        }
        if (f.type == kData) body[f.id] += f.payload;
        if (f.type == kData || f.type == kHeaders) {
          if ((f.flags & kEndStream) != 0) ended.push_back(f.id);
        }
        if (f.type == kRst) resets[f.id] = u32(f.payload, 0);
        if (f.type == kGoaway) {
          goaway = u32(f.payload, 4);
          last_id = u32(f.payload, 0);
        }
        sent.push_back(std::move(f));
      }
    }
  }
  void pass(std::int64_t ms) {
    now.mono = now.mono + ms;
    now.wall = now.wall + ms;
    codec.tick(now);
    drain();
  }
  Fields inflate(std::string_view in) {
    Fields out;
    auto* at = reinterpret_cast<const std::uint8_t*>(in.data());
    std::size_t left = in.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, at, left, 1);
      if (n < 0) {
        ADD_FAILURE() << "our header block does not decode";
        return out;
      }
      at += n;
      left -= static_cast<std::size_t>(n);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        out.emplace_back(std::string(reinterpret_cast<char*>(nv.name), nv.namelen),
                         std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return out;
  }
  std::string field(StreamId id, std::string_view name) const {
    const auto it = answers.find(id);
    if (it == answers.end()) return "<none>";
    for (const auto& [key, value] : it->second) {
      if (key == name) return value;
    }
    return "<none>";
  }

  Now now{{1'000'000}, {784'111'777'000}};
  Owner owner;
  Http2Server codec;
  nghttp2_hd_inflater* inflater = nullptr;
  std::vector<Frame> sent;
  std::size_t octets = 0;
  std::map<StreamId, int> status;
  std::map<StreamId, Fields> answers;
  std::map<StreamId, std::string> body;
  std::map<StreamId, std::uint32_t> resets;
  std::vector<StreamId> ended;
  std::optional<std::uint32_t> goaway;
  StreamId last_id = 0;
  int continues = 0;
};

// ---- the table: each line of RFC 9113, 7541 and 8441 that a peer can break, and what he must hear

struct Expected {
  enum Kind : std::uint8_t { kConnection, kStream, kStatus, kSilence } kind;
  std::uint32_t code = 0;
  StreamId id = 1;
};
Expected connection(std::uint32_t code) { return {Expected::kConnection, code}; }
Expected stream(std::uint32_t code, StreamId id = 1) { return {Expected::kStream, code, id}; }
Expected answered(std::uint32_t code, StreamId id = 1) { return {Expected::kStatus, code, id}; }

struct Case {
  const char* name;
  std::string bytes;  // after preface and SETTINGS
  Expected expected;
};

const std::string kOpenPost = headers(1, kPost, kEndHeaders);

std::vector<Case> cases() {
  const std::string get = block(kGet);
  std::vector<Case> all{
      {"get", headers(1, kGet), answered(200)},
      {"padded headers", frame(kHeaders, kEndHeaders | kEndStream | kPadded, 1, be(3, 1) + get + be(0, 3)), answered(200)},
      {"headers with priority", frame(kHeaders, kEndHeaders | kEndStream | kPrio, 1, be(3, 4) + be(7, 1) + get), answered(200)},
      {"padding longer than payload", frame(kHeaders, kEndHeaders | kEndStream | kPadded, 1, be(200, 1) + get),
       connection(kProtocol)},
      {"headers on stream 0", headers(0, kGet), connection(kProtocol)},
      {"headers on even stream", headers(2, kGet), connection(kProtocol)},
      {"stream id goes back", headers(5, kGet) + headers(3, kGet), connection(kProtocol)},
      {"self-dependent headers", frame(kHeaders, kEndHeaders | kEndStream | kPrio, 1, be(1, 4) + be(7, 1) + get),
       connection(kProtocol)},
      {"self-dependent priority", frame(kPriority, 0, 3, be(3, 4) + be(7, 1)), connection(kProtocol)},
      {"exclusive self-dependent priority", frame(kPriority, 0, 3, be(0x8000'0003, 4) + be(7, 1)), connection(kProtocol)},
      {"priority on idle stream", frame(kPriority, 0, 3, be(1, 4) + be(7, 1)) + headers(1, kGet), answered(200)},
      {"priority on stream 0", frame(kPriority, 0, 0, be(1, 4) + be(7, 1)), connection(kProtocol)},
      {"priority of 4 octets", frame(kPriority, 0, 1, be(3, 4)), connection(kFrameSize)},
      {"priority after the end", headers(1, kGet) + frame(kPriority, 0, 1, be(3, 4) + be(7, 1)) + headers(3, kGet),
       answered(200, 3)},

      // Continuation (6.10, 4.3).
      {"continuation", frame(kHeaders, kEndStream, 1, get.substr(0, 9)) + frame(kContinuation, kEndHeaders, 1, get.substr(9)),
       answered(200)},
      {"several continuations",
       frame(kHeaders, kEndStream, 1, get.substr(0, 3)) + frame(kContinuation, 0, 1, get.substr(3, 5)) +
           frame(kContinuation, 0, 1, {}) + frame(kContinuation, kEndHeaders, 1, get.substr(8)),
       answered(200)},
      {"continuation on stream 0", frame(kHeaders, kEndStream, 1, get) + frame(kContinuation, kEndHeaders, 0, {}),
       connection(kProtocol)},
      {"continuation of another stream", frame(kHeaders, kEndStream, 1, get) + frame(kContinuation, kEndHeaders, 3, {}),
       connection(kProtocol)},
      {"continuation alone", frame(kContinuation, kEndHeaders, 1, get), connection(kProtocol)},
      {"continuation after end of headers", kOpenPost + frame(kContinuation, kEndHeaders, 1, get), connection(kProtocol)},
      {"continuation after data", kOpenPost + data(1, "x") + frame(kContinuation, kEndHeaders, 1, get), connection(kProtocol)},
      {"data inside a block", frame(kHeaders, kEndStream, 1, get) + data(1, "x"), connection(kProtocol)},
      {"headers inside a block", frame(kHeaders, kEndStream, 1, get) + headers(3, kGet), connection(kProtocol)},
      {"priority inside a block", frame(kHeaders, kEndStream, 1, get) + frame(kPriority, 0, 3, be(1, 4) + be(7, 1)),
       connection(kProtocol)},
      {"unknown frame inside a block", frame(kHeaders, kEndStream, 1, get) + frame(0x16, 0, 0, "x"), connection(kProtocol)},
      {"window update inside a block", frame(kHeaders, kEndStream, 1, get) + window(0, 1), connection(kProtocol)},

      // HPACK (RFC 7541).
      {"index 0", frame(kHeaders, kEndHeaders | kEndStream, 1, "\x80"), connection(kCompression)},
      {"index beyond the table", frame(kHeaders, kEndHeaders | kEndStream, 1, get + "\xff\x10"), connection(kCompression)},
      {"literal cut short", frame(kHeaders, kEndHeaders | kEndStream, 1, get + std::string("\x00\x05xx", 4)),
       connection(kCompression)},
      {"huffman with EOS",
       frame(kHeaders, kEndHeaders | kEndStream, 1, get + std::string("\x00\x85\xff\xff\xff\xff\xff\x01y", 9)),
       connection(kCompression)},
      {"huffman padding of 8 bits", frame(kHeaders, kEndHeaders | kEndStream, 1, get + std::string("\x00\x01x\x82\x07\xff", 6)),
       connection(kCompression)},
      {"huffman padding of zeros", frame(kHeaders, kEndHeaders | kEndStream, 1, get + std::string("\x00\x01x\x81\x00", 5)),
       connection(kCompression)},
      {"integer too long", frame(kHeaders, kEndHeaders | kEndStream, 1, get + "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f"),
       connection(kCompression)},
      {"table size above the setting", frame(kHeaders, kEndHeaders | kEndStream, 1, std::string("\x3f\xff\xff\x03") + get),
       connection(kCompression)},
      {"table size after a field", frame(kHeaders, kEndHeaders | kEndStream, 1, get + "\x20"), connection(kCompression)},
      {"table size 0", frame(kHeaders, kEndHeaders | kEndStream, 1, std::string("\x20") + get), answered(200)},
      {"table size 0 then 4096", frame(kHeaders, kEndHeaders | kEndStream, 1, std::string("\x20\x3f\xe1\x1f") + get),
       answered(200)},

      // Data and the states of a stream (5.1, 6.1).
      {"post", kOpenPost + data(1, "body", kEndStream), answered(200)},
      {"post padded", kOpenPost + frame(kData, kEndStream | kPadded, 1, be(5, 1) + "body" + be(0, 5)), answered(200)},
      {"empty data ends it", kOpenPost + data(1, "", kEndStream), answered(200)},
      {"data padding too long", kOpenPost + frame(kData, kEndStream | kPadded, 1, be(5, 1) + "bo"), connection(kProtocol)},
      {"data on stream 0", data(0, "x"), connection(kProtocol)},
      {"data on idle stream", data(1, "x"), connection(kProtocol)},
      {"data after end", headers(1, kGet) + data(1, "x"), connection(kClosedCode)},
      {"data after data end", kOpenPost + data(1, "x", kEndStream) + data(1, "y", kEndStream), connection(kClosedCode)},
      {"headers after end", headers(1, kGet) + headers(1, kGet), connection(kClosedCode)},
      {"data after reset", kOpenPost + rst(1) + data(1, "x"), connection(kClosedCode)},
      {"headers after reset", kOpenPost + rst(1) + headers(1, kGet), connection(kClosedCode)},
      {"continuation after reset", kOpenPost + rst(1) + frame(kContinuation, kEndHeaders, 1, get), connection(kProtocol)},
      {"data on skipped stream", headers(5, kGet) + data(3, "x"), connection(kClosedCode)},
      {"rst on idle stream", rst(1), connection(kProtocol)},
      {"rst on stream 0", rst(0), connection(kProtocol)},
      {"rst of 3 octets", kOpenPost + frame(kRst, 0, 1, "abc"), connection(kFrameSize)},
      {"rst after the end", headers(1, kGet) + rst(1) + headers(3, kGet), answered(200, 3)},
      {"window update after the end", headers(1, kGet) + window(1, 10) + headers(3, kGet), answered(200, 3)},
      {"trailers", kOpenPost + data(1, "x") + headers(1, {{"x-sum", "1"}}), answered(200)},
      {"trailers without end", kOpenPost + data(1, "x") + headers(1, {{"x-sum", "1"}}, kEndHeaders), stream(kProtocol)},
      {"pseudo in trailers", kOpenPost + data(1, "x") + headers(1, {{":method", "GET"}}), stream(kProtocol)},
      {"connection field in trailers", kOpenPost + data(1, "x") + headers(1, {{"connection", "close"}}), stream(kProtocol)},

      // Settings (6.5).
      {"settings on a stream", frame(kSettings, 0, 1), connection(kProtocol)},
      {"settings of 5 octets", frame(kSettings, 0, 0, "12345"), connection(kFrameSize)},
      {"settings ack with payload", frame(kSettings, kAck, 0, setting(3, 100)), connection(kFrameSize)},
      {"enable push 2", frame(kSettings, 0, 0, setting(2, 2)), connection(kProtocol)},
      {"initial window 2^31", frame(kSettings, 0, 0, setting(4, 0x8000'0000)), connection(kFlow)},
      {"max frame size 16383", frame(kSettings, 0, 0, setting(5, 16383)), connection(kProtocol)},
      {"max frame size 2^24", frame(kSettings, 0, 0, setting(5, 1U << 24)), connection(kProtocol)},
      {"connect protocol 2", frame(kSettings, 0, 0, setting(8, 2)), connection(kProtocol)},
      {"unknown setting", frame(kSettings, 0, 0, setting(0xff, 1)) + headers(1, kGet), answered(200)},
      {"table size setting 0", frame(kSettings, 0, 0, setting(1, 0)) + headers(1, kGet), answered(200)},
      {"window settings twice", frame(kSettings, 0, 0, setting(4, 1) + setting(4, 100)) + headers(1, kGet) + window(1, 10),
       answered(200)},

      // Ping, goaway, window update, push, sizes (4.2, 6.6-6.9).
      {"ping on a stream", frame(kPing, 0, 1, "12345678"), connection(kProtocol)},
      {"ping of 7 octets", frame(kPing, 0, 0, "1234567"), connection(kFrameSize)},
      {"ping ack unasked", frame(kPing, kAck, 0, "12345678") + headers(1, kGet), answered(200)},
      {"goaway on a stream", frame(kGoaway, 0, 1, be(0, 8)), connection(kProtocol)},
      {"goaway then the open stream ends", kOpenPost + frame(kGoaway, 0, 0, be(0, 8)) + data(1, "x", kEndStream), answered(200)},
      {"window update of 0 on the connection", window(0, 0), connection(kProtocol)},
      {"window update of 0 on a stream", kOpenPost + window(1, 0), connection(kProtocol)},
      {"window update of 3 octets", frame(kWindow, 0, 0, "123"), connection(kFrameSize)},
      {"window update on idle stream", window(1, 10), connection(kProtocol)},
      {"connection window overflow", window(0, 0x7fff'ffff), connection(kFlow)},
      {"stream window overflow", kOpenPost + window(1, 0x7fff'ffff), stream(kFlow)},
      {"stream window overflow in two steps", kOpenPost + window(1, 0x7fff'0000) + window(1, 0x7fff'0000), stream(kFlow)},
      {"setting makes a window overflow", kOpenPost + window(1, 0x7fff'0000) + frame(kSettings, 0, 0, setting(4, 0x7fff'ffff)),
       connection(kFlow)},
      {"push promise from a client", frame(kPush, kEndHeaders, 1, be(2, 4) + get), connection(kProtocol)},
      {"data above the frame size", kOpenPost + data(1, std::string(16385, 'x')), connection(kFrameSize)},
      {"headers above the frame size", frame(kHeaders, kEndHeaders | kEndStream, 1, get + std::string(16385, 'x')),
       connection(kFrameSize)},
      {"data of the frame size", kOpenPost + data(1, std::string(16384, 'x'), kEndStream), answered(200)},
      {"unknown frame", frame(0x16, 0xff, 0, "12345678") + frame(0x17, 0, 7, {}) + headers(1, kGet), answered(200)},
      {"reserved bit set", frame(kHeaders, kEndHeaders | kEndStream, 0x8000'0001, get), answered(200)},
      {"undefined flags", frame(kPing, 0x16, 0, "12345678") + headers(1, kGet), answered(200)},

      // Messages (8).
      {"uppercase name", headers(1, with(kGet, {{"X-Test", "ok"}})), stream(kProtocol)},
      {"space in name", headers(1, with(kGet, {{"x test", "ok"}})), stream(kProtocol)},
      {"colon in name", headers(1, with(kGet, {{"x:test", "ok"}})), stream(kProtocol)},
      {"empty name", headers(1, with(kGet, {{"", "ok"}})), stream(kProtocol)},
      {"CR in value", headers(1, with(kGet, {{"x-test", "a\rb"}})), stream(kProtocol)},
      {"LF in value", headers(1, with(kGet, {{"x-test", "a\nb: c"}})), stream(kProtocol)},
      {"NUL in value", headers(1, with(kGet, {{"x-test", std::string("a\0b", 3)}})), stream(kProtocol)},
      {"space before value", headers(1, with(kGet, {{"x-test", " a"}})), stream(kProtocol)},
      {"tab after value", headers(1, with(kGet, {{"x-test", "a\t"}})), stream(kProtocol)},
      {"empty value", headers(1, with(kGet, {{"x-test", ""}})), answered(200)},
      {"unknown pseudo", headers(1, with({{":test", "ok"}}, kGet)), stream(kProtocol)},
      {"response pseudo", headers(1, with({{":status", "200"}}, kGet)), stream(kProtocol)},
      {"pseudo after regular", headers(1, with({{"x-test", "ok"}}, kGet)), stream(kProtocol)},
      {"connection", headers(1, with(kGet, {{"connection", "keep-alive"}})), stream(kProtocol)},
      {"keep-alive", headers(1, with(kGet, {{"keep-alive", "1"}})), stream(kProtocol)},
      {"proxy-connection", headers(1, with(kGet, {{"proxy-connection", "close"}})), stream(kProtocol)},
      {"transfer-encoding", headers(1, with(kGet, {{"transfer-encoding", "chunked"}})), stream(kProtocol)},
      {"upgrade", headers(1, with(kGet, {{"upgrade", "h2c"}})), stream(kProtocol)},
      {"te trailers", headers(1, with(kGet, {{"te", "trailers"}})), answered(200)},
      {"te gzip", headers(1, with(kGet, {{"te", "trailers, deflate;q=0.5"}})), stream(kProtocol)},
      {"no method", headers(1, without(kGet, ":method")), stream(kProtocol)},
      {"no scheme", headers(1, without(kGet, ":scheme")), stream(kProtocol)},
      {"no path", headers(1, without(kGet, ":path")), stream(kProtocol)},
      {"no authority nor host", headers(1, without(kGet, ":authority")), stream(kProtocol)},
      {"host instead of authority", headers(1, with(without(kGet, ":authority"), {{"host", "city.example"}})), answered(200)},
      {"host as authority", headers(1, with(kGet, {{"host", "City.example"}})), answered(200)},
      {"host not as authority", headers(1, with(kGet, {{"host", "evil.example"}})), stream(kProtocol)},
      {"two hosts", headers(1, with(kGet, {{"host", "city.example"}, {"host", "city.example"}})), stream(kProtocol)},
      {"user in authority", headers(1, instead(kGet, ":authority", "me@city.example")), stream(kProtocol)},
      {"method twice", headers(1, with({{":method", "GET"}}, kGet)), stream(kProtocol)},
      {"scheme twice", headers(1, with({{":scheme", "https"}}, kGet)), stream(kProtocol)},
      {"path twice", headers(1, with({{":path", "/"}}, kGet)), stream(kProtocol)},
      {"authority twice", headers(1, with({{":authority", "city.example"}}, kGet)), stream(kProtocol)},
      {"empty path", headers(1, instead(kGet, ":path", "")), stream(kProtocol)},
      {"empty method", headers(1, instead(kGet, ":method", "")), stream(kProtocol)},
      {"method with a space", headers(1, instead(kGet, ":method", "GE T")), stream(kProtocol)},
      {"path without slash", headers(1, instead(kGet, ":path", "x")), stream(kProtocol)},
      {"path with a space", headers(1, instead(kGet, ":path", "/a b")), stream(kProtocol)},
      {"path with a fragment", headers(1, instead(kGet, ":path", "/a#b")), answered(400)},
      {"asterisk for GET", headers(1, instead(kGet, ":path", "*")), stream(kProtocol)},
      {"asterisk for OPTIONS", headers(1, instead(instead(kGet, ":path", "*"), ":method", "OPTIONS")), answered(200)},
      {"other scheme", headers(1, instead(instead(kGet, ":scheme", "ftp"), ":path", "x")), answered(400)},
      {"length too long", headers(1, with(kPost, {{"content-length", "2"}}), kEndHeaders) + data(1, "x", kEndStream),
       stream(kProtocol)},
      {"length too short", headers(1, with(kPost, {{"content-length", "1"}}), kEndHeaders) + data(1, "xy", kEndStream),
       stream(kProtocol)},
      {"length of several frames",
       headers(1, with(kPost, {{"content-length", "3"}}), kEndHeaders) + data(1, "x") + data(1, "yz", kEndStream), answered(200)},
      {"several frames, wrong length",
       headers(1, with(kPost, {{"content-length", "4"}}), kEndHeaders) + data(1, "x") + data(1, "yz", kEndStream),
       stream(kProtocol)},
      {"length without body", headers(1, with(kPost, {{"content-length", "1"}})), stream(kProtocol)},
      {"length twice", headers(1, with(kPost, {{"content-length", "1"}, {"content-length", "1"}}), kEndHeaders),
       stream(kProtocol)},
      {"length +1", headers(1, with(kPost, {{"content-length", "+1"}}), kEndHeaders), stream(kProtocol)},
      {"length -1", headers(1, with(kPost, {{"content-length", "-1"}}), kEndHeaders), stream(kProtocol)},
      {"length 2^64", headers(1, with(kPost, {{"content-length", "18446744073709551617"}}), kEndHeaders), stream(kProtocol)},
      {"length above the limit", headers(1, with(kPost, {{"content-length", "70000"}}), kEndHeaders), answered(413)},
      {"other expectation", headers(1, with(kPost, {{"expect", "the moon"}}), kEndHeaders), answered(417)},
      {"65 fields", headers(1, with(kGet, Fields(65, {"x", "y"}))), answered(431)},
      {"64 fields", headers(1, with(kGet, Fields(64, {"x", "y"}))), answered(200)},
      {"one long field",
       frame(kHeaders, kEndStream, 1, get + literal("x", std::string(16'000, 'y')).substr(0, 16'000)) +
           frame(kContinuation, kEndHeaders, 1,
                 literal("x", std::string(16'000, 'y')).substr(16'000) + literal("z", std::string(1'000, 'z'))),
       answered(431)},

      // Extended CONNECT (RFC 8441).
      {"websocket", headers(1, kConnect, kEndHeaders), answered(200)},
      {"websocket with end", headers(1, kConnect), answered(200)},
      {"version 8", headers(1, instead(kConnect, "sec-websocket-version", "8"), kEndHeaders), answered(400)},
      {"no version", headers(1, without(kConnect, "sec-websocket-version"), kEndHeaders), answered(400)},
      {"connect-udp", headers(1, instead(kConnect, ":protocol", "connect-udp"), kEndHeaders), answered(501)},
      {"protocol with GET", headers(1, instead(kConnect, ":method", "GET"), kEndHeaders), stream(kProtocol)},
      {"protocol without scheme", headers(1, without(kConnect, ":scheme"), kEndHeaders), stream(kProtocol)},
      {"protocol without path", headers(1, without(kConnect, ":path"), kEndHeaders), stream(kProtocol)},
      {"protocol without authority", headers(1, without(kConnect, ":authority"), kEndHeaders), stream(kProtocol)},
      {"protocol twice", headers(1, with({{":protocol", "websocket"}}, kConnect), kEndHeaders), stream(kProtocol)},
      {"upgrade in connect", headers(1, with(kConnect, {{"upgrade", "websocket"}}), kEndHeaders), stream(kProtocol)},
      {"plain connect", headers(1, {{":method", "CONNECT"}, {":authority", "city.example:443"}}, kEndHeaders), answered(501)},
      {"plain connect with path",
       headers(1, {{":method", "CONNECT"}, {":path", "/"}, {":authority", "city.example:443"}}, kEndHeaders), stream(kProtocol)},
      {"plain connect without authority", headers(1, {{":method", "CONNECT"}}, kEndHeaders), stream(kProtocol)},
  };
  return all;
}

TEST(Http2Table, EveryBreachHearsWhatItMust) {
  for (const std::size_t step : {std::size_t{0}, std::size_t{1}, std::size_t{7}}) {
    for (const Case& c : cases()) {
      SCOPED_TRACE(std::string(c.name) + ", step " + std::to_string(step));
      Rig rig;
      // Another client's stream, as it were: it must be served after a stream error.
      rig.feed(kHello + c.bytes, step);
      const Expected& e = c.expected;
      if (e.kind == Expected::kConnection) {
        ASSERT_TRUE(rig.goaway.has_value());
        EXPECT_EQ(*rig.goaway, e.code);
        EXPECT_TRUE(rig.codec.wants_close());
        EXPECT_FALSE(rig.codec.feed("x"));
        EXPECT_EQ(rig.codec.counts().protocol_errors, 1U);
        continue;
      }
      EXPECT_FALSE(rig.goaway.has_value()) << *rig.goaway;
      if (e.kind == Expected::kStream) {
        ASSERT_TRUE(rig.resets.contains(e.id));
        EXPECT_EQ(rig.resets[e.id], e.code);
        EXPECT_FALSE(rig.status.contains(e.id));
        EXPECT_EQ(rig.codec.counts().stream_errors, 1U);
      } else {
        EXPECT_EQ(rig.status[e.id], static_cast<int>(e.code));
        if (rig.resets.contains(e.id)) {
          EXPECT_EQ(rig.resets[e.id], kNoError);
        }
      }
      if (std::string_view(c.name).starts_with("goaway")) continue;
      rig.feed(headers(101, kGet), step);
      EXPECT_EQ(rig.status[101], 200);
      EXPECT_EQ(rig.body[101], "hello");
    }
  }
}

TEST(Http2Table, SameWhateverTheSplit) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    Rig whole;
    Rig dribbled;
    whole.feed(kHello + c.bytes);
    dribbled.feed(kHello + c.bytes, 1);
    EXPECT_EQ(whole.goaway, dribbled.goaway);
    if (whole.goaway) continue;  // answers not yet sent go down with the connection
    EXPECT_EQ(whole.status[c.expected.id], dribbled.status[c.expected.id]);
    EXPECT_EQ(whole.resets, dribbled.resets);
    EXPECT_EQ(whole.body[c.expected.id], dribbled.body[c.expected.id]);
  }
}

TEST(Http2, APrefaceThatIsNotOneEndsIt) {
  Rig rig;
  EXPECT_FALSE(rig.feed("GET / HTTP/1.1\r\nHost: city.example\r\n\r\n"));
  EXPECT_EQ(rig.goaway, kProtocol);
  Rig second;
  second.feed(kMagic + headers(1, kGet));  // not SETTINGS first
  EXPECT_TRUE(second.codec.wants_close());
  EXPECT_EQ(second.goaway, kProtocol);
}

TEST(Http2, SettingsAndPingsAreAcknowledged) {
  Rig rig;
  rig.feed(kHello + frame(kPing, 0, 0, "Belfry!!"));
  int acks = 0;
  int pongs = 0;
  for (const Frame& f : rig.sent) {
    if (f.type == kSettings && (f.flags & kAck) != 0) ++acks;
    if (f.type == kPing && (f.flags & kAck) != 0 && f.payload == "Belfry!!") ++pongs;
  }
  EXPECT_EQ(acks, 1);
  EXPECT_EQ(pongs, 1);
  ASSERT_FALSE(rig.sent.empty());
  EXPECT_EQ(rig.sent[0].type, kSettings);
  EXPECT_NE(rig.sent[0].payload.find(setting(8, 1)), std::string::npos);
  EXPECT_NE(rig.sent[0].payload.find(setting(3, 100)), std::string::npos);
}

TEST(Http2, WithoutTheSwitchThereIsNoExtendedConnect) {
  Http2Limits limits;
  limits.websocket = false;
  Rig rig(limits);
  rig.feed(kHello + headers(1, kConnect, kEndHeaders));
  EXPECT_EQ(rig.resets[1], kProtocol);
  EXPECT_EQ(rig.sent[0].payload.find(setting(8, 1)), std::string::npos);
}

TEST(Http2, ARequestAsTheOwnerSeesIt) {
  Rig rig;
  rig.feed(kHello +
           headers(1, with(instead(kPost, ":path", "/a/b?c=d&e"), {{"cookie", "a=b"}, {"x-one", "1"}, {"cookie", "c=d"}}),
                   kEndHeaders) +
           data(1, "ab") + data(1, "cd", kEndStream));
  const HttpRequest& r = rig.owner.requests[1];
  EXPECT_EQ(r.method, "POST");
  EXPECT_EQ(r.target, "/a/b?c=d&e");
  EXPECT_EQ(r.path, "/a/b");
  EXPECT_EQ(r.query, "c=d&e");
  EXPECT_EQ(r.scheme, "https");
  EXPECT_EQ(r.authority, "city.example");
  EXPECT_EQ(r.headers.get("cookie"), "a=b; c=d");
  EXPECT_EQ(r.headers.get("x-one"), "1");
  EXPECT_EQ(r.body, "abcd");
  EXPECT_EQ(r.peer, "192.0.2.1");
  EXPECT_EQ(rig.body[1], "abcd");
  EXPECT_EQ(rig.field(1, "date"), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(rig.field(1, "content-length"), "4");
  EXPECT_TRUE(rig.codec.idle());
  EXPECT_EQ(rig.owner.gone, 0);
}

TEST(Http2, HeadNoContentAndNotModifiedHaveNoBody) {
  Rig rig;
  rig.feed(kHello + headers(1, instead(kGet, ":method", "HEAD")));
  EXPECT_EQ(rig.field(1, "content-length"), "5");
  EXPECT_EQ(rig.body[1], "");
  rig.owner.answer = false;
  rig.feed(headers(3, kGet) + headers(5, kGet));
  rig.codec.respond(3, {204, {}, "ignored"});
  rig.codec.respond(5, {304, {}, {}});
  rig.drain();
  EXPECT_EQ(rig.field(3, "content-length"), "<none>");
  EXPECT_EQ(rig.field(5, "content-length"), "<none>");
  EXPECT_EQ(rig.body[3] + rig.body[5], "");
  EXPECT_THAT(rig.ended, testing::ElementsAre(1, 3, 5));
}

TEST(Http2, FieldsOfAConnectionAndBrokenOnesAreNotSent) {
  Rig rig;
  rig.owner.answer = false;
  rig.feed(kHello + headers(1, kGet));
  HttpResponse response;
  for (const char* name : {"Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade", "x-bad name", ":status"})
    response.headers.add(name, "x");
  response.headers.add("x-split", "a\r\nb: c");
  response.headers.add("X-Good", "y");
  rig.codec.respond(1, response);
  rig.drain();
  EXPECT_EQ(rig.field(1, "x-good"), "y");
  EXPECT_EQ(rig.answers[1].size(), 4U);  // :status, x-good, content-length, date
}

TEST(Http2, ContinueIsSentUnlessRefused) {
  Rig rig;
  rig.feed(kHello + headers(1, with(kPost, {{"expect", "100-continue"}}), kEndHeaders));
  EXPECT_EQ(rig.continues, 1);
  EXPECT_FALSE(rig.status.contains(1));
  rig.feed(data(1, "x", kEndStream));
  EXPECT_EQ(rig.status[1], 200);
  rig.owner.refuse = true;
  rig.feed(headers(3, with(kPost, {{"expect", "100-continue"}}), kEndHeaders));
  EXPECT_EQ(rig.continues, 1);
  EXPECT_EQ(rig.status[3], 403);
  EXPECT_EQ(rig.resets[3], kNoError);            // the rest of the body is not wanted
  rig.feed(data(3, "late") + headers(5, kGet));  // and what is under way is ignored
  EXPECT_EQ(rig.status[5], 403);
  EXPECT_EQ(rig.owner.gone, 0);
}

TEST(Http2, ABodyAboveItsLimitIs413) {
  Rig rig;
  rig.owner.body_limit = 10;
  rig.feed(kHello + kOpenPost + data(1, "12345678") + data(1, "9abc"));
  EXPECT_EQ(rig.status[1], 413);
  EXPECT_EQ(rig.resets[1], kNoError);
  EXPECT_THAT(rig.owner.log, testing::ElementsAre("head 1 POST", "gone 1"));
}

TEST(Http2, AStreamedAnswer) {
  Rig rig;
  rig.owner.answer = false;
  rig.feed(kHello + headers(1, kGet));
  HttpResponse head;
  head.headers.add("content-type", "text/event-stream");
  rig.codec.begin(1, head);
  rig.drain();
  EXPECT_EQ(rig.status[1], 200);
  EXPECT_EQ(rig.codec.write(1, "one"), 3U);
  rig.drain();
  EXPECT_EQ(rig.codec.write(1, "two"), 3U);
  rig.drain();
  EXPECT_EQ(rig.body[1], "onetwo");
  EXPECT_TRUE(rig.ended.empty());
  rig.codec.end(1);
  rig.drain();
  EXPECT_THAT(rig.ended, testing::ElementsAre(1));
  EXPECT_EQ(rig.owner.gone, 0);
  EXPECT_TRUE(rig.codec.idle());
}

TEST(Http2, ATunnelCarriesOctetsBothWays) {
  for (const std::size_t step : {std::size_t{0}, std::size_t{1}}) {
    Rig rig;
    rig.feed(kHello + headers(1, kConnect, kEndHeaders), step);
    EXPECT_EQ(rig.status[1], 200);
    EXPECT_EQ(rig.owner.requests[1].protocol, "websocket");
    EXPECT_EQ(rig.owner.requests[1].path, "/echo");
    rig.feed(data(1, "ping"), step);
    EXPECT_EQ(rig.owner.tunnel[1], "ping");
    rig.codec.tunnel_write(1, "pong");
    rig.drain();
    EXPECT_EQ(rig.body[1], "pong");
    rig.feed(data(1, "", kEndStream), step);
    EXPECT_EQ(rig.owner.log.back(), "end 1");
    rig.codec.tunnel_write(1, "more");
    rig.codec.tunnel_end(1);
    rig.drain();
    EXPECT_EQ(rig.body[1], "pongmore");
    EXPECT_THAT(rig.ended, testing::ElementsAre(1));
    EXPECT_TRUE(rig.codec.idle());
    EXPECT_EQ(rig.owner.gone, 0);
    EXPECT_TRUE(rig.resets.empty());
  }
}

TEST(Http2, OurEndOfATunnelFirst) {
  Rig rig;
  rig.feed(kHello + headers(1, kConnect, kEndHeaders));
  rig.codec.tunnel_end(1);
  rig.drain();
  EXPECT_FALSE(rig.codec.idle());
  rig.feed(data(1, "last", kEndStream));
  EXPECT_EQ(rig.owner.tunnel[1], "last");
  EXPECT_TRUE(rig.codec.idle());
  EXPECT_EQ(rig.owner.gone, 0);
}

TEST(Http2, OctetsBeforeATunnelIsAcceptedWait) {
  Rig rig;
  rig.owner.accept = false;
  rig.feed(kHello + headers(1, kConnect, kEndHeaders) + data(1, "early") + data(1, "", kEndStream));
  EXPECT_TRUE(rig.owner.tunnel.empty());
  rig.codec.accept_tunnel(1, {});
  EXPECT_TRUE(rig.owner.tunnel.empty());
  rig.pass(1);
  EXPECT_EQ(rig.owner.tunnel[1], "early");
  EXPECT_EQ(rig.owner.log.back(), "end 1");
}

TEST(Http2, ATunnelThatIsReset) {
  Rig rig;
  rig.feed(kHello + headers(1, kConnect, kEndHeaders) + headers(3, kConnect, kEndHeaders) + rst(1));
  EXPECT_EQ(rig.owner.gone, 1);
  rig.codec.reset(3);
  rig.drain();
  EXPECT_EQ(rig.resets[3], kCancelCode);
  EXPECT_EQ(rig.owner.gone, 1);
  EXPECT_TRUE(rig.codec.idle());
  EXPECT_EQ(rig.codec.counts().stream_errors, 0U);
}

TEST(Http2, ASlowSocketStopsItsPeerAndNobodyElse) {
  Rig rig;
  rig.feed(kHello + headers(1, kConnect, kEndHeaders));
  const auto updates = [&rig](StreamId id) {
    std::size_t sum = 0;
    for (const Frame& f : rig.sent) {
      if (f.type == kWindow && f.id == id) sum += u32(f.payload, 0);
    }
    return sum;
  };
  const std::size_t before = updates(0);
  for (int i = 0; i < 3; ++i) rig.feed(data(1, std::string(16'000, 'x')));
  EXPECT_EQ(updates(1), 0U);
  rig.codec.tunnel_consumed(1, 48'000);
  rig.drain();
  EXPECT_EQ(updates(1), 48'000U);
  rig.feed(data(1, std::string(16'000, 'x')) + data(1, std::string(16'000, 'x')) + data(1, std::string(16'000, 'x')) +
           data(1, std::string(16'000, 'x')));
  EXPECT_FALSE(rig.goaway.has_value());
  rig.feed(data(1, std::string(16'000, 'x')));  // past the window
  EXPECT_TRUE(rig.goaway.has_value() || rig.resets.contains(1));
  EXPECT_GE(updates(0), before);
}

TEST(Http2, AnAnswerMeetsSmallWindows) {
  Rig rig;
  rig.owner.payload = std::string(100'000, 'x');
  rig.feed(kMagic + frame(kSettings, 0, 0, setting(4, 0)) + headers(1, kGet) + headers(3, kGet));
  EXPECT_EQ(rig.status[1], 200);
  EXPECT_EQ(rig.body[1].size(), 0U);
  EXPECT_EQ(rig.codec.buffered_out(), 200'000U);
  rig.feed(window(1, 1));
  EXPECT_EQ(rig.body[1].size(), 1U);
  rig.feed(frame(kSettings, 0, 0, setting(4, 50'000)));
  EXPECT_EQ(rig.body[1].size() + rig.body[3].size(), 65'535U);  // the connection's window
  EXPECT_GT(rig.body[1].size(), 20'000U);                       // they take turns
  EXPECT_GT(rig.body[3].size(), 20'000U);
  rig.feed(window(0, 1'000'000) + window(1, 100'000) + window(3, 100'000));
  EXPECT_EQ(rig.body[1].size(), 100'000U);
  EXPECT_EQ(rig.body[3].size(), 100'000U);
  EXPECT_EQ(rig.codec.buffered_out(), 0U);
}

TEST(Http2, AStalledStreamIsResetAfterTheWriteTimeout) {
  Rig rig;
  rig.feed(kMagic + frame(kSettings, 0, 0, setting(4, 0)) + headers(1, kGet));
  rig.pass(29'000);
  EXPECT_TRUE(rig.resets.empty());
  rig.pass(2'000);
  EXPECT_EQ(rig.resets[1], kCancelCode);
  EXPECT_EQ(rig.codec.counts().stalled, 1U);
  EXPECT_EQ(rig.codec.buffered_out(), 0U);
  EXPECT_TRUE(rig.codec.idle());
}

TEST(Http2, CrumbsOfWindowAreAStallToo) {
  Rig rig;
  rig.owner.payload = std::string(100'000, 'x');
  rig.feed(kMagic + frame(kSettings, 0, 0, setting(4, 0)) + headers(1, kGet));
  for (int i = 0; i < 31 && rig.resets.empty(); ++i) {
    rig.feed(window(1, 10));
    rig.pass(1'000);
  }
  EXPECT_EQ(rig.resets[1], kCancelCode);
}

TEST(Http2, PastTheOutputBoundNewStreamsAreRefused) {
  Http2Limits limits;
  limits.max_buffered_out = 100'000;
  Rig rig(limits);
  rig.owner.payload = std::string(60'000, 'x');
  rig.feed(kMagic + frame(kSettings, 0, 0, setting(4, 0)));
  for (StreamId id = 1; id < 100; id += 2) rig.feed(headers(id, kGet));
  EXPECT_EQ(rig.codec.buffered_out(), 120'000U);
  EXPECT_EQ(rig.resets.size(), 48U);
  EXPECT_EQ(rig.resets[99], kRefusedCode);
}

TEST(Http2, ASlowBodyIs408) {
  Rig rig;
  rig.feed(kHello + kOpenPost);
  for (int i = 0; i < 5; ++i) {
    rig.pass(7'000);
    rig.feed(data(1, "x"));
  }
  rig.pass(1'000);
  EXPECT_EQ(rig.status[1], 408);
  EXPECT_EQ(rig.owner.log.back(), "gone 1");
}

TEST(Http2, LargeBodiesWaitForTheirTurn) {
  Http2Limits limits;
  limits.max_buffered_in = 1 << 20;
  Rig rig(limits);
  rig.owner.body_limit = 1 << 20;
  std::string bytes = kHello;
  for (StreamId id = 1; id <= 99; id += 2) bytes += headers(id, kPost, kEndHeaders);
  rig.feed(bytes);
  const auto room = [&rig](StreamId id) {
    std::size_t sum = 65'535;
    for (const Frame& f : rig.sent) {
      if (f.type == kWindow && f.id == id) sum += u32(f.payload, 0);
    }
    return sum;
  };
  const std::string piece(10'000, 'x');
  for (int i = 0; i < 6; ++i) rig.feed(data(1, piece) + data(3, piece) + data(5, piece));
  EXPECT_GT(room(1), 65'535U);  // the first has its reservation
  EXPECT_EQ(room(3), 65'535U);  // the others keep their first window
  rig.feed(data(1, piece, kEndStream));
  EXPECT_GT(room(3), 65'535U);
  EXPECT_EQ(room(5), 65'535U);
  rig.feed(rst(3));
  EXPECT_GT(room(5), 65'535U);
  EXPECT_EQ(rig.body[1].size(), 70'000U - 4'465U);  // the client gave no window beyond the first
}

TEST(Http2, TheHundredAndFirstStreamIsRefused) {
  Rig rig;
  rig.owner.answer = false;
  rig.feed(kHello);
  for (StreamId id = 1; id <= 201; id += 2) rig.feed(headers(id, kGet));
  EXPECT_EQ(rig.resets[201], kRefusedCode);
  EXPECT_EQ(rig.resets.size(), 1U);
  // Once our SETTINGS are acknowledged there is no excuse.
  rig.feed(frame(kSettings, kAck, 0) + headers(203, kGet));
  EXPECT_EQ(rig.goaway, kProtocol);
  EXPECT_EQ(rig.owner.gone, 100);
}

TEST(Http2, ShutdownFinishesWhatIsOpen) {
  Rig rig;
  rig.owner.answer = false;
  rig.feed(kHello + headers(1, kGet));
  rig.codec.shutdown();
  rig.drain();
  EXPECT_EQ(rig.last_id, 0x7fff'ffffU);
  rig.feed(headers(3, kGet));  // was under way: still served
  std::string ping;
  for (const Frame& f : rig.sent) {
    if (f.type == kPing && (f.flags & kAck) == 0) ping = f.payload;
  }
  rig.feed(frame(kPing, kAck, 0, ping));
  EXPECT_EQ(rig.goaway, kNoError);
  EXPECT_EQ(rig.last_id, 3U);
  rig.feed(headers(5, kGet));  // above it: ignored
  rig.codec.respond(1, {});
  rig.codec.respond(3, {});
  EXPECT_FALSE(rig.codec.wants_close());
  rig.drain();
  EXPECT_EQ(rig.status[1] + rig.status[3], 400);
  EXPECT_TRUE(rig.codec.wants_close());
  Rig quiet;
  quiet.feed(kHello);
  quiet.codec.shutdown();
  quiet.drain();
  quiet.pass(1'001);  // the PING was never answered
  EXPECT_TRUE(quiet.codec.wants_close());
}

TEST(Http2, GoneComesOnceForWhatIsOwed) {
  Rig rig;
  rig.owner.answer = false;
  rig.feed(kHello + headers(1, kGet) + rst(1));
  EXPECT_EQ(rig.owner.gone, 1);
  rig.codec.respond(1, {});  // too late, and harmless
  rig.drain();
  rig.feed(headers(3, kPost, kEndHeaders) + data(3, "x") + rst(3));
  EXPECT_EQ(rig.owner.gone, 2);
  rig.feed(headers(5, kGet) + frame(kPing, 0, 1, "x"));
  EXPECT_TRUE(rig.codec.wants_close());
  EXPECT_EQ(rig.owner.gone, 3);
}

TEST(Http2, SlowHeadsEndTheConnection) {
  for (const std::string& bytes :
       {kMagic.substr(0, 10), kMagic + frame(kSettings, 0, 0, setting(3, 1)).substr(0, 12),
        kHello + headers(1, kGet).substr(0, 30), kHello + frame(kHeaders, 0, 1, block(kGet)), kHello + std::string("\0\0", 2)}) {
    Rig rig;
    rig.feed(bytes, 1);
    rig.pass(9'000);
    EXPECT_FALSE(rig.codec.wants_close());
    rig.pass(2'000);
    EXPECT_TRUE(rig.codec.wants_close());
    EXPECT_EQ(rig.goaway, kCalm);
  }
  Rig rig;
  rig.feed(kHello);
  rig.pass(100'000);  // idle between frames is the connection's own affair
  EXPECT_FALSE(rig.codec.wants_close());
}

// ---- floods: each is ended with ENHANCE_YOUR_CALM after a bounded number of frames

struct Flood {
  const char* name;
  std::string once;                                // before
  std::function<std::string(std::uint32_t)> each;  // the n-th
  std::size_t most;                                // frames before the end
};

TEST(Http2Floods, AreEnded) {
  const std::vector<Flood> floods{
      {"rapid reset", "", [](std::uint32_t n) { return headers(2 * n + 1, kGet, kEndHeaders) + rst(2 * n + 1); }, 250},
      {"server-made reset by window overflow", "",
       [](std::uint32_t n) { return headers(2 * n + 1, kPost, kEndHeaders) + window(2 * n + 1, 0x7fff'ffff); }, 150},
      {"server-made reset by malformed requests", "",
       [](std::uint32_t n) {
         return headers(2 * n + 1, with(kGet, {{"Bad", "x"}}));
       },
       150},
      {"server-made reset by wrong length", "",
       [](std::uint32_t n) {
         return headers(2 * n + 1, with(kPost, {{"content-length", "1"}}), kEndHeaders) + data(2 * n + 1, "ab");
       },
       150},
      {"settings", "", [](std::uint32_t) { return frame(kSettings, 0, 0, setting(4, 100)); }, 40},
      {"table size settings", "", [](std::uint32_t n) { return frame(kSettings, 0, 0, setting(1, n % 2 == 0 ? 0 : 4096)); }, 40},
      {"ping", "", [](std::uint32_t) { return frame(kPing, 0, 0, "12345678"); }, 250},
      {"ping acks", "", [](std::uint32_t) { return frame(kPing, kAck, 0, "12345678"); }, 250},
      {"priority", "", [](std::uint32_t n) { return frame(kPriority, 0, 2 * n + 1, be(0, 4) + "x"); }, 600},
      {"priority update", "", [](std::uint32_t) { return frame(0x10, 0, 0, be(1, 4) + "u=1"); }, 600},
      {"window update", "", [](std::uint32_t) { return window(0, 1); }, 1'100},
      {"window update of a stream", kOpenPost, [](std::uint32_t) { return window(1, 1); }, 1'100},
      {"empty data", kOpenPost, [](std::uint32_t) { return data(1, ""); }, 150},
      {"padded empty data", kOpenPost, [](std::uint32_t) { return frame(kData, kPadded, 1, be(0, 1)); }, 150},
      {"empty data on a closed stream", "", [](std::uint32_t) { return data(1, ""); }, 1},
      {"continuation", frame(kHeaders, 0, 1, block(kGet)), [](std::uint32_t) { return frame(kContinuation, 0, 1, ""); }, 10},
      {"unknown frames", "", [](std::uint32_t) { return frame(0xee, 0, 0, "x"); }, 250},
      {"goaway", kOpenPost, [](std::uint32_t) { return frame(kGoaway, 0, 0, be(0, 8)); }, 250},
      {"refused streams", "", [](std::uint32_t n) { return headers(2 * n + 1, kPost, kEndHeaders); }, 250},
  };
  for (const Flood& flood : floods) {
    SCOPED_TRACE(flood.name);
    Rig rig;
    rig.owner.answer = false;
    rig.feed(kHello + flood.once);
    std::uint32_t n = 0;
    while (n < 5'000 && rig.feed(flood.each(n)) && !rig.codec.wants_close()) ++n;
    EXPECT_LE(n, flood.most);
    EXPECT_TRUE(rig.goaway.has_value());
    EXPECT_TRUE(rig.codec.wants_close());
    EXPECT_LT(rig.octets, 64 * 1024U);
    if (flood.most > 1) {
      EXPECT_EQ(rig.goaway, kCalm);
      EXPECT_EQ(rig.codec.counts().floods, 1U);
    }
  }
}

TEST(Http2Floods, TheSamePaceOverTimeIsFine) {
  Rig rig;
  rig.feed(kHello);
  StreamId id = 1;
  for (int second = 0; second < 300; ++second) {
    std::string bytes;
    for (int i = 0; i < 10; ++i, id += 2) bytes += headers(id, kPost, kEndHeaders) + rst(id);
    for (int i = 0; i < 5; ++i) bytes += frame(kPing, 0, 0, "12345678");
    for (int i = 0; i < 50; ++i) bytes += window(0, 1);
    ASSERT_TRUE(rig.feed(bytes)) << second;
    rig.pass(1'000);
  }
  EXPECT_FALSE(rig.goaway.has_value());
}

TEST(Http2Floods, AGreedyReaderOfALargeAnswerIsNone) {
  Rig rig;
  rig.owner.payload = std::string(30'000'000, 'x');
  rig.feed(kHello + headers(1, kGet));
  while (rig.body[1].size() < rig.owner.payload.size()) {
    const std::size_t before = rig.body[1].size();
    ASSERT_TRUE(rig.feed(window(0, 2'048) + window(1, 2'048)));  // far more often than any client does
    if (rig.body[1].size() == before) {
      ASSERT_TRUE(rig.feed(window(0, 65'535) + window(1, 65'535)));
    }
  }
  EXPECT_FALSE(rig.goaway.has_value());
}

TEST(Http2Floods, AnHpackBombIsEnded) {
  Rig rig;
  // One entry of 4,000 octets in the dynamic table, then thousands of one-octet references to it.
  const std::string entry = std::string("\x40") + number(1, 7, 0) + "x" + number(3'900, 7, 0) + std::string(3'900, 'y');
  EXPECT_FALSE(
      rig.feed(kHello + frame(kHeaders, kEndHeaders | kEndStream, 1, block(kGet) + entry + std::string(12'000, '\xbe'))));
  EXPECT_EQ(rig.goaway, kCalm);
  EXPECT_TRUE(rig.owner.log.empty());
}

TEST(Http2Floods, TableChurnIsServedWithinBounds) {
  Rig rig;
  rig.feed(kHello);
  for (StreamId id = 1; id < 400; id += 2) {
    std::string churn = block(kGet);
    for (int i = 0; i < 3; ++i)
      churn += std::string("\x40") + number(1, 7, 0) + "x" + number(3'000, 7, 0) + std::string(3'000, static_cast<char>('a' + i));
    rig.feed(frame(kHeaders, kEndHeaders | kEndStream, id, churn));
    ASSERT_EQ(rig.status[id], 200);
  }
}

// ---- nghttp2's own client

struct Client {
  explicit Client(Rig& r) : rig(r) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t namelen,
                      const std::uint8_t* value, std::size_t valuelen, std::uint8_t, void* user) {
          if (std::string_view(reinterpret_cast<const char*>(name), namelen) == ":status") {
            static_cast<Client*>(user)->status[frame->hd.stream_id] =
                std::stoi(std::string(reinterpret_cast<const char*>(value), valuelen));
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks, [](nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* user) {
          static_cast<Client*>(user)->body[id].append(reinterpret_cast<const char*>(bytes), size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks,
                                                           [](nghttp2_session*, std::int32_t, std::uint32_t code, void* user) {
                                                             static_cast<Client*>(user)->closed.push_back(code);
                                                             return 0;
                                                           });
    nghttp2_session_client_new(&session, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Client() { nghttp2_session_del(session); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::int32_t request(const Fields& fields, std::string payload = {}) {
    std::vector<nghttp2_nv> nva;
    for (const auto& [name, value] : fields) {
      nva.push_back({reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
                     reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0});
    }
    bodies.push_back(std::make_unique<std::string>(std::move(payload)));
    nghttp2_data_provider provider{};
    provider.source.ptr = bodies.back().get();
    provider.read_callback = [](nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                                nghttp2_data_source* source, void*) -> ssize_t {
      auto& left = *static_cast<std::string*>(source->ptr);
      const std::size_t n = std::min(room, left.size());
      std::copy_n(left.data(), n, to);
      left.erase(0, n);
      if (left.empty()) *flags |= NGHTTP2_DATA_FLAG_EOF;
      return static_cast<ssize_t>(n);
    };
    return nghttp2_submit_request(session, nullptr, nva.data(), nva.size(), bodies.back()->empty() ? nullptr : &provider,
                                  nullptr);
  }
  // Carries octets both ways until neither has any.
  void run(std::size_t step) {
    for (bool moved = true; moved;) {
      moved = false;
      const std::uint8_t* bytes = nullptr;
      ssize_t size = 0;
      while ((size = nghttp2_session_mem_send(session, &bytes)) > 0) {
        moved = true;
        std::string_view part(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
        while (!part.empty()) {
          ASSERT_TRUE(rig.codec.feed(part.substr(0, step)));
          part.remove_prefix(std::min(step, part.size()));
        }
      }
      for (std::string out = rig.codec.take(); !out.empty(); out = rig.codec.take()) {
        moved = true;
        std::string_view part = out;
        while (!part.empty()) {
          const std::string_view now = part.substr(0, step);
          ASSERT_EQ(nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(now.data()), now.size()),
                    static_cast<ssize_t>(now.size()));
          part.remove_prefix(now.size());
        }
      }
    }
  }

  Rig& rig;
  nghttp2_session* session = nullptr;
  std::vector<std::unique_ptr<std::string>> bodies;
  std::map<std::int32_t, int> status;
  std::map<std::int32_t, std::string> body;
  std::vector<std::uint32_t> closed;
};

TEST(Http2Client, ManyRequestsWholeAndByOctets) {
  for (const std::size_t step : {std::size_t{1} << 20, std::size_t{1}, std::size_t{1000}}) {
    Rig rig;
    rig.owner.body_limit = 1 << 20;
    rig.owner.payload = std::string(150'000, 'x');
    Client client(rig);
    std::vector<std::int32_t> posts;
    for (int i = 0; i < 20; ++i) client.request(kGet);
    for (int i = 0; i < 20; ++i) posts.push_back(client.request(kPost, std::string(200'000, static_cast<char>('a' + i))));
    client.run(step);
    EXPECT_EQ(client.closed.size(), 40U);
    EXPECT_THAT(client.closed, testing::Each(0U));
    EXPECT_EQ(client.body[1].size(), 150'000U);
    for (std::size_t i = 0; i < posts.size(); ++i)
      EXPECT_EQ(client.body[posts[i]], std::string(200'000, static_cast<char>('a' + i)));
    EXPECT_TRUE(rig.codec.idle());
    EXPECT_EQ(rig.codec.buffered_out(), 0U);
  }
}

TEST(Http2Client, TakeIsBounded) {
  Rig rig;
  rig.owner.payload = std::string(4'000'000, 'x');
  rig.feed(kMagic + frame(kSettings, 0, 0, setting(4, 0x7fff'ffff)) + window(0, 0x7000'0000));
  rig.codec.feed(headers(1, kGet));
  EXPECT_LE(rig.codec.take().size(), 256 * 1024U + 16'393U);
}

}  // namespace
}  // namespace belfry::wire
