#include "soret/training/batch_gradient.hpp"

#include <fmt/format.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/network/model_labels.hpp"

namespace soret::training {

using network::each_task;
using network::HeadKind;
using network::Mode;
using network::Network;
using network::put;
using network::Targets;

namespace {

constexpr double kAlways = 1e9;  ///< work that is worth waking all threads

template <class T>
void clear(std::size_t size, T* out) {
  put(size, out, false, [](std::size_t) { return T{}; });
}

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

void require_divisible(int chunk, int micro_batch) {
  if (chunk % micro_batch == 0 || micro_batch % chunk == 0) return;
  int below = std::min(chunk, micro_batch);
  while (micro_batch % below != 0) --below;
  int above = std::min(chunk, micro_batch);
  while (micro_batch % above != 0) ++above;
  const int whole = std::max(1, chunk / micro_batch) * micro_batch;
  throw ConfigError(fmt::format(
      "chunks of {} samples and micro-batches of {}: one must divide the other; take chunks of {} or {}",
      chunk, micro_batch, chunk > micro_batch ? whole : below,
      chunk > micro_batch ? whole + micro_batch : above));
}

template <class T>
BatchGradient<T>::BatchGradient(const Network<T>& network, HeadKind head, int chunk, int micro_batch)
    : network_(network),
      head_(head),
      chunk_(chunk),
      micro_batch_(micro_batch > 0 ? micro_batch : chunk),
      outputs_(network.output().size()) {
  require_divisible(chunk_, micro_batch_);
}

template <class T>
int BatchGradient<T>::abreast(int tasks) {
  const int threads = omp_in_parallel() != 0 ? 1 : omp_get_max_threads();
  const int count = tasks >= threads ? threads : 1;
  while (static_cast<int>(workers_.size()) < count) workers_.emplace_back(network_, chunk_, after_);
  return count;
}

template <class T>
Targets<T> BatchGradient<T>::targets_from(const Targets<T>& all, int first) const {
  Targets<T> part = all;
  if (all.labels) part.labels += first;
  if (all.values && !all.shared) part.values += static_cast<std::size_t>(first) * outputs_;
  return part;
}

template <class T>
void BatchGradient<T>::check(int n, const Targets<T>& targets) const {
  if (targets.labels)
    check_labels(head_, static_cast<int>(outputs_), {targets.labels, static_cast<std::size_t>(n)});
}

template <class T>
typename BatchGradient<T>::Result BatchGradient<T>::operator()(const BatchAt<T>& batch, std::span<T> gradient,
                                                               const PenaltyTerm& term) {
  return run({.batch = batch, .term = term}, gradient);
}

template <class T>
typename BatchGradient<T>::Result BatchGradient<T>::with_micro_batch(const BatchAt<T>& batch,
                                                                     std::span<T> gradient, int which,
                                                                     std::span<T> micro_gradient) {
  const PenaltyTerm none;
  return run({.batch = batch, .term = none, .which = which, .micro_gradient = micro_gradient}, gradient);
}

// The batch falls into slabs, which can be computed apart: chunks, or micro-batches where these matter and
// are larger. As many slabs as there are threads at a time, one each, or, where slabs are fewer than threads,
// one after the other with all threads inside. The order in which their gradients are added is the same.
template <class T>
typename BatchGradient<T>::Result BatchGradient<T>::run(Job job, std::span<T> gradient) {
  const BatchAt<T>& b = job.batch;
  check(b.n, b.targets);
  const bool cuts = job.term.strength > 0 || job.which >= 0;
  const int size = cuts ? std::max(chunk_, micro_batch_) : chunk_;
  const int slabs = (b.n + size - 1) / size;
  const bool moves = b.mode.batch_statistics && !b.state.empty();
  // Several passes leave the running statistics behind one by one, in their order.
  const bool in_turn = size > chunk_;
  job.moves_state = in_turn && moves;
  if (job.term.strength > 0 && !job.term.penalty.finite_difference && after_ == network::After::nothing) {
    after_ = network::After::tangents;
    workers_.clear();
  }
  const int together = in_turn ? abreast(1) : abreast(slabs);
  if (cuts && job.term.penalty.finite_difference)
    job.parameter_norm = std::sqrt(network::sum_of_squares(b.parameters.size(), b.parameters.data()));

  Result result;
  double seconds = 0;
  double penalty_seconds = 0;
  for (int begin = 0; begin < slabs; begin += together) {
    if (b.stop && *b.stop) throw Interrupted{};
    const int count = std::min(together, slabs - begin);
    each_task(count, kAlways, [&](int k) {
      const int first = (begin + k) * size;
      Worker& mine = workers_[static_cast<std::size_t>(k)];
      if (slabs > 1) mine.gradient.resize(gradient.size());
      const Stopwatch watch;
      compute(job, mine, {first, std::min(size, b.n - first)},
              slabs == 1 ? gradient.data() : mine.gradient.data());
      mine.seconds = watch.seconds();
    });
    for (int k = 0; k < count; ++k) {
      Worker& mine = workers_[static_cast<std::size_t>(k)];
      result.loss += mine.loss;
      result.penalty += mine.penalty;
      seconds += mine.seconds;
      penalty_seconds += mine.penalty_seconds;
      if (moves && !in_turn) network_.update_state(mine.pass, b.state.data());
    }
    if (slabs == 1) continue;
    put(gradient.size(), gradient.data(), false, [&, to = gradient.data()](std::size_t i) {
      T sum = begin == 0 ? T{} : to[i];
      for (int k = 0; k < count; ++k) sum += workers_[static_cast<std::size_t>(k)].gradient[i];
      return sum;
    });
  }
  if (seconds > 0) result.penalty_share = penalty_seconds / seconds;
  return result;
}

template <class T>
template <class F>
void BatchGradient<T>::each_pass(const Range& range, F f) const {
  for (int at = range.first; at < range.first + range.count; at += chunk_)
    f(Range{at, std::min(chunk_, range.first + range.count - at)});
}

template <class T>
const T* BatchGradient<T>::forward(const Job& job, network::Pass<T>& pass, const Range& range,
                                   const T* parameters) const {
  Mode mode = job.batch.mode;
  mode.first_sample += static_cast<std::uint64_t>(range.first);
  return network_.forward(pass, range.count,
                          job.batch.x + static_cast<std::size_t>(range.first) * network_.input().size(),
                          parameters, job.batch.state.data(), mode);
}

/// Adds the loss of the samples in both ranges, `range` being those of the pass, and writes its derivative by
/// the outputs there.
template <class T>
double BatchGradient<T>::loss_of(const Job& job, Worker& mine, const Range& part, const Range& range,
                                 double weight, T* dz) const {
  const int first = std::max(part.first, range.first);
  const int last = std::min(part.first + part.count, range.first + range.count);
  if (first >= last) return 0;
  const std::size_t at = static_cast<std::size_t>(first - range.first) * outputs_;
  return network::evaluate(head_, last - first, static_cast<int>(outputs_),
                           network_.output_of(mine.pass) + at, targets_from(job.batch.targets, first), weight,
                           dz + at);
}

// A slab in one pass is computed forward once.
template <class T>
void BatchGradient<T>::compute(const Job& job, Worker& mine, const Range& slab, T* gradient) const {
  const BatchAt<T>& b = job.batch;
  const bool one_pass = slab.count <= chunk_;
  mine.loss = mine.penalty = mine.penalty_seconds = 0;
  clear(network_.parameter_count(), gradient);
  if (one_pass) {
    forward(job, mine.pass, slab, b.parameters.data());
    if (job.moves_state) network_.update_state(mine.pass, b.state.data());
  }

  // Micro-batches one by one, those with a penalty; the others are gathered.
  const int slab_end = slab.first + slab.count;
  bool others = false;
  const auto each_micro_batch = [&](const auto& f) {
    for (int first = slab.first; first < slab_end; first += micro_batch_)
      f(first / micro_batch_, Range{first, std::min(micro_batch_, slab_end - first)});
  };
  const bool penalised = job.term.strength > 0;
  if (!penalised) {
    others = true;
  } else {
    each_micro_batch([&](int k, const Range& part) {
      if (job.penalises(k))
        penalise(job, mine, slab, part, gradient);
      else
        others = true;
    });
  }
  if (others) {
    each_pass(slab, [&](const Range& range) {
      if (!one_pass) forward(job, mine.pass, range, b.parameters.data());
      T* const dz = mine.pass.output_gradient();
      if (!penalised) {
        mine.loss += loss_of(job, mine, range, range, 1.0 / b.n, dz);
      } else {
        std::fill_n(dz, static_cast<std::size_t>(range.count) * outputs_, T{});
        each_micro_batch([&](int k, const Range& part) {
          if (!job.penalises(k)) mine.loss += loss_of(job, mine, part, range, 1.0 / b.n, dz);
        });
      }
      network_.backward(mine.pass, b.parameters.data(), gradient);
      if (job.moves_state && !one_pass) network_.update_state(mine.pass, b.state.data());
    });
  }

  if (job.which < 0 || job.which * micro_batch_ < slab.first || job.which * micro_batch_ >= slab_end) return;
  T* const micro = job.micro_gradient.data();
  const Range part{job.which * micro_batch_, std::min(micro_batch_, slab_end - job.which * micro_batch_)};
  if (part.count == slab.count) {
    const T scale = static_cast<T>(static_cast<double>(b.n) / part.count);
    put(network_.parameter_count(), micro, false, [=](std::size_t i) { return scale * gradient[i]; });
    return;
  }
  clear(network_.parameter_count(), micro);
  T* const dz = mine.pass.output_gradient();
  std::fill_n(dz, static_cast<std::size_t>(slab.count) * outputs_, T{});
  loss_of(job, mine, part, slab, 1.0 / part.count, dz);
  network_.backward(mine.pass, b.parameters.data(), micro);
}

/// What the scalar of micro-batch `part` takes for targets at the samples [first, first + count) of it, which
/// the outputs z belong to. Labels are drawn, or remain what they were.
template <class T>
Targets<T> BatchGradient<T>::scalar_targets(const Job& job, Worker& mine, const Range& part,
                                            const Range& range, const T* z, bool draw) const {
  const PenaltyTerm& term = job.term;
  const auto place = static_cast<std::size_t>(range.first - part.first);
  switch (term.penalty.kind) {
    case PenaltyKind::fisher_trace: {
      const auto samples = static_cast<std::size_t>(part.count);
      const bool with_values = head_ == HeadKind::squared;
      if (draw) {
        mine.labels.resize(std::max(mine.labels.size(), samples));
        if (with_values) mine.values.resize(std::max(mine.values.size(), samples * outputs_));
      }
      T* const values = with_values ? mine.values.data() + place * outputs_ : nullptr;
      if (draw) {
        network::draw_labels(head_, range.count, static_cast<int>(outputs_), z, term.seed, 0,
                             job.batch.mode.first_sample + static_cast<std::uint64_t>(range.first),
                             mine.labels.data() + place, values);
        if (!term.drawn_labels.empty())
          std::copy_n(mine.labels.data() + place, range.count, term.drawn_labels.data() + range.first);
      }
      return {mine.labels.data() + place, values, false};
    }
    case PenaltyKind::average_jacobian:
      mine.values.assign(outputs_, static_cast<T>(term.penalty.sum_of_classes ? 1.0 : 1.0 / outputs_));
      return {nullptr, mine.values.data(), true};
    case PenaltyKind::unit_jacobian: {
      thread_local std::vector<float> u;
      u.resize(outputs_);
      draw_direction(term.seed,
                     term.first_micro_batch + static_cast<std::uint64_t>(part.first / micro_batch_), u);
      mine.values.assign(u.begin(), u.end());
      return {nullptr, mine.values.data(), true};
    }
    case PenaltyKind::gradient_norm:
    case PenaltyKind::none:
      break;
  }
  return targets_from(job.batch.targets, range.first);
}

template <class T>
template <class F>
void BatchGradient<T>::each_pass(const Part& part, F f) const {
  if (part.one_pass)
    f(part.slab, part.own);
  else
    each_pass(part.own, [&](const Range& range) { f(range, range); });
}

/// Writes ds/dz of a pass that was computed forward; of its samples `own` belong to the micro-batch.
template <class T>
Targets<T> BatchGradient<T>::put_scalar(const Part& part, network::Pass<T>& pass, const Range& range,
                                        const Range& own, bool draw) const {
  T* const dz = pass.output_gradient();
  const std::size_t at = static_cast<std::size_t>(own.first - range.first) * outputs_;
  const T* const z = network_.output_of(pass) + at;
  clear_others(range, own, dz);
  const Targets<T> targets = scalar_targets(part.job, part.mine, part.own, own, z, draw);
  network::evaluate(part.scalar, own.count, static_cast<int>(outputs_), z, targets, part.weight, dz + at);
  return targets;
}

template <class T>
void BatchGradient<T>::clear_others(const Range& range, const Range& own, T* dz) const {
  if (own.count < range.count) std::fill_n(dz, static_cast<std::size_t>(range.count) * outputs_, T{});
}

/// Adds the gradient of (1/n) sum of the micro-batch's losses + c |v|^2, v = grad s, where c is the strength
/// times the micro-batch's share.
template <class T>
void BatchGradient<T>::penalise(const Job& job, Worker& mine, const Range& slab, const Range& own,
                                T* gradient) const {
  const BatchAt<T>& b = job.batch;
  const PenaltyTerm& term = job.term;
  const bool linear =
      term.penalty.kind == PenaltyKind::average_jacobian || term.penalty.kind == PenaltyKind::unit_jacobian;
  const double share = term.only < 0 ? static_cast<double>(own.count) / b.n : 1;
  const Part part{.job = job,
                  .mine = mine,
                  .slab = slab,
                  .own = own,
                  .one_pass = slab.count <= chunk_,
                  .scalar = linear ? HeadKind::linear : head_,
                  .weight = 1.0 / own.count,
                  .factor = 2 * term.strength * share};
  // The only micro-batch of its slab leaves its v where its gradient comes, which is still clear.
  const std::size_t size = network_.parameter_count();
  const bool in_place = part.one_pass && own.count == slab.count && !term.penalty.finite_difference;
  if (!in_place) {
    mine.direction.resize(size);
    clear(size, mine.direction.data());
  }
  T* const v = in_place ? gradient : mine.direction.data();
  each_pass(part, [&](const Range& range, const Range& here) {
    if (!part.one_pass) forward(job, mine.pass, range, b.parameters.data());
    put_scalar(part, mine.pass, range, here, true);
    network_.backward(mine.pass, b.parameters.data(), v);
    if (job.moves_state && !part.one_pass) network_.update_state(mine.pass, b.state.data());
  });
  const double square = network::sum_of_squares(size, v);
  mine.penalty += share * square;
  if (term.penalty.finite_difference)
    add_by_differences(part, square, gradient);
  else
    add_exactly(part, v, gradient);
}

// backward_tangent is linear in the derivatives by the outputs that it begins with: the loss's derivative,
// added to those of the tangent along 2 c v, comes out as the loss's gradient beside 2 c H v. So every
// penalty costs a forward and backward pass and their tangents, and nothing else. v may be the gradient's own
// memory.
template <class T>
void BatchGradient<T>::add_exactly(const Part& part, T* v, T* gradient) const {
  const BatchAt<T>& b = part.job.batch;
  Worker& mine = part.mine;
  put(network_.parameter_count(), v, false,
      [twice = static_cast<T>(part.factor), v](std::size_t i) { return twice * v[i]; });
  mine.loss_gradient.resize(static_cast<std::size_t>(chunk_) * outputs_);
  each_pass(part, [&](const Range& range, const Range& own) {
    const Stopwatch watch;
    const std::size_t at = static_cast<std::size_t>(own.first - range.first) * outputs_;
    Targets<T> targets;
    if (part.one_pass) {
      targets = scalar_targets(part.job, mine, part.own, own, network_.output_of(mine.pass) + at, false);
    } else {
      forward(part.job, mine.pass, range, b.parameters.data());
      targets = put_scalar(part, mine.pass, range, own, false);
      network_.backward(mine.pass, b.parameters.data(), nullptr);
    }
    const T* const zt = network_.forward_tangent(mine.pass, b.parameters.data(), v);
    T* const dzt = mine.pass.output_gradient_tangent();
    clear_others(range, own, dzt);
    network::evaluate_tangent(part.scalar, own.count, static_cast<int>(outputs_),
                              network_.output_of(mine.pass) + at, targets, part.weight, zt + at, dzt + at);
    mine.loss += loss_of(part.job, mine, own, range, 1.0 / b.n, mine.loss_gradient.data());
    for (std::size_t i = at; i < at + static_cast<std::size_t>(own.count) * outputs_; ++i)
      dzt[i] += mine.loss_gradient[i];
    network_.backward_tangent(mine.pass, b.parameters.data(), v, gradient);
    mine.penalty_seconds += watch.seconds();
  });
}

// The loss's gradient first, where it is not v; then the difference of v at two places.
template <class T>
void BatchGradient<T>::add_by_differences(const Part& part, double square, T* gradient) const {
  const BatchAt<T>& b = part.job.batch;
  const Penalty& penalty = part.job.term.penalty;
  Worker& mine = part.mine;
  const std::vector<T>& v = mine.direction;
  const bool is_loss = penalty.kind == PenaltyKind::gradient_norm;
  if (is_loss)
    put(v.size(), gradient, true,
        [share = static_cast<T>(static_cast<double>(part.own.count) / b.n), p = v.data()](std::size_t i) {
          return share * p[i];
        });
  each_pass(part, [&](const Range& range, const Range& own) {
    if (!part.one_pass) forward(part.job, mine.pass, range, b.parameters.data());
    T* const dz = mine.pass.output_gradient();
    clear_others(range, own, dz);
    mine.loss += loss_of(part.job, mine, own, range, 1.0 / b.n, dz);
    if (!is_loss) network_.backward(mine.pass, b.parameters.data(), gradient);
  });
  if (!(square > 0)) return;  // a stationary point of the scalar: nothing to differentiate along
  const Stopwatch watch;
  const double h = penalty.difference_step * (1 + part.job.parameter_norm) / std::sqrt(square);
  mine.shifted.resize(v.size());
  mine.shifted_gradient.resize(v.size());
  put(v.size(), mine.shifted.data(), false,
      [step = static_cast<T>(h), w = b.parameters.data(), p = v.data()](std::size_t i) {
        return w[i] + step * p[i];
      });
  clear(v.size(), mine.shifted_gradient.data());
  if (!mine.shifted_pass) mine.shifted_pass.emplace(network_, chunk_, network::After::nothing);
  each_pass(part, [&](const Range& range, const Range& own) {
    forward(part.job, *mine.shifted_pass, range, mine.shifted.data());
    put_scalar(part, *mine.shifted_pass, range, own, false);
    network_.backward(*mine.shifted_pass, mine.shifted.data(), mine.shifted_gradient.data());
  });
  put(v.size(), gradient, true,
      [slope = static_cast<T>(part.factor / h), p = v.data(),
       q = mine.shifted_gradient.data()](std::size_t i) { return slope * (q[i] - p[i]); });
  mine.penalty_seconds += watch.seconds();
}

template class BatchGradient<float>;
template class BatchGradient<double>;

}  // namespace soret::training
