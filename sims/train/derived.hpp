#pragma once

#include <vector>

#include "sims/train/options.hpp"

namespace soret::sims {

const std::vector<DerivedQuantity>& train_derived();

/// Those that a record has what it takes for, in the order of the table.
std::vector<DerivedQuantity> derived_of(const TrainRecord& record);

/// Their numbers. `offsets[i]` is the first cell of observable i of the record.
std::vector<double> derive_train(const TrainRecord& record, const std::vector<DerivedQuantity>& wanted,
                                 std::span<const std::size_t> offsets, const PointEnsemble& ensemble);

}  // namespace soret::sims
