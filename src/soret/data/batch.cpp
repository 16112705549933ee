#include "soret/data/batch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "soret/base/error.hpp"
#include "soret/random/fill.hpp"
#include "soret/random/stream.hpp"

namespace soret::data {
namespace {

/// Pixel (row, column) of what is shown is pixel (row + down, column + right) of the image, after the flip.
struct Variation {
  std::int32_t down = 0;
  std::int32_t right = 0;
  bool flip = false;
};

Variation draw(const Augmentation& augmentation, const Stream& stream, std::uint64_t sample) {
  const auto block = stream.block(sample);
  const auto shifts = static_cast<std::uint32_t>(2 * augmentation.padding + 1);
  return {.down = static_cast<std::int32_t>(below(block.x, shifts)) - augmentation.padding,
          .right = static_cast<std::int32_t>(below(block.y, shifts)) - augmentation.padding,
          .flip = augmentation.flip && block.z >> 31 != 0U};
}

/// Channels side by side: out[pixel][channel] = planes[channel][pixel] for `count` pixels that follow one
/// another, or precede one another if `Reversed`. The number of channels is a constant so that this becomes
/// shuffles of registers.
template <int Channels, bool Reversed, class T>
void interleave(const float* planes, std::size_t plane, std::size_t count, T* out) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t channel = 0; channel < Channels; ++channel) {
      const float* from = planes + channel * plane;
      out[i * Channels + channel] = static_cast<T>(Reversed ? from[count - 1 - i] : from[i]);
    }
  }
}

template <bool Reversed, class T>
void interleave(std::size_t channels, const float* planes, std::size_t plane, std::size_t count, T* out) {
  if (channels == 1) return interleave<1, Reversed>(planes, plane, count, out);
  if (channels == 3) return interleave<3, Reversed>(planes, plane, count, out);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const float* from = planes + channel * plane;
    for (std::size_t i = 0; i < count; ++i) {
      out[i * channels + channel] = static_cast<T>(Reversed ? from[count - 1 - i] : from[i]);
    }
  }
}

template <class T>
void show(const Dataset& source, std::size_t sample, const Variation& variation, T* out) {
  const auto channels = static_cast<std::size_t>(source.channels);
  const float* image = source.image(sample).data();
  if (variation.down == 0 && variation.right == 0 && !variation.flip) {
    return interleave<false>(channels, image, source.plane(), source.plane(), out);
  }
  // The columns [first, last) of what is shown lie in the image, the rest in the padding.
  const std::int32_t width = source.width;
  const std::int32_t first = std::clamp(-variation.right, 0, width);
  const std::int32_t last = std::clamp(width - variation.right, first, width);
  const auto columns = static_cast<std::size_t>(last - first);
  const std::int32_t leftmost = first + variation.right;
  const std::int32_t from = variation.flip ? width - leftmost - (last - first) : leftmost;
  const std::size_t row_size = static_cast<std::size_t>(width) * channels;
  for (std::int32_t row = 0; row < source.height; ++row, out += row_size) {
    const std::int32_t image_row = row + variation.down;
    if (image_row < 0 || image_row >= source.height || columns == 0) {
      std::fill_n(out, row_size, T{0});
      continue;
    }
    T* begin = out + static_cast<std::size_t>(first) * channels;
    T* end = begin + columns * channels;
    std::fill(out, begin, T{0});
    const float* pixels = image + image_row * width + from;
    if (variation.flip) {
      interleave<true>(channels, pixels, source.plane(), columns, begin);
    } else {
      interleave<false>(channels, pixels, source.plane(), columns, begin);
    }
    std::fill(end, out + row_size, T{0});
  }
}

/// variation_of(k) is that of the batch's sample k.
template <class T, class F>
void assemble_each(const Dataset& source, std::span<const std::uint32_t> indices, F variation_of,
                   Batch<T>& out) {
  out.x.resize(indices.size() * source.features());
  out.labels.resize(indices.size());
  for (std::size_t k = 0; k < indices.size(); ++k) {
    if (indices[k] >= source.size()) {
      throw ConfigError(fmt::format("{}: number {} of the batch is sample {}, but there are {}", source.name,
                                    k, indices[k], source.size()));
    }
    out.labels[k] = source.labels[indices[k]];
    show(source, indices[k], variation_of(k), &out.x[k * source.features()]);
  }
}

}  // namespace

template <class T>
void assemble(const Dataset& source, std::span<const std::uint32_t> indices, Batch<T>& out) {
  assemble_each(
      source, indices, [](std::size_t) { return Variation{}; }, out);
}

template <class T>
void assemble(const Dataset& source, std::span<const std::uint32_t> indices, const Augmentation& augmentation,
              std::uint64_t seed, std::uint64_t first_sample, Batch<T>& out) {
  if (!augmentation.any()) return assemble(source, indices, out);
  if (augmentation.padding < 0) {
    throw ConfigError(fmt::format("images cannot be padded by {} pixels", augmentation.padding));
  }
  const Stream stream{seed, Purpose::augmentation, 0};
  assemble_each(
      source, indices, [&](std::size_t k) { return draw(augmentation, stream, first_sample + k); }, out);
}

template void assemble(const Dataset&, std::span<const std::uint32_t>, Batch<float>&);
template void assemble(const Dataset&, std::span<const std::uint32_t>, Batch<double>&);
template void assemble(const Dataset&, std::span<const std::uint32_t>, const Augmentation&, std::uint64_t,
                       std::uint64_t, Batch<float>&);
template void assemble(const Dataset&, std::span<const std::uint32_t>, const Augmentation&, std::uint64_t,
                       std::uint64_t, Batch<double>&);

}  // namespace soret::data
