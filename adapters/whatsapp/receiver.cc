// See receiver.h. The order of reading: signature, JSON, then each entry x change x element alone.
#include "adapters/whatsapp/receiver.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "adapters/whatsapp/errors.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/json.h"

namespace belfry::whatsapp {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;
using simdjson::dom::object;
using wire::append_quoted;
using wire::array_at;
using wire::object_at;
using wire::text_at;
using wire::text_of;
using wire::to_text;

constexpr std::int64_t kWindowMs = 24LL * 3600 * 1000 - 60'000;
constexpr std::size_t kMaxChallenge = 64;
constexpr std::size_t kMaxMessageId = 256;  // documented as opaque, "up to about 128"
constexpr std::int64_t kYear2100Ms = 4'102'444'800'000;

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool is_message_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxMessageId &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string message_id(std::string_view id) { return is_message_id(id) ? std::string(id) : std::string(); }

// Seconds as a string or a number; from 10^12 on, milliseconds.
std::optional<WallTime> time_of(element value) {
  std::int64_t number = 0;
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  } else if (value.get(number) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  if (number <= 0) return std::nullopt;
  const std::int64_t ms = number >= 1'000'000'000'000 ? number : number * 1000;
  if (ms >= kYear2100Ms) return std::nullopt;
  return WallTime{ms};
}

std::optional<WallTime> time_at(object from, std::string_view key) {
  element value;
  if (from.at_key(key).get(value) != simdjson::SUCCESS) return std::nullopt;
  return time_of(value);
}

// Control characters, line separators, and what turns or hides the direction of text (U+061C, 200B-200F, 2028-202E, 2060-2069,
// FEFF).
bool is_shown(char32_t c) {
  if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0xfeff) return false;
  if (c == 0x200c || c == 0x200d) return true;  // joiners are letters of Persian names, and of emoji
  return !((c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x2069));
}

struct Letter {
  char32_t code;
  std::size_t octets;
};

// The first character of valid UTF-8; a stray octet is taken as U+0000, which is_shown drops.
Letter letter_of(std::string_view text) {
  const auto octet = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = octet(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc0 || text.size() < size) return {0, 1};
  char32_t code = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xc0U) != 0x80U) return {0, 1};
    code = (code << 6) | (octet(i) & 0x3fU);
  }
  return {code, size};
}

// Keeps what is_shown, up to `max_octets` and `max_letters`, never half a character.
std::string shown_part(std::string_view text, std::size_t max_letters, std::size_t max_octets) {
  std::string out;
  for (std::size_t letters = 0; !text.empty() && letters < max_letters;) {
    const Letter letter = letter_of(text);
    if (is_shown(letter.code)) {
      if (out.size() + letter.octets > max_octets) break;
      out.append(text.substr(0, letter.octets));
      ++letters;
    }
    text.remove_prefix(letter.octets);
  }
  return out;
}

// sha256 comes as base64 in webhooks, as hex elsewhere. Whatever is not 32 octets cannot be verified and is left out.
std::string sha256_of(std::string_view text) {
  auto octets = text.size() == 64 ? wire::from_hex(text) : wire::base64_decode(text);
  return octets && octets->size() == 32 ? wire::to_hex(*octets) : std::string();
}

std::string mime_of(std::string_view text) {
  const bool plain = text.size() <= 127 && std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
  return plain ? std::string(text) : std::string();
}

bool is_media(std::string_view type) {
  return type == "image" || type == "audio" || type == "video" || type == "document" || type == "sticker";
}

Media media_of(object payload) {
  Media media;
  const std::string_view id = text_at(payload, "id");
  if (is_safe_id(id)) media.provider_id = id;
  const std::string_view url = text_at(payload, "url");
  if (url.starts_with("https://") && url.size() <= 2048) media.url = url;
  media.mime = mime_of(text_at(payload, "mime_type"));
  media.sha256 = sha256_of(text_at(payload, "sha256"));
  media.filename = clean_filename(text_at(payload, "filename"));
  media.voice = wire::true_at(payload, "voice");
  media.animated = wire::true_at(payload, "animated");
  return media;
}

