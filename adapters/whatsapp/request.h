// What we write to Graph: the body of each kind of message, and the rules it must keep.
//
// Content.type and Content.detail of an outbound message are channel-neutral: `detail` is the JSON value that stands under the
// same name in our API (POST /api/v1/messages, desk frame `reply`), and Content.text is the body or caption. [..] is optional.
//
//   text        text = body, 1 to 4096 characters      detail {["preview_url": bool]}, or empty
//   media       [text = caption, up to 1024]           detail {["kind": image|audio|video|document|sticker], ["id"], ["link":
//   https],
//               the type may also be the kind itself           ["caption"], ["filename"], ["voice"], ["mime"]}
//   location                                           detail {"latitude", "longitude", ["name"], ["address"]}
//   contacts                                           detail [{"name": {"formatted_name", + one part}, ["phones"], …}], 1 to 257
//   reaction    reply_to = the message (provider's id) detail {"emoji", ["message_id"]}; emoji "" takes it back
//   buttons     text = body, 1 to 1024                 detail [{"id" <= 256, "title" <= 20}] (1 to 3), or {"buttons": […],
//   [HEADER], [FOOTER]} list        text = body, 1 to 4096                 detail {"button" <= 20, "sections": [{["title"] <= 24,
//   "rows": [{"id" <= 200, "title" <= 24,
//                                                              ["description"] <= 72}]}], [HEADER], [FOOTER]}; 10 rows in all
//   link        text = body                            detail {"display_text" <= 20, "url", [HEADER], [FOOTER]}
//   flow        text = body                            detail {"flow_id" or "flow_name", "flow_cta" <= 30, ["flow_token"],
//   ["mode"], ["flow_action"],
//                                                              ["flow_action_payload"], [HEADER], [FOOTER]}
//   location_request   text = body
//   template    [text = what the desk shows of it]     detail {"name", "language", then either ["header": {"text"} or {"media"}
//   or {"location"}],
//                                                              ["parameters": ["a", …] or {"name": "a", …}], ["buttons":
//                                                              [{"index", "type", "value"}]],
//                                                              ["code": "123456"] (authentication), or ["components": […] as Meta
//                                                              writes them]}
//   interactive                                        detail = Meta's own interactive object, for kinds not named here
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
