// See websocket.h.
#include "adapters/wire/websocket.h"

#include <wslay/wslay.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

namespace belfry::wire {
namespace {

constexpr std::size_t kSpareEngines = 16;
constexpr std::size_t kMaxReason = 123;

std::uint16_t number(CloseCode code) { return static_cast<std::uint16_t>(code); }

// RFC 6455 section 7.4: what a close frame may say. 1012 to 1014 are registered since.
bool is_wire_code(unsigned code) {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

// How many octets of a frame wslay must see at once, as far as `start` tells: the header; of a close frame everything, because
// wslay looks for UTF-8 in the reason and skips the two octets of the code in every piece it gets.
struct Measure {
  std::size_t first = 2;      // octets that must be there before wslay gets any
  std::uint64_t whole = ~0U;  // header and payload, once the header is there
};
Measure measure(std::string_view start) {
  if (start.size() < 2) return {};
  const auto octet = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<unsigned char>(start[i])); };
  const std::uint64_t length = octet(1) & 127U;
  const std::size_t extended = length == 127 ? 8 : length == 126 ? 2 : 0;
  const std::size_t header = 2 + extended + ((octet(1) & 128U) != 0 ? 4 : 0);
  if (start.size() < header) return {header, ~0U};
  std::uint64_t payload = extended == 0 ? length : 0;
  for (std::size_t i = 0; i < extended; ++i) payload = payload << 8U | octet(2 + i);
  payload = std::min<std::uint64_t>(payload, std::uint64_t{1} << 62U);  // beyond any limit: wslay refuses it
  const bool close = (octet(0) & 15U) == WSLAY_CONNECTION_CLOSE && payload <= 125;
  return {close ? header + static_cast<std::size_t>(payload) : header, header + payload};
}

// RFC 3629. wslay checks the reason of a close frame too, but only after it has answered us.
bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = octet(at++);
    if (first < 0x80) continue;
    const std::size_t more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    if (first < 0xC2 || first > 0xF4 || at + more > text.size()) return false;
    const unsigned second = octet(at);
    if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F)) {
      return false;
    }
    for (std::size_t i = 0; i < more; ++i) {
      if ((octet(at + i) & 0xC0U) != 0x80U) return false;
    }
    at += more;
  }
  return true;
}

// The longest part of `text` that fits and does not end inside of a character.
std::string_view fit_reason(std::string_view text) {
  std::size_t size = std::min(text.size(), kMaxReason);
  while (size > 0 && size < text.size() && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;
  return text.substr(0, size);
}

}  // namespace

// A wslay context and the socket it works for at present. It keeps no state between messages, so it may be lent to any socket.
struct WebSocketServer::Engine {
  wslay_event_context_ptr context = nullptr;
  WebSocketServer* owner = nullptr;
  std::string_view input;

