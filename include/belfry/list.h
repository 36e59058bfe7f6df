// Lists of ids as they stand in one text: "a,b,c", in Redis' hashes and on the wire between our own rooms.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belfry {

// What stands between the commas; nothing stands for nothing: "a,,b," is a and b.
std::vector<std::string> split_list(std::string_view list);
std::string join_list(const std::vector<std::string>& items);

}  // namespace belfry
