// See http1.h. llhttp splits a head that was found clean into fields; framing is decided here.
#include "adapters/wire/http1.h"

#include <llhttp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "adapters/wire/crypto.h"

namespace belfry::wire {
namespace {

constexpr std::size_t kTakeAtMost = 256UL * 1024;
constexpr std::size_t kDiscardAtMost = 64UL * 1024;  // of a body nobody wants, to keep the connection
constexpr std::size_t kMaxChunkFraming = 1024;       // extensions of all chunks of one body
constexpr int kMaxEmptyLines = 4;                    // before a request line (RFC 9112 section 2.2)
constexpr std::size_t kBodyPadding = 64;             // SIMDJSON_PADDING: the body is parsed in place

constexpr bool is_token_octet(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int i = 1; i < 127; ++i) table[static_cast<std::size_t>(i)] = is_token_octet(static_cast<char>(i));
  return table;
}
constexpr auto kTokenOctet = make_token_table();

bool is_token(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return kTokenOctet[static_cast<unsigned char>(c)]; });
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The octets that may stand in any line of a head: no control but HTAB. A CR alone is a control too.
bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet < 0x20 && c != '\t') || octet == 0x7F;
  });
}

// RFC 9110 section 9: what this server implements; sites choose among them. CONNECT is refused as a proxy's business.
bool is_known_method(std::string_view m) {
  return m == "GET" || m == "HEAD" || m == "POST" || m == "PUT" || m == "DELETE" || m == "OPTIONS" || m == "PATCH" ||
         m == "TRACE";
}

bool is_host_octet(char c) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) return true;
  return std::string_view("-._~!$&'()*+,;=%").find(c) != std::string_view::npos;
}

// What a line of field is worth: 0, or the status to refuse with.
int check_field_line(std::string_view line) {
  if (line.front() == ' ' || line.front() == '\t') return 400;  // obs-fold, or a fold of the request line
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return 400;
  return has_control(line.substr(colon + 1)) ? 400 : 0;
}

struct RequestLine {
  std::string_view method, target;
  int minor = 1;
};

// Reads "METHOD SP target SP HTTP/1.x"; returns 0 or the status to refuse with.
int read_request_line(std::string_view line, RequestLine& out) {
  if (has_control(line) || line.find('\t') != std::string_view::npos) return 400;
  const std::size_t first = line.find(' ');
  if (first == std::string_view::npos) return 400;
  out.method = line.substr(0, first);
  if (!is_token(out.method)) return 400;
  const std::size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return 400;  // HTTP/0.9 has no version
  out.target = line.substr(first + 1, second - first - 1);
  if (out.target.empty()) return 400;
  const std::string_view version = line.substr(second + 1);
  const auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (version.size() != 8 || version.substr(0, 5) != "HTTP/" || !digit(version[5]) || version[6] != '.' || !digit(version[7])) {
    return 400;
  }
  for (const char c : out.target) {
    const auto octet = static_cast<unsigned char>(c);
    // A fragment is the client's own business, and an octet outside of ASCII must come percent-encoded.
    if (octet <= 0x20 || octet >= 0x7F || c == '#') return 400;
  }
  if (version[5] != '1' || version[7] > '1') return 505;
  out.minor = version[7] - '0';
  return 0;
}

// Fills target, path, query and, for the absolute form, authority. Returns 0 or the status to refuse with.
int read_target(std::string_view target, HttpRequest& request) {
  if (target == "*") {
    if (request.method != "OPTIONS") return 400;
    request.target = request.path = "*";
    return 0;
  }
  if (target.front() != '/') {
    std::size_t skip = 0;
    if (equal_ignoring_case(target.substr(0, 7), "http://")) skip = 7;
    if (equal_ignoring_case(target.substr(0, 8), "https://")) skip = 8;
    if (skip == 0) return 400;
    const std::size_t end = std::min(target.find_first_of("/?", skip), target.size());
    const std::string_view authority = target.substr(skip, end - skip);
    if (!is_authority(authority)) return 400;  // user information too: RFC 9110 section 4.2.4
    request.authority = authority;
    target.remove_prefix(end);
    if (target.empty() && request.method == "OPTIONS") {
      request.target = request.path = "*";
      return 0;
    }
    if (target.empty() || target.front() == '?') {
      request.target = "/";
      request.target += target;
    } else {
      request.target = target;
    }
  } else {
    request.target = target;
  }
  const std::size_t mark = request.target.find('?');
  request.path = request.target.substr(0, mark);
  if (mark != std::string::npos) request.query = request.target.substr(mark + 1);
  return 0;
}

