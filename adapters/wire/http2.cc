// The HTTP/2 server: a guard over frame headers, nghttp2 behind it, and the life of each stream.
#include "adapters/wire/http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

namespace belfry::wire {

namespace {

constexpr std::size_t kPreface = 24;            // "PRI * HTTP/2.0…"
constexpr std::size_t kFrameHead = 9;           // length(3) type(1) flags(1) stream(4)
constexpr std::size_t kMaxTake = 256UL * 1024;  // a call of take()
constexpr std::size_t kMaxBlock = 64UL * 1024;  // octets of one header block on the wire
constexpr std::size_t kMaxContinuations = 8;
constexpr std::size_t kBombFactor = 16;        // a header list this many times over its limit ends the connection
constexpr std::size_t kRemembered = 512;       // closed streams whose end we remember
constexpr std::size_t kProgress = 4UL * 1024;  // less than this in write_timeout_ms is a stall
constexpr std::uint8_t kPriorityUpdate = 0x10;

// An allowance of frames that cost the peer nothing: `burst` at once, then `per_second`.
struct Allowance {
  double burst;
  double per_second;
  double left = burst;
  Instant at{};

  bool spend(Instant now) {
    const auto passed = static_cast<double>(std::max<std::int64_t>(0, now - at));
    left = std::min(burst, left + passed * per_second / 1000.0);
    at = now;
    if (left < 1.0) return false;
    left -= 1.0;
    return true;
  }
  void earn(double tokens) { left = std::min(burst, left + tokens); }
};

// How a stream ended, for frames that come after: RFC 9113 section 5.1 treats them differently.
enum class Ended : std::uint8_t { kByBoth, kByPeerReset, kByOurReset };

enum class Life : std::uint8_t {
  kHead,    // fields are coming
  kBody,    // on_head was called, the body is coming
  kOwed,    // on_request was called, the owner owes an answer
  kOffer,   // on_tunnel was called
  kTunnel,  // accepted
  kDone,    // the owner has said all, or we answered for him
};

struct Stream {
  StreamId id = 0;
  Life phase = Life::kHead;
  HttpRequest request;
  std::string cookie;  // crumbs, joined (RFC 9113 section 8.2.3)
  std::string host;
  std::size_t head_octets = 0;
  std::size_t fields = 0;
  bool refused = false;  // answered RST before anything else: ignore what follows
  bool owed = false;     // on_gone is due if the stream ends now
  bool is_head = false;
  bool remote_end = false;
  bool peer_reset = false;
  bool our_reset = false;
  bool silent = false;  // the owner reset it: tell him nothing more

  // In.
  std::size_t body_limit = 0;
  std::size_t received = 0;
  std::size_t reserved = 0;  // of max_buffered_in
  bool waiting = false;      // for a reservation
  bool flowing = false;      // every octet of the body is acknowledged to the peer's window at once
  std::size_t unconsumed = 0;
  Instant body_since{};
  std::string early;  // of a tunnel, before it was accepted
  bool early_end = false;
  bool ours_ended = false;  // tunnel_end() was called

  // Out.
  std::string out;
  std::size_t out_at = 0;
  bool out_eof = false;
  bool deferred = false;  // nghttp2 waits for resume_data
  bool answered = false;  // a final head was submitted
  std::size_t sent_since = 0;
  Instant progress_at{};

  std::size_t unsent() const { return out.size() - out_at; }
};

std::string_view view(const nghttp2_vec& v) { return {reinterpret_cast<const char*>(v.base), v.len}; }
std::string_view view(nghttp2_rcbuf* buffer) { return view(nghttp2_rcbuf_get_buf(buffer)); }

nghttp2_nv field(std::string_view name, std::string_view value) {
  // nghttp2 copies both and writes to neither; its C interface has no const.
  auto* n = reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data()));
  auto* v = reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data()));
  return {n, v, name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) { return lower(x) == lower(y); });
}

// Fields that speak of one HTTP/1.1 connection; in HTTP/2 they would make our answer malformed.
bool is_of_connection(std::string_view name) {
  return name == "connection" || name == "keep-alive" || name == "proxy-connection" || name == "transfer-encoding" ||
         name == "upgrade";
}

// A field that a client would have to refuse is left out: it would cost him the whole answer.
bool is_sendable(const std::string& name, const std::string& value) {
  return !name.empty() && name.front() != ':' &&
         nghttp2_check_header_name(reinterpret_cast<const std::uint8_t*>(name.data()), name.size()) != 0 &&
         nghttp2_check_header_value_rfc9113(reinterpret_cast<const std::uint8_t*>(value.data()), value.size()) != 0;
}

