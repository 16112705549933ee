#include "soret/theory/escape_time.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <stdexcept>

#include "soret/theory/cells.hpp"
#include "soret/theory/require.hpp"

namespace soret::theory {
namespace {

double arrhenius(double barrier, double temperature) {
  require_positive("barrier", barrier);
  require_positive("temperature", temperature);
  return 2 * std::numbers::pi * std::exp(barrier / temperature);
}

/// The double integral of mean_first_passage_time with the inner one accumulated from panel to panel, for
/// wall <= start < target; phi is taken relative to `lowest`.
double nested_integral(const std::function<double(double)>& phi,
                       const std::function<double(double)>& diffusion, double lowest, double wall,
                       double start, double target, int panels) {
  const auto integral = [&](const Cells& cells) {
    double total = 0;
    for (const double part :
         cell_integrals(cells, [&](double z) { return std::exp(lowest - phi(z)) / diffusion(z); })) {
      total += part;
    }
    return total;
  };
  double below = wall < start ? integral({wall, start, panels}) : 0;  // the inner integral up to the panel
  double total = 0;
  const Cells outer{start, target, panels};
  for (int k = 0; k < panels; ++k) {
    const double from = outer.edge(k);
    for (const double part : cell_integrals({from, outer.edge(k + 1), 2}, [&](double y) {
           return std::exp(phi(y) - lowest) * (below + integral({from, y, 2}));
         })) {
      total += part;
    }
    below += integral({from, outer.edge(k + 1), 2});
  }
  return total;
}

}  // namespace

double kramers_time(double well_curvature, double top_curvature, double barrier, double temperature) {
  require_positive("curvature of the well", well_curvature);
  require_positive("minus the curvature of the top", -top_curvature);
  return arrhenius(barrier, temperature) / std::sqrt(well_curvature * -top_curvature);
}

double kramers_time(const Eigen::MatrixXd& well_hessian, const Eigen::MatrixXd& saddle_hessian,
                    double barrier, double temperature) {
  const auto n = well_hessian.rows();
  if (n == 0 || well_hessian.cols() != n || saddle_hessian.rows() != n || saddle_hessian.cols() != n) {
    throw std::domain_error("the Hessians of well and saddle must be square and of one size");
  }
  using Symmetric = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
  const Eigen::VectorXd well = Symmetric(well_hessian, Eigen::EigenvaluesOnly).eigenvalues();
  const Eigen::VectorXd saddle = Symmetric(saddle_hessian, Eigen::EigenvaluesOnly).eigenvalues();
  if (!(well.minCoeff() > 0)) {
    throw std::domain_error(
        fmt::format("the well's Hessian has the eigenvalue {}: all must be positive", well[0]));
  }
  // Eigenvalues come in increasing order.
  if (!(saddle[0] < 0 && (n == 1 || saddle[1] > 0))) {
    throw std::domain_error(
        "the saddle's Hessian must have one negative eigenvalue and otherwise positive ones");
  }
  const double log_ratio = saddle.cwiseAbs().array().log().sum() - well.array().log().sum();
  return arrhenius(barrier, temperature) / -saddle[0] * std::exp(log_ratio / 2);
}

double mean_first_passage_time(const std::function<double(double)>& loss, double temperature, double wall,
                               double start, double target) {
  require_positive("temperature", temperature);
  return mean_first_passage_time([&](double q) { return loss(q) / temperature; },
                                 [&](double) { return temperature; }, wall, start, target);
}

double mean_first_passage_time(const std::function<double(double)>& phi,
                               const std::function<double(double)>& diffusion, double wall, double start,
                               double target) {
  const bool rightward = wall <= start && start < target;
  const bool leftward = wall >= start && start > target;
  if (!(rightward || leftward) || !std::isfinite(wall) || !std::isfinite(target)) {
    throw std::domain_error(
        fmt::format("start {} must lie between the wall {} and the target {}", start, wall, target));
  }
  const double sign = rightward ? 1 : -1;
  const auto height = [&](double q) {
    const double value = phi(sign * q);
    if (!std::isfinite(value)) {
      throw std::domain_error(fmt::format("the loss over the temperature at {} is {}", sign * q, value));
    }
    return value;
  };
  const auto spread = [&](double q) { return diffusion(sign * q); };
  double lowest = std::numeric_limits<double>::infinity();
  cell_integrals({sign * wall, sign * target, 64},
                 [&](double q) { return lowest = std::min(lowest, height(q)); });
  double before = std::numeric_limits<double>::quiet_NaN();
  for (int panels = 16; panels <= 1 << 14; panels *= 2) {
    const double now =
        nested_integral(height, spread, lowest, sign * wall, sign * start, sign * target, panels);
    if (!std::isfinite(now)) break;
    if (std::abs(now - before) <= 1e-9 * std::abs(now)) return now;
    before = now;
  }
  throw std::domain_error(
      fmt::format("the mean time from {} to {} cannot be integrated: is the barrier below 700 temperatures?",
                  start, target));
}

}  // namespace soret::theory
