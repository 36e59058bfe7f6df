// Sends through the Graph API, one instance per number.
//
// A message goes out as one POST, after its file (if it names one of ours) was uploaded. What its answer means:
//
//   2xx with a wamid              accepted: Receipt sent. Delivery is told by the webhook, later.
//   a Graph error (any status)    definitely not accepted: by its row in errors.h it is Returned (and so sent again), Held, or
//   failed. 5xx without a Graph error     who answered is unknown: Receipt uncertain; an alert is Returned, for a doubled alert
//   is better than none. 3xx, 4xx without a Graph error   not accepted (a proxy, a wrong graph_url): Returned, at most five
//   times. 2xx without a wamid, timeout, closed link   Receipt uncertain, in every lane: Meta has no idempotency key, so a repeat
//   could double.
//                                 Our reference in biz_opaque_callback_data lets a status settle it.
//   kUnavailable, kBusy           nothing was sent: Returned, and the account pauses 1, 2, 4 … 30 s.
//
// Retries wait 2, 8, 30, 120, 600 s (an alert 1, 2, 4, 8, 16 s); after the fifth the message fails. The count lives here: a new
// owner of the lease starts anew. Nothing is jittered: one number has one Sender, so there is no herd to scatter, and a test sees
// the same twice.
//
// - Thread and clock: none; the shard that holds the account's lease calls it with its time.
// - Bounds: 256 messages open, 64 receipts of reading, 8 uploads, 20,000 counted messages, 10,000 known uploads.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "adapters/whatsapp/account.h"
#include "adapters/whatsapp/errors.h"
#include "adapters/whatsapp/limits.h"
#include "belfry/adapter.h"

namespace belfry::whatsapp {

class Sender : public belfry::Sender {
 public:
  static constexpr std::size_t kWindow = 256;
  static constexpr int kMaxTries = 5;

  Sender(Account account, Now start);

  Credit credit(Now now) const override;
  // Beyond the window, while held, or over the pair limit, the message is Returned at once.
  void send(Now now, Outbound message, Effects& effects) override;
  void on_response(Now now, CallId id, Result<HttpResponse> answer, Effects& effects) override;
  // What waits for an upload is Returned; what was posted keeps waiting for its answer.
  void drain(Now now, Effects& effects) override;

  // A message of this citizen came in: it counts against the number's throughput.
  void on_inbound(Now now, const std::string& address) override;
  // The citizen sees that his message was read (and all before it), or that an answer is being written. Best effort: past 64
  // open ones it is dropped, its failure changes nothing, except that a refused token holds the account.
  void mark_read(Now now, std::string_view wamid, Effects& effects) override;
  void typing(Now now, std::string_view wamid, Effects& effects) override;

  // From the next call on; calls under way end with the secrets they began with. Answers whether the token is another one: then
  // an account that was held or paused may try at once, one message first.
  bool set_secrets(Now now, const Account& fresh);

  // For metrics.
  double rate(Now now) const { return pace_.rate(now.mono); }
  std::size_t in_flight() const { return in_flight_; }

 private:
  enum class Stage : std::uint8_t { kPost, kUpload, kRead };
  struct Open {
    Stage stage = Stage::kPost;
    std::string file;                // kUpload: the sha256
    std::vector<Outbound> messages;  // kPost: one; kUpload: all that wait for this file; kRead: none
  };
  struct Uploaded {
    std::string media_id;
    Instant until;
  };

  void post(Now now, Outbound message, std::string_view media_id, Effects& effects);
  void upload(Now now, const Media& file, Outbound message, Effects& effects);
  void on_posted(Now now, Outbound& message, const Result<HttpResponse>& answer, Effects& effects);
  void on_uploaded(Now now, Open& open, const Result<HttpResponse>& answer, Effects& effects);
  void read(Now now, std::string_view wamid, bool typing, Effects& effects);

  // What a Graph error means for one message.
  void refuse(Now now, const Outbound& message, const HttpResponse& answer, const GraphError& error, Effects& effects);
  void retry(Now now, const Outbound& message, const std::string& reason, Effects& effects);
  void give_back(Now now, const Outbound& message, std::int64_t wait_ms, std::string reason, Effects& effects);
  void settle(Now now, const Outbound& message, State state, std::string reason, Effects& effects, std::string provider_id = {});
  void hold(Now now, std::int64_t wait_ms, std::string reason, Effects& effects);
  void pause(Now now);
  void reached();
  void tell(Now now, int code, const GraphError& error, Effects& effects);
  void learn_address(Now now, const Outbound& message, std::string_view wa_id, Effects& effects);
  int count_try(Now now, const MessageRef& ref);

  Account account_;
  Pace pace_;
  Pairs pairs_;

  // Calls without an answer yet.
  std::unordered_map<CallId, Open> open_;
  CallId next_call_ = 1;
  Token next_token_ = 1;
  std::size_t in_flight_ = 0;  // messages in open_
  std::size_t uploads_ = 0;
  std::size_t reads_ = 0;

  // Why nothing leaves: an operator's matter, or Graph out of reach. After either one message goes first, alone.
  Instant held_until_;
  bool probing_ = false;
  std::int64_t next_hold_ms_ = 0;
  std::int64_t next_pause_ms_ = 0;
  bool draining_ = false;

  struct Tried {
    int tries = 0;
    Instant last;
  };
  std::unordered_map<std::string, Tried> tried_;          // by public id
  std::unordered_map<std::string, Uploaded> uploaded_;    // by sha256
  std::map<int, Instant> told_;                           // by code: an operator hears of each once an hour
  std::unordered_map<std::string, std::string> learned_;  // dialled address -> wa_id that Meta answered
};

}  // namespace belfry::whatsapp
