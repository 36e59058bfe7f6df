// The Meta role: Graph in, webhooks out.
#include "meta.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <utility>

namespace sim {

namespace {

constexpr std::size_t kMaxUpdates = 200'000;
constexpr std::size_t kMaxSends = 100'000;
constexpr std::size_t kMaxMedia = 256U << 20;
constexpr std::size_t kMaxMaps = 2'000'000;

// Meta escapes all that is not ASCII, and the slash: whoever parses and re-serialises never matches the signature.
std::string meta_bytes(const Json& value) {
  const auto plain = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  std::string out;
  out.reserve(plain.size() + 16);
  for (const char c : plain) {
    if (c == '/') out += '\\';
    out += c;
  }
  return out;
}

HttpSay json_say(int status, const Json& body) {
  return {status, "application/json; charset=UTF-8", body.dump(-1, ' ', true, Json::error_handler_t::replace), {}, false};
}

bool is_version(const std::string& text) {
  if (text.size() < 4 || text[0] != 'v') return false;
  const auto dot = text.find('.');
  return dot != std::string::npos && dot > 1 && dot + 1 < text.size() &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

std::vector<std::string> split_path(const std::string& target) {
  std::vector<std::string> out;
  const auto path = target.substr(0, target.find('?'));
  for (std::size_t at = 0; at < path.size();) {
    const auto slash = std::min(path.find('/', at), path.size());
    if (slash > at) out.push_back(path.substr(at, slash - at));
    at = slash + 1;
  }
  return out;
}

// Meta knows a Brazilian mobile without the ninth digit: what is answered is not always what was dialled.
std::string wa_id_of(const std::string& dialled) {
  if (dialled.size() == 13 && dialled.compare(0, 2, "55") == 0 && dialled[4] == '9')
    return dialled.substr(0, 4) + dialled.substr(5);
  return dialled;
}

struct Part {
  std::string name, filename, type, body;
};

// multipart/form-data, as much of RFC 7578 as an upload needs.
std::optional<std::vector<Part>> read_multipart(const std::string& content_type, const std::string& body) {
  const auto at = content_type.find("boundary=");
  if (content_type.compare(0, 19, "multipart/form-data") != 0 || at == std::string::npos) return std::nullopt;
  auto boundary = content_type.substr(at + 9);
  if (const auto semicolon = boundary.find(';'); semicolon != std::string::npos) boundary.resize(semicolon);
  if (boundary.size() >= 2 && boundary.front() == '"') boundary = boundary.substr(1, boundary.size() - 2);
  if (boundary.empty() || boundary.size() > 70) return std::nullopt;
  const std::string mark = "--" + boundary;
  std::vector<Part> parts;
  auto here = body.find(mark);
  while (here != std::string::npos) {
    here += mark.size();
    if (body.compare(here, 2, "--") == 0) return parts;
    here = body.find("\r\n", here);
    if (here == std::string::npos) return std::nullopt;
    here += 2;
    const auto head_end = body.find("\r\n\r\n", here);
    const auto next = body.find("\r\n" + mark, here);
    if (head_end == std::string::npos || next == std::string::npos || head_end > next || parts.size() == 8) return std::nullopt;
    Part part;
    const auto head = body.substr(here, head_end - here);
    const auto value_of = [&](const std::string& key) {
      const auto found = head.find(key + "=\"");
      if (found == std::string::npos) return std::string();
      const auto from = found + key.size() + 2;
      return head.substr(from, head.find('"', from) - from);
    };
    part.name = value_of(" name");
    part.filename = value_of("filename");
    std::string lower = head;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (const auto type = lower.find("content-type:"); type != std::string::npos) {
      auto value = head.substr(type + 13, head.find("\r\n", type) - type - 13);
      value.erase(0, value.find_first_not_of(' '));
      part.type = value;
    }
    part.body = body.substr(head_end + 4, next - head_end - 4);
    parts.push_back(std::move(part));
    here = next + 2;
  }
  return std::nullopt;
}

}  // namespace

Meta::Meta(Loop& loop, Config config, Journal& journal)
    : loop_(loop),
      config_(std::move(config)),
      journal_(journal),
      chance_(config_.seed),
      signer_(config_.app_secret),
      run_(random_bytes(8)) {
  if (config_.calm) config_.duplicates = config_.reorder = config_.skip_delivered = config_.slow = 0;
  server_ = std::make_unique<HttpServer>(loop_, config_.port,
                                         [this](HttpAsk ask, Answer answer) { handle(std::move(ask), std::move(answer)); });
  if (config_.webhook) {
    // Calm means in order too, so one connection; otherwise several, and whatever order comes of it.
    const auto client = [this](const Url& url) {
      return std::make_unique<HttpClient>(loop_, url, config_.trust, config_.calm ? 1 : config_.webhook_connections);
    };
    webhooks_.push_back(client(*config_.webhook));
    for (const Url& url : config_.more_webhooks) webhooks_.push_back(client(url));
  }
}

Meta::~Meta() = default;

std::string Meta::new_wamid(const std::string& who) {
  const auto number = next_id_++;
  std::string bytes = "\x1d" + who.substr(0, 15) + "\x15\x02" + run_;
  for (int shift = 40; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift);
  return "wamid." + to_base64(bytes);
}

Json Meta::stamp() {
  // A string of seconds; now and then the integer that some of Meta's own senders use.
  const auto seconds = wall_ms() / 1000;
  if (!config_.calm && chance_.happens(0.02)) return Json(seconds);
  return Json(std::to_string(seconds));
}

// ---- the Graph API ----

void Meta::refuse(const GraphError& error, const Answer& answer) {
  ++refused_;
  ++graph_codes_[error.code];
  HttpSay say;
  say.status = error.http;
  say.type = "application/json; charset=UTF-8";
  say.fields.emplace("www-authenticate", "OAuth \"Facebook Platform\" \"invalid_request\"");
  say.body = graph_error_body(error, "A" + to_base64(random_bytes(15)));
  if (error.http != 401) say.fields.clear();
  answer_later(std::move(say), answer);
}

void Meta::answer_later(HttpSay say, const Answer& answer) {
  std::int64_t wait = config_.slow_ms;
  if (chance_.happens(config_.slow)) wait += chance_.between(200, 1500);
  if (wait == 0) return answer(std::move(say));
  loop_.after(wait, [say = std::move(say), answer] { answer(say); });
}

bool Meta::authorized(const HttpAsk& ask, const Answer& answer) {
  const auto given = field(ask.fields, "authorization");
  const bool bearer = given.size() > 7 && strncasecmp(given.c_str(), "Bearer ", 7) == 0;
  if (bearer && (config_.access_token.empty() || given.substr(7) == config_.access_token)) {
    // The proof is optional, but a wrong one is refused.
    const auto query = parse_query(ask.target);
    if (const auto proof = query.find("appsecret_proof"); proof != query.end()) {
      Signer signer(config_.app_secret);
      if (signer.header(given.substr(7)).substr(7) != proof->second) {
        auto error = graph_error(100, "Invalid appsecret_proof provided in the API argument");
        refuse(error, answer);
        return false;
      }
    }
    return true;
  }
  auto error = graph_error(190);
  error.message =
      bearer ? "Invalid OAuth access token - Cannot parse access token" : "An access token is required to request this resource.";
  refuse(error, answer);
  return false;
}

void Meta::handle(HttpAsk ask, Answer answer) {
  const auto path = split_path(ask.target);
  if (!path.empty() && path[0] == "sim") return handle_control(ask, path.size() > 1 ? path[1] : "", answer);
  if (path.size() == 2 && path[0] == "download") return handle_download(ask, path[1], answer);
  if (path.size() < 2 || !is_version(path[0])) {
    auto error = graph_error(2500, "Unknown path components: " + ask.target.substr(0, 60));
    error.http = 404;
    return refuse(error, answer);
  }
  if (!authorized(ask, answer)) return;
  const bool ours = std::find(config_.numbers.begin(), config_.numbers.end(), path[1]) != config_.numbers.end();
  if (path.size() == 3 && (path[2] == "messages" || path[2] == "media")) {
    if (!ours) {
      auto error = graph_error(100);
      error.subcode = 33;
      error.message = "Unsupported post request. Object with ID '" + path[1] +
                      "' does not exist, cannot be loaded due to missing permissions, or does not support this operation.";
      error.details = error.message;
      error.type = "GraphMethodException";
      return refuse(error, answer);
    }
    if (ask.method != "POST") return refuse(graph_error(100, "Unsupported " + ask.method + " request."), answer);
    if (path[2] == "media") return handle_upload(ask, answer);
    return handle_messages(ask, path[1], answer);
  }
  if (path.size() == 2 && ours && ask.method == "GET") {
    return answer_later(json_say(200, {{"verified_name", "City of Belfry"},
                                       {"code_verification_status", "VERIFIED"},
                                       {"display_phone_number", "+1 555-078-3881"},
                                       {"quality_rating", "GREEN"},
                                       {"platform_type", "CLOUD_API"},
                                       {"throughput", {{"level", "STANDARD"}}},
                                       {"id", path[1]}}),
                        answer);
  }
  if (path.size() == 2) return handle_media(ask, path[1], answer);
  auto error = graph_error(2500, "Unknown path components.");
  error.http = 404;
  refuse(error, answer);
}

bool Meta::take(Bucket& bucket, double burst, double per_ms) {
  const auto now = wall_ms();
  bucket.tokens = bucket.at == 0 ? burst : std::min(burst, bucket.tokens + static_cast<double>(now - bucket.at) * per_ms);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

void Meta::handle_messages(const HttpAsk& ask, const std::string& number, const Answer& answer) {
  if (chance_.happens(config_.drop_before)) {
    HttpSay say;
    say.drop = true;
    return answer_later(std::move(say), answer);
  }
  if (chance_.happens(config_.fail)) return refuse(graph_error(chance_.happens(0.5) ? 131000 : 2), answer);
  for (const auto& [code, rate] : config_.errors) {
    if (chance_.happens(rate)) return refuse(graph_error(code), answer);
  }
  if (field(ask.fields, "content-type").compare(0, 16, "application/json") != 0) {
    return refuse(graph_error(100, "The parameter messaging_product is required."),
                  answer);  // Meta reads another type as a form, and finds nothing in it
  }
  const auto body = nlohmann::json::parse(ask.body, nullptr, false);
  if (body.is_discarded()) return refuse(graph_error(100, "The request body is not valid JSON."), answer);
  SeenSend seen;
  if (auto error = read_send(body, seen.send)) return refuse(*error, answer);
  if (seen.send.kind != Send::Kind::kMessage) {
    ++(seen.send.kind == Send::Kind::kRead ? reads_ : typings_);
    return answer_later(json_say(200, {{"success", true}}), answer);
  }
  seen.number = number;
  seen.wa_id = seen.send.to;
  if (seen.send.to_user) {
    const auto known = users_.find(seen.send.to);
    seen.wa_id = known == users_.end() ? "" : known->second;
  } else {
    seen.wa_id = wa_id_of(seen.send.to);
  }
  if (config_.per_second > 0 &&
      !take(numbers_[number], static_cast<double>(config_.per_second), static_cast<double>(config_.per_second) / 1000.0)) {
    return refuse(graph_error(130429, "Cloud API message throughput has been reached."), answer);
  }
  const auto pair = number + " " + (seen.wa_id.empty() ? seen.send.to : seen.wa_id);
  if (pairs_.size() > kMaxMaps) pairs_.clear();
  if (config_.pair_limit && !take(pairs_[pair], 45, 1.0 / 6000)) {
    return refuse(graph_error(131056,
                              "Message failed to send because there were too many messages sent from this phone number to the "
                              "same phone number in a short period of time."),
                  answer);
  }
  seen.n = next_send_++;
  seen.wamid = new_wamid(seen.wa_id.empty() ? seen.send.to : seen.wa_id);
  seen.at = wall_ms();
  seen.answered = !chance_.happens(config_.drop_answer);
  accept(std::move(seen), answer);
}

void Meta::accept(SeenSend seen, const Answer& answer) {
  auto kept = std::make_shared<const SeenSend>(std::move(seen));
  const auto line = journal_.on() ? Json{{"k", "send"},
                                         {"wamid", kept->wamid},
                                         {"opaque", kept->send.opaque},
                                         {"to", kept->send.to},
                                         {"type", kept->send.type},
                                         {"text", kept->send.text},
                                         {"answered", kept->answered},
                                         {"at", kept->at}}
                                        .dump(-1, ' ', true, Json::error_handler_t::replace)
                                  : std::string();
  journal_.append(line, [this, kept, answer] {
    ++seen_;
    if (!kept->send.opaque.empty()) {
      if (opaques_.size() > kMaxMaps) opaques_.clear();
      if (opaques_[kept->send.opaque]++ != 0) ++doubled_;
    }
    sends_.push_back(*kept);
    if (sends_.size() > kMaxSends) sends_.pop_front();
    if (kept->answered) {
      Json contact = {{"input", kept->send.to}};
      if (!kept->wa_id.empty()) contact["wa_id"] = kept->wa_id;
      if (kept->send.to_user) contact["user_id"] = kept->send.to;
      Json message = {{"id", kept->wamid}};
      if (kept->send.type == "template") message["message_status"] = "accepted";
      answer_later(json_say(200, {{"messaging_product", "whatsapp"}, {"contacts", {contact}}, {"messages", {message}}}), answer);
    } else {
      ++unanswered_;
      HttpSay say;
      say.drop = true;
      answer(std::move(say));
    }
    schedule_statuses(kept);
    if (hear_) hear_(*kept);
  });
}

// ---- statuses ----

Json Meta::status_json(const SeenSend& seen, const std::string& state, int error) {
  Json out = {{"id", seen.wamid}, {"status", state}, {"timestamp", stamp()}};
  if (!seen.wa_id.empty()) out["recipient_id"] = seen.wa_id;
  if (seen.send.to_user) out["recipient_user_id"] = seen.send.to;
  if (!seen.send.opaque.empty()) out["biz_opaque_callback_data"] = seen.send.opaque;
  if (error != 0) {
    const auto found = graph_error(error);
    const auto title = found.details;
    out["errors"] = {{{"code", error},
                      {"title", title},
                      {"message", title},
                      {"error_data", {{"details", title}}},
                      {"href", "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"}}};
    return out;
  }
  if (state == "sent" && chance_.happens(0.5)) {  // a leftover of conversation pricing that comes and goes
    out["conversation"] = {{"id", to_hex(sha256(seen.number + seen.wa_id).substr(0, 16))},
                           {"expiration_timestamp", std::to_string(wall_ms() / 1000 + 86'400)},
                           {"origin", {{"type", "service"}}}};
  }
  if (state != "read")
    out["pricing"] = {{"billable", false}, {"pricing_model", "PMP"}, {"category", "service"}, {"type", "free_customer_service"}};
  return out;
}

void Meta::schedule_status(const std::shared_ptr<const SeenSend>& seen, const std::string& state, std::int64_t in_ms, int error) {
  ++statuses_due_;
  loop_.after(in_ms, [this, seen, state, error] {
    --statuses_due_;
    ++statuses_;
    Json contact;
    enqueue({seen->number, contact, status_json(*seen, state, error), false, seen->wamid});
  });
  if (error == 0 && chance_.happens(config_.duplicates)) {
    ++statuses_due_;
    loop_.after(in_ms + chance_.between(0, 2000), [this, seen, state] {
      --statuses_due_;
      ++repeats_;
      enqueue({seen->number, {}, status_json(*seen, state, 0), false, seen->wamid});
    });
  }
}

void Meta::schedule_statuses(const std::shared_ptr<const SeenSend>& seen) {
  if (!config_.webhook || config_.statuses == "none") return;
  const auto scale = std::max<std::int64_t>(config_.status_delay_ms, 1);
  const auto pause = [&](double share) {
    const auto mean = static_cast<double>(scale) * share;
    return static_cast<std::int64_t>(config_.calm ? mean : mean * (0.3 + 1.7 * chance_.unit()));
  };
  const auto window = wrote_at_.find(seen->number + " " + (seen->wa_id.empty() ? seen->send.to : seen->wa_id));
  const bool closed =
      config_.window && seen->send.type != "template" && (window == wrote_at_.end() || wall_ms() - window->second > 86'400'000);
  if (closed) return schedule_status(seen, "failed", pause(0.5), 131047);
  if (chance_.happens(config_.undeliverable)) {
    schedule_status(seen, "sent", pause(0.2));
    return schedule_status(seen, "failed", pause(2), 131026);
  }
  auto at = pause(0.2);
  schedule_status(seen, "sent", at);
  if (config_.statuses == "sent") return;
  auto delivered = at + pause(1);
  auto read = delivered + pause(3);
  const bool reads = config_.statuses == "read" && chance_.happens(config_.read_share);
  if (reads && chance_.happens(config_.reorder)) std::swap(delivered, read);
  if (!reads || !chance_.happens(config_.skip_delivered)) schedule_status(seen, "delivered", delivered);
  if (reads) schedule_status(seen, "read", read);
}

// ---- webhooks ----

std::string Meta::say(const Citizen& citizen, Json message, const std::string& number) {
  Update update;
  update.number = number.empty() ? config_.numbers.front() : number;
  update.message = true;
  update.wamid = new_wamid(citizen.phone.empty() ? citizen.user : citizen.phone);
  update.contact = {{"profile", {{"name", citizen.name}}}};
  if (!citizen.username.empty()) update.contact["profile"]["username"] = citizen.username;
  if (!citizen.phone.empty()) update.contact["wa_id"] = citizen.phone;
  if (!citizen.user.empty()) update.contact["user_id"] = citizen.user;
  if (!citizen.phone.empty()) update.element["from"] = citizen.phone;
  if (!citizen.user.empty()) update.element["from_user_id"] = citizen.user;
  update.element["id"] = update.wamid;
  update.element["timestamp"] = stamp();
  for (auto& [key, value] : message.items()) update.element[key] = value;
  if (users_.size() < kMaxMaps && !citizen.user.empty()) users_[citizen.user] = citizen.phone;
  if (wrote_at_.size() < kMaxMaps)
    wrote_at_[update.number + " " + (citizen.phone.empty() ? citizen.user : citizen.phone)] = wall_ms();
  if (config_.per_second > 0)
    take(numbers_[update.number], static_cast<double>(config_.per_second), static_cast<double>(config_.per_second) / 1000.0);
  const auto wamid = update.wamid;
  ++said_;
  enqueue(std::move(update));
  return wamid;
}

void Meta::enqueue(Update update) {
  if (webhooks_.empty()) return;
  if (updates_.size() >= kMaxUpdates) {
    ++dropped_;  // never heard a yes, so nobody owes it
    return;
  }
  updates_.push_back(std::move(update));
  if (flush_due_) return;
  flush_due_ = true;
  const auto task = [this] {
    flush_due_ = false;
    flush();
  };
  if (config_.calm) {
    loop_.post(task);
  } else {
    loop_.after(chance_.between(0, 40), task);
  }
}

void Meta::flush() {
  while (!updates_.empty()) {
    std::size_t take_now = 1;
    if (!config_.calm) take_now = static_cast<std::size_t>(chance_.between(1, static_cast<std::int64_t>(config_.batch)));
    take_now = std::min(take_now, updates_.size());
    std::vector<Update> batch(std::make_move_iterator(updates_.begin()),
                              std::make_move_iterator(updates_.begin() + static_cast<std::ptrdiff_t>(take_now)));
    updates_.erase(updates_.begin(), updates_.begin() + static_cast<std::ptrdiff_t>(take_now));
    if (batch.size() > 1 && chance_.happens(config_.reorder)) {
      std::swap(batch[static_cast<std::size_t>(chance_.between(0, static_cast<std::int64_t>(batch.size()) - 1))], batch.back());
    }
    auto post_now = std::make_shared<Post>();
    post_now->updates = batch.size();
    Json changes = Json::array();
    std::string number;
    bool messages = false;
    for (auto& update : batch) {
      // One value holds one number's messages or statuses; the next of another kind opens the next change.
      if (changes.empty() || number != update.number || messages != update.message) {
        changes.push_back(
            {{"value",
              {{"messaging_product", "whatsapp"},
               {"metadata",
                {{"display_phone_number", "1555" + update.number.substr(0, 7)}, {"phone_number_id", update.number}}}}},
             {"field", "messages"}});
        number = update.number;
        messages = update.message;
      }
      auto& value = changes.back()["value"];
      if (update.message) {
        value["contacts"].push_back(std::move(update.contact));
        value["messages"].push_back(std::move(update.element));
        post_now->wamids.push_back(update.wamid);
      } else {
        value["statuses"].push_back(std::move(update.element));
      }
    }
    post_now->body = meta_bytes(
        {{"object", "whatsapp_business_account"}, {"entry", {{{"id", config_.account}, {"changes", std::move(changes)}}}}});
    post_now->signature = signer_.header(post_now->body);
    post_now->first = wall_ms();
    ++posts_open_;
    post(post_now);
    if (chance_.happens(config_.duplicates / 2)) {  // the same bytes a second time, at once, on another connection
      auto twice = std::make_shared<Post>(*post_now);
      twice->repeat = true;
      ++posts_open_;
      ++repeats_;
      post(twice);
    }
  }
}

void Meta::post(const std::shared_ptr<Post>& now) {
  HttpAsk ask;
  ask.method = "POST";
  ask.target = config_.webhook->target;
  ask.fields = {{"User-Agent", "facebookexternalua"},
                {"Accept", "*/*"},
                {"Content-Type", "application/json"},
                {"X-Hub-Signature-256", now->signature}};
  ask.body = now->body;
  ++posts_;
  webhook().ask(std::move(ask), config_.webhook_timeout_ms, [this, now, asked = webhook_](const HttpGot& got) {
    ++webhook_codes_[got.status];
    if (got.status >= 200 && got.status < 300) {
      --posts_open_;
      if (now->repeat) return;
      for (const auto& wamid : now->wamids) {
        journal_.append(journal_.on() ? R"({"k":"yes","wamid":")" + wamid + "\"}" : std::string(), [this] { ++heard_; });
      }
      if (chance_.happens(config_.duplicates / 2)) {
        auto again = std::make_shared<Post>(*now);
        again->repeat = true;
        ++posts_open_;
        ++repeats_;
        loop_.after(chance_.between(50, 3000), [this, again] { post(again); });
      }
      return;
    }
    if (now->repeat || wall_ms() - now->first >= config_.give_up_ms) {
      --posts_open_;
      if (!now->repeat) given_up_ += now->updates;
      return;
    }
    ++retries_;
    if (webhook_ == asked) webhook_ = (webhook_ + 1) % webhooks_.size();
    const auto backoff = std::min<std::int64_t>(10'000, 100LL << std::min(now->attempt++, 10));
    loop_.after(backoff / 2 + chance_.between(0, backoff / 2), [this, now] { post(now); });
  });
}

void Meta::handshake(std::function<void(std::string)> then) {
  const auto challenge = std::to_string(chance_.between(100'000'000, 2'000'000'000));
  HttpAsk ask;
  ask.target = config_.webhook->target + (config_.webhook->target.find('?') == std::string::npos ? "?" : "&") +
               "hub.mode=subscribe&hub.challenge=" + challenge + "&hub.verify_token=" + config_.verify_token;
  webhook().ask(std::move(ask), 10'000, [challenge, then = std::move(then)](const HttpGot& got) {
    if (got.status == 200 && got.body == challenge) return then("");
    then(got.status == 0
             ? "no answer: " + got.error
             : "status " + std::to_string(got.status) + (got.status == 200 ? " with another body than the challenge" : ""));
  });
}

void Meta::post_raw(std::string bytes, std::function<void(HttpGot)> then) {
  HttpAsk ask;
  ask.method = "POST";
  ask.target = config_.webhook->target;
  ask.fields = {
      {"User-Agent", "facebookexternalua"}, {"Content-Type", "application/json"}, {"X-Hub-Signature-256", signer_.header(bytes)}};
  ask.body = std::move(bytes);
  webhook().ask(std::move(ask), config_.webhook_timeout_ms, std::move(then));
}

// ---- media ----

std::string Meta::put_media(std::string bytes, std::string mime) {
  while (!media_.empty() && media_bytes_ + bytes.size() > kMaxMedia) {
    auto oldest =
        std::min_element(media_.begin(), media_.end(), [](const auto& a, const auto& b) { return a.second.at < b.second.at; });
    media_bytes_ -= oldest->second.bytes.size();
    media_.erase(oldest);
  }
  std::string id = std::to_string(1'000'000'000'000'000 + static_cast<std::int64_t>(chance_.bits() % 1'000'000'000'000'000));
  media_bytes_ += bytes.size();
  auto digest = sha256(bytes);
  media_[id] = {std::move(bytes), std::move(mime), std::move(digest), mono_ns()};
  return id;
}

void Meta::handle_upload(const HttpAsk& ask, const Answer& answer) {
  const auto parts = read_multipart(field(ask.fields, "content-type"), ask.body);
  if (!parts) return refuse(graph_error(100, "The body is not multipart/form-data."), answer);
  const Part* file = nullptr;
  // Graph takes a parameter from the query as it does from the form.
  const auto query = parse_query(ask.target);
  const auto said = [&](const char* name) { return query.count(name) != 0 ? query.at(name) : std::string(); };
  std::string type = said("type"), product = said("messaging_product");
  for (const auto& part : *parts) {
    if (part.name == "file") file = &part;
    if (part.name == "type") type = part.body;
    if (part.name == "messaging_product") product = part.body;
  }
  if (product != "whatsapp") return refuse(graph_error(100, "The parameter messaging_product is required."), answer);
  if (file == nullptr) return refuse(graph_error(100, "The parameter file is required."), answer);
  if (type.empty()) type = file->type;
  static const std::map<std::string, std::size_t> kLimits = {
      {"image/jpeg", 5U << 20}, {"image/png", 5U << 20}, {"image/webp", 500U << 10}};
  const auto kind = type.substr(0, type.find('/'));
  std::size_t limit = 100U << 20;
  if (kind == "audio" || kind == "video") limit = 16U << 20;
  if (const auto exact = kLimits.find(type); exact != kLimits.end()) {
    limit = exact->second;
  } else if (kind == "image") {
    return refuse(graph_error(100,
                              "Param file must be a file with one of the following types: image/jpeg, image/png, image/webp, ... "
                              "Received file of type '" +
                                  type + "'."),
                  answer);
  }
  if (file->body.empty() || file->body.size() > limit)
    return refuse(graph_error(131053, "The file has " + std::to_string(file->body.size()) + " bytes; its kind may have 1 to " +
                                          std::to_string(limit) + "."),
                  answer);
  ++uploads_;
  answer_later(json_say(200, {{"id", put_media(file->body, type)}}), answer);
}

void Meta::handle_media(const HttpAsk& ask, const std::string& id, const Answer& answer) {
  const auto found = media_.find(id);
  if (found == media_.end()) {
    auto error = graph_error(100);
    error.subcode = 33;
    error.message = "Unsupported get request. Object with ID '" + id +
                    "' does not exist, cannot be loaded due to missing permissions, or does not support this operation";
    error.type = "GraphMethodException";
    return refuse(error, answer);
  }
  if (ask.method == "DELETE") {
    media_bytes_ -= found->second.bytes.size();
    media_.erase(found);
    return answer_later(json_say(200, {{"success", true}}), answer);
  }
  if (ask.method != "GET") return refuse(graph_error(100, "Unsupported " + ask.method + " request."), answer);
  const auto query = parse_query(ask.target);
  if (const auto number = query.find("phone_number_id");
      number != query.end() &&
      std::find(config_.numbers.begin(), config_.numbers.end(), number->second) == config_.numbers.end()) {
    return refuse(graph_error(100, "The media does not belong to this phone number."), answer);
  }
  const auto now = wall_ms();
  for (auto each = downloads_.begin(); each != downloads_.end();)
    each = each->second.second < now - 3'600'000 ? downloads_.erase(each) : std::next(each);
  const auto token = to_hex(random_bytes(12));
  auto until = now + config_.media_url_ms;
  if (config_.expire_media_once && expired_once_.insert(id).second) until = now - 1;
  downloads_[token] = {id, until};
  answer_later(
      json_say(200, {{"url", server_->origin() + "/download/" + token + "?mid=" + id + "&ext=" + std::to_string(until / 1000)},
                     {"mime_type", found->second.mime},
                     {"sha256", to_hex(found->second.digest)},
                     {"file_size", found->second.bytes.size()},
                     {"id", id},
                     {"messaging_product", "whatsapp"}}),
      answer);
}

void Meta::handle_download(const HttpAsk& ask, const std::string& token, const Answer& answer) {
  if (!authorized(ask, answer)) return;
  const auto found = downloads_.find(token);
  const auto file = found == downloads_.end() ? media_.end() : media_.find(found->second.first);
  HttpSay say;
  say.type = "text/plain";
  if (file == media_.end() || found->second.second < wall_ms()) {
    say.status = 404;
    say.body = "URL expired";
    return answer_later(std::move(say), answer);
  }
  ++fetches_;
  say.type = file->second.mime;
  say.body = file->second.bytes;
  answer_later(std::move(say), answer);
}

// ---- what tests ask of the simulator itself ----

void Meta::handle_control(const HttpAsk& ask, const std::string& path, const Answer& answer) {
  const auto bad = [&](const std::string& why) { answer(json_say(400, {{"problem", why}})); };
  try {
    if (path == "stats") return answer(json_say(200, stats()));
    if (path == "sends") {
      const auto query = parse_query(ask.target);
      const auto after = query.count("after") != 0 ? std::stoull(query.at("after")) : 0;
      Json out = {{"sends", Json::array()}, {"next", after}};
      auto from =
          std::upper_bound(sends_.begin(), sends_.end(), after, [](std::uint64_t n, const SeenSend& seen) { return n < seen.n; });
      for (; from != sends_.end() && out["sends"].size() < 1000; ++from) {
        out["sends"].push_back({{"n", from->n},
                                {"number", from->number},
                                {"to", from->send.to},
                                {"wa_id", from->wa_id},
                                {"to_user", from->send.to_user},
                                {"type", from->send.type},
                                {"text", from->send.text},
                                {"opaque", from->send.opaque},
                                {"context", from->send.context},
                                {"wamid", from->wamid},
                                {"answered", from->answered},
                                {"at", from->at}});
        out["next"] = from->n;
      }
      return answer(json_say(200, out));
    }
    if (ask.method != "POST") return bad("use POST for /sim/" + path + ", or GET /sim/sends?after=N, /sim/stats");
    if (path == "media") return answer(json_say(200, {{"id", put_media(ask.body, field(ask.fields, "content-type"))}}));
    const auto body = Json::parse(ask.body);
    if (path == "inbound") {
      Citizen citizen;
      citizen.phone = body.value("from", "");
      citizen.user = body.value("from_user_id", "");
      citizen.name = body.value("name", "Citizen");
      citizen.username = body.value("username", "");
      if (citizen.phone.empty() && citizen.user.empty()) return bad("name who writes: \"from\" or \"from_user_id\"");
      Json message =
          body.contains("message") ? body["message"] : Json{{"type", "text"}, {"text", {{"body", body.value("text", "")}}}};
      return answer(json_say(200, {{"wamid", say(citizen, std::move(message), body.value("phone_number_id", ""))}}));
    }
    if (path == "status") {
      const auto wamid = body.value("wamid", "");
      const auto found = std::find_if(sends_.begin(), sends_.end(), [&](const SeenSend& seen) { return seen.wamid == wamid; });
      if (found == sends_.end()) return bad("no such send; give the wamid of one of GET /sim/sends");
      const auto state = body.value("status", "delivered");
      enqueue({found->number, {}, status_json(*found, state, state == "failed" ? body.value("code", 131026) : 0), false, wamid});
      return answer(json_say(200, {{"success", true}}));
    }
    if (path == "faults") {
      config_.fail = body.value("fail", config_.fail);
      config_.drop_answer = body.value("drop_answer", config_.drop_answer);
      config_.drop_before = body.value("drop_before", config_.drop_before);
      config_.undeliverable = body.value("undeliverable", config_.undeliverable);
      config_.slow_ms = body.value("slow_ms", config_.slow_ms);
      config_.statuses = body.value("statuses", config_.statuses);
      if (body.contains("errors")) {
        config_.errors.clear();
        for (const auto& [code, rate] : body["errors"].items()) config_.errors[std::stoi(code)] = rate.get<double>();
      }
      return answer(json_say(200, {{"success", true}}));
    }
    bad("there is /sim/stats, sends, inbound, media, status and faults");
  } catch (const std::exception& error) {
    bad(error.what());
  }
}

Json Meta::stats() const {
  Json out = {{"said", said_},
              {"heard", heard_},
              {"webhook_posts", posts_},
              {"webhook_retries", retries_},
              {"given_up", given_up_},
              {"dropped", dropped_},
              {"repeats", repeats_},
              {"sends_seen", seen_},
              {"sends_doubled", doubled_},
              {"sends_unanswered", unanswered_},
              {"sends_refused", refused_},
              {"statuses", statuses_},
              {"reads", reads_},
              {"typings", typings_},
              {"uploads", uploads_},
              {"downloads", fetches_},
              {"pending", updates_.size() + posts_open_ + statuses_due_}};
  out["webhook_codes"] = Json::object();
  for (const auto& [code, count] : webhook_codes_) out["webhook_codes"][std::to_string(code)] = count;
  out["graph_errors"] = Json::object();
  for (const auto& [code, count] : graph_codes_) out["graph_errors"][std::to_string(code)] = count;
  return out;
}

}  // namespace sim
