// What the store's two bodies share.
#include "routing/store.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

std::int64_t to_int(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

std::string_view name_of(Directive::Verb verb) {
  switch (verb) {
    case Directive::Verb::kTake: return "take";
    case Directive::Verb::kAssign: return "assign";
    case Directive::Verb::kRequeue: return "requeue";
    case Directive::Verb::kClose: return "close";
    case Directive::Verb::kPriority: return "priority";
    case Directive::Verb::kReopen: return "reopen";
    case Directive::Verb::kMerge: return "merge";
    case Directive::Verb::kDescribe: return "describe";
    case Directive::Verb::kSwitch: return "switch";
  }
  return "";
}

Course course_of(const Card& card) {
  return {card.handed_over.ms > 0 ? card.handed_over : card.first, card.first_reply, card.unanswered, card.closed};
}

int QueueState::weight_of(std::string_view what) const {
  if (const auto it = weights.find(what); it != weights.end()) return it->second;
  return what == "wrapup" ? kWrapWeight : what == "parked" ? kParkWeight : kWeight;
}

std::map<std::string, int, std::less<>> parse_weights(std::string_view list) {
  std::map<std::string, int, std::less<>> out;
  for (const std::string& item : split_list(list)) {
    const auto equals = item.find('=');
    if (equals == std::string::npos) continue;
    int weight = -1;
    std::from_chars(item.data() + equals + 1, item.data() + item.size(), weight);
    if (weight >= 0) out[item.substr(0, equals)] = weight;
  }
  return out;
}

Result<AgentEvent> parse_agent_event(std::string_view line) {
  AgentEvent event;
  if (const auto newline = line.find('\n'); newline != std::string_view::npos) {
    event.body = std::string(line.substr(newline + 1));
    line = line.substr(0, newline);
  }
  std::array<std::string_view, 7> part;
  for (std::size_t i = 0; i < part.size(); ++i) {
    const auto bar = i + 1 < part.size() ? line.find('|') : std::string_view::npos;
    if (i + 1 < part.size() && bar == std::string_view::npos) return fail(Errc::kInternal, "an agent's event does not parse");
    part[i] = line.substr(0, bar);
    if (bar != std::string_view::npos) line = line.substr(bar + 1);
  }
  if (part[1].size() != 1) return fail(Errc::kInternal, "an agent's event has an odd kind");
  event.seq = to_int(part[0]);
  event.kind = part[1][0];
  event.conversation = std::string(part[2]);
  event.x = std::string(part[3]);
  event.y = std::string(part[4]);
  event.at = WallTime{to_int(part[5])};
  event.extra = std::string(part[6]);
  return event;
}

std::string card_line(const Card& c) {
  std::string out;
  if (!c.attributes.empty()) return out;
  for (const std::string_view part : {std::string_view(c.owner), std::string_view(c.queue), std::string_view(c.channel),
                                      std::string_view(c.account), std::string_view(c.contact)}) {
    out.append(part).append("|");
  }
  for (const std::int64_t part : {c.first.ms, c.window_until.ms, c.n, c.last.ms}) out.append(std::to_string(part)).append("|");
  out.append(c.previous).append("|").append(std::to_string(c.name.size())).append("|");
  return out.append(c.name).append(c.last_entry);
}

std::optional<Card> parse_card_line(std::string_view line) {
  std::array<std::string_view, 11> part;
  for (std::string_view& each : part) {
    const auto bar = line.find('|');
    if (bar == std::string_view::npos) return std::nullopt;
    each = line.substr(0, bar);
    line.remove_prefix(bar + 1);
  }
  const auto name = static_cast<std::size_t>(std::max<std::int64_t>(0, to_int(part[10])));
  if (name > line.size()) return std::nullopt;
  Card c;
  c.owner = part[0];
  c.queue = part[1];
  c.channel = part[2];
  c.account = part[3];
  c.contact = part[4];
  c.first = WallTime{to_int(part[5])};
  c.window_until = WallTime{to_int(part[6])};
  c.n = to_int(part[7]);
  c.last = WallTime{to_int(part[8])};
  c.previous = part[9];
  c.name = line.substr(0, name);
  c.last_entry = line.substr(name);
  return c;
}

Archived archived(std::string_view conversation, std::int64_t gen, const std::vector<Line>& all) {
  Archived out;
  out.conversation = std::string(conversation);
  out.gen = gen;
  for (const Line& line : all) {
    out.states.push_back(static_cast<char>(line.state));
    out.facts += (line.provider_id.empty() ? 0 : 1) + (line.reason.empty() ? 0 : 1);
  }
  return out;
}

}  // namespace belfry::routing
