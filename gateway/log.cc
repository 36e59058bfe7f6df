// Debian's spdlog is a shared library over the system's fmt; without its CMake target it is told so here.
#ifndef SPDLOG_COMPILED_LIB
#define SPDLOG_COMPILED_LIB
#define SPDLOG_SHARED_LIB
#define SPDLOG_FMT_EXTERNAL
#endif
#include "gateway/log.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <map>
#include <memory>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wundef"
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#pragma GCC diagnostic pop

namespace belfry::gateway {

namespace log_detail {
std::atomic<LogLevel> least{LogLevel::kInfo};
}

namespace {

constexpr std::size_t kMaxValue = 1024;  // octets of one value; the rest becomes …

std::atomic<LogFormat> g_format{LogFormat::kText};
std::atomic<LogCapture*> g_capture{nullptr};
std::atomic<int> g_thin_lines{20};
std::atomic<std::int64_t> g_thin_window_ms{10'000};

constexpr std::array<std::string_view, 4> kNames{"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> kJournal{"<7>", "<6>", "<4>", "<3>"};

spdlog::sinks::sink& err() {
  static const auto sink = [] {
    auto made = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    made->set_formatter(std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc));
    return made;
  }();
  return *sink;
}

// The journal stamps the time itself and wants the level as <n>.
bool to_journal() {
  static const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;
  return journal;
}

void append_time(std::string& out) {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  out.append(text, length);
  out += '.';
  out += static_cast<char>('0' + ms / 100);
  out += static_cast<char>('0' + ms / 10 % 10);
  out += static_cast<char>('0' + ms % 10);
  out += 'Z';
}

// The code point at `at` and its length; length 1 and 0xFFFFFFFF for an octet that is not UTF-8.
std::pair<std::uint32_t, std::size_t> code_point(std::string_view text, std::size_t at) {
  const auto octet = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])) : 0U;
  };
  const std::uint32_t first = octet(at);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first >= 0xF5) return {0xFFFFFFFF, 1};
  std::uint32_t value = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((octet(at + i) & 0xC0U) != 0x80U) return {0xFFFFFFFF, 1};
    value = value << 6 | (octet(at + i) & 0x3FU);
  }
  const bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return {0xFFFFFFFF, 1};
  return {value, length};
}

// Whether it could end a line, or turn what a person reads around: controls, line separators, bidirectional marks.
bool unruly(std::uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029 || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0x200E || c == 0x200F || c == 0xFEFF;
}

void append_hex(std::string& out, std::uint32_t value, int digits) {
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 0xFU];
}

// Between quotes; valid JSON, except that in text an octet that is no UTF-8 is \xNN, where JSON gets U+FFFD.
void append_quoted(std::string& out, std::string_view text, bool json) {
  out += '"';
  std::size_t at = 0;
  for (; at < text.size() && at < kMaxValue;) {
    const auto [c, length] = code_point(text, at);
    if (c == 0xFFFFFFFF) {
      if (json) {
        out += "\\ufffd";
      } else {
        out += "\\x";
        append_hex(out, static_cast<unsigned char>(text[at]), 2);
      }
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (unruly(c)) {
      out += "\\u";
      append_hex(out, c, 4);
    } else {
      out.append(text.substr(at, length));
    }
    at += length;
  }
  if (at < text.size()) out += "…";
  out += '"';
}

bool plain(std::string_view text) {
  if (text.empty() || text.size() > 256) return false;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\' || c == '=') return false;
  }
  return true;
}

template <class Number>
void append_number(std::string& out, Number number) {
  char text[40];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_value(std::string& out, const LogField& field, bool json) {
  if (field.hidden) {
    if (json) out += '"';
    out += '<';
    append_number(out, std::get<std::uint64_t>(field.value));
    out += " bytes>";
    if (json) out += '"';
    return;
  }
  std::visit(
      [&](const auto& value) {
        using T = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          if (!json && plain(value)) {
            out += value;
          } else {
            append_quoted(out, value, json);
          }
        } else if constexpr (std::is_same_v<T, bool>) {
          out += value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, double>) {
          // JSON knows neither inf nor nan.
          if (json && !(value - value == 0)) {
            out += "null";
          } else {
            append_number(out, value);
          }
        } else {
          append_number(out, value);
        }
      },
      field.value);
}

