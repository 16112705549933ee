#pragma once

#include "soret/ensemble/two_layer_observables.hpp"
#include "soret/ensemble/two_layer_team.hpp"

/// The observables of one network on a team, from its state. In double, like Observer; the division of the
/// network among the threads is that of training.
namespace soret::two_layer {

/// Probe samples taken together: each weight is read once for all of them.
inline constexpr int kProbePass = 4;

struct alignas(16) DoubleQuad {
  double x, y, z, w;
};

/// Where things lie in the memory that TeamObserver works in, in doubles; the quads on even ones (16 bytes).
struct ObserveLayout {
  int totals;   ///< [8 + C]
  int partial;  ///< of the widest sum
  int d;        ///< [kProbePass][C]
  int d_square;
  int outputs;    ///< [probe][C]: f
  int losses;     ///< [probe]
  int right;      ///< [probe]: 0 or 1
  int rows;       ///< Owned: see RowSlots in TeamObserver
  int gradients;  ///< Owned DoubleQuads: sum over the probe set of dL/dW
  int inputs;     ///< [kProbePass][stride] floats
  int size;
};
SORET_HD int observe_row_slots(const TeamShape& s) {
  return (3 * kProbePass + 4 + 1 + s.outputs) * s.rows + 5;
}
SORET_HD ObserveLayout observe_layout(const TeamProblem& p, const TeamShape& s, const Needs& needs) {
  const int sums = kProbePass * s.outputs > 8 + s.outputs ? kProbePass * s.outputs : 8 + s.outputs;
  const int probe = needs.residual ? p.probe.size : 0;
  ObserveLayout l{};
  l.partial = 8 + s.outputs;
  l.d = l.partial + partial_size(sums, s.width);
  l.d_square = l.d + kProbePass * s.outputs;
  l.outputs = l.d_square + kProbePass;
  l.losses = l.outputs + probe * s.outputs;
  l.right = l.losses + probe;
  l.rows = l.right + probe;
  l.gradients = (l.rows + observe_row_slots(s) * s.width + 3) / 4 * 4;  // quads are read whole
  l.inputs = l.gradients + (needs.gradients ? 4 * tile_quads(s) * s.width : 0);
  l.size = l.inputs + (needs.forward ? kProbePass * s.stride() / 2 : 0);
  return l;
}

template <class Team>
class TeamObserver {
 public:
  /// `memory`: observe_layout(...).size doubles.
  SORET_TEAM TeamObserver(const Team& team, const TeamProblem& p, const TeamShape& s, const Needs& needs,
                          const TeamState& state, double* memory)
      : team_(team),
        p_(p),
        s_(s),
        needs_(needs),
        state_(state),
        l_(observe_layout(p, s, needs)),
        m_(memory) {}

  /// Fills out[kObservables] with what `needs` covers, NaN elsewhere; false (and nothing written) if a
  /// parameter is out of range.
  SORET_TEAM bool measure(double* out) {
    team_.sum(
        4, [&](int rank, int k) { return parameter_sum(rank, k); }, m_ + l_.partial);
    totals(4);
    if (!(m_[kFinite] == 0)) return false;
    double found[kObservables];
    for (double& x : found) x = NAN;
    set(found, Observable::w_norm, std::sqrt(m_[kWeights]));
    set(found, Observable::v_norm, std::sqrt(m_[kOutputWeights]));
    set(found, Observable::bias_mean, m_[kBiases] / p_.hidden);
    team_.barrier();  // the totals have been read
    if (needs_.forward) probe(found);
    if (exact_activation_rate(p_.input_kind)) exact(found);
    team_.each([&](int rank) {
      if (rank != 0) return;
      for (int o = 0; o < kObservables; ++o) out[o] = found[o];
    });
    return true;
  }

 private:
  // Sums over the parameters, as they stand in m_.
  static constexpr int kFinite = 0;  // parameters out of range (finite() of two_layer.hpp)
  static constexpr int kWeights = 1, kOutputWeights = 2, kBiases = 3;
  // Per-thread sums over the probe set, after the row slots.
  static constexpr int kSlope = 0, kHidden = 1, kInputMoment = 2, kSlopeMoment = 3, kGradient = 4;

