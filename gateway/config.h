// What the operator wrote: belfry.toml and conf.d/*.toml beside it, checked whole before anything starts.
//
// - All mistakes are told at once, each with its place: `file:line:column: what; why; what to do`.
// - A later file of conf.d overrides single keys of an earlier one; lists of tables ([[whatsapp]], [[queue]], …) add up.
// - An unknown key is a mistake: a typo must not silently mean the default.
// - A secret stands in a file of its own, never here. It is read here once, and printed by nobody (Secret).
// - Relative paths are relative to the directory of the file that names them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "belfry/private.h"
#include "routing/calendar.h"
#include "routing/demand.h"
#include "routing/service_level.h"

namespace belfry::gateway {

// Where a listener listens. Port 0: the kernel chooses, and we print what it chose.
struct ListenAddress {
  bool tls = true;
  std::string host;  // without the brackets of IPv6
  std::uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

struct ServerConfig {
  std::string state_dir = "/var/lib/belfry";
  std::string public_url;  // without a slash at the end; empty: made from the first public listener
  std::string node_id;     // empty: made from the machine's name
  int shards = 0;          // 0: cores minus one, at least one
};

struct ListenConfig {
  std::vector<ListenAddress> publics;
  ListenAddress admin;
  bool h2_websocket = false;
};

struct TlsConfig {
  std::string cert_file, key_file;  // both or none; none: self-signed, made on first start
};

struct OutgoingConfig {
  std::string ca_file;
};

struct RedisConfig {
  std::string url = "embedded";
  std::string user;
  Secret password;
  std::string ca_file;
  std::string prefix = "belfry";
  std::string ledger_url = "embedded";
  std::string durability = "always";  // or "everysec"
  std::optional<int> min_replicas;    // unset: one if the server has a replica
  std::int64_t maxmemory = 0;         // of the embedded server, octets; 0: 35 % of the machine's
  std::int64_t ledger_maxmemory = 0;  // 0: 15 %
  bool embedded() const { return url == "embedded"; }
};

struct WhatsappConfig {
  std::string id, portfolio, phone_number_id;
  std::vector<Secret> app_secrets;  // one, or two while it is being rotated; the first signs
  Secret verify_token, access_token;
  std::string graph_url = "https://graph.facebook.com";
  std::string graph_version = "v26.0";
  int rate = 80;  // messages a second, in and out
  std::string queue;
};

struct SmppConfig {
  std::string id, host;
  std::uint16_t port = 0;
  bool tls = false;
  std::string ca_file;
  std::string system_id;
  Secret password;
  std::string system_type;
  std::string version = "3.4";       // or "5.0"
  std::string bind = "transceiver";  // pair transmitter receiver transceiver
  int binds = 1;
  std::string source;
  int source_ton = -1, source_npi = -1;                          // -1: as the source is written
  std::string country;                                           // calling code of numbers that come without one
  std::int64_t validity_ms = 0;                                  // 0: as the SMSC has it
  std::string receipts = "all";                                  // all last none
  std::string segment_price;                                     // "0.045 EUR": shown before sending; empty: not known
  std::vector<std::string> stop_words, start_words, help_words;  // empty: the usual ones
  std::string stop_answer, start_answer, help_answer;            // empty: ours
  int window = 10;
  int rate = 100;
  std::int64_t enquire_link_ms = 30'000;
  std::int64_t response_timeout_ms = 10'000;
  std::string alphabet = "gsm7";  // gsm7 latin1 ascii
  std::vector<std::string> national;
  std::string longer = "udh8";  // key `long`: udh8 udh16 sar payload
  std::string id_format = "same";
  std::string queue;
  friend bool operator==(const SmppConfig&, const SmppConfig&) = default;
};

struct WebConfig {
  std::string id;
  std::vector<std::string> origins;
  std::vector<std::string> languages;
  std::string queue;
  Secret token_key;               // empty: made on first start
  Secret identity_key;            // of the agency's server, which vouches for who is signed in there; empty: nobody does
  std::vector<std::string> form;  // asked for before the first message: name phone email language; with a ? after it, if he likes
  std::vector<std::string> go_on;  // key `continue`: accounts at which a conversation may go on
  int challenge_after =
      -1;  // new conversations of an address in an hour; 0: never. -1: 20, and this machine's own addresses are free
  int challenge_bits = 16;
  int message_rate = 1;   // a second, of one visitor
  int message_burst = 5;  // and so many at once
  friend bool operator==(const WebConfig&, const WebConfig&) = default;
};

struct FcmConfig {
  Secret service_account;
  std::string url = "https://fcm.googleapis.com";
  friend bool operator==(const FcmConfig&, const FcmConfig&) = default;
};
struct ApnsConfig {
  Secret key;
  std::string key_id, team_id, topic;
  std::string url = "https://api.push.apple.com";
  friend bool operator==(const ApnsConfig&, const ApnsConfig&) = default;
};
struct WebPushConfig {
  std::string subject;
  Secret vapid_key;
  friend bool operator==(const WebPushConfig&, const WebPushConfig&) = default;
};

struct QueueConfig {
  std::string id, name;
  std::vector<std::string> skills;  // "water" or "water:3"
  int priority = 0;
  std::int64_t offer_timeout_ms = 45'000;
  std::string mode = "offer";  // or "auto"
  std::int64_t wrapup_ms = 60'000;
  std::string hours;           // see routing/timetable.h; empty: always open
  std::string zone = "UTC";    // of the hours, an IANA name
  routing::Goals goals;        // key `sla`, in opening hours
  std::int64_t sticky_ms = 0;  // for so long the agent of the last conversation is waited for
  std::vector<routing::Step> steps;
};

struct AlertsConfig {
  int approvals = 2;
  std::int64_t hold_ms = 0;
  std::vector<std::string> sources;
  friend bool operator==(const AlertsConfig&, const AlertsConfig&) = default;
};
struct RetentionConfig {
  int closed_days = 30;
  int archive_months = 24;
  friend bool operator==(const RetentionConfig&, const RetentionConfig&) = default;
};
struct MediaConfig {
  std::int64_t max = 100LL << 20;
  int keep_days = 30;
  friend bool operator==(const MediaConfig&, const MediaConfig&) = default;
};
struct LimitsConfig {
  int connections = 19'000;
  int per_address = 1'000;
  std::int64_t webhook_body = 4LL << 20;
  std::int64_t api_body = 1LL << 20;
  std::int64_t head_timeout_ms = 10'000;
  std::int64_t body_timeout_ms = 30'000;
  std::int64_t idle_timeout_ms = 60'000;
  int open_tokens = 4'000;                // webhook events not yet stored, a shard: 503 above it
  std::int64_t disk_reserve = 1LL << 30;  // free octets under the embedded Redis below which nothing is taken
  friend bool operator==(const LimitsConfig&, const LimitsConfig&) = default;
};
struct LogConfig {
  std::string level = "info";   // debug info warning error
  std::string format = "text";  // or "json"
};

struct Config {
  ServerConfig server;
  ListenConfig listen;
  TlsConfig tls;
  OutgoingConfig outgoing;
  RedisConfig redis;
  std::vector<WhatsappConfig> whatsapp;
  std::vector<SmppConfig> smpp;
  std::vector<WebConfig> web;
  std::optional<FcmConfig> fcm;
  std::optional<ApnsConfig> apns;
  std::optional<WebPushConfig> web_push;
  std::vector<QueueConfig> queues;
  AlertsConfig alerts;
  RetentionConfig retention;
  MediaConfig media;
  LimitsConfig limits;
  LogConfig log;
};

struct ConfigProblem {
  std::string file;
  int line = 0, column = 0;  // 0: the file as a whole
  std::string text;          // what; why; what to do
  bool warning = false;      // told, and no reason not to start
};
// `file:line:column: what; why; what to do`
std::string to_string(const ConfigProblem& problem);

struct LoadedConfig {
  Config config;                        // to be used only if ok()
  std::vector<ConfigProblem> problems;  // in the order of files and lines
  bool ok() const;
};

LoadedConfig load_config(const std::string& path);

// The keys whose change SIGHUP cannot take up: "server.state_dir", "whatsapp.city.graph_url", "whatsapp.new", ….
// It does take up [log], [tls] and what stands in the secret files of [[whatsapp]].
std::vector<std::string> needs_restart(const Config& old_config, const Config& new_config);

// "30s" -> 30000, "1MiB" -> 1048576; nothing if the text is none.
std::optional<std::int64_t> parse_duration_ms(std::string_view text);
std::optional<std::int64_t> parse_size(std::string_view text);
// "https://0.0.0.0:8443"
std::optional<ListenAddress> parse_listen(std::string_view text);
bool is_loopback(std::string_view host);

}  // namespace belfry::gateway