// The words of an interactive answer: the tapped title, the flow's closing line, the caller's answer.
std::string_view interactive_text(object payload) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kWords = {{
      {"button_reply", "title"},
      {"list_reply", "title"},
      {"nfm_reply", "body"},
      {"call_permission_reply", "response"},
  }};
  for (const auto& [key, word] : kWords) {
    if (const auto reply = object_at(payload, key)) return text_at(*reply, word);
  }
  return {};
}

std::string contact_names(array contacts) {
  std::string names;
  for (const element each : contacts) {
    object contact;
    if (each.get(contact) != simdjson::SUCCESS) continue;
    const auto name = object_at(contact, "name");
    if (!name || names.size() > 500) continue;
    const std::string shown = clean_name(text_at(*name, "formatted_name"));
    if (shown.empty()) continue;
    if (!names.empty()) names.append(", ");
    names.append(shown);
  }
  return names;
}

// The words a person reads, and the media, of a payload of this type. The edit's inner message has the same shapes.
void read_payload(std::string_view type, element value, Content& content) {
  if (type == "contacts") {
    array contacts;
    if (value.get(contacts) == simdjson::SUCCESS) content.text = contact_names(contacts);
    return;
  }
  object payload;
  if (value.get(payload) != simdjson::SUCCESS) return;
  if (type == "text" || type == "system") {
    content.text = text_at(payload, "body");
  } else if (is_media(type)) {
    content.text = text_at(payload, "caption");
    content.media = media_of(payload);
  } else if (type == "location") {
    content.text = text_at(payload, "name");
    if (content.text.empty()) content.text = text_at(payload, "address");
  } else if (type == "interactive") {
    content.text = interactive_text(payload);
  } else if (type == "button" || type == "order") {
    content.text = text_at(payload, "text");
  } else if (type == "reaction") {
    content.text = text_at(payload, "emoji");
  } else if (type == "edit") {
    const auto inner = object_at(payload, "message");
    const std::string_view inner_type = inner ? text_at(*inner, "type") : std::string_view{};
    element inner_value;
    if (inner_type != "edit" && !inner_type.empty() && inner->at_key(inner_type).get(inner_value) == simdjson::SUCCESS) {
      read_payload(inner_type, inner_value, content);
    }
  }
}

// The three names of a citizen; any may be missing.
struct Ids {
  std::string_view user_id;
  std::string_view wa_id;
  std::string_view parent_user_id;
};

std::vector<std::string> addresses_of(const Account& account, const Ids& ids) {
  std::vector<std::string> addresses;
  for (const std::string_view id : {ids.user_id, ids.wa_id, ids.parent_user_id}) {
    if (is_safe_id(id)) addresses.push_back(address_of(account.portfolio, id));
  }
  return addresses;
}

// One change's surroundings, shared by its elements.
struct Scope {
  const Account* account = nullptr;
  Now now;
  WallTime entry_time;
  std::optional<array> contacts;
};

bool says(object contact, std::string_view key, std::string_view id) { return !id.empty() && text_at(contact, key) == id; }

// The sender's contact: matched by id, since the two lists need not be parallel; or the only one there is, unless it is
// another's.
std::optional<object> contact_of(const Scope& scope, const Ids& ids) {
  if (!scope.contacts) return std::nullopt;
  std::optional<object> only;
  for (const element each : *scope.contacts) {
    object contact;
    if (each.get(contact) != simdjson::SUCCESS) continue;
    if (says(contact, "user_id", ids.user_id) || says(contact, "wa_id", ids.wa_id)) return contact;
    only = contact;
  }
  if (scope.contacts->size() != 1 || !only) return std::nullopt;
  const auto another = [&](std::string_view key, std::string_view id) { return !id.empty() && !text_at(*only, key).empty(); };
  if (another("user_id", ids.user_id) || another("wa_id", ids.wa_id)) return std::nullopt;
  return only;
}