  SORET_TEAM static void set(double* found, Observable o, double value) {
    found[static_cast<int>(o)] = value;
  }

  SORET_TEAM Owned<double> row_slots(int rank, int first) const {
    return {m_ + l_.rows + static_cast<std::ptrdiff_t>(first) * s_.width, s_.width, rank};
  }
  // RowSlots: u and h, sigma', a: [kProbePass][rows] each; exact moments [4][rows]; gradients of b [rows] and
  // of V [C][rows]; the per-thread sums [5].
  SORET_TEAM Owned<double> hidden(int rank) const { return row_slots(rank, 0); }
  SORET_TEAM Owned<double> slopes(int rank) const { return row_slots(rank, kProbePass * s_.rows); }
  SORET_TEAM Owned<double> moments(int rank) const { return row_slots(rank, 3 * kProbePass * s_.rows); }
  SORET_TEAM Owned<double> gradients(int rank) const {
    return row_slots(rank, (3 * kProbePass + 4) * s_.rows);
  }
  SORET_TEAM Owned<double> sums(int rank) const { return row_slots(rank, observe_row_slots(s_) - 5); }

  /// Makes the first n sums readable in m_[0..n).
  SORET_TEAM void totals(int n) {
    team_.for_each(n, [&](int k) { m_[k] = total(m_ + l_.partial, k, s_.width); });
  }

  SORET_TEAM float bias(int rank, int r) const { return Owned<float>{state_.rows, s_.width, rank}[r]; }
  SORET_TEAM float output_weight(int rank, int c, int r) const {
    return Owned<float>{state_.rows, s_.width, rank}[(1 + c) * s_.rows + r];
  }
  SORET_TEAM bool first_lane(int rank) const { return s_.lane(rank) == 0; }
  SORET_TEAM bool here(int rank, int r) const { return s_.row(rank, r) < p_.hidden; }

  SORET_TEAM double parameter_sum(int rank, int k) const {
    double sum = 0;
    const Owned<Quad> w{state_.weights, s_.width, rank};
    if (k == kFinite || k == kWeights) {
      for (int n = 0; n < tile_quads(s_); ++n) {
        const Quad q = w[n];
        const double x = q.x, y = q.y, z = q.z, t = q.w;
        sum += k == kFinite ? out_of_range(q.x) + out_of_range(q.y) + out_of_range(q.z) + out_of_range(q.w)
                            : x * x + y * y + (z * z + t * t);
      }
    }
    for (int r = 0; r < s_.rows; ++r) {
      const double b = bias(rank, r);
      if (k == kFinite) sum += out_of_range(static_cast<float>(b));
      if (k == kBiases && first_lane(rank)) sum += b;
      for (int c = 0; c < s_.outputs && k != kBiases; ++c) {
        const double v = output_weight(rank, c, r);
        if (k == kFinite) sum += out_of_range(static_cast<float>(v));
        if (k == kOutputWeights && first_lane(rank)) sum += v * v;
      }
    }
    return sum;
  }

  /// mean over outputs of V_ci^2.
  SORET_TEAM double v_square(int rank, int r) const {
    double sum = 0;
    for (int c = 0; c < s_.outputs; ++c) {
      const double v = output_weight(rank, c, r);
      sum += v * v;
    }
    return sum / s_.outputs;
  }

