#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "soret/ensemble/deep.hpp"
#include "soret/ensemble/two_layer_team.hpp"

/// A whole trajectory of one fully connected network on a team (base/team.hpp): the body of the CUDA driver,
/// and of its test on the CPU.
///
/// Weights lie as the CPU drivers have them, the outputs of one input in a row, where all threads reach them:
/// in shared memory while they fit (5 x 100 x 100 + 100 floats and what a step needs take 225 kB of 227). A
/// warp of 32 threads owns the rows group, group + groups, ...; its threads hold four outputs each. So
///   forwards:   each warp sums its rows into u, and the team adds the warps' parts           (two barriers)
///   backwards:  each warp forms W^T delta of a row by shuffles and moves the row in the same pass (one
///   barrier)
/// and rows whose input is zero, half of them behind a ReLU, are left alone as in deep_streamed.cpp. With
/// momentum or batches the units of all samples of a step are kept, and the rows move once at its end.
namespace soret::deep {

using two_layer::Quad;

/// A Problem without owners: see there for the fields.
struct DeepTeamProblem {
  two_layer::TeamProblem samples;  ///< inputs, outputs, loss, data, batch size, rates
  int layers, width;

  SORET_HD int layer_inputs(int l) const { return l == 0 ? samples.inputs : width; }
  SORET_HD int layer_outputs(int l) const { return l == layers - 1 ? samples.outputs : width; }
};
inline DeepTeamProblem deep_team_problem(const Problem& p) {
  two_layer::TeamProblem samples = two_layer::team_problem(sample_problem(p));
  samples.learning_rate = p.learning_rate;
  samples.momentum = p.momentum;
  return {samples, p.layers, p.width};
}

/// Samples drawn at a time.
inline constexpr int kDeepChunk = 8;
/// Rows whose sums a warp forms together.
inline constexpr int kDeepRows = 4;
/// Warps of the largest team.
inline constexpr int kDeepGroups = 16;

/// What a team's memory depends on. It follows from the problem alone, so every driver sums in the same
/// order.
struct DeepTeamShape {
  int width = 32;  ///< threads: 32 for each group of rows
  int inputs = 1, hidden = 1, layers = 2, outputs = 1;
  int kept = 1;             ///< samples whose units are kept: 1, or a batch
  bool accumulate = false;  ///< rows move at the end of a step: batches and momentum
  bool momentum = false;

  SORET_HD static int quads(int units) { return (units + 3) / 4; }
  SORET_HD int groups() const { return width / 32; }
  SORET_HD int layer_inputs(int l) const { return l == 0 ? inputs : hidden; }
  SORET_HD int layer_outputs(int l) const { return l == layers - 1 ? outputs : hidden; }
  /// First quad of a layer's weights [inputs][quads] and of its biases [quads], and the end of all for
  /// `layers`.
  SORET_HD int weights(int l) const {
    if (l == 0) return 0;
    const int first = (inputs + 1) * quads(hidden);
    const int others = (l - 1) * (hidden + 1) * quads(hidden);
    return l < layers ? first + others : first + others + (hidden + 1) * (quads(outputs) - quads(hidden));
  }
  SORET_HD int biases(int l) const { return weights(l) + layer_inputs(l) * quads(layer_outputs(l)); }
  /// Floats of all weights and biases.
  SORET_HD int parameters() const { return 4 * weights(layers); }

  /// Floats of a sample's units: [layer][outputs, rounded up to 4].
  SORET_HD int unit(int l) const { return 4 * l * quads(hidden); }
  SORET_HD int units() const { return unit(layers - 1) + 4 * quads(outputs); }

