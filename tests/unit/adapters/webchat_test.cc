// The citizen's frames, tokens, identities, challenges and paths to files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "adapters/webchat/channel.h"
#include "adapters/webchat/frames.h"
#include "adapters/webchat/token.h"
#include "adapters/wire/crypto.h"

namespace belfry::webchat {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr WallTime kNow{1'790'000'000'000};
constexpr std::int64_t kHour = 3'600'000;

std::string refusal(const std::string& text) {
  const auto frame = read(text);
  return frame ? "read" : frame.error().detail;
}

TEST(ChatFrames, AreReadWhole) {
  const auto hello =
      read(R"({"t":"hello","inbox":"portal","token":"x.y","last_id":"120000003","language":"es","page":"https://a/b"})");
  ASSERT_TRUE(hello);
  EXPECT_EQ(hello->inbox, "portal");
  EXPECT_EQ(hello->last_id, 120'000'003);
  EXPECT_EQ(ref_of(hello->last_id), (MessageRef{"12", 3}));
  EXPECT_EQ(event_id({"12", 3}), hello->last_id);
  const auto message = read(R"({"t":"message","client_id":"a-1","text":"Добрый день","media":{"id":"media_1"}})");
  ASSERT_TRUE(message);
  EXPECT_EQ(message->text, "Добрый день");
  EXPECT_EQ(message->media, "media_1");
  EXPECT_EQ(read(R"({"t":"read","message":"msg_7.2"})")->message, (MessageRef{"7", 2}));
}

TEST(ChatFrames, RefusalsSayWhatToSend) {
  EXPECT_THAT(refusal("{"), HasSubstr("JSON"));
  EXPECT_THAT(refusal(R"({"t":"accept"})"), HasSubstr("no frame of belfry.chat.v1"));
  EXPECT_THAT(refusal(R"({"t":"message","text":"x"})"), HasSubstr("client_id"));
  EXPECT_THAT(refusal(R"({"t":"message","client_id":"a|b","text":"x"})"), HasSubstr("client_id"));
  EXPECT_THAT(refusal(R"({"t":"message","client_id":"a","text":" \n"})"), HasSubstr("write something"));
  EXPECT_THAT(refusal(R"({"t":"message","client_id":"a","text":")" + std::string(4'001, 'x') + "\"}"), HasSubstr("4,000"));
  EXPECT_THAT(refusal(R"({"t":"hello","inbox":"a","last_id":"-1"})"), HasSubstr("last_id"));
  EXPECT_THAT(refusal(R"({"t":"hello","inbox":"a","page":")" + std::string(4'100, 'x') + "\"}"), HasSubstr("4 KiB"));
  EXPECT_THAT(refusal(R"({"t":"continue","client_id":"a","channel":"fax","number":"1"})"), HasSubstr("whatsapp or sms"));
}

// A name with an override would turn the words around it.
TEST(ChatFrames, ControlsAndOverridesAreLeftOut) {
  EXPECT_EQ(clean("a\x01"
                  "b\u202Ec\u2066d\u0085e\n\tf",
                  100),
            "abcde\n\tf");
  EXPECT_EQ(clean("héllo", 2), "hé");
  EXPECT_EQ(clean("\xF0\x9F\x98", 5), "\xF0\x9F\x98");  // half a character ends nothing
  EXPECT_EQ(read(R"({"t":"form","client_id":"a","fields":{"name":"A\nB\u202e"}})")->form.name, "A B");
}

TEST(ChatFrames, WhatIsWrittenIsJson) {
  MessageView m;
  m.ref = {"3", 2};
  m.his = false;
  m.type = "text";
  m.text = "\"quoted\" \u202e\n";
  m.agent = "Ana";
  m.at = kNow;
  m.state = State::kSent;
  const Json event = Json::parse(write_message(m));
  EXPECT_EQ(event["id"], "30000002");
  EXPECT_EQ(event["message"]["agent"]["name"], "Ana");
  Welcome w;
  w.messages = {write(m), write(m)};
  w.form = {{"name", true}, {"phone", false}};
  w.challenge = Challenge{"s", 16};
  w.queue = {3, 60};
  w.conversation = "3";
  const Json welcome = Json::parse(write(w));
  EXPECT_EQ(welcome["messages"].size(), 2U);
  EXPECT_EQ(welcome["queue"]["wait_s"], 60);
  EXPECT_EQ(welcome["conversation"]["id"], "conv_3");
  for (const std::string& each :
       {write_queue({1, {}}), write_closed("3", "ended"), write_moved("3", "sms", "…123"), write_ack("c", "", "t"),
        write_nack("c", wire::problem(429, "x", "y")), write_bye(1001, 3), write_typing(""), write_pong(),
        write_assigned("3", "Ana"), write_receipt({"3", 1}, State::kRead, kNow)})
    EXPECT_NO_THROW(Json::parse(each)) << each;
}

Visitor grace() {
  Visitor v;
  v.inbox = "portal";
  v.id = std::string(32, 'a');
  v.form = std::make_shared<const Form>(Form{"Grace \"G\"", "+4915112345678", "", "es"});
  v.since = kNow;
  return v;
}

