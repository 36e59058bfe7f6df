#include "gateway/media_fetch.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "gateway/http_call.h"
#include "gateway/log.h"
#include "routing/record.h"

namespace belfry::gateway {
namespace {

constexpr int kBatch = 8;

}  // namespace

struct MediaFetch::Lane {
  Lane(asio::io_context& loop, const whatsapp::Account& account, std::int64_t max_bytes)
      : id(account.id), fetcher(account, max_bytes), timer(loop) {}

  std::string id;
  whatsapp::MediaFetcher fetcher;
  asio::steady_timer timer;
  std::int64_t epoch = 0;
  bool looking = false;
  std::map<std::string, MessageRef> open;  // the fetcher's key -> whose media it is
};

MediaFetch::MediaFetch(Services& services, const std::vector<whatsapp::Account>& accounts, std::int64_t max_bytes)
    : services_(services) {
  for (const whatsapp::Account& account : accounts)
    lanes_[account.id] = std::make_unique<Lane>(services.loop, account, max_bytes);
}

MediaFetch::~MediaFetch() = default;

void MediaFetch::on_leases(const std::vector<routing::Granted>& leases, Instant) {
  for (auto& [id, lane] : lanes_) {
    const auto grant =
        std::find_if(leases.begin(), leases.end(), [name = "acct:" + id](const auto& g) { return g.name == name; });
    lane->epoch = grant == leases.end() ? 0 : grant->epoch;
    if (lane->epoch != 0) look(*lane);
  }
}

void MediaFetch::set_secrets(const std::vector<whatsapp::Account>& fresh) {
  for (const whatsapp::Account& account : fresh) {
    if (const auto it = lanes_.find(account.id); it != lanes_.end()) it->second->fetcher.set_secrets(account);
  }
}

void MediaFetch::look(Lane& lane) {
  if (lane.looking || lane.open.size() >= kBatch) return;
  lane.looking = true;
  services_.store.media_due(
      lane.id, {services_.shard, lane.epoch}, kBatch, [this, &lane](Result<std::vector<routing::MediaJob>> jobs) {
        lane.looking = false;
        if (!jobs) return;  // the next beat asks again
        for (routing::MediaJob& job : *jobs) {
          const auto entry = routing::decode_entry(job.entry);
          const std::string key = public_id(job.ref);
          if (!entry || !entry->content.media || lane.open.contains(key)) continue;
          Effects effects;
          const auto wanted = lane.fetcher.want(
              services_.now(), {key, entry->content.media->provider_id, entry->content.media->sha256, 0}, effects);
          if (wanted) {
            lane.open[key] = job.ref;
          } else if (wanted.error().code == Errc::kBadInput) {
            services_.store.media_done(lane.id, job.ref, "", 0, "no_such_id", [](const Result<routing::Outcome>&) {});
          }
          run(lane, std::move(effects));
        }
      });
}

void MediaFetch::run(Lane& lane, Effects effects) {
  for (Effect& effect : effects) {
    if (auto* call = std::get_if<Call>(&effect)) {
      services_.http.call(*call, [this, &lane, id = call->id](Result<HttpResponse> answer) {
        Effects more;
        lane.fetcher.on_response(services_.now(), id, std::move(answer), more);
        run(lane, std::move(more));
      });
    } else if (auto* fetch = std::get_if<Fetch>(&effect)) {
      services_.http.fetch(*fetch, [this, &lane, id = fetch->id](Result<HttpClient::Fetched> file) {
        Effects more;
        Result<whatsapp::StoredFile> stored =
            file ? Result<whatsapp::StoredFile>(whatsapp::StoredFile{file->sha256, file->size, file->mime})
                 : Result<whatsapp::StoredFile>(tl::unexpected(file.error()));
        lane.fetcher.on_fetched(services_.now(), id, std::move(stored), more);
        run(lane, std::move(more));
      });
    } else if (auto* wake = std::get_if<Wake>(&effect)) {
      lane.timer.expires_after(std::chrono::milliseconds(std::max<std::int64_t>(0, wake->at - services_.now().mono)));
      lane.timer.async_wait([this, &lane](std::error_code error) {
        if (error) return;
        Effects more;
        lane.fetcher.on_wake(services_.now(), more);
        run(lane, std::move(more));
      });
    }
  }
  collect(lane);
}

void MediaFetch::collect(Lane& lane) {
  for (whatsapp::MediaDone& done : lane.fetcher.take_done()) {
    const auto open = lane.open.find(done.key);
    if (open == lane.open.end()) continue;
    if (done.file) {
      ++counts_.fetched;
    } else {
      ++counts_.failed;
      log_warning("media_given_up", {{"account", lane.id}, {"message", done.key}, {"why", name_of(done.file.error().code)}});
    }
    // If the store does not hear this, the job is handed out again, and the fetch finds the file there.
    services_.store.media_done(lane.id, open->second, done.file ? done.file->sha256 : "", done.file ? done.file->size : 0,
                               done.file ? "" : name_of(done.file.error().code), [](const Result<routing::Outcome>&) {});
    lane.open.erase(open);
  }
}

}  // namespace belfry::gateway