// True if a contact says more than its name and ids (a username, the hash of its identity key).
bool has_more(object contact) {
  for (const auto& [key, value] : contact) {
    if (key == "wa_id" || key == "user_id" || key == "parent_user_id") continue;
    object profile;
    if (key != "profile" || value.get(profile) != simdjson::SUCCESS) return true;
    for (const auto& [inner, unused] : profile) {
      static_cast<void>(unused);
      if (inner != "name") return true;
    }
  }
  return false;
}

template <class Value>
void append_member(std::string& detail, std::string_view key, Value value) {
  detail.push_back(detail.empty() ? '{' : ',');
  append_quoted(detail, key);
  detail.push_back(':');
  detail.append(to_text(value));
}

// Why an update went to quarantine: of our own words only, it reaches the log.
tl::unexpected<Error> unread(std::string why) { return fail(Errc::kBadInput, std::move(why)); }

Result<Event> identity_of(const Account& account, object payload, const Ids& ids, Inbound message) {
  const std::string_view new_user = text_at(payload, "user_id");
  const std::string_view new_wa = text_at(payload, "wa_id");
  const std::string_view old_user = text_at(payload, "previous_user_id");
  const std::string_view kind = text_at(payload, "type");
  Identity identity;
  if (!old_user.empty()) {
    if (!is_safe_id(old_user)) return unread("system: unusable previous_user_id");
    identity.old_address = address_of(account.portfolio, old_user);
    message.addresses = addresses_of(
        account, {new_user.empty() ? ids.user_id : new_user, new_wa.empty() ? ids.wa_id : new_wa, ids.parent_user_id});
  } else if (!new_wa.empty() || !new_user.empty()) {
    // `from` is still the old number here, and a number change issues a new user id: only what the payload names is new.
    const std::string_view old = ids.wa_id.empty() ? ids.user_id : ids.wa_id;
    if (!is_safe_id(old)) return unread("system: no usable old id");
    identity.old_address = address_of(account.portfolio, old);
    message.addresses = addresses_of(account, {new_user, new_wa, {}});
  } else if (kind == "customer_identity_changed" && !message.addresses.empty()) {
    // The same citizen with a new key: nobody moves, but older history may have to fold.
    identity.old_address = message.addresses.front();
  } else {
    if (message.addresses.empty()) return unread("no usable sender");
    return message;
  }
  if (message.addresses.empty()) return unread("system: no usable new id");
  identity.message = std::move(message);
  return identity;
}

