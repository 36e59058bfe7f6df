// Result<T>: a value, or an Error that comes from the world. Bugs of ours assert instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace belfry {

// What went wrong, in the words of what the caller should do next.
enum class Errc : std::uint8_t {
  kBadInput,      // the peer sent something malformed: refuse it, count it
  kUnauthorized,  // who are you: answer one constant, tell nothing
  kForbidden,     // we know who you are, and no
  kNotFound,      // the named thing does not exist
  kConflict,      // the state moved on (stale generation, key in use): re-read, then decide
  kTooLarge,      // over a stated limit
  kBusy,          // a bounded queue is full: try again later
  kUnavailable,   // the store or the provider is away: nothing was kept, repeat it
  kTimeout,       // no answer in time: the outcome is unknown
  kClosed,        // the link went away
  kUnsupported,   // understood, and not offered here
  kInternal,      // a peer of ours (Redis, the kernel) said something impossible
};

// `detail` is for our log alone: it is never sent to a peer and never holds a secret or personal data.
struct Error {
  Errc code = Errc::kInternal;
  std::string detail;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Errc code, std::string detail) { return tl::unexpected<Error>(Error{code, std::move(detail)}); }

// The short, stable name of a code: used in logs, in metrics and as the `code` of a problem document.
std::string_view name_of(Errc code);

}  // namespace belfry
