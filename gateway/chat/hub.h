// The visitors of the web chat on one shard: who has tabs open here, and what they are to hear.
//
// The conversation's log is the truth. What is published (routing::chat_channel) and what the transition stream tells are hints:
// a listener that sees a gap, or is told to look again, reads the log from where it stands.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "belfry/clock.h"
#include "belfry/message.h"
#include "gateway/chat/announcements.h"
#include "routing/resp.h"
#include "routing/store_redis.h"

namespace belfry::gateway {

// One tab: a socket or a stream of events.
class ChatListener {
 public:
  virtual ~ChatListener() = default;
  virtual const std::string& visitor() const = 0;
  // Entry `ref.n` was added to a conversation of his; its bytes as encode_entry made them.
  virtual void on_entry(const MessageRef& ref, State state, const std::string& entry) = 0;
  // His message was seen by an agent.
  virtual void on_seen(const MessageRef& ref) = 0;
  virtual void on_typing(const std::string& agent) = 0;
  // A transition of the conversation that he follows: its kind, whose it is now, in which queue, why.
  virtual void on_change(std::string_view kind, const std::string& agent, const std::string& queue, const std::string& why) = 0;
  // Something may have been missed.
  virtual void look_again() = 0;
  // Once in a few seconds: time for his place in the line.
  virtual void on_pulse() = 0;
  // The same bytes for all tabs of these inboxes.
  virtual void announce(const Announcement& what, const std::string& frame) = 0;
};

class ChatHub {
 public:
  static constexpr std::size_t kMaxTabs = 8;  // of one visitor

  struct Deps {
    routing::Carry carry;
    std::string prefix;
    std::function<Now()> now;
  };
  explicit ChatHub(Deps deps) : deps_(std::move(deps)) {}

  // False: he has too many tabs open.
  bool join(ChatListener* listener);
  void leave(ChatListener* listener);  // as the visitor that it joined as
  // From now on it hears of this conversation's transitions, and of no other's. Empty: of none.
  void follow(const std::string& conversation, ChatListener* listener);

  // To every shard.
  void tell(const std::string& visitor, const MessageRef& ref, const std::string& entry) const;
  void tell_seen(const std::string& visitor, const MessageRef& ref) const;
  void tell_typing(const std::string& visitor, const std::string& agent) const;

  void on_publish(std::string_view payload);
  void on_entries(const std::vector<routing::Value>& entries);
  void on_doubt();
  void pulse();
  const NoticeBoard& notices() const { return notices_; }
  void set_notices(const std::vector<Announcement>& all) { notices_.set(all); }

  // What citizens may call an agent; asked for once in ten minutes. Empty: not known.
  void name_of(const std::string& agent, std::function<void(const std::string& name)> then);

  std::size_t tabs() const { return visitors_.size(); }

 private:
  void publish(const std::string& payload) const;
  void announce(std::string_view line);
  std::vector<ChatListener*> tabs_of(const std::string& visitor) const;

  struct Name {
    std::string name;
    Instant until;
  };
  Deps deps_;
  // By a hash of the visitor: ten thousand silent tabs are most of what this process holds, and each octet is paid by all.
  std::unordered_multimap<std::size_t, ChatListener*> visitors_;
  std::unordered_map<std::string, std::vector<ChatListener*>> followers_;
  std::unordered_map<ChatListener*, std::string> followed_;
  std::map<std::string, Name> names_;
  NoticeBoard notices_;
};

}  // namespace belfry::gateway
