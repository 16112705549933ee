#include "soret/network/convolution_kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/network/derivatives.hpp"

/// The three products in single precision, by whatever algorithm their sizes call for, against matrix
/// products in double.
namespace soret::network {
namespace {

using testing::normals;

std::vector<float> as_float(const std::vector<double>& x) {
  return {x.begin(), x.end()};
}
/// Numbers that both precisions have.
std::vector<double> single_normals(std::size_t count, std::uint64_t seed) {
  const auto x = as_float(normals(count, seed));
  return {x.begin(), x.end()};
}

/// |x - exact| / |exact|.
double error(const std::vector<float>& x, const std::vector<double>& exact) {
  double distance = 0;
  double length = 0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    distance += (x[i] - exact[i]) * (x[i] - exact[i]);
    length += exact[i] * exact[i];
  }
  return std::sqrt(distance / length);
}

struct Case {
  const char* name;
  int h, w, in, out, kernel, stride, pad, n;
  double allowed;  ///< a direct sum's rounding, or that of F(4 x 4, 3 x 3)
};

void PrintTo(const Case& c, std::ostream* to) {
  *to << c.name;
}

class Products : public ::testing::TestWithParam<Case> {};

TEST_P(Products, AreThoseOfDoublePrecision) {
  const Case& c = GetParam();
  const auto along = [&](int size) { return (size + 2 * c.pad - c.kernel) / c.stride + 1; };
  const ConvolutionSize size{
      {c.h, c.w, c.in}, {along(c.h), along(c.w), c.out}, c.kernel, c.kernel, c.stride, c.pad};
  const auto single = convolution_kernels<float>(size);
  const auto exact = unfolded_convolution<double>(size);
  const auto x = single_normals(c.n * size.in.size(), 1);
  const auto y = single_normals(c.n * size.out.size(), 2);
  const auto w = single_normals(static_cast<std::size_t>(c.out) * c.kernel * c.kernel * c.in, 3);
  const auto fx = as_float(x);
  const auto fy = as_float(y);
  const auto fw = as_float(w);
  for (const bool add : {false, true}) {
    auto got = as_float(y);
    auto expected = y;
    single->forward(c.n, fx.data(), fw.data(), got.data(), add);
    exact->forward(c.n, x.data(), w.data(), expected.data(), add);
    EXPECT_LT(error(got, expected), c.allowed) << "forward, add " << add;
    got = as_float(x);
    expected = x;
    single->data_gradient(c.n, fy.data(), fw.data(), got.data(), add);
    exact->data_gradient(c.n, y.data(), w.data(), expected.data(), add);
    EXPECT_LT(error(got, expected), c.allowed) << "data gradient, add " << add;
  }
  auto got = as_float(w);
  auto expected = w;
  single->weight_gradient(c.n, fx.data(), fy.data(), got.data());
  exact->weight_gradient(c.n, x.data(), y.data(), expected.data());
  EXPECT_LT(error(got, expected), c.allowed) << "weight gradient";
}

// Images that are no multiples of Winograd's tiles, parts of unequal numbers of samples, one sample.
INSTANTIATE_TEST_SUITE_P(Convolution, Products,
                         ::testing::Values(Case{"direct", 13, 11, 3, 5, 3, 1, 1, 7, 1e-6},
                                           Case{"strided", 13, 11, 16, 32, 3, 2, 1, 5, 1e-6},
                                           Case{"by_channels", 4, 4, 64, 128, 3, 1, 1, 5, 1e-6},
                                           Case{"few_tiles", 9, 7, 64, 64, 3, 1, 1, 3, 1e-6},
                                           Case{"tiles", 13, 11, 16, 48, 3, 1, 1, 11, 2e-6},
                                           Case{"many_tiles", 17, 22, 64, 32, 3, 1, 1, 9, 2e-6},
                                           Case{"tiles_of_one_sample", 32, 31, 48, 64, 3, 1, 1, 1, 2e-6},
                                           Case{"blocks_of_channels_missing", 13, 11, 16, 20, 3, 1, 1, 19,
                                                1e-6}),
                         [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace soret::network
