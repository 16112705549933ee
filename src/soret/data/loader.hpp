#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include "soret/data/batch.hpp"

namespace soret::data {

/// The samples of one update, and how many the run saw before it.
struct Selection {
  std::span<const std::uint32_t> samples;
  std::uint64_t first_sample = 0;
};

/// Assembles the next batches on a thread of its own while the current one is computed with. The batches are
/// those that assemble() gives, whatever the timing; after the first few, no memory is allocated.
///
///   Loader<float> loader(train, [&](std::int64_t update) {
///     return Selection{sampler.batch(update), update * batch_size};
///   }, first_update, augmentation, seed);
///   for (auto update = first_update; update < last; ++update) step(loader.next());
template <class T>
class Loader {
 public:
  /// Called on the loader's thread, once for each update and in order, ahead of next(): also for a few
  /// updates that nobody asks for in the end. What it returns must stay valid until the next call.
  using Select = std::function<Selection(std::int64_t update)>;

  /// `ahead`: how many batches wait ready at most, 1 or more. The source must outlive this and stay as it is.
  Loader(const Dataset& source, Select select, std::int64_t first_update, const Augmentation& augmentation,
         std::uint64_t seed, std::size_t ahead = 2);
  /// Waits for the batch that is being assembled, and for no more.
  ~Loader() = default;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The batch of the next update, valid until the following call. Rethrows, then and ever after, what
  /// `select` or assemble() threw for it; the batches before it come first.
  const Batch<T>& next();

 private:
  void run(const std::stop_token& stop);

  const Dataset& source_;
  Select select_;
  std::int64_t first_update_;
  Augmentation augmentation_;
  std::uint64_t seed_;
  std::vector<Batch<T>>
      slots_;  ///< batch k is in slot k % size: one in use, the others ready or in the making

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::size_t made_ = 0;   ///< batches
  std::size_t taken_ = 0;  ///< by next(), the last of which is in use
  std::exception_ptr failure_;

  std::jthread thread_;  ///< last: ends before what it uses does
};

}  // namespace soret::data
