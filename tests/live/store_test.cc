// The store over a real Redis against the reference model: random requests by seed, every reply, event, lane wake-up and
// transition compared, the hidden state too, and the invariants after every step. Then what matters most, by name.
//
// SEEDS=N runs N seeds instead of the default; SEED=S runs that one. A failing seed prints itself and its last requests.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "routing/history.h"
#include "routing/library.h"
#include "routing/resp.h"
#include "routing/store_memory.h"
#include "routing/store_redis.h"
#include "tests/sim/invariants.h"

namespace belfry::routing {
namespace {

constexpr std::int64_t kStart = 1'900'000'000'000;  // later than Redis' own clock: what expires by it stays for the test
constexpr std::int64_t kMinute = 60'000;
constexpr std::int64_t kHour = 60 * kMinute;

// ---- a Redis of our own ----

class Server {
 public:
  Server() {
    dir_ = std::filesystem::temp_directory_path() / ("belfry_store_test." + std::to_string(::getpid()));
    std::filesystem::create_directories(dir_);
    socket_ = dir_ / "redis.sock";
    pid_ = ::fork();
    if (pid_ == 0) {
      const std::string log = dir_ / "log";
      ::execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", socket_.c_str(), "--save", "", "--appendonly", "no",
               "--logfile", log.c_str(), "--dir", dir_.c_str(), static_cast<char*>(nullptr));
      ::_exit(127);
    }
  }
  ~Server() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  const std::string& socket() const { return socket_; }

