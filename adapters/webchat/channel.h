// One inbox of the web chat as the rest of the house sees it. We are the provider here: what the store keeps is sent, and no
// Sender stands between (sender() answers null).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "belfry/adapter.h"

namespace belfry::webchat {

// web:<visitor>
std::string address_of(std::string_view visitor);

class Channel final : public belfry::Channel {
 public:
  Result<void> check(const Content& content) const override;
  std::optional<Media> file_named(const Content& content) const override;
  // A visitor is written to only in a conversation that he opened.
  Result<std::string> address(std::string_view to) const override;
  std::unique_ptr<Sender> sender(Now now) const override;
};

}  // namespace belfry::webchat
