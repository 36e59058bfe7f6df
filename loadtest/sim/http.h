// HTTP/1.1 as belfry-sim sees it: a server that hands over whole requests, a pooled client that hands over whole answers.
// Everything happens on the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base.h"
#include "loop.h"

namespace sim {

using HttpFields = std::multimap<std::string, std::string>;  // names in lower case

std::string field(const HttpFields& fields, const std::string& lower_case_name);  // the first one, or empty

struct HttpAsk {
  std::string method = "GET";
  std::string target = "/";
  HttpFields fields;
  std::string body;
};

struct HttpSay {
  int status = 200;
  std::string type = "application/json";
  std::string body;
  HttpFields fields;
  bool drop = false;  // close the connection instead of answering
};

class HttpServer {
 public:
  using Answer = std::function<void(HttpSay)>;  // call exactly once, at once or later
  using Handler = std::function<void(HttpAsk, Answer)>;
  HttpServer(Loop& loop, std::uint16_t port, Handler handler);  // 127.0.0.1; port 0 takes any. Throws Failure.
  ~HttpServer();
  std::uint16_t port() const;
  std::string origin() const { return "http://127.0.0.1:" + std::to_string(port()); }

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// Trust for https and wss. Loopback servers are self-signed, so a CA file or --insecure.
struct Trust {
  bool insecure = false;
  std::string ca_file;
};

struct HttpGot {
  int status = 0;  // 0: no answer; `error` says why
  HttpFields fields;
  std::string body;
  std::string error;
};

class HttpClient {
 public:
  using Then = std::function<void(HttpGot)>;
  // At most `connections` at a time; what is beyond waits in a queue that the caller bounds.
  HttpClient(Loop& loop, Url server, Trust trust, std::size_t connections);
  ~HttpClient();
  void ask(HttpAsk ask, std::int64_t timeout_ms, Then then);
  std::size_t waiting() const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

// One request, waited for: for commands that do one thing after another. Not from inside a loop.
HttpGot ask_once(const Url& server, const Trust& trust, HttpAsk ask, std::int64_t timeout_ms);

}  // namespace sim
