// What the rooms behind the front door share on one shard. A value of references: who builds the shard owns them all.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/adapter.h"
#include "belfry/clock.h"
#include "belfry/message.h"
#include "belfry/result.h"
#include "gateway/headroom.h"
#include "gateway/links.h"
#include "routing/mirror.h"
#include "routing/store.h"
#include "routing/store_redis.h"

namespace belfry::gateway {

// What a beat is worth, ms: a shard that has not beaten for so long owns nothing any more.
constexpr std::int64_t kLeaseTtl = 4'000;

class HttpClient;
class WaitingRoom;
class WorkPool;
struct Config;

// One account as the rest of the gateway sees it.
struct AccountInfo {
  std::string id, channel, portfolio, queue;
  std::shared_ptr<const Channel> face;
  std::map<Wish, std::string> answers;  // to STOP, START and HELP, in the operator's words; empty: in ours
};

// The way out: what agents and programs send, on its way to an account's sender, wherever that is.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual const AccountInfo* account(std::string_view id) const = 0;
  virtual std::vector<AccountInfo> accounts() const = 0;
  // May this account's channel carry it? The error's detail is for the person who wrote it: what is wrong, and the remedy.
  virtual Result<void> check(std::string_view account, const Content& content) const = 0;
  // The upload that the content names, in whatever place its channel knows: who wants to send it must be allowed it first. Of a
  // content that has passed api::admit_upload(), check() takes that file and no other.
  virtual std::optional<Media> file_named(std::string_view account, const Content& content) const = 0;
  // Whether the channel wants an open 24-hour window for it (a template does not).
  virtual bool needs_window(std::string_view account, const Content& content) const = 0;
  // The address of a recipient as the API names him ("+49 151..." or a provider's user id).
  virtual Result<std::string> address(std::string_view account, std::string_view to) const = 0;
  // The lease to pass to Store::reply and Store::send: set when this shard owns the account and its sender has credit.
  virtual routing::LeaseRef lease(std::string_view account) = 0;
  // A reply or send under that lease had no answer (kTimeout, kClosed): the store may have claimed what nobody heard of.
  virtual void lease_in_doubt(std::string_view) {}
  // A reply or send that came back claimed: it goes to the sender now.
  virtual void hand_over(Outbound message) = 0;
};

struct Services {
  asio::io_context& loop;
  const Config& config;
  std::string prefix;  // of the site's keys
  routing::Store& store;
  routing::Carry carry;  // single Redis commands: sessions, keys, idempotency
  routing::Mirror& mirror;
  WorkPool& work;
  HttpClient& http;
  Outbox& outbox;
  std::function<Now()> now;
  std::function<bool()> store_up;                             // false: answer 503 at once
  std::string shard;                                          // "host.0"
  std::function<std::int64_t()> shard_epoch;                  // 0 until the store knows this shard
  std::function<Level()> level = [] { return Level::kAll; };  // how much may be taken on
  MakeLinks make_links;                                       // to try an account's own link; none in a test without
  WaitingRoom* waiting_room = nullptr;                        // places and estimates; none in a test without
};

}  // namespace belfry::gateway
