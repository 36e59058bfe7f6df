// A sender before SMSCs that lose, repeat, reorder and delay, by seed: what was promised to either side holds with all of them.
// Around it stands as much of the gateway as it takes: a lane, a store that dedupes as ours does, and the names of messages.
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "adapters/smpp/sender.h"
#include "adapters/smpp/status.h"

namespace belfry::smpp {
namespace {

constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kWild = 40 * kSecond;
constexpr std::int64_t kCalm = 200 * kSecond;
constexpr int kReplies = 150, kCitizens = 60, kWindow = 8;

constexpr std::uint32_t code(Command command) { return static_cast<std::uint32_t>(command); }

Account account() {
  Account a;
  a.id = "sms";
  a.host = "smsc";
  a.system_id = "belfry";
  a.password = Secret("secret");
  a.source = {0, 1, "12345"};
  a.window = kWindow;
  a.rate = 100;
  a.response_timeout_ms = 2 * kSecond;
  a.enquire_link_ms = 3 * kSecond;
  return a;
}

class Town {
 public:
  explicit Town(unsigned seed) : seed_(seed), chance_(seed), echoes_(seed % 2 == 0), sender_(account(), now()) {}

  void run() {
    for (int n = 1; n <= kReplies; ++n) at(static_cast<std::int64_t>(below(kWild)), [this, n] { lane_.push_back(n); });
    for (int n = 1; n <= kCitizens; ++n)
      at(static_cast<std::int64_t>(below(kWild)), [this, n] { say("mo " + std::to_string(n)); });
    if (one_in(3)) lost_from_ = static_cast<std::int64_t>(below(kWild));
    for (std::int64_t ms = 0; ms < kWild + kCalm; ms += 500) at(ms, [this] { beat(); });
    while (!events_.empty() && ms_ < kWild + kCalm && !testing::Test::HasFatalFailure()) {
      const auto next = events_.begin();
      ms_ = next->first;
      const auto what = std::move(next->second);
      events_.erase(next);
      what();
      pump();
    }
    check();
  }

 private:
  struct Link {
    bool up = false;
    Frames frames;
    int outstanding = 0;
    std::uint32_t sequence = 0;
    std::map<std::uint32_t, std::pair<std::string, Message>> asked;  // deliveries of this link that wait for our answer
  };
  struct Taken {
    int n = 0;
    std::string id;
    std::optional<std::uint32_t> reference;
    Address to;
  };

  bool wild() const { return ms_ < kWild; }
  std::uint64_t below(std::int64_t n) { return chance_() % static_cast<std::uint64_t>(n); }
  bool one_in(int n) { return below(n) == 0; }
  bool fault(int n) { return wild() && one_in(n); }
  Now now() const { return {Instant{1'000'000 + ms_}, WallTime{1'795'449'600'000 + ms_}}; }
  void at(std::int64_t ms, std::function<void()> what) { events_.emplace(ms, std::move(what)); }
  void in(std::uint64_t ms, std::function<void()> what) { at(ms_ + static_cast<std::int64_t>(ms), std::move(what)); }

  template <class F>
  void take(F call) {
    Effects effects;
    call(effects);
    for (Effect& each : effects) run(each);
  }

