// Attributes in JSON: what routes ask for, and what is said of a conversation.
#pragma once

#include <string>

#include "gateway/api/body.h"
#include "routing/routes.h"

namespace belfry::gateway::api {

// The member `attributes`, an object of texts; what is wrong with it is complained of.
routing::Attributes read_attributes(Body& body);
std::string attributes_json(const routing::Attributes& attributes);

}  // namespace belfry::gateway::api
