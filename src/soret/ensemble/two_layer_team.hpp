#pragma once

#include <cstddef>
#include <cstdint>

#include "soret/base/team.hpp"
#include "soret/ensemble/two_layer_samples.hpp"
#include "soret/ensemble/two_layer_step.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/fill.hpp"

/// A whole trajectory of one network on a team (base/team.hpp): the body of the CUDA driver, and of its test
/// on the CPU.
///
/// Thread `rank` owns slice rank % lanes of hidden rows i = rank / lanes + r * (width / lanes), r < rows: the
/// weights of those rows and of the columns in its slice stay with it (in registers where they fit), so an
/// update needs no communication and a step needs two barriers:
///   each thread:  its part of u = W x, summed over the lanes of a row; h = sigma(u + b)
///   the team:     f = V h                                                        (first barrier)
///   one thread per sample: residual d = dL/df                                   (second barrier)
///   each thread:  a_i = sigma'(u_i) d.V_i; V, b and its part of W move
/// b and V are kept by every lane of a row, with the same bits.
namespace soret::two_layer {

/// A labelled set in memory that the team reaches.
struct SetView {
  int size = 0;
  const float* inputs = nullptr;    ///< [size][M]
  const float* targets = nullptr;   ///< [size][C]
  const double* squares = nullptr;  ///< [size]: ||x||^2; probe sets only
};

/// A Problem without owners: see there for the fields.
struct TeamProblem {
  int inputs, hidden, outputs;
  bool bias;
  Activation activation;
  float leak;
  Loss loss;
  Initialisation initialisation;
  float initial_scale;
  Inputs input_kind;
  float radius;
  Labels label_kind;
  int teacher_hidden;
  Sampling sampling;
  int batch_size;
  float learning_rate, momentum;
  std::uint64_t seed;
  SetView training, probe;
  const float* teacher_w;  ///< [teacher_hidden][M]
  const float* teacher_b;  ///< [teacher_hidden]
  const float* teacher_v;  ///< [C][teacher_hidden]

  SORET_HD int parameters() const { return hidden * inputs + (bias ? hidden : 0) + outputs * hidden; }
};

/// The numbers of a problem; the pointers are the driver's to fill in.
inline TeamProblem team_problem(const Problem& p) {
  return {p.inputs,         p.hidden,     p.outputs,    p.bias,
          p.activation,     p.leak,       p.loss,       p.initialisation,
          p.initial_scale,  p.input_kind, p.radius,     p.label_kind,
          p.teacher_hidden, p.sampling,   p.batch_size, p.learning_rate,
          p.momentum,       p.seed,       {},           {},
          nullptr,          nullptr,      nullptr};
}

/// Samples that a batch takes in one pass over the weights.
inline constexpr int kPassSamples = 4;
/// Threads of the largest team.
inline constexpr int kMaxTeam = 1024;

/// How a team divides a network. It follows from the problem alone, so every driver sums in the same order.
struct TeamShape {
  int width = 1;            ///< threads
  int lanes = 1;            ///< threads that share a row: a power of two up to 32
  int rows = 1;             ///< rows per thread
  int quads = 1;            ///< columns per thread, in fours
  int pass = 1;             ///< samples per pass: 1, or kPassSamples when gradients accumulate
  int chunk = 1;            ///< samples drawn at a time
  int outputs = 1;          ///< C
  bool accumulate = false;  ///< gradients collect in a second tile: batches and momentum
  bool registers = false;   ///< the weights fit registers (rows = 1)

  /// Quads between the slices of neighbouring lanes in a sample. An odd number: the lanes' 16-byte reads then
  /// fall into different banks.
  SORET_HD int pitch() const { return quads | 1; }
  /// Floats of a sample in team memory.
  SORET_HD int stride() const { return 4 * lanes * pitch(); }
  SORET_HD int row(int rank, int r) const { return rank / lanes + r * (width / lanes); }
  SORET_HD int lane(int rank) const { return rank & (lanes - 1); }

