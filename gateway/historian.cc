#include "gateway/historian.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <set>
#include <utility>

#include "adapters/language/language.h"
#include "adapters/wire/json.h"
#include "gateway/log.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr std::chrono::milliseconds kPause{25};
constexpr std::chrono::milliseconds kRest{2'000};  // nothing much to do
constexpr int kChunk = 1'000;
constexpr std::size_t kMaxLanguage = 8;
constexpr std::size_t kRemembered = 10'000;  // conversations
// Of what is asked about a place nobody has counted to: the store answers where it is.
constexpr std::string_view kNowhere = "?";

const std::vector<std::string>& languages_of_pages() {
  static const std::vector<std::string> all{"en", "es", "pt", "ru", "ar"};
  return all;
}

bool is_code(std::string_view text) {
  return !text.empty() && text.size() <= kMaxLanguage &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
}

}  // namespace

struct Historian::Facts {
  std::string channel, language;
  WallTime first, first_reply, handed_over;
};

struct Historian::Step {
  std::vector<routing::History::Noted> noted;
  std::map<std::string, Facts> facts;  // by conversation
  std::string to;
  std::size_t entries = 0;
  std::vector<routing::HistoryRow> rows;
};

Historian::Historian(Services& services) : services_(services), commands_(services), timer_(services.loop) {}

void Historian::start() { tick(); }

void Historian::stop() {
  stopped_ = true;
  timer_.cancel();
}

void Historian::on_lease(bool held, Instant until) {
  held_ = held;
  until_ = until;
  // Whoever counts meanwhile gets further than we know.
  if (held || busy_) return;
  place_.reset();
  step_.reset();
  history_.reset();
}

void Historian::tick() {
  if (stopped_) return;
  if (held_ && !busy_ && services_.now().mono < until_ && services_.store_up() && services_.mirror.ready()) begin();
  timer_.expires_after(more_ ? kPause : kRest);
  timer_.async_wait([this](std::error_code error) {
    if (!error) tick();
  });
}

void Historian::begin() {
  busy_ = true;
  if (step_) return add();
  if (!place_) return learn_place();
  read();
}

void Historian::learn_place() {
  services_.store.history_add(kNowhere, "", {}, [this](Result<routing::Outcome> out) {
    if (!out) return end(&out.error());
    place_ = out->state;
    history_ = std::make_unique<routing::History>([this](std::string_view queue) { return services_.mirror.queue(queue); });
    if (place_->empty()) return read();
    warm_up(*place_, {});
  });
}

// Backwards from the place, then heard in order and not counted.
void Historian::warm_up(const std::string& before, std::vector<routing::Value> found) {
  commands_.run({"XREVRANGE", commands_.key("ev"), before, "-", "COUNT", std::to_string(kChunk)},
                [this, found = std::move(found)](Result<routing::Value> reply) mutable {
                  if (!reply) {
                    place_.reset();
                    return end(&reply.error());
                  }
                  const std::size_t count = reply->array.size();
                  std::move(reply->array.begin(), reply->array.end(), std::back_inserter(found));
                  if (count == kChunk && found.size() < kBefore && !found.back().array.empty()) {
                    const std::string next = "(" + found.back().array[0].text;
                    return warm_up(next, std::move(found));
                  }
                  for (auto entry = found.rbegin(); entry != found.rend(); ++entry) history_->apply(*entry);
                  read();
                });
}

void Historian::read() {
  // From the place itself: if it is not there any more, the stream was cut behind it.
  const std::string from = place_->empty() ? std::string("-") : *place_;
  commands_.run({"XRANGE", commands_.key("ev"), from, "+", "COUNT", std::to_string(kStep)}, [this](Result<routing::Value> reply) {
    if (!reply) return end(&reply.error());
    auto& entries = reply->array;
    more_ = entries.size() == static_cast<std::size_t>(kStep);
    const auto id_of = [](const routing::Value& entry) { return entry.array.empty() ? std::string() : entry.array[0].text; };
    if (!entries.empty() && !place_->empty()) {
      if (id_of(entries.front()) == *place_) {
        entries.erase(entries.begin());
      } else {
        ++counts_.gaps;
        log_warning("history_gap", {{"after", *place_}, {"to", id_of(entries.front())}});
      }
    }
    if (entries.empty()) return end(nullptr);
    auto step = std::make_shared<Step>();
    step->to = id_of(entries.back());
    step->entries = entries.size();
    for (const routing::Value& entry : entries) {
      if (auto noted = history_->apply(entry)) step->noted.push_back(std::move(*noted));
    }
    look_up(step);
  });
}

