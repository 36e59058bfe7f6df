#include "gateway/webhook.h"

#include <algorithm>
#include <utility>

#include "adapters/language/language.h"
#include "adapters/wire/problem.h"
#include "gateway/config.h"
#include "gateway/proof.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr std::string_view kPrefix = "/webhooks/whatsapp/";

// One constant body for whoever fails authentication: what was wrong is in our log.
HttpResponse unauthorized() { return {401, {}, "unauthorized\n"}; }

HttpResponse later() {
  HttpResponse response{503, {}, "try again\n"};
  response.headers.add("retry-after", "2");
  return response;
}

bool about_the_store(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kTimeout || code == Errc::kBusy || code == Errc::kClosed ||
         code == Errc::kUnauthorized;
}

}  // namespace

// One POST on its way: answered when the last of its events is kept, or as soon as one is refused... but never before the
// last has been answered, so that the count of open events stays true.
struct Webhook::Delivery {
  std::shared_ptr<Exchange> exchange;
  HttpResponse yes, no;
  std::size_t waiting = 0;
  bool refused = false;
};

Webhook::Webhook(Services& services, const std::vector<whatsapp::Account>& accounts, OnInbound on_inbound, Report report)
    : services_(services), on_inbound_(std::move(on_inbound)), report_(std::move(report)) {
  set_accounts(accounts);
}

// A receiver reads a POST in one go and keeps nothing, so it is replaced between two of them.
void Webhook::set_accounts(const std::vector<whatsapp::Account>& accounts) {
  for (const whatsapp::Account& account : accounts) {
    receivers_[account.id] = std::make_unique<whatsapp::Receiver>(account, accounts);
  }
}

bool Webhook::known(std::string_view path) const {
  return path.starts_with(kPrefix) && receivers_.find(path.substr(kPrefix.size())) != receivers_.end();
}

void Webhook::serve(std::shared_ptr<Exchange> exchange) {
  const HttpRequest& request = exchange->request();
  const auto found = receivers_.find(std::string_view(request.path).substr(kPrefix.size()));
  const whatsapp::Receiver& receiver = *found->second;
  if (request.method == "GET") {
    auto answer = receiver.handshake(request);
    return exchange->answer(answer ? std::move(*answer) : HttpResponse{403, {}, ""});
  }
  if (request.method != "POST") {
    HttpResponse response{405, {}, ""};
    response.headers.add("allow", "GET, POST");
    return exchange->answer(std::move(response));
  }
  auto intake = receiver.read(services_.now(), request);
  if (!intake) {
    if (intake.error().code == Errc::kUnauthorized) {
      ++counts_.refused_auth;
      return exchange->answer(unauthorized());
    }
    ++counts_.refused_bad;
    report_("webhook_malformed", found->first, intake.error().detail);
    return exchange->answer({400, {}, "bad request\n"});
  }
  if (!services_.store_up() || open_ + intake->events.size() > static_cast<std::size_t>(services_.config.limits.open_tokens)) {
    ++counts_.refused_later;
    return exchange->answer(later());
  }
  // News of what we sent take no room; they make it, in the end.
  const bool only_receipts = std::all_of(intake->events.begin(), intake->events.end(),
                                         [](const Event& event) { return std::holds_alternative<Receipt>(event); });
  if (const Level level = services_.level(); level >= Level::kNothing || (level >= Level::kAlertsOnly && !only_receipts)) {
    ++counts_.refused_later;
    return exchange->answer(later());
  }
  auto delivery = std::make_shared<Delivery>();
  delivery->exchange = std::move(exchange);
  delivery->yes = std::move(intake->yes);
  delivery->no = later();
  delivery->waiting = intake->events.size() + 1;  // the one is ours, until all are handed to the store
  open_ += delivery->waiting;

  // The receipts of one POST settle in one call an account.
  std::map<std::string, std::vector<routing::Settled>> receipts;
  std::size_t in_batches = 0;
  for (Event& event : intake->events) {
    if (auto* receipt = std::get_if<Receipt>(&event); receipt != nullptr && receipt->ref) {
      ++counts_.receipts;
      ++in_batches;
      receipts[receipt->account].push_back(
          {std::move(*receipt->ref), receipt->state, std::move(receipt->provider_id), std::move(receipt->reason)});
    } else {
      take(delivery, std::move(event));
    }
  }
  delivery->waiting -= in_batches;
  delivery->waiting += receipts.size();
  open_ -= in_batches;
  open_ += receipts.size();
  for (auto& [account, settled] : receipts) {
    services_.store.settle(account, settled, [this, delivery](const Result<std::vector<bool>>& out) {
      kept(delivery, out ? nullptr : &out.error());
    });
  }
  kept(delivery, nullptr);
}

