// One account's way to and from its SMSC: submits, the answers and receipts to them, and what citizens write.
//
// Out. A message becomes one submit_sm a segment. It is settled when all are answered: `sent` with the names that receipts will
// use; failed by the first that is refused for good; `uncertain` by the first whose answer does not come (the link fell,
// response_timeout) - but an alert is sent once more, for a doubled alert is better than none. A throttled segment stays here,
// before all others; what is to be tried later goes back to its lane as long as no segment of it was taken.
//
// Ahead. To claim a message takes the store a flush of its disk, and a window must not stand empty for that: so what the SMSC
// takes in a tenth of a second, one window at most, is claimed before there is room for it and waits here, behind every alert. It
// goes back at a stop, and when no link stands; of a process that is killed it is as uncertain as what was on its way.
//
//
// In. Every deliver_sm and data_sm is answered in the order of arrival, and only after the store said yes: ESME_ROK, else
// ESME_RX_T_APPN. The SMSC gives a citizen's message no id, so its bytes are its name until our yes is written.
//
// - Thread and clock: none; the shard that holds the account's lease calls it with its time.
// - Bounds: the window of each bind, as many ahead, and 255 segments behind each; 1,000 suspects, doubts and late answers; the
//   gateway stops reading at 100 open deliveries.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adapters/smpp/account.h"
#include "adapters/smpp/flow.h"
#include "adapters/smpp/session.h"
#include "belfry/adapter.h"

namespace belfry::smpp {

class Sender final : public belfry::Sender, public Session::Owner {
 public:
  Sender(Account account, Now start);

  void on_lease(Now now, Instant until, Effects& effects) override;
  Credit credit(Now now) const override;
  void send(Now now, Outbound message, Effects& effects) override;
  void on_link(Now now, LinkId link, LinkState state, Effects& effects) override;
  void on_bytes(Now now, LinkId link, std::string_view bytes, Effects& effects) override;
  void on_stored(Now now, Token token, bool kept, Effects& effects) override;
  void on_wake(Now now, Effects& effects) override;
  void drain(Now now, Effects& effects) override;
  bool drained() const override;
  Links links(Now now) const override;

  // True: the password is another one.
  bool set_secrets(Now now, const Account& fresh);

  struct Counts {
    std::uint64_t submits = 0, throttled = 0, delivered = 0, receipts = 0, malformed = 0;
  };
  const Counts& counts() const { return counts_; }
  double rate(Now now) const { return flow_.rate(now.mono); }

 private:
  // A message of which segments are out, or wait here.
  struct Open {
    Outbound message;
    Address from, to;
    std::vector<Segment> segments;
    std::vector<std::string> ids, names;  // what the SMSC calls those it took
    std::size_t answered = 0;
    std::uint16_t reference = 0;
    std::uint8_t priority = 0;
    std::int64_t validity_ms = 0;
    bool resent = false;
  };
  struct Submit {
    std::uint64_t open = 0;
    std::size_t segment = 0;
    Instant deadline;
    std::optional<std::uint16_t> reference;  // user_message_reference, if it has one
    std::string named{};                     // by a receipt that came before the answer and said the reference: it was taken
  };
  // A message that was given up while submits of it had no answer.
  struct Doubt {
    MessageRef ref;
    std::string digits;
    std::size_t segments = 0;           // of which nobody knows
    std::set<std::uint16_t> delivered;  // those of them that a receipt named
  };
  // A delivery that waits for the store, in the order in which it came over its session.
  struct Delivery {
    Header request;
    std::string hash;  // of a citizen's message
    enum class State : std::uint8_t { kWaiting, kKept, kRefused } state = State::kWaiting;
  };
  struct Bound {
    std::unique_ptr<Session> session;
    std::unordered_map<std::uint32_t, Submit> submits;  // by sequence_number
    std::deque<std::uint32_t> order;                    // the same, by deadline; answered ones are passed over
    std::deque<Delivery> deliveries;
    std::uint64_t first_delivery = 0;  // number of the front one
  };