// RFC 9110 section 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT.
std::string http_date(WallTime wall) {
  static constexpr std::array<const char*, 7> kDays{"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  static constexpr std::array<const char*, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::int64_t seconds = wall.ms / 1000;
  const std::int64_t days = seconds / 86'400;
  const std::int64_t of_day = seconds % 86'400;
  // Days since 0000-03-01, so that the leap day ends a year.
  const std::int64_t z = days + 719'468;
  const std::int64_t era = z / 146'097;
  const std::int64_t doe = z - era * 146'097;
  const std::int64_t yoe = (doe - doe / 1460 + doe / 36'524 - doe / 146'096) / 365;
  const std::int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const std::int64_t mp = (5 * doy + 2) / 153;
  const std::int64_t day = doy - (153 * mp + 2) / 5 + 1;
  const std::int64_t month = mp < 10 ? mp + 3 : mp - 9;
  const std::int64_t year = yoe + era * 400 + (month <= 2 ? 1 : 0);
  auto two = [](std::int64_t n) { return std::string{static_cast<char>('0' + n / 10), static_cast<char>('0' + n % 10)}; };
  return std::string(kDays[static_cast<std::size_t>(days % 7)]) + ", " + two(day) + " " +
         kMonths[static_cast<std::size_t>(month - 1)] + " " + std::to_string(year) + " " + two(of_day / 3600) + ":" +
         two(of_day / 60 % 60) + ":" + two(of_day % 60) + " GMT";
}

}  // namespace

struct Http2Server::Impl {
  Impl(ServerEvents& e, const Http2Limits& l, std::string s);
  ~Impl() { nghttp2_session_del(session); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ServerEvents& events;
  const Http2Limits limits;
  const std::string scheme;
  nghttp2_session* session = nullptr;
  std::unordered_map<StreamId, std::unique_ptr<Stream>> streams;
  Http2Counts counts;
  Now now{};
  bool fatal = false;
  bool stopping = false;     // shutdown() was called
  bool goaway_sent = false;  // the final one
  Instant stopping_since{};
  Instant swept_at{};

  // The guard: where we are in the stream of frames.
  std::size_t preface_left = kPreface;
  std::string head;  // of a frame, until its nine octets are there; of PRIORITY its payload too
  std::size_t payload_left = 0;
  bool in_block = false;  // HEADERS without END_HEADERS came
  std::size_t block_octets = 0;
  std::size_t block_continuations = 0;
  StreamId last_id = 0;           // highest of the peer
  std::uint8_t current_type = 0;  // of the frame whose payload is coming
  bool partial = false;           // a frame or block has begun and is not whole
  Instant partial_since{};
  bool ticked = false;
  bool busy = false;  // inside nghttp2: take() must wait
  std::deque<std::pair<StreamId, Ended>> ended;

  Allowance resets{200, 20};
  Allowance our_resets{100, 5};
  Allowance pings{200, 10};
  Allowance settings{32, 1};
  Allowance priorities{500, 50};
  Allowance windows{1000, 100};
  Allowance empties{100, 10};
  Allowance unknowns{200, 20};

  std::int64_t initial_window = 65'535;      // SETTINGS_INITIAL_WINDOW_SIZE of the peer
  std::vector<std::int64_t> windows_before;  // of the streams, when a SETTINGS frame began

  std::size_t reserved = 0;
  std::deque<StreamId> waiting;
  std::size_t buffered = 0;
  bool early_pending = false;
  std::string date;
  std::int64_t date_second = -1;

  // The guard.
  bool fail(std::uint32_t code);
  bool judge(std::uint32_t length, std::uint8_t type, std::uint8_t flags, StreamId id);
  bool judge_data_or_headers(std::uint8_t type, StreamId id);
  bool pass(std::string_view bytes);
  bool feed(std::string_view bytes);

  // Streams.
  Stream* find(StreamId id) {
    const auto it = streams.find(id);
    return it == streams.end() ? nullptr : it->second.get();
  }
  Stream* live(StreamId id) {
    Stream* s = find(id);
    return s == nullptr || s->silent || s->our_reset || s->refused ? nullptr : s;
  }
  void rst(Stream& s, std::uint32_t code);
  void gone(Stream& s);
  void release(Stream& s);
  void grant(Stream& s, std::size_t need);
  void on_field(Stream& s, std::string_view name, std::string_view value);
  void head_done(Stream& s);
  void request_done(Stream& s);
  void answer_for_owner(Stream& s, int status);
  void submit(Stream& s, const HttpResponse& head, bool with_body);
  void respond(Stream& s, HttpResponse response);
  std::size_t append(Stream& s, std::string_view bytes);
  void resume(Stream& s);
  void finish_out(Stream& s);
  void tunnel_bytes(Stream& s, std::string_view bytes);
  void flush_early();
  void sweep();
  void drop_all();
  void final_goaway();

  // What nghttp2 calls.
  static Impl& self(void* user) { return *static_cast<Impl*>(user); }
  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value, std::uint8_t,
                       void* user);
  static int on_invalid_header(nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*, std::uint8_t, void*) {
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // RFC 9113 section 8.2.1: malformed, where nghttp2 would skip the field
  }
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user);
  static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user);
  static ssize_t read_out(nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                          nghttp2_data_source* source, void* user);
};

Http2Server::Impl::Impl(ServerEvents& e, const Http2Limits& l, std::string s) : events(e), limits(l), scheme(std::move(s)) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) std::abort();  // out of memory
  nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(callbacks, on_invalid_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);  // `ended` remembers what the guard needs
  nghttp2_option_set_max_deflate_dynamic_table_size(option, 4096);
  nghttp2_option_set_stream_reset_rate_limit(option, 1U << 30, 1U << 30);  // it reads a clock of its own; `resets` does not
  nghttp2_option_set_max_continuations(option, kMaxContinuations + 1);     // the guard counts; this is the net below
  if (nghttp2_session_server_new2(&session, callbacks, this, option) != 0) std::abort();
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);

  std::vector<nghttp2_settings_entry> entries{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.max_streams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.stream_window},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.max_head)},
      {NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
  };
  if (limits.websocket) entries.push_back({NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1});
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(limits.connection_window));
}

