#include "gateway/public_site.h"

#include <algorithm>
#include <utility>

#include "adapters/wire/crypto.h"
#include "adapters/wire/problem.h"
#include "gateway/config.h"
#include "gateway/handshake.h"

namespace belfry::gateway {
namespace {

constexpr std::string_view kDeskProtocol = "belfry.desk.v1";
constexpr std::size_t kMaxDesks = 10'000;

HttpResponse not_found() {
  HttpResponse response{404, {}, "There is nothing at this address.\n"};
  response.headers.add("content-type", "text/plain; charset=utf-8");
  return response;
}

}  // namespace

Admission PublicSite::admit(const HttpRequest& head) {
  const std::string_view path = head.path;
  if (path.starts_with("/webhooks/")) {
    if (!deps_.webhook.known(path)) return not_found();
    return static_cast<std::size_t>(deps_.services.config.limits.webhook_body);
  }
  if (deps_.api.handles(path)) return deps_.api.admit(head);
  if (ChatSite::handles(path)) return deps_.chat.admit(head);
  return std::size_t{0};
}

void PublicSite::serve(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  const std::string_view path = request.path;
  if (deps_.webhook.known(path)) return deps_.webhook.serve(std::move(exchange));
  if (deps_.api.handles(path)) return deps_.api.serve(std::move(exchange));
  if (path == "/ws/desk") return open_desk(exchange);
  if (ChatSite::handles(path)) return deps_.chat.serve(exchange);
  if (path == "/" || path == "/desk" || path == "/console") {
    HttpResponse response{302, {}, ""};
    response.headers.add("location", path == "/console" ? "/console/" : "/desk/");
    return exchange->answer(std::move(response));
  }
  if (path.starts_with("/desk/") || path.starts_with("/console/")) return exchange->answer(deps_.files.serve(request));
  exchange->answer(not_found());
}

void PublicSite::open_desk(const std::shared_ptr<Exchange>& exchange) {
  const HttpRequest& request = exchange->request();
  if (!asks_for_socket(exchange, kDeskProtocol)) return;
  if (stopping_ || desks_.size() >= kMaxDesks) return exchange->answer(wire::to_response(wire::problem_of({Errc::kBusy, ""})));
  if (!deps_.services.store_up()) return exchange->answer(wire::to_response(wire::problem_of({Errc::kUnavailable, ""})));
  const std::string origin(request.headers.get("origin"));
  if (request.headers.has("origin") && !own_origin(request, deps_.public_origin)) {
    return exchange->answer(
        wire::to_response(wire::problem(403, "foreign_origin", "This desk is opened from its own page only.")));
  }
  const auto then = [this, exchange](Result<Subject> subject) {
    if (!subject) return exchange->answer(wire::to_response(wire::problem_of(subject.error())));
    if (subject->agent.empty()) {
      return exchange->answer(wire::to_response(
          wire::problem(403, "not_an_agent", "A desk needs an agent: use a key of role agent, or sign in as one.")));
    }
    start_desk(exchange, *subject);
  };
  const std::vector<std::string> offered = offered_protocols(request);
  const auto ticket = std::find_if(offered.begin(), offered.end(), [](const std::string& p) { return p.starts_with("ticket."); });
  if (ticket != offered.end()) return deps_.auth.redeem_ticket(ticket->substr(7), origin, then);
  // Without a ticket only a program's key is good enough: a cookie alone must never open a socket.
  if (!request.headers.has("authorization")) {
    return exchange->answer(wire::to_response(wire::problem_of({Errc::kUnauthorized, ""})));
  }
  deps_.auth.authenticate(request, then);
}

void PublicSite::start_desk(const std::shared_ptr<Exchange>& exchange, const Subject& subject) {
  auto socket = exchange->upgrade(kDeskProtocol, {});
  if (!socket) return;  // the peer left while we asked who he is
  DeskSession::Deps deps{
      deps_.services,
      deps_.hub,
      deps_.tell_owner,
      deps_.end_session,
      [this](const Subject& who, std::function<void(Result<Subject>)> done) { deps_.auth.confirm(who, std::move(done)); },
      [this](const std::string& visitor, const std::string& agent) { deps_.chat.typing(visitor, agent); },
      [this](const std::string& visitor, const MessageRef& ref) { deps_.chat.seen(visitor, ref); },
      [this](DeskSession* session) { desks_.erase(session); }};
  auto session = std::make_shared<DeskSession>(std::move(deps), std::move(socket), subject, wire::to_hex(wire::random_bytes(8)));
  desks_.emplace(session.get(), session);
  session->start();
}

void PublicSite::close_desks(std::uint16_t code, const std::string& reason) {
  std::vector<std::shared_ptr<DeskSession>> all;
  for (const auto& [raw, session] : desks_) all.push_back(session);
  stopping_ = true;
  for (const auto& session : all) session->finish(code, reason);
}

void PublicSite::announce_desks() {
  for (const auto& [raw, session] : desks_) session->announce();
}

}  // namespace belfry::gateway