  friend bool operator==(const TeamShape&, const TeamShape&) = default;
};

/// Register tiles that exist as kernels, and the registers that a thread needs with them. All threads of a
/// team share 65536 registers, which limits its width.
struct RegisterTileSize {
  int quads;
  int registers;             ///< weights only
  int registers_accumulate;  ///< weights and their velocity; 0: no such kernel
};
inline constexpr RegisterTileSize kRegisterTiles[] = {{1, 72, 80},  {2, 72, 96},  {3, 72, 112}, {4, 72, 120},
                                                      {6, 72, 136}, {8, 80, 144}, {10, 96, 0},  {13, 96, 0}};
constexpr int max_width(int registers) {
  const int warps = registers > 0 ? 65536 / kTeamGroup / registers : 0;
  return warps * kTeamGroup < kMaxTeam ? warps * kTeamGroup : kMaxTeam;
}

TeamShape team_shape(const Problem& problem);

/// Floats that a network's state takes: see TeamState.
std::size_t state_floats(const TeamShape& shape);

/// The parameters in a state.
Parameters state_parameters(const Problem& problem, const TeamShape& shape, const float* state);

struct alignas(16) Quad {
  float x, y, z, w;
};

SORET_HD Quad fma(Quad a, Quad b, Quad c) {
  return {soret::fma(a.x, b.x, c.x), soret::fma(a.y, b.y, c.y), soret::fma(a.z, b.z, c.z),
          soret::fma(a.w, b.w, c.w)};
}
SORET_HD Quad fma(float a, Quad b, Quad c) {
  return fma(Quad{a, a, a, a}, b, c);
}

/// Slots of a thread for what belongs to its rows: b[rows], V[C][rows], then their velocities.
SORET_HD int state_slots(const TeamShape& s) {
  return (s.accumulate ? 2 : 1) * (1 + s.outputs) * s.rows;
}
SORET_HD int tile_quads(const TeamShape& s) {
  return s.rows * s.quads;
}

/// A network between launches: the tiles of W and, when gradients accumulate, of its velocity; then the row
/// slots; all Owned by the threads.
struct TeamState {
  Quad* weights;
  Quad* velocity;
  float* rows;
};
SORET_HD TeamState team_state(const TeamShape& s, float* base) {
  Quad* weights = reinterpret_cast<Quad*>(base);
  Quad* velocity = weights + static_cast<std::ptrdiff_t>(tile_quads(s)) * s.width;
  Quad* end = velocity + (s.accumulate ? static_cast<std::ptrdiff_t>(tile_quads(s)) * s.width : 0);
  return {weights, velocity, reinterpret_cast<float*>(end)};
}

/// Where things lie in a team's local memory, in floats.
struct TeamLayout {
  int x;          ///< [chunk + pass - 1][stride]; gaps and missing columns are zero
  int targets;    ///< [chunk + pass - 1][C]
  int residuals;  ///< [pass][C]: dL/df / B
  int partial;    ///< of the sums that make f
  int teacher;    ///< [chunk][teacher_hidden]
  int picks;      ///< [chunk], int
  int rows;       ///< row slots: the state's, then h[pass][rows] and sigma'[pass][rows]
  int size;
};
SORET_HD TeamLayout team_layout(const TeamProblem& p, const TeamShape& s) {
  const int samples = s.chunk + s.pass - 1;
  TeamLayout l{};
  l.targets = samples * s.stride();
  l.residuals = l.targets + samples * s.outputs;
  l.partial = l.residuals + s.pass * s.outputs;
  l.teacher = l.partial + partial_size(s.pass * s.outputs, s.width);
  l.picks = l.teacher + (p.label_kind == Labels::teacher ? s.chunk * p.teacher_hidden : 0);
  l.rows = l.picks + (p.sampling == Sampling::fresh ? 0 : s.chunk);
  l.size = (l.rows + (state_slots(s) + 2 * s.pass * s.rows) * s.width + 3) / 4 * 4;
  return l;
}

/// The epoch's order of a training set drawn without replacement.
struct TeamOrder {
  int* order = nullptr;           ///< [training.size]
  std::int64_t* epoch = nullptr;  ///< that `order` belongs to; -1 at first
};

/// Number k of a fill that starts at block `first` (random/fill.hpp).
SORET_HD float normal_number(const Stream& stream, std::uint64_t first, std::uint64_t k) {
  const auto b = stream.block(first + k / 4);
  const bool late = k % 4 >= 2;
  float even;
  float odd;
  normal_pair(late ? b.z : b.x, late ? b.w : b.y, even, odd);
  return k % 2 == 0 ? even : odd;
}
SORET_HD std::uint32_t word_number(const Stream& stream, std::uint64_t first, std::uint64_t k) {
  const auto b = stream.block(first + k / 4);
  switch (k % 4) {
    case 0:
      return b.x;
    case 1:
      return b.y;
    case 2:
      return b.z;
    default:
      return b.w;
  }
}

/// activate() and residual() by a kind that is known at run time.
SORET_HD void activate_any(Activation activation, float leak, float u, float& value, float& slope) {
  switch (activation) {
    case Activation::relu:
      return activate<Activation::relu>(u, leak, value, slope);
    case Activation::leaky_relu:
      return activate<Activation::leaky_relu>(u, leak, value, slope);
    case Activation::tanh:
      return activate<Activation::tanh>(u, leak, value, slope);
    case Activation::gelu:
      return activate<Activation::gelu>(u, leak, value, slope);
  }
}
SORET_HD void residual_any(Loss loss, int outputs, float* f, const float* target) {
  switch (loss) {
    case Loss::logistic:
      return residual<Loss::logistic>(outputs, f, target);
    case Loss::softmax:
      return residual<Loss::softmax>(outputs, f, target);
    case Loss::squared:
      return residual<Loss::squared>(outputs, f, target);
  }
}

/// The random label of sample n as fresh_targets() draws it.
SORET_HD void random_label(Loss loss, int outputs, const Stream& stream, std::uint64_t n, float* target) {
  switch (loss) {
    case Loss::logistic:
      target[0] = static_cast<float>((word_number(stream, 0, n / 32) >> (n % 32)) & 1U);
      break;
    case Loss::softmax: {
      const auto hit = below(word_number(stream, 0, n), static_cast<std::uint32_t>(outputs));
      for (int c = 0; c < outputs; ++c) target[c] = static_cast<int>(hit) == c ? 1.0F : 0.0F;
      break;
    }
    case Loss::squared:
      for (int c = 0; c < outputs; ++c) target[c] = normal_number(stream, 0, n * outputs + c);
      break;
  }
}

/// Brings the order of a training set to an epoch: Fisher and Yates, with the epoch's own blocks.
SORET_HD void set_epoch(const Stream& stream, int set_size, std::int64_t epoch, const TeamOrder& to) {
  const auto size = static_cast<std::uint32_t>(set_size);
  const std::uint64_t first = static_cast<std::uint64_t>(epoch) * ((size + 3) / 4);
  int* order = to.order;
  for (std::uint32_t i = 0; i < size; ++i) order[i] = static_cast<int>(i);
  for (std::uint32_t i = size - 1; i > 0; --i) {
    const std::uint32_t j = below(word_number(stream, first, i), i + 1);
    const int other = order[i];
    order[i] = order[j];
    order[j] = other;
  }
  *to.epoch = epoch;
}

/// Writes the state at step 0: the numbers of initial_parameters().
template <class Team>
SORET_TEAM void initialise(const Team& team, const TeamProblem& p, const TeamShape& s,
                           std::uint32_t trajectory, const TeamState& state) {
  const Stream stream{p.seed, Purpose::initial_parameters, trajectory};
  const auto weights = static_cast<std::uint64_t>(p.hidden) * p.inputs;
  const std::uint64_t b_block = (weights + 3) / 4;
  const std::uint64_t v_block = b_block + (p.hidden + 3) / 4;
  const auto number = [&](std::uint64_t block, std::uint64_t k, int fan_in) {
    const auto fan = static_cast<float>(fan_in);
    switch (p.initialisation) {
      case Initialisation::framework_uniform:
        return 1.0F / soret::sqrt(fan) * (2.0F * uniform<float>(word_number(stream, block, k)) - 1.0F);
      case Initialisation::he:
        return normal_number(stream, block, k) * soret::sqrt(2.0F / fan);
      case Initialisation::lecun:
        return normal_number(stream, block, k) * soret::sqrt(1.0F / fan);
      default:
        return normal_number(stream, block, k) * p.initial_scale;
    }
  };
  team.each([&](int rank) {
    const Owned<Quad> w{state.weights, s.width, rank};
    const Owned<float> slots{state.rows, s.width, rank};
    for (int r = 0; r < s.rows; ++r) {
      const int i = s.row(rank, r);
      const bool here = i < p.hidden;
      for (int c = 0; c < s.quads; ++c) {
        float values[4];
        for (int k = 0; k < 4; ++k) {
          const int j = 4 * (s.lane(rank) * s.quads + c) + k;
          values[k] =
              here && j < p.inputs ? number(0, static_cast<std::uint64_t>(i) * p.inputs + j, p.inputs) : 0.0F;
        }
        w[r * s.quads + c] = {values[0], values[1], values[2], values[3]};
      }
      const bool random_bias = p.bias && p.initialisation == Initialisation::framework_uniform;
      slots[r] = here && random_bias ? number(b_block, i, p.inputs) : 0.0F;
      for (int c = 0; c < s.outputs; ++c) {
        slots[(1 + c) * s.rows + r] =
            here ? number(v_block, static_cast<std::uint64_t>(c) * p.hidden + i, p.hidden) : 0.0F;
      }
    }
    if (!s.accumulate) return;
    const Owned<Quad> velocity{state.velocity, s.width, rank};
    for (int k = 0; k < tile_quads(s); ++k) velocity[k] = {0, 0, 0, 0};
    for (int k = state_slots(s) / 2; k < state_slots(s); ++k) slots[k] = 0.0F;
  });
}

/// A thread's weights in registers: one row, QUADS x 4 columns.
template <int QUADS>
struct RegisterTile {
  static constexpr bool kRegisters = true;
  Quad w[QUADS];

