#include "gateway/desk_hub.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "routing/record.h"
#include "routing/store_redis.h"

namespace belfry::gateway {
namespace {

constexpr std::size_t kMaxSlots = 2'000;
constexpr std::int64_t kRetry = 500;

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// What a rendering needs and has so far.
struct Rendering {
  std::vector<routing::AgentEvent> events;
  std::map<std::pair<std::string, std::int64_t>, routing::Line> lines;
  std::map<std::string, routing::Card> cards;
  std::size_t waiting = 0;
  bool failed = false;
  Error error;
  std::function<void(Result<Rendered>)> done;
};

// Ids count by one, so an event whose conversation is archived meanwhile still says something.
std::string gone(const routing::AgentEvent& e) {
  return desk::write_conversation(e.seq, e.conversation, 0, "closed", "", "", {});
}

std::string frame_of(const Rendering& r, const routing::AgentEvent& e) {
  switch (e.kind) {
    case 'm': {
      const MessageRef ref{e.conversation, to_int(e.x)};
      routing::Line line;
      if (!e.body.empty()) {
        line.n = ref.n;
        line.entry = e.body;
        line.state = state_of(e.y.empty() ? 'i' : e.y[0]).value_or(State::kStored);
      } else if (const auto found = r.lines.find({ref.conversation, ref.n}); found != r.lines.end()) {
        line = found->second;
      }
      if (line.entry.empty()) return gone(e);
      return desk::write_message(e.seq, view_of(ref, line), WallTime{to_int(e.extra)});
    }
    case 'r':
      return desk::write_receipt(e.seq, {e.conversation, to_int(e.x)},
                                 state_of(e.y.empty() ? 's' : e.y[0]).value_or(State::kSent), e.extra, e.at);
    case 'x': return desk::write_rescinded(e.seq, e.conversation, to_int(e.x), e.extra);
    case 'c': return desk::write_conversation(e.seq, e.conversation, to_int(e.x), e.y, "", "", {});
    case 'o':
    case 'g': {
      auto card = e.body.empty() ? std::nullopt : routing::parse_card_line(e.body);
      if (card) {
        card->conversation = e.conversation;
      } else if (const auto found = r.cards.find(e.conversation); found != r.cards.end()) {
        card = found->second;
      }
      if (!card) return gone(e);
      desk::ConversationView view = view_of(*card);
      view.gen = to_int(e.x);
      if (e.kind == 'g') {
        view.state = e.y;
        return desk::write_assigned(e.seq, view);
      }
      view.expires = WallTime{to_int(e.y)};
      return desk::write_offer(e.seq, view);
    }
    default: return gone(e);
  }
}

bool names_line(const routing::AgentEvent& e) { return e.kind == 'm' && e.body.empty(); }
bool names_card(const routing::AgentEvent& e) { return (e.kind == 'o' || e.kind == 'g') && e.body.empty(); }
// Nothing is to be read before it can be shown.
bool says_all(const routing::AgentEvent& e) { return !names_line(e) && !names_card(e); }

void finish(const std::shared_ptr<Rendering>& r) {
  if (r->failed) return r->done(tl::unexpected(r->error));
  Rendered frames;
  frames.reserve(r->events.size());
  for (const routing::AgentEvent& event : r->events) frames.push_back(frame_of(*r, event));
  r->done(std::move(frames));
}

}  // namespace

desk::ConversationView view_of(const routing::Card& card) {
  desk::ConversationView view;
  view.id = card.conversation;
  view.gen = card.gen;
  view.messages = card.n;
  view.state = card.state;
  view.owner = card.owner;
  view.queue = card.queue;
  view.channel = card.channel;
  view.account = card.account;
  view.contact = card.contact;
  view.name = card.name;
  view.why = card.why;
  view.invited = card.invited;
  view.into = card.into;
  view.previous = card.previous;
  view.answers = card.answers;
  view.attributes = routing::parse_attributes(card.attributes, '\n');
  view.first = card.first;
  view.last = card.last;
  view.window_until = card.window_until;
  if (const auto entry = routing::decode_entry(card.last_entry)) view.preview = desk::preview_of(entry->content);
  return view;
}

desk::MessageView view_of(const MessageRef& ref, const routing::Line& line) {
  desk::MessageView view;
  view.ref = ref;
  view.state = line.state;
  view.reason = line.reason;
  if (auto entry = routing::decode_entry(line.entry)) {
    view.dir = routing::shown(entry->dir);
    view.content = std::move(entry->content);
    view.provider_id = entry->provider_id.empty() ? line.provider_id : std::move(entry->provider_id);
    view.of = std::move(entry->of);
    view.at = entry->at;
    view.client_id = std::move(entry->client_id);
    view.to = std::move(entry->to);
    view.agent = std::move(entry->agent);
    // What a provider promises of a media is not yet ours to serve: only a fetched one has an id. (The web chat's are ours
    // already.)
    if (entry->dir == routing::Dir::kIn && view.content.media && !view.content.media->provider_id.empty()) {
      view.content.media->sha256.clear();
      if (std::string_view news = line.reason; news.starts_with("media:")) {
        news.remove_prefix(6);
        const auto bar = news.find('|');
        view.content.media->sha256 = std::string(news.substr(0, bar));
        if (bar != std::string_view::npos) view.content.media->size = to_int(news.substr(bar + 1));
        view.reason.clear();
      }
    }
  }
  return view;
}

void render(routing::Store& store, std::vector<routing::AgentEvent> events, std::function<void(Result<Rendered>)> done) {
  auto r = std::make_shared<Rendering>();
  r->events = std::move(events);
  r->done = std::move(done);
  std::map<std::string, std::vector<std::int64_t>> lines;
  std::set<std::string> cards;
  for (const routing::AgentEvent& event : r->events) {
    if (names_line(event)) lines[event.conversation].push_back(to_int(event.x));
    if (names_card(event)) cards.insert(event.conversation);
  }
  r->waiting = lines.size() + (cards.empty() ? 0 : 1);
  if (r->waiting == 0) return finish(r);
  const auto arrived = [r](const Error* error) {
    if (error != nullptr) {
      r->failed = true;
      r->error = *error;
    }
    if (--r->waiting == 0) finish(r);
  };
  for (const auto& [conversation, ns] : lines) {
    store.entries(conversation, ns, [r, arrived, conversation = conversation](Result<std::vector<routing::Line>> found) {
      if (!found) return arrived(&found.error());
      for (routing::Line& line : *found) r->lines[{conversation, line.n}] = std::move(line);
      arrived(nullptr);
    });
  }
  if (!cards.empty()) {
    store.cards({cards.begin(), cards.end()}, [r, arrived](Result<std::vector<routing::Card>> found) {
      if (!found) return arrived(&found.error());
      for (routing::Card& card : *found) {
        std::string id = card.conversation;
        r->cards[std::move(id)] = std::move(card);
      }
      arrived(nullptr);
    });
  }
}

void DeskHub::join(const std::string& id, DeskListener* listener, std::function<void(Result<void>)> ready) {
  AgentPtr& agent = agents_[id];
  const bool first = !agent;
  if (first) {
    agent = std::make_shared<Agent>();
    agent->id = id;
  }
  agent->listeners.push_back(listener);
  if (agent->subscribed) return ready({});
  agent->waiting.push_back(std::move(ready));
  if (!first) return;
  deps_.subscribe(id, [this, agent = agent](Result<void> result) {
    if (!present(agent)) return;
    agent->subscribed = result.has_value();
    for (auto& waiting : std::exchange(agent->waiting, {})) waiting(result);
  });
}

void DeskHub::leave(const std::string& id, DeskListener* listener) {
  const auto it = agents_.find(id);
  if (it == agents_.end()) return;
  std::erase(it->second->listeners, listener);
  if (!it->second->listeners.empty()) return;
  agents_.erase(it);
  deps_.unsubscribe(id);
}

void DeskHub::joined(const std::string& id, std::int64_t seq) {
  const auto it = agents_.find(id);
  if (it == agents_.end() || it->second->last >= 0) return;
  it->second->last = it->second->shown = seq;
}

bool DeskHub::present(const AgentPtr& agent) const {
  const auto it = agents_.find(agent->id);
  return it != agents_.end() && it->second == agent;
}

void DeskHub::on_publish(std::string_view id, std::string_view payload) {
  const auto it = agents_.find(id);
  if (it == agents_.end()) return;
  if (payload == routing::kLookAgain) return doubt(it->second);
  constexpr std::string_view kTyping = "typing|";
  if (payload.starts_with(kTyping)) {
    const std::string frame = desk::write_typing(payload.substr(kTyping.size()));
    for (DeskListener* listener : std::vector(it->second->listeners)) listener->on_passing(frame);
    return;
  }
  auto event = routing::parse_agent_event(payload);
  if (!event) return;
  const AgentPtr agent = it->second;
  if (agent->last >= 0 && event->seq <= agent->last) return;
  if (agent->last >= 0 && event->seq != agent->last + 1) return fill(agent);
  if (agent->filling) {
    agent->fill_again = true;
    return;
  }
  if (agent->last < 0) agent->shown = event->seq - 1;
  agent->last = event->seq;
  if (agent->slots.empty() && says_all(*event)) return tell(agent, event->seq, frame_of({}, *event));
  std::vector<routing::AgentEvent> one;
  one.push_back(std::move(*event));
  enqueue(agent, std::move(one));
}

void DeskHub::enqueue(const AgentPtr& agent, std::vector<routing::AgentEvent> events) {
  if (agent->slots.size() + events.size() > kMaxSlots) {
    // The store is too slow for what happens to this agent; his tabs start again from the log.
    agent->slots.clear();
    for (DeskListener* listener : std::vector(agent->listeners)) listener->on_lost();
    return;
  }
  std::vector<std::int64_t> seqs;
  for (const routing::AgentEvent& event : events) {
    seqs.push_back(event.seq);
    agent->slots.push_back({{}, {}, false});
    agent->slots.back().event.seq = event.seq;
  }
  render(deps_.store, std::move(events), [this, agent, seqs = std::move(seqs)](Result<Rendered> frames) {
    for (Slot& slot : agent->slots) {
      const auto at = std::find(seqs.begin(), seqs.end(), slot.event.seq);
      if (at == seqs.end()) continue;
      slot.ready = true;
      if (frames) slot.frame = std::move((*frames)[static_cast<std::size_t>(at - seqs.begin())]);
    }
    if (!frames) return retry(agent);
    show(agent);
  });
}

void DeskHub::show(const AgentPtr& agent) {
  while (!agent->slots.empty() && agent->slots.front().ready) {
    const Slot slot = std::move(agent->slots.front());
    agent->slots.pop_front();
    tell(agent, slot.event.seq, slot.frame);
  }
}

void DeskHub::tell(const AgentPtr& agent, std::int64_t seq, const std::string& frame) {
  agent->shown = seq;
  for (DeskListener* listener : std::vector(agent->listeners)) listener->on_event(seq, frame);
}

void DeskHub::fill(const AgentPtr& agent) {
  if (agent->filling) {
    agent->fill_again = true;
    return;
  }
  agent->filling = true;
  deps_.store.replay(agent->id, agent->last, [this, agent](Result<routing::Replay> replay) {
    agent->filling = false;
    const bool again = std::exchange(agent->fill_again, false);
    if (!replay) return retry(agent);
    if (replay->reset) {
      agent->slots.clear();
      agent->last = -1;
      for (DeskListener* listener : std::vector(agent->listeners)) listener->on_lost();
      return;
    }
    agent->last = std::max(agent->last, replay->seq);
    enqueue(agent, std::move(replay->events));
    if (again) fill(agent);
  });
}

void DeskHub::retry(const AgentPtr& agent) {
  agent->slots.clear();
  agent->last = agent->shown;
  if (std::exchange(agent->retrying, true)) return;
  deps_.after(kRetry, [this, agent] {
    agent->retrying = false;
    if (present(agent)) fill(agent);
  });
}

void DeskHub::on_resubscribed() {
  for (auto& [id, agent] : agents_) {
    if (agent->last >= 0) fill(agent);
    doubt(agent);
  }
}

void DeskHub::doubt(const AgentPtr& agent) {
  for (DeskListener* listener : std::vector(agent->listeners)) listener->on_doubt();
}

std::size_t DeskHub::sessions() const {
  std::size_t sum = 0;
  for (const auto& [id, agent] : agents_) sum += agent->listeners.size();
  return sum;
}

}  // namespace belfry::gateway
