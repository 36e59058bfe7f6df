// The embedded Redis: one private redis-server on a unix socket in the state directory.
//
// The rule: never two servers on one data directory (a second one silently costs acknowledged writes). The server itself
// holds a flock on its data directory, through a descriptor it inherited and of which we closed our copy; so the lock lives
// exactly as long as the server, whoever started it and whatever became of him. We only ever ask: is the lock free? If it
// is, no server runs, and we start one with the lock in its hand. If it is not, the server there is ours: its socket is used.
// - A belfryd that dies leaves its server running; the next one adopts it.
// - A server that dies is started again, with backoff.
// - It is stopped only by stop(), with SHUTDOWN, so that its file is flushed. The destructor leaves it running.
// Thread: the loop's.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "belfry/result.h"

namespace belfry::gateway {

struct RedisServerOptions {
  std::string state_dir;                 // exists, and is ours
  std::string name = "redis";            // <state_dir>/<name>/ data, <name>.sock, <name>.log; the second one is "ledger"
  std::string program = "redis-server";  // looked for in PATH
  std::string appendfsync = "always";    // or "everysec"
  std::int64_t maxmemory = 0;            // octets; 0: `percent` of what this process may use
  int percent = 35;
  std::int64_t look_every_ms = 100;     // how often the lock is asked
  std::int64_t first_backoff_ms = 100;  // between starts of a server that dies young; doubles
  std::int64_t last_backoff_ms = 5'000;
  std::int64_t lived_ms = 10'000;    // a server that lived this long starts again after the first backoff
  std::int64_t silent_ms = 5'000;    // a server that holds the lock this long without answering is told of
  std::int64_t max_log = 10L << 20;  // a longer log is emptied at start
  std::vector<std::string> more;     // further arguments, e.g. {"--loglevel", "debug"}
};

class RedisServer {
 public:
  // What happened, for the log. `pid` is 0 where it is not known.
  enum class What : std::uint8_t { kStarted, kAdopted, kDied, kCannotStart, kStopped };
  struct News {
    What what;
    int pid = 0;
    std::string detail;  // of kDied: "signal 9", "exit 1"; of kCannotStart: why
  };

  RedisServer(asio::io_context& loop, RedisServerOptions options);
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::function<void(const News&)> on_news;  // set before start()

  // Makes the directory, starts or adopts a server, and watches it from then on. An error here is one that no repetition
  // mends: a socket path longer than the kernel allows, a directory that is not ours, a program that is missing.
  Result<void> start();
  // SHUTDOWN, and waits until the lock is free. `done` hears kTimeout if the server did not end; it is left running then.
  void stop(std::function<void(Result<void>)> done, std::int64_t timeout_ms = 8'000);

  const std::string& socket_path() const;
  const std::string& data_dir() const;
  std::int64_t maxmemory() const;
  // One encoded CONFIG SET with every setting that a running server can take: sent once a link to it is up, because an
  // adopted server may have been started by another version or another configuration.
  std::string settings_command() const;

 private:
  struct Body;
  std::shared_ptr<Body> body_;  // shared with its own timer
};

// Octets of memory this process may use: the machine's, or less where a cgroup says so.
std::int64_t usable_memory();

}  // namespace belfry::gateway
