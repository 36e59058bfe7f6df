// The server's side of the WebSocket protocol (RFC 6455) above an open tunnel: bytes in, messages out; messages in, bytes out.
// The same over HTTP/1.1 and over HTTP/2. No socket, no clock: pings and timeouts are the owner's.
//
// wslay parses, unmasks and checks frames and UTF-8; what it would answer by itself is thrown away, because it queues without
// bound, closes malformed frames without a status and refuses close codes that are legal (protocols/web.md section 2). Answers
// are written here. An idle socket has no wslay context (9 KB): one is borrowed from the thread while a message is in pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace belfry::wire {

enum class CloseCode : std::uint16_t {
  kNormal = 1000,
  kGoingAway = 1001,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
  kNoStatus = 1005,  // never on the wire: the close frame was empty
  kAbnormal = 1006,  // never on the wire: there was no close frame
  kBadData = 1007,
  kPolicy = 1008,
  kTooBig = 1009,
  kInternal = 1011,
  kTryLater = 1013,
};

struct WebSocketBounds {
  std::size_t max_message = 64UL * 1024;  // closes with 1009 above it
  std::size_t max_frames = 64;            // of one message; 0: no cap. 1008 above it
  int max_pending_pongs = 16;             // not yet taken by the peer; 1008 above it
};

class WebSocketEvents {
 public:
  virtual ~WebSocketEvents() = default;
  virtual void on_message(bool text, std::string&& message) = 0;  // text is valid UTF-8
  virtual void on_pong() = 0;
  // The last event: the closing handshake is over, or we failed the connection. `code` is the peer's, or ours if we failed it.
  // Send what take() gives, then close the tunnel.
  virtual void on_closed(std::uint16_t code) = 0;
};

// Events are called from inside feed() only. An event may call anything but feed().
class WebSocketServer {
 public:
  // `events` must outlive this.
  WebSocketServer(WebSocketEvents& events, WebSocketBounds bounds);
  ~WebSocketServer();
  WebSocketServer(const WebSocketServer&) = delete;
  WebSocketServer& operator=(const WebSocketServer&) = delete;

  void feed(std::string_view bytes);
  std::string take();  // what to send now
  std::size_t pending() const { return out_.size(); }

  void send(bool text, std::string_view message);
  void ping();
  // Starts the closing handshake; messages that still come are dropped. A code that may not be on the wire is sent as no code.
  void close(std::uint16_t code, std::string_view reason);
  // The peer has taken all that was sent: the pongs too.
  void drained() { pending_pongs_ = 0; }

  bool closing() const { return close_sent_; }    // a close frame was sent
  bool closed() const { return closed_; }         // on_closed was or would have been called
  int pings_seen() const { return pings_seen_; }  // since the last call of forget_pings
  void forget_pings() { pings_seen_ = 0; }

  struct Engine;  // a wslay context

 private:
  friend struct Engine;
  void give(std::string_view bytes);
  void fail(std::uint16_t code);
  void finish(std::uint16_t code);
  void write_frame(unsigned opcode, std::string_view payload);
  void write_close(std::uint16_t code, std::string_view reason);
  void frame_begins(bool fin, unsigned opcode, std::uint64_t size);
  void frame_goes_on(std::string_view payload);
  void frame_ends();
  void peer_closes();

  WebSocketEvents& events_;
  const WebSocketBounds bounds_;
  std::unique_ptr<Engine> engine_;
  std::string out_;
  std::string message_;     // the data message in pieces
  std::size_t frames_ = 0;  // of that message
  std::uint64_t left_ = 0;  // octets of the present frame that are still to come
  std::string start_;       // the first octets of a frame, until there are enough for wslay
  std::string control_;     // payload of the present control frame
  unsigned frame_opcode_ = 0;
  bool frame_fin_ = false;
  bool message_text_ = false;
  bool in_message_ = false;
  bool close_sent_ = false;
  bool closed_ = false;
  int pending_pongs_ = 0;
  int pings_seen_ = 0;
};

}  // namespace belfry::wire
