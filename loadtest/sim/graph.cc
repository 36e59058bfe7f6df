// Validation as Meta does it: required fields, types, lengths, unexpected keys.
#include "graph.h"

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <map>
#include <string_view>
#include <utility>

namespace sim {

using nlohmann::json;

namespace {

// Thrown inside this file only: the first thing wrong ends the reading.
struct Wrong {
  GraphError error;
};

[[noreturn]] void wrong(int code, const std::string& details) { throw Wrong{graph_error(code, details)}; }

void keys(const json& object, const std::string& where, std::initializer_list<std::string_view> known) {
  if (!object.is_object()) wrong(100, "Param " + where + " must be a JSON object.");
  for (const auto& [name, value] : object.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      wrong(100, "Unexpected key \"" + name + "\" on param \"" + where + "\".");
  }
}

const json& need(const json& object, const std::string& where, const std::string& name) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) wrong(131008, "The parameter " + where + "['" + name + "'] is required.");
  return *found;
}

std::string string_of(const json& value, const std::string& where, std::size_t low, std::size_t high) {
  if (!value.is_string()) wrong(100, "Param " + where + " must be a string.");
  const auto text = value.get<std::string>();
  const auto size = characters(text);
  if (size < low) wrong(100, "Param " + where + " must be at least " + std::to_string(low) + " characters long.");
  if (size > high) wrong(100, "Param " + where + " must be at most " + std::to_string(high) + " characters long.");
  return text;
}

std::string need_string(const json& object, const std::string& where, const std::string& name, std::size_t low,
                        std::size_t high) {
  return string_of(need(object, where, name), where + "['" + name + "']", low, high);
}

std::string may_string(const json& object, const std::string& where, const std::string& name, std::size_t high) {
  const auto found = object.find(name);
  return found == object.end() ? std::string() : string_of(*found, where + "['" + name + "']", 0, high);
}

const json& need_array(const json& object, const std::string& where, const std::string& name, std::size_t low, std::size_t high) {
  const auto& list = need(object, where, name);
  if (!list.is_array() || list.size() < low || list.size() > high) {
    wrong(131009, "Param " + where + "['" + name + "'] must be an array of " + std::to_string(low) + " to " +
                      std::to_string(high) + " elements.");
  }
  return list;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

// One of a table's words, as Meta writes its complaint.
void one_of(const json& object, const std::string& where, const std::string& name,
            std::initializer_list<std::string_view> words) {
  const auto found = object.find(name);
  if (found == object.end()) return;
  const auto said = string_of(*found, where + "['" + name + "']", 1, 100);
  if (std::find(words.begin(), words.end(), said) == words.end())
    wrong(100, "Param " + where + "['" + name + "'] has an unknown value: " + said + ".");
}

// Every member that is there is a text.
void texts(const json& object, const std::string& where, std::initializer_list<std::string_view> known) {
  keys(object, where, known);
  for (const auto& [name, value] : object.items()) string_of(value, where + "['" + name + "']", 0, 1024);
}

bool is_url(const std::string& url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (url.compare(0, scheme.size(), scheme) != 0) continue;
    return url.size() > scheme.size() && std::string_view("/?#:").find(url[scheme.size()]) == std::string_view::npos;
  }
  return false;
}

