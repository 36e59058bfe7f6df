// Phone numbers as people write them. The only room that sees libphonenumber.
#pragma once

#include <string>
#include <string_view>

#include "belfry/result.h"

namespace belfry::phone {

// E.164, "+4915112345678", of a number written with its country code: +49 151 1234-5678. kBadInput says what is wrong with it.
Result<std::string> e164(std::string_view text);

}  // namespace belfry::phone
