// One thread's event loop. Asio stays behind it: only loop.cc, http_server.cc, http_client.cc, ws_client.cc and smpp_link.cc see
// its headers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace sim {

class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void post(std::function<void()> task);                    // from any thread
  void after(std::int64_t ms, std::function<void()> task);  // from the loop's own thread
  void on_signal(std::function<void()> task);               // the first SIGINT or SIGTERM; a second one ends the process
  void run();                                               // until stop()
  void stop();                                              // from any thread
  void restart();                                           // before the next run(), after a stop()

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sim
