#include "tests/sim/town.h"

#include <deque>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include "adapters/whatsapp/channel.h"
#include "gateway/http_call.h"
#include "gateway/media_store.h"
#include "gateway/outgoing.h"
#include "routing/mirror.h"
#include "routing/record.h"
#include "routing/store_memory.h"
#include "tests/sim/invariants.h"

namespace belfry::sim {
namespace {

using namespace routing;
using What = Outcome::What;

constexpr std::int64_t kStart = 1'800'000'000'000;
constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kLeaseTtl = 4 * kSecond;
constexpr std::int64_t kMono = 1'000'000;          // what a machine's own clock shows at the start
constexpr std::int64_t kWild = 70 * kSecond;       // how long things go wrong
constexpr std::int64_t kCalm = 25 * 60 * kSecond;  // how long the town may need to come to rest
constexpr const char* kAccount = "w";

std::string item_of(const MessageRef& ref) { return ref.conversation + "." + std::to_string(ref.n); }

class Town;
struct Shard;

// What the gateway's own Outgoing needs of its surroundings, with what may go wrong in them.
class TownLanes final : public LaneStore {
 public:
  TownLanes(Town& town, Shard& shard) : town_(town), shard_(shard) {}
  void claim(std::string_view account, const LeaseRef& lease, const Room& most, Done<Claims> done) override;
  void acknowledged(std::string_view account, const std::vector<std::string>& dedupe) override;
  void settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) override;
  void put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items, Done<Outcome> done) override;
  void renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held, Done<Outcome> done) override;
  void orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) override;

 private:
  Town& town_;
  Shard& shard_;
};

class Provider final : public gateway::HttpClient {
 public:
  Provider(Town& town, Shard& shard) : town_(town), shard_(shard) {}
  void call(const Call& call, Done done) override;
  void fetch(const Fetch&, FetchDone done) override { done(fail(Errc::kUnavailable, "no media in this town")); }

 private:
  Town& town_;
  Shard& shard_;
};

class NoFiles final : public gateway::MediaStore {
 public:
  std::shared_ptr<gateway::Upload> create(std::int64_t) override { return nullptr; }
  void read(std::string, std::int64_t, std::size_t, std::function<void(Result<std::string>)>) override {}
  void size(std::string, std::function<void(Result<std::int64_t>)>) override {}
  void remove(std::string, std::function<void(Result<bool>)>) override {}
};

struct Tab {
  std::string agent, session;
  int shard = -1;  // -1: closed
  int life = 0;    // counts connections
  std::int64_t seen = 0;
  bool started = false;  // has a view
  bool replaying = false;
  std::map<std::string, std::map<std::int64_t, char>> view;  // conversation -> n -> state
};

struct Shard {
  int index = 0;
  std::string id;
  bool alive = false;
  int life = 0;  // counts starts
  std::int64_t stalled_until = 0, answer_at = 0;
  std::int64_t epoch = 0;
  bool beating = false, sweeping = false, matcher = false;
  std::int64_t matcher_until = 0;
  Mirror mirror;
  std::size_t read_at = 0;
  bool syncing = false;
  std::unique_ptr<TownLanes> lanes;
  std::unique_ptr<Provider> provider;
  std::unique_ptr<gateway::Outgoing> outgoing;  // the gateway's own
};

class Town {
  friend class TownLanes;
  friend class Provider;

 public:
  explicit Town(const Options& options)
      : chance_(options.seed), store_(make_memory_store([this] { return WallTime{now_}; })), watch_(*store_) {
    account_.id = kAccount;
    account_.portfolio = "p";
    account_.phone_number_id = "100";
    account_.access_token = Secret("token");
    account_.ref_key = Secret(std::string(32, 'k'));
    store_->on_transition = [this](const Fields& fields) {
      watch_.on_transition(fields);
      count(fields);
      Value list{.kind = Value::Kind::kArray};
      for (const auto& [name, value] : fields) {
        list.array.push_back({.kind = Value::Kind::kString, .text = name});
        list.array.push_back({.kind = Value::Kind::kString, .text = value});
      }
      Value id{.kind = Value::Kind::kString, .text = std::to_string(stream_.size() + 1) + "-0"};
      stream_.push_back({.kind = Value::Kind::kArray, .array = {std::move(id), std::move(list)}});
    };
    store_->on_event = [this](const std::string& agent, const AgentEvent& event) {
      watch_.on_event(agent, event);
      if (event.kind == 'r' && event.extra == "handed_over") ++report_.happened["unsent_after_handover"];
      publish(agent, event);
    };
    store_->on_lane = [this](const std::string& account) {
      for (auto& shard : shards_) {
        if (wild(100, "lane_word_lost")) continue;
        on(*shard, between(0, 30), [&shard = *shard, account] { shard.outgoing->on_lane(account, ""); });
      }
    };
    for (const char* queue : {"water", "roads"}) {
      store_->queue_put(queue, {{"name", queue}, {"mode", one_in(4) ? "auto" : "offer"}, {"offer_ms", "8000"}},
                        ignore<Outcome>());
    }
    for (const char* agent : {"ana", "bob", "cho", "dee"}) {
      const char* queues = one_in(3) ? "water" : one_in(2) ? "roads" : "roads,water";
      store_->agent_put(agent, {{"name", agent}, {"cap", std::to_string(between(2, 4) * 10)}, {"queues", queues}},
                        ignore<Outcome>());
      agents_.push_back(agent);
    }
    // Every queue has somebody.
    store_->agent_put("ana", {{"queues", "roads,water"}}, ignore<Outcome>());
    if (options.seed % 2 == 0) {  // a town with a program, for which half of the citizens are routed
      bot_ = "eli";
      store_->agent_put(bot_, {{"name", bot_}, {"bot", "1"}}, ignore<Outcome>());
      agents_.push_back(bot_);
    }
    for (int i = 0; i < options.shards; ++i) {
      shards_.push_back(std::make_unique<Shard>());
      shards_.back()->index = i;
      shards_.back()->id = "s" + std::to_string(i);
    }
  }