  friend bool operator==(const DeepTeamShape&, const DeepTeamShape&) = default;
};

DeepTeamShape deep_team_shape(const Problem& problem);

/// Between a state as the team has it and parameters as make_network() has them.
void put_parameters(const DeepTeamShape& shape, std::span<const float> parameters, float* state);
void get_parameters(const DeepTeamShape& shape, const float* state, std::vector<float>& parameters);

/// Where things lie in a team's local memory, in floats.
struct DeepTeamLayout {
  int x;        ///< [chunk][inputs, rounded up to 4]: kDeepChunk samples, or a batch
  int targets;  ///< [chunk][C]
  int values;   ///< [kept][units]: h of every layer, f of the last
  int slopes;   ///< [kept][units]
  int deltas;   ///< [kept][units]
  int partial;  ///< forwards [groups][widest outputs]; backwards [kDeepRows] of every thread; teacher's units
  int picks;    ///< [chunk], int
  int size;
};
SORET_HD DeepTeamLayout deep_team_layout(const DeepTeamProblem& p, const DeepTeamShape& s) {
  const int widest = 4 * (s.hidden > s.outputs ? s.quads(s.hidden) : s.quads(s.outputs));
  int partial = s.groups() * widest > kDeepRows * s.width ? s.groups() * widest : kDeepRows * s.width;
  const bool teacher = p.samples.label_kind == Labels::teacher;
  if (teacher && partial < kDeepChunk * p.samples.teacher_hidden)
    partial = kDeepChunk * p.samples.teacher_hidden;
  const int chunk = s.accumulate ? s.kept : kDeepChunk;
  DeepTeamLayout l{};
  l.targets = chunk * 4 * s.quads(s.inputs);
  l.values = l.targets + (chunk * s.outputs + 3) / 4 * 4;
  l.slopes = l.values + s.kept * s.units();
  l.deltas = l.slopes + s.kept * s.units();
  l.partial = l.deltas + s.kept * s.units();
  l.picks = l.partial + (partial + 3) / 4 * 4;
  l.size = l.picks + (p.samples.sampling == Sampling::fresh ? 0 : (chunk + 3) / 4 * 4);
  return l;
}

/// One network in training. `weights` and `velocity` (with momentum) are reached by the whole team and are
/// the caller's to keep; `local` is scratch.
template <class Team>
class DeepTeamNetwork {
 public:
  SORET_TEAM DeepTeamNetwork(const Team& team, const DeepTeamProblem& p, const DeepTeamShape& s,
                             std::uint32_t trajectory, float* weights, float* velocity,
                             const two_layer::TeamOrder& order, float* local)
      : team_(team),
        p_(p.samples),
        s_(s),
        weights_(reinterpret_cast<Quad*>(weights)),
        velocity_(reinterpret_cast<Quad*>(velocity)),
        order_(order),
        chunk_(s.accumulate ? s.kept : kDeepChunk),
        inputs_stream_{p_.seed, Purpose::inputs, trajectory},
        labels_stream_{p_.seed, Purpose::labels, trajectory},
        sampling_stream_{p_.seed, Purpose::sampling, trajectory} {
    const DeepTeamLayout l = deep_team_layout(p, s);
    x_ = local;
    targets_ = local + l.targets;
    values_ = local + l.values;
    slopes_ = local + l.slopes;
    deltas_ = local + l.deltas;
    partial_ = local + l.partial;
    picks_ = reinterpret_cast<int*>(local + l.picks);
    // Units beyond a layer's last stay zero.
    team.for_each(l.size, [&](int k) { local[k] = 0.0F; });
  }

  /// Steps [from, to).
  SORET_TEAM void advance(std::int64_t from, std::int64_t to) {
    std::uint64_t n = static_cast<std::uint64_t>(from) * p_.batch_size;
    int slot = chunk_;
    for (std::int64_t step = from; step < to; ++step) {
      if (s_.accumulate) {
        draw(n);
        for (int s = 0; s < s_.kept; ++s) {
          forward(s, s);
          backward(s, s);
        }
        move_all();
        n += s_.kept;
      } else {
        if (slot == chunk_) draw(n), slot = 0;
        forward(slot, 0);
        backward(slot, 0);
        ++n, ++slot;
      }
    }
  }

  /// Puts samples n, n + 1, ... in the chunk.
  SORET_TEAM void draw(std::uint64_t n) {
    team_.barrier();  // the last update has read the chunk
    if (p_.sampling == Sampling::fresh) {
      draw_fresh(n);
    } else {
      for (int slot = 0; slot < chunk_;) slot = draw_picked(n, slot);
    }
  }

