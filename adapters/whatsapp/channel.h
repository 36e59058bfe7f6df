// One WhatsApp number as the rest of the house sees it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/whatsapp/account.h"
#include "belfry/adapter.h"

namespace belfry::whatsapp {

class Channel final : public belfry::Channel {
 public:
  explicit Channel(Account account) : account_(std::move(account)) {}

  Result<void> check(const Content& content) const override;
  std::optional<Media> file_named(const Content& content) const override;
  bool needs_window(const Content& content) const override;
  WallTime window_until(const Inbound& message) const override;
  Result<std::string> address(std::string_view to) const override;
  std::unique_ptr<belfry::Sender> sender(Now now) const override;
  bool renew(Now now, belfry::Sender& sender) const override;

 private:
  Account account_;
};

}  // namespace belfry::whatsapp
