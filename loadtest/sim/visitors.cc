// `belfry-sim visitors`: citizens in front of the web chat. Silent ones, who are opened and held; ones who write and wait for the
// ack of each message; ones who listen for what is told to all; and, against another server's echo, ones who send a text and wait
// for it back.
#include <algorithm>
#include <chrono>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "base.h"
#include "http.h"
#include "loop.h"
#include "options.h"
#include "roles.h"
#include "ws.h"

namespace sim {
namespace {

struct Plan {
  Url url;
  std::string inbox, protocol;
  std::size_t sockets = 0, at_once = 64;
  std::uint64_t messages = 0;
  bool echo = false;
  bool listen = false;
};

class Visitors {
 public:
  Visitors(Loop& loop, const Trust& trust, Plan plan) : loop_(loop), dialer_(loop, trust), plan_(std::move(plan)) {}

  void start(std::function<void()> opened, std::function<void()> done) {
    opened_ = std::move(opened);
    done_ = std::move(done);
    all_.resize(plan_.sockets);
    began_ = mono_ns();
    for (std::size_t i = 0; i < std::min(plan_.at_once, plan_.sockets); ++i) open_next();
  }
  void begin_messages() {
    began_ = mono_ns();
    for (std::size_t i = 0; i < all_.size(); ++i) write(i);
  }

  std::function<void()> all_heard;  // what was told to all has reached the last
  std::size_t ready = 0, lost = 0;
  std::uint64_t acked = 0, refused = 0;
  std::vector<double> ms;
  double seconds() const { return static_cast<double>(mono_ns() - began_) / 1e9; }
  std::string why;

 private:
  struct One {
    std::shared_ptr<WebSocket> socket;
    std::int64_t sent_at = 0;
    bool greeted = false;
  };

  void open_next() {
    if (next_ == all_.size()) return;
    const std::size_t i = next_++;
    HttpFields fields;
    fields.emplace("origin", plan_.url.origin());
    all_[i].socket = dialer_.dial(plan_.url, fields, plan_.protocol,
                                  {[this, i] {
                                     if (plan_.echo) return greeted(i);
                                     all_[i].socket->send(R"({"t":"hello","inbox":")" + plan_.inbox + "\"}");
                                   },
                                   [this, i](std::string_view text) { heard(i, text); },
                                   [this, i](const std::string& reason) {
                                     ++lost;
                                     why = reason;
                                     if (!all_[i].greeted) greeted(i);
                                   }});
  }
  void greeted(std::size_t i) {
    if (all_[i].greeted) return;
    all_[i].greeted = true;
    ++ready;
    open_next();
    if (ready == all_.size()) opened_();
  }
  void write(std::size_t i) {
    if (started_ == plan_.messages) return;
    ++started_;
    all_[i].sent_at = mono_ns();
    const std::string n = std::to_string(started_);
    all_[i].socket->send(R"({"t":"message","client_id":"m)" + n + R"(","text":"There is no water in our street"})");
  }
  void heard(std::size_t i, std::string_view text) {
    if (text.starts_with(R"({"t":"welcome")")) return greeted(i);
    if (plan_.listen && (plan_.echo || text.starts_with(R"({"t":"event","kind":"alert")"))) {
      if (++heard_ % all_.size() == 0) all_heard();
      return;
    }
    const bool nack = text.starts_with(R"({"t":"nack")");
    if (!plan_.echo && !nack && !text.starts_with(R"({"t":"ack")")) return;
    if (nack) {
      ++refused;
      why = std::string(text.substr(0, 200));
    }
    ++acked;
    ms.push_back(static_cast<double>(mono_ns() - all_[i].sent_at) / 1e6);
    if (acked == plan_.messages) return done_();
    write(i);
  }

  Loop& loop_;
  WebSocketDialer dialer_;
  Plan plan_;
  std::vector<One> all_;
  std::size_t next_ = 0;
  std::uint64_t started_ = 0, heard_ = 0;
  std::int64_t began_ = 0;
  std::function<void()> opened_, done_;
};

double at_percent(std::vector<double>& sorted, double percent) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(static_cast<double>(sorted.size()) * percent / 100))];
}

}  // namespace

int visitors_role(const Arguments& arguments) {
  Options options("visitors", "citizens of the web chat: silent, or each writing when the last message was acknowledged");
  options.add("--url", "URL", "", "the socket: http://127.0.0.1:8080/ws/chat")
      .add("--inbox", "ID", "portal", "the [[web]] of the configuration")
      .add("--sockets", "N", "64", "citizens")
      .add("--at-once", "N", "64", "opened at a time")
      .add("--count", "N", "0", "messages of all together; 0: silent, until SIGTERM")
      .add("--echo", "", "", "another server's echo: no hello, any text back is the answer")
      .add("--listen", "", "", "say when the last of them has heard an announcement; of another server, any text")
      .add("--protocol", "NAME", "belfry.chat.v1", "the subprotocol")
      .add("--insecure", "", "", "take any certificate")
      .add("--ca-file", "FILE", "", "PEM of whom to trust")
      .add("--seed", "N", "1", "no chance here")
      .add("--json", "", "", "one line of JSON for each fact");
  if (!options.parse(arguments)) return 0;
  Plan plan;
  plan.url = parse_url(options.required("--url"), "--url");
  plan.inbox = options.text("--inbox");
  plan.protocol = options.text("--protocol");
  plan.sockets = static_cast<std::size_t>(options.number("--sockets", 1, 19'500));
  plan.at_once = static_cast<std::size_t>(options.number("--at-once", 1, 1'000));
  plan.messages = static_cast<std::uint64_t>(options.number("--count", 0, 10'000'000));
  plan.echo = options.on("--echo");
  plan.listen = options.on("--listen");
  const std::uint64_t messages = plan.messages;
  Loop loop;
  Visitors visitors(loop, Trust{options.on("--insecure"), options.text("--ca-file")}, plan);
  const auto say = [&](const nlohmann::ordered_json& line) { std::cout << line.dump() << std::endl; };
  loop.on_signal([&] { loop.stop(); });
  visitors.all_heard = [&say] {
    using namespace std::chrono;
    say({{"heard_at_us", duration_cast<microseconds>(system_clock::now().time_since_epoch()).count()}});
  };
  loop.post([&] {
    visitors.start(
        [&] {
          const double took = visitors.seconds();
          say({{"opened", visitors.ready - visitors.lost},
               {"lost", visitors.lost},
               {"seconds", took},
               {"per_s", static_cast<double>(visitors.ready) / took},
               {"why", visitors.why}});
          if (messages != 0) visitors.begin_messages();
        },
        [&] {
          const double took = visitors.seconds();
          std::sort(visitors.ms.begin(), visitors.ms.end());
          say({{"acked", visitors.acked},
               {"refused", visitors.refused},
               {"per_s", static_cast<double>(visitors.acked) / took},
               {"p50_ms", at_percent(visitors.ms, 50)},
               {"p99_ms", at_percent(visitors.ms, 99)},
               {"why", visitors.why}});
          loop.stop();
        });
  });
  loop.run();
  return visitors.lost != 0 || visitors.refused != 0 ? 1 : 0;
}

}  // namespace sim