// ---- the guard

// Ends the connection: a GOAWAY goes out, nothing more is read.
bool Http2Server::Impl::fail(std::uint32_t code) {
  if (fatal) return false;
  fatal = true;
  if (code == NGHTTP2_ENHANCE_YOUR_CALM) {
    ++counts.floods;
  } else {
    ++counts.protocol_errors;
  }
  nghttp2_session_terminate_session(session, code);
  return false;
}

bool Http2Server::Impl::judge_data_or_headers(std::uint8_t type, StreamId id) {
  if (id == 0 || id % 2 == 0 || find(id) != nullptr) return true;  // nghttp2 knows what to do
  if (id > last_id) {
    if (type == NGHTTP2_HEADERS) last_id = id;  // the ids skipped are closed from now on
    return true;
  }
  if (stopping) return true;  // streams above our GOAWAY never became ours
  const auto it = std::find_if(ended.begin(), ended.end(), [id](const auto& e) { return e.first == id; });
  if (it == ended.end()) {
    // Skipped, or closed long ago.
    return fail(type == NGHTTP2_HEADERS ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED);
  }
  // After our own RST_STREAM frames may still be under way.
  if (it->second == Ended::kByOurReset) return true;
  return fail(NGHTTP2_STREAM_CLOSED);
}

// A frame's head is in; its payload is not. False ends the connection.
bool Http2Server::Impl::judge(std::uint32_t length, std::uint8_t type, std::uint8_t flags, StreamId id) {
  if (in_block) {
    if (type != NGHTTP2_CONTINUATION) return true;  // nghttp2 refuses it
    block_octets += length;
    if (++block_continuations > kMaxContinuations || block_octets > kMaxBlock) return fail(NGHTTP2_ENHANCE_YOUR_CALM);
    if ((flags & NGHTTP2_FLAG_END_HEADERS) != 0) in_block = false;
    return true;
  }
  bool allowed = true;
  switch (type) {
    case NGHTTP2_DATA:
      // Padding is no excuse: it carries nothing either.
      if ((flags & NGHTTP2_FLAG_END_STREAM) == 0 && (length == 0 || ((flags & NGHTTP2_FLAG_PADDED) != 0 && length == 1))) {
        allowed = empties.spend(now.mono);
      }
      if (allowed) return judge_data_or_headers(type, id);
      break;
    case NGHTTP2_HEADERS:
      if (!judge_data_or_headers(type, id)) return false;
      block_octets = length;
      block_continuations = 0;
      in_block = (flags & NGHTTP2_FLAG_END_HEADERS) == 0;
      return true;
    case NGHTTP2_RST_STREAM: {
      allowed = resets.spend(now.mono);
      if (Stream* s = find(id); s != nullptr && length == 4) s->peer_reset = true;
      break;
    }
    case NGHTTP2_SETTINGS:
      allowed = settings.spend(now.mono);
      if ((flags & NGHTTP2_FLAG_ACK) == 0) {
        windows_before.clear();
        for (const auto& [stream, s] : streams) {
          windows_before.push_back(nghttp2_session_get_stream_remote_window_size(session, static_cast<std::int32_t>(stream)));
        }
      }
      break;
    case NGHTTP2_PING: allowed = pings.spend(now.mono); break;
    case NGHTTP2_PRIORITY:
      if (id == 0) return fail(NGHTTP2_PROTOCOL_ERROR);
      if (length != 5) return fail(NGHTTP2_FRAME_SIZE_ERROR);
      allowed = priorities.spend(now.mono);
      break;
    case kPriorityUpdate: allowed = priorities.spend(now.mono); break;
    case NGHTTP2_WINDOW_UPDATE: allowed = windows.spend(now.mono); break;
    case NGHTTP2_PUSH_PROMISE:
    case NGHTTP2_GOAWAY:
    case NGHTTP2_CONTINUATION:
    default: allowed = unknowns.spend(now.mono); break;
  }
  return allowed || fail(NGHTTP2_ENHANCE_YOUR_CALM);
}

