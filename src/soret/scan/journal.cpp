#include "soret/scan/journal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "soret/base/error.hpp"

// The file: kMagic, then frames. A frame is the size (uint64) and the CRC-32 (uint32) of its payload, then
// the payload, which is never empty. The first frame holds the identity, every further one a record. Numbers
// are in the byte order of the machine: a journal lives and dies beside the run that writes it.
namespace soret {
namespace {

namespace fs = std::filesystem;

/// Ends with the version of the format.
constexpr std::string_view kMagic = "soretjournal-1\n";
constexpr std::size_t kFrameHeader = sizeof(std::uint64_t) + sizeof(std::uint32_t);

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

class Writer {
 public:
  template <class T>
  void number(T x) {
    static_assert(std::is_arithmetic_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&x), sizeof(x));
  }
  template <class T>
  void array(const std::vector<T>& values) {
    number<std::uint64_t>(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class T>
  T number() {
    T x;
    std::memcpy(&x, take(sizeof(T)).data(), sizeof(T));
    return x;
  }
  template <class T>
  std::vector<T> array() {
    std::vector<T> values(number<std::uint64_t>());
    std::ranges::copy(take(values.size() * sizeof(T)), reinterpret_cast<char*>(values.data()));
    return values;
  }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::string_view bytes_;
};

std::string payload_of(const JournalRecord& record) {
  Writer out;
  out.number<std::uint64_t>(record.point);
  out.number(record.first_block);
  out.number(static_cast<std::uint32_t>(record.blocks.size()));
  for (const BlockSummary& block : record.blocks) {
    out.number(block.survivors);
    out.array(block.diverged_at);
    out.array(block.mean);
    out.array(block.m2);
  }
  return out.bytes();
}

JournalRecord record_of(std::string_view payload) {
  Reader in(payload);
  JournalRecord record;
  record.point = in.number<std::uint64_t>();
  record.first_block = in.number<std::uint32_t>();
  record.blocks.resize(in.number<std::uint32_t>());
  for (BlockSummary& block : record.blocks) {
    block.survivors = in.number<std::int64_t>();
    block.diverged_at = in.array<std::int64_t>();
    block.mean = in.array<double>();
    block.m2 = in.array<double>();
  }
  return record;
}

std::string frame(std::string_view payload) {
  Writer header;
  header.number<std::uint64_t>(payload.size());
  header.number(checksum(payload));
  return header.bytes() + std::string(payload);
}

/// Fills `size` bytes from the file's position `at`; nullopt if it ends before.
std::optional<std::string> read_at(int fd, std::size_t at, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t got = 0; got < size;) {
    const ssize_t n = ::pread(fd, bytes.data() + got, size - got, static_cast<off_t>(at + got));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    got += static_cast<std::size_t>(n);
  }
  return bytes;
}

std::size_t size_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<std::size_t>(status.st_size) : 0;
}

/// The payload of the frame at `at`, which then moves behind it; nullopt if the frame is torn.
std::optional<std::string> read_frame(int fd, std::size_t& at) {
  const auto header = read_at(fd, at, kFrameHeader);
  if (!header) return std::nullopt;
  Reader in(*header);
  const auto size = in.number<std::uint64_t>();
  const auto crc = in.number<std::uint32_t>();
  // After a power cut the tail may be zeros, and zeros are the right checksum of nothing.
  if (size == 0 || size > size_of(fd) - at - kFrameHeader) return std::nullopt;
  auto payload = read_at(fd, at + kFrameHeader, size);
  if (!payload || checksum(*payload) != crc) return std::nullopt;
  at += kFrameHeader + size;
  return payload;
}

/// False if another process has the lock. A file system without locks lets everybody in.
bool lock(int fd) {
  return ::flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

bool is_file(int fd, const fs::path& file) {
  struct stat open {};
  struct stat named {};
  return ::fstat(fd, &open) == 0 && ::stat(file.c_str(), &named) == 0 && open.st_ino == named.st_ino &&
         open.st_dev == named.st_dev;
}

}  // namespace

Journal::Journal(fs::path file) : file_(std::move(file)) {
  while (true) {
    fd_ = ::open(file_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) fail();
    if (!lock(fd_)) {
      ::close(fd_);
      throw ConfigError(
          fmt::format("another run is writing here (it holds {}); wait for it, or choose another output",
                      file_.string()));
    }
    // Between open() and lock() the other run may have replaced or deleted the file.
    if (is_file(fd_, file_)) return;
    ::close(fd_);
  }
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

void Journal::fail() const {
  throw RunError(fmt::format("cannot write {}: {}", file_.string(), std::generic_category().message(errno)));
}

void Journal::replay(const std::string& identity, const std::function<void(JournalRecord&&)>& take) {
  const std::string start = read_at(fd_, 0, std::min(size_of(fd_), kMagic.size())).value_or("");
  if (!kMagic.starts_with(start))
    throw ConfigError(
        fmt::format("{} is not a journal of this version of soret; move it away", file_.string()));

  std::size_t at = start.size();
  const auto found = read_frame(fd_, at);
  if (!found) return rewrite(identity, {});  // new, or killed before the first record
  if (*found != identity)
    throw ConfigError(fmt::format("{} belongs to an unfinished run of another config; --fresh discards it",
                                  file_.string()));
  while (auto payload = read_frame(fd_, at)) take(record_of(*payload));
  if (::ftruncate(fd_, static_cast<off_t>(at)) != 0 || ::lseek(fd_, 0, SEEK_END) < 0) fail();
}

void Journal::append(const JournalRecord& record) {
  write(frame(payload_of(record)));
  constexpr auto kSyncEvery = std::chrono::seconds(1);
  if (const auto now = std::chrono::steady_clock::now(); now - last_sync_ >= kSyncEvery) {
    if (::fdatasync(fd_) != 0) fail();
    last_sync_ = now;
  }
}

void Journal::rewrite(const std::string& identity, std::span<const JournalRecord> records) {
  // Beside, then renamed, as every file here; the new one is locked before it gets the name.
  const fs::path beside =
      file_.parent_path() / fmt::format(".{}.tmp.{}", file_.filename().string(), ::getpid());
  const int old = std::exchange(fd_, ::open(beside.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  try {
    if (fd_ < 0 || !lock(fd_)) fail();
    write(kMagic);
    write(frame(identity));
    for (const JournalRecord& record : records) write(frame(payload_of(record)));
    if (::fsync(fd_) != 0 || ::rename(beside.c_str(), file_.c_str()) != 0) fail();
  } catch (...) {
    ::unlink(beside.c_str());
    if (fd_ >= 0) ::close(fd_);
    fd_ = old;
    throw;
  }
  ::close(old);
}

void Journal::remove() noexcept {
  ::unlink(file_.c_str());
}

void Journal::write(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail();
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

}  // namespace soret
