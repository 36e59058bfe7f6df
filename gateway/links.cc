#include "gateway/links.h"

#include <unordered_map>
#include <utility>

#include "gateway/pump.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kConnectTimeout = 10'000;
constexpr std::size_t kMaxQueued = 8UL << 20;  // a peer that does not read so much is gone

class SocketLinks final : public Links {
 public:
  SocketLinks(asio::io_context& loop, TlsContext tls, Heard heard)
      : loop_(loop), tls_(std::move(tls)), heard_(std::move(heard)), alive_(std::make_shared<bool>(true)) {}
  ~SocketLinks() override {
    *alive_ = false;
    for (auto& [id, pump] : pumps_) {
      if (pump) pump->close();
    }
  }

  void dial(const Dial& wanted) override {
    ConnectOptions options;
    if (wanted.tls) options.tls = tls_.get();
    options.server_name = wanted.host;
    options.timeout_ms = kConnectTimeout;
    options.max_queued = kMaxQueued;
    pumps_[wanted.link] = nullptr;
    const bool v6 = wanted.host.find(':') != std::string::npos;
    connect_pump(loop_, (v6 ? "[" + wanted.host + "]" : wanted.host) + ":" + std::to_string(wanted.port), std::move(options),
                 [this, alive = alive_, link = wanted.link](Result<std::shared_ptr<Pump>> pump) {
                   if (*alive) connected(link, std::move(pump));
                 });
  }

  void transmit(const Transmit& what) override {
    if (const auto it = pumps_.find(what.link); it != pumps_.end() && it->second) it->second->write(what.bytes);
  }

  void hangup(LinkId link) override {
    const auto it = pumps_.find(link);
    if (it == pumps_.end()) return;
    const auto pump = std::exchange(it->second, nullptr);
    pumps_.erase(it);
    if (!pump) return;
    pump->finish();
  }

  void pause(bool on) override {
    paused_ = on;
    for (auto& [id, pump] : pumps_) {
      if (!pump) continue;
      on ? pump->pause() : pump->resume();
    }
  }

 private:
  void connected(LinkId link, Result<std::shared_ptr<Pump>> pump) {
    const auto it = pumps_.find(link);
    if (it == pumps_.end()) {  // hung up meanwhile
      if (pump) (*pump)->close();
      return;
    }
    if (!pump) {
      pumps_.erase(it);
      if (heard_.failed) heard_.failed(pump.error());
      return heard_.state(link, LinkState::kDown);
    }
    it->second = std::move(*pump);
    const std::weak_ptr<Pump> self = it->second;
    PumpHandlers handlers;
    handlers.on_bytes = [this, alive = alive_, link, self](std::string_view bytes) {
      if (*alive && is(link, self)) heard_.bytes(link, bytes);
    };
    handlers.on_down = [this, alive = alive_, link, self](const Error&) {
      if (!*alive || !is(link, self)) return;
      pumps_.erase(link);
      heard_.state(link, LinkState::kDown);
    };
    it->second->start(std::move(handlers));
    if (paused_) it->second->pause();
    heard_.state(link, LinkState::kUp);
  }

  // Not one that was hung up and only sends what is left.
  bool is(LinkId link, const std::weak_ptr<Pump>& pump) const {
    const auto it = pumps_.find(link);
    return it != pumps_.end() && it->second && it->second == pump.lock();
  }

  asio::io_context& loop_;
  TlsContext tls_;
  Heard heard_;
  std::unordered_map<LinkId, std::shared_ptr<Pump>> pumps_;  // null: being connected
  bool paused_ = false;
  // A connect or a closing Pump may still call back when this is gone.
  std::shared_ptr<bool> alive_;
};

}  // namespace

std::unique_ptr<Links> make_links(asio::io_context& loop, TlsContext tls, Links::Heard heard) {
  return std::make_unique<SocketLinks>(loop, std::move(tls), std::move(heard));
}

}  // namespace belfry::gateway
