// What we write to Graph, against bodies written by others, and each rule of section 7 broken once.
#include "adapters/whatsapp/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace belfry::whatsapp {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::filesystem::path kSend = std::filesystem::path(BELFRY_SHARED_DATA) / "whatsapp/send";

Account account() {
  Account made;
  made.id = "city";
  made.portfolio = "p1";
  made.phone_number_id = "1065";
  made.access_token = Secret("token");
  return made;
}

Content content(std::string type, std::string text, const json& detail = json::object(), std::string reply_to = {}) {
  Content made;
  made.type = std::move(type);
  made.text = std::move(text);
  made.detail = detail.dump();
  made.reply_to = std::move(reply_to);
  return made;
}

json body_of(const Content& what, const Account& from = account(), const std::string& address = "wa:p1:16505551234") {
  Outbound message;
  message.ref = {"ab12", 3};
  message.account = "city";
  message.address = address;
  message.content = what;
  const auto body = message_body(from, message, "900");
  return body ? json::parse(*body) : json(body.error().detail);
}

// Others leave out what is the default, and write numbers of buttons as numbers; one names a kind in capitals.
json normal(json body) {
  for (const char* const key : {"to", "recipient_type"}) body.erase(key);
  if (body.contains("interactive")) {
    body["type"] = "interactive";
    std::string kind = body["interactive"]["type"];
    std::transform(kind.begin(), kind.end(), kind.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    body["interactive"]["type"] = kind;
  }
  if (body.contains("text") && !body["text"].contains("preview_url")) body["text"]["preview_url"] = false;
  if (body.contains("template")) {
    json& components = body["template"]["components"];
    for (json& component : components) {
      if (component.contains("index") && component["index"].is_number())
        component["index"] = std::to_string(component["index"].get<int>());
    }
  }
  return body;
}

const json kBigTemplateParameters = {
    "text-string",
    {{"type", "currency"}, {"currency", {{"amount_1000", 100990}, {"code", "USD"}, {"fallback_value", "$100.99"}}}},
    {{"type", "date_time"},
     {"date_time",
      {{"calendar", "GREGORIAN"},
       {"day_of_month", 25},
       {"day_of_week", 5},
       {"fallback_value", "February 25, 1977"},
       {"hour", 15},
       {"minute", 33},
       {"month", 2},
       {"year", 1977}}}}};
const json kSections = {
    {{"title", "<LIST_SECTION_1_TITLE>"},
     {"rows",
      {{{"id", "<LIST_SECTION_1_ROW_1_ID>"}, {"title", "<SECTION_1_ROW_1_TITLE>"}, {"description", "<SECTION_1_ROW_1_DESC>"}},
       {{"id", "<LIST_SECTION_1_ROW_2_ID>"}, {"title", "<SECTION_1_ROW_2_TITLE>"}, {"description", "<SECTION_1_ROW_2_DESC>"}}}}},
    {{"title", "<LIST_SECTION_2_TITLE>"},
     {"rows",
      {{{"id", "<LIST_SECTION_2_ROW_1_ID>"}, {"title", "<SECTION_2_ROW_1_TITLE>"}, {"description", "<SECTION_2_ROW_1_DESC>"}},
       {{"id", "<LIST_SECTION_2_ROW_2_ID>"}, {"title", "<SECTION_2_ROW_2_TITLE>"}, {"description", "<SECTION_2_ROW_2_DESC>"}}}}}};
const json kList = {
    {"button", "<BUTTON_TEXT>"}, {"sections", kSections}, {"header", "<HEADER_TEXT>"}, {"footer", "<FOOTER_TEXT>"}};
const json kTemplate = {
    {"name", "template-name"}, {"language", "language-and-locale-code"}, {"parameters", kBigTemplateParameters}};

json flow(const char* key, const char* value) {
  return {{key, value},
          {"flow_cta", "Not shown in draft mode"},
          {"flow_token", "<FLOW_TOKEN>"},
          {"mode", "draft"},
          {"flow_action", "navigate"},
          {"flow_action_payload", {{"screen", "<SCREEN_ID>"}, {"data", {{"<CUSTOM_KEY>", "<CUSTOM_VALUE>"}}}}},
          {"header", "Not shown in draft mode"},
          {"footer", "Not shown in draft mode"}};
}

// What one would hand us for each recorded body. Those whose ids or links are mere placeholders get real ones below.
std::map<std::string, Content> equivalents(const std::map<std::string, json>& bodies) {
  std::map<std::string, Content> all;
  all["bindambc-expectedmessage1"] = content("text", "*Hello world!*\nSome code here: \n```hello world code here```");
  all["bindambc-expectedmessage10"] = content("contacts", "", bodies.at("bindambc-expectedmessage10")["contacts"]);
  all["bindambc-expectedmessage14"] = content(
      "buttons", "Would you like to confirm your appointment for tomorrow?",
      {{"buttons",
        {{{"id", "1278454"}, {"title", "YES"}}, {{"id", "1278455"}, {"title", "NO"}}, {{"id", "1278456"}, {"title", "CHANGE"}}}},
       {"header",
        {{"media", {{"kind", "image"}, {"link", "https://upload.wikimedia.org/wikipedia/commons/8/87/Tamarama_Beach.jpg"}}}}},
       {"footer", "Choose an option:"}});
  all["bindambc-expectedmessage6"] =
      content("template", "",
              {{"name", "new_classes_pdf"},
               {"language", "en_US"},
               {"header", {{"media", {{"kind", "document"}, {"id", "928860901494862"}, {"filename", "Class.pdf"}}}}},
               {"parameters", {"Mauricio Binda"}},
               {"buttons", {{{"index", 0}, {"type", "url"}, {"value", "career-academy/?trk_ref=globalnav"}}}}});
  all["bindambc-expectedmessage7"] = content("audio", "", {{"id", "4545454545454"}});
  all["bindambc-expectedmessage8"] = content("template", "", bodies.at("bindambc-expectedmessage8")["template"]);
  all["meta-openapi-send-audio-message-by-id"] = content("media", "", {{"kind", "audio"}, {"id", "<AUDIO_OBJECT_ID>"}});
  all["meta-openapi-send-contact-message"] = content("contacts", "", bodies.at("meta-openapi-send-contact-message")["contacts"]);
  all["meta-openapi-send-draft-flow-by-id"] = content("flow", "Not shown in draft mode", flow("flow_id", "{{Flow-ID}}"));
  all["meta-openapi-send-draft-flow-by-name"] = content("flow", "Not shown in draft mode", flow("flow_name", "{{Flow-Name}}"));
  all["meta-openapi-send-image-message-by-id"] = content("image", "", {{"id", "<IMAGE_OBJECT_ID>"}});
  all["meta-openapi-send-image-message-by-url"] = content("image", "", {{"link", "https://image-url"}});
  all["meta-openapi-send-list-message"] = content("list", "<BODY_TEXT>", kList);
  all["meta-openapi-send-reply-button"] = content("buttons", "<BUTTON_TEXT>",
                                                  {{{"id", "<UNIQUE_BUTTON_ID_1>"}, {"title", "<BUTTON_TITLE_1>"}},
                                                   {{"id", "<UNIQUE_BUTTON_ID_2>"}, {"title", "<BUTTON_TITLE_2>"}}});
  all["meta-openapi-send-reply-to-audio-message-by-url"] =
      content("audio", "", {{"link", "https://audio-url"}}, "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>");
  all["meta-openapi-send-reply-to-document-message-by-id"] =
      content("document", "<DOCUMENT_CAPTION_TO_SEND>", {{"id", "<DOCUMENT_OBJECT_ID>"}, {"filename", "<DOCUMENT_FILENAME>"}},
              "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>");
  all["meta-openapi-send-reply-to-image-message-by-id"] =
      content("image", "", {{"id", "<IMAGE_OBJECT_ID>"}}, "<MSGID_OF_PREV_MSG>");
  all["meta-openapi-send-reply-to-image-message-by-url"] =
      content("image", "", {{"link", "https://image-url"}}, "<MSGID_OF_PREV_MSG>");
  all["meta-openapi-send-reply-to-list-message"] = content("list", "<BODY_TEXT>", kList, "<MSGID_OF_PREV_MSG>");
  all["meta-openapi-send-reply-to-location-message"] = content("location", "",
                                                               {{"latitude", 37.758056},
                                                                {"longitude", -122.425332},
                                                                {"name", "META HQ"},
                                                                {"address", "1 Hacker Way, Menlo Park, CA 94025"}},
                                                               "<MSGID_OF_PREV_MSG>");
  all["meta-openapi-send-reply-to-sticker-message-by-id"] =
      content("sticker", "", {{"id", "<MEDIA_OBJECT_ID>"}}, "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>");
  all["meta-openapi-send-reply-to-video-message-by-id"] =
      content("video", "<VIDEO_CAPTION_TEXT>", {{"id", "<VIDEO_OBJECT_ID>"}}, "<MSGID_OF_MSG_YOU_ARE_REPLYING_TO>");
  all["meta-openapi-send-reply-with-reaction-message"] = content("reaction", "", {{"emoji", "😀"}}, "wamid.HBgLM...");
  all["meta-openapi-send-sample-shipping-confirmation-template"] = content("template", "", kTemplate);
  all["meta-openapi-send-sample-text-message"] = content("template", "", kTemplate);
  all["meta-openapi-send-sticker-message-by-url"] = content("sticker", "", {{"link", "https://sticker-url"}});
  all["meta-openapi-send-video-message-by-id"] = content("video", "<VIDEO_CAPTION_TEXT>", {{"id", "<VIDEO_OBJECT_ID>"}});
  return all;
}

TEST(WhatsappRequest, WritesWhatOthersWrite) {
  if (!std::filesystem::exists(kSend)) GTEST_SKIP() << "the recorded bodies are not here: " << kSend;
  std::map<std::string, json> bodies;
  for (const auto& each : std::filesystem::directory_iterator(kSend)) {
    std::ifstream in(each.path(), std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    std::string body = text.str();
    // Placeholders that are no links at all.
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"<http(s)://sticker-url>", "https://sticker-url"}, {"http(s)://", "https://"}}) {
      for (auto at = body.find(from); at != std::string::npos; at = body.find(from)) body.replace(at, from.size(), to);
    }
    bodies[each.path().stem().string()] = json::parse(body);
  }
  auto wanted = equivalents(bodies);
  for (auto& [name, body] : bodies) {
    if (name == "bindambc-expectedmessage18" || name == "meta-openapi-response-200-send-text-message")
      continue;  // registration; an answer
    if (name == "meta-openapi-send-typing-indicator-and-read-receipt") {
      EXPECT_EQ(json::parse(read_body(account(), body["message_id"].get<std::string>(), true)), body);
      body.erase("typing_indicator");
      EXPECT_EQ(json::parse(read_body(account(), body["message_id"].get<std::string>(), false)), body);
      continue;
    }
    ASSERT_TRUE(wanted.contains(name)) << "a new body without its equivalent: " << name;
    const Content& what = wanted.at(name);
    const auto fine = check(what);
    ASSERT_TRUE(fine) << name << ": " << fine.error().detail;
    EXPECT_EQ(normal(body_of(what)), normal(body)) << name;
  }
}

