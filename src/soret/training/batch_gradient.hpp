#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "soret/network/network.hpp"

namespace soret::training {

/// Gradients of batches, taken chunk by chunk and added in order. So the numbers depend on the size of the
/// chunks, never on the number of threads. One object serves one thread at a time.
template <class T>
class BatchGradient {
 public:
  /// Chunks of `chunk` samples (the last may be smaller). With batch normalisation over the whole pass, a
  /// chunk is its group. The network must outlive this.
  BatchGradient(const network::Network<T>& network, network::HeadKind head, int chunk);

  /// The mean loss of n samples, and its gradient, written. Where the network has running statistics and
  /// mode.batch_statistics is set, `state` moves on. Throws ConfigError for a label out of range.
  double operator()(int n, const T* x, const network::Targets<T>& targets, std::span<const T> parameters,
                    std::span<T> state, const network::Mode& mode, std::span<T> gradient);

  /// The mean loss alone and the number of correct samples, in evaluation mode.
  struct Evaluation {
    double loss = 0;
    std::int64_t correct = 0;
  };
  Evaluation evaluate(int n, const T* x, const network::Targets<T>& targets, std::span<const T> parameters,
                      std::span<const T> state);

  /// Memory for whatever else is computed between batches.
  network::Pass<T>& pass();

 private:
  /// What one chunk needs and gives.
  struct Worker {
    Worker(const network::Network<T>& network, int chunk) : pass(network, chunk) {}
    network::Pass<T> pass;
    std::vector<T> gradient{};
    double loss = 0;
    std::int64_t correct = 0;
  };
  /// How many chunks are computed at the same time; sees to it that there are as many workers.
  int chunks_abreast(int chunks);
  void check(int n, const network::Targets<T>& targets) const;
  network::Targets<T> targets_from(const network::Targets<T>& all, int first) const;

  const network::Network<T>& network_;
  network::HeadKind head_;
  int chunk_;
  std::vector<Worker> workers_{};
};

}  // namespace soret::training
