#include <algorithm>

#include "soret/ensemble/deep_cpu.hpp"
#include "soret/ensemble/deep_dense.hpp"
#include "soret/ensemble/panel_product.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/ensemble/two_layer_step.hpp"

/// A fully connected network at batch 1, one step at a time. With h_0 = x, u_l = W_l h_(l-1) + b_l,
/// h_l = sigma(u_l) and f = u_L, a sample contributes
///   d_L = dL/df,   d_l = sigma'(u_l) * W_(l+1)^T d_(l+1),   dL/dW_l = d_l h_(l-1)^T,   dL/db_l = d_l.
///
/// What bounds it: the weights (200 kB for 5 x 100 x 100) live in the second-level cache, and every step must
/// read them forwards, read them backwards and write them. So each is touched as rarely as possible:
///   - one backward pass over W_l forms W_l^T d_l and applies the rank-one update: one load, two fused
///     multiply-adds, one store;
///   - W_1 is touched once per step: the next sample is known, so that updating a row and using it for the
///     next u_1 are one pass;
///   - where a ReLU unit is off, h = 0 and sigma' = 0: its row of weights takes no part in the forward pass,
///     in the gradient or in the update, and is not touched at all. The sums are the same to the last bit.
/// With half of the units on, a step of a 100-100-...-1 network moves 45 kB (W_1, read and written) + 90 kB
/// (forward) + 90 kB (backward, read and written), of which the layers around the turn, 45 kB, are still in
/// the first-level cache: about 180 kB in and 135 kB out of the second level.
namespace soret::deep {
namespace {

/// Samples drawn at a time.
constexpr int kChunk = 16;

/// Rows in use of a layer and what stands at their inputs; padded to a multiple of kRowGroup with a zero row.
struct ActiveRows {
  explicit ActiveRows(int inputs)
      : all(inputs),
        zero_row((inputs + kRowGroup - 1) / kRowGroup * kRowGroup),
        row(zero_row + kLanes + kRowGroup),
        x(row.size()) {}

  /// Lists the lanes of h[vecs] that are not zero; a NaN counts.
  void list(int vecs, const Lanes* h) {
    count = 0;
    for (int v = 0; v < vecs; ++v) {
      const int left = std::min(kLanes, all - v * kLanes);
      append(h[v], v * kLanes, left);
    }
    finish();
  }
  /// Lists everything.
  void list_all(const Lanes* h) {
    count = all;
    const auto* values = reinterpret_cast<const float*>(h);
    for (int j = 0; j < all; ++j) {
      row[j] = j;
      x[j] = values[j];
    }
    finish();
  }

  int all;
  int zero_row;
  std::vector<std::int32_t> row;
  std::vector<float> x;
  int count = 0;

