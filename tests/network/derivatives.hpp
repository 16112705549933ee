#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "soret/network/network.hpp"

/// What every network must satisfy, whatever it is made of: gradients are those of the loss, Hessian-vector
/// products those of the gradients, and the Hessian is symmetric.
namespace soret::network::testing {

/// A network on a batch, with everything that a loss depends on.
template <class T>
struct Situation {
  const Network<T>& network;
  HeadKind head = HeadKind::softmax;
  int n = 1;
  std::vector<T> x{}, parameters{}, state{};
  std::vector<std::int32_t> labels{};
  std::vector<T> values{};
  Mode mode{};

  Targets<T> targets() const { return {labels.data(), values.data(), false}; }
  double weight() const { return 1.0 / n; }

  double loss(const std::vector<T>& at) const {
    Pass<T> pass(network, n);
    const T* const z = network.forward(pass, n, x.data(), at.data(), state.data(), mode);
    return evaluate(head, n, static_cast<int>(network.output().size()), z, targets(), weight(),
                    static_cast<T*>(nullptr));
  }
  std::vector<T> gradient(const std::vector<T>& at) const {
    Pass<T> pass(network, n);
    std::vector<T> g(at.size(), T{});
    network::gradient(network, head, pass, n, x.data(), targets(), weight(), at.data(), state.data(), mode,
                      g.data());
    return g;
  }
  std::vector<T> output(const std::vector<T>& at) const {
    Pass<T> pass(network, n);
    const T* const z = network.forward(pass, n, x.data(), at.data(), state.data(), mode);
    return {z, z + n * network.output().size()};
  }
  /// J v, and the derivative of the loss by the outputs.
  std::pair<std::vector<T>, std::vector<T>> output_tangent(const std::vector<T>& v) const {
    Pass<T> pass(network, n);
    std::vector<T> g(v.size(), T{});
    network::gradient(network, head, pass, n, x.data(), targets(), weight(), parameters.data(), state.data(),
                      mode, g.data());
    const std::size_t size = n * network.output().size();
    const T* const zt = network.forward_tangent(pass, parameters.data(), v.data());
    return {{zt, zt + size}, {pass.output_gradient(), pass.output_gradient() + size}};
  }
  std::vector<T> hessian_vector(const std::vector<T>& v) const {
    Pass<T> pass(network, n);
    std::vector<T> g(v.size(), T{});
    std::vector<T> product(v.size(), T{});
    network::gradient(network, head, pass, n, x.data(), targets(), weight(), parameters.data(), state.data(),
                      mode, g.data());
    network::hessian_vector(network, head, pass, targets(), weight(), parameters.data(), v.data(),
                            product.data());
    return product;
  }
};

inline std::vector<double> normals(std::size_t size, unsigned seed, double scale = 1) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<double> normal(0, scale);
  std::vector<double> x(size);
  for (double& v : x) v = normal(bits);
  return x;
}

/// Random data, labels, targets and parameters: weights with He's variance, scales about 1, the rest about 0.
inline Situation<double> situation(const Network<double>& network, int n, HeadKind head, unsigned seed = 1) {
  Situation<double> s{.network = network, .head = head, .n = n};
  s.x = normals(n * network.input().size(), seed);
  s.values = normals(n * network.output().size(), seed + 1);
  s.parameters = normals(network.parameter_count(), seed + 2);
  for (const View& view : network.parameters()) {
    const bool weight = view.what.kind == Parameter::Kind::weight;
    const double scale = weight ? std::sqrt(2.0 / view.what.fan_in) : 0.3;
    const double centre = view.what.kind == Parameter::Kind::scale ? 1 : 0;
    for (std::size_t i = 0; i < view.what.size(); ++i) {
      double& p = s.parameters[view.offset + i];
      p = centre + scale * p;
    }
  }
  s.state = network.initial_state();
  const auto classes = head == HeadKind::logistic ? 2 : static_cast<std::int32_t>(network.output().size());
  for (int i = 0; i < n; ++i) s.labels.push_back((5 * i + 1) % classes);
  s.mode.seed = seed;
  return s;
}

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}
inline double norm(const std::vector<double>& a) {
  return std::sqrt(dot(a, a));
}
inline std::vector<double> shifted(const std::vector<double>& a, double step, const std::vector<double>& v) {
  std::vector<double> b = a;
  for (std::size_t i = 0; i < b.size(); ++i) b[i] += step * v[i];
  return b;
}

