// Files that programs and agents uploaded, to be sent: media_<sha256>. The bytes are in the media store; who brought them, and
// what they are, stands in Redis (upload:<sha256>), for as long as they may wait to be sent.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "adapters/wire/problem.h"
#include "belfry/http.h"
#include "belfry/message.h"
#include "gateway/api/call.h"
#include "gateway/services.h"

namespace belfry::gateway {
class MediaStore;
}

namespace belfry::gateway::api {

// What an upload becomes as a message: image, audio, video, or else document.
std::string kind_of(std::string_view mime);
// An upload of `who` (a subject's id, or a visitor's address), by its id media_<sha256>. kNotFound: no such one of his.
void find_upload(Commands& commands, const std::string& who, std::string_view id, std::function<void(Result<Media>)> done);
// Keeps the octets in the media store, and whose they are. `about` says type and name; `done` hears it whole.
void keep_upload(MediaStore& files, Commands& commands, const std::string& bytes, Media about, const std::string& who,
                 std::int64_t most, std::function<void(Result<Media>)> done);
// A file as an answer: always a download, never shown or run as part of our pages.
HttpResponse as_download(const Media& media, std::string bytes);

// `id` is media_<sha256>. kNotFound: no such upload, or not this subject's (who may read all media may use all).
void find_upload(Commands& commands, const Subject& subject, std::string_view id, std::function<void(Result<Media>)> done);

// The one door for files of ours on their way out, of REST and desk alike. An upload that the content names, in whatever place,
// must be one that this subject may send: then Content.media becomes it, with what the upload knows and the message left out
// (size, type, name, and of a bare media its kind). Else the problem says so. A content that names none passes as it is.
void admit_upload(const Outbox& outbox, Commands& commands, const Subject& subject, std::string_view account, Content content,
                  std::function<void(tl::expected<Content, wire::Problem>)> done);

}  // namespace belfry::gateway::api
