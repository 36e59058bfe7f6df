#include "gateway/redis_server.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <system_error>
#include <utility>

#include "routing/resp.h"

namespace belfry::gateway {

namespace {

std::int64_t mono_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string reason(int error) { return std::error_code(error, std::generic_category()).message(); }

// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// The limit a cgroup file names, or 0 for none.
std::int64_t limit_in(const std::string& path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return 0;
  std::int64_t limit = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), limit);
  // "max" is no limit; cgroup v1 says so by a number near 2^63.
  if (error != std::errc{} || end != word.data() + word.size() || limit > (1LL << 60)) return 0;
  return limit;
}

}  // namespace

std::int64_t usable_memory() {
  std::int64_t memory = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  const auto lower = [&](std::int64_t limit) {
    if (limit > 0) memory = std::min(memory, limit);
  };
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto second = line.find(':', line.find(':') + 1);
    if (second == std::string::npos) continue;
    const bool unified = line.starts_with("0::");
    if (!unified && line.find(":memory:") == std::string::npos) continue;
    // A limit of a parent binds too. In a container the path may be the host's: then only the root below exists.
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (unified) {
        lower(limit_in("/sys/fs/cgroup" + path + "/memory.max"));
      } else {
        lower(limit_in("/sys/fs/cgroup/memory" + path + "/memory.limit_in_bytes"));
      }
      if (path.rfind('/') == std::string::npos) break;
    }
  }
  return memory;
}

struct RedisServer::Body : std::enable_shared_from_this<RedisServer::Body> {
  Body(RedisServer& owner, asio::io_context& io, RedisServerOptions o)
      : server(&owner), loop(io), options(std::move(o)), timer(io) {
    data = options.state_dir + "/" + options.name;
    socket = data + ".sock";
    log = data + ".log";
    limit = options.maxmemory > 0 ? options.maxmemory : usable_memory() / 100 * options.percent;
  }

  RedisServer* server;  // null once the owner is gone
  asio::io_context& loop;
  const RedisServerOptions options;
  asio::steady_timer timer;
  std::string data, socket, log;
  std::int64_t limit;

  pid_t child = 0;                 // ours, not yet reaped
  bool known = false;              // we told of the server that holds the lock
  std::int64_t waiting_since = 0;  // for a server that holds the lock and does not answer
  std::int64_t started_at = 0;
  std::int64_t next_start = 0;
  std::int64_t backoff = 0;
  std::string last_failure;

  bool running = false;  // between start() and the end of stop()
  std::function<void(Result<void>)> stopping;
  std::int64_t stop_until = 0;
  std::int64_t ask_at = 0;  // when SHUTDOWN is sent, or sent again

  void tell(What what, int pid, std::string detail = {}) {
    if (server != nullptr && server->on_news) server->on_news({what, pid, std::move(detail)});
  }

  // The settings that make an answer of Redis mean "on disk", and memory have an end.
  std::vector<std::pair<std::string, std::string>> settings() const {
    return {
        {"appendfsync", options.appendfsync},
        {"appendonly", "yes"},
        {"save", ""},
        {"maxmemory", std::to_string(limit)},
        {"maxmemory-policy", "noeviction"},
        {"aof-load-truncated", "yes"},
        {"no-appendfsync-on-rewrite", "no"},
    };
  }

  // ---- the lock

