// One tab of a visitor: belfry.chat.v1 from hello to close, over a WebSocket or as a stream of server-sent events.
//
//   hello -> join the hub -> read the log -> welcome, what he missed, then live
//
// A live entry that does not follow the last one shown (a note stands between, or a publish was lost) makes the session read the
// log from there. At most eight frames of a socket are in the store's hands: past that it is not read.
#pragma once

#include <asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/webchat/frames.h"
#include "gateway/chat/hub.h"
#include "gateway/chat/visitors.h"
#include "gateway/exchange.h"

namespace belfry::gateway {

// Where frames go.
class ChatStream {
 public:
  virtual ~ChatStream() = default;
  virtual void send(std::string_view frame) = 0;
  virtual void close(std::uint16_t code, std::string_view reason) = 0;
  virtual void pause() {}
  virtual void resume() {}
  virtual void beat() {}                            // keeps proxies from closing what is silent
  std::function<void(std::string&& text)> on_text;  // never, of a stream of events
  std::function<void()> on_close;                   // once, last
};
std::unique_ptr<ChatStream> stream_over(std::shared_ptr<WebSocket> socket);
std::unique_ptr<ChatStream> stream_over(std::shared_ptr<Exchange> exchange);  // begins the answer

class ChatSession : public ChatListener, public std::enable_shared_from_this<ChatSession> {
 public:
  struct Deps {
    Visitors& visitors;
    // Whether this inbox may be embedded where the socket was opened.
    std::function<bool(const Inbox& inbox)> may_embed;
    std::function<void(ChatSession*)> gone;  // the last call: the registry may drop its reference
  };
  ChatSession(Deps deps, std::unique_ptr<ChatStream> stream, std::string peer);
  ~ChatSession() override;

  // Waits for a hello, two seconds.
  void start();
  // The hello came with the request.
  void start(const Inbox& inbox, const webchat::Visitor& who, std::int64_t last_id);
  // Only the welcome, then it ends: for a hello over POST.
  void greet(const Inbox& inbox, const webchat::Visitor& who, std::int64_t last_id);
  void beat() { stream_->beat(); }
  // Says when to come back, if so, and closes.
  void bye(std::uint16_t code, std::string_view reason, int retry_after_s = 0);

  const std::string& visitor() const override { return guest_->who.id; }
  void on_entry(const MessageRef& ref, State state, const std::string& entry) override;
  void on_seen(const MessageRef& ref) override;
  void on_typing(const std::string& agent) override;
  void on_change(std::string_view kind, const std::string& agent, const std::string& queue, const std::string& why) override;
  void look_again() override;
  void on_pulse() override;
  void announce(const Announcement& what, const std::string& frame) override;

 private:
  enum class Phase : std::uint8_t { kNew, kJoining, kLive, kClosed };
  void on_text(std::string&& text);
  void hello(const webchat::Frame& frame);
  void begin(std::int64_t last_id);
  void welcome(Visitors::Shown shown, const std::string& agent);
  void catch_up();
  void show(const webchat::MessageView& message);
  void become(const webchat::Visitor& who);
  void tell_place();
  void take_up(const routing::Card& card);
  void ended();
  void give_up();

  // What is needed until the hello came.
  struct Door {
    asio::steady_timer timer;
    std::function<bool(const Inbox& inbox)> may_embed;
  };
  Visitors& visitors_;
  std::function<void(ChatSession*)> gone_;
  std::unique_ptr<ChatStream> stream_;
  std::shared_ptr<Guest> guest_;
  Phase phase_ = Phase::kNew;
  std::unique_ptr<Door> door_;
  std::string state_, queue_;  // of the conversation
  MessageRef last_;            // the last entry that was shown, or was not his to see
  bool only_welcome_ = false;
  bool reading_ = false;  // the log
  bool again_ = false;    // and it may have grown meanwhile
  webchat::QueueView told_;
  int open_ = 0;  // frames the store has not answered
  int bad_ = 0;   // frames that could not be read
};

}  // namespace belfry::gateway
