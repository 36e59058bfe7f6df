#include "routing/mirror.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "routing/store_memory.h"

namespace belfry::routing {
namespace {

constexpr std::int64_t kStart = 1'700'000'000'000;

Value text(std::string_view words) { return {.kind = Value::Kind::kString, .text = std::string(words)}; }
Value stream_entry(std::int64_t id, const Fields& fields) {
  Value list{.kind = Value::Kind::kArray};
  for (const auto& [name, value] : fields) {
    list.array.push_back(text(name));
    list.array.push_back(text(value));
  }
  return {.kind = Value::Kind::kArray, .array = {text(std::to_string(id) + "-0"), std::move(list)}};
}

AgentState agent(std::string id, std::vector<std::string> queues, std::int64_t load = 0, std::int64_t capacity = 30) {
  AgentState a;
  a.id = std::move(id);
  a.availability = "ready";
  a.sessions = 1;
  a.capacity = capacity;
  a.load = load;
  a.queues = std::move(queues);
  return a;
}
Waiting waiting(std::string id, std::string queue, std::int64_t eff) {
  return {std::move(id), std::move(queue), "", 1, eff, kWeight, kStart, ""};
}

std::vector<std::string> shown(const std::vector<Offer>& offers) {
  std::vector<std::string> out;
  for (const auto& offer : offers) out.push_back(offer.conversation + " to " + offer.agent);
  return out;
}

TEST(Mirror, IsNotReadyBeforeItsFirstSnapshot) {
  Mirror mirror;
  EXPECT_FALSE(mirror.ready());
  EXPECT_FALSE(mirror.hint("water", kWeight, WallTime{kStart}));
  EXPECT_TRUE(mirror.match(WallTime{kStart}, 10).empty());
  mirror.reset({"5-0", {}, {}, {}});
  EXPECT_TRUE(mirror.ready());
  EXPECT_EQ(mirror.stream_id(), "5-0");
}

TEST(Mirror, RefusesWhatIsNoStreamEntry) {
  Mirror mirror;
  mirror.reset({"5-0", {}, {}, {}});
  EXPECT_FALSE(mirror.apply(Value{}));
  EXPECT_FALSE(mirror.apply(text("x")));
  EXPECT_TRUE(mirror.apply(stream_entry(6, {{"k", "later versions may say more"}})));
  EXPECT_FALSE(mirror.apply(stream_entry(7, {{"k", "queue"}, {"q", "water"}}))) << "asks for a snapshot";
  EXPECT_EQ(mirror.stream_id(), "7-0");
}

TEST(Mirror, MatchesWhoHasWaitedLongestOverAllQueues) {
  Mirror mirror;
  mirror.reset({"0-0",
                {agent("ana", {"roads", "water"}, 0, 20)},
                {waiting("1", "roads", 30), waiting("2", "roads", 40), waiting("3", "water", 10), waiting("4", "water", 50)},
                {}});
  EXPECT_EQ(shown(mirror.match(WallTime{kStart}, 10)), (std::vector<std::string>{"3 to ana", "1 to ana"}));
  EXPECT_TRUE(mirror.match(WallTime{kStart}, 10).empty()) << "ana is full, as far as we know";
}

TEST(Mirror, NobodyWaitsBehindOneThatCannotBeTaken) {
  Mirror mirror;
  Waiting banned = waiting("1", "water", 10);
  banned.excluded = "ana:" + std::to_string(kStart + 1000);
  mirror.reset({"0-0", {agent("ana", {"water"})}, {banned, waiting("2", "water", 20)}, {}});
  EXPECT_EQ(shown(mirror.match(WallTime{kStart}, 10)), std::vector<std::string>{"2 to ana"});
  EXPECT_EQ(shown(mirror.match(WallTime{kStart + 1000}, 10)), std::vector<std::string>{"1 to ana"});
}

// As the matcher builds it: who waits comes later, the old one is swapped away and goes in pieces.
TEST(Mirror, IsBuiltAndTakenApartInPieces) {
  Mirror old;
  old.reset({"1-0", {agent("ana", {"water"})}, {waiting("1", "water", 1)}, {}});
  old.match(WallTime{kStart}, 1);
  Mirror fresh;
  fresh.reset({"2-0", {agent("ana", {"water"}), agent("bob", {"water"})}, {}, {}});
  fresh.add(waiting("3", "water", 3));
  fresh.add(waiting("2", "water", 2));
  std::swap(old, fresh);
  int turns = 1;
  while (fresh.fade(1)) ++turns;
  EXPECT_EQ(turns, 2) << "a conversation and an agent";
  EXPECT_EQ(fresh.waiting(), 0U);
  EXPECT_EQ(fresh.ready_agents(), 0U);
  EXPECT_EQ(old.stream_id(), "2-0");
  EXPECT_EQ(old.ready_agents(), 2U);
  EXPECT_EQ(shown(old.match(WallTime{kStart}, 10)), (std::vector<std::string>{"2 to ana", "3 to bob"}));
}

// A page of agents may say one twice.
TEST(Mirror, AnAgentToldTwiceIsOne) {
  Mirror mirror;
  mirror.reset({"0-0", {agent("ana", {"water"}, 0, 10), agent("ana", {"water"}, 0, 10)}, {waiting("1", "water", 1)}, {}});
  EXPECT_EQ(mirror.ready_agents(), 1U);
  mirror.apply(stream_entry(1, {{"k", "agent"}, {"a", "ana"}, {"q", "water"}, {"av", "paused"}, {"se", "1"}, {"cp", "10"}}));
  EXPECT_TRUE(mirror.match(WallTime{kStart}, 10).empty());
  EXPECT_EQ(mirror.ready_agents(), 0U);
}

TEST(Mirror, TakesAtMostWhatIsAskedFor) {
  Mirror mirror;
  mirror.reset({"0-0", {agent("ana", {"water"})}, {waiting("1", "water", 1), waiting("2", "water", 2)}, {}});
  EXPECT_EQ(mirror.match(WallTime{kStart}, 0).size(), 0U);
  EXPECT_EQ(mirror.match(WallTime{kStart}, 1).size(), 1U);
  EXPECT_EQ(mirror.match(WallTime{kStart}, 1).size(), 1U);
}

TEST(Mirror, AnOfferHasItsQueuesTerms) {
  Mirror mirror;
  mirror.reset({"0-0", {agent("ana", {"water"})}, {waiting("1", "water", 1)}, {{"water", "Water", true, 7'000, 1}}});
  const auto offers = mirror.match(WallTime{kStart}, 1);
  ASSERT_EQ(offers.size(), 1U);
  EXPECT_TRUE(offers[0].auto_accept);
  EXPECT_EQ(offers[0].ttl_ms, 7'000);
  EXPECT_EQ(offers[0].reasons, R"({"candidates":1,"load":0,"capacity":30,"idle_ms":-1})");
}

// Refused, lost, or refused after the stream spoke: the agent's load is what the stream told, no more, no less.
TEST(Mirror, AProposalLeavesNothingBehind) {
  const auto fresh = [] {
    Mirror mirror;
    mirror.reset({"0-0", {agent("ana", {"water"}, 10)}, {waiting("1", "water", 1)}, {}});
    return mirror;
  };
  const WallTime now{kStart};
  {
    Mirror mirror = fresh();
    const auto offers = mirror.match(now, 1);
    EXPECT_EQ(mirror.agent("ana")->load, 20);
    EXPECT_EQ(mirror.waiting_in("water"), 0U);
    mirror.failed(offers.at(0));
    EXPECT_EQ(mirror.agent("ana")->load, 10);
    EXPECT_EQ(mirror.agent("ana")->last_assigned, 0);
    EXPECT_EQ(mirror.waiting_in("water"), 1U);
    mirror.failed(offers.at(0));
    EXPECT_EQ(mirror.agent("ana")->load, 10);
  }
  {
    Mirror mirror = fresh();
    mirror.match(now, 1);
    EXPECT_TRUE(mirror.match(now + 5'000, 1).empty());
    EXPECT_EQ(mirror.match(now + 5'001, 1).size(), 1U) << "no news in five seconds: proposed again";
    EXPECT_EQ(mirror.agent("ana")->load, 20);
  }
  {
    Mirror mirror = fresh();
    const auto offers = mirror.match(now, 1);
    mirror.apply(stream_entry(1, {{"k", "wupwup"}}));
    mirror.apply(stream_entry(2, {{"k", "closed"}, {"v", "9"}, {"a", "ana"}, {"l", "0"}}));
    EXPECT_EQ(mirror.agent("ana")->load, 10) << "nothing but what is promised";
    mirror.failed(offers.at(0));
    EXPECT_EQ(mirror.agent("ana")->load, 0);
    mirror.match(now, 1);
    mirror.apply(stream_entry(3, {{"k", "offered"}, {"v", "1"}, {"a", "ana"}, {"l", "10"}, {"t", std::to_string(kStart)}}));
    EXPECT_EQ(mirror.agent("ana")->load, 10);
    mirror.failed(offers.at(0));
    EXPECT_EQ(mirror.agent("ana")->load, 10);
    EXPECT_EQ(mirror.waiting(), 0U);
  }
}

TEST(Mirror, HintsOnlyWhereNobodyIsOvertaken) {
  Mirror mirror;
  Snapshot snapshot{"0-0", {agent("ana", {"roads", "water"})}, {waiting("1", "roads", 1)}, {}};
  mirror.reset(snapshot);
  EXPECT_FALSE(mirror.hint("water", kWeight, WallTime{kStart})) << "someone waits in another of ana's queues";
  snapshot.agents.push_back(agent("bob", {"water"}, 20));
  mirror.reset(snapshot);
  EXPECT_FALSE(mirror.hint("water", kWeight, WallTime{kStart})) << "the best of water is ana";
  snapshot.waiting.clear();
  mirror.reset(snapshot);
  ASSERT_TRUE(mirror.hint("water", kWeight, WallTime{kStart}));
  EXPECT_EQ(mirror.hint("water", kWeight, WallTime{kStart})->agent, "ana");
  EXPECT_FALSE(mirror.hint("nowhere", kWeight, WallTime{kStart}));
}

// Real streams, made by the reference model under random requests. At any point the picture is the snapshot's, and its
// choice is that of the plain scan.
class Stream {
 public:
  explicit Stream(std::uint64_t seed) : chance_(seed), store_(make_memory_store([this] { return WallTime{now_}; })) {
    store_->on_transition = [this](const Fields& fields) { pending_.push_back(stream_entry(++id_, fields)); };
    static const char* const kSkills[] = {"", "pipes:3", "pipes:2,de:4"};
    static const char* const kSteps[] = {"", "3000|1||", "0|0|pipes|;5000|2||parks;9000|0|de|roads"};
    for (const char* queue : {"roads", "water", "parks"}) {
      store_->queue_put(queue,
                        {{"name", queue},
                         {"skills", kSkills[between(0, 2)]},
                         {"steps", kSteps[between(0, 2)]},
                         {"sticky_ms", one_in(2) ? "0" : "6000"},
                         {"priority", one_in(2) ? "0" : "1"},
                         // It begins on a Tuesday, 22:13:20.
                         {"hours", one_in(2) ? "" : "tue 22:00-22:17,22:19-22:24"}},
                        ignore());
    }
    store_->node_start("s", 1'000'000'000, [this](Result<Outcome> r) { epoch_ = r ? r->gen : 0; });
    for (const std::string& id : agents_) {
      configure(id);
      store_->agent_set(id, "ready", "", "", ignore());
      store_->session("s", epoch_, id, "tab", true, ignore());
    }
    pending_.clear();
    snapshot_into(mirror_);
  }

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      step();
      now_ += between(0, 2'000);
      if (one_in(4)) catch_up();
      if (one_in(10)) compare();
    }
    catch_up();
    compare();
  }

 private:
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(chance_);
  }
  bool one_in(int n) { return between(1, n) == 1; }
  static Store::Done<Outcome> ignore() {
    return [](Result<Outcome>) {};
  }
  const std::string& any_agent() { return agents_[static_cast<std::size_t>(between(0, 4))]; }
  void configure(const std::string& id) {
    static const char* const kQueues[] = {"roads", "water", "roads,water", "water,parks", "parks,roads,water", ""};
    static const char* const kLevels[] = {"", "pipes:1", "pipes:3", "pipes:5,de:2", "pipes:2,de:5"};
    store_->agent_put(id,
                      {{"name", id},
                       {"cap", std::to_string(between(0, 5) * 10 + (one_in(5) ? 4 : 0))},
                       {"queues", kQueues[between(0, 5)]},
                       {"skills", kLevels[between(0, 4)]},
                       {"bot", one_in(6) ? "1" : ""}},
                      ignore());
  }
  const model::Conversation* any_conversation() {
    const auto& all = store_->world().conversations;
    if (all.empty()) return nullptr;
    auto it = all.begin();
    std::advance(it, between(0, static_cast<std::int64_t>(all.size()) - 1));
    return &it->second;
  }
  void snapshot_into(Mirror& mirror) {
    store_->snapshot([&](Result<Snapshot> s) { mirror.reset(std::move(*s)); });
  }
  void catch_up() {
    for (const Value& entry : pending_) {
      if (!mirror_.apply(entry)) ADD_FAILURE() << "asks for a snapshot";
    }
    pending_.clear();
  }

  void step() {
    const model::Conversation* c = any_conversation();
    switch (between(0, 10)) {
      case 0:
      case 1:
      case 2: {
        Ingest in;
        in.account = "w";
        in.channel = "wa";
        in.dedupe = std::to_string(++serial_);
        in.at = WallTime{now_};
        in.addresses = {"wa:" + std::to_string(between(1, 40))};
        in.queue = one_in(3) ? "roads" : one_in(2) ? "water" : "parks";
        in.entry = in.dedupe;
        if (one_in(2)) in.bot = any_agent();  // if he is a program now
        in.hint = mirror_.hint(in.queue, kWeight, WallTime{now_});
        in.priority = mirror_.queue(in.queue) != nullptr ? mirror_.queue(in.queue)->priority : 0;
        store_->ingest(in, [](Result<Ingested>) {});
        break;
      }
      case 3:
      case 4:
      case 5:
        for (const Offer& offer : mirror_.match(WallTime{now_}, static_cast<int>(between(1, 3)))) {
          if (one_in(6)) continue;  // never sent, or its answer was lost
          store_->offer(offer, [&](Result<Outcome> r) {
            if (r->what != Outcome::What::kOk && !one_in(6)) mirror_.failed(offer);
          });
        }
        break;
      case 6:
        if (c != nullptr) store_->accept({c->id, c->gen, c->owner}, ignore());
        break;
      case 7:
        if (c != nullptr) {
          one_in(2) ? store_->decline({c->id, c->gen, c->owner}, "", ignore())
                    : store_->park({c->id, c->gen, c->owner}, WallTime{now_ + 9'000}, kParkWeight, ignore());
        }
        break;
      case 8:
        if (c != nullptr) {
          if (one_in(3)) return direct(*c);
          if (!c->invited.empty()) return store_->accept({c->id, c->gen, c->invited}, ignore());
          one_in(3)   ? store_->transfer({{c->id, c->gen, c->owner}, "roads", ""}, ignore())
          : one_in(3) ? store_->transfer({{c->id, c->gen, c->owner}, "", any_agent(), 9'000, true}, ignore())
                      : store_->close({c->id, c->gen, c->owner}, "", {one_in(2) ? 0 : 5'000}, ignore());
        }
        break;
      case 9: store_->sweep(10, 4'000, ignore()); break;
      default:
        if (one_in(3)) configure(any_agent());
        store_->agent_set(any_agent(), one_in(4) ? "paused" : "ready", "", "", ignore());
        store_->session("s", epoch_, any_agent(), "tab", !one_in(4), ignore());
    }
  }

  void direct(const model::Conversation& c) {
    Directive what;
    what.conversation = c.id;
    what.by = "sue";
    switch (between(0, 4)) {
      case 0: what.verb = Directive::Verb::kTake; break;
      case 1: what.verb = Directive::Verb::kAssign; break;
      case 2: what.verb = Directive::Verb::kReopen; break;
      case 3: what.verb = Directive::Verb::kPriority; break;
      default: what.verb = Directive::Verb::kRequeue;
    }
    const bool to_agent = what.verb == Directive::Verb::kTake || what.verb == Directive::Verb::kAssign;
    what.target = to_agent ? any_agent() : what.verb == Directive::Verb::kPriority ? std::to_string(between(0, 90)) : "parks";
    store_->direct(what, ignore());
  }

  void compare() {
    catch_up();
    now_ += 6'000;  // every proposal is old news
    mirror_.match(WallTime{now_}, 0);
    Mirror plain;
    snapshot_into(plain);
    Snapshot truth;
    store_->snapshot([&](Result<Snapshot> s) { truth = std::move(*s); });
    EXPECT_EQ(mirror_.waiting(), truth.waiting.size());
    std::vector<const AgentState*> all;
    for (const AgentState& a : truth.agents) {
      const AgentState* mine = mirror_.agent(a.id);
      ASSERT_NE(mine, nullptr);
      EXPECT_EQ(mine->load, a.load) << a.id;
      EXPECT_EQ(mine->gen, a.gen) << a.id;
      EXPECT_EQ(mine->capacity, a.capacity) << a.id;
      EXPECT_EQ(mine->availability, a.availability) << a.id;
      EXPECT_EQ(mine->sessions > 0, a.sessions > 0) << a.id;
      EXPECT_EQ(mine->last_assigned, a.last_assigned) << a.id;
      EXPECT_EQ(mine->queues, a.queues) << a.id;
      EXPECT_EQ(mine->skills, a.skills) << a.id;
      EXPECT_EQ(mine->bot, a.bot) << a.id;
      if (a.bot && a.sessions > 0) tally_["a program is there"]++;
      all.push_back(&a);
    }
    const auto settings = [&](const std::string& id) {
      for (const QueueState& queue : truth.queues) {
        if (queue.id == id) return queue;
      }
      return QueueState{};
    };
    for (const Waiting& w : truth.waiting) {
      const auto scanned = pick(all, settings(w.queue), w, WallTime{now_});
      const auto indexed = mirror_.choose(w, WallTime{now_});
      ASSERT_EQ(scanned.has_value(), indexed.has_value()) << w.conversation;
      if (scanned) {
        EXPECT_EQ(scanned->agent, indexed->agent);
        EXPECT_EQ(scanned->agent_gen, indexed->agent_gen);
        EXPECT_EQ(scanned->reasons.load, indexed->reasons.load);
        EXPECT_EQ(scanned->reasons.idle_ms, indexed->reasons.idle_ms);
        EXPECT_EQ(scanned->reasons.step, indexed->reasons.step);
        EXPECT_EQ(scanned->reasons.relaxed, indexed->reasons.relaxed);
        EXPECT_EQ(scanned->reasons.levels, indexed->reasons.levels);
        EXPECT_EQ(scanned->reasons.sticky, indexed->reasons.sticky);
        tally_["a choice"]++;
        if (scanned->reasons.step > 0) tally_["at a later step"]++;
        if (scanned->reasons.relaxed > 0) tally_["of one who lacks something"]++;
        if (scanned->reasons.levels > 0) tally_["of one with a skill asked for"]++;
        if (scanned->reasons.sticky) tally_["of the one of last time"]++;
      } else if (!is_open(settings(w.queue), WallTime{now_})) {
        tally_["closed"]++;
      } else {
        tally_["nobody"]++;
      }
    }
    // match is the plain greedy: the longest waiting first, each to the best agent that is left.
    std::sort(truth.waiting.begin(), truth.waiting.end(), [](const Waiting& a, const Waiting& b) {
      return std::pair(a.eff, a.conversation) < std::pair(b.eff, b.conversation);
    });
    std::vector<std::string> expected;
    for (const Waiting& w : truth.waiting) {
      const auto choice = pick(all, settings(w.queue), w, WallTime{now_});
      if (!choice) continue;
      expected.push_back(w.conversation + " to " + choice->agent);
      for (AgentState& a : truth.agents) {
        if (a.id != choice->agent) continue;
        a.load += w.weight;
        a.last_assigned = now_;
      }
    }
    EXPECT_EQ(shown(mirror_.match(WallTime{now_}, 1000)), expected);
    for (const Offer& offer : plain.match(WallTime{now_}, 1000)) mirror_.failed(offer);
  }

  std::mt19937_64 chance_;
  std::int64_t now_ = kStart;
  std::unique_ptr<MemoryStore> store_;
  Mirror mirror_;
  std::vector<Value> pending_;
  std::int64_t id_ = 0, serial_ = 0, epoch_ = 0;
  const std::vector<std::string> agents_{"ana", "bob", "cho", "dee", "eve"};
  static inline std::map<std::string, int> tally_;  // of all seeds: what was compared at all

 public:
  static const std::map<std::string, int>& tally() { return tally_; }
};

TEST(Mirror, FollowsTheStoreAndChoosesLikeThePlainScan) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Stream(seed).run(400);
    if (::testing::Test::HasFailure()) break;
  }
  for (const char* kind : {"a choice", "nobody", "closed", "at a later step", "of one who lacks something",
                           "of one with a skill asked for", "of the one of last time", "a program is there"}) {
    const auto it = Stream::tally().find(kind);
    EXPECT_GT(it == Stream::tally().end() ? 0 : it->second, 20) << kind;
  }
}

QueueState steps_queue(std::string id, std::string_view skills, std::string_view steps) {
  QueueState queue;
  queue.id = std::move(id);
  queue.skills = parse_skills(skills);
  queue.steps = parse_steps(steps);
  return queue;
}
AgentState skilled(AgentState a, std::string_view skills) {
  a.skills = parse_skills(skills);
  return a;
}

TEST(Mirror, AQueueAsksForLessTheLongerSomebodyWaits) {
  Mirror mirror;
  AgentState expert = skilled(agent("expert", {"water"}, 30), "pipes:4");  // present, but full
  mirror.reset({"0-0",
                {expert, skilled(agent("helper", {"water"}), "pipes:2"), agent("guest", {"roads"})},
                {waiting("1", "water", 10), waiting("2", "water", 20), waiting("3", "water", 30)},
                {steps_queue("water", "pipes:3", "30000|1||;60000|0||roads;90000|0|pipes|")}});
  const WallTime now{kStart};
  EXPECT_TRUE(mirror.match(now + 29'999, 10).empty());
  EXPECT_EQ(shown(mirror.match(now + 30'000, 1)), std::vector<std::string>{"1 to helper"}) << "level 3, lowered by one";
  mirror.apply(stream_entry(1, {{"k", "offered"}, {"v", "1"}, {"a", "helper"}, {"l", "20"}, {"t", "1"}}));
  EXPECT_EQ(shown(mirror.match(now + 60'000, 10)), std::vector<std::string>{"2 to helper"}) << "the guest has no skill";
  mirror.apply(stream_entry(2, {{"k", "offered"}, {"v", "2"}, {"a", "helper"}, {"l", "30"}, {"t", "2"}}));
  EXPECT_TRUE(mirror.match(now + 89'999, 10).empty());
  EXPECT_EQ(shown(mirror.match(now + 90'000, 10)), std::vector<std::string>{"3 to guest"});
}

TEST(Mirror, AStepThatNobodyPresentMeetsIsSkippedAtOnce) {
  Mirror mirror;
  AgentState expert = skilled(agent("expert", {"water"}), "pipes:4");
  expert.sessions = 0;
  mirror.reset({"0-0",
                {expert, agent("helper", {"water"})},
                {waiting("1", "water", 10)},
                {steps_queue("water", "pipes:3", "60000|0|pipes|")}});
  const auto offers = mirror.match(WallTime{kStart}, 10);
  EXPECT_EQ(shown(offers), std::vector<std::string>{"1 to helper"});
  EXPECT_EQ(offers.at(0).reasons, R"({"candidates":1,"load":0,"capacity":30,"idle_ms":-1,"step":1,"relaxed":1})");
}

// I13: nothing is offered outside opening hours, and what waited keeps its place; time in which it is closed widens nothing.
TEST(Mirror, AClosedQueueOffersNothing) {
  const WallTime late{1'699'981'200'000};  // Tuesday 2023-11-14, 17:00 UTC
  QueueState queue = steps_queue("water", "pipes:1", "60000|0|pipes|");
  queue.hours = hours_of("mon-fri 08:00-17:00", "UTC", "");
  AgentState expert = skilled(agent("expert", {"water"}, 30), "pipes:1");
  const auto town = [&](WallTime since) {
    Mirror mirror;
    Waiting one = waiting("1", "water", 10);
    one.since = since.ms;
    mirror.reset({"0-0", {expert, agent("helper", {"water"})}, {one}, {queue}});
    return mirror;
  };
  Mirror mirror = town(late + -30'000);
  EXPECT_TRUE(mirror.match(late, 10).empty());
  EXPECT_FALSE(mirror.hint("water", kWeight, late));
  const WallTime morning = late + 15 * 3'600'000LL;
  EXPECT_TRUE(mirror.match(morning, 10).empty()) << "it has waited half a minute";
  EXPECT_TRUE(mirror.match(morning + 29'999, 10).empty());
  EXPECT_EQ(shown(mirror.match(morning + 30'000, 10)), std::vector<std::string>{"1 to helper"});
  queue.hours = hours_of("mon-fri 08:00-17:00", "UTC", write_emergency({true, "flood", late, {}}));
  EXPECT_EQ(shown(town(late + -60'000).match(late, 10)), std::vector<std::string>{"1 to helper"}) << "open, as somebody decided";
}

// Rocket.Chat #20965, Chatwoot #9587: whoever had the last conversation is asked first, and is no trap.
TEST(Mirror, TheAgentOfLastTimeIsAskedFirstAndIsNoTrap) {
  const auto town = [](std::int64_t load, std::int64_t sessions, std::int64_t sticky_ms) {
    Mirror mirror;
    QueueState queue = steps_queue("water", "", "");
    queue.sticky_ms = sticky_ms;
    AgentState known = agent("known", {"water"}, load);
    known.sessions = sessions;
    Waiting again = waiting("1", "water", 10);
    again.sticky = "known";
    mirror.reset({"0-0", {agent("ana", {"water"}), known}, {again}, {queue}});
    return mirror;
  };
  const WallTime now{kStart};
  EXPECT_EQ(shown(town(20, 1, 0).match(now, 1)), std::vector<std::string>{"1 to known"}) << "busier than ana, but he knows him";
  EXPECT_EQ(shown(town(30, 1, 0).match(now, 1)), std::vector<std::string>{"1 to ana"}) << "full: not waited for";
  EXPECT_TRUE(town(30, 1, 20'000).match(now + 19'999, 1).empty()) << "full: waited for, as the queue says";
  EXPECT_EQ(shown(town(30, 1, 20'000).match(now + 20'000, 1)), std::vector<std::string>{"1 to ana"});
  EXPECT_EQ(shown(town(0, 0, 20'000).match(now, 1)), std::vector<std::string>{"1 to ana"}) << "gone home: no wait at all";
}

}  // namespace
}  // namespace belfry::routing
