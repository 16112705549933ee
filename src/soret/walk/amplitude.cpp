#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/walk/random_walk.hpp"
#include "soret/walk/sign_walk.hpp"

namespace soret::walk {
namespace {

template <FieldKind K>
void separate(const Field& field, std::span<const double* const> q, std::span<double* const> g, int n) {
  for (std::size_t i = 0; i < g.size(); ++i)
    for (int k = 0; k < n; k += kDoubleLanes) store(g[i] + k, profile<K>(field, load(q[i] + k)));
}

template <FieldKind K>
void product(const Field& field, std::span<const double* const> q, std::span<double* const> g, int n) {
  for (int k = 0; k < n; k += kDoubleLanes) {
    DoubleLanes all = profile<K>(field, load(q[0] + k));
    for (std::size_t i = 1; i < g.size(); ++i) all *= profile<K>(field, load(q[i] + k));
    for (double* row : g) store(row + k, all);
  }
}

template <FieldKind K>
void profiles(const Field& field, std::span<const double* const> q, std::span<double* const> g, int n) {
  if (field.coupling == Coupling::product) {
    product<K>(field, q, g, n);
  } else {
    separate<K>(field, q, g, n);
  }
}

void quadratic(const Field& field, std::span<const double* const> q, std::span<double* const> g, int n) {
  DoubleLanes place[kMaxDimensions];
  for (int k = 0; k < n; k += kDoubleLanes) {
    for (std::size_t i = 0; i < q.size(); ++i) place[i] = load(q[i] + k);
    const DoubleLanes all = quadratic_form(field, place, static_cast<int>(q.size()));
    for (double* row : g) store(row + k, all);
  }
}

}  // namespace

std::vector<std::string> formula_variables(int dimensions) {
  if (dimensions == 1) return {"q"};
  std::vector<std::string> names;
  for (int i = 1; i <= dimensions; ++i) names.push_back(fmt::format("q{}", i));
  return names;
}

int Problem::gammas() const {
  return *std::ranges::max_element(shares) + 1;
}

Amplitude::Amplitude(const Problem& problem)
    : field_(problem.field), dimensions_(problem.dimensions), formulas_(problem.formulas) {}

void Amplitude::operator()(std::span<const double* const> q, std::span<double* const> g, int n) const {
  switch (field_.kind) {
    case FieldKind::constant:
      return profiles<FieldKind::constant>(field_, q, g, n);
    case FieldKind::linear:
      return profiles<FieldKind::linear>(field_, q, g, n);
    case FieldKind::sinusoidal:
      return profiles<FieldKind::sinusoidal>(field_, q, g, n);
    case FieldKind::exponential:
      return profiles<FieldKind::exponential>(field_, q, g, n);
    case FieldKind::power:
      return profiles<FieldKind::power>(field_, q, g, n);
    case FieldKind::bump:
      return profiles<FieldKind::bump>(field_, q, g, n);
    case FieldKind::quadratic:
      return quadratic(field_, q, g, n);
    case FieldKind::neuron:
      for (int k = 0; k < n; ++k) neuron_amplitude(field_, q[0][k], q[1][k], g[0][k], g[1][k]);
      return;
    case FieldKind::formula:
      for (std::size_t i = 0; i < g.size(); ++i) {
        if (i < formulas_.size()) {
          formulas_[i].evaluate(q, {g[i], static_cast<std::size_t>(n)});
        } else {
          std::copy_n(g[0], n, g[i]);
        }
      }
      return;
  }
}

void Amplitude::at(std::span<const double> q, std::span<double> g) const {
  if (field_.kind == FieldKind::formula) {
    for (std::size_t i = 0; i < g.size(); ++i) g[i] = formulas_[i < formulas_.size() ? i : 0](q);
    return;
  }
  double places[kMaxDimensions][kDoubleLanes];
  double amplitudes[kMaxDimensions][kDoubleLanes];
  const double* from[kMaxDimensions];
  double* to[kMaxDimensions];
  for (int i = 0; i < dimensions_; ++i) {
    std::fill_n(places[i], kDoubleLanes, q[i]);
    from[i] = places[i];
    to[i] = amplitudes[i];
  }
  const auto n = static_cast<std::size_t>(dimensions_);
  (*this)({from, n}, {to, n}, kDoubleLanes);
  for (int i = 0; i < dimensions_; ++i) g[i] = amplitudes[i][0];
}

AmplitudeRange amplitude_range(const Problem& problem) {
  constexpr double kPlaces = 30'000;  // over all dimensions; odd per dimension, so that the middle is one
  const int d = problem.dimensions;
  const int per_dimension = std::max(3, 2 * static_cast<int>(0.5 * std::pow(kPlaces, 1.0 / d)) + 1);
  const Amplitude amplitude(problem);
  std::vector<int> index(d, 0);
  std::vector<double> q(d), g(d);
  AmplitudeRange range{HUGE_VAL, 0};
  const char* const key = problem.formulas.empty() ? "walk.field" : "walk.g";
  while (true) {
    for (int i = 0; i < d; ++i) q[i] = problem.lower + problem.width() * index[i] / (per_dimension - 1);
    amplitude.at(q, g);
    for (int i = 0; i < d; ++i) {
      if (!(g[i] >= 0) || !std::isfinite(g[i])) {
        throw ConfigError(fmt::format(
            "{}: the amplitude g{} is {} at {} = {:.6g}; it must be a number >= 0 in the whole domain [{}, "
            "{}]",
            key, d > 1 ? std::to_string(i + 1) : "", std::isnan(g[i]) ? "not a number" : fmt::to_string(g[i]),
            fmt::join(formula_variables(d), ", "), fmt::join(q, ", "), problem.lower, problem.upper));
      }
      range.smallest = std::min(range.smallest, g[i]);
      range.largest = std::max(range.largest, g[i]);
    }
    int i = 0;
    while (i < d && ++index[i] == per_dimension) index[i++] = 0;
    if (i == d) break;
  }
  if (range.largest == 0) {
    throw ConfigError(
        fmt::format("{}: the amplitude g is zero in the whole domain [{}, {}]: nothing would move", key,
                    problem.lower, problem.upper));
  }
  return range;
}

void check(const Problem& problem) {
  const AmplitudeRange range = amplitude_range(problem);
  if (problem.boundary != Boundary::line) {
    const double reach = problem.kick == Kick::uniform ? std::sqrt(3.0) : 1.0;
    const double step = problem.learning_rate * range.largest * reach;
    if (step > problem.width()) {
      throw ConfigError(fmt::format(
          "a step is up to {:.4g} long, but the domain [{}, {}] only {:.4g}: lower walk.learning_rate ({}) "
          "or "
          "the amplitude (up to {:.4g})",
          step, problem.lower, problem.upper, problem.width(), problem.learning_rate, range.largest));
    }
  }
  if (problem.start == Start::stationary) StationaryStart{problem};
  if (problem.single_precision) fixed_point_walk(problem);
}

StationaryStart::StationaryStart(const Problem& problem) : lower_(problem.lower) {
  constexpr std::size_t kCells = 1 << 14;
  if (problem.dimensions != 1)
    throw ConfigError("walk.start = stationary needs walk.dimensions = 1; use point, uniform or gaussian");
  if (problem.boundary == Boundary::line || problem.boundary == Boundary::absorbing) {
    throw ConfigError(
        "walk.start = stationary needs walk.boundary = reflecting or periodic: on a line or between "
        "absorbing "
        "walls there is no stationary density");
  }
  cell_ = problem.width() / kCells;
  const Amplitude amplitude(problem);
  for (std::size_t k = 0; k <= kCells; ++k) {
    const double q = lower_ + cell_ * static_cast<double>(k);
    double g = 0;
    amplitude.at({&q, 1}, {&g, 1});
    if (!(g > 0)) {
      throw ConfigError(fmt::format(
          "walk.start = stationary needs an amplitude above 0, but g({:.6g}) = {}: the stationary density "
          "1/g^2 cannot be normalised",
          q, g));
    }
    density_.push_back(1 / (g * g));
  }
  cumulative_.push_back(0);
  for (std::size_t k = 0; k < kCells; ++k)
    cumulative_.push_back(cumulative_.back() + 0.5 * (density_[k] + density_[k + 1]));
  const double total = cumulative_.back();
  for (double& x : cumulative_) x /= total;
  for (double& x : density_) x /= total;
}

}  // namespace soret::walk
