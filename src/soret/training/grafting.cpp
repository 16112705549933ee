#include "soret/training/grafting.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "soret/base/error.hpp"
#include "soret/network/elementwise.hpp"
#include "soret/random/fill.hpp"

namespace soret::training {
namespace {

double norm_of(std::span<const float> v) {
  return std::sqrt(network::sum_of_squares(v.size(), v.data()));
}

void scale_to(double norm, std::span<float> g) {
  const double now = norm_of(g);
  const bool overflows = std::isfinite(norm) && norm > now * double{std::numeric_limits<float>::max()};
  if (!(now > 0) || overflows) return;
  const auto factor = static_cast<float>(norm / now);
  network::put(g.size(), g.data(), false, [factor, x = g.data()](std::size_t i) { return factor * x[i]; });
}

template <class F>
void each_layer(const Grafting& grafting, std::size_t parameters, F f) {
  if (grafting.layer_ends.empty()) return f(std::size_t{0}, parameters);
  std::size_t first = 0;
  for (const std::size_t end : grafting.layer_ends) {
    f(first, end);
    first = end;
  }
}

}  // namespace

double external_norm(const Grafting& grafting, std::int64_t update) {
  const auto k = static_cast<std::size_t>(update / grafting.interval);
  if (k >= grafting.norms.size())
    throw ConfigError(
        fmt::format("external grafting at update {} needs the norm of interval {}; there are {}", update, k,
                    grafting.norms.size()));
  return grafting.norms[k];
}

void graft(const Grafting& grafting, std::span<const float> other, std::span<float> g) {
  each_layer(grafting, g.size(), [&](std::size_t first, std::size_t end) {
    scale_to(norm_of(other.subspan(first, end - first)), g.subspan(first, end - first));
  });
}

void graft(const Grafting& grafting, double norm, std::span<float> g) {
  each_layer(grafting, g.size(),
             [&](std::size_t first, std::size_t end) { scale_to(norm, g.subspan(first, end - first)); });
}

int chosen_micro_batch(std::uint64_t seed, std::int64_t update, int count) {
  const auto block = Stream{seed, Purpose::micro_batch_choice, 0}.block(static_cast<std::uint64_t>(update));
  return static_cast<int>(below(block.x, static_cast<std::uint32_t>(count)));
}

}  // namespace soret::training
