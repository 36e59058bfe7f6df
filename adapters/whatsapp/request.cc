// See request.h. check() composes the message and throws the result away, so that what is checked is what is written.
#include "adapters/whatsapp/request.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "adapters/whatsapp/receiver.h"
#include "adapters/whatsapp/rules.h"
#include "adapters/wire/json.h"

namespace belfry::whatsapp {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDetail = 64UL * 1024;
constexpr std::int64_t kMiB = 1024LL * 1024;

struct Kind {
  std::string_view name;
  std::int64_t max_bytes;
  std::array<std::string_view, 5> mimes;  // empty: any
};
constexpr std::array kKinds = {
    Kind{"image", 5 * kMiB, {"image/jpeg", "image/png"}},
    Kind{"audio", 16 * kMiB, {"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"}},
    Kind{"video", 16 * kMiB, {"video/mp4", "video/3gpp"}},
    Kind{"document", 100 * kMiB, {}},
    Kind{"sticker", 500LL * 1024, {"image/webp"}},
};

const Kind* kind_named(std::string_view name) {
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(), [&](const Kind& kind) { return kind.name == name; });
  return found == kKinds.end() ? nullptr : found;
}

std::string_view bare_mime(std::string_view mime) { return mime.substr(0, mime.find(';')); }

bool takes(const Kind& kind, std::string_view mime) {
  if (mime.empty()) return false;
  return kind.mimes.front().empty() || std::find(kind.mimes.begin(), kind.mimes.end(), bare_mime(mime)) != kind.mimes.end();
}

tl::unexpected<Error> bad(std::string what) { return fail(Errc::kBadInput, std::move(what)); }

// Characters as Meta counts them. Stray continuation octets count for nothing.
std::size_t letters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

// "" for what is absent or no string.
const std::string& text_in(const json& object, const char* key) {
  static const std::string kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  if (found == object.end()) return kNone;
  const auto* const text = found->get_ptr<const std::string*>();
  return text == nullptr ? kNone : *text;
}

const json& member(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// "a, b or c"
std::string either(std::initializer_list<std::string_view> words) {
  std::string out;
  std::size_t n = 0;
  for (const std::string_view word : words) out.append(n == 0 ? "" : n + 1 == words.size() ? " or " : ", ").append(word), ++n;
  return out;
}

// An object of these members and no others.
Result<void> only(const json& object, const std::string& what, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) return bad(what + " must be an object");
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      return bad(what + " has a member that WhatsApp does not know: it takes " + either(known));
  }
  return {};
}

Result<void> only_texts(const json& object, const std::string& what, std::initializer_list<std::string_view> known) {
  if (auto fine = only(object, what, known); !fine) return fine;
  for (const json& value : object) {
    if (!value.is_string()) return bad("every member of " + what + " is a text");
  }
  return {};
}

// A member that may be absent, and else is one of these words.
Result<void> worded(const json& object, const char* key, std::initializer_list<std::string_view> words) {
  const json& said = member(object, key);
  if (said.is_null() || std::find(words.begin(), words.end(), text_in(object, key)) != words.end()) return {};
  return bad(std::string(key) + " is " + either(words) + ", or left out");
}

Result<void> sized(std::string_view text, const char* what, std::size_t least, std::size_t most) {
  const std::size_t count = letters(text);
  if (count < least) return bad(std::string(what) + " is missing");
  if (count > most) return bad(std::string(what) + " is longer than " + std::to_string(most) + " characters: shorten it");
  return {};
}

// The one file of ours that a message may name, gathered on the way.
struct Composer {
  const Content& content;
  std::string_view media_id;       // Meta's id of the stored file, or a stand-in while checking
  std::optional<Media> file = {};  // out: the file of ours that the message names, set before anything about it is refused

  Result<json> media(const json& said, std::string_view default_kind, bool in_header);
  enum class Header : std::uint8_t { kAny, kText };
  Result<json> header(const json& said);
  Result<void> frame(json& interactive, const json& detail, std::size_t max_body, Header takes = Header::kAny);
  Result<json> buttons(const json& detail);
  Result<json> list(const json& detail);
  Result<json> link(const json& detail);
  Result<json> flow(const json& detail);
  Result<json> template_of(const json& detail);
};

// "media_<…>" or 64 hex digits: meant as a file of ours, though it may be none. Meta's own ids are decimal and shorter.
std::string_view our_file(std::string_view id) {
  if (id.starts_with("media_")) return id.size() > 6 ? id.substr(6) : id;
  constexpr std::string_view kHex = "0123456789abcdefABCDEF";
  return id.size() == 64 && id.find_first_not_of(kHex) == std::string_view::npos ? id : std::string_view{};
}

