#include "soret/training/batch_gradient.hpp"

#include <omp.h>

#include <algorithm>
#include <exception>

#include "soret/network/elementwise.hpp"

namespace soret::training {

using network::Mode;
using network::Network;
using network::Targets;

template <class T>
BatchGradient<T>::BatchGradient(const Network<T>& network, network::HeadKind head, int chunk)
    : network_(network),
      head_(head),
      chunk_(chunk),
      workers_(static_cast<std::size_t>(omp_get_max_threads())) {}

template <class T>
typename BatchGradient<T>::Worker& BatchGradient<T>::worker() {
  auto& mine = workers_[static_cast<std::size_t>(omp_get_thread_num())];
  if (!mine)
    mine.reset(new Worker{network::Pass<T>(network_, chunk_), std::vector<T>(network_.parameter_count())});
  return *mine;
}

template <class T>
network::Pass<T>& BatchGradient<T>::pass() {
  return worker().pass;
}

template <class T>
Targets<T> BatchGradient<T>::targets_from(const Targets<T>& all, int first) const {
  Targets<T> part = all;
  if (all.labels) part.labels += first;
  if (all.values && !all.shared) part.values += static_cast<std::ptrdiff_t>(first) * network_.output().size();
  return part;
}

template <class T>
double BatchGradient<T>::operator()(int n, const T* x, const Targets<T>& targets,
                                    std::span<const T> parameters, std::span<T> state, const Mode& mode,
                                    std::span<T> gradient) {
  const int chunks = (n + chunk_ - 1) / chunk_;
  const bool moves = mode.batch_statistics && !state.empty();
  double loss = 0;
  std::exception_ptr failure;
  std::ranges::fill(gradient, T{});
#pragma omp parallel for ordered schedule(static, 1) if (chunks > 1)
  for (int c = 0; c < chunks; ++c) {
    const int first = c * chunk_;
    const int count = std::min(chunk_, n - first);
    double part = 0;
    Worker* mine = nullptr;
    try {
      mine = &worker();
      std::ranges::fill(mine->gradient, T{});
      Mode here = mode;
      here.first_sample += static_cast<std::uint64_t>(first);
      part = network::gradient(network_, head_, mine->pass, count, x + first * network_.input().size(),
                               targets_from(targets, first), 1.0 / n, parameters.data(), state.data(), here,
                               mine->gradient.data());
    } catch (...) {  // must not leave the parallel region
#pragma omp critical
      failure = std::current_exception();
      mine = nullptr;
    }
#pragma omp ordered
    if (mine) {
      loss += part;
      network::put(gradient.size(), gradient.data(), true,
                   [from = mine->gradient.data()](std::size_t i) { return from[i]; });
      if (moves) network_.update_state(mine->pass, state.data());
    }
  }
  if (failure) std::rethrow_exception(failure);
  return loss;
}

template <class T>
typename BatchGradient<T>::Evaluation BatchGradient<T>::evaluate(int n, const T* x, const Targets<T>& targets,
                                                                 std::span<const T> parameters,
                                                                 std::span<const T> state) {
  const int chunks = (n + chunk_ - 1) / chunk_;
  const int classes = static_cast<int>(network_.output().size());
  Evaluation total;
#pragma omp parallel for ordered schedule(static, 1) if (chunks > 1)
  for (int c = 0; c < chunks; ++c) {
    const int first = c * chunk_;
    const int count = std::min(chunk_, n - first);
    const Mode mode{.batch_statistics = false, .dropout = false};
    const Targets<T> part = targets_from(targets, first);
    const T* const z = network_.forward(worker().pass, count, x + first * network_.input().size(),
                                        parameters.data(), state.data(), mode);
    const double loss = network::evaluate(head_, count, classes, z, part, 1.0 / n, static_cast<T*>(nullptr));
    const int correct = part.labels ? network::correct(head_, count, classes, z, part.labels) : 0;
#pragma omp ordered
    {
      total.loss += loss;
      total.correct += correct;
    }
  }
  return total;
}

template class BatchGradient<float>;
template class BatchGradient<double>;

}  // namespace soret::training
