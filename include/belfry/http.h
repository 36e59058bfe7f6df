// HTTP as values, the same for HTTP/1.1 and HTTP/2 (RFC 9110). Codecs are in adapters/wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belfry {

// Field lines in order of arrival. Names are lower case once a codec has read them; values are trimmed.
class Headers {
 public:
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }

  // Replaces every field of that name.
  void set(std::string_view name, std::string value);

  // The first value, or empty. `name` in lower case.
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::size_t count(std::string_view name) const;

  bool empty() const { return fields_.empty(); }
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpRequest {
  std::string method;     // "GET", case kept
  std::string target;     // as it came: path and query
  std::string path;       // up to '?', not percent-decoded
  std::string query;      // after '?', not decoded
  std::string scheme;     // "http" or "https": of the connection, not of a header
  std::string authority;  // Host or :authority
  std::string protocol;   // :protocol of an extended CONNECT (RFC 8441), or "websocket" for an HTTP/1.1 upgrade
  Headers headers;
  std::string body;
  std::string peer;  // the peer's address without port: for limits and audit, never a metric label
};

struct HttpResponse {
  int status = 200;
  Headers headers;
  std::string body;
};

// The standard phrase of a status ("Not Found"), empty if we do not know it.
std::string_view reason_phrase(int status);

// Undoes %XX (and '+' when `plus_is_space`). False on a malformed escape or an embedded NUL.
bool percent_decode(std::string_view in, std::string& out, bool plus_is_space = false);

// The decoded value of the first `name=` in a query string; `found` tells an empty value from none.
std::string query_value(std::string_view query, std::string_view name, bool* found = nullptr);

}  // namespace belfry
