// The body of the reference model. One file for each of routing/functions, so that what a function does and what the model
// says it does are read side by side. Replies are given before the call returns; now_ is the time of the command under way.
#pragma once

#include <charconv>

#include "routing/store_memory.h"

namespace belfry::routing::model {

inline constexpr std::int64_t kHour = 3'600'000;
inline constexpr std::int64_t kDay = 24 * kHour;
inline constexpr std::int64_t kOpen = 600'000;         // bytes that were not acknowledged are a repeat for so long
inline constexpr std::int64_t kBan = 120'000;          // not offered again to whom let it go
inline constexpr std::int64_t kAbsence = 600'000;      // an agent without a session keeps his work this long
inline constexpr std::int64_t kSticky = 72 * kHour;    // so long the agent of the last conversation is asked first
inline constexpr std::int64_t kUncertainFor = 10'000;  // then the next of the conversation may be sent
inline constexpr std::size_t kReplayed = 500;
inline constexpr int kBackAtOnce = 500;

inline std::string text(std::int64_t number) { return std::to_string(number); }
inline std::int64_t number(std::string_view digits) {
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}
inline std::string item_of(const MessageRef& ref) { return ref.conversation + "." + text(ref.n); }
inline MessageRef ref_of(std::string_view item) {
  const auto dot = item.rfind('.');
  return {std::string(item.substr(0, dot)), number(item.substr(dot + 1))};
}

// Messages that still wait for news: what `open` counts.
inline bool is_open(State state) {
  return state == State::kQueued || state == State::kClaimed || state == State::kSent || state == State::kUncertain;
}

inline std::size_t index_of(Lane lane) { return static_cast<std::size_t>(lane); }

template <class Map>
auto* look(Map& map, const typename std::remove_const_t<Map>::key_type& key) {
  const auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

inline Outcome ok(std::int64_t gen = 0, std::string state = {}) {
  Outcome out;
  out.gen = gen;
  out.state = std::move(state);
  return out;
}
inline Outcome ended(Outcome::What what) {
  Outcome out;
  out.what = what;
  return out;
}
inline Outcome missing() { return ended(Outcome::What::kMissing); }
inline Outcome lost() { return ended(Outcome::What::kLost); }
inline Outcome refused(std::string why) {
  Outcome out = ended(Outcome::What::kRefused);
  out.why = std::move(why);
  return out;
}
inline Outcome stale(const Conversation& c) {
  Outcome out = ended(Outcome::What::kStale);
  out.gen = c.gen;
  out.state = c.state;
  out.owner = c.owner;
  return out;
}

inline Card card_of(const Conversation& c) {
  Card card;
  card.conversation = c.id;
  card.state = c.state;
  card.owner = c.owner;
  card.queue = c.queue;
  card.channel = c.channel;
  card.account = c.account;
  card.contact = c.contact;
  card.name = c.name;
  card.address = c.address;
  card.why = c.why;
  card.invited = c.invited;
  card.into = c.into;
  card.previous = c.previous;
  card.answers = c.answers;
  card.eff = c.eff;
  card.gen = c.gen;
  card.n = static_cast<std::int64_t>(c.log.size());
  card.open = c.open;
  card.first = WallTime{c.first};
  card.window_until = WallTime{c.window_until};
  card.given = WallTime{c.given};
  card.last = WallTime{c.last};
  card.first_reply = WallTime{c.first_reply};
  card.unanswered = WallTime{c.unanswered};
  card.closed = WallTime{c.closed};
  card.attributes = c.attributes;
  card.handed_over = WallTime{c.handed_over};
  if (!c.log.empty()) card.last_entry = c.log.back().entry;
  return card;
}

inline Line line_of(const Conversation* c, std::int64_t n) {
  Line line;
  line.n = n;
  if (c == nullptr || n < 1 || n > static_cast<std::int64_t>(c->log.size())) return line;
  const LogLine& at = c->log[static_cast<std::size_t>(n - 1)];
  line.state = at.state;
  line.entry = at.entry;
  line.provider_id = at.provider_id;
  line.reason = at.reason;
  return line;
}

class Memory final : public MemoryStore {
 public:
  explicit Memory(std::function<WallTime()> now) : clock_(std::move(now)) {}
  const World& world() const override { return w_; }

  // The road in.
  void ingest(const Ingest& what, Done<Ingested> done) override;
  void quarantine(std::string_view bytes, std::string_view why, Done<Outcome> done) override;
  void part(const Part& part, std::int64_t within_ms, Done<PartSet> done) override;
  void part_done(std::string_view account, std::string_view set, Done<Outcome> done) override;
  void parts_due(std::string_view account, Done<std::vector<PartSet>> done) override;
  void receipts(std::string_view account, const std::vector<NamedReceipt>& items, Done<std::vector<bool>> done) override;
  void acknowledged(std::string_view account, const std::vector<std::string>& dedupe) override;
  void consent(const Consent& what, Done<Outcome> done) override;

  // The life of a conversation.
  void offer(const Offer& what, Done<Outcome> done) override;
  void accept(const Command& by, Done<Outcome> done) override;
  void decline(const Command& by, std::string_view reason, Done<Outcome> done) override;
  void close(const Command& by, std::string_view code, const Wrap& wrap, Done<Outcome> done) override;
  void park(const Command& by, WallTime until, int weight, Done<Outcome> done) override;
  void transfer(const Transfer& what, Done<Outcome> done) override;
  void direct(const Directive& what, Done<Outcome> done) override;

  // The road out.
  void reply(const Reply& what, Done<Outcome> done) override;
  void note(const Command& by, std::string_view client_id, std::string_view author, std::string_view entry,
            Done<Outcome> done) override;
  void send(const Send& what, Done<Outcome> done) override;
  void claim(std::string_view account, const LeaseRef& lease, const Room& most, Done<Claims> done) override;
  void settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) override;
  void put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items, Done<Outcome> done) override;
  void renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held, Done<Outcome> done) override;
  void orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) override;

  // Citizens.
  void contact_join(std::string_view contact, std::string_view into, std::string_view by, Done<Outcome> done) override;
  void contact_part(std::string_view contact, std::string_view by, Done<Outcome> done) override;
  void contact_said(std::string_view contact, std::string_view number, Done<Outcome> done) override;
  void contact_ask(std::string_view contact, std::string_view address, std::string_view code, std::string_view by,
                   Done<Outcome> done) override;
  void contact_prove(std::string_view contact, std::string_view code, Done<Outcome> done) override;
  void contact(std::string_view id, const std::vector<std::string>& portfolios, Done<Citizen> done) override;
  void contact_at(std::string_view address, Done<std::string> done) override;

  // Media, agents, sessions, shards.
  void media_due(std::string_view account, const LeaseRef& lease, int most, Done<std::vector<MediaJob>> done) override;
  void media_done(std::string_view account, const MessageRef& ref, std::string_view sha256, std::int64_t size,
                  std::string_view failed, Done<Outcome> done) override;
  void agent_put(std::string_view id, const Fields& fields, Done<Outcome> done) override;
  void agent_set(std::string_view id, std::string_view availability, std::string_view reason, std::string_view by,
                 Done<Outcome> done) override;
  void queue_put(std::string_view id, const Fields& fields, Done<Outcome> done) override;
  void routes_put(const std::vector<Route>& routes, Done<Outcome> done) override;
  void session(std::string_view shard, std::int64_t shard_epoch, std::string_view agent_id, std::string_view session_id,
               bool open, Done<Outcome> done) override;
  void node_start(std::string_view shard, std::int64_t ttl_ms, Done<Outcome> done) override;
  void node_beat(std::string_view shard, std::int64_t epoch, std::int64_t ttl_ms, const std::vector<std::string>& wanted,
                 Done<Beat> done) override;
  void node_stop(std::string_view shard, std::int64_t epoch, Done<Outcome> done) override;
  void sweep(int most, std::int64_t ttl_ms, Done<Outcome> done) override;
  void sla_tell(std::string_view conversation, const Term& term, Done<Outcome> done) override;
  void archive_due(WallTime before, int most, Done<std::vector<Due>> done) override;
  void archive_later(const std::vector<std::string>& conversations, WallTime at, Done<Outcome> done) override;
  void archive_done(const Archived& what, Done<Outcome> done) override;
  void history_add(std::string_view from, std::string_view to, const std::vector<HistoryRow>& rows, Done<Outcome> done) override;
  void recount(std::string_view conversation, Done<Outcome> done) override;

  // Reading.
  void cards(const std::vector<std::string>& conversations, Done<std::vector<Card>> done) override;
  void desk(std::string_view id, Done<DeskView> done) override;
  void replay(std::string_view id, std::int64_t after, Done<Replay> done) override;
  void entries(std::string_view conversation, const std::vector<std::int64_t>& ns, Done<std::vector<Line>> done) override;
  void page(std::string_view conversation, std::int64_t after, int limit, Done<Page> done) override;
  void conversations(std::string_view after, int limit, Done<Conversations> done) override;
  void snapshot(Done<Snapshot> done) override;

 private:
  // Telling the world.
  void transition(std::string_view kind, const std::string& conversation, std::int64_t gen, const std::string& agent,
                  const std::string& queue, const Fields& more);
  void transition(std::string_view kind, const Conversation& c, const std::string& agent, const Fields& more = {});
  // One event for an agent: counted, kept for replay, published. `body` is published only.
  void tell(const std::string& id, char kind, const Conversation& c, std::int64_t x, std::string y, std::string extra,
            std::string_view body = {});
  void agent_news(const std::string& id, std::string why);

  // Deadlines.
  void add_deadline(std::int64_t at, Deadline deadline);
  void drop_deadline(const Deadline& deadline);
  // Where no shard lived for a whole lease, what agents owed meanwhile is due later by as much.
  bool were_away(std::int64_t ttl_ms);
  void fall_due(const Deadline& deadline);

  // Who carries what.
  bool can_take(const std::string& id, std::int64_t weight) const;
  bool is_excluded(const Conversation& c, const std::string& agent) const;
  // Its owner carries it with another weight from now on. Answers his load.
  std::int64_t reweigh(Conversation& c, std::int64_t weight);
  std::int64_t let_go(const Conversation& c);
  void give(Conversation& c, const std::string& id, std::int64_t ttl_ms, bool at_once, const std::string& why,
            bool with_card = false);
  // It waits no longer where it waited.
  void leave_line(const Conversation& c);
  // Whom its agent invited need not answer any more; c has its new generation already.
  void disinvite(Conversation& c, const std::string& why);
  Outcome take_over(Conversation& c, const std::string& id);
  void not_taken_over(Conversation& c, const std::string& why);
  void opens(Conversation& c);
  void missed(const std::string& id);
  bool is_queue(const std::string& id) const;
  int weight_in(const std::string& queue, const std::string& what, int otherwise) const;
  std::string queue_field(const std::string& id, const std::string& field) const;  // "" if it is not there
  // Directives: one function each.
  Outcome hand_to(Conversation& c, const Directive& what);
  Outcome move_to(Conversation& c, const Directive& what);
  Outcome prioritise(Conversation& c, const Directive& what);
  Outcome reopen(Conversation& c, const Directive& what);
  Outcome merge(Conversation& c, const Directive& what);
  Outcome describe(Conversation& c, const Directive& what);
  Outcome switch_to(Conversation& c, const Directive& what);
  Outcome directed(const Directive& what);
  // Back to its queue with the same place: eff never changes.
  void requeue(Conversation& c, const std::string& why, bool ban, const std::string& reason = {});
  // A parked conversation, or one in wrap-up, has news: back to its agent if he can take it, else to its queue.
  void wake(Conversation& c, const std::string& why);
  // The last owner's name stays on it: he still hears what becomes of his messages.
  void shut(Conversation& c, std::string why);
  // With a program.
  bool is_there(const std::string& bot) const;
  void open_with(Conversation& c, const std::string& bot, std::string_view entry);
  void unsent(const MessageRef& ref);
  // It leaves the program: what that wrote and nobody has claimed fails.
  void silence(Conversation& c);
  // Claimed before the handover and given back after it: it fails instead.
  bool is_too_late(const MessageRef& ref);
  void leave_until(Conversation& c, std::int64_t opens);
  // Answers whether the archive was to look at it.
  bool unshelve(const std::string& id);

  // Presence.
  void withdraw_offers(const std::string& id, const std::string& why);
  void session_gone(const std::string& id);
  // Its epoch ends with it: if it was only slow, it hears `lost`.
  Shard& shard_gone(const std::string& id);
  bool owns(std::string_view account, const LeaseRef& ref) const;

  // The log.
  std::int64_t append(Conversation& c, State state, std::string_view entry);
  // Forward only, and `open` with it. Answers whether it moved, and from where; nothing if there is no such entry.
  std::pair<bool, std::optional<State>> advance(const MessageRef& ref, State to);
  static void fly(Road& road, const MessageRef& ref, std::int64_t epoch, int lane);
  // The one in flight has its answer: the next that still waits gets the turn.
  void land(std::string_view account, const MessageRef& ref);
  std::optional<Outcome> done_before(std::string_view author, std::string_view client_id);
  void remember(std::string_view author, std::string_view client_id, const MessageRef& ref);
  // What was done is remembered under its client_id; a refusal is decided anew.
  Done<Outcome> remembering(const Command& by, Done<Outcome> done);
  static Outcome closed_window(std::int64_t until);
  Outcome replied(const Reply& what);
  bool settled(std::string_view account, const Settled& item);
  // Nobody waits before it, and the caller has the lane.
  bool at_once(const std::string& account, Lane lane, const LeaseRef& lease) const;
  // Into its lane, or into the owner's hands.
  void set_off(const std::string& account, const MessageRef& ref, Lane lane, bool claimed, const LeaseRef& lease);
  Conversation* log_of_sends(const Send& what);
  bool is_on_its_way(const std::string& account, const MessageRef& ref) const;

  // What providers call our messages.
  void learn(std::string_view account, const Settled& item);
  bool heard(std::string_view account, const NamedReceipt& receipt);

  // Citizens.
  std::string root_of(const std::string& contact) const;
  std::vector<std::string> group_of(const std::string& root) const;
  Outcome join(const std::string& from, const std::string& into, const std::string& by);
  // What he writes where `c` is answered comes into `into`; elsewhere: which is answered at another place.
  void lead(const Conversation& c, const std::string& into, bool elsewhere);

  // Ingest.
  bool seen_before(const Ingest& what);
  void unsee(const Ingest& what);
  // The contact these addresses lead to, "" if none; missing addresses are written. Also the conversation the first one led to
  // last.
  std::pair<std::string, Conversation*> contact_of(const Ingest& what, const std::array<std::string, 3>& addresses);
  // Nobody is overtaken: none of the agent's queues may hold a waiting conversation.
  bool hint_holds(const Ingest& what) const;
  Ingested ingested(const Ingest& what);

  std::function<WallTime()> clock_;
  std::int64_t now_ = 0;  // of the command under way
  std::string actor_;     // who directs it, if it is not the conversation's agent
  std::int64_t transitions_ = 0;
  World w_;
};

}  // namespace belfry::routing::model