Result<Event> message_of(const Scope& scope, element update) {
  object fields;
  if (update.get(fields) != simdjson::SUCCESS) return unread("message is not an object");
  const std::string_view type = text_at(fields, "type");
  Ids ids;
  Inbound message;
  std::optional<element> payload;
  std::optional<WallTime> at;
  std::string& detail = message.content.detail;
  for (const auto& [key, value] : fields) {
    if (key == "from") {
      ids.wa_id = text_of(value);
    } else if (key == "from_user_id") {
      ids.user_id = text_of(value);
    } else if (key == "from_parent_user_id") {
      ids.parent_user_id = text_of(value);
    } else if (key == "id") {
      message.provider_id = message_id(text_of(value));
    } else if (key == "timestamp") {
      at = time_of(value);
    } else if (key == "type") {
      continue;
    } else if (key == type) {
      payload = value;
      if (type != "text") append_member(detail, key, value);
    } else {
      append_member(detail, key, value);
      object context;
      if (key == "context" && value.get(context) == simdjson::SUCCESS) {
        message.content.reply_to = message_id(text_at(context, "id"));
        message.content.forwarded = wire::true_at(context, "forwarded") || wire::true_at(context, "frequently_forwarded");
      }
    }
  }
  if (message.provider_id.empty()) return unread("message without a usable id");
  if (!at) return unread("message without a usable timestamp");

  if (const auto contact = contact_of(scope, ids)) {
    if (const auto profile = object_at(*contact, "profile")) message.name = clean_name(text_at(*profile, "name"));
    if (ids.user_id.empty()) ids.user_id = text_at(*contact, "user_id");
    if (ids.wa_id.empty()) ids.wa_id = text_at(*contact, "wa_id");
    if (ids.parent_user_id.empty()) ids.parent_user_id = text_at(*contact, "parent_user_id");
    if (has_more(*contact)) {
      append_member(detail, "contact", *contact);
    }
  }
  message.account = scope.account->id;
  message.at = *at;
  message.addresses = addresses_of(*scope.account, ids);
  message.content.type = is_word(type) ? std::string(type) : "unknown";
  if (payload) read_payload(type, *payload, message.content);
  if (type == "text" && payload) {
    // Most messages are a body and nothing else: it stands in `text`, and is not stored twice.
    object text;
    const bool bare = payload->get(text) == simdjson::SUCCESS && text.size() == 1 && !message.content.text.empty();
    if (!bare) append_member(detail, type, *payload);
  }
  if (!detail.empty()) detail.push_back('}');

  object inner;
  const bool has_object = payload && payload->get(inner) == simdjson::SUCCESS;
  if (type == "system" && has_object) return identity_of(*scope.account, inner, ids, std::move(message));
  if (message.addresses.empty()) return unread("no usable sender");
  if (type == "reaction" || type == "edit" || type == "revoke") {
    Change change{std::move(message), {}};
    if (has_object) change.original = message_id(text_at(inner, type == "reaction" ? "message_id" : "original_message_id"));
    if (change.original.empty()) return unread("change without the id of what it changes");
    return change;
  }
  return message;
}

int first_error_code(object status) {
  const auto errors = array_at(status, "errors");
  if (!errors) return -1;
  for (const element each : *errors) {
    object error;
    if (each.get(error) != simdjson::SUCCESS) continue;
    const auto code = wire::int_at(error, "code");
    if (code && *code >= 0 && *code <= 10'000'000) return static_cast<int>(*code);
  }
  return -1;
}

Result<void> read_status(const Scope& scope, element update, std::vector<Event>& events) {
  object fields;
  if (update.get(fields) != simdjson::SUCCESS) return unread("status is not an object");
  const std::string_view status = text_at(fields, "status");
  Receipt receipt;
  receipt.account = scope.account->id;
  receipt.provider_id = message_id(text_at(fields, "id"));
  receipt.ref = open_ref(*scope.account, text_at(fields, "biz_opaque_callback_data"));
  if (receipt.provider_id.empty() && !receipt.ref) return unread("status without a usable id");
  receipt.at = time_at(fields, "timestamp").value_or(scope.now.wall);
  if (status == "sent") {
    receipt.state = State::kSent;
  } else if (status == "delivered") {
    receipt.state = State::kDelivered;
  } else if (status == "read" || status == "played") {
    receipt.state = State::kRead;
  } else if (status == "failed") {
    receipt.state = State::kFailed;
    const int code = first_error_code(fields);
    receipt.reason = code < 0 ? "unknown" : reason_of(code);
    if (code >= 0 && fault_of(code).act == Act::kOptOut) {
      const auto to = addresses_of(*scope.account, {text_at(fields, "recipient_user_id"), text_at(fields, "recipient_id"), {}});
      if (!to.empty())
        events.push_back(Consent{scope.account->id, to.front(), "marketing_messages", false, receipt.at, to_text(update)});
    }
  } else if (status == "deleted" || status == "warning") {
    return {};
  } else {
    return unread("status of an unknown kind");
  }
  events.push_back(std::move(receipt));
  return {};
}

