// A small valid picture, so that media that citizens send can be opened by whoever receives them.
#pragma once

#include <string>

#include "base.h"

namespace sim {

std::string make_png(Chance& chance, unsigned size = 96);

}  // namespace sim
