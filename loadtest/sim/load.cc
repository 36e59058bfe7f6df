// `belfry-sim load webhook|sms|sendsms`: signed webhooks, or texts to be sent by REST or by kannel's sendsms, as fast or as
// regular as asked, for the fewest microseconds each.
//
// Plain epoll and hand-written HTTP/1.1: the request is built once per connection with fixed slots (id, sender, text, signature)
// that are patched in place, so a request costs one HMAC, one send, one recv. Open loop (--rate) measures from the moment a
// request was due, not from when a connection was free, so that a stall of the server is not hidden (coordinated omission).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "base.h"
#include "desks.h"
#include "journal.h"
#include "options.h"
#include "roles.h"

namespace sim {

namespace {

volatile std::sig_atomic_t interrupted = 0;

constexpr std::size_t kMaxAnswer = 16 * 1024;
constexpr std::size_t kIdDigits = 12;
constexpr std::size_t kMarkDigits = 20;

// Writes `value` with leading zeros into exactly `width` bytes.
void put_digits(char* at, std::size_t width, std::uint64_t value) {
  for (std::size_t i = width; i-- > 0; value /= 10) at[i] = static_cast<char>('0' + value % 10);
}

std::uint64_t mix(std::uint64_t value) {  // splitmix64: spreads sequence numbers over citizens, the same for the same seed
  value += 0x9e3779b97f4a7c15ULL;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

// One request with its slots. Every connection has a copy of the bytes; the offsets are common. 0: it has no such slot.
struct Template {
  std::string bytes;
  std::size_t body = 0, signature = 0, contact = 0, name = 0, from = 0, id = 0, mark = 0, number = 0, account = 0;
  std::size_t to = 0, key = 0;  // of a text that is to be sent: the recipient's last 8 digits, the Idempotency-Key's number
};

// POST /api/v1/messages: a JSON body, or a GET with all of it in the query, as kannel's smsbox wants it.
struct TextForm {
  std::string account, key, from, username, password, to_prefix;
  std::size_t size = 160;
  bool idempotent = false, get = false;
};

Template build_text_template(const Url& url, const TextForm& form, const std::string& nonce) {
  Template out;
  const std::string mark = "sim-" + nonce.substr(0, 8) + "-";
  std::string text = mark + std::string(kIdDigits, '0') +
                     " there is no water in our street since this morning and nobody answers the telephone; ";
  if (form.size < mark.size() + kIdDigits) throw Refusal("--text-size: give at least " + std::to_string(mark.size() + kIdDigits));
  while (text.size() < form.size) text += "we are working on it; ";
  text.resize(form.size);
  if (text.back() == ' ') text.back() = '.';
  const std::string to = form.to_prefix + std::string(8, '0');
  std::string head;
  if (form.get) {
    for (auto at = text.find(' '); at != std::string::npos; at = text.find(' ', at)) text[at] = '+';
    head = "GET " + url.target + (url.target.find('?') == std::string::npos ? "?" : "&") + "username=" + form.username +
           "&password=" + form.password + "&from=" + form.from + "&to=" + to + "&text=" + text +
           " HTTP/1.1\r\nHost: " + url.authority() + "\r\nUser-Agent: belfry-sim\r\nAccept: */*\r\n\r\n";
    out.bytes = head;
    out.body = head.size();
    out.to = head.find("&to=" + to) + 4 + form.to_prefix.size();
  } else {
    const std::string body = nlohmann::ordered_json{{"account", form.account}, {"to", "+" + to}, {"text", text}}.dump();
    head = "POST " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
           "\r\nUser-Agent: belfry-sim\r\nAccept: application/json\r\nAuthorization: Bearer " + form.key + "\r\n";
    if (form.idempotent) {
      head += "Idempotency-Key: " + nonce + "-";
      out.key = head.size();
      head += std::string(kIdDigits, '0') + "\r\n";
    }
    head += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    out.body = head.size();
    out.bytes = head + body;
    out.to = out.bytes.find("\"+" + to) + 2 + form.to_prefix.size();
  }
  out.number = out.bytes.find(mark, form.get ? 0 : out.body) + mark.size();
  return out;
}

Template build_template(const Url& url, const std::string& pnid, std::size_t size, const std::string& nonce) {
  const std::string stamp = std::to_string(wall_ms() / 1000);
  Template out;
  std::string body =
      R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"value":{"messaging_product":"whatsapp",)"
      R"("metadata":{"display_phone_number":"15550783881","phone_number_id":")";
  out.account = body.size();
  body += pnid + R"("},"contacts":[{"profile":{"name":"Citizen )";
  out.name = body.size();
  body += R"(0000000"},"wa_id":")";
  out.contact = body.size();
  body += R"(499900000000"}],"messages":[{"from":")";
  out.from = body.size();
  body += R"(499900000000","id":"wamid.)" + nonce;
  out.id = body.size();
  body += std::string(kIdDigits, '0') + R"(","timestamp":")" + stamp + R"(","text":{"body":"bt=)";
  out.mark = body.size();
  body += std::string(kMarkDigits, '0') + " n=";
  out.number = body.size();
  body += std::string(kIdDigits, '0') + " ";
  const std::string tail = R"("},"type":"text"}]},"field":"messages"}]}]})";
  static constexpr std::string_view kWords =
      "there is no water in our street since this morning and nobody answers the telephone; ";
  if (body.size() + tail.size() > size) {
    throw Refusal("--size " + std::to_string(size) + ": a webhook of this kind has at least " +
                  std::to_string(body.size() + tail.size()) + " bytes; give that or more");
  }
  for (std::size_t i = 0; body.size() + tail.size() < size; ++i) body += kWords[i % kWords.size()];
  body += tail;
  std::string head = "POST " + url.target + " HTTP/1.1\r\nHost: " + url.authority() +
                     "\r\nUser-Agent: facebookexternalua\r\nAccept: */*\r\nContent-Type: application/json\r\nContent-Length: " +
                     std::to_string(body.size()) + "\r\nX-Hub-Signature-256: sha256=";
  out.signature = head.size();
  head += std::string(64, '0') + "\r\n\r\n";
  out.body = head.size();
  for (auto* slot : {&out.name, &out.contact, &out.from, &out.id, &out.mark, &out.number, &out.account}) *slot += head.size();
  out.bytes = head + body;
  return out;
}

