// Delivery receipts in the dialects that were seen, their ids and their dates.
#include "adapters/smpp/receipt.h"

#include <gtest/gtest.h>

#include "adapters/smpp/account.h"
#include "adapters/smpp/inbound.h"

namespace belfry::smpp {
namespace {

constexpr WallTime kNow{1'795'449'600'000};  // 2026-11-23 16:00 UTC

Message receipt(std::string text, std::uint8_t esm_class = 4) {
  Message m;
  m.source = {1, 1, "4915112345678"};
  m.destination = {0, 1, "12345"};
  m.esm_class = esm_class;
  m.short_message = std::move(text);
  return m;
}

TEST(SmppReceipt, DialectsAreRead) {
  struct Row {
    std::string text, id;
    MessageState state;
    std::string error;
  };
  const std::vector<Row> rows{
      {"id:0123456789 sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:DELIVRD err:000 text:Hello",
       "0123456789", MessageState::kDelivered, "000"},
      {"id:abc stat:UNDELIV err:21b", "abc", MessageState::kUndeliverable, "21b"},
      {"ID:77 SUB:1 STAT:EXPIRED ERR:nul Text:", "77", MessageState::kExpired, "nul"},
      {"stat:REJECTD id:9 text: id:5 stat:DELIVRD", "9", MessageState::kRejected, ""},
      {"id:5f0c2a7e-0000-4000-8000-000000000001 submit date:20261123120000 done date:20261123120100 stat:DELIVRD",
       "5f0c2a7e-0000-4000-8000-000000000001", MessageState::kDelivered, ""},
      {"id:1 stat:ENROUTE", "1", MessageState::kEnroute, ""},
      {"id:1 stat:BUFFRED", "1", MessageState::kEnroute, ""},
      {"id:1 stat:KAPUTT err:7", "1", MessageState::kUnknown, "7"},
      {"id:1 dlvrd:001 done date:000000000000 stat:DELIVRD", "1", MessageState::kDelivered, ""},
      {"id:1 stat:DELIVRD text:\xFF\xFE", "1", MessageState::kDelivered, ""},
  };
  for (const Row& row : rows) {
    const auto news = read_receipt(receipt(row.text), Alphabet::kGsm7, kNow);
    ASSERT_TRUE(news) << row.text;
    EXPECT_EQ(news->id, row.id) << row.text;
    EXPECT_EQ(news->state, row.state) << row.text;
    EXPECT_EQ(news->error, row.error) << row.text;
  }
}

TEST(SmppReceipt, ParametersCountBeforeText) {
  Message m = receipt("362d9701 2");
  m.tlvs = {{tag::kReceiptedMessageId, std::string("38601fa\0", 8)},
            number_tlv(tag::kMessageState, 5, 1),
            {tag::kNetworkErrorCode, std::string("\3\0\x1B", 3)}};
  const auto news = read_receipt(m, Alphabet::kGsm7, kNow);
  ASSERT_TRUE(news);
  EXPECT_EQ(news->id, "38601fa");
  EXPECT_EQ(news->state, MessageState::kUndeliverable);
  EXPECT_EQ(news->error, "3:27");
  m.short_message.clear();
  EXPECT_TRUE(read_receipt(m, Alphabet::kGsm7, kNow));
}

TEST(SmppReceipt, ACitizensWordsAreNone) {
  EXPECT_FALSE(read_receipt(receipt("my id: 77, what is the stat: of it?", 0), Alphabet::kGsm7, kNow));
  EXPECT_FALSE(read_receipt(receipt("id:7 stat:DELIVRD", 0), Alphabet::kGsm7, kNow));
  EXPECT_TRUE(read_receipt(receipt("id:7 sub:001 submit date:2611231200 stat:DELIVRD", 0), Alphabet::kGsm7, kNow))
      << "node-smpp forgets esm_class";
}

TEST(SmppReceipt, AnswerAndReceiptNameAlike) {
  const auto alike = [](std::string_view answer, std::string_view told, IdFormat format) {
    return name_from_answer(answer, format) == name_from_receipt(told, format);
  };
  EXPECT_TRUE(alike("ABC123", "abc123", IdFormat::kSame));
  EXPECT_TRUE(alike("0000436949", "436949", IdFormat::kSame));
  EXPECT_TRUE(alike("38601fa", "0059113978", IdFormat::kAnswerHexReceiptDec));
  EXPECT_TRUE(alike("0000436949", "6aad5", IdFormat::kAnswerDecReceiptHex));
  EXPECT_TRUE(alike("ffffffffffffffff", "18446744073709551615", IdFormat::kAnswerHexReceiptDec));
  EXPECT_FALSE(alike("10", "16", IdFormat::kSame)) << "a radix is never guessed";
  EXPECT_FALSE(alike("0f0c2a7e-0000", "f0c2a7e-0000", IdFormat::kSame)) << "zeros before a word are part of it";
}

TEST(SmppReceipt, DatesAreThoseNearerToNow) {
  EXPECT_EQ(receipt_time("2611231601", kNow)->ms, kNow.ms + 60'000);
  EXPECT_EQ(receipt_time("261123160100", kNow)->ms, kNow.ms + 60'000);
  EXPECT_EQ(receipt_time("202611231601", kNow)->ms, kNow.ms + 60'000);
  EXPECT_EQ(receipt_time("20261123160100", kNow)->ms, kNow.ms + 60'000);
  EXPECT_FALSE(receipt_time("0000000000", kNow));
  EXPECT_FALSE(receipt_time("26112316", kNow));
  EXPECT_EQ(relative_time(15 * 60'000), "000000001500000R");
}

TEST(SmppInbound, PartsAreJoinedAndWhatIsMissingIsSaid) {
  Account account;
  account.id = "sms";
  std::map<int, std::string> parts;
  const auto piece = [](int n, std::string text) {
    Message m = receipt(std::string("\x05\x00\x03\x07\x03", 5) + static_cast<char>(n) + std::move(text), 0x40);
    return encode({{Command::kDeliverSm, 0, static_cast<std::uint32_t>(n)}, m});
  };
  for (const int n : {3, 1}) {
    const std::string bytes = piece(n, n == 1 ? "Water in " : "Mill Lane");
    const Read read = decode(bytes);
    const Arrival arrival = read_arrival(account, std::get<Message>(read.pdu.body), bytes, kNow);
    const auto& part = std::get<Part>(*arrival.event);
    EXPECT_EQ(part.of, 3);
    parts[part.n] = part.bytes;
  }
  const auto whole = join_parts(account, parts, 3, kNow);
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->content.text, "Water in [part 2 missing]Mill Lane");
  EXPECT_EQ(whole->addresses.front(), "tel:+4915112345678");
  EXPECT_EQ(whole->content.detail, R"({"to":"12345","parts":3,"missing":[2]})");
}

TEST(SmppAddress, NumbersShortCodesAndNames) {
  Account account;
  account.id = "sms";
  account.country = "49";
  EXPECT_EQ(address_of(account, {1, 1, "4915112345678"}), "tel:+4915112345678");
  EXPECT_EQ(address_of(account, {1, 1, "+4915112345678"}), "tel:+4915112345678");
  EXPECT_EQ(address_of(account, {0, 0, "004915112345678"}), "tel:+4915112345678");
  EXPECT_EQ(address_of(account, {2, 1, "015112345678"}), "tel:+4915112345678");
  EXPECT_EQ(address_of(account, {0, 1, "12345"}), "sms:sms:12345");
  EXPECT_EQ(address_of(account, {5, 0, "My Bank:{x}"}), "sms:sms:My%20Bank%3A%7Bx%7D");
  EXPECT_EQ(*address_from(account, "+49 (151) 123-45678"), "tel:+4915112345678");
  EXPECT_EQ(*address_from(account, "12345"), "sms:sms:12345");
  for (const std::string_view wrong : {"", "Mill Lane", "015112345678", "+0123456", "+49"})
    EXPECT_FALSE(address_from(account, wrong)) << wrong;
  EXPECT_EQ(sender_from("CITY HALL")->ton, 5);
  EXPECT_EQ(sender_from("+4915112345678")->ton, 1);
  EXPECT_FALSE(sender_from("TWELVE CHARS"));
  EXPECT_FALSE(sender_from("Bürgeramt"));
  EXPECT_EQ(read_price("0.045 EUR")->micros, 45'000);
  EXPECT_FALSE(read_price("cheap"));
}

}  // namespace
}  // namespace belfry::smpp
