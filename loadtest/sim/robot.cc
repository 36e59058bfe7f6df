// Robot agents: they speak the desk's words, do the desk's work, and check the desk's promises.
#include "robot.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "phrases.h"

namespace sim {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxRemembered = 100'000;

int rank_of(const std::string& state) {
  static const std::map<std::string, int> kRanks = {{"queued", 0},    {"claimed", 0}, {"sent", 2},
                                                    {"uncertain", 3}, {"expired", 4}, {"failed", 5},
                                                    {"delivered", 6}, {"read", 7},    {"played", 7}};
  const auto found = kRanks.find(state);
  return found == kRanks.end() ? -1 : found->second;
}

}  // namespace

// ---- Watch ----

void Watch::broken(const std::string& promise, const std::string& example) {
  auto& [count, first] = broken_[promise];
  if (count++ == 0) first = example;
}

void Watch::offered(const std::string& conversation, std::int64_t gen, const std::string& agent) {
  if (offers_.size() > kMaxRemembered) offers_.clear();
  auto& [latest, whom] = offers_[conversation];
  if (gen == latest && whom != agent)
    broken("an offer goes to one agent", conversation + " gen " + std::to_string(gen) + " to " + whom + " and " + agent);
  if (gen > latest) {
    latest = gen;
    whom = agent;
  }
}

void Watch::assigned(const std::string& conversation, std::int64_t gen, const std::string& agent) {
  if (owners_.size() > kMaxRemembered) owners_.clear();
  auto& owner = owners_[conversation];
  if (gen == owner.gen && owner.agent != agent)
    broken("a conversation has one owner", conversation + " gen " + std::to_string(gen) + " at " + owner.agent + " and " + agent);
  if (gen > owner.gen) owner = {gen, agent, mono_ns()};
}

void Watch::replied(const std::string& conversation, std::int64_t gen, const std::string& agent, std::int64_t sent_ns) {
  const auto found = owners_.find(conversation);
  if (found == owners_.end() || found->second.agent == agent || found->second.gen <= gen || found->second.since_ns >= sent_ns)
    return;
  broken("who lost a conversation cannot write in it", conversation + " gen " + std::to_string(gen) + " by " + agent + ", of " +
                                                           found->second.agent + " since gen " +
                                                           std::to_string(found->second.gen));
}

std::string Watch::another(const std::string& agent, Chance& chance) const {
  if (drivers_.size() < 2) return {};
  auto at = drivers_.begin();
  std::advance(at, chance.between(0, static_cast<std::int64_t>(drivers_.size()) - 1));
  if (at->first == agent && ++at == drivers_.end()) at = drivers_.begin();
  return at->first;
}

bool Watch::drives(const std::string& agent, const void* robot) { return drivers_.emplace(agent, robot).first->second == robot; }

void Watch::leaves(const std::string& agent, const void* robot) {
  const auto found = drivers_.find(agent);
  if (found != drivers_.end() && found->second == robot) drivers_.erase(found);
}

std::uint64_t Watch::violations() const {
  std::uint64_t sum = 0;
  for (const auto& [promise, seen] : broken_) sum += seen.first;
  return sum;
}

Json Watch::report() const {
  Json out = {{"offers", offers},
              {"accepted", accepted},
              {"messages", messages},
              {"replies", sent_replies},
              {"acks", acks},
              {"nacks", nacks},
              {"resolved", resolved},
              {"declined", declined},
              {"ignored", ignored},
              {"missed", missed},
              {"passed_on", passed_on},
              {"reconnects", reconnects},
              {"resets", resets},
              {"updates", updates},
              {"updates", updates},
              {"log_gaps", log_gaps},
              {"violations", violations()}};
  out["reply_ack_ms"] = {{"p50", replies.quantile_ms(0.5)}, {"p99", replies.quantile_ms(0.99)}, {"max", replies.max_ms()}};
  if (latency.count() != 0)
    out["desk_ms"] = {{"p50", latency.quantile_ms(0.5)}, {"p99", latency.quantile_ms(0.99)}, {"max", latency.max_ms()}};
  for (const auto& [promise, seen] : broken_) out["broken"][promise] = {{"count", seen.first}, {"first", seen.second}};
  if (!last_close.empty()) out["last_close"] = last_close;
  return out;
}

