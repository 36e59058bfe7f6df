#include "gateway/archiver.h"

#include <algorithm>
#include <asio/post.hpp>
#include <charconv>
#include <chrono>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "adapters/desk/frames.h"
#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/archive.h"
#include "gateway/desk_hub.h"
#include "gateway/log.h"
#include "gateway/media_keep.h"
#include "gateway/work_pool.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kHour = 3'600'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kNoNews = 31 * kDay;
constexpr int kBatch = 100;
constexpr std::size_t kBatchOctets = 4UL << 20;
constexpr int kPage = 200;

std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool waits(State state) {
  return state == State::kQueued || state == State::kClaimed || state == State::kSent || state == State::kUncertain;
}

void time(std::string& out, std::string_view name, WallTime at) {
  if (at.ms > 0) out.append(",\"").append(name).append("\":\"").append(wire::rfc3339(at)).append("\"");
}

std::string line_of(const routing::Card& card, const routing::Due& due, const std::vector<routing::Line>& lines) {
  std::string out = "{\"id\":\"" + conversation_id(card.conversation) + "\",\"address\":";
  wire::append_quoted(out, card.address);
  out += ",\"conversation\":";
  desk::append(out, view_of(card));
  out.pop_back();
  time(out, "given_at", card.given);
  time(out, "accepted_at", due.accepted);
  time(out, "closed_at", due.closed);
  out += ",\"archived\":true},\"messages\":[";
  for (const routing::Line& line : lines) {
    if (&line != &lines.front()) out += ',';
    desk::append(out, view_of({card.conversation, line.n}, line));
  }
  out += "]}";
  // What providers sent is kept as it came; between its members it may hold line ends.
  for (char& c : out) {
    if (c == '\n' || c == '\r') c = ' ';
  }
  return out;
}

}  // namespace

struct Archiver::Batch {
  struct Item {
    routing::Due due;
    bool over = true;  // false: met on the walk, for what it waits for only
  };
  std::vector<Item> items;
  std::map<std::string, routing::Card> cards;
  std::size_t at = 0;
  std::vector<routing::Line> lines;  // of the item under way
  std::size_t octets = 0;
  std::vector<ArchiveLine> texts;
  std::vector<routing::Archived> done;  // one a text
  std::set<std::string> media;          // sha256 of what the items show
};

Archiver::Archiver(Deps deps) : deps_(std::move(deps)), timer_(deps_.loop) {}

void Archiver::start() { tick(); }

void Archiver::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Archiver::on_lease(bool held, Instant until) {
  held_ = held;
  until_ = until;
}

void Archiver::tick() {
  if (stopped_) return;
  if (held_ && deps_.now().mono < until_ && !busy_) begin();
  timer_.expires_after(std::chrono::milliseconds(deps_.every_ms));
  timer_.async_wait([this](std::error_code error) {
    if (!error) tick();
  });
}

void Archiver::begin() {
  const Instant now = deps_.now().mono;
  busy_ = true;
  if (now >= prune_at_) {
    prune_at_ = now + kHour;
    return prune();
  }
  if (std::exchange(walked_all_, false) && !deps_.media_dir.empty()) return prune_media_files();
  auto batch = std::make_shared<Batch>();
  const WallTime before = deps_.now().wall + -deps_.closed_days * kDay;
  deps_.store.archive_due(before, kBatch, [this, batch](Result<std::vector<routing::Due>> due) {
    if (!due) return end(&due.error());
    for (routing::Due& each : *due) batch->items.push_back({std::move(each), true});
    if (deps_.now().mono < walk_at_) return learn(batch);
    walk(batch);
  });
}

// One step through all there is. It goes on where it stopped, and begins again an hour after its end.
void Archiver::walk(const BatchPtr& batch) {
  deps_.store.conversations(walked_, 100, [this, batch](Result<routing::Conversations> found) {
    if (!found) return end(&found.error());
    const std::int64_t old = deps_.now().wall.ms - kNoNews;
    // Whose media would go soon, were they not kept.
    const std::int64_t keeps = deps_.now().wall.ms - (deps_.keep_days - 1) * kDay + kHour;
    for (const routing::Card& card : found->cards) {
      if (!std::exchange(alive_seen_, true)) first_alive_ = std::to_string(number(card.conversation) - 1);
      if ((card.open > 0 && card.first.ms <= old) || (!deps_.media_dir.empty() && card.first.ms <= keeps))
        batch->items.push_back({{card.conversation, card.gen, {}, {}}, false});
    }
    walked_ = found->next;
    if (walked_.empty()) {
      walk_at_ = deps_.now().mono + kHour;
      walked_ = first_alive_;
      walked_all_ = true;
      alive_seen_ = false;
    }
    learn(batch);
  });
}

