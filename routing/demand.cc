#include "routing/demand.h"

#include <algorithm>
#include <charconv>

#include "belfry/list.h"

namespace belfry::routing {
namespace {

template <class T>
bool holds(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

int level_in(const std::vector<Skill>& skills, std::string_view id) {
  for (const Skill& skill : skills) {
    if (skill.id == id) return skill.level;
  }
  return 0;
}

template <class Number>
bool read_number(std::string_view text, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size() && out >= 0;
}

// The part before the next `mark`; the rest stays in `text`.
std::string_view part_of(std::string_view& text, char mark) {
  const auto at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

}  // namespace

Result<Skill> parse_skill(std::string_view text) {
  Skill out;
  const auto colon = text.find(':');
  out.id = std::string(text.substr(0, colon));
  if (out.id.empty()) return fail(Errc::kBadInput, "a skill has an id, as in water or water:3");
  if (colon == std::string_view::npos) return out;
  const std::string_view level = text.substr(colon + 1);
  if (level.size() != 1 || level[0] < '1' || level[0] > '0' + kMaxLevel)
    return fail(Errc::kBadInput, "the level of a skill is 1 to 5, as in " + out.id + ":3");
  out.level = level[0] - '0';
  return out;
}

std::vector<Skill> parse_skills(std::string_view list) {
  std::vector<Skill> out;
  for (const std::string& item : split_list(list)) {
    if (auto skill = parse_skill(item)) out.push_back(std::move(*skill));
  }
  return out;
}

std::vector<Step> parse_steps(std::string_view text) {
  std::vector<Step> out;
  while (!text.empty()) {
    std::string_view item = part_of(text, ';');
    Step step;
    if (!read_number(part_of(item, '|'), step.after_ms) || !read_number(part_of(item, '|'), step.lower_levels)) continue;
    step.drop = split_list(part_of(item, '|'));
    step.add = std::string(item);
    out.push_back(std::move(step));
  }
  return out;
}

std::string write_steps(const std::vector<Step>& steps) {
  std::string out;
  for (const Step& step : steps) {
    if (!out.empty()) out += ';';
    out += std::to_string(step.after_ms) + "|" + std::to_string(step.lower_levels) + "|" + join_list(step.drop) + "|" + step.add;
  }
  return out;
}

std::string wrong_with(const std::vector<Step>& steps) {
  if (steps.size() > kMaxSteps) return "are more than six; six are enough to ask for less";
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const std::string which = "step " + std::to_string(i + 1);
    if (i > 0 && step.after_ms <= steps[i - 1].after_ms) return "are not in order: " + which + " must come after the one before";
    if (step.lower_levels == 0 && step.drop.empty() && step.add.empty())
      return "ask for nothing less in " + which + ": give it lower_levels, drop or add";
  }
  return {};
}

Demand demand_of(std::string_view queue, const std::vector<Skill>& skills, const std::vector<Step>& steps, std::size_t step) {
  Demand out{std::string(queue), skills, {std::string(queue)}, {}};
  int lower = 0;
  std::vector<std::string> dropped;
  for (std::size_t i = 0; i < std::min(step, steps.size()); ++i) {
    lower = std::max(lower, steps[i].lower_levels);
    dropped.insert(dropped.end(), steps[i].drop.begin(), steps[i].drop.end());
    if (!steps[i].add.empty() && !holds(out.queues, steps[i].add)) out.queues.push_back(steps[i].add);
  }
  for (const Skill& skill : skills) {
    if (!holds(dropped, skill.id)) out.skills.push_back({skill.id, std::max(1, skill.level - lower)});
  }
  return out;
}

std::size_t steps_after(const std::vector<Step>& steps, std::int64_t waited_ms) {
  std::size_t n = 0;
  while (n < steps.size() && waited_ms >= steps[n].after_ms) ++n;
  return n;
}

Fit fit_of(const Demand& demand, const std::vector<std::string>& queues, const std::vector<Skill>& skills) {
  Fit fit;
  fit.member = std::any_of(queues.begin(), queues.end(), [&](const std::string& queue) { return holds(demand.queues, queue); });
  fit.skilled = std::all_of(demand.skills.begin(), demand.skills.end(),
                            [&](const Skill& asked) { return level_in(skills, asked.id) >= asked.level; });
  if (!holds(queues, demand.queue)) ++fit.relaxed;
  for (const Skill& asked : demand.exact) {
    const int level = level_in(skills, asked.id);
    fit.levels += level;
    if (level < asked.level) ++fit.relaxed;
  }
  return fit;
}

}  // namespace belfry::routing
