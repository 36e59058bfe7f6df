// The Graph API's view of one send: what Meta accepts, and the error it would answer otherwise. Pure: JSON in, verdict out.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace sim {

struct GraphError {
  int http = 400;
  int code = 100;
  int subcode = 0;
  std::string message = "Invalid parameter";
  std::string details;
  std::string type = "OAuthException";
};

struct Send {
  enum class Kind { kMessage, kRead, kTyping };
  Kind kind = Kind::kMessage;
  std::string to;        // digits, or the business-scoped user id
  bool to_user = false;  // `recipient` was used
  std::string type;      // text, image, template...
  std::string text;      // what a person would read of it
  std::string opaque;    // biz_opaque_callback_data
  std::string context;   // wamid it answers; of a reaction, the message reacted to; of a read, the message read
};

// The verdict over one POST /{number}/messages body.
std::optional<GraphError> read_send(const nlohmann::json& body, Send& out);

// One of the sheet's codes with its HTTP status and title.
GraphError graph_error(int code, std::string details = {});
std::string graph_error_body(const GraphError& error, const std::string& trace);

std::size_t characters(const std::string& utf8);

}  // namespace sim
