// The server's side of HTTP/1.1 (RFC 9110, RFC 9112): bytes in, requests out; answers in, bytes out. No socket, no clock.
//
// Every head is scanned line by line before llhttp sees it, because llhttp 8.1 accepts what a proxy in front of us may read
// otherwise (bare LF, folded lines, HTTP/0.9, two Hosts: protocols/web.md section 3). What both agree on is a request; all
// else is answered 4xx or 5xx and the connection closed. One exchange is open at a time: requests sent ahead wait in a bounded
// buffer, so answers leave in order.
//
// Thread: the owner's. Events are called from inside feed(), and from inside the call that completes an answer; the owner must
// outlive them. An event may call respond() and its siblings, but not feed().
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "adapters/wire/server_codec.h"

namespace belfry::wire {

struct Http1Config {
  std::size_t max_request_line = 8UL * 1024;  // 414 above it
  std::size_t max_head = 16UL * 1024;         // 431 above it; trailers too
  std::size_t max_headers = 64;               // 431 above it
  std::size_t max_read_ahead = 64UL * 1024;   // octets held while an answer is owed; then wants_bytes() is false
  bool secure = false;                        // the scheme of requests
  std::string peer;                           // becomes HttpRequest::peer
  // The text of the Date field ("Sun, 06 Nov 1994 08:49:37 GMT"), kept fresh by its owner, who must outlive the codec. Null:
  // none.
  const std::string* date = nullptr;
};

std::unique_ptr<ServerCodec> make_http1_server(ServerEvents& events, Http1Config config);

// For the other codec and for tests: Sec-WebSocket-Accept of a key; whether `text` is host[:port] (RFC 3986);
// whether `list` (a comma-separated field value) holds `token`, case ignored.
std::string websocket_accept(std::string_view key);
bool is_authority(std::string_view text);
bool list_has_token(std::string_view list, std::string_view token);

}  // namespace belfry::wire
