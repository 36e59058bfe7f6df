// `belfry-sim smsc`: the options of the SMSC role, and its run.
#include <algorithm>
#include <charconv>
#include <functional>
#include <iostream>
#include <optional>

#include "roles.h"
#include "smsc.h"

namespace sim {

namespace {

void add_options(Options& options) {
  options.section("SMSC")
      .add("--port", "PORT", "0", "on 127.0.0.1; 0: any")
      .add("--cert-file", "FILE", "", "TLS, with this PEM certificate")
      .add("--key-file", "FILE", "", "and this key")
      .add("--system-id", "ID", "", "who may bind; absent: anybody")
      .add("--password-file", "FILE", "", "and with which password; absent: any")
      .add("--version", "3|5", "3", "of SMPP: 3.4, or 5.0 with congestion_state")
      .add("--no-transceiver", "", "", "bind_transceiver is unknown (0x03): transmitter and receiver only")
      .add("--refuse-binds", "N", "0", "the first N binds fail with 0x0D")
      .add("--enquire", "T", "30s", "enquire_link after so much silence; unanswered for 10 s: the link is dropped; 0: never")
      .section("Submits")
      .add("--window", "N", "0", "more than N unanswered on a link is a violation, counted in over_window; 0: no limit")
      .add("--delay", "T", "0ms", "of every answer")
      .add("--rate", "N", "0", "submits a second of all links together, beyond: 0x58; 0: no limit")
      .add("--queue-full-rate", "SHARE", "0", "answered 0x14")
      .add("--status", "CODE:SHARE", "", "answered with this code, such as 0x45:0.1; repeatable")
      .add("--drop-rate", "SHARE", "0", "accepted, then the link falls without an answer")
      .add("--odd-rate", "SHARE", "0",
           "of PDUs as some operators write them: ids without NUL, vendor TLVs and commands, a TLV past the end, sequence "
           "numbers with the "
           "high bit, enquire_link before the bind; off with --calm")
      .add("--drop-every", "T", "0s", "all links fall, again and again")
      .add("--mute-rate", "SHARE", "0", "accepted and never answered")
      .add("--ids", "KIND", "same", "same (ten digits), hex-resp, dec-resp (the receipt has the other) or uuid")
      .section("Receipts, for submits that ask for one")
      .add("--receipts", "KIND", "text", "none, text, tlv or both")
      .add("--dialect", "NAME", "standard",
           "of the text: standard, short, unpadded, seconds, century, no-text, words, ucs2, esm0, data_sm, swapped or mixed")
      .add("--receipt-delay", "T", "1s", "about how long a delivery takes")
      .add("--early-rate", "SHARE", "0", "receipt before the submit_sm_resp")
      .add("--intermediate-rate", "SHARE", "0", "ENROUTE first")
      .add("--undeliverable", "SHARE", "0", "UNDELIV")
      .section("What people write (each until ESME_ROK: 0x64 and a lost link repeat it, 0x65 and 0x66 end it)")
      .add("--mo", "N", "0", "so many messages, once a receiver is bound")
      .add("--mo-rate", "R", "10", "a second")
      .add("--mo-delay", "T", "0s", "begin so long after the first bind")
      .add("--mo-kinds", "A,B,…", "",
           "gsm latin1 ucs2 ascii binary flash flash-ucs2 data_sm long-udh8 long-udh16 long-sar long-ucs2 long-latin1 "
           "long-payload "
           "long-payload-udh torn-ucs2; absent: all in turn")
      .add("--mo-to", "NUMBER", "12345", "whom they write to")
      .add("--mo-unique", "", "", "every text begins with a mark of its own")
      .add("--mo-on-submit", "SHARE", "0", "of texts are answered by who got them")
      .add("--lost-part-rate", "SHARE", "0", "of long messages lack one part")
      .add("--citizens", "N", "20000", "different senders")
      .add("--deliver-window", "N", "10", "deliver_sm outstanding on a link")
      .add("--deliver-timeout", "T", "10s", "unanswered for so long: sent again")
      .add("--retry", "T", "1s", "after 0x64")
      .section("What the world does (off with --calm)")
      .add("--calm", "", "", "no duplicates, no reordering, no slow answers")
      .add("--duplicate-rate", "SHARE", "0.03", "of deliver_sm are sent twice before the first is answered")
      .add("--reorder-rate", "SHARE", "0.05", "of answers overtake each other; parts of long messages four times as often")
      .add("--slow-rate", "SHARE", "0.02", "of answers 0.2 to 1.5 s late")
      .section("Benches")
      .add("--fast", "", "", "a sink: yes to every submit at once, counts only, none of the above")
      .add("--mo-flood", "N", "0", "with --fast: N deliver_sm to whoever is bound, then the end")
      .add("--mo-window", "W", "100", "with --mo-flood: so many unanswered")
      .section("This run")
      .add("--control", "", "",
           "a port for tests: /sim/stats, submits, inbound, faults, drop; printed as control=URL; with --fast: a web server that "
           "says 200 to everything")
      .add("--count", "N", "0", "end after N accepted submits")
      .add("--seconds", "S", "0", "end after S seconds; 0: on a signal")
      .add("--until-quiet", "", "", "end when --mo is all delivered and nothing is open")
      .add("--journal", "FILE", "",
           "append every submit taken (before it is answered) and every message of a citizen acknowledged, fsynced")
      .add("--seed", "N", "1", "of chance")
      .add("--json", "", "", "the report as one JSON object");
}

const std::string& one_of(const std::string& name, const std::string& value, const std::vector<std::string>& known) {
  if (const auto found = std::find(known.begin(), known.end(), value); found != known.end()) return *found;
  std::string all;
  for (const auto& each : known) all += (all.empty() ? "" : ", ") + each;
  throw Refusal(name + " " + value + ": give one of " + all);
}

Smsc::Config config_of(const Options& options) {
  Smsc::Config config;
  config.port = static_cast<std::uint16_t>(options.number("--port", 0, 65535));
  config.cert_file = options.text("--cert-file");
  config.key_file = options.text("--key-file");
  if (config.cert_file.empty() != config.key_file.empty()) throw Refusal("--cert-file and --key-file go together; add the other");
  config.system_id = options.text("--system-id");
  if (!options.text("--password-file").empty()) config.password = read_secret(options.text("--password-file"), "--password-file");
  config.version = options.number("--version", 3, 5) == 5 ? 0x50 : 0x34;
  config.transceiver = !options.on("--no-transceiver");
  config.refuse_binds = static_cast<std::size_t>(options.number("--refuse-binds", 0, 1'000'000));
  config.enquire_ms = options.ms("--enquire");
  config.window = static_cast<std::size_t>(options.number("--window", 0, 100'000));
  config.delay_ms = options.ms("--delay");
  config.rate = static_cast<double>(options.number("--rate", 0, 1'000'000));
  config.queue_full = options.rate("--queue-full-rate");
  for (const auto& each : options.list("--status")) {
    char* end = nullptr;
    const auto code = std::strtoul(each.c_str(), &end, 0);
    const double share = *end == ':' ? std::strtod(end + 1, &end) : -1;
    if (!(share >= 0 && share <= 1) || *end != '\0' || code == 0 || code > 0xFFFFFFFF)
      throw Refusal("--status " + each + ": give it as CODE:SHARE, such as 0x45:0.1");
    config.statuses[static_cast<std::uint32_t>(code)] = share;
  }
  config.drop = options.rate("--drop-rate");
  config.odd = options.rate("--odd-rate");
  config.drop_every_ms = options.ms("--drop-every");
  config.mute = options.rate("--mute-rate");
  config.ids = one_of("--ids", options.text("--ids"), {"same", "hex-resp", "dec-resp", "uuid"});
  config.receipts = one_of("--receipts", options.text("--receipts"), {"none", "text", "tlv", "both"});
  auto dialects = Smsc::dialects();
  dialects.push_back("mixed");
  config.dialect = one_of("--dialect", options.text("--dialect"), dialects);
  config.receipt_delay_ms = options.ms("--receipt-delay");
  config.early = options.rate("--early-rate");
  config.intermediate = options.rate("--intermediate-rate");
  config.undeliverable = options.rate("--undeliverable");
  config.mo = static_cast<std::uint64_t>(options.number("--mo", 0, 100'000'000));
  config.mo_rate = static_cast<double>(options.number("--mo-rate", 1, 1'000'000));
  config.mo_delay_ms = options.ms("--mo-delay");
  for (std::string rest = options.text("--mo-kinds"); !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    config.mo_kinds.push_back(one_of("--mo-kinds", rest.substr(0, comma), Smsc::mo_kinds()));
    rest.erase(0, comma + 1);
  }
  config.mo_to = options.text("--mo-to");
  if (config.mo_to.empty() || config.mo_to.size() > 20) throw Refusal("--mo-to " + config.mo_to + ": give 1 to 20 characters");
  config.mo_unique = options.on("--mo-unique");
  config.mo_on_submit = options.rate("--mo-on-submit");
  config.lost_parts = options.rate("--lost-part-rate");
  config.citizens = static_cast<std::uint64_t>(options.number("--citizens", 1, 100'000'000));
  config.deliver_window = static_cast<std::size_t>(options.number("--deliver-window", 1, 100'000));
  config.deliver_timeout_ms = options.ms("--deliver-timeout");
  config.retry_ms = options.ms("--retry");
  config.calm = options.on("--calm");
  config.duplicates = options.rate("--duplicate-rate");
  config.reorder = options.rate("--reorder-rate");
  config.slow = options.rate("--slow-rate");
  config.flood = static_cast<std::uint64_t>(options.number("--mo-flood", 0, 100'000'000));
  if (config.flood != 0 && !options.on("--fast")) throw Refusal("--mo-flood goes with --fast; add it, or use --mo");
  config.flood_window = static_cast<std::size_t>(options.number("--mo-window", 1, 8192));
  config.count = static_cast<std::uint64_t>(options.number("--count", 0, 1'000'000'000));
  config.remember = options.on("--control");
  config.seed = static_cast<std::uint64_t>(options.number("--seed", 0, INT64_MAX));
  return config;
}

}  // namespace

int smsc_role(const Arguments& arguments) {
  Options options("smsc", "plays an SMSC: SMPP 3.4 and 5.0, receipts, messages of citizens, faults; or a fast sink.");
  add_options(options);
  if (!options.parse(arguments)) return 0;
  const auto config = config_of(options);
  const auto seconds = options.number("--seconds", 0, 86'400);
  const auto indent = options.on("--json") ? -1 : 2;
  Loop loop;
  loop.on_signal([&] { loop.stop(); });
  if (seconds > 0) loop.after(seconds * 1000, [&] { loop.stop(); });
  if (options.on("--fast")) {
    FastSmsc sink(loop, config);
    // Beside a sink the control port is a web server that says nothing to everything, for gateways that pass messages on by HTTP.
    std::uint64_t requests = 0;
    std::optional<HttpServer> web;
    if (options.on("--control")) {
      web.emplace(loop, std::uint16_t{0}, [&](const HttpAsk&, const HttpServer::Answer& answer) {
        ++requests;
        answer({200, "text/plain", "", {}, false});
      });
    }
    // Who passes on by HTTP may still do so when the last deliver_sm is answered: then only the time or a signal ends the run.
    if (!web) sink.on_done([&] { loop.stop(); });
    std::cout << "listening smpp=127.0.0.1:" << sink.port() << (web ? " control=" + web->origin() : "") << std::endl;
    loop.run();
    auto report = sink.report();
    if (web) report["http_requests"] = requests;
    std::cout << report.dump(indent) << std::endl;
    return 0;
  }
  Journal journal(options.text("--journal"), &loop);
  Smsc smsc(loop, config, journal);
  smsc.on_done([&] { loop.stop(); });
  std::optional<HttpServer> control;
  if (options.on("--control")) {
    control.emplace(loop, std::uint16_t{0},
                    [&](const HttpAsk& ask, const HttpServer::Answer& answer) { answer(smsc.control(ask)); });
  }
  std::cout << "listening smpp=127.0.0.1:" << smsc.port() << (control ? " control=" + control->origin() : "") << std::endl;
  std::function<void()> look = [&] {
    if (smsc.quiet()) return loop.stop();
    loop.after(100, look);
  };
  if (options.on("--until-quiet")) loop.after(1000, look);
  loop.run();
  journal.flush();
  std::cout << smsc.report().dump(indent) << std::endl;
  return 0;
}

}  // namespace sim
