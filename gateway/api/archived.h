// What Redis has let go of: conversations found in the archive, for whoever might have seen them before. Internal to gateway/api.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "gateway/api/call.h"
#include "gateway/archive.h"

namespace belfry::gateway::api {

// Whatever is in the archive, whoever asks; kNotFound. The archive is read off the loop.
void find_archived(Room& room, const std::string& conversation, std::function<void(Result<ArchivedConversation>)> then);
// The same for one who asks. `kind`: of the object that is asked for ("messages"); `word`: how a 404 calls it.
void with_archived(Room& room, const CallPtr& call, const std::string& conversation, std::string_view kind, std::string_view word,
                   std::function<void(const ArchivedConversation&)> then);
std::optional<Media> archived_media(const ArchivedConversation& archived, std::int64_t n);

}  // namespace belfry::gateway::api
