#include <algorithm>
#include <array>
#include <bit>

#include "soret/ensemble/two_layer_cpu.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/ensemble/two_layer_step.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/fill.hpp"

/// Small networks: sixteen trajectories stand in the lanes of a vector and take the same step together. Every
/// operation is a full vector one, whatever the size of the network; weights stay in the first-level cache.
namespace soret::two_layer {
namespace {

/// The inputs of the last few samples.
class SampleRing {
 public:
  SampleRing(int samples, int size)
      : mask_(std::bit_ceil(static_cast<std::uint64_t>(samples)) - 1),
        size_(size),
        numbers_((mask_ + 1) * size_) {}
  Lanes* slot(std::uint64_t n) { return &numbers_[(n & mask_) * size_]; }

 private:
  std::uint64_t mask_;
  std::uint64_t size_;
  std::vector<Lanes> numbers_;
};

/// Fresh synthetic samples of sixteen trajectories, drawn in the lanes. The numbers are those of
/// SampleStream.
class LaneSamples {
 public:
  LaneSamples(const Problem& problem, const Parameters& teacher, std::uint32_t first)
      : p_(problem),
        teacher_(teacher),
        key_(Stream{problem.seed}.key()),
        ring_(problem.batch_size + 1, 4 * blocks_per_sample(problem)) {
    for (int l = 0; l < kLanes; ++l) trajectory_[l] = first + static_cast<std::uint32_t>(l);
  }

  /// Draws the inputs of sample n: first all words, two blocks at a time, then the numbers in their place.
  void draw(std::uint64_t n) {
    const auto per_sample = static_cast<std::uint64_t>(blocks_per_sample(p_));
    Lanes* const x = ring_.slot(n);
    std::uint64_t q = 0;
    for (; q + 2 <= per_sample; q += 2) {
      auto a = counters(Purpose::inputs, n * per_sample + q);
      auto b = counters(Purpose::inputs, n * per_sample + q + 1);
      philox(a, b, key_);
      put_words(a, x + 4 * q);
      put_words(b, x + 4 * q + 4);
    }
    if (q < per_sample) put_words(block(Purpose::inputs, n * per_sample + q), x + 4 * q);

    if (p_.input_kind == Inputs::uniform) {
      for (std::uint64_t k = 0; k < 4 * per_sample; ++k) x[k] = uniform<Lanes>(bits(x[k]));
      return;
    }
    const bool ball = p_.input_kind == Inputs::ball;
    const std::uint64_t normals = 4 * (per_sample - (ball ? 1 : 0));
    for (std::uint64_t k = 0; k < normals; k += 2) normal_pair(bits(x[k]), bits(x[k + 1]), x[k], x[k + 1]);
    if (ball) put_in_ball(p_.inputs, p_.radius, uniform<Lanes>(bits(x[normals])), x);
  }

  /// Inputs of sample n, one of the last batch_size + 1 drawn: M vectors.
  const Lanes* inputs(std::uint64_t n) { return ring_.slot(n); }

  /// Targets of sample n: C vectors.
  void targets(std::uint64_t n, const Lanes* inputs, Lanes* out) {
    if (p_.label_kind == Labels::teacher) {
      teacher_outputs(p_, teacher_, inputs, out);
      outputs_to_targets(p_, out);
      return;
    }
    const auto classes = static_cast<std::uint32_t>(p_.outputs);
    switch (p_.loss) {
      case Loss::logistic: {  // one block labels 128 samples
        if (n / 128 != label_block_) {
          label_block_ = n / 128;
          labels_ = block(Purpose::labels, label_block_);
        }
        const std::array<LanesU32, 4> words = {labels_.x, labels_.y, labels_.z, labels_.w};
        out[0] = to_float((words[(n / 32) % 4] >> static_cast<std::uint32_t>(n % 32)) & 1U);
        break;
      }
      case Loss::softmax: {
        const LanesU32 word = this->word(n);
        for (std::uint32_t c = 0; c < classes; ++c) {
          for (int l = 0; l < kLanes; ++l) out[c][l] = below(word[l], classes) == c ? 1.0F : 0.0F;
        }
        break;
      }
      case Loss::squared:
        for (std::uint32_t c = 0; c < classes; ++c) {
          const std::uint64_t k = n * classes + c;
          const auto words = block(Purpose::labels, k / 4);
          std::array<Lanes, 4> normals;
          normal_pair(words.x, words.y, normals[0], normals[1]);
          normal_pair(words.z, words.w, normals[2], normals[3]);
          out[c] = normals[k % 4];
        }
        break;
    }
  }

