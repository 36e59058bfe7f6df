#include "gateway/intake.h"

#include <algorithm>
#include <asio/post.hpp>
#include <memory>
#include <utility>

#include "adapters/language/language.h"
#include "gateway/config.h"
#include "gateway/proof.h"
#include "gateway/wishes.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kPartsWithin = 600'000;  // then what is there of a long message is delivered

bool about_the_store(Errc code) {
  return code == Errc::kUnavailable || code == Errc::kTimeout || code == Errc::kBusy || code == Errc::kClosed ||
         code == Errc::kUnauthorized;
}

}  // namespace

bool Intake::room_for(std::size_t events) const {
  return services_.store_up() && open_ + events <= static_cast<std::size_t>(services_.config.limits.open_tokens);
}

Intake::Done Intake::counted(Done done) {
  ++open_;
  return [this, done = std::move(done)](const Error* error) {
    --open_;
    done(error);
  };
}

void Intake::settle(const std::string& account, const std::vector<routing::Settled>& receipts, Done done) {
  counts_.receipts += receipts.size();
  services_.store.settle(account, receipts, [done = counted(std::move(done))](const Result<std::vector<bool>>& out) {
    done(out ? nullptr : &out.error());
  });
}

void Intake::take(Event event, Done then) {
  Done done = counted(std::move(then));
  if (auto* inbound = std::get_if<Inbound>(&event)) {
    ++counts_.messages;
    if (!inbound->addresses.empty()) on_inbound_(inbound->account, inbound->addresses.front());
    if (inbound->wish != Wish::kNone) return heed(std::move(*inbound), std::move(done));
    ingest(std::move(*inbound), "", true, "", std::move(done));
  } else if (auto* piece = std::get_if<Part>(&event)) {
    ++counts_.parts;
    part(*piece, std::move(done));
  } else if (auto* change = std::get_if<Change>(&event)) {
    ++counts_.changes;
    ingest(std::move(change->message), std::move(change->original), false, "", std::move(done));
  } else if (auto* identity = std::get_if<Identity>(&event)) {
    ++counts_.changes;
    ingest(std::move(identity->message), "", false, std::move(identity->old_address), std::move(done));
  } else if (auto* consent = std::get_if<Consent>(&event)) {
    ++counts_.changes;
    services_.store.consent(
        *consent, [done = std::move(done)](const Result<routing::Outcome>& out) { done(out ? nullptr : &out.error()); });
  } else if (auto* news = std::get_if<AccountNews>(&event)) {
    ++counts_.news;
    report_("account_news", news->account, news->kind);
    const std::string key = routing::key_of(services_.prefix, "news");
    command(routing::encode(
                {"LPUSH", key, std::to_string(news->at.ms) + "|" + news->account + "|" + news->kind + "|" + news->detail}),
            std::move(done));
    services_.carry(routing::encode({"LTRIM", key, "0", "9999"}), [](const Result<routing::Value>&) {});
  } else if (auto* raw = std::get_if<Raw>(&event)) {
    report_("update_quarantined", raw->account, raw->why);
    keep_aside(std::move(raw->bytes), raw->why, std::move(done));
  } else if (auto* receipt_ = std::get_if<Receipt>(&event)) {
    receipt(std::move(*receipt_), std::move(done));
  }
}

void Intake::receive(Inbound message, Kept kept) {
  if (services_.outbox.account(message.account) == nullptr) return kept(fail(Errc::kNotFound, "no such inbox"), {});
  ++counts_.messages;
  // What its own page sent has no peer that would repeat it for days: it hears of each error, and nothing is put aside.
  ingest(std::move(message), "", true, "", counted([](const Error*) {}), std::move(kept));
}

void Intake::command(const std::string& encoded, Done done) {
  services_.carry(encoded, [done = std::move(done)](Result<routing::Value> reply) {
    const Error error = reply && reply->is_error() ? routing::error_of(*reply) : Error{};
    done(!reply ? &reply.error() : reply->is_error() ? &error : nullptr);
  });
}

