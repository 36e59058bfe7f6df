// `belfry-sim check`: compares, by id, what the journal heard with what belfryd holds.
//
// yes  (a webhook was answered 2xx)   -> the message is there, once
// ack  (the desk acknowledged a reply) -> the message is there, with these words; if it claims to be sent, Meta has seen it
// send (Meta accepted a request)       -> no other send carries the same reference; the message it came from is there
// mo   (an SMSC heard ESME_ROK)        -> as many messages with these words are there as people wrote (give them --mo-unique)
// asked (a text was accepted by REST)  -> it is there; if it claims to be sent, the SMSC has seen it; the SMSC has not seen it
// twice
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <unordered_map>

#include <nlohmann/json.hpp>

#include "base.h"
#include "http.h"
#include "options.h"
#include "roles.h"

namespace sim {

namespace {

using nlohmann::json;

constexpr std::size_t kMark = 4 + 8 + 1 + 12;  // sim-<run>-<number>, at the head of what load sms writes

class Archive {
 public:
  Archive(Loop& loop, const Url& url, const Trust& trust, const std::string& key)
      : loop_(loop), client_(loop, url, trust, 8), key_(key) {}

  struct Held {
    std::string id, dir, state, text;
  };
  std::unordered_map<std::string, std::vector<std::string>> by_provider;  // provider_id -> message ids
  std::unordered_map<std::string, Held> by_id;
  std::uint64_t conversations = 0;

  void read() {
    page("/api/v1/conversations?", "", [this](const json& each) {
      ++conversations;
      page("/api/v1/conversations/" + each.at("id").get<std::string>() + "/messages?", "", [this](const json& message) {
        const auto id = message.at("id").get<std::string>();
        by_id[id] = {id, message.value("dir", ""), message.value("state", ""), message.value("text", "")};
        if (const auto provider = message.value("provider_id", ""); !provider.empty()) by_provider[provider].push_back(id);
      });
    });
    loop_.run();
    if (!error_.empty()) throw Failure(error_);
  }

  // A message that stands in no conversation that is listed (a send log): asked for by its id.
  bool holds(const std::string& id) {
    if (by_id.count(id) != 0) return true;
    bool found = false;
    ask("/api/v1/messages/" + id, [&](const HttpGot& got) {
      found = got.status == 200;
      const auto message = json::parse(got.body, nullptr, false);
      if (found && message.is_object())
        by_id[id] = {id, message.value("dir", ""), message.value("state", ""), message.value("text", "")};
    });
    loop_.run();
    return found;
  }

 private:
  void ask(const std::string& target, std::function<void(const HttpGot&)> then) {
    ++open_;
    client_.ask({"GET", target, {{"Authorization", "Bearer " + key_}}, ""}, 30'000,
                [this, then = std::move(then)](const HttpGot& got) {
                  then(got);
                  if (--open_ == 0) loop_.stop();
                });
    if (open_ == 1) loop_.restart();
  }

  void page(const std::string& list, const std::string& after, std::function<void(const json&)> item) {
    ask(list + "limit=200" + (after.empty() ? "" : "&after=" + after), [this, list, item](const HttpGot& got) {
      const auto answer = json::parse(got.body, nullptr, false);
      if (got.status != 200 || !answer.is_object() || !answer.contains("items")) {
        if (error_.empty())
          error_ = "GET " + list + " answers " + std::to_string(got.status) + " " + got.error +
                   "; check --belfry-url and the key's role";
        return;
      }
      try {
        for (const auto& each : answer["items"]) item(each);
        if (answer.contains("next") && !answer["next"].is_null()) {
          const auto next = answer["next"].is_string() ? answer["next"].get<std::string>() : answer["next"].dump();
          if (!next.empty()) page(list, next, item);
        }
      } catch (const json::exception& wrong) {
        if (error_.empty()) error_ = "GET " + list + ": " + wrong.what();
      }
    });
  }

