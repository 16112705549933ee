#pragma once

#include <memory>
#include <span>
#include <vector>

#include "soret/network/network.hpp"

namespace soret::training {

/// Gradients of batches, taken chunk by chunk: chunks go to threads, their gradients are added in order. So
/// the numbers depend on the size of the chunks, never on the number of threads.
template <class T>
class BatchGradient {
 public:
  /// Chunks of `chunk` samples (the last may be smaller). With batch normalisation over the whole pass, a
  /// chunk is its group. The network must outlive this.
  BatchGradient(const network::Network<T>& network, network::HeadKind head, int chunk);

  /// The mean loss of n samples, and its gradient, written. Where the network has running statistics and
  /// mode.batch_statistics is set, `state` moves on.
  double operator()(int n, const T* x, const network::Targets<T>& targets, std::span<const T> parameters,
                    std::span<T> state, const network::Mode& mode, std::span<T> gradient);

  /// The mean loss alone and the number of correct samples, in evaluation mode.
  struct Evaluation {
    double loss = 0;
    std::int64_t correct = 0;
  };
  Evaluation evaluate(int n, const T* x, const network::Targets<T>& targets, std::span<const T> parameters,
                      std::span<const T> state);

  /// The memory of the calling thread, for whatever else it computes between batches.
  network::Pass<T>& pass();

 private:
  struct Worker {
    network::Pass<T> pass;
    std::vector<T> gradient;
  };
  Worker& worker();
  network::Targets<T> targets_from(const network::Targets<T>& all, int first) const;

  const network::Network<T>& network_;
  network::HeadKind head_;
  int chunk_;
  std::vector<std::unique_ptr<Worker>> workers_;  ///< [thread]
};

}  // namespace soret::training
