// What a choice costs: the mirror's index against the plain scan that it must agree with, with few and many agents and waiting
// conversations. 50 queues of 50 skill sets, each with a step, three queues an agent, as in routing.py.
//   scan    one choice by pick(), which looks at every agent
//   match   one turn of the matcher: an agent is freed, the oldest that he can take is found, the stream says that it was offered
//   reset   a mirror from a snapshot, and its first look at all that waits
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "routing/mirror.h"
#include "routing/pick.h"

namespace {

using namespace belfry;
using namespace belfry::routing;

constexpr std::int64_t kQueues = 50;
constexpr std::int64_t kStart = 1'700'000'000'000;

std::string queue_of(std::int64_t i) { return "q" + std::to_string(i % kQueues); }
std::string topic(std::int64_t queue) { return "topic" + std::to_string(queue % 10); }
std::string language(std::int64_t queue) { return "lang" + std::to_string(queue / 10); }

Snapshot town(std::int64_t agents, std::int64_t waiting) {
  Snapshot s;
  s.stream_id = "0-0";
  for (std::int64_t q = 0; q < kQueues; ++q) {
    QueueState queue;
    queue.id = queue_of(q);
    queue.skills = {{topic(q), 3}, {language(q), 1}};
    queue.steps = {{60'000, 1, {}, ""}};
    s.queues.push_back(std::move(queue));
  }
  for (std::int64_t i = 0; i < agents; ++i) {
    AgentState a;
    a.id = "a" + std::to_string(i);
    a.availability = "ready";
    a.sessions = 1;
    a.capacity = kWeight;
    a.load = kWeight;
    a.last_assigned = kStart - i;
    for (const std::int64_t d : {0, 10, 21}) {
      const std::int64_t q = (i + d) % kQueues;
      a.queues.push_back(queue_of(q));
      for (const std::string& skill : {topic(q), language(q)})
        a.skills.push_back({skill, 3 + static_cast<int>((i / 50 + q) % 3)});
    }
    s.agents.push_back(std::move(a));
  }
  for (std::int64_t i = 0; i < waiting; ++i) {
    s.waiting.push_back({std::to_string(i), queue_of(i * 7), "", 1, kStart + i, kWeight, kStart + i, ""});
  }
  return s;
}

Value text(std::string_view words) { return {.kind = Value::Kind::kString, .text = std::string(words)}; }
Value entry(const Fields& fields) {
  Value list{.kind = Value::Kind::kArray};
  for (const auto& [name, value] : fields) {
    list.array.push_back(text(name));
    list.array.push_back(text(value));
  }
  return {.kind = Value::Kind::kArray, .array = {text("1-0"), std::move(list)}};
}

// Half of the agents are free, as in an hour without a crowd: the scan compares those, and looks at all.
void scan(benchmark::State& state) {
  const Snapshot s = town(state.range(0), 0);
  std::vector<AgentState> people = s.agents;
  std::vector<const AgentState*> agents;
  for (std::size_t i = 0; i < people.size(); ++i) {
    if (i % 2 == 0) people[i].load = 0;
    agents.push_back(&people[i]);
  }
  std::int64_t at = 0;
  for ([[maybe_unused]] auto turn : state) {
    const QueueState& queue = s.queues[static_cast<std::size_t>(at++ % kQueues)];
    const auto choice = pick(agents, queue, {"1", queue.id, "", 1, kStart, kWeight, kStart, ""}, WallTime{kStart + 1'000});
    benchmark::DoNotOptimize(choice);
  }
}

void choose(benchmark::State& state) {
  Snapshot s = town(state.range(0), 0);
  for (std::size_t i = 0; i < s.agents.size(); i += 2) s.agents[i].load = 0;
  const std::vector<QueueState> queues = s.queues;
  Mirror mirror;
  mirror.reset(std::move(s));
  std::int64_t at = 0;
  for ([[maybe_unused]] auto turn : state) {
    const QueueState& queue = queues[static_cast<std::size_t>(at++ % kQueues)];
    const auto choice = mirror.choose({"1", queue.id, "", 1, kStart, kWeight, kStart, ""}, WallTime{kStart + 1'000});
    benchmark::DoNotOptimize(choice);
  }
}

void match(benchmark::State& state) {
  Mirror mirror;
  mirror.reset(town(state.range(0), state.range(1)));
  WallTime now{kStart + state.range(1)};
  mirror.match(now, 1);
  std::int64_t next = state.range(1);
  std::int64_t freed = 0;
  for ([[maybe_unused]] auto turn : state) {
    const std::string agent = "a" + std::to_string(freed++ % state.range(0));
    const std::string time = std::to_string(now.ms);
    mirror.apply(entry({{"k", "closed"}, {"v", "gone"}, {"g", "4"}, {"a", agent}, {"q", "q0"}, {"t", time}, {"l", "0"}}));
    for (const Offer& offer : mirror.match(now, 256)) {
      mirror.apply(entry(
          {{"k", "offered"}, {"v", offer.conversation}, {"g", "2"}, {"a", offer.agent}, {"q", "q0"}, {"t", time}, {"l", "10"}}));
      // As many come as go.
      mirror.apply(entry({{"k", "queued"},
                          {"v", std::to_string(next)},
                          {"g", "1"},
                          {"a", ""},
                          {"q", queue_of(next * 7)},
                          {"t", time},
                          {"e", std::to_string(kStart + next)},
                          {"w", "10"}}));
      ++next;
    }
    now.ms += 1;
  }
}

void reset(benchmark::State& state) {
  for ([[maybe_unused]] auto turn : state) {
    state.PauseTiming();
    Snapshot s = town(state.range(0), state.range(1));
    Mirror mirror;
    state.ResumeTiming();
    mirror.reset(std::move(s));
    mirror.match(WallTime{kStart + state.range(1)}, 1);
  }
}

BENCHMARK(scan)->Arg(100)->Arg(1'000)->Arg(10'000);
BENCHMARK(choose)->Arg(100)->Arg(1'000)->Arg(10'000);
BENCHMARK(match)->ArgsProduct({{100, 1'000, 10'000}, {100, 10'000, 100'000}});
BENCHMARK(reset)->Args({100, 100})->Args({10'000, 100'000})->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
