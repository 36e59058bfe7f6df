#include "gateway/notify.h"

#include <signal.h>
#include <systemd/sd-daemon.h>

#include <chrono>
#include <ctime>
#include <string>

namespace belfry::gateway {

void notify_ready() { ::sd_notify(0, "READY=1"); }

void notify_reloading() {
  // systemd tells by the time which reload it is (Type=notify-reload, from v253; older ones ignore it).
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const auto us = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  ::sd_notify(0, ("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(us)).c_str());
}

void notify_stopping() { ::sd_notify(0, "STOPPING=1"); }

void notify_status(std::string_view status) {
  std::string line = "STATUS=";
  // A newline would begin another assignment.
  for (const char c : status) line += c == '\n' ? ' ' : c;
  ::sd_notify(0, line.c_str());
}

void notify_extend(std::int64_t more_ms) { ::sd_notify(0, ("EXTEND_TIMEOUT_USEC=" + std::to_string(more_ms * 1'000)).c_str()); }

Watchdog::Watchdog(asio::io_context& loop) : timer_(loop) {
  std::uint64_t us = 0;
  if (::sd_watchdog_enabled(0, &us) > 0) every_ms_ = static_cast<std::int64_t>(us / 3'000);
}

void Watchdog::start() {
  if (every_ms_ > 0) arm();
}

void Watchdog::arm() {
  if (!healthy || healthy()) ::sd_notify(0, "WATCHDOG=1");
  timer_.expires_after(std::chrono::milliseconds(every_ms_));
  timer_.async_wait([this](const std::error_code& cancelled) {
    if (!cancelled) arm();
  });
}

Signals::Signals(asio::io_context& loop) : set_(loop) {}

void Signals::start() {
  ::signal(SIGPIPE, SIG_IGN);
  std::error_code error;
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) set_.add(number, error);
  wait();
}

void Signals::wait() {
  set_.async_wait([this](const std::error_code& cancelled, int number) {
    if (cancelled) return;
    // Waiting again comes first: the handlers may stop us.
    wait();
    if (number == SIGHUP) {
      if (on_reload) on_reload();
    } else if (on_stop) {
      on_stop(++stops_);
    }
  });
}

}  // namespace belfry::gateway
