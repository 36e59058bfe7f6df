// Files that programs and agents uploaded, to be sent: media_<sha256>. The bytes are in the media store; who brought them, and
// what they are, stands in Redis (upload:<sha256>), for as long as they may wait to be sent.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "adapters/wire/problem.h"
#include "belfry/message.h"
#include "gateway/api/call.h"
#include "gateway/services.h"

namespace belfry::gateway::api {

// `id` is media_<sha256>. kNotFound: no such upload, or not this subject's (who may read all media may use all).
void find_upload(Commands& commands, const Subject& subject, std::string_view id, std::function<void(Result<Media>)> done);

// The one door for files of ours on their way out, of REST and desk alike. An upload that the content names, in whatever place,
// must be one that this subject may send: then Content.media becomes it, with what the upload knows and the message left out
// (size, type, name, and of a bare media its kind). Else the problem says so. A content that names none passes as it is.
void admit_upload(const Outbox& outbox, Commands& commands, const Subject& subject, std::string_view account, Content content,
                  std::function<void(tl::expected<Content, wire::Problem>)> done);

}  // namespace belfry::gateway::api
