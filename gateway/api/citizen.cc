#include "gateway/api/citizen.h"

#include <algorithm>

#include "adapters/wire/rfc3339.h"
#include "gateway/api/render.h"
#include "gateway/directive.h"

namespace belfry::gateway::api {
namespace {

template <class T, class F>
void append_array(std::string& out, std::string_view name, const std::vector<T>& items, F append_one) {
  out.append(",\"").append(name).append("\":[");
  for (const T& item : items) {
    if (!out.ends_with('[')) out += ',';
    append_one(item);
  }
  out += ']';
}

}  // namespace

bool is_contact(std::string_view id) {
  return !id.empty() && id.size() <= 15 && id.find_first_not_of("0123456789") == std::string_view::npos;
}

void find_citizen(Room& room, const CallPtr& call, std::function<void(routing::Citizen citizen)> then) {
  const std::string& id = call->args[0];
  if (!is_contact(id)) return call->problem(not_found("contact"));
  std::vector<std::string> portfolios;
  for (const AccountInfo& account : room.services.outbox.accounts()) {
    if (!account.portfolio.empty() && std::find(portfolios.begin(), portfolios.end(), account.portfolio) == portfolios.end())
      portfolios.push_back(account.portfolio);
  }
  room.services.store.contact(id, portfolios, [call, then = std::move(then)](Result<routing::Citizen> citizen) {
    if (!citizen) return call->error(citizen.error());
    if (citizen->missing) return call->problem(not_found("contact"));
    then(std::move(*citizen));
  });
}

void append_citizen(std::string& out, Room& room, const routing::Citizen& citizen) {
  member(out, "id", citizen.id);
  std::string name;
  for (const routing::ContactPart& part : citizen.parts) {
    if (name.empty()) name = part.name;
  }
  member(out, "name", name);
  // Each account by which he can be written to, with the address that it uses.
  out += ",\"addresses\":[";
  for (const routing::ContactPart& part : citizen.parts) {
    for (const AccountInfo& account : room.services.outbox.accounts()) {
      if (!can_write_to(room.services.outbox, account.id, part.address)) continue;
      out += out.ends_with('[') ? "{" : ",{";
      member(out, "account", account.id);
      member(out, "channel", account.channel);
      member(out, "address", part.address);
      const auto reach = std::find_if(part.places.begin(), part.places.end(),
                                      [&account](const routing::Reach& each) { return each.account == account.id; });
      if (reach != part.places.end() && reach->window_until.ms > 0)
        member(out, "window_until", wire::rfc3339(reach->window_until));
      member(out, "contact", part.id);
      out += '}';
    }
  }
  out += ']';
  std::vector<std::string> said;
  std::vector<const routing::ContactPart*> merged;
  for (const routing::ContactPart& part : citizen.parts) {
    said.insert(said.end(), part.said.begin(), part.said.end());
    if (!part.into.empty()) merged.push_back(&part);
  }
  member(out, "numbers_said", said);
  append_array(out, "merged", merged, [&out](const routing::ContactPart* part) {
    out += '{';
    member(out, "id", part->id);
    member(out, "name", part->name);
    member(out, "into", part->into);
    member(out, "since", wire::rfc3339(part->since));
    member(out, "by", part->by);
    out += '}';
  });
  append_array(out, "same_number", citizen.same, [&out](const routing::SameNumber& other) {
    out += '{';
    member(out, "id", other.contact);
    member(out, "name", other.name);
    if (!other.address.empty()) member(out, "address", other.address);
    out += ",\"verified\":false}";
  });
}

}  // namespace belfry::gateway::api
