// What an SMSC may say: a stream in any cut gives the same PDUs; each is written again as it was read; receipts, headers and
// texts in it are read without a fault.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/smpp/inbound.h"
#include "adapters/smpp/udh.h"

namespace {

using namespace belfry::smpp;

std::vector<std::string> frames_of(std::string_view bytes, std::size_t step) {
  Frames frames;
  std::vector<std::string> out;
  while (!bytes.empty()) {
    frames.feed(bytes.substr(0, step));
    bytes.remove_prefix(std::min(step, bytes.size()));
    while (const auto frame = frames.next()) out.emplace_back(*frame);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0 || size > 4000) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = frames_of(bytes, bytes.size() + 1);
  if (whole != frames_of(bytes, 1U + data[0])) std::abort();
  Account account;
  account.id = "sms";
  account.country = "49";
  account.words = usual_words();
  for (const std::string& frame : whole) {
    const Read read = decode(frame);
    if (read.fault == 0) {
      const Read again = decode(encode(read.pdu));
      if (again.fault != 0) std::abort();
      if (encode(again.pdu) != encode(read.pdu)) std::abort();
    }
    if (const auto* message = std::get_if<Message>(&read.pdu.body)) {
      const Arrival arrival = read_arrival(account, *message, frame, {1'795'449'600'000});
      if (arrival.event && std::holds_alternative<belfry::Part>(*arrival.event)) {
        const auto& part = std::get<belfry::Part>(*arrival.event);
        if (!join_parts(account, {{part.n, part.bytes}}, part.of, part.at)) std::abort();
      }
    }
  }
  return 0;
}
