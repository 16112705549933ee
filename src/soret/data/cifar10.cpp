#include "soret/data/cifar10.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "soret/base/error.hpp"
#include "soret/data/compressed_file.hpp"
#include "soret/data/pixels.hpp"

namespace soret::data {
namespace {

constexpr std::int32_t kClasses = 10;
constexpr std::int32_t kChannels = 3;
constexpr std::int32_t kSide = 32;
constexpr std::size_t kImageBytes = 3072;
constexpr std::size_t kRecordBytes = 1 + kImageBytes;
constexpr std::size_t kMaxRecords = 10000;

/// The first `limit` records of a batch file, or all of them if it holds fewer.
std::vector<std::uint8_t> read_batch(const std::filesystem::path& path, std::size_t limit) {
  CompressedFile file(path);
  const std::size_t records = std::min(limit, kMaxRecords);
  std::vector<std::uint8_t> batch = file.read_up_to(records * kRecordBytes);
  if (batch.empty() && records > 0) throw InputError(fmt::format("{}: is empty", path.string()));
  if (batch.size() % kRecordBytes != 0) {
    throw InputError(
        fmt::format("{}: holds {} bytes, which is not a multiple of the {} bytes of a CIFAR-10 record",
                    path.string(), batch.size(), kRecordBytes));
  }
  if (records == kMaxRecords) file.expect_end();
  return batch;
}

Dataset decode(std::span<const std::vector<std::uint8_t>> batches,
               std::span<const std::filesystem::path> files, std::size_t limit) {
  Dataset part{.name = {},
               .channels = kChannels,
               .height = kSide,
               .width = kSide,
               .classes = kClasses,
               .images = {},
               .labels = {}};
  std::size_t stored = 0;
  for (const auto& batch : batches) stored += batch.size() / kRecordBytes;
  part.images.reserve(std::min(stored, limit) * kImageBytes);
  for (std::size_t b = 0; b < batches.size(); ++b) {
    const std::size_t records = std::min(batches[b].size() / kRecordBytes, limit - part.size());
    for (std::size_t r = 0; r < records; ++r) {
      const auto record = std::span(batches[b]).subspan(r * kRecordBytes, kRecordBytes);
      append_label(part, record[0], files[b], r);
      append_pixels(part, record.subspan(1));
    }
  }
  return part;
}

}  // namespace

TrainTest read_cifar10(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  const std::size_t train_files = files.size() - 1;
  std::vector<std::vector<std::uint8_t>> batches(files.size());
  std::vector<std::exception_ptr> failures(files.size());
#pragma omp parallel for schedule(dynamic, 1)
  for (std::size_t i = 0; i < files.size(); ++i) {
    try {
      batches[i] = read_batch(files[i], i < train_files ? limit.train : limit.test);
    } catch (...) {
      failures[i] = std::current_exception();
    }
  }
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return {.train = decode(std::span(batches).first(train_files), files.first(train_files), limit.train),
          .test = decode(std::span(batches).last(1), files.last(1), limit.test)};
}

}  // namespace soret::data
