#pragma once

#include <cstdint>

#include "soret/network/head.hpp"

/// Labels that a network's own outputs make likely: seed 000's yhat ~ p(y|z) (Eq. 3).
namespace soret::network {

/// Draws for samples 0, ..., n - 1 of z[n][classes]; sample i takes from block first + i of the stream (seed,
/// sampled_labels, draw). softmax and logistic: labels[i], from the 64 bits of the block's words x and y.
/// squared: values[n][classes], z plus standard normals, four per block of (first + i) ceil(classes/4) + ....
/// No gradient goes through the draw. Throws ConfigError for the linear head, which is no model.
template <class T>
void draw_labels(HeadKind head, int n, int classes, const T* z, std::uint64_t seed, std::uint32_t draw,
                 std::uint64_t first, std::int32_t* labels, T* values);

}  // namespace soret::network
