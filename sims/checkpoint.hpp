#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "soret/network/network.hpp"
#include "soret/store/checkpoint.hpp"

/// A network's numbers in a file: every parameter is a float32 variable of its own name and shape,
/// "conv1.weight" [out][h][w][in], and so is the state of its layers ("norm1.running_mean"). What a run needs
/// besides stands beside them (docs/checkpoints.md).
namespace soret::sims {

/// Root attribute `format` of every checkpoint; another number is another layout.
inline constexpr std::int64_t kCheckpointFormat = 2;

struct Weights {
  std::vector<float> parameters;
  std::vector<float> state;

  std::string digest() const;  ///< tells them from others
};

/// Appends the variables of a network to a checkpoint.
void put_weights(const network::Network<float>& network, std::span<const float> parameters,
                 std::span<const float> state, store::Dataset& to);

/// Throws InputError, naming the file and the first layer that differs with both shapes, if the checkpoint is
/// that of another network or of another format.
Weights weights_of(const network::Network<float>& network, const store::Dataset& from,
                   const std::filesystem::path& file);

/// An attribute of a checkpoint. Throws InputError if it has none of that name and type.
std::string text_attribute(const store::Dataset& from, const std::string& name);
std::int64_t integer_attribute(const store::Dataset& from, const std::string& name);
double real_attribute(const store::Dataset& from, const std::string& name);

}  // namespace soret::sims