TEST(WhatsappRequest, NamesTheCitizenByPhoneOrByUserId) {
  EXPECT_EQ(body_of(content("text", "x"))["to"], "16505551234");
  const json by_user = body_of(content("text", "x"), account(), "wa:p1:US.13491208655302741918");
  EXPECT_EQ(by_user["recipient"], "US.13491208655302741918");
  EXPECT_FALSE(by_user.contains("to"));
  EXPECT_EQ(by_user["recipient_type"], "individual");
  for (const char* const foreign : {"wa:p2:1650", "tel:+1650", "wa:p1:", "wa:p1", "", "wa:p1:a b"}) {
    EXPECT_EQ(body_of(content("text", "x"), account(), foreign), "the address is not one of this WhatsApp portfolio") << foreign;
  }
}

TEST(WhatsappRequest, CarriesOurReferenceAndTheProof) {
  Account secured = account();
  secured.ref_key = Secret("k");
  secured.appsecret_proof = true;
  secured.app_secrets = {Secret("appsecret")};
  const json body = body_of(content("text", "x"), secured);
  EXPECT_EQ(open_ref(secured, body["biz_opaque_callback_data"].get<std::string>()), (MessageRef{"ab12", 3}));
  EXPECT_EQ(body["appsecret_proof"], "3beefbd785800f442c4b86c52b7711fb28156279a8e8db5e4f34436a3207fd19");
  EXPECT_FALSE(body_of(content("text", "x")).contains("biz_opaque_callback_data"));
}

