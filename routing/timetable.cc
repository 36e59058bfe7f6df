#include "routing/timetable.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

namespace belfry::routing {
namespace {

using std::chrono::day;
using std::chrono::days;
using std::chrono::month;
using std::chrono::sys_days;
using std::chrono::year;
using std::chrono::year_month_day;

constexpr std::array<std::string_view, 7> kWeekdays{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
constexpr Interval kWhole{0, 1440};
constexpr year kLeap{2000};  // yearly dates are walked through a year that has them all

std::int32_t number_of(sys_days d) { return static_cast<std::int32_t>(d.time_since_epoch().count()); }
sys_days date_of(std::int32_t number) { return sys_days(days(number)); }
std::int32_t yearly_number(year_month_day d) {
  return static_cast<std::int32_t>(static_cast<unsigned>(d.month()) * 32 + static_cast<unsigned>(d.day()));
}
year_month_day yearly_date(std::int32_t number) {
  return kLeap / month(static_cast<unsigned>(number) / 32) / day(static_cast<unsigned>(number) % 32);
}

std::string clock(unsigned minutes) {
  std::array<char, 24> out{};
  std::snprintf(out.data(), out.size(), "%02u:%02u", minutes / 60, minutes % 60);
  return out.data();
}

std::string write_hours(const Hours& hours) {
  std::string out;
  for (const Interval& i : hours) out += (out.empty() ? "" : ",") + clock(i.from) + "-" + clock(i.to);
  return hours.empty() ? "closed" : out;
}

// ---- Reading

enum class Kind : std::uint8_t { kWeekday, kYearly, kDate };

struct Slot {
  Kind kind = Kind::kWeekday;
  std::int32_t number = 0;                                      // weekday from Monday, or as in Timetable::Dated
  friend auto operator<=>(const Slot&, const Slot&) = default;  // NOLINT: clang-tidy 14 takes <=> for a null pointer
};

std::string name_of(Slot slot) {
  switch (slot.kind) {
    case Kind::kWeekday: return std::string(kWeekdays[static_cast<std::size_t>(slot.number)].substr(0, 3));
    case Kind::kYearly: return write_yearly(yearly_date(slot.number));
    case Kind::kDate: return write_date(date_of(slot.number));
  }
  return {};
}

struct Draft {
  Hours hours;
  bool closed = false;
};

bool digit(char c) { return c >= '0' && c <= '9'; }
char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool letter(char c) { return lower(c) >= 'a' && lower(c) <= 'z'; }
bool blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Reads left to right and stops at the first mistake.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  // False: error() says why.
  bool read() {
    for (skip(); !done(); skip()) {
      if (take(';')) continue;  // an empty rule, as after a last semicolon
      if (!rule()) return false;
    }
    return true;
  }
  const std::map<Slot, Draft>& drafts() const { return drafts_; }
  const Error& error() const { return error_; }

 private:
  bool done() const { return at_ >= text_.size(); }
  char peek() const { return done() ? '\0' : text_[at_]; }
  void skip() {
    while (!done() && blank(text_[at_])) ++at_;
  }
  bool take(char c) {
    skip();
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    const std::size_t begin = at_;
    while (letter(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  std::string_view digits() {
    const std::size_t begin = at_;
    while (digit(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  static bool same(std::string_view typed, std::string_view known) {
    return std::equal(typed.begin(), typed.end(), known.begin(), known.end(), [](char a, char b) { return lower(a) == b; });
  }
  static std::optional<std::int32_t> weekday_of(std::string_view typed) {
    if (typed.size() < 3) return {};
    for (std::size_t i = 0; i < kWeekdays.size(); ++i) {
      if (same(typed, kWeekdays[i].substr(0, typed.size()))) return static_cast<std::int32_t>(i);
    }
    return {};
  }

  bool wrong(std::size_t at, const std::string& what, Errc code = Errc::kBadInput) {
    error_ = {code, "column " + std::to_string(at + 1) + ": " + what};
    return false;
  }
  // What stands at a column, for a message.
  std::string shown(std::size_t at) const {
    if (at >= text_.size()) return "the end";
    std::size_t end = at;
    while (end < text_.size() && end - at < 24 && !blank(text_[end]) && text_[end] != ',' && text_[end] != ';') ++end;
    std::string out(text_.substr(at, std::max<std::size_t>(end - at, 1)));
    for (char& c : out) c = c > ' ' && c <= '~' && c != '"' ? c : '?';
    return "\"" + out + "\"";
  }

  bool rule() {
    const std::size_t begin = at_;
    const std::string_view first = word();
    if (same(first, "always") || same(first, "never")) {
      skip();
      if (!done() && peek() != ';') {
        return wrong(at_, "after " + shown(begin) + " comes a semicolon or the end, not " + shown(at_));
      }
      for (std::int32_t i = 0; i < 7; ++i) {
        if (!(same(first, "always") ? open({Kind::kWeekday, i}, kWhole, begin) : close({Kind::kWeekday, i}, begin))) return false;
      }
      return true;
    }
    at_ = begin;
    std::vector<Slot> slots;
    do {
      if (!item(slots)) return false;
    } while (take(','));
    return times(slots);
  }

  bool item(std::vector<Slot>& slots) {
    skip();
    const std::size_t begin = at_;
    if (digit(peek())) return dates(slots);
    const auto first = weekday_of(word());
    if (!first) return not_a_day(begin);
    std::int32_t last = *first;
    if (take('-')) {
      skip();
      const std::size_t second = at_;
      const auto day = weekday_of(word());
      if (!day) return not_a_day(second);
      last = *day;
    }
    for (std::int32_t i = *first;; i = (i + 1) % 7) {
      slots.push_back({Kind::kWeekday, i});
      if (i == last) return true;
    }
  }
  bool not_a_day(std::size_t at) {
    return wrong(
        at, shown(at) + " is not a day: write mon, tue, wed, thu, fri, sat, sun, a date (12-25 or 2026-12-24), always or never");
  }

  bool dates(std::vector<Slot>& slots) {
    const std::size_t begin = at_;
    const auto first = date();
    if (!first) return false;
    sys_days last = first->second;
    skip();
    if (text_.substr(at_, 2) == "..") {
      at_ += 2;
      skip();
      const std::size_t second = at_;
      if (!digit(peek())) return wrong(at_, "after .. comes the last date, not " + shown(at_));
      const auto to = date();
      if (!to) return false;
      if (to->first != first->first) return wrong(second, "both dates of a range have a year, or neither has");
      last = to->second;
      if (last < first->second) {
        if (first->first == Kind::kDate)
          return wrong(second, shown(second) + " is before " + shown(begin) + ": write the earlier date first");
        last += days(366);  // over New Year
      }
      if (last - first->second >= days(366)) return wrong(begin, "more than a year of dates: write weekdays, or a shorter range");
    }
    for (sys_days d = first->second; d <= last; d += days(1)) {
      slots.push_back({first->first, first->first == Kind::kDate ? number_of(d) : yearly_number(d)});
    }
    return true;
  }

  std::optional<std::pair<Kind, sys_days>> date() {
    const std::size_t begin = at_;
    const auto number = [](std::string_view s) {
      int n = 0;
      for (char c : s) n = n * 10 + (c - '0');
      return n;
    };
    std::array<std::string_view, 3> parts;
    std::size_t count = 0;
    do {
      parts[count] = digits();
      if (parts[count].empty() || parts[count].size() > 4) break;
      ++count;
    } while (count < 3 && peek() == '-' && ++at_ <= text_.size());
    const bool dated = count == 3 && parts[0].size() == 4;
    const bool yearly = count == 2 && parts[0].size() <= 2;
    if ((dated || yearly) && parts[count - 1].size() <= 2 && parts[count - 2].size() <= 2) {
      const year_month_day d = (dated ? year(number(parts[0])) : kLeap) / month(static_cast<unsigned>(number(parts[count - 2]))) /
                               day(static_cast<unsigned>(number(parts[count - 1])));
      if (d.ok() && d.year() >= year(1970) && d.year() < year(2100))
        return std::pair(dated ? Kind::kDate : Kind::kYearly, sys_days(d));
    }
    wrong(begin, shown(begin) + " is not a date: write month and day, 12-25, or year, month and day, 2026-12-24 (1970 to 2099)");
    return {};
  }

  bool times(const std::vector<Slot>& slots) {
    skip();
    if (letter(peek())) {
      const std::size_t begin = at_;
      if (!same(word(), "closed")) return wrong(begin, shown(begin) + " is not a time: write 08:00-12:00, or closed");
      for (const Slot& slot : slots) {
        if (!close(slot, begin)) return false;
      }
    } else {
      do {
        skip();
        const std::size_t begin = at_;
        const auto from = time();
        if (!from) return false;
        if (!take('-')) return wrong(at_, "after " + clock(*from) + " comes a hyphen and the time it ends, not " + shown(at_));
        skip();
        const auto to = time();
        if (!to) return false;
        const std::string both = clock(*from) + "-" + clock(*to);
        if (*to == *from)
          return wrong(begin, both + " is no time at all: the whole day is 00:00-24:00, and a day without hours is closed");
        if (*to < *from) {
          return wrong(begin, both + " ends before it begins: over midnight write two, " + clock(*from) + "-24:00" +
                                  (*to == 0 ? std::string() : " and, on the next day, 00:00-" + clock(*to)));
        }
        for (const Slot& slot : slots) {
          if (!open(slot, {static_cast<std::uint16_t>(*from), static_cast<std::uint16_t>(*to)}, begin)) return false;
        }
      } while (take(','));
    }
    skip();
    if (done() || peek() == ';') return true;
    return wrong(at_, "a rule ends with a semicolon, not with " + shown(at_));
  }

  std::optional<unsigned> time() {
    const std::size_t begin = at_;
    const std::string_view hour = digits();
    const bool colon = peek() == ':';
    if (colon) ++at_;
    const std::string_view minute = colon ? digits() : std::string_view();
    if (!hour.empty() && hour.size() <= 2 && minute.size() == 2) {
      const auto number = [](std::string_view s) {
        unsigned n = 0;
        for (char c : s) n = n * 10 + static_cast<unsigned>(c - '0');
        return n;
      };
      const unsigned h = number(hour);
      const unsigned m = number(minute);
      if (m < 60 && h * 60 + m <= 1440) return h * 60 + m;
    }
    wrong(begin, shown(begin) + " is not a time: write hours and minutes, 08:00-12:00 (00:00 to 24:00), or closed");
    return {};
  }

  Draft* draft(Slot slot, std::size_t at) {
    Draft& out = drafts_[slot];
    if (drafts_.size() > Timetable::kMaxDates) {
      wrong(at, "more than " + std::to_string(Timetable::kMaxDates) + " dates: drop those of past years", Errc::kTooLarge);
      return nullptr;
    }
    return &out;
  }
  bool close(Slot slot, std::size_t at) {
    Draft* d = draft(slot, at);
    if (d == nullptr) return false;
    if (!d->hours.empty())
      return wrong(at, name_of(slot) + " has hours already (" + write_hours(d->hours) + "): drop one of the two");
    d->closed = true;
    return true;
  }
  bool open(Slot slot, Interval interval, std::size_t at) {
    Draft* d = draft(slot, at);
    if (d == nullptr) return false;
    if (d->closed) return wrong(at, name_of(slot) + " is closed already: drop one of the two");
    const auto next = std::find_if(d->hours.begin(), d->hours.end(), [&](const Interval& i) { return i.to > interval.from; });
    if (next != d->hours.end() && next->from < interval.to) {
      return wrong(at, write_hours({interval}) + " overlaps " + write_hours({*next}) + " on " + name_of(slot) +
                           ": make them one, or move one");
    }
    if (d->hours.size() == Timetable::kMaxIntervals) {
      return wrong(at, "more than " + std::to_string(Timetable::kMaxIntervals) + " intervals on " + name_of(slot),
                   Errc::kTooLarge);
    }
    d->hours.insert(next, interval);
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::map<Slot, Draft> drafts_;
  Error error_;
};

// 08:00-12:00,12:00-17:00 is 08:00-17:00.
Hours joined(const Hours& hours) {
  Hours out;
  for (const Interval& i : hours) {
    if (!out.empty() && out.back().to == i.from) {
      out.back().to = i.to;
    } else {
      out.push_back(i);
    }
  }
  return out;
}

// ---- Writing

// One rule for each group of days with the same hours, in the order of their first days; a run of three days or more is a range.
class Writer {
 public:
  void add(const std::string& name, std::int32_t ordinal, const Hours& hours, const char* to) {
    auto group = std::find_if(groups_.begin(), groups_.end(), [&](const Group& g) { return *g.hours == hours; });
    if (group == groups_.end()) group = groups_.insert(groups_.end(), {&hours, {}});
    auto& runs = group->runs;
    if (!runs.empty() && runs.back().last + 1 == ordinal) {
      runs.back().last = ordinal;
      runs.back().names.push_back(name);
    } else {
      runs.push_back({ordinal, {name}, to});
    }
  }
  void end(std::string& out) {
    for (const Group& group : groups_) {
      out += out.empty() ? "" : "; ";
      bool first = true;
      for (const Run& run : group.runs) {
        if (!std::exchange(first, false)) out += ',';
        if (run.names.size() >= 3) {
          out.append(run.names.front()).append(run.to).append(run.names.back());
          continue;
        }
        out += run.names.front();
        if (run.names.size() == 2) out.append(",").append(run.names.back());
      }
      out.append(" ").append(write_hours(*group.hours));
    }
    groups_.clear();
  }

 private:
  struct Run {
    std::int32_t last = 0;
    std::vector<std::string> names;
    const char* to = "";
  };
  struct Group {
    const Hours* hours = nullptr;
    std::vector<Run> runs;
  };
  std::vector<Group> groups_;
};

}  // namespace

std::string write_date(year_month_day date) {
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02u", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()));
  return out.data();
}
std::string write_yearly(year_month_day date) { return write_date(date).substr(5); }

Result<Timetable> Timetable::parse(std::string_view text) {
  if (text.size() > kMaxText)
    return fail(Errc::kTooLarge, "the hours are longer than " + std::to_string(kMaxText) + " characters");
  Reader reader(text);
  if (!reader.read()) return tl::unexpected<Error>(reader.error());
  Timetable out;
  out.week_.fill({});
  bool week = false;
  for (const auto& [slot, draft] : reader.drafts()) {
    switch (slot.kind) {
      case Kind::kWeekday:
        out.week_[static_cast<std::size_t>(slot.number)] = joined(draft.hours);
        week = true;
        break;
      case Kind::kYearly: out.yearly_.push_back({slot.number, joined(draft.hours)}); break;
      case Kind::kDate: out.dates_.push_back({slot.number, joined(draft.hours)}); break;
    }
  }
  if (!week) {
    // "12-25 closed" alone could mean both, so it means neither.
    return fail(Errc::kBadInput,
                reader.drafts().empty()
                    ? "column 1: no hours: write for example mon-fri 08:00-17:00, or always"
                    : "column 1: no hours for any weekday: begin with always or never, or add mon-fri 08:00-17:00");
  }
  if (out.write().size() > kMaxText) {
    return fail(Errc::kTooLarge, "the hours, written out, are longer than " + std::to_string(kMaxText) + " characters");
  }
  return out;
}

std::string Timetable::write() const {
  std::string out;
  Writer writer;
  const auto all = [this](const Hours& hours) {
    return std::all_of(week_.begin(), week_.end(), [&](const Hours& h) { return h == hours; });
  };
  if (all({kWhole})) {
    out = "always";
  } else if (all({})) {
    out = "never";
  } else {
    for (std::size_t i = 0; i < 7; ++i) {
      if (!week_[i].empty()) writer.add(std::string(kWeekdays[i].substr(0, 3)), static_cast<std::int32_t>(i), week_[i], "-");
    }
    writer.end(out);
  }
  for (const Dated& d : yearly_) {
    const year_month_day date = yearly_date(d.day);
    writer.add(write_yearly(date), number_of(date), d.hours, "..");
  }
  writer.end(out);
  for (const Dated& d : dates_) writer.add(write_date(date_of(d.day)), d.day, d.hours, "..");
  writer.end(out);
  return out;
}

const Hours* Timetable::find(const std::vector<Dated>& dates, std::int32_t day) {
  const auto found = std::lower_bound(dates.begin(), dates.end(), day, [](const Dated& d, std::int32_t n) { return d.day < n; });
  return found != dates.end() && found->day == day ? &found->hours : nullptr;
}

Timetable::Day Timetable::on(sys_days date) const {
  if (const Hours* hours = find(dates_, number_of(date))) return {hours, Day::By::kDate};
  if (!yearly_.empty()) {
    if (const Hours* hours = find(yearly_, yearly_number(date))) return {hours, Day::By::kYearly};
  }
  return {&week_[std::chrono::weekday(date).iso_encoding() - 1], Day::By::kWeekday};
}

}  // namespace belfry::routing
