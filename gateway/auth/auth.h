// Who is it? Agents by password and session, programs by API key, desks by ticket. What they may do is in subject.h.
//
// - Only SHA-256 of a token is ever stored; a token is 256 bits of chance, so no slow hash is needed for it.
// - To a peer that fails, every reason looks the same: kUnauthorized, and the same time.
// - One instance a shard, on its thread. Limits count per shard: with four shards an attacker gets four times as many tries.
// - A key that was looked up is believed for five seconds on this shard: a revoked key works for that long at most.
// - Whatever ends a session, a key or an agent says `look again` on the agent's channel: each desk that is open in his name, on
//   any shard, then asks confirm() and is closed if the answer is no.
//
// Keys, under the site's hash tag:
//   login:<login>    hash   agent, hash (argon2id, encoded)
//   ses:<sha256>     string until_ms|agent, with a time to live of 12 h that slides
//   sesof:<agent>    zset   his sessions by the time they end: what a new password or a removal ends
//   key:<sha256>     hash   id role agent name created;   keys  hash id -> sha256
//   ticket:<sha256>  string s|<session> or k|<key>, |origin; 30 s, single use
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "belfry/http.h"
#include "gateway/auth/commands.h"
#include "gateway/auth/limiter.h"
#include "gateway/auth/subject.h"
#include "gateway/services.h"

namespace belfry::gateway {

struct AuthOptions {
  std::string public_url;  // where browsers find us; its origin is our own
  std::int64_t session_ms = 12LL * 3600 * 1000;
};

struct ApiKey {
  std::string id, role, agent, name;
  WallTime created;
};

// "https://Chat.City.example:443/x" -> "https://chat.city.example". Empty: not an http(s) or ws(s) URL.
std::string origin_of(std::string_view url);

class Auth {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  Auth(Services& services, AuthOptions options) : services_(services), commands_(services), options_(std::move(options)) {}

  // kUnauthorized for an unknown login and a wrong password alike; kBusy: too many tries, or the pool is full.
  struct Session {
    std::string token;
    Subject subject;
  };
  void login(std::string login, std::string password, const std::string& peer, Done<Session> done);
  void logout(const Subject& subject, Done<void> done);
  // The value of Set-Cookie. On https __Host-belfry with Secure; on plain loopback, where browsers keep no such cookie, belfry.
  std::string cookie(const HttpRequest& request, std::string_view token) const;
  std::string end_cookie(const HttpRequest& request) const;

  // By `Authorization: Bearer bfk_...`, else by cookie. A request that changes state by cookie needs `X-Belfry-CSRF: 1` and, if
  // it has an Origin, our own: kForbidden otherwise. A cookie never opens a socket.
  void authenticate(const HttpRequest& request, Done<Subject> done);
  // The request's Origin is that of public_url or of the address it was sent to.
  bool own_origin(const HttpRequest& request) const;

  // For a browser that is about to open a socket. Single use, 30 s, good for the same Origin only.
  void issue_ticket(const Subject& subject, std::string_view origin, Done<std::string> done);
  // kUnauthorized: unknown, used or late. kForbidden: another Origin.
  void redeem_ticket(std::string_view ticket, std::string_view origin, Done<Subject> done);
  // Is what this subject came with still good, in the store and not in a cache? kUnauthorized if not; else what is true of him
  // now.
  void confirm(const Subject& subject, Done<Subject> done);
  // Every open desk of this agent confirms, wherever it is. Best effort: a desk that lost its channel confirms when it is back.
  void look_again(const std::string& agent);
  // What a shard believes of keys for a few seconds is forgotten wherever somebody takes a key away, or changes an agent: all
  // shards subscribe to this channel, and what is said there means forget_cached(). Who misses it believes for five seconds more.
  static std::string channel(std::string_view prefix);
  void forget_cached() { keys_.clear(); }

  // `agent`: in whose name a key of role agent acts. The key itself is never to be had again.
  struct NewKey {
    ApiKey about;
    std::string key;
  };
  void add_key(const ApiKey& about, Done<NewKey> done);
  void list_keys(Done<std::vector<ApiKey>> done);
  void revoke_key(const std::string& id, Done<void> done);

  // Takes a login name for an agent. kConflict: another agent has it.
  void claim_login(const std::string& login, const std::string& agent, Done<void> done);
  // Sets the password of a login that this agent has, and ends his sessions.
  void set_password(const std::string& login, const std::string& agent, std::string password, Done<void> done);
  // The agent can no longer sign in, and what he signed in to ends.
  void forget_agent(const std::string& login, const std::string& agent, Done<void> done);
  void drop_login(const std::string& login, Done<void> done);

 private:
  void by_session(const std::string& hash, Done<Subject> done);
  void by_key(const std::string& hash, Done<Subject> done);
  // Adds what the agent's record says today: name, roles (unless a key's role is all it may do), queues.
  void as_agent(Subject subject, bool take_roles, Done<Subject> done);
  void open_session(Subject subject, Done<Session> done);
  void end_sessions(const std::string& agent, Done<void> done);
  std::vector<std::string> look_again_command(const std::string& agent) const;
  void drop_key(const std::string& id, const std::string& hash, const std::string& agent, Done<void> done);
  void keep_alive(const std::string& hash, const std::string& agent, std::int64_t until);

  struct Cached {
    Subject subject;
    Instant until;
  };
  Services& services_;
  Commands commands_;
  AuthOptions options_;
  Limiter by_login_{10, 6'000};    // ten tries, then one each six seconds
  Limiter by_address_{30, 2'000};  // loopback is not counted: a proxy on this machine speaks for everybody
  std::unordered_map<std::string, Cached> keys_;
};

}  // namespace belfry::gateway
