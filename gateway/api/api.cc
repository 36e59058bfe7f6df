#include "gateway/api/api.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "gateway/api/call.h"

namespace belfry::gateway {
namespace {

using api::Call;
using api::CallPtr;
using api::Room;
using api::Route;
using api::Takes;

constexpr std::string_view kRoot = "/api/v1";
constexpr std::size_t kMaxJson = 256 * 1024;
constexpr std::int64_t kUploadPatienceMs = 60'000;  // twice the listener's time for a body

// Matches "/messages/{id}" against "/messages/msg_1.2"; what stands for {…} goes to `args`, decoded.
bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& args) {
  args.clear();
  for (;;) {
    const auto end_p = std::min(pattern.find('/', 1), pattern.size());
    const auto end_s = std::min(path.find('/', 1), path.size());
    const std::string_view want = pattern.substr(0, end_p);
    const std::string_view have = path.substr(0, end_s);
    if (want.size() > 1 && want[1] == '{') {
      std::string arg;
      if (have.size() < 2 || !percent_decode(have.substr(1), arg) || arg.size() > 200) return false;
      args.push_back(std::move(arg));
    } else if (want != have) {
      return false;
    }
    pattern.remove_prefix(end_p);
    path.remove_prefix(end_s);
    if (pattern.empty() || path.empty()) return pattern.empty() && path.empty();
  }
}

bool is_json(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  constexpr std::string_view kJson = "application/json";
  return content_type.size() == kJson.size() &&
         std::equal(content_type.begin(), content_type.end(), kJson.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

}  // namespace

struct Api::Inside {
  Room room;
  std::vector<Route> routes;
  struct Expected {
    std::size_t octets;
    Instant until;
  };
  std::deque<Expected> uploads;  // admitted, not yet served
  std::size_t upload_octets = 0;

  // The route, or why there is none.
  struct Found {
    const Route* route = nullptr;
    std::vector<std::string> args;
    wire::Problem refusal;
    std::string allow;  // of a 405
  };
  Found find(const HttpRequest& request) const {
    Found found;
    const std::string_view path = std::string_view(request.path).substr(std::min(kRoot.size(), request.path.size()));
    const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
    std::vector<std::string> args;
    for (const Route& route : routes) {
      if (!matches(route.pattern, path, args)) continue;
      if (route.method == method) {
        found.route = &route;
        found.args = std::move(args);
        return found;
      }
      found.allow.append(found.allow.empty() ? "" : ", ").append(route.method);
      if (route.method == "GET") found.allow.append(", HEAD");
    }
    if (!found.allow.empty()) {
      found.refusal = wire::problem(405, "method_not_allowed", "This takes " + found.allow + ".");
    } else {
      found.refusal =
          wire::problem(404, "unknown_route", "There is nothing at this address. What there is stands in /api/v1/openapi.json.");
    }
    return found;
  }

  static HttpResponse refusal_of(const Found& found) {
    HttpResponse response = wire::to_response(found.refusal);
    if (!found.allow.empty()) response.headers.add("allow", found.allow);
    return response;
  }

  static std::optional<wire::Problem> check_type(const Route& route, const HttpRequest& request) {
    if (route.takes != Takes::kJson || is_json(request.headers.get("content-type"))) return std::nullopt;
    return wire::problem(415, "not_json", "This takes a JSON object. Send it with Content-Type: application/json.");
  }

  // An upload is whole in memory before it is served, so those under way have a bound. One that never arrives is forgotten
  // after the listener's patience.
  std::optional<wire::Problem> expect_upload(const HttpRequest& head) {
    const Instant now = room.services.now().mono;
    while (!uploads.empty() && uploads.front().until < now) {
      upload_octets -= uploads.front().octets;
      uploads.pop_front();
    }
    std::size_t octets = room.options.max_media;
    const std::string_view said = head.headers.get("content-length");
    if (!said.empty() && said.size() < 19 && said.find_first_not_of("0123456789") == std::string_view::npos) {
      octets = std::stoull(std::string(said));
      if (octets > room.options.max_media)
        return wire::problem(413, "too_large", "Media may have " + std::to_string(room.options.max_media) + " octets.");
    }
    if (upload_octets + octets > room.options.max_media_waiting) {
      return wire::problem(503, "busy", "Too many uploads are under way. Nothing was kept; repeat it in a moment.");
    }
    uploads.push_back({octets, now + kUploadPatienceMs});
    upload_octets += octets;
    return std::nullopt;
  }
  void upload_arrived(const HttpRequest& request) {
    std::size_t octets = room.options.max_media;
    if (request.headers.has("content-length")) octets = request.body.size();
    const auto it = std::find_if(uploads.begin(), uploads.end(), [&](const Expected& e) { return e.octets == octets; });
    if (it == uploads.end()) return;
    upload_octets -= it->octets;
    uploads.erase(it);
  }

  void run(const CallPtr& call, const Found& found) { found.route->handler(room, call); }
};

Api::Api(Services& services, Auth& auth, ApiOptions options)
    : inside_(new Inside{{services, auth, Commands(services), std::move(options)}, {}, {}, 0}) {
  for (auto* routes : {api::session_routes, api::message_routes, api::conversation_routes, api::directive_routes,
                       api::audit_routes, api::contact_routes, api::contact_link_routes, api::people_routes, api::queue_routes,
                       api::key_routes, api::media_routes, api::insight_routes, api::account_routes, api::waiting_routes,
                       api::route_routes, api::canned_routes, api::announcement_routes, api::history_routes}) {
    const auto some = routes();
    inside_->routes.insert(inside_->routes.end(), some.begin(), some.end());
  }
}

Api::~Api() = default;

Admission Api::admit(const HttpRequest& head) {
  const auto found = inside_->find(head);
  if (found.route == nullptr) return Inside::refusal_of(found);
  if (auto wrong = Inside::check_type(*found.route, head)) return wire::to_response(*wrong);
  // Without credentials no body is read. Whether they are good is seen when it is served.
  if (found.route->who == api::Who::kKnown && found.route->takes == Takes::kBytes) {
    if (!head.headers.has("authorization") && !head.headers.has("cookie")) {
      return wire::to_response(wire::problem_of({Errc::kUnauthorized, {}}));
    }
    if (auto wrong = inside_->expect_upload(head)) return wire::to_response(*wrong);
    return inside_->room.options.max_media;
  }
  // A body where none is expected is read and ignored, if it is small.
  return kMaxJson;
}

void Api::serve(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  auto found = inside_->find(request);
  if (found.route == nullptr) return exchange->answer(Inside::refusal_of(found));
  if (found.route->takes == Takes::kBytes) inside_->upload_arrived(request);
  auto call = std::make_shared<Call>();
  call->exchange = std::move(exchange);
  call->args = std::move(found.args);
  if (auto wrong = Inside::check_type(*found.route, request)) return call->problem(*wrong);
  if (found.route->handler == nullptr) {
    // The one document that needs neither store nor credentials.
    HttpResponse response{200, {}, std::string(openapi_json())};
    response.headers.add("content-type", "application/json");
    return call->answer(std::move(response));
  }
  if (!inside_->room.services.store_up()) return call->error({Errc::kUnavailable, "store down"});
  // The operator at his socket may still put things right.
  const Level level = inside_->room.services.level();
  if (level >= Level::kNothing && found.route->method != "GET") return call->problem(no_room(level));
  if (found.route->who == api::Who::kAnyone) return inside_->run(call, found);
  inside_->room.auth.authenticate(request, [this, call, route = found.route](Result<Subject> subject) {
    if (!subject && subject.error().code == Errc::kForbidden) {
      return call->problem(
          wire::problem(403, "cross_site",
                        "A request that changes something and comes with a cookie needs the header X-Belfry-CSRF: 1 and, "
                        "if it names an Origin, ours. Send it from our own page, or use a key."));
    }
    if (!subject) return call->error(subject.error());
    call->subject = std::move(*subject);
    route->handler(inside_->room, call);
  });
}

void Api::serve_as(std::shared_ptr<Exchange> exchange, const Subject& subject) {
  auto found = inside_->find(exchange->request());
  if (found.route == nullptr) return exchange->answer(Inside::refusal_of(found));
  if (found.route->handler == nullptr) return serve(std::move(exchange));
  auto call = std::make_shared<Call>();
  call->exchange = std::move(exchange);
  call->args = std::move(found.args);
  call->subject = subject;
  if (found.route->takes == Takes::kBytes) inside_->upload_arrived(call->request());
  if (auto wrong = Inside::check_type(*found.route, call->request())) return call->problem(*wrong);
  if (!inside_->room.services.store_up()) return call->error({Errc::kUnavailable, "store down"});
  inside_->run(call, found);
}

}  // namespace belfry::gateway
