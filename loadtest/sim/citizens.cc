// The town: citizens who open conversations, answer what agents write, thank, react, send a place or a picture.
//
// They write through a Phone: the Meta role in this process (belfry-sim town) or another belfry-sim meta (belfry-sim citizens
// --meta).
#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>
#include <unordered_map>
#include <utility>

#include "meta.h"
#include "phrases.h"
#include "picture.h"
#include "roles.h"

namespace sim {

namespace {

// What a citizen hears of an agent's message.
struct Heard {
  std::string wa_id, user, wamid, type, text;
};

class Phone {
 public:
  virtual ~Phone() = default;
  virtual void say(const Citizen& who, Json message, std::function<void(std::string wamid)> then) = 0;
  virtual void upload(std::string bytes, const std::string& mime, std::function<void(std::string id)> then) = 0;
  virtual void on_hear(std::function<void(const Heard&)> hear) = 0;
};

class OwnMeta final : public Phone {
 public:
  explicit OwnMeta(Meta& meta) : meta_(meta) {}
  void say(const Citizen& who, Json message, std::function<void(std::string)> then) override {
    const auto& numbers = meta_.config().numbers;
    const auto& number = numbers[std::hash<std::string>{}(who.phone + who.user) % numbers.size()];
    then(meta_.say(who, std::move(message), number));
  }
  void upload(std::string bytes, const std::string& mime, std::function<void(std::string)> then) override {
    then(meta_.put_media(std::move(bytes), mime));
  }
  void on_hear(std::function<void(const Heard&)> hear) override {
    meta_.on_send([hear = std::move(hear)](const SeenSend& seen) {
      hear({seen.wa_id, seen.send.to_user ? seen.send.to : "", seen.wamid, seen.send.type, seen.send.text});
    });
  }

 private:
  Meta& meta_;
};

class OtherMeta final : public Phone {
 public:
  OtherMeta(Loop& loop, const Url& url) : loop_(loop), client_(loop, url, {}, 4) {}

  void say(const Citizen& who, Json message, std::function<void(std::string)> then) override {
    const Json body = {{"from", who.phone},
                       {"from_user_id", who.user},
                       {"name", who.name},
                       {"username", who.username},
                       {"message", std::move(message)}};
    post("/sim/inbound", "application/json", body.dump(), "wamid", std::move(then));
  }
  void upload(std::string bytes, const std::string& mime, std::function<void(std::string)> then) override {
    post("/sim/media", mime, std::move(bytes), "id", std::move(then));
  }
  void on_hear(std::function<void(const Heard&)> hear) override {
    hear_ = std::move(hear);
    look();
  }

 private:
  void post(const std::string& path, const std::string& type, std::string body, const std::string& member,
            std::function<void(std::string)> then) {
    client_.ask({"POST", path, {{"Content-Type", type}}, std::move(body)}, 10'000,
                [member, then = std::move(then)](const HttpGot& got) {
                  const auto answer = nlohmann::json::parse(got.body, nullptr, false);
                  then(answer.is_object() ? answer.value(member, "") : "");
                });
  }
  void look() {
    client_.ask({"GET", "/sim/sends?after=" + std::to_string(after_), {}, ""}, 10'000, [this](const HttpGot& got) {
      const auto answer = nlohmann::json::parse(got.body, nullptr, false);
      if (answer.is_object() && answer.contains("sends")) {
        for (const auto& each : answer["sends"]) {
          hear_({each.value("wa_id", ""), each.value("to_user", false) ? each.value("to", "") : "", each.value("wamid", ""),
                 each.value("type", ""), each.value("text", "")});
        }
        after_ = answer.value("next", after_);
      }
      loop_.after(250, [this] { look(); });
    });
  }

  Loop& loop_;
  HttpClient client_;
  std::function<void(const Heard&)> hear_;
  std::uint64_t after_ = 0;
};

class Town {
 public:
  struct Config {
    double per_minute = 12;
    std::uint64_t count = 0;  // conversations to open; 0: until the end
    std::size_t people = 200;
    double usernames = 0.1, oddities = 0.03;
    std::uint64_t seed = 1;
    bool quick = false;  // for tests: nobody thinks longer than a blink
  };

  Town(Loop& loop, Phone& phone, Config config) : loop_(loop), phone_(phone), config_(config), chance_(config.seed) {
    for (std::size_t i = 0; i < config_.people; ++i) people_.push_back(make_person(i));
    for (std::size_t i = 0; i < people_.size(); ++i) {
      const auto& who = people_[i].who;
      if (!who.phone.empty()) by_address_[who.phone] = i;
      by_address_[who.user] = i;
    }
    phone_.on_hear([this](const Heard& heard) { hear(heard); });
  }