void Historian::look_up(const StepPtr& step) {
  std::set<std::string> conversations;
  for (const auto& noted : step->noted) conversations.insert(noted.conversation);
  std::vector<std::vector<std::string>> asks;
  if (languages_.size() > kRemembered) languages_.clear();
  std::set<std::string> unknown;
  for (const std::string& id : conversations) {
    asks.push_back({"HMGET", commands_.key("conv:" + id), "ch", "first", "fr", "ho"});
    if (languages_.contains(id)) continue;
    unknown.insert(id);
    asks.push_back({"LINDEX", commands_.key("log:" + id), "0"});
  }
  if (asks.empty()) return count(step);
  commands_.all(asks, [this, step, conversations, unknown](Result<std::vector<routing::Value>> rows) {
    if (!rows) {
      // The entries were heard, but not counted: begin again from the store's place.
      place_.reset();
      return end(&rows.error());
    }
    std::size_t i = 0;
    for (const std::string& id : conversations) {
      Facts& facts = step->facts[id] = facts_of((*rows)[i++]);
      if (unknown.contains(id)) languages_[id] = language_of(facts.channel, (*rows)[i++]);
      facts.language = languages_[id];
    }
    count(step);
  });
}

Historian::Facts Historian::facts_of(const routing::Value& row) {
  Facts out;
  out.channel = text_at(row, 0);
  const auto time = [&](std::size_t i) {
    WallTime at;
    const std::string& digits = text_at(row, i);
    std::from_chars(digits.data(), digits.data() + digits.size(), at.ms);
    return at;
  };
  out.first = time(1);
  out.first_reply = time(2);
  out.handed_over = time(3);
  return out;
}

// What the page said, else what his first message sounds like.
std::string Historian::language_of(std::string_view channel, const routing::Value& first) const {
  const auto entry = routing::decode_entry(first.text);
  if (!entry || entry->dir != routing::Dir::kIn) return {};
  std::string language;
  if (channel == "web" && !entry->content.detail.empty()) {
    wire::JsonReader reader;
    if (const auto said = reader.read(entry->content.detail); said && said->is_object())
      language = wire::text_at(said->get_object().value_unsafe(), "language");
  }
  if (language.empty()) {
    const auto wanted = routing::languages_of(services_.mirror.routes());
    language = language::of(entry->content.text, wanted.empty() ? languages_of_pages() : wanted);
  }
  // Counted by the language, not by its country's variety.
  language = language.substr(0, language.find('-'));
  return is_code(language) ? language : std::string();
}

void Historian::count(const StepPtr& step) {
  std::map<routing::Corner, routing::Counts> sums;
  for (const auto& noted : step->noted) {
    const Facts& facts = step->facts[noted.conversation];
    routing::Counts counts = noted.counts;
    if (noted.opens_if_first && facts.first == noted.at) counts.add(routing::Tally::kOpened);
    if (noted.closed && facts.first_reply.ms > 0) {
      const WallTime since = facts.handed_over.ms > 0 ? facts.handed_over : facts.first;
      if (facts.first_reply.ms >= since.ms) counts.add(routing::Span::kFirstReply, facts.first_reply.ms - since.ms);
    }
    if (counts.empty()) continue;
    sums[{noted.at.ms / 3'600'000, noted.queue, facts.channel, facts.language}] += counts;
  }
  for (const auto& [corner, counts] : sums)
    step->rows.push_back({routing::day_of(corner.hour), routing::field_of(corner), counts.write()});
  step_ = step;
  add();
}

void Historian::add() {
  services_.store.history_add(*place_, step_->to, step_->rows, [this, step = step_](Result<routing::Outcome> out) {
    if (!out) return end(&out.error());  // the same step again
    step_.reset();
    // It was added although its answer was lost; or somebody else counts, and we find out where he is.
    if (out->what == routing::Outcome::What::kStale && out->state != step->to) {
      place_.reset();
      return end(nullptr);
    }
    place_ = step->to;
    counts_.entries += step->entries;
    end(nullptr);
  });
}

void Historian::end(const Error* error) {
  if (error != nullptr) ++counts_.failed;
  busy_ = false;
  if (!held_) on_lease(false, until_);
}

}  // namespace belfry::gateway
