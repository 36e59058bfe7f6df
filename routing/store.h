// The store: every command that changes what is true, and the reads a desk needs. Two bodies: store_redis (one FCALL each,
// routing/functions) and store_memory (the reference model). The same request gets the same reply from both.
//
// Thread: one Store a shard. A callback comes exactly once, later or from inside the call. kUnavailable: nothing was kept.
// kTimeout: unknown; the same call again is safe, each command says why in routing/functions.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/message.h"
#include "belfry/result.h"
#include "routing/calendar.h"
#include "routing/contact.h"
#include "routing/demand.h"
#include "routing/routes.h"
#include "routing/service_level.h"

namespace belfry::routing {

// Weights are integers, ten to one conversation. A queue may say otherwise, by channel and state.
inline constexpr int kWeight = 10;
inline constexpr int kWrapWeight = 3;
inline constexpr int kParkWeight = 0;

// Priority in minutes that no waiting can reach: danger to life goes before all else, and keeps its own order.
inline constexpr std::int64_t kLifeSafety = 20'000'000;

// A choice made from a mirror, before the store is asked.
struct Hint {
  std::string agent;
  std::int64_t agent_gen = 0;
  std::string reasons;  // JSON of pick's vector, kept with the offer
};

struct Ingest {
  std::string account;
  std::string channel;                 // "wa", "sms", "web"
  std::string dedupe;                  // unique within account, at most 200 octets
  bool may_repeat = false;             // it is a hash of the bytes: a repeat only until acknowledged()
  bool fresh = false;                  // with may_repeat: it is another, whatever is not acknowledged yet
  WallTime at;                         // the provider's time: chooses the dedupe day
  std::vector<std::string> addresses;  // 1 to 3, none with a newline in it
  std::string name;
  std::string queue;
  WallTime window_until;  // 0: the window is not extended
  bool may_open = true;
  bool room = true;         // false: what would open a conversation is refused, kFull
  std::string entry;        // encode_entry
  std::string old_address;  // Identity: whose contact gets the addresses
  bool has_media = false;   // its media is to be fetched: remembered in the same call
  std::optional<Hint> hint;
  std::int64_t offer_ttl_ms = 45'000;
  bool auto_accept = false;
  std::int64_t priority = 0;  // minutes
  int weight = kWeight;
  WallTime opens;   // 0: its queue is open. Else what opens waits for that first, in state after_hours
  std::string bot;  // if it is there, it has what opens, in state bot, by day and by night
};
struct Ingested {
  enum class Kind : std::uint8_t { kNew, kOk, kDuplicate, kNone, kFull } kind = Kind::kNone;
  MessageRef ref;
  std::string contact;
  std::int64_t gen = 0;
  std::string state;
  std::string owner;
};

// How a command on a conversation ended.
struct Outcome {
  enum class What : std::uint8_t {
    kOk,
    kRepeat,   // this client_id was done before: ref tells what came of it
    kStale,    // gen, state and owner are what is true now
    kMissing,  // no such conversation, agent
    kRefused,  // why: not_ready, excluded, no_queue, same_agent, same_queue, full, other_open, not_open, not_waiting,
               // other_contact, not_his, same_address, sending, not_active, switched; of contacts: same_contact, too_many,
               // not_merged, too_often, none, wrong, too_many_numbers; of sends: consent
    kWindow,   // the provider's window is closed: a template is the remedy
    kLost,     // the caller's lease or epoch is not current
  } what = What::kOk;
  std::int64_t gen = 0;
  std::string state;
  std::string owner;
  std::string why;
  MessageRef ref;
  bool claimed = false;  // reply, send: the caller is to hand it over now
  std::string address;
  WallTime window_until;
};

struct Offer {
  std::string conversation;
  std::int64_t gen = 0;
  std::string agent;
  std::int64_t ttl_ms = 45'000;
  bool auto_accept = false;
  std::string reasons;
};
// A command of the conversation's owner.
struct Command {
  std::string conversation;
  std::int64_t gen = 0;
  std::string agent;
  std::string client_id;  // done once in 24 h under this id: a repeat hears kRepeat. Empty: no such care
};
struct Wrap {
  std::int64_t ms = 0;  // 0: closed at once
  int weight = kWrapWeight;
};
// Time and weight of wrap-up, and the weight of what is parked, as the conversation's queue has them.
inline constexpr Wrap kAsQueueSays{-1, -1};
struct Transfer {
  Command by;
  std::string to_queue, to_agent;  // one of them; warm, both: the agent, and the queue that it is of when he accepts
  std::int64_t ttl_ms = 45'000;    // of the offer to an agent
  // To an agent: he is invited, and the present one keeps it until he accepts; a decline or no answer leaves it where it is.
  bool warm = false;
  WallTime opens;  // when the queue does, if it is closed: what a program hands over waits for that
};
// What somebody says who does not have the conversation: a supervisor, a program, the house. Or, with `agent`, its owner.
struct Directive {
  enum class Verb : std::uint8_t {
    kTake,      // to the agent `target` at once, whatever his availability, if he is there and has room
    kAssign,    // offered to the agent `target`
    kRequeue,   // back to its queue, or to `target`
    kClose,     // with the code `target`
    kPriority,  // `target` minutes
    kReopen,    // a closed one: it waits again in its queue, or in `target`
    kMerge,     // into `target`, an open conversation of the same citizen
    kDescribe,  // `target` is queue|attributes, as write_attributes: kept, and unless an agent has it,
                // it is of that queue from now on. No queue: it stays where it is
    kSwitch,    // an active one: answered from now on at `target`, account|channel|address, an address of the same citizen
  } verb = Verb::kRequeue;
  std::string conversation;
  std::optional<std::int64_t> gen;  // none: whatever it is
  std::string target;
  std::string by;     // for the transition log
  std::string agent;  // not empty: only if it is his
  std::int64_t ttl_ms = 60'000;
  std::string client_id;
};
std::string_view name_of(Directive::Verb verb);
struct LeaseRef {
  std::string shard;
  std::int64_t epoch = 0;  // 0: not the owner
};
struct Reply {
  Command by;             // by.agent empty: the API, which needs no ownership
  std::string client_id;  // empty: no dedupe
  std::string author;     // whose client_id it is
  std::string entry;
  std::string account;  // that the content and the lease are for: if it is answered elsewhere now, kRefused, switched. Empty: any
  Lane lane = Lane::kConversation;
  bool needs_window = false;
  LeaseRef lease;  // of the account, if this shard owns it and has credit: then the entry is claimed at once
};
struct Send {
  std::string account, channel, address, client_id, author, entry;  // the entry names the address too: Entry::to
  Lane lane = Lane::kConversation;
  bool needs_window = false;
  bool room = true;              // false: into what there is, or refused: full
  bool despite_refusal = false;  // it answers him who refuses to be written to
  LeaseRef lease;
};
struct Settled {
  MessageRef ref;
  State state = State::kSent;
  std::string provider_id;
  std::string reason;
  // What the provider will call it in later receipts, one name for each part of it. Kept for a week.
  std::vector<std::string> names;
};
// A receipt that names a message as its provider does. One that comes before the name is known is kept for a minute, for
// settle().
struct NamedReceipt {
  std::string name;
  State state = State::kSent;
  std::string reason;
  std::string to;                     // the citizen's number in digits: of another message with this name it would be another
  std::optional<MessageRef> suspect;  // nobody knows the name: this one, if it is uncertain
};
// How many may be claimed: of all lanes, and of that for alerts.
struct Room {
  int messages = 0;
  int alerts = 0;
};
// What there is of a long message.
struct PartSet {
  enum class What : std::uint8_t { kKept, kWhole, kFull } what = What::kKept;
  std::string name;
  int of = 0;
  std::map<int, std::string> parts;
  WallTime since;  // when the first of them came
};
struct PutBack {
  MessageRef ref;
  WallTime not_before;
};
struct Claimed {
  MessageRef ref;
  std::string address;
  std::string entry;
  Lane lane = Lane::kConversation;
};
struct Claims {
  bool lost = false;  // the lease is not ours
  std::vector<Claimed> items;
};
struct Granted {
  std::string name;  // "matcher", "acct:<id>"
  std::int64_t epoch = 0;
};
struct Beat {
  // This shard's lease lapsed, or another process took its id: its sessions and leases are gone here. node_start, then tell
  // the sessions anew.
  bool lost = false;
  std::vector<Granted> leases;
};

// A conversation as a desk sees it.
struct Card {
  std::string conversation, state, owner, queue, channel, account, contact, name, address, why;
  std::string invited;                // whom its agent invited to take it over
  std::string into;                   // the conversation it was merged into
  std::string previous;               // the citizen's conversation before it
  std::optional<MessageRef> answers;  // what we had sent there last without a conversation
  std::int64_t gen = 0, n = 0, open = 0;
  std::int64_t eff = 0;  // its place: lower is sooner
  WallTime first, window_until, given, last;
  WallTime first_reply, unanswered, closed;  // of an agent; the citizen's oldest message since a reply; 0: none
  WallTime handed_over;                      // by a program: since then a person owes an answer; 0: never
  std::string attributes;                    // as write_attributes, a line each
  std::string last_entry;
};
// What its queue's clocks run by: while a program has it nobody waits, and then they count from the handover.
Course course_of(const Card& card);
struct DeskView {
  bool missing = false;
  std::int64_t seq = 0;
  std::string availability, reason, name, roles, queues;
  std::vector<Card> held;
};
// One event line for an agent, see tell() in 00_keys.lua. `body` is what was published with it live: a message's entry,
// or the card line of an offer or an assignment.
struct AgentEvent {
  std::int64_t seq = 0;
  char kind = 0;  // m r o x g c
  std::string conversation, x, y, extra, body;
  WallTime at;
};
Result<AgentEvent> parse_agent_event(std::string_view line);
// What a desk shows of a conversation that comes to it: such a Card has nothing else.
std::string card_line(const Card& card);
std::optional<Card> parse_card_line(std::string_view line);
struct Replay {
  bool reset = false;  // too far behind: start from the desk view
  std::int64_t seq = 0;
  std::vector<AgentEvent> events;
};
struct Line {
  std::int64_t n = 0;
  State state = State::kStored;
  std::string entry, provider_id;
  std::string reason;  // why it failed; of an inbound media: "media:<sha256>|<size>" once it is fetched, "media_failed:<why>"
};
// A media of an inbound message that is to be fetched now.
struct MediaJob {
  MessageRef ref;
  std::string entry;
};
struct Page {
  std::int64_t total = 0;
  std::vector<Line> lines;
};
// What is added to the counts of one hour, queue, channel and language: routing/history.h writes them.
struct HistoryRow {
  std::string day, field, counts;
};
// What is over, and may be archived: a closed conversation, or a log of sends.
struct Due {
  std::string conversation;
  std::int64_t gen = 0;
  WallTime closed, accepted;  // 0: never
};
// A conversation as it stands in the archive: it is deleted only if it is still so.
struct Archived {
  std::string conversation;
  std::int64_t gen = 0;
  std::string states;      // a byte an entry
  std::int64_t facts = 0;  // what else is known of entries: ids of providers and reasons
};
Archived archived(std::string_view conversation, std::int64_t gen, const std::vector<Line>& all);
struct Conversations {
  std::vector<Card> cards;
  std::string next;  // empty: no more
};

// What a mirror is made of.
struct AgentState {
  std::string id, availability;
  std::int64_t sessions = 0, load = 0, capacity = 0, gen = 0, last_assigned = 0;
  std::vector<std::string> queues;
  std::vector<Skill> skills;
  bool bot = false;  // a program: it gets what a route sends to it, and is given nothing else
};
struct Waiting {
  std::string conversation, queue, excluded;
  std::int64_t gen = 0, eff = 0, weight = kWeight;
  std::int64_t since = 0;     // when it began to wait: its queue's steps count from here
  std::string sticky;         // who had the citizen's last conversation
  std::int64_t failures = 0;  // offers in a row that nobody took: each third puts the queue's next step in force
};
struct QueueState {
  std::string id, name;
  bool auto_accept = false;
  std::int64_t offer_ms = 45'000, wrap_ms = 60'000;
  std::int64_t priority = 0;   // minutes by which its conversations count as older than they are
  std::int64_t sticky_ms = 0;  // for so long the agent of the last conversation is waited for, if he is there
  std::vector<Skill> skills;
  std::vector<Step> steps;
  std::optional<Calendar> hours;                    // none: always open
  std::map<std::string, int, std::less<>> weights;  // by channel, and of `wrapup` and `parked`; what is not there weighs as usual
  int weight_of(std::string_view channel) const;
  Goals goals;
};
// "wa=10,wrapup=3": what cannot be read is left out.
std::map<std::string, int, std::less<>> parse_weights(std::string_view list);
// What a queue's fields (`hours`, `zone`, `emergency`) say of its opening. What cannot be read any more, a zone that the machine
// has lost, counts as always open: citizens wait for nobody's mistake.
std::optional<Calendar> hours_of(std::string_view hours, std::string_view zone, std::string_view emergency);
// An emergency as the store keeps it: open or closed|since|until, if it has one|reason.
std::string write_emergency(const Emergency& emergency);
// Offers are made only while the queue is open, and its steps count open time only.
bool is_open(const QueueState& queue, WallTime now);
// When it opens, if it is closed now; 0 if it is open, or nobody knows.
WallTime opens_at(const QueueState& queue, WallTime now);
std::int64_t waited_ms(const QueueState& queue, const Waiting& waiting, WallTime now);
struct Snapshot {
  std::string stream_id;
  std::vector<AgentState> agents;
  std::vector<Waiting> waiting;
  std::vector<QueueState> queues;
  std::vector<Route> routes;
};
using Fields = std::vector<std::pair<std::string, std::string>>;

// The owner's side of an account's lane: what Outgoing needs of a store.
class LaneStore {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  virtual ~LaneStore() = default;
  virtual void claim(std::string_view account, const LeaseRef& lease, const Room& most, Done<Claims> done) = 0;
  // Answers, for each, whether its state moved.
  virtual void settle(std::string_view account, const std::vector<Settled>& items, Done<std::vector<bool>> done) = 0;
  virtual void put_back(std::string_view account, const LeaseRef& lease, const std::vector<PutBack>& items,
                        Done<Outcome> done) = 0;
  // After kTimeout of claim, put_back, or a reply or send under a lease: the store may have claimed what the caller never heard
  // of. Under a new lease epoch (in gen), which shuts out calls still on their way, what the owner holds stays his and the rest
  // of his claims goes back to its lane. Call it when none of those calls is outstanding; if its own answer is lost, learn the
  // epoch from node_beat and call it again. put_back must not simply be repeated: the entry may have been claimed again since.
  virtual void renew(std::string_view account, const LeaseRef& lease, const std::vector<MessageRef>& held,
                     Done<Outcome> done) = 0;
  // What an earlier owner claimed and never settled becomes uncertain. Answers how many in gen.
  virtual void orphans(std::string_view account, const LeaseRef& lease, Done<Outcome> done) = 0;
  // The peer has our yes to these (Ingest::may_repeat): the same bytes are another message from now on. If this is lost they are
  // taken for a repeat for ten minutes.
  virtual void acknowledged(std::string_view account, const std::vector<std::string>& dedupe) = 0;
};

class Store : public LaneStore {
 public:
  // The road in.
  virtual void ingest(const Ingest& what, Done<Ingested> done) = 0;
  virtual void quarantine(std::string_view bytes, std::string_view why, Done<Outcome> done) = 0;
  // The citizen's wish. Gen 1: it is news. Who refuses `all` hears nothing but answers and alerts.
  virtual void consent(const Consent& what, Done<Outcome> done) = 0;
  // One part of a long message. Whole: all are there, and answered until part_done(). Due: `within_ms` is over. The same part
  // twice is one.
  virtual void part(const Part& part, std::int64_t within_ms, Done<PartSet> done) = 0;
  virtual void part_done(std::string_view account, std::string_view set, Done<Outcome> done) = 0;
  virtual void parts_due(std::string_view account, Done<std::vector<PartSet>> done) = 0;
  // Answers, for each, whether somebody knows it.
  virtual void receipts(std::string_view account, const std::vector<NamedReceipt>& items, Done<std::vector<bool>> done) = 0;

