// What supervisors direct, by REST and by desk alike: who may, and what to say when it cannot be.
#pragma once

#include <string>

#include "adapters/wire/problem.h"
#include "gateway/auth/subject.h"
#include "gateway/services.h"
#include "routing/store.h"

namespace belfry::gateway {

// Who may write all conversations directs any; an agent directs what is his (Directive::agent), but takes nothing from others.
// Fills in by whom. kForbidden otherwise.
Result<void> permit(const Subject& subject, routing::Directive& directive);

// Whether an address as the store keeps it, like wa:city:4915..., is one of this account's channel.
bool can_write_to(const Outbox& outbox, std::string_view account, std::string_view address);
// Where Directive::Verb::kSwitch is to go: this address must be one that the account can write to. The error's detail is for
// whoever asked.
Result<std::string> switch_target(const Outbox& outbox, std::string_view account, std::string_view address);

// As the transition and the audit log name him: agent_ana, key_..., operator.
std::string name_of(const Subject& subject);

// 409 with what is true now.
wire::Problem stale_problem(const routing::Outcome& outcome);
// Why the store refused, and what to do instead.
wire::Problem refused_problem(const std::string& why);

}  // namespace belfry::gateway
