// A small town on one thread: citizens, a provider that loses and repeats, shards that die and stall, agents at their desks; the
// reference store between them and a virtual clock over all. The same seed is the same town.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace belfry::sim {

struct Options {
  std::uint64_t seed = 1;
  int shards = 1;
};

struct Report {
  std::vector<std::string> violations;
  std::map<std::string, std::int64_t> faults;    // injected
  std::map<std::string, std::int64_t> happened;  // what the town did, so that nobody takes silence for success
};

Report run_town(const Options& options);

}  // namespace belfry::sim
