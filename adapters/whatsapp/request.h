// What we write to Graph: the body of each kind of message, and the rules it must keep.
//
// Content.type and Content.detail of an outbound message are channel-neutral: `detail` is the JSON value that stands under the
// same name in our API (POST /api/v1/messages, desk frame `reply`), and Content.text is the body or caption. [..] is optional.
//
//   type      text                             detail
//   text      body, 1 to 4096 characters       {["preview_url": bool]}, or empty
//   media     [caption, up to 1024]            {["kind": image|audio|video|document|sticker], ["id"], ["link": https://host…],
//             (the type may be the kind)        ["caption"], ["filename"], ["voice"], ["mime"]}
//   location                                   {"latitude", "longitude", ["name"], ["address"]}
//   contacts                                   1 to 257 of {"name": {"formatted_name", + one part}, ["birthday": YYYY-MM-DD],
//                                               ["phones": [{"phone", ["wa_id"], ["type"]}]], ["emails"], ["urls"],
//                                               ["addresses"], ["org"]}, and nothing else: all of it texts
//   reaction                                   {"emoji": one, or "" to take it back, ["message_id"]}; else reply_to says to what
//   buttons   body, 1 to 1024                  1 to 3 of {"id" <= 256, no space around it, "title" <= 20}, or {"buttons": those,
//                                               [HEADER], [FOOTER]}
//   list      body, 1 to 4096                  {"button" <= 20, "sections": [{["title"] <= 24, "rows": [{"id" <= 200,
//                                               "title" <= 24, ["description"] <= 72}]}], [HEADER of text], [FOOTER]};
//                                               10 rows in all
//   link      body, 1 to 1024                  {"display_text" <= 20, "url", [HEADER], [FOOTER]}
//   flow      body, 1 to 1024                  {"flow_id" or "flow_name", "flow_cta" <= 30, ["flow_token"],
//                                               ["mode": draft|published], ["flow_action": navigate|data_exchange],
//                                               ["flow_action_payload": {}], [HEADER of text], [FOOTER]}
//   location_request   body, 1 to 1024
//   template  [what the desk shows of it]      {"name", "language": "en_US" or {"code", ["policy": deterministic]}, then
//                                               ["header": {"text"} or {"media"} or {"location", named and addressed}],
//                                               ["parameters": ["a", …] or {"name": "a", …}], ["buttons": [{"index", "type",
//                                               "value"}], each index once, the value of a copy_code <= 15], ["code": "123456"]
//                                               (authentication, in place of parameters), or ["components": […] in Meta's words]}
//   interactive                                Meta's own interactive object, for kinds not named here
//
//   HEADER "header": {"text" <= 60} or {"media": MEDIA of image, video, document};  FOOTER "footer" <= 60 characters
//
// A message carries at most one file of ours, and Content.media with its sha256, mime and size says which: nothing else does. An
// "id" in the detail, `media_` or 64 hex digits, is a wish: file_named() says whose right to it must be asked, and until
// Content.media holds that file the message is refused. Any other id is Meta's own. Content.reply_to becomes the context of a
// reply.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "adapters/whatsapp/account.h"
#include "belfry/http.h"
#include "belfry/message.h"
#include "belfry/result.h"

namespace belfry::whatsapp {

// What is wrong and what to do about it, in kBadInput's detail: shown to whoever called the API, so it never quotes the content.
Result<void> check(const Content& content);

// The file of our store that the content names, wherever it names it, as it describes it; nothing if it names none. sha256 is
// what was said and may be none. Ask whether the author may send it before it becomes Content.media.
std::optional<Media> file_named(const Content& content);

// The file of our store that this message needs at Meta first; nothing if it needs none.
std::optional<Media> stored_file(const Content& content);

// The body of POST /{phone_number_id}/messages. `media_id`: Meta's id of stored_file(), once uploaded.
Result<std::string> message_body(const Account& account, const Outbound& message, std::string_view media_id);

// Marks a message of the citizen (and all before it) as read; `typing` shows that an answer is being written, for 25 s at most.
std::string read_body(const Account& account, std::string_view wamid, bool typing);

// https://graph…/v26.0/<what>
std::string graph_address(const Account& account, std::string_view what);
Headers graph_headers(const Account& account);

}  // namespace belfry::whatsapp
