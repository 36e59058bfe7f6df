#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_UNRELEASED_FEATURES 0
#define TOML_ENABLE_FORMATTERS 0
#include "gateway/config.h"

#include "adapters/smpp/account.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <tuple>

// The one file that sees toml++: it is slow to compile, and it warns.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wundef"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include "gateway/redis_link.h"

namespace belfry::gateway {

namespace fs = std::filesystem;

// ---- words of the format

namespace {

std::optional<std::int64_t> number_and_unit(std::string_view text,
                                            std::initializer_list<std::pair<std::string_view, std::int64_t>> units) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || number < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, factor] : units) {
    if (name == unit) {
      if (number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
      return number * factor;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> parse_duration_ms(std::string_view text) {
  return number_and_unit(text, {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}});
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  return number_and_unit(text, {{"B", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40}});
}

bool is_loopback(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  // Only a whole IPv4 address: 127.example.org is somebody else's machine.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

namespace {

struct Url {
  std::string scheme, host, rest;  // rest: path and what follows
  int port = -1;                   // -1: not said
};

std::optional<Url> parse_url(std::string_view text) {
  Url url;
  const auto mark = text.find("://");
  if (mark == std::string_view::npos || mark == 0) return std::nullopt;
  url.scheme = text.substr(0, mark);
  text.remove_prefix(mark + 3);
  const auto slash = text.find_first_of("/?#");
  std::string_view authority = text.substr(0, slash);
  if (slash != std::string_view::npos) url.rest = text.substr(slash);
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  std::string_view port;
  bool has_port = false;
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    url.host = authority.substr(1, close - 1);
    authority.remove_prefix(close + 1);
    if (!authority.empty()) {
      if (authority.front() != ':') return std::nullopt;
      port = authority.substr(1);
      has_port = true;
    }
    if (url.host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos) return std::nullopt;
  } else {
    const auto colon = authority.find(':');
    url.host = authority.substr(0, colon);
    if (colon != std::string_view::npos) {
      port = authority.substr(colon + 1);
      has_port = true;
    }
    for (const char c : url.host) {
      const bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
      if (!fine) return std::nullopt;
    }
  }
  if (url.host.empty()) return std::nullopt;
  if (has_port) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc{} || end != port.data() + port.size() || url.port < 0 || url.port > 65535) return std::nullopt;
  }
  return url;
}

}  // namespace

std::optional<ListenAddress> parse_listen(std::string_view text) {
  const auto url = parse_url(text);
  if (!url || (url->scheme != "http" && url->scheme != "https") || url->port < 0) return std::nullopt;
  if (!url->rest.empty() && url->rest != "/") return std::nullopt;
  return ListenAddress{url->scheme == "https", url->host, static_cast<std::uint16_t>(url->port)};
}

std::string to_string(const ConfigProblem& problem) {
  std::string out = problem.file;
  if (problem.line > 0) out += ":" + std::to_string(problem.line) + ":" + std::to_string(problem.column);
  out += ": ";
  if (problem.warning) out += "warning: ";
  return out + problem.text;
}

bool LoadedConfig::ok() const {
  return std::none_of(problems.begin(), problems.end(), [](const auto& problem) { return !problem.warning; });
}

// ---- reading

namespace {

// How many single-letter changes (a swap of neighbours counts once) lead from one word to the other.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text.substr(0, 80)) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out + (text.size() > 80 ? "…\"" : "\"");
}

std::string alternatives(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
    out += "\"" + words[i] + "\"";
  }
  return out;
}

std::string duration_text(std::int64_t ms) {
  if (ms % 86'400'000 == 0 && ms != 0) return std::to_string(ms / 86'400'000) + "d";
  if (ms % 3'600'000 == 0 && ms != 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0 && ms != 0) return std::to_string(ms / 60'000) + "m";
  if (ms % 1'000 == 0) return std::to_string(ms / 1'000) + "s";
  return std::to_string(ms) + "ms";
}

std::string size_text(std::int64_t octets) {
  for (const auto& [unit, factor] : {std::pair{"GiB", 1LL << 30}, {"MiB", 1LL << 20}, {"KiB", 1LL << 10}}) {
    if (octets % factor == 0 && octets != 0) return std::to_string(octets / factor) + unit;
  }
  return std::to_string(octets) + "B";
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= 40 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-';
  });
}

class Problems {
 public:
  void add(const toml::source_region& where, std::string text, bool warning = false) {
    list.push_back({where.path ? *where.path : "", static_cast<int>(where.begin.line), static_cast<int>(where.begin.column),
                    std::move(text), warning});
  }
  std::vector<ConfigProblem> list;
};

// One section of the configuration: the same table of several files, the later one first in question.
class Section {
 public:
  Section(Problems& problems, std::string name, std::vector<const toml::table*> tables)
      : problems_(problems), name_(std::move(name)), tables_(std::move(tables)) {}

  bool present() const { return !tables_.empty(); }
  const toml::source_region& place() const { return tables_.back()->source(); }

  // The value, and the key is known from now on.
  const toml::node* find(std::string_view key) {
    known_.emplace_back(key);
    for (auto table = tables_.rbegin(); table != tables_.rend(); ++table) {
      if (const auto* node = (*table)->get(key)) return node;
    }
    return nullptr;
  }

  void wrong(const toml::node& node, std::string_view key, const std::string& what, const std::string& todo) {
    problems_.add(node.source(), full(key) + " " + what + "; " + todo);
  }

  const std::string* text_of(const toml::node& node, std::string_view key) {
    if (const auto* value = node.as_string()) {
      if (value->get().find('\0') == std::string::npos) return &value->get();
      wrong(node, key, "holds a NUL octet; no setting may", "remove it");
      return nullptr;
    }
    wrong(node, key, std::string("is ") + kind(node) + "; it must be a text", "put it in quotes");
    return nullptr;
  }

