#include "sims/random_walk/analysis.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>

#include "sims/jackknife.hpp"
#include "sims/random_walk/plane_density.hpp"
#include "soret/theory/fokker_planck.hpp"
#include "soret/theory/walk_conventions.hpp"

namespace soret::sims {
namespace {

using theory::Convention;
using theory::kConventions;
using O = walk::Observable;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
/// Cells of the solver, at least: its error, of the order of their width squared, is then below 1e-6.
constexpr int kSolverCells = 1000;
/// The density between two records is the mean of the solver's at up to so many times.
constexpr std::int64_t kMostTimes = 16;
/// The smallest expected count of a bin that enters a chi-square or a fit: normal enough for its error bar.
constexpr double kLeastCount = 25;
/// In the plane, where most bins hold few walkers, the skewness of their counts would add tenths.
constexpr double kLeastPlaneCount = 100;
/// Within this many steps of a wall the walk feels that its steps are finite, and the density differs from
/// the Fokker-Planck one by a share of the order of a step times the slope of g: such bins are left out.
constexpr double kWallSteps = 4;

class PointAnalysis {
 public:
  PointAnalysis(const walk::Problem& p, const RandomWalkRecord& r, const PointEnsemble& ensemble)
      : p_(p), r_(r), ensemble_(ensemble), amplitude_(p) {
    std::size_t offset = 0;
    offsets_.assign(walk::kObservables, 0);
    for (const O o : r.observables) {
      offsets_[static_cast<std::size_t>(o)] = offset;
      offset += walk::cells(o, p, r.bins) * r.steps.size();
    }
    largest_ = walk::amplitude_range(p).largest;
    constexpr double kRounding = 1e-9;
    jumps_ = std::abs(g(p.upper) - g(p.lower)) > kRounding * largest_;
  }

  // ---- Predictions of the three conventions ----

  std::vector<double> density_prediction() { return predicted().density; }
  std::vector<double> flux_prediction() { return predicted().flux; }

  /// [step][convention]: mean square of (measured - predicted) / error over the bins.
  std::vector<double> density_chi_square() { return chi_square(O::density, predicted().density, bins()); }
  std::vector<double> flux_chi_square() { return chi_square(O::flux, predicted().flux, bins() + 1); }

  std::vector<double> density_2d_prediction() {
    if (plane_.empty()) plane_ = plane_density(p_, r_);
    return plane_;
  }
  /// [step].
  std::vector<double> density_2d_chi_square() {
    const std::vector<double> predicted_plane = density_2d_prediction();
    const std::size_t cells = bins() * bins();
    std::vector<double> values;
    for (std::size_t k = 0; k < r_.steps.size(); ++k) {
      double sum = 0;
      int terms = 0;
      for (std::size_t i = 0; i < cells; ++i) {
        const double sigma = error(O::density_2d, k, i);
        const double expected = predicted_plane[k * cells + i];
        if (!(sigma > 0) || bin_near_wall(i / bins()) || bin_near_wall(i % bins()) ||
            count(expected) * bin_cells().width() < kLeastPlaneCount)
          continue;
        const double z = (mean(O::density_2d, k, i) - expected) / sigma;
        sum += z * z;
        ++terms;
      }
      values.push_back(terms > 0 ? error_scale() * sum / terms : kNaN);
    }
    return values;
  }

  std::vector<double> soret_coefficient_prediction() {
    std::vector<double> values;
    for (const Convention c : kConventions)
      for (std::size_t b = 0; b < bins(); ++b) {
        const double t = temperature(b);
        values.push_back(closed() && t > 0 ? theory::soret_coefficient(c, t) : kNaN);
      }
    return values;
  }
  /// [step][bin]: kicks have no mean; at walls, which push back, there is no prediction.
  std::vector<double> drift_prediction() {
    return away_from_walls([](std::size_t, std::size_t) { return 0; });
  }
  /// [step][bin]: eta^2 g^2 / 2, its mean over the walkers that the Fokker-Planck equation puts into the bin.
  std::vector<double> diffusion_prediction() {
    return away_from_walls(
        [&](std::size_t k, std::size_t b) { return predicted().diffusion[k * bins() + b]; });
  }
  std::vector<double> effective_temperature_prediction() {
    std::vector<double> values = diffusion_prediction();
    for (double& value : values) value *= 0.5;
    return values;
  }
  std::vector<double> mean_passage_time_prediction() {
    if (p_.boundary != walk::Boundary::absorbing || !has_variance()) return {kNaN};
    const auto equation = walk_equation(Convention::fokker_planck);
    return {theory::mean_absorption_time(equation, start_density(equation.cells).density)};
  }

