#include "gateway/matcher.h"

#include <algorithm>
#include <asio/post.hpp>
#include <charconv>
#include <utility>

#include "gateway/log.h"
#include "routing/pick.h"
#include "routing/store_redis.h"

namespace belfry::gateway {
namespace {

// Offers in the store's hands at a time, and how few make room for the next: a batch shares one flush of the disk, and nobody
// else's call stands behind more than a batch.
constexpr int kMatchBatch = 256;
constexpr int kMatchAgain = 128;
constexpr std::int64_t kTick = 100;
// After an outage every shard gets one lease time to say that it lives before anything of it is swept.
constexpr std::int64_t kGrace = kLeaseTtl + 500;
// A new picture is taken at most so often: after an offer was refused, and after a queue was changed. A refusal of what was
// refused before and is proposed still calls for one: by then the stream has told why, if it ever does.
constexpr std::int64_t kSyncAtMostEvery = 5'000;
constexpr std::int64_t kStillRefused = 1'000;
constexpr std::size_t kRefusedKept = 1'000;
constexpr std::size_t kReadAtOnce = 1'000;  // entries of the stream
// Conversations of a new picture taken in one loop turn: a millisecond or two.
constexpr std::size_t kBuildAtOnce = 1'000;
constexpr std::int64_t kSyncAfterChange = 200;

}  // namespace

Matcher::Matcher(Deps deps) : deps_(std::move(deps)), timer_(deps_.loop) {}

void Matcher::start() { tick(); }

void Matcher::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Matcher::on_lease(bool held, Instant until) {
  held_ = held;
  until_ = until;
}

bool Matcher::owner() const { return held_ && deps_.now().mono < until_; }

void Matcher::on_store_up() {
  if (next_) {  // what was read of the store before is worth nothing
    next_.reset();
    syncing_ = false;
  }
  store_up_since_ = deps_.now().mono;
  resync();
}

void Matcher::on_stream_up() { read(); }

std::int64_t Matcher::unaccounted() const {
  std::int64_t sum = 0;
  for (const auto& [conversation, difference] : unaccounted_) sum += difference;
  return sum;
}

void Matcher::resync() {
  if (syncing_ || stopped_) return;
  syncing_ = true;
  sync_wanted_ = changed_ = false;
  last_sync_ = deps_.now().mono;
  deps_.store.snapshot([this](Result<routing::Snapshot> snapshot) {
    syncing_ = false;
    if (!snapshot) {
      sync_wanted_ = true;
      return;
    }
    ++counts_.snapshots;
    syncing_ = true;
    to_add_ = std::exchange(snapshot->waiting, {});
    next_ = std::make_unique<routing::Mirror>();
    next_->reset(std::move(*snapshot));
    build();
  });
}

void Matcher::build() {
  if (!next_ || stopped_) return;
  for (std::size_t i = 0; i < kBuildAtOnce && !to_add_.empty(); ++i) {
    next_->add(std::move(to_add_.back()));
    to_add_.pop_back();
  }
  if (!to_add_.empty()) return asio::post(deps_.loop, [this] { build(); });
  to_add_ = {};
  std::swap(deps_.mirror, *next_);
  old_ = std::move(next_);
  fade();
  if (deps_.on_snapshot) deps_.on_snapshot(deps_.mirror.stream_id());
  syncing_ = false;
  refused_.clear();
  caught_up_ = false;
  read();
}

void Matcher::fade() {
  if (old_ && old_->fade(kBuildAtOnce)) return asio::post(deps_.loop, [this] { fade(); });
  old_.reset();
}

void Matcher::read() {
  if (reading_ || stopped_ || !deps_.mirror.ready() || !deps_.stream.up()) return;
  reading_ = true;
  const std::string key = routing::key_of(deps_.prefix, "ev");
  const std::string from = deps_.mirror.stream_id();
  const std::string wait = caught_up_ ? "1000" : "1";  // ms; what is there already comes at once
  deps_.stream.command(routing::encode({"XREAD", "COUNT", std::to_string(kReadAtOnce), "BLOCK", wait, "STREAMS", key, from}),
                       [this, from](Result<routing::Value> reply) {
                         reading_ = false;
                         if (!reply || reply->is_error()) return;  // on_stream_up reads again
                         // A snapshot taken meanwhile is newer than what this read began from.
                         if (deps_.mirror.stream_id() == from) {
                           std::size_t count = 0;
                           if (reply->is_array() && !reply->array.empty() && reply->array[0].array.size() == 2) {
                             for (const routing::Value& entry : reply->array[0].array[1].array) {
                               if (!deps_.mirror.apply(entry)) changed_ = true;
                               if (owner()) heed(entry);
                               ++count;
                             }
                             if (deps_.on_entries) deps_.on_entries(reply->array[0].array[1].array);
                           }
                           const bool was_behind = !caught_up_;
                           caught_up_ = caught_up_ || count < kReadAtOnce;
                           if (count > 0 || was_behind) match();
                         }
                         read();
                       });
}

void Matcher::heed(const routing::Value& entry) {
  std::string_view kind, conversation, queue, failures, ban;
  const auto& fields = entry.array.size() == 2 ? entry.array[1].array : entry.array;
  for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
    const std::string_view name = fields[i].text, value = fields[i + 1].text;
    if (name == "k") kind = value;
    if (name == "v") conversation = value;
    if (name == "q") queue = value;
    if (name == "nf") failures = value;
    if (name == "x") ban = value;
  }
  if (kind != "requeued" || (ban != "declined" && ban != "timeout")) return;
  std::int64_t count = 0;
  std::from_chars(failures.data(), failures.data() + failures.size(), count);
  if (count == 0 || count % routing::kOffersAStep != 0) return;
  ++counts_.offers_failed;
  log_warning("offers_failed",
              {{"conversation", conversation_id(conversation)}, {"queue", std::string(queue)}, {"in_a_row", count}});
}

