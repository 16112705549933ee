#pragma once

#include <optional>
#include <string>

#include "analysis/curves.hpp"

/// An observable against a scanned key instead of the step.
namespace soret::analysis {

/// The family turned round at one recorded step, the last one by default: its `steps` are the values of
/// `key`, ascending, and each combination of the other keys is a curve; NaN where the scan has no number.
/// Bootstrap goes on as before, since blocks of trajectories are drawn together at all scan points. A block
/// counts with its most survivors at any value of the key; scan points where a block has none are left out
/// and listed in `skipped`.
///
/// Throws ConfigError for a key that does not vary or for a step that was not recorded (lists what there is),
/// InputError if no curve keeps two values of the key.
Curves over_key(const Curves& family, const std::string& key, std::optional<double> step = std::nullopt);

}  // namespace soret::analysis