  Loop& loop_;
  HttpClient client_;
  std::string key_, error_;
  std::size_t open_ = 0;
};

// "<conversation>.<n>.<mac>" -> "msg_<conversation>.<n>": the reference is belfryd's own, of which only its readable head is
// used.
std::string message_of(const std::string& opaque) {
  const auto last = opaque.rfind('.');
  if (last == std::string::npos) return {};
  const auto head = opaque.substr(0, last);
  return head.compare(0, 4, "msg_") == 0 ? head : "msg_" + head;
}

}  // namespace

int check_role(const Arguments& arguments) {
  Options options(
      "check",
      "after a run: compares a truth journal with what belfryd holds. Exit 0 only if nothing is missing and nothing doubled.");
  options.add("--journal", "FILE", "", "what meta, smsc, town, agents or load wrote; repeatable")
      .add("--belfry-url", "URL", "", "the gateway, such as http://127.0.0.1:8080")
      .add("--key-file", "FILE", "", "an API key that may read all conversations (role auditor or admin)")
      .add("--insecure", "", "", "https without checking the certificate")
      .add("--ca-file", "FILE", "", "https: trust this certificate")
      .add("--examples", "N", "5", "how many ids to name of each kind")
      .add("--json", "", "", "one JSON object instead of lines");
  if (!options.parse(arguments)) return 0;
  const auto files = options.list("--journal");
  if (files.empty()) throw Refusal("belfry-sim check needs --journal FILE; add it");
  const auto url = parse_url(options.required("--belfry-url"), "--belfry-url");
  const auto key = read_secret(options.required("--key-file"), "--key-file");
  const auto most = static_cast<std::size_t>(options.number("--examples", 0, 1000));

  std::set<std::string> yes;
  struct Sent {
    std::string wamid, opaque;
  };
  std::vector<Sent> sends;
  struct Acked {
    std::string id, text;
  };
  std::vector<Acked> acks;
  struct Asked {
    std::string id, mark;
  };
  std::vector<Asked> asked;
  std::map<std::string, std::uint64_t> written;            // by people, by their words
  std::unordered_map<std::string, std::uint64_t> submits;  // by the mark at their head, of load sms
  std::uint64_t submitted = 0;
  std::uint64_t torn = 0;
  for (const auto& file : files) {
    std::ifstream in(file);
    if (!in) throw Failure("cannot read " + file + "; check --journal");
    for (std::string line; std::getline(in, line);) {
      const auto entry = json::parse(line, nullptr, false);
      if (!entry.is_object()) {
        ++torn;  // the last line of a journal whose writer was killed: it did not count as heard
        continue;
      }
      const auto kind = entry.value("k", "");
      if (kind == "yes") yes.insert(entry.value("wamid", ""));
      if (kind == "send") sends.push_back({entry.value("wamid", ""), entry.value("opaque", "")});
      // What was cut of a message in several parts, or is no text, cannot be found by its words.
      if (kind == "mo" && entry.value("kind", "") != "binary") ++written[entry.value("text", "")];
      if (kind == "asked") asked.push_back({entry.value("message", ""), entry.value("mark", "")});
      if (kind == "submit" && entry.contains("text")) {
        ++submitted;
        const auto text = entry.value("text", "");
        if (text.rfind("sim-", 0) == 0) ++submits[text.substr(0, kMark)];
      }
      if (kind == "ack") acks.push_back({entry.value("message", ""), entry.value("text", "")});
    }
  }

  Loop loop;
  Archive archive(loop, url, {options.on("--insecure"), options.text("--ca-file")}, key);
  archive.read();

  std::map<std::string, std::pair<std::uint64_t, std::vector<std::string>>> wrong;
  const auto count = [&](const std::string& kind, const std::string& example) {
    auto& [sum, examples] = wrong[kind];
    ++sum;
    if (examples.size() < most) examples.push_back(example);
  };
  for (const char* kind : {"missing_inbound", "doubled_inbound", "missing_replies", "changed_replies", "claimed_but_never_sent",
                           "missing_sends", "doubled_sends", "missing_mo", "doubled_mo", "missing_asked", "doubled_submits"})
    wrong[kind];

  for (const auto& wamid : yes) {
    const auto found = archive.by_provider.find(wamid);
    if (found == archive.by_provider.end()) {
      count("missing_inbound", wamid);
    } else if (found->second.size() > 1) {
      count("doubled_inbound", wamid);
    }
  }
  std::unordered_map<std::string, std::uint64_t> references;
  std::set<std::string> sent_messages;
  for (const auto& send : sends) {
    if (!send.opaque.empty() && ++references[send.opaque] > 1) count("doubled_sends", send.opaque);
    auto id = message_of(send.opaque);
    const auto by_wamid = archive.by_provider.find(send.wamid);
    if (by_wamid != archive.by_provider.end() && archive.by_id.count(id) == 0) id = by_wamid->second.front();
    sent_messages.insert(id);
    if (id.empty() || !archive.holds(id)) count("missing_sends", send.wamid + " " + send.opaque);
  }
  std::uint64_t waiting = 0;
  for (const auto& ack : acks) {
    const auto found = archive.by_id.find(ack.id);
    if (found == archive.by_id.end()) {
      count("missing_replies", ack.id);
      continue;
    }
    if (!ack.text.empty() && found->second.text != ack.text) count("changed_replies", ack.id);
    const auto& state = found->second.state;
    if (state == "queued") ++waiting;
    if (!sends.empty() && (state == "sent" || state == "delivered" || state == "read") && sent_messages.count(ack.id) == 0)
      count("claimed_but_never_sent", ack.id);
  }

  std::unordered_map<std::string, std::uint64_t> heard;
  if (!written.empty()) {
    for (const auto& [id, message] : archive.by_id) {
      if (message.dir == "in") ++heard[message.text];
    }
  }
  for (const auto& [text, times] : written) {
    const auto there = heard.count(text) != 0 ? heard.at(text) : 0;
    if (there < times) count("missing_mo", text);
    if (there > times) count("doubled_mo", text);
  }
  std::map<std::string, std::uint64_t> asked_states;
  for (const auto& each : asked) {
    if (each.id.empty() || !archive.holds(each.id)) {
      count("missing_asked", each.id + " " + each.mark);
      continue;
    }
    const auto& state = archive.by_id[each.id].state;
    ++asked_states[state];
    const auto seen = submits.count(each.mark) != 0 ? submits.at(each.mark) : 0;
    if (seen == 0 && submitted != 0 && (state == "sent" || state == "delivered" || state == "read"))
      count("claimed_but_never_sent", each.id);
  }
  for (const auto& [mark, times] : submits) {
    if (times > 1) count("doubled_submits", mark);
  }

  std::uint64_t missing = 0, doubled = 0;
  for (const auto& [kind, found] : wrong) (kind.compare(0, 7, "doubled") == 0 ? doubled : missing) += found.first;
  nlohmann::ordered_json report = {{"missing", missing},
                                   {"doubled", doubled},
                                   {"yes_heard", yes.size()},
                                   {"sends_seen", sends.size()},
                                   {"replies_acked", acks.size()},
                                   {"replies_waiting", waiting},
                                   {"conversations", archive.conversations},
                                   {"messages", archive.by_id.size()},
                                   {"mo_written", written.size()},
                                   {"asked", asked.size()},
                                   {"submitted", submitted},
                                   {"torn_lines", torn}};
  if (!asked_states.empty()) report["asked_states"] = asked_states;
  for (const auto& [kind, found] : wrong) {
    report[kind] = found.first;
    if (!found.second.empty()) report[kind + "_examples"] = found.second;
  }
  if (options.on("--json")) {
    std::cout << report.dump() << "\n";
  } else {
    for (const auto& [name, value] : report.items()) std::cout << name << " " << value.dump() << "\n";
  }
  return missing == 0 && doubled == 0 ? 0 : 1;
}

}  // namespace sim
