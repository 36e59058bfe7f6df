#include "adapters/webchat/channel.h"

#include <algorithm>
#include <array>

namespace belfry::webchat {

std::string address_of(std::string_view visitor) { return "web:" + std::string(visitor); }

Result<void> Channel::check(const Content& content) const {
  constexpr std::array<std::string_view, 9> kCarried{"text",  "image",   "audio", "video", "document",
                                                     "media", "buttons", "list",  "link"};
  if (std::find(kCarried.begin(), kCarried.end(), content.type) == kCarried.end())
    return fail(Errc::kUnsupported, "the web chat carries text, media, buttons, list and link: send one of these");
  if (content.text.size() > 16'000) return fail(Errc::kTooLarge, "the text is longer than 16,000 octets: send it in parts");
  if (content.media && content.media->sha256.empty())
    return fail(Errc::kBadInput, "media of the web chat are uploads: POST /api/v1/media first, and send the id it answers");
  return {};
}

std::optional<Media> Channel::file_named(const Content& content) const {
  if (!content.media || content.media->sha256.empty()) return std::nullopt;
  return content.media;
}

Result<std::string> Channel::address(std::string_view) const {
  return fail(Errc::kUnsupported,
              "a visitor of the web chat can be written to only in his conversation: send `conversation` instead of `to`");
}

std::unique_ptr<Sender> Channel::sender(Now) const { return nullptr; }

}  // namespace belfry::webchat