void Archiver::learn(const BatchPtr& batch) {
  if (batch->items.empty()) return end(nullptr);
  std::vector<std::string> ids;
  for (const Batch::Item& item : batch->items) ids.push_back(item.due.conversation);
  deps_.store.cards(ids, [this, batch](Result<std::vector<routing::Card>> cards) {
    if (!cards) return end(&cards.error());
    for (routing::Card& card : *cards) {
      std::string id = card.conversation;
      batch->cards[id] = std::move(card);
    }
    next(batch);
  });
}

// Posted, so that a store that answers at once does not build a tower of calls.
void Archiver::next(const BatchPtr& batch) {
  asio::post(deps_.loop, [this, batch] {
    if (batch->at == batch->items.size() || batch->octets > kBatchOctets || stopped_) return write(batch);
    batch->lines.clear();
    read(batch);
  });
}

void Archiver::read(const BatchPtr& batch) {
  const std::string& id = batch->items[batch->at].due.conversation;
  const auto after = static_cast<std::int64_t>(batch->lines.size());
  deps_.store.page(id, after, kPage, [this, batch](Result<routing::Page> page) {
    if (!page) return end(&page.error());
    const bool more = !page->lines.empty() && page->lines.back().n < page->total;
    std::move(page->lines.begin(), page->lines.end(), std::back_inserter(batch->lines));
    if (more) return read(batch);
    judge(batch);
  });
}

void Archiver::judge(const BatchPtr& batch) {
  const Batch::Item& item = batch->items[batch->at];
  const auto found = batch->cards.find(item.due.conversation);
  const WallTime now = deps_.now().wall;
  std::vector<routing::Settled> silent;
  bool waiting = false;
  std::int64_t last = 0;
  for (const routing::Line& line : batch->lines) {
    const auto entry = routing::decode_entry(line.entry);
    const std::int64_t at = entry ? entry->at.ms : 0;
    last = std::max(last, at);
    if (entry && entry->content.media) batch->media.insert(entry->content.media->sha256);
    if (std::string_view news = line.reason; news.starts_with("media:")) batch->media.emplace(news.substr(6, 64));
    const bool old = at <= now.ms - kNoNews;
    if (waits(line.state)) {
      if (old) {
        silent.push_back({{item.due.conversation, line.n}, State::kExpired, "", "no_news"});
      } else {
        waiting = true;
      }
    } else if (entry && entry->dir == routing::Dir::kIn && entry->content.media && !entry->content.media->provider_id.empty()) {
      waiting = waiting || (line.reason.empty() && !old);
    }
  }
  ++batch->at;
  if (!silent.empty()) return expire(batch, std::move(silent));  // archived when it is met again
  if (!item.over) return next(batch);
  if (waiting) return later(batch, now + kHour);
  const std::int64_t quiet_since = found != batch->cards.end() && found->second.state == "sends" ? last : 0;
  if (quiet_since + deps_.closed_days * kDay > now.ms) return later(batch, WallTime{quiet_since + deps_.closed_days * kDay});
  batch->done.push_back(routing::archived(item.due.conversation, item.due.gen, batch->lines));
  if (found == batch->cards.end()) return next(batch);  // gone: only its place in the order is left
  ArchiveLine line;
  line.id = number(item.due.conversation);
  line.closed = item.due.closed.ms > 0 ? item.due.closed : WallTime{last};
  line.text = line_of(found->second, item.due, batch->lines);
  batch->octets += line.text.size();
  batch->texts.push_back(std::move(line));
  next(batch);
}

