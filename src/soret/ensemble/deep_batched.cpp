#include <Eigen/Core>
#include <algorithm>

#include "soret/ensemble/deep_cpu.hpp"
#include "soret/ensemble/deep_dense.hpp"
#include "soret/ensemble/panel_product.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/ensemble/two_layer_step.hpp"

/// A fully connected network at any batch size and momentum. The rows of a batch share every load of the
/// weights: with D_l the batch's deltas (already divided by B) and H_l its units as rows,
///   U_l = H_(l-1) W_l,   D_(l-1) = sigma'(U_(l-1)) * (D_l W_l^T),   W_l <- W_l - lr H_(l-1)^T D_l
/// with W_l as it is stored, [inputs][outputs].
namespace soret::deep {
namespace {

/// From this many rows on, a general matrix product (Eigen) wins over the panel kernels, unless the layer is
/// one column tile of theirs: then nothing is loaded twice, and packing does not pay.
constexpr int kGeneralRows = 64;
bool takes_panels(int rows, const DenseLayer& layer) {
  return rows < kGeneralRows || layer.vecs <= panel::kMaxVecs;
}

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Strided = Eigen::Map<RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;
using ConstStrided = Eigen::Map<const RowMajor, Eigen::Unaligned, Eigen::OuterStride<>>;

/// g[r][j] = d[r] . w[j] for `rows` rows (a multiple of 4) and `inputs` weights (rounded up to 4).
void multiply_transposed(int rows, int inputs, int vecs, const Lanes* d, const Lanes* w, float* g,
                         int g_stride) {
  for (int r = 0; r < rows; r += 4) {
    for (int j = 0; j < inputs; j += 4) {
      Lanes acc[4][4] = {};
      for (int v = 0; v < vecs; ++v) {
        Lanes wj[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) wj[k] = w[static_cast<std::ptrdiff_t>(j + k) * vecs + v];
#pragma GCC unroll 4
        for (int s = 0; s < 4; ++s) {
          const Lanes ds = d[static_cast<std::ptrdiff_t>(r + s) * vecs + v];
#pragma GCC unroll 4
          for (int k = 0; k < 4; ++k) acc[s][k] = fma(ds, wj[k], acc[s][k]);
        }
      }
      for (int s = 0; s < 4; ++s) {
        const Lanes sums = sum_four(acc[s][0], acc[s][1], acc[s][2], acc[s][3]);
        for (int k = 0; k < 4; ++k) g[static_cast<std::ptrdiff_t>(r + s) * g_stride + j + k] = sums[k];
      }
    }
  }
}

template <Activation A, Loss L>
class BatchedNetwork {
 public:
  BatchedNetwork(const Problem& problem, std::uint32_t trajectory)
      : p_(problem),
        sample_problem_(deep::sample_problem(problem)),
        teacher_(problem.label_kind == Labels::teacher ? teacher_parameters(sample_problem_)
                                                       : two_layer::Parameters{}),
        samples_(sample_problem_, teacher_, trajectory),
        rows_((problem.batch_size + panel::kRowMultiple - 1) / panel::kRowMultiple * panel::kRowMultiple),
        layers_(dense_layers(problem)),
        targets_(static_cast<std::size_t>(problem.batch_size) * problem.outputs) {
    load_parameters(initial_parameters(problem, trajectory), layers_);
    const auto panel = [&](int units) {
      return std::vector<Lanes>(static_cast<std::size_t>(rows_) * ((units + kLanes - 1) / kLanes));
    };
    for (const DenseLayer& layer : layers_) {
      h_.push_back(panel(layer.inputs));
      slope_.push_back(panel(layer.outputs));
      if (problem.momentum > 0) {
        velocity_.push_back(layer);
        std::ranges::fill(velocity_.back().w, Lanes{});
        std::ranges::fill(velocity_.back().bias, Lanes{});
      }
    }
    if (takes_panels(rows_, layers_[0])) {
      no_sample_.resize(problem.inputs());
      x_.assign(rows_, no_sample_.data());
      h_[0].clear();
    }
    const int widest = std::max({problem.inputs(), problem.width, problem.outputs});
    u_ = panel(widest);
    d_ = panel(widest);
    scaled_ = panel(widest);
  }

