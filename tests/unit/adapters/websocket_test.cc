// The WebSocket codec against tables in the shape of the public suites: each case whole and one octet at a time.
#include "adapters/wire/websocket.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::wire {
namespace {

// A client's frame: masked, with whatever header the case wants.
std::string frame(unsigned first, std::string_view payload, bool masked = true) {
  std::string out(1, static_cast<char>(first));
  const unsigned mask_bit = masked ? 0x80 : 0;
  if (payload.size() <= 125) {
    out += static_cast<char>(mask_bit | payload.size());
  } else if (payload.size() <= 65535) {
    out += static_cast<char>(mask_bit | 126);
    out += static_cast<char>(payload.size() >> 8);
    out += static_cast<char>(payload.size());
  } else {
    out += static_cast<char>(mask_bit | 127);
    for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  }
  const std::string mask = "\x11\x22\x33\x44";
  if (masked) out += mask;
  for (std::size_t i = 0; i < payload.size(); ++i) out += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
  return out;
}
std::string text(std::string_view s) { return frame(0x81, s); }
std::string close_frame(unsigned code, std::string_view reason = {}) {
  std::string payload{static_cast<char>(code >> 8), static_cast<char>(code)};
  payload += reason;
  return frame(0x88, payload);
}

// What the server sends back, in a readable form: "T:hello" "B:.." "P:pong payload" "C:1002" "C:" "G" for ping.
std::vector<std::string> read_frames(const std::string& bytes) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const auto octet = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes.at(i))); };
    const std::size_t opcode = octet(at) & 15;
    EXPECT_EQ(octet(at) & 0xF0, 0x80U);
    std::size_t size = octet(at + 1);
    at += 2;
    if (size == 126) {
      size = octet(at) << 8 | octet(at + 1);
      EXPECT_GT(size, 125U);
      at += 2;
    } else if (size == 127) {
      size = 0;
      for (int i = 0; i < 8; ++i) size = size << 8 | octet(at++);
      EXPECT_GT(size, 65535U);
    }
    const std::string payload = bytes.substr(at, size);
    EXPECT_EQ(payload.size(), size);
    at += size;
    switch (opcode) {
      case 1: out.push_back(std::string("T:") + payload); break;
      case 2: out.push_back(std::string("B:") + payload); break;
      case 8: {
        std::string line = "C:";
        if (size >= 2)
          line += std::to_string(static_cast<unsigned char>(payload[0]) << 8 | static_cast<unsigned char>(payload[1]));
        if (size > 2) line.append(" ").append(payload, 2);
        out.push_back(line);
        break;
      }
      case 9: out.emplace_back("G"); break;
      case 10: out.push_back(std::string("P:") + payload); break;
      default: ADD_FAILURE() << opcode;
    }
  }
  return out;
}

class Echo : public WebSocketEvents {
 public:
  explicit Echo(WebSocketBounds bounds = {}) : socket(*this, bounds) {}
  void on_message(bool is_text, std::string&& message) override { socket.send(is_text, message); }
  void on_pong() override { ++pongs; }
  void on_closed(std::uint16_t code) override {
    EXPECT_EQ(closed, 0);
    closed = code;
  }
  WebSocketServer socket;
  int pongs = 0;
  int closed = 0;
};

struct Case {
  const char* why;
  std::string bytes;
  std::vector<std::string> answer;
  int closed = 0;
};

const std::string kLong(125, '*');

