// A listening socket and its connections, for whoever plays an SMSC: whole PDUs in, octets out, one write for all that a read led
// to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "loop.h"
#include "smpp_wire.h"

namespace sim {

class SmppLink {
 public:
  virtual ~SmppLink() = default;
  // What is put here goes out when the present read has been handled; outside of one call flush().
  std::string out;
  virtual void flush() = 0;
  virtual void close() = 0;  // when all of `out` is written
  virtual void drop() = 0;   // now; what was written but not sent is lost
  bool open = true;
  std::shared_ptr<void> state;  // whose link this is
};

class SmppServer {
 public:
  struct Handlers {
    std::function<void(const std::shared_ptr<SmppLink>&)> opened;
    // All whole PDUs of a read, one after another, each with a length from 16 to kMaxPdu.
    std::function<void(const std::shared_ptr<SmppLink>&, std::string_view)> pdus;
    // A length that no PDU has: what came before has been handled; the link is closed after this.
    std::function<void(const std::shared_ptr<SmppLink>&)> garbage;
    std::function<void(const std::shared_ptr<SmppLink>&)> closed;
  };
  // 127.0.0.1; port 0 takes any. With a certificate it speaks TLS and nothing else. Throws Failure.
  SmppServer(Loop& loop, std::uint16_t port, const std::string& cert_file, const std::string& key_file, Handlers handlers);
  ~SmppServer();
  std::uint16_t port() const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace sim