  /// What has a closed form for Gaussian inputs (theory/gaussian_unit.hpp).
  SORET_TEAM void exact(double* found) {
    team_.each([&](int rank) {
      const Owned<Quad> w{state_.weights, s_.width, rank};
      for (int r = 0; r < s_.rows; ++r) {
        double square = 0;
        for (int c = 0; c < s_.quads; ++c) {
          const Quad q = w[r * s_.quads + c];
          const double x = q.x, y = q.y, z = q.z, t = q.w;
          square += x * x + y * y + (z * z + t * t);
        }
        moments(rank)[r] = square;
      }
    });
    team_.sum_lanes(s_.lanes, s_.rows,
                    m_ + l_.rows + static_cast<std::ptrdiff_t>(3 * kProbePass) * s_.rows * s_.width);
    const bool all = exact_moments(p_.input_kind, p_.activation);
    team_.each([&](int rank) {
      const Owned<double> m = moments(rank);
      for (int r = 0; r < s_.rows; ++r) {
        const double a = std::sqrt(m[r]);
        const double b = bias(rank, r);
        const bool counts = here(rank, r) && first_lane(rank);
        m[r] = counts ? mean_slope(p_.activation, p_.leak, a, b) : 0;
        m[s_.rows + r] = counts && all ? theory::relu_second_moment(a, b) : 0;
        m[2 * s_.rows + r] =
            counts && all ? v_square(rank, r) * theory::relu_input_second_moment(a, b, p_.inputs) / p_.inputs
                          : 0;
        m[3 * s_.rows + r] = counts && all ? v_square(rank, r) * theory::relu_activation_rate(a, b) : 0;
      }
    });
    team_.sum(
        4,
        [&](int rank, int k) {
          double sum = 0;
          for (int r = 0; r < s_.rows; ++r) sum += moments(rank)[k * s_.rows + r];
          return sum;
        },
        m_ + l_.partial);
    totals(4);
    set(found, Observable::activation_rate, m_[0] / p_.hidden);
    if (!all) return;
    set(found, Observable::h_v, m_[1] / p_.hidden);
    set(found, Observable::h_w, m_[2] / p_.hidden);
    set(found, Observable::h_b, m_[3] / p_.hidden);
  }

  /// Everything that the probe set tells.
  SORET_TEAM void probe(double* found) {
    const int size = p_.probe.size;
    team_.each([&](int rank) {
      for (int k = 0; k < (1 + s_.outputs) * s_.rows; ++k) gradients(rank)[k] = 0;
      for (int k = 0; k < 5; ++k) sums(rank)[k] = 0;
      for (int k = 0; k < tile_quads(s_) && needs_.gradients; ++k) weight_gradients(rank)[k] = {0, 0, 0, 0};
    });
    auto* x = reinterpret_cast<float*>(m_ + l_.inputs);
    team_.for_each(kProbePass * s_.stride(), [&](int k) { x[k] = 0.0F; });
    for (int first = 0; first < size; first += kProbePass) {
      const int count = size - first < kProbePass ? size - first : kProbePass;
      load(first, count);
      forward(first, count);
      if (needs_.residual) {
        residuals(first, count);
        if (needs_.gradients) backward(first, count);
      }
      team_.barrier();  // everybody has done with the samples
    }
    const double per = 1.0 / (static_cast<double>(size) * p_.hidden);
    team_.sum(
        6,
        [&](int rank, int k) {
          if (k == 5) return needs_.gradients ? mean_gradient_square(rank) : 0.0;
          return first_lane(rank) ? sums(rank)[k] : 0.0;
        },
        m_ + l_.partial);
    totals(6);
    set(found, Observable::activation_rate, m_[kSlope] * per);
    set(found, Observable::h_v, m_[kHidden] * per);
    set(found, Observable::h_w, m_[kInputMoment] * per / p_.inputs);
    set(found, Observable::h_b, m_[kSlopeMoment] * per);
    if (needs_.gradients) {
      const double variance = (m_[kGradient] - m_[5] / size) / (size - 1.0);
      set(found, Observable::gradient_variance, variance / p_.parameters());
    }
    team_.barrier();  // the totals have been read
    if (needs_.residual) judge_outputs(found);
  }

  SORET_TEAM void load(int first, int count) {
    auto* x = reinterpret_cast<float*>(m_ + l_.inputs);
    const int slice = 4 * s_.quads;
    team_.for_each(count * p_.inputs, [&](int k) {
      const int j = k % p_.inputs;
      const int sample = k / p_.inputs;
      x[sample * s_.stride() + j / slice * 4 * s_.pitch() + j % slice] =
          p_.probe.inputs[static_cast<std::ptrdiff_t>(first + sample) * p_.inputs + j];
    });
  }

