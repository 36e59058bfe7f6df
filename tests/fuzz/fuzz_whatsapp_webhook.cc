// Any bytes, rightly signed, posted to the webhook; the first octet chooses whether they are a whole POST or one message inside
// one. What comes out keeps its promises: usable keys, valid UTF-8 names, one event an update.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "adapters/whatsapp/receiver.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/json.h"

namespace {

void require(bool ok) {
  if (!ok) std::abort();
}

struct Promises {
  static void of(const belfry::Inbound& in) {
    require(!in.provider_id.empty() && in.provider_id.size() <= 256 && in.at.ms > 0);
    require(!in.addresses.empty() && in.addresses.size() <= 3);
    for (const std::string& address : in.addresses) require(belfry::whatsapp::id_in(address, "p").has_value());
    belfry::wire::JsonReader reader;
    require(in.content.detail.empty() || reader.read(in.content.detail));
    require(in.name.size() <= 400 && belfry::whatsapp::clean_name(in.name) == in.name);
    if (in.content.media) {
      require(in.content.media->sha256.empty() || in.content.media->sha256.size() == 64);
      require(in.content.media->filename.find_first_of("/\\\n") == std::string::npos && in.content.media->filename.size() <= 200);
    }
  }
  void operator()(const belfry::Inbound& in) const { of(in); }
  void operator()(const belfry::Change& change) const {
    of(change.message);
    require(!change.original.empty());
  }
  void operator()(const belfry::Identity& identity) const {
    of(identity.message);
    require(belfry::whatsapp::id_in(identity.old_address, "p").has_value());
  }
  void operator()(const belfry::Receipt& receipt) const { require(!receipt.provider_id.empty() || receipt.ref); }
  void operator()(const belfry::Consent& consent) const { require(belfry::whatsapp::id_in(consent.address, "p").has_value()); }
  void operator()(const belfry::AccountNews& news) const { require(!news.kind.empty()); }
  void operator()(const belfry::Raw& raw) const { require(!raw.why.empty()); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belfry;
  static const whatsapp::Receiver receiver = [] {
    whatsapp::Account account;
    account.id = "a";
    account.portfolio = "p";
    account.phone_number_id = "1";
    account.app_secrets = {Secret("s")};
    account.ref_key = Secret("k");
    return whatsapp::Receiver(account, {});
  }();
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  HttpRequest request;
  if (data[0] % 2 == 0) {
    request.body = text;
  } else {
    const std::string list = data[0] % 4 == 1 ? "messages" : "statuses";
    request.body =
        R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1"},"contacts":[{"wa_id":"1","profile":{"name":"Ann"}}],")" +
        list + "\":[" + text + "]}}]}]}";
  }
  request.headers.add("x-hub-signature-256", "sha256=" + wire::to_hex(wire::hmac_sha256("s", request.body)));
  const auto intake = receiver.read(Now{{1}, {1}}, request);
  if (intake) {
    for (const Event& event : intake->events) std::visit(Promises{}, event);
  } else {
    require(intake.error().code == Errc::kBadInput);
  }
  request.query = text;
  require(receiver.handshake(request)->status == 403);
  return 0;
}
