// A shard's rooms without a shard: the store's reference model, single Redis commands on a map, an account that takes anything,
// and exchanges that keep their answers.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "adapters/whatsapp/request.h"
#include "gateway/api/api.h"
#include "gateway/auth/auth.h"
#include "gateway/config.h"
#include "gateway/http_call.h"
#include "gateway/media_store.h"
#include "gateway/waiting_room.h"
#include "gateway/work_pool.h"
#include "routing/record.h"
#include "routing/store_memory.h"

namespace belfry::gateway {

// Enough of Redis for sessions, keys, tickets and idempotency. What the store keeps about agents and queues is read from the
// model; `login` and `removed` are not in it, so they are found by what they imply.
class TinyRedis {
 public:
  using Value = routing::Value;
  bool down = false;

  TinyRedis(const routing::model::World& world, std::function<Now()> now) : world_(world), now_(std::move(now)) {}

  routing::Carry carry() {
    return [this](const std::string& command, std::function<void(Result<Value>)> done) {
      if (down) return done(fail(Errc::kUnavailable, "down"));
      routing::Decoder decoder;
      decoder.feed(command);
      const auto parsed = decoder.next();
      std::vector<std::string> args;
      for (const Value& arg : (*parsed)->array) args.push_back(arg.text);
      done(run(args));
    };
  }

  std::map<std::string, std::string> strings;
  std::map<std::string, std::int64_t> until;
  std::map<std::string, std::map<std::string, std::string>> hashes;
  std::map<std::string, std::map<std::string, double>> sorted;
  std::vector<std::pair<std::string, std::vector<std::string>>> stream, audited;
  std::vector<std::pair<std::string, std::string>> published;  // channel, what was said

  bool anywhere(const std::string& text) const {
    for (const auto& [key, value] : strings) {
      if (key.find(text) != std::string::npos || value.find(text) != std::string::npos) return true;
    }
    for (const auto& [key, fields] : hashes) {
      for (const auto& [name, value] : fields) {
        if (key.find(text) != std::string::npos || value.find(text) != std::string::npos) return true;
      }
    }
    return false;
  }

 private:
  static Value text(std::string value) { return {Value::Kind::kString, 0, std::move(value), {}}; }
  static Value number(std::int64_t value) { return {Value::Kind::kInteger, value, {}, {}}; }
  static Value ok() { return {Value::Kind::kStatus, 0, "OK", {}}; }
  static Value array(std::vector<Value> values) { return {Value::Kind::kArray, 0, {}, std::move(values)}; }

  void expire(const std::string& key) {
    const auto it = until.find(key);
    if (it == until.end() || it->second > now_().wall.ms) return;
    until.erase(it);
    strings.erase(key);
    hashes.erase(key);
    sorted.erase(key);
  }

  // The hash of an agent or a queue, out of the model.
  std::optional<std::map<std::string, std::string>> modelled(const std::string& key) {
    const auto colon = key.find(':');
    const std::string kind = key.substr(colon + 1);
    if (kind.starts_with("agent:")) {
      const auto it = world_.agents.find(kind.substr(6));
      std::map<std::string, std::string> f;
      if (it == world_.agents.end()) return f;
      const auto& a = it->second;
      f = {{"name", a.name}, {"roles", a.roles}, {"queues", a.queues}, {"avail", a.availability}, {"reason", a.reason}};
      f["ses"] = std::to_string(a.sessions);
      f["load"] = std::to_string(a.load);
      f["cap"] = std::to_string(a.capacity);
      f["bot"] = a.bot ? "1" : "0";
      f["removed"] = a.capacity == 0 && a.queues.empty() && a.roles.empty() ? "1" : "0";
      for (const auto& [login_key, fields] : hashes) {
        const auto at = login_key.find(":login:");
        if (at != std::string::npos && fields.count("agent") != 0 && fields.at("agent") == it->first)
          f["login"] = login_key.substr(at + 7);
      }
      return f;
    }
    if (kind.starts_with("queue:")) {
      const auto it = world_.queues.find(kind.substr(6));
      return it == world_.queues.end() ? std::map<std::string, std::string>{} : it->second;
    }
    return std::nullopt;
  }

