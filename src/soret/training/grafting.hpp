#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// Steps in the direction of one gradient and of the length of another (seed 000 section 5.1, Eq. 8).
namespace soret::training {

/// The batch gradient g becomes m g/|g| before the optimiser sees it. What m is:
///   iterative   |grad L_M| at the same parameters, M drawn for every update,
///               uniformly from the batch's micro-batches: a smaller last one
///               comes as often as the others
///   external    the norm that another run had at the same update
///   normalised  1: with plain SGD every step is as long as the learning rate
/// Where g is zero, or so small that m/|g| is above single precision, it stays as it is.
enum class GraftingKind { none, iterative, external, normalised };
inline constexpr std::string_view kGraftings[] = {"none", "iterative", "external", "normalised"};

struct Grafting {
  GraftingKind kind = GraftingKind::none;
  std::vector<std::size_t> layer_ends{};  ///< the norms are those of the layers, which end here (and begin
                                          ///< where the one before ends); empty: of the whole
  /// external: norms[k] is that of updates k interval, ..., (k + 1) interval - 1.
  std::vector<double> norms{};
  std::int64_t interval = 1;
};

/// Throws ConfigError if external norms end before this update.
double external_norm(const Grafting& grafting, std::int64_t update);

/// Gives every layer of g the norm that it has in `other`.
void graft(const Grafting& grafting, std::span<const float> other, std::span<float> g);
/// Gives every layer of g this norm.
void graft(const Grafting& grafting, double norm, std::span<float> g);

/// Which of `count` micro-batches is chosen at an update, each as likely, whatever their sizes: word x of
/// block `update` of the stream (seed, micro_batch_choice, 0).
int chosen_micro_batch(std::uint64_t seed, std::int64_t update, int count);

}  // namespace soret::training