const Case kCases[] = {
    {"text", text("Hello"), {"T:Hello"}},
    {"empty text", text(""), {"T:"}},
    {"binary", frame(0x82, std::string("\xfe\0\xff", 3)), {std::string("B:\xfe\0\xff", 5)}},
    {"text of 125", text(kLong), {std::string("T:") + kLong}},
    {"text of 126", text(kLong + "x"), {std::string("T:") + kLong + "x"}},
    {"text of 65535", text(std::string(65535, 'x')), {std::string("T:") + std::string(65535, 'x')}},
    {"text of 65536", text(std::string(65536, 'x')), {std::string("T:") + std::string(65536, 'x')}},
    {"text of 65537", text(std::string(65537, 'x')), {"C:1009"}, 1009},
    {"in three frames", frame(0x01, "a") + frame(0x00, "b") + frame(0x80, "c"), {"T:abc"}},
    {"with a ping between", frame(0x01, "a") + frame(0x89, "p") + frame(0x80, "c"), {"P:p", "T:ac"}},
    {"empty frames", frame(0x01, "") + frame(0x00, "") + frame(0x80, ""), {"T:"}},
    {"too large in pieces", frame(0x01, std::string(40000, 'x')) + frame(0x80, std::string(40000, 'x')), {"C:1009"}, 1009},
    {"two messages", text("a") + text("b"), {"T:a", "T:b"}},
    {"ping", frame(0x89, kLong), {std::string("P:") + kLong}},
    {"empty ping", frame(0x89, ""), {"P:"}},
    {"pong nobody asked for", frame(0x8A, "x") + frame(0x89, "y"), {"P:y"}},
    {"ping of 126", frame(0x89, kLong + "x"), {"C:1002"}, 1002},
    {"ping in pieces", frame(0x09, "x"), {"C:1002"}, 1002},
    {"close in pieces", frame(0x08, ""), {"C:1002"}, 1002},
    {"RSV1", frame(0xC1, "x"), {"C:1002"}, 1002},
    {"RSV2", text("a") + frame(0xA1, "x"), {"T:a", "C:1002"}, 1002},
    {"RSV3 on a ping", frame(0x99, "x"), {"C:1002"}, 1002},
    {"RSV on a close", frame(0xF8, ""), {"C:1002"}, 1002},
    {"opcode 3", frame(0x83, ""), {"C:1002"}, 1002},
    {"opcode 7", text("a") + frame(0x87, "x"), {"T:a", "C:1002"}, 1002},
    {"opcode 11", frame(0x8B, ""), {"C:1002"}, 1002},
    {"opcode 15", frame(0x8F, "x"), {"C:1002"}, 1002},
    {"not masked", frame(0x81, "x", false), {"C:1002"}, 1002},
    {"continuation of nothing", frame(0x80, "x"), {"C:1002"}, 1002},
    {"continuation of nothing, not final", frame(0x00, "x") + text("y"), {"C:1002"}, 1002},
    {"text inside of text", frame(0x01, "a") + frame(0x81, "b"), {"C:1002"}, 1002},
    {"length not minimal, 16 bits", std::string("\x81\xfe\x00\x05\0\0\0\0Hello", 13), {"C:1002"}, 1002},
    {"length not minimal, 64 bits", std::string("\x81\xff\0\0\0\0\0\0\0\x05\0\0\0\0Hello", 19), {"C:1002"}, 1002},
    {"top bit of the length", std::string("\x81\xff\x80\0\0\0\0\0\0\x05\0\0\0\0Hello", 19), {"C:1002"}, 1002},
    {"UTF-8", text("\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"), {"T:\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"}},
    {"UTF-8 split in a character", frame(0x01, "\xce") + frame(0x80, "\xba"), {"T:\xce\xba"}},
    {"the highest character", text("\xf4\x8f\xbf\xbf"), {"T:\xf4\x8f\xbf\xbf"}},
    {"above it", text("\xf4\x90\x80\x80"), {"C:1007"}, 1007},
    {"surrogate", text("\xed\xa0\x80"), {"C:1007"}, 1007},
    {"overlong", text("\xc0\xaf"), {"C:1007"}, 1007},
    {"cut character", text("\xce"), {"C:1007"}, 1007},
    {"cut character at the end of pieces", frame(0x01, "a\xce") + frame(0x80, ""), {"C:1007"}, 1007},
    {"bad at once, before the message is whole",
     frame(0x01, "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"),
     {"C:1007"},
     1007},
    {"bad before the frame is whole", frame(0x81, std::string("\xff") + std::string(100, 'a')).substr(0, 20), {"C:1007"}, 1007},
    {"close", frame(0x88, ""), {"C:"}, 1005},
    {"close with a code", close_frame(1000), {"C:1000"}, 1000},
    {"close with a reason", close_frame(1000, "Hello"), {"C:1000"}, 1000},
    {"close with the longest reason", close_frame(1000, std::string(123, '*')), {"C:1000"}, 1000},
    {"close too long", close_frame(1000, std::string(124, '*')), {"C:1002"}, 1002},
    {"close with one octet", frame(0x88, "a"), {"C:1002"}, 1002},
    {"close with a bad reason", close_frame(1000, "\xce\xba\xe1\xbd\xb9\xed\xa0\x80"), {"C:1007"}, 1007},
    {"close with a character in the reason", close_frame(1000, "\xcf\x80"), {"C:1000"}, 1000},
    {"nothing after close", close_frame(1000) + text("x") + frame(0x89, ""), {"C:1000"}, 1000},
    {"data then close", text("x") + close_frame(3000), {"T:x", "C:3000"}, 3000},
};

TEST(WebSocket, DoesWhatTheTableSays) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.why);
    for (const std::size_t step : {c.bytes.size(), std::size_t{1}, std::size_t{7}}) {
      Echo echo;
      std::string out;
      for (std::size_t at = 0; at < c.bytes.size(); at += step) {
        echo.socket.feed(std::string_view(c.bytes).substr(at, step));
        out += echo.socket.take();
      }
      EXPECT_EQ(read_frames(out), c.answer);
      EXPECT_EQ(echo.closed, c.closed);
      EXPECT_EQ(echo.socket.closed(), c.closed != 0);
    }
  }
}