  Value run(const std::vector<std::string>& a) {
    const std::string& what = a[0];
    if (what == "PING") return ok();
    if (what == "PUBLISH") {
      published.emplace_back(a[1], a[2]);
      return number(0);
    }
    const std::string& key = a[1];
    expire(key);
    if (what == "GET" || what == "GETDEL") {
      const auto it = strings.find(key);
      if (it == strings.end()) return {};
      Value value = text(it->second);
      if (what == "GETDEL") strings.erase(it);
      return value;
    }
    if (what == "SET") {
      bool nx = false, xx = false;
      std::int64_t ttl = 0;
      for (std::size_t i = 3; i < a.size(); ++i) {
        if (a[i] == "NX") nx = true;
        if (a[i] == "XX") xx = true;
        if (a[i] == "PX") ttl = std::stoll(a[i + 1]);
      }
      if ((nx && strings.count(key) != 0) || (xx && strings.count(key) == 0)) return {};
      strings[key] = a[2];
      until.erase(key);
      if (ttl > 0) until[key] = now_().wall.ms + ttl;
      return ok();
    }
    if (what == "PEXPIRE") {
      until[key] = now_().wall.ms + std::stoll(a[2]);
      return number(1);
    }
    if (what == "DEL") {
      const auto n = strings.erase(key) + hashes.erase(key) + sorted.erase(key);
      return number(n > 0 ? 1 : 0);
    }
    if (what == "HSET") {
      int added = 0;
      for (std::size_t i = 2; i + 1 < a.size(); i += 2) added += hashes[key].insert_or_assign(a[i], a[i + 1]).second ? 1 : 0;
      return number(added);
    }
    if (what == "HSETNX") return number(hashes[key].emplace(a[2], a[3]).second ? 1 : 0);
    if (what == "HLEN") return number(static_cast<std::int64_t>(hashes[key].size()));
    if (what == "HEXISTS") return number(hashes[key].count(a[2]) != 0 ? 1 : 0);
    if (what == "HDEL") return number(static_cast<std::int64_t>(hashes[key].erase(a[2])));
    if (what == "HGET" || what == "HMGET") {
      const auto fields = modelled(key).value_or(hashes[key]);
      std::vector<Value> values;
      for (std::size_t i = 2; i < a.size(); ++i) values.push_back(fields.count(a[i]) != 0 ? text(fields.at(a[i])) : Value{});
      return what == "HGET" ? values.front() : array(std::move(values));
    }
    if (what == "HGETALL") {
      std::vector<Value> values;
      for (const auto& [name, value] : hashes[key]) {
        values.push_back(text(name));
        values.push_back(text(value));
      }
      return array(std::move(values));
    }
    if (what == "SMEMBERS" || what == "SISMEMBER") {
      std::set<std::string> members;
      if (key.ends_with(":agents")) {
        for (const auto& [id, agent] : world_.agents) members.insert(id);
      } else {
        for (const auto& [id, queue] : world_.queues) members.insert(id);
      }
      if (what == "SISMEMBER") return number(static_cast<std::int64_t>(members.count(a[2])));
      std::vector<Value> values;
      for (const auto& member : members) values.push_back(text(member));
      return array(std::move(values));
    }
    if (what == "ZADD") {
      sorted[key][a.back()] = std::stod(a[a.size() - 2]);
      return number(1);
    }
    if (what == "ZREM") return number(static_cast<std::int64_t>(sorted[key].erase(a[2])));
    if (what == "ZREMRANGEBYSCORE") {
      std::erase_if(sorted[key], [&](const auto& member) { return member.second <= std::stod(a[3]); });
      return number(0);
    }
    if (what == "ZRANGE") {
      std::vector<Value> values;
      for (const auto& [member, score] : sorted[key]) values.push_back(text(member));
      return array(std::move(values));
    }
    if (what == "XADD") {
      const auto star = std::find(a.begin(), a.end(), "*");
      auto& of = key.ends_with(":audit") ? audited : stream;
      std::vector<std::string> fields(star + 1, a.end());
      of.emplace_back(std::to_string(now_().wall.ms) + "-" + std::to_string(of.size()), std::move(fields));
      return text(of.back().first);
    }
    if (what == "XRANGE" || what == "XREVRANGE") {
      std::vector<Value> entries;
      const std::string from = what == "XRANGE" && a[2][0] == '(' ? a[2].substr(1) : "";
      for (const auto& [id, fields] : key.ends_with(":audit") ? audited : stream) {
        if (id <= from) continue;
        std::vector<Value> values;
        for (const auto& field : fields) values.push_back(text(field));
        entries.push_back(array({text(id), array(std::move(values))}));
      }
      if (what == "XREVRANGE") std::reverse(entries.begin(), entries.end());
      entries.resize(std::min(entries.size(), static_cast<std::size_t>(std::stoul(a.back()))));
      return array(std::move(entries));
    }
    ADD_FAILURE() << "TinyRedis does not know " << what;
    return {Value::Kind::kError, 0, "ERR unknown command", {}};
  }

