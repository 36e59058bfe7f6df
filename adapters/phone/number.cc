#include "adapters/phone/number.h"

#include <phonenumbers/phonenumberutil.h>

namespace belfry::phone {

Result<std::string> e164(std::string_view text) {
  using i18n::phonenumbers::PhoneNumber;
  using i18n::phonenumbers::PhoneNumberUtil;
  const PhoneNumberUtil& util = *PhoneNumberUtil::GetInstance();
  PhoneNumber number;
  // "ZZ": no country is assumed, so the code must be there.
  if (text.size() > 60 || util.Parse(std::string(text), "ZZ", &number) != PhoneNumberUtil::NO_PARSING_ERROR)
    return fail(Errc::kBadInput, "is not a phone number: write it with its country code, as in +49 151 12345678");
  if (!util.IsPossibleNumber(number))
    return fail(Errc::kBadInput, "has too few or too many digits for a phone number of its country");
  std::string out;
  util.Format(number, PhoneNumberUtil::E164, &out);
  return out;
}

}  // namespace belfry::phone
