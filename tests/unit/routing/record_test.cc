#include "routing/record.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::routing {
namespace {

struct Case {
  std::string name;
  Entry entry;
};

Entry text(std::string words) {
  Entry entry;
  entry.content.type = "text";
  entry.content.text = std::move(words);
  return entry;
}

Entry everything() {
  Entry e;
  e.dir = Dir::kOut;
  e.content.type = "image";
  e.content.text = "caption";
  e.content.media =
      Media{"media-id", "https://x/y", "image/jpeg; codecs=x", std::string(64, 'a'), "photo.jpg", 1LL << 40, true, true};
  e.content.detail = R"({"image":{"id":"1"}})";
  e.content.reply_to = "wamid.1";
  e.content.forwarded = true;
  e.provider_id = "wamid.2";
  e.of = "wamid.0";
  e.at = WallTime{1'700'000'000'123};
  e.agent = "ana";
  e.client_id = "c-1";
  e.lane = Lane::kBulk;
  return e;
}

void expect_same(const Entry& a, const Entry& b, const std::string& name) {
  EXPECT_EQ(a.dir, b.dir) << name;
  EXPECT_EQ(a.content.type, b.content.type) << name;
  EXPECT_EQ(a.content.text, b.content.text) << name;
  ASSERT_EQ(a.content.media.has_value(), b.content.media.has_value()) << name;
  if (a.content.media) {
    const Media& m = *a.content.media;
    const Media& n = *b.content.media;
    EXPECT_EQ(m.provider_id, n.provider_id) << name;
    EXPECT_EQ(m.url, n.url) << name;
    EXPECT_EQ(m.mime, n.mime) << name;
    EXPECT_EQ(m.sha256, n.sha256) << name;
    EXPECT_EQ(m.filename, n.filename) << name;
    EXPECT_EQ(m.size, n.size) << name;
    EXPECT_EQ(m.voice, n.voice) << name;
    EXPECT_EQ(m.animated, n.animated) << name;
  }
  EXPECT_EQ(a.content.detail, b.content.detail) << name;
  EXPECT_EQ(a.content.reply_to, b.content.reply_to) << name;
  EXPECT_EQ(a.content.forwarded, b.content.forwarded) << name;
  EXPECT_EQ(a.provider_id, b.provider_id) << name;
  EXPECT_EQ(a.of, b.of) << name;
  EXPECT_EQ(a.at, b.at) << name;
  EXPECT_EQ(a.agent, b.agent) << name;
  EXPECT_EQ(a.client_id, b.client_id) << name;
  EXPECT_EQ(a.lane, b.lane) << name;
}

TEST(Record, DecodeReadsWhatEncodeWrote) {
  Entry note = text("mind the dog");
  note.dir = Dir::kNote;
  note.agent = "ana";
  Entry empty_media = text("");
  empty_media.content.media = Media{};
  Entry alert = text("flood");
  alert.lane = Lane::kAlert;
  const std::vector<Case> cases{
      {"nothing", Entry{}},
      {"text", text("hello")},
      {"five scripts", text("olá привет مرحبا こんにちは 👋🏽")},
      {"octets that are no text", text(std::string("\0\xff\xc3\n|", 5))},
      {"long", text(std::string(100'000, 'x'))},
      {"a note", note},
      {"media without anything", empty_media},
      {"an alert", alert},
      {"before 1970",
       [] {
         Entry e = text("old");
         e.at = WallTime{-1};
         return e;
       }()},
      {"everything", everything()},
  };
  for (const auto& c : cases) {
    const auto back = decode_entry(encode_entry(c.entry));
    ASSERT_TRUE(back.has_value()) << c.name;
    expect_same(c.entry, *back, c.name);
  }
}

TEST(Record, EncodesTheSameBytesEachTime) { EXPECT_EQ(encode_entry(everything()), encode_entry(everything())); }

// Bytes outlive a process: those of the first version are read for ever.
TEST(Record, ReadsTheBytesOfTheFirstVersion) {
  const std::string bytes(
      "\x12\x04text"
      "\x1a\x05hello"
      "\x42\x07wamid.1"
      "\x50\xfb\xe8\x95\xff\xbc\x31"
      "\x68\x01",
      31);
  EXPECT_EQ(encode_entry([] {
              Entry e = text("hello");
              e.provider_id = "wamid.1";
              e.at = WallTime{1'700'000'003'195};
              return e;
            }()),
            bytes);
  const auto entry = decode_entry(bytes);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->content.text, "hello");
  EXPECT_EQ(entry->provider_id, "wamid.1");
  EXPECT_EQ(entry->at.ms, 1'700'000'003'195);
  EXPECT_EQ(entry->lane, Lane::kConversation);
}

// A later version adds fields; this one reads past them.
TEST(Record, ReadsPastFieldsItDoesNotKnow) {
  const auto entry = decode_entry(encode_entry(text("hello")) + std::string("\xf2\x01\x03"
                                                                            "new",
                                                                            6));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->content.text, "hello");
}

TEST(Record, RefusesWhatIsCutOrIsNoEntry) {
  const std::string whole = encode_entry(everything());
  int refused = 0;
  for (std::size_t i = 1; i < whole.size(); ++i) refused += decode_entry(whole.substr(0, i)).has_value() ? 0 : 1;
  EXPECT_GT(refused, static_cast<int>(whole.size()) / 2);  // a cut between two fields is a shorter entry
  for (const std::string bad : {"\xff", "\x0f", "hello", "\x12\x7fx"}) EXPECT_FALSE(decode_entry(bad).has_value());
  EXPECT_EQ(decode_entry("\x12\x7fx").error().code, Errc::kInternal);
}

TEST(Record, ADirectionThatIsNotKnownIsInbound) {
  const auto entry = decode_entry(std::string("\x08\x09", 2));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->dir, Dir::kIn);
  EXPECT_EQ(shown(Dir::kIn), "in");
  EXPECT_EQ(shown(Dir::kOut), "out");
  EXPECT_EQ(shown(Dir::kNote), "note");
}

}  // namespace
}  // namespace belfry::routing