  SORET_TEAM const Quad* samples(int rank) const {
    return reinterpret_cast<const Quad*>(m_ + l_.inputs) + s_.lane(rank) * s_.pitch();
  }

  /// h and sigma' of the pass, and their averages.
  SORET_TEAM void forward(int first, int count) {
    team_.each([&](int rank) {
      const Owned<Quad> w{state_.weights, s_.width, rank};
      const Quad* x = samples(rank);
      for (int r = 0; r < s_.rows; ++r) {
        double u[kProbePass] = {};
        for (int c = 0; c < s_.quads; ++c) {
          const Quad wc = w[r * s_.quads + c];
          SORET_UNROLL
          for (int s = 0; s < kProbePass; ++s) {
            const Quad xc = x[s * s_.lanes * s_.pitch() + c];
            u[s] = std::fma(static_cast<double>(wc.x), static_cast<double>(xc.x), u[s]);
            u[s] = std::fma(static_cast<double>(wc.y), static_cast<double>(xc.y), u[s]);
            u[s] = std::fma(static_cast<double>(wc.z), static_cast<double>(xc.z), u[s]);
            u[s] = std::fma(static_cast<double>(wc.w), static_cast<double>(xc.w), u[s]);
          }
        }
        for (int s = 0; s < kProbePass; ++s) hidden(rank)[s * s_.rows + r] = u[s];
      }
    });
    team_.sum_lanes(s_.lanes, kProbePass * s_.rows, m_ + l_.rows);
    team_.each([&](int rank) {
      const Owned<double> h = hidden(rank);
      const Owned<double> slope = slopes(rank);
      const Owned<double> sum = sums(rank);
      for (int r = 0; r < s_.rows; ++r) {
        if (!here(rank, r)) continue;
        const double square = v_square(rank, r);
        for (int s = 0; s < count; ++s) {
          const int k = s * s_.rows + r;
          double value = 0;
          double gradient = 0;
          activate_double(p_.activation, p_.leak, h[k] + bias(rank, r), value, gradient);
          h[k] = value;
          slope[k] = gradient;
          sum[kSlope] += gradient;
          sum[kHidden] += value * value;
          sum[kInputMoment] += square * gradient * gradient * p_.probe.squares[first + s];
          sum[kSlopeMoment] += square * gradient * gradient;
        }
      }
    });
  }

  /// Outputs, losses and dL/df of the pass.
  SORET_TEAM void residuals(int first, int count) {
    team_.sum(
        kProbePass * s_.outputs,
        [&](int rank, int k) {
          double f = 0;
          if (!first_lane(rank)) return f;
          for (int r = 0; r < s_.rows; ++r) {
            if (here(rank, r))
              f += output_weight(rank, k / kProbePass, r) * hidden(rank)[k % kProbePass * s_.rows + r];
          }
          return f;
        },
        m_ + l_.partial);
    team_.for_each(kProbePass, [&](int s) {
      double* d = m_ + l_.d + s * s_.outputs;
      if (s < count) {
        double* f = m_ + l_.outputs + static_cast<std::ptrdiff_t>(first + s) * s_.outputs;
        for (int c = 0; c < s_.outputs; ++c) f[c] = total(m_ + l_.partial, c * kProbePass + s, s_.width);
        const float* target = p_.probe.targets + static_cast<std::ptrdiff_t>(first + s) * s_.outputs;
        const Verdict verdict = judge(p_.loss, s_.outputs, f, target, d);
        m_[l_.losses + first + s] = verdict.loss;
        m_[l_.right + first + s] = verdict.right ? 1 : 0;
      }
      double square = 0;
      for (int c = 0; c < s_.outputs; ++c) square += d[c] * d[c];
      m_[l_.d_square + s] = square;
    });
  }

  SORET_TEAM Owned<DoubleQuad> weight_gradients(int rank) const {
    return {reinterpret_cast<DoubleQuad*>(m_ + l_.gradients), s_.width, rank};
  }