  void run(Effect& effect) {
    if (auto* dial = std::get_if<Dial>(&effect)) {
      const LinkId id = dial->link;
      const bool refused = fault(4);
      links_[id];
      in(below(50), [this, id, refused] {
        if (!links_.contains(id)) return;
        if (refused) return fall(id);
        links_[id].up = true;
        take([&](Effects& out) { sender_.on_link(now(), id, LinkState::kUp, out); });
      });
    } else if (auto* bytes = std::get_if<Transmit>(&effect)) {
      in(1 + below(5), [this, id = bytes->link, octets = bytes->bytes] { smsc_hears(id, octets); });
    } else if (auto* hangup = std::get_if<Hangup>(&effect)) {
      gone(hangup->link);
    } else if (auto* wake = std::get_if<Wake>(&effect)) {
      wake_at(std::max(ms_ + 1, wake->at.ms - 1'000'000));
    } else if (auto* deliver = std::get_if<Deliver>(&effect)) {
      in(below(30), [this, what = std::move(*deliver)] { store(what); });
    } else if (auto* settle = std::get_if<Settle>(&effect)) {
      if (const auto* receipt = std::get_if<Receipt>(&settle->what)) {
        ASSERT_EQ(held_.erase(static_cast<int>(receipt->ref->n)), 1U) << "settled once";
        news(*receipt);
      } else {
        const Returned& back = std::get<Returned>(settle->what);
        const auto n = static_cast<int>(back.ref.n);
        ASSERT_EQ(held_.erase(n), 1U) << "settled once";
        in(static_cast<std::uint64_t>(std::max<std::int64_t>(0, back.not_before - now().wall)),
           [this, n] { lane_.push_back(n); });
      }
    } else if (auto* yes = std::get_if<Acknowledged>(&effect)) {
      unanswered_.erase(yes->provider_id);
    }
  }

  // ---- the gateway

  // Of all that were asked for the earliest counts: it asks anew.
  void wake_at(std::int64_t ms) {
    if (ms >= wake_) return;
    wake_ = ms;
    at(ms, [this, ms] {
      if (wake_ != ms) return;
      wake_ = INT64_MAX;
      take([&](Effects& out) { sender_.on_wake(now(), out); });
    });
  }

  static bool is_alert(int n) { return n % 10 == 0; }
  std::string number_of(int n) const { return "49151" + std::to_string(10'000'000 + (echoes_ ? n % 7 : n)); }

  void beat() {
    const bool lost = lost_from_ >= 0 && ms_ >= lost_from_ && ms_ < lost_from_ + 3 * kSecond;
    take([&](Effects& out) { sender_.on_lease(now(), lost ? Instant{} : now().mono + 4 * kSecond, out); });
  }
  void pump() {
    while (!lane_.empty()) {
      const Credit credit = sender_.credit(now());
      const int n = lane_.front();
      if ((is_alert(n) ? credit.alerts : credit.messages) <= 0) return;
      lane_.pop_front();
      held_.insert(n);
      Content content;
      content.type = "text";
      content.text = "reply " + std::to_string(n);
      take([&](Effects& out) {
        sender_.send(
            now(),
            {{"7", n}, "sms", "tel:+" + number_of(n), content, is_alert(n) ? Lane::kAlert : Lane::kConversation, now().wall},
            out);
      });
    }
  }
  void store(const Deliver& what) {
    const bool refused = fault(10), unheard = fault(20);
    if (!refused) keep(what.event);
    take([&](Effects& out) { sender_.on_stored(now(), what.token, !refused && !unheard, out); });
  }
  void keep(const Event& event) {
    if (const auto* inbound = std::get_if<Inbound>(&event)) {
      if (unanswered_.insert(inbound->provider_id).second || inbound->fresh) ++stored_[inbound->content.text];
    } else if (const auto* receipt = std::get_if<Receipt>(&event)) {
      news(*receipt);
    }
  }
  void news(const Receipt& receipt) {
    if (receipt.ref) {
      const auto n = static_cast<int>(receipt.ref->n);
      move(n, receipt.state);
      for (const std::string& name : receipt.names) {
        const std::string id = name.substr(0, name.find('|'));
        names_[id] = n;
        if (const auto early = early_.find(id); early != early_.end()) move(n, early->second);
      }
      return;
    }
    const std::string& id = receipt.names.at(0);
    if (const auto known = names_.find(id); known != names_.end()) return move(known->second, receipt.state);
    if (!receipt.suspect) {
      early_[id] = receipt.state;
      return;
    }
    const auto n = static_cast<int>(receipt.suspect->n);
    if (state_[n] != State::kUncertain) return;
    EXPECT_EQ(owner_.at(id), n) << "a receipt decides for the message that it is about";
    move(n, receipt.state);
  }
  void move(int n, State to) {
    if (!state_.contains(n) || rank(to) > rank(state_[n])) state_[n] = to;
  }

