// Accounts: which there are, whether their links stand, and what a text becomes in them.
#include <algorithm>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "adapters/wire/json.h"
#include "gateway/api/body.h"
#include "gateway/api/call.h"
#include "gateway/links.h"

namespace belfry::gateway::api {
namespace {

constexpr std::int64_t kTestWithin = 20'000;
constexpr std::int64_t kLook = 100;
constexpr int kDecimals = 6;  // of a cost

void text(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":");
  wire::append_quoted(out, value);
}
void plain(std::string& out, std::string_view name, std::string_view value) {
  out.append(out.ends_with('{') ? "\"" : ",\"").append(name).append("\":").append(value);
}

void accounts(Room& room, const CallPtr& call) {
  if (!call->may(Action::kRead, {"accounts"})) return;
  std::vector<std::string> items;
  for (const AccountInfo& account : room.services.outbox.accounts()) {
    std::string& out = items.emplace_back("{");
    text(out, "id", account.id);
    text(out, "channel", account.channel);
    if (!account.portfolio.empty()) text(out, "portfolio", account.portfolio);
    text(out, "queue", queue_id(account.queue));
    out += '}';
  }
  call->json(200, list_json(items, {}));
}

// One link of the account's own kind, opened for the question and closed after it. Lives in its own callbacks.
class Trial : public std::enable_shared_from_this<Trial> {
 public:
  Trial(Room& room, CallPtr call, const AccountInfo& account)
      : services_(room.services),
        call_(std::move(call)),
        sender_(account.face->tester(services_.now())),
        timer_(services_.loop),
        until_(services_.now().mono + kTestWithin),
        id_(account.id) {}

  void start() {
    links_ = services_.make_links(id_, {[self = weak_from_this()](LinkId link, LinkState state) {
                                          if (const auto me = self.lock()) {
                                            Effects effects;
                                            me->sender_->on_link(me->services_.now(), link, state, effects);
                                            me->run(effects);
                                          }
                                        },
                                        [self = weak_from_this()](LinkId link, std::string_view bytes) {
                                          if (const auto me = self.lock()) {
                                            Effects effects;
                                            me->sender_->on_bytes(me->services_.now(), link, bytes, effects);
                                            me->run(effects);
                                          }
                                        },
                                        [self = weak_from_this()](const Error& error) {
                                          if (const auto me = self.lock()) me->why_ = error.detail;
                                        }});
    Effects effects;
    sender_->on_lease(services_.now(), until_, effects);
    run(effects);
    look();
  }

 private:
  void run(const Effects& effects) {
    for (const Effect& effect : effects) {
      if (const auto* dial = std::get_if<Dial>(&effect)) {
        if (!std::exchange(dialled_, true)) links_->dial(*dial);  // one try: its answer is what was asked for
      } else if (const auto* bytes = std::get_if<Transmit>(&effect)) {
        links_->transmit(*bytes);
      } else if (const auto* hangup = std::get_if<Hangup>(&effect)) {
        links_->hangup(hangup->link);
      }
    }
  }

  void look() {
    const Now now = services_.now();
    const Sender::Links links = sender_->links(now);
    const bool refused = links.words.find("refused") != std::string::npos || links.words.starts_with("no connection");
    if (answered_) {
      if (sender_->drained() || now.mono >= until_) return;  // the last reference goes with this callback
    } else if (links.up > 0 || refused || now.mono >= until_) {
      answered_ = true;
      std::string out = "{";
      plain(out, "ok", links.up > 0 ? "true" : "false");
      // What the network or TLS refused is said besides what the sender makes of it.
      const std::string why = why_.empty() ? std::string(links.words) : std::string(links.words) + ": " + why_;
      text(out, "said", links.up > 0 ? "the SMSC took the bind" : why);
      call_->json(200, out + "}");
      until_ = now.mono + 3'000;
      Effects effects;
      sender_->drain(now, effects);
      run(effects);
    }
    timer_.expires_after(std::chrono::milliseconds(kLook));
    timer_.async_wait([self = shared_from_this()](std::error_code error) {
      if (!error) self->look();
    });
  }

  Services& services_;
  CallPtr call_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Links> links_;
  asio::steady_timer timer_;
  Instant until_;
  std::string id_;
  std::string why_;  // the link failed
  bool dialled_ = false, answered_ = false;
};

void test(Room& room, const CallPtr& call) {
  if (!call->may(Action::kWrite, {"accounts"})) return;
  const AccountInfo* account = room.services.outbox.account(call->args[0]);
  if (account == nullptr) return call->problem(not_found("account"));
  if (!account->face->tester(room.services.now()) || !room.services.make_links) {
    return call->problem(
        wire::problem(422, "no_link", "This account has no link of its own to test: its provider is called over HTTP."));
  }
  std::make_shared<Trial>(room, call, *account)->start();
}

std::string money(std::int64_t micros) {
  std::string fraction = std::to_string(micros % 1'000'000);
  fraction.insert(0, kDecimals - fraction.size(), '0');
  while (fraction.size() > 2 && fraction.back() == '0') fraction.pop_back();
  return std::to_string(micros / 1'000'000) + "." + fraction;
}

// Of one account, or of each that counts in segments.
void preview(Room& room, const CallPtr& call) {
  if (!call->may(Action::kRead, {"accounts"})) return;
  Body body(call->request().body);
  const auto words = body.text("text", {.required = true, .max = 64 * 1024});
  const auto one = body.text("account", {.max = 60});
  if (auto wrong = body.finish()) return call->problem(*wrong);
  if (one && room.services.outbox.account(*one) == nullptr)
    return call->problem(
        wire::problem(422, "unknown_account", "`account` names none of our accounts. GET /api/v1/accounts lists them."));
  std::vector<std::string> items;
  for (const AccountInfo& account : room.services.outbox.accounts()) {
    if (one && account.id != *one) continue;
    const auto seen = account.face->preview(*words);
    if (!seen && seen.error().code == Errc::kUnsupported && !one) continue;
    if (!seen) return call->problem(wire::problem(422, "invalid_content", seen.error().detail + "."));
    std::string& out = items.emplace_back("{");
    text(out, "account", account.id);
    text(out, "encoding", seen->encoding);
    plain(out, "segments", std::to_string(seen->segments));
    plain(out, "room", std::to_string(seen->room));
    std::string units = "[";
    for (const int each : seen->units) units += (units.size() > 1 ? "," : "") + std::to_string(each);
    plain(out, "units", units + "]");
    if (!seen->forced.empty()) {
      std::string list = "[";
      for (const std::string& each : seen->forced) {
        if (list.size() > 1) list += ',';
        wire::append_quoted(list, each);
      }
      plain(out, "because_of", list + "]");
    }
    if (!seen->currency.empty()) {
      text(out, "cost", money(seen->cost_micros));
      text(out, "currency", seen->currency);
    }
    out += '}';
  }
  call->json(200, list_json(items, {}));
}

}  // namespace

std::vector<Route> account_routes() {
  return {{"GET", "/accounts", Takes::kNothing, Who::kKnown, accounts},
          {"POST", "/accounts/{id}/test", Takes::kNothing, Who::kKnown, test},
          {"POST", "/sms/preview", Takes::kJson, Who::kKnown, preview}};
}

}  // namespace belfry::gateway::api
