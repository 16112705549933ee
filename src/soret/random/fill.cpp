#include "soret/random/fill.hpp"

#include <algorithm>
#include <cmath>

#include "soret/random/distributions.hpp"

namespace soret {
namespace {

/// Counters of sixteen consecutive blocks. Lane 4 q + i holds block first + 4 i + q, so that a transposition
/// of 4 x 4 words within each quarter register (the cheap kind) brings the words into stream order.
PhiloxBlock<LanesU32> sixteen_counters(const Stream& stream, std::uint64_t first) {
  constexpr LanesU32 kOrder = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const auto lo = static_cast<std::uint32_t>(first);
  const auto hi = static_cast<std::uint32_t>(first >> 32);
  const LanesU32 x = lo + kOrder;
  const LanesU32 carry = as_unsigned(x < broadcast(lo)) & 1U;
  return {x, hi + carry, broadcast(stream.trajectory), broadcast(static_cast<std::uint32_t>(stream.purpose))};
}

template <class V>
void store_in_stream_order(V x, V y, V z, V w, void* out) {
  const V xy_lo = __builtin_shufflevector(x, y, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  const V xy_hi = __builtin_shufflevector(x, y, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  const V zw_lo = __builtin_shufflevector(z, w, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  const V zw_hi = __builtin_shufflevector(z, w, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  const V rows[4] = {
      __builtin_shufflevector(xy_lo, zw_lo, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
      __builtin_shufflevector(xy_lo, zw_lo, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31),
      __builtin_shufflevector(xy_hi, zw_hi, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29),
      __builtin_shufflevector(xy_hi, zw_hi, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31),
  };
  __builtin_memcpy(out, rows, sizeof(rows));
}

/// Calls map(words, to) for each 64 outputs in turn; it writes them in stream order.
template <class T, class Map>
void fill(const Stream& stream, std::uint64_t first_block, std::span<T> out, Map map) {
  constexpr std::size_t kChunk = 4 * kLanes;
  std::size_t done = 0;
  for (; done + 2 * kChunk <= out.size(); done += 2 * kChunk) {
    auto a = sixteen_counters(stream, first_block + done / 4);
    auto b = sixteen_counters(stream, first_block + (done + kChunk) / 4);
    philox(a, b, stream.key());
    map(a, out.data() + done);
    map(b, out.data() + done + kChunk);
  }
  for (; done < out.size(); done += kChunk) {
    const auto words = philox(sixteen_counters(stream, first_block + done / 4), stream.key());
    if (done + kChunk <= out.size()) {
      map(words, out.data() + done);
    } else {
      T rest[kChunk];
      map(words, rest);
      std::copy_n(rest, out.size() - done, out.data() + done);
    }
  }
}

}  // namespace

void fill_words(const Stream& stream, std::uint64_t first_block, std::span<std::uint32_t> out) {
  fill(stream, first_block, out, [](const PhiloxBlock<LanesU32>& b, std::uint32_t* p) {
    store_in_stream_order(b.x, b.y, b.z, b.w, p);
  });
}

void fill_uniform(const Stream& stream, std::uint64_t first_block, std::span<float> out) {
  fill(stream, first_block, out, [](const PhiloxBlock<LanesU32>& b, float* p) {
    store_in_stream_order(uniform<Lanes>(b.x), uniform<Lanes>(b.y), uniform<Lanes>(b.z), uniform<Lanes>(b.w),
                          p);
  });
}

void fill_normal(const Stream& stream, std::uint64_t first_block, std::span<float> out) {
  fill(stream, first_block, out, [](const PhiloxBlock<LanesU32>& b, float* p) {
    Lanes n0, n1, n2, n3;
    normal_pair(b.x, b.y, n0, n1);
    normal_pair(b.z, b.w, n2, n3);
    store_in_stream_order(n0, n1, n2, n3, p);
  });
}

void fill_rademacher(const Stream& stream, std::uint64_t first_block, std::span<float> out) {
  fill(stream, first_block, out, [](const PhiloxBlock<LanesU32>& b, float* p) {
    store_in_stream_order(rademacher<Lanes>(b.x), rademacher<Lanes>(b.y), rademacher<Lanes>(b.z),
                          rademacher<Lanes>(b.w), p);
  });
}

void fill_bernoulli(const Stream& stream, std::uint64_t first_block, double probability,
                    std::span<float> out) {
  // word < limit; a probability of 1 needs the one value that 32 bits cannot hold.
  const auto limit = static_cast<std::uint64_t>(std::llround(std::clamp(probability, 0.0, 1.0) * 0x1p32));
  fill(stream, first_block, out, [limit](const PhiloxBlock<LanesU32>& b, float* p) {
    std::uint32_t words[4 * kLanes];
    store_in_stream_order(b.x, b.y, b.z, b.w, words);
    for (int i = 0; i < 4 * kLanes; ++i) p[i] = words[i] < limit ? 1.0F : 0.0F;
  });
}

void fill_unit_sphere(const Stream& stream, std::uint64_t first_block, std::span<float> out) {
  fill_normal(stream, first_block, out);
  double square = 0;
  for (const float x : out) square += static_cast<double>(x) * x;
  if (square == 0 && !out.empty()) out[0] = 1, square = 1;  // a uniform that rounds to 1 gives radius 0
  const auto scale = 1.0 / std::sqrt(square);
  for (float& x : out) x = static_cast<float>(x * scale);
}

}  // namespace soret
