// See account.h.
#include "adapters/whatsapp/account.h"

#include <algorithm>

#include "adapters/wire/crypto.h"

namespace belfry::whatsapp {
namespace {

constexpr std::size_t kMaxId = 160;     // CC.ENT. and 128 characters, with room
constexpr std::size_t kMacOctets = 16;  // of the 32: guessing one in 2^128 is enough

std::string mac_of(const Account& account, std::string_view id) {
  std::string text = account.phone_number_id;
  text.append("|").append(id);
  return wire::to_hex(wire::hmac_sha256(account.ref_key.reveal(), text).substr(0, kMacOctets));
}

}  // namespace

void take_secrets(Account& account, const Account& from) {
  account.app_secrets = from.app_secrets;
  account.verify_token = from.verify_token;
  account.access_token = from.access_token;
}

bool is_safe_id(std::string_view id) {
  return !id.empty() && id.size() <= kMaxId && std::all_of(id.begin(), id.end(), [](char c) {
    return c > ' ' && c < '\x7f' && c != '{' && c != '}' && c != ':' && c != '"' && c != '\\';
  });
}

std::string address_of(std::string_view portfolio, std::string_view id) {
  std::string address;
  address.reserve(portfolio.size() + id.size() + 4);
  return address.append("wa:").append(portfolio).append(":").append(id);
}

std::optional<std::string_view> id_in(std::string_view address, std::string_view portfolio) {
  if (!address.starts_with("wa:")) return std::nullopt;
  address.remove_prefix(3);
  if (!address.starts_with(portfolio) || address.size() <= portfolio.size() || address[portfolio.size()] != ':')
    return std::nullopt;
  address.remove_prefix(portfolio.size() + 1);
  if (!is_safe_id(address)) return std::nullopt;
  return address;
}

bool is_phone_id(std::string_view id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string seal_ref(const Account& account, const MessageRef& ref) {
  if (account.ref_key.empty()) return {};
  std::string id = public_id(ref).substr(4);  // without msg_
  const std::string mac = mac_of(account, id);
  return id.append(".").append(mac);
}

std::optional<MessageRef> open_ref(const Account& account, std::string_view sealed) {
  const auto dot = sealed.rfind('.');
  if (account.ref_key.empty() || dot == std::string_view::npos || sealed.size() > 512) return std::nullopt;
  const std::string_view id = sealed.substr(0, dot);
  if (!wire::equal_constant_time(mac_of(account, id), sealed.substr(dot + 1))) return std::nullopt;
  return parse_message_id(std::string("msg_").append(id));
}

std::string proof_of(const Account& account) {
  if (!account.appsecret_proof || account.app_secrets.empty()) return {};
  return wire::to_hex(wire::hmac_sha256(account.app_secrets.front().reveal(), account.access_token.reveal()));
}

}  // namespace belfry::whatsapp