std::string kind_of_mime(std::string_view mime) {
  for (const Kind& kind : kKinds) {
    if (kind.name != "sticker" && !kind.mimes.front().empty() && takes(kind, mime)) return std::string(kind.name);
  }
  return mime.empty() ? std::string() : std::string("document");
}

Result<json> Composer::media(const json& said, std::string_view default_kind, bool in_header) {
  Media named = content.media.value_or(Media{});
  const std::string& id = text_in(said, "id");
  const std::string& link = text_in(said, "link");
  const std::string_view wish = our_file(id);
  if (named.mime.empty()) named.mime = text_in(said, "mime");
  if (named.sha256.empty() && named.provider_id.empty() && wish.empty()) named.provider_id = id;
  if (!named.sha256.empty()) file = named;
  if (!wish.empty() && wish != named.sha256) {
    // Nobody asked yet whether the author may send this one.
    if (!file) {
      file = Media{};
      file->sha256 = wish;
      file->mime = text_in(said, "mime");
      file->filename = text_in(said, "filename");
    }
    return bad("media id names no upload of yours: send the file to POST /api/v1/media first");
  }
  std::string kind_name = text_in(said, "kind");
  if (kind_name.empty()) kind_name = default_kind;
  if (kind_name.empty()) kind_name = kind_of_mime(named.mime);
  const Kind* const kind = kind_named(kind_name);
  if (kind == nullptr) return bad("media needs a kind: image, audio, video, document or sticker");
  if (in_header && kind_name != "image" && kind_name != "video" && kind_name != "document") {
    return bad("a header takes an image, a video or a document");
  }
  json object = json::object();
  if (!named.provider_id.empty()) {
    if (!is_safe_id(named.provider_id)) return bad("media id is malformed");
    object["id"] = named.provider_id;
  } else if (!named.sha256.empty()) {
    if (named.mime.empty()) return bad("media is of an unknown type: upload it with its Content-Type");
    if (!takes(*kind, named.mime))
      return bad("WhatsApp does not take this type of file as " + kind_name + ": send it as document");
    if (named.size > kind->max_bytes) {
      return bad(kind_name + " is larger than WhatsApp's limit of " + std::to_string(kind->max_bytes / 1024) +
                 " KiB: make it smaller");
    }
    object["id"] = media_id;
    if (file->filename.empty()) file->filename = text_in(said, "filename");
  } else if (is_link(link)) {
    if (link.size() > 2048) return bad("media link is longer than 2048 characters");
    object["link"] = link;
  } else {
    return bad("media needs an id or an https link with a host, such as https://files.example.org/plan.pdf");
  }
  if (kind_name == "document") {
    std::string filename = text_in(said, "filename");
    if (filename.empty()) filename = named.filename;
    filename = clean_filename(filename);
    if (!filename.empty()) object["filename"] = filename;
  }
  if (in_header) return json{{"type", kind_name}, {kind_name, std::move(object)}};
  const std::string& caption = text_in(said, "caption").empty() ? content.text : text_in(said, "caption");
  if (!caption.empty()) {
    if (kind_name == "audio" || kind_name == "sticker")
      return bad(kind_name + " cannot carry a caption: send the text as its own message");
    if (auto fits = sized(caption, "caption", 0, 1024); !fits) return tl::unexpected<Error>(fits.error());
    object["caption"] = caption;
  }
  if (kind_name == "audio") {
    const json& voice = member(said, "voice");
    if (voice.is_boolean() ? voice.get<bool>() : named.voice) object["voice"] = true;
  }
  return json{{"type", kind_name}, {kind_name, std::move(object)}};
}

Result<json> Composer::header(const json& said) {
  if (said.is_string() || !text_in(said, "text").empty()) {
    const std::string text = said.is_string() ? said.get<std::string>() : text_in(said, "text");
    if (auto fits = sized(text, "header", 1, 60); !fits) return tl::unexpected<Error>(fits.error());
    return json{{"type", "text"}, {"text", text}};
  }
  if (member(said, "media").is_object()) return media(said["media"], {}, true);
  return bad("header needs a text or a media");
}

// Body, header and footer: the same around every interactive kind.
Result<void> Composer::frame(json& interactive, const json& detail, std::size_t max_body, Header takes) {
  if (auto fits = sized(content.text, "text", 1, max_body); !fits) return fits;
  interactive["body"] = {{"text", content.text}};
  if (const json& said = member(detail, "header"); !said.is_null()) {
    auto made = header(said);
    if (!made) return tl::unexpected<Error>(made.error());
    if (takes == Header::kText && text_in(*made, "type") != "text")
      return bad("the header of a list and of a flow is a text: send the file as a message of its own before it");
    interactive["header"] = std::move(*made);
  }
  if (const json& said = member(detail, "footer"); !said.is_null()) {
    const std::string& footer = text_in(detail, "footer");
    if (auto fits = sized(footer, "footer", 1, 60); !fits) return fits;
    interactive["footer"] = {{"text", footer}};
  }
  return {};
}

