// One account's sender before an SMSC made of values: no socket, no clock.
#include "adapters/smpp/sender.h"

#include <gtest/gtest.h>

#include "adapters/smpp/status.h"

namespace belfry::smpp {
namespace {

struct Town {
  explicit Town(Account a = account()) : sender(std::move(a), now) { lease(); }

  static Account account() {
    Account a;
    a.id = "sms";
    a.host = "smsc";
    a.system_id = "belfry";
    a.password = Secret("secret");
    a.source = {0, 1, "12345"};
    a.window = 10;
    a.rate = 1'000;
    return a;
  }

  void lease() {
    take([&](Effects& out) { sender.on_lease(now, now.mono + 1'000'000, out); });
  }
  template <class F>
  void take(F call) {
    Effects effects;
    call(effects);
    for (Effect& each : effects) {
      if (const auto* dial = std::get_if<Dial>(&each)) links.push_back(dial->link);
      if (const auto* hangup = std::get_if<Hangup>(&each)) hung_up.push_back(hangup->link);
      if (const auto* yes = std::get_if<Acknowledged>(&each)) acknowledged.push_back(yes->provider_id);
      if (auto* deliver = std::get_if<Deliver>(&each)) delivered.push_back(std::move(*deliver));
      if (auto* settle = std::get_if<Settle>(&each)) settled.push_back(std::move(*settle));
      const auto* bytes = std::get_if<Transmit>(&each);
      if (bytes == nullptr) continue;
      Frames frames;
      frames.feed(bytes->bytes);
      while (const auto frame = frames.next()) said.push_back(decode(*frame).pdu);
    }
  }
  void hear(const Pdu& pdu) {
    take([&](Effects& out) { sender.on_bytes(now, links.back(), encode(pdu), out); });
  }
  void up() {
    take([&](Effects& out) { sender.on_link(now, links.back(), LinkState::kUp, out); });
    ASSERT_EQ(said.back().header.command, Command::kBindTransceiver);
    const std::uint32_t sequence = said.back().header.sequence;
    said.clear();
    hear({{answer_to(Command::kBindTransceiver), 0, sequence},
          BindAnswer{"smsc", {number_tlv(tag::kScInterfaceVersion, 0x34, 1)}}});
  }
  void down() {
    take([&](Effects& out) { sender.on_link(now, links.back(), LinkState::kDown, out); });
  }
  void pass(std::int64_t ms) {
    now.mono = now.mono + ms;
    now.wall = now.wall + ms;
    take([&](Effects& out) { sender.on_wake(now, out); });
  }
  void send(std::int64_t n, Lane lane = Lane::kConversation, const std::string& text = "Hello") {
    Content content;
    content.type = "text";
    content.text = text;
    take([&](Effects& out) { sender.send(now, {{"7", n}, "sms", "tel:+4915112345678", content, lane, now.wall}, out); });
  }
  std::vector<Pdu> submits() const {
    std::vector<Pdu> out;
    for (const Pdu& pdu : said) {
      if (pdu.header.command == Command::kSubmitSm) out.push_back(pdu);
    }
    return out;
  }
  void answer(const Pdu& submit, std::uint32_t status = 0, const std::string& id = "A1") {
    if (status == 0)
      hear({{answer_to(Command::kSubmitSm), 0, submit.header.sequence}, MessageAnswer{id, {}}});
    else
      hear({{answer_to(Command::kSubmitSm), status, submit.header.sequence}, Empty{}});
  }
  State state(std::size_t i) const { return std::get<Receipt>(settled.at(i).what).state; }
  // A receipt with an id that nobody knows.
  const Receipt& receipt(MessageState state, std::optional<std::uint32_t> reference, const std::string& from = "4915112345678") {
    Message m;
    m.source = {1, 1, from};
    m.destination = {0, 1, "12345"};
    m.esm_class = 4;
    m.tlvs = {{tag::kReceiptedMessageId, std::string("77\0", 3)},
              number_tlv(tag::kMessageState, static_cast<std::uint32_t>(state), 1)};
    if (reference) m.tlvs.push_back(number_tlv(tag::kUserMessageReference, *reference, 2));
    hear({{Command::kDeliverSm, 0, 900}, m});
    return std::get<Receipt>(delivered.back().event);
  }
  static std::optional<std::uint32_t> reference_of(const Pdu& submit) {
    return number_in(std::get<Message>(submit.body).tlvs, tag::kUserMessageReference);
  }
  void deliver(const std::string& text, std::uint32_t sequence) {
    Message m;
    m.source = {1, 1, "4915112345678"};
    m.destination = {0, 1, "12345"};
    m.short_message = text;
    hear({{Command::kDeliverSm, 0, sequence}, m});
  }

