#include "soret/langevin/equilibrium.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>

#include "soret/theory/escape_time.hpp"
#include "soret/theory/langevin_laws.hpp"

namespace soret::langevin {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix noise_covariance(const Problem& p) {
  const int d = p.landscape.dimension;
  if (p.noise.kind == Noise::Kind::state) return p.noise.base * Matrix::Identity(d, d);
  if (p.noise.kind == Noise::Kind::dense) {
    const Matrix f = Eigen::Map<const Matrix>(p.noise.factor.data(), d, d);
    return f * f.transpose();
  }
  const Eigen::VectorXd f = Eigen::Map<const Eigen::VectorXd>(p.noise.factor.data(), d);
  return f.array().square().matrix().asDiagonal();
}

Matrix hessian_matrix(const Landscape& l) {
  const int d = l.dimension;
  if (l.diagonal) return Eigen::Map<const Eigen::VectorXd>(l.hessian.data(), d).asDiagonal();
  return Eigen::Map<const Matrix>(l.hessian.data(), d, d);
}

std::vector<double> flat(const Matrix& m) {
  return {m.data(), m.data() + m.size()};
}

/// 1/2 sum_k lambda_k Sigma_kk = l solves l = sum (base + slope l) with this `sum`; the level of the noise.
double noise_level(const Noise& noise, double sum) {
  return noise.slope * sum < 1 ? noise.base / (1 - noise.slope * sum) : kNan;
}

/// The unnormalised density as a function of the loss, if there is one.
using LogWeight = std::function<double(double loss)>;

LogWeight log_weight(const Problem& p, DensityLaw law) {
  const double q = p.learning_rate / p.batch_size;
  const auto variance = isotropic_variance(p);
  if (!variance || law == DensityLaw::scheme) return {};
  if (law == DensityLaw::eq25 || p.noise.kind != Noise::Kind::state || p.noise.slope == 0) {
    if (!(*variance > 0)) return {};
    const double t = 0.5 * q * *variance;
    return [t](double loss) { return -loss / t; };
  }
  // No flux: grad(s^2 rho) / 2 = -rho grad l with s^2 = q (base + slope l), so rho is a function of l:
  // rho ~ (base + slope l)^(-1 - 2 / (q slope)).
  const Noise noise = p.noise;
  const double power = -1 - 2 / (q * noise.slope);
  return [noise, power](double loss) { return power * std::log(noise.base + noise.slope * loss); };
}

/// The box, and as much again on every side, so that little is missed outside.
struct Grid {
  Grid(const Box& box, int dimension, std::size_t per_box) : cells(3 * per_box), d(dimension) {
    for (int k = 0; k < dimension; ++k) {
      const double size = box.high[k] - box.low[k];
      low[k] = box.low[k] - size;
      width[k] = size / static_cast<double>(per_box);
    }
  }
  double centre(int k, std::size_t i) const { return low[k] + (static_cast<double>(i) + 0.5) * width[k]; }

  std::size_t cells;
  int d;
  double low[2] = {0, 0};
  double width[2] = {1, 1};
};

/// Probability of every cell [x] or [x][y], by the midpoint rule.
std::vector<double> probabilities(const Problem& p, const LogWeight& log_of, const Grid& grid) {
  std::vector<double> probability(grid.d == 1 ? grid.cells : grid.cells * grid.cells);
  for (std::size_t i = 0; i < probability.size(); ++i) {
    const double w[2] = {grid.centre(0, grid.d == 1 ? i : i / grid.cells), grid.centre(1, i % grid.cells)};
    probability[i] = log_of(value(p.landscape, {w, static_cast<std::size_t>(grid.d)}));
  }
  const double most = *std::ranges::max_element(probability);
  double total = 0;
  for (double& x : probability) total += x = std::exp(x - most);
  for (double& x : probability) x /= total;
  return probability;
}

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

/// The Gaussian of a quadratic under a law.
std::vector<double> gaussian_covariance(const Problem& p, DensityLaw law) {
  if (p.noise.kind == Noise::Kind::state) return {};
  if (law == DensityLaw::eq25 && !isotropic_variance(p)) return {};
  return stationary_covariance(p,
                               law == DensityLaw::scheme ? CovarianceLaw::scheme : CovarianceLaw::continuous);
}

constexpr std::size_t kFine1 = 32;  // points per bin in one dimension
constexpr std::size_t kFine2 = 8;   // and in two

}  // namespace

