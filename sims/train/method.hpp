#pragma once

#include <string>
#include <vector>

#include "soret/network/network.hpp"
#include "soret/scan/config.hpp"
#include "soret/training/trainer.hpp"

/// What seed 000 changes about SGD: the sections [penalty], [graft] and [noise].
namespace soret::sims {

struct Method {
  training::Penalty penalty;
  training::Grafting grafting;  ///< without layers and external norms: see complete()
  training::InjectedNoise noise;
  bool per_layer = false;
  std::string norm_file, norm_observable;
  std::int64_t norm_point = -1;    ///< negative: the file has one
  std::int64_t norm_interval = 0;  ///< updates; 0: as recorded
};

std::vector<Option> method_options();
/// Throws ConfigError for what no single key can tell.
Method method_of(const Settings& settings);

/// The grafting with the layers' places and the norms of `updates` updates. Throws ConfigError, naming the
/// file and what it has, if it cannot give them; InputError if it cannot be read.
training::Grafting complete(const Method& method, const network::Network<float>& network,
                            std::int64_t updates);

}  // namespace soret::sims
