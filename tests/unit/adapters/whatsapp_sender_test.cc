// A Graph that answers as it likes, one step failing at a time, and what becomes of each message.
#include "adapters/whatsapp/sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "adapters/whatsapp/receiver.h"
#include "adapters/whatsapp/request.h"
#include "adapters/wire/crypto.h"

namespace belfry::whatsapp {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

Account account(int rate = 80) {
  Account made;
  made.id = "city";
  made.portfolio = "p1";
  made.phone_number_id = "1065";
  made.access_token = Secret("secret-token");
  made.ref_key = Secret("ref key");
  made.graph_url = "http://127.0.0.1:9/";
  made.rate = rate;
  return made;
}

Outbound text(int n, Lane lane = Lane::kConversation, const std::string& to = "wa:p1:16505551234") {
  Outbound message;
  message.ref = {"ab12", n};
  message.account = "city";
  message.address = to;
  message.content.type = "text";
  message.content.text = "Hello";
  message.lane = lane;
  return message;
}

HttpResponse answer(int status, const json& body) {
  HttpResponse made;
  made.status = status;
  made.body = body.is_null() ? std::string() : body.dump();
  return made;
}
HttpResponse yes(const std::string& wamid = "wamid.1", const std::string& wa_id = "16505551234") {
  return answer(
      200,
      {{"messaging_product", "whatsapp"}, {"contacts", {{{"input", "x"}, {"wa_id", wa_id}}}}, {"messages", {{{"id", wamid}}}}});
}
HttpResponse no(int code, int status = 400) {
  return answer(status, {{"error", {{"message", "m"}, {"type", "OAuthException"}, {"code", code}, {"fbtrace_id", "Atrace"}}}});
}

// A Sender with its clock and what it asked for.
struct World {
  explicit World(Account of = account()) : sender(of, {{0}, {1'000'000}}) {}

  Now now() const { return {{ms}, {1'000'000 + ms}}; }
  std::vector<std::string> told(const Effects& effects) {
    std::vector<std::string> all;
    for (const Effect& effect : effects) {
      if (const auto* call = std::get_if<Call>(&effect)) {
        last = *call;
        all.push_back("call " + call->method);
      } else if (const auto* up = std::get_if<Upload>(&effect)) {
        uploading = *up;
        all.push_back("upload");
      } else if (const auto* settle = std::get_if<Settle>(&effect)) {
        if (const auto* receipt = std::get_if<Receipt>(&settle->what)) {
          EXPECT_TRUE(receipt->ref);
          all.push_back(std::string(shown(receipt->state)) + (receipt->provider_id.empty() ? "" : " " + receipt->provider_id) +
                        (receipt->reason.empty() ? "" : ": " + receipt->reason));
        } else {
          const auto& back = std::get<Returned>(settle->what);
          all.push_back("back in " + std::to_string(back.not_before - now().wall) + ": " + back.reason);
        }
      } else if (const auto* hold = std::get_if<Hold>(&effect)) {
        all.push_back("hold " + std::to_string(hold->until - now().wall) + ": " + hold->reason);
      } else if (const auto* deliver = std::get_if<Deliver>(&effect)) {
        if (const auto* news = std::get_if<AccountNews>(&deliver->event)) all.push_back("news " + news->detail);
        if (const auto* consent = std::get_if<Consent>(&deliver->event))
          all.push_back("consent " + consent->address + " " + consent->category);
        if (const auto* id = std::get_if<Identity>(&deliver->event))
          all.push_back("identity " + id->old_address + " -> " + id->message.addresses.front());
      } else {
        all.push_back("another effect");
      }
    }
    return all;
  }
  std::vector<std::string> send(Outbound message) {
    Effects effects;
    sender.send(now(), std::move(message), effects);
    return told(effects);
  }
  std::vector<std::string> hear(CallId id, Result<HttpResponse> what) {
    Effects effects;
    sender.on_response(now(), id, std::move(what), effects);
    return told(effects);
  }
  // One message and its answer.
  std::vector<std::string> go(Outbound message, Result<HttpResponse> what) {
    const auto asked = send(std::move(message));
    EXPECT_THAT(asked, ElementsAre("call POST"));
    return asked.size() == 1 && asked[0] == "call POST" ? hear(last.id, std::move(what)) : asked;
  }

