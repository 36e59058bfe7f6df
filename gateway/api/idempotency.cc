#include "gateway/api/idempotency.h"

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <charconv>
#include <memory>

#include "adapters/wire/crypto.h"

namespace belfry::gateway::api {
namespace {

constexpr const char* kDay = "86400000";
constexpr std::string_view kInProgressMs = "30000";  // a process that dies frees its keys after this

struct Once {
  std::string key;  // in Redis
  std::string body_hash;
  std::string client_id;
  std::function<void(std::string)> proceed;
};
using OncePtr = std::shared_ptr<Once>;

// While it is not written the key reads `in progress`; the very outage that left an outcome unknown may be in the way, so it is
// tried for as long as that would stand.
constexpr int kWriteTries = 120;
constexpr std::int64_t kWriteEveryMs = 250;

void write(Room& room, std::vector<std::string> words, int tries = kWriteTries) {
  const std::vector<std::string_view> args(words.begin(), words.end());
  room.services.carry(
      routing::encode(args), [&room, words = std::move(words), tries](const Result<routing::Value>& done) mutable {
        if ((done && !done->is_error()) || tries <= 1) return;
        const auto timer = std::make_shared<asio::steady_timer>(room.services.loop, std::chrono::milliseconds(kWriteEveryMs));
        timer->async_wait([&room, timer, words = std::move(words), tries](std::error_code error) mutable {
          if (!error) write(room, std::move(words), tries - 1);
        });
      });
}

void proceed(Room& room, const CallPtr& call, const OncePtr& once) {
  call->on_answer = [&room, once](const HttpResponse& response) {
    if (response.status < 300) {
      // Not waited for: until it stands, the store's own memory answers a repeat.
      std::string line = "d|" + once->body_hash + "|" + std::to_string(response.status) + "|";
      line.append(response.headers.get("location")).append("|").append(response.body);
      return write(room, {"SET", once->key, std::move(line), "PX", kDay});
    }
    if (response.status >= 500) return write(room, {"SET", once->key, "u|" + once->body_hash, "PX", kDay});
    write(room, {"DEL", once->key});  // refused, nothing was done: the key is free for a better request
  };
  once->proceed(once->client_id);
}

void replay(const CallPtr& call, std::string_view line) {
  // d|<hash>|<status>|<location>|<body>
  line.remove_prefix(67);
  HttpResponse response;
  const auto bar = line.find('|');
  std::from_chars(line.data(), line.data() + bar, response.status);
  const auto bar_2 = line.find('|', bar + 1);
  response.headers.add("content-type", "application/json");
  response.headers.add("cache-control", "no-store");
  response.headers.add("idempotency-replayed", "true");
  if (bar_2 > bar + 1) response.headers.add("location", std::string(line.substr(bar + 1, bar_2 - bar - 1)));
  response.body = std::string(line.substr(bar_2 + 1));
  call->answer(std::move(response));
}

void try_once(Room& room, const CallPtr& call, const OncePtr& once, int tries) {
  room.commands.run({"SET", once->key, "p|" + once->body_hash, "NX", "PX", kInProgressMs}, [&room, call, once,
                                                                                            tries](Result<routing::Value> set) {
    if (!set) return call->error(set.error());
    if (!set->is_nil()) return proceed(room, call, once);
    room.commands.run({"GET", once->key}, [&room, call, once, tries](Result<routing::Value> found) {
      if (!found) return call->error(found.error());
      const std::string& line = found->text;
      if (!found->is_text() || line.size() < 66) {
        if (tries > 0) return try_once(room, call, once, tries - 1);  // it ended between the two commands
        return call->error({Errc::kUnavailable, "idempotency key keeps changing"});
      }
      if (std::string_view(line).substr(2, 64) != once->body_hash) {
        return call->problem(
            wire::problem(422, "idempotency_key_reused",
                          "This Idempotency-Key came with another body before. Use a new key for a new message, and repeat a "
                          "message with the very same body."));
      }
      if (line[0] == 'd') return replay(call, line);
      if (line[0] == 'u') return proceed(room, call, once);  // the store knows whether it was done
      HttpResponse response = wire::to_response(
          wire::problem(409, "in_progress", "The same request is still in progress. Repeat it in a second to hear its answer."));
      response.headers.add("retry-after", "1");
      call->answer(std::move(response));
    });
  });
}

}  // namespace

void once(Room& room, const CallPtr& call, std::function<void(std::string client_id)> proceed) {
  const Headers& headers = call->request().headers;
  if (!headers.has("idempotency-key")) return proceed({});
  const std::string_view said = headers.get("idempotency-key");
  const bool fine = headers.count("idempotency-key") == 1 && !said.empty() && said.size() <= 255 &&
                    std::all_of(said.begin(), said.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  if (!fine) {
    return call->problem(wire::problem(422, "invalid_idempotency_key",
                                       "`Idempotency-Key` must be 1 to 255 printable ASCII characters. Send a UUID."));
  }
  auto once = std::make_shared<Once>();
  once->client_id = wire::to_hex(wire::sha256(said));
  once->key = room.commands.key("idem:" + call->subject.id + ":" + once->client_id);
  once->body_hash = wire::to_hex(wire::sha256(call->request().body));
  once->proceed = std::move(proceed);
  try_once(room, call, once, 3);
}

}  // namespace belfry::gateway::api