  void step(std::int64_t step) {
    const int last = p_.layers - 1;
    const auto first = static_cast<std::uint64_t>(step) * p_.batch_size;
    if (x_.empty()) {
      samples_.rows(first, p_.batch_size, floats(h_[0]), stride(p_.inputs()), targets_.data());
    } else {
      samples_.locate(first, p_.batch_size, x_.data(), targets_.data());
    }
    for (int l = 0; l <= last; ++l) forward(l);
    residuals();
    for (int l = last; l >= 0; --l) backward(l);
  }

  std::span<const float> parameters() {
    store_parameters(layers_, parameters_);
    return parameters_;
  }

 private:
  static float* floats(std::vector<Lanes>& x) { return reinterpret_cast<float*>(x.data()); }
  static int stride(int units) { return (units + kLanes - 1) / kLanes * kLanes; }

  /// Calls f(rows of what goes into layer l), for panels.
  template <class F>
  void with_inputs(int l, F f) {
    if (l == 0 && !x_.empty()) {
      f(panel::ScatteredRows{x_.data()});
    } else {
      f(panel::StridedRows{floats(h_[l]), stride(layers_[l].inputs)});
    }
  }

  /// u_ = H W + b; below the last layer then the next H and its slopes.
  void forward(int l) {
    DenseLayer& layer = layers_[l];
    const int x_stride = stride(layer.inputs);
    if (takes_panels(rows_, layer)) {
      with_inputs(l, [&](auto x) {
        panel::multiply(rows_, layer.inputs, layer.vecs, x, layer.w.data(), layer.vecs, u_.data(),
                        layer.vecs);
      });
    } else {
      const ConstStrided x(floats(h_[l]), rows_, layer.inputs, Eigen::OuterStride<>(x_stride));
      const ConstStrided w(layer.row(0), layer.inputs, layer.vecs * kLanes,
                           Eigen::OuterStride<>(layer.vecs * kLanes));
      Strided(floats(u_), rows_, layer.vecs * kLanes, Eigen::OuterStride<>(layer.vecs * kLanes)).noalias() =
          x * w;
    }
    const bool hidden = l + 1 < p_.layers;
    for (int r = 0; r < rows_; ++r) {
      for (int v = 0; v < layer.vecs; ++v) {
        const std::size_t k = static_cast<std::size_t>(r) * layer.vecs + v;
        u_[k] = u_[k] + layer.bias[v];
        if (hidden) two_layer::activate<A>(u_[k], p_.leak, h_[l + 1][k], slope_[l][k]);
      }
    }
  }

  /// d_ = dL/df / B; zero beyond the batch and beyond the outputs.
  void residuals() {
    const int vecs = layers_.back().vecs;
    const float per_batch = 1.0F / static_cast<float>(p_.batch_size);
    std::fill_n(d_.begin(), static_cast<std::size_t>(rows_) * vecs, Lanes{});
    for (int r = 0; r < p_.batch_size; ++r) {
      const std::size_t first = static_cast<std::size_t>(r) * vecs * kLanes;
      float* f = floats(u_) + first;
      two_layer::residual<L>(p_.outputs, f, &targets_[static_cast<std::size_t>(r) * p_.outputs]);
      for (int c = 0; c < p_.outputs; ++c) floats(d_)[first + c] = f[c] * per_batch;
    }
  }

