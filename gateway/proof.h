// A code that a citizen sends back proves that another address is his as well: POST /api/v1/contacts/{id}/verify sent it there.
#pragma once

#include <string>
#include <string_view>

#include "gateway/services.h"

namespace belfry::gateway {

// Six digits that nobody can guess, for a message to another address.
std::string fresh_code();
// The six digits, if a message says nothing else; Arabic and Persian digits count. Empty: it is no code.
std::string code_in(std::string_view text);

// If that code was sent for this citizen, both contacts are merged, which the audit log and a note in the conversation tell. A
// wrong code costs one of five tries. Where the store does not answer, nothing happens: the citizen may send it again.
void prove(Services& services, const std::string& contact, const std::string& conversation, const std::string& code);

}  // namespace belfry::gateway