void Matcher::match() {
  if (!owner() || !caught_up_ || matching_ > kMatchAgain) return;
  for (const routing::Offer& offer : deps_.mirror.match(deps_.now().wall, kMatchBatch - matching_)) {
    ++matching_;
    deps_.store.offer(offer, [this, offer](const Result<routing::Outcome>& out) {
      --matching_;
      if (out && out->what == routing::Outcome::What::kOk) {
        ++counts_.offers;
      } else {
        ++counts_.offers_refused;
        deps_.mirror.failed(offer);
        refused(offer);
      }
      if ((matching_ == kMatchAgain || matching_ == 0) && out) match();
    });
  }
}

void Matcher::refused(const routing::Offer& offer) {
  const Instant now = deps_.now().mono;
  if (refused_.size() >= kRefusedKept) sync_wanted_ = true;
  const auto [it, is_new] = refused_.try_emplace({offer.conversation, offer.agent}, now);
  if (!is_new && now - it->second > kStillRefused) sync_wanted_ = true;
  if (sync_wanted_) refused_.clear();
}

void Matcher::tick() {
  if (stopped_) return;
  const Instant now = deps_.now().mono;
  if ((sync_wanted_ && now - last_sync_ > kSyncAtMostEvery) || (changed_ && now - last_sync_ > kSyncAfterChange)) resync();
  read();
  match();
  if (owner() && store_up_since_.ms > 0 && now - store_up_since_ > kGrace) {
    sweep();
    recount();
  }
  timer_.expires_after(std::chrono::milliseconds(kTick));
  timer_.async_wait([this](std::error_code error) {
    if (!error) tick();
  });
}

void Matcher::sweep() {
  if (sweeping_) return;
  sweeping_ = true;
  deps_.store.sweep(100, kLeaseTtl, [this](const Result<routing::Outcome>& out) {
    sweeping_ = false;
    if (!out) {
      store_up_since_ = deps_.now().mono;  // an outage: everybody gets his lease time again
      return;
    }
    counts_.swept += static_cast<std::uint64_t>(out->gen);
    if (out->gen >= 100) sweep();
  });
}

// One conversation a tick, round and round: exact under traffic, because one call changes bytes and counters together.
void Matcher::recount() {
  if (counting_) return;
  counting_ = true;
  const std::int64_t id = count_at_ + 1;
  deps_.store.recount(std::to_string(id), [this, id](const Result<routing::Outcome>& out) {
    counting_ = false;
    if (!out) return;
    count_at_ = id;
    if (out->what == routing::Outcome::What::kMissing) {
      unaccounted_.erase(id);
      return skip_archived();
    }
    if (count_first_ == 0) count_first_ = id;
    ++counts_.recounted;
    if (out->gen == 0) {
      unaccounted_.erase(id);
    } else {
      unaccounted_[id] = out->gen;
    }
  });
}

// What is archived leaves gaps in the numbers, and one from the first number on: on to the next that is there, else from the
// first of this round again.
void Matcher::skip_archived() {
  counting_ = true;
  deps_.store.conversations(std::to_string(count_at_), 1, [this](const Result<routing::Conversations>& found) {
    counting_ = false;
    if (!found) return;
    const std::string& on = found->cards.empty() ? found->next : found->cards.front().conversation;
    std::int64_t id = 0;
    std::from_chars(on.data(), on.data() + on.size(), id);
    if (found->cards.empty() && id == 0) id = std::exchange(count_first_, 0);
    count_at_ = found->cards.empty() && !found->next.empty() ? id : std::max<std::int64_t>(0, id - 1);
  });
}

}  // namespace belfry::gateway