  /// Adds the gradients of the pass, and their squares: dL/dW_ij = a_i x_j, so that
  /// sum_ij (dL/dW_ij)^2 = (sum_i a_i^2) ||x||^2.
  SORET_TEAM void backward(int first, int count) {
    team_.each([&](int rank) {
      const Owned<double> h = hidden(rank);
      const Owned<double> slope = slopes(rank);
      const Owned<double> row_gradients = gradients(rank);
      const Owned<DoubleQuad> g = weight_gradients(rank);
      const Quad* x = samples(rank);
      for (int r = 0; r < s_.rows; ++r) {
        if (!here(rank, r)) continue;
        double a[kProbePass] = {};
        for (int s = 0; s < count; ++s) {
          const double* d = m_ + l_.d + s * s_.outputs;
          const int k = s * s_.rows + r;
          double back = 0;
          for (int c = 0; c < s_.outputs; ++c) {
            back += d[c] * output_weight(rank, c, r);
            row_gradients[(1 + c) * s_.rows + r] += d[c] * h[k];
          }
          a[s] = slope[k] * back;
          row_gradients[r] += a[s];
          sums(rank)[kGradient] += a[s] * a[s] * (p_.probe.squares[first + s] + (p_.bias ? 1 : 0)) +
                                   m_[l_.d_square + s] * h[k] * h[k];
        }
        for (int c = 0; c < s_.quads; ++c) {
          DoubleQuad sum = g[r * s_.quads + c];
          SORET_UNROLL
          for (int s = 0; s < kProbePass; ++s) {
            const Quad xc = x[s * s_.lanes * s_.pitch() + c];
            sum = {sum.x + a[s] * xc.x, sum.y + a[s] * xc.y, sum.z + a[s] * xc.z, sum.w + a[s] * xc.w};
          }
          g[r * s_.quads + c] = sum;
        }
      }
    });
  }

  /// The thread's part of ||sum over the probe set of the gradient||^2.
  SORET_TEAM double mean_gradient_square(int rank) const {
    double sum = 0;
    for (int k = 0; k < tile_quads(s_); ++k) {
      const DoubleQuad g = weight_gradients(rank)[k];
      sum += g.x * g.x + g.y * g.y + (g.z * g.z + g.w * g.w);
    }
    if (!first_lane(rank)) return sum;
    for (int k = p_.bias ? 0 : s_.rows; k < (1 + s_.outputs) * s_.rows; ++k) {
      const double g = gradients(rank)[k];
      sum += g * g;
    }
    return sum;
  }

  /// Loss, accuracy and the variance of f.
  SORET_TEAM void judge_outputs(double* found) {
    const int size = p_.probe.size;
    team_.sum(
        2 + s_.outputs,
        [&](int rank, int k) {
          double sum = 0;
          for (int s = rank; s < size; s += s_.width) {
            sum += k == 0   ? m_[l_.losses + s]
                   : k == 1 ? m_[l_.right + s]
                            : m_[l_.outputs + s * s_.outputs + k - 2];
          }
          return sum;
        },
        m_ + l_.partial);
    totals(2 + s_.outputs);
    set(found, Observable::loss, m_[0] / size);
    set(found, Observable::accuracy, p_.loss == Loss::squared ? NAN : m_[1] / size);
    team_.sum(
        1,
        [&](int rank, int) {
          double sum = 0;
          for (int s = rank; s < size; s += s_.width) {
            for (int c = 0; c < s_.outputs; ++c) {
              const double deviation = m_[l_.outputs + s * s_.outputs + c] - m_[2 + c] / size;
              sum += deviation * deviation;
            }
          }
          return sum;
        },
        m_ + l_.partial);
    totals(1);
    set(found, Observable::output_variance, m_[0] / (size - 1.0) / s_.outputs);
    team_.barrier();  // the totals have been read
  }

  const Team& team_;
  const TeamProblem& p_;
  const TeamShape& s_;
  const Needs needs_;
  const TeamState state_;
  const ObserveLayout l_;
  double* m_;
};

}  // namespace soret::two_layer
