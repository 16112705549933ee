#pragma once

#include <atomic>
#include <functional>
#include <span>

#include "soret/scan/experiment.hpp"

namespace soret::sims {

/// Experiment::run_all() for units that go parallel inside: as many at a time as there are threads; where
/// there are fewer units, each gets its share of threads to compute with. On threads of their own rather than
/// OpenMP's, inside whose regions nothing goes parallel. `done` is called from one thread at a time.
void run_side_by_side(std::span<const WorkUnit> units, int threads, const std::atomic<bool>& stop,
                      const std::function<UnitResult(const WorkUnit&)>& run,
                      const std::function<void(const WorkUnit&, UnitResult&&)>& done);

}  // namespace soret::sims