// ---- Robot ----

Robot::Robot(Loop& loop, WebSocketDialer& dialer, HttpClient& http, Config config, Watch& watch)
    : loop_(loop),
      dialer_(dialer),
      http_(http),
      config_(std::move(config)),
      watch_(watch),
      chance_(config_.seed),
      run_(to_hex(random_bytes(6))) {}

void Robot::start() {
  connect();
  if (config_.cuts_per_minute > 0) cut_sometime();
}

void Robot::stop() {
  stopping_ = true;
  if (socket_) {
    if (ready_ && drives_) send(Json{{"t", "availability"}, {"client_id", run_ + "-bye"}, {"value", "offline"}}.dump());
    loop_.after(100, [self = shared_from_this(), socket = socket_] { socket->close(); });
  }
}

// Runs on this connection or not at all.
void Robot::later(std::int64_t ms, std::function<void()> task) {
  ++duties_;
  loop_.after(ms, [weak = weak_from_this(), epoch = epoch_, task = std::move(task)] {
    const auto self = weak.lock();
    if (!self) return;
    --self->duties_;
    if (self->epoch_ == epoch && !self->stopping_) task();
  });
}

void Robot::cut_sometime() {
  const auto mean = 60'000.0 / config_.cuts_per_minute;
  loop_.after(static_cast<std::int64_t>(mean * (0.5 + chance_.unit())), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (!self || self->stopping_) return;
    if (self->socket_) self->socket_->cut();
    self->cut_sometime();
  });
}

void Robot::connect() {
  if (stopping_) return;
  if (!config_.key.empty()) return dial({{"Authorization", "Bearer " + config_.key}}, "belfry.desk.v1");
  if (cookie_.empty()) return log_in();
  HttpAsk ask{"POST",
              "/api/v1/tickets",
              {{"Content-Type", "application/json"}, {"Cookie", cookie_}, {"Origin", config_.origin}, {"X-Belfry-CSRF", "1"}},
              R"({"for":"desk"})"};
  http_.ask(std::move(ask), 10'000, [self = shared_from_this()](const HttpGot& got) {
    const auto body = nlohmann::json::parse(got.body, nullptr, false);
    if (got.status != 201 || !body.is_object() || !body.contains("ticket")) {
      if (got.status == 401) self->cookie_.clear();  // the session ended
      return self->on_closed("ticket: status " + std::to_string(got.status) + " " + got.error);
    }
    self->dial({{"Origin", self->config_.origin}, {"Cookie", self->cookie_}},
               "belfry.desk.v1, ticket." + body["ticket"].get<std::string>());
  });
}

void Robot::log_in() {
  HttpAsk ask{"POST",
              "/api/v1/session",
              {{"Content-Type", "application/json"}, {"Origin", config_.origin}},
              Json{{"login", config_.login}, {"password", config_.password}}.dump()};
  http_.ask(std::move(ask), 15'000, [self = shared_from_this()](const HttpGot& got) {
    const auto cookie = field(got.fields, "set-cookie");
    if (got.status < 200 || got.status >= 300 || cookie.empty())
      return self->on_closed("login " + self->config_.login + ": status " + std::to_string(got.status) + " " + got.error);
    self->cookie_ = cookie.substr(0, cookie.find(';'));
    self->connect();
  });
}

void Robot::dial(HttpFields fields, const std::string& protocols) {
  auto url = config_.servers[server_ % config_.servers.size()];
  url.target = "/ws/desk";
  const auto epoch = ++epoch_;
  const auto mine = [weak = weak_from_this(), epoch]() -> std::shared_ptr<Robot> {
    auto self = weak.lock();
    return self && self->epoch_ == epoch ? self : nullptr;
  };
  welcomed_ = ready_ = false;
  socket_ = dialer_.dial(url, std::move(fields), protocols,
                         {[mine] {
                            const auto self = mine();
                            if (!self) return;
                            Json hello = {{"t", "hello"}};
                            if (self->last_id_ >= 0) hello["last_id"] = std::to_string(self->last_id_);
                            self->send(hello.dump());
                          },
                          [mine](std::string_view text) {
                            if (const auto self = mine()) self->on_text(text);
                          },
                          [mine](const std::string& why) {
                            if (const auto self = mine()) self->on_closed(why);
                          }});
}