  std::int64_t ms = 0;
  Sender sender;
  Call last;
  Upload uploading;
};

TEST(WhatsappSender, PostsToTheNumberWithTheTokenInAHeaderOnly) {
  World world;
  EXPECT_THAT(world.send(text(1)), ElementsAre("call POST"));
  EXPECT_EQ(world.last.url, "http://127.0.0.1:9/v26.0/1065/messages");
  EXPECT_EQ(world.last.headers.get("authorization"), "Bearer secret-token");
  EXPECT_EQ(world.last.headers.get("content-type"), "application/json");
  EXPECT_EQ(world.last.body.find("secret-token"), std::string::npos);
  const json body = json::parse(world.last.body);
  EXPECT_EQ(open_ref(account(), body["biz_opaque_callback_data"].get<std::string>()), (MessageRef{"ab12", 1}));
  EXPECT_EQ(world.sender.in_flight(), 1U);
  EXPECT_THAT(world.hear(world.last.id, yes("wamid.X")), ElementsAre("sent wamid.X"));
  EXPECT_EQ(world.sender.in_flight(), 0U);
  EXPECT_THAT(world.hear(world.last.id, yes("wamid.X")), ElementsAre());  // an answer twice changes nothing
}

// What one answer makes of a conversation's message, and of an alert.
struct Case {
  std::string name;
  Result<HttpResponse> answer;
  std::vector<std::string> reply;
  std::vector<std::string> alert;
};

TEST(WhatsappSender, EachAnswerHasItsMeaning) {
  const std::string limit_news = "news {\"code\":131048,\"class\":\"spam_limit\",\"fbtrace_id\":\"Atrace\"}";
  HttpResponse throttled = no(80007);
  throttled.headers.add("x-business-use-case-usage",
                        R"({"1":[{"type":"whatsapp","call_count":100,"estimated_time_to_regain_access":7}]})");
  HttpResponse slower = no(130429);
  slower.headers.add("retry-after", "17");
  HttpResponse many = answer(429, {});
  many.headers.add("retry-after", "5");
  HttpResponse held_for_quality = yes("wamid.1");
  held_for_quality.body = R"({"messages":[{"id":"wamid.1","message_status":"held_for_quality_assessment"}]})";
  const std::vector<std::string> uncertain_500 = {"uncertain: http 502"};
  const std::vector<Case> cases = {
      {"accepted", yes(), {"sent wamid.1"}, {"sent wamid.1"}},
      {"held at Meta",
       held_for_quality,
       {"sent wamid.1: held_for_quality_assessment"},
       {"sent wamid.1: held_for_quality_assessment"}},
      {"2xx that is no answer",
       answer(200, "login"),
       {"uncertain: http 200 without an id"},
       {"uncertain: http 200 without an id"}},
      {"2xx cut short",
       answer(200, {{"messages", json::array()}}),
       {"uncertain: http 200 without an id"},
       {"uncertain: http 200 without an id"}},
      {"no answer in time", fail(Errc::kTimeout, ""), {"uncertain: timeout"}, {"uncertain: timeout"}},
      {"the link fell", fail(Errc::kClosed, ""), {"uncertain: closed"}, {"uncertain: closed"}},
      {"nothing was sent", fail(Errc::kUnavailable, ""), {"back in 1000: unreachable"}, {"back in 1000: unreachable"}},
      {"no connection free", fail(Errc::kBusy, ""), {"back in 1000: unreachable"}, {"back in 1000: unreachable"}},
      {"answer too large", fail(Errc::kTooLarge, ""), {"uncertain: too_large"}, {"uncertain: too_large"}},
      {"5xx of who knows whom", answer(502, {}), uncertain_500, {"back in 1000: http 502"}},
      {"404 of a proxy", answer(404, {}), {"back in 2000: http 404"}, {"back in 1000: http 404"}},
      {"a redirect", answer(302, {}), {"back in 2000: http 302"}, {"back in 1000: http 302"}},
      {"401 of a proxy",
       answer(401, {}),
       {"hold 60000: http 401", "back in 1000: http 401"},
       {"hold 60000: http 401", "back in 1000: http 401"}},
      {"429 of a proxy", many, {"back in 5000: http 429"}, {"back in 5000: http 429"}},
      {"temporary", no(131000, 500), {"back in 2000: 131000 temporary"}, {"back in 1000: 131000 temporary"}},
      {"temporary with 400", no(131016), {"back in 2000: 131016 temporary"}, {"back in 1000: 131016 temporary"}},
      {"unknown code with 5xx", no(777, 500), {"back in 2000: 777 temporary"}, {"back in 1000: 777 temporary"}},
      {"unknown code", no(777), {"failed: 777 refused"}, {"failed: 777 refused"}},
      {"token",
       no(190, 401),
       {"hold 60000: 190 credential trace Atrace", "back in 1000: 190 credential"},
       {"hold 60000: 190 credential trace Atrace", "back in 1000: 190 credential"}},
      {"permission",
       no(200, 403),
       {"hold 60000: 200 credential trace Atrace", "back in 1000: 200 credential"},
       {"hold 60000: 200 credential trace Atrace", "back in 1000: 200 credential"}},
      {"account locked",
       no(131031, 403),
       {"hold 60000: 131031 account_locked trace Atrace", "back in 1000: 131031 account_locked"},
       {"hold 60000: 131031 account_locked trace Atrace", "back in 1000: 131031 account_locked"}},
      {"app throttled",
       throttled,
       {"hold 420000: 80007 app_throttled", "back in 420000: 80007 app_throttled"},
       {"hold 420000: 80007 app_throttled", "back in 420000: 80007 app_throttled"}},
      {"too fast", no(130429), {"back in 2000: 130429 throughput"}, {"back in 2000: 130429 throughput"}},
      {"too fast, and how long", slower, {"back in 17000: 130429 throughput"}, {"back in 17000: 130429 throughput"}},
      {"pair rate", no(131056), {"back in 1000: 131056 pair_rate"}, {"back in 1000: 131056 pair_rate"}},
      {"window closed", no(131047), {"failed: 131047 window_closed"}, {"failed: 131047 window_closed"}},
      {"undeliverable", no(131026), {"failed: 131026 undeliverable"}, {"failed: 131026 undeliverable"}},
      {"spam limit", no(131048), {limit_news, "failed: 131048 spam_limit"}, {limit_news, "failed: 131048 spam_limit"}},
      {"opt-out",
       no(131050),
       {"consent wa:p1:16505551234 marketing_messages", "failed: 131050 opt_out"},
       {"consent wa:p1:16505551234 marketing_messages", "failed: 131050 opt_out"}},
      {"template paused",
       no(132015),
       {"news {\"code\":132015,\"class\":\"template_paused\",\"fbtrace_id\":\"Atrace\"}", "failed: 132015 template_paused"},
       {"news {\"code\":132015,\"class\":\"template_paused\",\"fbtrace_id\":\"Atrace\"}", "failed: 132015 template_paused"}},
      {"media", no(131053), {"back in 2000: 131053 media"}, {"back in 2000: 131053 media"}},
      {"bad request", no(100), {"failed: 100 bad_request"}, {"failed: 100 bad_request"}},
  };
  for (const Case& each : cases) {
    World reply;
    EXPECT_EQ(reply.go(text(1), each.answer), each.reply) << each.name;
    EXPECT_EQ(reply.sender.in_flight(), 0U) << each.name;
    World alert;
    EXPECT_EQ(alert.go(text(1, Lane::kAlert), each.answer), each.alert) << each.name;
  }
  World bulk;
  EXPECT_THAT(bulk.go(text(1, Lane::kBulk), no(131048)), ElementsAre(limit_news, "back in 3600000: 131048 spam_limit"));
  EXPECT_THAT(bulk.go(text(2, Lane::kBulk), no(131048)), ElementsAre("back in 3600000: 131048 spam_limit"));  // told once an hour
}

TEST(WhatsappSender, FiveRetriesThenItFails) {
  World world;
  for (const std::int64_t seconds : {2, 8, 30, 120, 600}) {
    EXPECT_THAT(world.go(text(1), no(131016)), ElementsAre("back in " + std::to_string(seconds * 1'000) + ": 131016 temporary"));
    world.ms += seconds * 1'000;
  }
  EXPECT_THAT(world.go(text(1), no(131016)), ElementsAre("failed: 131016 temporary"));
  world.ms += 60'000;
  EXPECT_THAT(world.go(text(1), no(131016)), ElementsAre("back in 2000: 131016 temporary"));  // forgotten once settled
  World media;
  EXPECT_THAT(media.go(text(1), no(131053)), ElementsAre("back in 2000: 131053 media"));
  EXPECT_THAT(media.go(text(1), no(131053)), ElementsAre("failed: 131053 media"));
}

TEST(WhatsappSender, ThroughputShrinksAndRecovers) {
  World world;
  world.ms = 5'000;
  EXPECT_EQ(world.sender.credit(world.now()).messages, 4);
  for (int i = 0; i < 4; ++i) world.send(text(i + 1));
  const Credit none = world.sender.credit(world.now());
  EXPECT_EQ(none.messages, 0);
  EXPECT_GT(none.ask_again, world.now().mono);
  EXPECT_LE(none.ask_again - world.now().mono, 14);
  EXPECT_THAT(world.hear(1, no(130429)), ElementsAre("back in 2000: 130429 throughput"));
  EXPECT_THAT(world.hear(2, no(130429)), ElementsAre("back in 2000: 130429 throughput"));
  EXPECT_EQ(world.sender.rate(world.now()), 40);
  world.ms += 3'000;
  EXPECT_EQ(world.sender.rate(world.now()), 64);
  world.ms += 3'000;
  EXPECT_EQ(world.sender.rate(world.now()), 80);
}

TEST(WhatsappSender, OnePairWaitsAndOthersPass) {
  World world;
  for (int i = 0; i < 45; ++i) EXPECT_THAT(world.go(text(i + 1), yes()), ElementsAre("sent wamid.1"));
  EXPECT_THAT(world.send(text(46)), ElementsAre("back in 6000: pair_rate"));
  EXPECT_THAT(world.go(text(47, Lane::kConversation, "wa:p1:2"), yes("wamid.2", "2")), ElementsAre("sent wamid.2"));
  world.ms = 6'000;
  EXPECT_THAT(world.go(text(46), yes()), ElementsAre("sent wamid.1"));
  // 131056: 1, 4, 16 s, for this citizen only.
  const std::string bo = "wa:p1:3";
  EXPECT_THAT(world.go(text(50, Lane::kConversation, bo), no(131056)), ElementsAre("back in 1000: 131056 pair_rate"));
  EXPECT_THAT(world.send(text(51, Lane::kConversation, bo)), ElementsAre("back in 1000: pair_rate"));
  world.ms += 1'000;
  EXPECT_THAT(world.go(text(50, Lane::kConversation, bo), no(131056)), ElementsAre("back in 4000: 131056 pair_rate"));
  world.ms += 4'000;
  EXPECT_THAT(world.go(text(50, Lane::kConversation, bo), yes("wamid.9", "3")), ElementsAre("sent wamid.9"));
}

TEST(WhatsappSender, AHoldStopsAllAndOneProbeEndsIt) {
  World world;
  for (int i = 1; i <= 3; ++i) world.send(text(i));
  EXPECT_THAT(world.hear(1, no(190, 401)),
              ElementsAre("hold 60000: 190 credential trace Atrace", "back in 1000: 190 credential"));
  world.ms = 1'000;
  EXPECT_THAT(world.hear(2, no(190, 401)), ElementsAre("back in 1000: 190 credential"));  // one hold for all of them
  EXPECT_THAT(world.hear(3, yes("wamid.3")), ElementsAre("sent wamid.3"));
  EXPECT_EQ(world.sender.credit(world.now()).messages, 0);
  EXPECT_EQ(world.sender.credit(world.now()).ask_again, Instant{60'000});
  EXPECT_THAT(world.send(text(4)), ElementsAre("back in 1000: held"));
  Effects none;
  world.sender.mark_read(world.now(), "wamid.0", none);
  EXPECT_TRUE(none.empty());

  World twice;
  twice.go(text(1), no(190));
  twice.ms = 60'000;
  EXPECT_EQ(twice.sender.credit(twice.now()).messages, 1);  // one goes first
  twice.send(text(1));
  EXPECT_EQ(twice.sender.credit(twice.now()).messages, 0);
  EXPECT_THAT(twice.hear(twice.last.id, no(190)),
              ElementsAre("hold 120000: 190 credential trace Atrace", "back in 1000: 190 credential"));
  twice.ms += 120'000;
  EXPECT_THAT(twice.go(text(1), yes()), ElementsAre("sent wamid.1"));
  twice.ms += 1'000;
  EXPECT_EQ(twice.sender.credit(twice.now()).messages, 4);
}

TEST(WhatsappSender, ANewTokenLiftsAHoldAndIsUsedFromTheNextCallOn) {
  World world;
  world.go(text(1), no(190, 401));
  Account fresh = account();
  world.sender.set_secrets(world.now(), fresh);  // the same token: the hold stays
  EXPECT_EQ(world.sender.credit(world.now()).messages, 0);
  fresh.access_token = Secret("another-token");
  fresh.rate = 1;  // no secret: not taken
  world.sender.set_secrets(world.now(), fresh);
  EXPECT_EQ(world.sender.credit(world.now()).messages, 1);  // one goes first
  world.send(text(1));
  EXPECT_EQ(world.last.headers.get("authorization"), "Bearer another-token");
  EXPECT_THAT(world.hear(world.last.id, yes()), ElementsAre("sent wamid.1"));
  EXPECT_GT(world.sender.credit(world.now()).messages, 1);
}

TEST(WhatsappSender, UnreachableGraphPausesLongerAndLongerButFailsNothing) {
  World world;
  for (const int seconds : {1, 2, 4, 8, 16, 30, 30, 30}) {
    EXPECT_THAT(world.go(text(1), fail(Errc::kUnavailable, "")),
                ElementsAre("back in " + std::to_string(seconds * 1'000) + ": unreachable"));
    EXPECT_EQ(world.sender.credit(world.now()).messages, 0);
    world.ms += seconds * 1'000;
  }
  EXPECT_THAT(world.go(text(1), yes()), ElementsAre("sent wamid.1"));
}

TEST(WhatsappSender, TheWindowIsBounded) {
  World world(account(1000));
  int sent = 0;
  for (; sent < 1'000; ++sent) {
    world.ms += 1;
    if (world.sender.credit(world.now()).messages == 0) break;
    world.send(text(sent + 1, Lane::kConversation, "wa:p1:" + std::to_string(sent)));
  }
  EXPECT_EQ(world.sender.in_flight(), 230U) << "one slot in ten is for alerts";
  for (; world.sender.credit(world.now()).alerts > 0; ++sent) {
    world.ms += 1;
    world.send(text(sent + 1, Lane::kAlert, "wa:p1:" + std::to_string(sent)));
  }
  EXPECT_EQ(world.sender.in_flight(), 256U);
  EXPECT_THAT(world.send(text(2'000)), ElementsAre("back in 100: window"));
}

TEST(WhatsappSender, LearnsTheNumberThatWhatsappKnows) {
  World world;
  const std::string dialled = "wa:p1:5511987654321";
  EXPECT_THAT(world.go(text(1, Lane::kConversation, dialled), yes("wamid.1", "551187654321")),
              ElementsAre("sent wamid.1", "identity wa:p1:5511987654321 -> wa:p1:551187654321"));
  EXPECT_THAT(world.go(text(2, Lane::kConversation, dialled), yes("wamid.2", "551187654321")), ElementsAre("sent wamid.2"));
  EXPECT_THAT(world.go(text(3, Lane::kConversation, dialled), yes("wamid.3", "48XXXXXXXXX ")), ElementsAre("sent wamid.3"));
  EXPECT_THAT(world.go(text(4, Lane::kConversation, "wa:p1:US.1"), yes("wamid.4", "1650")), ElementsAre("sent wamid.4"));
}

TEST(WhatsappSender, AMessageThatCannotBeWrittenFails) {
  World world;
  EXPECT_THAT(world.send(text(1, Lane::kConversation, "tel:+1650")),
              ElementsAre("failed: invalid the address is not one of this WhatsApp portfolio"));
  Outbound poll = text(2);
  poll.content.type = "poll";
  EXPECT_THAT(world.send(poll), ElementsAre(HasSubstr("failed: invalid WhatsApp cannot carry")));
}

Outbound image(int n) {
  Outbound message = text(n);
  message.content.type = "image";
  message.content.media = Media{"", "", "image/png", std::string(64, 'a'), "p\"\\x\".png", 1'000, false, false};
  return message;
}

TEST(WhatsappSender, UploadsAFileOnceForAllWhoWait) {
  World world;
  EXPECT_THAT(world.send(image(1)), ElementsAre("upload"));
  EXPECT_THAT(world.send(image(2)), ElementsAre());
  EXPECT_EQ(world.sender.in_flight(), 2U);
  EXPECT_EQ(world.uploading.url, "http://127.0.0.1:9/v26.0/1065/media");
  EXPECT_EQ(world.uploading.sha256, std::string(64, 'a'));
  EXPECT_THAT(world.uploading.headers.get("content-type"), HasSubstr("multipart/form-data; boundary=belfry-aaaa"));
  EXPECT_THAT(world.uploading.before, HasSubstr("name=\"messaging_product\"\r\n\r\nwhatsapp\r\n"));
  EXPECT_THAT(world.uploading.before, HasSubstr("name=\"file\"; filename=\"x_.png\"\r\ncontent-type: image/png\r\n\r\n"));
  EXPECT_THAT(world.hear(world.uploading.id, answer(200, {{"id", "900"}})), ElementsAre("call POST", "call POST"));
  EXPECT_EQ(json::parse(world.last.body)["image"]["id"], "900");
  EXPECT_THAT(world.hear(2, yes()), ElementsAre("sent wamid.1"));
  EXPECT_THAT(world.hear(3, no(131053)), ElementsAre("back in 2000: 131053 media"));
  EXPECT_THAT(world.send(image(2)), ElementsAre("upload"));  // the copy at Meta is doubted
  EXPECT_THAT(world.hear(world.uploading.id, answer(200, {{"id", "901"}})), ElementsAre("call POST"));
  EXPECT_THAT(world.hear(world.last.id, yes()), ElementsAre("sent wamid.1"));
  EXPECT_THAT(world.send(image(3)), ElementsAre("call POST"));  // known for 29 days
  world.ms = 30LL * 24 * 3'600'000;
  EXPECT_THAT(world.send(image(4)), ElementsAre("upload"));
}

TEST(WhatsappSender, AFailedUploadIsNeverUncertain) {
  const std::vector<std::pair<Result<HttpResponse>, std::string>> cases = {
      {fail(Errc::kTimeout, ""), "back in 2000: media timeout"},
      {fail(Errc::kClosed, ""), "back in 2000: media closed"},
      {fail(Errc::kUnavailable, ""), "back in 1000: unreachable"},
      {fail(Errc::kNotFound, ""), "failed: media missing"},
      {answer(502, {}), "back in 2000: media http 502"},
      {answer(200, {{"id", 7}}), "back in 2000: media http 200"},
      {no(131053), "back in 2000: 131053 media"},
      {no(100), "failed: 100 bad_request"},
  };
  for (const auto& [heard, wanted] : cases) {
    World world;
    world.send(image(1));
    world.send(image(2));
    EXPECT_THAT(world.hear(world.uploading.id, heard), ElementsAre(wanted, wanted));
    EXPECT_EQ(world.sender.in_flight(), 0U);
  }
}

TEST(WhatsappSender, DrainGivesBackWhatWasNotPosted) {
  World world;
  world.send(text(1));
  world.send(image(2));
  Effects effects;
  world.sender.drain(world.now(), effects);
  EXPECT_THAT(world.told(effects), ElementsAre("back in 0: draining"));
  EXPECT_EQ(world.sender.credit(world.now()).messages, 0);
  EXPECT_THAT(world.send(text(3)), ElementsAre("back in 0: draining"));
  EXPECT_THAT(world.hear(world.uploading.id, answer(200, {{"id", "900"}})), ElementsAre());
  EXPECT_THAT(world.hear(1, yes()), ElementsAre("sent wamid.1"));
  EXPECT_EQ(world.sender.in_flight(), 0U);
}

TEST(WhatsappSender, ShowsReadingAndTyping) {
  World world;
  Effects effects;
  world.sender.mark_read(world.now(), "wamid.0", effects);
  world.sender.typing(world.now(), "wamid.0", effects);
  ASSERT_EQ(effects.size(), 2U);
  EXPECT_EQ(json::parse(std::get<Call>(effects[0]).body),
            json::parse(R"({"messaging_product":"whatsapp","status":"read","message_id":"wamid.0"})"));
  EXPECT_EQ(json::parse(std::get<Call>(effects[1]).body)["typing_indicator"]["type"], "text");
  EXPECT_THAT(world.hear(std::get<Call>(effects[0]).id, answer(200, {{"success", true}})), ElementsAre());
  EXPECT_THAT(world.hear(std::get<Call>(effects[1]).id, no(131009)), ElementsAre());
  effects.clear();
  for (int i = 0; i < 100; ++i) world.sender.typing(world.now(), "wamid.0", effects);
  EXPECT_EQ(effects.size(), 64U);
  EXPECT_EQ(world.sender.in_flight(), 0U);
}

// Section 12, item 10: the answer is lost, and a late status finds the message by our own reference.
TEST(WhatsappSender, ALateStatusFindsAMessageWhoseAnswerWasLost) {
  World world;
  EXPECT_THAT(world.go(text(7), fail(Errc::kTimeout, "")), ElementsAre("uncertain: timeout"));
  Account with = account();
  with.app_secrets = {Secret("s")};
  const json status = {{"id", "wamid.late"},
                       {"status", "delivered"},
                       {"timestamp", "1750025136"},
                       {"biz_opaque_callback_data", json::parse(world.last.body)["biz_opaque_callback_data"]}};
  HttpRequest request;
  request.body =
      json{{"object", "whatsapp_business_account"},
           {"entry",
            {{{"changes",
               {{{"field", "messages"}, {"value", {{"metadata", {{"phone_number_id", "1065"}}}, {"statuses", {status}}}}}}}}}}}
          .dump();
  request.headers.add("x-hub-signature-256", "sha256=" + wire::to_hex(wire::hmac_sha256("s", request.body)));
  const auto intake = Receiver(with, {}).read(world.now(), request);
  ASSERT_TRUE(intake);
  const auto& receipt = std::get<Receipt>(intake->events.at(0));
  EXPECT_EQ(receipt.ref, (MessageRef{"ab12", 7}));
  EXPECT_EQ(receipt.state, State::kDelivered);
}

// Whatever Graph answers, in whatever order, each message handed over is settled exactly once.
TEST(WhatsappSender, EveryMessageIsSettledOnce) {
  const std::vector<Result<HttpResponse>> answers = {
      yes(),      no(131000, 500), no(190),   fail(Errc::kTimeout, ""),     answer(503, {}), no(131056), no(130429),
      no(131047), no(131048),      no(80007), fail(Errc::kUnavailable, ""), answer(200, {}), no(131050), no(132015),
      no(131053), answer(302, {})};
  std::uint32_t chance = 1;
  for (int round = 0; round < 200; ++round) {
    World world(account(1000));
    std::map<std::string, int> settled;
    const auto take = [&](const Effects& effects, std::vector<CallId>& open) {
      for (const Effect& effect : effects) {
        if (const auto* call = std::get_if<Call>(&effect)) open.push_back(call->id);
        if (const auto* up = std::get_if<Upload>(&effect)) open.push_back(up->id);
        if (const auto* settle = std::get_if<Settle>(&effect)) {
          std::visit(
              [&](const auto& what) {
                if constexpr (requires { what.ref->n; }) {
                  ++settled[public_id(*what.ref)];
                } else {
                  ++settled[public_id(what.ref)];
                }
              },
              settle->what);
        }
      }
    };
    const auto next = [&] { return chance = chance * 1'664'525U + 1'013'904'223U, chance >> 8; };
    std::vector<CallId> open;
    for (int n = 1; n <= 60; ++n) {
      Effects effects;
      Outbound message = next() % 4 == 0 ? image(n) : text(n);
      message.address = "wa:p1:" + std::to_string(next() % 5);
      message.lane = static_cast<Lane>(next() % 3);
      world.sender.send(world.now(), message, effects);
      take(effects, open);
      world.ms += next() % 200;
      if (!open.empty() && next() % 2 == 0) {
        const std::size_t which = next() % open.size();
        const CallId id = open[which];
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
        effects.clear();
        world.sender.on_response(
            world.now(), id,
            next() % 3 == 0 ? Result<HttpResponse>(answer(200, {{"id", "9"}})) : answers[next() % answers.size()], effects);
        take(effects, open);
      }
    }
    if (round % 3 == 0) {
      Effects effects;
      world.sender.drain(world.now(), effects);
      take(effects, open);
    }
    while (!open.empty()) {
      Effects effects;
      const CallId id = open.back();
      open.pop_back();
      world.sender.on_response(world.now(), id, answers[next() % answers.size()], effects);
      take(effects, open);
    }
    EXPECT_EQ(settled.size(), 60U);
    for (const auto& [id, count] : settled) EXPECT_EQ(count, 1) << id << " in round " << round;
    EXPECT_EQ(world.sender.in_flight(), 0U);
  }
}

TEST(WhatsappErrors, KnowsEachCodeOfTheSheet) {
  const std::map<int, Act> wanted = {
      {0, Act::kHold},        {190, Act::kHold},      {3, Act::kHold},        {10, Act::kHold},        {200, Act::kHold},
      {299, Act::kHold},      {131005, Act::kHold},   {4, Act::kThrottle},    {80007, Act::kThrottle}, {80008, Act::kThrottle},
      {130429, Act::kSlow},   {131056, Act::kPair},   {131048, Act::kLimit},  {131064, Act::kLimit},   {1, Act::kRetry},
      {2, Act::kRetry},       {131000, Act::kRetry},  {131016, Act::kRetry},  {131057, Act::kRetry},   {133004, Act::kRetry},
      {133016, Act::kHold},   {131052, Act::kOnce},   {131053, Act::kOnce},   {131049, Act::kGiveUp},  {131047, Act::kGiveUp},
      {131026, Act::kGiveUp}, {131050, Act::kOptOut}, {130472, Act::kGiveUp}, {100, Act::kGiveUp},     {131008, Act::kGiveUp},
      {131009, Act::kGiveUp}, {131021, Act::kGiveUp}, {131030, Act::kGiveUp}, {131051, Act::kGiveUp},  {131062, Act::kGiveUp},
      {131063, Act::kGiveUp}, {135000, Act::kGiveUp}, {130501, Act::kGiveUp}, {137000, Act::kTell},    {131037, Act::kTell},
      {132000, Act::kGiveUp}, {132001, Act::kTell},   {132005, Act::kGiveUp}, {132007, Act::kTell},    {132008, Act::kGiveUp},
      {132012, Act::kGiveUp}, {132015, Act::kTell},   {132016, Act::kTell},   {132068, Act::kTell},    {132069, Act::kTell},
      {131031, Act::kHold},   {368, Act::kHold},      {130497, Act::kTell},   {131042, Act::kHold},    {131044, Act::kHold},
      {131045, Act::kHold},   {133010, Act::kHold},   {133000, Act::kHold},   {133015, Act::kHold},    {5, Act::kGiveUp},
      {300, Act::kGiveUp},    {199, Act::kGiveUp},    {999999, Act::kGiveUp},
  };
  for (const auto& [code, act] : wanted) EXPECT_EQ(fault_of(code).act, act) << code;
  EXPECT_EQ(fault_of(5, true).act, Act::kRetry);
  EXPECT_EQ(fault_of(131047, true).act, Act::kGiveUp);
  EXPECT_EQ(reason_of(131047), "131047 window_closed");
}

TEST(WhatsappErrors, TellsGraphFromOthers) {
  EXPECT_TRUE(graph_error(no(190)));
  EXPECT_TRUE(graph_error(answer(400, {{"error", {{"code", 5}, {"is_transient", true}}}}))->transient);
  for (const char* const body : {"", "<html>", "[]", "{}", R"({"error":"x"})", R"({"error":{"code":"190"}})",
                                 R"({"error":{"code":-1}})", R"({"error":{"code":99999999999}})"}) {
    HttpResponse other;
    other.body = body;
    EXPECT_FALSE(graph_error(other)) << body;
  }
}

}  // namespace
}  // namespace belfry::whatsapp
