// Who asks, and what he may do: one table of roles and objects, one function that reads it, for REST and sockets alike.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/result.h"

namespace belfry::gateway {

struct Subject {
  enum class Kind : std::uint8_t {
    kAgent,     // a person who signed in: by cookie or by ticket
    kKey,       // a program with an API key; one of role agent acts as that agent
    kOperator,  // belfryctl over the admin socket, allowed by its uid
  } kind = Kind::kAgent;
  std::string id;     // the agent's id, the key's id, or "operator"
  std::string agent;  // the agent in whose name he acts; empty: none
  std::string name;   // as people know him
  std::vector<std::string> roles;
  std::vector<std::string> queues;  // of the agent, as they were when he was looked up
  std::string session;              // of kAgent: the session's key, so that sign-out can find it
};
Subject operator_subject();

inline constexpr std::string_view kRoles[] = {"agent", "supervisor", "alert_author", "alert_approver",
                                              "admin", "auditor",    "integration"};
bool is_role(std::string_view word);
bool has_role(const Subject& subject, std::string_view role);

enum class Action : std::uint8_t {
  kRead,
  kWrite,   // everyday work: send, answer, set availability, change a queue
  kManage,  // who may do what: create and remove people, passwords, roles, keys
};

// `kind` is one of interface.md's objects. An object that belongs to somebody names him, so that "his own" can be told.
struct Object {
  std::string_view kind;
  std::string_view owner = {};  // the agent who holds the conversation; of kind agents: that agent himself
  std::string_view queue = {};  // the conversation's queue
};

// Deny by default. kForbidden otherwise; its detail names role and object, for our log.
// An agent reads conversations (their messages, media) that he holds or that are of his queues, and writes those he holds.
Result<void> authorize(const Subject& subject, Action action, const Object& object);

}  // namespace belfry::gateway