Result<json> Composer::buttons(const json& detail) {
  const json& said = detail.is_array() ? detail : member(detail, "buttons");
  if (!said.is_array() || said.empty() || said.size() > 3) return bad("WhatsApp takes 1 to 3 buttons: use a list for more");
  json made = json::array();
  std::set<std::string> ids;
  std::set<std::string> titles;
  for (const json& each : said) {
    const std::string& id = text_in(each, "id");
    const std::string& title = text_in(each, "title");
    if (auto fits = sized(id, "button id", 1, 256); !fits) return tl::unexpected<Error>(fits.error());
    if (auto fits = sized(title, "button title", 1, 20); !fits) return tl::unexpected<Error>(fits.error());
    if (id.front() == ' ' || id.back() == ' ') return bad("a button id begins or ends with a space: remove it");
    if (!ids.insert(id).second || !titles.insert(title).second) return bad("button ids and titles must differ from each other");
    made.push_back({{"type", "reply"}, {"reply", {{"id", id}, {"title", title}}}});
  }
  json interactive = {{"type", "button"}, {"action", {{"buttons", std::move(made)}}}};
  if (auto framed = frame(interactive, detail, 1024); !framed) return tl::unexpected<Error>(framed.error());
  return interactive;
}

Result<json> Composer::list(const json& detail) {
  const std::string& button = text_in(detail, "button");
  if (auto fits = sized(button, "list button", 1, 20); !fits) return tl::unexpected<Error>(fits.error());
  const json& said = member(detail, "sections");
  if (!said.is_array() || said.empty() || said.size() > 10) return bad("a list takes 1 to 10 sections");
  json sections = json::array();
  std::set<std::string> ids;
  std::size_t rows = 0;
  for (const json& section : said) {
    json made = json::object();
    const std::string& title = text_in(section, "title");
    if (auto fits = sized(title, "section title (needed where there are several)", said.size() > 1 ? 1 : 0, 24); !fits) {
      return tl::unexpected<Error>(fits.error());
    }
    if (!title.empty()) made["title"] = title;
    const json& said_rows = member(section, "rows");
    if (!said_rows.is_array() || said_rows.empty()) return bad("a list section needs rows");
    rows += said_rows.size();
    if (rows > 10) return bad("WhatsApp takes 10 list rows in all: split the list");
    for (const json& row : said_rows) {
      json one = {{"id", text_in(row, "id")}, {"title", text_in(row, "title")}};
      if (auto fits = sized(text_in(row, "id"), "row id", 1, 200); !fits) return tl::unexpected<Error>(fits.error());
      if (auto fits = sized(text_in(row, "title"), "row title", 1, 24); !fits) return tl::unexpected<Error>(fits.error());
      if (!ids.insert(text_in(row, "id")).second) return bad("row ids must differ from each other");
      if (const std::string& description = text_in(row, "description"); !description.empty()) {
        if (auto fits = sized(description, "row description", 0, 72); !fits) return tl::unexpected<Error>(fits.error());
        one["description"] = description;
      }
      made["rows"].push_back(std::move(one));
    }
    sections.push_back(std::move(made));
  }
  json interactive = {{"type", "list"}, {"action", {{"button", button}, {"sections", std::move(sections)}}}};
  if (auto framed = frame(interactive, detail, 4096, Header::kText); !framed) return tl::unexpected<Error>(framed.error());
  return interactive;
}

Result<json> Composer::link(const json& detail) {
  const std::string& shown = text_in(detail, "display_text");
  const std::string& url = text_in(detail, "url");
  if (auto fits = sized(shown, "display_text", 1, 20); !fits) return tl::unexpected<Error>(fits.error());
  if (!is_link(url, true) || url.size() > 2000) return bad("url must be http(s) with a host, up to 2000 characters");
  json interactive = {{"type", "cta_url"},
                      {"action", {{"name", "cta_url"}, {"parameters", {{"display_text", shown}, {"url", url}}}}}};
  if (auto framed = frame(interactive, detail, 1024); !framed) return tl::unexpected<Error>(framed.error());
  return interactive;
}

