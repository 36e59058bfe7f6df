// belfryctl: the operator's hand. It speaks the REST API over <state_dir>/admin.sock, which the kernel guards: whoever may open
// it is the operator. What it prints is for people; --json prints what the API said.
//
// Exit codes: 0 done, 1 it did not work (the reason is on stderr), 2 the command line is wrong.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/wire/rfc3339.h"
#include "belfry/message.h"
#include "gateway/config.h"

namespace {

using nlohmann::json;

// What went wrong, for the person at the terminal.
struct Failure {
  std::string text;
  int status = 0;  // of the API's answer, if it gave one
};

struct Answer {
  int status = 0;
  json body;
};

// ------------------------------------------------------------------------------------------------------------ the wire

class Socket {
 public:
  explicit Socket(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) throw Failure{"the socket's path is too long: " + path};
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    const auto* where = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (fd_ >= 0 && ::connect(fd_, where, sizeof address) == 0) return;
    const int why = errno;
    if (fd_ >= 0) ::close(fd_);
    if (why == ENOENT || why == ECONNREFUSED) {
      throw Failure{"belfryd does not answer at " + path +
                    ". Is it running (systemctl status belfry)? With another state directory, name its "
                    "configuration with --config."};
    }
    if (why == EACCES || why == EPERM)
      throw Failure{"you may not open " + path + ". Run this as root, or as the user of belfryd."};
    throw Failure{"cannot reach belfryd at " + path + ": " + std::strerror(why)};
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw Failure{std::string("belfryd hung up: ") + std::strerror(errno)};
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  // False at the end.
  bool read(std::string& into) {
    pollfd waiting{fd_, POLLIN, 0};
    const int ready = ::poll(&waiting, 1, 30'000);
    if (ready == 0) throw Failure{"belfryd did not answer within 30 s. The outcome is unknown: look before you repeat it."};
    char buffer[16 * 1024];
    const ssize_t n = ::recv(fd_, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) return true;
    if (n < 0) throw Failure{std::string("belfryd hung up: ") + std::strerror(errno)};
    into.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }

 private:
  int fd_;
};

class Client {
 public:
  explicit Client(std::string socket) : socket_(std::move(socket)) {}

  // The answer's body; a Failure that says what the API said otherwise.
  json get(const std::string& path) { return call("GET", path, nullptr); }
  json call(const std::string& method, const std::string& path, const json& body) {
    Answer answer = ask(method, path, body);
    if (answer.status < 300) return std::move(answer.body);
    if (answer.body.is_object() && answer.body.contains("detail")) {
      throw Failure{
          answer.body.value("detail", "") + " (" + std::to_string(answer.status) + " " + answer.body.value("code", "") + ")",
          answer.status};
    }
    throw Failure{"belfryd answered " + std::to_string(answer.status), answer.status};
  }
  // All pages of a list.
  std::vector<json> all(const std::string& path) {
    std::vector<json> items;
    std::string after;
    do {
      const json page =
          get(path + (path.find('?') == std::string::npos ? "?" : "&") + "limit=200" + (after.empty() ? "" : "&after=" + after));
      for (const json& item : page.at("items")) items.push_back(item);
      after = page.at("next").is_string() ? page.at("next").get<std::string>() : "";
    } while (!after.empty());
    return items;
  }

  Answer ask(const std::string& method, const std::string& path, const json& body) {
    Socket socket(socket_);
    std::string request = method + " /api/v1" + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    const std::string text = body.is_null() ? std::string() : body.dump(-1, ' ', false, json::error_handler_t::replace);
    if (!text.empty()) request += "Content-Type: application/json\r\n";
    if (method != "GET") request += "Content-Length: " + std::to_string(text.size()) + "\r\n";
    socket.write(request + "\r\n" + text);
    std::string raw;
    std::size_t whole = std::string::npos;
    while (raw.size() < whole && socket.read(raw)) {
      if (whole == std::string::npos) whole = size_of(raw);
    }
    const auto head = raw.find("\r\n\r\n");
    if (!raw.starts_with("HTTP/1.") || raw.size() < 12 || head == std::string::npos)
      throw Failure{"belfryd's answer makes no sense"};
    Answer answer;
    answer.status = std::atoi(raw.c_str() + 9);
    answer.body = json::parse(raw.substr(head + 4), nullptr, false);
    if (answer.body.is_discarded()) answer.body = nullptr;
    return answer;
  }

 private:
  // How long the answer is, once its head is in.
  static std::size_t size_of(const std::string& raw) {
    const auto end = raw.find("\r\n\r\n");
    if (end == std::string::npos) return std::string::npos;
    std::string head = raw.substr(0, end + 2);
    std::transform(head.begin(), head.end(), head.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    const auto at = head.find("\r\ncontent-length:");
    return at == std::string::npos ? std::string::npos : end + 4 + static_cast<std::size_t>(std::atoll(head.c_str() + at + 17));
  }

  std::string socket_;
};

// ------------------------------------------------------------------------------------------------------------- the eye

// What comes from citizens and agents must not steer the terminal.
std::string plain(const json& value) {
  std::string text;
  if (value.is_string()) {
    text = value.get<std::string>();
  } else if (value.is_array()) {
    for (const json& item : value) text += (text.empty() ? "" : ",") + plain(item);
  } else if (value.is_boolean()) {
    text = value.get<bool>() ? "yes" : "no";
  } else if (!value.is_null()) {
    text = value.dump();
  }
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // C0 and DEL, and C1, which UTF-8 writes as C2 80 to C2 9F.
    const bool c1 = c == 0xC2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (c1) ++i;
    out.push_back(c < 0x20 || c == 0x7F || c1 ? ' ' : text[i]);
  }
  return out;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

struct Column {
  std::string title, member;
};
void table(const std::vector<json>& rows, const std::vector<Column>& columns) {
  std::vector<std::vector<std::string>> cells(1);
  for (const Column& column : columns) cells[0].push_back(column.title);
  for (const json& row : rows) {
    cells.emplace_back();
    for (const Column& column : columns) cells.back().push_back(row.contains(column.member) ? plain(row.at(column.member)) : "");
  }
  std::vector<std::size_t> widths(columns.size());
  for (const auto& line : cells) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], width(line[i]));
  }
  for (const auto& line : cells) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
      out += line[i];
      if (i + 1 < line.size()) out.append(widths[i] - width(line[i]) + 2, ' ');
    }
    while (out.ends_with(' ')) out.pop_back();
    std::cout << out << "\n";
  }
}