std::optional<double> isotropic_variance(const Problem& p) {
  const Matrix c = noise_covariance(p);
  const double variance = c.trace() / static_cast<double>(c.rows());
  const double off = (c - variance * Matrix::Identity(c.rows(), c.cols())).cwiseAbs().maxCoeff();
  if (off > 1e-12 * variance) return std::nullopt;
  return variance;
}

double temperature(const Problem& p) {
  const Matrix c = noise_covariance(p);
  return p.temperature_per_variance() * c.trace() / static_cast<double>(c.rows());
}

std::vector<double> stationary_covariance(const Problem& p, CovarianceLaw law) {
  if (p.landscape.kind != Landscape::Kind::quadratic) return {};
  const double q = p.learning_rate / p.batch_size;
  const double h = p.learning_rate / p.substeps;
  const bool state = p.noise.kind == Noise::Kind::state;
  const bool euler = p.scheme == Scheme::euler_maruyama || (!state && p.scheme == Scheme::milstein);
  if (law == CovarianceLaw::scheme && state && !euler) return {};

  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen{Eigen::MatrixXd(hessian_matrix(p.landscape))};
  const Eigen::MatrixXd& basis = eigen.eigenvectors();
  const Eigen::ArrayXd lambda = eigen.eigenvalues().array();
  const auto d = lambda.size();
  if (lambda.minCoeff() <= 0) return std::vector<double>(d * d, kNan);

  Eigen::ArrayXd m(d), b = Eigen::ArrayXd::Ones(d);
  if (euler) {
    m = 1 - h * lambda;
  } else {
    m = 1 - h * lambda + 0.5 * (h * lambda).square();
    b = 1 - 0.5 * h * lambda;
  }
  if (law == CovarianceLaw::scheme && m.abs().maxCoeff() >= 1) return std::vector<double>(d * d, kNan);

  Eigen::MatrixXd c = basis.transpose() * noise_covariance(p) * basis;
  if (state) {
    const Eigen::ArrayXd per_noise = law == CovarianceLaw::scheme ? Eigen::ArrayXd(q * h / (1 - m.square()))
                                                                  : Eigen::ArrayXd(q / (2 * lambda));
    c = noise_level(p.noise, 0.5 * (lambda * per_noise).sum()) * Eigen::MatrixXd::Identity(d, d);
  }
  for (Eigen::Index i = 0; i < d; ++i)
    for (Eigen::Index j = 0; j < d; ++j)
      c(i, j) *= law == CovarianceLaw::scheme ? q * h * b(i) * b(j) / (1 - m(i) * m(j))
                                              : q / (lambda(i) + lambda(j));
  return flat(basis * c * basis.transpose());
}

std::vector<double> stationary_density(const Problem& p, DensityLaw law, const Histogram& histogram) {
  const int d = p.landscape.dimension;
  std::vector<double> density(histogram.bins);
  const double low = histogram.box.low[0];
  const double width = (histogram.box.high[0] - low) / static_cast<double>(histogram.bins);
  if (p.landscape.kind == Landscape::Kind::quadratic && p.noise.kind != Noise::Kind::state) {
    const std::vector<double> covariance = gaussian_covariance(p, law);
    if (covariance.empty()) return {};
    const double sigma = std::sqrt(covariance[0]);
    for (std::size_t i = 0; i < density.size(); ++i) {
      const double a = low + static_cast<double>(i) * width;
      density[i] = (normal_cdf((a + width) / sigma) - normal_cdf(a / sigma)) / width;
    }
    return density;
  }
  const LogWeight weight = log_weight(p, law);
  if (!weight || d > 2) return {};
  const std::size_t fine = d == 1 ? kFine1 : kFine2;
  const Grid grid(histogram.box, d, histogram.bins * fine);
  const std::vector<double> probability = probabilities(p, weight, grid);
  const std::size_t row = d == 1 ? 1 : grid.cells;
  for (std::size_t i = 0; i < density.size(); ++i) {
    const auto first = probability.begin() + static_cast<std::ptrdiff_t>((histogram.bins + i) * fine * row);
    density[i] = std::accumulate(first, first + static_cast<std::ptrdiff_t>(fine * row), 0.0) / width;
  }
  return density;
}

