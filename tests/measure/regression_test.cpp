#include "soret/measure/regression.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soret/base/error.hpp"
#include "tests/measure/problems.hpp"

namespace soret::measure {
namespace {

using test::gradients;
using test::random_problem;
using test::random_weights;
using ::testing::HasSubstr;

constexpr Loss kLosses[] = {Loss::linear, Loss::logistic, Loss::softmax};

int outputs(Loss loss) {
  return loss == Loss::softmax ? 3 : 1;
}

TEST(Regression, GradientsAreTheOracles) {
  for (const Loss loss : kLosses) {
    const auto problem = random_problem(loss, 13, 5, outputs(loss));
    const Matrix w = random_weights(*problem);
    const Matrix r = residuals(*problem, w);
    const auto expected = gradients(*problem, w);
    Matrix mean = Matrix::Zero(w.rows(), w.cols());
    for (int i = 0; i < 13; ++i) {
      const Matrix g = r.row(i).transpose() * problem->inputs.row(i).cast<double>();
      const auto& e = expected[static_cast<std::size_t>(i)];
      const Eigen::Map<const Matrix> oracle(e.data(), w.rows(), w.cols());
      EXPECT_LT((g - oracle).norm(), 1e-13 * (1 + oracle.norm()));
      mean += oracle / 13;
    }
    EXPECT_LT((mean_gradient(*problem, r) - mean).norm(), 1e-13);
  }
}

TEST(Regression, TheGradientIsTheSlopeOfTheLoss) {
  for (const Loss loss : kLosses) {
    const auto problem = random_problem(loss, 17, 4, outputs(loss));
    const Matrix w = random_weights(*problem);
    const Matrix g = mean_gradient(*problem, residuals(*problem, w));
    for (Eigen::Index k = 0; k < w.size(); ++k) {
      constexpr double kStep = 1e-5;
      Matrix above = w;
      Matrix below = w;
      above.data()[k] += kStep;
      below.data()[k] -= kStep;
      const double slope = (mean_loss(*problem, above) - mean_loss(*problem, below)) / (2 * kStep);
      EXPECT_NEAR(g.data()[k], slope, 1e-9);
    }
  }
}

TEST(Regression, SumsOverManySamplesAreThoseOfOneBlock) {
  // 2500 samples are two whole blocks of 1024 and a part of one.
  const auto problem = random_problem(Loss::softmax, 2500, 3, 4);
  const Matrix w = random_weights(*problem);
  const Matrix r = residuals(*problem, w);
  const Matrix plain = r.transpose() * problem->inputs.cast<double>() / 2500;
  EXPECT_LT((mean_gradient(*problem, r) - plain).norm(), 1e-12);
}

TEST(Regression, ResidualsDoNotOverflow) {
  auto problem = random_problem(Loss::softmax, 2, 1, 2);
  problem->inputs << 1, -1;
  problem->classes = {0, 1};
  Matrix w(2, 1);
  w << 1e4, -1e4;
  const Matrix r = residuals(*problem, w);
  EXPECT_TRUE(r.allFinite());
  EXPECT_EQ(r.norm(), 0);
  EXPECT_EQ(mean_loss(*problem, w), 0);
  problem->loss = Loss::logistic;
  problem->outputs = 1;
  problem->targets << 0, 1;
  EXPECT_NEAR(mean_loss(*problem, w.topRows(1)), 1e4, 1e-9);
}

TEST(Regression, TheMinimiserHasNoGradient) {
  for (const Loss loss : kLosses) {
    const auto problem = random_problem(loss, 60, 4, outputs(loss));
    const Matrix w = minimiser(*problem);
    EXPECT_LT(mean_gradient(*problem, residuals(*problem, w)).norm(), 1e-11);
  }
}

TEST(Regression, DescentTendsToTheMinimiser) {
  const auto problem = random_problem(Loss::logistic, 60, 4, 1);
  Matrix w = Matrix::Zero(1, 4);
  descend(*problem, 1.0, 2000, w);
  EXPECT_LT((w - minimiser(*problem)).norm(), 1e-9);
}

template <class Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  ADD_FAILURE() << "not refused";
  return "";
}

TEST(Regression, SeparableClassesHaveNoMinimiser) {
  for (const Loss loss : {Loss::logistic, Loss::softmax}) {
    auto problem = random_problem(loss, 40, 3, loss == Loss::softmax ? 2 : 1);
    for (int i = 0; i < 40; ++i) {
      const bool above = problem->inputs(i, 1) > 0;
      problem->targets[i] = above ? 1 : 0;
      if (loss == Loss::softmax) problem->classes[static_cast<std::size_t>(i)] = above ? 1 : 0;
    }
    EXPECT_THAT(refusal([&] { minimiser(*problem); }), HasSubstr("no finite minimiser"));
  }
}

TEST(Regression, TooFastADescentIsRefused) {
  const auto problem = random_problem(Loss::linear, 20, 3, 1);
  Matrix w = Matrix::Ones(1, 3);
  EXPECT_THAT(refusal([&] { descend(*problem, 1e3, 1000, w); }), HasSubstr("point.descent_rate"));
  const auto large = random_problem(Loss::linear, 3, kMostNewtonParameters + 1, 1);
  EXPECT_THAT(refusal([&] { minimiser(*large); }), HasSubstr("1025"));
}

}  // namespace
}  // namespace soret::measure
