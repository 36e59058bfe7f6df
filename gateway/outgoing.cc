#include "gateway/outgoing.h"

#include <algorithm>
#include <set>
#include <utility>

#include "gateway/http_call.h"
#include "gateway/media_store.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr int kClaimBatch = 64;
constexpr std::size_t kSettleBatch = 64;
constexpr std::int64_t kLeaseMargin = 1'000;
constexpr std::int64_t kSettleRetry = 200;
constexpr std::size_t kMaxUpload = 100UL << 20;  // what Meta takes of a document
constexpr std::size_t kMaxOpenEvents = 100;      // of one account, not yet stored: then its links are not read
constexpr std::int64_t kStoreWithin = 2'000;     // a peer waits so long for a store that is away before he hears "later"
constexpr std::int64_t kStoreRetry = 200;

}  // namespace

struct Outgoing::Lane {
  explicit Lane(AccountInfo i) : info(std::move(i)) {}

  AccountInfo info;
  // Survives the lease: answers to calls in flight still come, and each is settled.
  std::unique_ptr<Sender> sender;
  std::unique_ptr<Links> links;
  std::int64_t epoch = 0;  // 0: not ours
  Instant lease_until;
  // A call that claims or puts back had no answer: what the store claimed for us may be more than we heard of. Nothing is
  // claimed until renew() has sorted it out under a new epoch.
  bool doubt = false;
  bool renewing = false;
  std::set<std::pair<std::string, std::int64_t>> held;  // claimed, and neither settled nor put back as far as we heard
  bool recovered = false;                               // orphans of an earlier owner are marked; only then is anything claimed
  bool claiming = false;
  int asked_for = 0;   // messages, by the claim under way: what is claimed at once meanwhile leaves room for them
  bool again = true;   // the lane may hold more than was claimed last
  Instant hold_until;  // the provider refuses the whole account
  std::vector<routing::Settled> settled;
  std::vector<routing::PutBack> returned;
  bool flush_posted = false;
  bool flushing = false;
  Instant wake{INT64_MAX};  // the timer that counts; earlier and later ones do nothing
  std::size_t in_flight = 0;
  std::size_t open_events = 0;            // delivered, not yet stored
  bool paused = false;                    // its links
  std::string link_error;                 // as it was reported; until one is up
  std::vector<std::string> acknowledged;  // whose repeat is none from now on; told to the store at the end of the loop turn
};

Outgoing::Outgoing(Deps deps, const std::vector<AccountInfo>& accounts) : deps_(std::move(deps)) {
  for (const AccountInfo& account : accounts) lanes_[account.id] = std::make_unique<Lane>(account);
}

Outgoing::~Outgoing() = default;

const AccountInfo* Outgoing::account(std::string_view id) const {
  const auto it = lanes_.find(id);
  return it == lanes_.end() ? nullptr : &it->second->info;
}

std::vector<AccountInfo> Outgoing::accounts() const {
  std::vector<AccountInfo> all;
  for (const auto& [id, lane] : lanes_) all.push_back(lane->info);
  return all;
}

Result<void> Outgoing::check(std::string_view account_id, const Content& content) const {
  const AccountInfo* info = account(account_id);
  if (info == nullptr) return fail(Errc::kNotFound, "there is no such account: see belfryctl account list");
  return info->face->check(content);
}

std::optional<Media> Outgoing::file_named(std::string_view account_id, const Content& content) const {
  const AccountInfo* info = account(account_id);
  return info == nullptr ? std::nullopt : info->face->file_named(content);
}

bool Outgoing::needs_window(std::string_view account_id, const Content& content) const {
  const AccountInfo* info = account(account_id);
  return info != nullptr && info->face->needs_window(content);
}

Result<std::string> Outgoing::address(std::string_view account_id, std::string_view to) const {
  const AccountInfo* info = account(account_id);
  if (info == nullptr) return fail(Errc::kNotFound, "there is no such account: see belfryctl account list");
  return info->face->address(to);
}

Outgoing::Lane* Outgoing::owned(std::string_view account_id) {
  const auto it = lanes_.find(account_id);
  if (it == lanes_.end()) return nullptr;
  Lane& lane = *it->second;
  const bool mine = lane.epoch != 0 && lane.recovered && !lane.doubt && lane.lease_until - deps_.now().mono > kLeaseMargin;
  return mine && !draining_ ? &lane : nullptr;
}