void print(bool as_json, const json& value, const std::function<void()>& for_people) {
  if (as_json) {
    std::cout << value.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
  } else {
    for_people();
  }
}

std::string shorter(std::string text, std::size_t most) {
  if (width(text) <= most) return text;
  std::size_t at = 0;
  for (std::size_t n = 0; at < text.size(); ++at) {
    if ((static_cast<unsigned char>(text[at]) & 0xC0) != 0x80 && ++n == most) break;
  }
  return text.substr(0, at) + "…";
}

std::string clock_of(const json& row) {
  const std::string at = row.value("at", "");
  return at.size() > 19 ? at.substr(0, 10) + " " + at.substr(11, 12) : at;
}

// One transition as a line.
std::string line_of(const json& t) {
  std::string out = clock_of(t) + "  " + plain(t.value("kind", json("")));
  out.resize(std::max<std::size_t>(out.size(), 38), ' ');
  const auto add = [&](const char* word, const char* member) {
    if (t.contains(member)) out += std::string(" ") + word + "=" + plain(t.at(member));
  };
  add("conversation", "conversation");
  add("gen", "gen");
  add("agent", "agent");
  add("queue", "queue");
  add("availability", "availability");
  add("load", "load");
  add("clock", "clock");
  add("due", "due");
  add("why", "why");
  if (t.contains("reasons")) out += " reasons=" + t.at("reasons").dump();
  return out;
}

// What happened, as a sentence. `load` and `capacity` weigh ten to a conversation.
std::string sentence_of(const json& t) {
  const std::string kind = t.value("kind", "");
  const std::string agent = plain(t.value("agent", json("")));
  const std::string queue = plain(t.value("queue", json("")));
  const std::string why = plain(t.value("why", json("")));
  if (kind == "bot") return "It came in, and " + agent + ", a program, answers it.";
  if (kind == "after_hours")
    return (agent.empty() ? "It came in" : agent + " handed it over") + " while " + queue +
           " is closed, and waits for that to open.";
  if (kind == "queued") return "It came in and waits in " + queue + ".";
  if (kind == "offered" || kind == "assigned") {
    std::string out = (kind == "offered" ? "Offered to " : "Given to ") + agent;
    if (!t.contains("reasons")) return out + (why.empty() ? "." : ": " + why + ".");
    const json& r = t.at("reasons");
    const auto tenths = [&](const char* member) {
      const long long weight = r.value(member, 0LL);
      return std::to_string(weight / 10) + (weight % 10 == 0 ? "" : "." + std::to_string(weight % 10));
    };
    const long long candidates = r.value("candidates", 0LL);
    if (r.value("sticky", false)) out += ", who had the citizen's last conversation";
    out += candidates == 1 ? ", the only one who could take it"
                           : ", the best of " + std::to_string(candidates) + " who could take it";
    out += ": " + tenths("load") + " of " + tenths("capacity") + " conversations in hand";
    if (const long long levels = r.value("levels", 0LL); levels > 0) out += ", skill levels " + std::to_string(levels);
    if (const long long lacks = r.value("relaxed", 0LL); lacks > 0)
      out += ", lacking " + std::to_string(lacks) + " of what was asked at first";
    if (const long long step = r.value("step", 0LL); step > 0) out += ", at step " + std::to_string(step);
    const long long idle = r.value("idle_ms", -1LL);
    return out + (idle < 0 ? ", and never given one before." : ", last given one " + std::to_string(idle / 1000) + " s before.");
  }
  if (kind == "accepted") return agent + " accepted it.";
  if (kind == "sla") {
    const std::map<std::string, std::string> clocks{
        {"first_reply", "The first reply"}, {"next_reply", "The next reply"}, {"resolve", "The end"}};
    const auto clock = clocks.find(t.value("clock", ""));
    return (clock != clocks.end() ? clock->second : std::string("Something")) +
           (why == "breached" ? " was due at " : " will be late for ") + t.value("due", "") +
           (why == "breached" ? " and is late." : ", as it looks.");
  }
  if (kind == "requeued") {
    const std::map<std::string, std::string> reasons{{"declined", agent + " declined it"},
                                                     {"timeout", agent + " did not answer the offer in time"},
                                                     {"agent_gone", agent + " left before accepting it"},
                                                     {"agent_lost", agent + " was away too long"},
                                                     {"transferred", agent + " passed it on"},
                                                     {"offline", agent + " went offline"},
                                                     {"paused", agent + " took a break"},
                                                     {"draining", agent + " is going home"},
                                                     {"park_over", "it was parked, and its time came"},
                                                     {"message", "the citizen wrote again, and " + agent + " could not take it"}};
    const auto found = reasons.find(why);
    return "Back to " + queue + ", its place kept: " + (found != reasons.end() ? found->second : agent + " (" + why + ")") + ".";
  }
  if (kind == "wrapup") return agent + " resolved it" + (why.empty() ? "" : " (" + why + ")") + " and writes it up.";
  if (kind == "closed") return "Closed" + (why.empty() ? "" : ": " + why) + ".";
  if (kind == "switched") return agent + " goes on with it at account " + why + ".";
  if (kind == "parked") return agent + " parked it.";
  if (kind == "woken") return "Back with " + agent + (why == "message" ? ": the citizen wrote again." : ": its time came.");
  return kind + (why.empty() ? "" : ": " + why) + ".";
}

