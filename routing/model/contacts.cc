// Citizens: routing/functions/05_contacts.lua.
#include <algorithm>
#include <set>

#include "belfry/list.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {
namespace {

constexpr std::size_t kGroup = 50;
constexpr std::size_t kNumbers = 10;
constexpr std::size_t kSame = 20;
constexpr std::int64_t kCode = 600'000;

bool is_digits(std::string_view text) { return text.find_first_not_of("0123456789") == std::string_view::npos; }

// The digits of an address that is a phone number, else empty.
std::string digits_of(std::string_view address) {
  if (address.starts_with("tel:")) {
    address.remove_prefix(address.starts_with("tel:+") ? 5 : 4);
    return is_digits(address) ? std::string(address) : "";
  }
  if (!address.starts_with("wa:")) return "";
  const std::string_view id = address.substr(std::min(address.find(':', 3), address.size() - 1) + 1);
  return id.size() >= 7 && is_digits(id) ? std::string(id) : "";
}

// As the telephone and as WhatsApp write the numbers of Mexico, Argentina and Brazil.
std::vector<std::string> spellings(const std::string& d) {
  const bool longer = d.size() == 13, shorter = d.size() == 12;
  if (longer && d.starts_with("521")) return {d, "52" + d.substr(3)};
  if (shorter && d.starts_with("52")) return {d, "521" + d.substr(2)};
  if (longer && d.starts_with("549")) return {d, "54" + d.substr(3)};
  if (shorter && d.starts_with("54")) return {d, "549" + d.substr(2)};
  if (longer && d.starts_with("55") && d[4] == '9') return {d, d.substr(0, 4) + d.substr(5)};
  if (shorter && d.starts_with("55")) return {d, d.substr(0, 4) + "9" + d.substr(4)};
  return {d};
}

}  // namespace

std::string Memory::root_of(const std::string& contact) const {
  std::string root = contact;
  for (const Contact* c = look(w_.contacts, root); c != nullptr && !c->into.empty(); c = look(w_.contacts, root)) root = c->into;
  return root;
}

std::vector<std::string> Memory::group_of(const std::string& root) const {
  std::vector<std::string> all{root};
  for (std::size_t at = 0; at < all.size(); ++at) {
    for (const auto& [id, c] : w_.contacts) {
      if (c.into == all[at]) all.push_back(id);
    }
  }
  return all;
}

Outcome Memory::join(const std::string& from, const std::string& into, const std::string& by) {
  const std::string a = root_of(from), b = root_of(into);
  if (!w_.contacts.contains(a) || !w_.contacts.contains(b)) return missing();
  if (a == b) return refused("same_contact");
  if (group_of(a).size() + group_of(b).size() > kGroup) return refused("too_many");
  Contact& c = w_.contacts[a];
  c.into = b;
  c.by = by;
  c.since = now_;
  actor_ = by;
  transition("contact", "", 0, "", "", {{"x", "merged"}, {"c", a}, {"to", b}});
  actor_.clear();
  return ok();
}

void Memory::contact_join(std::string_view contact, std::string_view into, std::string_view by, Done<Outcome> done) {
  now_ = clock_().ms;
  done(join(std::string(contact), std::string(into), std::string(by)));
}

void Memory::contact_part(std::string_view contact, std::string_view by, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string id(contact);
  Contact* c = look(w_.contacts, id);
  if (c == nullptr || c->into.empty()) return done(refused("not_merged"));
  const std::string was = std::exchange(c->into, "");
  c->by.clear();
  c->since = 0;
  actor_ = std::string(by);
  transition("contact", "", 0, "", "", {{"x", "parted"}, {"c", id}, {"to", was}});
  actor_.clear();
  done(ok());
}

void Memory::contact_said(std::string_view contact, std::string_view number, Done<Outcome> done) {
  Contact* c = look(w_.contacts, std::string(contact));
  if (c == nullptr) return done(missing());
  if (std::find(c->said.begin(), c->said.end(), number) != c->said.end()) return done(ok());
  if (c->said.size() >= kNumbers) return done(refused("too_many_numbers"));
  w_.said[std::string(number)].insert(std::string(contact));
  c->said.emplace_back(number);
  done(ok());
}

void Memory::contact_ask(std::string_view contact, std::string_view address, std::string_view code, std::string_view by,
                         Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string root = root_of(std::string(contact));
  if (!w_.contacts.contains(root)) return done(missing());
  const Address* there = look(w_.addresses, std::string(address));
  if (there != nullptr && !there->contact.empty() && root_of(there->contact) == root) return done(refused("same_contact"));
  Code& sent = w_.codes[root];
  if (now_ - sent.hour >= kHour) {
    sent.asked = 0;
    sent.hour = now_;
  }
  if (sent.asked >= 3) return done(refused("too_often"));
  ++sent.asked;
  sent.code = code;
  sent.address = address;
  sent.by = by;
  sent.left = 5;
  sent.until = now_ + kCode;
  done(ok());
}

