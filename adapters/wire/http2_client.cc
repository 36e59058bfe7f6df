// The HTTP/2 client: nghttp2's session, and what became of each request.
#include "adapters/wire/http2_client.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>
#include <vector>

namespace belfry::wire {

namespace {

constexpr std::size_t kMaxTake = 256UL * 1024;
constexpr std::uint32_t kStreamWindow = 256 * 1024;  // a whole small answer without waiting
constexpr std::int32_t kConnectionWindow = 8 << 20;
constexpr std::size_t kBombFactor = 16;

struct Stream {
  RequestId id = 0;
  std::string body;
  std::size_t body_at = 0;
  bool written = false;
  bool cancelled = false;
  bool ended = false;  // on_done or on_failed was called
  bool final_head = false;
  std::size_t head_octets = 0;
  std::size_t fields = 0;
  bool malformed = false;
  HttpResponse response;
};

std::string_view view(nghttp2_rcbuf* buffer) {
  const nghttp2_vec v = nghttp2_rcbuf_get_buf(buffer);
  return {reinterpret_cast<const char*>(v.base), v.len};
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

}  // namespace

struct Http2Client::Impl {
  Impl(ClientEvents& e, std::string s, const ClientLimits& l, std::size_t m);
  ~Impl() { nghttp2_session_del(session); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  ClientEvents& events;
  const std::string scheme;
  const ClientLimits limits;
  const std::size_t max_streams;
  nghttp2_session* session = nullptr;
  std::unordered_map<RequestId, std::unique_ptr<Stream>> streams;
  bool fatal = false;
  bool closing = false;  // GOAWAY came or went
  bool settled = false;  // the peer's first SETTINGS came
  bool busy = false;

  Stream* find(RequestId id) {
    const auto it = streams.find(id);
    return it == streams.end() ? nullptr : it->second.get();
  }
  Stream* find(std::int32_t id) { return find(static_cast<RequestId>(id)); }
  void fail(Stream& s, Errc code, const char* why) {
    if (std::exchange(s.ended, true) || s.cancelled) return;
    events.on_failed(s.id, {code, why});
  }
  void refuse(Stream& s, const char* why) {
    nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(s.id), NGHTTP2_PROTOCOL_ERROR);
    fail(s, Errc::kBadInput, why);
  }
  void fail_all(Errc code, const char* why) {
    std::vector<RequestId> ids;
    ids.reserve(streams.size());
    for (const auto& [id, s] : streams) ids.push_back(id);
    for (const RequestId id : ids) {
      if (Stream* s = find(id); s != nullptr) fail(*s, code, why);
    }
  }

  static Impl& self(void* user) { return *static_cast<Impl*>(user); }
  static int on_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name, nghttp2_rcbuf* value, std::uint8_t,
                       void* user);
  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_data(nghttp2_session*, std::uint8_t, std::int32_t id, const std::uint8_t* data, std::size_t size, void* user);
  static int on_sent(nghttp2_session*, const nghttp2_frame* frame, void* user);
  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user);
  static int on_unsent(nghttp2_session*, const nghttp2_frame* frame, int error, void* user);
  static ssize_t read_body(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                           nghttp2_data_source* source, void*);
};

Http2Client::Impl::Impl(ClientEvents& e, std::string s, const ClientLimits& l, std::size_t m)
    : events(e), scheme(std::move(s)), limits(l), max_streams(m) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* option = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&option) != 0) std::abort();  // out of memory
  nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
  nghttp2_session_callbacks_set_on_invalid_header_callback2(
      callbacks, [](nghttp2_session*, const nghttp2_frame*, nghttp2_rcbuf*, nghttp2_rcbuf*, std::uint8_t, void*) -> int {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_unsent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_max_deflate_dynamic_table_size(option, 4096);
  if (nghttp2_session_client_new2(&session, callbacks, this, option) != 0) std::abort();
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 3> entries{{
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<std::uint32_t>(limits.max_head)},
  }};
  nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, entries.data(), entries.size());
  nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
}

int Http2Client::Impl::on_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name_buffer,
                                 nghttp2_rcbuf* value_buffer, std::uint8_t, void* user) {
  Impl& me = self(user);
  Stream* s = me.find(frame->hd.stream_id);
  if (s == nullptr) return 0;
  const std::string_view name = view(name_buffer);
  const std::string_view value = view(value_buffer);
  s->head_octets += name.size() + value.size() + 32;
  ++s->fields;
  if (s->head_octets > me.limits.max_head || s->fields > me.limits.max_headers) {
    if (s->head_octets > me.limits.max_head * kBombFactor) {
      me.fatal = true;
      nghttp2_session_terminate_session(me.session, NGHTTP2_ENHANCE_YOUR_CALM);
      return NGHTTP2_ERR_PAUSE;
    }
    return 0;
  }
  if (s->final_head) return 0;  // trailers
  if (name == ":status") {
    s->response.status = 0;
    for (const char c : value) s->response.status = s->response.status * 10 + (c - '0');  // nghttp2: three digits
  } else {
    s->response.headers.add(std::string(name), std::string(value));
  }
  return 0;
}