  // The life of a conversation.
  virtual void offer(const Offer& what, Done<Outcome> done) = 0;
  virtual void accept(const Command& by, Done<Outcome> done) = 0;
  virtual void decline(const Command& by, std::string_view reason, Done<Outcome> done) = 0;
  virtual void close(const Command& by, std::string_view code, const Wrap& wrap, Done<Outcome> done) = 0;
  virtual void park(const Command& by, WallTime until, int weight, Done<Outcome> done) = 0;
  virtual void transfer(const Transfer& what, Done<Outcome> done) = 0;
  virtual void direct(const Directive& what, Done<Outcome> done) = 0;

  // The road out.
  virtual void reply(const Reply& what, Done<Outcome> done) = 0;
  virtual void note(const Command& by, std::string_view client_id, std::string_view author, std::string_view entry,
                    Done<Outcome> done) = 0;
  virtual void send(const Send& what, Done<Outcome> done) = 0;
  // Media of inbound messages, fetched by the owner of the account: at most `most` jobs, handed out again only if he dies.
  virtual void media_due(std::string_view account, const LeaseRef& lease, int most, Done<std::vector<MediaJob>> done) = 0;
  // Fetched (sha256 and size), or given up (`failed` says why). The owner's desk is told.
  virtual void media_done(std::string_view account, const MessageRef& ref, std::string_view sha256, std::int64_t size,
                          std::string_view failed, Done<Outcome> done) = 0;

