// An SMSC: takes binds and submits, answers as real ones do on their better and worse days, sends receipts and citizens'
// messages.
#pragma once

#include <deque>
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
#include "options.h"
#include "smpp_link.h"

namespace sim {

class Smsc {
 public:
  using Json = nlohmann::ordered_json;

  struct Config {
    std::uint16_t port = 0;
    std::string cert_file, key_file;
    std::string system_id, password;  // empty: any
    int version = 0x34;
    bool transceiver = true;
    std::size_t refuse_binds = 0;
    std::int64_t enquire_ms = 30'000;
    std::uint64_t seed = 1;
    bool calm = false;
    // Submits.
    std::size_t window = 0;
    std::int64_t delay_ms = 0;
    double odd = 0;  // of PDUs as only some operators write them
    double rate = 0, queue_full = 0, drop = 0, mute = 0, reorder = 0.05, slow = 0.02;
    std::map<std::uint32_t, double> statuses;
    std::int64_t drop_every_ms = 0;
    std::string ids = "same";
    std::uint64_t count = 0;
    // Receipts.
    std::string receipts = "text", dialect = "standard";
    std::int64_t receipt_delay_ms = 1000;
    double early = 0, intermediate = 0, undeliverable = 0, duplicates = 0.03;
    // What people write.
    std::uint64_t mo = 0;
    double mo_rate = 10, mo_on_submit = 0, lost_parts = 0;
    std::int64_t mo_delay_ms = 0;
    std::vector<std::string> mo_kinds;
    std::string mo_to = "12345";
    bool mo_unique = false;
    bool remember = false;  // submits for /sim/submits
    std::size_t deliver_window = 10;
    std::int64_t deliver_timeout_ms = 10'000, retry_ms = 1000;
    // The bench's.
    std::uint64_t flood = 0;
    std::size_t flood_window = 100;
    std::uint64_t citizens = 20'000;
  };

  Smsc(Loop& loop, Config config, Journal& journal);
  ~Smsc();

  std::uint16_t port() const { return server_->port(); }
  Json report() const;
  void on_done(std::function<void()> then) { done_ = std::move(then); }  // --count reached
  bool quiet() const;

  // For tests: a message from a citizen, in one of mo_kinds(). Returns its mark, or what was wrong.
  std::uint64_t say(const std::string& from, const std::string& to, const std::string& text, const std::string& kind);
  static const std::vector<std::string>& mo_kinds();
  static const std::vector<std::string>& dialects();
  HttpSay control(const HttpAsk& ask);

 private:
  struct Mo {  // one message of a citizen, in one part or several
    std::uint64_t n = 0;
    std::string from, to, text, kind;
    std::size_t parts = 1, acked = 0, lost = 0;
    bool failed = false;
  };
  struct Delivery {
    std::string body;
    std::uint32_t command = smpp::kDeliverSm;
    std::shared_ptr<Mo> mo;  // none: a receipt
    bool final_receipt = true;
    bool repeat = false;  // a second copy: nobody waits for its answer
    std::size_t tries = 0;
  };
  struct Open {
    Delivery delivery;
    std::int64_t sent_ns = 0;
  };
  struct Session {
    std::weak_ptr<SmppLink> link;
    bool bound = false, transmits = false, receives = false, tlvs = false, five = false;
    std::string system_id;
    std::uint32_t sequence = 0;
    std::size_t outstanding = 0;
    std::unordered_map<std::uint32_t, Open> open;
    std::int64_t heard_ms = 0;
    std::uint32_t enquiry = 0;  // of an enquire_link that is not answered
    std::int64_t enquired_ms = 0;
  };
  struct Kept {  // an accepted submit
    std::string source, destination;
    std::int64_t at_ms = 0;
    int state = 2;
  };
  struct Set {  // parts of a long message
    std::map<int, std::string> parts;
    std::vector<std::string> ids;
    bool whole = false;
  };
  using SessionPtr = std::shared_ptr<Session>;

  void opened(const std::shared_ptr<SmppLink>& link);
  void pdus(const std::shared_ptr<SmppLink>& link, std::string_view bytes);
  void closed(const std::shared_ptr<SmppLink>& link);
  void handle(SmppLink& link, const SessionPtr& session, const smpp::Header& header, std::string_view body);
  void bind(SmppLink& link, Session& session, const smpp::Header& header, std::string_view body);
  void submit(SmppLink& link, const SessionPtr& session, const smpp::Header& header, std::string_view body);
  void query(SmppLink& link, const smpp::Header& header, std::string_view body);
  void answered(Session& session, const smpp::Header& header);
  void answer_submit(const SessionPtr& session, std::uint32_t id, std::uint32_t sequence, std::uint32_t status,
                     const std::string& message_id);
  void keep(const smpp::Sm& sm, const std::string& id, bool will_answer, std::function<void()> then);
  void schedule_receipts(const smpp::Sm& sm, std::uint64_t number, bool early);
  void receipt(const smpp::Sm& sm, std::uint64_t number, int state);
  std::string receipt_text(const std::string& dialect, const std::string& id, int state, const std::string& text);
  std::string response_id(std::uint64_t number) const;
  std::string receipt_id(std::uint64_t number) const;
  void enqueue(Delivery delivery);
  void pump();
  void send(SmppLink& link, Session& session, Delivery delivery);
  void give_back(Delivery delivery, std::int64_t in_ms);
  void say_next();
  void look_after();
  void drop_all(bool again);
  bool is_odd();
  std::uint32_t next_sequence(Session& session);

