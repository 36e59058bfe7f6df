// A WebSocket client for text frames. Everything happens on the loop's thread; `closed` comes exactly once, and last.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "http.h"
#include "loop.h"

namespace sim {

class WebSocket {
 public:
  struct Hear {
    std::function<void()> open;
    std::function<void(std::string_view)> text;
    std::function<void(std::string)> closed;  // why, for a person
  };
  virtual ~WebSocket() = default;
  virtual void send(std::string text) = 0;
  virtual void close() = 0;  // the polite way: a close frame
  virtual void cut() = 0;    // the other way: the connection is gone, as when a cable is pulled
};

// One trust, many sockets.
class WebSocketDialer {
 public:
  WebSocketDialer(Loop& loop, const Trust& trust);
  ~WebSocketDialer();
  // `protocols` as they stand in Sec-WebSocket-Protocol. An answer that selects another than the first of them is refused.
  std::shared_ptr<WebSocket> dial(const Url& url, HttpFields fields, const std::string& protocols, WebSocket::Hear hear);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sim
