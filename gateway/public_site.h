// The public listener's table of routes: who answers which path, how large a body he takes.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "gateway/api/api.h"
#include "gateway/auth/auth.h"
#include "gateway/chat/site.h"
#include "gateway/desk_session.h"
#include "gateway/exchange.h"
#include "gateway/services.h"
#include "gateway/static_files.h"
#include "gateway/webhook.h"

namespace belfry::gateway {

class PublicSite : public Site {
 public:
  struct Deps {
    Services& services;
    Webhook& webhook;
    Api& api;
    Auth& auth;
    DeskHub& hub;
    ChatSite& chat;
    const StaticFiles& files;
    std::string public_origin;  // of public_url: scheme://host[:port]
    std::function<void(std::string_view account, std::string payload)> tell_owner;
    std::function<void(const std::string& agent, const std::string& session)> end_session;
  };
  explicit PublicSite(Deps deps) : deps_(std::move(deps)) {}

  Admission admit(const HttpRequest& head) override;
  void serve(std::shared_ptr<Exchange> exchange) override;

  // Every desk socket: 1001 at a stop, announced again after the shard's lease was lost.
  void close_desks(std::uint16_t code, const std::string& reason);  // and opens no more
  void announce_desks();
  std::size_t desks() const { return desks_.size(); }

 private:
  void open_desk(const std::shared_ptr<Exchange>& exchange);
  void start_desk(const std::shared_ptr<Exchange>& exchange, const Subject& subject);

  Deps deps_;
  bool stopping_ = false;
  std::unordered_map<DeskSession*, std::shared_ptr<DeskSession>> desks_;
};

}  // namespace belfry::gateway
