// sim [--seeds N | --seconds S] [--from M] [--shards K]: runs N towns from seed M, half of them on one shard and half on three
// unless K is given; without N as many as S seconds hold, a minute if not said. Prints what was violated, with the command that
// repeats it, and how often each fault was injected. Exit 0: nothing was violated.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/sim/town.h"

int main(int argc, char** argv) {
  std::uint64_t seeds = 0;
  std::uint64_t seconds = 60;
  std::uint64_t from = 1;
  int shards = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const char* value = i + 1 < argc ? argv[++i] : nullptr;
    if (value == nullptr || (name != "--seeds" && name != "--seconds" && name != "--from" && name != "--shards") ||
        std::string(value).find_first_not_of("0123456789") != std::string::npos) {
      std::cerr << "use: sim [--seeds N | --seconds S] [--from M] [--shards K], each a whole number\n";
      return 64;
    }
    const std::uint64_t number = std::strtoull(value, nullptr, 10);
    if (name == "--seeds") seeds = number;
    if (name == "--seconds") seconds = number;
    if (name == "--from") from = number;
    if (name == "--shards") shards = static_cast<int>(number);
  }
  const auto start = std::chrono::steady_clock::now();
  const auto more = [&](std::uint64_t done) {
    return seeds > 0 ? done < seeds : done < 4 || std::chrono::steady_clock::now() - start < std::chrono::seconds(seconds);
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
    std::cout << "seed " << options.seed << " is violated; again: ./dev sim --seeds 1 --from " << options.seed << " --shards "
              << options.shards << "\n";
    for (const auto& violation : report.violations) std::cout << "  " << violation << "\n";
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const auto print = [](const char* title, const std::map<std::string, std::int64_t>& counts) {
    std::cout << title;
    for (const auto& [name, count] : counts) std::cout << " " << name << "=" << count;
    std::cout << "\n";
  };
  print("what happened:", happened);
  print("faults injected:", faults);
  std::cout << towns << " towns, seeds " << from << " to " << from + towns - 1 << ", " << bad << " violated, "
            << static_cast<int>(took.count()) << " s\n";
  return bad == 0 ? 0 : 1;
}