// -------------------------------------------------------------------------------------------------------------- people

std::string read_secret(const std::string& path) {
  std::string text;
  if (path == "-") {
    std::getline(std::cin, text);
  } else {
    std::ifstream file(path);
    if (!file) throw Failure{"cannot read " + path + ": " + std::strerror(errno)};
    std::getline(file, text);
  }
  while (text.ends_with('\r')) text.pop_back();
  if (text.empty())
    throw Failure{(path == "-" ? std::string("standard input") : path) + " has an empty first line: write the password there"};
  return text;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool safe =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    char hex[4];
    std::snprintf(hex, sizeof hex, "%%%02X", static_cast<unsigned char>(c));
    out += safe ? std::string(1, c) : std::string(hex);
  }
  return out;
}

struct Options {
  std::string config = "/etc/belfry/belfry.toml", socket;
  bool as_json = false;
  std::string id, login, name, password_file, role, agent, mode, availability, file, account;
  std::vector<std::string> queues, roles, skills, steps, weights;
  std::string hours, zone, state, reason, sla, queue, code, into, text;
  bool life_safety = false;
  std::optional<bool> bot;
  std::optional<int> capacity, offer_timeout, wrapup, priority, sticky, for_s, minutes;
  int last = 20;
  bool once = false;
};

std::string socket_of(const Options& o) {
  if (!o.socket.empty()) return o.socket;
  std::ifstream there(o.config);
  if (!there)
    throw Failure{"cannot read " + o.config + ": " + std::strerror(errno) +
                  ". Name the configuration with --config, or the socket with --socket."};
  // Its mistakes are belfryd's business (--check-config); the state directory is all that is wanted here.
  return belfry::gateway::load_config(o.config).config.server.state_dir + "/admin.sock";
}

const std::vector<Column> kAgentColumns{
    {"ID", "id"},         {"NAME", "name"}, {"LOGIN", "login"},       {"ROLES", "roles"},    {"QUEUES", "queues"},
    {"SKILLS", "skills"}, {"LOAD", "load"}, {"CAPACITY", "capacity"}, {"HERE", "connected"}, {"AVAILABILITY", "availability"}};
const std::vector<Column> kQueueColumns{
    {"ID", "id"},     {"NAME", "name"},         {"MODE", "mode"},    {"OFFER s", "offer_timeout_s"}, {"WRAPUP s", "wrapup_s"},
    {"OPEN", "open"}, {"PRIORITY", "priority"}, {"SKILLS", "skills"}};
const std::vector<Column> kConversationColumns{{"ID", "id"},       {"GEN", "gen"},         {"STATE", "state"}, {"OWNER", "owner"},
                                               {"QUEUE", "queue"}, {"CHANNEL", "channel"}, {"WHY", "why"}};
const std::vector<Column> kRouteColumns{
    {"QUEUE", "queue"},     {"WORDS", "words"},     {"LANGUAGE", "language"}, {"ACCOUNT", "account"},
    {"CHANNEL", "channel"}, {"CONTACT", "contact"}, {"PRIORITY", "priority"}, {"LIFE SAFETY", "life_safety"},
    {"BOT", "bot"}};
const std::vector<Column> kChangeColumns{
    {"AT", "at"}, {"BY", "by"}, {"ACTION", "action"}, {"OBJECT", "object"}, {"WHAT", "what"}};
const std::vector<Column> kKeyColumns{
    {"ID", "id"}, {"ROLE", "role"}, {"AGENT", "agent"}, {"NAME", "name"}, {"CREATED", "created_at"}};

void show_list(const Options& o, Client& client, const std::string& path, const std::vector<Column>& columns) {
  const auto items = client.all(path);
  print(o.as_json, json(items), [&] { table(items, columns); });
}
void show_one(const Options& o, const json& item, const std::vector<Column>& columns) {
  print(o.as_json, item, [&] { table({item}, columns); });
}

json agent_body(const Options& o) {
  json body = json::object();
  if (!o.login.empty()) body["login"] = o.login;
  if (!o.name.empty()) body["name"] = o.name;
  if (!o.queues.empty()) body["queues"] = o.queues;
  if (!o.roles.empty()) body["roles"] = o.roles;
  if (!o.skills.empty()) body["skills"] = o.skills;
  if (o.capacity) body["capacity"] = *o.capacity;
  if (o.bot) body["bot"] = *o.bot;
  if (!o.password_file.empty()) body["password"] = read_secret(o.password_file);
  return body;
}

void agent_add(const Options& o, Client& client) {
  json body = agent_body(o);
  if (!o.id.empty()) body["id"] = o.id;
  if (!body.contains(o.bot.value_or(false) ? "id" : "login"))
    throw CLI::RequiredError(o.bot.value_or(false) ? "--id" : "--login");
  show_one(o, client.call("POST", "/agents", body), kAgentColumns);
}

void agent_set(const Options& o, Client& client) {
  const json body = agent_body(o);
  const std::string path = "/agents/" + escaped(o.id);
  json agent;
  if (!body.empty()) agent = client.call("PUT", path, body);
  if (!o.availability.empty())
    agent = client.call("PUT", path + "/availability", {{"value", o.availability}, {"reason", "set by the operator"}});
  if (agent.is_null()) throw CLI::RequiredError("agent set: something to change");
  show_one(o, agent, kAgentColumns);
}

