// sim [--seeds N] [--from M] [--shards K]: runs N towns from seed M, half of them on one shard and half on three unless K is
// given. Prints what was violated and how often each fault was injected. Exit 0: nothing was violated. Without arguments: 5
// seconds' worth.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/sim/town.h"

int main(int argc, char** argv) {
  std::uint64_t seeds = 0;
  std::uint64_t from = 1;
  int shards = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[++i] : nullptr;
    if (value == nullptr || (name != "--seeds" && name != "--from" && name != "--shards")) {
      std::cerr << "use: sim [--seeds N] [--from M] [--shards K]\n";
      return 64;
    }
    const std::uint64_t number = std::strtoull(value, nullptr, 10);
    if (name == "--seeds") seeds = number;
    if (name == "--from") from = number;
    if (name == "--shards") shards = static_cast<int>(number);
  }
  const auto start = std::chrono::steady_clock::now();
  const auto more = [&](std::uint64_t done) {
    return seeds > 0 ? done < seeds : done < 4 || std::chrono::steady_clock::now() - start < std::chrono::seconds(5);
  };
  std::map<std::string, std::int64_t> faults;
  std::map<std::string, std::int64_t> happened;
  std::uint64_t towns = 0;
  std::uint64_t bad = 0;
  for (; more(towns) && bad < 5; ++towns) {
    const belfry::sim::Options options{from + towns, shards > 0 ? shards : (from + towns) % 2 == 0 ? 1 : 3};
    const auto report = belfry::sim::run_town(options);
    for (const auto& [name, count] : report.faults) faults[name] += count;
    for (const auto& [name, count] : report.happened) happened[name] += count;
    if (report.violations.empty()) continue;
    ++bad;
    std::cout << "seed " << options.seed << " shards " << options.shards << "\n";
    for (const auto& violation : report.violations) std::cout << "  " << violation << "\n";
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::cout << towns << " towns, " << bad << " with violations, " << took.count() << " s\nfaults injected:";
  for (const auto& [name, count] : faults) std::cout << " " << name << "=" << count;
  std::cout << "\nwhat happened:";
  for (const auto& [name, count] : happened) std::cout << " " << name << "=" << count;
  std::cout << "\n";
  return bad == 0 ? 0 : 1;
}
