// What was: volume, waiting, answers and abandonment over time, by channel, queue or language. As JSON for the console's charts,
// as CSV for spreadsheets.
#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <utility>

#include "adapters/wire/json.h"
#include "adapters/wire/rfc3339.h"
#include "gateway/api/call.h"
#include "gateway/api/render.h"
#include "routing/history.h"
#include "routing/zone.h"

namespace belfry::gateway::api {
namespace {

using routing::Counts;
using routing::Span;
using routing::Tally;

constexpr std::int64_t kHourMs = 3'600'000, kDayMs = 24 * kHourMs;
constexpr std::int64_t kKeptDays = 400;  // as 65_history.lua keeps them
constexpr std::int64_t kHourlyDays = 31;
constexpr std::size_t kMostItems = 20'000;

enum class Length : std::uint8_t { kHour, kDay, kWeek, kMonth };
enum class By : std::uint8_t { kNone, kChannel, kQueue, kLanguage };

struct Wish {
  WallTime from, to;
  Length step = Length::kDay;
  routing::Zone zone;
  By by = By::kNone;
  std::string queue, channel, language;  // empty: all
  bool csv = false;
  std::string step_word = "day", by_word = "none";
};

// ---------------------------------------------------------------------------------------------------------- steps of time

// Local midnight and the like are found in local time, then told in UTC.
std::int64_t to_utc(const routing::Zone& zone, std::int64_t local) {
  const std::int64_t guess = local - zone.at(local).ms;
  return local - zone.at(guess).ms;
}

std::int64_t floor_to(std::int64_t value, std::int64_t unit) { return value - ((value % unit) + unit) % unit; }

// The first of a local day's month; days from 1970.
std::int64_t month_begin(std::int64_t day) {
  using namespace std::chrono;
  const year_month_day date{sys_days{days{day}}};
  return sys_days{date.year() / date.month() / 1}.time_since_epoch().count();
}

WallTime step_of(const Wish& wish, WallTime at) {
  const std::int64_t local = at.ms + wish.zone.at(at.ms).ms;
  const std::int64_t day = floor_to(local, kDayMs);
  switch (wish.step) {
    case Length::kHour: return WallTime{floor_to(at.ms, kHourMs)};
    case Length::kDay: return WallTime{to_utc(wish.zone, day)};
    // 1970 began on a Thursday.
    case Length::kWeek: return WallTime{to_utc(wish.zone, floor_to(day - 4 * kDayMs, 7 * kDayMs) + 4 * kDayMs)};
    case Length::kMonth: return WallTime{to_utc(wish.zone, month_begin(day / kDayMs) * kDayMs)};
  }
  return at;
}

// ------------------------------------------------------------------------------------------------------------ the request

struct Complaint {
  std::string name, why;
};

std::optional<Complaint> read_times(Wish& wish, std::string_view query, WallTime now) {
  const auto time = [&](std::string_view name, WallTime fallback, WallTime& out) {
    bool said = false;
    const std::string text = query_value(query, name, &said);
    if (!said) {
      out = fallback;
      return true;
    }
    const auto read = wire::parse_rfc3339(text);
    if (read) out = *read;
    return read.has_value();
  };
  constexpr std::string_view kTime = "is no time of RFC 3339, as in 2026-11-01T00:00:00Z";
  if (!time("to", now, wish.to)) return Complaint{"to", std::string(kTime)};
  if (!time("from", wish.to + -7 * kDayMs, wish.from)) return Complaint{"from", std::string(kTime)};
  if (wish.from.ms >= wish.to.ms) return Complaint{"from", "must be before `to`"};
  if (wish.to.ms - wish.from.ms > kKeptDays * kDayMs) return Complaint{"from", "is more than 400 days before `to`: ask for less"};
  if (wish.step == Length::kHour && wish.to.ms - wish.from.ms > kHourlyDays * kDayMs)
    return Complaint{"step", "may be hour for at most 31 days: take day, or less time"};
  return std::nullopt;
}

std::optional<Complaint> read_wish(Wish& wish, std::string_view query, WallTime now) {
  const auto word = [&](std::string_view name, std::initializer_list<std::string_view> known, std::string_view fallback,
                        std::size_t& index, std::string& out) {
    out = query_value(query, name);
    if (out.empty()) out = fallback;
    index = static_cast<std::size_t>(std::find(known.begin(), known.end(), out) - known.begin());
    return index < known.size();
  };
  std::size_t index = 0;
  if (!word("step", {"hour", "day", "week", "month"}, "day", index, wish.step_word))
    return Complaint{"step", "is one of hour, day, week, month"};
  wish.step = static_cast<Length>(index);
  if (!word("by", {"none", "channel", "queue", "language"}, "none", index, wish.by_word))
    return Complaint{"by", "is one of none, channel, queue, language"};
  wish.by = static_cast<By>(index);
  std::string format;
  if (!word("format", {"json", "csv"}, "json", index, format)) return Complaint{"format", "is json or csv"};
  wish.csv = index == 1;
  if (const std::string zone = query_value(query, "zone"); !zone.empty()) {
    auto located = routing::Zone::locate(zone);
    if (!located) return Complaint{"zone", "is no time zone of IANA, as in America/Lima"};
    wish.zone = std::move(*located);
  }
  if (const std::string queue = query_value(query, "queue"); !queue.empty()) {
    const auto id = parse_queue_id(queue);
    if (!id) return Complaint{"queue", "is not a queue's id: use " + std::string(kQueueIds)};
    wish.queue = *id;
  }
  wish.channel = query_value(query, "channel");
  wish.language = query_value(query, "language");
  return read_times(wish, query, now);
}

// ----------------------------------------------------------------------------------------------------------- the counting

struct Sums {
  Wish wish;
  std::int64_t day = 0;                                          // from 1970: read next
  std::map<std::pair<std::int64_t, std::string>, Counts> items;  // begin of the step, key
  std::map<std::string, Counts> totals;
  bool full = false;
};

const std::string& key_of(const Wish& wish, const routing::Corner& corner) {
  static const std::string none;
  switch (wish.by) {
    case By::kNone: return none;
    case By::kChannel: return corner.channel;
    case By::kQueue: return corner.queue;
    case By::kLanguage: return corner.language;
  }
  return none;
}

void add_day(Sums& sums, const routing::Value& row) {
  const Wish& wish = sums.wish;
  for (const auto& [field, text] : pairs_of(row)) {
    const auto corner = routing::parse_field(sums.day * 24, field);
    if (!corner) continue;
    const WallTime at{corner->hour * kHourMs};
    // Counts are of whole hours: one that had begun before `from` is not in it.
    if (at < wish.from || at >= wish.to) continue;
    const auto wanted = [](const std::string& asked, const std::string& is) { return asked.empty() || asked == is; };
    if (!wanted(wish.queue, corner->queue) || !wanted(wish.channel, corner->channel) || !wanted(wish.language, corner->language))
      continue;
    const Counts counts = Counts::parse(text);
    const std::string& key = key_of(wish, *corner);
    sums.totals[key] += counts;
    const std::pair<std::int64_t, std::string> place{step_of(wish, at).ms, key};
    if (sums.items.size() >= kMostItems && !sums.items.contains(place)) {
      sums.full = true;
      continue;
    }
    sums.items[place] += counts;
  }
}

// ------------------------------------------------------------------------------------------------------------- the answer

constexpr std::pair<std::string_view, Tally> kTallyNames[] = {
    {"opened", Tally::kOpened},  {"answered", Tally::kAnswered},   {"timed", Tally::kTimed},
    {"in_time", Tally::kInTime}, {"abandoned", Tally::kAbandoned}, {"abandoned_short", Tally::kAbandonedShort},
    {"closed", Tally::kClosed},  {"requeued", Tally::kRequeued}};
constexpr std::pair<std::string_view, Span> kSpanNames[] = {
    {"wait", Span::kWait}, {"first_reply", Span::kFirstReply}, {"handle", Span::kHandle}};
constexpr std::pair<std::string_view, std::int64_t Counts::Summary::*> kSummaryNames[] = {{"count", &Counts::Summary::count},
                                                                                          {"mean_s", &Counts::Summary::mean_s},
                                                                                          {"p50_s", &Counts::Summary::p50_s},
                                                                                          {"p90_s", &Counts::Summary::p90_s},
                                                                                          {"max_s", &Counts::Summary::max_s}};

std::string shown_key(const Wish& wish, const std::string& key) {
  return wish.by == By::kQueue && !key.empty() ? queue_id(key) : key;
}
std::string name_of(Room& room, const Wish& wish, const std::string& key) {
  const routing::QueueState* queue = wish.by == By::kQueue ? room.services.mirror.queue(key) : nullptr;
  return queue == nullptr ? std::string() : queue->name;
}

void counts_json(std::string& out, Room& room, const Wish& wish, const std::string& key, const Counts& counts) {
  member(out, "key", shown_key(wish, key));
  if (const std::string name = name_of(room, wish, key); !name.empty()) member(out, "name", name);
  for (const auto& [name, what] : kTallyNames) number(out, name, std::to_string(counts.of(what)));
  for (const auto& [name, what] : kSpanNames) {
    const auto summary = counts.of(what);
    if (!summary) {
      number(out, name, "null");
      continue;
    }
    out.append(",\"").append(name).append("\":{");
    for (const auto& [figure, at] : kSummaryNames) {
      out.append(out.ends_with('{') ? "\"" : ",\"").append(figure).append("\":").append(std::to_string((*summary).*at));
    }
    out += '}';
  }
}

std::string as_json(Room& room, const Sums& sums, const std::string& counted_to) {
  const Wish& wish = sums.wish;
  std::string out = "{";
  member(out, "from", wire::rfc3339(wish.from));
  member(out, "to", wire::rfc3339(wish.to));
  member(out, "step", wish.step_word);
  member(out, "zone", wish.zone.name());
  member(out, "by", wish.by_word);
  if (counted_to.empty()) {
    number(out, "counted_to", "null");
  } else {
    member(out, "counted_to", counted_to);
  }
  if (sums.full) out += ",\"cut\":true";
  out += ",\"items\":[";
  for (const auto& [place, counts] : sums.items) {
    out += out.ends_with('[') ? "{" : ",{";
    member(out, "at", wire::rfc3339(WallTime{place.first}));
    counts_json(out, room, wish, place.second, counts);
    out += '}';
  }
  out += "],\"totals\":[";
  for (const auto& [key, counts] : sums.totals) {
    out += out.ends_with('[') ? "{" : ",{";
    counts_json(out, room, wish, key, counts);
    out += '}';
  }
  return out + "]}";
}

// RFC 4180. A name that a spreadsheet would take for a formula is led by an apostrophe.
void cell(std::string& out, std::string_view text) {
  const bool formula = !text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos;
  out += '"';
  if (formula) out += '\'';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string as_csv(Room& room, const Sums& sums) {
  std::string out = "at,key,name";
  for (const auto& [name, what] : kTallyNames) out.append(",").append(name);
  for (const auto& [name, what] : kSpanNames) {
    for (const auto& [figure, at] : kSummaryNames) out.append(",").append(name).append("_").append(figure);
  }
  out += "\r\n";
  for (const auto& [place, counts] : sums.items) {
    out.append(wire::rfc3339(WallTime{place.first})).append(",");
    cell(out, shown_key(sums.wish, place.second));
    out += ',';
    cell(out, name_of(room, sums.wish, place.second));
    for (const auto& [name, what] : kTallyNames) out.append(",").append(std::to_string(counts.of(what)));
    for (const auto& [name, what] : kSpanNames) {
      const auto summary = counts.of(what);
      for (const auto& [figure, at] : kSummaryNames) out.append(",").append(summary ? std::to_string((*summary).*at) : "");
    }
    out += "\r\n";
  }
  return out;
}

void answer(Room& room, const CallPtr& call, const std::shared_ptr<Sums>& sums) {
  if (sums->wish.csv) {
    HttpResponse response{200, {}, as_csv(room, *sums)};
    response.headers.add("content-type", "text/csv; charset=utf-8");
    response.headers.add("content-disposition", "attachment; filename=\"history.csv\"");
    response.headers.add("cache-control", "no-store");
    return call->answer(std::move(response));
  }
  room.commands.run({"GET", room.commands.key("histat")}, [&room, call, sums](Result<routing::Value> at) {
    if (!at) return call->error(at.error());
    const auto place = routing::parse_stream_id(at->text);
    const auto ms = static_cast<std::int64_t>(place.ms);
    call->json(200, as_json(room, *sums, ms > 0 ? wire::rfc3339(WallTime{ms}) : std::string()));
  });
}

// A day at a time: a year of a busy site is megabytes, and others wait for Redis, too.
void read_days(Room& room, const CallPtr& call, const std::shared_ptr<Sums>& sums) {
  if (sums->day * kDayMs >= sums->wish.to.ms) return answer(room, call, sums);
  room.commands.run({"HGETALL", room.commands.key("hist:" + routing::day_of(sums->day * 24))},
                    [&room, call, sums](Result<routing::Value> row) {
                      if (!row) return call->error(row.error());
                      add_day(*sums, *row);
                      ++sums->day;
                      read_days(room, call, sums);
                    });
}

void history(Room& room, const CallPtr& call) {
  if (!call->may(Action::kRead, {"stats"})) return;
  auto sums = std::make_shared<Sums>();
  const std::string_view query = call->request().query;
  if (!known_parameters(*call, {"from", "to", "step", "zone", "by", "queue", "channel", "language", "format"})) return;
  if (const auto wrong = read_wish(sums->wish, query, room.services.now().wall)) {
    return call->problem(wire::problem(422, "invalid_parameter", "`" + wrong->name + "` " + wrong->why + "."));
  }
  sums->day = floor_to(sums->wish.from.ms, kDayMs) / kDayMs;
  read_days(room, call, sums);
}

}  // namespace

std::vector<Route> history_routes() { return {{"GET", "/stats/history", Takes::kNothing, Who::kKnown, history}}; }

}  // namespace belfry::gateway::api
