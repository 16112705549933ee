#include "soret/data/pixels.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "soret/base/error.hpp"

namespace soret::data {

void append_pixels(Dataset& target, std::span<const std::uint8_t> bytes) {
  const std::size_t filled = target.images.size();
  target.images.resize(filled + bytes.size());
  std::transform(bytes.begin(), bytes.end(), target.images.begin() + static_cast<std::ptrdiff_t>(filled),
                 [](std::uint8_t byte) { return static_cast<float>(byte) / 255.0F; });
}

void append_label(Dataset& target, std::uint8_t label, const std::filesystem::path& file,
                  std::size_t sample) {
  if (label >= target.classes) {
    throw InputError(fmt::format("{}: the label of sample {} is {}; allowed are 0 to {}", file.string(),
                                 sample, label, target.classes - 1));
  }
  target.labels.push_back(label);
}

}  // namespace soret::data
