#include "soret/measure/gaussianity.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

namespace soret::measure {

double excess_kurtosis(std::span<const double> z) {
  double sum = 0;
  for (const double v : z) sum += v * v * v * v;
  return sum / static_cast<double>(z.size()) - 3;
}

std::size_t tail_count(std::size_t n, double fraction) {
  const auto count = static_cast<std::size_t>(fraction * static_cast<double>(n));
  return std::clamp<std::size_t>(count, 1, n - 1);
}

double hill_estimate(std::vector<double> z, std::size_t k) {
  for (double& v : z) v = std::abs(v);
  const auto threshold = z.begin() + static_cast<std::ptrdiff_t>(k);
  std::nth_element(z.begin(), threshold, z.end(), std::greater());
  std::sort(z.begin(), threshold);  // a fixed order of the sum
  double sum = 0;
  for (auto v = z.begin(); v != threshold; ++v) sum += std::log(*v / *threshold);
  return sum / static_cast<double>(k);
}

double gaussian_hill(double fraction) {
  const auto beyond = [](double u) { return std::erfc(u / std::numbers::sqrt2); };  // P(|z| > u)
  double low = 0;
  double high = 40;
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (beyond(middle) > fraction ? low : high) = middle;
  }
  // E ln(|z| / u) = integral over z > u of P(|z| > z) / z dz, divided by the fraction; Simpson's rule in ln
  // z.
  constexpr int kIntervals = 4000;
  const double width = std::log((low + 12) / low) / kIntervals;
  double sum = 0;
  for (int i = 0; i <= kIntervals; ++i) {
    const double weight = i == 0 || i == kIntervals ? 1 : (i % 2 == 1 ? 4 : 2);
    sum += weight * beyond(low * std::exp(i * width));
  }
  return sum * width / 3 / fraction;
}

double kolmogorov_distance(std::vector<double> z) {
  std::sort(z.begin(), z.end());
  const auto n = static_cast<double>(z.size());
  double most = 0;
  for (std::size_t i = 0; i < z.size(); ++i) {
    const double f = 0.5 * std::erfc(-z[i] / std::numbers::sqrt2);
    most = std::max({most, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
  }
  return most;
}

double gaussian_kolmogorov_distance(double n) {
  return std::sqrt(std::numbers::pi / 2 / n) * std::numbers::ln2;
}

}  // namespace soret::measure
