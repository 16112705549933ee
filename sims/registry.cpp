#include <algorithm>

#include "sims/deep_ensemble/deep_ensemble.hpp"
#include "sims/landscape/landscape.hpp"
#include "sims/langevin/langevin.hpp"
#include "sims/noise_scale/noise_scale.hpp"
#include "sims/random_walk/random_walk.hpp"
#include "sims/sharpness/sharpness.hpp"
#include "sims/simulation.hpp"
#include "sims/train/train.hpp"
#include "sims/two_layer/two_layer.hpp"

namespace soret::sims {

std::span<const Simulation> simulations() {
  static const std::vector<Simulation> all{
      two_layer_simulation(), random_walk_simulation(),   langevin_simulation(),  noise_scale_simulation(),
      train_simulation(),     deep_ensemble_simulation(), sharpness_simulation(), landscape_simulation()};
  return all;
}

const Simulation* find_simulation(std::string_view name) {
  const auto all = simulations();
  const auto found = std::ranges::find(all, name, &Simulation::name);
  return found == all.end() ? nullptr : &*found;
}

std::vector<std::string> simulation_names() {
  std::vector<std::string> names;
  for (const auto& simulation : simulations()) names.push_back(simulation.name);
  return names;
}

}  // namespace soret::sims