Result<json> Composer::flow(const json& detail) {
  const bool by_id = !text_in(detail, "flow_id").empty();
  if (by_id == !text_in(detail, "flow_name").empty()) return bad("flow needs flow_id or flow_name, and not both");
  if (auto fits = sized(text_in(detail, "flow_cta"), "flow_cta", 1, 30); !fits) return tl::unexpected<Error>(fits.error());
  if (auto fine = worded(detail, "mode", {"draft", "published"}); !fine) return tl::unexpected<Error>(fine.error());
  if (auto fine = worded(detail, "flow_action", {"navigate", "data_exchange"}); !fine) return tl::unexpected<Error>(fine.error());
  json parameters = {{"flow_message_version", "3"}};
  for (const char* const key :
       {"flow_id", "flow_name", "flow_cta", "flow_token", "mode", "flow_action", "flow_message_version"}) {
    if (const std::string& value = text_in(detail, key); !value.empty()) parameters[key] = value;
  }
  if (const json& payload = member(detail, "flow_action_payload"); !payload.is_null()) {
    if (!payload.is_object()) return bad("flow_action_payload is an object, such as {\"screen\": \"FIRST\"}");
    parameters["flow_action_payload"] = payload;
  }
  json interactive = {{"type", "flow"}, {"action", {{"name", "flow"}, {"parameters", std::move(parameters)}}}};
  if (auto framed = frame(interactive, detail, 1024, Header::kText); !framed) return tl::unexpected<Error>(framed.error());
  return interactive;
}

// Meta refuses a value that would break the template's layout (132012, 132018).
Result<void> check_value(std::string_view text) {
  if (text.empty()) return bad("a template parameter is empty");
  if (letters(text) > 1024) return bad("a template parameter is longer than 1024 characters: shorten it");
  if (text.find_first_of("\n\r\t") != std::string_view::npos || text.find("     ") != std::string_view::npos) {
    return bad("a template parameter has a line break, a tab or more than four spaces in a row: remove them");
  }
  return {};
}

Result<void> check_place(const json& place) {
  if (auto fine = only(place, "a header's location", {"latitude", "longitude", "name", "address", "url"}); !fine) return fine;
  // Meta's own examples of a template write these as texts.
  for (const char* const key : {"latitude", "longitude"}) {
    if (!member(place, key).is_number() && text_in(place, key).empty())
      return bad("a header's location needs latitude and longitude");
  }
  if (text_in(place, "name").empty() || text_in(place, "address").empty())
    return bad("a header's location needs a name and an address: write what shall stand under the map");
  return {};
}

// A picture, video or document in Meta's own words. Its id goes to Meta as it stands, so it cannot be a file of ours.
Result<void> check_own_media(const json& said) {
  if (auto fine = only(said, "a header's media", {"id", "link", "filename", "provider"}); !fine) return fine;
  const std::string& id = text_in(said, "id");
  if (!our_file(id).empty())
    return bad("template components take Meta's own media ids: name an uploaded file in the template's header");
  if (id.empty() ? !is_link(text_in(said, "link")) : said.contains("link"))
    return bad("a header's media needs either an id of Meta's or an https link with a host");
  return {};
}

Result<void> check_currency(const json& said) {
  if (auto fine = only(said, "a currency parameter", {"fallback_value", "code", "amount_1000"}); !fine) return fine;
  if (text_in(said, "fallback_value").empty() || text_in(said, "code").size() != 3 ||
      !member(said, "amount_1000").is_number_integer())
    return bad("a currency parameter needs fallback_value (what is shown), code (such as EUR) and amount_1000 (a whole number)");
  return {};
}

// One parameter of a header or a body. Meta ignores the other parts of a date_time.
Result<void> check_parameter(const json& said, bool in_header) {
  const std::string type = lower(text_in(said, "type"));
  if (type.empty()) return bad("a template parameter must be a text, or an object with a type");
  if (type == "text") {
    if (in_header) return sized(text_in(said, "text"), "header", 1, 60);
    return check_value(text_in(said, "text"));
  }
  if (type == "currency") return check_currency(member(said, "currency"));
  if (type == "date_time") {
    if (text_in(member(said, "date_time"), "fallback_value").empty())
      return bad("a date_time parameter needs fallback_value, what is shown");
    return {};
  }
  if (!in_header) return bad("a parameter of a template's body is of type text, currency or date_time");
  if (type == "location") return check_place(member(said, "location"));
  if (type == "image" || type == "video" || type == "document") return check_own_media(member(said, type.c_str()));
  return bad("a parameter of a template's header is of type text, image, video, document or location");
}

Result<json> body_parameters(const json& said) {
  if (!said.is_array() && !said.is_object())
    return bad("template parameters must be a list of values, or an object of named values");
  json made = json::array();
  for (const auto& [name, value] : said.items()) {
    json parameter = value.is_string() ? json{{"type", "text"}, {"text", value}} : value;
    if (auto fine = check_parameter(parameter, false); !fine) return tl::unexpected<Error>(fine.error());
    if (said.is_object()) parameter["parameter_name"] = name;
    made.push_back(std::move(parameter));
  }
  return made;
}

