#include "routing/store_redis.h"

#include <array>
#include <charconv>
#include <utility>

#include "belfry/list.h"
#include "routing/library.h"

namespace belfry::routing {

std::string key_of(std::string_view prefix, std::string_view rest) {
  std::string key;
  key.reserve(prefix.size() + rest.size() + 3);
  key.append("{").append(prefix).append("}:").append(rest);
  return key;
}
std::string agent_channel(std::string_view prefix, std::string_view agent) { return key_of(prefix, "a:" + std::string(agent)); }
std::string chat_channel(std::string_view prefix) { return key_of(prefix, "chat"); }
std::string lane_channel(std::string_view prefix, std::string_view account) {
  return key_of(prefix, "lane:" + std::string(account));
}

namespace {

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}
std::int64_t int_of(const Value& v) { return v.is_integer() ? v.integer : v.is_text() ? to_int(v.text) : 0; }
std::string text_of(const Value& v) { return v.is_integer() ? std::to_string(v.integer) : v.text; }

tl::unexpected<Error> odd(const char* function) { return fail(Errc::kInternal, std::string("an odd reply from ") + function); }

// {"stale", gen, state, owner}, {"missing"}, {"refused", why}, {"window", until}, {"lost"} are the same everywhere.
Result<Outcome> common(const Value& reply, const char* function) {
  if (!reply.is_array() || reply.array.empty()) return odd(function);
  const auto& a = reply.array;
  const std::string_view word = a[0].text;
  Outcome out;
  if (word == "ok") return out;
  if (word == "stale" && a.size() >= 4) {
    out.what = Outcome::What::kStale;
    out.gen = int_of(a[1]);
    out.state = text_of(a[2]);
    out.owner = text_of(a[3]);
  } else if (word == "missing") {
    out.what = Outcome::What::kMissing;
  } else if (word == "refused" && a.size() >= 2) {
    out.what = Outcome::What::kRefused;
    out.why = a[1].text;
  } else if (word == "window" && a.size() >= 2) {
    out.what = Outcome::What::kWindow;
    out.window_until = WallTime{int_of(a[1])};
  } else if (word == "repeat" && a.size() >= 3) {
    out.what = Outcome::What::kRepeat;
    out.ref = {text_of(a[1]), int_of(a[2])};
  } else if (word == "lost") {
    out.what = Outcome::What::kLost;
  } else {
    return odd(function);
  }
  return out;
}

// ok gen [state]
Result<Outcome> with_gen(const Value& reply, const char* function) {
  auto out = common(reply, function);
  if (out && out->what == Outcome::What::kOk) {
    if (reply.array.size() > 1) out->gen = int_of(reply.array[1]);
    if (reply.array.size() > 2) out->state = text_of(reply.array[2]);
  }
  return out;
}

// ok conv n [claimed address]
Result<Outcome> with_ref(const Value& reply, const char* function) {
  auto out = common(reply, function);
  if (out && out->what == Outcome::What::kOk) {
    const auto& a = reply.array;
    if (a.size() < 3) return odd(function);
    out->ref = {text_of(a[1]), int_of(a[2])};
    if (a.size() > 4) {
      out->claimed = int_of(a[3]) == 1;
      out->address = text_of(a[4]);
    }
  }
  return out;
}

// new|conv|n|contact|gen|state|owner, the same with ok, none|contact, full, or dup
Result<Ingested> ingested(const Value& reply) {
  Ingested out;
  if (reply.text == "dup") {
    out.kind = Ingested::Kind::kDuplicate;
    return out;
  }
  if (reply.text == "full") {
    out.kind = Ingested::Kind::kFull;
    return out;
  }
  std::array<std::string_view, 7> part;
  std::size_t count = 0;
  std::string_view rest = reply.text;
  while (count < part.size()) {
    const auto bar = count + 1 < part.size() ? rest.find('|') : std::string_view::npos;
    part[count++] = rest.substr(0, bar);
    if (bar == std::string_view::npos) break;
    rest.remove_prefix(bar + 1);
  }
  if (part[0] == "none" && count == 2) return out;
  if ((part[0] != "new" && part[0] != "ok") || count < part.size()) return odd("ingest");
  out.kind = part[0] == "new" ? Ingested::Kind::kNew : Ingested::Kind::kOk;
  out.ref = {std::string(part[1]), to_int(part[2])};
  out.contact = part[3];
  out.gen = to_int(part[4]);
  out.state = part[5];
  out.owner = part[6];
  return out;
}

std::optional<Card> card_from(const Value& v) {
  if (!v.is_array() || v.array.size() < 28) return std::nullopt;
  const auto& a = v.array;
  Card card;
  card.conversation = text_of(a[0]);
  card.state = text_of(a[1]);
  card.gen = int_of(a[2]);
  card.owner = text_of(a[3]);
  card.queue = text_of(a[4]);
  card.channel = text_of(a[5]);
  card.account = text_of(a[6]);
  card.contact = text_of(a[7]);
  card.name = text_of(a[8]);
  card.first = WallTime{int_of(a[9])};
  card.window_until = WallTime{int_of(a[10])};
  card.n = int_of(a[11]);
  card.given = WallTime{int_of(a[12])};
  card.last = WallTime{int_of(a[13])};
  card.address = text_of(a[14]);
  card.open = int_of(a[15]);
  card.why = text_of(a[16]);
  card.eff = int_of(a[17]);
  card.invited = text_of(a[18]);
  card.into = text_of(a[19]);
  card.previous = text_of(a[20]);
  card.first_reply = WallTime{int_of(a[21])};
  card.unanswered = WallTime{int_of(a[22])};
  card.closed = WallTime{int_of(a[23])};
  card.handed_over = WallTime{int_of(a[24])};
  card.attributes = a[25].text;
  if (!a[26].text.empty()) card.answers = parse_message_id("msg_" + a[26].text);
  card.last_entry = a[27].text;
  return card;
}

std::vector<std::string> lines_of(const Value& v) {
  std::vector<std::string> out;
  for (std::string_view rest = v.text; !rest.empty();) {
    const auto end = std::min(rest.find('\n'), rest.size());
    if (end > 0) out.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

// root, fold, parts, same: as `contact` in 05_contacts.lua writes them.
Result<Citizen> citizen_from(const Value& v) {
  Citizen out;
  if (!v.is_array() || v.array.empty()) return odd("contact");
  if (v.array[0].text == "missing") return out;
  if (v.array.size() < 4) return odd("contact");
  out.missing = false;
  out.id = text_of(v.array[0]);
  out.folded = WallTime{int_of(v.array[1])};
  for (const Value& row : v.array[2].array) {
    const auto& a = row.array;
    if (a.size() < 10) return odd("contact");
    ContactPart part{text_of(a[0]), text_of(a[1]), text_of(a[2]),  text_of(a[4]),         WallTime{int_of(a[3])},
                     text_of(a[5]), text_of(a[6]), lines_of(a[7]), split_list(a[8].text), {}};
    for (const std::string& line : lines_of(a[9])) {
      const auto bar = line.rfind('|');
      part.places.push_back({line.substr(0, bar), WallTime{bar == std::string::npos ? 0 : to_int(line.substr(bar + 1))}});
    }
    out.parts.push_back(std::move(part));
  }
  for (const Value& row : v.array[3].array) {
    if (row.array.size() < 3) return odd("contact");
    out.same.push_back({text_of(row.array[0]), text_of(row.array[1]), text_of(row.array[2])});
  }
  return out;
}

// since, then n and bytes of each part, from `at` on.
void read_parts(const std::vector<Value>& a, std::size_t at, PartSet& set) {
  set.since = WallTime{int_of(a[at])};
  for (std::size_t i = at + 1; i + 1 < a.size(); i += 2) set.parts[static_cast<int>(int_of(a[i]))] = text_of(a[i + 1]);
}

// ok, then 1 or 0 for each.
std::function<void(Result<Value>)> flags(const char* function, Store::Done<std::vector<bool>> done) {
  return [function, done = std::move(done)](Result<Value> reply) {
    if (!reply) return done(tl::unexpected(std::move(reply.error())));
    if (!reply->is_array() || reply->array.empty()) return done(odd(function));
    std::vector<bool> out;
    for (std::size_t i = 1; i < reply->array.size(); ++i) out.push_back(int_of(reply->array[i]) == 1);
    done(std::move(out));
  };
}

class RedisStore final : public Store {
 public:
  RedisStore(Carry carry, RedisStoreOptions options)
      : carry_(std::move(carry)), options_(std::move(options)), site_("{" + options_.prefix + "}") {}

  void ingest(const Ingest& w, Done<Ingested> done) override {
    constexpr std::int64_t kDay = 86'400'000;
    const std::string bucket = w.channel + ":" + (w.may_repeat ? w.account + "+" : std::to_string(w.at.ms / kDay));
    const std::string member = w.may_repeat ? (w.fresh ? "!" : "") + w.dedupe : w.account + "|" + w.dedupe;
    const std::string window = std::to_string(w.window_until.ms) + (w.has_media ? "m" : "");
    std::string addresses = w.addresses.empty() ? std::string() : w.addresses.front(), opening = w.may_open && !w.room ? "-" : "";
    for (std::size_t i = 1; i < w.addresses.size(); ++i) addresses += (i == 1 ? "\n" : "") + w.addresses[i] + "\n";
    if (w.may_open && w.room) {
      opening = w.queue + "|" + std::to_string(w.weight) + "|" + std::to_string(w.offer_ttl_ms) + (w.auto_accept ? "|1|" : "|0|");
      opening += w.hint ? w.hint->agent + "|" + std::to_string(w.hint->agent_gen) : "|";
      if (w.priority != 0 || w.opens.ms > 0 || !w.bot.empty())
        opening += "|" + (w.priority != 0 ? std::to_string(w.priority) : std::string());
      if (w.opens.ms > 0 || !w.bot.empty()) opening += "|" + (w.opens.ms > 0 ? std::to_string(w.opens.ms) : std::string());
      if (!w.bot.empty()) opening += "|" + w.bot;
      opening += "\n" + (w.hint ? w.hint->reasons : std::string()) + "\n" + w.name;
    }
    const std::string at = now();
    std::vector<std::string_view> args = {at, w.account, bucket, member, addresses, w.entry, window, opening};
    if (!w.old_address.empty()) args.push_back(w.old_address);
    call("ingest", args, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      done(ingested(*reply));
    });
  }

  void quarantine(std::string_view bytes, std::string_view why, Done<Outcome> done) override {
    call("quarantine", {now(), bytes, why}, outcome("quarantine", std::move(done), common));
  }

  void part(const Part& w, std::int64_t within_ms, Done<PartSet> done) override {
    const std::string at = now(), n = std::to_string(w.n), of = std::to_string(w.of), within = std::to_string(within_ms);
    call("part", {at, w.account, w.set, n, of, w.bytes, within},
         [name = w.set, of = w.of, done = std::move(done)](Result<Value> reply) {
           if (!reply) return done(tl::unexpected(std::move(reply.error())));
           if (!reply->is_array() || reply->array.empty()) return done(odd("part"));
           PartSet set;
           const std::string_view word = reply->array[0].text;
           set.what = word == "whole" ? PartSet::What::kWhole : word == "full" ? PartSet::What::kFull : PartSet::What::kKept;
           set.name = name;
           set.of = of;
           if (set.what == PartSet::What::kWhole) read_parts(reply->array, 1, set);
           done(std::move(set));
         });
  }
  void part_done(std::string_view account, std::string_view set, Done<Outcome> done) override {
    call("part_done", {now(), account, set}, outcome("part_done", std::move(done), common));
  }
  void parts_due(std::string_view account, Done<std::vector<PartSet>> done) override {
    call("parts_due", {now(), account}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array()) return done(odd("parts_due"));
      std::vector<PartSet> out;
      for (const Value& row : reply->array) {
        if (row.array.size() < 3) return done(odd("parts_due"));
        PartSet set;
        set.what = PartSet::What::kWhole;
        set.name = text_of(row.array[0]);
        set.of = static_cast<int>(int_of(row.array[1]));
        read_parts(row.array, 2, set);
        out.push_back(std::move(set));
      }
      done(std::move(out));
    });
  }
  void receipts(std::string_view account, const std::vector<NamedReceipt>& items, Done<std::vector<bool>> done) override {
    std::vector<std::string> args{now(), std::string(account)};
    for (const NamedReceipt& item : items) {
      args.push_back(item.name);
      args.emplace_back(1, static_cast<char>(item.state));
      args.push_back(item.reason);
      args.push_back(item.to);
      args.push_back(item.suspect ? item.suspect->conversation + "." + std::to_string(item.suspect->n) : "");
    }
    call_list("receipts", args, flags("receipts", std::move(done)));
  }
  void consent(const Consent& w, Done<Outcome> done) override {
    call("consent", {now(), w.address, w.category, w.given ? "1" : "0", std::to_string(w.at.ms), w.proof},
         outcome("consent", std::move(done), with_gen));
  }
  void acknowledged(std::string_view account, const std::vector<std::string>& dedupe) override {
    std::vector<std::string> args{now(), std::string(account)};
    args.insert(args.end(), dedupe.begin(), dedupe.end());
    call_list("acknowledged", args, [](const Result<Value>&) {});
  }