TEST(ChatToken, SaysWhoHeIsForADay) {
  const std::string token = sign("key", grace(), kNow);
  const auto back = verify("key", "portal", token, kNow + 23 * kHour);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->id, grace().id);
  EXPECT_EQ(back->said().name, "Grace \"G\"");
  EXPECT_FALSE(verify("key", "portal", token, kNow + 24 * kHour));
  EXPECT_FALSE(verify("other", "portal", token, kNow));
  EXPECT_FALSE(verify("key", "strict", token, kNow));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string forged = token;
    forged[i] = forged[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(verify("key", "portal", forged, kNow)) << i;
  }
  for (const char* junk : {"", ".", "a.b", "....", "e30.e30"}) EXPECT_FALSE(verify("key", "portal", junk, kNow));
}

TEST(ChatToken, IsRenewedForThirtyDays) {
  Visitor v = grace();
  EXPECT_TRUE(verify("key", "portal", sign("key", v, kNow + 29 * 24 * kHour), kNow + (30 * 24 * kHour - 1)));
  EXPECT_FALSE(verify("key", "portal", sign("key", v, kNow + 29 * 24 * kHour), kNow + 30 * 24 * kHour));
}

std::string jwt(const std::string& claims, const std::string& header = R"({"alg":"HS256"})", const std::string& key = "key") {
  const std::string body = wire::base64url_encode(header) + "." + wire::base64url_encode(claims);
  return body + "." + wire::base64url_encode(wire::hmac_sha256(key, body));
}

TEST(ChatIdentity, IsTheAgencysWordForTenMinutes) {
  const std::string exp = std::to_string(kNow.ms / 1000 + 300);
  const auto ada = read_identity("key", "portal", jwt(R"({"sub":"7","name":"Ada","aud":"portal","exp":)" + exp + "}"), kNow);
  ASSERT_TRUE(ada);
  EXPECT_EQ(ada->person, "7");
  EXPECT_EQ(ada->name, "Ada");
  const auto why = [&](const std::string& token) {
    const auto identity = read_identity("key", "portal", token, kNow);
    return identity ? "read" : identity.error().detail;
  };
  EXPECT_THAT(why(jwt(R"({"sub":"7","aud":"other","exp":)" + exp + "}")), HasSubstr("aud"));
  EXPECT_THAT(why(jwt(R"({"aud":"portal","exp":)" + exp + "}")), HasSubstr("sub"));
  EXPECT_THAT(why(jwt(R"({"sub":"7","aud":"portal","exp":1})")), HasSubstr("exp"));
  EXPECT_THAT(why(jwt(R"({"sub":"7","aud":"portal","exp":9990000000})")), HasSubstr("ten minutes"));
  EXPECT_THAT(why(jwt(R"({"sub":"7","aud":"portal","exp":)" + exp + "}", R"({"alg":"none"})")), HasSubstr("HS256"));
  EXPECT_THAT(why(jwt("{}", R"({"alg":"HS256"})", "guessed")), HasSubstr("not signed"));
  EXPECT_THAT(why("a.b"), HasSubstr("JWT"));
  EXPECT_FALSE(read_identity("", "portal", jwt("{}", R"({"alg":"HS256"})", ""), kNow));  // an inbox without a key
  EXPECT_EQ(visitor_of("key", "7"), visitor_of("key", "7"));
  EXPECT_NE(visitor_of("key", "7"), visitor_of("other", "7"));
}

TEST(ChatChallenge, IsWorkOnceForOneVisitor) {
  const Challenge asked = challenge("key", "visitor", 10, kNow);
  int nonce = 0;
  while (!solves("key", "visitor", asked.salt, 10, std::to_string(nonce), kNow)) ++nonce;
  EXPECT_GT(nonce, 0);
  EXPECT_TRUE(solves("key", "visitor", asked.salt, 10, std::to_string(nonce), kNow + 9 * 60'000));
  EXPECT_FALSE(solves("key", "visitor", asked.salt, 10, std::to_string(nonce), kNow + 11 * 60'000));
  EXPECT_FALSE(solves("key", "another", asked.salt, 10, std::to_string(nonce), kNow));
  EXPECT_FALSE(solves("key", "visitor", "1." + asked.salt, 10, std::to_string(nonce), kNow));
  EXPECT_FALSE(solves("key", "visitor", "", 0, "0", kNow));
}

TEST(ChatMedia, AnAddressIsForOneFileAndATime) {
  const std::string sha(64, 'c');
  const std::string path = media_path("key", sha, kNow + kHour);
  EXPECT_EQ(media_of("key", path, kNow).value(), sha);
  EXPECT_FALSE(media_of("key", path, kNow + kHour));
  EXPECT_FALSE(media_of("other", path, kNow));
  std::string another = path;
  another.back() = 'd';
  EXPECT_FALSE(media_of("key", another, kNow));
  for (const char* junk : {"/chat/media/", "/chat/media/x", "/chat/media/1.2/3", "/chat/media//"})
    EXPECT_FALSE(media_of("key", junk, kNow));
}

TEST(ChatChannel, CarriesWhatAPageCanShow) {
  const Channel channel;
  Content content;
  content.type = "text";
  content.text = "x";
  EXPECT_TRUE(channel.check(content));
  content.type = "template";
  EXPECT_THAT(channel.check(content).error().detail, HasSubstr("buttons"));
  EXPECT_THAT(channel.address("anybody").error().detail, HasSubstr("conversation"));
  EXPECT_EQ(channel.sender({}), nullptr);
}

}  // namespace
}  // namespace belfry::webchat
