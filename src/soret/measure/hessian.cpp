#include "soret/measure/hessian.hpp"

#include <algorithm>
#include <memory>

#include "soret/measure/workers.hpp"

namespace soret::measure {
namespace {

template <class T>
struct Worker {
  Worker(const network::Network<T>& network, int capacity)
      : pass(network, capacity), product(network.parameter_count()) {}
  network::Pass<T> pass;
  std::vector<T> product;
};

template <class T>
struct Memory {
  Workers<Worker<T>> workers;
  std::vector<T> direction;
};

/// product = sum over chunks of take(chunk, worker, direction in T).
template <class T, class Take>
SymmetricOperator summed(const LossAt<T>& loss, const Take& take) {
  require_complete(loss);
  auto memory = std::make_shared<Memory<T>>();
  return {loss.network.parameter_count(),
          [loss, memory, take](std::span<const double> v, std::span<double> product) {
            memory->workers.provide();
            memory->direction.assign(v.begin(), v.end());
            std::ranges::fill(product, 0.0);
            network::for_each_chunk(
                loss.samples, loss.chunk,
                [&](const network::Chunk& chunk) {
                  Worker<T>& mine = memory->workers.mine(loss.network, capacity(loss));
                  std::ranges::fill(mine.product, T{});
                  take(chunk, mine, memory->direction.data());
                },
                [&](const network::Chunk&) {
                  const std::vector<T>& part = memory->workers.mine(loss.network, capacity(loss)).product;
                  for (std::size_t i = 0; i < part.size(); ++i) product[i] += static_cast<double>(part[i]);
                });
          }};
}

}  // namespace

template <class T>
SymmetricOperator hessian(const LossAt<T>& loss) {
  return summed(loss, [loss](const network::Chunk& chunk, Worker<T>& mine, const T* direction) {
    const double weight = 1.0 / loss.samples;
    const network::Targets<T> targets = targets_from(loss, chunk.first);
    // The gradient itself is not wanted, only what its computation leaves in the pass.
    network::gradient(loss.network, loss.head, mine.pass, chunk.count, inputs_from(loss, chunk.first),
                      targets, weight, loss.parameters.data(), loss.state.data(), mode_of(loss),
                      static_cast<T*>(nullptr));
    network::hessian_vector(loss.network, loss.head, mine.pass, targets, weight, loss.parameters.data(),
                            direction, mine.product.data());
  });
}

template <class T>
SymmetricOperator gauss_newton(const LossAt<T>& loss) {
  return summed(loss, [loss](const network::Chunk& chunk, Worker<T>& mine, const T* direction) {
    const T* const w = loss.parameters.data();
    const T* const z = loss.network.forward(mine.pass, chunk.count, inputs_from(loss, chunk.first), w,
                                            loss.state.data(), mode_of(loss));
    const T* const zt = loss.network.forward_tangent(mine.pass, w, direction);
    network::evaluate_tangent(loss.head, chunk.count, static_cast<int>(loss.network.output().size()), z,
                              targets_from(loss, chunk.first), 1.0 / loss.samples, zt,
                              mine.pass.output_gradient());
    loss.network.backward(mine.pass, w, mine.product.data());
  });
}

template SymmetricOperator hessian<float>(const LossAt<float>&);
template SymmetricOperator hessian<double>(const LossAt<double>&);
template SymmetricOperator gauss_newton<float>(const LossAt<float>&);
template SymmetricOperator gauss_newton<double>(const LossAt<double>&);

}  // namespace soret::measure