  const toml::node* text(std::string_view key, std::string& out) {
    const auto* node = find(key);
    if (node == nullptr) return nullptr;
    const auto* value = text_of(*node, key);
    if (value == nullptr) return nullptr;
    out = *value;
    return node;
  }

  void flag(std::string_view key, bool& out) {
    const auto* node = find(key);
    if (node == nullptr) return;
    if (const auto* value = node->as_boolean()) {
      out = value->get();
    } else {
      wrong(*node, key, std::string("is ") + kind(*node) + "; it must be true or false", "write true or false without quotes");
    }
  }

  template <class Int>
  const toml::node* number(std::string_view key, Int& out, std::int64_t least, std::int64_t most) {
    const auto* node = find(key);
    if (node == nullptr) return nullptr;
    const auto* value = node->as_integer();
    if (value == nullptr) {
      wrong(*node, key, std::string("is ") + kind(*node) + "; it must be a whole number", "write a number without quotes");
      return nullptr;
    }
    if (value->get() < least || value->get() > most) {
      wrong(*node, key, "is " + std::to_string(value->get()) + "; it is out of range",
            "choose " + std::to_string(least) + " to " + std::to_string(most));
      return nullptr;
    }
    out = static_cast<Int>(value->get());
    return node;
  }

  void duration(std::string_view key, std::int64_t& out, std::int64_t least, std::int64_t most) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_string();
    const auto ms = value != nullptr ? parse_duration_ms(value->get()) : std::nullopt;
    if (!ms) {
      const std::string said = value != nullptr ? "is \"" + value->get() + "\", which is no duration" : "is no duration";
      wrong(*node, key, said + "; a duration is a whole number with ms, s, m, h or d", "write for example \"30s\"");
    } else if (*ms < least || *ms > most) {
      wrong(*node, key, "is " + value->get() + "; it is out of range",
            "choose \"" + duration_text(least) + "\" to \"" + duration_text(most) + "\"");
    } else {
      out = *ms;
    }
  }

  void size(std::string_view key, std::int64_t& out, std::int64_t least, std::int64_t most) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* value = node->as_string();
    const auto octets = value != nullptr ? parse_size(value->get()) : std::nullopt;
    if (!octets) {
      wrong(*node, key, "is no size; a size is a whole number with B, KiB, MiB, GiB or TiB", "write for example \"1MiB\"");
    } else if (*octets < least || *octets > most) {
      wrong(*node, key, "is " + value->get() + "; it is out of range",
            "choose \"" + size_text(least) + "\" to \"" + size_text(most) + "\"");
    } else {
      out = *octets;
    }
  }

  void choice(std::string_view key, std::string& out, const std::vector<std::string>& words) {
    std::string value;
    const auto* node = text(key, value);
    if (node == nullptr) return;
    if (std::find(words.begin(), words.end(), value) == words.end()) {
      wrong(*node, key, "is " + in_quotes(value) + "; it must be " + alternatives(words), "choose one of these");
    } else {
      out = value;
    }
  }

  // Calls `each` for every text of a list.
  void texts(std::string_view key, const std::function<void(const toml::node&, const std::string&)>& each) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* list = node->as_array();
    if (list == nullptr) {
      wrong(*node, key, std::string("is ") + kind(*node) + "; it must be a list of texts", "write [\"…\", \"…\"]");
      return;
    }
    for (const auto& element : *list) {
      if (const auto* value = text_of(element, key)) each(element, *value);
    }
  }

  void texts(std::string_view key, std::vector<std::string>& out) {
    std::vector<std::string> values;
    if (find(key) == nullptr) return;
    texts(key, [&](const toml::node&, const std::string& value) { values.push_back(value); });
    out = std::move(values);
  }

  void id(std::string_view key, std::string& out) {
    std::string value;
    const auto* node = text(key, value);
    if (node == nullptr) return;
    if (value.starts_with("agent_") || value.starts_with("queue_")) {
      wrong(*node, key, "is " + in_quotes(value) + "; agent_ and queue_ stand before ids outside, and no id begins with them",
            "write " + in_quotes(std::string_view(value).substr(6)));
    } else if (!is_id(value)) {
      wrong(*node, key, "is " + in_quotes(value) + "; an id has 1 to 40 of a-z, 0-9 and -", "choose such an id");
    } else {
      out = value;
    }
  }

  // An address to call: https, or http on loopback. No slash at its end, no query.
  void url(std::string_view key, std::string& out) {
    std::string value;
    const auto* node = text(key, value);
    if (node == nullptr) return;
    const auto parsed = parse_url(value);
    if (!parsed || (parsed->scheme != "http" && parsed->scheme != "https") ||
        parsed->rest.find_first_of("?#") != std::string::npos || parsed->port == 0) {
      wrong(*node, key, "is " + in_quotes(value) + "; it must be https://host[:port][/path]", "correct it");
    } else if (parsed->scheme == "http" && !is_loopback(parsed->host)) {
      wrong(*node, key, "is plain http to " + in_quotes(parsed->host) + "; what goes there would be readable on the way",
            "use https (plain http is for loopback)");
    } else {
      while (value.ends_with('/')) value.pop_back();
      out = value;
    }
  }

  // A file that must be there. Returns its path.
  std::optional<std::string> file(const toml::node& node, std::string_view key, const std::string& value) {
    const fs::path base = node.source().path ? fs::path(*node.source().path).parent_path() : fs::path();
    const std::string path = (fs::path(value).is_absolute() ? fs::path(value) : base / value).string();
    struct stat about {};
    if (value.empty() || ::stat(path.c_str(), &about) != 0) {
      const std::string why = value.empty() ? "the path is empty" : std::string(std::strerror(errno));
      wrong(node, key, "names " + in_quotes(path) + ", which cannot be read; " + why, "make the file, or correct the path");
      return std::nullopt;
    }
    if (S_ISDIR(about.st_mode)) {
      wrong(node, key, "names " + in_quotes(path) + "; it is a directory", "name the file in it");
      return std::nullopt;
    }
    if (!std::ifstream(path)) {
      wrong(node, key, "names " + in_quotes(path) + ", which cannot be read; " + std::strerror(errno),
            "let the user that runs belfryd read it");
      return std::nullopt;
    }
    return path;
  }

  void file(std::string_view key, std::string& out, bool secret = false) {
    std::string value;
    const auto* node = text(key, value);
    if (node == nullptr) return;
    if (const auto path = file(*node, key, value)) {
      out = *path;
      if (secret) check_mode(*node, key, *path);
    }
  }

  std::optional<Secret> secret(const toml::node& node, std::string_view key, const std::string& value) {
    const auto path = file(node, key, value);
    if (!path) return std::nullopt;
    check_mode(node, key, *path);
    std::ifstream in(*path, std::ios::binary);
    std::string text(64 * 1024 + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    if (text.empty()) {
      wrong(node, key, "names " + in_quotes(*path) + "; the file is empty", "write the secret into it");
      return std::nullopt;
    }
    if (text.size() > 64 * 1024) {
      wrong(node, key, "names " + in_quotes(*path) + "; it is larger than 64 KiB, so it is no secret", "correct the path");
      return std::nullopt;
    }
    return Secret(std::move(text));
  }

  void secret(std::string_view key, Secret& out) {
    std::string value;
    const auto* node = text(key, value);
    if (node == nullptr) return;
    if (auto read = secret(*node, key, value)) out = std::move(*read);
  }

  // One file, or a list of at most `most`.
  void secrets(std::string_view key, std::vector<Secret>& out, std::size_t most) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto* list = node->as_array();
    if (list == nullptr) {
      if (const auto* value = text_of(*node, key)) {
        if (auto read = secret(*node, key, *value)) out.push_back(std::move(*read));
      }
      return;
    }
    if (list->empty() || list->size() > most) {
      wrong(*node, key, "has " + std::to_string(list->size()) + " files; during rotation there are two", "name one or two files");
      return;
    }
    for (const auto& element : *list) {
      if (const auto* value = text_of(element, key)) {
        if (auto read = secret(element, key, *value)) out.push_back(std::move(*read));
      }
    }
  }

  // Told once for the whole section, because that is how it is mended.
  void require(std::initializer_list<std::string_view> keys) {
    std::string missing;
    int count = 0;
    for (const auto key : keys) {
      const bool there = std::any_of(tables_.begin(), tables_.end(), [&](const auto* table) { return table->contains(key); });
      if (there) continue;
      if (count++ > 0) missing += ", ";
      missing += key;
    }
    if (count == 0) return;
    problems_.add(place(), name_ + " lacks " + missing + "; " + (count == 1 ? "it has no default" : "they have no defaults") +
                               "; add " + (count == 1 ? "it" : "them"));
  }

  // After the last find(): every other key is unknown. A file where a text was meant (password = "…") gets its own words.
  void finish() {
    for (const auto* table : tables_) {
      for (auto&& [key, value] : *table) {
        const std::string_view name = key.str();
        if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
        const std::string file_key = std::string(name) + "_file";
        if (std::find(known_.begin(), known_.end(), file_key) != known_.end()) {
          problems_.add(key.source(),
                        full(name) +
                            " is unknown; a secret does not stand in the configuration; write it into a file and name that as " +
                            file_key);
          continue;
        }
        std::string best;
        std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
        for (const auto& candidate : known_) {
          const std::size_t d = distance(name, candidate);
          if (d < best_distance) {
            best = candidate;
            best_distance = d;
          }
        }
        problems_.add(key.source(), full(name) + " is unknown; " +
                                        (best.empty() ? "nothing here has that name; remove it"
                                                      : "did you mean \"" + best + "\"; correct the name"));
      }
    }
  }

  std::string full(std::string_view key) const { return name_.empty() ? std::string(key) : name_ + " " + std::string(key); }
  Problems& problems() { return problems_; }

  static std::string kind(const toml::node& node) {
    switch (node.type()) {
      case toml::node_type::table: return "a table";
      case toml::node_type::array: return "a list";
      case toml::node_type::string: return "a text";
      case toml::node_type::integer: return "a number";
      case toml::node_type::floating_point: return "a fraction";
      case toml::node_type::boolean: return "true or false";
      default: return "a date or time";
    }
  }

 private:
  void check_mode(const toml::node& node, std::string_view key, const std::string& path) {
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0 && (about.st_mode & S_IROTH) != 0) {
      problems_.add(node.source(),
                    full(key) + " names " + in_quotes(path) + "; everybody on this machine can read it; chmod 600 it", true);
    }
  }

  Problems& problems_;
  std::string name_;
  std::vector<const toml::table*> tables_;
  std::vector<std::string> known_;
};

