// What the handlers about citizens share.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "gateway/api/call.h"

namespace belfry::gateway::api {

// Whether a text can be a contact's id.
bool is_contact(std::string_view id);
// Whom the path's {id} names. Answers 404 itself if nobody.
void find_citizen(Room& room, const CallPtr& call, std::function<void(routing::Citizen citizen)> then);

// "id": ... "same_number": ...: what is known of him besides his conversations, as members of an object that is begun.
void append_citizen(std::string& out, Room& room, const routing::Citizen& citizen);

}  // namespace belfry::gateway::api