  void start() { open_next(); }
  bool over() const {
    return config_.count != 0 && opened_ >= config_.count && wall_ms() - last_activity_ > (config_.quick ? 3'000 : 30'000);
  }
  Json report() const {
    return {{"opened", opened_},     {"said", said_},     {"heard", heard_},         {"thanks", thanked_},
            {"pictures", pictures_}, {"places", places_}, {"reactions", reactions_}, {"impatient", impatient_}};
  }

 private:
  struct Person {
    Citizen who;
    bool busy = false, answering = false;
    int turn = 0;
    std::uint64_t story = 0;  // counts conversations: what was planned in an older one is forgotten
    std::string last_said, last_heard;
  };

  Person make_person(std::size_t index) {
    // One in three writes English; a town has newcomers.
    const auto& tongue_of = chance_.happens(0.2) ? tongues().front() : chance_.pick(tongues());
    Person person;
    person.who.language = tongue_of.language;
    person.who.name = chance_.pick(tongue_of.names);
    const auto digits = std::to_string(1000 + index);
    person.who.phone = chance_.pick(tongue_of.prefixes) + digits.substr(digits.size() - 4);
    static const std::map<std::string, std::string> kCountries = {
        {"en", "GB"}, {"es", "ES"}, {"pt", "BR"}, {"ru", "KZ"}, {"ar", "AE"}};
    std::string number = std::to_string(1'000'000'000'000'000 + index);
    person.who.user = kCountries.at(tongue_of.language) + "." + number;
    if (chance_.happens(config_.usernames)) {
      person.who.username = "@neighbour" + std::to_string(index);
      person.who.phone.clear();
    }
    return person;
  }

  std::int64_t pause(std::int64_t low, std::int64_t high) {
    return config_.quick ? chance_.between(5, 60) : chance_.between(low, high);
  }

  void open_next() {
    if (config_.count != 0 && opened_ >= config_.count) return;
    const auto mean = 60'000.0 / config_.per_minute;
    // The first two come at once: who has just opened the desk wants to see somebody.
    const auto wait = opened_ < 2 ? 200 : static_cast<std::int64_t>(mean * (0.4 + 1.2 * chance_.unit()));
    loop_.after(wait, [this] {
      std::size_t index = 0;
      bool found = false;
      for (int tries = 0; tries < 20 && !found; ++tries) {
        index = static_cast<std::size_t>(chance_.between(0, static_cast<std::int64_t>(people_.size()) - 1));
        found = !people_[index].busy;
      }
      if (found) open(index);
      open_next();
    });
  }

  void open(std::size_t index) {
    auto& person = people_[index];
    person.busy = true;
    person.turn = 0;
    ++person.story;
    ++opened_;
    const auto& words = tongue(person.who.language);
    say_text(index, chance_.pick(words.openings));
    if (chance_.happens(0.25)) {
      plan(index, pause(1500, 5000),
           [this, index] { say_text(index, chance_.pick(tongue(people_[index].who.language).details)); });
    } else if (chance_.happens(0.15)) {
      plan(index, pause(2000, 6000), [this, index] { say_picture(index); });
    }
    if (chance_.happens(config_.oddities)) plan(index, pause(3000, 6000), [this, index] { say_oddity(index); });
    wait_for_answer(index);
  }

  // Somebody who hears nothing asks once more, and later gives up.
  void wait_for_answer(std::size_t index) {
    const auto turn = people_[index].turn;
    plan(index, config_.quick ? 5000 : chance_.between(60'000, 150'000), [this, index, turn] {
      if (people_[index].turn != turn || !people_[index].busy) return;
      if (chance_.happens(0.4)) {
        ++impatient_;
        say_text(index, chance_.pick(tongue(people_[index].who.language).impatience));
      }
      plan(index, config_.quick ? 5000 : 300'000, [this, index, turn] {
        if (people_[index].turn == turn) people_[index].busy = false;
      });
    });
  }