  // ---- Estimates ----

  std::vector<double> stationary_exponent() { return value_of(exponents()); }
  std::vector<double> stationary_exponent_error() { return error_of(exponents()); }

  std::vector<double> stationary_exponent_prediction() {
    std::vector<double> values;
    for (const Convention c : kConventions) values.push_back(closed() ? -theory::numbers(c).exponent : kNaN);
    return values;
  }

  /// S_T = -d ln rho / dT = -(d ln rho / d ln g) / (2 T) at the last record.
  std::vector<double> soret_coefficient() { return soret(exponents().back().value, -1); }
  std::vector<double> soret_coefficient_error() { return soret(exponents().back().error, 1); }

  std::vector<double> drift() { return value_of(ratios(O::drift_density, O::density, 1)); }
  std::vector<double> drift_error() { return error_of(ratios(O::drift_density, O::density, 1)); }
  std::vector<double> diffusion() { return value_of(ratios(O::diffusion_density, O::density, 1)); }
  std::vector<double> diffusion_error() { return error_of(ratios(O::diffusion_density, O::density, 1)); }
  /// (eta g / 2)^2 = D_2 / 2.
  std::vector<double> effective_temperature() {
    return value_of(ratios(O::diffusion_density, O::density, 0.5));
  }
  std::vector<double> effective_temperature_error() {
    return error_of(ratios(O::diffusion_density, O::density, 0.5));
  }

  std::vector<double> mean_passage_time() { return value_of(passage_times()); }
  std::vector<double> mean_passage_time_error() { return error_of(passage_times()); }
  std::vector<double> passage_time_density() {
    std::vector<double> values = {0};
    for (std::size_t k = 1; k < r_.steps.size(); ++k)
      values.push_back((mean(O::survival, k - 1, 0) - mean(O::survival, k, 0)) /
                       static_cast<double>(r_.steps[k] - r_.steps[k - 1]));
    return values;
  }

 private:
  struct Predicted {
    std::vector<double> density;    ///< [step][convention][bin]
    std::vector<double> flux;       ///< [step][convention][edge]
    std::vector<double> diffusion;  ///< [step][bin], by fokker_planck
  };

  std::size_t bins() const { return static_cast<std::size_t>(r_.bins); }
  bool closed() const {
    return p_.boundary == walk::Boundary::reflecting || p_.boundary == walk::Boundary::periodic;
  }
  bool has_variance() const { return p_.kick != walk::Kick::student_t || p_.degrees_of_freedom > 2; }
  std::size_t cell(O o, std::size_t k, std::size_t c) const {
    return offsets_[static_cast<std::size_t>(o)] + k * walk::cells(o, p_, r_.bins) + c;
  }
  double mean(O o, std::size_t k, std::size_t c) const { return ensemble_.mean[cell(o, k, c)]; }
  double error(O o, std::size_t k, std::size_t c) const { return ensemble_.error[cell(o, k, c)]; }
  /// Along the first coordinate, the others in the middle of the domain.
  double g(double q) const {
    std::array<double, walk::kMaxDimensions> place, value;
    place.fill(0.5 * (p_.lower + p_.upper));
    place[0] = q;
    const auto n = static_cast<std::size_t>(p_.dimensions);
    amplitude_.at({place.data(), n}, {value.data(), n});
    return value[0];
  }

  // ---- The bins ----

