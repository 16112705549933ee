#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/measure/workers.hpp"

/// The gradient of one micro-batch after the other, as training takes it.
namespace soret::measure {

struct BatchSizes {
  int largest = 0;
  double total = 0;
  bool equal = true;
};
/// Throws ConfigError for no batches, an empty one, or a sample number out of range.
template <class T>
BatchSizes require_batches(const LossAt<T>& loss, std::span<const std::vector<std::uint32_t>> batches);

template <class T>
struct BatchWorker {
  /// For chunks of up to `capacity` samples.
  BatchWorker(const LossAt<T>& at, int capacity);

  network::Pass<T> pass;
  std::vector<T> x;                  ///< [capacity][input]
  std::vector<std::int32_t> labels;  ///< [capacity]
  std::vector<T> values;             ///< [capacity][output]
  std::vector<T> gradient;
  double loss = 0;

  /// Sets gradient and loss to those of the batch's mean loss, by its own targets or by those that
  /// choose(first, count, z) gives for the places [first, first + count) of the batch with outputs z.
  template <class Choose>
  void take_gradient(const LossAt<T>& at, std::span<const std::uint32_t> batch, const Choose& choose);
  void take_gradient(const LossAt<T>& at, std::span<const std::uint32_t> batch) {
    const bool shared = at.targets.shared;
    take_gradient(at, batch, [&](int, int, const T*) -> network::Targets<T> {
      return {labels.data(), shared ? at.targets.values : values.data(), shared};
    });
  }

 private:
  void gather(const LossAt<T>& at, std::span<const std::uint32_t> samples);
};

template <class T>
template <class Choose>
void BatchWorker<T>::take_gradient(const LossAt<T>& at, std::span<const std::uint32_t> batch,
                                   const Choose& choose) {
  const int n = static_cast<int>(batch.size());
  const int outputs = static_cast<int>(at.network.output().size());
  std::ranges::fill(gradient, T{});
  loss = 0;
  for (int first = 0; first < n; first += at.chunk) {
    const int count = std::min(at.chunk, n - first);
    gather(at, batch.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)));
    const T* const z =
        at.network.forward(pass, count, x.data(), at.parameters.data(), at.state.data(), mode_of(at));
    loss += network::evaluate(at.head, count, outputs, z, choose(first, count, z), 1.0 / n,
                              pass.output_gradient());
    at.network.backward(pass, at.parameters.data(), gradient.data());
  }
}

}  // namespace soret::measure
