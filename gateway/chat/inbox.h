// One [[web]] of the configuration, and the key that signs for it: visitors' tokens, challenges, paths to files.
#pragma once

#include "belfry/private.h"
#include "gateway/config.h"

namespace belfry::gateway {

struct Inbox {
  WebConfig config;
  Secret key;
};

}  // namespace belfry::gateway
