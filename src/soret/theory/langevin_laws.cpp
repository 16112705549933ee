#include "soret/theory/langevin_laws.hpp"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "soret/base/error.hpp"
#include "soret/theory/require.hpp"

namespace soret::theory {
namespace {

void require_valid(const GradientNoise& noise) {
  require_positive("learning rate", noise.learning_rate);
  require_positive("batch size", noise.batch_size);
  require_positive("gradient variance", noise.variance);
}

void require_stable(double learning_rate, double curvature) {
  require_positive("learning rate", learning_rate);
  require_positive("curvature", curvature);
  if (!(learning_rate * curvature < 2)) {
    throw std::domain_error(
        fmt::format("learning rate {} times curvature {} is {}: gradient descent needs it below 2",
                    learning_rate, curvature, learning_rate * curvature));
  }
}

using Symmetric = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;

bool is_symmetric(const Eigen::MatrixXd& matrix) {
  const double scale = matrix.cwiseAbs().maxCoeff();
  return matrix.rows() == matrix.cols() && std::isfinite(scale) &&
         (matrix - matrix.transpose()).cwiseAbs().maxCoeff() <= 1e-12 * scale;
}

/// S_ij = (eta/|B|) factor(h_i, h_j) C_ij in the eigenbasis of H, the h being its eigenvalues: what a
/// Lyapunov equation is there.
Eigen::MatrixXd stationary_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                      double learning_rate, double batch_size,
                                      const std::function<double(double, double)>& factor) {
  require_positive("learning rate", learning_rate);
  require_positive("batch size", batch_size);
  if (hessian.size() == 0 || !is_symmetric(hessian))
    throw std::domain_error("the Hessian must be a symmetric matrix");
  if (noise_covariance.rows() != hessian.rows() || !is_symmetric(noise_covariance)) {
    throw ConfigError(
        fmt::format("the noise covariance must be a symmetric {0} by {0} matrix", hessian.rows()));
  }
  const Symmetric curvature(hessian);
  const Eigen::VectorXd& h = curvature.eigenvalues();
  if (!(h.minCoeff() > 0)) {
    throw std::domain_error(
        fmt::format("the Hessian's least eigenvalue is {}: a state of rest needs it positive", h.minCoeff()));
  }
  const Eigen::VectorXd spread = Symmetric(noise_covariance, Eigen::EigenvaluesOnly).eigenvalues();
  if (spread.minCoeff() < -1e-12 * spread.cwiseAbs().maxCoeff()) {
    throw ConfigError(
        fmt::format("the noise covariance has the eigenvalue {}: none may be negative", spread.minCoeff()));
  }
  const Eigen::MatrixXd& basis = curvature.eigenvectors();
  Eigen::MatrixXd s = basis.transpose() * noise_covariance * basis;
  for (Eigen::Index i = 0; i < h.size(); ++i) {
    for (Eigen::Index j = 0; j < h.size(); ++j) s(i, j) *= learning_rate / batch_size * factor(h[i], h[j]);
  }
  return basis * s * basis.transpose();
}

double finite_loss(double loss) {
  if (!std::isfinite(loss))
    throw ConfigError(fmt::format("a loss of {}: it must be finite in the whole domain", loss));
  return loss;
}

std::vector<double> divided(std::vector<double> values, double by) {
  for (double& value : values) value /= by;
  return values;
}

double sum(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

}  // namespace

double equilibrium_temperature(const GradientNoise& noise) {
  require_valid(noise);
  return noise.learning_rate * noise.variance / (2 * noise.batch_size);
}

double discrete_variance(const GradientNoise& noise, double curvature) {
  require_stable(noise.learning_rate, curvature);
  return 2 * equilibrium_temperature(noise) / (curvature * (2 - noise.learning_rate * curvature));
}

double continuous_variance(const GradientNoise& noise, double curvature) {
  require_positive("curvature", curvature);
  return equilibrium_temperature(noise) / curvature;
}

double discrete_variance_after(const GradientNoise& noise, double curvature, double start, double steps) {
  const double rest = discrete_variance(noise, curvature);
  const double contraction = std::abs(1 - noise.learning_rate * curvature);
  return rest + std::pow(contraction, 2 * steps) * (start - rest);
}

double discrete_autocorrelation(double learning_rate, double curvature, int lag) {
  require_stable(learning_rate, curvature);
  return std::pow(1 - learning_rate * curvature, lag);
}

double continuous_autocorrelation(double learning_rate, double curvature, double lag) {
  require_positive("learning rate", learning_rate);
  require_positive("curvature", curvature);
  return std::exp(-learning_rate * curvature * lag);
}

Eigen::MatrixXd discrete_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                    double learning_rate, double batch_size) {
  return scheme_covariance(hessian, noise_covariance, learning_rate, batch_size, learning_rate,
                           euler_response);
}