 private:
  PhiloxBlock<LanesU32> counters(Purpose purpose, std::uint64_t n) const {
    return {broadcast(static_cast<std::uint32_t>(n)), broadcast(static_cast<std::uint32_t>(n >> 32)),
            trajectory_, broadcast(static_cast<std::uint32_t>(purpose))};
  }
  PhiloxBlock<LanesU32> block(Purpose purpose, std::uint64_t n) const {
    return philox(counters(purpose, n), key_);
  }
  static void put_words(const PhiloxBlock<LanesU32>& words, Lanes* out) {
    out[0] = from_bits(words.x), out[1] = from_bits(words.y);
    out[2] = from_bits(words.z), out[3] = from_bits(words.w);
  }
  LanesU32 word(std::uint64_t n) const {
    const auto b = block(Purpose::labels, n / 4);
    const std::array<LanesU32, 4> words = {b.x, b.y, b.z, b.w};
    return words[n % 4];
  }

  const Problem& p_;
  const Parameters& teacher_;
  PhiloxKey key_;
  LanesU32 trajectory_{};
  SampleRing ring_;
  std::uint64_t label_block_ = ~std::uint64_t{0};
  PhiloxBlock<LanesU32> labels_{};
};

/// Samples of a fixed set: sixteen SampleStreams, turned so that trajectories stand in the lanes.
class PickedSamples {
 public:
  PickedSamples(const Problem& problem, const Parameters& teacher, std::uint32_t first)
      : p_(problem),
        row_(problem.inputs),
        target_row_(problem.outputs),
        ring_(problem.batch_size + 1, problem.inputs),
        targets_(problem.outputs) {
    for (int l = 0; l < kLanes; ++l)
      streams_.emplace_back(problem, teacher, first + static_cast<std::uint32_t>(l));
  }

  void draw(std::uint64_t n) {
    Lanes* const x = ring_.slot(n);
    for (int l = 0; l < kLanes; ++l) {
      streams_[l].rows(n, 1, row_.data(), p_.inputs, target_row_.data());
      for (int j = 0; j < p_.inputs; ++j) x[j][l] = row_[j];
      for (int c = 0; c < p_.outputs; ++c) targets_[c][l] = target_row_[c];
    }
  }

  const Lanes* inputs(std::uint64_t n) { return ring_.slot(n); }
  /// Targets of the sample drawn last.
  void targets(std::uint64_t, const Lanes*, Lanes* out) { std::copy(targets_.begin(), targets_.end(), out); }

 private:
  const Problem& p_;
  std::vector<SampleStream> streams_;
  std::vector<float> row_, target_row_;
  SampleRing ring_;
  std::vector<Lanes> targets_;
};

/// Sixteen networks.
template <Activation A, Loss L, class Samples>
class LaneNetworks {
 public:
  LaneNetworks(const Problem& problem, const Parameters& teacher, std::uint32_t first)
      : p_(problem),
        samples_(problem, teacher, first),
        w_(static_cast<std::size_t>(p_.hidden) * p_.inputs),
        b_(p_.hidden),
        v_(static_cast<std::size_t>(p_.outputs) * p_.hidden),
        h_(static_cast<std::size_t>(p_.batch_size) * p_.hidden),
        a_(h_.size()),
        d_(static_cast<std::size_t>(p_.batch_size) * p_.outputs),
        t_(p_.outputs) {
    for (int l = 0; l < kLanes; ++l) {
      const Parameters start = initial_parameters(p_, first + static_cast<std::uint32_t>(l));
      for (std::size_t k = 0; k < w_.size(); ++k) w_[k][l] = start.w[k];
      for (std::size_t k = 0; k < b_.size(); ++k) b_[k][l] = start.b[k];
      for (std::size_t k = 0; k < v_.size(); ++k) v_[k][l] = start.v[k];
    }
    samples_.draw(0);
    if (p_.momentum > 0) {
      w_velocity_.resize(w_.size());
      b_velocity_.resize(b_.size());
      v_velocity_.resize(v_.size());
    }
  }

