// The citizen's door: /widget.js and /widget/ (the pages that agencies embed), /ws/chat, and under /chat/{inbox} the same over
// HTTP: events, frames, media, the transcript, and a page that works without JavaScript.
#pragma once

#include <asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gateway/auth/limiter.h"
#include "gateway/chat/session.h"
#include "gateway/chat/visitors.h"
#include "gateway/exchange.h"
#include "gateway/metrics.h"
#include "gateway/static_files.h"

namespace belfry::gateway {

class MediaStore;

class ChatSite {
 public:
  struct Deps {
    Services& services;
    Visitors& visitors;
    MediaStore* media;
    const StaticFiles& files;
    std::string public_origin;
    Metrics& metrics;
  };
  explicit ChatSite(Deps deps);

  static bool handles(std::string_view path);
  Admission admit(const HttpRequest& head) const;
  void serve(const std::shared_ptr<Exchange>& exchange);

  // Every tab hears when to come back, and is closed; no more are opened.
  void close(std::uint16_t code, const std::string& reason);
  // From a desk, to the visitor's tabs on whatever shard.
  void typing(const std::string& visitor, const std::string& agent);
  void seen(const std::string& visitor, const MessageRef& ref);
  std::size_t sockets() const { return sessions_.size(); }
  void start();

 private:
  void open_socket(const std::shared_ptr<Exchange>& exchange);
  void widget(const std::shared_ptr<Exchange>& exchange) const;
  void chat(const std::shared_ptr<Exchange>& exchange);
  void events(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox);
  void frames(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox);
  void upload(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox);
  void download(const std::shared_ptr<Exchange>& exchange);
  void transcript(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox);
  void page(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox);
  void show_page(const std::shared_ptr<Exchange>& exchange, const std::shared_ptr<Guest>& guest, const std::string& problem,
                 const std::string& draft, int status);
  Result<webchat::Visitor> bearer(const HttpRequest& request, const Inbox& inbox) const;
  // Who his Bearer token says; answers 401 and gives nothing if it is not ours.
  std::shared_ptr<Guest> guest_of(const std::shared_ptr<Exchange>& exchange, const Inbox& inbox) const;
  bool listed_origin(std::string_view origin, const Inbox* inbox) const;
  std::string ancestors(const Inbox& inbox) const;
  void pulse();

  Deps deps_;
  Commands commands_;
  Limiter connects_{60, 1'000};  // of one address: so many at once, then one a second
  asio::steady_timer pulse_timer_;
  Gauge tabs_;
  int downloads_ = 0;  // files on their way from the disk
  unsigned pulses_ = 0;
  bool stopping_ = false;
  std::unordered_map<ChatSession*, std::shared_ptr<ChatSession>> sessions_;
};

}  // namespace belfry::gateway