void Robot::on_closed(const std::string& why) {
  if (ready_) --watch_.ready;
  ready_ = false;
  socket_.reset();
  if (stopping_) return;
  ++epoch_;
  // What was planned is planned again after the welcome.
  for (auto& [id, conversation] : conversations_) conversation.replying = conversation.resolving = conversation.passes_on = false;
  watch_.last_close = why;
  ++watch_.reconnects;
  ++server_;
  const auto wait = std::min(5000, 100 << std::min(failures_++, 6));
  loop_.after(wait / 2 + chance_.between(0, wait / 2), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->connect();
  });
}

bool Robot::count_id(std::int64_t id) {
  if (id == last_id_ + 1) {
    last_id_ = id;
    return true;
  }
  const auto example = agent_ + " " + std::to_string(last_id_) + " then " + std::to_string(id);
  if (id <= last_id_) {
    watch_.broken("an event comes once", example);
    return false;
  }
  watch_.broken("event ids count by one", example);
  last_id_ = id;
  return true;
}

void Robot::mark(std::string_view text) {
  const auto at = text.find("bt=");
  if (at == std::string_view::npos || text.size() < at + 23) return;
  std::int64_t sent = 0;
  if (std::from_chars(text.data() + at + 3, text.data() + at + 23, sent).ec != std::errc{} || sent <= 0) return;
  const auto now = mono_ns();
  if (now < sent || now - sent > 3'600'000'000'000) return;  // from before this machine's last start
  watch_.latency.add((now - sent) / 1000);
  watch_.last_marked_ns = now;
  ++watch_.marked;
}

// Under load nearly all frames are messages with a mark; reading those by eye keeps the generator out of the measurement.
bool Robot::fast(std::string_view text) {
  static constexpr std::string_view kStart = R"({"t":"event","kind":"message","id":")";
  if (!config_.listen_only || text.substr(0, kStart.size()) != kStart || text.find("bt=") == std::string_view::npos) return false;
  std::int64_t id = 0;
  if (std::from_chars(text.data() + kStart.size(), text.data() + text.size(), id).ec != std::errc{}) return false;
  ++watch_.messages;
  if (count_id(id)) mark(text);
  return true;
}

void Robot::send(const std::string& frame) {
  if (!socket_) return;
  if (config_.record) config_.record(agent_, '>', frame);
  socket_->send(frame);
}

void Robot::on_text(std::string_view text) {
  if (config_.record) config_.record(agent_, '<', text);
  if (welcomed_ && fast(text)) return;
  const auto frame = nlohmann::json::parse(text, nullptr, false);
  if (!frame.is_object()) return watch_.broken("every frame is a JSON object", std::string(text.substr(0, 80)));
  try {
    const auto kind = frame.value("t", "");
    if (kind == "welcome") return on_welcome(frame);
    if (!welcomed_) return watch_.broken("welcome comes first", std::string(text.substr(0, 80)));
    if (kind == "event") return on_event(frame);
    if (kind == "ack") {
      const auto found = pending_.find(frame.at("client_id"));
      if (found == pending_.end()) return;  // of a frame sent without care for its answer
      const auto word = found->second.frame["t"].get<std::string>();
      if (word == "reply") {
        ++watch_.acks;
        watch_.replied(found->second.frame["conversation"], found->second.frame["gen"], agent_, found->second.first_ns);
        watch_.replies.add((mono_ns() - found->second.sent_ns) / 1000);
        watch_.journal.append(Json{{"k", "ack"},
                                   {"client_id", found->first},
                                   {"message", frame.value("id", "")},
                                   {"conversation", found->second.frame["conversation"]},
                                   {"text", found->second.frame["text"]}}
                                  .dump());
        auto& conversation = conversations_[found->second.frame["conversation"]];
        conversation.replying = false;
        ++conversation.turns;
        if (conversation.turns >= config_.turns) {
          plan_resolve(found->second.frame["conversation"].get<std::string>());
        } else if (config_.unasked) {
          plan_reply(found->second.frame["conversation"].get<std::string>());
        }
      } else if (word == "resolve") {
        if (found->second.frame["code"] == "answered") ++watch_.resolved;
      } else if (word == "accept") {
        ++watch_.accepted;
      } else if (word == "decline") {
        ++watch_.declined;
      } else if (word == "transfer") {
        ++watch_.passed_on;
        conversations_.erase(found->second.frame["conversation"].get<std::string>());
      }
      pending_.erase(found);
      return;
    }
    if (kind == "nack") return on_nack(frame);
  } catch (const nlohmann::json::exception& error) {
    watch_.broken("a frame has the members it should", std::string(error.what()) + " in " + std::string(text.substr(0, 120)));
  }
}

