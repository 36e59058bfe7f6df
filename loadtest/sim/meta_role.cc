// `belfry-sim meta`: the options of the Meta role, its run, and the replay of recorded bytes.
#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <iostream>

#include "meta.h"
#include "roles.h"

namespace sim {

void add_meta_options(Options& options) {
  options.section("Meta")
      .add("--port", "PORT", "0", "of the Graph API on 127.0.0.1; 0: any")
      .add("--webhook", "URL", "",
           "where webhooks go, such as http://127.0.0.1:8080/webhooks/whatsapp/city; repeatable: gateways of one name, the next "
           "where one fails")
      .add("--phone-number-id", "ID", "106540352242922", "repeatable: updates of several numbers are mixed")
      .add("--app-secret-file", "FILE", "", "signs webhooks (needed with --webhook)")
      .add("--verify-token-file", "FILE", "", "asks the webhook's hub.challenge at start")
      .add("--access-token-file", "FILE", "", "the Bearer token that sends must carry; absent: any")
      .add("--insecure", "", "", "https webhook without checking the certificate")
      .add("--ca-file", "FILE", "", "https webhook: trust this certificate")
      .add("--give-up", "T", "300s", "stop repeating a refused webhook after so long")
      .add("--webhook-connections", "N", "8", "at a time (1 with --calm: in order)")
      .add("--batch", "N", "20", "up to N updates in one POST (1 with --calm); Meta's limit is 1000")
      .section("What the world does (the first five are off with --calm)")
      .add("--calm", "", "", "no duplicates, no reordering, no slow answers, one update a POST")
      .add("--duplicate-rate", "SHARE", "0.03", "of webhooks and statuses")
      .add("--reorder-rate", "SHARE", "0.1", "read before delivered, batches shuffled")
      .add("--skip-delivered-rate", "SHARE", "0.05", "read without delivered")
      .add("--slow-rate", "SHARE", "0.05", "of Graph answers 0.2 to 1.5 s late")
      .add("--statuses", "HOW-FAR", "read", "none, sent, delivered or read")
      .add("--status-delay", "T", "600ms", "about how long a send needs to be delivered")
      .add("--read-rate", "SHARE", "0.8", "of delivered messages that are read")
      .section("Faults")
      .add("--fail-rate", "SHARE", "0", "of sends: 131000 or 2, with HTTP 5xx")
      .add("--error", "CODE:SHARE", "", "of sends: this code, such as 131056:0.1, 130429:0.2, 190:1; repeatable")
      .add("--slow", "T", "0ms", "every Graph answer is so late")
      .add("--drop-answer", "SHARE", "0", "of sends: accepted, then the connection closes without an answer")
      .add("--drop-before", "SHARE", "0", "of sends: the connection closes, nothing accepted")
      .add("--undeliverable", "SHARE", "0", "of sends: accepted, later failed with 131026")
      .add("--rate-limit", "N", "80", "messages a second of one number, beyond: 130429; 0: none")
      .add("--no-pair-limit", "", "", "do not refuse the 46th message in a row to one person with 131056")
      .add("--window", "", "", "fail (131047) what is no template and goes to somebody who did not write")
      .add("--media-url-life", "T", "5m", "of a media download address")
      .add("--expire-media-once", "", "", "the first address of each medium is already expired")
      .section("This run")
      .add("--seconds", "S", "0", "end after S seconds; 0: on a signal")
      .add("--journal", "FILE", "", "append every yes heard and send seen, fsynced, for belfry-sim check")
      .add("--seed", "N", "1", "of chance")
      .add("--json", "", "", "the report as one JSON object");
}

Meta::Config meta_config(const Options& options) {
  Meta::Config config;
  config.port = static_cast<std::uint16_t>(options.number("--port", 0, 65535));
  config.numbers = options.list("--phone-number-id");
  if (!options.text("--webhook").empty()) {
    const auto hooks = options.list("--webhook");
    config.webhook = parse_url(hooks.front(), "--webhook");
    for (auto at = hooks.begin() + 1; at != hooks.end(); ++at) config.more_webhooks.push_back(parse_url(*at, "--webhook"));
    options.required("--app-secret-file");
  }
  const auto secret = [&](const char* name) {
    return options.text(name).empty() ? std::string() : read_secret(options.text(name), name);
  };
  config.app_secret = secret("--app-secret-file");
  config.verify_token = secret("--verify-token-file");
  config.access_token = secret("--access-token-file");
  config.trust = {options.on("--insecure"), options.text("--ca-file")};
  config.give_up_ms = options.ms("--give-up");
  config.webhook_connections = static_cast<std::size_t>(options.number("--webhook-connections", 1, 256));
  config.batch = static_cast<std::size_t>(options.number("--batch", 1, 1000));
  config.calm = options.on("--calm");
  config.duplicates = options.rate("--duplicate-rate");
  config.reorder = options.rate("--reorder-rate");
  config.skip_delivered = options.rate("--skip-delivered-rate");
  config.slow = options.rate("--slow-rate");
  config.statuses = options.text("--statuses");
  static const std::vector<std::string> kHowFar = {"none", "sent", "delivered", "read"};
  if (std::find(kHowFar.begin(), kHowFar.end(), config.statuses) == kHowFar.end())
    throw Refusal("--statuses " + config.statuses + ": give none, sent, delivered or read");
  config.status_delay_ms = options.ms("--status-delay");
  config.read_share = options.rate("--read-rate");
  config.fail = options.rate("--fail-rate");
  for (const auto& each : options.list("--error")) {
    const auto colon = each.find(':');
    int code = 0;
    char* end = nullptr;
    const double share = colon == std::string::npos ? -1 : std::strtod(each.c_str() + colon + 1, &end);
    if (colon == std::string::npos || std::from_chars(each.data(), each.data() + colon, code).ptr != each.data() + colon ||
        !(share >= 0 && share <= 1) || *end != '\0') {
      throw Refusal("--error " + each + ": give it as CODE:SHARE, such as 131056:0.1");
    }
    config.errors[code] = share;
  }
  config.slow_ms = options.ms("--slow");
  config.drop_answer = options.rate("--drop-answer");
  config.drop_before = options.rate("--drop-before");
  config.undeliverable = options.rate("--undeliverable");
  config.per_second = options.number("--rate-limit", 0, 1'000'000);
  config.pair_limit = !options.on("--no-pair-limit");
  config.window = options.on("--window");
  config.media_url_ms = options.ms("--media-url-life");
  config.expire_media_once = options.on("--expire-media-once");
  config.seed = static_cast<std::uint64_t>(options.number("--seed", 0, INT64_MAX));
  return config;
}

namespace {

// Posts each recorded file one after another. 0 if every one had an answer that is neither a server error nor a refusal of the
// signature.
int replay(Loop& loop, Meta& meta, const std::string& directory, bool as_json) {
  namespace fs = std::filesystem;
  fs::path from = directory;
  std::error_code error;
  if (fs::is_directory(from / "inbound", error)) from /= "inbound";
  if (!fs::is_directory(from, error))
    throw Refusal("--replay " + directory + ": no such directory; give one that holds *.json or inbound/*.json");
  std::vector<fs::path> files;
  for (const auto& each : fs::directory_iterator(from)) {
    if (each.path().extension() == ".json") files.push_back(each.path());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) throw Refusal("--replay " + directory + ": it holds no .json file");
  int bad = 0;
  std::size_t next = 0;
  std::function<void()> one = [&] {
    if (next == files.size()) return loop.stop();
    const auto& file = files[next++];
    meta.post_raw(read_file(file.string()), [&, name = file.filename().string()](const HttpGot& got) {
      if (got.status == 0 || got.status >= 500 || got.status == 401 || got.status == 403 || got.status == 404) ++bad;
      if (as_json) {
        std::cout << Json{{"file", name}, {"status", got.status}, {"error", got.error}}.dump() << "\n";
      } else {
        std::cout << got.status << " " << name << (got.error.empty() ? "" : " " + got.error) << "\n";
      }
      one();
    });
  };
  loop.post([&] { one(); });
  loop.run();
  std::cout << std::flush;
  return bad == 0 ? 0 : 1;
}

}  // namespace

int meta_role(const Arguments& arguments) {
  Options options("meta", "plays Meta: the Graph API that belfryd sends to, and the signed webhooks it receives.");
  add_meta_options(options);
  options.add("--replay", "DIR", "",
              "post the exact bytes of DIR/*.json (or DIR/inbound/*.json), signed, print each status, end");
  if (!options.parse(arguments)) return 0;
  const auto config = meta_config(options);
  const auto seconds = options.number("--seconds", 0, 86'400);
  Loop loop;
  Journal journal(options.text("--journal"), &loop);
  Meta meta(loop, config, journal);
  if (!options.text("--replay").empty()) {
    if (!config.webhook) throw Refusal("--replay needs --webhook URL; add it");
    return replay(loop, meta, options.text("--replay"), options.on("--json"));
  }
  std::cout << "listening graph=http://127.0.0.1:" << meta.port() << std::endl;
  loop.on_signal([&] { loop.stop(); });
  if (seconds > 0) loop.after(seconds * 1000, [&] { loop.stop(); });
  if (config.webhook && !config.verify_token.empty()) {
    meta.handshake([](const std::string& wrong) {
      std::cerr << "belfry-sim: handshake " << (wrong.empty() ? "ok" : "failed: " + wrong) << std::endl;
    });
  }
  loop.run();
  std::cout << meta.stats().dump(options.on("--json") ? -1 : 2) << std::endl;
  return 0;
}

}  // namespace sim
