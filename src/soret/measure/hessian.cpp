#include "soret/measure/hessian.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "soret/measure/workers.hpp"
#include "soret/network/parallel.hpp"

namespace soret::measure {
namespace {

/// Of one of the chunks that are computed side by side.
template <class T>
struct Worker {
  network::Pass<T>& pass(const LossAt<T>& loss) {
    if (!made) made = std::make_unique<network::Pass<T>>(loss.network, capacity(loss));
    return *made;
  }
  std::unique_ptr<network::Pass<T>> made;
  std::vector<T> product;
};

template <class T>
struct Memory {
  std::vector<Worker<T>> workers;
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

/// Adds up what `workers` made of the chunks of a round, in their order whatever the number of threads.
template <class T>
void add_products(std::span<const Worker<T>> workers, bool first_round, std::span<double> product) {
  network::each_run(product.size(), static_cast<double>(workers.size()),
                    [&](std::size_t begin, std::size_t end) {
                      if (first_round) std::fill(product.begin() + begin, product.begin() + end, 0.0);
                      for (const Worker<T>& worker : workers)
                        for (std::size_t i = begin; i < end; ++i)
                          product[i] += static_cast<double>(worker.product[i]);
                    });
}

/// product = sum over chunks of take(chunk, worker, direction in T), in rounds of a chunk per thread.
template <class T, class Take>
SymmetricOperator summed(const LossAt<T>& loss, const Take& take) {
  require_complete(loss);
  auto memory = std::make_shared<Memory<T>>();
  return {loss.network.parameter_count(),
          [loss, memory, take](std::span<const double> v, std::span<double> product) {
            auto& workers = memory->workers;
            auto& direction = memory->direction;
            direction.resize(v.size());
            network::each_run(v.size(), 1, [&](std::size_t begin, std::size_t end) {
              for (std::size_t i = begin; i < end; ++i) direction[i] = static_cast<T>(v[i]);
            });
            const int chunks = network::chunks_of(loss.samples, loss.chunk);
            const int together = std::min(chunks, omp_get_max_threads());
            if (workers.size() < static_cast<std::size_t>(together)) workers.resize(together);
            for (int done = 0; done < chunks; done += together) {
              const int first = done * loss.chunk;
              network::for_each_chunk(
                  std::min(together * loss.chunk, loss.samples - first), loss.chunk,
                  [&](const network::Chunk& chunk) {
                    Worker<T>& mine = workers[static_cast<std::size_t>(chunk.first / loss.chunk)];
                    mine.product.assign(loss.network.parameter_count(), T{});
                    take({first + chunk.first, chunk.count}, mine, direction.data());
                  },
                  [](const network::Chunk&) {});
              const int computed = std::min(together, chunks - done);
              add_products(std::span<const Worker<T>>(workers).first(computed), done == 0, product);
            }
          }};
}

/// The chunks of a loss, whose passes can be kept.
struct Keepable {
  std::size_t chunks;
  double bytes;  ///< per chunk
  std::size_t fitting(double most_bytes) const {
    return std::min(chunks, static_cast<std::size_t>(std::max(0.0, most_bytes) / bytes));
  }
};

template <class T>
Keepable keepable(const network::Network<T>& network, int samples, int chunk) {
  const int size = std::min(chunk, samples);
  return {static_cast<std::size_t>(network::chunks_of(samples, chunk)),
          static_cast<double>(network::Pass<T>(network, size).planned_bytes(true))};
}

}  // namespace

template <class T>
SymmetricOperator hessian(const LossAt<T>& loss) {
  return fixed_hessian(loss, 0);
}

template <class T>
double kept_bytes(const network::Network<T>& network, int samples, int chunk, double most_bytes) {
  const Keepable all = keepable(network, samples, chunk);
  return all.bytes * static_cast<double>(all.fitting(most_bytes));
}

template <class T>
SymmetricOperator fixed_hessian(const LossAt<T>& loss, double most_bytes) {
  require_complete(loss);
  const std::size_t kept_chunks = keepable(loss.network, loss.samples, loss.chunk).fitting(most_bytes);
  auto kept = std::make_shared<std::vector<std::unique_ptr<network::Pass<T>>>>(kept_chunks);
  return summed(loss, [loss, kept](const network::Chunk& chunk, Worker<T>& mine, const T* direction) {
    const auto index = static_cast<std::size_t>(chunk.first / loss.chunk);
    if (index >= kept->size()) {
      prepare(loss, chunk, mine.pass(loss));
      multiply(loss, chunk, mine.pass(loss), direction, mine.product.data());
      return;
    }
    auto& pass = (*kept)[index];
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
    network::Pass<T>& pass = mine.pass(loss);
    const T* const w = loss.parameters.data();
    const T* const z = loss.network.forward(pass, chunk.count, inputs_from(loss, chunk.first), w,
                                            loss.state.data(), mode_of(loss));
    const T* const zt = loss.network.forward_tangent(pass, w, direction);
    network::evaluate_tangent(loss.head, chunk.count, static_cast<int>(loss.network.output().size()), z,
                              targets_from(loss, chunk.first), 1.0 / loss.samples, zt,
                              pass.output_gradient());
    loss.network.backward(pass, w, mine.product.data());
  });
}

template SymmetricOperator hessian<float>(const LossAt<float>&);
template SymmetricOperator hessian<double>(const LossAt<double>&);
template SymmetricOperator fixed_hessian<float>(const LossAt<float>&, double);
template SymmetricOperator fixed_hessian<double>(const LossAt<double>&, double);
template double kept_bytes(const network::Network<float>&, int, int, double);
template double kept_bytes(const network::Network<double>&, int, int, double);
template SymmetricOperator gauss_newton<float>(const LossAt<float>&);
template SymmetricOperator gauss_newton<double>(const LossAt<double>&);

}  // namespace soret::measure