struct Plan {
  Url url;                // the first; the Host of every request is its, as if one name stood before all of them
  std::vector<Url> urls;  // a connection that fails or hears 503 goes on to the next
  std::size_t connections = 64;
  std::uint64_t count = 0;  // 0: by time only
  std::int64_t limit_ns = 0;
  double rate = 0;             // 0: closed loop
  std::uint64_t citizens = 1;  // 0: another one for each message
  std::uint64_t first_citizen = 0;
  std::vector<std::string> accounts;  // their phone_number_ids, as long as each other; citizens are spread over them
  std::string to_prefix;              // of a text's recipient
  double duplicates = 0, bad = 0;
  bool retry = false;
  std::int64_t timeout_ns = 0, give_up_ns = 0;
};

struct Line {
  enum class State { kClosed, kConnecting, kHandshake, kIdle, kSending, kWaiting };
  State state = State::kClosed;
  std::size_t server = 0;  // of the plan's urls
  int fd = -1;
  SSL* ssl = nullptr;
  std::string out;
  std::size_t sent = 0;
  std::string in;
  std::uint64_t number = 0;     // of the message in `out`
  std::uint64_t last_kept = 0;  // of the last message that was accepted here, + 1; what a duplicate repeats
  bool pending = false;         // `number` still waits for its yes (a repeat, after a lost connection or a 503)
  bool bad = false, duplicate = false;
  std::int64_t due = 0;      // when it should have been sent
  std::int64_t sent_at = 0;  // when its present try began
  std::int64_t retry_at = 0;
  std::int64_t failing_since = 0;
  std::uint32_t interest = 0;
};

