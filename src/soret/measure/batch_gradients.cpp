#include "soret/measure/batch_gradients.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/measure/batch_worker.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::measure {
namespace {

/// Means of vectors that come one by one with weights, and per layer the weighted sum of squared distances
/// from the mean so far (West, Comm. ACM 22 (1979) 532): a small noise on a large mean keeps its digits.
struct Deviations {
  double weight = 0;
  std::vector<double> mean;    ///< [parameter]
  std::vector<double> square;  ///< [layer] sum of w |g - mean|^2

  Deviations(std::size_t parameters, std::size_t layers) : mean(parameters), square(layers) {}

  template <class T>
  void add(const std::vector<T>& g, double w, std::span<const Part> layers) {
    weight += w;
    const double share = w / weight;
    for (std::size_t k = 0; k < layers.size(); ++k) {
      const T* const from = g.data() + layers[k].first;
      double* const to = mean.data() + layers[k].first;
      const double sum = network::interleaved_sum(layers[k].size(), [=](std::size_t i) {
        const double d = static_cast<double>(from[i]) - to[i];
        to[i] += share * d;
        return d * d;
      });
      square[k] += w * (1 - share) * sum;
    }
  }
};

/// Squares of one batch's gradient, of one layer.
struct Squares {
  double plain = 0, literal = 0, preconditioned = 0, half_preconditioned = 0;
};

template <class T>
struct Worker : BatchWorker<T> {
  Worker(const LossAt<T>& at, int capacity, std::size_t layers)
      : BatchWorker<T>(at, capacity), squares(layers) {}
  std::vector<Squares> squares;  ///< [layer]
};

/// inverse: 1 / (sqrt(s) + epsilon) of every parameter.
template <class T>
Squares squares_of(const std::vector<T>& gradient, const Part& part, const Preconditioner<T>& preconditioner,
                   const std::vector<double>& inverse) {
  Squares sum;
  const T* const g = gradient.data() + part.first;
  sum.plain = network::sum_of_squares(part.size(), g);
  if (inverse.empty()) return sum;
  const T* const s = preconditioner.second_moment.data() + part.first;
  const double* const scale = inverse.data() + part.first;
  const auto squared = [](double x) { return x * x; };
  sum.literal = network::interleaved_sum(part.size(), [=](std::size_t i) {
    return squared(static_cast<double>(s[i]) * static_cast<double>(g[i]));
  });
  sum.preconditioned = network::interleaved_sum(
      part.size(), [=](std::size_t i) { return squared(static_cast<double>(g[i]) * scale[i]); });
  sum.half_preconditioned = network::interleaved_sum(
      part.size(), [=](std::size_t i) { return squared(static_cast<double>(g[i])) * scale[i]; });
  return sum;
}

}  // namespace

template <class T>
BatchGradients batch_gradients(const LossAt<T>& loss, std::span<const std::vector<std::uint32_t>> batches,
                               const Preconditioner<T>& preconditioner) {
  require_complete(loss);
  const BatchSizes sizes = require_batches(loss, batches);
  const std::size_t parameters = loss.network.parameter_count();
  if (!preconditioner.second_moment.empty() && preconditioner.second_moment.size() != parameters) {
    throw ConfigError(fmt::format("second moments of {} parameters for a network of {}",
                                  preconditioner.second_moment.size(), parameters));
  }
  std::vector<double> inverse;
  for (const T s : preconditioner.second_moment)
    inverse.push_back(1 / (std::sqrt(static_cast<double>(s)) + preconditioner.epsilon));
  const std::vector<Part> parts = layer_parts(loss.network);
  const std::span<const Part> layers = std::span(parts).subspan(1);
  const auto m = static_cast<double>(batches.size());

  BatchGradients result;
  result.parts.resize(parts.size());
  Deviations weighted(parameters, layers.size());
  // With batches of one size the plain mean is the weighted one.
  Deviations plain(sizes.equal ? 0 : parameters, layers.size());
  Workers<Worker<T>> workers;
  workers.provide();
  const auto mine = [&]() -> Worker<T>& {
    return workers.mine(loss, std::min(loss.chunk, sizes.largest), layers.size());
  };
  network::for_each_chunk(
      static_cast<int>(batches.size()), 1,
      [&](const network::Chunk& k) {
        Worker<T>& w = mine();
        w.take_gradient(loss, batches[static_cast<std::size_t>(k.first)]);
        for (std::size_t l = 0; l < layers.size(); ++l)
          w.squares[l] = squares_of(w.gradient, layers[l], preconditioner, inverse);
      },
      [&](const network::Chunk& k) {
        const Worker<T>& w = mine();
        const double share =
            static_cast<double>(batches[static_cast<std::size_t>(k.first)].size()) / sizes.total;
        result.loss += share * w.loss;
        weighted.add(w.gradient, share, layers);
        if (!sizes.equal) plain.add(w.gradient, 1 / m, layers);
        Squares whole;
        const auto add = [&](BatchGradientMoments& part, const Squares& s) {
          part.norm += std::sqrt(s.plain) / m;
          part.square += s.plain / m;
          part.weighted_square += share * s.plain;
          part.literal += s.literal / m;
          part.preconditioned += s.preconditioned / m;
          part.half_preconditioned += s.half_preconditioned / m;
        };
        for (std::size_t l = 0; l < layers.size(); ++l) {
          add(result.parts[l + 1], w.squares[l]);
          whole.plain += w.squares[l].plain;
          whole.literal += w.squares[l].literal;
          whole.preconditioned += w.squares[l].preconditioned;
          whole.half_preconditioned += w.squares[l].half_preconditioned;
        }
        add(result.parts[0], whole);
      });

  BatchGradientMoments& whole = result.parts[0];
  for (std::size_t l = 0; l < layers.size(); ++l) {
    BatchGradientMoments& part = result.parts[l + 1];
    part.gradient_square = network::sum_of_squares(layers[l].size(), weighted.mean.data() + layers[l].first);
    part.weighted_deviation_square = weighted.square[l];
    part.deviation_square = weighted.square[l];
    if (!sizes.equal) {
      double apart = 0;  // |plain mean - g|^2
      for (std::size_t i = layers[l].first; i < layers[l].last; ++i) {
        const double d = plain.mean[i] - weighted.mean[i];
        apart += d * d;
        part.remainder += 2 * weighted.mean[i] * d;
      }
      part.deviation_square = plain.square[l] + apart;
    }
    whole.gradient_square += part.gradient_square;
    whole.weighted_deviation_square += part.weighted_deviation_square;
    whole.deviation_square += part.deviation_square;
    whole.remainder += part.remainder;
  }
  result.mean = std::move(weighted.mean);
  return result;
}

template BatchGradients batch_gradients<float>(const LossAt<float>&,
                                               std::span<const std::vector<std::uint32_t>>,
                                               const Preconditioner<float>&);
template BatchGradients batch_gradients<double>(const LossAt<double>&,
                                                std::span<const std::vector<std::uint32_t>>,
                                                const Preconditioner<double>&);

}  // namespace soret::measure
