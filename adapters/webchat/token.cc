#include "adapters/webchat/token.h"

#include <algorithm>
#include <charconv>

#include "adapters/wire/crypto.h"
#include "adapters/wire/json.h"
#include "adapters/wire/members.h"

namespace belfry::webchat {
namespace {

namespace dom = simdjson::dom;

constexpr std::int64_t kDay = 86'400'000;
constexpr std::int64_t kToken = kDay;
constexpr std::int64_t kLongest = 30 * kDay;
constexpr std::int64_t kIdentity = 600'000;
constexpr std::int64_t kSkew = 60'000;
constexpr std::int64_t kChallenge = 600'000;

tl::unexpected<Error> no(std::string detail) { return fail(Errc::kUnauthorized, std::move(detail)); }

wire::JsonReader& reader() {
  thread_local wire::JsonReader mine;
  return mine;
}

// One key, several uses: what was signed for one is worth nothing for another.
std::string mac(std::string_view key, std::string_view use, std::string_view text) {
  return wire::base64url_encode(wire::hmac_sha256(key, std::string(use) + "\n" + std::string(text)));
}

using wire::member_if;

std::string text_at(dom::object object, std::string_view name) { return std::string(wire::text_at(object, name)); }

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::int64_t to_int(std::string_view text) {
  std::int64_t value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? value : -1;
}

}  // namespace

const Form& Visitor::said() const {
  static const Form kNothing;
  return form ? *form : kNothing;
}

std::string sign(std::string_view key, const Visitor& v, WallTime now) {
  const std::int64_t until = std::min(now.ms + kToken, v.since.ms + kLongest);
  std::string out = "{\"v\":1,\"iat\":" + std::to_string(v.since.ms) + ",\"exp\":" + std::to_string(until);
  member_if(out, "i", v.inbox);
  member_if(out, "s", v.id);
  member_if(out, "p", v.person);
  if (v.form) {
    member_if(out, "n", v.form->name);
    member_if(out, "t", v.form->phone);
    member_if(out, "m", v.form->email);
    member_if(out, "l", v.form->language);
  }
  const std::string body = wire::base64url_encode(out + "}");
  return body + "." + mac(key, "visitor", body);
}

Result<Visitor> verify(std::string_view key, std::string_view inbox, std::string_view token, WallTime now) {
  const auto dot = token.find('.');
  if (dot == std::string_view::npos) return no("not a token");
  if (!wire::equal_constant_time(mac(key, "visitor", token.substr(0, dot)), token.substr(dot + 1))) return no("not our token");
  const auto body = wire::base64url_decode(token.substr(0, dot));
  if (!body) return no("not our token");
  auto document = reader().read(*body);
  dom::object object;
  if (!document || document->get(object) != simdjson::SUCCESS) return no("not our token");
  Visitor v;
  v.inbox = text_at(object, "i");
  v.id = text_at(object, "s");
  v.person = text_at(object, "p");
  Form form{text_at(object, "n"), text_at(object, "t"), text_at(object, "m"), text_at(object, "l")};
  if (!form.empty()) v.form = std::make_shared<const Form>(std::move(form));
  v.since = WallTime{wire::int_at(object, "iat").value_or(0)};
  if (v.inbox != inbox || !is_hex(v.id, 32)) return no("a token of another inbox");
  if (wire::int_at(object, "exp").value_or(0) <= now.ms) return no("a token whose time is over");
  return v;
}

Result<Identity> read_identity(std::string_view key, std::string_view inbox, std::string_view jwt, WallTime now) {
  const auto first = jwt.find('.'), second = jwt.find('.', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos)
    return no("the identity is not a JWT: header.payload.signature");
  if (key.empty()) return no("this inbox takes no identities: set identity_key_file");
  const std::string ours = wire::base64url_encode(wire::hmac_sha256(key, jwt.substr(0, second)));
  if (!wire::equal_constant_time(ours, jwt.substr(second + 1)))
    return no("the identity is not signed with this inbox's key: sign with HS256 and the key of identity_key_file");
  const auto header = wire::base64url_decode(jwt.substr(0, first));
  const auto body = wire::base64url_decode(jwt.substr(first + 1, second - first - 1));
  if (!header || !body) return no("the identity is not a JWT");
  {
    auto document = reader().read(*header);
    dom::object object;
    if (!document || document->get(object) != simdjson::SUCCESS || text_at(object, "alg") != "HS256")
      return no("the identity's alg is not HS256");
  }
  auto document = reader().read(*body);
  dom::object object;
  if (!document || document->get(object) != simdjson::SUCCESS) return no("the identity's claims are not JSON");
  const std::int64_t until = wire::int_at(object, "exp").value_or(0) * 1000;
  if (text_at(object, "aud") != inbox) return no("the identity's `aud` is not this inbox's id");
  if (until + kSkew <= now.ms) return no("the identity's `exp` is over: sign a new one for each page");
  if (until > now.ms + kIdentity + kSkew) return no("the identity's `exp` is more than ten minutes away: it could be used again");
  Identity out{text_at(object, "sub"), clean(wire::text_at(object, "name"), 80)};
  if (out.person.empty() || out.person.size() > 120) return no("the identity's `sub` is missing, or longer than 120 octets");
  return out;
}

std::string visitor_of(std::string_view key, std::string_view person) {
  return wire::to_hex(wire::hmac_sha256(key, "person\n" + std::string(person))).substr(0, 32);
}

Challenge challenge(std::string_view key, std::string_view visitor, int bits, WallTime now) {
  const std::string at = std::to_string(now.ms);
  return {at + "." + mac(key, "challenge", at + "." + std::string(visitor)).substr(0, 22), bits};
}

bool solves(std::string_view key, std::string_view visitor, std::string_view salt, int bits, std::string_view nonce,
            WallTime now) {
  const auto dot = salt.find('.');
  if (dot == std::string_view::npos) return false;
  const std::int64_t at = to_int(salt.substr(0, dot));
  if (at < 0 || at > now.ms + kSkew || now.ms - at > kChallenge) return false;
  if (!wire::equal_constant_time(challenge(key, visitor, bits, WallTime{at}).salt, salt)) return false;
  if (nonce.find_first_not_of("0123456789") != std::string_view::npos) return false;
  const std::string digest = wire::sha256(std::string(salt) + ":" + std::string(nonce));
  for (int i = 0; i < bits; ++i) {
    if ((static_cast<unsigned char>(digest[static_cast<std::size_t>(i / 8)]) >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

std::string media_path(std::string_view key, std::string_view sha256, WallTime until) {
  const std::string at = std::to_string(until.ms);
  return "/chat/media/" + at + "." + mac(key, "media", at + "." + std::string(sha256)) + "/" + std::string(sha256);
}

Result<std::string> media_of(std::string_view key, std::string_view path, WallTime now) {
  constexpr std::string_view kHere = "/chat/media/";
  const auto slash = path.rfind('/');
  if (!path.starts_with(kHere) || slash < kHere.size()) return fail(Errc::kNotFound, "no such path");
  const std::string_view pass = path.substr(kHere.size(), slash - kHere.size()), sha256 = path.substr(slash + 1);
  const std::int64_t until = to_int(pass.substr(0, pass.find('.')));
  if (!is_hex(sha256, 64) || until < 0 || !wire::equal_constant_time(media_path(key, sha256, WallTime{until}), path))
    return fail(Errc::kNotFound, "not a path of ours");
  if (until <= now.ms) return fail(Errc::kNotFound, "the path's time is over");
  return std::string(sha256);
}

}  // namespace belfry::webchat
