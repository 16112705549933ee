#include "soret/measure/fisher.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/measure/batch_worker.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/network/model_labels.hpp"

namespace soret::measure {
namespace {

using network::HeadKind;

void require_model(HeadKind head) {
  if (head == HeadKind::linear) {
    throw ConfigError(
        "the linear head gives labels no probability and has no Fisher matrix: softmax, logistic and squared "
        "do");
  }
}

/// How many vectors a_c make up the Hessian of -log p by the outputs: H = sum_c a_c a_c^T.
int factors(HeadKind head, int outputs) {
  return head == HeadKind::logistic ? 1 : outputs;
}

/// a_c of n samples, [n][outputs]. softmax: sqrt(p_c) (p - e_c), the weighted score of label c.
template <class T>
void fill_factor(HeadKind head, int c, int n, int outputs, const T* z, T* a) {
  for (int i = 0; i < n; ++i, z += outputs, a += outputs) {
    if (head == HeadKind::squared) {
      std::fill_n(a, outputs, T{});
      a[c] = 1;
    } else if (head == HeadKind::logistic) {
      const double decay = std::exp(-std::abs(static_cast<double>(z[0])));
      a[0] = static_cast<T>(std::sqrt(decay) / (1 + decay));
    } else {
      const T most = *std::max_element(z, z + outputs);
      const auto share = [&](int k) {
        return std::exp(static_cast<double>(z[k]) - static_cast<double>(most));
      };
      double total = 0;
      for (int k = 0; k < outputs; ++k) total += share(k);
      const double root = std::sqrt(share(c) / total);
      for (int k = 0; k < outputs; ++k) a[k] = static_cast<T>(root * (share(k) / total));
      a[c] -= static_cast<T>(root);
    }
  }
}

template <class T>
struct Worker {
  Worker(const network::Network<T>& network, int capacity, std::size_t layers, std::size_t draws)
      : pass(network, capacity),
        squares(layers * static_cast<std::size_t>(capacity)),
        labels(static_cast<std::size_t>(capacity)),
        values(static_cast<std::size_t>(capacity) * network.output().size()),
        sums(draws * layers) {}
  network::Pass<T> pass;
  std::vector<double> squares;       ///< [layer][sample]
  std::vector<std::int32_t> labels;  ///< [sample]
  std::vector<T> values;             ///< [sample][output]
  std::vector<double> sums;          ///< [draw][layer], of the chunk

