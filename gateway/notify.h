// What belfryd and its supervisor tell each other: systemd's notify protocol, and signals.
// Without systemd (NOTIFY_SOCKET unset) the telling does nothing.
#pragma once

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <string_view>

namespace belfry::gateway {

void notify_ready();                          // READY=1: after the listeners listen
void notify_reloading();                      // RELOADING=1 with the time; notify_ready() ends it
void notify_stopping();                       // STOPPING=1
void notify_status(std::string_view status);  // one line for `systemctl status`
// Asks for more time to start or stop, counted from now.
void notify_extend(std::int64_t more_ms);

// Pets the supervisor's watchdog from this loop, three times in its interval: a loop that stands still is restarted.
// Does nothing where no watchdog is set. Lives on the loop's thread.
class Watchdog {
 public:
  explicit Watchdog(asio::io_context& loop);
  void start();
  void stop() { timer_.cancel(); }
  std::int64_t every_ms() const { return every_ms_; }  // 0: no watchdog
  // Unset or true: pet it. Lets main look at the other shards too.
  std::function<bool()> healthy;

 private:
  void arm();
  asio::steady_timer timer_;
  std::int64_t every_ms_ = 0;
};

// SIGTERM and SIGINT ask for a graceful stop; a second one is told too, and main may stop at once. SIGHUP asks for a
// reload. SIGPIPE is ignored. On the loop's thread.
class Signals {
 public:
  explicit Signals(asio::io_context& loop);
  std::function<void(int times)> on_stop;
  std::function<void()> on_reload;
  void start();
  void stop() { set_.cancel(); }

 private:
  void wait();
  asio::signal_set set_;
  int stops_ = 0;
};

}  // namespace belfry::gateway
