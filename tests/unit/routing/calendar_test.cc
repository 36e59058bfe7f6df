#include "routing/calendar.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace belfry::routing {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::int64_t kDayMs = 24 * kHourMs;

// "2026-03-29 01:00" or "2026-03-29 01:00:30", UTC.
WallTime utc(const std::string& s) {
  const auto n = [&](std::size_t at, std::size_t size) { return std::stoi(s.substr(at, size)); };
  const std::chrono::sys_days day(std::chrono::year(n(0, 4)) / std::chrono::month(static_cast<unsigned>(n(5, 2))) /
                                  std::chrono::day(static_cast<unsigned>(n(8, 2))));
  const std::int64_t seconds = n(11, 2) * 3600 + n(14, 2) * 60 + (s.size() > 16 ? n(17, 2) : 0);
  return {day.time_since_epoch().count() * kDayMs + seconds * 1000};
}
std::string text(WallTime t) {
  const std::time_t s = t.ms / 1000;
  std::tm tm{};
  gmtime_r(&s, &tm);
  std::array<char, 40> out{};
  std::strftime(out.data(), out.size(), "%Y-%m-%d %H:%M:%S", &tm);
  return out.data() + (t.ms % 1000 == 0 ? std::string() : "." + std::to_string(t.ms % 1000));
}
std::string text(std::optional<WallTime> t) { return t ? text(*t) : "never"; }

Calendar calendar(const std::string& hours, const std::string& zone = "UTC") {
  auto out = Calendar::parse(hours, zone);
  EXPECT_TRUE(out) << hours << " " << zone << ": " << (out ? "" : out.error().detail);
  return out ? *out : Calendar{};
}

// ---- The line

struct WriteCase {
  std::string typed;
  std::string canonical;
};

TEST(Timetable, IsWrittenAsItIsMeant) {
  const std::vector<WriteCase> cases{
      {"always", "always"},
      {"never", "never"},
      {"ALWAYS;", "always"},
      {"mon-sun 00:00-24:00", "always"},
      {"mon-sun 00:00-12:00,12:00-24:00", "always"},
      {"mon-sun closed", "never"},
      {"sun closed", "never"},
      {"mon-fri 08:00-12:00,13:00-17:00; sat 09:00-12:00; 12-25 closed; 2026-12-24 09:00-12:00",
       "mon-fri 08:00-12:00,13:00-17:00; sat 09:00-12:00; 12-25 closed; 2026-12-24 09:00-12:00"},
      {" Monday - Friday 8:00 - 12:00 , 13:00 - 17:00 ;; ", "mon-fri 08:00-12:00,13:00-17:00"},
      {"mon-fri 13:00-17:00; mon-fri 08:00-12:00", "mon-fri 08:00-12:00,13:00-17:00"},
      {"tues,Thurs 9:00-10:00", "tue,thu 09:00-10:00"},
      {"mon 09:00-10:00; wed 09:00-10:00; fri 09:00-10:00; tue 11:00-12:00", "mon,wed,fri 09:00-10:00; tue 11:00-12:00"},
      {"sat-mon 10:00-11:00", "mon,sat,sun 10:00-11:00"},
      {"fri-tue 10:00-11:00", "mon,tue,fri-sun 10:00-11:00"},
      {"sat,sun 10:00-11:00; mon-fri 10:00-11:00", "mon-sun 10:00-11:00"},
      {"fri 22:00-24:00; sat 00:00-06:00", "fri 22:00-24:00; sat 00:00-06:00"},
      {"always; 1-1 closed; 12-25,12-26 closed", "always; 01-01,12-25,12-26 closed"},
      {"always; 12-24..01-02 closed", "always; 01-01,01-02,12-24..12-31 closed"},
      {"always; 02-28..03-01 closed", "always; 02-28..03-01 closed"},
      {"always; 02-29 closed", "always; 02-29 closed"},
      {"always; 2028-02-29 09:00-10:00", "always; 2028-02-29 09:00-10:00"},
      {"never; 2026-08-03 .. 2026-08-05 09:00-10:00", "never; 2026-08-03..2026-08-05 09:00-10:00"},
      {"always; 2026-12-31..2027-01-01 closed; 12-25 closed", "always; 12-25 closed; 2026-12-31,2027-01-01 closed"},
      {"always; 12-25 closed; 12-25 closed", "always; 12-25 closed"},
      {"12-25 closed; 12-24 09:00-12:00; always", "always; 12-24 09:00-12:00; 12-25 closed"},
      {"mon 08:00-09:00;\n\ttue 08:00-09:00", "mon,tue 08:00-09:00"},
      {"always; 01-01..12-31 closed", "always; 01-01..12-31 closed"},
  };
  for (const auto& c : cases) {
    const auto parsed = Timetable::parse(c.typed);
    ASSERT_TRUE(parsed) << c.typed << ": " << parsed.error().detail;
    EXPECT_EQ(parsed->write(), c.canonical) << c.typed;
    const auto again = Timetable::parse(parsed->write());
    ASSERT_TRUE(again) << parsed->write() << ": " << again.error().detail;
    EXPECT_TRUE(*again == *parsed) << c.typed;
  }
}

