// What the users of Chatwoot, Rocket.Chat and Zammad suffer from (reference/routing.md, section 4; their threads are named
// there), one test each, which comes out right here: three nodes, each with its own picture, on one store; after each step the
// invariants hold. Those that need sockets have their tests in tests/live: resume_test (a desk misses nothing), crash_test and
// road_test (a webhook twice, the 24-hour window), many_nodes_test (races and kills).
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "routing/mirror.h"
#include "tests/sim/invariants.h"

namespace belfry::routing {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;
constexpr std::int64_t kTtl = 1'000'000'000;  // of leases: nobody dies here unless the test says so
using What = Outcome::What;

Value entry_of(std::int64_t id, const Fields& fields) {
  Value pairs{Value::Kind::kArray, 0, {}, {}};
  for (const auto& [name, value] : fields) {
    pairs.array.push_back({Value::Kind::kString, 0, name, {}});
    pairs.array.push_back({Value::Kind::kString, 0, value, {}});
  }
  return {Value::Kind::kArray, 0, {}, {{Value::Kind::kString, 0, std::to_string(id) + "-0", {}}, pairs}};
}

class House {
 public:
  House() {
    store->on_transition = [this](const Fields& fields) {
      watch.on_transition(fields);
      for (Mirror& node : nodes) node.apply(entry_of(++entries_, fields));
    };
    store->on_event = [this](const std::string& agent, const AgentEvent& event) { watch.on_event(agent, event); };
    store->queue_put("hall", {{"name", "Hall"}, {"wrap_ms", "0"}}, ignore());
    store->node_start("s", kTtl, [this](Result<Outcome> r) { epoch = r->gen; });
    look();
  }
  ~House() { check(); }
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  static Store::Done<Outcome> ignore() {
    return [](const Result<Outcome>&) {};
  }
  // Every node takes a new picture.
  void look() {
    for (Mirror& node : nodes) {
      store->snapshot([&](Result<Snapshot> s) { node.reset(std::move(*s)); });
    }
  }
  void check() {
    for (const std::string& broken : watch.check()) ADD_FAILURE() << broken;
  }

  void person(const std::string& id, int conversations, const std::string& queues = "hall") {
    store->agent_put(id, {{"cap", std::to_string(conversations * kWeight)}, {"queues", queues}}, ignore());
    come(id);
    set(id, "ready");
  }
  void come(const std::string& id, const std::string& shard = "s") { store->session(shard, epoch, id, "tab", true, ignore()); }
  void go(const std::string& id) { store->session("s", epoch, id, "tab", false, ignore()); }
  void set(const std::string& id, const std::string& availability) { store->agent_set(id, availability, "", "", ignore()); }

  Ingested write(const std::string& citizen, const std::string& message, const std::string& queue = "hall") {
    Ingest in;
    in.account = "w";
    in.channel = "wa";
    in.dedupe = message;
    in.at = WallTime{now};
    in.addresses = {"wa:" + citizen};
    in.queue = queue;
    in.entry = message;
    Ingested out;
    store->ingest(in, [&](Result<Ingested> r) { out = std::move(*r); });
    return out;
  }
  // Each node offers what it thinks right, all before any of them hears of the others. Answers how many offers the store made.
  int match() {
    std::vector<Offer> all;
    for (Mirror& node : nodes) {
      for (const Offer& offer : node.match(WallTime{now}, 1000)) all.push_back(offer);
    }
    int made = 0;
    for (const Offer& offer : all) store->offer(offer, [&](Result<Outcome> r) { made += r->what == What::kOk ? 1 : 0; });
    check();
    now += 6'000;  // what came to nothing is proposed anew
    return made;
  }
  const model::Conversation& of(const std::string& id) const { return store->world().conversations.at(id); }
  Outcome accept(const std::string& id, const std::string& agent, std::int64_t gen) {
    Outcome out;
    store->accept({id, gen, agent}, [&](Result<Outcome> r) { out = *r; });
    return out;
  }
  void accept(const std::string& id) { accept(id, of(id).owner, of(id).gen); }
  void close(const std::string& id) { store->close({id, of(id).gen, of(id).owner}, "done", {}, ignore()); }
  std::size_t held_by(const std::string& agent) const { return store->world().agents.at(agent).held.size(); }
  std::string availability(const std::string& agent) const { return store->world().agents.at(agent).availability; }

  std::int64_t now = kStart;
  std::int64_t epoch = 0;
  std::unique_ptr<MemoryStore> store = make_memory_store([this] { return WallTime{now}; });
  invariant::Watch watch{*store};
  std::array<Mirror, 3> nodes;

