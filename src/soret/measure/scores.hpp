#pragma once

#include <vector>

#include "soret/measure/loss_at.hpp"

/// How well a network does on a data set, at one point of parameter space.
namespace soret::measure {

struct Scores {
  double loss = 0;      ///< mean over the samples
  double accuracy = 0;  ///< share of the samples that are given their label
};

/// Needs labels, whatever the head. Throws ConfigError as require_complete(), and without labels.
template <class T>
Scores scores(const LossAt<T>& loss);

/// The statistics of batch normalisation anew (those of `loss.state` are not looked at): the samples pass in
/// batches of `loss.chunk`, normalised by themselves, and what each layer sees is averaged over the batches,
/// weighted by their samples (Izmailov et al., UAI 2018, §3.3). Means and unbiased variances, as
/// Network::state() orders them; empty for a network without. Throws ConfigError as require_complete(), and,
/// naming the layer, for a batch of one value.
template <class T>
std::vector<T> estimated_statistics(const LossAt<T>& loss);

}  // namespace soret::measure
