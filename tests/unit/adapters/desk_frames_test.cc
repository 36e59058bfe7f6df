// The desk's frames: what is read, what is refused and how, and what the fuzzer found.
#include <gtest/gtest.h>

#include <string>

#include "adapters/desk/frames.h"
#include "adapters/wire/rfc3339.h"

namespace belfry::desk {
namespace {

std::string command(const std::string& t, const std::string& more) {
  return R"({"t":")" + t + R"(","client_id":"a","conversation":"conv_12","gen":3,)" + more + "}";
}

TEST(DeskFrames, ReadWhatADeskSays) {
  const auto frame = read(command("reply", R"("text":"Guten Tag","reply_to":"wamid.1")"));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->kind, Frame::Kind::kReply);
  EXPECT_EQ(frame->conversation, "12");
  EXPECT_EQ(frame->gen, 3);
  EXPECT_EQ(frame->content.type, "text");
  EXPECT_EQ(frame->content.text, "Guten Tag");
  EXPECT_EQ(frame->content.reply_to, "wamid.1");
  EXPECT_EQ(read(R"({"t":"hello","last_id":"41"})")->last_id, "41");
}

TEST(DeskFrames, RefuseWithASentence) {
  for (const char* bad : {"", "[]", "{", R"({"t":"shout"})", R"({"t":"accept","client_id":"a","conversation":"conv_12"})",
                          R"({"t":"accept","conversation":"conv_12","gen":3})", R"({"t":"typing","conversation":"12"})",
                          R"({"t":"hello","last_id":"-1"})", R"({"t":"availability","client_id":"a","value":"away"})"}) {
    const auto frame = read(bad);
    ASSERT_FALSE(frame) << bad;
    EXPECT_EQ(frame.error().code, Errc::kBadInput) << bad;
    EXPECT_FALSE(frame.error().detail.empty()) << bad;
  }
}

TEST(DeskFrames, MediaIsOfAKindOfMedia) {
  const auto of_kind = [](const std::string& kind) {
    return command("reply", "\"media\":{\"id\":\"1\",\"kind\":\"" + kind + "\"}");
  };
  for (const char* kind : {"image", "audio", "video", "document", "sticker"}) {
    const auto frame = read(of_kind(kind));
    ASSERT_TRUE(frame) << kind;
    EXPECT_EQ(frame->content.type, kind);
  }
  // Else it would be checked as media, and sent as something that names a file elsewhere.
  for (const char* kind : {"buttons", "interactive", "template", "text", "poem"}) EXPECT_FALSE(read(of_kind(kind))) << kind;
}

TEST(DeskFrames, TransferToAnIdWithItsPrefixOrPlain) {
  for (const char* said : {"agent_ben", "ben"}) {
    const auto frame = read(command("transfer", std::string(R"("to":{"agent":")") + said + "\"}"));
    ASSERT_TRUE(frame) << said;
    EXPECT_EQ(frame->to_agent, "ben");
    EXPECT_EQ(frame->to_queue, "");
  }
  for (const char* said : {"queue_city", "city"}) {
    const auto frame = read(command("transfer", std::string(R"("to":{"queue":")") + said + "\"}"));
    ASSERT_TRUE(frame) << said;
    EXPECT_EQ(frame->to_queue, "city");
  }
  for (const char* to : {R"({"queue":"agent_ben"})", R"({"agent":"queue_city"})", R"({"agent":"agent_agent_ben"})",
                         R"({"agent":"ben","queue":"city"})", R"({"agent":"Ben"})", "{}"}) {
    EXPECT_FALSE(read(command("transfer", std::string(R"("to":)") + to))) << to;
  }
}

TEST(DeskFrames, IdsOfAgentsAndQueuesAreWrittenWithTheirPrefix) {
  Welcome welcome;
  welcome.agent = "ana";
  ConversationView view;
  view.id = "12";
  view.owner = "ana";
  view.queue = "city";
  welcome.conversations.push_back(view);
  const std::string said = write(welcome);
  EXPECT_NE(said.find(R"("agent":{"id":"agent_ana")"), std::string::npos) << said;
  EXPECT_NE(said.find(R"("owner":"agent_ana","queue":"queue_city")"), std::string::npos) << said;
  EXPECT_NE(write_offer(1, view).find(R"("queue":"queue_city")"), std::string::npos);
  EXPECT_NE(write_assigned(1, view).find(R"("owner":"agent_ana")"), std::string::npos);
  EXPECT_NE(write_conversation(1, "12", 3, "active", "ana", "city", {}).find(R"("owner":"agent_ana","queue":"queue_city")"),
            std::string::npos);
  EXPECT_EQ(write_conversation(1, "12", 3, "closed", "", "", {}).find("owner"), std::string::npos);
  MessageView message;
  message.agent = "ana";
  std::string out;
  append(out, message);
  EXPECT_NE(out.find(R"("agent":"agent_ana")"), std::string::npos) << out;
}

// A nack echoes the client_id; with half a character in it the browser would close the socket.
TEST(DeskFrames, AClientIdTooLongIsEchoedInWholeCharacters) {
  const std::string text = R"({"t":"ping","client_id":")" + std::string(99, 'a') + R"(éé"})";
  EXPECT_FALSE(read(text));
  EXPECT_EQ(client_id_of(text), std::string(99, 'a'));
  EXPECT_EQ(client_id_of(R"({"client_id":")" + std::string(98, 'a') + R"(éé"})"), std::string(98, 'a') + "é");
}

TEST(DeskFrames, AReasonOrCodeTooLongKeepsWholeCharacters) {
  std::string euros;
  for (int i = 0; i < 100; ++i) euros += "€";
  const auto decline = read(command("decline", R"("reason":")" + euros + "\""));
  ASSERT_TRUE(decline);
  EXPECT_EQ(decline->reason, euros.substr(0, 198));
  const auto resolve = read(command("resolve", R"("code":")" + euros + "\""));
  ASSERT_TRUE(resolve);
  EXPECT_EQ(resolve->code, euros.substr(0, 63));
}

// Such a time would be kept, and written as one that nobody can read.
TEST(DeskFrames, AParkWhoseOffsetLeavesTheFourDigitYearsIsRefused) {
  EXPECT_FALSE(read(command("park", R"("until":"0000-01-01T00:00:00+01:00")")));
  EXPECT_FALSE(read(command("park", R"("until":"9999-12-31T23:59:59-01:00")")));
  EXPECT_EQ(wire::parse_rfc3339("0000-01-01T01:00:00+01:00"), wire::parse_rfc3339("0000-01-01T00:00:00Z"));
  EXPECT_EQ(wire::rfc3339(*wire::parse_rfc3339("9999-12-31T22:59:59.999-01:00")), "9999-12-31T23:59:59.999Z");
  EXPECT_TRUE(read(command("park", R"("until":"2026-01-31T12:00:00+01:00")")));
}

}  // namespace
}  // namespace belfry::desk