 private:
  std::int64_t entries_ = 0;
};

// chatwoot 10583, 10376, 10685; Rocket.Chat 18041, 18029, 34837
TEST(Complaints, StuckInTheQueueThoughAnAgentIsFree) {
  House t;
  t.person("ana", 1);
  const std::string first = t.write("x", "1").ref.conversation;
  const std::string second = t.write("y", "2").ref.conversation;
  EXPECT_EQ(t.match(), 1);
  t.accept(first);
  EXPECT_EQ(t.match(), 0) << "she is full";
  t.close(first);
  EXPECT_EQ(t.match(), 1) << "nobody need write, nothing need poll: she is free";
  EXPECT_EQ(t.of(second).owner, "ana");
  t.store->decline({second, t.of(second).gen, "ana"}, "", House::ignore());
  t.person("bob", 1);
  EXPECT_EQ(t.match(), 1) << "who comes is asked";
  EXPECT_EQ(t.of(second).owner, "bob");
}

// Rocket.Chat PR 23404
TEST(Complaints, AForwardedChatNeverLeavesItsOldAgent) {
  House t;
  t.person("ana", 1);
  t.person("bob", 1);
  t.set("bob", "paused");
  const std::string id = t.write("x", "1").ref.conversation;
  t.match();
  t.accept(id);
  t.store->transfer({{id, t.of(id).gen, "ana"}, "hall", ""}, House::ignore());
  EXPECT_EQ(t.held_by("ana"), 0U);
  EXPECT_EQ(t.of(id).eff, kStart) << "with its place";
  t.set("bob", "ready");
  t.match();
  EXPECT_EQ(t.of(id).owner, "bob");
}

// Rocket.Chat 22206; fazer-ai/chatwoot PR 359; chatwoot 775, 1576, 2015; zammad 246
TEST(Complaints, TwoAgentsOnOneConversation) {
  House t;
  t.person("ana", 5);
  t.person("bob", 5);
  const std::string id = t.write("x", "1").ref.conversation;
  EXPECT_EQ(t.match(), 1) << "three nodes offered it";
  const std::int64_t gen = t.of(id).gen;
  const std::string owner = t.of(id).owner;
  const std::string other = owner == "ana" ? "bob" : "ana";
  EXPECT_EQ(t.accept(id, other, gen).what, What::kStale);
  EXPECT_EQ(t.accept(id, owner, gen).what, What::kOk);
  const Outcome late = t.accept(id, other, gen);
  EXPECT_EQ(late.owner, owner) << "he hears whose it is";
  // osTicket 2504: no lock that keeps colleagues out; a supervisor may take it, and then the first one's answer is refused.
  Directive take;
  take.verb = Directive::Verb::kTake;
  take.conversation = id;
  take.target = other;
  take.by = "sue";
  t.store->direct(take, House::ignore());
  Reply reply;
  reply.by = {id, gen + 1, owner};
  reply.entry = "too late";
  t.store->reply(reply, [](Result<Outcome> r) { EXPECT_EQ(r->what, What::kStale); });
}

// Rocket.Chat PR 19352, PR 37776: three instances, a limit of 3, and 4 assigned
TEST(Complaints, TheLimitIsExceededByRaces) {
  House t;
  t.person("ana", 3);
  for (int i = 0; i < 12; ++i) t.write("c" + std::to_string(i), std::to_string(i));
  for (int round = 0; round < 5; ++round) t.match();
  EXPECT_EQ(t.held_by("ana"), 3U);
}

// chatwoot 11034
TEST(Complaints, WorkIsSpreadUnfairly) {
  for (const bool done_at_once : {true, false}) {
    House t;
    for (int i = 0; i < 10; ++i) t.person("a" + std::to_string(i), 100);
    t.look();
    std::map<std::string, int> given;
    for (int i = 0; i < 1000; ++i) {
      const std::string id = t.write("c" + std::to_string(i), std::to_string(i)).ref.conversation;
      t.match();
      ++given[t.of(id).owner];
      t.accept(id);
      if (done_at_once) t.close(id);
    }
    EXPECT_EQ(given.size(), 10U);
    const auto [least, most] =
        std::minmax_element(given.begin(), given.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    EXPECT_LE(most->second - least->second, 1) << "I12";
  }
}

// chatwoot 1600, 5763, 5076, 9091; Rocket.Chat 19846, PR 18835
TEST(Complaints, PresenceChangesWhatTheAgentChose) {
  House t;
  t.person("ana", 2);
  t.set("ana", "paused");
  t.go("ana");
  t.come("ana");
  EXPECT_EQ(t.availability("ana"), "paused") << "a lost socket is no choice of hers";
  t.set("ana", "ready");
  const std::string id = t.write("x", "1").ref.conversation;
  t.match();
  t.accept(id);
  // Her node dies and comes back: nobody is offline, and what she works on is hers.
  t.store->node_start("s", kTtl, [&](Result<Outcome> r) { t.epoch = r->gen; });
  t.write("y", "2");
  EXPECT_EQ(t.match(), 0) << "while she is away nothing is offered";
  t.come("ana");
  EXPECT_EQ(t.availability("ana"), "ready");
  EXPECT_EQ(t.of(id).owner, "ana");
  EXPECT_EQ(t.match(), 1);
}

// chatwoot 6631: cannot force offline; 4170: away if he does not answer
TEST(Complaints, NobodyCanSetAnAgentOffline) {
  House t;
  t.person("ana", 2);
  const std::string id = t.write("x", "1").ref.conversation;
  t.match();
  t.store->agent_set("ana", "offline", "went home", "sue", House::ignore());
  EXPECT_EQ(t.of(id).state, "queued") << "what was offered goes back at once";
  t.set("ana", "ready");
  t.now += 130'000;
  t.match();
  t.now += 46'000;
  t.store->sweep(100, kTtl, House::ignore());
  EXPECT_EQ(t.availability("ana"), "not_responding") << "an offer not answered";
  t.person("bob", 1);
  EXPECT_EQ(t.match(), 1);
  EXPECT_EQ(t.of(id).owner, "bob");
}

// chatwoot 4158, 9587; Rocket.Chat 20965
TEST(Complaints, TheCitizenIsTrappedWithHisOldAgent) {
  House t;
  t.person("ana", 1);
  const std::string before = t.write("x", "1").ref.conversation;
  t.match();
  t.accept(before);
  t.close(before);
  t.go("ana");
  t.person("bob", 1);
  const std::string id = t.write("x", "2").ref.conversation;
  EXPECT_EQ(t.of(id).sticky, "ana");
  t.match();
  EXPECT_EQ(t.of(id).owner, "bob") << "she is not there: nobody waits for her";
}

// Rocket.Chat PR 29927, PR 24112, 23894: two departments, one open
TEST(Complaints, OneClosedDepartmentClosesTheOther) {
  House t;
  t.store->queue_put("night", {{"name", "Night"}, {"hours", "mon 00:00-00:01"}, {"zone", "UTC"}}, House::ignore());
  t.look();
  t.person("ana", 5, "hall,night");
  const std::string open = t.write("x", "1", "hall").ref.conversation;
  const std::string shut = t.write("y", "2", "night").ref.conversation;
  EXPECT_EQ(t.match(), 1);
  EXPECT_EQ(t.of(open).owner, "ana");
  EXPECT_EQ(t.of(shut).owner, "") << "I13";
  t.store->queue_put("night", {{"emergency", "open|" + std::to_string(kStart) + "||flood"}}, House::ignore());
  t.look();
  EXPECT_EQ(t.match(), 1) << "changed hours count at once";
}

// chatwoot 13261, PR 14214, 10798, 6046, 5433, 9314, 11901; courier 21, 38, PR 225
TEST(Complaints, ThingsComeTwice) {
  House t;
  t.person("ana", 5);
  const Ingested image = t.write("x", "wamid.image");
  const Ingested audio = t.write("x", "wamid.audio");
  EXPECT_EQ(image.ref.conversation, audio.ref.conversation) << "two messages in one moment open one conversation";
  EXPECT_EQ(t.write("x", "wamid.image").kind, Ingested::Kind::kDuplicate) << "the webhook twice";
  t.now += 2 * 60'000;
  EXPECT_EQ(t.write("x", "wamid.audio").kind, Ingested::Kind::kDuplicate) << "two minutes later, the same id";
  t.match();
  t.accept(image.ref.conversation);
  Reply reply;
  reply.by = {image.ref.conversation, t.of(image.ref.conversation).gen, "ana"};
  reply.client_id = "c1";
  reply.author = "ana";
  reply.entry = "hello";
  std::vector<Outcome> out;
  for (int i = 0; i < 2; ++i) t.store->reply(reply, [&](Result<Outcome> r) { out.push_back(*r); });
  EXPECT_EQ(out[1].what, What::kRepeat) << "a weak link, and the client sends again";
  EXPECT_EQ(out[1].ref, out[0].ref);
}

// chatwoot 9516, 8503, 1009; casepro 271: answers blocked after a weekend, and nobody says what to do
TEST(Complaints, TheWindowIsClosedAndNobodySaysSo) {
  House t;
  t.person("ana", 5);
  const std::string id = t.write("x", "1").ref.conversation;
  t.match();
  t.accept(id);
  Reply reply;
  reply.by = {id, t.of(id).gen, "ana"};
  reply.entry = "after the weekend";
  reply.needs_window = true;
  t.store->reply(reply,
                 [](Result<Outcome> r) { EXPECT_EQ(r->what, What::kWindow) << "refused before it is lost at the provider"; });
  reply.needs_window = false;  // a template
  t.store->reply(reply, [](Result<Outcome> r) { EXPECT_EQ(r->what, What::kOk); });
}

// chatwoot PR 14648, zammad 4970, Rocket.Chat 20899: chat is offered though nobody is there. What the widget will ask.
TEST(Complaints, TheQueueKnowsWhetherAnybodyIsThere) {
  House t;
  EXPECT_EQ(t.nodes[0].ready_agents(), 0U);
  t.person("ana", 1);
  EXPECT_EQ(t.nodes[0].ready_agents(), 1U);
  t.go("ana");
  EXPECT_EQ(t.nodes[0].ready_agents(), 0U);
}

}  // namespace
}  // namespace belfry::routing