  SORET_TEAM void load(const Owned<Quad>& from, const TeamShape&) {
    SORET_UNROLL
    for (int c = 0; c < QUADS; ++c) w[c] = from[c];
  }
  SORET_TEAM void store(const Owned<Quad>& to) const {
    SORET_UNROLL
    for (int c = 0; c < QUADS; ++c) to[c] = w[c];
  }
  SORET_TEAM Quad& at(int, int c) { return w[c]; }
  SORET_TEAM static constexpr int quads(const TeamShape&) { return QUADS; }
  SORET_TEAM static constexpr int rows(const TeamShape&) { return 1; }
};

/// A thread's weights where they lie: any number of rows and columns.
struct MemoryTile {
  static constexpr bool kRegisters = false;
  Owned<Quad> w;
  int row_quads;

  SORET_TEAM void load(const Owned<Quad>& from, const TeamShape& s) {
    w = from;
    row_quads = s.quads;
  }
  SORET_TEAM void store(const Owned<Quad>&) const {}
  SORET_TEAM Quad& at(int r, int c) { return w[r * row_quads + c]; }
  SORET_TEAM static int quads(const TeamShape& s) { return s.quads; }
  SORET_TEAM static int rows(const TeamShape& s) { return s.rows; }
};

/// One network in training. Construction takes it from its state; finish() puts it back.
template <class Team, class Tile, bool ACCUMULATE>
class TeamNetwork {
 public:
  SORET_TEAM TeamNetwork(const Team& team, const TeamProblem& p, const TeamShape& s, std::uint32_t trajectory,
                         const TeamState& state, const TeamOrder& order, float* local)
      : team_(team),
        p_(p),
        s_(s),
        state_(state),
        order_(order),
        learning_rate_(p.learning_rate),
        activation_(p.activation),
        inputs_stream_{p.seed, Purpose::inputs, trajectory},
        labels_stream_{p.seed, Purpose::labels, trajectory},
        sampling_stream_{p.seed, Purpose::sampling, trajectory},
        weights_(team),
        velocity_(team) {
    const TeamLayout l = team_layout(p, s);
    x_ = local;
    targets_ = local + l.targets;
    residuals_ = local + l.residuals;
    partial_ = local + l.partial;
    teacher_ = local + l.teacher;
    picks_ = reinterpret_cast<int*>(local + l.picks);
    slots_ = local + l.rows;
    hidden_ = slots_ + state_slots(s) * s.width;
    slopes_ = hidden_ + kPass * Tile::rows(s) * s.width;
    team.for_each(l.residuals, [&](int k) { x_[k] = 0.0F; });
    team.each([&](int rank) {
      weights_[rank].load({state.weights, s_.width, rank}, s_);
      if constexpr (ACCUMULATE) velocity_[rank].load({state.velocity, s_.width, rank}, s_);
      const Owned<float> from{state.rows, s_.width, rank};
      const Owned<float> to{slots_, s_.width, rank};
      for (int k = 0; k < state_slots(s_); ++k) to[k] = from[k];
    });
  }