  void hear(const Heard& heard) {
    auto found = by_address_.find(heard.user.empty() ? heard.wa_id : heard.user);
    if (found == by_address_.end()) found = by_address_.find(heard.wa_id);
    if (found == by_address_.end()) return;
    ++heard_;
    last_activity_ = wall_ms();
    const auto index = found->second;
    auto& person = people_[index];
    if (heard.type == "reaction") return;
    person.last_heard = heard.wamid;
    person.busy = true;
    if (person.answering) return;  // one thing at a time
    person.answering = true;
    const auto turn = ++person.turn;
    plan(index, pause(3000, 9000), [this, index, turn, heard] {
      auto& now = people_[index];
      now.answering = false;
      const auto& words = tongue(now.who.language);
      if (heard.type == "interactive")
        return say(index, {{"type", "interactive"},
                           {"interactive", {{"type", "button_reply"}, {"button_reply", {{"id", "1"}, {"title", "OK"}}}}}});
      if (turn >= 4 && chance_.happens(0.5)) return finish(index);
      if (turn == 1) {
        const auto dice = chance_.unit();
        if (dice < 0.2) return say_place(index);
        if (dice < 0.35) return say_picture(index);
        if (dice < 0.45) react(index);
        return say_text(index, chance_.pick(words.details));
      }
      if (turn == 2 && chance_.happens(0.5)) return say_text(index, chance_.pick(words.details));
      thank(index);
    });
  }

  void thank(std::size_t index) {
    ++thanked_;
    if (chance_.happens(0.4)) react(index);
    if (chance_.happens(0.8)) say_text(index, chance_.pick(tongue(people_[index].who.language).thanks));
    finish(index);
  }

  void finish(std::size_t index) {
    auto& person = people_[index];
    person.answering = false;
    // Free again after a while; a late word of the agent makes the person answer once more.
    plan(index, pause(20'000, 60'000), [this, index] { people_[index].busy = false; });
  }

  void react(std::size_t index) {
    if (people_[index].last_heard.empty()) return;
    ++reactions_;
    static const std::vector<std::string> kFaces = {"\xf0\x9f\x91\x8d", "\xf0\x9f\x99\x8f", "\xe2\x9d\xa4\xef\xb8\x8f",
                                                    "\xf0\x9f\x98\x82"};
    say(index,
        {{"type", "reaction"}, {"reaction", {{"message_id", people_[index].last_heard}, {"emoji", chance_.pick(kFaces)}}}});
  }

  void say_place(std::size_t index) {
    ++places_;
    Json place = {{"latitude", 38.7 + chance_.unit() / 10}, {"longitude", -9.1 - chance_.unit() / 10}};
    if (chance_.happens(0.5)) {
      place["name"] = "Bakery";
      place["address"] = "Mill Street 14";
    }
    say(index, {{"type", "location"}, {"location", place}});
  }

  void say_picture(std::size_t index) {
    ++pictures_;
    auto bytes = make_png(chance_);
    const auto digest = to_base64(sha256(bytes));
    const auto story = people_[index].story;
    phone_.upload(std::move(bytes), "image/png", [this, index, digest, story](const std::string& id) {
      if (id.empty() || people_[index].story != story) return;
      Json image = {{"mime_type", "image/png"}, {"sha256", digest}, {"id", id}};
      if (chance_.happens(0.5)) image["caption"] = chance_.pick(tongue(people_[index].who.language).details);
      say(index, {{"type", "image"}, {"image", image}});
    });
  }

  // What is rare and must not surprise anybody: an edit, a revoke, a type nobody knows.
  void say_oddity(std::size_t index) {
    const auto& person = people_[index];
    const auto dice = chance_.between(0, 2);
    if (dice == 0 && !person.last_said.empty()) {
      return say(index,
                 {{"type", "edit"},
                  {"edit",
                   {{"original_message_id", person.last_said},
                    {"message", {{"type", "text"}, {"text", {{"body", chance_.pick(tongue(person.who.language).openings)}}}}}}}});
    }
    if (dice == 1 && !person.last_said.empty())
      return say(index, {{"type", "revoke"}, {"revoke", {{"original_message_id", person.last_said}}}});
    say(index, {{"type", "unsupported"},
                {"errors",
                 {{{"code", 131051},
                   {"title", "Message type unknown"},
                   {"message", "Message type unknown"},
                   {"error_data", {{"details", "Message type is currently not supported."}}}}}}});
  }

  void say_text(std::size_t index, const std::string& text) {
    Json message = {{"type", "text"}, {"text", {{"body", text}}}};
    if (!people_[index].last_heard.empty() && chance_.happens(0.15))
      message["context"] = {{"from", "15550783881"}, {"id", people_[index].last_heard}};
    say(index, std::move(message));
  }

  void say(std::size_t index, Json message) {
    ++said_;
    last_activity_ = wall_ms();
    phone_.say(people_[index].who, std::move(message),
               [this, index](const std::string& wamid) { people_[index].last_said = wamid; });
  }