// The kinds of a template's buttons: Meta's word for what fills one, and where in it the words stand. Kinds that the sheet does
// not tell the filling of are taken as they are.
struct Filling {
  std::string_view sub_type, type;
  const char* key;
};
constexpr std::array kFillings = {
    Filling{"quick_reply", "payload", "payload"},
    Filling{"url", "text", "text"},
    Filling{"copy_code", "coupon_code", "coupon_code"},
    Filling{"flow", "action", nullptr},
    Filling{"catalog", "action", nullptr},
    Filling{"mpm", "action", nullptr},
    Filling{"order_details", "action", nullptr},
    Filling{"phone_number", "", nullptr},
    Filling{"voice_call", "", nullptr},
};

Result<void> check_coupon(std::string_view code) {
  if (letters(code) > 15) return bad("the code of a copy_code button has at most 15 characters");
  return {};
}

Result<json> template_button(const json& said) {
  const std::string& type = text_in(said, "type");
  const json& value = member(said, "value");
  const json& index = member(said, "index");
  const std::string place = index.is_string()            ? index.get<std::string>()
                            : index.is_number_unsigned() ? std::to_string(index.get<unsigned>())
                                                         : "";
  if (place.size() != 1 || place[0] < '0' || place[0] > '9') return bad("a template button needs an index from 0 to 9");
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) return bad("a template button needs a value");
  json parameter;
  if (type == "quick_reply") {
    parameter = {{"type", "payload"}, {"payload", value}};
  } else if (type == "url") {
    parameter = {{"type", "text"}, {"text", value}};
  } else if (type == "copy_code") {
    if (auto fine = check_coupon(value.get_ref<const std::string&>()); !fine) return tl::unexpected<Error>(fine.error());
    parameter = {{"type", "coupon_code"}, {"coupon_code", value}};
  } else if (type == "flow") {
    parameter = {{"type", "action"}, {"action", {{"flow_token", value}}}};
  } else if (type == "catalog") {
    parameter = {{"type", "action"}, {"action", {{"thumbnail_product_retailer_id", value}}}};
  } else {
    return bad("a template button is of type quick_reply, url, copy_code, flow or catalog");
  }
  return json{{"type", "button"}, {"sub_type", type}, {"index", place}, {"parameters", json::array({std::move(parameter)})}};
}

Result<void> check_own_button(const json& component) {
  const std::string sub_type = lower(text_in(component, "sub_type"));
  const auto* const filling =
      std::find_if(kFillings.begin(), kFillings.end(), [&](const Filling& f) { return f.sub_type == sub_type; });
  if (filling == kFillings.end()) return bad("a template button needs a sub_type: quick_reply, url, copy_code, flow or catalog");
  const std::string& index = text_in(component, "index");
  if (index.size() != 1 || index[0] < '0' || index[0] > '9') return bad("a template button needs an index from 0 to 9");
  const json& parameters = member(component, "parameters");
  if (parameters.is_null() && filling->key == nullptr) return {};
  if (!parameters.is_array() || parameters.size() != 1) return bad("a template button has exactly one parameter");
  if (filling->type.empty()) return {};
  const json& parameter = parameters.front();
  const auto wanted = [&] { return "a " + sub_type + " button needs a parameter of type " + std::string(filling->type); };
  if (lower(text_in(parameter, "type")) != filling->type) return bad(wanted());
  if (filling->key == nullptr) {
    if (!member(parameter, "action").is_object()) return bad(wanted() + ", with its action");
    return {};
  }
  if (text_in(parameter, filling->key).empty()) return bad(wanted() + ", with its " + filling->key);
  return sub_type == "copy_code" ? check_coupon(text_in(parameter, filling->key)) : Result<void>{};
}

Result<void> check_own_body(const json& parameters) {
  std::size_t named = 0;
  for (const json& parameter : parameters) {
    if (auto fine = check_parameter(parameter, false); !fine) return fine;
    if (!text_in(parameter, "parameter_name").empty()) ++named;
  }
  if (named != 0 && named != parameters.size()) return bad("named and positional template parameters cannot be mixed");
  return {};
}

// Of one message or of one card: at most one header, one body, and one button in a place.
Result<void> check_places(const json& components) {
  std::set<std::string> taken;
  for (const json& component : components) {
    const std::string type = lower(text_in(component, "type"));
    const std::string place = type == "button" ? text_in(component, "index") : type;
    if (taken.insert(place).second) continue;
    if (type == "button") return bad("two buttons of a template have the same index: give each its own");
    return bad("a template has at most one " + type);
  }
  return {};
}

