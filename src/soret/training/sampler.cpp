#include "soret/training/sampler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "soret/base/error.hpp"
#include "soret/random/stream.hpp"

namespace soret::training {
namespace {

/// Number k of a stream, uniform in [0, limit): the upper part of 64 bits times the limit, which is below
/// 2^32.
std::uint32_t below(const Stream& stream, std::uint64_t k, std::uint64_t limit) {
  const auto block = stream.block(k / 2);
  const std::uint64_t high = k % 2 == 0 ? block.x : block.z;
  const std::uint64_t low = k % 2 == 0 ? block.y : block.w;
  return static_cast<std::uint32_t>((high * limit + (low * limit >> 32)) >> 32);
}

}  // namespace

Sampler::Sampler(Sampling sampling, std::size_t samples, std::size_t batch_size, std::uint64_t seed)
    : sampling_(sampling), samples_(samples), batch_size_(batch_size), seed_(seed), order_(samples) {
  if (samples == 0) throw ConfigError("there are no training samples");
  if (sampling != Sampling::with_replacement && batch_size > samples) {
    throw ConfigError(
        fmt::format("a batch of {} is larger than the {} training samples; take a smaller one or "
                    "sampling = with_replacement",
                    batch_size, samples));
  }
  const bool whole = sampling == Sampling::shuffle_drop_last;
  updates_per_epoch_ = static_cast<std::int64_t>((samples + (whole ? 0 : batch_size - 1)) / batch_size);
}

void Sampler::shuffle(std::int64_t epoch) {
  const Stream stream{seed_, Purpose::epoch_order, static_cast<std::uint32_t>(epoch)};
  std::iota(order_.begin(), order_.end(), 0U);
  for (std::size_t i = samples_; i > 1; --i) std::swap(order_[i - 1], order_[below(stream, i, i)]);
  epoch_ = epoch;
}

const std::vector<std::uint32_t>& Sampler::batch(std::int64_t update) {
  if (sampling_ == Sampling::with_replacement) {
    const Stream stream{seed_, Purpose::sampling, 0};
    batch_.clear();
    for (std::size_t k = 0; k < batch_size_; ++k)
      batch_.push_back(below(stream, static_cast<std::uint64_t>(update) * batch_size_ + k, samples_));
    return batch_;
  }
  const std::int64_t epoch = update / updates_per_epoch_;
  if (epoch != epoch_) shuffle(epoch);
  const std::size_t first = static_cast<std::size_t>(update % updates_per_epoch_) * batch_size_;
  const std::size_t last = std::min(samples_, first + batch_size_);
  batch_.assign(order_.begin() + static_cast<std::ptrdiff_t>(first),
                order_.begin() + static_cast<std::ptrdiff_t>(last));
  return batch_;
}

}  // namespace soret::training
