#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

/// Which samples make up which batch. Everything is a function of the seed and the number of the update, so
/// that a run can go on from anywhere.
namespace soret::training {

enum class Sampling {
  shuffle,  ///< every epoch sees every sample once, in an order of its own; a last, smaller batch counts
  shuffle_drop_last,  ///< the same, and what does not fill a batch is left out of its epoch
  with_replacement,   ///< every sample of every batch is an independent draw
};
inline constexpr std::string_view kSamplings[] = {"shuffle", "shuffle_drop_last", "with_replacement"};

/// Draws: epoch e is shuffled by Fisher and Yates with 64 bits per swap from the stream (seed, epoch_order,
/// e); sample k with replacement is 64 bits of the stream (seed, sampling, 0).
class Sampler {
 public:
  /// Throws ConfigError for no samples, or a batch larger than the set (except with replacement).
  Sampler(Sampling sampling, std::size_t samples, std::size_t batch_size, std::uint64_t seed);

  std::int64_t updates_per_epoch() const { return updates_per_epoch_; }
  /// The samples of an update, counted from 0. Valid until the next call.
  const std::vector<std::uint32_t>& batch(std::int64_t update);

 private:
  void shuffle(std::int64_t epoch);

  Sampling sampling_;
  std::size_t samples_, batch_size_;
  std::uint64_t seed_;
  std::int64_t updates_per_epoch_;
  std::int64_t epoch_ = -1;
  std::vector<std::uint32_t> order_, batch_;
};

}  // namespace soret::training
