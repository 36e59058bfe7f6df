#include "gateway/chat/announcements.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "belfry/list.h"
#include "gateway/auth/commands.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kDay = 86'400'000;

std::string key(const Services& services) { return routing::key_of(services.prefix, "announcements"); }

std::vector<std::string> tell(const Services& services, const Announcement& what) {
  return {"PUBLISH", routing::chat_channel(services.prefix), "!" + write_announcement(what)};
}

}  // namespace

std::string write_announcement(const Announcement& what) {
  return what.inboxes + "|" + std::to_string(what.expires.ms) + "|" + what.id + "|" + what.json;
}

bool parse_announcement(std::string_view line, Announcement& out) {
  const auto first = line.find('|'), second = line.find('|', first + 1), third = line.find('|', second + 1);
  if (first == std::string_view::npos || second == std::string_view::npos || third == std::string_view::npos) return false;
  const std::string_view ms = line.substr(first + 1, second - first - 1);
  out.inboxes = line.substr(0, first);
  std::from_chars(ms.data(), ms.data() + ms.size(), out.expires.ms);
  out.id = line.substr(second + 1, third - second - 1);
  out.json = line.substr(third + 1);
  return !out.id.empty() && out.json.size() > 2;
}

void read_announcements(const Services& services, std::function<void(Result<std::vector<Announcement>>)> done) {
  services.carry(routing::encode({"HGETALL", key(services)}), [done = std::move(done)](Result<routing::Value> found) {
    if (!found) return done(tl::unexpected(std::move(found.error())));
    if (found->is_error()) return done(tl::unexpected(routing::error_of(*found)));
    std::vector<Announcement> all;
    for (const auto& [id, line] : pairs_of(*found)) {
      Announcement one;
      if (parse_announcement(line, one)) all.push_back(std::move(one));
    }
    std::sort(all.begin(), all.end(), [](const Announcement& a, const Announcement& b) { return a.id < b.id; });
    done(std::move(all));
  });
}

std::vector<std::vector<std::string>> keep_announcement(const Services& services, const Announcement& what,
                                                        const std::vector<Announcement>& known) {
  std::vector<std::vector<std::string>> out{{"HSET", key(services), what.id, write_announcement(what)}, tell(services, what)};
  const std::int64_t long_ago = services.now().wall.ms - kDay;
  for (const Announcement& each : known) {
    if (each.expires.ms < long_ago && each.id != what.id) out.push_back({"HDEL", key(services), each.id});
  }
  return out;
}

std::vector<std::vector<std::string>> end_announcement(const Services& services, const Announcement& what) {
  Announcement over = what;
  over.expires = services.now().wall;
  over.json = "{\"id\":\"" + what.id + "\",\"expires\":\"1970-01-01T00:00:00Z\"}";
  return {{"HDEL", key(services), what.id}, tell(services, over)};
}

bool is_for(const Announcement& what, std::string_view inbox) {
  if (what.inboxes.empty()) return true;
  const auto all = split_list(what.inboxes);
  return std::find(all.begin(), all.end(), inbox) != all.end();
}

void NoticeBoard::set(const std::vector<Announcement>& all) {
  by_id_.clear();
  for (const Announcement& each : all) by_id_[each.id] = each;
}

void NoticeBoard::put(const Announcement& one, WallTime now) {
  by_id_[one.id] = one;
  std::erase_if(by_id_, [now](const auto& each) { return each.second.expires <= now; });
}

std::string NoticeBoard::in_force(std::string_view inbox, WallTime now) const {
  std::string out;
  for (const auto& [id, each] : by_id_) {
    if (each.expires <= now || !is_for(each, inbox)) continue;
    out += out.empty() ? "[" : ",";
    out += each.json;
  }
  return out.empty() ? out : out + "]";
}

}  // namespace belfry::gateway
