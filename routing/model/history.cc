// The counts of the past: routing/functions/65_history.lua.
#include "routing/history.h"
#include "routing/model/memory.h"

namespace belfry::routing::model {

void Memory::history_add(std::string_view from, std::string_view to, const std::vector<HistoryRow>& rows, Done<Outcome> done) {
  if (w_.history_at != from) {
    Outcome out = ended(Outcome::What::kStale);
    out.state = w_.history_at;
    return done(std::move(out));
  }
  for (const HistoryRow& row : rows) {
    std::string& counts = w_.history[row.day][row.field];
    Counts sum = Counts::parse(counts);
    sum += Counts::parse(row.counts);
    counts = sum.write();
  }
  w_.history_at = to;
  done(ok());
}

}  // namespace belfry::routing::model
