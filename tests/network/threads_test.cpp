#include <gtest/gtest.h>
#include <omp.h>

#include <array>
#include <limits>

#include "soret/network/chunks.hpp"
#include "soret/network/models.hpp"
#include "tests/network/derivatives.hpp"

/// Losses, gradients and Hessian-vector products have the same bits whatever the number of threads.
namespace soret::network {
namespace {

using testing::Situation;

TEST(Chunks, OfAnySizeCoverAllSamples) {
  constexpr int kMost = std::numeric_limits<int>::max();
  for (const int n : {0, 1, 5, 64}) {
    for (const int size : {1, 2, 5, 64, kMost - 1, kMost}) {
      int seen = 0;
      for_each_chunk(
          n, size, [](const Chunk&) {},
          [&](const Chunk& chunk) {
            EXPECT_EQ(chunk.first, seen);
            EXPECT_LE(chunk.count, size);
            seen += chunk.count;
          });
      EXPECT_EQ(seen, n) << size;
    }
  }
}

/// Restores the number of threads.
class Threads {
 public:
  explicit Threads(int count) : before_(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~Threads() { omp_set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

template <class T>
struct Results {
  double loss;
  std::vector<T> gradient, product;
  bool operator==(const Results&) const = default;
};

template <class T>
void expect_same_bits(const Network<T>& net, const Network<double>& in_double, int n) {
  const Situation<double> d = testing::situation(in_double, n, HeadKind::softmax);
  const auto as_t = [](const std::vector<double>& x) { return std::vector<T>(x.begin(), x.end()); };
  const Situation<T> s{net,      HeadKind::softmax, n,     as_t(d.x), as_t(d.parameters), as_t(d.state),
                       d.labels, as_t(d.values),    d.mode};
  const auto v = as_t(testing::normals(s.parameters.size(), 3));
  const auto run = [&] {
    return Results<T>{s.loss(s.parameters), s.gradient(s.parameters), s.hessian_vector(v)};
  };
  const auto with = [&](int threads) {
    const Threads own(threads);
    return run();
  };
  const auto one = with(1);
  for (const int threads : {2, 3}) EXPECT_EQ(one, with(threads)) << threads << " threads";
  // A pass per thread.
  std::array<Results<T>, 2> each;
#pragma omp parallel for num_threads(2)
  for (int k = 0; k < 2; ++k) each[static_cast<std::size_t>(k)] = run();
  EXPECT_EQ(one, each[0]);
  EXPECT_EQ(one, each[1]);
}

template <class Make>
void expect_same_bits(Make make, int n) {
  expect_same_bits<float>(make(float{}), make(double{}), n);
}

// Sizes are large enough for every product to be made of several parts, by samples and by channels.
TEST(Threads, ChangeNothingForMultilayerPerceptrons) {
  const auto make = [](auto t) {
    constexpr std::array widths = {512, 391, 10};
    return multilayer_perceptron<decltype(t)>({1, 1, 785}, widths, ActivationKind::relu);
  };
  expect_same_bits(make, 101);
  expect_same_bits<double>(make(double{}), make(double{}), 19);
}

TEST(Threads, ChangeNothingForConvolutions) {
  expect_same_bits(
      [](auto t) {
        return convolutional<decltype(t)>({28, 28, 1}, 6, 10, 2, 10, ActivationKind::relu);
      },
      13);
}

TEST(Threads, ChangeNothingForBatchNormalisationOfAllSamples) {
  expect_same_bits([](auto t) { return f2<decltype(t)>({1, 1, 360}, 973, 0); }, 61);
  expect_same_bits([](auto t) { return c1<decltype(t)>({32, 32, 3}, 10, 0); }, 31);
}

TEST(Threads, ChangeNothingForResidualNetworks) {
  expect_same_bits([](auto t) { return resnet18<decltype(t)>({32, 32, 3}, 10, 16, 0); }, 9);
  expect_same_bits<float>(resnet18<float>({16, 16, 3}, 10, 64, 0), resnet18<double>({16, 16, 3}, 10, 64, 0),
                          11);
}

TEST(Threads, ChangeNothingForVgg) {
  expect_same_bits([](auto t) { return vgg<decltype(t)>({32, 32, 3}, 10, {.width = 12}); }, 9);
}

}  // namespace
}  // namespace soret::network
