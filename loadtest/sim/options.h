// The command line of one role: a table of options that is also its --help, and errors that name the remedy.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sim {

class Options {
 public:
  Options(std::string role, std::string summary);

  // A line of --help: `value` names what follows the option; an empty one makes it a switch.
  Options& add(std::string name, std::string value, std::string fallback, std::string help);
  Options& section(std::string title);

  // False if help was asked for and printed. Throws Refusal for what it does not know.
  bool parse(const std::vector<std::string>& arguments);

  bool has(const std::string& name) const;  // given by hand
  bool on(const std::string& name) const { return has(name); }
  std::string text(const std::string& name) const;
  std::vector<std::string> list(const std::string& name) const;  // of a repeatable option
  std::int64_t number(const std::string& name, std::int64_t low, std::int64_t high) const;
  double rate(const std::string& name) const;      // 0..1
  std::int64_t ms(const std::string& name) const;  // "300ms", "5s", "2m"; a bare number is seconds
  std::string required(const std::string& name) const;
  const std::vector<std::string>& words() const { return words_; }  // what is not an option
  void allow_words() { words_allowed_ = true; }
  std::string help() const;

 private:
  struct Line {
    std::string name, value, fallback, help;
  };
  const Line& line(const std::string& name) const;
  std::string role_, summary_;
  std::vector<Line> lines_;
  std::map<std::string, std::vector<std::string>> given_;
  std::vector<std::string> words_;
  bool words_allowed_ = false;
};

}  // namespace sim
