// The log: one event a line, `time level event key=value …`, to stderr, which is the journal.
//
// - The event's name is a literal of a-z, 0-9 and _: it can be searched for, here and in the journal. What varies is a field.
// - One event is one line, whatever a value holds: what is not plain is quoted and escaped.
// - Nothing private: ids, counts, codes. A Private<T> prints as its size.
// - Warnings and errors that repeat are thinned by name; the next one that is printed says how many were not (`unsaid=`).
// - Any thread. Off, a line costs one load and the building of its fields.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "belfry/private.h"

namespace belfry::gateway {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogFormat : std::uint8_t { kText, kJson };

// A literal, checked when compiled.
class LogEvent {
 public:
  template <std::size_t N>
  consteval LogEvent(const char (&name)[N]) : name_(name, N - 1) {  // NOLINT: implicit on purpose
    for (const char c : name_) {
      const bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
      if (!fine) throw "an event's name has a-z, 0-9 and _";
    }
  }
  std::string_view name() const { return name_; }

 private:
  std::string_view name_;
};

// One key=value. The key is a literal too; the value is borrowed until the call returns.
struct LogField {
  using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, const char* v) : key(k), value(std::string_view(v)) {}
  LogField(std::string_view k, bool v) : key(k), value(v) {}
  LogField(std::string_view k, double v) : key(k), value(v) {}
  template <std::signed_integral Int>
  LogField(std::string_view k, Int v) : key(k), value(static_cast<std::int64_t>(v)) {}
  template <std::unsigned_integral Int>
  requires(!std::same_as<Int, bool>) LogField(std::string_view k, Int v) : key(k), value(static_cast<std::uint64_t>(v)) {}
  template <class T>
  LogField(std::string_view k, const Private<T>& v)
      : key(k), value(static_cast<std::uint64_t>(v.reveal().size())), hidden(true) {}

  std::string_view key;
  Value value;
  bool hidden = false;
};
using LogFields = std::initializer_list<LogField>;

namespace log_detail {
extern std::atomic<LogLevel> least;
void write(LogLevel level, std::string_view event, LogFields fields);
}  // namespace log_detail

inline bool log_on(LogLevel level) { return level >= log_detail::least.load(std::memory_order_relaxed); }

inline void log_debug(LogEvent event, LogFields fields = {}) {
  if (log_on(LogLevel::kDebug)) log_detail::write(LogLevel::kDebug, event.name(), fields);
}
inline void log_info(LogEvent event, LogFields fields = {}) {
  if (log_on(LogLevel::kInfo)) log_detail::write(LogLevel::kInfo, event.name(), fields);
}
inline void log_warning(LogEvent event, LogFields fields = {}) {
  if (log_on(LogLevel::kWarning)) log_detail::write(LogLevel::kWarning, event.name(), fields);
}
inline void log_error(LogEvent event, LogFields fields = {}) { log_detail::write(LogLevel::kError, event.name(), fields); }

// From [log] level and format: "debug" … "error", "text" or "json". At start, and again on reload.
void set_log(std::string_view level, std::string_view format);

// How many warnings and errors of one name are printed in `window_ms`; the rest are counted. 0: all.
void set_log_thinning(int lines, std::int64_t window_ms);

// While one lives, lines go to it and not to stderr. For tests; one at a time.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  std::vector<std::string> lines() const;   // without the time
  int count(std::string_view event) const;  // lines of that name
  bool said(std::string_view text) const;   // in any line

 private:
  friend void log_detail::write(LogLevel, std::string_view, LogFields);
  void add(std::string line, std::string_view event);
  mutable std::mutex mutex_;
  std::vector<std::pair<std::string, std::string>> lines_;  // event, line
  LogLevel least_;
};

}  // namespace belfry::gateway