  void on_bound(Now now, Session& session, Effects& effects) override;
  void on_request(Now now, Session& session, Pdu request, std::string_view bytes, Effects& effects) override;
  void on_answer(Now now, Session& session, const Pdu& answer, Effects& effects) override;
  void on_fall(Now now, Session& session, std::uint32_t status, Effects& effects) override;

  void open_sessions();
  std::size_t index_of(const Session& session) const;
  Bound* at_link(LinkId link);
  bool may_transmit(Now now) const;
  int free_slots(bool alert) const;
  int ahead(Now now) const;
  void after(Now now, Effects& effects);  // submits what can be, and asks to be woken
  void submit(Now now, Bound& bound, std::uint64_t id, std::size_t segment, Effects& effects);
  void submit_ready(Now now, Effects& effects);
  void taken(Now now, const Submit& submit, const std::string& id, const std::string& name, Effects& effects);
  void refused(Now now, const Submit& submit, std::uint32_t status, Effects& effects);
  // `asked`: its link stands, so an answer may come yet.
  using Asked = std::pair<LinkId, std::uint32_t>;
  void unanswered(Now now, const Submit& submit, const Asked* asked, Effects& effects);
  void finish(std::uint64_t id, State state, WallTime at, std::string reason, Effects& effects);
  void give_back(Now now, std::uint64_t id, std::int64_t wait_ms, std::string reason, Effects& effects);
  void doubt(const Submit& submit);
  std::optional<MessageRef> in_doubt(std::uint16_t reference, const Message& message, State state);
  void name_submit(std::uint16_t reference, const Message& message, const std::string& name);
  void put_back_unbegun(Now now, Effects& effects);
  int count_try(const MessageRef& ref);
  void late_answer(Now now, Session& session, const Pdu& answer, Effects& effects);
  void tell(Now now, std::uint32_t status, std::string_view what, Effects& effects);
  Event event_of(Now now, const Message& message, std::string hash) const;
  Receipt receipt_of(Now now, const Message& message, const ReceiptNews& news) const;
  void answer_in_order(Now now, Bound& bound, Effects& effects);
  // Our yes to the same bytes went over this link, so these are another's.
  bool was_answered(const std::string& hash, LinkId link);
  void refuse_all(Now now, Effects& effects);
  Message written(const Open& open, const Segment& segment, std::optional<std::uint16_t> reference, bool with_receipt) const;

  Account account_;
  Flow flow_;
  std::vector<Bound> sessions_;
  Instant lease_until_;
  bool ours_ = false;
  bool draining_ = false;
  std::uint32_t refusal_ = 0;    // of the last bind that was refused; 0 once one was taken
  bool no_transceiver_ = false;  // an SMSC of before 3.4
  bool no_reference_ = false;    // an SMSC that does not take user_message_reference

  std::unordered_map<std::uint64_t, Open> open_;
  std::uint64_t next_open_ = 1;
  std::deque<std::pair<std::uint64_t, std::size_t>> alerts_, ready_;  // segments that wait for a slot
  std::multimap<Instant, std::pair<std::uint64_t, std::size_t>> later_;
  // Messages to which our yes was written, until the peer surely has it: should the link fall before, they may come again.
  struct Written {
    LinkId link = 0;
    Instant at;
  };
  std::unordered_map<std::string, Written> written_;  // by hash
  std::deque<std::pair<Instant, std::string>>
      written_at_;  // the same in order; what is not in `written_` any more is passed over
  std::uint16_t next_reference_;
  std::unordered_map<std::string, int> tries_;  // by public id
  std::unordered_map<std::string, std::pair<MessageRef, Instant>>
      suspects_;                                              // recipient's digits -> of whose fate we are uncertain
  std::unordered_map<std::uint64_t, Doubt> doubts_;           // by the number of what was open
  std::unordered_map<std::uint16_t, std::uint64_t> doubted_;  // user_message_reference -> doubt; until the number is used anew
  std::map<Asked, std::pair<MessageRef, std::string>> late_;  // submits given up: their answer may come yet
  std::map<std::uint32_t, Instant> told_;
  Counts counts_;
};

}  // namespace belfry::smpp
