#include "soret/langevin/equilibrium.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <numeric>
#include <stdexcept>

#include "soret/langevin/visit.hpp"
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

/// The scheme as the recursion for constant noise sees it.
bool is_euler(const Problem& p) {
  return p.scheme == Scheme::euler_maruyama ||
         (p.noise.kind != Noise::Kind::state && p.scheme == Scheme::milstein);
}

/// Phi of the density e^-Phi, up to a constant, as a function of the loss, if there is one.
using Potential = std::function<double(double loss)>;

Potential potential(const Problem& p, DensityLaw law) {
  const double q = p.learning_rate / p.batch_size;
  const auto variance = isotropic_variance(p);
  if (!variance || law == DensityLaw::scheme) return {};
  if (law == DensityLaw::eq25 || p.noise.kind != Noise::Kind::state || p.noise.slope == 0) {
    if (!(*variance > 0)) return {};
    const double t = 0.5 * q * *variance;
    return [t](double loss) { return loss / t; };
  }
  // No flux: grad(s^2 rho) / 2 = -rho grad l with s^2 = q (base + slope l), so rho is a function of l:
  // rho ~ (base + slope l)^(-1 - 2 / (q slope)).
  const Noise noise = p.noise;
  const double power = 1 + 2 / (q * noise.slope);
  return [noise, power](double loss) { return power * std::log(noise.base + noise.slope * loss); };
}

/// Calls f with the loss as a function of x, or of x and y, whichever the landscape has.
template <class F>
auto with_loss(const Landscape& landscape, F&& f) {
  return visit(landscape, [&](const auto& l) {
    return f([&](auto... x) {
      constexpr int kD = std::decay_t<decltype(l)>::kDimension;
      const double w[] = {x...};
      if constexpr (kD == sizeof...(x) || kD == 0) return l.value(w);
      return kNan;
    });
  });
}

/// The same with Phi. Where the loss is not finite no walker is.
template <class F>
auto with_potential(const Problem& p, const Potential& phi, F&& f) {
  return with_loss(p.landscape, [&](const auto& loss) {
    return f([&](auto... x) {
      const double value = phi(loss(x...));
      return std::isfinite(value) ? value : std::numeric_limits<double>::max();
    });
  });
}

/// Cells of the box and of as much again on every side, so that little is missed outside.
theory::Cells around(const Box& box, int k, std::size_t per_box) {
  const double size = box.high[k] - box.low[k];
  return {box.low[k] - size, box.high[k] + size, static_cast<int>(3 * per_box)};
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

/// Cells of a quadrature in the plane for each bin, or along the box where there are no bins.
constexpr std::size_t kFine = 8;
constexpr std::size_t kAcross = 512;

/// Probability of each cell [x][y], by the midpoint rule.
std::vector<double> plane_probabilities(const Problem& p, const Potential& phi, const theory::Cells& x,
                                        const theory::Cells& y) {
  std::vector<double> probability;
  with_potential(p, phi, [&](const auto& at) {
    for (int i = 0; i < x.count; ++i)
      for (int j = 0; j < y.count; ++j) probability.push_back(-at(x.centre(i), y.centre(j)));
  });
  const double most = *std::ranges::max_element(probability);
  double total = 0;
  for (double& value : probability) total += value = std::exp(value - most);
  for (double& value : probability) value /= total;
  return probability;
}

/// The least loss where the line w_0 = x crosses basins that `counts` holds for; infinite where it crosses
/// none.
double least_on_line(const Landscape& l, const Basins& basins, double x,
                     const std::function<bool(std::size_t)>& counts) {
  const BasinMap map = basins.map();
  double least = std::numeric_limits<double>::infinity();
  for (int j = 0; j < BasinMap::kCells; ++j) {
    const double w[2] = {x,
                         map.box.low[1] + (j + 0.5) * (map.box.high[1] - map.box.low[1]) / BasinMap::kCells};
    if (counts(basins.of(w[0], w[1]))) least = std::min(least, value(l, w));
  }
  return least;
}

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
  const bool state = p.noise.kind == Noise::Kind::state;
  const bool scheme = law == CovarianceLaw::scheme;
  if (scheme && state && !is_euler(p)) return {};
  const auto of = [&](const Matrix& hessian, const Matrix& noise) {
    return scheme ? theory::scheme_covariance(hessian, noise, p.learning_rate, p.batch_size,
                                              p.learning_rate / p.substeps,
                                              is_euler(p) ? theory::euler_response : theory::heun_response)
                  : theory::continuous_covariance(hessian, noise, p.learning_rate, p.batch_size);
  };
  const int d = p.landscape.dimension;
  try {
    const Matrix h = hessian_matrix(p.landscape);
    if (!state) return flat(of(h, noise_covariance(p)));
    // C = (base + slope <l>) 1 with <l> = tr(H S) / 2, and S is proportional to C.
    const Matrix unit = of(h, Matrix::Identity(d, d));
    const double gain = 0.5 * p.noise.slope * (h * unit).trace();
    return flat(unit * (gain < 1 ? p.noise.base / (1 - gain) : kNan));
  } catch (const std::domain_error&) {  // there is no state of rest
    return std::vector<double>(static_cast<std::size_t>(d) * d, kNan);
  }
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
  const Potential phi = potential(p, law);
  if (!phi || d > 2) return {};
  if (d == 1) {
    // 1000 cells over the box at least, each with a rule of degree 9.
    const std::size_t fine = 1 + 1000 / histogram.bins;
    const std::vector<double> all = with_potential(p, phi, [&](const auto& at) {
      return theory::equilibrium_density(around(histogram.box, 0, histogram.bins * fine),
                                         std::function<double(double)>(at), 1);
    });
    const auto bins = theory::coarsened(all, static_cast<int>(fine));
    std::copy_n(bins.begin() + static_cast<std::ptrdiff_t>(histogram.bins), histogram.bins, density.begin());
    return density;
  }
  const theory::Cells x = around(histogram.box, 0, histogram.bins * kFine);
  const theory::Cells y = around(histogram.box, 1, histogram.bins * kFine);
  const std::vector<double> probability = plane_probabilities(p, phi, x, y);
  for (std::size_t i = 0; i < density.size(); ++i) {
    const auto first =
        probability.begin() + static_cast<std::ptrdiff_t>((histogram.bins + i) * kFine) * y.count;
    density[i] = std::accumulate(first, first + static_cast<std::ptrdiff_t>(kFine) * y.count, 0.0) / width;
  }
  return density;
}

