#include "soret/measure/difference_hessian.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace soret::measure {
namespace {

// f = x^3 y + exp(z) cos(x), by hand.
TEST(DifferenceHessian, IsTheHessian) {
  const Differentiable f{
      3,
      [](std::span<const double> v) { return v[0] * v[0] * v[0] * v[1] + std::exp(v[2]) * std::cos(v[0]); },
      {}};
  const std::vector<double> at = {0.7, -1.3, 0.4};
  const double e = std::exp(0.4), s = std::sin(0.7), c = std::cos(0.7);
  const double exact[3][3] = {
      {6 * 0.7 * -1.3 - e * c, 3 * 0.49, -e * s}, {3 * 0.49, 0, 0}, {-e * s, 0, e * c}};
  const SymmetricOperator h = difference_hessian(f, at);
  for (std::size_t i = 0; i < 3; ++i) {
    std::vector<double> unit(3, 0.0), column(3);
    unit[i] = 1;
    h.apply(unit, column);
    for (std::size_t j = 0; j < 3; ++j) EXPECT_NEAR(column[j], exact[i][j], 1e-6);
  }
  std::vector<double> slope(3);
  difference_gradient(f, at, slope);
  EXPECT_NEAR(slope[0], 3 * 0.49 * -1.3 - e * s, 1e-9);
  EXPECT_NEAR(slope[1], 0.343, 1e-9);
  EXPECT_NEAR(slope[2], e * c, 1e-9);
}

TEST(DifferenceHessian, RefusesWhatIsNotFinite) {
  const Differentiable root{1, [](std::span<const double> v) { return std::sqrt(v[0]); }, {}};
  EXPECT_THROW(difference_hessian(root, {0.0}), ConfigError);
}

}  // namespace
}  // namespace soret::measure
