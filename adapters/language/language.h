// In which language a short message is written. The only file that sees CLD2.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace belfry::language {

// A code of ISO 639-1 like "es"; empty where nothing can be said: too short, or no words at all. By its script first (Arabic,
// Persian, Russian, Ukrainian), else by CLD2's guess; the first of its three that is `wanted` counts before its best, and close
// languages stand for each other (Galician for Portuguese, Catalan for Spanish), for a few words do not tell them apart.
std::string of(std::string_view text, const std::vector<std::string>& wanted = {});

}  // namespace belfry::language