bool Http2Server::Impl::pass(std::string_view bytes) {
  const ssize_t done = nghttp2_session_mem_recv(session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  if (fatal) return false;
  if (done < 0) {
    return fail(done == NGHTTP2_ERR_FLOODED || done == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS ? NGHTTP2_ENHANCE_YOUR_CALM
                                                                                          : NGHTTP2_PROTOCOL_ERROR);
  }
  return true;
}

bool Http2Server::Impl::feed(std::string_view bytes) {
  if (fatal) return false;
  flush_early();
  while (!bytes.empty()) {
    if (preface_left > 0) {
      const std::string_view part = bytes.substr(0, preface_left);
      preface_left -= part.size();
      bytes.remove_prefix(part.size());
      if (!pass(part)) return false;
      continue;
    }
    if (payload_left > 0) {
      const std::string_view part = bytes.substr(0, payload_left);
      payload_left -= part.size();
      bytes.remove_prefix(part.size());
      if (!pass(part)) return false;
      if (payload_left == 0 && !in_block) partial = false;
      continue;
    }
    if (head.empty() && !partial) {
      partial = true;
      partial_since = now.mono;
    }
    // A PRIORITY frame is judged with its payload.
    std::size_t want = kFrameHead;
    if (head.size() >= kFrameHead) want += 4;
    const std::string_view part = bytes.substr(0, want - head.size());
    head.append(part);
    bytes.remove_prefix(part.size());
    if (head.size() < want) break;
    const auto octet = [this](std::size_t i) { return static_cast<std::uint32_t>(static_cast<std::uint8_t>(head[i])); };
    const auto word = [&octet](std::size_t i) {
      return ((octet(i) << 24) | (octet(i + 1) << 16) | (octet(i + 2) << 8) | octet(i + 3)) & 0x7fff'ffffU;
    };
    const std::uint32_t length = (octet(0) << 16) | (octet(1) << 8) | octet(2);
    const auto type = static_cast<std::uint8_t>(octet(3));
    const StreamId id = word(5);
    if (want == kFrameHead) {
      if (!judge(length, type, static_cast<std::uint8_t>(octet(4)), id)) return false;
      if (type == NGHTTP2_PRIORITY && !in_block) continue;
    } else if (word(kFrameHead) == id) {
      return fail(NGHTTP2_PROTOCOL_ERROR);  // a stream that depends on itself (RFC 7540 section 5.3.1)
    }
    payload_left = length - (want - kFrameHead);
    current_type = type;
    // Head and what is here of the payload go down in one piece where they can.
    std::string whole = std::exchange(head, {});
    const std::string_view more = bytes.substr(0, payload_left);
    if (more.size() <= 64) {
      whole.append(more);
      payload_left -= more.size();
      bytes.remove_prefix(more.size());
    }
    if (payload_left == 0 && !in_block) partial = false;
    if (!pass(whole)) return false;
  }
  return !fatal;
}

// ---- streams

void Http2Server::Impl::rst(Stream& s, std::uint32_t code) {
  if (s.our_reset) return;
  s.our_reset = true;
  nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(s.id), code);
}

// Tells the owner, once, that nobody waits for his answer any more.
void Http2Server::Impl::gone(Stream& s) {
  if (!std::exchange(s.owed, false) || s.silent) return;
  events.on_gone(s.id);
}

// Gives a reservation back, and to the next who waits.
void Http2Server::Impl::release(Stream& s) {
  if (std::exchange(s.waiting, false)) {
    std::erase(waiting, s.id);
    s.reserved = 0;
  }
  reserved -= std::exchange(s.reserved, 0);
  while (!waiting.empty()) {
    Stream* next = find(waiting.front());
    if (next == nullptr) {
      waiting.pop_front();
      continue;
    }
    if (reserved > 0 && reserved + next->reserved > limits.max_buffered_in) break;
    waiting.pop_front();
    next->waiting = false;
    next->flowing = true;
    reserved += next->reserved;
    next->body_since = now.mono;
    nghttp2_session_consume_stream(session, static_cast<std::int32_t>(next->id), std::exchange(next->unconsumed, 0));
  }
}

// Decides whether a body of up to `need` octets may flow now. One larger than a stream's first window needs a reservation, else
// a hundred streams of 4 MiB each were a peer's to hold half full. The first in line always gets one, so nobody waits for ever.
void Http2Server::Impl::grant(Stream& s, std::size_t need) {
  if (need <= limits.stream_window) return;
  if (waiting.empty() && (reserved == 0 || reserved + need <= limits.max_buffered_in)) {
    s.reserved = need;
    reserved += need;
    s.flowing = true;
    return;
  }
  s.waiting = true;
  s.reserved = need;  // counted when granted
  waiting.push_back(s.id);
}

