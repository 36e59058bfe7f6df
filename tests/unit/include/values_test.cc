// The values all rooms share: ids, states, headers, query strings.
#include <gtest/gtest.h>

#include <sstream>

#include "belfry/http.h"
#include "belfry/list.h"
#include "belfry/message.h"
#include "belfry/private.h"

namespace belfry {
namespace {

TEST(Ids, GoThereAndBack) {
  const MessageRef ref{"12", 7};
  EXPECT_EQ(public_id(ref), "msg_12.7");
  EXPECT_EQ(parse_message_id("msg_12.7"), ref);
  EXPECT_EQ(parse_conversation_id(conversation_id("12")), "12");
}

TEST(Lists, GoThereAndBackWithoutWhatIsEmpty) {
  using List = std::vector<std::string>;
  EXPECT_EQ(split_list("a,b,c"), (List{"a", "b", "c"}));
  EXPECT_EQ(split_list(",a,,b,"), (List{"a", "b"}));
  EXPECT_EQ(split_list(""), List{});
  EXPECT_EQ(split_list("a"), List{"a"});
  EXPECT_EQ(join_list({"a", "b"}), "a,b");
  EXPECT_EQ(join_list({}), "");
}

TEST(Ids, RefuseWhatCouldReachIntoAnotherKey) {
  for (const char* bad : {"", "12.7", "msg_", "msg_.7", "msg_12", "msg_12.", "msg_12.0", "msg_12.-1", "msg_12.7x", "msg_1:2.7",
                          "msg_{b}.7", "msg_1 2.7", "msg_12.99999999999999999999"}) {
    EXPECT_FALSE(parse_message_id(bad)) << bad;
  }
  for (const char* bad : {"", "12", "conv_", "conv_A", "conv_1:2", "conv_*"}) EXPECT_FALSE(parse_conversation_id(bad)) << bad;
}

TEST(Ids, OfAgentsAndQueuesHaveAPrefixOutsideOnly) {
  EXPECT_EQ(agent_id("ana"), "agent_ana");
  EXPECT_EQ(queue_id("city"), "queue_city");
  EXPECT_EQ(agent_id(""), "");  // nobody
  EXPECT_EQ(queue_id(""), "");
  for (const char* said : {"agent_ana", "ana"}) EXPECT_EQ(parse_agent_id(said), "ana");
  for (const char* said : {"queue_city", "city"}) EXPECT_EQ(parse_queue_id(said), "city");
  EXPECT_EQ(parse_agent_id("agent-1"), "agent-1");
  EXPECT_EQ(parse_agent_id(agent_id(std::string(40, 'a'))), std::string(40, 'a'));
}

TEST(Ids, OfTheOtherKindOrWithTwoPrefixesAreNone) {
  for (const char* bad :
       {"", "agent_", "queue_ana", "agent_agent_ana", "agent_queue_ana", "Ana", "agent_a:b", "agent_{b}", "a b"})
    EXPECT_FALSE(parse_agent_id(bad)) << bad;
  for (const char* bad : {"", "queue_", "agent_city", "queue_queue_city", "queue_agent_city", "queue_*"})
    EXPECT_FALSE(parse_queue_id(bad)) << bad;
  EXPECT_FALSE(parse_queue_id(std::string(41, 'a')));
}

TEST(States, MoveForwardOnlyByRank) {
  int last = -1;
  for (const State state : {State::kStored, State::kQueued, State::kClaimed, State::kSent, State::kUncertain, State::kExpired,
                            State::kFailed, State::kDelivered, State::kRead}) {
    EXPECT_GT(rank(state), last);
    last = rank(state);
    EXPECT_EQ(state_of(static_cast<char>(state)), state);
  }
  EXPECT_EQ(shown(State::kClaimed), "queued");
  EXPECT_FALSE(state_of('?'));
}

TEST(Query, FindsTheFirstAndTellsEmptyFromNone) {
  bool found = false;
  EXPECT_EQ(query_value("a=1&b=x%20y+z&a=2", "b", &found), "x y z");
  EXPECT_TRUE(found);
  EXPECT_EQ(query_value("a=1&a=2", "a"), "1");
  EXPECT_EQ(query_value("a=", "a", &found), "");
  EXPECT_TRUE(found);
  EXPECT_EQ(query_value("a=1", "b", &found), "");
  EXPECT_FALSE(found);
  std::string out;
  EXPECT_FALSE(percent_decode("%0", out));
  EXPECT_FALSE(percent_decode("%00", out));
  EXPECT_FALSE(percent_decode("%zz", out));
}

TEST(HeadersTest, SetReplacesEveryLine) {
  Headers headers;
  headers.add("a", "1");
  headers.add("a", "2");
  EXPECT_EQ(headers.count("a"), 2U);
  headers.set("a", "3");
  EXPECT_EQ(headers.count("a"), 1U);
  EXPECT_EQ(headers.get("a"), "3");
}

TEST(PrivateTest, PrintsAsItsSize) {
  std::ostringstream out;
  out << Secret("top secret");
  EXPECT_EQ(out.str(), "<10 bytes>");
}

}  // namespace
}  // namespace belfry