/// Fourth-order central differences; at step h the truncation is of the order h^4 and rounding of 1e-16/h.
constexpr double kStep = 1e-3;
constexpr double kTolerance = 1e-8;

inline void expect_derivatives(const Situation<double>& s, unsigned seed = 7, double step = kStep,
                               double tolerance = kTolerance) {
  const auto& w = s.parameters;
  ASSERT_FALSE(w.empty());
  const auto g = s.gradient(w);
  const double scale = norm(g);
  ASSERT_GT(scale, 0);
  const auto difference = [&](const auto& f, const std::vector<double>& v, auto combine) {
    return combine(f(shifted(w, -2 * step, v)), f(shifted(w, -step, v)), f(shifted(w, step, v)),
                   f(shifted(w, 2 * step, v)));
  };
  const auto slope = [&](double a, double b, double c, double d) {
    return (a - 8 * b + 8 * c - d) / (12 * step);
  };
  auto u = normals(w.size(), seed);
  auto v = normals(w.size(), seed + 1);
  for (auto* direction : {&u, &v}) {
    const double length = norm(*direction);
    for (double& x : *direction) x /= length;
    const double numeric = difference([&](const auto& at) { return s.loss(at); }, *direction, slope);
    EXPECT_NEAR(dot(g, *direction), numeric, tolerance * scale);
  }
  const auto slopes = [&](const auto& a, const auto& b, const auto& c, const auto& d) {
    std::vector<double> x(a.size());
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = slope(a[i], b[i], c[i], d[i]);
    return x;
  };
  const auto expect_near = [&](const std::vector<double>& a, const std::vector<double>& b, double error) {
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], error);
  };
  // J v, and the gradient as J^T dz (seed 000 Eq. 2), which holds without any differences.
  const auto [zt, dz] = s.output_tangent(v);
  expect_near(zt, difference([&](const auto& at) { return s.output(at); }, v, slopes),
              tolerance * (1 + norm(zt)));
  EXPECT_NEAR(dot(g, v), dot(dz, zt), 1e-12 * scale);
  const auto hu = s.hessian_vector(u);
  const auto hv = s.hessian_vector(v);
  expect_near(hv, difference([&](const auto& at) { return s.gradient(at); }, v, slopes),
              tolerance * (scale + norm(hv)));
  EXPECT_NEAR(dot(u, hv), dot(v, hu), 1e-12 * (norm(hu) + norm(hv)));
}

/// The same in single precision, to `tolerance` of the largest entries.
inline void expect_single_precision(const Situation<double>& s, const Network<float>& network,
                                    double tolerance) {
  const auto single = [](const std::vector<double>& x) { return std::vector<float>(x.begin(), x.end()); };
  Situation<float> f{network,  s.head,           s.n,   single(s.x), single(s.parameters), single(s.state),
                     s.labels, single(s.values), s.mode};
  const auto compare = [&](const std::vector<double>& exact, const std::vector<float>& rounded) {
    double most = 0;
    double worst = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      most = std::max(most, std::abs(exact[i]));
      worst = std::max(worst, std::abs(exact[i] - static_cast<double>(rounded[i])));
    }
    EXPECT_LT(worst, tolerance * most);
  };
  EXPECT_NEAR(s.loss(s.parameters), f.loss(f.parameters), tolerance * (1 + std::abs(s.loss(s.parameters))));
  compare(s.gradient(s.parameters), f.gradient(f.parameters));
  const auto v = normals(s.parameters.size(), 11);
  compare(s.hessian_vector(v), f.hessian_vector(single(v)));
}

}  // namespace soret::network::testing