void Webhook::keep(Event event) {
  auto delivery = std::make_shared<Delivery>();
  delivery->waiting = 1;
  ++open_;
  take(delivery, std::move(event));
}

void Webhook::take(const std::shared_ptr<Delivery>& delivery, Event event) {
  if (auto* inbound = std::get_if<Inbound>(&event)) {
    ++counts_.messages;
    if (!inbound->addresses.empty()) on_inbound_(inbound->account, inbound->addresses.front());
    ingest(delivery, std::move(*inbound), "", true, "");
  } else if (auto* change = std::get_if<Change>(&event)) {
    ++counts_.changes;
    ingest(delivery, std::move(change->message), std::move(change->original), false, "");
  } else if (auto* identity = std::get_if<Identity>(&event)) {
    ++counts_.changes;
    ingest(delivery, std::move(identity->message), "", false, std::move(identity->old_address));
  } else if (auto* consent = std::get_if<Consent>(&event)) {
    ++counts_.changes;
    const std::string key = routing::key_of(services_.prefix, "consent:" + consent->address);
    const std::string value =
        std::string(consent->given ? "given" : "refused") + "|" + std::to_string(consent->at.ms) + "|" + consent->proof;
    services_.carry(routing::encode({"HSET", key, consent->category, value}), [this, delivery](Result<routing::Value> reply) {
      const Error error = reply && reply->is_error() ? routing::error_of(*reply) : Error{};
      kept(delivery, !reply ? &reply.error() : reply->is_error() ? &error : nullptr);
    });
  } else if (auto* news = std::get_if<AccountNews>(&event)) {
    ++counts_.news;
    report_("account_news", news->account, news->kind);
    const std::string key = routing::key_of(services_.prefix, "news");
    const std::string value = std::to_string(news->at.ms) + "|" + news->account + "|" + news->kind + "|" + news->detail;
    services_.carry(routing::encode({"LPUSH", key, value}), [this, delivery](Result<routing::Value> reply) {
      const Error error = reply && reply->is_error() ? routing::error_of(*reply) : Error{};
      kept(delivery, !reply ? &reply.error() : reply->is_error() ? &error : nullptr);
    });
    services_.carry(routing::encode({"LTRIM", key, "0", "9999"}), [](const Result<routing::Value>&) {});
  } else if (auto* raw = std::get_if<Raw>(&event)) {
    report_("update_quarantined", raw->account, raw->why);
    keep_aside(delivery, std::move(raw->bytes), raw->why);
  } else {
    // A receipt that does not say which message it is about: sent by another program through the same number.
    ++counts_.unmatched;
    kept(delivery, nullptr);
  }
}

// The first route that holds says where it waits, should it open a conversation.
// It may go to a program first.
void Webhook::choose_queue(routing::Ingest& what, const Content& content) const {
  const auto& routes = services_.mirror.routes();
  if (routes.empty()) return;
  std::string language;
  const auto wanted = routing::languages_of(routes);
  if (!wanted.empty()) language = language::of(content.text, wanted);
  const routing::Arrival arrival{what.account, what.channel, language, what.addresses.front(), content.text};
  const routing::Route* route = routing::route_of(routes, arrival);
  // Its queue may be gone: then as if there were no route.
  if (route == nullptr || services_.mirror.queue(route->queue) == nullptr) return;
  what.queue = route->queue;
  what.priority = route->life_safety ? routing::kLifeSafety : route->priority;
  what.bot = route->bot;
}

