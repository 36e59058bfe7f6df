// The line that is published with an offer: what a desk shows of the conversation.
#include <gtest/gtest.h>

#include "routing/store.h"

namespace belfry::routing {
namespace {

Card odd() {
  Card c;
  c.owner = "ana";
  c.queue = "city";
  c.channel = "wa";
  c.account = "hall";
  c.contact = "7";
  c.first = WallTime{1'690'000'000'000};
  c.window_until = WallTime{1'690'086'400'000};
  c.n = 12;
  c.last = WallTime{1'690'000'001'000};
  c.previous = "3";
  c.name = "A|na\n5|\xC3\x89va";
  c.last_entry = std::string("7|\0|entry\nof any octets", 23);
  return c;
}

TEST(CardLine, WhatIsWrittenIsRead) {
  for (const bool empty : {false, true}) {
    Card c = empty ? Card{} : odd();
    const auto read = parse_card_line(card_line(c));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->owner, c.owner);
    EXPECT_EQ(read->queue, c.queue);
    EXPECT_EQ(read->channel, c.channel);
    EXPECT_EQ(read->account, c.account);
    EXPECT_EQ(read->contact, c.contact);
    EXPECT_EQ(read->first.ms, c.first.ms);
    EXPECT_EQ(read->window_until.ms, c.window_until.ms);
    EXPECT_EQ(read->n, c.n);
    EXPECT_EQ(read->last.ms, c.last.ms);
    EXPECT_EQ(read->previous, c.previous);
    EXPECT_EQ(read->name, c.name);
    EXPECT_EQ(read->last_entry, c.last_entry);
  }
}

TEST(CardLine, WhatIsCutShortIsNoCard) {
  const std::string line = card_line(odd());
  const std::size_t head = line.size() - odd().name.size() - odd().last_entry.size();
  for (std::size_t size = 0; size < head + odd().name.size(); ++size) {
    EXPECT_FALSE(parse_card_line(std::string_view(line).substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace belfry::routing
