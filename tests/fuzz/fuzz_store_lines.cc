// The lines that the store keeps and publishes: an agent's event, the card that comes with it, routes, attributes, weights,
// steps. They are ours, but they outlive a version of us, and an operator's hand may have been in Redis. What is read is written,
// and reads the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "routing/record.h"
#include "routing/store.h"

namespace {

using namespace belfry::routing;

void require(bool ok) {
  if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto event = parse_agent_event(text)) require(event->kind != 0 || text.find('\0') != std::string_view::npos);
  if (const auto card = parse_card_line(text)) {
    const std::string written = card_line(*card);
    const auto again = parse_card_line(written);
    require(again && again->name == card->name && again->last_entry == card->last_entry && card_line(*again) == written);
  }
  const auto routes = parse_routes(text);
  require(parse_routes(write_routes(routes)) == routes);
  belfry::routing::Arrival arrival{"w", "wa", "es", "wa:p:1", text};
  const Attributes said = parse_attributes(text, '\n');
  require(parse_attributes(write_attributes(said, '\n'), '\n') == said);
  arrival.attributes = &said;
  if (const Route* route = route_of(routes, arrival)) require(!route->queue.empty());
  const auto steps = parse_steps(text);
  require(parse_steps(write_steps(steps)) == steps);
  parse_weights(text);
  (void)decode_entry(std::string(text));
  return 0;
}
