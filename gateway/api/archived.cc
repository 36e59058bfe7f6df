#include "gateway/api/archived.h"

#include <charconv>
#include <utility>

#include "adapters/wire/json.h"
#include "gateway/config.h"
#include "gateway/work_pool.h"

namespace belfry::gateway::api {

void find_archived(Room& room, const std::string& conversation, std::function<void(Result<ArchivedConversation>)> then) {
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(conversation.data(), conversation.data() + conversation.size(), id);
  if (error != std::errc{} || end != conversation.data() + conversation.size() || conversation.size() > 15 || id < 1) {
    return then(fail(Errc::kNotFound, "no such number"));
  }
  auto found = std::make_shared<Result<ArchivedConversation>>();
  const bool posted = room.services.work.post(
      room.services.loop,
      [dir = room.services.config.server.state_dir + "/archive", id, found] {
        const auto line = find_in_archive(dir, id);
        *found = line ? read_archive_line(*line) : tl::unexpected(line.error());
      },
      [found, then] { then(std::move(*found)); });
  if (!posted) then(fail(Errc::kBusy, "too much work waits"));
}

void with_archived(Room& room, const CallPtr& call, const std::string& conversation, std::string_view kind, std::string_view word,
                   std::function<void(const ArchivedConversation&)> then) {
  find_archived(room, conversation, [call, kind, word, then = std::move(then)](const Result<ArchivedConversation>& found) {
    if (!found && found.error().code != Errc::kNotFound) return call->error(found.error());
    if (!found || !authorize(call->subject, Action::kRead, {kind, found->owner, found->queue})) {
      return call->problem(not_found(word));
    }
    then(*found);
  });
}

std::optional<Media> archived_media(const ArchivedConversation& archived, std::int64_t n) {
  if (n < 1 || n > static_cast<std::int64_t>(archived.messages.size())) return std::nullopt;
  wire::JsonReader reader;
  const auto message = reader.read(archived.messages[static_cast<std::size_t>(n - 1)]);
  simdjson::dom::object object;
  if (!message || message->get(object) != simdjson::SUCCESS) return std::nullopt;
  const auto said = wire::object_at(object, "media");
  if (!said) return std::nullopt;
  Media media;
  media.mime = wire::text_at(*said, "mime");
  media.sha256 = wire::text_at(*said, "sha256");
  media.filename = wire::text_at(*said, "filename");
  return media;
}

}  // namespace belfry::gateway::api
