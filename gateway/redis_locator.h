// Which server a link connects to: itself without a socket. It says whom to ask what, hears the answers, and names an address.
//
// - kServer: always the one address.
// - kSentinel: each sentinel in turn is asked for the primary of the service, until one knows it. Whether the one named is the
//   primary indeed is the link's business (ROLE); if not, the next search begins at the next sentinel.
// - kCluster: each node known is asked for the owner of our slot (CLUSTER SLOTS); MOVED names it without asking. The nodes an
//   answer tells of are asked too from then on, so the seeds may have gone long ago.
// A search ends: nobody is asked twice in it (a sentinel that wants a password: twice).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"
#include "gateway/redis_target.h"
#include "routing/resp.h"

namespace belfry::gateway {

// The slot of a key: CRC16 of its hash tag, or of all of it.
std::uint16_t slot_of(std::string_view key);

class RedisLocator {
 public:
  struct Next {
    enum class What : std::uint8_t { kAsk, kConnect, kNobody };
    What what = What::kNobody;
    std::string address;      // of kAsk and kConnect
    std::string question;     // of kAsk: one encoded command
    bool with_login = false;  // of kAsk: user and password go first
    Error why;                // of kNobody
  };

  explicit RedisLocator(RedisTarget target);

  // A new search.
  Next begin();
  // What the one we asked said; or that he did not answer.
  Next answered(const routing::Value& reply);
  Next failed(const Error& why);
  // The address served us: the next search begins where this one ended.
  void served();
  // "MOVED 3999 10.0.0.1:6381" from the node at `from`. False if it makes no sense; the next search asks then.
  bool moved(std::string_view error_text, std::string_view from);

  // True if there is anybody to ask: another server may be the primary tomorrow.
  bool searches() const { return target_.kind != RedisTarget::Kind::kServer; }
  // What shows whether the server we are connected to serves our slot, whole: a command, or nothing but in a cluster. It names
  // the very key that every function call names and that does not exist, so a slot on its way to another node answers ASK to
  // both.
  const std::string& probe() const { return probe_; }

 private:
  Next ask();
  Next next_seed();
  Next found(std::string address);
  Next of_sentinel(const routing::Value& reply);
  Next of_cluster(const routing::Value& reply);
  void learn(std::string address);

  RedisTarget target_;
  std::uint16_t slot_ = 0;
  std::string question_, probe_;
  std::vector<std::string> seeds_;  // and, of a cluster, the nodes we heard of
  std::size_t at_ = 0;              // whom we ask
  std::size_t asked_ = 0;           // in this search
  std::size_t to_ask_ = 0;          // in this search: what is learned meanwhile is for the next
  bool with_login_ = false;
  bool served_ = true;
  std::string told_;  // by MOVED
  std::string why_;   // what the last one said
};

}  // namespace belfry::gateway