  /// Adds the chunk's squared norms for the derivatives by the output that lie in the pass.
  void add_squares(const LossAt<T>& loss, int count, std::size_t draw) {
    loss.network.backward(pass, loss.parameters.data(), nullptr);
    loss.network.sample_squares(pass, loss.parameters.data(), squares.data());
    const std::size_t layers = squares.size() / labels.size();
    const double* square = squares.data();  // [layer][sample of the chunk]
    for (std::size_t l = 0; l < layers; ++l)
      for (int i = 0; i < count; ++i) sums[draw * layers + l] += *square++;
  }
};

/// Means over the samples, [draw][part], of what take(chunk, z, worker) sums up.
template <class T, class Take>
std::vector<std::vector<double>> over_samples(const LossAt<T>& loss, std::size_t draws, const Take& take) {
  require_complete(loss);
  require_model(loss.head);
  require_independent_samples(loss);
  const std::size_t layers = layer_parts(loss.network).size() - 1;
  std::vector<std::vector<double>> means(draws, std::vector<double>(layers + 1));
  Workers<Worker<T>> workers;
  workers.provide();
  const auto mine = [&]() -> Worker<T>& { return workers.mine(loss.network, capacity(loss), layers, draws); };
  network::for_each_chunk(
      loss.samples, loss.chunk,
      [&](const network::Chunk& chunk) {
        Worker<T>& w = mine();
        std::ranges::fill(w.sums, 0.0);
        const T* const z = loss.network.forward(w.pass, chunk.count, inputs_from(loss, chunk.first),
                                                loss.parameters.data(), loss.state.data(), mode_of(loss));
        take(chunk, z, w);
      },
      [&](const network::Chunk&) {
        const Worker<T>& w = mine();
        for (std::size_t d = 0; d < draws; ++d) {
          for (std::size_t l = 0; l < layers; ++l) {
            const double part = w.sums[d * layers + l] / loss.samples;
            means[d][0] += part;
            means[d][l + 1] += part;
          }
        }
      });
  return means;
}

/// Of every part, over the draws.
std::vector<TraceEstimate> estimates(const std::vector<std::vector<double>>& draws) {
  std::vector<TraceEstimate> result;
  std::vector<double> samples(draws.size());
  for (std::size_t part = 0; part < draws[0].size(); ++part) {
    for (std::size_t d = 0; d < draws.size(); ++d) samples[d] = draws[d][part];
    result.push_back(estimate(samples));
  }
  return result;
}

std::size_t count_of(int draws) {
  if (draws < 1) throw ConfigError(fmt::format("{} draws of labels; at least 1 is needed", draws));
  return static_cast<std::size_t>(draws);
}

}  // namespace

template <class T>
std::vector<double> fisher_trace(const LossAt<T>& loss) {
  const int outputs = static_cast<int>(loss.network.output().size());
  return over_samples(loss, 1, [&](const network::Chunk& chunk, const T* z, Worker<T>& w) {
    for (int c = 0; c < factors(loss.head, outputs); ++c) {
      fill_factor(loss.head, c, chunk.count, outputs, z, w.pass.output_gradient());
      w.add_squares(loss, chunk.count, 0);
    }
  })[0];
}

template <class T>
std::vector<TraceEstimate> sampled_fisher_trace(const LossAt<T>& loss, int draws, std::uint64_t seed) {
  const int outputs = static_cast<int>(loss.network.output().size());
  const std::size_t count = count_of(draws);
  return estimates(over_samples(loss, count, [&](const network::Chunk& chunk, const T* z, Worker<T>& w) {
    for (std::size_t d = 0; d < count; ++d) {
      network::draw_labels(loss.head, chunk.count, outputs, z, seed, static_cast<std::uint32_t>(d),
                           static_cast<std::uint64_t>(chunk.first), w.labels.data(), w.values.data());
      network::evaluate(loss.head, chunk.count, outputs, z, {w.labels.data(), w.values.data(), false}, 1.0,
                        w.pass.output_gradient());
      w.add_squares(loss, chunk.count, d);
    }
  }));
}

template <class T>
std::vector<TraceEstimate> sampled_gradient_square(const LossAt<T>& loss,
                                                   std::span<const std::vector<std::uint32_t>> batches,
                                                   int draws, std::uint64_t seed) {
  require_complete(loss);
  require_model(loss.head);
  const BatchSizes sizes = require_batches(loss, batches);
  const std::size_t count = count_of(draws);
  const int outputs = static_cast<int>(loss.network.output().size());
  const std::vector<Part> parts = layer_parts(loss.network);
  std::vector<std::uint64_t> before(batches.size());  // samples of earlier batches
  for (std::size_t k = 1; k < batches.size(); ++k) before[k] = before[k - 1] + batches[k - 1].size();

  struct Sampled : BatchWorker<T> {
    Sampled(const LossAt<T>& at, int capacity, std::size_t numbers)
        : BatchWorker<T>(at, capacity), squares(numbers) {}
    std::vector<double> squares;  ///< [draw][layer]
  };
  const std::size_t layers = parts.size() - 1;
  std::vector<std::vector<double>> means(count, std::vector<double>(parts.size()));
  Workers<Sampled> workers;
  workers.provide();
  const auto mine = [&]() -> Sampled& {
    return workers.mine(loss, std::min(loss.chunk, sizes.largest), count * layers);
  };
  network::for_each_chunk(
      static_cast<int>(batches.size()), 1,
      [&](const network::Chunk& which) {
        Sampled& w = mine();
        const auto k = static_cast<std::size_t>(which.first);
        for (std::size_t d = 0; d < count; ++d) {
          w.take_gradient(loss, batches[k], [&](int first, int n, const T* z) -> network::Targets<T> {
            network::draw_labels(loss.head, n, outputs, z, seed, static_cast<std::uint32_t>(d),
                                 before[k] + static_cast<std::uint64_t>(first), w.labels.data(),
                                 w.values.data());
            return {w.labels.data(), w.values.data(), false};
          });
          for (std::size_t l = 0; l < layers; ++l) {
            const Part& part = parts[l + 1];
            w.squares[d * layers + l] = network::sum_of_squares(part.size(), w.gradient.data() + part.first);
          }
        }
      },
      [&](const network::Chunk&) {
        const Sampled& w = mine();
        for (std::size_t d = 0; d < count; ++d) {
          for (std::size_t l = 0; l < layers; ++l) {
            const double square = w.squares[d * layers + l] / static_cast<double>(batches.size());
            means[d][0] += square;
            means[d][l + 1] += square;
          }
        }
      });
  return estimates(means);
}

#define SORET_INSTANTIATE(T)                                                                         \
  template std::vector<double> fisher_trace<T>(const LossAt<T>&);                                    \
  template std::vector<TraceEstimate> sampled_fisher_trace<T>(const LossAt<T>&, int, std::uint64_t); \
  template std::vector<TraceEstimate> sampled_gradient_square<T>(                                    \
      const LossAt<T>&, std::span<const std::vector<std::uint32_t>>, int, std::uint64_t);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::measure
