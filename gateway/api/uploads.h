// Files that programs and agents uploaded, to be sent: media_<sha256>. The bytes are in the media store; who brought them, and
// what they are, stands in Redis (upload:<sha256>), for as long as they may wait to be sent.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "belfry/message.h"
#include "gateway/api/call.h"

namespace belfry::gateway::api {

// `id` is media_<sha256>. kNotFound: no such upload, or not this subject's (who may read all media may use all).
void find_upload(Commands& commands, const Subject& subject, std::string_view id, std::function<void(Result<Media>)> done);

// What the upload knows and the message left out: size, type, name, and from the type the kind of media.
void fill_in(Content& content, const Media& upload);

}  // namespace belfry::gateway::api
