// Reads a role's options; every refusal says what would have been right.
#include "options.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <iostream>
#include <numeric>
#include <utility>

#include "base.h"

namespace sim {

namespace {

std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

Options::Options(std::string role, std::string summary) : role_(std::move(role)), summary_(std::move(summary)) {}

Options& Options::add(std::string name, std::string value, std::string fallback, std::string help) {
  lines_.push_back({std::move(name), std::move(value), std::move(fallback), std::move(help)});
  return *this;
}

Options& Options::section(std::string title) {
  lines_.push_back({"", "", "", std::move(title)});
  return *this;
}

const Options::Line& Options::line(const std::string& name) const {
  for (const auto& each : lines_) {
    if (each.name == name) return each;
  }
  throw std::logic_error("option " + name + " was never added");
}

bool Options::parse(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name == "--help" || name == "-h") {
      std::cout << help();
      return false;
    }
    if (name.substr(0, 2) != "--") {
      if (!words_allowed_)
        throw Refusal("'" + name + "' is not an option of belfry-sim " + role_ + "; see belfry-sim " + role_ + " --help");
      words_.push_back(name);
      continue;
    }
    std::string value;
    const auto equals = name.find('=');
    const bool inline_value = equals != std::string::npos;
    if (inline_value) {
      value = name.substr(equals + 1);
      name.resize(equals);
    }
    const Line* found = nullptr;
    const Line* nearest = nullptr;
    for (const auto& each : lines_) {
      if (each.name.empty()) continue;
      if (each.name == name) found = &each;
      if (nearest == nullptr || distance(each.name, name) < distance(nearest->name, name)) nearest = &each;
    }
    if (found == nullptr) {
      std::string hint = "see belfry-sim " + role_ + " --help";
      if (nearest != nullptr && distance(nearest->name, name) <= 4) hint = "did you mean " + nearest->name + "?";
      throw Refusal("belfry-sim " + role_ + " has no option " + name + "; " + hint);
    }
    if (found->value.empty()) {
      if (inline_value) throw Refusal(name + " takes no value; write it alone");
      given_[name].push_back("1");
      continue;
    }
    if (!inline_value) {
      if (i + 1 >= arguments.size()) throw Refusal(name + " needs a value; write " + name + " " + found->value);
      value = arguments[++i];
    }
    given_[name].push_back(value);
  }
  return true;
}

bool Options::has(const std::string& name) const { return line(name).name == name && given_.count(name) != 0; }

std::string Options::text(const std::string& name) const {
  const auto& row = line(name);
  const auto found = given_.find(name);
  return found == given_.end() ? row.fallback : found->second.back();
}

std::vector<std::string> Options::list(const std::string& name) const {
  const auto& row = line(name);
  const auto found = given_.find(name);
  if (found != given_.end()) return found->second;
  return row.fallback.empty() ? std::vector<std::string>{} : std::vector<std::string>{row.fallback};
}

std::string Options::required(const std::string& name) const {
  auto value = text(name);
  if (value.empty()) throw Refusal("belfry-sim " + role_ + " needs " + name + " " + line(name).value + "; add it");
  return value;
}

std::int64_t Options::number(const std::string& name, std::int64_t low, std::int64_t high) const {
  const auto value = text(name);
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (error != std::errc{} || end != value.data() + value.size() || out < low || out > high) {
    throw Refusal(name + " " + value + ": give a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return out;
}

double Options::rate(const std::string& name) const {
  const auto value = text(name);
  char* end = nullptr;
  const double out = std::strtod(value.c_str(), &end);
  if (value.empty() || *end != '\0' || !(out >= 0 && out <= 1))
    throw Refusal(name + " " + value + ": give a share from 0 to 1, such as 0.05");
  return out;
}

std::int64_t Options::ms(const std::string& name) const {
  const auto value = text(name);
  char* end = nullptr;
  const double out = std::strtod(value.c_str(), &end);
  const std::string_view unit = end;
  const double scale = unit == "ms"                  ? 1
                       : unit.empty() || unit == "s" ? 1000
                       : unit == "m"                 ? 60'000
                       : unit == "h"                 ? 3'600'000
                                                     : -1;
  if (value.empty() || scale < 0 || !(out >= 0) || out * scale > 86'400'000) {
    throw Refusal(name + " " + value + ": give a duration of at most 24 h, such as 300ms, 5s or 2m");
  }
  return static_cast<std::int64_t>(out * scale);
}

std::string Options::help() const {
  std::string out = "belfry-sim " + role_ + ": " + summary_ + "\n";
  for (const auto& each : lines_) {
    if (each.name.empty()) {
      out += "\n" + each.help + "\n";
      continue;
    }
    std::string left = "  " + each.name + (each.value.empty() ? "" : " " + each.value);
    left.resize(std::max<std::size_t>(left.size() + 1, 34), ' ');
    out += left + each.help + (each.fallback.empty() ? "" : " [" + each.fallback + "]") + "\n";
  }
  return out;
}

}  // namespace sim
