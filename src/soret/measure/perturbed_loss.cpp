#include "soret/measure/perturbed_loss.hpp"

#include <fmt/format.h>

#include <cmath>

#include "soret/random/fill.hpp"
#include "soret/random/stream.hpp"

namespace soret::measure {

TraceEstimate expected_sharpness(const Differentiable& f, std::span<const double> x, double sigma, int draws,
                                 std::uint64_t seed) {
  if (!(sigma > 0) || !std::isfinite(sigma) || draws < 1)
    throw ConfigError(fmt::format(
        "{} Gaussian perturbations of deviation {}; allowed: at least 1, above 0 and finite", draws, sigma));
  const double here = f.value(x);
  std::vector<float> z(x.size());
  std::vector<double> at(x.size());
  std::vector<double> rises;
  for (int k = 0; k < draws; ++k) {
    fill_normal({seed, Purpose::perturbation, static_cast<std::uint32_t>(k)}, 0, z);
    for (std::size_t i = 0; i < at.size(); ++i) at[i] = x[i] + sigma * static_cast<double>(z[i]);
    rises.push_back(f.value(at) - here);
    if (!std::isfinite(rises.back()))
      throw ConfigError(fmt::format(
          "f is not finite under Gaussian perturbation {} of deviation {}; take a smaller one", k, sigma));
  }
  return estimate(rises);
}

}  // namespace soret::measure
