// The HTTP/1.1 client: a writer of requests, and llhttp with limits for the answers.
#include "adapters/wire/http1_client.h"

#include <llhttp.h>

#include <algorithm>
#include <utility>

namespace belfry::wire {

namespace {

constexpr std::size_t kMaxTake = 256UL * 1024;
constexpr int kMaxInterim = 16;  // 1xx answers before the final one

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

std::string trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return std::string(text);
}

}  // namespace

struct Http1Client::Impl {
  Impl(ClientEvents& e, const ClientLimits& l) : events(e), limits(l) {
    llhttp_settings_init(&settings);
    settings.on_status = [](llhttp_t* p, const char*, std::size_t n) { return self(p).spend(n); };
    settings.on_header_field = [](llhttp_t* p, const char* at, std::size_t n) {
      Impl& me = self(p);
      me.name.append(at, n);
      return me.spend(n);
    };
    settings.on_header_value = [](llhttp_t* p, const char* at, std::size_t n) {
      Impl& me = self(p);
      me.value.append(at, n);
      return me.spend(n);
    };
    settings.on_header_value_complete = [](llhttp_t* p) { return self(p).field_done(); };
    settings.on_headers_complete = [](llhttp_t* p) { return self(p).head_done(); };
    settings.on_chunk_header = [](llhttp_t* p) { return self(p).spend(0); };
    settings.on_body = [](llhttp_t* p, const char* at, std::size_t n) {
      Impl& me = self(p);
      if (me.open != 0) me.events.on_body(me.open, {at, n});
      return me.dead ? static_cast<int>(HPE_USER) : 0;
    };
    settings.on_message_complete = [](llhttp_t* p) {
      self(p).whole = true;
      return static_cast<int>(HPE_PAUSED);  // what follows belongs to nobody, or to the answer after a 1xx
    };
  }

  static Impl& self(llhttp_t* parser) { return *static_cast<Impl*>(parser->data); }

  int spend(std::size_t octets) {
    head_octets += octets;
    return head_octets > limits.max_head ? static_cast<int>(HPE_USER) : 0;
  }

  int field_done() {
    ++fields;
    std::string key = lower(std::exchange(name, {}));
    std::string text = trimmed(std::exchange(value, {}));
    if (fields > limits.max_headers || spend(4) != 0) return HPE_USER;
    if (!in_trailers) response.headers.add(std::move(key), std::move(text));
    return 0;
  }

  int head_done() {
    in_trailers = true;
    response.status = parser.status_code;
    if (response.status < 100 || response.status > 599 || response.status == 101) return HPE_USER;
    if (response.status < 200) {
      response = {};
      return 1;  // no body, whatever its fields say
    }
    final_head = true;
    keep_alive = llhttp_should_keep_alive(&parser) == 1;
    if (open != 0) events.on_head(open, std::exchange(response, {}));
    if (dead) return HPE_USER;
    return is_head || parser.status_code == 204 || parser.status_code == 304 ? 1 : 0;  // 1: no body follows
  }

  void start_answer() {
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = this;
    response = {};
    name.clear();
    value.clear();
    head_octets = 0;
    fields = 0;
    in_trailers = final_head = whole = false;
  }

  void fail_open(Error error) {
    dead = true;
    if (const RequestId id = std::exchange(open, 0); id != 0) events.on_failed(id, std::move(error));
  }

  // The answer is whole: the connection may be used again if both sides are at a boundary.
  void finish(bool at_boundary) {
    if (!at_boundary || !keep_alive || out_at < out.size()) dead = true;
    const RequestId id = std::exchange(open, 0);
    if (id != 0) events.on_done(id);
  }

  ClientEvents& events;
  const ClientLimits limits;
  llhttp_settings_t settings{};
  llhttp_t parser{};

  RequestId last = 0;
  RequestId open = 0;  // 0: none
  bool is_head = false;
  bool dead = false;  // no further request
  std::string out;
  std::size_t out_at = 0;

  HttpResponse response;
  std::string name;
  std::string value;
  std::size_t head_octets = 0;
  std::size_t fields = 0;
  int interim = 0;
  bool in_trailers = false;
  bool final_head = false;
  bool keep_alive = false;
  bool whole = false;
};

Http1Client::Http1Client(ClientEvents& events, const ClientLimits& limits) : impl_(std::make_unique<Impl>(events, limits)) {}
Http1Client::~Http1Client() = default;

std::size_t Http1Client::room() const { return impl_->open == 0 && !impl_->dead ? 1 : 0; }

RequestId Http1Client::send(HttpRequest request) {
  Impl& me = *impl_;
  me.open = ++me.last;
  me.is_head = request.method == "HEAD";
  me.interim = 0;
  me.start_answer();
  std::string& out = me.out;
  out = request.method + " " + request.target + " HTTP/1.1\r\nHost: " + request.authority + "\r\n";
  me.out_at = 0;
  for (const auto& [name, value] : request.headers) {
    if (is_codecs_own(lower(name))) continue;
    out += name;
    out += ": ";
    out += value;
    out += "\r\n";
  }
  const bool has_meaning = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (has_meaning || !request.body.empty()) out += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  out += "\r\n";
  out += request.body;
  return me.open;
}

bool Http1Client::feed(std::string_view bytes) {
  Impl& me = *impl_;
  while (!bytes.empty()) {
    if (me.open == 0 || me.dead) {
      // Nobody asked for this: a 408 before an idle close, or a peer out of step.
      me.dead = true;
      return false;
    }
    const llhttp_errno error = llhttp_execute(&me.parser, bytes.data(), bytes.size());
    if (error == HPE_OK) return true;
    if (error != HPE_PAUSED || !me.whole) {
      const bool too_large = me.head_octets > me.limits.max_head || me.fields > me.limits.max_headers;
      me.fail_open({Errc::kBadInput, too_large ? "the answer's head is too large" : "the answer is malformed"});
      return false;
    }
    const char* stopped = llhttp_get_error_pos(&me.parser);
    bytes.remove_prefix(static_cast<std::size_t>(stopped - bytes.data()));
    if (me.final_head) {
      me.finish(bytes.empty());
      return bytes.empty();
    }
    if (++me.interim > kMaxInterim) {
      me.fail_open({Errc::kBadInput, "too many interim answers"});
      return false;
    }
    me.start_answer();
  }
  return true;
}

void Http1Client::input_ended() {
  Impl& me = *impl_;
  if (me.open != 0 && me.final_head && llhttp_message_needs_eof(&me.parser) == 1) {
    const llhttp_errno error = llhttp_finish(&me.parser);
    if ((error == HPE_OK || error == HPE_PAUSED) && me.whole) {
      me.finish(false);
      return;
    }
  }
  me.fail_open({Errc::kClosed, "the peer closed before the answer was whole"});
}

std::string Http1Client::take() {
  Impl& me = *impl_;
  std::string bytes = me.out.substr(me.out_at, kMaxTake);
  me.out_at += bytes.size();
  if (me.out_at == me.out.size() && me.out_at > kMaxTake) {
    me.out = {};  // a large body is not kept until the answer comes
    me.out_at = 0;
  }
  return bytes;
}

bool Http1Client::wants_close() const { return impl_->dead && impl_->open == 0; }

bool Http1Client::written(RequestId id) const { return id == impl_->last && (impl_->out_at > 0 || impl_->out.empty()); }

void Http1Client::cancel(RequestId id) {
  if (id != impl_->open) return;
  impl_->open = 0;
  impl_->dead = true;
}

}  // namespace belfry::wire