routing::LeaseRef Outgoing::lease(std::string_view account_id) {
  Lane* lane = owned(account_id);
  const Now now = deps_.now();
  if (lane == nullptr || now.mono < lane->hold_until || lane->sender->credit(now).messages <= lane->asked_for)
    return {deps_.shard, 0};
  return {deps_.shard, lane->epoch};
}

void Outgoing::hand_over(Outbound message) {
  const auto it = lanes_.find(message.account);
  if (it == lanes_.end() || !it->second->sender) return;  // cannot be: only an owner's lease is claimed under
  deliver(*it->second, std::move(message));
}

void Outgoing::lease_in_doubt(std::string_view account_id) {
  if (const auto it = lanes_.find(account_id); it != lanes_.end()) it->second->doubt = true;
}

void Outgoing::deliver(Lane& lane, Outbound message) {
  if (draining_) {
    lane.held.emplace(message.ref.conversation, message.ref.n);
    lane.returned.push_back({message.ref, deps_.now().wall});
    return flush_later(lane);
  }
  if (owned(lane.info.id) != &lane) {
    // The lease ran out while the answer was on its way: not sent now, and not held; renew gives it back to its lane.
    lane.doubt = true;
    return;
  }
  lane.held.emplace(message.ref.conversation, message.ref.n);
  ++lane.in_flight;
  Effects effects;
  lane.sender->send(deps_.now(), std::move(message), effects);
  run(lane, std::move(effects));
}

void Outgoing::on_leases(const std::vector<routing::Granted>& leases, Instant until) {
  for (auto& [id, lane_ptr] : lanes_) {
    Lane& lane = *lane_ptr;
    const auto grant =
        std::find_if(leases.begin(), leases.end(), [&, name = "acct:" + id](const auto& g) { return g.name == name; });
    Effects effects;
    if (grant == leases.end()) {
      lane.epoch = 0;
      if (lane.sender) lane.sender->on_lease(deps_.now(), Instant{}, effects);
      run(lane, std::move(effects));
      continue;
    }
    lane.lease_until = until;
    if (lane.epoch != grant->epoch) {
      lane.epoch = grant->epoch;
      lane.recovered = false;
      lane.again = true;
    }
    if (!lane.sender) {
      lane.sender = lane.info.face->sender(deps_.now());
      lane.links = deps_.make_links(id, links_heard(lane));
    }
    if (!draining_) lane.sender->on_lease(deps_.now(), until, effects);
    run(lane, std::move(effects));
    if (lane.doubt || !lane.recovered) {
      recover(lane);
      continue;
    }
    lane.again = true;  // also finds what was put back and is due by now
    pump(lane);
  }
}

// Before anything is claimed under a lease: first what we ourselves may have lost sight of, then what an earlier owner left.
void Outgoing::recover(Lane& lane) {
  if (lane.renewing || lane.claiming || lane.flushing) return;  // the next beat asks again
  lane.renewing = true;
  if (lane.doubt) {
    std::vector<MessageRef> held;
    for (const auto& [conversation, n] : lane.held) held.push_back({conversation, n});
    return deps_.store.renew(lane.info.id, {deps_.shard, lane.epoch}, held, [this, &lane](const Result<routing::Outcome>& out) {
      lane.renewing = false;
      if (!out || out->what != routing::Outcome::What::kOk) return;  // the epoch is learnt from the next beat
      lane.epoch = out->gen;
      lane.doubt = false;
      lane.recovered = false;
      recover(lane);
    });
  }
  deps_.store.orphans(lane.info.id, {deps_.shard, lane.epoch},
                      [this, &lane, epoch = lane.epoch](const Result<routing::Outcome>& out) {
                        lane.renewing = false;
                        if (!out || out->what != routing::Outcome::What::kOk || lane.epoch != epoch) return;
                        if (out->gen > 0) deps_.report("sends_uncertain", lane.info.id, std::to_string(out->gen));
                        lane.recovered = true;
                        lane.again = true;
                        pump(lane);
                      });
}

void Outgoing::on_store_up() {
  for (auto& [id, lane] : lanes_) flush_later(*lane);
}