int Http2Client::Impl::on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Impl& me = self(user);
  if (frame->hd.type == NGHTTP2_GOAWAY) me.closing = true;
  if (frame->hd.type == NGHTTP2_SETTINGS) me.settled = true;
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  Stream* s = me.find(frame->hd.stream_id);
  if (s == nullptr || s->ended || s->cancelled) return 0;
  if (frame->hd.type == NGHTTP2_HEADERS) {
    if (s->head_octets > me.limits.max_head || s->fields > me.limits.max_headers) {
      me.refuse(*s, "the answer's head is too large");
      return 0;
    }
    if (!s->final_head) {
      if (s->response.status < 200) {
        s->response = {};  // interim; its octets stay counted, so there is an end to them
        return 0;
      }
      s->final_head = true;
      me.events.on_head(s->id, std::exchange(s->response, {}));
      if (s->ended || s->cancelled) return 0;
    }
  }
  if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
    s->ended = true;
    // The answer is whole; if our request is not, nobody wants the rest of it.
    if (s->body_at < s->body.size()) {
      nghttp2_submit_rst_stream(me.session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_CANCEL);
    }
    me.events.on_done(s->id);
  }
  return 0;
}

int Http2Client::Impl::on_data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* data,
                               std::size_t size, void* user) {
  Impl& me = self(user);
  nghttp2_session_consume_connection(session, size);  // the streams' windows bound what is kept
  Stream* s = me.find(id);
  if (s == nullptr || s->ended || s->cancelled) return 0;
  me.events.on_body(s->id, {reinterpret_cast<const char*>(data), size});
  return 0;
}

int Http2Client::Impl::on_sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  Impl& me = self(user);
  if (frame->hd.type == NGHTTP2_HEADERS) {
    if (Stream* s = me.find(frame->hd.stream_id); s != nullptr) s->written = true;
  }
  if (frame->hd.type == NGHTTP2_GOAWAY) me.closing = true;
  return 0;
}

// A request that nghttp2 would not send (a GOAWAY came first, stream ids ran out).
int Http2Client::Impl::on_unsent(nghttp2_session*, const nghttp2_frame* frame, int, void* user) {
  Impl& me = self(user);
  if (frame->hd.type != NGHTTP2_HEADERS) return 0;
  const auto it = me.streams.find(static_cast<RequestId>(frame->hd.stream_id));
  if (it == me.streams.end()) return 0;
  const std::unique_ptr<Stream> s = std::move(it->second);
  me.streams.erase(it);
  me.fail(*s, Errc::kUnavailable, "the connection takes no more requests");
  return 0;
}

int Http2Client::Impl::on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
  Impl& me = self(user);
  const auto it = me.streams.find(static_cast<RequestId>(id));
  if (it == me.streams.end()) return 0;
  const std::unique_ptr<Stream> s = std::move(it->second);
  me.streams.erase(it);
  if (code == NGHTTP2_REFUSED_STREAM) {
    // Also what nghttp2 says of streams above the last id of a GOAWAY.
    me.fail(*s, s->final_head ? Errc::kClosed : Errc::kUnavailable, "the peer refused the stream");
  } else if (code == NGHTTP2_PROTOCOL_ERROR) {
    me.fail(*s, Errc::kBadInput, "the answer is malformed");
  } else {
    me.fail(*s, Errc::kClosed, "the peer reset the stream");
  }
  return 0;
}

