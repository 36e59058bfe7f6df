// Any octets in any coding give UTF-8; any UTF-8 is planned, and its segments join to the same text.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "adapters/smpp/text.h"
#include "adapters/smpp/udh.h"
#include "adapters/smpp/utf8.h"

namespace {

using namespace belfry::smpp;

void must_be_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    if (!next_utf8(text, at)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 3000) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 3, size - 3);
  const auto alphabet = static_cast<Alphabet>(data[1] % 3);
  const UserData user = read_user_data(rest);
  must_be_utf8(decode_text(data[0], user.text, alphabet, user.header.tables).text);
  TextPolicy policy{alphabet, {}, static_cast<Long>(data[1] / 3 % 4)};
  if ((data[2] & 1) != 0) policy.national = {static_cast<std::uint8_t>(data[2] % 14), 3};
  const auto planned = plan(rest, policy);
  if (!planned) return 0;
  std::string octets;
  Tables tables = planned->tables;
  for (const Segment& segment : segments(*planned, policy, 7, false)) {
    std::string_view part = segment.short_message.empty() ? segment.payload : segment.short_message;
    if (segment.short_message.size() > 140 + 20) std::abort();
    if (segment.esm_class == 0x40) part = read_user_data(part).text;
    octets += part;
  }
  if (planned->coding == Coding::kUcs2 ? decode_text(0x08, octets, alphabet).text != rest
                                       : decode_text(0x00, octets, alphabet, tables).text != rest)
    std::abort();
  return 0;
}