TEST(WhatsappRequest, BrokenUtf8DoesNotBreakTheBody) {
  EXPECT_EQ(body_of(content("text", "a\xff"))["text"]["body"], "a\xEF\xBF\xBD");
}

TEST(WhatsappRequest, NamedParametersAndAuthenticationCodes) {
  const json named = body_of(
      content("template", "", {{"name", "flood"}, {"language", "de"}, {"parameters", {{"street", "Am Ufer"}, {"level", "3"}}}}));
  EXPECT_EQ(
      named["template"]["components"],
      json::parse(
          R"([{"type":"body","parameters":[{"type":"text","parameter_name":"level","text":"3"},{"type":"text","parameter_name":"street","text":"Am Ufer"}]}])"));
  const json code = body_of(content("template", "", {{"name", "otp"}, {"language", "de"}, {"code", "123456"}}));
  EXPECT_EQ(code["template"]["components"], json::parse(R"([{"type":"body","parameters":[{"type":"text","text":"123456"}]},
                            {"type":"button","sub_type":"url","index":"0","parameters":[{"type":"text","text":"123456"}]}])"));
  const json bare = body_of(content("template", "", {{"name", "hello_world"}, {"language", {{"code", "en_US"}}}}));
  EXPECT_EQ(bare["template"], json::parse(R"({"name":"hello_world","language":{"code":"en_US"}})"));
}