void Http2Server::Impl::on_field(Stream& s, std::string_view name, std::string_view value) {
  s.head_octets += name.size() + value.size() + 32;
  if (!name.starts_with(':')) ++s.fields;
  if (s.head_octets > limits.max_head || s.fields > limits.max_headers) {
    // 431 when the block ends; a block that swells far beyond ends the connection (a bomb of indexed fields).
    if (s.head_octets > limits.max_head * kBombFactor || s.fields > limits.max_headers * kBombFactor) {
      fail(NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return;
  }
  if (name == ":method") {
    s.request.method = value;
  } else if (name == ":path") {
    s.request.target = value;
  } else if (name == ":authority") {
    s.request.authority = value;
  } else if (name == ":protocol") {
    s.request.protocol = value;
  } else if (name == ":scheme") {
    // The connection's own scheme counts.
  } else if (name == "cookie") {
    if (!s.cookie.empty()) s.cookie += "; ";
    s.cookie += value;
  } else {
    if (name == "host") s.host = value;
    s.request.headers.add(std::string(name), std::string(value));
  }
}

// The codec answers in the owner's place.
void Http2Server::Impl::answer_for_owner(Stream& s, int status) {
  gone(s);
  HttpResponse response;
  response.status = status;
  respond(s, std::move(response));
}

void Http2Server::Impl::head_done(Stream& s) {
  HttpRequest& r = s.request;
  s.is_head = r.method == "HEAD";
  r.scheme = scheme;
  if (s.head_octets > limits.max_head || s.fields > limits.max_headers) return answer_for_owner(s, 431);
  // RFC 9113 section 8.3.1: Host may repeat :authority, never differ; no user information.
  if (r.authority.empty()) {
    r.authority = s.host;
  } else if (!s.host.empty() && !same_ignoring_case(s.host, r.authority)) {
    return rst(s, NGHTTP2_PROTOCOL_ERROR);
  }
  if (r.authority.find('@') != std::string::npos) return rst(s, NGHTTP2_PROTOCOL_ERROR);
  if (!s.cookie.empty()) r.headers.add("cookie", std::exchange(s.cookie, {}));
  const auto question = r.target.find('?');
  r.path = r.target.substr(0, question);
  if (question != std::string::npos) r.query = r.target.substr(question + 1);

  if (r.method == "CONNECT") {
    // Without :protocol he wants a proxy, which we are not; another :protocol is RFC 9220 section 3's 501.
    if (r.protocol != "websocket") return answer_for_owner(s, 501);
    if (!r.path.starts_with('/')) return answer_for_owner(s, 400);
    if (r.headers.get("sec-websocket-version") != "13" || r.headers.count("sec-websocket-version") != 1) {
      // RFC 6455 says 426, which RFC 9110 ties to an Upgrade field that HTTP/2 forbids.
      HttpResponse response;
      response.status = 400;
      response.headers.add("sec-websocket-version", "13");
      return respond(s, std::move(response));
    }
    s.phase = Life::kOffer;
    s.owed = true;
    events.on_tunnel(s.id, std::exchange(s.request, {}));
    return;
  }
  if (!r.path.starts_with('/') && !(r.method == "OPTIONS" && r.target == "*")) return answer_for_owner(s, 400);
  if (r.target.find('#') != std::string::npos) return answer_for_owner(s, 400);

  const std::string_view expect = r.headers.get("expect");
  const bool wants_continue = same_ignoring_case(expect, "100-continue");
  if (!expect.empty() && !wants_continue) return answer_for_owner(s, 417);

  s.phase = Life::kBody;
  s.body_since = now.mono;
  s.owed = true;
  const StreamId id = s.id;
  const std::size_t limit = events.on_head(id, r);
  if (s.phase != Life::kBody || s.silent || s.our_reset) return;  // he answered
  s.body_limit = limit;
  if (s.remote_end) return request_done(s);

  std::size_t need = limit;
  const std::string_view length = r.headers.get("content-length");
  if (!length.empty()) {
    // nghttp2 has checked that it is a number; one too long to count is too large anyhow.
    std::size_t announced = 0;
    for (const char c : length)
      announced = announced > (SIZE_MAX - 9) / 10 ? SIZE_MAX : announced * 10 + static_cast<std::size_t>(c - '0');
    if (announced > limit) return answer_for_owner(s, 413);
    need = announced;
  }
  grant(s, need);
  if (wants_continue) {
    const nghttp2_nv nv = field(":status", "100");
    nghttp2_submit_headers(session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(id), nullptr, &nv, 1, nullptr);
  }
}

void Http2Server::Impl::request_done(Stream& s) {
  if (s.phase != Life::kBody) return;
  release(s);
  s.phase = Life::kOwed;
  events.on_request(s.id, std::move(s.request));
}

// Submits a final head; `with_body` leaves the stream open for read_out.
void Http2Server::Impl::submit(Stream& s, const HttpResponse& response, bool with_body) {
  std::vector<std::pair<std::string, std::string>> lines;
  lines.reserve(response.headers.size() + 2);
  lines.emplace_back(":status", std::to_string(response.status));
  bool has_date = false;
  for (const auto& [name, value] : response.headers) {
    std::string key = name;
    std::transform(key.begin(), key.end(), key.begin(), lower);
    if (is_of_connection(key) || !is_sendable(key, value)) continue;
    if (key == "date") has_date = true;
    lines.emplace_back(std::move(key), value);
  }
  if (!has_date && now.wall.ms > 0) {
    if (date_second != now.wall.ms / 1000) {
      date_second = now.wall.ms / 1000;
      date = http_date(now.wall);
    }
    lines.emplace_back("date", date);
  }
  std::vector<nghttp2_nv> nva;
  nva.reserve(lines.size());
  for (const auto& [name, value] : lines) nva.push_back(field(name, value));
  nghttp2_data_provider provider{};
  provider.source.ptr = &s;
  provider.read_callback = read_out;
  s.answered = true;
  s.progress_at = now.mono;
  nghttp2_submit_response(session, static_cast<std::int32_t>(s.id), nva.data(), nva.size(), with_body ? &provider : nullptr);
}

void Http2Server::Impl::respond(Stream& s, HttpResponse response) {
  if (s.answered) return;
  s.owed = false;
  s.phase = Life::kDone;
  release(s);
  s.request = {};
  const bool bodiless = response.status == 204 || response.status == 304;
  if (!response.headers.has("content-length") && response.status != 204 && (response.status != 304 || !response.body.empty())) {
    response.headers.add("content-length", std::to_string(response.body.size()));
  }
  const bool with_body = !s.is_head && !bodiless && !response.body.empty();
  if (with_body) {
    s.out = std::move(response.body);
    buffered += s.out.size();
  }
  s.out_eof = true;
  submit(s, response, with_body);
}

std::size_t Http2Server::Impl::append(Stream& s, std::string_view bytes) {
  if (s.out_eof || bytes.empty()) return s.unsent();
  if (s.unsent() == 0) {
    s.progress_at = now.mono;
    s.sent_since = 0;
  }
  if (s.out_at > 0 && s.out_at >= s.out.size() / 2) {
    s.out.erase(0, s.out_at);
    s.out_at = 0;
  }
  s.out.append(bytes);
  buffered += bytes.size();
  resume(s);
  return s.unsent();
}

void Http2Server::Impl::resume(Stream& s) {
  if (std::exchange(s.deferred, false)) nghttp2_session_resume_data(session, static_cast<std::int32_t>(s.id));
}

void Http2Server::Impl::finish_out(Stream& s) {
  s.out_eof = true;
  resume(s);
}

void Http2Server::Impl::tunnel_bytes(Stream& s, std::string_view bytes) {
  if (s.phase == Life::kTunnel && s.early.empty()) {
    events.on_tunnel_bytes(s.id, bytes);
  } else {
    s.early.append(bytes);  // at most one stream window: nothing is consumed until the owner says so
  }
}

// What came before a tunnel was accepted is handed over in a later turn, when the owner of the socket has set it up.
void Http2Server::Impl::flush_early() {
  if (!std::exchange(early_pending, false)) return;
  std::vector<StreamId> ids;
  for (const auto& [id, s] : streams) {
    if (s->phase == Life::kTunnel && (!s->early.empty() || s->early_end)) ids.push_back(id);
  }
  for (const StreamId id : ids) {
    Stream* s = live(id);
    if (s == nullptr) continue;
    const std::string bytes = std::exchange(s->early, {});
    if (!bytes.empty()) events.on_tunnel_bytes(id, bytes);
    s = live(id);
    if (s == nullptr || !std::exchange(s->early_end, false)) continue;
    if (s->ours_ended) s->owed = false;
    events.on_tunnel_end(id);
  }
}

void Http2Server::Impl::final_goaway() {
  if (std::exchange(goaway_sent, true)) return;
  nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR, nullptr,
                        0);
}

void Http2Server::Impl::sweep() {
  if (fatal) return;
  if (stopping && !goaway_sent && now.mono - stopping_since >= 1000) final_goaway();
  // A DATA frame is judged by the rate of its body instead.
  const bool in_data = payload_left > 0 && current_type == NGHTTP2_DATA;
  if ((preface_left > 0 || (partial && !in_data)) && limits.head_timeout_ms > 0 &&
      now.mono - partial_since > limits.head_timeout_ms) {
    fail(NGHTTP2_ENHANCE_YOUR_CALM);
    return;
  }
  std::vector<StreamId> late;
  std::vector<StreamId> stalled;
  for (const auto& [id, s] : streams) {
    if (s->silent || s->our_reset) continue;
    if (s->phase == Life::kBody && !s->waiting && limits.body_timeout_ms > 0 &&
        now.mono - s->body_since > limits.body_timeout_ms + static_cast<std::int64_t>(s->received) * 1000 / 1024) {
      late.push_back(id);
    } else if (s->unsent() > 0 && limits.write_timeout_ms > 0 && now.mono - s->progress_at > limits.write_timeout_ms) {
      stalled.push_back(id);
    }
  }
  for (const StreamId id : late) {
    if (Stream* s = live(id); s != nullptr) answer_for_owner(*s, 408);
  }
  for (const StreamId id : stalled) {
    Stream* s = live(id);
    if (s == nullptr) continue;
    ++counts.stalled;
    rst(*s, NGHTTP2_CANCEL);
    gone(*s);
  }
}

// Nobody will hear any answer: let the owner forget his streams.
void Http2Server::Impl::drop_all() {
  if (!fatal) return;
  std::vector<StreamId> ids;
  ids.reserve(streams.size());
  for (const auto& [id, s] : streams) ids.push_back(id);
  for (const StreamId id : ids) {
    if (Stream* s = find(id); s != nullptr) gone(*s);
  }
}

// ---- what nghttp2 calls

int Http2Server::Impl::on_begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
  Impl& me = self(user);
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  auto s = std::make_unique<Stream>();
  s->id = static_cast<StreamId>(frame->hd.stream_id);
  Stream& stream = *s;
  me.streams[stream.id] = std::move(s);
  // Streams of one urgency take turns; nghttp2 would send them one after the other.
  nghttp2_extpri turns{};
  turns.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY;
  turns.inc = 1;
  nghttp2_session_change_extpri_stream_priority(session, frame->hd.stream_id, &turns, 1);
  if (me.buffered > me.limits.max_buffered_out) {
    stream.refused = true;
    me.rst(stream, NGHTTP2_REFUSED_STREAM);
  }
  return 0;
}

