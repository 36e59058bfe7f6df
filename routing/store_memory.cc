#include "routing/store_memory.h"

#include "routing/model/memory.h"

namespace belfry::routing {

std::unique_ptr<MemoryStore> make_memory_store(std::function<WallTime()> now) {
  return std::make_unique<model::Memory>(std::move(now));
}

}  // namespace belfry::routing
