// PDUs of SMPP against recorded bytes of others, against themselves, and one octet at a time.
#include "adapters/smpp/pdu.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <random>

#include "adapters/wire/crypto.h"

namespace belfry::smpp {
namespace {

std::vector<std::pair<std::string, std::string>> recorded() {
  std::vector<std::pair<std::string, std::string>> out;
  const std::filesystem::path dir = std::filesystem::path(BELFRY_SHARED_DATA) / "smpp/pdu";
  if (!std::filesystem::exists(dir)) return out;
  for (const auto& each : std::filesystem::directory_iterator(dir)) {
    std::ifstream file(each.path());
    std::string hex, word;
    while (file >> word) hex += word;
    if (auto bytes = wire::from_hex(hex)) out.emplace_back(each.path().filename(), *bytes);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string pdu_of(std::string_view file) {
  for (const auto& [name, bytes] : recorded()) {
    if (name.find(file) != std::string::npos) return bytes;
  }
  return "";
}

std::vector<std::string> frames_of(const std::string& bytes, std::size_t step) {
  Frames frames;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    frames.feed(std::string_view(bytes).substr(at, step));
    while (const auto frame = frames.next()) out.emplace_back(*frame);
  }
  return out;
}

TEST(SmppPdu, RecordedBytesAreReadAndAStreamMayBeCutAnywhere) {
  if (recorded().empty()) GTEST_SKIP() << "no recorded PDUs beside this tree";
  for (const auto& [name, bytes] : recorded()) {
    EXPECT_EQ(frames_of(bytes, bytes.size()), frames_of(bytes, 1)) << name;
    for (const std::string& frame : frames_of(bytes, bytes.size())) {
      const Read read = decode(frame);
      if (is_answer(read.pdu.header.command)) {
        EXPECT_EQ(read.fault, 0U) << name;
      }
    }
  }
}

TEST(SmppPdu, PeersWhoAreCarelessAreUnderstood) {
  if (recorded().empty()) GTEST_SKIP() << "no recorded PDUs beside this tree";
  const Read receipt = decode(pdu_of("cloudhopper-decodedeliveryreceipt0"));
  const auto& message = std::get<Message>(receipt.pdu.body);
  EXPECT_EQ(message.source.digits, "44951361920");
  EXPECT_TRUE(find(message.tlvs, tag::kReceiptedMessageId)->starts_with("126e85a6edeac1a0"));
  EXPECT_EQ(number_in(message.tlvs, tag::kMessageState), 2U);
  const Read refused = decode(pdu_of("jasmin-unknown-command-status-34"));
  EXPECT_EQ(refused.pdu.header.status, 34U);
  const Read payload = decode(pdu_of("jasmin-deliver-sm-with-message-payload"));
  EXPECT_FALSE(text_of(std::get<Message>(payload.pdu.body)).empty());
}

TEST(SmppPdu, ALengthThatIsNoneEndsTheStream) {
  for (const std::string& bytes :
       {std::string("\0\0\0\x0F", 4), std::string("\x01\0\0\0", 4), std::string("\xFF\xFF\xFF\xFF", 4)}) {
    Frames frames;
    frames.feed(bytes);
    EXPECT_EQ(frames.next(), std::nullopt);
    EXPECT_TRUE(frames.broken());
    EXPECT_EQ(frames.held(), 0U);
  }
}

Message sample() {
  Message m;
  m.service_type = "CMT";
  m.source = {5, 0, "BELFRY"};
  m.destination = {1, 1, "4915112345678"};
  m.short_message = std::string("a\0@", 3);
  m.tlvs = {{tag::kUserMessageReference, "\x01\x02"}, {0x1454, ""}};
  return m;
}

TEST(SmppPdu, WhatIsWrittenIsReadAgain) {
  std::mt19937 chance(7);
  const auto text = [&](std::size_t most) { return std::string(chance() % most, static_cast<char>('a' + chance() % 26)); };
  for (int i = 0; i < 2'000; ++i) {
    Message m = sample();
    m.short_message = text(255);
    m.validity = i % 2 == 0 ? "" : "000000001500000R";
    Message data = m;
    data.short_message = data.validity = "";
    const std::vector<Pdu> all{
        {{Command::kSubmitSm, 0, static_cast<std::uint32_t>(chance())}, m},
        {{Command::kDeliverSm, 0, 0}, m},
        {{Command::kDataSm, 0, 1}, data},
        {{Command::kBindTransceiver, 0, 1}, Bind{text(15), text(8), text(12), 0x34, {0, 0, text(40)}}},
        {{answer_to(Command::kBindTransceiver), 0, 1}, BindAnswer{text(15), {number_tlv(tag::kScInterfaceVersion, 0x34, 1)}}},
        {{Command::kOutbind, 0, 1}, Outbind{text(15), text(8)}},
        {{answer_to(Command::kSubmitSm), 0, 1}, MessageAnswer{text(64), {}}},
        {{Command::kQuerySm, 0, 1}, Query{text(64), {1, 1, text(20)}, {}}},
        {{answer_to(Command::kQuerySm), 0, 1}, QueryAnswer{text(64), "", 2, 0, {}}},
        {{Command::kCancelSm, 0, 1}, Cancel{"", text(64), {1, 1, text(20)}, {1, 1, text(20)}, {}}},
        {{Command::kCancelBroadcastSm, 0, 1}, Cancel{"", text(64), {1, 1, text(20)}, {}, {}}},
        {{Command::kReplaceSm, 0, 1}, Replace{text(64), {1, 1, text(20)}, "", "", 1, 0, text(254), {}}},
        {{Command::kAlertNotification, 0, 1}, AlertNotification{{1, 1, text(64)}, {1, 1, text(64)}, {}}},
        {{Command::kBroadcastSm, 0, 1}, Broadcast{"", {1, 1, text(20)}, text(64), 1, "", "", 0, 0, 0, {{0x0606, "\x00 city"}}}},
        {{answer_to(Command::kSubmitMulti), 0, 1}, SubmitMultiAnswer{text(64), {{{1, 1, text(20)}, 11}}, {}}},
        {{Command::kEnquireLink, 0, 1}, Empty{}},
        {{Command::kGenericNack, 3, 1}, Empty{}},
    };
    SubmitMulti multi;
    multi.message = m;
    multi.message.destination = {};
    multi.destinations = {{1, {1, 1, text(20)}}, {2, {0, 0, text(20)}}};
    std::string stream;
    std::vector<Pdu> sent = all;
    sent.push_back({{Command::kSubmitMulti, 0, 1}, multi});
    for (const Pdu& pdu : sent) stream += encode(pdu);
    const auto frames = frames_of(stream, 1 + static_cast<std::size_t>(i % 40));
    ASSERT_EQ(frames.size(), sent.size());
    for (std::size_t n = 0; n < sent.size(); ++n) {
      const Read read = decode(frames[n]);
      ASSERT_EQ(read.fault, 0U) << n;
      ASSERT_EQ(read.pdu, sent[n]) << n;
    }
  }
}

TEST(SmppPdu, NoFieldReachesPastTheEnd) {
  const std::string whole = encode({{Command::kSubmitSm, 0, 5}, sample()});
  for (std::size_t size = 16; size < whole.size(); ++size) {
    const Read read = decode(std::string_view(whole).substr(0, size));
    // The last octets are optional parameters: cut between two of them it is whole.
    if (size < whole.size() - 10) {
      EXPECT_NE(read.fault, 0U) << size;
    }
    const std::string answer = whole.substr(0, 4) + std::string("\x80\0\0\4", 4) + whole.substr(8, size - 8);
    EXPECT_EQ(decode(answer).fault, 0U) << "an answer is read as far as it goes";
  }
  Message longer = sample();
  std::string deliver = encode({{Command::kDeliverSm, 0, 5}, longer});
  deliver.back() = '\x09';  // the last parameter's length reaches past the end
  EXPECT_EQ(decode(deliver).fault, 0U) << "a citizen's message is not lost for it";
  EXPECT_EQ(std::get<Message>(decode(deliver).pdu.body).short_message, longer.short_message);
}

}  // namespace
}  // namespace belfry::smpp
