#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "soret/network/network.hpp"
#include "soret/training/penalty.hpp"

namespace soret::training {

/// Thrown between the chunks of a batch when BatchAt::stop has turned true: no gradient, and running
/// statistics that have moved by some of the chunks.
struct Interrupted {};

/// One batch: n samples, what they are compared with, and where they are computed.
template <class T>
struct BatchAt {
  int n = 0;
  const T* x = nullptr;         ///< [n][input]
  network::Targets<T> targets;  ///< of all n
  std::span<const T> parameters;
  std::span<T> state;  ///< running statistics: moved on if mode.batch_statistics is set
  network::Mode mode;
  const std::atomic<bool>* stop = nullptr;  ///< nullptr: nobody interrupts
};

/// A penalty as one batch sees it.
struct PenaltyTerm {
  Penalty penalty{};
  double strength = 0;  ///< 0: none
  int only = -1;        ///< the one micro-batch that is penalised; negative: all
  /// Labels: stream (seed, sampled_labels, 0), block = number of the sample in the run (mode.first_sample +
  /// its place). Directions: draw_direction(), by the number of the micro-batch in the run.
  std::uint64_t seed = 1;
  std::uint64_t first_micro_batch = 0;
  std::span<std::int32_t> drawn_labels{};  ///< [n], to be told the labels that were drawn; empty: no
};

/// Throws ConfigError, naming the nearest sizes that do, unless one of chunk and micro-batch divides the
/// other.
void require_divisible(int chunk, int micro_batch);

/// Gradients of batches. A batch is cut in three ways that do not need each other:
///   chunks          what is computed in one pass: memory
///   micro-batches   what a penalty is of, or a norm is asked for
///   groups          of batch normalisation, within a pass: a matter of the network's (0: the pass)
/// A pass that is larger than a micro-batch holds several, whose gradients are taken apart; a smaller one is
/// a part of one, and a penalty then computes it twice. The last chunk and micro-batch may be smaller.
///
/// Chunks (where they are penalised: the larger of chunk and micro-batch) are computed each by one thread if
/// there are enough, and added in order: the numbers depend on these sizes, never on the number of threads.
/// One object serves one thread at a time.
template <class T>
class BatchGradient {
 public:
  /// micro_batch 0: the chunk. The network must outlive this. Throws ConfigError as require_divisible().
  BatchGradient(const network::Network<T>& network, network::HeadKind head, int chunk, int micro_batch = 0);

  int micro_batch_size() const { return micro_batch_; }
  int micro_batches(int n) const { return (n + micro_batch_ - 1) / micro_batch_; }

  struct Result {
    double loss = 0;           ///< mean over the samples, without the penalty
    double penalty = 0;        ///< sum of |M|/|B| |grad s_M|^2, or |grad s_S|^2; without its strength
    double penalty_share = 0;  ///< of the time of all threads: what came on top of gradients
  };
  /// gradient[parameter] of mean loss + strength * penalty, written. Throws ConfigError for a label out of
  /// range.
  Result operator()(const BatchAt<T>& batch, std::span<T> gradient, const PenaltyTerm& term = {});
  /// The same without a penalty, and in micro_gradient[parameter] that of the mean loss of micro-batch
  /// `which`.
  Result with_micro_batch(const BatchAt<T>& batch, std::span<T> gradient, int which,
                          std::span<T> micro_gradient);

 private:
  /// Samples [first, first + count).
  struct Range {
    int first, count;
  };
  /// What one thread needs and gives.
  struct Worker {
    Worker(const network::Network<T>& network, int chunk, network::After after)
        : pass(network, chunk, after) {}
    network::Pass<T> pass;
    std::optional<network::Pass<T>> shifted_pass{};  ///< of finite differences
    std::vector<T> gradient{};
    std::vector<T> direction{}, shifted{}, shifted_gradient{};
    std::vector<std::int32_t> labels{};  ///< of the scalar of one micro-batch
    std::vector<T> values{};
    std::vector<T> loss_gradient{};  ///< [sample of a pass][output]
    double loss = 0, penalty = 0;
    double seconds = 0, penalty_seconds = 0;
  };
  /// What is asked of a batch.
  struct Job {
    const BatchAt<T>& batch;
    const PenaltyTerm& term;
    int which = -1;  ///< micro-batch whose gradient is asked for
    std::span<T> micro_gradient{};
    double parameter_norm = 0;  ///< of finite differences
    bool moves_state = false;   ///< pass by pass, rather than when slabs are added

    bool penalises(int micro_batch) const {
      return term.strength > 0 && (term.only < 0 || term.only == micro_batch);
    }
  };

  /// A penalised micro-batch: part of a slab that is one pass, or all of a slab of several.
  struct Part {
    const Job& job;
    Worker& mine;
    Range slab, own;
    bool one_pass;
    network::HeadKind scalar;
    double weight;  ///< of a sample in it
    double factor;  ///< 2 c
  };

  Result run(Job job, std::span<T> gradient);
  void compute(const Job& job, Worker& mine, const Range& slab, T* gradient) const;
  void penalise(const Job& job, Worker& mine, const Range& slab, const Range& own, T* gradient) const;
  void add_exactly(const Part& part, T* v, T* gradient) const;
  void add_by_differences(const Part& part, double square, T* gradient) const;
  const T* forward(const Job& job, network::Pass<T>& pass, const Range& range, const T* parameters) const;
  network::Targets<T> scalar_targets(const Job& job, Worker& mine, const Range& part, const Range& range,
                                     const T* z, bool draw) const;
  double loss_of(const Job& job, Worker& mine, const Range& part, const Range& range, double weight,
                 T* dz) const;
  network::Targets<T> put_scalar(const Part& part, network::Pass<T>& pass, const Range& range,
                                 const Range& own, bool draw) const;
  void clear_others(const Range& range, const Range& own, T* dz) const;
  template <class F>
  void each_pass(const Range& range, F f) const;
  template <class F>
  void each_pass(const Part& part, F f) const;

  /// How many of them are computed at the same time; sees to it that there are as many workers.
  int abreast(int tasks);
  void check(int n, const network::Targets<T>& targets) const;
  network::Targets<T> targets_from(const network::Targets<T>& all, int first) const;

  const network::Network<T>& network_;
  network::HeadKind head_;
  int chunk_, micro_batch_;
  std::size_t outputs_;
  network::After after_ = network::After::nothing;  ///< of the workers' passes
  std::vector<Worker> workers_{};
};

}  // namespace soret::training