std::vector<double> stationary_density_2d(const Problem& p, DensityLaw law, const Histogram& histogram) {
  const int d = p.landscape.dimension;
  const std::size_t bins = histogram.bins_2d;
  const bool gaussian = p.landscape.kind == Landscape::Kind::quadratic && p.noise.kind != Noise::Kind::state;
  if (d < 2 || (d > 2 && !gaussian)) return {};
  const Grid grid(histogram.box, 2, bins * kFine2);
  std::vector<double> probability;
  if (gaussian) {
    const std::vector<double> s = gaussian_covariance(p, law);
    if (s.empty()) return {};
    const double a = s[0], b = s[1], c = s[d + 1];
    const double det = a * c - b * b;
    probability.resize(grid.cells * grid.cells);
    for (std::size_t i = 0; i < probability.size(); ++i) {
      const double x = grid.centre(0, i / grid.cells);
      const double y = grid.centre(1, i % grid.cells);
      probability[i] = std::exp(-0.5 * (c * x * x - 2 * b * x * y + a * y * y) / det) /
                       (2 * std::numbers::pi * std::sqrt(det)) * grid.width[0] * grid.width[1];
    }
  } else {
    const LogWeight weight = log_weight(p, law);
    if (!weight) return {};
    probability = probabilities(p, weight, grid);
  }
  std::vector<double> density(bins * bins, 0.0);
  const double area = grid.width[0] * grid.width[1] * kFine2 * kFine2;
  for (std::size_t i = 0; i < bins * kFine2; ++i)
    for (std::size_t j = 0; j < bins * kFine2; ++j)
      density[i / kFine2 * bins + j / kFine2] +=
          probability[(bins * kFine2 + i) * grid.cells + bins * kFine2 + j] / area;
  return density;
}

std::vector<double> occupancy(const Problem& p, OccupancyLaw law, const Basins& basins, const Box& box) {
  std::vector<double> share(basins.count(), 0.0);
  if (law == OccupancyLaw::integral) {
    const LogWeight weight = log_weight(p, DensityLaw::fokker_planck);
    if (!weight) return {};
    const Grid grid(box, p.landscape.dimension, p.landscape.dimension == 1 ? 8192 : 512);
    const std::vector<double> probability = probabilities(p, weight, grid);
    for (std::size_t i = 0; i < probability.size(); ++i)
      share[grid.d == 1 ? basins.of(grid.centre(0, i), 0)
                        : basins.of(grid.centre(0, i / grid.cells), grid.centre(1, i % grid.cells))] +=
          probability[i];
    return share;
  }
  const auto variance = isotropic_variance(p);
  if (p.noise.kind == Noise::Kind::state || !variance || !(*variance > 0)) return {};
  std::vector<theory::Basin> minima;
  for (const Minimum& m : basins.minima()) {
    if (!(m.determinant > 0)) return {};
    minima.push_back({m.loss, m.determinant});
  }
  return theory::basin_occupancy(
      law == OccupancyLaw::eq26 ? theory::OccupancyLaw::laplace : theory::OccupancyLaw::paper_eq26, minima,
      {p.learning_rate, p.batch_size, *variance});
}

