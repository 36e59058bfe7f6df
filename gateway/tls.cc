// See tls.h.
#include "gateway/tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/ip/address.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace belfry::gateway {
namespace {

constexpr long kCertificateSeconds = 10L * 365 * 24 * 3600;

// OpenSSL's reason for the last failure; never contents of a file.
std::string reason(const std::string& what) {
  const unsigned long code = ERR_peek_last_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return what + ": " + (text == nullptr ? "failed" : text);
}

template <class T, void (*Free)(T*)>
struct Freer {
  void operator()(T* p) const { Free(p); }
};
using Key = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freer<X509, X509_free>>;

int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offer, unsigned offer_size,
                    void* h2) {
  const std::string_view all = "\x02h2\x08http/1.1";
  const std::string_view ours = h2 == nullptr ? all.substr(3) : all;
  unsigned char* chosen = nullptr;
  const int result = SSL_select_next_proto(&chosen, out_size, reinterpret_cast<const unsigned char*>(ours.data()),
                                           static_cast<unsigned>(ours.size()), offer, offer_size);
  *out = chosen;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

bool harden(SSL_CTX* context) {
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

bool add_extension(X509* cert, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  const bool ok = extension != nullptr && X509_add_ext(cert, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

// "DNS:a,IP:::1" of what are names and addresses; others are left out, because X509V3_EXT_conf has a syntax of its own.
std::string alternative_names(const std::vector<std::string>& hostnames) {
  std::string out;
  for (const std::string& name : hostnames) {
    std::error_code not_an_address;
    asio::ip::make_address(name, not_an_address);
    const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' || c == '*';
    });
    if (not_an_address && !plain) continue;
    if (!out.empty()) out += ',';
    out += not_an_address ? "DNS:" : "IP:";
    out += name;
  }
  return out;
}

// Writes a new file whole or not at all.
Result<void> write_file(const std::string& path, const std::string& text, mode_t mode) {
  const std::string draft = path + ".new";
  const int fd = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return fail(Errc::kUnavailable, draft + ": " + std::strerror(errno));
  const bool ok =
      ::fchmod(fd, mode) == 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  const int error = errno;
  ::close(fd);
  if (!ok || std::rename(draft.c_str(), path.c_str()) != 0) {
    const int why = ok ? errno : error;
    ::unlink(draft.c_str());
    return fail(Errc::kUnavailable, path + ": " + std::strerror(why));
  }
  return {};
}

template <class Write>
std::string pem(Write write) {
  BIO* bio = BIO_new(BIO_s_mem());
  std::string out;
  if (bio != nullptr && write(bio) == 1) {
    const char* data = nullptr;
    const long size = BIO_ctrl(bio, BIO_CTRL_INFO, 0, &data);
    if (size > 0) out.assign(data, static_cast<std::size_t>(size));
  }
  BIO_free(bio);
  return out;
}

}  // namespace

Result<TlsContext> make_server_tls(const CertificateFiles& files, bool h2) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context || !harden(context.get())) return fail(Errc::kInternal, reason("tls context"));
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.cert_file.c_str()) != 1) {
    return fail(Errc::kBadInput, reason(files.cert_file));
  }
  if (SSL_CTX_use_PrivateKey_file(context.get(), files.key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return fail(Errc::kBadInput, reason(files.key_file));
  }
  if (SSL_CTX_check_private_key(context.get()) != 1)
    return fail(Errc::kBadInput, reason(files.key_file + " does not fit " + files.cert_file));
  const unsigned char name[] = "belfry";
  SSL_CTX_set_session_id_context(context.get(), name, sizeof name - 1);
  SSL_CTX_set_num_tickets(context.get(), 1);
  static char yes = 1;
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, h2 ? &yes : nullptr);
  return context;
}

Result<TlsContext> make_client_tls(const std::string& ca_file) {
  ERR_clear_error();
  TlsContext context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  if (!context || !harden(context.get())) return fail(Errc::kInternal, reason("tls context"));
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  const int ok = ca_file.empty() ? SSL_CTX_set_default_verify_paths(context.get())
                                 : SSL_CTX_load_verify_file(context.get(), ca_file.c_str());
  if (ok != 1) return fail(Errc::kBadInput, reason(ca_file.empty() ? "the system's certificates" : ca_file));
  return context;
}

Result<CertificateFiles> self_signed(const std::string& dir, const std::vector<std::string>& hostnames) {
  CertificateFiles files{dir + "/tls.crt", dir + "/tls.key"};
  if (::access(files.key_file.c_str(), F_OK) == 0 && ::access(files.cert_file.c_str(), F_OK) == 0) return files;

  ERR_clear_error();
  const Key key(EVP_EC_gen("P-256"));
  const Certificate cert(X509_new());
  if (!key || !cert) return fail(Errc::kInternal, reason("key"));
  std::uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  const std::string common = hostnames.empty() ? "belfry" : hostnames.front().substr(0, 64);
  X509_NAME* subject = X509_get_subject_name(cert.get());
  std::string names = alternative_names(hostnames);
  if (names.empty()) names = "DNS:localhost";
  const bool ok = X509_set_version(cert.get(), 2) == 1 &&
                  ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert.get()), (serial >> 1U) | 1U) == 1 &&
                  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600) != nullptr &&
                  X509_gmtime_adj(X509_getm_notAfter(cert.get()), kCertificateSeconds) != nullptr &&
                  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(common.data()),
                                             static_cast<int>(common.size()), -1, 0) == 1 &&
                  X509_set_issuer_name(cert.get(), subject) == 1 && X509_set_pubkey(cert.get(), key.get()) == 1 &&
                  add_extension(cert.get(), NID_basic_constraints, "critical,CA:FALSE") &&
                  add_extension(cert.get(), NID_key_usage, "critical,digitalSignature") &&
                  add_extension(cert.get(), NID_ext_key_usage, "serverAuth") &&
                  add_extension(cert.get(), NID_subject_alt_name, names) && X509_sign(cert.get(), key.get(), EVP_sha256()) != 0;
  if (!ok) return fail(Errc::kInternal, reason("certificate"));
  const std::string key_text =
      pem([&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  const std::string cert_text = pem([&](BIO* bio) { return PEM_write_bio_X509(bio, cert.get()); });
  if (key_text.empty() || cert_text.empty()) return fail(Errc::kInternal, reason("pem"));
  // The certificate first: a crash between the two makes both anew.
  if (auto written = write_file(files.cert_file, cert_text, 0644); !written) return tl::unexpected<Error>(written.error());
  if (auto written = write_file(files.key_file, key_text, 0600); !written) return tl::unexpected<Error>(written.error());
  return files;
}

}  // namespace belfry::gateway
