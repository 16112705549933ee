#pragma once

#include <cstdint>

#include "soret/base/host_device.hpp"
#include "soret/random/philox.hpp"

namespace soret {

/// What a random number is for. Numbers of different purposes are independent, so recording one more
/// observable never changes a trajectory. The values are part of every result: never renumber.
enum class Purpose : std::uint32_t {
  initial_parameters = 1,
  inputs = 2,
  labels = 3,
  sampling = 4,      ///< which sample of a fixed set comes next
  probe_inputs = 5,  ///< the held-out set on which observables are evaluated
  probe_labels = 6,
  teacher = 7,
  dataset_inputs = 8,  ///< a fixed synthetic training set
  dataset_labels = 9,
  bootstrap = 10,
  subset = 11,
  directions = 12,  ///< along which gradient noise is projected
  walk_kicks = 20,
  walk_start = 21,
  langevin_noise = 30,
  langevin_start = 31,
  langevin_signs = 32,  ///< the two-point variables of the weak second-order scheme
  dropout = 40,
  epoch_order = 41,  ///< in which an epoch visits the training set
  curvature = 42,    ///< probes of Hessians
  label_noise = 50,
  augmentation = 51,
  sampled_labels = 60,  ///< that a network draws from its own outputs
  run_seed = 61,        ///< from which a training run draws everything else
  penalty = 62,         ///< from which a gradient penalty draws its labels and directions
  penalty_directions = 63,
  micro_batch_choice = 64,  ///< which micro-batch of a batch is penalised or gives its norm
  injected_noise = 65,      ///< added to the parameters after an update
  monitor = 66,             ///< from which the recording of micro-batch norms draws everything
  sharpness_matrix = 67,    ///< entries of the matrix A of Definition 2
  sharpness_start = 68,     ///< where in its box an ascent starts
  landscape = 69,           ///< directions in parameter space that a loss is drawn along
  ball_start = 70,          ///< where on its ball an ascent starts
  perturbation = 71,        ///< Gaussian ones, under which a mean loss is taken
};

/// A stream is a function of (seed, purpose, trajectory): block n of it is four 32-bit words. Which blocks
/// belong to which step is the user's business and is written where they are used.
///
/// cuRAND numbers the same words curand_init(seed, subsequence = purpose * 2^32 + trajectory, offset = 4 n).
struct Stream {
  std::uint64_t seed = 0;
  Purpose purpose = Purpose::inputs;
  std::uint32_t trajectory = 0;

  SORET_HD PhiloxKey key() const {
    return {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)};
  }
  SORET_HD PhiloxBlock<std::uint32_t> block(std::uint64_t n) const {
    return philox(
        PhiloxBlock<std::uint32_t>{static_cast<std::uint32_t>(n), static_cast<std::uint32_t>(n >> 32),
                                   trajectory, static_cast<std::uint32_t>(purpose)},
        key());
  }
  /// The stream's first 64 bits, as the seed of streams of their own.
  SORET_HD std::uint64_t derived_seed() const {
    const auto first = block(0);
    return static_cast<std::uint64_t>(first.y) << 32 | first.x;
  }
};

}  // namespace soret