void Webhook::ingest(const std::shared_ptr<Delivery>& delivery, Inbound message, std::string of, bool may_open,
                     std::string old_address) {
  const AccountInfo* account = services_.outbox.account(message.account);
  if (account == nullptr || message.addresses.empty())
    return keep_aside(delivery, message.content.detail, "no account or no address");
  routing::Ingest what;
  what.channel = account->channel;
  what.queue = account->queue;
  what.dedupe = message.provider_id;
  what.at = message.at;
  what.may_open = may_open;
  what.room = services_.level() < Level::kNoOpening;
  what.old_address = std::move(old_address);
  what.has_media = message.content.media.has_value() && !message.content.media->provider_id.empty();
  if (may_open) what.window_until = whatsapp::window_until(message);
  what.account = std::move(message.account);
  what.addresses = std::move(message.addresses);
  what.name = std::move(message.name);
  if (may_open) choose_queue(what, message.content);
  std::string code = may_open ? code_in(message.content.text) : std::string();
  routing::Entry entry;
  entry.content = std::move(message.content);
  entry.provider_id = std::move(message.provider_id);
  entry.of = std::move(of);
  entry.at = message.at;
  what.entry = routing::encode_entry(entry);
  if (may_open) {
    const WallTime now = services_.now().wall;
    const routing::Mirror& mirror = services_.mirror;
    if (const auto* queue = mirror.queue(what.queue)) {
      what.offer_ttl_ms = queue->offer_ms;
      what.auto_accept = queue->auto_accept;
      if (what.priority != routing::kLifeSafety) what.priority += queue->priority;
      what.weight = queue->weight_of(what.channel);
      what.opens = routing::opens_at(*queue, now);
    }
    what.hint = mirror.hint(what.queue, what.weight, now);
  }
  std::string bytes = what.entry;
  services_.store.ingest(
      what, [this, delivery, bytes = std::move(bytes), code = std::move(code)](Result<routing::Ingested> out) mutable {
        if (!out) {
          if (about_the_store(out.error().code)) return kept(delivery, &out.error());
          return keep_aside(delivery, std::move(bytes), "the store refused its content");
        }
        if (out->kind == routing::Ingested::Kind::kFull) {
          const Error full{Errc::kBusy, "no room for a new conversation"};
          return kept(delivery, &full);
        }
        if (out->kind == routing::Ingested::Kind::kDuplicate) ++counts_.duplicates;
        if (!code.empty() && (out->kind == routing::Ingested::Kind::kNew || out->kind == routing::Ingested::Kind::kOk))
          prove(services_, out->contact, out->ref.conversation, code);
        if (out->kind == routing::Ingested::Kind::kNone) return keep_aside(delivery, std::move(bytes), "no conversation to join");
        kept(delivery, nullptr);
      });
}

void Webhook::keep_aside(const std::shared_ptr<Delivery>& delivery, std::string bytes, const std::string& why) {
  ++counts_.quarantined;
  services_.store.quarantine(
      bytes, why, [this, delivery](const Result<routing::Outcome>& out) { kept(delivery, out ? nullptr : &out.error()); });
}

void Webhook::kept(const std::shared_ptr<Delivery>& delivery, const Error* error) {
  --open_;
  if (error != nullptr) delivery->refused = true;
  if (--delivery->waiting > 0 || !delivery->exchange) return;
  if (delivery->refused) {
    ++counts_.refused_later;
    delivery->exchange->answer(std::move(delivery->no));
  } else {
    ++counts_.accepted;
    delivery->exchange->answer(std::move(delivery->yes));
  }
}

}  // namespace belfry::gateway
