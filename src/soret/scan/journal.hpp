#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "soret/scan/statistics.hpp"

namespace soret {

/// Blocks of one point that were finished together, from `first_block` on.
struct JournalRecord {
  std::size_t point = 0;
  std::uint32_t first_block = 0;
  std::vector<BlockSummary> blocks;
};

/// The write-ahead log of a run: what was finished since the result file was last written. Every record
/// reaches the kernel before append() returns, so a kill loses nothing; the disk follows within a second.
/// The file is locked while the journal is open: it is what keeps two runs off one output.
class Journal {
 public:
  /// Opens or creates the journal and takes the lock. Throws ConfigError if another run has it or if the
  /// file is not a journal, RunError if it cannot be written.
  explicit Journal(std::filesystem::path file);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Hands over all intact records in the order of writing and cuts off a torn tail. `identity` is the text
  /// of the config that they belong to; throws ConfigError if the journal has another one.
  void replay(const std::string& identity, const std::function<void(JournalRecord&&)>& take);
  void append(const JournalRecord& record);
  /// Replaces the whole content.
  void rewrite(const std::string& identity, std::span<const JournalRecord> records);
  /// Deletes the file; nothing but the destructor may follow.
  void remove() noexcept;

 private:
  void write(std::span<const char> bytes);
  [[noreturn]] void fail() const;

  std::filesystem::path file_;
  int fd_ = -1;
  std::chrono::steady_clock::time_point last_sync_{};
};

}  // namespace soret
