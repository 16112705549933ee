#pragma once

#include <cstdint>
#include <vector>

#include "soret/ensemble/two_layer_step.hpp"

namespace soret::two_layer {

/// What takes a Gaussian sample onto the ball: radius * u^(1/M) / |x|, u uniform, `square` = |x|^2. Where all
/// normals vanish (normal_pair) the sample is the centre.
template <class F>
SORET_HD F ball_scale(int inputs, float radius, F u, F square) {
  const F zero = constant<F>(0.0F);
  const F scale = radius * soret::exp(soret::log(u) / static_cast<float>(inputs)) / soret::sqrt(square);
  return select(square > zero, scale, zero);
}

/// Moves a Gaussian sample onto the ball.
template <class F>
SORET_HD void put_in_ball(int inputs, float radius, F u, F* x) {
  F square = constant<F>(0.0F);
  for (int j = 0; j < inputs; ++j) square = fma(x[j], x[j], square);
  const F scale = ball_scale(inputs, radius, u, square);
  for (int j = 0; j < inputs; ++j) x[j] = x[j] * scale;
}

/// Outputs of the teacher for one sample (or sixteen), summed in the order of the indices, so that every
/// driver gives the same label.
template <class F>
void teacher_outputs(const Problem& problem, const Parameters& teacher, const F* x, F* f) {
  const int hidden = problem.teacher_hidden;
  for (int c = 0; c < problem.outputs; ++c) f[c] = constant<F>(0.0F);
  for (int i = 0; i < hidden; ++i) {
    const float* w = teacher.w.data() + static_cast<std::ptrdiff_t>(i) * problem.inputs;
    F u = constant<F>(teacher.b[i]);
    for (int j = 0; j < problem.inputs; ++j) u = fma(x[j], constant<F>(w[j]), u);
    F h;
    F slope;
    with_types(problem.activation, problem.loss,
               [&]<Activation A, Loss>() { activate<A>(u, problem.leak, h, slope); });
    for (int c = 0; c < problem.outputs; ++c) {
      f[c] = fma(h, constant<F>(teacher.v[static_cast<std::size_t>(c) * hidden + i]), f[c]);
    }
  }
}

/// A teacher's outputs to targets: 1 where f > 0 (logistic), one-hot of the first largest (softmax), f itself
/// (squared).
template <class AnyProblem, class F>
SORET_HD void outputs_to_targets(const AnyProblem& problem, F* f) {
  const F zero = constant<F>(0.0F);
  const F one = constant<F>(1.0F);
  if (problem.loss == Loss::logistic) {
    f[0] = select(f[0] > zero, one, zero);
  } else if (problem.loss == Loss::softmax) {
    F largest = f[0];
    for (int c = 1; c < problem.outputs; ++c) largest = maximum(f[c], largest);
    F free = one;  // 1 until the first largest is met
    for (int c = 0; c < problem.outputs; ++c) {
      const F hit = select(f[c] == largest, free, zero);
      free = free - hit;
      f[c] = hit;
    }
  }
}

/// The training samples of one trajectory, in order: sample n = step * batch_size + i.
class SampleStream {
 public:
  SampleStream(const Problem& problem, const Parameters& teacher, std::uint32_t trajectory);

  /// Samples [first, first + count): row r at inputs + r * stride (M numbers) and targets + r * C.
  void rows(std::uint64_t first, int count, float* inputs, int stride, float* targets);

  /// The same where they lie: row r at inputs[r], until the next call.
  void locate(std::uint64_t first, int count, const float** inputs, float* targets);

 private:
  /// Which sample of the fixed set is number n.
  int pick(std::uint64_t n);

  const Problem* problem_;
  const Parameters* teacher_;
  std::uint32_t trajectory_;
  std::vector<float> fresh_;           ///< [sample][M]
  std::vector<const float*> located_;  ///< of rows()
  std::vector<int> order_;             ///< of the current epoch
  std::int64_t epoch_ = -1;
};

}  // namespace soret::two_layer