int Http2Server::Impl::on_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value,
                                 std::uint8_t, void* user) {
  Impl& me = self(user);
  Stream* s = me.find(static_cast<StreamId>(frame->hd.stream_id));
  if (s == nullptr) return 0;
  if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    me.on_field(*s, view(name), view(value));
  } else {
    // Trailers are checked, counted and dropped.
    ++s->fields;
    s->head_octets += view(name).size() + view(value).size() + 32;
    if (s->head_octets > me.limits.max_head * kBombFactor || s->fields > me.limits.max_headers * kBombFactor) {
      me.fail(NGHTTP2_ENHANCE_YOUR_CALM);
    }
  }
  return me.fatal ? NGHTTP2_ERR_PAUSE : 0;  // stops mem_recv at once; fatal means that it is not called again
}

int Http2Server::Impl::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Impl& me = self(user);
  if (me.fatal) return 0;
  if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
    if (me.stopping) me.final_goaway();
    return 0;
  }
  if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
    // RFC 9113 section 6.9.2: a change that lifts a window over 2^31-1 ends the connection; nghttp2 resets the stream only.
    const std::int64_t before = me.initial_window;
    for (std::size_t i = 0; i < frame->settings.niv; ++i) {
      if (frame->settings.iv[i].settings_id != NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE) continue;
      me.initial_window = frame->settings.iv[i].value;
      for (const std::int64_t window : me.windows_before) {
        if (window + me.initial_window - before > NGHTTP2_MAX_WINDOW_SIZE) me.fail(NGHTTP2_FLOW_CONTROL_ERROR);
      }
    }
    return 0;
  }
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  Stream* s = me.find(static_cast<StreamId>(frame->hd.stream_id));
  if (s == nullptr) return 0;
  const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (last) s->remote_end = true;
  if (s->refused || s->silent || s->our_reset) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
    me.head_done(*s);
    if (last && (s->phase == Life::kOffer || s->phase == Life::kTunnel)) {
      s->early_end = true;
      me.early_pending = true;
    }
    return 0;
  }
  if (!last) return 0;
  if (s->phase == Life::kBody) {
    me.request_done(*s);
  } else if (s->phase == Life::kTunnel && s->early.empty()) {
    if (s->ours_ended) s->owed = false;
    me.events.on_tunnel_end(s->id);
  } else if (s->phase == Life::kOffer || s->phase == Life::kTunnel) {
    s->early_end = true;
    me.early_pending = true;
  }
  return 0;
}

