// The accounts of the configuration, as their channels know them.
#pragma once

#include <vector>

#include "adapters/whatsapp/account.h"
#include "belfry/private.h"
#include "gateway/chat/inbox.h"
#include "gateway/config.h"
#include "gateway/services.h"

namespace belfry::gateway {

// `ref_key` keys the MAC of what Meta carries for us.
std::vector<whatsapp::Account> whatsapp_accounts(const Config& config, const Secret& ref_key);
// All accounts; `whatsapp` is what whatsapp_accounts() made of the same configuration.
std::vector<AccountInfo> account_infos(const Config& config, const std::vector<whatsapp::Account>& whatsapp);
// The inboxes of the web chat, with the keys that sign for them.
std::vector<Inbox> inboxes_of(const Config& config, const Secret& ref_key);

}  // namespace belfry::gateway
