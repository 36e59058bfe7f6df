// One tab of an agent: belfry.desk.v1 over one WebSocket, from hello to close.
//
//   hello -> subscribe -> session in the store -> replay and view -> welcome, the missed events, then live ones
//
// A desk is open only as long as what it was opened with: an agent removed, a key revoked, a session ended (sign-out, a new
// password) close it with 4401 "signed out", wherever that was done.
//
// Each frame that changes something is answered once, by ack or nack, when the store has answered. At most eight are in the
// store's hands at a time: past that the socket is not read.
#pragma once

#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/desk/frames.h"
#include "gateway/auth/commands.h"
#include "gateway/auth/subject.h"
#include "gateway/desk_hub.h"
#include "gateway/exchange.h"
#include "gateway/queue_watch.h"
#include "gateway/services.h"

namespace belfry::gateway {

class DeskSession : public DeskListener, public std::enable_shared_from_this<DeskSession> {
 public:
  struct Deps {
    Services& services;
    DeskHub& hub;
    std::function<void(std::string_view account, std::string payload)> tell_owner;
    // A session's end must reach the store even if the store is away right now.
    std::function<void(const std::string& agent, const std::string& session)> end_session;
    // Asks the store whether this subject may still act: kUnauthorized if not.
    std::function<void(const Subject&, std::function<void(Result<Subject>)>)> confirm;
    // To his page at once, if it is open.
    std::function<void(const std::string& visitor, const std::string& agent)> visitor_typing;
    std::function<void(const std::string& visitor, const MessageRef& ref)> visitor_read;
    std::function<void(DeskSession*)> gone;  // the last call: the registry may drop its reference
  };

  DeskSession(Deps deps, std::shared_ptr<WebSocket> socket, Subject subject, std::string session_id);

  void start();
  void close(std::uint16_t code, std::string_view reason);
  // Closes once every frame that was read has its answer; reads no more until then.
  void finish(std::uint16_t code, std::string_view reason);
  // After this shard's sessions were lost in the store (its lease lapsed): they are announced again.
  void announce();

  void on_event(std::int64_t seq, const std::string& frame) override;
  void on_lost() override;
  void on_doubt() override;
  void on_passing(const std::string& frame) override;

 private:
  using Outcome = routing::Outcome;
  void on_text(std::string&& text);
  void hello(const desk::Frame& frame);
  void catch_up(std::int64_t after);
  void welcome(const routing::DeskView& view, const routing::Replay& replay, bool asked);
  void handle(const desk::Frame& frame);
  void set_availability(const desk::Frame& frame);
  void direct(const desk::Frame& frame);
  void watch(const desk::Frame& frame);
  void show_watched();
  void reply(desk::Frame frame);
  void send(const desk::Frame& frame, const std::string& account);
  std::string next_to_ask(const desk::Frame& frame);  // empty: nobody
  void mark(const desk::Frame& frame);
  void typing(const desk::Frame& frame);
  // Answers `frame` when the store has.
  routing::Store::Done<Outcome> answer(const desk::Frame& frame);
  void ack(const std::string& client_id, const std::string& id);
  void nack(const std::string& client_id, const wire::Problem& problem);
  void ended(std::uint16_t code);
  void hold();
  void release();

  Deps deps_;
  std::shared_ptr<WebSocket> socket_;
  Subject subject_;
  std::string agent_;
  Commands commands_;
  std::string session_id_;
  enum class Phase : std::uint8_t { kNew, kJoining, kLive, kClosed } phase_ = Phase::kNew;
  std::int64_t sent_ = -1;                                   // the last event id that was sent
  std::vector<std::pair<std::int64_t, std::string>> early_;  // live events that came before the welcome
  asio::steady_timer doubt_timer_, watch_timer_;
  std::unique_ptr<QueueWatch> watch_;  // while he watches
  bool finishing_ = false;
  std::uint16_t finish_code_ = 1001;
  std::string finish_reason_;
  int open_ = 0;  // frames the store has not answered
  std::map<std::string, std::string>
      asked_;  // conversation -> whom it was offered to warmly, each with a time, as Waiting::excluded
  std::map<std::string, std::pair<std::string, std::string>> accounts_;  // conversation -> account, address (small cache)
};

}  // namespace belfry::gateway