  void step(std::int64_t step) {
    const auto first = static_cast<std::uint64_t>(step) * p_.batch_size;
    for (int r = 0; r < p_.batch_size; ++r) gradient(first + r, r);
    if (p_.momentum > 0) {
      update<true>(first);
    } else {
      update<false>(first);
    }
  }

  void snapshot(int lane, Parameters& out) const {
    out.w.resize(w_.size());
    out.b.resize(b_.size());
    out.v.resize(v_.size());
    for (std::size_t k = 0; k < w_.size(); ++k) out.w[k] = w_[k][lane];
    for (std::size_t k = 0; k < b_.size(); ++k) out.b[k] = b_[k][lane];
    for (std::size_t k = 0; k < v_.size(); ++k) out.v[k] = v_[k][lane];
  }

 private:
  /// Residuals and hidden gradients of sample n, as row r of the batch.
  void gradient(std::uint64_t n, int r) {
    const int inputs = p_.inputs;
    const int hidden = p_.hidden;
    const int outputs = p_.outputs;
    const float per_batch = 1.0F / static_cast<float>(p_.batch_size);
    const Lanes* x = samples_.inputs(n);
    Lanes* f = &d_[static_cast<std::size_t>(r) * outputs];
    Lanes* h = &h_[static_cast<std::size_t>(r) * hidden];
    Lanes* a = &a_[static_cast<std::size_t>(r) * hidden];
    std::fill_n(f, outputs, Lanes{});
    for (int i = 0; i < hidden; ++i) {
      const Lanes* w = &w_[static_cast<std::size_t>(i) * inputs];
      Lanes u = b_[i];
      for (int j = 0; j < inputs; ++j) u = fma(w[j], x[j], u);
      activate<A>(u, p_.leak, h[i], a[i]);
      for (int c = 0; c < outputs; ++c) f[c] = fma(v_[static_cast<std::size_t>(c) * hidden + i], h[i], f[c]);
    }
    samples_.targets(n, x, t_.data());
    residual<L>(outputs, f, t_.data());
    // The next sample depends on nothing here: its long stream of instructions hides the latency of the
    // residual.
    samples_.draw(n + 1);
    for (int c = 0; c < outputs; ++c) f[c] *= per_batch;
    for (int i = 0; i < hidden; ++i) {
      Lanes back = f[0] * v_[i];
      for (int c = 1; c < outputs; ++c) back = fma(f[c], v_[static_cast<std::size_t>(c) * hidden + i], back);
      a[i] *= back;
    }
  }

  template <bool MOMENTUM>
  Lanes moved(Lanes parameter, Lanes gradient, [[maybe_unused]] Lanes* velocity) const {
    if constexpr (MOMENTUM) gradient = *velocity = fma(p_.momentum, *velocity, gradient);
    return fma(-p_.learning_rate, gradient, parameter);
  }

