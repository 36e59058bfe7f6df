// See sender.h.
#include "adapters/whatsapp/sender.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "adapters/whatsapp/receiver.h"
#include "adapters/whatsapp/request.h"
#include "adapters/wire/json.h"

namespace belfry::whatsapp {
namespace {

constexpr std::int64_t kSecondMs = 1'000;
constexpr std::int64_t kBehindHoldMs = kSecondMs;  // it is the hold that stops a message, and a new token may lift that
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kUploadLivesMs = 29LL * 24 * kHourMs;  // Meta keeps it for 30 days
constexpr std::size_t kMaxReads = 64;
constexpr std::size_t kMaxUploads = 8;
constexpr std::size_t kMaxTried = 20'000;
constexpr std::size_t kMaxUploaded = 10'000;
constexpr std::size_t kMaxLearned = 10'000;
constexpr std::int64_t kMaxWaitMs = 72 * kHourMs;

constexpr std::array<std::int64_t, Sender::kMaxTries> kBackoffMs = {2'000, 8'000, 30'000, 120'000, 600'000};
constexpr std::array<std::int64_t, Sender::kMaxTries> kAlertBackoffMs = {1'000, 2'000, 4'000, 8'000, 16'000};

// Past its bound a map of memories loses an arbitrary half: each entry is a convenience, none is a promise.
template <class Map>
void keep_below(Map& map, std::size_t most) {
  if (map.size() < most) return;
  auto each = map.begin();
  for (std::size_t i = map.size() / 2; i > 0; --i) each = map.erase(each);
}

// Retry-After in seconds, as milliseconds; 0 if there is none or it is a date.
std::int64_t retry_after_ms(const HttpResponse& answer) {
  const std::string_view text = answer.headers.get("retry-after");
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size() || seconds < 0) return 0;
  return std::min(seconds, kMaxWaitMs / kSecondMs) * kSecondMs;
}

// The longest estimated_time_to_regain_access (minutes) of X-Business-Use-Case-Usage: {"<id>": [{…}], …}.
std::int64_t usage_wait_ms(const HttpResponse& answer) {
  wire::JsonReader reader;
  const auto root = reader.read(std::string(answer.headers.get("x-business-use-case-usage")));
  simdjson::dom::object ids;
  if (!root || root->get(ids) != simdjson::SUCCESS) return 0;
  std::int64_t minutes = 0;
  for (const auto& [id, list] : ids) {
    simdjson::dom::array uses;
    if (list.get(uses) != simdjson::SUCCESS) continue;
    for (const simdjson::dom::element each : uses) {
      simdjson::dom::object use;
      if (each.get(use) != simdjson::SUCCESS) continue;
      minutes = std::max(minutes, wire::int_at(use, "estimated_time_to_regain_access").value_or(0));
    }
  }
  return std::min(minutes, kMaxWaitMs / kMinuteMs) * kMinuteMs;
}

struct Accepted {
  std::string wamid;
  std::string status;  // message_status, if it is not plain "accepted"
  std::string wa_id;
};

std::optional<Accepted> accepted(const HttpResponse& answer) {
  wire::JsonReader reader;
  const auto root = reader.read(answer.body);
  simdjson::dom::object top;
  if (!root || root->get(top) != simdjson::SUCCESS) return std::nullopt;
  Accepted all;
  const auto first = [&](std::string_view list) -> std::optional<simdjson::dom::object> {
    const auto elements = wire::array_at(top, list);
    simdjson::dom::object object;
    if (!elements || elements->at(0).get(object) != simdjson::SUCCESS) return std::nullopt;
    return object;
  };
  if (const auto message = first("messages")) {
    all.wamid = wire::text_at(*message, "id");
    const std::string_view status = wire::text_at(*message, "message_status");
    const bool word = status.size() <= 64 &&
                      std::all_of(status.begin(), status.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
    if (word && status != "accepted") all.status = status;
  }
  if (const auto contact = first("contacts")) all.wa_id = wire::text_at(*contact, "wa_id");
  const bool usable = !all.wamid.empty() && all.wamid.size() <= 256 &&
                      std::all_of(all.wamid.begin(), all.wamid.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!usable) return std::nullopt;
  return all;
}

std::optional<std::string> media_id_of(const HttpResponse& answer) {
  wire::JsonReader reader;
  const auto root = reader.read(answer.body);
  simdjson::dom::object top;
  if (!root || root->get(top) != simdjson::SUCCESS) return std::nullopt;
  const std::string_view id = wire::text_at(top, "id");
  if (!is_safe_id(id)) return std::nullopt;
  return std::string(id);
}

bool is_success(const HttpResponse& answer) { return answer.status >= 200 && answer.status < 300; }

// The multipart body around a file. The boundary holds half of the file's own digest (RFC 2046 5.1.1 allows 70 characters), so
// the file cannot contain it but by a miracle.
Upload upload_of(const Account& account, CallId id, const Media& file) {
  const std::string boundary = "belfry-" + file.sha256.substr(0, 32);
  std::string name = clean_filename(file.filename);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '"' || c == '\\'; }, '_');
  if (name.empty()) name = "file";
  const auto field = [&](std::string_view key, std::string_view value) {
    return std::string("--")
        .append(boundary)
        .append("\r\ncontent-disposition: form-data; name=\"")
        .append(key)
        .append("\"\r\n\r\n")
        .append(value)
        .append("\r\n");
  };
  Upload upload{id, graph_address(account, account.phone_number_id + "/media"), graph_headers(account), {}, file.sha256, {}};
  upload.headers.add("content-type", "multipart/form-data; boundary=" + boundary);
  upload.before = field("messaging_product", "whatsapp") + field("type", file.mime);
  if (const std::string proof = proof_of(account); !proof.empty()) upload.before += field("appsecret_proof", proof);
  upload.before += "--" + boundary + "\r\ncontent-disposition: form-data; name=\"file\"; filename=\"" + name +
                   "\"\r\ncontent-type: " + file.mime + "\r\n\r\n";
  upload.after = "\r\n--" + boundary + "--\r\n";
  return upload;
}

}  // namespace

Sender::Sender(Account account, Now start)
    : account_(std::move(account)), pace_(account_.rate, start.mono), held_until_(start.mono) {}

bool Sender::set_secrets(Now now, const Account& fresh) {
  const bool same_token = account_.access_token.reveal() == fresh.access_token.reveal();
  take_secrets(account_, fresh);
  if (same_token) return false;
  if (held_until_ > now.mono) {
    held_until_ = now.mono;
    next_hold_ms_ = next_pause_ms_ = 0;
  }
  return true;
}

Credit Sender::credit(Now now) const {
  if (draining_) return {0, 0, now.mono + kMinuteMs};
  if (held_until_ > now.mono) return {0, 0, held_until_};
  const int window = probing_ ? 1 : static_cast<int>(kWindow);
  const int open = static_cast<int>(in_flight_);
  if (open >= window) return {0, 0, now.mono + 50};
  const int ready = pace_.ready(now.mono);
  return {std::clamp(without_alerts(window) - open, 0, ready), std::min(ready, window - open), pace_.next(now.mono)};
}

void Sender::send(Now now, Outbound message, Effects& effects) {
  if (draining_) return give_back(now, message, 0, "draining", effects);
  if (held_until_ > now.mono) return give_back(now, message, kBehindHoldMs, "held", effects);
  if (in_flight_ >= kWindow) return give_back(now, message, 100, "window", effects);
  const Instant turn = pairs_.next(now.mono, message.address);
  if (turn > now.mono) return give_back(now, message, turn - now.mono, "pair_rate", effects);
  const std::optional<Media> file = stored_file(message.content);
  if (!file) return post(now, std::move(message), {}, effects);
  const auto known = uploaded_.find(file->sha256);
  if (known != uploaded_.end() && known->second.until > now.mono)
    return post(now, std::move(message), known->second.media_id, effects);
  upload(now, *file, std::move(message), effects);
}

void Sender::post(Now now, Outbound message, std::string_view media_id, Effects& effects) {
  auto body = message_body(account_, message, media_id);
  if (!body) return settle(now, message, State::kFailed, "invalid " + body.error().detail, effects);
  Call call{next_call_++, "POST", graph_address(account_, account_.phone_number_id + "/messages"), graph_headers(account_),
            std::move(*body)};
  call.headers.add("content-type", "application/json");
  pace_.sent(now.mono);
  pairs_.sent(now.mono, message.address);
  ++in_flight_;
  open_[call.id] = Open{Stage::kPost, {}, {}};
  open_[call.id].messages.push_back(std::move(message));
  effects.emplace_back(std::move(call));
}

void Sender::upload(Now now, const Media& file, Outbound message, Effects& effects) {
  for (auto& [id, open] : open_) {
    if (open.stage == Stage::kUpload && open.file == file.sha256) {
      ++in_flight_;
      open.messages.push_back(std::move(message));
      return;
    }
  }
  if (uploads_ >= kMaxUploads) return give_back(now, message, 500, "uploads", effects);
  ++uploads_;
  ++in_flight_;
  const CallId id = next_call_++;
  effects.emplace_back(upload_of(account_, id, file));
  open_[id] = Open{Stage::kUpload, file.sha256, {}};
  open_[id].messages.push_back(std::move(message));
}

void Sender::on_response(Now now, CallId id, Result<HttpResponse> answer, Effects& effects) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;  // drained
  Open open = std::move(found->second);
  open_.erase(found);
  in_flight_ -= open.messages.size();
  switch (open.stage) {
    case Stage::kPost: on_posted(now, open.messages.front(), answer, effects); break;
    case Stage::kUpload:
      --uploads_;
      on_uploaded(now, open, answer, effects);
      break;
    case Stage::kRead:
      --reads_;
      if (answer) {
        const auto error = graph_error(*answer);
        const Fault fault = error ? fault_of(error->code, error->transient) : Fault{};
        if (error && fault.act == Act::kHold) hold(now, 0, std::to_string(error->code).append(" ").append(fault.word), effects);
      }
      break;
  }
}

