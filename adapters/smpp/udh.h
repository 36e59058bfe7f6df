// The user data header of an SMS (3GPP TS 23.040 9.2.3.24): UDHL, then elements of id, length, data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/smpp/gsm7.h"

namespace belfry::smpp {

struct Concat {
  std::uint16_t ref = 0;
  std::uint8_t total = 0, seq = 0;
  bool wide = false;  // 16-bit reference
};
struct DataHeader {
  std::optional<Concat> concat;  // none if total or seq is 0 or seq is above total; of several the last counts
  std::optional<std::uint16_t> destination_port, source_port;
  Tables tables;
};
struct UserData {
  DataHeader header;
  std::string_view text;  // what follows the header; all of it if UDHL reaches past the end
};
// The view borrows `octets`.
UserData read_user_data(std::string_view octets);
// With its UDHL octet. Elements in order: concat, single shift, locking shift.
std::string write_header(const std::optional<Concat>& concat, Tables tables);

}  // namespace belfry::smpp
