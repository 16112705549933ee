#include "soret/network/model_labels.hpp"

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"

namespace soret::network {
namespace {

/// Uniform on [0, 1) with 53 bits.
double unit(const PhiloxBlock<std::uint32_t>& b) {
  return std::ldexp(static_cast<double>((static_cast<std::uint64_t>(b.x) << 32 | b.y) >> 11), -53);
}

/// The first label at which the sum of the probabilities exceeds u.
template <class T>
std::int32_t softmax_label(int classes, const T* z, double u) {
  const T most = *std::max_element(z, z + classes);
  const auto share = [&](int k) { return std::exp(static_cast<double>(z[k]) - static_cast<double>(most)); };
  double total = 0;
  for (int k = 0; k < classes; ++k) total += share(k);
  double left = u * total;
  for (int k = 0; k < classes; ++k)
    if ((left -= share(k)) < 0) return k;
  return static_cast<std::int32_t>(std::max_element(z, z + classes) - z);  // rounding used up all of u
}

}  // namespace

template <class T>
void draw_labels(HeadKind head, int n, int classes, const T* z, std::uint64_t seed, std::uint32_t draw,
                 std::uint64_t first, std::int32_t* labels, T* values) {
  const Stream stream{seed, Purpose::sampled_labels, draw};
  const auto blocks = static_cast<std::uint64_t>(classes + 3) / 4;
  for (int i = 0; i < n; ++i, z += classes) {
    const std::uint64_t sample = first + static_cast<std::uint64_t>(i);
    switch (head) {
      case HeadKind::softmax:
        labels[i] = softmax_label(classes, z, unit(stream.block(sample)));
        break;
      case HeadKind::logistic:
        labels[i] = unit(stream.block(sample)) < 1 / (1 + std::exp(-static_cast<double>(z[0]))) ? 1 : 0;
        break;
      case HeadKind::squared:
        for (int k = 0; k < classes; k += 4) {
          const auto b = stream.block(sample * blocks + static_cast<std::uint64_t>(k) / 4);
          float normal[4];
          normal_pair(b.x, b.y, normal[0], normal[1]);
          normal_pair(b.z, b.w, normal[2], normal[3]);
          for (int j = k; j < std::min(classes, k + 4); ++j)
            values[static_cast<std::ptrdiff_t>(i) * classes + j] = z[j] + static_cast<T>(normal[j - k]);
        }
        break;
      case HeadKind::linear:
        throw ConfigError("the linear head gives labels no probability: softmax, logistic and squared do");
    }
  }
}

template void draw_labels<float>(HeadKind, int, int, const float*, std::uint64_t, std::uint32_t,
                                 std::uint64_t, std::int32_t*, float*);
template void draw_labels<double>(HeadKind, int, int, const double*, std::uint64_t, std::uint32_t,
                                  std::uint64_t, std::int32_t*, double*);

}  // namespace soret::network