void Memory::contact_prove(std::string_view contact, std::string_view code, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string root = root_of(std::string(contact));
  Code* sent = look(w_.codes, root);
  if (sent == nullptr || sent->code.empty() || now_ >= sent->until || sent->left <= 0) return done(refused("none"));
  if (sent->code != code) {
    --sent->left;
    return done(refused("wrong"));
  }
  sent->code.clear();
  std::string& there = w_.addresses[sent->address].contact;
  if (there.empty()) {
    there = text(++w_.last_id);
    w_.contacts[there].address = sent->address;
  }
  done(join(there, root, "code of " + sent->by));
}

void Memory::contact(std::string_view id, const std::vector<std::string>& portfolios, Done<Citizen> done) {
  Citizen out;
  const std::string root = root_of(std::string(id));
  if (!w_.contacts.contains(root)) return done(std::move(out));
  out.missing = false;
  out.id = root;
  std::vector<std::string> numbers;
  const auto number_of = [&numbers](const std::string& digits) {
    if (!digits.empty() && std::find(numbers.begin(), numbers.end(), digits) == numbers.end()) numbers.push_back(digits);
  };
  const auto window_of = [this](const std::string& conversation) {
    const Conversation* c = look(w_.conversations, conversation);
    return c == nullptr ? 0 : c->window_until;
  };
  for (const std::string& each : group_of(root)) {
    const Contact& c = w_.contacts.at(each);
    out.folded = std::max(out.folded, WallTime{c.folded});
    ContactPart part{each, c.name, c.into, c.by, WallTime{c.since}, c.latest, c.address, {}, c.said, {}};
    if (const Address* address = look(w_.addresses, c.address)) {
      std::map<std::string, std::int64_t> windows = address->windows;
      for (const auto& [account, latest] : address->latest) {
        std::int64_t& until = windows[account];
        if (!address->elsewhere.contains(account)) until = std::max(until, window_of(latest));
      }
      for (const auto& [account, sent] : address->sends) windows.try_emplace(account, 0);
      for (const auto& [account, until] : windows) part.places.push_back({account, WallTime{until}});
      // Kept as "one two", and "one " where there is no second.
      std::string aliases = address->aliases;
      std::replace(aliases.begin(), aliases.end(), ' ', ',');
      part.aliases = split_list(aliases);
    }
    number_of(digits_of(c.address));
    for (const std::string& alias : part.aliases) number_of(digits_of(alias));
    for (const std::string& said : c.said) number_of(said.substr(1));
    out.parts.push_back(std::move(part));
  }
  std::set<std::string> known{root};
  const auto other = [&](const std::string& contact, const std::string& address) {
    if (contact.empty() || out.same.size() >= kSame) return;
    const std::string his = root_of(contact);
    if (known.insert(his).second) out.same.push_back({his, w_.contacts.at(his).name, address});
  };
  const auto at = [&](const std::string& address) {
    if (const Address* a = look(w_.addresses, address)) other(a->contact, address);
  };
  for (const std::string& given : numbers) {
    for (const std::string& d : spellings(given)) {
      at("tel:+" + d);
      for (const std::string& portfolio : portfolios) at(std::string("wa:").append(portfolio).append(":").append(d));
      const auto* saying = look(w_.said, "+" + d);
      if (saying == nullptr) continue;
      for (const std::string& id_of_other : std::set<std::string, ByNumber>(saying->begin(), saying->end()))
        other(id_of_other, "");
    }
  }
  done(std::move(out));
}

void Memory::consent(const Consent& what, Done<Outcome> done) {
  now_ = clock_().ms;
  const std::string word = what.given ? "given" : "refused";
  const std::string before = std::exchange(w_.consents[what.address][what.category], word);
  if (what.category == "all") w_.addresses[what.address].refuses = !what.given;
  done(ok(before == word ? 0 : 1));
}

void Memory::contact_at(std::string_view address, Done<std::string> done) {
  const Address* found = look(w_.addresses, std::string(address));
  done(found == nullptr ? "" : found->contact);
}

void Memory::lead(const Conversation& c, const std::string& into, bool elsewhere) {
  Address& from = w_.addresses[c.address];
  from.latest[c.account] = into;
  if (elsewhere) {
    from.elsewhere.insert(c.account);
  } else {
    from.elsewhere.erase(c.account);
  }
}

}  // namespace belfry::routing::model