  Now now{Instant{1'000'000}, WallTime{1'795'449'600'000}};
  Sender sender;
  std::vector<LinkId> links, hung_up;
  std::vector<Pdu> said;
  std::vector<Deliver> delivered;
  std::vector<Settle> settled;
  std::vector<std::string> acknowledged;
};

TEST(SmppSender, BindsSubmitsAndSettles) {
  Town t;
  EXPECT_EQ(t.sender.credit(t.now).messages, 0) << "nothing is bound";
  t.up();
  EXPECT_EQ(t.sender.credit(t.now).messages, 9);
  EXPECT_EQ(t.sender.credit(t.now).alerts, 10);
  t.send(1);
  ASSERT_EQ(t.submits().size(), 1U);
  EXPECT_EQ(std::get<Message>(t.submits()[0].body).destination.digits, "4915112345678");
  t.answer(t.submits()[0], 0, "00AB");
  ASSERT_EQ(t.settled.size(), 1U);
  const auto& receipt = std::get<Receipt>(t.settled[0].what);
  EXPECT_EQ(receipt.state, State::kSent);
  EXPECT_EQ(receipt.provider_id, "00AB");
  EXPECT_EQ(receipt.names, std::vector<std::string>{"ab|5678"});
}

TEST(SmppSender, NeverOverTheWindowAndASlotIsLeftForAlerts) {
  Town t;
  t.up();
  for (int n = 1; n <= 15; ++n) t.send(n);
  EXPECT_EQ(t.submits().size(), 9U);
  t.send(16, Lane::kAlert);
  t.send(17, Lane::kAlert);
  EXPECT_EQ(t.submits().size(), 10U);
  EXPECT_EQ(std::get<Message>(t.submits()[9].body).priority, 1);
  t.answer(t.submits()[0]);
  EXPECT_EQ(t.submits().size(), 11U) << "the second alert goes before all others";
  EXPECT_EQ(std::get<Message>(t.submits()[10].body).priority, 1);
}

TEST(SmppSender, AFallenLinkLeavesRepliesUncertainAndRepeatsAlertsOnce) {
  Town t;
  t.up();
  t.send(1);
  t.send(2, Lane::kAlert);
  t.down();
  ASSERT_EQ(t.settled.size(), 1U);
  EXPECT_EQ(t.state(0), State::kUncertain);
  t.pass(1'500);
  ASSERT_EQ(t.links.size(), 2U) << "dials again";
  t.up();
  ASSERT_EQ(t.submits().size(), 1U) << "the alert, and no reply";
  t.down();
  EXPECT_EQ(t.settled.size(), 2U);
  EXPECT_EQ(t.state(1), State::kUncertain);
}

TEST(SmppSender, AnAnswerThatComesLateTeachesTheName) {
  Town t;
  t.up();
  t.send(1);
  t.pass(10'000);
  ASSERT_EQ(t.settled.size(), 1U);
  EXPECT_EQ(t.state(0), State::kUncertain);
  t.answer(t.submits()[0], 0, "B2");
  ASSERT_EQ(t.delivered.size(), 1U);
  const auto& receipt = std::get<Receipt>(t.delivered[0].event);
  EXPECT_EQ(receipt.names, std::vector<std::string>{"b2|5678"});
  EXPECT_EQ(receipt.ref->n, 1);
}

TEST(SmppSender, EachStatusHasItsWay) {
  Town t;
  t.up();
  t.send(1);
  t.answer(t.submits()[0], 0x0B);
  EXPECT_EQ(t.state(0), State::kFailed);
  t.send(2);
  t.answer(t.submits()[1], 0x14);
  EXPECT_GE(std::get<Returned>(t.settled[1].what).not_before.ms, t.now.wall.ms + 30'000);
  t.pass(1'000);
  t.send(3);
  t.answer(t.submits()[2], 0x58);
  EXPECT_EQ(t.settled.size(), 2U) << "a throttled one stays, and goes first";
  t.pass(500);
  ASSERT_EQ(t.submits().size(), 4U);
  t.answer(t.submits()[3]);
  EXPECT_EQ(t.state(2), State::kSent);
  for (int tries = 0; tries < 3; ++tries) {
    t.send(4);
    t.answer(t.submits().back(), 0x08);
    EXPECT_TRUE(std::holds_alternative<Returned>(t.settled.back().what));
  }
  t.send(4);
  t.answer(t.submits().back(), 0x08);
  EXPECT_EQ(std::get<Receipt>(t.settled.back().what).state, State::kFailed);
}

TEST(SmppSender, ALongMessageIsSentWhenAllOfItIs) {
  Town t;
  t.up();
  t.send(1, Lane::kConversation, std::string(400, 'x'));
  ASSERT_EQ(t.submits().size(), 3U);
  t.answer(t.submits()[2], 0, "3");
  t.answer(t.submits()[0], 0, "1");
  EXPECT_TRUE(t.settled.empty());
  t.answer(t.submits()[1], 0x58);
  t.pass(500);
  t.answer(t.submits()[3], 0, "2");
  ASSERT_EQ(t.settled.size(), 1U);
  EXPECT_EQ(std::get<Receipt>(t.settled[0].what).names.size(), 3U);
}

TEST(SmppSender, CitizensHearYesInOrderAndOnlyWhenKept) {
  Town t;
  t.up();
  t.deliver("one", 11);
  t.deliver("two", 0xFFFFFFFF);
  t.deliver("three", 0);
  ASSERT_EQ(t.delivered.size(), 3U);
  EXPECT_TRUE(t.said.empty());
  t.take([&](Effects& out) { t.sender.on_stored(t.now, t.delivered[2].token, true, out); });
  t.take([&](Effects& out) { t.sender.on_stored(t.now, t.delivered[1].token, false, out); });
  EXPECT_TRUE(t.said.empty()) << "the first is not kept yet";
  t.take([&](Effects& out) { t.sender.on_stored(t.now, t.delivered[0].token, true, out); });
  ASSERT_EQ(t.said.size(), 3U);
  EXPECT_EQ((std::vector<std::uint32_t>{t.said[0].header.sequence, t.said[1].header.sequence, t.said[2].header.sequence}),
            (std::vector<std::uint32_t>{11, 0xFFFFFFFF, 0}));
  EXPECT_EQ((std::vector<std::uint32_t>{t.said[0].header.status, t.said[1].header.status, t.said[2].header.status}),
            (std::vector<std::uint32_t>{0, 0x64, 0}));
  EXPECT_TRUE(t.acknowledged.empty()) << "the peer may not have heard it yet";
  t.deliver("one", 12);
  EXPECT_EQ(std::get<Inbound>(t.delivered[3].event).provider_id, std::get<Inbound>(t.delivered[0].event).provider_id)
      << "the same bytes have the same name";
  EXPECT_TRUE(std::get<Inbound>(t.delivered[3].event).fresh) << "but he has our yes to the first";
  EXPECT_FALSE(std::get<Inbound>(t.delivered[0].event).fresh);
  t.down();
  t.take([&](Effects& out) { t.sender.on_stored(t.now, t.delivered[3].token, true, out); });
  t.pass(2'000);
  EXPECT_TRUE(t.acknowledged.empty()) << "the link is gone: they may come again";
}

TEST(SmppSender, AYesThatThePeerHasIsTheEndOfItsName) {
  Town t;
  t.up();
  t.deliver("one", 11);
  t.take([&](Effects& out) { t.sender.on_stored(t.now, t.delivered[0].token, true, out); });
  t.pass(999);
  EXPECT_TRUE(t.acknowledged.empty());
  t.pass(1);
  EXPECT_EQ(t.acknowledged, std::vector<std::string>{std::get<Inbound>(t.delivered[0].event).provider_id});
}

TEST(SmppSender, ASilentPeerIsAskedAndThenLeft) {
  Town t;
  t.up();
  t.pass(30'000);
  ASSERT_EQ(t.said.size(), 1U);
  EXPECT_EQ(t.said[0].header.command, Command::kEnquireLink);
  t.pass(30'000);
  t.pass(31'000);
  EXPECT_EQ(t.hung_up.size(), 1U);
}

TEST(SmppSender, WhatIsNotUnderstoodIsAnswered) {
  Town t;
  t.up();
  t.hear({{static_cast<Command>(0x00010299), 0, 5}, Empty{}});
  EXPECT_EQ(t.said.at(0).header, (Header{Command::kGenericNack, 3, 5}));
  t.hear({{Command::kSubmitSm, 0, 6}, Message{}});
  EXPECT_EQ(t.said.at(1).header, (Header{answer_to(Command::kSubmitSm), kInvBindState, 6}));
  t.take([&](Effects& out) {
    t.sender.on_bytes(t.now, t.links.back(), std::string("\0\0\0\x12\0\0\0\5\0\0\0\0\0\0\0\7ab", 18), out);
  });
  EXPECT_EQ(t.said.at(2).header, (Header{answer_to(Command::kDeliverSm), 2, 7})) << "a deliver_sm without its fields";
  t.take([&](Effects& out) { t.sender.on_bytes(t.now, t.links.back(), std::string("\0\0\0\1", 4), out); });
  EXPECT_EQ(t.said.at(3).header.command, Command::kGenericNack);
  EXPECT_EQ(t.hung_up.size(), 1U);
}

TEST(SmppSender, AWrongPasswordIsNotInsistedOn) {
  Town t;
  t.take([&](Effects& out) { t.sender.on_link(t.now, t.links.back(), LinkState::kUp, out); });
  t.hear({{answer_to(Command::kBindTransceiver), 0x0E, 1}, Empty{}});
  EXPECT_EQ(t.sender.links(t.now).words, "the SMSC refused the bind: RINVPASWD (0x0E), the password is wrong");
  t.pass(200'000);
  EXPECT_EQ(t.links.size(), 1U);
  t.pass(101'000);
  EXPECT_EQ(t.links.size(), 2U);
  EXPECT_EQ(t.delivered.size(), 1U) << "an operator hears";
}

TEST(SmppSender, AnSmscWithoutTransceiversGetsAPair) {
  Town t;
  t.take([&](Effects& out) { t.sender.on_link(t.now, t.links.back(), LinkState::kUp, out); });
  t.hear({{Command::kGenericNack, 3, 1}, Empty{}});
  t.pass(2'500);
  ASSERT_EQ(t.links.size(), 3U);
  t.said.clear();
  for (const LinkId link : {t.links[1], t.links[2]})
    t.take([&](Effects& out) { t.sender.on_link(t.now, link, LinkState::kUp, out); });
  std::vector<Command> binds{t.said.at(0).header.command, t.said.at(1).header.command};
  std::sort(binds.begin(), binds.end());
  EXPECT_EQ(binds, (std::vector<Command>{Command::kBindReceiver, Command::kBindTransmitter}));
}

TEST(SmppSender, ALostLeaseEndsItAndWhatWasNotBegunGoesBack) {
  Town t;
  t.up();
  for (int n = 1; n <= 12; ++n) t.send(n);
  t.take([&](Effects& out) { t.sender.on_lease(t.now, Instant{}, out); });
  EXPECT_EQ(t.hung_up.size(), 1U);
  ASSERT_EQ(t.settled.size(), 12U);
  int uncertain = 0, returned = 0;
  for (const Settle& each : t.settled) (std::holds_alternative<Returned>(each.what) ? returned : uncertain) += 1;
  EXPECT_EQ(uncertain, 9);
  EXPECT_EQ(returned, 3);
  EXPECT_EQ(t.sender.credit(t.now).alerts, 0);
}

TEST(SmppSender, NothingLeavesInTheLastSecondOfALease) {
  Town t;
  t.up();
  t.take([&](Effects& out) { t.sender.on_lease(t.now, t.now.mono + 900, out); });
  EXPECT_EQ(t.sender.credit(t.now).alerts, 0);
  t.send(1);
  EXPECT_TRUE(t.submits().empty());
  t.lease();
  EXPECT_EQ(t.submits().size(), 1U);
}

TEST(SmppSender, AStopWaitsForAnswersAndUnbinds) {
  Town t;
  t.up();
  t.send(1);
  t.take([&](Effects& out) { t.sender.drain(t.now, out); });
  EXPECT_FALSE(t.sender.drained());
  const Pdu submit = t.submits()[0];
  t.answer(submit);
  ASSERT_EQ(t.said.back().header.command, Command::kUnbind);
  t.hear({{answer_to(Command::kUnbind), 0, t.said.back().header.sequence}, Empty{}});
  EXPECT_TRUE(t.sender.drained());
}

TEST(SmppSender, ClaimsAheadOfItsWindowAsMuchAsATenthOfASecondTakes) {
  Town t;
  t.up();
  std::int64_t n = 0;
  for (int taken = 0; taken < 50; ++taken) {
    t.send(++n);
    t.answer(t.submits().back());
    t.pass(10);
  }
  EXPECT_EQ(t.sender.credit(t.now).messages, 9 + 5);
  EXPECT_EQ(t.sender.credit(t.now).alerts, 10 + 5);
  t.said.clear();
  for (int i = 0; i < 14; ++i) t.send(++n);
  EXPECT_EQ(t.submits().size(), 9U) << "the window is the window";
  EXPECT_EQ(t.sender.credit(t.now).messages, 0);
  EXPECT_EQ(t.sender.credit(t.now).alerts, 6);
  t.send(100, Lane::kAlert);
  t.send(101, Lane::kAlert);
  ASSERT_EQ(t.submits().size(), 10U);
  t.answer(t.submits()[0]);
  ASSERT_EQ(t.submits().size(), 11U);
  EXPECT_EQ(std::get<Message>(t.submits()[10].body).priority, 1) << "no alert stands behind what was claimed ahead";
  t.pass(2'000);
  for (std::size_t i = 1; i < 11; ++i) t.answer(t.submits()[i]);
  EXPECT_EQ(t.submits().size(), 16U) << "what waited here leaves without a claim";
}

TEST(SmppSender, WhatWaitsGoesBackWhenNoLinkStands) {
  Town t;
  t.up();
  for (int n = 1; n <= 12; ++n) t.send(n);
  t.send(13, Lane::kAlert);
  t.send(14, Lane::kAlert);
  t.down();
  int uncertain = 0, returned = 0;
  for (const Settle& each : t.settled) (std::holds_alternative<Returned>(each.what) ? returned : uncertain) += 1;
  EXPECT_EQ(uncertain, 9);
  EXPECT_EQ(returned, 4) << "three replies and the alert that waited; the alert that was out is sent once more";
  t.pass(1'500);
  t.up();
  EXPECT_EQ(t.submits().size(), 1U);
}

TEST(SmppSender, AReceiptThatSaysOurReferenceDecidesExactly) {
  Town t;
  t.up();
  t.send(1);
  t.send(2);
  const auto first = Town::reference_of(t.submits()[0]), second = Town::reference_of(t.submits()[1]);
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  t.down();
  t.pass(1'500);
  t.up();
  EXPECT_FALSE(t.receipt(MessageState::kDelivered, *first ^ 0x100U).suspect) << "another's, though the number is the same";
  EXPECT_FALSE(t.receipt(MessageState::kDelivered, first, "4915187654321").suspect) << "it went to another number";
  EXPECT_FALSE(t.receipt(MessageState::kEnroute, first).suspect);
  EXPECT_EQ(t.receipt(MessageState::kDelivered, first).suspect->n, 1) << "the number alone would say the second";
  EXPECT_EQ(t.receipt(MessageState::kDelivered, first).suspect->n, 1) << "the SMSC says it again, for our yes was lost";
  EXPECT_EQ(t.receipt(MessageState::kUndeliverable, second).suspect->n, 2);
}

TEST(SmppSender, AReceiptBeforeTheAnswerIsAsGoodAsOne) {
  Town t;
  t.up();
  t.send(1);
  t.send(2, Lane::kAlert);
  for (const Pdu& submit : t.submits()) EXPECT_FALSE(t.receipt(MessageState::kDelivered, Town::reference_of(submit)).suspect);
  EXPECT_TRUE(t.settled.empty()) << "its slot is taken until the answer comes";
  t.down();
  ASSERT_EQ(t.settled.size(), 2U) << "nothing is in doubt, and the alert is not sent again";
  EXPECT_EQ(t.state(0), State::kSent);
  EXPECT_EQ(t.state(1), State::kSent);
  EXPECT_EQ(std::get<Receipt>(t.settled[0].what).names, std::vector<std::string>{"77|5678"});
}

TEST(SmppSender, ALongMessageInDoubtIsDeliveredByItsLastReference) {
  Town t;
  t.up();
  t.send(1, Lane::kConversation, std::string(400, 'x'));
  const auto submits = t.submits();
  ASSERT_EQ(submits.size(), 3U);
  t.answer(submits[0]);
  t.down();
  t.pass(1'500);
  t.up();
  EXPECT_FALSE(t.receipt(MessageState::kDelivered, Town::reference_of(submits[1])).suspect);
  EXPECT_FALSE(t.receipt(MessageState::kDelivered, Town::reference_of(submits[1])).suspect) << "the same again";
  EXPECT_EQ(t.receipt(MessageState::kDelivered, Town::reference_of(submits[2])).suspect->n, 1);
}

TEST(SmppSender, AnSmscThatTakesNoReferenceIsSentNone) {
  Town t;
  t.up();
  t.send(1);
  t.send(2);
  const auto submits = t.submits();
  t.answer(submits[0], 0xC1);
  t.answer(submits[1], 0xC1);
  ASSERT_EQ(t.submits().size(), 4U);
  EXPECT_FALSE(Town::reference_of(t.submits()[2]));
  EXPECT_FALSE(Town::reference_of(t.submits()[3]));
  EXPECT_TRUE(t.settled.empty());
  t.answer(t.submits()[2], 0xC1);
  EXPECT_EQ(t.state(0), State::kFailed) << "then it was another parameter";
}

TEST(SmppFlow, StaysBelowALimitThatNobodyTold) {
  Flow flow(1'000, Instant{0});
  int taken = 0, throttled = 0, in_second = 0;
  const std::int64_t from = 30'000, until = 90'000;
  for (std::int64_t ms = 0; ms < until; ++ms) {
    const Instant now{ms};
    if (ms % 1'000 == 0) in_second = 0;
    while (flow.ready(now) > 0) {
      flow.sent(now);
      if (in_second < 300) {  // of each second the SMSC takes 300
        ++in_second;
        flow.accepted(now);
        taken += ms >= from ? 1 : 0;
      } else {
        flow.throttled(now);
        throttled += ms >= from ? 1 : 0;
      }
    }
  }
  EXPECT_GT(taken, 0.9 * 300 * static_cast<double>(until - from) / 1'000);
  EXPECT_LT(throttled, taken / 20);
}

}  // namespace
}  // namespace belfry::smpp