int Http2Server::Impl::on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                               std::size_t size, void* user) {
  Impl& me = self(user);
  // The connection's window is given back at once: what is kept is bounded by the streams' windows, and one slow socket must
  // not stop the others.
  nghttp2_session_consume_connection(session, size);
  Stream* s = me.find(static_cast<StreamId>(id));
  if (s == nullptr || s->silent || s->our_reset || me.fatal) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  s->received += size;
  switch (s->phase) {
    case Life::kBody:
      if (s->request.body.size() + size > s->body_limit) {
        me.answer_for_owner(*s, 413);
        break;
      }
      s->request.body.append(bytes);
      if (s->flowing) {
        nghttp2_session_consume_stream(session, id, size);
      } else {
        s->unconsumed += size;
      }
      break;
    case Life::kOffer:
    case Life::kTunnel: me.tunnel_bytes(*s, bytes); break;
    case Life::kHead:
    case Life::kOwed:
    case Life::kDone: break;  // not wanted: it stays within one stream window
  }
  return 0;
}

int Http2Server::Impl::on_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Impl& me = self(user);
  if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR && !me.fatal) {
    me.fatal = true;  // nghttp2 found the fault
    ++me.counts.protocol_errors;
  }
  const auto id = static_cast<StreamId>(frame->hd.stream_id);
  if (frame->hd.type == NGHTTP2_RST_STREAM) {
    Stream* s = me.find(id);
    if (s == nullptr) {
      // A stream that nghttp2 refused before it became ours.
      me.ended.emplace_back(id, Ended::kByOurReset);
      if (me.ended.size() > kRemembered) me.ended.pop_front();
    } else {
      s->our_reset = true;
    }
    // A reset that the peer provoked costs him; one of our own will does not.
    const std::uint32_t code = frame->rst_stream.error_code;
    if (code != NGHTTP2_NO_ERROR && code != NGHTTP2_CANCEL && !(s != nullptr && s->silent)) {
      ++me.counts.stream_errors;
      if (!me.our_resets.spend(me.now.mono)) me.fail(NGHTTP2_ENHANCE_YOUR_CALM);
    }
    return 0;
  }
  if ((frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    // The answer is whole and the request is not: ask for no more of it (RFC 9113 section 8.1). A tunnel has two halves.
    Stream* s = me.find(id);
    if (s != nullptr && !s->remote_end && s->phase == Life::kDone) me.rst(*s, NGHTTP2_NO_ERROR);
  }
  return 0;
}

int Http2Server::Impl::on_close(nghttp2_session*, std::int32_t stream_id, std::uint32_t, void* user) {
  Impl& me = self(user);
  const auto id = static_cast<StreamId>(stream_id);
  const auto it = me.streams.find(id);
  if (it == me.streams.end()) return 0;
  const std::unique_ptr<Stream> s = std::move(it->second);
  me.streams.erase(it);
  me.ended.emplace_back(id, s->peer_reset ? Ended::kByPeerReset : s->our_reset ? Ended::kByOurReset : Ended::kByBoth);
  if (me.ended.size() > kRemembered) me.ended.pop_front();
  me.buffered -= s->unsent();
  me.release(*s);
  me.gone(*s);
  return 0;
}