void Sender::on_posted(Now now, Outbound& message, const Result<HttpResponse>& answer, Effects& effects) {
  if (!answer) {
    const Errc code = answer.error().code;
    if (code == Errc::kUnavailable || code == Errc::kBusy) {
      pause(now);
      return give_back(now, message, held_until_ - now.mono, "unreachable", effects);
    }
    return settle(now, message, State::kUncertain, std::string(name_of(code)), effects);
  }
  if (const auto error = graph_error(*answer)) return refuse(now, message, *answer, *error, effects);
  const std::string http = "http " + std::to_string(answer->status);
  if (is_success(*answer)) {
    reached();
    const auto all = accepted(*answer);
    if (!all) return settle(now, message, State::kUncertain, http + " without an id", effects);
    pairs_.accepted(message.address);
    settle(now, message, State::kSent, all->status, effects, all->wamid);
    return learn_address(now, message, all->wa_id, effects);
  }
  if (answer->status == 429) {
    pace_.slow_down(now.mono);
    return give_back(now, message, std::max(retry_after_ms(*answer), 2 * kSecondMs), http, effects);
  }
  if (answer->status == 401 || answer->status == 403) {
    hold(now, 0, http, effects);
    return give_back(now, message, kBehindHoldMs, http, effects);
  }
  if (answer->status >= 500 && message.lane != Lane::kAlert) return settle(now, message, State::kUncertain, http, effects);
  retry(now, message, http, effects);
}

