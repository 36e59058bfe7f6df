#include "gateway/accounts.h"

#include <memory>
#include <utility>

#include "adapters/smpp/channel.h"
#include "adapters/webchat/channel.h"
#include "adapters/whatsapp/channel.h"
#include "adapters/wire/crypto.h"

namespace belfry::gateway {
namespace {

smpp::Account smpp_account(const SmppConfig& c) {
  smpp::Account a;
  a.id = c.id;
  a.host = c.host;
  a.port = c.port;
  a.tls = c.tls;
  a.system_id = c.system_id;
  a.password = c.password;
  a.system_type = c.system_type;
  a.version = c.version == "5.0" ? 0x50 : 0x34;
  a.bind = c.bind == "pair"          ? smpp::BindAs::kPair
           : c.bind == "transmitter" ? smpp::BindAs::kTransmitter
           : c.bind == "receiver"    ? smpp::BindAs::kReceiver
                                     : smpp::BindAs::kTransceiver;
  a.binds = c.binds;
  if (!c.source.empty()) a.source = smpp::sender_from(c.source).value_or(smpp::Address{});
  if (c.source_ton >= 0) a.source.ton = static_cast<std::uint8_t>(c.source_ton);
  if (c.source_npi >= 0) a.source.npi = static_cast<std::uint8_t>(c.source_npi);
  a.country = c.country;
  a.window = c.window;
  a.rate = c.rate;
  a.enquire_link_ms = c.enquire_link_ms;
  a.response_timeout_ms = c.response_timeout_ms;
  a.validity_ms = c.validity_ms;
  a.receipts = c.receipts == "none" ? smpp::Receipts::kNone : c.receipts == "last" ? smpp::Receipts::kLast : smpp::Receipts::kAll;
  a.text.alphabet = c.alphabet == "latin1"  ? smpp::Alphabet::kLatin1
                    : c.alphabet == "ascii" ? smpp::Alphabet::kAscii
                                            : smpp::Alphabet::kGsm7;
  for (const std::string& each : c.national) a.text.national.push_back(smpp::language_id(each).value_or(0));
  a.text.how = c.longer == "udh16"     ? smpp::Long::kUdh16
               : c.longer == "sar"     ? smpp::Long::kSar
               : c.longer == "payload" ? smpp::Long::kPayload
                                       : smpp::Long::kUdh8;
  a.id_format = c.id_format == "resp_hex_receipt_dec"   ? smpp::IdFormat::kAnswerHexReceiptDec
                : c.id_format == "resp_dec_receipt_hex" ? smpp::IdFormat::kAnswerDecReceiptHex
                                                        : smpp::IdFormat::kSame;
  a.words = smpp::usual_words();
  const auto words = [](const std::vector<std::string>& said, std::vector<std::u32string>& out) {
    if (said.empty()) return;
    out.clear();
    for (const std::string& word : said) out.push_back(smpp::fold_word(word));
  };
  words(c.stop_words, a.words.stop);
  words(c.start_words, a.words.start);
  words(c.help_words, a.words.help);
  a.segment_price = smpp::read_price(c.segment_price);
  return a;
}

std::string queue_or_first(const Config& config, const std::string& queue) {
  return !queue.empty() ? queue : config.queues.empty() ? "default" : config.queues.front().id;
}

}  // namespace

std::vector<whatsapp::Account> whatsapp_accounts(const Config& config, const Secret& ref_key) {
  std::vector<whatsapp::Account> all;
  for (const WhatsappConfig& c : config.whatsapp) {
    whatsapp::Account a;
    a.id = c.id;
    a.portfolio = c.portfolio.empty() ? c.id : c.portfolio;
    a.phone_number_id = c.phone_number_id;
    a.app_secrets = c.app_secrets;
    a.verify_token = c.verify_token;
    a.access_token = c.access_token;
    a.graph_url = c.graph_url;
    a.graph_version = c.graph_version;
    a.rate = c.rate;
    a.ref_key = ref_key;
    all.push_back(std::move(a));
  }
  return all;
}

std::vector<AccountInfo> account_infos(const Config& config, const std::vector<whatsapp::Account>& whatsapp) {
  std::vector<AccountInfo> all;
  for (const WhatsappConfig& c : config.whatsapp) {
    const std::string queue = queue_or_first(config, c.queue);
    all.push_back(
        {c.id, "wa", whatsapp[all.size()].portfolio, queue, std::make_shared<whatsapp::Channel>(whatsapp[all.size()]), {}});
  }
  for (const SmppConfig& c : config.smpp) {
    AccountInfo info{c.id, "sms", "", queue_or_first(config, c.queue), std::make_shared<smpp::Channel>(smpp_account(c)), {}};
    info.answers = {{Wish::kStop, c.stop_answer}, {Wish::kStart, c.start_answer}, {Wish::kHelp, c.help_answer}};
    all.push_back(std::move(info));
  }
  for (const WebConfig& c : config.web)
    all.push_back({c.id, "web", "", queue_or_first(config, c.queue), std::make_shared<webchat::Channel>(), {}});
  return all;
}

std::vector<Inbox> inboxes_of(const Config& config, const Secret& ref_key) {
  std::vector<Inbox> all;
  for (const WebConfig& c : config.web) {
    // Made from the site's own secret, so that every node has the same.
    const std::string made = wire::hmac_sha256(ref_key.reveal(), "webchat\n" + c.id);
    all.push_back({c, c.token_key.empty() ? Secret(made) : c.token_key});
  }
  return all;
}

}  // namespace belfry::gateway
