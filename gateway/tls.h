// TLS contexts: what this machine offers and what it accepts. TLS 1.2 with ECDHE and AEAD, and TLS 1.3; nothing older, no
// renegotiation, no compression, no session cache (tickets carry their own state, under one key a process).
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

#include "belfry/result.h"

namespace belfry::gateway {

// Shared by all shards: OpenSSL locks what it must. A reload makes a new one; connections keep the one they began with.
using TlsContext = std::shared_ptr<SSL_CTX>;

struct CertificateFiles {
  std::string cert_file;  // PEM, the chain after it
  std::string key_file;   // PEM
};

// `h2`: offer HTTP/2 by ALPN before HTTP/1.1. A client that offers neither is refused; one without ALPN gets HTTP/1.1.
Result<TlsContext> make_server_tls(const CertificateFiles& files, bool h2);

// Verifies peers against `ca_file`, or the system's roots if it is empty.
Result<TlsContext> make_client_tls(const std::string& ca_file);

// The pair <dir>/tls.crt and <dir>/tls.key; made if the key is not there: EC P-256, ten years, for these names and addresses.
Result<CertificateFiles> self_signed(const std::string& dir, const std::vector<std::string>& hostnames);

}  // namespace belfry::gateway
