#include <Eigen/Core>
#include <algorithm>
#include <cmath>

#include "soret/ensemble/panel_product.hpp"
#include "soret/ensemble/two_layer_cpu.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/ensemble/two_layer_step.hpp"

/// Several SGD steps as matrix products. The inputs of the next k steps do not depend on the weights, so with
/// the k*B inputs x_r of a block as rows of X (a trailing 1 carries the bias), W_0 the weights at its start
/// and a_r the hidden gradients (already divided by B), step s sees the pre-activations
///   u_r = W_0 x_r - lr sum_{q in earlier steps} D(s-1-step(q)) (x_r . x_q) a_q  - lr C(s) v_0 x_r
/// where D(n) = 1 + mu + ... + mu^n, C(s) = mu + ... + mu^s and v_0 is the velocity of heavy-ball momentum mu
/// (D = 1 and C = 0 without). So a block costs the product X [W_0^T | X^T], a triangular part in registers,
/// and one update of rank k*B. The numbers equal step-by-step SGD up to rounding.
namespace soret::two_layer {
namespace {

/// Rows of a block when a batch is small enough for several steps to share one; X X^T then fits one vector
/// per row.
constexpr int kBlockRows = kLanes;
/// From this many rows on, a general matrix product (Eigen) wins over the panel kernels.
constexpr int kGeneralRows = 64;

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::Map<RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;
using ConstStrided = Eigen::Map<const RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;

/// Sizes that a problem fixes.
struct Shape {
  explicit Shape(const Problem& p)
      : inputs(p.inputs + (p.bias ? 1 : 0)),
        vecs((p.hidden + kLanes - 1) / kLanes),
        batch(p.batch_size),
        steps(std::max(1, kBlockRows / p.batch_size)),
        rows((steps * batch + panel::kRowMultiple - 1) / panel::kRowMultiple * panel::kRowMultiple),
        width(vecs + (steps > 1 ? 1 : 0)),
        x_stride((inputs + kLanes - 1) / kLanes * kLanes) {}

  int inputs;  ///< with the 1 that carries the bias
  int vecs;    ///< hidden units in vectors of 16, the last one padded with units that stay zero
  int batch;
  int steps;  ///< of a block
  int rows;   ///< of a block, padded
  int width;  ///< vectors in a row of W^T, with the column that holds X^T
  int x_stride;
};

/// One trajectory.
class Network {
 public:
  Network(const Problem& problem, const Shape& shape, const Parameters& teacher, std::uint32_t trajectory)
      : p_(problem),
        s_(shape),
        samples_(problem, teacher, trajectory),
        w_(static_cast<std::size_t>(s_.inputs) * s_.width),
        v_(static_cast<std::size_t>(p_.outputs) * s_.vecs),
        x_(static_cast<std::size_t>(s_.rows) * s_.x_stride),
        targets_(static_cast<std::size_t>(s_.rows) * p_.outputs),
        u_(static_cast<std::size_t>(s_.rows) * s_.width),
        h_(static_cast<std::size_t>(s_.rows) * s_.vecs),
        a_(static_cast<std::size_t>(s_.rows) * s_.vecs),
        d_(static_cast<std::size_t>(s_.rows) * p_.outputs) {
    const Parameters start = initial_parameters(problem, trajectory);
    for (int i = 0; i < p_.hidden; ++i) {
      for (int j = 0; j < p_.inputs; ++j)
        w_entry(j, i) = start.w[static_cast<std::size_t>(i) * p_.inputs + j];
      if (p_.bias) w_entry(p_.inputs, i) = start.b[i];
      for (int c = 0; c < p_.outputs; ++c)
        v_entry(c, i) = start.v[static_cast<std::size_t>(c) * p_.hidden + i];
    }
    if (p_.momentum > 0) {
      w_velocity_.resize(static_cast<std::size_t>(s_.inputs) * s_.vecs);
      v_velocity_.resize(v_.size());
      u_velocity_.resize(static_cast<std::size_t>(s_.rows) * s_.vecs);
    }
    float power = 1;
    float sum = 0;
    for (int n = 0; n <= s_.steps; ++n) {
      velocity_weight_.push_back(p_.momentum > 0 ? p_.learning_rate * sum * p_.momentum : 0.0F);
      sum += power;
      update_weight_.push_back(p_.learning_rate * sum);
      power *= p_.momentum;
    }
    if (p_.bias) {
      for (int r = 0; r < s_.steps * s_.batch; ++r)
        x_[static_cast<std::size_t>(r) * s_.x_stride + p_.inputs] = 1.0F;
    }
  }

