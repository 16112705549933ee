#pragma once

#include <functional>
#include <string>
#include <vector>

#include "soret/base/double_math.hpp"
#include "soret/base/host_device.hpp"

/// Loss landscapes for walkers. Each is described by a Landscape (what a config says) and computed by a small
/// struct whose value() and gradient() are written once for one walker (V = double) and for eight
/// (V = DoubleLanes), on the CPU and on CUDA. w and g hold `dimension` numbers per walker.
namespace soret::langevin {

/// l(w) = 1/2 sum_k h_k w_k^2.
struct DiagonalQuadratic {
  static constexpr int kDimension = 0;  // known at run time only
  int dimension_;
  const double* eigenvalues;  // [dimension]

  SORET_HD int dimension() const { return dimension_; }
  template <class V>
  SORET_HD V value(const V* w) const {
    V sum = constant_of<V>(0.0);
    for (int k = 0; k < dimension_; ++k) sum += 0.5 * eigenvalues[k] * (w[k] * w[k]);
    return sum;
  }
  template <class V>
  SORET_HD void gradient(const V* w, V* g) const {
    for (int k = 0; k < dimension_; ++k) g[k] = eigenvalues[k] * w[k];
  }
};

/// l(w) = 1/2 w^T H w.
struct DenseQuadratic {
  static constexpr int kDimension = 0;
  int dimension_;
  const double* hessian;  // [dimension][dimension]

  SORET_HD int dimension() const { return dimension_; }
  template <class V>
  SORET_HD V value(const V* w) const {
    V sum = constant_of<V>(0.0);
    for (int k = 0; k < dimension_; ++k) sum += 0.5 * w[k] * row(k, w);
    return sum;
  }
  template <class V>
  SORET_HD void gradient(const V* w, V* g) const {
    for (int k = 0; k < dimension_; ++k) g[k] = row(k, w);
  }

 private:
  template <class V>
  SORET_HD V row(int k, const V* w) const {
    V sum = constant_of<V>(0.0);
    for (int j = 0; j < dimension_; ++j) sum += hessian[k * dimension_ + j] * w[j];
    return sum;
  }
};

/// l(w) = 1/2 h w^2 in one dimension.
struct Parabola {
  static constexpr int kDimension = 1;
  double curvature;

  SORET_HD static constexpr int dimension() { return 1; }
  template <class V>
  SORET_HD V value(const V* w) const {
    return 0.5 * curvature * (w[0] * w[0]);
  }
  template <class V>
  SORET_HD void gradient(const V* w, V* g) const {
    g[0] = curvature * w[0];
  }
};

/// l(w) = barrier ((w / a)^2 - 1)^2 + tilt w / a: minima near w = -a and a, the barrier between them.
struct DoubleWell {
  static constexpr int kDimension = 1;
  double barrier;
  double inverse_width;  // 1 / a
  double tilt;

  SORET_HD static constexpr int dimension() { return 1; }
  template <class V>
  SORET_HD V value(const V* w) const {
    const V x = inverse_width * w[0];
    const V y = x * x - 1.0;
    return barrier * (y * y) + tilt * x;
  }
  template <class V>
  SORET_HD void gradient(const V* w, V* g) const {
    const double cubic = 4 * barrier * inverse_width * inverse_width * inverse_width * inverse_width;
    const double linear = 4 * barrier * inverse_width * inverse_width;
    const V x = w[0];
    const V factor = fma(constant_of<V>(cubic), x * x, constant_of<V>(-linear));
    g[0] = fma(factor, x, constant_of<V>(tilt * inverse_width));
  }
};

/// A soft minimum of D-dimensional parabolas, l(w) = -1/s log sum_k exp(-s (depth_k + h_k |w - c_k|^2 / 2)):
/// around each c_k it has that depth and curvature up to terms exp(-s gap), gap being how far the next
/// parabola lies above. Its gradient is the mean of the parabolas' gradients with weights p_k.
template <int D>
struct Wells {
  static constexpr int kDimension = D;
  static constexpr int kMost = 8;
  int count;
  double sharpness;
  double centre[kMost][D];
  double depth[kMost];
  double curvature[kMost];

  SORET_HD static constexpr int dimension() { return D; }
  template <class V>
  SORET_HD V value(const V* w) const {
    V exponent[kMost];
    const V most = exponents(w, exponent);
    V sum = constant_of<V>(0.0);
    for (int k = 0; k < count; ++k) sum += exponential(exponent[k] - most);
    return (most + logarithm(sum)) * (-1 / sharpness);
  }
  template <class V>
  SORET_HD void gradient(const V* w, V* g) const {
    V exponent[kMost];
    const V most = exponents(w, exponent);
    V weights = constant_of<V>(0.0);
    for (int j = 0; j < D; ++j) g[j] = constant_of<V>(0.0);
    for (int k = 0; k < count; ++k) {
      const V p = exponential(exponent[k] - most);
      weights += p;
      for (int j = 0; j < D; ++j) g[j] += p * (curvature[k] * (w[j] - centre[k][j]));
    }
    for (int j = 0; j < D; ++j) g[j] = g[j] / weights;
  }

 private:
  template <class V>
  SORET_HD V exponents(const V* w, V* exponent) const {
    V most = constant_of<V>(0.0);
    for (int k = 0; k < count; ++k) {
      V square = constant_of<V>(0.0);
      for (int j = 0; j < D; ++j) {
        const V r = w[j] - centre[k][j];
        square += r * r;
      }
      exponent[k] = -sharpness * (depth[k] + 0.5 * curvature[k] * square);
      most = k == 0 ? exponent[0] : select(exponent[k] > most, exponent[k], most);
    }
    return most;
  }
};

/// The potential of K. Mueller and L. D. Brown, Theor. Chim. Acta 53 (1979) 75, times `scale`: three minima
/// in the plane, at depths -146.7, -108.2 and -80.8.
struct MuellerBrown {
  static constexpr int kDimension = 2;
  double scale;

  SORET_HD static constexpr int dimension() { return 2; }
  template <class V>
  SORET_HD V value(const V* w) const {
    V sum = constant_of<V>(0.0);
    for (int k = 0; k < 4; ++k) {
      V dx, dy;
      sum += term(k, w, dx, dy);
    }
    return scale * sum;
  }
  template <class V>
  SORET_HD void gradient(const V* w, V* g) const {
    g[0] = g[1] = constant_of<V>(0.0);
    for (int k = 0; k < 4; ++k) {
      V dx, dy;
      const V t = scale * term(k, w, dx, dy);
      g[0] += t * dx;
      g[1] += t * dy;
    }
  }

 private:
  struct Term {
    double height, xx, xy, yy, x, y;
  };
  /// Term k, and the derivatives of its exponent.
  template <class V>
  SORET_HD static V term(int k, const V* w, V& dx, V& dy) {
    constexpr Term kTerms[4] = {{-200, -1, 0, -10, 1, 0},
                                {-100, -1, 0, -10, 0, 0.5},
                                {-170, -6.5, 11, -6.5, -0.5, 1.5},
                                {15, 0.7, 0.6, 0.7, -1, 1}};
    const Term& t = kTerms[k];
    const V x = w[0] - t.x;
    const V y = w[1] - t.y;
    dx = 2 * t.xx * x + t.xy * y;
    dy = t.xy * x + 2 * t.yy * y;
    return t.height * exponential(t.xx * (x * x) + t.xy * (x * y) + t.yy * (y * y));
  }
};

}  // namespace soret::langevin
