// Entry: one line of a conversation's log, as bytes that outlive a process (record.proto).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry::routing {

enum class Dir : std::uint8_t { kIn, kOut, kNote };
std::string_view shown(Dir dir);  // "in", "out", "note"

struct Entry {
  Dir dir = Dir::kIn;
  Content content;
  std::string provider_id;
  std::string of;
  WallTime at;
  std::string agent;
  std::string client_id;
  Lane lane = Lane::kConversation;
  std::string to;  // outbound, in a log of sends: the address
};

std::string encode_entry(const Entry& entry);
Result<Entry> decode_entry(std::string_view bytes);

}  // namespace belfry::routing
