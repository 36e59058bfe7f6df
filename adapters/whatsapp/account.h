// One WhatsApp number of ours, as configured, and the two small languages this channel speaks about it: addresses of citizens
// (`wa:<portfolio>:<id>`) and the reference to our own message that Meta carries for us.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/message.h"
#include "belfry/private.h"

namespace belfry::whatsapp {

struct Account {
  std::string id;                   // our name of it: the path of its webhook, Inbound.account, Outbound.account
  std::string portfolio;            // business-scoped user ids mean nothing outside it
  std::string phone_number_id;      // Meta's id of the number; updates are routed by it, never by the number as displayed
  std::vector<Secret> app_secrets;  // any of them authenticates a webhook (two during rotation); the first one signs
  Secret verify_token;
  Secret access_token;
  std::string graph_url = "https://graph.facebook.com";
  std::string graph_version = "v26.0";
  int rate = 80;                 // messages a second, in and out together
  bool appsecret_proof = false;  // the app demands appsecret_proof with each call
  Secret ref_key;                // keys the MAC over our message id in biz_opaque_callback_data; empty: no reference is sent
  std::vector<std::string> media_hosts = {
      "lookaside.fbsbx.com"};  // who may be shown the token for a download, besides Graph's host
};

// Takes what an operator rotates while we run: app secrets, verify token, access token. All else of `account` stays.
void take_secrets(Account& account, const Account& from);

// Ids of Meta's become parts of our keys and of URLs: 1 to 160 printable characters, none of them `{}:"\` or a space.
bool is_safe_id(std::string_view id);

std::string address_of(std::string_view portfolio, std::string_view id);  // wa:<portfolio>:<id>
// The id in an address of this portfolio; nothing if the address is another's.
std::optional<std::string_view> id_in(std::string_view address, std::string_view portfolio);
// A phone number (`to`), else a business-scoped user id (`recipient`).
bool is_phone_id(std::string_view id);

// "<conversation>.<n>.<mac>": what we hand over as biz_opaque_callback_data, and read back from a status. The MAC covers the
// number too, so that a status of one number cannot name a message of another. Empty without a ref_key.
std::string seal_ref(const Account& account, const MessageRef& ref);
std::optional<MessageRef> open_ref(const Account& account, std::string_view sealed);

// appsecret_proof: HMAC-SHA256(app secret, token) in hex; empty unless the account asks for it.
std::string proof_of(const Account& account);

}  // namespace belfry::whatsapp
