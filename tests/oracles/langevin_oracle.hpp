#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"

/// One Langevin walker as a textbook would write it: plain double loops, one scheme after the other, for
/// noise s(w) I or constant noise F dW. Slow and obvious.
namespace soret::oracle {

using Vector = std::vector<double>;

struct LangevinWalker {
  std::function<Vector(const Vector&)> gradient;
  std::function<double(const Vector&)> amplitude;  ///< s(w), state noise
  std::vector<Vector> factor;                      ///< F[row][column], constant noise; empty: state noise
  double h = 0;                                    ///< step

  /// F dW or s(w) dW.
  Vector kick(const Vector& w, const Vector& dw) const {
    const std::size_t d = w.size();
    Vector out(d, 0.0);
    for (std::size_t i = 0; i < d; ++i) {
      if (factor.empty())
        out[i] = amplitude(w) * dw[i];
      else
        for (std::size_t j = 0; j < d; ++j) out[i] += factor[i][j] * dw[j];
    }
    return out;
  }

  Vector euler(Vector w, const Vector& dw) const {
    const Vector g = gradient(w), n = kick(w, dw);
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += -h * g[i] + n[i];
    return w;
  }

  /// One dimension; s' by a central difference.
  Vector milstein(Vector w, const Vector& dw) const {
    const double step = 1e-6;
    const double slope = (amplitude({w[0] + step}) - amplitude({w[0] - step})) / (2 * step);
    const double correction = 0.5 * amplitude(w) * slope * (dw[0] * dw[0] - h);
    w = euler(w, dw);
    w[0] += correction;
    return w;
  }

  /// Heun for the Stratonovich equation whose Ito form has the drift -gradient: its drift is
  /// -gradient - 1/2 s grad s.
  Vector heun(const Vector& w, const Vector& dw) const {
    const std::size_t d = w.size();
    const auto drift = [&](const Vector& x) {
      Vector a = gradient(x);
      for (std::size_t i = 0; i < d; ++i) {
        a[i] = -a[i];
        if (!factor.empty()) continue;
        const double step = 1e-6;
        Vector up = x, down = x;
        up[i] += step, down[i] -= step;
        a[i] -= 0.5 * amplitude(x) * (amplitude(up) - amplitude(down)) / (2 * step);
      }
      return a;
    };
    const Vector a = drift(w), n = kick(w, dw);
    Vector predicted = w;
    for (std::size_t i = 0; i < d; ++i) predicted[i] += h * a[i] + n[i];
    const Vector a2 = drift(predicted), n2 = kick(predicted, dw);
    Vector out = w;
    for (std::size_t i = 0; i < d; ++i) out[i] += 0.5 * h * (a[i] + a2[i]) + 0.5 * (n[i] + n2[i]);
    return out;
  }

  /// Kloeden and Platen, Eq. 15.1.3, for b^j = s e_j; v[r][j] are the antisymmetric two-point variables.
  Vector weak2(const Vector& w, const Vector& dw, const std::vector<Vector>& v) const {
    const std::size_t d = w.size();
    const double root = std::sqrt(h), s = amplitude(w);
    const Vector g = gradient(w);
    const auto shifted = [&](const Vector& x, std::size_t j, double by) {
      Vector y = x;
      y[j] += by;
      return amplitude(y);
    };
    Vector mean = w, predicted = w;
    for (std::size_t i = 0; i < d; ++i) mean[i] -= h * g[i], predicted[i] += -h * g[i] + s * dw[i];
    const Vector g2 = gradient(predicted);
    Vector out = w;
    for (std::size_t j = 0; j < d; ++j) {
      const double up = shifted(mean, j, s * root), down = shifted(mean, j, -s * root);
      double x = 0.25 * (up + down + 2 * s) * dw[j] + 0.25 * (up - down) * (dw[j] * dw[j] - h) / root;
      for (std::size_t r = 0; r < d; ++r) {
        if (r == j) continue;
        const double u = shifted(w, r, s * root), l = shifted(w, r, -s * root);
        x += 0.25 * (u + l - 2 * s) * dw[j] + 0.25 * (u - l) * (dw[j] * dw[r] + v[r][j]) / root;
      }
      out[j] += -0.5 * h * (g[j] + g2[j]) + x;
    }
    return out;
  }
};

/// Normal number n of a walker's stream.
inline double walker_normal(std::uint64_t seed, Purpose purpose, std::uint32_t walker, std::uint64_t n) {
  const auto block = Stream{seed, purpose, walker}.block(n / 4);
  float z[4];
  normal_pair(block.x, block.y, z[0], z[1]);
  normal_pair(block.z, block.w, z[2], z[3]);
  return z[n % 4];
}

}  // namespace soret::oracle