TEST(WebSocket, CloseCodes) {
  for (unsigned code = 0; code < 65536; ++code) {
    const bool good = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
    Echo echo;
    echo.socket.feed(close_frame(code));
    const unsigned answer = good ? code : 1002;
    ASSERT_EQ(read_frames(echo.socket.take()), std::vector<std::string>{std::string("C:") + std::to_string(answer)}) << code;
    ASSERT_EQ(echo.closed, static_cast<int>(answer));
  }
}

TEST(WebSocket, ClosesFromThisSide) {
  Echo echo;
  echo.socket.close(4009, "replaced by a newer connection");
  echo.socket.send(true, "never");
  echo.socket.close(1000, "");
  EXPECT_EQ(read_frames(echo.socket.take()), std::vector<std::string>{"C:4009 replaced by a newer connection"});
  EXPECT_TRUE(echo.socket.closing());
  EXPECT_FALSE(echo.socket.closed());
  echo.socket.feed(text("dropped") + frame(0x89, "") + close_frame(4009));
  EXPECT_EQ(echo.socket.take(), "");
  EXPECT_EQ(echo.closed, 4009);

  Echo odd;
  odd.socket.close(1006, "x");
  EXPECT_EQ(read_frames(odd.socket.take()), std::vector<std::string>{"C:"});

  Echo long_reason;
  std::string reason(122, 'x');
  reason += "\xce\xba";
  long_reason.socket.close(1000, reason);
  EXPECT_EQ(read_frames(long_reason.socket.take()), std::vector<std::string>{std::string("C:1000 ") + std::string(122, 'x')});
}

TEST(WebSocket, CloseFromInsideOfAMessage) {
  class Once : public Echo {
   public:
    void on_message(bool, std::string&&) override { socket.close(1003, "text only"); }
  };
  Once once;
  once.socket.feed(text("a") + text("b") + close_frame(1003));
  EXPECT_EQ(read_frames(once.socket.take()), std::vector<std::string>{"C:1003 text only"});
  EXPECT_EQ(once.closed, 1003);
}

TEST(WebSocket, PingsAndPongs) {
  Echo echo;
  echo.socket.ping();
  EXPECT_EQ(read_frames(echo.socket.take()), std::vector<std::string>{"G"});
  echo.socket.feed(frame(0x8A, ""));
  EXPECT_EQ(echo.pongs, 1);
  // A burst in one read is answered; what goes unread is a flood.
  std::string burst;
  for (int i = 0; i < 100; ++i) burst += frame(0x89, "x");
  echo.socket.feed(burst);
  EXPECT_EQ(read_frames(echo.socket.take()).size(), 100U);
  EXPECT_EQ(echo.socket.pings_seen(), 100);
  echo.socket.drained();
  echo.socket.feed(burst);
  EXPECT_EQ(read_frames(echo.socket.take()).size(), 100U);
  echo.socket.feed(burst);
  EXPECT_EQ(read_frames(echo.socket.take()), std::vector<std::string>{"C:1008"});
  EXPECT_EQ(echo.closed, 1008);
}

TEST(WebSocket, BoundsFrames) {
  Echo echo;
  std::string many = frame(0x01, "");
  for (int i = 0; i < 63; ++i) many += frame(0x00, "");
  echo.socket.feed(many);
  EXPECT_EQ(echo.closed, 0);
  echo.socket.feed(frame(0x80, ""));
  EXPECT_EQ(echo.closed, 1008);

  Echo free(WebSocketBounds{.max_message = 1'000'000, .max_frames = 0});
  std::string pieces = frame(0x02, "");
  for (int i = 0; i < 5000; ++i) pieces += frame(0x00, "ab");
  free.socket.feed(pieces + frame(0x80, ""));
  EXPECT_EQ(read_frames(free.socket.take()).at(0).size(), 10002U);
}

TEST(WebSocket, LargeMessages) {
  Echo echo(WebSocketBounds{.max_message = 16UL * 1024 * 1024, .max_frames = 0});
  const std::string large(16UL * 1024 * 1024, 'x');
  const std::string bytes = text(large);
  for (std::size_t at = 0; at < bytes.size(); at += 65536) echo.socket.feed(std::string_view(bytes).substr(at, 65536));
  EXPECT_EQ(read_frames(echo.socket.take()).at(0).size(), large.size() + 2);
}

}  // namespace
}  // namespace belfry::wire
