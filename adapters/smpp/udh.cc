#include "adapters/smpp/udh.h"

namespace belfry::smpp {
namespace {

constexpr unsigned char kConcat8 = 0x00, kPorts8 = 0x04, kPorts16 = 0x05, kConcat16 = 0x08, kSingleShift = 0x24,
                        kLockingShift = 0x25;

unsigned octet(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }

void read_concat(DataHeader& header, std::string_view data, bool wide) {
  const std::size_t at = wide ? 2 : 1;
  Concat concat;
  concat.wide = wide;
  concat.ref = static_cast<std::uint16_t>(wide ? octet(data, 0) * 256 + octet(data, 1) : octet(data, 0));
  concat.total = static_cast<std::uint8_t>(octet(data, at));
  concat.seq = static_cast<std::uint8_t>(octet(data, at + 1));
  if (concat.total == 0 || concat.seq == 0 || concat.seq > concat.total) return;
  header.concat = concat;
}

}  // namespace

UserData read_user_data(std::string_view octets) {
  if (octets.empty() || octet(octets, 0) + 1 > octets.size()) return {{}, octets};
  UserData out{{}, octets.substr(octet(octets, 0) + 1)};
  std::string_view rest = octets.substr(1, octet(octets, 0));
  while (rest.size() >= 2 && octet(rest, 1) + 2 <= rest.size()) {
    const unsigned id = octet(rest, 0);
    const std::string_view data = rest.substr(2, octet(rest, 1));
    rest.remove_prefix(2 + data.size());
    if (id == kConcat8 && data.size() == 3) read_concat(out.header, data, false);
    if (id == kConcat16 && data.size() == 4) read_concat(out.header, data, true);
    if (id == kPorts8 && data.size() == 2) {
      out.header.destination_port = static_cast<std::uint16_t>(octet(data, 0));
      out.header.source_port = static_cast<std::uint16_t>(octet(data, 1));
    }
    if (id == kPorts16 && data.size() == 4) {
      out.header.destination_port = static_cast<std::uint16_t>(octet(data, 0) * 256 + octet(data, 1));
      out.header.source_port = static_cast<std::uint16_t>(octet(data, 2) * 256 + octet(data, 3));
    }
    if (id == kSingleShift && data.size() == 1) out.header.tables.single = static_cast<std::uint8_t>(octet(data, 0));
    if (id == kLockingShift && data.size() == 1) out.header.tables.locking = static_cast<std::uint8_t>(octet(data, 0));
  }
  return out;
}

std::string write_header(const std::optional<Concat>& concat, Tables tables) {
  std::string out(1, '\0');
  const auto element = [&out](unsigned char id, std::initializer_list<unsigned> data) {
    out.push_back(static_cast<char>(id));
    out.push_back(static_cast<char>(data.size()));
    for (const unsigned each : data) out.push_back(static_cast<char>(each & 0xFF));
  };
  if (concat && concat->wide) {
    element(kConcat16, {static_cast<unsigned>(concat->ref >> 8), concat->ref, concat->total, concat->seq});
  } else if (concat) {
    element(kConcat8, {concat->ref, concat->total, concat->seq});
  }
  if (tables.single != 0) element(kSingleShift, {tables.single});
  if (tables.locking != 0) element(kLockingShift, {tables.locking});
  if (out.size() == 1) return "";
  out[0] = static_cast<char>(out.size() - 1);
  return out;
}

}  // namespace belfry::smpp