void Robot::on_welcome(const nlohmann::json& frame) {
  welcomed_ = true;
  failures_ = 0;
  agent_ = frame.at("agent").at("id");
  drives_ = watch_.drives(agent_, this);
  const auto last = std::stoll(frame.at("last_id").get<std::string>());
  const bool reset = frame.value("reset", false);
  if (reset) ++watch_.resets;
  if (last_id_ < 0 || reset) {
    last_id_ = last;
  } else if (last < last_id_) {
    watch_.broken("last_id never goes back", agent_ + " " + std::to_string(last_id_) + " then " + std::to_string(last));
    last_id_ = last;
  }
  std::set<std::string> mine, wrapping;
  for (const auto& each : frame.at("conversations")) {
    const auto id = each.at("id").get<std::string>();
    auto& conversation = conversations_[id];
    conversation.gen = std::max(conversation.gen, each.at("gen").get<std::int64_t>());
    conversation.active = each.value("owner", agent_) == agent_ && each.value("state", "active") == "active";
    if (conversation.active) {
      watch_.assigned(id, conversation.gen, agent_);
      mine.insert(id);
    } else if (each.value("state", "") == "wrapup") {
      wrapping.insert(id);
    }
  }
  for (auto& [id, conversation] : conversations_) {
    if (mine.count(id) == 0) conversation.active = false;
  }
  ready_ = true;
  ++watch_.ready;
  if (!drives_) return;
  // What was not answered before the connection broke is repeated with the same client_id: the gateway does it once.
  const auto now = mono_ns();
  std::set<std::string> busy;  // their next step follows the answer
  for (auto& [id, waiting] : pending_) {
    waiting.sent_ns = now;
    send(waiting.frame.dump());
    busy.insert(waiting.frame.value("conversation", ""));
  }
  command({{"t", "availability"}, {"value", "ready"}});
  for (const auto& offer : frame.at("offers")) on_offer(offer);
  if (!config_.listen_only) {
    for (const auto& id : mine) {
      if (busy.count(id) != 0) continue;
      if (conversations_[id].turns >= config_.turns) {
        plan_resolve(id);
      } else {
        plan_reply(id);
      }
    }
  }
  for (const auto& id : wrapping) finish_wrapup(id);
  later(20'000, [this] { send(R"({"t":"ping"})"); });
}

void Robot::on_event(const nlohmann::json& frame) {
  if (frame.contains("id") && !count_id(std::stoll(frame["id"].get<std::string>()))) return;
  const auto kind = frame.value("kind", "");
  if (kind == "typing" || kind == "presence" || kind == "queue") {
    if (frame.contains("id")) watch_.broken("typing, presence and queue have no id", frame.dump().substr(0, 120));
    return;
  }
  const auto id = frame.at("conversation").get<std::string>();
  if (kind == "offer") return on_offer(frame);
  if (kind == "message") return on_message(id, frame.at("message"));
  if (kind == "receipt") {
    if (states_.size() > kMaxRemembered) states_.clear();
    const auto message = frame.at("message").get<std::string>();
    const auto state = frame.at("state").get<std::string>();
    const auto rank = rank_of(state);
    const auto found = states_.find(message);
    if (rank < 0) return watch_.broken("a receipt's state is one of the known", state);
    if (found != states_.end() && rank < found->second) watch_.broken("states only go forward", message + " to " + state);
    states_[message] = rank;
    return;
  }
  auto& conversation = conversations_[id];
  const auto gen = frame.at("gen").get<std::int64_t>();
  if (kind == "assigned") {
    watch_.assigned(id, gen, agent_);
    if (gen >= conversation.gen) {
      conversation.gen = gen;
      conversation.active = true;
      conversation.resolving = false;
      if (!drives_ || config_.listen_only) return;
      if (chance_.happens(config_.transfer)) return plan_transfer(id);
      plan_reply(id);
    }
  } else if (kind == "rescinded") {
    if (gen < conversation.gen || (gen == conversation.gen && conversation.active)) return;
    conversations_.erase(id);
    if (frame.value("why", "") == "timeout") {
      ++watch_.missed;  // he is called not_responding now; one click and he is back
      if (drives_ && !config_.listen_only) command({{"t", "availability"}, {"value", "ready"}});
    }
  } else if (kind == "conversation") {
    if (gen < conversation.gen) return;
    conversation.gen = gen;
    const auto state = frame.value("state", "");
    const bool mine = frame.value("owner", "") == agent_;
    conversation.active = mine && state == "active";
    if (mine && state == "wrapup" && drives_ && !config_.listen_only) finish_wrapup(id);
    if (state == "closed") conversations_.erase(id);
  }
}

void Robot::on_offer(const nlohmann::json& offer) {
  const auto id =
      offer.contains("conversation") ? offer.at("conversation").get<std::string>() : offer.at("id").get<std::string>();
  const auto gen = offer.at("gen").get<std::int64_t>();
  ++watch_.offers;
  watch_.offered(id, gen, agent_);
  auto& conversation = conversations_[id];
  if (gen < conversation.gen) return;  // a replayed one, long answered
  conversation.gen = gen;
  if (!drives_) return;
  const bool declines = chance_.happens(config_.decline);
  if (chance_.happens(config_.ignore)) {
    ++watch_.ignored;
    return;
  }
  const auto wait = config_.listen_only ? 0 : chance_.between(config_.accept_ms / 2, config_.accept_ms + config_.accept_ms / 2);
  later(wait, [this, id, gen, declines] {
    const auto& now = conversations_[id];
    if (now.gen != gen || now.active) return;
    command({{"t", declines ? "decline" : "accept"}, {"conversation", id}, {"gen", gen}});
  });
}

void Robot::on_message(const std::string& id, const nlohmann::json& message) {
  ++watch_.messages;
  auto& conversation = conversations_[id];
  const auto n = message.at("n").get<std::int64_t>();
  if (n <= conversation.last_n && message.contains("media")) {
    ++watch_.updates;  // its media has arrived meanwhile: the same entry, shown again
    return;
  }
  if (n <= conversation.last_n) {
    watch_.broken("messages come in the order of the log",
                  id + " " + std::to_string(conversation.last_n) + " then " + std::to_string(n));
  } else if (conversation.last_n != 0 && n != conversation.last_n + 1) {
    ++watch_.log_gaps;  // between two ownerships this is as it should be
  }
  conversation.last_n = std::max(n, conversation.last_n);
  if (message.value("dir", "") != "in") return;
  conversation.last_in = message.value("id", "");
  const auto text = message.value("text", "");
  mark(text);
  if (const auto& language = language_of(text); language != "en") conversation.language = language;
  if (drives_ && !config_.listen_only) plan_reply(id);
}

void Robot::plan_reply(const std::string& id) {
  auto& conversation = conversations_[id];
  if (!conversation.active || conversation.replying || conversation.resolving || conversation.passes_on) return;
  conversation.replying = true;
  if (!conversation.last_in.empty()) send(Json{{"t", "read"}, {"conversation", id}, {"message", conversation.last_in}}.dump());
  const auto think = chance_.between(config_.think_low_ms, config_.think_high_ms);
  later(think / 2, [this, id] { send(Json{{"t", "typing"}, {"conversation", id}}.dump()); });
  later(think, [this, id] {
    auto& now = conversations_[id];
    if (!now.active) {
      now.replying = false;
      return;
    }
    ++watch_.sent_replies;
    command({{"t", "reply"},
             {"conversation", id},
             {"gen", now.gen},
             {"text", agent_phrase(chance_, now.turns, now.language) + " [" + run_ + "-" + std::to_string(next_command_) + "]"}});
  });
}

// To another robot, or back to the queue; if nobody can be found or takes it, it is answered after all.
void Robot::plan_transfer(const std::string& id) {
  auto& conversation = conversations_[id];
  conversation.passes_on = true;
  later(chance_.between(config_.think_low_ms, config_.think_high_ms) / 2, [this, id] {
    auto& now = conversations_[id];
    now.passes_on = false;
    if (!now.active) return;
    const bool to_queue = !config_.transfer_queue.empty() && chance_.happens(0.5);
    const auto other = to_queue ? std::string() : watch_.another(agent_, chance_);
    if (!to_queue && other.empty()) return plan_reply(id);
    Json to;
    to[to_queue ? "queue" : "agent"] = to_queue ? config_.transfer_queue : other;
    command({{"t", "transfer"}, {"conversation", id}, {"gen", now.gen}, {"to", std::move(to)}});
  });
}

void Robot::plan_resolve(const std::string& id) {
  auto& conversation = conversations_[id];
  if (!conversation.active || conversation.resolving) return;
  conversation.resolving = true;
  later(chance_.between(config_.think_low_ms, config_.think_high_ms), [this, id] {
    const auto& now = conversations_[id];
    if (now.active) command({{"t", "resolve"}, {"conversation", id}, {"gen", now.gen}, {"code", "answered"}});
  });
}

// A robot has no notes to write: it ends its wrap-up by resolving a second time, which frees its hands.
void Robot::finish_wrapup(const std::string& id) {
  later(chance_.between(100, 400), [this, id] {
    const auto found = conversations_.find(id);
    if (found != conversations_.end() && !found->second.active)
      command({{"t", "resolve"}, {"conversation", id}, {"gen", found->second.gen}, {"code", "wrapup"}});
  });
}

void Robot::command(Json frame) {
  const auto id = run_ + "-" + std::to_string(next_command_++);
  frame["client_id"] = id;
  send(frame.dump());
  pending_[id] = {std::move(frame), mono_ns(), mono_ns()};
}

void Robot::on_nack(const nlohmann::json& frame) {
  const auto found = pending_.find(frame.at("client_id"));
  ++watch_.nacks;
  if (found == pending_.end()) return;
  const auto problem = frame.value("problem", nlohmann::json::object());
  const auto status = problem.value("status", 0);
  if (status == 503 || status == 429) {  // later, and the same frame again
    const auto id = found->first;
    later(500, [this, id] {
      const auto again = pending_.find(id);
      if (again != pending_.end()) send(again->second.frame.dump());
    });
    return;
  }
  const auto sent = found->second.frame;
  pending_.erase(found);
  if (!sent.contains("conversation")) return watch_.broken("an agent may say ready", problem.dump().substr(0, 160));
  const auto id = sent["conversation"].get<std::string>();
  auto& conversation = conversations_[id];
  if (sent["t"] == "reply") conversation.replying = false;
  if (sent["t"] == "resolve") conversation.resolving = false;
  const auto now = problem.value("now", nlohmann::json::object());
  if (sent["t"] == "transfer" && !(now.is_object() && now.contains("gen"))) {
    plan_reply(id);  // the other one is not ready, or full
  } else if (now.is_object() && now.contains("gen")) {
    conversation.gen = std::max(conversation.gen, now["gen"].get<std::int64_t>());
    conversation.active = now.value("owner", "") == agent_ && now.value("state", "") == "active";
  } else {
    conversation.active = false;
  }
}

}  // namespace sim
