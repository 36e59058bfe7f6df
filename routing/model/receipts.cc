// What providers call our messages: routing/functions/32_receipts.lua.
#include "routing/model/memory.h"

namespace belfry::routing::model {

namespace {

constexpr std::int64_t kEarly = 60'000;
constexpr std::size_t kMostEarly = 10'000;
constexpr std::int64_t kDays = 7;

bool is_final(State state) { return state == State::kDelivered || state == State::kFailed || state == State::kExpired; }

}  // namespace

void Memory::learn(std::string_view account, const Settled& item) {
  auto& names = w_.names[{std::string(account), now_ / kDay}];
  for (const std::string& line : item.names) {
    const auto bar = line.rfind('|');
    const std::string name = line.substr(0, bar);
    names[name] = {item.ref, line.substr(bar + 1), item.names.size()};
    auto& early = w_.early[std::string(account)];
    const Early* before = look(early, name);
    if (before == nullptr) continue;
    const Early found = *before;
    early.erase(name);
    if (now_ - found.at < kEarly) heard(account, {name, found.state, found.reason, found.numbers, std::nullopt});
  }
}

bool Memory::heard(std::string_view account, const NamedReceipt& receipt) {
  for (std::int64_t day = now_ / kDay; day >= now_ / kDay - kDays; --day) {
    const std::pair<std::string, std::int64_t> at{std::string(account), day};
    auto* names = look(w_.names, at);
    const Name* found = names == nullptr ? nullptr : look(*names, receipt.name);
    if (found == nullptr) continue;
    const Name name = *found;
    if (!name.to.empty() && !receipt.to.empty() && receipt.to.find(name.to + " ") == std::string::npos) return false;
    if (is_final(receipt.state)) names->erase(receipt.name);
    if (receipt.state == State::kDelivered && name.of > 1 && ++w_.heard[at][item_of(name.ref)] < name.of) return true;
    settled(account, {name.ref, receipt.state, "", receipt.reason, {}});
    return true;
  }
  return false;
}

void Memory::receipts(std::string_view account, const std::vector<NamedReceipt>& items, Done<std::vector<bool>> done) {
  now_ = clock_().ms;
  std::vector<bool> out;
  for (const NamedReceipt& item : items) {
    bool known = heard(account, item);
    if (!known && item.suspect) {
      const Conversation* c = look(w_.conversations, item.suspect->conversation);
      const auto n = static_cast<std::size_t>(item.suspect->n);
      if (c != nullptr && n >= 1 && n <= c->log.size() && c->log[n - 1].state == State::kUncertain) {
        settled(account, {*item.suspect, item.state, "", item.reason, {}});
        known = true;
      }
    }
    if (!known && item.state != State::kSent) {
      auto& early = w_.early[std::string(account)];
      if (early.size() >= kMostEarly) early.clear();
      early[item.name] = {now_, item.state, item.reason, item.to};
    }
    out.push_back(known);
  }
  done(std::move(out));
}

}  // namespace belfry::routing::model
