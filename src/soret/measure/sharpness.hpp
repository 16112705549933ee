#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soret/base/error.hpp"
#include "soret/measure/directions.hpp"

/// The (C_eps, A)-sharpness of seed 003, Definition 2 (Keskar et al.), in per cent:
///
///   phi_{x,f}(eps, A) = 100 (max_{y in C_eps} f(x + A y) - f(x)) / (1 + f(x))                (Eq. 2)
///   C_eps = { y in R^p : |y_i| <= eps (|(A^+ x)_i| + 1) }                                    (Eq. 3)
///
/// with x in R^n and A an n x p matrix of full column rank, or the identity. What is found is a lower bound
/// of the maximum; for a convex f it lies at a vertex of the box, and visiting all of them gives it exactly.
namespace soret::measure {

/// f or its gradient is not finite somewhere in the box or ball.
struct NotFiniteInRegion : ConfigError {
  using ConfigError::ConfigError;
};

/// f: R^n -> R.
struct Differentiable {
  std::size_t size = 0;  ///< n
  std::function<double(std::span<const double> x)> value;
  /// Writes the gradient and returns the value. May be empty: differences of `value` across the box then
  /// stand for it, two values for each of the p directions.
  std::function<double(std::span<const double> x, std::span<double> gradient)> gradient;
};

/// eps (|(A^+ x)_i| + 1), the half-widths of C_eps, p of them. Throws ConfigError unless 0 < eps < infinity,
/// A has n rows, p <= n and full rank.
Eigen::VectorXd box_half_widths(std::span<const double> x, const Directions& a, double epsilon);

enum class Maximiser {
  lbfgsb,              ///< limited-memory quasi-Newton, ascend_by_lbfgsb()
  projected_gradient,  ///< ascend_by_projected_gradient()
  vertices,            ///< all 2^p vertices of the box: exact for convex f, p <= 20
};

/// Dimensions of a box whose vertices can all be visited.
inline constexpr std::size_t kMostVertexColumns = 20;

/// The names of the maximisers, for a config's list of choices.
const std::vector<std::string>& maximiser_names();

/// Throws ConfigError, listing the names, for an unknown one.
Maximiser parse_maximiser(std::string_view name);

struct SharpnessOptions {
  double epsilon = 1e-3;
  Maximiser maximiser = Maximiser::lbfgsb;
  int starts = 1;             ///< ascents, each from a random point of the box; not used by `vertices`
  int most_iterations = 100;  ///< of an ascent
  double tolerance = 1e-6;    ///< see Sharpness::converged
  std::uint64_t seed = 1;     ///< of the starts
};

/// Keskar et al. maximise by 10 iterations of L-BFGS-B, with A = I or a random matrix of 100 columns.
SharpnessOptions keskar(double epsilon);

struct Sharpness {
  double phi = 0;                ///< per cent; negative where f(x) < -1, as Eq. 2 is printed
  double value = 0;              ///< f(x)
  double maximum = 0;            ///< the largest f(x + A y) found; f(x) at least, as y = 0 is in the box
  std::vector<double> best;      ///< its y, p of them
  Maximiser maximiser{};         ///< that found it
  std::int64_t evaluations = 0;  ///< of f, alone or with its gradient; differences included
  std::int64_t gradients = 0;    ///< of f, or their stand-ins
  /// In units of the box, u_i = y_i / half-width: the gradient at the best point, divided by its largest
  /// entry met anywhere and projected onto the box, has no entry above the tolerance. For `vertices`: always.
  bool converged = false;
};

/// Phi of Eq. 2. Throws ConfigError for what box_half_widths() refuses, for f(x) = -1, for starts or
/// iterations below 1, and for more than 20 columns with `vertices`; NotFiniteInRegion for an f or gradient
/// that is not finite where it is looked at.
Sharpness sharpness(const Differentiable& f, std::span<const double> x, const Directions& a,
                    const SharpnessOptions& options);

}  // namespace soret::measure