// A field value for the wire: nothing that could end its line.
bool is_clean_value(std::string_view value) {
  return value.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

void append_number(std::string& out, std::size_t number, int base = 10) {
  std::array<char, 24> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, base).ptr;
  out.append(text.data(), static_cast<std::size_t>(end - text.data()));
}

class Http1Server final : public ServerCodec {
 public:
  Http1Server(ServerEvents& events, Http1Config config) : events_(events), config_(std::move(config)) {}

  bool feed(std::string_view bytes) override {
    if (closing_) return true;  // what comes after a refusal is nobody's
    if (pending_.empty()) {
      in_ = bytes;
    } else {
      pending_.append(bytes);
      in_ = pending_;
    }
    run();
    return !failed_;
  }

  std::string take() override {
    std::string piece = take_piece();
    if (stalled_ && out_.size() - out_at_ < kTakeAtMost) {
      stalled_ = false;
      advance();
    }
    return piece;
  }

  bool wants_close() const override { return closing_ && out_.size() == out_at_; }
  bool wants_bytes() const override {
    return closing_ || (!stalled_ && pending_.size() < config_.max_read_ahead && unconsumed_ < config_.max_read_ahead);
  }
  bool idle() const override { return state_ == State::kHead && pending_.empty() && !stalled_; }

  Phase phase() const override {
    switch (state_) {
      case State::kHead: return stalled_ ? Phase::kBusy : pending_.empty() ? Phase::kIdle : Phase::kHead;
      case State::kFixedBody:
      case State::kChunkSize:
      case State::kChunkData:
      case State::kTrailers: return Phase::kBody;
      case State::kTunnel: return Phase::kTunnel;
      case State::kAnswer: break;
    }
    return Phase::kBusy;
  }

  void respond(StreamId stream, HttpResponse response) override {
    if (!owes(stream) || begun_) return;
    settle_connection(response.headers);
    write_head(response, response.body.size(), false);
    if (!head_only_ && allows_body(response.status)) out_ += response.body;
    answered_ = true;
    advance();
  }

  void begin(StreamId stream, HttpResponse head) override {
    if (!owes(stream) || begun_) return;
    begun_ = true;
    chunked_answer_ = minor_ >= 1 && allows_body(head.status);
    if (!chunked_answer_ && allows_body(head.status) && !head_only_) keep_alive_ = false;  // the end of the connection ends it
    settle_connection(head.headers);
    write_head(head, std::nullopt, chunked_answer_);
    mute_ = head_only_ || !allows_body(head.status);
  }

  std::size_t write(StreamId stream, std::string_view chunk) override {
    if (owes(stream) && begun_ && !mute_ && !chunk.empty()) {
      if (chunked_answer_) {
        append_number(out_, chunk.size(), 16);
        out_ += "\r\n";
      }
      out_ += chunk;
      if (chunked_answer_) out_ += "\r\n";
    }
    return out_.size() - out_at_;
  }

  void end(StreamId stream) override {
    if (!owes(stream) || !begun_) return;
    if (chunked_answer_ && !mute_) out_ += "0\r\n\r\n";
    answered_ = true;
    advance();
  }

  void accept_tunnel(StreamId stream, HttpResponse head) override {
    if (!owes(stream) || begun_ || websocket_key_.empty()) return;
    out_ += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    out_ += websocket_accept(websocket_key_);
    out_ += "\r\n";
    write_date(head.headers);
    write_fields(head.headers);
    out_ += "\r\n";
    websocket_key_ = {};
    state_ = State::kTunnel;
    advance();
  }

  std::size_t tunnel_write(StreamId stream, std::string_view bytes) override {
    if (stream == stream_ && state_ == State::kTunnel && !closing_) out_ += bytes;
    return out_.size() - out_at_;
  }

  void tunnel_end(StreamId stream) override {
    if (stream == stream_ && state_ == State::kTunnel) closing_ = true;
  }