  theory::Cells bin_cells() const { return {p_.lower, p_.upper, r_.bins}; }
  /// Mean of (eta g / 2)^2 over a bin.
  double temperature(std::size_t b) {
    if (temperatures_.empty()) {
      const double eta = p_.learning_rate;
      temperatures_ = theory::cell_integrals(
          bin_cells(), [&](double q) { return theory::effective_temperature(eta, g(q)); });
      for (double& t : temperatures_) t /= bin_cells().width();
    }
    return temperatures_[b];
  }
  /// Places closer than this to a wall are left out of comparisons; to the seam of a ring too, if g jumps
  /// there.
  bool near_wall(double from, double to) const {
    if (p_.boundary == walk::Boundary::periodic && !jumps_) return false;
    const double layer = kWallSteps * p_.learning_rate * largest_;
    return from < p_.lower + layer || to > p_.upper - layer;
  }
  bool bin_near_wall(std::size_t b) const {
    const auto bin = static_cast<int>(b);
    return near_wall(bin_cells().edge(bin), bin_cells().edge(bin + 1));
  }
  /// Walkers expected to be counted in a bin of this density at one sample.
  double count(double density) const {
    return density * bin_cells().width() * r_.walkers * static_cast<double>(r_.groups);
  }

  // ---- The solver ----

  theory::FokkerPlanck walk_equation(Convention convention) const {
    using theory::Wall;
    const Wall wall = p_.boundary == walk::Boundary::periodic    ? Wall::periodic
                      : p_.boundary == walk::Boundary::absorbing ? Wall::absorbing
                                                                 : Wall::no_flux;
    const int factor = (kSolverCells + r_.bins - 1) / r_.bins;
    return theory::walk_equation({p_.lower, p_.upper, r_.bins * factor}, {wall, wall}, convention,
                                 p_.learning_rate, [this](double q) { return g(q); });
  }

  theory::Density start_density(const theory::Cells& cells) const {
    switch (p_.start) {
      case walk::Start::point:
        return theory::point_start(cells, p_.start_position);
      case walk::Start::uniform:
        return theory::density_start(cells, [](double) { return 1.0; });
      case walk::Start::stationary:
        return theory::density_start(cells, [this](double q) { return 1 / (g(q) * g(q)); });
      case walk::Start::gaussian:
        break;
    }
    return gaussian_start(cells);
  }

  /// The normal density with what the walls fold back, or without what they absorb.
  theory::Density gaussian_start(const theory::Cells& cells) const {
    const double m = p_.start_position;
    const double s = p_.start_width;
    const auto below = [&](double q) { return theory::normal_cdf((q - m) / s); };
    const auto between = [&](double a, double b) { return below(b) - below(a); };
    const double period = p_.boundary == walk::Boundary::reflecting ? 2 * p_.width() : p_.width();
    const int images =
        closed() ? static_cast<int>(std::ceil((10 * s + std::abs(m - p_.lower)) / period)) + 1 : 0;
    theory::Density start;
    start.crossed.assign(static_cast<std::size_t>(cells.count) + 1, 0.0);
    for (int c = 0; c < cells.count; ++c) {
      double probability = 0;
      for (int image = -images; image <= images; ++image) {
        const double a = cells.edge(c) + image * period;
        const double b = cells.edge(c + 1) + image * period;
        probability += between(a, b);
        if (p_.boundary == walk::Boundary::reflecting)
          probability += between(2 * p_.lower - b, 2 * p_.lower - a);
      }
      start.density.push_back(probability / cells.width());
    }
    return start;
  }

  const Predicted& predicted() {
    if (!predicted_) predicted_ = predict();
    return *predicted_;
  }

  template <class F>
  std::vector<double> away_from_walls(F value) const {
    std::vector<double> values;
    for (std::size_t k = 0; k < r_.steps.size(); ++k)
      for (std::size_t b = 0; b < bins(); ++b)
        values.push_back(has_variance() && !bin_near_wall(b) ? value(k, b) : kNaN);
    return values;
  }

  /// Mean of eta^2 g^2 / 2 over a density on `factor` cells per bin, for each bin.
  std::vector<double> mean_diffusion(const theory::Cells& cells, const std::vector<double>& density,
                                     int factor) const {
    std::vector<double> means;
    for (std::size_t b = 0; b < bins(); ++b) {
      double all = 0;
      double sum = 0;
      for (int i = 0; i < factor; ++i) {
        const int cell = static_cast<int>(b) * factor + i;
        const double step = p_.learning_rate * g(cells.centre(cell));
        all += density[static_cast<std::size_t>(cell)];
        sum += density[static_cast<std::size_t>(cell)] * 0.5 * step * step;
      }
      means.push_back(all > 0 ? sum / all : kNaN);
    }
    return means;
  }

