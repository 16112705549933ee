#include "soret/store/replace_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include "soret/base/error.hpp"

namespace soret::store {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  /// Some file systems report a failed write only here.
  bool close() { return ::close(std::exchange(fd_, -1)) == 0; }

 private:
  int fd_;
};

/// Removes the temporary unless it has become the file.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  const fs::path& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  fs::path path_;
};

std::string temporary_prefix(const fs::path& file) {
  return fmt::format(".{}.tmp.", file.filename().string());
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

[[noreturn]] void fail(const fs::path& file, int error) {
  throw RunError(fmt::format("cannot write {}: {}", file.string(), std::generic_category().message(error)));
}

}  // namespace

void replace_file(const fs::path& file, std::span<const std::byte> bytes) {
  const fs::path target = fs::is_symlink(file) ? fs::weakly_canonical(file) : file;
  if (fs::is_directory(target)) fail(file, EISDIR);

  const fs::path folder = folder_of(target);
  Temporary temporary(folder / (temporary_prefix(target) + std::to_string(::getpid())));
  Descriptor out(::open(temporary.path().c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!out.valid()) fail(file, errno);
  if (!write_all(out.get(), bytes) || ::fsync(out.get()) != 0 || !out.close()) fail(file, errno);
  if (::rename(temporary.path().c_str(), target.c_str()) != 0) fail(file, errno);
  temporary.keep();

  // Without this a power cut may bring the old name back. Some file systems cannot sync a folder; there the
  // rename is as durable as it gets.
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.valid()) ::fsync(directory.get());
}

void remove_stale_temporaries(const fs::path& file) noexcept {
  std::error_code ignored;
  const fs::path target = fs::is_symlink(file, ignored) ? fs::weakly_canonical(file, ignored) : file;
  const std::string prefix = temporary_prefix(target);
  for (fs::directory_iterator it(folder_of(target), ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (it->path().filename().string().starts_with(prefix)) {
      std::error_code already_gone;
      fs::remove(it->path(), already_gone);
    }
  }
}

}  // namespace soret::store
