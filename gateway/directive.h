// What supervisors direct, by REST and by desk alike: who may, and what to say when it cannot be.
#pragma once

#include <string>

#include "adapters/wire/problem.h"
#include "gateway/auth/subject.h"
#include "routing/store.h"

namespace belfry::gateway {

// Who may write all conversations directs any; an agent directs what is his (Directive::agent), but takes nothing from others.
// Fills in by whom. kForbidden otherwise.
Result<void> permit(const Subject& subject, routing::Directive& directive);

// As the transition and the audit log name him: agent_ana, key_..., operator.
std::string name_of(const Subject& subject);

// 409 with what is true now.
wire::Problem stale_problem(const routing::Outcome& outcome);
// Why the store refused, and what to do instead.
wire::Problem refused_problem(const std::string& why);

}  // namespace belfry::gateway
