#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "soret/scan/config.hpp"
#include "soret/scan/experiment.hpp"
#include "soret/scan/option.hpp"

namespace soret::sims {

/// The cells of a scan that stand in a file of the same landscape over other alpha and beta. [point]: its
/// numbers, [observable][trajectory], where the file has all of them. Throws InputError if the file cannot be
/// read or is no landscape; ConfigError, naming file and key, if it is another landscape, of other contents
/// of the checkpoints (`sources`), or keeps less than every trajectory's numbers.
std::vector<std::optional<std::vector<double>>> known_cells(const std::string& file, const ScanPlan& plan,
                                                            const std::vector<Observable>& observables,
                                                            const Sources& sources);

}  // namespace soret::sims
