#include "soret/measure/difference_hessian.hpp"

#include <fmt/format.h>

#include <Eigen/Core>
#include <cmath>

namespace soret::measure {
namespace {

constexpr double kStep = 0x1p-13;       // the fourth root of epsilon
constexpr double kFirstStep = 0x1p-17;  // its cube root

}  // namespace

void difference_gradient(const Differentiable& f, const std::vector<double>& x, std::span<double> gradient) {
  std::vector<double> at(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double step = kFirstStep * (std::abs(x[i]) + 1);
    at[i] = x[i] + step;
    const double above = f.value(at);
    at[i] = x[i] - step;
    gradient[i] = (above - f.value(at)) / (2 * step);
    at[i] = x[i];
  }
}

SymmetricOperator difference_hessian(const Differentiable& f, const std::vector<double>& x) {
  const std::size_t n = x.size();
  const auto value = [&f](const std::vector<double>& at) {
    const double found = f.value(at);
    if (!std::isfinite(found))
      throw ConfigError(fmt::format("f is {} beside x, where its Hessian was to be taken", found));
    return found;
  };
  const auto step = [&x](std::size_t i) { return kStep * (std::abs(x[i]) + 1); };
  const auto at = [&](std::size_t i, double by_i, std::size_t j, double by_j) {
    std::vector<double> place(x);
    place[i] += by_i * step(i);
    place[j] += by_j * step(j);
    return value(place);
  };
  const double here = value(x);
  const auto size = static_cast<Eigen::Index>(n);
  Eigen::MatrixXd h(size, size);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double second = i == j
                                ? at(i, 1, i, 0) - 2 * here + at(i, -1, i, 0)
                                : (at(i, 1, j, 1) - at(i, 1, j, -1) - at(i, -1, j, 1) + at(i, -1, j, -1)) / 4;
      const double entry = second / (step(i) * step(j));
      h(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = entry;
      h(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) = entry;
    }
  }
  return {n, [h](std::span<const double> v, std::span<double> product) {
            Eigen::Map<Eigen::VectorXd>(product.data(), h.rows()).noalias() =
                h * Eigen::Map<const Eigen::VectorXd>(v.data(), h.rows());
          }};
}

}  // namespace soret::measure
