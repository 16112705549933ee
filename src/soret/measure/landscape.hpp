#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "soret/network/network.hpp"

/// Lines and planes in parameter space along which a loss is drawn: every point is a combination of a few
/// vectors, and what is written here are the coefficients and the vectors.
namespace soret::measure {

/// sum_k coefficients[k] vectors[k], in double, rounded once. A vector whose coefficient is 0 is not looked
/// at, so that 1 v + 0 w is v to the last bit.
std::vector<float> combination(std::span<const double> coefficients,
                               std::span<const std::span<const double>> vectors);

/// Coefficients of (x_s, x_l) in alpha x_l + (1 - alpha) x_s (seed 003 Fig. 5).
std::array<double, 2> linear_path(double alpha);

/// Coefficients of (x_s, x_l) in sin(alpha pi/2) x_l + cos(alpha pi/2) x_s (seed 003 §3.2). Exact where alpha
/// is whole: one of them is 0 there. For |x_s| = |x_l| and a right angle between them the norm stays.
std::array<double, 2> curved_path(double alpha);

/// The plane through three points as Garipov et al. (NeurIPS 2018, App. A.1) draw it,
///   w_1 + alpha u + beta v,  u = w_2 - w_1,  v = (w_3 - w_1) - s u,  s = (w_3 - w_1).u / |u|^2,
/// but in units of |u| and |v|: w_1 is at (0, 0), w_2 at (1, 0), w_3 at (s, 1).
struct PlaneThroughThree {
  double s = 0;
  double u_norm = 0, v_norm = 0;

  /// Of (w_1, w_2, w_3); they sum to 1.
  std::array<double, 3> coefficients(double alpha, double beta) const;
};
/// Throws ConfigError if w_1 and w_2 are one point, or the three lie on one line.
PlaneThroughThree plane_through(std::span<const float> w1, std::span<const float> w2,
                                std::span<const float> w3);

/// A standard normal vector: the stream (seed, landscape, 2 trajectory + which), `which` 0 or 1.
std::vector<double> random_vector(std::size_t size, std::uint64_t seed, std::uint32_t trajectory, int which);

/// Scales a vector to unit length.
void normalise(std::span<double> direction);

/// Filter normalisation (Li et al., NeurIPS 2018, §4): d_ij <- d_ij |w_ij| / |d_ij| for every filter j of
/// every layer i, which for a convolution is what one output channel reads, and for a dense layer what one
/// output reads. Biases and the scales and shifts of batch normalisation do not move, as in the authors'
/// code. Where a filter of d is 0 it stays so.
void filter_normalise(const network::Network<float>& network, std::span<const float> parameters,
                      std::span<double> direction);

}  // namespace soret::measure