  Report run() {
    for (auto& shard : shards_) start(*shard);
    for (const std::string& agent : agents_) {
      for (int i = 0; i < 2; ++i) {
        tabs_.push_back(std::make_unique<Tab>());
        tabs_.back()->agent = agent;
        tabs_.back()->session = "tab" + std::to_string(i);
        if (i == 0 || one_in(2)) connect(*tabs_.back());
      }
      patrol(agent);
    }
    for (int i = 0; i < 9; ++i) citizen(i);
    after(between(1, 5) * kSecond, [this] { trouble(); });
    after(between(1, 5) * kSecond, [this] { programs(); });
    at(kStart + kWild, [this] { calm_down(); });
    if (one_in(4)) {
      // One goes home without a word and does not come back: ten minutes later his conversations are another's.
      at(kStart + between(20, 60) * kSecond, [this] {
        ++report_.faults["agent_went_home"];
        gone_ = "dee";
        for (auto& tab : tabs_) {
          if (tab->agent == gone_ && tab->shard >= 0) drop(*tab);
        }
      });
    }
    while (!events_.empty() && report_.violations.size() < 5 && !(calm_ && at_rest())) {
      auto next = events_.extract(events_.begin());
      now_ = next.key().first;
      if (now_ > kStart + kWild + kCalm) break;
      next.mapped()();
    }
    if (report_.violations.empty()) final_checks();
    return std::move(report_);
  }