  /// Draws the samples of the block that starts at `step` and takes the products with the current weights.
  void begin_block(std::int64_t step) {
    const int used = s_.steps * s_.batch;
    samples_.rows(static_cast<std::uint64_t>(step) * s_.batch, used, x_.data(), s_.x_stride, targets_.data());
    if (s_.steps > 1) {
      Lanes columns[kLanes];
      for (int m = 0; m < s_.inputs; m += kLanes) {
        transpose(&x_[m], s_.x_stride, columns);
        for (int c = 0; c < std::min(kLanes, s_.inputs - m); ++c) {
          w_[static_cast<std::size_t>(m + c) * s_.width + s_.vecs] = columns[c];
        }
      }
    }
    multiply(w_, s_.width, s_.width, u_, s_.width);
    if (p_.momentum > 0) multiply(w_velocity_, s_.vecs, s_.vecs, u_velocity_, s_.vecs);
  }

  /// Step `s` of the block in three parts, so that several networks can take each part in turn: the parts
  /// wait for long chains of dependent operations, and those of different networks overlap.
  ///
  /// First: pre-activations corrected for the block's earlier steps, hidden units, outputs.
  template <Activation A>
  void forward(int s) {
    const int before = s * s_.batch;
    for (int r = before; r < before + s_.batch; ++r) {
      Lanes* u = &u_[static_cast<std::size_t>(r) * s_.width];
      if (before > 0) {
        float coefficient[kBlockRows];
        for (int q = 0; q < s; ++q) {
          const float weight = update_weight_[s - 1 - q];
          for (int k = q * s_.batch; k < (q + 1) * s_.batch; ++k) coefficient[k] = u[s_.vecs][k] * weight;
        }
        panel::subtract_combination(before, s_.vecs, coefficient, a_.data(), s_.vecs, u);
        if (p_.momentum > 0) {
          panel::subtract_combination(1, s_.vecs, &velocity_weight_[s],
                                      &u_velocity_[static_cast<std::size_t>(r) * s_.vecs], s_.vecs, u);
        }
      }
      Lanes* h = &h_[static_cast<std::size_t>(r) * s_.vecs];
      Lanes* a = &a_[static_cast<std::size_t>(r) * s_.vecs];
      for (int j = 0; j < s_.vecs; ++j) activate<A>(u[j], p_.leak, h[j], a[j]);
      float* f = &d_[static_cast<std::size_t>(r) * p_.outputs];
      for (int c = 0; c < p_.outputs; ++c) f[c] = dot(&v_[static_cast<std::size_t>(c) * s_.vecs], h);
    }
  }

  /// Second: residuals of the batch.
  template <Loss L>
  void residuals(int s) {
    const float per_batch = 1.0F / static_cast<float>(s_.batch);
    for (int r = s * s_.batch; r < (s + 1) * s_.batch; ++r) {
      float* d = &d_[static_cast<std::size_t>(r) * p_.outputs];
      residual<L>(p_.outputs, d, &targets_[static_cast<std::size_t>(r) * p_.outputs]);
      for (int c = 0; c < p_.outputs; ++c) d[c] *= per_batch;
    }
  }

  /// Third: hidden gradients, update of V.
  void backward(int s) {
    const int outputs = p_.outputs;
    const int before = s * s_.batch;
    for (int r = before; r < before + s_.batch; ++r) {
      Lanes* a = &a_[static_cast<std::size_t>(r) * s_.vecs];
      const float* d = &d_[static_cast<std::size_t>(r) * outputs];
      for (int j = 0; j < s_.vecs; ++j) {
        Lanes back = d[0] * v_[j];
        for (int c = 1; c < outputs; ++c) {
          back = fma(d[c], v_[static_cast<std::size_t>(c) * s_.vecs + j], back);
        }
        a[j] = a[j] * back;
      }
    }
    for (int c = 0; c < outputs; ++c) {
      for (int j = 0; j < s_.vecs; ++j) {
        Lanes gradient{};
        for (int r = before; r < before + s_.batch; ++r) {
          gradient = fma(d_[static_cast<std::size_t>(r) * outputs + c],
                         h_[static_cast<std::size_t>(r) * s_.vecs + j], gradient);
        }
        const std::size_t k = static_cast<std::size_t>(c) * s_.vecs + j;
        if (p_.momentum > 0) gradient = v_velocity_[k] = fma(p_.momentum, v_velocity_[k], gradient);
        v_[k] = fma(-p_.learning_rate, gradient, v_[k]);
      }
    }
  }