Eigen::MatrixXd continuous_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                      double learning_rate, double batch_size) {
  return stationary_covariance(hessian, noise_covariance, learning_rate, batch_size,
                               [](double a, double b) { return 1 / (a + b); });
}

StepResponse euler_response(double step, double curvature) {
  return {1 - step * curvature, 1};
}

StepResponse heun_response(double step, double curvature) {
  const double x = step * curvature;
  return {1 - x + 0.5 * x * x, 1 - 0.5 * x};
}

Eigen::MatrixXd scheme_covariance(const Eigen::MatrixXd& hessian, const Eigen::MatrixXd& noise_covariance,
                                  double learning_rate, double batch_size, double step,
                                  const std::function<StepResponse(double, double)>& response) {
  require_positive("step", step);
  return stationary_covariance(
      hessian, noise_covariance, learning_rate, batch_size, [&](double first, double second) {
        const StepResponse a = response(step, first);
        const StepResponse b = response(step, second);
        if (!(std::abs(a.decay) < 1)) {
          throw std::domain_error(fmt::format(
              "a step of {} multiplies a coordinate of curvature {} by {}: it has no state of rest", step,
              first, a.decay));
        }
        return step * a.gain * b.gain / (1 - a.decay * b.decay);
      });
}

std::vector<double> equilibrium_density(const Cells& cells, const std::function<double(double)>& loss,
                                        double temperature) {
  require_positive("temperature", temperature);
  double lowest = std::numeric_limits<double>::infinity();
  cell_integrals(cells, [&](double w) { return lowest = std::min(lowest, finite_loss(loss(w))); });
  std::vector<double> mass =
      cell_integrals(cells, [&](double w) { return std::exp(-(loss(w) - lowest) / temperature); });
  const double total = sum(mass);
  return divided(std::move(mass), total * cells.width());
}

std::vector<double> equilibrium_density(const Cells& x, const Cells& y,
                                        const std::function<double(double, double)>& loss,
                                        double temperature) {
  require_positive("temperature", temperature);
  double lowest = std::numeric_limits<double>::infinity();
  // Visits every node of the plane's quadrature: rows of cells in y at the nodes in x.
  const auto lowest_along = [&](double wx) {
    cell_integrals(y, [&](double wy) { return lowest = std::min(lowest, finite_loss(loss(wx, wy))); });
    return 0.0;
  };
  cell_integrals(x, lowest_along);
  const auto rows = static_cast<std::size_t>(x.count);
  const auto columns = static_cast<std::size_t>(y.count);
  std::vector<double> mass(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) {
    const Cells cell_x{x.edge(static_cast<int>(i)), x.edge(static_cast<int>(i) + 1), 2};
    for (std::size_t j = 0; j < columns; ++j) {
      const Cells cell_y{y.edge(static_cast<int>(j)), y.edge(static_cast<int>(j) + 1), 2};
      mass[i * columns + j] = sum(cell_integrals(cell_x, [&](double wx) {
        return sum(cell_integrals(
            cell_y, [&](double wy) { return std::exp(-(loss(wx, wy) - lowest) / temperature); }));
      }));
    }
  }
  const double total = sum(mass);
  return divided(std::move(mass), total * x.width() * y.width());
}

std::vector<double> basin_occupancy(OccupancyLaw law, std::span<const Basin> basins,
                                    const GradientNoise& noise) {
  const double temperature = equilibrium_temperature(noise) * (law == OccupancyLaw::paper_eq26 ? 2 : 1);
  std::vector<double> log_weight;
  for (const auto& [loss, determinant] : basins) {
    require_positive("determinant of a basin's Hessian", determinant);
    log_weight.push_back(-finite_loss(loss) / temperature - 0.5 * std::log(determinant));
  }
  if (log_weight.empty()) return {};
  const double largest = *std::max_element(log_weight.begin(), log_weight.end());
  for (double& value : log_weight) value = std::exp(value - largest);
  const double total = sum(log_weight);
  return divided(std::move(log_weight), total);
}

std::vector<double> basin_probabilities(const std::function<double(double)>& loss, double temperature,
                                        std::span<const double> ends) {
  if (ends.size() < 2) throw std::domain_error("a basin needs two ends");
  // 5-point Gauss rules on 512 panels: a basin whose bottom is as narrow as a thousandth of it still has
  // several nodes.
  constexpr int kPanels = 512;
  double lowest = std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    cell_integrals({ends[i], ends[i + 1], kPanels},
                   [&](double w) { return lowest = std::min(lowest, finite_loss(loss(w))); });
  }
  require_positive("temperature", temperature);
  std::vector<double> mass;
  for (std::size_t i = 0; i + 1 < ends.size(); ++i) {
    mass.push_back(sum(cell_integrals({ends[i], ends[i + 1], kPanels}, [&](double w) {
      return std::exp(-(loss(w) - lowest) / temperature);
    })));
  }
  const double total = sum(mass);
  return divided(std::move(mass), total);
}

}  // namespace soret::theory
