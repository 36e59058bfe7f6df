#include "gateway/auth/subject.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace belfry::gateway {
namespace {

// What a role may do with a kind of object. r reads all, w writes all, m manages; o reads his own and his queues', h writes
// what he holds. A kind that a role does not name is denied.
struct Row {
  std::string_view kind, agent, supervisor, alert_author, alert_approver, admin, auditor, integration;
};
constexpr std::array kTable{
    //   kind             agent  superv. author approver admin  auditor integration
    Row{"agents", "rh", "rw", "", "", "rwm", "r", "r"},
    Row{"queues", "r", "rw", "r", "r", "rwm", "r", "r"},
    Row{"skills", "r", "rw", "", "", "rwm", "r", "r"},
    Row{"contacts", "o", "rw", "", "", "rwm", "r", "r"},
    Row{"conversations", "oh", "rw", "", "", "rwm", "r", "rw"},
    Row{"messages", "oh", "rw", "", "", "rwm", "r", "rw"},
    Row{"templates", "r", "r", "r", "r", "rwm", "r", "r"},
    Row{"media", "ow", "rw", "w", "", "rwm", "r", "rw"},
    Row{"keys", "", "", "", "", "rwm", "r", ""},
    Row{"stats", "r", "r", "r", "r", "rwm", "r", "r"},
    Row{"audit", "", "r", "", "", "rwm", "r", ""},
    Row{"accounts", "r", "r", "r", "r", "rwm", "r", "r"},
    Row{"announcements", "r", "rw", "r", "r", "rwm", "r", "r"},
};

std::string_view rights(const Row& row, std::string_view role) {
  if (role == "agent") return row.agent;
  if (role == "supervisor") return row.supervisor;
  if (role == "alert_author") return row.alert_author;
  if (role == "alert_approver") return row.alert_approver;
  if (role == "admin") return row.admin;
  if (role == "auditor") return row.auditor;
  if (role == "integration") return row.integration;
  return {};
}

bool allows(std::string_view letters, Action action, bool holds, bool near) {
  const auto has = [&](char c) { return letters.find(c) != std::string_view::npos; };
  switch (action) {
    case Action::kRead: return has('r') || (has('o') && (holds || near));
    case Action::kWrite: return has('w') || (has('h') && holds);
    case Action::kManage: return has('m');
  }
  return false;
}

std::string_view name_of(Action action) {
  switch (action) {
    case Action::kRead: return "read";
    case Action::kWrite: return "write";
    case Action::kManage: return "manage";
  }
  return "do";
}

}  // namespace

Subject operator_subject() { return {Subject::Kind::kOperator, "operator", {}, "operator", {"admin"}, {}, {}}; }

bool is_role(std::string_view word) { return std::find(std::begin(kRoles), std::end(kRoles), word) != std::end(kRoles); }

bool has_role(const Subject& subject, std::string_view role) {
  return std::find(subject.roles.begin(), subject.roles.end(), role) != subject.roles.end();
}

Result<void> authorize(const Subject& subject, Action action, const Object& object) {
  const bool holds = !subject.agent.empty() && object.owner == subject.agent;
  const bool near =
      !object.queue.empty() && std::find(subject.queues.begin(), subject.queues.end(), object.queue) != subject.queues.end();
  const auto row = std::find_if(kTable.begin(), kTable.end(), [&](const Row& r) { return r.kind == object.kind; });
  if (row != kTable.end()) {
    for (const std::string& role : subject.roles) {
      if (allows(rights(*row, role), action, holds, near)) return {};
    }
  }
  return fail(Errc::kForbidden, std::string(name_of(action)).append(" ").append(object.kind).append(" by ").append(subject.id));
}

}  // namespace belfry::gateway
