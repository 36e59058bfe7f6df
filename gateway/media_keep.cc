#include "gateway/media_keep.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;

bool is_hex(std::string_view text, std::size_t size) {
  return text.size() == size &&
         std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

WallTime written(const fs::path& file) {
  struct stat facts {};
  if (::stat(file.c_str(), &facts) != 0) return {};
  return WallTime{static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1'000 + facts.st_mtim.tv_nsec / 1'000'000};
}

}  // namespace

void keep_media(const std::string& dir, const std::set<std::string>& names, WallTime now) {
  timespec at{};
  at.tv_sec = now.ms / 1'000;
  const timespec times[2] = {at, at};
  for (const std::string& name : names) {
    if (is_hex(name, 64)) ::utimensat(AT_FDCWD, (fs::path(dir) / name.substr(0, 2) / name).c_str(), times, 0);
  }
}

Result<std::size_t> prune_media(const std::string& dir, WallTime before) {
  std::size_t removed = 0;
  std::error_code error;
  // Only what looks like the store's own: <aa>/<sha256>.
  for (const fs::directory_entry& shelf : fs::directory_iterator(dir, error)) {
    if (!is_hex(shelf.path().filename().string(), 2)) continue;
    for (const fs::directory_entry& file : fs::directory_iterator(shelf.path(), error)) {
      if (!is_hex(file.path().filename().string(), 64)) continue;
      const WallTime last = written(file.path());
      if (last.ms > 0 && last < before && fs::remove(file.path(), error)) ++removed;
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail(Errc::kUnavailable, "media cannot be looked through: " + error.message());
  return removed;
}

}  // namespace belfry::gateway
