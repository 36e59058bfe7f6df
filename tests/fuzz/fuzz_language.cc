// Any octets as a message: a code of two or three letters, or nothing, and the same with what is wanted beside it.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "adapters/language/language.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const std::string code = belfry::language::of(text);
  if (code.size() > 8) std::abort();
  if (!code.empty() && code != "fa" && code != "ar" && code != "ru" && code != "uk") {
    if (belfry::language::of(text, {code}).empty()) std::abort();
  }
  return 0;
}
