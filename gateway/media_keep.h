// How long files of media are kept: their time begins anew whenever a conversation that shows them is looked at, so that they go
// so many days after the last of those has left Redis, and an upload that nobody sends so many days after it came. Called on the
// work pool: both wait for the disk.
#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "belfry/clock.h"
#include "belfry/result.h"

namespace belfry::gateway {

// `dir` is the media store's; a name that is no sha256 in hex, or of which there is no file, is passed over.
void keep_media(const std::string& dir, const std::set<std::string>& names, WallTime now);
// Removes what was last kept or written before that. How many files.
Result<std::size_t> prune_media(const std::string& dir, WallTime before);

}  // namespace belfry::gateway