  void tunnel_consumed(StreamId stream, std::size_t octets) override {
    if (stream == stream_) unconsumed_ -= std::min(octets, unconsumed_);
  }

  void reset(StreamId stream) override {
    if (stream != stream_) return;
    out_ = {};
    out_at_ = 0;
    closing_ = true;
  }

  void shutdown() override {
    shutdown_ = true;
    if (idle()) closing_ = true;
    // A socket is told to close by its owner; all else is answered, with Connection: close.
  }

  void timed_out() override {
    if (phase() == Phase::kHead || (phase() == Phase::kBody && !answered_)) refuse(408);
    closing_ = true;
  }

  void input_ended() override {
    ended_ = true;
    if (state_ == State::kTunnel) {
      events_.on_tunnel_end(stream_);
    } else {
      advance();
    }
  }

 private:
  enum class State : std::uint8_t { kHead, kFixedBody, kChunkSize, kChunkData, kTrailers, kAnswer, kTunnel };

  // True while `stream` is the open exchange and its answer is not whole.
  bool owes(StreamId stream) const { return stream == stream_ && open_ && !answered_ && !closing_ && state_ != State::kTunnel; }

  static bool allows_body(int status) { return status >= 200 && status != 204 && status != 304; }

  std::string take_piece() {
    const std::size_t size = out_.size() - out_at_;
    if (out_at_ == 0 && size <= kTakeAtMost) return std::exchange(out_, {});
    std::string piece = out_.substr(out_at_, kTakeAtMost);
    out_at_ += piece.size();
    if (out_at_ == out_.size()) {
      out_ = {};
      out_at_ = 0;
    } else if (out_at_ > 4 * kTakeAtMost && out_at_ > out_.size() / 2) {
      out_.erase(0, out_at_);  // a stream that never runs dry must not keep what is long gone
      out_at_ = 0;
    }
    return piece;
  }

  // Runs the machine when an answer came from outside of feed().
  void advance() {
    if (running_) return;
    in_ = pending_;
    run();
  }

  void run() {
    running_ = true;
    while (step()) {}
    running_ = false;
    if (closing_) {
      pending_ = {};
    } else if (in_.empty()) {
      pending_ = {};  // an idle connection holds no buffer
    } else if (pending_.empty()) {
      pending_.assign(in_);
    } else {
      pending_.erase(0, pending_.size() - in_.size());
    }
    in_ = {};
    // The peer will send no more: what still lacks octets never comes.
    if (ended_ && !stalled_ && state_ != State::kAnswer && state_ != State::kTunnel) closing_ = true;
  }

  // One step of the machine; false when it needs more octets or an answer.
  bool step() {
    if (closing_) return false;
    if (open_ && answered_) {
      if (state_ == State::kAnswer) {
        finish_exchange();
        return !closing_;
      }
      if (!keep_alive_) {
        closing_ = true;
        return false;
      }
    }
    switch (state_) {
      case State::kHead:
        // A peer that asks ahead and does not read would have us pile up answers.
        stalled_ = out_.size() - out_at_ >= kTakeAtMost;
        return !stalled_ && !in_.empty() && read_head();
      case State::kFixedBody: return !in_.empty() && read_fixed_body();
      case State::kChunkSize: return !in_.empty() && read_chunk_size();
      case State::kChunkData: return !in_.empty() && read_chunk_data();
      case State::kTrailers: return !in_.empty() && read_trailers();
      case State::kAnswer: return false;
      case State::kTunnel: break;
    }
    if (in_.empty()) return false;
    const std::string_view bytes = std::exchange(in_, {});
    unconsumed_ += bytes.size();
    events_.on_tunnel_bytes(stream_, bytes);
    return false;
  }

  void finish_exchange() {
    open_ = false;
    if (!keep_alive_) closing_ = true;
    state_ = State::kHead;
    if (shutdown_ && in_.empty()) closing_ = true;
  }

  // Answers a malformed request, and nothing that follows is read.
  void refuse(int status) {
    failed_ = true;
    keep_alive_ = false;
    head_only_ = false;
    HttpResponse response;
    response.status = status;
    response.headers.add("content-type", "text/plain");
    response.body = std::string(reason_phrase(status));
    response.body += '\n';
    write_head(response, response.body.size(), false);
    out_ += response.body;
    closing_ = true;
    open_ = false;
  }
  bool refused(int status) {
    refuse(status);
    return false;
  }

