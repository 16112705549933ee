#pragma once

#include <cstdint>
#include <span>
#include <string_view>

/// Gradient penalties of seed 000: what is added to the mean loss of a batch that is cut into micro-batches.
namespace soret::training {

/// With s_M the scalar that micro-batch M defines, the penalty is |grad s_M|^2, and its gradient
/// 2 H_{s_M} grad s_M. The mean over the samples of M of
///   gradient_norm     (GN)  the loss, with the labels that are trained on (Eq. 1)
///   fisher_trace      (FT)  the loss, with a label per sample drawn from the model; no gradient goes through
///                           the draw (Eq. 3). Its expectation is Tr(F_M)/|M|
///   average_jacobian  (AJ)  z . (1/C) (Eq. 5)
///   unit_jacobian     (UJ)  z . u, u uniform on the unit sphere, one draw per micro-batch (Eq. 6). Its
///                           expectation is |mean J|_F^2 / C
enum class PenaltyKind { none, gradient_norm, fisher_trace, average_jacobian, unit_jacobian };
inline constexpr std::string_view kPenalties[] = {"none", "gradient_norm", "fisher_trace", "average_jacobian",
                                                  "unit_jacobian"};

enum class PenaltyForm {
  average,       ///< sum over all micro-batches of |M|/|B| |grad s_M|^2 (Eq. 1); exact for unequal ones, too
  sample,        ///< |grad s_S|^2 of one micro-batch S (Eq. 7), drawn anew, uniformly, for every update
  fixed_sample,  ///< of the first one
};
inline constexpr std::string_view kPenaltyForms[] = {"average", "sample", "fixed_sample"};

struct Penalty {
  PenaltyKind kind = PenaltyKind::none;
  PenaltyForm form = PenaltyForm::average;
  double strength = 0.01;              ///< lambda, or
  bool follows_learning_rate = false;  ///< lambda over the learning rate (1/4: seed 001 Eq. 1)
  std::int64_t every = 1;              ///< updates; between them there is no penalty
  bool sum_of_classes = false;  ///< AJ with z . 1 as in the code released with the seed: C^2 times as strong
  /// The product H v from gradients at two places, (grad s(w + h v) - grad s(w)) / h with
  /// h = difference_step (1 + |w|) / |v|, instead of exactly.
  bool finite_difference = false;
  double difference_step = 1e-3;

  bool applies(std::int64_t update) const { return kind != PenaltyKind::none && update % every == 0; }
  double strength_at(double learning_rate) const {
    return follows_learning_rate ? strength * learning_rate : strength;
  }
};

/// u of unit_jacobian for the micro-batch of this number in the run: a point uniform on the unit sphere, of
/// the stream (seed, penalty_directions, 0), blocks ceil(C/4) number on.
void draw_direction(std::uint64_t seed, std::uint64_t number, std::span<float> u);

}  // namespace soret::training
