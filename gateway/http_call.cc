// A pool of connections per origin (scheme, host, port), and the life of each call: waiting, on a connection, answered.
//
// Retry rules, the only ones: a call of which nothing was written, or which the peer says it did not touch (GOAWAY,
// REFUSED_STREAM), goes to another connection, up to four times: a server that closes may close several. An idempotent one does
// so once, when a reused connection fell before the first octet of its answer. A POST that may have been read is never repeated.
#include "gateway/http_call.h"

#include <algorithm>
#include <asio/error.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <deque>
#include <map>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "adapters/wire/http1_client.h"
#include "adapters/wire/http2_client.h"
#include "gateway/media_store.h"
#include "gateway/pump.h"

namespace belfry::gateway {

namespace {

constexpr int kMaxTries = 5;
constexpr int kMaxBlindTries = 2;               // of an idempotent call whose fate is unknown
constexpr std::size_t kWriteAhead = 1UL << 20;  // octets of requests handed to a Pump before the peer takes them
constexpr std::size_t kDiskAhead = 1UL << 20;   // octets of a fetched body that wait for the disk
constexpr std::int64_t kConnectMs = 5'000;

struct Target {
  bool tls = false;
  std::string host;       // lower case, an IPv6 address without its brackets
  std::string authority;  // as Host or :authority says it
  std::string address;    // host:port for connect_pump
  std::string path;       // and query
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

// http(s)://host[:port]/path?query. No user information, no fragment.
Result<Target> parse_url(std::string_view url) {
  Target target;
  if (url.starts_with("https://")) {
    target.tls = true;
    url.remove_prefix(8);
  } else if (url.starts_with("http://")) {
    url.remove_prefix(7);
  } else {
    return fail(Errc::kBadInput, "url is neither http nor https");
  }
  const auto slash = url.find_first_of("/?#");
  const std::string authority = lower(url.substr(0, slash));
  target.path = slash == std::string_view::npos ? "/" : std::string(url.substr(slash));
  if (target.path.front() == '?') target.path.insert(0, "/");
  if (target.path.find('#') != std::string::npos) return fail(Errc::kBadInput, "url has a fragment");
  std::string_view rest = authority;
  std::string shown;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) return fail(Errc::kBadInput, "url has a broken address");
    target.host = rest.substr(1, end - 1);
    shown = rest.substr(0, end + 1);
    rest.remove_prefix(end + 1);
  } else {
    const auto colon = rest.find(':');
    target.host = rest.substr(0, colon);
    shown = target.host;
    rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
  }
  const auto is_host = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':';
  };
  if (target.host.empty() || !std::all_of(target.host.begin(), target.host.end(), is_host)) {
    return fail(Errc::kBadInput, "url has no proper host");
  }
  unsigned port = target.tls ? 443 : 80;
  const unsigned usual = port;
  if (!rest.empty()) {
    const auto* last = rest.data() + rest.size();
    const auto [end, error] = std::from_chars(rest.data() + 1, last, port);
    if (rest.front() != ':' || error != std::errc() || end != last || port == 0 || port > 65'535) {
      return fail(Errc::kBadInput, "url has no proper port");
    }
  }
  target.authority = port == usual ? shown : shown + ":" + std::to_string(port);
  target.address = shown + ":" + std::to_string(port);
  return target;
}