  void plan(std::size_t index, std::int64_t in_ms, std::function<void()> task) {
    loop_.after(in_ms, [this, index, story = people_[index].story, task = std::move(task)] {
      if (people_[index].story == story) task();
    });
  }

  Loop& loop_;
  Phone& phone_;
  Config config_;
  Chance chance_;
  std::vector<Person> people_;
  std::unordered_map<std::string, std::size_t> by_address_;
  std::uint64_t opened_ = 0, said_ = 0, heard_ = 0, thanked_ = 0, pictures_ = 0, places_ = 0, reactions_ = 0, impatient_ = 0;
  std::int64_t last_activity_ = wall_ms();
};

void add_town_options(Options& options) {
  options.section("Citizens")
      .add("--rate", "N", "12", "conversations opened a minute, up to 60000")
      .add("--count", "N", "0", "open N conversations, wait until they are over, end; 0: until a signal")
      .add("--people", "N", "200", "who live here, up to 9000")
      .add("--username-rate", "SHARE", "0.1", "who hide their phone number (no `from` in the webhook)")
      .add("--oddity-rate", "SHARE", "0.03", "of conversations with an edit, a revoke or an unknown type")
      .add("--quick", "", "", "nobody thinks: for tests");
}

Town::Config town_config(const Options& options) {
  Town::Config config;
  config.per_minute = static_cast<double>(options.number("--rate", 1, 60'000));
  config.count = static_cast<std::uint64_t>(options.number("--count", 0, 10'000'000));
  config.people = static_cast<std::size_t>(options.number("--people", 1, 9000));
  config.usernames = options.rate("--username-rate");
  config.oddities = options.rate("--oddity-rate");
  config.quick = options.on("--quick");
  config.seed = static_cast<std::uint64_t>(options.number("--seed", 0, INT64_MAX));
  return config;
}

void until_over(Loop& loop, std::function<bool()> over, std::int64_t seconds) {
  loop.on_signal([&loop] { loop.stop(); });
  if (seconds > 0) loop.after(seconds * 1000, [&loop] { loop.stop(); });
  auto look = std::make_shared<std::function<void()>>();
  *look = [&loop, over = std::move(over), weak = std::weak_ptr(look)] {
    if (over()) return loop.stop();
    loop.after(100, [again = weak.lock()] { (*again)(); });
  };
  (*look)();
  loop.run();
}

}  // namespace

int citizens_role(const Arguments& arguments) {
  Options options("citizens",
                  "citizens who write in five languages, through a belfry-sim meta that runs elsewhere (town: both in one).");
  options.add("--meta", "URL", "", "what belfry-sim meta printed as graph=");
  add_town_options(options);
  options.section("This run")
      .add("--seconds", "S", "0", "end after S seconds; 0: on a signal")
      .add("--seed", "N", "1", "of chance")
      .add("--json", "", "", "the report as one JSON object");
  if (!options.parse(arguments)) return 0;
  Loop loop;
  OtherMeta phone(loop, parse_url(options.required("--meta"), "--meta"));
  Town town(loop, phone, town_config(options));
  town.start();
  until_over(
      loop, [&] { return town.over(); }, options.number("--seconds", 0, 86'400));
  std::cout << town.report().dump(options.on("--json") ? -1 : 2) << std::endl;
  return 0;
}

int town_role(const Arguments& arguments) {
  Options options("town", "Meta and its citizens in one: what ./dev run starts.");
  add_meta_options(options);
  add_town_options(options);
  if (!options.parse(arguments)) return 0;
  const auto config = meta_config(options);
  if (!config.webhook) throw Refusal("belfry-sim town needs --webhook URL; add it");
  Loop loop;
  Journal journal(options.text("--journal"), &loop);
  Meta meta(loop, config, journal);
  OwnMeta phone(meta);
  Town town(loop, phone, town_config(options));
  std::cout << "listening graph=http://127.0.0.1:" << meta.port() << std::endl;
  const auto go = [&](const std::string& wrong) {
    if (!wrong.empty()) std::cerr << "belfry-sim: handshake failed: " << wrong << std::endl;
    town.start();
  };
  if (config.verify_token.empty()) {
    go("");
  } else {
    meta.handshake(go);
  }
  until_over(
      loop, [&] { return town.over() && meta.quiet(); }, options.number("--seconds", 0, 86'400));
  Json report = meta.stats();
  report["citizens"] = town.report();
  std::cout << report.dump(options.on("--json") ? -1 : 2) << std::endl;
  return 0;
}

}  // namespace sim
