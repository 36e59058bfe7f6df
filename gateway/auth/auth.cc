#include "gateway/auth/auth.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include "adapters/wire/crypto.h"
#include "belfry/list.h"
#include "gateway/auth/password.h"
#include "gateway/work_pool.h"

namespace belfry::gateway {
namespace {

constexpr std::string_view kKeyPrefix = "bfk_";
constexpr std::size_t kTokenChars = 43;  // 32 octets as base64url
constexpr std::int64_t kTicketMs = 30'000;
constexpr std::int64_t kSlideEveryMs = 10 * 60'000;  // a write a request would cost an fsync each
constexpr std::int64_t kKeyCacheMs = 5'000;
constexpr std::size_t kKeyCacheMax = 4'096;

tl::unexpected<Error> nobody() { return fail(Errc::kUnauthorized, "unknown or expired credentials"); }

std::string new_token() { return wire::base64url_encode(wire::random_bytes(32)); }
std::string hash_of(std::string_view token) { return wire::to_hex(wire::sha256(token)); }

bool is_token(std::string_view text) {
  return text.size() == kTokenChars && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
         });
}

bool is_hash(std::string_view text) { return text.size() == 64; }

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string_view cookie_name(const HttpRequest& request) { return request.scheme == "https" ? "__Host-belfry" : "belfry"; }

// HTTP/2 may split Cookie into several fields (RFC 9113 section 8.2.3).
std::string_view cookie_value(const HttpRequest& request) {
  const std::string_view wanted = cookie_name(request);
  for (const auto& [name, value] : request.headers) {
    if (name != "cookie") continue;
    std::string_view rest = value;
    while (!rest.empty()) {
      const auto semicolon = rest.find(';');
      std::string_view pair = rest.substr(0, semicolon);
      rest = semicolon == std::string_view::npos ? std::string_view{} : rest.substr(semicolon + 1);
      while (pair.starts_with(' ')) pair.remove_prefix(1);
      if (pair.size() > wanted.size() && pair.starts_with(wanted) && pair[wanted.size()] == '=')
        return pair.substr(wanted.size() + 1);
    }
  }
  return {};
}

bool changes_state(const HttpRequest& request) { return request.method != "GET" && request.method != "HEAD"; }

bool is_loopback(std::string_view peer) {
  return peer.empty() || peer == "::1" || peer.starts_with("127.") || peer.starts_with("::ffff:127.");
}

// An attacker has a whole /64 of IPv6 addresses: they count as one.
std::string network_of(std::string_view peer) {
  if (peer.find(':') == std::string_view::npos || peer.find('.') != std::string_view::npos) return std::string(peer);
  std::size_t at = 0;
  for (int groups = 0; at < peer.size(); ++at) {
    if (peer[at] != ':') continue;
    if (++groups == 4 || peer.substr(at).starts_with("::")) break;
  }
  return std::string(peer.substr(0, at)) + "/64";
}

}  // namespace

std::string origin_of(std::string_view url) {
  const std::string text = lower(url);
  const auto end_of_scheme = text.find("://");
  if (end_of_scheme == std::string::npos) return {};
  std::string scheme = text.substr(0, end_of_scheme);
  if (scheme == "wss") scheme = "https";
  if (scheme == "ws") scheme = "http";
  if (scheme != "https" && scheme != "http") return {};
  std::string authority = text.substr(end_of_scheme + 3);
  authority.resize(std::min(authority.find_first_of("/?#"), authority.size()));
  if (authority.empty() || authority.find('@') != std::string::npos) return {};
  const std::string_view standard = scheme == "https" ? ":443" : ":80";
  if (authority.ends_with(standard)) authority.resize(authority.size() - standard.size());
  return scheme + "://" + authority;
}

bool Auth::own_origin(const HttpRequest& request) const {
  if (request.headers.count("origin") != 1) return false;
  const std::string_view said = request.headers.get("origin");
  const std::string origin = origin_of(said);
  if (origin.empty()) return false;
  return origin == origin_of(options_.public_url) || origin == origin_of(request.scheme + "://" + request.authority);
}

std::string Auth::cookie(const HttpRequest& request, std::string_view token) const {
  std::string value(cookie_name(request));
  value.append("=").append(token).append("; ");
  if (request.scheme == "https") value += "Secure; ";
  return value + "HttpOnly; Path=/; SameSite=Strict";
}

