// `belfry-sim selftest`: the roles against each other. A throw-away webhook server stands where belfryd would.
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <set>
#include <thread>

#include "meta.h"
#include "roles.h"
#include "smpp_wire.h"

namespace sim {

namespace {

int failures = 0;

void expect(bool good, const std::string& what) {
  std::cout << (good ? "ok   " : "FAIL ") << what << "\n";
  if (!good) ++failures;
}

// Stands where belfryd would: checks signatures, remembers ids, answers what it is told to.
struct Double {
  Signer signer{"secret"};
  std::set<std::string> ids;
  std::map<std::string, std::vector<std::string>> states;  // of each wamid, as heard
  std::uint64_t messages = 0, repeats = 0, bad = 0, posts = 0, refuse_first = 0;
  bool stock_answer = false;

  HttpSay hear(const HttpAsk& ask) {
    ++posts;
    if (ask.method == "GET") {
      const auto query = parse_query(ask.target);
      return {200, "text/plain", query.at("hub.verify_token") == "verify" ? query.at("hub.challenge") : "no", {}, false};
    }
    if (field(ask.fields, "x-hub-signature-256") != signer.header(ask.body)) {
      ++bad;
      return {401, "text/plain", "no", {}, false};
    }
    if (refuse_first > 0) {
      --refuse_first;
      return {503, "text/plain", "later", {}, false};
    }
    if (stock_answer) return {200, "text/plain", "", {}, false};
    const auto body = nlohmann::json::parse(ask.body);
    for (const auto& entry : body["entry"]) {
      for (const auto& change : entry["changes"]) {
        const auto& value = change["value"];
        if (value.contains("messages")) {
          for (const auto& message : value["messages"]) {
            ++messages;
            if (!ids.insert(message["id"]).second) ++repeats;
          }
        }
        if (value.contains("statuses")) {
          for (const auto& status : value["statuses"]) states[status["id"]].push_back(status["status"]);
        }
      }
    }
    return {200, "text/plain", "", {}, false};
  }
};

void run_for(Loop& loop, std::int64_t most_ms, const std::function<bool()>& done) {
  const auto until = wall_ms() + most_ms;
  std::function<void()> look = [&] {
    if (done() || wall_ms() > until) return loop.stop();
    loop.after(10, look);
  };
  loop.after(0, look);
  loop.run();
}

Meta::Config plain(const HttpServer& webhook) {
  Meta::Config config;
  config.numbers = {"106540352242922", "106540352242923"};
  config.app_secret = "secret";
  config.verify_token = "verify";
  config.access_token = "token";
  config.webhook = parse_url(webhook.origin() + "/webhooks/whatsapp/city", "webhook");
  config.status_delay_ms = 40;
  return config;
}

void webhooks(bool calm) {
  const std::string kind = calm ? "calm" : "noisy";
  Loop loop;
  Double gateway;
  HttpServer server(loop, 0, [&](const HttpAsk& ask, const HttpServer::Answer& answer) { answer(gateway.hear(ask)); });
  auto config = plain(server);
  config.calm = calm;
  Journal journal("", &loop);
  Meta meta(loop, config, journal);
  std::string handshake = "nothing";
  meta.handshake([&](const std::string& wrong) { handshake = wrong; });
  gateway.refuse_first = 3;
  std::vector<std::string> said;
  loop.post([&] {
    for (int i = 0; i < 200; ++i) {
      said.push_back(
          meta.say({"4917" + std::to_string(10'000'000 + i), "", "J\xc3\xbcrgen /", "", "en"},
                   {{"type", "text"}, {"text", {{"body", "\xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7 <&> / \xf0\x9f\x9a\xb0"}}}},
                   config.numbers[static_cast<std::size_t>(i % 2)]));
    }
  });
  run_for(loop, 20'000, [&] { return meta.quiet() && meta.heard() == 200; });
  expect(handshake.empty(), kind + ": the handshake is answered");
  expect(gateway.bad == 0, kind + ": every signature is right, escapes and all");
  expect(gateway.ids.size() == 200 && meta.heard() == 200, kind + ": 200 messages arrive in spite of three 503");
  expect(calm ? gateway.repeats == 0 && gateway.posts >= 200 : gateway.posts < 200,
         kind + (calm ? ": one at a time, no repeats" : ": batched"));
}

void graph() {
  Loop loop;
  Double gateway;
  HttpServer server(loop, 0, [&](const HttpAsk& ask, const HttpServer::Answer& answer) { answer(gateway.hear(ask)); });
  auto config = plain(server);
  config.pair_limit = false;
  config.per_second = 0;
  Journal journal("", &loop);
  Meta meta(loop, config, journal);
  Url url = parse_url("http://127.0.0.1:" + std::to_string(meta.port()), "graph");
  HttpClient client(loop, url, {}, 4);
  int answers = 0;
  const auto send = [&](const std::string& what, const Json& body, int status, int code, const std::string& token = "token",
                        const std::string& path = "/v26.0/106540352242922/messages") {
    HttpAsk ask{"POST",
                path,
                {{"authorization", "Bearer " + token}, {"content-type", "application/json"}},
                body.is_string() ? body.get<std::string>() : body.dump()};
    client.ask(ask, 10'000, [&answers, what, status, code](const HttpGot& got) {
      ++answers;
      const auto answer = nlohmann::json::parse(got.body, nullptr, false);
      bool good = got.status == status && !answer.is_discarded();
      if (good && code != 0) good = answer["error"]["code"] == code && answer["error"].contains("fbtrace_id");
      if (good && code == 0 && answer.contains("messages")) {
        good = answer["messages"].is_array() && answer["messages"][0]["id"].get<std::string>().rfind("wamid.", 0) == 0 &&
               answer["contacts"].is_array();
      }
      expect(good,
             "graph: " + what + (good ? "" : " (got " + std::to_string(got.status) + " " + got.body + " " + got.error + ")"));
    });
  };
  const Json base = {{"messaging_product", "whatsapp"}, {"to", "491711234567"}, {"biz_opaque_callback_data", "msg_1.2~mac"}};
  const auto with = [&](Json more) {
    Json out = base;
    for (auto& [key, value] : more.items()) out[key] = value;
    return out;
  };
  const auto text = [&](const std::string& body) { return with({{"type", "text"}, {"text", {{"body", body}}}}); };
  int expected = 0;
  loop.post([&] {
    send("a text is accepted", text("hello"), 200, 0);
    send("no token", text("hello"), 401, 190, "other");
    send("another number", text("hello"), 400, 100, "token", "/v26.0/1/messages");
    send("not JSON", Json("{"), 400, 100);
    send("an empty text", text(""), 400, 100);
    send("4097 characters", text(std::string(4097, 'x')), 400, 100);
    send("no text", with({{"type", "text"}}), 400, 131008);
    send("an unexpected key", with({{"type", "text"}, {"text", {{"body", "x"}, {"colour", "red"}}}}), 400, 100);
    send("no such type", with({{"type", "song"}}), 400, 100);
    send("no recipient", {{"messaging_product", "whatsapp"}, {"type", "text"}, {"text", {{"body", "x"}}}}, 400, 131008);
    send("a read receipt", {{"messaging_product", "whatsapp"}, {"status", "read"}, {"message_id", "wamid.x"}}, 200, 0);
    send("typing",
         {{"messaging_product", "whatsapp"},
          {"status", "read"},
          {"message_id", "wamid.x"},
          {"typing_indicator", {{"type", "text"}}}},
         200, 0);
    send("four buttons",
         with({{"type", "interactive"},
               {"interactive",
                {{"type", "button"},
                 {"body", {{"text", "?"}}},
                 {"action",
                  {{"buttons", Json::array({{{"type", "reply"}, {"reply", {{"id", "1"}, {"title", "a"}}}},
                                            {{"type", "reply"}, {"reply", {{"id", "2"}, {"title", "b"}}}},
                                            {{"type", "reply"}, {"reply", {{"id", "3"}, {"title", "c"}}}},
                                            {{"type", "reply"}, {"reply", {{"id", "4"}, {"title", "d"}}}}})}}}}}}),
         400, 131009);
    send("two buttons",
         with({{"type", "interactive"},
               {"interactive",
                {{"type", "button"},
                 {"body", {{"text", "?"}}},
                 {"action",
                  {{"buttons", Json::array({{{"type", "reply"}, {"reply", {{"id", "1"}, {"title", "a"}}}},
                                            {{"type", "reply"}, {"reply", {{"id", "2"}, {"title", "b"}}}}})}}}}}}),
         200, 0);
    send("a template", with({{"type", "template"}, {"template", {{"name", "water_back"}, {"language", {{"code", "en"}}}}}}), 200,
         0);
    send("a location", with({{"type", "location"}, {"location", {{"latitude", 52.5}, {"longitude", 13.4}}}}), 200, 0);
    expected = 16;
  });
  run_for(loop, 20'000, [&] { return answers == expected && answers > 0 && meta.quiet(); });
  expect(answers == expected, "graph: every question has an answer");
  std::size_t read = 0;
  for (const auto& [id, states] : gateway.states)
    read += static_cast<std::size_t>(std::count(states.begin(), states.end(), "sent") > 0);
  expect(gateway.states.size() == 4 && read == 4, "graph: four sends have statuses");

  // media: up, resolved, down
  std::string downloaded;
  bool done = false;
  const std::string bytes = random_bytes(5000);
  HttpAsk up{"POST",
             "/v26.0/106540352242922/media",
             {{"authorization", "Bearer token"}, {"content-type", "multipart/form-data; boundary=xyz"}},
             ""};
  up.body =
      "--xyz\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n--xyz\r\nContent-Disposition: "
      "form-data; name=\"file\"; filename=\"a.png\"\r\n"
      "Content-Type: image/png\r\n\r\n" +
      bytes + "\r\n--xyz--\r\n";
  Loop& again = loop;
  Loop media_loop;
  static_cast<void>(again);
  Meta media_meta(media_loop, config, journal);
  HttpClient media_client(media_loop, parse_url("http://127.0.0.1:" + std::to_string(media_meta.port()), "graph"), {}, 1);
  media_client.ask(up, 5000, [&](const HttpGot& got) {
    const auto id = nlohmann::json::parse(got.body).value("id", "");
    media_client.ask({"GET", "/v26.0/" + id, {{"authorization", "Bearer token"}}, ""}, 5000, [&](const HttpGot& resolved) {
      const auto answer = nlohmann::json::parse(resolved.body);
      const auto where = parse_url(answer.value("url", ""), "url");
      expect(answer.value("sha256", "") == to_hex(sha256(bytes)), "media: the digest is right");
      media_client.ask({"GET", where.target, {{"authorization", "Bearer token"}}, ""}, 5000, [&](const HttpGot& file) {
        downloaded = file.body;
        done = true;
      });
    });
  });
  run_for(media_loop, 10'000, [&] { return done; });
  expect(downloaded == bytes, "media: what goes up comes down");
}

// The load generator against a server that only says yes: what does one request cost?
void load() {
  Loop loop;
  Double gateway;
  gateway.stock_answer = true;
  HttpServer server(loop, 0, [&](const HttpAsk& ask, const HttpServer::Answer& answer) { answer(gateway.hear(ask)); });
  const auto directory = std::filesystem::temp_directory_path() / ("belfry-sim-" + to_hex(random_bytes(4)));
  std::filesystem::create_directory(directory);
  const auto secret = (directory / "secret").string();
  const auto journal = (directory / "journal").string();
  std::ofstream(secret) << "secret\n";
  std::thread serving([&] { loop.run(); });
  const auto run = [&](Arguments more) {
    Arguments all = {"webhook", "--url", server.origin() + "/webhooks/whatsapp/city", "--app-secret-file", secret, "--json"};
    all.insert(all.end(), more.begin(), more.end());
    return load_role(all);
  };
  expect(run({"--count", "20000", "--connections", "16", "--journal", journal}) == 0, "load: 20,000 requests, closed loop");
  const auto lines = read_lines(journal, "journal");
  expect(std::set<std::string>(lines.begin(), lines.end()).size() == 20'000, "load: the journal holds 20,000 different ids");
  expect(gateway.bad == 0, "load: every signature is right");
  expect(run({"--rate", "2000", "--seconds", "2", "--bad-signature-rate", "0.1"}) == 0, "load: 2,000 a second, open loop");
  expect(gateway.bad > 200 && gateway.bad < 700, "load: a tenth is wrongly signed");
  loop.stop();
  serving.join();
  std::filesystem::remove_all(directory);
}

// The wire code of the SMSC: what is written is read again, and what is cut short is refused.
void wire() {
  using namespace smpp;
  Sm sm;
  sm.service_type = "CMT";
  sm.source = {5, 0, "CITYHALL"};
  sm.destination = {1, 1, "4915112345678"};
  sm.esm_class = 0x40;
  sm.protocol_id = 1;
  sm.priority = 2;
  sm.validity = "000000001500000R";
  sm.registered_delivery = 0x11;
  sm.data_coding = 8;
  sm.short_message = std::string("\x05\x00\x03\x07\x02\x01", 6) + to_ucs2("вода 🚰");
  sm.tlvs = {{kTagReference, {"\0\7", 2}}, {0x1402, "vendor"}, {kTagPayload, ""}};
  const auto body = sm_body(sm);
  expect(read_sm(body) == sm, "wire: a submit_sm is read as it was written");
  std::size_t taken = 0;
  for (std::size_t size = 0; size < body.size(); ++size) taken += read_sm(std::string_view(body).substr(0, size)) ? 1U : 0U;
  expect(taken == 3, "wire: cut short it is refused, unless the cut is before a TLV");
  std::string framed;
  add_pdu(framed, kSubmitSm, kThrottled, 0xFFFFFFFF, body);
  const auto header = read_header(framed.data());
  expect(header.length == framed.size() && header.id == kSubmitSm && header.status == kThrottled && header.sequence == 0xFFFFFFFF,
         "wire: a header is read as it was written");
  const auto concat = concat_of(sm);
  expect(concat.width == 8 && concat.reference == 7 && concat.total == 2 && concat.part == 1 && concat.header == 6,
         "wire: the user data header says which part it is");
  expect(decode(Alphabet::kUcs2, std::string_view(sm.short_message).substr(concat.header)) == "вода 🚰",
         "wire: UCS-2 with a pair");
  Sm data;
  data.source = sm.source;
  data.destination = sm.destination;
  data.tlvs = {{kTagPayload, std::string(3000, 'x')}};
  expect(read_data_sm(data_sm_body(data)) == data, "wire: a data_sm is read as it was written");
  const std::string all = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./019:;<=>?¡AZÄÖÑÜ§¿azäöñüà^{}\\[~]|€";
  const auto septets = to_gsm(all);
  expect(septets && from_gsm(*septets) == all && septets->size() == to_ucs2(all).size() / 2 + 9,
         "wire: the GSM alphabet and its extension");
  expect(!to_gsm("ç") && !to_gsm("вода"), "wire: what the GSM alphabet lacks is not written");
  const auto gsm = cut(Alphabet::kGsm, *to_gsm(std::string(152, 'a') + "€" + std::string(10, 'b')), 153);
  expect(gsm.size() == 2 && gsm[0].size() == 152 && gsm[1].size() == 12, "wire: no escape is parted from its code");
  std::string taps = "a";
  for (int i = 0; i < 40; ++i) taps += "🚰";
  std::string joined;
  const auto pairs = cut(Alphabet::kUcs2, to_ucs2(taps), 134);
  for (const auto& each : pairs) joined += from_ucs2(each);
  expect(pairs.size() == 2 && joined == taps, "wire: no surrogate pair is parted");
}

// Texts to be sent: a gateway that says 202 and remembers what it was asked.
void texts() {
  Loop loop;
  std::set<std::string> marks, keys, recipients;
  std::size_t wrong = 0;
  HttpServer server(loop, 0, [&](const HttpAsk& ask, const HttpServer::Answer& answer) {
    if (ask.method == "GET") {
      const auto query = parse_query(ask.target);
      if (query.at("username") != "sim" || query.at("password") != "secret" || query.at("text").size() != 160) ++wrong;
      marks.insert(query.at("text").substr(0, 30));
      return answer({202, "text/plain", "0: Accepted for delivery", {}, false});
    }
    const auto body = nlohmann::json::parse(ask.body, nullptr, false);
    if (field(ask.fields, "authorization") != "Bearer secret" || body.value("account", "") != "sms" ||
        body.value("text", "").size() != 160)
      ++wrong;
    marks.insert(body.value("text", "").substr(0, 30));
    keys.insert(field(ask.fields, "idempotency-key"));
    recipients.insert(body.value("to", ""));
    answer({202, "application/json", R"({"id":"msg_1"})", {}, false});
  });
  const auto directory = std::filesystem::temp_directory_path() / ("belfry-sim-" + to_hex(random_bytes(4)));
  std::filesystem::create_directory(directory);
  const auto secret = (directory / "secret").string(), journal = (directory / "journal").string();
  std::ofstream(secret) << "secret\n";
  std::thread serving([&] { loop.run(); });
  const int sms = load_role({"sms", "--url", server.origin() + "/api/v1/messages", "--key-file", secret, "--account", "sms",
                             "--count", "3000", "--citizens", "50", "--idempotency", "--journal", journal, "--json"});
  expect(sms == 0 && wrong == 0 && marks.size() == 3000 && keys.size() == 3000 && recipients.size() == 50,
         "load sms: 3,000 texts, each with a mark and a key of its own, to 50 people");
  expect(read_lines(journal, "journal").size() == 3000, "load sms: the journal holds them");
  const int get = load_role(
      {"sendsms", "--url", server.origin() + "/cgi-bin/sendsms", "--password-file", secret, "--count", "3000", "--json"});
  expect(get == 0 && wrong == 0 && marks.size() == 6000, "load sendsms: 3,000 more, each in a query");
  loop.stop();
  serving.join();
  std::filesystem::remove_all(directory);
}

}  // namespace

int selftest_role(const Arguments&) {
  webhooks(true);
  webhooks(false);
  graph();
  load();
  wire();
  texts();
  std::cout << (failures == 0 ? "all good" : std::to_string(failures) + " failed") << "\n";
  return failures == 0 ? 0 : 1;
}

}  // namespace sim