Result<Event> consent_of(const Scope& scope, element update) {
  object fields;
  if (update.get(fields) != simdjson::SUCCESS) return unread("preference is not an object");
  const auto addresses =
      addresses_of(*scope.account, {text_at(fields, "user_id"), text_at(fields, "wa_id"), text_at(fields, "parent_user_id")});
  const std::string_view category = text_at(fields, "category");
  const std::string_view value = text_at(fields, "value");
  if (addresses.empty()) return unread("preference without a usable citizen");
  if (!is_word(category)) return unread("preference without a usable category");
  const bool given = value == "resume" || value == "signup";
  if (!given && value != "stop") return unread("preference of an unknown value");
  return Consent{
      scope.account->id, addresses.front(), std::string(category), given, time_at(fields, "timestamp").value_or(scope.entry_time),
      to_text(update)};
}

// The very bytes of an update, found only when one goes to quarantine. The three levels are split once each, in order.
class Source {
 public:
  explicit Source(std::string_view body) : body_(body) {}

  std::string_view body() const { return body_; }

  std::string_view change(std::size_t entry, std::size_t change) {
    if (entries_.empty()) entries_ = wire::raw_elements(wire::raw_member(body_, "entry"));
    if (entry >= entries_.size()) return {};
    if (entry != entry_) {
      entry_ = entry;
      change_ = kNone;
      changes_ = wire::raw_elements(wire::raw_member(entries_[entry], "changes"));
    }
    return change < changes_.size() ? changes_[change] : std::string_view{};
  }

  std::string_view update(std::size_t entry, std::size_t change_index, std::string_view list, std::size_t index) {
    const std::string_view whole = change(entry, change_index);
    if (change_ != change_index || list_ != list) {
      change_ = change_index;
      list_ = list;
      updates_ = wire::raw_elements(wire::raw_member(wire::raw_member(whole, "value"), list));
    }
    return index < updates_.size() ? updates_[index] : std::string_view{};
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::string_view body_;  // lives as long as the request being read
  std::size_t entry_ = kNone;
  std::size_t change_ = kNone;
  std::string_view list_;
  std::vector<std::string_view> entries_;
  std::vector<std::string_view> changes_;
  std::vector<std::string_view> updates_;
};

// Walks one POST. Each method appends events; `where` of the loop is kept so that a Raw can find its bytes.
class Batch {
 public:
  Batch(Now now, const Account& path, const std::vector<Account>& others, std::string_view body)
      : now_(now), path_(path), others_(others), source_(body) {}

  std::vector<Event> events;

  // False when there are too many updates.
  bool read(object root) {
    const auto entries = array_at(root, "entry");
    if (text_at(root, "object") != "whatsapp_business_account" || !entries) {
      quarantine(path_, "not a WhatsApp envelope", std::string(source_.body()));
      return true;
    }
    entry_ = 0;
    for (const element each : *entries) {
      object entry;
      const bool is_object = each.get(entry) == simdjson::SUCCESS;
      const auto changes = is_object ? array_at(entry, "changes") : std::nullopt;
      if (!changes) {
        quarantine(path_, "entry without changes", to_text(each));
      } else {
        read_changes(*changes, time_at(entry, "time").value_or(now_.wall));
      }
      if (events.size() > kMaxUpdates) return false;
      ++entry_;
    }
    return true;
  }

 private:
  void read_changes(array changes, WallTime entry_time) {
    change_ = 0;
    for (const element each : changes) {
      object change;
      object value;
      std::string_view field;
      if (each.get(change) == simdjson::SUCCESS) field = text_at(change, "field");
      element whole;
      if (!is_word(field) || change.at_key("value").get(whole) != simdjson::SUCCESS || whole.get(value) != simdjson::SUCCESS) {
        quarantine(path_, "change without a field or a value", bytes_or(source_.change(entry_, change_), each));
      } else {
        read_change(field, each, whole, value, entry_time);
      }
      if (events.size() > kMaxUpdates) return;
      ++change_;
    }
  }

