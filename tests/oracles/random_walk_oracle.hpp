#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"
#include "soret/walk/random_walk.hpp"

/// Random walks as plain double loops with the C library's functions, one walker at a time, straight from
/// seed 002 Eqs. 4, 8 and 23-26 and from the numbering of the random words in kicks.hpp. Slow and obvious.
namespace soret::oracle {

inline double profile(const walk::Field& f, double q) {
  using walk::FieldKind;
  const double d = q - f.centre;
  switch (f.kind) {
    case FieldKind::linear:
      return f.level + f.strength * d;
    case FieldKind::sinusoidal:
      return f.level + f.strength * std::sin(2 * M_PI * d * f.inverse_period);
    case FieldKind::exponential:
      return f.level * std::exp(f.strength * d);
    case FieldKind::power:
      return f.level * std::pow(std::abs(d), f.exponent);
    case FieldKind::bump:
      return f.level + f.strength * std::exp(-0.5 * std::pow(d * f.inverse_width, 2));
    default:
      return f.level;
  }
}

inline std::vector<double> amplitude(const walk::Problem& p, const std::vector<double>& q) {
  using walk::FieldKind;
  const walk::Field& f = p.field;
  const auto n = q.size();
  std::vector<double> g(n);
  if (f.kind == FieldKind::neuron) {
    const double a = f.weight_norm;
    const double b = q.back();
    const double cdf = 0.5 * std::erfc(-b / a / std::sqrt(2.0));
    const double pdf = std::exp(-0.5 * b * b / (a * a)) / std::sqrt(2 * M_PI);
    g[0] = 0.5 * std::sqrt((a * a + b * b) * cdf + a * b * pdf) * f.inverse_root_batch;
    g.back() = 0.5 * std::abs(q[0]) * std::sqrt(cdf) * f.inverse_root_batch;
  } else if (f.kind == FieldKind::quadratic) {
    double form = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        form += (i == j ? 1.0 : f.correlation) * f.strength * (q[i] - f.centre) * (q[j] - f.centre);
    for (double& x : g) x = f.level + 0.5 * form;
  } else if (f.kind == FieldKind::formula) {
    for (std::size_t i = 0; i < n; ++i) g[i] = p.formulas[p.formulas.size() == 1 ? 0 : i](q);
  } else if (f.coupling == walk::Coupling::product) {
    double all = 1;
    for (const double x : q) all *= profile(f, x);
    for (double& x : g) x = all;
  } else {
    for (std::size_t i = 0; i < n; ++i) g[i] = profile(f, q[i]);
  }
  return g;
}

inline double gamma(const walk::Problem& p, std::uint32_t walker, std::int64_t step, int u) {
  const Stream stream{p.seed, Purpose::walk_kicks, walker};
  const auto gammas = static_cast<std::uint64_t>(p.gammas());
  const auto words = [&](std::uint64_t block) {
    const auto b = stream.block(block);
    return std::vector<std::uint32_t>{b.x, b.y, b.z, b.w};
  };
  const auto uniform = [](std::uint32_t word) { return (word + 0.5) / 4294967296.0; };
  if (p.kick == walk::Kick::rademacher) {
    const auto w = words(static_cast<std::uint64_t>(step / 128) * gammas + static_cast<std::uint64_t>(u));
    const auto bit = static_cast<std::size_t>(step % 128);
    return (w[bit / 32] >> (31 - bit % 32)) % 2 == 1 ? -1 : 1;
  }
  const std::uint64_t i = static_cast<std::uint64_t>(step) * gammas + static_cast<std::uint64_t>(u);
  if (p.kick == walk::Kick::student_t) {
    const auto w = words(i / 2);
    const double nu = p.degrees_of_freedom;
    const double a = uniform(w[i % 2 * 2]);
    const double b = uniform(w[i % 2 * 2 + 1]);
    const double t = std::sqrt(nu * (std::pow(a, -2 / nu) - 1)) * std::cos(2 * M_PI * b);
    return nu > 2 ? t * std::sqrt((nu - 2) / nu) : t;
  }
  const auto w = words(i / 4);
  if (p.kick == walk::Kick::uniform) return std::sqrt(3.0) * (2 * uniform(w[i % 4]) - 1);
  float a = 0;
  float b = 0;
  normal_pair(w[i % 4 / 2 * 2], w[i % 4 / 2 * 2 + 1], a, b);
  return static_cast<double>(i % 2 == 0 ? a : b);
}

/// q after `steps` steps from `q`; an absorbed walker stays on the wall it reached.
inline std::vector<double> walked(const walk::Problem& p, std::uint32_t walker, std::vector<double> q,
                                  std::int64_t steps) {
  using walk::Boundary;
  bool absorbed = false;
  for (std::int64_t step = 0; step < steps && !absorbed; ++step) {
    const std::vector<double> g = amplitude(p, q);
    for (std::size_t i = 0; i < q.size(); ++i) {
      double& x = q[i];
      x -= p.learning_rate * gamma(p, walker, step, p.shares[i]) * g[i];
      if (p.boundary == Boundary::reflecting)
        while (x < p.lower || x > p.upper) x = x < p.lower ? 2 * p.lower - x : 2 * p.upper - x;
      if (p.boundary == Boundary::periodic) {
        while (x < p.lower) x += p.width();
        while (x >= p.upper) x -= p.width();
      }
    }
    if (p.boundary == Boundary::absorbing)
      for (double& x : q)
        if (x <= p.lower || x >= p.upper) {
          x = x <= p.lower ? p.lower : p.upper;
          absorbed = true;
        }
  }
  return q;
}

}  // namespace soret::oracle