  /// The inputs and the targets [C] of a sample in the chunk.
  SORET_TEAM float* inputs(int slot) { return x_ + slot * 4 * s_.quads(s_.inputs); }
  SORET_TEAM float* targets(int slot) { return targets_ + slot * s_.outputs; }

 private:
  SORET_TEAM Quad* layer_weights(Quad* of, int l) const { return of + s_.weights(l); }
  SORET_TEAM float* layer_biases(Quad* of, int l) const { return &(of + s_.biases(l))->x; }
  /// What goes into layer l for kept sample s, which stands in `slot` of the chunk.
  SORET_TEAM float* layer_values(int slot, int s, int l) {
    return l == 0 ? inputs(slot) : values_ + s * s_.units() + s_.unit(l - 1);
  }
  SORET_TEAM float* layer_units(float* of, int s, int l) const { return of + s * s_.units() + s_.unit(l); }

  SORET_TEAM void forward(int slot, int s) {
    for (int l = 0; l < s_.layers; ++l) {
      const int in = s_.layer_inputs(l);
      const int out = s_.layer_outputs(l);
      const int quads = s_.quads(out);
      const float* x = layer_values(slot, s, l);
      const Quad* w = layer_weights(weights_, l);
      team_.each([&](int rank) {
        const int group = rank / 32;
        auto* sums = reinterpret_cast<Quad*>(partial_) + group * quads;
        for (int q = rank % 32; q < quads; q += 32) {
          Quad sum = {0, 0, 0, 0};
          for (int j = group; j < in; j += s_.groups()) {
            if (x[j] == 0.0F) continue;
            sum = two_layer::fma(x[j], w[j * quads + q], sum);
          }
          sums[q] = sum;
        }
      });
      team_.barrier();
      const float* b = layer_biases(weights_, l);
      float* values = layer_units(values_, s, l);
      float* slopes = layer_units(slopes_, s, l);
      team_.for_each(out, [&](int i) {
        float u = b[i];
        for (int g = 0; g < s_.groups(); ++g) u = u + partial_[g * 4 * quads + i];
        if (l + 1 < s_.layers) {
          two_layer::activate_any(p_.activation, p_.leak, u, values[i], slopes[i]);
        } else {
          values[i] = u;
        }
      });
    }
    float* d = layer_units(deltas_, s, s_.layers - 1);
    const float* f = layer_units(values_, s, s_.layers - 1);
    team_.single([&] {
      for (int c = 0; c < s_.outputs; ++c) d[c] = f[c];
      two_layer::residual_any(p_.loss, s_.outputs, d, targets(slot));
      const float per_batch = 1.0F / static_cast<float>(p_.batch_size);
      for (int c = 0; c < s_.outputs; ++c) d[c] = d[c] * per_batch;
    });
  }