  /// The deltas of the layer below, with the weights of before; then the layer moves.
  void backward(int l) {
    DenseLayer& layer = layers_[l];
    const int vecs = layer.vecs;
    if (l > 0) {
      const int g_stride = stride(layer.inputs);
      // Units beyond the layer have no gradient.
      for (int r = 1; r <= rows_; ++r) u_[static_cast<std::size_t>(r) * g_stride / kLanes - 1] = Lanes{};
      if (takes_panels(rows_, layer)) {
        multiply_transposed(rows_, layer.inputs, vecs, d_.data(), layer.w.data(), floats(u_), g_stride);
      } else {
        const ConstStrided d(floats(d_), rows_, vecs * kLanes, Eigen::OuterStride<>(vecs * kLanes));
        const ConstStrided w(layer.row(0), layer.inputs, vecs * kLanes, Eigen::OuterStride<>(vecs * kLanes));
        Strided(floats(u_), rows_, layer.inputs, Eigen::OuterStride<>(g_stride)).noalias() =
            d * w.transpose();
      }
    }
    move(l);
    if (l == 0) return;
    const int below = layers_[l - 1].vecs;
    for (std::size_t k = 0; k < static_cast<std::size_t>(rows_) * below; ++k)
      d_[k] = slope_[l - 1][k] * u_[k];
  }

  /// w -= rate H^T D, or through the velocity, which is kept with its sign turned: v <- m v - H^T D,
  /// w <- w + rate v.
  void move(int l) {
    DenseLayer& layer = layers_[l];
    const bool momentum = p_.momentum > 0;
    DenseLayer& target = momentum ? velocity_[l] : layer;
    if (momentum) {
      for (Lanes& v : target.w) v = p_.momentum * v;
      for (Lanes& v : target.bias) v = p_.momentum * v;
    }
    const int vecs = layer.vecs;
    const float rate = momentum ? 1.0F : p_.learning_rate;
    for (int r = 0; r < p_.batch_size; ++r) {
      for (int v = 0; v < vecs; ++v) {
        const std::size_t k = static_cast<std::size_t>(r) * vecs + v;
        scaled_[k] = rate * d_[k];
        target.bias[v] = target.bias[v] - scaled_[k];
      }
    }
    if (takes_panels(p_.batch_size, layer)) {
      with_inputs(l, [&](auto x) {
        panel::subtract_outer(layer.inputs, p_.batch_size, vecs, x, scaled_.data(), vecs, target.w.data(),
                              vecs);
      });
    } else {
      const ConstStrided x(floats(h_[l]), p_.batch_size, layer.inputs,
                           Eigen::OuterStride<>(stride(layer.inputs)));
      const ConstStrided d(floats(scaled_), p_.batch_size, vecs * kLanes,
                           Eigen::OuterStride<>(vecs * kLanes));
      Strided(target.row(0), layer.inputs, vecs * kLanes, Eigen::OuterStride<>(vecs * kLanes)).noalias() -=
          x.transpose() * d;
    }
    if (!momentum) return;
    const Lanes lr = broadcast(p_.learning_rate);
    for (std::size_t k = 0; k < layer.w.size(); ++k) layer.w[k] = fma(lr, target.w[k], layer.w[k]);
    for (int v = 0; v < vecs; ++v) layer.bias[v] = fma(lr, target.bias[v], layer.bias[v]);
  }

  const Problem& p_;
  two_layer::Problem sample_problem_;
  two_layer::Parameters teacher_;
  two_layer::SampleStream samples_;
  int rows_;  ///< of a batch, padded
  std::vector<DenseLayer> layers_, velocity_;
  std::vector<float> targets_;             ///< [B][C]
  std::vector<const float*> x_;            ///< [rows]: samples where they lie; empty: copied to h_[0]
  std::vector<float> no_sample_;           ///< zeros, for rows beyond the batch
  std::vector<std::vector<Lanes>> h_;      ///< per layer [rows][inputs / 16]: what goes in
  std::vector<std::vector<Lanes>> slope_;  ///< per layer [rows][vecs]
  std::vector<Lanes> u_, d_, scaled_;      ///< [rows][vecs] of the layer at work
  std::vector<float> parameters_;
};

}  // namespace

void run_batched(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record) {
  two_layer::with_types(problem.activation, problem.loss, [&]<Activation A, Loss L>() {
    BatchedNetwork<A, L> network(problem, trajectory.index);
    follow(network, trajectory, 64, on_record);
  });
}

}  // namespace soret::deep
