// Media of inbound messages: routing/functions/45_media.lua.
#include <algorithm>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::media_due(std::string_view account, const LeaseRef& lease, int most, Done<std::vector<MediaJob>> done) {
  now_ = clock_().ms;
  std::vector<MediaJob> jobs;
  if (!owns(account, lease)) return done(std::move(jobs));
  auto& waiting = w_.media[std::string(account)];
  std::erase_if(waiting, [&](const model::MediaWait& wait) { return !w_.conversations.contains(wait.ref.conversation); });
  for (model::MediaWait& wait : waiting) {
    if (wait.next > now_ || static_cast<int>(jobs.size()) >= most) continue;
    wait.next = now_ + 900'000;
    const auto& log = w_.conversations.at(wait.ref.conversation).log;
    jobs.push_back({wait.ref, log[static_cast<std::size_t>(wait.ref.n - 1)].entry});
  }
  done(std::move(jobs));
}

void Memory::media_done(std::string_view account, const MessageRef& ref, std::string_view sha256, std::int64_t size,
                        std::string_view failed, Done<Outcome> done) {
  now_ = clock_().ms;
  std::erase_if(w_.media[std::string(account)], [&](const model::MediaWait& wait) { return wait.ref == ref; });
  Conversation* archivable = look(w_.conversations, ref.conversation);
  if (archivable == nullptr) return done(ok(0));  // archived meanwhile
  Conversation& c = *archivable;
  c.log[static_cast<std::size_t>(ref.n - 1)].reason =
      failed.empty() ? "media:" + std::string(sha256) + "|" + text(size) : "media_failed:" + std::string(failed);
  if (!c.owner.empty()) tell(c.owner, 'm', c, ref.n, "i", text(c.window_until));
  done(ok(0));
}

}  // namespace belfry::routing::model