class Generator {
 public:
  Generator(Plan plan, Template form, Signer* signer, SSL_CTX* tls, Journal& journal, std::string nonce, std::uint64_t seed)
      : plan_(std::move(plan)),
        form_(std::move(form)),
        signer_(signer),
        tls_(tls),
        journal_(journal),
        nonce_(std::move(nonce)),
        chance_(seed),
        seed_(seed),
        lines_(plan_.connections),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      lines_[i].out = form_.bytes;
      lines_[i].server = i % plan_.urls.size();
    }
    // Edge-triggered: each arming announces itself once and needs no read.
    epoll_event event{EPOLLIN | EPOLLET, {.u64 = ~0ULL}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, timer_, &event);
  }
  ~Generator() {
    for (auto& line : lines_) close_line(line);
    ::close(epoll_);
    ::close(timer_);
  }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Connections first, so that the clock measures requests only.
  void connect_all() {
    const auto until = mono_ns() + 10'000'000'000;
    for (auto& line : lines_) open_line(line);
    while (idle_.size() < lines_.size()) {
      if (mono_ns() > until) {
        throw Failure("only " + std::to_string(idle_.size()) + " of " + std::to_string(lines_.size()) + " connections to " +
                      plan_.url.origin() + " stand after 10 s (" + (last_error_.empty() ? "no error seen" : last_error_) +
                      "); start the server first, or lower --connections");
      }
      turn(20);
      for (auto& line : lines_) {
        if (line.state == Line::State::kClosed && mono_ns() >= line.retry_at) open_line(line);
      }
    }
    connect_errors_ = 0;
  }

  void run() {
    began_ = mono_ns();
    const auto stop_at = began_ + plan_.limit_ns;
    running_ = true;
    if (plan_.rate <= 0) {
      auto ready = std::move(idle_);
      idle_.clear();
      for (auto* line : ready) next(*line);
    }
    auto check_at = began_;
    while (!given_up_) {
      const auto now = mono_ns();
      const bool all_begun = plan_.count != 0 && begun_ >= plan_.count;
      if (interrupted || now >= stop_at) running_ = false;
      if (!running_ || all_begun) {
        if (outstanding() == 0) break;
        if (now >= stop_at + plan_.timeout_ns) break;
      }
      if (plan_.rate > 0 && running_ && !all_begun) {
        while (!idle_.empty() && running_ && (plan_.count == 0 || begun_ < plan_.count) && due(begun_) <= now) {
          auto* line = idle_.back();
          idle_.pop_back();
          start(*line, due(begun_));
        }
        if (!idle_.empty() && (plan_.count == 0 || begun_ < plan_.count)) arm(due(begun_));
      }
      turn(10);
      if (const auto later = mono_ns(); later - check_at > 5'000'000) {
        check_at = later;
        look_after(later);
      }
    }
    ended_ = mono_ns();
    journal_.flush();
  }

  nlohmann::ordered_json report() const;
  std::uint64_t accepted_fresh() const { return accepted_fresh_; }
  bool gave_up() const { return given_up_; }
  double seconds() const { return static_cast<double>(ended_ - began_) / 1e9; }
  std::uint64_t answers() const { return answers_; }

 private:
  std::int64_t due(std::uint64_t index) const {
    return began_ + static_cast<std::int64_t>(static_cast<double>(index) * 1e9 / plan_.rate);
  }

  void arm(std::int64_t at) {
    if (armed_ == at) return;
    armed_ = at;
    itimerspec when{};
    when.it_value.tv_sec = at / 1'000'000'000;
    when.it_value.tv_nsec = at % 1'000'000'000;
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
  }

  std::size_t outstanding() const {
    return static_cast<std::size_t>(std::count_if(lines_.begin(), lines_.end(), [](const Line& line) { return line.pending; }));
  }

  void want(Line& line, std::uint32_t events) {
    if (line.interest == events) return;
    epoll_event event{events, {.u64 = static_cast<std::uint64_t>(&line - lines_.data())}};
    epoll_ctl(epoll_, line.interest == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, line.fd, &event);
    line.interest = events;
  }

  void open_line(Line& line) {
    const Url& url = plan_.urls[line.server % plan_.urls.size()];
    const bool six = url.host == "::1";
    line.fd = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (line.fd < 0)
      throw Failure(std::string("no more sockets: ") + std::strerror(errno) + "; raise ulimit -n or lower --connections");
    const int on = 1;
    setsockopt(line.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int result = 0;
    if (six) {
      sockaddr_in6 to{};
      to.sin6_family = AF_INET6;
      to.sin6_port = htons(url.port);
      to.sin6_addr = in6addr_loopback;
      result = ::connect(line.fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
    } else {
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_port = htons(url.port);
      inet_pton(AF_INET, url.host.c_str(), &to.sin_addr);
      result = ::connect(line.fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
    }
    line.interest = 0;
    line.in.clear();
    line.state = Line::State::kConnecting;
    line.sent_at = mono_ns();
    if (result != 0 && errno != EINPROGRESS) return lose(line, std::strerror(errno));
    want(line, EPOLLOUT);
  }

  void close_line(Line& line) {
    if (line.ssl != nullptr) SSL_free(line.ssl);
    line.ssl = nullptr;
    if (line.fd >= 0) ::close(line.fd);
    line.fd = -1;
    line.interest = 0;
    line.state = Line::State::kClosed;
  }

  // The connection is gone. What it carried is unknown to us: kept or not, we heard no yes.
  void lose(Line& line, const char* why) {
    last_error_ = why;
    const bool was_idle = line.state == Line::State::kIdle;
    const bool was_opening = line.state == Line::State::kConnecting || line.state == Line::State::kHandshake;
    if (was_idle) idle_.erase(std::remove(idle_.begin(), idle_.end(), &line), idle_.end());
    if (was_opening) ++connect_errors_;
    if (!was_opening && line.pending) {
      ++lost_;
      if (!plan_.retry) line.pending = false;
    }
    close_line(line);
    if (running_) ++line.server;
    const auto now = mono_ns();
    if (line.failing_since == 0) line.failing_since = now;
    line.retry_at = now + (was_opening ? 50'000'000 : 1'000'000);
  }

  // Reopens lost connections, repeats what must be repeated, ends what takes too long.
  void look_after(std::int64_t now) {
    bool one_works = false;
    for (auto& line : lines_) {
      if (line.state == Line::State::kClosed) {
        if (now >= line.retry_at && (running_ || line.pending)) open_line(line);
      } else if (line.state == Line::State::kIdle) {
        one_works = true;
        if (line.pending && now >= line.retry_at) {
          idle_.erase(std::remove(idle_.begin(), idle_.end(), &line), idle_.end());
          send_again(line);
        } else if (plan_.rate <= 0 && !line.pending && now >= line.retry_at && running_) {
          idle_.erase(std::remove(idle_.begin(), idle_.end(), &line), idle_.end());
          next(line);
        }
      } else if (now - line.sent_at > plan_.timeout_ns) {
        ++timeouts_;
        lose(line, "no answer in time");
      }
      if (line.failing_since == 0) one_works = true;
    }
    if (one_works) {
      all_failing_since_ = 0;
    } else if (all_failing_since_ == 0) {
      all_failing_since_ = now;
    } else if (now - all_failing_since_ > plan_.give_up_ns) {
      given_up_ = true;
    }
  }

  void next(Line& line) {
    if (line.pending) return send_again(line);
    if (!running_ || (plan_.count != 0 && begun_ >= plan_.count)) {
      line.state = Line::State::kIdle;
      idle_.push_back(&line);
      return;
    }
    start(line, mono_ns());
  }

  void start(Line& line, std::int64_t due_at) {
    const auto index = begun_++;
    line.due = due_at;
    line.duplicate = line.last_kept != 0 && chance_.happens(plan_.duplicates);
    line.bad = chance_.happens(plan_.bad);
    line.number = line.duplicate ? line.last_kept - 1 : fresh_++;
    static_cast<void>(index);
    line.pending = true;
    send_again(line);
  }

  void send_again(Line& line) {
    char* const out = line.out.data();
    const auto citizen =
        plan_.first_citizen + (plan_.citizens == 0 ? line.number : mix(line.number ^ (seed_ << 20)) % plan_.citizens);
    if (signer_ == nullptr) {
      put_digits(out + form_.to, 8, citizen);
      put_digits(out + form_.number, kIdDigits, line.number);
      if (form_.key != 0) put_digits(out + form_.key, kIdDigits, line.number);
      return begin_sending(line);
    }
    const std::string& account = plan_.accounts[citizen % plan_.accounts.size()];
    std::memcpy(out + form_.account, account.data(), account.size());
    put_digits(out + form_.name, 7, citizen);
    put_digits(out + form_.contact + 4, 8, citizen);
    put_digits(out + form_.from + 4, 8, citizen);
    put_digits(out + form_.id, kIdDigits, line.number);
    put_digits(out + form_.number, kIdDigits, line.number);
    put_digits(out + form_.mark, kMarkDigits, static_cast<std::uint64_t>(line.due));
    signer_->sign({out + form_.body, line.out.size() - form_.body}, out + form_.signature);
    if (line.bad) out[form_.signature] = out[form_.signature] == 'f' ? '0' : 'f';
    begin_sending(line);
  }

  void begin_sending(Line& line) {
    line.sent = 0;
    line.sent_at = mono_ns();
    line.state = Line::State::kSending;
    write(line);
  }

  void write(Line& line) {
    while (line.sent < line.out.size()) {
      ssize_t wrote = 0;
      if (line.ssl != nullptr) {
        wrote = SSL_write(line.ssl, line.out.data() + line.sent, static_cast<int>(line.out.size() - line.sent));
        if (wrote <= 0) {
          const int why = SSL_get_error(line.ssl, static_cast<int>(wrote));
          ERR_clear_error();
          if (why == SSL_ERROR_WANT_WRITE) return want(line, EPOLLIN | EPOLLOUT);
          if (why == SSL_ERROR_WANT_READ) return want(line, EPOLLIN);
          return lose(line, "the TLS connection ended");
        }
      } else {
        wrote = ::send(line.fd, line.out.data() + line.sent, line.out.size() - line.sent, MSG_NOSIGNAL);
        if (wrote < 0) {
          if (errno == EAGAIN) return want(line, EPOLLIN | EPOLLOUT);
          return lose(line, std::strerror(errno));
        }
      }
      line.sent += static_cast<std::size_t>(wrote);
    }
    line.state = Line::State::kWaiting;
    want(line, EPOLLIN);
  }

  void handshake(Line& line) {
    const int done = SSL_do_handshake(line.ssl);
    if (done == 1) {
      want(line, EPOLLIN);
      return opened(line);
    }
    const int why = SSL_get_error(line.ssl, done);
    if (why == SSL_ERROR_WANT_READ) return want(line, EPOLLIN);
    if (why == SSL_ERROR_WANT_WRITE) return want(line, EPOLLOUT);
    static char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    lose(line, text);
  }

  void opened(Line& line) {
    line.failing_since = 0;
    line.state = Line::State::kIdle;
    if (line.pending) return send_again(line);
    if (began_ != 0 && plan_.rate <= 0 && running_) return next(line);
    idle_.push_back(&line);
  }

  void ready(Line& line, std::uint32_t events) {
    switch (line.state) {
      case Line::State::kClosed: return;
      case Line::State::kConnecting: {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(line.fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) return lose(line, std::strerror(error));
        if (tls_ == nullptr) {
          want(line, EPOLLIN);
          return opened(line);
        }
        line.ssl = SSL_new(tls_);
        SSL_set_fd(line.ssl, line.fd);
        SSL_set_connect_state(line.ssl);
        line.state = Line::State::kHandshake;
        return handshake(line);
      }
      case Line::State::kHandshake: return handshake(line);
      case Line::State::kSending:
        if ((events & (EPOLLOUT | EPOLLIN)) != 0) return write(line);
        return lose(line, "the connection ended");
      case Line::State::kIdle:
      case Line::State::kWaiting: return read(line);
    }
  }

  void read(Line& line) {
    char chunk[8192];
    while (line.fd >= 0) {
      ssize_t got = 0;
      if (line.ssl != nullptr) {
        got = SSL_read(line.ssl, chunk, sizeof chunk);
        if (got <= 0) {
          const int why = SSL_get_error(line.ssl, static_cast<int>(got));
          ERR_clear_error();
          if (why == SSL_ERROR_WANT_READ) return;
          return lose(line, "the TLS connection ended");
        }
      } else {
        got = ::recv(line.fd, chunk, sizeof chunk, 0);
        if (got < 0) {
          if (errno == EAGAIN) return;
          return lose(line, std::strerror(errno));
        }
        if (got == 0) return lose(line, "the server closed the connection");
      }
      if (line.state != Line::State::kWaiting) return lose(line, "an answer that nobody asked for");
      const std::string_view fresh(chunk, static_cast<std::size_t>(got));
      if (line.in.empty()) {
        const auto used = answer(line, fresh);
        if (used == 0) line.in = fresh;
      } else {
        line.in += fresh;
        if (answer(line, line.in) != 0) line.in.clear();
      }
      if (line.in.size() > kMaxAnswer) return lose(line, "an answer longer than 16 KiB");
      if (line.ssl == nullptr) return;  // level-triggered: a second recv would only say EAGAIN
    }
  }

  // Reads one whole answer; 0 if it is not all there. Without pipelining nothing may follow it.
  std::size_t answer(Line& line, std::string_view bytes) {
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    int code = 0;
    if (bytes.size() < 12 || bytes.substr(0, 7) != "HTTP/1." ||
        std::from_chars(bytes.data() + 9, bytes.data() + 12, code).ec != std::errc{}) {
      lose(line, "not an HTTP/1.1 answer");
      return bytes.size();
    }
    std::size_t length = 0;
    bool closes = false;
    for (auto at = bytes.find("\r\n") + 2; at < end + 2;) {
      const auto stop = bytes.find("\r\n", at);
      const auto head = bytes.substr(at, stop - at);
      const auto is = [&](std::string_view name) {
        return head.size() > name.size() && strncasecmp(head.data(), name.data(), name.size()) == 0;
      };
      if (is("content-length:")) {
        auto digits = head.substr(15);
        while (!digits.empty() && digits[0] == ' ') digits.remove_prefix(1);
        std::from_chars(digits.data(), digits.data() + digits.size(), length);
      } else if (is("connection:")) {
        closes = head.find("close") != std::string_view::npos;
      }
      at = stop + 2;
    }
    if (bytes.size() < end + 4 + length) return 0;
    const auto now = mono_ns();
    ++answers_;
    ++codes_[code];
    latency_.add((now - line.due) / 1000);
    const bool yes = code >= 200 && code < 300;
    // Meta repeats whatever is no yes; who sends a text repeats what may still be taken.
    const bool again = signer_ != nullptr ? code != 401 && code != 403 : code >= 500 || code == 429;
    line.pending = !yes && plan_.retry && !line.bad && again;
    if (yes) {
      ++accepted_;
      if (!line.duplicate) ++accepted_fresh_;
      line.last_kept = line.number + 1;
      if (journal_.on()) keep(line, bytes.substr(end + 4, length));
    } else if (line.pending) {
      line.retry_at = now + 50'000'000;
    }
    // Where there are others, a server that says "later" is left for the next one.
    const bool leaves = code == 503 && plan_.urls.size() > 1;
    if (leaves) ++line.server;
    if (closes || leaves) {
      line.state = Line::State::kIdle;
      close_line(line);
      line.retry_at = leaves ? now + 20'000'000 : now;
    } else if (line.pending || plan_.rate > 0) {
      line.state = Line::State::kIdle;
      if (plan_.rate > 0 && !line.pending) {
        idle_.push_back(&line);
      } else {
        idle_later(line);
      }
    } else if (!yes && code == 503) {
      line.retry_at = now + 10'000'000;  // a server that says "later" is not hammered
      idle_later(line);
    } else {
      next(line);
    }
    return bytes.size();
  }

  // Idle, but not for new work: look_after sends its repeat or wakes it.
  void idle_later(Line& line) { line.state = Line::State::kIdle; }

  void keep(const Line& line, std::string_view body) {
    char id[kIdDigits];
    put_digits(id, kIdDigits, line.number);
    if (signer_ == nullptr) {
      // What it was taken as, and the mark with which the text begins.
      const auto answer = nlohmann::json::parse(body, nullptr, false);
      const nlohmann::ordered_json entry = {{"k", "asked"},
                                            {"message", answer.is_object() ? answer.value("id", std::string()) : std::string()},
                                            {"to", plan_.to_prefix + line.out.substr(form_.to, 8)},
                                            {"mark", "sim-" + nonce_.substr(0, 8) + "-" + std::string(id, kIdDigits)}};
      return journal_.append(entry.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    }
    journal_.append(R"({"k":"yes","wamid":"wamid.)" + nonce_ + std::string(id, kIdDigits) + "\"}");
  }

  void turn(int wait_ms) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, wait_ms);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.u64 == ~0ULL) continue;  // the timer: something is due
      ready(lines_[events[i].data.u64], events[i].events);
    }
  }

  Plan plan_;
  Template form_;
  Signer* signer_;  // none: what is sent is a text, not a webhook
  SSL_CTX* tls_;
  Journal& journal_;
  std::string nonce_;
  Chance chance_;
  std::uint64_t seed_;
  std::vector<Line> lines_;
  std::vector<Line*> idle_;
  int epoll_, timer_;
  bool running_ = false, given_up_ = false;
  std::int64_t began_ = 0, ended_ = 0, armed_ = 0, all_failing_since_ = 0;
  std::uint64_t begun_ = 0, fresh_ = 0, answers_ = 0, accepted_ = 0, accepted_fresh_ = 0;
  std::uint64_t connect_errors_ = 0, lost_ = 0, timeouts_ = 0;
  std::map<int, std::uint64_t> codes_;
  Histogram latency_;
  std::string last_error_;
};

