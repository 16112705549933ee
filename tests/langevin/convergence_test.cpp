#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <random>
#include <vector>

#include "soret/langevin/landscape.hpp"
#include "soret/langevin/langevin_step.hpp"
#include "soret/theory/diffusion_solutions.hpp"

/// Orders of convergence, measured on solved equations. Weak orders need no sampling: where a step is linear
/// in w, the moments after n steps are powers of a Gaussian average over one step, which quadrature gives
/// exactly.
namespace soret::langevin {
namespace {

struct Node {
  double z, weight;
};

/// Gauss-Hermite nodes for a standard normal: exact for polynomials of degree 2n - 1 (Golub and Welsch).
std::vector<Node> gauss_hermite(int n) {
  Eigen::MatrixXd jacobi = Eigen::MatrixXd::Zero(n, n);
  for (int k = 1; k < n; ++k) jacobi(k, k - 1) = jacobi(k - 1, k) = std::sqrt(k);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(jacobi);
  std::vector<Node> nodes;
  for (int k = 0; k < n; ++k)
    nodes.push_back({eigen.eigenvalues()[k], eigen.eigenvectors()(0, k) * eigen.eigenvectors()(0, k)});
  return nodes;
}

/// Least-squares slope of log(error) against log(step).
double order(const std::vector<double>& steps, const std::vector<double>& errors) {
  const auto n = static_cast<double>(steps.size());
  double x = 0, y = 0, xx = 0, xy = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const double a = std::log(steps[i]), b = std::log(std::abs(errors[i]));
    x += a / n, y += b / n, xx += a * a / n, xy += a * b / n;
  }
  return (xy - x * y) / (xx - x * x);
}

template <class L, class Step>
double moved(const L& landscape, const Step& step, double w, double z) {
  double scratch[Step::kScratch];
  step(landscape, &w, &z, static_cast<const double*>(nullptr), scratch);
  return w;
}

/// s(w)^2 = slope l(w) on l = h w^2 / 2 makes dw = -h w dt + sqrt(slope h / 2) |w| dW: geometric Brownian
/// motion.
constexpr double kCurvature = 1.5;
constexpr double kSlope = 0.5;
const theory::GeometricBrownian kGeometric{-kCurvature, std::sqrt(0.5 * kSlope * kCurvature)};
StateNoise multiplicative(double h) {
  return {0, kSlope, std::sqrt(h)};
}

template <class MakeStep>
double weak_order_on_geometric_brownian_motion(const MakeStep& make, int power) {
  const auto nodes = gauss_hermite(24);
  std::vector<double> steps, errors;
  for (int n = 16; n <= 256; n *= 2) {
    const double h = 1.0 / n;
    const auto step = make(h);
    double average = 0;
    for (const Node& node : nodes)
      average += node.weight * std::pow(moved(Parabola{kCurvature}, step, 1.0, node.z), power);
    const double truth = power == 1 ? kGeometric.mean(1, 1) : kGeometric.second_moment(1, 1);
    steps.push_back(h);
    errors.push_back(std::pow(average, n) - truth);
  }
  return order(steps, errors);
}

TEST(Convergence, WeakOrderIsOneForEulerMilsteinAndHeunAndTwoForPlatensScheme) {
  for (const int power : {1, 2}) {
    const auto weak = [&](const auto& make) { return weak_order_on_geometric_brownian_motion(make, power); };
    EXPECT_NEAR(weak([](double h) {
                  return EulerStep<StateNoise>{multiplicative(h), h};
                }),
                1.0, 0.1)
        << power;
    EXPECT_NEAR(weak([](double h) { return MilsteinStep{multiplicative(h), h}; }), 1.0, 0.1) << power;
    EXPECT_NEAR(weak([](double h) { return HeunStep<StateNoise>{multiplicative(h), h}; }), 1.0, 0.1) << power;
    EXPECT_NEAR(weak([](double h) { return Weak2Step{multiplicative(h), h}; }), 2.0, 0.1) << power;
  }
}

/// Constant noise: a step is w -> m w + c z.
template <class Step>
double variance_error(const Step& step, int n, const theory::OrnsteinUhlenbeck& exact) {
  const double m = moved(Parabola{exact.rate}, step, 1.0, 0.0);
  const double c = moved(Parabola{exact.rate}, step, 0.0, 1.0);
  double variance = 0;
  for (int k = 0; k < n; ++k) variance = m * m * variance + c * c;
  return variance - exact.variance(1);
}

TEST(Convergence, WithConstantNoiseTheWeakOrderIsOneForEulerAndTwoForHeun) {
  const theory::OrnsteinUhlenbeck exact{2.0, 0.7};
  std::vector<double> steps, euler, heun;
  for (int n = 16; n <= 256; n *= 2) {
    const double h = 1.0 / n;
    const double amplitude = exact.spread * std::sqrt(h);
    steps.push_back(h);
    euler.push_back(variance_error(EulerStep<DiagonalNoise<1>>{{Coefficients<1>(&amplitude)}, h}, n, exact));
    heun.push_back(variance_error(HeunStep<DiagonalNoise<1>>{{Coefficients<1>(&amplitude)}, h}, n, exact));
  }
  EXPECT_NEAR(order(steps, euler), 1.0, 0.1);
  EXPECT_NEAR(order(steps, heun), 2.0, 0.1);
}

/// Louder noise than above: Euler's error of order 1/2 must outweigh that of its drift.
constexpr double kLoudSlope = 3;
StateNoise loud(double h) {
  return {0, kLoudSlope, std::sqrt(h)};
}

/// E |w_n - w(T)| over paths, each step size on the same Brownian paths.
template <class MakeStep>
double strong_order_on_geometric_brownian_motion(const MakeStep& make) {
  constexpr int kPaths = 8000, kFine = 512;
  const theory::GeometricBrownian exact{-kCurvature, std::sqrt(0.5 * kLoudSlope * kCurvature)};
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  std::vector<double> steps, errors(5, 0.0);
  for (int n = 512; n >= 32; n /= 2) steps.push_back(1.0 / n);
  std::vector<double> dw(kFine);
  for (int path = 0; path < kPaths; ++path) {
    double total = 0;
    for (double& x : dw) total += x = normal(random) / std::sqrt(kFine);
    const double truth = exact.solution(1, 1, total);
    for (std::size_t level = 0; level < steps.size(); ++level) {
      const double h = steps[level];
      const auto step = make(h);
      const int stride = 1 << level;
      double w = 1;
      for (int k = 0; k < kFine; k += stride) {
        double sum = 0;
        for (int i = 0; i < stride; ++i) sum += dw[k + i];
        w = moved(Parabola{kCurvature}, step, w, sum / std::sqrt(h));
      }
      errors[level] += std::abs(w - truth) / kPaths;
    }
  }
  return order(steps, errors);
}

/// n = 8000 paths: each mean has a relative standard error of about 2%, so the slope over a factor 16 has one
/// below 0.01, a tenth of the tolerance.
TEST(ConvergenceStatistics, StrongOrderIsOneHalfForEulerAndOneForMilsteinAndHeun) {
  EXPECT_NEAR(strong_order_on_geometric_brownian_motion([](double h) {
                return EulerStep<StateNoise>{loud(h), h};
              }),
              0.5, 0.1);
  EXPECT_NEAR(strong_order_on_geometric_brownian_motion([](double h) {
                return MilsteinStep{loud(h), h};
              }),
              1.0, 0.1);
  EXPECT_NEAR(strong_order_on_geometric_brownian_motion([](double h) {
                return HeunStep<StateNoise>{loud(h), h};
              }),
              1.0, 0.1);
}

/// Truth: with constant noise Euler's strong order is 1. Increment of the Brownian motion and of the exact
/// solution over a fine step are drawn together. n = 4000 paths.
TEST(ConvergenceStatistics, WithConstantNoiseEulersStrongOrderIsOne) {
  constexpr int kPaths = 4000, kFine = 256;
  const theory::OrnsteinUhlenbeck exact{2.0, 0.7};
  const double fine = 1.0 / kFine;
  const double decay = std::exp(-exact.rate * fine);
  const double covariance = (1 - decay) / exact.rate;  // of dW and int e^(-rate (t-s)) dW
  const double variance = (1 - decay * decay) / (2 * exact.rate);
  const double rest = std::sqrt(variance - covariance * covariance / fine);  // of the integral, given dW
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  std::vector<double> steps, errors(4, 0.0);
  for (int n = 256; n >= 32; n /= 2) steps.push_back(1.0 / n);
  std::vector<double> dw(kFine);
  for (int path = 0; path < kPaths; ++path) {
    double truth = 1;
    for (double& x : dw) {
      x = normal(random) * std::sqrt(fine);
      truth = decay * truth + exact.spread * (covariance / fine * x + rest * normal(random));
    }
    for (std::size_t level = 0; level < steps.size(); ++level) {
      const double amplitude = exact.spread * std::sqrt(steps[level]);
      const EulerStep<DiagonalNoise<1>> step{{Coefficients<1>(&amplitude)}, steps[level]};
      double w = 1;
      for (int k = 0; k < kFine; k += 1 << level) {
        double sum = 0;
        for (int i = 0; i < 1 << level; ++i) sum += dw[k + i];
        w = moved(Parabola{exact.rate}, step, w, sum / std::sqrt(steps[level]));
      }
      errors[level] += std::abs(w - truth) / kPaths;
    }
  }
  EXPECT_NEAR(order(steps, errors), 1.0, 0.1);
}

/// In the plane the noise s(|w|) I does not commute, and Platen's scheme needs its two-point variables.
/// Second moments M obey dM/dt = -2 h M + (slope h / 2) tr M I; the error of one step is of one order more.
TEST(Convergence, InThePlanePlatensSchemeKeepsWeakOrderTwo) {
  const double lambda[2] = {kCurvature, kCurvature};
  const DiagonalQuadratic landscape{2, lambda};
  const double x0 = 1.0, y0 = 0.5;
  const auto nodes = gauss_hermite(16);
  std::vector<double> steps, xx, xy, euler_xx;
  for (int n = 32; n <= 256; n *= 2) {
    const double h = 1.0 / n;
    double mxx = 0, mxy = 0, exx = 0;
    for (const Node& a : nodes)
      for (const Node& b : nodes)
        for (const double sign : {-1.0, 1.0}) {
          const double z[2] = {a.z, b.z};
          double scratch[2 * Weak2Step::kScratch];
          double w[2] = {x0, y0};
          Weak2Step{multiplicative(h), h}(landscape, w, z, &sign, scratch);
          mxx += 0.5 * a.weight * b.weight * w[0] * w[0];
          mxy += 0.5 * a.weight * b.weight * w[0] * w[1];
          double e[2] = {x0, y0};
          EulerStep<StateNoise>{multiplicative(h), h}(landscape, e, z, &sign, scratch);
          exx += 0.5 * a.weight * b.weight * e[0] * e[0];
        }
    const double trace = (x0 * x0 + y0 * y0) * std::exp((-2 * kCurvature + kSlope * kCurvature) * h);
    const double difference = (x0 * x0 - y0 * y0) * std::exp(-2 * kCurvature * h);
    steps.push_back(h);
    xx.push_back(mxx - 0.5 * (trace + difference));
    xy.push_back(mxy - x0 * y0 * std::exp(-2 * kCurvature * h));
    euler_xx.push_back(exx - 0.5 * (trace + difference));
  }
  EXPECT_NEAR(order(steps, xx), 3.0, 0.15);
  EXPECT_NEAR(order(steps, xy), 3.0, 0.15);
  EXPECT_NEAR(order(steps, euler_xx), 2.0, 0.15);
}

}  // namespace
}  // namespace soret::langevin
