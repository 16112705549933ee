#pragma once

#include "soret/base/double_math.hpp"
#include "soret/base/host_device.hpp"

/// One step of each scheme, for one walker (V = double) or eight, on the CPU and on CUDA. h is the step in
/// the time t = eta * steps and z[dimension] are independent standard normals; scratch holds
/// kScratch * dimension numbers. L is a landscape, N a noise.
namespace soret::langevin {

/// N numbers, held where their count is known (N > 0), so that they stay in registers, else pointed to.
template <int N>
struct Coefficients {
  double of[N];
  explicit Coefficients(const double* from) {
    for (int i = 0; i < N; ++i) of[i] = from[i];
  }
  SORET_HD double operator[](int i) const { return of[i]; }
};
template <>
struct Coefficients<0> {
  const double* of;
  explicit Coefficients(const double* from) : of(from) {}
  SORET_HD double operator[](int i) const { return of[i]; }
};

/// sqrt(eta h C / |B|) z for a diagonal C in D dimensions, 0 standing for any.
template <int D>
struct DiagonalNoise {
  static constexpr bool kState = false;
  Coefficients<D> amplitude;  // [dimension], sqrt(eta h C_kk / |B|)

  template <class L, class V>
  SORET_HD void displace(const L& l, const V* /*w*/, const V* z, V* out) const {
    for (int k = 0; k < l.dimension(); ++k) out[k] = amplitude[k] * z[k];
  }
  /// w and the displacement.
  template <class L, class V>
  SORET_HD void displaced(const L& l, const V* w, const V* z, V* out) const {
    for (int k = 0; k < l.dimension(); ++k) out[k] = fma(constant_of<V>(amplitude[k]), z[k], w[k]);
  }
};

/// The same for any C, by a lower-triangular factor.
template <int D>
struct DenseNoise {
  static constexpr bool kState = false;
  Coefficients<D * D> factor;  // [dimension][dimension], times sqrt(eta h / |B|)

  template <class L, class V>
  SORET_HD void displace(const L& l, const V* /*w*/, const V* z, V* out) const {
    const int d = l.dimension();
    for (int k = 0; k < d; ++k) {
      V sum = constant_of<V>(0.0);
      for (int j = 0; j <= k; ++j) sum += factor[k * d + j] * z[j];
      out[k] = sum;
    }
  }
  template <class L, class V>
  SORET_HD void displaced(const L& l, const V* w, const V* z, V* out) const {
    displace(l, w, z, out);
    for (int k = 0; k < l.dimension(); ++k) out[k] = w[k] + out[k];
  }
};

/// s(w) sqrt(h) z with s^2 = base + slope l(w), both times eta / |B|.
struct StateNoise {
  static constexpr bool kState = true;
  double base;
  double slope;
  double root_h;

  template <class L, class V>
  SORET_HD V amplitude(const L& l, const V* w) const {
    const V square = base + slope * l.value(w);
    const V zero = constant_of<V>(0.0);
    return sqrt(select(square > zero, square, zero));
  }
  template <class L, class V>
  SORET_HD void displace(const L& l, const V* w, const V* z, V* out) const {
    const V s = root_h * amplitude(l, w);
    for (int k = 0; k < l.dimension(); ++k) out[k] = s * z[k];
  }
  template <class L, class V>
  SORET_HD void displaced(const L& l, const V* w, const V* z, V* out) const {
    displace(l, w, z, out);
    for (int k = 0; k < l.dimension(); ++k) out[k] = w[k] + out[k];
  }
};

template <class N>
struct EulerStep {
  static constexpr bool kSigns = false;
  static constexpr int kScratch = 2;
  N noise;
  double h;

  template <class L, class V>
  SORET_HD void operator()(const L& l, V* w, const V* z, const V* /*signs*/, V* scratch) const {
    const int d = l.dimension();
    V* const g = scratch;
    V* const n = scratch + d;
    noise.displaced(l, w, z, n);
    l.gradient(w, g);
    for (int k = 0; k < d; ++k) w[k] = fma(constant_of<V>(-h), g[k], n[k]);
  }
};

/// One dimension: Euler-Maruyama and s s'/2 (dW^2 - h), where s s' = (s^2)'/2 = slope l'/2.
struct MilsteinStep {
  static constexpr bool kSigns = false;
  static constexpr int kScratch = 2;
  StateNoise noise;
  double h;

