#include "sims/noise_scale/derived.hpp"

#include <utility>

namespace soret::sims {
namespace {

using Names = std::vector<std::string>;

DerivedQuantity quantity(std::string name, std::string meaning, std::string reference = "",
                         Names dimensions = {}) {
  return {{.name = std::move(name),
           .long_name = std::move(meaning),
           .reference = std::move(reference),
           .dimensions = std::move(dimensions)}};
}
DerivedQuantity series(std::string name, std::string meaning, std::string reference = "",
                       Names dimensions = {}) {
  auto q = quantity(std::move(name), std::move(meaning), std::move(reference), std::move(dimensions));
  q.over_steps = true;
  return q;
}
DerivedQuantity predicting(std::string observable, DerivedQuantity q) {
  q.predicts = std::move(observable);
  return q;
}

}  // namespace

const std::vector<DerivedQuantity>& noise_scale_derived() {
  static const std::vector<DerivedQuantity> table = {
      quantity("enumerated_batches", "batches that were enumerated, 0 where they were sampled"),
      quantity("batch_ratio", "N/|B| - 1", "seed 003 Eq. 24"),
      quantity("gradient_covariance_trace", "tr F over N, from all N gradients", "seed 003 Eq. 14"),
      predicting("covariance_trace", quantity("covariance_trace_predicted", "trace of Cov psi by each law",
                                              "seed 003 Eq. 14-15", {"covariance_law"})),
      predicting("covariance_leading",
                 quantity("covariance_leading_predicted",
                          "variance of psi along the leading eigenvector of F by each law",
                          "seed 003 Eq. 14-15", {"covariance_law"})),
      series("covariance_deviation",
             "measured over predicted trace - 1, in standard errors; enumerated: 0 if equal to rounding, "
             "else infinite",
             "seed 003 Eq. 14-15", {"covariance_law"}),
      predicting("covariance",
                 quantity("covariance_predicted", "Cov psi by the law that is exact for this sampling",
                          "seed 003 Eq. 14-15", {"parameter", "other_parameter"})),
      predicting("noise_scale",
                 quantity("noise_scale_predicted", "noise scale g", "seed 003 Eq. 24", {"noise_scale_law"})),
      predicting("noise_displacement",
                 series("noise_displacement_predicted", "by the law that is exact for this sampling",
                        "seed 003 Eq. 18-23")),
      predicting(
          "gradient_norm_squared",
          quantity("gradient_norm_squared_exact", "squared gradient of the mean loss, from all N gradients")),
      predicting("gradient_variance",
                 quantity("gradient_variance_exact",
                          "trace of the per-sample gradient covariance, from all N gradients; over N with "
                          "replacement, over N - 1 without")),
      predicting("critical_batch_size_estimate",
                 quantity("critical_batch_size_exact",
                          "gradient variance over squared gradient, from all N gradients",
                          "McCandlish et al. 2018, Eq. 2.9")),
      predicting("signal_to_noise_estimate",
                 quantity("signal_to_noise_exact",
                          "squared gradient over (gradient variance / |B|), from all N gradients")),
      series("critical_batch_size_estimate",
             "gradient variance over squared gradient, from batches of 1 and |B|",
             "McCandlish et al. 2018, A.1"),
      series("critical_batch_size_estimate_stderr", "its standard error: jackknife over blocks"),
      series("signal_to_noise_estimate",
             "squared gradient over (gradient variance / |B|), from batches of 1 and |B|"),
      series("signal_to_noise_estimate_stderr", "its standard error: jackknife over blocks"),
      predicting("excess_kurtosis",
                 quantity("excess_kurtosis_exact", "the same of the exact distribution of psi")),
      predicting("inverse_tail_index",
                 quantity("inverse_tail_index_gaussian",
                          "what Hill's estimate tends to for a Gaussian and this tail_fraction")),
      series("tail_samples", "k of Hill's estimate: the largest projections that it uses"),
      series("tail_index", "alpha, 1 / inverse_tail_index", "Hill 1975"),
      series("tail_index_stderr", "its standard error over trajectories"),
      predicting("ks_distance",
                 series("ks_distance_gaussian",
                        "mean distance of as many independent Gaussian numbers; 0 if enumerated")),
  };
  return table;
}

}  // namespace soret::sims