ssize_t Http2Server::Impl::read_out(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                                    nghttp2_data_source* source, void* user) {
  Impl& me = self(user);
  Stream& s = *static_cast<Stream*>(source->ptr);
  const std::size_t size = std::min(room, s.unsent());
  if (size == 0 && !s.out_eof) {
    s.deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  std::memcpy(to, s.out.data() + s.out_at, size);
  s.out_at += size;
  me.buffered -= size;
  s.sent_since += size;
  // Who takes our octets may send WINDOW_UPDATEs in proportion.
  me.windows.earn(static_cast<double>(size) / 512.0);
  if (s.unsent() == 0) {
    s.out.clear();
    s.out_at = 0;
    if (s.out_eof) *flags |= NGHTTP2_DATA_FLAG_EOF;
  }
  if (s.sent_since >= kProgress || s.unsent() == 0) {
    s.sent_since = 0;
    s.progress_at = me.now.mono;
  }
  return static_cast<ssize_t>(size);
}

// ---- the face

Http2Server::Http2Server(ServerEvents& events, const Http2Limits& limits, std::string scheme)
    : impl_(std::make_unique<Impl>(events, limits, std::move(scheme))) {}
Http2Server::~Http2Server() = default;

bool Http2Server::feed(std::string_view bytes) {
  Impl& me = *impl_;
  if (me.fatal) return false;
  me.busy = true;
  me.feed(bytes);
  me.drop_all();
  me.busy = false;
  return !me.fatal;
}

std::string Http2Server::take() {
  Impl& me = *impl_;
  std::string out;
  if (std::exchange(me.busy, true)) return out;  // called from inside an event: the caller of feed() will ask again
  while (out.size() < kMaxTake) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(me.session, &data);
    if (size < 0) me.fatal = true;
    if (size <= 0) break;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
  me.drop_all();
  me.busy = false;
  return out;
}

bool Http2Server::wants_close() const {
  return impl_->fatal || (nghttp2_session_want_read(impl_->session) == 0 && nghttp2_session_want_write(impl_->session) == 0);
}

void Http2Server::respond(StreamId id, HttpResponse response) {
  if (Stream* s = impl_->live(id); s != nullptr) impl_->respond(*s, std::move(response));
}

void Http2Server::begin(StreamId id, HttpResponse head) {
  Stream* s = impl_->live(id);
  if (s == nullptr || s->answered) return;
  impl_->release(*s);
  s->phase = Life::kDone;
  s->request = {};
  const bool with_body = !s->is_head && head.status != 204 && head.status != 304;
  if (!with_body) {
    s->out_eof = true;
    s->owed = false;
  }
  impl_->submit(*s, head, with_body);
}

std::size_t Http2Server::write(StreamId id, std::string_view bytes) {
  Stream* s = impl_->live(id);
  return s == nullptr || !s->answered ? 0 : impl_->append(*s, bytes);
}

void Http2Server::end(StreamId id) {
  Stream* s = impl_->live(id);
  if (s == nullptr || !s->answered) return;
  s->owed = false;
  impl_->finish_out(*s);
}

void Http2Server::accept_tunnel(StreamId id, HttpResponse head) {
  Stream* s = impl_->live(id);
  if (s == nullptr || s->phase != Life::kOffer) return;
  s->phase = Life::kTunnel;
  s->request = {};
  head.status = 200;
  impl_->submit(*s, head, true);
  impl_->early_pending = true;
}

std::size_t Http2Server::tunnel_write(StreamId id, std::string_view bytes) { return write(id, bytes); }

void Http2Server::tunnel_end(StreamId id) {
  Stream* s = impl_->live(id);
  if (s == nullptr || s->phase != Life::kTunnel) return;
  s->ours_ended = true;
  if (s->remote_end && !s->early_end) s->owed = false;
  impl_->finish_out(*s);
}

void Http2Server::reset(StreamId id) {
  Stream* s = impl_->live(id);
  if (s == nullptr) return;
  s->silent = true;
  s->owed = false;
  impl_->rst(*s, NGHTTP2_CANCEL);
}

void Http2Server::tunnel_consumed(StreamId id, std::size_t octets) {
  if (impl_->live(id) == nullptr) return;
  nghttp2_session_consume_stream(impl_->session, static_cast<std::int32_t>(id), octets);
}

void Http2Server::shutdown() {
  Impl& me = *impl_;
  if (std::exchange(me.stopping, true)) return;
  me.stopping_since = me.now.mono;
  // Two steps, so that a request under way is not lost: first a notice, and when its PING comes back the last stream's id.
  nghttp2_submit_shutdown_notice(me.session);
  nghttp2_submit_ping(me.session, NGHTTP2_FLAG_NONE, nullptr);
}

bool Http2Server::idle() const { return impl_->streams.empty(); }

void Http2Server::tick(Now now) {
  Impl& me = *impl_;
  me.now = now;
  if (!std::exchange(me.ticked, true)) {
    me.partial_since = now.mono;  // the preface has begun
    for (Allowance* a :
         {&me.resets, &me.our_resets, &me.pings, &me.settings, &me.priorities, &me.windows, &me.empties, &me.unknowns}) {
      a->at = now.mono;
    }
  }
  if (me.busy || me.fatal) return;
  me.busy = true;
  me.flush_early();
  if (now.mono - me.swept_at >= 250) {
    me.swept_at = now.mono;
    me.sweep();
    me.drop_all();
  }
  me.busy = false;
}

std::size_t Http2Server::buffered_out() const { return impl_->buffered; }
const Http2Counts& Http2Server::counts() const { return impl_->counts; }

}  // namespace belfry::wire