  // The lock, if nobody holds it. The descriptor is the lock: it is free again when the last copy is closed.
  Result<Fd> take_lock() {
    Fd dir(::open(data.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!dir) return fail(Errc::kUnavailable, "cannot open " + data + ": " + reason(errno));
    if (::flock(dir.get(), LOCK_EX | LOCK_NB) == 0) return dir;
    if (errno == EWOULDBLOCK) return fail(Errc::kBusy, "");
    return fail(Errc::kUnavailable, "cannot lock " + data + ": " + reason(errno));
  }

  // ---- a server

  Result<void> spawn(Fd lock) {
    Fd out(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
    if (!out) return fail(Errc::kUnavailable, "cannot write " + log + ": " + reason(errno));
    std::vector<std::string> words = {options.program,
                                      "--port",
                                      "0",
                                      "--unixsocket",
                                      socket,
                                      "--unixsocketperm",
                                      "700",
                                      "--dir",
                                      data,
                                      "--daemonize",
                                      "no",
                                      "--supervised",
                                      "no",
                                      "--databases",
                                      "1",
                                      "--logfile",
                                      "",
                                      "--proc-title-template",
                                      "{title} {unixsocket}"};
    for (const auto& [key, value] : settings()) {
      words.push_back("--" + key);
      words.push_back(value);
    }
    words.insert(words.end(), options.more.begin(), options.more.end());
    std::vector<char*> argv;
    argv.reserve(words.size() + 1);
    for (auto& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    // Nothing of our environment is Redis's business, NOTIFY_SOCKET least of all.
    const char* path_now = std::getenv("PATH");
    std::string path = "PATH=";
    path += path_now != nullptr ? path_now : "/usr/local/bin:/usr/bin:/bin";
    std::string locale = "LC_ALL=C";
    std::array<char*, 3> environment{path.data(), locale.data(), nullptr};

    // Descriptors: the lock becomes 3 and everything above is closed. A listening socket that leaked into the server would
    // keep its port, and swallow its share of the connections, after our own death.
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&how);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out.get(), 1);
    posix_spawn_file_actions_adddup2(&files, out.get(), 2);
    posix_spawn_file_actions_adddup2(&files, lock.get(), 3);
    posix_spawn_file_actions_addclosefrom_np(&files, 4);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&how, &none);
    posix_spawnattr_setsigdefault(&how, &all);
    // A session of its own: ^C at a terminal is for us; the server is stopped after the last message is settled.
    posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    pid_t pid = 0;
    const int error = posix_spawnp(&pid, options.program.c_str(), &files, &how, argv.data(), environment.data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&how);
    if (error != 0) return fail(Errc::kUnavailable, "cannot start " + options.program + ": " + reason(error));
    child = pid;
    started_at = mono_ms();
    known = true;
    last_failure.clear();
    tell(What::kStarted, pid);
    return {};
  }  // our copies of the lock and of the log close here

  // Null, or the words for how our child ended.
  std::string reap() {
    int status = 0;
    if (child == 0 || ::waitpid(child, &status, WNOHANG) != child) return {};
    child = 0;
    if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
    return "exit " + std::to_string(WEXITSTATUS(status));
  }

