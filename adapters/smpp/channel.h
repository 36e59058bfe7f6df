// One account at an SMSC as the rest of the house sees it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/smpp/account.h"
#include "belfry/adapter.h"

namespace belfry::smpp {

class Channel final : public belfry::Channel {
 public:
  explicit Channel(Account account) : account_(std::move(account)) {}

  Result<void> check(const Content& content) const override;
  Result<std::string> address(std::string_view to) const override;
  std::optional<Inbound> join(const std::map<int, std::string>& parts, int of, WallTime at) const override;
  std::unique_ptr<belfry::Sender> sender(Now now) const override;
  std::unique_ptr<belfry::Sender> tester(Now now) const override;
  bool renew(Now now, belfry::Sender& sender) const override;
  Result<Preview> preview(std::string_view text) const override;

 private:
  Account account_;
};

}  // namespace belfry::smpp