void Intake::receipt(Receipt receipt, Done done) {
  if (receipt.ref)
    return settle(
        receipt.account,
        {{*receipt.ref, receipt.state, std::move(receipt.provider_id), std::move(receipt.reason), std::move(receipt.names)}},
        std::move(done));
  if (receipt.names.empty()) {
    // It does not say which message it is about: sent by another program through the same number.
    ++counts_.unmatched;
    return done(nullptr);
  }
  ++counts_.receipts;
  Batch& batch = batches_[receipt.account];
  batch.receipts.push_back({std::move(receipt.names.front()), receipt.state, std::move(receipt.reason), std::move(receipt.to),
                            std::move(receipt.suspect)});
  batch.done.push_back(std::move(done));
  if (batch.done.size() == 1) asio::post(services_.loop, [this, account = receipt.account] { flush_receipts(account); });
}

void Intake::flush_receipts(const std::string& account) {
  Batch batch = std::exchange(batches_[account], {});
  services_.store.receipts(account, batch.receipts, [this, all = std::move(batch.done)](const Result<std::vector<bool>>& known) {
    if (known) counts_.unmatched += static_cast<std::uint64_t>(std::count(known->begin(), known->end(), false));
    for (const Done& done : all) done(known ? nullptr : &known.error());
  });
}