  // Scans for a whole head at the front of in_. Where it stands is kept in line_ and scanned_, relative to the head's start.
  bool read_head() {
    while (true) {
      const void* found = scanned_ < in_.size() ? std::memchr(in_.data() + scanned_, '\n', in_.size() - scanned_) : nullptr;
      if (found == nullptr) {
        scanned_ = in_.size();
        if (lines_ == 0 && in_.size() - line_ > config_.max_request_line + 1) return refused(414);
        if (in_.size() > config_.max_head) return refused(431);
        return false;
      }
      const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - in_.data());
      std::string_view line = in_.substr(line_, at - line_);
      if (line.empty() || line.back() != '\r') return refused(400);
      line.remove_suffix(1);
      if (lines_ == 0) {
        if (line.empty()) {
          if (++empty_lines_ > kMaxEmptyLines) return refused(400);
          in_.remove_prefix(at + 1);
          line_ = scanned_ = 0;
          if (in_.empty()) return false;
          continue;
        }
        if (line.size() > config_.max_request_line) return refused(414);
        RequestLine read;
        if (const int status = read_request_line(line, read); status != 0) return refused(status);
        minor_ = read.minor;
      } else if (!line.empty()) {
        if (lines_ > config_.max_headers || at > config_.max_head) return refused(431);
        if (const int status = check_field_line(line); status != 0) return refused(status);
      } else {
        if (at > config_.max_head) return refused(431);
        const std::string_view head = in_.substr(0, at + 1);
        in_.remove_prefix(at + 1);
        line_ = scanned_ = lines_ = 0;
        empty_lines_ = 0;
        return begin_exchange(head);
      }
      ++lines_;
      line_ = scanned_ = at + 1;
    }
  }

  // The head is whole and clean: decides framing, then asks the site.
  bool begin_exchange(std::string_view head) {
    ++stream_;
    open_ = true;
    answered_ = begun_ = mute_ = false;
    keep_alive_ = true;
    request_ = {};
    RequestLine line;
    read_request_line(head.substr(0, head.find('\r')), line);
    head_only_ = line.method == "HEAD";
    if (!is_known_method(line.method)) return refused(501);
    request_.method = line.method;
    if (const int status = read_target(line.target, request_); status != 0) return refused(status);

    llhttp_init(&parser_, HTTP_REQUEST, &settings());
    parser_.data = this;
    if (llhttp_execute(&parser_, head.data(), head.size()) != HPE_PAUSED) return refused(400);

    request_.scheme = config_.secure ? "https" : "http";
    request_.peer = config_.peer;
    std::size_t length = 0;
    bool chunked = false;
    bool wants_continue = false;
    if (const int status = read_fields(length, chunked, wants_continue); status != 0) return refused(status);
    const bool has_body = chunked || length > 0;

    if (minor_ == 1 && request_.method == "GET" && upgrade_websocket_ && connection_upgrade_) {
      return begin_tunnel(has_body);
    }

    remaining_ = length;
    state_ = chunked ? State::kChunkSize : length > 0 ? State::kFixedBody : State::kAnswer;
    awaits_continue_ = wants_continue && has_body;
    limit_ = events_.on_head(stream_, request_);
    if (answered_) return true;
    if (length > limit_) return too_large();
    if (state_ == State::kAnswer) {
      events_.on_request(stream_, std::move(request_));
      return true;
    }
    // A body that is coming already needs no invitation (RFC 9110 section 10.1.1).
    if (awaits_continue_ && in_.empty()) out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    awaits_continue_ = false;
    if (chunked) {
      framing_ = 0;
    } else {
      // A promise is not octets: a long body earns its memory as it arrives.
      request_.body.reserve(std::min<std::size_t>(length, 256UL * 1024) + kBodyPadding);
    }
    return true;
  }

  bool begin_tunnel(bool has_body) {
    if (request_.headers.get("sec-websocket-version") != "13") {
      HttpResponse response;
      response.status = 426;
      response.headers.add("sec-websocket-version", "13");
      response.headers.add("upgrade", "websocket");
      keep_alive_ = false;
      state_ = State::kAnswer;
      respond(stream_, std::move(response));
      return true;
    }
    if (has_body || request_.headers.count("sec-websocket-key") != 1) return refused(400);
    websocket_key_ = std::string(request_.headers.get("sec-websocket-key"));
    const auto key = base64_decode(websocket_key_);
    if (!key || key->size() != 16) return refused(400);
    request_.protocol = "websocket";
    state_ = State::kAnswer;
    unconsumed_ = 0;
    events_.on_head(stream_, request_);
    if (!answered_) events_.on_tunnel(stream_, std::move(request_));
    return true;
  }

  // Host, framing, persistence, expectation: returns 0 or the status to refuse with.
  int read_fields(std::size_t& length, bool& chunked, bool& wants_continue) {
    int hosts = 0;
    int lengths = 0;
    int encodings = 0;
    bool close = false;
    bool persist = false;
    bool other_expectation = false;
    bool foreign_coding = false;
    upgrade_websocket_ = connection_upgrade_ = false;
    std::string_view host;
    for (const auto& [name, value] : request_.headers) {
      switch (name.size()) {
        case 4:
          if (name == "host") {
            ++hosts;
            host = value;
          }
          break;
        case 6:
          if (name == "expect") {
            if (equal_ignoring_case(value, "100-continue")) {
              wants_continue = true;
            } else {
              other_expectation = true;
            }
          }
          break;
        case 7:
          if (name == "upgrade") upgrade_websocket_ = upgrade_websocket_ || list_has_token(value, "websocket");
          break;
        case 10:
          if (name == "connection") {
            close = close || list_has_token(value, "close");
            persist = persist || list_has_token(value, "keep-alive");
            connection_upgrade_ = connection_upgrade_ || list_has_token(value, "upgrade");
          }
          break;
        case 14:
          if (name == "content-length") {
            ++lengths;
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), length);
            if (error == std::errc::result_out_of_range && end == value.data() + value.size()) return 413;
            if (value.empty() || value[0] < '0' || value[0] > '9' || error != std::errc() || end != value.data() + value.size()) {
              return 400;
            }
          }
          break;
        case 17:
          if (name == "transfer-encoding") {
            ++encodings;
            if (equal_ignoring_case(value, "chunked")) {
              chunked = true;
            } else {
              // A coding before the last one is one we do not have; a body whose last coding is not chunked has no end.
              const std::size_t comma = value.rfind(',');
              const std::string_view before = std::string_view(value).substr(0, comma == std::string::npos ? 0 : comma);
              foreign_coding = comma != std::string::npos &&
                               equal_ignoring_case(trim(std::string_view(value).substr(comma + 1)), "chunked") &&
                               !list_has_token(before, "chunked");
              if (!foreign_coding) return 400;
            }
          }
          break;
        default: break;
      }
    }
    if (hosts > 1 || (hosts == 0 && minor_ >= 1)) return 400;
    if (hosts == 1 && !is_authority(host)) return 400;
    if (request_.authority.empty()) request_.authority = host;
    if (lengths > 1 || encodings > 1) return 400;
    if (encodings > 0 && (lengths > 0 || minor_ == 0)) return 400;
    if (foreign_coding) return 501;
    keep_alive_ = minor_ >= 1 ? !close : persist && !close;
    if (minor_ == 0) {
      wants_continue = false;  // RFC 9110 section 10.1.1
    } else if (other_expectation) {
      return 417;
    }
    return 0;
  }

  bool read_fixed_body() {
    const std::size_t size = std::min(remaining_, in_.size());
    if (!answered_) request_.body.append(in_.data(), size);
    in_.remove_prefix(size);
    remaining_ -= size;
    if (remaining_ > 0) return false;
    return request_is_whole();
  }

  // Chunk by chunk (RFC 9112 section 7.1). llhttp refuses quoted extension values, which we must be able to ignore, so the
  // few lines are here.
  bool read_chunk_size() {
    const std::size_t at = in_.find('\n');
    if (at == std::string_view::npos) return in_.size() > kMaxChunkFraming + 24 ? refused(400) : false;
    std::string_view line = in_.substr(0, at);
    if (line.empty() || line.back() != '\r') return refused(400);
    line.remove_suffix(1);
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), size, 16);
    const auto digits = static_cast<std::size_t>(end - line.data());
    if (error != std::errc() || line.front() == '-') return refused(400);
    const std::string_view extension = line.substr(digits);
    if (!extension.empty() && (has_control(extension) || trim(extension).substr(0, 1) != ";")) return refused(400);
    framing_ += extension.size() + (digits > 8 ? digits : 0);
    if (framing_ > kMaxChunkFraming) return refused(400);
    in_.remove_prefix(at + 1);
    if (size > limit_ - request_.body.size()) return too_large();
    remaining_ = size;
    trailer_size_ = 0;
    state_ = size == 0 ? State::kTrailers : State::kChunkData;
    return true;
  }

  // The octets of a chunk and the CRLF behind them.
  bool read_chunk_data() {
    const std::size_t size = std::min(remaining_, in_.size());
    request_.body.append(in_.data(), size);
    in_.remove_prefix(size);
    remaining_ -= size;
    if (remaining_ > 0 || in_.empty()) return false;
    if (in_[0] != '\r' || (in_.size() > 1 && in_[1] != '\n')) return refused(400);
    if (in_.size() < 2) return false;
    in_.remove_prefix(2);
    state_ = State::kChunkSize;
    return true;
  }

  // Trailers are checked and dropped: nothing here may add to a head that was already judged.
  bool read_trailers() {
    while (true) {
      const std::size_t at = in_.find('\n');
      if (at == std::string_view::npos) {
        if (trailer_size_ + in_.size() > config_.max_head) return refused(431);
        return false;
      }
      std::string_view line = in_.substr(0, at);
      if (line.empty() || line.back() != '\r') return refused(400);
      line.remove_suffix(1);
      trailer_size_ += at + 1;
      if (trailer_size_ > config_.max_head) return refused(431);
      if (!line.empty() && check_field_line(line) != 0) return refused(400);
      in_.remove_prefix(at + 1);
      if (line.empty()) return request_is_whole();
    }
  }

  bool request_is_whole() {
    state_ = State::kAnswer;
    if (!answered_) events_.on_request(stream_, std::move(request_));
    return true;
  }

  bool too_large() {
    HttpResponse response;
    response.status = 413;
    response.headers.add("content-type", "text/plain");
    response.body = "Content Too Large\n";
    keep_alive_ = false;
    respond(stream_, std::move(response));
    return true;
  }

  // Decides whether the connection outlives this answer.
  void settle_connection(const Headers& headers) {
    if (shutdown_ || list_has_token(headers.get("connection"), "close")) keep_alive_ = false;
    if (state_ == State::kAnswer) return;
    // Answered before the body was read. A short one that is on its way is thrown away; any other ends the connection.
    if (state_ != State::kFixedBody || remaining_ > kDiscardAtMost || awaits_continue_) keep_alive_ = false;
  }

  void write_date(const Headers& headers) {
    if (config_.date == nullptr || headers.has("date")) return;
    out_ += "Date: ";
    out_ += *config_.date;
    out_ += "\r\n";
  }

  // What frames the message or steers the connection is ours to say.
  void write_fields(const Headers& headers) {
    for (const auto& [name, value] : headers) {
      if (name == "content-length" || name == "connection" || name == "transfer-encoding" || name == "keep-alive") continue;
      if (!is_token(name) || !is_clean_value(value)) continue;
      out_ += name;
      out_ += ": ";
      out_ += value;
      out_ += "\r\n";
    }
  }

  void write_head(const HttpResponse& response, std::optional<std::size_t> length, bool chunked) {
    out_ += "HTTP/1.1 ";
    append_number(out_, static_cast<std::size_t>(std::clamp(response.status, 100, 999)));
    out_ += ' ';
    out_ += reason_phrase(response.status);
    out_ += "\r\n";
    write_date(response.headers);
    write_fields(response.headers);
    if (chunked) {
      out_ += "Transfer-Encoding: chunked\r\n";
    } else if (length && allows_body(response.status)) {
      // HEAD says the length that GET would have: the body's, or what the site says of a body it did not make.
      const std::string_view said = response.headers.get("content-length");
      out_ += "Content-Length: ";
      if (head_only_ && *length == 0 && !said.empty() && is_clean_value(said)) {
        out_ += said;
      } else {
        append_number(out_, *length);
      }
      out_ += "\r\n";
    }
    if (!keep_alive_) {
      out_ += response.status == 426 ? "Connection: Upgrade, close\r\n" : "Connection: close\r\n";
    } else if (minor_ == 0) {
      out_ += "Connection: keep-alive\r\n";
    }
    out_ += "\r\n";
  }

  static Http1Server& self(llhttp_t* parser) { return *static_cast<Http1Server*>(parser->data); }

  // llhttp keeps a pointer to its settings and never writes through it.
  static const llhttp_settings_t& settings() {
    static const llhttp_settings_t value = [] {
      llhttp_settings_t s;
      llhttp_settings_init(&s);
      s.on_header_field = [](llhttp_t* p, const char* at, size_t n) {
        for (std::size_t i = 0; i < n; ++i) self(p).name_ += lower(at[i]);
        return 0;
      };
      s.on_header_value = [](llhttp_t* p, const char* at, size_t n) {
        self(p).value_.append(at, n);
        return 0;
      };
      s.on_header_value_complete = [](llhttp_t* p) {
        Http1Server& me = self(p);
        me.request_.headers.add(std::exchange(me.name_, {}), std::string(trim(me.value_)));
        me.value_.clear();
        return 0;
      };
      s.on_headers_complete = [](llhttp_t* p) {
        p->upgrade = 0;  // who may upgrade, and to what, is decided here
        return static_cast<int>(HPE_PAUSED);
      };
      return s;
    }();
    return value;
  }

  ServerEvents& events_;
  const Http1Config config_;

  // Input.
  std::string pending_;  // octets not yet used, between calls
  std::string_view in_;  // octets not yet used, inside run(): of the caller's buffer or of pending_
  State state_ = State::kHead;
  std::size_t line_ = 0;     // where the present line of the head begins
  std::size_t scanned_ = 0;  // no LF between line_ and here
  std::size_t lines_ = 0;
  int empty_lines_ = 0;
  bool running_ = false;
  bool stalled_ = false;  // the next head waits until out_ is shorter
  bool ended_ = false;
  bool failed_ = false;
  bool closing_ = false;  // what is in out_ is the last; input is ignored
  bool shutdown_ = false;

  // The open exchange.
  StreamId stream_ = 0;
  bool open_ = false;
  bool answered_ = false;  // its answer is whole
  bool begun_ = false;     // its answer is streamed
  bool mute_ = false;      // of a streamed answer no body is sent
  bool chunked_answer_ = false;
  bool head_only_ = false;
  bool keep_alive_ = true;
  bool awaits_continue_ = false;
  bool upgrade_websocket_ = false;
  bool connection_upgrade_ = false;
  int minor_ = 1;
  HttpRequest request_;
  std::string websocket_key_;
  std::size_t limit_ = 0;      // of the body
  std::size_t remaining_ = 0;  // of the body, or of the present chunk
  std::size_t framing_ = 0;    // octets of chunk extensions in this body
  std::size_t trailer_size_ = 0;
  std::size_t unconsumed_ = 0;  // of a tunnel
  llhttp_t parser_{};
  std::string name_, value_;

  // Output.
  std::string out_;
  std::size_t out_at_ = 0;
};

}  // namespace

std::unique_ptr<ServerCodec> make_http1_server(ServerEvents& events, Http1Config config) {
  return std::make_unique<Http1Server>(events, std::move(config));
}

std::string websocket_accept(std::string_view key) {
  std::string text(key);
  text += "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  return base64_encode(sha1(text));
}

bool is_authority(std::string_view text) {
  if (text.empty()) return false;
  std::size_t end = 0;
  if (text.front() == '[') {
    end = text.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    for (const char c : text.substr(1, end - 1)) {
      const bool hex = (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'f');
      if (!hex && c != ':' && c != '.') return false;
    }
    ++end;
  } else {
    while (end < text.size() && is_host_octet(text[end])) {
      if (text[end] == '%' && from_hex(text.substr(end + 1, 2)).value_or("").empty()) return false;
      ++end;
    }
    if (end == 0) return false;
  }
  if (end == text.size()) return true;
  if (text[end] != ':') return false;
  const std::string_view port = text.substr(end + 1);
  if (port.size() > 5) return false;
  return std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool list_has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

}  // namespace belfry::wire