  void read_change(std::string_view field, element change, element whole, object value, WallTime entry_time) {
    const auto metadata = object_at(value, "metadata");
    const std::string_view number = metadata ? text_at(*metadata, "phone_number_id") : std::string_view{};
    Scope scope{&path_, now_, entry_time, std::nullopt};
    const bool of_a_number = field == "messages" || field == "user_preferences";
    if (!number.empty() || of_a_number) scope.account = account_of(number);
    // Dispatch on the field first: `calls` carries a list named statuses that are no statuses of messages.
    if (field == "messages") {
      read_messages(scope, whole, value);
    } else if (field == "user_preferences") {
      read_list(scope, value, "user_preferences", [&](element update) { return take(consent_of(scope, update)); });
    } else if (scope.account == nullptr) {
      quarantine(path_, kNotOurs, bytes_or(source_.change(entry_, change_), change));
    } else {
      const WallTime at = time_at(value, "timestamp").value_or(entry_time);
      events.push_back(AccountNews{scope.account->id, std::string(field), to_text(whole), at});
    }
  }

  void read_messages(Scope& scope, element whole, object value) {
    scope.contacts = array_at(value, "contacts");
    bool known = false;
    for (const auto& [key, list] : value) {
      if (key == "messaging_product" || key == "metadata" || key == "contacts") continue;
      if (key == "messages") {
        known = true;
        read_list(scope, value, key, [&](element update) { return take(message_of(scope, update)); });
      } else if (key == "statuses") {
        known = true;
        read_list(scope, value, key, [&](element update) { return read_status(scope, update, events); });
      } else if (key == "errors") {
        known = true;
        read_list(scope, value, key, [&](element update) {
          events.push_back(AccountNews{scope.account->id, "errors", to_text(update), scope.entry_time});
          return Result<void>{};
        });
      }
    }
    if (!known) {
      const std::string& owner = scope.account != nullptr ? scope.account->id : path_.id;
      events.push_back(AccountNews{owner, "messages", to_text(whole), scope.entry_time});
    }
  }

  template <class Read>
  void read_list(const Scope& scope, object value, std::string_view key, Read read_one) {
    const auto list = array_at(value, key);
    if (!list) {
      element odd;
      if (value.at_key(key).get(odd) != simdjson::SUCCESS) return;
      quarantine(path_, "a list of updates is not a list", to_text(odd));
      return;
    }
    std::size_t index = 0;
    for (const element each : *list) {
      const auto bytes = [&] { return bytes_or(source_.update(entry_, change_, key, index), each); };
      if (scope.account == nullptr) {
        quarantine(path_, kNotOurs, bytes());
      } else if (const Result<void> done = read_one(each); !done) {
        quarantine(*scope.account, done.error().detail, bytes());
      }
      if (events.size() > kMaxUpdates) return;
      ++index;
    }
  }

  Result<void> take(Result<Event> event) {
    if (!event) return tl::unexpected<Error>(event.error());
    events.push_back(std::move(*event));
    return {};
  }

  void quarantine(const Account& account, std::string_view why, std::string bytes) {
    events.push_back(Raw{account.id, std::string(why), std::move(bytes)});
  }

  static std::string bytes_or(std::string_view found, element value) {
    return found.empty() ? to_text(value) : std::string(found);
  }

  const Account* account_of(std::string_view number) const {
    if (number.empty()) return nullptr;
    if (number == path_.phone_number_id) return &path_;
    for (const Account& other : others_) {
      if (number == other.phone_number_id) return &other;
    }
    return nullptr;
  }

  static constexpr std::string_view kNotOurs = "the number is no account that shares this app secret";