void Outgoing::on_lane(std::string_view account_id, std::string_view payload) {
  Lane* lane = owned(account_id);
  if (lane == nullptr) return;
  if (payload.empty()) {
    lane->again = true;
    pump(*lane);
    return;
  }
  const auto space = payload.find(' ');
  const std::string_view verb = payload.substr(0, space);
  const std::string_view object = space == std::string_view::npos ? std::string_view{} : payload.substr(space + 1);
  Effects effects;
  if (verb == "read") lane->sender->mark_read(deps_.now(), object, effects);
  if (verb == "typing") lane->sender->typing(deps_.now(), object, effects);
  if (verb == "in") lane->sender->on_inbound(deps_.now(), std::string(object));
  run(*lane, std::move(effects));
}

void Outgoing::on_inbound(std::string_view account_id, const std::string& address_text) {
  if (Lane* lane = owned(account_id); lane != nullptr) {
    lane->sender->on_inbound(deps_.now(), address_text);
  } else if (account(account_id) != nullptr) {
    deps_.tell_owner(account_id, "in " + address_text);
  }
}

void Outgoing::pump(Lane& lane) {
  if (owned(lane.info.id) != &lane || lane.claiming || !lane.again) return;
  const Now now = deps_.now();
  if (now.mono < lane.hold_until) return wake_at(lane, lane.hold_until);
  const Credit credit = lane.sender->credit(now);
  if (credit.alerts <= 0) return wake_at(lane, std::max(credit.ask_again, now.mono + 1));
  const routing::Room most{std::min(credit.messages, kClaimBatch), std::min(credit.alerts, kClaimBatch)};
  lane.claiming = true;
  lane.asked_for = most.messages;
  lane.again = false;
  deps_.store.claim(lane.info.id, {deps_.shard, lane.epoch}, most, [this, &lane, most](Result<routing::Claims> claims) {
    lane.claiming = false;
    lane.asked_for = 0;
    if (!claims) {
      lane.doubt = lane.doubt || (claims.error().code != Errc::kUnavailable && claims.error().code != Errc::kBusy);
      lane.again = true;
      return;
    }
    if (claims->lost) {
      lane.epoch = 0;
      return;
    }
    for (routing::Claimed& item : claims->items) {
      auto entry = routing::decode_entry(item.entry);
      if (!entry) {
        lane.settled.push_back({item.ref, State::kFailed, "", "unreadable_entry"});
        flush_later(lane);
        continue;
      }
      std::string to = item.address.empty() ? std::move(entry->to) : std::move(item.address);
      deliver(lane, {std::move(item.ref), lane.info.id, std::move(to), std::move(entry->content), item.lane, entry->at});
    }
    lane.again = lane.again || claims->items.size() >= static_cast<std::size_t>(std::max(most.messages, 1));
    pump(lane);
  });
}

void Outgoing::call(Lane& lane, const Call& wanted) {
  deps_.http.call(wanted,
                  [this, &lane, id = wanted.id](Result<HttpResponse> response) { answered(lane, id, std::move(response)); });
}

Links::Heard Outgoing::links_heard(Lane& lane) {
  return {[this, &lane](LinkId link, LinkState state) {
            if (state == LinkState::kUp) lane.link_error.clear();
            Effects effects;
            lane.sender->on_link(deps_.now(), link, state, effects);
            run(lane, std::move(effects));
            lane.again = true;
            pump(lane);
          },
          [this, &lane](LinkId link, std::string_view bytes) {
            Effects effects;
            lane.sender->on_bytes(deps_.now(), link, bytes, effects);
            run(lane, std::move(effects));
            pump(lane);  // there may be room for what was left in the lane
          },
          [this, &lane](const Error& error) {  // once for each reason: it is dialled again and again
            if (std::exchange(lane.link_error, error.detail) != error.detail)
              deps_.report("link_failed", lane.info.id, error.detail);
          }};
}

// A store that is away is asked again, for as long as a peer can be left without an answer; meanwhile its links are not read.
void Outgoing::keep(Lane& lane, Token token, const Event& event, Instant since) {
  if (lane.open_events >= kMaxOpenEvents && !lane.paused) {
    lane.paused = true;
    lane.links->pause(true);
  }
  deps_.deliver(event, [this, &lane, token, event, since](bool kept) {
    if (kept || deps_.now().mono - since >= kStoreWithin) return stored(lane, token, kept);
    deps_.after(kStoreRetry, [this, &lane, token, again = event, since]() mutable {
      if (auto* message = std::get_if<Inbound>(&again))
        message->fresh = false;  // it may have been kept, and only the answer lost
      keep(lane, token, again, since);
    });
  });
}