// The first route that holds says where it waits, should it open a conversation.
// It may go to a program first.
void Intake::choose_queue(routing::Ingest& what, const Content& content) const {
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

void Intake::ingest(Inbound message, std::string of, bool may_open, std::string old_address, Done done, Kept kept) {
  const AccountInfo* account = services_.outbox.account(message.account);
  if (account == nullptr || message.addresses.empty())
    return keep_aside(message.content.detail, "no account or no address", std::move(done));
  const bool is_wish = message.wish != Wish::kNone;  // kept in his consent, whether there is a conversation to show it or not
  routing::Ingest what;
  what.channel = account->channel;
  what.queue = account->queue;
  what.dedupe = message.provider_id;
  what.may_repeat = message.may_repeat;
  what.fresh = message.fresh;
  what.at = message.at;
  what.may_open = may_open;
  what.room = services_.level() < Level::kNoOpening;
  what.old_address = std::move(old_address);
  what.has_media = message.content.media.has_value() && !message.content.media->provider_id.empty();
  if (may_open) what.window_until = account->face->window_until(message);
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
  services_.store.ingest(what, [this, is_wish, done = std::move(done), bytes = std::move(bytes), code = std::move(code),
                                kept = std::move(kept)](Result<routing::Ingested> out) mutable {
    if (kept) {
      if (out && !code.empty()) prove(services_, out->contact, out->ref.conversation, code);
      if (out && out->kind == routing::Ingested::Kind::kDuplicate) ++counts_.duplicates;
      done(nullptr);
      return kept(std::move(out), bytes);
    }
    if (!out) {
      if (about_the_store(out.error().code)) return done(&out.error());
      return keep_aside(std::move(bytes), "the store refused its content", std::move(done));
    }
    if (out->kind == routing::Ingested::Kind::kFull) {
      const Error full{Errc::kBusy, "no room for a new conversation"};
      return done(&full);
    }
    if (out->kind == routing::Ingested::Kind::kDuplicate) ++counts_.duplicates;
    if (!code.empty() && (out->kind == routing::Ingested::Kind::kNew || out->kind == routing::Ingested::Kind::kOk))
      prove(services_, out->contact, out->ref.conversation, code);
    if (out->kind == routing::Ingested::Kind::kNone && !is_wish)
      return keep_aside(std::move(bytes), "no conversation to join", std::move(done));
    done(nullptr);
  });
}

void Intake::heed(Inbound message, Done done) {
  const AccountInfo* account = services_.outbox.account(message.account);
  if (account == nullptr || message.addresses.empty())
    return keep_aside(message.content.detail, "no account or no address", std::move(done));
  const bool help = message.wish == Wish::kHelp;
  // Who only says STOP or START wants no agent: it stands in an open conversation, and else in his consent.
  auto then = [this, message, help, done](const Error* error) mutable {
    if (error != nullptr) return done(error);
    ingest(std::move(message), "", help, "", std::move(done));
  };
  if (help) return answer(message, *account, std::move(then));
  std::string proof = message.content.text;
  Consent consent{message.account, message.addresses.front(), "all", message.wish == Wish::kStart, message.at, std::move(proof)};
  ++counts_.changes;
  services_.store.consent(consent, [this, account, message, then](const Result<routing::Outcome>& out) mutable {
    if (!out) return then(&out.error());
    if (out->gen == 0) return then(nullptr);  // he has said so before, and was answered then
    answer(message, *account, std::move(then));
  });
}

// Once a day for HELP; the others are asked for when they are news.
void Intake::answer(const Inbound& message, const AccountInfo& account, Done done) {
  constexpr std::int64_t kDay = 86'400'000;
  routing::Entry entry;
  entry.dir = routing::Dir::kOut;
  entry.content.type = "text";
  entry.content.text = answer_to(message.wish, message.content.text, account);
  entry.at = services_.now().wall;
  entry.to = message.addresses.front();
  routing::Send send;
  send.account = message.account;
  send.channel = account.channel;
  send.address = message.addresses.front();
  send.author = "words";
  if (message.wish == Wish::kHelp) send.client_id = message.addresses.front() + ":" + std::to_string(message.at.ms / kDay);
  send.entry = routing::encode_entry(entry);
  send.room = services_.level() < Level::kNoOpening;
  send.despite_refusal = true;
  send.lease = {services_.shard, 0};
  services_.store.send(send,
                       [done = std::move(done)](const Result<routing::Outcome>& out) { done(out ? nullptr : &out.error()); });
}

void Intake::part(const Part& part, Done done) {
  services_.store.part(part, kPartsWithin,
                       [this, account = part.account, done = std::move(done)](const Result<routing::PartSet>& set) mutable {
                         if (!set) return done(&set.error());
                         if (set->what == routing::PartSet::What::kFull) {
                           const Error full{Errc::kBusy, "too many long messages of which parts are missing"};
                           return done(&full);
                         }
                         if (set->what != routing::PartSet::What::kWhole) return done(nullptr);
                         join(account, *set, std::move(done));
                       });
}

// The last part hears yes when the whole is in the log. Should we fall between the two it comes again, and so does the whole:
// under the same name.
void Intake::join(const std::string& account_id, const routing::PartSet& set, Done done) {
  const AccountInfo* account = services_.outbox.account(account_id);
  if (account == nullptr) return done(nullptr);
  auto whole = account->face->join(set.parts, set.of, set.since);
  const auto over = [this, account_id, name = set.name, done = std::move(done)](const Error* error) {
    if (error != nullptr) return done(error);
    services_.store.part_done(account_id, name,
                              [done](const Result<routing::Outcome>& out) { done(out ? nullptr : &out.error()); });
  };
  if (!whole) return over(nullptr);
  whole->account = account_id;
  whole->provider_id = "parts:" + set.name + ":" + std::to_string(set.since.ms);
  take(std::move(*whole), over);
}

void Intake::look_for_gaps(const std::string& account) {
  services_.store.parts_due(account, [this, account](const Result<std::vector<routing::PartSet>>& sets) {
    if (!sets) return;
    for (const routing::PartSet& set : *sets) {
      report_("parts_missing", account, std::to_string(set.parts.size()) + " of " + std::to_string(set.of) + " came");
      join(account, set, [](const Error*) {});  // what fails is due again at the next beat
    }
  });
}

void Intake::keep_aside(std::string bytes, const std::string& why, Done done) {
  ++counts_.quarantined;
  services_.store.quarantine(
      bytes, why, [done = std::move(done)](const Result<routing::Outcome>& out) { done(out ? nullptr : &out.error()); });
}

}  // namespace belfry::gateway