double mean_first_passage_time(const Problem& p, const Box& box) {
  if (p.landscape.dimension != 1 || !p.target || p.start.kind != Start::Kind::point || !isotropic_variance(p))
    return kNan;
  constexpr int kCells = 200'000;
  const double q = p.learning_rate / p.batch_size;
  const bool state = p.noise.kind == Noise::Kind::state && p.noise.slope > 0;
  const double variance = *isotropic_variance(p);
  // D(w) = q C(w) / 2 and Phi(w) = integral of l' / D, both functions of the loss.
  const auto diffusion = [&](double loss) {
    return 0.5 * q * (state ? p.noise.base + p.noise.slope * loss : variance);
  };
  const auto phi = [&](double loss) {
    return state ? 2 / (q * p.noise.slope) * std::log(p.noise.base + p.noise.slope * loss)
                 : loss / (0.5 * q * variance);
  };
  const double start = p.start.centre[0];
  const double end = p.target->position;
  const double sign = p.target->direction > 0 ? 1 : -1;
  if (sign * (end - start) <= 0) return 0;
  // From as far behind the start as the box allows; Phi grows so fast there that the rest counts nothing.
  const double behind = box.high[0] - box.low[0];
  const double from = sign > 0 ? std::min(box.low[0], start) - behind : std::max(box.high[0], start) + behind;
  const double width = (end - from) / kCells;
  const auto loss_at = [&](double w) { return value(p.landscape, {&w, 1}); };
  // inner(y) = integral up to y of e^(Phi(y) - Phi(x)) / D(x): carried along, so that nothing overflows.
  double inner = 0, time = 0;
  double loss = loss_at(from);
  for (int i = 0; i < kCells; ++i) {
    const double here = from + i * width;
    const double next_loss = loss_at(here + width);
    const double growth = std::exp(phi(next_loss) - phi(loss));
    const double next = growth * (inner + 0.5 * std::abs(width) / diffusion(loss)) +
                        0.5 * std::abs(width) / diffusion(next_loss);
    const double passed =
        std::clamp((here + width - start) / width, 0.0, 1.0);  // part of the cell after the start
    time += passed * 0.5 * (inner + next) * std::abs(width);
    inner = next;
    loss = next_loss;
  }
  return time;
}

double kramers_time(const Problem& p, const Basins& basins) {
  if (p.landscape.dimension != 1 || !p.target || p.noise.kind == Noise::Kind::state) return kNan;
  const double start = p.start.centre[0];
  const double end = p.target->position;
  double top = kNan;
  double height = -std::numeric_limits<double>::infinity();
  for (const double x : basins.maxima()) {
    const double loss = value(p.landscape, {&x, 1});
    if ((x - start) * (x - end) < 0 && loss > height) top = x, height = loss;
  }
  if (std::isnan(top)) return kNan;
  const Minimum& bottom = basins.minima()[basins.of(start, 0)];
  const double curvature = hessian(p.landscape, {&top, 1})[0];
  if (!(bottom.determinant > 0 && curvature < 0 && temperature(p) > 0)) return kNan;
  return theory::kramers_time(bottom.determinant, curvature, height - bottom.loss, temperature(p));
}

std::vector<double> stationary_quantiles(const Problem& p, const Box& box, std::size_t n) {
  const LogWeight weight = log_weight(p, DensityLaw::fokker_planck);
  if (!weight || p.landscape.dimension != 1) return {};
  const Grid grid(box, 1, 1U << 16);
  const std::vector<double> probability = probabilities(p, weight, grid);
  std::vector<double> quantiles = {};
  double below = 0;
  std::size_t cell = 0;
  for (std::size_t k = 0; k <= n; ++k) {
    const double wanted = std::clamp(static_cast<double>(k) / static_cast<double>(n), 1e-9, 1 - 1e-9);
    while (cell + 1 < grid.cells && below + probability[cell] < wanted) below += probability[cell++];
    const double part = std::clamp((wanted - below) / probability[cell], 0.0, 1.0);
    quantiles.push_back(grid.low[0] + (static_cast<double>(cell) + part) * grid.width[0]);
  }
  return quantiles;
}

}  // namespace soret::langevin