  SORET_TEAM void finish() {
    team_.each([&](int rank) {
      weights_[rank].store({state_.weights, s_.width, rank});
      if constexpr (ACCUMULATE) velocity_[rank].store({state_.velocity, s_.width, rank});
      const Owned<float> from{slots_, s_.width, rank};
      const Owned<float> to{state_.rows, s_.width, rank};
      for (int k = 0; k < state_slots(s_); ++k) to[k] = from[k];
    });
  }

  /// Steps [from, to).
  SORET_TEAM void advance(std::int64_t from, std::int64_t to) {
    std::uint64_t n = static_cast<std::uint64_t>(from) * p_.batch_size;
    int slot = 0;
    int drawn = 0;
    for (std::int64_t step = from; step < to; ++step) {
      if constexpr (!ACCUMULATE) {
        if (slot == drawn) drawn = draw(n), slot = 0;
        pass(slot, 1, true, true);
        ++n, ++slot;
      } else {
        for (int done = 0; done < p_.batch_size;) {
          if (slot == drawn) drawn = draw(n), slot = 0;
          const int left = p_.batch_size - done;
          const int ready = drawn - slot;
          const int count = left < ready ? (left < kPass ? left : kPass) : (ready < kPass ? ready : kPass);
          pass(slot, count, done == 0, done + count == p_.batch_size);
          n += count, slot += count, done += count;
        }
      }
    }
  }