  template <class L, class V>
  SORET_HD void operator()(const L& l, V* w, const V* z, const V* /*signs*/, V* scratch) const {
    V* const g = scratch;
    V* const n = scratch + 1;
    noise.displace(l, w, z, n);
    l.gradient(w, g);
    const V correction = (0.25 * noise.slope * h) * g[0] * (z[0] * z[0] - 1.0);
    w[0] = fma(constant_of<V>(-h), g[0], w[0] + n[0]) + correction;
  }
};

/// Predictor and trapezoidal corrector of drift and noise. It converges to the Stratonovich solution, so the
/// drift is that of the Stratonovich form of the Ito equation: a_k - 1/2 sum_j s e_j . grad(s e_j)_k
/// = -grad l - grad(s^2)/4 = -(1 + slope/4) grad l.
template <class N>
struct HeunStep {
  static constexpr bool kSigns = false;
  static constexpr int kScratch = 5;
  N noise;
  double h;

  template <class L, class V>
  SORET_HD void operator()(const L& l, V* w, const V* z, const V* /*signs*/, V* scratch) const {
    const int d = l.dimension();
    V* const g = scratch;
    V* const n = scratch + d;
    V* const predicted = scratch + 2 * d;
    V* const g2 = scratch + 3 * d;
    V* const n2 = scratch + 4 * d;
    double drift = h;
    if constexpr (N::kState) drift = h * (1 + noise.slope / 4);
    noise.displace(l, w, z, n);
    l.gradient(w, g);
    for (int k = 0; k < d; ++k) predicted[k] = fma(constant_of<V>(-drift), g[k], w[k] + n[k]);
    l.gradient(predicted, g2);
    if constexpr (N::kState) {
      noise.displace(l, predicted, z, n2);
      for (int k = 0; k < d; ++k) n[k] = 0.5 * (n[k] + n2[k]);
    }
    for (int k = 0; k < d; ++k) w[k] = fma(constant_of<V>(-0.5 * drift), g[k] + g2[k], w[k] + n[k]);
  }
};

/// Platen's explicit scheme of weak order 2 (Kloeden and Platen, Eq. 15.1.3) for noise s(w) I, whose j-th
/// column is s(w) e_j. signs[r (r - 1) / 2 + j], j < r, are +1 or -1 with equal probability.
struct Weak2Step {
  static constexpr bool kSigns = true;
  static constexpr int kScratch = 6;
  StateNoise noise;
  double h;

  template <class L, class V>
  SORET_HD void operator()(const L& l, V* w, const V* z, const V* signs, V* scratch) const {
    const int d = l.dimension();
    V* const g = scratch;
    V* const y = scratch + d;
    V* const n = scratch + 2 * d;
    V* const difference = scratch + 3 * d;  // s(U+^r) - s(U-^r)
    V* const bend = scratch + 4 * d;        // s(U+^r) + s(U-^r) - 2 s(w)
    V* const g2 = scratch + 5 * d;
    const double root_h = noise.root_h;
    const V s = noise.amplitude(l, w);
    const V kick = root_h * s;
    l.gradient(w, g);

    V bends = constant_of<V>(0.0);
    for (int k = 0; k < d; ++k) y[k] = w[k];
    for (int r = 0; r < d; ++r) {
      y[r] = w[r] + kick;
      const V up = noise.amplitude(l, y);
      y[r] = w[r] - kick;
      const V down = noise.amplitude(l, y);
      y[r] = w[r];
      difference[r] = up - down;
      bend[r] = up + down - 2.0 * s;
      bends += bend[r];
    }
    for (int k = 0; k < d; ++k) y[k] = fma(constant_of<V>(-h), g[k], w[k]);
    for (int j = 0; j < d; ++j) {
      const V middle = y[j];
      y[j] = middle + kick;
      const V up = noise.amplitude(l, y);
      y[j] = middle - kick;
      const V down = noise.amplitude(l, y);
      y[j] = middle;
      // Everything in units of sqrt(h): dW = root_h z, and (dW dW' + V) / root_h = root_h (z z' + sign).
      V sum = (up + down + 2.0 * s + (bends - bend[j])) * z[j] + (up - down) * (z[j] * z[j] - 1.0);
      for (int r = 0; r < d; ++r) {
        if (r == j) continue;
        const V sign = r > j ? signs[r * (r - 1) / 2 + j] : -signs[j * (j - 1) / 2 + r];
        sum += difference[r] * (z[j] * z[r] + sign);
      }
      n[j] = (0.25 * root_h) * sum;
    }
    for (int k = 0; k < d; ++k) y[k] += kick * z[k];
    l.gradient(y, g2);
    for (int k = 0; k < d; ++k) w[k] = fma(constant_of<V>(-0.5 * h), g[k] + g2[k], w[k] + n[k]);
  }
};

}  // namespace soret::langevin