// Components in Meta's own words: kept as they are, but for the index of a button, which must be a string.
Result<json> own_components(const json& said, bool in_card = false) {
  if (!said.is_array() || said.size() > 20) return bad("template components must be a list of at most 20");
  json made = json::array();
  for (json component : said) {
    if (auto fine = only(component, "a template component", {"type", "sub_type", "index", "parameters", "cards"}); !fine)
      return tl::unexpected<Error>(fine.error());
    const std::string type = lower(text_in(component, "type"));
    const json& parameters = member(component, "parameters");
    if (!parameters.is_null() && !parameters.is_array()) return bad("the parameters of a template component must be a list");
    if (const auto index = component.find("index"); index != component.end() && index->is_number_unsigned()) {
      *index = std::to_string(index->get<unsigned>());
    }
    Result<void> fine;
    if (type == "header") {
      fine = parameters.size() != 1 ? bad("a template's header has exactly one parameter: leave out a header that is fixed")
                                    : check_parameter(parameters.front(), true);
    } else if (type == "body") {
      fine = check_own_body(parameters);
    } else if (type == "button") {
      fine = check_own_button(component);
    } else if (type == "carousel" && !in_card) {
      json& cards = component["cards"];
      if (!cards.is_array() || cards.empty() || cards.size() > 10) return bad("a carousel has 1 to 10 cards");
      for (json& card : cards) {
        auto kept = own_components(member(card, "components"), true);
        if (!kept) return kept;
        card["components"] = std::move(*kept);
      }
    } else if (in_card || (type != "limited_time_offer" && type != "order_status")) {
      return bad("a template component is of type header, body, button, carousel or limited_time_offer");
    }
    if (!fine) return tl::unexpected<Error>(fine.error());
    made.push_back(std::move(component));
  }
  if (auto fine = check_places(made); !fine) return tl::unexpected<Error>(fine.error());
  return made;
}

Result<json> location_of(const json& detail) {
  const json& latitude = member(detail, "latitude");
  const json& longitude = member(detail, "longitude");
  if (!latitude.is_number() || !longitude.is_number() || !(std::abs(latitude.get<double>()) <= 90) ||
      !(std::abs(longitude.get<double>()) <= 180)) {
    return bad("location needs latitude (-90 to 90) and longitude (-180 to 180) as numbers");
  }
  json made = {{"latitude", latitude}, {"longitude", longitude}};
  for (const char* const key : {"name", "address"}) {
    const std::string& text = text_in(detail, key);
    if (auto fits = sized(text, key, 0, 1000); !fits) return tl::unexpected<Error>(fits.error());
    if (!text.empty()) made[key] = text;
  }
  return made;
}

Result<json> Composer::template_of(const json& detail) {
  const std::string& name = text_in(detail, "name");
  const json& language = member(detail, "language");
  const std::string& code = language.is_object() ? text_in(language, "code") : text_in(detail, "language");
  if (!is_safe_id(name)) return bad("template needs a name");
  if (!is_safe_id(code) || code.size() > 32) return bad("template needs a language, such as en_US");
  json made = {{"name", name}, {"language", {{"code", code}}}};
  if (auto fine = worded(language, "policy", {"deterministic"}); !fine) return tl::unexpected<Error>(fine.error());
  if (const json& policy = member(language, "policy"); policy.is_string()) made["language"]["policy"] = policy;
  json components = json::array();
  const bool simple =
      detail.contains("header") || detail.contains("parameters") || detail.contains("buttons") || detail.contains("code");
  if (const json& own = member(detail, "components"); !own.is_null()) {
    if (simple) return bad("give a template either components, or header, parameters, buttons and code");
    auto kept = own_components(own);
    if (!kept) return kept;
    components = std::move(*kept);
  }
  if (const json& said = member(detail, "header"); !said.is_null()) {
    json parameter;
    if (const json& place = member(said, "location"); !place.is_null()) {
      if (auto fine = check_place(place); !fine) return tl::unexpected<Error>(fine.error());
      auto made_place = location_of(place);
      if (!made_place) return made_place;
      parameter = {{"type", "location"}, {"location", std::move(*made_place)}};
    } else {
      auto shown = header(said);
      if (!shown) return shown;
      parameter = std::move(*shown);
    }
    components.push_back({{"type", "header"}, {"parameters", json::array({std::move(parameter)})}});
  }
  if (const json& said = member(detail, "parameters"); !said.is_null()) {
    auto parameters = body_parameters(said);
    if (!parameters) return parameters;
    if (!parameters->empty()) components.push_back({{"type", "body"}, {"parameters", std::move(*parameters)}});
  }
  if (const std::string& secret = text_in(detail, "code"); !secret.empty()) {
    if (!member(detail, "parameters").is_null())
      return bad("give a template either parameters, or the code of an authentication");
    if (letters(secret) > 15) return bad("an authentication code has at most 15 characters");
    // Once where it is read, once where it is copied.
    components.push_back({{"type", "body"}, {"parameters", json::array({json{{"type", "text"}, {"text", secret}}})}});
    components.push_back({{"type", "button"},
                          {"sub_type", "url"},
                          {"index", "0"},
                          {"parameters", json::array({json{{"type", "text"}, {"text", secret}}})}});
  }
  if (const json& said = member(detail, "buttons"); !said.is_null()) {
    if (!said.is_array() || said.size() > 10) return bad("template buttons must be a list of at most 10");
    for (const json& each : said) {
      auto button = template_button(each);
      if (!button) return button;
      components.push_back(std::move(*button));
    }
  }
  if (auto fine = check_places(components); !fine) return tl::unexpected<Error>(fine.error());
  if (!components.empty()) made["components"] = std::move(components);
  return made;
}