  /// Puts samples n, n + 1, ... in the chunk and returns how many.
  SORET_TEAM int draw(std::uint64_t n) {
    team_.barrier();  // the last update has read the chunk
    return p_.sampling == Sampling::fresh ? draw_fresh(n) : draw_picked(n);
  }

  /// Input j and the targets [C] of a sample in the chunk.
  SORET_TEAM float input(int slot, int j) { return *(&sample_quad(slot, j / 4).x + j % 4); }
  SORET_TEAM const float* targets(int slot) const { return targets_ + slot * s_.outputs; }

 private:
  static constexpr int kPass = ACCUMULATE ? kPassSamples : 1;

  SORET_TEAM int rows() const { return Tile::rows(s_); }
  SORET_TEAM int quads() const { return Tile::quads(s_); }
  SORET_TEAM int pitch() const { return quads() | 1; }

  /// f(c) for every output; the usual single one without a loop around it.
  template <class F>
  SORET_TEAM void each_output(F f) const {
    if (s_.outputs == 1) return f(0);
    for (int c = 0; c < s_.outputs; ++c) f(c);
  }

  /// Samples slot .. slot + count - 1 of the chunk, as the first or last of their batch or both.
  SORET_TEAM void pass(int slot, int count, bool first, bool last) {
    const Quad* x = reinterpret_cast<const Quad*>(x_) + slot * s_.lanes * pitch();
    forward(x);
    const float per_batch = 1.0F / static_cast<float>(p_.batch_size);
    team_.for_each(kPass, [&](int s) {
      float* d = residuals_ + s * s_.outputs;
      for (int c = 0; c < s_.outputs; ++c) d[c] = total(partial_, c * kPass + s, s_.width);
      residual_any(p_.loss, s_.outputs, d, targets_ + (slot + s) * s_.outputs);
      for (int c = 0; c < s_.outputs; ++c) d[c] = s < count ? d[c] * per_batch : 0.0F;
    });
    backward(x, first, last);
  }

