// `belfry-sim staff`: thousands of desks on one thread, for ./dev bench routing. Told on stdin what to do, a line each, it
// answers with one JSON line when that is done:
//
//   ready             all say that they are ready
//   flow N            closed loop: whatever is held or assigned is resolved at once, until N are
//                     and each of them was followed by another
//   rate R SECONDS    open loop: R conversations a second are resolved; timed from when each was due to the next offer on that
//   desk quit
//
// All the time an offer is accepted at once. Plain epoll and hand-written frames, as in load.cc: a frame costs one send or one
// recv.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base.h"
#include "options.h"
#include "roles.h"

namespace sim {
namespace {

constexpr std::size_t kOpening = 64;  // handshakes at a time
constexpr std::uint64_t kStdin = ~0ULL, kTimer = ~0ULL - 1;

struct Desk {
  enum class State { kWaits, kOpening, kJoining, kOpen, kLost };
  State state = State::kWaits;
  int fd = -1;
  std::string in;
  std::size_t offered = 0;         // and not yet assigned
  std::deque<std::int64_t> freed;  // when a resolve was due that no offer has followed yet
};

struct Held {
  std::size_t desk = 0;
  std::string conversation;
  std::int64_t gen = 0;
};

// The value of a member that is a string, or a number's digits; frames of a desk are written without spaces.
std::string_view member(std::string_view text, std::string_view name) {
  const std::string wanted = "\"" + std::string(name) + "\":";
  const auto at = text.find(wanted);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + wanted.size());
  if (text.empty() || text.front() != '"') return text.substr(0, text.find_first_of(",}"));
  text.remove_prefix(1);
  return text.substr(0, text.find('"'));
}

std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::int64_t mark_of(std::string_view text) {
  const auto at = text.find("bt=");
  return at == std::string_view::npos ? 0 : number(text.substr(at + 3, 20));
}

double own_cpu_us() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return static_cast<double>(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
         static_cast<double>(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

class Staff {
 public:
  Staff(const Url& url, std::vector<std::string> keys)
      : url_(url),
        keys_(std::move(keys)),
        desks_(keys_.size()),
        epoll_(epoll_create1(EPOLL_CLOEXEC)),
        timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    watch(STDIN_FILENO, kStdin, EPOLLIN);
    watch(timer_, kTimer, EPOLLIN | EPOLLET);
  }
  ~Staff() {
    for (auto& desk : desks_) {
      if (desk.fd >= 0) ::close(desk.fd);
    }
    ::close(timer_);
    ::close(epoll_);
  }
  Staff(const Staff&) = delete;
  Staff& operator=(const Staff&) = delete;

  void open_all() {
    const auto until = mono_ns() + 120'000'000'000;
    std::size_t next = 0;
    while (open_ < desks_.size()) {
      while (next < desks_.size() && next - open_ < kOpening) dial(next++);
      turn(100);
      if (mono_ns() > until || lost_ > 0)
        throw Failure("only " + std::to_string(open_) + " of " + std::to_string(desks_.size()) + " desks are open (" + why_ +
                      ")");
    }
  }

  // Until `quit`, or the end of stdin.
  void serve() {
    std::cout << "open desks=" << open_ << std::endl;
    while (!quit_) {
      if (mode_ == Mode::kRate) pace();
      turn(mode_ == Mode::kRate ? 10 : 100);
      const auto now = mono_ns();
      const bool done = (mode_ == Mode::kReady && acks_ >= open_) || (mode_ == Mode::kFlow && flowed(now)) ||
                        (mode_ == Mode::kRate && now >= until_ + 500'000'000);
      if (done || (mode_ != Mode::kHold && now > give_up_)) report();
    }
  }

 private:
  enum class Mode { kHold, kReady, kFlow, kRate };

  void watch(int fd, std::uint64_t tag, std::uint32_t events) {
    epoll_event event{events, {.u64 = tag}};
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void dial(std::size_t i) {
    Desk& desk = desks_[i];
    desk.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (desk.fd < 0) throw Failure(std::string("no more sockets: ") + std::strerror(errno) + "; raise ulimit -n");
    const int on = 1;
    setsockopt(desk.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(url_.port);
    inet_pton(AF_INET, url_.host.c_str(), &to.sin_addr);
    if (::connect(desk.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
      throw Failure("cannot connect to " + url_.origin() + ": " + std::strerror(errno));
    desk.state = Desk::State::kOpening;
    watch(desk.fd, i, EPOLLIN);
    raw(desk, "GET /ws/desk HTTP/1.1\r\nHost: " + url_.authority() +
                  "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                  "c3RhZmYgb2YgYmVsZnJ5IQ==\r\nSec-WebSocket-Protocol: belfry.desk.v1\r\nAuthorization: Bearer " +
                  keys_[i] + "\r\n\r\n");
  }

  void lose(Desk& desk, std::string why) {
    if (desk.state == Desk::State::kLost) return;
    if (why_.empty()) why_ = std::move(why);
    if (desk.state == Desk::State::kOpen) --open_;
    desk.state = Desk::State::kLost;
    ++lost_;
    ::close(desk.fd);
    desk.fd = -1;
  }

  // What is written here is small and the other side reads: the socket's buffer takes it whole.
  void raw(Desk& desk, std::string_view bytes) {
    while (!bytes.empty() && desk.fd >= 0) {
      const auto wrote = ::send(desk.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (wrote < 0) return lose(desk, std::string("send: ") + std::strerror(errno));
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
  }

  // A masked text frame; the mask is nought, which is a mask too.
  void send(Desk& desk, std::string_view text) {
    std::string frame = "\x81";
    if (text.size() < 126) {
      frame.push_back(static_cast<char>(0x80 | text.size()));
    } else {
      frame.push_back(static_cast<char>(0x80 | 126));
      frame.push_back(static_cast<char>(text.size() >> 8));
      frame.push_back(static_cast<char>(text.size() & 255));
    }
    frame.append(4, '\0');
    frame.append(text);
    raw(desk, frame);
  }

  void command(Desk& desk, std::string_view word, std::string_view conversation, std::int64_t gen) {
    send(desk, "{\"t\":\"" + std::string(word) + "\",\"client_id\":\"s" + std::to_string(++commands_) + "\",\"conversation\":\"" +
                   std::string(conversation) + "\",\"gen\":" + std::to_string(gen) + "}");
  }

  void resolve(const Held& held, std::int64_t due) {
    Desk& desk = desks_[held.desk];
    if (desk.fd < 0) return;
    desk.freed.push_back(due);
    ++resolved_;
    command(desk, "resolve", held.conversation, held.gen);
  }

  // What he was freed for: an offer, or a conversation of a queue that does not ask.
  void came(Desk& desk, std::string_view text) {
    if (desk.freed.empty()) return;
    const auto due = desk.freed.front();
    desk.freed.pop_front();
    // A conversation whose citizen wrote later (bt=<ns> in his text) is timed from then: before, the agent had nothing to do.
    const auto wrote = mark_of(text);
    if (due >= since_) (wrote > due ? written_ : latency_).add((mono_ns() - std::max(due, wrote)) / 1000);
  }

  void on_text(std::size_t i, std::string_view text) {
    Desk& desk = desks_[i];
    if (text.starts_with(R"({"t":"event","kind":"offer")")) {
      ++offers_;
      ++desk.offered;
      came(desk, text);
      command(desk, "accept", member(text, "conversation"), number(member(text, "gen")));
    } else if (text.starts_with(R"({"t":"event","kind":"assigned")")) {
      ++assigned_;
      assigned_at_ = mono_ns();
      if (desk.offered > 0) {
        --desk.offered;
      } else {
        came(desk, text);
      }
      Held held{i, std::string(member(text, "conversation")), number(member(text, "gen"))};
      if (mode_ == Mode::kFlow && resolved_ < wanted_) return resolve(held, mono_ns());
      held_.push_back(std::move(held));
    } else if (text.starts_with(R"({"t":"welcome")")) {
      if (desk.state != Desk::State::kJoining) return;
      desk.state = Desk::State::kOpen;
      ++open_;
    } else if (text.starts_with(R"({"t":"ack")")) {
      ++acks_;
    } else if (text.starts_with(R"({"t":"nack")")) {
      ++nacks_;
      if (why_.empty()) why_ = text.substr(0, 200);
    }
  }

  void read(std::size_t i) {
    Desk& desk = desks_[i];
    if (desk.fd < 0) return;
    char chunk[16384];
    const auto got = ::recv(desk.fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return lose(desk, got == 0 ? "the gateway closed a desk" : std::strerror(errno));
    desk.in.append(chunk, static_cast<std::size_t>(got));
    std::string_view rest = desk.in;
    if (desk.state == Desk::State::kOpening) {
      const auto end = rest.find("\r\n\r\n");
      if (end == std::string_view::npos) return;
      if (!rest.starts_with("HTTP/1.1 101")) return lose(desk, std::string(rest.substr(0, 120)));
      rest.remove_prefix(end + 4);
      desk.state = Desk::State::kJoining;
      send(desk, R"({"t":"hello"})");
    }
    while (rest.size() >= 2) {
      const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(rest[at]); };
      std::size_t size = octet(1) & 127, head = 2;
      if (size == 126) {
        if (rest.size() < 4) break;
        size = static_cast<std::size_t>(octet(2)) << 8 | octet(3);
        head = 4;
      } else if (size == 127) {
        return lose(desk, "a frame longer than 64 KiB");
      }
      if (rest.size() < head + size) break;
      const auto body = rest.substr(head, size);
      const int opcode = octet(0) & 15;
      rest.remove_prefix(head + size);
      if (opcode == 1) on_text(i, body);
      if (opcode == 8)
        return lose(desk, "the gateway closed a desk: " + std::string(body.substr(std::min<std::size_t>(2, body.size()))));
      if (opcode == 9) raw(desk, std::string("\x8a\x80\0\0\0\0", 6));
      if (desk.fd < 0) return;
    }
    desk.in.erase(0, desk.in.size() - rest.size());
  }

  void pace() {
    const auto now = mono_ns();
    while (true) {
      const auto due = since_ + static_cast<std::int64_t>(static_cast<double>(begun_) * 1e9 / rate_);
      if (due > now) {
        itimerspec when{};
        when.it_value.tv_sec = due / 1'000'000'000;
        when.it_value.tv_nsec = due % 1'000'000'000;
        timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr);
        return;
      }
      if (due >= until_ || held_.empty()) return;
      ++begun_;
      const Held held = std::move(held_.front());
      held_.pop_front();
      resolve(held, due);
    }
  }

  void begin(Mode mode, std::int64_t seconds) {
    mode_ = mode;
    offers_ = assigned_ = acks_ = nacks_ = resolved_ = begun_ = 0;
    latency_ = written_ = Histogram();
    cpu_ = own_cpu_us();
    since_ = assigned_at_ = mono_ns();
    until_ = since_ + seconds * 1'000'000'000;
    give_up_ = until_ + 60'000'000'000;
  }

  void order(const std::string& line) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "ready") {
      begin(Mode::kReady, 0);
      for (auto& desk : desks_) {
        if (desk.fd >= 0)
          send(desk, "{\"t\":\"availability\",\"value\":\"ready\",\"client_id\":\"s" + std::to_string(++commands_) + "\"}");
      }
    } else if (word == "flow") {
      words >> wanted_;
      begin(Mode::kFlow, 0);
      while (!held_.empty() && resolved_ < wanted_) {
        const Held held = std::move(held_.front());
        held_.pop_front();
        resolve(held, mono_ns());
      }
    } else if (word == "rate") {
      std::int64_t seconds = 0;
      words >> rate_ >> seconds;
      begin(Mode::kRate, seconds);
    } else {
      quit_ = true;
    }
  }

  // All were resolved and as many came; or so few wait that some desks get none any more.
  bool flowed(std::int64_t now) const {
    return resolved_ >= wanted_ && (assigned_ >= wanted_ || now - assigned_at_ > 500'000'000);
  }

  void report() {
    const auto seconds = static_cast<double>((mode_ == Mode::kFlow ? assigned_at_ : mono_ns()) - since_) / 1e9;
    nlohmann::ordered_json out{{"seconds", seconds},    {"offers", offers_},         {"assigned", assigned_},
                               {"resolved", resolved_}, {"nacks", nacks_},           {"lost", lost_},
                               {"held", held_.size()},  {"timed", latency_.count()}, {"cpu_us", own_cpu_us() - cpu_}};
    if (latency_.count() > 0) {
      out["offer_ms"] = {{"p50", latency_.quantile_ms(0.5)}, {"p99", latency_.quantile_ms(0.99)}, {"max", latency_.max_ms()}};
    }
    out["written"] = written_.count();
    if (written_.count() > 0) {
      out["written_ms"] = {{"p50", written_.quantile_ms(0.5)}, {"p99", written_.quantile_ms(0.99)}, {"max", written_.max_ms()}};
    }
    if (!why_.empty()) out["why"] = why_;
    mode_ = Mode::kHold;
    std::cout << out.dump() << std::endl;
  }

  void turn(int wait_ms) {
    epoll_event events[256];
    const int count = epoll_wait(epoll_, events, 256, wait_ms);
    for (int i = 0; i < count; ++i) {
      const auto tag = events[i].data.u64;
      if (tag == kTimer) continue;  // something is due
      if (tag != kStdin) {
        read(tag);
        continue;
      }
      char chunk[256];
      const auto got = ::read(STDIN_FILENO, chunk, sizeof chunk);
      if (got <= 0) {
        quit_ = true;
        return;
      }
      orders_.append(chunk, static_cast<std::size_t>(got));
      for (auto end = orders_.find('\n'); end != std::string::npos; end = orders_.find('\n')) {
        order(orders_.substr(0, end));
        orders_.erase(0, end + 1);
      }
    }
  }

  Url url_;
  std::vector<std::string> keys_;
  std::vector<Desk> desks_;
  int epoll_, timer_;
  Mode mode_ = Mode::kHold;
  bool quit_ = false;
  std::string orders_, why_;
  std::deque<Held> held_;
  Histogram latency_, written_;  // from freed to offered; from written to offered, where the agent was free before
  std::size_t open_ = 0, lost_ = 0;
  std::uint64_t commands_ = 0, offers_ = 0, assigned_ = 0, acks_ = 0, nacks_ = 0, resolved_ = 0, begun_ = 0, wanted_ = 0;
  double rate_ = 1, cpu_ = 0;
  std::int64_t since_ = 0, until_ = 0, give_up_ = 0, assigned_at_ = 0;
};

}  // namespace

int staff_role(const Arguments& arguments) {
  Options options("staff", "thousands of desks that accept and resolve, told on stdin: ready | flow N | rate R SECONDS | quit.");
  options.add("--url", "URL", "", "the gateway, such as http://127.0.0.1:8080")
      .add("--key-file", "FILE", "", "API keys of agents, one a line; a desk each");
  if (!options.parse(arguments)) return 0;
  const auto url = parse_url(options.required("--url"), "--url");
  if (url.tls || url.host == "::1") throw Refusal("belfry-sim staff speaks plain http to 127.0.0.1; give such a --url");
  Staff staff(url, read_lines(options.required("--key-file"), "--key-file"));
  staff.open_all();
  staff.serve();
  return 0;
}

}  // namespace sim
