// What every page of the web chat shows over everything. They stand in Redis (announcements, a hash by id) and are told to all
// shards at once; each shard makes the frame once, and all its tabs get the same bytes.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "belfry/result.h"
#include "gateway/services.h"

namespace belfry::gateway {

struct Announcement {
  std::string id;
  std::string inboxes;  // a list; empty: all
  WallTime expires;
  std::string json;  // as pages read it: id, severity, headline, text, url, expires
};

void read_announcements(const Services& services, std::function<void(Result<std::vector<Announcement>>)> done);
// The commands that keep one and tell it; what expired a day ago goes with the same.
std::vector<std::vector<std::string>> keep_announcement(const Services& services, const Announcement& what,
                                                        const std::vector<Announcement>& known);
// Pages hear it once more, expired.
std::vector<std::vector<std::string>> end_announcement(const Services& services, const Announcement& what);

// One as it is kept and told: inboxes|expires|id|json.
std::string write_announcement(const Announcement& what);
bool parse_announcement(std::string_view line, Announcement& out);

// Those of one shard, as it heard of them.
class NoticeBoard {
 public:
  void set(const std::vector<Announcement>& all);
  // What is over goes.
  void put(const Announcement& one, WallTime now);
  // As a list of JSON objects, for a welcome; empty: there is none.
  std::string in_force(std::string_view inbox, WallTime now) const;

 private:
  std::map<std::string, Announcement> by_id_;
};
bool is_for(const Announcement& what, std::string_view inbox);

}  // namespace belfry::gateway
