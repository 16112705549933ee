#include "sims/cli/checkpoint_files.hpp"

#include <algorithm>
#include <vector>

#include "sims/checkpoint.hpp"

namespace soret::cli {

void put_parameters(const network::Network<float>& network, const std::string& suffix,
                    std::span<const double> values, store::Dataset& to) {
  store::Dataset shaped;
  sims::put_weights(network, std::vector<float>(network.parameter_count()),
                    std::vector<float>(network.state_count()), shaped);
  for (const auto& view : network.parameters()) {
    const auto own = values.subspan(view.offset, view.what.size());
    to.variables.push_back({view.name + suffix,
                            shaped.at(view.name).dimensions,
                            std::vector<double>(own.begin(), own.end()),
                            {}});
  }
  for (auto& dimension : shaped.dimensions)
    if (std::ranges::find(to.dimensions, dimension.name, &store::Dimension::name) == to.dimensions.end())
      to.dimensions.push_back(std::move(dimension));
}

void put_parameters(const network::Network<float>& network, const std::string& suffix,
                    std::span<const float> values, store::Dataset& to) {
  put_parameters(network, suffix, std::vector<double>(values.begin(), values.end()), to);
}

}  // namespace soret::cli
