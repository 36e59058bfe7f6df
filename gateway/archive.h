// The archive: conversations that are over, as files of one JSON line each, one file a month of closing (UTC).
//
//   <dir>/2026-11.jsonl   {"id":"conv_12","address":"wa:…","conversation":{…},"messages":[…]}
//   <dir>/index           16 octets a conversation, at 16 times its number: offset (8), length (4), month (4, as 202611)
//   <dir>/lock            held by whoever appends
//
// `conversation` and `messages` are what GET /api/v1/conversations/{id} and …/messages answer. A line never changes. A crash may
// leave a conversation here and in Redis; the repeat finds its line and writes none. Where it changed in between, or a power cut
// took the index, a second line follows: of two with one id, the last is true. Without its file `index` is made anew at the
// next append. A file may be moved away or packed: what it held is then not found any more, and nothing else happens.
//
// Everything here waits for the disk: it runs on the work pool. Any number of nodes may share the directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "belfry/clock.h"
#include "belfry/result.h"

namespace belfry::gateway {

struct ArchiveLine {
  std::int64_t id = 0;  // of the conversation
  WallTime closed;      // chooses the month
  std::string text;     // one line, without its end
};

// How many lines were new. When it answers, all of them are on disk, with the file's name; after an error none counts.
Result<std::size_t> append_to_archive(const std::string& dir, const std::vector<ArchiveLine>& lines);
// The last line of this conversation; kNotFound.
Result<std::string> find_in_archive(const std::string& dir, std::int64_t id);
// Removes the files of months that lie more than `months` back. Answers their names.
Result<std::vector<std::string>> prune_archive(const std::string& dir, WallTime now, int months);

// What a line says, as the API answers it.
struct ArchivedConversation {
  std::string conversation;  // JSON
  std::string owner, queue;  // plain ids: who may see it
  std::vector<std::string> messages;
};
Result<ArchivedConversation> read_archive_line(const std::string& line);

}  // namespace belfry::gateway
