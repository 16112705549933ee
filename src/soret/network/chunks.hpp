#pragma once

#include <algorithm>
#include <exception>

/// Work on many samples, chunk by chunk on OpenMP threads, whose sums do not depend on the number of threads.
namespace soret::network {

struct Chunk {
  int first, count;  ///< samples
};

/// How many chunks of `size` samples there are out of n, for any size.
inline int chunks_of(int n, int size) {
  return n == 0 ? 0 : (n - 1) / size + 1;
}

/// Calls work(chunk) for the chunks of `size` samples out of n (the last may be smaller) on OpenMP threads,
/// and after it add(chunk) on the same thread: one chunk after the other, in order. Also a single chunk is
/// computed by one thread, so that nothing inside it is split either. Throws the first exception again, by
/// order of chunks; then later chunks may not have been added.
template <class Work, class Add>
void for_each_chunk(int n, int size, const Work& work, const Add& add) {
  const int chunks = chunks_of(n, size);
  std::exception_ptr failure;
#pragma omp parallel for ordered schedule(static, 1)
  for (int c = 0; c < chunks; ++c) {
    const Chunk chunk{c * size, std::min(size, n - c * size)};
    std::exception_ptr mine;  // must not leave the parallel region
    try {
      work(chunk);
    } catch (...) {
      mine = std::current_exception();
    }
#pragma omp ordered
    {
      if (!failure) failure = mine;
      if (!failure) {
        try {
          add(chunk);
        } catch (...) {
          failure = std::current_exception();
        }
      }
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace soret::network