std::vector<double> stationary_density_2d(const Problem& p, DensityLaw law, const Histogram& histogram) {
  const int d = p.landscape.dimension;
  const std::size_t bins = histogram.bins_2d;
  const bool gaussian = p.landscape.kind == Landscape::Kind::quadratic && p.noise.kind != Noise::Kind::state;
  if (d < 2 || (d > 2 && !gaussian)) return {};
  const theory::Cells x = around(histogram.box, 0, bins * kFine);
  const theory::Cells y = around(histogram.box, 1, bins * kFine);
  std::vector<double> probability;
  if (gaussian) {
    const std::vector<double> s = gaussian_covariance(p, law);
    if (s.empty()) return {};
    const double a = s[0], b = s[1], c = s[d + 1];
    const double det = a * c - b * b;
    for (int i = 0; i < x.count; ++i)
      for (int j = 0; j < y.count; ++j) {
        const double u = x.centre(i);
        const double v = y.centre(j);
        probability.push_back(std::exp(-0.5 * (c * u * u - 2 * b * u * v + a * v * v) / det) /
                              (2 * std::numbers::pi * std::sqrt(det)) * x.width() * y.width());
      }
  } else {
    const Potential phi = potential(p, law);
    if (!phi) return {};
    probability = plane_probabilities(p, phi, x, y);
  }
  std::vector<double> density(bins * bins, 0.0);
  const double area = x.width() * y.width() * kFine * kFine;
  for (std::size_t i = 0; i < bins * kFine; ++i)
    for (std::size_t j = 0; j < bins * kFine; ++j)
      density[i / kFine * bins + j / kFine] +=
          probability[(bins * kFine + i) * static_cast<std::size_t>(y.count) + bins * kFine + j] / area;
  return density;
}

