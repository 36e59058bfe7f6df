#include "gateway/archive.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>
#include <utility>

#include "adapters/wire/json.h"
#include "belfry/message.h"

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;

class File {
 public:
  explicit File(int fd) : fd_(fd) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  File& operator=(File&&) = delete;
  int fd() const { return fd_; }
  bool open() const { return fd_ >= 0; }

 private:
  int fd_;
};

File open_file(const std::string& path, int flags) { return File(::open(path.c_str(), flags | O_CLOEXEC, 0600)); }

tl::unexpected<Error> failed(const std::string& what, const std::string& path) {
  return fail(Errc::kUnavailable, "cannot " + what + " " + path + ": " + std::strerror(errno));
}

bool sync_dir(const std::string& dir) {
  const File file(::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return file.open() && ::fsync(file.fd()) == 0;
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

bool read_all(int fd, char* to, std::size_t size, std::int64_t at) {
  while (size > 0) {
    const ssize_t n = ::pread(fd, to, size, at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    to += n;
    at += n;
    size -= static_cast<std::size_t>(n);
  }
  return true;
}

std::int64_t size_of(int fd) {
  struct stat about {};
  return ::fstat(fd, &about) == 0 ? about.st_size : -1;
}

// ---- months

constexpr std::string_view kEnding = ".jsonl";

std::uint32_t month_of(WallTime at) {
  const std::time_t second = at.ms / 1000;
  std::tm t{};
  gmtime_r(&second, &t);
  return static_cast<std::uint32_t>((t.tm_year + 1900) * 100 + t.tm_mon + 1);
}

std::string name_of_month(std::uint32_t month) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%04u-%02u", month / 100, month % 100);
  return std::string(text.data()).append(kEnding);
}

// 0: not the name of a month's file.
std::uint32_t month_named(std::string_view name) {
  if (name.size() != 7 + kEnding.size() || name[4] != '-' || !name.ends_with(kEnding)) return 0;
  std::uint32_t month = 0;
  const std::string digits = std::string(name.substr(0, 4)) + std::string(name.substr(5, 2));
  for (const char c : digits) {
    if (c < '0' || c > '9') return 0;
    month = month * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return month % 100 >= 1 && month % 100 <= 12 ? month : 0;
}

std::vector<std::uint32_t> months_in(const std::string& dir) {
  std::vector<std::uint32_t> months;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    if (const auto month = month_named(it->path().filename().string()); month != 0) months.push_back(month);
  }
  std::sort(months.begin(), months.end());
  return months;
}

// ---- the index

struct Place {
  std::int64_t offset = 0;
  std::uint32_t length = 0;  // without the line's end; 0: nowhere
  std::uint32_t month = 0;
};
static_assert(sizeof(Place) == 16);

Place place_of(int index, std::int64_t id) {
  Place place;
  std::array<char, sizeof(Place)> bytes{};
  if (!read_all(index, bytes.data(), bytes.size(), id * static_cast<std::int64_t>(sizeof(Place)))) return place;
  std::memcpy(&place, bytes.data(), bytes.size());
  return place;
}

bool note_place(int index, std::int64_t id, const Place& place) {
  std::array<char, sizeof(Place)> bytes{};
  std::memcpy(bytes.data(), &place, bytes.size());
  return ::pwrite(index, bytes.data(), bytes.size(), id * static_cast<std::int64_t>(sizeof(Place))) ==
         static_cast<ssize_t>(bytes.size());
}

std::string beginning_of(std::int64_t id) { return "{\"id\":\"" + conversation_id(std::to_string(id)) + "\","; }

// The index is a hint: a line counts if it is whole and begins with the id that was asked for.
std::string line_at(int file, const Place& place, std::int64_t id) {
  std::string line(place.length + std::size_t{1}, '\0');
  if (place.length == 0 || !read_all(file, line.data(), line.size(), place.offset)) return {};
  if (line.back() != '\n' || !line.starts_with(beginning_of(id))) return {};
  line.pop_back();
  return line;
}

std::int64_t id_at(std::string_view line) {
  constexpr std::string_view kBefore = "{\"id\":\"conv_";
  if (!line.starts_with(kBefore)) return 0;
  std::int64_t id = 0;
  for (const char c : line.substr(kBefore.size(), 18)) {
    if (c < '0' || c > '9') break;
    id = id * 10 + (c - '0');
  }
  return id;
}

bool make_index(int index, const std::string& dir) {
  for (const std::uint32_t month : months_in(dir)) {
    const File file = open_file(dir + "/" + name_of_month(month), O_RDONLY);
    if (!file.open()) return false;
    const std::int64_t size = size_of(file.fd());
    std::string bytes;  // of the line that is under way
    std::int64_t begin = 0, at = 0;
    while (at < size) {
      std::string chunk(static_cast<std::size_t>(std::min<std::int64_t>(size - at, 1 << 20)), '\0');
      if (!read_all(file.fd(), chunk.data(), chunk.size(), at)) return false;
      at += static_cast<std::int64_t>(chunk.size());
      bytes += chunk;
      std::size_t used = 0;
      for (auto end = bytes.find('\n'); end != std::string::npos; end = bytes.find('\n', used)) {
        const std::string_view line = std::string_view(bytes).substr(used, end - used);
        if (const auto id = id_at(line); id > 0) {
          if (!note_place(index, id, {begin, static_cast<std::uint32_t>(line.size()), month})) return false;
        }
        begin += static_cast<std::int64_t>(line.size()) + 1;
        used = end + 1;
      }
      bytes.erase(0, used);
    }
  }
  return true;
}

// One month's lines. The index first: after a crash in between, a place where no line stands is no place, but a line that the
// index does not know would be written twice.
Result<std::size_t> append_month(const std::string& path, std::uint32_t month, int index,
                                 const std::vector<const ArchiveLine*>& lines) {
  const File file = open_file(path, O_RDWR | O_CREAT | O_APPEND);
  if (!file.open()) return failed("open", path);
  std::int64_t size = size_of(file.fd());
  char last = '\n';
  if (size < 0 || (size > 0 && !read_all(file.fd(), &last, 1, size - 1))) return failed("read", path);
  // What a crash tore off was in nobody's hand yet: it is still in Redis. It gets an end, or it is whole but for its end.
  if (last != '\n') {
    if (!write_all(file.fd(), "\n")) return failed("write", path);
    ++size;
  }
  std::string bytes;
  std::size_t fresh = 0;
  for (const ArchiveLine* line : lines) {
    const Place known = place_of(index, line->id);
    if (known.month == month && line_at(file.fd(), known, line->id) == line->text) continue;
    const Place place{size + static_cast<std::int64_t>(bytes.size()), static_cast<std::uint32_t>(line->text.size()), month};
    if (!note_place(index, line->id, place)) return failed("write", "the archive's index");
    bytes.append(line->text).append("\n");
    ++fresh;
  }
  if (!write_all(file.fd(), bytes)) {
    const auto error = failed("write", path);
    if (::ftruncate(file.fd(), size) != 0) return error;  // then the torn line is ended by the next append
    return error;
  }
  // Also for a line that was there: who wrote it may have died before this.
  if (::fsync(file.fd()) != 0) return failed("sync", path);
  return fresh;
}

}  // namespace

Result<std::size_t> append_to_archive(const std::string& dir, const std::vector<ArchiveLine>& lines) {
  if (::mkdir(dir.c_str(), 0700) == 0 && !sync_dir(fs::path(dir).parent_path().string())) return failed("sync", dir);
  const File lock = open_file(dir + "/lock", O_RDWR | O_CREAT);
  if (!lock.open() || ::flock(lock.fd(), LOCK_EX) != 0) return failed("lock", dir);
  const std::string index_path = dir + "/index";
  if (!fs::exists(index_path)) {
    const std::string making = index_path + ".new";
    ::unlink(making.c_str());
    const File made = open_file(making, O_RDWR | O_CREAT);
    if (!made.open() || !make_index(made.fd(), dir) || ::fsync(made.fd()) != 0) return failed("make", index_path);
    if (::rename(making.c_str(), index_path.c_str()) != 0) return failed("make", index_path);
  }
  const File index = open_file(index_path, O_RDWR);
  if (!index.open()) return failed("open", index_path);
  std::map<std::uint32_t, std::vector<const ArchiveLine*>> months;
  for (const ArchiveLine& line : lines) months[month_of(line.closed)].push_back(&line);
  std::size_t fresh = 0;
  for (const auto& [month, all] : months) {
    auto some = append_month(dir + "/" + name_of_month(month), month, index.fd(), all);
    if (!some) return some;
    fresh += *some;
  }
  // Always: who made a file may have died before he synced its name.
  if (!sync_dir(dir)) return failed("sync", dir);
  if (::fdatasync(index.fd()) != 0) return failed("sync", index_path);
  return fresh;
}

Result<std::string> find_in_archive(const std::string& dir, std::int64_t id) {
  const File index = open_file(dir + "/index", O_RDONLY);
  if (!index.open()) return fail(Errc::kNotFound, "no archive");
  const Place place = place_of(index.fd(), id);
  if (place.length == 0) return fail(Errc::kNotFound, "not in the archive");
  const File file = open_file(dir + "/" + name_of_month(place.month), O_RDONLY);
  std::string line = file.open() ? line_at(file.fd(), place, id) : std::string();
  if (line.empty()) return fail(Errc::kNotFound, "not in the archive any more");
  return line;
}

Result<std::vector<std::string>> prune_archive(const std::string& dir, WallTime now, int months) {
  const auto count = [](std::uint32_t month) { return static_cast<std::int64_t>(month / 100) * 12 + month % 100; };
  std::vector<std::string> removed;
  for (const std::uint32_t month : months_in(dir)) {
    if (count(month_of(now)) - count(month) <= months) continue;
    const std::string name = name_of_month(month);
    if (::unlink((dir + "/" + name).c_str()) != 0) return failed("remove", name);
    removed.push_back(name);
  }
  if (!removed.empty() && !sync_dir(dir)) return failed("sync", dir);
  return removed;
}

Result<ArchivedConversation> read_archive_line(const std::string& line) {
  wire::JsonReader reader;
  const auto read = reader.read(line);
  if (!read) return tl::unexpected(read.error());
  simdjson::dom::object all;
  if (read->get(all) != simdjson::SUCCESS) return fail(Errc::kInternal, "a line of the archive is no object");
  const auto conversation = wire::object_at(all, "conversation");
  if (!conversation) return fail(Errc::kInternal, "a line of the archive has no conversation");
  ArchivedConversation out;
  out.owner = parse_agent_id(wire::text_at(*conversation, "owner")).value_or("");
  out.queue = parse_queue_id(wire::text_at(*conversation, "queue")).value_or("");
  out.conversation = std::string(wire::raw_member(line, "conversation"));
  for (const std::string_view message : wire::raw_elements(wire::raw_member(line, "messages")))
    out.messages.emplace_back(message);
  return out;
}

}  // namespace belfry::gateway
