#include "sims/langevin/derived.hpp"

#include <utility>

namespace soret::sims {
namespace {

using Names = std::vector<std::string>;

DerivedQuantity quantity(std::string name, std::string meaning, std::string reference, Names dimensions) {
  return {{.name = std::move(name),
           .long_name = std::move(meaning),
           .reference = std::move(reference),
           .dimensions = std::move(dimensions)}};
}
DerivedQuantity over_steps(DerivedQuantity q) {
  q.over_steps = true;
  return q;
}
DerivedQuantity predicted(const std::string& observable, std::string meaning, std::string reference,
                          Names dimensions) {
  auto q =
      quantity(observable + "_predicted", std::move(meaning), std::move(reference), std::move(dimensions));
  q.predicts = observable;
  return q;
}
DerivedQuantity chi_square(const std::string& observable, const std::string& law) {
  auto q =
      quantity(observable + "_chi2",
               observable + ": mean over cells of (measured - predicted)^2 / stderr^2, 1 where it is right",
               "", {law});
  q.over_steps = true;
  q.chi_square_of = observable;
  return q;
}

}  // namespace

const std::vector<DerivedQuantity>& langevin_derived() {
  static const std::vector<DerivedQuantity> table = {
      quantity("temperature", "T = learning_rate sigma^2 / (2 batch_size)", "seed 003 Eq. 25", {}),
      quantity("minimum", "position of the minimum", "", {"basin", "coordinate"}),
      quantity("minimum_loss", "loss at the minimum", "", {"basin"}),
      quantity("minimum_determinant", "determinant of the Hessian at the minimum", "", {"basin"}),
      predicted("covariance", "stationary covariance", "seed 003 section 5.3",
                {"covariance_law", "row", "column"}),
      chi_square("covariance", "covariance_law"),
      predicted("density", "stationary density", "seed 003 Eq. 25", {"density_law", "position"}),
      chi_square("density", "density_law"),
      predicted("density_2d", "stationary density", "seed 003 Eq. 25",
                {"density_law", "position", "position_y"}),
      chi_square("density_2d", "density_law"),
      predicted("occupancy", "stationary occupancy", "seed 003 Eq. 26", {"occupancy_law", "basin"}),
      chi_square("occupancy", "occupancy_law"),
      quantity("autocorrelation_time",
               "integral of the autocorrelation from step 0 to the last record (trapezoids), in t", "", {}),
      quantity("autocorrelation_time_stderr", "its standard error, over blocks of groups", "", {}),
      predicted("autocorrelation_time", "the same sum for the recursion on a quadratic", "", {}),
      over_steps(quantity("escape_time",
                          "time at risk per escape, in t = learning_rate * steps; the mean escape time once "
                          "all have escaped",
                          "", {})),
      over_steps(quantity("escape_time_stderr", "its standard error, over blocks of groups", "", {})),
      predicted("escape_time", "mean escape time", "", {"escape_law"}),
      over_steps(quantity("escape_time_z", "(escape_time - predicted) / stderr", "", {"escape_law"})),
  };
  return table;
}

}  // namespace soret::sims
