#include "gateway/redis_durability.h"

#include <charconv>
#include <memory>
#include <utility>

namespace belfry::gateway {

using routing::Value;

namespace {

// The value of `key:` in an answer of INFO.
std::string_view field(std::string_view info, std::string_view key) {
  for (std::size_t at = 0; at < info.size();) {
    const auto end = std::min(info.find("\r\n", at), info.size());
    const std::string_view line = info.substr(at, end - at);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ':') return line.substr(key.size() + 1);
    at = end + 2;
  }
  return {};
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// The value of `key` in an answer of CONFIG GET; empty if it is hidden.
std::string_view setting(const Value& answer, std::string_view key) {
  for (std::size_t i = 0; i + 1 < answer.array.size(); i += 2) {
    if (answer.array[i].text == key) return answer.array[i + 1].text;
  }
  return {};
}

}  // namespace

std::string_view name_of(Durability durability) {
  switch (durability) {
    case Durability::kNone: return "none";
    case Durability::kOs: return "os";
    case Durability::kEverysec: return "everysec";
    case Durability::kAlways: return "always";
  }
  return "none";
}

void read_redis_facts(RedisLink& link, std::function<void(Result<RedisFacts>)> done) {
  struct Reading {
    RedisFacts facts;
    std::function<void(Result<RedisFacts>)> done;
    std::string info;
  };
  auto reading = std::make_shared<Reading>();
  reading->done = std::move(done);
  // Answers come in order, so the second one ends it.
  link.command(routing::encode({"INFO", "default"}), [reading](Result<Value> reply) {
    if (reply && reply->is_text()) reading->info = std::move(reply->text);
  });
  link.command(routing::encode({"CONFIG", "GET", "append*", "maxmemory*"}), [reading](Result<Value> reply) {
    if (!reply) {
      reading->done(tl::unexpected<Error>(reply.error()));
      return;
    }
    RedisFacts& facts = reading->facts;
    const std::string_view info = reading->info;
    facts.version = field(info, "redis_version");
    facts.replicas = static_cast<int>(number(field(info, "connected_slaves")));
    facts.maxmemory = number(field(info, "maxmemory"));
    facts.used_memory = number(field(info, "used_memory"));
    const auto policy = field(info, "maxmemory_policy");
    facts.noeviction = policy.empty() || policy == "noeviction";
    const bool file = field(info, "aof_enabled") == "1";
    const auto append = setting(*reply, "appendonly");
    const auto fsync = setting(*reply, "appendfsync");
    facts.known = !append.empty() && !fsync.empty();
    if (facts.known && append == "yes") {
      facts.durability = fsync == "always" ? Durability::kAlways : fsync == "everysec" ? Durability::kEverysec : Durability::kOs;
    } else if (!facts.known && file) {
      facts.durability = Durability::kOs;  // no more than this is sure
    }
    reading->done(std::move(facts));
  });
}

std::string refusal_to_start(const RedisFacts& facts, std::string_view wanted) {
  if (!facts.noeviction)
    return "redis evicts keys when its memory is full; conversations would vanish; set maxmemory-policy noeviction on the server";
  const Durability least = wanted == "everysec" ? Durability::kEverysec : Durability::kAlways;
  if (facts.durability >= least) return {};
  const std::string is =
      facts.known
          ? "redis writes with durability \"" + std::string(name_of(facts.durability)) + "\""
          : std::string("our Redis user may not read the server's configuration (CONFIG GET), so its durability is not known");
  std::string todo =
      "; what we acknowledge could be lost; set appendonly yes and appendfsync " + std::string(name_of(least)) + " on the server";
  if (!facts.known) todo = "; what we acknowledge could be lost; allow CONFIG GET (+config|get) to our user";
  if (least == Durability::kAlways && facts.durability == Durability::kEverysec)
    todo += ", or accept it with redis.durability = \"everysec\"";
  return is + todo;
}

}  // namespace belfry::gateway