void Outgoing::stored(Lane& lane, Token token, bool kept) {
  --lane.open_events;
  Effects effects;
  lane.sender->on_stored(deps_.now(), token, kept, effects);
  run(lane, std::move(effects));
  if (lane.paused && lane.open_events < kMaxOpenEvents / 2) {
    lane.paused = false;
    lane.links->pause(false);
  }
}

void Outgoing::acknowledge_later(Lane& lane, std::string provider_id) {
  lane.acknowledged.push_back(std::move(provider_id));
  if (lane.acknowledged.size() > 1) return;
  deps_.after(0, [this, &lane] { deps_.store.acknowledged(lane.info.id, std::exchange(lane.acknowledged, {})); });
}

void Outgoing::answered(Lane& lane, CallId id, Result<HttpResponse> response) {
  Effects effects;
  lane.sender->on_response(deps_.now(), id, std::move(response), effects);
  run(lane, std::move(effects));
  lane.again = true;
  pump(lane);
}

void Outgoing::run(Lane& lane, Effects effects) {
  for (Effect& effect : effects) {
    if (auto* wanted = std::get_if<Call>(&effect)) {
      call(lane, *wanted);
    } else if (auto* upload = std::get_if<belfry::Upload>(&effect)) {
      // A file of ours inside a request's body; the sender keeps at most eight open.
      deps_.files.read(upload->sha256, 0, kMaxUpload, [this, &lane, upload = *upload](Result<std::string> file) {
        if (!file) return answered(lane, upload.id, tl::unexpected(std::move(file.error())));
        call(lane, {upload.id, "POST", upload.url, upload.headers, upload.before + *file + upload.after, upload.timeout_ms});
      });
    } else if (auto* settle = std::get_if<Settle>(&effect)) {
      if (lane.in_flight > 0) --lane.in_flight;
      if (auto* receipt = std::get_if<Receipt>(&settle->what)) {
        if (receipt->state == State::kSent) ++counts_.sent;
        if (receipt->state == State::kFailed) ++counts_.failed;
        if (receipt->state == State::kUncertain) ++counts_.uncertain;
        if (receipt->ref)
          lane.settled.push_back(
              {*receipt->ref, receipt->state, receipt->provider_id, receipt->reason, std::move(receipt->names)});
      } else {
        const Returned& back = std::get<Returned>(settle->what);
        ++counts_.returned;
        lane.returned.push_back({back.ref, back.not_before});
        const Now now = deps_.now();
        wake_at(lane, now.mono + std::max<std::int64_t>(1, back.not_before - now.wall));
      }
      flush_later(lane);
    } else if (auto* told = std::get_if<Deliver>(&effect)) {
      ++lane.open_events;
      keep(lane, told->token, told->event, deps_.now().mono);
    } else if (auto* bytes = std::get_if<Transmit>(&effect)) {
      lane.links->transmit(*bytes);
    } else if (auto* yes = std::get_if<Acknowledged>(&effect)) {
      acknowledge_later(lane, std::move(yes->provider_id));
    } else if (auto* dial = std::get_if<Dial>(&effect)) {
      lane.links->dial(*dial);
    } else if (auto* hangup = std::get_if<Hangup>(&effect)) {
      lane.links->hangup(hangup->link);
    } else if (auto* wake = std::get_if<Wake>(&effect)) {
      wake_at(lane, wake->at);
    } else if (auto* hold = std::get_if<Hold>(&effect)) {
      const Now now = deps_.now();
      lane.hold_until = now.mono + (hold->until - now.wall);
      deps_.report("account_held", lane.info.id, hold->reason);
      wake_at(lane, lane.hold_until);
    }
  }
}

void Outgoing::flush_later(Lane& lane) {
  if (lane.flush_posted || lane.flushing || (lane.settled.empty() && lane.returned.empty())) return;
  lane.flush_posted = true;
  deps_.after(0, [this, &lane] {
    lane.flush_posted = false;
    flush(lane);
  });
}

