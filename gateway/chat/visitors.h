// What a visitor of the web chat does, whichever way his frames come (WebSocket, POST, a form without JavaScript), and what he is
// shown of his conversation. Stateless but for limits: who he is and where he stands is the caller's (Guest).
//
// A message is acknowledged when the store has it. Limits, a shard: five messages at once and one a second for each visitor; of
// one address so many new conversations an hour, then a challenge stands before the next.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/webchat/frames.h"
#include "adapters/webchat/token.h"
#include "gateway/auth/commands.h"
#include "gateway/auth/limiter.h"
#include "gateway/chat/hub.h"
#include "gateway/chat/inbox.h"
#include "gateway/intake.h"
#include "gateway/services.h"

namespace belfry::gateway {

// A visitor on one of our roads.
struct Guest {
  const Inbox* inbox = nullptr;
  webchat::Visitor who;
  std::string peer;      // his network address
  std::string language;  // of his page, and the page
  std::string page;
  std::string conversation;  // the one he has open, as far as this road knows
  std::string owner;         // the agent who has it
  std::string address() const;
  // Where he stands, by this card: a conversation that is over, or answered elsewhere, is not open here.
  void stand(const routing::Card& card);
};

class Visitors {
 public:
  struct Deps {
    Services& services;
    Intake& intake;
    ChatHub& hub;
    std::vector<Inbox> inboxes;
    std::int64_t media_max = 0;
  };
  explicit Visitors(Deps deps);

  const Inbox* inbox(std::string_view id) const;
  const std::vector<Inbox>& inboxes() const { return deps_.inboxes; }
  std::int64_t media_max() const { return deps_.media_max; }
  ChatHub& hub() { return deps_.hub; }
  Services& services() { return deps_.services; }
  // Who this token says, or a new visitor.
  webchat::Visitor known_or_new(const Inbox& inbox, std::string_view token) const;
  std::string token_of(const Guest& guest) const;

  // The answer to a frame that is neither hello nor ping: an ack or nack, or nothing, exactly once.
  struct Answer {
    std::string frame;                     // empty: nothing is said
    std::optional<wire::Problem> problem;  // of a nack; over HTTP it is the answer
  };
  using Done = std::function<void(Answer)>;
  void act(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, Done done);

  // His conversation as it stands: the open one, or the one that was closed within a day; and its log after entry `after`, or its
  // last 200 entries. Nothing: he has none.
  struct Shown {
    std::optional<routing::Card> card;
    std::vector<webchat::MessageView> messages;
    std::int64_t last = 0;  // the last entry that was looked at
    bool reset = true;      // it is not what follows `after`
  };
  void look(const Guest& guest, const std::optional<MessageRef>& after, std::function<void(Result<Shown>)> done);
  // What he has open, and whose it is, into the guest.
  void locate(Guest& guest, std::function<void(const Error*)> done);
  // Of one entry that was published. Nothing: it is not the citizen's to see.
  void view(const Guest& guest, const MessageRef& ref, State state, const std::string& entry,
            std::function<void(std::optional<webchat::MessageView>)> done);
  webchat::QueueView place(const std::string& queue, const std::string& conversation);
  std::vector<std::string> ways_on(const Inbox& inbox) const;  // whatsapp, sms

 private:
  void identify(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, const webchat::Identity& identity, Done done);
  void message(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, Done done);
  void with_file(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, std::function<void(Result<Content>)> then);
  void keep(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, Content content, const Done& done);
  void read(const std::shared_ptr<Guest>& guest, const MessageRef& upto, Done done);
  void typing(const Guest& guest);
  void end(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, Done done);
  void go_on(const std::shared_ptr<Guest>& guest, const webchat::Frame& frame, Done done);
  bool counts(const Guest& guest) const;
  bool may_open(const Guest& guest);
  wire::Problem challenge(const Guest& guest);
  bool solve(const Guest& guest, const webchat::Frame& frame);
  void lines(const Guest& guest, const std::string& conversation, std::int64_t after, int limit, Shown so_far,
             std::function<void(Result<Shown>)> done);

  Deps deps_;
  Commands commands_;
  // By visitor, bounded: the salt that he was asked with last; until when what he solved counts.
  std::map<std::string, std::string> asked_;
  std::map<std::string, Instant> solved_;
  Limiter typing_{2, 2'000};
  Limiter codes_{3, 1'200'000};
  std::map<std::string, std::unique_ptr<Limiter>, std::less<>> opens_, messages_;  // by inbox
};

}  // namespace belfry::gateway
