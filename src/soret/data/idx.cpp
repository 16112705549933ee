#include "soret/data/idx.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "soret/base/error.hpp"
#include "soret/data/compressed_file.hpp"
#include "soret/data/pixels.hpp"

namespace soret::data {
namespace {

constexpr std::int32_t kClasses = 10;
// Two zero bytes, 0x08 for unsigned bytes, the number of dimensions.
constexpr std::uint32_t kImageMagic = 0x00000803;
constexpr std::uint32_t kLabelMagic = 0x00000801;
// Far above every set in this format; keeps a damaged header from asking for all memory.
constexpr std::uint32_t kMaxSide = 4096;
constexpr std::uint64_t kMaxBytes = std::uint64_t{1} << 32;

/// The dimensions that the header of an IDX file of unsigned bytes promises: samples first.
template <std::size_t Dimensions>
std::array<std::uint32_t, Dimensions> read_header(CompressedFile& file, std::uint32_t magic,
                                                  std::string_view content) {
  std::array<std::uint8_t, 4 * (Dimensions + 1)> bytes{};
  const std::size_t got = file.read(bytes);
  if (got < bytes.size()) {
    throw InputError(fmt::format("{}: is truncated: {} bytes, shorter than the {} bytes of an IDX header",
                                 file.path().string(), got, bytes.size()));
  }
  const auto word = [&bytes](std::size_t i) {
    return std::uint32_t{bytes[4 * i]} << 24 | std::uint32_t{bytes[4 * i + 1]} << 16 |
           std::uint32_t{bytes[4 * i + 2]} << 8 | std::uint32_t{bytes[4 * i + 3]};
  };
  if (word(0) != magic) {
    throw InputError(fmt::format("{}: starts with {:#010x}, but an IDX file of {} starts with {:#010x}",
                                 file.path().string(), word(0), content, magic));
  }
  std::array<std::uint32_t, Dimensions> extents{};
  for (std::size_t d = 0; d < Dimensions; ++d) extents[d] = word(d + 1);
  if (extents[0] == 0) throw InputError(fmt::format("{}: holds no samples", file.path().string()));
  return extents;
}

/// The first `samples` of the `promised` samples of `sample_bytes` each; all of them end the file.
std::vector<std::uint8_t> read_body(CompressedFile& file, std::size_t promised, std::size_t samples,
                                    std::size_t sample_bytes) {
  std::vector<std::uint8_t> body = file.read_up_to(samples * sample_bytes);
  if (body.size() < samples * sample_bytes) {
    throw InputError(fmt::format("{}: is truncated: {} bytes follow the header, which promises {}",
                                 file.path().string(), body.size(), promised * sample_bytes));
  }
  if (samples == promised) file.expect_end();
  return body;
}

Dataset read_part(const std::filesystem::path& image_path, const std::filesystem::path& label_path,
                  std::size_t limit) {
  CompressedFile image_file(image_path);
  CompressedFile label_file(label_path);
  const auto [promised, height, width] = read_header<3>(image_file, kImageMagic, "images");
  const auto [promised_labels] = read_header<1>(label_file, kLabelMagic, "labels");
  if (height < 1 || height > kMaxSide || width < 1 || width > kMaxSide) {
    throw InputError(fmt::format("{}: promises images of {} x {} pixels; 1 x 1 to {} x {} are read",
                                 image_path.string(), height, width, kMaxSide, kMaxSide));
  }
  const std::uint64_t pixels = std::uint64_t{height} * width;
  if (promised * pixels > kMaxBytes) {
    throw InputError(
        fmt::format("{}: promises {} images of {} x {} bytes, more than the {} GiB that are read",
                    image_path.string(), promised, height, width, kMaxBytes >> 30));
  }
  if (promised != promised_labels) {
    throw InputError(fmt::format("{} holds {} images, but {} holds {} labels: they do not belong together",
                                 image_path.string(), promised, label_path.string(), promised_labels));
  }
  const std::size_t samples = std::min<std::size_t>(promised, limit);

  Dataset part{.name = {},
               .channels = 1,
               .height = static_cast<std::int32_t>(height),
               .width = static_cast<std::int32_t>(width),
               .classes = kClasses,
               .images = {},
               .labels = {}};
  append_pixels(part, read_body(image_file, promised, samples, pixels));
  const std::vector<std::uint8_t> labels = read_body(label_file, promised, samples, 1);
  for (std::size_t i = 0; i < samples; ++i) append_label(part, labels[i], label_path, i);
  return part;
}

}  // namespace

TrainTest read_idx(std::span<const std::filesystem::path> files, const SampleLimit& limit) {
  TrainTest parts{.train = read_part(files[0], files[1], limit.train),
                  .test = read_part(files[2], files[3], limit.test)};
  if (parts.train.height != parts.test.height || parts.train.width != parts.test.width) {
    throw InputError(
        fmt::format("{} holds images of {} x {} pixels, but {} of {} x {}: they do not belong together",
                    files[0].string(), parts.train.height, parts.train.width, files[2].string(),
                    parts.test.height, parts.test.width));
  }
  return parts;
}

}  // namespace soret::data