// A list of a contact's, each an object of texts.
Result<void> check_each(const json& contact, const char* list, std::initializer_list<std::string_view> known,
                        const char* needed) {
  const json& said = member(contact, list);
  if (said.is_null()) return {};
  const std::string what = std::string("each of a contact's ") + list;
  if (!said.is_array()) return bad(std::string("a contact's ") + list + " must be a list of objects");
  for (const json& each : said) {
    if (auto fine = only_texts(each, what, known); !fine) return fine;
    if (needed != nullptr && text_in(each, needed).empty()) return bad(what + " needs " + needed);
  }
  return {};
}

Result<void> check_contact(const json& contact) {
  if (auto fine = only(contact, "a contact", {"name", "birthday", "phones", "emails", "urls", "addresses", "org"}); !fine)
    return fine;
  const json& name = member(contact, "name");
  if (text_in(name, "formatted_name").empty()) return bad("a contact needs name.formatted_name");
  if (auto fine =
          only_texts(name, "a contact's name", {"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"});
      !fine)
    return fine;
  constexpr std::array kParts = {"first_name", "last_name", "middle_name", "suffix", "prefix"};
  if (std::none_of(kParts.begin(), kParts.end(), [&](const char* part) { return !text_in(name, part).empty(); })) {
    return bad("a contact needs one more part of its name, such as first_name");
  }
  if (const json& birthday = member(contact, "birthday"); !birthday.is_null() && !is_date(text_in(contact, "birthday")))
    return bad("a contact's birthday is a day as YYYY-MM-DD");
  if (const json& org = member(contact, "org"); !org.is_null()) {
    if (auto fine = only_texts(org, "a contact's org", {"company", "department", "title"}); !fine) return fine;
  }
  if (auto fine = check_each(contact, "phones", {"phone", "wa_id", "type"}, "phone"); !fine) return fine;
  if (auto fine = check_each(contact, "emails", {"email", "type"}, nullptr); !fine) return fine;
  if (auto fine = check_each(contact, "urls", {"url", "type"}, nullptr); !fine) return fine;
  return check_each(contact, "addresses", {"street", "city", "state", "zip", "country", "country_code", "type"}, nullptr);
}

Result<json> contacts_of(const json& detail) {
  if (!detail.is_array() || detail.empty() || detail.size() > 257) return bad("contacts must be a list of 1 to 257");
  for (const json& contact : detail) {
    if (auto fine = check_contact(contact); !fine) return tl::unexpected<Error>(fine.error());
  }
  return detail;
}

Result<json> reaction_of(const json& detail, const Content& content) {
  const std::string& target = text_in(detail, "message_id").empty() ? content.reply_to : text_in(detail, "message_id");
  if (target.empty()) return bad("a reaction needs the message it reacts to");
  const json& emoji = member(detail, "emoji");
  if (!emoji.is_string()) return bad("a reaction needs an emoji (an empty one takes it back)");
  const auto& said = emoji.get_ref<const std::string&>();
  if (!said.empty() && (said.size() > 64 || !is_one_emoji(said))) return bad("a reaction is one emoji, or empty to take it back");
  return json{{"message_id", target}, {"emoji", emoji}};
}

Result<json> named(Result<json> made, const char* type) {
  if (!made) return made;
  return json{{"type", type}, {type, std::move(*made)}};
}