// One settle at a time, at most 64 items: so a store that is away sees one failing call, not one per message.
void Outgoing::flush(Lane& lane) {
  if (lane.flushing) return;
  if (!lane.returned.empty() && !lane.doubt) {
    const std::vector<routing::PutBack> items = std::exchange(lane.returned, {});
    lane.flushing = true;
    deps_.store.put_back(lane.info.id, {deps_.shard, lane.epoch}, items,
                         [this, &lane, items](const Result<routing::Outcome>& out) {
                           lane.flushing = false;
                           if (!out && (out.error().code == Errc::kUnavailable || out.error().code == Errc::kBusy)) {
                             ++counts_.settle_retries;
                             lane.returned.insert(lane.returned.begin(), items.begin(), items.end());
                             return wake_at(lane, deps_.now().mono + kSettleRetry);
                           }
                           // Not repeated after a lost answer: the entry may be claimed again by then. What was not put back,
                           // renew finds.
                           if (!out) lane.doubt = true;
                           for (const routing::PutBack& item : items) lane.held.erase({item.ref.conversation, item.ref.n});
                           lane.again = true;
                           flush(lane);
                         });
    return;
  }
  if (lane.settled.empty()) return;
  const auto count = static_cast<std::ptrdiff_t>(std::min(lane.settled.size(), kSettleBatch));
  std::vector<routing::Settled> items(lane.settled.begin(), lane.settled.begin() + count);
  lane.settled.erase(lane.settled.begin(), lane.settled.begin() + count);
  lane.flushing = true;
  deps_.store.settle(lane.info.id, items, [this, &lane, items](Result<std::vector<bool>> out) {
    lane.flushing = false;
    if (!out) {
      ++counts_.settle_retries;
      lane.settled.insert(lane.settled.begin(), items.begin(), items.end());
      return wake_at(lane, deps_.now().mono + kSettleRetry);
    }
    for (const routing::Settled& item : items) lane.held.erase({item.ref.conversation, item.ref.n});
    flush(lane);
  });
}

void Outgoing::wake_at(Lane& lane, Instant at) {
  if (at >= lane.wake) return;
  lane.wake = at;
  deps_.after(std::max<std::int64_t>(1, at - deps_.now().mono), [this, &lane, at] {
    if (lane.wake != at) return;
    lane.wake = Instant{INT64_MAX};
    if (lane.sender) {
      Effects effects;
      lane.sender->on_wake(deps_.now(), effects);
      run(lane, std::move(effects));
    }
    flush_later(lane);
    lane.again = true;
    pump(lane);
  });
}

void Outgoing::set_secrets(const std::vector<AccountInfo>& fresh) {
  for (const AccountInfo& account : fresh) {
    const auto it = lanes_.find(account.id);
    if (it == lanes_.end()) continue;
    Lane& lane = *it->second;
    lane.info.face = account.face;
    if (!lane.sender || !account.face->renew(deps_.now(), *lane.sender)) continue;
    // What was held for a refused secret need not sit out the wait.
    lane.hold_until = Instant{};
    lane.again = true;
    pump(lane);
  }
}

bool Outgoing::drain() {
  if (!draining_) {
    draining_ = true;
    for (auto& [id, lane] : lanes_) {
      if (!lane->sender) continue;
      Effects effects;
      lane->sender->drain(deps_.now(), effects);
      run(*lane, std::move(effects));
    }
  }
  for (auto& [id, lane] : lanes_) {
    if (lane->in_flight > 0 || !lane->settled.empty() || !lane->returned.empty() || lane->flushing || lane->open_events > 0 ||
        (lane->sender && !lane->sender->drained()))
      return false;
  }
  return true;
}

std::vector<Outgoing::Binds> Outgoing::binds() const {
  std::vector<Binds> out;
  const Now now = deps_.now();
  for (const auto& [id, lane] : lanes_) {
    if (lane->info.channel != "sms") continue;
    const Sender::Links links = lane->epoch == 0 || !lane->sender ? Sender::Links{} : lane->sender->links(now);
    out.push_back({id, links.up, links.all - links.up});
  }
  return out;
}

std::size_t Outgoing::in_flight() const {
  std::size_t sum = 0;
  for (const auto& [id, lane] : lanes_) sum += lane->in_flight;
  return sum;
}

}  // namespace belfry::gateway
