// Media as files: <dir>/<aa>/<sha256>, aa being the first two hex digits. A file under its name is whole and on disk, always:
// it is written as <dir>/tmp/<random>, fsynced, then renamed.
//
// File work is done by a few threads of the store's own; answers come on the loop, one for each question, never from inside the
// call. What waits for the disk is bounded: see Upload::pending().
#pragma once

#include <asio/io_context.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "belfry/result.h"

namespace belfry::gateway {

struct StoredMedia {
  std::string sha256;  // lower-case hex: the file's name
  std::int64_t size = 0;
};

// A file being written. Dropping it before finish() leaves nothing behind.
class Upload {
 public:
  virtual ~Upload() = default;
  // Queues octets. Past the size limit, or once the disk failed, they are dropped and finish() says why.
  virtual void write(std::string_view bytes) = 0;
  // Octets that are not written yet: above some bound of his, the caller stops reading, until on_drained.
  virtual std::size_t pending() const = 0;
  // An error already known (kTooLarge, or the disk's): there is no point in going on.
  virtual const Error* failed() const = 0;
  // After the last write. `expected`: lower-case hex the content must have, or empty. kBadInput if it has another.
  virtual void finish(std::string expected, std::function<void(Result<StoredMedia>)> done) = 0;

  std::function<void()> on_drained;  // nothing is pending any more
};

class MediaStore {
 public:
  virtual ~MediaStore() = default;
  virtual std::shared_ptr<Upload> create(std::int64_t max_bytes) = 0;
  // Up to `most` octets from `offset`; fewer at the end of the file. kNotFound for an unknown or malformed name.
  virtual void read(std::string sha256, std::int64_t offset, std::size_t most, std::function<void(Result<std::string>)> done) = 0;
  virtual void size(std::string sha256, std::function<void(Result<std::int64_t>)> done) = 0;
  // A file that is not there is no error.
  virtual void remove(std::string sha256, std::function<void(Result<bool>)> done) = 0;
};

// Makes `dir` and `dir`/tmp if they are not there, and removes what a crash left in tmp a day ago or earlier.
std::unique_ptr<MediaStore> make_media_store(asio::io_context& loop, std::string dir, unsigned threads = 2);

}  // namespace belfry::gateway
