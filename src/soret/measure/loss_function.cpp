#include "soret/measure/loss_function.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include "soret/measure/workers.hpp"

namespace soret::measure {
namespace {

template <class T>
struct Worker {
  Worker(const network::Network<T>& network, int capacity)
      : pass(network, capacity, network::After::nothing), gradient(network.parameter_count()) {}
  network::Pass<T> pass;
  std::vector<T> gradient;
  double loss = 0;
};

template <class T>
struct Memory {
  Workers<Worker<T>> workers;
  std::vector<T> parameters;
};

}  // namespace

template <class T>
Differentiable loss_function(const LossAt<T>& loss) {
  require_complete(loss);
  auto memory = std::make_shared<Memory<T>>();
  const auto at = [loss, memory](std::span<const double> x, const auto& take, const auto& add) {
    memory->workers.provide();
    memory->parameters.assign(x.begin(), x.end());
    double sum = 0;
    network::for_each_chunk(
        loss.samples, loss.chunk,
        [&](const network::Chunk& chunk) { take(chunk, memory->workers.mine(loss.network, capacity(loss))); },
        [&](const network::Chunk&) {
          const Worker<T>& mine = memory->workers.mine(loss.network, capacity(loss));
          sum += mine.loss;
          add(mine);
        });
    return sum;
  };
  const double weight = 1.0 / loss.samples;
  const auto value = [loss, memory, at, weight](std::span<const double> x) {
    const auto take = [&](const network::Chunk& chunk, Worker<T>& mine) {
      const T* const z = loss.network.forward(mine.pass, chunk.count, inputs_from(loss, chunk.first),
                                              memory->parameters.data(), loss.state.data(), mode_of(loss));
      mine.loss = network::evaluate(loss.head, chunk.count, static_cast<int>(loss.network.output().size()), z,
                                    targets_from(loss, chunk.first), weight, static_cast<T*>(nullptr));
    };
    return at(x, take, [](const Worker<T>&) {});
  };
  const auto gradient = [loss, memory, at, weight](std::span<const double> x, std::span<double> g) {
    std::ranges::fill(g, 0.0);
    const auto take = [&](const network::Chunk& chunk, Worker<T>& mine) {
      std::ranges::fill(mine.gradient, T{});
      mine.loss =
          network::gradient(loss.network, loss.head, mine.pass, chunk.count, inputs_from(loss, chunk.first),
                            targets_from(loss, chunk.first), weight, memory->parameters.data(),
                            loss.state.data(), mode_of(loss), mine.gradient.data());
    };
    return at(x, take, [&](const Worker<T>& mine) {
      for (std::size_t i = 0; i < g.size(); ++i) g[i] += static_cast<double>(mine.gradient[i]);
    });
  };
  return {loss.network.parameter_count(), value, gradient};
}

template Differentiable loss_function<float>(const LossAt<float>&);
template Differentiable loss_function<double>(const LossAt<double>&);

}  // namespace soret::measure