std::vector<double> occupancy(const Problem& p, OccupancyLaw law, const Basins& basins, const Box& box) {
  std::vector<double> share(basins.count(), 0.0);
  if (law == OccupancyLaw::integral) {
    const Potential phi = potential(p, DensityLaw::fokker_planck);
    if (!phi) return {};
    if (p.landscape.dimension == 1) {
      const theory::Cells all = around(box, 0, 1);
      std::vector<double> ends = {all.lo};
      ends.insert(ends.end(), basins.maxima().begin(), basins.maxima().end());
      ends.push_back(all.hi);
      return with_potential(p, phi, [&](const auto& at) {
        return theory::basin_probabilities(std::function<double(double)>(at), 1, ends);
      });
    }
    const theory::Cells x = around(box, 0, kAcross);
    const theory::Cells y = around(box, 1, kAcross);
    const std::vector<double> probability = plane_probabilities(p, phi, x, y);
    for (int i = 0; i < x.count; ++i)
      for (int j = 0; j < y.count; ++j)
        share[basins.of(x.centre(i), y.centre(j))] +=
            probability[static_cast<std::size_t>(i) * static_cast<std::size_t>(y.count) +
                        static_cast<std::size_t>(j)];
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
  // The wall stands as far behind the start as the box allows: Phi grows so fast there that it is never met.
  const double behind = box.high[0] - box.low[0];
  const double wall = sign > 0 ? std::min(box.low[0], start) - behind : std::max(box.high[0], start) + behind;
  try {
    return with_loss(p.landscape, [&](const auto& loss) {
      return theory::mean_first_passage_time([&](double w) { return phi(loss(w)); },
                                             [&](double w) { return diffusion(loss(w)); }, wall, start, end);
    });
  } catch (const std::domain_error&) {  // beyond what numbers can hold
    return kNan;
  }
}

double kramers_time(const Problem& p, const Basins& basins) {
  const int d = p.landscape.dimension;
  const double t = temperature(p);
  if (d > 2 || !p.target || p.noise.kind == Noise::Kind::state || !isotropic_variance(p) || !(t > 0))
    return kNan;
  const auto& centre = p.start.centre;
  const std::size_t start = basins.of(centre[0], d > 1 ? centre[1] : 0);
  const double sign = p.target->direction > 0 ? 1 : -1;
  const auto reached = [&](std::size_t basin) {
    // On a line the basin of the target and those behind it; in a plane those whose minimum lies beyond it.
    constexpr double kRounding = 1e-6;
    if (d == 1)
      return sign * (static_cast<double>(basin) - static_cast<double>(basins.of(p.target->position, 0))) >= 0;
    return sign * (basins.minima()[basin].position[0] - p.target->position) >= -kRounding;
  };
  if (basins.count() < 2 || reached(start)) return kNan;

  // Mean times tau from basin to basin: sum over passes of k_ij (tau_i - tau_j) = 1, tau = 0 where reached.
  const auto n = static_cast<Eigen::Index>(basins.count());
  Eigen::MatrixXd hops = Eigen::MatrixXd::Identity(n, n);
  Eigen::VectorXd ones = Eigen::VectorXd::Zero(n);
  const auto matrix = [&](const std::vector<double>& h) {
    return Eigen::MatrixXd(Eigen::Map<const Matrix>(h.data(), d, d));
  };
  double exit = std::numeric_limits<double>::infinity();  // the lowest pass by which the target is reached
  for (const Pass& pass : basins.passes(p.landscape)) {
    if (reached(pass.basins[0]) != reached(pass.basins[1])) exit = std::min(exit, pass.loss);
    for (int side = 0; side < 2; ++side) {
      const auto from = static_cast<Eigen::Index>(pass.basins[side]);
      const auto to = static_cast<Eigen::Index>(pass.basins[1 - side]);
      if (reached(pass.basins[side])) continue;
      const Minimum& bottom = basins.minima()[pass.basins[side]];
      double rate = 0;
      try {
        rate = 1 / theory::kramers_time(matrix(hessian(p.landscape, bottom.position)), matrix(pass.hessian),
                                        pass.loss - bottom.loss, t);
      } catch (const std::domain_error&) {  // degenerate: no law
        return kNan;
      }
      if (ones[from] == 0) hops(from, from) = 0;
      ones[from] = 1;
      hops(from, from) += rate;
      hops(from, to) -= rate;
    }
  }
  // Walkers that come to the target within a basin do not go over its pass. Our choice of the margin.
  constexpr double kTemperatures = 2;
  const auto still_inside = [&](std::size_t basin) { return !reached(basin); };
  if (d == 2 &&
      least_on_line(p.landscape, basins, p.target->position, still_inside) < exit + kTemperatures * t)
    return kNan;
  const Eigen::FullPivLU<Eigen::MatrixXd> solver(hops);
  const double time = solver.solve(ones)[static_cast<Eigen::Index>(start)];
  return ones[static_cast<Eigen::Index>(start)] > 0 && solver.isInvertible() && time > 0 ? time : kNan;
}

std::vector<double> stationary_quantiles(const Problem& p, const Box& box, std::size_t n) {
  const Potential phi = potential(p, DensityLaw::fokker_planck);
  if (!phi || p.landscape.dimension != 1) return {};
  const theory::Cells cells = around(box, 0, 1U << 14);
  const std::vector<double> density = with_potential(p, phi, [&](const auto& at) {
    return theory::equilibrium_density(cells, std::function<double(double)>(at), 1);
  });
  std::vector<double> quantiles;
  double below = 0;
  int cell = 0;
  const auto probability = [&] { return density[static_cast<std::size_t>(cell)] * cells.width(); };
  for (std::size_t k = 0; k <= n; ++k) {
    const double wanted = std::clamp(static_cast<double>(k) / static_cast<double>(n), 1e-9, 1 - 1e-9);
    while (cell + 1 < cells.count && below + probability() < wanted) below += probability(), ++cell;
    const double part = std::clamp((wanted - below) / probability(), 0.0, 1.0);
    quantiles.push_back(cells.lo + (cell + part) * cells.width());
  }
  return quantiles;
}

}  // namespace soret::langevin
