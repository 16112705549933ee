#include "soret/data/file_tree.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include "soret/base/error.hpp"

#if SORET_HAVE_ZIP
#include <zip.h>

#include <map>
#include <mutex>
#endif

namespace soret::data {
namespace {

namespace fs = std::filesystem;

InputError too_large(const std::string& place, std::uint64_t size, std::size_t most) {
  return InputError(fmt::format("{}: holds {} bytes, more than the {} expected of it", place, size, most));
}

class Folder final : public FileTree {
 public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}

  std::vector<std::string> files_in(std::string_view folder) const override {
    std::vector<std::string> names;
    std::error_code absent;
    for (const auto& entry : fs::directory_iterator(path_ / folder, absent)) {
      if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
    }
    return names;
  }

  std::vector<std::uint8_t> read(const std::string& name, std::size_t most) const override {
    errno = 0;
    std::ifstream file(path_ / name, std::ios::binary | std::ios::ate);
    const auto size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
    if (size > static_cast<std::streamoff>(most)) {
      throw too_large(place(name), static_cast<std::uint64_t>(size), most);
    }
    std::vector<std::uint8_t> content(size > 0 ? static_cast<std::size_t>(size) : 0);
    file.seekg(0);
    file.read(reinterpret_cast<char*>(content.data()), static_cast<std::streamsize>(content.size()));
    if (!file) {
      throw InputError(
          fmt::format("{}: cannot be read: {}", place(name), std::generic_category().message(errno)));
    }
    return content;
  }

  std::string place(std::string_view name) const override { return (path_ / name).string(); }

 private:
  fs::path path_;
};

#if SORET_HAVE_ZIP

class Zip final : public FileTree {
 public:
  Zip(fs::path path, std::string top) : path_(std::move(path)), top_(std::move(top)) {
    int code = 0;
    archive_.reset(zip_open(path_.c_str(), ZIP_RDONLY, &code));
    if (!archive_) {
      zip_error_t error;
      zip_error_init_with_code(&error, code);
      const std::string reason = zip_error_strerror(&error);
      zip_error_fini(&error);
      throw InputError(
          fmt::format("{}: cannot be read as a zip archive: {}; if the download was interrupted, "
                      "repeat it",
                      path_.string(), reason));
    }
    const auto entries = static_cast<zip_uint64_t>(zip_get_num_entries(archive_.get(), 0));
    for (zip_uint64_t i = 0; i < entries; ++i) {
      const char* entry = zip_get_name(archive_.get(), i, ZIP_FL_ENC_RAW);
      if (entry != nullptr) entries_.emplace(entry, i);
    }
  }

  std::vector<std::string> files_in(std::string_view folder) const override {
    const std::string prefix = fmt::format("{}/{}/", top_, folder);
    std::vector<std::string> names;
    for (auto entry = entries_.lower_bound(prefix);
         entry != entries_.end() && entry->first.starts_with(prefix); ++entry) {
      std::string name = entry->first.substr(prefix.size());
      if (!name.empty() && name.find('/') == std::string::npos) names.push_back(std::move(name));
    }
    return names;
  }

  std::vector<std::uint8_t> read(const std::string& name, std::size_t most) const override {
    const auto entry = entries_.find(fmt::format("{}/{}", top_, name));
    if (entry == entries_.end()) throw InputError(fmt::format("{}: is not in the archive", place(name)));
    // One archive, one position to read from. Unpacking costs little beside what is done with the content.
    const std::lock_guard lock(mutex_);
    zip_stat_t about;
    zip_stat_init(&about);
    if (zip_stat_index(archive_.get(), entry->second, 0, &about) != 0 || (about.valid & ZIP_STAT_SIZE) == 0) {
      throw damaged(name, zip_strerror(archive_.get()));
    }
    if (about.size > most) throw too_large(place(name), about.size, most);
    const std::unique_ptr<zip_file_t, CloseEntry> file(zip_fopen_index(archive_.get(), entry->second, 0));
    if (!file) throw damaged(name, zip_strerror(archive_.get()));
    std::vector<std::uint8_t> content(about.size);
    // The read that finds the end is the one that compares the checksum.
    std::uint8_t beyond = 0;
    const zip_int64_t got = zip_fread(file.get(), content.data(), content.size());
    if (got != static_cast<zip_int64_t>(content.size()) || zip_fread(file.get(), &beyond, 1) != 0) {
      throw damaged(name, zip_file_strerror(file.get()));
    }
    return content;
  }

  std::string place(std::string_view name) const override {
    return fmt::format("{}: {}/{}", path_.string(), top_, name);
  }

 private:
  struct CloseArchive {
    void operator()(zip_t* archive) const { zip_discard(archive); }
  };
  struct CloseEntry {
    void operator()(zip_file_t* file) const { zip_fclose(file); }
  };

  InputError damaged(const std::string& name, const char* reason) const {
    return InputError(
        fmt::format("{}: cannot be unpacked: {}; download the archive again", place(name), reason));
  }

  fs::path path_;
  std::string top_;
  std::unique_ptr<zip_t, CloseArchive> archive_;
  std::map<std::string, zip_uint64_t, std::less<>> entries_;
  mutable std::mutex mutex_;
};

#endif

}  // namespace

std::unique_ptr<FileTree> open_tree(const fs::path& path, const std::string& top) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return std::make_unique<Folder>(path);
#if SORET_HAVE_ZIP
  return std::make_unique<Zip>(path, top);
#else
  throw InputError(
      fmt::format("{}: this build of Soret cannot read zip archives; unpack it to the folder {}, "
                  "or install libzip-dev and build Soret again",
                  path.string(), top));
#endif
}

}  // namespace soret::data
