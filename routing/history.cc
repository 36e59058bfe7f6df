#include "routing/history.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <numeric>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

template <class Int>
Int to_number(std::string_view text) {
  Int value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string two(std::int64_t n) { return {static_cast<char>('0' + n / 10), static_cast<char>('0' + n % 10)}; }

}  // namespace

void Counts::add(Span what, std::int64_t ms) {
  const std::int64_t seconds = (std::max<std::int64_t>(0, ms) + 500) / 1000;
  const auto bucket = std::lower_bound(kSpanEnds.begin(), kSpanEnds.end(), seconds) - kSpanEnds.begin();
  cells_[at(what)] += seconds;
  ++cells_[at(what) + 1 + static_cast<std::size_t>(bucket)];
}

Counts& Counts::operator+=(const Counts& other) {
  for (std::size_t i = 0; i < kCells; ++i) cells_[i] += other.cells_[i];
  return *this;
}

std::optional<Counts::Summary> Counts::of(Span what) const {
  const auto first = cells_.begin() + static_cast<std::ptrdiff_t>(at(what)) + 1;
  const auto last = first + static_cast<std::ptrdiff_t>(kSpanEnds.size()) + 1;
  const std::int64_t count = std::accumulate(first, last, std::int64_t{0});
  if (count == 0) return std::nullopt;
  // The end of the bucket in which the n-th shortest lies.
  const auto end_of = [&](std::int64_t n) {
    std::int64_t before = 0;
    for (auto it = first; it != last; ++it) {
      before += *it;
      if (before >= n) return kSpanEnds[std::min(static_cast<std::size_t>(it - first), kSpanEnds.size() - 1)];
    }
    return kSpanEnds.back();
  };
  const auto rank = [&](std::int64_t percent) { return std::max<std::int64_t>(1, (count * percent + 99) / 100); };
  return Summary{count, (cells_[at(what)] + count / 2) / count, end_of(rank(50)), end_of(rank(90)), end_of(count)};
}

bool Counts::empty() const {
  return std::all_of(cells_.begin(), cells_.end(), [](std::int64_t cell) { return cell == 0; });
}

std::string Counts::write() const {
  std::string out;
  for (std::size_t i = 0; i < kCells; ++i) {
    if (cells_[i] == 0) continue;
    out.append(out.empty() ? "" : ",").append(std::to_string(i)).append("=").append(std::to_string(cells_[i]));
  }
  return out;
}

Counts Counts::parse(std::string_view text) {
  Counts out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    const std::string_view pair = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    const auto cell = to_number<std::size_t>(pair.substr(0, equals));
    if (cell < kCells) out.cells_[cell] = to_number<std::int64_t>(pair.substr(equals + 1));
  }
  return out;
}

std::string day_of(std::int64_t hour) {
  using namespace std::chrono;
  const year_month_day date{floor<days>(sys_time<hours>{hours{hour}})};
  const auto number = static_cast<int>(date.year()) * 10'000 + static_cast<int>(static_cast<unsigned>(date.month())) * 100 +
                      static_cast<int>(static_cast<unsigned>(date.day()));
  return std::to_string(number);
}

std::string field_of(const Corner& corner) {
  return two(corner.hour % 24) + "|" + corner.queue + "|" + corner.channel + "|" + corner.language;
}

std::optional<Corner> parse_field(std::int64_t first_hour, std::string_view field) {
  std::array<std::string_view, 4> part;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto bar = field.find('|');
    if ((bar == std::string_view::npos) != (i + 1 == part.size())) return std::nullopt;
    part[i] = field.substr(0, bar);
    field.remove_prefix(std::min(field.size(), part[i].size() + 1));
  }
  const auto hour = to_number<std::int64_t>(part[0]);
  if (part[0].size() != 2 || hour < 0 || hour > 23) return std::nullopt;
  return Corner{first_hour + hour, std::string(part[1]), std::string(part[2]), std::string(part[3])};
}

std::optional<History::Noted> History::apply(const Value& stream_entry) {
  const auto ended = pace_.apply(stream_entry);
  if (!stream_entry.is_array() || stream_entry.array.size() != 2) return std::nullopt;
  const auto& fields = stream_entry.array[1].array;
  const auto field = [&](std::string_view name) -> std::string_view {
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
      if (fields[i].text == name) return fields[i + 1].text;
    }
    return {};
  };
  const std::string_view kind = field("k");
  Noted out;
  out.conversation = field("v");
  if (out.conversation.empty()) return std::nullopt;
  out.queue = field("q");
  out.at = WallTime{to_number<std::int64_t>(field("t"))};

  const bool begins = kind == "queued" || kind == "after_hours" || kind == "bot";
  if (begins && field("g") == "1") out.counts.add(Tally::kOpened);
  out.opens_if_first = (kind == "offered" || kind == "assigned") && field("g") == "2";
  out.closed = kind == "closed";
  if (out.closed) out.counts.add(Tally::kClosed);
  if (ended) {
    using How = Pace::Ended::How;
    if (out.queue.empty()) out.queue = ended->queue;
    switch (ended->how) {
      case How::kInTime: out.counts.add(Tally::kInTime); [[fallthrough]];
      case How::kLate: out.counts.add(Tally::kTimed); [[fallthrough]];
      case How::kAnswered:
        out.counts.add(Tally::kAnswered);
        out.counts.add(Span::kWait, ended->wait_ms);
        break;
      case How::kAbandoned:
        out.counts.add(Tally::kAbandoned);
        if (ended->timed) out.counts.add(Tally::kTimed);
        break;
      case How::kShort: out.counts.add(Tally::kAbandonedShort); break;
      case How::kHandled: out.counts.add(Span::kHandle, ended->handled_ms); break;
    }
    if (ended->how == How::kHandled && kind == "requeued") out.counts.add(Tally::kRequeued);
  }
  if (out.counts.empty() && !out.opens_if_first) return std::nullopt;
  return out;
}

}  // namespace belfry::routing