  void offer(const Offer& w, Done<Outcome> done) override {
    call("offer",
         {now(), w.conversation, std::to_string(w.gen), w.agent, std::to_string(w.ttl_ms), w.auto_accept ? "1" : "0", w.reasons},
         outcome("offer", std::move(done), with_gen));
  }
  void accept(const Command& by, Done<Outcome> done) override {
    call("accept", {now(), by.conversation, std::to_string(by.gen), by.agent, by.client_id},
         outcome("accept", std::move(done), with_gen));
  }
  void decline(const Command& by, std::string_view reason, Done<Outcome> done) override {
    call("decline", {now(), by.conversation, std::to_string(by.gen), by.agent, reason, by.client_id},
         outcome("decline", std::move(done), with_gen));
  }
  void close(const Command& by, std::string_view code, const Wrap& wrap, Done<Outcome> done) override {
    call("close",
         {now(), by.conversation, std::to_string(by.gen), by.agent, code, std::to_string(wrap.ms), std::to_string(wrap.weight),
          by.client_id},
         outcome("close", std::move(done), with_gen));
  }
  void park(const Command& by, WallTime until, int weight, Done<Outcome> done) override {
    call("park",
         {now(), by.conversation, std::to_string(by.gen), by.agent, std::to_string(until.ms), by.client_id,
          std::to_string(weight)},
         outcome("park", std::move(done), with_gen));
  }
  void transfer(const Transfer& w, Done<Outcome> done) override {
    call("transfer",
         {now(), w.by.conversation, std::to_string(w.by.gen), w.by.agent, w.to_queue, w.to_agent, std::to_string(w.ttl_ms),
          w.by.client_id, w.warm ? "1" : "", std::to_string(w.opens.ms)},
         outcome("transfer", std::move(done), with_gen));
  }
  void direct(const Directive& w, Done<Outcome> done) override {
    call("direct",
         {now(), w.conversation, w.gen ? std::to_string(*w.gen) : std::string(), name_of(w.verb), w.target, w.by, w.agent,
          std::to_string(w.ttl_ms), w.client_id},
         outcome("direct", std::move(done), with_gen));
  }

