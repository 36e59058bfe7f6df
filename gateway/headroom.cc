#include "gateway/headroom.h"

#include <sys/statvfs.h>

#include <charconv>
#include <utility>

#include "gateway/log.h"
#include "gateway/work_pool.h"

namespace belfry::gateway {
namespace {

// A line of INFO: "name:digits".
std::int64_t figure(std::string_view info, std::string_view name) {
  for (std::size_t at = info.find(name); at != std::string_view::npos; at = info.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at > 0 && info[at - 1] != '\n') || end >= info.size() || info[end] != ':') continue;
    std::int64_t value = 0;
    std::from_chars(info.data() + end + 1, info.data() + info.size(), value);
    return value;
  }
  return 0;
}

std::int64_t free_octets(const std::string& dir) {
  struct statvfs about {};
  if (::statvfs(dir.c_str(), &about) != 0) return -1;
  return static_cast<std::int64_t>(about.f_bavail) * static_cast<std::int64_t>(about.f_frsize);
}

}  // namespace

std::string_view name_of(Level level) {
  switch (level) {
    case Level::kAll: return "all";
    case Level::kNoBulk: return "no_bulk";
    case Level::kNoOpening: return "no_opening";
    case Level::kAlertsOnly: return "alerts_only";
    case Level::kNothing: return "nothing";
  }
  return "";
}

std::string words_for(Level level) {
  switch (level) {
    case Level::kAll: return "";
    case Level::kNoBulk: return "Redis fills: bulk is refused";
    case Level::kNoOpening: return "Redis is 85 % full: new conversations are refused, those that run go on";
    case Level::kAlertsOnly: return "Redis is 95 % full: all but alerts is refused";
    case Level::kNothing: return "the disk under Redis is full: everything is refused";
  }
  return "";
}

wire::Problem no_room(Level level) {
  switch (level) {
    case Level::kNothing:
      return wire::problem(503, "disk_full",
                           "The gateway's disk is nearly full. Nothing was kept; repeat it once the operator has made room.");
    case Level::kAlertsOnly:
      return wire::problem(503, "store_full",
                           "The gateway's memory is nearly full, so it takes alerts only. Nothing was kept; repeat it later.");
    default:
      return wire::problem(503, "no_new_conversations",
                           "The gateway's memory fills, so no new conversation begins; those that run go on. Nothing was kept; "
                           "repeat it later.");
  }
}

Level level_of(const Fullness& f, std::int64_t disk_reserve) {
  if (f.disk_free >= 0 && f.disk_free < disk_reserve) return Level::kNothing;
  // In a hundredth of max, without overflow: max is at most 2^46.
  const auto reached = [&](std::int64_t percent) { return f.max > 0 && f.used * 100 >= f.max * percent; };
  if (reached(95)) return Level::kAlertsOnly;
  if (reached(85)) return Level::kNoOpening;
  if (reached(70) || (f.disk_free >= 0 && f.disk_free < disk_reserve + f.log_size)) return Level::kNoBulk;
  return Level::kAll;
}

void Headroom::look() {
  if (looking_) return;
  looking_ = true;
  deps_.carry(routing::encode({"INFO", "memory", "persistence"}), [this](Result<routing::Value> reply) {
    // Without an answer it is as it was: a Redis that is away has an answer of its own.
    if (!reply || !reply->is_text()) {
      looking_ = false;
      return;
    }
    seen_.used = figure(reply->text, "used_memory") - figure(reply->text, "mem_not_counted_for_evict");
    seen_.max = figure(reply->text, "maxmemory");
    seen_.log_size = figure(reply->text, "aof_current_size");
    if (deps_.dir.empty()) return judge();
    const auto free = std::make_shared<std::int64_t>(-1);
    const bool posted = deps_.work.post(
        deps_.loop, [dir = deps_.dir, free] { *free = free_octets(dir); },
        [this, free] {
          seen_.disk_free = *free;
          judge();
        });
    if (!posted) judge();
  });
}

void Headroom::judge() {
  looking_ = false;
  if (deps_.tells && seen_.max == 0 && !std::exchange(told_no_limit_, true)) {
    log_warning("redis_without_maxmemory", {{"what", "its memory has no thresholds here; set maxmemory there"}});
  }
  const Level level = level_of(seen_, deps_.disk_reserve);
  if (level_.exchange(level, std::memory_order_relaxed) == level || !deps_.tells) return;
  log_warning("admission", {{"level", std::string(name_of(level))},
                            {"used", seen_.used},
                            {"maxmemory", seen_.max},
                            {"disk_free", seen_.disk_free},
                            {"log", seen_.log_size}});
}

}  // namespace belfry::gateway