  /// Applies the first `steps` steps of the block to W.
  void end_block(int steps) {
    apply(steps, w_);
    if (p_.momentum > 0) {
      const float decay = std::pow(p_.momentum, static_cast<float>(steps));
      for (Lanes& x : w_velocity_) x *= decay;
      const auto weight = [&](int s) { return -std::pow(p_.momentum, static_cast<float>(steps - 1 - s)); };
      subtract_gradients(steps, weight, w_velocity_, s_.vecs);
    }
  }

  /// The parameters after the first `steps` steps of the block, which goes on undisturbed.
  void snapshot(int steps, Parameters& out) {
    std::vector<Lanes>* w = &w_;
    if (steps > 0) {
      snapshot_w_ = w_;
      w = &snapshot_w_;
      apply(steps, snapshot_w_);
    }
    const auto* entries = reinterpret_cast<const float*>(w->data());
    out.w.resize(static_cast<std::size_t>(p_.hidden) * p_.inputs);
    out.b.assign(p_.hidden, 0.0F);
    out.v.resize(static_cast<std::size_t>(p_.outputs) * p_.hidden);
    const std::size_t row = static_cast<std::size_t>(s_.width) * kLanes;
    for (int i = 0; i < p_.hidden; ++i) {
      for (int j = 0; j < p_.inputs; ++j)
        out.w[static_cast<std::size_t>(i) * p_.inputs + j] = entries[j * row + i];
      if (p_.bias) out.b[i] = entries[p_.inputs * row + i];
      for (int c = 0; c < p_.outputs; ++c) out.v[static_cast<std::size_t>(c) * p_.hidden + i] = v_entry(c, i);
    }
  }

 private:
  float& w_entry(int j, int i) {
    return reinterpret_cast<float*>(w_.data())[static_cast<std::size_t>(j) * s_.width * kLanes + i];
  }
  float& v_entry(int c, int i) {
    return reinterpret_cast<float*>(v_.data())[static_cast<std::size_t>(c) * s_.vecs * kLanes + i];
  }

  float dot(const Lanes* x, const Lanes* y) const {
    Lanes total = x[0] * y[0];
    for (int j = 1; j < s_.vecs; ++j) total = fma(x[j], y[j], total);
    return sum(total);
  }

  /// out (rows x vecs) = X b.
  void multiply(const std::vector<Lanes>& b, int vecs, int b_stride, std::vector<Lanes>& out,
                int out_stride) {
    if (s_.rows < kGeneralRows) {
      panel::multiply(s_.rows, s_.inputs, vecs, panel::StridedRows{x_.data(), s_.x_stride}, b.data(),
                      b_stride, out.data(), out_stride);
      return;
    }
    const ConstStrided x(x_.data(), s_.rows, s_.inputs, Eigen::OuterStride<>(s_.x_stride));
    const ConstStrided rhs(reinterpret_cast<const float*>(b.data()), s_.inputs, vecs * kLanes,
                           Eigen::OuterStride<>(b_stride * kLanes));
    Strided result(reinterpret_cast<float*>(out.data()), s_.rows, vecs * kLanes,
                   Eigen::OuterStride<>(out_stride * kLanes));
    result.noalias() = x * rhs;
  }

  /// w -= sum over the rows of the block's first `steps` steps of weight(step) x_r a_r^T.
  template <class Weight>
  void subtract_gradients(int steps, const Weight& weight, std::vector<Lanes>& w, int w_stride) {
    const int rows = steps * s_.batch;
    scaled_a_.resize(a_.size());
    for (int s = 0; s < steps; ++s) {
      const float factor = weight(s);
      const std::size_t begin = static_cast<std::size_t>(s) * s_.batch * s_.vecs;
      for (std::size_t k = begin; k < begin + static_cast<std::size_t>(s_.batch) * s_.vecs; ++k) {
        scaled_a_[k] = factor * a_[k];
      }
    }
    if (rows < kGeneralRows) {
      panel::subtract_outer(s_.inputs, rows, s_.vecs, panel::StridedRows{x_.data(), s_.x_stride},
                            scaled_a_.data(), s_.vecs, w.data(), w_stride);
      return;
    }
    const ConstStrided x(x_.data(), rows, s_.inputs, Eigen::OuterStride<>(s_.x_stride));
    const ConstStrided a(reinterpret_cast<const float*>(scaled_a_.data()), rows, s_.vecs * kLanes,
                         Eigen::OuterStride<>(s_.vecs * kLanes));
    Strided result(reinterpret_cast<float*>(w.data()), s_.inputs, s_.vecs * kLanes,
                   Eigen::OuterStride<>(w_stride * kLanes));
    result.noalias() -= x.transpose() * a;
  }