// "60 lower=1 drop=pipes add=overflow" as the API takes it; what it holds is checked there.
json step_of(const std::string& said) {
  std::istringstream words(said);
  json step = json::object();
  int after = 0;
  if (!(words >> after)) throw Failure{"--step " + said + " does not begin with seconds of waiting, as in --step '60 lower=1'"};
  step["after_s"] = after;
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name == "lower") {
      step["lower_levels"] = value.size() == 1 && value[0] >= '0' && value[0] <= '9' ? json(value[0] - '0') : json(value);
    } else if (name == "drop") {
      step["drop"].push_back(value);
    } else if (name == "add") {
      step["add"] = value;
    } else {
      throw Failure{"--step " + said + " has a word that is none of lower=N, drop=SKILL, add=QUEUE: " + word};
    }
  }
  return step;
}

// "first_reply=5m resolve=8h within=80" as the API takes it; whether it makes sense is checked there.
json sla_of(const std::string& said) {
  json sla = json::object();
  if (said == "none") return sla;
  std::istringstream words(said);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (name == "within") {
      const bool digits = !value.empty() && value.size() <= 3 && value.find_first_not_of("0123456789") == std::string::npos;
      sla["within_percent"] = digits ? json(std::stoi(value)) : json(value);
    } else if (name == "answer" || name == "first_reply" || name == "next_reply" || name == "resolve") {
      const auto ms = belfry::gateway::parse_duration_ms(value);
      if (!ms || *ms % 1000 != 0) throw Failure{"--sla " + word + " is no duration of whole seconds, as in " + name + "=5m"};
      sla[name + "_s"] = *ms / 1000;
    } else {
      throw Failure{"--sla has a word that is none of answer=, first_reply=, next_reply=, resolve=, within=: " + word};
    }
  }
  return sla;
}

void queue_put(const Options& o, Client& client, bool is_new) {
  json body = json::object();
  if (!o.name.empty()) body["name"] = o.name;
  if (!o.mode.empty()) body["mode"] = o.mode;
  if (o.offer_timeout) body["offer_timeout_s"] = *o.offer_timeout;
  if (o.wrapup) body["wrapup_s"] = *o.wrapup;
  if (o.priority) body["priority"] = *o.priority;
  if (!o.skills.empty()) body["skills"] = o.skills;
  if (o.sticky) body["sticky_s"] = *o.sticky;
  if (!o.hours.empty()) body["hours"] = o.hours;
  if (!o.zone.empty()) body["zone"] = o.zone;
  if (!o.sla.empty()) body["sla"] = sla_of(o.sla);
  for (const std::string& weight : o.weights) {
    const auto equals = weight.find('=');
    const json number = json::parse(equals == std::string::npos ? "" : weight.substr(equals + 1), nullptr, false);
    if (!number.is_number()) throw Failure{"--weight " + weight + " is not like wa=1 or wrapup=0.3"};
    body["weights"][weight.substr(0, equals)] = number;
  }
  for (const std::string& step : o.steps) body["steps"].push_back(step_of(step));
  const auto plain_id = belfry::parse_queue_id(o.id);
  if (!plain_id) {
    throw Failure{o.id +
                  " is not a queue's id: use 1 to 40 of a-z, 0-9 and -, behind queue_ or alone; an id begins with neither "
                  "agent_ nor queue_"};
  }
  const std::string id = belfry::queue_id(*plain_id);
  const std::string path = "/queues/" + escaped(id);
  const int there = client.ask("GET", path, nullptr).status;
  if (is_new && there == 200) throw Failure{"there is a queue " + id + " already: change it with belfryctl queue set " + id};
  if (!is_new && there == 404) throw Failure{"there is no queue " + id + ": make it with belfryctl queue add " + id};
  show_one(o, client.call("PUT", path, body), kQueueColumns);
}

void key_add(const Options& o, Client& client) {
  json body{{"role", o.role}};
  if (!o.agent.empty()) body["agent"] = o.agent;
  if (!o.name.empty()) body["name"] = o.name;
  const json key = client.call("POST", "/keys", body);
  print(o.as_json, key, [&] {
    std::cerr << "The key " << plain(key.at("id")) << " of role " << plain(key.at("role")) << ", said this once only:\n";
    std::cout << plain(key.at("key")) << "\n";
  });
}

void remove(const Options& o, Client& client, const std::string& kind) {
  client.call("DELETE", "/" + kind + "/" + escaped(o.id), nullptr);
  std::string id = o.id;
  if (kind == "agents") id = belfry::agent_id(belfry::parse_agent_id(o.id).value_or(""));
  print(o.as_json, {{"removed", id}}, [&] { std::cout << "removed " << plain(id) << "\n"; });
}

// ------------------------------------------------------------------------------------------------------------- insight

void tail(const Options& o, Client& client) {
  std::string after;
  const auto show = [&](const json& page) {
    for (const json& t : page.at("items")) {
      after = t.at("id").get<std::string>();
      if (o.as_json) {
        std::cout << t.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
      } else {
        std::cout << line_of(t) << "\n";
      }
    }
    std::cout.flush();
  };
  show(client.get("/audit/transitions?last=" + std::to_string(std::max(1, o.last))));
  while (!o.once && std::cout) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    show(client.get("/audit/transitions?limit=1000" + (after.empty() ? "" : "&after=" + after)));
  }
}

