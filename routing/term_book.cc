#include "routing/term_book.h"

namespace belfry::routing {

// Null if there is no room for one more.
TermBook::Known* TermBook::know(const std::string& conversation) {
  const auto it = known_.find(conversation);
  if (it != known_.end()) return &it->second;
  if (known_.size() >= most_) {
    ++refused_;
    return nullptr;
  }
  return &known_[conversation];
}

void TermBook::look(const std::string& conversation, WallTime at) {
  const Known* known = know(conversation);
  if (known != nullptr && (known->at < 0 || at.ms < known->at)) look_instead(conversation, at);
}

void TermBook::look_instead(const std::string& conversation, WallTime at) {
  Known* known = know(conversation);
  if (known == nullptr) return;
  if (known->at >= 0) order_.erase({known->at, conversation});
  known->at = at.ms;
  order_.insert({at.ms, conversation});
}

void TermBook::rest(const std::string& conversation) {
  const auto it = known_.find(conversation);
  if (it == known_.end() || it->second.at < 0) return;
  order_.erase({it->second.at, conversation});
  it->second.at = -1;
}

void TermBook::drop(const std::string& conversation) {
  rest(conversation);
  known_.erase(conversation);
}

void TermBook::clear() {
  order_.clear();
  known_.clear();
}

std::vector<std::string> TermBook::due(WallTime now, std::size_t most) {
  std::vector<std::string> out;
  while (!order_.empty() && order_.begin()->first <= now.ms && out.size() < most) {
    out.push_back(order_.begin()->second);
    known_.at(out.back()).at = -1;
    order_.erase(order_.begin());
  }
  return out;
}

bool TermBook::is_news(const std::string& conversation, const Term& term) const {
  if (term.state != TermState::kPredicted && term.state != TermState::kBreached) return false;
  const auto it = known_.find(conversation);
  if (it == known_.end()) return true;
  const auto& told = it->second.told[static_cast<std::size_t>(term.clock)];
  return told.since != term.since.ms || told.state < term.state;
}

void TermBook::told(const std::string& conversation, const Term& term) {
  const auto it = known_.find(conversation);
  if (it != known_.end()) it->second.told[static_cast<std::size_t>(term.clock)] = {term.since.ms, term.state};
}

}  // namespace belfry::routing