TEST(WhatsappRequest, AFileOfOursIsUploadedFirst) {
  const std::string sha(64, 'a');
  Content named = content("media", "", {{"id", "media_" + sha}, {"mime", "image/png"}});
  named.media = Media{"", "", "", sha, "", 0, false, false};
  ASSERT_TRUE(stored_file(named));
  EXPECT_EQ(stored_file(named)->sha256, sha);
  EXPECT_EQ(body_of(named)["image"]["id"], "900");
  Content filled = content("media", "see", {{"voice", true}});
  filled.media = Media{"", "", "audio/ogg; codecs=opus", sha, "note.ogg", 1000, false, false};
  filled.text.clear();
  EXPECT_EQ(body_of(filled)["audio"], (json{{"id", "900"}, {"voice", true}}));
  filled.media->mime = "application/zip";
  EXPECT_EQ(body_of(filled)["document"], (json{{"id", "900"}, {"filename", "note.ogg"}}));
  EXPECT_FALSE(stored_file(content("image", "", {{"id", "123"}})));
  EXPECT_FALSE(stored_file(content("image", "", {{"link", "https://x/y.png"}})));
  Content headed =
      content("buttons", "body", {{"buttons", {{{"id", "a"}, {"title", "A"}}}}, {"header", {{"media", {{"kind", "image"}}}}}});
  headed.media = Media{"", "", "image/jpeg", sha, "", 1000, false, false};
  EXPECT_EQ(body_of(headed)["interactive"]["header"], json::parse(R"({"type":"image","image":{"id":"900"}})"));
}

// Every place that can name a file of ours. Until somebody has asked whether its author may send it, nothing is sent.
TEST(WhatsappRequest, AFileOfOursIsAskedForWhereverItIsNamed) {
  const std::string sha = std::string(63, 'b') + "7";
  const json one_button = {{{"id", "a"}, {"title", "A"}}};
  const json rows = {{{"rows", {{{"id", "1"}, {"title", "t"}}}}}};
  const auto places = [&](const json& id) {
    const json header = {{"media", {{"kind", "image"}, {"id", id}}}};
    return std::map<std::string, Content>{
        {"media", content("media", "", {{"id", id}})},
        {"image", content("image", "see", {{"id", id}})},
        {"buttons", content("buttons", "b", {{"header", header}, {"buttons", one_button}})},
        {"link", content("link", "b", {{"header", header}, {"display_text", "x"}, {"url", "https://x"}})},
        {"template", content("template", "", {{"name", "n"}, {"language", "en"}, {"header", header}})},
    };
  };
  for (const std::string& id : {"media_" + sha, sha}) {
    for (auto& [where, what] : places(id)) {
      const auto asked = file_named(what);
      ASSERT_TRUE(asked) << where;
      EXPECT_EQ(asked->sha256, sha) << where;
      EXPECT_FALSE(check(what)) << where << ": nobody asked";
      EXPECT_FALSE(stored_file(what)) << where;
      EXPECT_TRUE(body_of(what).is_string()) << where;
      what.media = Media{"", "", "image/png", std::string(64, 'c'), "", 9, false, false};
      EXPECT_FALSE(check(what)) << where << ": another one was asked for";
      what.media->sha256 = sha;
      const auto fine = check(what);
      EXPECT_TRUE(fine) << where << ": " << (fine ? "" : fine.error().detail);
      ASSERT_TRUE(stored_file(what)) << where;
      EXPECT_EQ(stored_file(what)->sha256, sha) << where;
    }
  }
  // Meant as ours, and none: never Meta's business.
  for (const std::string id : {"media_1", "media_", "media_media_1"}) {
    for (const auto& [where, what] : places(id)) EXPECT_TRUE(file_named(what) && !check(what)) << where << " " << id;
  }
  for (const auto& [where, what] : places(std::string(64, 'A'))) EXPECT_TRUE(file_named(what) && !check(what)) << where;
  for (const auto& [where, what] : places("1234567890")) {
    EXPECT_FALSE(file_named(what)) << where;
    EXPECT_TRUE(check(what) || where == "media") << where;
  }
  const auto own = content(
      "template", "",
      {{"name", "n"},
       {"language", "en"},
       {"components", {{{"type", "header"}, {"parameters", {{{"type", "image"}, {"image", {{"id", "media_" + sha}}}}}}}}}});
  EXPECT_THAT(check(own).error().detail, HasSubstr("template's header"));
}