std::vector<json> transitions_of(Client& client, const json& conversation) {
  // Nothing of it can be older than its first message.
  std::string after = "0-0";
  if (const auto first = belfry::wire::parse_rfc3339(conversation.value("first_at", "")))
    after = std::to_string(std::max<std::int64_t>(0, first->ms - 60'000));
  std::vector<json> items;
  while (!after.empty()) {
    const json page =
        client.get("/audit/transitions?limit=500&conversation=" + conversation.at("id").get<std::string>() + "&after=" + after);
    for (const json& t : page.at("items")) items.push_back(t);
    after = page.at("next").is_string() ? page.at("next").get<std::string>() : "";
  }
  return items;
}

std::string conversation_of(const std::string& id) {
  if (!id.starts_with("msg_")) return id.starts_with("conv_") ? id : "conv_" + id;
  return "conv_" + id.substr(4, id.rfind('.') - 4);
}

void conversation_head(const json& c) {
  std::cout << plain(c.at("id")) << "  " << plain(c.at("state")) << ", generation " << plain(c.at("gen"));
  for (const auto& [word, member] :
       {std::pair{"owner", "owner"}, {"queue", "queue"}, {"account", "account"}, {"since", "first_at"}}) {
    if (c.contains(member)) std::cout << ", " << word << " " << plain(c.at(member));
  }
  std::cout << "\n";
}

void message_line(const json& m) {
  std::string out = clock_of(m) + "  " + plain(m.at("id")) + "  " + plain(m.at("dir")) + "  " + plain(m.at("state"));
  if (m.contains("reason")) out += " (" + plain(m.at("reason")) + ")";
  if (m.contains("agent")) out += "  by " + plain(m.at("agent"));
  if (m.contains("provider_id")) out += "  " + plain(m.at("provider_id"));
  std::cout << out << "\n    " << plain(m.at("type")) << ": " << shorter(m.contains("text") ? plain(m.at("text")) : "", 100)
            << "\n";
}

void trace(const Options& o, Client& client) {
  const json conversation = client.get("/conversations/" + escaped(conversation_of(o.id)));
  std::vector<json> messages;
  if (o.id.starts_with("msg_")) {
    messages.push_back(client.get("/messages/" + escaped(o.id)));
  } else {
    messages = client.all("/conversations/" + escaped(conversation_of(o.id)) + "/messages");
  }
  const auto transitions = transitions_of(client, conversation);
  print(o.as_json, {{"conversation", conversation}, {"messages", messages}, {"transitions", transitions}}, [&] {
    conversation_head(conversation);
    std::cout << "\nmessages\n";
    for (const json& m : messages) message_line(m);
    std::cout << "\ntransitions\n";
    for (const json& t : transitions) std::cout << line_of(t) << "\n";
  });
}

void explain(const Options& o, Client& client) {
  const json conversation = client.get("/conversations/" + escaped(conversation_of(o.id)));
  const auto transitions = transitions_of(client, conversation);
  print(o.as_json, {{"conversation", conversation}, {"transitions", transitions}}, [&] {
    conversation_head(conversation);
    if (transitions.empty()) std::cout << "The transition log says nothing of it any more, or it was only sent to.\n";
    for (const json& t : transitions) {
      // Who finds an agent at once never waited.
      const bool at_once = &t == &transitions.front() && (t.value("kind", "") == "offered" || t.value("kind", "") == "assigned");
      std::cout << clock_of(t) << "  " << (at_once ? "It came in. " : "") << sentence_of(t) << "\n";
    }
    if (conversation.value("state", "") != "queued" || !conversation.contains("queue")) return;
    const json choice = client.get("/queues/" + escaped(conversation.at("queue").get<std::string>()) + "/choice");
    std::cout << "Now: "
              << (choice.at("agent").is_null()
                      ? "nobody of its queue is ready, connected and has room."
                      : plain(choice.at("agent")) + " could take one of this queue; the longest waiting goes first.")
              << "\n";
  });
}

void status(const Options& o, Client& client) {
  const json s = client.get("/status");
  const Answer stats = client.ask("GET", "/stats", nullptr);
  json all = s;
  if (stats.status == 200) all["queues"] = stats.body.at("queues");
  print(o.as_json, all, [&] {
    std::cout << (s.value("ready", false) ? "ready" : "not ready") << "  shard " << plain(s.value("shard", json("")))
              << " (epoch " << plain(s.value("shard_epoch", json(0))) << "), store " << plain(s.value("store", json("")))
              << ", routing " << plain(s.value("routing", json(""))) << "\n"
              << plain(s.value("waiting", json(0))) << " waiting, " << plain(s.value("agents_ready", json(0)))
              << " agents with room, " << plain(s.value("accounts", json(0))) << " accounts\n";
    if (stats.status == 200)
      table(stats.body.at("queues").get<std::vector<json>>(), {{"QUEUE", "id"}, {"NAME", "name"}, {"WAITING", "waiting"}});
  });
  if (!s.value("ready", false)) throw Failure{"belfryd is not ready"};
}

void account_test(const Options& o, Client& client) {
  const json said = client.call("POST", "/accounts/" + escaped(o.id) + "/test", json::object());
  print(o.as_json, said, [&] { std::cout << o.id << ": " << plain(said.at("said")) << "\n"; });
  if (!said.value("ok", false)) throw Failure{o.id + " has no working link"};
}

void sms_preview(const Options& o, Client& client) {
  json body{{"text", o.text}};
  if (!o.account.empty()) body["account"] = o.account;
  const json found = client.call("POST", "/sms/preview", body);
  print(o.as_json, found, [&] {
    if (found.at("items").empty()) std::cout << "no account here sends SMS\n";
    for (const json& each : found.at("items")) {
      const int segments = each.value("segments", 1), room = each.value("room", 0), last = each.at("units").back().get<int>();
      std::cout << plain(each.at("account")) << ": " << plain(each.at("encoding")) << ", " << segments
                << (segments == 1 ? " segment, " : " segments, ") << last << " of " << room
                << (segments == 1 ? " used" : " used in the last");
      if (each.contains("cost")) std::cout << ", " << plain(each.at("cost")) << " " << plain(each.at("currency"));
      if (each.contains("because_of")) {
        std::cout << "; because of";
        for (const json& c : each.at("because_of")) std::cout << " " << plain(c);
      }
      std::cout << "\n";
    }
  });
}

void simulate(const Options& o, Client& client) {
  const json choice = client.get("/queues/" + escaped(o.id) + "/choice");
  print(o.as_json, choice, [&] {
    if (choice.at("agent").is_null()) {
      std::cout << "Nobody: no agent of " << plain(choice.at("queue"))
                << " is ready, connected, skilled as it asks, and has room. " << plain(choice.at("waiting")) << " wait.\n";
    } else {
      json offer{{"kind", "offered"}, {"agent", choice.at("agent")}, {"reasons", choice.value("reasons", json::object())}};
      std::cout << sentence_of(offer) << " " << plain(choice.at("waiting")) << " wait.\n";
    }
    for (const json& step : choice.value("steps", json::array())) {
      json offer{{"kind", "offered"}, {"agent", step.at("agent")}, {"reasons", step.value("reasons", json::object())}};
      std::cout << "After " << plain(step.at("after_s"))
                << " s: " << (step.at("agent").is_null() ? "nobody." : sentence_of(offer)) << "\n";
    }
  });
}

// ------------------------------------------------------------------------------------------------------------ directing

// What a supervisor may do at the desk, for whoever has only a terminal.
void direct(const Options& o, Client& client, const std::string& verb) {
  json body = json::object();
  if (!o.agent.empty()) body["agent"] = o.agent;
  if (!o.queue.empty()) body["queue"] = o.queue;
  if (!o.code.empty()) body["code"] = o.code;
  if (!o.into.empty()) body["into"] = o.into;
  if (!o.text.empty()) body["text"] = o.text;
  if (o.minutes) body["minutes"] = *o.minutes;
  if (o.life_safety) body["life_safety"] = true;
  const json answer = client.call("POST", "/conversations/" + escaped(conversation_of(o.id)) + "/" + verb, body);
  if (verb == "notes") return print(o.as_json, answer, [&] { std::cout << "kept as " << plain(answer.at("id")) << "\n"; });
  show_one(o, answer, kConversationColumns);
}

json read_json(const std::string& path) {
  std::stringstream text;
  if (path == "-") {
    text << std::cin.rdbuf();
  } else {
    std::ifstream file(path);
    if (!file) throw Failure{"cannot read " + path + ": " + std::strerror(errno)};
    text << file.rdbuf();
  }
  return json::parse(text.str(), nullptr, false);
}

// -------------------------------------------------------------------------------------------------------------- moving

// Agents, queues and skills as one file. Passwords do not leave the house: who is imported gets a new one.
void do_export(const Options& o, Client& client) {
  json out{{"belfry", 1},
           {"queues", client.all("/queues")},
           {"skills", client.all("/skills")},
           {"routes", client.all("/routes")},
           {"agents", json::array()}};
  for (json agent : client.all("/agents")) {
    for (const char* live : {"load", "availability", "reason", "connected"}) agent.erase(live);
    if (agent.value("login", "").empty()) agent.erase("login");
    out["agents"].push_back(std::move(agent));
  }
  const std::string text = out.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  if (o.file == "-") {
    std::cout << text;
    return;
  }
  const int fd = ::open(o.file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) throw Failure{"cannot write " + o.file + ": " + std::strerror(errno)};
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written) throw Failure{"cannot write " + o.file + " whole: " + std::strerror(errno)};
  print(o.as_json, {{"agents", out["agents"].size()}, {"queues", out["queues"].size()}, {"file", o.file}},
        [&] { std::cout << out["agents"].size() << " agents and " << out["queues"].size() << " queues in " << o.file << "\n"; });
}

void do_import(const Options& o, Client& client) {
  const json in = read_json(o.file);
  if (in.is_discarded() || !in.is_object() || in.value("belfry", 0) != 1)
    throw Failure{o.file + " is not a file of belfryctl export"};
  int made = 0, changed = 0;
  for (const json& skill : in.value("skills", json::array())) {
    client.call("PUT", "/skills/" + escaped(skill.at("id").get<std::string>()), {{"name", skill.at("name")}});
  }
  const json queues = in.value("queues", json::array());
  for (const bool with_steps : {false, true}) {  // a step may name a queue that stands further down
    for (json queue : queues) {
      const std::string path = "/queues/" + escaped(queue.at("id").get<std::string>());
      for (const char* live : {"id", "open", "open_why", "open_note", "next_change"}) queue.erase(live);
      if (!with_steps) queue.erase("steps");
      client.call("PUT", path, queue);
    }
  }
  for (json agent : in.value("agents", json::array())) {
    const std::string path = "/agents/" + escaped(agent.at("id").get<std::string>());
    if (client.ask("GET", path, nullptr).status == 404) {
      client.call("POST", "/agents", agent);
      ++made;
    } else {
      agent.erase("id");
      agent.erase("login");
      client.call("PUT", path, agent);
      ++changed;
    }
  }
  // A route may name an agent that is a program.
  if (in.contains("routes")) client.call("PUT", "/routes", {{"items", in.at("routes")}});
  print(o.as_json, {{"made", made}, {"changed", changed}}, [&] {
    std::cout << made << " agents made, " << changed << " changed.";
    if (made > 0) std::cout << " Give the new ones a password: belfryctl agent set ID --password-file FILE";
    std::cout << "\n";
  });
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app{"The operator's hand of Belfry. Speaks to belfryd through its admin socket."};
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--config", o.config, "belfryd's configuration: tells where its socket is")->capture_default_str();
  app.add_option("--socket", o.socket, "the socket itself: <state_dir>/admin.sock");
  app.add_flag("--json", o.as_json, "print JSON");

  std::function<void(Client&)> run;
  const auto command = [&](CLI::App* parent, const std::string& name, const std::string& what, std::function<void(Client&)> act) {
    CLI::App* sub = parent->add_subcommand(name, what);
    sub->fallthrough();
    sub->callback([&run, act = std::move(act)] { run = act; });
    return sub;
  };
  const auto group = [&](const std::string& name, const std::string& what) {
    CLI::App* sub = app.add_subcommand(name, what);
    sub->require_subcommand(1);
    sub->fallthrough();
    return sub;
  };
  const auto with_id = [&](CLI::App* sub, const std::string& what) { sub->add_option("id", o.id, what)->required(); };
  const auto about_agent = [&](CLI::App* sub, bool is_new) {
    sub->add_option("--login", o.login, "what he signs in with");
    auto* name = sub->add_option("--name", o.name, "as colleagues and citizens see him");
    sub->add_flag("--bot,!--person", o.bot, "a program that answers first where a route says so; it comes with a key");
    if (is_new) {
      sub->add_option("--id", o.id, "agent_…; else made from the login, which a program need not have");
      name->required();
    }
    sub->add_option("--queue", o.queues, "a queue he answers; may be repeated");
    sub->add_option("--skill", o.skills, "what he can, with a level of 1 to 5, as in water:3; may be repeated");
    sub->add_option("--role", o.roles,
                    "agent, supervisor, alert_author, alert_approver, admin, auditor, integration; may be repeated");
    sub->add_option("--capacity", o.capacity, "conversations at a time (5)");
    sub->add_option("--password-file", o.password_file, "its first line is the password; - is standard input");
  };
  const auto about_queue = [&](CLI::App* sub) {
    with_id(sub, "the queue");
    sub->add_option("--name", o.name, "as people see it");
    sub->add_option("--mode", o.mode, "offer: the agent accepts; auto: he is given it")->check(CLI::IsMember({"offer", "auto"}));
    sub->add_option("--offer-timeout", o.offer_timeout, "seconds an agent has to accept");
    sub->add_option("--wrapup", o.wrapup, "seconds to write it up after resolving");
    sub->add_option("--priority", o.priority, "minutes by which its conversations count as older than they are, 0 to 100");
    sub->add_option("--skill", o.skills, "a skill it asks for, with the least level, as in water or water:3; may be repeated");
    sub->add_option("--sticky", o.sticky, "seconds for which the agent of the citizen's last conversation is waited for");
    sub->add_option("--step", o.steps,
                    "what it asks for less after so many seconds: '60 lower=1', '120 drop=pipes', '240 add=overflow'; up to six");
    sub->add_option(
        "--sla", o.sla,
        "what is promised in opening hours: 'answer=60s first_reply=5m next_reply=10m resolve=8h within=80' (percent of the "
        "answers); replaces all that was; none takes it away");
    sub->add_option("--weight", o.weights,
                    "what a conversation weighs, as in wa=1, sms=0.5, wrapup=0.3 or parked=0; may be repeated");
    sub->add_option("--hours", o.hours, "when it is open, as in 'mon-fri 08:00-17:00; 12-25 closed'; needs --zone");
    sub->add_option("--zone", o.zone, "of the hours, as in Europe/Berlin");
  };

  CLI::App* agent = group("agent", "people, and programs, who answer");
  about_agent(command(agent, "add", "add one", [&](Client& c) { agent_add(o, c); }), true);
  command(agent, "list", "all of them", [&](Client& c) { show_list(o, c, "/agents", kAgentColumns); });
  CLI::App* set = command(agent, "set", "change one", [&](Client& c) { agent_set(o, c); });
  with_id(set, "the agent");
  about_agent(set, false);
  set->add_option("--availability", o.availability, "ready, paused, draining (nothing new; offline when all is done) or offline")
      ->check(CLI::IsMember({"ready", "paused", "draining", "offline"}));
  with_id(command(agent, "remove", "he can no longer sign in; what he holds goes back to its queue",
                  [&](Client& c) { remove(o, c, "agents"); }),
          "the agent");

  CLI::App* queue = group("queue", "where conversations wait");
  about_queue(command(queue, "add", "add one", [&](Client& c) { queue_put(o, c, true); }));
  command(queue, "list", "all of them", [&](Client& c) { show_list(o, c, "/queues", kQueueColumns); });
  about_queue(command(queue, "set", "change one", [&](Client& c) { queue_put(o, c, false); }));

  CLI::App* emergency = command(queue, "emergency", "open or close one whatever its hours say; none ends it", [&](Client& c) {
    json body{{"state", o.state}};
    if (!o.reason.empty()) body["reason"] = o.reason;
    if (o.for_s) body["for_s"] = *o.for_s;
    show_one(o, c.call("PUT", "/queues/" + escaped(o.id) + "/emergency", body), kQueueColumns);
  });
  with_id(emergency, "the queue");
  emergency->add_option("state", o.state, "open, closed or none")->required()->check(CLI::IsMember({"open", "closed", "none"}));
  emergency->add_option("--reason", o.reason, "why, for whoever asks later");
  emergency->add_option("--for", o.for_s, "seconds; else until further notice");

  CLI::App* route = group("route", "which queue a first message goes to");
  command(route, "list", "all of them, in their order", [&](Client& c) { show_list(o, c, "/routes", kRouteColumns); });
  command(route, "set", "all of them anew, as `route list --json` prints them",
          [&](Client& c) {
            const json routes = read_json(o.file);
            if (!routes.is_array()) throw Failure{o.file + " is no list of routes; see belfryctl route list --json"};
            const json kept = c.call("PUT", "/routes", {{"items", routes}});
            print(o.as_json, kept.at("items"), [&] { table(kept.at("items").get<std::vector<json>>(), kRouteColumns); });
          })
      ->add_option("file", o.file, "- is standard input")
      ->required();

  CLI::App* conversation = group("conversation", "what a supervisor does with one, whoever has it");
  const auto directive = [&](const std::string& verb, const std::string& path, const std::string& what) {
    CLI::App* sub = command(conversation, verb, what, [&o, path](Client& c) { direct(o, c, path); });
    with_id(sub, "conv_…");
    return sub;
  };
  directive("take", "take", "to an agent at once")->add_option("--agent", o.agent, "who")->required();
  directive("assign", "assign", "offered to an agent")->add_option("--agent", o.agent, "to whom")->required();
  directive("requeue", "requeue", "back to its queue, with its place")->add_option("--queue", o.queue, "another queue");
  directive("close", "close", "ends it")->add_option("--code", o.code, "why, as in resolved or spam");
  CLI::App* first = directive("priority", "priority", "another place among those that wait");
  first->add_option("--minutes", o.minutes, "by which it counts as older than it is");
  first->add_flag("--life-safety", o.life_safety, "before all else");
  directive("reopen", "reopen", "a closed one waits again")->add_option("--queue", o.queue, "another queue");
  directive("merge", "merge", "goes on in another one of the same citizen")->add_option("--into", o.into, "conv_…")->required();
  directive("note", "notes", "whispers to the agent who has it")->add_option("text", o.text, "what")->required();

  const std::vector<Column> skill_columns{{"ID", "id"}, {"NAME", "name"}};
  CLI::App* skill = group("skill", "what agents can do and queues need");
  for (const char* verb : {"add", "set"}) {
    CLI::App* sub = command(skill, verb, "make or rename one", [&o, &skill_columns](Client& c) {
      show_one(o, c.call("PUT", "/skills/" + escaped(o.id), {{"name", o.name}}), skill_columns);
    });
    with_id(sub, "the skill");
    sub->add_option("--name", o.name, "as people see it")->required();
  }
  command(skill, "list", "all of them", [&](Client& c) { show_list(o, c, "/skills", skill_columns); });
  with_id(command(skill, "remove", "remove one", [&](Client& c) { remove(o, c, "skills"); }), "the skill");

  CLI::App* key = group("key", "API keys of programs");
  CLI::App* add = command(key, "add", "make one and print it, once", [&](Client& c) { key_add(o, c); });
  add->add_option("--role", o.role, "what it may do")->required();
  add->add_option("--agent", o.agent, "with role agent: in whose name");
  add->add_option("--name", o.name, "what it is for");
  command(key, "list", "all of them", [&](Client& c) { show_list(o, c, "/keys", kKeyColumns); });
  with_id(command(key, "remove", "revoke one", [&](Client& c) { remove(o, c, "keys"); }), "its id, key_…");

  CLI::App* account = group("account", "numbers and inboxes, as configured");
  command(account, "list", "all of them", [&](Client& c) {
    show_list(o, c, "/accounts", {{"ID", "id"}, {"CHANNEL", "channel"}, {"PORTFOLIO", "portfolio"}, {"QUEUE", "queue"}});
  });

  with_id(
      command(account, "test", "open a link of it and say what the provider answered", [&](Client& c) { account_test(o, c); }),
      "the account");
  CLI::App* sms = group("sms", "text messages");
  CLI::App* preview =
      command(sms, "preview", "encoding, segments and cost of a text, in each account", [&](Client& c) { sms_preview(o, c); });
  preview->add_option("text", o.text, "what is to be sent")->required();
  preview->add_option("--account", o.account, "of this account alone");

  CLI::App* follow = command(&app, "tail", "follow the transition log", [&](Client& c) { tail(o, c); });
  follow->add_option("--last", o.last, "how many to begin with")->capture_default_str()->check(CLI::Range(1, 1000));
  follow->add_flag("--once", o.once, "do not follow");
  command(&app, "audit", "who changed agents, queues, routes, skills and keys",
          [&](Client& c) { show_list(o, c, "/audit/changes", kChangeColumns); });
  with_id(command(&app, "trace", "a message or a conversation: its entries, their states, its transitions",
                  [&](Client& c) { trace(o, c); }),
          "msg_… or conv_…");
  with_id(command(&app, "explain", "why a conversation went where it went", [&](Client& c) { explain(o, c); }), "conv_…");
  with_id(command(&app, "simulate-routing", "whom routing would choose now", [&](Client& c) { simulate(o, c); }), "the queue");
  command(&app, "status", "whether belfryd is at work", [&](Client& c) { status(o, c); });
  command(&app, "export", "agents, queues and skills as one file (no passwords, no keys)", [&](Client& c) { do_export(o, c); })
      ->add_option("file", o.file, "- is standard output")
      ->required();
  command(&app, "import", "what export wrote", [&](Client& c) { do_import(o, c); })
      ->add_option("file", o.file, "- is standard input")
      ->required();

  try {
    app.parse(argc, argv);
    Client client(socket_of(o));
    run(client);
    return 0;
  } catch (const CLI::Success& asked) {  // --help
    return app.exit(asked);
  } catch (const CLI::Error& wrong) {
    app.exit(wrong);
    return 2;
  } catch (const Failure& failure) {
    if (o.as_json)
      std::cout << json{{"error", failure.text}, {"status", failure.status}}.dump(-1, ' ', false, json::error_handler_t::replace)
                << "\n";
    std::cerr << "belfryctl: " << failure.text << "\n";
    return 1;
  } catch (const std::exception& surprise) {
    std::cerr << "belfryctl: " << surprise.what() << "\n";
    return 1;
  }
}