 private:
  void append(Lanes h, int first, [[maybe_unused]] int left) {
#if defined(__AVX512F__)
    const auto on = _mm512_cmp_ps_mask(reinterpret_cast<__m512>(h), _mm512_setzero_ps(), _CMP_NEQ_UQ);
    const LanesI32 index = LanesI32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15} + first;
    _mm512_storeu_si512(&row[count], _mm512_maskz_compress_epi32(on, reinterpret_cast<__m512i>(index)));
    _mm512_storeu_ps(&x[count], _mm512_maskz_compress_ps(on, reinterpret_cast<__m512>(h)));
    count += __builtin_popcount(on);
#else
    for (int l = 0; l < left; ++l) {
      row[count] = first + l;
      x[count] = h[l];
      count += h[l] != 0 ? 1 : 0;
    }
#endif
  }
  void finish() {
    for (int k = 0; k < kRowGroup; ++k) {
      row[count + k] = zero_row;
      x[count + k] = 0.0F;
    }
  }
};

/// Accumulators side by side, so that the multiply-adds of a narrow layer do not wait for each other.
template <int VECS>
inline constexpr int kChains = VECS > 4   ? 2
                               : VECS > 2 ? 4
                                          : 8;

/// u[v] += sum over the active rows of x w[row][v], for VECS vectors of the layer.
template <int VECS>
void forward_tile(const ActiveRows& active, const Lanes* w, int stride, Lanes* u) {
  constexpr int kC = kChains<VECS>;
  Lanes acc[kC][VECS] = {};
#pragma GCC unroll 8
  for (int v = 0; v < VECS; ++v) acc[0][v] = u[v];
  for (int k = 0; k < active.count; k += kC) {
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      const Lanes* row = w + static_cast<std::ptrdiff_t>(active.row[k + c]) * stride;
      const Lanes x = broadcast(active.x[k + c]);
#pragma GCC unroll 8
      for (int v = 0; v < VECS; ++v) acc[c][v] = fma(x, row[v], acc[c][v]);
    }
  }
#pragma GCC unroll 8
  for (int half = kC / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int c = 0; c < half; ++c) {
#pragma GCC unroll 8
      for (int v = 0; v < VECS; ++v) acc[c][v] = acc[c][v] + acc[c + half][v];
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < VECS; ++v) u[v] = acc[0][v];
}

/// g[row] += w[row] . d with the weights of before, and w[row] -= rate x d, for the active rows.
template <int VECS>
void backward_tile(const ActiveRows& active, float rate, const Lanes* d, Lanes* w, int stride, float* g) {
  Lanes delta[VECS];
#pragma GCC unroll 8
  for (int v = 0; v < VECS; ++v) delta[v] = d[v];
  for (int k = 0; k < active.count; k += 4) {
    Lanes acc[4] = {};
    Lanes* row[4];
    Lanes step[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) {
      row[r] = w + static_cast<std::ptrdiff_t>(active.row[k + r]) * stride;
      step[r] = broadcast(rate * active.x[k + r]);
    }
#pragma GCC unroll 8
    for (int v = 0; v < VECS; ++v) {
#pragma GCC unroll 4
      for (int r = 0; r < 4; ++r) {
        const Lanes weights = row[r][v];
        acc[r] = fma(weights, delta[v], acc[r]);
        row[r][v] = fnma(step[r], delta[v], weights);
      }
    }
    const Lanes sums = sum_four(acc[0], acc[1], acc[2], acc[3]);
#pragma GCC unroll 4
    for (int r = 0; r < 4; ++r) g[active.row[k + r]] += sums[r];
  }
}

/// w[row] -= rate x d for the active rows.
template <int VECS>
void update_tile(const ActiveRows& active, float rate, const Lanes* d, Lanes* w, int stride) {
  for (int k = 0; k < active.count; ++k) {
    Lanes* row = w + static_cast<std::ptrdiff_t>(active.row[k]) * stride;
    const Lanes step = broadcast(rate * active.x[k]);
#pragma GCC unroll 8
    for (int v = 0; v < VECS; ++v) row[v] = fnma(step, d[v], row[v]);
  }
}