bool is_loopback(std::string_view host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

// What a status other than 200 means to one who only wanted the body.
Error fetch_error(int status) {
  const std::string detail = "status " + std::to_string(status);
  switch (status) {
    case 401: return {Errc::kUnauthorized, detail};
    case 403: return {Errc::kForbidden, detail};
    case 404:
    case 410: return {Errc::kNotFound, detail};
    case 429: return {Errc::kBusy, detail};
    default: break;
  }
  if (status >= 500) return {Errc::kUnavailable, detail};
  if (status >= 300 && status < 400) return {Errc::kForbidden, detail + ": redirects are refused"};
  return {Errc::kBadInput, detail};
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

// "timeout=5, max=100" -> 5
std::optional<std::int64_t> keep_alive_seconds(std::string_view value) {
  const auto at = value.find("timeout=");
  if (at == std::string_view::npos) return std::nullopt;
  value.remove_prefix(at + 8);
  const auto seconds = number(value.substr(0, value.find_first_not_of("0123456789")));
  if (!seconds || *seconds > 86'400) return std::nullopt;
  return static_cast<std::int64_t>(*seconds);
}

using JobId = std::uint64_t;
struct Origin;

class Pool;

// One connection. It lives until the loop turn after its removal, because events may still be on the stack. The Pump knows it
// weakly: a Pump that lingers outlives it.
struct Connection final : wire::ClientEvents {
  Pool& pool;
  Origin& origin;
  std::shared_ptr<Pump> pump;
  std::unique_ptr<wire::ClientCodec> codec;
  std::unordered_map<wire::RequestId, JobId> jobs;
  bool h2 = false;
  bool removed = false;
  bool draining = false;    // takes no more
  bool feeding = false;     // inside the codec: what follows is done when it returns
  int served = 0;           // whole answers so far
  int slow = 0;             // uploads that wait for the disk (HTTP/1.1: reading is paused)
  std::uint64_t heard = 0;  // octets
  std::int64_t idle_ms = 0;

  Connection(Pool& p, Origin& o) : pool(p), origin(o) {}
  void on_head(wire::RequestId id, HttpResponse head) override;
  void on_body(wire::RequestId id, std::string_view bytes) override;
  void on_done(wire::RequestId id) override;
  void on_failed(wire::RequestId id, Error error) override;
};

struct Job {
  Job(asio::io_context& loop, JobId i) : id(i), timer(loop) {}
  JobId id;
  HttpRequest request;
  asio::steady_timer timer;
  Origin* origin = nullptr;
  Connection* connection = nullptr;  // null: it waits
  wire::RequestId stream = 0;
  int tries = 0;
  std::uint64_t heard_before = 0;  // by the connection when the request was handed to it
  HttpResponse response;
  bool answered = false;  // its answer has begun

  HttpClient::Done done;
  // Fetch only.
  bool is_fetch = false;
  HttpClient::FetchDone fetch_done;
  std::string sha256;
  std::int64_t max_bytes = 0;
  std::shared_ptr<Upload> upload;
  std::size_t unconsumed = 0;
  bool slow = false;
};

struct Origin {
  std::string key;
  Target target;
  std::vector<std::shared_ptr<Connection>> connections;
  std::deque<JobId> waiting;
  int connecting = 0;
  std::optional<bool> h2;  // what ALPN said last
};

using Answer = std::variant<std::pair<HttpClient::Done, Result<HttpResponse>>,
                            std::pair<HttpClient::FetchDone, Result<HttpClient::Fetched>>>;

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(asio::io_context& loop, SSL_CTX* tls, MediaStore* media, HttpClientLimits limits)
      : loop_(loop), tls_(tls), limits_(limits), media_(media) {}

  // The client is going: nobody hears of what is under way.
  void stop() {
    for (auto& [key, origin] : origins_) {
      for (auto& c : origin->connections) {
        c->removed = true;
        c->pump->close();
      }
    }
    for (auto& [id, job] : jobs_) job->timer.cancel();
    ready_.clear();
  }

  void call(const Call& call, HttpClient::Done done) {
    auto job = std::make_unique<Job>(loop_, ++last_job_);
    job->done = std::move(done);
    start(std::move(job), call.method, call.url, call.headers, call.body, call.timeout_ms, nullptr);
  }

  void fetch(const Fetch& fetch, HttpClient::FetchDone done) {
    auto job = std::make_unique<Job>(loop_, ++last_job_);
    job->is_fetch = true;
    job->fetch_done = std::move(done);
    job->sha256 = fetch.sha256;
    job->max_bytes = fetch.max_bytes;
    start(std::move(job), "GET", fetch.url, fetch.headers, {}, fetch.timeout_ms, &fetch.allowed_hosts);
  }

  // ---- what connections say

  void on_head(Connection& c, wire::RequestId stream, HttpResponse head) {
    Job* job = find(c, stream);
    if (job == nullptr) return;
    job->answered = true;
    job->response = std::move(head);
    const HttpResponse& r = job->response;
    if (!c.h2) {
      if (const auto seconds = keep_alive_seconds(r.headers.get("keep-alive"))) {
        // A second early: the peer closes at his own time, and a POST must not meet that.
        c.idle_ms = std::clamp<std::int64_t>(*seconds * 1'000 - 1'000, 1, limits_.idle_ms);
      }
    }
    const auto length = number(r.headers.get("content-length"));
    if (!job->is_fetch) {
      if (length && *length > limits_.max_answer && job->request.method != "HEAD") {
        give_up(*job, {Errc::kTooLarge, "the answer is above its limit"});
      }
      return;
    }
    if (r.status != 200) return give_up(*job, fetch_error(r.status));
    if (length && *length > static_cast<std::uint64_t>(std::max<std::int64_t>(0, job->max_bytes))) {
      return give_up(*job, {Errc::kTooLarge, "the body is above its limit"});
    }
    job->upload = media_->create(job->max_bytes);
    job->upload->on_drained = [weak = weak_from_this(), id = job->id] {
      if (const auto self = weak.lock()) self->drained(id);
    };
  }

  void on_body(Connection& c, wire::RequestId stream, std::string_view bytes) {
    Job* job = find(c, stream);
    if (job == nullptr) return;
    if (!job->is_fetch) {
      c.codec->consumed(stream, bytes.size());
      if (job->response.body.size() + bytes.size() > limits_.max_answer) {
        return give_up(*job, {Errc::kTooLarge, "the answer is above its limit"});
      }
      job->response.body.append(bytes);
      return;
    }
    job->upload->write(bytes);
    if (const Error* error = job->upload->failed(); error != nullptr) return give_up(*job, *error);
    job->unconsumed += bytes.size();
    if (!c.h2 && !job->slow && job->upload->pending() > kDiskAhead) {
      job->slow = true;
      if (c.slow++ == 0) c.pump->pause();
    }
  }

  void on_done(Connection& c, wire::RequestId stream) {
    Job* job = find(c, stream);
    if (job == nullptr) return;
    ++c.served;
    detach(*job);
    if (!job->is_fetch) return complete(*job, std::move(job->response));
    job->timer.cancel();  // from here the disk decides
    std::string mime(job->response.headers.get("content-type"));
    job->upload->finish(job->sha256, [weak = weak_from_this(), id = job->id, mime = std::move(mime)](Result<StoredMedia> stored) {
      const auto self = weak.lock();
      if (!self) return;
      const auto it = self->jobs_.find(id);
      if (it == self->jobs_.end()) return;
      if (!stored) return self->fail_job(*it->second, stored.error());
      self->complete(*it->second, HttpClient::Fetched{stored->sha256, stored->size, mime});
    });
  }

  void on_failed(Connection& c, wire::RequestId stream, const Error& error) {
    Job* job = find(c, stream);
    if (job == nullptr) return;
    detach(*job);
    if (error.code == Errc::kUnavailable) return again_or(*job, error);
    lost(*job, c, true, error);
  }

  // ---- what their Pumps say

  void flush(Connection& c) {
    if (c.removed || c.feeding) return;
    c.feeding = true;  // take() may say that a request failed
    while (c.pump->queued() < kWriteAhead) {
      const std::string bytes = c.codec->take();
      if (bytes.empty()) break;
      c.pump->write(bytes);
    }
    c.feeding = false;
  }

  void heard(Connection& c, std::string_view bytes) {
    c.heard += bytes.size();
    c.feeding = true;
    const bool open = c.codec->feed(bytes);
    c.feeding = false;
    flush(c);
    if (!open) return remove(c, {Errc::kClosed, "the peer broke the protocol"}, true);
    settle(c);
  }

  void ended(Connection& c) {
    c.feeding = true;
    c.codec->input_ended();
    c.feeding = false;
    remove(c, {Errc::kClosed, "the peer closed the connection"});
  }

  void down(Connection& c, const Error& error) { remove(c, {Errc::kClosed, "the connection fell: " + error.detail}); }

 private:
  // ---- a call begins

  void start(std::unique_ptr<Job> job, const std::string& method, const std::string& url, const Headers& headers,
             const std::string& body, std::int64_t timeout_ms, const std::vector<std::string>* allowed_hosts) {
    Job& j = *job;
    jobs_[j.id] = std::move(job);
    auto target = parse_url(url);
    if (!target) return fail_job(j, target.error());
    if (allowed_hosts != nullptr) {
      const auto is_this = [&](const std::string& host) { return lower(host) == target->host; };
      if (!std::any_of(allowed_hosts->begin(), allowed_hosts->end(), is_this)) {
        return fail_job(j, {Errc::kForbidden, "the url's host is not allowed"});
      }
      if (!target->tls && !is_loopback(target->host)) return fail_job(j, {Errc::kForbidden, "media comes by https only"});
      if (media_ == nullptr) return fail_job(j, {Errc::kUnavailable, "there is no media store"});
    }
    if (target->tls && tls_ == nullptr) return fail_job(j, {Errc::kUnavailable, "there is no TLS context"});
    HttpRequest& r = j.request;
    r.method = method;
    r.target = target->path;
    r.scheme = target->tls ? "https" : "http";
    r.authority = target->authority;
    r.headers = headers;
    if (!r.headers.has("user-agent")) r.headers.add("user-agent", "belfry");
    r.body = body;
    if (const auto why = wire::unsendable(r); !why.empty()) return fail_job(j, {Errc::kBadInput, std::string(why)});

    Origin& origin = origin_of(*target);
    j.origin = &origin;
    dispatch(origin);  // what waits longer goes first
    if (origin.waiting.size() >= limits_.waiting_per_origin)
      return fail_job(j, {Errc::kBusy, "too many calls wait for this host"});
    j.timer.expires_after(std::chrono::milliseconds(std::max<std::int64_t>(1, timeout_ms)));
    j.timer.async_wait([weak = weak_from_this(), id = j.id](const asio::error_code& error) {
      if (error) return;
      if (const auto self = weak.lock()) self->late(id);
    });
    origin.waiting.push_back(j.id);
    dispatch(origin);
  }

  Origin& origin_of(const Target& target) {
    const std::string key = (target.tls ? "s" : "p") + target.address;
    auto& slot = origins_[key];
    if (!slot) {
      slot = std::make_unique<Origin>();
      slot->key = key;
      slot->target = target;
    }
    return *slot;
  }

  // ---- waiting calls meet connections

  void dispatch(Origin& origin) {
    while (!origin.waiting.empty()) {
      Connection* free = nullptr;
      // The one used last: so those not needed grow old and go.
      for (auto it = origin.connections.rbegin(); it != origin.connections.rend(); ++it) {
        Connection& c = **it;
        if (c.removed || c.draining || c.feeding || c.codec->room() == 0) continue;
        if (free == nullptr || (c.h2 && !free->h2)) free = &c;
      }
      if (free == nullptr) break;
      const JobId id = origin.waiting.front();
      origin.waiting.pop_front();
      const auto it = jobs_.find(id);
      if (it != jobs_.end()) assign(*free, *it->second);
    }
    connect_more(origin);
  }

  void assign(Connection& c, Job& job) {
    job.connection = &c;
    job.heard_before = c.heard;
    ++job.tries;
    c.pump->set_deadline(0);
    job.stream = c.codec->send(job.request);
    if (job.stream == 0) {
      job.connection = nullptr;
      c.draining = true;
      again_or(job, {Errc::kUnavailable, "the connection takes no more requests"});
      return;
    }
    c.jobs[job.stream] = job.id;
    flush(c);
  }

  void connect_more(Origin& origin) {
    const auto open = std::count_if(origin.connections.begin(), origin.connections.end(),
                                    [](const auto& c) { return !c->removed && !c->draining; });
    // One HTTP/2 connection carries a hundred calls; until ALPN has spoken, one attempt is enough to find out.
    const bool one_is_enough = origin.target.tls && origin.h2.value_or(true);
    // One that has not said yet how many calls it takes will most likely take them all.
    const bool undecided = std::any_of(origin.connections.begin(), origin.connections.end(),
                                       [](const auto& c) { return !c->removed && !c->draining && c->h2 && c->heard == 0; });
    if (undecided) return;
    const std::size_t wanted = one_is_enough ? std::min<std::size_t>(1, origin.waiting.size()) : origin.waiting.size();
    while (static_cast<std::size_t>(origin.connecting) < wanted && open + origin.connecting < limits_.connections_per_origin) {
      ++origin.connecting;
      ConnectOptions options;
      options.timeout_ms = kConnectMs;
      if (origin.target.tls) {
        options.tls = tls_;
        options.server_name = origin.target.host;
        options.alpn = "h2,http/1.1";
      }
      connect_pump(loop_, origin.target.address, std::move(options),
                   [weak = weak_from_this(), key = origin.key](Result<std::shared_ptr<Pump>> pump) {
                     const auto self = weak.lock();
                     if (self) {
                       self->connected(key, std::move(pump));
                     } else if (pump) {
                       (*pump)->close();
                     }
                   });
    }
  }

  void connected(const std::string& key, Result<std::shared_ptr<Pump>> pump) {
    const auto it = origins_.find(key);
    if (it == origins_.end()) {
      if (pump) (*pump)->close();
      return;
    }
    Origin& origin = *it->second;
    --origin.connecting;
    if (!pump) {
      const bool others = std::any_of(origin.connections.begin(), origin.connections.end(),
                                      [](const auto& c) { return !c->removed && !c->draining; });
      if (!others) {
        // Nothing was sent, and the caller has a backoff of his own.
        for (const JobId id : std::exchange(origin.waiting, {})) {
          if (const auto job = jobs_.find(id); job != jobs_.end()) {
            fail_job(*job->second, {Errc::kUnavailable, "cannot connect: " + pump.error().detail});
          }
        }
      }
      forget_if_unused(key);
      return;
    }
    auto connection = std::make_shared<Connection>(*this, origin);
    Connection& c = *connection;
    c.pump = std::move(*pump);
    c.idle_ms = limits_.idle_ms;
    c.h2 = c.pump->alpn() == "h2";
    origin.h2 = c.h2;
    if (c.h2) {
      c.codec = std::make_unique<wire::Http2Client>(c, "https");
    } else {
      c.codec = std::make_unique<wire::Http1Client>(c);
    }
    const auto with = [weak = std::weak_ptr<Connection>(connection)](auto act) {
      if (const auto alive = weak.lock(); alive && !alive->removed) act(*alive);
    };
    PumpHandlers handlers;
    handlers.on_bytes = [with](std::string_view bytes) { with([&](Connection& x) { x.pool.heard(x, bytes); }); };
    handlers.on_end = [with] { with([](Connection& x) { x.pool.ended(x); }); };
    handlers.on_down = [with](const Error& error) { with([&](Connection& x) { x.pool.down(x, error); }); };
    handlers.on_drained = [with] { with([](Connection& x) { x.pool.flush(x); }); };
    origin.connections.push_back(std::move(connection));
    c.pump->start(std::move(handlers));
    flush(c);
    settle(c);
  }

  // After anything that may have changed what the connection does.
  void settle(Connection& c) {
    if (c.removed || c.feeding) return;
    if (c.jobs.empty() && (c.draining || c.codec->wants_close()))
      return remove(c, {Errc::kClosed, "the connection is over"}, true);
    if (c.jobs.empty()) c.pump->set_deadline(c.idle_ms);
    Origin& origin = c.origin;
    // Keep those used last at the end.
    const auto it =
        std::find_if(origin.connections.begin(), origin.connections.end(), [&c](const auto& p) { return p.get() == &c; });
    std::rotate(it, it + 1, origin.connections.end());
    dispatch(origin);
  }

  // `politely`: what is written still goes out.
  void remove(Connection& c, const Error& why, bool politely = false) {
    if (std::exchange(c.removed, true)) return;
    if (politely) {
      c.pump->finish();
    } else {
      c.pump->close();
    }
    Origin& origin = c.origin;
    std::vector<JobId> ids;
    for (const auto& [stream, id] : c.jobs) ids.push_back(id);
    for (const JobId id : ids) {
      const auto it = jobs_.find(id);
      if (it == jobs_.end()) continue;
      Job& job = *it->second;
      const bool written = c.codec->written(job.stream);
      detach(job);
      lost(job, c, written, why);
    }
    const auto it =
        std::find_if(origin.connections.begin(), origin.connections.end(), [&c](const auto& p) { return p.get() == &c; });
    asio::post(loop_, [weak = weak_from_this(), dead = *it, key = origin.key]() mutable {
      dead.reset();
      if (const auto self = weak.lock()) self->forget_if_unused(key);
    });
    origin.connections.erase(it);
    dispatch(origin);
  }

  void forget_if_unused(const std::string& key) {
    const auto it = origins_.find(key);
    if (it == origins_.end()) return;
    const Origin& o = *it->second;
    if (!o.connections.empty() || !o.waiting.empty() || o.connecting > 0) return;
    const bool used = std::any_of(jobs_.begin(), jobs_.end(), [&o](const auto& j) { return j.second->origin == &o; });
    if (!used) origins_.erase(it);
  }

  // ---- a call ends

  Job* find(Connection& c, wire::RequestId stream) {
    const auto it = c.jobs.find(stream);
    if (it == c.jobs.end()) return nullptr;
    const auto job = jobs_.find(it->second);
    return job == jobs_.end() ? nullptr : job->second.get();
  }

  void detach(Job& job) {
    Connection* c = std::exchange(job.connection, nullptr);
    if (c == nullptr) return;
    c->jobs.erase(job.stream);
    if (std::exchange(job.slow, false) && --c->slow == 0 && !c->removed) c->pump->resume();
  }

  // Its connection is of no use any more.
  void lost(Job& job, const Connection& c, bool written, const Error& why) {
    if (!written) return again_or(job, {Errc::kUnavailable, why.detail});
    if (c.served > 0 && !job.answered && wire::is_idempotent(job.request.method) && job.tries < kMaxBlindTries) {
      // What was idle beside it is as old: the second try must not meet the same fate.
      for (auto& other : job.origin->connections) {
        if (other.get() != &c && other->jobs.empty()) other->draining = true;
      }
      return again_or(job, why);
    }
    fail_job(job, {Errc::kClosed, why.detail});
  }

  void again_or(Job& job, const Error& error) {
    if (job.tries >= kMaxTries || job.answered) return fail_job(job, error);
    job.origin->waiting.push_front(job.id);
    // The caller goes on to dispatch(), once the codec has returned; where none does, the next turn will.
    asio::post(loop_, [weak = weak_from_this(), key = job.origin->key] {
      const auto self = weak.lock();
      if (!self) return;
      const auto it = self->origins_.find(key);
      if (it != self->origins_.end()) self->dispatch(*it->second);
    });
  }

  // The call ends here; its connection may have to go with it.
  void give_up(Job& job, const Error& error) {
    Connection* c = job.connection;
    if (c != nullptr) {
      const wire::RequestId stream = job.stream;
      detach(job);
      c->codec->cancel(stream);
    }
    fail_job(job, error);
    if (c != nullptr && !c->feeding) {
      flush(*c);
      settle(*c);
    }
  }

  void late(JobId id) {
    const auto it = jobs_.find(id);
    if (it == jobs_.end()) return;
    Job& job = *it->second;
    Connection* c = job.connection;
    if (c == nullptr) {
      std::erase(job.origin->waiting, id);
      return fail_job(job, {Errc::kUnavailable, "no connection in time"});
    }
    const bool written = c->codec->written(job.stream);
    // Not an octet since the request went out: the connection is probably dead, and others must not wait on it too.
    if (written && c->heard == job.heard_before) c->draining = true;
    give_up(job,
            written ? Error{Errc::kTimeout, "no whole answer in time"} : Error{Errc::kUnavailable, "could not be sent in time"});
  }

  void fail_job(Job& job, const Error& error) {
    if (job.is_fetch) {
      complete(job, tl::unexpected(error));
    } else {
      complete(job, tl::unexpected(error));
    }
  }

  template <class T>
  void complete(Job& job, T result) {
    job.timer.cancel();
    detach(job);
    if (job.is_fetch) {
      if constexpr (!std::is_same_v<T, HttpResponse>) {
        ready_.emplace_back(std::pair{std::move(job.fetch_done), Result<HttpClient::Fetched>(std::move(result))});
      }
    } else {
      if constexpr (!std::is_same_v<T, HttpClient::Fetched>) {
        ready_.emplace_back(std::pair{std::move(job.done), Result<HttpResponse>(std::move(result))});
      }
    }
    jobs_.erase(job.id);
    if (ready_.size() > 1) return;
    // Answers are told in a turn of their own: the caller may call again, or let us go.
    asio::post(loop_, [weak = weak_from_this()] {
      const auto self = weak.lock();
      if (!self) return;
      for (auto& answer : std::exchange(self->ready_, {})) {
        std::visit([](auto& pair) { pair.first(std::move(pair.second)); }, answer);
      }
    });
  }

  // Told, at the latest, when the wait for the disk is over.
  void drained(JobId id) {
    const auto it = jobs_.find(id);
    if (it == jobs_.end()) return;
    Job& job = *it->second;
    Connection* c = job.connection;
    if (const Error* error = job.upload->failed(); error != nullptr && c != nullptr) return give_up(job, *error);
    if (c == nullptr || c->removed) return;
    if (c->h2) {
      c->codec->consumed(job.stream, std::exchange(job.unconsumed, 0));
      flush(*c);
    } else if (std::exchange(job.slow, false) && --c->slow == 0) {
      c->pump->resume();
    }
  }

  asio::io_context& loop_;
  SSL_CTX* const tls_;
  const HttpClientLimits limits_;
  MediaStore* const media_;
  std::map<std::string, std::unique_ptr<Origin>> origins_;
  std::unordered_map<JobId, std::unique_ptr<Job>> jobs_;
  JobId last_job_ = 0;
  std::vector<Answer> ready_;
};

void Connection::on_head(wire::RequestId id, HttpResponse head) { pool.on_head(*this, id, std::move(head)); }
void Connection::on_body(wire::RequestId id, std::string_view bytes) { pool.on_body(*this, id, bytes); }
void Connection::on_done(wire::RequestId id) { pool.on_done(*this, id); }
void Connection::on_failed(wire::RequestId id, Error error) { pool.on_failed(*this, id, error); }

class PooledClient final : public HttpClient {
 public:
  PooledClient(asio::io_context& loop, SSL_CTX* tls, MediaStore* media, HttpClientLimits limits)
      : pool_(std::make_shared<Pool>(loop, tls, media, limits)) {}
  ~PooledClient() override { pool_->stop(); }
  PooledClient(const PooledClient&) = delete;
  PooledClient& operator=(const PooledClient&) = delete;

  void call(const Call& call, Done done) override { pool_->call(call, std::move(done)); }
  void fetch(const Fetch& fetch, FetchDone done) override { pool_->fetch(fetch, std::move(done)); }

 private:
  std::shared_ptr<Pool> pool_;  // shared with completions that may come after it: they find it gone
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(asio::io_context& loop, SSL_CTX* tls, MediaStore* media, HttpClientLimits limits) {
  return std::make_unique<PooledClient>(loop, tls, media, limits);
}

}  // namespace belfry::gateway