std::string Auth::end_cookie(const HttpRequest& request) const { return cookie(request, "") + "; Max-Age=0"; }

void Auth::login(std::string login, std::string password, const std::string& peer, Done<Session> done) {
  login = lower(login);
  const Instant now = services_.now().mono;
  if (login.empty() || login.size() > 64) login = "?";  // names nobody; takes its time like any other
  if (!is_loopback(peer) && !by_address_.take(network_of(peer), now))
    return done(fail(Errc::kBusy, "too many sign-ins from one address"));
  if (!by_login_.take(login, now)) return done(fail(Errc::kBusy, "too many sign-ins for one login"));
  commands_.run({"HMGET", commands_.key("login:" + login), "agent", "hash"},
                [this, login, password = std::move(password), done = std::move(done)](Result<routing::Value> found) mutable {
                  if (!found) return done(tl::unexpected(std::move(found.error())));
                  struct Check {
                    std::string password, hash, agent;
                    bool right = false;
                  };
                  auto check = std::make_shared<Check>();
                  check->agent = text_at(*found, 0);
                  check->hash = text_at(*found, 1);
                  check->password = std::move(password);
                  const auto work = [check] {
                    const bool known = !check->hash.empty() && !check->agent.empty() && check->password.size() <= kMaxPassword;
                    if (check->password.size() > kMaxPassword) check->password.clear();
                    check->right = verify_password(check->password, known ? check->hash : nobodys_hash()) && known;
                    check->password.clear();
                  };
                  const auto then = [this, check, login, done] {
                    if (!check->right) return done(nobody());
                    by_login_.forget(login);
                    Subject subject;
                    subject.id = subject.agent = check->agent;
                    as_agent(std::move(subject), true, [this, done](Result<Subject> agent) {
                      if (!agent) return done(tl::unexpected(std::move(agent.error())));
                      open_session(std::move(*agent), done);
                    });
                  };
                  if (!services_.work.post(services_.loop, work, then)) done(fail(Errc::kUnavailable, "the work pool is full"));
                });
}

void Auth::open_session(Subject subject, Done<Session> done) {
  const std::int64_t until = services_.now().wall.ms + options_.session_ms;
  auto session = std::make_shared<Session>();
  session->token = new_token();
  session->subject = std::move(subject);
  session->subject.session = hash_of(session->token);
  const std::string& agent = session->subject.agent;
  const std::string index = commands_.key("sesof:" + agent);
  const std::string ttl = std::to_string(options_.session_ms);
  // The index first: a session that stands must be one that a new password can end.
  commands_.all({{"ZREMRANGEBYSCORE", index, "-inf", std::to_string(services_.now().wall.ms)},
                 {"ZADD", index, std::to_string(until), session->subject.session},
                 {"PEXPIRE", index, ttl},
                 {"SET", commands_.key("ses:" + session->subject.session), std::to_string(until) + "|" + agent, "PX", ttl}},
                [session, done = std::move(done)](Result<std::vector<routing::Value>> kept) {
                  if (!kept) return done(tl::unexpected(std::move(kept.error())));
                  done(std::move(*session));
                });
}

void Auth::logout(const Subject& subject, Done<void> done) {
  if (subject.kind != Subject::Kind::kAgent || !is_hash(subject.session)) return done({});
  commands_.all({{"DEL", commands_.key("ses:" + subject.session)},
                 {"ZREM", commands_.key("sesof:" + subject.agent), subject.session},
                 look_again_command(subject.agent)},
                [done = std::move(done)](Result<std::vector<routing::Value>> gone) {
                  if (!gone) return done(tl::unexpected(std::move(gone.error())));
                  done({});
                });
}

std::vector<std::string> Auth::look_again_command(const std::string& agent) const {
  return {"PUBLISH", routing::agent_channel(services_.prefix, agent), std::string(routing::kLookAgain)};
}

void Auth::look_again(const std::string& agent) {
  commands_.all({{"PUBLISH", channel(services_.prefix), "forget"}, look_again_command(agent)},
                [](const Result<std::vector<routing::Value>>&) {});
}

std::string Auth::channel(std::string_view prefix) { return routing::key_of(prefix, "auth"); }

void Auth::confirm(const Subject& subject, Done<Subject> done) {
  switch (subject.kind) {
    case Subject::Kind::kOperator: return done(subject);
    case Subject::Kind::kAgent: return by_session(subject.session, std::move(done));
    case Subject::Kind::kKey: keys_.erase(subject.session); return by_key(subject.session, std::move(done));
  }
}