 private:
  std::filesystem::path dir_;
  std::string socket_;
  pid_t pid_ = -1;
};

class Link {
 public:
  explicit Link(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof(address.sun_path) - 1);
    for (int tries = 0; tries < 500; ++tries) {
      fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return;
      ::close(fd_);
      fd_ = -1;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  ~Link() { ::close(fd_); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;
  bool up() const { return fd_ >= 0; }

  void write(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  Result<Value> read() {
    for (;;) {
      auto reply = decoder_.next();
      if (!reply) return tl::unexpected(reply.error());
      if (*reply) return std::move(**reply);
      char buffer[16384];
      const ssize_t n = ::recv(fd_, static_cast<char*>(buffer), sizeof(buffer), 0);
      if (n <= 0) return fail(Errc::kClosed, "redis closed the link");
      decoder_.feed({static_cast<char*>(buffer), static_cast<std::size_t>(n)});
    }
  }
  Value run(std::initializer_list<std::string_view> args) {
    write(encode(args));
    auto reply = read();
    return reply ? std::move(*reply) : Value{.kind = Value::Kind::kError, .text = "link"};
  }

 private:
  int fd_ = -1;
  Decoder decoder_;
};

// ---- replies as text, to be compared and to be read ----

std::string show(const std::string& s) {
  return s.size() > 60 ? s.substr(0, 60) + "..#" + std::to_string(std::hash<std::string>{}(s)) : s;
}
std::string show(const MessageRef& r) { return r.conversation + "." + std::to_string(r.n); }
std::string show(const Outcome& o) {
  static const char* const kNames[] = {"ok", "repeat", "stale", "missing", "refused", "window", "lost"};
  std::ostringstream out;
  out << kNames[static_cast<int>(o.what)] << " gen " << o.gen << " state " << o.state << " owner " << o.owner << " why " << o.why
      << " ref " << show(o.ref) << " claimed " << o.claimed << " to " << o.address << " window " << o.window_until.ms;
  return out.str();
}
std::string show(const PartSet& s) {
  static const char* const kNames[] = {"kept", "whole", "full"};
  std::ostringstream out;
  out << kNames[static_cast<int>(s.what)] << " " << s.name << " of " << s.of;
  if (s.what == PartSet::What::kWhole) out << " since " << s.since.ms;
  for (const auto& [n, bytes] : s.parts) out << " " << n << "=" << bytes;
  return out.str();
}
std::string show(const std::vector<PartSet>& sets) {
  std::string out;
  for (const auto& s : sets) out += show(s) + "\n";
  return out;
}
std::string show(const Ingested& i) {
  static const char* const kNames[] = {"new", "ok", "dup", "none", "full"};
  std::ostringstream out;
  out << kNames[static_cast<int>(i.kind)] << " " << show(i.ref) << " contact " << i.contact << " gen " << i.gen << " " << i.state
      << " " << i.owner;
  return out.str();
}
std::string show(const Claims& c) {
  std::string out = c.lost ? "lost" : "ok";
  for (const auto& i : c.items) {
    out +=
        " [" + show(i.ref) + " to " + i.address + " lane " + std::to_string(static_cast<int>(i.lane)) + " " + show(i.entry) + "]";
  }
  return out;
}
std::string show(const std::vector<bool>& bits) {
  std::string out;
  for (const bool bit : bits) out += bit ? '1' : '0';
  return out;
}
std::string show(const Beat& b) {
  std::string out = b.lost ? "lost" : "ok";
  for (const auto& l : b.leases) out += " " + l.name + "@" + std::to_string(l.epoch);
  return out;
}
std::string show(const Card& c) {
  std::ostringstream out;
  out << c.conversation << " " << c.state << " own " << c.owner << " q " << c.queue << " ch " << c.channel << " acct "
      << c.account << " contact " << c.contact << " nm " << c.name << " addr " << c.address << " why " << c.why << " gen "
      << c.gen << " n " << c.n << " open " << c.open << " first " << c.first.ms << " win " << c.window_until.ms << " given "
      << c.given.ms << " last " << c.last.ms << " eff " << c.eff << " inv " << c.invited << " into " << c.into << " prev "
      << c.previous << " ans " << (c.answers ? public_id(*c.answers) : "") << " ho " << c.handed_over.ms << " fr "
      << c.first_reply.ms << " una " << c.unanswered.ms << " closed " << c.closed.ms << " at " << c.attributes << " "
      << show(c.last_entry) << "\n";
  return out.str();
}
std::string show(const std::vector<Card>& cards) {
  std::string out;
  for (const auto& c : cards) out += show(c);
  return out;
}
std::string show(const DeskView& d) {
  std::ostringstream out;
  out << d.missing << " seq " << d.seq << " " << d.availability << " " << d.reason << " " << d.name << " " << d.roles << " "
      << d.queues << "\n";
  auto held = d.held;
  std::sort(held.begin(), held.end(), [](const Card& a, const Card& b) { return a.conversation < b.conversation; });
  return out.str() + show(held);
}
std::string show(const AgentEvent& e) {
  return std::to_string(e.seq) + "|" + e.kind + "|" + e.conversation + "|" + e.x + "|" + e.y + "|" + std::to_string(e.at.ms) +
         "|" + e.extra + "|" + show(e.body);
}
std::string show(const Replay& r) {
  std::string out = (r.reset ? "reset " : "ok ") + std::to_string(r.seq);
  for (const auto& e : r.events) out += "\n" + show(e);
  return out;
}
std::string show(const std::vector<Line>& lines) {
  std::string out;
  for (const auto& l : lines) {
    out += std::to_string(l.n) + " " + static_cast<char>(l.state) + " " + show(l.entry) + " " + l.provider_id + " " + l.reason +
           "\n";
  }
  return out;
}
std::string show(const std::vector<Due>& due) {
  std::string out;
  for (const auto& d : due) {
    out += d.conversation + "@" + std::to_string(d.gen) + " closed " + std::to_string(d.closed.ms) + " accepted " +
           std::to_string(d.accepted.ms) + "\n";
  }
  return out;
}
std::string show(const Citizen& c) {
  if (c.missing) return "nobody";
  std::string out = c.id + " folded " + std::to_string(c.folded.ms) + "\n";
  for (const auto& p : c.parts) {
    out += "part " + p.id + " " + p.name + " into " + p.into + " by " + p.by + " " + std::to_string(p.since.ms) + " latest " +
           p.latest + " at " + p.address;
    for (const auto& alias : p.aliases) out += " alias " + alias;
    for (const auto& said : p.said) out += " said " + said;
    for (const auto& place : p.places) out += " place " + place.account + "|" + std::to_string(place.window_until.ms);
    out += "\n";
  }
  for (const auto& s : c.same) out += "same " + s.contact + " " + s.name + " " + s.address + "\n";
  return out;
}
std::string show(const std::vector<MediaJob>& jobs) {
  std::string out;
  for (const auto& job : jobs) out += show(job.ref) + " " + show(job.entry) + "\n";
  return out;
}
std::string show(const Page& p) { return std::to_string(p.total) + "\n" + show(p.lines); }
std::string show(const Conversations& c) { return show(c.cards) + "next " + c.next; }
std::string show(const Snapshot& s) {  // without the stream's id, which is Redis' own
  std::vector<std::string> lines;
  for (const auto& a : s.agents) {
    std::ostringstream out;
    out << "agent " << a.id << " " << a.availability << " " << a.sessions << " " << a.load << "/" << a.capacity << " " << a.gen
        << " " << a.last_assigned << (a.bot ? " bot" : "");
    for (const auto& q : a.queues) out << " " << q;
    for (const auto& skill : a.skills) out << " " << skill.id << ":" << skill.level;
    lines.push_back(out.str());
  }
  for (const auto& w : s.waiting) {
    std::ostringstream out;
    out << "waiting " << w.conversation << " " << w.queue << " " << w.excluded << " " << w.gen << " " << w.eff << " " << w.weight
        << " " << w.since << " " << w.sticky << " " << w.failures;
    lines.push_back(out.str());
  }
  for (const auto& q : s.queues) {
    std::ostringstream out;
    out << "queue " << q.id << " " << q.name << " " << q.auto_accept << " " << q.offer_ms << " " << q.wrap_ms << " " << q.priority
        << " " << q.sticky_ms << " " << write_steps(q.steps) << " " << write_goals(q.goals) << " "
        << (q.hours ? q.hours->write() + " " + q.hours->zone() : "always");
    if (q.hours && q.hours->emergency()) out << " " << write_emergency(*q.hours->emergency());
    for (const auto& skill : q.skills) out << " " << skill.id << ":" << skill.level;
    for (const auto& [what, weight] : q.weights) out << " " << what << "=" << weight;
    for (const auto& [what, weight] : q.weights) out << " " << what << "=" << weight;
    lines.push_back(out.str());
  }
  std::sort(lines.begin(), lines.end());
  std::string out = write_routes(s.routes);
  for (const auto& line : lines) out += line + "\n";
  return out;
}
template <class T>
std::string show(const Result<T>& r) {
  return r ? show(*r) : "error " + std::string(name_of(r.error().code)) + " " + r.error().detail;
}

// ---- both stores, side by side ----

// One server, and its links, for the whole program.
struct Bench {
  Server server;
  Link link{server.socket()};
  Link ears{server.socket()};
};
Bench& bench() {
  static Bench b;
  return b;
}

class Pair {
 public:
  Pair() {
    Bench& b = bench();
    EXPECT_TRUE(b.link.up() && b.ears.up()) << "redis-server does not start";
    b.link.run({"FLUSHALL"});
    b.ears.run({"PSUBSCRIBE", "{t}:a:*", "{t}:lane:*"});
    b.ears.read();  // the answer for the second pattern
    hear();
    const auto clock = [this] { return WallTime{now}; };
    memory = make_memory_store(clock);
    redis = make_redis_store(
        [this](std::string command, std::function<void(Result<Value>)> done) {
          bench().link.write(command);
          auto reply = bench().link.read();
          if (reply && reply->is_error()) refused_ = reply->text;
          done(std::move(reply));
        },
        {"t", clock});
    watch = std::make_unique<invariant::Watch>(*memory);
    memory->on_event = [this](const std::string& agent, const AgentEvent& event) {
      told_.push_back(agent + " " + show(event));
      if (event.kind == 'r' && event.extra == "handed_over") ++tally()["unsent"];
      watch->on_event(agent, event);
    };
    memory->on_lane = [this](const std::string& account) { woken_.push_back(account); };
    memory->on_transition = [this](const Fields& fields) {
      std::string line;
      for (const auto& [name, value] : fields) line += name + "=" + value + " ";
      changed_.push_back(line);
      watch->on_transition(fields);
      if (fields[3].second == "eli") ++tally()["eli " + fields[0].second];
    };
  }

  // Asks both. The model's answer is returned; a difference is a failure.
  template <class T, class F>
  T ask(const std::string& what, F call) {
    asked_.push_back(std::to_string(now - kStart) + " " + what);
    if (asked_.size() > 25) asked_.pop_front();
    std::optional<Result<T>> mine;
    std::optional<Result<T>> theirs;
    call(*memory, [&](Result<T> r) { mine = std::move(r); });
    call(*redis, [&](Result<T> r) { theirs = std::move(r); });
    const std::string a = mine ? show(*mine) : "nothing";
    const std::string b = theirs ? show(*theirs) : "nothing";
    if (a != b) failed("replies differ\n model: " + a + "\n redis: " + b + "  " + refused_);
    compare_news();
    for (const auto& violation : watch->check()) failed(violation);
    asked_.back() += "  ->  " + a.substr(0, 200);
    if constexpr (std::is_same_v<T, Outcome> || std::is_same_v<T, Ingested>) {
      std::string kind = what.substr(0, what.find(' ')) + " " + a.substr(0, a.find(' '));
      if constexpr (std::is_same_v<T, Outcome>)
        if (mine && *mine && !(*mine)->why.empty()) kind.append(" ").append((*mine)->why);
      ++tally()[kind];
    }
    return mine && *mine ? std::move(**mine) : T{};
  }

  // How often each command ended in each way: what the random requests reached.
  static std::map<std::string, int>& tally() {
    static std::map<std::string, int> counts;
    return counts;
  }

  void compare_news() {
    std::vector<std::string> told;
    std::vector<std::string> woken;
    for (const auto& [channel, payload] : hear()) {
      if (channel.starts_with("{t}:a:")) {
        const auto event = parse_agent_event(payload);
        told.push_back(channel.substr(6) + " " + (event ? show(*event) : "?" + payload));
      } else {
        woken.push_back(channel.substr(9));
      }
    }
    std::vector<std::string> changed;
    const Value entries = bench().link.run({"XRANGE", "{t}:ev", stream_ == "" ? "-" : "(" + stream_, "+"});
    for (const Value& entry : entries.array) {
      stream_ = entry.array[0].text;
      std::string line;
      const auto& fields = entry.array[1].array;
      for (std::size_t i = 0; i + 1 < fields.size(); i += 2) line += fields[i].text + "=" + fields[i + 1].text + " ";
      changed.push_back(line);
    }
    // Between agents there is no order; each agent's events carry their own number.
    compare("events", told_, told);
    compare("lane wake-ups", woken_, woken);
    compare("transitions", changed_, changed);
    told_.clear();
    woken_.clear();
    changed_.clear();
  }

  // What no reply shows: sets, deadlines, lanes, claims.
  void compare_hidden() {
    std::vector<std::string> mine;
    std::vector<std::string> theirs;
    const auto& w = memory->world();
    Link& link = bench().link;
    const auto list = [&](const std::string& name, const std::string& key, std::vector<std::string> values, const char* command,
                          bool scored = false) {
      std::vector<std::string> got;
      const bool is_zset = std::string_view(command) == "ZRANGE";
      const Value reply = is_zset                                 ? link.run({"ZRANGE", "{t}:" + key, "0", "-1", "WITHSCORES"})
                          : std::string_view(command) == "LRANGE" ? link.run({"LRANGE", "{t}:" + key, "0", "-1"})
                                                                  : link.run({command, "{t}:" + key});
      const bool pairs = scored || std::string_view(command) == "HGETALL";
      for (std::size_t i = 0; i < reply.array.size(); ++i) {
        got.push_back(reply.array[i].text);
        if (pairs && i + 1 < reply.array.size()) got.back() += "@" + reply.array[++i].text;
      }
      if (std::string_view(command) == "SMEMBERS" || std::string_view(command) == "HGETALL") {
        std::sort(got.begin(), got.end());
        std::sort(values.begin(), values.end());
      }
      const auto join = [&](const std::vector<std::string>& items) {
        std::string out = name + ":";
        for (const auto& item : items) out += " " + item;
        return out;
      };
      mine.push_back(join(values));
      theirs.push_back(join(got));
    };
    std::vector<std::string> values;
    for (const auto& [at, d] : w.deadlines) values.push_back(at.second + "@" + std::to_string(at.first));
    list("deadlines", "dl", values, "ZRANGE", true);
    values.clear();
    for (const auto& [at, id] : w.closed) values.push_back(id + "@" + std::to_string(at));
    list("closed", "closed", values, "ZRANGE", true);
    for (const auto& [queue, waiting] : w.waiting) {
      values.clear();
      for (const auto& [eff, id] : waiting) values.push_back(id + "@" + std::to_string(eff));
      list("queue " + queue, "q:" + queue, values, "ZRANGE", true);
    }
    for (const auto& [queue, waiting] : w.closed_for) {
      values.clear();
      for (const auto& [at, id] : waiting) values.push_back(id + "@" + std::to_string(at));
      list("closed for " + queue, "nb:" + queue, values, "ZRANGE", true);
    }
    for (const auto& [agent, a] : w.agents) {
      list("held by " + agent, "agentc:" + agent, {a.held.begin(), a.held.end()}, "SMEMBERS");
    }
    for (const auto& [account, road] : w.roads) {
      for (std::size_t lane = 0; lane < 3; ++lane) {
        values.clear();
        for (const auto& ref : road.lanes[lane]) values.push_back(show(ref));
        list("out " + account, "out:" + account + ":" + std::to_string(lane), values, "LRANGE");
        values.clear();
        for (const auto& [at, item] : road.later[lane]) values.push_back(item + "@" + std::to_string(at));
        list("later " + account, "later:" + account + ":" + std::to_string(lane), values, "ZRANGE", true);
      }
      values.clear();
      for (const auto& f : road.flights)
        values.push_back(show(f.ref) + "@" + std::to_string(f.epoch) + "|" + std::to_string(f.lane));
      list("fly " + account, "fly:" + account, values, "HGETALL");
    }
    for (const auto& [id, shard] : w.shards) {
      values.clear();
      for (const auto& [agent, session] : shard.sessions) values.push_back(agent + "|" + session);
      list("sessions " + id, "sess:" + id, values, "SMEMBERS");
    }
    values.clear();
    for (const auto& [name, l] : w.leases) {
      values.push_back(name + "@" + l.shard + "|" + std::to_string(l.shard_epoch) + "|" + std::to_string(l.epoch) + "|" +
                       std::to_string(l.until));
    }
    list("leases", "lease", values, "HGETALL");
    for (const auto& [id, c] : w.conversations) {
      values.clear();
      for (const auto& h : c.hold) values.push_back(std::to_string(h.lane) + "|" + std::to_string(h.n));
      list("hold " + id, "hold:" + id, values, "LRANGE");
      const Value r = link.run({"HMGET", "{t}:conv:" + id, "fly", "wt", "base", "eff"});
      mine.push_back("conv " + id + " " + (c.turn == 0 ? "" : std::to_string(c.turn)) + " " + std::to_string(c.weight) + " " +
                     std::to_string(c.base) + " " + std::to_string(c.eff));
      theirs.push_back("conv " + id);
      for (const Value& v : r.array) theirs.back() += " " + v.text;
    }
    for (std::size_t i = 0; i < mine.size(); ++i) {
      if (mine[i] != theirs[i]) failed("hidden state differs\n model: " + mine[i] + "\n redis: " + theirs[i]);
    }
  }

  void failed(const std::string& why) {
    if (broken) return;
    broken = true;
    std::string last;
    for (const auto& line : asked_) last += "  " + line + "\n";
    ADD_FAILURE() << title << ": " << why << "\nlast requests:\n" << last;
  }

  std::int64_t now = kStart;
  std::unique_ptr<MemoryStore> memory;
  std::unique_ptr<Store> redis;
  std::unique_ptr<invariant::Watch> watch;
  std::string title = "test";
  bool broken = false;

 private:
  // Everything published so far: the answer to a ping on the same link comes after it.
  static std::vector<std::pair<std::string, std::string>> hear() {
    std::vector<std::pair<std::string, std::string>> out;
    bench().ears.write(encode({"PING", "now"}));
    for (;;) {
      const auto value = bench().ears.read();
      if (!value || value->array.empty() || value->array[0].text == "pong") return out;
      if (value->array[0].text == "pmessage") out.emplace_back(value->array[2].text, value->array[3].text);
    }
  }
  void compare(const char* what, std::vector<std::string> a, std::vector<std::string> b) {
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    if (a == b) return;
    std::string text = std::string(what) + " differ";
    for (const auto& line : a) {
      if (std::find(b.begin(), b.end(), line) == b.end()) text += "\n model: " + line;
    }
    for (const auto& line : b) {
      if (std::find(a.begin(), a.end(), line) == a.end()) text += "\n redis: " + line;
    }
    failed(text);
  }

  std::vector<std::string> told_, woken_, changed_;
  std::string stream_, refused_;
  std::deque<std::string> asked_;
};

// ---- each command, to both ----

class Driver : public Pair {
 public:
  Ingested ingest(const Ingest& what) {
    std::string text = "ingest " + what.account + " " + what.dedupe + " from";
    for (const auto& address : what.addresses) text += " " + address;
    text += what.may_open ? "" : " change";
    if (what.hint) text += " hint " + what.hint->agent + "@" + std::to_string(what.hint->agent_gen);
    if (!what.bot.empty()) text += " bot " + what.bot;
    const auto out = ask<Ingested>(text, [&](Store& s, auto done) { s.ingest(what, done); });
    if (out.kind == Ingested::Kind::kNew || out.kind == Ingested::Kind::kOk) watch->on_kept(out.ref, what.entry);
    return out;
  }
  Outcome offer(const Offer& what) {
    return ask<Outcome>("offer " + what.conversation + "@" + std::to_string(what.gen) + " to " + what.agent,
                        [&](Store& s, auto done) { s.offer(what, done); });
  }
  Outcome accept(const Command& by) {
    return ask<Outcome>("accept " + text(by), [&](Store& s, auto done) { s.accept(by, done); });
  }
  Outcome decline(const Command& by) {
    return ask<Outcome>("decline " + text(by), [&](Store& s, auto done) { s.decline(by, "busy", done); });
  }
  Outcome close(const Command& by, const std::string& code, std::int64_t wrap) {
    return ask<Outcome>("close " + text(by) + " " + code + " wrap " + std::to_string(wrap),
                        [&](Store& s, auto done) { s.close(by, code, {wrap}, done); });
  }
  Outcome park(const Command& by, std::int64_t until, int weight = kParkWeight) {
    return ask<Outcome>("park " + text(by), [&](Store& s, auto done) { s.park(by, WallTime{until}, weight, done); });
  }
  Outcome transfer(const Command& by, const std::string& queue, const std::string& agent, bool warm = false,
                   std::int64_t opens = 0) {
    return ask<Outcome>("transfer " + text(by) + " to " + queue + "/" + agent + (warm ? " warm" : "") +
                            (opens > 0 ? " opens " + std::to_string(opens) : std::string()),
                        [&](Store& s, auto done) {
                          s.transfer({by, queue, agent, 45'000, warm, WallTime{opens}}, done);
                        });
  }
  Outcome direct(const Directive& what) {
    return ask<Outcome>("direct " + what.conversation + "@" + (what.gen ? std::to_string(*what.gen) : "any") + " " +
                            std::string(name_of(what.verb)) + " " + what.target + " of " + what.agent,
                        [&](Store& s, auto done) { s.direct(what, done); });
  }
  Outcome contact_join(const std::string& contact, const std::string& into) {
    return ask<Outcome>("contact_join " + contact + " " + into,
                        [&](Store& s, auto done) { s.contact_join(contact, into, "sue", done); });
  }
  Outcome contact_part(const std::string& contact) {
    return ask<Outcome>("contact_part " + contact, [&](Store& s, auto done) { s.contact_part(contact, "sue", done); });
  }
  Outcome contact_said(const std::string& contact, const std::string& number) {
    return ask<Outcome>("contact_said " + contact + " " + number,
                        [&](Store& s, auto done) { s.contact_said(contact, number, done); });
  }
  Outcome contact_ask(const std::string& contact, const std::string& address, const std::string& code) {
    return ask<Outcome>("contact_ask " + contact + " " + address + " " + code,
                        [&](Store& s, auto done) { s.contact_ask(contact, address, code, "sue", done); });
  }
  Outcome contact_prove(const std::string& contact, const std::string& code) {
    return ask<Outcome>("contact_prove " + contact + " " + code,
                        [&](Store& s, auto done) { s.contact_prove(contact, code, done); });
  }
  Citizen contact(const std::string& id) {
    return ask<Citizen>("contact " + id, [&](Store& s, auto done) { s.contact(id, {"p", "q"}, done); });
  }
  std::string contact_at(const std::string& address) {
    return ask<std::string>("contact_at " + address, [&](Store& s, auto done) { s.contact_at(address, done); });
  }
  Outcome routes_put(const std::vector<Route>& routes) {
    return ask<Outcome>("routes_put " + write_routes(routes), [&](Store& s, auto done) { s.routes_put(routes, done); });
  }
  Outcome reply(const Reply& what) {
    const auto out = ask<Outcome>("reply " + text(what.by) + " client_id " + what.client_id + " lane " +
                                      std::to_string(static_cast<int>(what.lane)) + " lease " + what.lease.shard + "@" +
                                      std::to_string(what.lease.epoch),
                                  [&](Store& s, auto done) { s.reply(what, done); });
    if (out.claimed) watch->on_handed(out.ref);
    return out;
  }
  Outcome note(const Command& by, const std::string& client_id, const std::string& author, const std::string& entry) {
    return ask<Outcome>("note " + text(by) + " client_id " + client_id,
                        [&](Store& s, auto done) { s.note(by, client_id, author, entry, done); });
  }
  Outcome send(const Send& what) {
    const auto out = ask<Outcome>("send " + what.account + " " + what.address + " client_id " + what.client_id,
                                  [&](Store& s, auto done) { s.send(what, done); });
    if (out.claimed) watch->on_handed(out.ref);
    return out;
  }
  // Of a channel without ids: `hash` is a repeat only until it is acknowledged. Not told to the watch, for an entry may come
  // twice.
  Ingested ingest_hash(Ingest in) {
    in.may_repeat = true;
    return ask<Ingested>("hash " + in.account + " " + in.dedupe, [&](Store& s, auto done) { s.ingest(in, done); });
  }
  void acknowledged(const std::string& account, const std::vector<std::string>& dedupe) {
    memory->acknowledged(account, dedupe);
    redis->acknowledged(account, dedupe);
  }
  PartSet part(const Part& part) {
    const auto out = ask<PartSet>("part " + part.account + " " + part.set + " " + std::to_string(part.n),
                                  [&](Store& s, auto done) { s.part(part, kMinute, done); });
    ++tally()[std::string("part ") + (out.what == PartSet::What::kWhole ? "whole" : "kept")];
    return out;
  }
  Outcome part_done(const std::string& account, const std::string& set) {
    return ask<Outcome>("part_done " + set, [&](Store& s, auto done) { s.part_done(account, set, done); });
  }
  std::vector<PartSet> parts_due(const std::string& account) {
    const auto out = ask<std::vector<PartSet>>("parts_due " + account, [&](Store& s, auto done) { s.parts_due(account, done); });
    if (!out.empty()) ++tally()["parts_due some"];
    return out;
  }
  std::vector<bool> receipts(const std::string& account, const std::vector<NamedReceipt>& items) {
    std::string what = "receipts " + account;
    for (const auto& i : items) what.append(" ").append(i.name) += {'=', static_cast<char>(i.state)};
    const auto out = ask<std::vector<bool>>(what, [&](Store& s, auto done) { s.receipts(account, items, done); });
    for (const bool known : out) ++tally()[known ? "receipt known" : "receipt unknown"];
    return out;
  }
  Outcome consent(const std::string& address, bool given) {
    return ask<Outcome>("consent " + address + (given ? " given" : " refused"), [&](Store& s, auto done) {
      s.consent({"w1", address, "all", given, WallTime{now}, "STOP"}, done);
    });
  }
  Claims claim(const std::string& account, const LeaseRef& lease, int most) {
    const auto out =
        ask<Claims>("claim " + account + " " + lease.shard + "@" + std::to_string(lease.epoch) + " most " + std::to_string(most),
                    [&](Store& s, auto done) {
                      s.claim(account, lease, {most - most / 10, most}, done);
                    });
    for (const auto& item : out.items) watch->on_handed(item.ref);
    return out;
  }
  std::vector<bool> settle(const std::string& account, const std::vector<Settled>& items) {
    std::string what = "settle " + account;
    for (const auto& i : items) what.append(" ").append(show(i.ref)) += {'=', static_cast<char>(i.state)};
    return ask<std::vector<bool>>(what, [&](Store& s, auto done) { s.settle(account, items, done); });
  }
  Outcome put_back(const std::string& account, const LeaseRef& lease, const std::vector<PutBack>& items) {
    std::string what = "put_back " + account + " " + lease.shard + "@" + std::to_string(lease.epoch);
    for (const auto& i : items) what.append(" ").append(show(i.ref));
    const auto roads = memory->world().roads;  // as they were
    const auto out = ask<Outcome>(what, [&](Store& s, auto done) { s.put_back(account, lease, items, done); });
    if (const auto road = roads.find(account); road != roads.end()) {
      for (const auto& f : road->second.flights) {
        for (const auto& i : items) {
          if (f.ref == i.ref && f.epoch == lease.epoch) watch->on_put_back(f.ref);
        }
      }
    }
    return out;
  }
  Outcome renew(const std::string& account, const LeaseRef& lease, const std::vector<MessageRef>& held) {
    const auto roads = memory->world().roads;  // as they were
    const auto out = ask<Outcome>("renew " + account + " " + lease.shard + "@" + std::to_string(lease.epoch),
                                  [&](Store& s, auto done) { s.renew(account, lease, held, done); });
    if (const auto road = roads.find(account); out.what == Outcome::What::kOk && road != roads.end()) {
      for (const auto& f : road->second.flights) {
        if (f.epoch == lease.epoch && std::find(held.begin(), held.end(), f.ref) == held.end()) watch->on_put_back(f.ref);
      }
    }
    return out;
  }
  Outcome orphans(const std::string& account, const LeaseRef& lease) {
    return ask<Outcome>("orphans " + account + " " + lease.shard + "@" + std::to_string(lease.epoch),
                        [&](Store& s, auto done) { s.orphans(account, lease, done); });
  }
  Outcome agent_put(const std::string& id, const Fields& fields) {
    return ask<Outcome>("agent_put " + id, [&](Store& s, auto done) { s.agent_put(id, fields, done); });
  }
  Outcome agent_set(const std::string& id, const std::string& value) {
    return ask<Outcome>("agent_set " + id + " " + value,
                        [&](Store& s, auto done) { s.agent_set(id, value, "why", value == "paused" ? "sue" : "", done); });
  }
  Outcome queue_put(const std::string& id, const Fields& fields) {
    return ask<Outcome>("queue_put " + id, [&](Store& s, auto done) { s.queue_put(id, fields, done); });
  }
  Outcome session(const std::string& shard, std::int64_t epoch, const std::string& agent, const std::string& id, bool open) {
    return ask<Outcome>(
        std::string(open ? "session " : "session end ") + shard + "@" + std::to_string(epoch) + " " + agent + " " + id,
        [&](Store& s, auto done) { s.session(shard, epoch, agent, id, open, done); });
  }
  Outcome node_start(const std::string& shard, std::int64_t ttl) {
    return ask<Outcome>("node_start " + shard, [&](Store& s, auto done) { s.node_start(shard, ttl, done); });
  }
  Beat node_beat(const std::string& shard, std::int64_t epoch, std::int64_t ttl, const std::vector<std::string>& wanted) {
    return ask<Beat>("node_beat " + shard + "@" + std::to_string(epoch),
                     [&](Store& s, auto done) { s.node_beat(shard, epoch, ttl, wanted, done); });
  }
  Outcome node_stop(const std::string& shard, std::int64_t epoch) {
    return ask<Outcome>("node_stop " + shard + "@" + std::to_string(epoch),
                        [&](Store& s, auto done) { s.node_stop(shard, epoch, done); });
  }
  // With the default ttl no pause counts as an outage.
  Outcome sweep(int most, std::int64_t ttl = 2'400 * kHour) {
    return ask<Outcome>("sweep " + std::to_string(most), [&](Store& s, auto done) { s.sweep(most, ttl, done); });
  }
  std::vector<Due> archive_due(std::int64_t before, int most) {
    return ask<std::vector<Due>>("archive_due " + std::to_string(before - kStart),
                                 [&](Store& s, auto done) { s.archive_due(WallTime{before}, most, done); });
  }
  Outcome archive_later(const std::vector<std::string>& ids, std::int64_t at) {
    return ask<Outcome>("archive_later", [&](Store& s, auto done) { s.archive_later(ids, WallTime{at}, done); });
  }
  Outcome history_add(const std::string& from, const std::string& to, const std::vector<HistoryRow>& rows) {
    return ask<Outcome>("history_add " + from + " " + to, [&](Store& s, auto done) { s.history_add(from, to, rows, done); });
  }
  void compare_history() {
    for (const auto& [day, fields] : memory->world().history) {
      const Value got = bench().link.run({"HGETALL", "{t}:hist:" + day});
      std::map<std::string, std::string> theirs;
      for (std::size_t i = 0; i + 1 < got.array.size(); i += 2) theirs[got.array[i].text] = got.array[i + 1].text;
      EXPECT_EQ(theirs, fields) << day;
      EXPECT_GT(bench().link.run({"TTL", "{t}:hist:" + day}).integer, 399 * 86'400);
    }
  }
  Outcome archive_done(const Archived& what) {
    return ask<Outcome>("archive_done " + what.conversation + "@" + std::to_string(what.gen) + " " + what.states,
                        [&](Store& s, auto done) { s.archive_done(what, done); });
  }
  Outcome sla_tell(const std::string& conversation, Clock clock, TermState state, std::int64_t since) {
    Term term;
    term.clock = clock;
    term.state = state;
    term.since = WallTime{since};
    term.due = WallTime{since + 300'000};
    return ask<Outcome>("sla_tell " + conversation + " " + std::string(name_of(clock)) + " " + std::string(name_of(state)) + " " +
                            std::to_string(since),
                        [&](Store& s, auto done) { s.sla_tell(conversation, term, done); });
  }
  Outcome recount(const std::string& conversation) {
    return ask<Outcome>("recount " + conversation, [&](Store& s, auto done) { s.recount(conversation, done); });
  }
  std::vector<Card> cards(const std::vector<std::string>& ids) {
    return ask<std::vector<Card>>("cards", [&](Store& s, auto done) { s.cards(ids, done); });
  }
  DeskView desk(const std::string& agent) {
    return ask<DeskView>("desk " + agent, [&](Store& s, auto done) { s.desk(agent, done); });
  }
  Replay replay(const std::string& agent, std::int64_t after) {
    return ask<Replay>("replay " + agent + " after " + std::to_string(after),
                       [&](Store& s, auto done) { s.replay(agent, after, done); });
  }
  std::vector<Line> entries(const std::string& conversation, const std::vector<std::int64_t>& ns) {
    return ask<std::vector<Line>>("entries " + conversation, [&](Store& s, auto done) { s.entries(conversation, ns, done); });
  }
  Page page(const std::string& conversation, std::int64_t after, int limit) {
    return ask<Page>("page " + conversation, [&](Store& s, auto done) { s.page(conversation, after, limit, done); });
  }
  Conversations conversations(const std::string& after, int limit) {
    return ask<Conversations>("conversations after " + after, [&](Store& s, auto done) { s.conversations(after, limit, done); });
  }
  Snapshot snapshot() {
    return ask<Snapshot>("snapshot", [&](Store& s, auto done) { s.snapshot(done); });
  }

  // Everything that can be read, and what cannot.
  void compare_all() {
    const auto& w = memory->world();
    std::string after;
    do {
      after = conversations(after, 50).next;
    } while (!after.empty());
    for (const auto& [id, c] : w.conversations) {
      page(id, 0, 1000);
      const Outcome counted = recount(id);
      if (counted.gen != 0) failed("recount of " + id + " is " + std::to_string(counted.gen));
    }
    for (const auto& [id, agent] : w.agents) {
      desk(id);
      replay(id, std::max<std::int64_t>(0, agent.seq - 50));
    }
    snapshot();
    compare_hidden();
    for (const auto& violation : watch->check_kept()) failed(violation);
  }

  static std::string text(const Command& by) { return by.conversation + "@" + std::to_string(by.gen) + " by " + by.agent; }
};

// ---- random requests ----

class Fuzz : public Driver {
 public:
  explicit Fuzz(std::uint64_t seed) : chance_(seed) { title = "SEED=" + std::to_string(seed); }

  void run(int steps) {
    for (const char* queue : {"water", "roads"}) queue_put(queue, {{"name", queue}, {"mode", one_in(3) ? "auto" : "offer"}});
    if (one_in(2)) agents_.push_back("eli");  // a program
    for (const std::string& agent : agents_) {
      agent_put(agent, {{"name", "N " + agent},
                        {"bot", agent == "eli" ? "1" : ""},
                        {"cap", std::to_string(10 * between(1, 4) + (one_in(4) ? 3 : 0))},
                        {"queues", queues_of_agent()}});
      agent_set(agent, "ready");
    }
    for (const char* shard : {"s1", "s2", "s3"}) {
      start(shard);
      beat(shard);
    }
    for (const std::string& agent : agents_) open_session(agent);
    for (int i = 0; i < steps && !broken; ++i) {
      step();
      if (i % 60 == 59) compare_all();
    }
    if (!broken) compare_all();
  }

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(chance_);
  }
  bool one_in(int n) { return between(1, n) == 1; }
  template <class T>
  const T& any(const std::vector<T>& items) {
    return items[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(items.size()) - 1))];
  }
  std::string queues_of_agent() { return one_in(3) ? "water" : one_in(2) ? "roads" : "water,roads"; }

  void start(const std::string& shard) { epochs_[shard] = node_start(shard, 30'000).gen; }
  void beat(const std::string& shard) {
    std::vector<std::string> wanted{"matcher"};
    for (const std::string& account : accounts_) {
      if (!one_in(3)) wanted.push_back("acct:" + account);
    }
    for (const auto& lease : node_beat(shard, one_in(15) ? epochs_[shard] - 1 : epochs_[shard], 30'000, wanted).leases) {
      if (lease.name.starts_with("acct:")) leases_[lease.name.substr(5)] = {shard, lease.epoch};
    }
  }
  void open_session(const std::string& agent) {
    const std::string& shard = any(shards_);
    session(shard, one_in(20) ? 1 : epochs_[shard], agent, "t" + std::to_string(between(1, 3)), true);
  }
  // The lease as this test believes it; sometimes another's.
  LeaseRef lease_of(const std::string& account) {
    if (one_in(12)) return {any(shards_), between(0, 3)};
    const auto it = leases_.find(account);
    return it == leases_.end() ? LeaseRef{} : it->second;
  }
  const model::Conversation* some_conversation(const std::string& state = "") {
    std::vector<const model::Conversation*> found;
    for (const auto& [id, c] : memory->world().conversations) {
      if (state.empty() || c.state == state) found.push_back(&c);
    }
    return found.empty() ? nullptr : any(found);
  }
  // Mostly the right command; sometimes stale, of another's, or of nothing.
  Command command_on(const std::string& state) {
    const model::Conversation* c = one_in(8) ? some_conversation() : some_conversation(state);
    if (c == nullptr && !one_in(8)) c = some_conversation();
    if (c == nullptr) return {"999", 1, "ana"};
    Command by{c->id, c->gen, c->owner};
    if (one_in(10)) --by.gen;
    if (one_in(15)) by.agent = any(agents_);
    return by;
  }
  std::string unique(const char* kind) {
    return std::string(kind) + " " + std::to_string(++serial_) + std::string(static_cast<std::size_t>(between(0, 20)), '.');
  }
  // Sometimes none, sometimes one that this author used before.
  std::string client_id(const std::string& author) {
    auto& used = used_[author];
    if (one_in(6)) return "";
    if (!used.empty() && one_in(5)) return any(used);
    used.push_back(std::string("c").append(std::to_string(++serial_)));
    return used.back();
  }
  std::string fresh_entry() { return unique("entry"); }

  void ingest_something() {
    if (!sent_.empty() && one_in(5)) {
      ingest(any(sent_));
      return;
    }
    Ingest in;
    in.account = any(accounts_);
    in.channel = "wa";
    in.dedupe = "wamid." + std::to_string(++serial_);
    in.at = WallTime{now - between(0, 3) * kHour};
    const std::int64_t which = between(1, 7);
    const std::string citizen = std::to_string(which);
    in.addresses = {address_of(which)};
    if (one_in(3)) in.addresses.push_back("wa:p:bsuid" + citizen);
    if (one_in(6)) in.addresses.push_back("wa:p:parent" + citizen);
    if (one_in(8)) std::swap(in.addresses.front(), in.addresses.back());
    if (one_in(20)) {
      in.old_address = in.addresses[0];
      in.addresses = {"wa:p:new" + citizen};
    }
    if (one_in(4)) {
      in.channel = "web";
      in.addresses = {"web:v" + citizen};
      in.old_address.clear();
    }
    in.name = one_in(3) ? "" : "Cit | {}\n\n" + citizen;  // people call themselves anything
    in.queue = one_in(2) ? "water" : "roads";
    in.window_until = WallTime{one_in(4) ? 0 : now + between(0, 24) * kHour};
    in.may_open = !one_in(6) && in.old_address.empty();
    in.room = !one_in(12);
    in.entry = fresh_entry();
    if (one_in(2)) {
      const std::string& agent = any(agents_);
      in.hint = Hint{agent, memory->world().agents.at(agent).gen - (one_in(6) ? 1 : 0), "{\"load\":0}"};
    }
    in.offer_ttl_ms = 20'000;
    in.auto_accept = one_in(4);
    in.priority = one_in(3) ? between(1, 100) : 0;
    if (one_in(3)) in.opens = WallTime{now + between(-1, 3) * kMinute};
    if (!one_in(3)) in.bot = one_in(8) ? any(agents_) : "eli";
    ingest(in);
    sent_.push_back(in);
  }

  void channel_without_ids() {
    const std::string& account = any(accounts_);
    const std::string set = "8:" + std::to_string(between(1, 2)) + ":2:tel";
    switch (between(0, 8)) {
      case 0:
      case 1: {
        Ingest in;
        in.account = account;
        in.channel = "sms";
        in.dedupe = "h" + std::to_string(between(1, 4));
        in.fresh = one_in(5);
        in.at = WallTime{now};
        in.addresses = {address_of(between(1, 7))};
        in.queue = "water";
        in.room = !one_in(6);
        in.entry = fresh_entry();
        return void(ingest_hash(in));
      }
      case 2: return acknowledged(account, {"h" + std::to_string(between(1, 4)), "h9"});
      case 3:
      case 4:
        return void(
            part({account, set, static_cast<int>(between(1, 2)), 2, "part" + std::to_string(between(1, 2)), WallTime{now}}));
      case 5: return void(part_done(account, set));
      case 6:
        for (const PartSet& due : parts_due(account)) {
          if (one_in(2)) part_done(account, due.name);
        }
        return;
      case 7:
        return void(consent(one_in(2) ? "wa:p:stranger" + std::to_string(between(1, 3)) : address_of(between(1, 7)), one_in(2)));
      default: break;
    }
    std::vector<NamedReceipt> items;
    for (std::int64_t i = between(1, 3); i > 0; --i) {
      NamedReceipt item;
      item.name = "n" + std::to_string(between(1, 12));
      item.state = any(std::vector<State>{State::kSent, State::kDelivered, State::kDelivered, State::kFailed});
      if (item.state == State::kFailed) item.reason = "UNDELIV err 1";
      item.to = one_in(4) ? "" : one_in(4) ? "999 888 " : "49151 12345 ";
      if (one_in(3)) item.suspect = MessageRef{std::to_string(between(1, 9)), between(1, 3)};
      items.push_back(item);
    }
    receipts(account, items);
  }

  // Some numbers are on both portfolios, one of them written in two ways.
  static std::string address_of(std::int64_t citizen) {
    if (citizen == 5) return "wa:p:525512345678";
    if (citizen == 6) return "wa:q:49151000001";
    if (citizen == 7) return "wa:q:5215512345678";
    return "wa:p:4915100000" + std::to_string(citizen);
  }

  void know_something() {
    const auto& all = memory->world().contacts;
    if (all.empty()) return;
    const auto any_contact = [&] { return std::next(all.begin(), between(0, static_cast<std::int64_t>(all.size()) - 1))->first; };
    const std::string mine = one_in(20) ? "none" : any_contact();
    const std::string address = one_in(12) ? "wa:p:unheard" : address_of(between(1, 7));
    switch (between(0, 9)) {
      case 0:
      case 1: return void(contact_join(mine, any_contact()));
      case 2:
        for (const auto& [id, c] : all) {
          if (!c.into.empty() && one_in(2)) return void(contact_part(id));
        }
        return void(contact_part(mine));
      case 3: return void(contact_said(mine, one_in(2) ? "+491510000" + std::to_string(between(1, 3)) : "+5215512345678"));
      case 4:
        if (contact_ask(mine, address, "1").what != Outcome::What::kOk) return;
        while (one_in(2)) contact_prove(mine, one_in(3) ? "1" : "2");
        return;
      case 5: return void(contact_prove(mine, std::to_string(between(1, 2))));
      case 6: return void(contact_at(address));
      default: return void(contact(mine));
    }
  }
  void switch_something() {
    const model::Conversation* c = some_conversation(one_in(10) ? "queued" : "active");
    if (c == nullptr) return;
    Directive what;
    what.verb = Directive::Verb::kSwitch;
    what.conversation = c->id;
    what.gen = c->gen;
    what.by = "sue";
    std::string to = address_of(between(1, 7));
    for (const auto& [address, a] : memory->world().addresses) {
      if (a.contact == c->contact && one_in(2)) to = address;
    }
    what.target = any(accounts_) + "|wa|" + to;
    const Outcome out = direct(what);
    ++tally()["switch " + (out.what == Outcome::What::kOk ? "ok" : out.why)];
    for (const auto& [id, other] : memory->world().contacts) {
      if (!other.into.empty() && one_in(2)) contact(id);
    }
  }

  void offer_something() {
    const model::Conversation* c = one_in(10) ? some_conversation() : some_conversation("queued");
    if (c == nullptr) return;
    offer({c->id, c->gen - (one_in(10) ? 1 : 0), one_in(25) ? "nobody" : any(agents_), one_in(3) ? 5'000 : 45'000, one_in(4),
           "{}"});
  }

  void reply_something() {
    Reply what;
    what.by = command_on(one_in(3) ? "bot" : "active");
    if (one_in(6)) what.by.agent.clear();
    what.author = what.by.agent.empty() ? "key" : what.by.agent;
    what.client_id = client_id(what.author);
    what.entry = fresh_entry();
    what.lane = static_cast<Lane>(between(0, 2));
    what.needs_window = one_in(4);
    const auto& all = memory->world().conversations;
    const auto c = all.find(what.by.conversation);
    if (c != all.end() && one_in(2)) what.lease = lease_of(c->second.account);
    if (one_in(4)) what.account = any(accounts_);
    reply(what);
  }

  void send_something() {
    Send what;
    what.account = any(accounts_);
    what.channel = "wa";
    what.address = one_in(4) ? "wa:p:stranger" + std::to_string(between(1, 3)) : address_of(between(1, 7));
    what.author = "key";
    what.client_id = client_id(what.author);
    what.entry = fresh_entry();
    what.lane = static_cast<Lane>(between(0, 2));
    what.needs_window = one_in(3);
    what.room = !one_in(6);
    if (one_in(2)) what.lease = lease_of(what.account);
    send(what);
  }

  void settle_something() {
    const std::string& account = any(accounts_);
    std::vector<MessageRef> outbound;
    for (const auto& [id, c] : memory->world().conversations) {
      if (c.account != account) continue;
      for (std::size_t i = 0; i < c.log.size(); ++i) {
        const bool waits = rank(c.log[i].state) >= 1 && rank(c.log[i].state) <= 4;
        if (waits || one_in(9)) outbound.push_back({id, static_cast<std::int64_t>(i + 1)});
      }
    }
    if (outbound.empty()) return;
    std::vector<Settled> items;
    for (std::int64_t i = between(1, 4); i > 0; --i) {
      Settled item;
      item.ref = any(outbound);
      if (one_in(40)) item.ref.n += 50;
      item.state = any(std::vector<State>{State::kSent, State::kSent, State::kUncertain, State::kExpired, State::kFailed,
                                          State::kDelivered, State::kRead});
      if (!one_in(3)) item.provider_id = "out." + std::to_string(++serial_);
      if (item.state == State::kFailed) item.reason = "131026 undeliverable";
      for (std::int64_t names = one_in(2) ? between(1, 2) : 0; names > 0; --names)
        item.names.push_back("n" + std::to_string(between(1, 12)) + (one_in(3) ? "|" : "|9151"));
      items.push_back(item);
    }
    settle(account, items);
  }

  void put_back_something() {
    const std::string& account = any(accounts_);
    const auto& roads = memory->world().roads;
    const auto road = roads.find(account);
    std::vector<PutBack> items;
    if (road != roads.end()) {
      for (const auto& f : road->second.flights) {
        if (one_in(2)) items.push_back({f.ref, WallTime{now + between(0, 5'000)}});
      }
    }
    if (one_in(10)) items.push_back({{"1", 1}, WallTime{now}});
    put_back(account, lease_of(account), items);
  }

  void archive_something() {
    // Mostly news come first: what waits for some is not archived.
    const auto due = archive_due(now - between(0, 3) * kMinute, static_cast<int>(between(1, 6)));
    for (const Due& d : due) {
      if (one_in(5)) {
        archive_later({d.conversation, "999"}, now + between(0, 10) * kMinute);
        continue;
      }
      if (one_in(2)) {
        std::vector<Settled> items;
        const auto& c = memory->world().conversations.at(d.conversation);
        for (std::size_t i = 0; i < c.log.size(); ++i) {
          if (rank(c.log[i].state) >= 1)
            items.push_back({{c.id, static_cast<std::int64_t>(i + 1)}, State::kExpired, "", "no_news"});
        }
        if (!items.empty()) settle(c.account, items);
      }
      Archived what = archived(d.conversation, d.gen, page(d.conversation, 0, 1000).lines);
      if (one_in(8)) ++what.gen;
      if (one_in(8)) ++what.facts;
      if (one_in(8) && !what.states.empty()) what.states.back() = 'r';
      if (one_in(8)) note({d.conversation, d.gen, ""}, "", "key", fresh_entry());
      if (archive_done(what).what == Outcome::What::kOk && one_in(4)) archive_done(what);
    }
  }

  void direct_something() {
    static constexpr Directive::Verb kVerbs[] = {Directive::Verb::kTake,     Directive::Verb::kAssign,  Directive::Verb::kRequeue,
                                                 Directive::Verb::kClose,    Directive::Verb::kReopen,  Directive::Verb::kMerge,
                                                 Directive::Verb::kPriority, Directive::Verb::kDescribe};
    const model::Conversation* c = some_conversation();
    if (c == nullptr) return;
    Directive what;
    what.verb = kVerbs[between(0, 7)];
    what.conversation = one_in(20) ? "none" : c->id;
    if (one_in(2)) what.gen = one_in(6) ? c->gen - 1 : c->gen;
    what.by = "sue";
    if (one_in(6)) what.agent = any(agents_);
    if (one_in(8)) what.client_id = client_id("sue");
    switch (what.verb) {
      case Directive::Verb::kTake:
      case Directive::Verb::kAssign: what.target = one_in(10) ? "nobody" : any(agents_); break;
      case Directive::Verb::kRequeue:
      case Directive::Verb::kReopen: what.target = one_in(8) ? "nowhere" : one_in(2) ? "" : one_in(2) ? "roads" : "water"; break;
      case Directive::Verb::kClose: what.target = one_in(3) ? "" : one_in(2) ? "spam" : "done"; break;
      case Directive::Verb::kPriority: what.target = std::to_string(one_in(4) ? kLifeSafety : between(0, 60)); break;
      case Directive::Verb::kSwitch: break;
      case Directive::Verb::kDescribe:
        what.target = std::string(one_in(3) ? "" : one_in(4) ? "nowhere" : one_in(2) ? "roads" : "water") + "|district=north\n";
        break;
      case Directive::Verb::kMerge: {
        const model::Conversation* other = some_conversation();
        for (const auto& [id, each] : memory->world().conversations) {
          if (each.contact == c->contact && id != c->id && one_in(2)) other = &each;
        }
        what.target = other->id;
        break;
      }
    }
    direct(what);
  }

  void pass_time() {
    static constexpr std::int64_t kJumps[] = {0, 1, 40, 900, 3'000, 12'000, 31'000, 50'000, 125'000, 11 * kMinute};
    const std::int64_t jump = kJumps[between(0, one_in(6) ? 9 : 6)];
    if (now + jump < kStart + 20 * kHour) now += jump;
    // Shards that live beat; one that does not will lapse.
    for (const std::string& shard : shards_) {
      if (!one_in(9)) beat(shard);
    }
    if (!one_in(4)) sweep(static_cast<int>(one_in(3) ? between(1, 4) : 100), 30'000);
  }

  void step() {
    if (one_in(8)) {  // somebody comes back
      const std::string& agent = any(agents_);
      agent_set(agent, "ready");
      session("s1", epochs_["s1"], agent, "t1", true);
    }
    if (one_in(25)) return know_something();
    if (one_in(40)) return switch_something();
    const std::int64_t dice = between(1, 100);
    if (dice <= 18) return ingest_something();
    if (dice <= 28) return offer_something();
    if (dice <= 36) return void(accept(command_on("offered")));
    if (dice <= 38) return void(decline(command_on("offered")));
    if (dice <= 42) {
      Command by = command_on(one_in(3) ? "wrapup" : one_in(5) ? "bot" : "active");
      if (one_in(12)) by.agent.clear();
      return void(close(by, one_in(3) ? "" : one_in(6) ? "spam" : "fixed", one_in(3) ? 0 : 20'000));
    }
    if (dice <= 43 && one_in(2)) return archive_something();
    if (dice <= 44) return void(park(command_on("active"), now + between(1, 60) * 1000, one_in(2) ? 0 : 5));
    if (dice <= 47) {
      if (one_in(3)) {  // the invited answers
        for (const auto& [id, c] : memory->world().conversations) {
          if (c.invited.empty() || !one_in(2)) continue;
          const Command by{id, c.gen, c.invited};
          return void(one_in(3) ? decline(by) : accept(by));
        }
      }
      if (one_in(3)) return direct_something();
      const bool to_agent = one_in(2);
      return void(transfer(command_on(one_in(2) ? "bot" : "active"),
                           to_agent    ? (one_in(4) ? "roads" : "")
                           : one_in(8) ? "nowhere"
                           : one_in(4) ? ""
                                       : "roads",
                           to_agent ? any(agents_) : "", one_in(2), one_in(2) ? now + between(-1, 3) * kMinute : 0));
    }
    if (dice <= 58) return reply_something();
    if (dice <= 60) {
      Command by = command_on("active");
      if (one_in(5)) by.agent.clear();
      return void(note(by, client_id(by.agent), by.agent, fresh_entry()));
    }
    if (dice <= 64) return one_in(2) ? channel_without_ids() : send_something();
    if (dice <= 70) {
      const std::string& account = any(accounts_);
      return void(claim(account, lease_of(account), static_cast<int>(between(0, 5))));
    }
    if (dice <= 77) return settle_something();
    if (dice <= 79) return put_back_something();
    if (dice <= 81) {
      const std::string& account = any(accounts_);
      if (one_in(2)) return void(orphans(account, lease_of(account)));
      const auto& roads = memory->world().roads;
      std::vector<MessageRef> held;
      if (const auto road = roads.find(account); road != roads.end()) {
        for (const auto& f : road->second.flights) {
          if (one_in(2)) held.push_back(f.ref);
        }
      }
      const LeaseRef mine = lease_of(account);
      const Outcome renewed = renew(account, mine, held);
      if (renewed.what == Outcome::What::kOk) leases_[account] = {mine.shard, renewed.gen};
      return;
    }
    if (dice <= 83) return open_session(any(agents_));
    if (dice <= 85) {
      const std::string& shard = any(shards_);
      return void(session(shard, epochs_[shard], any(agents_), "t" + std::to_string(between(1, 3)), false));
    }
    if (dice <= 87) {
      return void(agent_set(one_in(20) ? "nobody" : any(agents_),
                            any(std::vector<std::string>{"ready", "ready", "ready", "paused", "offline", "draining"})));
    }
    if (dice == 88 && agents_.size() > 4 && one_in(4)) return void(agent_put("eli", {{"bot", one_in(3) ? "" : "1"}}));
    if (dice == 88)
      return void(agent_put(any(agents_), {{"cap", std::to_string(between(1, 5) * 10)},
                                           {"queues", queues_of_agent()},
                                           {"skills", one_in(2) ? "" : "pipes:3,de:5"}}));
    if (dice == 89) {
      const std::string& shard = any(shards_);
      if (one_in(3)) node_stop(shard, epochs_[shard]);
      start(shard);
      return beat(shard);
    }
    if (dice == 90)
      return void(queue_put("water", {{"offer_ms", std::to_string(between(1, 60) * 1000)},
                                      {"priority", std::to_string(between(0, 100))},
                                      {"sticky_ms", one_in(2) ? "" : "30000"},
                                      {"skills", one_in(2) ? "" : "pipes:2"},
                                      {"steps", one_in(2) ? "" : "60000|1||roads"},
                                      {"hours", one_in(2) ? "" : "mon-fri 08:00-17:00"},
                                      {"zone", one_in(2) ? "" : "Europe/Berlin"},
                                      {"weights", one_in(2) ? "" : "wa=10,wrapup=3,parked=5"},
                                      {"sla", one_in(2) ? "" : "first_reply=300000,within=80"},
                                      {"emergency", one_in(2) ? "" : "closed|5||flood, as told"}}));
    if (dice <= 98) return pass_time();
    if (dice == 99 && one_in(6))
      return void(routes_put({{"w1", "wa", "es", "", {"fire", "gas leak"}, "water", between(0, 9), one_in(2)}}));
    if (dice == 99 && one_in(3)) return void(cards({"1", "7", "none"}));
    if (dice == 99 || one_in(3)) return tell_of_a_clock();
    const model::Conversation* c = some_conversation();
    if (c != nullptr) entries(c->id, {1, 3, 99});
    page("nothing", 0, 10);
    desk("nobody");
    replay(any(agents_), between(0, 600));
  }

  // Of one that runs, as a rule.
  void tell_of_a_clock() {
    for (int i = 0; i < 6; ++i) {
      const model::Conversation* c = some_conversation();
      if (c == nullptr) return void(sla_tell("999", Clock::kResolve, TermState::kBreached, 1));
      const auto clock = static_cast<Clock>(between(0, 2));
      std::int64_t since = clock == Clock::kNextReply ? c->unanswered : c->first;
      if (one_in(10)) since = one_in(2) ? 0 : since + 1;
      sla_tell(c->id, clock, one_in(2) ? TermState::kPredicted : TermState::kBreached, since);
    }
  }

  std::mt19937_64 chance_;
  std::int64_t serial_ = 0;
  std::vector<Ingest> sent_;
  std::map<std::string, std::int64_t> epochs_;
  std::map<std::string, LeaseRef> leases_;
  std::map<std::string, std::vector<std::string>> used_;
  std::vector<std::string> agents_{"ana", "bob", "cho", "dee"};
  const std::vector<std::string> accounts_{"w1", "w2"};
  const std::vector<std::string> shards_{"s1", "s2", "s3"};
};

// What was counted once is never counted again, and both sum alike.
TEST(Store, CountsOfThePastAreAddedOnce) {
  Driver t;
  std::mt19937_64 chance(7);
  const auto upto = [&](std::uint64_t n) { return chance() % n; };
  std::string place;
  for (int step = 1; step <= 200 && !t.broken; ++step) {
    std::vector<HistoryRow> rows;
    for (std::uint64_t i = upto(4); i > 0; --i) {
      Counts counts;
      counts.add(static_cast<Tally>(upto(kTallies)), static_cast<std::int64_t>(upto(3) == 0 ? 5'000'000'000 : 1 + upto(9)));
      if (upto(2) == 0) counts.add(static_cast<Span>(upto(kSpans)), static_cast<std::int64_t>(upto(100'000'000)));
      rows.push_back(
          {"2027011" + std::to_string(upto(3)), "08|hall|" + std::string(upto(2) == 0 ? "wa" : "sms") + "|es", counts.write()});
    }
    const std::string to = std::to_string(step) + "-0";
    const bool lost = upto(5) == 0;  // a step that was taken already, or never
    const Outcome out = t.history_add(lost ? "nowhere" : place, to, rows);
    EXPECT_EQ(out.what, lost ? Outcome::What::kStale : Outcome::What::kOk);
    if (lost) {
      EXPECT_EQ(out.state, place);
    } else {
      place = to;
    }
  }
  t.compare_history();
  EXPECT_EQ(t.memory->world().history.size(), 3U);
}

TEST(Store, TheModelAndRedisAnswerAlike) {
  const char* one = std::getenv("SEED");
  const char* many = std::getenv("SEEDS");
  const std::uint64_t first = one != nullptr ? std::strtoull(one, nullptr, 10) : 1;
  const std::uint64_t count = one != nullptr ? 1 : many != nullptr ? std::strtoull(many, nullptr, 10) : 130;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Fuzz fuzz(seed);
    fuzz.run(400);
    if (fuzz.broken) return;
  }
  if (one != nullptr) return;
  // Requests that reach nothing prove nothing.
  std::string counts;
  for (const auto& [kind, times] : Fuzz::tally()) counts.append(kind).append(": ").append(std::to_string(times)).append("\n");
  if (std::getenv("VERBOSE") != nullptr) std::cout << counts;
  for (const char* kind : {"ingest new",
                           "ingest ok",
                           "ingest dup",
                           "ingest none",
                           "ingest full",
                           "offer ok",
                           "offer stale",
                           "offer refused not_ready",
                           "offer refused excluded",
                           "accept ok",
                           "accept stale",
                           "decline ok",
                           "close ok",
                           "close stale",
                           "park ok",
                           "transfer ok",
                           "transfer refused no_queue",
                           "transfer refused same_agent",
                           "transfer refused not_ready",
                           "reply ok",
                           "reply repeat",
                           "reply stale",
                           "reply window",
                           "note ok",
                           "note repeat",
                           "send ok",
                           "send repeat",
                           "send window",
                           "send refused full",
                           "send refused consent",
                           "hash dup",
                           "hash new",
                           "part kept",
                           "part whole",
                           "part_done ok",
                           "part_done missing",
                           "parts_due some",
                           "receipt known",
                           "receipt unknown",
                           "consent ok",
                           "archive_done ok",
                           "archive_done stale",
                           "archive_done missing",
                           "put_back ok",
                           "orphans ok",
                           "renew ok",
                           "renew lost",
                           "orphans lost",
                           "session ok",
                           "session lost",
                           "node_stop ok",
                           "contact_join ok",
                           "contact_join refused same_contact",
                           "contact_part ok",
                           "contact_part refused not_merged",
                           "contact_ask ok",
                           "contact_ask refused same_contact",
                           "contact_prove ok",
                           "contact_prove refused wrong",
                           "reply refused switched",
                           "switch ok",
                           "switch not_his",
                           "switch other_open",
                           "eli bot",
                           "eli requeued",
                           "eli after_hours",
                           "eli closed",
                           "unsent"}) {
    EXPECT_GT(Fuzz::tally()[kind], 5) << kind << " in\n" << counts;
  }
}

// ---- what matters most, by name; each asks both stores ----

class Named : public Driver {
 public:
  Named() {
    queue_put("water", {{"name", "Water"}});
    for (const char* agent : {"ana", "bob"}) agent_put(agent, {{"name", agent}, {"cap", "30"}, {"queues", "water"}});
    epoch = node_start("s1", kHour).gen;
    for (const char* agent : {"ana", "bob"}) {
      session("s1", epoch, agent, "tab", true);
      agent_set(agent, "ready");
    }
    lease = {"s1", node_beat("s1", epoch, kHour, {"acct:w"}).leases.at(0).epoch};
  }
  ~Named() {
    if (!broken) compare_all();
  }
  Named(const Named&) = delete;
  Named& operator=(const Named&) = delete;

  Ingest message(const std::string& citizen, const std::string& id) const {
    Ingest in;
    in.account = "w";
    in.channel = "wa";
    in.dedupe = id;
    in.at = WallTime{now};
    in.addresses = {"wa:p:" + citizen};
    in.name = citizen;
    in.queue = "water";
    in.window_until = WallTime{now + 24 * kHour};
    in.entry = "in " + id;
    return in;
  }
  // A conversation that ana has accepted.
  Command with_ana(const std::string& citizen) {
    const std::string id = ingest(message(citizen, "first of " + citizen)).ref.conversation;
    const Outcome offered = offer({id, 1, "ana", 45'000, false, "{}"});
    const Outcome accepted = accept({id, offered.gen, "ana"});
    return {id, accepted.gen, "ana"};
  }
  Outcome answer(const Command& by, const std::string& words, bool at_once = false, Lane lane = Lane::kConversation) {
    Reply what;
    what.by = by;
    what.author = by.agent;
    what.entry = words;
    what.lane = lane;
    if (at_once) what.lease = lease;
    return reply(what);
  }
  State state_of_entry(const MessageRef& ref) { return entries(ref.conversation, {ref.n}).at(0).state; }

  std::int64_t epoch = 0;
  LeaseRef lease;
};

using What = Outcome::What;

TEST(StoreNamed, AMessageTwiceInTheSameMillisecondIsKeptOnce) {
  Named t;
  const Ingest one = t.message("x", "wamid.1");
  EXPECT_EQ(t.ingest(one).kind, Ingested::Kind::kNew);
  EXPECT_EQ(t.ingest(one).kind, Ingested::Kind::kDuplicate);
  Ingest other_account = one;  // the same id of another account is another message
  other_account.account = "w2";
  other_account.entry = "other";
  EXPECT_EQ(t.ingest(other_account).kind, Ingested::Kind::kNew);
  t.now += 6 * 24 * kHour;  // redelivered for days: its own time names the same day
  EXPECT_EQ(t.ingest(one).kind, Ingested::Kind::kDuplicate);
}

// Two shards, two links, both requests on their way before either is answered.
std::vector<Ingested> at_once(const std::vector<Ingest>& both) {
  const auto clock = [] { return WallTime{kStart}; };
  std::vector<std::unique_ptr<Link>> links;
  std::vector<std::function<void(Result<Value>)>> waiting;
  std::vector<Ingested> out(both.size());
  std::vector<std::unique_ptr<Store>> stores;
  for (std::size_t i = 0; i < both.size(); ++i) {
    links.push_back(std::make_unique<Link>(bench().server.socket()));
    stores.push_back(make_redis_store(
        [&, i](std::string command, std::function<void(Result<Value>)> done) {
          links[i]->write(command);
          waiting.push_back(std::move(done));
        },
        {"t", clock}));
  }
  for (std::size_t i = 0; i < both.size(); ++i) {
    stores[i]->ingest(both[i], [&, i](Result<Ingested> r) { out[i] = r ? *r : Ingested{}; });
  }
  for (std::size_t i = 0; i < both.size(); ++i) waiting[i](links[i]->read());
  return out;
}

Ingested at_once_alone(const Ingest& one) {
  const auto store = make_redis_store(
      [](std::string command, std::function<void(Result<Value>)> done) {
        bench().link.write(command);
        done(bench().link.read());
      },
      {"t", [] { return WallTime{kStart}; }});
  Ingested out;
  store->ingest(one, [&](Result<Ingested> r) { out = r ? *r : Ingested{}; });
  return out;
}

TEST(StoreNamed, TwoShardsGetTheSameMessageAndKeepItOnce) {
  Named t;
  const auto out = at_once({t.message("x", "wamid.1"), t.message("x", "wamid.1")});
  t.broken = true;  // the model was not asked
  const auto news = std::count_if(out.begin(), out.end(), [](const Ingested& i) { return i.kind == Ingested::Kind::kNew; });
  const auto again =
      std::count_if(out.begin(), out.end(), [](const Ingested& i) { return i.kind == Ingested::Kind::kDuplicate; });
  EXPECT_EQ(news, 1);
  EXPECT_EQ(again, 1);
}

TEST(StoreNamed, TwoFirstMessagesOpenOneConversation) {
  Named t;
  const auto out = at_once({t.message("x", "wamid.1"), t.message("x", "wamid.2")});
  t.broken = true;
  EXPECT_EQ(out[0].ref.conversation, out[1].ref.conversation);
  EXPECT_NE(out[0].kind, out[1].kind);
  EXPECT_EQ(out[0].ref.n + out[1].ref.n, 3);
}

// More than a page of each: all are in the picture, and what its pages say of one queue is not said of another.
TEST(StoreNamed, ASnapshotOfManyPagesIsWhole) {
  Named t;
  for (int i = 0; i < 700; ++i) {
    t.ingest(t.message("x" + std::to_string(i), "m" + std::to_string(i)));
    t.now += 1;
  }
  const Snapshot picture = t.snapshot();
  std::set<std::string> seen;
  for (const Waiting& each : picture.waiting) seen.insert(each.conversation);
  EXPECT_EQ(seen.size(), 700U);
}

TEST(StoreNamed, ARequeuedConversationKeepsItsPlace) {
  Named t;
  const std::string first = t.ingest(t.message("x", "1")).ref.conversation;
  t.now += 5'000;
  const std::string second = t.ingest(t.message("y", "2")).ref.conversation;
  const Outcome offered = t.offer({first, 1, "ana", 45'000, false, "{}"});
  t.now += 5'000;
  EXPECT_EQ(t.decline({first, offered.gen, "ana"}).what, What::kOk);
  const auto waiting = t.snapshot().waiting;
  ASSERT_EQ(waiting.size(), 2U);
  EXPECT_EQ(waiting[0].conversation, first);
  EXPECT_EQ(waiting[0].eff, kStart);
  EXPECT_EQ(waiting[1].conversation, second);
  EXPECT_EQ(t.offer({first, offered.gen + 1, "ana", 45'000, false, ""}).why, "excluded");
  t.now += 120'000;
  EXPECT_EQ(t.offer({first, offered.gen + 1, "ana", 45'000, false, ""}).what, What::kOk);
}

TEST(StoreNamed, ALateAcceptChangesNothing) {
  Named t;
  const std::string id = t.ingest(t.message("x", "1")).ref.conversation;
  const Outcome offered = t.offer({id, 1, "ana", 10'000, false, "{}"});
  t.now += 10'000;
  EXPECT_EQ(t.sweep(100).gen, 1);
  EXPECT_EQ(t.desk("ana").availability, "not_responding");
  const Outcome late = t.accept({id, offered.gen, "ana"});
  EXPECT_EQ(late.what, What::kStale);
  EXPECT_EQ(late.state, "queued");
  EXPECT_EQ(late.gen, offered.gen + 1);
  const Outcome again = t.offer({id, late.gen, "bob", 10'000, false, "{}"});
  EXPECT_EQ(again.what, What::kOk);
  EXPECT_EQ(t.accept({id, again.gen, "ana"}).what, What::kStale);
  EXPECT_EQ(t.accept({id, again.gen, "bob"}).what, What::kOk);
}

TEST(StoreNamed, AnAcceptRepeatedIsOkOnce) {
  Named t;
  const std::string id = t.ingest(t.message("x", "1")).ref.conversation;
  const Outcome offered = t.offer({id, 1, "ana", 10'000, false, "{}"});
  const Outcome accepted = t.accept({id, offered.gen, "ana"});
  const std::int64_t seq = t.desk("ana").seq;
  const Outcome repeated = t.accept({id, offered.gen, "ana"});
  EXPECT_EQ(repeated.what, What::kOk);
  EXPECT_EQ(repeated.gen, accepted.gen);
  EXPECT_EQ(t.desk("ana").seq, seq);
  EXPECT_EQ(t.accept({id, offered.gen, "bob"}).what, What::kStale);
}

TEST(StoreNamed, AReplyRepeatedByClientIdIsOneReply) {
  Named t;
  Reply what;
  what.by = t.with_ana("x");
  what.client_id = "c1";
  what.author = "ana";
  what.entry = "hello";
  const Outcome first = t.reply(what);
  EXPECT_EQ(first.what, What::kOk);
  // Even when the conversation has moved on: the repeat asks what became of it.
  EXPECT_EQ(t.close(what.by, "", 0).what, What::kOk);
  const Outcome again = t.reply(what);
  EXPECT_EQ(again.what, What::kRepeat);
  EXPECT_EQ(again.ref, first.ref);
  what.author = "bob";
  EXPECT_EQ(t.reply(what).what, What::kStale);  // another author's client_id is another
  t.now += 24 * kHour;
  what.author = "ana";
}

TEST(StoreNamed, ANoteWithoutClientIdIsNeverARepeat) {
  Named t;
  const Command by = t.with_ana("x");
  EXPECT_EQ(t.note(by, "", "ana", "one").ref.n, 2);
  EXPECT_EQ(t.note(by, "", "ana", "two").ref.n, 3);
  EXPECT_EQ(t.note(by, "c", "ana", "three").ref.n, 4);
  EXPECT_EQ(t.note(by, "c", "ana", "three").what, What::kRepeat);
}

TEST(StoreNamed, MediaOfAMessageAreFetchedWhetherItOpensOrJoins) {
  Named t;
  const auto due = [&t] {
    return t.ask<std::vector<MediaJob>>("media_due", [&](Store& s, auto done) { s.media_due("w", t.lease, 10, done); });
  };
  const auto window = [&t](const std::string& conversation) { return t.cards({conversation}).at(0).window_until.ms; };
  Ingest photo = t.message("x", "photo");
  photo.has_media = true;
  const std::string opened = t.ingest(photo).ref.conversation;
  EXPECT_EQ(window(opened), photo.window_until.ms);
  t.ingest(t.message("x", "words"));
  t.now += kMinute;
  Ingest second = t.message("x", "second");
  second.has_media = true;
  t.ingest(second);
  EXPECT_EQ(window(opened), second.window_until.ms);
  Reply words;
  words.by.conversation = opened;
  words.author = "api";
  words.entry = "thank you";
  words.needs_window = true;
  EXPECT_EQ(t.reply(words).what, What::kOk);
  const auto jobs = due();
  ASSERT_EQ(jobs.size(), 2U) << "not that of the words";
  EXPECT_EQ(jobs[0].ref, (MessageRef{opened, 1}));
  EXPECT_EQ(jobs[1].ref, (MessageRef{opened, 3}));
  EXPECT_TRUE(due().empty()) << "handed out once";
}

TEST(StoreNamed, OneReplyOfAConversationIsInFlight) {
  Named t;
  const Command by = t.with_ana("x");
  const Command other = t.with_ana("y");
  const Outcome one = t.answer(by, "one", true);
  EXPECT_TRUE(one.claimed);
  EXPECT_FALSE(t.answer(by, "two", true).claimed);
  EXPECT_TRUE(t.answer(other, "other", true).claimed) << "other conversations pass it";
  EXPECT_TRUE(t.claim("w", t.lease, 10).items.empty());
  t.settle("w", {{one.ref, State::kSent, "p1", ""}});
  // Written after `two` got the turn and before it is claimed, in a lane of its own: it waits.
  EXPECT_FALSE(t.answer(by, "three", true, Lane::kAlert).claimed);
  const Claims second = t.claim("w", t.lease, 10);
  ASSERT_EQ(second.items.size(), 1U);
  EXPECT_EQ(second.items[0].entry, "two");
  t.settle("w", {{second.items[0].ref, State::kFailed, "", "131026"}});
  const Claims third = t.claim("w", t.lease, 10);
  ASSERT_EQ(third.items.size(), 1U);
  EXPECT_EQ(third.items[0].entry, "three");
  EXPECT_EQ(third.items[0].lane, Lane::kAlert);
}

TEST(StoreNamed, WhatWasSettledInItsLaneIsNotHandedOver) {
  Named t;
  const Command by = t.with_ana("x");
  const MessageRef one = t.answer(by, "one").ref;
  const MessageRef two = t.answer(by, "two").ref;
  const MessageRef three = t.answer(by, "three").ref;
  t.settle("w", {{one, State::kExpired, "", "late"}, {two, State::kExpired, "", "late"}});
  const Claims claims = t.claim("w", t.lease, 10);
  ASSERT_EQ(claims.items.size(), 1U);
  EXPECT_EQ(claims.items[0].ref, three);
}

TEST(StoreNamed, WhatIsPutBackKeepsItsTurnAndItsLane) {
  Named t;
  const Command by = t.with_ana("x");
  const MessageRef alert = t.answer(by, "alert", true, Lane::kAlert).ref;
  t.answer(by, "next");
  t.put_back("w", {"s1", t.lease.epoch + 1}, {{alert, WallTime{t.now}}});  // of another claim: left alone
  t.put_back("w", t.lease, {{alert, WallTime{t.now + 1'000}}});
  EXPECT_TRUE(t.claim("w", t.lease, 10).items.empty());
  t.now += 1'000;
  const Claims claims = t.claim("w", t.lease, 10);
  ASSERT_EQ(claims.items.size(), 1U);
  EXPECT_EQ(claims.items[0].ref, alert);
  EXPECT_EQ(claims.items[0].lane, Lane::kAlert);
  // Put back, and then its receipt comes after all: it went out, and does not go again.
  t.put_back("w", t.lease, {{alert, WallTime{t.now}}});
  t.settle("w", {{alert, State::kDelivered, "p", ""}});
  const Claims after = t.claim("w", t.lease, 10);
  ASSERT_EQ(after.items.size(), 1U);
  EXPECT_EQ(after.items[0].entry, "next");
}

TEST(StoreNamed, OrphansBecomeUncertainAndAreNotSentAgain) {
  Named t;
  const Command by = t.with_ana("x");
  const MessageRef one = t.answer(by, "one", true).ref;
  t.answer(by, "two");
  const LeaseRef old = t.lease;
  t.epoch = t.node_start("s1", kHour).gen;  // killed, and back
  EXPECT_EQ(t.claim("w", {"s1", t.lease.epoch + 1}, 10).lost, true);
  t.lease = {"s1", t.node_beat("s1", t.epoch, kHour, {"acct:w"}).leases.at(0).epoch};
  EXPECT_EQ(t.lease.epoch, old.epoch + 1);
  EXPECT_EQ(t.orphans("w", old).what, What::kLost);
  EXPECT_EQ(t.orphans("w", t.lease).gen, 1);
  EXPECT_EQ(t.orphans("w", t.lease).gen, 0);
  EXPECT_EQ(t.state_of_entry(one), State::kUncertain);
  EXPECT_TRUE(t.claim("w", t.lease, 10).items.empty()) << "the next one waits ten seconds";
  t.now += 10'000;
  t.sweep(100);
  const Claims claims = t.claim("w", t.lease, 10);
  ASSERT_EQ(claims.items.size(), 1U);
  EXPECT_EQ(claims.items[0].entry, "two");
  EXPECT_EQ(t.settle("w", {{one, State::kDelivered, "p", ""}}), std::vector<bool>{true});  // the status decides
  EXPECT_EQ(t.settle("w", {{one, State::kSent, "p", ""}}), std::vector<bool>{false});
  EXPECT_EQ(t.recount(by.conversation).gen, 0);
}

// The answers of a claim and of a reply are lost; nobody knows of what they claimed.
TEST(StoreNamed, WhatWasClaimedUnheardGoesBackToItsLane) {
  Named t;
  const MessageRef held = t.answer(t.with_ana("x"), "held", true).ref;
  const MessageRef unheard = t.answer(t.with_ana("y"), "unheard", true).ref;
  const LeaseRef old = t.lease;
  t.lease.epoch = t.renew("w", old, {held}).gen;
  EXPECT_EQ(t.lease.epoch, old.epoch + 1);
  EXPECT_EQ(t.renew("w", old, {held}).what, What::kLost);
  EXPECT_TRUE(t.claim("w", old, 10).lost) << "a call that was still on its way is shut out";
  t.put_back("w", old, {{held, WallTime{t.now}}});
  const Claims claims = t.claim("w", t.lease, 10);
  ASSERT_EQ(claims.items.size(), 1U);
  EXPECT_EQ(claims.items[0].ref, unheard);
  EXPECT_EQ(t.orphans("w", t.lease).gen, 0) << "what he holds is his";
  t.put_back("w", t.lease, {{held, WallTime{t.now}}});
  EXPECT_EQ(t.claim("w", t.lease, 10).items.size(), 1U);
}

TEST(StoreNamed, ReplayGoesBackFiveHundredEvents) {
  Named t;
  const Command by = t.with_ana("x");
  for (int i = 0; t.desk("ana").seq < 700; ++i) t.ingest(t.message("x", std::string("m").append(std::to_string(i))));
  const std::int64_t seq = t.desk("ana").seq;
  for (const std::int64_t behind : {0, 1, 499, 500}) {
    const Replay replay = t.replay("ana", seq - behind);
    EXPECT_FALSE(replay.reset) << behind;
    ASSERT_EQ(replay.events.size(), static_cast<std::size_t>(behind));
    if (behind > 0) {
      EXPECT_EQ(replay.events.front().seq, seq - behind + 1);
    }
  }
  EXPECT_TRUE(t.replay("ana", seq - 501).reset);
  EXPECT_TRUE(t.replay("ana", seq + 1).reset) << "an id from the future is another agent's, or older than a lost store";
  // Events land while he resumes.
  t.ingest(t.message("x", "between"));
  EXPECT_TRUE(t.replay("ana", seq - 500).reset);
  EXPECT_EQ(t.replay("ana", seq - 499).events.size(), 500U);
  t.now += 24 * kHour + 1;
  EXPECT_TRUE(t.replay("ana", seq - 10).reset);
  t.ingest(t.message("x", "a day later"));
  EXPECT_FALSE(t.replay("ana", seq + 1).reset);
  EXPECT_EQ(t.replay("ana", seq + 1).events.size(), 1U);
  EXPECT_EQ(by.agent, "ana");
}

TEST(StoreNamed, AParkedConversationCanLeaveItsAgent) {
  Named t;
  const Command closed = t.with_ana("x");
  Outcome parked = t.park(closed, t.now + kHour);
  EXPECT_EQ(t.close({closed.conversation, parked.gen, "ana"}, "done", 20'000).state, "closed");
  const Command moved = t.with_ana("y");
  t.park(moved, t.now + kMinute);
  t.agent_set("ana", "paused");
  t.now += kMinute;
  t.sweep(100);
  EXPECT_EQ(t.cards({moved.conversation}).at(0).state, "queued");
}

TEST(StoreNamed, ACitizensMessageWakesWhatWasParked) {
  Named t;
  const Command by = t.with_ana("x");
  t.park(by, t.now + kHour);
  EXPECT_EQ(t.snapshot().agents.at(0).load, 0);
  const Ingested woken = t.ingest(t.message("x", "2"));
  EXPECT_EQ(woken.state, "active");
  EXPECT_EQ(woken.owner, "ana");
  t.park({by.conversation, woken.gen, "ana"}, t.now + kHour);
  t.session("s1", t.epoch, "ana", "tab", false);
  const Ingested queued = t.ingest(t.message("x", "3"));
  EXPECT_EQ(queued.state, "queued");
  EXPECT_EQ(queued.owner, "");
}

TEST(StoreNamed, AnAgentWhoLeavesLosesHisWorkWhateverIsChangedMeanwhile) {
  Named t;
  const Command by = t.with_ana("x");
  t.session("s1", t.epoch, "ana", "tab", false);
  t.now += kMinute;
  t.agent_put("ana", {{"cap", "20"}});
  t.agent_set("ana", "paused");
  t.now += 9 * kMinute;
  t.sweep(100);
  EXPECT_EQ(t.cards({by.conversation}).at(0).state, "queued");
  EXPECT_EQ(t.desk("ana").availability, "offline");
}

TEST(StoreNamed, AnAgentWhoReturnsKeepsHisWork) {
  Named t;
  const Command by = t.with_ana("x");
  t.session("s1", t.epoch, "ana", "tab", false);
  t.now += kMinute;
  t.session("s1", t.epoch, "ana", "tab", true);
  t.session("s1", t.epoch, "ana", "tab", false);
  t.now += 9 * kMinute + 30'000;
  t.sweep(100);  // ten minutes after the first absence, not after the second
  EXPECT_EQ(t.cards({by.conversation}).at(0).state, "active");
  t.now += kMinute;
  t.sweep(100);
  EXPECT_EQ(t.cards({by.conversation}).at(0).state, "queued");
}

TEST(StoreNamed, WhatAgentsOweWaitsForAnOutage) {
  for (const bool sweep_first : {true, false}) {  // sent before the outage, it comes to pass before the first beat
    Named t;
    t.node_beat("s1", t.epoch, 4'000, {"matcher"});
    const Command by = t.with_ana("x");
    t.session("s1", t.epoch, "ana", "tab", false);
    const std::string asked = t.ingest(t.message("y", "1")).ref.conversation;
    const Outcome offered = t.offer({asked, 1, "bob", 8'000, false, "{}"});
    t.now += 11 * kMinute;  // the absence of ana is over too
    if (sweep_first) t.sweep(100, 4'000);
    EXPECT_FALSE(t.node_beat("s1", t.epoch, 4'000, {"matcher"}).lost);
    t.now += 4'000;
    t.node_beat("s1", t.epoch, 4'000, {"matcher"});
    t.now += 3'999;
    t.sweep(100, 4'000);
    EXPECT_EQ(t.cards({by.conversation}).at(0).state, "active");
    EXPECT_EQ(t.cards({asked}).at(0).state, "offered") << "8 s, of which 7.999 s are over";
    EXPECT_EQ(t.cards({asked}).at(0).gen, offered.gen);
    t.now += 1;
    t.sweep(100, 4'000);
    EXPECT_EQ(t.cards({asked}).at(0).state, "queued");
  }
}

TEST(StoreNamed, AShardThatStoodStillHearsIt) {
  Named t;
  const Outcome s2 = t.node_start("s2", 30'000);
  t.session("s2", s2.gen, "bob", "other tab", true);
  t.session("s1", t.epoch, "bob", "tab", false);
  EXPECT_EQ(t.node_beat("s2", s2.gen, 30'000, {"matcher"}).leases.size(), 1U);
  t.now += 30'001;
  t.sweep(100);
  EXPECT_EQ(t.snapshot().agents.at(1).sessions, 0);
  EXPECT_TRUE(t.node_beat("s2", s2.gen, 30'000, {"matcher"}).lost);
  EXPECT_EQ(t.session("s2", s2.gen, "bob", "late tab", true).what, What::kLost);
  EXPECT_EQ(t.node_stop("s2", s2.gen).what, What::kLost);
  const Outcome again = t.node_start("s2", 30'000);
  EXPECT_EQ(t.session("s2", again.gen, "bob", "other tab", true).what, What::kOk);
  EXPECT_FALSE(t.node_beat("s2", again.gen, 30'000, {"matcher"}).lost);
  EXPECT_TRUE(t.node_beat("never", 0, 30'000, {"matcher"}).lost);
}

TEST(StoreNamed, TheClosingCodeIsKeptThroughWrapUp) {
  Named t;
  const Command by = t.with_ana("x");
  const Outcome wrapping = t.close(by, "refund", 20'000);
  EXPECT_EQ(wrapping.state, "wrapup");
  EXPECT_EQ(t.close({by.conversation, wrapping.gen, "ana"}, "", 20'000).state, "closed");
  EXPECT_EQ(t.cards({by.conversation}).at(0).why, "refund");
  const Command timed = t.with_ana("y");
  t.close(timed, "", 20'000);
  t.now += 20'000;
  t.sweep(100);
  EXPECT_EQ(t.cards({timed.conversation}).at(0).why, "resolved");
}

TEST(StoreNamed, AnOpenConversationFollowsTheCitizenToHisNewNumber) {
  Named t;
  const Command by = t.with_ana("old");
  Ingest moved = t.message("new", "2");
  moved.old_address = "wa:p:old";
  moved.may_open = false;
  EXPECT_EQ(t.ingest(moved).ref, (MessageRef{by.conversation, 2}));
  const Outcome said = t.answer(by, "to his new number", true);
  EXPECT_EQ(said.address, "wa:p:new");
  EXPECT_EQ(t.cards({by.conversation}).at(0).address, "wa:p:new");
}

TEST(StoreNamed, TheClocksAreTakenFromWhatIsKept) {
  Named t;
  const std::int64_t began = t.now;
  const Command by = t.with_ana("x");
  const auto card = [&] { return t.cards({by.conversation}).at(0); };
  EXPECT_EQ(card().first_reply.ms, 0);
  EXPECT_EQ(card().unanswered.ms, 0);
  t.now += 1'000;
  t.ingest(t.message("x", "2"));
  EXPECT_EQ(card().unanswered.ms, 0) << "before the first reply the clock is the first message's";
  t.note(by, "", "ana", "note");
  t.answer({by.conversation, 0, ""}, "from a program");
  EXPECT_EQ(card().first_reply.ms, 0) << "neither a note nor a program replies";
  t.now += 1'000;
  const std::int64_t replied = t.now;
  t.answer(by, "here I am");
  t.now += 1'000;
  t.answer(by, "how can I help?");
  EXPECT_EQ(card().first_reply.ms, replied);
  t.now += 1'000;
  const std::int64_t asked = t.now;
  t.ingest(t.message("x", "3"));
  t.now += 1'000;
  t.ingest(t.message("x", "4"));
  EXPECT_EQ(card().unanswered.ms, asked) << "the oldest one counts";

  const auto tell = [&](Clock clock, TermState state, std::int64_t since) {
    return t.sla_tell(by.conversation, clock, state, since);
  };
  EXPECT_EQ(tell(Clock::kFirstReply, TermState::kBreached, began).what, What::kStale) << "she replied";
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kPredicted, asked - 1).what, What::kStale) << "of another question";
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kPredicted, asked).what, What::kOk);
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kPredicted, asked).why, "told");
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kBreached, asked).what, What::kOk);
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kBreached, asked).why, "told");
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kPredicted, asked).why, "told") << "not after its breach";
  EXPECT_EQ(t.sla_tell("99", Clock::kResolve, TermState::kBreached, began).what, What::kMissing);
  t.now += 1'000;
  t.answer(by, "yes");
  EXPECT_EQ(card().unanswered.ms, 0);
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kPredicted, 0).what, What::kStale);
  Ingest edit = t.message("x", "5");
  edit.may_open = false;
  t.ingest(edit);
  EXPECT_EQ(card().unanswered.ms, 0) << "a change of what he said asks nothing new";
  t.now += 1'000;
  t.ingest(t.message("x", "6"));
  EXPECT_EQ(tell(Clock::kNextReply, TermState::kPredicted, t.now).what, What::kOk) << "another question, another clock";
  EXPECT_EQ(tell(Clock::kResolve, TermState::kPredicted, card().first.ms).what, What::kOk);
  t.close(by, "", 0);
  EXPECT_EQ(card().closed.ms, t.now);
  EXPECT_EQ(tell(Clock::kResolve, TermState::kBreached, card().first.ms).what, What::kStale);
}

TEST(StoreNamed, AChangeOfAClosedConversationJoinsItsLog) {
  Named t;
  const Command by = t.with_ana("x");
  t.close(by, "", 0);
  Ingest revoke = t.message("x", "2");
  revoke.may_open = false;
  const Ingested late = t.ingest(revoke);
  EXPECT_EQ(late.kind, Ingested::Kind::kOk);
  EXPECT_EQ(late.ref, (MessageRef{by.conversation, 2}));
  EXPECT_EQ(late.state, "closed");
  Ingest stranger = t.message("nobody", "3");
  stranger.may_open = false;
  EXPECT_EQ(t.ingest(stranger).kind, Ingested::Kind::kNone);
  EXPECT_EQ(t.ingest(stranger).kind, Ingested::Kind::kNone) << "a repeat of what was not kept is no duplicate";
}

// What of Redis has this conversation's number.
std::vector<std::string> keys_of(const std::string& conversation) {
  std::vector<std::string> keys;
  for (const Value& key : bench().link.run({"KEYS", "{t}:*:" + conversation}).array) {
    if (!key.text.starts_with("{t}:out:")) keys.push_back(key.text);  // that number is a lane's
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

TEST(StoreNamed, WhatIsArchivedLeavesNothingButTheContact) {
  Named t;
  const Command ana = t.with_ana("7");
  Reply reply;
  reply.by = ana;
  reply.entry = "an answer";
  reply.lease = t.lease;
  const Outcome answered = t.reply(reply);
  t.settle("w", {{answered.ref, State::kSent, "wamid.1", ""}});
  t.close(ana, "done", 0);
  const Due due = t.archive_due(t.now, 10).at(0);
  EXPECT_EQ(due.closed.ms, t.now);
  EXPECT_EQ(due.accepted.ms, t.now);
  const auto as_it_is = [&] { return archived(due.conversation, due.gen, t.page(due.conversation, 0, 100).lines); };
  EXPECT_EQ(t.archive_done(as_it_is()).what, Outcome::What::kStale) << "it was sent, and nobody knows what became of it";
  t.settle("w", {{answered.ref, State::kDelivered, "", ""}});
  const Archived seen = as_it_is();
  t.settle("w", {{answered.ref, State::kRead, "", ""}});
  EXPECT_EQ(t.archive_done(seen).what, Outcome::What::kStale) << "it was read since";
  const Archived read = as_it_is();
  Ingest reaction = t.message("7", "reaction");
  reaction.may_open = false;
  t.ingest(reaction);
  EXPECT_EQ(t.archive_done(read).what, Outcome::What::kStale) << "the citizen reacted since";
  EXPECT_EQ(t.archive_done(as_it_is()).what, Outcome::What::kOk);
  EXPECT_EQ(t.archive_done(read).what, Outcome::What::kMissing);
  EXPECT_TRUE(t.archive_due(t.now, 10).empty());
  EXPECT_EQ(keys_of(due.conversation), std::vector<std::string>{"{t}:contact:" + due.conversation});
  // A receipt, a reaction and a media that come after it bring nothing back.
  t.settle("w", {{answered.ref, State::kRead, "wamid.1", ""}});
  reaction.dedupe = "late";
  EXPECT_EQ(t.ingest(reaction).kind, Ingested::Kind::kNone);
  const MessageRef first{due.conversation, 1};
  t.ask<Outcome>("media_done", [&](Store& s, auto done) { s.media_done("w", first, "abc", 3, "", done); });
  EXPECT_EQ(keys_of(due.conversation).size(), 1U);
  // The citizen is known when he comes back.
  const Ingested again = t.ingest(t.message("7", "again"));
  EXPECT_EQ(again.kind, Ingested::Kind::kNew);
  EXPECT_EQ(again.contact, due.conversation);
}

TEST(StoreNamed, ALogOfSendsEndsToo) {
  Named t;
  Send send;
  send.account = "w";
  send.channel = "wa";
  send.address = "wa:p:7";
  send.entry = "hello";
  const MessageRef ref = t.send(send).ref;
  t.now += kHour;
  const auto due = t.archive_due(t.now, 10);
  ASSERT_EQ(due.size(), 1U);
  t.archive_later({ref.conversation}, t.now + kHour);
  EXPECT_TRUE(t.archive_due(t.now, 10).empty());
  t.settle("w", {{ref, State::kFailed, "", "131026"}});
  EXPECT_EQ(t.archive_done(archived(ref.conversation, 1, t.page(ref.conversation, 0, 9).lines)).what, Outcome::What::kOk);
  EXPECT_TRUE(keys_of(ref.conversation).empty());
  send.entry = "another";
  EXPECT_NE(t.send(send).ref.conversation, ref.conversation);
}

TEST(StoreNamed, WithoutRoomWhatRunsGoesOnAndNothingOpens) {
  Named t;
  Command ana = t.with_ana("7");
  ana.gen = t.park(ana, t.now + kHour).gen;
  Ingest more = t.message("7", "more");
  more.room = false;
  const Ingested woken = t.ingest(more);
  EXPECT_EQ(woken.kind, Ingested::Kind::kOk);
  EXPECT_EQ(woken.state, "active");
  t.close({ana.conversation, woken.gen, "ana"}, "done", 0);
  // Neither a new one nor, unseen, the log of the one that is closed; and the repeat is no duplicate.
  more.dedupe = "later";
  more.entry = "in later";
  EXPECT_EQ(t.ingest(more).kind, Ingested::Kind::kFull);
  more.room = true;
  EXPECT_EQ(t.ingest(more).kind, Ingested::Kind::kNew);
  Send send;
  send.account = "w";
  send.channel = "wa";
  send.address = "wa:p:8";
  send.entry = "hello";
  send.room = false;
  EXPECT_EQ(t.send(send).why, "full");
  send.address = "wa:p:7";
  EXPECT_EQ(t.send(send).what, Outcome::What::kOk);
}

TEST(StoreNamed, ASendFindsTheCitizensOpenConversation) {
  Named t;
  Ingest from_both = t.message("x", "1");
  from_both.addresses.push_back("wa:p:alias");
  const std::string first = t.ingest(from_both).ref.conversation;
  t.close({first, 1, ""}, "", 0);
  const Ingested second = t.ingest(t.message("alias", "2"));  // writes from his other address
  EXPECT_NE(second.ref.conversation, first);
  Send what;
  what.account = "w";
  what.channel = "wa";
  what.address = "wa:p:x";
  what.entry = "out";
  what.needs_window = true;
  EXPECT_EQ(t.send(what).ref.conversation, second.ref.conversation);
  what.address = "wa:p:stranger";
  what.entry = "out 2";
  EXPECT_EQ(t.send(what).what, What::kWindow);
  what.needs_window = false;
  const MessageRef sends = t.send(what).ref;
  EXPECT_EQ(t.cards({sends.conversation}).at(0).state, "sends");
  EXPECT_NE(t.ingest(t.message("stranger", "4")).ref.conversation, sends.conversation) << "his answer opens a real one";
}

TEST(StoreNamed, AnAgentWithoutANameHasADesk) {
  Named t;
  t.agent_put("nameless", {{"cap", "10"}});
  EXPECT_FALSE(t.desk("nameless").missing);
  EXPECT_TRUE(t.desk("nobody").missing);
}

TEST(StoreNamed, AWarmTransferKeepsTheAgentUntilTheOtherAccepts) {
  Named t;
  const Command by = t.with_ana("x");
  const Outcome invited = t.transfer(by, "", "bob", true);
  EXPECT_EQ(t.cards({by.conversation}).at(0).owner, "ana");
  EXPECT_EQ(t.desk("bob").held.size(), 1U) << "an invitation is on his desk";
  EXPECT_EQ(t.answer(by, "late").what, What::kStale) << "the invitation is a generation of its own";
  EXPECT_EQ(t.accept({by.conversation, invited.gen, "cho"}).what, What::kStale) << "only he is invited";
  const Outcome declined = t.decline({by.conversation, invited.gen, "bob"});
  EXPECT_EQ(declined.what, What::kOk);
  EXPECT_TRUE(t.desk("bob").held.empty());
  // Not answered in time is a missed offer, and leaves it where it is.
  EXPECT_EQ(t.transfer({by.conversation, declined.gen, "ana"}, "nowhere", "bob", true).why, "no_queue");
  t.transfer({by.conversation, declined.gen, "ana"}, "", "bob", true);
  t.now += 45'000;
  t.sweep(100);
  EXPECT_EQ(t.cards({by.conversation}).at(0).owner, "ana");
  EXPECT_EQ(t.desk("bob").availability, "not_responding");
  t.agent_set("bob", "ready");
  t.queue_put("roads", {{"name", "Roads"}});
  const Outcome again = t.transfer({by.conversation, t.cards({by.conversation}).at(0).gen, "ana"}, "roads", "bob", true);
  EXPECT_EQ(t.cards({by.conversation}).at(0).queue, "water") << "it is of the other queue when he accepts";
  EXPECT_EQ(t.accept({by.conversation, again.gen, "bob"}).gen, again.gen + 1);
  EXPECT_EQ(t.cards({by.conversation}).at(0).queue, "roads");
  EXPECT_EQ(t.cards({by.conversation}).at(0).owner, "bob");
  EXPECT_TRUE(t.desk("ana").held.empty());
}

// A program that is there, and a conversation of its.
struct WithBot : Named {
  explicit WithBot(const std::string& citizen = "x") {
    agent_put("eli", {{"name", "Eli"}, {"bot", "1"}, {"cap", "10"}});
    session("s1", epoch, "eli", "link", true);
    agent_set("eli", "ready");
    by = open(citizen);
  }
  Command open(const std::string& citizen, std::int64_t opens = 0) {
    Ingest in = message(citizen, "first of " + citizen);
    in.bot = "eli";
    in.opens = WallTime{opens};
    in.priority = 2;
    const Ingested out = ingest(in);
    return {out.ref.conversation, out.gen, out.owner};
  }
  // It is ready, if it was not.
  Command with_eli(const std::string& citizen) {
    agent_set("eli", "ready");
    return open(citizen);
  }
  Card card(const Command& of) { return cards({of.conversation}).at(0); }
  Command by;
};

TEST(StoreNamed, AProgramAnswersFirst) {
  WithBot t;
  EXPECT_EQ(t.card(t.by).state, "bot");
  EXPECT_EQ(t.card(t.by).owner, "eli");
  EXPECT_EQ(t.replay("eli", 0).events.at(0).kind, 'g');
  EXPECT_EQ(t.replay("eli", 0).events.at(1).body.size() + 1, 1U) << "on replay a message is read from the log";
  EXPECT_EQ(t.answer(t.by, "What is it about?").what, What::kOk);
  EXPECT_EQ(t.card(t.by).first_reply.ms, 0) << "no person has answered";
  EXPECT_EQ(t.ingest(t.message("x", "2")).owner, "eli");
  EXPECT_EQ(t.replay("eli", 0).events.back().kind, 'm');
  // It is given nothing else, and nobody can give it anything.
  EXPECT_TRUE(t.snapshot().waiting.empty());
  const Command other = t.with_ana("y");
  EXPECT_EQ(t.transfer(other, "", "eli").why, "not_ready");
  Directive take;
  take.verb = Directive::Verb::kTake;
  take.conversation = other.conversation;
  take.target = "eli";
  take.by = "sue";
  EXPECT_EQ(t.direct(take).why, "not_ready");
  // By night too; and without the queue's hours when it is not there.
  EXPECT_EQ(t.card(t.open("z", t.now + kHour)).state, "bot");
  EXPECT_EQ(t.close(t.by, "answered", 60'000).state, "closed") << "a program writes nothing up";
  t.agent_set("eli", "paused");
  EXPECT_EQ(t.card(t.open("v")).state, "queued");
  EXPECT_EQ(t.card(t.open("w", t.now + kHour)).state, "after_hours");
  EXPECT_EQ(t.open("x").agent, "") << "who closed his last conversation was no agent to ask first";
}

TEST(StoreNamed, AHandoverKeepsThePlaceAndBeginsTheWait) {
  WithBot t;
  t.now += 5 * kMinute;
  EXPECT_EQ(t.transfer(t.by, "nowhere", "").why, "no_queue");
  EXPECT_EQ(t.transfer(t.by, "water", "").gen, 2);
  const auto waiting = t.snapshot().waiting;
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].eff, kStart - 2 * kMinute) << "by arrival and priority";
  EXPECT_EQ(waiting[0].since, t.now);
  EXPECT_EQ(waiting[0].excluded, "");
  EXPECT_EQ(waiting[0].weight, kWeight);
  EXPECT_EQ(t.card(t.by).handed_over.ms, t.now);
  EXPECT_EQ(t.replay("eli", 0).events.back().kind, 'x');
  EXPECT_EQ(t.answer(t.by, "too late").what, What::kStale);
  EXPECT_EQ(t.offer({t.by.conversation, 2, "ana", 45'000, false, "{}"}).what, What::kOk);
  EXPECT_EQ(t.accept({t.by.conversation, 3, "ana"}).gen, 4);

  // To a closed queue: it waits for that to open. To an agent: offered at once, and never warm.
  const Command night = t.open("y");
  EXPECT_EQ(t.transfer(night, "", "", false, t.now + 10 * kMinute).gen, 2);
  EXPECT_EQ(t.card(night).state, "after_hours");
  t.now += 10 * kMinute;
  t.sweep(100);
  EXPECT_EQ(t.card(night).state, "queued");
  const Command straight = t.open("z");
  EXPECT_EQ(t.transfer(straight, "", "bob", true).what, What::kOk);
  EXPECT_EQ(t.card(straight).state, "offered");
  EXPECT_EQ(t.card(straight).owner, "bob");
}

TEST(StoreNamed, AfterTheHandoverNothingOfTheProgramIsSent) {
  WithBot t;
  const Outcome first = t.answer(t.by, "one", true);
  ASSERT_TRUE(first.claimed);
  const Outcome second = t.answer(t.by, "two");  // waits for the first
  Reply api;
  api.by = {t.by.conversation, 0, ""};
  api.author = "key";
  api.entry = "from a program of the city's";
  const Outcome third = t.reply(api);
  t.transfer(t.by, "water", "");
  EXPECT_EQ(t.state_of_entry(second.ref), State::kFailed);
  EXPECT_EQ(t.entries(t.by.conversation, {second.ref.n}).at(0).reason, "handed_over");
  EXPECT_EQ(t.state_of_entry(third.ref), State::kQueued) << "not the program's";
  EXPECT_EQ(t.state_of_entry(first.ref), State::kClaimed) << "with the provider already";
  EXPECT_TRUE(t.claim("w", t.lease, 10).items.empty());
  // The provider wants it later: there is no later.
  t.put_back("w", t.lease, {{first.ref, WallTime{t.now + 1'000}}});
  EXPECT_EQ(t.state_of_entry(first.ref), State::kFailed);
  const Claims next = t.claim("w", t.lease, 10);
  ASSERT_EQ(next.items.size(), 1U);
  EXPECT_EQ(next.items[0].ref, third.ref);
}

TEST(StoreNamed, WhatWaitedForTheProvidersRateIsNotSentAfterTheHandover) {
  WithBot t;
  const Outcome first = t.answer(t.by, "one", true);
  const Outcome second = t.answer(t.by, "two");
  t.put_back("w", t.lease, {{first.ref, WallTime{t.now + 1'000}}});
  t.agent_set("eli", "offline");
  EXPECT_EQ(t.card(t.by).state, "queued");
  EXPECT_EQ(t.state_of_entry(first.ref), State::kFailed);
  EXPECT_EQ(t.state_of_entry(second.ref), State::kFailed);
  t.now += 2'000;
  EXPECT_TRUE(t.claim("w", t.lease, 10).items.empty());
}

TEST(StoreNamed, WhatWasClaimedUnheardByAProgramIsNotSentAfterTheHandover) {
  WithBot t;
  const Outcome first = t.answer(t.by, "one", true);
  t.session("s1", t.epoch, "eli", "link", false);
  EXPECT_EQ(t.card(t.by).state, "queued") << "at once";
  EXPECT_EQ(t.state_of_entry(first.ref), State::kClaimed);
  t.lease.epoch = t.renew("w", t.lease, {}).gen;
  EXPECT_EQ(t.state_of_entry(first.ref), State::kFailed);
  EXPECT_TRUE(t.claim("w", t.lease, 10).items.empty());
}

TEST(StoreNamed, AProgramThatHadThousandsLosesThemAFewHundredAtATime) {
  WithBot t;
  for (int i = 0; i < 509; ++i) t.open("c" + std::to_string(i));
  t.session("s1", t.epoch, "eli", "link", false);
  EXPECT_EQ(t.snapshot().waiting.size(), 500U);
  t.sweep(100);
  EXPECT_EQ(t.snapshot().waiting.size(), 510U);
}

TEST(StoreNamed, NobodyIsTrappedWithAProgram) {
  WithBot t;
  const auto with = [&](const std::string& citizen) { return t.with_eli(citizen); };
  t.agent_set("eli", "draining");
  EXPECT_EQ(t.card(t.by).state, "queued");
  const Command no_program = with("b");
  t.agent_put("eli", {{"bot", "0"}});
  EXPECT_EQ(t.card(no_program).state, "queued");
  t.agent_put("eli", {{"bot", "1"}});
  Directive what;
  what.by = "sue";
  for (const auto& [citizen, verb, target, state] : {std::tuple{"c", Directive::Verb::kTake, "ana", "active"},
                                                     {"d", Directive::Verb::kAssign, "bob", "offered"},
                                                     {"e", Directive::Verb::kRequeue, "", "queued"},
                                                     {"f", Directive::Verb::kClose, "spam", "closed"}}) {
    const Command by = with(citizen);
    const Outcome said = t.answer(by, std::string("to ") + citizen);
    what.verb = verb;
    what.target = target;
    what.conversation = by.conversation;
    EXPECT_EQ(t.direct(what).state, state);
    EXPECT_EQ(t.card(by).state, state);
    EXPECT_EQ(t.state_of_entry(said.ref), State::kFailed);
  }
  const Command lost = with("g");
  t.node_stop("s1", t.epoch);
  EXPECT_EQ(t.card(lost).state, "queued");
}

TEST(StoreNamed, WhatComesAfterHoursWaitsForTheOpening) {
  Named t;
  Ingest late = t.message("x", "1");
  late.opens = WallTime{t.now + kHour};
  const Ingested kept = t.ingest(late);
  EXPECT_EQ(kept.state, "after_hours");
  EXPECT_EQ(t.ingest(t.message("x", "2")).ref.n, 2) << "what he writes meanwhile joins it";
  EXPECT_EQ(t.offer({kept.ref.conversation, 1, "ana", 45'000, false, "{}"}).what, What::kStale);
  t.now += kHour;
  t.sweep(100);
  const auto waiting = t.snapshot().waiting;
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].eff, kStart) << "its place is from when it came";
  EXPECT_EQ(waiting[0].since, t.now) << "its queue's steps count from the opening";
  // Where the hours change meanwhile, the next sweep puts it in line.
  late = t.message("y", "3");
  late.opens = WallTime{t.now + 10 * kHour};
  const std::string other = t.ingest(late).ref.conversation;
  t.queue_put("water", {{"emergency", "open|1||flood"}});
  t.sweep(100);
  EXPECT_EQ(t.cards({other}).at(0).state, "queued");
}

TEST(StoreNamed, WhoDrainsGoesOfflineWhenAllIsDone) {
  Named t;
  const Command by = t.with_ana("x");
  t.agent_set("ana", "draining");
  const std::string next = t.ingest(t.message("y", "1")).ref.conversation;
  EXPECT_EQ(t.offer({next, 1, "ana", 45'000, false, "{}"}).why, "not_ready");
  t.sweep(100);
  EXPECT_EQ(t.desk("ana").availability, "draining");
  EXPECT_EQ(t.answer(by, "the last answer").what, What::kOk);
  EXPECT_EQ(t.close(by, "", 0).what, What::kOk);
  t.sweep(100);
  EXPECT_EQ(t.desk("ana").availability, "offline");
}

TEST(StoreNamed, AReopenedConversationGoesToWhoHadIt) {
  Named t;
  const Command by = t.with_ana("x");
  t.close(by, "done", 0);
  Directive what;
  what.verb = Directive::Verb::kReopen;
  what.conversation = by.conversation;
  what.by = "sue";
  what.target = "nowhere";
  EXPECT_EQ(t.direct(what).why, "no_queue");
  what.target.clear();
  t.now += kMinute;
  EXPECT_EQ(t.direct(what).state, "queued");
  EXPECT_EQ(t.direct(what).what, What::kStale) << "it is open";
  const auto waiting = t.snapshot().waiting;
  ASSERT_EQ(waiting.size(), 1U);
  EXPECT_EQ(waiting[0].sticky, "ana");
  EXPECT_EQ(waiting[0].eff, t.now) << "behind those who wait";
  EXPECT_EQ(t.ingest(t.message("x", "again")).ref.conversation, by.conversation) << "what he writes goes on there";
  // With another open one beside it, it stays closed.
  what.verb = Directive::Verb::kClose;
  t.direct(what);
  t.ingest(t.message("x", "anew"));
  what.verb = Directive::Verb::kReopen;
  EXPECT_EQ(t.direct(what).why, "other_open");
}

TEST(StoreNamed, MergingNeedsOneCitizen) {
  Named t;
  const Command one = t.with_ana("x");
  const Command other = t.with_ana("y");
  Ingest second = t.message("x", "on the other number");
  second.account = "w2";
  const std::string same = t.ingest(second).ref.conversation;
  Directive what;
  what.verb = Directive::Verb::kMerge;
  what.conversation = one.conversation;
  what.by = "sue";
  what.target = other.conversation;
  EXPECT_EQ(t.direct(what).why, "other_contact");
  what.target = one.conversation;
  EXPECT_EQ(t.direct(what).why, "not_open");
  what.target = same;
  what.agent = "bob";
  EXPECT_EQ(t.direct(what).what, What::kStale) << "it is not his";
  what.agent = "ana";
  EXPECT_EQ(t.direct(what).state, "closed");
  const Card merged = t.cards({one.conversation}).at(0);
  EXPECT_EQ(merged.why, "merged");
  EXPECT_EQ(merged.into, same);
}

// One citizen with two numbers: `x` where he wrote first, `y` where he wrote then.
struct TwoNumbers : Named {
  std::string one, two;  // contacts
  TwoNumbers() {
    one = with("wa:p:4915100001").contact;
    two = with("wa:q:4915100001").contact;
  }
  Ingest from(const std::string& address, const std::string& text) {
    Ingest in = message("n", text);
    in.addresses = {address};
    in.account = address[3] == 'q' ? "w2" : "w";
    return in;
  }
  Ingested with(const std::string& address) { return ingest(from(address, "hello " + std::to_string(++greetings))); }
  int greetings = 0;
};

TEST(StoreNamed, TheSameNumberIsShownAndNotTrusted) {
  TwoNumbers t;
  const Citizen before = t.contact(t.one);
  ASSERT_EQ(before.same.size(), 1U);
  EXPECT_EQ(before.same[0].contact, t.two);
  EXPECT_EQ(before.parts.size(), 1U) << "nothing is merged by a number alone";
  const std::string third = t.with("wa:p:bsuid").contact;
  EXPECT_EQ(t.contact_said(third, "+4915100001").what, What::kOk);
  EXPECT_EQ(t.contact(third).same.size(), 2U);
  EXPECT_EQ(t.contact(t.one).same.size(), 2U);
}

TEST(StoreNamed, TheNumbersThatSomebodySaysAreHisHaveAnEnd) {
  TwoNumbers t;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(t.contact_said(t.one, "+49151200" + std::to_string(i)).what, What::kOk);
  EXPECT_EQ(t.contact_said(t.one, "+491512009").what, What::kOk) << "again";
  EXPECT_EQ(t.contact_said(t.one, "+491512019").why, "too_many_numbers");
  EXPECT_EQ(t.contact(t.one).parts.at(0).said.size(), 10U);
}

TEST(StoreNamed, MergedContactsAreOneCitizenAndCanBeParted) {
  TwoNumbers t;
  const std::string third = t.with("wa:p:4915100003").contact;
  EXPECT_EQ(t.contact_join(t.two, t.one).what, What::kOk);
  EXPECT_EQ(t.contact_join(t.one, t.two).why, "same_contact");
  EXPECT_EQ(t.contact_join(t.two, third).what, What::kOk) << "whoever he is attached to goes with him";
  const Citizen all = t.contact(t.two);
  EXPECT_EQ(all.id, third);
  EXPECT_EQ(all.parts.size(), 3U);
  EXPECT_TRUE(all.same.empty());
  EXPECT_EQ(t.contact_part(t.one).what, What::kOk);
  EXPECT_EQ(t.contact(t.one).parts.size(), 2U) << "as it was before";
  EXPECT_EQ(t.contact_part(t.two).what, What::kOk);
  EXPECT_EQ(t.contact_part(t.two).why, "not_merged");
  EXPECT_EQ(t.contact(t.two).parts.size(), 1U);
}

TEST(StoreNamed, ACodeSentBackProvesAnAddressOnce) {
  TwoNumbers t;
  EXPECT_EQ(t.contact_prove(t.one, "123456").why, "none");
  EXPECT_EQ(t.contact_ask(t.one, "wa:q:4915100001", "123456").what, What::kOk);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(t.contact_prove(t.one, "999999").why, "wrong");
  EXPECT_EQ(t.contact_prove(t.one, "123456").what, What::kOk);
  EXPECT_EQ(t.contact(t.one).parts.size(), 2U);
  EXPECT_EQ(t.contact(t.one).parts[1].by, "code of sue");
  EXPECT_EQ(t.contact_ask(t.one, "wa:q:4915100001", "123457").why, "same_contact");
  EXPECT_EQ(t.contact_part(t.two).what, What::kOk);
  EXPECT_EQ(t.contact_ask(t.one, "wa:q:4915100001", "1").what, What::kOk);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(t.contact_prove(t.one, "2").why, "wrong");
  EXPECT_EQ(t.contact_prove(t.one, "1").why, "none") << "five tries";
  EXPECT_EQ(t.contact_ask(t.one, "wa:q:4915100001", "1").what, What::kOk);
  t.now += 11 * kMinute;
  EXPECT_EQ(t.contact_prove(t.one, "1").why, "none") << "ten minutes";
  EXPECT_EQ(t.contact_ask(t.one, "wa:q:4915100001", "1").why, "too_often");
}

TEST(StoreNamed, AConversationGoesOnAtAnotherAddressOfTheCitizen) {
  TwoNumbers t;
  const Command by = t.with_ana("4915100007");
  const std::string citizen = t.cards({by.conversation}).at(0).contact;
  Ingest other = t.from("wa:q:4915100007", "by the other number");
  other.window_until = WallTime{t.now + 5 * kHour};
  const Ingested second = t.ingest(other);
  Directive what;
  what.verb = Directive::Verb::kSwitch;
  what.conversation = by.conversation;
  what.gen = by.gen;
  what.agent = "ana";
  what.by = "agent_ana";
  what.target = "w2|wa|wa:q:4915100007";
  EXPECT_EQ(t.direct(what).why, "not_his");
  EXPECT_EQ(t.contact_join(second.contact, citizen).what, What::kOk);
  EXPECT_EQ(t.direct(what).why, "other_open");
  Directive end;
  end.verb = Directive::Verb::kClose;
  end.conversation = second.ref.conversation;
  end.by = "sue";
  EXPECT_EQ(t.direct(end).state, "closed");
  const Outcome switched = t.direct(what);
  ASSERT_EQ(switched.what, What::kOk);
  Card card = t.cards({by.conversation}).at(0);
  EXPECT_EQ(card.account + " " + card.address, "w2 wa:q:4915100007");
  EXPECT_EQ(card.window_until.ms, t.now + 5 * kHour) << "the window is that number's own";
  // What he writes to the first number comes into the same conversation, and opens no window of the second.
  Ingest again = t.from("wa:p:4915100007", "here again");
  again.window_until = WallTime{t.now + 24 * kHour};
  EXPECT_EQ(t.ingest(again).ref.conversation, by.conversation);
  EXPECT_EQ(t.cards({by.conversation}).at(0).window_until.ms, t.now + 5 * kHour);
  // A reply that was meant for the first account is refused before anything is kept.
  Reply late;
  late.by = {by.conversation, switched.gen, "ana"};
  late.author = "ana";
  late.entry = "late";
  late.account = "w";
  EXPECT_EQ(t.reply(late).why, "switched");
  late.account = "w2";
  EXPECT_EQ(t.reply(late).address, "wa:q:4915100007");
  what.gen = switched.gen;
  what.target = "w|wa|wa:p:4915100007";
  EXPECT_EQ(t.direct(what).why, "sending");
}

TEST(StoreNamed, WhoHadHimOnOneChannelIsAskedFirstOnTheOther) {
  TwoNumbers t;
  const Command by = t.with_ana("4915100007");
  const std::string citizen = t.cards({by.conversation}).at(0).contact;
  const Ingested second = t.with("wa:q:4915100007");
  EXPECT_EQ(t.contact_join(second.contact, citizen).what, What::kOk);
  Directive end;
  end.verb = Directive::Verb::kClose;
  end.by = "sue";
  for (const std::string& each : {second.ref.conversation, by.conversation}) {
    end.conversation = each;
    EXPECT_EQ(t.direct(end).state, "closed");
  }
  const Ingested next = t.with("wa:q:4915100007");
  for (const Waiting& w : t.snapshot().waiting) EXPECT_TRUE(w.conversation != next.ref.conversation || w.sticky == "ana");
}

TEST(StoreNamed, OneCitizenCannotFillTheRoomForUnfinishedMessages) {
  Named t;
  const auto first_of = [&](const std::string& set) { return t.part({"city", set, 1, 2, "half", WallTime{t.now}}).what; };
  for (int i = 0; i < 1'000; ++i)
    ASSERT_EQ(first_of("16:" + std::to_string(i) + ":2:tel:+4911:sms:city:1"), PartSet::What::kKept);
  EXPECT_EQ(first_of("16:1000:2:tel:+4911:sms:city:1"), PartSet::What::kFull);
  EXPECT_EQ(first_of("8:7:2:tel:+4911:sms:city:1"), PartSet::What::kFull) << "however it is numbered";
  EXPECT_EQ(first_of("16:1000:2:tel:+4912:sms:city:1"), PartSet::What::kKept) << "another citizen";
  EXPECT_EQ(first_of("16:5:2:tel:+4911:sms:city:1"), PartSet::What::kKept) << "one that is begun";
  EXPECT_EQ(t.part({"city", "16:5:2:tel:+4911:sms:city:1", 2, 2, "rest", WallTime{t.now}}).what, PartSet::What::kWhole);
  EXPECT_EQ(t.part_done("city", "16:5:2:tel:+4911:sms:city:1").what, What::kOk);
  EXPECT_EQ(t.part_done("city", "16:5:2:tel:+4911:sms:city:1").what, What::kMissing);
  EXPECT_EQ(first_of("16:1000:2:tel:+4911:sms:city:1"), PartSet::What::kKept);
  EXPECT_EQ(first_of("16:1001:2:tel:+4911:sms:city:1"), PartSet::What::kFull);
  EXPECT_EQ(first_of("16:5:2:tel:+4911:sms:city:1"), PartSet::What::kKept) << "a repeat of what is done";
}

TEST(StoreNamed, TheHintIsHonouredOnlyIfNobodyWaits) {
  Named t;
  const std::int64_t gen = t.snapshot().agents.at(0).gen;
  Ingest in = t.message("x", "1");
  in.hint = Hint{"ana", gen, "{}"};
  EXPECT_EQ(t.ingest(in).state, "offered");
  in = t.message("y", "2");
  in.hint = Hint{"ana", gen - 1, "{}"};
  EXPECT_EQ(t.ingest(in).state, "queued") << "what he was has passed";
  in = t.message("z", "3");
  in.hint = Hint{"ana", gen, "{}"};
  EXPECT_EQ(t.ingest(in).state, "queued") << "y waits";
}

TEST(StoreNamed, AServerThatForgotTheFunctionsIsTaughtThemAgain) {
  Named t;
  t.ingest(t.message("x", "1"));
  bench().link.run({"FUNCTION", "FLUSH"});
  std::optional<Result<Ingested>> heard;
  const Ingest second = t.message("x", "2");
  t.redis->ingest(second, [&](Result<Ingested> r) { heard = std::move(r); });
  ASSERT_TRUE(heard);
  ASSERT_FALSE(heard->has_value()) << "a server that lost them may have lost more: nothing is acknowledged";
  EXPECT_EQ(heard->error().code, Errc::kUnavailable);
  EXPECT_EQ(t.ingest(second).kind, Ingested::Kind::kOk);
  // A store that has never talked to it loads and repeats within the call.
  bench().link.run({"FUNCTION", "FLUSH"});
  EXPECT_EQ(at_once_alone(t.message("x", "3")).kind, Ingested::Kind::kOk);
  t.broken = true;  // the model did not see the third
}

TEST(StoreNamed, ARefusedLoadIsHeardAsWhatItIs) {
  const auto store = make_redis_store(
      [](std::string command, std::function<void(Result<Value>)> done) {
        const bool load = command.find("LOAD") != std::string::npos;
        done(Value{.kind = Value::Kind::kError, .text = load ? "READONLY You can't write" : "ERR Function not found"});
      },
      {"t", nullptr});
  std::optional<Result<Outcome>> heard;
  store->accept({"1", 1, "ana"}, [&](Result<Outcome> r) { heard = std::move(r); });
  ASSERT_TRUE(heard && !heard->has_value());
  EXPECT_EQ(heard->error().code, Errc::kUnavailable);
}

}  // namespace
}  // namespace belfry::routing