// Each case is one rule broken; the words must name it.
struct Broken {
  Content content;
  std::string says;
};

TEST(WhatsappRequest, SaysWhatIsWrongAndWhatToDo) {
  const auto text = [](std::size_t n) { return std::string(n, 'x'); };
  const json one_button = {{{"id", "a"}, {"title", "A"}}};
  const auto list_of = [](int rows) {
    json all = json::array();
    for (int i = 0; i < rows; ++i) all.push_back({{"id", std::to_string(i)}, {"title", "t"}});
    return json{{"button", "b"}, {"sections", {{{"rows", all}}}}};
  };
  const auto tmpl = [](json more) {
    json all = {{"name", "n"}, {"language", "en"}};
    all.update(more);
    return content("template", "", all);
  };
  const auto own = [&](const json& component) { return tmpl({{"components", json::array({component})}}); };
  const auto contact = [](json more) {
    json all = {{"name", {{"formatted_name", "A"}, {"first_name", "A"}}}};
    all.update(more);
    return content("contacts", "", json::array({all}));
  };
  const json picture = {{"media", {{"kind", "image"}, {"link", "https://a/b"}}}};
  const json a_text = {{"type", "text"}, {"text", "a"}};
  Content big = content("image", "", {});
  big.media = Media{"", "", "image/png", std::string(64, 'a'), "", 6LL << 20, false, false};
  Content webp = big;
  webp.media->mime = "image/webp";
  Content raw = content("text", "x");
  raw.detail = "{";
  Content deep = content("interactive", "");
  deep.detail = "{\"type\":\"x\",\"a\":" + std::string(80, '[') + std::string(80, ']') + "}";
  const std::vector<Broken> cases = {
      {content("text", ""), "text is missing"},
      {content("text", text(4097)), "longer than 4096"},
      {raw, "not JSON"},
      {deep, "too deep"},
      {content("poll", "x"), "cannot carry"},
      {content("image", ""), "id or an https link"},
      {content("image", "", {{"link", "http://plain"}}), "https link"},
      {content("media", "", {{"id", "1"}}), "needs a kind"},
      {content("image", text(1025), {{"id", "1"}}), "caption is longer"},
      {content("audio", "words", {{"id", "1"}}), "cannot carry a caption"},
      {big, "larger than WhatsApp's limit of 5120 KiB"},
      {webp, "send it as document"},
      {content("image", "", {{"id", std::string(64, 'a')}}), "no upload of yours"},
      {content("image", "", {{"id", "a b"}}), "malformed"},
      {content("buttons", "b", json::array()), "1 to 3 buttons"},
      {content("buttons", "b", {one_button[0], one_button[0], one_button[0], one_button[0]}), "1 to 3 buttons"},
      {content("buttons", "b", {one_button[0], one_button[0]}), "must differ"},
      {content("buttons", "b", {{{"id", "a"}, {"title", text(21)}}}), "button title is longer than 20"},
      {content("buttons", "b", {{{"id", text(257)}, {"title", "t"}}}), "button id is longer than 256"},
      {content("buttons", "b", {{{"id", "a"}}}), "button title is missing"},
      {content("buttons", "", one_button), "text is missing"},
      {content("buttons", text(1025), one_button), "text is longer than 1024"},
      {content("buttons", "b", {{"buttons", one_button}, {"footer", text(61)}}), "footer is longer than 60"},
      {content("buttons", "b", {{"buttons", one_button}, {"header", text(61)}}), "header is longer than 60"},
      {content("buttons", "b", {{"buttons", one_button}, {"header", {{"media", {{"kind", "audio"}, {"id", "1"}}}}}}),
       "header takes an image"},
      {content("list", "b", list_of(11)), "10 list rows"},
      {content("list", "b", list_of(0)), "needs rows"},
      {content("list", "b", {{"button", text(21)}, {"sections", list_of(1)["sections"]}}), "list button is longer than 20"},
      {content("list", "b", {{"button", "b"}, {"sections", {list_of(1)["sections"][0], list_of(1)["sections"][0]}}}),
       "section title"},
      {content("link", "b", {{"display_text", "x"}, {"url", "javascript:1"}}), "url must be"},
      {content("flow", "b", {{"flow_cta", "x"}}), "flow_id or flow_name"},
      {content("flow", "b", {{"flow_id", "1"}, {"flow_name", "1"}, {"flow_cta", "x"}}), "not both"},
      {content("location", "", {{"latitude", 91}, {"longitude", 0}}), "latitude"},
      {content("location", "", {{"latitude", "1"}, {"longitude", 0}}), "as numbers"},
      {content("contacts", "", json::array()), "1 to 257"},
      {content("contacts", "", {{{"name", {{"formatted_name", "A"}}}}}), "one more part"},
      {content("contacts", "", {{{"name", {{"first_name", "A"}}}}}), "formatted_name"},
      {content("reaction", "", {{"emoji", "x"}}), "message it reacts to"},
      {content("reaction", "", {{"message_id", "w"}}), "needs an emoji"},
      {content("template", "", {{"language", "en"}}), "needs a name"},
      {content("template", "", {{"name", "n"}}), "needs a language"},
      {tmpl({{"parameters", {"a\nb"}}}), "line break"},
      {tmpl({{"parameters", {"a     b"}}}), "four spaces"},
      {tmpl({{"parameters", {""}}}), "is empty"},
      {tmpl({{"parameters", {1}}}), "must be a text"},
      {tmpl({{"parameters", "a"}}), "list of values"},
      {tmpl({{"parameters", {"a"}}, {"components", json::array()}}), "either components"},
      {tmpl({{"buttons", {{{"index", 10}, {"type", "url"}, {"value", "x"}}}}}), "index from 0 to 9"},
      {tmpl({{"buttons", {{{"index", 0}, {"type", "bell"}, {"value", "x"}}}}}), "of type quick_reply"},
      {tmpl({{"components",
              {{{"type", "body"},
                {"parameters",
                 {{{"type", "text"}, {"text", "a"}, {"parameter_name", "p"}}, {{"type", "text"}, {"text", "b"}}}}}}}}),
       "cannot be mixed"},
      {tmpl({{"code", text(16)}}), "at most 15"},
      {content("interactive", "", json::object()), "needs a type"},
      {content("image", "", {{"link", "https://"}}), "with a host"},
      {content("list", "b", {{"button", "b"}, {"sections", list_of(1)["sections"]}, {"header", picture}}),
       "header of a list and of a flow"},
      {content("flow", "b", {{"flow_id", "1"}, {"flow_cta", "x"}, {"header", picture}}), "header of a list and of a flow"},
      {content("flow", "b", {{"flow_id", "1"}, {"flow_cta", "x"}, {"mode", "test"}}), "mode is draft or published"},
      {content("flow", "b", {{"flow_id", "1"}, {"flow_cta", "x"}, {"mode", 1}}), "mode is draft or published"},
      {content("flow", "b", {{"flow_id", "1"}, {"flow_cta", "x"}, {"flow_action", "jump"}}), "navigate or data_exchange"},
      {content("flow", "b", {{"flow_id", "1"}, {"flow_cta", "x"}, {"flow_action_payload", "FIRST"}}),
       "flow_action_payload is an object"},
      {content("buttons", "b", {{{"id", " a"}, {"title", "A"}}}), "begins or ends with a space"},
      {content("buttons", "b", {{{"id", "a "}, {"title", "A"}}}), "begins or ends with a space"},
      {content("link", "b", {{"display_text", "x"}, {"url", "http://"}}), "with a host"},
      {content("reaction", "", {{"message_id", "w"}, {"emoji", "yes"}}), "one emoji"},
      {content("reaction", "", {{"message_id", "w"}, {"emoji", "👍👍"}}), "one emoji"},
      {contact({{"hobby", "x"}}), "that WhatsApp does not know"},
      {contact({{"birthday", "in May"}}), "YYYY-MM-DD"},
      {contact({{"birthday", 1980}}), "YYYY-MM-DD"},
      {contact({{"phones", "1"}}), "phones must be a list"},
      {contact({{"phones", {"1"}}}), "phones must be an object"},
      {contact({{"phones", {{{"number", "1"}}}}}), "that WhatsApp does not know"},
      {contact({{"phones", {{{"type", "WORK"}}}}}), "phones needs phone"},
      {contact({{"phones", {{{"phone", 1}}}}}), "is a text"},
      {contact({{"emails", {{"email", "x"}}}}), "emails must be a list"},
      {contact({{"org", "City"}}), "org must be an object"},
      {contact({{"name", {{"formatted_name", "A"}, {"first_name", 7}, {"last_name", "B"}}}}), "is a text"},
      {content("contacts", "", {"A"}), "a contact must be an object"},
      {tmpl({{"language", {{"code", "en"}, {"policy", "fallback"}}}}), "policy is deterministic"},
      {tmpl({{"buttons", {{{"index", 0}, {"type", "copy_code"}, {"value", text(16)}}}}}), "at most 15"},
      {tmpl({{"buttons", {{{"index", 0}, {"type", "url"}, {"value", "a"}}, {{"index", "0"}, {"type", "url"}, {"value", "b"}}}}}),
       "same index"},
      {tmpl({{"code", "1"}, {"buttons", {{{"index", 0}, {"type", "url"}, {"value", "a"}}}}}), "same index"},
      {tmpl({{"code", "1"}, {"parameters", {"a"}}}), "either parameters, or the code"},
      {tmpl({{"header", {{"location", {{"latitude", 1}, {"longitude", 1}}}}}}), "a name and an address"},
      {tmpl({{"header", {{"location", {{"latitude", "1"}, {"longitude", 1}, {"name", "a"}, {"address", "b"}}}}}}), "as numbers"},
      {tmpl({{"header", {{"location", {{"name", "a"}, {"address", "b"}}}}}}), "needs latitude"},
      {tmpl({{"header", {{"location", 7}}}}), "must be an object"},
      {tmpl({{"parameters", {{{"type", "currency"}, {"currency", 7}}}}}), "currency parameter must be an object"},
      {tmpl({{"parameters",
              {{{"type", "currency"}, {"currency", {{"fallback_value", "1"}, {"code", "EUR"}, {"amount_1000", 1.5}}}}}}}),
       "a whole number"},
      {tmpl({{"parameters", {{{"type", "date_time"}, {"date_time", "today"}}}}}), "fallback_value"},
      {tmpl({{"parameters", {{{"type", "poem"}, {"poem", "x"}}}}}), "text, currency or date_time"},
      {own({{"type", "poem"}}), "of type header, body"},
      {own("body"), "must be an object"},
      {own({{"type", "body"}, {"text", "x"}}), "that WhatsApp does not know"},
      {own({{"type", "body"}, {"parameters", {{{"type", "text"}}}}}), "parameter is empty"},
      {own({{"type", "body"}, {"parameters", "x"}}), "must be a list"},
      {own({{"type", "header"}}), "exactly one parameter"},
      {own({{"type", "header"}, {"parameters", {a_text, a_text}}}), "exactly one parameter"},
      {own({{"type", "header"}, {"parameters", {{{"type", "poem"}}}}}), "text, image, video, document or location"},
      {own({{"type", "header"}, {"parameters", {{{"type", "image"}, {"image", {{"link", "http://a"}}}}}}}),
       "either an id of Meta's or an https"},
      {own({{"type", "header"}, {"parameters", {{{"type", "image"}, {"image", {{"id", "1"}, {"link", "https://a"}}}}}}}),
       "either an id of Meta's or an https"},
      {own({{"type", "header"}, {"parameters", {{{"type", "image"}, {"image", {{"id", "1"}, {"caption", "x"}}}}}}}),
       "that WhatsApp does not know"},
      {own({{"type", "button"}, {"sub_type", "url"}, {"parameters", {a_text}}}), "index from 0 to 9"},
      {own({{"type", "button"}, {"index", "0"}, {"parameters", {a_text}}}), "needs a sub_type"},
      {own({{"type", "button"}, {"index", "0"}, {"sub_type", "poem"}, {"parameters", {a_text}}}), "needs a sub_type"},
      {own({{"type", "button"}, {"index", "0"}, {"sub_type", "quick_reply"}, {"parameters", {a_text}}}), "of type payload"},
      {own({{"type", "button"}, {"index", "0"}, {"sub_type", "url"}, {"parameters", {{{"type", "text"}}}}}), "with its text"},
      {own({{"type", "button"}, {"index", "0"}, {"sub_type", "url"}}), "exactly one parameter"},
      {own({{"type", "button"}, {"index", "0"}, {"sub_type", "flow"}, {"parameters", {{{"type", "action"}}}}}),
       "with its action"},
      {own({{"type", "button"},
            {"index", "0"},
            {"sub_type", "copy_code"},
            {"parameters", {{{"type", "coupon_code"}, {"coupon_code", text(16)}}}}}),
       "at most 15"},
      {tmpl({{"components", {{{"type", "body"}, {"parameters", {a_text}}}, {{"type", "BODY"}, {"parameters", {a_text}}}}}}),
       "at most one body"},
      {own({{"type", "carousel"}}), "1 to 10 cards"},
      {own({{"type", "carousel"}, {"cards", {{{"components", {{{"type", "poem"}}}}}}}}), "of type header, body"},
  };
  for (const Broken& each : cases) {
    const auto result = check(each.content);
    ASSERT_FALSE(result) << each.says;
    EXPECT_THAT(result.error().detail, HasSubstr(each.says));
    EXPECT_THAT(result.error().detail, testing::Not(HasSubstr("xxxx")));
  }
  // The same at their limits are fine; characters count, not octets.
  std::string umlauts;
  for (int i = 0; i < 4096; ++i) umlauts += "ü";
  EXPECT_TRUE(check(content("text", umlauts)));
  EXPECT_TRUE(check(content("list", text(4096), list_of(10))));
  EXPECT_TRUE(check(content("buttons", text(1024), {{{"id", text(256)}, {"title", text(20)}}})));
  EXPECT_TRUE(check(content("location_request", "where?")));
  EXPECT_TRUE(check(content("reaction", "", {{"emoji", ""}, {"message_id", "wamid.1"}})));
  EXPECT_TRUE(check(tmpl({{"parameters", {"a    b"}}})));
  EXPECT_TRUE(
      check(contact({{"phones", {{{"phone", "+49 30 1"}, {"wa_id", "49301"}, {"type", "WORK"}}}}, {"birthday", "2000-02-29"}})));
  EXPECT_TRUE(check(tmpl({{"buttons", {{{"index", 0}, {"type", "copy_code"}, {"value", text(15)}}}}})));
  // Meta's words for what ours do not say.
  for (const json& component : std::vector<json>{
           {{"type", "HEADER"}, {"parameters", {{{"type", "image"}, {"image", {{"id", "1"}}}}}}},
           {{"type", "header"},
            {"parameters",
             {{{"type", "location"}, {"location", {{"latitude", "1.5"}, {"longitude", "2"}, {"name", "a"}, {"address", "b"}}}}}}},
           {{"type", "button"}, {"sub_type", "FLOW"}, {"index", 9}},
           {{"type", "button"},
            {"sub_type", "mpm"},
            {"index", "0"},
            {"parameters", {{{"type", "action"}, {"action", json::object()}}}}},
           {{"type", "limited_time_offer"},
            {"parameters", {{{"type", "limited_time_offer"}, {"limited_time_offer", {{"expiration_time_ms", 1}}}}}}},
           {{"type", "carousel"},
            {"cards",
             {{{"card_index", 0},
               {"components",
                {{{"type", "header"}, {"parameters", {{{"type", "image"}, {"image", {{"link", "https://a"}}}}}}},
                 {{"type", "button"}, {"sub_type", "url"}, {"index", 0}, {"parameters", {a_text}}}}}}}}}}) {
    const auto fine = check(own(component));
    EXPECT_TRUE(fine) << component << ": " << (fine ? "" : fine.error().detail);
  }
}

}  // namespace
}  // namespace belfry::whatsapp