  /// h and sigma' of the pass, and the sums that make f.
  SORET_TEAM void forward(const Quad* x) {
    team_.each([&](int rank) {
      const Owned<float> u{hidden_, s_.width, rank};
      const Quad* slice = x + s_.lane(rank) * pitch();
      Tile& w = weights_[rank];
      for (int r = 0; r < rows(); ++r) {
        Quad sums[kPass] = {};
        SORET_UNROLL
        for (int c = 0; c < quads(); ++c) {
          const Quad wc = w.at(r, c);
          SORET_UNROLL
          for (int s = 0; s < kPass; ++s) sums[s] = fma(wc, slice[s * s_.lanes * pitch() + c], sums[s]);
        }
        SORET_UNROLL
        for (int s = 0; s < kPass; ++s) u[s * rows() + r] = (sums[s].x + sums[s].y) + (sums[s].z + sums[s].w);
      }
    });
    if (s_.lanes > 1) team_.sum_lanes(s_.lanes, kPass * rows(), hidden_);
    team_.each([&](int rank) {
      const Owned<float> h{hidden_, s_.width, rank};
      const Owned<float> slope{slopes_, s_.width, rank};
      const Owned<float> b{slots_, s_.width, rank};
      for (int r = 0; r < rows(); ++r) {
        SORET_UNROLL
        for (int s = 0; s < kPass; ++s) {
          const int k = s * rows() + r;
          float value;
          float gradient;
          activate_any(activation_, p_.leak, h[k] + b[r], value, gradient);
          h[k] = value;
          slope[k] = gradient;
        }
      }
    });
    team_.sum(
        kPass * s_.outputs,
        [&](int rank, int k) {
          if (s_.lane(rank) != 0) return 0.0F;
          const Owned<float> h{hidden_ + k % kPass * rows() * s_.width, s_.width, rank};
          const Owned<float> v{slots_ + (1 + k / kPass) * rows() * s_.width, s_.width, rank};
          float f = v[0] * h[0];
          for (int r = 1; r < rows(); ++r) f = soret::fma(v[r], h[r], f);
          return f;
        },
        partial_);
  }

  SORET_TEAM void backward(const Quad* x, bool first, bool last) {
    team_.each([&](int rank) {
      const Owned<float> slots{slots_, s_.width, rank};
      const Owned<float> h{hidden_, s_.width, rank};
      const Owned<float> slope{slopes_, s_.width, rank};
      const Quad* slice = x + s_.lane(rank) * pitch();
      const int half = (1 + s_.outputs) * rows();
      for (int r = 0; r < rows(); ++r) {
        float a[kPass];
        float sum_a = 0;
        SORET_UNROLL
        for (int s = 0; s < kPass; ++s) {
          float back = 0;
          each_output([&](int c) {
            back = soret::fma(residuals_[s * s_.outputs + c], slots[(1 + c) * rows() + r], back);
          });
          a[s] = slope[s * rows() + r] * back;
          sum_a = sum_a + a[s];
        }
        each_output([&](int c) {
          float gradient = 0;
          SORET_UNROLL
          for (int s = 0; s < kPass; ++s)
            gradient = soret::fma(residuals_[s * s_.outputs + c], h[s * rows() + r], gradient);
          move(slots, (1 + c) * rows() + r, half, gradient, first, last);
        });
        if (p_.bias) move(slots, r, half, sum_a, first, last);
        move_weights(rank, r, slice, a, first, last);
      }
    });
  }

