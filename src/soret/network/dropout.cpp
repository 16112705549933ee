#include "soret/network/dropout.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/random/stream.hpp"

namespace soret::network {

template <class T>
Dropout<T>::Dropout(const Shape& input, double rate, std::uint32_t layer)
    : shape_(input), rate_(rate), layer_(layer) {
  if (!(rate >= 0 && rate < 1))
    throw ConfigError(fmt::format("a dropout rate of {}: it must be in [0, 1)", rate));
}

// kept: the factor of every unit, 0 or 1 / (1 - rate).

template <class T>
void Dropout<T>::forward(const Values<T>& v, const Mode& mode, const T* /*state*/) const {
  const std::size_t units = shape_.size();
  if (!mode.dropout || rate_ == 0) {
    std::fill_n(v.kept, v.n * units, T{1});
  } else {
    const Stream stream{mode.seed, Purpose::dropout, layer_};
    const auto threshold = static_cast<std::uint32_t>(std::min(std::ldexp(rate_, 32), 4294967295.0));
    const T scale = static_cast<T>(1 / (1 - rate_));
    const std::uint64_t blocks = (units + 3) / 4;
    const double work = 10.0 * static_cast<double>(units);
    each_run(static_cast<std::size_t>(v.n), work, [&](std::size_t first, std::size_t last) {
      for (std::size_t i = first; i < last; ++i) {
        T* const factor = v.kept + i * units;
        for (std::uint64_t b = 0; b < blocks; ++b) {
          const auto block = stream.block((mode.first_sample + i) * blocks + b);
          const std::uint32_t words[4] = {block.x, block.y, block.z, block.w};
          for (std::size_t u = 4 * b; u < std::min<std::size_t>(units, 4 * b + 4); ++u)
            factor[u] = words[u % 4] < threshold ? T{} : scale;
        }
      }
    });
  }
  put(v.n * units, v.y, false, [f = v.kept, x = v.x](std::size_t i) { return f[i] * x[i]; });
}

template <class T>
void Dropout<T>::backward(const Values<T>& v, const Gradients<T>& g) const {
  put(v.n * shape_.size(), g.x, g.add, [f = v.kept, dy = g.y](std::size_t i) { return f[i] * dy[i]; });
}

template <class T>
void Dropout<T>::forward_tangent(const Values<T>& v, const Tangents<T>& t) const {
  put(v.n * shape_.size(), t.y, false, [f = v.kept, xt = t.x](std::size_t i) { return f[i] * xt[i]; });
}

template <class T>
void Dropout<T>::backward_tangent(const Values<T>& v, const Tangents<T>& /*t*/, const Gradients<T>& /*g*/,
                                  const Gradients<T>& gt) const {
  backward(v, gt);
}

template class Dropout<float>;
template class Dropout<double>;

}  // namespace soret::network