  // Citizens. Merging attaches one contact to another and rewrites nothing; parting undoes it. Both are told in the transition
  // stream, by whom.
  virtual void contact_join(std::string_view contact, std::string_view into, std::string_view by, Done<Outcome> done) = 0;
  virtual void contact_part(std::string_view contact, std::string_view by, Done<Outcome> done) = 0;
  virtual void contact_said(std::string_view contact, std::string_view number, Done<Outcome> done) = 0;
  // A code goes to `address`; if `contact` sends it back within ten minutes, both are his. Three an hour, five tries each.
  virtual void contact_ask(std::string_view contact, std::string_view address, std::string_view code, std::string_view by,
                           Done<Outcome> done) = 0;
  virtual void contact_prove(std::string_view contact, std::string_view code, Done<Outcome> done) = 0;
  // `portfolios`: of WhatsApp, to look for his numbers in.
  virtual void contact(std::string_view id, const std::vector<std::string>& portfolios, Done<Citizen> done) = 0;
  virtual void contact_at(std::string_view address, Done<std::string> done) = 0;  // empty: nobody's

  // Agents, sessions, shards.
  virtual void agent_put(std::string_view id, const Fields& fields, Done<Outcome> done) = 0;  // gen 1: created
  // `by`: who says so, if it is not himself.
  virtual void agent_set(std::string_view id, std::string_view availability, std::string_view reason, std::string_view by,
                         Done<Outcome> done) = 0;
  virtual void queue_put(std::string_view id, const Fields& fields, Done<Outcome> done) = 0;
  virtual void routes_put(const std::vector<Route>& routes, Done<Outcome> done) = 0;
  virtual void session(std::string_view shard, std::int64_t shard_epoch, std::string_view agent, std::string_view session_id,
                       bool open,
                       Done<Outcome> done) = 0;  // gen: the agent's present sequence
  // A start, beat or sweep that finds the last start or beat of any shard longer ago than `ttl_ms` moves the deadlines of offers
  // and of absent agents by as much (nobody could be answered meanwhile); such a sweep does no more.
  virtual void node_start(std::string_view shard, std::int64_t ttl_ms, Done<Outcome> done) = 0;  // gen: the epoch
  virtual void node_beat(std::string_view shard, std::int64_t epoch, std::int64_t ttl_ms, const std::vector<std::string>& wanted,
                         Done<Beat> done) = 0;
  virtual void node_stop(std::string_view shard, std::int64_t epoch, Done<Outcome> done) = 0;
  virtual void sweep(int most, std::int64_t ttl_ms, Done<Outcome> done) = 0;  // gen: how many deadlines were due
  // What a clock of a conversation came to is told once, as an entry `sla` of the transition stream: `predicted` or `breached`.
  // kStale: the clock does not run any more. kRefused, told: it was told before, or worse.
  virtual void sla_tell(std::string_view conversation, const Term& term, Done<Outcome> done) = 0;
  // The end of memory. `before`: of the time of closing, or of archive_later.
  virtual void archive_due(WallTime before, int most, Done<std::vector<Due>> done) = 0;
  virtual void archive_later(const std::vector<std::string>& conversations, WallTime at, Done<Outcome> done) = 0;
  // After it is on disk. kMissing: it was deleted before. kStale: something of it changed, or waits for news; read it again.
  virtual void archive_done(const Archived& what, Done<Outcome> done) = 0;

  // Counts of a step through the transition stream, from the entry counted last to this one. Stale: it was counted up to `state`
  // already; nothing was added.
  virtual void history_add(std::string_view from, std::string_view to, const std::vector<HistoryRow>& rows,
                           Done<Outcome> done) = 0;
  virtual void recount(std::string_view conversation, Done<Outcome> done) = 0;  // gen: the difference

  // Reading.
  virtual void cards(const std::vector<std::string>& conversations, Done<std::vector<Card>> done) = 0;  // absent ones left out
  virtual void desk(std::string_view agent, Done<DeskView> done) = 0;
  virtual void replay(std::string_view agent, std::int64_t after, Done<Replay> done) = 0;
  virtual void entries(std::string_view conversation, const std::vector<std::int64_t>& ns, Done<std::vector<Line>> done) = 0;
  virtual void page(std::string_view conversation, std::int64_t after, int limit, Done<Page> done) = 0;
  virtual void conversations(std::string_view after, int limit, Done<Conversations> done) = 0;
  virtual void snapshot(Done<Snapshot> done) = 0;
};

}  // namespace belfry::routing
