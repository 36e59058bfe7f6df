// Listening desks: Robot with listen_only, on one thread of their own, so that receiving does not wait for sending.
#include "desks.h"

#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "robot.h"

namespace sim {

struct Desks::Impl {
  Impl(const Url& server, const Trust& trust)
      : journal("", &loop), watch(journal), dialer(loop, trust), http(loop, server, trust, 1) {}
  Loop loop;
  Journal journal;
  Watch watch;  // only the loop's thread touches it while the loop runs
  WebSocketDialer dialer;
  HttpClient http;
  std::vector<std::shared_ptr<Robot>> robots;
  std::thread thread;

  // Runs `look` on the loop's thread and waits for its answer.
  template <class T>
  T ask(std::function<T()> look) {
    std::promise<T> answer;
    loop.post([&] { answer.set_value(look()); });
    return answer.get_future().get();
  }
};

Desks::Desks(const Url& server, const Trust& trust, const std::vector<std::string>& keys, std::size_t count,
             std::int64_t ready_within_ms)
    : impl_(std::make_unique<Impl>(server, trust)) {
  for (std::size_t i = 0; i < count; ++i) {
    Robot::Config config;
    config.servers = {server};
    config.key = keys[i % keys.size()];
    config.listen_only = true;
    config.seed = i + 1;
    impl_->robots.push_back(std::make_shared<Robot>(impl_->loop, impl_->dialer, impl_->http, config, impl_->watch));
  }
  for (const auto& robot : impl_->robots) impl_->loop.post([robot] { robot->start(); });
  impl_->thread = std::thread([this] { impl_->loop.run(); });
  const auto until = mono_ns() + ready_within_ms * 1'000'000;
  while (true) {
    const auto ready = impl_->ask<std::uint64_t>([this] { return impl_->watch.ready; });
    if (ready >= count) break;
    if (mono_ns() > until) {
      const auto why = impl_->ask<std::string>([this] { return impl_->watch.last_close; });
      throw Failure("only " + std::to_string(ready) + " of " + std::to_string(count) + " desks at " + server.origin() +
                    " are ready (" + (why.empty() ? "no word from the server" : why) +
                    "); check the keys and that the gateway runs");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

Desks::~Desks() {
  if (!impl_->thread.joinable()) return;
  impl_->loop.stop();
  impl_->thread.join();
}

Desks::Result Desks::finish(std::uint64_t expected, std::int64_t quiet_ms) {
  std::uint64_t before = 0;
  auto quiet_since = mono_ns();
  while (mono_ns() - quiet_since < quiet_ms * 1'000'000) {
    const auto seen = impl_->ask<std::uint64_t>([this] { return impl_->watch.marked; });
    if (seen >= expected) break;
    if (seen != before) {
      before = seen;
      quiet_since = mono_ns();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  impl_->ask<bool>([this] {
    for (const auto& robot : impl_->robots) robot->stop();
    return true;
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  impl_->loop.stop();
  impl_->thread.join();
  const auto& watch = impl_->watch;
  return {watch.latency, watch.marked, watch.offers, watch.violations(), watch.reconnects};
}

}  // namespace sim