/// Both of the first layer: w[row] -= rate x d, then u[v] += sum x_next w[row][v]; all rows.
template <int VECS>
void update_forward_tile(int rows, const float* x, const float* x_next, float rate, const Lanes* d, Lanes* w,
                         int stride, Lanes* u) {
  constexpr int kC = kChains<VECS>;
  Lanes delta[VECS];
  Lanes acc[kC][VECS] = {};
#pragma GCC unroll 8
  for (int v = 0; v < VECS; ++v) delta[v] = d[v], acc[0][v] = u[v];
  for (int j = 0; j < rows; j += kC) {
#pragma GCC unroll 8
    for (int c = 0; c < kC; ++c) {
      Lanes* row = w + static_cast<std::ptrdiff_t>(j + c) * stride;
      const Lanes step = broadcast(rate * x[j + c]);
      const Lanes next = broadcast(x_next[j + c]);
#pragma GCC unroll 8
      for (int v = 0; v < VECS; ++v) {
        const Lanes weights = fnma(step, delta[v], row[v]);
        row[v] = weights;
        acc[c][v] = fma(next, weights, acc[c][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int half = kC / 2; half > 0; half /= 2) {
#pragma GCC unroll 8
    for (int c = 0; c < half; ++c) {
#pragma GCC unroll 8
      for (int v = 0; v < VECS; ++v) acc[c][v] = acc[c][v] + acc[c + half][v];
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < VECS; ++v) u[v] = acc[0][v];
}

/// Widest tile, in vectors: with two chains and the deltas it then fits 32 registers.
constexpr int kMaxTile = 7;
template <class F>
void for_tiles(int vecs, F&& f) {
  panel::detail::for_column_tiles<kMaxTile>(vecs, f);
}

template <Activation A, Loss L>
class StreamedNetwork {
 public:
  StreamedNetwork(const Problem& problem, std::uint32_t trajectory)
      : p_(problem),
        sample_problem_(deep::sample_problem(problem)),
        teacher_(problem.label_kind == Labels::teacher ? teacher_parameters(sample_problem_)
                                                       : two_layer::Parameters{}),
        samples_(sample_problem_, teacher_, trajectory),
        layers_(dense_layers(problem)),
        x_stride_((problem.inputs() + kLanes - 1) / kLanes),
        x_(2 * kChunk * static_cast<std::size_t>(x_stride_)),
        targets_(2 * kChunk * static_cast<std::size_t>(problem.outputs)) {
    load_parameters(initial_parameters(problem, trajectory), layers_);
    for (const DenseLayer& layer : layers_) {
      active_.emplace_back(layer.inputs);
      u_.emplace_back(layer.vecs);
      slope_.emplace_back(layer.vecs);
      // Gradients of a layer's units, of the zero row too.
      g_.emplace_back(layer.vecs + 1);
    }
    draw(0);
    active_[0].list(x_stride_, x(0));
    start_first_layer();
  }

  void step(std::int64_t step) {
    const auto n = static_cast<std::uint64_t>(step);
    const int last = p_.layers - 1;
    for (int l = 1; l <= last; ++l) forward(l);
    residual(n);
    for (int l = last; l > 0; --l) backward(l);
    if ((n + 1) % kChunk == 0) draw(n + 1);
    first_layer(n);
  }

  std::span<const float> parameters() {
    store_parameters(layers_, parameters_);
    return parameters_;
  }

 private:
  Lanes* x(std::uint64_t n) { return &x_[n % (2 * kChunk) * x_stride_]; }

  /// Draws samples [n, n + kChunk) into their half of the buffer.
  void draw(std::uint64_t n) {
    samples_.rows(n, kChunk, reinterpret_cast<float*>(x(n)), x_stride_ * kLanes,
                  &targets_[n % (2 * kChunk) * p_.outputs]);
  }

  /// u_1 of the sample that active_[0] lists.
  void start_first_layer() {
    DenseLayer& layer = layers_[0];
    std::ranges::copy(layer.bias, u_[0].begin());
    for_tiles(layer.vecs, [&]<int VECS>(int first) {
      forward_tile<VECS>(active_[0], &layer.w[first], layer.vecs, &u_[0][first]);
    });
  }

  /// h_l = sigma(u_l), and u_(l+1); layers count from 0.
  void forward(int l) {
    DenseLayer& layer = layers_[l];
    const int below = layers_[l - 1].vecs;
    Lanes* const h = u_[l - 1].data();  // overwrites u
    for (int v = 0; v < below; ++v) two_layer::activate<A>(h[v], p_.leak, h[v], slope_[l - 1][v]);
    if constexpr (A == Activation::relu) {
      active_[l].list(below, h);
    } else {
      active_[l].list_all(h);
    }
    std::ranges::copy(layer.bias, u_[l].begin());
    for_tiles(layer.vecs, [&]<int VECS>(int first) {
      forward_tile<VECS>(active_[l], &layer.w[first], layer.vecs, &u_[l][first]);
    });
  }

  void residual(std::uint64_t n) {
    std::vector<Lanes>& f = u_.back();
    two_layer::residual<L>(p_.outputs, reinterpret_cast<float*>(f.data()),
                           &targets_[n % (2 * kChunk) * p_.outputs]);
  }

  void move_bias(DenseLayer& layer, const Lanes* d) {
    const Lanes rate = broadcast(p_.learning_rate);
    for (int v = 0; v < layer.vecs; ++v) layer.bias[v] = fnma(rate, d[v], layer.bias[v]);
  }

  /// Moves layer l by its delta, which stands in u_[l], and leaves the delta of the layer below in u_[l - 1].
  void backward(int l) {
    DenseLayer& layer = layers_[l];
    const int below = layers_[l - 1].vecs;
    Lanes* const g = g_[l - 1].data();
    std::fill_n(g, below, Lanes{});
    for_tiles(layer.vecs, [&]<int VECS>(int first) {
      backward_tile<VECS>(active_[l], p_.learning_rate, &u_[l][first], &layer.w[first], layer.vecs,
                          reinterpret_cast<float*>(g));
    });
    move_bias(layer, u_[l].data());
    for (int v = 0; v < below; ++v) u_[l - 1][v] = slope_[l - 1][v] * g[v];
  }

  /// Moves the first layer and takes it on to the next sample.
  void first_layer(std::uint64_t n) {
    DenseLayer& layer = layers_[0];
    std::vector<Lanes>& d = u_[0];
    move_bias(layer, d.data());
    const int used = active_[0].count;
    const auto update = [&] {
      for_tiles(layer.vecs, [&]<int VECS>(int first) {
        update_tile<VECS>(active_[0], p_.learning_rate, &d[first], &layer.w[first], layer.vecs);
      });
    };
    if (used < layer.inputs) {
      update();
      active_[0].list(x_stride_, x(n + 1));
      start_first_layer();
      return;
    }
    active_[0].list(x_stride_, x(n + 1));
    const auto* now = reinterpret_cast<const float*>(x(n));
    const auto* next = reinterpret_cast<const float*>(x(n + 1));
    const int rows = (layer.inputs + kRowGroup - 1) / kRowGroup * kRowGroup;
    for_tiles(layer.vecs, [&]<int VECS>(int first) {
      Lanes u[VECS];
      std::copy_n(&layer.bias[first], VECS, u);
      update_forward_tile<VECS>(rows, now, next, p_.learning_rate, &d[first], &layer.w[first], layer.vecs, u);
      std::copy_n(u, VECS, &d[first]);
    });
  }

  const Problem& p_;
  two_layer::Problem sample_problem_;
  two_layer::Parameters teacher_;
  two_layer::SampleStream samples_;
  std::vector<DenseLayer> layers_;
  int x_stride_;                       ///< vectors of a sample
  std::vector<Lanes> x_;               ///< [2 kChunk][x_stride]: a ring of samples
  std::vector<float> targets_;         ///< [2 kChunk][C]
  std::vector<ActiveRows> active_;     ///< of each layer's inputs
  std::vector<std::vector<Lanes>> u_;  ///< per layer: u, then h, then delta
  std::vector<std::vector<Lanes>> slope_;
  std::vector<std::vector<Lanes>> g_;  ///< dL/dh
  std::vector<float> parameters_;
};

}  // namespace

void run_streamed(const Problem& problem, const Trajectory& trajectory, const OnRecord& on_record) {
  two_layer::with_types(problem.activation, problem.loss, [&]<Activation A, Loss L>() {
    StreamedNetwork<A, L> network(problem, trajectory.index);
    follow(network, trajectory, 1024, on_record);
  });
}

}  // namespace soret::deep