void Auth::authenticate(const HttpRequest& request, Done<Subject> done) {
  if (request.headers.has("authorization")) {
    std::string_view said = request.headers.get("authorization");
    if (request.headers.count("authorization") != 1 || said.size() < 7 || lower(said.substr(0, 7)) != "bearer ")
      return done(nobody());
    said.remove_prefix(7);
    while (said.starts_with(' ')) said.remove_prefix(1);
    if (!said.starts_with(kKeyPrefix) || !is_token(said.substr(kKeyPrefix.size()))) return done(nobody());
    return by_key(hash_of(said), std::move(done));
  }
  const std::string_view token = cookie_value(request);
  if (!is_token(token) || !request.protocol.empty()) return done(nobody());
  if (changes_state(request)) {
    if (request.headers.get("x-belfry-csrf") != "1") return done(fail(Errc::kForbidden, "no X-Belfry-CSRF"));
    if (request.headers.has("origin") && !own_origin(request)) return done(fail(Errc::kForbidden, "foreign Origin"));
  }
  by_session(hash_of(token), std::move(done));
}

void Auth::by_session(const std::string& hash, Done<Subject> done) {
  commands_.run({"GET", commands_.key("ses:" + hash)}, [this, hash, done = std::move(done)](Result<routing::Value> found) {
    if (!found) return done(tl::unexpected(std::move(found.error())));
    const std::string& line = found->text;
    const auto bar = line.find('|');
    std::int64_t until = 0;
    if (!found->is_text() || bar == std::string::npos) return done(nobody());
    std::from_chars(line.data(), line.data() + bar, until);
    if (until <= services_.now().wall.ms) return done(nobody());
    Subject subject;
    subject.id = subject.agent = line.substr(bar + 1);
    subject.session = hash;
    keep_alive(hash, subject.agent, until);
    as_agent(std::move(subject), true, done);
  });
}

void Auth::keep_alive(const std::string& hash, const std::string& agent, std::int64_t until) {
  const std::int64_t now = services_.now().wall.ms;
  if (until - now > options_.session_ms - kSlideEveryMs) return;
  const std::string later = std::to_string(now + options_.session_ms);
  const std::string ttl = std::to_string(options_.session_ms);
  const std::string index = commands_.key("sesof:" + agent);
  // XX: a session that was ended meanwhile stays ended.
  commands_.all({{"SET", commands_.key("ses:" + hash), later + "|" + agent, "XX", "PX", ttl},
                 {"ZADD", index, "XX", later, hash},
                 {"PEXPIRE", index, ttl}},
                [](const Result<std::vector<routing::Value>>&) {});
}

void Auth::by_key(const std::string& hash, Done<Subject> done) {
  const Instant now = services_.now().mono;
  if (const auto cached = keys_.find(hash); cached != keys_.end()) {
    if (now < cached->second.until) return done(cached->second.subject);
    keys_.erase(cached);
  }
  commands_.run({"HMGET", commands_.key("key:" + hash), "id", "role", "agent", "name"},
                [this, hash, now, done = std::move(done)](Result<routing::Value> found) {
                  if (!found) return done(tl::unexpected(std::move(found.error())));
                  if (text_at(*found, 0).empty() || !is_role(text_at(*found, 1))) return done(nobody());
                  Subject subject;
                  subject.kind = Subject::Kind::kKey;
                  subject.id = text_at(*found, 0);
                  subject.roles = {text_at(*found, 1)};
                  subject.name = text_at(*found, 3);
                  subject.session = hash;
                  const auto keep = [this, hash, now, done](Result<Subject> known) {
                    if (known) {
                      if (keys_.size() >= kKeyCacheMax) keys_.clear();
                      keys_[hash] = {*known, now + kKeyCacheMs};
                    }
                    done(std::move(known));
                  };
                  if (subject.roles.front() != "agent") return keep(std::move(subject));
                  subject.agent = text_at(*found, 2);
                  as_agent(std::move(subject), false, keep);
                });
}