struct WrongCase {
  std::string typed;
  std::string detail;
};

TEST(Timetable, SaysWhatIsWrongWhereAndWhatToWrite) {
  const std::string day = " is not a day: write mon, tue, wed, thu, fri, sat, sun, a date (12-25 or 2026-12-24), always or never";
  const std::string date = " is not a date: write month and day, 12-25, or year, month and day, 2026-12-24 (1970 to 2099)";
  const std::string time = " is not a time: write hours and minutes, 08:00-12:00 (00:00 to 24:00), or closed";
  const std::string none = "column 1: no hours: write for example mon-fri 08:00-17:00, or always";
  const std::vector<WrongCase> cases{
      {"", none},
      {" ; ;", none},
      {"12-25 closed", "column 1: no hours for any weekday: begin with always or never, or add mon-fri 08:00-17:00"},
      {"08:00-12:00", "column 1: \"08:00-12:00\"" + date},
      {"montag 08:00-12:00", "column 1: \"montag\"" + day},
      {"mo 08:00-12:00", "column 1: \"mo\"" + day},
      {"mon-fry 08:00-12:00", "column 5: \"fry\"" + day},
      {"mon,,tue 08:00-12:00", "column 5: \",\"" + day},
      {"mon, 08:00-12:00", "column 6: \"08:00-12:00\"" + date},
      {"\xc3\xa9t\xc3\xa9 closed", "column 1: \"??t??\"" + day},
      {"mon", "column 4: the end" + time},
      {"mon open", "column 5: \"open\" is not a time: write 08:00-12:00, or closed"},
      {"mon 8-12", "column 5: \"8-12\"" + time},
      {"mon 08:00-25:00", "column 11: \"25:00\"" + time},
      {"mon 08:00-24:01", "column 11: \"24:01\"" + time},
      {"mon 08:60-12:00", "column 5: \"08:60-12:00\"" + time},
      {"mon 08:00-12:00,", "column 17: the end" + time},
      {"mon 08:00", "column 10: after 08:00 comes a hyphen and the time it ends, not the end"},
      {"mon 08:00 12:00", "column 11: after 08:00 comes a hyphen and the time it ends, not \"12:00\""},
      {"mon 08:00-12:00 13:00-17:00", "column 17: a rule ends with a semicolon, not with \"13:00-17:00\""},
      {"always 08:00-12:00", "column 8: after \"always\" comes a semicolon or the end, not \"08:00-12:00\""},
      {"mon 08:00-08:00",
       "column 5: 08:00-08:00 is no time at all: the whole day is 00:00-24:00, and a day without hours is closed"},
      {"fri 22:00-06:00",
       "column 5: 22:00-06:00 ends before it begins: over midnight write two, 22:00-24:00 and, on the next day, 00:00-06:00"},
      {"fri 22:00-00:00", "column 5: 22:00-00:00 ends before it begins: over midnight write two, 22:00-24:00"},
      {"mon 08:00-12:00,11:00-13:00", "column 17: 11:00-13:00 overlaps 08:00-12:00 on mon: make them one, or move one"},
      {"mon-fri 08:00-17:00; fri 08:00-14:00", "column 26: 08:00-14:00 overlaps 08:00-17:00 on fri: make them one, or move one"},
      {"always; 12-25 09:00-12:00,10:00-11:00",
       "column 27: 10:00-11:00 overlaps 09:00-12:00 on 12-25: make them one, or move one"},
      {"mon,mon 08:00-09:00", "column 9: 08:00-09:00 overlaps 08:00-09:00 on mon: make them one, or move one"},
      {"always; sun closed", "column 13: sun has hours already (00:00-24:00): drop one of the two"},
      {"never; sun 10:00-11:00", "column 12: sun is closed already: drop one of the two"},
      {"always; 2026-12-24 closed; 2026-12-24 09:00-12:00", "column 39: 2026-12-24 is closed already: drop one of the two"},
      {"always; 25-12 closed", "column 9: \"25-12\"" + date},
      {"always; 02-30 closed", "column 9: \"02-30\"" + date},
      {"always; 2026-02-29 closed", "column 9: \"2026-02-29\"" + date},
      {"always; 2026-13-01 closed", "column 9: \"2026-13-01\"" + date},
      {"always; 1969-12-31 closed", "column 9: \"1969-12-31\"" + date},
      {"always; 2100-01-01 closed", "column 9: \"2100-01-01\"" + date},
      {"always; 26-12-24 closed", "column 9: \"26-12-24\"" + date},
      {"always; 12-24-12-26 closed", "column 9: \"12-24-12-26\"" + date},
      {"always; 12-24.. closed", "column 17: after .. comes the last date, not \"closed\""},
      {"always; 12-24..2026-12-26 closed", "column 16: both dates of a range have a year, or neither has"},
      {"always; 2026-12-24..2026-12-20 closed",
       "column 21: \"2026-12-20\" is before \"2026-12-24..2026-12-20\": write the earlier date first"},
      {"always; 2026-01-01..2027-06-01 closed", "column 9: more than a year of dates: write weekdays, or a shorter range"},
      {"mon 00:00-00:01" +
           [] {
             std::string many;
             for (int i = 1; i <= 24; ++i) many += "," + std::to_string(i - 1) + ":30-" + std::to_string(i - 1) + ":31";
             return many;
           }(),
       "column 273: more than 24 intervals on mon"},
      {std::string(16'385, ' '), "the hours are longer than 16384 characters"},
  };
  for (const auto& c : cases) {
    const auto parsed = Timetable::parse(c.typed);
    ASSERT_FALSE(parsed) << c.typed;
    EXPECT_EQ(parsed.error().detail, c.detail) << c.typed;
  }
}

TEST(Timetable, IsBounded) {
  std::string years = "always";
  for (int y = 2026; y < 2037; ++y) years += "; " + std::to_string(y) + "-01-01.." + std::to_string(y) + "-12-31 closed";
  const auto dates = Timetable::parse(years);
  ASSERT_FALSE(dates);
  EXPECT_EQ(dates.error().code, Errc::kTooLarge);
  EXPECT_EQ(dates.error().detail, "column 342: more than 4000 dates: drop those of past years");

  // Little to type and much to say: each day of these Januaries has other hours than all the rest.
  std::string hours = "always";
  for (int y = 0; y < 10; ++y) {
    for (int i = 0; i < 24; ++i) {
      std::array<char, 128> rule{};
      std::snprintf(rule.data(), rule.size(), "; %d-01-%02d..%d-01-31 %d:%02d-%d:%02d", 2026 + y, i + 1, 2026 + y, i, y, i,
                    y + 20);
      hours += rule.data();
    }
  }
  ASSERT_LT(hours.size(), Timetable::kMaxText);
  const auto large = Timetable::parse(hours);
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code, Errc::kTooLarge);
  EXPECT_EQ(large.error().detail, "the hours, written out, are longer than 16384 characters");
}

TEST(Zone, IsKnownByItsName) {
  for (const std::string name : {"UTC", "Europe/Berlin", "Asia/Katmandu", "Asia/Kathmandu", "America/Sao_Paulo", "Etc/GMT+5"}) {
    const auto zone = Zone::locate(name);
    ASSERT_TRUE(zone) << name;
    EXPECT_EQ(zone->name(), name);
  }
  const std::vector<WrongCase> cases{
      {"", "zone: \"\" is not a time zone: write an IANA name such as \"Europe/Berlin\" or \"UTC\""},
      {"Mars/Olympus", "zone: \"Mars/Olympus\" is not a time zone: write an IANA name such as \"Europe/Berlin\" or \"UTC\""},
      {"berlin", "zone: \"berlin\" is not a time zone: did you mean \"Europe/Berlin\"?"},
      {"europe/berlin", "zone: \"europe/berlin\" is not a time zone: did you mean \"Europe/Berlin\"?"},
      {"Sao Paulo", "zone: \"Sao Paulo\" is not a time zone: did you mean \"America/Sao_Paulo\"?"},
      {"localtime", "zone: \"localtime\" is not a time zone: write an IANA name such as \"Europe/Berlin\" or \"UTC\""},
      {"../../../etc/passwd",
       "zone: \"../../../etc/passwd\" is not a time zone: write an IANA name such as \"Europe/Berlin\" or \"UTC\""},
      {std::string("UTC\0", 4), "zone: \"UTC?\" is not a time zone: write an IANA name such as \"Europe/Berlin\" or \"UTC\""},
  };
  for (const auto& c : cases) {
    const auto zone = Zone::locate(c.typed);
    ASSERT_FALSE(zone) << c.typed;
    EXPECT_EQ(zone.error().code, Errc::kBadInput);
    EXPECT_EQ(zone.error().detail, c.detail);
  }
}

// ---- Open or closed

TEST(Calendar, OfNoWordsIsAlwaysOpen) {
  const Calendar always;
  EXPECT_EQ(always.write(), "always");
  EXPECT_EQ(always.zone(), "UTC");
  EXPECT_TRUE(always == calendar("always", "UTC"));
  const WallTime now = utc("2026-11-23 03:00");
  EXPECT_TRUE(always.is_open(now).open);
  EXPECT_EQ(text(always.next_opening(now)), "2026-11-23 03:00:00");
  EXPECT_EQ(text(always.next_change(now)), "never");
  EXPECT_EQ(always.business_ms(now, now + 90 * kDayMs), 90 * kDayMs);
  EXPECT_EQ(text(always.add_business(now, 5 * kMinuteMs)), "2026-11-23 03:05:00");
}

TEST(Calendar, ParsesHoursThenZone) {
  EXPECT_EQ(Calendar::parse("mon", "Mars").error().detail,
            "column 4: the end is not a time: write hours and minutes, 08:00-12:00 (00:00 to 24:00), or closed");
  EXPECT_EQ(Calendar::parse("always", "Mars").error().detail.substr(0, 12), "zone: \"Mars\"");
}

struct OpenCase {
  std::string at;  // UTC
  bool open;
  Standing::Why why;
  std::string note;
  std::string opening;
  std::string change;
};

void expect(const Calendar& c, const std::vector<OpenCase>& cases) {
  for (const auto& x : cases) {
    const Standing s = c.is_open(utc(x.at));
    EXPECT_EQ(s.open, x.open) << x.at;
    EXPECT_EQ(name_of(s.why), name_of(x.why)) << x.at;
    EXPECT_EQ(s.note, x.note) << x.at;
    EXPECT_EQ(text(c.next_opening(utc(x.at))), x.opening + (x.opening == "never" ? "" : ":00")) << x.at;
    EXPECT_EQ(text(c.next_change(utc(x.at))), x.change + (x.change == "never" ? "" : ":00")) << x.at;
  }
}
constexpr auto kRegular = Standing::Why::kRegular;
constexpr auto kHoliday = Standing::Why::kHoliday;
constexpr auto kEmergency = Standing::Why::kEmergency;

TEST(Calendar, AWeekAndItsHolidays) {
  // 2026-12-24 is a Thursday; Berlin is an hour ahead.
  const Calendar c = calendar(
      "mon-fri 08:00-12:00,13:00-17:00; sat 09:00-12:00; 12-24..12-26 closed; 2026-12-24 09:00-12:00; 2026-12-27 10:00-11:00",
      "Europe/Berlin");
  expect(c, {
                {"2026-12-23 06:59", false, kRegular, "", "2026-12-23 07:00", "2026-12-23 07:00"},
                {"2026-12-23 07:00", true, kRegular, "", "2026-12-23 07:00", "2026-12-23 11:00"},
                {"2026-12-23 10:59", true, kRegular, "", "2026-12-23 10:59", "2026-12-23 11:00"},
                {"2026-12-23 11:00", false, kRegular, "", "2026-12-23 12:00", "2026-12-23 12:00"},
                {"2026-12-23 15:59", true, kRegular, "", "2026-12-23 15:59", "2026-12-23 16:00"},
                {"2026-12-23 16:00", false, kRegular, "", "2026-12-24 08:00", "2026-12-24 08:00"},
                {"2026-12-23 23:00", false, kHoliday, "2026-12-24", "2026-12-24 08:00", "2026-12-24 08:00"},
                {"2026-12-24 08:00", true, kHoliday, "2026-12-24", "2026-12-24 08:00", "2026-12-24 11:00"},
                {"2026-12-24 11:00", false, kHoliday, "2026-12-24", "2026-12-27 09:00", "2026-12-27 09:00"},
                {"2026-12-25 08:00", false, kHoliday, "12-25", "2026-12-27 09:00", "2026-12-27 09:00"},
                {"2026-12-27 09:30", true, kHoliday, "2026-12-27", "2026-12-27 09:30", "2026-12-27 10:00"},
                {"2026-12-27 10:00", false, kHoliday, "2026-12-27", "2026-12-28 07:00", "2026-12-28 07:00"},
                {"2027-12-24 08:00", false, kHoliday, "12-24", "2027-12-27 07:00", "2027-12-27 07:00"},
            });
}

TEST(Calendar, LeapDays) {
  const Calendar c = calendar("never; 02-29 09:00-10:00; 2027-03-01 09:00-10:00");
  expect(c, {
                {"2027-02-28 12:00", false, kRegular, "", "2027-03-01 09:00", "2027-03-01 09:00"},
                {"2027-03-02 00:00", false, kRegular, "", "2028-02-29 09:00", "2028-02-29 09:00"},
                {"2028-02-29 09:30", true, kHoliday, "02-29", "2028-02-29 09:30", "2028-02-29 10:00"},
                // The next is four years away: further than anyone looks ahead.
                {"2028-02-29 10:00", false, kHoliday, "02-29", "never", "never"},
                {"2032-02-29 09:59", true, kHoliday, "02-29", "2032-02-29 09:59", "2032-02-29 10:00"},
            });
}

TEST(Calendar, MidnightIsNoBoundary) {
  const Calendar c = calendar("fri 20:00-24:00; sat 00:00-24:00; sun 00:00-04:00", "Asia/Kathmandu");  // UTC+5:45
  expect(c, {
                {"2026-11-27 14:14", false, kRegular, "", "2026-11-27 14:15", "2026-11-27 14:15"},
                {"2026-11-27 14:15", true, kRegular, "", "2026-11-27 14:15", "2026-11-28 22:15"},
                {"2026-11-28 18:15", true, kRegular, "", "2026-11-28 18:15", "2026-11-28 22:15"},
                {"2026-11-28 22:15", false, kRegular, "", "2026-12-04 14:15", "2026-12-04 14:15"},
            });
}

TEST(Calendar, AnEmergencyGoesFirst) {
  Calendar c = calendar("mon-fri 08:00-17:00");
  c.set_emergency(Emergency{false, "power cut", utc("2026-11-23 10:00"), utc("2026-11-24 09:00")});
  expect(c, {
                {"2026-11-23 09:00", true, kRegular, "", "2026-11-23 09:00", "2026-11-23 10:00"},
                {"2026-11-23 10:00", false, kEmergency, "power cut", "2026-11-24 09:00", "2026-11-24 09:00"},
                {"2026-11-24 08:30", false, kEmergency, "power cut", "2026-11-24 09:00", "2026-11-24 09:00"},
                {"2026-11-24 09:00", true, kRegular, "", "2026-11-24 09:00", "2026-11-24 17:00"},
            });
  // What was counted before it stays counted.
  EXPECT_EQ(c.business_ms(utc("2026-11-23 08:00"), utc("2026-11-24 10:00")), 3 * kHourMs);
  EXPECT_EQ(text(c.add_business(utc("2026-11-23 09:00"), 2 * kHourMs)), "2026-11-24 10:00:00");

  c.set_emergency(Emergency{true, "flood", utc("2026-11-28 00:00"), {}});
  expect(c, {
                {"2026-11-27 17:00", false, kRegular, "", "2026-11-28 00:00", "2026-11-28 00:00"},
                {"2026-11-28 03:00", true, kEmergency, "flood", "2026-11-28 03:00", "never"},
            });
  c.set_emergency(Emergency{false, "moved out", utc("2026-11-28 00:00"), {}});
  expect(c, {{"2026-11-30 09:00", false, kEmergency, "moved out", "never", "never"}});
  EXPECT_EQ(text(c.add_business(utc("2026-11-27 16:00"), 2 * kHourMs)), "never");
  // One that ends before it begins is none.
  c.set_emergency(Emergency{false, "?", utc("2026-11-28 00:00"), utc("2026-11-27 00:00")});
  expect(c, {{"2026-11-27 10:00", true, kRegular, "", "2026-11-27 10:00", "2026-11-27 17:00"}});
  c.set_emergency({});
  EXPECT_TRUE(c == calendar("mon-fri 08:00-17:00"));
}

// ---- Clocks that are set

struct SumCase {
  std::string name;
  std::string hours;
  std::string zone;
  std::string from;
  std::string to;
  std::int64_t minutes;
};

TEST(Calendar, CountsWhatTheWallClockReads) {
  const std::vector<SumCase> cases{
      {"spring, the night has 23 hours", "always", "Europe/Berlin", "2026-03-28 23:00", "2026-03-29 22:00", 23 * 60},
      {"spring, half the interval is missing", "sun 01:30-03:30", "Europe/Berlin", "2026-03-28 00:00", "2026-03-30 00:00", 60},
      {"spring, the whole interval is missing", "sun 02:00-03:00", "Europe/Berlin", "2026-03-28 00:00", "2026-03-30 00:00", 0},
      {"spring, it ends within what is missing", "sun 01:00-02:30", "Europe/Berlin", "2026-03-28 00:00", "2026-03-30 00:00", 60},
      {"spring, it begins within what is missing", "sun 02:30-04:00", "Europe/Berlin", "2026-03-28 00:00", "2026-03-30 00:00",
       60},
      {"autumn, an hour twice", "sun 02:00-03:00", "Europe/Berlin", "2026-10-24 00:00", "2026-10-26 00:00", 120},
      {"autumn, half of it twice", "sun 01:00-02:30", "Europe/Berlin", "2026-10-24 00:00", "2026-10-26 00:00", 120},
      {"autumn, the night has 25 hours", "sun 00:00-24:00", "Europe/Berlin", "2026-10-24 00:00", "2026-10-27 00:00", 25 * 60},
      {"Lord Howe, half an hour is missing", "sun 01:00-03:00", "Australia/Lord_Howe", "2026-10-03 00:00", "2026-10-05 00:00",
       90},
      {"Lord Howe, half an hour twice", "sun 01:00-03:00", "Australia/Lord_Howe", "2026-04-04 00:00", "2026-04-06 00:00", 150},
      {"Sao Paulo 2018, the day begins at one", "sun 00:00-02:00", "America/Sao_Paulo", "2018-11-03 12:00", "2018-11-05 00:00",
       60},
      {"Sao Paulo 2018, Saturday's last hour twice", "sat 23:00-24:00", "America/Sao_Paulo", "2018-02-17 00:00",
       "2018-02-19 00:00", 120},
      {"Sao Paulo today, no summer time", "sun 00:00-02:00", "America/Sao_Paulo", "2026-10-31 12:00", "2026-11-02 00:00", 120},
      {"Apia left out a Friday", "fri 00:00-24:00", "Pacific/Apia", "2011-12-29 00:00", "2012-01-02 00:00", 0},
      {"Kathmandu moved by a quarter", "wed 00:00-01:00", "Asia/Kathmandu", "1985-12-31 00:00", "1986-01-02 00:00", 45},
      {"west of Greenwich before 1970", "wed 00:00-24:00", "America/New_York", "1970-01-01 00:00", "1970-01-02 00:00", 5 * 60},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(calendar(c.hours, c.zone).business_ms(utc(c.from), utc(c.to)), c.minutes * kMinuteMs) << c.name;
  }
}

TEST(Calendar, OpensAndClosesAtExactInstants) {
  // Berlin sets back at 01:00 UTC: the wall reads 02:00 to 03:00 from 00:00 and again from 01:00.
  expect(calendar("sun 02:30-05:00", "Europe/Berlin"),
         {
             {"2026-10-25 00:29", false, kRegular, "", "2026-10-25 00:30", "2026-10-25 00:30"},
             {"2026-10-25 00:30", true, kRegular, "", "2026-10-25 00:30", "2026-10-25 01:00"},
             {"2026-10-25 01:00", false, kRegular, "", "2026-10-25 01:30", "2026-10-25 01:30"},
             {"2026-10-25 01:30", true, kRegular, "", "2026-10-25 01:30", "2026-10-25 04:00"},
         });
  // And forward at 01:00 UTC, over the opening.
  expect(calendar("sun 02:30-05:00", "Europe/Berlin"),
         {{"2026-03-29 00:59", false, kRegular, "", "2026-03-29 01:00", "2026-03-29 01:00"},
          {"2026-03-29 01:00", true, kRegular, "", "2026-03-29 01:00", "2026-03-29 03:00"}});
  // Lord Howe goes from +10:30 to +11 at 15:30 UTC, 02:00 to 02:30.
  expect(calendar("sun 02:15-03:00", "Australia/Lord_Howe"),
         {{"2026-10-03 15:29", false, kRegular, "", "2026-10-03 15:30", "2026-10-03 15:30"},
          {"2026-10-03 15:30", true, kRegular, "", "2026-10-03 15:30", "2026-10-03 16:00"}});
  // Sao Paulo went forward at midnight, 03:00 UTC: the day before ends there, and it is one stretch.
  expect(calendar("sat 22:00-24:00; sun 00:00-02:00", "America/Sao_Paulo"),
         {{"2018-11-04 01:00", true, kRegular, "", "2018-11-04 01:00", "2018-11-04 04:00"}});
}

TEST(Calendar, ClocksGoOnBeingSetAfterTheZoneFilesEnd) {
  // The last Sundays of March and October; the second Sunday of March and the first of November.
  for (const std::string day : {"2038-03-28", "2040-03-25", "2061-03-27", "2098-03-30"}) {
    EXPECT_EQ(
        calendar("sun 00:00-24:00", "Europe/Berlin").business_ms(utc(day + " 00:00") + -kDayMs, utc(day + " 00:00") + 2 * kDayMs),
        23 * kHourMs)
        << day;
  }
  EXPECT_EQ(text(calendar("mon-fri 08:00-17:00", "Europe/Berlin").next_opening(utc("2044-07-01 05:00"))), "2044-07-01 06:00:00");
  EXPECT_EQ(text(calendar("mon-fri 08:00-17:00", "America/New_York").next_opening(utc("2048-03-09 01:00"))),
            "2048-03-09 12:00:00");
  EXPECT_EQ(calendar("sun 00:00-24:00", "America/New_York").business_ms(utc("2048-11-01 00:00"), utc("2048-11-03 00:00")),
            25 * kHourMs);
}

// ---- Deadlines

TEST(Calendar, AddsBusinessTime) {
  const Calendar c = calendar("mon-fri 08:00-12:00,13:00-17:00; 12-25 closed", "Europe/Berlin");
  struct Case {
    std::string from;
    std::int64_t minutes;
    std::string due;
  };
  const std::vector<Case> cases{
      {"2026-11-23 07:00", 0, "2026-11-23 07:00:00"},
      {"2026-11-23 07:00", -5, "2026-11-23 07:00:00"},
      {"2026-11-21 07:00", 0, "2026-11-21 07:00:00"},  // nothing to wait for, though it is closed
      {"2026-11-23 07:00", 5, "2026-11-23 07:05:00"},
      {"2026-11-23 07:00", 240, "2026-11-23 11:00:00"},  // when we close, not when we open next
      {"2026-11-23 07:00", 241, "2026-11-23 12:01:00"},
      {"2026-11-23 11:30", 5, "2026-11-23 12:05:00"},
      {"2026-11-27 15:58", 5, "2026-11-30 07:03:00"},        // over a weekend
      {"2026-12-24 15:00", 120, "2026-12-28 08:00:00"},      // over a holiday and a weekend
      {"2026-03-27 15:00", 120, "2026-03-30 07:00:00"},      // summer time in between
      {"2026-11-23 07:00", 40 * 60, "2026-11-27 16:00:00"},  // a week
      {"2026-11-23 07:00", 52 * 40 * 60, "2027-11-22 16:00:00"},
  };
  for (const auto& x : cases) {
    EXPECT_EQ(text(c.add_business(utc(x.from), x.minutes * kMinuteMs)), x.due) << x.from << " " << x.minutes;
  }
  EXPECT_EQ(text(calendar("never").add_business(utc("2026-11-23 07:00"), 1)), "never");
  EXPECT_EQ(text(calendar("never; 2026-11-24 09:00-10:00").add_business(utc("2026-11-23 07:00"), kHourMs)),
            "2026-11-24 10:00:00");
  EXPECT_EQ(text(calendar("never; 2026-11-24 09:00-10:00").add_business(utc("2026-11-23 07:00"), kHourMs + 1)), "never");
}

TEST(Calendar, AnyMomentMayBeAsked) {
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  Calendar c = calendar("mon-fri 08:00-17:00", "Europe/Berlin");
  for (int round = 0; round < 3; ++round) {
    for (const std::int64_t ms : {kMin, std::int64_t{-1}, std::int64_t{0}, Zone::kLastMs - 1, Zone::kLastMs, kMax}) {
      const WallTime at{ms};
      c.is_open(at);
      c.next_opening(at);
      c.next_change(at);
      c.add_business(at, 1);
    }
    EXPECT_EQ(c.business_ms({kMax}, {kMin}), 0);
    EXPECT_GT(c.business_ms({kMin}, {kMax}), 0);
    EXPECT_FALSE(c.add_business({0}, kMax));
    EXPECT_FALSE(c.next_opening({kMax}));
    c.set_emergency(Emergency{round == 1, "", WallTime{round == 0 ? kMin : 1}, round == 0 ? WallTime{0} : WallTime{kMax}});
    if (round == 0) continue;
    c.set_emergency(Emergency{true, "", WallTime{kMax}, WallTime{kMin}});
  }
}

// ---- Against a model that looks at every minute, and reads the wall clock with the C library

struct Model {
  using Ranges = std::vector<std::pair<int, int>>;
  std::array<Ranges, 7> week;  // from Sunday, as tm_wday
  std::map<std::pair<int, int>, Ranges> yearly;
  std::map<std::tuple<int, int, int>, Ranges> dates;
  std::optional<Emergency> emergency;

  bool open(WallTime at) const {
    if (emergency && at >= emergency->since && (!emergency->until || at < *emergency->until)) return emergency->open;
    const std::time_t s = at.ms / 1000;
    std::tm tm{};
    localtime_r(&s, &tm);
    const Ranges* ranges = &week[static_cast<std::size_t>(tm.tm_wday)];
    if (const auto y = yearly.find({tm.tm_mon + 1, tm.tm_mday}); y != yearly.end()) ranges = &y->second;
    if (const auto d = dates.find({tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday}); d != dates.end()) ranges = &d->second;
    const int minute = tm.tm_hour * 60 + tm.tm_min;
    for (const auto& [from, to] : *ranges) {
      if (from <= minute && minute < to) return true;
    }
    return false;
  }
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  int below(int n) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(n)); }
  bool once_in(int n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

Model::Ranges random_ranges(Random& random) {
  Model::Ranges out;
  if (random.once_in(4)) return out;
  int at = random.once_in(3) ? 0 : random.below(720);
  while (at < 1440 && out.size() < 4) {
    const int to = random.once_in(5) ? 1440 : std::min(1440, at + 1 + random.below(random.once_in(3) ? 60 : 600));
    out.emplace_back(at, to);
    at = to + (random.once_in(4) ? 0 : 1 + random.below(200));
  }
  return out;
}
std::string write(const Model::Ranges& ranges) {
  std::string out;
  for (const auto& [from, to] : ranges) {
    std::array<char, 64> one{};
    std::snprintf(one.data(), one.size(), "%d:%02d-%d:%02d", from / 60, from % 60, to / 60, to % 60);
    out += (out.empty() ? "" : ",") + std::string(one.data());
  }
  return ranges.empty() ? "closed" : out;
}

// A zone, and a day near which its clocks were set (or nothing happened).
constexpr std::pair<const char*, const char*> kPlaces[] = {
    {"Europe/Berlin", "2026-03-29 00:00"},
    {"Europe/Berlin", "2026-10-25 00:00"},
    {"Europe/Berlin", "2027-12-31 00:00"},
    {"America/Sao_Paulo", "2018-02-18 00:00"},
    {"America/Sao_Paulo", "2018-11-04 00:00"},
    {"America/New_York", "2026-11-01 00:00"},
    {"Australia/Lord_Howe", "2026-04-05 00:00"},
    {"Australia/Lord_Howe", "2026-10-04 00:00"},
    {"Asia/Kathmandu", "1986-01-01 00:00"},
    {"Asia/Kathmandu", "2028-02-29 00:00"},
    {"Pacific/Apia", "2011-12-30 00:00"},
    {"Africa/Casablanca", "2026-02-15 00:00"},
    {"America/St_Johns", "2006-10-29 00:00"},
    {"Asia/Gaza", "2026-03-28 00:00"},
    {"UTC", "2028-02-28 00:00"},
    {"Europe/Berlin", "2045-03-26 00:00"},
};

void against_the_model(std::uint64_t seed) {
  Random random(seed);
  const auto& place = kPlaces[static_cast<std::size_t>(random.below(static_cast<int>(std::size(kPlaces))))];
  setenv("TZ", place.first, 1);
  tzset();
  constexpr int kDays = 12;
  const WallTime begin = utc(place.second) + -6 * kDayMs;

  Model model;
  std::string line = "never";
  const bool dense = random.once_in(6);
  for (std::size_t i = 0; i < 7; ++i) {
    model.week[i] = dense ? Model::Ranges{{0, 1440}} : random_ranges(random);
    constexpr const char* kNames[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    line = (i == 0 ? "" : line + "; ") + kNames[i] + " " + write(model.week[i]);
  }
  for (int n = random.below(6); n > 0; --n) {
    const std::chrono::year_month_day d(std::chrono::sys_days(std::chrono::days(begin.ms / kDayMs + random.below(kDays))));
    const int y = static_cast<int>(d.year());
    const int m = static_cast<int>(static_cast<unsigned>(d.month()));
    const int day = static_cast<int>(static_cast<unsigned>(d.day()));
    const auto ranges = random_ranges(random);
    if (random.once_in(2)) {
      if (model.yearly.emplace(std::pair(m, day), ranges).second) line += "; " + write_yearly(d) + " " + write(ranges);
    } else {
      if (model.dates.emplace(std::tuple(y, m, day), ranges).second) line += "; " + write_date(d) + " " + write(ranges);
    }
  }
  if (random.once_in(3)) {
    Emergency e{random.once_in(2), "why", begin + random.below(kDays * 1440) * kMinuteMs, {}};
    if (!random.once_in(4)) e.until = e.since + random.below(3000) * kMinuteMs;
    model.emergency = e;
  }
  SCOPED_TRACE("seed " + std::to_string(seed) + ": " + place.first + ": " + line);

  Calendar c = calendar(line, place.first);
  ASSERT_TRUE(calendar(c.write(), place.first) == c);
  c.set_emergency(model.emergency);

  // Open minutes before each, so that a sum is a difference.
  constexpr int kMinutes = kDays * 1440;
  std::vector<bool> open(kMinutes);
  std::vector<std::int64_t> before(kMinutes + 1);
  for (int i = 0; i < kMinutes; ++i) {
    open[static_cast<std::size_t>(i)] = model.open(begin + i * kMinuteMs);
    before[static_cast<std::size_t>(i) + 1] = before[static_cast<std::size_t>(i)] + (open[static_cast<std::size_t>(i)] ? 1 : 0);
  }
  const auto sum_ms = [&](std::int64_t offset_ms) {  // from begin
    const auto i = static_cast<std::size_t>(offset_ms / kMinuteMs);
    return before[i] * kMinuteMs + (i < open.size() && open[i] ? offset_ms % kMinuteMs : 0);
  };

  for (int i = 0; i < kMinutes; ++i)
    ASSERT_EQ(c.is_open(begin + i * kMinuteMs).open, open[static_cast<std::size_t>(i)]) << text(begin + i * kMinuteMs);
  for (int n = 0; n < 200; ++n) {
    const std::int64_t a = random.below(kMinutes) * kMinuteMs + (random.once_in(3) ? 0 : random.below(60'000));
    const std::int64_t b = random.below(kMinutes) * kMinuteMs + (random.once_in(3) ? 0 : random.below(60'000));
    const WallTime from = begin + a;
    const WallTime to = begin + b;
    const auto at = static_cast<std::size_t>(a / kMinuteMs);

    std::size_t change = at;
    while (change < open.size() && open[change] == open[at]) ++change;
    if (change < open.size()) {
      ASSERT_EQ(text(c.next_change(from)), text(begin + static_cast<std::int64_t>(change) * kMinuteMs)) << text(from);
    }
    const auto opening = c.next_opening(from);
    if (open[at]) {
      ASSERT_EQ(text(opening), text(from));
    } else if (change < open.size()) {
      ASSERT_EQ(text(opening), text(begin + static_cast<std::int64_t>(change) * kMinuteMs)) << text(from);
    }

    const std::int64_t business_ms = c.business_ms(from, to);
    ASSERT_EQ(business_ms, a < b ? sum_ms(b) - sum_ms(a) : 0) << text(from) << " " << text(to);
    const auto due = c.add_business(from, business_ms);
    ASSERT_TRUE(due);
    // The earliest moment with that sum: at most `to`, and just before it there was less.
    ASSERT_LE(*due, a < b ? to : from);
    ASSERT_EQ(c.business_ms(from, *due), business_ms);
    if (business_ms > 0) {
      ASSERT_EQ(c.business_ms(from, *due + -1), business_ms - 1) << text(from) << " " << text(to);
    }

    const std::int64_t ms = random.below(5 * static_cast<int>(kDayMs));
    if (const auto far = c.add_business(from, ms)) {
      ASSERT_EQ(c.business_ms(from, *far), ms) << text(from);
      if (ms > 0) {
        ASSERT_EQ(c.business_ms(from, *far + -1), ms - 1) << text(from);
      }
    } else {
      ASSERT_TRUE(!c.next_opening(begin + kMinutes * kMinuteMs)) << text(from);
    }
  }
}

TEST(Calendar, AgreesWithAModelThatLooksAtEveryMinute) {
  const char* old = std::getenv("TZ");
  const std::string kept = old == nullptr ? "" : old;
  for (std::uint64_t seed = 1; seed <= 150 && !HasFatalFailure(); ++seed) against_the_model(seed);
  old == nullptr ? unsetenv("TZ") : setenv("TZ", kept.c_str(), 1);
  tzset();
}

}  // namespace
}  // namespace belfry::routing
