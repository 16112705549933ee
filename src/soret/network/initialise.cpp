#include "soret/network/initialise.hpp"

#include <algorithm>
#include <cmath>

#include "soret/random/distributions.hpp"
#include "soret/random/stream.hpp"

namespace soret::network {
namespace {

/// Standard deviation of a weight, or half the width of its uniform law.
double spread(const Parameter& p, Initialisation initialisation) {
  switch (initialisation) {
    case Initialisation::he_normal:
      return std::sqrt(2.0 / p.fan_in);
    case Initialisation::he_normal_fan_out:
      return std::sqrt(2.0 / p.fan_out);
    case Initialisation::glorot_normal:
      return std::sqrt(2.0 / (p.fan_in + p.fan_out));
    case Initialisation::framework_uniform:
      return 1 / std::sqrt(static_cast<double>(p.fan_in));
    case Initialisation::small_normal:
      return 0.01;
  }
  return 0;
}

}  // namespace

template <class T>
std::vector<T> initial_parameters(const Network<T>& network, Initialisation initialisation,
                                  std::uint64_t seed, std::optional<Initialisation> dense) {
  std::vector<T> parameters(network.parameter_count(), T{});
  for (std::size_t v = 0; v < network.parameters().size(); ++v) {
    const View& view = network.parameters()[v];
    T* const to = parameters.data() + view.offset;
    const std::size_t size = view.what.size();
    if (view.what.kind == Parameter::Kind::scale) std::fill_n(to, size, T{1});
    const Initialisation law = view.what.dense ? dense.value_or(initialisation) : initialisation;
    const bool uniform_law = law == Initialisation::framework_uniform;
    const bool random =
        view.what.kind == Parameter::Kind::weight || (uniform_law && view.what.kind == Parameter::Kind::bias);
    if (!random) continue;
    const Stream stream{seed, Purpose::initial_parameters, static_cast<std::uint32_t>(v)};
    const double scale = spread(view.what, law);
    for (std::size_t i = 0; i < size; i += 4) {
      const auto b = stream.block(i / 4);
      float x[4];
      if (uniform_law) {
        const std::uint32_t words[4] = {b.x, b.y, b.z, b.w};
        for (int k = 0; k < 4; ++k) x[k] = 2 * uniform<float>(words[k]) - 1;
      } else {
        normal_pair(b.x, b.y, x[0], x[1]);
        normal_pair(b.z, b.w, x[2], x[3]);
      }
      for (std::size_t k = i; k < std::min(size, i + 4); ++k)
        to[k] = static_cast<T>(scale * static_cast<double>(x[k - i]));
    }
  }
  return parameters;
}

template std::vector<float> initial_parameters(const Network<float>&, Initialisation, std::uint64_t,
                                               std::optional<Initialisation>);
template std::vector<double> initial_parameters(const Network<double>&, Initialisation, std::uint64_t,
                                                std::optional<Initialisation>);

}  // namespace soret::network
