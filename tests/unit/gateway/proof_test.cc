#include "gateway/proof.h"

#include <gtest/gtest.h>

namespace belfry::gateway {
namespace {

TEST(Proof, ACodeIsSixDigitsAndNothingElse) {
  EXPECT_EQ(code_in("123456"), "123456");
  EXPECT_EQ(code_in(" 123 456.\n"), "123456");
  EXPECT_EQ(code_in("١٢٣٤٥٦"), "123456");
  EXPECT_EQ(code_in("۱۲۳۴۵۶"), "123456");
  for (const char* text : {"", "12345", "1234567", "my code is 123456", "123456 thanks", "+123456", "\xD9", "12345\xDB"})
    EXPECT_EQ(code_in(text), "") << text;
}

}  // namespace
}  // namespace belfry::gateway
