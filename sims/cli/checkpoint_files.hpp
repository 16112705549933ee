#pragma once

#include <span>
#include <string>

#include "soret/network/network.hpp"
#include "soret/store/checkpoint.hpp"

/// What the commands that read a checkpoint and write its network's numbers share.
namespace soret::cli {

/// Appends a vector over the parameters in parts, each under its parameter's name and a suffix, in its shape,
/// and those of its dimensions that are not there yet.
void put_parameters(const network::Network<float>& network, const std::string& suffix,
                    std::span<const double> values, store::Dataset& to);
void put_parameters(const network::Network<float>& network, const std::string& suffix,
                    std::span<const float> values, store::Dataset& to);

}  // namespace soret::cli
