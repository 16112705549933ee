#include "soret/data/load.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <span>

#include "soret/base/error.hpp"
#include "soret/data/cifar.hpp"
#include "soret/data/idx.hpp"
#include "soret/data/svhn.hpp"
#include "soret/data/tiny_imagenet.hpp"

namespace soret::data {
namespace {

namespace fs = std::filesystem;

/// How a file may be stored: what its name may end in, and what messages call that.
struct Packings {
  std::vector<std::string_view> suffixes;
  std::string_view text;
};

/// One dataset: a line in sources() is all that load() needs to know.
struct Source {
  std::string_view kind;
  std::vector<fs::path> folders;   // where its files usually lie below the data directory
  std::vector<std::string> files;  // in the order that the reader takes them
  Packings packings;
  TrainTest (*read)(std::span<const fs::path> files, const SampleLimit& limit);
};

const std::vector<Source>& sources() {
  static const std::vector<std::string> idx = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                                               "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
  static const std::vector<std::string> batches = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                                   "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin"};
  static const std::vector<std::string> bins = {"train.bin", "test.bin"};
  static const std::vector<std::string> mats = {"train_32x32.mat", "test_32x32.mat"};
  static const std::vector<std::string> tiny = {"tiny-imagenet-200"};
  static const Packings plain = {{""}, "plain"};
  static const Packings stream = {{"", ".gz", ".xz"}, "plain, .gz or .xz"};
  static const Packings folder = {{"", ".zip"}, "a folder or .zip"};
  static const std::vector<Source> all = {
      {"mnist", {"mnist", "MNIST/raw"}, idx, stream, read_idx},
      {"fashion_mnist", {"fashion-mnist", "FashionMNIST/raw"}, idx, stream, read_idx},
      {"cifar10", {"cifar10", "cifar-10-batches-bin"}, batches, stream, read_cifar10},
      {"cifar100", {"cifar100", "cifar-100-binary"}, bins, stream, read_cifar100},
      {"cifar100_coarse", {"cifar100", "cifar-100-binary"}, bins, stream, read_cifar100_coarse},
      {"svhn", {"svhn"}, mats, plain, read_svhn},
      {"tiny_imagenet", {"tiny-imagenet"}, tiny, folder, read_tiny_imagenet},
      {"tiny_imagenet_32", {"tiny-imagenet"}, tiny, folder, read_tiny_imagenet_32},
  };
  return all;
}

bool ends_with(const fs::path& path, const fs::path& tail) {
  const auto length = std::distance(tail.begin(), tail.end());
  return std::distance(path.begin(), path.end()) >= length &&
         std::equal(tail.begin(), tail.end(), std::prev(path.end(), length));
}

bool has_folder(const Source& source, const fs::path& path) {
  return std::any_of(source.folders.begin(), source.folders.end(),
                     [&](const fs::path& folder) { return ends_with(path, folder); });
}

/// MNIST and Fashion-MNIST have the same file names; only the folder's name tells them apart.
bool named_as_another(const Source& source, const fs::path& directory) {
  std::error_code ignored;
  fs::path absolute = fs::absolute(directory, ignored).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  return !has_folder(source, absolute) &&
         std::any_of(sources().begin(), sources().end(),
                     [&](const Source& other) { return has_folder(other, absolute); });
}

std::vector<fs::path> candidates(const Source& source, const fs::path& directory) {
  std::vector<fs::path> out;
  for (const fs::path& folder : source.folders) out.push_back(directory / folder);
  if (!named_as_another(source, directory)) out.push_back(directory);
  return out;
}

std::optional<fs::path> stored_as(const fs::path& plain, const Packings& packings) {
  for (const std::string_view suffix : packings.suffixes) {
    fs::path path = plain;
    path += suffix;
    std::error_code ignored;
    if (fs::exists(path, ignored)) return path;
  }
  return std::nullopt;
}

fs::path data_directory(const Source& source, const fs::path& directory) {
  if (!directory.empty()) return directory;
  const char* from_environment = std::getenv("SORET_DATA");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  throw InputError(fmt::format(
      "the dataset {0} needs a data directory: set data.path = DIR in the config or SORET_DATA=DIR in the "
      "environment; scripts/download_data.sh {0} DIR fetches it",
      source.kind));
}

/// The paths of all files, from the first folder that has every one of them.
std::vector<fs::path> find_files(const Source& source, const fs::path& directory) {
  std::string searched;
  for (const fs::path& folder : candidates(source, directory)) {
    std::vector<fs::path> found;
    std::vector<std::string> missing;
    for (const std::string& file : source.files) {
      if (const auto path = stored_as(folder / file, source.packings)) {
        found.push_back(*path);
      } else {
        missing.push_back(file);
      }
    }
    if (missing.empty()) return found;
    std::error_code ignored;
    searched +=
        fmt::format("\n  {}: {}", folder.string(),
                    fs::is_directory(folder, ignored) ? fmt::format("has no {}", fmt::join(missing, ", "))
                                                      : std::string("no such folder"));
  }
  if (named_as_another(source, directory)) {
    searched +=
        fmt::format("\n  {}: not searched, its name is that of another dataset's folder", directory.string());
  }
  throw InputError(
      fmt::format("the dataset {0} was not found; its files ({3}) were looked for in{1}\n"
                  "To get it: scripts/download_data.sh {0} {2}\n"
                  "To use it: data.path = {2} in the config, or SORET_DATA={2} in the environment",
                  source.kind, searched, directory.string(), source.packings.text));
}

}  // namespace

std::vector<std::string> dataset_kinds() {
  std::vector<std::string> kinds;
  for (const Source& source : sources()) kinds.emplace_back(source.kind);
  return kinds;
}

TrainTest load(std::string_view kind, const fs::path& directory, const SampleLimit& limit) {
  const auto source = std::find_if(sources().begin(), sources().end(),
                                   [kind](const Source& candidate) { return candidate.kind == kind; });
  if (source == sources().end()) {
    throw ConfigError(
        fmt::format("unknown dataset \"{}\"; allowed: {}", kind, fmt::join(dataset_kinds(), ", ")));
  }
  TrainTest parts = source->read(find_files(*source, data_directory(*source, directory)), limit);
  parts.train.name = source->kind;
  parts.test.name = source->kind;
  return parts;
}

}  // namespace soret::data