  Engine() {
    static const wslay_event_callbacks callbacks = [] {
      wslay_event_callbacks c{};
      c.recv_callback = [](wslay_event_context_ptr ctx, std::uint8_t* buffer, std::size_t size, int, void* me) -> ssize_t {
        Engine& engine = *static_cast<Engine*>(me);
        if (engine.input.empty()) {
          wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
          return -1;
        }
        size = std::min(size, engine.input.size());
        std::memcpy(buffer, engine.input.data(), size);
        engine.input.remove_prefix(size);
        return static_cast<ssize_t>(size);
      };
      c.send_callback = [](wslay_event_context_ptr, const std::uint8_t*, std::size_t size, int, void*) -> ssize_t {
        return static_cast<ssize_t>(size);
      };
      c.on_frame_recv_start_callback = [](wslay_event_context_ptr ctx, const wslay_event_on_frame_recv_start_arg* arg, void* me) {
        WebSocketServer& socket = *static_cast<Engine*>(me)->owner;
        if (socket.closed_) return;
        socket.frame_begins(arg->fin != 0, arg->opcode, arg->payload_length);
        if (socket.closed_) wslay_event_shutdown_read(ctx);
      };
      c.on_frame_recv_chunk_callback = [](wslay_event_context_ptr, const wslay_event_on_frame_recv_chunk_arg* arg, void* me) {
        WebSocketServer& socket = *static_cast<Engine*>(me)->owner;
        if (!socket.closed_) socket.frame_goes_on({reinterpret_cast<const char*>(arg->data), arg->data_length});
      };
      c.on_frame_recv_end_callback = [](wslay_event_context_ptr ctx, void* me) {
        WebSocketServer& socket = *static_cast<Engine*>(me)->owner;
        if (socket.closed_) return;
        socket.frame_ends();
        if (socket.closed_) wslay_event_shutdown_read(ctx);
      };
      return c;
    }();
    if (wslay_event_context_server_init(&context, &callbacks, this) != 0) std::abort();  // no memory
    wslay_event_config_set_no_buffering(context, 1);
  }
  ~Engine() { wslay_event_context_free(context); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Nothing is in pieces and wslay has not closed: the next socket finds it as new.
  bool reusable() const {
    return wslay_event_get_read_enabled(context) != 0 && wslay_event_get_write_enabled(context) != 0 &&
           wslay_event_get_close_sent(context) == 0 && wslay_event_get_queued_msg_count(context) == 0;
  }

  static std::vector<std::unique_ptr<Engine>>& spares() {
    thread_local std::vector<std::unique_ptr<Engine>> spare;
    return spare;
  }
  static std::unique_ptr<Engine> borrow() {
    auto& spare = spares();
    if (spare.empty()) return std::make_unique<Engine>();
    std::unique_ptr<Engine> engine = std::move(spare.back());
    spare.pop_back();
    return engine;
  }
  static void give_back(std::unique_ptr<Engine> engine) {
    engine->owner = nullptr;
    if (engine->reusable() && spares().size() < kSpareEngines) spares().push_back(std::move(engine));
  }
};

WebSocketServer::WebSocketServer(WebSocketEvents& events, WebSocketBounds bounds) : events_(events), bounds_(bounds) {}
WebSocketServer::~WebSocketServer() = default;

void WebSocketServer::feed(std::string_view bytes) {
  if (closed_ || bytes.empty()) return;
  // Counted here and not at each ping: a burst in one read is answered; one whose answers nobody reads is a flood.
  if (pending_pongs_ > bounds_.max_pending_pongs) return fail(number(CloseCode::kPolicy));
  if (!engine_) {
    engine_ = Engine::borrow();
    engine_->owner = this;
    wslay_event_config_set_max_recv_msg_length(engine_->context, bounds_.max_message);
  }
  while (!closed_ && !bytes.empty()) {
    if (left_ > 0) {
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
      left_ -= size;
      give(bytes.substr(0, size));
      bytes.remove_prefix(size);
      continue;
    }
    if (start_.empty()) {
      const Measure frame = measure(bytes);
      if (bytes.size() < frame.first) {
        start_ = bytes;
        break;
      }
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(frame.whole, bytes.size()));
      left_ = frame.whole - size;
      give(bytes.substr(0, size));
      bytes.remove_prefix(size);
      continue;
    }
    const Measure before = measure(start_);
    const std::size_t more = std::min(before.first - start_.size(), bytes.size());
    start_ += bytes.substr(0, more);
    bytes.remove_prefix(more);
    const Measure frame = measure(start_);
    if (start_.size() < frame.first) continue;
    left_ = frame.whole - start_.size();
    give(std::exchange(start_, {}));
  }
  if (closed_) {
    engine_.reset();
    message_ = {};
    control_ = {};
  } else if (left_ == 0 && !in_message_) {
    Engine::give_back(std::move(engine_));
    message_ = {};
    control_ = {};
  }
}

// Octets for wslay, and its verdict.
void WebSocketServer::give(std::string_view bytes) {
  engine_->input = bytes;
  const int result = wslay_event_recv(engine_->context);
  engine_->input = {};
  // What wslay would say by itself: its pongs are dropped (ours are written), its verdict is taken over.
  if (wslay_event_want_write(engine_->context) != 0) wslay_event_send(engine_->context);
  if (!closed_ && (result != 0 || wslay_event_get_close_sent(engine_->context) != 0)) {
    const std::uint16_t code = wslay_event_get_status_code_sent(engine_->context);
    fail(is_wire_code(code) ? code : number(CloseCode::kProtocolError));
  }
}

std::string WebSocketServer::take() { return std::exchange(out_, {}); }

