#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace soret::analysis {

/// Runs gnuplot on a script whose terminal writes to standard output, and returns what it wrote. Throws
/// RunError if the program is missing (names the Debian package) or fails (with its own words).
std::vector<std::byte> run_gnuplot(const std::string& script, const std::string& program = "gnuplot");

}  // namespace soret::analysis
