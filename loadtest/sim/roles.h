// The roles of belfry-sim: each reads its options, runs, and answers the exit code.
#pragma once

#include <string>
#include <vector>

namespace sim {

using Arguments = std::vector<std::string>;

int meta_role(const Arguments& arguments);
int smsc_role(const Arguments& arguments);
int citizens_role(const Arguments& arguments);
int town_role(const Arguments& arguments);
int agents_role(const Arguments& arguments);
int load_role(const Arguments& arguments);
int staff_role(const Arguments& arguments);
int visitors_role(const Arguments& arguments);
int check_role(const Arguments& arguments);
int ports_role(const Arguments& arguments);
int selftest_role(const Arguments& arguments);

}  // namespace sim
