// Loop over a boost::asio::io_context with callbacks.
#include "loop.h"

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "asio_loop.h"

namespace sim {

Loop::Loop() : impl_(std::make_unique<Impl>()) {}
Loop::~Loop() = default;

void Loop::post(std::function<void()> task) { boost::asio::post(impl_->io, std::move(task)); }

void Loop::after(std::int64_t ms, std::function<void()> task) {
  auto timer = std::make_shared<boost::asio::steady_timer>(impl_->io, std::chrono::milliseconds(ms));
  timer->async_wait([timer, task = std::move(task)](const boost::system::error_code& error) {
    if (!error) task();
  });
}

void Loop::on_signal(std::function<void()> task) {
  auto signals = std::make_shared<boost::asio::signal_set>(impl_->io, SIGINT, SIGTERM);
  signals->async_wait([signals, task = std::move(task)](const boost::system::error_code& error, int) {
    if (error) return;
    signals->async_wait([signals](const boost::system::error_code& again, int) {
      if (!again) std::_Exit(130);
    });
    task();
  });
}

void Loop::run() { impl_->io.run(); }
void Loop::stop() { impl_->io.stop(); }
void Loop::restart() { impl_->io.restart(); }

}  // namespace sim
