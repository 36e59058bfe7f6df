// Meta: the Graph API on one side, signed webhooks on the other, and the faults of both.
//
// One instance, one loop, one thread. A send counts as seen, and is answered, after its journal line is on disk; a webhook's yes
// counts as heard after its line is. Nothing here knows belfryd beyond its webhook address.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base.h"
#include "graph.h"
#include "http.h"
#include "journal.h"
#include "loop.h"
#include "options.h"

namespace sim {

using Json = nlohmann::ordered_json;  // Meta's keys have an order; keep it

struct Citizen {
  std::string phone;  // wa_id; empty for a person who shows only a username
  std::string user;   // business-scoped user id
  std::string name, username, language;
};

struct SeenSend {
  std::uint64_t n = 0;
  std::string number;  // the phone_number_id it was sent from
  Send send;
  std::string wamid;
  std::string wa_id;  // whom it reaches
  std::int64_t at = 0;
  bool answered = true;  // false: accepted, but the connection was closed without an answer
};

class Meta {
 public:
  struct Config {
    std::uint16_t port = 0;
    std::vector<std::string> numbers;  // phone_number_ids; updates of several are mixed in one POST
    std::string account = "102290129340398";
    std::string app_secret, verify_token, access_token;
    std::optional<Url> webhook;
    std::vector<Url> more_webhooks;  // gateways of the same name: the next one where a POST fails
    Trust trust;
    std::uint64_t seed = 1;
    bool calm = false;
    std::size_t webhook_connections = 8;
    std::int64_t webhook_timeout_ms = 20'000, give_up_ms = 300'000;
    std::size_t batch = 20;
    // Faults of the Graph API, each a share of the sends.
    double fail = 0, drop_answer = 0, drop_before = 0, undeliverable = 0;
    std::map<int, double> errors;
    std::int64_t slow_ms = 0;
    // What the world does to webhooks.
    double duplicates = 0.03, reorder = 0.1, skip_delivered = 0.05, slow = 0.05;
    std::string statuses = "read";  // none | sent | delivered | read: how far a send gets
    double read_share = 0.8;
    std::int64_t status_delay_ms = 600;
    std::int64_t per_second = 80;  // of one number; 0: no limit
    bool pair_limit = true;
    bool window = false;  // refuse what is sent to somebody who did not write within 24 h
    std::int64_t media_url_ms = 300'000;
    bool expire_media_once = false;
  };

  Meta(Loop& loop, Config config, Journal& journal);
  ~Meta();

  std::uint16_t port() const { return server_->port(); }
  const Config& config() const { return config_; }

  // A citizen's message goes on its way; `message` holds type and payload ("text": {...}). Returns its wamid.
  std::string say(const Citizen& citizen, Json message, const std::string& number = {});
  std::string put_media(std::string bytes, std::string mime);
  void on_send(std::function<void(const SeenSend&)> hear) { hear_ = std::move(hear); }

  // GET hub.challenge as Meta does when the callback is saved; `then` hears "" or what was wrong.
  void handshake(std::function<void(std::string)> then);
  // Posts these very bytes, signed.
  void post_raw(std::string bytes, std::function<void(HttpGot)> then);

  bool quiet() const { return updates_.empty() && posts_open_ == 0 && statuses_due_ == 0; }
  Json stats() const;
  std::uint64_t heard() const { return heard_; }

 private:
  struct Update {
    std::string number;
    Json contact, element;
    bool message;
    std::string wamid;
  };
  struct Post {
    std::string body, signature;
    std::vector<std::string> wamids;
    std::size_t updates = 0;
    int attempt = 0;
    std::int64_t first = 0;
    bool repeat = false;
  };
  struct Media {
    std::string bytes, mime, digest;
    std::int64_t at = 0;
  };
  struct Bucket {
    double tokens = 0;
    std::int64_t at = 0;
  };
  using Answer = HttpServer::Answer;

  void handle(HttpAsk ask, Answer answer);
  void handle_control(const HttpAsk& ask, const std::string& path, const Answer& answer);
  void handle_messages(const HttpAsk& ask, const std::string& number, const Answer& answer);
  void handle_upload(const HttpAsk& ask, const Answer& answer);
  void handle_media(const HttpAsk& ask, const std::string& id, const Answer& answer);
  void handle_download(const HttpAsk& ask, const std::string& path, const Answer& answer);
  void accept(SeenSend seen, const Answer& answer);
  void refuse(const GraphError& error, const Answer& answer);
  void answer_later(HttpSay say, const Answer& answer);
  bool authorized(const HttpAsk& ask, const Answer& answer);
  bool take(Bucket& bucket, double burst, double per_ms);
  void schedule_statuses(const std::shared_ptr<const SeenSend>& seen);
  void schedule_status(const std::shared_ptr<const SeenSend>& seen, const std::string& state, std::int64_t in_ms, int error = 0);
  Json status_json(const SeenSend& seen, const std::string& state, int error);
  void enqueue(Update update);
  void flush();
  void post(const std::shared_ptr<Post>& post);
  std::string new_wamid(const std::string& who);
  Json stamp();

  Loop& loop_;
  Config config_;
  Journal& journal_;
  Chance chance_;
  Signer signer_;
  std::string run_;  // makes this run's ids differ from every other's, whatever the seed
  std::uint64_t next_id_ = 0;
  std::unique_ptr<HttpServer> server_;
  HttpClient& webhook() { return *webhooks_[webhook_]; }
  std::vector<std::unique_ptr<HttpClient>> webhooks_;  // gateways behind one name; where one fails, the next
  std::size_t webhook_ = 0;
  std::function<void(const SeenSend&)> hear_;

  std::deque<Update> updates_;
  bool flush_due_ = false;
  std::size_t posts_open_ = 0;  // being posted, or waiting for their next try
  std::size_t statuses_due_ = 0;

  std::deque<SeenSend> sends_;  // the latest, for /sim/sends
  std::uint64_t next_send_ = 1;
  std::unordered_map<std::string, std::uint32_t> opaques_;  // how often each was seen
  std::unordered_map<std::string, Media> media_;
  std::size_t media_bytes_ = 0;
  std::unordered_map<std::string, std::pair<std::string, std::int64_t>> downloads_;  // token -> media id, expiry
  std::set<std::string> expired_once_;
  std::unordered_map<std::string, Bucket> numbers_, pairs_;
  std::unordered_map<std::string, std::int64_t> wrote_at_;  // number + citizen -> last message
  std::unordered_map<std::string, std::string> users_;      // business-scoped user id -> phone, "" if hidden

  // counters
  std::uint64_t said_ = 0, heard_ = 0, posts_ = 0, repeats_ = 0, retries_ = 0, given_up_ = 0, dropped_ = 0;
  std::uint64_t seen_ = 0, doubled_ = 0, reads_ = 0, typings_ = 0, refused_ = 0, unanswered_ = 0, statuses_ = 0, uploads_ = 0,
                fetches_ = 0;
  std::map<int, std::uint64_t> webhook_codes_, graph_codes_;
};

// The options of every role that plays Meta, and what they mean.
void add_meta_options(Options& options);
Meta::Config meta_config(const Options& options);

}  // namespace sim