void WebSocketServer::frame_begins(bool fin, unsigned opcode, std::uint64_t size) {
  frame_fin_ = fin;
  frame_opcode_ = opcode;
  if (wslay_is_ctrl_frame(opcode)) {
    control_.clear();
    // wslay would take a status of one octet.
    if (opcode == WSLAY_CONNECTION_CLOSE && size == 1) fail(number(CloseCode::kProtocolError));
    return;
  }
  if (opcode != WSLAY_CONTINUATION_FRAME) {
    message_text_ = opcode == WSLAY_TEXT_FRAME;
    message_.clear();
    in_message_ = true;
    frames_ = 0;
  }
  ++frames_;
  if (bounds_.max_frames != 0 && frames_ > bounds_.max_frames) return fail(number(CloseCode::kPolicy));
  // Without buffering wslay compares single frames only.
  if (size > bounds_.max_message - std::min(bounds_.max_message, message_.size())) return fail(number(CloseCode::kTooBig));
  // A declared length is not octets: memory is taken as they come, but a small message in one step.
  if (fin && frames_ == 1) message_.reserve(std::min<std::size_t>(size, 64UL * 1024));
}

void WebSocketServer::frame_goes_on(std::string_view payload) {
  if (wslay_is_ctrl_frame(frame_opcode_)) {
    control_ += payload;
  } else if (!close_sent_) {
    message_ += payload;
  }
}

void WebSocketServer::frame_ends() {
  switch (frame_opcode_) {
    case WSLAY_PING:
      ++pings_seen_;
      ++pending_pongs_;
      if (!close_sent_) write_frame(WSLAY_PONG, control_);
      return;
    case WSLAY_PONG: events_.on_pong(); return;
    case WSLAY_CONNECTION_CLOSE: peer_closes(); return;
    default: break;
  }
  if (!frame_fin_) return;
  in_message_ = false;
  if (!close_sent_) events_.on_message(message_text_, std::exchange(message_, {}));
}

void WebSocketServer::peer_closes() {
  std::uint16_t code = number(CloseCode::kNoStatus);
  if (control_.size() >= 2) {
    code = static_cast<std::uint16_t>((static_cast<unsigned char>(control_[0]) << 8U) | static_cast<unsigned char>(control_[1]));
    if (!is_wire_code(code)) return fail(number(CloseCode::kProtocolError));
    if (!is_utf8(std::string_view(control_).substr(2))) return fail(number(CloseCode::kBadData));
  }
  write_close(code, {});
  finish(code);
}

void WebSocketServer::fail(std::uint16_t code) {
  write_close(code, {});
  finish(code);
}

void WebSocketServer::finish(std::uint16_t code) {
  if (closed_) return;
  closed_ = true;
  events_.on_closed(code);
}

void WebSocketServer::send(bool text, std::string_view message) {
  if (!close_sent_) write_frame(text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, message);
}

void WebSocketServer::ping() {
  if (!close_sent_) write_frame(WSLAY_PING, {});
}

void WebSocketServer::close(std::uint16_t code, std::string_view reason) { write_close(code, reason); }

void WebSocketServer::write_close(std::uint16_t code, std::string_view reason) {
  if (close_sent_) return;
  std::string payload;
  if (is_wire_code(code)) {
    payload += static_cast<char>(code >> 8U);
    payload += static_cast<char>(code & 0xFFU);
    payload += fit_reason(reason);
  }
  write_frame(WSLAY_CONNECTION_CLOSE, payload);
  close_sent_ = true;
}

// A server's frame: FIN, no mask, the shortest length.
void WebSocketServer::write_frame(unsigned opcode, std::string_view payload) {
  std::array<char, 10> head{};
  std::size_t size = 0;
  const auto put = [&](std::uint64_t octet) { head[size++] = static_cast<char>(octet & 0xFFU); };
  put(0x80U | opcode);
  if (payload.size() <= 125) {
    put(payload.size());
  } else if (payload.size() <= 65535) {
    put(126);
    put(payload.size() >> 8U);
    put(payload.size());
  } else {
    put(127);
    for (unsigned shift = 64; shift > 0; shift -= 8) put(static_cast<std::uint64_t>(payload.size()) >> (shift - 8));
  }
  out_.reserve(out_.size() + size + payload.size());
  out_.append(head.data(), size);
  out_ += payload;
}

}  // namespace belfry::wire
