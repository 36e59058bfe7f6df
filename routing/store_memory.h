// The reference model: the store's semantics as plain structs, for tests and for the simulation. Call by call it answers what
// routing/functions answer, and tests/live/store_test.cc holds the one against the other.
//
// Clarity before speed, with one rule: where Redis orders by text (ties in a sorted set), the model does too, or two right
// answers would differ. Replies are given before the call returns. Nothing here fails.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "routing/store.h"

namespace belfry::routing {

// What is true, for invariants to read.
namespace model {

// Conversations are numbered from 1; as text, a shorter number is the lower.
struct ByNumber {
  bool operator()(const std::string& a, const std::string& b) const { return a.size() != b.size() ? a.size() < b.size() : a < b; }
};

struct LogLine {
  State state = State::kStored;
  std::string entry, provider_id, reason;
  bool by_bot = false;
};

struct Held {
  int lane = 1;
  std::int64_t n = 0;
};

struct Conversation {
  std::string id, state, owner, queue, channel, account, contact, name, address, why, code;
  std::string excluded;  // "ana:<until>,bob:<until>": not to be offered it again before then
  std::int64_t gen = 1, weight = 0, base = 0, eff = 0, open = 0;
  std::int64_t first = 0, since = 0, window_until = 0, given = 0, last = 0, accepted = 0, closed = 0;
  std::int64_t first_reply = 0, unanswered = 0;  // of an agent; the citizen's oldest message since a reply
  std::map<std::string, std::string> told;       // clock -> since|predicted or breached
  std::string sticky;                            // who had the citizen's last conversation
  std::string invited, invited_to;               // whom its owner invited to take it over, into which queue
  std::string into;                              // the conversation it was merged into
  std::string attributes;                        // as write_attributes, a line each
  std::string previous;                          // the citizen's conversation before it
  std::optional<MessageRef> answers;             // what was sent there last without a conversation
  std::string slot;                              // of a log of sends: account|shard
  std::int64_t failures = 0, arrived = 0, opens = 0, handed_over = 0;
  std::int64_t turn = 0;     // the outbound entry in flight, or about to be; 0: none
  std::deque<Held> hold;     // those that wait for it
  std::vector<LogLine> log;  // entry n is log[n - 1]
};

struct Contact {
  std::string name, address;
  std::map<std::string, std::string> open;  // account -> open conversation
  std::string last_agent;                   // of his last conversation
  std::int64_t last_at = 0;
  std::string latest;    // conversation that was opened
  std::string into, by;  // the contact it is attached to, by whom
  std::int64_t since = 0, folded = 0;
  std::vector<std::string> said;  // numbers
};

// A code that was sent to prove an address.
struct Code {
  std::string code, address, by;
  std::int64_t left = 0, until = 0, asked = 0, hour = 0;
};

struct Address {
  std::string contact, aliases;
  std::map<std::string, std::string> latest;  // account -> latest conversation
  std::set<std::string> elsewhere;            // accounts whose latest conversation is answered at another address
  std::map<std::string, std::int64_t>
      windows;                              // account -> until when he may be written to, where that is not the conversation's
  std::map<std::string, MessageRef> sends;  // account -> what was sent there last without a conversation
  bool refuses = false;                     // to be written to
};

struct Agent {
  std::string availability = "offline", reason, name, roles, queues, skills;
  bool bot = false;
  std::int64_t sessions = 0, load = 0, capacity = 50, gen = 1, seq = 0, missed = 0, last_assigned = 0, absences = 0;
  std::set<std::string, ByNumber> held, invited;
  std::deque<AgentEvent> replay;
};

struct Shard {
  std::int64_t epoch = 0;
  std::optional<std::int64_t> until;                       // unset: not running
  std::set<std::pair<std::string, std::string>> sessions;  // agent, session
};

struct Lease {
  std::string shard;
  std::int64_t shard_epoch = 0, epoch = 0, until = 0;
};

struct Flight {
  MessageRef ref;
  std::int64_t epoch = 0;  // of the lease under which it is claimed
  int lane = 1;
};

// The lanes of one account.
struct Road {
  std::array<std::deque<MessageRef>, 3> lanes;
  std::array<std::set<std::pair<std::int64_t, std::string>>, 3> later;  // not before, conv.n
  std::vector<Flight> flights;                                          // in order of claiming
};

struct Deadline {
  std::string kind, id, stamp;  // offer|conv|gen  wrap|conv|gen  park|conv|gen  gone|agent|nth  unc|account|conv.n
                                // warm|conv|gen  open|conv|gen  back|agent|why
  std::string text() const { return kind + "|" + id + "|" + stamp; }
};

struct Once {
  MessageRef ref;
  std::int64_t until = 0;
};

// What a provider calls a message of ours.
struct Name {
  MessageRef ref;
  std::string to;
  std::size_t of = 1;
};
struct Early {
  std::int64_t at = 0;
  State state = State::kSent;
  std::string reason, numbers;
};
struct Parts {
  std::int64_t at = 0, due = 0, done = 0;  // done: when it is forgotten
  int of = 0;
  std::map<int, std::string> parts;
};

struct MediaWait {
  MessageRef ref;
  std::int64_t next = 0;
};

struct Bucket {
  std::set<std::string> members;
  std::int64_t until = 0;
};

struct World {
  std::int64_t last_id = 0;
  std::map<std::string, Conversation, ByNumber> conversations;
  std::map<std::string, Contact, ByNumber> contacts;
  std::map<std::string, Address> addresses;
  std::map<std::string, Code> codes;                  // contact
  std::map<std::string, std::set<std::string>> said;  // number -> contacts
  std::map<std::string, Agent> agents;
  std::map<std::string, std::map<std::string, std::string>> queues;
  std::map<std::string, std::set<std::pair<std::int64_t, std::string>>> waiting;     // queue -> eff, conversation
  std::map<std::string, std::set<std::pair<std::int64_t, std::string>>> closed_for;  // queue -> when it opens, conversation
  std::set<std::string> draining;
  std::vector<Route> routes;
  std::map<std::string, Shard> shards;
  std::map<std::string, Lease> leases;
  std::map<std::string, Road> roads;
  std::map<std::pair<std::int64_t, std::string>, Deadline> deadlines;  // at, text
  std::map<std::pair<std::string, std::int64_t>, Bucket> seen;         // channel, day
  std::map<std::pair<std::string, std::string>, Once> once;            // author, client_id
  std::deque<std::string> quarantine;
  std::map<std::string, std::map<std::string, std::int64_t>> unacknowledged;          // account -> dedupe -> since
  std::map<std::string, std::pair<std::string, std::int64_t>> sends;                  // account|shard -> log in use, its day
  std::map<std::string, std::map<std::string, std::string>> consents;                 // address -> category -> given or refused
  std::map<std::pair<std::string, std::int64_t>, std::map<std::string, Name>> names;  // account, day -> name
  std::map<std::pair<std::string, std::int64_t>, std::map<std::string, std::size_t>>
      heard;                                                             // the same -> conv.n -> delivered parts
  std::map<std::string, std::map<std::string, Early>> early;             // account -> name
  std::map<std::string, std::map<std::string, Parts>> parts;             // account -> set
  std::map<std::string, std::deque<std::pair<int, MessageRef>>> behind;  // conv.n of a log of sends -> lane and who waits for it
  std::set<std::pair<std::int64_t, std::string>> closed;                 // when the archive is to look at it, conversation
  std::optional<std::int64_t> alive;                                     // when a shard last started or beat
  std::map<std::string, std::vector<MediaWait>> media;                   // account -> media to be fetched
  std::map<std::string, std::map<std::string, std::string>> history;     // day -> field -> counts
  std::string history_at;                                                // the entry of the stream that was counted last
};

}  // namespace model

class MemoryStore : public Store {
 public:
  virtual const model::World& world() const = 0;
  // Called from inside the commands, in order. Unset: nobody listens.
  std::function<void(const std::string& agent, const AgentEvent& event)> on_event;
  std::function<void(const std::string& account)> on_lane;
  std::function<void(const Fields& transition)> on_transition;  // the fields of one entry of the transition stream
};

std::unique_ptr<MemoryStore> make_memory_store(std::function<WallTime()> now);

}  // namespace belfry::routing
