// The client's TLS settings, for the two files that dial.
#pragma once

#include <boost/asio/ssl/context.hpp>

#include "http.h"

namespace sim {

inline boost::asio::ssl::context client_tls(const Trust& trust) {
  boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  if (trust.insecure) {
    context.set_verify_mode(boost::asio::ssl::verify_none);
  } else {
    boost::system::error_code error;
    if (trust.ca_file.empty()) {
      context.set_default_verify_paths(error);
    } else {
      context.load_verify_file(trust.ca_file, error);
    }
    if (error) throw Failure("cannot load the trusted certificates " + trust.ca_file + ": " + error.message());
    context.set_verify_mode(boost::asio::ssl::verify_peer);
  }
  return context;
}

}  // namespace sim
