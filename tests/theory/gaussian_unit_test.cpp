#include "soret/theory/gaussian_unit.hpp"

#include <gsl/gsl_integration.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <numbers>
#include <random>
#include <vector>

namespace soret::theory {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double density(double z) {
  return std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
}

/// E g(Z), Z ~ N(0, 1), by adaptive quadrature on [-12, 12] split at `kinks`. What lies outside weighs less
/// than 1e-30 of anything here.
double expectation(const std::function<double(double)>& g, std::vector<double> kinks) {
  using Workspace = std::unique_ptr<gsl_integration_workspace, decltype(&gsl_integration_workspace_free)>;
  const Workspace workspace(gsl_integration_workspace_alloc(2000), &gsl_integration_workspace_free);
  std::vector<double> points = {-12};
  std::sort(kinks.begin(), kinks.end());
  for (const double k : kinks) {
    if (k > -12 && k < 12) points.push_back(k);
  }
  points.push_back(12);
  std::function<double(double)> weighted = [&](double z) { return g(z) * density(z); };
  gsl_function integrand;
  integrand.params = &weighted;
  integrand.function = [](double z, void* f) { return (*static_cast<std::function<double(double)>*>(f))(z); };
  double total = 0;
  for (std::size_t k = 0; k + 1 < points.size(); ++k) {
    double part = 0;
    double error = 0;
    const int status = gsl_integration_qag(&integrand, points[k], points[k + 1], 1e-14, 1e-12, 2000,
                                           GSL_INTEG_GAUSS61, workspace.get(), &part, &error);
    EXPECT_EQ(status, 0);
    total += part;
  }
  return total;
}

struct Unit {
  double a, b;
};

/// Norms from far below to far above 1, biases on both sides and far out.
std::vector<Unit> units() {
  std::vector<Unit> all;
  for (const double a : {1e-3, 0.05, 0.3, 1.0, 2.5, 10.0, 100.0}) {
    for (const double z : {-8.0, -3.0, -1.0, -0.1, 0.0, 0.2, 1.0, 2.0, 6.0}) all.push_back({a, z * a});
    for (const double b : {-2.0, 0.7}) all.push_back({a, b});
  }
  return all;
}

TEST(GaussianUnit, NormalFunctionsHaveTheirKnownValues) {
  EXPECT_DOUBLE_EQ(normal_cdf(0), 0.5);
  EXPECT_NEAR(normal_cdf(1), 0.84134474606854293, 1e-16);
  EXPECT_NEAR(normal_cdf(-1.96), 0.024997895148220435, 1e-17);
  EXPECT_NEAR(normal_cdf(-10) / 7.6198530241605261e-24, 1, 1e-13);
  EXPECT_EQ(normal_cdf(kInfinity), 1);
  EXPECT_EQ(normal_cdf(-kInfinity), 0);
  EXPECT_NEAR(normal_density(0), 0.39894228040143268, 1e-16);
  EXPECT_NEAR(normal_density(2), 0.053990966513188063, 1e-17);
}

TEST(GaussianUnit, ActivationRateIsTheMeanOfTheStep) {
  for (const auto& [a, b] : units()) {
    const double truth = expectation([&](double z) { return b + a * z > 0 ? 1.0 : 0.0; }, {-b / a});
    EXPECT_NEAR(relu_activation_rate(a, b), truth, 1e-13) << a << " " << b;
  }
}

TEST(GaussianUnit, SecondMomentIsTheMeanOfTheSquare) {
  for (const auto& [a, b] : units()) {
    const double truth =
        expectation([&](double z) { return b + a * z > 0 ? (b + a * z) * (b + a * z) : 0.0; }, {-b / a});
    EXPECT_NEAR(relu_second_moment(a, b), truth, 1e-12 * (a * a + b * b)) << a << " " << b;
  }
}

// x = (w/a) z + orthogonal part: sum_j x_j^2 = z^2 + chi^2 of M - 1, the latter independent of u.
TEST(GaussianUnit, InputSecondMomentIsTheMeanOverActiveInputs) {
  for (const int inputs : {1, 2, 17}) {
    for (const auto& [a, b] : units()) {
      const double truth =
          expectation([&](double z) { return b + a * z > 0 ? z * z + inputs - 1 : 0.0; }, {-b / a});
      EXPECT_NEAR(relu_input_second_moment(a, b, inputs), truth, 1e-12 * inputs) << a << " " << b;
    }
  }
}

TEST(GaussianUnit, GeluMeanSlopeIsTheMeanOfTheSlope) {
  for (const auto& [a, b] : units()) {
    const double truth = expectation(
        [&](double z) {
          const double u = b + a * z;
          return 0.5 * std::erfc(-u / std::numbers::sqrt2) + u * density(u);
        },
        {-b / a, (-b - 4) / a, (-b + 4) / a, (-b - 9) / a, (-b + 9) / a});
    EXPECT_NEAR(gelu_mean_slope(a, b), truth, 1e-12) << a << " " << b;
  }
}

double tanh_truth(double a, double b) {
  return expectation(
      [&](double z) {
        const double u = std::abs(b + a * z);
        return u > 300 ? 0 : 1 / (std::cosh(u) * std::cosh(u));
      },
      {-b / a, (-b - 5) / a, (-b + 5) / a, (-b - 20) / a, (-b + 20) / a});
}

TEST(GaussianUnit, TanhMeanSlopeIsTheMeanOfTheSlope) {
  for (const auto& [a, b] : units())
    EXPECT_NEAR(tanh_mean_slope(a, b), tanh_truth(a, b), 1e-10) << a << " " << b;
  for (const double a : {200.0, 1000.0, 1e4, 1e9})
    EXPECT_NEAR(tanh_mean_slope(a, 0.3) / tanh_truth(a, 0.3), 1, 1e-10) << a;
  EXPECT_EQ(tanh_mean_slope(0.1, 1e3), 0);  // saturated for every input
}

TEST(GaussianUnit, UnitsWithoutInputAreTheirBias) {
  for (const double b : {-2.0, 0.5, 3.0}) {
    const double on = b > 0 ? 1 : 0;
    EXPECT_EQ(relu_activation_rate(0, b), on);
    EXPECT_EQ(relu_second_moment(0, b), on * b * b);
    EXPECT_EQ(relu_input_second_moment(0, b, 7), on * 7);
    EXPECT_NEAR(gelu_mean_slope(0, b), normal_cdf(b) + b * normal_density(b), 1e-15);
    EXPECT_NEAR(tanh_mean_slope(0, b), 1 - std::tanh(b) * std::tanh(b), 1e-10);
    // The limit is reached continuously.
    EXPECT_NEAR(relu_activation_rate(1e-9, b), on, 1e-12);
    EXPECT_NEAR(relu_second_moment(1e-9, b), on * b * b, 1e-12);
    EXPECT_NEAR(relu_input_second_moment(1e-9, b, 7), on * 7, 1e-12);
    EXPECT_NEAR(tanh_mean_slope(1e-9, b), tanh_mean_slope(0, b), 1e-10);
  }
  EXPECT_EQ(relu_activation_rate(0, 0), 0);
  EXPECT_EQ(relu_second_moment(0, 0), 0);
  EXPECT_EQ(relu_input_second_moment(0, 0, 7), 0);
}

// A symmetric unit is active half the time, whatever its norm.
TEST(GaussianUnit, ZeroBiasIsHalfActive) {
  for (const double a : {1e-300, 1e-3, 1.0, 1e3, 1e300}) {
    EXPECT_EQ(relu_activation_rate(a, 0), 0.5);
    EXPECT_EQ(relu_input_second_moment(a, 0, 4), 2);
  }
  EXPECT_DOUBLE_EQ(relu_second_moment(3, 0), 4.5);
}

// Property 4.1 for x ~ N(0, I): given W, h_v, h_w, h_b and the activation rate do not fall when V^2 and b
// grow. h_w = V^2 sum_j E[x_j^2 sigma'], h_b = V^2 E sigma'.
TEST(Property41, HoldsForTheClosedForms) {
  std::mt19937_64 engine(41);
  std::uniform_real_distribution<double> uniform(-3, 3);
  for (int trial = 0; trial < 2000; ++trial) {
    const double a = std::abs(uniform(engine)) + 1e-3;
    double v1 = std::abs(uniform(engine));
    double v2 = std::abs(uniform(engine));
    double b1 = uniform(engine);
    double b2 = uniform(engine);
    if (v1 > v2) std::swap(v1, v2);
    if (b1 > b2) std::swap(b1, b2);
    const double slack = 1e-14;
    EXPECT_LE(relu_activation_rate(a, b1), relu_activation_rate(a, b2) + slack);
    EXPECT_LE(relu_second_moment(a, b1), relu_second_moment(a, b2) + 100 * slack);
    EXPECT_LE(v1 * v1 * relu_input_second_moment(a, b1, 5),
              v2 * v2 * relu_input_second_moment(a, b2, 5) + 100 * slack);
    EXPECT_LE(v1 * v1 * relu_activation_rate(a, b1), v2 * v2 * relu_activation_rate(a, b2) + 100 * slack);
  }
}

}  // namespace
}  // namespace soret::theory
