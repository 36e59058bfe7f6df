#include "gateway/media_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <optional>
#include <utility>

#include "adapters/wire/crypto.h"

namespace belfry::gateway {

namespace {

constexpr std::size_t kMaxRead = 4UL << 20;

bool is_name(std::string_view sha256) {
  return sha256.size() == 64 &&
         std::all_of(sha256.begin(), sha256.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

Error disk_error(const char* what) {
  const int code = errno;
  return {code == ENOENT ? Errc::kNotFound : Errc::kUnavailable,
          std::string(what) + ": " + std::generic_category().message(code)};
}

// Writes a directory's entries through to the disk; else a rename may be forgotten by a crash.
bool sync_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = ::fsync(fd) == 0;
  ::close(fd);
  return ok;
}

// What uploads and the store share: the threads, which outlive every piece of work because ~Disk joins them.
struct Disk {
  Disk(asio::io_context& l, std::string d, unsigned threads) : loop(l), dir(std::move(d)), pool(std::max(1U, threads)) {}
  ~Disk() { pool.join(); }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  // Does `work` on a thread and `then` with its outcome on the loop. The loop does not run out of work meanwhile.
  template <class Work, class Then>
  void run(Work work, Then then) {
    asio::post(pool, [guard = asio::make_work_guard(loop), work = std::move(work), then = std::move(then)]() mutable {
      auto outcome = work();
      asio::post(guard.get_executor(),
                 [then = std::move(then), outcome = std::move(outcome)]() mutable { then(std::move(outcome)); });
    });
  }

  std::string path_of(const std::string& sha256) const { return dir + "/" + sha256.substr(0, 2) + "/" + sha256; }

  asio::io_context& loop;
  const std::string dir;
  asio::thread_pool pool;
};

// The file itself: only ever touched by one piece of work at a time.
struct File {
  ~File() {
    if (fd >= 0) ::close(fd);
    if (!temporary.empty()) ::unlink(temporary.c_str());
  }
  int fd = -1;
  std::string temporary;
  wire::Sha256 digest;
};

class DiskUpload final : public Upload, public std::enable_shared_from_this<DiskUpload> {
 public:
  DiskUpload(std::shared_ptr<Disk> disk, std::int64_t max_bytes) : disk_(std::move(disk)), max_bytes_(max_bytes) {}
  ~DiskUpload() override {
    // Closing and unlinking may wait for the disk: not on the loop.
    asio::post(disk_->pool, [file = std::move(file_)]() mutable { file.reset(); });
  }
  DiskUpload(const DiskUpload&) = delete;
  DiskUpload& operator=(const DiskUpload&) = delete;

  void write(std::string_view bytes) override {
    if (error_ || done_) return;
    size_ += static_cast<std::int64_t>(bytes.size());
    if (size_ > max_bytes_) {
      error_ = Error{Errc::kTooLarge, "media above its size limit"};
      waiting_.clear();
      return;
    }
    waiting_.append(bytes);
    pump();
  }

  std::size_t pending() const override { return waiting_.size() + in_flight_; }
  const Error* failed() const override { return error_ ? &*error_ : nullptr; }

  void finish(std::string expected, std::function<void(Result<StoredMedia>)> done) override {
    expected_ = std::move(expected);
    done_ = std::move(done);
    pump();
  }

 private:
  // One piece of work at a time: what comes meanwhile goes with the next, in one write.
  void pump() {
    if (busy_) return;
    if (error_ || waiting_.empty()) {
      if (done_) finish_now();
      return;
    }
    busy_ = true;
    in_flight_ = waiting_.size();
    disk_->run(
        [disk = disk_.get(), file = file_, bytes = std::exchange(waiting_, {})]() -> Result<bool> {
          if (file->fd < 0) {
            file->temporary = disk->dir + "/tmp/" + wire::to_hex(wire::random_bytes(16));
            file->fd = ::open(file->temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
            if (file->fd < 0) {
              file->temporary.clear();
              return tl::unexpected(disk_error("cannot create media file"));
            }
          }
          file->digest.add(bytes);
          for (std::string_view left = bytes; !left.empty();) {
            const ssize_t n = ::write(file->fd, left.data(), left.size());
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return tl::unexpected(disk_error("cannot write media file"));
            left.remove_prefix(static_cast<std::size_t>(n));
          }
          return true;
        },
        [weak = weak_from_this()](Result<bool> outcome) {
          const auto self = weak.lock();
          if (!self) return;
          self->busy_ = false;
          self->in_flight_ = 0;
          if (!outcome && !self->error_) self->error_ = outcome.error();
          if (self->error_) self->waiting_.clear();
          self->pump();
          if (self->pending() == 0 && self->on_drained) self->on_drained();
        });
  }

  void finish_now() {
    busy_ = true;  // for ever: nothing follows
    disk_->run(
        [disk = disk_.get(), file = file_, error = error_, expected = expected_, size = size_]() -> Result<StoredMedia> {
          if (error) return tl::unexpected(*error);
          if (file->fd < 0) return fail(Errc::kBadInput, "media is empty");
          const std::string sha256 = wire::to_hex(file->digest.finish());
          if (!expected.empty() && expected != sha256) return fail(Errc::kBadInput, "media has another sha256 than announced");
          if (::fsync(file->fd) != 0) return tl::unexpected(disk_error("cannot sync media file"));
          const std::string folder = disk->dir + "/" + sha256.substr(0, 2);
          if (::mkdir(folder.c_str(), 0750) == 0) {
            sync_directory(disk->dir);
          } else if (errno != EEXIST) {
            return tl::unexpected(disk_error("cannot make media folder"));
          }
          // The same content twice: the name already holds the same octets, and replacing it is harmless.
          if (::rename(file->temporary.c_str(), disk->path_of(sha256).c_str()) != 0) {
            return tl::unexpected(disk_error("cannot rename media file"));
          }
          file->temporary.clear();
          if (!sync_directory(folder)) return tl::unexpected(disk_error("cannot sync media folder"));
          return StoredMedia{sha256, size};
        },
        // The answer comes even if the Upload was dropped meanwhile: whoever asked is owed one.
        [done = std::exchange(done_, {})](Result<StoredMedia> outcome) { done(std::move(outcome)); });
  }

  std::shared_ptr<Disk> disk_;
  std::shared_ptr<File> file_ = std::make_shared<File>();
  const std::int64_t max_bytes_;
  std::int64_t size_ = 0;
  std::string waiting_;
  std::size_t in_flight_ = 0;
  bool busy_ = false;
  std::optional<Error> error_;
  std::string expected_;
  std::function<void(Result<StoredMedia>)> done_;
};

class DiskStore final : public MediaStore {
 public:
  DiskStore(asio::io_context& loop, std::string dir, unsigned threads)
      : disk_(std::make_shared<Disk>(loop, std::move(dir), threads)) {
    std::error_code ignored;  // a directory that cannot be made is an error of the first upload
    const std::filesystem::path tmp = disk_->dir + "/tmp";
    std::filesystem::create_directories(tmp, ignored);
    const auto yesterday = std::filesystem::file_time_type::clock::now() - std::chrono::hours(24);
    for (auto it = std::filesystem::directory_iterator(tmp, ignored); !ignored && it != std::filesystem::directory_iterator();
         it.increment(ignored)) {
      // Another process may share the directory: its uploads are young.
      std::error_code gone;
      if (it->last_write_time(gone) < yesterday && !gone) std::filesystem::remove(it->path(), gone);
    }
  }

  std::shared_ptr<Upload> create(std::int64_t max_bytes) override { return std::make_shared<DiskUpload>(disk_, max_bytes); }

  void read(std::string sha256, std::int64_t offset, std::size_t most, std::function<void(Result<std::string>)> done) override {
    disk_->run(
        [path = path_of(sha256), offset, most]() -> Result<std::string> {
          const int fd = path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
          if (fd < 0) return fail(Errc::kNotFound, "no such media");
          std::string out(std::min(most, kMaxRead), '\0');
          std::size_t got = 0;
          while (got < out.size()) {
            const ssize_t n = ::pread(fd, out.data() + got, out.size() - got, offset + static_cast<std::int64_t>(got));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) {
              const Error error = disk_error("cannot read media");
              ::close(fd);
              return tl::unexpected(error);
            }
            if (n == 0) break;
            got += static_cast<std::size_t>(n);
          }
          ::close(fd);
          out.resize(got);
          return out;
        },
        std::move(done));
  }

  void size(std::string sha256, std::function<void(Result<std::int64_t>)> done) override {
    disk_->run(
        [path = path_of(sha256)]() -> Result<std::int64_t> {
          struct stat found {};
          if (path.empty() || ::stat(path.c_str(), &found) != 0) return fail(Errc::kNotFound, "no such media");
          return std::int64_t{found.st_size};
        },
        std::move(done));
  }

  void remove(std::string sha256, std::function<void(Result<bool>)> done) override {
    disk_->run(
        [path = path_of(sha256)]() -> Result<bool> {
          if (path.empty()) return false;
          if (::unlink(path.c_str()) == 0) return true;
          if (errno == ENOENT) return false;
          return tl::unexpected(disk_error("cannot remove media"));
        },
        std::move(done));
  }

 private:
  // Empty for what is no name: nothing else ever reaches the file system.
  std::string path_of(const std::string& sha256) const { return is_name(sha256) ? disk_->path_of(sha256) : std::string(); }

  std::shared_ptr<Disk> disk_;
};

}  // namespace

std::unique_ptr<MediaStore> make_media_store(asio::io_context& loop, std::string dir, unsigned threads) {
  return std::make_unique<DiskStore>(loop, std::move(dir), threads);
}

}  // namespace belfry::gateway
