#include <gtest/gtest.h>

#include "adapters/phone/number.h"

namespace belfry::phone {
namespace {

TEST(PhoneNumber, IsReadAsPeopleWriteIt) {
  const struct {
    const char *text, *number;
  } kRead[] = {
      {"+49 151 1234 5678", "+4915112345678"}, {"+49 (0) 151-12345678", "+4915112345678"}, {"+1 (650) 253-0000", "+16502530000"},
      {"+52 1 55 1234 5678", "+525512345678"},  // Mexico's mobile digit is no part of E.164
      {"+55 11 91234-5678", "+5511912345678"},
  };
  for (const auto& [text, number] : kRead) EXPECT_EQ(e164(text).value_or("none"), number) << text;
}

TEST(PhoneNumber, WhatIsNoneIsRefusedWithTheRemedy) {
  for (const char* text : {"", "hello", "0151 12345678", "+49", "+4915112345678901234567", "+999 12345"}) {
    const auto number = e164(text);
    ASSERT_FALSE(number) << text;
    EXPECT_EQ(number.error().code, Errc::kBadInput);
  }
  EXPECT_NE(e164("0151 12345678").error().detail.find("country code"), std::string::npos);
}

}  // namespace
}  // namespace belfry::phone