Result<json> parsed(const std::string& detail) {
  if (detail.size() > kMaxDetail) return bad("the message is larger than 64 KiB");
  if (detail.empty()) return json::object();
  // Its depth is bounded here, since a dump recurses.
  wire::JsonReader reader;
  if (!reader.read(detail)) return bad("the message is not JSON, or too deep");
  json root = json::parse(detail, nullptr, false);
  if (root.is_discarded()) return bad("the message is not JSON, or too deep");
  return root;
}

// The members "type" and <type> of a message's body.
Result<json> compose(Composer& composer) {
  const Content& content = composer.content;
  auto read = parsed(content.detail);
  if (!read) return read;
  const json& detail = *read;
  const std::string& type = content.type;
  if (type == "text") {
    if (auto fits = sized(content.text, "text", 1, 4096); !fits) return tl::unexpected<Error>(fits.error());
    const json& preview = member(detail, "preview_url");
    return named(json{{"body", content.text}, {"preview_url", preview.is_boolean() && preview.get<bool>()}}, "text");
  }
  if (type == "media") return composer.media(detail, {}, false);
  if (kind_named(type) != nullptr) return composer.media(detail, type, false);
  if (type == "location") return named(location_of(detail), "location");
  if (type == "contacts") return named(contacts_of(detail), "contacts");
  if (type == "reaction") return named(reaction_of(detail, content), "reaction");
  if (type == "template") return named(composer.template_of(detail), "template");
  if (type == "buttons") return named(composer.buttons(detail), "interactive");
  if (type == "list") return named(composer.list(detail), "interactive");
  if (type == "link") return named(composer.link(detail), "interactive");
  if (type == "flow") return named(composer.flow(detail), "interactive");
  if (type == "location_request") {
    json interactive = {{"type", "location_request_message"}, {"action", {{"name", "send_location"}}}};
    if (auto framed = composer.frame(interactive, json::object(), 1024); !framed) return tl::unexpected<Error>(framed.error());
    return named(std::move(interactive), "interactive");
  }
  if (type == "interactive") {
    if (text_in(detail, "type").empty()) return bad("an interactive object needs a type");
    return named(detail, "interactive");
  }
  return fail(Errc::kUnsupported, "WhatsApp cannot carry a message of this type: send text, media, template, buttons or a list");
}

}  // namespace

Result<void> check(const Content& content) {
  Composer composer{content, "0"};
  const auto made = compose(composer);
  if (!made) return tl::unexpected<Error>(made.error());
  return {};
}

std::optional<Media> file_named(const Content& content) {
  if (content.media && !content.media->sha256.empty()) return content.media;
  if (content.detail.empty()) return std::nullopt;
  Composer composer{content, "0"};
  // What cannot be composed at all sends nothing; how far it came says whether a file was named.
  (void)compose(composer);
  return composer.file;
}

std::optional<Media> stored_file(const Content& content) {
  Composer composer{content, "0"};
  if (!compose(composer)) return std::nullopt;
  return composer.file;
}

Result<std::string> message_body(const Account& account, const Outbound& message, std::string_view media_id) {
  const auto id = id_in(message.address, account.portfolio);
  if (!id) return bad("the address is not one of this WhatsApp portfolio");
  Composer composer{message.content, media_id};
  auto made = compose(composer);
  if (!made) return tl::unexpected<Error>(made.error());
  json& body = *made;
  body["messaging_product"] = "whatsapp";
  body["recipient_type"] = "individual";
  body[is_phone_id(*id) ? "to" : "recipient"] = *id;
  if (!message.content.reply_to.empty() && message.content.type != "reaction")
    body["context"] = {{"message_id", message.content.reply_to}};
  if (std::string ref = seal_ref(account, message.ref); !ref.empty()) body["biz_opaque_callback_data"] = std::move(ref);
  if (std::string proof = proof_of(account); !proof.empty()) body["appsecret_proof"] = std::move(proof);
  return wire::to_text(body);
}

std::string read_body(const Account& account, std::string_view wamid, bool typing) {
  json body = {{"messaging_product", "whatsapp"}, {"status", "read"}, {"message_id", wamid}};
  if (typing) body["typing_indicator"] = {{"type", "text"}};
  if (std::string proof = proof_of(account); !proof.empty()) body["appsecret_proof"] = std::move(proof);
  return wire::to_text(body);
}

std::string graph_address(const Account& account, std::string_view what) {
  std::string url = account.graph_url;
  while (url.ends_with('/')) url.pop_back();
  return url.append("/").append(account.graph_version).append("/").append(what);
}

Headers graph_headers(const Account& account) {
  Headers headers;
  headers.add("authorization", "Bearer " + account.access_token.reveal());
  headers.add("user-agent", "belfry");
  return headers;
}

}  // namespace belfry::whatsapp
