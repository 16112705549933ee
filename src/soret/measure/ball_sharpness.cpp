#include "soret/measure/ball_sharpness.hpp"

#include <fmt/format.h>

#include <cmath>

#include "soret/measure/box_ascent.hpp"
#include "soret/measure/search_region.hpp"
#include "soret/random/fill.hpp"
#include "soret/random/stream.hpp"

namespace soret::measure {
namespace {

using Vector = Eigen::VectorXd;

/// Uniform on the unit sphere.
Vector random_point(Eigen::Index size, std::uint64_t seed, int start) {
  std::vector<float> draws(static_cast<std::size_t>(size));
  fill_unit_sphere({seed, Purpose::ball_start, static_cast<std::uint32_t>(start)}, 0, draws);
  return Eigen::Map<const Eigen::VectorXf>(draws.data(), size).cast<double>().normalized();
}

}  // namespace

BallSharpness ball_sharpness(const Differentiable& f, std::span<const double> x, const BallOptions& options) {
  if (x.size() != f.size || f.size == 0)
    throw ConfigError(fmt::format("a point of {} numbers for a function of {}", x.size(), f.size));
  if (!(options.radius > 0) || !std::isfinite(options.radius))
    throw ConfigError(fmt::format("the radius of the ball is {}; allowed: above 0, finite", options.radius));
  if (options.starts < 1 || options.most_iterations < 1)
    throw ConfigError(fmt::format("{} starts of {} iterations each; allowed: at least 1", options.starts,
                                  options.most_iterations));
  const auto n = static_cast<Eigen::Index>(x.size());
  const Directions all(Eigen::MatrixXd(n, 0));
  SearchRegion ball(f, x, all, Vector::Constant(n, options.radius), "the ball of the sharpness");
  const ValueAndGradient look = [&](const Vector& u, Vector& slope) {
    return ball.value_and_gradient(u, slope);
  };
  BallSharpness result;
  Vector gradient(n);
  result.value = look(Vector::Zero(n), gradient);
  const AscentLimits limits{options.most_iterations, options.tolerance};
  if (gradient.norm() > 0) {
    const Vector first = gradient.normalized();
    result.first_step = look(first, gradient) - result.value;
    ascend_in_ball(look, first, limits);
  }
  for (int start = 0; start < options.starts; ++start)
    ascend_in_ball(look, random_point(n, options.seed, start), limits);
  result.rise = ball.best_value() - result.value;
  result.evaluations = ball.evaluations();
  result.gradients = ball.gradients();
  result.converged =
      ball_residual(ball.best(), ball.best_gradient(), ball.largest_norm()) <= options.tolerance;
  return result;
}

}  // namespace soret::measure
