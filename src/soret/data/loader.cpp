#include "soret/data/loader.hpp"

#include <utility>

#include "soret/base/error.hpp"

namespace soret::data {

template <class T>
Loader<T>::Loader(const Dataset& source, Select select, std::int64_t first_update,
                  const Augmentation& augmentation, std::uint64_t seed, std::size_t ahead)
    : source_(source),
      select_(std::move(select)),
      first_update_(first_update),
      augmentation_(augmentation),
      seed_(seed),
      slots_(ahead + 1) {
  if (ahead == 0) throw ConfigError("a loader needs room for at least one batch ahead");
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

template <class T>
void Loader<T>::run(const std::stop_token& stop) {
  try {
    for (std::size_t k = 0;; ++k) {
      {
        std::unique_lock lock(mutex_);
        // Batch k overwrites batch k - size, which is free once next() has gone beyond it.
        if (!changed_.wait(lock, stop, [&] { return k < slots_.size() || k - slots_.size() + 1 < taken_; }))
          return;
      }
      const auto [samples, first_sample] = select_(first_update_ + static_cast<std::int64_t>(k));
      assemble(source_, samples, augmentation_, seed_, first_sample, slots_[k % slots_.size()]);
      const std::lock_guard lock(mutex_);
      made_ = k + 1;
      changed_.notify_all();
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    failure_ = std::current_exception();
    changed_.notify_all();
  }
}

template <class T>
const Batch<T>& Loader<T>::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return made_ > taken_ || failure_; });
  if (made_ == taken_) std::rethrow_exception(failure_);
  const std::size_t k = taken_++;
  changed_.notify_all();
  return slots_[k % slots_.size()];
}

template class Loader<float>;
template class Loader<double>;

}  // namespace soret::data
