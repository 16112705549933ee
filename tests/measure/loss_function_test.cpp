#include "soret/measure/loss_function.hpp"

#include <gtest/gtest.h>

#include "soret/base/error.hpp"
#include "tests/measure/networks.hpp"

namespace soret::measure {
namespace {

using namespace testing;

// Eleven samples in chunks of four, four and three, at other parameters than those of the loss.
TEST(LossFunction, IsTheMeanLossAndItsGradient) {
  for (const HeadKind head : {HeadKind::softmax, HeadKind::logistic, HeadKind::squared}) {
    const Measured m(head, 11);
    const LossAt<double> loss = m.at(4, false);
    const Differentiable f = loss_function(loss);
    ASSERT_EQ(f.size, loss.parameters.size());
    std::vector<double> w(loss.parameters.begin(), loss.parameters.end());
    for (std::size_t i = 0; i < w.size(); ++i) w[i] += 0.01 * std::sin(static_cast<double>(i));
    std::vector<int> all(11);
    std::iota(all.begin(), all.end(), 0);
    const Vector exact = plain_gradient(loss, w, all, 1.0 / 11);
    std::vector<double> g(w.size(), 7.0);
    const double value = f.gradient(w, g);
    EXPECT_LT((Eigen::Map<const Vector>(g.data(), exact.size()) - exact).lpNorm<Eigen::Infinity>(), 1e-14);
    auto evaluated = m.s;
    evaluated.mode = {.batch_statistics = false, .dropout = false};
    EXPECT_NEAR(value, evaluated.loss(w), 1e-14 * 11);
    EXPECT_EQ(f.value(w), value);
    const Differentiable single = loss_function(m.at_in_float(4, false));
    EXPECT_NEAR(single.value(w), value, 1e-5);
  }
}

TEST(LossFunction, DoesNotDependOnThreads) {
  const Measured m(HeadKind::softmax, 23);
  const std::vector<double> w(m.s.parameters);
  expect_independent_of_threads([&] {
    std::vector<double> g(w.size());
    const Differentiable f = loss_function(m.at(3, false));
    g.push_back(f.gradient(w, g));
    return g;
  });
}

}  // namespace
}  // namespace soret::measure