  /// One number in the row slots, its velocity `half` further on.
  SORET_TEAM void move(const Owned<float>& slots, int k, int half, float gradient, bool first, bool last) {
    if constexpr (ACCUMULATE) {
      gradient = (first ? decayed(slots[half + k]) : slots[half + k]) + gradient;
      slots[half + k] = gradient;
    }
    if (last) slots[k] = soret::fma(-learning_rate_, gradient, slots[k]);
  }

  /// W_ij += -lr a_i x_j, through the velocity when gradients accumulate.
  SORET_TEAM void move_weights(int rank, int r, const Quad* slice, const float (&a)[kPass],
                               [[maybe_unused]] bool first, [[maybe_unused]] bool last) {
    Tile& w = weights_[rank];
    if constexpr (!ACCUMULATE) {
      const float rate = -learning_rate_ * a[0];
      SORET_UNROLL
      for (int c = 0; c < quads(); ++c) w.at(r, c) = fma(rate, slice[c], w.at(r, c));
    } else {
      Tile& velocity = velocity_[rank];
      SORET_UNROLL
      for (int c = 0; c < quads(); ++c) {
        Quad g = velocity.at(r, c);
        if (first) g = {decayed(g.x), decayed(g.y), decayed(g.z), decayed(g.w)};
        SORET_UNROLL
        for (int s = 0; s < kPass; ++s) g = fma(a[s], slice[s * s_.lanes * pitch() + c], g);
        velocity.at(r, c) = g;
        if (last) w.at(r, c) = fma(-learning_rate_, g, w.at(r, c));
      }
    }
  }

  /// A velocity at the start of a step.
  SORET_TEAM float decayed(float v) const { return p_.momentum > 0 ? p_.momentum * v : 0.0F; }

  /// Quad q of a sample, columns 4 q .. 4 q + 3.
  SORET_TEAM Quad& sample_quad(int slot, int q) {
    return reinterpret_cast<Quad*>(x_)[(slot * s_.lanes + q / quads()) * pitch() + q % quads()];
  }

  /// f(j, x_j) for the columns of a sample in order.
  template <class F>
  SORET_TEAM void for_columns(int slot, F f) {
    for (int lane = 0, j = 0; lane < s_.lanes; ++lane) {
      float* slice = x_ + (slot * s_.lanes + lane) * pitch() * 4;
      for (int k = 0; k < 4 * quads() && j < p_.inputs; ++k, ++j) f(j, slice[k]);
    }
  }

  SORET_TEAM int draw_fresh(std::uint64_t n) {
    const int input_blocks = (p_.inputs + 3) / 4;
    const int per_sample = input_blocks + (p_.input_kind == Inputs::ball ? 1 : 0);
    const bool random_labels = p_.label_kind != Labels::teacher;
    const int items = input_blocks + (random_labels ? 1 : 0);
    team_.for_each(s_.chunk * items, [&](int k) {
      const int slot = k / items;
      const int q = k % items;
      if (q == input_blocks) {
        random_label(p_.loss, s_.outputs, labels_stream_, n + slot, targets_ + slot * s_.outputs);
        return;
      }
      const auto b = inputs_stream_.block((n + slot) * per_sample + q);
      Quad x;
      if (p_.input_kind == Inputs::uniform) {
        x = {uniform<float>(b.x), uniform<float>(b.y), uniform<float>(b.z), uniform<float>(b.w)};
      } else {
        normal_pair(b.x, b.y, x.x, x.y);
        normal_pair(b.z, b.w, x.z, x.w);
      }
      const int columns = p_.inputs - 4 * q;
      if (columns < 2) x.y = 0;
      if (columns < 3) x.z = 0;
      if (columns < 4) x.w = 0;
      sample_quad(slot, q) = x;
    });
    if (p_.input_kind == Inputs::ball) {
      team_.for_each(s_.chunk, [&](int slot) {
        const auto u = uniform<float>(inputs_stream_.block((n + slot) * per_sample + per_sample - 1).x);
        float square = 0;
        for_columns(slot, [&](int, float x) { square = soret::fma(x, x, square); });
        const float scale = ball_scale(p_.inputs, p_.radius, u, square);
        for_columns(slot, [&](int, float& x) { x = x * scale; });
      });
    }
    if (!random_labels) teacher_labels();
    return s_.chunk;
  }

