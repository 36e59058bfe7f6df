#include "routing/resp.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace belfry::routing {
namespace {

using Kind = Value::Kind;

Value integer(std::int64_t n) { return {.kind = Kind::kInteger, .integer = n}; }
Value string(std::string text) { return {.kind = Kind::kString, .text = std::move(text)}; }
Value status(std::string text) { return {.kind = Kind::kStatus, .text = std::move(text)}; }
Value error(std::string text) { return {.kind = Kind::kError, .text = std::move(text)}; }
Value array(std::vector<Value> values) { return {.kind = Kind::kArray, .array = std::move(values)}; }

// Feeds `bytes` in pieces of `step` octets and collects what comes out.
Result<std::vector<Value>> decode(std::string_view bytes, std::size_t step, DecoderLimits limits = {}) {
  Decoder decoder(limits);
  std::vector<Value> out;
  while (true) {
    auto reply = decoder.next();
    if (!reply) return tl::unexpected<Error>(reply.error());
    if (*reply) {
      out.push_back(std::move(**reply));
      continue;
    }
    if (bytes.empty()) break;
    decoder.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
  }
  EXPECT_EQ(decoder.buffered(), 0U);
  return out;
}

TEST(Resp, EncodesWhatRedisReads) {
  EXPECT_EQ(encode({"PING"}), "*1\r\n$4\r\nPING\r\n");
  EXPECT_EQ(encode({"SET", "", std::string_view("a\0\r\n", 4)}),
            std::string("*3\r\n$3\r\nSET\r\n$0\r\n\r\n$4\r\na\0\r\n\r\n", 29));
  std::string out = "x";
  append_command(out, {"GET", std::string(12345, 'k')});
  EXPECT_EQ(out.substr(0, 24), "x*2\r\n$3\r\nGET\r\n$12345\r\nkk");
  EXPECT_EQ(out.size(), 1U + 4 + 9 + 8 + 12345 + 2);
}

// A command is itself an array of strings, so our decoder reads our encoder.
TEST(Resp, DecodesWhatItEncodes) {
  const std::string big(70'000, 'b');
  for (const std::size_t step : {1UL, 7UL, 1UL << 20}) {
    const auto out = decode(encode({"FCALL", "ingest", "1", big, ""}), step);
    ASSERT_TRUE(out.has_value());
    ASSERT_EQ(out->size(), 1U);
    EXPECT_EQ((*out)[0], array({string("FCALL"), string("ingest"), string("1"), string(big), string("")}));
  }
}

struct Case {
  std::string name;
  std::string bytes;
  std::vector<Value> values;
};

TEST(Resp, EveryShape) {
  const std::vector<Case> cases = {
      {"status", "+OK\r\n", {status("OK")}},
      {"empty status", "+\r\n", {status("")}},
      {"error", "-LOADING Redis is loading the dataset in memory\r\n", {error("LOADING Redis is loading the dataset in memory")}},
      {"integers", ":0\r\n:-1\r\n:9223372036854775807\r\n", {integer(0), integer(-1), integer(INT64_MAX)}},
      {"nil", "$-1\r\n*-1\r\n", {Value{}, Value{}}},
      {"empty", "$0\r\n\r\n*0\r\n", {string(""), array({})}},
      {"newlines inside", "$6\r\n\r\n+a\r\n\r\n", {string("\r\n+a\r\n")}},
      {"mixed array", "*4\r\n:1\r\n$1\r\na\r\n$-1\r\n+s\r\n", {array({integer(1), string("a"), Value{}, status("s")})}},
      {"error inside", "*2\r\n-ERR no\r\n:2\r\n", {array({error("ERR no"), integer(2)})}},
      {"nested", "*2\r\n*2\r\n*1\r\n:1\r\n:2\r\n*0\r\n", {array({array({array({integer(1)}), integer(2)}), array({})})}},
      {"array after nested",
       "*3\r\n*1\r\n:1\r\n*1\r\n:2\r\n*1\r\n:3\r\n",
       {array({array({integer(1)}), array({integer(2)}), array({integer(3)})})}},
      {"a publish",
       "*3\r\n$7\r\nmessage\r\n$3\r\nch1\r\n$2\r\nhi\r\n:1\r\n",
       {array({string("message"), string("ch1"), string("hi")}), integer(1)}},
  };
  for (const auto& c : cases) {
    for (std::size_t step = 1; step <= c.bytes.size(); ++step) {
      const auto out = decode(c.bytes, step);
      ASSERT_TRUE(out.has_value()) << c.name << " by " << step;
      EXPECT_EQ(*out, c.values) << c.name << " by " << step;
    }
  }
}

TEST(Resp, Nonsense) {
  for (const std::string& bytes : std::vector<std::string>{
           "hello\r\n", "$-2\r\n", "*-2\r\n", ":x\r\n", "$x\r\n\r\n", "*99999999999999999999\r\n", "%1\r\n+a\r\n+b\r\n", "\r\n",
           "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", std::string("\0\0\0", 3)}) {
    for (const std::size_t step : {1UL, 1000UL}) {
      const auto out = decode(bytes, step);
      ASSERT_FALSE(out.has_value()) << bytes;
      EXPECT_EQ(out.error().code, Errc::kBadInput) << bytes;
    }
  }
}

TEST(Resp, StaysLost) {
  Decoder decoder;
  decoder.feed("+fine\r\n?\r\n+never\r\n");
  EXPECT_EQ(decoder.next().value(), status("fine"));
  EXPECT_FALSE(decoder.next().has_value());
  decoder.feed("+OK\r\n");
  EXPECT_FALSE(decoder.next().has_value());
}

TEST(Resp, Limits) {
  const DecoderLimits small{.max_reply = 100'000, .max_elements = 10, .max_line = 20'000};
  const auto code = [&](const std::string& bytes) {
    const auto out = decode(bytes, 5'000, small);
    return out ? "fine" : std::string(name_of(out.error().code));
  };
  EXPECT_EQ(code("$50000\r\n" + std::string(50'000, 'x') + "\r\n"), "fine");
  EXPECT_EQ(code("$200000\r\n" + std::string(200'000, 'x') + "\r\n"), "too_large");
  EXPECT_EQ(code("$9223372036854775807\r\n" + std::string(200'000, 'x')), "too_large");
  EXPECT_EQ(code(std::string(60'000, 'x').insert(0, 1, '+')), "too_large");
  EXPECT_EQ(code(std::string(60'000, '1').insert(0, 1, '$')), "too_large");
  std::string nine = "*9\r\n", ten = "*10\r\n";
  for (int i = 0; i < 10; ++i) {
    if (i < 9) nine += ":1\r\n";
    ten += ":1\r\n";
  }
  EXPECT_EQ(code(nine), "fine");
  EXPECT_EQ(code(ten), "too_large");
  // A claim of two thousand million elements costs nothing by itself.
  EXPECT_EQ(code("*2147483647\r\n:1\r\n"), "fine");
  // Each reply is measured on its own.
  std::string many;
  for (int i = 0; i < 30; ++i) many += nine + "$10000\r\n" + std::string(10'000, 'y') + "\r\n";
  EXPECT_EQ(code(many), "fine");
}

TEST(Resp, Refusals) {
  EXPECT_EQ(refusal_of(status("OK")), Refusal::kNone);
  EXPECT_EQ(refusal_of(error("LOADING Redis is loading the dataset in memory")), Refusal::kLoading);
  EXPECT_EQ(refusal_of(error("READONLY You can't write against a read only replica.")), Refusal::kReadonly);
  EXPECT_EQ(refusal_of(error("MISCONF Errors writing to the AOF file: No space left on device")), Refusal::kMisconf);
  EXPECT_EQ(refusal_of(error("OOM command not allowed when used memory > 'maxmemory'.")), Refusal::kOutOfMemory);
  EXPECT_EQ(refusal_of(error("NOREPLICAS Not enough good replicas to write.")), Refusal::kNoReplicas);
  EXPECT_EQ(refusal_of(error("BUSY Redis is busy running a script.")), Refusal::kBusy);
  EXPECT_EQ(refusal_of(error("ERR Function not found")), Refusal::kNoFunction);
  EXPECT_EQ(refusal_of(error("WRONGPASS invalid username-password pair")), Refusal::kAuth);
  EXPECT_EQ(refusal_of(error("ERR wrong number of arguments")), Refusal::kOther);
  EXPECT_EQ(refusal_of(error("")), Refusal::kOther);
  EXPECT_EQ(error_of(error("OOM command +4912345")).detail, "redis says OOM");
  EXPECT_EQ(error_of(error("OOM command")).code, Errc::kUnavailable);
}

}  // namespace
}  // namespace belfry::routing
