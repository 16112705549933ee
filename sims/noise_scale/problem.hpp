#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "sims/noise_scale/options.hpp"
#include "soret/measure/gradient_noise.hpp"

namespace soret::sims {

/// Makes the data, the parameters and the exact gradient statistics of scan points, each once for all points
/// that agree on them.
class NoisePopulations {
 public:
  /// Throws ConfigError (a set too small, sizes that do not fit, no minimiser, no noise), InputError (no
  /// data).
  std::shared_ptr<const measure::Population> of(const NoiseScaleOptions& options);

 private:
  struct OnTheWay {
    std::int64_t steps = 0;
    measure::Matrix weights;
  };

  std::shared_ptr<const measure::Regression> problem(const NoiseScaleOptions& options,
                                                     const std::string& key);
  measure::Matrix weights(const NoiseScaleOptions& options, const measure::Regression& problem,
                          const std::string& key);

  std::map<std::string, std::shared_ptr<const measure::Regression>> problems_;
  std::map<std::string, OnTheWay> descents_;  ///< the farthest point that was reached
  std::map<std::string, std::shared_ptr<const measure::Population>> populations_;
};

}  // namespace soret::sims
