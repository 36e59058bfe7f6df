// The Redis library: every file of routing/functions, joined at build and named by its own SHA-256.
#pragma once

namespace belfry::routing {

extern const char kLibraryVersion[];  // 8 hex digits
extern const char kLibraryCode[];     // for FUNCTION LOAD

}  // namespace belfry::routing
