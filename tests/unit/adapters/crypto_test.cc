// Published vectors (FIPS 180-4, RFC 4231, RFC 4648) and the refusals of the decoders.
#include "adapters/wire/crypto.h"

#include <gtest/gtest.h>

#include <string>

namespace belfry::wire {
namespace {

TEST(Crypto, Digests) {
  EXPECT_EQ(to_hex(sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Sha256 pieces;
  pieces.add("a");
  Sha256 moved = std::move(pieces);
  moved.add("bc");
  EXPECT_EQ(moved.finish(), sha256("abc"));
}

// The key of last time is kept expanded: what comes between two uses of a key must not change what it gives.
TEST(Crypto, HmacOfKeysInTurn) {
  const std::vector<std::string> keys{"", "a", std::string(64, 'k'), std::string(131, 'k')};
  std::vector<std::string> first;
  for (const std::string& key : keys) first.push_back(hmac_sha256(key, "data"));
  for (std::size_t i = 0; i < 64; ++i) {
    const std::size_t at = (i * i / 3) % keys.size();
    EXPECT_EQ(hmac_sha256(keys[at], "data"), first[at]) << i;
    EXPECT_NE(hmac_sha256(keys[at], "other data"), first[at]) << i;
  }
}

TEST(Crypto, HmacOfRfc4231) {
  EXPECT_EQ(to_hex(hmac_sha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  // An empty key is a key, not the key of last time.
  EXPECT_EQ(to_hex(hmac_sha256({}, {})), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(Crypto, Hex) {
  EXPECT_EQ(from_hex("00fFa0"), std::string("\0\xff\xa0", 3));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
}

TEST(Crypto, Base64OfRfc4648) {
  const std::pair<std::string, std::string> table[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : table) {
    EXPECT_EQ(base64_encode(bytes), text);
    EXPECT_EQ(base64_decode(text), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)), bytes);
  }
  EXPECT_EQ(base64_encode("\xfb\xff"), "+/8=");
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_EQ(base64url_decode("-_8="), "\xfb\xff");
  for (const std::string text :
       {"Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zh==", "Zm9=", "Zg==\n", "Z g=", "-_8=", "Zg==Zg=="}) {
    EXPECT_FALSE(base64_decode(text)) << text;
  }
  for (const std::string text : {"Z", "-_8==", "-_9", "+/8", "-_ 8"}) EXPECT_FALSE(base64url_decode(text)) << text;
  std::string all;
  for (int i = 0; i < 1000; ++i) {
    all += static_cast<char>(i * 7);
    ASSERT_EQ(base64_decode(base64_encode(all)), all);
  }
}

TEST(Crypto, CompareAndRandom) {
  EXPECT_TRUE(equal_constant_time("", ""));
  EXPECT_TRUE(equal_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_constant_time("abc", "ab"));
  EXPECT_EQ(random_bytes(32).size(), 32U);
  EXPECT_NE(random_bytes(32), random_bytes(32));
}

}  // namespace
}  // namespace belfry::wire
