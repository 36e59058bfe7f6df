#include "gateway/sla_timers.h"

#include <algorithm>
#include <chrono>
#include <unordered_map>
#include <utility>

#include "adapters/wire/rfc3339.h"
#include "belfry/list.h"
#include "gateway/log.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kTick = 200;
constexpr std::size_t kLookAtOnce = 200;
constexpr int kAskAtOnce = 50;
// A new conversation is looked at after two fifths of its shortest goal, and not later than this: the line may be long.
constexpr std::int64_t kFirstLook = 15'000;
constexpr std::int64_t kAgain = 1'000;

// Of a conversation that joins a queue with these goals.
std::int64_t first_look(const routing::Goals& goals) {
  std::int64_t shortest = kFirstLook;
  for (const std::int64_t ms : {goals.first_reply_ms, goals.next_reply_ms, goals.resolve_ms}) {
    if (ms > 0) shortest = std::min(shortest, ms * 2 / 5);
  }
  return shortest;
}

}  // namespace

SlaTimers::SlaTimers(Deps deps) : deps_(std::move(deps)), timer_(deps_.loop) {}

void SlaTimers::start() { tick(); }

void SlaTimers::stop() {
  stopped_ = true;
  timer_.cancel();
}

void SlaTimers::tick() {
  if (stopped_) return;
  if (!deps_.owner()) {
    if (filled_ || book_.size() > 0) {
      book_.clear();
      to_ask_.clear();
      ++round_;
    }
    filled_ = false;
  } else if (deps_.mirror.ready()) {
    fill();
    look();
  }
  if (book_.refused() > refused_told_) {
    log_warning("sla_book_full", {{"not_watched", std::to_string(book_.refused() - refused_told_)}});
    refused_told_ = book_.refused();
  }
  timer_.expires_after(std::chrono::milliseconds(kTick));
  timer_.async_wait([this](std::error_code error) {
    if (!error) tick();
  });
}

// Everything open is in a queue or with an agent.
void SlaTimers::fill() {
  if (!filled_) {
    filled_ = true;
    ++round_;
    to_ask_.clear();
    const auto queues = deps_.mirror.queues();
    if (std::none_of(queues.begin(), queues.end(), [](const auto* queue) { return queue->goals.has_clocks(); })) {
      book_.clear();
      return;
    }
    const WallTime now = deps_.now().wall;
    for (const routing::Waiting* waiting : deps_.mirror.all_waiting()) book_.look(waiting->conversation, now);
    for (const routing::AgentState* agent : deps_.mirror.agents()) to_ask_.push_back(agent->id);
  }
  while (!to_ask_.empty() && asking_ < kAskAtOnce) {
    ++asking_;
    const std::string agent = std::move(to_ask_.back());
    to_ask_.pop_back();
    deps_.carry(routing::encode({"SMEMBERS", routing::key_of(deps_.prefix, "agentc:" + agent)}),
                [this, agent, round = round_](const Result<routing::Value>& held) {
                  --asking_;
                  if (round != round_) return;
                  if (!held || held->is_error()) return to_ask_.push_back(agent);  // the next tick asks again
                  for (const routing::Value& id : held->array) book_.look(id.text, deps_.now().wall);
                });
    if (asking_ == 0) break;  // answered at once, and perhaps refused: not in a circle
  }
}

void SlaTimers::on_snapshot() {
  if (std::exchange(changed_, false)) filled_ = false;
}

void SlaTimers::on_entry(const routing::Value& entry) {
  if (!entry.is_array() || entry.array.size() != 2) return;
  const auto& fields = entry.array[1].array;
  const auto field = [&](std::string_view name) -> std::string_view {
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
      if (fields[i].text == name) return fields[i + 1].text;
    }
    return {};
  };
  const std::string_view kind = field("k");
  if (kind == "queue") changed_ = true;
  if (!filled_ || kind == "agent" || kind == "sla") return;
  const std::string conversation(field("v"));
  if (conversation.empty()) return;
  if (kind == "closed") return book_.drop(conversation);
  if (kind == "bot") return;  // nobody waits
  const routing::QueueState* queue = deps_.mirror.queue(field("q"));
  if (queue == nullptr || !queue->goals.has_clocks()) return;
  book_.look(conversation, deps_.now().wall + first_look(queue->goals));
}

void SlaTimers::look() {
  if (looking_) return;
  auto due = book_.due(deps_.now().wall, kLookAtOnce);
  if (due.empty()) return;
  looking_ = true;
  deps_.store.cards(due, [this, due, round = round_](const Result<std::vector<routing::Card>>& cards) {
    looking_ = false;
    if (round != round_ || !filled_) return;
    if (!cards) {
      for (const std::string& conversation : due) book_.look(conversation, deps_.now().wall + kAgain);
      return;
    }
    looked(due, *cards);
    if (due.size() == kLookAtOnce) look();
  });
}

void SlaTimers::looked(const std::vector<std::string>& asked, const std::vector<routing::Card>& cards) {
  const WallTime now = deps_.now().wall;
  std::unordered_map<std::string_view, const routing::Card*> found;
  for (const routing::Card& card : cards) found.emplace(card.conversation, &card);
  for (const std::string& conversation : asked) {
    const auto it = found.find(conversation);
    if (it == found.end() || it->second->closed.ms > 0 || it->second->state == "sends" || it->second->state == "bot") {
      book_.drop(conversation);
      continue;
    }
    const routing::Card& card = *it->second;
    const routing::QueueState* queue = deps_.mirror.queue(card.queue);
    if (queue == nullptr || !queue->goals.has_clocks()) {
      book_.rest(conversation);
      continue;
    }
    const bool waits = card.state == "queued" || card.state == "offered";
    const routing::Course course = routing::course_of(card);
    const auto terms =
        routing::terms_of(queue->goals, queue->hours, course, deps_.room.outlook(card.queue, conversation, waits), now);
    for (const routing::Term& term : terms) {
      // A first reply that came late was told, or its time passed unseen while nobody was owner: it is over.
      const bool runs = term.clock != routing::Clock::kFirstReply || card.first_reply.ms == 0;
      if (runs && book_.is_news(conversation, term)) tell(card, term);
    }
    if (const auto next = routing::next_look(queue->goals, queue->hours, course, terms, now)) book_.look(conversation, *next);
  }
}

void SlaTimers::tell(const routing::Card& card, const routing::Term& term) {
  deps_.store.sla_tell(
      card.conversation, term,
      [this, conversation = card.conversation, queue = card.queue, term, round = round_](const Result<routing::Outcome>& out) {
        if (!out) {
          if (round == round_) book_.look(conversation, deps_.now().wall + kAgain);
          return;
        }
        book_.told(conversation, term);
        if (out->what != routing::Outcome::What::kOk) return;
        Counter& counter = counters_[{queue, term.clock, term.state}];
        counter =
            deps_.metrics.counter("belfry_sla_total", "Goals of a queue that will be missed, and that were, by their clock.",
                                  {{"queue", queue},
                                   {"clock", std::string(routing::name_of(term.clock))},
                                   {"kind", std::string(routing::name_of(term.state))}});
        counter.add();
        const std::string id = conversation_id(conversation), clock(routing::name_of(term.clock));
        const std::string due = term.due ? wire::rfc3339(*term.due) : "never";
        if (term.state == routing::TermState::kBreached) {
          log_warning("sla_breached", {{"conversation", id}, {"queue", queue}, {"clock", clock}, {"due", due}});
        } else {
          log_warning("sla_predicted", {{"conversation", id}, {"queue", queue}, {"clock", clock}, {"due", due}});
        }
      });
}

}  // namespace belfry::gateway
