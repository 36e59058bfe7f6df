// Brings a citizen's file from Meta into our store, before Meta forgets it (7 days).
//
// A webhook names a media id. GET /<version>/<id> answers with an address that lives 5 minutes and wants the same token; from
// there the file is fetched. Each resolving and each fetching that Meta refuses is a try; three tries, then it is given up: some
// 20 failing GETs in an hour can block the number. A refused fetch (an expired address, most often) is resolved again at once,
// else after a minute and after 6 hours. What never reached Meta counts for nothing and is repeated within 24 hours.
//
// The token goes to Graph's own host and to Account::media_hosts only.
//
// - Like a Sender it is a state machine over values: emits Call, Fetch and Wake; the shard hands back the answers.
// - Jobs live here and not on disk: after a restart the gateway wants() again what its log shows as missing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapters/whatsapp/account.h"
#include "belfry/adapter.h"

namespace belfry::whatsapp {

struct MediaJob {
  std::string key;       // the caller's own name of it, unique among open jobs
  std::string media_id;  // Media::provider_id
  std::string sha256;    // lower-case hex, from the webhook; empty: Graph's own is taken
  int tries = 0;         // already spent, if a former owner counted
};

struct StoredFile {
  std::string sha256;  // its name in the store
  std::int64_t size = 0;
  std::string mime;
};

struct MediaDone {
  std::string key;
  Result<StoredFile>
      file;  // kNotFound: Meta has it no more, or three tries failed. kTooLarge: over our limit. kBadInput: its digest differs
};

class MediaFetcher {
 public:
  static constexpr int kMaxTries = 3;
  static constexpr std::size_t kMaxOpen = 8;       // at once
  static constexpr std::size_t kMaxJobs = 10'000;  // waiting; beyond it want() refuses

  MediaFetcher(Account account, std::int64_t max_bytes);

  // kBusy: too many jobs; want it again later. kBadInput: the id cannot be one.
  Result<void> want(Now now, MediaJob job, Effects& effects);
  void on_response(Now now, CallId id, Result<HttpResponse> answer, Effects& effects);  // of a Call
  void on_fetched(Now now, CallId id, Result<StoredFile> file, Effects& effects);       // of a Fetch
  void on_wake(Now now, Effects& effects);

  // From the next call on.
  void set_secrets(const Account& fresh) { take_secrets(account_, fresh); }

  // What came to an end since the last call.
  std::vector<MediaDone> take_done();
  std::size_t jobs() const { return waiting_.size() + open_.size(); }

 private:
  struct Job {
    MediaJob wanted;
    Instant since;
  };
  void start(Now now, Effects& effects);
  void fetch(Now now, Job job, const HttpResponse& answer, Effects& effects);
  // One try failed at Meta; `at_once` if resolving again may help.
  void failed(Now now, Job job, bool at_once);
  void unreached(Now now, Job job);
  void finish(Job& job, Result<StoredFile> file);
  bool may_hold_token(std::string_view url) const;

  Account account_;
  std::int64_t max_bytes_;
  std::vector<std::string> hosts_;
  std::multimap<Instant, Job> waiting_;  // by when its turn comes
  std::unordered_map<CallId, Job> open_;
  std::vector<MediaDone> done_;
  CallId next_call_ = 1;
};

}  // namespace belfry::whatsapp