class Loader {
 public:
  explicit Loader(LoadedConfig& out) : out_(out) {}

  void load(const std::string& path) {
    read(path);
    const fs::path extra = fs::path(path).parent_path() / "conf.d";
    std::error_code error;
    std::vector<std::string> names;
    for (fs::directory_iterator entry(extra, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == ".toml") names.push_back(entry->path().string());
    }
    std::sort(names.begin(), names.end());
    for (const auto& name : names) read(name);

    top();
    std::map<std::string, std::size_t> order;
    for (const auto& name : read_order_) order.emplace(name, order.size());
    std::stable_sort(problems_.list.begin(), problems_.list.end(), [&](const ConfigProblem& a, const ConfigProblem& b) {
      return std::tuple(order[a.file], a.line, a.column) < std::tuple(order[b.file], b.line, b.column);
    });
    out_.problems = std::move(problems_.list);
  }

 private:
  void read(const std::string& path) {
    read_order_.push_back(path);
    std::ifstream file(path, std::ios::binary);
    if (!file || fs::is_directory(path)) {
      const std::string why = fs::is_directory(path) ? "it is a directory" : std::strerror(errno);
      problems_.list.push_back({path, 0, 0, "cannot be read; " + why + "; correct the path or its permissions", false});
      return;
    }
    std::stringstream text;
    text << file.rdbuf();
    auto parsed = toml::parse(text.view(), path);
    if (!parsed) {
      // toml++ stops at the first mistake of a file; the other files are still checked.
      problems_.add(parsed.error().source(), "is not TOML; " + std::string(parsed.error().description()) + "; correct the line");
      return;
    }
    files_.push_back(std::make_unique<toml::table>(std::move(parsed).table()));
  }