  const routing::model::World& world_;
  std::function<Now()> now_;
};

class FakeExchange : public Exchange {
 public:
  explicit FakeExchange(HttpRequest request) : request_(std::move(request)) {}
  const HttpRequest& request() const override { return request_; }
  void answer(HttpResponse response) override {
    EXPECT_FALSE(answered) << "answered twice";
    answered = std::move(response);
  }
  bool wants_websocket() const override { return false; }
  std::shared_ptr<WebSocket> upgrade(std::string_view, const WebSocketLimits&) override { return nullptr; }
  void begin(HttpResponse) override {}
  bool write(std::string_view) override { return false; }
  void end() override {}
  std::optional<HttpResponse> answered;

 private:
  HttpRequest request_;
};

// One account, "wa-main". A text wants a window, a template does not.
class FakeOutbox : public Outbox {
 public:
  const AccountInfo* account(std::string_view id) const override { return id == info_.id ? &info_ : nullptr; }
  std::vector<AccountInfo> accounts() const override { return {info_}; }
  Result<void> check(std::string_view, const Content& content) const override {
    if (content.text == "unsendable") return fail(Errc::kBadInput, "the channel does not take this; write something else");
    return {};
  }
  std::optional<Media> file_named(std::string_view, const Content& content) const override {
    return whatsapp::file_named(content);
  }
  bool needs_window(std::string_view, const Content& content) const override { return content.type != "template"; }
  Result<std::string> address(std::string_view, std::string_view to) const override {
    if (!to.starts_with("+")) return fail(Errc::kBadInput, "not a number; write it as +49 ...");
    return "wa:main:" + std::string(to.substr(1));
  }
  routing::LeaseRef lease(std::string_view) override { return {}; }
  void hand_over(Outbound message) override { handed.push_back(std::move(message)); }
  std::vector<Outbound> handed;

 private:
  AccountInfo info_{"wa-main", "wa", "main", "hall"};
};

class NoHttp : public HttpClient {
 public:
  void call(const belfry::Call&, Done) override { ADD_FAILURE(); }
  void fetch(const Fetch&, FetchDone) override { ADD_FAILURE(); }
};

struct Answer {
  int status = 0;
  Headers headers;
  std::string body;
  nlohmann::json json;
  std::string code() const { return json.is_object() ? json.value("code", "") : ""; }
};

class ApiHouse : public ::testing::Test {
 protected:
  ApiHouse() {
    const char* name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    dir = std::filesystem::temp_directory_path() / ("belfry-api-" + std::string(name) + "-" + std::to_string(::getpid()));
    media = make_media_store(loop, dir, 1);
    ApiOptions options;
    options.media = media.get();
    options.max_media = 1 << 20;
    api = std::make_unique<Api>(services, auth, options);
    services.waiting_room = &room;
    services.store.queue_put("hall", {{"name", "Town hall"}}, [](auto) {});
  }
  ~ApiHouse() override {
    api.reset();
    media.reset();
    std::filesystem::remove_all(dir);
  }

  Now now() const { return {Instant{wall.ms}, wall}; }