  Now now_;
  const Account& path_;
  const std::vector<Account>& others_;
  Source source_;
  std::size_t entry_ = 0;
  std::size_t change_ = 0;
};

bool shares_secret(const Account& a, const Account& b) {
  return std::any_of(a.app_secrets.begin(), a.app_secrets.end(), [&](const Secret& one) {
    return !one.empty() && std::any_of(b.app_secrets.begin(), b.app_secrets.end(), [&](const Secret& other) {
      return wire::equal_constant_time(one.reveal(), other.reveal());
    });
  });
}

bool is_signed(const Account& account, const HttpRequest& request) {
  constexpr std::string_view kPrefix = "sha256=";
  const std::string_view header = request.headers.get("x-hub-signature-256");
  if (!header.starts_with(kPrefix) || header.size() != kPrefix.size() + 64) return false;
  const auto claimed = wire::from_hex(header.substr(kPrefix.size()));
  if (!claimed) return false;
  bool good = false;
  for (const Secret& secret : account.app_secrets) {
    if (secret.empty()) continue;
    good |= wire::equal_constant_time(wire::hmac_sha256(secret.reveal(), request.body), *claimed);
  }
  return good;
}

}  // namespace

Receiver::Receiver(Account path, std::vector<Account> all) : path_(std::move(path)) {
  for (Account& each : all) {
    if (each.id != path_.id && shares_secret(path_, each)) others_.push_back(std::move(each));
  }
}

Result<HttpResponse> Receiver::handshake(const HttpRequest& request) const {
  const std::string mode = query_value(request.query, "hub.mode");
  const std::string token = query_value(request.query, "hub.verify_token");
  const std::string challenge = query_value(request.query, "hub.challenge");
  const bool plain = !challenge.empty() && challenge.size() <= kMaxChallenge &&
                     std::all_of(challenge.begin(), challenge.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
  HttpResponse answer;
  answer.headers.add("content-type", "text/plain");
  const std::string& ours = path_.verify_token.reveal();
  if (ours.empty() || mode != "subscribe" || !wire::equal_constant_time(token, ours) || !plain) {
    answer.status = 403;
    return answer;
  }
  answer.headers.add("x-content-type-options", "nosniff");
  answer.body = challenge;
  return answer;
}

Result<Intake> Receiver::read(Now now, const HttpRequest& request) const {
  if (!is_signed(path_, request)) return fail(Errc::kUnauthorized, "whatsapp: no or wrong signature");
  thread_local wire::JsonReader reader;
  const auto root = reader.read(request.body);
  if (!root) return tl::unexpected<Error>(root.error());
  object envelope;
  if (root->get(envelope) != simdjson::SUCCESS) return fail(Errc::kBadInput, "JSON is not an object");
  Batch batch(now, path_, others_, request.body);
  if (!batch.read(envelope)) return fail(Errc::kBadInput, "too many updates");
  Intake intake;
  intake.events = std::move(batch.events);
  intake.yes.status = 200;
  intake.no.status = 503;
  return intake;
}

WallTime window_until(const Inbound& message) {
  const std::string& type = message.content.type;
  if (type == "reaction" || type == "edit" || type == "revoke" || type == "system") return {};
  return message.at + kWindowMs;
}

std::string clean_name(std::string_view name) { return shown_part(name, 100, 400); }

std::string clean_filename(std::string_view name) {
  constexpr std::size_t kMax = 200;
  const auto slash = name.find_last_of("/\\");
  if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
  std::string shown = shown_part(name, name.size(), name.size());
  shown.erase(0, std::min(shown.find_first_not_of(". "), shown.size()));
  if (shown.size() <= kMax) return shown;
  // Too long: cut the middle, since the end says what it is.
  const auto dot = shown.rfind('.');
  const std::string extension = dot != std::string::npos && shown.size() - dot <= 16 ? shown.substr(dot) : std::string();
  return shown_part(std::string_view(shown).substr(0, shown.size() - extension.size()), kMax, kMax - extension.size()) +
         extension;
}

}  // namespace belfry::whatsapp
