#include "gateway/chat/hub.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <utility>

#include "adapters/webchat/frames.h"

namespace belfry::gateway {
namespace {

constexpr std::int64_t kNameFor = 600'000;
constexpr std::size_t kMaxNames = 10'000;

std::string_view cut(std::string_view& rest, char at) {
  const auto end = std::min(rest.find(at), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

void erase_from(std::unordered_map<std::string, std::vector<ChatListener*>>& map, const std::string& key,
                ChatListener* listener) {
  const auto it = map.find(key);
  if (it == map.end()) return;
  std::erase(it->second, listener);
  if (it->second.empty()) map.erase(it);
}

}  // namespace

std::vector<ChatListener*> ChatHub::tabs_of(const std::string& visitor) const {
  std::vector<ChatListener*> tabs;
  const auto [from, to] = visitors_.equal_range(std::hash<std::string>()(visitor));
  for (auto it = from; it != to; ++it) {
    if (it->second->visitor() == visitor) tabs.push_back(it->second);
  }
  return tabs;
}

bool ChatHub::join(ChatListener* listener) {
  if (tabs_of(listener->visitor()).size() >= kMaxTabs) return false;
  visitors_.emplace(std::hash<std::string>()(listener->visitor()), listener);
  return true;
}

void ChatHub::leave(ChatListener* listener) {
  const auto [from, to] = visitors_.equal_range(std::hash<std::string>()(listener->visitor()));
  for (auto it = from; it != to; ++it) {
    if (it->second != listener) continue;
    visitors_.erase(it);
    break;
  }
  follow({}, listener);
}

void ChatHub::follow(const std::string& conversation, ChatListener* listener) {
  if (const auto it = followed_.find(listener); it != followed_.end()) {
    if (it->second == conversation) return;
    erase_from(followers_, it->second, listener);
    followed_.erase(it);
  }
  if (conversation.empty()) return;
  followed_[listener] = conversation;
  followers_[conversation].push_back(listener);
}

void ChatHub::publish(const std::string& payload) const {
  deps_.carry(routing::encode({"PUBLISH", routing::chat_channel(deps_.prefix), payload}), [](const Result<routing::Value>&) {});
}

void ChatHub::tell(const std::string& visitor, const MessageRef& ref, const std::string& entry) const {
  publish(visitor + "|" + ref.conversation + "|" + std::to_string(ref.n) + "|i\n" + entry);
}
void ChatHub::tell_seen(const std::string& visitor, const MessageRef& ref) const {
  publish(visitor + "|" + ref.conversation + "|" + std::to_string(ref.n) + "|r\n");
}
void ChatHub::tell_typing(const std::string& visitor, const std::string& agent) const { publish("~" + visitor + "|" + agent); }

void ChatHub::on_publish(std::string_view payload) {
  std::string_view rest = payload;
  if (rest.starts_with('!')) return announce(rest.substr(1));
  const bool typing = rest.starts_with('~');
  if (typing) rest.remove_prefix(1);
  // A listener may leave while it hears.
  const std::vector<ChatListener*> tabs = tabs_of(std::string(cut(rest, '|')));
  if (tabs.empty()) return;
  if (typing) {
    for (ChatListener* tab : tabs) tab->on_typing(std::string(rest));
    return;
  }
  MessageRef ref;
  ref.conversation = std::string(cut(rest, '|'));
  const std::string_view n = cut(rest, '|'), state = cut(rest, '\n');
  std::from_chars(n.data(), n.data() + n.size(), ref.n);
  const auto known = state_of(state.empty() ? 'i' : state[0]);
  if (ref.n < 1 || !known) return;
  const std::string entry(rest);
  for (ChatListener* tab : tabs) {
    if (*known == State::kRead)
      tab->on_seen(ref);
    else
      tab->on_entry(ref, *known, entry);
  }
}

void ChatHub::announce(std::string_view line) {
  Announcement what;
  if (!parse_announcement(line, what)) return;
  notices_.put(what, deps_.now().wall);
  const std::string frame = webchat::write_alert(what.json);
  std::vector<ChatListener*> all;
  all.reserve(visitors_.size());
  for (const auto& [hash, tab] : visitors_) all.push_back(tab);
  for (ChatListener* tab : all) tab->announce(what, frame);
}

void ChatHub::on_entries(const std::vector<routing::Value>& entries) {
  if (followers_.empty()) return;
  for (const routing::Value& entry : entries) {
    if (entry.array.size() < 2) continue;
    const auto& fields = entry.array[1].array;
    const auto field = [&fields](std::string_view name) -> const std::string& {
      static const std::string kNone;
      for (std::size_t i = 0; i + 1 < fields.size(); i += 2) {
        if (fields[i].text == name) return fields[i + 1].text;
      }
      return kNone;
    };
    const auto it = followers_.find(field("v"));
    if (it == followers_.end()) continue;
    for (ChatListener* listener : std::vector(it->second)) listener->on_change(field("k"), field("a"), field("q"), field("x"));
  }
}

void ChatHub::on_doubt() {
  std::vector<ChatListener*> all;
  for (const auto& [hash, tab] : visitors_) all.push_back(tab);
  for (ChatListener* each : all) each->look_again();
}

void ChatHub::pulse() {
  std::vector<ChatListener*> all;
  for (const auto& [listener, conversation] : followed_) all.push_back(listener);
  for (ChatListener* each : all) each->on_pulse();
}

void ChatHub::name_of(const std::string& agent, std::function<void(const std::string& name)> then) {
  if (agent.empty()) return then({});
  const Instant now = deps_.now().mono;
  if (const auto it = names_.find(agent); it != names_.end() && now < it->second.until) return then(it->second.name);
  deps_.carry(routing::encode({"HGET", routing::key_of(deps_.prefix, "agent:" + agent), "name"}),
              [this, agent, then = std::move(then), now](Result<routing::Value> found) {
                std::string name = found && !found->is_error() ? found->text : std::string();
                if (names_.size() >= kMaxNames) names_.clear();
                if (found) names_[agent] = {name, now + kNameFor};
                then(name);
              });
}

}  // namespace belfry::gateway