  // ---- the SMSC

  void gone(LinkId id) {
    const auto it = links_.find(id);
    if (it == links_.end()) return;
    for (auto& [sequence, what] : it->second.asked) again(what.first, what.second);
    links_.erase(it);
  }
  void fall(LinkId id) {
    if (!links_.contains(id)) return;
    gone(id);
    take([&](Effects& out) { sender_.on_link(now(), id, LinkState::kDown, out); });
  }
  void say_to(LinkId id, const Pdu& pdu) {
    const auto it = links_.find(id);
    if (it == links_.end() || !it->second.up) return;
    const std::string bytes = encode(pdu);
    const std::size_t cut = below(static_cast<std::int64_t>(bytes.size()));
    take([&](Effects& out) { sender_.on_bytes(now(), id, std::string_view(bytes).substr(0, cut), out); });
    if (links_.contains(id)) take([&](Effects& out) { sender_.on_bytes(now(), id, std::string_view(bytes).substr(cut), out); });
  }
  void smsc_hears(LinkId id, const std::string& bytes) {
    const auto it = links_.find(id);
    if (it == links_.end() || !it->second.up) return;  // it was on its way when the link fell
    it->second.frames.feed(bytes);
    while (links_.contains(id)) {
      const auto frame = links_[id].frames.next();
      if (!frame) return;
      const Pdu pdu = decode(*frame).pdu;
      const auto reply = [this, id, header = pdu.header](std::uint32_t status, auto body) {
        say_to(id, {{answer_to(header.command), status, header.sequence}, std::move(body)});
      };
      switch (code(pdu.header.command)) {
        case code(Command::kBindTransceiver):
          bound_.insert(id);
          reply(kOk, BindAnswer{"smsc", {number_tlv(tag::kScInterfaceVersion, 0x34, 1)}});
          break;
        case code(Command::kEnquireLink):
          if (!fault(5)) reply(kOk, Empty{});
          break;
        case code(Command::kSubmitSm): submitted(id, pdu); break;
        case code(answer_to(Command::kDeliverSm)): {
          auto& asked = links_[id].asked;
          const auto what = asked.find(pdu.header.sequence);
          if (what == asked.end()) break;
          if (pdu.header.status == kOk)
            ++yes_[what->second.first];
          else
            again(what->second.first, what->second.second);
          asked.erase(what);
          break;
        }
        default: break;
      }
    }
  }
  void submitted(LinkId id, const Pdu& pdu) {
    Link& link = links_[id];
    ASSERT_LE(++link.outstanding, kWindow) << "over the window";
    if (fault(40)) return fall(id);  // lost with its link
    const auto& message = std::get<Message>(pdu.body);
    const auto answer = [this, id, sequence = pdu.header.sequence](std::uint32_t status, const std::string& name) {
      const auto it = links_.find(id);
      if (it == links_.end()) return;
      --it->second.outstanding;
      const auto what = [this, id, sequence, status, name] {
        status == kOk ? say_to(id, {{answer_to(Command::kSubmitSm), kOk, sequence}, MessageAnswer{name, {}}})
                      : say_to(id, {{answer_to(Command::kSubmitSm), status, sequence}, Empty{}});
      };
      what();
      if (fault(20)) in(below(100), what);
    };
    if (fault(15)) {
      const std::uint32_t status = one_in(2) ? kThrottled : kQueueFull;
      return in(below(200), [answer, status] { answer(status, ""); });
    }
    Taken taken;
    taken.n = std::stoi(message.short_message.substr(6));
    taken.id = "m" + std::to_string(++ids_);
    taken.reference = number_in(message.tlvs, tag::kUserMessageReference);
    taken.to = message.destination;
    owner_[taken.id] = taken.n;
    ++accepted_[taken.n];
    const auto receipt = [this, taken] { receipt_of(taken); };
    in(below(wild() ? 6'000 : 500), receipt);
    if (fault(8)) in(below(9'000), receipt);
    if (fault(25)) return fall(id);  // taken, and the link falls before the answer
    if (fault(25)) {                 // taken, and never answered
      in(3 * kSecond, [this, id] {
        if (const auto it = links_.find(id); it != links_.end()) --it->second.outstanding;
      });
      return;
    }
    in(below(fault(15) ? 4'000 : 150), [answer, name = taken.id] { answer(kOk, name); });
  }
  void receipt_of(const Taken& taken) {
    Message m;
    m.source = taken.to;
    m.destination = {0, 1, "12345"};
    m.esm_class = 4;
    m.tlvs = {{tag::kReceiptedMessageId, taken.id + '\0'}, number_tlv(tag::kMessageState, 2, 1)};
    if (echoes_ && taken.reference) m.tlvs.push_back(number_tlv(tag::kUserMessageReference, *taken.reference, 2));
    hand(taken.id + " receipt", m);
  }
  void say(const std::string& text) {
    Message m;
    m.source = {1, 1, "4915200000001"};
    m.destination = {0, 1, "12345"};
    m.short_message = text;
    said_.insert(text);
    hand(text, m);
  }
  void again(const std::string& what, const Message& message) {
    in(200 + below(2'000), [this, what, message] { hand(what, message); });
  }
  void hand(const std::string& what, const Message& message) {
    for (auto& [id, link] : links_) {
      if (!link.up || !bound_.contains(id)) continue;
      const std::uint32_t sequence = ++link.sequence;
      link.asked[sequence] = {what, message};
      if (fault(30)) return fall(id);
      return say_to(id, {{Command::kDeliverSm, 0, sequence}, message});
    }
    again(what, message);
  }

  void check() {
    EXPECT_TRUE(held_.empty() && lane_.empty()) << "every message comes to rest";
    for (const std::string& text : said_) {
      EXPECT_EQ(stored_[text], 1) << text << ": neither lost nor shown twice";
      EXPECT_GE(yes_[text], 1) << text;
    }
    for (int n = 1; n <= kReplies; ++n) {
      ASSERT_TRUE(state_.contains(n)) << n;
      const State state = state_[n];
      EXPECT_LE(accepted_[n], is_alert(n) ? 2 : 1) << "reply " << n << " is not repeated";
      EXPECT_TRUE(accepted_[n] > 0 || state == State::kUncertain || state == State::kFailed) << n << ": nobody took it";
      EXPECT_TRUE(accepted_[n] == 0 || !echoes_ || is_alert(n) || state == State::kDelivered)
          << n << ": its receipt came, and says whose it is; it is " << shown(state) << " taken " << accepted_[n];
    }
  }

  unsigned seed_;
  std::mt19937_64 chance_;
  bool echoes_;  // our references, in its receipts
  std::int64_t ms_ = 0, lost_from_ = -1, wake_ = INT64_MAX;
  std::multimap<std::int64_t, std::function<void()>> events_;
  Sender sender_;
  std::deque<int> lane_;
  std::set<int> held_;
  std::map<int, State> state_;
  std::set<std::string> unanswered_;
  std::map<std::string, int> stored_, names_;
  std::map<std::string, State> early_;
  std::map<LinkId, Link> links_;
  std::set<LinkId> bound_;
  std::uint64_t ids_ = 0;
  std::map<std::string, int> owner_, yes_;
  std::map<int, int> accepted_;
  std::set<std::string> said_;
};

TEST(SmppLossy, WhatWasPromisedHoldsWithEverySmsc) {
  for (unsigned seed = 1; seed <= 200 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Town(seed).run();
  }
}

}  // namespace
}  // namespace belfry::smpp