  Fd dial(int& pid) const {
    Fd s(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, socket.c_str(), socket.size() + 1);
    if (!s || ::connect(s.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return Fd{};
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(s.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0) pid = peer.pid;
    return s;
  }

  // ---- watching

  Result<void> look() {
    const auto now = mono_ms();
    std::string end = reap();
    auto lock = take_lock();
    if (!lock) {
      if (lock.error().code != Errc::kBusy) {
        complain(lock.error().detail);
        return tl::unexpected<Error>(lock.error());
      }
      // Somebody's server holds it. Until its socket answers it is being born, or dying: wait.
      if (!known) {
        int pid = 0;
        if (dial(pid)) {
          known = true;
          started_at = now;
          tell(What::kAdopted, pid);
        } else if (waiting_since == 0) {
          waiting_since = now;
        } else if (now - waiting_since > options.silent_ms) {
          complain("a server holds the lock of " + data + " and does not answer on " + socket + "; it is left alone");
        }
      }
      if (known) waiting_since = 0;
      return {};
    }
    waiting_since = 0;
    if (known) {
      known = false;
      if (now - started_at >= options.lived_ms) backoff = 0;
      backoff = backoff == 0 ? options.first_backoff_ms : std::min(backoff * 2, options.last_backoff_ms);
      next_start = now + backoff;
      tell(What::kDied, 0, std::move(end));
    }
    if (now < next_start) return {};
    auto spawned = spawn(std::move(*lock));
    if (!spawned) {
      backoff = backoff == 0 ? options.first_backoff_ms : std::min(backoff * 2, options.last_backoff_ms);
      next_start = now + backoff;
      complain(spawned.error().detail);
    }
    return spawned;
  }

  void complain(const std::string& why) {
    if (why == last_failure) return;
    last_failure = why;
    tell(What::kCannotStart, 0, why);
  }

  void arm(std::int64_t in_ms) {
    timer.expires_after(std::chrono::milliseconds(in_ms));
    timer.async_wait([self = shared_from_this()](const std::error_code& cancelled) {
      if (cancelled || !self->running) return;
      if (self->stopping) {
        self->look_for_end();
      } else {
        static_cast<void>(self->look());
        if (self->running) self->arm(self->options.look_every_ms);
      }
    });
  }

  void look_for_end() {
    static_cast<void>(reap());
    if (const auto lock = take_lock(); lock || lock.error().code != Errc::kBusy) {
      finish_stop({});
      return;
    }
    if (const auto now = mono_ms(); now >= ask_at) {
      int pid = 0;
      static constexpr std::string_view kShutdown = "*1\r\n$8\r\nSHUTDOWN\r\n";
      const Fd s = dial(pid);
      // Closing at once is fine: Redis reads what is already there. It refuses while it writes its first AOF: ask again.
      if (s && ::send(s.get(), kShutdown.data(), kShutdown.size(), MSG_NOSIGNAL) > 0) ask_at = now + 1'000;
    }
    if (mono_ms() >= stop_until) {
      finish_stop(fail(Errc::kTimeout, "redis-server did not end; it is left running and will be adopted"));
      return;
    }
    arm(20);
  }

  void finish_stop(Result<void> result) {
    running = false;
    auto done = std::exchange(stopping, nullptr);
    if (result) tell(What::kStopped, 0);
    if (done) done(std::move(result));
  }
};

RedisServer::RedisServer(asio::io_context& loop, RedisServerOptions options)
    : body_(std::make_shared<Body>(*this, loop, std::move(options))) {}

RedisServer::~RedisServer() {
  body_->server = nullptr;
  body_->running = false;
  body_->stopping = nullptr;
  body_->timer.cancel();
}

Result<void> RedisServer::start() {
  Body& b = *body_;
  if (b.socket.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return fail(Errc::kBadInput, "the path of the socket, " + b.socket +
                                     ", is longer than the 107 octets the kernel allows: choose a shorter state_dir");
  }
  // Relative paths would change their meaning: redis-server changes into its data directory.
  if (!b.options.state_dir.starts_with('/')) return fail(Errc::kBadInput, "state_dir must be an absolute path");
  if (::mkdir(b.data.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(Errc::kUnavailable, "cannot make " + b.data + ": " + reason(errno));
  }
  struct stat about {};
  if (::stat(b.data.c_str(), &about) != 0 || !S_ISDIR(about.st_mode) || about.st_uid != ::geteuid()) {
    return fail(Errc::kUnavailable, b.data + " is not a directory of ours");
  }
  if (::stat(b.log.c_str(), &about) == 0 && about.st_size > b.options.max_log && ::truncate(b.log.c_str(), 0) != 0) {
    return fail(Errc::kUnavailable, "cannot empty " + b.log + ": " + reason(errno));
  }
  auto first = b.look();
  if (!first) return first;
  b.running = true;
  b.arm(b.options.look_every_ms);
  return {};
}

void RedisServer::stop(std::function<void(Result<void>)> done, std::int64_t timeout_ms) {
  Body& b = *body_;
  if (!b.running || b.stopping) {
    asio::post(b.loop, [done = std::move(done)] {
      if (done) done({});
    });
    return;
  }
  b.stopping = done ? std::move(done) : [](Result<void>) {};
  b.stop_until = mono_ms() + timeout_ms;
  b.ask_at = 0;
  b.arm(0);
}

const std::string& RedisServer::socket_path() const { return body_->socket; }
const std::string& RedisServer::data_dir() const { return body_->data; }
std::int64_t RedisServer::maxmemory() const { return body_->limit; }

std::string RedisServer::settings_command() const {
  const auto settings = body_->settings();
  std::vector<std::string_view> words = {"CONFIG", "SET"};
  for (const auto& [key, value] : settings) {
    words.push_back(key);
    words.push_back(value);
  }
  return routing::encode(words);
}

}  // namespace belfry::gateway