void Auth::as_agent(Subject subject, bool take_roles, Done<Subject> done) {
  if (subject.agent.empty()) return done(nobody());
  const std::string key = commands_.key("agent:" + subject.agent);
  commands_.run({"HMGET", key, "name", "roles", "queues", "removed"},
                [subject = std::move(subject), take_roles, done = std::move(done)](Result<routing::Value> found) mutable {
                  if (!found) return done(tl::unexpected(std::move(found.error())));
                  if (found->array.size() != 4 || found->array[0].is_nil() || text_at(*found, 3) == "1") return done(nobody());
                  subject.name = text_at(*found, 0);
                  if (take_roles) {
                    subject.roles = split_list(text_at(*found, 1));
                    if (subject.roles.empty()) subject.roles = {"agent"};
                  }
                  subject.queues = split_list(text_at(*found, 2));
                  done(std::move(subject));
                });
}

void Auth::issue_ticket(const Subject& subject, std::string_view origin, Done<std::string> done) {
  if (!is_hash(subject.session)) return done(fail(Errc::kForbidden, "a ticket needs a session or a key"));
  const std::string ticket = new_token();
  std::string value(subject.kind == Subject::Kind::kKey ? "k|" : "s|");
  value.append(subject.session).append("|").append(origin_of(origin));
  commands_.run({"SET", commands_.key("ticket:" + hash_of(ticket)), value, "PX", std::to_string(kTicketMs)},
                [ticket, done = std::move(done)](Result<routing::Value> kept) {
                  if (!kept) return done(tl::unexpected(std::move(kept.error())));
                  done(ticket);
                });
}

void Auth::redeem_ticket(std::string_view ticket, std::string_view origin, Done<Subject> done) {
  if (!is_token(ticket)) return done(nobody());
  commands_.run({"GETDEL", commands_.key("ticket:" + hash_of(ticket))},
                [this, origin = origin_of(origin), done = std::move(done)](Result<routing::Value> found) {
                  if (!found) return done(tl::unexpected(std::move(found.error())));
                  const std::string& value = found->text;
                  if (!found->is_text() || value.size() < 67 || value[66] != '|') return done(nobody());
                  if (value.substr(67) != origin) return done(fail(Errc::kForbidden, "a ticket of another Origin"));
                  const std::string hash = value.substr(2, 64);
                  if (value[0] == 'k') return by_key(hash, done);
                  by_session(hash, done);
                });
}

void Auth::add_key(const ApiKey& about, Done<NewKey> done) {
  auto made = std::make_shared<NewKey>();
  made->about = about;
  made->about.id = "key_" + wire::to_hex(wire::random_bytes(8));
  made->about.created = services_.now().wall;
  made->key = std::string(kKeyPrefix) + new_token();
  const std::string hash = hash_of(made->key);
  // The index first: a key that works must be one that can be revoked.
  commands_.all({{"HSET", commands_.key("keys"), made->about.id, hash},
                 {"HSET", commands_.key("key:" + hash), "id", made->about.id, "role", about.role, "agent", about.agent, "name",
                  about.name, "created", std::to_string(made->about.created.ms)}},
                [made, done = std::move(done)](Result<std::vector<routing::Value>> kept) {
                  if (!kept) return done(tl::unexpected(std::move(kept.error())));
                  done(std::move(*made));
                });
}

void Auth::list_keys(Done<std::vector<ApiKey>> done) {
  commands_.run({"HGETALL", commands_.key("keys")}, [this, done = std::move(done)](Result<routing::Value> found) {
    if (!found) return done(tl::unexpected(std::move(found.error())));
    std::vector<std::vector<std::string>> reads;
    for (const auto& [id, hash] : pairs_of(*found)) {
      reads.push_back({"HMGET", commands_.key("key:" + hash), "id", "role", "agent", "name", "created"});
    }
    commands_.all(reads, [done](Result<std::vector<routing::Value>> rows) {
      if (!rows) return done(tl::unexpected(std::move(rows.error())));
      std::vector<ApiKey> keys;
      for (const routing::Value& row : *rows) {
        if (text_at(row, 0).empty()) continue;  // its making was cut short: it opens nothing
        ApiKey key{text_at(row, 0), text_at(row, 1), text_at(row, 2), text_at(row, 3), {}};
        const std::string& created = text_at(row, 4);
        std::from_chars(created.data(), created.data() + created.size(), key.created.ms);
        keys.push_back(std::move(key));
      }
      std::sort(keys.begin(), keys.end(),
                [](const ApiKey& a, const ApiKey& b) { return a.created != b.created ? a.created < b.created : a.id < b.id; });
      done(std::move(keys));
    });
  });
}