  /// The labels of teacher_outputs(), summed in its order.
  SORET_TEAM void teacher_labels() {
    team_.for_each(s_.chunk * p_.teacher_hidden, [&](int k) {
      const float* w = p_.teacher_w + static_cast<std::ptrdiff_t>(k % p_.teacher_hidden) * p_.inputs;
      float u = p_.teacher_b[k % p_.teacher_hidden];
      for_columns(k / p_.teacher_hidden, [&](int j, float x) { u = soret::fma(x, w[j], u); });
      float slope;
      activate_any(activation_, p_.leak, u, teacher_[k], slope);
    });
    team_.for_each(s_.chunk, [&](int slot) {
      float* f = targets_ + slot * s_.outputs;
      for (int c = 0; c < s_.outputs; ++c) {
        f[c] = 0;
        for (int i = 0; i < p_.teacher_hidden; ++i)
          f[c] = soret::fma(teacher_[slot * p_.teacher_hidden + i], p_.teacher_v[c * p_.teacher_hidden + i],
                            f[c]);
      }
      outputs_to_targets(p_, f);
    });
  }

  /// From the fixed set; a chunk ends where an epoch does.
  SORET_TEAM int draw_picked(std::uint64_t n) {
    const auto size = static_cast<std::uint32_t>(p_.training.size);
    int count = s_.chunk;
    if (p_.sampling == Sampling::without_replacement) {
      const auto left = static_cast<std::uint32_t>(size - n % size);
      if (left < static_cast<std::uint32_t>(count)) count = static_cast<int>(left);
      shuffle(static_cast<std::int64_t>(n / size));
    }
    team_.for_each(count, [&](int slot) {
      picks_[slot] = p_.sampling == Sampling::with_replacement
                         ? static_cast<int>(below(word_number(sampling_stream_, 0, n + slot), size))
                         : order_.order[(n + slot) % size];
    });
    const int row_quads = (p_.inputs + 3) / 4;
    team_.for_each(count * row_quads, [&](int k) {
      const int slot = k / row_quads;
      const int q = k % row_quads;
      const float* from = p_.training.inputs + static_cast<std::ptrdiff_t>(picks_[slot]) * p_.inputs + 4 * q;
      const int columns = p_.inputs - 4 * q;
      sample_quad(slot, q) = {from[0], columns > 1 ? from[1] : 0.0F, columns > 2 ? from[2] : 0.0F,
                              columns > 3 ? from[3] : 0.0F};
    });
    team_.for_each(count * s_.outputs, [&](int k) {
      const int slot = k / s_.outputs;
      targets_[k] =
          p_.training.targets[static_cast<std::ptrdiff_t>(picks_[slot]) * s_.outputs + k % s_.outputs];
    });
    return count;
  }

  /// Brings the order of the training set to an epoch: Fisher and Yates, with the epoch's own blocks.
  SORET_TEAM void shuffle(std::int64_t epoch) {
    if (*order_.epoch == epoch) return;
    team_.barrier();  // everybody has seen the old epoch
    team_.single([&] { set_epoch(sampling_stream_, p_.training.size, epoch, order_); });
  }

  const Team& team_;
  const TeamProblem& p_;
  const TeamShape& s_;
  TeamState state_;
  TeamOrder order_;
  const float learning_rate_;  ///< the fields of p_ that every step reads, at hand
  const Activation activation_;
  Stream inputs_stream_, labels_stream_, sampling_stream_;
  float *x_, *targets_, *residuals_, *partial_, *teacher_;  ///< see TeamLayout
  int* picks_;
  float *slots_, *hidden_, *slopes_;
  typename Team::template Private<Tile> weights_;
  typename Team::template Private<Tile> velocity_;
};

}  // namespace soret::two_layer
