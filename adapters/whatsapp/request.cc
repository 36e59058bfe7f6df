// See request.h. check() composes the message and throws the result away, so that what is checked is what is written.
#include "adapters/whatsapp/request.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "adapters/whatsapp/receiver.h"
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
  Result<json> header(const json& said);
  Result<void> frame(json& interactive, const json& detail, std::size_t max_body);
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
  } else if (link.starts_with("https://")) {
    if (link.size() > 2048) return bad("media link is longer than 2048 characters");
    object["link"] = link;
  } else {
    return bad("media needs an id or an https link");
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
Result<void> Composer::frame(json& interactive, const json& detail, std::size_t max_body) {
  if (auto fits = sized(content.text, "text", 1, max_body); !fits) return fits;
  interactive["body"] = {{"text", content.text}};
  if (const json& said = member(detail, "header"); !said.is_null()) {
    auto made = header(said);
    if (!made) return tl::unexpected<Error>(made.error());
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
  if (auto framed = frame(interactive, detail, 4096); !framed) return tl::unexpected<Error>(framed.error());
  return interactive;
}

Result<json> Composer::link(const json& detail) {
  const std::string& shown = text_in(detail, "display_text");
  const std::string& url = text_in(detail, "url");
  if (auto fits = sized(shown, "display_text", 1, 20); !fits) return tl::unexpected<Error>(fits.error());
  if ((!url.starts_with("https://") && !url.starts_with("http://")) || url.size() > 2000)
    return bad("url must be http(s), up to 2000 characters");
  json interactive = {{"type", "cta_url"},
                      {"action", {{"name", "cta_url"}, {"parameters", {{"display_text", shown}, {"url", url}}}}}};
  if (auto framed = frame(interactive, detail, 1024); !framed) return tl::unexpected<Error>(framed.error());
  return interactive;
}

Result<json> Composer::flow(const json& detail) {
  const bool by_id = !text_in(detail, "flow_id").empty();
  if (by_id == !text_in(detail, "flow_name").empty()) return bad("flow needs flow_id or flow_name, and not both");
  if (auto fits = sized(text_in(detail, "flow_cta"), "flow_cta", 1, 30); !fits) return tl::unexpected<Error>(fits.error());
  json parameters = {{"flow_message_version", "3"}};
  for (const char* const key :
       {"flow_id", "flow_name", "flow_cta", "flow_token", "mode", "flow_action", "flow_message_version"}) {
    if (const std::string& value = text_in(detail, key); !value.empty()) parameters[key] = value;
  }
  if (const json& payload = member(detail, "flow_action_payload"); payload.is_object())
    parameters["flow_action_payload"] = payload;
  json interactive = {{"type", "flow"}, {"action", {{"name", "flow"}, {"parameters", std::move(parameters)}}}};
  if (auto framed = frame(interactive, detail, 1024); !framed) return tl::unexpected<Error>(framed.error());
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

Result<json> body_parameters(const json& said) {
  json made = json::array();
  const auto add = [&](json parameter) -> Result<void> {
    if (text_in(parameter, "type") == "text") {
      if (auto fine = check_value(text_in(parameter, "text")); !fine) return fine;
    } else if (text_in(parameter, "type").empty()) {
      return bad("a template parameter must be a text, or an object with a type");
    }
    made.push_back(std::move(parameter));
    return {};
  };
  if (!said.is_array() && !said.is_object())
    return bad("template parameters must be a list of values, or an object of named values");
  for (const auto& [name, value] : said.items()) {
    json parameter = value.is_string() ? json{{"type", "text"}, {"text", value}} : value;
    if (!parameter.is_object()) return bad("a template parameter must be a text, or an object with a type");
    if (said.is_object()) parameter["parameter_name"] = name;
    if (auto fine = add(std::move(parameter)); !fine) return tl::unexpected<Error>(fine.error());
  }
  return made;
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

// A picture, video or document in Meta's own words. Its id goes to Meta as it stands, so it cannot be a file of ours.
Result<void> own_media(const json& said) {
  if (!our_file(text_in(said, "id")).empty())
    return bad("template components take Meta's own media ids: name an uploaded file in the template's header");
  return {};
}

// Components in Meta's own words: kept as they are, but for the index of a button, which must be a string.
Result<json> own_components(const json& said) {
  if (!said.is_array() || said.size() > 20) return bad("template components must be a list of at most 20");
  json made = json::array();
  for (json component : said) {
    const std::string& type = text_in(component, "type");
    if (type.empty()) return bad("a template component needs a type");
    if (const auto index = component.find("index"); index != component.end() && index->is_number_unsigned()) {
      *index = std::to_string(index->get<unsigned>());
    }
    for (const json& parameter : member(component, "parameters")) {
      for (const char* const kind : {"image", "video", "document"}) {
        if (auto fine = own_media(member(parameter, kind)); !fine) return tl::unexpected<Error>(fine.error());
      }
    }
    if (type == "body" || type == "BODY") {
      std::size_t named = 0;
      const json& parameters = member(component, "parameters");
      for (const json& parameter : parameters) {
        if (text_in(parameter, "type") == "text") {
          if (auto fine = check_value(text_in(parameter, "text")); !fine) return tl::unexpected<Error>(fine.error());
        }
        if (!text_in(parameter, "parameter_name").empty()) ++named;
      }
      if (named != 0 && named != parameters.size()) return bad("named and positional template parameters cannot be mixed");
    }
    made.push_back(std::move(component));
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
    if (const json& place = member(said, "location"); place.is_object()) {
      parameter = {{"type", "location"}, {"location", place}};
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
  if (!components.empty()) made["components"] = std::move(components);
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

Result<json> contacts_of(const json& detail) {
  if (!detail.is_array() || detail.empty() || detail.size() > 257) return bad("contacts must be a list of 1 to 257");
  for (const json& contact : detail) {
    const json& name = member(contact, "name");
    if (text_in(name, "formatted_name").empty()) return bad("a contact needs name.formatted_name");
    constexpr std::array kParts = {"first_name", "last_name", "middle_name", "suffix", "prefix"};
    if (std::none_of(kParts.begin(), kParts.end(), [&](const char* part) { return !text_in(name, part).empty(); })) {
      return bad("a contact needs one more part of its name, such as first_name");
    }
  }
  return detail;
}

Result<json> reaction_of(const json& detail, const Content& content) {
  const std::string& target = text_in(detail, "message_id").empty() ? content.reply_to : text_in(detail, "message_id");
  if (target.empty()) return bad("a reaction needs the message it reacts to");
  const json& emoji = member(detail, "emoji");
  if (!emoji.is_string()) return bad("a reaction needs an emoji (an empty one takes it back)");
  if (emoji.get_ref<const std::string&>().size() > 64) return bad("a reaction is one emoji");
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
