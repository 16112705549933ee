#include "soret/training/injected_noise.hpp"

#include <algorithm>
#include <cmath>

#include "soret/network/parallel.hpp"
#include "soret/random/fill.hpp"

namespace soret::training {
namespace {

constexpr std::size_t kPiece = 4096;  ///< numbers drawn at a time; whole blocks of the stream

}  // namespace

void add_noise(const InjectedNoise& noise, double learning_rate, std::uint64_t seed, std::int64_t update,
               std::span<float> parameters) {
  if (noise.kind == InjectedNoiseKind::none || (noise.until >= 0 && update >= noise.until)) return;
  const bool difference = noise.kind == InjectedNoiseKind::anticorrelated;
  const double variance = difference && noise.of_difference ? noise.variance / 2 : noise.variance;
  const auto scale =
      static_cast<float>(std::sqrt(variance) * (noise.scaled_by_learning_rate ? learning_rate : 1));
  const auto stream = [&](std::int64_t k) {
    return Stream{seed, Purpose::injected_noise, static_cast<std::uint32_t>(k)};
  };
  const std::size_t pieces = (parameters.size() + kPiece - 1) / kPiece;
  network::each_run(pieces, 20.0 * kPiece, [&](std::size_t first, std::size_t last) {
    float next[kPiece];
    float before[kPiece];
    for (std::size_t piece = first; piece < last; ++piece) {
      const auto own =
          parameters.subspan(piece * kPiece, std::min(kPiece, parameters.size() - piece * kPiece));
      fill_normal(stream(difference ? update + 1 : update), piece * kPiece / 4, {next, own.size()});
      if (difference) fill_normal(stream(update), piece * kPiece / 4, {before, own.size()});
      for (std::size_t i = 0; i < own.size(); ++i)
        own[i] += scale * (difference ? next[i] - before[i] : next[i]);
    }
  });
}

}  // namespace soret::training
