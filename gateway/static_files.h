// The pages as files in memory: read once at start, served with a strict Content-Security-Policy.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "belfry/http.h"

namespace belfry::gateway {

class StaticFiles {
 public:
  // Reads every file below `dir` (at most 64 MiB in all). A missing directory gives an empty set: the pages were not built.
  explicit StaticFiles(const std::string& dir);

  bool empty() const { return files_.empty(); }
  // GET or HEAD of `path` ("/desk/" means its index.html); 404 if there is no such file, 405 for another method.
  HttpResponse serve(const HttpRequest& request) const;

 private:
  struct File {
    std::string bytes, type, etag;
  };
  std::map<std::string, File, std::less<>> files_;  // "/desk/index.html"
};

// Where the pages lie: $BELFRY_WEB_DIR, beside the program's build (../../web), or /usr/share/belfry/web.
std::string find_web_dir();

}  // namespace belfry::gateway