double round3(double value) { return static_cast<double>(static_cast<std::int64_t>(value * 1000 + 0.5)) / 1000; }

nlohmann::ordered_json latency_json(const Histogram& latency) {
  return {{"p50", round3(latency.quantile_ms(0.5))},
          {"p90", round3(latency.quantile_ms(0.9))},
          {"p99", round3(latency.quantile_ms(0.99))},
          {"p999", round3(latency.quantile_ms(0.999))},
          {"max", round3(latency.max_ms())}};
}

nlohmann::ordered_json Generator::report() const {
  nlohmann::ordered_json out;
  out["seconds"] = round3(seconds());
  out["begun"] = begun_;
  out["answers"] = answers_;
  out["accepted"] = accepted_;
  out["accepted_new"] = accepted_fresh_;
  out["answers_per_second"] = round3(static_cast<double>(answers_) / std::max(seconds(), 1e-9));
  out["accepted_per_second"] = round3(static_cast<double>(accepted_) / std::max(seconds(), 1e-9));
  out["accept_ms"] = latency_json(latency_);
  out["codes"] = nlohmann::ordered_json::object();
  for (const auto& [code, count] : codes_) out["codes"][std::to_string(code)] = count;
  out["lost_connections"] = lost_;
  out["connect_errors"] = connect_errors_;
  out["timeouts"] = timeouts_;
  if (!last_error_.empty()) out["last_error"] = last_error_;
  if (journal_.on()) out["journal_lines"] = journal_.safe_lines();
  return out;
}

