// Long messages whose parts come one by one: routing/functions/25_parts.lua.
#include "routing/model/memory.h"

namespace belfry::routing::model {

namespace {

constexpr std::ptrdiff_t kMostSets = 10'000;
constexpr std::ptrdiff_t kMostSetsOfOne = 1'000;
constexpr std::int64_t kRepeats = 600'000;
constexpr std::size_t kDueAtOnce = 16;

// Of a set, width:number:total:who:whom: the last two.
std::string_view writer_of(std::string_view set) {
  std::size_t at = 0;
  for (int colons = 0; colons < 3; ++colons) {
    at = set.find(':', at);
    if (at == std::string_view::npos) return set;
    ++at;
  }
  return at == set.size() ? set : set.substr(at);
}

PartSet whole(const std::string& name, const Parts& of) {
  return {PartSet::What::kWhole, name, of.of, of.parts, WallTime{of.at}};
}

}  // namespace

void Memory::part(const Part& part, std::int64_t within_ms, Done<PartSet> done) {
  now_ = clock_().ms;
  PartSet kept;
  kept.name = part.set;
  kept.of = part.of;
  auto& sets = w_.parts[part.account];
  std::erase_if(sets, [this](const auto& each) { return each.second.done != 0 && each.second.done <= now_; });
  if (const Parts* before = look(sets, part.set); before != nullptr && before->done != 0) {
    const std::string* bytes = look(before->parts, part.n);
    if (bytes != nullptr && *bytes == part.bytes) return done(std::move(kept));
    sets.erase(part.set);  // the same number was given to another message
  }
  if (!sets.contains(part.set)) {
    const auto open = std::count_if(sets.begin(), sets.end(), [](const auto& each) { return each.second.done == 0; });
    const auto his = std::count_if(sets.begin(), sets.end(), [writer = writer_of(part.set)](const auto& each) {
      return each.second.done == 0 && writer_of(each.first) == writer;
    });
    if (open >= kMostSets || his >= kMostSetsOfOne) {
      kept.what = PartSet::What::kFull;
      return done(std::move(kept));
    }
    sets[part.set] = {now_, now_ + within_ms, 0, part.of, {}};
  }
  Parts& set = sets[part.set];
  set.parts[part.n] = part.bytes;
  if (set.parts.size() < static_cast<std::size_t>(part.of)) return done(std::move(kept));
  PartSet all = whole(part.set, set);
  all.of = part.of;
  done(std::move(all));
}

void Memory::part_done(std::string_view account, std::string_view set, Done<Outcome> done) {
  now_ = clock_().ms;
  Parts* parts = look(w_.parts[std::string(account)], std::string(set));
  if (parts == nullptr || parts->done != 0) return done(missing());
  parts->done = now_ + kRepeats;
  done(ok());
}

void Memory::parts_due(std::string_view account, Done<std::vector<PartSet>> done) {
  now_ = clock_().ms;
  std::set<std::pair<std::int64_t, std::string>> due;
  for (const auto& [name, set] : w_.parts[std::string(account)]) {
    if (set.done == 0 && set.due <= now_) due.insert({set.due, name});
  }
  std::vector<PartSet> out;
  for (const auto& [at, name] : due) {
    if (out.size() < kDueAtOnce) out.push_back(whole(name, w_.parts.at(std::string(account)).at(name)));
  }
  done(std::move(out));
}

}  // namespace belfry::routing::model
