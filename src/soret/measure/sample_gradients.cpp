#include "soret/measure/sample_gradients.hpp"

#include <algorithm>
#include <limits>

#include "soret/measure/workers.hpp"
#include "soret/network/elementwise.hpp"

namespace soret::measure {
namespace {

template <class T>
struct Worker {
  Worker(const network::Network<T>& network, int capacity, std::size_t layers)
      : pass(network, capacity),
        gradient(network.parameter_count()),
        squares(layers * static_cast<std::size_t>(capacity)) {}
  network::Pass<T> pass;
  std::vector<T> gradient;
  std::vector<double> squares;  ///< [layer][sample]
  double loss = 0;
};

}  // namespace

double GradientMoments::trace_over_n() const {
  return std::max(0.0, mean_square - square_of_mean);  // rounding must not make a variance negative
}

double GradientMoments::trace_over_n_minus_1() const {
  if (samples < 2) return std::numeric_limits<double>::quiet_NaN();
  return trace_over_n() * samples / (samples - 1.0);
}

template <class T>
SampleGradients sample_gradients(const LossAt<T>& loss) {
  require_complete(loss);
  require_independent_samples(loss);
  const std::vector<Part> parts = layer_parts(loss.network);
  const std::size_t layers = parts.size() - 1;
  SampleGradients result;
  result.mean.resize(loss.network.parameter_count());
  result.squares.resize(static_cast<std::size_t>(loss.samples));
  for (const Part& part : parts) result.parts.push_back({.parameters = part.size(), .samples = loss.samples});

  Workers<Worker<T>> workers;
  workers.provide();
  const auto mine = [&]() -> Worker<T>& { return workers.mine(loss.network, capacity(loss), layers); };
  network::for_each_chunk(
      loss.samples, loss.chunk,
      [&](const network::Chunk& chunk) {
        Worker<T>& w = mine();
        std::ranges::fill(w.gradient, T{});
        // Of the sum, so that the squares are those of single samples.
        w.loss =
            network::gradient(loss.network, loss.head, w.pass, chunk.count, inputs_from(loss, chunk.first),
                              targets_from(loss, chunk.first), 1.0, loss.parameters.data(), loss.state.data(),
                              mode_of(loss), w.gradient.data());
        loss.network.sample_squares(w.pass, loss.parameters.data(), w.squares.data());
      },
      [&](const network::Chunk& chunk) {
        const Worker<T>& w = mine();
        result.loss += w.loss / loss.samples;
        for (std::size_t i = 0; i < w.gradient.size(); ++i)
          result.mean[i] += static_cast<double>(w.gradient[i]);
        const double* square_of = w.squares.data();  // [layer][sample of the chunk]
        for (std::size_t layer = 0; layer < layers; ++layer) {
          for (int i = 0; i < chunk.count; ++i) {
            const double square = *square_of++;
            result.squares[chunk.first + i] += square;
            result.parts[layer + 1].mean_square += square / loss.samples;
          }
        }
      });
  for (double& g : result.mean) g /= loss.samples;
  for (std::size_t k = 1; k < parts.size(); ++k) {
    GradientMoments& layer = result.parts[k];
    layer.square_of_mean = network::sum_of_squares(parts[k].size(), result.mean.data() + parts[k].first);
    result.parts[0].mean_square += layer.mean_square;
    result.parts[0].square_of_mean += layer.square_of_mean;
  }
  return result;
}

template SampleGradients sample_gradients<float>(const LossAt<float>&);
template SampleGradients sample_gradients<double>(const LossAt<double>&);

}  // namespace soret::measure