  Predicted predict() const {
    const std::size_t steps = r_.steps.size();
    const std::size_t conventions = kConventions.size();
    Predicted all{std::vector<double>(steps * conventions * bins(), kNaN),
                  std::vector<double>(steps * conventions * (bins() + 1), kNaN),
                  std::vector<double>(steps * bins(), kNaN)};
    if (p_.boundary == walk::Boundary::line || !has_variance()) return all;  // no such domain or diffusion
    for (std::size_t c = 0; c < conventions; ++c) {
      const theory::FokkerPlanck equation = walk_equation(kConventions[c]);
      const int factor = equation.cells.count / r_.bins;
      theory::Density state = start_density(equation.cells);
      for (std::size_t k = 0; k < steps; ++k) {
        const std::vector<double> crossed = state.crossed;
        const std::vector<double> fine = mean_density(equation, state, k);
        const std::vector<double> density = theory::coarsened(fine, factor);
        if (kConventions[c] == Convention::fokker_planck)
          std::ranges::copy(mean_diffusion(equation.cells, fine, factor),
                            all.diffusion.begin() + static_cast<std::ptrdiff_t>(k * bins()));
        std::ranges::copy(density,
                          all.density.begin() + static_cast<std::ptrdiff_t>((k * conventions + c) * bins()));
        double* const flux = &all.flux[(k * conventions + c) * (bins() + 1)];
        for (std::size_t e = 0; e <= bins(); ++e) {
          const std::size_t face = e * static_cast<std::size_t>(factor);
          flux[e] = k == 0 ? 0
                           : (state.crossed[face] - crossed[face]) /
                                 static_cast<double>(r_.steps[k] - r_.steps[k - 1]);
        }
      }
    }
    return all;
  }

  /// Brings the state to record k; the mean over the steps that the histogram of this record gathers, or over
  /// as many evenly spread ones.
  std::vector<double> mean_density(const theory::FokkerPlanck& equation, theory::Density& state,
                                   std::size_t k) const {
    const auto last = static_cast<double>(r_.steps[k]);
    if (k == 0) return state.density;
    if (r_.sample_every == 0) {
      theory::evolve(equation, state, last);
      return state.density;
    }
    std::vector<double> times;
    for (std::int64_t step = (r_.steps[k - 1] / r_.sample_every + 1) * r_.sample_every; step < r_.steps[k];
         step += r_.sample_every)
      times.push_back(static_cast<double>(step));
    times.push_back(last);
    std::vector<double> chosen = times;
    if (times.size() > static_cast<std::size_t>(kMostTimes)) {
      chosen.clear();
      const double each = static_cast<double>(times.size()) / static_cast<double>(kMostTimes);
      for (std::int64_t i = 0; i < kMostTimes; ++i)
        chosen.push_back(times[static_cast<std::size_t>((static_cast<double>(i) + 0.5) * each)]);
    }
    std::vector<double> sum(state.density.size(), 0.0);
    for (const double time : chosen) {
      theory::evolve(equation, state, time);
      for (std::size_t i = 0; i < sum.size(); ++i)
        sum[i] += state.density[i] / static_cast<double>(chosen.size());
    }
    if (state.time < last) theory::evolve(equation, state, last);
    return sum;
  }

  // ---- Comparing ----

  /// With errors from n groups a deviation is Student's t, whose mean square is (n - 1) / (n - 3): divided
  /// out, so that the expectation is 1.
  double error_scale() const {
    const auto groups = static_cast<double>(
        std::accumulate(ensemble_.survivors.begin(), ensemble_.survivors.end(), std::int64_t{0}));
    return groups > 3 ? (groups - 3) / (groups - 1) : kNaN;
  }

  std::vector<double> chi_square(O o, const std::vector<double>& prediction, std::size_t cells) const {
    const std::size_t conventions = kConventions.size();
    const double scale = error_scale();
    std::vector<double> values(r_.steps.size() * conventions, kNaN);
    for (std::size_t k = 0; k < r_.steps.size(); ++k) {
      for (std::size_t c = 0; c < conventions; ++c) {
        double sum = 0;
        int terms = 0;
        for (std::size_t i = 0; i < cells; ++i) {
          const double sigma = error(o, k, i);
          if (!(sigma > 0) || left_out(o, k, i)) continue;
          const double z = (mean(o, k, i) - prediction[(k * conventions + c) * cells + i]) / sigma;
          sum += z * z;
          ++terms;
        }
        if (terms > 0) values[k * conventions + c] = scale * sum / terms;
      }
    }
    return values;
  }