void Sender::on_uploaded(Now now, Open& open, const Result<HttpResponse>& answer, Effects& effects) {
  // An upload may be repeated at will: nobody sees it. So nothing here is uncertain.
  std::optional<std::string> media_id;
  std::optional<GraphError> error;
  if (answer) error = graph_error(*answer);
  if (answer && is_success(*answer) && !error) media_id = media_id_of(*answer);
  if (media_id) {
    keep_below(uploaded_, kMaxUploaded);
    uploaded_[open.file] = Uploaded{*media_id, now.mono + kUploadLivesMs};
    reached();
    for (Outbound& message : open.messages) post(now, std::move(message), *media_id, effects);
    return;
  }
  const bool unreachable = !answer && (answer.error().code == Errc::kUnavailable || answer.error().code == Errc::kBusy);
  if (unreachable) pause(now);
  for (const Outbound& message : open.messages) {
    if (error) {
      refuse(now, message, *answer, *error, effects);
    } else if (unreachable) {
      give_back(now, message, held_until_ - now.mono, "unreachable", effects);
    } else if (!answer && answer.error().code == Errc::kNotFound) {
      settle(now, message, State::kFailed, "media missing", effects);
    } else {
      retry(now, message,
            answer ? "media http " + std::to_string(answer->status) : "media " + std::string(name_of(answer.error().code)),
            effects);
    }
  }
}

