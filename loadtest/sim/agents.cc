// `belfry-sim agents`: robots on desk sockets who work, and who tell which promise of the desk was broken.
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <memory>

#include "options.h"
#include "robot.h"
#include "roles.h"

namespace sim {

int agents_role(const Arguments& arguments) {
  Options options("agents",
                  "robot agents on desk sockets: they accept, reply, resolve, reconnect, and check what the desk promises.");
  options.section("Who and where")
      .add("--url", "URL", "",
           "the gateway, such as http://127.0.0.1:8080 or https://127.0.0.1:8443; repeatable: desks are spread, and go on to the "
           "next where one dies")
      .add("--count", "N", "1", "sockets, up to 20000; with fewer keys, agents have several tabs")
      .add("--key-file", "FILE", "", "API keys of agents, one a line")
      .add("--login", "NAME", "", "instead of keys: this agent's login (session, then ticket)")
      .add("--login-prefix", "PREFIX", "", "instead of keys: logins PREFIX1 to PREFIXn")
      .add("--password-file", "FILE", "", "the password of the login or logins")
      .add("--origin", "URL", "", "the gateway's public_url, which tickets are bound to; default: --url")
      .add("--insecure", "", "", "https without checking the certificate")
      .add("--ca-file", "FILE", "", "https: trust this certificate")
      .section("How they work")
      .add("--accept", "T", "300ms", "about how long an offer waits")
      .add("--think", "T", "2s", "about how long an answer takes")
      .add("--turns", "N", "3", "answers before they resolve")
      .add("--unasked", "", "", "each answer follows the other, whether or not the citizen wrote meanwhile")
      .add("--decline-rate", "SHARE", "0", "of offers")
      .add("--ignore-rate", "SHARE", "0", "of offers: never answered; who missed one says that he is ready again")
      .add("--transfer-rate", "SHARE", "0", "of what they accept: passed on, to another robot or to --transfer-queue")
      .add("--transfer-queue", "QUEUE", "", "takes half of what is passed on, such as queue_hall")
      .add("--cuts", "N", "0", "each agent loses its connection N times a minute, and resumes")
      .add("--listen", "", "", "accept and receive, never answer")
      .section("This run")
      .add("--seconds", "S", "0", "end after S seconds; 0: on a signal")
      .add("--resolve", "N", "0", "end after N conversations are resolved; 0: not by that")
      .add("--journal", "FILE", "", "append every ack of a reply, fsynced, for belfry-sim check")
      .add("--frames", "FILE", "", "write every frame, both ways, for whoever hunts a bug")
      .add("--seed", "N", "1", "of chance")
      .add("--json", "", "", "the report as one JSON object");
  if (!options.parse(arguments)) return 0;
  options.required("--url");
  std::vector<Url> urls;
  for (const auto& each : options.list("--url")) urls.push_back(parse_url(each, "--url"));
  const auto& url = urls.front();
  const auto count = static_cast<std::size_t>(options.number("--count", 1, 20'000));
  Robot::Config base;
  base.accept_ms = options.ms("--accept");
  base.think_low_ms = options.ms("--think") / 2;
  base.think_high_ms = options.ms("--think") * 3 / 2;
  base.turns = static_cast<int>(options.number("--turns", 1, 1000));
  base.unasked = options.on("--unasked");
  base.decline = options.rate("--decline-rate");
  base.ignore = options.rate("--ignore-rate");
  base.transfer = options.rate("--transfer-rate");
  base.transfer_queue = options.text("--transfer-queue");
  base.cuts_per_minute = static_cast<double>(options.number("--cuts", 0, 600));
  base.listen_only = options.on("--listen");
  base.origin = options.text("--origin").empty() ? url.origin() : options.text("--origin");
  std::vector<std::string> keys;
  const bool by_login = options.has("--login") || options.has("--login-prefix");
  if (by_login == options.has("--key-file"))
    throw Refusal(
        "belfry-sim agents needs either --key-file FILE, or --login or --login-prefix with --password-file; give one of them");
  if (by_login) {
    base.password = read_secret(options.required("--password-file"), "--password-file");
  } else {
    keys = read_lines(options.text("--key-file"), "--key-file");
  }
  const auto seed = static_cast<std::uint64_t>(options.number("--seed", 0, INT64_MAX));
  const auto wanted = static_cast<std::uint64_t>(options.number("--resolve", 0, 100'000'000));
  const auto seconds = options.number("--seconds", 0, 86'400);
  const Trust trust{options.on("--insecure"), options.text("--ca-file")};

  Loop loop;
  Journal journal(options.text("--journal"), &loop);
  Watch watch(journal);
  WebSocketDialer dialer(loop, trust);
  HttpClient http(loop, url, trust, 4);
  std::vector<std::shared_ptr<Robot>> robots;
  std::ofstream frames;
  if (options.has("--frames")) {
    frames.open(options.text("--frames"));
    if (!frames) throw Failure("cannot write --frames " + options.text("--frames") + "; name a file in a directory that exists");
    base.record = [&frames](const std::string& who, char direction, std::string_view frame) {
      frames << wall_ms() << ' ' << who << ' ' << direction << ' ' << frame << '\n';
    };
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto config = base;
    config.seed = seed * 1'000'003 + i;
    std::rotate_copy(urls.begin(), urls.begin() + static_cast<std::ptrdiff_t>(i % urls.size()), urls.end(),
                     std::back_inserter(config.servers));
    if (by_login) {
      config.login = options.has("--login") ? options.text("--login") : options.text("--login-prefix") + std::to_string(i + 1);
    } else {
      config.key = keys[i % keys.size()];
    }
    robots.push_back(std::make_shared<Robot>(loop, dialer, http, config, watch));
    loop.post([robot = robots.back()] { robot->start(); });
  }
  bool ending = false;
  const std::function<void()> end = [&] {
    if (ending) return;
    ending = true;
    for (const auto& robot : robots) robot->stop();
    loop.after(800, [&] { loop.stop(); });
  };
  bool said_ready = false;
  std::function<void()> look = [&] {
    if (!said_ready && watch.ready >= count) {
      said_ready = true;
      std::cout << "ready agents=" << count << std::endl;
    }
    if (wanted != 0 && watch.resolved >= wanted) return end();
    loop.after(50, look);
  };
  loop.after(10, look);
  loop.on_signal(end);
  if (seconds > 0) loop.after(seconds * 1000, end);
  loop.run();
  journal.flush();
  auto report = watch.report();
  report["ready"] = said_ready;
  std::cout << report.dump(options.on("--json") ? -1 : 2) << std::endl;
  if (!said_ready)
    throw Failure("not all of the " + std::to_string(count) + " agents were ever ready (" + watch.last_close +
                  "); check the keys and that the gateway runs");
  return watch.violations() == 0 ? 0 : 1;
}

}  // namespace sim
