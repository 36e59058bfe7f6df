// The webhook, from a POST's bytes to events: every recorded payload, our own odd ones, and section 12 of the protocol sheet.
#include "adapters/whatsapp/receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "adapters/wire/crypto.h"

namespace belfry::whatsapp {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Now kNow{{1'000}, {1'800'000'000'000}};

Account account(std::string id = "city", std::string number = "106540352242922") {
  Account made;
  made.id = std::move(id);
  made.portfolio = "p1";
  made.phone_number_id = std::move(number);
  made.app_secrets = {Secret("old secret"), Secret("new secret")};
  made.verify_token = Secret("verify me");
  made.access_token = Secret("token");
  made.ref_key = Secret("ref key");
  return made;
}

HttpRequest post(std::string body, const std::string& secret = "new secret") {
  HttpRequest request;
  request.method = "POST";
  request.headers.add("x-hub-signature-256", "sha256=" + wire::to_hex(wire::hmac_sha256(secret, body)));
  request.body = std::move(body);
  return request;
}

std::string file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

const std::filesystem::path kOurs = std::filesystem::path(BELFRY_SOURCE_DIR) / "tests/data/whatsapp";
const std::filesystem::path kShared = std::filesystem::path(BELFRY_SHARED_DATA) / "whatsapp";

json envelope(json value, const std::string& field = "messages") {
  return {{"object", "whatsapp_business_account"},
          {"entry", {{{"id", "waba"}, {"time", 1'700'000'000}, {"changes", {{{"field", field}, {"value", std::move(value)}}}}}}}};
}

json of_number(json value, const std::string& number = "106540352242922") {
  value["messaging_product"] = "whatsapp";
  value["metadata"] = {{"display_phone_number", "15550783881"}, {"phone_number_id", number}};
  return value;
}

json text_message(const std::string& id = "wamid.1", const std::string& from = "16505551234") {
  return {{"from", from}, {"id", id}, {"timestamp", "1750025136"}, {"type", "text"}, {"text", {{"body", "Hello"}}}};
}

// One event as a line: what the tables compare.
std::string line(const Event& event) {
  struct Printer {
    std::string operator()(const Inbound& in) const {
      std::string text = "inbound " + in.content.type + " " + in.provider_id + " [";
      for (const std::string& address : in.addresses) text += address + " ";
      if (!in.addresses.empty()) text.pop_back();
      text += "] " + in.name + " @" + std::to_string(in.at.ms) + " \"" + in.content.text + "\"";
      if (in.content.media) text += " media " + in.content.media->provider_id + " " + in.content.media->mime;
      if (!in.content.reply_to.empty()) text += " re " + in.content.reply_to;
      if (in.content.forwarded) text += " forwarded";
      return text;
    }
    std::string operator()(const Part& p) const { return "part " + p.set; }
    std::string operator()(const Receipt& r) const {
      return "receipt " + r.provider_id + " " + std::string(shown(r.state)) + (r.reason.empty() ? "" : " " + r.reason) +
             (r.ref ? " ref " + public_id(*r.ref) : "");
    }
    std::string operator()(const Change& c) const { return "change of " + c.original + ": " + (*this)(c.message); }
    std::string operator()(const Identity& i) const { return "identity from " + i.old_address + ": " + (*this)(i.message); }
    std::string operator()(const Consent& c) const {
      return "consent " + c.address + " " + c.category + (c.given ? " given" : " taken");
    }
    std::string operator()(const AccountNews& n) const {
      return "news " + n.account + " " + n.kind + " @" + std::to_string(n.at.ms);
    }
    std::string operator()(const Raw& r) const { return "raw " + r.account + ": " + r.why; }
  };
  return std::visit(Printer{}, event);
}

std::vector<std::string> lines(const Result<Intake>& intake) {
  if (!intake) return {"error " + std::string(name_of(intake.error().code))};
  std::vector<std::string> all;
  for (const Event& event : intake->events) all.push_back(line(event));
  return all;
}

std::vector<std::string> lines(const json& body) { return lines(Receiver(account(), {}).read(kNow, post(body.dump()))); }

// ---- 1: the handshake

HttpResponse get(const std::string& query, const Account& of = account()) {
  HttpRequest request;
  request.method = "GET";
  request.query = query;
  return *Receiver(of, {}).handshake(request);
}

TEST(WhatsappHandshake, EchoesTheChallengeOnlyToTheRightToken) {
  const HttpResponse good = get("hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=1158201444");
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.body, "1158201444");
  EXPECT_EQ(good.headers.get("content-type"), "text/plain");
  for (const char* const bad :
       {"hub.mode=subscribe&hub.verify_token=verify+m&hub.challenge=1", "hub.mode=subscribe&hub.challenge=1",
        "hub.mode=unsubscribe&hub.verify_token=verify+me&hub.challenge=1", "hub.verify_token=verify+me&hub.challenge=1",
        "hub.mode=subscribe&hub.verify_token=verify+me", "", "hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=a%0ab",
        "hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=caf%C3%A9"}) {
    EXPECT_EQ(get(bad).status, 403) << bad;
    EXPECT_EQ(get(bad).body, "") << bad;
  }
  const std::string long_one(64, 'x');
  EXPECT_EQ(get("hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=" + long_one).body, long_one);
  EXPECT_EQ(get("hub.mode=subscribe&hub.verify_token=verify+me&hub.challenge=x" + long_one).status, 403);
  Account without = account();
  without.verify_token = Secret();
  EXPECT_EQ(get("hub.mode=subscribe&hub.verify_token=&hub.challenge=1", without).status, 403);
}

// ---- 2: the signature

TEST(WhatsappSignature, AnySecretOfTheAccountAndNothingElse) {
  const Receiver receiver(account(), {});
  const std::string body = envelope(of_number({{"messages", {text_message()}}})).dump();
  EXPECT_TRUE(receiver.read(kNow, post(body, "new secret")));
  EXPECT_TRUE(receiver.read(kNow, post(body, "old secret")));
  EXPECT_THAT(lines(receiver.read(kNow, post(body, "another"))), ElementsAre("error unauthorized"));
  EXPECT_THAT(lines(receiver.read(kNow, post(body, ""))), ElementsAre("error unauthorized"));

  HttpRequest flipped = post(body);
  flipped.body[body.size() / 2] ^= 1;
  EXPECT_THAT(lines(receiver.read(kNow, flipped)), ElementsAre("error unauthorized"));

  HttpRequest none = post(body);
  none.headers = {};
  EXPECT_THAT(lines(receiver.read(kNow, none)), ElementsAre("error unauthorized"));
  none.headers.add("x-hub-signature", "sha1=" + wire::to_hex(wire::sha1(body)));
  EXPECT_THAT(lines(receiver.read(kNow, none)), ElementsAre("error unauthorized"));

  const std::string good(post(body).headers.get("x-hub-signature-256"));
  for (const std::string& bad : {good.substr(7), good.substr(0, 70), good + "0", "sha256=" + std::string(64, 'g'),
                                 "SHA256=" + good.substr(7), std::string("sha256="), std::string()}) {
    HttpRequest malformed = post(body);
    malformed.headers.set("x-hub-signature-256", bad);
    EXPECT_THAT(lines(receiver.read(kNow, malformed)), ElementsAre("error unauthorized")) << bad;
  }
}

TEST(WhatsappSignature, IsOfTheBytesAsTheyCame) {
  const Receiver receiver(account(), {});
  const std::string escaped =
      R"({"entry":[{"changes":[{"value":{"messages":[{"text":{"body":"f\u00fcr \ud83d\ude00"},"type":"text","timestamp":"1750025136","id":"wamid.1","from":"1650"}],)"
      R"("metadata":{"phone_number_id":"106540352242922"}},"field":"messages"}],"id":"w"}],  "object":"whatsapp_business_account"})";
  EXPECT_THAT(lines(receiver.read(kNow, post(escaped))),
              ElementsAre("inbound text wamid.1 [wa:p1:1650]  @1750025136000 \"für 😀\""));
}

TEST(WhatsappSignature, AnAccountWithoutSecretsHearsNobody) {
  Account open = account();
  open.app_secrets = {Secret()};
  EXPECT_FALSE(Receiver(open, {}).read(kNow, post("{}", "")));
  open.app_secrets.clear();
  EXPECT_FALSE(Receiver(open, {}).read(kNow, post("{}", "")));
}

// ---- 8: what is not JSON

TEST(WhatsappReceiver, RefusesWhatIsNoJsonObject) {
  const Receiver receiver(account(), {});
  const std::string deep = std::string(100, '[') + std::string(100, ']');
  for (const std::string& bad :
       {std::string(), std::string("x"), std::string("{"), std::string("[]"), std::string("\"x\""), deep, std::string("{} {}"),
        std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":01}"), std::string("{\"a\":\"\\x\"}"), std::string("null")}) {
    EXPECT_THAT(lines(receiver.read(kNow, post(bad))), ElementsAre("error bad_input")) << bad;
  }
}

TEST(WhatsappReceiver, OneHalvedEmojiOrHugeNumberCostsNothing) {
  const std::string body =
      R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"106540352242922"},)"
      R"("contacts":[{"wa_id":"1650","profile":{"name":"Ann \ud83d"}}],)"
      R"("messages":[{"from":"1650","id":"wamid.1","timestamp":"1750025136","type":"order","order":{"text":"\"\\\ude00 1e999","n":123456789012345678901234567890,"e":-1e999}},)"
      R"({"from":"1650","id":"wamid.2","timestamp":"1750025136","type":"text","text":{"body":"ok"}}]}}]}]})";
  const auto intake = Receiver(account(), {}).read(kNow, post(body));
  EXPECT_THAT(lines(intake),
              ElementsAre("inbound order wamid.1 [wa:p1:1650] Ann \xEF\xBF\xBD @1750025136000 \"\"\\\xEF\xBF\xBD 1e999\"",
                          "inbound text wamid.2 [wa:p1:1650] Ann \xEF\xBF\xBD @1750025136000 \"ok\""));
  EXPECT_THAT(std::get<Inbound>(intake->events[0]).content.detail,
              HasSubstr(R"("n":"123456789012345678901234567890","e":"-1e999")"));
}

// ---- 3: whose update is it

TEST(WhatsappReceiver, FilesEachUpdateUnderItsOwnNumber) {
  Account stranger = account("other-app", "3");
  stranger.app_secrets = {Secret("another app's")};
  const Receiver receiver(account("city", "1"), {account("city", "1"), account("harbour", "2"), stranger});
  json body = envelope(of_number({{"messages", {text_message("wamid.1")}}}, "1"));
  body["entry"][0]["changes"].push_back(
      envelope(of_number({{"messages", {text_message("wamid.2")}}}, "2"))["entry"][0]["changes"][0]);
  body["entry"].push_back(
      envelope(of_number({{"messages", {text_message("wamid.3"), text_message("wamid.4")}}}, "3"))["entry"][0]);
  body["entry"].push_back(envelope(of_number(
      {{"messages", {text_message("wamid.5")}}, {"statuses", {{{"id", "wamid.0"}, {"status", "read"}}}}}, "2"))["entry"][0]);
  const auto intake = receiver.read(kNow, post(body.dump()));
  ASSERT_TRUE(intake);
  std::vector<std::string> accounts;
  for (const Event& event : intake->events) {
    std::visit(
        [&](const auto& each) {
          if constexpr (requires { each.account; }) accounts.push_back(each.account);
        },
        event);
  }
  EXPECT_THAT(accounts, ElementsAre("city", "harbour", "city", "city", "harbour", "harbour"));
  EXPECT_EQ(line(intake->events[2]), "raw city: the number is no account that shares this app secret");
  EXPECT_EQ(std::get<Raw>(intake->events[2]).bytes, text_message("wamid.3").dump());
  EXPECT_EQ(std::get<Raw>(intake->events[3]).bytes, text_message("wamid.4").dump());
}

// ---- 4: size

TEST(WhatsappReceiver, ReadsAThousandUpdatesOfThreeMegabytes) {
  json messages = json::array();
  for (int i = 0; i < 1000; ++i) {
    json one = text_message("wamid." + std::to_string(i));
    one["text"]["body"] = std::string(2950, 'a');
    messages.push_back(one);
  }
  messages[500]["timestamp"] = "yesterday";
  const std::string body = envelope(of_number({{"messages", messages}})).dump();
  EXPECT_GT(body.size(), 3'000'000U);
  const auto intake = Receiver(account(), {}).read(kNow, post(body));
  ASSERT_TRUE(intake);
  ASSERT_EQ(intake->events.size(), 1000U);
  EXPECT_EQ(line(intake->events[500]), "raw city: message without a usable timestamp");
  EXPECT_EQ(std::get<Raw>(intake->events[500]).bytes, messages[500].dump());
  EXPECT_EQ(std::get<Inbound>(intake->events[999]).provider_id, "wamid.999");
  EXPECT_EQ(intake->yes.status, 200);
  EXPECT_EQ(intake->no.status, 503);
}

TEST(WhatsappReceiver, RefusesABatchBeyondAllReason) {
  std::string body = R"({"object":"whatsapp_business_account","entry":[{"changes":[{"field":"messages","value":{"messages":[{})";
  for (int i = 0; i < 20'000; ++i) body += ",{}";
  body += "]}}]}]}";
  EXPECT_THAT(lines(Receiver(account(), {}).read(kNow, post(body))), ElementsAre("error bad_input"));
}

// ---- the tables

// tests/data/whatsapp/<name>.json is a POST, <name>.txt what must come of it, a line an event.
TEST(WhatsappReceiver, OurOwnCases) {
  int cases = 0;
  for (const auto& each : std::filesystem::directory_iterator(kOurs)) {
    if (each.path().extension() != ".json") continue;
    ++cases;
    const auto intake = Receiver(account(), {}).read(kNow, post(file(each.path())));
    std::string got;
    for (const std::string& one : lines(intake)) got += one + "\n";
    if (intake) {
      for (const Event& event : intake->events) {
        if (const auto* in = std::get_if<Inbound>(&event); in != nullptr && !in->content.detail.empty())
          got += "  " + in->content.detail + "\n";
        if (const auto* raw = std::get_if<Raw>(&event)) got += "  " + raw->bytes + "\n";
      }
    }
    std::filesystem::path wanted = each.path();
    wanted.replace_extension(".txt");
    EXPECT_EQ(got, file(wanted)) << each.path().filename();
  }
  EXPECT_GE(cases, 10);
}

// The first event of each payload recorded by others, or made from their examples.
const std::map<std::string, std::string> kRecorded = {
    {"bindambc-audiomessage",
     "inbound audio wamid.HBzk5zNkE1NNzAzgNNTUyNMDkzIYFDNFNhjMyNjcUCABQjA1NzcDY0M0AA== [wa:p1:1111111111111] Mauricio Binda "
     "@1673033070000 \"\" media 827776106019109 audio/ogg; codecs=opus"},
    {"bindambc-buttonmessage",
     "inbound button wamid.nBgN6TUyN2k5NzAzM5kzNhUCABI8FDNFQjAxQkE5REI4NEUzQ5Y5QTNgAA== [wa:p1:1111111111111] Mauricio Binda "
     "@1673023653000 \"SIM\" re wamid.nBgN6TUyN2k5NzAzM5kzNhUCABI8FDNFQjAxQkE5REI4NEUzQ5Y5QTNgAA=="},
    {"bindambc-documentmessage",
     "inbound document wamid.HBgABIYNNTUyxMEFFk5NzATY2QT0TY2QT0zMDkzNhUCFDNFQjBFMNzARjFDQQ1AA== [wa:p1:1111111111111] Mauricio "
     "Binda @1673034392000 \"\" media 848704520347750 application/pdf"},
    {"bindambc-messagedeleted",
     "inbound unsupported wamid.nBgN6TUyN2k5NzAzM5kzNhUCABI8FDNFQjAxQkE5REI4NEUzQ5Y5QTNgAA== [wa:p1:1111111111111] Mauricio "
     "Binda @1673026174000 \"\""},
    {"bindambc-phonenumbernameupdate", "news city phone_number_name_update @1608243053000"},
    {"bindambc-stickermessage",
     "inbound sticker wamid.nBgN6TUyN2k5NzAzM5kzNhUCABI8FDNFQjAxQkE5REI4NEUzQ5Y5QTNgAA== [wa:p1:1111111111111] Mauricio Binda "
     "@1673028387000 \"\" media 1604825680670873 image/webp"},
    {"bindambc-templateschedulingfordisabling", "news city message_template_status_update @1604703141000"},
    {"bindambc-textmessagestatusread", "error bad_input"},
    {"bindambc-textmessagestatussent", "receipt wamid.nBgN6TUyN2k5NzAzM5kzNhUCABI8FDNFQjAxQkE5REI4NEUzQ5Y5QTNgAA== sent"},
    {"bindambc-verifiedaccount", "news city account_update @1604703058000"},
    {"meta-openapi-button-message",
     "inbound button wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUU0M0MxQzQzMUJCMTMwNUZFOQA= [wa:p1:16505551234] Sheena Nelson "
     "@1750091045000 \"Unsubscribe\" re wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBJFNjk2OTMwNEZCQjhGMzUyQUYA"},
    {"meta-openapi-contact-sharing-message",
     "inbound contacts wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTRBNjU5OUFFRTAzODEwMTQ0RgA= [wa:p1:16505551234] Sheena Nelson "
     "@1744344496000 \"Lucía Gómez\""},
    {"meta-openapi-interactive-button-reply-message",
     "inbound interactive wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTZBQzg0MzQ4QjRCM0NGNkVGOAA= [wa:p1:16505551234] Sheena Nelson "
     "@1750025136000 \"Cancel\" re wamid.HBgLMTY1MDM4Nzk0MzkVAgARGBI3MEM2RUJFNkI0RENGQTVDRjUA"},
    {"meta-openapi-location-message",
     "inbound location wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQTU2MjZEMDBGRkE3MENEMDE0RQA= [wa:p1:16505551234] Sheena Nelson "
     "@1744344496000 \"Philz Coffee\""},
    {"meta-openapi-system-message",
     "identity from wa:p1:16505551234: inbound system wamid.HBgLMTk4MzU1NTE5NzQVAgASGAoxMTgyMDg2MjY3AA== [wa:p1:12195555358]  "
     "@1750269342000 \"User Sheena Nelson changed from 16505551234 to 12195555358\""},
    {"meta-openapi-text-message-from-click-to-whatsapp-ad",
     "inbound text wamid.HBgLMTY1MDM4Nzk0MzkVAgASGBQzQUQ0N0VFMDA2MTQ0RkJFNkNDNAA= [wa:p1:16505551234] Sheena Nelson "
     "@1750275992000 \"Hello! Can I get more info on this?\""},
    {"pywa-account-update-account-deleted", "news city account_update @1743451903000"},
    {"pywa-account-update-account-violation", "news city account_update @1743451903000"},
    {"pywa-account-update-authentication-international-eligibility", "news city account_update @1743451903000"},
    {"pywa-account-update-mm-api-for-wa-terms-of-service", "news city account_update @1744823932000"},
    {"pywa-account-update-partner-added", "news city account_update @1744823932000"},
    {"pywa-account-update-partner-led-business-verification-status", "news city account_update @1743138982000"},
    {"pywa-account-update-partner-removed", "news city account_update @1748477359000"},
    {"pywa-account-update-pricing-tiering-update", "news city account_update @1743451903000"},
    {"pywa-account-update-primary-business-location-set", "news city account_update @1743138982000"},
    {"pywa-call-connect-user-initiated", "news city calls @1800000000000"},
    {"pywa-callback-button-quick-reply",
     "inbound button wamid.xsidjw [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test Name "
     "@1698269027000 \"title\" re wamid.xyzxyz=="},
    {"pywa-callback-selection-callback",
     "inbound interactive wamid.zyzxyz [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test "
     "Name @1698266905000 \"title\" re wamid.xyzxyz"},
    {"pywa-callback-selection-description",
     "inbound interactive wamid.zyzxyz [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test "
     "Name @1698266905000 \"title\" re wamid.xyzxyz"},
    {"pywa-flow-completion-without-flow-token",
     "inbound interactive wamid.wegrchytvwcggt== [wa:p1:US.13491208655302741918 wa:p1:972987654321 "
     "wa:p1:US.ENT.11815799212886844830] Test Name @1702502473000 \"Sent\" re wamid.gvwegfretge=="},
    {"pywa-message-current-location",
     "inbound location wamid.xyzxyz [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test "
     "Name @1697044557000 \"\" forwarded"},
    {"pywa-message-media-with-url",
     "inbound image wamid.xyzxyz [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test Name "
     "@1697043379000 \"\" media 65463453 image/jpeg"},
    {"pywa-message-static-sticker",
     "inbound sticker wamid.xyzxyz [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test "
     "Name @1697043760000 \"\" media 1234567890987654321 image/webp"},
    {"pywa-message-status-delivered", "receipt wamid.xyzxyz delivered"},
    {"pywa-message-status-sent", "receipt wamid.xyzxyz sent"},
    {"pywa-message-voice",
     "inbound audio wamid.xyzxyz [wa:p1:US.13491208655302741918 wa:p1:972987654321 wa:p1:US.ENT.11815799212886844830] Test Name "
     "@1697043473000 \"\" media 1234567890987654321 audio/ogg; codecs=opus"},
    {"pywa-outgoing-message-edit", "news city smb_message_echoes @1800000000000"},
    {"pywa-template-category-update-marketing", "news city template_category_update @1750344882000"},
    {"pywa-template-components-update-element", "news city message_template_components_update @1751483772000"},
};

// The number a recorded payload is for.
std::string number_in(const std::string& body) {
  const json parsed = json::parse(body, nullptr, false);
  if (parsed.is_discarded()) return "1";
  const json& value = parsed["entry"][0]["changes"][0]["value"];
  return value.contains("metadata") ? value["metadata"]["phone_number_id"].get<std::string>() : "1";
}

TEST(WhatsappReceiver, EveryRecordedPayload) {
  if (!std::filesystem::exists(kShared / "inbound")) GTEST_SKIP() << "the recorded payloads are not here: " << kShared;
  std::size_t seen = 0;
  for (const auto& each : std::filesystem::directory_iterator(kShared / "inbound")) {
    const std::string name = each.path().stem().string();
    ++seen;
    ASSERT_TRUE(kRecorded.contains(name)) << "a new payload without an expectation: " << name;
    const std::string body = file(each.path());
    const auto intake = Receiver(account("city", number_in(body)), {}).read(kNow, post(body));
    EXPECT_THAT(lines(intake), ElementsAre(kRecorded.at(name))) << name;
    if (!intake) continue;
    const json value = json::parse(body)["entry"][0]["changes"][0]["value"];
    for (const Event& event : intake->events) {
      if (const auto* news = std::get_if<AccountNews>(&event)) {
        EXPECT_EQ(json::parse(news->detail), value) << name;
      }
      if (const auto* in = std::get_if<Inbound>(&event)) {
        // Every field is kept: in detail, or in the Inbound itself.
        json wanted = value["messages"][0];
        for (const char* const key : {"from", "id", "timestamp", "type"}) wanted.erase(key);
        json got = in->content.detail.empty() ? json::object() : json::parse(in->content.detail);
        if (in->content.type == "text") got["text"] = {{"body", in->content.text}};
        EXPECT_EQ(got, wanted) << name;
      }
    }
  }
  EXPECT_EQ(seen, kRecorded.size());
}

// ---- details

TEST(WhatsappReceiver, TellsAlsoWhatAMediaIs) {
  const json payload = {{"id", "77"},
                        {"mime_type", "application/pdf"},
                        {"sha256", "mu/J5jGsroQM3Tbn4c6StBJG4C4glbTi8gT4jhRHSt0="},
                        {"filename", "../../etc\\.pass\nwd.pdf"},
                        {"caption", "see page 2"},
                        {"url", "https://lookaside.fbsbx.com/x"}};
  const json message = {
      {"from", "1650"}, {"id", "wamid.1"}, {"timestamp", 1750025136}, {"type", "document"}, {"document", payload}};
  const auto intake = Receiver(account(), {}).read(kNow, post(envelope(of_number({{"messages", {message}}})).dump()));
  const auto& content = std::get<Inbound>(intake->events.at(0)).content;
  EXPECT_EQ(content.text, "see page 2");
  ASSERT_TRUE(content.media);
  EXPECT_EQ(content.media->sha256, "9aefc9e631acae840cdd36e7e1ce92b41246e02e2095b4e2f204f88e14474add");
  EXPECT_EQ(content.media->filename, "passwd.pdf");
  EXPECT_EQ(content.media->url, "https://lookaside.fbsbx.com/x");
  EXPECT_FALSE(content.media->voice);
}

TEST(WhatsappReceiver, ReadsTimesAsSecondsOrMilliseconds) {
  for (const json& time : {json("1750025136"), json(1750025136), json("1750025136000"), json(1750025136000)}) {
    json message = text_message();
    message["timestamp"] = time;
    EXPECT_THAT(lines(envelope(of_number({{"messages", {message}}}))),
                ElementsAre("inbound text wamid.1 [wa:p1:16505551234]  @1750025136000 \"Hello\""))
        << time;
  }
  for (const json& time :
       {json(""), json("-5"), json(0), json("12x"), json(1.5), json(), json("99999999999999999999"), json("9999999999999999")}) {
    json message = text_message();
    message["timestamp"] = time;
    EXPECT_THAT(lines(envelope(of_number({{"messages", {message}}}))),
                ElementsAre("raw city: message without a usable timestamp"))
        << time;
  }
}

TEST(WhatsappReceiver, APlainTextCarriesNoDetail) {
  const auto plain = Receiver(account(), {}).read(kNow, post(envelope(of_number({{"messages", {text_message()}}})).dump()));
  EXPECT_EQ(std::get<Inbound>(plain->events.at(0)).content.detail, "");
  const json contact = {
      {"wa_id", "16505551234"}, {"profile", {{"name", "A\u202eB\nC"}, {"username", "@ann"}}}, {"identity_key_hash", "h"}};
  const auto known = Receiver(account(), {})
                         .read(kNow, post(envelope(of_number({{"contacts", {contact}}, {"messages", {text_message()}}})).dump()));
  const auto& in = std::get<Inbound>(known->events.at(0));
  EXPECT_EQ(in.name, "ABC");
  EXPECT_EQ(json::parse(in.content.detail), (json{{"contact", contact}}));
}

TEST(WhatsappReceiver, AStatusFindsItsMessageByOurOwnReference) {
  const MessageRef ref{"ab12", 7};
  const std::string sealed = seal_ref(account(), ref);
  ASSERT_LE(sealed.size(), 512U);
  json status = {{"id", "wamid.1"},
                 {"status", "delivered"},
                 {"timestamp", "1750025136"},
                 {"recipient_id", "1650"},
                 {"biz_opaque_callback_data", sealed}};
  EXPECT_THAT(lines(envelope(of_number({{"statuses", {status}}}))), ElementsAre("receipt wamid.1 delivered ref msg_ab12.7"));
  std::string forged = sealed;
  forged[5] = '8';
  EXPECT_FALSE(open_ref(account(), forged));
  status["biz_opaque_callback_data"] = forged;
  EXPECT_THAT(lines(envelope(of_number({{"statuses", {status}}}))), ElementsAre("receipt wamid.1 delivered"));
  EXPECT_FALSE(open_ref(account("city", "another number"), sealed));
  EXPECT_FALSE(open_ref(account(), ""));
  EXPECT_FALSE(open_ref(account(), "."));
}

TEST(WhatsappReceiver, KeepsTheWindowOfMessagesOnly) {
  Inbound message;
  message.at = {1'000'000};
  message.content.type = "text";
  EXPECT_EQ(window_until(message).ms, 1'000'000 + 86'400'000 - 60'000);
  for (const char* const type : {"reaction", "edit", "revoke", "system"}) {
    message.content.type = type;
    EXPECT_EQ(window_until(message).ms, 0) << type;
  }
}

TEST(WhatsappReceiver, CleansNamesOfFilesAndPeople) {
  EXPECT_EQ(clean_filename("report.pdf"), "report.pdf");
  EXPECT_EQ(clean_filename("..\\..\\x/.bashrc"), "bashrc");
  EXPECT_EQ(clean_filename("a\u202egnp.exe"), "agnp.exe");
  EXPECT_EQ(clean_filename("../"), "");
  EXPECT_EQ(clean_filename(std::string(300, 'a') + ".pdf"), std::string(196, 'a') + ".pdf");
  EXPECT_EQ(clean_filename("naïve ☃.png"), "naïve ☃.png");
  EXPECT_EQ(clean_name("  Zoë 👩‍👩‍👧 "), "  Zoë 👩‍👩‍👧 ");
  EXPECT_EQ(clean_name(std::string("a\0b\x7f\xc2\x85z", 7)), "abz");
  EXPECT_EQ(clean_name("\xe2\x80\x8f\xe2\x81\xa6x\xef\xbb\xbf"), "x");
  EXPECT_EQ(clean_name("\xff\xc3"), "");
  EXPECT_EQ(clean_name(std::string(500, 'n')).size(), 100U);
}

}  // namespace
}  // namespace belfry::whatsapp