void Auth::revoke_key(const std::string& id, Done<void> done) {
  commands_.run({"HGET", commands_.key("keys"), id}, [this, id, done = std::move(done)](Result<routing::Value> found) {
    if (!found) return done(tl::unexpected(std::move(found.error())));
    if (!found->is_text()) return done(fail(Errc::kNotFound, "no such key"));
    commands_.run({"HGET", commands_.key("key:" + found->text), "agent"},
                  [this, id, hash = found->text, done](Result<routing::Value> agent) {
                    if (!agent) return done(tl::unexpected(std::move(agent.error())));
                    drop_key(id, hash, agent->text, done);
                  });
  });
}

void Auth::drop_key(const std::string& id, const std::string& hash, const std::string& agent, Done<void> done) {
  std::vector<std::vector<std::string>> ends{{"DEL", commands_.key("key:" + hash)}, {"HDEL", commands_.key("keys"), id}};
  ends.push_back({"PUBLISH", channel(services_.prefix), "forget"});
  if (!agent.empty()) ends.push_back(look_again_command(agent));
  keys_.erase(hash);
  commands_.all(ends, [this, hash, done = std::move(done)](Result<std::vector<routing::Value>> gone) {
    keys_.erase(hash);  // a look-up may have been under way
    if (!gone) return done(tl::unexpected(std::move(gone.error())));
    done({});
  });
}

void Auth::claim_login(const std::string& login, const std::string& agent, Done<void> done) {
  const std::string key = commands_.key("login:" + lower(login));
  commands_.all({{"HSETNX", key, "agent", agent}, {"HGET", key, "agent"}},
                [agent, done = std::move(done)](Result<std::vector<routing::Value>> answers) {
                  if (!answers) return done(tl::unexpected(std::move(answers.error())));
                  if (answers->at(1).text != agent) return done(fail(Errc::kConflict, "the login belongs to another agent"));
                  done({});
                });
}

void Auth::set_password(const std::string& login, const std::string& agent, std::string password, Done<void> done) {
  struct Hashing {
    std::string password;
    Result<std::string> hash = fail(Errc::kInternal, "not hashed");
  };
  auto hashing = std::make_shared<Hashing>();
  hashing->password = std::move(password);
  const auto work = [hashing] {
    hashing->hash = hash_password(hashing->password);
    hashing->password.clear();
  };
  const auto then = [this, hashing, login = lower(login), agent, done] {
    if (!hashing->hash) return done(tl::unexpected(std::move(hashing->hash.error())));
    commands_.run({"HSET", commands_.key("login:" + login), "hash", *hashing->hash},
                  [this, agent, done](Result<routing::Value> kept) {
                    if (!kept) return done(tl::unexpected(std::move(kept.error())));
                    end_sessions(agent, done);
                  });
  };
  if (!services_.work.post(services_.loop, work, then)) done(fail(Errc::kBusy, "the work pool is full"));
}

void Auth::end_sessions(const std::string& agent, Done<void> done) {
  const std::string index = commands_.key("sesof:" + agent);
  commands_.run({"ZRANGE", index, "0", "-1"}, [this, index, agent, done = std::move(done)](Result<routing::Value> found) {
    if (!found) return done(tl::unexpected(std::move(found.error())));
    std::vector<std::vector<std::string>> ends;
    for (const routing::Value& hash : found->array) ends.push_back({"DEL", commands_.key("ses:" + hash.text)});
    ends.push_back({"DEL", index});
    ends.push_back(look_again_command(agent));
    commands_.all(ends, [done](Result<std::vector<routing::Value>> gone) {
      if (!gone) return done(tl::unexpected(std::move(gone.error())));
      done({});
    });
  });
}

void Auth::drop_login(const std::string& login, Done<void> done) {
  commands_.run({"DEL", commands_.key("login:" + lower(login))}, [done = std::move(done)](Result<routing::Value> gone) {
    if (!gone) return done(tl::unexpected(std::move(gone.error())));
    done({});
  });
}

void Auth::forget_agent(const std::string& login, const std::string& agent, Done<void> done) {
  keys_.clear();  // a key may act in his name
  drop_login(login, [this, agent, done = std::move(done)](Result<void> dropped) {
    if (!dropped) return done(std::move(dropped));
    end_sessions(agent, done);
  });
}

}  // namespace belfry::gateway
