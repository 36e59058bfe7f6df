// What a webhook costs before it is stored: llhttp + HMAC + simdjson alone, and Belfry's codec and receiver. No socket.
#include <benchmark/benchmark.h>
#include <llhttp.h>
#include <openssl/hmac.h>
#include <simdjson.h>

#include <array>
#include <cstdlib>
#include <string>

#include "adapters/whatsapp/receiver.h"
#include "adapters/wire/crypto.h"
#include "adapters/wire/http1.h"

namespace {

const std::string kSecret = "app-secret-of-the-bench";

std::string body() {
  return R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":"messages","value":{)"
         R"("messaging_product":"whatsapp","metadata":{"display_phone_number":"15550783881","phone_number_id":"106540352242922"},)"
         R"("contacts":[{"profile":{"name":"Sheena Nelson"},"wa_id":"16505551234"}],"messages":[{"from":"16505551234",)"
         R"("id":"wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA=","timestamp":"1749416383","type":"text",)"
         R"("text":{"body":")" +
         std::string(360, 'w') + R"("}}]}}]}]})";
}

std::string request(const std::string& json) {
  return "POST /webhooks/whatsapp/city HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: "
         "application/json\r\nX-Hub-Signature-256: sha256=" +
         belfry::wire::to_hex(belfry::wire::hmac_sha256(kSecret, json)) + "\r\nContent-Length: " + std::to_string(json.size()) +
         "\r\n\r\n" + json;
}

// The libraries and nothing else: one parser, one key schedule a request, one document.
void libraries_alone(benchmark::State& state) {
  const std::string wire = request(body());
  std::string content;
  content.reserve(4096);
  llhttp_settings_t settings;
  llhttp_settings_init(&settings);
  settings.on_body = [](llhttp_t* parser, const char* at, std::size_t size) {
    static_cast<std::string*>(parser->data)->append(at, size);
    return 0;
  };
  llhttp_t parser;
  llhttp_init(&parser, HTTP_REQUEST, &settings);
  parser.data = &content;
  simdjson::dom::parser json;
  for ([[maybe_unused]] auto turn : state) {
    content.clear();
    if (llhttp_execute(&parser, wire.data(), wire.size()) != HPE_OK) std::abort();
    std::array<unsigned char, 32> digest;
    unsigned length = 0;
    HMAC(EVP_sha256(), kSecret.data(), static_cast<int>(kSecret.size()), reinterpret_cast<const unsigned char*>(content.data()),
         content.size(), digest.data(), &length);
    benchmark::DoNotOptimize(digest);
    content.reserve(content.size() + simdjson::SIMDJSON_PADDING);
    auto document = json.parse(content.data(), content.size(), false);
    std::string_view text;
    if (document["entry"].at(0)["changes"].at(0)["value"]["messages"].at(0)["text"]["body"].get(text) != simdjson::SUCCESS)
      std::abort();
    benchmark::DoNotOptimize(text);
  }
}
BENCHMARK(libraries_alone);

struct Taker : belfry::wire::ServerEvents {
  std::size_t on_head(belfry::wire::StreamId, belfry::HttpRequest&) override { return 4UL << 20; }
  void on_request(belfry::wire::StreamId stream, belfry::HttpRequest request) override {
    const auto intake = receiver->read({}, request);
    if (!intake || intake->events.size() != 1) std::abort();
    codec->respond(stream, {200, {}, ""});
  }
  void on_tunnel(belfry::wire::StreamId, belfry::HttpRequest) override {}
  void on_tunnel_bytes(belfry::wire::StreamId, std::string_view) override {}
  void on_tunnel_end(belfry::wire::StreamId) override {}
  void on_gone(belfry::wire::StreamId) override {}
  const belfry::whatsapp::Receiver* receiver = nullptr;
  belfry::wire::ServerCodec* codec = nullptr;
};

void codec_and_receiver(benchmark::State& state) {
  const std::string wire = request(body());
  belfry::whatsapp::Account account;
  account.id = "city";
  account.portfolio = "p";
  account.phone_number_id = "106540352242922";
  account.app_secrets.push_back(belfry::Secret(kSecret));
  const belfry::whatsapp::Receiver receiver(account, {account});
  Taker taker;
  const auto codec = belfry::wire::make_http1_server(taker, {});
  taker.receiver = &receiver;
  taker.codec = codec.get();
  for ([[maybe_unused]] auto turn : state) {
    if (!codec->feed(wire)) std::abort();
    benchmark::DoNotOptimize(codec->take());
  }
}
BENCHMARK(codec_and_receiver);

}  // namespace

BENCHMARK_MAIN();
