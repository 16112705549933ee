#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace soret::data {

/// Reads the content of a file from front to back, decompressed on the way if its first bytes are those of
/// gzip or xz. Memory: a fixed buffer and the decoder's window (xz: at most 256 MiB), whatever the file
/// claims.
///
/// All members throw InputError naming the file: it cannot be opened or read, the compressed data are
/// truncated, damaged (checksums are verified) or followed by something that is not compressed data.
class CompressedFile {
 public:
  explicit CompressedFile(std::filesystem::path path);
  ~CompressedFile();
  CompressedFile(CompressedFile&&) noexcept;
  CompressedFile& operator=(CompressedFile&&) noexcept;

  /// Fills `out` and returns its size; returns less only where the content ends.
  std::size_t read(std::span<std::uint8_t> out);

  /// The next `count` bytes, or all that are left if fewer; allocates in proportion to what is there.
  std::vector<std::uint8_t> read_up_to(std::size_t count);

  /// Throws InputError unless the content ends here. Compressed data are verified to their last byte only by
  /// this call or by a read that comes back short.
  void expect_end();

  const std::filesystem::path& path() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace soret::data