void Sender::refuse(Now now, const Outbound& message, const HttpResponse& answer, const GraphError& error, Effects& effects) {
  const Fault fault = fault_of(error.code, error.transient);
  const std::string reason = reason_of(error.code, error.transient);
  if (fault.act != Act::kHold && fault.act != Act::kThrottle) reached();
  switch (fault.act) {
    case Act::kRetry: return retry(now, message, reason, effects);
    case Act::kOnce:
      if (const auto file = stored_file(message.content)) uploaded_.erase(file->sha256);
      if (count_try(now, message.ref) > 1) return settle(now, message, State::kFailed, reason, effects);
      return give_back(now, message, 2 * kSecondMs, reason, effects);
    case Act::kSlow: {
      constexpr int kMost = 5;  // 2, 4 … 30 s
      pace_.slow_down(now.mono);
      const int tries = std::min(count_try(now, message.ref), kMost);
      return give_back(now, message,
                       std::max(retry_after_ms(answer), std::min<std::int64_t>(30, std::int64_t{1} << tries) * kSecondMs), reason,
                       effects);
    }
    case Act::kPair: {
      constexpr int kMost = 8;
      const int refusals = pairs_.refused(now.mono, message.address);
      if (refusals > kMost) return settle(now, message, State::kFailed, reason, effects);
      return give_back(now, message, pairs_.next(now.mono, message.address) - now.mono, reason, effects);
    }
    case Act::kThrottle:
      hold(now, std::max({usage_wait_ms(answer), retry_after_ms(answer), 2 * kMinuteMs}), reason, effects);
      return give_back(now, message, held_until_ - now.mono, reason, effects);
    case Act::kHold:
      hold(now, error.code == 133016 ? kMaxWaitMs : 0, error.trace.empty() ? reason : reason + " trace " + error.trace, effects);
      return give_back(now, message, kBehindHoldMs, reason, effects);
    case Act::kLimit:
      tell(now, error.code, error, effects);
      if (message.lane != Lane::kBulk || count_try(now, message.ref) > kMaxTries)
        return settle(now, message, State::kFailed, reason, effects);
      return give_back(now, message, kHourMs, reason, effects);
    case Act::kTell: tell(now, error.code, error, effects); return settle(now, message, State::kFailed, reason, effects);
    case Act::kOptOut:
      effects.emplace_back(Deliver{next_token_++, Consent{account_.id, message.address, "marketing_messages", false, now.wall,
                                                          "{\"code\":" + std::to_string(error.code) + "}"}});
      return settle(now, message, State::kFailed, reason, effects);
    case Act::kGiveUp: return settle(now, message, State::kFailed, reason, effects);
  }
}

void Sender::retry(Now now, const Outbound& message, const std::string& reason, Effects& effects) {
  const int tries = count_try(now, message.ref);
  if (tries > kMaxTries) return settle(now, message, State::kFailed, reason, effects);
  const auto& waits = message.lane == Lane::kAlert ? kAlertBackoffMs : kBackoffMs;
  give_back(now, message, waits.at(static_cast<std::size_t>(tries - 1)), reason, effects);
}

int Sender::count_try(Now now, const MessageRef& ref) {
  if (tried_.size() >= kMaxTried) {
    std::erase_if(tried_, [&](const auto& each) { return now.mono - each.second.last > 2 * kHourMs; });
    keep_below(tried_, kMaxTried);
  }
  Tried& tried = tried_[public_id(ref)];
  tried.last = now.mono;
  return ++tried.tries;
}

void Sender::give_back(Now now, const Outbound& message, std::int64_t wait_ms, std::string reason, Effects& effects) {
  effects.emplace_back(Settle{Returned{message.ref, now.wall + wait_ms, std::move(reason)}});
}

void Sender::settle(Now now, const Outbound& message, State state, std::string reason, Effects& effects,
                    std::string provider_id) {
  tried_.erase(public_id(message.ref));
  effects.emplace_back(Settle{Receipt{account_.id, message.ref, std::move(provider_id), state, now.wall, std::move(reason)}});
}

