#include "soret/measure/batch_worker.hpp"

#include <fmt/format.h>

#include "soret/base/error.hpp"

namespace soret::measure {

template <class T>
BatchSizes require_batches(const LossAt<T>& loss, std::span<const std::vector<std::uint32_t>> batches) {
  if (batches.empty()) throw ConfigError("no micro-batches to measure");
  BatchSizes sizes;
  for (std::size_t k = 0; k < batches.size(); ++k) {
    if (batches[k].empty()) throw ConfigError(fmt::format("micro-batch {} is empty", k));
    for (const std::uint32_t sample : batches[k]) {
      if (sample >= static_cast<std::uint32_t>(loss.samples)) {
        throw ConfigError(
            fmt::format("micro-batch {} names sample {} of {} (they count from 0)", k, sample, loss.samples));
      }
    }
    sizes.largest = std::max(sizes.largest, static_cast<int>(batches[k].size()));
    sizes.total += static_cast<double>(batches[k].size());
    sizes.equal = sizes.equal && batches[k].size() == batches[0].size();
  }
  return sizes;
}

template <class T>
BatchWorker<T>::BatchWorker(const LossAt<T>& at, int capacity)
    : pass(at.network, capacity),
      x(static_cast<std::size_t>(capacity) * at.network.input().size()),
      labels(static_cast<std::size_t>(capacity)),
      values(static_cast<std::size_t>(capacity) * at.network.output().size()),
      gradient(at.network.parameter_count()) {}

template <class T>
void BatchWorker<T>::gather(const LossAt<T>& at, std::span<const std::uint32_t> samples) {
  const std::size_t inputs = at.network.input().size();
  const std::size_t outputs = at.network.output().size();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::copy_n(at.x + samples[i] * inputs, inputs, x.begin() + static_cast<std::ptrdiff_t>(i * inputs));
    if (at.targets.labels) labels[i] = at.targets.labels[samples[i]];
    if (at.targets.values && !at.targets.shared) {
      std::copy_n(at.targets.values + samples[i] * outputs, outputs,
                  values.begin() + static_cast<std::ptrdiff_t>(i * outputs));
    }
  }
}

template struct BatchWorker<float>;
template struct BatchWorker<double>;
template BatchSizes require_batches<float>(const LossAt<float>&, std::span<const std::vector<std::uint32_t>>);
template BatchSizes require_batches<double>(const LossAt<double>&,
                                            std::span<const std::vector<std::uint32_t>>);

}  // namespace soret::measure
