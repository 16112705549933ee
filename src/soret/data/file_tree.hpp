#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace soret::data {

/// The files below a folder, or those in a zip archive. Names are relative to its top, with "/" between
/// folders. Any number of threads may use one tree at once.
///
/// All members throw InputError naming the folder or archive and the file in it: it is absent or unreadable,
/// or the archive is truncated, damaged (checksums are verified) or encrypted.
class FileTree {
 public:
  FileTree() = default;
  FileTree(const FileTree&) = delete;
  FileTree& operator=(const FileTree&) = delete;
  virtual ~FileTree() = default;

  /// The names of the files directly in a folder, without the folder's, in no order; none if it is absent.
  virtual std::vector<std::string> files_in(std::string_view folder) const = 0;

  /// A file's content. Throws InputError also if it holds more than `most` bytes.
  virtual std::vector<std::uint8_t> read(const std::string& name, std::size_t most) const = 0;

  /// How messages call a file.
  virtual std::string place(std::string_view name) const = 0;
};

/// A folder, or a zip archive with `top` as its only folder. In a build without libzip, an archive is an
/// InputError, too.
std::unique_ptr<FileTree> open_tree(const std::filesystem::path& path, const std::string& top);

}  // namespace soret::data
