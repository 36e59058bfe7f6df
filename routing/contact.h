// A citizen as the store knows him: one contact, or several that turned out to be one person.
#pragma once

#include <string>
#include <vector>

#include "belfry/clock.h"

namespace belfry::routing {

// Where a contact may be written to.
struct Reach {
  std::string account;
  WallTime window_until;  // of a channel that has one; 0: none is open, or none is known
};
// One of a citizen's contacts.
struct ContactPart {
  std::string id, name;
  std::string into, by;  // the contact it is attached to, by whom; both empty of the one that stands for all
  WallTime since;
  std::string latest;                // conversation, empty: none yet
  std::string address;               // like wa:city:4915...
  std::vector<std::string> aliases;  // other addresses of the same channel, known to be his
  std::vector<std::string> said;     // numbers that he says are his
  std::vector<Reach> places;         // accounts that know his address, by their names
};
// Another citizen with the same number: shown to the agent, never trusted.
struct SameNumber {
  std::string contact, name;
  std::string address;  // empty: he only says that it is his
};
struct Citizen {
  bool missing = true;
  std::string id;   // the contact that stands for all
  WallTime folded;  // his identity key changed then: what is older may be another person's. 0: never
  std::vector<ContactPart> parts;
  std::vector<SameNumber> same;
};

}  // namespace belfry::routing
