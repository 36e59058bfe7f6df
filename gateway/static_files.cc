#include "gateway/static_files.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "adapters/wire/crypto.h"

namespace belfry::gateway {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxTotal = 64U << 20;

constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; media-src 'self' "
    "blob:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'";

std::string_view type_of(std::string_view extension) {
  struct Row {
    std::string_view extension, type;
  };
  constexpr std::array kTypes{
      Row{".html", "text/html; charset=utf-8"},
      Row{".js", "text/javascript; charset=utf-8"},
      Row{".css", "text/css; charset=utf-8"},
      Row{".svg", "image/svg+xml"},
      Row{".png", "image/png"},
      Row{".json", "application/json"},
      Row{".webmanifest", "application/manifest+json"},
  };
  for (const Row& row : kTypes) {
    if (row.extension == extension) return row.type;
  }
  return "application/octet-stream";
}

}  // namespace

std::string find_web_dir() {
  if (const char* dir = std::getenv("BELFRY_WEB_DIR"); dir != nullptr) return dir;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path beside = program.parent_path().parent_path().parent_path() / "web";
  if (!error && fs::is_directory(beside, error)) return beside.string();
  return "/usr/share/belfry/web";
}

StaticFiles::StaticFiles(const std::string& dir) {
  std::error_code error;
  std::uintmax_t total = 0;
  for (fs::recursive_directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file(error) || it->path().filename().string().starts_with('.')) continue;
    total += it->file_size(error);
    if (total > kMaxTotal) break;
    std::ifstream in(it->path(), std::ios::binary);
    File file;
    file.bytes.assign(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
    file.type = type_of(it->path().extension().string());
    file.etag = "\"" + wire::to_hex(wire::sha256(file.bytes)).substr(0, 32) + "\"";
    files_["/" + fs::relative(it->path(), dir, error).generic_string()] = std::move(file);
  }
}

HttpResponse StaticFiles::serve(const HttpRequest& request) const {
  if (request.method != "GET" && request.method != "HEAD") {
    HttpResponse response{405, {}, ""};
    response.headers.add("allow", "GET, HEAD");
    return response;
  }
  const auto found = files_.find(request.path.ends_with('/') ? request.path + "index.html" : request.path);
  if (found == files_.end()) {
    HttpResponse response{404, {}, files_.empty() ? "The pages are not built: run ./dev build.\n" : "There is no such page.\n"};
    response.headers.add("content-type", "text/plain; charset=utf-8");
    return response;
  }
  const File& file = found->second;
  HttpResponse response;
  response.headers.add("etag", file.etag);
  response.headers.add("cache-control", "no-cache");
  response.headers.add("content-security-policy", std::string(kPolicy));
  response.headers.add("x-content-type-options", "nosniff");
  response.headers.add("referrer-policy", "no-referrer");
  if (request.headers.get("if-none-match") == file.etag) {
    response.status = 304;
    return response;
  }
  response.headers.add("content-type", file.type);
  response.body = file.bytes;
  return response;
}

}  // namespace belfry::gateway
