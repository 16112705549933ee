#pragma once

#include <span>

#include "soret/network/network.hpp"

namespace soret::measure {

/// The mean loss of a network over a data set, at one point of parameter space: what the measurements of
/// networks are of. Everything is kept by reference. There is no dropout.
///
/// Samples are computed `chunk` at a time on OpenMP threads and sums over chunks run in their order, in
/// double: the numbers depend on the size of the chunks, never on the number of threads.
template <class T>
struct LossAt {
  const network::Network<T>& network;
  network::HeadKind head = network::HeadKind::softmax;
  int samples = 0;
  const T* x = nullptr;           ///< [sample][input]
  network::Targets<T> targets{};  ///< of all samples
  std::span<const T> parameters{};
  std::span<const T> state{};  ///< running statistics of batch normalisation; empty if there is none
  int chunk = 64;
  /// Batch normalisation by the statistics of its groups (of the chunk, where its group is the whole pass:
  /// the loss is then the mean over chunks of the loss that training sees), or by the running ones.
  bool batch_statistics = false;
};

/// Throws ConfigError unless there are samples, chunks have samples, parameters and state have the network's
/// numbers of entries, and the head finds its targets: labels in range, or values.
template <class T>
void require_complete(const LossAt<T>& loss);

/// Throws ConfigError, naming the layer, if the loss takes batch statistics: then every sample's loss depends
/// on the others of its group, and it has no gradient of its own. Measure with running statistics instead.
template <class T>
void require_independent_samples(const LossAt<T>& loss);

}  // namespace soret::measure