void Sender::hold(Now now, std::int64_t wait_ms, std::string reason, Effects& effects) {
  // Messages already posted come back with the same refusal: one hold is enough for them all.
  if (held_until_ > now.mono) return;
  next_hold_ms_ = next_hold_ms_ == 0 ? kMinuteMs : std::min(next_hold_ms_ * 2, 16 * kMinuteMs);
  const std::int64_t hold_ms = std::max(wait_ms, next_hold_ms_);
  held_until_ = now.mono + hold_ms;
  probing_ = true;
  effects.emplace_back(Hold{now.wall + hold_ms, std::move(reason)});
}

// Graph answered, and not with a hold: what follows need not go one by one.
void Sender::reached() {
  next_pause_ms_ = next_hold_ms_ = 0;
  probing_ = false;
}

void Sender::pause(Now now) {
  if (held_until_ > now.mono) return;
  next_pause_ms_ = next_pause_ms_ == 0 ? kSecondMs : std::min(next_pause_ms_ * 2, 30 * kSecondMs);
  held_until_ = now.mono + next_pause_ms_;
  probing_ = true;
}

void Sender::tell(Now now, int code, const GraphError& error, Effects& effects) {
  const auto told = told_.find(code);
  if (told != told_.end() && now.mono - told->second < kHourMs) return;
  told_[code] = now.mono;
  std::string detail = "{\"code\":" + std::to_string(code) + ",\"class\":";
  wire::append_quoted(detail, fault_of(code).word);
  detail.append(",\"fbtrace_id\":");
  wire::append_quoted(detail, error.trace);
  effects.emplace_back(Deliver{next_token_++, AccountNews{account_.id, "send_refused", detail + "}", now.wall}});
}

// The number dialled is not always the number WhatsApp knows (Brazil's ninth digit, Mexico's 1, Argentina's 9): the citizen will
// write from the other one, so both must lead to one contact.
void Sender::learn_address(Now now, const Outbound& message, std::string_view wa_id, Effects& effects) {
  const auto dialled = id_in(message.address, account_.portfolio);
  if (!dialled || !is_phone_id(*dialled) || !is_phone_id(wa_id) || !is_safe_id(wa_id) || wa_id == *dialled) return;
  std::string& learned = learned_[message.address];
  if (learned == wa_id) return;
  learned = wa_id;
  Identity identity;
  identity.old_address = message.address;
  identity.message.account = account_.id;
  identity.message.provider_id = std::string("dialled:").append(*dialled).append(":").append(wa_id);
  identity.message.addresses = {address_of(account_.portfolio, wa_id), message.address};
  identity.message.at = now.wall;
  identity.message.content.type = "system";
  effects.emplace_back(Deliver{next_token_++, std::move(identity)});
  keep_below(learned_, kMaxLearned);
}

void Sender::drain(Now now, Effects& effects) {
  draining_ = true;
  for (auto each = open_.begin(); each != open_.end();) {
    if (each->second.stage != Stage::kUpload) {
      ++each;
      continue;
    }
    for (const Outbound& message : each->second.messages) give_back(now, message, 0, "draining", effects);
    in_flight_ -= each->second.messages.size();
    --uploads_;
    each = open_.erase(each);
  }
}

void Sender::on_inbound(Now now, const std::string& /*address*/) { pace_.received(now.mono); }

void Sender::mark_read(Now now, std::string_view wamid, Effects& effects) { read(now, wamid, false, effects); }
void Sender::typing(Now now, std::string_view wamid, Effects& effects) { read(now, wamid, true, effects); }

void Sender::read(Now now, std::string_view wamid, bool typing, Effects& effects) {
  if (wamid.empty() || draining_ || reads_ >= kMaxReads || held_until_ > now.mono) return;
  Call call{next_call_++,
            "POST",
            graph_address(account_, account_.phone_number_id + "/messages"),
            graph_headers(account_),
            read_body(account_, wamid, typing),
            10'000};
  call.headers.add("content-type", "application/json");
  open_[call.id] = Open{Stage::kRead, {}, {}};
  ++reads_;
  effects.emplace_back(std::move(call));
}

}  // namespace belfry::whatsapp
