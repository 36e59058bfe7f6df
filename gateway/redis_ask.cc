#include "gateway/redis_ask.h"

#include <memory>
#include <utility>

#include "gateway/pump.h"

namespace belfry::gateway {
namespace {

// Lives as long as its connection's handlers.
struct Asking : std::enable_shared_from_this<Asking> {
  std::string question;
  bool login = false;  // the next reply is AUTH's
  std::function<void(Result<routing::Value>)> done;
  std::shared_ptr<Pump> pump;
  routing::Decoder decoder{{.max_reply = 4UL << 20, .max_elements = 1UL << 17, .max_line = 16UL << 10}};

  void end(Result<routing::Value> answer) {
    const auto keep = shared_from_this();  // close() drops the handlers, and with them us
    if (pump) std::exchange(pump, nullptr)->close();
    if (auto tell = std::exchange(done, nullptr)) tell(std::move(answer));
  }

  void on_bytes(std::string_view bytes) {
    decoder.feed(bytes);
    while (done) {
      auto reply = decoder.next();
      if (!reply) return end(tl::unexpected(std::move(reply.error())));
      if (!*reply) return;
      if (std::exchange(login, false) && !(*reply)->is_error()) continue;
      return end(std::move(**reply));
    }
  }
};

}  // namespace

std::string login_of(const RedisTarget& target) {
  if (target.password.empty()) return {};
  const std::string& password = target.password.reveal();
  return target.user.empty() ? routing::encode({"AUTH", password}) : routing::encode({"AUTH", target.user, password});
}

void ask_redis(asio::io_context& loop, const RedisTarget& target, const std::string& address, std::string question,
               bool with_login, std::int64_t within_ms, std::function<void(Result<routing::Value>)> done) {
  const auto asking = std::make_shared<Asking>();
  asking->question = std::move(question);
  asking->done = std::move(done);
  std::string login = with_login ? login_of(target) : std::string();
  ConnectOptions how;
  how.tls = target.secure ? target.tls : nullptr;
  how.server_name = host_of(address);
  how.timeout_ms = within_ms;
  how.max_queued = 1UL << 20;
  connect_pump(loop, address, how, [asking, login = std::move(login), within_ms](Result<std::shared_ptr<Pump>> fresh) {
    if (!fresh) return asking->end(tl::unexpected(std::move(fresh.error())));
    asking->pump = std::move(*fresh);
    PumpHandlers handlers;
    handlers.on_bytes = [asking](std::string_view bytes) { asking->on_bytes(bytes); };
    handlers.on_down = [asking](const Error& why) { asking->end(tl::unexpected(why)); };
    asking->pump->start(std::move(handlers));
    asking->pump->set_deadline(within_ms);
    asking->login = !login.empty();
    asking->pump->write(login + asking->question);
  });
}

}  // namespace belfry::gateway