ssize_t Http2Client::Impl::read_body(nghttp2_session*, std::int32_t, std::uint8_t* to, std::size_t room, std::uint32_t* flags,
                                     nghttp2_data_source* source, void*) {
  Stream& s = *static_cast<Stream*>(source->ptr);
  const std::size_t size = std::min(room, s.body.size() - s.body_at);
  std::copy_n(s.body.data() + s.body_at, size, to);
  s.body_at += size;
  if (s.body_at == s.body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return static_cast<ssize_t>(size);
}

Http2Client::Http2Client(ClientEvents& events, std::string scheme, const ClientLimits& limits, std::size_t max_streams)
    : impl_(std::make_unique<Impl>(events, std::move(scheme), limits, max_streams)) {}
Http2Client::~Http2Client() = default;

std::size_t Http2Client::room() const {
  const Impl& me = *impl_;
  if (me.fatal || me.closing || nghttp2_session_check_request_allowed(me.session) == 0) return 0;
  const std::size_t theirs = nghttp2_session_get_remote_settings(me.session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  // Until the peer has said how many he takes, one: the others would be refused, and a refusal is repeated but once.
  const std::size_t most = me.settled ? std::min(me.max_streams, theirs) : 1;
  return me.streams.size() >= most ? 0 : most - me.streams.size();
}

RequestId Http2Client::send(HttpRequest request) {
  Impl& me = *impl_;
  auto s = std::make_unique<Stream>();
  std::vector<std::pair<std::string, std::string>> lines;
  lines.reserve(request.headers.size() + 5);
  lines.emplace_back(":method", request.method);
  lines.emplace_back(":scheme", me.scheme);
  lines.emplace_back(":authority", request.authority);
  lines.emplace_back(":path", request.target);
  for (const auto& [name, value] : request.headers) {
    std::string key = lower(name);
    if (!is_codecs_own(key)) lines.emplace_back(std::move(key), value);
  }
  const bool has_meaning = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (has_meaning || !request.body.empty()) lines.emplace_back("content-length", std::to_string(request.body.size()));
  std::vector<nghttp2_nv> nva;
  nva.reserve(lines.size());
  for (auto& [name, value] : lines) {
    // A token must not enter the peer's compression table, where it could be guessed (RFC 7541 section 7.1.3).
    const std::uint8_t flags = name == "authorization" || name == "cookie" ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
    nva.push_back({reinterpret_cast<std::uint8_t*>(name.data()), reinterpret_cast<std::uint8_t*>(value.data()), name.size(),
                   value.size(), flags});
  }
  s->body = std::move(request.body);
  nghttp2_data_provider provider{};
  provider.source.ptr = s.get();
  provider.read_callback = Impl::read_body;
  const std::int32_t id =
      nghttp2_submit_request(me.session, nullptr, nva.data(), nva.size(), s->body.empty() ? nullptr : &provider, nullptr);
  if (id <= 0) return 0;  // room() said so
  s->id = static_cast<RequestId>(id);
  const RequestId out = s->id;
  me.streams[out] = std::move(s);
  return out;
}

bool Http2Client::feed(std::string_view bytes) {
  Impl& me = *impl_;
  if (me.fatal) return false;
  me.busy = true;
  const ssize_t done = nghttp2_session_mem_recv(me.session, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  me.busy = false;
  if (done < 0) {
    me.fatal = true;
    nghttp2_session_terminate_session(me.session,
                                      done == NGHTTP2_ERR_FLOODED ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
  }
  if (me.fatal) me.fail_all(Errc::kBadInput, "the connection broke the protocol");
  return !me.fatal;
}

void Http2Client::input_ended() {
  impl_->fatal = true;
  impl_->fail_all(Errc::kClosed, "the peer closed before the answer was whole");
}

std::string Http2Client::take() {
  Impl& me = *impl_;
  std::string out;
  if (me.busy) return out;
  me.busy = true;
  while (out.size() < kMaxTake) {
    const std::uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(me.session, &data);
    if (size < 0) me.fatal = true;
    if (size <= 0) break;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(size));
  }
  me.busy = false;
  // nghttp2 has ended the session for a fault of the peer, and the GOAWAY is out.
  if (!me.fatal && nghttp2_session_want_read(me.session) == 0 && !me.streams.empty()) {
    me.fatal = true;
    me.fail_all(Errc::kBadInput, "the connection broke the protocol");
  }
  return out;
}

bool Http2Client::wants_close() const {
  const Impl& me = *impl_;
  if (me.fatal) return true;
  const bool open =
      std::any_of(me.streams.begin(), me.streams.end(), [](const auto& s) { return !s.second->ended && !s.second->cancelled; });
  return !open && (me.closing || nghttp2_session_check_request_allowed(me.session) == 0);
}

bool Http2Client::written(RequestId id) const {
  const auto it = impl_->streams.find(id);
  return it != impl_->streams.end() && it->second->written;
}

void Http2Client::cancel(RequestId id) {
  Stream* s = impl_->find(id);
  if (s == nullptr || std::exchange(s->cancelled, true)) return;
  nghttp2_submit_rst_stream(impl_->session, NGHTTP2_FLAG_NONE, static_cast<std::int32_t>(id), NGHTTP2_CANCEL);
}

void Http2Client::consumed(RequestId id, std::size_t octets) {
  if (impl_->find(id) != nullptr) nghttp2_session_consume_stream(impl_->session, static_cast<std::int32_t>(id), octets);
}

void Http2Client::shutdown() {
  if (std::exchange(impl_->closing, true)) return;
  nghttp2_session_terminate_session(impl_->session, NGHTTP2_NO_ERROR);
}

}  // namespace belfry::wire