  Loop& loop_;
  Config config_;
  Journal& journal_;
  Chance chance_;
  std::string run_;
  std::unique_ptr<SmppServer> server_;
  std::function<void()> done_;
  std::set<SessionPtr> sessions_;
  std::deque<Delivery> queue_;
  std::size_t waiting_ = 0;  // deliveries and receipts that a timer holds
  std::size_t turn_ = 0;
  double tokens_ = 0;
  std::int64_t tokens_at_ = 0;
  std::uint64_t next_id_, mo_said_ = 0, mo_number_ = 0;
  bool mo_begun_ = false;
  std::int64_t mo_began_ns_ = 0;
  SmppLink* reading_ = nullptr;  // whose read is being handled: its answers go out together
  std::set<std::string> undeliverable_;
  std::unordered_map<std::string, Kept> kept_;
  std::deque<std::string> kept_order_;
  std::unordered_map<std::string, Set> sets_;
  std::deque<std::string> sets_order_;
  std::unordered_map<std::uint64_t, std::uint32_t> texts_;  // hash of destination and text -> how often
  std::deque<Json> recent_;                                 // for /sim/submits
  std::uint64_t recent_n_ = 0;

  // counters
  std::uint64_t links_ = 0, binds_ = 0, binds_refused_ = 0, unbinds_ = 0, enquiries_ = 0, enquired_ = 0, silent_ = 0,
                garbage_ = 0, nacks_ = 0, nacked_ = 0, queries_ = 0, submits_ = 0, accepted_ = 0, messages_ = 0, repeated_ = 0,
                repeated_segments_ = 0, answered_ = 0, over_window_ = 0, throttled_ = 0, refused_ = 0, odd_ = 0, dropped_ = 0,
                muted_ = 0, drops_ = 0, bad_ = 0, receipts_sent_ = 0, receipts_acked_ = 0, repeats_ = 0, deliver_sent_ = 0,
                mo_sent_ = 0, mo_acked_ = 0, mo_failed_ = 0, mo_lost_parts_ = 0, retried_ = 0, unanswered_ = 0, failed_ = 0;
  std::size_t most_outstanding_ = 0, most_deliver_ = 0;
  std::map<std::uint32_t, std::uint64_t> deliver_codes_, submit_codes_;
  std::map<std::string, std::uint64_t> codings_, complaints_;
  Histogram deliver_latency_;
  std::int64_t first_submit_ = 0, last_submit_ = 0, first_deliver_ = 0, last_deliver_ = 0;
};

// The cheapest SMSC there is, for benches: yes to every submit, counts only; and a flood of deliver_sm.
class FastSmsc {
 public:
  FastSmsc(Loop& loop, Smsc::Config config);
  ~FastSmsc();
  std::uint16_t port() const { return server_->port(); }
  Smsc::Json report() const;
  void on_done(std::function<void()> then) { done_ = std::move(then); }

 private:
  struct State {
    bool receives = false, flooding = false;
    std::uint32_t sequence = 0;
    std::size_t outstanding = 0;
    std::vector<std::int64_t> sent_ns;   // by sequence, in a ring
    std::vector<std::uint64_t> numbers;  // likewise, of the message
    std::vector<std::uint64_t> again;    // what was answered with anything but ESME_ROK
  };
  void pdus(const std::shared_ptr<SmppLink>& link, std::string_view bytes);
  void fill(SmppLink& link, State& state);
  void done();

  Loop& loop_;
  Smsc::Config config_;
  std::unique_ptr<SmppServer> server_;
  std::function<void()> done_;
  std::string form_;  // a deliver_sm with slots
  std::size_t slot_from_ = 0, slot_number_ = 0;
  std::vector<std::uint64_t> again_;  // of links that fell
  std::uint64_t run_ = 0, next_ = 0, acked_ = 0, retried_ = 0, submits_ = 0, octets_ = 0, reads_ = 0, binds_ = 0, others_ = 0;
  std::size_t most_outstanding_ = 0;
  std::int64_t first_submit_ = 0, last_submit_ = 0, first_deliver_ = 0, last_deliver_ = 0;
  std::map<std::uint32_t, std::uint64_t> deliver_codes_;
  Histogram latency_;
};

}  // namespace sim
