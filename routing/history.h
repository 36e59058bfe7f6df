// What was: counts by hour, queue, channel and language, made from the transition stream. Pure values and functions; who reads
// the stream and keeps the counts is gateway/historian.h.
//
// A wait, a handle and what is abandoned are what they are in routing/pace.h. A transfer ends one wait's stint and begins
// another, so a conversation may be answered twice and is opened once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "routing/pace.h"
#include "routing/store.h"

namespace belfry::routing {

// The numbers below are what the store keeps: none changes its meaning, new ones come last.
enum class Tally : std::uint8_t {
  kOpened,
  kAnswered,
  kTimed,   // answered or abandoned where the queue had a goal
  kInTime,  // of those, answered within it
  kAbandoned,
  kAbandonedShort,  // within Pace::kShortMs; not in kAbandoned
  kClosed,
  kRequeued,  // an agent worked on it and it went back to a queue
};
inline constexpr std::size_t kTallies = 8;
enum class Span : std::uint8_t { kWait, kFirstReply, kHandle };
inline constexpr std::size_t kSpans = 3;

// Upper ends of the buckets of a span, seconds; what took longer is in one more.
inline constexpr std::array<std::int64_t, 19> kSpanEnds{5,   10,  15,  20,   30,   45,   60,    90,    120,  180,
                                                        300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400};

class Counts {
 public:
  void add(Tally what, std::int64_t n = 1) { cells_[static_cast<std::size_t>(what)] += n; }
  void add(Span what, std::int64_t ms);
  Counts& operator+=(const Counts& other);

  std::int64_t of(Tally what) const { return cells_[static_cast<std::size_t>(what)]; }
  // None if nothing was measured. Percentiles and the longest are the ends of their buckets: never told too short, but for what
  // took longer than the last end.
  struct Summary {
    std::int64_t count = 0, mean_s = 0, p50_s = 0, p90_s = 0, max_s = 0;
  };
  std::optional<Summary> of(Span what) const;

  bool empty() const;
  // As the store keeps them: "0=12,1=10", in the order of the cells; zeros are left out.
  std::string write() const;
  // Cells it does not know (a newer version's) are left out.
  static Counts parse(std::string_view text);
  friend bool operator==(const Counts&, const Counts&) = default;

 private:
  static constexpr std::size_t kOfSpan = 1 + kSpanEnds.size() + 1;  // the sum in seconds, then the buckets
  static constexpr std::size_t kCells = kTallies + kSpans * kOfSpan;
  static constexpr std::size_t at(Span what) { return kTallies + static_cast<std::size_t>(what) * kOfSpan; }
  std::array<std::int64_t, kCells> cells_{};
};

// Where counts belong.
struct Corner {
  std::int64_t hour = 0;  // since 1970, UTC
  std::string queue, channel, language;
  friend auto operator<=>(const Corner&, const Corner&) = default;  // NOLINT: clang-tidy 14 takes <=> for a null pointer
};
std::string day_of(std::int64_t hour);  // "20261124"
// The field of its day: "02|hall|wa|es". An id with a | cannot be; what else could not be told apart is left out.
std::string field_of(const Corner& corner);
std::optional<Corner> parse_field(std::int64_t first_hour, std::string_view field);

// The stream, entry by entry, into what is to be counted.
class History {
 public:
  explicit History(Pace::FindQueue find) : pace_(std::move(find)) {}

  // Of one conversation at one moment. Channel, language and the first reply stand in its card, which the caller has.
  struct Noted {
    WallTime at;
    std::string conversation, queue;
    Counts counts;
    bool opens_if_first = false;  // it was opened by this, if its first message came at this moment
    bool closed = false;
  };
  std::optional<Noted> apply(const Value& stream_entry);

 private:
  Pace pace_;
};

}  // namespace belfry::routing