  /// w <- w - lr (C(steps) v_0 + sum of the steps' gradients with their weights).
  void apply(int steps, std::vector<Lanes>& w) {
    if (p_.momentum > 0) {
      const float* c = &velocity_weight_[steps];
      for (int m = 0; m < s_.inputs; ++m) {
        panel::subtract_combination(1, s_.vecs, c, &w_velocity_[static_cast<std::size_t>(m) * s_.vecs],
                                    s_.vecs, &w[static_cast<std::size_t>(m) * s_.width]);
      }
    }
    subtract_gradients(
        steps, [&](int s) { return update_weight_[steps - 1 - s]; }, w, s_.width);
  }

  const Problem& p_;
  const Shape& s_;
  SampleStream samples_;
  std::vector<float> update_weight_;    ///< lr D(n)
  std::vector<float> velocity_weight_;  ///< lr C(n)
  std::vector<Lanes> w_;                ///< [inputs][width]: W^T, bias row last, X^T in the last column
  std::vector<Lanes> v_;                ///< [C][vecs]
  std::vector<float> x_;                ///< [rows][x_stride], zero beyond the inputs
  std::vector<float> targets_;          ///< [rows][C]
  std::vector<Lanes> u_;                ///< [rows][width]: pre-activations; last column x_r . x_q
  std::vector<Lanes> h_;                ///< [rows][vecs]: sigma(u)
  std::vector<Lanes> a_;                ///< [rows][vecs]: dL/du / B
  std::vector<float> d_;                ///< [rows][C]: dL/df / B
  std::vector<Lanes> scaled_a_;         ///< [rows][vecs]
  std::vector<Lanes> snapshot_w_;
  std::vector<Lanes> w_velocity_, v_velocity_, u_velocity_;
};

template <Activation A, Loss L>
void advance(std::vector<Network>& networks, std::vector<bool>& alive, const Shape& shape,
             std::span<const std::int64_t> record_steps, const std::atomic<bool>* stop,
             const OnRecord& on_record) {
  const auto for_alive = [&](const auto& body) {
    for (std::size_t n = 0; n < networks.size(); ++n) {
      if (alive[n]) body(networks[n]);
    }
  };
  Parameters parameters;
  std::size_t record = 0;
  for (std::int64_t start = 0; record < record_steps.size(); start += shape.steps) {
    check_stop(stop);
    if (std::none_of(alive.begin(), alive.end(), [](bool a) { return a; })) return;
    for_alive([&](Network& network) { network.begin_block(start); });
    for (int s = 0; s < shape.steps && record < record_steps.size(); ++s) {
      if (record_steps[record] == start + s) {
        for (std::size_t n = 0; n < networks.size(); ++n) {
          if (!alive[n]) continue;
          networks[n].snapshot(s, parameters);
          alive[n] = on_record(static_cast<int>(n), record, parameters);
        }
        ++record;
      }
      for_alive([&](Network& network) { network.template forward<A>(s); });
      for_alive([&](Network& network) { network.template residuals<L>(s); });
      for_alive([&](Network& network) { network.backward(s); });
    }
    if (record < record_steps.size()) for_alive([&](Network& network) { network.end_block(shape.steps); });
  }
}

}  // namespace

void run_blocked(const Problem& problem, const Parameters& teacher, Span trajectories,
                 std::span<const std::int64_t> record_steps, const std::atomic<bool>* stop,
                 const OnRecord& on_record) {
  const Shape shape(problem);
  for (int done = 0; done < trajectories.count; done += kBlockedGroup) {
    const int count = std::min(kBlockedGroup, trajectories.count - done);
    std::vector<Network> networks;
    networks.reserve(count);
    for (int n = 0; n < count; ++n)
      networks.emplace_back(problem, shape, teacher, trajectories.first + done + n);
    std::vector<bool> alive(count, true);
    const OnRecord shifted = [&](int n, std::size_t record, const Parameters& p) {
      return on_record(done + n, record, p);
    };
    with_types(problem.activation, problem.loss, [&]<Activation A, Loss L>() {
      advance<A, L>(networks, alive, shape, record_steps, stop, shifted);
    });
  }
}

}  // namespace soret::two_layer
