# Joins routing/functions/*.lua into one Redis library, named by the first 8 hex digits of its own SHA-256, so that two
# versions of the gateway can live side by side on one server. 00_*.lua come first: what the others use.
file(GLOB parts ${DIR}/*.lua)
list(SORT parts)
set(body "")
foreach(part ${parts})
  file(READ ${part} text)
  string(APPEND body "${text}\n")
endforeach()
string(SHA256 hash "${body}")
string(SUBSTRING ${hash} 0 8 short)
# Every function is registered as <name>_<hash>: function names are unique server-wide.
set(code "#!lua name=belfry_${short}\nlocal VERSION = '${short}'\n${body}")
# A C++ string literal is at most 64 KiB, so the text goes in pieces.
string(LENGTH "${code}" total)
set(literal "")
set(at 0)
while(at LESS total)
  string(SUBSTRING "${code}" ${at} 4000 piece)
  string(APPEND literal "    R\"LUA(${piece})LUA\"\n")
  math(EXPR at "${at} + 4000")
endwhile()
file(WRITE ${OUT} "// Made by routing/functions/join.cmake.\n#include \"routing/library.h\"\n\nnamespace belfry::routing {\nconst char kLibraryVersion[] = \"${short}\";\nconst char kLibraryCode[] =\n${literal}    ;\n}  // namespace belfry::routing\n")
