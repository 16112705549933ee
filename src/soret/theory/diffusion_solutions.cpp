#include "soret/theory/diffusion_solutions.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numbers>
#include <stdexcept>

#include "soret/theory/require.hpp"

namespace soret::theory {
namespace {

using std::numbers::pi;

double gaussian(double x, double variance) {
  return std::exp(-x * x / (2 * variance)) / std::sqrt(2 * pi * variance);
}

void require_time(double time) {
  if (!(time >= 0)) throw std::domain_error(fmt::format("time {} must not be negative", time));
}

void require_inside(double length, double q) {
  require_positive("length", length);
  if (!(q >= 0 && q <= length)) throw std::domain_error(fmt::format("{} lies outside [0, {}]", q, length));
}

/// Below this spread^2/length^2 the sum over images converges faster, above it that over modes; at it each
/// needs at most kTerms terms for full precision.
constexpr double kImagesBelow = 0.3;
constexpr int kTerms = 8;

/// Between two walls, `sign` +1 if they reflect and -1 if they absorb.
double walled_density(double length, double start, double spread2, double q, int sign) {
  double total = 0;
  if (spread2 < kImagesBelow * length * length) {
    for (int n = -kTerms; n <= kTerms; ++n) {
      total += gaussian(q - start + 2 * n * length, spread2) +
               sign * gaussian(q + start + 2 * n * length, spread2);
    }
    return total;
  }
  if (sign > 0) total = 1 / length;
  for (int k = 1; k <= kTerms; ++k) {
    const double wave = k * pi / length;
    const double decay = 2 / length * std::exp(-wave * wave * spread2 / 2);
    total += decay * (sign > 0 ? std::cos(wave * q) * std::cos(wave * start)
                               : std::sin(wave * q) * std::sin(wave * start));
  }
  return total;
}

}  // namespace

double OrnsteinUhlenbeck::mean(double start, double time) const {
  require_time(time);
  return start * std::exp(-rate * time);
}
double OrnsteinUhlenbeck::variance(double time) const {
  require_time(time);
  return -stationary_variance() * std::expm1(-2 * rate * time);
}
double OrnsteinUhlenbeck::covariance(double s, double t) const {
  const double first = std::fmin(s, t);
  return std::exp(-rate * (std::fmax(s, t) - first)) * variance(first);
}
double OrnsteinUhlenbeck::stationary_variance() const {
  require_positive("rate", rate);
  return spread * spread / (2 * rate);
}
double OrnsteinUhlenbeck::density(double start, double time, double x) const {
  require_positive("time", time);
  return gaussian(x - mean(start, time), variance(time));
}

double GeometricBrownian::solution(double start, double time, double w) const {
  require_time(time);
  return start * std::exp((drift - volatility * volatility / 2) * time + volatility * w);
}
double GeometricBrownian::mean(double start, double time) const {
  require_time(time);
  return start * std::exp(drift * time);
}
double GeometricBrownian::second_moment(double start, double time) const {
  require_time(time);
  return start * start * std::exp((2 * drift + volatility * volatility) * time);
}
double GeometricBrownian::density(double start, double time, double x) const {
  require_positive("time", time);
  require_positive("start", start);
  if (x <= 0) return 0;
  const double rest = std::log(x / start) - (drift - volatility * volatility / 2) * time;
  return gaussian(rest, volatility * volatility * time) / x;
}

double Brownian::reflected_density(double length, double start, double time, double q) const {
  require_inside(length, start);
  require_inside(length, q);
  require_positive("time", time);
  require_positive("variance rate", variance_rate);
  return walled_density(length, start, variance_rate * time, q, +1);
}
double Brownian::absorbed_density(double length, double start, double time, double q) const {
  require_inside(length, start);
  require_inside(length, q);
  require_positive("time", time);
  require_positive("variance rate", variance_rate);
  return walled_density(length, start, variance_rate * time, q, -1);
}
double Brownian::survival(double length, double start, double time) const {
  require_inside(length, start);
  require_time(time);
  require_positive("variance rate", variance_rate);
  const double spread2 = variance_rate * time;
  if (spread2 == 0) return start > 0 && start < length ? 1 : 0;
  double total = 0;
  if (spread2 < kImagesBelow * length * length) {
    // The images of absorbed_density, each integrated over the interval.
    const double scale = std::sqrt(2 * spread2);
    for (int n = -kTerms; n <= kTerms; ++n) {
      const double shift = 2 * n * length;
      const auto mass = [&](double centre) {
        return 0.5 * (std::erf((length - centre) / scale) - std::erf(-centre / scale));
      };
      total += mass(start - shift) - mass(-start - shift);
    }
    return total;
  }
  for (int k = 1; k <= 2 * kTerms; k += 2) {
    const double wave = k * pi / length;
    total += 4 / (k * pi) * std::sin(wave * start) * std::exp(-wave * wave * spread2 / 2);
  }
  return total;
}
double Brownian::mean_exit_time(double length, double start) const {
  require_inside(length, start);
  require_positive("variance rate", variance_rate);
  return start * (length - start) / variance_rate;
}
double Brownian::half_line_survival(double distance, double time) const {
  require_time(time);
  require_positive("variance rate", variance_rate);
  require_positive("distance", distance);
  return time == 0 ? 1 : std::erf(distance / std::sqrt(2 * variance_rate * time));
}
double Brownian::first_passage_density(double distance, double time) const {
  require_positive("time", time);
  require_positive("distance", distance);
  require_positive("variance rate", variance_rate);
  return distance / time * gaussian(distance, variance_rate * time);
}

}  // namespace soret::theory