  template <class T>
  T wait(std::optional<T>& slot) {
    for (int i = 0; i < 5'000 && !slot; ++i) {
      loop.restart();
      loop.poll();
      if (!slot) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(slot) << "no answer";
    return slot ? std::move(*slot) : T{};
  }

  static HttpRequest request(std::string method, const std::string& target, std::string body = {}) {
    HttpRequest r;
    r.method = std::move(method);
    r.target = target;
    const auto question = target.find('?');
    r.path = target.substr(0, question);
    if (question != std::string::npos) r.query = target.substr(question + 1);
    r.scheme = "http";
    r.authority = "127.0.0.1:8443";
    r.peer = "127.0.0.1";
    r.body = std::move(body);
    if (!r.body.empty()) r.headers.add("content-type", "application/json");
    return r;
  }

  Answer finish(const std::shared_ptr<FakeExchange>& exchange) {
    const HttpResponse response = wait(exchange->answered);
    Answer answer{response.status, response.headers, response.body, {}};
    if (response.headers.get("content-type").find("json") != std::string_view::npos)
      answer.json = nlohmann::json::parse(response.body);
    return answer;
  }
  Answer send(HttpRequest r) {
    const Admission admission = api->admit(r);
    if (const auto* refused = std::get_if<HttpResponse>(&admission)) {
      auto exchange = std::make_shared<FakeExchange>(std::move(r));
      exchange->answer(*refused);
      return finish(exchange);
    }
    auto exchange = std::make_shared<FakeExchange>(std::move(r));
    api->serve(exchange);
    return finish(exchange);
  }
  Answer as(const std::string& key, HttpRequest r) {
    r.headers.add("authorization", "Bearer " + key);
    return send(std::move(r));
  }
  Answer as_operator(HttpRequest r) {
    auto exchange = std::make_shared<FakeExchange>(std::move(r));
    api->serve_as(exchange, operator_subject());
    return finish(exchange);
  }

  std::string key_of_role(const std::string& role, const std::string& agent = {}) {
    nlohmann::json body{{"role", role}};
    if (!agent.empty()) body["agent"] = agent;
    const Answer answer = as_operator(request("POST", "/api/v1/keys", body.dump()));
    EXPECT_EQ(answer.status, 201) << answer.body;
    return answer.json.value("key", "");
  }
  void add_agent(const std::string& login, const std::string& queue = "hall") {
    const nlohmann::json body{{"login", login}, {"name", "The " + login}, {"queues", {queue}}, {"password", "correct horse"}};
    const Answer answer = as_operator(request("POST", "/api/v1/agents", body.dump()));
    EXPECT_EQ(answer.status, 201) << answer.body;
  }
  // A citizen writes; the answer is his conversation.
  std::string citizen_writes(const std::string& text, const std::string& number = "491511234567",
                             const std::string& queue = "hall") {
    routing::Ingest what;
    what.account = "wa-main";
    what.channel = "wa";
    what.dedupe = "d" + std::to_string(++writes_);
    what.at = wall;
    what.addresses = {"wa:main:" + number};
    what.name = "Zoe";
    what.queue = queue;
    what.window_until = wall + 24 * 3'600'000LL;
    routing::Entry entry;
    entry.content.type = "text";
    entry.content.text = text;
    entry.at = wall;
    what.entry = routing::encode_entry(entry);
    std::string conversation;
    store->ingest(what, [&](Result<routing::Ingested> kept) { conversation = kept->ref.conversation; });
    return conversation;
  }
  void give(const std::string& conversation, const std::string& agent) {
    store->node_start("t.0", 60'000, [](auto) {});
    store->session("t.0", 1, agent, "s1", true, [](auto) {});
    store->agent_set(agent, "ready", "", "", [](auto) {});
    routing::Offer offer;
    offer.conversation = conversation;
    offer.gen = 1;
    offer.agent = agent;
    offer.auto_accept = true;
    store->offer(offer, [](Result<routing::Outcome> outcome) { EXPECT_EQ(outcome->what, routing::Outcome::What::kOk); });
  }

  std::filesystem::path dir;
  WallTime wall{1'800'000'000'000};
  asio::io_context loop;
  Config config;
  std::unique_ptr<routing::MemoryStore> store = routing::make_memory_store([this] { return wall; });
  TinyRedis redis{store->world(), [this] { return now(); }};
  routing::Mirror mirror;
  WorkPool pool{1};
  NoHttp http;
  FakeOutbox outbox;
  bool store_up = true;
  Services services{loop,
                    config,
                    "belfry",
                    *store,
                    redis.carry(),
                    mirror,
                    pool,
                    http,
                    outbox,
                    [this] { return now(); },
                    [this] { return store_up; },
                    "t.0",
                    [] { return std::int64_t{1}; }};
  Metrics metrics{1};
  WaitingRoom room{
      WaitingRoom::Deps{mirror, redis.carry(), "belfry", metrics, [this] { return now(); }, [] { return true; }, {}}};
  Auth auth{services, AuthOptions{"https://chat.city.example"}};
  std::unique_ptr<MediaStore> media;
  std::unique_ptr<Api> api;

 private:
  int writes_ = 0;
};

}  // namespace belfry::gateway
