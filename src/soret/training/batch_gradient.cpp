#include "soret/training/batch_gradient.hpp"

#include <omp.h>

#include <algorithm>

#include "soret/network/elementwise.hpp"

namespace soret::training {

using network::each_task;
using network::Mode;
using network::Network;
using network::put;
using network::Targets;

namespace {

constexpr double kAlways = 1e9;  ///< work that is worth waking all threads

}  // namespace

template <class T>
BatchGradient<T>::BatchGradient(const Network<T>& network, network::HeadKind head, int chunk)
    : network_(network), head_(head), chunk_(chunk) {}

template <class T>
int BatchGradient<T>::chunks_abreast(int chunks) {
  const int threads = omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
  const int abreast = chunks >= threads ? threads : 1;
  while (static_cast<int>(workers_.size()) < abreast) workers_.emplace_back(network_, chunk_);
  return abreast;
}

template <class T>
network::Pass<T>& BatchGradient<T>::pass() {
  chunks_abreast(1);
  return workers_.front().pass;
}

template <class T>
Targets<T> BatchGradient<T>::targets_from(const Targets<T>& all, int first) const {
  Targets<T> part = all;
  if (all.labels) part.labels += first;
  if (all.values && !all.shared) part.values += static_cast<std::ptrdiff_t>(first) * network_.output().size();
  return part;
}

template <class T>
void BatchGradient<T>::check(int n, const Targets<T>& targets) const {
  if (targets.labels)
    check_labels(head_, static_cast<int>(network_.output().size()),
                 {targets.labels, static_cast<std::size_t>(n)});
}

// As many chunks as there are threads at a time, one each, or, where chunks are fewer than threads, one after
// the other with all threads inside. The order in which their gradients are added is the same.
template <class T>
double BatchGradient<T>::operator()(int n, const T* x, const Targets<T>& targets,
                                    std::span<const T> parameters, std::span<T> state, const Mode& mode,
                                    std::span<T> gradient) {
  const int chunks = (n + chunk_ - 1) / chunk_;
  check(n, targets);
  const bool moves = mode.batch_statistics && !state.empty();
  const int abreast = chunks_abreast(chunks);
  double loss = 0;
  for (int begin = 0; begin < chunks; begin += abreast) {
    const int count = std::min(abreast, chunks - begin);
    each_task(count, kAlways, [&](int k) {
      const int first = (begin + k) * chunk_;
      const int samples = std::min(chunk_, n - first);
      Worker& mine = workers_[k];
      if (chunks > 1) mine.gradient.resize(gradient.size());
      T* const own = chunks == 1 ? gradient.data() : mine.gradient.data();
      put(gradient.size(), own, false, [](std::size_t) { return T{}; });
      Mode here = mode;
      here.first_sample += static_cast<std::uint64_t>(first);
      mine.loss = network::gradient(network_, head_, mine.pass, samples, x + first * network_.input().size(),
                                    targets_from(targets, first), 1.0 / n, parameters.data(), state.data(),
                                    here, own);
    });
    for (int k = 0; k < count; ++k) {
      loss += workers_[k].loss;
      if (moves) network_.update_state(workers_[k].pass, state.data());
    }
    if (chunks == 1) continue;
    put(gradient.size(), gradient.data(), false, [&, to = gradient.data()](std::size_t i) {
      T sum = begin == 0 ? T{} : to[i];
      for (int k = 0; k < count; ++k) sum += workers_[k].gradient[i];
      return sum;
    });
  }
  return loss;
}

template <class T>
typename BatchGradient<T>::Evaluation BatchGradient<T>::evaluate(int n, const T* x, const Targets<T>& targets,
                                                                 std::span<const T> parameters,
                                                                 std::span<const T> state) {
  const int chunks = (n + chunk_ - 1) / chunk_;
  check(n, targets);
  const int classes = static_cast<int>(network_.output().size());
  const int abreast = chunks_abreast(chunks);
  Evaluation total;
  for (int begin = 0; begin < chunks; begin += abreast) {
    const int count = std::min(abreast, chunks - begin);
    each_task(count, kAlways, [&](int k) {
      const int first = (begin + k) * chunk_;
      const int samples = std::min(chunk_, n - first);
      const Mode mode{.batch_statistics = false, .dropout = false};
      const Targets<T> part = targets_from(targets, first);
      Worker& mine = workers_[k];
      const T* const z = network_.forward(mine.pass, samples, x + first * network_.input().size(),
                                          parameters.data(), state.data(), mode);
      mine.loss = network::evaluate(head_, samples, classes, z, part, 1.0 / n, static_cast<T*>(nullptr));
      mine.correct = part.labels ? network::correct(head_, samples, classes, z, part.labels) : 0;
    });
    for (int k = 0; k < count; ++k) {
      total.loss += workers_[k].loss;
      total.correct += workers_[k].correct;
    }
  }
  return total;
}

template class BatchGradient<float>;
template class BatchGradient<double>;

}  // namespace soret::training
