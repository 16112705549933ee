#include "soret/data/random_subset.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/random/fill.hpp"

namespace soret::data {
namespace {

std::vector<std::size_t> numbered(std::size_t samples) {
  std::vector<std::size_t> all(samples);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

}  // namespace

std::vector<std::size_t> random_samples(std::size_t samples, std::size_t count, const Stream& stream) {
  if (count > samples || samples > std::numeric_limits<std::uint32_t>::max()) {
    throw ConfigError(fmt::format("{} random samples were asked for, but there are {}", count, samples));
  }
  std::vector<std::size_t> order = numbered(samples);
  for (std::size_t k = 0; k < count; ++k) {
    const auto left = static_cast<std::uint32_t>(samples - k);
    std::swap(order[k], order[k + below(stream.block(k).x, left)]);
  }
  order.resize(count);
  std::sort(order.begin(), order.end());
  return order;
}

Dataset random_subset(const Dataset& source, std::size_t count, std::uint64_t seed) {
  return subset(source, random_samples(source.size(), count, {seed, Purpose::subset, 0}));
}

HeldOut hold_out(const Dataset& source, std::size_t count, std::uint64_t seed) {
  if (count >= source.size()) {
    throw ConfigError(
        fmt::format("{}: {} samples cannot be held out of the {} training samples, since none "
                    "would be left to train on",
                    source.name, count, source.size()));
  }
  const auto kept = random_samples(source.size(), source.size() - count, {seed, Purpose::subset, 0});
  const auto all = numbered(source.size());
  std::vector<std::size_t> held;
  std::set_difference(all.begin(), all.end(), kept.begin(), kept.end(), std::back_inserter(held));
  return {.train = subset(source, kept), .validation = subset(source, held)};
}

}  // namespace soret::data