 private:
  // ---- chance and time ----

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(chance_);
  }
  bool one_in(int n) { return between(1, n) == 1; }
  bool percent(int n) { return between(1, 100) <= n; }
  bool wild(int per_mille, const char* fault) {
    if (calm_ || between(1, 1000) > per_mille) return false;
    ++report_.faults[fault];
    return true;
  }
  void at(std::int64_t when, std::function<void()> what) { events_[{when, ++serial_}] = std::move(what); }
  void after(std::int64_t delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  Now time() const { return {Instant{now_ - kStart + kMono}, WallTime{now_}}; }
  template <class T>
  static Store::Done<T> ignore() {
    return [](Result<T>) {};
  }
  void violated(std::string what) {
    report_.violations.push_back("at " + std::to_string(now_ - kStart) + " ms: " + std::move(what));
  }
  // What became of offers and of work, by the word the transition says.
  void count(const Fields& fields) {
    if (fields[0].second == "bot") ++report_.happened["answered_by_bot"];
    if (fields[0].second != "requeued") return;
    if (!bot_.empty() && fields[3].second == bot_) ++report_.happened["handed_over_by_bot"];
    for (const auto& [name, value] : fields) {
      if (name == "x") ++report_.happened["requeued_" + value];
    }
  }
  void step() {
    for (auto& found : watch_.check()) violated(std::move(found));
  }

  // Something of a shard: it comes to pass in the same life only, and not while the shard stands still.
  void on(Shard& shard, std::int64_t delay, std::function<void()> what) {
    on_life(shard, shard.life, now_ + delay, std::move(what));
  }
  void on_life(Shard& shard, int life, std::int64_t when, std::function<void()> what) {
    at(when, [this, &shard, life, what = std::move(what)]() mutable {
      if (!shard.alive || shard.life != life) return;
      if (now_ < shard.stalled_until) return on_life(shard, life, shard.stalled_until, std::move(what));
      what();
    });
  }

  // One call of the store by a shard. Answers come in order; now and then the store is away, or it is the answer that is lost,
  // and then the call itself may come to pass late, after others that were made after it.
  template <class T, class Call>
  void ask(Shard& shard, Call call, Store::Done<T> done, bool may_be_late = true) {
    shard.answer_at = std::max(shard.answer_at, now_ + between(0, 4));
    const auto answer = [this, &shard, done](std::int64_t when, Result<T> result) {
      on_life(shard, shard.life, when, [done, result = std::move(result)]() mutable { done(std::move(result)); });
    };
    if (now_ < away_until_) return answer(shard.answer_at + 50, fail(Errc::kUnavailable, "away"));
    if (wild(8, "store_away")) return answer(shard.answer_at, fail(Errc::kUnavailable, "away"));
    if (wild(10, "store_answer_lost")) {
      const std::int64_t late = may_be_late && wild(300, "store_call_late") ? between(500, 4'000) : 0;
      // Or it never reached the store: the caller cannot tell.
      const bool never = wild(300, "store_call_lost");
      if (!never) {
        after(late, [this, call] {
          call(*store_, ignore<T>());
          step();
        });
      }
      return answer(now_ + kSecond, fail(Errc::kTimeout, "lost"));
    }
    call(*store_, [&](Result<T> result) { answer(shard.answer_at, std::move(result)); });
    step();
  }

  Shard* any_shard() {
    std::vector<Shard*> living;
    for (auto& shard : shards_) {
      if (shard->alive && now_ >= shard->stalled_until) living.push_back(shard.get());
    }
    return living.empty() ? nullptr : living[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(living.size()) - 1))];
  }

  // ---- a shard ----

  void start(Shard& shard) {
    shard.alive = true;
    ++shard.life;
    shard.epoch = 0;
    shard.beating = shard.sweeping = shard.matcher = shard.syncing = false;
    shard.mirror = Mirror{};
    make_outgoing(shard);
    shard.answer_at = now_;
    begin_epoch(shard);
    tick(shard);
    beat(shard);
  }

  void begin_epoch(Shard& shard) {
    shard.epoch = 0;
    ask<Outcome>(
        shard, [&shard](Store& s, auto done) { s.node_start(shard.id, kLeaseTtl, done); },
        [this, &shard](Result<Outcome> out) {
          if (!out) return on(shard, 100, [this, &shard] { begin_epoch(shard); });
          shard.epoch = out->gen;
          for (auto& tab : tabs_) {
            if (tab->shard == shard.index) open_session(*tab);
          }
        });
  }

  void beat(Shard& shard) {
    on(shard, kSecond, [this, &shard] { beat(shard); });
    if (shard.epoch == 0 || shard.beating) return;
    shard.beating = true;
    const std::int64_t asked = now_;
    const std::int64_t epoch = shard.epoch;
    ask<Beat>(
        shard,
        [&shard, epoch](Store& s, auto done) {
          s.node_beat(shard.id, epoch, kLeaseTtl, {"matcher", std::string("acct:") + kAccount}, done);
        },
        [this, &shard, asked, epoch](Result<Beat> out) {
          shard.beating = false;
          if (!out || shard.epoch != epoch) return;
          if (out->lost) {
            ++report_.happened["beats_lost"];
            shard.matcher = false;
            shard.outgoing->on_leases({}, time().mono);
            return begin_epoch(shard);
          }
          shard.matcher = false;
          for (const Granted& lease : out->leases) shard.matcher = shard.matcher || lease.name == "matcher";
          shard.matcher_until = asked + kLeaseTtl;
          shard.outgoing->on_leases(out->leases, Instant{asked - kStart + kMono} + kLeaseTtl);
        });
  }

  void tick(Shard& shard) {
    on(shard, 50, [this, &shard] { tick(shard); });
    follow(shard);
    if (shard.matcher && now_ < shard.matcher_until) {
      for (const Offer& offer : shard.mirror.match(WallTime{now_}, 16)) {
        ask<Outcome>(
            shard, [offer](Store& s, auto done) { s.offer(offer, done); },
            [this, &shard, offer](Result<Outcome> out) {
              ++report_.happened[out && out->what == What::kOk ? "offers" : "offers_refused"];
              if (!out || out->what != What::kOk) shard.mirror.failed(offer);
            });
      }
      if (!shard.sweeping && one_in(4)) {
        shard.sweeping = true;
        ask<Outcome>(
            shard, [](Store& s, auto done) { s.sweep(100, kLeaseTtl, done); },
            [&shard](Result<Outcome>) { shard.sweeping = false; });
      }
    }
  }

  // The mirror: a snapshot, then the stream, a little late.
  void follow(Shard& shard) {
    if (!shard.mirror.ready()) {
      if (shard.syncing) return;
      shard.syncing = true;
      return ask<Snapshot>(
          shard, [](Store& s, auto done) { s.snapshot(done); },
          [&shard](Result<Snapshot> snapshot) {
            shard.syncing = false;
            if (!snapshot) return;
            shard.read_at = std::stoull(snapshot->stream_id);
            shard.mirror.reset(std::move(*snapshot));
          });
    }
    if (!calm_ && one_in(5)) return;
    while (shard.read_at < stream_.size()) {
      if (!shard.mirror.apply(stream_[shard.read_at++])) shard.mirror = Mirror{};
      if (!shard.mirror.ready()) return;
    }
  }

  void kill(Shard& shard) {
    shard.alive = false;
    for (auto& tab : tabs_) {
      if (tab->shard == shard.index) drop(*tab);
    }
    at(now_ + between(1, 9) * kSecond, [this, &shard] { start(shard); });
  }

  void trouble() {
    if (calm_) return;
    after(between(1, 6) * kSecond, [this] { trouble(); });
    // Redis itself: nobody reaches it for so long, often longer than a lease.
    if (now_ > away_until_ + 5 * kSecond && wild(100, "store_outage")) away_until_ = now_ + between(500, 12'000);
    Shard& shard = *shards_[static_cast<std::size_t>(between(0, static_cast<std::int64_t>(shards_.size()) - 1))];
    if (shard.alive && wild(350, "shard_killed")) return kill(shard);
    if (shard.alive && wild(350, "shard_stalled")) shard.stalled_until = now_ + between(200, one_in(3) ? 25'000 : 9'000);
  }

  void calm_down() {
    calm_ = true;
    away_until_ = 0;
    for (auto& shard : shards_) shard->stalled_until = 0;
    at(now_ + 35 * kSecond, [this] { look_for_idleness(); });  // the longest stall is over
  }

  // ---- the lane: the gateway's own Outgoing, with its sender ----

  void make_outgoing(Shard& shard) {
    shard.outgoing.reset();
    shard.lanes = std::make_unique<TownLanes>(*this, shard);
    shard.provider = std::make_unique<Provider>(*this, shard);
    const gateway::AccountInfo info{kAccount, "wa", "p", "water", std::make_shared<whatsapp::Channel>(account_), {}};
    shard.outgoing = std::make_unique<gateway::Outgoing>(
        gateway::Outgoing::Deps{
            [this, &shard](std::int64_t ms, std::function<void()> what) { on(shard, ms, std::move(what)); },
            *shard.lanes,
            *shard.provider,
            files_,
            [this] { return time(); },
            shard.id,
            [](std::string_view, std::string) {},
            [](const Event&, const std::function<void(bool)>& done) { done(true); },
            [](std::string_view, const gateway::Links::Heard&) { return std::unique_ptr<gateway::Links>(); },
            [this](const std::string& event, const std::string&, const std::string&) { ++report_.happened[event]; },
        },
        std::vector<gateway::AccountInfo>{info});
  }

  // ---- the provider ----

  void provider(Shard& shard, const Call& call, const gateway::HttpClient::Done& done) {
    const auto body = nlohmann::json::parse(call.body, nullptr, false);
    if (body.is_discarded() || !body.contains("biz_opaque_callback_data")) return violated("a request without our reference");
    const auto ref = whatsapp::open_ref(account_, body["biz_opaque_callback_data"].get<std::string>());
    if (!ref) return violated("our reference does not open");
    watch_.on_handed(*ref);
    const auto answer = [this, &shard, done](std::int64_t delay, Result<HttpResponse> response) {
      on(shard, delay, [done, response = std::move(response)]() mutable { done(std::move(response)); });
    };
    const auto says = [](int status, std::string words) {
      HttpResponse response;
      response.status = status;
      response.body = std::move(words);
      return response;
    };
    const auto error = [&](int status, int code) {
      return says(status,
                  R"({"error":{"message":"m","type":"OAuthException","code":)" + std::to_string(code) + R"(,"fbtrace_id":"t"}})");
    };
    if (wild(30, "provider_unreachable")) return answer(5, fail(Errc::kUnavailable, "refused"));
    if (wild(20, "provider_refuses_for_now")) return answer(30, error(500, 131016));
    if (wild(10, "provider_too_fast")) return answer(30, error(400, 130429));
    if (wild(10, "provider_pair_limit")) return answer(30, error(400, 131056));
    if (wild(20, "provider_refuses")) return answer(30, error(400, 131026));
    if (wild(30, "provider_answer_lost")) {
      if (one_in(2)) accepts(*ref);
      return answer(9 * kSecond, fail(Errc::kTimeout, "no answer"));
    }
    if (wild(15, "provider_500")) {
      if (one_in(2)) accepts(*ref);
      return answer(40, says(502, "<html>"));
    }
    const std::string wamid = accepts(*ref);
    answer(between(20, 300), says(200, R"({"messaging_product":"whatsapp","contacts":[{"input":"x","wa_id":")" +
                                           body["to"].get<std::string>() + R"("}],"messages":[{"id":")" + wamid + R"("}]})"));
  }

  std::string accepts(const MessageRef& ref) {
    const std::string wamid = "wamid." + std::to_string(++serial_);
    ++report_.happened["accepted_by_provider"];
    const int times = ++accepted_[item_of(ref)];
    const auto& c = store_->world().conversations.at(ref.conversation);
    const auto entry = decode_entry(c.log[static_cast<std::size_t>(ref.n - 1)].entry);
    const bool alert = entry && entry->lane == Lane::kAlert;
    if (times > 1 && !alert) violated("I14 " + item_of(ref) + " reached the citizen twice");
    if (times > 1 && alert) ++report_.happened["alerts_doubled"];
    std::int64_t& last = accepted_last_[ref.conversation];
    // In a log of sends only what goes to the same citizen is in order.
    if (ref.n < last && c.state != "sends") violated("I8 " + item_of(ref) + " reached the citizen after " + std::to_string(last));
    last = std::max(last, ref.n);
    for (const State state : {State::kSent, State::kDelivered, State::kRead}) {
      if (state == State::kRead && one_in(3)) continue;
      if (wild(80, "status_dropped")) continue;
      for (int i = wild(100, "status_repeated") ? 2 : 1; i > 0; --i) status(ref, state, wamid, between(10, 4'000));
    }
    return wamid;
  }

  // A status by webhook, to any shard; repeated until the answer is yes.
  void status(const MessageRef& ref, State state, const std::string& wamid, std::int64_t delay) {
    after(delay, [this, ref, state, wamid] {
      Shard* shard = any_shard();
      if (shard == nullptr) return status(ref, state, wamid, kSecond);
      const auto heard = std::make_shared<bool>(false);
      ask<std::vector<bool>>(
          *shard,
          [=](Store& s, auto done) {
            s.settle(kAccount, {{ref, state, wamid, ""}}, done);
          },
          [heard](Result<std::vector<bool>> out) { *heard = out.has_value(); });
      after(2 * kSecond, [this, ref, state, wamid, heard] {
        if (!*heard) status(ref, state, wamid, 0);
      });
    });
  }

  // ---- citizens ----

  void citizen(int index) {
    after(between(200, 9'000), [this, index] {
      if (calm_) return;
      for (std::int64_t i = between(1, 2); i > 0; --i) write(index);
      citizen(index);
    });
  }

  void write(int index) {
    Ingest in;
    in.account = kAccount;
    in.channel = "wa";
    in.dedupe = "in." + std::to_string(++serial_);
    in.at = WallTime{now_};
    in.addresses = {"wa:p:49151000000" + std::to_string(index)};
    if (one_in(3)) in.addresses.push_back("wa:p:bsuid" + std::to_string(index));
    in.name = "Citizen " + std::to_string(index);
    in.queue = one_in(2) ? "water" : "roads";
    in.window_until = WallTime{now_ + 86'400'000};
    in.may_open = !one_in(15);
    in.offer_ttl_ms = 8 * kSecond;
    if (index % 2 == 0) in.bot = bot_;
    Entry entry;
    entry.content.type = "text";
    entry.content.text = in.dedupe;
    entry.provider_id = in.dedupe;
    in.entry = encode_entry(entry);
    ++report_.happened["messages_in"];
    post(in);
    if (wild(120, "webhook_repeated")) {
      const std::int64_t delay = one_in(2) ? 0 : between(1, 3'000);  // at once: the same millisecond, maybe another shard
      after(delay, [this, in] { post(in); });
    }
  }

  void post(Ingest in) {
    Shard* shard = any_shard();
    const auto heard = std::make_shared<bool>(false);
    if (shard != nullptr) {
      in.hint = shard->mirror.hint(in.queue, kWeight, WallTime{now_});
      if (in.hint) ++report_.happened["hints"];
      ask<Ingested>(
          *shard, [in](Store& s, auto done) { s.ingest(in, done); },
          [this, in, heard](Result<Ingested> out) {
            if (!out) return;
            *heard = true;
            // I11: yes was said.
            if (out->kind == Ingested::Kind::kNew || out->kind == Ingested::Kind::kOk) watch_.on_kept(out->ref, in.entry);
            if (out->kind == Ingested::Kind::kDuplicate) repeats_.push_back(in.entry);
            if (out->kind == Ingested::Kind::kNew && out->state != "queued") ++report_.happened["hints_honoured"];
          });
    }
    after(2'500, [this, in, heard] {
      if (*heard) return;
      ++report_.faults["webhook_unanswered"];
      post(in);
    });
  }

  // Programs that send through the API: notices into conversations and to strangers, some of them alerts.
  void programs() {
    if (calm_) return;
    after(between(2, 8) * kSecond, [this] { programs(); });
    Send what;
    what.account = kAccount;
    what.channel = "wa";
    what.address = "wa:p:49151000000" + std::to_string(between(0, 11));
    what.author = "key";
    what.client_id = "api" + std::to_string(++serial_);
    what.lane = one_in(3) ? Lane::kAlert : one_in(2) ? Lane::kBulk : Lane::kConversation;
    Entry entry;
    entry.dir = Dir::kOut;
    entry.content.type = "text";
    entry.content.text = what.client_id;
    entry.lane = what.lane;
    what.entry = encode_entry(entry);
    submit(what);
  }
  void submit(Send what) {
    Shard* shard = any_shard();
    const auto heard = std::make_shared<bool>(false);
    if (shard != nullptr) {
      what.lease = shard->outgoing->lease(kAccount);
      under_lease(
          *shard, what.lease, what.entry, what.lane, heard,
          [what](Store& s, Store::Done<Outcome> done) { s.send(what, std::move(done)); }, [](const Outcome&) {});
    }
    after(2'500, [this, what, heard] {
      if (!*heard) submit(what);
    });
  }

  // A reply or send; if it comes back claimed, it is handed over.
  void under_lease(Shard& shard, const LeaseRef& with, const std::string& entry, Lane lane, const std::shared_ptr<bool>& heard,
                   const std::function<void(Store&, Store::Done<Outcome>)>& call,
                   const std::function<void(const Outcome&)>& then) {
    ask<Outcome>(shard, call, [this, &shard, with, entry, lane, heard, then](Result<Outcome> out) {
      if (!out && with.epoch > 0 && out.error().code != Errc::kUnavailable) shard.outgoing->lease_in_doubt(kAccount);
      if (!out) return;
      *heard = true;
      if (out->what == What::kOk || out->what == What::kRepeat) acknowledged_.push_back(out->ref);
      if (out->claimed) {
        ++report_.happened["claimed_at_once"];
        const auto said = decode_entry(entry);
        shard.outgoing->hand_over({out->ref, kAccount, out->address, said->content, lane, said->at});
      }
      then(*out);
    });
  }

  // ---- desks ----

  void connect(Tab& tab) {
    if (tab.agent == gone_) return;
    Shard* shard = any_shard();
    if (shard == nullptr || shard->epoch == 0) {
      after(300, [this, &tab] { connect(tab); });
      return;
    }
    tab.shard = shard->index;
    ++tab.life;
    open_session(tab);
  }

  void open_session(Tab& tab) {
    Shard& shard = *shards_[static_cast<std::size_t>(tab.shard)];
    const int life = tab.life;
    const std::string session = tab.session + "." + std::to_string(tab.life);
    ask<Outcome>(
        shard,
        [&shard, &tab, session, epoch = shard.epoch](Store& s, auto done) {
          s.session(shard.id, epoch, tab.agent, session, true, done);
        },
        [this, &shard, &tab, life](Result<Outcome> out) {
          if (tab.life != life || tab.shard < 0) return;
          if (!out)
            return on(shard, 200, [this, &tab, life] {
              if (tab.life == life && tab.shard >= 0) open_session(tab);
            });
          if (out->what != What::kOk) return;  // lost: the beat says so too, and all are told anew
          resume(tab);
        },
        false);  // an opening after its own end would count until the shard starts again: the store cannot tell
  }

  void resume(Tab& tab) {
    if (tab.shard < 0 || tab.replaying) return;
    tab.replaying = true;
    Shard& shard = *shards_[static_cast<std::size_t>(tab.shard)];
    const int life = tab.life;
    const auto again = [this, &shard, &tab, life] {
      tab.replaying = false;
      on(shard, 100, [this, &tab, life] {
        if (tab.life == life) resume(tab);
      });
    };
    if (!tab.started) {
      return ask<DeskView>(
          shard, [&tab](Store& s, auto done) { s.desk(tab.agent, done); },
          [this, &tab, life, again](Result<DeskView> desk) {
            if (tab.life != life) return;
            if (!desk) return again();
            tab.replaying = false;
            tab.started = true;
            tab.seen = desk->seq;
            tab.view.clear();
          });
    }
    const std::int64_t after_seq = tab.seen;
    ask<Replay>(
        shard, [&tab, after_seq](Store& s, auto done) { s.replay(tab.agent, after_seq, done); },
        [this, &tab, life, again](Result<Replay> replay) {
          if (tab.life != life) return;
          if (!replay) return again();
          tab.replaying = false;
          ++report_.happened["replays"];
          if (replay->reset) {
            tab.started = false;
            return resume(tab);
          }
          for (const AgentEvent& event : replay->events) see(tab, event);
        });
  }

  void drop(Tab& tab) {
    const int old = std::exchange(tab.shard, -1);
    const std::string session = tab.session + "." + std::to_string(tab.life);
    ++tab.life;
    tab.replaying = false;
    Shard& shard = *shards_[static_cast<std::size_t>(old)];
    if (shard.alive) end_session(shard, tab.agent, session);
    after(between(200, one_in(4) ? 12'000 : 2'000), [this, &tab] {
      if (tab.shard < 0) connect(tab);
    });
  }
  void end_session(Shard& shard, const std::string& agent, const std::string& session) {
    ask<Outcome>(
        shard,
        [&shard, agent, session, epoch = shard.epoch](Store& s, auto done) {
          s.session(shard.id, epoch, agent, session, false, done);
        },
        [this, &shard, agent, session](Result<Outcome> out) {
          if (!out) on(shard, 200, [this, &shard, agent, session] { end_session(shard, agent, session); });
        });
  }

  void publish(const std::string& agent, const AgentEvent& event) {
    for (auto& tab : tabs_) {
      if (tab->agent != agent || tab->shard < 0) continue;
      Shard& shard = *shards_[static_cast<std::size_t>(tab->shard)];
      if (wild(15, "publish_lost")) {
        // The subscription fell; once it stands again, what was missed is read.
        on(shard, between(50, 900), [this, &tab = *tab, life = tab->life] {
          if (tab.life == life) resume(tab);
        });
        continue;
      }
      on(shard, 2, [this, &tab = *tab, life = tab->life, event] {
        if (tab.life == life) see(tab, event);
      });
    }
  }

  void see(Tab& tab, const AgentEvent& event) {
    if (!tab.started || event.seq <= tab.seen) return;
    if (event.seq > tab.seen + 1) return resume(tab);
    tab.seen = event.seq;
    const std::string& id = event.conversation;
    if (event.kind == 'm') tab.view[id][std::stoll(event.x)] = event.y[0];
    if (event.kind == 'r') tab.view[id][std::stoll(event.x)] = event.y[0];
    if (event.kind == 'o' || event.kind == 'g' || event.kind == 'x') tab.view.erase(id);
  }

  // ---- agents ----

  struct Work {
    bool pending = false;  // a decision or an action is under way
    int replies = 0;
    std::int64_t ignored = 0;  // the offer of this generation is not answered
  };

  Tab* open_tab(const std::string& agent) {
    for (auto& tab : tabs_) {
      if (tab->agent == agent && tab->shard >= 0 && shards_[static_cast<std::size_t>(tab->shard)]->alive) return tab.get();
    }
    return nullptr;
  }

  // Every second or so the agent looks at the desk and does what is to be done.
  void patrol(const std::string& agent) {
    after(between(500, 2'000), [this, agent] { patrol(agent); });
    Tab* tab = open_tab(agent);
    if (tab == nullptr) return;
    Shard& shard = *shards_[static_cast<std::size_t>(tab->shard)];
    if (wild(15, "tab_dropped")) return drop(*tab);
    ask<DeskView>(
        shard, [agent](Store& s, auto done) { s.desk(agent, done); },
        [this, &shard, agent](Result<DeskView> desk) {
          if (!desk) return;
          if (desk->availability != "ready") {
            if (calm_ || !one_in(4)) set(shard, agent, "ready");
          } else if (wild(20, "agent_paused")) {
            set(shard, agent, one_in(2) ? "paused" : "offline");
          }
          for (const Card& card : desk->held) act(shard, agent, card);
        });
  }
  void set(Shard& shard, const std::string& agent, const char* value) {
    ask<Outcome>(
        shard, [=](Store& s, auto done) { s.agent_set(agent, value, "", "", done); }, ignore<Outcome>());
  }

  void act(Shard& shard, const std::string& agent, const Card& card) {
    Work& work = work_[{agent, card.conversation}];
    if (work.pending) return;
    const Command by{card.conversation, card.gen, agent};
    const auto done = [this, agent, id = card.conversation](Result<Outcome>) { work_[{agent, id}].pending = false; };
    // A shard that dies takes the answer with it; the agent looks again.
    const auto command = [&](auto call) {
      work.pending = true;
      after(3 * kSecond, [done] { done(fail(Errc::kTimeout, "")); });
      ask<Outcome>(shard, call, done);
    };
    if (card.state == "offered") {
      if (work.ignored == card.gen) return;
      if (wild(80, "offer_ignored")) {
        work.ignored = card.gen;
        return;
      }
      if (wild(100, "offer_declined")) return command([by](Store& s, auto d) { s.decline(by, "", d); });
      ++report_.happened["accepts"];
      const bool twice = one_in(6);
      command([by](Store& s, auto d) { s.accept(by, d); });
      if (twice)
        ask<Outcome>(
            shard, [by](Store& s, auto d) { s.accept(by, d); }, ignore<Outcome>());
      return;
    }
    if (card.state == "wrapup" && one_in(3)) return command([by](Store& s, auto d) { s.close(by, "done", {}, d); });
    if (card.state != "active" && card.state != "bot") return;
    if (work.replies < 3 && !one_in(4)) {
      ++work.replies;
      work.pending = true;
      Reply what;
      what.by = by;
      what.author = agent;
      what.client_id = "c" + std::to_string(++serial_);
      Entry entry;
      entry.dir = Dir::kOut;
      entry.content.type = "text";
      entry.content.text = what.client_id;
      entry.agent = agent;
      what.entry = encode_entry(entry);
      what.needs_window = true;
      ++report_.happened["replies"];
      return reply(what, 0);
    }
    work.replies = 0;
    if (card.state == "bot" && !one_in(4))
      return command([by, queue = card.queue](Store& s, auto d) { s.transfer({by, queue, "", 8 * kSecond, false, {}}, d); });
    if (one_in(6))
      return command(
          [by, until = now_ + between(2, 20) * kSecond](Store& s, auto d) { s.park(by, WallTime{until}, kParkWeight, d); });
    if (one_in(6)) {
      const bool to_agent = one_in(2);
      const std::string other = agents_[static_cast<std::size_t>(between(0, 3))];
      return command([=](Store& s, auto d) {
        s.transfer({by, to_agent ? "" : "water", to_agent ? other : "", 8 * kSecond, false, {}}, d);
      });
    }
    ++report_.happened["resolved"];
    command([by](Store& s, auto d) { s.close(by, "done", {3 * kSecond}, d); });
  }

  // Repeated with its client_id until there is an answer; then, at the latest, the next may be written.
  void reply(Reply what, int tries) {
    Tab* tab = open_tab(what.by.agent);
    const auto heard = std::make_shared<bool>(false);
    const std::pair key{what.by.agent, what.by.conversation};
    if (tab != nullptr) {
      Shard& shard = *shards_[static_cast<std::size_t>(tab->shard)];
      what.lease = shard.outgoing->lease(kAccount);
      under_lease(
          shard, what.lease, what.entry, what.lane, heard,
          [what](Store& s, Store::Done<Outcome> done) { s.reply(what, std::move(done)); },
          [this, key](const Outcome& out) {
            work_[key].pending = false;
            if (out.what == What::kRepeat) ++report_.happened["replies_repeated"];
          });
    }
    after(1'500, [this, what, heard, key, tries] {
      if (*heard) return;
      if (tries > 20) {
        work_[key].pending = false;
        return;
      }
      reply(what, tries + 1);
    });
  }

  // ---- what must hold in the end ----

  // I10: once nothing goes wrong, nobody waits while somebody could take him.
  void look_for_idleness() {
    after(500, [this] { look_for_idleness(); });
    Snapshot truth;
    store_->snapshot([&](Result<Snapshot> s) { truth = std::move(*s); });
    std::map<std::string, std::int64_t> seen;
    for (const Waiting& waiting : truth.waiting) {
      for (const AgentState& agent : truth.agents) {
        if (bar_of(agent, demand_of(waiting.queue, {}, {}, 0), waiting, WallTime{now_}) != Bar::kEligible) continue;
        const std::string pair = waiting.conversation + "@" + std::to_string(waiting.gen) + " for " + agent.id;
        const auto before = idle_.find(pair);
        seen[pair] = before == idle_.end() ? now_ : before->second;
        if (now_ - seen[pair] > 1'500) violated("I10 " + pair + " waits");
      }
    }
    idle_ = std::move(seen);
  }

  bool at_rest() const {
    if (now_ < kStart + kWild + 45 * kSecond) return false;
    const auto& w = store_->world();
    for (const auto& [id, c] : w.conversations) {
      if (c.state == "queued" || c.state == "offered" || c.turn != 0) return false;
      if (!gone_.empty() && c.owner == gone_ && c.state != "closed") return false;
    }
    for (const auto& tab : tabs_) {
      if (tab->shard >= 0 && (!tab->started || tab->seen != w.agents.at(tab->agent).seq)) return false;
    }
    return true;
  }

  void final_checks() {
    for (auto& found : watch_.check_kept()) violated(std::move(found));
    const auto& w = store_->world();
    for (const std::string& entry : repeats_) {
      if (!watch_.knows(entry)) violated("I11 a message was called a duplicate and is not there");
    }
    for (const MessageRef& ref : acknowledged_) {
      const auto it = w.conversations.find(ref.conversation);
      if (it == w.conversations.end() || ref.n > static_cast<std::int64_t>(it->second.log.size())) {
        violated("an acknowledged reply " + item_of(ref) + " is lost");
        continue;
      }
      const State state = it->second.log[static_cast<std::size_t>(ref.n - 1)].state;
      if (state == State::kQueued || state == State::kClaimed)
        violated("an acknowledged reply " + item_of(ref) + " was never sent");
      const bool arrived = accepted_.contains(item_of(ref));
      if (!arrived && (state == State::kSent || state == State::kDelivered || state == State::kRead)) {
        violated(item_of(ref) + " is " + std::string(shown(state)) + " and never reached the provider");
      }
      // An alert is tried again where nobody knows whether it arrived: what its last try heard is what it is called.
      const auto entry = decode_entry(it->second.log[static_cast<std::size_t>(ref.n - 1)].entry);
      const bool alert = entry && entry->lane == Lane::kAlert;
      if (arrived && state == State::kFailed && !alert) violated(item_of(ref) + " reached the citizen and is called failed");
    }
    for (const auto& [id, c] : w.conversations) {
      if (c.state == "queued" || c.state == "offered") violated(id + " is " + c.state + " in the end");
      if (!gone_.empty() && c.owner == gone_ && c.state != "closed") violated(id + " is still with " + gone_ + ", who went home");
      ++report_.happened["conversations"];
    }
    // Who is at his desk is known to be.
    std::map<std::string, std::int64_t> open;
    for (const auto& tab : tabs_) open[tab->agent] += tab->shard >= 0 ? 1 : 0;
    for (const auto& [id, agent] : w.agents) {
      if (agent.sessions != open[id])
        violated(id + " has " + std::to_string(open[id]) + " desks open, the store says " + std::to_string(agent.sessions));
    }
    // What a desk shows is what the log says.
    for (const auto& tab : tabs_) {
      if (tab->shard < 0) continue;
      if (tab->seen != w.agents.at(tab->agent).seq) violated("a desk of " + tab->agent + " is behind");
      for (const auto& [id, lines] : tab->view) {
        const auto& c = w.conversations.at(id);
        if (c.owner != tab->agent) continue;
        for (const auto& [n, state] : lines) {
          const char truth = static_cast<char>(c.log[static_cast<std::size_t>(n - 1)].state);
          if (truth != state)
            violated("a desk of " + tab->agent + " shows " + id + "." + std::to_string(n) + " as " + state + ", not " + truth);
        }
      }
    }
  }

  std::mt19937_64 chance_;
  std::int64_t now_ = kStart;
  std::int64_t serial_ = 0;
  std::map<std::pair<std::int64_t, std::int64_t>, std::function<void()>> events_;
  bool calm_ = false;
  std::string gone_, bot_;
  std::int64_t away_until_ = 0;  // the store, for everybody
  std::unique_ptr<MemoryStore> store_;
  invariant::Watch watch_;
  whatsapp::Account account_;
  NoFiles files_;
  std::vector<Value> stream_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::unique_ptr<Tab>> tabs_;
  std::vector<std::string> agents_;
  std::map<std::pair<std::string, std::string>, Work> work_;
  std::map<std::string, int> accepted_;                // by the provider: how often
  std::map<std::string, std::int64_t> accepted_last_;  // by conversation
  std::vector<std::string> repeats_;
  std::vector<MessageRef> acknowledged_;
  std::map<std::string, std::int64_t> idle_;
  Report report_;
};

void TownLanes::claim(std::string_view account, const LeaseRef& lease, const Room& most, Done<Claims> done) {
  if (town_.wild(5, "shard_stalled_at_claim")) shard_.stalled_until = town_.now_ + town_.between(3'000, 25'000);
  const std::string name(account);
  town_.ask<Claims>(
      shard_,
      [name, lease, most](Store& s, auto d) {
        s.claim(name, lease, {std::min(most.messages, 4), std::min(most.alerts, 4)}, d);
      },
      std::move(done));
}
void TownLanes::settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) {
  for (const Settled& item : items) ++town_.report_.happened[std::string("sender_") + std::string(shown(item.state))];
  const std::string name(account);
  town_.ask<std::vector<bool>>(
      shard_, [name, items](Store& s, auto d) { s.settle(name, items, d); }, std::move(done));
}
void TownLanes::put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items, Done<Outcome> done) {
  for (const PutBack& item : items) {
    ++town_.report_.happened["sender_returned"];
    town_.watch_.on_put_back(item.ref);
  }
  const std::string name(account);
  town_.ask<Outcome>(
      shard_, [name, lease, items](Store& s, auto d) { s.put_back(name, lease, items, d); }, std::move(done));
}
void TownLanes::renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held, Done<Outcome> done) {
  ++town_.report_.happened["renewals"];
  const std::string name(account);
  town_.ask<Outcome>(
      shard_, [name, lease, held](Store& s, auto d) { s.renew(name, lease, held, d); }, std::move(done));
}
void TownLanes::orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) {
  const std::string name(account);
  town_.ask<Outcome>(
      shard_, [name, lease](Store& s, auto d) { s.orphans(name, lease, d); }, std::move(done));
}
void TownLanes::acknowledged(std::string_view account, const std::vector<std::string>& dedupe) {
  town_.store_->acknowledged(account, dedupe);
}
void Provider::call(const Call& call, Done done) { town_.provider(shard_, call, done); }

}  // namespace

Report run_town(const Options& options) { return Town(options).run(); }

}  // namespace belfry::sim
