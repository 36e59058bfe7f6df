// Conversations as lists, one, and its messages.
#include <algorithm>
#include <charconv>

#include "adapters/desk/frames.h"
#include "gateway/api/archived.h"
#include "gateway/api/call.h"
#include "gateway/api/waiting.h"
#include "gateway/desk_hub.h"

namespace belfry::gateway::api {
namespace {

bool is_number(std::string_view text) {
  return text.size() <= 15 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

void bad_cursor(const CallPtr& call) {
  call->problem(
      wire::problem(422, "invalid_parameter", "`after` is not a cursor of this list. Send what `next` said, or leave it out."));
}

void list(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 200);
  if (!page) return;
  if (!is_number(page->after)) return bad_cursor(call);
  // Whoever may see none of them hears so; an agent sees those he holds and those of his queues.
  if (!call->may(Action::kRead, {"conversations", call->subject.agent})) return;
  room.services.store.conversations(page->after.empty() ? "0" : page->after, page->limit,
                                    [call](Result<routing::Conversations> found) {
                                      if (!found) return call->error(found.error());
                                      std::vector<std::string> items;
                                      for (const routing::Card& card : found->cards) {
                                        if (!authorize(call->subject, Action::kRead, {"conversations", card.owner, card.queue}))
                                          continue;
                                        desk::append(items.emplace_back(), view_of(card));
                                      }
                                      call->json(200, list_json(items, found->next));
                                    });
}

// It is in Redis, or in the archive.
void with_card(Room& room, const CallPtr& call, std::function<void(const routing::Card&)> then,
               std::function<void(const ArchivedConversation&)> archived) {
  const auto id = parse_conversation_id(call->args[0]);
  if (!id) return call->problem(not_found("conversation"));
  room.services.store.cards({*id}, [&room, call, id = *id, then = std::move(then),
                                    archived = std::move(archived)](Result<std::vector<routing::Card>> cards) mutable {
    if (!cards) return call->error(cards.error());
    if (cards->empty()) return with_archived(room, call, id, "conversations", "conversation", std::move(archived));
    if (!authorize(call->subject, Action::kRead, {"conversations", cards->front().owner, cards->front().queue})) {
      return call->problem(not_found("conversation"));
    }
    then(cards->front());
  });
}

void get(Room& room, const CallPtr& call) {
  with_card(
      room, call,
      [&room, call](const routing::Card& card) {
        std::string out;
        desk::append(out, view_of(card));
        out.pop_back();
        append_sla(room, card, out);
        call->json(200, out + "}");
      },
      [call](const ArchivedConversation& archived) { call->json(200, archived.conversation); });
}

void messages(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 200);
  if (!page) return;
  if (!is_number(page->after)) return bad_cursor(call);
  std::int64_t after = 0;
  std::from_chars(page->after.data(), page->after.data() + page->after.size(), after);
  const auto live = [&room, call, after, limit = page->limit](const routing::Card& card) {
    const std::string id = card.conversation;
    room.services.store.page(id, after, limit, [call, id](Result<routing::Page> found) {
      if (!found) return call->error(found.error());
      std::vector<std::string> items;
      std::int64_t last = 0;
      for (const routing::Line& line : found->lines) {
        desk::append(items.emplace_back(), view_of({id, line.n}, line));
        last = line.n;
      }
      call->json(200, list_json(items, last > 0 && last < found->total ? std::to_string(last) : std::string()));
    });
  };
  with_card(room, call, live, [call, after, limit = page->limit](const ArchivedConversation& archived) {
    const auto& all = archived.messages;
    const std::size_t from = std::min(static_cast<std::size_t>(after), all.size());
    const std::size_t to = std::min(from + static_cast<std::size_t>(limit), all.size());
    call->json(200, list_json({all.begin() + static_cast<std::ptrdiff_t>(from), all.begin() + static_cast<std::ptrdiff_t>(to)},
                              to < all.size() ? std::to_string(to) : std::string()));
  });
}

}  // namespace

std::vector<Route> conversation_routes() {
  return {{"GET", "/conversations", Takes::kNothing, Who::kKnown, list},
          {"GET", "/conversations/{id}", Takes::kNothing, Who::kKnown, get},
          {"GET", "/conversations/{id}/messages", Takes::kNothing, Who::kKnown, messages}};
}

}  // namespace belfry::gateway::api
