#include "soret/measure/hessian.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

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

/// Leaves in a pass what multiply() needs. The gradient itself is not wanted.
template <class T>
void prepare(const LossAt<T>& loss, const network::Chunk& chunk, network::Pass<T>& pass) {
  network::gradient(loss.network, loss.head, pass, chunk.count, inputs_from(loss, chunk.first),
                    targets_from(loss, chunk.first), 1.0 / loss.samples, loss.parameters.data(),
                    loss.state.data(), mode_of(loss), static_cast<T*>(nullptr));
}

/// Adds the part of a chunk to the product. After prepare(), any number of times.
template <class T>
void multiply(const LossAt<T>& loss, const network::Chunk& chunk, network::Pass<T>& pass, const T* direction,
              T* product) {
  network::hessian_vector(loss.network, loss.head, pass, targets_from(loss, chunk.first), 1.0 / loss.samples,
                          loss.parameters.data(), direction, product);
}

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
    prepare(loss, chunk, mine.pass);
    multiply(loss, chunk, mine.pass, direction, mine.product.data());
  });
}

template <class T>
double kept_bytes(const network::Network<T>& network, int samples, int chunk) {
  const int chunks = (samples + chunk - 1) / chunk;
  const double bytes =
      chunks * static_cast<double>(network::Pass<T>(network, std::min(chunk, samples)).planned_bytes(true));
  return bytes <= kMostKeptBytes ? bytes : 0;
}

template <class T>
SymmetricOperator fixed_hessian(const LossAt<T>& loss) {
  require_complete(loss);
  if (kept_bytes(loss.network, loss.samples, loss.chunk) == 0) return hessian(loss);
  const auto chunks = static_cast<std::size_t>((loss.samples + loss.chunk - 1) / loss.chunk);
  auto kept = std::make_shared<std::vector<std::unique_ptr<network::Pass<T>>>>(chunks);
  return summed(loss, [loss, kept](const network::Chunk& chunk, Worker<T>& mine, const T* direction) {
    auto& pass = (*kept)[static_cast<std::size_t>(chunk.first / loss.chunk)];
    if (!pass) {
      auto made = std::make_unique<network::Pass<T>>(loss.network, chunk.count);
      prepare(loss, chunk, *made);
      pass = std::move(made);
    }
    multiply(loss, chunk, *pass, direction, mine.product.data());
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
template SymmetricOperator fixed_hessian<float>(const LossAt<float>&);
template SymmetricOperator fixed_hessian<double>(const LossAt<double>&);
template double kept_bytes(const network::Network<float>&, int, int);
template double kept_bytes(const network::Network<double>&, int, int);
template SymmetricOperator gauss_newton<float>(const LossAt<float>&);
template SymmetricOperator gauss_newton<double>(const LossAt<double>&);

}  // namespace soret::measure
