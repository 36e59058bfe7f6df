// See media.h.
#include "adapters/whatsapp/media.h"

#include <algorithm>
#include <array>
#include <utility>

#include "adapters/whatsapp/errors.h"
#include "adapters/whatsapp/request.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/json.h"

namespace belfry::whatsapp {
namespace {

constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kDayMs = 24LL * 60 * kMinuteMs;
constexpr std::array<std::int64_t, 2> kWaitMs = {kMinuteMs, 6LL * 60 * kMinuteMs};  // after the first and the second try

// The host of an http(s) address without user, port and path; empty if it is none, or tries to look like another.
std::string host_of(std::string_view url) {
  const auto scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  std::string_view rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("/?#"));
  if (rest.find_first_of("@\\ ") != std::string_view::npos) return {};
  if (rest.starts_with('[')) return std::string(rest.substr(0, std::min(rest.find(']'), rest.size() - 1) + 1));
  std::string host(rest.substr(0, rest.find(':')));
  std::transform(host.begin(), host.end(), host.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return host;
}

std::string scheme_of(std::string_view url) { return std::string(url.substr(0, url.find("://"))); }

}  // namespace

MediaFetcher::MediaFetcher(Account account, std::int64_t max_bytes)
    : account_(std::move(account)), max_bytes_(max_bytes), hosts_(account_.media_hosts) {
  hosts_.push_back(host_of(account_.graph_url));
}

Result<void> MediaFetcher::want(Now now, MediaJob job, Effects& effects) {
  // The id becomes a segment of a path.
  if (!is_safe_id(job.media_id) || job.media_id.find_first_of("/?#%&.") != std::string::npos) {
    return fail(Errc::kBadInput, "whatsapp: unusable media id");
  }
  if (jobs() >= kMaxJobs) return fail(Errc::kBusy, "whatsapp: too many media to fetch");
  waiting_.emplace(now.mono, Job{std::move(job), now.mono});
  start(now, effects);
  return {};
}

void MediaFetcher::start(Now now, Effects& effects) {
  while (open_.size() < kMaxOpen && !waiting_.empty() && waiting_.begin()->first <= now.mono) {
    Job job = std::move(waiting_.extract(waiting_.begin()).mapped());
    std::string what = job.wanted.media_id + "?phone_number_id=" + account_.phone_number_id;
    // A GET has no body to carry the proof. It proves the token and is of no use without it.
    if (const std::string proof = proof_of(account_); !proof.empty()) what += "&appsecret_proof=" + proof;
    const CallId id = next_call_++;
    effects.emplace_back(Call{id, "GET", graph_address(account_, what), graph_headers(account_), {}});
    open_.emplace(id, std::move(job));
  }
  if (open_.size() < kMaxOpen && !waiting_.empty()) effects.emplace_back(Wake{waiting_.begin()->first});
}

void MediaFetcher::on_response(Now now, CallId id, Result<HttpResponse> answer, Effects& effects) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  Job job = std::move(found->second);
  open_.erase(found);
  if (!answer) {
    unreached(now, std::move(job));
  } else if (answer->status != 200) {
    const auto error = graph_error(*answer);
    const Act act = error ? fault_of(error->code, error->transient).act : Act::kRetry;
    // A refused token or a throttled app says nothing about this file: wait, and keep the tries.
    if (act == Act::kHold || act == Act::kThrottle || answer->status == 429) {
      unreached(now, std::move(job));
    } else {
      failed(now, std::move(job), false);
    }
  } else {
    fetch(now, std::move(job), *answer, effects);
  }
  start(now, effects);
}

void MediaFetcher::fetch(Now now, Job job, const HttpResponse& answer, Effects& effects) {
  wire::JsonReader reader;
  const auto root = reader.read(answer.body);
  simdjson::dom::object said;
  if (!root || root->get(said) != simdjson::SUCCESS) return failed(now, std::move(job), false);
  const std::string url(wire::text_at(said, "url"));
  const std::int64_t size = wire::int_at(said, "file_size").value_or(0);
  if (!may_hold_token(url))
    return finish(job, fail(Errc::kForbidden, "whatsapp: the media is kept at a host that may not see our token"));
  if (size > max_bytes_) return finish(job, fail(Errc::kTooLarge, "whatsapp: the media is larger than our limit"));
  std::string sha256 = job.wanted.sha256;
  if (sha256.empty()) {
    const auto octets = wire::from_hex(wire::text_at(said, "sha256"));
    if (octets && octets->size() == 32) sha256 = wire::to_hex(*octets);
  }
  const CallId id = next_call_++;
  effects.emplace_back(Fetch{id, url, graph_headers(account_), std::move(sha256), max_bytes_, hosts_});
  open_.emplace(id, std::move(job));
}

void MediaFetcher::on_fetched(Now now, CallId id, Result<StoredFile> file, Effects& effects) {
  const auto found = open_.find(id);
  if (found == open_.end()) return;
  Job job = std::move(found->second);
  open_.erase(found);
  if (file) {
    finish(job, std::move(file));
  } else if (file.error().code == Errc::kTooLarge) {
    finish(job, tl::unexpected<Error>(file.error()));
  } else if (file.error().code == Errc::kBusy) {
    unreached(now, std::move(job));
  } else {
    // kUnavailable is also what a 5xx of the media host becomes, so here, right after an answer of Graph's, it counts.
    const Errc code = file.error().code;
    const bool broken = code == Errc::kTimeout || code == Errc::kClosed || code == Errc::kUnavailable;
    if (job.wanted.tries + 1 >= kMaxTries && file.error().code == Errc::kBadInput) {
      finish(job, tl::unexpected<Error>(file.error()));
    } else {
      failed(now, std::move(job), !broken);
    }
  }
  start(now, effects);
}

void MediaFetcher::failed(Now now, Job job, bool at_once) {
  const int tries = ++job.wanted.tries;
  if (tries >= kMaxTries) return finish(job, fail(Errc::kNotFound, "whatsapp: three tries to fetch a media failed"));
  const std::int64_t wait_ms = at_once && tries == 1 ? 0 : kWaitMs.at(static_cast<std::size_t>(tries - 1));
  waiting_.emplace(now.mono + wait_ms, std::move(job));
}

void MediaFetcher::unreached(Now now, Job job) {
  if (now.mono - job.since >= kDayMs) return finish(job, fail(Errc::kUnavailable, "whatsapp: Meta out of reach for a day"));
  // A thousand jobs must not knock each minute: the older, the rarer.
  const std::int64_t wait_ms = std::clamp((now.mono - job.since) / 2, kMinuteMs, 60 * kMinuteMs);
  waiting_.emplace(now.mono + wait_ms, std::move(job));
}

void MediaFetcher::finish(Job& job, Result<StoredFile> file) {
  done_.push_back(MediaDone{std::move(job.wanted.key), std::move(file)});
}

bool MediaFetcher::may_hold_token(std::string_view url) const {
  const std::string host = host_of(url);
  const bool known = !host.empty() && std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end();
  // Plain http only where Graph itself is plain, which is a test on loopback.
  return known && (url.starts_with("https://") || scheme_of(url) == scheme_of(account_.graph_url)) && url.size() <= 4096;
}

void MediaFetcher::on_wake(Now now, Effects& effects) { start(now, effects); }

std::vector<MediaDone> MediaFetcher::take_done() { return std::exchange(done_, {}); }

}  // namespace belfry::whatsapp
