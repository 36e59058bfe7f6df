// The web chat as a form page: for who has no JavaScript. Everything is text in it; nothing of a citizen is markup.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/webchat/frames.h"

namespace belfry::gateway {

struct ChatPage {
  std::string inbox, token, client_id;  // client_id: of the message that he writes next
  std::string language;                 // en es pt ru ar; anything else is en
  std::vector<webchat::MessageView> messages;
  std::string state;  // of the conversation; empty: none
  webchat::QueueView queue;
  bool open = true;
  std::string problem, draft;  // what could not be sent, and why
};
std::string html_of(const ChatPage& page);
std::string_view chat_page_style();
// The first language of an Accept-Language field that the page speaks.
std::string page_language(std::string_view accepted);

}  // namespace belfry::gateway