  void reply(const Reply& w, Done<Outcome> done) override {
    call("reply",
         {now(), w.by.conversation, std::to_string(w.by.gen), w.by.agent, w.client_id, w.entry, lane_text(w.lane),
          w.needs_window ? "1" : "0", w.lease.shard, epoch_text(w.lease), w.author, w.account},
         outcome("reply", std::move(done), with_ref));
  }
  void note(const Command& by, std::string_view client_id, std::string_view author, std::string_view entry,
            Done<Outcome> done) override {
    call("note", {now(), by.conversation, by.agent, client_id, entry, author}, outcome("note", std::move(done), with_ref));
  }
  void send(const Send& w, Done<Outcome> done) override {
    call("send",
         {now(), w.account, w.channel, w.address, w.client_id, w.author, w.entry, lane_text(w.lane), w.needs_window ? "1" : "0",
          w.lease.shard, epoch_text(w.lease), w.room ? "" : "0", w.despite_refusal ? "1" : ""},
         outcome("send", std::move(done), with_ref));
  }
  void claim(std::string_view account, const LeaseRef& lease, const Room& most, Done<Claims> done) override {
    call("claim", {now(), account, lease.shard, epoch_text(lease), std::to_string(most.messages), std::to_string(most.alerts)},
         [done = std::move(done)](Result<Value> reply) {
           if (!reply) return done(tl::unexpected(std::move(reply.error())));
           if (!reply->is_array() || reply->array.empty()) return done(odd("claim"));
           auto& a = reply->array;
           Claims out;
           out.lost = a[0].text == "lost";
           for (std::size_t i = 1; i + 4 < a.size(); i += 5) {
             out.items.push_back({{text_of(a[i]), int_of(a[i + 1])},
                                  std::move(a[i + 2].text),
                                  std::move(a[i + 3].text),
                                  static_cast<Lane>(int_of(a[i + 4]))});
           }
           done(std::move(out));
         });
  }
  void settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) override {
    std::vector<std::string> args{now(), std::string(account)};
    args.reserve(2 + items.size() * 5);
    for (const Settled& item : items) {
      args.push_back(item.ref.conversation);
      args.push_back(std::to_string(item.ref.n));
      args.emplace_back(1, static_cast<char>(item.state));
      args.push_back(item.provider_id);
      for (const std::string& name : item.names) args.back() += "\n" + name;
      args.push_back(item.reason);
    }
    call_list("settle", args, flags("settle", std::move(done)));
  }
  void put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items, Done<Outcome> done) override {
    std::vector<std::string> args{now(), std::string(account), epoch_text(lease)};
    for (const PutBack& item : items) {
      args.push_back(item.ref.conversation);
      args.push_back(std::to_string(item.ref.n));
      args.push_back(std::to_string(item.not_before.ms));
    }
    call_list("put_back", args, outcome("put_back", std::move(done), common));
  }
  void renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held, Done<Outcome> done) override {
    std::vector<std::string> args{now(), std::string(account), lease.shard, epoch_text(lease)};
    for (const MessageRef& ref : held) {
      args.push_back(ref.conversation);
      args.push_back(std::to_string(ref.n));
    }
    call_list("renew", args, outcome("renew", std::move(done), with_gen));
  }
  void orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) override {
    call("orphans", {now(), account, lease.shard, epoch_text(lease)}, outcome("orphans", std::move(done), with_gen));
  }

  void media_due(std::string_view account, const LeaseRef& lease, int most, Done<std::vector<MediaJob>> done) override {
    call("media_due", {now(), account, lease.shard, epoch_text(lease), std::to_string(most)},
         [done = std::move(done)](Result<Value> reply) {
           if (!reply) return done(tl::unexpected(std::move(reply.error())));
           auto& a = reply->array;
           std::vector<MediaJob> out;
           for (std::size_t i = 1; i + 2 < a.size(); i += 3)
             out.push_back({{text_of(a[i]), int_of(a[i + 1])}, std::move(a[i + 2].text)});
           done(std::move(out));
         });
  }
  void media_done(std::string_view account, const MessageRef& ref, std::string_view sha256, std::int64_t size,
                  std::string_view failed, Done<Outcome> done) override {
    call("media_done", {now(), account, ref.conversation, std::to_string(ref.n), sha256, std::to_string(size), failed},
         outcome("media_done", std::move(done), common));
  }

  void agent_put(std::string_view id, const Fields& fields, Done<Outcome> done) override {
    call_list("agent_put", flat(id, fields), outcome("agent_put", std::move(done), with_gen));
  }
  void agent_set(std::string_view id, std::string_view availability, std::string_view reason, std::string_view by,
                 Done<Outcome> done) override {
    call("agent_set", {now(), id, availability, reason, by}, outcome("agent_set", std::move(done), with_gen));
  }
  void queue_put(std::string_view id, const Fields& fields, Done<Outcome> done) override {
    call_list("queue_put", flat(id, fields), outcome("queue_put", std::move(done), with_gen));
  }
  void routes_put(const std::vector<Route>& routes, Done<Outcome> done) override {
    call("routes_put", {now(), write_routes(routes)}, outcome("routes_put", std::move(done), common));
  }
  void session(std::string_view shard, std::int64_t shard_epoch, std::string_view agent, std::string_view session_id, bool open,
               Done<Outcome> done) override {
    call("session", {now(), shard, std::to_string(shard_epoch), agent, session_id, open ? "1" : "0"},
         outcome("session", std::move(done), with_gen));
  }
  void node_start(std::string_view shard, std::int64_t ttl_ms, Done<Outcome> done) override {
    call("node_start", {now(), shard, std::to_string(ttl_ms)}, outcome("node_start", std::move(done), with_gen));
  }
  void node_beat(std::string_view shard, std::int64_t epoch, std::int64_t ttl_ms, const std::vector<std::string>& wanted,
                 Done<Beat> done) override {
    std::vector<std::string> args{now(), std::string(shard), std::to_string(epoch), std::to_string(ttl_ms)};
    args.insert(args.end(), wanted.begin(), wanted.end());
    call_list("node_beat", args, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.empty()) return done(odd("node_beat"));
      const auto& a = reply->array;
      Beat out;
      out.lost = a[0].text == "lost";
      for (std::size_t i = 1; i + 1 < a.size(); i += 2) out.leases.push_back({text_of(a[i]), int_of(a[i + 1])});
      done(std::move(out));
    });
  }
  void node_stop(std::string_view shard, std::int64_t epoch, Done<Outcome> done) override {
    call("node_stop", {now(), shard, std::to_string(epoch)}, outcome("node_stop", std::move(done), common));
  }
  void sweep(int most, std::int64_t ttl_ms, Done<Outcome> done) override {
    call("sweep", {now(), std::to_string(most), std::to_string(ttl_ms)}, outcome("sweep", std::move(done), with_gen));
  }
  void sla_tell(std::string_view conversation, const Term& term, Done<Outcome> done) override {
    call("sla_tell",
         {now(), conversation, name_of(term.clock), name_of(term.state), std::to_string(term.since.ms),
          std::to_string(term.due.value_or(WallTime{}).ms)},
         outcome("sla_tell", std::move(done), with_gen));
  }
  void archive_due(WallTime before, int most, Done<std::vector<Due>> done) override {
    call("archive_due", {std::to_string(before.ms), std::to_string(most)}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      const auto& a = reply->array;
      std::vector<Due> out;
      for (std::size_t i = 0; i + 3 < a.size(); i += 4) {
        out.push_back({text_of(a[i]), int_of(a[i + 1]), WallTime{int_of(a[i + 2])}, WallTime{int_of(a[i + 3])}});
      }
      done(std::move(out));
    });
  }
  void archive_later(const std::vector<std::string>& conversations, WallTime at, Done<Outcome> done) override {
    std::vector<std::string> args{std::to_string(at.ms)};
    args.insert(args.end(), conversations.begin(), conversations.end());
    call_list("archive_later", args, outcome("archive_later", std::move(done), common));
  }
  void archive_done(const Archived& w, Done<Outcome> done) override {
    call("archive_done", {w.conversation, std::to_string(w.gen), w.states, std::to_string(w.facts)},
         outcome("archive_done", std::move(done), common));
  }
  void history_add(std::string_view from, std::string_view to, const std::vector<HistoryRow>& rows, Done<Outcome> done) override {
    std::vector<std::string> args{std::string(from), std::string(to)};
    for (const HistoryRow& row : rows) args.insert(args.end(), {row.day, row.field, row.counts});
    call_list("history_add", args, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.empty()) return done(odd("history_add"));
      Outcome out;
      if (reply->array[0].text == "stale" && reply->array.size() > 1) {
        out.what = Outcome::What::kStale;
        out.state = reply->array[1].text;
      }
      done(std::move(out));
    });
  }
  void recount(std::string_view conversation, Done<Outcome> done) override {
    call("recount", {conversation}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.empty()) return done(odd("recount"));
      Outcome out;
      if (reply->array[0].text == "none") {
        out.what = Outcome::What::kMissing;
      } else if (reply->array.size() > 1) {
        out.gen = int_of(reply->array[1]);
      }
      done(std::move(out));
    });
  }

  void cards(const std::vector<std::string>& conversations, Done<std::vector<Card>> done) override {
    call_list("card", conversations, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      std::vector<Card> out;
      for (const Value& v : reply->array) {
        if (auto card = card_from(v)) out.push_back(std::move(*card));
      }
      done(std::move(out));
    });
  }
  void desk(std::string_view agent, Done<DeskView> done) override {
    call("desk", {agent}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.empty()) return done(odd("desk"));
      const auto& a = reply->array;
      DeskView out;
      out.missing = a[0].text != "ok";
      if (!out.missing && a.size() >= 7) {
        out.seq = int_of(a[1]);
        out.availability = text_of(a[2]);
        out.reason = text_of(a[3]);
        out.name = text_of(a[4]);
        out.roles = text_of(a[5]);
        out.queues = text_of(a[6]);
        for (std::size_t i = 7; i < a.size(); ++i) {
          if (auto card = card_from(a[i])) out.held.push_back(std::move(*card));
        }
      }
      done(std::move(out));
    });
  }
  void replay(std::string_view agent, std::int64_t after, Done<Replay> done) override {
    call("replay", {now(), agent, std::to_string(after)}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.size() < 2) return done(odd("replay"));
      const auto& a = reply->array;
      Replay out;
      out.reset = a[0].text == "reset";
      out.seq = int_of(a[1]);
      for (std::size_t i = 2; i < a.size(); ++i) {
        auto event = parse_agent_event(a[i].text);
        if (!event) return done(tl::unexpected(std::move(event.error())));
        out.events.push_back(std::move(*event));
      }
      done(std::move(out));
    });
  }
  void entries(std::string_view conversation, const std::vector<std::int64_t>& ns, Done<std::vector<Line>> done) override {
    std::vector<std::string> args{std::string(conversation)};
    for (const std::int64_t n : ns) args.push_back(std::to_string(n));
    call_list("entries", args, [done = std::move(done), ns](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      auto& a = reply->array;
      std::vector<Line> out;
      for (std::size_t i = 0; i + 3 < a.size() && i / 4 < ns.size(); i += 4) out.push_back(line_from(&a[i], ns[i / 4]));
      done(std::move(out));
    });
  }
  void page(std::string_view conversation, std::int64_t after, int limit, Done<Page> done) override {
    call("page", {conversation, std::to_string(after), std::to_string(limit)}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.size() < 2) return done(odd("page"));
      auto& a = reply->array;
      Page out;
      out.total = int_of(a[1]);
      std::int64_t n = int_of(a[0]);
      for (std::size_t i = 2; i + 3 < a.size(); i += 4) out.lines.push_back(line_from(&a[i], n++));
      done(std::move(out));
    });
  }
  void conversations(std::string_view after, int limit, Done<Conversations> done) override {
    call("conversations", {after.empty() ? "0" : after, std::to_string(limit)}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.empty()) return done(odd("conversations"));
      Conversations out;
      for (const Value& v : reply->array) {
        if (auto card = card_from(v)) out.cards.push_back(std::move(*card));
      }
      if (const std::int64_t next = int_of(reply->array.back()); next > 0) out.next = std::to_string(next);
      done(std::move(out));
    });
  }
  void contact_join(std::string_view contact, std::string_view into, std::string_view by, Done<Outcome> done) override {
    call("contact_join", {now(), contact, into, by}, outcome("contact_join", std::move(done), common));
  }
  void contact_part(std::string_view contact, std::string_view by, Done<Outcome> done) override {
    call("contact_part", {now(), contact, by}, outcome("contact_part", std::move(done), common));
  }
  void contact_said(std::string_view contact, std::string_view number, Done<Outcome> done) override {
    call("contact_said", {contact, number}, outcome("contact_said", std::move(done), common));
  }
  void contact_ask(std::string_view contact, std::string_view address, std::string_view code, std::string_view by,
                   Done<Outcome> done) override {
    call("contact_ask", {now(), contact, address, code, by}, outcome("contact_ask", std::move(done), common));
  }
  void contact_prove(std::string_view contact, std::string_view code, Done<Outcome> done) override {
    call("contact_prove", {now(), contact, code}, outcome("contact_prove", std::move(done), common));
  }
  void contact(std::string_view id, const std::vector<std::string>& portfolios, Done<Citizen> done) override {
    std::string all;
    for (const std::string& portfolio : portfolios) all += portfolio + "\n";
    call("contact", {id, all}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      done(citizen_from(*reply));
    });
  }
  void contact_at(std::string_view address, Done<std::string> done) override {
    call("contact_at", {address}, [done = std::move(done)](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      done(reply->text);
    });
  }
  void snapshot(Done<Snapshot> done) override {
    call("snapshot", {}, [this, done = std::move(done)](Result<Value> reply) mutable {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      if (!reply->is_array() || reply->array.size() < 3) return done(odd("snapshot"));
      const auto picture = std::make_shared<Picture>();
      picture->done = std::move(done);
      picture->out.stream_id = text_of(reply->array[0]);
      picture->out.routes = parse_routes(reply->array[2].text);
      const auto& queues = reply->array[1].array;
      for (std::size_t i = 0; i + 13 < queues.size(); i += 14) {
        QueueState queue;
        queue.id = text_of(queues[i]);
        queue.auto_accept = queues[i + 1].text == "auto";
        if (!queues[i + 2].text.empty()) queue.offer_ms = int_of(queues[i + 2]);
        if (!queues[i + 3].text.empty()) queue.wrap_ms = int_of(queues[i + 3]);
        queue.name = text_of(queues[i + 4]);
        queue.priority = int_of(queues[i + 5]);
        queue.sticky_ms = int_of(queues[i + 6]);
        queue.skills = parse_skills(queues[i + 7].text);
        queue.steps = parse_steps(queues[i + 8].text);
        queue.hours = hours_of(queues[i + 9].text, queues[i + 10].text, queues[i + 11].text);
        queue.weights = parse_weights(queues[i + 12].text);
        queue.goals = parse_goals(queues[i + 13].text);
        picture->left.push_back({"waiting", "0", queue.id});
        picture->out.queues.push_back(std::move(queue));
      }
      picture->left.push_back({"agents", "0"});
      go_on(picture);
    });
  }

 private:
  // A snapshot under way. The next pages are asked for when some have come, so that others' calls go between.
  struct Picture {
    Snapshot out;
    std::vector<std::vector<std::string>> left;  // arguments of the calls to make: what, cursor, queue
    std::size_t flying = 0;
    Done<Snapshot> done;  // empty once told
  };
  static constexpr std::size_t kPagesAtOnce = 4;

  void go_on(const std::shared_ptr<Picture>& picture) {
    if (picture->left.empty() && picture->flying == 0) return std::exchange(picture->done, nullptr)(std::move(picture->out));
    while (!picture->left.empty() && picture->flying < kPagesAtOnce) {
      const auto next = std::make_shared<std::vector<std::string>>(std::move(picture->left.back()));
      picture->left.pop_back();
      ++picture->flying;
      call_list("snapshot", *next, [this, picture, next](Result<Value> reply) {
        --picture->flying;
        if (!picture->done) return;
        if (reply && (!reply->is_array() || reply->array.size() < 2)) reply = odd("snapshot");
        if (!reply) return std::exchange(picture->done, nullptr)(tl::unexpected(std::move(reply.error())));
        add_rows(picture->out, next->front() == "agents", reply->array[1].array);
        (*next)[1] = text_of(reply->array[0]);
        if ((*next)[1] != "0") picture->left.push_back(std::move(*next));
        go_on(picture);
      });
    }
  }
  static void add_rows(Snapshot& out, bool agents, const std::vector<Value>& row) {
    for (std::size_t i = 0; agents && i + 9 < row.size(); i += 10) {
      out.agents.push_back({text_of(row[i]), text_of(row[i + 1]), int_of(row[i + 2]), int_of(row[i + 3]), int_of(row[i + 4]),
                            int_of(row[i + 5]), int_of(row[i + 6]), split_list(row[i + 7].text), parse_skills(row[i + 8].text),
                            row[i + 9].text == "1"});
    }
    for (std::size_t i = 0; !agents && i + 8 < row.size(); i += 9) {
      out.waiting.push_back({text_of(row[i]), text_of(row[i + 2]), text_of(row[i + 5]), int_of(row[i + 1]), int_of(row[i + 3]),
                             int_of(row[i + 4]), int_of(row[i + 6]), text_of(row[i + 7]), int_of(row[i + 8])});
    }
  }

  using Parse = Result<Outcome> (*)(const Value&, const char*);

  static std::function<void(Result<Value>)> outcome(const char* function, Done<Outcome> done, Parse parse) {
    return [function, done = std::move(done), parse](Result<Value> reply) {
      if (!reply) return done(tl::unexpected(std::move(reply.error())));
      done(parse(*reply, function));
    };
  }
  static Line line_from(Value* four, std::int64_t n) {
    Line line;
    line.n = n;
    if (!four[0].text.empty()) line.state = state_of(four[0].text[0]).value_or(State::kStored);
    line.entry = std::move(four[1].text);
    line.provider_id = std::move(four[2].text);
    line.reason = std::move(four[3].text);
    return line;
  }
  static std::string_view lane_text(Lane lane) { return lane == Lane::kAlert ? "0" : lane == Lane::kConversation ? "1" : "2"; }
  static std::string epoch_text(const LeaseRef& lease) { return lease.epoch > 0 ? std::to_string(lease.epoch) : std::string(); }
  std::string now() const { return options_.now ? std::to_string(options_.now().ms) : std::string(); }
  std::vector<std::string> flat(std::string_view id, const Fields& fields) const {
    std::vector<std::string> args{now(), std::string(id)};
    for (const auto& [field, value] : fields) {
      args.push_back(field);
      args.push_back(value);
    }
    return args;
  }

  void call(std::string_view function, std::span<const std::string_view> args, std::function<void(Result<Value>)> done) {
    std::array<std::string_view, 32> all;
    const std::string name = std::string(function) + "_" + kLibraryVersion;
    all[0] = "FCALL";
    all[1] = name;
    all[2] = "1";
    all[3] = site_;
    std::size_t count = 4;
    for (const std::string_view arg : args) all[count++] = arg;
    go(encode(std::span<const std::string_view>(all.data(), count)), std::move(done));
  }
  void call(std::string_view function, std::initializer_list<std::string_view> args, std::function<void(Result<Value>)> done) {
    call(function, std::span<const std::string_view>(args.begin(), args.size()), std::move(done));
  }
  void call_list(std::string_view function, const std::vector<std::string>& args, std::function<void(Result<Value>)> done) {
    const std::string name = std::string(function) + "_" + kLibraryVersion;
    std::vector<std::string_view> all{"FCALL", name, "1", site_};
    all.insert(all.end(), args.begin(), args.end());
    go(encode(all), std::move(done));
  }

  // 'Function not found' means that this server has not seen our library: load it, then repeat the call once.
  void go(std::string command, std::function<void(Result<Value>)> done) {
    std::string again = loaded_ ? std::string() : command;
    carry_(std::move(command), [this, again = std::move(again), done = std::move(done)](Result<Value> reply) mutable {
      if (!reply || !reply->is_error()) {
        loaded_ = loaded_ || reply;
        return done(std::move(reply));
      }
      const Refusal refusal = refusal_of(*reply);
      if (refusal != Refusal::kNoFunction) return done(tl::unexpected(error_of(*reply)));
      // The server was replaced under us (a restart without its data, a fail-over): this call is refused, the next one loads.
      loaded_ = false;
      if (again.empty()) {
        load([done = std::move(done)](const Result<Value>&) {
          done(fail(Errc::kUnavailable, "the functions were not loaded; repeat"));
        });
        return;
      }
      load([this, again = std::move(again), done = std::move(done)](Result<Value> loaded) mutable {
        if (!loaded) return done(std::move(loaded));
        if (loaded->is_error()) return done(tl::unexpected(error_of(*loaded)));
        carry_(std::move(again), [this, done = std::move(done)](Result<Value> second) {
          if (second && second->is_error()) return done(tl::unexpected(error_of(*second)));
          loaded_ = loaded_ || second;
          done(std::move(second));
        });
      });
    });
  }
  void load(std::function<void(Result<Value>)> done) {
    carry_(encode({"FUNCTION", "LOAD", "REPLACE", kLibraryCode}), std::move(done));
  }

  Carry carry_;
  RedisStoreOptions options_;
  std::string site_;
  bool loaded_ = false;
};

}  // namespace

std::unique_ptr<Store> make_redis_store(Carry carry, RedisStoreOptions options) {
  return std::make_unique<RedisStore>(std::move(carry), std::move(options));
}

}  // namespace belfry::routing
