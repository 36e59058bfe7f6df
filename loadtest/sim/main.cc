// belfry-sim: the other side of Belfry. One program, one role a run; loopback only, bounded in count and time.
//
// Exit codes: 0 good; 1 the run found something wrong (missing, doubled, a broken promise); 2 a wrong option; 3 the world
// refused.
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string_view>

#include "base.h"
#include "roles.h"

namespace {

struct Role {
  std::string_view name;
  int (*run)(const sim::Arguments&);
  std::string_view help;
};

constexpr Role kRoles[] = {
    {"meta", sim::meta_role, "plays Meta: Graph API, signed webhooks, statuses, faults; replays recorded bytes"},
    {"smsc", sim::smsc_role, "plays an SMSC: binds, submits, receipts, messages of citizens, faults; or a fast sink"},
    {"citizens", sim::citizens_role, "citizens who write in five languages, through a meta that runs elsewhere"},
    {"town", sim::town_role, "meta and citizens in one process: what ./dev run starts"},
    {"agents", sim::agents_role, "robot agents on desk sockets, who check the desk's promises"},
    {"load", sim::load_role, "load generator: signed webhooks over keep-alive connections, with or without desks"},
    {"staff", sim::staff_role, "thousands of desks that accept and resolve as told on stdin: for ./dev bench routing"},
    {"visitors", sim::visitors_role, "citizens of the web chat, silent or writing: for ./dev bench web"},
    {"check", sim::check_role, "compares a truth journal with what belfryd holds"},
    {"ports", sim::ports_role, "prints free ports, for scripts that must name them in a file"},
    {"selftest", sim::selftest_role, "the roles against each other, no belfryd needed"},
};

void help() {
  std::cout << "belfry-sim: the other side of Belfry (Meta, an SMSC, citizens, agents, load). Loopback only.\n\n";
  for (const auto& role : kRoles)
    std::printf("  belfry-sim %-10s %s\n", std::string(role.name).c_str(), std::string(role.help).c_str());
  std::cout << "\nbelfry-sim ROLE --help tells a role's options. Each role takes --seed N and --json.\n"
               "Exit: 0 good; 1 something was found wrong; 2 a wrong option; 3 the world refused (port, file, server).\n";
}

}  // namespace

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  const sim::Arguments all(words + 1, words + count);
  if (all.empty() || all[0] == "--help" || all[0] == "-h" || all[0] == "help") {
    help();
    return all.empty() ? 2 : 0;
  }
  try {
    for (const auto& role : kRoles) {
      if (role.name == all[0]) return role.run({all.begin() + 1, all.end()});
    }
    throw sim::Refusal("there is no role '" + all[0] + "'; see belfry-sim --help");
  } catch (const sim::Refusal& error) {
    std::cerr << "belfry-sim: " << error.what() << "\n";
    return 2;
  } catch (const sim::Failure& error) {
    std::cerr << "belfry-sim: " << error.what() << "\n";
    return 3;
  } catch (const std::exception& error) {
    std::cerr << "belfry-sim: " << error.what() << "\n";
    return 3;
  }
}
