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

void media(const json& object, const std::string& type, std::string& text) {
  keys(object, type, {"id", "link", "caption", "filename", "voice", "provider"});
  const bool id = object.contains("id"), link = object.contains("link");
  if (id == link) wrong(100, "Param " + type + " needs exactly one of id and link.");
  if (id) need_string(object, type, "id", 1, 64);
  if (link) {
    const auto url = need_string(object, type, "link", 1, 2048);
    if (url.rfind("http", 0) != 0) wrong(131009, "Param " + type + "['link'] is not a valid URL.");
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
    keys(name, "contacts['name']", {"formatted_name", "first_name", "last_name", "middle_name", "suffix", "prefix"});
    need_string(name, "contacts['name']", "formatted_name", 1, 1024);
    if (name.size() < 2) wrong(131009, "Param contacts['name'] needs formatted_name and one more part of the name.");
    for (const char* each_list : {"addresses", "emails", "phones", "urls"}) {
      if (each.contains(each_list) && !each[each_list].is_array())
        wrong(100, "Param contacts['" + std::string(each_list) + "'] must be an array.");
    }
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
    unique(ids, need_string(reply, "button['reply']", "id", 1, 256), "button id");
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
      media(need(header, "interactive['header']", kind), kind, ignored);
    } else {
      wrong(131009, "Param interactive['header']['type'] must be one of {text, image, video, document}.");
    }
  }
  if (type != "catalog_message" || object.contains("body")) {
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
    need_string(parameters, "parameters", "display_text", 1, 20);
    need_string(parameters, "parameters", "url", 1, 2000);
    return;
  }
  if (type == "flow") {
    const auto& parameters = need(action, "interactive['action']", "parameters");
    need_string(parameters, "parameters", "flow_message_version", 1, 4);
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

bool bad_template_text(const std::string& text) {
  return text.find_first_of("\n\t") != std::string::npos || text.find("     ") != std::string::npos;
}

void template_message(const json& object, std::string& text) {
  keys(object, "template", {"name", "language", "components", "namespace"});
  text = need_string(object, "template", "name", 1, 512);
  const auto& language = need(object, "template", "language");
  keys(language, "template['language']", {"code", "policy"});
  need_string(language, "template['language']", "code", 2, 40);
  if (!object.contains("components")) return;
  if (!object["components"].is_array()) wrong(100, "Param template['components'] must be an array.");
  for (const auto& component : object["components"]) {
    keys(component, "template['components']", {"type", "sub_type", "index", "parameters", "cards"});
    const auto type = lower(need_string(component, "component", "type", 1, 30));
    if (type == "button") {
      need_string(component, "component", "sub_type", 1, 30);
      const auto& index = need(component, "component", "index");
      const auto value = index.is_number_integer()                                   ? index.get<int>()
                         : index.is_string() && index.get<std::string>().size() == 1 ? index.get<std::string>()[0] - '0'
                                                                                     : -1;
      if (value < 0 || value > 9) wrong(131009, "Param component['index'] must be \"0\" to \"9\".");
    } else if (type != "header" && type != "body" && type != "carousel" && type != "limited_time_offer" &&
               type != "order_status") {
      wrong(131009, "Param component['type'] has an unknown value: " + type + ".");
    }
    bool named = false, positional = false;
    if (!component.contains("parameters")) continue;
    if (!component["parameters"].is_array()) wrong(100, "Param component['parameters'] must be an array.");
    for (const auto& parameter : component["parameters"]) {
      if (!parameter.is_object()) wrong(100, "A template parameter must be a JSON object.");
      const auto kind = lower(need_string(parameter, "parameter", "type", 1, 30));
      (parameter.contains("parameter_name") ? named : positional) = true;
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
        media(need(parameter, "parameter", kind), kind, ignored);
      } else if (kind == "location") {
        location(need(parameter, "parameter", "location"));
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
  const auto& part = need(body, "body", out.type);
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
