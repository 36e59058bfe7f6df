// A robot agent on a desk socket (belfry.desk.v1), and the watch that judges from the outside what the robots saw.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base.h"
#include "http.h"
#include "journal.h"
#include "loop.h"
#include "ws.h"

namespace sim {

// What all robots of a run share: promises seen kept or broken, and totals.
class Watch {
 public:
  explicit Watch(Journal& truth) : journal(truth) {}

  void broken(const std::string& promise, const std::string& example);
  void offered(const std::string& conversation, std::int64_t gen, const std::string& agent);
  void assigned(const std::string& conversation, std::int64_t gen, const std::string& agent);
  // A reply that was first sent at `sent_ns` under `gen` was taken: nobody else may have been its owner by then.
  void replied(const std::string& conversation, std::int64_t gen, const std::string& agent, std::int64_t sent_ns);
  std::string another(const std::string& agent, Chance& chance) const;  // a driven agent other than this one, or ''
  bool drives(const std::string& agent, const void* robot);  // the first socket of an agent acts, its other tabs only watch
  void leaves(const std::string& agent, const void* robot);
  std::uint64_t violations() const;
  nlohmann::ordered_json report() const;

  Journal& journal;
  Histogram latency;  // of texts that carry bt=<ns>
  Histogram replies;  // from sending a reply to its ack
  std::uint64_t ready = 0, offers = 0, accepted = 0, messages = 0, marked = 0, sent_replies = 0, acks = 0, nacks = 0,
                resolved = 0;
  std::uint64_t declined = 0, ignored = 0, passed_on = 0, missed = 0;
  std::uint64_t reconnects = 0, resets = 0, updates = 0, log_gaps = 0;
  std::int64_t last_marked_ns = 0;
  std::string last_close;

 private:
  std::map<std::string, std::pair<std::uint64_t, std::string>> broken_;  // promise -> how often, first example
  std::unordered_map<std::string, std::pair<std::int64_t, std::string>>
      offers_;  // conversation -> latest generation offered, to whom
  struct Owner {
    std::int64_t gen = 0;
    std::string agent;
    std::int64_t since_ns = 0;
  };
  std::unordered_map<std::string, Owner> owners_;
  std::map<std::string, const void*> drivers_;
};

class Robot : public std::enable_shared_from_this<Robot> {
 public:
  struct Config {
    std::vector<Url> servers;     // one at least; where one dies, the next
    std::string key;              // Bearer; or
    std::string login, password;  // session, then ticket, as a browser does
    std::string origin;           // for the ticket; the gateway's public_url
    std::int64_t accept_ms = 300, think_low_ms = 1000, think_high_ms = 4000;
    int turns = 3;         // replies before it resolves
    bool unasked = false;  // the next reply does not wait for the citizen to answer
    double decline = 0;    // share of offers
    double ignore = 0;     // share of offers that it leaves unanswered
    double transfer = 0;   // share of what it accepts that it passes on: to another robot, or back to this queue
    std::string transfer_queue;
    double cuts_per_minute = 0;  // pulls its own cable
    bool listen_only = false;    // accept and receive, never answer
    std::uint64_t seed = 1;
    std::function<void(const std::string& who, char direction, std::string_view frame)>
        record;  // every frame, for whoever hunts a bug
  };
  Robot(Loop& loop, WebSocketDialer& dialer, HttpClient& http, Config config, Watch& watch);

  void start();
  void stop();  // offline, then a polite close
  bool idle() const { return !ready_ || (pending_.empty() && duties_ == 0); }
  bool ready() const { return ready_; }

 private:
  struct Conversation {
    std::int64_t gen = 0;
    bool active = false, replying = false, resolving = false;
    std::int64_t last_n = 0;
    int turns = 0;
    bool passes_on = false;
    std::string last_in, language = "en";
  };
  struct Command {
    nlohmann::ordered_json frame;
    std::int64_t sent_ns = 0;
    std::int64_t first_ns = 0;  // a repeat keeps it
  };

  void connect();
  void dial(HttpFields fields, const std::string& protocols);
  void log_in();
  void on_text(std::string_view text);
  bool fast(std::string_view text);
  void on_welcome(const nlohmann::json& frame);
  void on_event(const nlohmann::json& frame);
  void on_offer(const nlohmann::json& offer);
  void on_message(const std::string& conversation, const nlohmann::json& message);
  void on_nack(const nlohmann::json& frame);
  void on_closed(const std::string& why);
  bool count_id(std::int64_t id);
  void mark(std::string_view text);
  void plan_reply(const std::string& conversation);
  void plan_resolve(const std::string& conversation);
  void plan_transfer(const std::string& conversation);
  void finish_wrapup(const std::string& conversation);
  void command(nlohmann::ordered_json frame);
  void send(const std::string& frame);
  void later(std::int64_t ms, std::function<void()> task);
  void cut_sometime();

  Loop& loop_;
  WebSocketDialer& dialer_;
  HttpClient& http_;
  Config config_;
  Watch& watch_;
  Chance chance_;
  std::shared_ptr<WebSocket> socket_;
  std::uint64_t epoch_ = 0;  // of the connection: what was planned on an older one does not touch the newer
  std::string agent_, cookie_;
  std::int64_t last_id_ = -1;
  bool welcomed_ = false, ready_ = false, stopping_ = false, drives_ = false;
  int failures_ = 0;
  std::size_t server_ = 0;  // of config_.servers
  std::size_t duties_ = 0;
  std::map<std::string, Conversation> conversations_;
  std::map<std::string, Command> pending_;  // by client_id, until ack or nack
  std::map<std::string, int> states_;       // message -> rank of the last receipt
  std::string run_;
  std::uint64_t next_command_ = 0;
};

}  // namespace sim