  // The tables of that name of all files.
  Section section(Section& above, const std::vector<const toml::table*>& parents, std::string_view key, std::string name) {
    above.find(key);
    std::vector<const toml::table*> tables;
    for (const auto* parent : parents) {
      const auto* node = parent->get(key);
      if (node == nullptr) continue;
      if (const auto* table = node->as_table()) {
        tables.push_back(table);
      } else {
        problems_.add(node->source(),
                      name + " is " + Section::kind(*node) + "; it must be a table; write " + name + " on a line of its own");
      }
    }
    return {problems_, std::move(name), std::move(tables)};
  }

  // Calls `each` for every [[key]] of every file.
  void list(Section& root, std::string_view key, const std::function<void(Section&)>& each) {
    root.find(key);
    const std::string name = "[[" + std::string(key) + "]]";
    for (const auto& file : files_) {
      const auto* node = file->get(key);
      if (node == nullptr) continue;
      const auto* array = node->as_array();
      if (array == nullptr) {
        problems_.add(node->source(), std::string(key) + " is " + Section::kind(*node) + "; there may be several; write " + name);
        continue;
      }
      for (const auto& element : *array) {
        const auto* table = element.as_table();
        if (table == nullptr) {
          problems_.add(element.source(),
                        std::string(key) + " holds " + Section::kind(element) + "; it must hold tables; write " + name);
          continue;
        }
        // The id in its name tells the operator which of several is meant.
        std::string label = name;
        if (const auto* id = table->get("id"); id != nullptr && id->is_string()) label += " " + in_quotes(id->as_string()->get());
        Section section(problems_, label, {table});
        each(section);
        section.finish();
      }
    }
  }

  // Ids are unique among the accounts of all channels, and among queues.
  void unique(Section& section, std::string_view kind_of_id, const std::string& id, std::map<std::string, std::string>& seen) {
    if (id.empty()) return;
    const auto* node = section.find("id");
    const auto& where = node->source();
    const std::string here = (where.path ? *where.path : "") + ":" + std::to_string(where.begin.line);
    const auto [place, fresh] = seen.emplace(id, here);
    if (!fresh) {
      section.wrong(*node, "id", "is taken; " + std::string(kind_of_id) + " at " + place->second + " has it", "choose another");
    }
  }