// Of the generating thread alone: desks and journal have theirs.
double own_cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_THREAD, &use);
  return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
         static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

// CPU seconds of another process, so that a bench can divide them by the requests. NAME:PID.
struct Watched {
  std::string name;
  int pid = 0;
  double before = 0;
  double cpu_seconds() const {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(in, text))
      throw Failure("--watch " + name + ":" + std::to_string(pid) + ": there is no such process; give the pid of one that runs");
    std::istringstream rest(text.substr(text.rfind(')') + 2));
    std::string skip;
    for (int i = 0; i < 11; ++i) rest >> skip;
    double user = 0, system = 0;
    rest >> user >> system;
    return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  }
};

Watched parse_watch(const std::string& text) {
  const auto colon = text.rfind(':');
  Watched out;
  out.name = text.substr(0, colon);
  if (colon == std::string::npos ||
      std::from_chars(text.data() + colon + 1, text.data() + text.size(), out.pid).ec != std::errc{} || out.pid <= 0) {
    throw Refusal("--watch " + text + ": give it as NAME:PID, such as gateway:4711");
  }
  out.before = out.cpu_seconds();
  return out;
}

}  // namespace

int load_role(const Arguments& arguments) {
  Options options("load",
                  "load webhook|sms|sendsms --url URL: signed webhooks, texts to POST /api/v1/messages, or texts to kannel's "
                  "sendsms, over keep-alive "
                  "connections, counted and timed.");
  options.allow_words();
  options.section("Where and how much (count and time are both bounds; at least one is yours)")
      .add("--url", "URL", "",
           "the webhook, such as http://127.0.0.1:8080/webhooks/whatsapp/city; repeatable: gateways of one name, the next where "
           "one fails")
      .add("--connections", "N", "64", "keep-alive connections, 1 to 4096")
      .add("--count", "N", "0", "stop after N requests; 0: by time")
      .add("--seconds", "S", "10", "stop after S seconds, at most 3600")
      .add("--rate", "R", "0", "open loop: R requests a second, timed from when each was due; 0: closed loop")
      .add("--timeout", "T", "10s", "an answer later than this is lost")
      .add("--give-up", "T", "30s", "end when no connection has worked for so long")
      .section("What is sent")
      .add("--app-secret-file", "FILE", "", "signs the webhooks")
      .add("--phone-number-id", "ID", "106540352242922", "the number they are for; or several, with commas between")
      .add("--size", "BYTES", "900", "of the JSON body")
      .add("--citizens", "N", "20000", "different senders; 0: another one for each message")
      .add("--first-citizen", "N", "0", "numbers them from there, for loads beside each other")
      .add("--duplicate-rate", "SHARE", "0", "share of requests that repeat an accepted message")
      .add("--bad-signature-rate", "SHARE", "0", "share of requests with a wrong signature")
      .add("--unique", "", "", "ids that no earlier run used, even with --seed")
      .add("--retry", "", "", "repeat what was lost or refused with 5xx, as Meta does")
      .add("--seed", "N", "", "the same choices and ids again; without it every run is new")
      .section("sms and sendsms: each text begins with a mark of its own, sim-<run>-<number>")
      .add("--account", "ID", "", "sms: the account that sends; --key-file holds the API key")
      .add("--idempotency", "", "", "sms: with an Idempotency-Key; a repeat (--retry) carries the same")
      .add("--to-prefix", "DIGITS", "49151", "of the recipients, eight digits follow; --citizens says how many there are")
      .add("--text-size", "N", "160", "characters of the GSM alphabet")
      .add("--username", "NAME", "sim", "sendsms")
      .add("--password-file", "FILE", "", "sendsms")
      .add("--from", "NUMBER", "12345", "sendsms")
      .section("Desks (webhook-to-desk latency)")
      .add("--desks", "N", "0", "hold N desk sockets that accept and receive")
      .add("--desk-url", "URL", "", "the gateway, such as http://127.0.0.1:8080; default: the origin of --url")
      .add("--key-file", "FILE", "", "API keys of agents, one a line")
      .section("Trust, truth, report")
      .add("--insecure", "", "", "https without checking the certificate")
      .add("--ca-file", "FILE", "", "https: trust this certificate")
      .add("--journal", "FILE", "", "append every yes heard, fsynced, for belfry-sim check")
      .add("--watch", "NAME:PID", "", "report the CPU of this process per accepted message; repeatable")
      .add("--json", "", "", "one JSON object instead of a table");
  if (!options.parse(arguments)) return 0;
  const auto kind = options.words().size() == 1 ? options.words().front() : std::string();
  if (kind != "webhook" && kind != "sms" && kind != "sendsms")
    throw Refusal("belfry-sim load knows three kinds: write belfry-sim load webhook, sms or sendsms --url URL");
  Plan plan;
  options.required("--url");
  for (const auto& each : options.list("--url")) plan.urls.push_back(parse_url(each, "--url"));
  plan.url = plan.urls.front();
  for (const auto& each : plan.urls) {
    if (each.tls != plan.url.tls || each.target != plan.url.target)
      throw Refusal("--url " + each.origin() + each.target + ": all of them must have the same scheme and path");
  }
  plan.connections = static_cast<std::size_t>(options.number("--connections", 1, 4096));
  plan.count = static_cast<std::uint64_t>(options.number("--count", 0, 100'000'000));
  plan.rate = static_cast<double>(options.number("--rate", 0, 1'000'000));
  plan.citizens = static_cast<std::uint64_t>(options.number("--citizens", 0, 10'000'000));
  plan.first_citizen = static_cast<std::uint64_t>(options.number("--first-citizen", 0, 10'000'000));
  plan.duplicates = options.rate("--duplicate-rate");
  plan.bad = options.rate("--bad-signature-rate");
  plan.retry = options.on("--retry");
  plan.timeout_ns = options.ms("--timeout") * 1'000'000;
  plan.give_up_ns = options.ms("--give-up") * 1'000'000;
  // A count alone still ends: it gets the longest time there is.
  auto seconds = options.number("--seconds", 1, 3600);
  if (plan.count != 0 && !options.has("--seconds")) seconds = 3600;
  plan.limit_ns = seconds * 1'000'000'000;
  const auto fixed_seed = options.has("--seed");
  const auto seed = fixed_seed ? static_cast<std::uint64_t>(options.number("--seed", 0, INT64_MAX))
                               : static_cast<std::uint64_t>(mono_ns()) ^ static_cast<std::uint64_t>(getpid()) << 40;
  std::string nonce =
      to_hex(fixed_seed && !options.on("--unique") ? sha256("load " + std::to_string(seed)).substr(0, 10) : random_bytes(10));
  std::optional<Signer> signer;
  Template form;
  if (kind == "webhook") {
    signer.emplace(read_secret(options.required("--app-secret-file"), "--app-secret-file"));
    std::istringstream numbers(options.text("--phone-number-id"));
    for (std::string number; std::getline(numbers, number, ',');) plan.accounts.push_back(number);
    if (plan.accounts.empty()) throw Refusal("--phone-number-id is empty; give the number that the webhooks are for");
    for (const std::string& number : plan.accounts) {
      if (number.size() != plan.accounts.front().size())
        throw Refusal("--phone-number-id: several numbers must be as long as each other");
    }
    form =
        build_template(plan.url, plan.accounts.front(), static_cast<std::size_t>(options.number("--size", 1, 3'000'000)), nonce);
  } else {
    if (plan.duplicates > 0 || plan.bad > 0)
      throw Refusal("--duplicate-rate and --bad-signature-rate are for load webhook; leave them out");
    if (!options.has("--citizens")) plan.citizens = 0;
    TextForm text;
    text.get = kind == "sendsms";
    text.to_prefix = plan.to_prefix = options.text("--to-prefix");
    text.size = static_cast<std::size_t>(options.number("--text-size", 20, 4000));
    text.idempotent = options.on("--idempotency");
    text.username = options.text("--username");
    text.from = options.text("--from");
    if (text.get) {
      text.password = read_secret(options.required("--password-file"), "--password-file");
    } else {
      text.account = options.required("--account");
      text.key = read_secret(options.required("--key-file"), "--key-file");
    }
    form = build_text_template(plan.url, text, nonce);
  }

  const Trust trust{options.on("--insecure"), options.text("--ca-file")};
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> tls(nullptr, SSL_CTX_free);
  if (plan.url.tls) {
    tls.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_min_proto_version(tls.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(tls.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY);
    static const unsigned char kAlpn[] = "\x08http/1.1";
    SSL_CTX_set_alpn_protos(tls.get(), kAlpn, sizeof kAlpn - 1);
    if (!trust.insecure) {
      SSL_CTX_set_verify(tls.get(), SSL_VERIFY_PEER, nullptr);
      if (trust.ca_file.empty() ? SSL_CTX_set_default_verify_paths(tls.get()) != 1
                                : SSL_CTX_load_verify_locations(tls.get(), trust.ca_file.c_str(), nullptr) != 1) {
        throw Failure("cannot load the trusted certificates " + trust.ca_file + "; give --ca-file a PEM file, or --insecure");
      }
    }
  }

  std::signal(SIGINT, [](int) { interrupted = 1; });
  std::signal(SIGTERM, [](int) { interrupted = 1; });
  std::signal(SIGPIPE, SIG_IGN);

  Journal journal(options.text("--journal"), nullptr);
  std::optional<Desks> desks;
  if (const auto count = static_cast<std::size_t>(options.number("--desks", 0, 20'000)); count != 0) {
    const auto url = options.has("--desk-url") ? parse_url(options.text("--desk-url"), "--desk-url") : plan.url;
    desks.emplace(url, trust, read_lines(options.required("--key-file"), "--key-file"), count, 30'000);
  }
  std::vector<Watched> watched;
  for (const auto& each : options.list("--watch")) watched.push_back(parse_watch(each));

  Generator generator(plan, std::move(form), signer ? &*signer : nullptr, tls.get(), journal, nonce, seed);
  generator.connect_all();
  for (auto& each : watched) each.before = each.cpu_seconds();
  const double cpu_before = own_cpu_seconds();
  generator.run();
  const double cpu = own_cpu_seconds() - cpu_before;
  const auto per_request = [&](double used) {
    return round3(used * 1e6 / static_cast<double>(std::max<std::uint64_t>(generator.answers(), 1)));
  };

  auto report = generator.report();
  std::optional<Desks::Result> heard;
  if (desks) heard = desks->finish(generator.accepted_fresh(), 3000);
  report["cpu_us_per_answer"] = {{"load", per_request(cpu)}};
  for (const auto& each : watched) {
    try {
      report["cpu_us_per_answer"][each.name] = per_request(each.cpu_seconds() - each.before);
    } catch (const Failure&) {
      report["cpu_us_per_answer"][each.name] = nullptr;  // it ended meanwhile (a crash test)
    }
  }
  if (heard) {
    report["desk_ms"] = latency_json(heard->latency);
    report["desk_messages"] = heard->messages;
    report["desk_offers"] = heard->offers;
    report["desk_disconnects"] = heard->disconnects;
    report["desk_violations"] = heard->violations;
  }
  if (options.on("--json")) {
    std::cout << report.dump() << "\n";
  } else {
    for (const auto& [name, value] : report.items()) std::cout << name << " " << value.dump() << "\n";
  }
  if (generator.gave_up())
    throw Failure("no connection to " + plan.url.origin() + " worked for " + options.text("--give-up") +
                  "; is the server running?");
  return heard && heard->violations != 0 ? 1 : 0;
}

}  // namespace sim