// How often each name was printed in its window. Only warnings and errors come here, so a lock is cheap enough.
struct Thinning {
  struct Entry {
    std::int64_t since = 0;
    int printed = 0;
    std::uint64_t unsaid = 0;
  };
  std::mutex mutex;
  std::map<std::string_view, Entry> entries;  // names are literals

  // False: not now. True: `unsaid` were not printed before this one.
  bool pass(std::string_view event, std::uint64_t& unsaid) {
    const int lines = g_thin_lines.load(std::memory_order_relaxed);
    if (lines == 0) return true;
    const auto now =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
    const std::lock_guard guard(mutex);
    Entry& entry = entries[event];
    if (entry.printed == 0 || now - entry.since >= g_thin_window_ms.load(std::memory_order_relaxed)) {
      entry.since = now;
      entry.printed = 0;
    }
    if (entry.printed >= lines) {
      ++entry.unsaid;
      return false;
    }
    ++entry.printed;
    unsaid = std::exchange(entry.unsaid, 0);
    return true;
  }
};

Thinning& thinning() {
  static Thinning instance;
  return instance;
}

}  // namespace

void log_detail::write(LogLevel level, std::string_view event, LogFields fields) {
  std::uint64_t unsaid = 0;
  if (level >= LogLevel::kWarning && !thinning().pass(event, unsaid)) return;
  LogCapture* const capture = g_capture.load(std::memory_order_acquire);
  const bool json = g_format.load(std::memory_order_relaxed) == LogFormat::kJson;
  const std::string_view name = kNames[static_cast<std::size_t>(level)];
  std::string line;
  line.reserve(256);
  if (json) {
    line += '{';
    if (capture == nullptr) {
      line += "\"time\":\"";
      append_time(line);
      line += "\",";
    }
    line.append("\"level\":\"").append(name).append("\",\"event\":\"").append(event).append("\"");
    for (const auto& field : fields) {
      line.append(",\"").append(field.key).append("\":");
      append_value(line, field, true);
    }
    if (unsaid > 0) line.append(",\"unsaid\":").append(std::to_string(unsaid));
    line += '}';
  } else {
    if (capture == nullptr) {
      if (to_journal()) {
        line += kJournal[static_cast<std::size_t>(level)];
      } else {
        append_time(line);
        line += ' ';
      }
    }
    line.append(name).append(" ").append(event);
    for (const auto& field : fields) {
      line.append(" ").append(field.key).append("=");
      append_value(line, field, false);
    }
    if (unsaid > 0) line.append(" unsaid=").append(std::to_string(unsaid));
  }
  if (capture != nullptr) {
    capture->add(std::move(line), event);
    return;
  }
  try {
    const spdlog::details::log_msg message({}, "belfry", spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
    err().log(message);
    err().flush();
  } catch (...) {
    // A full disk behind stderr must not stop messages.
  }
}

void set_log(std::string_view level, std::string_view format) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == level) log_detail::least.store(static_cast<LogLevel>(i), std::memory_order_relaxed);
  }
  g_format.store(format == "json" ? LogFormat::kJson : LogFormat::kText, std::memory_order_relaxed);
}

void set_log_thinning(int lines, std::int64_t window_ms) {
  g_thin_lines.store(lines, std::memory_order_relaxed);
  g_thin_window_ms.store(window_ms, std::memory_order_relaxed);
  const std::lock_guard guard(thinning().mutex);
  thinning().entries.clear();
}

LogCapture::LogCapture() : least_(log_detail::least.exchange(LogLevel::kDebug)) {
  g_capture.store(this, std::memory_order_release);
}

LogCapture::~LogCapture() {
  g_capture.store(nullptr, std::memory_order_release);
  log_detail::least.store(least_);
}

void LogCapture::add(std::string line, std::string_view event) {
  const std::lock_guard guard(mutex_);
  lines_.emplace_back(event, std::move(line));
}

std::vector<std::string> LogCapture::lines() const {
  const std::lock_guard guard(mutex_);
  std::vector<std::string> out;
  for (const auto& [event, line] : lines_) out.push_back(line);
  return out;
}

int LogCapture::count(std::string_view event) const {
  const std::lock_guard guard(mutex_);
  int count = 0;
  for (const auto& [name, line] : lines_) count += name == event ? 1 : 0;
  return count;
}

bool LogCapture::said(std::string_view text) const {
  const std::lock_guard guard(mutex_);
  for (const auto& [name, line] : lines_) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace belfry::gateway
