#include "soret/data/cifar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <string_view>

#include "soret/base/error.hpp"
#include "soret/data/compressed_file.hpp"
#include "soret/data/pixels.hpp"

namespace soret::data {
namespace {

constexpr std::int32_t kChannels = 3;
constexpr std::int32_t kSide = 32;
constexpr std::size_t kImageBytes = 3072;

struct Format {
  std::string_view name;
  std::int32_t classes;
  std::size_t label_bytes;  // before the image
  std::size_t label_at;     // the one that is read
  std::size_t max_records;  // in a file

  std::size_t record_bytes() const { return label_bytes + kImageBytes; }
};

constexpr Format kCifar10 = {"CIFAR-10", 10, 1, 0, 10000};
constexpr Format kCifar100 = {"CIFAR-100", 100, 2, 1, 50000};
constexpr Format kCifar100Coarse = {"CIFAR-100", 20, 2, 0, 50000};

/// The first `limit` records of a file, or all of them if it holds fewer.
std::vector<std::uint8_t> read_records(const Format& format, const std::filesystem::path& path,
                                       std::size_t limit) {
  CompressedFile file(path);
  const std::size_t records = std::min(limit, format.max_records);
  std::vector<std::uint8_t> content = file.read_up_to(records * format.record_bytes());
  if (content.empty() && records > 0) throw InputError(fmt::format("{}: is empty", path.string()));
  if (content.size() % format.record_bytes() != 0) {
    throw InputError(fmt::format("{}: holds {} bytes, which is not a multiple of the {} bytes of a {} record",
                                 path.string(), content.size(), format.record_bytes(), format.name));
  }
  if (records == format.max_records) file.expect_end();
  return content;
}

Dataset decode(const Format& format, std::span<const std::vector<std::uint8_t>> contents,
               std::span<const std::filesystem::path> files, std::size_t limit) {
  Dataset part{.name = {},
               .channels = kChannels,
               .height = kSide,
               .width = kSide,
               .classes = format.classes,
               .images = {},
               .labels = {}};
  const std::size_t record_bytes = format.record_bytes();
  std::size_t stored = 0;
  for (const auto& content : contents) stored += content.size() / record_bytes;
  part.images.reserve(std::min(stored, limit) * kImageBytes);
  for (std::size_t f = 0; f < contents.size(); ++f) {
    const std::size_t records = std::min(contents[f].size() / record_bytes, limit - part.size());
    for (std::size_t r = 0; r < records; ++r) {
      const auto record = std::span(contents[f]).subspan(r * record_bytes, record_bytes);
      append_label(part, record[format.label_at], files[f], r);
      append_pixels(part, record.last(kImageBytes));
    }
  }
  return part;
}

/// The last file is the test set.
TrainTest read(const Format& format, std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  const std::size_t train_files = files.size() - 1;
  std::vector<std::vector<std::uint8_t>> contents(files.size());
  std::vector<std::exception_ptr> failures(files.size());
#pragma omp parallel for schedule(dynamic, 1)
  for (std::size_t i = 0; i < files.size(); ++i) {
    try {
      contents[i] = read_records(format, files[i], i < train_files ? limit.train : limit.test);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  }
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  const auto all = std::span(contents);
  return {.train = decode(format, all.first(train_files), files.first(train_files), limit.train),
          .test = decode(format, all.last(1), files.last(1), limit.test)};
}

}  // namespace

TrainTest read_cifar10(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return read(kCifar10, files, limit);
}

TrainTest read_cifar100(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return read(kCifar100, files, limit);
}

TrainTest read_cifar100_coarse(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  return read(kCifar100Coarse, files, limit);
}

}  // namespace soret::data