  /// The deltas of kept sample s; the rows move along unless gradients accumulate.
  SORET_TEAM void backward(int slot, int s) {
    for (int l = s_.layers - 1; l >= 0; --l) {
      const int in = s_.layer_inputs(l);
      const int out = s_.layer_outputs(l);
      const int quads = s_.quads(out);
      const float* x = layer_values(slot, s, l);
      const float* slopes = l > 0 ? layer_units(slopes_, s, l - 1) : nullptr;
      float* below = l > 0 ? layer_units(deltas_, s, l - 1) : nullptr;
      const float* delta = layer_units(deltas_, s, l);
      const auto* d = reinterpret_cast<const Quad*>(delta);
      Quad* w = layer_weights(weights_, l);
      const bool moves = !s_.accumulate;
      if (l == 0 && !moves) break;
      const int rounds = (in + s_.groups() * kDeepRows - 1) / (s_.groups() * kDeepRows);
      for (int round = 0; round < rounds; ++round) {
        const auto row = [&](int rank, int r) { return rank / 32 + (round * kDeepRows + r) * s_.groups(); };
        team_.each([&](int rank) {
          const Owned<float> sums{partial_, s_.width, rank};
          for (int r = 0; r < kDeepRows; ++r) {
            const int j = row(rank, r);
            float sum = 0;
            // A NaN is neither: its row takes part.
            if (j < in && !(x[j] == 0.0F && (l == 0 || slopes[j] == 0.0F))) {
              const float rate = -p_.learning_rate * x[j];
              for (int q = rank % 32; q < quads; q += 32) {
                const Quad wq = w[j * quads + q];
                const Quad dq = d[q];
                if (l > 0) {
                  sum = soret::fma(wq.x, dq.x, sum);
                  sum = soret::fma(wq.y, dq.y, sum);
                  sum = soret::fma(wq.z, dq.z, sum);
                  sum = soret::fma(wq.w, dq.w, sum);
                }
                if (moves) w[j * quads + q] = two_layer::fma(rate, dq, wq);
              }
            }
            sums[r] = sum;
          }
        });
        if (l == 0) continue;
        team_.sum_lanes(32, kDeepRows, partial_);
        team_.each([&](int rank) {
          if (rank % 32 != 0) return;
          const Owned<float> sums{partial_, s_.width, rank};
          for (int r = 0; r < kDeepRows; ++r) {
            const int j = row(rank, r);
            if (j < in) below[j] = slopes[j] * sums[r];
          }
        });
      }
      if (moves) {
        float* b = layer_biases(weights_, l);
        team_.each([&](int rank) {
          for (int i = rank; i < out; i += s_.width) b[i] = soret::fma(-p_.learning_rate, delta[i], b[i]);
        });
      }
      team_.barrier();
    }
  }

  /// Moves everything by the mean over the batch, through the velocity with momentum.
  SORET_TEAM void move_all() {
    team_.barrier();  // the deltas are there
    for (int l = 0; l < s_.layers; ++l) {
      const int in = s_.layer_inputs(l);
      const int out = s_.layer_outputs(l);
      const int quads = s_.quads(out);
      team_.each([&](int rank) {
        // The biases are a row whose input is 1.
        for (int j = rank / 32; j <= in; j += s_.groups()) {
          for (int q = rank % 32; q < quads; q += 32) {
            const int k = s_.weights(l) + j * quads + q;
            Quad g = {0, 0, 0, 0};
            for (int s = 0; s < s_.kept; ++s) {
              const float x = j < in ? layer_values(s, s, l)[j] : 1.0F;
              if (x == 0.0F) continue;
              g = two_layer::fma(x, reinterpret_cast<const Quad*>(layer_units(deltas_, s, l))[q], g);
            }
            if (s_.momentum) {
              g = two_layer::fma(p_.momentum, velocity_[k], g);
              velocity_[k] = g;
            }
            weights_[k] = two_layer::fma(-p_.learning_rate, g, weights_[k]);
          }
        }
      });
    }
    team_.barrier();
  }

  SORET_TEAM void draw_fresh(std::uint64_t n) {
    const int input_blocks = (p_.inputs + 3) / 4;
    const int per_sample = input_blocks + (p_.input_kind == Inputs::ball ? 1 : 0);
    const bool random_labels = p_.label_kind != Labels::teacher;
    const int items = input_blocks + (random_labels ? 1 : 0);
    team_.for_each(chunk_ * items, [&](int k) {
      const int slot = k / items;
      const int q = k % items;
      if (q == input_blocks) {
        two_layer::random_label(p_.loss, s_.outputs, labels_stream_, n + slot, targets(slot));
        return;
      }
      const auto b = inputs_stream_.block((n + slot) * per_sample + q);
      float x[4];
      if (p_.input_kind == Inputs::uniform) {
        x[0] = uniform<float>(b.x), x[1] = uniform<float>(b.y);
        x[2] = uniform<float>(b.z), x[3] = uniform<float>(b.w);
      } else {
        normal_pair(b.x, b.y, x[0], x[1]);
        normal_pair(b.z, b.w, x[2], x[3]);
      }
      for (int c = 0; c < 4; ++c) inputs(slot)[4 * q + c] = 4 * q + c < p_.inputs ? x[c] : 0.0F;
    });
    if (p_.input_kind == Inputs::ball) {
      team_.for_each(chunk_, [&](int slot) {
        const auto u = uniform<float>(inputs_stream_.block((n + slot) * per_sample + per_sample - 1).x);
        two_layer::put_in_ball(p_.inputs, p_.radius, u, inputs(slot));
      });
    }
    if (!random_labels) teacher_labels();
  }

