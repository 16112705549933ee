#include "soret/measure/loss_at.hpp"

#include <fmt/format.h>

#include "soret/base/error.hpp"
#include "soret/network/batch_norm.hpp"

namespace soret::measure {

template <class T>
void require_complete(const LossAt<T>& loss) {
  const auto require = [](bool holds, const char* what, auto given, auto allowed) {
    if (!holds) throw ConfigError(fmt::format("{}: {}; it must be {}", what, given, allowed));
  };
  require(loss.samples > 0, "samples to measure on", loss.samples, "at least 1");
  require(loss.chunk > 0, "samples computed at a time", loss.chunk, "at least 1");
  require(loss.parameters.size() == loss.network.parameter_count(), "parameters", loss.parameters.size(),
          loss.network.parameter_count());
  require(loss.state.size() == loss.network.state_count(), "running statistics", loss.state.size(),
          loss.network.state_count());
  if (loss.head == network::HeadKind::squared || loss.head == network::HeadKind::linear) {
    if (!loss.targets.values) throw ConfigError("the head compares with values, and there are none");
    return;
  }
  if (!loss.targets.labels) throw ConfigError("the head compares with labels, and there are none");
  const int classes =
      loss.head == network::HeadKind::logistic ? 2 : static_cast<int>(loss.network.output().size());
  for (int i = 0; i < loss.samples; ++i) {
    const std::int32_t label = loss.targets.labels[i];
    if (label < 0 || label >= classes) {
      throw ConfigError(
          fmt::format("sample {} has label {}; it must be at least 0 and below {}", i, label, classes));
    }
  }
}

template <class T>
void require_independent_samples(const LossAt<T>& loss) {
  if (!loss.batch_statistics) return;
  for (int node = 1; node <= loss.network.last(); ++node) {
    if (!dynamic_cast<const network::BatchNorm<T>*>(loss.network.layer(node))) continue;
    throw ConfigError(
        fmt::format("{}: with batch statistics a sample's loss depends on the other samples, and it has no "
                    "gradient of its own; measure with running statistics",
                    loss.network.name(node)));
  }
}

#define SORET_INSTANTIATE(T)                           \
  template void require_complete<T>(const LossAt<T>&); \
  template void require_independent_samples<T>(const LossAt<T>&);
SORET_INSTANTIATE(float)
SORET_INSTANTIATE(double)
#undef SORET_INSTANTIATE

}  // namespace soret::measure
