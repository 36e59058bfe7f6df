#include "gateway/api/audit.h"

#include <map>

#include "adapters/wire/rfc3339.h"
#include "gateway/api/render.h"
#include "gateway/directive.h"

namespace belfry::gateway::api {
namespace {

constexpr std::string_view kKept = "100000";

// The same kind of cursor as /audit/transitions: the id of a stream's entry.
void changes(Room& room, const CallPtr& call) {
  const auto page = paging(*call, 1000);
  if (!page || !call->may(Action::kRead, {"audit"})) return;
  if (page->after.find_first_not_of("0123456789-") != std::string::npos) {
    return call->problem(
        wire::problem(422, "invalid_parameter", "`after` is not a cursor of this list. Send what `next` said, or leave it out."));
  }
  const std::string from = page->after.empty() ? std::string("-") : "(" + page->after;
  const auto ask = static_cast<std::size_t>(page->limit) + 1;
  room.commands.run({"XRANGE", room.commands.key("audit"), from, "+", "COUNT", std::to_string(ask)},
                    [call, ask](Result<routing::Value> found) {
                      if (!found) return call->error(found.error());
                      std::vector<std::string> items;
                      std::string last, next;
                      for (const routing::Value& entry : found->array) {
                        if (entry.array.size() != 2) continue;
                        if (items.size() + 1 == ask) {
                          next = last;
                          break;
                        }
                        last = entry.array[0].text;
                        std::map<std::string, std::string, std::less<>> f;
                        for (auto& [name, value] : pairs_of(entry.array[1])) f[name] = value;
                        std::string& out = items.emplace_back("{");
                        member(out, "id", last);
                        member(out, "at", wire::rfc3339(WallTime{to_int(f["t"])}));
                        member(out, "by", f["by"]);
                        member(out, "action", f["do"]);
                        member(out, "object", f["of"]);
                        if (!f["what"].empty()) member(out, "what", f["what"]);
                        out += '}';
                      }
                      call->json(200, list_json(items, next));
                    });
}

}  // namespace

void note_change(Room& room, const CallPtr& call, std::string_view action, const std::string& object, const std::string& what,
                 std::function<void()> then) {
  room.commands.run(
      {"XADD", room.commands.key("audit"), "MAXLEN", "~", kKept, "*", "t", std::to_string(room.services.now().wall.ms), "by",
       name_of(call->subject), "do", action, "of", object, "what", what},
      [call, then = std::move(then)](const Result<routing::Value>& noted) {
        if (!noted) return call->error(noted.error());
        then();
      });
}

std::string told(const routing::Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out.append(out.empty() ? "" : "; ").append(name).append("=").append(value);
  return out;
}

std::string named(const routing::Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out.append(out.empty() ? "" : ",").append(name);
  return out;
}

std::vector<Route> audit_routes() { return {{"GET", "/audit/changes", Takes::kNothing, Who::kKnown, changes}}; }

}  // namespace belfry::gateway::api
