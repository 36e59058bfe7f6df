#include "adapters/smpp/account.h"

#include <algorithm>
#include <array>

#include "adapters/wire/json.h"

namespace belfry::smpp {
namespace {

constexpr std::size_t kMaxName = 11;  // of a sender, TS 23.040 9.1.2.5
constexpr std::size_t kMaxAddress = 20;
constexpr std::int64_t kMaxValidity = 7LL * 24 * 3'600'000;

constexpr std::uint8_t kInternational = 1, kNational = 2, kAlphanumeric = 5;
constexpr std::uint8_t kE164 = 1;

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A name becomes part of a key and of a URL: what is neither letter, digit nor one of -._ is written as %XX.
std::string escaped(std::string_view raw) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : raw) {
    const auto byte = static_cast<unsigned char>(c);
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '_') {
      out.push_back(c);
    } else {
      out.append("%").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
    }
  }
  return out;
}

std::string without_ornaments(std::string_view number) {
  std::string out(number);
  std::erase_if(out, [](char c) { return c == ' ' || c == '-' || c == '(' || c == ')' || c == '.' || c == '/'; });
  return out;
}

wire::JsonReader& reader() {
  thread_local wire::JsonReader one;
  return one;
}

}  // namespace

std::optional<Price> read_price(std::string_view text) {
  const auto blank = text.find(' ');
  std::string_view number = text.substr(0, blank);
  Price out;
  if (blank != std::string_view::npos) out.currency = text.substr(blank + 1);
  const auto dot = std::min(number.find('.'), number.size());
  const std::string_view fraction = number.substr(std::min(dot + 1, number.size()));
  if (!all_digits(number.substr(0, dot)) || dot > 6 || fraction.size() > 6 || (!fraction.empty() && !all_digits(fraction)) ||
      out.currency.size() > 8)
    return std::nullopt;
  for (const char c : number.substr(0, dot)) out.micros = out.micros * 10 + (c - '0');
  for (std::size_t i = 0; i < 6; ++i) out.micros = out.micros * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
  return out;
}

Result<Wishes> read_wishes(std::string_view detail) {
  Wishes out;
  if (detail.find("\"sms\"") == std::string_view::npos) return out;
  const auto document = reader().read(std::string(detail));
  simdjson::dom::object root;
  if (!document || document->get(root) != simdjson::SUCCESS) return out;
  simdjson::dom::element member;
  if (root.at_key("sms").get(member) != simdjson::SUCCESS) return out;
  simdjson::dom::object sms;
  if (member.get(sms) != simdjson::SUCCESS)
    return fail(Errc::kBadInput, "`sms` is an object: {flash, priority, validity, sender}");
  for (const auto& [key, value] : sms) {
    std::int64_t number = 0;
    std::string_view text;
    if (key == "flash") {
      if (value.get(out.flash) != simdjson::SUCCESS) return fail(Errc::kBadInput, "`sms.flash` is true or false");
    } else if (key == "priority") {
      if (value.get(number) != simdjson::SUCCESS || number < 0 || number > 3)
        return fail(Errc::kBadInput, "`sms.priority` is a number from 0 to 3");
      out.priority = static_cast<int>(number);
    } else if (key == "validity") {
      if (value.get(number) != simdjson::SUCCESS || number < 60 || number * 1'000 > kMaxValidity)
        return fail(Errc::kBadInput, "`sms.validity` is in seconds, from 60 to 604800");
      out.validity_ms = number * 1'000;
    } else if (key == "sender") {
      if (value.get(text) != simdjson::SUCCESS) return fail(Errc::kBadInput, "`sms.sender` is a text");
      if (auto sender = sender_from(text); !sender) return tl::unexpected(std::move(sender.error()));
      out.sender = text;
    } else {
      return fail(Errc::kBadInput,
                  "`sms` has no `" + std::string(key.substr(0, 40)) + "`: it has flash, priority, validity, sender");
    }
  }
  return out;
}

Result<Address> sender_from(std::string_view text) {
  const std::string number = without_ornaments(text);
  const std::string_view digits = std::string_view(number).substr(number.starts_with('+') ? 1 : 0);
  if (all_digits(digits)) {
    if (digits.size() > 15) return fail(Errc::kBadInput, "a sender that is a number has at most 15 digits");
    if (number.starts_with('+') || digits.size() > 8) return Address{kInternational, kE164, std::string(digits)};
    return Address{0, kE164, std::string(digits)};
  }
  // The alphabet of a name is GSM 7-bit (TS 23.040 9.1.2.5); letters, digits and these are the same in ASCII.
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(" -.&+_'!").find(c) != std::string_view::npos;
  });
  if (text.empty() || !plain)
    return fail(Errc::kBadInput, "a sender is a number (+49...), a short code, or a name of letters, digits and blanks");
  if (text.size() > kMaxName) return fail(Errc::kBadInput, "a sender that is a name has at most 11 characters");
  return Address{kAlphanumeric, 0, std::string(text)};
}

std::string address_of(const Account& account, const Address& from) {
  std::string_view digits = from.digits;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const bool national = from.ton == kNational && !account.country.empty();
  if (!national && digits.starts_with("00") && digits.size() > 8) digits.remove_prefix(2);
  if (from.ton != kAlphanumeric && all_digits(digits)) {
    if (national) {
      while (digits.starts_with('0')) digits.remove_prefix(1);
      return "tel:+" + account.country + std::string(digits);
    }
    if (digits.size() > 8 && digits.size() <= 15 && digits.front() != '0') return "tel:+" + std::string(digits);
  }
  return "sms:" + account.id + ":" + escaped(std::string_view(from.digits).substr(0, 64));
}

Result<std::string> address_from(const Account& account, std::string_view to) {
  const std::string number = without_ornaments(to);
  if (number.starts_with('+')) {
    const std::string_view digits = std::string_view(number).substr(1);
    if (!all_digits(digits) || digits.size() < 7 || digits.size() > 15 || digits.front() == '0')
      return fail(Errc::kBadInput, "it is not a phone number: write it as +<country code><number>, 7 to 15 digits");
    return "tel:" + number;
  }
  if (!all_digits(number))
    return fail(Errc::kBadInput, "it is not a number: write it as +<country code><number>, or the digits of a short code");
  if (number.size() > 8) return fail(Errc::kBadInput, "a number needs its country code: write it as +<country code><number>");
  return "sms:" + account.id + ":" + number;
}

std::optional<Address> recipient_of(const Account& account, std::string_view address) {
  if (address.starts_with("tel:+")) return Address{kInternational, kE164, std::string(address.substr(5, kMaxAddress))};
  const std::string own = "sms:" + account.id + ":";
  if (!address.starts_with(own)) return std::nullopt;
  const std::string_view raw = address.substr(own.size());
  if (!all_digits(raw)) return std::nullopt;  // a name cannot be answered
  return Address{0, kE164, std::string(raw.substr(0, kMaxAddress))};
}

std::string tail_of(std::string_view digits) {
  if (!all_digits(digits)) return "";
  return std::string(digits.substr(digits.size() - std::min<std::size_t>(digits.size(), 4)));
}

}  // namespace belfry::smpp
