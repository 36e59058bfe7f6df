// HTTP/2 for servers (RFC 9113, 7541, 8441) over nghttp2: bytes in, events out; answers in, bytes out. No socket, no clock.
//
// nghttp2 knows the frames; this file adds what it leaves to us: a look at every frame header before nghttp2 sees it (floods,
// frames on closed streams), the limits of a request, and bounds for what a connection may make us keep.
//
// - Time comes by tick(): call it before every feed() and at least once a second. It enforces the timeouts and refills the
//   allowances of the floods. Without it no time passes.
// - Events are called from inside feed(), tick() and take(). They may call the codec back, but may not destroy it.
// - on_head comes once for each request that is not a tunnel; what follows is one of on_request, on_gone, or nothing if the
//   owner answered. on_gone comes whenever the owner still owed an answer: he forgets the stream then.
// - Backpressure: while the socket's own write queue is not empty, stop calling feed(); else a peer that writes and never reads
//   makes us queue acknowledgements. (Bounded in any case: past 1,000 the connection is ended.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/server_codec.h"
#include "belfry/clock.h"
#include "belfry/http.h"

namespace belfry::wire {

// Times in milliseconds; 0 means none.
struct Http2Limits {
  std::uint32_t max_streams = 100;
  std::size_t max_head = 16UL * 1024;  // as RFC 9113 counts it: name + value + 32 a field. 431 above it
  std::size_t max_headers = 64;        // 431 above it
  bool websocket = true;               // SETTINGS_ENABLE_CONNECT_PROTOCOL
  std::uint32_t stream_window = 64 * 1024 - 1;
  std::uint32_t connection_window = 1024 * 1024;
  std::size_t max_buffered_in = 8UL << 20;   // bodies above stream_window wait for their turn within this
  std::size_t max_buffered_out = 8UL << 20;  // above it new streams are refused with REFUSED_STREAM
  std::int64_t head_timeout_ms = 10'000;     // one frame or header block, first octet to last
  std::int64_t body_timeout_ms = 30'000;     // plus 1 s for each KiB that came
  std::int64_t write_timeout_ms = 30'000;    // a stream whose peer takes less than 4 KiB in this time is reset
};

// Counted for metrics; each names why connections or streams ended early.
struct Http2Counts {
  std::uint64_t floods = 0;           // connections ended with ENHANCE_YOUR_CALM
  std::uint64_t protocol_errors = 0;  // connections ended for another fault of the peer
  std::uint64_t stream_errors = 0;    // streams we reset because of the peer
  std::uint64_t stalled = 0;          // streams reset because the peer took too little
};

class Http2Server final : public ServerCodec {
 public:
  // `events` must outlive the codec. `scheme` is of the connection: "http" or "https".
  Http2Server(ServerEvents& events, const Http2Limits& limits, std::string scheme);
  ~Http2Server() override;
  Http2Server(const Http2Server&) = delete;
  Http2Server& operator=(const Http2Server&) = delete;

  bool feed(std::string_view bytes) override;
  std::string take() override;
  bool wants_close() const override;
  void respond(StreamId id, HttpResponse response) override;
  void begin(StreamId id, HttpResponse head) override;
  std::size_t write(StreamId id, std::string_view bytes) override;
  void end(StreamId id) override;
  void accept_tunnel(StreamId id, HttpResponse head) override;
  std::size_t tunnel_write(StreamId id, std::string_view bytes) override;
  void tunnel_end(StreamId id) override;
  void reset(StreamId id) override;
  void tunnel_consumed(StreamId id, std::size_t octets) override;
  void shutdown() override;
  bool idle() const override;

  // What the time is; see above. After accept_tunnel call it soon: octets that came before the acceptance are handed over here.
  void tick(Now now);
  // Octets of answers that the peer's windows or the socket hold back.
  std::size_t buffered_out() const;
  const Http2Counts& counts() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace belfry::wire