bool is_day(const std::string& text) {
  if (text.size() != 10) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((i == 4 || i == 7) ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  return text.substr(5, 2) >= "01" && text.substr(5, 2) <= "12" && text.substr(8, 2) >= "01" && text.substr(8, 2) <= "31";
}

// One picture as it is seen: what only changes or continues the one before does not count, and a letter is none.
bool is_emoji(const std::string& utf8) {
  int seen = 0;
  bool picture = false, joined = false, half_flag = false;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto first = static_cast<unsigned char>(utf8[i]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    std::uint32_t point = length == 1 ? first : first & (0x7fu >> length);
    for (std::size_t k = 1; k < length && i + k < utf8.size(); ++k)
      point = (point << 6) | (static_cast<unsigned char>(utf8[i + k]) & 0x3fu);
    i += length;
    const bool regional = point >= 0x1f1e6 && point <= 0x1f1ff;
    const bool changes = point == 0xfe0e || point == 0xfe0f || point == 0x20e3 ||
                         (point >= 0x1f3fb && point <= 0x1f3ff && seen > 0) || (point >= 0xe0020 && point <= 0xe007f);
    if (point == 0xa9 || point == 0xae || point == 0x20e3 || (point >= 0x203c && point < 0x3400) ||
        (point >= 0x1f000 && point < 0x1fb00))
      picture = true;
    if (point == 0x200d) {
      joined = true;
      continue;
    }
    if (!changes && !joined && !(regional && half_flag)) ++seen;
    half_flag = regional && !half_flag;
    joined = false;
  }
  return picture && seen == 1;
}

void media(const json& object, const std::string& type, std::string& text, bool in_header = false) {
  if (in_header) {
    keys(object, type, {"id", "link", "filename", "provider"});
  } else {
    keys(object, type, {"id", "link", "caption", "filename", "voice", "provider"});
  }
  const bool id = object.contains("id"), link = object.contains("link");
  if (id == link) wrong(100, "Param " + type + " needs exactly one of id and link.");
  if (id) need_string(object, type, "id", 1, 64);
  if (link) {
    const auto url = need_string(object, type, "link", 1, 2048);
    if (!is_url(url)) wrong(131009, "Param " + type + "['link'] is not a valid URL.");
  }
  if (object.contains("caption")) {
    if (type == "audio" || type == "sticker") wrong(100, "Unexpected key \"caption\" on param \"" + type + "\".");
    text = may_string(object, type, "caption", 1024);
  }
  if (object.contains("filename")) {
    if (type != "document") wrong(100, "Unexpected key \"filename\" on param \"" + type + "\".");
    may_string(object, type, "filename", 240);
  }
  if (object.contains("voice") && (type != "audio" || !object["voice"].is_boolean()))
    wrong(100, "Unexpected key \"voice\" on param \"" + type + "\".");
}

void location(const json& object) {
  keys(object, "location", {"latitude", "longitude", "name", "address", "url"});
  for (const auto& [name, limit] : {std::pair{"latitude", 90.0}, std::pair{"longitude", 180.0}}) {
    const auto& value = need(object, "location", name);
    double number = 0;
    if (value.is_number()) {
      number = value.get<double>();
    } else {
      try {
        number = std::stod(value.get<std::string>());
      } catch (const std::exception&) {
        wrong(131009, "Param location['" + std::string(name) + "'] is not a number.");
      }
    }
    if (!(number >= -limit && number <= limit)) wrong(131009, "Param location['" + std::string(name) + "'] is out of range.");
  }
  may_string(object, "location", "name", 1000);
  may_string(object, "location", "address", 1000);
}

void contacts(const json& list) {
  if (!list.is_array() || list.empty() || list.size() > 257)
    wrong(131009, "Param contacts must be an array of 1 to 257 elements.");
  for (const auto& each : list) {
    keys(each, "contacts", {"addresses", "birthday", "emails", "name", "org", "phones", "urls", "ims"});
    const auto& name = need(each, "contacts", "name");
    texts(name, "contacts['name']", {"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"});
    need_string(name, "contacts['name']", "formatted_name", 1, 1024);
    if (name.size() < 2) wrong(131009, "Param contacts['name'] needs formatted_name and one more part of the name.");
    for (const char* each_list : {"addresses", "emails", "phones", "urls"}) {
      if (each.contains(each_list) && !each[each_list].is_array())
        wrong(100, "Param contacts['" + std::string(each_list) + "'] must be an array.");
    }
    if (each.contains("phones")) {
      for (const auto& phone : each["phones"]) {
        texts(phone, "contacts['phones']", {"phone", "wa_id", "type"});
        need_string(phone, "contacts['phones']", "phone", 1, 64);
      }
    }
    if (each.contains("birthday") && !is_day(string_of(each["birthday"], "contacts['birthday']", 1, 40)))
      wrong(131009, "Param contacts['birthday'] must be YYYY-MM-DD.");
  }
}

void unique(std::vector<std::string>& seen, const std::string& id, const std::string& where) {
  if (std::find(seen.begin(), seen.end(), id) != seen.end()) wrong(131009, "Duplicate " + where + ": " + id + ".");
  seen.push_back(id);
}

void buttons(const json& action) {
  keys(action, "interactive['action']", {"buttons"});
  std::vector<std::string> ids, titles;
  for (const auto& each : need_array(action, "interactive['action']", "buttons", 1, 3)) {
    keys(each, "interactive['action']['buttons']", {"type", "reply"});
    if (need_string(each, "button", "type", 1, 10) != "reply") wrong(131009, "A button's type must be reply.");
    const auto& reply = need(each, "button", "reply");
    keys(reply, "button['reply']", {"id", "title"});
    const auto id = need_string(reply, "button['reply']", "id", 1, 256);
    if (id.front() == ' ' || id.back() == ' ') wrong(131009, "Param button['reply']['id'] has leading or trailing spaces.");
    unique(ids, id, "button id");
    unique(titles, need_string(reply, "button['reply']", "title", 1, 20), "button title");
  }
}

void rows(const json& action) {
  keys(action, "interactive['action']", {"button", "sections"});
  need_string(action, "interactive['action']", "button", 1, 20);
  const auto& sections = need_array(action, "interactive['action']", "sections", 1, 10);
  std::vector<std::string> ids;
  for (const auto& section : sections) {
    keys(section, "section", {"title", "rows"});
    if (sections.size() > 1) need_string(section, "section", "title", 1, 24);
    may_string(section, "section", "title", 24);
    for (const auto& row : need_array(section, "section", "rows", 1, 10)) {
      keys(row, "row", {"id", "title", "description"});
      unique(ids, need_string(row, "row", "id", 1, 200), "row id");
      need_string(row, "row", "title", 1, 24);
      may_string(row, "row", "description", 72);
    }
  }
  if (ids.size() > 10) wrong(131009, "Total row count exceeds the maximum allowed count: 10.");
}

void interactive(const json& object, std::string& text) {
  keys(object, "interactive", {"type", "header", "body", "footer", "action"});
  const auto type = lower(need_string(object, "interactive", "type", 1, 40));
  const auto& action = need(object, "interactive", "action");
  if (!action.is_object()) wrong(100, "Param interactive['action'] must be a JSON object.");
  if (object.contains("header")) {
    const auto& header = object["header"];
    keys(header, "interactive['header']", {"type", "text", "image", "video", "document"});
    const auto kind = need_string(header, "interactive['header']", "type", 1, 20);
    std::string ignored;
    if (kind == "text") {
      need_string(header, "interactive['header']", "text", 1, 60);
    } else if (kind == "image" || kind == "video" || kind == "document") {
      if (type == "list" || type == "flow") wrong(131009, "Param interactive['header']['type'] must be text.");
      media(need(header, "interactive['header']", kind), kind, ignored, true);
    } else {
      wrong(131009, "Param interactive['header']['type'] must be one of {text, image, video, document}.");
    }
  }
  if ((type != "catalog_message" && type != "product") || object.contains("body")) {
    const auto& body = need(object, "interactive", "body");
    keys(body, "interactive['body']", {"text"});
    text = need_string(body, "interactive['body']", "text", 1, type == "list" ? 4096 : 1024);
  }
  if (object.contains("footer")) {
    keys(object["footer"], "interactive['footer']", {"text"});
    need_string(object["footer"], "interactive['footer']", "text", 0, 60);
  }
  if (type == "button") return buttons(action);
  if (type == "list") return rows(action);
  if (type == "cta_url") {
    if (need_string(action, "interactive['action']", "name", 1, 40) != "cta_url")
      wrong(131009, "Param interactive['action']['name'] must be cta_url.");
    const auto& parameters = need(action, "interactive['action']", "parameters");
    keys(parameters, "parameters", {"display_text", "url"});
    need_string(parameters, "parameters", "display_text", 1, 20);
    if (!is_url(need_string(parameters, "parameters", "url", 1, 2000)))
      wrong(131009, "Param parameters['url'] is not a valid URL.");
    return;
  }
  if (type == "flow") {
    const auto& parameters = need(action, "interactive['action']", "parameters");
    keys(
        parameters, "parameters",
        {"flow_message_version", "flow_id", "flow_name", "flow_cta", "flow_token", "mode", "flow_action", "flow_action_payload"});
    need_string(parameters, "parameters", "flow_message_version", 1, 4);
    one_of(parameters, "parameters", "mode", {"draft", "published"});
    one_of(parameters, "parameters", "flow_action", {"navigate", "data_exchange"});
    if (parameters.contains("flow_id") == parameters.contains("flow_name"))
      wrong(131009, "Exactly one of flow_id and flow_name is needed.");
    need_string(parameters, "parameters", "flow_cta", 1, 30);
    return;
  }
  if (type == "location_request_message") {
    if (need_string(action, "interactive['action']", "name", 1, 40) != "send_location")
      wrong(131009, "Param interactive['action']['name'] must be send_location.");
    return;
  }
  static constexpr std::string_view kOthers[] = {
      "product",         "product_list",         "catalog_message", "carousel",
      "address_message", "request_contact_info", "voice_call",      "call_permission_request",
      "order_details",   "order_status"};
  if (std::find(std::begin(kOthers), std::end(kOthers), type) == std::end(kOthers))
    wrong(131009, "Param interactive['type'] has an unknown value: " + type + ".");
}

// The sheet's kinds of a template's button, and Meta's others; and what one is filled with, where it is known.
const std::map<std::string, std::string>& button_kinds() {
  static const std::map<std::string, std::string> kTable = {
      {"quick_reply", "payload"}, {"url", "text"},    {"copy_code", "coupon_code"}, {"flow", "action"},  {"catalog", "action"},
      {"mpm", "action"},          {"voice_call", ""}, {"order_details", ""},        {"phone_number", ""}};
  return kTable;
}

bool bad_template_text(const std::string& text) {
  return text.find_first_of("\n\t") != std::string::npos || text.find("     ") != std::string::npos;
}

void template_message(const json& object, std::string& text) {
  keys(object, "template", {"name", "language", "components", "namespace"});
  text = need_string(object, "template", "name", 1, 512);
  const auto& language = need(object, "template", "language");
  keys(language, "template['language']", {"code", "policy"});
  need_string(language, "template['language']", "code", 2, 40);
  one_of(language, "template['language']", "policy", {"deterministic"});
  if (!object.contains("components")) return;
  if (!object["components"].is_array()) wrong(100, "Param template['components'] must be an array.");
  std::vector<std::string> places;
  for (const auto& component : object["components"]) {
    keys(component, "template['components']", {"type", "sub_type", "index", "parameters", "cards"});
    const auto type = lower(need_string(component, "component", "type", 1, 30));
    std::string place = type, filled_with;
    if (type == "button") {
      const auto sub_type = lower(need_string(component, "component", "sub_type", 1, 30));
      const auto& kinds = button_kinds();
      if (kinds.count(sub_type) == 0) wrong(131009, "Param component['sub_type'] has an unknown value: " + sub_type + ".");
      filled_with = kinds.at(sub_type);
      const auto& index = need(component, "component", "index");
      const auto value = index.is_number_integer()                                   ? index.get<int>()
                         : index.is_string() && index.get<std::string>().size() == 1 ? index.get<std::string>()[0] - '0'
                                                                                     : -1;
      if (value < 0 || value > 9) wrong(131009, "Param component['index'] must be \"0\" to \"9\".");
      place = "button " + std::to_string(value);
    } else if (type != "header" && type != "body" && type != "carousel" && type != "limited_time_offer" &&
               type != "order_status") {
      wrong(131009, "Param component['type'] has an unknown value: " + type + ".");
    }
    unique(places, place, "component");
    bool named = false, positional = false;
    if (!component.contains("parameters")) continue;
    if (!component["parameters"].is_array()) wrong(100, "Param component['parameters'] must be an array.");
    if (type == "header" && component["parameters"].size() != 1) wrong(132000, "A header component takes exactly one parameter.");
    for (const auto& parameter : component["parameters"]) {
      if (!parameter.is_object()) wrong(100, "A template parameter must be a JSON object.");
      const auto kind = lower(need_string(parameter, "parameter", "type", 1, 30));
      (parameter.contains("parameter_name") ? named : positional) = true;
      if (!filled_with.empty() && kind != filled_with)
        wrong(132012, "A parameter of this button must be of type " + filled_with + ".");
      if (kind == "text") {
        const auto value = need_string(parameter, "parameter", "text", 1, 32768);
        if (type == "body" && bad_template_text(value)) {
          wrong(132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces.");
        }
      } else if (kind == "currency") {
        const auto& money = need(parameter, "parameter", "currency");
        need_string(money, "currency", "fallback_value", 1, 1024);
        need_string(money, "currency", "code", 3, 3);
        if (!need(money, "currency", "amount_1000").is_number_integer())
          wrong(100, "Param currency['amount_1000'] must be an integer.");
      } else if (kind == "date_time") {
        need_string(need(parameter, "parameter", "date_time"), "date_time", "fallback_value", 1, 1024);
      } else if (kind == "image" || kind == "video" || kind == "document") {
        std::string ignored;
        media(need(parameter, "parameter", kind), kind, ignored, true);
      } else if (kind == "location") {
        const auto& where = need(parameter, "parameter", "location");
        location(where);
        for (const char* const part : {"name", "address"}) need_string(where, "location", part, 1, 1000);
      } else if (kind == "coupon_code") {
        need_string(parameter, "parameter", "coupon_code", 1, 15);
      } else if (type == "header" || type == "body") {
        wrong(132012, "Param parameter['type'] has an unknown value: " + kind + ".");
      }
    }
    if (named && positional) wrong(132000, "Named and positional parameters cannot be mixed.");
  }
}

bool all_digits(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void read(const json& body, Send& out) {
  if (!body.is_object()) wrong(100, "The request body must be a JSON object.");
  if (need_string(body, "body", "messaging_product", 1, 20) != "whatsapp")
    wrong(100,
          "Param messaging_product must be one of {WHATSAPP} - got \"" + body["messaging_product"].get<std::string>() + "\".");
  if (body.contains("status")) {
    keys(body, "body", {"messaging_product", "status", "message_id", "typing_indicator"});
    if (body["status"] != "read") wrong(100, "Param status must be one of {read}.");
    out.context = need_string(body, "body", "message_id", 1, 256);
    out.kind = Send::Kind::kRead;
    if (body.contains("typing_indicator")) {
      keys(body["typing_indicator"], "typing_indicator", {"type"});
      if (need_string(body["typing_indicator"], "typing_indicator", "type", 1, 10) != "text")
        wrong(100, "Param typing_indicator['type'] must be one of {text}.");
      out.kind = Send::Kind::kTyping;
    }
    if (out.context.rfind("wamid.", 0) != 0) wrong(131009, "Param message_id is not a valid whatsapp message ID.");
    return;
  }
  keys(body, "body",
       {"messaging_product",
        "recipient_type",
        "to",
        "recipient",
        "type",
        "text",
        "image",
        "video",
        "audio",
        "document",
        "sticker",
        "location",
        "contacts",
        "interactive",
        "template",
        "reaction",
        "context",
        "biz_opaque_callback_data",
        "recipient_identity_key_hash",
        "category",
        "ttl_seconds"});
  if (body.contains("recipient_type") && body["recipient_type"] != "individual" && body["recipient_type"] != "group") {
    wrong(100, "Param recipient_type must be one of {individual, group}.");
  }
  if (body.contains("to")) {  // `to` wins over `recipient`
    out.to = need_string(body, "body", "to", 1, 64);
    if (body.value("recipient_type", "individual") == "individual") {
      std::string digits;
      for (const char c : out.to) {
        if (c >= '0' && c <= '9')
          digits += c;
        else if (std::string_view("+-() ").find(c) == std::string_view::npos)
          wrong(131009, "Param to is not a valid phone number.");
      }
      if (!all_digits(digits) || digits.size() < 5 || digits.size() > 15) wrong(131009, "Param to is not a valid phone number.");
      out.to = digits;
    }
  } else if (body.contains("recipient")) {
    out.to = need_string(body, "body", "recipient", 4, 131);
    out.to_user = true;
    if (out.to[2] != '.') wrong(131009, "Param recipient is not a valid business-scoped user ID.");
  } else {
    wrong(131008, "The parameter to is required.");
  }
  out.type = lower(body.contains("type") ? need_string(body, "body", "type", 1, 20) : std::string("text"));
  out.opaque = may_string(body, "body", "biz_opaque_callback_data", 512);
  if (body.contains("context")) {
    keys(body["context"], "context", {"message_id"});
    out.context = need_string(body["context"], "context", "message_id", 1, 256);
    if (out.context.rfind("wamid.", 0) != 0) wrong(131009, "Param context['message_id'] is not a valid whatsapp message ID.");
  }
  static constexpr std::string_view kTypes[] = {"text",     "image",    "video",       "audio",    "document", "sticker",
                                                "location", "contacts", "interactive", "template", "reaction"};
  if (std::find(std::begin(kTypes), std::end(kTypes), out.type) == std::end(kTypes)) {
    wrong(100,
          "Param type must be one of {AUDIO, CONTACTS, DOCUMENT, IMAGE, INTERACTIVE, LOCATION, REACTION, STICKER, TEMPLATE, "
          "TEXT, VIDEO} - got \"" +
              out.type + "\".");
  }
  // Graph takes any object also as JSON in a string.
  json unfolded;
  const json* said = &need(body, "body", out.type);
  if (said->is_string()) {
    unfolded = json::parse(said->get<std::string>(), nullptr, false);
    if (unfolded.is_discarded()) wrong(100, "Param " + out.type + " is not valid JSON.");
    said = &unfolded;
  }
  const json& part = *said;
  if (out.type == "text") {
    keys(part, "text", {"body", "preview_url"});
    out.text = need_string(part, "text", "body", 1, 4096);
    if (part.contains("preview_url") && !part["preview_url"].is_boolean())
      wrong(100, "Param text['preview_url'] must be a boolean.");
  } else if (out.type == "location") {
    location(part);
  } else if (out.type == "contacts") {
    contacts(part);
  } else if (out.type == "interactive") {
    interactive(part, out.text);
  } else if (out.type == "template") {
    template_message(part, out.text);
  } else if (out.type == "reaction") {
    keys(part, "reaction", {"message_id", "emoji"});
    out.context = need_string(part, "reaction", "message_id", 1, 256);
    out.text = need_string(part, "reaction", "emoji", 0, 16);
    if (!out.text.empty() && !is_emoji(out.text)) wrong(131009, "Param reaction['emoji'] must be one emoji.");
    if (out.context.rfind("wamid.", 0) != 0) wrong(131009, "Param reaction['message_id'] is not a valid whatsapp message ID.");
  } else {
    media(part, out.type, out.text);
  }
}

struct Known {
  int http;
  const char* title;
};

const std::map<int, Known>& known_errors() {
  static const std::map<int, Known> kTable = {
      {0, {401, "AuthException"}},
      {1, {500, "An unknown error occurred"}},
      {2, {503, "Service temporarily unavailable"}},
      {3, {403, "Application does not have the capability to make this API call"}},
      {4, {429, "Application request limit reached"}},
      {10, {403, "Application does not have permission for this action"}},
      {33, {400, "Unsupported post request"}},
      {100, {400, "Invalid parameter"}},
      {190, {401, "Invalid OAuth access token - Cannot parse access token"}},
      {368, {403, "Temporarily blocked for policies violations"}},
      {80007, {429, "Rate limit issues"}},
      {130429, {429, "Rate limit hit"}},
      {130472, {400, "User's number is part of an experiment"}},
      {130497, {403, "Business account is restricted from messaging users in this country"}},
      {130501, {400, "Message type is not currently supported"}},
      {131000, {500, "Something went wrong"}},
      {131005, {403, "Access denied"}},
      {131008, {400, "Required parameter is missing"}},
      {131009, {400, "Parameter value is not valid"}},
      {131016, {503, "Service unavailable"}},
      {131021, {400, "Recipient cannot be sender"}},
      {131026, {400, "Message undeliverable"}},
      {131030, {400, "Recipient phone number not in allowed list"}},
      {131031, {403, "Account has been locked"}},
      {131037, {400, "WhatsApp provided number needs display name approval before message can be sent"}},
      {131042, {400, "Business eligibility payment issue"}},
      {131045, {500, "Incorrect certificate"}},
      {131047, {400, "Re-engagement message"}},
      {131048, {429, "Spam rate limit hit"}},
      {131049, {400, "This message was not delivered to maintain healthy ecosystem engagement"}},
      {131050, {400, "User has stopped marketing messages"}},
      {131051, {400, "Unsupported message type"}},
      {131052, {400, "Media download error"}},
      {131053, {400, "Media upload error"}},
      {131056, {400, "(Business Account, Consumer Account) pair rate limit hit"}},
      {131057, {503, "Business account is in maintenance mode"}},
      {131062, {400, "Business-scoped user ID is not supported for this message"}},
      {131064, {429, "Messaging limit reached"}},
      {132000, {400, "Template param count mismatch"}},
      {132001, {404, "Template does not exist"}},
      {132005, {400, "Template hydrated text too long"}},
      {132007, {400, "Template format character policy violated"}},
      {132012, {400, "Template parameter format mismatch"}},
      {132015, {400, "Template is paused"}},
      {132016, {400, "Template is disabled"}},
      {132018, {400, "Template parameter value is not valid"}},
      {133004, {503, "Server temporarily unavailable"}},
      {133010, {400, "Phone number not registered"}},
      {133016, {400, "Account register deregister rate limit exceeded"}},
      {135000, {400, "Generic user error"}},
      {137000, {400, "Identity key hash mismatch"}},
  };
  return kTable;
}

}  // namespace

std::size_t characters(const std::string& utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::optional<GraphError> read_send(const json& body, Send& out) {
  try {
    read(body, out);
    return std::nullopt;
  } catch (const Wrong& found) {
    return found.error;
  } catch (const json::exception&) {
    return graph_error(100, "A field has a type that is not expected there.");
  }
}

GraphError graph_error(int code, std::string details) {
  GraphError out;
  out.code = code;
  const auto found = known_errors().find(code);
  out.http = found == known_errors().end() ? 400 : found->second.http;
  out.message = "(#" + std::to_string(code) + ") " + (found == known_errors().end() ? "Unknown error" : found->second.title);
  out.details = details.empty() ? (found == known_errors().end() ? "Unknown error" : found->second.title) : std::move(details);
  return out;
}

std::string graph_error_body(const GraphError& error, const std::string& trace) {
  nlohmann::ordered_json out = {{"message", error.message}, {"type", error.type}, {"code", error.code}};
  if (error.subcode != 0) out["error_subcode"] = error.subcode;
  if (error.code != 190) out["error_data"] = {{"messaging_product", "whatsapp"}, {"details", error.details}};
  out["fbtrace_id"] = trace;
  return nlohmann::ordered_json{{"error", out}}.dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace sim