  /// The labels of teacher_outputs(), summed in its order, kDeepChunk samples at a time.
  SORET_TEAM void teacher_labels() {
    const int hidden = p_.teacher_hidden;
    for (int first = 0; first < chunk_; first += kDeepChunk) {
      const int count = chunk_ - first < kDeepChunk ? chunk_ - first : kDeepChunk;
      team_.for_each(count * hidden, [&](int k) {
        const float* w = p_.teacher_w + static_cast<std::ptrdiff_t>(k % hidden) * p_.inputs;
        const float* x = inputs(first + k / hidden);
        float u = p_.teacher_b[k % hidden];
        for (int j = 0; j < p_.inputs; ++j) u = soret::fma(x[j], w[j], u);
        float slope;
        two_layer::activate_any(p_.activation, p_.leak, u, partial_[k], slope);
      });
      team_.for_each(count, [&](int k) {
        float* f = targets(first + k);
        for (int c = 0; c < s_.outputs; ++c) {
          f[c] = 0;
          for (int i = 0; i < hidden; ++i)
            f[c] = soret::fma(partial_[k * hidden + i], p_.teacher_v[c * hidden + i], f[c]);
        }
        two_layer::outputs_to_targets(p_, f);
      });
    }
  }

  /// Fills the chunk from `slot` on with samples n + slot, ..., as far as the epoch goes; returns where it
  /// ends.
  SORET_TEAM int draw_picked(std::uint64_t n, int slot) {
    const auto size = static_cast<std::uint32_t>(p_.training.size);
    int count = chunk_ - slot;
    if (p_.sampling == Sampling::without_replacement) {
      const auto left = static_cast<std::uint32_t>(size - (n + slot) % size);
      if (left < static_cast<std::uint32_t>(count)) count = static_cast<int>(left);
      const auto epoch = static_cast<std::int64_t>((n + slot) / size);
      if (*order_.epoch != epoch) {
        team_.barrier();  // everybody has seen the old epoch
        team_.single([&] { two_layer::set_epoch(sampling_stream_, p_.training.size, epoch, order_); });
      }
    }
    team_.for_each(count, [&](int k) {
      const std::uint64_t m = n + slot + k;
      picks_[slot + k] = p_.sampling == Sampling::with_replacement
                             ? static_cast<int>(below(two_layer::word_number(sampling_stream_, 0, m), size))
                             : order_.order[m % size];
    });
    team_.for_each(count * p_.inputs, [&](int k) {
      const int at = slot + k / p_.inputs;
      inputs(at)[k % p_.inputs] =
          p_.training.inputs[static_cast<std::ptrdiff_t>(picks_[at]) * p_.inputs + k % p_.inputs];
    });
    team_.for_each(count * s_.outputs, [&](int k) {
      const int at = slot + k / s_.outputs;
      targets(at)[k % s_.outputs] =
          p_.training.targets[static_cast<std::ptrdiff_t>(picks_[at]) * s_.outputs + k % s_.outputs];
    });
    return slot + count;
  }

  const Team& team_;
  const two_layer::TeamProblem& p_;
  const DeepTeamShape& s_;
  Quad *weights_, *velocity_;
  two_layer::TeamOrder order_;
  const int chunk_;  ///< samples drawn at a time
  Stream inputs_stream_, labels_stream_, sampling_stream_;
  float *x_, *targets_, *values_, *slopes_, *deltas_, *partial_;  ///< see DeepTeamLayout
  int* picks_;
};

}  // namespace soret::deep
