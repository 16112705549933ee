#pragma once

#include "files.hpp"
#include "soret/data/pixels.hpp"

/// Datasets in memory.
namespace soret::data {

/// Noisy bytes as the readers give them; sample s has label s % classes.
inline Dataset noisy_images(std::size_t samples, std::int32_t channels, std::int32_t height,
                            std::int32_t width, std::int32_t classes = 10, std::uint32_t seed = 1) {
  Dataset out{.name = "noisy",
              .channels = channels,
              .height = height,
              .width = width,
              .classes = classes,
              .images = {},
              .labels = {}};
  append_pixels(out, noise(samples * out.features(), seed));
  for (std::size_t s = 0; s < samples; ++s) {
    out.labels.push_back(static_cast<std::int32_t>(s % static_cast<std::size_t>(classes)));
  }
  return out;
}

}  // namespace soret::data
