#include "soret/data/svhn.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "soret/base/error.hpp"

#if SORET_HAVE_MATIO
#include <matio.h>

#include <algorithm>
#include <array>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "soret/data/mat_check.hpp"
#include "soret/data/pixels.hpp"
#endif

namespace soret::data {

#if SORET_HAVE_MATIO

namespace {

constexpr std::int32_t kClasses = 10;
constexpr std::size_t kSide = 32;
constexpr std::size_t kPlane = kSide * kSide;
constexpr std::size_t kChannels = 3;
constexpr std::size_t kImageBytes = kChannels * kPlane;
constexpr std::size_t kMaxSamples = 600000;  // the largest part, "extra", has 531131; matio counts in 31 bits
constexpr std::size_t kDeflateRatio = 1032;  // the most that zlib can shrink anything by

struct CloseFile {
  void operator()(mat_t* file) const { Mat_Close(file); }
};
struct FreeVariable {
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};
using MatFile = std::unique_ptr<mat_t, CloseFile>;
using Variable = std::unique_ptr<matvar_t, FreeVariable>;

MatFile open(const std::filesystem::path& path) {
  MatFile file(Mat_Open(path.c_str(), MAT_ACC_RDONLY));
  if (!file) throw InputError(fmt::format("{}: cannot be read as a MATLAB file", path.string()));
  if (Mat_GetVersion(file.get()) != MAT_FT_MAT5) {
    throw InputError(fmt::format("{}: is not a MATLAB file of format 5; save it with -v7", path.string()));
  }
  return file;
}

Variable find(const MatFile& file, const std::filesystem::path& path, const char* name) {
  Variable variable(Mat_VarReadInfo(file.get(), name));
  if (!variable) throw InputError(fmt::format("{}: has no variable {}", path.string(), name));
  return variable;
}

std::string shape(const matvar_t& variable) {
  return fmt::format("{}", fmt::join(variable.dims, variable.dims + variable.rank, " x "));
}

/// The first `count` values of a variable whose class has T as its type.
template <class T>
std::vector<T> read_values(const MatFile& file, const std::filesystem::path& path, matvar_t& variable,
                           std::size_t count) {
  std::vector<T> values(count);
  if (count > 0 &&
      Mat_VarReadDataLinear(file.get(), &variable, values.data(), 0, 1, static_cast<int>(count)) != 0) {
    throw InputError(fmt::format("{}: the variable {} cannot be read: the file is truncated or damaged",
                                 path.string(), variable.name));
  }
  return values;
}

std::size_t count_images(const std::filesystem::path& path, const matvar_t& images) {
  const std::array<std::size_t, 3> expected = {kSide, kSide, kChannels};
  // MATLAB drops the last dimension of a single image.
  const bool fits = (images.rank == 3 || images.rank == 4) &&
                    std::equal(expected.begin(), expected.end(), images.dims) &&
                    images.class_type == MAT_C_UINT8 && images.isComplex == 0;
  if (!fits) {
    throw InputError(fmt::format("{}: X is {} of class {}, but SVHN has 32 x 32 x 3 x samples of class uint8",
                                 path.string(), shape(images), static_cast<int>(images.class_type)));
  }
  const std::size_t samples = images.rank == 4 ? images.dims[3] : 1;
  if (samples == 0) throw InputError(fmt::format("{}: holds no samples", path.string()));
  const std::uintmax_t stored = std::filesystem::file_size(path);
  if (samples > kMaxSamples || samples * kImageBytes / kDeflateRatio > stored) {
    throw InputError(fmt::format("{}: promises {} images, which its {} bytes cannot hold", path.string(),
                                 samples, stored));
  }
  return samples;
}

std::vector<double> read_labels(const MatFile& file, const std::filesystem::path& path, std::size_t images,
                                std::size_t count) {
  const Variable labels = find(file, path, "y");
  if (labels->rank != 2 || labels->dims[0] * labels->dims[1] != images || labels->isComplex != 0) {
    throw InputError(fmt::format("{}: y is {}, but X has {} images", path.string(), shape(*labels), images));
  }
  if (labels->class_type == MAT_C_DOUBLE) return read_values<double>(file, path, *labels, count);
  if (labels->class_type == MAT_C_UINT8) {
    const auto bytes = read_values<std::uint8_t>(file, path, *labels, count);
    return {bytes.begin(), bytes.end()};
  }
  throw InputError(fmt::format("{}: y is of class {}; double and uint8 are read", path.string(),
                               static_cast<int>(labels->class_type)));
}

Dataset read_part(const std::filesystem::path& path, std::size_t limit) {
  const MatFile file = open(path);
  const Variable images = find(file, path, "X");
  const std::size_t stored = count_images(path, *images);
  const std::size_t samples = std::min(stored, limit);
  if (samples == stored) check_mat_file(path);
  const auto bytes = read_values<std::uint8_t>(file, path, *images, samples * kImageBytes);
  const std::vector<double> labels = read_labels(file, path, stored, samples);

  Dataset part{.name = {},
               .channels = kChannels,
               .height = kSide,
               .width = kSide,
               .classes = kClasses,
               .images = {},
               .labels = {}};
  part.images.reserve(bytes.size());
  std::array<std::uint8_t, kPlane> rows{};
  for (std::size_t plane = 0; plane < samples * kChannels; ++plane) {
    const std::uint8_t* columns = &bytes[plane * kPlane];
    for (std::size_t row = 0; row < kSide; ++row) {
      for (std::size_t column = 0; column < kSide; ++column) {
        rows[row * kSide + column] = columns[column * kSide + row];
      }
    }
    append_pixels(part, rows);
  }
  for (std::size_t i = 0; i < samples; ++i) {
    if (!(labels[i] >= 1 && labels[i] <= kClasses) || labels[i] != static_cast<std::int32_t>(labels[i])) {
      throw InputError(
          fmt::format("{}: the label of sample {} is {}; allowed are 1 to {} ({} for the digit 0)",
                      path.string(), i, labels[i], kClasses, kClasses));
    }
    part.labels.push_back(static_cast<std::int32_t>(labels[i]) % kClasses);
  }
  return part;
}

}  // namespace

TrainTest read_svhn(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return {.train = read_part(files[0], limit.train), .test = read_part(files[1], limit.test)};
}

#else

TrainTest read_svhn(std::span<const std::filesystem::path> files, const SampleLimit&) {
  throw InputError(
      fmt::format("{}: this build of Soret cannot read MATLAB files; install libmatio-dev and build it again",
                  files[0].string()));
}

#endif

}  // namespace soret::data