void Archiver::expire(const BatchPtr& batch, std::vector<routing::Settled> items) {
  const auto found = batch->cards.find(items.front().ref.conversation);
  if (found == batch->cards.end()) return next(batch);
  deps_.store.settle(found->second.account, items, [this, batch](Result<std::vector<bool>> moved) {
    if (!moved) return end(&moved.error());
    counts_.expired += static_cast<std::uint64_t>(std::count(moved->begin(), moved->end(), true));
    next(batch);
  });
}

// It is asked for by the time of closing, so that is what is moved.
void Archiver::later(const BatchPtr& batch, WallTime at) {
  const WallTime closed = at + -deps_.closed_days * kDay;
  deps_.store.archive_later({batch->items[batch->at - 1].due.conversation}, closed, [this, batch](Result<routing::Outcome> out) {
    if (!out) return end(&out.error());
    next(batch);
  });
}

void Archiver::write(const BatchPtr& batch) {
  skipped_ = skipped_ || batch->at < batch->items.size();
  if (!deps_.media_dir.empty() && !batch->media.empty()) {
    const bool posted = deps_.work.post(
        deps_.loop,
        [dir = deps_.media_dir, names = std::exchange(batch->media, {}), now = deps_.now().wall] { keep_media(dir, names, now); },
        [this, batch] { write(batch); });
    // Otherwise the walk that saw them was not whole.
    if (posted) return;
    skipped_ = true;
    return end(nullptr);
  }
  if (stopped_ || batch->done.empty()) return end(nullptr);
  if (batch->texts.empty()) return drop(batch);
  auto result = std::make_shared<Result<std::size_t>>(std::size_t{0});
  const bool posted = deps_.work.post(
      deps_.loop, [dir = deps_.dir, batch, result] { *result = append_to_archive(dir, batch->texts); },
      [this, batch, result] {
        if (!*result) {
          log_error("archive_failed", {{"why", result->error().detail}});
          return end(&result->error());
        }
        counts_.written += **result;
        drop(batch);
      });
  if (!posted) end(nullptr);
}

// On disk, all of them: now they may go. They go at once, in one write to Redis.
void Archiver::drop(const BatchPtr& batch) {
  const auto left = std::make_shared<std::size_t>(batch->done.size());
  const auto broken = std::make_shared<bool>(false);
  for (const routing::Archived& what : batch->done) {
    deps_.store.archive_done(what, [this, left, broken](Result<routing::Outcome> out) {
      if (!out) {
        *broken = true;
      } else if (out->what == routing::Outcome::What::kOk) {
        ++counts_.archived;
      } else if (out->what == routing::Outcome::What::kStale) {
        ++counts_.changed;
      }
      if (--*left > 0) return;
      const Error error{Errc::kUnavailable, "the store"};
      end(*broken ? &error : nullptr);
    });
  }
}

void Archiver::prune() {
  auto result = std::make_shared<Result<std::vector<std::string>>>();
  const WallTime now = deps_.now().wall;
  const bool posted = deps_.work.post(
      deps_.loop, [dir = deps_.dir, now, months = deps_.archive_months, result] { *result = prune_archive(dir, now, months); },
      [this, result] {
        if (!*result) return end(&result->error());
        for (const std::string& name : **result) log_info("archive_pruned", {{"file", name}});
        end(nullptr);
      });
  if (!posted) end(nullptr);
}

void Archiver::prune_media_files() {
  if (std::exchange(skipped_, false)) return end(nullptr);
  auto result = std::make_shared<Result<std::size_t>>(std::size_t{0});
  const WallTime before = deps_.now().wall + -deps_.keep_days * kDay;
  const bool posted = deps_.work.post(
      deps_.loop, [dir = deps_.media_dir, before, result] { *result = prune_media(dir, before); },
      [this, result] {
        if (!*result) return end(&result->error());
        counts_.media_removed += **result;
        if (**result > 0) log_info("media_pruned", {{"files", std::to_string(**result)}});
        end(nullptr);
      });
  if (!posted) end(nullptr);
}

void Archiver::end(const Error* error) {
  if (error != nullptr) ++counts_.failed;
  // A walk that was not whole keeps not all: after it nothing is removed.
  skipped_ = skipped_ || error != nullptr;
  busy_ = false;
}

}  // namespace belfry::gateway
