#include "gateway/chat/site.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "adapters/wire/crypto.h"
#include "adapters/wire/members.h"
#include "adapters/wire/problem.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/api/uploads.h"
#include "gateway/chat/page.h"
#include "gateway/chat/sniff.h"
#include "gateway/handshake.h"
#include "gateway/media_store.h"

namespace belfry::gateway {
namespace {

constexpr std::string_view kProtocol = "belfry.chat.v1";
constexpr std::chrono::seconds kPulse{5};
constexpr unsigned kBeatEvery = 5;  // pulses
constexpr std::size_t kMaxForm = 32 * 1024;
constexpr std::size_t kMaxDownload = 100UL << 20;
constexpr int kMaxDownloads = 8;

void refuse(const std::shared_ptr<Exchange>& exchange, int status, std::string code, std::string detail) {
  exchange->answer(wire::to_response(wire::problem(status, std::move(code), std::move(detail))));
}

HttpResponse json(int status, std::string body) {
  HttpResponse response{status, {}, std::move(body)};
  response.headers.add("content-type", "application/json");
  response.headers.add("cache-control", "no-store");
  return response;
}

wire::Problem no_token() {
  return wire::problem(401, "token_expired", "The token is not this inbox's, or its time is over: send hello without one.");
}

bool is_socket(std::string_view path) { return path == "/ws/chat"; }

// /chat/{inbox} and what comes after it.
std::pair<std::string_view, std::string_view> inbox_in(std::string_view path) {
  path.remove_prefix(std::string_view("/chat/").size());
  const auto slash = std::min(path.find('/'), path.size());
  return {path.substr(0, slash), path.substr(slash)};
}

}  // namespace

ChatSite::ChatSite(Deps deps) : deps_(std::move(deps)), commands_(deps_.services), pulse_timer_(deps_.services.loop) {
  tabs_ = deps_.metrics.gauge("belfry_chat_tabs", "Tabs of citizens that are open on the web chat.");
}

void ChatSite::start() { pulse(); }

void ChatSite::pulse() {
  pulse_timer_.expires_after(kPulse);
  pulse_timer_.async_wait([this](std::error_code error) {
    if (error || stopping_) return;
    deps_.visitors.hub().pulse();
    tabs_.set(static_cast<std::int64_t>(sessions_.size()));
    if (++pulses_ % kBeatEvery == 0) {
      std::vector<std::shared_ptr<ChatSession>> all;
      for (const auto& [raw, session] : sessions_) all.push_back(session);
      for (const auto& session : all) session->beat();
    }
    pulse();
  });
}

bool ChatSite::handles(std::string_view path) {
  return is_socket(path) || path.starts_with("/chat/") || path == "/widget.js" || path.starts_with("/widget/");
}

Admission ChatSite::admit(const HttpRequest& head) const {
  if (!head.path.starts_with("/chat/") || head.method != "POST") return std::size_t{0};
  const auto [id, rest] = inbox_in(head.path);
  if (deps_.visitors.inbox(id) == nullptr) return wire::to_response(wire::problem_of({Errc::kNotFound, ""}));
  if (rest == "/media") {
    // A large body is read only of a visitor of ours.
    if (!bearer(head, *deps_.visitors.inbox(id))) return wire::to_response(no_token());
    return static_cast<std::size_t>(deps_.visitors.media_max());
  }
  return rest == "/frames" ? webchat::kMaxFrame : kMaxForm;
}

void ChatSite::serve(const std::shared_ptr<Exchange>& exchange) {
  const std::string_view path = exchange->request().path;
  if (is_socket(path)) return open_socket(exchange);
  if (path.starts_with("/widget")) return widget(exchange);
  chat(exchange);
}

bool ChatSite::listed_origin(std::string_view origin, const Inbox* inbox) const {
  const auto lists = [&](const Inbox& each) {
    return std::find(each.config.origins.begin(), each.config.origins.end(), origin) != each.config.origins.end();
  };
  if (inbox != nullptr) return lists(*inbox);
  const auto& all = deps_.visitors.inboxes();
  return std::any_of(all.begin(), all.end(), lists);
}

std::string ChatSite::ancestors(const Inbox& inbox) const {
  std::string out = "'self'";
  for (const std::string& origin : inbox.config.origins) out += " " + origin;
  return out;
}

void ChatSite::open_socket(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (!asks_for_socket(exchange, kProtocol)) return;
  // Same-origin policy does not cover sockets: without an Origin of ours or of an inbox nothing is opened.
  const std::string origin(request.headers.get("origin"));
  const bool own = own_origin(request, deps_.public_origin);
  if (!own && !listed_origin(origin, nullptr))
    return refuse(exchange, 403, "foreign_origin", "No inbox may be embedded there: add the origin to `origins` of its [[web]].");
  if (stopping_) return exchange->answer(wire::to_response(wire::problem_of({Errc::kBusy, ""})));
  if (!is_loopback(request.peer) && !connects_.take(request.peer, deps_.services.now().mono))
    return refuse(exchange, 429, "too_many_connections", "Too many sockets were opened from this address. Wait a minute.");
  const std::string peer = request.peer;
  WebSocketLimits limits;
  limits.max_message = webchat::kMaxFrame;
  limits.max_frames = 16;
  limits.max_queued = 256 * 1024;
  auto socket = exchange->upgrade(kProtocol, limits);
  if (!socket) return;
  auto session = std::make_shared<ChatSession>(
      ChatSession::Deps{deps_.visitors, [this, own, origin](const Inbox& inbox) { return own || listed_origin(origin, &inbox); },
                        [this](ChatSession* gone) { sessions_.erase(gone); }},
      stream_over(std::move(socket)), peer);
  sessions_.emplace(session.get(), session);
  session->start();
}

void ChatSite::widget(const std::shared_ptr<Exchange>& exchange) const {
  const HttpRequest& request = exchange->request();
  HttpResponse response = deps_.files.serve(request);
  if (request.path == "/widget.js") {
    // On any page of the agency's: the script says itself where its gateway is.
    response.headers.set("cross-origin-resource-policy", "cross-origin");
    response.headers.set("cache-control", "public, max-age=300");
  } else if (request.path == "/widget/") {
    const Inbox* inbox = deps_.visitors.inbox(query_value(request.query, "inbox"));
    if (inbox == nullptr)
      return refuse(exchange, 404, "not_found",
                    "There is no such inbox: `data-inbox` is the id of a [[web]] of the configuration.");
    std::string policy(response.headers.get("content-security-policy"));
    constexpr std::string_view kNone = "frame-ancestors 'none'";
    if (const auto at = policy.find(kNone); at != std::string::npos)
      policy.replace(at, kNone.size(), "frame-ancestors " + ancestors(*inbox));
    response.headers.set("content-security-policy", policy);
  }
  exchange->answer(std::move(response));
}

void ChatSite::chat(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (request.path == "/chat/page.css") {
    HttpResponse response{200, {}, std::string(chat_page_style())};
    response.headers.add("content-type", "text/css; charset=utf-8");
    response.headers.add("cache-control", "public, max-age=3600");
    response.headers.add("x-content-type-options", "nosniff");
    return exchange->answer(std::move(response));
  }
  if (request.path.starts_with("/chat/media/")) return download(exchange);
  const auto [id, rest] = inbox_in(request.path);
  const Inbox* inbox = deps_.visitors.inbox(id);
  if (inbox == nullptr) return refuse(exchange, 404, "not_found", "There is no such inbox.");
  if (stopping_) return exchange->answer(wire::to_response(wire::problem_of({Errc::kBusy, ""})));
  struct Row {
    std::string_view rest, method;
    void (ChatSite::*serve)(const std::shared_ptr<Exchange>&, const Inbox&);
  };
  constexpr std::array kRows{Row{"/events", "GET", &ChatSite::events}, Row{"/frames", "POST", &ChatSite::frames},
                             Row{"/media", "POST", &ChatSite::upload}, Row{"/transcript", "GET", &ChatSite::transcript},
                             Row{"", "GET", &ChatSite::page},          Row{"", "POST", &ChatSite::page},
                             Row{"/", "GET", &ChatSite::page}};
  std::string allowed;
  for (const Row& row : kRows) {
    if (row.rest != rest) continue;
    if (row.method == request.method) return (this->*row.serve)(exchange, *inbox);
    allowed.append(allowed.empty() ? "" : ", ").append(row.method);
  }
  if (allowed.empty()) return refuse(exchange, 404, "not_found", "There is nothing at this address.");
  HttpResponse response = wire::to_response(wire::problem(405, "method_not_allowed", "Use " + allowed + " here."));
  response.headers.add("allow", allowed);
  exchange->answer(std::move(response));
}

Result<webchat::Visitor> ChatSite::bearer(const HttpRequest& request, const Inbox& inbox) const {
  constexpr std::string_view kBearer = "Bearer ";
  const std::string_view given = request.headers.get("authorization");
  if (!given.starts_with(kBearer)) return fail(Errc::kUnauthorized, "no token");
  return webchat::verify(inbox.key.reveal(), inbox.config.id, given.substr(kBearer.size()), deps_.services.now().wall);
}

std::shared_ptr<Guest> ChatSite::guest_of(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) const {
  const HttpRequest& request = exchange->request();
  auto who = bearer(request, inbox);
  if (!who) {
    exchange->answer(wire::to_response(no_token()));
    return nullptr;
  }
  auto guest = std::make_shared<Guest>();
  guest->inbox = &inbox;
  guest->who = std::move(*who);
  guest->peer = request.peer;
  return guest;
}

void ChatSite::events(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) {
  const auto guest = guest_of(exchange, inbox);
  if (!guest) return;
  const std::string_view last = exchange->request().headers.get("last-event-id");
  std::int64_t last_id = 0;
  if (!last.empty() && last.size() <= 18 && last.find_first_not_of("0123456789") == std::string_view::npos)
    last_id = std::stoll(std::string(last));
  auto session = std::make_shared<ChatSession>(
      ChatSession::Deps{deps_.visitors, [](const Inbox&) { return true; }, [this](ChatSession* gone) { sessions_.erase(gone); }},
      stream_over(exchange), exchange->request().peer);
  sessions_.emplace(session.get(), session);
  session->start(inbox, guest->who, last_id);
}

void ChatSite::frames(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) {
  const HttpRequest& request = exchange->request();
  if (!request.headers.get("content-type").starts_with("application/json"))
    return refuse(exchange, 415, "not_json", "Send Content-Type: application/json.");
  auto frame = webchat::read(request.body);
  if (!frame) return refuse(exchange, 400, "bad_frame", frame.error().detail);
  using Kind = webchat::Frame::Kind;
  if (frame->kind == Kind::kPing) return exchange->answer(json(200, webchat::write_pong()));
  if (frame->kind == Kind::kHello) {
    if (frame->inbox != inbox.config.id) return refuse(exchange, 400, "bad_frame", "`inbox` is not that of the path.");
    if (!deps_.services.store_up()) return exchange->answer(wire::to_response(wire::problem_of({Errc::kUnavailable, ""})));
    // The welcome of a session that ends with it: the stream of events follows with its token.
    class Once final : public ChatStream {
     public:
      explicit Once(std::shared_ptr<Exchange> e) : exchange_(std::move(e)) {}
      ~Once() override {
        if (exchange_) refuse(exchange_, 503, "unavailable", "The store is away. Try again in a moment.");
      }
      void send(std::string_view text) override {
        if (!exchange_) return;
        if (text.starts_with(R"({"t":"welcome")")) std::exchange(exchange_, nullptr)->answer(json(200, std::string(text)));
      }
      void close(std::uint16_t, std::string_view) override {
        if (on_close) on_close();
      }

     private:
      std::shared_ptr<Exchange> exchange_;
    };
    const auto who = deps_.visitors.known_or_new(inbox, frame->token);
    auto session = std::make_shared<ChatSession>(ChatSession::Deps{deps_.visitors, [](const Inbox&) { return true; },
                                                                   [this](ChatSession* gone) { sessions_.erase(gone); }},
                                                 std::make_unique<Once>(exchange), request.peer);
    sessions_.emplace(session.get(), session);
    session->greet(inbox, who, frame->last_id);
    return;
  }
  const auto guest = guest_of(exchange, inbox);
  if (!guest) return;
  // Where he stands: what he has open, and whose it is.
  deps_.visitors.locate(*guest, [this, exchange, guest, frame = std::move(*frame)](const Error* error) {
    if (error != nullptr) return exchange->answer(wire::to_response(wire::problem_of(*error)));
    deps_.visitors.act(guest, frame, [exchange](const Visitors::Answer& answer) {
      if (!answer.problem) return exchange->answer(answer.frame.empty() ? HttpResponse{204, {}, ""} : json(200, answer.frame));
      HttpResponse response = wire::to_response(*answer.problem);
      if (answer.problem->status == 429 && answer.problem->code != "challenge") response.headers.add("retry-after", "2");
      exchange->answer(std::move(response));
    });
  });
}

void ChatSite::upload(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) {
  const auto guest = guest_of(exchange, inbox);
  if (!guest) return;
  const HttpRequest& request = exchange->request();
  if (request.body.empty()) return refuse(exchange, 422, "empty_body", "The body is empty. Send the file itself as the body.");
  if (deps_.services.level() >= Level::kAlertsOnly)
    return exchange->answer(wire::to_response(wire::problem_of({Errc::kBusy, ""})));
  const auto type = sniff(request.body);
  if (!type) {
    return refuse(
        exchange, 415, "type_refused",
        "Files of this kind are not taken. Send a picture (JPEG, PNG, GIF, WebP), PDF, audio, video, office document or text.");
  }
  Media about;
  about.mime = *type;
  percent_decode(request.headers.get("x-file-name"), about.filename);
  about.filename = webchat::clean(about.filename.substr(about.filename.find_last_of("/\\") + 1), 120);
  api::keep_upload(*deps_.media, commands_, request.body, about, guest->address(), deps_.visitors.media_max(),
                   [this, exchange, guest](Result<Media> kept) {
                     if (!kept) return exchange->answer(wire::to_response(wire::problem_of(kept.error())));
                     const WallTime until = deps_.services.now().wall + webchat::kMediaFor;
                     std::string out = "{";
                     wire::member(out, "id", "media_" + kept->sha256);
                     wire::member(out, "type", kept->mime);
                     wire::member(out, "name", kept->filename);
                     wire::member_int(out, "size", kept->size);
                     wire::member(out, "url", webchat::media_path(guest->inbox->key.reveal(), kept->sha256, until));
                     exchange->answer(json(201, out + "}"));
                   });
}

void ChatSite::download(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (request.method != "GET") return refuse(exchange, 405, "method_not_allowed", "Use GET here.");
  const WallTime now = deps_.services.now().wall;
  std::string sha256;
  for (const Inbox& inbox : deps_.visitors.inboxes()) {
    if (auto file = webchat::media_of(inbox.key.reveal(), request.path, now)) sha256 = std::move(*file);
  }
  if (sha256.empty())
    return refuse(exchange, 404, "not_found", "There is no such file, or its address is over: open the conversation again.");
  commands_.run({"HMGET", commands_.key("upload:" + sha256), "mime", "name"},
                [this, exchange, sha256](Result<routing::Value> known) {
                  deps_.media->read(sha256, 0, kMaxDownload, [exchange, known = std::move(known)](Result<std::string> bytes) {
                    if (!bytes) return refuse(exchange, 404, "not_found", "The file is not here any more.");
                    Media media;
                    media.mime = known ? text_at(*known, 0) : std::string();
                    media.filename = known ? text_at(*known, 1) : std::string();
                    HttpResponse response = api::as_download(media, std::move(*bytes));
                    response.headers.add("referrer-policy", "no-referrer");  // its address is all that one needs to have it
                    exchange->answer(std::move(response));
                  });
                });
}

void ChatSite::transcript(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) {
  const auto guest = guest_of(exchange, inbox);
  if (!guest) return;
  deps_.visitors.look(*guest, std::nullopt, [exchange](Result<Visitors::Shown> shown) {
    if (!shown) return exchange->answer(wire::to_response(wire::problem_of(shown.error())));
    std::string out;
    for (const webchat::MessageView& m : shown->messages) {
      out.append(wire::rfc3339(m.at)).append("  ").append(m.his ? "- " : m.agent.empty() ? "> " : "> " + m.agent + ": ");
      out.append(m.text).append(m.media_name.empty() ? "" : " [" + m.media_name + "]").append("\r\n");
    }
    HttpResponse response{200, {}, std::move(out)};
    response.headers.add("content-type", "text/plain; charset=utf-8");
    response.headers.add("content-disposition", "attachment; filename=\"conversation.txt\"");
    response.headers.add("x-content-type-options", "nosniff");
    response.headers.add("cache-control", "no-store");
    exchange->answer(std::move(response));
  });
}

// Without JavaScript there is no place to keep a token but the form itself: it is a hidden field, never an address.
void ChatSite::page(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) {
  const HttpRequest& request = exchange->request();
  auto guest = std::make_shared<Guest>();
  guest->inbox = &inbox;
  guest->peer = request.peer;
  guest->language = page_language(request.headers.get("accept-language"));
  if (request.method == "GET") {
    guest->who = deps_.visitors.known_or_new(inbox, {});
    return show_page(exchange, guest, {}, {}, 200);
  }
  if (!request.headers.get("content-type").starts_with("application/x-www-form-urlencoded"))
    return refuse(exchange, 415, "not_a_form", "This address takes the form of its own page.");
  // Another site's form must not write in a citizen's name; browsers say where a form came from.
  const std::string_view origin = request.headers.get("origin");
  if (!origin.empty() && origin != "null" && !own_origin(request, deps_.public_origin))
    return refuse(exchange, 403, "foreign_origin", "This form is sent from its own page only.");
  guest->who = deps_.visitors.known_or_new(inbox, query_value(request.body, "token"));
  if (const std::string language = query_value(request.body, "language"); !language.empty())
    guest->language = page_language(language);
  webchat::Frame frame;
  frame.kind = webchat::Frame::Kind::kMessage;
  frame.client_id = webchat::clean(query_value(request.body, "client_id"), 64);
  const std::string text = query_value(request.body, "text");
  frame.text = webchat::clean(text, webchat::kMaxText);
  std::erase(frame.text, '\r');
  const bool writes = frame.text.find_first_not_of(" \t\n") != std::string::npos;
  if (!writes) return show_page(exchange, guest, {}, {}, 200);
  if (frame.client_id.size() != 32 || frame.client_id.find_first_not_of("0123456789abcdef") != std::string::npos)
    frame.client_id = wire::to_hex(wire::random_bytes(16));
  deps_.visitors.locate(*guest, [this, exchange, guest, frame](const Error* error) {
    if (error != nullptr) return show_page(exchange, guest, wire::problem_of(*error).detail, frame.text, 503);
    // A browser that runs no script cannot do the challenge's work; the limit of an address is his only one.
    deps_.visitors.act(guest, frame, [this, exchange, guest, frame](const Visitors::Answer& answer) {
      if (!answer.problem) return show_page(exchange, guest, {}, {}, 200);
      const std::string words = answer.problem->status == 429
                                    ? "Too many messages came from this address. Wait a minute, then send it again."
                                    : "It was not kept. Send it again in a moment.";
      show_page(exchange, guest, words, frame.text, answer.problem->status);
    });
  });
}

void ChatSite::show_page(const std::shared_ptr<Exchange>& exchange, const std::shared_ptr<Guest>& guest,
                         const std::string& problem, const std::string& draft, int status) {
  deps_.visitors.look(*guest, std::nullopt, [this, exchange, guest, problem, draft, status](Result<Visitors::Shown> shown) {
    ChatPage page;
    page.inbox = guest->inbox->config.id;
    page.token = deps_.visitors.token_of(*guest);
    page.client_id = wire::to_hex(wire::random_bytes(16));
    page.language = guest->language;
    page.problem = !shown && problem.empty() ? "The store is away. Try again in a moment." : problem;
    page.draft = draft;
    std::string queue;
    if (const AccountInfo* account = deps_.services.outbox.account(page.inbox)) queue = account->queue;
    if (shown && shown->card) {
      page.messages = std::move(shown->messages);
      page.state = shown->card->state;
      page.queue = deps_.visitors.place(shown->card->queue, shown->card->conversation);
      queue = shown->card->queue;
    }
    if (const auto* settings = deps_.services.mirror.queue(queue))
      page.open = routing::is_open(*settings, deps_.services.now().wall);
    HttpResponse response{shown ? status : 503, {}, html_of(page)};
    response.headers.add("content-type", "text/html; charset=utf-8");
    response.headers.add("cache-control", "no-store");
    response.headers.add("x-content-type-options", "nosniff");
    response.headers.add("referrer-policy", "same-origin");
    response.headers.add(
        "content-security-policy",
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors " + ancestors(*guest->inbox));
    exchange->answer(std::move(response));
  });
}

void ChatSite::typing(const std::string& visitor, const std::string& agent) {
  ChatHub& hub = deps_.visitors.hub();
  hub.name_of(agent, [&hub, visitor](const std::string& name) { hub.tell_typing(visitor, name); });
}

void ChatSite::seen(const std::string& visitor, const MessageRef& ref) { deps_.visitors.hub().tell_seen(visitor, ref); }

void ChatSite::close(std::uint16_t code, const std::string& reason) {
  stopping_ = true;
  pulse_timer_.cancel();
  std::vector<std::shared_ptr<ChatSession>> all;
  for (const auto& [raw, session] : sessions_) all.push_back(session);
  int spread = 1;
  // So many come back in one second, not all.
  for (const auto& session : all) session->bye(code, reason, 1 + spread++ % 30);
}

}  // namespace belfry::gateway