  void top() {
    std::vector<const toml::table*> tables;
    for (const auto& file : files_) tables.push_back(file.get());
    if (tables.empty()) return;
    Section root(problems_, "", tables);
    Config& c = out_.config;

    {
      Section s = section(root, tables, "server", "[server]");
      if (const auto* node = s.text("state_dir", c.server.state_dir); node != nullptr && !c.server.state_dir.starts_with('/')) {
        s.wrong(*node, "state_dir", "is " + in_quotes(c.server.state_dir) + "; it must be an absolute path", "begin it with /");
      }
      if (c.server.state_dir.size() > 90) {
        s.wrong(*s.find("state_dir"), "state_dir",
                "has more than 90 octets; the sockets in it would have longer names than the kernel allows",
                "choose a shorter one");
      }
      while (c.server.state_dir.size() > 1 && c.server.state_dir.ends_with('/')) c.server.state_dir.pop_back();
      std::string url;
      if (const auto* node = s.text("public_url", url); node != nullptr && !url.empty()) {
        const auto parsed = parse_url(url);
        if (!parsed || (parsed->scheme != "http" && parsed->scheme != "https") ||
            (!parsed->rest.empty() && parsed->rest != "/")) {
          s.wrong(*node, "public_url", "is " + in_quotes(url) + "; it must be https://host[:port]", "correct it");
        } else if (parsed->scheme == "http" && !is_loopback(parsed->host)) {
          s.wrong(*node, "public_url", "is plain http; passwords and messages would be readable on the way", "use https");
        } else {
          while (url.ends_with('/')) url.pop_back();
          c.server.public_url = url;
        }
      }
      std::string node_id;
      if (const auto* node = s.text("node_id", node_id); node != nullptr && !node_id.empty()) {
        if (!is_id(node_id)) {
          s.wrong(*node, "node_id", "is " + in_quotes(node_id) + "; an id has 1 to 40 of a-z, 0-9 and -", "choose such an id");
        } else {
          c.server.node_id = node_id;
        }
      }
      s.number("shards", c.server.shards, 0, 64);
      s.finish();
    }
    {
      Section s = section(root, tables, "listen", "[listen]");
      bool said = false;
      s.texts("public", [&](const toml::node& node, const std::string& value) {
        said = true;
        const auto address = parse_listen(value);
        if (!address) {
          s.wrong(node, "public", "is " + in_quotes(value) + "; it must be https://address:port", "correct it");
        } else if (!address->tls && !is_loopback(address->host)) {
          s.wrong(node, "public",
                  "is plain http on " + in_quotes(address->host) + "; passwords and messages would be readable on the way",
                  "use https, or listen on 127.0.0.1 behind a proxy of this machine");
        } else {
          c.listen.publics.push_back(*address);
        }
      });
      if (!said) {
        const auto* node = s.find("public");
        if (node != nullptr && node->is_array()) {
          s.wrong(*node, "public", "is empty; nobody could reach us", "name at least one address");
        }
        c.listen.publics.push_back({true, "0.0.0.0", 8443});
      }
      c.listen.admin = {false, "127.0.0.1", 9464};
      std::string admin;
      if (const auto* node = s.text("admin", admin)) {
        const auto address = parse_listen(admin);
        if (!address || address->tls) {
          s.wrong(*node, "admin", "is " + in_quotes(admin) + "; it must be http://address:port", "correct it");
        } else {
          c.listen.admin = *address;
          if (!is_loopback(address->host)) {
            problems_.add(node->source(),
                          "[listen] admin is not on loopback; whoever reaches it can read the metrics; guard the port", true);
          }
        }
      }
      s.flag("h2_websocket", c.listen.h2_websocket);
      s.finish();
    }
    {
      Section s = section(root, tables, "tls", "[tls]");
      s.file("cert_file", c.tls.cert_file);
      s.file("key_file", c.tls.key_file, true);
      const auto* cert = s.find("cert_file");
      const auto* key = s.find("key_file");
      if ((cert == nullptr) != (key == nullptr)) {
        problems_.add(
            (cert != nullptr ? cert : key)->source(),
            std::string(
                "[tls] has only one of cert_file and key_file; a certificate is of no use without its key; name both, or none"));
      }
      s.finish();
    }
    {
      Section s = section(root, tables, "outgoing", "[outgoing]");
      s.file("ca_file", c.outgoing.ca_file);
      s.finish();
    }
    redis(root, tables);
    std::map<std::string, std::string> accounts, queues;
    list(root, "whatsapp", [&](Section& s) {
      WhatsappConfig w;
      s.id("id", w.id);
      s.text("portfolio", w.portfolio);
      if (const auto* node = s.text("phone_number_id", w.phone_number_id);
          node != nullptr &&
          (w.phone_number_id.empty() || w.phone_number_id.find_first_not_of("0123456789") != std::string::npos)) {
        s.wrong(*node, "phone_number_id",
                "is " + in_quotes(w.phone_number_id) + "; Meta's ids are digits (it is not the phone number)",
                "copy it from WhatsApp Manager");
      }
      s.secrets("app_secret_file", w.app_secrets, 2);
      s.secret("verify_token_file", w.verify_token);
      s.secret("access_token_file", w.access_token);
      s.url("graph_url", w.graph_url);
      if (const auto* node = s.text("graph_version", w.graph_version); node != nullptr && !is_graph_version(w.graph_version)) {
        s.wrong(*node, "graph_version", "is " + in_quotes(w.graph_version) + "; it must look like v26.0", "correct it");
      }
      s.number("rate", w.rate, 1, 1'000);
      s.id("queue", w.queue);
      s.require({"id", "portfolio", "phone_number_id", "app_secret_file", "verify_token_file", "access_token_file"});
      unique(s, "an account", w.id, accounts);
      c.whatsapp.push_back(std::move(w));
    });
    list(root, "smpp", [&](Section& s) {
      SmppConfig m;
      s.id("id", m.id);
      s.text("host", m.host);
      s.number("port", m.port, 1, 65'535);
      s.flag("tls", m.tls);
      s.file("ca_file", m.ca_file);
      limited(s, "system_id", m.system_id, 15);
      s.secret("password_file", m.password);
      if (m.password.reveal().size() > 8) {
        const auto* node = s.find("password_file");
        problems_.add(
            node->source(),
            s.full("password_file") + " holds more than 8 octets; SMPP 3.4 allows 8; many servers take more, some cut it", true);
      }
      limited(s, "system_type", m.system_type, 12);
      s.choice("version", m.version, {"3.4", "5.0"});
      s.choice("bind", m.bind, {"transceiver", "pair", "transmitter", "receiver"});
      s.number("binds", m.binds, 1, 16);
      limited(s, "source", m.source, 20);
      s.number("source_ton", m.source_ton, 0, 6);
      s.number("source_npi", m.source_npi, 0, 18);
      limited(s, "country", m.country, 3);
      if (const auto* node = s.find("country"); node != nullptr && m.country.find_first_not_of("0123456789") != std::string::npos)
        s.wrong(*node, "country", "is " + in_quotes(m.country) + "; it is a calling code, in digits", "write for example \"49\"");
      if (const auto* node = s.find("source"); node != nullptr) {
        if (const auto sender = smpp::sender_from(m.source); !sender)
          s.wrong(*node, "source", "is " + in_quotes(m.source) + "; " + sender.error().detail, "correct it");
      }
      if (const auto* node = s.text("segment_price", m.segment_price); node != nullptr && !smpp::read_price(m.segment_price))
        s.wrong(*node, "segment_price", "is " + in_quotes(m.segment_price) + "; it is a number and a currency",
                "write for example \"0.045 EUR\"");
      s.duration("validity", m.validity_ms, 60'000, 604'800'000);
      s.choice("receipts", m.receipts, {"all", "last", "none"});
      s.texts("stop_words", m.stop_words);
      s.texts("start_words", m.start_words);
      s.texts("help_words", m.help_words);
      s.text("stop_answer", m.stop_answer);
      s.text("start_answer", m.start_answer);
      s.text("help_answer", m.help_answer);
      s.number("window", m.window, 1, 1'000);
      s.number("rate", m.rate, 1, 100'000);
      s.duration("enquire_link", m.enquire_link_ms, 1'000, 3'600'000);
      s.duration("response_timeout", m.response_timeout_ms, 1'000, 300'000);
      s.choice("alphabet", m.alphabet, {"gsm7", "latin1", "ascii"});
      s.texts("national", [&](const toml::node& node, const std::string& value) {
        if (!smpp::language_id(value))
          s.wrong(node, "national", "holds " + in_quotes(value) + "; there are tables for tr es pt bn gu hi kn ml or pa ta te ur",
                  "name some of these");
        m.national.push_back(value);
      });
      s.choice("long", m.longer, {"udh8", "udh16", "sar", "payload"});
      s.choice("id_format", m.id_format, {"same", "resp_hex_receipt_dec", "resp_dec_receipt_hex"});
      s.id("queue", m.queue);
      s.require({"id", "host", "port", "system_id", "password_file"});
      unique(s, "an account", m.id, accounts);
      c.smpp.push_back(std::move(m));
    });
    list(root, "web", [&](Section& s) {
      WebConfig w;
      s.id("id", w.id);
      s.texts("origins", [&](const toml::node& node, const std::string& value) {
        const auto url = parse_url(value);
        if (!url || !url->rest.empty() || (url->scheme != "https" && url->scheme != "http")) {
          s.wrong(node, "origins", "holds " + in_quotes(value) + "; an origin is https://host[:port] without a slash at its end",
                  "correct it");
        } else {
          w.origins.push_back(value);
        }
      });
      s.texts("languages", w.languages);
      s.id("queue", w.queue);
      s.secret("token_key_file", w.token_key);
      s.secret("identity_key_file", w.identity_key);
      s.texts("form", [&](const toml::node& node, const std::string& value) {
        const std::string_view name = std::string_view(value).substr(0, value.size() - (value.ends_with('?') ? 1 : 0));
        if (name != "name" && name != "phone" && name != "email" && name != "language")
          s.wrong(node, "form", "holds " + in_quotes(value) + "; a page can ask for name, phone, email and language",
                  "name some of these, with a ? after what need not be filled in");
        w.form.push_back(value);
      });
      s.texts("continue", w.go_on);
      s.number("challenge_after", w.challenge_after, 0, 100'000);
      s.number("challenge_bits", w.challenge_bits, 8, 24);
      s.number("message_rate", w.message_rate, 1, 1'000);
      s.number("message_burst", w.message_burst, 1, 1'000);
      s.require({"id", "origins"});
      unique(s, "an account", w.id, accounts);
      c.web.push_back(std::move(w));
    });
    push(root, tables);
    list(root, "queue", [&](Section& s) {
      QueueConfig q;
      s.id("id", q.id);
      q.name = q.id;
      s.text("name", q.name);
      s.texts("skills", [&](const toml::node& node, const std::string& value) {
        const auto colon = value.find(':');
        const bool level =
            colon == std::string::npos || (value.size() == colon + 2 && value[colon + 1] >= '1' && value[colon + 1] <= '5');
        if (!is_id(std::string_view(value).substr(0, colon)) || !level) {
          s.wrong(node, "skills", "holds " + in_quotes(value) + "; a skill is an id, or an id with a level: water or water:3",
                  "correct it");
        } else {
          q.skills.push_back(value);
        }
      });
      s.number("priority", q.priority, 0, 100);
      s.duration("offer_timeout", q.offer_timeout_ms, 5'000, 3'600'000);
      s.choice("mode", q.mode, {"offer", "auto"});
      s.duration("wrapup", q.wrapup_ms, 0, 3'600'000);
      s.duration("sticky", q.sticky_ms, 0, 3'600'000);
      const auto* hours = s.text("hours", q.hours);
      const auto* zone = s.text("zone", q.zone);
      if (hours != nullptr || zone != nullptr) {
        if (const auto calendar = routing::Calendar::parse(q.hours.empty() ? "always" : q.hours, q.zone); !calendar) {
          s.wrong(hours != nullptr ? *hours : *zone, hours != nullptr ? "hours" : "zone",
                  "cannot be read: " + calendar.error().detail,
                  "write it as in \"mon-fri 08:00-17:00; 12-25 closed\" with zone = \"Europe/Berlin\"");
        }
      }
      goals(s, q.goals);
      steps(s, q);
      s.require({"id"});
      unique(s, "a queue", q.id, queues);
      c.queues.push_back(std::move(q));
    });
    {
      Section s = section(root, tables, "alerts", "[alerts]");
      s.number("approvals", c.alerts.approvals, 1, 5);
      s.duration("hold", c.alerts.hold_ms, 0, 3'600'000);
      s.texts("sources", c.alerts.sources);
      s.finish();
    }
    {
      Section s = section(root, tables, "retention", "[retention]");
      s.number("closed_days", c.retention.closed_days, 0, 3'650);
      s.number("archive_months", c.retention.archive_months, 0, 1'200);
      s.finish();
    }
    {
      Section s = section(root, tables, "media", "[media]");
      s.size("max", c.media.max, 1LL << 10, 2LL << 30);
      s.number("keep_days", c.media.keep_days, 1, 3'650);
      s.finish();
    }
    {
      Section s = section(root, tables, "limits", "[limits]");
      s.number("connections", c.limits.connections, 10, 1'000'000);
      s.number("per_address", c.limits.per_address, 0, 1'000'000);
      s.size("webhook_body", c.limits.webhook_body, 64LL << 10, 64LL << 20);
      s.size("api_body", c.limits.api_body, 64LL << 10, 64LL << 20);
      s.duration("head_timeout", c.limits.head_timeout_ms, 100, 300'000);
      s.duration("body_timeout", c.limits.body_timeout_ms, 100, 300'000);
      s.duration("idle_timeout", c.limits.idle_timeout_ms, 100, 3'600'000);
      s.number("open_tokens", c.limits.open_tokens, 1, 100'000);
      s.size("disk_reserve", c.limits.disk_reserve, 0, 64LL << 40);
      s.finish();
    }
    {
      Section s = section(root, tables, "log", "[log]");
      s.choice("level", c.log.level, {"debug", "info", "warning", "error"});
      s.choice("format", c.log.format, {"text", "json"});
      s.finish();
    }
    root.finish();
  }

  void redis(Section& root, const std::vector<const toml::table*>& tables) {
    Section s = section(root, tables, "redis", "[redis]");
    RedisConfig& r = out_.config.redis;
    const auto address = [&](std::string_view key, std::string& out) {
      std::string value;
      const auto* node = s.text(key, value);
      if (node == nullptr) return;
      if (value != "embedded") {
        if (const auto target = parse_redis_url(value); !target) {
          s.wrong(*node, key,
                  "is " + in_quotes(value.find('@') == std::string::npos ? value : "…@…") + "; " + target.error().detail,
                  "write \"embedded\", unix:///path, redis://host:port, rediss://host:port, redis+sentinel://host,host/name or "
                  "redis+cluster://host,host");
          return;
        }
      }
      out = value;
    };
    address("url", r.url);
    address("ledger_url", r.ledger_url);
    s.text("user", r.user);
    s.secret("password_file", r.password);
    s.file("ca_file", r.ca_file);
    for (const char* key : {"user", "password_file", "ca_file"}) {
      if (const auto* node = s.find(key); node != nullptr && r.embedded() && r.ledger_url == "embedded") {
        s.wrong(*node, key, "goes with an external server; the embedded one is private to us and has none",
                "remove it, or set redis.url");
      }
    }
    if (const auto* node = s.text("prefix", r.prefix); node != nullptr && (!is_id(r.prefix) || r.prefix.size() > 20)) {
      s.wrong(*node, "prefix", "is " + in_quotes(r.prefix) + "; it has 1 to 20 of a-z, 0-9 and -", "choose such a prefix");
    }
    s.choice("durability", r.durability, {"always", "everysec"});
    int replicas = 0;
    if (const auto* node = s.number("min_replicas", replicas, 0, 5)) {
      r.min_replicas = replicas;
      if (r.embedded() && replicas > 0) {
        s.wrong(*node, "min_replicas", "is " + std::to_string(replicas) + "; the embedded server has no replica",
                "remove it, or set redis.url");
      }
    }
    s.size("maxmemory", r.maxmemory, 32LL << 20, 64LL << 40);
    s.size("ledger_maxmemory", r.ledger_maxmemory, 32LL << 20, 64LL << 40);
    s.finish();
  }

  void push(Section& root, const std::vector<const toml::table*>& tables) {
    Section above = section(root, tables, "push", "[push]");
    std::vector<const toml::table*> parents;
    for (const auto* table : tables) {
      if (const auto* node = table->get("push"); node != nullptr && node->is_table()) parents.push_back(node->as_table());
    }
    if (Section s = section(above, parents, "fcm", "[push.fcm]"); s.present()) {
      auto& fcm = out_.config.fcm.emplace();
      s.secret("service_account_file", fcm.service_account);
      s.url("url", fcm.url);
      s.require({"service_account_file"});
      s.finish();
    }
    if (Section s = section(above, parents, "apns", "[push.apns]"); s.present()) {
      auto& apns = out_.config.apns.emplace();
      s.secret("key_file", apns.key);
      for (const auto& [key, out] : {std::pair{"key_id", &apns.key_id}, {"team_id", &apns.team_id}}) {
        if (const auto* node = s.text(key, *out); node != nullptr && out->size() != 10) {
          s.wrong(*node, key, "is " + in_quotes(*out) + "; Apple's ids have 10 characters", "copy it from the developer account");
        }
      }
      s.text("topic", apns.topic);
      s.url("url", apns.url);
      s.require({"key_file", "key_id", "team_id", "topic"});
      s.finish();
    }
    if (Section s = section(above, parents, "web", "[push.web]"); s.present()) {
      auto& web = out_.config.web_push.emplace();
      if (const auto* node = s.text("subject", web.subject);
          node != nullptr && ((!web.subject.starts_with("mailto:") && !web.subject.starts_with("https://")) ||
                              web.subject.find_first_of(" <>") != std::string::npos)) {
        s.wrong(*node, "subject", "is " + in_quotes(web.subject) + "; push services want a contact",
                "write mailto:name@example.org or an https address");
      }
      s.secret("vapid_key_file", web.vapid_key);
      s.require({"subject", "vapid_key_file"});
      s.finish();
    }
    above.finish();
  }

  // A duration alone is that of the first reply.
  void goals(Section& s, routing::Goals& out) {
    const auto* node = s.find("sla");
    if (node == nullptr) return;
    routing::Goals said;
    if (node->is_table()) {
      Section table(problems_, s.full("sla"), {node->as_table()});
      constexpr std::int64_t kMost = routing::kLongestGoal;
      table.duration("answer", said.answer_ms, 1'000, kMost);
      table.duration("first_reply", said.first_reply_ms, 1'000, kMost);
      table.duration("next_reply", said.next_reply_ms, 1'000, kMost);
      table.duration("resolve", said.resolve_ms, 1'000, kMost);
      table.number("within_percent", said.within_percent, 1, 100);
      table.finish();
    } else {
      s.duration("sla", said.first_reply_ms, 0, routing::kLongestGoal);
    }
    if (const std::string wrong = routing::wrong_with(said); !wrong.empty())
      return s.wrong(*node, "sla", wrong, "write for example { answer = \"60s\", first_reply = \"5m\", within_percent = 80 }");
    out = said;
  }

  void steps(Section& s, QueueConfig& q) {
    const auto* node = s.find("steps");
    if (node == nullptr) return;
    const auto* array = node->as_array();
    if (array == nullptr || array->size() > 6) {
      s.wrong(*node, "steps", "is no list of at most six steps; each step is a table",
              "write [{ after = \"60s\", lower_levels = 1 }]");
      return;
    }
    for (const auto& element : *array) {
      if (!element.is_table()) {
        s.wrong(element, "steps", std::string("holds ") + Section::kind(element) + "; each step is a table",
                "write { after = \"60s\", … }");
        continue;
      }
      Section step(problems_, s.full("steps"), {element.as_table()});
      routing::Step out;
      step.duration("after", out.after_ms, 0, 86'400'000);
      step.number("lower_levels", out.lower_levels, 0, 4);
      step.texts("drop", out.drop);
      step.id("add", out.add);
      step.require({"after"});
      step.finish();
      if (!q.steps.empty() && out.after_ms <= q.steps.back().after_ms) {
        s.wrong(element, "steps", "are not in order; each step comes after the one before", "let `after` grow");
      }
      q.steps.push_back(std::move(out));
    }
  }

  void limited(Section& s, std::string_view key, std::string& out, std::size_t most) {
    if (const auto* node = s.text(key, out); node != nullptr && out.size() > most) {
      s.wrong(*node, key, "has " + std::to_string(out.size()) + " octets; SMPP allows " + std::to_string(most), "shorten it");
    }
  }

  static bool is_graph_version(std::string_view text) {
    if (!text.starts_with('v')) return false;
    const auto dot = text.find('.');
    return dot != std::string_view::npos && dot > 1 && dot + 1 < text.size() &&
           text.substr(1).find_first_not_of("0123456789.") == std::string_view::npos &&
           text.find('.', dot + 1) == std::string_view::npos;
  }

  LoadedConfig& out_;
  Problems problems_;
  std::vector<std::unique_ptr<toml::table>> files_;
  std::vector<std::string> read_order_;
};

}  // namespace

LoadedConfig load_config(const std::string& path) {
  LoadedConfig out;
  Loader(out).load(path);
  return out;
}

namespace {

template <class T>
const T* by_id(const std::vector<T>& all, std::string_view id) {
  const auto it = std::find_if(all.begin(), all.end(), [&](const T& each) { return each.id == id; });
  return it == all.end() ? nullptr : &*it;
}

// An account that came or went is named; of one that stayed, each key.
void accounts_that_differ(const std::vector<WhatsappConfig>& old_ones, const std::vector<WhatsappConfig>& new_ones,
                          std::vector<std::string>& keys) {
  for (const WhatsappConfig& a : old_ones) {
    const std::string name = "whatsapp." + a.id;
    const WhatsappConfig* b = by_id(new_ones, a.id);
    if (b == nullptr) {
      keys.push_back(name);
      continue;
    }
    if (a.portfolio != b->portfolio) keys.push_back(name + ".portfolio");
    if (a.phone_number_id != b->phone_number_id) keys.push_back(name + ".phone_number_id");
    if (a.graph_url != b->graph_url) keys.push_back(name + ".graph_url");
    if (a.graph_version != b->graph_version) keys.push_back(name + ".graph_version");
    if (a.rate != b->rate) keys.push_back(name + ".rate");
    if (a.queue != b->queue) keys.push_back(name + ".queue");
  }
  for (const WhatsappConfig& b : new_ones) {
    if (by_id(old_ones, b.id) == nullptr) keys.push_back("whatsapp." + b.id);
  }
}

}  // namespace

std::vector<std::string> needs_restart(const Config& a, const Config& b) {
  std::vector<std::string> keys;
  const auto differs = [&](bool different, std::string key) {
    if (different) keys.push_back(std::move(key));
  };
  differs(a.server.state_dir != b.server.state_dir, "server.state_dir");
  differs(a.server.public_url != b.server.public_url, "server.public_url");
  differs(a.server.node_id != b.server.node_id, "server.node_id");
  differs(a.server.shards != b.server.shards, "server.shards");
  differs(a.listen.publics != b.listen.publics, "listen.public");
  differs(a.listen.admin != b.listen.admin, "listen.admin");
  differs(a.listen.h2_websocket != b.listen.h2_websocket, "listen.h2_websocket");
  differs(a.outgoing.ca_file != b.outgoing.ca_file, "outgoing.ca_file");
  differs(a.redis.url != b.redis.url, "redis.url");
  differs(a.redis.ledger_url != b.redis.ledger_url, "redis.ledger_url");
  differs(a.redis.user != b.redis.user, "redis.user");
  differs(a.redis.password != b.redis.password, "redis.password_file");
  differs(a.redis.ca_file != b.redis.ca_file, "redis.ca_file");
  differs(a.redis.prefix != b.redis.prefix, "redis.prefix");
  differs(a.redis.durability != b.redis.durability, "redis.durability");
  differs(a.redis.min_replicas != b.redis.min_replicas, "redis.min_replicas");
  differs(a.redis.maxmemory != b.redis.maxmemory, "redis.maxmemory");
  differs(a.redis.ledger_maxmemory != b.redis.ledger_maxmemory, "redis.ledger_maxmemory");
  accounts_that_differ(a.whatsapp, b.whatsapp, keys);
  differs(a.smpp != b.smpp, "smpp");
  differs(a.web != b.web, "web");
  differs(a.fcm != b.fcm, "push.fcm");
  differs(a.apns != b.apns, "push.apns");
  differs(a.web_push != b.web_push, "push.web");
  // One that stands already is edited through the API; the file only makes those that are missing, at start.
  for (const QueueConfig& queue : b.queues) differs(by_id(a.queues, queue.id) == nullptr, "queue." + queue.id);
  differs(a.alerts != b.alerts, "alerts");
  differs(a.retention != b.retention, "retention");
  differs(a.media != b.media, "media");
  differs(a.limits != b.limits, "limits");
  return keys;
}

}  // namespace belfry::gateway