  bool left_out(O o, std::size_t k, std::size_t i) const {
    if (o == O::density) return bin_near_wall(i) || count(mean(o, k, i)) < kLeastCount;
    const double edge = bin_cells().edge(static_cast<int>(i));
    // An edge of a ring stands twice: lower and upper end are one.
    if (p_.boundary == walk::Boundary::periodic) return i == bins();
    return near_wall(edge, edge);
  }

  // ---- Estimates with errors ----

  /// factor times numerator over denominator, for every record and cell.
  std::vector<Estimate> ratios(O numerator, O denominator, double factor) const {
    std::vector<Estimate> all;
    for (std::size_t k = 0; k < r_.steps.size(); ++k)
      for (std::size_t c = 0; c < bins(); ++c)
        all.push_back(jackknife(ensemble_, [&](auto at) {
          const double below = at(cell(denominator, k, c));
          return below > 0 ? factor * at(cell(numerator, k, c)) / below : kNaN;
        }));
    return all;
  }

  std::vector<Estimate> passage_times() const {
    std::vector<Estimate> all;
    for (std::size_t k = 0; k < r_.steps.size(); ++k)
      all.push_back(jackknife(ensemble_, [&](auto at) {
        const double absorbed = 1 - at(cell(O::survival, k, 0));
        return absorbed > 0 ? at(cell(O::passage_time, k, 0)) / absorbed : kNaN;
      }));
    return all;
  }

  /// d ln rho / d ln g at every record: least squares over the bins, weighted by the errors of ln rho. ln g
  /// of a bin is that of its mean 1/g^2, which makes the slope of rho ~ g^-2 exact for bins of any width.
  const std::vector<Estimate>& exponents() {
    if (!exponents_.empty()) return exponents_;
    std::vector<double> log_g(bins(), kNaN);
    if (closed()) {
      const auto integrals =
          theory::cell_integrals(bin_cells(), [this](double q) { return 1 / (g(q) * g(q)); });
      for (std::size_t b = 0; b < bins(); ++b)
        if (!bin_near_wall(b)) log_g[b] = -0.5 * std::log(integrals[b] / bin_cells().width());
    }
    for (std::size_t k = 0; k < r_.steps.size(); ++k) {
      std::vector<std::size_t> used;
      std::vector<double> weight;
      for (std::size_t b = 0; b < bins(); ++b) {
        const double rho = mean(O::density, k, b);
        const double sigma = error(O::density, k, b);
        if (!std::isfinite(log_g[b]) || !(sigma > 0) || count(rho) < kLeastCount) continue;
        used.push_back(b);
        weight.push_back(rho * rho / (sigma * sigma));
      }
      exponents_.push_back(jackknife(ensemble_, [&](auto at) {
        double w = 0, x = 0, y = 0;
        for (std::size_t i = 0; i < used.size(); ++i) {
          w += weight[i];
          x += weight[i] * log_g[used[i]];
          y += weight[i] * std::log(at(cell(O::density, k, used[i])));
        }
        x /= w;
        y /= w;
        double xx = 0, xy = 0;
        for (std::size_t i = 0; i < used.size(); ++i) {
          const double dx = log_g[used[i]] - x;
          xx += weight[i] * dx * dx;
          xy += weight[i] * dx * (std::log(at(cell(O::density, k, used[i]))) - y);
        }
        // The same g everywhere gives no slope.
        return xx > 1e-12 * w ? xy / xx : kNaN;
      }));
    }
    return exponents_;
  }

  std::vector<double> soret(double slope, double sign) {
    std::vector<double> values;
    for (std::size_t b = 0; b < bins(); ++b) {
      const double t = temperature(b);
      values.push_back(t > 0 ? sign * slope / (2 * t) : kNaN);
    }
    return values;
  }

  static std::vector<double> value_of(const std::vector<Estimate>& all) {
    std::vector<double> values;
    for (const Estimate& e : all) values.push_back(e.value);
    return values;
  }
  static std::vector<double> error_of(const std::vector<Estimate>& all) {
    std::vector<double> values;
    for (const Estimate& e : all) values.push_back(e.error);
    return values;
  }

