#pragma once

#include <functional>

#include "soret/walk/kicks.hpp"

/// The fast paths of random_walk_cpu.cpp: one dimension, signs, no absorbing walls.
namespace soret::walk {

/// 128 walkers on their way.
struct WalkerBlock {
  std::int64_t step = 0;
  std::vector<WalkerRow> q;         ///< [axis], inside the domain
  std::vector<WalkerRow> unrolled;  ///< [axis], on a ring: without the turns taken out
  WalkerRow absorbed_at;            ///< step at which a wall was reached; -1
};

/// Takes all walkers of a block through `steps` steps by the signs from `first` on, first + steps <= 128.
using SignWalk = std::function<void(const SignWords& signs, int first, int steps, WalkerBlock& block)>;

/// In the precision of the problem; empty where the walk needs the general path.
SignWalk sign_walk(const Problem& problem);

/// In fixed point and single precision (fixed_point_walk.cpp); throws ConfigError where there is none.
SignWalk fixed_point_walk(const Problem& problem);

}  // namespace soret::walk