  template <bool MOMENTUM>
  void update(std::uint64_t first) {
    const int inputs = p_.inputs;
    const int hidden = p_.hidden;
    const int outputs = p_.outputs;
    const int batch = p_.batch_size;
    for (int i = 0; i < hidden; ++i) {
      Lanes* w = &w_[static_cast<std::size_t>(i) * inputs];
      if (!MOMENTUM && batch == 1) {
        const Lanes rate = -p_.learning_rate * a_[i];
        const Lanes* x = samples_.inputs(first);
        for (int j = 0; j < inputs; ++j) w[j] = fma(rate, x[j], w[j]);
        if (p_.bias) b_[i] += rate;
        continue;
      }
      for (int j = 0; j < inputs; ++j) {
        Lanes g{};
        for (int r = 0; r < batch; ++r) {
          g = fma(a_[static_cast<std::size_t>(r) * hidden + i], samples_.inputs(first + r)[j], g);
        }
        w[j] = moved<MOMENTUM>(w[j], g,
                               MOMENTUM ? &w_velocity_[static_cast<std::size_t>(i) * inputs + j] : nullptr);
      }
      if (p_.bias) {
        Lanes g{};
        for (int r = 0; r < batch; ++r) g += a_[static_cast<std::size_t>(r) * hidden + i];
        b_[i] = moved<MOMENTUM>(b_[i], g, MOMENTUM ? &b_velocity_[i] : nullptr);
      }
    }
    for (int c = 0; c < outputs; ++c) {
      for (int i = 0; i < hidden; ++i) {
        Lanes g{};
        for (int r = 0; r < batch; ++r) {
          g = fma(d_[static_cast<std::size_t>(r) * outputs + c], h_[static_cast<std::size_t>(r) * hidden + i],
                  g);
        }
        const std::size_t k = static_cast<std::size_t>(c) * hidden + i;
        v_[k] = moved<MOMENTUM>(v_[k], g, MOMENTUM ? &v_velocity_[k] : nullptr);
      }
    }
  }

  const Problem& p_;
  Samples samples_;
  std::vector<Lanes> w_;  ///< [N][M]
  std::vector<Lanes> b_;  ///< [N]
  std::vector<Lanes> v_;  ///< [C][N]
  std::vector<Lanes> h_;  ///< [B][N]: sigma(u)
  std::vector<Lanes> a_;  ///< [B][N]: dL/du / B
  std::vector<Lanes> d_;  ///< [B][C]: dL/df / B
  std::vector<Lanes> t_;  ///< [C]
  std::vector<Lanes> w_velocity_, b_velocity_, v_velocity_;
};

template <Activation A, Loss L, class Samples>
void advance(const Problem& problem, const Parameters& teacher, Span trajectories,
             std::span<const std::int64_t> record_steps, const std::atomic<bool>* stop,
             const OnRecord& on_record) {
  Parameters parameters;
  for (int done = 0; done < trajectories.count; done += kLanes) {
    const int count = std::min(kLanes, trajectories.count - done);
    LaneNetworks<A, L, Samples> networks(problem, teacher,
                                         trajectories.first + static_cast<std::uint32_t>(done));
    std::array<bool, kLanes> alive{};
    std::fill_n(alive.begin(), count, true);
    std::int64_t step = 0;
    for (std::size_t record = 0; record < record_steps.size(); ++record) {
      for (; step < record_steps[record]; ++step) {
        if (step % 1024 == 0) check_stop(stop);
        networks.step(step);
      }
      check_stop(stop);
      for (int l = 0; l < count; ++l) {
        if (!alive[l]) continue;
        networks.snapshot(l, parameters);
        alive[l] = on_record(done + l, record, parameters);
      }
      if (std::none_of(alive.begin(), alive.end(), [](bool a) { return a; })) break;
    }
  }
}

}  // namespace

void run_lanes(const Problem& problem, const Parameters& teacher, Span trajectories,
               std::span<const std::int64_t> record_steps, const std::atomic<bool>* stop,
               const OnRecord& on_record) {
  with_types(problem.activation, problem.loss, [&]<Activation A, Loss L>() {
    if (problem.sampling == Sampling::fresh) {
      advance<A, L, LaneSamples>(problem, teacher, trajectories, record_steps, stop, on_record);
    } else {
      advance<A, L, PickedSamples>(problem, teacher, trajectories, record_steps, stop, on_record);
    }
  });
}

}  // namespace soret::two_layer