  const walk::Problem& p_;
  const RandomWalkRecord& r_;
  const PointEnsemble& ensemble_;
  walk::Amplitude amplitude_;
  double largest_ = 0;
  bool jumps_ = false;  ///< g from upper to lower
  std::vector<std::size_t> offsets_;
  std::vector<double> temperatures_;
  std::vector<Estimate> exponents_;
  std::optional<Predicted> predicted_;
  std::vector<double> plane_;  ///< density_2d_prediction(), once computed
};

/// A derived quantity, what it needs, and how it is computed.
struct Derivation {
  DerivedQuantity what;
  std::vector<O> needs;
  int dimensions;  ///< that the theory behind it is for; 0: any
  std::vector<double> (PointAnalysis::*compute)();
};

const std::vector<Derivation>& derivations() {
  using P = PointAnalysis;
  const char* const kFlux = "seed 002 Eqs. 10 and 11 against Fokker-Planck";
  static const std::vector<Derivation> all = {
      {{{"density_prediction",
         "1",
         "density as a convention predicts it, mean over the bin",
         kFlux,
         {"convention", "position"}},
        true,
        "density"},
       {O::density},
       1,
       &P::density_prediction},
      {{{"density_chi_square",
         "1",
         "chi-square per bin of the density against a convention",
         kFlux,
         {"convention"}},
        true,
        "",
        "density"},
       {O::density},
       1,
       &P::density_chi_square},
      {{{"flux_prediction",
         "1",
         "mean flux since the last record as a convention predicts it",
         kFlux,
         {"convention", "edge"}},
        true,
        "flux"},
       {O::flux},
       1,
       &P::flux_prediction},
      {{{"flux_chi_square",
         "1",
         "chi-square per edge of the flux against a convention",
         kFlux,
         {"convention"}},
        true,
        "",
        "flux"},
       {O::flux},
       1,
       &P::flux_chi_square},
      {{{"density_2d_prediction",
         "1",
         "density by the Fokker-Planck equation, mean over the bin",
         "seed 002 Eq. 8",
         {"position", "position_2"}},
        true,
        "density_2d"},
       {O::density_2d},
       2,
       &P::density_2d_prediction},
      {{{"density_2d_chi_square", "1", "chi-square per bin of density_2d", "", {}}, true, "", "density_2d"},
       {O::density_2d},
       2,
       &P::density_2d_chi_square},
      {{{"stationary_exponent",
         "1",
         "d ln rho / d ln g along the first coordinate, fitted over the bins",
         "-2 by Fokker-Planck; seed 002 Eq. 10: -1, with Eq. 11: -1/2",
         {}},
        true},
       {O::density},
       0,
       &P::stationary_exponent},
      {{{"stationary_exponent_stderr", "1", "jackknife error of stationary_exponent", "", {}}, true},
       {O::density},
       0,
       &P::stationary_exponent_error},
      {{{"stationary_exponent_prediction",
         "1",
         "d ln rho / d ln g at zero flux as a convention predicts it",
         kFlux,
         {"convention"}},
        false,
        "stationary_exponent"},
       {O::density},
       1,
       &P::stationary_exponent_prediction},
      {{{"soret_coefficient",
         "1",
         "Soret coefficient -d ln rho / dT at the last record, T = (eta g / 2)^2",
         "seed 002 Eqs. 1 and 34-36",
         {"position"}},
        false},
       {O::density},
       1,
       &P::soret_coefficient},
      {{{"soret_coefficient_stderr", "1", "jackknife error of soret_coefficient", "", {"position"}}, false},
       {O::density},
       1,
       &P::soret_coefficient_error},
      {{{"soret_coefficient_prediction",
         "1",
         "Soret coefficient as a convention predicts it",
         kFlux,
         {"convention", "position"}},
        false,
        "soret_coefficient"},
       {O::density},
       1,
       &P::soret_coefficient_prediction},
      {{{"drift",
         "1",
         "drift D1: mean displacement per step by starting bin, a Kramers-Moyal coefficient",
         "",
         {"position"}},
        true},
       {O::density, O::drift_density},
       0,
       &P::drift},
      {{{"drift_stderr", "1", "jackknife error of drift", "", {"position"}}, true},
       {O::density, O::drift_density},
       0,
       &P::drift_error},
      {{{"diffusion",
         "1",
         "diffusion D2: half the mean square displacement per step, a Kramers-Moyal coefficient",
         "",
         {"position"}},
        true},
       {O::density, O::diffusion_density},
       0,
       &P::diffusion},
      {{{"diffusion_stderr", "1", "jackknife error of diffusion", "", {"position"}}, true},
       {O::density, O::diffusion_density},
       0,
       &P::diffusion_error},
      {{{"drift_prediction",
         "1",
         "0: kicks have no mean, and only walls push",
         "seed 002 Eq. 5",
         {"position"}},
        true,
        "drift"},
       {O::density, O::drift_density},
       1,
       &P::drift_prediction},
      {{{"diffusion_prediction",
         "1",
         "eta^2 g^2 / 2, mean over the walkers that the Fokker-Planck equation puts into the bin",
         "seed 002 Eq. 6",
         {"position"}},
        true,
        "diffusion"},
       {O::density, O::diffusion_density},
       1,
       &P::diffusion_prediction},
      {{{"effective_temperature",
         "1",
         "effective temperature: (eta g / 2)^2, half of D2 as measured",
         "seed 002 Eq. 35",
         {"position"}},
        true},
       {O::density, O::diffusion_density},
       0,
       &P::effective_temperature},
      {{{"effective_temperature_prediction",
         "1",
         "half of diffusion_prediction",
         "seed 002 Eq. 35",
         {"position"}},
        true,
        "effective_temperature"},
       {O::density, O::diffusion_density},
       1,
       &P::effective_temperature_prediction},
      {{{"effective_temperature_stderr", "1", "jackknife error of effective_temperature", "", {"position"}},
        true},
       {O::density, O::diffusion_density},
       0,
       &P::effective_temperature_error},
      {{{"mean_passage_time", "1", "mean first-passage time of the walkers absorbed so far", "", {}}, true},
       {O::survival, O::passage_time},
       0,
       &P::mean_passage_time},
      {{{"mean_passage_time_stderr", "1", "jackknife error of mean_passage_time", "", {}}, true},
       {O::survival, O::passage_time},
       0,
       &P::mean_passage_time_error},
      {{{"mean_passage_time_prediction",
         "1",
         "mean first-passage time by the Fokker-Planck equation",
         "",
         {}},
        false,
        "mean_passage_time"},
       {O::survival, O::passage_time},
       1,
       &P::mean_passage_time_prediction},
      {{{"passage_time_density", "1", "share of walkers absorbed per step since the last record", "", {}},
        true},
       {O::survival},
       0,
       &P::passage_time_density},
  };
  return all;
}

bool allowed(const Derivation& derivation, const RandomWalkRecord& record, int dimensions) {
  return (derivation.dimensions == 0 || derivation.dimensions == dimensions) &&
         std::ranges::all_of(derivation.needs, [&](O o) {
           return std::ranges::find(record.observables, o) != record.observables.end();
         });
}

}  // namespace

std::vector<DerivedQuantity> random_walk_derived(const RandomWalkRecord& record, int dimensions) {
  std::vector<DerivedQuantity> all;
  for (const Derivation& derivation : derivations())
    if (allowed(derivation, record, dimensions)) all.push_back(derivation.what);
  return all;
}

std::vector<DerivedQuantity> random_walk_all_derived() {
  std::vector<DerivedQuantity> all;
  for (const Derivation& derivation : derivations()) all.push_back(derivation.what);
  return all;
}

std::vector<double> random_walk_derive(const walk::Problem& problem, const RandomWalkRecord& record,
                                       const PointEnsemble& ensemble) {
  PointAnalysis analysis(problem, record, ensemble);
  std::vector<double> all;
  for (const Derivation& derivation : derivations()) {
    if (!allowed(derivation, record, problem.dimensions)) continue;
    const std::vector<double> values = (analysis.*derivation.compute)();
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

Coordinate convention_coordinate() {
  Coordinate convention{.name = "convention", .long_name = "what the flux is taken to be"};
  for (const Convention c : kConventions) convention.labels.emplace_back(theory::name(c));
  return convention;
}

}  // namespace soret::sims
